/*
 * finding_file_test.c - findings are read as they are written, what is wrong with a text is told with its place, and a
 * part of a workload is a workload.
 */
#include "finding_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "finding_run.h"
#include "sweep.h"

#define HEAD "levin-finding 1\ncommand "

static void refused(const char *text, unsigned line, unsigned column, const char *says)
{
    saved_finding f;
    words_error e;
    ck_assert_msg(!saved_finding_parse(&f, text, strlen(text), &e), "taken: %s", text);
    ck_assert_msg(e.line == line && e.column == column && strstr(e.text, says), "%s\nat %u:%u: %s", text, e.line,
                  e.column, e.text);
}

START_TEST(finding_file__errors_have_their_place)
{
    refused("", 1, 1, "expected levin-finding 1, not the end");
    refused("levin-finding 2\n", 1, 15, "expected version 1, not '2'");
    refused("levin-finding 1 x\n", 1, 17, "expected the end of the line");
    refused("levin-finding 1\n\nseed 1\n", 3, 1, "expected command");
    refused(HEAD "soak\n", 2, 9, "expected sweep, faults, crossed, plan, corrupt or ranges, not 'soak'");
    refused(HEAD "sweep\nseed x\n", 3, 6, "expected a number from 0, not 'x'");
    refused(HEAD "sweep\nseed 1\nseed 2\n", 4, 1, "expected no second line");
    refused(HEAD "sweep\nseed 1 2\n", 3, 8, "expected the end of the line");
    refused(HEAD "sweep\nops 0\n", 3, 5, "expected a number from 1");
    refused(HEAD "sweep\nops 1000001\n", 3, 5, "expected a number up to 1000000");
    refused(HEAD "sweep\ndepth 5\n", 3, 7, "expected a number up to 4");
    refused(HEAD "sweep\nat 12\n", 3, 4, "expected a path");
    refused(HEAD "sweep\nfault life/x\n", 3, 1, "expected a line of a finding of sweep, not 'fault'");
    refused(HEAD "crossed\ndepth 5\n", 3, 7, "expected a number up to 4");
    refused(HEAD "crossed\ntails 5\n", 3, 1, "expected a line of a finding of crossed, not 'tails'");
    refused(HEAD "faults\nwalks 1\n", 3, 1, "expected a line of a finding of faults");
    refused(HEAD "ranges\noperations 1\n", 3, 1, "expected a line of a finding of ranges");
    refused(HEAD "faults\nsteps 1 5-3\n", 3, 9, "expected a number N, or N-M");
    refused(HEAD "faults\nsteps 1 5-\n", 3, 9, "expected a number N, or N-M");
    refused(HEAD "faults\nsteps 0-9000000 9000001-18000000\n", 3, 17, "expected a number N, or N-M, to 10000000");
    refused(HEAD "faults\nsteps 1-5 4\n", 3, 11, "expected numbers that ascend");
    refused(HEAD "faults\nvalues 31\n", 3, 8, "expected a number from 32");
    refused(HEAD "faults\nseed 1\nops 9\npromise   \n", 5, 11, "expected a promise, not the end");
    refused(HEAD "faults\nseed 1\nops 9\nfault x/1\n", 6, 1, "expected promise");
    refused(HEAD "faults\nseed 1\nops 9\npromise FAULT\n", 6, 1, "expected fault");
    refused(HEAD "plan\nrule on levin/io/wal/sync nth 3 do error ENOENT\n", 3, 42, "expected the name of an error");
    refused(HEAD "plan\nrule # nothing\n", 3, 6, "expected a rule");
    refused(HEAD "plan\nseed 1\nops 9\nscenario life\npromise FAULT\n", 7, 1, "expected rule");
}
END_TEST

static char *printed(const saved_finding *f)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    saved_finding_print(f, to);
    fclose(to);
    return text;
}

/* Printed and read again it is the same text. */
static void comes_back(const char *text)
{
    saved_finding f;
    words_error e;
    ck_assert_msg(saved_finding_parse(&f, text, strlen(text), &e), "%u:%u: %s", e.line, e.column, e.text);
    char *again = printed(&f);
    ck_assert_str_eq(again, text);
    free(again);
    saved_finding copy = { 0 };
    saved_finding_copy(&copy, &f);
    saved_finding_free(&f);
    again = printed(&copy);
    ck_assert_str_eq(again, text);
    free(again);
    saved_finding_free(&copy);
}

START_TEST(finding_file__is_read_as_it_is_written)
{
    comes_back(HEAD "sweep\nseed 18446744073709551614\nops 2000\ndata /a b/#c\ndepth 3\ntails 1\nat 64.35/3.2\n"
                    "steps 0-4 7 9-12\noperations\nvalues 32\npromise TORN vs ROTTEN\nphase check after recovery\n"
                    "found # not a comment here\n");
    comes_back(HEAD "faults\nseed 1\nops 160\nfault life/wal.sync/eio/once/3\npromise FAULT\n");
    comes_back(HEAD "crossed\nseed 1\nops 160\ndepth 4\nchain 7\npromise DURABLE\nphase power cut\n");
    comes_back(HEAD "plan\nseed 1\nops 160\nscenario recovery-1\nrule on levin/io/wal/sync nth 3 do error EIO\n"
                    "rule on levin/mem/alloc probability 0.5 do error ENOMEM # often\npromise FAULT\n");
    comes_back(HEAD "corrupt\nseed 1\nops 160\ndamage closed/flip/pages/4711\npromise DETECT\n");
    comes_back(HEAD "ranges\nseed 1\nops 160\nsteps 3\nwalks\npromise EXACT\n");
}
END_TEST

START_TEST(finding_file__a_finding_of_a_detector_is_kept_whole)
{
    const chaos_options options = { .depth = 2, .crossed_depth = 4 };
    finding item = { .seed = 7, .replay = "--at 0.0 (the workload itself)", .promise = "FAULT", .phase = "process",
                     .text = "the process\ndied" };
    saved_finding f;
    ck_assert(saved_finding_make(&f, &item, &options, NULL, NULL));
    char *text = printed(&f);
    ck_assert_str_eq(text, HEAD "sweep\nseed 7\nops 2000\ndepth 2\ntails 8\nat 0.0\npromise FAULT\nphase process\n"
                                "found the process died\n");
    free(text);
    saved_finding_free(&f);
    strcpy(item.replay, "--chain 12");
    ck_assert(saved_finding_make(&f, &item, &options, NULL, NULL));
    ck_assert_int_eq(f.command, FINDING_CROSSED);
    ck_assert_uint_eq(f.depth, 4);
    saved_finding_free(&f);
    static const char plan[] = "levin-fault-plan 1\n# one\n\n  on levin/io/wal/sync nth 3 do error EIO # why\n";
    plan_rules rules;
    plan_error error;
    ck_assert(plan_parse(&rules, plan, strlen(plan), &error));
    strcpy(item.replay, "recovery-0");
    ck_assert(saved_finding_make(&f, &item, &options, &rules, plan));
    ck_assert_int_eq(f.command, FINDING_PLAN);
    ck_assert_str_eq(f.place, "recovery-0");
    ck_assert_str_eq(f.rules[0], "on levin/io/wal/sync nth 3 do error EIO # why");
    plan_rules read;
    saved_finding_rules(&f, &read);
    ck_assert_uint_eq(read.count, 1);
    ck_assert_uint_eq(read.rules[0].nth, 3);
    saved_finding_free(&f);
}
END_TEST

START_TEST(finding_file__a_rule_counts_in_its_words_and_not_in_its_comment)
{
    ck_assert_ptr_nonnull(saved_rule_nth("on levin/io/wal/sync nth 3 do error EIO # every 5"));
    ck_assert_ptr_null(saved_rule_nth("on levin/io/wal/sync every 3 do error EIO # nth 3 fails, too"));
    ck_assert_ptr_null(saved_rule_nth("on levin/io/wal/sync do error EIO"));
}
END_TEST

START_TEST(finding__what_breaks_without_a_fault_is_another)
{
    saved_finding f = { .command = FINDING_FAULTS };
    finding_outcome out = { .there = true, .broken = true, .place = "none", .promise = "FAULT", .phase = "process" };
    strcpy(f.promise, "FAULT");
    strcpy(f.phase, "process");
    strcpy(f.place, "life/vlog.sync/eio/once/1");
    ck_assert(!finding_is_expected(&f, &out));
    strcpy(out.place, f.place);
    ck_assert(finding_is_expected(&f, &out));
    strcpy(f.place, "none");
    strcpy(out.place, "none");
    ck_assert(finding_is_expected(&f, &out));
}
END_TEST

/* What dies in the workload and what dies of a power cut's files are two. */
START_TEST(finding__a_death_after_a_power_cut_is_another)
{
    saved_finding f = { .command = FINDING_SWEEP, .promise = "FAULT", .phase = "process", .place = "0.0" };
    finding_outcome out = { .there = true, .broken = true, .place = "0.0", .promise = "FAULT", .phase = "process" };
    ck_assert(finding_is_expected(&f, &out));
    strcpy(out.place, "12.1/3.0");
    ck_assert(!finding_is_expected(&f, &out));
    strcpy(f.place, "14.0");
    ck_assert(finding_is_expected(&f, &out));
    strcpy(out.place, "0.0");
    ck_assert(!finding_is_expected(&f, &out));
}
END_TEST

START_TEST(finding_file__another_finding_of_one_name_has_a_file_of_its_own)
{
    char directory[] = "/tmp/levin-findings-XXXXXX", path[2][80], command[100];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    chaos_options options = { .depth = 2, .save = directory };
    finding item = { .seed = 7, .replay = "--at 0.0", .promise = "FAULT", .phase = "process", .text = "died" };
    for (int round = 0; round < 2; round++) /* the same once more: in the same file */
        ck_assert(finding_save(&item, &options, NULL, NULL));
    snprintf(path[0], sizeof path[0], "%s/sweep-7-0.0.finding", directory);
    snprintf(path[1], sizeof path[1], "%s/sweep-7-0.0-2.finding", directory);
    ck_assert_int_eq(access(path[0], F_OK), 0);
    ck_assert_int_ne(access(path[1], F_OK), 0);
    options.operations = 300;
    ck_assert(finding_save(&item, &options, NULL, NULL));
    ck_assert_int_eq(access(path[1], F_OK), 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Whatever is left out, the model and the store stay together: no part of a plan is a finding by itself. */
START_TEST(workload__any_part_of_a_plan_is_a_workload)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    random_stream random = random_open(3, 1);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        workload_part part = { .value_bytes = seed % 3 ? 0 : WORKLOAD_VALUE_BYTES_LEAST << random_below(&random, 8) };
        const uint64_t steps_in = 1 + random_below(&random, 12), operations_in = random_below(&random, 12);
        number_set_begin(&part.steps);
        number_set_begin(&part.operations);
        for (uint32_t i = 0; i < 1000; i++)
            if (random_below(&random, 12) < steps_in)
                ck_assert(number_set_add(&part.steps, i));
        for (uint32_t i = 0; i < 3000; i++)
            if (random_below(&random, 12) < operations_in)
                ck_assert(number_set_add(&part.operations, i));
        sweep_run run;
        sweep_prepare(&run, seed, 900, &data, &part, NULL, NULL);
        ck_assert_msg(!run.result.verdict.promise, "seed %d: %s", (int)seed, run.result.verdict.text);
        ck_assert_uint_eq(run.result.steps, workload_steps(run.w));
        sweep_release(&run);
        number_set_free(&part.steps);
        number_set_free(&part.operations);
    }
    stanzas_free(&data);
}
END_TEST

LEVIN_TEST_MAIN("finding_file", TEST(finding_file__errors_have_their_place),
                TEST(finding_file__is_read_as_it_is_written), TEST(finding_file__a_finding_of_a_detector_is_kept_whole),
                TEST(finding_file__a_rule_counts_in_its_words_and_not_in_its_comment),
                TEST(finding__what_breaks_without_a_fault_is_another),
                TEST(finding__a_death_after_a_power_cut_is_another),
                TEST(finding_file__another_finding_of_one_name_has_a_file_of_its_own),
                TEST(workload__any_part_of_a_plan_is_a_workload))
