/*
 * operations.c - calls on the store (operations.h).
 *
 * A value is its number as three digits, and for large ones a padding that is made of it, all of which is compared: a
 * value that is a mixture of two is a finding of its own.
 *
 * Concurrency: threads of a run.
 */
#include "operations_shared.h"

#include <stdio.h>
#include <string.h>

enum { FILLER_KEY_BYTES = 3, FILLER_BYTES = 900 };
enum { DIGITS = 3, LARGE_BYTES = 120, POLLS = 3, OPERATION_CALLS_MAX = 3 };

const char *operation_key(unsigned key)
{
    static const char *const names[SCENARIO_KEYS] = { "a", "b", "c", "d" };
    return names[key];
}

size_t operation_value(unsigned number, bool large, char value[OPERATION_VALUE_MAX])
{
    snprintf(value, OPERATION_VALUE_MAX, "%03u", number);
    if (large)
        memset(value + DIGITS, 'A' + (int)(number % 26), LARGE_BYTES - DIGITS);
    return large ? LARGE_BYTES : DIGITS;
}

uint8_t operation_number(const char *value, size_t bytes)
{
    unsigned number = 0;
    bool right = bytes == DIGITS || bytes == LARGE_BYTES;
    for (unsigned i = 0; right && i < DIGITS; i++) {
        right = value[i] >= '0' && value[i] <= '9';
        number = number * 10 + (unsigned)(value[i] - '0');
    }
    for (size_t i = DIGITS; right && i < bytes; i++)
        right = value[i] == 'A' + (char)(number % 26);
    if (!right || number > UINT8_MAX)
        schedule_found(SCHEDULE_CHECK, "a value that nobody has written: %zu bytes, \"%.*s\"", bytes,
                       (int)(bytes < 16 ? bytes : 16), value);
    return (uint8_t)number;
}

/* ---- keys that stay as they are ---- */

static void filler_key(unsigned filler, char key[FILLER_KEY_BYTES + 1])
{
    snprintf(key, FILLER_KEY_BYTES + 1, "f%02u", filler % 100);
}

static void filler_check(const char *key, const char *value, size_t bytes)
{
    bool right = bytes == FILLER_BYTES;
    for (size_t i = 0; right && i < bytes; i += 64)
        right = value[i] == key[2];
    if (!right)
        schedule_found(SCHEDULE_CHECK, "%.*s has another value than it was given", FILLER_KEY_BYTES, key);
}

/* ---- the history ---- */

history_call *operation_invoke(operations *o, unsigned thread, const char *what)
{
    history *h = o->calls;
    if (h->count == HISTORY_CALLS_MAX)
        schedule_found(SCHEDULE_CHECK, "the history is too short");
    history_call *c = &h->calls[h->count++];
    memset(c, 0, sizeof *c);
    c->invoked = h->now++;
    c->returned = HISTORY_PENDING;
    snprintf(c->text, sizeof c->text, "%u %s", thread + 1, what);
    return c;
}

void operation_happened(operations *o, history_call *c)
{
    c->returned = o->calls->now++;
}

/* The call has returned; what it has read is in it. */
void operation_returned(operations *o, history_call *c, levin_code code)
{
    if (c->returned == HISTORY_PENDING)
        operation_happened(o, c);
    /* levin.h: after any other code the store is as if the call had not been */
    const bool in_doubt = code == LEVIN_IO || code == LEVIN_POISONED;
    c->result = code == LEVIN_OK ? HISTORY_DONE : in_doubt ? HISTORY_FAILED : HISTORY_UNDONE;
    schedule_note(0xc0de + (uint64_t)code);
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (code == LEVIN_OK && c->reads >> k & 1)
            schedule_note(c->read[k]);
}

void operation_writes(history_call *c, unsigned keys, unsigned number)
{
    c->writes |= (uint8_t)keys;
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (keys >> k & 1)
            c->written[k] = (uint8_t)number;
}

void operation_acknowledged(operations *o, history_call *c, levin_code code, levin_durability durability)
{
    c->synced = code == LEVIN_OK && durability == LEVIN_SYNCED;
    c->logged = code == LEVIN_OK && durability != LEVIN_NONE;
    operation_returned(o, c, code);
}

/*
 * Codes that a call may have without any fault are told apart by the caller; any other needs one, and no fault here
 * damages a byte or makes a call wrong.
 */
levin_code operation_expected(operations *o, levin_code code, const char *call)
{
    if (code != LEVIN_OK && (!o->s->has_fault || code == LEVIN_CORRUPT || code == LEVIN_INVALID))
        schedule_found(SCHEDULE_CHECK, "%s failed without a fault that can do so: %s", call, levin_code_name(code));
    return code;
}

/* ---- reading ---- */

/* LEVIN_OK with number 0 for an absent key. */
levin_code operation_get(operations *o, const levin_snapshot *snapshot, unsigned key, unsigned way, uint8_t *number)
{
    char buffer[OPERATION_VALUE_MAX];
    size_t bytes = 0;
    levin_code code;
    *number = 0;
    if (way == 1) {
        void *value;
        code = levin_get_alloc(o->store, snapshot, operation_key(key), 1, &value, &bytes);
        if (code == LEVIN_OK) {
            *number = operation_number(value, bytes);
            levin_free(o->store, value);
        }
    } else if (way == 2) {
        levin_pinned pinned;
        code = levin_get_pinned(o->store, snapshot, operation_key(key), 1, &pinned);
        if (code == LEVIN_OK) {
            *number = operation_number(pinned.value.data, pinned.value.size);
            schedule_point("hold");
            if (operation_number(pinned.value.data, pinned.value.size) != *number)
                schedule_found(SCHEDULE_CHECK, "a pinned value has changed");
            levin_pinned_release(&pinned);
        }
    } else {
        code = levin_get(o->store, snapshot, operation_key(key), 1, buffer, sizeof buffer, &bytes);
        if (code == LEVIN_OK)
            *number = operation_number(buffer, bytes);
    }
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : operation_expected(o, code, "a get");
}

static void do_get(operations *o, unsigned thread, const scenario_operation *op)
{
    history_call *c = operation_invoke(o, thread, "get");
    levin_code code = LEVIN_OK;
    c->reads = (uint8_t)op->keys;
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (op->keys >> k & 1 && code == LEVIN_OK)
            code = operation_get(o, NULL, k, op->way, &c->read[k]);
    operation_returned(o, c, code);
}

static void do_multi_get(operations *o, unsigned thread, const scenario_operation *op)
{
    char values[SCENARIO_KEYS][OPERATION_VALUE_MAX];
    levin_get_request requests[SCENARIO_KEYS];
    size_t count = 0;
    history_call *c = operation_invoke(o, thread, "multi-get");
    c->reads = (uint8_t)op->keys;
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (op->keys >> k & 1) {
            requests[count] = (levin_get_request){ .key = operation_key(k), .key_bytes = 1, .buffer = values[count],
                                                   .capacity = OPERATION_VALUE_MAX };
            count++;
        }
    levin_code code = operation_expected(o, levin_multi_get(o->store, NULL, requests, count), "a multi-get");
    for (size_t i = 0; i < count && code == LEVIN_OK; i++)
        if (requests[i].code == LEVIN_OK)
            c->read[*(const char *)requests[i].key - 'a'] =
                operation_number(requests[i].buffer, requests[i].value_bytes);
    operation_returned(o, c, code);
}

static void do_snapshot(operations *o, unsigned thread, const scenario_operation *op)
{
    levin_snapshot *snapshot;
    history_call *c = operation_invoke(o, thread, "snapshot");
    levin_code code = operation_expected(o, levin_snapshot_create(o->store, &snapshot), "a snapshot");
    operation_happened(o, c);
    c->reads = (uint8_t)op->keys;
    for (unsigned k = 0; k < 2 * SCENARIO_KEYS && code == LEVIN_OK; k++) {
        const unsigned key = k % SCENARIO_KEYS;
        uint8_t number;
        if (!(op->keys >> key & 1))
            continue;
        code = operation_get(o, snapshot, key, op->way, &number);
        if (k >= SCENARIO_KEYS && code == LEVIN_OK && number != c->read[key])
            schedule_found(SCHEDULE_CHECK, "a snapshot reads %u and then %u for %s", c->read[key], number,
                           operation_key(key));
        if (code == LEVIN_OK)
            c->read[key] = number;
    }
    levin_snapshot_release(snapshot);
    operation_returned(o, c, code);
}

levin_code operation_iterate(levin_iter *it, history_state state)
{
    memset(state, 0, sizeof(history_state));
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        const levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        const unsigned k = (unsigned)(*(const uint8_t *)key.data - 'a');
        if (!value.data)
            break;
        if (key.size == FILLER_KEY_BYTES) {
            filler_check(key.data, value.data, value.size);
            continue;
        }
        if (key.size != 1 || k >= SCENARIO_KEYS)
            schedule_found(SCHEDULE_CHECK, "a key that nobody has written");
        state[k] = operation_number(value.data, value.size);
    }
    return levin_iter_status(it);
}

levin_code operations_state(levin *store, history_state state)
{
    levin_iter *it;
    levin_code code = levin_iter_open(store, NULL, &it);
    if (code == LEVIN_OK) {
        code = operation_iterate(it, state);
        levin_iter_close(it);
    }
    return code == LEVIN_OK ? operations_space_state(store, &state[HISTORY_SPACE], &state[HISTORY_IN_SPACE]) : code;
}

static void do_scan(operations *o, unsigned thread)
{
    levin_iter *it;
    history_call *c = operation_invoke(o, thread, "scan");
    levin_code code = operation_expected(o, levin_iter_open(o->store, NULL, &it), "an iterator");
    operation_happened(o, c);
    if (code == LEVIN_OK) {
        code = operation_expected(o, operation_iterate(it, c->read), "an iterator");
        levin_iter_close(it);
    }
    c->reads = SCENARIO_ALL_KEYS;
    operation_returned(o, c, code);
}

static void do_churn(operations *o, unsigned thread, const scenario_operation *op)
{
    char key[FILLER_KEY_BYTES + 1], buffer[FILLER_BYTES];
    size_t bytes;
    levin_code code = LEVIN_OK;
    history_call *c = operation_invoke(o, thread, "churn");
    for (unsigned i = 0; i < SCENARIO_FILLERS && code == LEVIN_OK; i++) {
        if (i % 8 != 2 * op->way)
            continue;
        filler_key(i, key);
        code = levin_get(o->store, NULL, key, FILLER_KEY_BYTES, buffer, sizeof buffer, &bytes);
        code = operation_expected(o, code, "a get");
        if (code == LEVIN_OK)
            filler_check(key, buffer, bytes);
    }
    operation_returned(o, c, code);
}

void operations_read_all(operations *o)
{
    do_scan(o, SCENARIO_THREADS_MAX - 1);
    operations_read_space(o, SCENARIO_THREADS_MAX - 1);
}

/* ---- writing ---- */

static levin_code fill_batch(levin_batch *batch, unsigned puts, unsigned deletes, unsigned number, bool large)
{
    char value[OPERATION_VALUE_MAX];
    const size_t bytes = operation_value(number, large, value);
    levin_code code = LEVIN_OK;
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++) {
        if (puts >> k & 1)
            code = levin_batch_put(batch, operation_key(k), 1, value, bytes);
        else if (deletes >> k & 1)
            code = levin_batch_delete(batch, operation_key(k), 1);
    }
    return code;
}

static void do_write(operations *o, unsigned thread, const scenario_operation *op, unsigned number)
{
    char value[OPERATION_VALUE_MAX];
    const unsigned key = (unsigned)__builtin_ctz(op->keys);
    static const char *const names[SCENARIO_KIND_COUNT] = { [OPERATION_PUT] = "put", [OPERATION_DELETE] = "delete",
                                                            [OPERATION_BATCH] = "batch",
                                                            [OPERATION_RANGE] = "range-delete" };
    history_call *c = operation_invoke(o, thread, names[op->kind]);
    levin_code code;
    levin_batch *batch = NULL;
    operation_writes(c, op->keys, op->kind == OPERATION_PUT || op->kind == OPERATION_BATCH ? number : 0);
    if (op->kind == OPERATION_PUT) {
        code = levin_put(o->store, operation_key(key), 1, value, operation_value(number, op->way == 1, value),
                         op->durability);
    } else if (op->kind == OPERATION_DELETE) {
        code = levin_delete(o->store, operation_key(key), 1, op->durability);
    } else if (op->kind == OPERATION_RANGE) {
        const unsigned end = 32 - (unsigned)__builtin_clz(op->keys);
        const levin_slice lower = { operation_key(key), 1 };
        const levin_slice upper = { end < SCENARIO_KEYS ? operation_key(end) : "e", 1 };
        code = levin_delete_range(o->store, lower, upper, op->durability);
    } else {
        operation_writes(c, op->more, 0);
        code = levin_batch_create(o->store, &batch);
        if (code == LEVIN_OK)
            code = fill_batch(batch, op->keys, op->more, number, op->way == 1);
        if (code == LEVIN_OK)
            code = levin_write(o->store, batch, op->durability);
    }
    operation_acknowledged(o, c, operation_expected(o, code, "a write"), op->durability);
    levin_batch_destroy(batch);
}

static void do_swap(operations *o, unsigned thread, const scenario_operation *op, unsigned number)
{
    char before[OPERATION_VALUE_MAX], value[OPERATION_VALUE_MAX];
    const unsigned key = (unsigned)__builtin_ctz(op->keys);
    size_t bytes = 0;
    uint8_t seen = 0;
    history_call *c = operation_invoke(o, thread, "get");
    c->reads = (uint8_t)op->keys;
    levin_code code = levin_get(o->store, NULL, operation_key(key), 1, before, sizeof before, &bytes);
    const bool absent = code == LEVIN_NOT_FOUND;
    if (code == LEVIN_OK)
        seen = c->read[key] = operation_number(before, bytes);
    code = absent ? LEVIN_OK : operation_expected(o, code, "a get");
    operation_returned(o, c, code);
    if (code != LEVIN_OK)
        return;
    c = operation_invoke(o, thread, "swap");
    c->reads = (uint8_t)op->keys;
    const levin_slice wanted = { before, bytes }, desired = { value, operation_value(number, op->way == 1, value) };
    levin_slice actual;
    /* both are set before the call, for the power may go inside it */
    operation_writes(c, op->keys, number);
    c->read[key] = seen;
    code = levin_compare_and_swap(o->store, operation_key(key), 1, absent ? NULL : &wanted, &desired, op->durability,
                                  &actual);
    if (code != LEVIN_CONFLICT) {
        operation_acknowledged(o, c, operation_expected(o, code, "a swap"), op->durability);
        return;
    }
    c->writes = 0;
    c->read[key] = actual.data ? operation_number(actual.data, actual.size) : 0;
    if (c->read[key] == seen)
        schedule_found(SCHEDULE_CHECK, "a swap is refused for the value that it expects: %u", seen);
    if (actual.data)
        levin_free(o->store, (void *)(uintptr_t)actual.data);
    operation_returned(o, c, LEVIN_OK);
}

static levin_code txn_operations(operations *o, levin_txn *txn, history_call *c, const scenario_operation *op,
                                 unsigned number)
{
    char buffer[OPERATION_VALUE_MAX];
    levin_code code = LEVIN_OK;
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++) {
        size_t bytes;
        if (!(op->more >> k & 1))
            continue;
        code = levin_txn_get(txn, operation_key(k), 1, buffer, sizeof buffer, &bytes);
        if (code == LEVIN_OK)
            c->read[k] = operation_number(buffer, bytes);
        code = code == LEVIN_NOT_FOUND ? LEVIN_OK : operation_expected(o, code, "a get of a transaction");
    }
    const size_t bytes = operation_value(number, op->way == 1, buffer);
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++)
        if (op->keys >> k & 1)
            code = operation_expected(o, levin_txn_put(txn, operation_key(k), 1, buffer, bytes),
                                      "a put of a transaction");
    return code;
}

/* A conflict takes a write to one of the keys that had not returned when the transaction began. */
static bool conflict_has_cause(const operations *o, const history_call *txn, unsigned keys)
{
    const history *h = o->calls;
    for (unsigned i = 0; i < h->count; i++)
        if (&h->calls[i] != txn && h->calls[i].writes & keys && h->calls[i].returned > txn->invoked)
            return true;
    return false;
}

static void do_txn(operations *o, unsigned thread, const scenario_operation *op, unsigned number)
{
    levin_txn *txn;
    history_call *c = operation_invoke(o, thread, "txn");
    c->reads = (uint8_t)op->more;
    levin_code code = operation_expected(o, levin_txn_begin(o->store, NULL, &txn), "the begin of a transaction");
    if (code == LEVIN_OK)
        code = txn_operations(o, txn, c, op, number);
    if (code == LEVIN_OK) {
        operation_writes(c, op->keys, number);
        code = levin_txn_commit(txn, op->durability);
    }
    if (code == LEVIN_CONFLICT) { /* what it has read was one state all the same */
        if (!conflict_has_cause(o, c, op->keys | op->more))
            schedule_found(SCHEDULE_CHECK, "a transaction is refused, and nothing that it has read or written changed");
        c->writes = 0;
        operation_returned(o, c, LEVIN_OK);
    } else {
        operation_acknowledged(o, c, operation_expected(o, code, "a commit"), op->durability);
    }
    levin_txn_destroy(txn);
}

/* ---- what nobody waits for at once ---- */

typedef struct outstanding {
    operations *o;
    history_call *c;
    levin_batch *batch;
    levin_ticket *ticket;
    levin_durability durability;
    unsigned thread, index; /* a callback's */
} outstanding;

static levin_code outstanding_fill(outstanding *w, operations *o, const scenario_operation *op, unsigned number)
{
    *w = (outstanding){ .o = o, .c = w->c, .durability = op->durability };
    levin_code code = levin_batch_create(o->store, &w->batch);
    if (code == LEVIN_OK)
        code = fill_batch(w->batch, op->keys, 0, number, op->way == 1);
    operation_writes(w->c, op->keys, number);
    return code;
}

/* levin.h: on an error nothing was submitted, whatever the code. */
static void not_submitted(outstanding *w, levin_code code)
{
    operation_acknowledged(w->o, w->c, operation_expected(w->o, code, "a submission"), w->durability);
    w->c->result = HISTORY_UNDONE;
    w->c->callback = false;
    levin_batch_destroy(w->batch);
}

static void ticket_submit(outstanding *w, operations *o, unsigned thread, const scenario_operation *op, unsigned number)
{
    w->c = operation_invoke(o, thread, "ticket");
    levin_code code = outstanding_fill(w, o, op, number);
    if (code == LEVIN_OK)
        code = levin_write_async(o->store, w->batch, op->durability, &w->ticket);
    if (code == LEVIN_OK) {
        w->c->submitted = o->calls->now++;
        return;
    }
    not_submitted(w, code);
    w->ticket = NULL;
}

static void ticket_settle(outstanding *w, bool polls)
{
    if (!w->ticket)
        return;
    levin_code polled = LEVIN_PENDING;
    for (int i = 0; polls && i < POLLS && polled == LEVIN_PENDING; i++) {
        polled = levin_ticket_poll(w->ticket);
        if (polled == LEVIN_PENDING)
            schedule_pause();
    }
    if (polled != LEVIN_PENDING) /* this is its word, and holds from now on */
        operation_acknowledged(w->o, w->c, operation_expected(w->o, polled, "a ticket"), w->durability);
    const levin_code code = levin_ticket_wait(w->ticket);
    if (polled == LEVIN_PENDING)
        operation_acknowledged(w->o, w->c, operation_expected(w->o, code, "a ticket"), w->durability);
    else if (polled != code)
        schedule_found(SCHEDULE_CHECK, "a ticket was polled as %s and waited for as %s", levin_code_name(polled),
                       levin_code_name(code));
    levin_batch_destroy(w->batch);
    w->ticket = NULL;
}

static outstanding called[SCENARIO_THREADS_MAX][SCENARIO_OPERATIONS_MAX];

static void callback(void *context, levin_code code)
{
    outstanding *w = context;
    if (w->c->result != HISTORY_OPEN)
        schedule_found(SCHEDULE_CHECK, "a callback came twice");
    if (w->o->calling)
        schedule_found(SCHEDULE_CHECK, "a callback came beside another");
    if (w->o->called[w->thread] > w->index + 1)
        schedule_found(SCHEDULE_CHECK, "callbacks of one thread came out of order");
    w->o->calling = true;
    w->o->called[w->thread] = w->index + 1;
    operation_acknowledged(w->o, w->c, operation_expected(w->o, code, "a batch with a callback"), w->durability);
    levin_batch_destroy(w->batch);
    schedule_point("callback");
    w->o->calling = false;
}

static void do_callback(operations *o, unsigned thread, unsigned index, const scenario_operation *op)
{
    outstanding *w = &called[thread][index];
    w->c = operation_invoke(o, thread, "callback");
    levin_code code = outstanding_fill(w, o, op, scenario_value(thread, index));
    w->thread = thread;
    w->index = index;
    w->c->callback = true;
    if (code == LEVIN_OK)
        code = levin_write_callback(o->store, w->batch, op->durability, callback, w);
    if (code == LEVIN_OK) {
        w->c->submitted = o->calls->now++;
        return;
    }
    not_submitted(w, code);
}

static void do_upkeep(operations *o, unsigned thread, const scenario_operation *op)
{
    static const char *const names[SCENARIO_KIND_COUNT] = {
        [OPERATION_SYNC] = "sync",       [OPERATION_CHECKPOINT] = "checkpoint", [OPERATION_WORK] = "work",
        [OPERATION_COMPACT] = "compact", [OPERATION_COLLECT] = "collect",
    };
    bool more = true;
    levin_code code = LEVIN_OK;
    levin_compact_options compact;
    history_call *c = operation_invoke(o, thread, names[op->kind]);
    levin_compact_options_init(&compact);
    compact.mode = op->way & 1 ? LEVIN_COMPACT_END : LEVIN_COMPACT_ALL;
    if (op->kind == OPERATION_SYNC)
        code = levin_sync(o->store);
    else if (op->kind == OPERATION_CHECKPOINT)
        code = levin_checkpoint(o->store);
    else if (op->kind == OPERATION_COMPACT)
        code = levin_compact(o->store, &compact, NULL);
    else if (op->kind == OPERATION_COLLECT)
        code = levin_collect(o->store, 1 + 33 * op->way);
    else
        code = levin_work(o->store, &more);
    c->barrier = code == LEVIN_OK && op->kind != OPERATION_WORK;
    if (c->barrier && op->kind != OPERATION_SYNC && c->invoked > o->checkpointed)
        o->checkpointed = c->invoked;
    operation_returned(o, c, operation_expected(o, code, "upkeep"));
}

/* Of the largest scenarios the last operations are left out: all threads may be in one, and then the end is read. */
static bool history_has_room(const operations *o)
{
    return o->calls->count + (o->s->threads + 1) * OPERATION_CALLS_MAX <= HISTORY_CALLS_MAX;
}

void operations_thread(operations *o, unsigned thread)
{
    outstanding ticket = { 0 };
    operations_held held = { 0 };
    for (unsigned i = 0; i < o->s->of[thread].count && history_has_room(o); i++) {
        const scenario_operation *op = &o->s->of[thread].at[i];
        const unsigned number = scenario_value(thread, i);
        outstanding before = ticket;
        const operations_held held_before = held;
        ticket.ticket = NULL;
        held = (operations_held){ 0 };
        switch (op->kind) {
        case OPERATION_GET: do_get(o, thread, op); break;
        case OPERATION_MULTI_GET: do_multi_get(o, thread, op); break;
        case OPERATION_SNAPSHOT: do_snapshot(o, thread, op); break;
        case OPERATION_SCAN: do_scan(o, thread); break;
        case OPERATION_PUT:
        case OPERATION_DELETE:
        case OPERATION_BATCH:
        case OPERATION_RANGE: do_write(o, thread, op, number); break;
        case OPERATION_SWAP: do_swap(o, thread, op, number); break;
        case OPERATION_TXN: do_txn(o, thread, op, number); break;
        case OPERATION_TICKET: ticket_submit(&ticket, o, thread, op, number); break;
        case OPERATION_CALLBACK: do_callback(o, thread, i, op); break;
        case OPERATION_SYNC:
        case OPERATION_CHECKPOINT:
        case OPERATION_COMPACT:
        case OPERATION_COLLECT:
        case OPERATION_WORK: do_upkeep(o, thread, op); break;
        case OPERATION_HOLD: held = operations_hold(o, thread, op); break;
        case OPERATION_READER: operations_reader(o, thread); break;
        case OPERATION_CREATE: operations_create(o, thread, number); break;
        case OPERATION_DROP: operations_drop(o, thread, op); break;
        case OPERATION_SPACE_GET:
        case OPERATION_SPACE_PUT:
        case OPERATION_SPACE_BATCH:
        case OPERATION_SPACE_TXN: operations_space(o, thread, op, number); break;
        case OPERATION_CHURN: do_churn(o, thread, op); break;
        case SCENARIO_KIND_COUNT: break;
        }
        ticket_settle(&before, op->way & 1);
        operations_let_go(o, &held_before);
    }
    ticket_settle(&ticket, false);
    operations_let_go(o, &held);
}

levin_code operations_fill(levin *store, unsigned image, bool log)
{
    levin_code code = LEVIN_OK;
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++) {
        char value[OPERATION_VALUE_MAX];
        const unsigned number = scenario_initial(image, k);
        if (number && (k % 2 == 1) == log)
            code = levin_put(store, operation_key(k), 1, value, operation_value(number, false, value), LEVIN_SYNCED);
    }
    for (unsigned i = 0; i < SCENARIO_FILLERS && image == 3 && !log && code == LEVIN_OK; i++) {
        char key[FILLER_KEY_BYTES + 1], value[FILLER_BYTES];
        filler_key(i, key);
        memset(value, key[2], sizeof value);
        code = levin_put(store, key, FILLER_KEY_BYTES, value, sizeof value, LEVIN_NONE);
    }
    return code;
}
