/*
 * async_test.c - tickets and callbacks through levin.h: without faults, and with some.
 *
 * Invariants checked: a callback comes once, with the result, when the batch is as durable as it asked for, at the
 * latest in levin_close(); a group is seen after the strongest durability that its batches asked for, a failed one
 * never; after a failed sync every ticket and callback under way reports the failure once; what cannot be submitted is
 * told at once and leaves nothing behind; the commit interval holds back synced batches only.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"
#include "sync.h"

/* ---- threads that cannot be started ---- */

static bool no_threads;

/* Exported, for an engine that is a shared library finds it only so (`make planted`). */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*run)(void *), void *argument)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (no_threads)
        return EAGAIN;
    if (!next) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&next, &symbol, sizeof next);
    }
    return next(thread, attributes, run, argument);
}

/* ---- a store on a simulated disk ---- */

static simdisk *disk;
static fault_io *faults;
static levin_io table;
static uint64_t clock_now;

static uint64_t fake_now(void *context)
{
    (void)context;
    return clock_now;
}

static void begin(void)
{
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    table = *fault_io_table(faults);
    table.now_ns = fake_now;
    clock_now = 1000;
}

static void end(void)
{
    uint64_t files, bytes, pieces;
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}

static levin *store_open(levin_background background, uint32_t interval_us)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
    levin_options_init(&o);
    o.io = &table;
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.background = background;
    o.commit_interval_us = interval_us;
    levin_code code = levin_open("/db", &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s", error.message);
    return db;
}

static void arm(levin_file_kind kind, fault_operation operation, bool forever)
{
    fault_rule rule = { .kinds = 1u << kind, .operations = 1u << operation, .nth = 1, .forever = forever,
                        .effect = FAULT_ERROR,
                        .os_error = operation == FAULT_WRITE ? ENOSPC : operation == FAULT_ALLOC ? ENOMEM : EIO };
    fault_io_set_rules(faults, &rule, 1);
}

static levin_batch *batch_of(levin *db, const char *key)
{
    levin_batch *batch;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_batch_put(batch, key, strlen(key), "value", 5), LEVIN_OK);
    return batch;
}

static bool there(levin *db, const char *key)
{
    levin_code code = levin_contains(db, NULL, key, strlen(key));
    ck_assert(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
    return code == LEVIN_OK;
}

typedef struct heard {
    levin *db;
    int calls;
    levin_code code;
    int order;          /* which call of all it was */
    const char *then;   /* a key that the callback writes */
    levin_code then_code;
    levin_batch *batch; /* that the callback gives back */
} heard;

static int calls_of_all;

static void hear(void *context, levin_code code)
{
    heard *h = context;
    h->calls++;
    h->code = code;
    h->order = ++calls_of_all;
    if (h->then)
        h->then_code = levin_put(h->db, h->then, strlen(h->then), "x", 1, LEVIN_SYNCED);
    levin_batch_destroy(h->batch);
    h->batch = NULL;
}

static void submit(levin *db, levin_batch *batch, levin_durability d, heard *h)
{
    h->db = db;
    ck_assert_int_eq(levin_write_callback(db, batch, d, hear, h), LEVIN_OK);
}

static void work(levin *db)
{
    for (bool more = true; more;)
        ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
}

/* ---- without faults ---- */

START_TEST(async__a_group_takes_no_more_batches_than_it_may)
{
    begin();
    for (uint32_t most = 0; most < 3; most++) {
        levin_options o;
        levin_error error;
        levin_stats before, after;
        levin_ticket *ticket[5];
        levin *db;
        levin_options_init(&o);
        o.io = &table;
        o.background = LEVIN_BACKGROUND_NONE;
        o.group_batches_max = most;
        ck_assert_msg(levin_open("/db", &o, &db, &error) == LEVIN_OK, "%s", error.message);
        levin_batch *batch = batch_of(db, "key");
        levin_stats_get(db, &before);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(levin_write_async(db, batch, LEVIN_SYNCED, &ticket[i]), LEVIN_OK);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(levin_ticket_wait(ticket[i]), LEVIN_OK);
        levin_stats_get(db, &after);
        const uint64_t groups[] = { 1, 5, 3 };
        ck_assert_uint_eq(after.batches - before.batches, 5);
        ck_assert_uint_eq(after.groups - before.groups, groups[most]);
        ck_assert_uint_eq(after.wal_syncs - before.wal_syncs, groups[most]);
        levin_batch_destroy(batch);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    end();
}
END_TEST

START_TEST(async__without_a_thread_work_commits_one_group_and_calls_back)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_NONE, 0);
    levin_batch *batch[3] = { batch_of(db, "a"), batch_of(db, "b"), batch_of(db, "c") };
    heard h[2] = { { .then = "from callback" } };
    levin_ticket *ticket;
    levin_stats s;
    submit(db, batch[0], LEVIN_NONE, &h[0]);
    ck_assert_int_eq(levin_write_async(db, batch[1], LEVIN_SYNCED, &ticket), LEVIN_OK);
    submit(db, batch[2], LEVIN_LOGGED, &h[1]);
    ck_assert(!there(db, "a"));
    ck_assert_int_eq(h[0].calls + h[1].calls, 0);
    bool more = false;
    ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
    ck_assert(more);
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.groups, 2); /* that of the three, and the callback's own */
    ck_assert_int_eq(h[0].calls, 1);
    ck_assert_int_eq(h[1].calls, 1);
    ck_assert_int_lt(h[0].order, h[1].order);
    ck_assert_int_eq(h[0].then_code, LEVIN_OK);
    ck_assert(there(db, "a") && there(db, "b") && there(db, "c") && there(db, "from callback"));
    ck_assert_int_eq(levin_ticket_poll(ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    for (int i = 0; i < 3; i++)
        levin_batch_destroy(batch[i]);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(async__sync_and_writes_and_polls_lead_what_waits)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_NONE, 0);
    levin_batch *batch = batch_of(db, "a");
    heard h = { 0 };
    submit(db, batch, LEVIN_NONE, &h);
    ck_assert_int_eq(levin_sync(db), LEVIN_OK);
    ck_assert_int_eq(h.calls, 1);
    submit(db, batch, LEVIN_NONE, &h);
    ck_assert_int_eq(levin_put(db, "b", 1, "x", 1, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(h.calls, 2);
    levin_ticket *ticket;
    submit(db, batch, LEVIN_NONE, &h);
    ck_assert_int_eq(levin_write_async(db, NULL, LEVIN_NONE, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_poll(ticket), LEVIN_OK);
    ck_assert_int_eq(h.calls, 3);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(async__close_calls_back_all_that_is_outstanding_and_refuses_more)
{
    for (int background = 0; background < 2; background++) {
        begin();
        levin *db = store_open(background ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE, background ? 1000000 : 0);
        levin_batch *batch = batch_of(db, "a");
        heard h[20] = { { .then = "too late" } };
        h[19].batch = batch;
        for (int i = 0; i < 20; i++) /* with a thread they linger: the clock stands still */
            submit(db, batch, LEVIN_SYNCED, &h[i]);
        ck_assert_int_eq(h[0].calls, 0);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        for (int i = 0; i < 20; i++) {
            ck_assert_int_eq(h[i].calls, 1);
            ck_assert_int_eq(h[i].code, LEVIN_OK);
            ck_assert(i == 0 || h[i].order > h[i - 1].order);
        }
        ck_assert_int_eq(h[0].then_code, LEVIN_INTERRUPTED);
        db = store_open(LEVIN_BACKGROUND_NONE, 0);
        ck_assert(there(db, "a") && !there(db, "too late"));
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        end();
    }
}
END_TEST

static _Atomic uint32_t rung;

static void ring(void *context, levin_code code)
{
    (void)context;
    ck_assert_int_eq(code, LEVIN_OK);
    atomic_store(&rung, 1);
    sync_wake(&rung, 1);
}

START_TEST(async__a_ticket_that_nobody_waits_for_gets_there_by_itself)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_THREAD, 0);
    levin_batch *batch = batch_of(db, "a"), *bell = batch_of(db, "b");
    levin_ticket *ticket;
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_SYNCED, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_write_callback(db, bell, LEVIN_NONE, ring, NULL), LEVIN_OK);
    while (!atomic_load(&rung))
        sync_wait(&rung, 0, 1000000000u);
    ck_assert(there(db, "a"));
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    levin_batch_destroy(batch);
    levin_batch_destroy(bell);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(async__the_interval_holds_back_synced_batches_only)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_NONE, 1); /* 1000 ns of a clock that stands still */
    levin_batch *batch = batch_of(db, "a");
    heard h = { 0 };
    levin_ticket *ticket;
    submit(db, batch, LEVIN_SYNCED, &h);
    work(db);
    ck_assert_int_eq(h.calls, 0);
    clock_now += 999;
    work(db);
    ck_assert_int_eq(h.calls, 0);
    clock_now += 1;
    work(db);
    ck_assert_int_eq(h.calls, 1);
    submit(db, batch, LEVIN_LOGGED, &h);
    work(db);
    ck_assert_int_eq(h.calls, 2);
    submit(db, batch, LEVIN_SYNCED, &h);
    ck_assert_int_eq(levin_put(db, "b", 1, "x", 1, LEVIN_NONE), LEVIN_OK); /* takes the synced one before it along */
    ck_assert_int_eq(h.calls, 3);
    submit(db, batch, LEVIN_SYNCED, &h);
    ck_assert_int_eq(levin_sync(db), LEVIN_OK);
    ck_assert_int_eq(h.calls, 4);
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_SYNCED, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_poll(ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

/* ---- with faults ---- */

START_TEST(async__a_failed_sync_fails_every_ticket_and_callback_under_way_once)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_NONE, 0);
    static const levin_durability durability[] = { LEVIN_NONE, LEVIN_SYNCED, LEVIN_LOGGED };
    levin_batch *batch[6];
    levin_ticket *ticket[3];
    heard h[3] = { 0 }, late = { 0 };
    ck_assert_int_eq(levin_put(db, "before", 6, "x", 1, LEVIN_NONE), LEVIN_OK);
    for (int i = 0; i < 3; i++) {
        char key[16];
        snprintf(key, sizeof key, "c%d", i);
        batch[i] = batch_of(db, key);
        key[0] = 't';
        batch[3 + i] = batch_of(db, key);
        submit(db, batch[i], durability[i], &h[i]);
        ck_assert_int_eq(levin_write_async(db, batch[3 + i], durability[i], &ticket[i]), LEVIN_OK);
    }
    arm(LEVIN_FILE_WAL, FAULT_SYNC, false);
    bool more;
    ck_assert_int_eq(levin_work(db, &more), LEVIN_OK); /* the failure is theirs */
    ck_assert_uint_eq(fault_io_fired(faults, 0), 1);
    for (int i = 0; i < 3; i++) {
        char key[16];
        ck_assert_int_eq(h[i].calls, 1);
        ck_assert_int_eq(h[i].code, LEVIN_IO);
        ck_assert_int_eq(levin_ticket_poll(ticket[i]), LEVIN_IO);
        ck_assert_int_eq(levin_ticket_wait(ticket[i]), LEVIN_IO);
        snprintf(key, sizeof key, "c%d", i);
        ck_assert(!there(db, key));
        key[0] = 't';
        ck_assert(!there(db, key));
    }
    ck_assert(there(db, "before"));
    submit(db, batch[0], LEVIN_NONE, &late);
    ck_assert_int_eq(late.calls, 0);
    ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
    ck_assert_int_eq(late.calls, 1);
    ck_assert_int_eq(late.code, LEVIN_POISONED);
    late.batch = batch[0];
    submit(db, batch[0], LEVIN_NONE, &late);
    for (int i = 1; i < 6; i++)
        levin_batch_destroy(batch[i]);
    ck_assert_int_eq(levin_close(db), LEVIN_POISONED);
    ck_assert_int_eq(late.calls, 2);
    ck_assert_int_eq(late.code, LEVIN_POISONED);
    end();
}
END_TEST

START_TEST(async__a_failed_write_fails_its_group_and_the_next_one_succeeds)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_NONE, 0);
    levin_batch *a = batch_of(db, "a"), *b = batch_of(db, "b");
    heard h[2] = { 0 };
    submit(db, a, LEVIN_LOGGED, &h[0]);
    submit(db, b, LEVIN_SYNCED, &h[1]);
    arm(LEVIN_FILE_WAL, FAULT_WRITE, false);
    work(db);
    ck_assert_int_eq(h[0].code, LEVIN_NO_SPACE);
    ck_assert_int_eq(h[1].code, LEVIN_NO_SPACE);
    ck_assert(!there(db, "a") && !there(db, "b"));
    submit(db, a, LEVIN_LOGGED, &h[0]);
    work(db);
    ck_assert_int_eq(h[0].calls, 2);
    ck_assert_int_eq(h[0].code, LEVIN_OK);
    ck_assert(there(db, "a") && !there(db, "b"));
    levin_batch_destroy(a);
    levin_batch_destroy(b);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(async__what_cannot_be_submitted_is_told_at_once)
{
    begin();
    levin *db = store_open(LEVIN_BACKGROUND_THREAD, 0);
    levin_batch *batch = batch_of(db, "a");
    levin_ticket *ticket;
    levin_error error;
    heard h = { .db = db };
    no_threads = true;
    ck_assert_int_eq(levin_write_callback(db, batch, LEVIN_NONE, hear, &h), LEVIN_IO);
    levin_last_error(db, &error);
    ck_assert_ptr_nonnull(strstr(error.message, "log thread"));
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_IO);
    ck_assert_ptr_null(ticket);
    ck_assert_int_eq(levin_write(db, batch, LEVIN_SYNCED), LEVIN_OK); /* needs no thread */
    no_threads = false;
    arm(LEVIN_FILE_DIR, FAULT_ALLOC, true);
    ck_assert_int_eq(levin_write_callback(db, batch, LEVIN_NONE, hear, &h), LEVIN_NO_MEMORY);
    fault_io_set_rules(faults, NULL, 0);
    ck_assert_int_eq(levin_write_callback(db, batch, (levin_durability)3, hear, &h), LEVIN_INVALID);
    ck_assert_int_eq(levin_write_callback(db, batch, LEVIN_NONE, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_sync(db), LEVIN_OK);
    ck_assert_int_eq(h.calls, 0);
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

LEVIN_TEST_MAIN("async", TEST(async__a_group_takes_no_more_batches_than_it_may),
                TEST(async__without_a_thread_work_commits_one_group_and_calls_back),
                TEST(async__sync_and_writes_and_polls_lead_what_waits),
                TEST(async__close_calls_back_all_that_is_outstanding_and_refuses_more),
                TEST(async__a_ticket_that_nobody_waits_for_gets_there_by_itself),
                TEST(async__the_interval_holds_back_synced_batches_only),
                TEST(async__a_failed_sync_fails_every_ticket_and_callback_under_way_once),
                TEST(async__a_failed_write_fails_its_group_and_the_next_one_succeeds),
                TEST(async__what_cannot_be_submitted_is_told_at_once))
