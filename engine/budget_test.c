/*
 * budget_test.c - memory stays within its budgets: page cache, row cache and two memtables, and a tenth.
 *
 * Invariants checked: the most that was allocated through the I/O table, over a load in batches, groups of one batch,
 * gets that miss all caches from several threads, scans and checkpoints, with and without a background thread, is
 * within the sum of the budgets and a tenth; the same when both caches are full before the load begins, and when a
 * memtable fills up after the one before was published and before its memory was given back; copies of nodes that
 * batches of random keys replace do not fill memtables.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "levin.h"

enum { LARGE_KEYS = 200, LARGE_BYTES = 20000, KEYS = 60000, READERS = 2, VALUE_BYTES = 100, BATCH = 500 };

typedef struct fixture {
    char directory[64];
    levin *db;
    uint64_t budget, cache_budget, row_budget, memtable_budget, large_budget;
} fixture;

static void setup(fixture *f, levin_background background)
{
    levin_options o;
    levin_error error;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 1 << 20;
    o.row_cache_bytes = 1 << 20;
    o.memtable_bytes = 2 << 20;
    o.value_cache_bytes = 1 << 20;
    o.background = background;
    f->budget = o.cache_bytes + o.row_cache_bytes + 2 * o.memtable_bytes; /* large values: see large_values() */
    f->cache_budget = o.cache_bytes;
    f->row_budget = o.row_cache_bytes;
    f->memtable_budget = o.memtable_bytes;
    f->large_budget = o.value_cache_bytes;
    snprintf(f->directory, sizeof f->directory, "/tmp/levin-budget-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->directory));
    ck_assert_msg(levin_open(f->directory, &o, &f->db, &error) == LEVIN_OK, "%s", error.message);
}

static void teardown(fixture *f)
{
    char command[128];
    ck_assert_int_eq(levin_close(f->db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", f->directory);
    ck_assert_int_eq(system(command), 0);
}

/* Keys in no order: n times an odd number runs through all of them. */
static size_t key_of(char key[24], uint64_t n)
{
    return (size_t)snprintf(key, 24, "%015llu", (unsigned long long)(n * 48271 % KEYS));
}

static void expect_within(const fixture *f, const char *after)
{
    levin_stats s;
    levin_stats_get(f->db, &s);
    ck_assert_msg(s.memory_peak_bytes <= f->budget + f->budget / 10, "%llu bytes of %llu after %s",
                  (unsigned long long)s.memory_peak_bytes, (unsigned long long)f->budget, after);
}

static void load_batches(fixture *f)
{
    char key[24], value[VALUE_BYTES] = "value";
    levin_batch *batch;
    ck_assert_int_eq(levin_batch_create(f->db, &batch), LEVIN_OK);
    for (uint64_t n = 0; n < KEYS; n++) {
        size_t bytes = key_of(key, n);
        ck_assert_int_eq(levin_batch_put(batch, key, bytes, value, sizeof value), LEVIN_OK);
        if (levin_batch_count(batch) == BATCH) {
            ck_assert_int_eq(levin_write(f->db, batch, LEVIN_NONE), LEVIN_OK);
            levin_batch_clear(batch);
        }
    }
    levin_batch_destroy(batch);
}

static void load(fixture *f)
{
    char key[24], value[VALUE_BYTES] = "value";
    load_batches(f);
    expect_within(f, "a load");
    for (uint64_t n = 0; n < KEYS; n++) {
        size_t bytes = key_of(key, n);
        ck_assert_int_eq(levin_put(f->db, key, bytes, value, sizeof value, LEVIN_NONE), LEVIN_OK);
    }
    expect_within(f, "groups of one batch");
}

static void *read_all(void *context)
{
    fixture *f = context;
    char key[24], value[VALUE_BYTES];
    size_t value_bytes, found = 0;
    for (uint64_t n = 0; n < KEYS; n++) {
        size_t bytes = key_of(key, n);
        found += levin_get(f->db, NULL, key, bytes, value, sizeof value, &value_bytes) == LEVIN_OK;
    }
    return found == KEYS ? f : NULL;
}

/* Puts, gets and overwrites of large values: what they add is the cache of large values. */
static void large_values(fixture *f)
{
    char key[24];
    static char value[LARGE_BYTES], copy[LARGE_BYTES];
    size_t value_bytes;
    f->budget += f->large_budget;
    for (uint64_t round = 0; round < 4; round++) {
        for (uint64_t n = 0; n < LARGE_KEYS; n++) {
            memset(value, (int)(n + round), sizeof value);
            size_t bytes = key_of(key, n * 7);
            ck_assert_int_eq(levin_put(f->db, key, bytes, value, sizeof value, LEVIN_NONE), LEVIN_OK);
        }
        for (uint64_t n = 0; n < 3 * LARGE_KEYS; n++) {
            size_t bytes = key_of(key, n % LARGE_KEYS * 7);
            ck_assert_int_eq(levin_get(f->db, NULL, key, bytes, copy, sizeof copy, &value_bytes), LEVIN_OK);
            ck_assert_int_eq(copy[value_bytes - 1], (char)(n % LARGE_KEYS + round));
        }
        levin_stats s;
        levin_stats_get(f->db, &s);
        ck_assert_uint_le(s.large_bytes, f->large_budget);
        ck_assert_uint_gt(s.large_inserts, 0);
        expect_within(f, "large values");
    }
    ck_assert_int_eq(levin_collect(f->db, 100), LEVIN_OK);
}

static void run(levin_background background)
{
    fixture f;
    pthread_t readers[READERS];
    void *good;
    levin_iter *it;
    setup(&f, background);
    load(&f);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, &f), 0);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_join(readers[i], &good), 0);
        ck_assert_ptr_eq(good, &f);
    }
    expect_within(&f, "gets");
    levin_stats s;
    levin_stats_get(f.db, &s);
    ck_assert_uint_gt(s.page_reads, KEYS / 2); /* they did miss */
    ck_assert_uint_gt(s.checkpoints, 3);
    ck_assert_int_eq(levin_iter_open(f.db, NULL, &it), LEVIN_OK);
    uint64_t seen = 0;
    for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it))
        seen++;
    levin_iter_close(it);
    ck_assert_uint_eq(seen, KEYS);
    ck_assert_int_eq(levin_checkpoint(f.db), LEVIN_OK);
    expect_within(&f, "a scan and a checkpoint");
    large_values(&f);
    teardown(&f);
}

START_TEST(budget__holds_with_a_background_thread)
{
    run(LEVIN_BACKGROUND_THREAD);
}
END_TEST

START_TEST(budget__holds_without_a_thread)
{
    run(LEVIN_BACKGROUND_NONE);
}
END_TEST

/* Merges write their pages in runs, and these are memory that comes on top of caches that are full already. */
START_TEST(budget__holds_for_a_load_when_the_caches_are_full)
{
    fixture f;
    levin_stats s;
    setup(&f, LEVIN_BACKGROUND_NONE);
    load_batches(&f);
    for (int round = 0; round < 4; round++)
        ck_assert_ptr_eq(read_all(&f), &f);
    levin_stats_get(f.db, &s);
    ck_assert_uint_gt(s.row_bytes, f.row_budget / 2);
    ck_assert_uint_gt(s.cache_bytes, f.cache_budget / 2);
    load_batches(&f);
    expect_within(&f, "a load with full caches");
    teardown(&f);
}
END_TEST

/* Puts from the key number *n on, until memtables hold so much. */
static void fill_memtables(fixture *f, uint64_t *n, uint64_t bytes, levin_stats *s)
{
    char key[24], value[VALUE_BYTES] = "value";
    do {
        size_t key_bytes = key_of(key, (*n)++);
        ck_assert_int_eq(levin_put(f->db, key, key_bytes, value, sizeof value, LEVIN_NONE), LEVIN_OK);
        levin_stats_get(f->db, s);
    } while (s->memtable_bytes < bytes);
}

/* What a background thread that has lost its processor does to writers, step by step. */
START_TEST(budget__holds_when_a_checkpoint_stops_behind_its_publication)
{
    fixture f;
    levin_stats s;
    uint64_t n = 0;
    bool more;
    setup(&f, LEVIN_BACKGROUND_NONE);
    fill_memtables(&f, &n, f.memtable_budget + f.memtable_budget / 8, &s); /* one is frozen, the next one begun */
    ck_assert_uint_eq(s.checkpoints, 0);
    while (s.checkpoints == 0) { /* counted when it is published */
        ck_assert_int_eq(levin_work(f.db, &more), LEVIN_OK);
        ck_assert(more);
        levin_stats_get(f.db, &s);
    }
    fill_memtables(&f, &n, 2 * f.memtable_budget - f.memtable_budget / 8, &s);
    uint64_t held = s.memory_bytes - s.cache_bytes - s.row_bytes, allowed = 2 * f.memtable_budget;
    ck_assert_msg(held <= allowed + allowed / 10, "%llu bytes of %llu are held besides the caches",
                  (unsigned long long)held, (unsigned long long)allowed);
    teardown(&f);
}
END_TEST

/* 60 batches of a thousand keys replace some 60,000 nodes of a kilobyte; what is live are 60,000 short records. */
START_TEST(budget__what_batches_replace_does_not_fill_the_memtable)
{
    fixture f;
    char key[24], value[VALUE_BYTES] = "value";
    levin_options o;
    levin_error error;
    levin_batch *batch;
    levin_stats s;
    levin_options_init(&o);
    o.background = LEVIN_BACKGROUND_NONE;
    snprintf(f.directory, sizeof f.directory, "/tmp/levin-budget-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f.directory));
    ck_assert_msg(levin_open(f.directory, &o, &f.db, &error) == LEVIN_OK, "%s", error.message);
    ck_assert_int_eq(levin_batch_create(f.db, &batch), LEVIN_OK);
    for (uint64_t n = 0; n < KEYS; n++) {
        ck_assert_int_eq(levin_batch_put(batch, key, key_of(key, n), value, sizeof value), LEVIN_OK);
        if (levin_batch_count(batch) == 1000) {
            ck_assert_int_eq(levin_write(f.db, batch, LEVIN_NONE), LEVIN_OK);
            levin_batch_clear(batch);
        }
    }
    levin_batch_destroy(batch);
    levin_stats_get(f.db, &s);
    ck_assert_uint_lt(s.memtable_bytes, KEYS * 300);
    teardown(&f);
}
END_TEST

LEVIN_TEST_MAIN("budget", TEST(budget__what_batches_replace_does_not_fill_the_memtable),
                TEST(budget__holds_with_a_background_thread), TEST(budget__holds_without_a_thread),
                TEST(budget__holds_for_a_load_when_the_caches_are_full),
                TEST(budget__holds_when_a_checkpoint_stops_behind_its_publication))
