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

START_TEST(bench_report__map_has_room_for_four_times_the_data)
{
    char text[STORE_MESSAGE_BYTES], message[STORE_MESSAGE_BYTES];
    const uint64_t gib = (uint64_t)1 << 30;
    static bench_setup s = { .stores = 1 };
    s.o = (bench_options){ .num = 1000000, .key_bytes = 16, .value_bytes = 100, .large = 2000,
                           .large_value_bytes = 65536 };
    ck_assert_uint_eq(bench_map_bytes(&s), 16 * gib);
    s.o.num = 300000000;
    ck_assert_uint_ge(bench_map_bytes(&s), 4 * s.o.num * 116);
    ck_assert_uint_eq(bench_map_bytes(&s) % gib, 0);
    ck_assert(store_spec_parse("lmdb", &s.store[0], message));
    ck_assert_msg(strstr(bench_configuration(&s, 0, true, text), "map of 151552 MiB"), "%s", text);
    s.o.num = 1;
    s.o.large = 10000000;
    ck_assert_uint_ge(bench_map_bytes(&s), 4 * s.o.large * 65536);
    s.o.large = 1;
    s.kill_log_bytes = 8 * gib;
    ck_assert_uint_eq(bench_map_bytes(&s), 16 * gib);
    s.table = true;
    ck_assert_uint_ge(bench_map_bytes(&s), 32 * gib);
    s.o.num = 10000000000;
    s.o.value_bytes = 1 << 20;
    ck_assert_uint_eq(bench_map_bytes(&s), 65536 * gib); /* no more than there can be */
}
END_TEST

LEVIN_TEST_MAIN("bench_report", TEST(bench_report__map_has_room_for_four_times_the_data),
                TEST(bench_report__median_is_over_the_rounds),
                TEST(bench_report__cut_round_counts_only_alone))
