/*
 * store_protocol_test.c - frames of the store protocol.
 *
 * Invariants checked: what is sent has the bytes of the table; answers come in pieces of any size; each way to be no
 * answer is refused with its place; the end of a program is seen, also inside a frame; room grows with what has come;
 * texts are cut between characters, and what is no text is shown as such.  The rest is fuzz/fuzz_protocol.c.
 */
#include <string.h>

#include "check_main.h"
#include "store_protocol.h"

typedef struct program {
    const char *said;
    size_t bytes, at, at_once;
} program;

static size_t program_read(void *context, void *data, size_t bytes)
{
    program *p = context;
    size_t n = p->bytes - p->at < bytes ? p->bytes - p->at : bytes;
    n = n < p->at_once ? n : p->at_once;
    memcpy(data, p->said + p->at, n);
    p->at += n;
    return n;
}

#define SAYS(text, piece) { .said = text, .bytes = sizeof text - 1, .at_once = piece }

static levin_slice text_of(const char *text)
{
    return (levin_slice){ text, strlen(text) };
}

static void check_slice(levin_slice found, const char *right)
{
    ck_assert_uint_eq(found.size, strlen(right));
    ck_assert(!memcmp(found.data, right, found.size));
}

START_TEST(protocol__a_request_has_the_bytes_of_the_table)
{
    protocol_frame f = { 0 };
    protocol_begin(&f, PROTOCOL_WRITE);
    protocol_put_number(&f, PROTOCOL_WRITE_SYNC, 1);
    protocol_put_number(&f, 1, 4);
    protocol_put_number(&f, 1, 1);
    protocol_put_bytes32(&f, text_of("key"));
    protocol_put_bytes32(&f, text_of(""));
    ck_assert(protocol_end(&f));
    static const char right[] = "\x12\0\0\0\3\1\1\0\0\0\1\3\0\0\0key\0\0\0\0";
    ck_assert_uint_eq(f.bytes, sizeof right - 1);
    ck_assert(!memcmp(f.data, right, f.bytes));
    protocol_frame_fini(&f);
}
END_TEST

START_TEST(protocol__a_frame_that_is_too_long_is_not_sent)
{
    static const char bytes[1 << 20];
    protocol_frame f = { 0 };
    for (int over = 0; over < 2; over++) {
        protocol_begin(&f, PROTOCOL_GET);
        for (int i = 0; i < 15; i++)
            protocol_put_bytes(&f, (levin_slice){ bytes, sizeof bytes });
        protocol_put_bytes(&f, (levin_slice){ bytes, sizeof bytes - 1 + (size_t)over });
        ck_assert_int_eq(protocol_end(&f), !over);
    }
    protocol_frame_fini(&f);
}
END_TEST

START_TEST(protocol__answers_come_in_pieces)
{
    for (size_t piece = 1; piece < 40; piece++) {
        program p = SAYS("\x0b\0\0\0\x10\3\0\0\0keyval\6\0\0\0\x10\1\0\0\0k\1\0\0\0\0\3\0\0\0\2no", piece);
        protocol_source s = { .read = program_read, .context = &p };
        protocol_answer a;
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_SCAN, &a), PROTOCOL_TAKEN);
        check_slice(a.key, "key");
        check_slice(a.value, "val");
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_SCAN, &a), PROTOCOL_TAKEN);
        ck_assert_uint_eq(a.result, PROTOCOL_PAIR);
        check_slice(a.value, "");
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_SCAN, &a), PROTOCOL_TAKEN);
        ck_assert_uint_eq(a.result, PROTOCOL_OK);
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_CHECK, &a), PROTOCOL_TAKEN);
        ck_assert_uint_eq(a.result, 2);
        check_slice(a.text, "no");
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_CLOSE, &a), PROTOCOL_ENDED);
        protocol_source_fini(&s);
    }
}
END_TEST

START_TEST(protocol__what_is_no_answer_is_refused_with_its_place)
{
    static const struct {
        protocol_request asked;
        const char *said;
        size_t bytes;
        uint64_t at; /* of all, behind an answer of 5 bytes */
    } cases[] = {
        { PROTOCOL_CHECK, "\0\0\0\0", 4, 5 },                  /* a length of nothing */
        { PROTOCOL_CHECK, "\1\0\0\1\0", 5, 5 },                /* one more than there may be */
        { PROTOCOL_CHECK, "\xff\xff\xff\xff\0", 5, 5 },
        { PROTOCOL_CHECK, "\1\0\0\0\5", 5, 9 },                /* no result */
        { PROTOCOL_GET, "\6\0\0\0\x10\1\0\0\0k", 10, 9 },      /* a pair that nobody asked for */
        { PROTOCOL_OPEN, "\2\0\0\0\0x", 6, 10 },               /* nothing is more than nothing */
        { PROTOCOL_SCAN, "\4\0\0\0\x10\1\0\0", 8, 13 },        /* a key without a length */
        { PROTOCOL_SCAN, "\6\0\0\0\x10\2\0\0\0k", 10, 10 },    /* longer than the frame */
        { PROTOCOL_SCAN, "\5\0\0\0\x10\xff\xff\xff\xff", 9, 10 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[32] = "\1\0\0\0\0";
        memcpy(said + 5, cases[i].said, cases[i].bytes);
        program p = { .said = said, .bytes = 5 + cases[i].bytes, .at_once = 3 };
        protocol_source s = { .read = program_read, .context = &p };
        protocol_answer a;
        ck_assert_int_eq(protocol_take(&s, PROTOCOL_CHECK, &a), PROTOCOL_TAKEN);
        ck_assert_msg(protocol_take(&s, cases[i].asked, &a) == PROTOCOL_REFUSED, "case %zu", i);
        ck_assert_msg(s.refused && s.refused_at == cases[i].at, "case %zu: %s, at %llu", i, s.refused,
                      (unsigned long long)s.refused_at);
        protocol_source_fini(&s);
    }
}
END_TEST

START_TEST(protocol__room_grows_with_what_has_come)
{
    program p = SAYS("\0\0\0\1\0 that is all", 64); /* 16 MiB are announced */
    protocol_source s = { .read = program_read, .context = &p };
    protocol_answer a;
    ck_assert_int_eq(protocol_take(&s, PROTOCOL_GET, &a), PROTOCOL_ENDED);
    ck_assert_uint_le(s.frame.capacity, 128 << 10);
    protocol_source_fini(&s);
}
END_TEST

START_TEST(protocol__texts_are_shown_as_characters)
{
    static const struct { const char *text; size_t capacity; const char *shown; } cases[] = {
        { "plain", 16, "plain" },
        { "plain", 5, "plai" },
        { "a\xc3\xa4", 3, "a" },                            /* no half of a character */
        { "a\xc3\xa4", 4, "a\xc3\xa4" },
        { "\xc3", 16, "?" },
        { "\xff\x80\n\x7f", 16, "????" },
        { "\xed\xa0\x80", 16, "???" },                      /* a surrogate */
        { "\xc0\xaf\xe0\x80\xaf\xf4\x90\x80\x80", 16, "?????????" }, /* too long, too large */
        { "\xc2\x85\xc2\xa0", 16, "??\xc2\xa0" },           /* a control, and no control */
        { "\xf0\x9f\x98\x80", 16, "\xf0\x9f\x98\x80" },
        { "", 1, "" },
    };
    char shown[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        protocol_text(text_of(cases[i].text), shown, cases[i].capacity);
        ck_assert_str_eq(shown, cases[i].shown);
    }
}
END_TEST

LEVIN_TEST_MAIN("store_protocol", TEST(protocol__a_request_has_the_bytes_of_the_table),
           TEST(protocol__a_frame_that_is_too_long_is_not_sent), TEST(protocol__answers_come_in_pieces),
           TEST(protocol__what_is_no_answer_is_refused_with_its_place), TEST(protocol__room_grows_with_what_has_come),
           TEST(protocol__texts_are_shown_as_characters))
