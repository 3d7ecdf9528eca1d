/*
 * many_threads_concurrent_test.c - every call that counts, by more threads at once than there are stripes of
 * counters.
 *
 * Invariants checked: whichever stripe a thread counts on, its own one, one it had to look for, or the one that is
 * shared, no call is lost and none is counted twice, in any of the calls; and all of them read what they should.
 */
#include <pthread.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "counter.h"
#include "levin.h"

enum { THREADS = COUNTER_STRIPES + 16, ROUNDS = 6, KEY_BYTES = 7, VALUE_BYTES = 5, LARGE_BYTES = 5000 };

typedef struct world {
    levin *db;
    levin_keyspace *ks;
    pthread_barrier_t barrier;
} world;

typedef struct caller {
    pthread_t thread;
    world *w;
    int number;
    const char *failed;
} caller;

#define NEED(condition)                                                                                         \
    do                                                                                                          \
        if (!(condition)) {                                                                                     \
            c->failed = #condition;                                                                             \
            return;                                                                                             \
        }                                                                                                       \
    while (0)

/* Eight gets, one multi-get of two; a put, a delete, a batch of one, a transaction of one; a walk. */
static void call_all(caller *c)
{
    static const char large[LARGE_BYTES];
    levin *db = c->w->db;
    char key[16], buffer[2][16];
    size_t bytes;
    void *copy;
    levin_pinned pinned;
    levin_batch *batch;
    levin_txn *txn;
    levin_iter *it;
    snprintf(key, sizeof key, "key-%03d", c->number);
    NEED(levin_put(db, key, KEY_BYTES, "value", VALUE_BYTES, LEVIN_NONE) == LEVIN_OK);
    NEED(levin_get(db, NULL, key, KEY_BYTES, buffer[0], sizeof buffer[0], &bytes) == LEVIN_OK && bytes == VALUE_BYTES);
    NEED(levin_get(db, NULL, key, KEY_BYTES - 1, buffer[0], sizeof buffer[0], &bytes) == LEVIN_NOT_FOUND);
    NEED(levin_get_in(db, c->w->ks, NULL, "shared", 6, buffer[0], sizeof buffer[0], &bytes) == LEVIN_OK);
    NEED(levin_get_alloc(db, NULL, "large", 5, &copy, &bytes) == LEVIN_OK && bytes == LARGE_BYTES);
    levin_free(db, copy);
    NEED(levin_get_pinned(db, NULL, key, KEY_BYTES, &pinned) == LEVIN_OK);
    levin_pinned_release(&pinned);
    NEED(levin_contains(db, NULL, key, KEY_BYTES) == LEVIN_OK);
    levin_get_request requests[2] = { { .key = key, .key_bytes = KEY_BYTES, .buffer = buffer[0], .capacity = 16 },
                                      { .key = "nothing", .key_bytes = 7, .buffer = buffer[1], .capacity = 16 } };
    NEED(levin_multi_get(db, NULL, requests, 2) == LEVIN_OK && requests[0].code == LEVIN_OK);
    NEED(requests[1].code == LEVIN_NOT_FOUND);
    NEED(levin_delete(db, key, KEY_BYTES, LEVIN_NONE) == LEVIN_OK);
    NEED(levin_batch_create(db, &batch) == LEVIN_OK);
    NEED(levin_batch_put(batch, key, KEY_BYTES, large, LARGE_BYTES) == LEVIN_OK);
    NEED(levin_write(db, batch, LEVIN_LOGGED) == LEVIN_OK);
    levin_batch_destroy(batch);
    NEED(levin_txn_begin(db, NULL, &txn) == LEVIN_OK);
    NEED(levin_txn_get(txn, key, KEY_BYTES, buffer[0], sizeof buffer[0], &bytes) == LEVIN_TOO_SMALL);
    NEED(levin_txn_put(txn, key, KEY_BYTES, "other", VALUE_BYTES) == LEVIN_OK);
    NEED(levin_txn_commit(txn, LEVIN_NONE) == LEVIN_OK);
    levin_txn_destroy(txn);
    NEED(levin_iter_open(db, NULL, &it) == LEVIN_OK);
    NEED(levin_iter_seek(it, key, KEY_BYTES) && levin_iter_value(it).size == VALUE_BYTES);
    levin_iter_close(it);
}

enum { GETS = 9, GET_HITS = 7, PUTS = 3, DELETES = 1, BATCHES = 4 };

static void *caller_run(void *argument)
{
    caller *c = argument;
    pthread_barrier_wait(&c->w->barrier); /* all are alive at once from here ... */
    for (int i = 0; i < ROUNDS && !c->failed; i++)
        call_all(c);
    pthread_barrier_wait(&c->w->barrier); /* ... to here */
    return NULL;
}

static void run_with(uint64_t row_cache_bytes, uint64_t value_log_threshold_bytes)
{
    static const char large[LARGE_BYTES];
    static caller callers[THREADS];
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_stats before, after;
    world w;
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.row_cache_bytes = row_cache_bytes;
    o.value_log_threshold_bytes = value_log_threshold_bytes;
    ck_assert_int_eq(levin_open("s", &o, &w.db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(w.db, "named", 5, LEVIN_KEYSPACE_CREATE, &w.ks), LEVIN_OK);
    ck_assert_int_eq(levin_put_in(w.db, w.ks, "shared", 6, "value", VALUE_BYTES, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_put(w.db, "large", 5, large, LARGE_BYTES, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(w.db), LEVIN_OK);
    ck_assert_int_eq(pthread_barrier_init(&w.barrier, NULL, THREADS), 0);
    levin_stats_get(w.db, &before);
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){ .w = &w, .number = i };
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(callers[i].thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_msg(!callers[i].failed, "thread %d: %s", i, callers[i].failed);
    levin_stats_get(w.db, &after);
    const uint64_t times = THREADS * ROUNDS;
    ck_assert_uint_eq(after.gets - before.gets, GETS * times);
    ck_assert_uint_eq(after.get_hits - before.get_hits, GET_HITS * times);
    ck_assert_uint_eq(after.puts - before.puts, PUTS * times);
    ck_assert_uint_eq(after.deletes - before.deletes, DELETES * times);
    ck_assert_uint_eq(after.batches - before.batches, BATCHES * times);
    ck_assert_uint_eq(after.transactions - before.transactions, times);
    ck_assert_uint_eq(after.transactions_committed - before.transactions_committed, times);
    if (row_cache_bytes) /* a pinned read, and one of a transaction, do not look there */
        ck_assert_uint_eq(after.row_hits + after.row_misses - before.row_hits - before.row_misses, (GETS - 2) * times);
    pthread_barrier_destroy(&w.barrier);
    levin_keyspace_close(w.ks);
    ck_assert_int_eq(levin_check(w.db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(w.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(many_threads__each_call_is_counted_once_without_a_row_cache)
{
    run_with(0, 0);
}
END_TEST

START_TEST(many_threads__each_call_is_counted_once_with_all_caches)
{
    run_with(1 << 20, 1000);
}
END_TEST

LEVIN_TEST_MAIN("many_threads", TEST(many_threads__each_call_is_counted_once_without_a_row_cache),
                TEST(many_threads__each_call_is_counted_once_with_all_caches))
