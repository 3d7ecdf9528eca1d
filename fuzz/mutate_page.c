/*
 * mutate_page.c - the custom mutator of fuzz_page: works on fields, slots, cells and entries, and repairs the checksum
 * three times of four.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "mutate.h"
#include "page_input.h"
#include "parts.h"

static void mutate_bytes(random_stream *random, page_input *input)
{
    size_t at = (size_t)random_below(random, input->bytes), n = 1 + (size_t)random_below(random, 64);
    n = n < input->bytes - at ? n : input->bytes - at;
    switch (random_below(random, 4)) {
    case 0:
        LLVMFuzzerMutate(input->page + at, n, n);
        return;
    case 1:
        memmove(input->page + at, input->page + random_below(random, input->bytes - n + 1), n);
        return;
    default:
        mutate_number(random, input->page + at, 1);
    }
}

static void mutate_once(random_stream *random, page_input *input)
{
    uint64_t choice = random_below(random, 16);
    bool list = input->page[PAGE_TYPE] == PAGE_FREE_LIST || input->page[PAGE_TYPE] == PAGE_VLOG_TABLE;
    if (choice == 0)
        input->level = (uint8_t)random_next(random);
    else if (choice == 1)
        input->flags ^= (uint8_t)(PAGE_INPUT_LARGE << random_below(random, 3));
    else if (choice < 4)
        mutate_bytes(random, input);
    else if (input->what == PAGE_INPUT_META)
        mutate_field(random, input->page, &part_meta);
    else if (choice < 8)
        mutate_field(random, input->page, &part_page);
    else if (list)
        mutate_list(random, input->page, input->bytes);
    else
        mutate_cells(random, input->page, input->bytes);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    static page_input input; /* one thread */
    page_input_decode(&input, data, size);
    for (uint64_t i = random_below(&random, 3) + 1; i > 0; i--)
        mutate_once(&random, &input);
    if (input.what != PAGE_INPUT_META) /* it may have grown: what is expected keeps its size */
        input.bytes = input.flags & PAGE_INPUT_LARGE ? 8192 : 4096;
    if (!random_chance(&random, 4))
        page_input_repair(&input, !random_chance(&random, 4));
    size_t used = page_input_encode(&input, data, capacity);
    return used ? used : LLVMFuzzerMutate(data, size, capacity);
}

/* The front of one page, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    static page_input a, b; /* one thread */
    page_input_decode(&a, data1, size1);
    page_input_decode(&b, data2, size2);
    if (a.bytes != b.bytes)
        return 0;
    size_t at = (size_t)random_below(&random, a.bytes);
    memcpy(a.page + at, b.page + at, a.bytes - at);
    page_input_repair(&a, true);
    return page_input_encode(&a, out, capacity);
}
