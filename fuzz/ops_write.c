/*
 * ops_write.c - the values of fuzz_ops, and its operations that write: puts, deletes, batches, tickets, callbacks.
 *
 * Invariants: r->now holds what is committed; what is submitted and waits for a leader stands in r->tickets, oldest
 * first.  Concurrency: one thread.
 */
#include <string.h>

#include "../engine/codec.h"
#include "ops_run.h"

void ops_require_ok(levin_code code, const char *call, const char *file, int line)
{
    if (code != LEVIN_OK)
        fuzz_fail(file, line, "%s gave %s", call, levin_code_name(code));
}

/* ---- values ----------------------------------------------------------------------------------------------- */

/* A value number is a stamp and a class of length; its bytes follow from it. */
static const uint32_t value_lengths[16] = { 0, 1, 5, 8, 12, 20, 40, 60, 100, 200, 400, 1000, 1024, 1025, 4096, 4097 };

uint32_t ops_new_value(run *r, unsigned length_class)
{
    return ++r->next_stamp << 4 | (length_class & 15);
}

size_t ops_value_bytes(uint32_t value)
{
    return value_lengths[value & 15];
}

/* Mostly one byte over and over, with stamps: a byte of another value, or from elsewhere in this one, shows. */
levin_slice ops_value_of(uint32_t value)
{
    static uint8_t bytes[OPS_VALUE_BYTES_MAX + 8];
    size_t n = ops_value_bytes(value);
    memset(bytes, (uint8_t)(value >> 4), n);
    if (n > 8)
        store_u64(bytes + (n - 8) / 2, value * 0x9e3779b97f4a7c15u);
    store_u64(bytes, value * 0xd1342543de82ef95u);
    return (levin_slice){ bytes, n };
}

void ops_require_value(uint32_t expected, levin_slice found, const char *what)
{
    levin_slice value = ops_value_of(expected);
    bool same = found.size == value.size &&
                (!value.size || (found.data && !memcmp(found.data, value.data, value.size)));
    fuzz_require(same,
                 "%s: not value %u of %zu bytes, but %zu bytes", what, expected >> 4, value.size, found.size);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void apply_changes(run *r, const pending *p)
{
    for (unsigned n = 0; n < p->count; n++)
        for (int rank = p->change[n].first; rank <= p->change[n].last; rank++)
            r->now.value[rank] = p->change[n].value;
}

void ops_apply_pending(run *r)
{
    for (unsigned i = 0; i < r->ticket_count; i++) {
        pending *p = &r->tickets[i];
        if (!p->committed)
            apply_changes(r, p);
        p->committed = true;
    }
}

/* A wait or a poll leads, there being nobody else, unless that ticket is done: then it does nothing. */
static void apply_for(run *r, const pending *p)
{
    if (!p->committed)
        ops_apply_pending(r);
}

levin_durability ops_durability(unsigned byte)
{
    return (levin_durability)(byte % 3);
}

void ops_put(run *r, const uint8_t op[4])
{
    levin_slice key = ops_key(op[1]);
    uint32_t value = ops_new_value(r, op[2]);
    levin_slice bytes = ops_value_of(value);
    ops_apply_pending(r);
    OPS_OK(levin_put_in(r->store, r->ks, key.data, key.size, bytes.data, bytes.size, ops_durability(op[3])));
    r->now.value[op[1]] = value;
}

void ops_delete(run *r, const uint8_t op[4])
{
    levin_slice key = ops_key(op[1]);
    ops_apply_pending(r);
    OPS_OK(levin_delete_in(r->store, r->ks, key.data, key.size, ops_durability(op[3])));
    r->now.value[op[1]] = 0;
}

range ops_range_of(uint8_t a, uint8_t b, unsigned which)
{
    range g = { .lower = ops_key(a), .upper = ops_key(b), .first = a, .last = b - 1,
                .empty = (which & 3) == 3 && a >= b };
    if ((which & 3) == 0) {
        g.lower = (levin_slice){ 0 };
        g.first = 0;
        g.empty = b == 0; /* rank 0 is the smallest key that there can be */
    } else if ((which & 3) == 1) {
        g.upper = (levin_slice){ 0 };
        g.last = OPS_KEYS - 1;
    } else if ((which & 3) == 2) {
        g.prefix = ops_prefix(a ^ b, &g.first, &g.last);
    }
    return g;
}

/* op[1] and op[2] keys; op[3] durability, and which range. */
void ops_range(run *r, const uint8_t op[4])
{
    const range g = ops_range_of(op[1], op[2], op[3] >> 2);
    ops_apply_pending(r);
    if (g.prefix.data)
        OPS_OK(levin_delete_prefix_in(r->store, r->ks, g.prefix.data, g.prefix.size, ops_durability(op[3])));
    else
        OPS_OK(levin_delete_range_in(r->store, r->ks, g.lower, g.upper, ops_durability(op[3])));
    for (int rank = g.first; rank <= g.last; rank++)
        r->now.value[rank] = 0;
}

static void batch_range(const run *r, levin_batch *batch, const range *g)
{
    if (g->prefix.data)
        OPS_OK(levin_batch_delete_prefix_in(batch, r->ks, g->prefix.data, g->prefix.size));
    else
        OPS_OK(levin_batch_delete_range_in(batch, r->ks, g->lower, g->upper));
}

/* op[1] first key, op[2] count, value length, deletes and ranges, op[3] step and durability. */
static void fill_batch(run *r, const uint8_t op[4], levin_batch *batch, pending *changes)
{
    unsigned count = op[2] % OPS_BATCH_MAX + 1, step = op[3] / 3 % 16;
    const unsigned mix = (op[2] >> 5) % 4;
    uint8_t rank = op[1];
    size_t operations = count;
    changes->count = count;
    for (unsigned i = 0; i < count; i++, rank = (uint8_t)(rank + step)) {
        levin_slice key = ops_key(rank);
        range g = { .first = rank, .last = rank };
        uint32_t value = 0;
        if (mix == 3 && i % 3 == 0) {
            OPS_OK(levin_batch_delete_in(batch, r->ks, key.data, key.size));
        } else if (mix == 2 && i % 5 == 2) {
            g = ops_range_of(rank, (uint8_t)(rank + 3 * step), i + op[3]);
            batch_range(r, batch, &g);
            operations -= g.empty;
        } else {
            value = ops_new_value(r, (op[2] >> 4) + i);
            levin_slice bytes = ops_value_of(value);
            OPS_OK(levin_batch_put_in(batch, r->ks, key.data, key.size, bytes.data, bytes.size));
        }
        changes->change[i].first = g.first;
        changes->change[i].last = g.last;
        changes->change[i].value = value;
    }
    fuzz_require(levin_batch_count(batch) == operations, "a batch counts %zu operations", levin_batch_count(batch));
}

void ops_batch(run *r, const uint8_t op[4])
{
    pending changes;
    levin_batch *batch;
    OPS_OK(levin_batch_create(r->store, &batch));
    fill_batch(r, op, batch, &changes);
    ops_apply_pending(r);
    OPS_OK(levin_write(r->store, batch, ops_durability(op[3])));
    levin_batch_destroy(batch);
    apply_changes(r, &changes);
}

void ops_require_calls(const run *r)
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

void ops_ticket_end(run *r, unsigned index)
{
    pending *p = &r->tickets[index];
    if (p->ticket) {
        apply_for(r, p);
        OPS_OK(levin_ticket_wait(p->ticket));
        levin_batch_destroy(p->batch);
    } else {
        ops_apply_pending(r);
        OPS_OK(levin_sync(r->store));
    }
    ops_require_calls(r);
    if (p->call)
        p->call->r = NULL;
    memmove(p, p + 1, (--r->ticket_count - index) * sizeof *p);
}

void ops_tickets_end(run *r)
{
    while (r->ticket_count)
        ops_ticket_end(r, 0);
}

static pending *submission(run *r, const uint8_t op[4])
{
    if (r->ticket_count == OPS_TICKETS)
        ops_ticket_end(r, op[1] % OPS_TICKETS);
    pending *p = &r->tickets[r->ticket_count];
    OPS_OK(levin_batch_create(r->store, &p->batch));
    fill_batch(r, op, p->batch, p);
    p->committed = false;
    p->ticket = NULL;
    p->call = NULL;
    return p;
}

void ops_async(run *r, const uint8_t op[4])
{
    pending *p = submission(r, op);
    OPS_OK(levin_write_async(r->store, p->batch, ops_durability(op[3]), &p->ticket));
    r->ticket_count++;
}

void ops_callback(run *r, const uint8_t op[4])
{
    pending *p = submission(r, op);
    p->call = r->calls;
    while (p->call->r) /* as many as there are submissions: one is free */
        p->call++;
    *p->call = (callback){ .r = r, .batch = p->batch, .order = ++r->calls_submitted };
    OPS_OK(levin_write_callback(r->store, p->batch, ops_durability(op[3]), call_done, p->call));
    r->ticket_count++;
}

void ops_ticket(run *r, const uint8_t op[4])
{
    if (!r->ticket_count)
        return;
    unsigned index = op[1] % r->ticket_count;
    if (op[2] & 1 && r->tickets[index].ticket) {
        apply_for(r, &r->tickets[index]);
        OPS_OK(levin_ticket_poll(r->tickets[index].ticket));
    } else {
        ops_ticket_end(r, index);
    }
}
