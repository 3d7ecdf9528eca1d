/*
 * value_log_concurrent_test.c - readers and writers of large values beside collection, also under ThreadSanitizer.
 *
 * Invariants checked: a value is read whole, belongs to its key and never goes back in time, whoever moves it
 * meanwhile; a snapshot stands still while the segments that it needs are collected; collections do happen.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "levin.h"

enum { WRITERS = 2, READERS = 2, KEYS = 24, LARGE = 3000, WRITES = 1200 };

typedef struct shared {
    levin *db;
    _Atomic int writing;  /* writers at work; release and acquire pair in the readers' loop */
    _Atomic int failures;
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    unsigned id;
} worker;

static void flaw(shared *s, const char *what)
{
    fprintf(stderr, "value_log_concurrent_test: %s\n", what);
    atomic_fetch_add(&s->failures, 1);
}

static size_t key_of(char key[16], unsigned k)
{
    return (size_t)snprintf(key, 16, "key%03u", k);
}

/* The number, then bytes that follow from it and the key. */
static size_t value_of(uint8_t *value, unsigned k, uint64_t n)
{
    const size_t bytes = LARGE + (size_t)(n * 37 + k) % 500;
    memcpy(value, &n, sizeof n);
    memset(value + sizeof n, (int)(n * 7 + k), bytes - sizeof n);
    return bytes;
}

/* Each writer owns every second key. */
static void *writer_run(void *argument)
{
    worker *w = argument;
    uint8_t value[LARGE + 500];
    char key[16];
    for (uint64_t n = 1; n <= WRITES; n++) {
        const unsigned k = (unsigned)(n * 5 % (KEYS / WRITERS)) * WRITERS + w->id;
        const size_t bytes = value_of(value, k, n), key_bytes = key_of(key, k);
        if (levin_put(w->s->db, key, key_bytes, value, bytes, n % 50 ? LEVIN_NONE : LEVIN_SYNCED) != LEVIN_OK)
            flaw(w->s, "put");
    }
    atomic_fetch_sub_explicit(&w->s->writing, 1, memory_order_release); /* pairs with the readers' loop */
    return NULL;
}

static uint64_t read_one(shared *s, const levin_snapshot *snapshot, unsigned k)
{
    uint8_t value[LARGE + 500], wanted[LARGE + 500];
    char key[16];
    size_t bytes = 0;
    uint64_t n = 0;
    const size_t key_bytes = key_of(key, k);
    levin_code code = levin_get(s->db, snapshot, key, key_bytes, value, sizeof value, &bytes);
    if (code == LEVIN_NOT_FOUND)
        return 0;
    if (code != LEVIN_OK) {
        levin_error error;
        levin_last_error(s->db, &error);
        flaw(s, error.message);
        return 0;
    }
    memcpy(&n, value, sizeof n);
    if (bytes != value_of(wanted, k, n) || memcmp(value, wanted, bytes) != 0)
        flaw(s, "a value that nobody has written");
    return n;
}

static void *reader_run(void *argument)
{
    worker *w = argument;
    uint64_t seen[KEYS] = { 0 };
    /* acquire pairs with writer_run() */
    while (atomic_load_explicit(&w->s->writing, memory_order_acquire) > 0) {
        levin_snapshot *snapshot;
        uint64_t first[KEYS];
        if (levin_snapshot_create(w->s->db, &snapshot) != LEVIN_OK) {
            flaw(w->s, "snapshot");
            break;
        }
        for (unsigned k = 0; k < KEYS; k++)
            first[k] = read_one(w->s, snapshot, k);
        for (unsigned k = 0; k < KEYS; k++) {
            uint64_t n = read_one(w->s, NULL, k);
            if (n < seen[k] || n < first[k])
                flaw(w->s, "a value went back in time");
            seen[k] = n;
        }
        for (unsigned k = 0; k < KEYS; k++)
            if (read_one(w->s, snapshot, k) != first[k])
                flaw(w->s, "a snapshot has changed");
        levin_snapshot_release(snapshot);
    }
    return NULL;
}

START_TEST(value_log__collection_beside_readers_and_writers)
{
    char directory[64] = "/tmp/levin-vlog-concurrent-XXXXXX", command[128];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 64 << 10;
    o.value_log_threshold_bytes = 1000;
    o.value_log_segment_bytes = 64 << 10;
    o.value_cache_bytes = 128 << 10;
    shared s = { .writing = WRITERS };
    worker workers[WRITERS + READERS];
    ck_assert_int_eq(levin_open(directory, &o, &s.db, NULL), LEVIN_OK);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        workers[i].s = &s;
        workers[i].id = i;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, i < WRITERS ? writer_run : reader_run, &workers[i]),
                         0);
    }
    /* acquire pairs with writer_run() */
    while (atomic_load_explicit(&s.writing, memory_order_acquire) > 0)
        ck_assert_int_eq(levin_collect(s.db, 70), LEVIN_OK);
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
    ck_assert_int_eq(levin_collect(s.db, 70), LEVIN_OK);
    levin_stats stats;
    levin_stats_get(s.db, &stats);
    ck_assert_uint_gt(stats.vlog_collected_segments, 10);
    ck_assert_uint_gt(stats.vlog_moved_values, 0);
    ck_assert_int_eq(atomic_load(&s.failures), 0);
    ck_assert_int_eq(levin_check(s.db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

LEVIN_TEST_MAIN("value_log_concurrent", TEST(value_log__collection_beside_readers_and_writers))
