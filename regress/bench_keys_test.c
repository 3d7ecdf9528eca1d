/*
 * bench_keys_test.c - keys have the text that printf would give, a permutation holds every number once.
 */
#include "bench_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "../faults/check_main.h"

START_TEST(bench_keys__text_is_the_zero_filled_decimal_number)
{
    random_stream r = random_open(7, 0);
    for (uint32_t bytes = BENCH_KEY_MIN_BYTES; bytes <= BENCH_KEY_MAX_BYTES; bytes++)
        for (int i = 0; i < 2000; i++) {
            uint64_t limit = 1;
            for (uint32_t digit = 0; digit < bytes && digit < 10; digit++)
                limit *= 10;
            uint64_t number = i == 0 ? limit - 1 : random_below(&r, limit) >> random_below(&r, 34);
            char key[BENCH_KEY_MAX_BYTES + 1], wanted[BENCH_KEY_MAX_BYTES + 1];
            memset(key, 'x', sizeof key);
            bench_key_format(key, bytes, number);
            snprintf(wanted, sizeof wanted, "%0*llu", (int)bytes, (unsigned long long)number);
            ck_assert_mem_eq(key, wanted, bytes);
            ck_assert_int_eq(key[bytes], 'x');
        }
}
END_TEST

START_TEST(bench_keys__permutation_holds_every_number_once)
{
    static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 16, 17, 1000, 4096, 4097, 50000 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t moved = 0;
            unsigned char *seen = calloc(sizes[s], 1);
            ck_assert_ptr_nonnull(seen);
            for (uint64_t i = 0; i < sizes[s]; i++) {
                uint64_t at = bench_permute(i, sizes[s], seed);
                ck_assert_uint_lt(at, sizes[s]);
                ck_assert_uint_eq(seen[at], 0);
                seen[at] = 1;
                moved += at != i;
            }
            if (sizes[s] >= 1000)
                ck_assert_uint_gt(moved, sizes[s] * 9 / 10);
            free(seen);
        }
}
END_TEST

LEVIN_TEST_MAIN("bench_keys", TEST(bench_keys__text_is_the_zero_filled_decimal_number),
                TEST(bench_keys__permutation_holds_every_number_once))
