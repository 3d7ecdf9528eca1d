/*
 * metrics.h - what a store tells about itself besides plain counts: histograms (levin.h), failures by code.
 *
 * Recording is wait-free, relaxed, pairs with nothing.  Sampling is decided from counts of the calling thread's own
 * (counter.h), so that nothing shared is written for a call that is not sampled.
 */
#ifndef LEVIN_METRICS_H
#define LEVIN_METRICS_H

#include "distribution.h"
#include "levin.h"

#define METRICS_COUNT_CODE(name, value, text) +1
enum { METRICS_CODES = 0 LEVIN_CODES(METRICS_COUNT_CODE) }; /* they are numbered from 0 without a hole */
#undef METRICS_COUNT_CODE

/* How many calls of one thread go by for each that is measured; powers of two. */
enum {
#define METRICS_SAMPLE(name, unit, sample_every, text) METRICS_SAMPLE_##name = (sample_every),
    LEVIN_HISTOGRAMS(METRICS_SAMPLE)
#undef METRICS_SAMPLE
};

/*
 * Whether the call of that number is one in `every` (a power of two) to be measured: by a multiplicative hash (Knuth
 * 1973), so that calls that come in a fixed pattern with others that raise the number are measured too.
 */
static inline bool metrics_samples(uint64_t number, uint64_t every)
{
    return number * 0x9e3779b97f4a7c15u <= UINT64_MAX / every;
}

/* Zeroed is empty. */
typedef struct metrics {
    distribution of[LEVIN_HISTOGRAM_COUNT];
    _Atomic uint64_t errors[METRICS_CODES];
} metrics;

static inline void metrics_add(metrics *m, levin_histogram_id id, uint64_t number)
{
    distribution_add(&m->of[id], number);
}

static inline void metrics_error(metrics *m, levin_code code)
{
    if ((unsigned)code < METRICS_CODES)
        atomic_fetch_add_explicit(&m->errors[code], 1, memory_order_relaxed); /* a count: pairs with nothing */
}

static inline uint64_t metrics_errors(const metrics *m, levin_code code)
{
    return atomic_load_explicit(&m->errors[code], memory_order_relaxed); /* as above */
}

/* Names and units of the histograms; the numbers are those of copy. Fills out. */
void metrics_summary(levin_histogram_id id, const distribution_copy *copy, levin_histogram *out);

#endif
