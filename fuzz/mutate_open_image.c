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
#include "parts.h"
#include "repair.h"

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
        mutate_field(random, pages->data + at, &part_meta);
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
        mutate_field(random, page, &part_page);
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
        mutate_field(random, segment->data, &part_segment);
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
            mutate_field(random, group + WAL_GROUP_HEADER_BYTES, &part_batch);
            return;
        }
        /* fall through */
    default:
        mutate_field(random, group, &part_group);
    }
}

/* Header, a record's head, or a byte of a value. */
static void mutate_values(random_stream *random, const container_file *f)
{
    uint8_t *found = NULL;
    unsigned seen = 0;
    if (random_chance(random, 6) && f->bytes >= VLOG_SEGMENT_HEADER_BYTES) {
        mutate_field(random, f->data, &part_value_segment);
        return;
    }
    for (size_t at = VLOG_SEGMENT_HEADER_BYTES; at + VLOG_RECORD_HEADER_BYTES + 8 <= f->bytes; at += VLOG_RECORD_ALIGN)
        if (load_u32(f->data + at + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC && random_chance(random, ++seen))
            found = f->data + at;
    if (found && random_chance(random, 2))
        mutate_field(random, found, &part_value_record);
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
