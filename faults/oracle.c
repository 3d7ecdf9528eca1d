/*
 * oracle.c - the model: a history of batches, the state that each stands for, and which states are legal.
 *
 * Every key keeps the versions that batches gave it, ascending; a state is read by taking, for each key, the newest
 * version whose batch belongs to the state. Each state has an order-independent digest (the sum of a hash of each
 * pair), kept up incrementally, so that a scan finds its state without comparing with every candidate; it is then
 * confirmed byte by byte, so that a collision cannot hide anything.
 *
 * Invariants: batches are numbered in order of submission; versions of a key have ascending batches; events ascend
 * in time, state and barrier. Memory: chunks for bytes, all freed together.
 */
#include "oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fatal.h"
#include "oracle_model.h"

enum { CHUNK_BYTES = 1 << 18 };

struct oracle_chunk {
    struct oracle_chunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char bytes[];
};

void *oracle_grow(void *items, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity)
        return items;
    size_t n = *capacity ? *capacity * 2 : 16;
    while (n < needed)
        n *= 2;
    *capacity = n;
    return fatal_realloc(items, n * item_bytes);
}

void *oracle_reserve(oracle *o, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (!o->chunks || o->chunks->capacity - o->chunks->used < bytes) {
        size_t n = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        oracle_chunk *c = fatal_alloc(sizeof *c + n);
        *c = (oracle_chunk){ .next = o->chunks, .capacity = n };
        o->chunks = c;
    }
    void *p = o->chunks->bytes + o->chunks->used;
    o->chunks->used += bytes;
    return p;
}

static levin_slice oracle_copy(oracle *o, const void *data, size_t bytes)
{
    unsigned char *to = oracle_reserve(o, bytes ? bytes : 1);
    if (bytes)
        memcpy(to, data, bytes);
    return (levin_slice){ to, bytes };
}

int oracle_compare(levin_slice a, levin_slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

uint64_t oracle_hash(uint32_t space, levin_slice key, levin_slice value)
{
    return XXH3_64bits_withSeed(value.data, value.size, XXH3_64bits_withSeed(key.data, key.size, space));
}

/* ---- life ------------------------------------------------------------------------------------------------- */

oracle *oracle_create(void)
{
    oracle *o = fatal_alloc_zeroed(sizeof *o);
    o->batches = oracle_grow(NULL, &o->batch_capacity, 1, sizeof *o->batches);
    o->batches[0] = (oracle_batch){ .fate = FATE_ACCEPTED };
    o->batch_count = 1;
    o->digests_good = 1;
    o->spelled_state = ORACLE_NO_STATE;
    o->space_count = 1;
    return o;
}

oracle *oracle_continue(oracle *from, uint32_t state)
{
    const oracle_pairs *pairs = oracle_pairs_at(from, state);
    oracle *o = oracle_create();
    memcpy(o->spaces, from->spaces, sizeof o->spaces);
    o->space_count = from->space_count;
    o->keys = oracle_grow(NULL, &o->key_capacity, pairs->count + 1, sizeof *o->keys);
    oracle_key *keys = oracle_reserve(o, (pairs->count + 1) * sizeof *keys);
    for (size_t i = 0; i < pairs->count; i++) {
        size_t capacity = 0;
        keys[i] = (oracle_key){ .space = pairs->items[i].space, .key = pairs->items[i].key, .count = 1 };
        keys[i].versions = oracle_grow(NULL, &capacity, 1, sizeof *keys[i].versions);
        keys[i].capacity = (uint32_t)capacity;
        keys[i].versions[0] = (oracle_version){ 0, false, pairs->items[i].value, pairs->items[i].hash };
        o->keys[i] = &keys[i];
        o->batches[0].digest += pairs->items[i].hash;
    }
    o->key_count = pairs->count;
    o->batches[0].pairs = o->batches[0].chain_pairs = pairs->count;
    o->batches[0].chain_digest = o->batches[0].digest;
    return o;
}

void oracle_destroy(oracle *o)
{
    if (!o)
        return;
    oracle_destroy(o->past);
    for (size_t i = 0; i < o->key_count; i++)
        free(o->keys[i]->versions);
    for (size_t i = 0; i < o->batch_count; i++)
        free(o->batches[i].keys);
    for (oracle_chunk *c = o->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    if (o->scan) {
        free(o->scan->bytes);
        free(o->scan->entries);
        free(o->scan);
    }
    free(o->keys);
    free(o->batches);
    free(o->events);
    free(o->building);
    free(o->spelled.items);
    free(o);
}

/* ---- keyspaces --------------------------------------------------------------------------------------------- */

uint32_t oracle_space(oracle *o, levin_slice name)
{
    uint32_t space = 1;
    while (space < o->space_count && !oracle_same(o->spaces[space], name))
        space++;
    if (space == ORACLE_SPACES_MAX)
        fatal("the oracle knows no more than %d keyspaces", ORACLE_SPACES_MAX - 1);
    if (space == o->space_count)
        o->spaces[o->space_count++] = oracle_copy(o, name.data, name.size);
    return space;
}

bool oracle_has_space(const oracle *o, uint32_t state, uint32_t space)
{
    const oracle_key *k = oracle_find(o, space, (levin_slice){ "", 0 });
    return k && oracle_visible(o, k, state);
}

/* ---- recording -------------------------------------------------------------------------------------------- */

/* Where the key is or belongs. */
static size_t key_position(const oracle *o, uint32_t space, levin_slice key, bool *found)
{
    size_t low = 0, high = o->key_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = oracle_compare_in(o->keys[middle]->space, o->keys[middle]->key, space, key);
        if (c == 0) {
            *found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

oracle_key *oracle_find(const oracle *o, uint32_t space, levin_slice key)
{
    bool found;
    size_t at = key_position(o, space, key, &found);
    return found ? o->keys[at] : NULL;
}

static void oracle_change(oracle *o, uint32_t space, levin_slice key, bool deleted, levin_slice value)
{
    bool found;
    size_t at = key_position(o, space, key, &found);
    if (!found) {
        o->keys = oracle_grow(o->keys, &o->key_capacity, o->key_count + 1, sizeof *o->keys);
        memmove(o->keys + at + 1, o->keys + at, (o->key_count - at) * sizeof *o->keys);
        oracle_key *made = oracle_reserve(o, sizeof *made);
        *made = (oracle_key){ .space = space, .key = oracle_copy(o, key.data, key.size) };
        o->keys[at] = made;
        o->key_count++;
    }
    oracle_key *k = o->keys[at];
    uint32_t batch = (uint32_t)o->batch_count;
    if (k->count == 0 || k->versions[k->count - 1].batch != batch) {
        size_t capacity = k->capacity;
        k->versions = oracle_grow(k->versions, &capacity, k->count + 1u, sizeof *k->versions);
        k->capacity = (uint32_t)capacity;
        k->count++;
        o->building = oracle_grow(o->building, &o->building_capacity, o->building_count + 1, sizeof *o->building);
        o->building[o->building_count++] = k;
    }
    oracle_version *v = &k->versions[k->count - 1];
    *v = (oracle_version){ .batch = batch, .deleted = deleted };
    if (!deleted) {
        v->value = oracle_copy(o, value.data, value.size);
        v->hash = oracle_hash(space, k->key, v->value);
    }
}

void oracle_put_in(oracle *o, uint32_t space, levin_slice key, levin_slice value)
{
    oracle_change(o, space, key, false, value);
}

void oracle_delete_in(oracle *o, uint32_t space, levin_slice key)
{
    oracle_change(o, space, key, true, (levin_slice){ NULL, 0 });
}

/* Of the keys that were ever written: no other can be there. */
void oracle_delete_range_in(oracle *o, uint32_t space, levin_slice lower, levin_slice upper)
{
    for (size_t i = 0; i < o->key_count; i++) {
        const oracle_key *k = o->keys[i];
        if (k->space == space && k->key.size && oracle_compare(lower, k->key) <= 0 &&
            (!upper.data || oracle_compare(k->key, upper) < 0))
            oracle_delete_in(o, space, k->key);
    }
}

void oracle_delete_prefix_in(oracle *o, uint32_t space, levin_slice prefix)
{
    for (size_t i = 0; i < o->key_count; i++) {
        const oracle_key *k = o->keys[i];
        if (k->space == space && k->key.size && k->key.size >= prefix.size &&
            memcmp(k->key.data, prefix.data, prefix.size) == 0)
            oracle_delete_in(o, space, k->key);
    }
}

void oracle_create_space(oracle *o, uint32_t space)
{
    oracle_put_in(o, space, (levin_slice){ "", 0 }, (levin_slice){ "", 0 });
}

void oracle_drop_space(oracle *o, uint32_t space)
{
    for (size_t i = 0; i < o->key_count; i++)
        if (o->keys[i]->space == space)
            oracle_delete_in(o, space, o->keys[i]->key);
}

void oracle_put(oracle *o, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    oracle_put_in(o, ORACLE_DEFAULT, (levin_slice){ key, key_bytes }, (levin_slice){ value, value_bytes });
}

void oracle_delete(oracle *o, const void *key, size_t key_bytes)
{
    oracle_delete_in(o, ORACLE_DEFAULT, (levin_slice){ key, key_bytes });
}

void oracle_delete_range(oracle *o, levin_slice lower, levin_slice upper)
{
    oracle_delete_range_in(o, ORACLE_DEFAULT, lower, upper);
}

void oracle_delete_prefix(oracle *o, levin_slice prefix)
{
    oracle_delete_prefix_in(o, ORACLE_DEFAULT, prefix);
}

void oracle_discard(oracle *o)
{
    for (size_t i = 0; i < o->building_count; i++)
        o->building[i]->count--; /* the version of the unfinished batch is the last one */
    o->building_count = 0;
}

uint32_t oracle_submit(oracle *o, levin_durability durability, uint64_t time)
{
    uint32_t number = (uint32_t)o->batch_count;
    o->batches = oracle_grow(o->batches, &o->batch_capacity, o->batch_count + 1, sizeof *o->batches);
    oracle_batch *b = &o->batches[o->batch_count++];
    *b = (oracle_batch){ .submitted = time, .answered = UINT64_MAX, .durability = durability,
                         .submit_order = ++o->order, .key_count = o->building_count };
    if (o->building_count) {
        b->keys = fatal_alloc(o->building_count * sizeof *b->keys);
        memcpy(b->keys, o->building, o->building_count * sizeof *b->keys);
    }
    o->building_count = 0;
    return number;
}

/* What was known of states from `batch` on no longer holds. */
static void oracle_changed(oracle *o, uint32_t batch)
{
    if (o->digests_good > batch)
        o->digests_good = batch;
    o->spelled_state = ORACLE_NO_STATE;
}

static void oracle_event_add(oracle *o, uint64_t time, uint32_t first, uint32_t barrier)
{
    if (o->event_count) {
        oracle_event *last = &o->events[o->event_count - 1];
        assert(time >= last->time);
        first = first > last->first ? first : last->first;
        barrier = barrier > last->barrier ? barrier : last->barrier;
        if (last->time == time || (first == last->first && barrier == last->barrier)) {
            last->first = last->time == time ? first : last->first;
            last->barrier = last->time == time ? barrier : last->barrier;
            return;
        }
    }
    o->events = oracle_grow(o->events, &o->event_capacity, o->event_count + 1, sizeof *o->events);
    o->events[o->event_count++] = (oracle_event){ time, first, barrier };
}

/*
 * One failed group can be found: failed batches that were under way together, with nothing accepted between. An
 * answer may change the groups of later batches that were answered before.
 */
static void find_runs(oracle *o, uint32_t from)
{
    for (uint32_t b = from; b < o->batch_count; b++) {
        oracle_batch *failed = &o->batches[b];
        if (failed->fate != FATE_FAILED)
            continue;
        failed->run = b;
        for (uint32_t i = b - 1; i > 0; i--) {
            const oracle_batch *other = &o->batches[i];
            if (other->fate == FATE_ACCEPTED || (other->answer_order && other->answer_order < failed->submit_order))
                break;
            if (other->fate == FATE_FAILED)
                failed->run = i;
        }
    }
}

void oracle_acknowledge(oracle *o, uint32_t batch, uint64_t time)
{
    oracle_batch *b = &o->batches[batch];
    assert(b->fate == FATE_PENDING && time >= b->submitted);
    b->fate = FATE_ACCEPTED;
    b->answered = time;
    b->answer_order = ++o->order;
    find_runs(o, batch);
    if (b->durability == LEVIN_SYNCED)
        oracle_event_add(o, time, batch, batch - 1);
    else if (b->durability == LEVIN_LOGGED)
        oracle_event_add(o, time, 0, batch - 1);
}

void oracle_fail(oracle *o, uint32_t batch, uint64_t time)
{
    oracle_batch *b = &o->batches[batch];
    assert(b->fate == FATE_PENDING);
    b->fate = time == b->submitted ? FATE_VOID : FATE_FAILED;
    b->answered = time;
    b->answer_order = ++o->order;
    find_runs(o, batch);
    oracle_changed(o, batch);
}

uint32_t oracle_last_batch(const oracle *o)
{
    return (uint32_t)o->batch_count - 1;
}

uint32_t oracle_accepted(const oracle *o)
{
    uint32_t b = oracle_last_batch(o);
    while (o->batches[b].fate != FATE_ACCEPTED)
        b--;
    return b;
}

void oracle_durable(oracle *o, uint64_t time)
{
    oracle_event_add(o, time, oracle_accepted(o), oracle_last_batch(o));
}

void oracle_settle(oracle *o, uint32_t state, uint64_t time)
{
    if (o->keeps_past)
        oracle_past_add(o);
    const oracle_batch *s = &o->batches[state];
    uint32_t run = s->fate == FATE_FAILED ? s->run : state + 1;
    for (uint32_t i = 1; i < o->batch_count; i++) {
        oracle_batch *b = &o->batches[i];
        bool there = i <= state && (b->fate == FATE_ACCEPTED || b->fate == FATE_PENDING ||
                                    (b->fate == FATE_FAILED && i >= run));
        b->fate = there ? FATE_ACCEPTED : FATE_VOID;
    }
    o->settled = time;
    oracle_changed(o, 1);
    oracle_event_add(o, time, state, oracle_last_batch(o));
}

uint64_t oracle_settled(const oracle *o)
{
    return o->settled;
}

/* ---- states ----------------------------------------------------------------------------------------------- */

const oracle_version *oracle_visible(const oracle *o, const oracle_key *k, uint32_t state)
{
    uint32_t low = 0, high = k->count; /* versions below low are of batches up to state */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (k->versions[middle].batch <= state)
            low = middle + 1;
        else
            high = middle;
    }
    const oracle_batch *s = &o->batches[state];
    uint32_t run = s->fate == FATE_FAILED ? s->run : state + 1;
    while (low-- > 0) {
        const oracle_version *v = &k->versions[low];
        enum oracle_fate fate = o->batches[v->batch].fate;
        if (fate == FATE_VOID || (fate == FATE_FAILED && v->batch < run))
            continue;
        return v->deleted ? NULL : v;
    }
    return NULL;
}

/* Adds to the chain's digest what batch b changes on top of `before`, a state in which it is not. */
static void digest_step(const oracle *o, uint32_t b, uint32_t before, oracle_batch *batch)
{
    for (size_t i = 0; i < batch->key_count; i++) {
        const oracle_key *k = batch->keys[i];
        const oracle_version *old = oracle_visible(o, k, before), *new = oracle_visible(o, k, b);
        batch->chain_digest += (new ? new->hash : 0) - (old ? old->hash : 0);
        batch->chain_pairs += (size_t)(new != NULL) - (size_t)(old != NULL);
    }
}

uint64_t oracle_state_digest(oracle *o, uint32_t state)
{
    for (uint32_t b = o->digests_good; b <= state; b++) {
        oracle_batch *batch = &o->batches[b];
        const oracle_batch *previous = batch - 1;
        batch->chain_digest = previous->chain_digest;
        batch->chain_pairs = previous->chain_pairs;
        batch->digest = batch->chain_digest;
        batch->pairs = batch->chain_pairs;
        if (batch->fate == FATE_VOID)
            continue;
        if (batch->fate != FATE_FAILED) {
            /* The state before: the newest one that is no failed batch, which stands on the chain alone. */
            uint32_t before = b - 1;
            while (o->batches[before].fate == FATE_FAILED)
                before--;
            digest_step(o, b, before, batch);
            batch->digest = batch->chain_digest;
            batch->pairs = batch->chain_pairs;
        } else {
            batch->digest = 0;
            batch->pairs = 0;
            for (size_t i = 0; i < o->key_count; i++) {
                const oracle_version *v = oracle_visible(o, o->keys[i], b);
                batch->digest += v ? v->hash : 0;
                batch->pairs += v != NULL;
            }
        }
    }
    if (o->digests_good <= state)
        o->digests_good = state + 1;
    return o->batches[state].digest;
}

const oracle_pairs *oracle_pairs_at(oracle *o, uint32_t state)
{
    if (o->spelled_state == state)
        return &o->spelled;
    oracle_pairs *p = &o->spelled;
    p->items = oracle_grow(p->items, &p->capacity, o->key_count + 1, sizeof *p->items);
    p->count = 0;
    for (size_t i = 0; i < o->key_count; i++) {
        const oracle_version *v = oracle_visible(o, o->keys[i], state);
        if (v)
            p->items[p->count++] = (oracle_pair){ o->keys[i]->space, o->keys[i]->key, v->value, v->hash };
    }
    o->spelled_state = state;
    return p;
}

oracle_pairs oracle_pairs_of(const oracle_pairs *all, uint32_t space)
{
    size_t first = 0, end = all->count;
    while (first < end) { /* the first of the keyspace, or of one after it */
        size_t middle = (first + end) / 2;
        if (all->items[middle].space < space)
            first = middle + 1;
        else
            end = middle;
    }
    if (first < all->count && all->items[first].space == space && all->items[first].key.size == 0)
        first++;
    for (end = first; end < all->count && all->items[end].space == space;)
        end++;
    return (oracle_pairs){ .items = all->items + first, .count = end - first };
}

/* ---- legal sets ------------------------------------------------------------------------------------------- */

uint64_t oracle_promise_class(const oracle *o, uint64_t time)
{
    size_t low = 0, high = o->event_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (o->events[middle].time <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

oracle_legal oracle_legal_crash(const oracle *o, uint64_t time)
{
    oracle_legal legal = { .time = time };
    uint64_t low = oracle_promise_class(o, time);
    if (low) {
        legal.first = o->events[low - 1].first;
        legal.barrier = o->events[low - 1].barrier;
    }
    size_t first = 0, end = o->batch_count; /* submission times ascend */
    while (first < end) {
        size_t middle = (first + end) / 2;
        if (o->batches[middle].submitted <= time)
            first = middle + 1;
        else
            end = middle;
    }
    legal.last = (uint32_t)first - 1;
    return legal;
}

oracle_legal oracle_legal_process_end(const oracle *o, uint64_t time)
{
    oracle_legal legal = oracle_legal_crash(o, time);
    legal.process_end = true;
    for (uint32_t b = legal.last; b > legal.first; b--) {
        const oracle_batch *batch = &o->batches[b];
        if (batch->fate != FATE_ACCEPTED || batch->durability == LEVIN_NONE || batch->answered > time)
            continue;
        legal.first = b;
        legal.barrier = legal.barrier > b - 1 ? legal.barrier : b - 1;
        break;
    }
    return legal;
}

oracle_legal oracle_legal_live(const oracle *o)
{
    return (oracle_legal){ .first = oracle_accepted(o), .last = oracle_last_batch(o), .live = true,
                           .barrier = oracle_last_batch(o), .time = UINT64_MAX };
}

oracle_legal oracle_legal_exactly(uint32_t state)
{
    return (oracle_legal){ .first = state, .last = state, .live = true, .barrier = state, .time = UINT64_MAX };
}

bool oracle_is_legal(const oracle *o, const oracle_legal *legal, uint32_t state)
{
    if (state < legal->first || state > legal->last)
        return false;
    const oracle_batch *b = &o->batches[state];
    if (b->fate == FATE_VOID)
        return false;
    return b->fate != FATE_FAILED || (!legal->live && state > legal->barrier);
}
