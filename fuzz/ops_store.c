/*
 * ops_store.c - the operations of fuzz_ops on the store as a whole: bulk load, collection of the value log, backup.
 *
 * Invariants: a load is there whole or, when it is given up, not at all; a collection changes nothing that can be
 * read; a backup, opened as a store, is what the store was.  Concurrency: one thread.
 */
#include <stdio.h>

#include "ops_run.h"

/* op[1] first key; op[2] class of length, and every how many-th key; op[3] how many, and whether it is given up. */
void ops_load(run *r, const uint8_t op[4])
{
    levin_bulk_load *load;
    const unsigned step = 1 + (op[2] >> 4), count = op[3] & 63;
    const bool gives_up = op[3] & 0x80;
    unsigned rank = op[1];
    ops_tickets_end(r); /* it begins with a checkpoint, and what waits would come behind it */
    model loaded = r->now;
    OPS_OK(levin_bulk_load_begin(r->store, r->ks, &load));
    for (unsigned i = 0; i < count && rank < OPS_KEYS; i++, rank += step) {
        const levin_slice key = ops_key((uint8_t)rank);
        loaded.value[rank] = ops_new_value(r, op[2]);
        const levin_slice value = ops_value_of(loaded.value[rank]);
        OPS_OK(levin_bulk_load_add(load, key.data, key.size, value.data, value.size));
        if (op[3] & 0x40) /* the same key again is no key above it; the load goes on */
            fuzz_require(levin_bulk_load_add(load, key.data, key.size, "", 0) == LEVIN_INVALID,
                         "a load takes a key twice");
    }
    if (!gives_up) {
        OPS_OK(levin_bulk_load_commit(load));
        r->now = loaded;
    }
    levin_bulk_load_destroy(load);
}

/* op[1] segments that are in use less than so many percent. */
void ops_collect(run *r, const uint8_t op[4])
{
    ops_tickets_end(r); /* it does checkpoints */
    OPS_OK(levin_collect(r->store, 1 + op[1] % 100u));
}

/* op[1] whether the copy is opened read-only, and read backwards too. */
void ops_backup(run *r, const uint8_t op[4])
{
    char path[32];
    levin *store = r->store;
    levin_keyspace *ks = r->ks;
    levin_options options = r->options;
    levin_error error = { 0 };
    if (r->backups == OPS_BACKUPS)
        return;
    snprintf(path, sizeof path, "backup-%u", r->backups++);
    ops_tickets_end(r);
    OPS_OK(levin_backup(store, path, NULL, NULL));
    options.read_only = op[1] & 1;
    if (levin_open(path, &options, &r->store, &error) != LEVIN_OK)
        fuzz_fail(__FILE__, __LINE__, "a backup cannot be opened: %s", error.message);
    if (ks)
        ops_space_open(r, 0);
    ops_full_scan(r, op[1] & 2 ? 1 : -1);
    OPS_OK(levin_check(r->store, NULL, NULL, NULL));
    levin_keyspace_close(r->ks);
    OPS_OK(levin_close(r->store));
    r->store = store;
    r->ks = ks;
}
