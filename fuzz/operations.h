/*
 * operations.h - mutations of inputs that are a header and operations of four bytes, kind first: fuzz_ops, fuzz_crash.
 */
#ifndef LEVIN_FUZZ_OPERATIONS_H
#define LEVIN_FUZZ_OPERATIONS_H

#include <stddef.h>
#include <stdint.h>

enum { OPERATION_BYTES = 4 };

typedef struct operations_shape {
    size_t header_bytes;
    size_t most;    /* operations of an input */
    unsigned kinds; /* the first byte is taken modulo this */
} operations_shape;

/* As LLVMFuzzerCustomMutator() and LLVMFuzzerCustomCrossOver(): the beginning of one, the end of the other. */
size_t operations_mutate(const operations_shape *shape, uint8_t *data, size_t size, size_t capacity, unsigned seed);
size_t operations_cross(const operations_shape *shape, const uint8_t *data1, size_t size1, const uint8_t *data2,
                        size_t size2, uint8_t *out, size_t capacity, unsigned seed);

#endif
