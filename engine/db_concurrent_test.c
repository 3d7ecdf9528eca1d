/*
 * db_concurrent_test.c - many threads on one store, also under ThreadSanitizer.
 *
 * Invariants checked: a batch is seen whole or not at all by gets, multi-gets, snapshots and iterators, while writers
 * commit and checkpoints run; a value read belongs to the key asked for and never goes back in time; counters add up.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "levin.h"

enum { WRITERS = 3, READERS = 3, KEYS = 64, BATCHES = 1500 };

typedef struct shared {
    levin *db;
    _Atomic int writing;   /* writers at work; release and acquire pair in the readers' loop */
    _Atomic int failures;
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    int id;
} worker;

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void flaw(shared *s, const char *what)
{
    fprintf(stderr, "db_concurrent_test: %s\n", what);
    atomic_fetch_add(&s->failures, 1);
}

/* Each writer owns a row of keys and writes the same number to all of them in one batch. */
static void key_of(char key[16], int writer, int i)
{
    snprintf(key, 16, "w%d-%03d", writer, i);
}

static void *writer_run(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    levin_batch *batch;
    char key[16];
    uint64_t value[40] = { 0 };
    if (levin_batch_create(s->db, &batch) != LEVIN_OK)
        flaw(s, "batch");
    for (uint64_t n = 1; n <= BATCHES; n++) {
        levin_batch_clear(batch);
        value[0] = n;
        for (int i = 0; i < KEYS; i++) {
            key_of(key, w->id, i);
            if (levin_batch_put(batch, key, strlen(key), value, 8 + (n + (uint64_t)i) % 300) != LEVIN_OK)
                flaw(s, "batch_put");
        }
        levin_durability d = n % 50 == 0 ? LEVIN_SYNCED : n % 2 ? LEVIN_NONE : LEVIN_LOGGED;
        if (n % 3 == 0) {
            levin_ticket *ticket;
            if (levin_write_async(s->db, batch, d, &ticket) != LEVIN_OK || levin_ticket_wait(ticket) != LEVIN_OK)
                flaw(s, "async write");
        } else if (levin_write(s->db, batch, d) != LEVIN_OK) {
            flaw(s, "write");
        }
    }
    levin_batch_destroy(batch);
    atomic_fetch_sub(&s->writing, 1);
    return NULL;
}

static uint64_t row_by_iterator(shared *s, const levin_snapshot *snapshot, int writer, bool reverse)
{
    char prefix[16];
    snprintf(prefix, sizeof prefix, "w%d-", writer);
    levin_iter_options o = { .snapshot = snapshot, .prefix = { prefix, strlen(prefix) } };
    levin_iter *it;
    uint64_t first = 0, n = 0;
    int count = 0;
    if (levin_iter_open(s->db, &o, &it) != LEVIN_OK) {
        flaw(s, "iter_open");
        return 0;
    }
    for (reverse ? levin_iter_last(it) : levin_iter_first(it); levin_iter_valid(it);
         reverse ? levin_iter_prev(it) : levin_iter_next(it)) {
        memcpy(&n, levin_iter_value(it).data, 8);
        if (count++ == 0)
            first = n;
        else if (n != first)
            flaw(s, "an iterator saw half a batch");
    }
    if (levin_iter_status(it) != LEVIN_OK || (count != 0 && count != KEYS))
        flaw(s, "an iterator saw a part of the keys");
    levin_iter_close(it);
    return first;
}

static uint64_t row_by_multi_get(shared *s, const levin_snapshot *snapshot, int writer)
{
    levin_get_request r[KEYS];
    char key[KEYS][16];
    static _Thread_local char value[KEYS][320];
    uint64_t first = 0, n;
    for (int i = 0; i < KEYS; i++) {
        key_of(key[i], writer, i);
        r[i] = (levin_get_request){ .key = key[i], .key_bytes = strlen(key[i]), .buffer = value[i], .capacity = 320 };
    }
    if (levin_multi_get(s->db, snapshot, r, KEYS) != LEVIN_OK)
        flaw(s, "multi_get");
    for (int i = 0; i < KEYS; i++) {
        n = 0;
        if (r[i].code == LEVIN_OK)
            memcpy(&n, value[i], 8);
        if (i == 0)
            first = n;
        else if (n != first)
            flaw(s, "a multi-get saw half a batch");
    }
    return first;
}

static void *reader_run(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    uint64_t random = (uint64_t)w->id, newest[WRITERS] = { 0 };
    while (atomic_load(&s->writing) > 0) {
        int row = (int)(random_next(&random) % WRITERS);
        uint64_t n = 0;
        switch (random_next(&random) % 4) {
        case 0:
            n = row_by_iterator(s, NULL, row, random_next(&random) & 1);
            break;
        case 1:
            n = row_by_multi_get(s, NULL, row);
            break;
        case 2: {
            levin_snapshot *snapshot;
            if (levin_snapshot_create(s->db, &snapshot) != LEVIN_OK)
                flaw(s, "snapshot");
            n = row_by_multi_get(s, snapshot, row);
            if (row_by_iterator(s, snapshot, row, true) != n)
                flaw(s, "a snapshot moved");
            levin_snapshot_release(snapshot);
            break;
        }
        default: {
            char key[16], value[320];
            size_t bytes;
            key_of(key, row, (int)(random_next(&random) % KEYS));
            levin_code code = levin_get(s->db, NULL, key, strlen(key), value, sizeof value, &bytes);
            if (code == LEVIN_OK)
                memcpy(&n, value, 8);
            else if (code != LEVIN_NOT_FOUND)
                flaw(s, "get");
            break;
        }
        }
        if (n < newest[row])
            flaw(s, "a reader went back in time");
        newest[row] = n;
    }
    return NULL;
}

static void run(levin_background background)
{
    char directory[] = "/tmp/levin-db-concurrent-XXXXXX", command[64];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 24 * 4096;
    o.row_cache_bytes = 64 << 10; /* values of up to 320 bytes: rows come and go */
    o.memtable_bytes = 512 << 10;
    o.wal_segment_bytes = 256 << 10;
    o.background = background;
    shared s = { 0 };
    ck_assert_int_eq(levin_open(directory, &o, &s.db, NULL), LEVIN_OK);
    worker workers[WRITERS + READERS];
    atomic_store(&s.writing, WRITERS);
    for (int i = 0; i < WRITERS + READERS; i++) {
        workers[i] = (worker){ .s = &s, .id = i };
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, i < WRITERS ? writer_run : reader_run, &workers[i]),
                         0);
    }
    for (int i = 0; i < WRITERS + READERS; i++)
        pthread_join(workers[i].thread, NULL);
    ck_assert_int_eq(atomic_load(&s.failures), 0);
    levin_stats stats;
    levin_stats_get(s.db, &stats);
    ck_assert_uint_eq(stats.batches, WRITERS * BATCHES);
    ck_assert_uint_eq(stats.puts, WRITERS * BATCHES * KEYS);
    ck_assert_uint_gt(stats.checkpoints, 3);
    ck_assert_int_eq(levin_check(s.db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert_int_eq(levin_open(directory, &o, &s.db, NULL), LEVIN_OK);
    for (int row = 0; row < WRITERS; row++)
        ck_assert_uint_eq(row_by_iterator(&s, NULL, row, false), BATCHES);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(db__concurrent_readers_and_writers_with_a_background_thread)
{
    run(LEVIN_BACKGROUND_THREAD);
}
END_TEST

START_TEST(db__concurrent_readers_and_writers_without_a_thread)
{
    run(LEVIN_BACKGROUND_NONE);
}
END_TEST

LEVIN_TEST_MAIN("db_concurrent", TEST(db__concurrent_readers_and_writers_with_a_background_thread),
                TEST(db__concurrent_readers_and_writers_without_a_thread))
