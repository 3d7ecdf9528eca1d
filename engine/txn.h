/*
 * txn.h - the inside of a transaction.  Internal to txn.c, txn_iter.c and txn_commit.c.
 */
#ifndef LEVIN_TXN_H
#define LEVIN_TXN_H

#include "db.h"
#include "batch.h"
#include "txn_scan.h"

typedef struct txn_savepoint {
    struct txn_savepoint *before;
    txn_saved writes;
} txn_savepoint;

/* A named keyspace that it has been in touch with. */
typedef struct txn_space {
    struct txn_space *next;
    keyspace_state *state; /* referenced */
    bool read;             /* serializable: the base was asked for keys of it, so it must still be there */
} txn_space;

struct levin_txn {
    levin *store;
    levin_isolation isolation;
    uint64_t memory_bytes; /* limit of what it keeps */
    bool over;             /* committed, refused or rolled back: base is let go */
    levin_snapshot base;   /* what it reads */
    txn_set writes;        /* its own operations, the newest on each key */
    txn_set reads;         /* serializable: the keys that it has asked the base for, as deletes */
    txn_ranges seen;       /* serializable: by its iterators */
    txn_space *spaces;     /* the one of the last call first */
    size_t spaces_bytes;
    txn_savepoint *savepoints; /* newest first; each holds the roots of `writes` */
};

/* LEVIN_INVALID when the transaction is over. */
levin_code txn_check_open(const levin_txn *txn);
/* After it has kept more: levin_stats shows it. */
void txn_show_bytes(levin_txn *txn);
/* LEVIN_TOO_BIG when it may not keep so many more bytes. */
levin_code txn_check_room(const levin_txn *txn, size_t bytes);
/*
 * Notes the keyspace (NULL: the default one, nothing to note); read: for the base is going to be asked about it.
 * LEVIN_NO_MEMORY, LEVIN_TOO_BIG.
 */
levin_code txn_touch(levin_txn *txn, const levin_keyspace *ks, bool read);
/* Lets the base go: no more reads, writes, commits. */
void txn_end(levin_txn *txn);

#endif
