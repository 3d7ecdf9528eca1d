/*
 * lines.h - what the mutators of texts share: lines go, come again, are cut off; words come in.
 */
#ifndef LEVIN_FUZZ_LINES_H
#define LEVIN_FUZZ_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "../engine/levin.h"
#include "../faults/random.h"

typedef struct span {
    size_t at, bytes;
} span;

/* A line of the text, which is not empty, with its newline when it has one. */
span lines_pick(random_stream *random, const uint8_t *text, size_t size);
/* One change by lines of a text that is not empty; returns its size. room: the most that it may have. */
size_t lines_mutate(random_stream *random, uint8_t *text, size_t size, size_t room);
/* One of the words somewhere; the text stays as it is when there is no room. */
size_t lines_insert_word(random_stream *random, const levin_slice *words, size_t count, uint8_t *text, size_t size,
                         size_t room);

#endif
