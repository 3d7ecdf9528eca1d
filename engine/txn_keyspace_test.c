/*
 * txn_keyspace_test.c - transactions and compare-and-swap over named keyspaces, on a simulated disk.
 *
 * Invariants checked: a transaction reads and writes any keyspaces as one, in every call that it has, and is committed
 * in all of them or in none; equal keys of different keyspaces are different keys to it; of a keyspace dropped since it
 * began it reads what was there, cannot write to it, and cannot be committed when it has written to it, or,
 * serializable, read it; what it has undone does not count; a failed call or allocation gives an error and changes
 * nothing.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

static simdisk *disk;
static fault_io *faults;

static levin *store_open(void)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
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

static levin *begin(void)
{
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    return store_open();
}

static void end(void)
{
    uint64_t files, bytes, pieces;
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}

static levin_keyspace *keyspace(levin *db, const char *name)
{
    levin_keyspace *ks;
    ck_assert_int_eq(levin_keyspace_open(db, name, strlen(name), LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    return ks;
}

static void drop(levin *db, const char *name)
{
    ck_assert_int_eq(levin_keyspace_drop(db, name, strlen(name), LEVIN_NONE), LEVIN_OK);
}

static levin_txn *txn_of(levin *db, levin_isolation isolation)
{
    levin_txn_options o;
    levin_txn *t;
    levin_txn_options_init(&o);
    o.isolation = isolation;
    ck_assert_int_eq(levin_txn_begin(db, &o, &t), LEVIN_OK);
    return t;
}

static levin_slice text(const char *s)
{
    return (levin_slice){ s, s ? strlen(s) : 0 };
}

static void put(levin *db, const levin_keyspace *ks, const char *key, const char *value)
{
    ck_assert_int_eq(levin_put_in(db, ks, key, strlen(key), value, strlen(value), LEVIN_NONE), LEVIN_OK);
}

static levin_code t_put(levin_txn *t, const levin_keyspace *ks, const char *key, const char *value)
{
    return levin_txn_put_in(t, ks, key, strlen(key), value, strlen(value));
}

/* value NULL: absent */
static void expect(levin *db, const levin_keyspace *ks, const char *key, const char *value)
{
    char buffer[64];
    size_t bytes = 0;
    levin_code code = levin_get_in(db, ks, NULL, key, strlen(key), buffer, sizeof buffer, &bytes);
    ck_assert_int_eq(code, value ? LEVIN_OK : LEVIN_NOT_FOUND);
    if (value)
        ck_assert(bytes == strlen(value) && memcmp(buffer, value, bytes) == 0);
}

/* The same by each kind of read of a transaction. */
static void t_expect(levin *db, levin_txn *t, const levin_keyspace *ks, const char *key, const char *value)
{
    char one[64], many[64];
    size_t bytes = 0, n = strlen(key);
    void *copy;
    const levin_code wanted = value ? LEVIN_OK : LEVIN_NOT_FOUND;
    levin_get_request r = { .key = key, .key_bytes = n, .buffer = many, .capacity = sizeof many };
    ck_assert_int_eq(levin_txn_get_in(t, ks, key, n, one, sizeof one, &bytes), wanted);
    if (value)
        ck_assert(bytes == strlen(value) && memcmp(one, value, bytes) == 0);
    ck_assert_int_eq(levin_txn_contains_in(t, ks, key, n), wanted);
    ck_assert_int_eq(levin_txn_multi_get_in(t, ks, &r, 1), LEVIN_OK);
    ck_assert_int_eq(r.code, wanted);
    if (value)
        ck_assert(r.value_bytes == strlen(value) && memcmp(many, value, r.value_bytes) == 0);
    ck_assert_int_eq(levin_txn_get_alloc_in(t, ks, key, n, &copy, &bytes), wanted);
    if (value)
        ck_assert(bytes == strlen(value) && memcmp(copy, value, bytes) == 0);
    levin_free(db, copy);
}

/* The keys, "a b c", in both directions. */
static void t_keys(levin_txn *t, const levin_keyspace *ks, const char *keys)
{
    char forward[64] = "", backward[64] = "";
    levin_iter *it;
    ck_assert_int_eq(levin_txn_iter_open(t, &(levin_iter_options){ .keyspace = ks }, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        size_t n = strlen(forward);
        levin_slice key = levin_iter_key(it);
        snprintf(forward + n, sizeof forward - n, "%s%.*s", n ? " " : "", (int)key.size, (const char *)key.data);
    }
    for (bool on = levin_iter_last(it); on; on = levin_iter_prev(it)) {
        char before[64];
        levin_slice key = levin_iter_key(it);
        memcpy(before, backward, sizeof before);
        snprintf(backward, sizeof backward, "%.*s%s%.40s", (int)key.size, (const char *)key.data, *before ? " " : "",
                 before);
    }
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    ck_assert_str_eq(forward, keys);
    ck_assert_str_eq(backward, keys);
}

static levin_code finish(levin_txn *t)
{
    levin_code code = levin_txn_commit(t, LEVIN_SYNCED);
    levin_txn_destroy(t);
    return code;
}

static void store_close(levin *db, levin_keyspace *a, levin_keyspace *b)
{
    levin_keyspace_close(a);
    levin_keyspace_close(b);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
}

START_TEST(txn_keyspace__reads_and_writes_several_as_one)
{
    for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
        levin *db = begin();
        levin_keyspace *a = keyspace(db, "a"), *b = keyspace(db, "b");
        put(db, NULL, "k", "default");
        put(db, a, "k", "of a");
        put(db, b, "k", "of b");
        put(db, b, "m", "of b");
        if (checkpointed)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
        put(db, a, "later", "1");
        t_expect(db, t, a, "k", "of a");
        t_expect(db, t, a, "m", NULL);
        ck_assert_int_eq(t_put(t, a, "k", "new"), LEVIN_OK);
        ck_assert_int_eq(t_put(t, a, "n", ""), LEVIN_OK);
        ck_assert_int_eq(levin_txn_savepoint(t), LEVIN_OK);
        ck_assert_int_eq(t_put(t, b, "undone", "1"), LEVIN_OK);
        ck_assert_int_eq(levin_txn_delete_range_in(t, a, text(NULL), text(NULL)), LEVIN_OK);
        t_keys(t, a, "");
        t_keys(t, b, "k m undone");
        ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_OK);
        ck_assert_int_eq(levin_txn_delete_in(t, b, "k", 1), LEVIN_OK);
        ck_assert_int_eq(levin_txn_delete_prefix_in(t, b, "m", 1), LEVIN_OK);
        ck_assert_int_eq(t_put(t, NULL, "d", "2"), LEVIN_OK);
        t_expect(db, t, a, "k", "new");
        t_expect(db, t, a, "n", "");
        t_expect(db, t, b, "k", NULL);
        t_expect(db, t, b, "m", NULL);
        t_expect(db, t, NULL, "k", "default");
        t_keys(t, b, "");
        t_keys(t, NULL, "d k");
        expect(db, a, "k", "of a");
        levin_txn_destroy(t); /* nothing of it */
        expect(db, a, "k", "of a");
        t = txn_of(db, LEVIN_SERIALIZABLE);
        t_keys(t, a, "k later");
        ck_assert_int_eq(t_put(t, a, "k", "new"), LEVIN_OK);
        ck_assert_int_eq(levin_txn_delete_range_in(t, b, text("a"), text("l")), LEVIN_OK);
        ck_assert_int_eq(t_put(t, NULL, "d", "2"), LEVIN_OK);
        put(db, NULL, "later", "1"); /* the same key elsewhere is another one */
        ck_assert_int_eq(finish(t), LEVIN_OK);
        levin_keyspace_close(a);
        levin_keyspace_close(b);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        db = store_open();
        a = keyspace(db, "a");
        b = keyspace(db, "b");
        expect(db, a, "k", "new");
        expect(db, b, "k", NULL);
        expect(db, b, "m", "of b");
        expect(db, NULL, "d", "2");
        expect(db, NULL, "k", "default");
        store_close(db, a, b);
        end();
    }
}
END_TEST

/* One reads a and writes b, the other the other way round. */
START_TEST(txn_keyspace__conflicts_are_seen_across_keyspaces)
{
    for (int serializable = 0; serializable < 2; serializable++) {
        const levin_isolation isolation = serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT;
        levin *db = begin();
        levin_keyspace *a = keyspace(db, "a"), *b = keyspace(db, "b");
        put(db, a, "k", "1");
        put(db, b, "k", "1");
        levin_txn *t1 = txn_of(db, isolation), *t2 = txn_of(db, isolation), *t3 = txn_of(db, isolation);
        t_expect(db, t1, a, "k", "1");
        t_expect(db, t2, b, "k", "1");
        ck_assert_int_eq(t_put(t1, b, "k", "2"), LEVIN_OK);
        ck_assert_int_eq(t_put(t2, a, "k", "2"), LEVIN_OK);
        ck_assert_int_eq(t_put(t3, b, "k", "3"), LEVIN_OK);
        ck_assert_int_eq(t_put(t3, NULL, "k", "3"), LEVIN_OK);
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        ck_assert_int_eq(finish(t2), serializable ? LEVIN_CONFLICT : LEVIN_OK); /* write skew */
        ck_assert_int_eq(finish(t3), LEVIN_CONFLICT);                           /* lost update */
        expect(db, b, "k", "2");
        expect(db, a, "k", serializable ? "1" : "2");
        expect(db, NULL, "k", NULL);
        store_close(db, a, b);
        end();
    }
}
END_TEST

/* All of one, and nothing of the other one's same keys: a phantom in the second is one. */
START_TEST(txn_keyspace__a_range_seen_in_one_says_nothing_of_another)
{
    for (int way = 0; way < 4; way++) {
        levin *db = begin();
        levin_keyspace *a = keyspace(db, "a");
        const levin_keyspace *first = way & 1 ? a : NULL, *second = way & 1 ? NULL : a;
        levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
        t_keys(t, first, "");
        t_keys(t, second, "");
        put(db, way & 2 ? first : second, "k", "phantom");
        ck_assert_int_eq(t_put(t, NULL, "zz", "1"), LEVIN_OK);
        ck_assert_int_eq(finish(t), LEVIN_CONFLICT);
        store_close(db, a, NULL);
        end();
    }
}
END_TEST

/* ---- drops ---- */

enum touch { TOUCH_PUT, TOUCH_RANGE, TOUCH_GET, TOUCH_GET_ABSENT, TOUCH_ITER, TOUCH_OWN, TOUCH_UNDONE, TOUCHES };

static void touch(levin *db, levin_txn *t, const levin_keyspace *ks, enum touch how)
{
    levin_iter *it;
    switch (how) {
    case TOUCH_PUT: ck_assert_int_eq(t_put(t, ks, "fresh", "1"), LEVIN_OK); break;
    case TOUCH_RANGE: ck_assert_int_eq(levin_txn_delete_prefix_in(t, ks, "nothing", 7), LEVIN_OK); break;
    case TOUCH_GET: t_expect(db, t, ks, "k", "of a"); break;
    case TOUCH_GET_ABSENT: t_expect(db, t, ks, "none", NULL); break;
    case TOUCH_ITER:
        ck_assert_int_eq(levin_txn_iter_open(t, &(levin_iter_options){ .keyspace = ks, .prefix = text("z") }, &it),
                         LEVIN_OK);
        ck_assert(!levin_iter_first(it));
        levin_iter_close(it);
        break;
    case TOUCH_OWN:
    case TOUCH_UNDONE:
        ck_assert_int_eq(levin_txn_savepoint(t), LEVIN_OK);
        ck_assert_int_eq(t_put(t, ks, "fresh", "1"), LEVIN_OK);
        t_expect(db, t, ks, "fresh", "1");
        if (how == TOUCH_UNDONE)
            ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_OK);
        break;
    default: ck_abort();
    }
}

START_TEST(txn_keyspace__dropped_meanwhile)
{
    for (int way = 0; way < 8 * TOUCHES; way++) {
        const enum touch how = (enum touch)(way / 8);
        const bool serializable = way & 1, again = way & 2, checkpointed = way & 4;
        const bool reads = how == TOUCH_GET || how == TOUCH_GET_ABSENT || how == TOUCH_ITER;
        const bool writes = how == TOUCH_PUT || how == TOUCH_RANGE || how == TOUCH_OWN;
        levin *db = begin();
        levin_keyspace *a = keyspace(db, "a"), *b = keyspace(db, "b");
        put(db, a, "k", "of a");
        levin_txn *t = txn_of(db, serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT);
        ck_assert_int_eq(t_put(t, b, "mark", "1"), LEVIN_OK);
        touch(db, t, a, how);
        drop(db, "a");
        levin_keyspace *fresh = again ? keyspace(db, "a") : NULL; /* of the same name, another one */
        if (again)
            put(db, fresh, "k", "of a");
        if (checkpointed)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        if (way % 3 == 0) { /* the transaction holds what it needs */
            levin_keyspace_close(a);
            a = NULL;
        } else {
            ck_assert_int_eq(t_put(t, a, "k", "2"), LEVIN_NO_KEYSPACE);
            if (!serializable)
                t_expect(db, t, a, "k", "of a");
        }
        const levin_code code = levin_txn_commit(t, LEVIN_LOGGED);
        ck_assert_int_eq(code, writes                  ? LEVIN_NO_KEYSPACE
                               : reads && serializable ? LEVIN_CONFLICT
                                                       : LEVIN_OK);
        expect(db, b, "mark", code == LEVIN_OK ? "1" : NULL);
        if (how == TOUCH_OWN) {
            ck_assert_int_eq(levin_txn_commit(t, LEVIN_LOGGED), LEVIN_NO_KEYSPACE);
            ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_OK);
            ck_assert_int_eq(levin_txn_commit(t, LEVIN_LOGGED), LEVIN_OK);
            expect(db, b, "mark", "1");
        }
        levin_txn_destroy(t);
        if (again)
            expect(db, fresh, "fresh", NULL);
        levin_keyspace_close(fresh);
        store_close(db, a, b);
        end();
    }
}
END_TEST

START_TEST(txn_keyspace__begun_after_the_drop_finds_nothing_to_use)
{
    levin *db = begin();
    levin_keyspace *a = keyspace(db, "a");
    levin_iter *it;
    char value[16];
    size_t bytes;
    put(db, a, "k", "1");
    drop(db, "a");
    levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
    levin_get_request r = { .key = "k", .key_bytes = 1, .buffer = value, .capacity = sizeof value };
    ck_assert_int_eq(levin_txn_get_in(t, a, "k", 1, value, sizeof value, &bytes), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_txn_contains_in(t, a, "k", 1), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_txn_multi_get_in(t, a, &r, 1), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_txn_delete_in(t, a, "k", 1), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_txn_delete_range_in(t, a, text("k"), text("l")), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_txn_iter_open(t, &(levin_iter_options){ .keyspace = a }, &it), LEVIN_NO_KEYSPACE);
    ck_assert_ptr_null(it);
    ck_assert_int_eq(t_put(t, NULL, "k", "1"), LEVIN_OK);
    ck_assert_int_eq(finish(t), LEVIN_OK); /* what was refused has left nothing behind */
    levin_slice value_of = text("1"), actual;
    ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, NULL, &value_of, LEVIN_NONE, &actual),
                     LEVIN_NO_KEYSPACE);
    ck_assert_ptr_null(actual.data);
    store_close(db, a, NULL);
    end();
}
END_TEST

/* ---- compare and swap ---- */

START_TEST(txn_keyspace__compare_and_swap_is_about_its_keyspace)
{
    static const char long_key[1100] = { 'l' };
    levin *db = begin();
    levin_keyspace *a = keyspace(db, "a"), *b = keyspace(db, "b");
    const levin_slice one = text("1"), two = text("2");
    levin_slice actual;
    for (int layer = 0; layer < 2; layer++) {
        put(db, b, "k", "2");
        put(db, NULL, "k", "2");
        ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, &one, &two, LEVIN_NONE, NULL), LEVIN_CONFLICT);
        ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, NULL, &one, LEVIN_NONE, NULL), LEVIN_OK);
        if (layer)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, NULL, &two, LEVIN_NONE, &actual), LEVIN_CONFLICT);
        ck_assert(actual.size == 1 && *(const char *)actual.data == '1');
        levin_free(db, (void *)(uintptr_t)actual.data);
        expect(db, a, "k", "1");
        ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, &one, &two, LEVIN_NONE, &actual), LEVIN_OK);
        expect(db, a, "k", "2");
        ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, &two, NULL, LEVIN_NONE, NULL), LEVIN_OK);
        expect(db, a, "k", NULL);
        expect(db, b, "k", "2");
        expect(db, NULL, "k", "2");
    }
    ck_assert_int_eq(levin_compare_and_swap_in(db, NULL, "k", 1, &two, &one, LEVIN_NONE, NULL), LEVIN_OK);
    expect(db, NULL, "k", "1");
    ck_assert_int_eq(levin_compare_and_swap_in(db, a, long_key, 1021, NULL, &one, LEVIN_NONE, NULL), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_compare_and_swap_in(db, a, long_key, 1100, &one, &one, LEVIN_NONE, NULL), LEVIN_CONFLICT);
    ck_assert_int_eq(levin_compare_and_swap_in(db, a, "", 0, NULL, &one, LEVIN_NONE, NULL), LEVIN_INVALID);

    /* a batch of the same group stands before it */
    levin_batch *batch;
    levin_ticket *ticket;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_batch_put_in(batch, a, "k", 1, "2", 1), LEVIN_OK);
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_compare_and_swap_in(db, a, "k", 1, NULL, &one, LEVIN_NONE, NULL), LEVIN_CONFLICT);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    expect(db, a, "k", "2");
    levin_batch_destroy(batch);
    store_close(db, a, b);
    end();
}
END_TEST

/* ---- failures ---- */

static levin_code transact(levin_txn *t, const levin_keyspace *a, const levin_keyspace *b)
{
    static char big[3000];
    char value[16];
    size_t bytes;
    levin_iter *it = NULL;
    levin_code code = levin_txn_get_in(t, a, "base", 4, value, sizeof value, &bytes);
    if (code == LEVIN_OK)
        code = levin_txn_iter_open(t, &(levin_iter_options){ .keyspace = b }, &it);
    if (code == LEVIN_OK) {
        while (levin_iter_next(it) || (!levin_iter_valid(it) && levin_iter_first(it) && levin_iter_next(it))) {
        }
        code = levin_iter_status(it);
    }
    levin_iter_close(it);
    if (code == LEVIN_OK)
        code = levin_txn_put_in(t, a, "k", 1, "1", 1);
    if (code == LEVIN_OK)
        code = levin_txn_put_in(t, b, "k", 1, big, sizeof big);
    if (code == LEVIN_OK)
        code = levin_txn_delete_range_in(t, b, text("x"), text("y"));
    if (code == LEVIN_OK)
        code = levin_txn_put(t, "k", 1, "1", 1);
    if (code == LEVIN_OK)
        code = levin_txn_commit(t, LEVIN_SYNCED);
    return code;
}

/* How many of the three have the key. */
static int written(levin *db, const levin_keyspace *a, const levin_keyspace *b)
{
    return (levin_contains_in(db, NULL, NULL, "k", 1) == LEVIN_OK) +
           (levin_contains_in(db, a, NULL, "k", 1) == LEVIN_OK) +
           (levin_contains_in(db, b, NULL, "k", 1) == LEVIN_OK);
}

START_TEST(txn_keyspace__every_failure_leaves_nothing_or_all)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            levin *db = begin();
            levin_keyspace *a = keyspace(db, "a"), *b = keyspace(db, "b");
            levin_txn *t;
            put(db, a, "base", "1");
            put(db, b, "x1", "1");
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = levin_txn_begin(db, NULL, &t), again = LEVIN_OK;
            if (code == LEVIN_OK)
                code = transact(t, a, b);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert_int_ne(code, LEVIN_CONFLICT);
            ck_assert_int_ne(code, LEVIN_NO_KEYSPACE);
            ck_assert(fired || code == LEVIN_OK);
            ck_assert_int_eq(written(db, a, b), code == LEVIN_OK ? 3 : 0);
            if (code != LEVIN_OK && t) {
                again = transact(t, a, b);
                ck_assert(again == LEVIN_OK || again == LEVIN_POISONED);
                ck_assert_int_eq(written(db, a, b), again == LEVIN_OK ? 3 : 0);
            }
            levin_txn_destroy(t);
            levin_keyspace_close(a);
            levin_keyspace_close(b);
            ck_assert_int_eq(levin_close(db), again == LEVIN_POISONED ? LEVIN_POISONED : LEVIN_OK);
            db = store_open();
            a = keyspace(db, "a");
            b = keyspace(db, "b");
            int found = written(db, a, b);
            ck_assert(again == LEVIN_POISONED ? found % 3 == 0 : found == (t ? 3 : 0));
            ck_assert_int_eq(levin_contains_in(db, b, NULL, "x1", 2), found ? LEVIN_NOT_FOUND : LEVIN_OK);
            store_close(db, a, b);
            end();
        }
    }
}
END_TEST

START_TEST(txn_keyspace__every_failure_of_a_swap_leaves_the_value)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            levin *db = begin();
            levin_keyspace *a = keyspace(db, "a");
            static char big[20000];
            const levin_slice expected = { big, sizeof big }, desired = text("2");
            ck_assert_int_eq(levin_put_in(db, a, "k", 1, big, sizeof big, LEVIN_SYNCED), LEVIN_OK);
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = levin_compare_and_swap_in(db, a, "k", 1, &expected, &desired, LEVIN_SYNCED, NULL);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert(code == LEVIN_OK || (fired && code != LEVIN_CONFLICT && code != LEVIN_NO_KEYSPACE));
            void *value;
            size_t bytes;
            ck_assert_int_eq(levin_get_alloc_in(db, a, NULL, "k", 1, &value, &bytes), LEVIN_OK);
            ck_assert_uint_eq(bytes, code == LEVIN_OK ? 1 : sizeof big);
            levin_free(db, value);
            levin_keyspace_close(a);
            levin_code closed = levin_close(db);
            ck_assert(closed == LEVIN_OK || closed == LEVIN_POISONED);
            end();
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("txn_keyspace", TEST(txn_keyspace__reads_and_writes_several_as_one),
                TEST(txn_keyspace__conflicts_are_seen_across_keyspaces),
                TEST(txn_keyspace__a_range_seen_in_one_says_nothing_of_another),
                TEST(txn_keyspace__dropped_meanwhile),
                TEST(txn_keyspace__begun_after_the_drop_finds_nothing_to_use),
                TEST(txn_keyspace__compare_and_swap_is_about_its_keyspace),
                TEST(txn_keyspace__every_failure_leaves_nothing_or_all),
                TEST(txn_keyspace__every_failure_of_a_swap_leaves_the_value))
