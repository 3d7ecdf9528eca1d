/*
 * gate_work_test.c - recorded runs count the same every time, and what their names say; the arena; the event counter.
 */
#include "gate_work.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../faults/check_main.h"
#include "../faults/random.h"
#include "gate_arena.h"
#include "gate_measure.h"

START_TEST(gate_work__counters_are_the_same_every_time)
{
    gate_table first = { 0 }, second = { 0 };
    const gate_work *w;
    size_t works = 0;
    for (; (w = gate_work_at(works)); works++)
        ck_assert(gate_work_run(w, NULL, &first));
    while (works-- > 0) { /* the other way round: no run depends on those before it */
        w = gate_work_at(works);
        ck_assert_ptr_eq(gate_work_find(gate_work_name(w)), w);
        ck_assert(gate_work_run(w, NULL, &second));
    }
    gate_table_sort(&first);
    gate_table_sort(&second);
    ck_assert_uint_gt(first.count, 1000);
    ck_assert_uint_eq(gate_table_compare(&first, &second, NULL, NULL), 0);
    gate_table_fini(&first);
    gate_table_fini(&second);
}
END_TEST

static uint64_t counter_of(const char *workload, const char *counter)
{
    gate_table t = { 0 };
    ck_assert(gate_work_run(gate_work_find(workload), NULL, &t));
    uint64_t value = gate_table_value(&t, workload, counter);
    gate_table_fini(&t);
    return value;
}

START_TEST(gate_work__runs_do_what_their_names_say)
{
    ck_assert_uint_ge(counter_of("put-synced", "wal.sync.calls"), 2000);
    ck_assert_uint_eq(counter_of("put", "stats.puts"), 10000);
    ck_assert_uint_eq(counter_of("group", "stats.groups"), 250);
    ck_assert_uint_eq(counter_of("group", "stats.batches"), 2000);
    ck_assert_uint_eq(counter_of("delete", "stats.deletes"), 5000);
    ck_assert_uint_eq(counter_of("callback", "stats.groups"), 250);
    ck_assert_uint_eq(counter_of("callback", "stats.callbacks"), 2000);
    static const char *const by_row[] = { "get-row", "multi-get-row" };
    for (size_t i = 0; i < sizeof by_row / sizeof by_row[0]; i++) {
        ck_assert_uint_eq(counter_of(by_row[i], "stats.row_hits"), 20000);
        ck_assert_uint_eq(counter_of(by_row[i], "stats.row_misses"), 0);
        ck_assert_uint_eq(counter_of(by_row[i], "memory.allocations"), 0);
    }
    static const char *const by_page[] = { "get-page", "multi-get-page", "get-absent", "get-pinned", "contains" };
    for (size_t i = 0; i < sizeof by_page / sizeof by_page[0]; i++) {
        ck_assert_uint_eq(counter_of(by_page[i], "stats.cache_hits"), 40000); /* a branch and a leaf each */
        ck_assert_uint_eq(counter_of(by_page[i], "stats.row_misses") + counter_of(by_page[i], "stats.row_hits"), 0);
        ck_assert_uint_eq(counter_of(by_page[i], "pages.read.calls"), 0);
        ck_assert_uint_eq(counter_of(by_page[i], "memory.allocations"), 0);
    }
    ck_assert_uint_eq(counter_of("get-first", "stats.row_misses"), 20000);
    ck_assert_uint_eq(counter_of("get-first", "pages.read.calls"), 0);
    ck_assert_uint_eq(counter_of("get-memtable", "stats.cache_hits"), 0);
    ck_assert_uint_ge(counter_of("get-uncached", "pages.read.calls"), 4000);
    ck_assert_uint_eq(counter_of("checkpoint", "stats.checkpoints"), 1);
    ck_assert_uint_ge(counter_of("ingest", "stats.checkpoints"), 3);
    ck_assert_uint_eq(counter_of("recovery", "stats.replayed_batches"), 2000);
    ck_assert_uint_gt(counter_of("put-large", "vlog.write.bytes"), 64 * 65536);
    ck_assert_uint_lt(counter_of("put-large", "wal.write.bytes"), 65536);
    ck_assert_uint_eq(counter_of("get-value", "vlog.read.calls"), 256);
    ck_assert_uint_eq(counter_of("get-extent", "vlog.read.calls"), 0);
    ck_assert_uint_ge(counter_of("get-extent", "pages.read.bytes"), 256 * 65536);
    ck_assert_uint_eq(counter_of("put-extent", "vlog.write.calls"), 0);
    ck_assert_uint_ge(counter_of("collect", "vlog.write.bytes"), 16 * 65536); /* what is still in use is moved */
    ck_assert_uint_ge(counter_of("backup", "pages.write.bytes"), 20000 * 100);
    ck_assert_uint_eq(counter_of("bulk-load", "stats.bulk_load_entries"), 20000);
    ck_assert_uint_lt(counter_of("bulk-load", "wal.write.bytes"), 65536); /* past the log */
    ck_assert_uint_ge(counter_of("bulk-load", "pages.write.bytes"), 20000 * 116);
    ck_assert_uint_eq(counter_of("bulk-load-between", "stats.bulk_load_entries"), 10000);
    ck_assert_uint_ge(counter_of("bulk-load-between", "pages.write.bytes"), 20000 * 116); /* all leaves anew */
    ck_assert_uint_eq(counter_of("keyspace-put", "stats.puts"), 10000);
    ck_assert_uint_ge(counter_of("mixed", "stats.checkpoints"), 3);
    ck_assert_uint_eq(counter_of("ycsb-c", "stats.puts"), 0);
    ck_assert_uint_ge(counter_of("ycsb-a", "stats.puts"), 2300);
    ck_assert_uint_le(counter_of("ycsb-a", "stats.puts"), 2700);
    ck_assert_uint_ge(counter_of("ycsb-f", "stats.puts"), 2300);
}
END_TEST

START_TEST(gate_arena__blocks_are_aligned_apart_and_used_again)
{
    enum { BLOCKS = 400 };
    gate_arena a;
    random_stream r = random_open(3, 0);
    struct {
        unsigned char *at;
        size_t bytes;
    } block[BLOCKS] = { 0 };
    ck_assert(gate_arena_init(&a, 64 << 20));
    for (int turn = 0; turn < 20000; turn++) {
        size_t i = random_below(&r, BLOCKS);
        if (block[i].at) {
            for (size_t at = 0; at < block[i].bytes; at += 61)
                ck_assert_uint_eq(block[i].at[at], (unsigned char)i);
            gate_arena_free(&a, block[i].at);
            block[i].at = NULL;
        } else {
            size_t alignment = (size_t)1 << random_below(&r, 13);
            block[i].bytes = 1 + random_below(&r, (size_t)1 << random_below(&r, 16));
            block[i].at = gate_arena_alloc(&a, block[i].bytes, alignment);
            ck_assert_ptr_nonnull(block[i].at);
            ck_assert_uint_eq((uintptr_t)block[i].at % alignment, 0);
            memset(block[i].at, (int)i, block[i].bytes);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++)
        gate_arena_free(&a, block[i].at);
    ck_assert_uint_eq(a.held_blocks, 0);
    ck_assert_ptr_null(gate_arena_alloc(&a, (size_t)65 << 20, 8));
    ck_assert_ptr_null(gate_arena_alloc(&a, 8, (size_t)4 << 20));
    gate_arena_fini(&a);
}
END_TEST

/* Blocks of other sizes do not serve: the peak is more than what is held, and the same wherever the arena lies. */
START_TEST(gate_arena__peak_is_what_blocks_took_wherever_it_lies)
{
    size_t peak[4];
    for (size_t i = 0; i < 4; i++) {
        gate_arena a;
        const size_t pages = 4096 * (1 + 97 * i);
        void *shift = mmap(NULL, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert(gate_arena_init(&a, 64 << 20));
        ck_assert_uint_eq(gate_arena_peak(&a), 0);
        void *first = gate_arena_alloc(&a, 100000, 8);
        gate_arena_free(&a, first);
        void *second = gate_arena_alloc(&a, 5000, 4096), *third = gate_arena_alloc(&a, 1000, 1 << 20);
        peak[i] = gate_arena_peak(&a);
        ck_assert_uint_ge(peak[i], (128 << 10) + (8 << 10) + (1 << 20));
        gate_arena_free(&a, second);
        ck_assert_ptr_eq(gate_arena_alloc(&a, 6000, 64), second);
        ck_assert_uint_eq(gate_arena_peak(&a), peak[i]);
        gate_arena_free(&a, second);
        gate_arena_free(&a, third);
        gate_arena_fini(&a);
        munmap(shift, pages);
        ck_assert_uint_eq(peak[i], peak[0]);
    }
}
END_TEST

/* The processor's counter may be missing; a counter of the kernel goes the same way. */
START_TEST(gate_measure__counts_the_stretch_alone)
{
    enum { PAGES = 2000, PAGE = 4096, OTHERS = PAGES / 8 + 20 }; /* others: AddressSanitizer's shadow of the pages */
    measure m;
    if (!measure_open_event(&m, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS)) {
        printf("perf_event_open: %s: not looked at\n", strerror(errno));
        return;
    }
    uint64_t counted[2];
    for (int turn = 0; turn < 2; turn++) {
        size_t pages = turn ? PAGES : PAGES / 2;
        volatile char *memory = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                     -1, 0);
        ck_assert_ptr_ne((void *)(uintptr_t)memory, MAP_FAILED);
        madvise((void *)(uintptr_t)memory, 2 * PAGES * PAGE, MADV_NOHUGEPAGE);
        memory[(2 * PAGES - 1) * PAGE] = 1; /* before: not counted */
        measure_begin(&m);
        for (size_t i = 0; i < pages; i++)
            memory[i * PAGE] = 1;
        measure_end(&m);
        for (size_t i = PAGES; i < PAGES + PAGES / 2; i++) /* after */
            memory[i * PAGE] = 1;
        munmap((void *)(uintptr_t)memory, 2 * PAGES * PAGE);
        ck_assert_ptr_null(m.failure);
        counted[turn] = m.value;
    }
    ck_assert_uint_ge(counted[0], PAGES / 2);
    ck_assert_uint_le(counted[0], PAGES / 2 + OTHERS);
    ck_assert_uint_ge(counted[1], PAGES);
    ck_assert_uint_le(counted[1], PAGES + OTHERS);
    measure_close(&m);
}
END_TEST

LEVIN_TEST_MAIN("gate_work", TEST(gate_work__counters_are_the_same_every_time),
                TEST(gate_work__runs_do_what_their_names_say),
                TEST(gate_arena__blocks_are_aligned_apart_and_used_again),
                TEST(gate_arena__peak_is_what_blocks_took_wherever_it_lies),
                TEST(gate_measure__counts_the_stretch_alone))
