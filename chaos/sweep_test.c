/*
 * sweep_test.c - the sweeps find what is wrong, name it so that it can be done again, and do not depend on the number
 * of jobs.
 */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "crew.h"
#include "fault_run.h"
#include "faults_sweep.h"
#include "report_files.h"

static report *run_sweep(unsigned jobs, bool faults, uint32_t operations, bool small, chaos_options *options)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    *options = (chaos_options){ .seed = 5, .seeds = 1, .operations = operations, .depth = 2, .jobs = jobs,
                                .quiet = true, .small = small };
    report *r = calloc(1, sizeof *r);
    r->options = options;
    if (faults)
        faults_sweep(r, &data, 0);
    else
        sweep(r, &data, 0);
    stanzas_free(&data);
    return r;
}

START_TEST(sweep__does_not_depend_on_the_number_of_jobs)
{
    chaos_options options[2];
    report *one = run_sweep(1, false, 250, true, &options[0]), *three = run_sweep(3, false, 250, true, &options[1]);
    ck_assert(one->sweep.complete && three->sweep.complete);
    ck_assert_uint_eq(one->found.count, 0);
    ck_assert_uint_gt(one->sweep.distinct, 500);
    ck_assert_uint_gt(one->sweep.totals.opened[1], 100);
    ck_assert_uint_eq(one->sweep.distinct, three->sweep.distinct);
    ck_assert_mem_eq(&one->sweep.totals, &three->sweep.totals, sizeof one->sweep.totals);
    ck_assert_uint_eq(one->sweep.totals.points, one->sweep.points_due);
    free(one);
    free(three);
}
END_TEST

START_TEST(sweep__a_workload_that_falls_short_is_a_failure_of_the_harness)
{
    chaos_options options;
    report *r = run_sweep(2, false, 150, false, &options);
    ck_assert_msg(strstr(r->harness, "at least 2000") != NULL, "%s", r->harness);
    free(r);
}
END_TEST

START_TEST(faults__each_fault_fires_and_nothing_depends_on_the_number_of_jobs)
{
    chaos_options options[2];
    report *one = run_sweep(1, true, 16, true, &options[0]), *two = run_sweep(2, true, 16, true, &options[1]);
    ck_assert_msg(one->found.count == 0, "%s", one->found.items[0].text);
    ck_assert_uint_gt(one->faults.totals.points, 500);
    ck_assert_uint_eq(one->faults.totals.points, one->faults.totals.points_hit);
    ck_assert_uint_eq(one->faults.totals.points, one->faults.totals.fired);
    ck_assert_uint_eq(one->faults.totals.beyond, one->faults.totals.series);
    ck_assert_uint_eq(one->faults.totals.not_fired, 0);
    ck_assert_mem_eq(&one->faults.totals, &two->faults.totals, sizeof one->faults.totals);
    free(one);
    free(two);
}
END_TEST

/* Whatever names a plan names one only, and every series ends with the run past its last call. */
START_TEST(faults__plans_are_all_different)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    fault_scenarios s;
    ck_assert_msg(fault_scenarios_prepare(&s, 2, 24, &data, NULL, FAULT_SCENARIOS), "%s", s.verdict.text);
    uint64_t series, count = fault_plan_count(&s, &series), ends = 0;
    char (*names)[FAULT_NAME_BYTES] = malloc(count * sizeof *names);
    fault_plan plan;
    for (uint64_t i = 0; i < count; i++) {
        ck_assert(fault_plan_at(&s, i, &plan));
        fault_plan_name(&s, &plan, names[i]);
        ends += plan.nth == plan.calls + 1;
    }
    ck_assert(!fault_plan_at(&s, count, &plan));
    ck_assert_uint_eq(ends, series);
    qsort(names, count, sizeof *names, (int (*)(const void *, const void *))strcmp);
    for (uint64_t i = 1; i < count; i++)
        ck_assert_str_ne(names[i - 1], names[i]);
    free(names);
    fault_scenarios_release(&s);
    stanzas_free(&data);
}
END_TEST

/* ---- a promise that was not kept -------------------------------------------------------------------------- */

typedef struct catch {
    explore_path path;
    oracle_verdict verdict;
    uint64_t count, states;
} catch;

static bool on_state(void *context, const explore_path *path, uint64_t digest)
{
    catch *c = context;
    (void)path;
    (void)digest;
    c->states++;
    return true;
}

static bool on_found(void *context, const explore_path *path, const verify_result *result)
{
    catch *c = context;
    if (c->count++ == 0) {
        c->path = *path;
        c->verdict = result->verdict;
    }
    return true;
}

/* The model is told of a synced batch that the store never got: every crash after that moment must say so. */
START_TEST(explore__a_lost_batch_is_found_and_found_again_by_its_path)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    sweep_run run;
    sweep_prepare(&run, 4, 60, &data, NULL, NULL, NULL);
    uint64_t end = trace_length(run.t);
    oracle_put(run.o, "promised", 8, "x", 1);
    oracle_acknowledge(run.o, oracle_submit(run.o, LEVIN_SYNCED, end), end);
    explore_options options = sweep_explore_options(4, 2);
    catch c = { .count = 0 };
    options.context = &c;
    options.at = on_state;
    options.found = on_found;
    explore_judge judge = { .after = run.o };
    explore_totals totals = { 0 };
    ck_assert(explore(run.w, run.t, NULL, &judge, &options, 0, end - 1, &totals));
    ck_assert_msg(c.count == 0, "%s", c.verdict.text);
    ck_assert_uint_gt(c.states, 100);
    ck_assert(explore(run.w, run.t, NULL, &judge, &options, end, end, &totals));
    ck_assert_uint_gt(c.count, 0);
    ck_assert_str_eq(c.verdict.promise, "DURABLE");

    char text[EXPLORE_PATH_BYTES];
    explore_path again;
    explore_path_text(&c.path, text);
    ck_assert(explore_path_parse(&again, text));
    verify_result result;
    ck_assert(explore_again(run.w, run.t, &judge, &options, &again, NULL, &result));
    ck_assert_str_eq(result.verdict.promise, "DURABLE");
    ck_assert_str_eq(result.verdict.text, c.verdict.text);
    oracle_destroy(result.after);
    sweep_release(&run);
    stanzas_free(&data);
}
END_TEST

START_TEST(verify__a_lost_log_file_is_refused)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    workload_options options = { .seed = 4, .operations = 60, .data = &data };
    workload *w = workload_create(&options);
    oracle *o = oracle_create();
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    levin_options store_options;
    levin *store;
    workload_store_options(w, simdisk_io(disk), &store_options);
    ck_assert_int_eq(levin_open(VERIFY_PATH, &store_options, &store, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_put(store, "a", 1, "1", 1, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    oracle_put(o, "a", 1, "1", 1);
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), trace_length(t));
    disk_image *image = simdisk_image(disk);
    oracle_legal legal = oracle_legal_crash(o, trace_length(t));
    verify_options with = { .seed = 1, .tail = true, .points = 4, .ranges = 1 };
    verify_result result;
    ck_assert_msg(verify_image(w, image, o, &legal, &with, &result), "%s", result.verdict.text);
    ck_assert_uint_eq(result.state, 1);
    oracle_destroy(result.after);
    disk_image_unlink(image, disk_image_find(image, VERIFY_PATH), "wal-0000000000000001");
    ck_assert(!verify_image(w, image, o, &legal, &with, &result));
    ck_assert_str_eq(result.verdict.promise, "TORN vs ROTTEN");
    disk_image_unref(image);
    ck_assert(simdisk_destroy(disk, NULL));
    trace_destroy(t);
    oracle_destroy(o);
    workload_destroy(w);
    stanzas_free(&data);
}
END_TEST

START_TEST(explore__paths_are_read_as_they_are_written)
{
    explore_path path;
    char text[EXPLORE_PATH_BYTES];
    ck_assert(explore_path_parse(&path, "12.3/4.50/6.0"));
    ck_assert_uint_eq(path.depth, 3);
    ck_assert_uint_eq(path.step[1].variant, 50);
    explore_path_text(&path, text);
    ck_assert_str_eq(text, "12.3/4.50/6.0");
    const char *const wrong[] = { "", "1", "1.", ".2", "1.2/", "1.2/3", "1.2x", "1.1/1.1/1.1/1.1/1.1" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!explore_path_parse(&path, wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(report__keeps_the_first_findings_in_order_whatever_came_first)
{
    findings f = { .count = 0 };
    for (unsigned i = 0; i < 100; i++) {
        finding item = { .seed = i * 37 % 100 / 10 };
        snprintf(item.replay, sizeof item.replay, "--at %u.0", i * 37 % 100 % 10);
        findings_add(&f, &item);
    }
    ck_assert_uint_eq(f.count, 100);
    ck_assert_uint_eq(f.kept, FINDINGS_KEPT);
    for (unsigned i = 0; i < FINDINGS_KEPT; i++) {
        char replay[20];
        snprintf(replay, sizeof replay, "--at %u.0", i % 10);
        ck_assert_uint_eq(f.items[i].seed, i / 10);
        ck_assert_str_eq(f.items[i].replay, replay);
    }
}
END_TEST

/* The file's text, which the caller frees. */
static char *text_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 17);
    ck_assert(file && text && fread(text, 1, (1 << 17) - 1, file) > 0);
    fclose(file);
    return text;
}

START_TEST(report__a_detector_that_finds_much_hides_no_other)
{
    char path[] = "/tmp/levin-report-XXXXXX";
    ck_assert_int_ge(close(mkstemp(path)), 0);
    const chaos_options options = { .seed = 1, .jobs = 1, .depth = DEPTH_DEFAULT, .quiet = true,
                                    .junit = path };
    report *r = calloc(1, sizeof *r);
    r->options = &options;
    r->data = "made up";
    r->has_sweep = r->has_effects = true;
    const finding effect = { .seed = 9, .replay = "--fault none", .promise = "EXACT", .text = "without a fault" };
    report_finding(r, DETECTOR_EFFECTS, &effect);
    for (unsigned i = 0; i < 100; i++) {
        finding item = { .seed = 1, .promise = "TORN" };
        snprintf(item.replay, sizeof item.replay, "--at %u.0", i);
        report_finding(r, DETECTOR_SWEEP, &item);
    }
    report_finding(r, DETECTOR_EFFECTS, &effect);
    ck_assert_uint_eq(r->found.count, 102);
    ck_assert_uint_eq(r->found.of[DETECTOR_SWEEP], 100);
    ck_assert_uint_eq(r->found.of[DETECTOR_EFFECTS], 2);
    ck_assert_uint_eq(r->found.kept, FINDINGS_KEPT + 2);
    report_write_files(r, "VIOLATED");
    char *junit = text_of(path);
    ck_assert_ptr_nonnull(strstr(junit, "<testsuite name=\"sweep\" tests=\"101\" failures=\"100\""));
    ck_assert_ptr_nonnull(strstr(junit, "76 violations more than those listed"));
    ck_assert_ptr_nonnull(strstr(junit, "<testsuite name=\"effects\" tests=\"3\" failures=\"2\""));
    ck_assert_ptr_nonnull(strstr(junit, "<testcase classname=\"levin-chaos.effects\" "
                                        "name=\"levin-chaos replay --seed 9 --fault none\">"));
    free(junit);
    free(r);
    unlink(path);
}
END_TEST

START_TEST(report__what_was_found_is_not_hidden_by_the_harness)
{
    const chaos_options options = { .seed = 1, .jobs = 1, .depth = DEPTH_DEFAULT, .quiet = true };
    const finding item = { .seed = 1, .replay = "--at 1.0", .promise = "TORN" };
    report *r = calloc(1, sizeof *r);
    r->options = &options;
    r->data = "made up";
    ck_assert_int_eq(report_print(r), EXIT_NOTHING_FOUND);
    snprintf(r->harness, sizeof r->harness, "a fault did not fire");
    ck_assert_int_eq(report_print(r), EXIT_HARNESS);
    report_finding(r, DETECTOR_SWEEP, &item);
    ck_assert_int_eq(report_print(r), EXIT_VIOLATION);
    free(r);
}
END_TEST

LEVIN_TEST_MAIN("sweep", TEST(sweep__does_not_depend_on_the_number_of_jobs),
                TEST(sweep__a_workload_that_falls_short_is_a_failure_of_the_harness),
                TEST(faults__each_fault_fires_and_nothing_depends_on_the_number_of_jobs),
                TEST(faults__plans_are_all_different),
                TEST(explore__a_lost_batch_is_found_and_found_again_by_its_path),
                TEST(verify__a_lost_log_file_is_refused), TEST(explore__paths_are_read_as_they_are_written),
                TEST(report__keeps_the_first_findings_in_order_whatever_came_first),
                TEST(report__a_detector_that_finds_much_hides_no_other),
                TEST(report__what_was_found_is_not_hidden_by_the_harness))
