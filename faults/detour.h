/*
 * detour.h - what a transaction writes and takes back by savepoints: it must leave nothing.
 */
#ifndef LEVIN_FAULTS_DETOUR_H
#define LEVIN_FAULTS_DETOUR_H

#include "../engine/levin.h"

enum { DETOUR_ROLLBACKS = 2 }; /* of one detour */

/*
 * Lets the transaction write the key, delete its whole neighbourhood and put "detour", which nobody else has as a key,
 * behind two savepoints, and go back over both; a third is left to the commit.  What it sees of the key is checked
 * on the way.  The code of the first call that failed (the transaction is to be destroyed then), or LEVIN_OK.
 * *flaw: NULL, or in what the answers were not EXACT.
 */
levin_code detour_take(levin *store, levin_txn *txn, const levin_keyspace *keyspace, levin_slice key,
                       const char **flaw);

#endif
