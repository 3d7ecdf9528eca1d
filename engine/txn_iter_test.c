/*
 * txn_iter_test.c - iterators and range deletes of transactions, on a simulated disk.
 *
 * Invariants checked: an iterator shows the beginning with the writes made before it was opened, in both directions, in
 * any bounds, as a model has it; a serializable transaction is refused if and only if something has changed among what
 * its iterators went over, keys that are absent and ends of bounds included; the same for ranges that any transaction
 * has deleted; all of it in named keyspaces, too, while the same keys change beside; a failed call or allocation
 * forgets nothing that was seen.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { KEYS = 40, MARKS = 2 * KEYS + 1, NOWHERE = -1 };

static simdisk *disk;
static fault_io *faults;

static levin *begin(void)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    levin_code code = levin_open("s", &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s", error.message);
    return db;
}

static void end(levin *db)
{
    uint64_t files, bytes, pieces;
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}

/* ---- the model: KEYS keys, each with a number, 0: absent ---- */

typedef struct world {
    levin *db;
    levin_keyspace *around[3];
    const levin_keyspace *ks; /* NULL: the default one */
    levin_txn *t;
    int base[KEYS];     /* when the transaction began */
    int now[KEYS];      /* of the store */
    int view[KEYS];     /* of the transaction */
    bool own[KEYS];     /* written by it, or in a range that it has deleted */
    bool seen[MARKS];   /* key i at 2i, gaps between; what a serializable transaction has looked at */
    random_stream r;
} world;

static const char *name_of(int key, char name[16])
{
    snprintf(name, 16, "k%02d", key % 100);
    return name;
}

static void store_put(world *w, int key, int number)
{
    char name[16], value[16];
    name_of(key, name);
    if (number)
        ck_assert_int_eq(levin_put_in(w->db, w->ks, name, 3, value,
                                      (size_t)snprintf(value, sizeof value, "%d", number), LEVIN_NONE),
                         LEVIN_OK);
    else
        ck_assert_int_eq(levin_delete_in(w->db, w->ks, name, 3, LEVIN_NONE), LEVIN_OK);
    w->now[key] = number;
}

static void own_put(world *w, int key, int number)
{
    char name[16], value[16];
    name_of(key, name);
    if (number)
        ck_assert_int_eq(levin_txn_put_in(w->t, w->ks, name, 3, value,
                                          (size_t)snprintf(value, sizeof value, "%d", number)),
                         LEVIN_OK);
    else
        ck_assert_int_eq(levin_txn_delete_in(w->t, w->ks, name, 3), LEVIN_OK);
    w->view[key] = number;
    w->own[key] = true;
}

static void own_delete_range(world *w, int from, int to)
{
    char lower[16], upper[16];
    const levin_slice l = { name_of(from, lower), 3 }, u = { name_of(to, upper), to < KEYS ? 3 : 0 };
    ck_assert_int_eq(levin_txn_delete_range_in(w->t, w->ks, l, to < KEYS ? u : (levin_slice){ NULL, 0 }), LEVIN_OK);
    for (int k = from; k < to; k++) {
        w->view[k] = 0;
        w->own[k] = true;
    }
}

static void maybe_checkpoint(world *w)
{
    if (random_below(&w->r, 3) == 0)
        ck_assert_int_eq(levin_checkpoint(w->db), LEVIN_OK);
}

static void world_begin(world *w, levin *db, uint64_t seed, levin_isolation isolation)
{
    levin_txn_options o;
    *w = (world){ .db = db, .r = random_open(seed, 0) };
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(levin_keyspace_open(db, &"abc"[i], 1, LEVIN_KEYSPACE_CREATE, &w->around[i]), LEVIN_OK);
    w->ks = seed & 4 ? w->around[1] : NULL;
    for (int part = 0; part < 2; part++) {
        for (int k = 0; k < KEYS; k++)
            if (part == 0 || random_below(&w->r, 4) == 0)
                store_put(w, k, random_below(&w->r, 2) ? (int)random_below(&w->r, 90) + 1 : 0);
        maybe_checkpoint(w);
    }
    levin_txn_options_init(&o);
    o.isolation = isolation;
    ck_assert_int_eq(levin_txn_begin(db, &o, &w->t), LEVIN_OK);
    memcpy(w->base, w->now, sizeof w->base);
    memcpy(w->view, w->now, sizeof w->view);
}

static void world_end(world *w)
{
    levin_txn_destroy(w->t);
    for (int i = 0; i < 3; i++)
        levin_keyspace_close(w->around[i]);
    end(w->db);
}

/* The same keys where nobody looks: in the default keyspace, or in one before or behind. */
static void elsewhere(world *w)
{
    char name[16];
    const levin_keyspace *ks = random_below(&w->r, 2) || !w->ks ? w->around[2 * random_below(&w->r, 2)] : NULL;
    name_of((int)random_below(&w->r, KEYS), name);
    if (random_below(&w->r, 8))
        ck_assert_int_eq(levin_put_in(w->db, ks, name, 3, "elsewhere", 9, LEVIN_NONE), LEVIN_OK);
    else
        ck_assert_int_eq(levin_delete_range_in(w->db, ks, (levin_slice){ name, 3 }, (levin_slice){ NULL, 0 },
                                               LEVIN_NONE),
                         LEVIN_OK);
}

static void own_writes(world *w, bool ranges)
{
    for (int n = 1 + (int)random_below(&w->r, 6); n > 0; n--) {
        int from = (int)random_below(&w->r, KEYS), to = from + (int)random_below(&w->r, 6);
        if (ranges && random_below(&w->r, 3) == 0)
            own_delete_range(w, from, to < KEYS ? to : KEYS);
        else
            own_put(w, from, random_below(&w->r, 3) ? 100 + (int)random_below(&w->r, 90) : 0);
    }
}

/* ---- walking ---- */

typedef struct walk {
    world *w;
    levin_iter *it;
    int view[KEYS];      /* when it was opened */
    int low, high;       /* keys in [low, high] are in the bounds */
    int low_mark, high_mark;
    int at;              /* key, or NOWHERE */
} walk;

static void mark(walk *k, int from, int to)
{
    for (int m = from < to ? from : to; m <= (from < to ? to : from); m++)
        if (m >= 0 && m < MARKS)
            k->w->seen[m] = true;
}

static int model_from(const walk *k, int from, int step)
{
    if (step > 0 && from < k->low)
        from = k->low;
    if (step < 0 && from > k->high)
        from = k->high;
    for (; from >= k->low && from <= k->high; from += step)
        if (k->view[from])
            return from;
    return NOWHERE;
}

/* The iterator has moved from a mark in the direction: it must be where the model says. */
static void arrive(walk *k, bool moved, int from_mark, int key, int step)
{
    char name[16], value[16];
    ck_assert_int_eq(moved, key != NOWHERE);
    ck_assert_int_eq(levin_iter_valid(k->it), moved);
    ck_assert_int_eq(levin_iter_status(k->it), LEVIN_OK);
    k->at = key;
    if (key == NOWHERE) {
        int bound = step > 0 ? k->high_mark : k->low_mark;
        if (step > 0 ? from_mark <= bound : from_mark >= bound)
            mark(k, from_mark, bound);
        return;
    }
    mark(k, from_mark, 2 * key);
    levin_slice found = levin_iter_key(k->it), v = levin_iter_value(k->it);
    ck_assert_uint_eq(found.size, 3);
    ck_assert_mem_eq(found.data, name_of(key, name), 3);
    snprintf(value, sizeof value, "%d", k->view[key]);
    ck_assert_uint_eq(v.size, strlen(value));
    ck_assert_mem_eq(v.data, value, v.size);
}

static void walk_open(walk *k, world *w)
{
    char lower[16], upper[16];
    levin_iter_options o = { .keyspace = w->ks };
    *k = (walk){ .w = w, .low = 0, .high = KEYS - 1, .low_mark = 0, .high_mark = MARKS - 1, .at = NOWHERE };
    memcpy(k->view, w->view, sizeof k->view);
    if (random_below(&w->r, 2)) {
        int bound = (int)random_below(&w->r, KEYS);
        o.lower = (levin_slice){ name_of(bound, lower), 3 };
        o.lower_exclusive = random_below(&w->r, 2);
        k->low = bound + o.lower_exclusive;
        k->low_mark = 2 * bound + o.lower_exclusive;
    }
    if (random_below(&w->r, 2)) {
        int bound = k->low + (int)random_below(&w->r, 12);
        bound = bound < KEYS ? bound : KEYS - 1;
        o.upper = (levin_slice){ name_of(bound, upper), 3 };
        o.upper_inclusive = random_below(&w->r, 2);
        k->high = bound - !o.upper_inclusive;
        k->high_mark = 2 * bound - !o.upper_inclusive;
    }
    ck_assert_int_eq(levin_txn_iter_open(w->t, &o, &k->it), LEVIN_OK);
}

static bool bounds_empty(const walk *k)
{
    return k->low > k->high;
}

static void walk_step(walk *k)
{
    char name[16];
    const int key = (int)random_below(&k->w->r, KEYS);
    name_of(key, name);
    switch (random_below(&k->w->r, 9)) {
    case 0: {
        bool moved = levin_iter_first(k->it);
        arrive(k, moved, bounds_empty(k) ? MARKS : k->low_mark, model_from(k, 0, 1), 1);
        break;
    }
    case 1: {
        bool moved = levin_iter_last(k->it);
        arrive(k, moved, bounds_empty(k) ? -1 : k->high_mark, model_from(k, KEYS - 1, -1), -1);
        break;
    }
    case 2: {
        bool moved = levin_iter_seek(k->it, name, 3);
        int from = 2 * key > k->low_mark ? 2 * key : k->low_mark;
        arrive(k, moved, bounds_empty(k) ? MARKS : from, model_from(k, key, 1), 1);
        break;
    }
    case 3: {
        bool moved = levin_iter_seek_for_prev(k->it, name, 3);
        int from = 2 * key < k->high_mark ? 2 * key : k->high_mark;
        arrive(k, moved, bounds_empty(k) ? -1 : from, model_from(k, key, -1), -1);
        break;
    }
    default: {
        bool forward = random_below(&k->w->r, 2);
        const int at = k->at;
        bool moved = forward ? levin_iter_next(k->it) : levin_iter_prev(k->it);
        if (at == NOWHERE)
            ck_assert(!moved);
        else
            arrive(k, moved, 2 * at, model_from(k, at + (forward ? 1 : -1), forward ? 1 : -1), forward ? 1 : -1);
    }
    }
}

static void walk_about(world *w, int steps)
{
    walk k;
    walk_open(&k, w);
    for (int i = 0; i < steps; i++) {
        walk_step(&k);
        if (random_below(&w->r, 8) == 0)
            own_put(w, (int)random_below(&w->r, KEYS), 200); /* it does not show it */
    }
    levin_iter_close(k.it);
}

START_TEST(txn_iter__equals_the_model_with_own_writes)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        world w;
        levin *db = begin();
        world_begin(&w, db, seed, seed % 2 ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT);
        for (int i = 0; i < 4; i++) {
            own_writes(&w, true);
            walk_about(&w, 40);
        }
        char name[16];
        for (int key = 0; key < KEYS; key++)
            ck_assert_int_eq(levin_txn_contains_in(w.t, w.ks, name_of(key, name), 3),
                             w.view[key] ? LEVIN_OK : LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_txn_commit(w.t, LEVIN_NONE), LEVIN_OK);
        for (int key = 0; key < KEYS; key++)
            ck_assert_int_eq(levin_contains_in(db, w.ks, NULL, name_of(key, name), 3),
                             w.view[key] ? LEVIN_OK : LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        world_end(&w);
    }
}
END_TEST

/* Others write some keys, or delete a range. */
static void meanwhile(world *w)
{
    maybe_checkpoint(w);
    for (int n = (int)random_below(&w->r, 3); n > 0; n--)
        elsewhere(w);
    for (int n = (int)random_below(&w->r, 5); n > 0; n--) {
        int key = (int)random_below(&w->r, KEYS), to = key + 1 + (int)random_below(&w->r, 3);
        char lower[16], upper[16];
        if (random_below(&w->r, 6) == 0 && to < KEYS) {
            ck_assert_int_eq(levin_delete_range_in(w->db, w->ks, (levin_slice){ name_of(key, lower), 3 },
                                                   (levin_slice){ name_of(to, upper), 3 }, LEVIN_NONE),
                             LEVIN_OK);
            for (; key < to; key++)
                w->now[key] = 0;
        } else {
            store_put(w, key, random_below(&w->r, 3) ? (int)random_below(&w->r, 90) + 1 : 0);
        }
        maybe_checkpoint(w);
    }
}

static bool must_be_refused(const world *w, bool serializable)
{
    for (int key = 0; key < KEYS; key++)
        if (w->now[key] != w->base[key] && (w->own[key] || (serializable && w->seen[2 * key])))
            return true;
    return false;
}

START_TEST(txn_iter__refused_exactly_when_something_seen_has_changed)
{
    int refused = 0, committed = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        world w;
        walk open;
        levin *db = begin();
        const bool serializable = seed % 4 != 0, left_open = seed % 3 == 0;
        world_begin(&w, db, seed, serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT);
        walk_about(&w, 1 + (int)random_below(&w.r, 4));
        if (left_open) {
            walk_open(&open, &w);
            for (int i = 0; i < 3; i++)
                walk_step(&open);
        }
        own_writes(&w, seed % 5 == 0);
        meanwhile(&w);
        const bool must = must_be_refused(&w, serializable);
        levin_code code = levin_txn_commit(w.t, LEVIN_NONE);
        ck_assert_msg(code == (must ? LEVIN_CONFLICT : LEVIN_OK), "seed %d: %s, but %s", (int)seed,
                      levin_code_name(code), must ? "something has changed" : "nothing has changed");
        if (left_open)
            levin_iter_close(open.it);
        refused += must;
        committed += !must;
        world_end(&w);
    }
    ck_assert_int_gt(refused, 200);
    ck_assert_int_gt(committed, 200);
}
END_TEST

/* The leader has other batches of its group, which nobody could see before. */
START_TEST(txn_iter__phantom_of_the_same_group_is_seen)
{
    for (int way = 0; way < 16; way++) {
        world w;
        levin_batch *batch;
        levin_ticket *ticket;
        levin_iter *it;
        levin *db = begin();
        world_begin(&w, db, way & 8 ? 7 : 8, LEVIN_SERIALIZABLE);
        ck_assert_int_eq(levin_txn_iter_open(w.t, &(levin_iter_options){ .upper = { "k30", 3 }, .keyspace = w.ks },
                                             &it), LEVIN_OK);
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        }
        levin_iter_close(it);
        ck_assert_int_eq(levin_txn_put_in(w.t, w.ks, "zz", 2, "1", 1), LEVIN_OK);
        ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
        const char *key = way & 1 ? "k29x" : "k30x"; /* inside, outside */
        if (way & 2)
            ck_assert_int_eq(levin_batch_put_in(batch, w.ks, key, 4, "phantom", 7), LEVIN_OK);
        else if (way & 4) /* all there is, or nothing */
            ck_assert_int_eq(levin_batch_delete_range_in(batch, w.ks, (levin_slice){ way & 1 ? "k" : "l", 1 },
                                                         (levin_slice){ "m", 1 }),
                             LEVIN_OK);
        else
            ck_assert_int_eq(levin_batch_delete_in(batch, w.ks, key, 4), LEVIN_OK); /* it is not there */
        ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
        const bool changed = way & 1 && way & (2 | 4);
        ck_assert_int_eq(levin_txn_commit(w.t, LEVIN_NONE), changed ? LEVIN_CONFLICT : LEVIN_OK);
        ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
        ck_assert_int_eq(levin_contains_in(db, w.ks, NULL, "zz", 2), changed ? LEVIN_NOT_FOUND : LEVIN_OK);
        levin_batch_destroy(batch);
        world_end(&w);
    }
}
END_TEST

/* The leader finds the memtable full, and another one above it when it asks: from memory it cannot tell. */
START_TEST(txn_iter__memtable_frozen_by_the_leader_is_looked_through)
{
    static char big[9000];
    for (int changed = 0; changed < 2; changed++) {
        levin *db = begin();
        levin_txn *t;
        levin_iter *it;
        levin_stats s;
        memset(big, 0, sizeof big);
        ck_assert_int_eq(levin_put(db, "k", 1, big, sizeof big, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_txn_begin(db, NULL, &t), LEVIN_OK);
        ck_assert_int_eq(levin_txn_iter_open(t, NULL, &it), LEVIN_OK);
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        }
        levin_iter_close(it);
        big[sizeof big - 1] = (char)changed;
        do {
            ck_assert_int_eq(levin_put(db, "k", 1, big, sizeof big, LEVIN_NONE), LEVIN_OK);
            levin_stats_get(db, &s);
        } while (s.memtable_bytes < 64 << 10);
        ck_assert_int_eq(levin_txn_put(t, "other", 5, "1", 1), LEVIN_OK);
        ck_assert_int_eq(levin_txn_commit(t, LEVIN_NONE), changed ? LEVIN_CONFLICT : LEVIN_OK);
        levin_stats_get(db, &s);
        bool more = true;
        while (more)
            ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
        levin_stats_get(db, &s);
        ck_assert_uint_eq(s.checkpoints, changed ? 0 : 1); /* it was frozen, by that commit */
        levin_txn_destroy(t);
        end(db);
    }
}
END_TEST

/* ---- anomalies by predicate (Hermitage: PMP, G2) ---- */

static int count_prefix(levin_txn *t, const char *prefix)
{
    levin_iter *it;
    int n = 0;
    ck_assert_int_eq(levin_txn_iter_open(t, &(levin_iter_options){ .prefix = { prefix, strlen(prefix) } }, &it),
                     LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        n++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    return n;
}

START_TEST(txn_iter__no_phantom_under_serializable)
{
    for (int serializable = 0; serializable < 2; serializable++) {
        levin *db = begin();
        levin_txn_options o;
        levin_txn *t1, *t2;
        levin_txn_options_init(&o);
        o.isolation = serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT;
        ck_assert_int_eq(levin_put(db, "on-call/ann", 11, "1", 1, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_txn_begin(db, &o, &t1), LEVIN_OK);
        ck_assert_int_eq(levin_txn_begin(db, &o, &t2), LEVIN_OK);
        ck_assert_int_eq(count_prefix(t1, "on-call/"), 1);
        ck_assert_int_eq(count_prefix(t2, "on-call/"), 1);
        /* each adds somebody because there is one only */
        ck_assert_int_eq(levin_txn_put(t1, "on-call/bob", 11, "1", 1), LEVIN_OK);
        ck_assert_int_eq(levin_txn_put(t2, "on-call/cid", 11, "1", 1), LEVIN_OK);
        ck_assert_int_eq(count_prefix(t1, "on-call/"), 2);
        ck_assert_int_eq(levin_txn_commit(t1, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(count_prefix(t2, "on-call/"), 2); /* itself, but not the other one */
        ck_assert_int_eq(levin_txn_commit(t2, LEVIN_NONE), serializable ? LEVIN_CONFLICT : LEVIN_OK);
        levin_txn_destroy(t1);
        levin_txn_destroy(t2);
        end(db);
    }
}
END_TEST

/* ---- bounds ---- */

/* What is longer than any key is cut where no key tells the difference, and what was seen ends there. */
START_TEST(txn_iter__bounds_may_be_longer_than_any_key)
{
    static char lower[9000], upper[9000];
    memset(lower, 'c', sizeof lower);
    memset(upper, 'm', sizeof upper);
    for (int way = 0; way < 16; way++) {
        levin *db = begin();
        levin_keyspace *ks = NULL;
        levin_txn *t;
        levin_iter *it;
        if (way & 1)
            ck_assert_int_eq(levin_keyspace_open(db, "a", 1, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
        const levin_iter_options o = { .lower = { lower, sizeof lower }, .upper = { upper, sizeof upper },
                                       .keyspace = ks };
        ck_assert_int_eq(levin_put_in(db, ks, "f", 1, "1", 1, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_txn_begin(db, NULL, &t), LEVIN_OK);
        ck_assert_int_eq(levin_txn_iter_open(t, &o, &it), LEVIN_OK);
        int n = 0;
        for (bool on = way & 2 ? levin_iter_first(it) : levin_iter_last(it); on;
             on = way & 2 ? levin_iter_next(it) : levin_iter_prev(it))
            n++;
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
        levin_iter_close(it);
        /* the longest key that begins like the bound is before it: outside of the lower, inside the upper */
        ck_assert_int_eq(levin_put_in(db, ks, way & 4 ? upper : lower, 1020, "2", 1, LEVIN_NONE), LEVIN_OK);
        if (way & 8)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        ck_assert_int_eq(levin_txn_put(t, "zz", 2, "1", 1), LEVIN_OK);
        ck_assert_int_eq(levin_txn_commit(t, LEVIN_NONE), way & 4 ? LEVIN_CONFLICT : LEVIN_OK);
        levin_txn_destroy(t);
        levin_keyspace_close(ks);
        end(db);
    }
}
END_TEST

/* ---- failures ---- */

static levin_code transact(const world *w, bool *seen)
{
    levin_txn *t = w->t;
    levin_iter *it;
    const levin_iter_options o = { .lower = { "k10", 3 }, .upper = { "k20", 3 }, .keyspace = w->ks };
    levin_code code = levin_txn_iter_open(t, &o, &it);
    *seen = false;
    if (code != LEVIN_OK)
        return code;
    for (int round = 0; round < 2 && code == LEVIN_OK; round++) { /* the second keeps the stretch of the first */
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
            *seen = true;
        code = levin_iter_status(it);
    }
    levin_iter_close(it);
    if (code == LEVIN_OK)
        code = levin_txn_delete_range_in(t, w->ks, (levin_slice){ "k30", 3 }, (levin_slice){ "k32", 3 });
    if (code == LEVIN_OK)
        code = levin_txn_put_in(t, w->ks, "zz", 2, "1", 1);
    return code;
}

START_TEST(txn_iter__failures_forget_nothing_that_was_seen)
{
    for (int way = 0; way < 4; way++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            world w;
            const bool persistent = way & 1;
            bool seen;
            levin *db = begin();
            world_begin(&w, db, way & 2 ? 3 : 4, LEVIN_SERIALIZABLE);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = transact(&w, &seen);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert(fired || code == LEVIN_OK);
            ck_assert_int_ne(code, LEVIN_CONFLICT);
            ck_assert_int_eq(levin_put_in(db, w.ks, "k15x", 4, "phantom", 7, LEVIN_NONE), LEVIN_OK);
            ck_assert_int_eq(levin_txn_put_in(w.t, w.ks, "yy", 2, "1", 1), LEVIN_OK);
            code = levin_txn_commit(w.t, LEVIN_NONE);
            ck_assert_int_eq(code, seen ? LEVIN_CONFLICT : LEVIN_OK);
            world_end(&w);
        }
    }
}
END_TEST

START_TEST(txn_iter__failures_of_the_commit_leave_it_to_be_tried_again)
{
    for (int way = 0; way < 4; way++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            world w;
            const bool checkpointed = way & 1;
            bool seen;
            levin *db = begin();
            world_begin(&w, db, way & 2 ? 3 : 4, LEVIN_SERIALIZABLE);
            ck_assert_int_eq(transact(&w, &seen), LEVIN_OK);
            ck_assert_int_eq(levin_put_in(db, w.ks, "k05", 3, "other", 5, LEVIN_NONE), LEVIN_OK);
            if (checkpointed) /* both states are read over the range */
                ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, false, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = levin_txn_commit(w.t, LEVIN_LOGGED);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert_int_ne(code, LEVIN_CONFLICT);
            ck_assert_int_eq(levin_contains_in(db, w.ks, NULL, "zz", 2), code == LEVIN_OK ? LEVIN_OK : LEVIN_NOT_FOUND);
            if (code != LEVIN_OK)
                ck_assert_int_eq(levin_txn_commit(w.t, LEVIN_LOGGED), LEVIN_OK);
            ck_assert_int_eq(levin_contains_in(db, w.ks, NULL, "zz", 2), LEVIN_OK);
            world_end(&w);
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("txn_iter", TEST(txn_iter__equals_the_model_with_own_writes),
                TEST(txn_iter__refused_exactly_when_something_seen_has_changed),
                TEST(txn_iter__memtable_frozen_by_the_leader_is_looked_through),
                TEST(txn_iter__phantom_of_the_same_group_is_seen), TEST(txn_iter__no_phantom_under_serializable),
                TEST(txn_iter__bounds_may_be_longer_than_any_key),
                TEST(txn_iter__failures_forget_nothing_that_was_seen),
                TEST(txn_iter__failures_of_the_commit_leave_it_to_be_tried_again))
