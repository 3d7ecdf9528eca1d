/*
 * txn_test.c - transactions through levin.h, on a simulated disk.
 *
 * Invariants checked: a transaction reads the state of its beginning and its own writes; it is committed whole or
 * refused; the anomalies of Berenson et al. (1995) and of Hermitage's list happen at the isolation that allows them and
 * at no other; committed histories are serial ones; a failed call or allocation gives an error and changes nothing.
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

static levin_txn *txn_of(levin *db, levin_isolation isolation)
{
    levin_txn_options o;
    levin_txn *t;
    levin_txn_options_init(&o);
    o.isolation = isolation;
    ck_assert_int_eq(levin_txn_begin(db, &o, &t), LEVIN_OK);
    return t;
}

static void put(levin *db, const char *key, const char *value)
{
    ck_assert_int_eq(levin_put(db, key, strlen(key), value, strlen(value), LEVIN_NONE), LEVIN_OK);
}

static void t_put(levin_txn *t, const char *key, const char *value)
{
    ck_assert_int_eq(levin_txn_put(t, key, strlen(key), value, strlen(value)), LEVIN_OK);
}

static void t_delete(levin_txn *t, const char *key)
{
    ck_assert_int_eq(levin_txn_delete(t, key, strlen(key)), LEVIN_OK);
}

static void expect_code(levin_code code, const char *buffer, size_t bytes, const char *value)
{
    if (!value) {
        ck_assert_int_eq(code, LEVIN_NOT_FOUND);
        return;
    }
    ck_assert_int_eq(code, LEVIN_OK);
    ck_assert_uint_eq(bytes, strlen(value));
    ck_assert_mem_eq(buffer, value, bytes);
}

/* value NULL: absent */
static void expect(levin *db, const char *key, const char *value)
{
    char buffer[64];
    size_t bytes = 0;
    levin_code code = levin_get(db, NULL, key, strlen(key), buffer, sizeof buffer, &bytes);
    expect_code(code, buffer, bytes, value);
}

static void t_expect(levin_txn *t, const char *key, const char *value)
{
    char buffer[64];
    size_t bytes = 0;
    levin_code code = levin_txn_get(t, key, strlen(key), buffer, sizeof buffer, &bytes);
    expect_code(code, buffer, bytes, value);
}

/* Commits and destroys. */
static levin_code finish(levin_txn *t)
{
    levin_code code = levin_txn_commit(t, LEVIN_SYNCED);
    levin_txn_destroy(t);
    return code;
}

static levin_stats stats_of(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s;
}

/* ---- what a transaction sees and leaves ---- */

START_TEST(txn__reads_its_beginning_and_its_own_writes)
{
    levin *db = begin();
    put(db, "a", "1");
    put(db, "b", "2");
    levin_txn *t = txn_of(db, LEVIN_SNAPSHOT);
    put(db, "a", "later");
    put(db, "n", "later");
    t_expect(t, "a", "1");
    t_expect(t, "n", NULL);
    t_put(t, "c", "3");
    t_put(t, "c", "33");
    t_delete(t, "b");
    t_put(t, "e", "");
    t_expect(t, "b", NULL);
    t_expect(t, "c", "33");
    t_expect(t, "e", "");
    ck_assert_int_eq(levin_txn_contains(t, "c", 1), LEVIN_OK);
    ck_assert_int_eq(levin_txn_contains(t, "b", 1), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_txn_contains(t, "a", 1), LEVIN_OK);
    size_t bytes;
    void *value;
    ck_assert_int_eq(levin_txn_get(t, "c", 1, NULL, 0, &bytes), LEVIN_TOO_SMALL);
    ck_assert_uint_eq(bytes, 2);
    ck_assert_int_eq(levin_txn_get_alloc(t, "c", 1, &value, &bytes), LEVIN_OK);
    ck_assert_mem_eq(value, "33", 2);
    levin_free(db, value);
    ck_assert_int_eq(levin_txn_get_alloc(t, "a", 1, &value, &bytes), LEVIN_OK);
    ck_assert_mem_eq(value, "1", 1);
    levin_free(db, value);
    ck_assert_int_eq(levin_txn_get_alloc(t, "b", 1, &value, &bytes), LEVIN_NOT_FOUND);
    expect(db, "b", "2"); /* nobody else sees it */
    expect(db, "c", NULL);
    ck_assert_int_eq(levin_txn_commit(t, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_txn_put(t, "x", 1, "y", 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_get(t, "a", 1, NULL, 0, &bytes), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_commit(t, LEVIN_SYNCED), LEVIN_INVALID);
    levin_txn_destroy(t);
    levin_txn_destroy(NULL);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    expect(db, "a", "later");
    expect(db, "b", NULL);
    expect(db, "c", "33");
    expect(db, "e", "");
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(txn__multi_get_mixes_own_writes_and_the_base)
{
    enum { N = 50 };
    levin *db = begin();
    char key[N][16], buffer[N][8];
    levin_get_request r[N];
    for (int i = 0; i < N; i++) {
        snprintf(key[i], sizeof key[i], "k%02d", i);
        if (i % 2)
            put(db, key[i], "base");
    }
    levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
    for (int i = 0; i < N; i++) {
        if (i % 3 == 0)
            t_put(t, key[i], "own");
        if (i % 5 == 0)
            t_delete(t, key[i]);
        r[i] = (levin_get_request){ .key = key[i], .key_bytes = 3, .buffer = buffer[i], .capacity = 8 };
    }
    r[7].capacity = 2;
    r[8].key_bytes = 0;
    ck_assert_int_eq(levin_txn_multi_get(t, r, N), LEVIN_INVALID); /* of request 8 */
    for (int i = 0; i < N; i++) {
        const char *value = i % 5 == 0 ? NULL : i % 3 == 0 ? "own" : i % 2 ? "base" : NULL;
        if (i == 7)
            ck_assert_int_eq(r[i].code, LEVIN_TOO_SMALL);
        else if (i == 8)
            ck_assert_int_eq(r[i].code, LEVIN_INVALID);
        else
            expect_code(r[i].code, buffer[i], r[i].value_bytes, value);
    }
    put(db, key[14], "new"); /* an absent key that was asked for */
    ck_assert_int_eq(finish(t), LEVIN_CONFLICT);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(txn__without_writes_never_conflicts_and_costs_no_commit)
{
    levin *db = begin();
    put(db, "a", "1");
    levin_stats before = stats_of(db);
    levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
    t_expect(t, "a", "1");
    t_expect(t, "b", NULL);
    levin_txn *rolled_back = txn_of(db, LEVIN_SERIALIZABLE);
    t_put(rolled_back, "a", "never");
    ck_assert_uint_eq(stats_of(db).snapshots - before.snapshots, 2);
    levin_txn_destroy(rolled_back);
    put(db, "a", "2");
    put(db, "b", "2");
    levin_stats middle = stats_of(db);
    t_expect(t, "a", "1");
    ck_assert_int_eq(finish(t), LEVIN_OK);
    levin_stats after = stats_of(db);
    ck_assert_uint_eq(after.groups, middle.groups);
    ck_assert_uint_eq(after.wal_writes, middle.wal_writes);
    ck_assert_uint_eq(after.transactions, 2);
    ck_assert_uint_eq(after.transactions_committed, 1);
    ck_assert_uint_eq(after.transactions_refused, 0);
    ck_assert_uint_eq(after.snapshots, before.snapshots);
    expect(db, "a", "2");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(txn__keeps_to_its_limit)
{
    levin *db = begin();
    levin_txn_options o;
    levin_txn *t;
    char key[16];
    static char big[100 << 10];
    levin_txn_options_init(&o);
    o.memory_bytes = 64 << 10;
    ck_assert_int_eq(levin_txn_begin(db, &o, &t), LEVIN_OK);
    ck_assert_int_eq(levin_txn_put(t, "big", 3, big, sizeof big), LEVIN_TOO_BIG);
    levin_code code = LEVIN_OK;
    int writes = 0, reads = 0;
    for (; code == LEVIN_OK && writes < 300; writes++) {
        snprintf(key, sizeof key, "w%d", writes);
        code = levin_txn_put(t, key, strlen(key), big, 50);
    }
    ck_assert_int_eq(code, LEVIN_OK);
    for (code = LEVIN_NOT_FOUND; code == LEVIN_NOT_FOUND && reads < 100000; reads++) {
        snprintf(key, sizeof key, "r%d", reads);
        code = levin_txn_contains(t, key, strlen(key));
    }
    ck_assert_int_eq(code, LEVIN_TOO_BIG);
    ck_assert_int_gt(reads, 100);
    ck_assert_uint_lt(stats_of(db).memory_bytes, 2 << 20);
    ck_assert_int_eq(finish(t), LEVIN_OK);
    ck_assert_uint_eq(stats_of(db).puts, 300);
    o.memory_bytes = 1;
    ck_assert_int_eq(levin_txn_begin(db, &o, &t), LEVIN_INVALID);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(levin_txn_begin(db, NULL, &t), LEVIN_OK);
    ck_assert_int_eq(levin_txn_put(t, "", 0, "x", 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_put(t, big, 1025, "x", 1), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_txn_contains(t, big, 1025), LEVIN_NOT_FOUND);
    levin_txn_destroy(t);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(txn__savepoints_nest_and_undo)
{
    levin *db = begin();
    put(db, "a", "1");
    put(db, "r1", "1");
    put(db, "r2", "1");
    levin_txn *t = txn_of(db, LEVIN_SNAPSHOT);
    ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_savepoint(t), LEVIN_OK); /* before anything is written */
    t_put(t, "a", "2");
    t_put(t, "b", "2");
    ck_assert_int_eq(levin_txn_savepoint(t), LEVIN_OK);
    char key[16];
    for (int i = 0; i < 500; i++) { /* more than one node */
        snprintf(key, sizeof key, "n%03d", i);
        t_put(t, key, "x");
    }
    t_delete(t, "b");
    t_put(t, "a", "3");
    ck_assert_int_eq(levin_txn_delete_range(t, (levin_slice){ "r", 1 }, (levin_slice){ "s", 1 }), LEVIN_OK);
    t_expect(t, "r1", NULL);
    levin_iter *it; /* stands on what is going to be undone */
    ck_assert_int_eq(levin_txn_iter_open(t, &(levin_iter_options){ .prefix = { "n", 1 } }, &it), LEVIN_OK);
    ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_OK);
    t_expect(t, "a", "2");
    t_expect(t, "b", "2");
    t_expect(t, "n007", NULL);
    t_expect(t, "r1", "1");
    t_put(t, "n007", "again");
    int n = 0;
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        n++;
    ck_assert_int_eq(n, 500);
    levin_iter_close(it);
    ck_assert_int_eq(levin_txn_savepoint(t), LEVIN_OK);
    t_delete(t, "n007");
    t_expect(t, "n007", NULL);
    ck_assert_int_eq(levin_txn_rollback_to_savepoint(t), LEVIN_OK);
    t_expect(t, "n007", "again");
    levin_txn *undone = txn_of(db, LEVIN_SNAPSHOT); /* nothing is left of it, so nothing can conflict */
    ck_assert_int_eq(levin_txn_savepoint(undone), LEVIN_OK);
    t_put(undone, "a", "undone");
    ck_assert_int_eq(levin_txn_rollback_to_savepoint(undone), LEVIN_OK);
    ck_assert_int_eq(levin_txn_savepoint(undone), LEVIN_OK); /* left for the end */
    ck_assert_int_eq(finish(t), LEVIN_OK);
    ck_assert_int_eq(finish(undone), LEVIN_OK);
    expect(db, "a", "2");
    expect(db, "b", "2");
    expect(db, "n007", "again");
    expect(db, "n008", NULL);
    expect(db, "r2", "1");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

/* ---- conflicts ---- */

/* The key "k"; "-": deletes it. */
static void write_k(levin *db, const char *value)
{
    if (value[0] == '-')
        ck_assert_int_eq(levin_delete(db, "k", 1, LEVIN_NONE), LEVIN_OK);
    else
        put(db, "k", value);
}

START_TEST(txn__change_is_seen_whatever_layer_it_went_to)
{
    /* what the key "k" is, what happens to it between begin and commit ("-": absent, delete); whether it has changed */
    static const struct {
        const char *before, *meanwhile[2];
        bool changed;
    } cases[] = {
        { "1", { "2" }, true },      { "1", { "1" }, false }, { "1", { "2", "1" }, false },
        { "-", { "1" }, true },      { "1", { "-" }, true },  { "-", { "1", "-" }, false },
        { "1", { "-", "1" }, false }, { "-", { "-" }, false }, { "1", { "" }, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int way = 0; way < 32; way++) { /* checkpoints before, between and after; written or read */
            levin *db = begin();
            put(db, "other", "x");
            write_k(db, cases[i].before);
            if (way & 1)
                ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            levin_txn *t = txn_of(db, way & 8 ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT);
            bool depends = way & 8 || !(way & 16); /* snapshot isolation does not look at what was read */
            t_expect(t, "k", cases[i].before[0] == '-' ? NULL : cases[i].before);
            if (way & 16)
                t_put(t, "own", "1");
            else
                t_put(t, "k", "mine");
            for (int m = 0; m < 2 && cases[i].meanwhile[m]; m++) {
                write_k(db, cases[i].meanwhile[m]);
                if (way & (2 << m))
                    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            }
            levin_code code = finish(t);
            ck_assert_msg(code == (cases[i].changed && depends ? LEVIN_CONFLICT : LEVIN_OK), "case %zu, way %d: %s", i,
                          way, levin_code_name(code));
            if (code == LEVIN_CONFLICT)
                expect(db, "own", NULL);
            else
                expect(db, way & 16 ? "own" : "k", way & 16 ? "1" : "mine");
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            end();
        }
    }
}
END_TEST

START_TEST(txn__batch_before_it_in_its_group_counts)
{
    for (int serializable = 0; serializable < 2; serializable++) {
        levin *db = begin();
        levin_batch *batch;
        levin_ticket *ticket;
        put(db, "k", "1");
        ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
        ck_assert_int_eq(levin_batch_put(batch, "k", 1, "2", 1), LEVIN_OK);
        levin_txn *t = txn_of(db, serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT);
        t_expect(t, "k", "1");
        t_put(t, serializable ? "other" : "k", "3");
        ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
        ck_assert_int_eq(finish(t), LEVIN_CONFLICT);
        ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
        expect(db, "k", "2");
        expect(db, "other", NULL);
        ck_assert_uint_eq(stats_of(db).transactions_refused, 1);
        levin_batch_destroy(batch);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        end();
    }
}
END_TEST

START_TEST(txn__values_in_extents_are_compared)
{
    enum { BIG = 30000 };
    static char one[BIG], two[BIG];
    memset(one, '1', BIG);
    memset(two, '1', BIG);
    two[BIG - 1] = '2';
    for (int way = 0; way < 8; way++) {
        levin *db = begin();
        ck_assert_int_eq(levin_put(db, "k", 1, one, BIG, LEVIN_NONE), LEVIN_OK);
        if (way & 1)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        levin_txn *t = txn_of(db, LEVIN_SERIALIZABLE);
        ck_assert_int_eq(levin_txn_contains(t, "k", 1), LEVIN_OK);
        t_put(t, "own", "1");
        ck_assert_int_eq(levin_put(db, "k", 1, way & 4 ? two : one, BIG, LEVIN_NONE), LEVIN_OK);
        if (way & 2)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        ck_assert_int_eq(finish(t), way & 4 ? LEVIN_CONFLICT : LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        end();
    }
}
END_TEST

/* ---- anomalies; x = 10 and y = 20 in the beginning ---- */

static levin *begin_xy(void)
{
    levin *db = begin();
    put(db, "x", "10");
    put(db, "y", "20");
    return db;
}

static void end_xy(levin *db, const char *x, const char *y)
{
    expect(db, "x", x);
    expect(db, "y", y);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}

static const levin_isolation both[] = { LEVIN_SNAPSHOT, LEVIN_SERIALIZABLE };

START_TEST(txn__no_dirty_write_no_dirty_read)
{
    for (int i = 0; i < 2; i++) { /* G0, G1a, G1b */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]), *reader;
        t_put(t1, "x", "11");
        t_put(t2, "x", "12");
        t_put(t1, "y", "21");
        t_put(t1, "x", "13");
        reader = txn_of(db, both[i]);
        t_expect(reader, "x", "10");
        t_expect(t2, "y", "20");
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        t_put(t2, "y", "22");
        ck_assert_int_eq(finish(t2), LEVIN_CONFLICT);
        t_expect(reader, "y", "20");
        ck_assert_int_eq(finish(reader), LEVIN_OK);
        levin_txn *aborted = txn_of(db, both[i]);
        t_put(aborted, "x", "99");
        levin_txn_destroy(aborted);
        end_xy(db, "13", "21");
    }
}
END_TEST

START_TEST(txn__no_circular_information_flow)
{
    for (int i = 0; i < 2; i++) { /* G1c: neither sees the other's write; in a serial order one would */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_put(t1, "x", "11");
        t_put(t2, "y", "22");
        t_expect(t1, "y", "20");
        t_expect(t2, "x", "10");
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        ck_assert_int_eq(finish(t2), i ? LEVIN_CONFLICT : LEVIN_OK);
        end_xy(db, "11", i ? "20" : "22");
    }
}
END_TEST

START_TEST(txn__no_observed_transaction_vanishes)
{
    for (int i = 0; i < 2; i++) { /* OTV */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_put(t1, "x", "11");
        t_put(t1, "y", "19");
        t_put(t2, "x", "12");
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        levin_txn *t3 = txn_of(db, both[i]);
        t_expect(t3, "x", "11");
        t_put(t2, "y", "18");
        ck_assert_int_eq(finish(t2), LEVIN_CONFLICT);
        t_expect(t3, "y", "19");
        t_expect(t3, "x", "11");
        ck_assert_int_eq(finish(t3), LEVIN_OK);
        end_xy(db, "11", "19");
    }
}
END_TEST

START_TEST(txn__no_lost_update)
{
    for (int i = 0; i < 2; i++) { /* P4 */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_expect(t1, "x", "10");
        t_expect(t2, "x", "10");
        t_put(t1, "x", "11");
        t_put(t2, "x", "11");
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        ck_assert_int_eq(finish(t2), LEVIN_CONFLICT);
        end_xy(db, "11", "20");
    }
}
END_TEST

START_TEST(txn__no_read_skew)
{
    for (int i = 0; i < 2; i++) { /* G-single, with a write that depends on it */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_expect(t1, "x", "10");
        t_expect(t2, "x", "10");
        t_expect(t2, "y", "20");
        t_put(t2, "x", "12");
        t_put(t2, "y", "18");
        ck_assert_int_eq(finish(t2), LEVIN_OK);
        t_expect(t1, "y", "20");
        t_delete(t1, "y");
        ck_assert_int_eq(finish(t1), LEVIN_CONFLICT);
        end_xy(db, "12", "18");
    }
}
END_TEST

START_TEST(txn__write_skew_under_snapshot_only)
{
    for (int i = 0; i < 2; i++) { /* G2-item */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_expect(t1, "x", "10");
        t_expect(t1, "y", "20");
        t_expect(t2, "x", "10");
        t_expect(t2, "y", "20");
        t_put(t1, "x", "11");
        t_put(t2, "y", "21");
        ck_assert_int_eq(finish(t1), LEVIN_OK);
        ck_assert_int_eq(finish(t2), i ? LEVIN_CONFLICT : LEVIN_OK);
        end_xy(db, "11", i ? "20" : "21");
    }
}
END_TEST

START_TEST(txn__read_only_anomaly_under_snapshot_only)
{
    for (int i = 0; i < 2; i++) { /* Fekete, O'Neil, O'Neil, 2004: the reader makes the history not serial */
        levin *db = begin_xy();
        levin_txn *t1 = txn_of(db, both[i]), *t2 = txn_of(db, both[i]);
        t_expect(t1, "x", "10");
        t_expect(t1, "y", "20");
        t_put(t2, "y", "40");
        ck_assert_int_eq(finish(t2), LEVIN_OK);
        levin_txn *reader = txn_of(db, both[i]);
        t_expect(reader, "x", "10");
        t_expect(reader, "y", "40");
        ck_assert_int_eq(finish(reader), LEVIN_OK);
        t_put(t1, "x", "-1");
        ck_assert_int_eq(finish(t1), i ? LEVIN_CONFLICT : LEVIN_OK);
        end_xy(db, i ? "10" : "-1", "40");
    }
}
END_TEST

START_TEST(txn__absent_key_that_was_read_is_read)
{
    levin *db = begin_xy(); /* two who each find that nobody is there */
    levin_txn *t1 = txn_of(db, LEVIN_SERIALIZABLE), *t2 = txn_of(db, LEVIN_SERIALIZABLE);
    t_expect(t1, "a", NULL);
    t_expect(t2, "b", NULL);
    t_put(t1, "b", "1");
    t_put(t2, "a", "1");
    ck_assert_int_eq(finish(t1), LEVIN_OK);
    ck_assert_int_eq(finish(t2), LEVIN_CONFLICT);
    expect(db, "a", NULL);
    end_xy(db, "10", "20");
}
END_TEST

/* ---- failures ---- */

/* Counts what is there of the transaction's two keys. */
static int written(levin *db)
{
    return (levin_contains(db, NULL, "k1", 2) == LEVIN_OK) + (levin_contains(db, NULL, "k2", 2) == LEVIN_OK) +
           3 * (levin_contains(db, NULL, "undone", 6) == LEVIN_OK);
}

static levin_code transact(levin_txn *t)
{
    levin_code code = levin_txn_contains(t, "base", 4);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = levin_txn_savepoint(t);
    if (code == LEVIN_OK)
        code = levin_txn_put(t, "undone", 6, "1", 1);
    if (code == LEVIN_OK)
        code = levin_txn_rollback_to_savepoint(t);
    if (code == LEVIN_OK)
        code = levin_txn_put(t, "k1", 2, "1", 1);
    static char big[3000];
    if (code == LEVIN_OK)
        code = levin_txn_put(t, "k2", 2, big, sizeof big);
    if (code == LEVIN_OK)
        code = levin_txn_commit(t, LEVIN_SYNCED);
    return code;
}

START_TEST(txn__every_failure_leaves_nothing_or_all)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            levin *db = begin();
            levin_txn *t;
            put(db, "base", "1");
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = levin_txn_begin(db, NULL, &t), again = LEVIN_OK;
            ck_assert_int_eq(t != NULL, code == LEVIN_OK);
            if (code == LEVIN_OK)
                code = transact(t);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert_int_ne(code, LEVIN_CONFLICT);
            ck_assert(fired || code == LEVIN_OK);
            ck_assert_int_eq(written(db), code == LEVIN_OK ? 2 : 0);
            if (code != LEVIN_OK && t) { /* it is still there, and can be brought to its end */
                again = transact(t);
                ck_assert(again == LEVIN_OK || again == LEVIN_POISONED);
                ck_assert_int_eq(written(db), again == LEVIN_OK ? 2 : 0);
            }
            levin_txn_destroy(t);
            ck_assert_int_eq(levin_close(db), again == LEVIN_POISONED ? LEVIN_POISONED : LEVIN_OK);
            db = store_open();
            int found = written(db);
            ck_assert(again == LEVIN_POISONED ? found != 1 : found == (t ? 2 : 0));
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            end();
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("txn", TEST(txn__reads_its_beginning_and_its_own_writes),
                TEST(txn__multi_get_mixes_own_writes_and_the_base),
                TEST(txn__without_writes_never_conflicts_and_costs_no_commit), TEST(txn__keeps_to_its_limit),
                TEST(txn__savepoints_nest_and_undo),
                TEST(txn__change_is_seen_whatever_layer_it_went_to), TEST(txn__batch_before_it_in_its_group_counts),
                TEST(txn__values_in_extents_are_compared), TEST(txn__no_dirty_write_no_dirty_read),
                TEST(txn__no_circular_information_flow), TEST(txn__no_observed_transaction_vanishes),
                TEST(txn__no_lost_update), TEST(txn__no_read_skew), TEST(txn__write_skew_under_snapshot_only),
                TEST(txn__read_only_anomaly_under_snapshot_only), TEST(txn__absent_key_that_was_read_is_read),
                TEST(txn__every_failure_leaves_nothing_or_all))
