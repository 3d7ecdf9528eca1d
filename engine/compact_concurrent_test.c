/*
 * compact_concurrent_test.c - compaction beside writers and readers, also under ThreadSanitizer.
 *
 * Invariants checked: a batch is seen whole or not at all, through gets and iterators, while the tree is rewritten
 * and the file shortened under them, by two callers and the background; some compactions are stopped; the end is whole.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "../faults/thread_check.h"
#include "levin.h"

enum { WRITERS = 2, READERS = 2, KEYS = 40, BATCHES = 300, ROWS = 50 };

typedef struct shared {
    levin *db;
    _Atomic int writing; /* release by writers, acquire by the others: until it is 0 */
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    unsigned id;
} worker;

static void key_of(char key[24], unsigned writer, unsigned row, unsigned i)
{
    snprintf(key, 24, "%02u-%u-%03u", row, writer, i);
}

/* All keys of a row get the same number. */
static void *writer_run(void *argument)
{
    worker *w = argument;
    levin_batch *batch;
    char key[24];
    uint64_t value[70] = { 0 };
    require(levin_batch_create(w->s->db, &batch) == LEVIN_OK);
    for (unsigned n = 1; n <= BATCHES; n++) {
        levin_batch_clear(batch);
        value[0] = n;
        for (unsigned i = 0; i < KEYS; i++) {
            key_of(key, w->id, n % ROWS, i);
            size_t bytes = i == 7 && n % 5 == 0 ? 20000 : 8 + (n + i) % 500;
            static const uint8_t large[20000];
            const void *data = bytes == sizeof large ? (const void *)large : value;
            require((n % 11 == 0 ? levin_batch_delete(batch, key, strlen(key))
                                      : levin_batch_put(batch, key, strlen(key), data, bytes)) == LEVIN_OK);
        }
        require(levin_write(w->s->db, batch, n % 40 ? LEVIN_NONE : LEVIN_SYNCED) == LEVIN_OK);
    }
    levin_batch_destroy(batch);
    atomic_fetch_sub_explicit(&w->s->writing, 1, memory_order_release);
    return NULL;
}

static void row_read(levin *db, unsigned writer, unsigned row)
{
    char prefix[24];
    snprintf(prefix, sizeof prefix, "%02u-%u-", row, writer);
    levin_iter_options o = { .prefix = { prefix, strlen(prefix) } };
    levin_iter *it;
    uint64_t first = 0, n;
    unsigned count = 0;
    require(levin_iter_open(db, &o, &it) == LEVIN_OK);
    for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it), count++) {
        levin_slice value = levin_iter_value(it);
        require(value.data != NULL);
        if (value.size == 20000) /* zeros */
            continue;
        memcpy(&n, value.data, 8);
        require(count == 0 || n == first);
        first = n;
    }
    require(levin_iter_status(it) == LEVIN_OK);
    require(count == 0 || count == KEYS);
    levin_iter_close(it);
}

static void *reader_run(void *argument)
{
    worker *w = argument;
    char key[24], value[512];
    size_t bytes;
    for (unsigned n = 0; atomic_load_explicit(&w->s->writing, memory_order_acquire); n++) {
        key_of(key, n % WRITERS, n % ROWS, 3);
        levin_code code = levin_get(w->s->db, NULL, key, strlen(key), value, sizeof value, &bytes);
        require(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
        row_read(w->s->db, n % WRITERS, n % ROWS);
    }
    return NULL;
}

static bool stop_sometimes(void *context, const levin_compact_result *so_far)
{
    (void)so_far;
    return ++*(unsigned *)context % 50 != 0;
}

static void *compacter_run(void *argument)
{
    worker *w = argument;
    unsigned calls = 0;
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.progress = stop_sometimes;
    o.context = &calls;
    while (atomic_load_explicit(&w->s->writing, memory_order_acquire)) {
        o.mode = o.mode == LEVIN_COMPACT_ALL ? LEVIN_COMPACT_END : LEVIN_COMPACT_ALL;
        levin_code code = levin_compact(w->s->db, &o, NULL);
        require(code == LEVIN_OK || code == LEVIN_INTERRUPTED);
    }
    return NULL;
}

START_TEST(compact_concurrent__readers_and_writers_beside_it)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 128 << 10;
    o.wal_segment_bytes = 256 << 10;
    o.auto_compact_percent = 1;
    shared s = { .writing = WRITERS };
    worker workers[WRITERS + READERS + 2];
    ck_assert_int_eq(levin_open("store", &o, &s.db, NULL), LEVIN_OK);
    for (unsigned i = 0; i < sizeof workers / sizeof *workers; i++) {
        workers[i] = (worker){ .s = &s, .id = i };
        void *(*run)(void *) = i < WRITERS ? writer_run : i < WRITERS + READERS ? reader_run : compacter_run;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < sizeof workers / sizeof *workers; i++)
        pthread_join(workers[i].thread, NULL);
    ck_assert_int_eq(levin_compact(s.db, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_check(s.db, NULL, NULL, NULL), LEVIN_OK);
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned writer = 0; writer < WRITERS; writer++)
            row_read(s.db, writer, row);
    levin_stats stats;
    levin_stats_get(s.db, &stats);
    ck_assert_uint_gt(stats.compactions, 0);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("compact_concurrent", TEST(compact_concurrent__readers_and_writers_beside_it))
