/*
 * gate_work_mixed.c - recorded runs that mix calls: in named keyspaces, all kinds of them, YCSB A to F.
 *
 * YCSB (Cooper et al. 2010) draws its keys by Zipf's law: the key of rank k with weight 1 / (k + 1), here in integers
 * by the inverse of their sums, so that every machine draws the same.
 *
 * One thread; nothing depends on the clock, the environment or an address.
 */
#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"
#include "gate_run.h"

enum { ZIPF_UNIT = 1 << 30, MIXED = KEYS / 4 };

/* ---- named keyspaces ---- */

static bool prepare_keyspace(gate_run *r)
{
    static const char name[] = "named";
    return run_prepare_open(r) &&
           run_good(r, levin_keyspace_open(r->db, name, sizeof name - 1, LEVIN_KEYSPACE_CREATE, &r->keyspace),
                    "keyspace");
}

static bool run_put_in(gate_run *r)
{
    for (size_t i = 0; i < KEYS / 2; i++)
        if (!run_good(r, levin_put_in(r->db, r->keyspace, r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES,
                                      LEVIN_NONE), "put"))
            return false;
    return true;
}

static bool prepare_keyspace_tree(gate_run *r)
{
    return prepare_keyspace(r) && run_put_in(r) && run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool run_get_in(gate_run *r)
{
    size_t bytes, found = 0;
    for (size_t i = 0; i < KEYS / 2; i++)
        found += levin_get_in(r->db, r->keyspace, NULL, r->keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes) ==
                 LEVIN_OK;
    return run_as_named(found == KEYS / 2, "every key is there");
}

/* ---- single calls ---- */

static bool put(gate_run *r, size_t i, levin_durability durability)
{
    return run_good(r, levin_put(r->db, r->keys[i], KEY_BYTES, run_value(r, i + 1), VALUE_BYTES, durability), "put");
}

/* Present or not. */
static bool get(gate_run *r, size_t i)
{
    size_t bytes;
    levin_code code = levin_get(r->db, NULL, r->keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
    return code == LEVIN_NOT_FOUND || run_good(r, code, "get");
}

static bool scan_from(gate_run *r, size_t i, size_t pairs)
{
    levin_iter *it;
    if (!run_good(r, levin_iter_open(r->db, NULL, &it), "iterator"))
        return false;
    for (bool on = levin_iter_seek(it, r->keys[i], KEY_BYTES); on && pairs; pairs--)
        on = levin_iter_next(it);
    levin_code code = levin_iter_status(it);
    levin_iter_close(it);
    return run_good(r, code, "scan");
}

/* ---- all kinds ---- */

static bool transfer(gate_run *r, size_t i)
{
    levin_txn *txn;
    size_t bytes;
    if (!run_good(r, levin_txn_begin(r->db, NULL, &txn), "begin"))
        return false;
    levin_code code = levin_txn_get(txn, r->keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = levin_txn_put(txn, r->keys[i + 1], KEY_BYTES, run_value(r, i), VALUE_BYTES);
    if (code == LEVIN_OK)
        code = levin_txn_commit(txn, LEVIN_LOGGED);
    levin_txn_destroy(txn);
    return run_good(r, code, "transaction");
}

static bool prepare_mixed(gate_run *r)
{
    r->options.memtable_bytes = SMALL_MEMTABLE_BYTES;
    return run_prepare_tree(r);
}

static bool run_mixed(gate_run *r)
{
    random_stream draw = random_open(3, 3);
    bool ok = true;
    for (size_t n = 0; n < MIXED && ok; n++) {
        const size_t i = random_below(&draw, KEYS_ALL - BATCH), what = random_below(&draw, 100);
        if (what < 40)
            ok = get(r, i);
        else if (what < 70)
            ok = put(r, i, what < 42 ? LEVIN_SYNCED : LEVIN_LOGGED);
        else if (what < 80)
            ok = run_good(r, levin_delete(r->db, r->keys[i], KEY_BYTES, LEVIN_LOGGED), "delete");
        else if (what < 90)
            ok = scan_from(r, i, SCAN_PAIRS);
        else if (what < 97)
            ok = transfer(r, i);
        else
            ok = run_put_range(r, i - i % BATCH, BATCH, BATCH, LEVIN_LOGGED) &&
                 run_good(r, levin_work(r->db, NULL), "work");
    }
    return ok;
}

/* ---- YCSB ---- */

typedef struct zipf_table {
    uint64_t sum[KEYS]; /* of the weights up to each rank */
} zipf_table;

static size_t zipf_draw(const zipf_table *z, random_stream *draw)
{
    const uint64_t at = random_below(draw, z->sum[KEYS - 1]);
    size_t low = 0, high = KEYS - 1; /* the first rank whose sum is above it */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (z->sum[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

typedef struct ycsb {
    unsigned reads, updates, inserts, scans; /* percent; the rest reads and then updates */
    bool latest;                             /* ranks count back from the newest key */
} ycsb;

static bool run_ycsb(gate_run *r, const ycsb *y)
{
    zipf_table *z = malloc(sizeof *z);
    random_stream draw = random_open(5, 5);
    size_t newest = KEYS - 1;
    bool ok = z;
    uint64_t sum = 0;
    for (size_t k = 0; k < KEYS && ok; k++)
        z->sum[k] = sum += ZIPF_UNIT / (k + 1);
    for (size_t n = 0; n < MIXED && ok; n++) {
        const size_t rank = zipf_draw(z, &draw), i = y->latest ? newest - rank : rank;
        unsigned what = (unsigned)random_below(&draw, 100);
        if (what < y->reads)
            ok = get(r, i);
        else if ((what -= y->reads) < y->updates)
            ok = put(r, i, LEVIN_LOGGED);
        else if ((what -= y->updates) < y->inserts)
            ok = put(r, ++newest, LEVIN_LOGGED);
        else if (what - y->inserts < y->scans)
            ok = scan_from(r, i, 1 + random_below(&draw, 100));
        else
            ok = get(r, i) && put(r, i, LEVIN_LOGGED);
    }
    free(z);
    return ok;
}

static bool run_ycsb_a(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .reads = 50, .updates = 50 });
}

static bool run_ycsb_b(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .reads = 95, .updates = 5 });
}

static bool run_ycsb_c(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .reads = 100 });
}

static bool run_ycsb_d(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .reads = 95, .inserts = 5, .latest = true });
}

static bool run_ycsb_e(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .scans = 95, .inserts = 5 });
}

static bool run_ycsb_f(gate_run *r)
{
    return run_ycsb(r, &(ycsb){ .reads = 50 });
}

const gate_work gate_works_mixed[GATE_WORKS_MIXED] = {
    { "keyspace-put", "one at a time into a named keyspace, unsynced", KEYS / 2, prepare_keyspace, run_put_in },
    { "keyspace-get", "keys of a named keyspace, checkpointed", KEYS / 2, prepare_keyspace_tree, run_get_in },
    { "mixed", "gets, puts, deletes, scans, transactions, batches, checkpoints, some of it synced", MIXED,
      prepare_mixed, run_mixed },
    { "ycsb-a", "half gets, half puts, Zipfian, over a checkpointed store", MIXED, run_prepare_cached_tree,
      run_ycsb_a },
    { "ycsb-b", "95 % gets, 5 % puts, Zipfian", MIXED, run_prepare_cached_tree, run_ycsb_b },
    { "ycsb-c", "gets, Zipfian", MIXED, run_prepare_cached_tree, run_ycsb_c },
    { "ycsb-d", "95 % gets of the latest, 5 % new keys", MIXED, run_prepare_cached_tree, run_ycsb_d },
    { "ycsb-e", "95 % scans of up to 100 pairs, Zipfian, 5 % new keys", MIXED, run_prepare_cached_tree, run_ycsb_e },
    { "ycsb-f", "half gets, half gets and then puts, Zipfian", MIXED, run_prepare_cached_tree, run_ycsb_f },
};
