/*
 * random.h - seeded random streams: SplitMix64 to seed (Steele, Lea, Flood 2014), xoshiro256** to draw (Blackman,
 * Vigna 2018).
 *
 * Every decision site takes its own stream, named by (seed, stream number), so that a draw more in one place moves
 * nothing elsewhere.  A stream belongs to one thread.
 */
#ifndef LEVIN_FAULTS_RANDOM_H
#define LEVIN_FAULTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct random_stream {
    uint64_t word[4];
} random_stream;

/* The finalizer of SplitMix64: a bijection that mixes all bits. */
static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline random_stream random_open(uint64_t seed, uint64_t stream)
{
    random_stream r;
    uint64_t x = random_mix(seed + 0x9e3779b97f4a7c15u) ^ random_mix(stream * 0xd1342543de82ef95u + 1);
    for (int i = 0; i < 4; i++)
        r.word[i] = random_mix(x += 0x9e3779b97f4a7c15u);
    return r;
}

static inline uint64_t random_next(random_stream *r)
{
    uint64_t *w = r->word, scrambled = w[1] * 5, shifted = w[1] << 17;
    scrambled = (scrambled << 7 | scrambled >> 57) * 9;
    w[2] ^= w[0];
    w[3] ^= w[1];
    w[1] ^= w[2];
    w[0] ^= w[3];
    w[2] ^= shifted;
    w[3] = w[3] << 45 | w[3] >> 19;
    return scrambled;
}

/*
 * Uniform in [0, bound); bound 0 gives 0. The bias is below 2^-32 for bounds below 2^32 (Lemire 2019, without
 * rejection).
 */
static inline uint64_t random_below(random_stream *r, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)random_next(r) * bound) >> 64);
}

/* True once in `one_in` draws. */
static inline int random_chance(random_stream *r, uint64_t one_in)
{
    return random_below(r, one_in) == 0;
}

static inline void random_fill(random_stream *r, void *buffer, size_t bytes)
{
    unsigned char *at = buffer;
    while (bytes) {
        uint64_t word = random_next(r);
        size_t part = bytes < sizeof word ? bytes : sizeof word;
        memcpy(at, &word, part);
        at += part;
        bytes -= part;
    }
}

#endif
