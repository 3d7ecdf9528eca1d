/*
 * ranges_test.c - a life under iterators is a function of its seed, comes to what it is called; a wrong bound is seen.
 */
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"

static bool go_on(void *context)
{
    (void)context;
    return true;
}

static bool not_at_all(void *context)
{
    (void)context;
    return false;
}

START_TEST(ranges__a_seed_is_a_life)
{
    ranges_outcome one, two;
    uint64_t faults = 0, resumed = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) { /* in a named keyspace, in the default one; extents, value log */
        ck_assert_msg(ranges_run(seed, 48, NULL, go_on, NULL, &one), "%s: %s", one.bounds, one.verdict.text);
        ck_assert(ranges_run(seed, 48, NULL, go_on, NULL, &two));
        ck_assert_mem_eq(&one.counts, &two.counts, sizeof one.counts);
        ck_assert_uint_eq(one.counts.exhausted, 1);
        ck_assert_uint_gt(one.counts.walks, 10000);
        ck_assert_uint_gt(one.counts.held, 200);
        faults += one.counts.faults;
        resumed += one.counts.resumed;
        ck_assert_uint_gt(one.counts.flushes, 2);
    }
    ck_assert_uint_gt(faults, 20);
    ck_assert_uint_gt(resumed, 8);
    ck_assert(ranges_run(1, 48, NULL, not_at_all, NULL, &one));
    ck_assert_uint_eq(one.counts.walks, 0);
}
END_TEST

START_TEST(ranges__does_not_depend_on_the_number_of_jobs)
{
    report *r[2];
    chaos_options options[2];
    for (unsigned i = 0; i < 2; i++) {
        options[i] = (chaos_options){ .command = COMMAND_RANGES, .seed = 7, .seeds = 3, .operations = 20, .jobs = 1 + i,
                                      .quiet = true };
        r[i] = calloc(1, sizeof *r[i]);
        r[i]->options = &options[i];
        ranges(r[i], 0);
        ck_assert_uint_eq(r[i]->found.count, 0);
        ck_assert_uint_eq(r[i]->ranges.seeds_complete, 3);
    }
    ck_assert_mem_eq(&r[0]->ranges.counts, &r[1]->ranges.counts, sizeof r[0]->ranges.counts);
    free(r[0]);
    free(r[1]);
}
END_TEST

/* The canary: an iterator with other bounds than those that the model has. */
START_TEST(ranges__a_wrong_bound_is_seen)
{
    levin_options options;
    levin *store;
    levin_iter *iter;
    oracle_verdict v = { 0 };
    oracle *o = oracle_create();
    levin_options_init(&options);
    simdisk *disk = simdisk_create(NULL, NULL);
    options.io = simdisk_io(disk);
    options.background = LEVIN_BACKGROUND_NONE;
    ck_assert_int_eq(levin_open("db", &options, &store, NULL), LEVIN_OK);
    const levin_slice keys[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(levin_put(store, keys[i].data, 1, "v", 1, LEVIN_NONE), LEVIN_OK);
        oracle_put_in(o, ORACLE_DEFAULT, keys[i], (levin_slice){ "v", 1 });
    }
    oracle_acknowledge(o, oracle_submit(o, LEVIN_NONE, 0), 1);
    const oracle_pairs expected = oracle_pairs_of(oracle_pairs_at(o, 1), ORACLE_DEFAULT);
    const oracle_check_options with = { 0 };
    const levin_iter_options half = { .lower = keys[1] }, open = { .lower = keys[1], .lower_exclusive = true };
    uint64_t moves = 0;
    ck_assert_int_eq(levin_iter_open(store, &half, &iter), LEVIN_OK);
    ck_assert_msg(oracle_walk(&expected, store, iter, &half, keys, 3, &with, &moves, &v), "%s", v.text);
    levin_iter_close(iter);
    ck_assert_uint_gt(moves, 20);
    ck_assert_int_eq(levin_iter_open(store, &half, &iter), LEVIN_OK);
    ck_assert(!oracle_walk(&expected, store, iter, &open, keys, 3, &with, &moves, &v));
    ck_assert_str_eq(v.promise, "EXACT");
    levin_iter_close(iter);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    simdisk_destroy(disk, NULL);
    oracle_destroy(o);
}
END_TEST

LEVIN_TEST_MAIN("ranges", TEST(ranges__a_seed_is_a_life), TEST(ranges__does_not_depend_on_the_number_of_jobs),
                TEST(ranges__a_wrong_bound_is_seen))
