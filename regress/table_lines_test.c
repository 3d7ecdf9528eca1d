/*
 * table_lines_test.c - how the speed table judges: against the best of the stores named, in the same round.
 */
#include "bench_table.h"

#include "../faults/check_main.h"

enum { LEVIN, LMDB, ROCKSDB, LEVELDB, VARIANT, STORES };

/* Stores by name alone: nothing is opened here. */
static const store_adapter named[STORES] = {
    [LEVIN] = { .name = "levin" }, [LMDB] = { .name = "lmdb" }, [ROCKSDB] = { .name = "rocksdb" },
    [LEVELDB] = { .name = "leveldb" }, [VARIANT] = { .name = "levin" },
};

static bench_setup setup;
static table_values values;

static void begin(unsigned rounds)
{
    memset(&values, 0, sizeof values);
    memset(&setup, 0, sizeof setup);
    setup.stores = STORES;
    setup.rounds = rounds;
    for (size_t i = 0; i < STORES; i++)
        setup.store[i].adapter = &named[i];
}

static const table_line load = { .work = "load", .kind = LINE_RATIO, .ours = FIGURE_LOAD, .theirs = FIGURE_LOAD,
                                 .peers = { "rocksdb", "leveldb" }, .asked = 2 };

START_TEST(table__a_ratio_is_to_the_best_peer_of_the_same_round)
{
    static const double rates[3][STORES] = {
        { 100, 9000, 50, 40, 9000 },   /* 2.0 */
        { 300, 9000, 100, 150, 9000 }, /* 2.0 */
        { 90, 9000, 10, 20, 9000 },    /* 4.5 */
    };
    begin(3);
    for (unsigned r = 0; r < 3; r++)
        for (size_t i = 0; i < STORES; i++)
            values.figure[r][i][FIGURE_LOAD] = rates[r][i];
    table_verdict v = table_judge(&setup, &values, &load);
    ck_assert(v.known && v.met);
    ck_assert_double_eq(v.median, 2);
    ck_assert_double_eq(v.low, 2);
    ck_assert_double_eq(v.high, 4.5);
    ck_assert_uint_eq(v.best, ROCKSDB); /* medians 50 and 40 */
    ck_assert_double_eq(table_median(&setup, &values, LEVIN, FIGURE_LOAD), 100);
    values.figure[0][LEVELDB][FIGURE_LOAD] = 51;
    values.figure[1][LEVELDB][FIGURE_LOAD] = 151;
    v = table_judge(&setup, &values, &load);
    ck_assert(v.known && !v.met);
}
END_TEST

START_TEST(table__less_is_more_where_it_is_a_cost)
{
    const table_line line = { .work = "reopen", .kind = LINE_RATIO, .ours = FIGURE_REOPEN, .theirs = FIGURE_REOPEN,
                              .peers = { "leveldb", "rocksdb" }, .asked = 5 };
    begin(1);
    values.figure[0][LEVIN][FIGURE_REOPEN] = 0.1;
    values.figure[0][LEVELDB][FIGURE_REOPEN] = 0.75;
    values.figure[0][ROCKSDB][FIGURE_REOPEN] = 0.5;
    table_verdict v = table_judge(&setup, &values, &line);
    ck_assert(v.known && v.met);
    ck_assert_double_eq_tol(v.median, 5, 1e-9);
    ck_assert_uint_eq(v.best, ROCKSDB);
}
END_TEST

START_TEST(table__a_limit_is_ours_alone)
{
    const table_line line = { .work = "disk", .kind = LINE_LIMIT, .ours = FIGURE_DISK_SHARE, .asked = 1.2 };
    begin(2);
    values.figure[0][LEVIN][FIGURE_DISK_SHARE] = 1.2;
    values.figure[1][LEVIN][FIGURE_DISK_SHARE] = 1.2;
    table_verdict v = table_judge(&setup, &values, &line);
    ck_assert(v.known && v.met); /* the limit itself is within */
    ck_assert_double_eq(v.high, 1.2);
    values.figure[1][LEVIN][FIGURE_DISK_SHARE] = 1.3;
    v = table_judge(&setup, &values, &line);
    ck_assert(v.known && !v.met);
}
END_TEST

START_TEST(table__what_was_not_measured_is_not_judged)
{
    begin(2);
    ck_assert(!table_judge(&setup, &values, &load).known);
    values.figure[0][LEVIN][FIGURE_LOAD] = 1; /* no peer */
    values.figure[1][ROCKSDB][FIGURE_LOAD] = 1; /* not in the same round */
    values.figure[0][VARIANT][FIGURE_LOAD] = 1; /* no peer either */
    ck_assert(!table_judge(&setup, &values, &load).known);
    table_line later = load;
    later.kind = LINE_NOT_YET;
    values.figure[0][ROCKSDB][FIGURE_LOAD] = 1;
    ck_assert(!table_judge(&setup, &values, &later).known);
    ck_assert(table_judge(&setup, &values, &load).known);
}
END_TEST

START_TEST(table__every_line_and_figure_has_its_names)
{
    size_t count;
    const table_line *lines = table_lines(&count);
    ck_assert_uint_ge(count, 20);
    for (size_t i = 0; i < count; i++) {
        ck_assert(lines[i].asked > 0);
        if (lines[i].kind == LINE_NOT_YET)
            continue;
        ck_assert_int_ne(lines[i].ours, FIGURE_NONE);
        ck_assert_int_eq(lines[i].kind != LINE_LIMIT, lines[i].theirs != FIGURE_NONE);
        ck_assert_int_eq(lines[i].kind == LINE_RATIO, lines[i].peers[0] != NULL);
        for (int p = 0; p < LINE_PEERS_MAX && lines[i].peers[p]; p++) {
            bool known = store_adapter_find(lines[i].peers[p]) != NULL;
            for (const store_absence *absence = store_absences(); absence->name; absence++)
                known = known || strcmp(absence->name, lines[i].peers[p]) == 0;
            ck_assert_msg(known, "%s: no store is called %s", lines[i].work, lines[i].peers[p]);
        }
    }
    for (table_figure f = FIGURE_NONE + 1; f < TABLE_FIGURES; f++) {
        ck_assert_msg(table_figures[f].name && table_figures[f].title, "figure %d has no name", f);
        for (table_figure g = FIGURE_NONE + 1; g < f; g++)
            ck_assert_str_ne(table_figures[f].name, table_figures[g].name);
    }
}
END_TEST

START_TEST(table__the_subject_is_the_first_levin)
{
    begin(1);
    ck_assert_uint_eq(table_subject(&setup), LEVIN);
    setup.store[LEVIN].adapter = &named[LMDB];
    ck_assert_uint_eq(table_subject(&setup), VARIANT);
}
END_TEST

LEVIN_TEST_MAIN("table_lines", TEST(table__a_ratio_is_to_the_best_peer_of_the_same_round),
                TEST(table__less_is_more_where_it_is_a_cost), TEST(table__a_limit_is_ours_alone),
                TEST(table__what_was_not_measured_is_not_judged), TEST(table__every_line_and_figure_has_its_names),
                TEST(table__the_subject_is_the_first_levin))
