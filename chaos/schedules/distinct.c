/*
 * distinct.c - HyperLogLog (distinct.h).  Invariant: a register is the largest rank seen.  No threads.
 */
#include "distinct.h"

#include <math.h>

void distinct_add(distinct *d, uint64_t hash)
{
    uint8_t *of = &d->registers[hash >> (64 - DISTINCT_BITS)];
    const uint64_t rest = hash << DISTINCT_BITS | (uint64_t)1 << (DISTINCT_BITS - 1);
    const uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (rank > *of)
        *of = rank;
}

void distinct_merge(distinct *to, const distinct *from)
{
    for (unsigned i = 0; i < DISTINCT_REGISTERS; i++)
        if (from->registers[i] > to->registers[i])
            to->registers[i] = from->registers[i];
}

double distinct_estimate(const distinct *d)
{
    const double count = DISTINCT_REGISTERS;
    double sum = 0;
    unsigned empty = 0;
    for (unsigned i = 0; i < DISTINCT_REGISTERS; i++) {
        sum += ldexp(1, -d->registers[i]);
        empty += d->registers[i] == 0;
    }
    const double estimate = 0.7213 / (1 + 1.079 / count) * count * count / sum;
    return estimate <= 2.5 * count && empty ? count * log(count / empty) : estimate;
}
