/* codec_test.c - byte order and alignment of loads and stores; key heads and comparison agree with memcmp order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "codec.h"

START_TEST(codec__stores_are_little_endian_at_any_alignment)
{
    for (size_t at = 0; at < 9; at++) {
        uint8_t bytes[24];
        memset(bytes, 0xee, sizeof bytes);
        store_u64(bytes + at, 0x0807060504030201u);
        for (size_t i = 0; i < 8; i++)
            ck_assert_uint_eq(bytes[at + i], i + 1);
        ck_assert_uint_eq(bytes[at + 8], 0xee);
        ck_assert_uint_eq(load_u64(bytes + at), 0x0807060504030201u);
        ck_assert_uint_eq(load_u32(bytes + at + 1), 0x05040302u);
        ck_assert_uint_eq(load_u16(bytes + at + 3), 0x0504u);
        ck_assert_uint_eq(load_u8(bytes + at + 5), 6);
        store_u32(bytes + at, 0xa1b2c3d4u);
        store_u16(bytes + at + 4, 0xe5f6u);
        store_u8(bytes + at + 6, 0x77);
        const uint8_t expected[] = { 0xd4, 0xc3, 0xb2, 0xa1, 0xf6, 0xe5, 0x77, 8 };
        ck_assert_mem_eq(bytes + at, expected, sizeof expected);
        if (at)
            ck_assert_uint_eq(bytes[at - 1], 0xee);
    }
}
END_TEST

START_TEST(codec__heads_order_keys_by_their_first_bytes)
{
    const uint8_t key[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    ck_assert_uint_eq(key_head64(key, 0), 0);
    ck_assert_uint_eq(key_head64(key, 3), 0x0102030000000000u);
    ck_assert_uint_eq(key_head64(key, 8), 0x0102030405060708u);
    ck_assert_uint_eq(key_head64(key, 9), 0x0102030405060708u);
    ck_assert_uint_eq(key_head32(key, 0), 0);
    ck_assert_uint_eq(key_head32(key, 3), 0x01020300u);
    ck_assert_uint_eq(key_head32(key, 4), 0x01020304u);
    ck_assert_uint_eq(key_head32(key, 9), 0x01020304u);
}
END_TEST

START_TEST(codec__heads_and_comparison_agree_with_byte_order)
{
    unsigned seed = 20240601;
    for (int round = 0; round < 200000; round++) {
        uint8_t a[12], b[12];
        size_t a_bytes = (size_t)rand_r(&seed) % sizeof a, b_bytes = (size_t)rand_r(&seed) % sizeof b;
        /* few letters, zero and 255 among them: many ties, prefixes and sign traps */
        static const uint8_t letters[] = { 0, 1, 127, 128, 255 };
        for (size_t i = 0; i < sizeof a; i++) {
            a[i] = letters[(size_t)rand_r(&seed) % sizeof letters];
            b[i] = letters[(size_t)rand_r(&seed) % sizeof letters];
        }
        int expected = 0; /* the definition, byte by byte */
        for (size_t i = 0; !expected && (i < a_bytes || i < b_bytes); i++)
            expected = i >= a_bytes ? -1 : i >= b_bytes ? 1 : (a[i] > b[i]) - (a[i] < b[i]);
        int got = key_compare(a, a_bytes, b, b_bytes);
        ck_assert_msg((got > 0) - (got < 0) == expected, "round %d: %d, expected %d", round, got, expected);
        if (key_head64(a, a_bytes) != key_head64(b, b_bytes))
            ck_assert_int_eq(key_head64(a, a_bytes) < key_head64(b, b_bytes) ? -1 : 1, expected);
        if (key_head32(a, a_bytes) != key_head32(b, b_bytes))
            ck_assert_int_eq(key_head32(a, a_bytes) < key_head32(b, b_bytes) ? -1 : 1, expected);
    }
}
END_TEST

START_TEST(codec__heads_read_nothing_past_the_key)
{
    /* exact heap blocks: the address sanitizer sees a byte too many */
    for (size_t bytes = 1; bytes < 10; bytes++) {
        uint8_t *key = malloc(bytes);
        ck_assert_ptr_nonnull(key);
        memset(key, 0x5a, bytes);
        ck_assert_uint_eq(key_head64(key, bytes) >> 56, 0x5a);
        ck_assert_uint_eq(key_head32(key, bytes) >> 24, 0x5a);
        ck_assert_int_eq(key_compare(key, bytes, key, bytes), 0);
        free(key);
    }
    ck_assert_int_eq(key_compare(NULL, 0, NULL, 0), 0);
    ck_assert_int_lt(key_compare(NULL, 0, "a", 1), 0);
}
END_TEST

START_TEST(codec__round_up_gives_the_next_multiple)
{
    ck_assert_uint_eq(round_up_u64(0, 512), 0);
    ck_assert_uint_eq(round_up_u64(1, 512), 512);
    ck_assert_uint_eq(round_up_u64(512, 512), 512);
    ck_assert_uint_eq(round_up_u64(513, 512), 1024);
    ck_assert_uint_eq(round_up_u64(1000, 7), 1001);
}
END_TEST

LEVIN_TEST_MAIN("codec", TEST(codec__stores_are_little_endian_at_any_alignment),
                TEST(codec__heads_order_keys_by_their_first_bytes),
                TEST(codec__heads_and_comparison_agree_with_byte_order), TEST(codec__heads_read_nothing_past_the_key),
                TEST(codec__round_up_gives_the_next_multiple))
