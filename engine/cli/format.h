/*
 * format.h - records of the three text formats, as `levin import` reads and `levin export` writes them.
 *
 * For every format: importing what was exported gives the same store, for any bytes in keys and values (deb822: for
 * values that are control stanzas; others are refused).  Each format's file says which texts come back byte for byte.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stdio.h>

#include "buffer.h"
#include "source.h"

typedef struct format_options {
    const char *key;       /* field names, with commas between; NULL: the format's default */
    const char *value;     /* field name; NULL: the format's default */
    const char *separator; /* between the parts of a key of several fields */
    unsigned key_column, value_column; /* tsv, from 1 */
    bool whole;            /* ndjson: the value is the line */
    bool keyspaces;        /* ndjson: a record names its keyspace, if it is not in the default one */
    levin_slice keyspace;  /* with that, of the records that are written; data NULL: the default one */
} format_options;

enum read_result {
    READ_RECORD,
    READ_KEYSPACE,    /* with options->keyspaces: a line that says no more than that there is this one */
    READ_END,
    READ_MALFORMED,   /* where and why are filled; the next read goes on after it */
    READ_INTERRUPTED,
    READ_FAILED       /* the source cannot be read; why is filled */
};

typedef struct reader {
    const struct format *format;
    const format_options *options;
    source in;
    buffer key, value;    /* the record read last */
    buffer keyspace;      /* with options->keyspaces; empty: the default one */
    uint64_t line;        /* where it begins */
    uint64_t bad_line;    /* where what is malformed stands, from 1 */
    size_t bad_column;    /* in bytes, from 1 */
    char why[200];
} reader;

typedef struct format {
    const char *name;
    enum read_result (*read)(reader *r);
    /* NULL, or why this pair cannot be written in this format.  Errors of the stream stay in the stream. */
    const char *(*write)(FILE *out, const format_options *options, levin_slice key, levin_slice value);
    /* With options->keyspaces, a line that says that there is options->keyspace; NULL: records cannot name theirs. */
    void (*write_keyspace)(FILE *out, const format_options *options);
} format;

extern const format format_deb822, format_tsv, format_ndjson;

/* By name, or NULL. */
const format *format_by_name(const char *name);
/* By the ending of a file's name (.tsv, .ndjson, .jsonl); deb822 for all others. */
const format *format_by_file(const char *file);
/* The options that import and export share; val is the option's value in the table below.  False: not one of them. */
bool format_option(format_options *options, int c, const char *argument, const char **error);
#define FORMAT_DEFAULTS { .separator = "/", .key_column = 1, .value_column = 2 }
enum { OPT_KEY = 256, OPT_VALUE, OPT_SEPARATOR, OPT_KEY_COLUMN, OPT_VALUE_COLUMN, OPT_WHOLE, OPT_FORMAT_LAST };
#define FORMAT_OPTIONS                                                                                          \
    { "key", required_argument, NULL, OPT_KEY }, { "value", required_argument, NULL, OPT_VALUE },               \
    { "separator", required_argument, NULL, OPT_SEPARATOR },                                                    \
    { "key-column", required_argument, NULL, OPT_KEY_COLUMN },                                                  \
    { "value-column", required_argument, NULL, OPT_VALUE_COLUMN }, { "whole", no_argument, NULL, OPT_WHOLE }

/* NULL, or why options->keyspaces, if it is set, does not go with the others. keyspace: NULL for none. */
const char *format_keyspaces_clash(const format *chosen, const format_options *options, const char *keyspace);

/* For the formats: marks what is malformed, and turns the ends of a source into results. */
enum read_result reader_malformed(reader *r, uint64_t line, size_t column, const char *text, ...)
    __attribute__((format(printf, 4, 5)));
enum read_result reader_stopped(reader *r, enum source_result result);

#endif
