/*
 * gate_statistics.c - order statistics by sorting; resampling by a seeded stream; the rest is formulas.
 */
#include "gate_statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Resamples are short: sorting by insertion is several times faster than a call back for each comparison. */
static void sort(double *values, size_t count)
{
    if (count > 64) {
        qsort(values, count, sizeof *values, by_value);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        double v = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > v; at--)
            values[at] = values[at - 1];
        values[at] = v;
    }
}

double statistics_median(double *values, size_t count)
{
    if (!count)
        return 0;
    sort(values, count);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double statistics_trimmed_mean(double *values, size_t count)
{
    const size_t cut = count / 3;
    double sum = 0;
    if (!count)
        return 0;
    sort(values, count);
    for (size_t i = cut; i < count - cut; i++)
        sum += values[i];
    return sum / (double)(count - 2 * cut);
}

bootstrap_result statistics_bootstrap(const double *samples, size_t count, double confidence, double floor,
                                      uint64_t seed)
{
    static _Thread_local double drawn[BOOTSTRAP_SAMPLES_MAX], estimates[BOOTSTRAP_RESAMPLES];
    random_stream r = random_open(seed, 0);
    double sum = 0, squares = 0;
    size_t inside_above = 0, inside_below = 0;
    bootstrap_result b = { 0 };
    memcpy(drawn, samples, count * sizeof *samples);
    b.estimate = statistics_trimmed_mean(drawn, count);
    for (size_t i = 0; i < BOOTSTRAP_RESAMPLES; i++) {
        for (size_t k = 0; k < count; k++)
            drawn[k] = samples[random_below(&r, count)];
        estimates[i] = statistics_trimmed_mean(drawn, count);
        sum += estimates[i];
        inside_above += estimates[i] <= floor;
        inside_below += estimates[i] >= -floor;
    }
    for (size_t i = 0; i < BOOTSTRAP_RESAMPLES; i++)
        squares += (estimates[i] - sum / BOOTSTRAP_RESAMPLES) * (estimates[i] - sum / BOOTSTRAP_RESAMPLES);
    sort(estimates, BOOTSTRAP_RESAMPLES);
    const size_t outside = (size_t)((1 - confidence) / 2 * BOOTSTRAP_RESAMPLES);
    b.lower = estimates[outside];
    b.upper = estimates[BOOTSTRAP_RESAMPLES - 1 - outside];
    b.standard_error = sqrt(squares / (BOOTSTRAP_RESAMPLES - 1));
    b.p_above = (double)(inside_above + 1) / (BOOTSTRAP_RESAMPLES + 1);
    b.p_below = (double)(inside_below + 1) / (BOOTSTRAP_RESAMPLES + 1);
    return b;
}

void statistics_holm(const double *p, size_t count, double alpha, bool *rejected)
{
    bool falls = true;
    for (size_t i = 0; i < count; i++)
        rejected[i] = false;
    for (size_t step = 0; step < count && falls; step++) {
        size_t smallest = count;
        for (size_t i = 0; i < count; i++)
            if (!rejected[i] && (smallest == count || p[i] < p[smallest]))
                smallest = i;
        falls = p[smallest] <= alpha / (double)(count - step);
        rejected[smallest] = falls;
    }
}

proportion_interval statistics_wilson(uint64_t k, uint64_t n)
{
    const double z = 1.959963984540054;
    if (!n)
        return (proportion_interval){ 0, 1 };
    const double count = (double)n, share = (double)k / count, scale = 1 + z * z / count;
    const double middle = (share + z * z / (2 * count)) / scale;
    const double half = z / scale * sqrt(share * (1 - share) / count + z * z / (4 * count * count));
    return (proportion_interval){ fmax(0, middle - half), fmin(1, middle + half) };
}
