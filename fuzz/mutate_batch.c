/*
 * mutate_batch.c - the custom mutator of fuzz_batch: works on records, batch headers and group headers; lengths and
 * counts of batches are made right again half of the time.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../engine/record_format.h"
#include "../engine/wal_format.h"
#include "file_parts.h"
#include "mutate.h"
#include "parts.h"

enum { DECODE_HEADER_BYTES = 3 };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    if (size < DECODE_HEADER_BYTES + BATCH_HEADER_BYTES || random_chance(&random, 16))
        return LLVMFuzzerMutate(data, size, capacity);
    if (data[0] % 4 == 2 && size > WAL_GROUP_HEADER_BYTES) {
        mutate_field(&random, data + 1, &part_group);
        if (random_chance(&random, 2))
            store_u32(data + 1 + WAL_GROUP_PAYLOAD_BYTES, (uint32_t)(size - 1 - WAL_GROUP_HEADER_BYTES));
        return size;
    }
    if (data[0] % 4 == 3)
        return LLVMFuzzerMutate(data, size, capacity);
    uint8_t *payload = data + DECODE_HEADER_BYTES;
    size_t bytes = size - DECODE_HEADER_BYTES;
    for (uint64_t i = random_below(&random, 3) + 1; i > 0; i--)
        bytes = mutate_records(&random, payload, bytes, capacity - DECODE_HEADER_BYTES);
    if (bytes >= BATCH_HEADER_BYTES && random_chance(&random, 2)) {
        bytes = repair_batch(payload, bytes);
        data[1] = 1;
    } else if (random_chance(&random, 4)) {
        mutate_number(&random, data + 1 + random_below(&random, 2), 1);
    }
    return DECODE_HEADER_BYTES + bytes;
}

/* Batches of both, one behind the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    (void)seed;
    if (size1 < DECODE_HEADER_BYTES || size2 < DECODE_HEADER_BYTES || data1[0] % 4 > 1 || data2[0] % 4 > 1 ||
        size1 + size2 - DECODE_HEADER_BYTES > capacity)
        return 0;
    memcpy(out, data1, size1);
    memcpy(out + size1, data2 + DECODE_HEADER_BYTES, size2 - DECODE_HEADER_BYTES);
    out[1] = (uint8_t)(data1[1] + data2[1]);
    return size1 + size2 - DECODE_HEADER_BYTES;
}
