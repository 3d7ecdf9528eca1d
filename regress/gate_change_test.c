/*
 * gate_change_test.c - levels that are known; noise has none.
 */
#include "gate_change.h"

#include "../faults/check_main.h"
#include "../faults/random.h"

static double noise(random_stream *r)
{
    double sum = -3;
    for (int i = 0; i < 6; i++)
        sum += (double)random_below(r, 1u << 30) / (double)(1u << 30);
    return sum;
}

START_TEST(gate_change__known_steps_are_found_where_they_are)
{
    double x[60];
    size_t points[CHANGE_POINTS_MAX];
    random_stream r = random_open(1, 1);
    for (size_t i = 0; i < 60; i++)
        x[i] = 100 + noise(&r) * 0.5 + (i >= 20 ? 5 : 0) - (i >= 41 ? 3 : 0);
    ck_assert_uint_eq(gate_change_points(x, 60, 1, points), 2);
    ck_assert_uint_eq(points[0], 20);
    ck_assert_uint_eq(points[1], 41);
    for (size_t i = 0; i < 30; i++)
        x[i] = i < 26 ? 7 : 8; /* exact counts */
    ck_assert_uint_eq(gate_change_points(x, 30, 1, points), 1);
    ck_assert_uint_eq(points[0], 26);
}
END_TEST

START_TEST(gate_change__noise_has_no_steps)
{
    double x[40];
    size_t points[CHANGE_POINTS_MAX], found = 0;
    random_stream r = random_open(2, 2);
    for (size_t turn = 0; turn < 100; turn++) {
        for (size_t i = 0; i < 40; i++)
            x[i] = noise(&r);
        found += gate_change_points(x, 40, turn, points) > 0;
    }
    ck_assert_uint_le(found, 5); /* at the level of 1 % */
    for (size_t i = 0; i < 40; i++)
        x[i] = 3;
    ck_assert_uint_eq(gate_change_points(x, 40, 1, points), 0);
    ck_assert_uint_eq(gate_change_points(x, 0, 1, points), 0);
    ck_assert_uint_eq(gate_change_points(x, 7, 1, points), 0);
}
END_TEST

LEVIN_TEST_MAIN("gate_change", TEST(gate_change__known_steps_are_found_where_they_are),
                TEST(gate_change__noise_has_no_steps))
