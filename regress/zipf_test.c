/*
 * zipf_test.c - Zipfian ranks are in range and as frequent as they should be.
 */
#include "zipf.h"

#include <math.h>

#include "../faults/check_main.h"

/* Draws are seeded: what is compared here is the same in every run. */
static void require_frequencies(unsigned n, double theta)
{
    enum { N_MAX = 10000, DRAWS = 1000000 };
    static uint64_t count[N_MAX];
    memset(count, 0, sizeof count);
    zipf z = zipf_open(n, theta);
    random_stream random = random_open(1, n);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t rank = zipf_next(&z, &random);
        ck_assert_uint_lt(rank, n);
        count[rank]++;
    }
    double all = 0;
    for (unsigned i = 1; i <= n; i++)
        all += pow(i, -theta);
    for (unsigned from = 0; from < n; from = from < 4 ? from + 1 : 2 * from) {
        const unsigned to = from < 4 ? from + 1 : 2 * from < n ? 2 * from : n;
        double share = 0, drawn = 0;
        for (unsigned rank = from; rank < to; rank++) {
            share += pow(rank + 1, -theta) / all;
            drawn += (double)count[rank] / DRAWS;
        }
        double sigma = sqrt(share * (1 - share) / DRAWS);
        ck_assert_msg(fabs(drawn - share) < 4 * sigma + 1e-9, "theta %g, ranks %u to %u of %u: %.5f, not %.5f",
                      theta, from, to - 1, n, drawn, share);
    }
}

START_TEST(zipf__ranks_are_as_frequent_as_they_should_be)
{
    static const double thetas[] = { 0.5, 0.99 };
    for (unsigned t = 0; t < 2; t++)
        for (unsigned n = 1; n <= 10000; n *= 10)
            require_frequencies(n, thetas[t]);
}
END_TEST

START_TEST(zipf__few_ranks_all_come)
{
    random_stream random = random_open(3, 4);
    for (uint64_t n = 1; n < 6; n++) {
        zipf z = zipf_open(n, 0.99);
        uint64_t seen = 0;
        for (unsigned i = 0; i < 1000; i++) {
            uint64_t rank = zipf_next(&z, &random);
            ck_assert_uint_lt(rank, n);
            seen |= (uint64_t)1 << rank;
        }
        ck_assert_uint_eq(seen, ((uint64_t)1 << n) - 1);
    }
}
END_TEST

LEVIN_TEST_MAIN("zipf", TEST(zipf__ranks_are_as_frequent_as_they_should_be), TEST(zipf__few_ranks_all_come))
