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

/*
 * By how much two halves differ counts by their size: without the factor nm / (n + m) the best split of noise is next
 * to either end, where few values differ most, and a step of one and a half deviations of the noise would drown in it.
 */
START_TEST(gate_change__a_small_step_in_the_middle_is_found)
{
    enum { TURNS = 40 };
    double x[40];
    size_t points[CHANGE_POINTS_MAX], found = 0, near = 0;
    random_stream r = random_open(3, 3);
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < 40; i++)
            x[i] = noise(&r) + (i >= 20 ? 1.1 : 0); /* the noise deviates by 0.71 */
        const size_t n = gate_change_points(x, 40, turn, points);
        found += n > 0;
        for (size_t i = 0; i < n; i++)
            near += points[i] >= 17 && points[i] <= 23;
    }
    ck_assert_msg(found >= TURNS * 90 / 100, "%zu of %d found", found, TURNS);
    ck_assert_msg(near >= TURNS * 85 / 100, "%zu of %d where they are", near, TURNS);
}
END_TEST

/* Two levels beside spread alone: what differs within the sides is taken off what differs between them. */
START_TEST(gate_change__a_change_of_spread_is_one)
{
    double x[80];
    size_t points[CHANGE_POINTS_MAX], found = 0;
    random_stream r = random_open(4, 4);
    for (size_t turn = 0; turn < 20; turn++) {
        for (size_t i = 0; i < 80; i++)
            x[i] = noise(&r) * (i >= 40 ? 8 : 1);
        const size_t n = gate_change_points(x, 80, turn, points);
        for (size_t i = 0; i < n; i++)
            found += points[i] >= 36 && points[i] <= 44;
    }
    ck_assert_msg(found >= 14, "%zu of 20", found);
}
END_TEST

LEVIN_TEST_MAIN("gate_change", TEST(gate_change__a_small_step_in_the_middle_is_found),
                TEST(gate_change__a_change_of_spread_is_one),
                TEST(gate_change__known_steps_are_found_where_they_are),
                TEST(gate_change__noise_has_no_steps))
