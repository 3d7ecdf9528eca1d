/*
 * ranges_run.h - one life of a small store under iterators.
 */
#ifndef CHAOS_RANGES_RUN_H
#define CHAOS_RANGES_RUN_H

#include "../faults/oracle.h"
#include "number_set.h"

/* X(name, text): what a campaign counts. */
#define RANGES_COUNTS(X)                                                                                        \
    X(walks, "combinations of bounds walked in every way")                                                      \
    X(exhausted, "states of which all combinations were")                                                       \
    X(moves, "moves of iterators compared")                                                                     \
    X(held, "moves of iterators opened at an earlier state")                                                    \
    X(faults, "iterators that met a failing call")                                                              \
    X(resumed, "of them that went on after it")                                                                 \
    X(probes, "point reads between the steps")                                                                   \
    X(writes, "batches written meanwhile")                                                                      \
    X(flushes, "checkpoints, compactions, collections")
typedef struct ranges_counts {
#define RANGES_FIELD(name, text) uint64_t name;
    RANGES_COUNTS(RANGES_FIELD)
#undef RANGES_FIELD
} ranges_counts;

enum { RANGES_STEPS_DEFAULT = 160 };

typedef struct ranges_outcome {
    ranges_counts counts;
    oracle_verdict verdict;
    const char *phase;
    uint32_t step;
    char bounds[200]; /* of the iterator that was wrong */
} ranges_outcome;

/* A part of a life: the steps (a batch, a checkpoint, ...) that are done, and those after which iterators are moved. */
typedef struct ranges_kept {
    number_set steps, walks;
} ranges_kept;

/* part NULL: all. at(context): now and then; false stops. Returns whether EXACT holds. */
bool ranges_run(uint64_t seed, uint32_t steps, const ranges_kept *part, bool (*at)(void *context), void *context,
                ranges_outcome *out);

#endif
