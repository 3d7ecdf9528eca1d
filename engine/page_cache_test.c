/*
 * page_cache_test.c - the page cache over a file in memory that can be made to fail.
 *
 * Invariants checked
 *   - what get hands out is the page asked for, under evictions, replacement, pins, and whatever fails in between;
 *   - counters are exact; memory stays within the budget + 10 % and all of it comes back;
 *   - a failure (allocation, read, end of file, damage) is an error and leaves the cache as it was.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "page_cache.h"
#include "page_write_test.h"

enum { PAGE = 4096, PAGES = 600, FIRST = 2, FRAME = PAGE + 128, GENERATION = 5 };
static const uint64_t IDENTITY = 0xabcdefu;

/* A file and a heap that count, and fail on order. */
typedef struct world {
    levin_io io;
    file f;
    uint8_t *bytes;
    size_t size;
    uint64_t sums[FIRST + PAGES];
    unsigned reads, allocs;
    unsigned fail_read_from, fail_read_to;   /* counted from 1; 0 never */
    unsigned fail_alloc_from, fail_alloc_to;
    size_t held, held_max;
    size_t read_chunk;                       /* a read gives at most so much */
} world;

static int world_read(void *context, levin_file *handle, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    world *w = context;
    (void)handle;
    w->reads++;
    *done = 0;
    if (w->fail_read_from && w->reads >= w->fail_read_from && w->reads <= w->fail_read_to)
        return EIO;
    if (offset >= w->size)
        return 0;
    *done = bytes < w->size - offset ? bytes : w->size - offset;
    if (w->read_chunk && *done > w->read_chunk)
        *done = w->read_chunk;
    memcpy(buffer, w->bytes + offset, *done);
    return 0;
}

static void *world_alloc(void *context, size_t bytes, size_t alignment)
{
    world *w = context;
    w->allocs++;
    if (w->fail_alloc_from && w->allocs >= w->fail_alloc_from && w->allocs <= w->fail_alloc_to)
        return NULL;
    w->held += bytes;
    if (w->held > w->held_max)
        w->held_max = w->held;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void world_free(void *context, void *memory, size_t bytes)
{
    world *w = context;
    ck_assert_uint_ge(w->held, bytes);
    w->held -= bytes;
    free(memory);
}

/* A leaf with one cell, whose value tells page and content. */
static uint64_t make_page(uint8_t *page, uint64_t number, uint64_t content)
{
    uint64_t value[2] = {number, content};
    page_cell cell = {
        .key = (const uint8_t *)"key", .key_bytes = 3, .value = {.bytes = 16, .data = (uint8_t *)value}};
    return page_write(page, PAGE, IDENTITY, number, GENERATION, PAGE_LEAF, 0, &cell, 1);
}

static void world_init(world *w)
{
    memset(w, 0, sizeof *w);
    w->io = *levin_io_posix();
    w->io.context = w;
    w->io.read_at = world_read;
    w->io.alloc = world_alloc;
    w->io.free = world_free;
    w->f = (file){.io = &w->io, .kind = LEVIN_FILE_PAGES, .name = PAGE_FILE_NAME};
    w->size = (size_t)(FIRST + PAGES) * PAGE;
    w->bytes = calloc(1, w->size);
    for (uint64_t n = FIRST; n < FIRST + PAGES; n++)
        w->sums[n] = make_page(w->bytes + n * PAGE, n, 0);
}

static void world_fini(world *w)
{
    ck_assert_uint_eq(w->held, 0);
    free(w->bytes);
}

static page_expect expect_page(const world *w, uint64_t number)
{
    return (page_expect){.identity = IDENTITY,
                         .page_bytes = PAGE,
                         .page_count = FIRST + PAGES,
                         .max_generation = GENERATION,
                         .ref = {number, w->sums[number]},
                         .level = 0};
}

static void check_frame(const page_frame *frame, uint64_t number, uint64_t content)
{
    page_value value = leaf_value(frame->page, 0);
    ck_assert_uint_eq(value.bytes, 16);
    ck_assert_uint_eq(load_u64(value.data), number);
    ck_assert_uint_eq(load_u64(value.data + 8), content);
}

/* One get in a section of its own; the content is checked. */
static levin_code get(page_cache *cache, const world *w, uint64_t number, uint64_t content, levin_error *error)
{
    page_expect expect = expect_page(w, number);
    page_frame *frame;
    reclaim_read_lock();
    levin_code code = page_cache_get(cache, &expect, &frame, error);
    if (code == LEVIN_OK)
        check_frame(frame, number, content);
    reclaim_read_unlock();
    if (page_cache_wants_reclaim(cache))
        page_cache_reclaim(cache);
    return code;
}

static void check_counters(page_cache *cache, uint64_t hits, uint64_t misses, uint64_t evictions)
{
    page_cache_counters c;
    page_cache_count(cache, &c);
    ck_assert_uint_eq(c.hits, hits);
    ck_assert_uint_eq(c.misses, misses);
    ck_assert_uint_eq(c.evictions, evictions);
}

START_TEST(page_cache__second_get_reads_no_file)
{
    world w;
    levin_error error;
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 1000 * FRAME);
    w.read_chunk = 1000; /* short reads are no end of file */
    for (int round = 0; round < 3; round++)
        for (uint64_t n = FIRST; n < FIRST + 100; n++)
            ck_assert_int_eq(get(cache, &w, n, 0, &error), LEVIN_OK);
    ck_assert_uint_eq(w.reads, 500); /* five a page */
    check_counters(cache, 200, 100, 0);
    page_cache_counters c;
    page_cache_count(cache, &c);
    ck_assert_uint_eq(c.reads, 100);
    ck_assert_uint_eq(c.bytes, w.held);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__memory_stays_within_the_budget)
{
    static const uint64_t budgets[] = {0, 64 * FRAME, 200 * FRAME, 400 * FRAME};
    for (size_t b = 0; b < sizeof budgets / sizeof budgets[0]; b++) {
        world w;
        levin_error error;
        world_init(&w);
        page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, budgets[b]);
        uint64_t budget = budgets[b] > 16 * FRAME ? budgets[b] : 16 * FRAME, n = 0;
        size_t fixed = w.held;
        for (unsigned i = 0; i < 20000; i++) {
            n = (n * 6364136223846793005u + 1442695040888963407u); /* Knuth's MMIX generator */
            ck_assert_int_eq(get(cache, &w, FIRST + (n >> 32) % PAGES, 0, &error), LEVIN_OK);
        }
        ck_assert_msg(w.held_max <= budget + budget / 10 + fixed, "budget %llu, held %zu", (unsigned long long)budget,
                      w.held_max);
        page_cache_counters c;
        page_cache_count(cache, &c);
        ck_assert_uint_gt(c.evictions, 0);
        ck_assert_uint_gt(c.hits, 0);
        ck_assert_uint_eq(c.hits + c.misses, 20000);
        ck_assert_uint_ge(c.bytes, (budget - fixed) * 3 / 4); /* and it is used */
        page_cache_destroy(cache);
        world_fini(&w);
    }
}
END_TEST

START_TEST(page_cache__pages_in_use_outlive_pages_read_once)
{
    world w;
    levin_error error;
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 100 * FRAME);
    unsigned reads = 0;
    for (unsigned i = 0; i < 20000; i++) { /* 20 pages in use, and one long scan */
        ck_assert_int_eq(get(cache, &w, FIRST + i % 20, 0, &error), LEVIN_OK);
        unsigned before = w.reads;
        ck_assert_int_eq(get(cache, &w, FIRST + 20 + i % (PAGES - 20), 0, &error), LEVIN_OK);
        reads += w.reads - before;
    }
    ck_assert_uint_eq(reads, 20000);  /* the scan does not fit */
    ck_assert_uint_le(w.reads - reads, 40); /* and drives nearly nothing of the others out */
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__pinned_page_survives_eviction_and_replacement)
{
    world w;
    levin_error error;
    page_frame *frame[40];
    static uint8_t page[PAGE];
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 0);
    for (uint64_t i = 0; i < 40; i++) { /* more than the cache holds */
        page_expect expect = expect_page(&w, FIRST + i);
        reclaim_read_lock();
        ck_assert_int_eq(page_cache_get(cache, &expect, &frame[i], &error), LEVIN_OK);
        page_frame_pin(frame[i]);
        reclaim_read_unlock();
    }
    for (uint64_t i = 0; i < 200; i++)
        ck_assert_int_eq(get(cache, &w, FIRST + 40 + i, 0, &error), LEVIN_OK);
    page_cache_forget(cache, FIRST, 10);
    for (uint64_t n = FIRST + 10; n < FIRST + 20; n++)
        page_cache_install(cache, n, make_page(page, n, 1), page);
    page_cache_reclaim(cache);
    for (uint64_t i = 0; i < 40; i++) {
        check_frame(frame[i], FIRST + i, 0);
        page_frame_unpin(frame[i]);
    }
    page_cache_reclaim(cache);
    page_cache_counters c;
    page_cache_count(cache, &c);
    ck_assert_uint_eq(c.bytes, w.held); /* what was orphaned is gone */
    ck_assert_uint_le(w.held, 17 * FRAME + 16384);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__section_that_never_ends_does_not_empty_the_cache)
{
    world w;
    levin_error error;
    page_frame *frame[PAGES];
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 80 * FRAME);
    reclaim_read_lock();
    for (uint64_t i = 0; i < PAGES; i++) {
        page_expect expect = expect_page(&w, FIRST + i);
        ck_assert_int_eq(page_cache_get(cache, &expect, &frame[i], &error), LEVIN_OK);
    }
    for (uint64_t i = 0; i < PAGES; i++)
        check_frame(frame[i], FIRST + i, 0); /* all are good until the section ends */
    reclaim_read_unlock();
    ck_assert(page_cache_wants_reclaim(cache));
    page_cache_counters c;
    page_cache_count(cache, &c);
    ck_assert_uint_le(c.evictions, 21); /* then what was read was handed out without a place in the table */
    page_cache_reclaim(cache);
    ck_assert(!page_cache_wants_reclaim(cache));
    ck_assert_uint_le(w.held, 80 * FRAME + 16384);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__install_and_forget_replace_content)
{
    world w;
    levin_error error;
    static uint8_t page[PAGE];
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 1000 * FRAME);
    for (uint64_t n = FIRST; n < FIRST + 200; n++)
        ck_assert_int_eq(get(cache, &w, n, 0, &error), LEVIN_OK);
    unsigned reads = w.reads;
    for (uint64_t n = FIRST; n < FIRST + 100; n++) { /* installed: not read again */
        w.sums[n] = make_page(w.bytes + n * PAGE, n, 1);
        page_cache_install(cache, n, w.sums[n], w.bytes + n * PAGE);
        page_cache_install(cache, n, w.sums[n], w.bytes + n * PAGE); /* twice is once */
        ck_assert_int_eq(get(cache, &w, n, 1, &error), LEVIN_OK);
    }
    ck_assert_uint_eq(w.reads, reads);
    for (uint64_t n = FIRST + 100; n < FIRST + 200; n++)
        w.sums[n] = make_page(w.bytes + n * PAGE, n, 2);
    page_cache_forget(cache, FIRST + 100, 50);    /* few: one by one */
    page_cache_forget(cache, FIRST + 150, 1000000000); /* more than there are: by the ring */
    page_cache_forget(cache, UINT64_MAX - 5, 5);
    for (uint64_t n = FIRST; n < FIRST + 200; n++)
        ck_assert_int_eq(get(cache, &w, n, n < FIRST + 100 ? 1 : 2, &error), LEVIN_OK);
    ck_assert_uint_eq(w.reads, reads + 100);

    reads = w.reads; /* forgotten is gone, though the same content would be asked for again */
    page_cache_forget(cache, FIRST + 30, 3);
    page_cache_forget(cache, FIRST + 197, 1000000000);
    for (uint64_t n = FIRST; n < FIRST + 200; n++)
        ck_assert_int_eq(get(cache, &w, n, n < FIRST + 100 ? 1 : 2, &error), LEVIN_OK);
    ck_assert_uint_eq(w.reads, reads + 6);

    page_cache_reclaim(cache);
    size_t held = w.held; /* no memory for the new content: the old one goes all the same */
    w.fail_alloc_from = w.fail_alloc_to = w.allocs + 1;
    page_cache_install(cache, FIRST + 1, w.sums[FIRST + 1] + 1, page);
    page_cache_reclaim(cache);
    ck_assert_uint_eq(w.held, held - FRAME);

    /* nobody said a word, and the parent names another content: the file decides */
    w.sums[FIRST] = make_page(page, FIRST, 3);
    ck_assert_int_eq(get(cache, &w, FIRST, 3, &error), LEVIN_CORRUPT);
    memcpy(w.bytes + FIRST * PAGE, page, PAGE);
    ck_assert_int_eq(get(cache, &w, FIRST, 3, &error), LEVIN_OK);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__cached_page_is_held_against_each_expectation)
{
    world w;
    levin_error error;
    page_frame *frame;
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 1000 * FRAME);
    ck_assert_int_eq(get(cache, &w, FIRST, 0, &error), LEVIN_OK);
    reclaim_read_lock();
    page_expect good = expect_page(&w, FIRST), e;
    e = good, e.level = 1;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.type = PAGE_BRANCH;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.max_generation = GENERATION - 1;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.ref.checksum++;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.ref.number = FIRST + PAGES;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.ref.number = 0;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    e = good, e.ref.number = UINT64_MAX;
    ck_assert_int_eq(page_cache_get(cache, &e, &frame, &error), LEVIN_CORRUPT);
    ck_assert_int_eq(page_cache_get(cache, &good, &frame, &error), LEVIN_OK);
    reclaim_read_unlock();
    check_counters(cache, 1, 8, 0);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__failed_reads_are_errors_and_leave_no_trace)
{
    world w;
    levin_error error;
    world_init(&w);
    page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 100 * FRAME);
    size_t fixed = w.held;

    w.fail_read_from = w.reads + 1;
    w.fail_read_to = w.reads + 3;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(get(cache, &w, FIRST + 7, 0, &error), LEVIN_IO);
        ck_assert_int_eq(error.os_error, EIO);
        ck_assert_uint_eq(w.held, fixed);
    }
    ck_assert_int_eq(get(cache, &w, FIRST + 7, 0, &error), LEVIN_OK);

    size_t size = w.size;
    w.size = (FIRST + 50) * PAGE + 100; /* cut off inside page 52 */
    ck_assert_int_eq(get(cache, &w, FIRST + 49, 0, &error), LEVIN_OK);
    ck_assert_int_eq(get(cache, &w, FIRST + 50, 0, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, w.size);
    ck_assert_uint_eq(error.expected, PAGE);
    ck_assert_uint_eq(error.found, 100);
    ck_assert_str_eq(error.file, PAGE_FILE_NAME);
    ck_assert_int_eq(get(cache, &w, FIRST + 51, 0, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, (FIRST + 51) * PAGE);
    ck_assert_int_eq(get(cache, &w, FIRST + 7, 0, &error), LEVIN_OK); /* what is in memory is good */
    w.size = size;
    ck_assert_int_eq(get(cache, &w, FIRST + 50, 0, &error), LEVIN_OK);

    w.bytes[(FIRST + 60) * PAGE + 4000] ^= 1;
    ck_assert_int_eq(get(cache, &w, FIRST + 60, 0, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, (FIRST + 60) * PAGE);
    w.bytes[(FIRST + 60) * PAGE + 4000] ^= 1;
    ck_assert_int_eq(get(cache, &w, FIRST + 60, 0, &error), LEVIN_OK);
    page_cache_destroy(cache);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache__failed_allocations_are_errors_and_leave_no_trace)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool met = true;
        unsigned runs = 0;
        for (unsigned nth = 1; met; nth++, runs++) {
            world w;
            levin_error error;
            world_init(&w);
            w.fail_alloc_from = nth;
            w.fail_alloc_to = persistent ? UINT32_MAX : nth;
            page_cache *cache = page_cache_create(&w.f, PAGE, IDENTITY, 0);
            unsigned failed = !cache;
            for (uint64_t n = FIRST; cache && n < FIRST + 8; n++) {
                levin_code code = get(cache, &w, n, 0, &error);
                ck_assert(code == LEVIN_OK || code == LEVIN_NO_MEMORY);
                failed += code != LEVIN_OK;
                w.sums[n + 20] = make_page(w.bytes + (n + 20) * PAGE, n + 20, 9);
                page_cache_install(cache, n + 20, w.sums[n + 20], w.bytes + (n + 20) * PAGE);
            }
            met = w.allocs >= nth;
            w.fail_alloc_from = 0;
            for (uint64_t n = FIRST; cache && n < FIRST + 8; n++) {
                ck_assert_int_eq(get(cache, &w, n, 0, &error), LEVIN_OK);
                ck_assert_int_eq(get(cache, &w, n + 20, 9, &error), LEVIN_OK);
            }
            ck_assert_msg(failed || !met || nth > 2, "allocation %u failed unseen", nth);
            page_cache_destroy(cache);
            world_fini(&w);
        }
        ck_assert_uint_ge(runs, 10);
    }
    page_cache_destroy(NULL);
}
END_TEST

LEVIN_TEST_MAIN("page_cache", TEST(page_cache__second_get_reads_no_file),
                TEST(page_cache__memory_stays_within_the_budget),
                TEST(page_cache__pages_in_use_outlive_pages_read_once),
                TEST(page_cache__pinned_page_survives_eviction_and_replacement),
                TEST(page_cache__section_that_never_ends_does_not_empty_the_cache),
                TEST(page_cache__install_and_forget_replace_content),
                TEST(page_cache__cached_page_is_held_against_each_expectation),
                TEST(page_cache__failed_reads_are_errors_and_leave_no_trace),
                TEST(page_cache__failed_allocations_are_errors_and_leave_no_trace))
