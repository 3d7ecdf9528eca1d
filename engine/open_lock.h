/*
 * open_lock.h - the locks on the file "lock" at levin_open().  Internal.
 */
#ifndef LEVIN_OPEN_LOCK_H
#define LEVIN_OPEN_LOCK_H

#include "db.h"

/*
 * Opens the lock file and takes what the handle needs: sets lock, slots, beside, and of a reader the slot's number.
 * LEVIN_LOCKED, LEVIN_READERS_FULL, LEVIN_NO_STORE.
 */
levin_code open_lock(levin *db, levin_error *error);
/* A reader who has read the log lets writers pass. */
levin_code open_unlock_gate(levin *db, levin_error *error);

#endif
