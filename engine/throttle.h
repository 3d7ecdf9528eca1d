/*
 * throttle.h - back-pressure: how long a commit group is held back while a checkpoint is behind.
 *
 * While a frozen memtable is merged, writers fill the other one; when that is full before the checkpoint is done they
 * stand still for the rest of it.  Instead the room left is spent evenly over the time that the checkpoint is
 * expected to need still: a group of b bytes takes b / room of that time, its own included.  Who writes more slowly
 * than that is not held back at all, nor is anybody while the checkpoint keeps up.  The rest is estimated from the
 * operations merged so far, or, early, from the last checkpoint's, and from how long the last one's syncs took; one
 * that stands still is expected to do so as long again.  Pacing by the progress of the merge: Sears, Ramakrishnan,
 * bLSM, 2012 ("spring and gear").
 *
 * One wait is THROTTLE_MAX_NS for each THROTTLE_PART_BYTES begun at most; waits too short to sleep through are
 * saved up.  When the estimate was too kind the hard stop comes as before, at the full memtable.
 *
 * Threads: the checkpoint's side is called by one thread at a time, throttle_delay_ns() by one leader at a time,
 * throttle_done() by any.  All shared words are relaxed estimates: what one reads of a checkpoint that just began or
 * ended makes one wait too long or too short.
 */
#ifndef LEVIN_THROTTLE_H
#define LEVIN_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_MIN_NS = 200000, THROTTLE_MAX_NS = 5000000, THROTTLE_PART_BYTES = 128 << 10 };

/* Zeroed: nothing is known, no checkpoint runs. */
typedef struct throttle {
    _Atomic uint64_t began_ns, merged_ns; /* of the checkpoint at work; 0: there is none; not yet */
    _Atomic uint64_t operations, done;    /* of it: to merge; merged */
    _Atomic uint64_t moved_ns;            /* of it: when it last made progress */
    _Atomic uint64_t merge_ns_per_1024;   /* of the last one: time for 1024 operations, and after the merge */
    _Atomic uint64_t rest_ns;
    uint64_t due_ns, last_ns;             /* the leader's: when the next group may begin; when the last one ended */
} throttle;

/* ---- the checkpoint's side; times from the clock of the I/O table ---- */
void throttle_begin(throttle *t, uint64_t operations, uint64_t now_ns);
void throttle_progress(throttle *t, uint64_t done, uint64_t now_ns);
void throttle_merged(throttle *t, uint64_t now_ns);
/* completed: it is a measure for the next one. */
void throttle_end(throttle *t, uint64_t now_ns, bool completed);

/* ---- the writers' side ---- */
/* By the leader, after a group that added about `bytes`, with so much room left: how long to wait; 0: not at all. */
uint64_t throttle_delay_ns(throttle *t, uint64_t now_ns, uint64_t bytes, uint64_t room_bytes);
/* How much of the merge is done, of 1000; 0 when none runs. */
unsigned throttle_done(const throttle *t);

#endif
