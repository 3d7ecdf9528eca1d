/*
 * validate.h - whether a key or a range reads the same in two states.  Internal.
 *
 * What transactions and compare-and-swap rest on: a write that depends on what was read is right if, at its place in
 * the order of commit, all of that would be read again as it was (backward validation of optimistic concurrency
 * control, Kung and Robinson, 1981; by values and not by the write sets of others, so no history of them is kept).  A
 * value that was changed and changed back counts as unchanged: at the moment of the commit all reads are what they
 * would be if the whole transaction ran there, and nothing else of it depends on the store.
 *
 * The usual answer costs no comparison of values: records of a memtable, memtables and page trees are immutable, so the
 * same pointers mean the same contents.
 */
#ifndef LEVIN_VALIDATE_H
#define LEVIN_VALIDATE_H

#include "write.h"

/* Nothing at all has changed: all roots are the same. */
static inline bool validate_same_state(const write_state *then, const write_state *now)
{
    bool same = then->v->tree == now->v->tree;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        const version_layers *a = &then->of[domain], *b = &now->of[domain];
        same &= a->mem.keys == b->mem.keys && a->mem.mask == b->mem.mask && a->frozen.keys == b->frozen.keys &&
                a->frozen.mask == b->frozen.mask;
    }
    return same;
}

/*
 * LEVIN_OK: the key is absent in both, or has the same value; LEVIN_CONFLICT: it differs (error is not filled); or why
 * that could not be found out.  A key of a named keyspace has its id in front, here and below.  The caller keeps both
 * states alive.  Allocates only to compare values in extents of different places.
 */
levin_code validate_key(levin *db, const write_state *then, const write_state *now, unsigned domain, const void *key,
                        size_t key_bytes, levin_error *error);

/* Keys of the domain from low to high; data NULL: no end on that side. */
typedef struct validate_bounds {
    unsigned domain;
    levin_slice low, high;
    bool low_exclusive, high_exclusive;
} validate_bounds;

/*
 * The same for all keys of a range, absent ones included.  While only the newest memtable has grown, just what is new
 * in it is looked at: subtrees that the two states share are skipped.  Otherwise (a checkpoint was begun or has ended,
 * a range was deleted) both states are read over the whole range, side by side; thorough false: LEVIN_PENDING instead.
 */
levin_code validate_range(levin *db, const write_state *then, const write_state *now, const validate_bounds *range,
                          bool thorough, levin_error *error);

#endif
