/*
 * gate_statistics_test.c - known samples: medians, Wilson's and Holm's published examples, the bootstrap's coverage.
 */
#include "gate_statistics.h"

#include <math.h>

#include "../faults/check_main.h"
#include "../faults/random.h"

#define ck_near(a, b, within) ck_assert_msg(fabs((a) - (b)) <= (within), "%.9g is not %.9g", (double)(a), (double)(b))

START_TEST(gate_statistics__middles_of_known_samples)
{
    double odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 2 }, outlier[] = { 1, 2, 3, 4, 1000 }, five[] = { 5, 4, 3, 2, -99 };
    ck_near(statistics_median(odd, 3), 5, 0);
    ck_near(statistics_median(even, 4), 2.5, 0);
    ck_near(statistics_median(odd, 0), 0, 0);
    ck_near(statistics_trimmed_mean(outlier, 5), 3, 0);
    ck_near(statistics_trimmed_mean(five, 5), 3, 0);
    ck_near(statistics_trimmed_mean(even, 4), 2.5, 0);
    double six[] = { 1, 2, 3, 5, 6, 1000 };
    ck_near(statistics_trimmed_mean(six, 6), 4, 0);
    double many[101];
    for (size_t i = 0; i < 101; i++)
        many[i] = (double)((i * 37) % 101);
    ck_near(statistics_median(many, 101), 50, 0);
}
END_TEST

/* Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29. */
START_TEST(gate_statistics__wilson_is_as_published)
{
    static const struct { uint64_t k, n; double lower, upper; } known[] = {
        { 81, 263, 0.2553, 0.3662 }, { 15, 148, 0.0624, 0.1605 }, { 0, 20, 0.0000, 0.1611 }, { 1, 29, 0.0061, 0.1718 },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        proportion_interval w = statistics_wilson(known[i].k, known[i].n);
        ck_near(w.lower, known[i].lower, 0.00005);
        ck_near(w.upper, known[i].upper, 0.00005);
    }
    ck_near(statistics_wilson(0, 0).upper, 1, 0);
}
END_TEST

START_TEST(gate_statistics__holm_steps_down_and_stops_at_the_first_that_stands)
{
    bool fell[4];
    /* the textbook's: 0.01 <= 0.05/4, 0.005 before it; 0.03 > 0.05/2 stops, and 0.04 does not fall although <= 0.05 */
    const double p[] = { 0.01, 0.04, 0.03, 0.005 };
    statistics_holm(p, 4, 0.05, fell);
    ck_assert(fell[0] && !fell[1] && !fell[2] && fell[3]);
    /* not Bonferroni's, which would keep the second */
    const double q[] = { 0.001, 0.02, 0.2 };
    statistics_holm(q, 3, 0.05, fell);
    ck_assert(fell[0] && fell[1] && !fell[2]);
    const double none[] = { 0.02, 0.02, 0.02 };
    statistics_holm(none, 3, 0.05, fell);
    ck_assert(!fell[0] && !fell[1] && !fell[2]);
}
END_TEST

/* Irwin and Hall's sum of twelve, less 6: near enough to the normal distribution. */
static double normal(random_stream *r)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)random_below(r, 1u << 30) / (double)(1u << 30);
    return sum;
}

START_TEST(gate_statistics__bootstrap_covers_and_repeats)
{
    enum { TRIES = 300, SAMPLES = 40 };
    random_stream r = random_open(7, 7);
    double samples[SAMPLES];
    size_t covered = 0;
    double errors = 0;
    for (size_t t = 0; t < TRIES; t++) {
        for (size_t i = 0; i < SAMPLES; i++)
            samples[i] = 3 + normal(&r);
        bootstrap_result b = statistics_bootstrap(samples, SAMPLES, 0.95, 0, t);
        covered += b.lower <= 3 && 3 <= b.upper;
        ck_assert(b.lower <= b.estimate && b.estimate <= b.upper);
        errors += b.standard_error;
    }
    ck_assert_uint_ge(covered, TRIES * 90 / 100);
    ck_assert_uint_le(covered, TRIES * 98 / 100);
    ck_near(errors / TRIES, 1.1 / sqrt(SAMPLES), 0.03); /* the mean's would be 1 over that */
    bootstrap_result once = statistics_bootstrap(samples, SAMPLES, 0.95, 0, 5);
    bootstrap_result again = statistics_bootstrap(samples, SAMPLES, 0.95, 0, 5);
    ck_near(once.lower, again.lower, 0);
    ck_near(once.p_above, again.p_above, 0);
}
END_TEST

START_TEST(gate_statistics__p_values_stand_on_the_side_of_the_effect)
{
    const double slower[] = { 0.02, 0.021, 0.019, 0.02, 0.022 }, none[] = { 0.001, -0.001, 0, 0.002, -0.002 };
    bootstrap_result s = statistics_bootstrap(slower, 5, 0.99, 0.005, 1);
    bootstrap_result n = statistics_bootstrap(none, 5, 0.99, 0.005, 1);
    ck_near(s.p_above, 1.0 / (BOOTSTRAP_RESAMPLES + 1), 1e-12);
    ck_near(s.p_below, 1, 1e-12);
    ck_near(n.p_above, 1, 1e-12);
    ck_near(n.p_below, 1, 1e-12);
    ck_near(s.estimate, 0.02033333, 1e-6);
    ck_near(s.lower, 0.019, 0.0011);
}
END_TEST

/*
 * The trimmed mean of three draws out of 0, 1, 2 is their median: 0 and 2 in 7 of 27 cases each, 25.9 %.  So an
 * interval that leaves less at either end spans all, and one that leaves more is the middle alone.
 */
START_TEST(gate_statistics__the_interval_leaves_half_of_the_rest_at_either_end)
{
    const double samples[] = { 2, 0, 1 };
    bootstrap_result wide = statistics_bootstrap(samples, 3, 0.60, 0, 1); /* 20 % */
    bootstrap_result narrow = statistics_bootstrap(samples, 3, 0.40, 0, 1); /* 30 % */
    ck_near(wide.lower, 0, 0);
    ck_near(wide.upper, 2, 0);
    ck_near(narrow.lower, 1, 0);
    ck_near(narrow.upper, 1, 0);
    ck_near(wide.standard_error, sqrt(14.0 / 27), 0.02);
    /* at or inside the floor: 20 of 27 are at most 1, 7 at most 0 */
    ck_near(statistics_bootstrap(samples, 3, 0.9, 1, 2).p_above, 20.0 / 27, 0.02);
    ck_near(statistics_bootstrap(samples, 3, 0.9, 0, 2).p_above, 7.0 / 27, 0.02);
    const double below[] = { -2, 0, -1 };
    ck_near(statistics_bootstrap(below, 3, 0.9, 1, 2).p_below, 20.0 / 27, 0.02);
}
END_TEST

LEVIN_TEST_MAIN("gate_statistics", TEST(gate_statistics__the_interval_leaves_half_of_the_rest_at_either_end),
                TEST(gate_statistics__middles_of_known_samples),
                TEST(gate_statistics__wilson_is_as_published),
                TEST(gate_statistics__holm_steps_down_and_stops_at_the_first_that_stands),
                TEST(gate_statistics__bootstrap_covers_and_repeats),
                TEST(gate_statistics__p_values_stand_on_the_side_of_the_effect))
