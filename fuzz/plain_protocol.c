/*
 * plain_protocol.c - the store protocol, read in one piece (plain_protocol.h).
 *
 * Invariants: a cursor with what is left; a field that does not fit makes the whole unreadable.
 */
#include "plain_protocol.h"

#include <string.h>

typedef struct cursor {
    const uint8_t *at;
    size_t left;
    bool bad;
} cursor;

static const uint8_t *take(cursor *c, uint64_t bytes)
{
    const uint8_t *at = c->at;
    if (c->bad || bytes > c->left) {
        c->bad = true;
        return NULL;
    }
    c->at += bytes;
    c->left -= bytes;
    return at;
}

static uint64_t take_number(cursor *c, unsigned width)
{
    const uint8_t *at = take(c, width);
    uint64_t value = 0;
    for (unsigned i = width; at && i-- > 0;)
        value = value * 256 + at[i];
    return value;
}

static levin_slice take_rest(cursor *c)
{
    const size_t left = c->left;
    return (levin_slice){ take(c, left), left };
}

static levin_slice take_bytes32(cursor *c)
{
    const uint64_t bytes = take_number(c, 4);
    const uint8_t *at = take(c, bytes);
    return (levin_slice){ at, at ? bytes : 0 };
}

enum { DESCRIBE = 1, OPEN, WRITE, GET, SCAN, CHECK, COMPACT, CLOSE, PAIR = 16, RESULT_LAST = 4, FRAME_MAX = 16777216 };

plain_answer plain_answer_read(const uint8_t *data, size_t size, size_t at, unsigned asked)
{
    cursor c = { data + at, size - at, false };
    plain_answer a = { .kind = PLAIN_NO_ANSWER, .first = at, .end = size };
    const uint64_t bytes = take_number(&c, 4);
    if (!c.bad && (bytes == 0 || bytes > FRAME_MAX)) {
        a.end = at + 4;
        return a;
    }
    if (c.bad || bytes > c.left) {
        a.kind = PLAIN_END;
        return a;
    }
    c.left = bytes;
    a.end = at + 4 + bytes;
    a.result = (unsigned)take_number(&c, 1);
    if (a.result == PAIR && asked == SCAN) {
        a.key = take_bytes32(&c);
        a.value = take_rest(&c);
        if (!c.bad)
            a.kind = PLAIN_PAIR;
        return a;
    }
    if (a.result > 0)
        a.text = take_rest(&c);
    else if (asked == DESCRIBE)
        a.text = take_rest(&c);
    else if (asked == GET)
        a.value = take_rest(&c);
    if (a.result <= RESULT_LAST && c.left == 0)
        a.kind = PLAIN_RESULT;
    return a;
}

static void read_write(cursor *c, plain_request *q)
{
    q->flags = (unsigned)take_number(c, 1);
    const uint64_t count = take_number(c, 4);
    c->bad = c->bad || count > PLAIN_OPERATIONS_MAX;
    for (q->count = 0; q->count < count && !c->bad; q->count++) {
        plain_operation *o = &q->operations[q->count];
        const uint64_t kind = take_number(c, 1);
        c->bad = c->bad || kind > 1;
        o->put = kind == 1;
        o->key = take_bytes32(c);
        o->value = (levin_slice){ NULL, 0 };
        if (o->put)
            o->value = take_bytes32(c);
    }
}

static void read_scan(cursor *c, plain_request *q)
{
    q->flags = (unsigned)take_number(c, 1);
    q->limit = take_number(c, 8);
    if (q->flags & 2)
        q->from = take_bytes32(c);
    if (q->flags & 4)
        q->to = take_bytes32(c);
    c->bad = c->bad || q->flags > 7;
}

bool plain_request_read(const uint8_t *data, size_t size, plain_request *q)
{
    cursor c = { data, size, false };
    *q = (plain_request){ 0 };
    const uint64_t bytes = take_number(&c, 4);
    if (c.bad || bytes != c.left || bytes > FRAME_MAX)
        return false;
    q->type = (unsigned)take_number(&c, 1);
    switch (q->type) {
    case DESCRIBE:
        q->version = (uint32_t)take_number(&c, 4);
        break;
    case OPEN:
        q->flags = (unsigned)take_number(&c, 1);
        q->cache = take_number(&c, 8);
        q->write_buffer = take_number(&c, 8);
        q->path = take_rest(&c);
        break;
    case WRITE:
        read_write(&c, q);
        break;
    case GET:
        q->key = take_rest(&c);
        break;
    case SCAN:
        read_scan(&c, q);
        break;
    case CHECK:
    case COMPACT:
    case CLOSE:
        break;
    default:
        return false;
    }
    return !c.bad && c.left == 0;
}

/* The character at `at` decoded, in *bytes; -1: there is none. */
static int32_t decode(const uint8_t *at, size_t left, size_t *bytes)
{
    static const int32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    const uint8_t c = at[0];
    *bytes = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    if (!*bytes || *bytes > left)
        return -1;
    int32_t value = *bytes == 1 ? c : c & (0xff >> (*bytes + 1));
    for (size_t i = 1; i < *bytes; i++) {
        if (at[i] >> 6 != 2)
            return -1;
        value = value << 6 | (at[i] & 63);
    }
    return value < least[*bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? -1 : value;
}

size_t plain_text_shown(levin_slice text, char *to, size_t capacity)
{
    const uint8_t *at = text.data;
    size_t used = 0, bytes;
    for (size_t left = text.size; left; at += bytes, left -= bytes) {
        const int32_t value = decode(at, left, &bytes);
        const bool shown = value >= 0x20 && !(value >= 0x7f && value < 0xa0);
        bytes = shown ? bytes : 1;
        if (used + bytes >= capacity)
            break;
        memcpy(to + used, shown ? (const char *)at : "?", bytes);
        used += bytes;
    }
    to[used] = 0;
    return used;
}
