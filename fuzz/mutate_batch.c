/*
 * mutate_batch.c - the custom mutator of fuzz_batch: works on records, batch headers and group headers; lengths and
 * counts of batches are made right again half of the time.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../engine/record_format.h"
#include "../engine/wal_format.h"
#include "mutate.h"
#include "parts.h"

enum { DECODE_HEADER_BYTES = 3, RECORDS_SEEN_MAX = 64 };

/* The records of the first batches, by their lengths; offsets from the payload's beginning. */
static size_t find_records(const uint8_t *payload, size_t size, size_t at[RECORDS_SEEN_MAX])
{
    size_t count = 0, next = BATCH_HEADER_BYTES;
    while (count < RECORDS_SEEN_MAX && next + RECORD_HEADER_BYTES <= size) {
        at[count++] = next;
        next += record_bytes(payload + next);
    }
    return count;
}

/* One batch of everything that is a record. Returns the payload's bytes. */
static size_t repair_batch(uint8_t *payload, size_t size)
{
    size_t used = BATCH_HEADER_BYTES, count = 0;
    while (used < size && record_check(payload + used, size - used)) {
        used += record_bytes(payload + used);
        count++;
    }
    memset(payload, 0, BATCH_HEADER_BYTES);
    store_u32(payload + BATCH_OPS_BYTES, (uint32_t)(used - BATCH_HEADER_BYTES));
    store_u32(payload + BATCH_OP_COUNT, (uint32_t)count);
    return used;
}

static size_t mutate_payload(random_stream *random, uint8_t *payload, size_t size, size_t room)
{
    size_t at[RECORDS_SEEN_MAX], count = find_records(payload, size, at);
    if (count == 0 || random_chance(random, 8))
        return LLVMFuzzerMutate(payload, size, room);
    uint8_t *record = payload + at[random_below(random, count)];
    size_t left = size - (size_t)(record - payload), bytes = record_bytes(record);
    switch (random_below(random, 6)) {
    case 0:
        mutate_number(random, record + RECORD_KIND, 1);
        record[RECORD_KIND] %= 6;
        return size;
    case 1:
        record[RECORD_FLAGS] ^= 1;
        return size;
    case 2:
        mutate_number(random, record + RECORD_KEY_BYTES, 2);
        return size;
    case 3:
        mutate_number(random, record + RECORD_VALUE_BYTES, 4);
        return size;
    case 4: /* once more */
        if (bytes > left || bytes > room - size)
            return size;
        memmove(record + bytes, record, left);
        return size + bytes;
    default:
        mutate_number(random, record + random_below(random, left), 1);
        return size;
    }
}

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
        bytes = mutate_payload(&random, payload, bytes, capacity - DECODE_HEADER_BYTES);
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
