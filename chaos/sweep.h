/*
 * sweep.h - crash states at every I/O call of the workload.
 */
#ifndef CHAOS_SWEEP_H
#define CHAOS_SWEEP_H

#include "report.h"

/* A workload that was run on a simulated disk: what the store did, and what it promised. */
typedef struct sweep_run {
    workload *w;
    trace *t;
    oracle *o;
    workload_result result;
} sweep_run;
/* part NULL: the whole plan. at_step (with the run as context) and script as in workload_target; may be NULL. */
void sweep_prepare(sweep_run *run, uint64_t seed, uint32_t operations, const stanzas *data, const workload_part *part,
                   void (*at_step)(void *run, size_t step), workload_script *script);
void sweep_release(sweep_run *run);
explore_options sweep_explore_options(uint64_t seed, unsigned depth);

/* Fills r->sweep and r->found. deadline: crew_clock(), 0: none. */
void sweep(report *r, const stanzas *data, double deadline);

#endif
