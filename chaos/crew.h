/*
 * crew.h - worker processes that share out numbered tasks, and survive the death of one.
 *
 * Each worker is a fork of the caller: what was prepared before crew_run() is inherited copy-on-write. A task's
 * result is a function of its number alone, so that the merged result does not depend on how many workers there
 * are. A worker that is killed by a signal, exits, or makes no progress for too long is a finding: the caller is
 * told where it stood, and another worker takes over the remaining tasks.
 */
#ifndef CHAOS_CREW_H
#define CHAOS_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct crew_worker crew_worker;

typedef struct crew_options {
    unsigned jobs;           /* worker processes */
    uint64_t tasks;          /* numbered from 0 */
    double deadline;         /* crew_clock() at which workers stop; 0: none */
    const bool *stop;        /* may be NULL: the caller's callbacks set it to end early */
    double hang_seconds;     /* a worker that says nothing for so long is killed; 0: 30.
                              * Time in which the caller was stopped too (Ctrl-Z) does not count. */
    void *context;
    /* In a worker. Sends its results before it returns. */
    void (*work)(void *context, crew_worker *worker, uint64_t task);
    /* In the caller: one message of a worker. */
    void (*receive)(void *context, unsigned type, const void *data, size_t bytes);
    /* In the caller: a worker died; where is what it last said. */
    void (*died)(void *context, const char *where, const char *how);
    /*
     * In the caller: a worker could not do its work (FATAL_EXIT_STATUS), and said why; the others end early.  NULL: the
     * caller ends, too.
     */
    void (*failed)(void *context, const char *where);
    /* In the caller, about five times a second; ticks is the sum of all workers' ticks. May be NULL. */
    void (*progress)(void *context, uint64_t tasks_done, uint64_t ticks);
} crew_options;

/* Returns whether all tasks were done (false: stopped by the deadline, by a signal, by a worker that failed, or
 * a task was lost with its worker). */
bool crew_run(const crew_options *options);

/* ---- in a worker ---- */
void crew_send(crew_worker *worker, unsigned type, const void *data, size_t bytes);
/* Says where it stands, counts one tick, and shows that it is alive. */
void crew_at(crew_worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether to leave the task early and send what there is. */
bool crew_should_stop(const crew_worker *worker);

/* ---- anywhere ---- */
double crew_clock(void);     /* seconds, monotonic */
double crew_cpu_clock(void); /* seconds that this process has computed */
/* From now on SIGINT and SIGTERM ask for a clean stop. */
void crew_catch_signals(void);
bool crew_interrupted(void);

#endif
