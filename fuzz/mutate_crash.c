/*
 * mutate_crash.c - the custom mutator of fuzz_crash: works on operations of four bytes (operations.h).
 */
#include "mutate.h"
#include "operations.h"
#include "crash_input.h"

static const operations_shape shape = { CRASH_HEADER_BYTES, CRASH_OPERATIONS_MAX, CRASH_KINDS };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    return operations_mutate(&shape, data, size, capacity, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return operations_cross(&shape, data1, size1, data2, size2, out, capacity, seed);
}
