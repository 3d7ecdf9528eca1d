/*
 * soak_life.h - one life of the process under test: opens the store, compares it with what was promised before, goes on
 * until it is killed or told to stop.  What it has promised stands in memory that it shares with its parent, so that it
 * outlives any death.
 */
#ifndef CHAOS_SOAK_LIFE_H
#define CHAOS_SOAK_LIFE_H

#include <stdatomic.h>

#include "../faults/plan.h"
#include "soak_plan.h"

enum { SOAK_THREADS_MAX = 64, SOAK_FAULTS_KEPT = 1024, SOAK_TEXT_BYTES = 600, SOAK_ORDER_KEPT = 64 };

typedef enum soak_phase {
    SOAK_STARTS,
    SOAK_OPENS,
    SOAK_COMPARES,
    SOAK_RUNS,
    SOAK_CLOSES,
    SOAK_ENDED /* closed, or given up after an injected fault */
} soak_phase;

/*
 * Of one thread's operations the first `durable` survive the end of the process, `acknowledged` have returned, and
 * `issued` were begun: one of the states after durable .. issued operations is what the next life must find.  The
 * writer stores with release, whoever judges loads with acquire: an operation is issued before it can be seen.
 */
typedef struct soak_thread {
    _Alignas(64) _Atomic uint64_t issued, acknowledged, durable;
    /*
     * Of the operations since `ordered`, by their number modulo SOAK_ORDER_KEPT: how many of each thread's had returned
     * before it began.  All are committed in one order, so where it is found, these must be.
     */
    _Atomic uint64_t before[SOAK_ORDER_KEPT][SOAK_THREADS_MAX], ordered;
    /* The state of an earlier moment, from which candidates are made: [current] is whole at any instant. */
    _Atomic uint32_t current;
    struct soak_base {
        uint64_t number;
        soak_model model;
    } base[2];
} soak_thread;

typedef struct soak_fault {
    uint64_t life, call; /* the call of that life that was made to fail */
    int32_t os_error;
    char point[36], effect[16];
} soak_fault;

/* Mapped from a file, so that it is there after every death. */
typedef struct soak_shared {
    _Atomic uint32_t phase, stop, violated; /* violated: 1 being written, 2 written */
    char promise[24], text[SOAK_TEXT_BYTES];
    _Atomic uint64_t reads, compared, checks, recovery_max_ns; /* sums over all lives */
    _Atomic uint64_t faults;                                   /* the newest are kept, in turn */
    soak_fault fault[SOAK_FAULTS_KEPT];
    soak_thread thread[SOAK_THREADS_MAX];
} soak_shared;

typedef struct soak_life_options {
    const char *path;
    uint64_t seed, life;
    unsigned threads;
    uint64_t fault_every; /* one I/O call in so many fails, one allocation in eight times as many; 0: none */
    bool fiu;             /* libfiu's points decide as well; fiu_points_open() was called */
    plan_state *plan;     /* calls are hurt by it, too; in memory that outlives the process; NULL: none */
} soak_life_options;

/*
 * Whether each thread whose newest operation is there (found[thread] of them are) finds with it all that had returned
 * before that began; most[thread]: so many may be there, when several numbers make the same state.  False: *later is
 * the thread whose operation is there, *missing the one of which too few are, *before how many there must be.
 */
bool soak_order_holds(const soak_shared *s, unsigned threads, const uint64_t *found, const uint64_t *most,
                      unsigned *later, unsigned *missing, uint64_t *before);

/* In a process of its own, which it ends. */
_Noreturn void soak_life(const soak_life_options *options, soak_shared *shared);

#endif
