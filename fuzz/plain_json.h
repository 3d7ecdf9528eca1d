/*
 * plain_json.h - NDJSON for `levin import`, read plainly: RFC 8259 as the comment on top of engine/cli/format_ndjson.c
 * and the manual of jansson narrow it.
 *
 * A line is one value, an object or an array, nested at most 2048 deep; UTF-8; no name twice in an object, no NUL in a
 * name; integers within 64 bits, other numbers within what a double holds.  No code is shared with the tool.
 * Concurrency: pure functions over their arguments.
 */
#ifndef LEVIN_FUZZ_PLAIN_JSON_H
#define LEVIN_FUZZ_PLAIN_JSON_H

#include "plain_text.h"

/* Each line is a record or malformed, whose column nobody says here: 0. whole: the value is the line. */
void plain_ndjson(plain_text *t, const char *key_name, const char *value_name, bool whole);

#endif
