/*
 * plain_text.c - tab-separated lines, control stanzas and NDJSON, read plainly (plain_text.h).
 *
 * Invariants: no byte outside of the text is read.
 */
#include "plain_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../faults/fatal.h"

void plain_bytes_add(plain_bytes *b, const void *data, size_t size)
{
    if (!size)
        return;
    if (b->capacity - b->size < size) {
        b->capacity = 2 * (b->size + size);
        b->data = fatal_realloc(b->data, b->capacity);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

plain_record_text *plain_text_add(plain_text *t, const plain_record_text *record)
{
    if (t->count == t->capacity) {
        t->capacity = 2 * t->capacity + 16;
        t->records = fatal_realloc(t->records, t->capacity * sizeof *t->records);
    }
    t->records[t->count] = *record;
    return &t->records[t->count++];
}

static plain_record_text *add(plain_text *t, uint64_t line)
{
    const plain_record_text record = { .line = line };
    return plain_text_add(t, &record);
}

static void spoil(plain_record_text *r, uint64_t line, size_t column)
{
    r->malformed = true;
    r->line = line;
    r->column = column;
}

void plain_text_fini(plain_text *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->records[i].key.data);
        free(t->records[i].value.data);
    }
    free(t->records);
}

/* The end of the line that begins at `at`: its newline, or the end of the text. */
static size_t line_end(const plain_text *t, size_t at)
{
    while (at < t->size && t->text[at] != '\n')
        at++;
    return at;
}

/* ---- tab-separated ---------------------------------------------------------------------------------------- */

/* Bytes of one column without its escapes; false: a wrong one at *at. */
static bool tsv_column(const plain_text *t, size_t *at, size_t end, plain_bytes *to)
{
    for (; *at < end; ++*at) {
        uint8_t byte = t->text[*at];
        if (byte == '\\') {
            uint8_t next = *at + 1 < end ? t->text[*at + 1] : 0;
            if (next != 't' && next != 'n' && next != '\\')
                return false;
            byte = next == 't' ? '\t' : next == 'n' ? '\n' : '\\';
            ++*at;
        }
        plain_bytes_add(to, &byte, 1);
    }
    return true;
}

static void tsv_line(plain_text *t, plain_record_text *r, size_t begin, size_t end, const unsigned columns[2])
{
    const unsigned last = columns[0] > columns[1] ? columns[0] : columns[1];
    size_t at = begin;
    for (unsigned column = 1; column <= last; column++) {
        size_t stop = at, bad;
        while (stop < end && t->text[stop] != '\t')
            stop++;
        bad = at;
        if (column == columns[0] && !tsv_column(t, &bad, stop, &r->key)) {
            spoil(r, r->line, bad - begin + 1);
            return;
        }
        bad = at;
        if (column == columns[1] && !tsv_column(t, &bad, stop, &r->value)) {
            spoil(r, r->line, bad - begin + 1);
            return;
        }
        if (column == columns[0] && !r->key.size) {
            spoil(r, r->line, at - begin + 1);
            return;
        }
        if (column < last && stop == end) {
            spoil(r, r->line, end - begin + 1);
            return;
        }
        at = stop + 1;
    }
}

void plain_tsv(plain_text *t, unsigned key_column, unsigned value_column)
{
    const unsigned columns[2] = { key_column, value_column };
    uint64_t line = 1;
    for (size_t at = 0, end; at < t->size; at = end + 1, line++) {
        end = line_end(t, at);
        tsv_line(t, add(t, line), at, end, columns);
    }
}

/* ---- control stanzas -------------------------------------------------------------------------------------- */

/* What a line is; a name is what stands before its first colon. */
enum line_kind { LINE_BLANK, LINE_COMMENT, LINE_CONTINUED, LINE_FIELD, LINE_WRONG };

static enum line_kind classify(const plain_text *t, size_t at, size_t end, size_t *column)
{
    size_t i = at;
    while (i < end && (t->text[i] == ' ' || t->text[i] == '\t'))
        i++;
    *column = 1;
    if (i == end)
        return LINE_BLANK;
    if (t->text[at] == '#')
        return LINE_COMMENT;
    if (i > at)
        return LINE_CONTINUED;
    while (i < end && t->text[i] != ':' && t->text[i] > 32 && t->text[i] < 127)
        i++;
    *column = i - at + 1;
    return i < end && i > at && t->text[i] == ':' ? LINE_FIELD : LINE_WRONG;
}

static bool has_name(const plain_text *t, size_t at, size_t end, const char *name)
{
    const size_t bytes = strlen(name);
    return end - at > bytes && t->text[at + bytes] == ':' && !strncasecmp((const char *)t->text + at, name, bytes);
}

/* The text of a field of the whole stanza in [begin, end), which starts at the record's line; false: malformed. */
static bool field_text(const plain_text *t, plain_record_text *r, size_t begin, size_t end, const char *name,
                       plain_bytes *to)
{
    size_t from = 0, to_end = 0, column;
    uint64_t line = r->line;
    bool found = false, inside = false;
    for (size_t at = begin, stop; at < end; at = stop + 1, line++) {
        stop = line_end(t, at);
        enum line_kind kind = classify(t, at, stop, &column);
        if (kind == LINE_CONTINUED && inside)
            to_end = stop;
        if (kind != LINE_FIELD)
            continue;
        inside = has_name(t, at, stop, name);
        if (inside && found) {
            spoil(r, line, 1);
            return false;
        }
        if (inside) {
            found = true;
            from = at + strlen(name) + 1;
            to_end = stop;
        }
    }
    if (!found) {
        spoil(r, r->line, 1);
        return false;
    }
    while (to_end > from && (t->text[to_end - 1] == ' ' || t->text[to_end - 1] == '\t' || t->text[to_end - 1] == '\n'))
        to_end--;
    while (from < to_end && (t->text[from] == ' ' || t->text[from] == '\t'))
        from++;
    plain_bytes_add(to, t->text + from, to_end - from);
    return true;
}

static void stanza_record(const plain_text *t, plain_record_text *r, size_t begin, size_t end,
                          const char *const keys[2], const char *separator, const char *value)
{
    if (!field_text(t, r, begin, end, keys[0], &r->key))
        return;
    if (keys[1]) {
        plain_bytes_add(&r->key, separator, strlen(separator));
        if (!field_text(t, r, begin, end, keys[1], &r->key))
            return;
    }
    if (!r->key.size) {
        spoil(r, r->line, 1);
        return;
    }
    if (value) {
        field_text(t, r, begin, end, value, &r->value);
        return;
    }
    plain_bytes_add(&r->value, t->text + begin, end - begin);
    if (end == begin || t->text[end - 1] != '\n')
        plain_bytes_add(&r->value, "\n", 1);
}

void plain_deb822(plain_text *t, const char *const keys[2], const char *separator, const char *value)
{
    uint64_t line = 1;
    size_t at = 0;
    while (at < t->size) {
        size_t stop = line_end(t, at), column, begin = at;
        if (classify(t, at, stop, &column) == LINE_BLANK) {
            at = stop + 1;
            line++;
            continue;
        }
        plain_record_text *r = add(t, line);
        bool any_field = false;
        for (; at < t->size; at = stop + 1, line++) {
            stop = line_end(t, at);
            enum line_kind kind = classify(t, at, stop, &column);
            if (kind == LINE_BLANK)
                break;
            if (!r->malformed && (kind == LINE_WRONG || (kind == LINE_CONTINUED && !any_field)))
                spoil(r, line, column);
            any_field = any_field || kind == LINE_FIELD;
        }
        if (!r->malformed && !any_field)
            spoil(r, r->line, 1);
        if (!r->malformed)
            stanza_record(t, r, begin, at < t->size ? at : t->size, keys, separator, value);
    }
}

/* ---- NDJSON ----------------------------------------------------------------------------------------------- */

static bool take(const uint8_t **at, const uint8_t *end, const char *text)
{
    const size_t bytes = strlen(text);
    if ((size_t)(end - *at) < bytes || memcmp(*at, text, bytes))
        return false;
    *at += bytes;
    return true;
}

/* One byte that an escape stands for, -1: none. */
static int escaped(const uint8_t **at, const uint8_t *end)
{
    static const char names[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t", hex[] = "0123456789ABCDEF";
    const char *name = *at < end && **at ? strchr(names, **at) : NULL;
    if (name) {
        ++*at;
        return bytes[name - names];
    }
    if (!take(at, end, "u00") || end - *at < 2)
        return -1;
    const char *high = strchr(hex, (*at)[0]), *low = strchr(hex, (*at)[1]);
    if (!(*at)[0] || !(*at)[1] || !high || !low || high - hex > 1)
        return -1;
    *at += 2;
    return (int)((high - hex) * 16 + (low - hex));
}

/* The string behind its opening quote, up to and with the closing one. */
static bool json_string(const uint8_t **at, const uint8_t *end, plain_bytes *to)
{
    while (*at < end && **at != '"') {
        int byte = *(*at)++;
        if (byte == '\\')
            byte = escaped(at, end);
        else if (byte < 32)
            return false;
        if (byte < 0)
            return false;
        const uint8_t one = (uint8_t)byte;
        plain_bytes_add(to, &one, 1);
    }
    return take(at, end, "\"");
}

bool plain_unbase64(plain_bytes *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t to = 0, padding = 0;
    while (padding < 2 && padding < b->size && b->data[b->size - 1 - padding] == '=')
        padding++;
    if (b->size % 4)
        return false;
    uint32_t bits = 0;
    for (size_t i = 0; i < b->size; i++) {
        const uint8_t c = b->data[i];
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit && i < b->size - padding)
            return false;
        bits = bits << 6 | (uint32_t)(digit ? digit - digits : 0);
        if (i % 4 == 3) {
            b->data[to++] = (uint8_t)(bits >> 16);
            b->data[to++] = (uint8_t)(bits >> 8);
            b->data[to++] = (uint8_t)bits;
        }
    }
    for (size_t i = 0; i < padding; i++) /* the one spelling of these bytes */
        if (b->data[--to])
            return false;
    b->size = to;
    return true;
}

static bool json_member(const uint8_t **at, const uint8_t *end, const char *name, plain_bytes *to)
{
    if (!take(at, end, "\"") || !take(at, end, name))
        return false;
    const bool encoded = take(at, end, "_base64");
    return take(at, end, "\":\"") && json_string(at, end, to) && (!encoded || plain_unbase64(to));
}

bool plain_ndjson_line(const uint8_t *line, size_t size, const char *key_name, const char *value_name, plain_bytes *key,
                       plain_bytes *value)
{
    const uint8_t *at = line, *end = line + size;
    return take(&at, end, "{") && json_member(&at, end, key_name, key) && take(&at, end, ",") &&
           json_member(&at, end, value_name, value) && take(&at, end, "}") && at == end;
}
