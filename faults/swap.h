/*
 * swap.h - a compare-and-swap that must be refused, and then the one that must not.
 */
#ifndef LEVIN_FAULTS_SWAP_H
#define LEVIN_FAULTS_SWAP_H

#include "../engine/levin.h"

/*
 * Brings the key to `desired` (NULL: away) by levin_compare_and_swap_in() with what a get says, after one with another
 * expectation, which has to say what stands there.  The code of the first call that failed, or LEVIN_OK.  *flaw: NULL,
 * or in what the answers were not EXACT; nobody else writes the key meanwhile.
 */
levin_code swap_key(levin *store, const levin_keyspace *keyspace, levin_slice key, const levin_slice *desired,
                    levin_durability durability, const char **flaw);

#endif
