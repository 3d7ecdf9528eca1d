/*
 * txn_concurrent_test.c - transactions and compare-and-swap on many threads, also under ThreadSanitizer.
 *
 * Invariants checked: transfers between accounts keep the sum, for those who look on and in the end; counters raised by
 * transactions and by compare-and-swap lose nothing; two accounts of which serializable transactions see both never
 * fall below zero together (write skew); all of it while checkpoints run.  Half of the accounts, of the counters and of
 * each pair stand in a named keyspace.  Of keyspaces that are dropped and made anew meanwhile a transaction leaves its
 * mark in all or in none.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "../faults/thread_check.h"
#include "levin.h"

enum { THREADS = 4, ACCOUNTS = 8, FORTUNE = 1000, ROUNDS = 400, PAIRS = 2 };

typedef struct worker {
    pthread_t thread;
    levin *db;
    int id;
    uint64_t won; /* commits */
} worker;

static simdisk *disk;
static levin_keyspace *half; /* keys that end in an odd character stand there */

static levin *store_open(void)
{
    levin_options o;
    levin *db;
    disk = simdisk_create(NULL, NULL);
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(db, "half", 4, LEVIN_KEYSPACE_CREATE, &half), LEVIN_OK);
    return db;
}

static void store_close(levin *db)
{
    levin_keyspace_close(half);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

static void run_all(levin *db, worker workers[THREADS], void *(*run)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .db = db, .id = i };
        require(pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        require(pthread_join(workers[i].thread, NULL) == 0);
}

static levin_txn *txn_begin(levin *db, levin_isolation isolation)
{
    levin_txn_options o;
    levin_txn *t;
    levin_txn_options_init(&o);
    o.isolation = isolation;
    require(levin_txn_begin(db, &o, &t) == LEVIN_OK);
    return t;
}

/* Numbers are wide, so that the memtable fills and checkpoints come. */
typedef struct number {
    int64_t n;
    char padding[120];
} number;

static const levin_keyspace *place(const char *key)
{
    return key[strlen(key) - 1] & 1 ? half : NULL;
}

static int64_t t_get(levin_txn *t, const char *key)
{
    number value = { 0 };
    size_t bytes;
    levin_code code = levin_txn_get_in(t, place(key), key, strlen(key), &value, sizeof value, &bytes);
    require(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
    return value.n;
}

static void t_put(levin_txn *t, const char *key, int64_t n)
{
    number value = { .n = n };
    require(levin_txn_put_in(t, place(key), key, strlen(key), &value, sizeof value) == LEVIN_OK);
}

/* Returns whether it was committed. */
static bool finish(levin_txn *t, levin_durability durability)
{
    levin_code code = levin_txn_commit(t, durability);
    require(code == LEVIN_OK || code == LEVIN_CONFLICT);
    levin_txn_destroy(t);
    return code == LEVIN_OK;
}

/* ---- the bank ---- */

static const char *account(int i, char key[16])
{
    snprintf(key, 16, "account%d", i % 100);
    return key;
}

static int64_t sum(levin *db, levin_isolation isolation)
{
    char key[16];
    int64_t n = 0;
    levin_txn *t = txn_begin(db, isolation);
    for (int i = 0; i < ACCOUNTS; i++)
        n += t_get(t, account(i, key));
    require(finish(t, LEVIN_NONE)); /* it has read only */
    return n;
}

/* The sum of the accounts of a keyspace. */
static int64_t look_through(levin_txn *t, const levin_keyspace *ks, bool forward)
{
    levin_iter *it;
    int64_t n = 0;
    require(levin_txn_iter_open(t, &(levin_iter_options){ .prefix = { "account", 7 }, .keyspace = ks }, &it) ==
            LEVIN_OK);
    for (bool on = forward ? levin_iter_first(it) : levin_iter_last(it); on;
         on = forward ? levin_iter_next(it) : levin_iter_prev(it)) {
        int64_t one;
        memcpy(&one, levin_iter_value(it).data, sizeof one);
        n += one;
    }
    require(levin_iter_status(it) == LEVIN_OK);
    levin_iter_close(it);
    return n;
}

/* Looks at all accounts with iterators and writes that down: committed only if no transfer came between. */
static bool audit(levin *db, random_stream *r)
{
    int64_t n = 0;
    levin_txn *t = txn_begin(db, LEVIN_SERIALIZABLE);
    n += look_through(t, NULL, random_chance(r, 2));
    n += look_through(t, half, random_chance(r, 2));
    require(n == ACCOUNTS * FORTUNE);
    t_put(t, "audit", n);
    return finish(t, LEVIN_NONE);
}

static void *transfer(void *argument)
{
    worker *w = argument;
    random_stream r = random_open((uint64_t)w->id, 1);
    char from[16], to[16];
    for (int round = 0; round < ROUNDS; round++) {
        const levin_isolation isolation = random_chance(&r, 2) ? LEVIN_SNAPSHOT : LEVIN_SERIALIZABLE;
        if (random_chance(&r, 8)) {
            require(sum(w->db, isolation) == ACCOUNTS * FORTUNE);
            continue;
        }
        if (random_chance(&r, 16)) {
            audit(w->db, &r);
            continue;
        }
        int a = (int)random_below(&r, ACCOUNTS), b = (int)random_below(&r, ACCOUNTS - 1);
        b += b >= a;
        account(a, from);
        account(b, to);
        int64_t amount = (int64_t)random_below(&r, 10);
        bool done = false;
        while (!done) {
            levin_txn *t = txn_begin(w->db, isolation);
            t_put(t, from, t_get(t, from) - amount);
            t_put(t, to, t_get(t, to) + amount);
            done = finish(t, random_chance(&r, 4) ? LEVIN_SYNCED : LEVIN_NONE);
        }
        w->won++;
    }
    return NULL;
}

START_TEST(txn_concurrent__transfers_keep_the_sum)
{
    worker workers[THREADS];
    char key[16];
    levin *db = store_open();
    levin_txn *t = txn_begin(db, LEVIN_SNAPSHOT);
    for (int i = 0; i < ACCOUNTS; i++)
        t_put(t, account(i, key), FORTUNE);
    ck_assert(finish(t, LEVIN_SYNCED));
    run_all(db, workers, transfer);
    ck_assert_int_eq(sum(db, LEVIN_SNAPSHOT), ACCOUNTS * FORTUNE);
    levin_stats s;
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.transactions, s.transactions_committed + s.transactions_refused);
    ck_assert_uint_eq(s.error_conflict, s.transactions_refused);
    ck_assert_uint_gt(s.checkpoints, 0);
    store_close(db);
}
END_TEST

/* ---- counters ---- */

static void *count_up(void *argument)
{
    worker *w = argument;
    while (w->won < ROUNDS / 2) {
        levin_txn *t = txn_begin(w->db, w->id % 2 ? LEVIN_SNAPSHOT : LEVIN_SERIALIZABLE);
        t_put(t, "counter1", t_get(t, "counter1") + 1);
        t_put(t, "counter2", t_get(t, "counter2") + 1);
        w->won += finish(t, LEVIN_NONE);
    }
    for (int i = 0; i < ROUNDS / 2;) {
        number expected = { 0 }, desired = { 0 };
        size_t bytes;
        const levin_keyspace *ks = i & 1 ? half : NULL;
        levin_code code = levin_get_in(w->db, ks, NULL, "swapped", 7, &expected, sizeof expected, &bytes);
        require(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
        const levin_slice old = { &expected, sizeof expected }, fresh = { &desired, sizeof desired };
        desired.n = expected.n + 1;
        levin_code swapped = levin_compare_and_swap_in(w->db, ks, "swapped", 7, code == LEVIN_OK ? &old : NULL,
                                                       &fresh, LEVIN_NONE, NULL);
        require(swapped == LEVIN_OK || swapped == LEVIN_CONFLICT);
        i += swapped == LEVIN_OK;
    }
    return NULL;
}

START_TEST(txn_concurrent__counters_lose_nothing)
{
    worker workers[THREADS];
    levin *db = store_open();
    run_all(db, workers, count_up);
    levin_txn *t = txn_begin(db, LEVIN_SNAPSHOT);
    ck_assert_int_eq(t_get(t, "counter1"), THREADS * (ROUNDS / 2));
    ck_assert_int_eq(t_get(t, "counter2"), THREADS * (ROUNDS / 2));
    for (int i = 0; i < 2; i++) {
        number swapped;
        size_t bytes;
        ck_assert_int_eq(levin_txn_get_in(t, i ? half : NULL, "swapped", 7, &swapped, sizeof swapped, &bytes),
                         LEVIN_OK);
        ck_assert_int_eq(swapped.n, THREADS * (ROUNDS / 4));
    }
    ck_assert(finish(t, LEVIN_NONE));
    store_close(db);
}
END_TEST

/* ---- write skew ---- */

/* Takes from one account of a pair what both together allow; or pays in. */
static void *draw(void *argument)
{
    worker *w = argument;
    random_stream r = random_open((uint64_t)w->id, 2);
    char key[2][32];
    for (int round = 0; round < ROUNDS; round++) {
        const int pair = (int)random_below(&r, PAIRS), mine = (int)random_below(&r, 2);
        for (int i = 0; i < 2; i++)
            snprintf(key[i], sizeof key[i], "pair%d-%d", pair, i);
        levin_txn *t = txn_begin(w->db, LEVIN_SERIALIZABLE);
        int64_t has[2] = { t_get(t, key[0]), t_get(t, key[1]) };
        require(has[0] + has[1] >= 0);
        t_put(t, key[mine], has[mine] + (has[0] + has[1] >= 3 ? -3 : 2));
        w->won += finish(t, LEVIN_NONE);
    }
    return NULL;
}

START_TEST(txn_concurrent__serializable_transactions_have_no_write_skew)
{
    worker workers[THREADS];
    levin *db = store_open();
    run_all(db, workers, draw);
    uint64_t won = 0;
    for (int i = 0; i < THREADS; i++)
        won += workers[i].won;
    ck_assert_uint_gt(won, 0);
    store_close(db);
}
END_TEST

/* ---- drops ---- */

enum { DROP_ROUNDS = 60 };
static _Atomic int droppers; /* still at work; relaxed: the joins order the rest */

static void *drop_and_make(worker *w)
{
    const char *name = w->id ? "y" : "x";
    for (int round = 0; round < DROP_ROUNDS; round++) {
        levin_keyspace *ks;
        require(levin_keyspace_open(w->db, name, 1, LEVIN_KEYSPACE_CREATE, &ks) == LEVIN_OK);
        require(levin_put_in(w->db, ks, "there", 5, "1", 1, LEVIN_NONE) == LEVIN_OK);
        levin_keyspace_close(ks);
        require(levin_keyspace_drop(w->db, name, 1, LEVIN_NONE) == LEVIN_OK);
    }
    atomic_fetch_sub_explicit(&droppers, 1, memory_order_relaxed);
    return NULL;
}

/* Of one snapshot: the mark in each that is there is the one in the default keyspace, or there is none. */
static void marks_agree(levin *db, const levin_keyspace *x, const levin_keyspace *y)
{
    int64_t all = 0, one;
    size_t bytes;
    levin_snapshot *s;
    require(levin_snapshot_create(db, &s) == LEVIN_OK);
    levin_code code = levin_get(db, s, "mark", 4, &all, sizeof all, &bytes);
    require(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        code = levin_get_in(db, i ? y : x, s, "mark", 4, &one, sizeof one, &bytes);
        require(code == LEVIN_NOT_FOUND || code == LEVIN_NO_KEYSPACE || (code == LEVIN_OK && one == all));
    }
    levin_snapshot_release(s);
}

/* Writes its mark to all three. */
static levin_code mark_once(worker *w, const levin_keyspace *x, const levin_keyspace *y, int64_t mark)
{
    levin_txn *t = txn_begin(w->db, w->id % 2 ? LEVIN_SNAPSHOT : LEVIN_SERIALIZABLE);
    levin_code code = levin_txn_contains_in(t, x, "there", 5);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = levin_txn_put_in(t, x, "mark", 4, &mark, sizeof mark);
    if (code == LEVIN_OK)
        code = levin_txn_put_in(t, y, "mark", 4, &mark, sizeof mark);
    if (code == LEVIN_OK)
        code = levin_txn_put(t, "mark", 4, &mark, sizeof mark);
    if (code == LEVIN_OK)
        code = levin_txn_commit(t, LEVIN_NONE);
    levin_txn_destroy(t);
    return code;
}

static void *mark_all(worker *w)
{
    for (int64_t round = 1; w->won < 10 || atomic_load_explicit(&droppers, memory_order_relaxed) > 0; round++) {
        levin_keyspace *x, *y;
        require(levin_keyspace_open(w->db, "x", 1, LEVIN_KEYSPACE_CREATE, &x) == LEVIN_OK);
        require(levin_keyspace_open(w->db, "y", 1, LEVIN_KEYSPACE_CREATE, &y) == LEVIN_OK);
        levin_code code = mark_once(w, x, y, round * THREADS + w->id);
        require(code == LEVIN_OK || code == LEVIN_CONFLICT || code == LEVIN_NO_KEYSPACE);
        w->won += code == LEVIN_OK;
        marks_agree(w->db, x, y);
        levin_keyspace_close(x);
        levin_keyspace_close(y);
    }
    return NULL;
}

static void *drop_or_mark(void *argument)
{
    worker *w = argument;
    return w->id < 2 ? drop_and_make(w) : mark_all(w);
}

START_TEST(txn_concurrent__drops_leave_all_of_a_transaction_or_nothing)
{
    worker workers[THREADS];
    levin *db = store_open();
    atomic_store_explicit(&droppers, 2, memory_order_relaxed);
    run_all(db, workers, drop_or_mark);
    store_close(db);
}
END_TEST

LEVIN_TEST_MAIN("txn_concurrent", TEST(txn_concurrent__transfers_keep_the_sum),
                TEST(txn_concurrent__counters_lose_nothing),
                TEST(txn_concurrent__serializable_transactions_have_no_write_skew),
                TEST(txn_concurrent__drops_leave_all_of_a_transaction_or_nothing))
