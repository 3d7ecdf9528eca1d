/*
 * tsan_calls.c - what code compiled with -fsanitize=thread calls, in place of ThreadSanitizer's library: every atomic
 * is a point of the scheduler, every plain access is compared with the others (race.h), calls and returns are noted
 * for the positions of threads.
 *
 * The names and shapes are those that GCC and Clang emit (compiler-rt/lib/tsan/rtl/tsan_interface.h).  Atomics are
 * executed as plain operations: threads of a run share one thread of the system, and a point comes before each.
 * Compare-exchanges do not fail without a cause.
 *
 * Concurrency: threads of a run; outside of one the operations are done and nothing else.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "schedule_internal.h"

#define CALLER __builtin_return_address(0)

enum { RELAXED = 0, CONSUME = 1, ACQUIRE = 2, RELEASE = 3, ACQ_REL = 4, SEQ_CST = 5 }; /* __ATOMIC_* */

static inline bool acquires(int order)
{
    return order == CONSUME || order == ACQUIRE || order == ACQ_REL || order == SEQ_CST;
}
static inline bool releases(int order)
{
    return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

/* Before an atomic operation. */
static inline void arrive(const char *what, const volatile void *at, size_t bytes, bool write, const void *from)
{
    const void *address = (const void *)(uintptr_t)at;
    if (!schedule_current)
        return;
    schedule_at(what, address, from);
    schedule_access(address, bytes, write, true, from);
}

static inline void loaded(const volatile void *at, int order)
{
    if (acquires(order) && schedule_current)
        race_acquire((const void *)(uintptr_t)at);
}
static inline void stored(const volatile void *at, int order)
{
    if (!schedule_current)
        return;
    if (releases(order))
        race_release_store((const void *)(uintptr_t)at);
    else
        race_relaxed_store((const void *)(uintptr_t)at);
}
static inline void changed(const volatile void *at, int order)
{
    if (!schedule_current)
        return;
    loaded(at, order);
    if (releases(order))
        race_release((const void *)(uintptr_t)at);
}

#define DEFINE(result, name, ...)                                                                               \
    result name(__VA_ARGS__);                                                                                   \
    result name(__VA_ARGS__)

#define EXCHANGE_ALWAYS(a, b) ((void)(a), (b))
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define AND(a, b) ((a) & (b))
#define OR(a, b) ((a) | (b))
#define XOR(a, b) ((a) ^ (b))
#define NAND(a, b) (~((a) & (b)))

#define CHANGE(bits, type, name, text, operation)                                                               \
    DEFINE(type, __tsan_atomic##bits##_##name, volatile type *at, type value, int order)                        \
    {                                                                                                           \
        arrive(text, at, sizeof *at, true, CALLER);                                                      \
        type before = *at;                                                                                      \
        *at = (type)operation(before, value);                                                                   \
        changed(at, order);                                                                                     \
        return before;                                                                                          \
    }

#define COMPARE(bits, type, name)                                                                               \
    DEFINE(int, __tsan_atomic##bits##_compare_exchange_##name, volatile type *at, type *expected, type desired, \
           int order, int failure)                                                                              \
    {                                                                                                           \
        arrive("compare-exchange", at, sizeof *at, *at == *expected, CALLER);                            \
        type before = *at;                                                                                      \
        if (before == *expected) {                                                                              \
            *at = desired;                                                                                      \
            changed(at, order);                                                                                 \
            return 1;                                                                                           \
        }                                                                                                       \
        *expected = before;                                                                                     \
        loaded(at, failure);                                                                                    \
        return 0;                                                                                               \
    }

#define ATOMICS(bits, type)                                                                                     \
    DEFINE(type, __tsan_atomic##bits##_load, const volatile type *at, int order)                                \
    {                                                                                                           \
        arrive("load", at, sizeof *at, false, CALLER);                                                   \
        type value = *at;                                                                                       \
        loaded(at, order);                                                                                      \
        return value;                                                                                           \
    }                                                                                                           \
    DEFINE(void, __tsan_atomic##bits##_store, volatile type *at, type value, int order)                         \
    {                                                                                                           \
        arrive("store", at, sizeof *at, true, CALLER);                                                   \
        *at = value;                                                                                            \
        stored(at, order);                                                                                      \
    }                                                                                                           \
    CHANGE(bits, type, exchange, "exchange", EXCHANGE_ALWAYS)                                                   \
    CHANGE(bits, type, fetch_add, "fetch-add", ADD)                                                             \
    CHANGE(bits, type, fetch_sub, "fetch-sub", SUB)                                                             \
    CHANGE(bits, type, fetch_and, "fetch-and", AND)                                                             \
    CHANGE(bits, type, fetch_or, "fetch-or", OR)                                                                \
    CHANGE(bits, type, fetch_xor, "fetch-xor", XOR)                                                             \
    CHANGE(bits, type, fetch_nand, "fetch-nand", NAND)                                                          \
    COMPARE(bits, type, strong)                                                                                 \
    COMPARE(bits, type, weak)                                                                                   \
    DEFINE(type, __tsan_atomic##bits##_compare_exchange_val, volatile type *at, type expected, type desired,    \
           int order, int failure)                                                                              \
    {                                                                                                           \
        arrive("compare-exchange", at, sizeof *at, *at == expected, CALLER);                             \
        type before = *at;                                                                                      \
        if (before == expected) {                                                                               \
            *at = desired;                                                                                      \
            changed(at, order);                                                                                 \
        } else {                                                                                                \
            loaded(at, failure);                                                                                \
        }                                                                                                       \
        return before;                                                                                          \
    }

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

DEFINE(void, __tsan_atomic_thread_fence, int order)
{
    (void)order;
}
DEFINE(void, __tsan_atomic_signal_fence, int order)
{
    (void)order;
}

/* ---- atomics that are no points (quiet_begin.h) ---- */

DEFINE(uint64_t, schedule_quiet_load, const volatile void *at)
{
    return *(const volatile uint64_t *)at;
}
DEFINE(uint64_t, schedule_quiet_store, volatile void *at, uint64_t value)
{
    return *(volatile uint64_t *)at = value;
}
DEFINE(uint64_t, schedule_quiet_add, volatile void *at, uint64_t value)
{
    const uint64_t before = *(volatile uint64_t *)at;
    *(volatile uint64_t *)at = before + value;
    return before;
}
DEFINE(bool, schedule_quiet_exchange, volatile void *at, void *expected, uint64_t desired)
{
    volatile uint64_t *word = at;
    uint64_t *wanted = expected;
    if (*word == *wanted) {
        *word = desired;
        return true;
    }
    *wanted = *word;
    return false;
}

/* ---- plain accesses ---- */

#define PLAIN(name, bytes, write)                                                                               \
    DEFINE(void, __tsan_##name, void *address)                                                                  \
    {                                                                                                           \
        schedule_access(address, bytes, write, false, CALLER);                                                  \
    }
#define PLAIN_ALL(bytes)                                                                                        \
    PLAIN(read##bytes, bytes, false)                                                                            \
    PLAIN(write##bytes, bytes, true)                                                                            \
    PLAIN(read_write##bytes, bytes, true)                                                                       \
    PLAIN(unaligned_read##bytes, bytes, false)                                                                  \
    PLAIN(unaligned_write##bytes, bytes, true)                                                                  \
    PLAIN(unaligned_read_write##bytes, bytes, true)                                                             \
    PLAIN(volatile_read##bytes, bytes, false)                                                                   \
    PLAIN(volatile_write##bytes, bytes, true)                                                                   \
    PLAIN(unaligned_volatile_read##bytes, bytes, false)                                                         \
    PLAIN(unaligned_volatile_write##bytes, bytes, true)
PLAIN_ALL(1)
PLAIN_ALL(2)
PLAIN_ALL(4)
PLAIN_ALL(8)
PLAIN_ALL(16)

DEFINE(void, __tsan_read_range, void *address, size_t bytes)
{
    schedule_access(address, bytes, false, false, CALLER);
}
DEFINE(void, __tsan_write_range, void *address, size_t bytes)
{
    schedule_access(address, bytes, true, false, CALLER);
}

/* The functions of string.h that the engine calls, under the names that ci and Makefile give them in its objects. */
DEFINE(void *, schedule_memcpy, void *to, const void *from, size_t bytes)
{
    schedule_access(from, bytes, false, false, CALLER);
    schedule_access(to, bytes, true, false, CALLER);
    return __builtin_memcpy(to, from, bytes);
}
DEFINE(void *, schedule_memmove, void *to, const void *from, size_t bytes)
{
    schedule_access(from, bytes, false, false, CALLER);
    schedule_access(to, bytes, true, false, CALLER);
    return __builtin_memmove(to, from, bytes);
}
DEFINE(void *, schedule_memset, void *to, int value, size_t bytes)
{
    schedule_access(to, bytes, true, false, CALLER);
    return __builtin_memset(to, value, bytes);
}
DEFINE(int, schedule_memcmp, const void *a, const void *b, size_t bytes)
{
    schedule_access(a, bytes, false, false, CALLER);
    schedule_access(b, bytes, false, false, CALLER);
    return __builtin_memcmp(a, b, bytes);
}

/* ---- calls ---- */

DEFINE(void, __tsan_init, void)
{
}
DEFINE(void, __tsan_func_entry, void *from)
{
    thread *t = schedule_current;
    if (!t)
        return;
    if (t->depth < SCHEDULE_STACK_MAX)
        t->stack[t->depth] = from;
    t->depth++;
}
DEFINE(void, __tsan_func_exit, void)
{
    if (schedule_current && schedule_current->depth)
        schedule_current->depth--;
}

DEFINE(void, schedule_assert_fail, const char *text, const char *file, unsigned line, const char *function)
{
    if (schedule_running())
        schedule_found(SCHEDULE_ASSERTION, "%s:%u: %s: %s", file, line, function, text);
    fprintf(stderr, "%s:%u: %s: assertion \"%s\" failed\n", file, line, function, text);
    abort();
}
