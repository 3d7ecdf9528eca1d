/*
 * counter.h - exact event counters that many threads raise at once, without a locked instruction and without sharing a
 * cache line.
 *
 * A set holds COUNTER_SLOTS counters, COUNTER_STRIPES times: a stripe is one cache line, and a thread that counts
 * several events of one call touches one line.  A thread owns a stripe: it claims a free one near the hash of its
 * number, once, by compare-and-swap, and from then on adds with a plain load and store.  A thread that finds none
 * free (more than COUNTER_STRIPES threads, or a crowded neighbourhood) counts on the shared stripe, with
 * fetch-and-add.  A sum is exact when the threads that count have stopped; while they run it is some number between.
 *
 * Why load and store are enough: a stripe's owner word is stored once, from 0 to a thread's number, and only the
 * thread of that number writes its counts.  A number comes back only after its thread has ended, for it is the
 * address of memory that the thread needs to its end (sync_thread_number()); the new thread of that number goes
 * on with the stripe.  The C library frees and reuses that memory under a lock, which orders the last store of the
 * one before the first load of the other.  Under a scheduler that runs several contexts on one such number, contexts
 * change only in sync.h, reclaim.h and io.h, and so never between load and store.
 *
 * Progress: wait-free, but for the claim, once for each thread and set, which tries COUNTER_PROBES stripes.
 * Reclamation: none; a set is plain memory.  All accesses are relaxed: counts publish nothing and pair with nothing.
 */
#ifndef LEVIN_COUNTER_H
#define LEVIN_COUNTER_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "sync.h"

enum { COUNTER_SLOTS = 7, COUNTER_STRIPES = 64, COUNTER_PROBES = 8, COUNTER_STRIPE_BYTES = 64 };

typedef struct counter_stripe {
    _Alignas(COUNTER_STRIPE_BYTES) _Atomic uintptr_t owner; /* a thread's number; 0: nobody's, or shared */
    _Atomic uint64_t count[COUNTER_SLOTS];
} counter_stripe;
static_assert(sizeof(counter_stripe) == COUNTER_STRIPE_BYTES, "a stripe is one cache line");

/* Zeroed memory, 64-byte aligned, is a set of zeros. */
typedef struct counter_set {
    counter_stripe stripes[COUNTER_STRIPES];
    counter_stripe shared; /* its owner stays 0 */
} counter_set;

/* The calling thread's stripe, or the shared one. For this thread only; good as long as the set. */
static inline counter_stripe *counter_mine(counter_set *set)
{
    const uintptr_t self = sync_thread_number();
    const unsigned start = (unsigned)((uint64_t)self * 0x9e3779b97f4a7c15u >> 58); /* as in counter_own() */
    for (unsigned i = 0; i < COUNTER_PROBES; i++) {
        counter_stripe *s = &set->stripes[(start + i) % COUNTER_STRIPES];
        uintptr_t owner = atomic_load_explicit(&s->owner, memory_order_relaxed); /* pairs with nothing, as all here */
        if (owner == self)
            return s;
        if (owner == 0 && atomic_compare_exchange_strong_explicit(&s->owner, &owner, self, memory_order_relaxed,
                                                                  memory_order_relaxed))
            return s;
    }
    return &set->shared;
}

/* Adds to one counter of a stripe got from counter_mine(). Returns the stripe's own count: good for sampling. */
static inline uint64_t counter_add(counter_stripe *mine, unsigned slot, uint64_t n)
{
    _Atomic uint64_t *count = &mine->count[slot];
    if (__builtin_expect(atomic_load_explicit(&mine->owner, memory_order_relaxed) == 0, 0))
        return atomic_fetch_add_explicit(count, n, memory_order_relaxed) + n;
    n += atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, n, memory_order_relaxed);
    return n;
}

/*
 * The calling thread's own stripe when it stands at its first place; otherwise NULL, and counter_mine() knows more. For
 * paths that count every instruction.
 */
static inline counter_stripe *counter_own(counter_set *set)
{
    const uintptr_t self = sync_thread_number();
    counter_stripe *s = &set->stripes[(uint64_t)self * 0x9e3779b97f4a7c15u >> 58];
    __asm__("" : "+r"(s)); /* one register from here on, not base and offset in two for each of its words */
    if (!s)
        __builtin_unreachable();
    /* relaxed: pairs with nothing */
    return atomic_load_explicit(&s->owner, memory_order_relaxed) == self ? s : NULL;
}
/* counter_add() to a stripe got from counter_own(). */
static inline void counter_add_own(counter_stripe *own, unsigned slot, uint64_t n)
{
    n += atomic_load_explicit(&own->count[slot], memory_order_relaxed); /* its owner alone stores */
    atomic_store_explicit(&own->count[slot], n, memory_order_relaxed);
}

/*
 * counter_add_own() of 1, in one instruction where there is one: compilers take three for atomic objects.  It is no
 * locked one, so to others it is a load and a store, which is what the argument above asks for.
 */
static inline void counter_raise_own(counter_stripe *own, unsigned slot)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__("incq %0" : "+m"(*(uint64_t *)(uintptr_t)&own->count[slot]) : : "cc");
#else
    counter_add_own(own, slot, 1);
#endif
}

static inline uint64_t counter_read(const counter_set *set, unsigned slot)
{
    uint64_t sum = atomic_load_explicit(&set->shared.count[slot], memory_order_relaxed);
    for (unsigned i = 0; i < COUNTER_STRIPES; i++)
        sum += atomic_load_explicit(&set->stripes[i].count[slot], memory_order_relaxed);
    return sum;
}

#endif
