/*
 * operations.h - the calls of a thread on the store, each noted in the history.
 *
 * Threads of a run (schedule.h); the history is theirs together.  Nothing here takes memory of the harness, for a
 * thread may be left in the middle.
 */
#ifndef CHAOS_SCHEDULES_OPERATIONS_H
#define CHAOS_SCHEDULES_OPERATIONS_H

#include "history.h"
#include "scenario.h"

typedef struct operations {
    levin *store;
    const scenario *s;
    history *calls;
    bool calling;                            /* a callback runs */
    unsigned called[SCENARIO_THREADS_MAX];   /* callbacks of each thread that have come, as its operation and 1 */
} operations;

/* All operations of one thread, and waits for its tickets. */
void operations_thread(operations *o, unsigned thread);
/* By one thread: reads everything, as a call of the history. */
void operations_read_all(operations *o);
/* The whole store, without history. levin_iter's code when it cannot be read. */
levin_code operations_state(levin *store, history_state state);

/* The initial pairs of an image's keys, put and synced; log: those that belong into the log. */
levin_code operations_fill(levin *store, unsigned image, bool log);

#endif
