/*
 * parts.c - changes of numbers, fields and cells (parts.h).
 *
 * Invariants: nothing outside the page is read or written, whatever its bytes say. Concurrency: pure functions over
 * their arguments.
 */
#include "parts.h"

#include <string.h>

#include "../engine/page_format.h"
#include "../engine/record_format.h"
#include "../engine/vlog_format.h"
#include "../engine/wal_format.h"

/* ---- numbers ---------------------------------------------------------------------------------------------- */

static uint64_t load_number(const uint8_t *at, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | at[i];
    return v;
}

static void store_number(uint8_t *at, size_t bytes, uint64_t v)
{
    for (size_t i = 0; i < bytes; i++, v >>= 8)
        at[i] = (uint8_t)v;
}

/* A field gets another value: near the old one, a limit, a power of two, or anything. */
void mutate_number(random_stream *random, uint8_t *at, size_t bytes)
{
    static const uint64_t interesting[] = { 0, 1, 2, 3, 4, 7, 8, 63, 64, 65, 79, 80, 81, 127, 128, 255, 256, 511, 512,
                                            1023, 1024, 1025, 4032, 4095, 4096, 4097, 8191, 8192, 16384, 32767, 32768,
                                            65535, 65536, 1u << 28, 1u << 29, 0x7fffffff, 0x80000000, 0xffffffff };
    uint64_t old = load_number(at, bytes), v = old;
    switch (random_below(random, 7)) {
    case 0:
        v = old + 1;
        break;
    case 1:
        v = old - 1;
        break;
    case 2:
        v = old ^ (uint64_t)1 << random_below(random, 8 * bytes);
        break;
    case 3:
        v = interesting[random_below(random, sizeof interesting / sizeof interesting[0])];
        break;
    case 4:
        v = UINT64_MAX >> random_below(random, 64);
        break;
    case 5:
        v = old + random_below(random, 64) * (random_chance(random, 2) ? 8 : 1) - 32;
        break;
    default:
        v = random_next(random);
    }
    store_number(at, bytes, v);
}

void mutate_field(random_stream *random, uint8_t *base, const struct part *part)
{
    const struct field *f = &part->fields[random_below(random, part->count)];
    mutate_number(random, base + f->at, f->bytes);
}

static const struct field meta_fields[] = {
    { META_VERSION, 4 }, { META_PAGE_BYTES, 4 }, { META_IDENTITY, 8 }, { META_GENERATION, 8 }, { META_ROOT, 8 },
    { META_HEIGHT, 4 }, { META_SECTOR_BYTES, 4 }, { META_KEYS, 8 }, { META_PAGE_COUNT, 8 }, { META_FREE_LIST, 8 },
    { META_FREE_PAGES, 8 }, { META_REPLAY, 8 }, { META_REPLAY_CHAIN, 8 }, { META_SEQUENCE, 8 },
    { META_INCARNATION, 8 }, { META_LEAF_PAGES, 8 }, { META_BRANCH_PAGES, 8 }, { META_OVERFLOW_PAGES, 8 },
    { META_FREE_LIST_PAGES, 8 }, { META_NAMED_ROOT, 8 }, { META_NAMED_HEIGHT, 4 }, { META_NAMED_KEYS, 8 },
    { META_VLOG_TABLE, 8 }, { META_VLOG_TABLE_PAGES, 8 }, { META_VLOG_NEXT, 8 } };
static const struct field page_fields[] = {
    { PAGE_NUMBER, 8 }, { PAGE_GENERATION, 8 }, { PAGE_TYPE, 1 }, { PAGE_LEVEL, 1 }, { PAGE_CELLS, 2 },
    { PAGE_CELLS, 2 }, { PAGE_HEAP, 4 }, { PAGE_PREFIX_BYTES, 4 }, { PAGE_PREFIX_BYTES, 4 }, { PAGE_RESERVED_A, 4 },
    { PAGE_NEXT, 8 }, { PAGE_NEXT_CHECKSUM, 8 }, { PAGE_RESERVED_B, 8 } };
static const struct field slot_fields[] = { { SLOT_HEAD, 4 }, { SLOT_OFFSET, 2 }, { SLOT_OFFSET, 2 },
                                            { SLOT_KEY_BYTES, 2 }, { SLOT_KEY_BYTES, 2 } };
static const struct field group_fields[] = {
    { WAL_GROUP_MAGIC_AT, 4 }, { WAL_GROUP_KIND, 1 }, { WAL_GROUP_KIND, 4 }, { WAL_GROUP_POSITION, 8 },
    { WAL_GROUP_INCARNATION, 8 }, { WAL_GROUP_DURABLE, 8 }, { WAL_GROUP_GENERATION, 8 },
    { WAL_GROUP_PAYLOAD_BYTES, 4 }, { WAL_GROUP_PAYLOAD_BYTES, 4 }, { WAL_GROUP_BATCHES, 4 },
    { WAL_GROUP_SEQUENCE, 8 }, { WAL_GROUP_NEXT_SEGMENT, 8 } };
/* of the first batch and its first operation */
static const struct field batch_fields[] = {
    { BATCH_OPS_BYTES, 4 }, { BATCH_OP_COUNT, 4 }, { BATCH_DURABILITY, 4 }, { BATCH_RESERVED, 4 },
    { BATCH_HEADER_BYTES + RECORD_KIND, 1 }, { BATCH_HEADER_BYTES + RECORD_FLAGS, 1 },
    { BATCH_HEADER_BYTES + RECORD_KEY_BYTES, 2 }, { BATCH_HEADER_BYTES + RECORD_VALUE_BYTES, 4 },
    { BATCH_HEADER_BYTES + RECORD_HEADER_BYTES, 1 } };
static const struct field segment_fields[] = {
    { WAL_SEGMENT_VERSION, 4 }, { WAL_SEGMENT_SECTOR_BYTES, 4 }, { WAL_SEGMENT_IDENTITY, 8 },
    { WAL_SEGMENT_NUMBER, 8 }, { WAL_SEGMENT_BYTES, 8 }, { WAL_SEGMENT_INCARNATION, 8 } };

static const struct field value_segment_fields[] = { { VLOG_SEGMENT_VERSION, 4 }, { VLOG_SEGMENT_IDENTITY, 8 },
                                              { VLOG_SEGMENT_NUMBER, 8 } };
static const struct field value_record_fields[] = {
    { VLOG_RECORD_MAGIC_AT, 4 }, { VLOG_RECORD_VALUE_BYTES, 4 }, { VLOG_RECORD_VALUE_BYTES, 4 },
    { VLOG_RECORD_KEY_BYTES, 2 }, { VLOG_RECORD_KEY_BYTES, 2 }, { VLOG_RECORD_FLAGS, 2 }, { VLOG_RECORD_KEYSPACE, 4 },
    { VLOG_RECORD_HEADER_BYTES, 1 } };
static const struct field pointer_fields[] = { { VLOG_POINTER_POSITION, 4 }, { VLOG_POINTER_POSITION + 4, 4 },
                                        { VLOG_POINTER_VALUE_BYTES, 4 }, { VLOG_POINTER_KEY_BYTES, 2 },
                                        { VLOG_POINTER_RESERVED, 2 } };

#define PART(name) { name##_fields, sizeof name##_fields / sizeof name##_fields[0] }
const struct part part_meta = PART(meta), part_page = PART(page), part_group = PART(group), part_batch = PART(batch),
                  part_segment = PART(segment), part_value_segment = PART(value_segment),
                  part_value_record = PART(value_record), part_pointer = PART(pointer);
static const struct part part_slot = PART(slot);

/* ---- pages ------------------------------------------------------------------------------------------------ */

void mutate_cells(random_stream *random, uint8_t *page, uint32_t page_bytes)
{
    unsigned cells = load_u16(page + PAGE_CELLS), room = (page_bytes - PAGE_HEADER_BYTES) / SLOT_BYTES;
    cells = cells < room ? cells : room;
    if (!cells)
        return;
    uint8_t *slots = page + PAGE_HEADER_BYTES, *slot = slots + random_below(random, cells) * SLOT_BYTES;
    uint8_t *other = slots + random_below(random, cells) * SLOT_BYTES, kept[SLOT_BYTES];
    size_t cell = load_u16(slot + SLOT_OFFSET);
    switch (random_below(random, 7)) {
    case 5: /* a pointer into the value log */
        cell += LEAF_CELL_KEY + load_u16(slot + SLOT_KEY_BYTES);
        if (cell + VLOG_POINTER_BYTES <= page_bytes)
            mutate_field(random, page + cell, &part_pointer);
        return;
    case 0: /* two slots change places */
        memcpy(kept, slot, SLOT_BYTES);
        memmove(slot, other, SLOT_BYTES);
        memcpy(other, kept, SLOT_BYTES);
        return;
    case 1: /* one cell for two slots */
        memmove(slot, other, SLOT_BYTES);
        return;
    case 2: /* a slot goes */
        memmove(slot, slot + SLOT_BYTES, (size_t)(slots + cells * SLOT_BYTES - slot) - SLOT_BYTES);
        store_u16(page + PAGE_CELLS, (uint16_t)(cells - 1));
        return;
    case 3: /* value word and key of a leaf, child of a branch */
        if (cell + 8 <= page_bytes)
            mutate_number(random, page + cell, page[PAGE_TYPE] == PAGE_LEAF ? 4 : 8);
        return;
    case 4: /* bytes of a cell: key, value, extent pointer */
        cell += random_below(random, 32);
        if (cell < page_bytes)
            mutate_number(random, page + cell, cell + 8 <= page_bytes && random_chance(random, 2) ? 8 : 1);
        return;
    default:
        mutate_field(random, slot, &part_slot);
    }
}

void mutate_list(random_stream *random, uint8_t *page, uint32_t page_bytes)
{
    unsigned entry_bytes = page[PAGE_TYPE] == PAGE_FREE_LIST ? FREE_ENTRY_BYTES : VLOG_ENTRY_BYTES;
    unsigned entries = load_u16(page + PAGE_CELLS), room = (page_bytes - PAGE_HEADER_BYTES) / entry_bytes;
    entries = entries < room ? entries : room;
    if (entries)
        mutate_number(random, page + PAGE_HEADER_BYTES + random_below(random, entries * entry_bytes / 8) * 8, 8);
}
