/*
 * space_test.c - free space against a map of pages; the free list on disk.
 *
 * Invariants checked
 *   - no page is handed out twice, none is lost, neighbours are joined: the extents equal the runs of the map;
 *   - the largest free extent is used first, the file grows only when none suffices, and from its free end;
 *   - pages freed twice or outside the file are damage and change nothing; so does a failed allocation;
 *   - a clone is the state, whatever happened since; the same history gives the same extents;
 *   - a free list of any number of pages comes back; entries that touch or descend from page to page are refused.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "checksum.h"
#include "file.h"
#include "space.h"

enum { PAGE = 4096, FIRST = 2, MAP_PAGES = 4000 };

static uint64_t dice;
static uint64_t roll(uint64_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (dice >> 11) % below;
}

/* A heap that counts, and fails on order. */
typedef struct heap {
    levin_io io;
    size_t held;
    unsigned allocs, fail_from, fail_to;
} heap;

static void *heap_alloc(void *context, size_t bytes, size_t alignment)
{
    heap *h = context;
    h->allocs++;
    if (h->fail_from && h->allocs >= h->fail_from && h->allocs <= h->fail_to)
        return NULL;
    h->held += bytes;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void heap_free(void *context, void *memory, size_t bytes)
{
    ((heap *)context)->held -= bytes;
    free(memory);
}

static void heap_init(heap *h)
{
    memset(h, 0, sizeof *h);
    h->io = *levin_io_posix();
    h->io.context = h;
    h->io.alloc = heap_alloc;
    h->io.free = heap_free;
}

/* The model: one byte a page, 1: free. */
typedef struct map {
    uint8_t free[MAP_PAGES];
    uint64_t count;
} map;

static void map_set(map *m, extent e, uint8_t value)
{
    for (uint64_t p = e.first; p < e.first + e.pages; p++) {
        ck_assert_uint_ne(m->free[p], value);
        m->free[p] = value;
    }
}

static uint64_t map_largest(const map *m)
{
    uint64_t largest = 0, run = 0;
    for (uint64_t p = FIRST; p < m->count; p++) {
        run = m->free[p] ? run + 1 : 0;
        largest = run > largest ? run : largest;
    }
    return largest;
}

static void check_against(const space *s, const map *m, const heap *h)
{
    extent_list list = {0};
    levin_error error;
    uint64_t pages = 0;
    size_t i = 0;
    ck_assert_int_eq(space_list(s, &list, &error), LEVIN_OK);
    for (uint64_t p = FIRST; p < m->count; p++) {
        if (!m->free[p])
            continue;
        uint64_t first = p;
        while (p < m->count && m->free[p])
            p++;
        ck_assert_uint_lt(i, list.count);
        ck_assert_uint_eq(list.items[i].first, first);
        ck_assert_uint_eq(list.items[i].pages, p - first);
        pages += p - first;
        i++;
    }
    ck_assert_uint_eq(i, list.count);
    ck_assert_uint_eq(space_free_pages(s), pages);
    ck_assert_uint_eq(space_page_count(s), m->count);
    extent_list_fini(&list, &h->io);
}

/* One random step in both; what is taken must be free, and taken as promised. */
static void step(space *s, map *m)
{
    levin_error error;
    extent e;
    uint64_t largest = map_largest(m), wanted = 1 + roll(40);
    bool exact = roll(2);
    switch (roll(5)) {
    case 0:
    case 1:
        if (m->count + wanted > MAP_PAGES)
            break;
        ck_assert_int_eq(space_take(s, wanted, exact, &e, &error), LEVIN_OK);
        if (largest >= wanted) {
            ck_assert_uint_eq(e.pages, wanted);
            ck_assert_uint_eq(space_page_count(s), m->count);
        } else if (!exact && largest) {
            ck_assert_uint_eq(e.pages, largest);
        } else {
            ck_assert_uint_eq(e.pages, wanted);
            ck_assert_uint_eq(e.first + e.pages, space_page_count(s));
            ck_assert(e.first == FIRST || !m->free[e.first - 1]); /* all of the free end was used */
            memset(m->free + m->count, 1, space_page_count(s) - m->count);
            m->count = space_page_count(s);
        }
        map_set(m, e, 0);
        break;
    case 2: { /* the end of the file */
        uint64_t keep = FIRST + roll(MAP_PAGES), count = space_shrink(s, keep);
        ck_assert(count == m->count || count >= keep);
        for (; m->count > count; m->count--)
            ck_assert(m->free[m->count - 1]);
        ck_assert(count <= keep || count == FIRST || !m->free[count - 1]);
        memset(m->free + m->count, 0, MAP_PAGES - m->count);
        break;
    }
    default: /* a run that is in use */
        e.first = FIRST + roll(m->count - FIRST);
        for (e.pages = 0; e.pages < wanted && e.first + e.pages < m->count && !m->free[e.first + e.pages];)
            e.pages++;
        if (e.pages) {
            ck_assert_int_eq(space_give(s, e, &error), LEVIN_OK);
            map_set(m, e, 1);
        }
        ck_assert_int_eq(e.pages ? space_give(s, e, &error) : LEVIN_CORRUPT, LEVIN_CORRUPT); /* twice */
    }
}

START_TEST(space__random_history_equals_the_map)
{
    static map m, remembered;
    heap h;
    levin_error error;
    heap_init(&h);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        dice = seed * 0x9e3779b97f4a7c15u;
        memset(&m, 0, sizeof m);
        m.count = 500;
        space *s = space_create(&h.io, PAGE, 500), *copy = NULL;
        for (unsigned i = 0; i < 2000; i++) {
            step(s, &m);
            if (i % 8 == 0)
                check_against(s, &m, &h);
            if (i % 500 == 100) {
                ck_assert_int_eq(space_clone(s, &copy, &error), LEVIN_OK);
                remembered = m;
            }
            if (i % 500 == 300) { /* back to what was */
                space_destroy(s);
                s = copy;
                m = remembered;
                check_against(s, &m, &h);
            }
        }
        space_destroy(s);
    }
    ck_assert_uint_eq(h.held, 0);
}
END_TEST

START_TEST(space__same_history_gives_the_same_extents)
{
    extent taken[2][500];
    levin_error error;
    for (int round = 0; round < 2; round++) {
        dice = 0x5eed0021;
        space *s = space_create(levin_io_posix(), PAGE, 2000);
        for (unsigned i = 0; i < 500; i++) {
            uint64_t first = FIRST + roll(1990);
            levin_code code = space_give(s, (extent){first, 1 + roll(6)}, &error);
            ck_assert(code == LEVIN_OK || code == LEVIN_CORRUPT);
            ck_assert_int_eq(space_take(s, 1 + roll(9), i % 2, &taken[round][i], &error), LEVIN_OK);
        }
        space_destroy(s);
    }
    ck_assert(memcmp(taken[0], taken[1], sizeof taken[0]) == 0);
}
END_TEST

START_TEST(space__impossible_gifts_are_damage_and_change_nothing)
{
    static const extent wrong[] = {{0, 1},  {1, 5},  {100, 1}, {99, 2}, {50, 0},  {50, UINT64_MAX}, {UINT64_MAX, 1},
                                   {20, 1}, {19, 2}, {29, 1},  {29, 5}, {15, 30}, {25, 2}};
    levin_error error;
    space *s = space_create(levin_io_posix(), PAGE, 100);
    ck_assert_int_eq(space_give(s, (extent){20, 10}, &error), LEVIN_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(space_give(s, wrong[i], &error) == LEVIN_CORRUPT, "gift %zu", i);
        ck_assert_str_eq(error.file, PAGE_FILE_NAME);
        ck_assert_uint_eq(space_free_pages(s), 10);
    }
    space_destroy(s);
}
END_TEST

START_TEST(space__largest_possible_file_is_the_end)
{
    levin_error error;
    extent e;
    uint64_t limit = (uint64_t)INT64_MAX / PAGE;
    space *s = space_create(levin_io_posix(), PAGE, limit - 5);
    ck_assert_int_eq(space_take(s, 6, true, &e, &error), LEVIN_NO_SPACE);
    ck_assert_int_eq(space_take(s, UINT64_MAX, false, &e, &error), LEVIN_NO_SPACE);
    ck_assert_uint_eq(space_page_count(s), limit - 5);
    ck_assert_int_eq(space_take(s, 5, true, &e, &error), LEVIN_OK);
    ck_assert_int_eq(space_take(s, 1, true, &e, &error), LEVIN_NO_SPACE);
    space_destroy(s);
}
END_TEST

START_TEST(space__failed_allocations_are_errors_and_change_nothing)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool met = true;
        for (unsigned nth = 1; met; nth++) {
            heap h;
            levin_error error;
            space *copy = NULL;
            extent_list list = {0};
            heap_init(&h);
            h.fail_from = nth;
            h.fail_to = persistent ? UINT32_MAX : nth;
            unsigned failed = 0;
            space *s = space_create(&h.io, PAGE, 2000);
            if (!s) {
                failed++;
            } else {
                for (uint64_t i = 0; i < 300; i++) {
                    levin_code code = space_give(s, (extent){FIRST + 3 * i, 2}, &error);
                    if (code == LEVIN_NO_MEMORY) {
                        failed++;
                        h.fail_from = 0;
                        ck_assert_uint_eq(space_free_pages(s), 2 * i);
                        code = space_give(s, (extent){FIRST + 3 * i, 2}, &error);
                    }
                    ck_assert_int_eq(code, LEVIN_OK);
                }
                failed += space_clone(s, &copy, &error) == LEVIN_NO_MEMORY;
                failed += space_list(s, &list, &error) == LEVIN_NO_MEMORY;
            }
            met = h.allocs >= nth;
            ck_assert_msg(failed || !met, "allocation %u failed unseen", nth);
            extent_list_fini(&list, &h.io);
            space_destroy(copy);
            space_destroy(s);
            ck_assert_uint_eq(h.held, 0);
            ck_assert(nth < 100);
        }
    }
    space_destroy(NULL);
}
END_TEST

START_TEST(extent_list__normalise_sorts_joins_and_sees_overlaps)
{
    heap h;
    levin_error error;
    heap_init(&h);
    dice = 0x5eed0022;
    for (unsigned round = 0; round < 200; round++) {
        static map m;
        extent_list list = {0};
        bool overlap = false;
        memset(&m, 0, sizeof m);
        for (uint64_t i = roll(200); i > 0; i--) {
            extent e = {FIRST + roll(3900), 1 + roll(round % 2 ? 3 : 20)};
            bool taken = false;
            for (uint64_t p = e.first; p < e.first + e.pages; p++)
                taken |= m.free[p];
            if (taken && round % 4) /* only each fourth round has overlaps */
                continue;
            overlap |= taken;
            memset(m.free + e.first, 1, e.pages);
            ck_assert_int_eq(extent_list_add(&list, &h.io, e.first, e.pages, &error), LEVIN_OK);
        }
        ck_assert_msg(extent_list_normalise(&list) == !overlap, "round %u", round);
        uint64_t p = 0;
        for (size_t i = 0; i < list.count; i++) {
            ck_assert(i == 0 || list.items[i].first > p);
            for (; p < list.items[i].first; p++)
                ck_assert_msg(!m.free[p], "round %u: page %llu is lost", round, (unsigned long long)p);
            for (; p < list.items[i].first + list.items[i].pages; p++)
                ck_assert(m.free[p]);
        }
        for (; p < MAP_PAGES; p++)
            ck_assert(!m.free[p]);
        for (unsigned n = 0; n < 100; n++) {
            extent e = {FIRST + roll(3900), 1 + roll(30)};
            bool touches = memchr(m.free + e.first, 1, e.pages) != NULL;
            ck_assert_msg(extent_list_touches(&list, e) == touches, "round %u: %llu", round,
                          (unsigned long long)e.first);
        }
        extent_list_fini(&list, &h.io);
    }
    ck_assert_uint_eq(h.held, 0);
}
END_TEST

/* ---- on disk ---- */

enum { LIST_PAGES = 4, PER_PAGE = (PAGE - PAGE_HEADER_BYTES) / FREE_ENTRY_BYTES, LIST_COUNT = 100000 };

/* Writes extents into pages 10, 11, ...; the last page first, since each carries the checksum of the next. */
static page_ref list_write(uint8_t *pages, const extent *extents, size_t count)
{
    page_ref next = {0, 0};
    for (uint64_t n = free_list_pages(count, PAGE); n-- > 0;) {
        size_t from = n * PER_PAGE, entries = count - from < PER_PAGE ? count - from : PER_PAGE;
        next.checksum = free_list_write(pages + n * PAGE, PAGE, 1, 10 + n, 3, extents + from, entries, next);
        next.number = 10 + n;
    }
    return next;
}

static levin_code list_read(const uint8_t *pages, page_ref ref, extent_list *out, const levin_io *io,
                            levin_error *error)
{
    uint64_t after = 0;
    levin_code code = LEVIN_OK;
    while (!code && ref.number) {
        const uint8_t *page = pages + (ref.number - 10) * PAGE;
        page_expect expect = {.identity = 1,
                              .page_bytes = PAGE,
                              .page_count = LIST_COUNT,
                              .max_generation = 3,
                              .ref = ref,
                              .type = PAGE_FREE_LIST,
                              .level = 0};
        code = page_verify(page, &expect, error);
        if (!code)
            code = free_list_read(page, PAGE_FILE_NAME, PAGE, LIST_COUNT, &after, out, io, &ref, error);
    }
    return code;
}

START_TEST(free_list__any_number_of_pages_comes_back)
{
    static const size_t counts[] = {0, 1, PER_PAGE - 1, PER_PAGE, PER_PAGE + 1, 3 * PER_PAGE, 3 * PER_PAGE + 17};
    static uint8_t pages[LIST_PAGES * PAGE];
    static extent extents[LIST_PAGES * PER_PAGE];
    levin_error error;
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; i++)
        extents[i] = (extent){FIRST + 20 * i, 1 + i % 19};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        extent_list list = {0};
        memset(pages, 0xaa, sizeof pages);
        page_ref ref = list_write(pages, extents, counts[c]);
        ck_assert_msg(list_read(pages, ref, &list, levin_io_posix(), &error) == LEVIN_OK, "%s", error.message);
        ck_assert_uint_eq(list.count, counts[c]);
        ck_assert(counts[c] == 0 || memcmp(list.items, extents, counts[c] * sizeof extents[0]) == 0);
        extent_list_fini(&list, levin_io_posix());
    }
    /* a page without entries is legal: the list may shrink while room for it is made */
    page_expect expect = {
        .identity = 1, .page_bytes = PAGE, .page_count = 20, .max_generation = 3, .type = PAGE_FREE_LIST};
    expect.ref = (page_ref){10, free_list_write(pages, PAGE, 1, 10, 3, NULL, 0, (page_ref){0, 0})};
    ck_assert_msg(page_verify(pages, &expect, &error) == LEVIN_OK, "%s", error.message);
}
END_TEST

START_TEST(free_list__entries_that_touch_or_descend_across_pages_are_refused)
{
    static uint8_t pages[LIST_PAGES * PAGE];
    static extent extents[2 * PER_PAGE];
    levin_error error;
    for (int wrong = -1; wrong <= 1; wrong++) {
        extent_list list = {0};
        for (size_t i = 0; i < 2 * PER_PAGE; i++)
            extents[i] = (extent){FIRST + 20 * i, 5};
        if (wrong >= 0) /* the first of the second page begins inside, or where, the last of the first ends */
            extents[PER_PAGE].first = extents[PER_PAGE - 1].first + 4 + (uint64_t)wrong;
        page_ref ref = list_write(pages, extents, 2 * PER_PAGE);
        ck_assert_int_eq(list_read(pages, ref, &list, levin_io_posix(), &error),
                         wrong < 0 ? LEVIN_OK : LEVIN_CORRUPT);
        if (wrong >= 0)
            ck_assert_uint_eq(error.offset, 11 * PAGE + PAGE_HEADER_BYTES);
        extent_list_fini(&list, levin_io_posix());
    }
}
END_TEST

START_TEST(free_list__failed_allocation_is_an_error)
{
    static uint8_t pages[LIST_PAGES * PAGE];
    static extent extents[3 * PER_PAGE];
    levin_error error;
    for (size_t i = 0; i < 3 * PER_PAGE; i++)
        extents[i] = (extent){FIRST + 20 * i, 5};
    page_ref ref = list_write(pages, extents, 3 * PER_PAGE);
    for (unsigned nth = 1; nth < 7; nth++) {
        heap h;
        extent_list list = {0};
        heap_init(&h);
        h.fail_from = h.fail_to = nth;
        ck_assert_int_eq(list_read(pages, ref, &list, &h.io, &error), LEVIN_NO_MEMORY);
        extent_list_fini(&list, &h.io);
        ck_assert_uint_eq(h.held, 0);
    }
}
END_TEST

/* Against a scan of the map. */
START_TEST(space__aims_take_the_lowest_or_the_highest)
{
    levin_error error;
    for (int round = 0; round < 400; round++) {
        space *s = space_create(levin_io_posix(), PAGE, FIRST + 300);
        bool is_free[FIRST + 300] = {false};
        extent found = {0, 0}, e;
        dice = 77 + (uint64_t)round;
        for (int n = 0; n < 30; n++) {
            e = (extent){FIRST + roll(300), 1 + roll(6)};
            bool free_already = e.first + e.pages > FIRST + 300;
            for (uint64_t i = e.first; i < e.first + e.pages && !free_already; i++)
                free_already = is_free[i];
            if (free_already)
                continue;
            ck_assert_int_eq(space_give(s, e, &error), LEVIN_OK);
            memset(is_free + e.first, true, e.pages);
        }
        bool exact = round % 2, high = round % 4 >= 2;
        uint64_t wanted = 1 + roll(8), floor = FIRST + roll(300);
        for (uint64_t i = FIRST, run = 0; i < FIRST + 300; i++) {
            run = is_free[i] ? run + 1 : 0;
            bool ends = run && (i + 1 == FIRST + 300 || !is_free[i + 1]);
            if (ends && run >= (exact ? wanted : 1) && (high || !found.pages))
                found = (extent){i + 1 - run, run < wanted ? run : wanted};
            ck_assert_int_eq(space_is_free(s, (extent){i, 2}), is_free[i] && i + 1 < FIRST + 300 && is_free[i + 1]);
        }
        space_aim(s, high ? SPACE_HIGHEST : SPACE_LOWEST, floor);
        ck_assert_int_eq(space_take(s, wanted, exact, &e, &error), LEVIN_OK);
        if (found.pages && (!high || found.first >= floor)) {
            ck_assert_uint_eq(e.first, found.first);
            ck_assert_uint_eq(e.pages, found.pages);
        } else {
            ck_assert_uint_eq(e.pages, wanted);
            ck_assert_uint_gt(e.first + e.pages, FIRST + 300); /* the file grew */
        }
        space_destroy(s);
    }
}
END_TEST

LEVIN_TEST_MAIN("space", TEST(space__aims_take_the_lowest_or_the_highest), TEST(space__random_history_equals_the_map),
                TEST(space__same_history_gives_the_same_extents),
                TEST(space__impossible_gifts_are_damage_and_change_nothing),
                TEST(space__largest_possible_file_is_the_end),
                TEST(space__failed_allocations_are_errors_and_change_nothing),
                TEST(extent_list__normalise_sorts_joins_and_sees_overlaps),
                TEST(free_list__any_number_of_pages_comes_back),
                TEST(free_list__entries_that_touch_or_descend_across_pages_are_refused),
                TEST(free_list__failed_allocation_is_an_error))
