/*
 * words.h - reading small texts of words, a line at a time, such that what was not expected has its place.
 *
 * Words are apart by blanks; '#' at the beginning of a word ends the line. One thread a reader.
 */
#ifndef LEVIN_FAULTS_WORDS_H
#define LEVIN_FAULTS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct words_error {
    unsigned line, column; /* from 1, in bytes */
    char text[200];        /* what was expected, and what was found */
} words_error;

typedef struct words_reader {
    const char *at, *end, *line_start;
    const char *word; /* the word read last, of `size` bytes; 0: the end of the line */
    size_t size;
    unsigned line;
    words_error *error;
} words_reader;

/* The text outlives the reader. */
words_reader words_begin(const char *text, size_t bytes, words_error *error);
/* The next word of the line. False: there is none. */
bool words_next(words_reader *r);
/* To the line after; false at the end of the text. */
bool words_next_line(words_reader *r);
/* Whether the word read last is this one. */
bool words_is(const words_reader *r, const char *text);
/* Decimal digits alone, within 64 bits. */
bool words_digits(const char *text, size_t size, uint64_t *value);
/* The next word, a number of at least `least`; or refuses it. */
bool words_number(words_reader *r, uint64_t least, uint64_t *value);
/* The rest of the line without the blanks around it, '#' included, becomes the word. False: it is empty. */
bool words_rest(words_reader *r);
/* Fills the error: what was expected instead of the word. Returns false. */
bool words_refuse(words_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
