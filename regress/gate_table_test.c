/*
 * gate_table_test.c - tables survive being written and read, damaged ones are refused, and comparisons find what
 * differs; verdicts on both sides of the tolerance.
 */
#include "gate_table.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "gate_ratio.h"

static bool read_text(gate_table *t, const char *text, char message[GATE_MESSAGE_BYTES])
{
    FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    ck_assert_ptr_nonnull(f);
    bool ok = gate_table_read(t, f, message);
    fclose(f);
    return ok;
}

static void read_good(gate_table *t, const char *text)
{
    char message[GATE_MESSAGE_BYTES];
    ck_assert_msg(read_text(t, text, message), "%s", message);
    gate_table_sort(t);
}

START_TEST(gate_table__what_is_written_is_read)
{
    gate_table t = { 0 }, again = { 0 };
    char *text = NULL;
    size_t bytes = 0;
    for (uint64_t i = 0; i < 600; i++) {
        char counter[GATE_NAME_BYTES];
        snprintf(counter, sizeof counter, "c%llu", (unsigned long long)(i * 7 % 600));
        ck_assert(gate_table_add(&t, i % 2 ? "odd" : "even", counter, i ? i : UINT64_MAX));
    }
    gate_table_sort(&t);
    FILE *f = open_memstream(&text, &bytes);
    ck_assert(gate_table_write(&t, f));
    fclose(f);
    read_good(&again, text);
    ck_assert_uint_eq(again.count, 600);
    ck_assert_uint_eq(gate_table_compare(&t, &again, NULL, NULL), 0);
    ck_assert_uint_eq(gate_table_value(&again, "even", "c0"), UINT64_MAX);
    ck_assert(gate_table_has_workload(&again, "odd") && !gate_table_has_workload(&again, "neither"));
    free(text);
    gate_table_fini(&t);
    gate_table_fini(&again);
}
END_TEST

START_TEST(gate_table__damaged_text_is_refused_with_its_line)
{
    static const char *const bad[] = {
        "a,b,1\n", "workload,counter,value\na,b\n", "workload,counter,value\na,b,-1\n",
        "workload,counter,value\na,b,1x\n",
        "workload,counter,value\na,b,\n", "workload,counter,value\n,b,1\n", "workload,counter,value\na,,1\n",
        "workload,counter,value\na,b,99999999999999999999\n", "workload,counter,value\na,b,1,2\n",
        "workload,counter,value\na,0123456789012345678901234567890123456789012345678,1\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gate_table t = { 0 };
        char message[GATE_MESSAGE_BYTES];
        ck_assert_msg(!read_text(&t, bad[i], message), "accepted: %s", bad[i]);
        ck_assert_ptr_nonnull(strstr(message, "line"));
        gate_table_fini(&t);
    }
    gate_table t = { 0 };
    char message[GATE_MESSAGE_BYTES];
    ck_assert(!read_text(&t, "\n", message));
    ck_assert(read_text(&t, "# a comment\n\nworkload,counter,value\n# another\na,b,1\n", message));
    ck_assert_uint_eq(t.count, 1);
    gate_table_fini(&t);
}
END_TEST

static void collect(void *context, const gate_difference *d)
{
    char *text = context, line[128];
    snprintf(line, sizeof line, "%s.%s %llu>%llu;", d->workload, d->counter, (unsigned long long)d->expected,
             (unsigned long long)d->found);
    strncat(text, line, 500 - strlen(text));
}

START_TEST(gate_table__comparison_names_all_that_differs)
{
    gate_table expected = { 0 }, found = { 0 };
    char text[512] = "";
    read_good(&expected, "workload,counter,value\nb,x,1\na,x,1\na,y,2\nc,z,0\n");
    read_good(&found, "workload,counter,value\na,y,3\na,x,1\nd,x,4\n");
    ck_assert_uint_eq(gate_table_compare(&expected, &found, collect, text), 3);
    ck_assert_str_eq(text, "a.y 2>3;b.x 1>0;d.x 0>4;");
    gate_table_fini(&expected);
    gate_table_fini(&found);
}
END_TEST

START_TEST(gate_ratio__verdicts_on_both_sides_of_the_tolerance)
{
    static const struct {
        const char *name;
        gate_verdict verdict;
    } wanted[] = { { "same", GATE_SAME },   { "just", GATE_SAME },   { "slow", GATE_SLOWER },
                   { "fast", GATE_FASTER }, { "fresh", GATE_NEW },   { "other", GATE_OTHER_WORK },
                   { "old", GATE_GONE } };
    gate_table base = { 0 }, now = { 0 };
    gate_ratio r[8];
    read_good(&base, "workload,counter,value\n"
                     "same,operations,10\nsame,instructions,1000\njust,operations,10\njust,instructions,100000\n"
                     "slow,operations,10\nslow,instructions,100000\nfast,operations,10\nfast,instructions,100000\n"
                     "other,operations,10\nother,instructions,1000\nold,operations,10\nold,instructions,1000\n");
    read_good(&now, "workload,counter,value\n"
                    "same,operations,10\nsame,instructions,1000\njust,operations,10\njust,instructions,100499\n"
                    "slow,operations,10\nslow,instructions,100501\nfast,operations,10\nfast,instructions,99499\n"
                    "other,operations,20\nother,instructions,9000\nfresh,operations,10\nfresh,instructions,5\n");
    ck_assert_uint_eq(gate_ratios(&base, &now, 0.5, r, 8), 7);
    for (size_t i = 0; i < 7; i++) {
        size_t at = 0;
        while (at < 7 && strcmp(r[at].workload, wanted[i].name))
            at++;
        ck_assert_msg(at < 7, "%s is missing", wanted[i].name);
        ck_assert_msg(r[at].verdict == wanted[i].verdict, "%s: %s", wanted[i].name, gate_verdict_text(r[at].verdict));
    }
    ck_assert_uint_eq(gate_ratios(&base, &now, 0.5, r, 3), 3);
    gate_table_fini(&base);
    gate_table_fini(&now);
}
END_TEST

LEVIN_TEST_MAIN("gate_table", TEST(gate_table__what_is_written_is_read),
                TEST(gate_table__damaged_text_is_refused_with_its_line),
                TEST(gate_table__comparison_names_all_that_differs),
                TEST(gate_ratio__verdicts_on_both_sides_of_the_tolerance))
