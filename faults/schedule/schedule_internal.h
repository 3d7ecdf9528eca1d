/*
 * schedule_internal.h - what the implementations of the seams share with the scheduler (schedule.c).
 */
#ifndef LEVIN_FAULTS_SCHEDULE_INTERNAL_H
#define LEVIN_FAULTS_SCHEDULE_INTERNAL_H

#include "fiber.h"
#include "memory.h"
#include "race.h"
#include "schedule.h"

typedef enum thread_state {
    THREAD_READY,
    THREAD_LOCKING,  /* waits for a mutex */
    THREAD_WAITING,  /* in sync_wait() */
    THREAD_GRACE,    /* waits for readers */
    THREAD_JOINING,
    THREAD_OVER
} thread_state;

typedef struct thread {
    fiber c;
    thread_state state;
    unsigned number;
    char name[24];
    void (*run)(void *argument);
    void *argument;
    const char *doing;        /* the last seam call */
    const void *from;         /* where it was called */
    const void *object;       /* that it is about: what a blocked one waits for */
    uint32_t expected;        /* WAITING: the value slept on */
    uint64_t deadline;        /* WAITING; 0: none */
    uint64_t order;           /* WAITING: who came first */
    bool by_timer;            /* the last wait ended by its time-out */
    unsigned awaited;         /* GRACE, JOINING: bits of the threads waited for */
    unsigned read_depth;
    unsigned mutexes;         /* held */
    uint32_t points;          /* made since schedule_begin() */
    int64_t priority;         /* PCT: the highest runs */
    const void *stack[SCHEDULE_STACK_MAX]; /* calls, the outermost first */
    unsigned depth;
} thread;

#define SCHEDULE_IN_SYNC "sync, which is done"

extern thread *schedule_current; /* NULL: no run */
extern thread schedule_threads[SCHEDULE_THREADS_MAX];
extern unsigned schedule_thread_count;

/* A point before what the running thread is going to do with object, called from there. */
void schedule_at(const char *what, const void *object, const void *from);
/* The same, after which others go first if any can (yield). */
void schedule_yield(const void *from);
/* The running thread cannot go on, for its state says so, until somebody has made it READY again. */
void schedule_block(thread_state state, const void *object);
/* Starts a thread. NULL: too many. */
thread *schedule_start(void (*run)(void *argument), void *argument);
/* A number for sync_thread_number(): no two living threads have the same stripe of counters. */
uintptr_t schedule_thread_number(void);

/* Accesses since the last point; so many, and the running thread goes in circles. */
enum { SCHEDULE_ACCESSES_MAX = 20000000 };
extern uint32_t schedule_accesses;
_Noreturn void schedule_in_circles(const void *from);

/* An access by instrumented code or a seam; ends the run when it finds something. */
void schedule_access_watched(const void *address, size_t bytes, bool write, bool atomic, const void *from);
static inline void schedule_access(const void *address, size_t bytes, bool write, bool atomic, const void *from)
{
    const uintptr_t first = (uintptr_t)address, last = first + bytes - 1;
    if (++schedule_accesses > SCHEDULE_ACCESSES_MAX && schedule_current)
        schedule_in_circles(from);
    if (!bytes || !memory_watched(first) || !memory_watched(last))
        return;
    if (!race_checking && memory_state[memory_granule(first)] == MEMORY_LIVE &&
        memory_state[memory_granule(last)] == MEMORY_LIVE)
        return;
    schedule_access_watched(address, bytes, write, atomic, from);
}

#endif
