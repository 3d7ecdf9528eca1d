/*
 * text.c - bytes as text and back.  Pure functions.
 */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Length of the UTF-8 sequence at s, 0 when there is none (overlong, surrogate, past U+10FFFF, cut off). */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < length)
        return 0;
    unsigned low = 0x80, high = 0xbf; /* of the second byte */
    switch (s[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool text_is_utf8(levin_slice bytes)
{
    const unsigned char *s = bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t length = utf8_sequence(s + i, bytes.size - i);
        if (!length)
            return false;
        i += length;
    }
    return true;
}

void text_print(FILE *out, levin_slice bytes)
{
    const unsigned char *s = bytes.data;
    bool utf8 = text_is_utf8(bytes);
    for (size_t i = 0; i < bytes.size; i++) {
        /* U+0080 to U+009F are controls too */
        bool c1 = utf8 && s[i] == 0xc2 && s[i + 1] < 0xa0;
        switch (s[i]) {
        case '\\': fputs("\\\\", out); break;
        case '\n': fputs("\\n", out); break;
        case '\t': fputs("\\t", out); break;
        case '\r': fputs("\\r", out); break;
        default:
            if (s[i] < 0x20 || s[i] == 0x7f || (!utf8 && s[i] >= 0x80))
                fprintf(out, "\\x%02x", s[i]);
            else if (c1) {
                fprintf(out, "\\x%02x\\x%02x", s[i], s[i + 1]);
                i++;
            } else
                fputc(s[i], out);
        }
    }
}

void text_print_hex(FILE *out, levin_slice bytes)
{
    const unsigned char *s = bytes.data;
    for (size_t i = 0; i < bytes.size; i++)
        fprintf(out, "%02x", s[i]);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool text_unhex(const char *digits, buffer *out)
{
    size_t length = strlen(digits), start = out->size;
    if (length % 2)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
        if (high < 0 || low < 0) {
            out->size = start;
            return false;
        }
        buffer_append_byte(out, (char)(high << 4 | low));
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64(levin_slice bytes, buffer *out)
{
    const unsigned char *s = bytes.data;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned group = (unsigned)s[i] << 16 | (left > 1 ? (unsigned)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
        char *to = buffer_reserve(out, 4);
        to[0] = base64_digits[group >> 18];
        to[1] = base64_digits[group >> 12 & 63];
        to[2] = left > 1 ? base64_digits[group >> 6 & 63] : '=';
        to[3] = left > 2 ? base64_digits[group & 63] : '=';
        out->size += 4;
    }
}

bool text_unbase64(const char *text, size_t size, buffer *out)
{
    if (size % 4)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        unsigned group = 0, padding = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *digit = text[i + j] ? strchr(base64_digits, text[i + j]) : NULL;
            if (text[i + j] == '=' && i + 4 == size && j >= 2)
                padding++;
            else if (!digit || padding)
                return false;
            group = group << 6 | (digit ? (unsigned)(digit - base64_digits) : 0);
        }
        if ((padding == 1 && group & 0xff) || (padding == 2 && group & 0xffff))
            return false; /* bits that no encoder leaves there: another spelling of the same bytes */
        char bytes[3] = { (char)(group >> 16), (char)(group >> 8), (char)group };
        buffer_append(out, bytes, 3 - padding);
    }
    return true;
}

void text_json_add(json_t *object, const char *name, levin_slice bytes)
{
    int failed;
    if (text_is_utf8(bytes)) {
        failed = json_object_set_new(object, name, json_stringn_nocheck(bytes.data, bytes.size));
    } else {
        buffer encoded = { 0 }, member = { 0 };
        text_base64(bytes, &encoded);
        buffer_append(&member, name, strlen(name));
        buffer_append(&member, "_base64", sizeof "_base64");
        failed = json_object_set_new(object, member.data, json_stringn_nocheck(encoded.data, encoded.size));
        buffer_fini(&encoded);
        buffer_fini(&member);
    }
    if (failed)
        cli_die_no_memory();
}

static int to_stream(const char *data, size_t size, void *out)
{
    fwrite(data, 1, size, out); /* errors stay in the stream until cli_finish_output() */
    return 0;
}

void text_json_print(FILE *out, const json_t *object)
{
    if (json_dump_callback(object, to_stream, out, JSON_COMPACT))
        cli_die_no_memory();
    fputc('\n', out);
}
