/*
 * compact_values_test.c - levin_compact() of stores with a value log, on simulated disks.
 *
 * Invariants checked: a snapshot keeps what it needs, and what it held goes with the next compaction; contents are the
 * same, and levin_check() passes, when any call fails and after a crash at any point; what was left undone is done by
 * the next.
 */
#include "compact_faults_test.h"

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

typedef struct halt {
    unsigned left;
    bool stopped;
    levin_compact_result at;
} halt;

static bool halt_later(void *context, const levin_compact_result *so_far)
{
    halt *h = context;
    h->at = *so_far;
    h->stopped = h->left-- == 0;
    return !h->stopped;
}

/* What was moved until then stays; the segments do, too, until a later collection has moved the rest. */
START_TEST(compact_values__collection_stops_between_any_two_steps)
{
    unsigned in_collection = 0;
    halt h = { 0 };
    levin_compact_options o = percent(100);
    o.mode = LEVIN_COMPACT_END;
    o.progress = halt_later;
    o.context = &h;
    values_setup(600, NULL);
    values_fill(1);
    for (unsigned n = 0; n == 0 || h.stopped; n++) {
        const uint64_t segments = stats().vlog_segments;
        h = (halt){ .left = n };
        levin_code code = levin_compact(f.db, &o, NULL);
        ck_assert_int_eq(code, h.stopped ? LEVIN_INTERRUPTED : LEVIN_OK);
        if (h.stopped && !h.at.segments_collected && !h.at.rounds && h.at.values_moved) {
            in_collection++;
            ck_assert_uint_ge(stats().vlog_segments, segments);
        }
        expect_whole();
        values_fill(0);
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert_uint_ge(in_collection, 2);
    ck_assert_uint_gt(h.at.segments_collected, 0);
    teardown();
}
END_TEST

/* One segment, the one that is written to: little of it is in use, then nothing. */
START_TEST(compact_values__the_segment_that_is_written_to_is_collected)
{
    static char large[SEGMENT / 8];
    values_setup(1, NULL);
    for (int reopened = 0; reopened < 2; reopened++) {
        for (unsigned i = 0; i < 5; i++)
            expect_ok(levin_put(f.db, "one", 3, large, sizeof large, LEVIN_LOGGED), "put");
        if (reopened) {
            expect_ok(levin_close(f.db), "close");
            reopen(f.o.io);
        }
        ck_assert_uint_ge(stats().vlog_bytes, 5 * sizeof large);
        const levin_compact_options half = percent(50), all = percent(100);
        levin_compact_result result;
        expect_ok(levin_compact(f.db, &half, &result), "compact");
        ck_assert_uint_ge(result.segments_collected, 1);
        ck_assert_uint_lt(stats().vlog_bytes, 3 * sizeof large);
        /* whole now: not moved again and again */
        expect_ok(levin_compact(f.db, &half, &result), "compact");
        ck_assert_uint_eq(result.values_moved, 0);
        ck_assert_uint_eq(result.segments_collected, 0);
        expect_ok(levin_delete(f.db, "one", 3, LEVIN_LOGGED), "delete");
        expect_ok(levin_compact(f.db, &all, &result), "compact");
        ck_assert_uint_lt(stats().vlog_bytes, sizeof large);
    }
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

START_TEST(compact_values__any_failing_call_leaves_the_store_whole)
{
    disk_image *image = values_image(48);
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), alloc = 1u << FAULT_ALLOC;
    const levin_compact_options o = percent(100);
    uint64_t most = 0;
    for (int forever = 0; forever < 2; forever++) {
        uint64_t nth = 1;
        for (; compact_with_fault(image, &o, nth, forever, io, forever ? ENOSPC : EIO); nth++)
            ;
        most = nth > most ? nth : most;
        for (nth = 1; compact_with_fault(image, &o, nth, forever, alloc, 0); nth++)
            ;
    }
    ck_assert_uint_gt(most, 30);
    disk_image_unref(image);
    teardown();
}
END_TEST

static void require_collected(void)
{
    ck_assert_uint_gt(stats().vlog_collected_segments, 0);
}

START_TEST(compact_values__a_crash_at_any_point_finds_everything)
{
    disk_image *image = values_image(64);
    const levin_compact_options o = percent(100);
    ck_assert_uint_gt(compact_crashes(image, &o, require_collected), 100);
    disk_image_unref(image);
    teardown();
}
END_TEST

LEVIN_TEST_MAIN("compact_values", TEST(compact_values__snapshot_keeps_what_it_needs),
                TEST(compact_values__collection_stops_between_any_two_steps),
                TEST(compact_values__the_segment_that_is_written_to_is_collected),
                TEST(compact_values__any_failing_call_leaves_the_store_whole),
                TEST(compact_values__a_crash_at_any_point_finds_everything))
