/*
 * report_test.c - the lines that replay findings can be given to a shell as they are.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"

static const char *word(const char *text)
{
    static char quoted[REPORT_WORD_BYTES];
    report_word("", text, quoted);
    return quoted;
}

START_TEST(report__words_are_quoted_where_a_shell_would_take_them_apart)
{
    ck_assert_str_eq(word("/var/lib/dpkg/status"), "/var/lib/dpkg/status");
    ck_assert_str_eq(word("my data"), "'my data'");
    ck_assert_str_eq(word("it's"), "'it'\\''s'");
    ck_assert_str_eq(word("$HOME"), "'$HOME'");
    ck_assert_str_eq(word(""), "''");
}
END_TEST

START_TEST(report__replay_lines_are_whole)
{
    char path[3000], line[REPORT_LINE_BYTES];
    memset(path, 'a', sizeof path - 1);
    path[1000] = ' ';
    path[sizeof path - 1] = 0;
    chaos_options o = { .depth = DEPTH_DEFAULT, .crossed_depth = CROSSED_DEPTH_DEFAULT, .data = path, .threads = 3, .fault_every = 7,
                              .duration_seconds = 20, .fiu = true };
    report *r = calloc(1, sizeof *r);
    r->options = &o;
    finding f = { .found_by = DETECTOR_SWEEP, .seed = 4, .replay = "--at 1.2" };
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_msg(strstr(line, "aa' --at 1.2") != NULL, "%s", line);
    ck_assert(strstr(line, " --data 'aa") != NULL && strstr(line, path) != NULL);
    o.data = NULL; /* the depth is said where it is not what the command takes by itself */
    f.found_by = DETECTOR_CROSSED;
    strcpy(f.replay, "--chain 7");
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos replay --seed 4 --chain 7");
    o.crossed_depth = o.depth = DEPTH_DEFAULT;
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos replay --seed 4 --depth 2 --chain 7");
    f.found_by = DETECTOR_SOAK;
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos soak --seed 4 --threads 3 --fault-every 7 --duration 20 --fiu");
    free(r);
}
END_TEST

LEVIN_TEST_MAIN("report", TEST(report__words_are_quoted_where_a_shell_would_take_them_apart),
                TEST(report__replay_lines_are_whole))
