/*
 * history.h - what was called and answered in one run, and whether any order of the calls explains it.
 *
 * A store is a map of a few keys to numbers (0: absent).  One of them says whether there is a keyspace, in which
 * another one lies: it is the number of its creation, which handles remember, and a recovered store shows only whether
 * it is 0.  A call reads some keys at one moment and, at the same moment, writes some.  All calls together must be
 * linearizable: there is an order, in which a call that had returned comes before one that began after that, and in
 * which every call reads what it read (Herlihy and Wing, 1990).  A snapshot
 * is a call that reads when it is taken; a batch or a committed transaction one that writes all its keys.  So
 * atomicity of batches, consistency of snapshots and serializability come with it.
 *
 * After a crash the store shows one state: that after some prefix of such an order, a prefix with every call in it
 * whose durability was acknowledged (durable linearizability: Izraelevitz, Mendes and Scott, 2016; with Levin's
 * PREFIX: no hole).
 *
 * Behind a prefix that holds all that was acknowledged, calls of the group whose sync has failed may follow, each whole
 * (POISON).  They were in flight together at some moment, and what the prefix holds had been called by then; some may
 * not have returned yet.  That group is the last one: nothing that has not returned is published behind it.  What
 * failed with a code after which "the store is as if the call had not been" (levin.h) never follows.  Where nothing
 * but syncs of the log fails (`sync_only`), there is no hole among the failed either: what was committed before one of
 * them, by an order that is known, was in its group (a sync that failed ends all writing) and is there with it, as in
 * oracle.h.  Otherwise the earlier one may have failed alone, before the log (a large value that could not be written).
 *
 * The order is that of commit, of which levin.h promises more than that:
 *   submission  what a thread has submitted without waiting (a ticket, a callback) comes before every write that is
 *               called after the submission has returned, though it may return much later
 *   callbacks   batches whose callbacks have come are in the order of these, before those whose have not
 * So a prefix that holds the later of two such writes holds the earlier, too, if that was committed at all: while no
 * call can fail (`faults`), it was.
 *
 * The search is that of Wing and Gong (1993), with the configurations seen remembered (Lowe, 2017), and what only
 * reads put in order as soon as it fits, which leaves no fewer orders for the rest.  Its time is exponential in the
 * calls that overlap, so it is given up after some steps: then the verdict is that there is none.  One thread.
 */
#ifndef LEVIN_FAULTS_HISTORY_H
#define LEVIN_FAULTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_SPACE = 4, HISTORY_IN_SPACE = 5, HISTORY_KEYS = 6, HISTORY_CALLS_MAX = 60 };
enum { HISTORY_STEPS_DEFAULT = 4000000 };
#define HISTORY_PENDING UINT64_MAX

typedef uint8_t history_state[HISTORY_KEYS];

typedef enum history_result {
    HISTORY_OPEN,   /* has not returned */
    HISTORY_DONE,
    HISTORY_FAILED, /* has no effect that anybody sees, until a crash */
    HISTORY_UNDONE  /* has none, whatever comes */
} history_result;

typedef struct history_call {
    uint64_t invoked, returned; /* moments, counted up; HISTORY_PENDING */
    uint64_t submitted;         /* when a submission that nobody waits for had returned; 0: it has not, or is none */
    bool callback;              /* `returned` is when its callback came */
    history_result result;
    uint8_t reads, writes;      /* bits of keys */
    uint8_t differs;            /* of keys whose values were others than `read` says */
    history_state read, written;
    bool synced, logged;        /* acknowledged as such */
    bool barrier;               /* a sync: what had returned before it was invoked is durable */
    char text[24];              /* for people */
} history_call;

typedef struct history {
    history_state initial;
    history_call calls[HISTORY_CALLS_MAX];
    unsigned count;
    uint64_t now;
    bool faults;                /* calls may fail; so may those that have not returned have done */
    bool sync_only;             /* of calls, only syncs of the log may fail */
    uint64_t steps_max;         /* of one search; 0: HISTORY_STEPS_DEFAULT */
} history;

typedef enum history_verdict {
    HISTORY_UNEXPLAINED, /* by no order */
    HISTORY_EXPLAINED,
    HISTORY_UNDECIDED    /* the search was given up */
} history_verdict;

/* Whether an order explains the history. */
history_verdict history_check(const history *h);
/* Whether the state may be left by a crash at the end of the history; process_end: what was logged is there, too. */
history_verdict history_check_crash(const history *h, const history_state found, bool process_end);

/* All calls, a line each, in the order of their invocations. As snprintf(). */
int history_text(const history *h, char *text, size_t capacity);

#endif
