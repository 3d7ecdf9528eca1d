/*
 * throttle_test.c - the waits of throttle.h, by numbers; and a store whose checkpoint cannot go on.
 *
 * Checked: no measure, no wait; a steady writer is slowed to what the room allows and no further; a slow one not at
 * all; short waits are saved up; one wait has its limit; the syncs after the merge count; a failed checkpoint is no
 * measure.  In a store: groups are held back before they have to stop, and the numbers show it.
 */
#include <pthread.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "io.h"
#include "throttle.h"

enum { MS = 1000000, MB = 1 << 20 };

static void on_log(void *context, levin_log_level level, const char *message)
{
    if (level == LEVIN_LOG_INFO && strncmp(message, "throttle: writers were held back for ", 37) == 0)
        atomic_fetch_add((_Atomic unsigned *)context, 1);
}

/* A checkpoint of a thousand operations that took 900 ms to merge and 100 ms to sync. */
static void measure(throttle *t)
{
    memset(t, 0, sizeof *t);
    throttle_begin(t, 1000, 1);
    throttle_progress(t, 500, 2);
    throttle_merged(t, 1 + 900 * (uint64_t)MS);
    throttle_end(t, 1 + 1000 * (uint64_t)MS, true);
}

START_TEST(throttle__without_a_measure_nobody_waits)
{
    throttle t = { 0 };
    ck_assert_uint_eq(throttle_delay_ns(&t, 10, MB, MB), 0);
    throttle_begin(&t, 1000, 10);
    ck_assert_uint_eq(throttle_delay_ns(&t, 20, MB, MB), 0);
    throttle_progress(&t, 10, 25);
    ck_assert_uint_eq(throttle_delay_ns(&t, 30, MB, MB), 0);
    throttle_end(&t, 40, false);
    throttle_begin(&t, 1000, 50);
    ck_assert_uint_eq(throttle_delay_ns(&t, 60, MB, MB), 0); /* what failed is no measure */
}
END_TEST

START_TEST(throttle__nobody_waits_when_no_checkpoint_runs)
{
    throttle t;
    measure(&t);
    (void)throttle_delay_ns(&t, 1000 * (uint64_t)MS, MB, MB);
    ck_assert_uint_eq(throttle_delay_ns(&t, 1001 * (uint64_t)MS, MB, MB), 0);
}
END_TEST

/* 1 s is expected still, and 64 MiB are left: 64 KiB may go in a millisecond. */
START_TEST(throttle__the_room_is_spent_evenly_over_the_time_expected)
{
    throttle t;
    measure(&t);
    uint64_t now = 2000 * (uint64_t)MS;
    throttle_begin(&t, 1000, now);
    ck_assert_uint_eq(throttle_delay_ns(&t, now, MB / 16, 64 * (uint64_t)MB), 0); /* the first only sets the time */
    uint64_t delay = throttle_delay_ns(&t, now + MS / 4, MB / 16, 64 * (uint64_t)MB);
    ck_assert_uint_gt(delay, MS / 2); /* a millisecond for it, a quarter of which it took itself */
    ck_assert_uint_lt(delay, MS);
    now += MS / 4 + delay;
    ck_assert_uint_eq(throttle_delay_ns(&t, now + 2 * MS, MB / 16, 64 * (uint64_t)MB), 0); /* slower than that */
}
END_TEST

START_TEST(throttle__short_waits_are_saved_up)
{
    throttle t;
    measure(&t);
    uint64_t now = 2000 * (uint64_t)MS, waited = 0;
    unsigned waits = 0;
    throttle_begin(&t, 1000, now);
    for (int i = 0; i < 1000; i++) { /* 150 bytes are worth 2.2 us, of which a write takes one */
        now += 1000;
        uint64_t delay = throttle_delay_ns(&t, now, 150, 64 * (uint64_t)MB);
        ck_assert(delay == 0 || delay >= THROTTLE_MIN_NS);
        waits += delay != 0;
        waited += delay;
        now += delay;
    }
    ck_assert_uint_gt(waits, 2);
    ck_assert_uint_lt(waits, 8);
    ck_assert_uint_gt(waited, MS / 2);
    ck_assert_uint_lt(waited, 3 * MS / 2);
}
END_TEST

START_TEST(throttle__one_wait_has_its_limit)
{
    throttle t;
    measure(&t);
    uint64_t now = 2000 * (uint64_t)MS;
    throttle_begin(&t, 1000000, now); /* a thousand seconds */
    (void)throttle_delay_ns(&t, now, 100, MB);
    ck_assert_uint_eq(throttle_delay_ns(&t, now, MB / 16, MB), THROTTLE_MAX_NS);
    ck_assert_uint_eq(throttle_delay_ns(&t, now, MB, 0), (uint64_t)THROTTLE_MAX_NS * (1 + MB / THROTTLE_PART_BYTES));
}
END_TEST

START_TEST(throttle__progress_and_the_syncs_behind_it_are_what_is_expected)
{
    throttle t;
    measure(&t);
    uint64_t now = 2000 * (uint64_t)MS;
    ck_assert_uint_eq(throttle_done(&t), 0);
    throttle_begin(&t, 1000, now);
    throttle_progress(&t, 500, now + 100 * (uint64_t)MS); /* the other half takes as long */
    ck_assert_uint_eq(throttle_done(&t), 500);
    now += 100 * (uint64_t)MS;
    (void)throttle_delay_ns(&t, now, 0, MB);
    uint64_t delay = throttle_delay_ns(&t, now, MB / 64, MB);
    ck_assert_uint_gt(delay, 2900000);
    ck_assert_uint_lt(delay, 3200000);
    throttle_progress(&t, 1000, now);
    now += 900 * (uint64_t)MS; /* all is merged, the writing stands still: as long again, not only 100 ms */
    (void)throttle_delay_ns(&t, now, 0, MB);
    ck_assert_uint_eq(throttle_delay_ns(&t, now, MB / 64, MB), THROTTLE_MAX_NS);
    throttle_merged(&t, now);
    ck_assert_uint_eq(throttle_done(&t), 1000);
    now += 300 * (uint64_t)MS; /* far longer than the last time: a quarter of that is expected still */
    (void)throttle_delay_ns(&t, now, 0, MB);
    delay = throttle_delay_ns(&t, now, MB / 64, MB);
    ck_assert_uint_gt(delay, 380000);
    ck_assert_uint_lt(delay, 400000);
}
END_TEST

/* ---- in a store -------------------------------------------------------------------------------------------- */

/* The POSIX table, but writes to the page file stand still while `closed`, and each look at the clock takes 10 us. */
typedef struct gate {
    levin_io io;
    _Atomic uint64_t now; /* relaxed: a figure */
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool closed;
    levin_file *pages;
} gate;

static int gate_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    gate *g = context;
    int failed = levin_io_posix()->open(NULL, path, kind, flags, file);
    if (!failed && kind == LEVIN_FILE_PAGES)
        g->pages = *file;
    return failed;
}

static int gate_write(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                      size_t *done)
{
    gate *g = context;
    pthread_mutex_lock(&g->mutex);
    while (file == g->pages && g->closed)
        pthread_cond_wait(&g->opened, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
    return levin_io_posix()->write_at(NULL, file, parts, count, offset, done);
}

static uint64_t gate_now(void *context)
{
    gate *g = context;
    return atomic_fetch_add_explicit(&g->now, 10000, memory_order_relaxed);
}

static void gate_set(gate *g, bool closed)
{
    pthread_mutex_lock(&g->mutex);
    g->closed = closed;
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->mutex);
}

static void put(levin *db, uint64_t n)
{
    char key[24], value[1000] = "value";
    size_t bytes = (size_t)snprintf(key, sizeof key, "%015llu", (unsigned long long)(n * 48271 % 99991));
    ck_assert_int_eq(levin_put(db, key, bytes, value, sizeof value, LEVIN_NONE), LEVIN_OK);
}

START_TEST(throttle__groups_are_held_back_before_they_have_to_stop)
{
    static gate g = { .mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER };
    char directory[] = "/tmp/levin-throttle-test-XXXXXX", command[64];
    levin_options o;
    levin_error error;
    levin_stats s;
    levin *db;
    uint64_t n = 0;
    g.io = *levin_io_posix();
    g.io.context = &g;
    g.io.open = gate_open;
    g.io.write_at = gate_write;
    g.io.now_ns = gate_now;
    levin_options_init(&o);
    o.io = &g.io;
    _Atomic unsigned told = 0;
    o.log = on_log;
    o.log_context = &told;
    o.memtable_bytes = 4 << 20;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_msg(levin_open(directory, &o, &db, &error) == LEVIN_OK, "%s", error.message);
    for (; n < 500; n++)
        put(db, n);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK); /* a measure */
    gate_set(&g, true);
    do { /* fills one memtable, then a good part of the next, while the checkpoint of the first stands still */
        put(db, n++);
        levin_stats_get(db, &s);
    } while (s.throttles == 0);
    ck_assert_uint_gt(s.memtable_bytes, o.memtable_bytes + o.memtable_bytes / 2);
    ck_assert_uint_eq(s.stalls, 0);
    ck_assert_uint_gt(s.throttle_ns, 0);
    ck_assert_uint_gt(s.write_pressure, 0);
    ck_assert_uint_le(s.write_pressure, 1100);
    ck_assert_uint_eq(atomic_load(&told), 1);
    gate_set(&g, false);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.write_pressure, 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

LEVIN_TEST_MAIN("throttle", TEST(throttle__without_a_measure_nobody_waits),
                TEST(throttle__nobody_waits_when_no_checkpoint_runs),
                TEST(throttle__the_room_is_spent_evenly_over_the_time_expected),
                TEST(throttle__short_waits_are_saved_up), TEST(throttle__one_wait_has_its_limit),
                TEST(throttle__progress_and_the_syncs_behind_it_are_what_is_expected),
                TEST(throttle__groups_are_held_back_before_they_have_to_stop))
