/*
 * scenario_run.h - one scenario under the scheduler, and what was wrong with it.
 */
#ifndef LEVIN_FAULTS_SCENARIO_RUN_H
#define LEVIN_FAULTS_SCENARIO_RUN_H

#include "history.h"
#include "scenario.h"

typedef struct run_options {
    bool races;              /* plain accesses are compared */
    uint64_t steps_max;      /* of a search for an order (history.h); 0: HISTORY_STEPS_DEFAULT */
    schedule_record *record; /* of the threads' switches, as they are made; may be NULL */
} run_options;

typedef struct run_result {
    schedule_outcome outcome;  /* of the threads; its switches are freed by run_result_free() */
    uint64_t digest;           /* of all decisions and outcomes, recoveries included */
    bool found;                /* something is wrong */
    char kind[32];             /* "race", "deadlock", "not linearizable", "lost by a crash", ... */
    char text[400];
    history calls;
    bool fault_fired, cut, began;
    bool cut_in_sync;          /* the power went while one thread was inside a sync and two others slept */
    bool failed_unwaited;      /* a sync failed while tickets or callbacks were outstanding */
    bool failed_beside;        /* an allocation failed in a thread that leads nothing, beside one that holds a mutex */
    unsigned crash_states;     /* recovered and judged */
    unsigned undecided;        /* searches for an order that were given up */
    schedule_outcome recovery; /* when it is what went wrong */
    bool in_recovery;
} run_result;

/* The result is a function of the scenario, and of the engine. */
void run_scenario(const scenario *s, const run_options *options, run_result *result);
void run_result_free(run_result *result);

#endif
