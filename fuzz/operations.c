/*
 * operations.c - mutations of inputs that are a header and operations of four bytes (operations.h).
 *
 * A byte that is inserted or lost shifts all operations behind it into others; here operations are inserted, repeated,
 * moved, dropped and changed whole.
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include "operations.h"

#include <string.h>

#include "../faults/random.h"
#include "mutate.h"

/* Puts n operations in at index `at`; returns the new count. */
static size_t insert(uint8_t *ops, size_t count, size_t at, const uint8_t *from, size_t n)
{
    memmove(ops + (at + n) * OPERATION_BYTES, ops + at * OPERATION_BYTES, (count - at) * OPERATION_BYTES);
    memcpy(ops + at * OPERATION_BYTES, from, n * OPERATION_BYTES);
    return count + n;
}

static size_t mutate_once(random_stream *random, unsigned kinds, uint8_t *ops, size_t count, size_t room)
{
    uint8_t some[8 * OPERATION_BYTES];
    size_t at = (size_t)random_below(random, count + 1), n = 1 + (size_t)random_below(random, 8);
    uint8_t *one = count ? ops + random_below(random, count) * OPERATION_BYTES : NULL;
    switch (random_below(random, 7)) {
    case 0:
    case 1: /* new ones */
        n = n > 4 ? n - 4 : 1;
        if (n > room - count)
            return count;
        random_fill(random, some, sizeof some);
        return insert(ops, count, at, some, n);
    case 2: /* some once more, elsewhere */
        n = n < count ? n : count;
        if (!n || n > room - count)
            return count;
        memcpy(some, ops + random_below(random, count - n + 1) * OPERATION_BYTES, n * OPERATION_BYTES);
        return insert(ops, count, at, some, n);
    case 3: /* some go */
        if (at >= count)
            return count;
        n = n < count - at ? n : count - at;
        memmove(ops + at * OPERATION_BYTES, ops + (at + n) * OPERATION_BYTES, (count - at - n) * OPERATION_BYTES);
        return count - n;
    case 4: /* another operation on the same arguments */
        if (one)
            one[0] = (uint8_t)random_below(random, kinds);
        return count;
    case 5:
        if (one)
            one[1 + random_below(random, 3)] = (uint8_t)random_next(random);
        return count;
    default:
        if (one)
            one[1 + random_below(random, 3)] += random_chance(random, 2) ? 1 : 0xff;
        return count;
    }
}

size_t operations_mutate(const operations_shape *shape, uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    size_t limit = shape->header_bytes + shape->most * OPERATION_BYTES;
    limit = limit < capacity ? limit : capacity;
    if (size > limit)
        size = limit;
    if (size < shape->header_bytes || random_chance(&random, 16))
        return LLVMFuzzerMutate(data, size, limit);
    if (random_chance(&random, 20))
        data[random_below(&random, shape->header_bytes)] = (uint8_t)random_next(&random);
    uint8_t *ops = data + shape->header_bytes;
    size_t count = (size - shape->header_bytes) / OPERATION_BYTES;
    const size_t room = (limit - shape->header_bytes) / OPERATION_BYTES;
    for (uint64_t i = (uint64_t)1 << random_below(&random, 4); i > 0; i--)
        count = mutate_once(&random, shape->kinds, ops, count, room);
    return shape->header_bytes + count * OPERATION_BYTES;
}

size_t operations_cross(const operations_shape *shape, const uint8_t *data1, size_t size1, const uint8_t *data2,
                        size_t size2, uint8_t *out, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    const size_t header = shape->header_bytes;
    const size_t a = size1 > header ? (size1 - header) / OPERATION_BYTES : 0;
    const size_t b = size2 > header ? (size2 - header) / OPERATION_BYTES : 0;
    const size_t head = (size_t)random_below(&random, a + 1) * OPERATION_BYTES;
    const size_t skip = (size_t)random_below(&random, b + 1) * OPERATION_BYTES;
    const size_t tail = b * OPERATION_BYTES - skip;
    if (size1 < header || header + head + tail > capacity)
        return 0;
    memcpy(out, data1, header + head);
    memcpy(out + header + head, data2 + header + skip, tail);
    return header + head + tail;
}
