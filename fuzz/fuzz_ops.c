/*
 * fuzz_ops.c - property: any sequence of calls on a store answers as a sorted array would (EXACT), and leaves nothing
 * behind.
 *
 * Input: byte 0 chooses the disk to start from, byte 1 sizes of pages, memtable and caches; then operations of four
 * bytes (ops.h).  Bytes decode to some sequence of legal calls whatever they are.
 *
 * Invariants, after each operation:
 *   - get, contains, multi_get and iterators answer as the model of their snapshot, or of now, does: key, value,
 *     code;
 *   - iterators: first, last, both seeks, next, prev, turns of direction, inside any bounds, also over states long
 *     replaced and checkpointed; at an end the status is LEVIN_OK;
 *   - a batch is there whole; tickets and callbacks commit in order of submission, when somebody leads: a waiter, a
 *     poller, a writer, levin_work(), levin_close(); a callback is called once, in that order, inside the call that
 *     committed its batch;
 *   - every call succeeds: nothing fails on this disk;
 *   - levin_check() finds no fault, after a checkpoint it counts the model's keys;
 *   - close and open keep everything acknowledged, whatever its durability (a close is no crash);
 *   - nothing is left behind at the end (disk.c).
 *
 * The model: an array of value numbers, by rank of the key among the 256 keys that there are; 0 is an absent key.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/codec.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "ops.h"

typedef struct model {
    uint32_t value[OPS_KEYS]; /* by rank */
} model;

typedef struct cursor {
    levin_iter *it;           /* NULL: not open */
    model seen;
    int at;                   /* rank; -1: invalid */
    int first, last;          /* ranks inside the bounds; first > last: none */
} cursor;

typedef struct snapshot {
    levin_snapshot *handle;   /* NULL: free */
    model seen;
} snapshot;

struct run;

/* What a callback is given. */
typedef struct callback {
    struct run *r;            /* NULL: free */
    levin_batch *batch;       /* destroyed by the callback */
    uint64_t order;           /* of submission */
    bool done;
} callback;

/* Submitted, not known committed. */
typedef struct pending {
    levin_ticket *ticket;     /* NULL: call is there instead */
    callback *call;
    levin_batch *batch;       /* a call's own destroys it */
    bool committed;
    unsigned count;
    struct { uint8_t rank; uint32_t value; } change[OPS_BATCH_MAX];
} pending;

typedef struct run {
    fuzz_disk disk;
    levin_options options;
    levin *store;
    model now;
    uint32_t next_stamp;
    cursor cursors[OPS_CURSORS];
    snapshot snapshots[OPS_SNAPSHOTS];
    pending tickets[OPS_TICKETS]; /* oldest first: [0, ticket_count) */
    unsigned ticket_count;
    callback calls[OPS_TICKETS];
    uint64_t calls_submitted, calls_done;
} run;

#define OK(call) require_ok((call), #call, __LINE__)

static void require_ok(levin_code code, const char *call, int line)
{
    if (code != LEVIN_OK)
        fuzz_fail(__FILE__, line, "%s gave %s", call, levin_code_name(code));
}

/* ---- values ----------------------------------------------------------------------------------------------- */

/* A value number is a stamp and a class of length; its bytes follow from it. */
static const uint32_t value_lengths[16] = { 0, 1, 5, 8, 12, 20, 40, 60, 100, 200, 400, 1000, 1024, 1025, 4096, 4097 };
enum { VALUE_BYTES_MAX = 4097 };

static uint32_t new_value(run *r, unsigned length_class)
{
    return ++r->next_stamp << 4 | (length_class & 15);
}

static size_t value_bytes(uint32_t value)
{
    return value_lengths[value & 15];
}

/* Mostly one byte over and over, with stamps: a byte of another value, or from elsewhere in this one, shows. */
static levin_slice value_of(uint32_t value)
{
    static uint8_t bytes[VALUE_BYTES_MAX + 8];
    size_t n = value_bytes(value);
    memset(bytes, (uint8_t)(value >> 4), n);
    if (n > 8)
        store_u64(bytes + (n - 8) / 2, value * 0x9e3779b97f4a7c15u);
    store_u64(bytes, value * 0xd1342543de82ef95u);
    return (levin_slice){ bytes, n };
}

static void require_value(uint32_t expected, levin_slice found, const char *what)
{
    levin_slice value = value_of(expected);
    bool same = found.size == value.size &&
                (!value.size || (found.data && !memcmp(found.data, value.data, value.size)));
    fuzz_require(same,
                 "%s: not value %u of %zu bytes, but %zu bytes", what, expected >> 4, value.size, found.size);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* Somebody leads: everything submitted is committed. */
static void apply_pending(run *r)
{
    for (unsigned i = 0; i < r->ticket_count; i++) {
        pending *p = &r->tickets[i];
        for (unsigned n = 0; n < p->count && !p->committed; n++)
            r->now.value[p->change[n].rank] = p->change[n].value;
        p->committed = true;
    }
}

/* A wait or a poll leads, there being nobody else, unless that ticket is done: then it does nothing. */
static void apply_for(run *r, const pending *p)
{
    if (!p->committed)
        apply_pending(r);
}

static levin_durability durability_of(unsigned byte)
{
    return (levin_durability)(byte % 3);
}

static void do_put(run *r, const uint8_t op[4])
{
    levin_slice key = ops_key(op[1]);
    uint32_t value = new_value(r, op[2]);
    levin_slice bytes = value_of(value);
    apply_pending(r);
    OK(levin_put(r->store, key.data, key.size, bytes.data, bytes.size, durability_of(op[3])));
    r->now.value[op[1]] = value;
}

static void do_delete(run *r, const uint8_t op[4])
{
    levin_slice key = ops_key(op[1]);
    apply_pending(r);
    OK(levin_delete(r->store, key.data, key.size, durability_of(op[3])));
    r->now.value[op[1]] = 0;
}

/* op[1] first key, op[2] count, value length and deletes, op[3] step and durability. */
static void fill_batch(run *r, const uint8_t op[4], levin_batch *batch, pending *changes)
{
    unsigned count = op[2] % OPS_BATCH_MAX + 1, step = op[3] / 3 % 16;
    uint8_t rank = op[1];
    changes->count = 0;
    for (unsigned i = 0; i < count; i++, rank = (uint8_t)(rank + step)) {
        levin_slice key = ops_key(rank);
        uint32_t value = 0;
        if ((op[2] >> 5) % 4 == 3 && i % 3 == 0) {
            OK(levin_batch_delete(batch, key.data, key.size));
        } else {
            value = new_value(r, (op[2] >> 4) + i);
            levin_slice bytes = value_of(value);
            OK(levin_batch_put(batch, key.data, key.size, bytes.data, bytes.size));
        }
        changes->change[changes->count].rank = rank;
        changes->change[changes->count++].value = value;
    }
    fuzz_require(levin_batch_count(batch) == count, "a batch counts %zu operations", levin_batch_count(batch));
}

static void do_batch(run *r, const uint8_t op[4])
{
    pending changes;
    levin_batch *batch;
    OK(levin_batch_create(r->store, &batch));
    fill_batch(r, op, batch, &changes);
    apply_pending(r);
    OK(levin_write(r->store, batch, durability_of(op[3])));
    levin_batch_destroy(batch);
    for (unsigned n = 0; n < changes.count; n++)
        r->now.value[changes.change[n].rank] = changes.change[n].value;
}

/* A callback is called when the model knows its batch committed, and not before. */
static void require_calls(const run *r)
{
    for (unsigned i = 0; i < r->ticket_count; i++) {
        const pending *p = &r->tickets[i];
        fuzz_require(p->ticket || p->call->done == p->committed, "a callback was %s",
                     p->call->done ? "called before its batch was committed" : "not called");
    }
}

static void call_done(void *context, levin_code code)
{
    callback *c = context;
    fuzz_require(!c->done, "a callback was called twice");
    fuzz_require(code == LEVIN_OK, "a callback was given %s", levin_code_name(code));
    fuzz_require(c->order == ++c->r->calls_done, "callback %llu came after %llu", (unsigned long long)c->order,
                 (unsigned long long)c->r->calls_done - 1);
    c->done = true;
    levin_batch_destroy(c->batch);
    c->batch = NULL;
}

static void ticket_end(run *r, unsigned index)
{
    pending *p = &r->tickets[index];
    if (p->ticket) {
        apply_for(r, p);
        OK(levin_ticket_wait(p->ticket));
        levin_batch_destroy(p->batch);
    } else {
        apply_pending(r);
        OK(levin_sync(r->store));
    }
    require_calls(r);
    if (p->call)
        p->call->r = NULL;
    memmove(p, p + 1, (--r->ticket_count - index) * sizeof *p);
}

static void tickets_end(run *r)
{
    while (r->ticket_count)
        ticket_end(r, 0);
}

static pending *submission(run *r, const uint8_t op[4])
{
    if (r->ticket_count == OPS_TICKETS)
        ticket_end(r, op[1] % OPS_TICKETS);
    pending *p = &r->tickets[r->ticket_count];
    OK(levin_batch_create(r->store, &p->batch));
    fill_batch(r, op, p->batch, p);
    p->committed = false;
    p->ticket = NULL;
    p->call = NULL;
    return p;
}

static void do_async(run *r, const uint8_t op[4])
{
    pending *p = submission(r, op);
    OK(levin_write_async(r->store, p->batch, durability_of(op[3]), &p->ticket));
    r->ticket_count++;
}

static void do_callback(run *r, const uint8_t op[4])
{
    pending *p = submission(r, op);
    p->call = r->calls;
    while (p->call->r) /* as many as there are submissions: one is free */
        p->call++;
    *p->call = (callback){ .r = r, .batch = p->batch, .order = ++r->calls_submitted };
    OK(levin_write_callback(r->store, p->batch, durability_of(op[3]), call_done, p->call));
    r->ticket_count++;
}

static void do_ticket(run *r, const uint8_t op[4])
{
    if (!r->ticket_count)
        return;
    unsigned index = op[1] % r->ticket_count;
    if (op[2] & 1 && r->tickets[index].ticket) {
        apply_for(r, &r->tickets[index]);
        OK(levin_ticket_poll(r->tickets[index].ticket));
    } else {
        ticket_end(r, index);
    }
}

/* ---- point reads ------------------------------------------------------------------------------------------ */

/* A snapshot by the byte, with its model; NULL and now for most. */
static const levin_snapshot *snapshot_by(const run *r, unsigned byte, const model **seen)
{
    const snapshot *s = &r->snapshots[byte % OPS_SNAPSHOTS];
    bool use = byte & 0x80 && s->handle;
    *seen = use ? &s->seen : &r->now;
    return use ? s->handle : NULL;
}

static void require_get(levin_code code, uint32_t expected, levin_slice found, size_t capacity, const char *what)
{
    levin_code right = !expected ? LEVIN_NOT_FOUND : value_bytes(expected) > capacity ? LEVIN_TOO_SMALL : LEVIN_OK;
    fuzz_require(code == right, "%s gave %s for a key that is %s", what, levin_code_name(code),
                 expected ? "there" : "absent");
    if (code == LEVIN_OK)
        require_value(expected, found, what);
    else if (code == LEVIN_TOO_SMALL)
        fuzz_require(found.size == value_bytes(expected), "%s: a wrong size", what);
}

static void do_get(run *r, const uint8_t op[4])
{
    uint8_t buffer[VALUE_BYTES_MAX];
    const model *seen;
    const levin_snapshot *s = snapshot_by(r, op[2], &seen);
    levin_slice key = ops_key(op[1]);
    uint32_t expected = seen->value[op[1]];
    void *value;
    size_t bytes = 0, capacity = op[3] & 1 ? op[3] : sizeof buffer;
    switch (op[3] >> 6) {
    case 0: {
        levin_code code = levin_contains(r->store, s, key.data, key.size);
        fuzz_require(code == (expected ? LEVIN_OK : LEVIN_NOT_FOUND), "levin_contains gave %s",
                     levin_code_name(code));
        return;
    }
    case 1: {
        levin_code code = levin_get_alloc(r->store, s, key.data, key.size, &value, &bytes);
        require_get(code, expected, (levin_slice){ value, bytes }, SIZE_MAX, "levin_get_alloc");
        levin_free(r->store, value);
        return;
    }
    case 2: {
        levin_pinned pinned;
        levin_code code = levin_get_pinned(r->store, s, key.data, key.size, &pinned);
        require_get(code, expected, pinned.value, SIZE_MAX, "levin_get_pinned");
        levin_pinned_release(&pinned);
        return;
    }
    default: {
        levin_code code = levin_get(r->store, s, key.data, key.size, buffer, capacity, &bytes);
        require_get(code, expected, (levin_slice){ buffer, bytes }, capacity, "levin_get");
    }
    }
}

static void do_multi_get(run *r, const uint8_t op[4])
{
    static uint8_t buffers[OPS_BATCH_MAX][VALUE_BYTES_MAX];
    levin_get_request requests[OPS_BATCH_MAX];
    uint8_t ranks[OPS_BATCH_MAX];
    const model *seen;
    const levin_snapshot *s = snapshot_by(r, op[2], &seen);
    unsigned count = op[3] % OPS_BATCH_MAX + 1;
    for (unsigned i = 0; i < count; i++) {
        ranks[i] = (uint8_t)(op[1] + i * (op[3] >> 4));
        levin_slice key = ops_key(ranks[i]);
        requests[i] = (levin_get_request){ .key = key.data, .key_bytes = key.size, .buffer = buffers[i],
                                           .capacity = i % 5 == 4 ? 50 : VALUE_BYTES_MAX };
    }
    OK(levin_multi_get(r->store, s, requests, count));
    for (unsigned i = 0; i < count; i++)
        require_get(requests[i].code, seen->value[ranks[i]], (levin_slice){ buffers[i], requests[i].value_bytes },
                    requests[i].capacity, "levin_multi_get");
}

/* ---- iterators -------------------------------------------------------------------------------------------- */

static void cursor_close(cursor *c)
{
    levin_iter_close(c->it);
    c->it = NULL;
}

/* op[1] lower, op[2] upper, op[3]: 0-1 cursor, then bits lower, exclusive, upper, inclusive, prefix, snapshot. */
static void do_iter_open(run *r, const uint8_t op[4])
{
    cursor *c = &r->cursors[(op[3] & 3) % OPS_CURSORS];
    levin_iter_options o = { .lower_exclusive = op[3] & 8, .upper_inclusive = op[3] & 32 };
    const model *seen;
    cursor_close(c);
    o.snapshot = snapshot_by(r, op[3] & 0x80 ? 0x80u | op[1] : 0, &seen);
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
    OK(levin_iter_open(r->store, &o, &c->it));
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
    require_value(c->seen.value[c->at], levin_iter_value(c->it), what);
}

/* op[1]: bits 0-1 cursor; op[2] what; op[3] key, or how many moves. */
static void do_iter_move(run *r, const uint8_t op[4])
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

/* Everything: forwards (1), and backwards as well (-1). */
static void full_scan(run *r, int last_direction)
{
    cursor c = { .seen = r->now, .last = OPS_KEYS - 1 };
    OK(levin_iter_open(r->store, NULL, &c.it));
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

/* ---- snapshots and upkeep --------------------------------------------------------------------------------- */

static void do_snapshot(run *r, const uint8_t op[4])
{
    snapshot *s = &r->snapshots[op[1] % OPS_SNAPSHOTS];
    levin_snapshot_release(s->handle);
    s->handle = NULL;
    if (op[2] & 1)
        return;
    OK(levin_snapshot_create(r->store, &s->handle));
    s->seen = r->now;
}

static uint64_t count_keys(const model *m)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < OPS_KEYS; i++)
        count += m->value[i] != 0;
    return count;
}

static void do_checkpoint(run *r, bool check)
{
    levin_check_result result;
    OK(levin_checkpoint(r->store));
    if (!check)
        return;
    OK(levin_check(r->store, NULL, NULL, &result));
    fuzz_require(result.keys == count_keys(&r->now), "levin_check() counts %llu keys of %llu",
                 (unsigned long long)result.keys, (unsigned long long)count_keys(&r->now));
}

static void open_store(run *r)
{
    levin_error error = { 0 };
    if (levin_open(FUZZ_STORE, &r->options, &r->store, &error) != LEVIN_OK)
        fuzz_fail(__FILE__, __LINE__, "levin_open: %s", error.message);
}

static void close_store(run *r)
{
    for (unsigned i = r->ticket_count; i-- > 0;) /* callbacks are left to levin_close() */
        if (r->tickets[i].ticket)
            ticket_end(r, i);
    for (unsigned i = 0; i < OPS_CURSORS; i++)
        cursor_close(&r->cursors[i]);
    for (unsigned i = 0; i < OPS_SNAPSHOTS; i++) {
        levin_snapshot_release(r->snapshots[i].handle);
        r->snapshots[i].handle = NULL;
    }
    apply_pending(r);
    OK(levin_close(r->store));
    require_calls(r);
    for (unsigned i = 0; i < r->ticket_count; i++)
        r->tickets[i].call->r = NULL;
    r->ticket_count = 0;
}

static void do_upkeep(run *r, const uint8_t op[4])
{
    switch (op[1] % 8) {
    case 0:
    case 1:
        tickets_end(r); /* a checkpoint is of what is committed */
        do_checkpoint(r, op[2] & 1);
        return;
    case 2:
    case 3: {
        bool more = true;
        apply_pending(r); /* the first step leads them */
        for (unsigned i = 0; i <= op[2] && more; i++)
            OK(levin_work(r->store, &more));
        return;
    }
    case 4:
        apply_pending(r);
        OK(levin_sync(r->store));
        return;
    case 5:
        OK(levin_check(r->store, NULL, NULL, NULL));
        return;
    case 6: {
        levin_stats stats;
        levin_stats_get(r->store, &stats);
        fuzz_require(stats.memory_bytes <= stats.memory_peak_bytes, "more memory than its peak");
        full_scan(r, op[2] & 1 ? 1 : -1);
        return;
    }
    default:
        close_store(r);
        r->options.wal_segment_bytes = op[2] & 1 ? 8192 : 16384;
        open_store(r);
    }
}

/* ---- the target ------------------------------------------------------------------------------------------- */

static void do_operation(run *r, const uint8_t op[4])
{
    switch ((enum ops_kind)(op[0] % OPS_KINDS)) {
    case OPS_PUT:
        do_put(r, op);
        return;
    case OPS_DELETE:
        do_delete(r, op);
        return;
    case OPS_BATCH:
        do_batch(r, op);
        return;
    case OPS_ASYNC:
        do_async(r, op);
        return;
    case OPS_TICKET:
        do_ticket(r, op);
        return;
    case OPS_GET:
        do_get(r, op);
        return;
    case OPS_MULTI_GET:
        do_multi_get(r, op);
        return;
    case OPS_ITER_OPEN:
        do_iter_open(r, op);
        return;
    case OPS_ITER_MOVE:
        do_iter_move(r, op);
        return;
    case OPS_SNAPSHOT:
        do_snapshot(r, op);
        return;
    case OPS_UPKEEP:
        do_upkeep(r, op);
        return;
    case OPS_CALLBACK:
        do_callback(r, op);
        return;
    case OPS_KINDS:
        return;
    }
}

/* Disks to start from: 0 none, 1 an empty store, 2 .. stores made by sequences of operations. */
typedef struct start {
    const disk_image *image;
    model now;
    uint32_t next_stamp;
} start;
enum { STARTS = 6 };
static start starts[STARTS];

static void start_make(start *s, unsigned index)
{
    static run r;
    r = (run){ 0 };
    fuzz_disk_open(&r.disk, NULL);
    fuzz_options(&r.options, &r.disk.table);
    open_store(&r);
    /* 2: every third key; 3: every fifth, and a log on top; 4: a few long values; 5: a tree of long keys */
    static const uint8_t step[STARTS] = { 0, 0, 3, 5, 16, 2 }, first[STARTS] = { 0, 0, 0, 0, 0, 200 };
    for (unsigned i = first[index]; index >= 2 && i < OPS_KEYS; i += step[index]) {
        uint8_t put[4] = { OPS_PUT, (uint8_t)i, (uint8_t)(index == 4 ? 8 + i / 16 % 8 : i % 5), LEVIN_NONE };
        do_put(&r, put);
    }
    if (index >= 2)
        do_checkpoint(&r, true);
    for (unsigned i = 0; index == 3 && i < OPS_KEYS; i += 40) {
        const uint8_t put[4] = { OPS_PUT, (uint8_t)(i + 1), 4, LEVIN_NONE };
        const uint8_t delete[4] = { OPS_DELETE, (uint8_t)i, 0, LEVIN_NONE };
        do_put(&r, put);
        do_delete(&r, delete);
    }
    close_store(&r);
    s->image = simdisk_image(r.disk.disk);
    s->now = r.now;
    s->next_stamp = r.next_stamp;
    fuzz_disk_close(&r.disk);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ops_keys_init();
    for (unsigned i = 1; i < STARTS; i++)
        if (!starts[i].image)
            start_make(&starts[i], i);
    return 0;
}

/* Byte 1 of the input (ops.h). */
static void options_by(levin_options *o, uint8_t byte)
{
    static const uint32_t row_cache_kib[4] = { 32, 0, 256, 1024 }, memtable_kib[4] = { 64, 128, 512, 4096 };
    o->row_cache_bytes = (uint64_t)row_cache_kib[byte >> 1 & 3] << 10;
    o->memtable_bytes = (uint64_t)memtable_kib[byte >> 3 & 3] << 10;
    o->page_bytes = LEVIN_PAGE_MIN_BYTES << (byte >> 5 & 3);
    o->cache_bytes = 16 * o->page_bytes;
    if (byte & 1) {
        o->wal_sector_bytes = 4096;
        o->wal_segment_bytes = 32768;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r; /* large: the stack of a fuzzer may be small */
    if (size < OPS_HEADER_BYTES)
        return 0;
    const start *s = &starts[data[0] % STARTS];
    r = (run){ .now = s->now, .next_stamp = s->next_stamp };
    fuzz_disk_open(&r.disk, s->image);
    fuzz_options(&r.options, &r.disk.table);
    options_by(&r.options, data[1]);
    open_store(&r);
    size_t end = size < OPS_HEADER_BYTES + OPS_MAX * 4 ? size : OPS_HEADER_BYTES + OPS_MAX * 4;
    for (size_t at = OPS_HEADER_BYTES; at + 4 <= end; at += 4) {
        do_operation(&r, data + at);
        require_calls(&r);
    }
    tickets_end(&r);
    full_scan(&r, -1);
    OK(levin_check(r.store, NULL, NULL, NULL));
    close_store(&r);
    open_store(&r);
    full_scan(&r, 1);
    close_store(&r);
    fuzz_disk_close(&r.disk);
    return 0;
}
