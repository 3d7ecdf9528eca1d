/*
 * compact_faults_test.h - levin_compact() under failing calls and crashes, for the tests of its parts.
 *
 * Options NULL: the defaults.
 */
#ifndef LEVIN_COMPACT_FAULTS_TEST_H
#define LEVIN_COMPACT_FAULTS_TEST_H

#include "store_model_test.h"

/* levin_compact() with the nth call of all kinds failing, once or for ever. False when none failed. */
static inline bool compact_with_fault(const disk_image *image, const levin_compact_options *o, uint64_t nth,
                                      bool forever, unsigned operations, int os_error)
{
    simdisk *disk = simdisk_create(image, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    fault_rule rule = { FAULT_KINDS_ALL, operations, nth, forever, FAULT_ERROR, os_error, 0 };
    levin_error error = { 0 };
    fault_io_on_failed_sync(faults, simdisk_sync_loses_pages, disk);
    f.o.io = fault_io_table(faults);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = levin_compact(f.db, o, NULL);
    bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    if (!fired)
        ck_assert_int_eq(code, LEVIN_OK);
    expect_contents(f.db, NULL, f.seed);
    if (code == LEVIN_OK || !db_poisoned(f.db)) { /* and what was left undone is done now */
        expect_ok(levin_compact(f.db, o, NULL), "compact again");
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

/*
 * levin_compact() with a crash at any point of it: the store opens and holds everything. compacted (may be NULL) is
 * called after the undisturbed one. Returns how many states there were.
 */
static inline unsigned compact_crashes(const disk_image *image, const levin_compact_options *o, void (*compacted)(void))
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(image, t);
    levin_error error = { 0 };
    f.o.io = simdisk_io(disk);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    expect_ok(levin_compact(f.db, o, NULL), "compact");
    if (compacted)
        compacted();
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
    crash_close(e);
    trace_destroy(t);
    return states;
}

#endif
