/*
 * fault_damage.h - what must be true of a store whose files were hurt while it lived: writes garbled, lost, stale or
 * gone elsewhere, syncs that were not made.  Part of fault_run.c.
 *
 * After a sync that failed and took what was written since along (Btrfs), values that no sync had made durable may be
 * told as LEVIN_CORRUPT, too: they are gone.  All else is as after any failed sync.
 *
 * While it lives, the store may answer LEVIN_CORRUPT if that names a file of a kind that was hurt; of a read that was
 * hurt no longer than that lasts: then the same handle must read right again.  Where a value of the value log is
 * gone, the group of the log that needs it may be named.
 *
 * One thing is not told: a reader beside the writer looks at the page file alone, and where the newest meta page was
 * lost it shows the checkpoint before that, whole.
 *
 * Reopened, each answer is right, or LEVIN_CORRUPT of a file of that kind.  One exception, that of damage_judge.h:
 * the log may end before a damaged piece that nothing proves; so it is when the store is reopened while it lives,
 * too.  What levin_check() passes is whole: it can be written to.  After syncs that were not made, and without a
 * power cut, everything is right: nothing was hurt then.
 *
 * After a power cut, too; but the log may also end as if the power had failed at any moment since the first write
 * that was hurt, or since the earliest sync that was not made and has not been made up for by a later one of the same
 * file.  So what had been durable before stays so: a lying sync takes no more than it was given.  Two cases reach
 * further back: a write that went elsewhere may have hit any of the log, and a recovery writes anew what it found of
 * it.  Always it is one of the states that a crash may have left: PREFIX and ATOMIC.  A page file that lost its
 * newest meta page may name, as a whole, a file that the one before it needs and that is gone or has another life.
 */
#ifndef CHAOS_FAULT_DAMAGE_H
#define CHAOS_FAULT_DAMAGE_H

#include "fault_life.h"

/*
 * Whether the violation in out is the store telling of the damage, or having cut its log where damage lets it: it is
 * taken back.  For fault_life_run(), which tells by out->phase whether the faults were over.
 */
bool fault_damage_is_told(fault_life *l, fault_outcome *out);
/* As those of fault_life.h, for a mirrored life in which writes or syncs were hurt. */
bool fault_damage_check_power_cut(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                  fault_outcome *out);
bool fault_damage_check_reopened(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                 fault_outcome *out);

#endif
