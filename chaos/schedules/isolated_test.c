/*
 * isolated_test.c - schedules in a process of their own.
 *
 * Invariants checked: the result is that of a run here; a process that dies is a finding
 * with the decisions until then, which can be run again.
 */
#include "isolated.h"

#include <pthread.h>
#include <sys/time.h>

#include "../../faults/check_main.h"

static const scenario_sizes all = { .faults = true, .cuts = true };
static const isolated_options once = { .run = { .races = true } };
static run_result here, there;

START_TEST(isolated__result_is_that_of_a_run_here)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        scenario s = scenario_make(seed, &all);
        run_scenario(&s, &once.run, &here);
        isolated_run(&s, &once, &there);
        ck_assert(!there.found);
        ck_assert_uint_eq(here.digest, there.digest);
        ck_assert_uint_eq(here.calls.count, there.calls.count);
        ck_assert_uint_eq(here.outcome.switch_count, there.outcome.switch_count);
        for (size_t i = 0; i < here.outcome.switch_count; i++)
            ck_assert(here.outcome.switches[i].point == there.outcome.switches[i].point &&
                      here.outcome.switches[i].thread == there.outcome.switches[i].thread &&
                      here.outcome.switches[i].to == there.outcome.switches[i].to);
        run_result_free(&here);
        run_result_free(&there);
        scenario_free(&s);
    }
}
END_TEST

static void die_soon(void)
{
    const struct itimerval timer = { .it_value = { .tv_usec = 400000 } };
    setitimer(ITIMER_VIRTUAL, &timer, NULL); /* SIGVTALRM, which nobody catches */
}

START_TEST(isolated__death_is_a_finding_with_what_was_decided)
{
    const scenario_sizes small = { .threads = 3, .operations = 5, .strategy = SCHEDULE_TREE };
    const isolated_options endless = { .schedules_max = UINT64_MAX };
    scenario s = scenario_make(3, &small);
    s.tree = schedule_tree_create(1000);
    ck_assert_int_eq(pthread_atfork(NULL, NULL, die_soon), 0);
    isolated_run(&s, &endless, &there);
    schedule_tree_destroy(s.tree);
    s.tree = NULL;
    ck_assert(there.found);
    ck_assert_str_eq(there.kind, ISOLATED_DEATH);
    ck_assert_ptr_nonnull(strstr(there.text, "SIGVTALRM"));
    ck_assert_int_eq(there.outcome.end, SCHEDULE_DIED);
    s.strategy = SCHEDULE_GIVEN;
    s.switches = there.outcome.switches;
    s.switch_count = there.outcome.switch_count;
    there.outcome.switches = NULL;
    run_scenario(&s, &once.run, &here); /* where nobody dies */
    ck_assert(!here.found);
    run_result_free(&here);
    scenario_free(&s);
}
END_TEST

LEVIN_TEST_MAIN("isolated", TEST(isolated__result_is_that_of_a_run_here),
                TEST(isolated__death_is_a_finding_with_what_was_decided))
