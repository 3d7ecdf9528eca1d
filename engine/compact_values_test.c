/*
 * compact_values_test.c - levin_compact() of stores with a value log, on simulated disks.
 *
 * Invariants checked: a snapshot keeps what it needs, and what it held goes with the next compaction; contents are the
 * same, and levin_check() passes, when any call fails and after a crash at any point; what was left undone is done by
 * the next.
 */
#include "store_model_test.h"

enum { SEGMENT = 128 << 10, VALUES_FROM = 1000 };

static void values_setup(unsigned keys, trace *record)
{
    setup(keys, true, record);
    expect_ok(levin_close(f.db), "close");
    f.o.value_log_threshold_bytes = VALUES_FROM;
    f.o.value_log_segment_bytes = SEGMENT;
    f.o.value_log_live_percent = 0; /* nothing by itself */
    reopen(f.o.io);
}

/* Keys with large values, a part of them written again: segments half in use. */
static void values_fill(unsigned rounds)
{
    for (unsigned i = 0; i < f.keys; i++) {
        do
            put(i);
        while (i % 8 == 0 && f.seed[i] % 37);
    }
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < f.keys; i += 16)
            do
                put(i);
            while (f.seed[i] % 37);
    expect_ok(levin_checkpoint(f.db), "checkpoint");
}

static levin_compact_options percent(uint32_t live)
{
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.value_log_live_percent = live;
    return o;
}

START_TEST(compact_values__snapshot_keeps_what_it_needs)
{
    levin_snapshot *s;
    static uint64_t seeds[KEYS_MAX];
    values_setup(200, NULL);
    values_fill(0);
    expect_ok(levin_snapshot_create(f.db, &s), "snapshot");
    memcpy(seeds, f.seed, sizeof seeds);
    values_fill(1);
    const levin_compact_options o = percent(100);
    expect_ok(levin_compact(f.db, &o, NULL), "compact");
    expect_contents(f.db, s, seeds);
    expect_whole();
    const uint64_t before = stats().vlog_bytes;
    levin_snapshot_release(s);
    expect_ok(levin_compact(f.db, &o, NULL), "compact");
    ck_assert_uint_lt(stats().vlog_bytes, before);
    expect_whole();
    teardown();
}
END_TEST

/* ---- failures ---- */

static disk_image *values_image(unsigned keys)
{
    values_setup(keys, NULL);
    values_fill(1);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    return simdisk_image(f.disk);
}

/* levin_compact() with the nth call failing, once or for ever. False when none failed. */
static bool with_fault(const disk_image *image, uint64_t nth, bool forever, unsigned operations, int os_error)
{
    simdisk *disk = simdisk_create(image, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    fault_rule rule = { FAULT_KINDS_ALL, operations, nth, forever, FAULT_ERROR, os_error, 0 };
    const levin_compact_options o = percent(100);
    levin_error error = { 0 };
    fault_io_on_failed_sync(faults, simdisk_sync_loses_pages, disk);
    f.o.io = fault_io_table(faults);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = levin_compact(f.db, &o, NULL);
    bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    if (!fired)
        ck_assert_int_eq(code, LEVIN_OK);
    expect_contents(f.db, NULL, f.seed);
    if (code == LEVIN_OK || !db_poisoned(f.db)) { /* and what was left undone is done now */
        expect_ok(levin_compact(f.db, &o, NULL), "compact again");
        expect_whole();
        expect_ok(levin_close(f.db), "close");
    } else {
        ck_assert_int_eq(levin_close(f.db), LEVIN_POISONED);
    }
    uint64_t files, bytes, allocations;
    fault_io_held(faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files + allocations, 0);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    expect_whole();
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
    return fired;
}

START_TEST(compact_values__any_failing_call_leaves_the_store_whole)
{
    disk_image *image = values_image(48);
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), alloc = 1u << FAULT_ALLOC;
    uint64_t most = 0;
    for (int forever = 0; forever < 2; forever++) {
        uint64_t nth = 1;
        for (; with_fault(image, nth, forever, io, forever ? ENOSPC : EIO); nth++)
            ;
        most = nth > most ? nth : most;
        for (nth = 1; with_fault(image, nth, forever, alloc, 0); nth++)
            ;
    }
    ck_assert_uint_gt(most, 30);
    disk_image_unref(image);
    teardown();
}
END_TEST

START_TEST(compact_values__a_crash_at_any_point_finds_everything)
{
    disk_image *image = values_image(64);
    const levin_compact_options o = percent(100);
    trace *t = trace_create();
    simdisk *disk = simdisk_create(image, t);
    levin_error error = { 0 };
    f.o.io = simdisk_io(disk);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    expect_ok(levin_compact(f.db, &o, NULL), "compact");
    ck_assert_uint_gt(stats().vlog_collected_segments, 0);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    ck_assert(simdisk_destroy(disk, NULL));
    crash_limits limits;
    crash_state state;
    crash_limits_init(&limits);
    limits.subset_operations = 3;
    limits.prefixes = limits.dropped = limits.kept = limits.torn = limits.garbage = limits.zeroed = 2;
    limits.sizes = limits.random = 3;
    crash_explorer *e = crash_open(t, image, 5, &limits, NULL);
    unsigned states = 0;
    while (crash_next(e, &state)) {
        simdisk *after = simdisk_create(state.image, NULL);
        f.o.io = simdisk_io(after);
        levin_code code = levin_open("store", &f.o, &f.db, &error);
        ck_assert_msg(code == LEVIN_OK, "crash at %llu, variant %llu: %s", (unsigned long long)state.point,
                      (unsigned long long)state.variant, error.message);
        expect_whole();
        expect_ok(levin_close(f.db), "close");
        f.db = NULL;
        simdisk_destroy(after, NULL);
        states++;
    }
    ck_assert_uint_gt(states, 100);
    crash_close(e);
    trace_destroy(t);
    disk_image_unref(image);
    teardown();
}
END_TEST

LEVIN_TEST_MAIN("compact_values", TEST(compact_values__snapshot_keeps_what_it_needs),
                TEST(compact_values__any_failing_call_leaves_the_store_whole),
                TEST(compact_values__a_crash_at_any_point_finds_everything))
