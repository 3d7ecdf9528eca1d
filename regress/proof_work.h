/*
 * proof_work.h - slowdowns of known size, which regress/proof_tree.sh puts into a scratch copy of the engine.
 *
 * Not part of the engine: nothing includes it there.  A file of the engine is compiled with one of these:
 *   PROOF_PS           picoseconds of work added to each call of proof_work(), made up for by a busy wait at every
 *                      PROOF_EVERYth; the clock is the time stamp counter
 *   PROOF_INSTRUCTIONS so many instructions in each, to within two
 *   PROOF_MISS         a line is read that lies in no cache of the processor's own
 *   PROOF_ALLOCATION   64 bytes are allocated and given back
 *   PROOF_SYNC         the page file is synced
 *   PROOF_MORE         of what is read or written 5 % once more, in the same place; 5 % more for an iterator
 * Macros, for they are expanded where the engine's types are known.  One thread, 64-bit x86 alone.
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

#define proof_work(store) (__builtin_expect(++proof_calls % PROOF_EVERY == 0, PROOF_EVERY == 1) ? proof_pay() : (void)0)
#elif defined(PROOF_MISS)
enum { PROOF_BYTES = 8 << 20 };
static unsigned char proof_bytes[PROOF_BYTES] = { 1 };
static uint64_t proof_at = 1;
static volatile unsigned char proof_seen;

/* Before anything is measured. */
static __attribute__((constructor)) void proof_touch(void)
{
    for (size_t i = 0; i < PROOF_BYTES; i += 64)
        proof_bytes[i] = 1;
}

static inline void proof_miss(void)
{
    proof_at = proof_at * 6364136223846793005u + 1442695040888963407u;
    proof_seen = proof_bytes[(proof_at >> 32) % PROOF_BYTES];
}
#define proof_work(store) proof_miss()
#elif defined(PROOF_INSTRUCTIONS) && PROOF_INSTRUCTIONS < 200
#define PROOF_TEXT(n) #n
#define PROOF_NOPS(n) ".rept " PROOF_TEXT(n) "\n\tnop\n\t.endr"
#define proof_work(store) __asm__ volatile(PROOF_NOPS(PROOF_INSTRUCTIONS))
#elif defined(PROOF_INSTRUCTIONS)
static inline void proof_turn(uint64_t turns)
{
    __asm__ volatile("1:\n\tdec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}
#define proof_work(store) proof_turn(PROOF_INSTRUCTIONS / 2)
#elif defined(PROOF_ALLOCATION)
#define proof_work(store) io_free((store)->io, io_alloc((store)->io, 64), 64)
#elif defined(PROOF_SYNC)
#define proof_work(store)                                   \
    do {                                                    \
        levin_error proof_error;                            \
        (void)(file_sync(&(store)->pages, &proof_error) + 0); \
    } while (0)
#else
#define proof_work(store) ((void)0)
#endif

#ifdef PROOF_MORE
#define proof_more(bytes) ((bytes) / 20)
#define proof_read_again(f, buffer, bytes, offset)                                                              \
    do {                                                                                                        \
        size_t proof_part;                                                                                      \
        if ((bytes) >= 20)                                                                                      \
            (void)(f)->io->read_at((f)->io->context, (f)->handle, buffer, (bytes) / 20, offset, &proof_part);   \
    } while (0)
/* of the first part that is large enough: what is written again is what is there already */
#define proof_write_again(f, parts, count, offset, bytes)                                                       \
    do {                                                                                                        \
        const size_t proof_want = (bytes) / 20;                                                                 \
        uint64_t proof_at = (offset);                                                                           \
        for (size_t proof_i = 0; proof_want && proof_i < (count); proof_at += (parts)[proof_i++].size) {        \
            levin_slice proof_slice = { (parts)[proof_i].data, proof_want };                                    \
            if ((parts)[proof_i].size < proof_want || proof_at + proof_want > (offset) + (bytes))               \
                continue;                                                                                       \
            size_t proof_done;                                                                                  \
            (void)(f)->io->write_at((f)->io->context, (f)->handle, &proof_slice, 1, proof_at, &proof_done);     \
            break;                                                                                              \
        }                                                                                                       \
    } while (0)
#else
#define proof_more(bytes) 0
#define proof_read_again(f, buffer, bytes, offset) ((void)0)
#define proof_write_again(f, parts, count, offset, bytes) ((void)0)
#endif

#endif
