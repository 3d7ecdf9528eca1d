/*
 * latency.h - a histogram of nanoseconds: log-linear buckets of at most 1/32 relative width (HdrHistogram: Tene, 2012).
 * One thread; those of several are added up.
 */
#ifndef CLI_LATENCY_H
#define CLI_LATENCY_H

#include <stdint.h>

enum { LATENCY_SUB_BITS = 5, LATENCY_BUCKETS = (64 - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS };

typedef struct latency {
    uint64_t count, sum, max;
    uint32_t buckets[LATENCY_BUCKETS];
} latency;

void latency_add(latency *l, uint64_t ns);
void latency_merge(latency *to, const latency *from);
/* The number below which so many of 1000 are, at most 1/32 too high; 0 when there are none. */
uint64_t latency_quantile(const latency *l, unsigned of_1000);
/* The numbers first .. last of a bucket. */
void latency_bounds(unsigned bucket, uint64_t *first, uint64_t *last);

#endif
