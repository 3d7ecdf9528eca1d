/*
 * words.c - reading small texts of words (words.h).
 */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

words_reader words_begin(const char *text, size_t bytes, words_error *error)
{
    return (words_reader){
        .at = text, .end = text + bytes, .line_start = text, .word = text, .line = 1, .error = error
    };
}

bool words_refuse(words_reader *r, const char *format, ...)
{
    char expected[140];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    r->error->line = r->line;
    r->error->column = (unsigned)(r->word - r->line_start) + 1;
    if (r->size)
        snprintf(r->error->text, sizeof r->error->text, "%s, not '%.*s'", expected, r->size < 40 ? (int)r->size : 40,
                 r->word);
    else
        snprintf(r->error->text, sizeof r->error->text, "%s, not the end of the line", expected);
    return false;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool words_next(words_reader *r)
{
    while (r->at < r->end && blank(*r->at))
        r->at++;
    r->word = r->at;
    if (r->at < r->end && *r->at != '#')
        while (r->at < r->end && *r->at != '\n' && !blank(*r->at))
            r->at++;
    r->size = (size_t)(r->at - r->word);
    return r->size > 0;
}

bool words_rest(words_reader *r)
{
    while (r->at < r->end && blank(*r->at))
        r->at++;
    r->word = r->at;
    while (r->at < r->end && *r->at != '\n')
        r->at++;
    const char *end = r->at;
    while (end > r->word && blank(end[-1]))
        end--;
    r->size = (size_t)(end - r->word);
    return r->size > 0;
}

bool words_is(const words_reader *r, const char *text)
{
    return r->size == strlen(text) && !memcmp(r->word, text, r->size);
}

bool words_next_line(words_reader *r)
{
    const char *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!end)
        return false;
    r->at = r->line_start = end + 1;
    r->line++;
    return true;
}

bool words_digits(const char *text, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size; i++) {
        const unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || *value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return size > 0;
}

bool words_number(words_reader *r, uint64_t least, uint64_t *value)
{
    words_next(r);
    return (words_digits(r->word, r->size, value) && *value >= least) ||
           words_refuse(r, "expected a number from %llu", (unsigned long long)least);
}
