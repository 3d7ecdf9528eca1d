/*
 * mutate_schedule.c - the custom mutator of fuzz_schedule: works on operations and switches, which are records of four
 * bytes (operations.h).
 */
#include "mutate.h"
#include "operations.h"
#include "schedule_input.h"

_Static_assert((int)SCHEDULE_INPUT_RECORD_BYTES == (int)OPERATION_BYTES, "records are mutated as operations are");
static const operations_shape shape = { SCHEDULE_INPUT_HEADER_BYTES, SCHEDULE_INPUT_RECORDS_MAX, SCHEDULE_INPUT_KINDS };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    return operations_mutate(&shape, data, size, capacity, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return operations_cross(&shape, data1, size1, data2, size2, out, capacity, seed);
}
