/*
 * ddmin_test.c - what is left fails, nothing of it can be left out, and the tests are few where one item is to blame.
 */
#include "ddmin.h"

#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/random.h"

enum { ITEMS_MAX = 200 };

/* Fails when all of the culprits are there; counts, and stops after so many tests. */
typedef struct blame {
    uint32_t culprits[8];
    size_t count, tests, stop_after;
} blame;

static bool fails(void *context, const uint32_t *items, size_t count)
{
    blame *b = context;
    size_t found = 0;
    b->tests++;
    for (size_t i = 0; i < count; i++) {
        ck_assert(i == 0 || items[i - 1] < items[i]);
        for (size_t k = 0; k < b->count; k++)
            found += items[i] == b->culprits[k];
    }
    return found == b->count;
}

static bool stopped(void *context)
{
    const blame *b = context;
    return b->stop_after && b->tests >= b->stop_after;
}

static size_t run(blame *b, uint32_t items[ITEMS_MAX], size_t count)
{
    const ddmin_options options = { .context = b, .fails = fails, .stopped = stopped };
    for (size_t i = 0; i < count; i++)
        items[i] = (uint32_t)i;
    return ddmin(items, count, &options);
}

START_TEST(ddmin__leaves_the_culprits_alone)
{
    uint32_t items[ITEMS_MAX];
    random_stream random = random_open(1, 1);
    for (int round = 0; round < 300; round++) {
        const size_t count = 1 + random_below(&random, ITEMS_MAX);
        blame b = { .count = random_below(&random, count < 6 ? count + 1 : 6) };
        for (size_t k = 0; k < b.count; k++) /* apart from one another */
            b.culprits[k] = (uint32_t)(count * k / b.count + random_below(&random, count / b.count));
        ck_assert_uint_eq(run(&b, items, count), b.count);
        ck_assert_uint_le(b.tests, count * count + 3 * count);
        for (size_t k = 0; k < b.count; k++)
            ck_assert_uint_eq(items[k], b.culprits[k]);
    }
}
END_TEST

START_TEST(ddmin__one_culprit_is_found_by_halving)
{
    uint32_t items[ITEMS_MAX];
    for (uint32_t culprit = 0; culprit < 128; culprit++) {
        blame b = { .culprits = { culprit }, .count = 1 };
        ck_assert_uint_eq(run(&b, items, 128), 1);
        ck_assert_uint_le(b.tests, 1 + 2 * 7);
    }
}
END_TEST

/* Two of three parts fail together: parts that are not neighbours are left by taking out the one between them. */
START_TEST(ddmin__complements_are_tried)
{
    uint32_t items[ITEMS_MAX];
    blame b = { .culprits = { 0, 199 }, .count = 2 };
    ck_assert_uint_eq(run(&b, items, 200), 2);
    ck_assert_uint_lt(b.tests, 120);
}
END_TEST

START_TEST(ddmin__stopped_it_leaves_what_fails)
{
    uint32_t items[ITEMS_MAX];
    for (size_t after = 1; after < 60; after++) {
        blame b = { .culprits = { 7, 90, 91, 150 }, .count = 4, .stop_after = after };
        const size_t left = run(&b, items, 160);
        ck_assert_uint_le(b.tests, after);
        ck_assert(fails(&b, items, left));
    }
}
END_TEST

START_TEST(ddmin__nothing_and_one)
{
    uint32_t items[ITEMS_MAX];
    blame none = { .count = 0 }, one = { .culprits = { 0 }, .count = 1 };
    ck_assert_uint_eq(run(&none, items, 0), 0);
    ck_assert_uint_eq(run(&none, items, 1), 0);
    ck_assert_uint_eq(run(&one, items, 1), 1);
}
END_TEST

LEVIN_TEST_MAIN("ddmin", TEST(ddmin__leaves_the_culprits_alone), TEST(ddmin__one_culprit_is_found_by_halving),
                TEST(ddmin__complements_are_tried), TEST(ddmin__stopped_it_leaves_what_fails),
                TEST(ddmin__nothing_and_one))
