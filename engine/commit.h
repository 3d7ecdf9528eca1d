/*
 * commit.h - the commit queue: many submitters, one leader at a time, group commit.
 *
 * A submitter pushes its request on a lock-free list (Treiber 1986; the order of pushes is the order of commit) and
 * waits.  Whoever waits and finds no leader becomes the leader: it takes all that is queued, in order, and hands
 * it as one list to the `lead` function of the queue's owner, which completes every request of the list.  Leaving, it
 * hands the leadership to the first waiter that sleeps, if any has come meanwhile.  Requests that nobody waits for
 * stay queued, in order, until somebody waits or polls, for them or for later ones.  Submitting and leading are
 * separate, so that asynchronous commits only submit.
 *
 * Progress: submission is lock-free; waiting blocks (futex) on the request's own state word.  A waiter leads one
 * group at most, its own: others cannot hold it back for ever.  Before it sleeps it gives the processor away a few
 * times, which with many submitters is cheaper than to sleep and be woken, as long as it gets the processor back
 * soon.
 * Reclamation: a request belongs to its submitter; the queue does not touch it after commit_complete() has stored
 * its state, except to wake the address of the state word (a stray futex wake on freed memory is harmless).
 */
#ifndef LEVIN_COMMIT_H
#define LEVIN_COMMIT_H

#include "io.h"
#include "levin.h"
#include "sync.h"

typedef struct commit_request {
    struct commit_request *next;
    _Atomic uint32_t state;     /* enum commit_state, in commit.c */
    levin_code result;          /* set by the leader before the request is done */
    levin_error error;          /* filled when result is not LEVIN_OK */
} commit_request;

typedef struct commit_queue {
    _Atomic(commit_request *) head; /* newest first */
    _Atomic uint32_t leadership;    /* bits: there is a leader; a waiter has come since the leader looked last */
    _Atomic uint32_t rest;          /* waits that go to sleep at once, because yielding was slow; a hint */
    commit_request *pending;        /* taken off `head`, not yet led, oldest first; the leader's */
    commit_request *pending_last;   /* the leader's */
    /*
     * Called by the leader with a list in order of submission; completes each request with commit_complete(), and
     * reads its `next` before that.
     */
    void (*lead)(void *context, commit_request *list);
    void *context;
    uint64_t linger_ns;             /* a leader waits so long for company before it takes the list; 0 by init */
    _Atomic uint32_t linger_word;   /* never changes: what it waits on */
    const levin_io *io;             /* for the clock */
} commit_queue;

void commit_queue_init(commit_queue *q, const levin_io *io, void (*lead)(void *context, commit_request *list),
                       void *context);
void commit_submit(commit_queue *q, commit_request *r);
/* Leads or sleeps until r is done. Returns its result. One thread at a time waits or polls for a request. */
levin_code commit_wait(commit_queue *q, commit_request *r);
/* Leads if nobody does; LEVIN_PENDING when r is not done after that. */
levin_code commit_poll(commit_queue *q, commit_request *r);
/* By the leader: stores the result and wakes the waiter. r is gone after that. */
void commit_complete(commit_request *r, levin_code result);

#endif
