/*
 * allocations_test.c - what each call that takes a key allocates for it: nothing, up to 32 bytes (design: inline keys).
 *
 * Invariants checked, for each call, in the default and in a named keyspace, with keys of 8 and of 32 bytes, in memory
 * and in pages:
 * it makes no allocation that is small enough to be a key's but those that it is known for (a group's version, a
 * transaction's handle, what a compare-and-swap hands out); an iterator is one allocation, bounds or none.
 * Chunks of memtables, pages and buffers that grow are above SMALL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { CALLS = 64, SMALL = 1024, KEYS = 16 };

static levin_io io;
static const levin_io *inner;
static unsigned small, all;

static void *count_alloc(void *context, size_t bytes, size_t alignment)
{
    small += bytes < SMALL;
    all++;
    return inner->alloc(context, bytes, alignment);
}

typedef struct subject {
    levin *db;
    levin_keyspace *named; /* or NULL */
    levin_txn *txn;
    levin_batch *batch;
    levin_iter *iter;
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
    ok(levin_get_in(s->db, s->named, NULL, s->key, s->key_bytes, value, sizeof value, &bytes));
}

static void call_contains(subject *s)
{
    ok(levin_contains_in(s->db, s->named, NULL, s->key, s->key_bytes));
}

static void call_pinned(subject *s)
{
    levin_pinned pinned;
    ok(levin_get_pinned_in(s->db, s->named, NULL, s->key, s->key_bytes, &pinned));
    levin_pinned_release(&pinned);
}

static void call_multi_get(subject *s)
{
    char value[2][8];
    levin_get_request r[2] = { { .key = s->key, .key_bytes = s->key_bytes, .buffer = value[0], .capacity = 8 },
                               { .key = s->key, .key_bytes = s->key_bytes, .buffer = value[1], .capacity = 8 } };
    ok(levin_multi_get_in(s->db, s->named, NULL, r, 2));
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
                                 .keyspace = s->named };
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

static void call_get_alloc(subject *s)
{
    void *value;
    size_t bytes;
    ok(levin_get_alloc_in(s->db, s->named, NULL, s->key, s->key_bytes, &value, &bytes));
    levin_free(s->db, value);
}

static void call_batch_ranges(subject *s)
{
    levin_batch_clear(s->batch);
    ok(levin_batch_delete_range_in(s->batch, s->named, (levin_slice){ s->key, s->key_bytes - 1 },
                                   (levin_slice){ s->key, s->key_bytes }));
    ok(levin_batch_delete_prefix_in(s->batch, s->named, s->key, s->key_bytes));
}

static void call_async(subject *s)
{
    levin_ticket *ticket;
    levin_batch_clear(s->batch);
    ok(levin_batch_put_in(s->batch, s->named, s->key, s->key_bytes, "v", 1));
    ok(levin_write_async(s->db, s->batch, LEVIN_NONE, &ticket));
    ok(levin_ticket_wait(ticket));
}

static void call_txn_multi_get(subject *s)
{
    char value[8];
    levin_get_request r = { .key = s->key, .key_bytes = s->key_bytes, .buffer = value, .capacity = sizeof value };
    ok(levin_txn_multi_get_in(s->txn, s->named, &r, 1));
}

static void call_txn_put(subject *s)
{
    ok(levin_txn_put_in(s->txn, s->named, s->key, s->key_bytes, "v", 1));
    ok(levin_txn_delete_in(s->txn, s->named, s->key, s->key_bytes));
    ok(levin_txn_put_in(s->txn, s->named, s->key, s->key_bytes, "v", 1));
}

static void call_txn_get(subject *s)
{
    char value[8];
    size_t bytes;
    ok(levin_txn_get_in(s->txn, s->named, s->key, s->key_bytes, value, sizeof value, &bytes));
    ok(levin_txn_contains_in(s->txn, s->named, s->key, s->key_bytes));
}

/* Small allocations of one call, on average at most: what they are for stands beside. */
static const struct {
    const char *name;
    void (*call)(subject *s);
    unsigned small, all; /* all: 0 if unbounded */
} calls[] = {
    { "get", call_get, 0, 0 },
    { "contains", call_contains, 0, 0 },
    { "get_pinned", call_pinned, 0, 0 },
    { "multi_get", call_multi_get, 0, 0 },
    { "iter_seek", call_seek, 0, 0 },
    { "iter_open", call_iter_open, 0, 1 },
    { "txn_iter_open", call_txn_iter_open, 1, 2 }, /* its scan, and the iterator */
    { "txn_multi_get", call_txn_multi_get, 0, 0 },
    { "get_alloc", call_get_alloc, 1, 0 }, /* the value */
    { "batch_delete_range", call_batch_ranges, 0, 0 },
    { "write_async", call_async, 2, 0 },   /* the ticket, the group's version */
    { "batch_put", call_batch, 0, 0 },
    { "put", call_put, 1, 0 },            /* the group's version */
    { "delete", call_delete, 2, 0 },      /* of two groups */
    { "delete_prefix", call_delete_prefix, 4, 0 }, /* and of two marks */
    { "compare_and_swap", call_swap, 1, 0 },
    { "txn_put", call_txn_put, 0, 0 },
    { "txn_get", call_txn_get, 0, 0 },
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

/* ---- counting ---- */

static void key_of(subject *s, size_t key_bytes, unsigned n)
{
    s->key_bytes = key_bytes;
    memset(s->key, 'k', sizeof s->key);
    s->key[0] = (uint8_t)('a' + n % KEYS);
}

START_TEST(allocations__keys_of_32_bytes_cost_none)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    inner = simdisk_io(disk);
    io = *inner;
    io.alloc = count_alloc;
    levin_options o;
    levin_options_init(&o);
    o.io = &io;
    o.background = LEVIN_BACKGROUND_NONE;
    subject s = { 0 };
    ok(levin_open("s", &o, &s.db, NULL));
    levin_keyspace *named;
    ok(levin_keyspace_open(s.db, "named", 5, LEVIN_KEYSPACE_CREATE, &named));
    for (unsigned where = 0; where < 4; where++) {
        const bool in_pages = where / 2;
        s.named = where % 2 ? named : NULL;
        ok(levin_batch_create(s.db, &s.batch));
        for (size_t bytes = 8; bytes <= 32; bytes += 24) {
            for (unsigned n = 0; n < KEYS; n++) {
                key_of(&s, bytes, n);
                call_put(&s);
            }
            if (in_pages)
                ok(levin_checkpoint(s.db));
            levin_txn_options snapshot_isolation; /* a serializable one keeps what it looks at */
            levin_txn_options_init(&snapshot_isolation);
            snapshot_isolation.isolation = LEVIN_SNAPSHOT;
            ok(levin_txn_begin(s.db, &snapshot_isolation, &s.txn));
            const levin_iter_options all_keys = { .keyspace = s.named };
            ok(levin_iter_open(s.db, &all_keys, &s.iter));
            for (unsigned c = 0; c < CALL_COUNT; c++) {
                unsigned counted[2] = { 0 };
                for (unsigned n = 0; n < 2 * CALLS; n++) {
                    key_of(&s, bytes, n);
                    small = all = 0;
                    calls[c].call(&s);
                    if (n >= CALLS) { /* the first are what fills caches and lets buffers grow */
                        counted[0] += small;
                        counted[1] += all;
                    }
                }
                const bool few = counted[0] <= CALLS * calls[c].small &&
                                 (!calls[c].all || counted[1] <= CALLS * calls[c].all);
                ck_assert_msg(few,
                              "%s, keys of %zu bytes%s: %u small allocations in %u calls, %u in all", calls[c].name,
                              bytes, s.named ? " in a keyspace" : "", counted[0], CALLS, counted[1]);
            }
            levin_iter_close(s.iter);
            levin_txn_destroy(s.txn);
        }
        levin_batch_destroy(s.batch);
    }
    levin_keyspace_close(named);
    ok(levin_close(s.db));
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("allocations", TEST(allocations__keys_of_32_bytes_cost_none))
