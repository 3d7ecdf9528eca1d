/*
 * plain_text.h - the texts of `levin import` and `levin export` read plainly, as the comments on top of
 * engine/cli/format_*.c describe them: what fuzz_import compares the tool with.
 *
 * Whole texts in memory; no code is shared with the tool.
 * Concurrency: pure functions over their arguments.
 */
#ifndef LEVIN_FUZZ_PLAIN_TEXT_H
#define LEVIN_FUZZ_PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow; zeroed is empty. */
typedef struct plain_bytes {
    uint8_t *data;
    size_t size, capacity;
} plain_bytes;
void plain_bytes_add(plain_bytes *b, const void *data, size_t size);

/* One record, or one place that is malformed. */
typedef struct plain_record_text {
    bool malformed;
    uint64_t line;  /* where it begins; malformed: where that stands */
    size_t column;  /* malformed: in bytes, from 1 */
    plain_bytes key, value;
} plain_record_text;

/* What has been read so far; owns the records. */
typedef struct plain_text {
    const uint8_t *text;
    size_t size;
    plain_record_text *records;
    size_t count, capacity;
} plain_text;

/* One more; returns where it stands now. */
plain_record_text *plain_text_add(plain_text *t, const plain_record_text *record);
void plain_tsv(plain_text *t, unsigned key_column, unsigned value_column);
/* keys: up to two field names, the second may be NULL; value NULL: the stanza. */
void plain_deb822(plain_text *t, const char *const keys[2], const char *separator, const char *value);
void plain_text_fini(plain_text *t);

/* RFC 4648, padded, in place. False: not the one base64 form of some bytes. */
bool plain_unbase64(plain_bytes *b);
/*
 * One line of NDJSON as it is written: {"KEY":"...","VALUE":"..."}, either member under its name with _base64.  False:
 * it is none.
 */
bool plain_ndjson_line(const uint8_t *line, size_t size, const char *key_name, const char *value_name, plain_bytes *key,
                       plain_bytes *value);

#endif
