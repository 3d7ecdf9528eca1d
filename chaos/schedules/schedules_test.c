/*
 * schedules_test.c - the engine under the scheduler.
 *
 * Invariants checked: some hundred scenarios of every kind end well, and do what they are for; a scenario run twice
 * has one digest, as text and back, too, and its recorded switches give the same run; the number of distinct things is
 * about right; all schedules of a small scenario end well; what was found once is gone.
 */
#include <glob.h>
#include <stdio.h>

#include "../../faults/check_main.h"
#include "../../faults/random.h"
#include "../../faults/schedule/scenario_run.h"
#include "distinct.h"

static const scenario_sizes all = { .faults = true, .cuts = true };
static const run_options with_races = { .races = true }, without_races = { .races = false };
static run_result first, second;

START_TEST(schedules__scenarios_end_well)
{
    unsigned cuts = 0, fired = 0, states = 0, preempted = 0;
    unsigned in_sync = 0, unwaited = 0, followers = 0;
    unsigned kinds[SCENARIO_KIND_COUNT] = { 0 };
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        scenario s = scenario_make(seed, &all);
        run_scenario(&s, &with_races, &first);
        ck_assert_msg(!first.found, "levin-chaos schedules --seed %llu --seeds 1: %s: %s", (unsigned long long)seed,
                      first.kind, first.text);
        cuts += first.cut;
        in_sync += first.cut_in_sync;
        unwaited += first.failed_unwaited;
        followers += first.failed_beside;
        fired += first.fault_fired;
        states += first.crash_states;
        preempted += first.outcome.preemptions > 2;
        for (unsigned t = 0; t < s.threads; t++)
            for (unsigned i = 0; i < s.of[t].count; i++)
                kinds[s.of[t].at[i].kind]++;
        run_result_free(&first);
        scenario_free(&s);
    }
    ck_assert_uint_gt(cuts, 60);
    ck_assert_uint_gt(fired, 20);
    ck_assert_uint_gt(states, 150);
    ck_assert_uint_gt(preempted, 200);
    ck_assert_uint_gt(in_sync, 4);   /* the power went while one was inside its sync and two slept */
    ck_assert_uint_gt(unwaited, 2);  /* a sync failed with tickets or callbacks outstanding */
    ck_assert_uint_gt(followers, 0); /* an allocation failed in a follower */
    for (unsigned k = 0; k < SCENARIO_KIND_COUNT; k++)
        ck_assert_uint_gt(kinds[k], 8);
}
END_TEST

START_TEST(schedules__one_scenario_has_one_digest)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        scenario s = scenario_make(seed, &all);
        run_scenario(&s, &with_races, &first);
        run_scenario(&s, seed % 2 ? &with_races : &without_races, &second); /* which changes nothing */
        ck_assert_uint_eq(first.digest, second.digest);
        run_result_free(&second);
        s.strategy = SCHEDULE_GIVEN;
        s.switches = first.outcome.switches;
        s.switch_count = first.outcome.switch_count;
        run_scenario(&s, &with_races, &second);
        ck_assert_msg(first.digest == second.digest, "seed %llu given again", (unsigned long long)seed);
        run_result_free(&second);
        run_result_free(&first);
        s.switches = NULL;
    }
}
END_TEST

START_TEST(schedules__text_is_the_same_scenario)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        scenario s = scenario_make(seed, &all), again;
        const char *why;
        unsigned line;
        FILE *file = tmpfile();
        ck_assert_ptr_nonnull(file);
        schedule_switch switches[2] = { { 7, 1, 2 }, { 12, 2, 0 } };
        s.switches = switches;
        s.switch_count = 2;
        snprintf(s.finding, sizeof s.finding, "lost wake-up");
        scenario_write(&s, file);
        rewind(file);
        ck_assert_msg(scenario_read(&again, file, &why, &line), "line %u: %s", line, why);
        fclose(file);
        ck_assert_uint_eq(again.switch_count, 2);
        ck_assert_uint_eq(again.switches[1].point, 12);
        scenario_free(&again);
        s.switches = NULL;
        s.switch_count = 0;
        ck_assert_str_eq(again.finding, s.finding);
        run_scenario(&s, &without_races, &first);
        run_scenario(&again, &without_races, &second);
        ck_assert_uint_eq(first.digest, second.digest);
        run_result_free(&first);
        run_result_free(&second);
    }
}
END_TEST

START_TEST(schedules__text_that_makes_no_sense_is_refused)
{
    static const char *const texts[] = { "", "levin-schedule 2\n", SCENARIO_MAGIC "\n", SCENARIO_MAGIC "\nthread put\n",
                                         SCENARIO_MAGIC "\nthread put:e:-:none:0\n", SCENARIO_MAGIC "\nimage 9\n",
                                         SCENARIO_MAGIC "\nthread put:a:-:none:0\nswitch 1 2\n" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        scenario s;
        const char *why;
        unsigned line;
        FILE *file = tmpfile();
        ck_assert_ptr_nonnull(file);
        fputs(texts[i], file);
        rewind(file);
        ck_assert_msg(!scenario_read(&s, file, &why, &line), "%zu", i);
        ck_assert_ptr_nonnull(why);
        fclose(file);
    }
}
END_TEST

START_TEST(schedules__all_of_a_small_scenario)
{
    const scenario_sizes small = { .threads = 2, .operations = 1, .strategy = SCHEDULE_TREE };
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t runs = 0;
        scenario s = scenario_make(seed, &small);
        s.background = false;
        s.tree = schedule_tree_create(1);
        do {
            run_scenario(&s, &with_races, &first);
            ck_assert_msg(!first.found, "%s: %s", first.kind, first.text);
            run_result_free(&first);
            runs++;
        } while (schedule_tree_next(s.tree));
        schedule_tree_destroy(s.tree);
        ck_assert_uint_gt(runs, 10);
    }
}
END_TEST

START_TEST(schedules__distinct_things_are_counted)
{
    static distinct d, other;
    for (unsigned rounds = 0; rounds < 2; rounds++) /* what comes again counts once */
        for (uint64_t i = 0; i < 100000; i++)
            distinct_add(i % 2 ? &d : &other, random_mix(i));
    distinct_merge(&d, &other);
    ck_assert(distinct_estimate(&d) > 97000 && distinct_estimate(&d) < 103000);
}
END_TEST

START_TEST(schedules__kept_findings_are_gone)
{
    glob_t kept;
    ck_assert_int_eq(glob("chaos/schedules/kept/*.txt", 0, NULL, &kept), 0);
    for (size_t i = 0; i < kept.gl_pathc; i++) {
        scenario s;
        const char *why;
        unsigned line;
        FILE *file = fopen(kept.gl_pathv[i], "r");
        ck_assert_ptr_nonnull(file);
        ck_assert_msg(scenario_read(&s, file, &why, &line), "%s:%u: %s", kept.gl_pathv[i], line, why);
        fclose(file);
        run_scenario(&s, &with_races, &first);
        ck_assert_msg(!first.found, "levin-chaos replay %s: %s: %s", kept.gl_pathv[i], first.kind, first.text);
        ck_assert(!s.has_fault || first.fault_fired); /* it is still about what it was kept for */
        ck_assert(!s.cut_at || first.cut);
        run_result_free(&first);
        scenario_free(&s);
    }
    globfree(&kept);
}
END_TEST

LEVIN_TEST_MAIN("schedules", TEST(schedules__scenarios_end_well), TEST(schedules__one_scenario_has_one_digest),
                TEST(schedules__text_is_the_same_scenario), TEST(schedules__text_that_makes_no_sense_is_refused),
                TEST(schedules__all_of_a_small_scenario), TEST(schedules__distinct_things_are_counted),
                TEST(schedules__kept_findings_are_gone))
