/*
 * histogram_test.c - quantiles against sorted values, within the width of a bucket.
 */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(histogram__quantiles_are_within_a_bucket)
{
    enum { N = 20000 };
    static histogram h, left, right;
    static uint64_t v[N];
    uint64_t x = 42;
    for (int i = 0; i < N; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        v[i] = (x >> 33) >> (x % 25);
        histogram_add(i % 2 ? &left : &right, v[i]);
    }
    histogram_merge(&h, &left);
    histogram_merge(&h, &right);
    qsort(v, N, sizeof *v, by_value);
    ck_assert_uint_eq(h.count, N);
    ck_assert_uint_eq(h.max, v[N - 1]);
    for (double share = 0; share < 1; share += 0.013) {
        uint64_t exact = v[(size_t)(share * N)], got = histogram_quantile(&h, share);
        ck_assert_uint_ge(got, exact);
        ck_assert_uint_le(got, exact + exact / 32 + 1);
    }
    ck_assert_uint_eq(histogram_quantile(&h, 1), v[N - 1]);
}
END_TEST

START_TEST(histogram__largest_value_has_a_bucket)
{
    static histogram h;
    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, 0);
    ck_assert_uint_eq(histogram_quantile(&h, 0.9), UINT64_MAX);
    ck_assert_uint_eq(histogram_quantile(&h, 0), 0);
}
END_TEST

START_TEST(histogram__a_value_is_in_the_bucket_of_its_upper_edge)
{
    static const uint64_t values[] = { 0, 1, 31, 32, 33, 63, 64, 65, 1000, 123456789, UINT64_MAX / 3, UINT64_MAX };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        static histogram h;
        memset(&h, 0, sizeof h);
        histogram_add(&h, values[i]);
        for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
            if (h.bucket[b]) {
                ck_assert_uint_ge(histogram_bucket_upper(b), values[i]);
                ck_assert(!b || histogram_bucket_upper(b - 1) < values[i]);
            }
    }
}
END_TEST

LEVIN_TEST_MAIN("histogram", TEST(histogram__quantiles_are_within_a_bucket),
                TEST(histogram__largest_value_has_a_bucket),
                TEST(histogram__a_value_is_in_the_bucket_of_its_upper_edge))
