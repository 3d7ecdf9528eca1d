/*
 * zipf.c - Zipfian ranks (zipf.h).
 *
 * Concurrency: a zipf is read-only once open; the random stream is its thread's.
 */
#include "zipf.h"

#include <math.h>

static double density(const zipf *z, double x)
{
    return pow(x, -z->theta);
}

/* The integral of density() from 1 to x, and its inverse. */
static double integral(const zipf *z, double x)
{
    return (pow(x, 1 - z->theta) - 1) / (1 - z->theta);
}
static double integral_inverse(const zipf *z, double area)
{
    return pow(1 + area * (1 - z->theta), 1 / (1 - z->theta));
}

zipf zipf_open(uint64_t n, double theta)
{
    zipf z = { .n = n, .theta = theta };
    z.low = integral(&z, 1.5) - 1;
    z.high = integral(&z, (double)n + 0.5);
    z.squeeze = 2 - integral_inverse(&z, integral(&z, 2.5) - density(&z, 2));
    return z;
}

uint64_t zipf_next(const zipf *z, random_stream *random)
{
    for (;;) {
        const double uniform = (double)(random_next(random) >> 11) * 0x1p-53;
        const double area = z->high + uniform * (z->low - z->high), x = integral_inverse(z, area);
        double k = floor(x + 0.5);
        k = k < 1 ? 1 : k > (double)z->n ? (double)z->n : k;
        if (k - x <= z->squeeze || area >= integral(z, k + 0.5) - density(z, k))
            return (uint64_t)k - 1;
    }
}
