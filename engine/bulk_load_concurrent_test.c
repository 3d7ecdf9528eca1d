/*
 * bulk_load_concurrent_test.c - bulk loads beside writers and readers, also under ThreadSanitizer.
 *
 * Invariants checked: through snapshots, gets and iterators a load is seen whole or not at all, and one that was
 * committed stays; what others write meanwhile is all there, batch by batch; a load that ends with LEVIN_CONFLICT,
 * because a memtable filled up or somebody wrote between its keys, has done nothing and can be done again; the end is
 * whole, also after reopening.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "../faults/thread_check.h"
#include "levin.h"

enum { WRITERS = 2, READERS = 2, LOADS = 60, ENTRIES = 300, PAIR = 2, CHECKPOINT_EVERY = 2000 };

typedef struct shared {
    levin *db;
    levin_keyspace *named;     /* every other load goes there */
    _Atomic unsigned loaded;   /* loads committed: release by the loader, acquire by readers */
    _Atomic int loading;       /* release by the loader, acquire by the others: until it is 0 */
    _Atomic uint64_t written[WRITERS];
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    unsigned id;
} worker;

static levin_keyspace *space_of(const shared *s, unsigned load)
{
    return load % 2 ? s->named : NULL;
}

static size_t load_key(char key[32], unsigned load, unsigned entry)
{
    return (size_t)snprintf(key, 32, "load-%04u-%05u", load % 10000, entry % 100000);
}

static levin_code load_once(shared *s, unsigned n)
{
    levin_bulk_load *load;
    char key[32];
    static const char value[3000];
    levin_code code = levin_bulk_load_begin(s->db, space_of(s, n), &load);
    for (unsigned i = 0; i < ENTRIES && code == LEVIN_OK; i++) {
        size_t bytes = load_key(key, n, i);
        code = levin_bulk_load_add(load, key, bytes, value, i % 50 == 7 ? sizeof value : i % 100);
    }
    if (code == LEVIN_OK)
        code = levin_bulk_load_commit(load);
    levin_bulk_load_destroy(load);
    return code;
}

/* A pair of keys of each batch has one number; every so often a checkpoint, which a load cannot have beside it. */
static void *writer_run(void *argument)
{
    worker *w = argument;
    levin_batch *batch;
    uint64_t n = 0;
    require(levin_batch_create(w->s->db, &batch) == LEVIN_OK);
    while (atomic_load_explicit(&w->s->loading, memory_order_acquire)) {
        levin_batch_clear(batch);
        n++;
        for (unsigned i = 0; i < PAIR; i++) {
            char key[32];
            int bytes = snprintf(key, sizeof key, "%s-%u-%u", n % 2 ? "after" : "mill", w->id, i);
            require(levin_batch_put(batch, key, (size_t)bytes, &n, sizeof n) == LEVIN_OK);
        }
        require(levin_write(w->s->db, batch, n % 50 ? LEVIN_NONE : LEVIN_SYNCED) == LEVIN_OK);
        atomic_store_explicit(&w->s->written[w->id], n, memory_order_relaxed); /* read after the join */
        if (n % CHECKPOINT_EVERY == 0)
            require(levin_checkpoint(w->s->db) == LEVIN_OK);
    }
    levin_batch_destroy(batch);
    return NULL;
}

static unsigned entries_seen(const shared *s, const levin_snapshot *snapshot, unsigned load)
{
    char prefix[32];
    load_key(prefix, load, 0);
    const levin_iter_options o = { .prefix = { prefix, 10 }, .snapshot = snapshot, .keyspace = space_of(s, load) };
    levin_iter *it;
    unsigned count = 0;
    require(levin_iter_open(s->db, &o, &it) == LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it), count++)
        require(levin_iter_value(it).data != NULL);
    require(levin_iter_status(it) == LEVIN_OK);
    levin_iter_close(it);
    return count;
}

static void *reader_run(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    char key[32], value[4096];
    for (unsigned n = w->id; atomic_load_explicit(&s->loading, memory_order_acquire); n++) {
        const unsigned loaded = atomic_load_explicit(&s->loaded, memory_order_acquire); /* pairs with loader_run() */
        const unsigned load = loaded && n % 3 ? n % loaded : loaded; /* there; or the one that may be coming */
        size_t bytes, key_bytes = load_key(key, load, n % ENTRIES);
        levin_snapshot *snapshot;
        require(levin_snapshot_create(s->db, &snapshot) == LEVIN_OK);
        const unsigned seen = entries_seen(s, snapshot, load);
        require(seen == ENTRIES || (seen == 0 && load == loaded));
        levin_code code = levin_get_in(s->db, space_of(s, load), snapshot, key, key_bytes, value, sizeof value, &bytes);
        require(code == (seen ? LEVIN_OK : LEVIN_NOT_FOUND));
        levin_snapshot_release(snapshot);
        code = levin_get_in(s->db, space_of(s, load), NULL, key, key_bytes, value, sizeof value, &bytes);
        require(code == LEVIN_OK || (code == LEVIN_NOT_FOUND && !seen));
    }
    return NULL;
}

/* Again until it is not refused: then nothing of it may be there. */
static void *loader_run(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    for (unsigned n = 0; n < LOADS; n++) {
        levin_code code;
        while ((code = load_once(s, n)) == LEVIN_CONFLICT)
            require(entries_seen(s, NULL, n) == 0);
        require(code == LEVIN_OK);
        atomic_store_explicit(&s->loaded, n + 1, memory_order_release); /* pairs with reader_run() */
    }
    atomic_store_explicit(&s->loading, 0, memory_order_release); /* pairs with all loops */
    return NULL;
}

static void expect_all(const shared *s)
{
    for (unsigned n = 0; n < LOADS; n++)
        ck_assert_uint_eq(entries_seen(s, NULL, n), ENTRIES);
    for (unsigned id = 0; id < WRITERS; id++)
        for (unsigned which = 0; which < 2; which++) {
            const uint64_t last = atomic_load(&s->written[id]);
            for (unsigned i = 0; i < PAIR; i++) {
                char key[32];
                uint64_t value = 0;
                size_t bytes;
                size_t key_bytes = (size_t)snprintf(key, sizeof key, "%s-%u-%u", which ? "after" : "mill", id, i);
                ck_assert_int_eq(levin_get(s->db, NULL, key, key_bytes, &value, sizeof value, &bytes),
                                 last > !which ? LEVIN_OK : LEVIN_NOT_FOUND);
                if (last > !which)
                    ck_assert_uint_eq(value, last % 2 == which ? last : last - 1);
            }
        }
    ck_assert_int_eq(levin_check(s->db, NULL, NULL, NULL), LEVIN_OK);
}

static void open_store(shared *s, simdisk *disk, levin_background background)
{
    levin_options o;
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = background;
    o.page_bytes = 4096;
    o.memtable_bytes = 256 << 10;
    o.wal_segment_bytes = 256 << 10;
    o.value_log_threshold_bytes = 2000;
    o.value_log_segment_bytes = 64 << 10;
    ck_assert_int_eq(levin_open("s", &o, &s->db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(s->db, "named", 5, LEVIN_KEYSPACE_CREATE, &s->named), LEVIN_OK);
}

static void run(levin_background background)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    shared s = { .loading = 1 };
    worker writers[WRITERS], readers[READERS], loader = { .s = &s };
    open_store(&s, disk, background);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (worker){ .s = &s, .id = i };
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]), 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (worker){ .s = &s, .id = i };
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
    }
    ck_assert_int_eq(pthread_create(&loader.thread, NULL, loader_run, &loader), 0);
    ck_assert_int_eq(pthread_join(loader.thread, NULL), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
    expect_all(&s);
    levin_keyspace_close(s.named);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    open_store(&s, disk, background);
    expect_all(&s);
    levin_keyspace_close(s.named);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(bulk_load__beside_writers_and_readers_is_whole_or_not_there)
{
    run(LEVIN_BACKGROUND_NONE);
}
END_TEST

START_TEST(bulk_load__beside_writers_and_the_background_is_whole_or_not_there)
{
    run(LEVIN_BACKGROUND_THREAD);
}
END_TEST

LEVIN_TEST_MAIN("bulk_load_concurrent", TEST(bulk_load__beside_writers_and_readers_is_whole_or_not_there),
                TEST(bulk_load__beside_writers_and_the_background_is_whole_or_not_there))
