/*
 * plain_json.c - NDJSON read plainly (plain_json.h): recursive descent over one line.
 *
 * Invariants: no byte outside of the line is read; depth is bounded.
 */
#include "plain_json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"

enum { DEPTH_MAX = 2048 };

typedef struct parser {
    const uint8_t *at, *end;
    unsigned depth;
} parser;

typedef struct member {
    plain_bytes name, string;
    bool is_string;
} member;

typedef struct members {
    member *all;
    size_t count, capacity;
} members;

static void members_fini(members *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->all[i].name.data);
        free(m->all[i].string.data);
    }
    free(m->all);
}

/* ---- tokens ----------------------------------------------------------------------------------------------- */

static int peek(const parser *p)
{
    return p->at < p->end ? *p->at : -1;
}

static bool take(parser *p, uint8_t byte)
{
    const bool there = peek(p) == byte;
    p->at += there;
    return there;
}

static void skip_space(parser *p)
{
    while (take(p, ' ') || take(p, '\t') || take(p, '\r'))
        ;
}

static bool take_word(parser *p, const char *word)
{
    const size_t bytes = strlen(word);
    if ((size_t)(p->end - p->at) < bytes || memcmp(p->at, word, bytes))
        return false;
    p->at += bytes;
    return true;
}

static void add_character(plain_bytes *to, uint32_t c)
{
    uint8_t bytes[4];
    size_t n = 0;
    if (c < 0x80)
        bytes[n++] = (uint8_t)c;
    else {
        const unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const uint8_t first[4] = { 0, 0xc0, 0xe0, 0xf0 };
        bytes[n++] = (uint8_t)(first[more] | c >> 6 * more);
        for (unsigned i = more; i-- > 0;)
            bytes[n++] = (uint8_t)(0x80 | (c >> 6 * i & 0x3f));
    }
    plain_bytes_add(to, bytes, n);
}

static bool hex4(parser *p, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 4; i++, p->at++) {
        const int c = peek(p);
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F'                                ? c - 'A' + 10
                                                                                : -1;
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

/* Behind the backslash. */
static bool escape(parser *p, plain_bytes *to)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    uint32_t high, low;
    for (size_t i = 0; names[i]; i++)
        if (take(p, (uint8_t)names[i])) {
            plain_bytes_add(to, &bytes[i], 1);
            return true;
        }
    if (!take(p, 'u') || !hex4(p, &high))
        return false;
    if (high < 0xd800 || high > 0xdfff) {
        add_character(to, high);
        return true;
    }
    if (high > 0xdbff || !take(p, '\\') || !take(p, 'u') || !hex4(p, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    add_character(to, 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00)));
    return true;
}

/* A character of more than one byte: RFC 3629. */
static bool take_utf8(parser *p, plain_bytes *to)
{
    const uint8_t first = *p->at;
    const unsigned more = first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : 0;
    static const uint32_t least[4] = { 0, 0x80, 0x800, 0x10000 };
    uint32_t c = first & (0x3fu >> more);
    if (!more || (size_t)(p->end - p->at) <= more)
        return false;
    for (unsigned i = 1; i <= more; i++) {
        if (p->at[i] >> 6 != 2)
            return false;
        c = c << 6 | (p->at[i] & 0x3fu);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    plain_bytes_add(to, p->at, 1 + more);
    p->at += 1 + more;
    return true;
}

static bool string(parser *p, plain_bytes *to)
{
    if (!take(p, '"'))
        return false;
    while (!take(p, '"')) {
        const int c = peek(p);
        if (c < 0x20) /* also the end */
            return false;
        if (c >= 0x80) {
            if (!take_utf8(p, to))
                return false;
        } else if (take(p, '\\')) {
            if (!escape(p, to))
                return false;
        } else {
            plain_bytes_add(to, p->at++, 1);
        }
    }
    return true;
}

static bool digits(parser *p)
{
    const uint8_t *from = p->at;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at > from;
}

static bool number(parser *p)
{
    const uint8_t *from = p->at;
    bool whole = true;
    take(p, '-');
    if (!take(p, '0') && !digits(p))
        return false;
    if (take(p, '.')) {
        whole = false;
        if (!digits(p))
            return false;
    }
    if (take(p, 'e') || take(p, 'E')) {
        whole = false;
        if (!take(p, '+'))
            take(p, '-');
        if (!digits(p))
            return false;
    }
    const size_t bytes = (size_t)(p->at - from);
    char *text = fatal_alloc(bytes + 1);
    memcpy(text, from, bytes);
    text[bytes] = 0;
    errno = 0;
    bool fits;
    if (whole)
        fits = (strtoll(text, NULL, 10), errno == 0);
    else
        fits = !isinf(strtod(text, NULL));
    free(text);
    return fits;
}

/* ---- values ----------------------------------------------------------------------------------------------- */

static bool value(parser *p, plain_bytes *text, bool *is_string);

static bool array(parser *p)
{
    skip_space(p);
    if (take(p, ']'))
        return true;
    do {
        plain_bytes ignored = { 0 };
        bool is_string;
        skip_space(p);
        const bool good = value(p, &ignored, &is_string);
        free(ignored.data);
        if (!good)
            return false;
        skip_space(p);
    } while (take(p, ','));
    return take(p, ']');
}

static bool is_new(const members *m, const plain_bytes *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->all[i].name.size == name->size && (!name->size || !memcmp(m->all[i].name.data, name->data, name->size)))
            return false;
    return true;
}

static bool object_member(parser *p, members *m)
{
    if (m->count == m->capacity) {
        m->capacity = 2 * m->capacity + 4;
        m->all = fatal_realloc(m->all, m->capacity * sizeof *m->all);
    }
    member one = { 0 };
    skip_space(p);
    bool good = string(p, &one.name) && !(one.name.size && memchr(one.name.data, 0, one.name.size)) &&
                is_new(m, &one.name);
    skip_space(p);
    good = good && take(p, ':');
    skip_space(p);
    good = good && value(p, &one.string, &one.is_string);
    m->all[m->count++] = one; /* also what there is of a bad one, to be freed */
    skip_space(p);
    return good;
}

/* Behind its brace. */
static bool object(parser *p, members *m)
{
    skip_space(p);
    if (take(p, '}'))
        return true;
    do {
        if (!object_member(p, m))
            return false;
    } while (take(p, ','));
    return take(p, '}');
}

static bool value_inside(parser *p, plain_bytes *text, bool *is_string)
{
    *is_string = peek(p) == '"';
    if (*is_string)
        return string(p, text);
    if (take(p, '['))
        return array(p);
    if (take(p, '{')) {
        members ignored = { 0 };
        const bool good = object(p, &ignored);
        members_fini(&ignored);
        return good;
    }
    return take_word(p, "true") || take_word(p, "false") || take_word(p, "null") || number(p);
}

static bool value(parser *p, plain_bytes *text, bool *is_string)
{
    if (p->depth == DEPTH_MAX)
        return false;
    p->depth++;
    const bool good = value_inside(p, text, is_string);
    p->depth--;
    return good;
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static const member *find(const members *m, const char *name, const char *behind)
{
    const size_t bytes = strlen(name), more = strlen(behind);
    for (size_t i = 0; i < m->count; i++) {
        const plain_bytes *n = &m->all[i].name;
        if (n->size == bytes + more && (!bytes || !memcmp(n->data, name, bytes)) &&
            (!more || !memcmp(n->data + bytes, behind, more)))
            return &m->all[i];
    }
    return NULL;
}

/* Exactly one of the two forms, and a string. */
static bool member_bytes(const members *m, const char *name, plain_bytes *to)
{
    const member *plain = find(m, name, ""), *encoded = find(m, name, "_base64");
    if (!plain == !encoded || !(plain ? plain : encoded)->is_string)
        return false;
    const plain_bytes *text = plain ? &plain->string : &encoded->string;
    plain_bytes_add(to, text->data, text->size);
    return plain || plain_unbase64(to);
}

/* False: malformed. */
static bool line_record(const uint8_t *line, size_t size, const char *key_name, const char *value_name, bool whole,
                        plain_record_text *r)
{
    parser p = { line, line + size, 1 };
    members m = { 0 };
    skip_space(&p);
    bool good = take(&p, '{') && object(&p, &m);
    skip_space(&p);
    good = good && p.at == p.end && member_bytes(&m, key_name, &r->key) && r->key.size &&
           (whole || member_bytes(&m, value_name, &r->value));
    if (whole)
        plain_bytes_add(&r->value, line, size);
    members_fini(&m);
    return good;
}

void plain_ndjson(plain_text *t, const char *key_name, const char *value_name, bool whole)
{
    uint64_t line = 1;
    for (size_t at = 0, end; at < t->size; at = end + 1, line++) {
        const uint8_t *newline = memchr(t->text + at, '\n', t->size - at);
        end = newline ? (size_t)(newline - t->text) : t->size;
        const plain_record_text empty = { .line = line };
        plain_record_text *r = plain_text_add(t, &empty);
        r->malformed = !line_record(t->text + at, end - at, key_name, value_name, whole, r);
    }
}
