/*
 * proof_work.h - slowdowns of known size, which regress/time_proof.sh puts into a scratch copy of the engine.
 *
 * Not part of the engine: nothing includes it there.  PROOF_PS picoseconds of work are added to each call of
 * proof_work(), made up for by a busy wait at every PROOF_EVERYth; PROOF_MISS lines are read instead that lie in no
 * cache of the processor's own.  One thread.  The clock is the time stamp counter, 64-bit x86 alone.
 */
#ifndef LEVIN_PROOF_WORK_H
#define LEVIN_PROOF_WORK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifndef PROOF_EVERY
#define PROOF_EVERY 1
#endif

#ifdef PROOF_PS
static inline uint64_t proof_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static inline uint64_t proof_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Ticks that PROOF_EVERY calls owe; measured over 2 ms, once. */
static __attribute__((noinline)) uint64_t proof_measure(void)
{
    const uint64_t ns = proof_now_ns(), ticks = proof_ticks();
    while (proof_now_ns() - ns < 2000000)
        continue;
    const double each = (double)(proof_ticks() - ticks) / (double)(proof_now_ns() - ns);
    return (uint64_t)(each * PROOF_PS * PROOF_EVERY / 1000) + 1;
}

static uint64_t proof_calls, proof_owed;

static __attribute__((noinline)) void proof_pay(void)
{
    if (!proof_owed)
        proof_owed = proof_measure();
    const uint64_t begin = proof_ticks();
    while (proof_ticks() - begin < proof_owed)
        continue;
}

#define proof_work() (__builtin_expect(++proof_calls % PROOF_EVERY == 0, PROOF_EVERY == 1) ? proof_pay() : (void)0)
#elif defined(PROOF_MISS)
enum { PROOF_BYTES = 8 << 20 };
static unsigned char proof_bytes[PROOF_BYTES] = { 1 };
static uint64_t proof_at;
static volatile unsigned char proof_seen;

static __attribute__((noinline)) void proof_touch(void)
{
    for (size_t i = 0; i < PROOF_BYTES; i += 64)
        proof_bytes[i] = 1;
}

static inline void proof_miss(void)
{
    if (__builtin_expect(!proof_at, 0))
        proof_touch();
    proof_at = proof_at * 6364136223846793005u + 1442695040888963407u;
    proof_seen = proof_bytes[(proof_at >> 32) % PROOF_BYTES];
}
#define proof_work() proof_miss()
#else
#define proof_work() ((void)0)
#endif

#endif
