/*
 * shrink.h - a smaller scenario that shows the same: fewer operations, threads, features and switches.
 */
#ifndef CHAOS_SCHEDULES_SHRINK_H
#define CHAOS_SCHEDULES_SHRINK_H

#include "../../faults/schedule/scenario_run.h"
#include "isolated.h"

typedef struct shrink_counts {
    uint64_t runs;
    unsigned operations_before, operations, threads_before, threads;
    size_t switches_before, switches;
} shrink_counts;

/*
 * The scenario, run again, must show a finding (false: it shows none).  Afterwards it gives its switches, which lead
 * to a finding of the same kind.  Its operations cannot be less by one, as far as some tries of schedules tell, nor
 * its switches at all.
 */
bool shrink_scenario(scenario *s, const isolated_options *options, shrink_counts *counts);

#endif
