/*
 * store_work.c - batches drawn from a seed, and the states that they lead to, as a table of value numbers.
 *
 * Value number v is the (v - 1)-th operation of all batches: its bytes are drawn from (seed, v), so that nothing needs
 * to be kept.  Some values are empty, most short, some longer than a page.
 */
#include "store_work.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "../faults/fatal.h"
#include "../faults/random.h"

typedef struct operation {
    uint32_t key, bytes;
    bool put;
} operation;

struct store_work {
    uint64_t seed;
    store_work_size size;
    operation *operations;
    uint32_t *first;   /* of batch n: first[n] to first[n + 1] */
    uint32_t *states;  /* value numbers: (batches + 1) rows of keys */
};

enum { STREAM_PLAN = 1, STREAM_VALUES = 1000, STREAM_KEYS = 2 };

static uint32_t draw_bytes(random_stream *r)
{
    if (random_chance(r, 40))
        return 0;
    if (random_chance(r, 25))
        return 3000 + (uint32_t)random_below(r, STORE_WORK_VALUE_BYTES - 3000);
    return 8 + (uint32_t)random_below(r, 400);
}

static void batch_draw(store_work *w, uint32_t n, random_stream *r)
{
    uint32_t *row = w->states + (size_t)n * w->size.keys;
    memcpy(row, row - w->size.keys, w->size.keys * sizeof *row);
    for (uint32_t i = w->first[n]; i < w->first[n + 1]; i++) {
        operation *o = &w->operations[i];
        /* one in three among a few keys, so that there is something to overwrite in every log */
        o->key = (uint32_t)random_below(r, random_chance(r, 3) && w->size.keys > 20 ? 20 : w->size.keys);
        o->put = !random_chance(r, 6);
        o->bytes = o->put ? draw_bytes(r) : 0;
        row[o->key] = o->put ? i + 1 : STORE_WORK_ABSENT;
    }
}

store_work *store_work_create(uint64_t seed, store_work_size size)
{
    store_work *w = fatal_alloc_zeroed(sizeof *w);
    random_stream r = random_open(seed, STREAM_PLAN);
    w->seed = seed;
    w->size = size;
    w->operations = fatal_alloc_zeroed((size_t)size.batches * size.batch_max * sizeof *w->operations);
    w->first = fatal_alloc_zeroed(((size_t)size.batches + 2) * sizeof *w->first);
    w->states = fatal_alloc_zeroed(((size_t)size.batches + 1) * size.keys * sizeof *w->states);
    for (uint32_t n = 1; n <= size.batches; n++) {
        w->first[n + 1] = w->first[n] + 1 + (uint32_t)random_below(&r, size.batch_max);
        batch_draw(w, n, &r);
    }
    return w;
}

void store_work_destroy(store_work *w)
{
    free(w->operations);
    free(w->first);
    free(w->states);
    free(w);
}

store_work_size store_work_size_of(const store_work *w)
{
    return w->size;
}

/* ---- keys ---- */

store_slice store_work_key(const store_work *w, uint32_t key, char buffer[STORE_WORK_KEY_BYTES])
{
    random_stream r = random_open(w->seed, ((uint64_t)STREAM_KEYS << 32) + key);
    int bytes = snprintf(buffer, STORE_WORK_KEY_BYTES, "key/%06u/", key);
    for (uint64_t more = random_below(&r, 24); more; more--)
        buffer[bytes++] = (char)random_below(&r, 256);
    return (store_slice){ buffer, (size_t)bytes };
}

bool store_work_key_find(const store_work *w, store_slice key, uint32_t *number)
{
    char text[STORE_WORK_KEY_BYTES], buffer[STORE_WORK_KEY_BYTES];
    if (key.bytes < 11 || key.bytes >= sizeof text)
        return false;
    memcpy(text, key.data, 11);
    text[11] = '\0';
    const unsigned long n = strncmp(text, "key/", 4) == 0 ? strtoul(text + 4, NULL, 10) : ULONG_MAX;
    if (n >= w->size.keys)
        return false;
    const store_slice wanted = store_work_key(w, (uint32_t)n, buffer);
    *number = (uint32_t)n;
    return wanted.bytes == key.bytes && memcmp(wanted.data, key.data, key.bytes) == 0;
}

/* ---- values ---- */

static void value_make(const store_work *w, uint32_t value, uint8_t *buffer)
{
    random_stream r = random_open(w->seed, ((uint64_t)STREAM_VALUES << 32) + value);
    random_fill(&r, buffer, w->operations[value - 1].bytes);
}

uint32_t store_work_value(const store_work *w, uint32_t state, uint32_t key)
{
    return w->states[(size_t)state * w->size.keys + key];
}

size_t store_work_value_bytes(const store_work *w, uint32_t value)
{
    return w->operations[value - 1].bytes;
}

bool store_work_value_is(const store_work *w, uint32_t value, store_slice bytes)
{
    uint8_t wanted[STORE_WORK_VALUE_BYTES];
    if (w->operations[value - 1].bytes != bytes.bytes)
        return false;
    value_make(w, value, wanted);
    return bytes.bytes == 0 || memcmp(wanted, bytes.data, bytes.bytes) == 0;
}

/* ---- writing ---- */

store_result store_work_write(const store_work *w, uint32_t batch, const store_adapter *a, store_session *session,
                              bool sync)
{
    const uint32_t first = w->first[batch], count = w->first[batch + 1] - first;
    store_operation *operations = fatal_alloc(count * sizeof *operations);
    char(*keys)[STORE_WORK_KEY_BYTES] = fatal_alloc(count * sizeof *keys);
    uint8_t(*values)[STORE_WORK_VALUE_BYTES] = fatal_alloc(count * sizeof *values);
    for (uint32_t i = 0; i < count; i++) {
        const operation *o = &w->operations[first + i];
        operations[i].key = store_work_key(w, o->key, keys[i]);
        if (o->put)
            value_make(w, first + i + 1, values[i]);
        operations[i].value = (store_slice){ o->put ? values[i] : NULL, o->bytes };
    }
    const store_result result = a->write(session, operations, count, sync);
    free(values);
    free(keys);
    free(operations);
    return result;
}
