/*
 * soak.h - a store on real files and real threads, killed again and again, with the promises kept outside of it.
 *
 * What the sweeps cannot show: the kernel's own files, real preemption, a process that dies at any instruction.  What
 * this cannot: a power cut (sweep), or the same run twice.
 */
#ifndef CHAOS_SOAK_H
#define CHAOS_SOAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../faults/plan.h"

struct soak_result;

typedef struct soak_options {
    uint64_t seed;
    unsigned threads;        /* 1 .. SOAK_THREADS_MAX (soak_life.h) */
    double seconds;          /* no life begins later */
    uint64_t lives;          /* at most so many; 0: as many as there is time for */
    uint64_t fault_every;    /* in about every other life: soak_life.h; 0: none */
    const plan_rules *plan;  /* hurts calls in about every other life, and no bytes (soak_plan_fits()); NULL: none */
    bool fiu;                /* libfiu's points decide as well, and fiu-ctrl reaches this process */
    const char *directory;   /* where it works, made if need be; NULL: one of its own, removed if nothing was found */
    /* Called about five times a second and after each life; false: stop. May be NULL. */
    bool (*tick)(void *context, const struct soak_result *so_far);
    void *context;
} soak_options;

enum { SOAK_PATH_BYTES = 1024 };

typedef struct soak_result {
    uint64_t lives, closed, given_up;
    uint64_t killed, killed_opening, killed_comparing, killed_closing; /* killed: those too */
    uint64_t operations;     /* that are in the store, or were acknowledged in the last life */
    uint64_t reads, compared, checks; /* gets; states of all threads compared after a death; levin_check() */
    uint64_t faults, lives_with_faults;
    uint64_t recovery_max_ns;
    double seconds;
    bool interrupted;
    bool living;             /* a life is under way: its process may be using the store */
    char promise[24], text[700]; /* "" when nothing was violated */
    char directory[SOAK_PATH_BYTES];    /* has store, before (as the last life found it), soak.state */
    char last_fault[160];    /* "" when there was none */
    uint64_t fired[PLAN_RULES_MAX]; /* of the plan */
} soak_result;

/* Whether a soak can judge a store under the plan: it may not damage what is written or read. */
bool soak_plan_fits(const plan_rules *plan);
/* False, with a message in result->text, when the harness itself failed. One at a time in a process. */
bool soak_run(const soak_options *options, soak_result *result);

#endif
