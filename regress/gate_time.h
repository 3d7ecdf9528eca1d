/*
 * gate_time.h - the time tier: is the working tree slower than the base in CPU time?
 *
 * Processes are run one after the other, each of which gives a median log ratio for each workload (gate_slices.h).
 * Each loads another link of both sides, its objects in another random order, so that where code happens to lie is a
 * part of what varies and not of the result (Mytkowicz et al. 2009; Curtsinger and Berger 2013).  A workload is slower
 * when the bootstrapped middle of its processes lies above the floor, at a family-wise level over all workloads
 * (Holm 1979), at two looks in turn.
 *
 * A decision may be given a time by which it ends, whatever is known by then: a process that is under way is killed,
 * and there is one more look.
 */
#ifndef LEVIN_GATE_TIME_H
#define LEVIN_GATE_TIME_H

#include "gate_statistics.h"
#include "gate_table.h"

/* X(name, text) */
#define TIME_VERDICTS(X)                                                                                        \
    X(TIME_UNDECIDED, "undecided") /* neither of the others */                                                  \
    X(TIME_SAME, "same") /* no effect of 1.5 times the floor, either way, is left in the interval */                \
    X(TIME_SLOWER, "SLOWER")                                                                                    \
    X(TIME_FASTER, "faster")
#define TIME_SAME_FLOORS 1.5 /* were it 2, one in a hundred looks at a slowdown of just that would say same */
typedef enum time_verdict {
#define TIME_VERDICT_ENUM(name, text) name,
    TIME_VERDICTS(TIME_VERDICT_ENUM)
#undef TIME_VERDICT_ENUM
} time_verdict;
const char *time_verdict_text(time_verdict verdict);

enum { TIME_PROCESSES_MAX = 256, TIME_WORKLOADS_MAX = 100 };

typedef struct time_options {
    const char *program;   /* a levin-gate, run with --run=slices */
    const char *base, *now; /* directories of links of a side: 0.so, 1.so, ... (regress/link_sides.sh) */
    const char *workloads; /* comma-separated, or NULL for all */
    unsigned round;        /* processes before each look */
    unsigned rounds;       /* looks at most, 2 or more: one is never enough for TIME_SLOWER */
    unsigned decision_ms;  /* of the wall's clock, for all of it; 0: as long as it takes */
    unsigned budget_ms;    /* of CPU time for a workload in a process */
    double floor;          /* the smallest effect that counts, as a share: 0.005 */
    double alpha;          /* family-wise level over the workloads */
    uint64_t seed;
} time_options;

typedef struct time_row {
    char workload[2 * GATE_NAME_BYTES];
    uint64_t operations;
    double ratio[TIME_PROCESSES_MAX], base_ns[TIME_PROCESSES_MAX], now_ns[TIME_PROCESSES_MAX];
    size_t processes;
    size_t looked_at;   /* of the processes, at the last look; 0: none yet */
    bootstrap_result b; /* of ln(now / base), at the last look */
    double smallest;    /* the effect that would have been called slower in 19 of 20 cases, as a share */
    time_verdict verdict;
    unsigned slower_looks; /* in turn */
    bool settled;          /* needs no further process */
} time_row;

typedef struct time_result {
    time_row *rows; /* TIME_WORKLOADS_MAX; to be freed */
    size_t count, slower, undecided;
} time_result;

typedef enum time_outcome { TIME_OK, TIME_FAILED, TIME_INTERRUPTED } time_outcome;

/* Failures are told on standard error; result->rows is the caller's in any case. */
time_outcome gate_time_run(const time_options *o, time_result *result);

/*
 * The part that decides: looks at what the rows hold, fills looked_at, b, smallest, verdict, slower_looks, settled.
 * A row with fewer processes than a round, or less than half a round more than at its last look, stays as it is: a
 * decision whose time is over would else say twice what it knows once.
 */
void gate_time_look(time_row *rows, size_t count, const time_options *o);
/* The row of that name, which is added when there is none; NULL when there is no room. */
time_row *gate_time_row(time_result *result, const char *workload, uint64_t operations);
/* Whether no row needs another look. */
bool gate_time_settled(const time_result *result);
typedef uint64_t time_end; /* by monotonic_ns(); UINT64_MAX: never */
time_end gate_time_end(const time_options *o); /* of a decision that begins now */
/* Milliseconds until then, 0 when it is over. */
uint64_t gate_time_left_ms(time_end end);
/* After the last look: SLOWER that was said once alone is undecided; counts. */
void gate_time_finish(time_result *result);

#endif
