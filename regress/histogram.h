/*
 * histogram.h - latencies in nanoseconds, counted in buckets of at most 1/32 relative width (HdrHistogram: Tene,
 * 2012).
 */
#ifndef LEVIN_HISTOGRAM_H
#define LEVIN_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 5, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

/* Zeroed is empty. One thread. */
typedef struct histogram {
    uint64_t count, sum, max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
} histogram;

void histogram_add(histogram *h, uint64_t ns);
void histogram_merge(histogram *into, const histogram *from);
/* The value at or below which this share (0 .. 1) of the counts lies: the upper edge of its bucket, at most the
 * maximum. */
uint64_t histogram_quantile(const histogram *h, double share);
/* The largest value that goes into this bucket. */
uint64_t histogram_bucket_upper(unsigned bucket);

#endif
