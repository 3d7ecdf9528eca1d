/*
 * effects_sweep_test.c - the list of what can be done to calls is that of the tables of faults/, each of it is a plan
 * that is read as it is meant, all that is called fires, and nothing depends on the number of jobs.
 */
#include "effects_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/errnos.h"

START_TEST(effects__each_case_is_a_plan_of_one_rule_that_says_so)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    size_t lasting = 0;
    ck_assert_uint_gt(count, 500);
    for (size_t i = 0; i < count; i++)
        for (uint64_t draw = 0; draw < 8; draw++) {
            const effect_case *c = &cases[i];
            random_stream random = random_open(draw, 1);
            char text[EFFECT_PLAN_BYTES], name[EFFECT_NAME_BYTES];
            plan_rules rules;
            plan_error error;
            effect_case_plan(c, 5, &random, text);
            effect_case_name(c, name);
            ck_assert_msg(plan_parse(&rules, text, strlen(text), &error), "%s: %s", text, error.text);
            ck_assert_uint_eq(rules.count, 1);
            const plan_rule *r = &rules.rules[0];
            ck_assert_uint_eq(r->point.operations, 1u << c->operation);
            if (c->operation != FAULT_ALLOC && c->operation != FAULT_RANDOM)
                ck_assert_uint_eq(r->point.kinds, 1u << c->kind);
            ck_assert_int_eq(r->effect, c->effect);
            ck_assert_int_eq(r->os_error, c->os_error);
            ck_assert(r->budget == c->budget && (c->budget || (r->nth >= 1 && r->nth <= 5)));
            ck_assert(!c->back || r->shift < 0);
            ck_assert(!strncmp(name, fault_point_name(c->kind, c->operation), strcspn(name, " ")));
            lasting += r->times == UINT64_MAX && !c->budget;
        }
    ck_assert_uint_gt(lasting, 100);
}
END_TEST

/* Every error of the tables, with every effect that has one, at every point. */
START_TEST(effects__all_errors_are_among_them)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    size_t with_error = 0, expected = 0;
    for (size_t i = 0; i < count; i++)
        with_error += cases[i].os_error != 0 && !cases[i].budget;
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
            for (const int *at = errnos_of((fault_operation)operation);
                 fault_point_exists((levin_file_kind)kind, (fault_operation)operation) && *at; at++)
                expected += 1u + plan_effect_applies(FAULT_ERROR_AFTER, (fault_operation)operation) +
                            3u * plan_effect_applies(FAULT_ERROR_KEPT, (fault_operation)operation);
    ck_assert_uint_eq(with_error, expected);
}
END_TEST

static report *run_effects(unsigned jobs, chaos_options *options)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    *options = (chaos_options){ .seed = 4, .seeds = 1, .operations = 40, .jobs = jobs, .quiet = true };
    report *r = calloc(1, sizeof *r);
    r->options = options;
    effects_sweep(r, &data, 0);
    stanzas_free(&data);
    return r;
}

START_TEST(effects__all_that_is_called_fires_and_nothing_depends_on_the_number_of_jobs)
{
    chaos_options options[2];
    report *one = run_effects(1, &options[0]), *three = run_effects(3, &options[1]);
    const effects_totals *t = &one->effects.totals;
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    ck_assert_msg(one->found.count == 0, "%s: %s", one->found.items[0].replay, one->found.items[0].text);
    ck_assert_msg(!one->harness[0], "%s", one->harness);
    ck_assert_uint_eq(t->silent, 0);
    ck_assert_uint_gt(t->told, 0);
    ck_assert_uint_gt(t->hurt, 400);
    ck_assert_uint_gt(t->near_cuts, t->runs * 9 / 10);
    char name[EFFECT_NAME_BYTES];
    size_t called = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << i % 64;
        called += (t->called[i / 64] & bit) != 0;
        if (!cases[i].budget)
            ck_assert_uint_eq(t->called[i / 64] & bit, t->hit[i / 64] & bit);
        effect_case_name(&cases[i], name);
        if (effect_case_idle(&cases[i]))
            ck_assert_msg(!(t->hit[i / 64] & bit), "%s happens", name);
        else
            ck_assert_msg(t->called[i / 64] & bit, "%s: never called, and no reason is known", name);
    }
    ck_assert_uint_gt(called, 450);
    ck_assert_mem_eq(t, &three->effects.totals, sizeof *t);
    free(one);
    free(three);
}
END_TEST

START_TEST(effects__a_finding_names_its_rule)
{
    char plan[EFFECT_PLAN_BYTES], scenario[32];
    ck_assert(effects_finding_split("--rule 'on levin/mem/alloc nth 3 do error ENOMEM' --scenario recovery-1", plan,
                                    sizeof plan, scenario, sizeof scenario));
    ck_assert_str_eq(plan, "levin-fault-plan 1\non levin/mem/alloc nth 3 do error ENOMEM\n");
    ck_assert_str_eq(scenario, "recovery-1");
    ck_assert(!effects_finding_split("--fault none", plan, sizeof plan, scenario, sizeof scenario));
    ck_assert(!effects_finding_split("--rule 'on", plan, sizeof plan, scenario, sizeof scenario));
}
END_TEST

LEVIN_TEST_MAIN("effects", TEST(effects__each_case_is_a_plan_of_one_rule_that_says_so),
                TEST(effects__all_errors_are_among_them),
                TEST(effects__all_that_is_called_fires_and_nothing_depends_on_the_number_of_jobs),
                TEST(effects__a_finding_names_its_rule))
