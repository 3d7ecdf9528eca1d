/*
 * gate_measure.h - user-mode instructions of a stretch of this thread's work: by the processor's counter, or by
 * valgrind's callgrind where the machine has none.  The two count differently: never compare one with the other.
 */
#ifndef LEVIN_GATE_MEASURE_H
#define LEVIN_GATE_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum measure_method { MEASURE_PERF, MEASURE_CALLGRIND } measure_method;
const char *measure_method_text(measure_method method);

typedef struct measure {
    measure_method method;
    int descriptor;      /* perf: of the event */
    uint64_t idle_ns;    /* perf: how long it was enabled but not on the processor, before the stretch */
    uint64_t taken;      /* callgrind: dumps so far */
    const char *failure; /* NULL, or why the last stretch has no number */
    uint64_t value;      /* of the last stretch */
} measure;

/*
 * Whether the processor's counter can be had and counts; *why (may be NULL) is a constant text when not.
 */
bool measure_perf_works(const char **why);
/* Whether this process runs under callgrind. */
bool measure_callgrind_works(void);

/* False with *m unusable. callgrind: its output file must be "out" in the working directory, instrumentation off. */
bool measure_open(measure *m, measure_method method);
/* Another event of perf_event_open(2), for tests. */
bool measure_open_event(measure *m, uint32_t type, uint64_t config);
void measure_close(measure *m);
/* In the shape of a gate_probe; context is the measure. */
void measure_begin(void *m);
void measure_end(void *m);

#endif
