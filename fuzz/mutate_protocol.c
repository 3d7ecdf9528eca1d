/*
 * mutate_protocol.c - the custom mutator of fuzz_protocol: works on frames, and makes most lengths right again.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../faults/random.h"
#include "mutate.h"
#include "protocol_input.h"

enum { LENGTH_BYTES = 4, KEY_AT = LENGTH_BYTES + 1, FRAMES_MAX = 64, FRAME_NEW_MAX = 40 };

static uint32_t load(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* Where frames begin, as their lengths say, and where the last one ends, at `size` at most. */
static unsigned frames(const uint8_t *data, size_t size, size_t at[FRAMES_MAX + 1])
{
    unsigned count = 0;
    size_t next = 0;
    while (count < FRAMES_MAX && next < size) {
        at[count++] = next;
        const size_t left = size - next;
        const uint32_t bytes = left < LENGTH_BYTES ? 0 : load(data + next);
        next += left < LENGTH_BYTES || bytes > left - LENGTH_BYTES ? left : LENGTH_BYTES + bytes;
    }
    at[count] = next;
    return count;
}

static size_t remove_bytes(uint8_t *data, size_t size, size_t at, size_t bytes)
{
    memmove(data + at, data + at + bytes, size - at - bytes);
    return size - bytes;
}

/* A frame like many: a result or a pair, with a short payload. */
static size_t frame_make(random_stream *random, uint8_t frame[LENGTH_BYTES + 1 + FRAME_NEW_MAX])
{
    static const uint8_t types[] = { 0, 0, 1, 2, 3, 4, PROTOCOL_PAIR, PROTOCOL_PAIR, PROTOCOL_PAIR, 5 };
    size_t payload = random_chance(random, 2) ? 0 : (size_t)random_below(random, FRAME_NEW_MAX);
    frame[LENGTH_BYTES] = types[random_below(random, sizeof types)];
    random_fill(random, frame + KEY_AT, FRAME_NEW_MAX);
    if (frame[LENGTH_BYTES] == PROTOCOL_PAIR) {
        payload = payload < LENGTH_BYTES ? LENGTH_BYTES : payload;
        store(frame + KEY_AT, (uint32_t)random_below(random, payload - LENGTH_BYTES + 1));
    }
    store(frame, (uint32_t)(1 + payload));
    return KEY_AT + payload;
}

static void number_change(random_stream *random, uint8_t *at)
{
    static const uint32_t numbers[] = { 0, 1, 5, 255, PROTOCOL_FRAME_MAX, PROTOCOL_FRAME_MAX + 1, UINT32_MAX };
    if (random_chance(random, 2))
        store(at, load(at) + (random_chance(random, 2) ? 1 : UINT32_MAX));
    else
        store(at, numbers[random_below(random, sizeof numbers / sizeof numbers[0])]);
}

static size_t answers_mutate(random_stream *random, uint8_t *data, size_t size, size_t room)
{
    size_t at[FRAMES_MAX + 1];
    const unsigned count = frames(data, size, at);
    const unsigned i = count ? (unsigned)random_below(random, count) : 0;
    const size_t begin = count ? at[i] : 0, bytes = count ? at[i + 1] - begin : 0;
    uint8_t some[LENGTH_BYTES + 1 + FRAME_NEW_MAX];
    const uint64_t choice = count ? random_below(random, 12) : 0;
    if (choice < 3) { /* one more before it */
        const size_t n = frame_make(random, some);
        if (n > room - size)
            return size;
        memmove(data + begin + n, data + begin, size - begin);
        memcpy(data + begin, some, n);
        return size + n;
    }
    if (choice == 3)
        return remove_bytes(data, size, begin, bytes);
    if (choice == 4) /* the program ends */
        return begin + (size_t)random_below(random, bytes + 1);
    if (bytes <= LENGTH_BYTES)
        return LLVMFuzzerMutate(data, size, room);
    if (choice == 5)
        number_change(random, data + begin);
    else if (choice == 6 && bytes >= KEY_AT + LENGTH_BYTES)
        number_change(random, data + begin + KEY_AT);
    else if (choice == 7)
        data[begin + LENGTH_BYTES] = random_chance(random, 2) ? PROTOCOL_PAIR : (uint8_t)random_below(random, 20);
    else if (choice < 10) /* the last frame may grow or shrink, and says so */
        if (i + 1 == count) {
            const size_t now = LLVMFuzzerMutate(data + begin + LENGTH_BYTES, bytes - LENGTH_BYTES,
                                                room - begin - LENGTH_BYTES);
            if (!random_chance(random, 4))
                store(data + begin, (uint32_t)now);
            return begin + LENGTH_BYTES + now;
        } else {
            LLVMFuzzerMutate(data + begin + LENGTH_BYTES, bytes - LENGTH_BYTES, bytes - LENGTH_BYTES);
        }
    else /* one byte of a text, a key, a value */
        data[begin + LENGTH_BYTES + random_below(random, bytes - LENGTH_BYTES)] = (uint8_t)random_next(random);
    return size;
}

/* Bytes before what the program sends; 0: the input is not of that form. */
static size_t header_bytes(const uint8_t *data, size_t size)
{
    if (size < 2 || data[0] & PROTOCOL_INPUT_REQUESTS)
        return 0;
    const size_t bytes = 3 + data[1] % PROTOCOL_INPUT_ASKED_MAX;
    return size < bytes ? 0 : bytes;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    const size_t room = capacity < PROTOCOL_INPUT_MAX ? capacity : PROTOCOL_INPUT_MAX;
    size = size < room ? size : room;
    const size_t header = header_bytes(data, size);
    if (!header || random_chance(&random, 8))
        return LLVMFuzzerMutate(data, size, room);
    if (random_chance(&random, 8)) /* how it comes, and what was asked; the number of requests would shift all */
        data[random_chance(&random, 2) ? 0 : 2 + random_below(&random, header - 2)] =
            (uint8_t)random_below(&random, 128);
    for (uint64_t i = random_below(&random, 4) + 1; i > 0; i--)
        size = header + answers_mutate(&random, data + header, size - header, room - header);
    return size;
}

/* The front of one, the end of the other, each cut between frames. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    const size_t header1 = header_bytes(data1, size1), header2 = header_bytes(data2, size2);
    size_t at1[FRAMES_MAX + 1], at2[FRAMES_MAX + 1];
    if (!header1 || !header2)
        return 0;
    const unsigned count1 = frames(data1 + header1, size1 - header1, at1);
    const unsigned count2 = frames(data2 + header2, size2 - header2, at2);
    const size_t front = header1 + at1[random_below(&random, count1 + 1)];
    const size_t cut = header2 + at2[random_below(&random, count2 + 1)];
    if (front + size2 - cut > capacity || front + size2 - cut > PROTOCOL_INPUT_MAX)
        return 0;
    memcpy(out, data1, front);
    memcpy(out + front, data2 + cut, size2 - cut);
    return front + size2 - cut;
}
