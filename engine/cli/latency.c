/*
 * latency.c - bucket b < 32 holds the number b; above, 32 buckets share each power of two.  No state of its own.
 */
#include "latency.h"

enum { SUB = 1 << LATENCY_SUB_BITS };

static unsigned bucket_of(uint64_t ns)
{
    if (ns < SUB)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_SUB_BITS;
    return ((shift + 1) << LATENCY_SUB_BITS) + (unsigned)(ns >> shift) - SUB;
}

void latency_bounds(unsigned bucket, uint64_t *first, uint64_t *last)
{
    if (bucket < SUB) {
        *first = *last = bucket;
        return;
    }
    unsigned shift = (bucket >> LATENCY_SUB_BITS) - 1;
    *first = (uint64_t)(SUB + bucket % SUB) << shift;
    *last = *first + (((uint64_t)1 << shift) - 1);
}

void latency_add(latency *l, uint64_t ns)
{
    l->count++;
    l->sum += ns;
    l->max = ns > l->max ? ns : l->max;
    l->buckets[bucket_of(ns)]++;
}

void latency_merge(latency *to, const latency *from)
{
    to->count += from->count;
    to->sum += from->sum;
    to->max = from->max > to->max ? from->max : to->max;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

uint64_t latency_quantile(const latency *l, unsigned of_1000)
{
    uint64_t wanted = (l->count * of_1000 + 999) / 1000, seen = 0, first, last;
    for (unsigned i = 0; i < LATENCY_BUCKETS && l->count; i++) {
        seen += l->buckets[i];
        if (seen >= wanted && seen) {
            latency_bounds(i, &first, &last);
            return last < l->max ? last : l->max;
        }
    }
    return 0;
}
