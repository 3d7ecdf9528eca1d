/*
 * ops_read.c - the operations of fuzz_ops that read: gets of each kind, iterators over any bounds.
 *
 * Invariants: the answer is the model's of the snapshot or of now; an iterator stands where its model says, also after
 * a turn.  Concurrency: one thread.
 */
#include <string.h>

#include "ops_run.h"

/* ---- point reads ------------------------------------------------------------------------------------------ */

/* A snapshot by the byte, with its model; NULL and now for most. */
static const levin_snapshot *snapshot_by(const run *r, unsigned byte, const model **seen, const levin_keyspace **ks)
{
    const snapshot *s = &r->snapshots[byte % OPS_SNAPSHOTS];
    bool use = byte & 0x80 && s->handle;
    *seen = use ? &s->seen : &r->now;
    *ks = use ? s->ks : r->ks;
    return use ? s->handle : NULL;
}

void ops_require_get(levin_code code, uint32_t expected, levin_slice found, size_t capacity, const char *what)
{
    levin_code right = !expected ? LEVIN_NOT_FOUND : ops_value_bytes(expected) > capacity ? LEVIN_TOO_SMALL : LEVIN_OK;
    fuzz_require(code == right, "%s gave %s for a key that is %s", what, levin_code_name(code),
                 expected ? "there" : "absent");
    if (code == LEVIN_OK)
        ops_require_value(expected, found, what);
    else if (code == LEVIN_TOO_SMALL)
        fuzz_require(found.size == ops_value_bytes(expected), "%s: a wrong size", what);
}

void ops_get(run *r, const uint8_t op[4])
{
    uint8_t buffer[OPS_VALUE_BYTES_MAX];
    const model *seen;
    const levin_keyspace *ks;
    const levin_snapshot *s = snapshot_by(r, op[2], &seen, &ks);
    levin_slice key = ops_key(op[1]);
    uint32_t expected = seen->value[op[1]];
    void *value;
    size_t bytes = 0, capacity = op[3] & 1 ? op[3] : sizeof buffer;
    switch (op[3] >> 6) {
    case 0: {
        levin_code code = levin_contains_in(r->store, ks, s, key.data, key.size);
        fuzz_require(code == (expected ? LEVIN_OK : LEVIN_NOT_FOUND), "levin_contains gave %s",
                     levin_code_name(code));
        return;
    }
    case 1: {
        levin_code code = levin_get_alloc_in(r->store, ks, s, key.data, key.size, &value, &bytes);
        ops_require_get(code, expected, (levin_slice){ value, bytes }, SIZE_MAX, "levin_get_alloc");
        levin_free(r->store, value);
        return;
    }
    case 2: {
        levin_pinned pinned;
        levin_code code = levin_get_pinned_in(r->store, ks, s, key.data, key.size, &pinned);
        ops_require_get(code, expected, pinned.value, SIZE_MAX, "levin_get_pinned");
        levin_pinned_release(&pinned);
        return;
    }
    default: {
        levin_code code = levin_get_in(r->store, ks, s, key.data, key.size, buffer, capacity, &bytes);
        ops_require_get(code, expected, (levin_slice){ buffer, bytes }, capacity, "levin_get");
    }
    }
}

void ops_multi_get(run *r, const uint8_t op[4])
{
    static uint8_t buffers[OPS_BATCH_MAX][OPS_VALUE_BYTES_MAX];
    levin_get_request requests[OPS_BATCH_MAX];
    uint8_t ranks[OPS_BATCH_MAX];
    const model *seen;
    const levin_keyspace *ks;
    const levin_snapshot *s = snapshot_by(r, op[2], &seen, &ks);
    unsigned count = op[3] % OPS_BATCH_MAX + 1;
    for (unsigned i = 0; i < count; i++) {
        ranks[i] = (uint8_t)(op[1] + i * (op[3] >> 4));
        levin_slice key = ops_key(ranks[i]);
        requests[i] = (levin_get_request){ .key = key.data, .key_bytes = key.size, .buffer = buffers[i],
                                           .capacity = i % 5 == 4 ? 50 : OPS_VALUE_BYTES_MAX };
    }
    OPS_OK(levin_multi_get_in(r->store, ks, s, requests, count));
    for (unsigned i = 0; i < count; i++)
        ops_require_get(requests[i].code, seen->value[ranks[i]], (levin_slice){ buffers[i], requests[i].value_bytes },
                    requests[i].capacity, "levin_multi_get");
}

/* ---- iterators -------------------------------------------------------------------------------------------- */

void ops_cursor_close(cursor *c)
{
    levin_iter_close(c->it);
    c->it = NULL;
}

/* op[1] lower, op[2] upper, op[3]: 0-1 cursor, then bits lower, exclusive, upper, inclusive, prefix, snapshot. */
void ops_iter_open(run *r, const uint8_t op[4])
{
    cursor *c = &r->cursors[(op[3] & 3) % OPS_CURSORS];
    levin_iter_options o = { .lower_exclusive = op[3] & 8, .upper_inclusive = op[3] & 32 };
    const model *seen;
    ops_cursor_close(c);
    o.snapshot = snapshot_by(r, op[3] & 0x80 ? 0x80u | op[1] : 0, &seen, &o.keyspace);
    c->seen = *seen;
    c->first = 0;
    c->last = OPS_KEYS - 1;
    c->at = -1;
    if (op[3] & 4) {
        o.lower = ops_key(op[1]);
        c->first = op[1] + o.lower_exclusive;
    }
    if (op[3] & 16) {
        o.upper = ops_key(op[2]);
        c->last = op[2] - !o.upper_inclusive;
    }
    if (op[3] & 64) {
        int from, to;
        o.prefix = ops_prefix(op[1] ^ op[2], &from, &to);
        c->first = from > c->first ? from : c->first;
        c->last = to < c->last ? to : c->last;
    }
    OPS_OK(levin_iter_open(r->store, &o, &c->it));
    fuzz_require(!levin_iter_valid(c->it), "a new iterator is valid");
}

/* The nearest live rank inside the bounds from `rank` on, in the direction; -1: none. */
static int cursor_nearest(const cursor *c, int rank, int direction)
{
    if (direction > 0 && rank < c->first)
        rank = c->first;
    if (direction < 0 && rank > c->last)
        rank = c->last;
    for (; rank >= c->first && rank <= c->last; rank += direction)
        if (c->seen.value[rank])
            return rank;
    return -1;
}

static void cursor_require(cursor *c, bool moved, const char *what)
{
    fuzz_require(moved == levin_iter_valid(c->it) && levin_iter_status(c->it) == LEVIN_OK,
                 "%s returned %d, status %s", what, moved, levin_code_name(levin_iter_status(c->it)));
    fuzz_require(moved == (c->at >= 0), moved ? "%s stands on a pair where there is none"
                                              : "%s stands on no pair where there is one", what);
    if (!moved)
        return;
    levin_slice key = levin_iter_key(c->it), right = ops_key((uint8_t)c->at);
    fuzz_require(key.size == right.size && !memcmp(key.data, right.data, key.size), "%s stands on another key", what);
    ops_require_value(c->seen.value[c->at], levin_iter_value(c->it), what);
}

/* op[1]: bits 0-1 cursor; op[2] what; op[3] key, or how many moves. */
void ops_iter_move(run *r, const uint8_t op[4])
{
    cursor *c = &r->cursors[(op[1] & 3) % OPS_CURSORS];
    levin_slice key = ops_key(op[3]);
    if (!c->it)
        return;
    switch (op[2] % 6) {
    case 0:
        c->at = cursor_nearest(c, 0, 1);
        cursor_require(c, levin_iter_first(c->it), "levin_iter_first");
        return;
    case 1:
        c->at = cursor_nearest(c, OPS_KEYS - 1, -1);
        cursor_require(c, levin_iter_last(c->it), "levin_iter_last");
        return;
    case 2:
        c->at = cursor_nearest(c, op[3], 1);
        cursor_require(c, levin_iter_seek(c->it, key.data, key.size), "levin_iter_seek");
        return;
    case 3:
        c->at = cursor_nearest(c, op[3], -1);
        cursor_require(c, levin_iter_seek_for_prev(c->it, key.data, key.size), "levin_iter_seek_for_prev");
        return;
    case 4:
        for (unsigned i = 0; i <= op[3] % 32u && c->at >= 0; i++) {
            c->at = cursor_nearest(c, c->at + 1, 1);
            cursor_require(c, levin_iter_next(c->it), "levin_iter_next");
        }
        return;
    default:
        for (unsigned i = 0; i <= op[3] % 32u && c->at >= 0; i++) {
            c->at = cursor_nearest(c, c->at - 1, -1);
            cursor_require(c, levin_iter_prev(c->it), "levin_iter_prev");
        }
    }
}

void ops_full_scan(run *r, int last_direction)
{
    cursor c = { .seen = r->now, .last = OPS_KEYS - 1 };
    const levin_iter_options o = { .keyspace = r->ks };
    OPS_OK(levin_iter_open(r->store, &o, &c.it));
    for (int direction = 1; direction >= last_direction; direction -= 2) {
        bool forward = direction > 0;
        c.at = cursor_nearest(&c, forward ? 0 : OPS_KEYS - 1, direction);
        bool more = forward ? levin_iter_first(c.it) : levin_iter_last(c.it);
        cursor_require(&c, more, "a full scan");
        while (c.at >= 0) {
            c.at = cursor_nearest(&c, c.at + direction, direction);
            more = forward ? levin_iter_next(c.it) : levin_iter_prev(c.it);
            cursor_require(&c, more, forward ? "a full scan" : "a full reverse scan");
        }
    }
    levin_iter_close(c.it);
}
