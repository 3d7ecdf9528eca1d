/*
 * bulk_load.h - what a bulk load asks of the checkpoint that it is (checkpoint_load.c).  Internal.
 *
 * All under work_mutex.  But for the first one, only while db->bulk_load is the caller's: a checkpoint that somebody
 * else needs, or a compaction, drops the load.
 */
#ifndef LEVIN_BULK_LOAD_H
#define LEVIN_BULK_LOAD_H

#include "db.h"

/* Finishes the checkpoint at work and begins one that is fed, into the tree of that domain. LEVIN_CONFLICT. */
levin_code checkpoint_load_begin(levin *db, levin_bulk_load *load, unsigned domain, levin_error *error);
/* Puts, back to back, ascending. On failure checkpoint_load_drop() is the only call allowed. */
levin_code checkpoint_load_feed(levin *db, const uint8_t *records, size_t count, levin_error *error);
/*
 * Makes it durable and visible.  admit is asked, under commit_mutex, whether the newest version allows it: what it says
 * instead of LEVIN_OK is what the load comes to.  In any case it is no load any more: after LEVIN_OK the rest of its
 * checkpoint is work like any other; otherwise nothing has changed, or the store is poisoned.
 */
levin_code checkpoint_load_commit(levin *db, levin_code (*admit)(void *context, const version *v, levin_error *error),
                                  void *context, levin_error *error);
/* As if it had not begun. */
void checkpoint_load_drop(levin *db);

#endif
