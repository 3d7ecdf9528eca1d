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
#include "../faults/random.h"
#include "container.h"
#include "damage.h"
#include "file_parts.h"
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

static void repair_sometimes(random_stream *random, container *c)
{
    if (random_chance(random, 2))
        repair_files(c, random_chance(random, 4) ? REPAIR_ALL & ~(unsigned)REPAIR_HEADS : REPAIR_ALL);
}

static void repair_whole(random_stream *random, container *c)
{
    if (random_chance(random, 2))
        repair_files(c, REPAIR_ALL);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    if (size > 0 && (data[0] & 1) == INPUT_DAMAGE)
        return mutate_damage(&random, data, size, capacity);
    return mutate_container(data, size, capacity, seed, mutate_files, repair_sometimes);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return cross_containers(data1, size1, data2, size2, out, capacity, seed, repair_whole);
}
