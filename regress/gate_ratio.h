/*
 * gate_ratio.h - the verdicts on instructions per operation: the working tree beside the base revision.
 */
#ifndef LEVIN_GATE_RATIO_H
#define LEVIN_GATE_RATIO_H

#include "gate_table.h"

/* X(name, text) */
#define GATE_VERDICTS(X)                                                                                        \
    X(GATE_SAME, "ok")                                                                                          \
    X(GATE_SLOWER, "SLOWER")                                                                                    \
    X(GATE_FASTER, "faster")                                                                                    \
    X(GATE_NEW, "new")           /* the base does not have it */                                                \
    X(GATE_GONE, "gone")         /* the working tree does not have it */                                        \
    X(GATE_OTHER_WORK, "other work") /* not the same number of operations on both sides: not compared */
typedef enum gate_verdict {
#define GATE_VERDICT_ENUM(name, text) name,
    GATE_VERDICTS(GATE_VERDICT_ENUM)
#undef GATE_VERDICT_ENUM
} gate_verdict;

typedef struct gate_ratio {
    char workload[GATE_NAME_BYTES];
    uint64_t operations;
    double base, now;      /* instructions per operation; 0: not measured */
    double change_percent; /* 0 when not compared */
    gate_verdict verdict;
} gate_ratio;

/* Whether both sides were there, and did the same. */
bool gate_ratio_compared(const gate_ratio *r);
const char *gate_verdict_text(gate_verdict verdict);

/*
 * The workloads of both tables (counters "operations" and "instructions"), in the order of now, those that only base
 * has at the end.  Beyond tolerance_percent, either way, is a change; at most `room` entries are filled.  Returns how
 * many.
 */
size_t gate_ratios(const gate_table *base, const gate_table *now, double tolerance_percent, gate_ratio *ratios,
                   size_t room);

#endif
