/*
 * afl_mutator.c - a custom mutator of libFuzzer's interface as a library for AFL++ (AFL_CUSTOM_MUTATOR_LIBRARY).
 *
 * Purpose: one mutator for both fuzzers.  AFL++ loads build/fuzz/mutator_TARGET.so and calls afl_custom_fuzz(); a
 * quarter of the calls join two inputs.  LLVMFuzzerMutate() here is a few blind mutations, no more: AFL++ has its
 * own. Invariants: the buffer given back is the mutator's and stays until the next call. Concurrency: one thread
 * per afl_custom_init().
 */
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "mutate.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct afl_mutator {
    random_stream random;
    uint8_t *buffer;
    size_t capacity;
} afl_mutator;

/* AFL++'s interface. */
EXPORT void *afl_custom_init(void *afl, unsigned seed);
EXPORT void afl_custom_deinit(void *data);
EXPORT size_t afl_custom_fuzz(void *data, uint8_t *in, size_t in_size, uint8_t **out, uint8_t *add, size_t add_size,
                              size_t max_size);

static random_stream blind; /* for LLVMFuzzerMutate(), whose interface has no place for it */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity)
{
    size_t at = (size_t)random_below(&blind, size);
    switch (random_below(&blind, 5)) {
    case 0:
        if (size < capacity) {
            at = (size_t)random_below(&blind, size + 1);
            memmove(data + at + 1, data + at, size - at);
            data[at] = (uint8_t)random_next(&blind);
            return size + 1;
        }
        break;
    case 1:
        if (size > 1) {
            memmove(data + at, data + at + 1, size - at - 1);
            return size - 1;
        }
        break;
    case 2:
        if (size)
            data[at] ^= (uint8_t)(1u << random_below(&blind, 8));
        break;
    case 3:
        if (size)
            data[at] += (uint8_t)(random_below(&blind, 71) - 35);
        break;
    default:
        if (size)
            data[at] = (uint8_t)random_next(&blind);
    }
    return size;
}

void *afl_custom_init(void *afl, unsigned seed)
{
    afl_mutator *m = fatal_alloc_zeroed(sizeof *m);
    (void)afl;
    m->random = random_open(seed, 2);
    blind = random_open(seed, 3);
    return m;
}

void afl_custom_deinit(void *data)
{
    afl_mutator *m = data;
    free(m->buffer);
    free(m);
}

size_t afl_custom_fuzz(void *data, uint8_t *in, size_t in_size, uint8_t **out, uint8_t *add, size_t add_size,
                       size_t max_size)
{
    afl_mutator *m = data;
    size_t size = 0;
    if (m->capacity < max_size) {
        m->buffer = fatal_realloc(m->buffer, max_size);
        m->capacity = max_size;
    }
    *out = m->buffer;
    if (add && add_size && random_chance(&m->random, 4))
        size = LLVMFuzzerCustomCrossOver(in, in_size, add, add_size, m->buffer, max_size,
                                         (unsigned)random_next(&m->random));
    if (!size) {
        size = in_size < max_size ? in_size : max_size;
        memcpy(m->buffer, in, size);
    }
    return LLVMFuzzerCustomMutator(m->buffer, size, max_size, (unsigned)random_next(&m->random));
}
