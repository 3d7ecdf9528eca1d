/*
 * operations_shared.h - what the files of operations.h share: noting calls in the history, values, and the calls on
 * keyspaces (operations_spaces.c) and beside a store that is written anew (operations_beside.c).
 */
#ifndef LEVIN_FAULTS_OPERATIONS_SHARED_H
#define LEVIN_FAULTS_OPERATIONS_SHARED_H

#include "operations.h"

enum { OPERATION_VALUE_MAX = 160 };

const char *operation_key(unsigned key);
/* The bytes of a number, and back: a value that nobody has written ends the run. */
size_t operation_value(unsigned number, bool large, char value[OPERATION_VALUE_MAX]);
uint8_t operation_number(const char *value, size_t bytes);

/* A call begins; what it is, for people. */
history_call *operation_invoke(operations *o, unsigned thread, const char *what);
/* The moment at which it takes effect has passed, though it has not returned. */
void operation_happened(operations *o, history_call *c);
/* The call has returned; what it has read is in it. */
void operation_returned(operations *o, history_call *c, levin_code code);
void operation_writes(history_call *c, unsigned keys, unsigned number);
/* A write has returned. */
void operation_acknowledged(operations *o, history_call *c, levin_code code, levin_durability durability);
/* The code; one that needs a fault ends a run without. */
levin_code operation_expected(operations *o, levin_code code, const char *call);

/* LEVIN_OK with number 0 for an absent key. */
levin_code operation_get(operations *o, const levin_snapshot *snapshot, unsigned key, unsigned way, uint8_t *number);
/* All keys, from the first on; values of other keys are compared. The iterator's status. */
levin_code operation_iterate(levin_iter *it, history_state state);

/* ---- beside ---- */

/* A snapshot or an iterator that is read again after its thread's next operation. */
typedef struct operations_held {
    history_call *c; /* NULL: nothing is held */
    levin_snapshot *snapshot;
    levin_iter *iter;
} operations_held;
operations_held operations_hold(operations *o, unsigned thread, const scenario_operation *op);
void operations_let_go(operations *o, const operations_held *held);
/* Opens the store read-only, reads it twice, closes it. */
void operations_reader(operations *o, unsigned thread);

/* ---- keyspaces ---- */

void operations_create(operations *o, unsigned thread, unsigned number);
void operations_drop(operations *o, unsigned thread, const scenario_operation *op);
/* With the handle of one that was created; when there is none, creates it. */
void operations_space(operations *o, unsigned thread, const scenario_operation *op, unsigned number);
/* Whether there is a keyspace (1), and its key, as a call of the history, or without. */
void operations_read_space(operations *o, unsigned thread);
levin_code operations_space_state(levin *store, uint8_t *there, uint8_t *number);

#endif
