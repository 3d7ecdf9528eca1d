/*
 * sync_posix.c - the scheduler seam (sync.h) over pthreads and futexes.  Linux.
 *
 * Concurrency: every function may be called from any thread.  No state of its own.  A futex call orders nothing by
 * itself: the word it works on does, through the caller's release store and acquire load.
 */
#include "sync.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static_assert(sizeof(_Atomic uint32_t) == 4, "a futex word is four bytes");

int sync_mutex_init(sync_mutex *mutex)
{
    return pthread_mutex_init(&mutex->handle, NULL);
}

void sync_mutex_fini(sync_mutex *mutex)
{
    int result = pthread_mutex_destroy(&mutex->handle);
    assert(result == 0);
    (void)result;
}

void sync_mutex_lock(sync_mutex *mutex)
{
    int result = pthread_mutex_lock(&mutex->handle);
    assert(result == 0);
    (void)result;
}

bool sync_mutex_trylock(sync_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->handle);
    assert(result == 0 || result == EBUSY);
    return result == 0;
}

void sync_mutex_unlock(sync_mutex *mutex)
{
    int result = pthread_mutex_unlock(&mutex->handle);
    assert(result == 0);
    (void)result;
}

void sync_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
                                .tv_nsec = (long)(timeout_ns % 1000000000u) };
    /* every result (woken, value changed, EINTR, timeout) means the same to the caller: look again */
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns ? &timeout : NULL, NULL, 0);
}

void sync_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void *thread_main(void *argument)
{
    sync_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

int sync_thread_start(sync_thread *thread, void (*run)(void *argument), void *argument)
{
    sigset_t blocked, before;
    thread->run = run;
    thread->argument = argument;
    /*
     * The host program's signals go to its own threads.  Left open: what a thread does to itself (a blocked SIGSEGV
     * kills without a report) and the profiler's clock.
     */
    static const int open_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF };
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof open_signals / sizeof open_signals[0]; i++)
        sigdelset(&blocked, open_signals[i]);
    int result = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (result)
        return result;
    result = pthread_create(&thread->handle, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

void sync_thread_join(sync_thread *thread)
{
    int result = pthread_join(thread->handle, NULL);
    assert(result == 0);
    (void)result;
}

void sync_yield(void)
{
    sched_yield();
}

void sync_io_fence(void)
{
#ifndef __SANITIZE_THREAD__
    atomic_thread_fence(memory_order_seq_cst);
#endif
}
