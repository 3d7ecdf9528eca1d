/*
 * ops_txn.c - the operations of fuzz_ops that write on a condition: compare-and-swap, transactions.
 *
 * Invariants: what is refused has written nothing, and is refused only when it has to be: a key that it depends on
 * has another value, in bytes, than it saw (one that was changed and changed back has not).  Whether batches that wait
 * for a leader were led on the way is known too: what is in the way already is seen before anything is led.
 * Concurrency: one thread; transactions overlap all the same, with each other and with every other write.
 */
#include <string.h>

#include "ops_run.h"

/* Numbers differ where bytes are the same: two empty values, say. */
static bool same_value(uint32_t a, uint32_t b)
{
    uint8_t bytes[OPS_VALUE_BYTES_MAX];
    if (a == b || !a || !b)
        return a == b;
    levin_slice one = ops_value_of(a);
    size_t size = one.size;
    memcpy(bytes, one.data, size);
    levin_slice other = ops_value_of(b);
    return other.size == size && !memcmp(other.data, bytes, size);
}

/* ---- compare and swap ---- */

static uint32_t swap_expected(run *r, const uint8_t op[4])
{
    switch (op[2] % 4) {
    case 0:
        return 0;
    case 1:
        return ops_new_value(r, op[2] >> 4); /* nowhere, but for the shortest */
    default:
        return r->now.value[op[1]];
    }
}

/* op[1] key; op[2] which value is expected; op[3] durability, and what is written. */
void ops_swap(run *r, const uint8_t op[4])
{
    levin_slice key = ops_key(op[1]), actual;
    const uint32_t expected = swap_expected(r, op), desired = op[3] & 4 ? ops_new_value(r, op[3] >> 4) : 0;
    uint8_t expected_bytes[OPS_VALUE_BYTES_MAX];
    levin_slice e = ops_value_of(expected);
    memcpy(expected_bytes, e.data, e.size);
    e.data = expected_bytes;
    bool fits = same_value(r->now.value[op[1]], expected);
    if (fits) { /* only then somebody leads */
        ops_apply_pending(r);
        fits = same_value(r->now.value[op[1]], expected);
    }
    levin_slice d = ops_value_of(desired);
    levin_code code = levin_compare_and_swap_in(r->store, r->ks, key.data, key.size, expected ? &e : NULL,
                                                desired ? &d : NULL, ops_durability(op[3]), op[3] & 8 ? &actual : NULL);
    fuzz_require(code == (fits ? LEVIN_OK : LEVIN_CONFLICT), "levin_compare_and_swap gave %s where the value is %s",
                 levin_code_name(code), fits ? "the expected one" : "another");
    const uint32_t before = r->now.value[op[1]];
    if (fits)
        r->now.value[op[1]] = desired;
    if (!(op[3] & 8))
        return;
    fuzz_require(!actual.data == (fits || !before), "levin_compare_and_swap: *actual is %s",
                 actual.data ? "set" : "not set");
    if (actual.data)
        ops_require_value(before, actual, "levin_compare_and_swap");
    levin_free(r->store, (void *)(uintptr_t)actual.data);
}

/* ---- transactions ---- */

static void txn_begin(run *r, transaction *t, bool serializable)
{
    levin_txn_options o;
    levin_txn_options_init(&o);
    o.isolation = serializable ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT;
    *t = (transaction){ .serializable = serializable, .ks = r->ks, .seen = r->now };
    OPS_OK(levin_txn_begin(r->store, &o, &t->handle));
}

static void txn_destroy(transaction *t)
{
    levin_txn_destroy(t->handle);
    t->handle = NULL;
}

/* What the transaction reads there. A key of its own needs no note. */
static uint32_t txn_read(transaction *t, uint8_t rank)
{
    if (t->written[rank])
        return t->own.value[rank];
    t->noted[rank] = t->serializable;
    return t->seen.value[rank];
}

static void txn_get(run *r, transaction *t, const uint8_t op[4])
{
    uint8_t buffer[OPS_VALUE_BYTES_MAX];
    levin_slice key = ops_key(op[2]);
    const uint32_t expected = txn_read(t, op[2]);
    size_t bytes = 0, capacity = op[3] & 1 ? op[3] : sizeof buffer;
    void *value;
    levin_code code;
    switch (op[3] >> 1 & 3) {
    case 0:
        code = levin_txn_contains_in(t->handle, t->ks, key.data, key.size);
        fuzz_require(code == (expected ? LEVIN_OK : LEVIN_NOT_FOUND), "levin_txn_contains gave %s",
                     levin_code_name(code));
        return;
    case 1:
        code = levin_txn_get_alloc_in(t->handle, t->ks, key.data, key.size, &value, &bytes);
        ops_require_get(code, expected, (levin_slice){ value, bytes }, SIZE_MAX, "levin_txn_get_alloc");
        levin_free(r->store, value);
        return;
    default:
        code = levin_txn_get_in(t->handle, t->ks, key.data, key.size, buffer, capacity, &bytes);
        ops_require_get(code, expected, (levin_slice){ buffer, bytes }, capacity, "levin_txn_get");
    }
}

static void txn_multi_get(transaction *t, const uint8_t op[4])
{
    static uint8_t buffers[OPS_BATCH_MAX][OPS_VALUE_BYTES_MAX];
    levin_get_request requests[OPS_BATCH_MAX];
    uint32_t expected[OPS_BATCH_MAX];
    const unsigned count = op[3] % OPS_BATCH_MAX + 1;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t rank = (uint8_t)(op[2] + i * (op[3] >> 4));
        levin_slice key = ops_key(rank);
        expected[i] = txn_read(t, rank);
        requests[i] = (levin_get_request){ .key = key.data, .key_bytes = key.size, .buffer = buffers[i],
                                           .capacity = i % 5 == 4 ? 50 : OPS_VALUE_BYTES_MAX };
    }
    OPS_OK(levin_txn_multi_get_in(t->handle, t->ks, requests, count));
    for (unsigned i = 0; i < count; i++)
        ops_require_get(requests[i].code, expected[i], (levin_slice){ buffers[i], requests[i].value_bytes },
                        requests[i].capacity, "levin_txn_multi_get");
}

/* What a write of the transaction gave: its keyspace may have been dropped. */
static bool txn_may_write(const run *r, const transaction *t, levin_code code)
{
    const bool may = t->ks == r->ks;
    fuzz_require(code == (may ? LEVIN_OK : LEVIN_NO_KEYSPACE), "a write of a transaction gave %s",
                 levin_code_name(code));
    return may;
}

static void txn_write(run *r, transaction *t, const uint8_t op[4], bool put)
{
    levin_slice key = ops_key(op[2]);
    const uint32_t value = put ? ops_new_value(r, op[3]) : 0;
    levin_slice bytes = ops_value_of(value);
    levin_code code = put ? levin_txn_put_in(t->handle, t->ks, key.data, key.size, bytes.data, bytes.size)
                          : levin_txn_delete_in(t->handle, t->ks, key.data, key.size);
    if (!txn_may_write(r, t, code))
        return;
    t->written[op[2]] = t->writes = true;
    t->own.value[op[2]] = value;
}

static void txn_range(run *r, transaction *t, const uint8_t op[4])
{
    const range g = ops_range_of(op[2], op[3], op[3] >> 2);
    levin_code code = g.prefix.data ? levin_txn_delete_prefix_in(t->handle, t->ks, g.prefix.data, g.prefix.size)
                                    : levin_txn_delete_range_in(t->handle, t->ks, g.lower, g.upper);
    if (!g.empty && !txn_may_write(r, t, code))
        return;
    t->writes |= !g.empty;
    for (int rank = g.first; rank <= g.last; rank++) {
        t->written[rank] = true;
        t->own.value[rank] = 0;
    }
}

/* All that it depends on is as it was in the beginning. */
static bool txn_valid(const run *r, const transaction *t)
{
    for (unsigned i = 0; i < OPS_KEYS; i++)
        if ((t->written[i] || t->noted[i]) && !same_value(t->seen.value[i], r->now.value[i]))
            return false;
    return true;
}

static void txn_commit(run *r, transaction *t, const uint8_t op[4])
{
    bool valid = true;
    if (t->writes && t->ks != r->ks) {
        ops_tickets_end(r); /* whether it leads them depends on what else has changed */
        levin_code refused = levin_txn_commit(t->handle, ops_durability(op[3]));
        fuzz_require(refused == LEVIN_NO_KEYSPACE, "a transaction over a dropped keyspace gave %s",
                     levin_code_name(refused));
        txn_destroy(t);
        return;
    }
    if (t->writes && (valid = txn_valid(r, t))) { /* only then somebody leads */
        ops_apply_pending(r);
        valid = txn_valid(r, t);
    }
    levin_code code = levin_txn_commit(t->handle, ops_durability(op[3]));
    fuzz_require(code == (valid ? LEVIN_OK : LEVIN_CONFLICT), "levin_txn_commit gave %s where what it depends on %s",
                 levin_code_name(code), valid ? "is unchanged" : "has changed");
    for (unsigned i = 0; i < OPS_KEYS && valid; i++)
        if (t->written[i])
            r->now.value[i] = t->own.value[i];
    levin_slice key = ops_key(op[2]);
    fuzz_require(levin_txn_contains_in(t->handle, t->ks, key.data, key.size) == LEVIN_INVALID,
                 "a transaction goes on after its end");
    txn_destroy(t);
}

/* op[1]: bit 0 which, then what; op[2] key; op[3] isolation of a new one, value, durability. */
void ops_txn(run *r, const uint8_t op[4])
{
    transaction *t = &r->transactions[(op[1] & 1) % OPS_TXNS];
    if (!t->handle)
        txn_begin(r, t, op[3] & 0x80);
    switch (op[1] >> 1 & 7) {
    case 0:
        txn_write(r, t, op, true);
        return;
    case 1:
        txn_range(r, t, op);
        return;
    case 2:
        txn_write(r, t, op, false);
        return;
    case 3:
    case 4:
        txn_get(r, t, op);
        return;
    case 5:
        txn_multi_get(t, op);
        return;
    case 6:
        txn_commit(r, t, op);
        return;
    default:
        if (op[3] & 1) /* rarer, or few would come to their commit */
            txn_destroy(t);
        else
            txn_commit(r, t, op);
    }
}

/* op[1] bit 0 which transaction; op[2] bit 0: goes back instead. */
void ops_savepoint(run *r, const uint8_t op[4])
{
    transaction *t = &r->transactions[(op[1] & 1) % OPS_TXNS];
    if (!t->handle)
        txn_begin(r, t, op[3] & 0x80);
    if (op[2] & 1) {
        const levin_code code = levin_txn_rollback_to_savepoint(t->handle);
        fuzz_require(code == (t->saved_count ? LEVIN_OK : LEVIN_INVALID), "going back to one of %u savepoints gave %s",
                     t->saved_count, levin_code_name(code));
        if (!t->saved_count)
            return;
        t->saved_count--; /* what was read stays read */
        t->own = t->saved[t->saved_count].own;
        t->writes = t->saved[t->saved_count].writes;
        memcpy(t->written, t->saved[t->saved_count].written, sizeof t->written);
    } else if (t->saved_count < OPS_SAVEPOINTS) {
        OPS_OK(levin_txn_savepoint(t->handle));
        t->saved[t->saved_count].own = t->own;
        t->saved[t->saved_count].writes = t->writes;
        memcpy(t->saved[t->saved_count].written, t->written, sizeof t->written);
        t->saved_count++;
    }
}

void ops_txns_end(run *r)
{
    for (unsigned i = 0; i < OPS_TXNS; i++)
        txn_destroy(&r->transactions[i]);
}
