/*
 * shrink.h - minimises a kept finding: rules of the plan, steps of the workload, their operations, the sizes of values,
 * the depth of the crash, by ddmin.h over finding_run.h.
 */
#ifndef CHAOS_SHRINK_H
#define CHAOS_SHRINK_H

#include "finding_run.h"

/* How much there is of a finding. */
typedef struct shrink_size {
    uint32_t steps, operations, walks, rules, value_bytes, depth; /* value_bytes: the longest value; walks: of ranges */
} shrink_size;

typedef struct shrink_options {
    const stanzas *data;
    /* Before each test; tests: done so far. May be NULL. */
    void (*progress)(void *context, const char *what, const shrink_size *best, uint64_t tests);
    void *context;
} shrink_options;

typedef struct shrink_result {
    bool there;         /* the finding was still there: otherwise nothing was done */
    bool interrupted;   /* crew_interrupted(): *f is the best so far */
    shrink_size before, after;
    uint64_t tests;     /* processes that did a part of it again */
    finding_outcome first; /* what the finding is today */
} shrink_result;

/* Replaces *f, step by step, by a smaller one that breaks the same promise. Deterministic. */
void shrink(saved_finding *f, const shrink_options *options, shrink_result *result);
shrink_size shrink_size_of(const saved_finding *f, const stanzas *data);

#endif
