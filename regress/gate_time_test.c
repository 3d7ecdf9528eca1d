/*
 * gate_time_test.c - the verdicts of the time tier on known samples; the heap that lies in its region.
 */
#include "gate_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../faults/check_main.h"
#include "side_heap.h"

static const time_options options = { .round = 12, .rounds = 4, .floor = 0.005, .alpha = 0.01, .seed = 1 };

/* `count` samples around middle, in steps over a width. */
static void fill(time_row *row, double middle, double width, size_t count)
{
    for (size_t i = 0; i < count; i++)
        row->ratio[i] = middle + width * ((double)((i * 7) % count) / (double)(count - 1) - 0.5);
    row->processes = count;
}

START_TEST(gate_time__verdicts_of_known_samples)
{
    time_row *rows = calloc(5, sizeof *rows);
    fill(&rows[0], 0.02, 0.01, 24);   /* 2 % */
    fill(&rows[1], 0, 0.01, 24);      /* nothing */
    fill(&rows[2], -0.03, 0.01, 24);  /* less */
    fill(&rows[3], 0.004, 0.2, 24);   /* nobody knows */
    fill(&rows[4], 0.004, 0.002, 24); /* real, but below the floor */
    gate_time_look(rows, 5, &options);
    ck_assert_int_eq(rows[0].verdict, TIME_SLOWER);
    ck_assert(!rows[0].settled); /* not at one look */
    ck_assert_int_eq(rows[1].verdict, TIME_SAME);
    ck_assert(rows[1].settled);
    ck_assert_int_eq(rows[2].verdict, TIME_FASTER);
    ck_assert_int_eq(rows[3].verdict, TIME_UNDECIDED);
    ck_assert(!rows[3].settled);
    ck_assert_int_eq(rows[4].verdict, TIME_SAME);
    fill(&rows[0], 0.02, 0.01, 36);
    gate_time_look(rows, 5, &options);
    ck_assert(rows[0].settled);
    ck_assert_uint_eq(rows[0].slower_looks, 2);
    ck_assert(rows[0].smallest > options.floor && rows[0].smallest < 0.02);
    ck_assert(rows[3].smallest > 0.02);
    free(rows);
}
END_TEST

/* A look that says otherwise in between begins the count again. */
START_TEST(gate_time__slower_has_to_be_said_twice_in_turn)
{
    time_row *row = calloc(1, sizeof *row);
    fill(row, 0.03, 0.004, 12);
    gate_time_look(row, 1, &options);
    fill(row, 0.004, 0.2, 24);
    gate_time_look(row, 1, &options);
    ck_assert_uint_eq(row->slower_looks, 0);
    fill(row, 0.03, 0.004, 36);
    gate_time_look(row, 1, &options);
    ck_assert(!row->settled);
    free(row);
}
END_TEST

/* A decision whose time is over looks once more: at what is new alone, and not at a few. */
START_TEST(gate_time__a_last_look_needs_half_a_round)
{
    time_row *row = calloc(1, sizeof *row);
    fill(row, 0.03, 0.004, 11);
    gate_time_look(row, 1, &options);
    ck_assert_uint_eq(row->looked_at, 0);
    ck_assert_int_eq(row->verdict, TIME_UNDECIDED);
    fill(row, 0.03, 0.004, 12);
    gate_time_look(row, 1, &options);
    ck_assert_int_eq(row->verdict, TIME_SLOWER);
    fill(row, 0.03, 0.004, 17);
    gate_time_look(row, 1, &options);
    ck_assert_uint_eq(row->looked_at, 12);
    ck_assert(!row->settled);
    time_result once = { .rows = row, .count = 1 };
    time_row twice = *row;
    gate_time_finish(&once);
    ck_assert_int_eq(row->verdict, TIME_UNDECIDED); /* said once */
    ck_assert_uint_eq(once.undecided, 1);
    fill(&twice, 0.03, 0.004, 18);
    gate_time_look(&twice, 1, &options);
    ck_assert_uint_eq(twice.looked_at, 18);
    ck_assert(twice.settled);
    ck_assert_int_eq(twice.verdict, TIME_SLOWER);
    free(row);
}
END_TEST

START_TEST(gate_time__a_decision_has_an_end)
{
    const time_options hour = { .decision_ms = 3600000 };
    ck_assert_uint_eq(gate_time_left_ms(gate_time_end(&options)), UINT64_MAX);
    const uint64_t left = gate_time_left_ms(gate_time_end(&hour));
    ck_assert(left > 3500000 && left <= 3600000);
    ck_assert_uint_eq(gate_time_left_ms(1), 0);
}
END_TEST

/* What may be 0.9 % slower is not the same, with a floor of 0.5 %. */
START_TEST(gate_time__same_leaves_less_than_two_floors)
{
    time_row *row = calloc(1, sizeof *row);
    fill(row, 0.006, 0.016, 24);
    gate_time_look(row, 1, &options);
    ck_assert(row->b.lower < options.floor && row->b.upper > 0.008 && row->b.upper < 2 * options.floor);
    ck_assert_int_eq(row->verdict, TIME_UNDECIDED);
    fill(row, 0.003, 0.01, 36);
    gate_time_look(row, 1, &options);
    ck_assert(row->b.upper < 0.007);
    ck_assert_int_eq(row->verdict, TIME_SAME);
    free(row);
}
END_TEST

/* A third of the processes may be as wild as they like. */
START_TEST(gate_time__stands_outliers)
{
    time_row *row = calloc(1, sizeof *row);
    fill(row, 0, 0.004, 24);
    row->ratio[0] = row->ratio[5] = row->ratio[9] = 0.4;
    gate_time_look(row, 1, &options);
    ck_assert_int_eq(row->verdict, TIME_SAME);
    free(row);
}
END_TEST

START_TEST(side_heap__state_lies_in_the_region)
{
    enum { BYTES = 4 << 20 };
    uint8_t *region = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_null(__wrap_malloc(8));
    side_heap_use(region, BYTES);
    char *kept = __wrap_malloc(100);
    memcpy(kept, "kept", 5);
    kept = __wrap_realloc(kept, 5000);
    ck_assert_str_eq(kept, "kept");
    uint8_t *copy = malloc(BYTES);
    memcpy(copy, region, BYTES);
    void *next = __wrap_malloc(300), *aligned = __wrap_aligned_alloc(4096, 4096);
    ck_assert_uint_eq((uintptr_t)aligned % 4096, 0);
    __wrap_free(kept);
    memcpy(region, copy, BYTES); /* back */
    ck_assert_ptr_eq(__wrap_malloc(300), next);
    ck_assert_str_eq(kept, "kept");
    char *zeros = __wrap_calloc(10, 10);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(zeros[i], 0);
    ck_assert_ptr_null(__wrap_calloc(SIZE_MAX, 2));
    ck_assert_ptr_null(__wrap_malloc(BYTES));
    gate_arena_range ranges[GATE_ARENA_RANGES];
    gate_arena_ranges(side_heap_arena(), ranges);
    const uint8_t *end = ranges[1].at + ranges[1].bytes;
    ck_assert(ranges[1].at <= (uint8_t *)next && (uint8_t *)zeros + 100 <= end && end <= region + BYTES);
    free(copy);
    munmap(region, BYTES);
}
END_TEST

LEVIN_TEST_MAIN("gate_time", TEST(gate_time__verdicts_of_known_samples),
                TEST(gate_time__slower_has_to_be_said_twice_in_turn),
                TEST(gate_time__a_last_look_needs_half_a_round), TEST(gate_time__a_decision_has_an_end),
                TEST(gate_time__same_leaves_less_than_two_floors), TEST(gate_time__stands_outliers),
                TEST(side_heap__state_lies_in_the_region))
