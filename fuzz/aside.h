/*
 * aside.h - what a person does with the files of a store that may be damaged, without opening it: looks into them,
 * and has it repaired; with the invariants of both.  For fuzz_open_image.
 */
#ifndef LEVIN_FUZZ_ASIDE_H
#define LEVIN_FUZZ_ASIDE_H

#include "damage.h"

/*
 * levin_dump() of everything: no signal, no hang; each item names a file of the store; LEVIN_CORRUPT exactly when an
 * item had a fault; nothing on the disk changes.
 */
void aside_dump(const disk_image *image);

typedef struct aside_repaired {
    levin_code code;
    bool made;
    size_t pairs;    /* of the default keyspace, in the new store */
    uint64_t digest; /* of them: aside_digest() of each, in order, from 0 */
} aside_repaired;

/*
 * levin_repair() into another directory: a store that was made opens, and levin_check() finds no fault in it.  legal
 * (NULL: nothing is known): every pair of it is one of some state of the seed store, and when nothing was lost all of
 * it is a legal state.
 */
void aside_repair(const disk_image *image, const damage_legal *legal, aside_repaired *repaired);
uint64_t aside_value_hash(levin_slice value);
uint64_t aside_digest(uint64_t before, levin_slice key, uint64_t value_hash);

#endif
