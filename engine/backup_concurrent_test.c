/*
 * backup_concurrent_test.c - backups beside writers, checkpoints and compaction, also under ThreadSanitizer.
 *
 * Invariants checked: every backup passes levin_check() and holds whole batches only, all that were acknowledged before
 * it began among them; a stream beside it ends well, too.
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

enum { WRITERS = 2, KEYS = 30, BATCHES = 400, ROWS = 40, BACKUPS = 6 };

typedef struct shared {
    levin *db;
    const levin_io *io;
    _Atomic int writing;                 /* release by writers, acquire by the others: until it is 0 */
    _Atomic unsigned done[WRITERS];      /* batches acknowledged; release by the writer, acquire by who backs up */
    _Atomic unsigned backups;
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    unsigned id;
} worker;

/* Batch n of a writer gives row n % ROWS, all keys of it, the number n. */
static void *writer_run(void *argument)
{
    worker *w = argument;
    levin_batch *batch;
    char key[24];
    uint64_t value[60] = { 0 };
    require(levin_batch_create(w->s->db, &batch) == LEVIN_OK);
    for (unsigned n = 1; n <= BATCHES; n++) {
        levin_batch_clear(batch);
        value[0] = n;
        for (unsigned i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "%02u-%u-%03u", n % ROWS, w->id, i);
            require(levin_batch_put(batch, key, strlen(key), value, 8 + (n + i) % 400) == LEVIN_OK);
        }
        require(levin_write(w->s->db, batch, LEVIN_NONE) == LEVIN_OK);
        atomic_store_explicit(&w->s->done[w->id], n, memory_order_release);
    }
    levin_batch_destroy(batch);
    atomic_fetch_sub_explicit(&w->s->writing, 1, memory_order_release);
    return NULL;
}

/* Whole rows, and the last one acknowledged before. */
static void copy_check(const shared *s, const char *path, const unsigned *least)
{
    levin_options o;
    levin_options_init(&o);
    o.io = s->io;
    o.read_only = true;
    levin *copy;
    require(levin_open(path, &o, &copy, NULL) == LEVIN_OK);
    require(levin_check(copy, NULL, NULL, NULL) == LEVIN_OK);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        uint64_t highest = 0;
        for (unsigned row = 0; row < ROWS; row++) {
            char prefix[24];
            snprintf(prefix, sizeof prefix, "%02u-%u-", row, writer);
            levin_iter_options range = { .prefix = { prefix, strlen(prefix) } };
            levin_iter *it;
            uint64_t first = 0, n = 0;
            unsigned count = 0;
            require(levin_iter_open(copy, &range, &it) == LEVIN_OK);
            for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it), count++) {
                memcpy(&n, levin_iter_value(it).data, 8);
                require(count == 0 || n == first);
                first = n;
            }
            require(levin_iter_status(it) == LEVIN_OK && (count == 0 || count == KEYS));
            levin_iter_close(it);
            highest = first > highest ? first : highest;
        }
        require(highest >= least[writer]);
    }
    require(levin_close(copy) == LEVIN_OK);
}

static void *backup_run(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    for (unsigned n = 0; n < BACKUPS && atomic_load_explicit(&s->writing, memory_order_acquire); n++) {
        unsigned least[WRITERS];
        char path[32];
        for (unsigned i = 0; i < WRITERS; i++)
            least[i] = atomic_load_explicit(&s->done[i], memory_order_acquire);
        snprintf(path, sizeof path, "copy-%u-%u", w->id, n);
        require(levin_backup(s->db, path, NULL, NULL) == LEVIN_OK);
        copy_check(s, path, least);
        atomic_fetch_add_explicit(&s->backups, 1, memory_order_relaxed);
    }
    return NULL;
}

static int swallow(void *context, const void *data, size_t bytes)
{
    (void)data;
    *(uint64_t *)context += bytes;
    return 0;
}

static void *stream_run(void *argument)
{
    worker *w = argument;
    while (atomic_load_explicit(&w->s->writing, memory_order_acquire)) {
        uint64_t bytes = 0;
        levin_backup_result r;
        require(levin_backup_stream(w->s->db, swallow, &bytes, NULL, &r) == LEVIN_OK);
        require(bytes > r.total_bytes);
        require(levin_compact(w->s->db, NULL, NULL) == LEVIN_OK);
    }
    return NULL;
}

START_TEST(backup_concurrent__copies_are_whole_while_writers_and_compaction_go_on)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 128 << 10;
    o.wal_segment_bytes = 256 << 10;
    shared s = { .io = o.io, .writing = WRITERS };
    worker workers[WRITERS + 3];
    ck_assert_int_eq(levin_open("store", &o, &s.db, NULL), LEVIN_OK);
    for (unsigned i = 0; i < WRITERS + 3; i++) {
        workers[i] = (worker){ .s = &s, .id = i };
        void *(*run)(void *) = i < WRITERS ? writer_run : i < WRITERS + 2 ? backup_run : stream_run;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS + 3; i++)
        pthread_join(workers[i].thread, NULL);
    ck_assert_uint_gt(s.backups, 0);
    ck_assert_int_eq(levin_check(s.db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("backup_concurrent", TEST(backup_concurrent__copies_are_whole_while_writers_and_compaction_go_on))
