/*
 * txn_set.h - an ordered set of operations that one transaction owns: what it writes; and of keys: what it has read.
 * Internal.
 *
 * A memtable of its own.  Every operation is a group of that memtable: when it fails for want of memory the set is as
 * before, and whoever holds the roots (an iterator, a savepoint) keeps what it saw.  While nobody does, replaced nodes
 * are used again at once.  One thread at a time.
 */
#ifndef LEVIN_TXN_SET_H
#define LEVIN_TXN_SET_H

#include "memtable.h"

typedef struct txn_set {
    memtable *table;      /* NULL: nothing was ever put in */
    mem_roots of[DOMAIN_COUNT]; /* a range deleted is in the mask */
    uint64_t group;
    unsigned holders;     /* of roots of the past */
    mem_node_list replaced; /* reached from older roots only; kept for their holders */
} txn_set;

/* Zeroed is empty. */
void txn_set_fini(txn_set *set);
/* Bytes that it takes from io now. */
size_t txn_set_bytes(const txn_set *set);
/* Copies a well-formed operation in; it takes the place of one on the same key. LEVIN_NO_MEMORY. */
levin_code txn_set_put(txn_set *set, const levin_io *io, const uint8_t *record, levin_error *error);
/* The operation on the key (of a named keyspace: with its id in front), or NULL. Good until the set ends. */
static inline const uint8_t *txn_set_find(const txn_set *set, unsigned domain, const void *key, size_t key_bytes)
{
    return memtable_find(set->of[domain].keys, key, key_bytes);
}
/* Whether a range deleted covers the key: there is nothing below the set then. */
static inline bool txn_set_hides(const txn_set *set, unsigned domain, const void *key, size_t key_bytes)
{
    return set->of[domain].mask && mem_mask_covers(set->of[domain].mask, key, key_bytes);
}
static inline bool txn_set_empty(const txn_set *set)
{
    bool empty = true;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        empty &= !set->of[domain].keys && !set->of[domain].mask;
    return empty;
}
/* What it holds now, to go back to; the caller holds the roots from before the first to after the second. */
typedef struct txn_saved {
    mem_saved table;
    mem_node_list replaced; /* what is replaced after it is reached again then */
} txn_saved;
void txn_set_save(const txn_set *set, txn_saved *saved);
void txn_set_restore(txn_set *set, const txn_saved *saved);
/* The roots stay as they are until they are let go. */
void txn_set_hold(txn_set *set);
void txn_set_let_go(txn_set *set);

#endif
