/*
 * finding_run.h - a kept finding done again, as it is or in its neighbourhood.
 *
 * What is left out of a workload moves everything behind it: the point of a crash, the number of a failing call, the
 * place of a damage.  So a part of a finding is done again by looking for the same broken promise near where it was:
 *
 *   sweep    all states of the I/O calls of the step in which the power failed, first the point that lies as far behind
 *            the step's beginning; of a finding of depth 2 and more, also crashes of those recoveries
 *   faults   the calls of the same series, first those as far from its beginning and from its end
 *   plan     the plan; with one rule that says nth, other numbers of it
 *   corrupt  damages of the same kind to files of the same class (pages, log, values, ...), first that of the same name
 *   ranges   the part itself
 */
#ifndef CHAOS_FINDING_RUN_H
#define CHAOS_FINDING_RUN_H

#include "finding_file.h"

typedef struct finding_outcome {
    bool there;    /* the state, run or damage exists */
    bool broken;   /* a promise is */
    bool silent;   /* none is, but nothing fired that should have: nothing was judged */
    char place[320], promise[24], phase[64], text[600];
    unsigned depth;   /* of the state */
    uint64_t nth;     /* plan: of the one rule; 0: as it is */
    uint64_t calls;   /* faults: of the series; 0: not known */
    uint32_t steps;   /* of the whole plan */
    bool placed;      /* the step is known: sweep, ranges */
    uint32_t step;    /* of the plan, in which the power failed or which failed itself */
    uint64_t offset;  /* I/O calls of that step that were made; for which the finding is in the workload itself: 0 */
} finding_outcome;

/* Where to look for it. */
typedef struct finding_near {
    uint32_t step;
    uint64_t offset;
    unsigned depth;     /* of the states looked at */
    uint64_t calls;     /* faults: of the series, when it was found; 0: not known */
    uint64_t limit;     /* states, runs or damages looked at */
} finding_near;

/*
 * Does it again: exactly when near is NULL, and tells about it in text (may be NULL).  Otherwise looks for the same
 * promise broken near there; out->broken says so, and that it is broken in out->place was seen by doing that exactly.
 * at: before each state, run or damage, with its place; may be NULL.
 */
void finding_run(const saved_finding *f, const stanzas *data, const finding_near *near, FILE *text,
                 void (*at)(void *context, const char *place), void *context, finding_outcome *out);
/*
 * The same in a process of its own: its death is a finding too, and one that is silent for half a minute is killed.
 * False: interrupted (crew_interrupted()).
 */
bool finding_run_apart(const saved_finding *f, const stanzas *data, const finding_near *near, FILE *text,
                       finding_outcome *out);

/* Of a sweep: whether it was found in the workload itself, and not in what a power cut left; a death, too. */
bool finding_is_live(finding_command command, const char *phase, const char *place);
/* Whether it is what was expected: the same promise, a death where one was, in the workload itself where it was. */
bool finding_is_expected(const saved_finding *f, const finding_outcome *out);

#define FINDING_PHASE_WORKLOAD "the workload itself"
#define FINDING_PHASE_PROCESS "process"

#endif
