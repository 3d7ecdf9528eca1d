/*
 * txn_scan.h - the ranges of keys that a serializable transaction has seen through its iterators.  Internal.
 *
 * An iterator sees one stretch of keys between the place where it was put and the place where it is put next: from the
 * lowest to the highest that it came to, ends of the bounds included when it ran into one.  Everything in a stretch has
 * been seen, keys that are absent too (next-key locking in ARIES/KVL, Mohan, 1990, guards the same gaps).  A stretch
 * that has been left is kept as a txn_range.
 */
#ifndef LEVIN_TXN_SCAN_H
#define LEVIN_TXN_SCAN_H

#include "txn_set.h"

/* Keys of the domain from low to high (named keyspaces: with their ids); data NULL: no end on that side. */
typedef struct txn_range {
    struct txn_range *next;
    unsigned domain;
    size_t bytes;             /* of this piece of memory */
    levin_slice low, high;    /* in `keys` */
    bool low_exclusive, high_exclusive;
    uint8_t keys[];
} txn_range;

/* What one transaction has seen. */
typedef struct txn_ranges {
    const levin_io *io;
    txn_range *ranges;        /* left behind */
    struct txn_scan *scans;   /* of open iterators */
    size_t bytes;             /* of memory held */
    size_t key_max_bytes;     /* of the store */
    uint64_t limit_bytes;
} txn_ranges;

/* Of one iterator; owned by the set, which outlives the iterator, as what the transaction has written does. */
typedef struct txn_scan {
    txn_ranges *of;
    struct txn_scan *next, **link;
    txn_set *own;             /* held: the iterator reads it */
    levin_iter *iter;
    unsigned domain;          /* of the iterator */
    bool tracking;            /* false: what is seen matters to nobody */
    txn_range *range;         /* room for two of the longest keys */
    bool seeing;              /* a stretch has begun */
    bool reached;             /* and its far end is known */
} txn_scan;

/* Zeroed, with io, key_max_bytes and limit_bytes set, is empty. */
void txn_ranges_fini(txn_ranges *set);
/* For an iterator that is about to be opened. */
levin_code txn_scan_create(txn_ranges *set, txn_set *own, unsigned domain, bool tracking, txn_scan **scan,
                           levin_error *error);
/* Keeps what was seen, and is gone. Cannot fail. */
void txn_scan_end(txn_scan *scan);
/*
 * A stretch begins at this key (or end of the bounds), upwards or downwards; the one before is kept.  LEVIN_NO_MEMORY,
 * LEVIN_TOO_BIG over the limit: nothing that was seen is forgotten, but nothing may be seen either.
 */
levin_code txn_scan_begin(txn_scan *scan, bool forward, levin_slice start, bool exclusive, levin_error *error);
/* The stretch is through: it is kept. */
void txn_scan_leave(txn_scan *scan);
/* The stretch goes as far as this key on that side, at least. Nothing when none has begun. */
void txn_scan_extend(txn_scan *scan, bool forward, levin_slice to, bool exclusive);

#endif
