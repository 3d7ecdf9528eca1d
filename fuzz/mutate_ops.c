/*
 * mutate_ops.c - the custom mutator of fuzz_ops: works on operations of four bytes.
 *
 * Purpose: a byte that is inserted or lost shifts all operations behind it into others; here operations are
 * inserted, repeated, moved, dropped and changed whole.  Now and then the fuzzer's own mutations have their turn,
 * which know comparisons. Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the
 * fuzzer's.
 */
#include <string.h>

#include "../faults/random.h"
#include "mutate.h"
#include "ops.h"

/* Puts n operations in at index `at`; returns the new count. */
static size_t insert(uint8_t *ops, size_t count, size_t at, const uint8_t *from, size_t n)
{
    memmove(ops + (at + n) * OPS_BYTES, ops + at * OPS_BYTES, (count - at) * OPS_BYTES);
    memcpy(ops + at * OPS_BYTES, from, n * OPS_BYTES);
    return count + n;
}

static size_t mutate_once(random_stream *random, uint8_t *ops, size_t count, size_t room)
{
    uint8_t some[8 * OPS_BYTES];
    size_t at = (size_t)random_below(random, count + 1), n = 1 + (size_t)random_below(random, 8);
    uint8_t *one = count ? ops + random_below(random, count) * OPS_BYTES : NULL;
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
        memcpy(some, ops + random_below(random, count - n + 1) * OPS_BYTES, n * OPS_BYTES);
        return insert(ops, count, at, some, n);
    case 3: /* some go */
        if (at >= count)
            return count;
        n = n < count - at ? n : count - at;
        memmove(ops + at * OPS_BYTES, ops + (at + n) * OPS_BYTES, (count - at - n) * OPS_BYTES);
        return count - n;
    case 4: /* another operation on the same arguments */
        if (one)
            one[0] = (uint8_t)random_below(random, OPS_KINDS);
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

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    size_t limit = OPS_HEADER_BYTES + OPS_MAX * OPS_BYTES;
    limit = limit < capacity ? limit : capacity;
    if (size > limit)
        size = limit;
    if (size < OPS_HEADER_BYTES || random_chance(&random, 16))
        return LLVMFuzzerMutate(data, size, limit);
    if (random_chance(&random, 20))
        data[random_below(&random, OPS_HEADER_BYTES)] = (uint8_t)random_next(&random);
    size_t count = (size - OPS_HEADER_BYTES) / OPS_BYTES, room = (limit - OPS_HEADER_BYTES) / OPS_BYTES;
    for (uint64_t i = (uint64_t)1 << random_below(&random, 4); i > 0; i--)
        count = mutate_once(&random, data + OPS_HEADER_BYTES, count, room);
    return OPS_HEADER_BYTES + count * OPS_BYTES;
}

/* The beginning of one, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    size_t a = size1 > OPS_HEADER_BYTES ? (size1 - OPS_HEADER_BYTES) / OPS_BYTES : 0;
    size_t b = size2 > OPS_HEADER_BYTES ? (size2 - OPS_HEADER_BYTES) / OPS_BYTES : 0;
    size_t head = (size_t)random_below(&random, a + 1) * OPS_BYTES;
    size_t skip = (size_t)random_below(&random, b + 1) * OPS_BYTES;
    size_t tail = b * OPS_BYTES - skip;
    if (size1 < OPS_HEADER_BYTES || OPS_HEADER_BYTES + head + tail > capacity)
        return 0;
    memcpy(out, data1, OPS_HEADER_BYTES + head);
    memcpy(out + OPS_HEADER_BYTES + head, data2 + OPS_HEADER_BYTES + skip, tail);
    return OPS_HEADER_BYTES + head + tail;
}
