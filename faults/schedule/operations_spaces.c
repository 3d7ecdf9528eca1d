/*
 * operations_spaces.c - a named keyspace that is created, dropped and created again while threads use its handles.
 *
 * For the history it is two keys: the number of its creation, 0 while there is none, and the value of the one key that
 * is used in it.  A handle remembers the number of its creation; so a call that went well has read that number, and one
 * that was refused with LEVIN_NO_KEYSPACE another.
 *
 * Concurrency: threads of a run.  A handle is given to other threads as a program would, after its creation and with
 * an order (race.h).
 */
#include <string.h>

#include "race.h"
#include "operations_shared.h"

#define SPACE_NAME "n", 1
#define SPACE_KEY "k", 1
enum { THERE = 1 << HISTORY_SPACE, INSIDE = 1 << HISTORY_IN_SPACE };

/* The call has read that the keyspace is that of a creation (0: that there is none); or that it is not. */
static void space_is(history_call *c, unsigned number)
{
    c->reads |= THERE;
    c->differs &= (uint8_t)~THERE;
    c->read[HISTORY_SPACE] = (uint8_t)number;
}

static void space_is_not(history_call *c, unsigned number)
{
    c->differs |= THERE;
    c->reads &= (uint8_t)~THERE;
    c->read[HISTORY_SPACE] = (uint8_t)number;
}

static void space_writes(history_call *c, unsigned keys, unsigned number)
{
    c->writes |= (uint8_t)keys;
    if (keys & THERE)
        c->written[HISTORY_SPACE] = (uint8_t)number;
    if (keys & INSIDE)
        c->written[HISTORY_IN_SPACE] = (uint8_t)number;
}

void operations_create(operations *o, unsigned thread, unsigned number)
{
    levin_keyspace *handle;
    history_call *c = operation_invoke(o, thread, "create");
    space_is(c, 0);
    space_writes(c, THERE, number);
    const levin_code code = levin_keyspace_open(o->store, SPACE_NAME, LEVIN_KEYSPACE_CREATE | LEVIN_KEYSPACE_EXCLUSIVE,
                                                &handle);
    if (code == LEVIN_EXISTS) {
        c->writes = 0;
        space_is_not(c, 0);
        operation_returned(o, c, LEVIN_OK);
        return;
    }
    if (code == LEVIN_OK) {
        race_release(handle);
        o->spaces[o->space_count].handle = handle;
        o->spaces[o->space_count].number = (uint8_t)number;
        o->space_count++;
    }
    operation_acknowledged(o, c, operation_expected(o, code, "the creation of a keyspace"), LEVIN_SYNCED);
}

void operations_drop(operations *o, unsigned thread, const scenario_operation *op)
{
    history_call *c = operation_invoke(o, thread, "drop");
    space_is_not(c, 0);
    space_writes(c, THERE | INSIDE, 0);
    const levin_code code = levin_keyspace_drop(o->store, SPACE_NAME, op->durability);
    if (code == LEVIN_NO_KEYSPACE) {
        c->writes = 0;
        space_is(c, 0);
        operation_returned(o, c, LEVIN_OK);
        return;
    }
    operation_acknowledged(o, c, operation_expected(o, code, "the drop of a keyspace"), op->durability);
}

/* By the handle of that creation: what a call came to that reads, and writes if it is no get. */
static void settle(operations *o, history_call *c, levin_code code, levin_durability durability, unsigned number)
{
    if (code == LEVIN_NO_KEYSPACE) {
        c->writes = 0;
        c->reads = 0;
        space_is_not(c, number);
        operation_returned(o, c, LEVIN_OK);
        return;
    }
    operation_acknowledged(o, c, operation_expected(o, code, "a call on a keyspace"), durability);
}

static levin_code get_number(levin *store, const levin_keyspace *handle, const levin_snapshot *snapshot,
                             uint8_t *number)
{
    char buffer[OPERATION_VALUE_MAX];
    size_t bytes;
    const levin_code code = levin_get_in(store, handle, snapshot, SPACE_KEY, buffer, sizeof buffer, &bytes);
    *number = code == LEVIN_OK ? operation_number(buffer, bytes) : 0;
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

static void space_get(operations *o, unsigned thread, const levin_keyspace *handle, unsigned number, bool of_snapshot)
{
    levin_snapshot *snapshot = NULL;
    levin_code code = LEVIN_OK;
    history_call *c = operation_invoke(o, thread, of_snapshot ? "space-snapshot" : "space-get");
    space_is(c, number);
    c->reads |= INSIDE;
    if (of_snapshot) {
        code = operation_expected(o, levin_snapshot_create(o->store, &snapshot), "a snapshot");
        operation_happened(o, c);
    }
    if (code == LEVIN_OK)
        code = get_number(o->store, handle, snapshot, &c->read[HISTORY_IN_SPACE]);
    settle(o, c, code, LEVIN_NONE, number);
    levin_snapshot_release(snapshot);
}

static void space_put(operations *o, unsigned thread, const levin_keyspace *handle, unsigned created,
                      const scenario_operation *op, unsigned number)
{
    char value[OPERATION_VALUE_MAX];
    history_call *c = operation_invoke(o, thread, "space-put");
    space_is(c, created);
    space_writes(c, INSIDE, number);
    settle(o, c, levin_put_in(o->store, handle, SPACE_KEY, value, operation_value(number, op->way == 1, value),
                              op->durability), op->durability, created);
}

/* A batch or a transaction, as far as they are alike: the keys of the operation, and the keyspace's, get one value. */
typedef struct both_puts {
    history_call *c;
    levin_batch *batch;
    levin_txn *txn; /* the one or the other */
} both_puts;

static both_puts both_invoke(operations *o, unsigned thread, const char *what, unsigned created)
{
    const both_puts b = { .c = operation_invoke(o, thread, what) };
    space_is(b.c, created);
    return b;
}

static levin_code both_put(const both_puts *b, const levin_keyspace *handle, const scenario_operation *op,
                           unsigned number)
{
    char value[OPERATION_VALUE_MAX];
    const size_t bytes = operation_value(number, op->way == 1, value);
    levin_code code = LEVIN_OK;
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++)
        if (op->keys >> k & 1)
            code = b->txn ? levin_txn_put(b->txn, operation_key(k), 1, value, bytes)
                          : levin_batch_put(b->batch, operation_key(k), 1, value, bytes);
    if (code == LEVIN_OK)
        code = b->txn ? levin_txn_put_in(b->txn, handle, SPACE_KEY, value, bytes)
                      : levin_batch_put_in(b->batch, handle, SPACE_KEY, value, bytes);
    return code;
}

/* From now on it may have been written. */
static void both_write(const both_puts *b, const scenario_operation *op, unsigned number)
{
    operation_writes(b->c, op->keys, number);
    space_writes(b->c, INSIDE, number);
}

static void space_batch(operations *o, unsigned thread, const levin_keyspace *handle, unsigned created,
                        const scenario_operation *op, unsigned number)
{
    both_puts b = both_invoke(o, thread, "space-batch", created);
    both_write(&b, op, number);
    levin_code code = levin_batch_create(o->store, &b.batch);
    if (code == LEVIN_OK)
        code = both_put(&b, handle, op, number);
    if (code == LEVIN_OK)
        code = levin_write(o->store, b.batch, op->durability);
    settle(o, b.c, code, op->durability, created);
    levin_batch_destroy(b.batch);
}

static levin_code txn_read(levin_txn *txn, history_call *c, const levin_keyspace *handle, unsigned keys)
{
    char buffer[OPERATION_VALUE_MAX];
    size_t bytes;
    levin_code code = levin_txn_get_in(txn, handle, SPACE_KEY, buffer, sizeof buffer, &bytes);
    if (code == LEVIN_OK)
        c->read[HISTORY_IN_SPACE] = operation_number(buffer, bytes);
    for (unsigned k = 0; k < SCENARIO_KEYS && (code == LEVIN_OK || code == LEVIN_NOT_FOUND); k++) {
        if (!(keys >> k & 1))
            continue;
        code = levin_txn_get(txn, operation_key(k), 1, buffer, sizeof buffer, &bytes);
        if (code == LEVIN_OK)
            c->read[k] = operation_number(buffer, bytes);
    }
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

/*
 * Refused at its end because the keyspace is gone, it has read one state all the same, in which it was there; and the
 * keyspace is gone by then, which is a call of its own.
 */
static void txn_refused(operations *o, unsigned thread, history_call *c, unsigned created)
{
    c->writes = 0;
    operation_returned(o, c, LEVIN_OK);
    c = operation_invoke(o, thread, "refused");
    space_is_not(c, created);
    operation_returned(o, c, LEVIN_OK);
}

static void space_txn(operations *o, unsigned thread, const levin_keyspace *handle, unsigned created,
                      const scenario_operation *op, unsigned number)
{
    both_puts b = both_invoke(o, thread, "space-txn", created);
    history_call *c = b.c;
    c->reads |= (uint8_t)(op->more | INSIDE);
    levin_code code = operation_expected(o, levin_txn_begin(o->store, NULL, &b.txn), "the begin of a transaction");
    bool has_read = false;
    if (code == LEVIN_OK) {
        code = txn_read(b.txn, c, handle, op->more);
        has_read = code == LEVIN_OK;
    }
    if (code == LEVIN_OK)
        code = both_put(&b, handle, op, number);
    if (code == LEVIN_OK) {
        both_write(&b, op, number);
        code = levin_txn_commit(b.txn, op->durability);
    }
    if (code == LEVIN_CONFLICT) {
        c->writes = 0;
        operation_returned(o, c, LEVIN_OK);
    } else if (code == LEVIN_NO_KEYSPACE && has_read) {
        txn_refused(o, thread, c, created);
    } else {
        settle(o, c, code, op->durability, created);
    }
    levin_txn_destroy(b.txn);
}

void operations_space(operations *o, unsigned thread, const scenario_operation *op, unsigned number)
{
    if (!o->space_count) {
        operations_create(o, thread, number);
        return;
    }
    const unsigned at = op->way == 3 ? 0 : o->space_count - 1; /* the oldest handle, or the newest */
    const levin_keyspace *handle = o->spaces[at].handle;
    const unsigned created = o->spaces[at].number;
    race_acquire(handle);
    if (op->kind == OPERATION_SPACE_GET)
        space_get(o, thread, handle, created, op->way == 2);
    else if (op->kind == OPERATION_SPACE_PUT)
        space_put(o, thread, handle, created, op, number);
    else if (op->kind == OPERATION_SPACE_BATCH)
        space_batch(o, thread, handle, created, op, number);
    else
        space_txn(o, thread, handle, created, op, number);
}

/* ---- the state ---- */

static bool note_name(void *context, levin_slice name)
{
    *(bool *)context |= name.size == 1 && *(const char *)name.data == 'n';
    return true;
}

levin_code operations_space_state(levin *store, uint8_t *there, uint8_t *number)
{
    bool is_there = false;
    levin_keyspace *handle;
    *there = *number = 0;
    levin_code code = levin_keyspace_list(store, NULL, note_name, &is_there);
    if (code != LEVIN_OK || !is_there)
        return code;
    code = levin_keyspace_open(store, SPACE_NAME, 0, &handle);
    if (code == LEVIN_OK) {
        code = get_number(store, handle, NULL, number);
        levin_keyspace_close(handle);
    }
    *there = 1;
    return code;
}

void operations_read_space(operations *o, unsigned thread)
{
    uint8_t there;
    history_call *c = operation_invoke(o, thread, "keyspace");
    const levin_code code = operation_expected(o, operations_space_state(o->store, &there, &c->read[HISTORY_IN_SPACE]),
                                               "reading a keyspace");
    if (there)
        space_is_not(c, 0);
    else
        space_is(c, 0);
    c->reads |= INSIDE;
    operation_returned(o, c, code);
}

void operations_close_spaces(operations *o)
{
    while (o->space_count)
        levin_keyspace_close(o->spaces[--o->space_count].handle);
}
