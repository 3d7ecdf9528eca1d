/*
 * mutate_open_image.c - the custom mutator of fuzz_open_image: works on pages, metas, log groups and damages, and
 * repairs checksums half of the time.
 *
 * libFuzzer finds LLVMFuzzerCustomMutator() in the program; for AFL++ afl_mutator.c wraps the same function in a
 * library. Purpose: a blind mutation dies at a checksum.  Here a mutation is a change of one field, cell, group,
 * sector or file; behind repaired checksums it meets the checks of lengths, orders and references, which is what
 * they are there for. Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the
 * fuzzer's.
 */
#include <string.h>

#include "../engine/page_format.h"
#include "../engine/wal_format.h"
#include "../engine/record_format.h"
#include "../engine/vlog_format.h"
#include "../faults/random.h"
#include "container.h"
#include "damage.h"
#include "mutate.h"
#include "repair.h"

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
static void mutate_number(random_stream *random, uint8_t *at, size_t bytes)
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

typedef struct field {
    uint16_t at;
    uint8_t bytes;
} field;
#define FIELDS(list) list, sizeof list / sizeof list[0]

static void mutate_field(random_stream *random, uint8_t *base, const field *fields, size_t count)
{
    const field *f = &fields[random_below(random, count)];
    mutate_number(random, base + f->at, f->bytes);
}

static const field meta_fields[] = {
    { META_VERSION, 4 }, { META_PAGE_BYTES, 4 }, { META_IDENTITY, 8 }, { META_GENERATION, 8 }, { META_ROOT, 8 },
    { META_HEIGHT, 4 }, { META_SECTOR_BYTES, 4 }, { META_KEYS, 8 }, { META_PAGE_COUNT, 8 }, { META_FREE_LIST, 8 },
    { META_FREE_PAGES, 8 }, { META_REPLAY, 8 }, { META_REPLAY_CHAIN, 8 }, { META_SEQUENCE, 8 },
    { META_INCARNATION, 8 }, { META_LEAF_PAGES, 8 }, { META_BRANCH_PAGES, 8 }, { META_OVERFLOW_PAGES, 8 },
    { META_FREE_LIST_PAGES, 8 }, { META_NAMED_ROOT, 8 }, { META_NAMED_HEIGHT, 4 }, { META_NAMED_KEYS, 8 },
    { META_VLOG_TABLE, 8 }, { META_VLOG_TABLE_PAGES, 8 }, { META_VLOG_NEXT, 8 } };
static const field page_fields[] = {
    { PAGE_NUMBER, 8 }, { PAGE_GENERATION, 8 }, { PAGE_TYPE, 1 }, { PAGE_LEVEL, 1 }, { PAGE_CELLS, 2 },
    { PAGE_CELLS, 2 }, { PAGE_HEAP, 4 }, { PAGE_PREFIX_BYTES, 4 }, { PAGE_PREFIX_BYTES, 4 }, { PAGE_RESERVED_A, 4 },
    { PAGE_NEXT, 8 }, { PAGE_NEXT_CHECKSUM, 8 }, { PAGE_RESERVED_B, 8 } };
static const field slot_fields[] = { { SLOT_HEAD, 4 }, { SLOT_OFFSET, 2 }, { SLOT_OFFSET, 2 }, { SLOT_KEY_BYTES, 2 },
                                     { SLOT_KEY_BYTES, 2 } };
static const field group_fields[] = {
    { WAL_GROUP_MAGIC_AT, 4 }, { WAL_GROUP_KIND, 1 }, { WAL_GROUP_KIND, 4 }, { WAL_GROUP_POSITION, 8 },
    { WAL_GROUP_INCARNATION, 8 }, { WAL_GROUP_DURABLE, 8 }, { WAL_GROUP_GENERATION, 8 },
    { WAL_GROUP_PAYLOAD_BYTES, 4 }, { WAL_GROUP_PAYLOAD_BYTES, 4 }, { WAL_GROUP_BATCHES, 4 },
    { WAL_GROUP_SEQUENCE, 8 }, { WAL_GROUP_NEXT_SEGMENT, 8 } };
/* of the first batch and its first operation */
static const field batch_fields[] = {
    { BATCH_OPS_BYTES, 4 }, { BATCH_OP_COUNT, 4 }, { BATCH_DURABILITY, 4 }, { BATCH_RESERVED, 4 },
    { BATCH_HEADER_BYTES + RECORD_KIND, 1 }, { BATCH_HEADER_BYTES + RECORD_FLAGS, 1 },
    { BATCH_HEADER_BYTES + RECORD_KEY_BYTES, 2 }, { BATCH_HEADER_BYTES + RECORD_VALUE_BYTES, 4 },
    { BATCH_HEADER_BYTES + RECORD_HEADER_BYTES, 1 } };
static const field segment_fields[] = {
    { WAL_SEGMENT_VERSION, 4 }, { WAL_SEGMENT_SECTOR_BYTES, 4 }, { WAL_SEGMENT_IDENTITY, 8 },
    { WAL_SEGMENT_NUMBER, 8 }, { WAL_SEGMENT_BYTES, 8 }, { WAL_SEGMENT_INCARNATION, 8 } };

static const field value_segment_fields[] = { { VLOG_SEGMENT_VERSION, 4 }, { VLOG_SEGMENT_IDENTITY, 8 },
                                              { VLOG_SEGMENT_NUMBER, 8 } };
static const field value_record_fields[] = {
    { VLOG_RECORD_MAGIC_AT, 4 }, { VLOG_RECORD_VALUE_BYTES, 4 }, { VLOG_RECORD_VALUE_BYTES, 4 },
    { VLOG_RECORD_KEY_BYTES, 2 }, { VLOG_RECORD_KEY_BYTES, 2 }, { VLOG_RECORD_FLAGS, 2 }, { VLOG_RECORD_KEYSPACE, 4 },
    { VLOG_RECORD_HEADER_BYTES, 1 } };
static const field pointer_fields[] = { { VLOG_POINTER_POSITION, 4 }, { VLOG_POINTER_POSITION + 4, 4 },
                                        { VLOG_POINTER_VALUE_BYTES, 4 }, { VLOG_POINTER_KEY_BYTES, 2 },
                                        { VLOG_POINTER_RESERVED, 2 } };

/* ---- files ------------------------------------------------------------------------------------------------ */

static uint32_t page_bytes_of(const container_file *pages)
{
    uint32_t bytes = pages->bytes >= META_BYTES ? load_u32(pages->data + META_PAGE_BYTES) : 0;
    return bytes >= LEVIN_PAGE_MIN_BYTES && bytes <= LEVIN_PAGE_MAX_BYTES ? bytes : LEVIN_PAGE_MIN_BYTES;
}

/* A page past the metas; NULL: there is none. */
static uint8_t *pick_page(random_stream *random, const container_file *pages, uint32_t page_bytes)
{
    uint64_t first = page_first(page_bytes), count = pages->bytes / page_bytes;
    return count > first ? pages->data + (first + random_below(random, count - first)) * page_bytes : NULL;
}

static void mutate_meta(random_stream *random, container_file *pages)
{
    size_t at = (size_t)random_below(random, 2) * META_SLOT_BYTES;
    if (pages->bytes >= at + META_BYTES)
        mutate_field(random, pages->data + at, FIELDS(meta_fields));
}

/* A slot, its cell, or the order of slots. */
static void mutate_cells(random_stream *random, uint8_t *page, uint32_t page_bytes)
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
            mutate_field(random, page + cell, FIELDS(pointer_fields));
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
        mutate_field(random, slot, FIELDS(slot_fields));
    }
}

/* An entry of the free list, or of the table of value-log segments: numbers of 8 bytes. */
static void mutate_list(random_stream *random, uint8_t *page, uint32_t page_bytes)
{
    unsigned entry_bytes = page[PAGE_TYPE] == PAGE_FREE_LIST ? FREE_ENTRY_BYTES : VLOG_ENTRY_BYTES;
    unsigned entries = load_u16(page + PAGE_CELLS), room = (page_bytes - PAGE_HEADER_BYTES) / entry_bytes;
    entries = entries < room ? entries : room;
    if (entries)
        mutate_number(random, page + PAGE_HEADER_BYTES + random_below(random, entries * entry_bytes / 8) * 8, 8);
}

static void mutate_page(random_stream *random, container_file *pages)
{
    uint32_t page_bytes = page_bytes_of(pages);
    uint8_t *page = pick_page(random, pages, page_bytes), *other = pick_page(random, pages, page_bytes);
    if (!page)
        return;
    switch (random_below(random, 8)) {
    case 0:
    case 1:
        mutate_field(random, page, FIELDS(page_fields));
        return;
    case 2:
        memmove(page, other, page_bytes);
        if (random_chance(random, 2)) /* with the number that belongs here */
            store_u64(page + PAGE_NUMBER, (uint64_t)(page - pages->data) / page_bytes);
        return;
    case 3:
        if (page[PAGE_TYPE] == PAGE_FREE_LIST || page[PAGE_TYPE] == PAGE_VLOG_TABLE) {
            mutate_list(random, page, page_bytes);
            return;
        }
        /* fall through */
    default:
        mutate_cells(random, page, page_bytes);
    }
}

/* A sector that looks like a group; NULL: there is none. */
static uint8_t *pick_group(random_stream *random, const container_file *segment, size_t *left)
{
    uint8_t *found = NULL;
    unsigned seen = 0;
    for (size_t at = 512; at + WAL_GROUP_HEADER_BYTES <= segment->bytes; at += 512)
        if (load_u32(segment->data + at + WAL_GROUP_MAGIC_AT) == WAL_GROUP_MAGIC && random_chance(random, ++seen)) {
            found = segment->data + at;
            *left = segment->bytes - at;
        }
    return found;
}

static void mutate_segment(random_stream *random, const container_file *segment)
{
    size_t left = 0;
    if (random_chance(random, 8) && segment->bytes >= WAL_SEGMENT_HEADER_BYTES) {
        mutate_field(random, segment->data, FIELDS(segment_fields));
        return;
    }
    uint8_t *group = pick_group(random, segment, &left);
    if (!group)
        return;
    size_t payload = load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
    switch (random_below(random, 4)) {
    case 0:
        if (WAL_GROUP_HEADER_BYTES + payload <= left && payload) {
            mutate_number(random, group + WAL_GROUP_HEADER_BYTES + random_below(random, payload), 1);
            return;
        }
        /* fall through */
    case 1:
        if (WAL_GROUP_HEADER_BYTES + BATCH_HEADER_BYTES + RECORD_HEADER_BYTES < left) {
            mutate_field(random, group + WAL_GROUP_HEADER_BYTES, FIELDS(batch_fields));
            return;
        }
        /* fall through */
    default:
        mutate_field(random, group, FIELDS(group_fields));
    }
}

/* Header, a record's head, or a byte of a value. */
static void mutate_values(random_stream *random, const container_file *f)
{
    uint8_t *found = NULL;
    unsigned seen = 0;
    if (random_chance(random, 6) && f->bytes >= VLOG_SEGMENT_HEADER_BYTES) {
        mutate_field(random, f->data, FIELDS(value_segment_fields));
        return;
    }
    for (size_t at = VLOG_SEGMENT_HEADER_BYTES; at + VLOG_RECORD_HEADER_BYTES + 8 <= f->bytes; at += VLOG_RECORD_ALIGN)
        if (load_u32(f->data + at + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC && random_chance(random, ++seen))
            found = f->data + at;
    if (found && random_chance(random, 2))
        mutate_field(random, found, FIELDS(value_record_fields));
    else if (f->bytes)
        mutate_number(random, f->data + random_below(random, f->bytes), 1);
}

/* Anywhere in any file: bytes, sectors, sizes, names; nothing of the formats is known. */
static void mutate_blindly(random_stream *random, container *c)
{
    container_file *f = &c->file[random_below(random, c->count)], *from = &c->file[random_below(random, c->count)];
    size_t at = (size_t)random_below(random, f->bytes), n = 1 + (size_t)random_below(random, 64);
    n = at + n < f->bytes ? n : f->bytes - at;
    switch (random_below(random, 9)) {
    case 0:
    case 1:
        if (n >= 8)
            mutate_number(random, f->data + at, (size_t)1 << random_below(random, 4));
        return;
    case 2: /* the fuzzer's own mutations, which know what was compared with what */
        if (n)
            LLVMFuzzerMutate(f->data + at, n, n);
        return;
    case 3: { /* a sector from elsewhere */
        size_t to_sectors = f->bytes / 512, from_sectors = from->bytes / 512;
        if (to_sectors && from_sectors)
            memmove(f->data + random_below(random, to_sectors) * 512,
                    from->data + random_below(random, from_sectors) * 512, 512);
        return;
    }
    case 4:
        if (n)
            memset(f->data + at, random_chance(random, 2) ? 0 : 0xff, n);
        return;
    case 5:
        container_resize(f, random_chance(random, 2) ? at / 512 * 512 : at);
        return;
    case 6:
        container_resize(f, f->bytes + (random_chance(random, 2) ? 4096 : (size_t)random_below(random, 9000)));
        return;
    case 7:
        if (container_numbered(f->kind))
            f->number += random_chance(random, 2) ? 1 : UINT32_MAX;
        else
            f->kind = (uint8_t)random_below(random, FILE_KINDS);
        return;
    default:
        if (random_chance(random, 4))
            container_remove(c, (unsigned)(f - c->file));
        else
            c->script = (uint8_t)random_next(random);
    }
}

static void mutate_files(random_stream *random, container *c)
{
    if (!c->count)
        return;
    container_file *pages = container_find(c, FILE_PAGES, 0);
    container_file *any = &c->file[random_below(random, c->count)];
    uint64_t choice = random_below(random, 10);
    if (choice < 2 && pages)
        mutate_meta(random, pages);
    else if (choice < 6 && pages)
        mutate_page(random, pages);
    else if (choice < 9 && any->kind == FILE_WAL)
        mutate_segment(random, any);
    else if (choice < 9 && any->kind == FILE_VLOG)
        mutate_values(random, any);
    else
        mutate_blindly(random, c);
}

/* ---- damages ---------------------------------------------------------------------------------------------- */

/* An input of form INPUT_DAMAGE is short, and every byte of it means something. */
static size_t mutate_damage(random_stream *random, uint8_t *data, size_t size, size_t capacity)
{
    size_t count = size > DAMAGE_AT ? (size - DAMAGE_AT) / DAMAGE_BYTES : 0;
    if (size < DAMAGE_AT || capacity < DAMAGE_AT + DAMAGE_MAX * DAMAGE_BYTES)
        return size;
    if (random_chance(random, 8))
        data[1] = (uint8_t)random_next(random);
    if (random_chance(random, 8))
        data[2] = (uint8_t)random_below(random, seed_count());
    if (count > 1 && random_chance(random, 6)) {
        count--;
    } else if (count < DAMAGE_MAX && (count == 0 || random_chance(random, 5))) {
        random_fill(random, data + DAMAGE_AT + count * DAMAGE_BYTES, DAMAGE_BYTES);
        count++;
    } else {
        uint8_t *one = data + DAMAGE_AT + random_below(random, count) * DAMAGE_BYTES;
        switch (random_below(random, 5)) {
        case 0:
            one[0] = (uint8_t)random_below(random, DAMAGE_OPERATIONS);
            break;
        case 1:
            one[1] = (uint8_t)random_below(random, 8);
            break;
        case 2: /* to a sector */
            store_u16(one + 2, load_u16(one + 2) & 0xfe00);
            break;
        case 3:
            mutate_number(random, one + 2, 3);
            break;
        default:
            mutate_number(random, one + 5, 2);
            one[7] = (uint8_t)random_next(random);
        }
    }
    return DAMAGE_AT + count * DAMAGE_BYTES;
}

/* ---- the interface ---------------------------------------------------------------------------------------- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    container c;
    if (size > 0 && (data[0] & 1) == INPUT_DAMAGE)
        return mutate_damage(&random, data, size, capacity);
    container_decode(&c, data, size);
    if (!c.count)
        return LLVMFuzzerMutate(data, size, capacity);
    for (uint64_t i = random_below(&random, 3) + 1; i > 0; i--)
        mutate_files(&random, &c);
    if (random_chance(&random, 2))
        repair_files(&c, random_chance(&random, 4) ? REPAIR_ALL & ~(unsigned)REPAIR_HEADS : REPAIR_ALL);
    size_t used = container_encode(&c, data, capacity);
    container_fini(&c);
    return used ? used : LLVMFuzzerMutate(data, size, capacity);
}

/* Files of both; of those that both have, one. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    container a, b;
    container_decode(&a, data1, size1);
    container_decode(&b, data2, size2);
    for (unsigned i = 0; i < b.count; i++) {
        container_file *to = container_find(&a, b.file[i].kind, b.file[i].number);
        if (!to && a.count < CONTAINER_FILES_MAX) {
            to = &a.file[a.count++];
            *to = (container_file){ .kind = b.file[i].kind, .number = b.file[i].number };
        }
        if (!to || (to->bytes && random_chance(&random, 2)))
            continue;
        container_resize(to, b.file[i].bytes);
        memcpy(to->data, b.file[i].data, b.file[i].bytes);
    }
    if (random_chance(&random, 2))
        repair_files(&a, REPAIR_ALL);
    a.form = INPUT_FILES;
    size_t used = a.count ? container_encode(&a, out, capacity) : 0;
    container_fini(&a);
    container_fini(&b);
    return used;
}
