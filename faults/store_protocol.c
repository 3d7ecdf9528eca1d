/*
 * store_protocol.c - frames of the store protocol made and taken apart (store_protocol.h).
 *
 * Invariants: nothing that a program sends is believed: lengths are compared with what has come, room grows by what has
 * come, at most to twice that and one step.
 */
#include "store_protocol.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 4, STEP_BYTES = 64 << 10 };

static bool room(protocol_frame *f, size_t bytes)
{
    if (bytes <= f->capacity)
        return true;
    uint8_t *data = realloc(f->data, bytes * 2);
    if (!data)
        return false;
    f->data = data;
    f->capacity = bytes * 2;
    return true;
}

/* ---- to send ---- */

static uint8_t *more(protocol_frame *f, size_t bytes)
{
    if (bytes > LENGTH_BYTES + PROTOCOL_FRAME_MAX - f->bytes || !room(f, f->bytes + bytes))
        f->failed = true;
    if (f->failed)
        return NULL;
    f->bytes += bytes;
    return f->data + f->bytes - bytes;
}

static void store_number(uint8_t *to, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

void protocol_begin(protocol_frame *f, protocol_request type)
{
    f->bytes = 0;
    f->failed = false;
    protocol_put_number(f, 0, LENGTH_BYTES);
    protocol_put_number(f, type, 1);
}

void protocol_put_number(protocol_frame *f, uint64_t value, size_t width)
{
    uint8_t *to = more(f, width);
    if (to)
        store_number(to, value, width);
}

void protocol_put_bytes(protocol_frame *f, levin_slice bytes)
{
    uint8_t *to = more(f, bytes.size);
    if (to && bytes.size)
        memcpy(to, bytes.data, bytes.size);
}

void protocol_put_bytes32(protocol_frame *f, levin_slice bytes)
{
    protocol_put_number(f, bytes.size, LENGTH_BYTES); /* of more than fits the frame fails */
    protocol_put_bytes(f, bytes);
}

bool protocol_end(protocol_frame *f)
{
    if (!f->failed)
        store_number(f->data, f->bytes - LENGTH_BYTES, LENGTH_BYTES);
    return !f->failed;
}

void protocol_frame_fini(protocol_frame *f)
{
    free(f->data);
    *f = (protocol_frame){ 0 };
}

/* ---- that come ---- */

static uint32_t number32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool read_all(protocol_source *s, uint8_t *data, size_t bytes)
{
    while (bytes) {
        const size_t done = s->read(s->context, data, bytes);
        if (!done)
            return false;
        s->taken += done;
        data += done;
        bytes -= done;
    }
    return true;
}

/* at: which byte of the frame, whose length is not counted. */
static protocol_taken refuse(protocol_source *s, size_t at, const char *why)
{
    s->refused = why;
    s->refused_at = s->taken - s->frame.bytes + at;
    return PROTOCOL_REFUSED;
}

static protocol_taken frame_read(protocol_source *s)
{
    protocol_frame *f = &s->frame;
    uint8_t head[LENGTH_BYTES];
    f->bytes = 0;
    if (!read_all(s, head, sizeof head))
        return PROTOCOL_ENDED;
    const uint32_t bytes = number32(head);
    if (bytes < 1 || bytes > PROTOCOL_FRAME_MAX) {
        s->taken -= sizeof head; /* the place is that of the length */
        const protocol_taken refused = refuse(s, 0, "a frame of an impossible length");
        s->taken += sizeof head;
        return refused;
    }
    while (f->bytes < bytes) {
        const size_t step = bytes - f->bytes < STEP_BYTES ? bytes - f->bytes : STEP_BYTES;
        if (!room(f, f->bytes + step))
            return refuse(s, f->bytes, "a frame for which there is no memory");
        if (!read_all(s, f->data + f->bytes, step))
            return PROTOCOL_ENDED;
        f->bytes += step;
    }
    return PROTOCOL_TAKEN;
}

static protocol_taken take_pair(protocol_source *s, protocol_answer *answer)
{
    const protocol_frame *f = &s->frame;
    if (f->bytes < 1 + LENGTH_BYTES)
        return refuse(s, f->bytes, "a pair without the length of its key");
    const uint32_t key_bytes = number32(f->data + 1);
    const uint8_t *key = f->data + 1 + LENGTH_BYTES;
    const size_t left = f->bytes - 1 - LENGTH_BYTES;
    if (key_bytes > left)
        return refuse(s, 1, "a pair is shorter than its key");
    answer->key = (levin_slice){ key, key_bytes };
    answer->value = (levin_slice){ key + key_bytes, left - key_bytes };
    return PROTOCOL_TAKEN;
}

protocol_taken protocol_take(protocol_source *s, protocol_request asked, protocol_answer *answer)
{
    *answer = (protocol_answer){ 0 };
    const protocol_taken taken = frame_read(s);
    if (taken != PROTOCOL_TAKEN)
        return taken;
    const levin_slice payload = { s->frame.data + 1, s->frame.bytes - 1 };
    answer->result = s->frame.data[0];
    if (answer->result == PROTOCOL_PAIR && asked == PROTOCOL_SCAN)
        return take_pair(s, answer);
    if (answer->result > PROTOCOL_RESULT_LAST)
        return refuse(s, 0, "an answer of no known result");
    if (answer->result != PROTOCOL_OK || asked == PROTOCOL_DESCRIBE)
        answer->text = payload;
    else if (asked == PROTOCOL_GET)
        answer->value = payload;
    else if (payload.size)
        return refuse(s, 1, "an answer holds what nobody has asked for");
    return PROTOCOL_TAKEN;
}

void protocol_source_fini(protocol_source *s)
{
    protocol_frame_fini(&s->frame);
}

/* ---- texts ---- */

/* Bytes of the character that begins at `at` (The Unicode Standard, table 3-7); 0: none that can be shown. */
static size_t character(const uint8_t *at, size_t left)
{
    const uint8_t c = at[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    const size_t bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || bytes > left)
        return 0;
    const uint8_t least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < least || at[1] > most || (c == 0xc2 && at[1] < 0xa0)) /* U+0080 to U+009F are controls */
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return bytes;
}

void protocol_text(levin_slice text, char *to, size_t capacity)
{
    const uint8_t *at = text.data;
    size_t used = 0;
    for (size_t left = text.size; left;) {
        const size_t known = character(at, left), bytes = known ? known : 1;
        if (used + bytes >= capacity)
            break;
        if (known)
            memcpy(to + used, at, bytes);
        else
            to[used] = '?';
        used += bytes;
        at += bytes;
        left -= bytes;
    }
    to[used] = 0;
}
