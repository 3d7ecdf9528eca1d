/*
 * distribution.h - how often a number lay where: log-linear buckets (HdrHistogram: Tene, 2012), any number of threads.
 *
 * A bucket is at most 1/32 as wide as its lower edge; a quantile is given as the middle of its bucket, so that it
 * is wrong by less than 1.6 %.  Numbers from 63 * 2^30 up (68 s in nanoseconds) share the last bucket; sum and maximum
 * stay exact.  Wait-free but for the maximum, which tries again while others raise it.  A number is counted last: a
 * reader may see it in sum and maximum and not yet counted.
 */
#ifndef LEVIN_DISTRIBUTION_H
#define LEVIN_DISTRIBUTION_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    DISTRIBUTION_SUB_BITS = 5,
    DISTRIBUTION_BITS = 36,
    DISTRIBUTION_BUCKETS = (DISTRIBUTION_BITS - DISTRIBUTION_SUB_BITS + 1) << DISTRIBUTION_SUB_BITS
};

/* Zeroed is empty. */
typedef struct distribution {
    _Atomic uint64_t sum, max;
    _Atomic uint64_t bucket[DISTRIBUTION_BUCKETS];
} distribution;

/* A copy to be looked at by one thread. */
typedef struct distribution_copy {
    uint64_t count, sum, max;
    uint64_t bucket[DISTRIBUTION_BUCKETS];
} distribution_copy;

void distribution_add(distribution *d, uint64_t number);
/* The same where a mutex lets one thread add at a time: no locked instruction. */
void distribution_add_alone(distribution *d, uint64_t number);
void distribution_read(const distribution *d, distribution_copy *copy);
/* The number at or below which this share (0 .. 1) of all lies; 0 when there is none. At most the maximum. */
uint64_t distribution_quantile(const distribution_copy *copy, double share);
/* How many numbers are below 2^bits; bits from 5 to 35. Exact. */
uint64_t distribution_below(const distribution_copy *copy, unsigned bits);
/* First and last number of a bucket. */
void distribution_edges(unsigned bucket, uint64_t *first, uint64_t *last);

#endif
