/*
 * store_work.h - what is written to a foreign store, and so what it must hold: batches that are a function of a seed.
 *
 * Batch n is made of puts and deletes of a fixed set of keys; every value is unlike every other, so that a stale value
 * cannot pass for the right one.  State n is what the store holds when batches 1 to n were written, state 0 is empty.
 */
#ifndef CHAOS_STORE_WORK_H
#define CHAOS_STORE_WORK_H

#include "store.h"

enum { STORE_WORK_KEY_BYTES = 64, STORE_WORK_VALUE_BYTES = 9000 };

typedef struct store_work store_work;

typedef struct store_work_size {
    uint32_t keys, batches;
    uint32_t batch_max;      /* operations in a batch, at most; 1 for a store without atomic batches */
} store_work_size;

store_work *store_work_create(uint64_t seed, store_work_size size);
void store_work_destroy(store_work *w);
store_work_size store_work_size_of(const store_work *w);

/* Keys are numbered in their order. The slice points into `buffer`. */
store_slice store_work_key(const store_work *w, uint32_t key, char buffer[STORE_WORK_KEY_BYTES]);
/* Whether the bytes are a key of the set, and which. */
bool store_work_key_find(const store_work *w, store_slice key, uint32_t *number);

/* Writes batch n, 1 to batches. */
store_result store_work_write(const store_work *w, uint32_t batch, const store_adapter *a, store_session *session,
                              bool sync);

enum { STORE_WORK_ABSENT = 0 };

/* The value of a key in a state: a number of its own, or STORE_WORK_ABSENT. */
uint32_t store_work_value(const store_work *w, uint32_t state, uint32_t key);
/* Whether these bytes are that value (not STORE_WORK_ABSENT). */
bool store_work_value_is(const store_work *w, uint32_t value, store_slice bytes);
size_t store_work_value_bytes(const store_work *w, uint32_t value);

#endif
