/*
 * reclaim_urcu.c - read-side sections and grace periods (reclaim.h) over liburcu, bp flavour: a thread registers
 * itself at its first read-side section and is forgotten when it ends, so that callers' threads need no set-up.
 *
 * Concurrency: read-side sections are wait-free after the first of a thread; a grace period takes liburcu's own
 * locks.
 *
 * _LGPL_SOURCE inlines liburcu's read lock and unlock (3 ns a pair against 9), functions of fewer than ten lines,
 * which section 5 of the LGPL 2.1 leaves free, as their comments say.  Nothing else of liburcu is compiled in; the
 * library is linked dynamically.  Under a sanitizer they are called: liburcu 0.13 places its readers at addresses
 * that the declared alignment of their type forbids, which is undefined, though harmless on the machines it runs
 * on.
 */
#if defined(__SANITIZE_ADDRESS__)
#define RECLAIM_SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define RECLAIM_SANITIZED 1
#define RECLAIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RECLAIM_SANITIZED 1
#define RECLAIM_TSAN 1
#elif __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define RECLAIM_SANITIZED 1
#endif
#endif

#ifndef RECLAIM_SANITIZED
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>

#include "reclaim.h"

/*
 * ThreadSanitizer sees neither liburcu's code, which is not instrumented, nor the membarrier() that its readers rely
 * on. It is told exactly the promise of a grace period: what a reader did before it left its section happens before
 * reclaim_synchronize() returns.  Readers acquire nothing here, so that a race between two readers, or of a reader
 * with a writer that did not wait, is still seen.
 */
#ifdef RECLAIM_TSAN
#include <sanitizer/tsan_interface.h>
static char grace_period; /* an address for the annotations, never read or written */
#define reader_leaves() __tsan_release(&grace_period)
#define readers_have_left() __tsan_acquire(&grace_period)
#else
#define reader_leaves() ((void)0)
#define readers_have_left() ((void)0)
#endif

void reclaim_read_lock(void)
{
    urcu_bp_read_lock();
}

void reclaim_read_unlock(void)
{
    reader_leaves();
    urcu_bp_read_unlock();
}

void reclaim_synchronize(void)
{
    urcu_bp_synchronize_rcu();
    readers_have_left();
}
