/*
 * counter.h - exact event counters that many threads raise at once without sharing a cache line.
 *
 * A thread picks its stripe by the address of its stack, so that no thread registration and no global is needed;
 * threads that fall on the same stripe still count exactly, only slower.  Wait-free; relaxed, pairs with nothing.
 */
#ifndef LEVIN_COUNTER_H
#define LEVIN_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

enum { COUNTER_STRIPES = 16 };

typedef struct counter {
    struct {
        _Alignas(64) _Atomic uint64_t value;
    } stripe[COUNTER_STRIPES];
} counter;

static inline void counter_add(counter *c, uint64_t n)
{
    char here;
    uint64_t stack = (uint64_t)(uintptr_t)&here >> 20; /* stacks lie megabytes apart */
    unsigned stripe = (unsigned)((stack * 0x9e3779b97f4a7c15u) >> 60);
    atomic_fetch_add_explicit(&c->stripe[stripe].value, n, memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *c)
{
    uint64_t sum = 0;
    for (int i = 0; i < COUNTER_STRIPES; i++)
        sum += atomic_load_explicit(&c->stripe[i].value, memory_order_relaxed);
    return sum;
}

#endif
