/*
 * sync_schedule.c - sync.h under the scheduler (schedule.h), linked in place of sync_posix.c.
 *
 * Invariants: a mutex is held by one thread or nobody; who unlocks it is who locked it.  A word that is waited on
 * belongs to its waiters alone; nothing is kept about it. Concurrency: threads of a run.  Outside of a run
 * (schedule_running()) a mutex is taken at once, and there is nobody to wait for.
 */
#include "../../engine/sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schedule_internal.h"

/* What the storage of a mutex holds: 0 free, otherwise the holder's number and 1. */
static uint32_t holder(const sync_mutex *mutex)
{
    uint32_t held;
    memcpy(&held, mutex, sizeof held);
    return held;
}

static void hold(sync_mutex *mutex, uint32_t held)
{
    memcpy(mutex, &held, sizeof held);
}

static uint32_t mine(void)
{
    return schedule_self() + 1;
}

static void live(const void *object, size_t bytes, const void *from)
{
    schedule_access(object, bytes, false, true, from);
}

int sync_mutex_init(sync_mutex *mutex)
{
    hold(mutex, 0);
    return 0;
}

void sync_mutex_fini(sync_mutex *mutex)
{
    if (holder(mutex) && schedule_running())
        schedule_found(SCHEDULE_MISUSE, "a mutex is destroyed while it is held");
}

static void taken(sync_mutex *mutex)
{
    hold(mutex, mine());
    if (schedule_current)
        schedule_current->mutexes++;
    race_acquire(mutex);
}

void sync_mutex_lock(sync_mutex *mutex)
{
    const void *from = __builtin_return_address(0);
    schedule_at("lock", mutex, from);
    live(mutex, sizeof(uint32_t), from);
    if (holder(mutex) == mine() && schedule_running())
        schedule_found(SCHEDULE_DEADLOCK, "%s locks a mutex that it holds", schedule_current->name);
    while (holder(mutex) && schedule_running())
        schedule_block(THREAD_LOCKING, mutex);
    taken(mutex);
}

bool sync_mutex_trylock(sync_mutex *mutex)
{
    const void *from = __builtin_return_address(0);
    schedule_at("trylock", mutex, from);
    live(mutex, sizeof(uint32_t), from);
    if (holder(mutex))
        return false;
    taken(mutex);
    return true;
}

void sync_mutex_unlock(sync_mutex *mutex)
{
    const void *from = __builtin_return_address(0);
    live(mutex, sizeof(uint32_t), from);
    if (holder(mutex) != mine() && schedule_running())
        schedule_found(SCHEDULE_MISUSE, "%s unlocks a mutex that it does not hold", schedule_current->name);
    race_release(mutex);
    hold(mutex, 0);
    if (schedule_current)
        schedule_current->mutexes--;
    for (unsigned i = 0; i < schedule_thread_count; i++)
        if (schedule_threads[i].state == THREAD_LOCKING && schedule_threads[i].object == mutex)
            schedule_threads[i].state = THREAD_READY;
    schedule_at("unlock", mutex, from);
}

void sync_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    const void *from = __builtin_return_address(0);
    schedule_at("wait", word, from);
    live(word, sizeof *word, from);
    thread *t = schedule_current;
    /* relaxed: one thread of the system, and the caller looks again with acquire */
    if (!t || atomic_load_explicit(word, memory_order_relaxed) != expected)
        return;
    t->expected = expected;
    t->deadline = timeout_ns ? schedule_now_ns() + timeout_ns : 0;
    schedule_block(THREAD_WAITING, word);
}

void sync_wake(_Atomic uint32_t *word, int count)
{
    schedule_at("wake", word, __builtin_return_address(0));
    for (; count > 0; count--) {
        thread *first = NULL;
        for (unsigned i = 0; i < schedule_thread_count; i++) {
            thread *t = &schedule_threads[i];
            if (t->state == THREAD_WAITING && t->object == word && (!first || t->order < first->order))
                first = t;
        }
        if (!first)
            return;
        first->state = THREAD_READY;
        first->by_timer = false;
    }
}

int sync_thread_start(sync_thread *thread_storage, void (*run)(void *argument), void *argument)
{
    thread *t = schedule_running() ? schedule_start(run, argument) : NULL;
    if (!t)
        return EAGAIN;
    snprintf(t->name, sizeof t->name, "engine's thread %u", t->number);
    memcpy(thread_storage, &t, sizeof t);
    schedule_at("start", NULL, __builtin_return_address(0));
    return 0;
}

void sync_thread_join(sync_thread *thread_storage)
{
    thread *t;
    memcpy(&t, thread_storage, sizeof t);
    schedule_join(1u << t->number);
    schedule_current->from = __builtin_return_address(0);
}

void sync_yield(void)
{
    schedule_yield(__builtin_return_address(0));
}

void sync_io_fence(void)
{
}
