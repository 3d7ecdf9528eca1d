/*
 * monotonic.h - the clock that measurements are taken with.
 */
#ifndef LEVIN_MONOTONIC_H
#define LEVIN_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline double monotonic_s(void)
{
    return (double)monotonic_ns() / 1e9;
}

#endif
