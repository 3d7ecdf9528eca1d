/*
 * async_concurrent_test.c - callbacks and tickets of many threads on one store, also under ThreadSanitizer.
 *
 * Invariants checked: each callback comes once, in order of commit (what a thread submits is called back in order,
 * and is there to be read); one at a time; a callback may write; a close with callbacks outstanding calls them all,
 * and what they told to be durable is there after opening again.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "levin.h"
#include "sync.h"

enum { THREADS = 4, BATCHES = 400, WINDOW = 32 };

typedef struct submitter {
    sync_thread thread;
    struct shared *s;
    int id;
    uint64_t called;              /* the callbacks': number expected next */
    _Atomic uint32_t outstanding; /* raised before a submission, lowered and woken by the callback */
    _Atomic uint64_t synced;      /* the newest number called back as synced */
} submitter;

typedef struct shared {
    levin *db;
    submitter t[THREADS];
    _Atomic uint32_t running;  /* callbacks at work */
    _Atomic uint32_t failures;
    _Atomic uint32_t calls;
} shared;

typedef struct sent {
    submitter *t;
    levin_batch *batch;
    uint64_t number;
    levin_durability durability;
} sent;

static void flaw(shared *s, const char *what)
{
    fprintf(stderr, "async_concurrent_test: %s\n", what);
    atomic_fetch_add(&s->failures, 1);
}

static void called_back(void *context, levin_code code)
{
    sent *x = context;
    submitter *t = x->t;
    shared *s = t->s;
    char key[16];
    uint64_t value = 0;
    size_t bytes;
    if (atomic_fetch_add(&s->running, 1) != 0)
        flaw(s, "two callbacks at once");
    if (code != LEVIN_OK)
        flaw(s, levin_code_name(code));
    if (x->number != t->called++)
        flaw(s, "callbacks out of order");
    snprintf(key, sizeof key, "t%d", t->id);
    if (levin_get(s->db, NULL, key, strlen(key), &value, sizeof value, &bytes) != LEVIN_OK || value < x->number)
        flaw(s, "what was called back is not there");
    if (x->number % 64 == 5) {
        levin_code written = levin_put(s->db, "from a callback", 15, &x->number, 8, LEVIN_LOGGED);
        if (written != LEVIN_OK && written != LEVIN_INTERRUPTED)
            flaw(s, "a callback could not write");
    }
    if (x->durability == LEVIN_SYNCED)
        atomic_store(&t->synced, x->number);
    levin_batch_destroy(x->batch);
    free(x);
    atomic_fetch_add(&s->calls, 1);
    atomic_fetch_sub(&s->running, 1);
    atomic_fetch_sub(&t->outstanding, 1);
    sync_wake(&t->outstanding, 1);
}

static void send(submitter *t, uint64_t number)
{
    shared *s = t->s;
    char key[16];
    sent *x = malloc(sizeof *x);
    *x = (sent){ .t = t, .number = number, .durability = (levin_durability)(number % 11 == 3 ? 2 : number % 2) };
    snprintf(key, sizeof key, "t%d", t->id);
    if (levin_batch_create(s->db, &x->batch) != LEVIN_OK ||
        levin_batch_put(x->batch, key, strlen(key), &number, sizeof number) != LEVIN_OK)
        flaw(s, "batch");
    atomic_fetch_add(&t->outstanding, 1);
    if (levin_write_callback(s->db, x->batch, x->durability, called_back, x) != LEVIN_OK)
        flaw(s, "submission");
}

static void run_submitter(void *argument)
{
    submitter *t = argument;
    for (uint64_t number = 0; number < BATCHES; number++) {
        for (uint32_t n; (n = atomic_load(&t->outstanding)) >= WINDOW;) {
            bool more;
            if (levin_work(t->s->db, &more) != LEVIN_OK) /* without a thread somebody has to */
                flaw(t->s, "work");
            if (atomic_load(&t->outstanding) == n)
                sync_wait(&t->outstanding, n, 1000000);
        }
        send(t, number);
        if (number % 17 == 1) {
            levin_ticket *ticket;
            if (levin_write_async(t->s->db, NULL, LEVIN_LOGGED, &ticket) != LEVIN_OK)
                flaw(t->s, "ticket");
            else if (levin_ticket_wait(ticket) != LEVIN_OK)
                flaw(t->s, "wait");
        }
    }
}

static void run(levin_background background, uint32_t interval_us)
{
    char directory[] = "/tmp/levin-async-test-XXXXXX", command[64];
    static shared s;
    levin_options o;
    memset(&s, 0, sizeof s);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 24 * 4096;
    o.memtable_bytes = 256 << 10;
    o.wal_segment_bytes = 256 << 10;
    o.background = background;
    o.commit_interval_us = interval_us;
    ck_assert_int_eq(levin_open(directory, &o, &s.db, NULL), LEVIN_OK);
    for (int i = 0; i < THREADS; i++) {
        s.t[i].s = &s;
        s.t[i].id = i;
        ck_assert_int_eq(sync_thread_start(&s.t[i].thread, run_submitter, &s.t[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        sync_thread_join(&s.t[i].thread);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert_uint_eq(atomic_load(&s.failures), 0);
    ck_assert_uint_eq(atomic_load(&s.calls), THREADS * BATCHES);
    ck_assert_int_eq(levin_open(directory, &o, &s.db, NULL), LEVIN_OK);
    for (int i = 0; i < THREADS; i++) {
        char key[16];
        uint64_t value = 0;
        size_t bytes;
        snprintf(key, sizeof key, "t%d", i);
        ck_assert_int_eq(levin_get(s.db, NULL, key, strlen(key), &value, sizeof value, &bytes), LEVIN_OK);
        ck_assert_uint_eq(value, BATCHES - 1);
        ck_assert_uint_gt(atomic_load(&s.t[i].synced), 0);
    }
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(async__callbacks_of_many_threads_with_a_log_thread)
{
    run(LEVIN_BACKGROUND_THREAD, 0);
}
END_TEST

START_TEST(async__callbacks_of_many_threads_without_a_thread)
{
    run(LEVIN_BACKGROUND_NONE, 0);
}
END_TEST

START_TEST(async__callbacks_of_many_threads_with_a_commit_interval)
{
    run(LEVIN_BACKGROUND_THREAD, 200);
}
END_TEST

LEVIN_TEST_MAIN("async_concurrent", TEST(async__callbacks_of_many_threads_with_a_log_thread),
                TEST(async__callbacks_of_many_threads_without_a_thread),
                TEST(async__callbacks_of_many_threads_with_a_commit_interval))
