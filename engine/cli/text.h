/*
 * text.h - bytes as text and back: for people (escapes), hex, base64, JSON members.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <jansson.h>
#include <stdio.h>

#include "buffer.h"

bool text_is_utf8(levin_slice bytes);

/*
 * For people: printable UTF-8 as it is; backslash, controls, and every byte over 0x7f of what is no UTF-8, escaped as
 * \\ \n \t \r \xHH.  Harmless on a terminal.
 */
void text_print(FILE *out, levin_slice bytes);
void text_print_hex(FILE *out, levin_slice bytes);
/* Appends the bytes that pairs of hex digits spell.  False, and nothing appended, when they don't. */
bool text_unhex(const char *digits, buffer *out);

/* RFC 4648, padded. */
void text_base64(levin_slice bytes, buffer *out);
/* False when the text is not the one base64 form of some bytes. */
bool text_unbase64(const char *text, size_t size, buffer *out);

/* Adds bytes to a JSON object: as string NAME when they are UTF-8, otherwise as base64 in NAME_base64. */
void text_json_add(json_t *object, const char *name, levin_slice bytes);
/* One line of compact JSON. */
void text_json_print(FILE *out, const json_t *object);

#endif
