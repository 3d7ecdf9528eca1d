/*
 * txn_set.h - an ordered set of operations that one transaction owns: what it writes; and of keys: what it has read.
 * Internal.
 *
 * A memtable of its own.  Every operation is a group of that memtable: when it fails for want of memory the set is as
 * before, and whoever holds a root (an iterator, a savepoint) keeps what it saw.  While nobody does, replaced nodes are
 * used again at once.  One thread at a time.
 */
#ifndef LEVIN_TXN_SET_H
#define LEVIN_TXN_SET_H

#include "memtable.h"

typedef struct txn_set {
    memtable *table;      /* NULL: nothing was ever put in */
    const mem_node *root; /* NULL: empty */
    uint64_t group;
    unsigned holders;     /* of roots */
    mem_node_list replaced; /* reached from older roots only; kept for their holders */
} txn_set;

/* Zeroed is empty. */
void txn_set_fini(txn_set *set);
/* Bytes that it takes from io now. */
size_t txn_set_bytes(const txn_set *set);
/* Copies a well-formed operation in; it takes the place of one on the same key. LEVIN_NO_MEMORY. */
levin_code txn_set_put(txn_set *set, const levin_io *io, const uint8_t *record, levin_error *error);
/* The operation on the key, or NULL. Good until the set ends. */
static inline const uint8_t *txn_set_find(const txn_set *set, const void *key, size_t key_bytes)
{
    return memtable_find(set->root, key, key_bytes);
}
/* The root stays as it is until it is let go. */
void txn_set_hold(txn_set *set);
void txn_set_let_go(txn_set *set);

#endif
