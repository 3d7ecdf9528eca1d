/*
 * operations.h - the calls of a thread on the store, each noted in the history.
 *
 * Threads of a run (schedule.h); the history is theirs together.  Nothing here takes memory of the harness, for a
 * thread may be left in the middle.
 */
#ifndef LEVIN_FAULTS_OPERATIONS_H
#define LEVIN_FAULTS_OPERATIONS_H

#include "history.h"
#include "scenario.h"

enum { OPERATIONS_SPACES_MAX = SCENARIO_THREADS_MAX * SCENARIO_OPERATIONS_MAX };

typedef struct operations {
    levin *store;
    const scenario *s;
    const char *path;                        /* and options, to open it once more, beside the writer */
    const levin_options *beside;
    history *calls;
    uint64_t checkpointed;                   /* what had returned by then is in a checkpoint that was completed */
    unsigned readers;                        /* read-only handles that are open, or being opened */
    unsigned crowds;                         /* times that one more came when all slots may have been taken */
    struct {
        levin_keyspace *handle;
        uint8_t number;                      /* of its creation */
    } spaces[OPERATIONS_SPACES_MAX];         /* all that were created, as handles */
    unsigned space_count;
    bool calling;                            /* a callback runs */
    unsigned called[SCENARIO_THREADS_MAX];   /* callbacks of each thread that have come, as its operation and 1 */
} operations;

/* All operations of one thread, and waits for its tickets. */
void operations_thread(operations *o, unsigned thread);
/* By one thread: reads everything, as a call of the history. */
void operations_read_all(operations *o);
/* The whole store, without history. levin_iter's code when it cannot be read. */
levin_code operations_state(levin *store, history_state state);

/* When no thread is left: closes handles of keyspaces. */
void operations_close_spaces(operations *o);

/* The initial pairs of an image's keys, put and synced; log: those that belong into the log. */
levin_code operations_fill(levin *store, unsigned image, bool log);

#endif
