/*
 * mutate_iter.c - the custom mutator of fuzz_iter: works on steps of two bytes, so that one more or one less does not
 * turn all behind it into others.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../faults/random.h"
#include "mutate.h"

enum { STEP = 2, RUN_MAX = 16 };

static size_t mutate_once(random_stream *random, uint8_t *steps, size_t count, size_t room)
{
    uint8_t some[RUN_MAX * STEP];
    size_t at = (size_t)random_below(random, count + 1), n = 1 + (size_t)random_below(random, RUN_MAX);
    switch (random_below(random, 6)) {
    case 0: /* new ones, or some once more */
    case 1:
        random_fill(random, some, sizeof some);
        if (count >= n && random_chance(random, 2))
            memcpy(some, steps + random_below(random, count - n + 1) * STEP, n * STEP);
        else
            n = 1 + n % 3;
        if (n > room - count)
            return count;
        memmove(steps + (at + n) * STEP, steps + at * STEP, (count - at) * STEP);
        memcpy(steps + at * STEP, some, n * STEP);
        return count + n;
    case 2: /* some go */
        n = n < count - at ? n : count - at;
        memmove(steps + at * STEP, steps + (at + n) * STEP, (count - at - n) * STEP);
        return count - n;
    case 3:
        if (at < count)
            steps[at * STEP] = (uint8_t)random_next(random);
        return count;
    case 4:
        if (at < count)
            steps[at * STEP + 1] = (uint8_t)random_next(random);
        return count;
    default:
        if (at < count)
            steps[at * STEP + 1] += random_chance(random, 2) ? 1 : 0xff;
        return count;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    size_t limit = capacity < 513 ? capacity : 513;
    size = size < limit ? size : limit;
    if (size < 1 || random_chance(&random, 16))
        return LLVMFuzzerMutate(data, size, limit);
    if (random_chance(&random, 20))
        data[0] ^= 1;
    size_t count = (size - 1) / STEP;
    for (uint64_t i = random_below(&random, 4) + 1; i > 0; i--)
        count = mutate_once(&random, data + 1, count, (limit - 1) / STEP);
    return 1 + count * STEP;
}

/* The beginning of one, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    if (!size1 || !size2)
        return 0;
    size_t head = (size_t)random_below(&random, (size1 - 1) / STEP + 1) * STEP + 1;
    size_t skip = (size_t)random_below(&random, (size2 - 1) / STEP + 1) * STEP + 1, tail = size2 - skip;
    if (head + tail > capacity)
        return 0;
    memcpy(out, data1, head);
    memcpy(out + head, data2 + skip, tail);
    return head + tail;
}
