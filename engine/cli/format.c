/*
 * format.c - what the formats share: choice, options, places of errors.
 */
#include "format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const format *const formats[] = { &format_deb822, &format_tsv, &format_ndjson };

const format *format_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (!strcmp(formats[i]->name, name))
            return formats[i];
    return NULL;
}

const format *format_by_file(const char *file)
{
    const char *dot = file ? strrchr(file, '.') : NULL;
    if (dot && !strcmp(dot, ".tsv"))
        return &format_tsv;
    if (dot && (!strcmp(dot, ".ndjson") || !strcmp(dot, ".jsonl")))
        return &format_ndjson;
    return &format_deb822;
}

static bool parse_column(const char *text, unsigned *column)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || *end || text[0] < '1' || text[0] > '9' || number > 10000)
        return false;
    *column = (unsigned)number;
    return true;
}

bool format_option(format_options *options, int c, const char *argument, const char **error)
{
    switch (c) {
    case OPT_KEY: options->key = argument; break;
    case OPT_VALUE: options->value = argument; break;
    case OPT_SEPARATOR: options->separator = argument; break;
    case OPT_WHOLE: options->whole = true; break;
    case OPT_KEY_COLUMN:
        if (!parse_column(argument, &options->key_column))
            *error = "--key-column wants a number from 1";
        break;
    case OPT_VALUE_COLUMN:
        if (!parse_column(argument, &options->value_column))
            *error = "--value-column wants a number from 1";
        break;
    default: return false;
    }
    return true;
}

const char *format_keyspaces_clash(const format *chosen, const format_options *options, const char *keyspace)
{
    return !options->keyspaces       ? NULL
           : !chosen->write_keyspace ? "--all-keyspaces goes with --format ndjson"
           : options->whole          ? "--all-keyspaces does not go with --whole"
           : keyspace                ? "--keyspace or --all-keyspaces, not both"
                                     : NULL;
}

enum read_result reader_malformed(reader *r, uint64_t line, size_t column, const char *text, ...)
{
    va_list arguments;
    r->bad_line = line;
    r->bad_column = column;
    va_start(arguments, text);
    vsnprintf(r->why, sizeof r->why, text, arguments);
    va_end(arguments);
    return READ_MALFORMED;
}

enum read_result reader_stopped(reader *r, enum source_result result)
{
    switch (result) {
    case SOURCE_INTERRUPTED: return READ_INTERRUPTED;
    case SOURCE_END: return READ_END;
    case SOURCE_TOO_LONG:
        r->bad_line = r->in.line + 1;
        snprintf(r->why, sizeof r->why, "line %llu is longer than any value can be",
                 (unsigned long long)r->bad_line);
        return READ_FAILED;
    default: snprintf(r->why, sizeof r->why, "%s", strerror(r->in.os_error)); return READ_FAILED;
    }
}
