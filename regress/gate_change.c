/*
 * gate_change.c - the best split of each segment, kept when few permutations of the segment split as well.
 *
 * The statistic of a split into n and m values is nm / (n + m) times twice the mean distance between them less the mean
 * distances within them; moving the split by one value changes each sum by that value's distances.
 */
#include "gate_change.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"

enum { SERIES_MAX = 4096 };

static double distances(const double *x, size_t from, size_t to, double of)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += fabs(x[i] - of);
    return sum;
}

static double best_split(const double *x, size_t n, size_t *at)
{
    double left = 0, right = 0, across = 0, best = -1;
    for (size_t i = 0; i < n; i++)
        right += distances(x, 0, i, x[i]); /* each pair once */
    for (size_t split = 1; split < n; split++) { /* x[split - 1] goes to the left */
        const double v = x[split - 1], to_left = distances(x, 0, split - 1, v), to_right = distances(x, split, n, v);
        left += to_left;
        right -= to_right;
        across += to_right - to_left;
        if (split < CHANGE_SEGMENT_MIN || n - split < CHANGE_SEGMENT_MIN)
            continue;
        const double a = (double)split, b = (double)(n - split);
        const double energy = 2 * across / (a * b) - left / (a * (a - 1) / 2) - right / (b * (b - 1) / 2);
        const double q = a * b / (a + b) * energy;
        if (q > best) {
            best = q;
            *at = split;
        }
    }
    return best;
}

static void shuffle(double *x, size_t n, random_stream *r)
{
    for (size_t i = n; i > 1; i--) {
        const size_t k = random_below(r, i);
        const double v = x[i - 1];
        x[i - 1] = x[k];
        x[k] = v;
    }
}

static void split(const double *x, size_t n, size_t offset, random_stream *r, double *scratch, size_t *points,
                  size_t *count)
{
    size_t at = 0, unused, as_good = 0;
    if (n < 2 * CHANGE_SEGMENT_MIN || *count == CHANGE_POINTS_MAX)
        return;
    const double found = best_split(x, n, &at);
    if (found <= 0)
        return;
    memcpy(scratch, x, n * sizeof *x);
    for (size_t i = 0; i < CHANGE_PERMUTATIONS; i++) {
        shuffle(scratch, n, r);
        as_good += best_split(scratch, n, &unused) >= found;
    }
    if ((double)(as_good + 1) / (CHANGE_PERMUTATIONS + 1) > CHANGE_LEVEL)
        return;
    split(x, at, offset, r, scratch, points, count);
    if (*count < CHANGE_POINTS_MAX)
        points[(*count)++] = offset + at;
    split(x + at, n - at, offset + at, r, scratch, points, count);
}

size_t gate_change_points(const double *series, size_t count, uint64_t seed, size_t points[CHANGE_POINTS_MAX])
{
    random_stream r = random_open(seed, 9);
    size_t found = 0;
    if (count > SERIES_MAX)
        count = SERIES_MAX;
    double *scratch = malloc((count + 1) * sizeof *scratch);
    if (scratch)
        split(series, count, 0, &r, scratch, points, &found);
    free(scratch);
    return found;
}
