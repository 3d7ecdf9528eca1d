/*
 * fault_run.h - one life of a store in which one kind of call fails at one place, and what must be true afterwards.
 */
#ifndef CHAOS_FAULT_RUN_H
#define CHAOS_FAULT_RUN_H

#include "../faults/fault_io.h"
#include "../faults/plan.h"
#include "verify.h"

/* What is done while a fault lies in wait. */
typedef struct fault_scenario {
    char name[32];            /* "life", "recovery-0", ... */
    workload *w;
    const disk_image *start;  /* NULL: an empty disk */
    oracle *from;             /* the history that led to start, and the state that recovery shows; NULL: none */
    uint32_t from_state;
    oracle_legal from_legal;  /* what the crash allowed: binding until a recovery has shown the one state */
    uint64_t calls[LEVIN_FILE_KIND_COUNT][FAULT_OPERATION_COUNT]; /* in a run without a fault */
} fault_scenario;

enum { FAULT_SCENARIOS = 4, FAULT_NAME_BYTES = 96 };

typedef struct fault_scenarios {
    workload *life;
    trace *t;                 /* of the life, for the crashes that the others start from */
    oracle *o;
    fault_scenario items[FAULT_SCENARIOS];
    size_t count;
    workload_script *script;  /* gets what the scenario of a run does; NULL at first */
    oracle_verdict verdict;   /* of the runs without faults */
    char where[32];
} fault_scenarios;
/*
 * The first `scenarios` of them, at most FAULT_SCENARIOS; part is of the life, NULL: the whole plan.  False when a run
 * without faults already breaks a promise: verdict and where tell.
 */
bool fault_scenarios_prepare(fault_scenarios *s, uint64_t seed, uint32_t operations, const stanzas *data,
                             const workload_part *part, size_t scenarios);
void fault_scenarios_release(fault_scenarios *s);

/* One way in which a call can fail. */
typedef struct fault_way {
    fault_operation operation;
    const char *name;
    fault_effect effect;
    int os_error;
    size_t bytes;
    bool forever;             /* also tried for ever */
    bool keeps_pages;         /* a failed sync that keeps the pages dirty */
} fault_way;
extern const fault_way fault_ways[];
extern const size_t fault_way_count;

typedef struct fault_plan {
    size_t scenario;
    levin_file_kind kind;
    size_t way;
    bool forever;
    uint64_t nth, calls;      /* nth is calls + 1 in the run that must meet no fault */
} fault_plan;
/* The plans of all scenarios, numbered from 0; false past the last one. */
bool fault_plan_at(const fault_scenarios *s, uint64_t number, fault_plan *plan);
/* The plan of that name and its number. False: there is none. */
bool fault_plan_find(const fault_scenarios *s, const char *name, uint64_t *number, fault_plan *plan);
uint64_t fault_plan_count(const fault_scenarios *s, uint64_t *series);
void fault_plan_name(const fault_scenarios *s, const fault_plan *plan, char name[FAULT_NAME_BYTES]);

typedef struct fault_outcome {
    oracle_verdict verdict;
    const char *phase;
    uint64_t fired, failures;
    uint64_t told;            /* verdicts that damage done by a plan was told of, as LEVIN_CORRUPT */
    bool hurt;                /* a plan lost, damaged or did not sync what was written (fault_damage.h) */
    uint64_t cuts, near_cuts; /* points of power cuts judged, 4 states of each; near: in the calls after the fault */
    uint64_t digest;          /* under a plan: of the files at the end */
} fault_outcome;
bool fault_run(const fault_scenarios *s, const fault_plan *plan, uint64_t seed, fault_outcome *outcome);
/*
 * The scenario of that index under a fault plan (plan.h), state being that of rules and new.  Damage that the plan
 * does may be told as LEVIN_CORRUPT of a file that was hurt, and no answer may be wrong; fault_damage.h says what is
 * right after damaged or lost writes and syncs.
 */
bool fault_run_plan(const fault_scenarios *s, size_t scenario, const plan_rules *rules, plan_state *state,
                    uint64_t seed, fault_outcome *outcome);

#endif
