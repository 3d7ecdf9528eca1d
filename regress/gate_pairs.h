/*
 * gate_pairs.h - two commands compared by runs in pairs, one directly after the other, which first by a coin: for work
 * that cannot be done in slices side by side (threads, real syncs, other people's programs).
 *
 * The same statistics as the time tier (gate_time.h), over pairs instead of processes.  Noise that lasts longer than
 * a pair falls out; what is shorter stays, so that intervals are wider than the time tier's.
 */
#ifndef LEVIN_GATE_PAIRS_H
#define LEVIN_GATE_PAIRS_H

#include "gate_time.h"

/* X(name, text): what is measured of a run; more is slower. */
#define PAIRS_METRICS(X)                                                                                        \
    X(PAIRS_CPU, "cpu")   /* user and system time of the command and the children that it waited for, ns */     \
    X(PAIRS_USER, "user") /* user time, ns */                                                                   \
    X(PAIRS_WALL, "wall") /* ns */                                                                              \
    X(PAIRS_RSS, "rss")   /* most resident memory of the largest process, bytes */                              \
    X(PAIRS_ROWS, "rows") /* each row workload,counter,value that the command prints */
typedef enum pairs_metric {
#define PAIRS_METRIC_ENUM(name, text) name,
    PAIRS_METRICS(PAIRS_METRIC_ENUM)
#undef PAIRS_METRIC_ENUM
    PAIRS_METRIC_COUNT
} pairs_metric;
const char *pairs_metric_text(pairs_metric metric);

typedef struct pairs_options {
    const char *a, *b;    /* for sh -c; a is the base */
    unsigned metrics;     /* a bit for each that is judged */
    const time_options *time; /* round: pairs before each look; workloads: of the rows, those looked at */
} pairs_options;

/* A row of the result is a metric, or "workload.counter" of the rows. One pair more is run first and not counted.
 * When the time of the decision is over no other pair is begun; one that is under way is waited for. */
time_outcome gate_pairs_run(const pairs_options *o, time_result *result);

/*
 * The rows that each command prints, which must be the same at a second run: else TIME_FAILED, with a message. Sorted;
 * the tables are the caller's in any case.
 */
time_outcome gate_pairs_counters(const pairs_options *o, gate_table *a, gate_table *b);

#endif
