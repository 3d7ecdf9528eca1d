/*
 * allocations_test.c - what each call that takes a key allocates for it: nothing, up to 32 bytes (design: inline keys).
 *
 * Invariants checked, for each call, in the default and in a named keyspace, with keys of 8 and of 32 bytes, in memory
 * and in pages, of transactions in both isolations:
 * it makes exactly those allocations, of what is small enough to be a key's, that it is known for (a group's version, a
 * transaction's handle, the value that a call hands out); an iterator is one allocation, bounds or none.
 * Chunks of memtables, pages and buffers that grow are above SMALL.
 * A bulk load takes its keys through a buffer and pages: twice as many keys are not one small allocation more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { CALLS = 64, SMALL = 2048, KEYS = 16 };

static levin_io io;
static const levin_io *inner;
static unsigned small, all;
static size_t last_small[8]; /* the bytes of the newest of them, for a message */

static void *count_alloc(void *context, size_t bytes, size_t alignment)
{
    if (bytes < SMALL)
        last_small[small++ % 8] = bytes;
    all++;
    return inner->alloc(context, bytes, alignment);
}

typedef struct subject {
    levin *db;
    levin_keyspace *named; /* or NULL */
    levin_isolation isolation;
    levin_txn *txn;
    levin_batch *batch;
    levin_iter *iter;
    levin_snapshot *snapshot;
    const levin_snapshot *at; /* what the call reads: that one, or NULL */
    levin_bulk_load *load;
    unsigned turn; /* of calls made, over all */
    uint8_t key[32];
    size_t key_bytes;
} subject;

static void ok(levin_code code)
{
    ck_assert_msg(code == LEVIN_OK, "%s", levin_code_name(code));
}

/* ---- the calls ---- */

static void call_put(subject *s)
{
    ok(levin_put_in(s->db, s->named, s->key, s->key_bytes, "v", 1, LEVIN_NONE));
}

static void call_delete(subject *s)
{
    ok(levin_delete_in(s->db, s->named, s->key, s->key_bytes, LEVIN_NONE));
    call_put(s);
}

static void call_delete_prefix(subject *s)
{
    ok(levin_delete_prefix_in(s->db, s->named, s->key, s->key_bytes, LEVIN_NONE));
    call_put(s);
}

/* From the key to the one right behind it. */
static levin_slice lower_of(const subject *s)
{
    return (levin_slice){ s->key, s->key_bytes };
}

static levin_slice upper_of(const subject *s, uint8_t room[static 32])
{
    memcpy(room, s->key, s->key_bytes);
    room[s->key_bytes - 1]++;
    return (levin_slice){ room, s->key_bytes };
}

static void call_delete_range(subject *s)
{
    uint8_t room[32];
    ok(levin_delete_range_in(s->db, s->named, lower_of(s), upper_of(s, room), LEVIN_NONE));
    call_put(s);
}

static void call_swap(subject *s)
{
    const levin_slice v = { "v", 1 };
    ok(levin_compare_and_swap_in(s->db, s->named, s->key, s->key_bytes, &v, &v, LEVIN_NONE, NULL));
}

static void call_batch(subject *s)
{
    levin_batch_clear(s->batch);
    ok(levin_batch_put_in(s->batch, s->named, s->key, s->key_bytes, "v", 1));
    ok(levin_batch_delete_in(s->batch, s->named, s->key, s->key_bytes));
}

static void call_get(subject *s)
{
    char value[8];
    size_t bytes;
    ok(levin_get_in(s->db, s->named, s->at, s->key, s->key_bytes, value, sizeof value, &bytes));
}

static void call_get_alloc(subject *s)
{
    void *value;
    size_t bytes;
    ok(levin_get_alloc_in(s->db, s->named, s->at, s->key, s->key_bytes, &value, &bytes));
    levin_free(s->db, value);
}

static void call_pinned(subject *s)
{
    levin_pinned pinned;
    ok(levin_get_pinned_in(s->db, s->named, s->at, s->key, s->key_bytes, &pinned));
    levin_pinned_release(&pinned);
}

static void call_multi_get(subject *s)
{
    char value[2][8];
    levin_get_request r[2] = { { .key = s->key, .key_bytes = s->key_bytes, .buffer = value[0], .capacity = 8 },
                               { .key = s->key, .key_bytes = s->key_bytes, .buffer = value[1], .capacity = 8 } };
    ok(levin_multi_get_in(s->db, s->named, s->at, r, 2));
    ck_assert(r[0].code == LEVIN_OK && r[1].code == LEVIN_OK);
}

static void call_contains(subject *s)
{
    ok(levin_contains_in(s->db, s->named, s->at, s->key, s->key_bytes));
}

static void call_seek(subject *s)
{
    ck_assert(levin_iter_seek(s->iter, s->key, s->key_bytes));
    ck_assert(levin_iter_seek_for_prev(s->iter, s->key, s->key_bytes));
}

static levin_iter_options narrow(const subject *s)
{
    return (levin_iter_options){ .lower = { s->key, s->key_bytes }, .upper = { s->key, s->key_bytes },
                                 .upper_inclusive = true, .prefix = { s->key, s->key_bytes - 1 },
                                 .snapshot = s->at, .keyspace = s->named };
}

static void move(levin_iter *it)
{
    ck_assert(levin_iter_first(it));
    ck_assert(!levin_iter_next(it));
    ck_assert(levin_iter_last(it));
    levin_iter_close(it);
}

static void call_iter_open(subject *s)
{
    const levin_iter_options o = narrow(s);
    levin_iter *it;
    ok(levin_iter_open(s->db, &o, &it));
    move(it);
}

static void call_txn_iter_open(subject *s)
{
    const levin_iter_options o = narrow(s);
    levin_iter *it;
    ok(levin_txn_iter_open(s->txn, &o, &it));
    move(it);
}

static void call_batch_ranges(subject *s)
{
    levin_batch_clear(s->batch);
    ok(levin_batch_delete_range_in(s->batch, s->named, (levin_slice){ s->key, s->key_bytes - 1 }, lower_of(s)));
    ok(levin_batch_delete_prefix_in(s->batch, s->named, s->key, s->key_bytes));
}

static void batch_of_a_put(subject *s)
{
    levin_batch_clear(s->batch);
    ok(levin_batch_put_in(s->batch, s->named, s->key, s->key_bytes, "v", 1));
}

static void call_write(subject *s)
{
    batch_of_a_put(s);
    ok(levin_write(s->db, s->batch, LEVIN_NONE));
}

static void call_async(subject *s)
{
    levin_ticket *ticket;
    batch_of_a_put(s);
    ok(levin_write_async(s->db, s->batch, LEVIN_NONE, &ticket));
    ok(levin_ticket_wait(ticket));
}

static void note(void *context, levin_code code)
{
    *(levin_code *)context = code;
}

static void call_callback(subject *s)
{
    levin_code code = LEVIN_PENDING;
    batch_of_a_put(s);
    ok(levin_write_callback(s->db, s->batch, LEVIN_NONE, note, &code));
    for (bool more = true; more && code == LEVIN_PENDING;)
        ok(levin_work(s->db, &more));
    ok(code);
}

/* Keys of a load ascend: those of the others, from the next one of the load on. */
static void call_bulk_load_add(subject *s)
{
    uint8_t key[32];
    memcpy(key, s->key, s->key_bytes);
    for (unsigned i = 0; i < 4; i++)
        key[i] = (uint8_t)(s->turn >> (24 - 8 * i));
    ok(levin_bulk_load_add(s->load, key, s->key_bytes, "v", 1));
}

static void txn_write(subject *s, levin_txn *txn)
{
    ok(levin_txn_put_in(txn, s->named, s->key, s->key_bytes, "v", 1));
    ok(levin_txn_delete_in(txn, s->named, s->key, s->key_bytes));
    ok(levin_txn_put_in(txn, s->named, s->key, s->key_bytes, "v", 1));
}

static void txn_read(subject *s, levin_txn *txn)
{
    char value[8];
    size_t bytes;
    levin_get_request r = { .key = s->key, .key_bytes = s->key_bytes, .buffer = value, .capacity = sizeof value };
    ok(levin_txn_get_in(txn, s->named, s->key, s->key_bytes, value, sizeof value, &bytes));
    ok(levin_txn_contains_in(txn, s->named, s->key, s->key_bytes));
    ok(levin_txn_multi_get_in(txn, s->named, &r, 1));
    ok(r.code);
}

static void call_txn_write(subject *s)
{
    txn_write(s, s->txn);
}

static void call_txn_ranges(subject *s)
{
    uint8_t room[32];
    ok(levin_txn_delete_range_in(s->txn, s->named, lower_of(s), upper_of(s, room)));
    ok(levin_txn_delete_prefix_in(s->txn, s->named, s->key, s->key_bytes));
    txn_write(s, s->txn);
}

static void call_txn_read(subject *s)
{
    txn_read(s, s->txn);
}

static void call_txn_get_alloc(subject *s)
{
    void *value;
    size_t bytes;
    ok(levin_txn_get_alloc_in(s->txn, s->named, s->key, s->key_bytes, &value, &bytes));
    levin_free(s->db, value);
}

static levin_txn *txn_begin(subject *s)
{
    levin_txn *txn;
    levin_txn_options o;
    levin_txn_options_init(&o);
    o.isolation = s->isolation;
    ok(levin_txn_begin(s->db, &o, &txn));
    return txn;
}

/* A key that no other call has written or read in it. */
static void call_txn_commit(subject *s)
{
    levin_txn *txn = txn_begin(s);
    txn_read(s, txn);
    txn_write(s, txn);
    ok(levin_txn_commit(txn, LEVIN_NONE));
    levin_txn_destroy(txn);
}

/* The allocations of each call, exactly: what they are for stands beside. */
static const struct {
    const char *name;
    void (*call)(subject *s);
    bool at_snapshot;
    unsigned small, named, serializable; /* the last two: so many more in a keyspace, in a serializable transaction */
    unsigned all, all_serializable;      /* the small ones and others; 0: not looked at */
} calls[] = {
    { "get", call_get, false, 0, 0, 0, 0, 0 },
    { "get at a snapshot", call_get, true, 0, 0, 0, 0, 0 },
    { "contains", call_contains, false, 0, 0, 0, 0, 0 },
    { "contains at a snapshot", call_contains, true, 0, 0, 0, 0, 0 },
    { "get_pinned", call_pinned, false, 0, 0, 0, 0, 0 },
    { "get_pinned at a snapshot", call_pinned, true, 0, 0, 0, 0, 0 },
    { "multi_get", call_multi_get, false, 0, 0, 0, 0, 0 },
    { "multi_get at a snapshot", call_multi_get, true, 0, 0, 0, 0, 0 },
    { "get_alloc", call_get_alloc, false, 1, 0, 0, 1, 0 }, /* the value */
    { "get_alloc at a snapshot", call_get_alloc, true, 1, 0, 0, 1, 0 },
    { "iter_seek", call_seek, false, 0, 0, 0, 0, 0 },
    { "iter_open", call_iter_open, false, 0, 0, 0, 1, 0 },
    { "iter_open at a snapshot", call_iter_open, true, 0, 0, 0, 1, 0 },
    /* its scan, and the iterator; what it has seen: the stretch as it grows, of two longest keys, and what is kept */
    { "txn_iter_open", call_txn_iter_open, false, 1, 0, 1, 2, 2 },
    { "txn_get, _contains, _multi_get", call_txn_read, false, 0, 0, 0, 0, 0 },
    { "txn_get_alloc", call_txn_get_alloc, false, 1, 0, 0, 1, 0 }, /* the value */
    { "batch_put, _delete", call_batch, false, 0, 0, 0, 0, 0 },
    { "batch_delete_range, _prefix", call_batch_ranges, false, 0, 0, 0, 0, 0 },
    { "write", call_write, false, 1, 0, 0, 0, 0 },               /* the group's version */
    { "write_async", call_async, false, 2, 0, 0, 0, 0 },         /* the ticket, the group's version */
    { "write_callback", call_callback, false, 2, 0, 0, 0, 0 },   /* the request, the group's version */
    { "put", call_put, false, 1, 0, 0, 0, 0 },                   /* the group's version */
    { "delete", call_delete, false, 2, 0, 0, 0, 0 },             /* of two groups, as the next ones: a put follows */
    { "delete_range", call_delete_range, false, 2, 0, 0, 0, 0 },
    { "delete_prefix", call_delete_prefix, false, 2, 0, 0, 0, 0 },
    { "compare_and_swap", call_swap, false, 1, 0, 0, 0, 0 },
    { "bulk_load_add", call_bulk_load_add, false, 0, 0, 0, 0, 0 },
    { "txn_put, _delete", call_txn_write, false, 0, 0, 0, 0, 0 },
    { "txn_delete_range, _prefix", call_txn_ranges, false, 0, 0, 0, 0, 0 },
    /* itself, the table of its writes, the group's version; its being in the keyspace; the table of its reads */
    { "txn_begin, reads, writes, _commit", call_txn_commit, false, 3, 1, 1, 0, 0 },
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

/* ---- counting ---- */

static void key_of(subject *s, size_t key_bytes, unsigned n)
{
    s->key_bytes = key_bytes;
    memset(s->key, 'k', sizeof s->key);
    s->key[0] = (uint8_t)('a' + n % KEYS);
}

static levin *store_open(simdisk *disk)
{
    levin *db;
    levin_options o;
    inner = simdisk_io(disk);
    io = *inner;
    io.alloc = count_alloc;
    levin_options_init(&o);
    o.io = &io;
    o.background = LEVIN_BACKGROUND_NONE;
    ok(levin_open("s", &o, &db, NULL));
    return db;
}

/* All calls, with keys of one length. */
static void count_calls(subject *s, size_t bytes, const char *where)
{
    for (unsigned c = 0; c < CALL_COUNT; c++) {
        unsigned counted[2] = { 0 };
        s->at = calls[c].at_snapshot ? s->snapshot : NULL;
        for (unsigned n = 0; n < 2 * CALLS; n++) {
            key_of(s, bytes, n);
            s->turn++;
            small = all = 0;
            calls[c].call(s);
            if (n >= CALLS) { /* the first are what fills caches and lets buffers grow */
                counted[0] += small;
                counted[1] += all;
            }
        }
        const bool serializable = s->isolation == LEVIN_SERIALIZABLE;
        const unsigned wanted = calls[c].small + (s->named ? calls[c].named : 0) +
                                (serializable ? calls[c].serializable : 0);
        const unsigned wanted_all = calls[c].all + (serializable ? calls[c].all_serializable : 0);
        const bool right = counted[0] == CALLS * wanted && (!wanted_all || counted[1] == CALLS * wanted_all);
        ck_assert_msg(right,
                      "%s, keys of %zu bytes%s%s, %s: %u small allocations in %u calls instead of %u, %u in all; "
                      "of %zu, %zu, %zu, %zu bytes",
                      calls[c].name, bytes, s->named ? " in a keyspace" : "", serializable ? ", serializable" : "",
                      where, counted[0], CALLS, CALLS * wanted, counted[1], last_small[0], last_small[1], last_small[2],
                      last_small[3]);
    }
}

/* Until the table of the row cache is there: it is made after a number of misses. */
static void make_rows(levin *db)
{
    levin_stats stats = { 0 };
    for (unsigned n = 0; n < 1000 && !stats.row_inserts; n++) {
        for (unsigned i = 0; i < 1000; i++)
            ck_assert_int_eq(levin_contains(db, NULL, &n, sizeof n), LEVIN_NOT_FOUND);
        levin_stats_get(db, &stats);
    }
    ck_assert_uint_gt(stats.row_inserts, 0);
}

START_TEST(allocations__keys_of_32_bytes_cost_none)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    subject s = { .db = store_open(disk) };
    levin_keyspace *named;
    make_rows(s.db);
    ok(levin_keyspace_open(s.db, "named", 5, LEVIN_KEYSPACE_CREATE, &named));
    for (unsigned where = 0; where < 8; where++) {
        const bool in_pages = where / 4;
        s.named = where % 2 ? named : NULL;
        s.isolation = where / 2 % 2 ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT;
        ok(levin_batch_create(s.db, &s.batch));
        for (size_t bytes = 8; bytes <= 32; bytes += 24) {
            ok(levin_bulk_load_begin(s.db, s.named, &s.load));
            for (unsigned n = 0; n < KEYS; n++) {
                key_of(&s, bytes, n);
                call_put(&s);
            }
            if (in_pages) {
                levin_bulk_load_destroy(s.load);
                ok(levin_bulk_load_begin(s.db, s.named, &s.load)); /* by a checkpoint */
            }
            s.txn = txn_begin(&s);
            ok(levin_snapshot_create(s.db, &s.snapshot));
            const levin_iter_options all_keys = { .keyspace = s.named };
            ok(levin_iter_open(s.db, &all_keys, &s.iter));
            count_calls(&s, bytes, in_pages ? "in pages" : "in memory");
            levin_iter_close(s.iter);
            levin_snapshot_release(s.snapshot);
            levin_txn_destroy(s.txn);
            levin_bulk_load_destroy(s.load);
        }
        levin_batch_destroy(s.batch);
    }
    levin_keyspace_close(named);
    ok(levin_close(s.db));
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

/* A whole load: its pieces, and the commit. */
static unsigned bulk_load(unsigned count, size_t key_bytes)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin *db = store_open(disk);
    levin_bulk_load *load;
    levin_stats stats;
    uint8_t key[32] = { 0 };
    ok(levin_bulk_load_begin(db, NULL, &load));
    small = 0;
    for (unsigned n = 0; n < count; n++) {
        for (unsigned i = 0; i < 4; i++)
            key[i] = (uint8_t)(n >> (24 - 8 * i));
        ok(levin_bulk_load_add(load, key, key_bytes, "v", 1));
    }
    ok(levin_bulk_load_commit(load));
    levin_bulk_load_destroy(load);
    const unsigned counted = small;
    levin_stats_get(db, &stats);
    ck_assert_uint_eq(stats.bulk_load_entries, count);
    ok(levin_close(db));
    ck_assert(simdisk_destroy(disk, NULL));
    return counted;
}

START_TEST(allocations__more_keys_of_a_bulk_load_cost_none)
{
    const unsigned few = bulk_load(25000, 8); /* more than are merged at once */
    ck_assert_uint_eq(bulk_load(25000, 32), few);
    ck_assert_uint_eq(bulk_load(50000, 32), few);
}
END_TEST

LEVIN_TEST_MAIN("allocations", TEST(allocations__keys_of_32_bytes_cost_none),
                TEST(allocations__more_keys_of_a_bulk_load_cost_none))
