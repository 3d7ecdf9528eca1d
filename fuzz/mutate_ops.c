/*
 * mutate_ops.c - the custom mutator of fuzz_ops: works on operations of four bytes (operations.h).
 */
#include "mutate.h"
#include "operations.h"
#include "ops.h"

static const operations_shape shape = { OPS_HEADER_BYTES, OPS_MAX, OPS_KINDS };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    return operations_mutate(&shape, data, size, capacity, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return operations_cross(&shape, data1, size1, data2, size2, out, capacity, seed);
}
