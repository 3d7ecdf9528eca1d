/*
 * histogram.c - log-linear buckets: the exponent of the value and its next five bits.
 */
#include "histogram.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << HISTOGRAM_SUB_BITS)
        return (unsigned)ns;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
    unsigned shift = exponent - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(ns >> shift & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

uint64_t histogram_bucket_upper(unsigned bucket)
{
    if (bucket < 1u << HISTOGRAM_SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t low = ((uint64_t)(bucket & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS)) << shift;
    return low + ((uint64_t)1 << shift) - 1;
}

void histogram_add(histogram *h, uint64_t ns)
{
    h->count++;
    h->sum += ns;
    if (ns > h->max)
        h->max = ns;
    h->bucket[bucket_of(ns)]++;
}

void histogram_merge(histogram *into, const histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

uint64_t histogram_quantile(const histogram *h, double share)
{
    uint64_t want = (uint64_t)(share * (double)h->count), seen = 0;
    if (want >= h->count)
        return h->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > want) {
            uint64_t upper = histogram_bucket_upper(i);
            return upper < h->max ? upper : h->max;
        }
    }
    return h->max;
}
