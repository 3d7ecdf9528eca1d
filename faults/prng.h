/*
 * prng.h - reproducible random numbers for the harness: splitmix64 (Steele, Lea, Flood 2014).  Not for secrets.
 */
#ifndef FAULTS_PRNG_H
#define FAULTS_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct prng {
    uint64_t state;
} prng;

static inline uint64_t prng_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline uint64_t prng_next(prng *p)
{
    return prng_mix(p->state += 0x9e3779b97f4a7c15u);
}
/* 0 .. below - 1; below > 0. The bias of the multiplication is under below / 2^64. */
static inline uint64_t prng_below(prng *p, uint64_t below)
{
    return (uint64_t)((unsigned __int128)prng_next(p) * below >> 64);
}
/* low .. high, both in. */
static inline uint64_t prng_between(prng *p, uint64_t low, uint64_t high)
{
    return low + prng_below(p, high - low + 1);
}
/* True in `percent` of 100 cases. */
static inline bool prng_chance(prng *p, unsigned percent)
{
    return prng_below(p, 100) < percent;
}
static inline void prng_fill(prng *p, void *to, size_t bytes)
{
    unsigned char *at = to;
    for (; bytes >= 8; at += 8, bytes -= 8) {
        uint64_t v = prng_next(p);
        memcpy(at, &v, 8);
    }
    for (uint64_t v = prng_next(p); bytes; bytes--, v >>= 8)
        *at++ = (unsigned char)v;
}

#endif
