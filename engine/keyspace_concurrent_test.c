/*
 * keyspace_concurrent_test.c - writers, readers, creators and a dropper of the same name, also under ThreadSanitizer.
 *
 * Invariants checked: of all that want to make a keyspace at once exactly one does; a batch writes to the keyspace and
 * to the default one or to none of them; what was put under a generation of the name is never seen under the next;
 * whoever is refused is told LEVIN_NO_KEYSPACE; at the end the default keyspace counts the batches that were accepted.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "../faults/thread_check.h"
#include "levin.h"

enum { WORKERS = 4, ROUNDS = 120 };

typedef struct shared {
    levin *db;
    _Atomic uint64_t made, accepted, refused; /* relaxed: read when the threads are joined */
    _Atomic int working;                      /* release by workers, acquire by the dropper: until it is 0 */
} shared;

typedef struct worker {
    pthread_t thread;
    shared *s;
    unsigned id;
} worker;

static void count(_Atomic uint64_t *n)
{
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* Opens the keyspace, making it if need be; everything in it is of one generation, the number of its maker. */
static levin_keyspace *join(worker *w, uint64_t *generation)
{
    levin_keyspace *ks;
    for (;;) {
        levin_code code = levin_keyspace_open(w->s->db, "ks", 2, LEVIN_KEYSPACE_EXCLUSIVE, &ks);
        if (code == LEVIN_OK) {
            *generation = atomic_fetch_add_explicit(&w->s->made, 1, memory_order_relaxed) + 1;
            code = levin_put_in(w->s->db, ks, "generation", 10, generation, sizeof *generation, LEVIN_NONE);
        } else {
            size_t bytes;
            require(code == LEVIN_EXISTS);
            code = levin_keyspace_open(w->s->db, "ks", 2, 0, &ks);
            if (code == LEVIN_OK) /* its maker may not have come so far */
                do
                    code = levin_get_in(w->s->db, ks, NULL, "generation", 10, generation, sizeof *generation, &bytes);
                while (code == LEVIN_NOT_FOUND);
        }
        if (code == LEVIN_OK)
            return ks;
        require(code == LEVIN_NO_KEYSPACE);
        levin_keyspace_close(ks);
    }
}

/* What is in the keyspace was written under its generation. */
static void look(worker *w, const levin_keyspace *ks, uint64_t generation)
{
    const levin_iter_options o = { .keyspace = ks };
    levin_iter *it;
    levin_code code = levin_iter_open(w->s->db, &o, &it);
    if (code != LEVIN_OK) {
        require(code == LEVIN_NO_KEYSPACE);
        return;
    }
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        uint64_t found;
        levin_slice value = levin_iter_value(it);
        require(value.size == sizeof found);
        memcpy(&found, value.data, sizeof found);
        require(found == generation);
    }
    require(levin_iter_status(it) == LEVIN_OK);
    levin_iter_close(it);
}

static void *work(void *argument)
{
    worker *w = argument;
    levin *db = w->s->db;
    levin_batch *batch;
    require(levin_batch_create(db, &batch) == LEVIN_OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t generation;
        levin_keyspace *ks = join(w, &generation);
        for (unsigned n = 0; n < 6; n++) {
            char key[32];
            int bytes = snprintf(key, sizeof key, "%u-%u-%u", w->id, round, n);
            levin_batch_clear(batch);
            levin_code code = levin_batch_put_in(batch, ks, key, (size_t)bytes, &generation, sizeof generation);
            if (code == LEVIN_OK)
                code = levin_batch_put(batch, key, (size_t)bytes, "1", 1);
            if (code == LEVIN_OK)
                code = levin_write(db, batch, n % 3 ? LEVIN_NONE : LEVIN_LOGGED);
            require(code == LEVIN_OK || code == LEVIN_NO_KEYSPACE);
            count(code == LEVIN_OK ? &w->s->accepted : &w->s->refused);
            require(levin_contains(db, NULL, key, (size_t)bytes) == (code == LEVIN_OK ? LEVIN_OK : LEVIN_NOT_FOUND));
        }
        look(w, ks, generation);
        levin_keyspace_close(ks); /* the batch may still name it */
    }
    levin_batch_destroy(batch);
    atomic_fetch_sub_explicit(&w->s->working, 1, memory_order_release);
    return NULL;
}

static bool tell(void *context, const levin_error *fault)
{
    (void)context;
    fprintf(stderr, "%s (%llu, %llu)\n", fault->message, (unsigned long long)fault->expected,
            (unsigned long long)fault->found);
    return true;
}

START_TEST(keyspace__drops_beside_writers_lose_and_revive_nothing)
{
    shared s = { .working = WORKERS };
    worker workers[WORKERS];
    levin_options o;
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 64 << 10;
    o.io = simdisk_io(disk);
    ck_assert_int_eq(levin_open("db", &o, &s.db, NULL), LEVIN_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].s = &s;
        workers[i].id = i;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    uint64_t dropped = 0;
    while (atomic_load_explicit(&s.working, memory_order_acquire)) { /* pairs with the end of work() */
        levin_code code = levin_keyspace_drop(s.db, "ks", 2, LEVIN_NONE);
        ck_assert(code == LEVIN_OK || code == LEVIN_NO_KEYSPACE);
        dropped += code == LEVIN_OK;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
    ck_assert(s.made == dropped || s.made == dropped + 1);
    levin_iter *it;
    uint64_t keys = 0;
    ck_assert_int_eq(levin_iter_open(s.db, NULL, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        keys++;
    levin_iter_close(it);
    ck_assert_uint_eq(keys, s.accepted);
    ck_assert_uint_eq(s.accepted + s.refused, WORKERS * ROUNDS * 6);
    ck_assert_int_eq(levin_checkpoint(s.db), LEVIN_OK);
    ck_assert_int_eq(levin_check(s.db, tell, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("keyspace_concurrent", TEST(keyspace__drops_beside_writers_lose_and_revive_nothing))
