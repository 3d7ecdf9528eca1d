/*
 * reopen_test.c - what an open for writing costs a store that was closed: no copy of the log, no room, a few sectors.
 *
 * Checked: a store that was closed opens, takes writes and closes again while nothing can be preallocated, again and
 * again, and writes a few sectors each time; one that was not closed has its last segment copied, as before, and says
 * so when there is no room; nothing is lost by the ways that lie between, the power cut at each call of the reopening
 * included.
 */
#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/crash.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { SEGMENT_BYTES = 1 << 20, ROUNDS = 5, KEYS = 20 };

static levin_code store_open(const levin_io *io, levin **db)
{
    levin_options o;
    levin_options_init(&o);
    o.io = io;
    o.background = LEVIN_BACKGROUND_NONE;
    o.page_bytes = 4096;
    o.wal_segment_bytes = SEGMENT_BYTES;
    return levin_open("s", &o, db, NULL);
}

static void put(levin *db, int i, levin_durability durability)
{
    ck_assert_int_eq(levin_put(db, &i, sizeof i, "value", 5, durability), LEVIN_OK);
}

static void assert_holds(levin *db, int keys)
{
    for (int i = 0; i <= keys; i++)
        ck_assert_int_eq(levin_contains(db, NULL, &i, sizeof i), i < keys ? LEVIN_OK : LEVIN_NOT_FOUND);
}

static uint64_t log_written(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s.wal_written_bytes;
}

static const fault_rule no_room = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_PREALLOCATE, .nth = 1,
                                    .forever = true, .effect = FAULT_ERROR, .os_error = ENOSPC };

START_TEST(reopen__of_a_closed_store_needs_no_room)
{
    levin *db;
    simdisk *disk = simdisk_create(NULL, NULL);
    fault_io *f = fault_io_create(simdisk_io(disk));
    ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_OK);
    for (int i = 0; i < KEYS; i++)
        put(db, i, LEVIN_SYNCED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_set_rules(f, &no_room, 1);
    for (int round = 0; round < ROUNDS; round++) {
        ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_OK);
        ck_assert_uint_le(log_written(db), 8192);
        assert_holds(db, KEYS + round);
        if (round % 2)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        put(db, KEYS + round, LEVIN_SYNCED);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    ck_assert_uint_eq(fault_io_fired(f, 0), 0);
    /* not closed: its last segment is copied, for which there has to be room */
    fault_io_set_rules(f, NULL, 0);
    ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_OK);
    put(db, KEYS + ROUNDS, LEVIN_LOGGED);
    disk_image *image = simdisk_image(disk);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
    disk = simdisk_create(image, NULL);
    f = fault_io_create(simdisk_io(disk));
    fault_io_set_rules(f, &no_room, 1);
    ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_NO_SPACE);
    fault_io_set_rules(f, NULL, 0);
    ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_OK);
    ck_assert_uint_gt(log_written(db), 8192); /* the copy, without what was preallocated */
    assert_holds(db, KEYS + ROUNDS + 1);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(image);
}
END_TEST

/* What a power cut leaves of the mark that takes the place of the last one, torn too, is no loss. */
START_TEST(reopen__a_power_cut_on_the_way_loses_nothing)
{
    levin *db;
    unsigned states = 0;
    simdisk *disk = simdisk_create(NULL, NULL);
    ck_assert_int_eq(store_open(simdisk_io(disk), &db), LEVIN_OK);
    for (int i = 0; i < KEYS; i++)
        put(db, i, i % 2 ? LEVIN_SYNCED : LEVIN_LOGGED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    disk_image *image = simdisk_image(disk);
    ck_assert(simdisk_destroy(disk, NULL));
    trace *t = trace_create();
    disk = simdisk_create(image, t);
    ck_assert_int_eq(store_open(simdisk_io(disk), &db), LEVIN_OK);
    const int new = KEYS;
    ck_assert_int_eq(levin_put(db, &new, sizeof new, "value", 5, LEVIN_LOGGED), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    crash_explorer *e = crash_open(t, image, 1, NULL, NULL);
    for (crash_state s; crash_next(e, &s); states++) {
        disk = simdisk_create(s.image, NULL);
        ck_assert_int_eq(store_open(simdisk_io(disk), &db), LEVIN_OK);
        for (int i = 0; i < KEYS; i++)
            ck_assert_int_eq(levin_contains(db, NULL, &i, sizeof i), LEVIN_OK);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
    }
    ck_assert_uint_ge(states, 8); /* of four calls */
    crash_close(e);
    trace_destroy(t);
    disk_image_unref(image);
}
END_TEST

LEVIN_TEST_MAIN("reopen", TEST(reopen__of_a_closed_store_needs_no_room),
                TEST(reopen__a_power_cut_on_the_way_loses_nothing))
