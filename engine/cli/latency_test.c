/*
 * latency_test.c - the histogram of `levin bench`.
 *
 * Checked: every number falls into the bucket whose bounds hold it, buckets follow one another without a gap, each is
 * at most 1/32 wide; quantiles are those of the numbers, no more than a bucket's width above; sums add up.
 */
#include "../../faults/check_main.h"
#include "latency.c"

START_TEST(latency__buckets_hold_their_numbers_without_a_gap)
{
    uint64_t first, last, next = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        latency_bounds(i, &first, &last);
        ck_assert_uint_eq(first, next);
        ck_assert_uint_ge(last, first);
        ck_assert(last - first <= first / 32);
        ck_assert_uint_eq(bucket_of(first), i);
        ck_assert_uint_eq(bucket_of(last), i);
        next = last + 1;
    }
    ck_assert_uint_eq(next, 0); /* the last one ends with the largest number */
}
END_TEST

START_TEST(latency__quantiles_are_those_of_the_numbers)
{
    static latency a, b;
    ck_assert_uint_eq(latency_quantile(&a, 500), 0);
    for (uint64_t n = 1; n <= 100000; n++)
        latency_add(n % 2 ? &a : &b, n);
    latency_merge(&a, &b);
    ck_assert_uint_eq(a.count, 100000);
    ck_assert_uint_eq(a.sum, (uint64_t)100000 * 100001 / 2);
    ck_assert_uint_eq(a.max, 100000);
    const unsigned quantiles[] = { 1, 10, 500, 900, 990, 999, 1000 };
    for (unsigned i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        uint64_t exact = 100 * (uint64_t)quantiles[i], got = latency_quantile(&a, quantiles[i]);
        ck_assert_uint_ge(got, exact);
        ck_assert_uint_le(got, exact + exact / 32);
    }
}
END_TEST

LEVIN_TEST_MAIN("latency", TEST(latency__buckets_hold_their_numbers_without_a_gap),
                TEST(latency__quantiles_are_those_of_the_numbers))
