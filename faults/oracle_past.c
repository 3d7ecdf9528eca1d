/*
 * oracle_past.c - histories as they were before they settled on what a reopened store showed.
 *
 * Settling decides what became of the batches that had failed, so that a crash before it cannot be judged afterwards:
 * then any of them could still have been found.  A copy of the model from just before can.  It shares the bytes of keys
 * and values, which never change, and lives no longer than the oracle.
 *
 * Concurrency: none.
 */
#include <string.h>

#include "fatal.h"
#include "oracle_model.h"

void oracle_keep_past(oracle *o)
{
    o->keeps_past = true;
}

oracle *oracle_at(oracle *o, uint64_t time)
{
    while (o->past && time < o->settled)
        o = o->past;
    return o;
}

static void copy_keys(oracle *to, const oracle *from)
{
    to->keys = oracle_grow(NULL, &to->key_capacity, from->key_count + 1, sizeof *to->keys);
    to->key_count = from->key_count;
    for (size_t i = 0; i < from->key_count; i++) {
        const oracle_key *k = from->keys[i];
        size_t capacity = 0;
        oracle_key *made = oracle_reserve(to, sizeof *made);
        *made = *k;
        made->versions = oracle_grow(NULL, &capacity, k->count + 1u, sizeof *made->versions);
        made->capacity = (uint32_t)capacity;
        memcpy(made->versions, k->versions, k->count * sizeof *k->versions);
        to->keys[i] = made;
    }
}

static void copy_batches(oracle *to, const oracle *from)
{
    to->batches = oracle_grow(to->batches, &to->batch_capacity, from->batch_count, sizeof *to->batches);
    to->batch_count = from->batch_count;
    memcpy(to->batches, from->batches, from->batch_count * sizeof *to->batches);
    for (size_t b = 0; b < to->batch_count; b++) {
        oracle_batch *batch = &to->batches[b];
        oracle_key **const keys = batch->keys;
        if (!keys)
            continue;
        batch->keys = fatal_alloc(batch->key_count * sizeof(oracle_key *));
        for (size_t i = 0; i < batch->key_count; i++)
            batch->keys[i] = oracle_find(to, keys[i]->space, keys[i]->key);
    }
}

void oracle_past_add(oracle *o)
{
    oracle *was = oracle_create();
    memcpy(was->spaces, o->spaces, sizeof was->spaces);
    was->space_count = o->space_count;
    copy_keys(was, o);
    copy_batches(was, o);
    if (o->event_count) {
        was->events = oracle_grow(NULL, &was->event_capacity, o->event_count, sizeof *was->events);
        memcpy(was->events, o->events, o->event_count * sizeof *was->events);
        was->event_count = o->event_count;
    }
    was->digests_good = o->digests_good;
    was->settled = o->settled;
    was->order = o->order;
    was->past = o->past;
    o->past = was;
}
