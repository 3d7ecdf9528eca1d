/*
 * gate_slices.h - one process of the time tier: two sides (gate_side.h) loaded into this process, slices of the same
 * recorded work on each in random order over one region of memory, thread CPU time.
 */
#ifndef LEVIN_GATE_SLICES_H
#define LEVIN_GATE_SLICES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct slices_options {
    const char *base, *now; /* shared objects */
    const char *workloads;  /* comma-separated; NULL: all that both sides have with as many operations */
    bool as_files;          /* the files themselves, so that a profiler finds their symbols; else private copies */
    unsigned budget_ms;     /* of CPU time for the pairs of one workload */
    uint64_t seed;          /* of the orders; which side is loaded first comes from it, too */
} slices_options;

enum { SLICE_PAIRS_MIN = 5, SLICE_PAIRS_MAX = 2001 };

/*
 * For each workload one line on `to`: "slices WORKLOAD OPERATIONS PAIRS RATIO BASE_NS NOW_NS FAULTS", where RATIO is
 * the median of ln(now / base) over the pairs, the times are medians of a slice, and FAULTS page faults within slices.
 * False with a message on standard error.  To be called once in a process, in its only thread.
 */
bool slices_run(const slices_options *o, FILE *to);

/* Whether a comma-separated list holds a name; NULL holds all. */
bool gate_list_holds(const char *list, const char *name);

#endif
