/*
 * gate_work.h - the recorded runs of the gate: fixed work on a fixed store, over the simulated disk, with background
 * = none and one thread, so that each run makes the same calls, and all but the same instructions, every time.
 *
 * A run has a part that prepares and a part that is measured; only the second one counts.
 */
#ifndef LEVIN_GATE_WORK_H
#define LEVIN_GATE_WORK_H

#include "gate_arena.h"
#include "gate_table.h"

typedef struct gate_work gate_work; /* a recorded run; constant */

/* All of them, in a fixed order; NULL behind the last. */
const gate_work *gate_work_at(size_t index);
const gate_work *gate_work_find(const char *name);
const char *gate_work_name(const gate_work *w);
const char *gate_work_description(const gate_work *w);
/* What its instructions and calls are divided by: keys, pairs, records, calls. */
uint64_t gate_work_operations(const gate_work *w);

/* Called around the measured part. */
typedef struct gate_probe {
    void (*begin)(void *context);
    void (*end)(void *context);
    void *context;
} gate_probe;

/*
 * The same in parts, for those who measure by a clock.  memory: zeros aligned to 2 MiB, from which the engine's
 * memory is taken, or NULL.  After gate_run_measure() only gate_run_end() is left, unless every byte of the run's
 * memory is put back as it was before: then it can be measured again.
 */
typedef struct gate_run gate_run;
/* NULL with a message: the store failed. */
gate_run *gate_run_prepare(const gate_work *w, void *memory, size_t bytes);
bool gate_run_measure(gate_run *r);
const gate_arena *gate_run_arena(const gate_run *r);
bool gate_run_end(gate_run *r);

/*
 * Runs it once with the probe (may be NULL) around its measured part, and adds every counter that is not 0 to
 * *counters (may be NULL). False with a message on standard error: the store failed, or the run did not do what its
 * name says.
 */
bool gate_work_run(const gate_work *w, const gate_probe *probe, gate_table *counters);

#endif
