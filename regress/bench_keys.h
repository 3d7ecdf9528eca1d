/*
 * bench_keys.h - which keys a benchmark uses, and their text, cheap enough not to be what is measured.
 *
 * Keys are db_bench's: the key's number in decimal, zero-filled on the left.
 */
#ifndef LEVIN_BENCH_KEYS_H
#define LEVIN_BENCH_KEYS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "../faults/random.h"

enum { BENCH_KEY_MIN_BYTES = 8, BENCH_KEY_MAX_BYTES = 64 };

/* Eight decimal digits at once, arithmetic on all in one word (Khuong, "How to print integers really fast", 2017). */
static inline void bench_digits8(char *to, uint32_t number)
{
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t high = (fours * 10486 >> 20) & 0x0000007f0000007fu, twos = (fours - 100 * high) << 16 | high;
    uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000fu, ones = twos - 10 * tens;
    uint64_t text = htole64((ones << 8 | tens) + 0x3030303030303030u);
    memcpy(to, &text, sizeof text);
}

/* bytes: BENCH_KEY_MIN_BYTES .. BENCH_KEY_MAX_BYTES, enough for the number's digits. */
static inline void bench_key_format(char *key, uint32_t bytes, uint64_t number)
{
    char *at = key + bytes - 8;
    if (number < 100000000) { /* zeros but for the last eight digits */
        for (char *zeros = key; zeros < at; zeros += 8) /* the last store may go over into the digits' place */
            memset(zeros, '0', 8);
        bench_digits8(at, (uint32_t)number);
        return;
    }
    for (; at > key + 7; at -= 8, number /= 100000000)
        bench_digits8(at, (uint32_t)(number % 100000000));
    bench_digits8(at, (uint32_t)(number % 100000000));
    number /= 100000000;
    for (; at > key; number /= 10)
        *--at = (char)('0' + number % 10);
}

/*
 * The place of i in a pseudo-random permutation of 0 .. n-1, i < n: a Feistel network with cycle walking (Black and
 * Rogaway, 2002).
 */
static inline uint64_t bench_permute(uint64_t i, uint64_t n, uint64_t seed)
{
    unsigned half = 1;
    while (2 * half < 64 && ((uint64_t)1 << 2 * half) < n)
        half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t t = left ^ (random_mix(right + seed * 31 + round) & mask);
            left = right;
            right = t;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

#endif
