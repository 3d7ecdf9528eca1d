/*
 * commit.h - the commit queue: many submitters, one leader at a time, group commit.
 *
 * A submitter pushes its request on a lock-free list (Treiber 1986; the order of pushes is the order of commit) and
 * waits.  Whoever waits and finds no leader becomes the leader: it takes all that is queued, in order, and hands
 * it as one list to the `lead` function of the queue's owner, which completes every request of the list.  Leaving, it
 * hands the leadership to the first waiter that sleeps, if any has come meanwhile.
 *
 * Requests that nobody waits for (tickets, callbacks) are led with those that somebody waits for, by a poll, by the
 * server (commit_serve(), on a thread of its own that sleeps when there is nothing to do), or, without a server, by
 * commit_work(): they stay queued, in order, until one of these comes.
 *
 * Callbacks are run one at a time, in order of commit, never while leading, so that they may submit and wait: by the
 * server, or, without one, by the leader that completed them once it has left.  If somebody is at it already (another
 * leader; the leader itself, whose callback commits) they are left to that one.
 *
 * Lingering: with linger_ns set, a request submitted with `lingers` waits for company until the first of the queue has
 * waited so long (due_ns); its waiter sleeps so long, the server and commit_work() leave it alone.  A request that
 * does not linger takes along what is queued, and so does one that makes the group full (COMMIT_FULL_BYTES).
 *
 * Gathering: submitters that come back at once, as in a loop of synced writes, would fall into two halves, one of
 * which queues while the group of the other is led.  So a leader that has a `slow` request waits for as many as were
 * in flight when the last slow group was done: those that it had completed, and those that were queued by then; not
 * in commit_poll() and commit_work(), which nobody expects to wait.  It gives the processor away meanwhile, and waits
 * a quarter of the time that a slow group took lately at most (GATHER_SHARE); one submitter alone is never kept
 * waiting, and one that stays away costs one such wait.  Group commit: DeWitt, Katz, Olken, Shapiro, Stonebraker,
 * Wood 1984; waiting for siblings: PostgreSQL's commit_delay and commit_siblings, MySQL's
 * binlog_group_commit_sync_no_delay_count, whose user has to know the figures.
 *
 * Progress: submission is lock-free; waiting blocks (futex) on the request's own state word.  A waiter leads one
 * group at most, its own: others cannot hold it back for ever, but where there is no server it runs the callbacks
 * that come while it runs callbacks.  Before it sleeps it gives the processor away a few
 * times, which with many submitters is cheaper than to sleep and be woken, as long as it gets the processor back
 * soon.  A leader hands the leadership on before it wakes those whose requests it has completed: the next one gathers
 * them.
 * Reclamation: a request belongs to its submitter; the queue does not touch it after commit_complete() has stored
 * its state, except to wake the address of the state word (a stray futex wake on freed memory is harmless).  One with
 * a `done` function belongs to that function.
 */
#ifndef LEVIN_COMMIT_H
#define LEVIN_COMMIT_H

#include "io.h"
#include "levin.h"
#include "sync.h"

enum {
    COMMIT_FULL_BYTES = 1 << 20,    /* a group that has gathered so much does not linger */
    COMMIT_REQUEST_BYTES = 1 << 10  /* a request counts for so much at least: 1024 of them fill a group */
};

typedef struct commit_request {
    struct commit_request *next;
    _Atomic uint32_t state;     /* enum commit_state, in commit.c */
    bool lingers, unwaited, slow;
    size_t bytes;               /* what it counts for in a group that lingers */
    void (*done)(struct commit_request *r); /* NULL: somebody waits or polls */
    levin_code result;          /* set by the leader before the request is done */
    levin_error error;          /* filled when result is not LEVIN_OK */
} commit_request;

/* How a request is submitted. All zero: somebody waits for it at once. */
typedef struct commit_terms {
    bool lingers;               /* waits for company */
    bool slow;                  /* its group takes long: a sync. Company is worth a short wait */
    bool unwaited;              /* maybe nobody waits for it, or not soon: the server leads it */
    size_t bytes;               /* about what it adds to the group */
    void (*done)(commit_request *r); /* with unwaited: called once when r is completed, instead of a wait; owns r */
} commit_terms;

typedef struct commit_sleepers commit_sleepers; /* commit.c's */

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
    const levin_io *io;             /* for the clock */

    uint64_t linger_ns;             /* 0 by init; set before the first submission, or never */
    _Atomic uint64_t due_ns;        /* when what lingers has to go; 0: at once; UINT64_MAX: nothing lingers */
    _Atomic uint64_t gathered;      /* bytes queued; kept with linger_ns only */

    _Atomic(commit_request *) finished; /* with a `done` function, completed, newest first */
    _Atomic uint32_t delivery;      /* without server: bits: somebody runs callbacks; more have come meanwhile */
    bool elected;                   /* the leader's: it has to run callbacks when it has left */

    size_t in_flight;               /* the leader's: requests led or queued when the last slow group was done */
    uint64_t slow_ns;               /* the leader's: what slow groups took lately */
    commit_sleepers *sleepers;      /* the leader's, while it leads: whom to wake when it has left */

    _Atomic uint32_t served;        /* there is a server */
    _Atomic uint32_t signal;        /* bits: what the server has to look at; it sleeps on 0 */
} commit_queue;

void commit_queue_init(commit_queue *q, const levin_io *io, void (*lead)(void *context, commit_request *list),
                       void *context);
/* terms NULL: all zero. */
void commit_submit(commit_queue *q, commit_request *r, const commit_terms *terms);
/* Leads or sleeps until r is done. Returns its result. One thread at a time waits or polls for a request. */
levin_code commit_wait(commit_queue *q, commit_request *r);
/* Leads if nobody does; LEVIN_PENDING when r is not done after that. */
levin_code commit_poll(commit_queue *q, commit_request *r);
/* Leads one group if nobody does and what is queued does not linger. Returns whether there was one. */
bool commit_work(commit_queue *q);
/*
 * The server: leads what nobody waits for, runs callbacks, sleeps, until commit_serve_stop().  At most one thread;
 * commit_serve_begin() comes when that thread is sure to run, before the first submission that needs it.
 */
void commit_serve(commit_queue *q);
void commit_serve_begin(commit_queue *q);
/* Asks the server to end; what it has not done is left for commit_drain(), after commit_serve_ended(). */
void commit_serve_stop(commit_queue *q);
void commit_serve_ended(commit_queue *q); /* its thread was joined */
/* Leads all that is queued and runs all callbacks. Nobody else uses the queue, but for these callbacks. */
void commit_drain(commit_queue *q);
/* By the leader: stores the result and wakes the waiter, or leaves r to the runner of callbacks. r is gone then. */
void commit_complete(commit_queue *q, commit_request *r, levin_code result);

#endif
