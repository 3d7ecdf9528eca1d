/*
 * operations_beside.c - those who read on while the store is written anew: held snapshots and iterators, read-only
 * handles as other processes have them.
 *
 * A read-only handle shows the state of the newest checkpoint (levin.h): for the history it is a call that reads all
 * keys at one moment, which is not before the beginning of the last checkpoint that had returned when it was opened,
 * and not after the open has returned.
 *
 * Concurrency: threads of a run.
 */
#include <string.h>

#include "operations_shared.h"

static levin_code read_snapshot(operations *o, const levin_snapshot *snapshot, history_state state)
{
    levin_code code = LEVIN_OK;
    for (unsigned k = 0; k < SCENARIO_KEYS && code == LEVIN_OK; k++)
        code = operation_get(o, snapshot, k, 0, &state[k]);
    return code;
}

static levin_code read_held(operations *o, const operations_held *h, history_state state)
{
    memset(state, 0, sizeof(history_state));
    return h->iter ? operation_expected(o, operation_iterate(h->iter, state), "an iterator")
                   : read_snapshot(o, h->snapshot, state);
}

operations_held operations_hold(operations *o, unsigned thread, const scenario_operation *op)
{
    operations_held h = { .c = operation_invoke(o, thread, op->way & 1 ? "iterator" : "snapshot") };
    levin_code code = op->way & 1 ? levin_iter_open(o->store, NULL, &h.iter)
                                  : levin_snapshot_create(o->store, &h.snapshot);
    operation_happened(o, h.c);
    h.c->reads = SCENARIO_ALL_KEYS;
    if (operation_expected(o, code, "a snapshot or an iterator") == LEVIN_OK)
        code = read_held(o, &h, h.c->read);
    if (code == LEVIN_OK)
        return h;
    operation_returned(o, h.c, code);
    levin_iter_close(h.iter);
    levin_snapshot_release(h.snapshot);
    return (operations_held){ 0 };
}

/* Reads it again: a state that is held stays as it was. */
void operations_let_go(operations *o, const operations_held *h)
{
    history_state again;
    if (!h->c)
        return;
    const levin_code code = read_held(o, h, again);
    if (code == LEVIN_OK && memcmp(again, h->c->read, sizeof again) != 0)
        schedule_found(SCHEDULE_CHECK, "what is held has changed: a=%u b=%u c=%u d=%u, and then a=%u b=%u c=%u d=%u",
                       h->c->read[0], h->c->read[1], h->c->read[2], h->c->read[3], again[0], again[1], again[2],
                       again[3]);
    operation_returned(o, h->c, code);
    levin_iter_close(h->iter);
    levin_snapshot_release(h->snapshot);
}

void operations_reader(operations *o, unsigned thread)
{
    levin_options options = *o->beside;
    history_state again;
    levin *reader;
    options.read_only = true;
    options.background = LEVIN_BACKGROUND_NONE;
    history_call *c = operation_invoke(o, thread, "reader");
    c->invoked = o->checkpointed;
    const unsigned crowds = o->crowds;
    o->crowds += ++o->readers > o->beside->reader_slots;
    levin_code code = levin_open(o->path, &options, &reader, NULL);
    operation_happened(o, c);
    if (code == LEVIN_READERS_FULL && o->crowds != crowds) { /* while it was being opened there were too many */
        o->readers--;
        operation_returned(o, c, LEVIN_OK);
        return;
    }
    if (operation_expected(o, code, "the open of a reader") == LEVIN_OK) {
        code = operation_expected(o, operations_state(reader, c->read), "a scan by a reader");
        if (code == LEVIN_OK)
            code = operation_expected(o, operations_state(reader, again), "a second scan by a reader");
        if (code == LEVIN_OK && memcmp(again, c->read, sizeof again) != 0)
            schedule_found(SCHEDULE_CHECK, "a reader sees a=%u b=%u c=%u d=%u and then a=%u b=%u c=%u d=%u", c->read[0],
                           c->read[1], c->read[2], c->read[3], again[0], again[1], again[2], again[3]);
        const levin_code closed = operation_expected(o, levin_close(reader), "the close of a reader");
        code = code == LEVIN_OK ? closed : code;
    }
    o->readers--;
    c->reads = SCENARIO_ALL_KEYS | 1u << HISTORY_IN_SPACE | (c->read[HISTORY_SPACE] ? 0 : 1u << HISTORY_SPACE);
    c->differs = c->read[HISTORY_SPACE] ? 1u << HISTORY_SPACE : 0;
    c->read[HISTORY_SPACE] = 0; /* whose creation it is, cannot be seen */
    operation_returned(o, c, code);
}
