/*
 * gate_flame_test.c - profiles that are known: widths, colours, what changed in itself.
 */
#include "gate_flame.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"

static char *drawn;

static bool draw(const char *profile)
{
    char path[] = "/tmp/levin-flame-XXXXXX";
    size_t bytes;
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, profile, strlen(profile)), (ssize_t)strlen(profile));
    close(file);
    free(drawn);
    FILE *to = open_memstream(&drawn, &bytes);
    const bool ok = gate_flame(path, to);
    fclose(to);
    unlink(path);
    return ok;
}

static unsigned times(const char *text)
{
    unsigned n = 0;
    for (const char *at = drawn; (at = strstr(at, text)); at++)
        n++;
    return n;
}

START_TEST(gate_flame__a_box_is_as_wide_as_it_has_samples)
{
    /* 100 and 110: in one scale, the wider is 1100 */
    ck_assert(draw("get;find 60 60\nget;copy 30 40\nget 10 10\n"));
    ck_assert_uint_eq(times("<svg"), 2);
    ck_assert_uint_eq(times("base: 100 samples"), 1);
    ck_assert_uint_eq(times("now: 110 samples"), 1);
    ck_assert_uint_eq(times("width='1000.0'"), 2); /* the base's whole, and get in it */
    ck_assert_uint_eq(times("<rect x='0.0' y='0' width='1100.0'"), 1);
    ck_assert_uint_eq(times("width='300.0'"), 1);
    ck_assert_uint_eq(times("width='400.0'"), 1);
    ck_assert_uint_eq(times("<rect x='400.0' y='34' width='600.0'"), 1); /* behind copy, by name */
    ck_assert_uint_eq(times("<tr><td>copy<td>30<td>40<td>+10.00%"), 1);
    ck_assert_uint_eq(times("<tr><td>get<td>10<td>10<td>+0.00%"), 1);
}
END_TEST

START_TEST(gate_flame__more_is_red_and_less_is_blue)
{
    ck_assert(draw("more 0 50\nless 50 0\nsame 50 50\n"));
    ck_assert_uint_eq(times("fill='rgb(235,85,85)'/><text"), 1);   /* drawn where it has samples: now */
    ck_assert_uint_eq(times("fill='rgb(85,85,235)'/><text"), 1);
    ck_assert_uint_eq(times("fill='rgb(235,235,235)'/><text"), 4); /* same, and the whole, twice */
    ck_assert(strstr(drawn, "<tr><td>less") < strstr(drawn, "<tr><td>same"));
}
END_TEST

START_TEST(gate_flame__what_is_no_profile_is_refused)
{
    ck_assert(!draw(""));
    ck_assert(!draw("get;find 0 0\n"));
    ck_assert(!draw("get;find 60\n"));
    ck_assert(!draw("get;find sixty 60\n"));
    ck_assert(!gate_flame("/nowhere/at/all", stdout));
    ck_assert(draw("vector<T>::f(int, long) 1 2\n"));
    ck_assert_uint_ge(times("vector&lt;T&gt;::f(int, long)"), 2);
    ck_assert_uint_eq(times("<T>"), 0);
    free(drawn);
    drawn = NULL;
}
END_TEST

LEVIN_TEST_MAIN("gate_flame", TEST(gate_flame__a_box_is_as_wide_as_it_has_samples),
                TEST(gate_flame__more_is_red_and_less_is_blue), TEST(gate_flame__what_is_no_profile_is_refused))
