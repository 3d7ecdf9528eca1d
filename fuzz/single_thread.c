/*
 * single_thread.c - the seams sync.h and reclaim.h for a program of one thread, linked in place of sync_posix.c and
 * reclaim_urcu.c.
 *
 * Purpose: speed (no locked instruction, no grace period to wait for), determinism, and two checks that the real
 * implementations answer with a hang: locking a mutex that is held, and waiting for readers inside a read-side
 * section.
 * Invariants: read_depth is the number of open sections; a mutex is held or not.  No thread can be started.
 * Concurrency: none.
 */
#include <errno.h>

#include "../engine/reclaim.h"
#include "../engine/sync.h"
#include "fuzz.h"

static unsigned read_depth;

/* The handle is storage only: its first byte tells whether the mutex is held. */
static char *held(sync_mutex *mutex)
{
    return &mutex->handle.__size[0];
}

int sync_mutex_init(sync_mutex *mutex)
{
    *held(mutex) = 0;
    return 0;
}

void sync_mutex_fini(sync_mutex *mutex)
{
    fuzz_require(!*held(mutex), "a mutex is destroyed while it is held");
}

void sync_mutex_lock(sync_mutex *mutex)
{
    fuzz_require(!*held(mutex), "deadlock: a mutex is locked twice");
    *held(mutex) = 1;
}

bool sync_mutex_trylock(sync_mutex *mutex)
{
    bool was = *held(mutex);
    *held(mutex) = 1;
    return !was;
}

void sync_mutex_unlock(sync_mutex *mutex)
{
    fuzz_require(*held(mutex), "a mutex is unlocked that nobody holds");
    *held(mutex) = 0;
}

void sync_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    /* relaxed: there is one thread */
    fuzz_require(timeout_ns || atomic_load_explicit(word, memory_order_relaxed) != expected,
                 "a hang: the only thread waits for another");
}

void sync_wake(_Atomic uint32_t *word, int count)
{
    (void)word;
    (void)count;
}

int sync_thread_start(sync_thread *thread, void (*run)(void *argument), void *argument)
{
    (void)thread;
    (void)run;
    (void)argument;
    return EAGAIN;
}

void sync_thread_join(sync_thread *thread)
{
    (void)thread;
}

void sync_yield(void)
{
}

void sync_io_fence(void)
{
}

void reclaim_read_lock(void)
{
    read_depth++;
}

void reclaim_read_unlock(void)
{
    fuzz_require(read_depth > 0, "a read-side section ends that was not begun");
    read_depth--;
}

void reclaim_synchronize(void)
{
    fuzz_require(read_depth == 0, "deadlock: a grace period is awaited inside a read-side section");
}
