/*
 * distribution.c - the buckets: a number's exponent and its next five bits.  Concurrency: distribution.h.
 */
#include "distribution.h"

static unsigned bucket_of(uint64_t number)
{
    if (number < 1u << DISTRIBUTION_SUB_BITS)
        return (unsigned)number;
    const unsigned exponent = 63u - (unsigned)__builtin_clzll(number), shift = exponent - DISTRIBUTION_SUB_BITS;
    if (exponent >= DISTRIBUTION_BITS)
        return DISTRIBUTION_BUCKETS - 1;
    return ((shift + 1) << DISTRIBUTION_SUB_BITS) + (unsigned)(number >> shift & ((1u << DISTRIBUTION_SUB_BITS) - 1));
}

void distribution_edges(unsigned bucket, uint64_t *first, uint64_t *last)
{
    *first = *last = bucket;
    if (bucket < 1u << DISTRIBUTION_SUB_BITS)
        return;
    const unsigned shift = (bucket >> DISTRIBUTION_SUB_BITS) - 1;
    *first = ((uint64_t)(bucket & ((1u << DISTRIBUTION_SUB_BITS) - 1)) + (1u << DISTRIBUTION_SUB_BITS)) << shift;
    *last = bucket == DISTRIBUTION_BUCKETS - 1 ? UINT64_MAX : *first + ((uint64_t)1 << shift) - 1;
}

void distribution_add(distribution *d, uint64_t number)
{
    uint64_t max = atomic_load_explicit(&d->max, memory_order_relaxed);
    while (number > max && !atomic_compare_exchange_weak_explicit(&d->max, &max, number, memory_order_relaxed,
                                                                  memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&d->sum, number, memory_order_relaxed);
    /* release: pairs with distribution_read(), which knows the maximum of what it counts */
    atomic_fetch_add_explicit(&d->bucket[bucket_of(number)], 1, memory_order_release);
}

/* release: as in distribution_add() */
static void raise_alone(_Atomic uint64_t *count, uint64_t n)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_release);
}

void distribution_add_alone(distribution *d, uint64_t number)
{
    if (number > atomic_load_explicit(&d->max, memory_order_relaxed))
        atomic_store_explicit(&d->max, number, memory_order_relaxed);
    raise_alone(&d->sum, number);
    raise_alone(&d->bucket[bucket_of(number)], 1);
}

void distribution_read(const distribution *d, distribution_copy *copy)
{
    copy->count = 0;
    for (unsigned i = 0; i < DISTRIBUTION_BUCKETS; i++) {
        copy->bucket[i] = atomic_load_explicit(&d->bucket[i], memory_order_acquire); /* pairs with the adds */
        copy->count += copy->bucket[i];
    }
    copy->sum = atomic_load_explicit(&d->sum, memory_order_relaxed);
    copy->max = atomic_load_explicit(&d->max, memory_order_relaxed);
}

uint64_t distribution_quantile(const distribution_copy *copy, double share)
{
    /* the number of this rank, counted from 1: at least one, for the least number is at every share */
    uint64_t rank = (uint64_t)(share * (double)copy->count + 0.999999999), seen = 0;
    rank = rank ? rank : 1;
    if (!copy->count)
        return 0;
    for (unsigned i = 0; i < DISTRIBUTION_BUCKETS; i++) {
        uint64_t first, last;
        seen += copy->bucket[i];
        if (seen < rank)
            continue;
        distribution_edges(i, &first, &last);
        uint64_t middle = first + (last - first) / 2;
        return middle < copy->max ? middle : copy->max;
    }
    return copy->max;
}

uint64_t distribution_below(const distribution_copy *copy, unsigned bits)
{
    const unsigned end = (bits - DISTRIBUTION_SUB_BITS + 1) << DISTRIBUTION_SUB_BITS;
    uint64_t below = 0;
    for (unsigned i = 0; i < end; i++)
        below += copy->bucket[i];
    return below;
}
