/*
 * page_input.c - pages as short inputs (page_input.h).
 *
 * Invariants: a decoded page has zeros where the input says nothing; the longest run of zeros is left out by encode.
 * Concurrency: pure functions over their arguments.
 */
#include "page_input.h"

#include <string.h>

#include "../engine/checksum.h"

void page_input_decode(page_input *input, const uint8_t *data, size_t size)
{
    uint8_t header[PAGE_INPUT_BYTES] = { 0 };
    memcpy(header, data, size < sizeof header ? size : sizeof header);
    input->what = header[0] % PAGE_INPUT_KINDS;
    input->flags = header[1];
    input->level = header[2];
    input->bytes = input->what == PAGE_INPUT_META ? META_BYTES : header[1] & PAGE_INPUT_LARGE ? 8192 : 4096;
    data += size < sizeof header ? size : sizeof header;
    size -= size < sizeof header ? size : sizeof header;
    size = size < input->bytes ? size : input->bytes;
    size_t front = load_u16(header + 4);
    front = front < size ? front : size;
    memcpy(input->page, data, front);
    memset(input->page + front, 0, input->bytes - size);
    memcpy(input->page + input->bytes - (size - front), data + front, size - front);
}

size_t page_input_encode(const page_input *input, uint8_t *data, size_t capacity)
{
    size_t from = 0, longest = 0, run = 0;
    for (size_t i = 0; i < input->bytes; i++) {
        run = input->page[i] ? 0 : run + 1;
        if (run > longest) {
            longest = run;
            from = i + 1 - run;
        }
    }
    size_t tail = input->bytes - from - longest;
    if (PAGE_INPUT_BYTES + from + tail > capacity)
        return 0;
    data[0] = input->what;
    data[1] = input->flags;
    data[2] = input->level;
    data[3] = 0;
    store_u16(data + 4, (uint16_t)from);
    memcpy(data + PAGE_INPUT_BYTES, input->page, from);
    memcpy(data + PAGE_INPUT_BYTES + from, input->page + input->bytes - tail, tail);
    return PAGE_INPUT_BYTES + from + tail;
}

static void repair_heads(page_input *input)
{
    uint8_t *page = input->page;
    size_t fixed = page[PAGE_TYPE] == PAGE_LEAF ? LEAF_CELL_KEY : BRANCH_CELL_KEY, at = PAGE_HEADER_BYTES;
    for (unsigned i = load_u16(page + PAGE_CELLS); i > 0 && at + SLOT_BYTES <= input->bytes; i--, at += SLOT_BYTES) {
        size_t key = load_u16(page + at + SLOT_OFFSET) + fixed, bytes = load_u16(page + at + SLOT_KEY_BYTES);
        if (key + bytes <= input->bytes)
            store_u32(page + at + SLOT_HEAD, key_head32(page + key, bytes));
    }
}

void page_input_repair(page_input *input, bool heads)
{
    uint8_t *page = input->page;
    if (input->what == PAGE_INPUT_META) {
        store_u64(page + META_CHECKSUM, checksum(page + META_MAGIC_AT, META_BYTES - META_MAGIC_AT,
                                                 checksum_seed(0, PLACE_META, !!(input->flags & PAGE_INPUT_SLOT))));
        return;
    }
    if (heads && (page[PAGE_TYPE] == PAGE_LEAF || page[PAGE_TYPE] == PAGE_BRANCH))
        repair_heads(input);
    store_u64(page + PAGE_CHECKSUM, page_checksum(page, input->bytes, PAGE_INPUT_IDENTITY, PAGE_INPUT_NUMBER));
}
