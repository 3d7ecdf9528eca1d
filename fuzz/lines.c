/*
 * lines.c - mutations of texts by lines and words (lines.h).
 *
 * Invariants: a pure function of (input, stream of random numbers).
 */
#include "lines.h"

#include <string.h>

/* A line of the text, with its newline when it has one. */
span lines_pick(random_stream *random, const uint8_t *text, size_t size)
{
    size_t at = (size_t)random_below(random, size), end = at;
    while (at && text[at - 1] != '\n')
        at--;
    while (end < size && text[end] != '\n')
        end++;
    return (span){ at, end - at + (end < size) };
}

/* Puts bytes in at a place; returns the new size, or the old one when there is no room. */
static size_t insert(uint8_t *text, size_t size, size_t room, size_t at, const void *bytes, size_t n)
{
    if (n > room - size)
        return size;
    memmove(text + at + n, text + at, size - at);
    memcpy(text + at, bytes, n);
    return size + n;
}

size_t lines_mutate(random_stream *random, uint8_t *text, size_t size, size_t room)
{
    uint8_t copy[512];
    const span one = lines_pick(random, text, size), other = lines_pick(random, text, size);
    switch (random_below(random, 4)) {
    case 0: /* a line goes */
        memmove(text + one.at, text + one.at + one.bytes, size - one.at - one.bytes);
        return size - one.bytes;
    case 1: /* a line once more, before another */
        if (one.bytes > sizeof copy)
            return size;
        memcpy(copy, text + one.at, one.bytes);
        return insert(text, size, room, other.at, copy, one.bytes);
    case 2: /* letters in the other case */
        for (size_t i = one.at; i < one.at + one.bytes; i++)
            if ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z' && random_chance(random, 3))
                text[i] ^= 32;
        return size;
    default: /* cut off inside a line */
        return one.at + (size_t)random_below(random, one.bytes + 1);
    }
}

size_t lines_insert_word(random_stream *random, const levin_slice *words, size_t count, uint8_t *text, size_t size,
                         size_t room)
{
    const levin_slice word = words[random_below(random, count)];
    return insert(text, size, room, (size_t)random_below(random, size + 1), word.data, word.size);
}
