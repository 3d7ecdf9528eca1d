/*
 * bench_report_test.c - medians over rounds, and what becomes of a round that was cut short.
 */
#include "bench_report.h"

#include "../faults/check_main.h"

static bench_result round_of(uint64_t operations, double seconds, bool cut)
{
    return (bench_result){ .operations = operations, .seconds = seconds, .cut = cut };
}

START_TEST(bench_report__median_is_over_the_rounds)
{
    static bench_cell c;
    const bench_result rounds[] = { round_of(100, 1, false), round_of(900, 1, false), round_of(100, 0.5, false) };
    ck_assert_double_eq(bench_cell_median(&c), 0);
    for (int i = 0; i < 3; i++)
        bench_cell_add(&c, &rounds[i]);
    ck_assert_uint_eq(c.rounds, 3);
    ck_assert_double_eq(bench_cell_median(&c), 200);
    const bench_result fourth = round_of(400, 1, false);
    bench_cell_add(&c, &fourth);
    ck_assert_double_eq(bench_cell_median(&c), 300);
}
END_TEST

START_TEST(bench_report__cut_round_counts_only_alone)
{
    static bench_cell whole, alone;
    const bench_result good = round_of(100, 1, false), cut = round_of(7, 1, true);
    bench_cell_add(&whole, &good);
    bench_cell_add(&whole, &cut);
    ck_assert_uint_eq(whole.rounds, 1);
    ck_assert(!whole.cut);
    ck_assert_double_eq(bench_cell_median(&whole), 100);
    bench_cell_add(&alone, &cut);
    ck_assert(alone.cut);
    ck_assert_double_eq(bench_cell_median(&alone), 7);
}
END_TEST

LEVIN_TEST_MAIN("bench_report", TEST(bench_report__median_is_over_the_rounds),
                TEST(bench_report__cut_round_counts_only_alone))
