/*
 * check_main.h - the main function of a Check test program.
 *
 * A test file ends with LEVIN_TEST_MAIN("name", TEST(a), TEST(b), ...).  Each case runs in a child process;
 * TEST_FORK=no (gdb, valgrind) keeps it in this one.  TEST_CASE=substring runs the matching cases only.
 */
#ifndef LEVIN_CHECK_MAIN_H
#define LEVIN_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

/*
 * Check notes the place of every assertion that holds, by a write to a file: 2 us each, minutes in loops over bytes.
 * What the note is for, the last place before a signal, the sanitizers tell better.
 */
#define _mark_point(file, line) ((void)0)

struct check_main_case {
    const TTest *test;
    const char *name;
};
#define TEST(function) { function, #function }

#define LEVIN_TEST_MAIN(suite_name, ...)                                                                        \
    int main(void)                                                                                              \
    {                                                                                                           \
        const struct check_main_case cases[] = { __VA_ARGS__ };                                                 \
        const char *only = getenv("TEST_CASE"), *fork_mode = getenv("TEST_FORK");                               \
        Suite *suite = suite_create(suite_name);                                                                \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {                                           \
            if (only && !strstr(cases[i].name, only))                                                           \
                continue;                                                                                       \
            TCase *tcase = tcase_create(cases[i].name);                                                         \
            tcase_set_timeout(tcase, 240);                                                                      \
            tcase_add_test(tcase, cases[i].test);                                                               \
            suite_add_tcase(suite, tcase);                                                                      \
        }                                                                                                       \
        SRunner *runner = srunner_create(suite);                                                                \
        srunner_set_fork_status(runner, fork_mode && !strcmp(fork_mode, "no") ? CK_NOFORK : CK_FORK);           \
        srunner_run_all(runner, CK_NORMAL);                                                                     \
        int failed = srunner_ntests_failed(runner);                                                             \
        srunner_free(runner);                                                                                   \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                                            \
    }

#endif
