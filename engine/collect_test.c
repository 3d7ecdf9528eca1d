/*
 * collect_test.c - which segments of the value log a collection takes, and where their values go.
 *
 * Invariants checked: what a memtable alone says (a deleted range of a keyspace, too) counts before a segment is
 * judged; a value that is at or under a threshold which was raised meanwhile goes into the tree; nothing is lost
 * on the way.
 */
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { VALUES = 40, VALUE_BYTES = 3000 };

typedef struct fixture {
    simdisk *disk;
    levin_options o;
    levin *db;
} fixture;

static void begin(fixture *f)
{
    f->disk = simdisk_create(NULL, NULL);
    levin_options_init(&f->o);
    f->o.io = simdisk_io(f->disk);
    f->o.background = LEVIN_BACKGROUND_NONE;
    f->o.value_log_threshold_bytes = 1000;
    ck_assert_int_eq(levin_open("s", &f->o, &f->db, NULL), LEVIN_OK);
}

static void end(fixture *f)
{
    ck_assert_int_eq(levin_check(f->db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(f->db), LEVIN_OK);
    ck_assert(simdisk_destroy(f->disk, NULL));
}

static void put_all(fixture *f, const levin_keyspace *ks)
{
    static char value[VALUE_BYTES];
    for (int i = 0; i < VALUES; i++) {
        memset(value, 'a' + i % 26, sizeof value);
        ck_assert_int_eq(levin_put_in(f->db, ks, &i, sizeof i, value, sizeof value, LEVIN_NONE), LEVIN_OK);
    }
    ck_assert_int_eq(levin_checkpoint(f->db), LEVIN_OK);
}

static void expect_value(fixture *f, const levin_keyspace *ks, int i)
{
    static char value[VALUE_BYTES], found[VALUE_BYTES];
    size_t bytes;
    memset(value, 'a' + i % 26, sizeof value);
    ck_assert_int_eq(levin_get_in(f->db, ks, NULL, &i, sizeof i, found, sizeof found, &bytes), LEVIN_OK);
    ck_assert_uint_eq(bytes, sizeof value);
    ck_assert_mem_eq(found, value, sizeof value);
}

/* All is dead, and only the memtable knows: in it stands one deleted range and nothing else. */
static void delete_all_and_collect(bool named)
{
    fixture f;
    levin_stats stats;
    levin_keyspace *ks = NULL;
    begin(&f);
    if (named)
        ck_assert_int_eq(levin_keyspace_open(f.db, "named", 5, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    put_all(&f, ks);
    ck_assert_int_eq(levin_delete_range_in(f.db, ks, (levin_slice){ 0 }, (levin_slice){ 0 }, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_collect(f.db, 50), LEVIN_OK);
    levin_stats_get(f.db, &stats);
    ck_assert_uint_gt(stats.vlog_collected_segments, 0);
    ck_assert_uint_lt(stats.vlog_bytes, VALUES * VALUE_BYTES);
    ck_assert_uint_eq(stats.vlog_moved_values, 0);
    levin_keyspace_close(ks);
    end(&f);
}

START_TEST(collect__a_deleted_range_alone_counts)
{
    delete_all_and_collect(false);
    delete_all_and_collect(true);
}
END_TEST

START_TEST(collect__what_a_memtable_overwrites_counts)
{
    fixture f;
    levin_stats stats;
    begin(&f);
    put_all(&f, NULL);
    for (int i = 0; i < VALUES; i++)
        if (i % 10)
            ck_assert_int_eq(levin_put(f.db, &i, sizeof i, "small", 5, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_collect(f.db, 50), LEVIN_OK);
    levin_stats_get(f.db, &stats);
    ck_assert_uint_gt(stats.vlog_collected_segments, 0);
    ck_assert_uint_eq(stats.vlog_moved_values, VALUES / 10);
    for (int i = 0; i < VALUES; i += 10)
        expect_value(&f, NULL, i);
    end(&f);
}
END_TEST

START_TEST(collect__what_is_mostly_in_use_stays)
{
    fixture f;
    levin_stats stats;
    begin(&f);
    put_all(&f, NULL);
    ck_assert_int_eq(levin_collect(f.db, 50), LEVIN_OK);
    levin_stats_get(f.db, &stats);
    ck_assert_uint_eq(stats.vlog_collected_segments, 0);
    ck_assert_uint_eq(stats.vlog_moved_values, 0);
    end(&f);
}
END_TEST

START_TEST(collect__values_under_a_threshold_that_was_raised_go_into_the_tree)
{
    fixture f;
    levin_stats stats;
    begin(&f);
    put_all(&f, NULL);
    for (int i = 0; i < VALUES; i++)
        if (i % 4)
            ck_assert_int_eq(levin_delete(f.db, &i, sizeof i, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.db), LEVIN_OK);
    ck_assert_int_eq(levin_close(f.db), LEVIN_OK);
    f.o.value_log_threshold_bytes = VALUE_BYTES;
    ck_assert_int_eq(levin_open("s", &f.o, &f.db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_collect(f.db, 100), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.db), LEVIN_OK);
    levin_stats_get(f.db, &stats);
    ck_assert_uint_eq(stats.vlog_moved_values, VALUES / 4);
    ck_assert_uint_eq(stats.vlog_live_bytes, 0);
    for (int i = 0; i < VALUES; i += 4)
        expect_value(&f, NULL, i);
    end(&f);
}
END_TEST

LEVIN_TEST_MAIN("collect", TEST(collect__a_deleted_range_alone_counts),
                TEST(collect__what_a_memtable_overwrites_counts),
                TEST(collect__what_is_mostly_in_use_stays),
                TEST(collect__values_under_a_threshold_that_was_raised_go_into_the_tree))
