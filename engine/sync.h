/*
 * sync.h - the seam between the engine and the scheduler: mutexes, waits, wake-ups, threads, yields.
 *
 * sync_posix.c implements it over pthreads and futexes.  The harness links another implementation in its place, so
 * that a seeded scheduler owns every point at which threads can meet.  Nothing else in the engine blocks.
 */
#ifndef LEVIN_SYNC_H
#define LEVIN_SYNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sync_mutex {
    pthread_mutex_t handle;
} sync_mutex;

typedef struct sync_thread {
    pthread_t handle;
    void (*run)(void *argument);
    void *argument;
} sync_thread;

/* 0 or an errno value. */
int sync_mutex_init(sync_mutex *mutex);
void sync_mutex_fini(sync_mutex *mutex);
void sync_mutex_lock(sync_mutex *mutex);
bool sync_mutex_trylock(sync_mutex *mutex);
void sync_mutex_unlock(sync_mutex *mutex);

/*
 * Sleeps while *word == expected, until woken, for at most timeout_ns (0: without limit).  May return spuriously; the
 * caller loops on its own condition.  The waker stores the new value (release) before sync_wake(); the sleeper
 * reads it again (acquire) after the return: the word itself carries the ordering, as with a futex.
 */
void sync_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);
/* Wakes up to `count` sleepers on word. */
void sync_wake(_Atomic uint32_t *word, int count);

/* Starts a thread; 0 or an errno value. *thread stays where it is until joined. */
int sync_thread_start(sync_thread *thread, void (*run)(void *argument), void *argument);
void sync_thread_join(sync_thread *thread);

/* Lets others run; also the scheduler's point in bounded spins. */
void sync_yield(void);

/*
 * Between two calls of the I/O table by which processes tell each other something: what was written before is there
 * before what comes after is read.  Orders no memory that threads share: ThreadSanitizer, which knows no fences, misses
 * nothing.
 */
void sync_io_fence(void);

/* A number above 0 that no other living thread has: the address of its thread control block, in one load. */
static inline uintptr_t sync_thread_number(void)
{
#ifdef __has_builtin
#if __has_builtin(__builtin_thread_pointer)
    return (uintptr_t)__builtin_thread_pointer();
#define SYNC_THREAD_POINTER 1
#endif
#endif
#ifndef SYNC_THREAD_POINTER
    return (uintptr_t)pthread_self();
#endif
}

#endif
