/*
 * checksum_test.c - the checksum is the same however the bytes come, differs by place, store and every bit, and is
 * the one that existing files hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "checksum.h"

static void fill(uint8_t *bytes, size_t count)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

START_TEST(checksum__is_the_one_in_existing_files)
{
    uint8_t bytes[1000], identity[16];
    fill(bytes, sizeof bytes);
    for (size_t i = 0; i < 16; i++)
        identity[i] = (uint8_t)(i + 1);
    /* XXH3-64 of the empty input, seed 0, as its specification gives it */
    ck_assert_uint_eq(checksum("", 0, 0), 0x2d06800538d394c2u);
    /* a change of these values is a new format version */
    ck_assert_uint_eq(checksum_identity(identity), 0x7f5efa2eb15a130eu);
    ck_assert_uint_eq(checksum_seed(checksum_identity(identity), PLACE_PAGE, 77), 0xd93e0bcb12dc4877u);
    ck_assert_uint_eq(checksum(bytes, sizeof bytes, 0xd93e0bcb12dc4877u), 0xafbf8ad8c776822fu);
    ck_assert_uint_eq(checksum(bytes, 100, 1), 0x61717bf48da1fffau);
}
END_TEST

START_TEST(checksum__parts_and_streams_equal_the_whole)
{
    enum { BYTES = 2100 };
    uint8_t bytes[BYTES];
    fill(bytes, BYTES);
    static const uint64_t seeds[] = { 0, 1, 0xffffffffffffffffu, 0x123456789abcdef0u };
    for (size_t s = 0; s < sizeof seeds / sizeof seeds[0]; s++) {
        for (size_t total = 0; total <= BYTES; total += total < 300 ? 1 : 97) {
            uint64_t whole = checksum(bytes, total, seeds[s]);
            size_t a = total / 3, b = total / 2;
            levin_slice parts[] = { { bytes, a }, { NULL, 0 }, { bytes + a, b - a }, { bytes + b, total - b } };
            ck_assert_uint_eq(checksum_parts(parts, 4, seeds[s]), whole);
            checksum_stream stream;
            memset(&stream, 0xa5, sizeof stream); /* rubbish of an earlier use must not matter */
            checksum_begin(&stream, seeds[s]);
            for (size_t at = 0; at < total; at += 61)
                checksum_add(&stream, bytes + at, total - at < 61 ? total - at : 61);
            ck_assert_uint_eq(checksum_end(&stream), whole);
        }
    }
    ck_assert_uint_eq(checksum_parts(NULL, 0, 9), checksum(NULL, 0, 9));
}
END_TEST

START_TEST(checksum__every_bit_counts)
{
    enum { BYTES = 600 };
    uint8_t bytes[BYTES];
    fill(bytes, BYTES);
    uint64_t right = checksum(bytes, BYTES, 42);
    for (size_t bit = 0; bit < BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_uint_ne(checksum(bytes, BYTES, 42), right);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_uint_ne(checksum(bytes, BYTES - 1, 42), right);
    ck_assert_uint_ne(checksum(bytes, BYTES, 43), right);
}
END_TEST

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(checksum__seeds_differ_by_store_place_and_number)
{
    enum { IDENTITIES = 8, PLACES = 8, NUMBERS = 500, ALL = IDENTITIES * PLACES * NUMBERS };
    uint64_t *seeds = malloc(ALL * sizeof *seeds);
    ck_assert_ptr_nonnull(seeds);
    size_t n = 0;
    for (uint64_t store = 0; store < IDENTITIES; store++) {
        uint8_t identity[16] = { 0 };
        identity[store * 2] = 1;
        for (int place = PLACE_META; place <= PLACE_VLOG_VALUE; place++)
            for (uint64_t number = 0; number < NUMBERS; number++)
                seeds[n++] = checksum_seed(checksum_identity(identity), (enum checksum_place)place, number);
    }
    ck_assert_uint_eq(n, ALL);
    qsort(seeds, n, sizeof *seeds, by_value);
    for (size_t i = 1; i < n; i++)
        ck_assert_uint_ne(seeds[i - 1], seeds[i]);
    free(seeds);
}
END_TEST

LEVIN_TEST_MAIN("checksum", TEST(checksum__is_the_one_in_existing_files),
                TEST(checksum__parts_and_streams_equal_the_whole), TEST(checksum__every_bit_counts),
                TEST(checksum__seeds_differ_by_store_place_and_number))
