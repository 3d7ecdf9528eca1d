/*
 * gate_statistics.h - the statistics of the gate's time tier: medians, bootstrap intervals (Efron 1979), Holm's
 * step-down correction (Holm 1979), Wilson's interval of a proportion (Wilson 1927).
 *
 * Pure functions of their arguments; the same seed gives the same resamples.  Any thread.
 */
#ifndef LEVIN_GATE_STATISTICS_H
#define LEVIN_GATE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOOTSTRAP_SAMPLES_MAX = 1024, BOOTSTRAP_RESAMPLES = 10000 };

/* Sorts the values. Of an even number the mean of the middle two; 0 of none. */
double statistics_median(double *values, size_t count);
/*
 * The mean without the smallest and largest third (each rounded down), so that it stands as many outliers. Sorts the
 * values; 0 of none.
 */
double statistics_trimmed_mean(double *values, size_t count);

typedef struct bootstrap_result {
    double estimate;        /* trimmed mean of the samples */
    double lower, upper;    /* percentile interval of the confidence asked for */
    double standard_error;  /* deviation of the resampled estimates */
    double p_above, p_below; /* against "the effect is at most +floor" and "at least -floor": one-sided, never 0 */
} bootstrap_result;
/*
 * The trimmed mean of 1 to BOOTSTRAP_SAMPLES_MAX samples, resampled with replacement; the samples are not changed.
 * p is (r + 1) / (BOOTSTRAP_RESAMPLES + 1), r of the resamples lying at or inside the floor.
 */
bootstrap_result statistics_bootstrap(const double *samples, size_t count, double confidence, double floor,
                                      uint64_t seed);

/*
 * Holm's step-down over `count` p-values at family-wise level alpha: rejected[i] says whether hypothesis i falls.
 * At most 1024.
 */
void statistics_holm(const double *p, size_t count, double alpha, bool *rejected);

typedef struct proportion_interval {
    double lower, upper;
} proportion_interval;
/* Of k in n at 95 %; 0 to 1 when n is 0. */
proportion_interval statistics_wilson(uint64_t k, uint64_t n);

#endif
