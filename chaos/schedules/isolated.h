/*
 * isolated.h - a scenario in a process of its own, so that its death is a finding like others.
 *
 * What the scheduler sees itself (signals of the engine, assertions, loops without end) it reports without this.  What
 * ends the whole process it cannot: a report of a sanitizer, an exit(), memory of the harness that was overwritten, the
 * kernel's kill for want of memory.  Then the kind is "death", and the switches are those decided before it.
 */
#ifndef CHAOS_SCHEDULES_ISOLATED_H
#define CHAOS_SCHEDULES_ISOLATED_H

#include "../../faults/schedule/scenario_run.h"

#define ISOLATED_DEATH "death"

typedef struct isolated_options {
    run_options run;
    uint64_t schedules_max; /* of a scenario with a tree: so many, or until one shows something */
    bool tells;             /* the child's standard error is the caller's: for reports of sanitizers */
} isolated_options;

/*
 * As run_scenario().  The tree, if there is one, stays where it stands.  Of a death the history and the points are what
 * had come of them, and there are no positions.
 */
void isolated_run(const scenario *s, const isolated_options *options, run_result *result);

#endif
