/*
 * effects_sweep.c - shares out the cases of all seeds among workers.
 *
 * A seed gives each case one run in each scenario that makes such a call: life and recoveries; those that hurt what
 * is written DRAWS_HURT.  Where it strikes is drawn.  The cases are dealt to STAGE_SLICES tasks like cards, and that
 * in stages: the life, the recoveries, more draws.  Each run is one under a plan of one rule, so that a finding is
 * one of a plan: kept, replayed, shrunk and written as a C test like any other.
 */
#include "effects_sweep.h"

#include <stdio.h>
#include <string.h>

#include "plan_command.h"
#include "seed_slices.h"

enum { STAGES = 3, STAGE_SLICES = 32, SLICES = STAGES * STAGE_SLICES };
enum { FINDINGS_PER_TASK = 8, STREAM_EFFECTS = 542, DRAWS_HURT = 8 };

typedef struct task_message {
    slice_done done;
    effects_totals totals;
} task_message;

/* The rule of a plan of one, without the line above it and the end of the line. */
static const char *rule_of(char plan[EFFECT_PLAN_BYTES])
{
    char *rule = strchr(plan, '\n') + 1;
    rule[strcspn(rule, "\n")] = 0;
    return rule;
}

static void silent(task_message *m, const char *rule, const char *where)
{
    m->totals.silent++;
    snprintf(m->done.silent, sizeof m->done.silent, "a rule did not fire where it should: seed %llu, %.170s in %.60s",
             (unsigned long long)m->done.seed, rule, where);
}

/* What it hurts is seen only where the store comes to read it, or to lose it. */
static unsigned draws_of(const effect_case *one)
{
    return plan_effect_damages(one->effect) && one->operation != FAULT_READ ? DRAWS_HURT : 1;
}

/* One case in one scenario. */
static void run_case(seed_slices *s, task_message *m, const effect_case *one, size_t number, size_t scenario,
                     unsigned draw)
{
    const fault_scenario *where = &s->prepared.items[scenario];
    const uint64_t calls = where->calls[one->kind][one->operation];
    if (!calls)
        return;
    random_stream random = random_open(s->seed * EFFECTS_MAX + number, STREAM_EFFECTS + scenario + draw * s->scenarios);
    char plan[EFFECT_PLAN_BYTES], replay[sizeof ((finding *)0)->replay];
    plan_rules rules;
    plan_error error;
    fault_outcome out;
    effect_case_plan(one, calls, &random, plan);
    const bool meant = plan_parse(&rules, plan, strlen(plan), &error);
    const char *rule = rule_of(plan);
    if (!meant) {
        silent(m, rule, error.text); /* it cannot even be read */
        return;
    }
    snprintf(replay, sizeof replay, "--rule '%s' --scenario %s", rule, where->name);
    crew_at(s->worker, "%llu %s", (unsigned long long)s->seed, replay);
    plan_state *state = plan_begin(&rules, plan_run_seed(s->seed, scenario));
    const bool good = fault_run_plan(&s->prepared, scenario, &rules, state, s->seed, &out);
    const bool fired = plan_fired(state, 0) > 0;
    plan_end(state);
    m->totals.runs++;
    m->totals.fired += fired;
    m->totals.hits[one->kind][one->operation] += fired;
    m->totals.refused += out.failures;
    m->totals.told += out.told;
    m->totals.hurt += out.hurt;
    m->totals.cuts += out.cuts;
    m->totals.near_cuts += out.near_cuts;
    m->totals.called[number / 64] |= UINT64_C(1) << number % 64;
    if (fired)
        m->totals.hit[number / 64] |= UINT64_C(1) << number % 64;
    if (!fired && good && !one->budget) /* so much may not be written */
        silent(m, rule, where->name);
    if (!good)
        seed_slices_found(s, replay, out.phase, &out.verdict, NULL);
}

/* The runs of a stage: those that stop early have done each case once before any is done again. */
static bool is_of_stage(unsigned stage, size_t scenario, unsigned draw)
{
    return stage == (draw ? 2 : scenario ? 1 : 0);
}

static void work(seed_slices *s, slice_done *done)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    const unsigned stage = (unsigned)(done->slice / STAGE_SLICES);
    task_message m = { .done = *done };
    for (size_t i = done->slice % STAGE_SLICES; s->usable && i < count && !s->stopped && !seed_slices_full(s);
         i += STAGE_SLICES)
        for (size_t scenario = 0; scenario < s->prepared.count && !seed_slices_stopped(s); scenario++)
            for (unsigned draw = 0; draw < draws_of(&cases[i]) && !seed_slices_stopped(s); draw++)
                if (is_of_stage(stage, scenario, draw))
                    run_case(s, &m, &cases[i], i, scenario, draw);
    seed_slices_send(s, &m.done, sizeof m);
}

static void add(report *r, const void *message)
{
    task_message m;
    memcpy(&m, message, sizeof m);
    effects_totals *to = &r->effects.totals;
    to->runs += m.totals.runs;
    to->fired += m.totals.fired;
    to->refused += m.totals.refused;
    to->told += m.totals.told;
    to->hurt += m.totals.hurt;
    to->cuts += m.totals.cuts;
    to->near_cuts += m.totals.near_cuts;
    to->silent += m.totals.silent;
    for (unsigned kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (unsigned operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
            to->hits[kind][operation] += m.totals.hits[kind][operation];
    for (size_t i = 0; i < EFFECTS_MAX / 64; i++) {
        to->called[i] |= m.totals.called[i];
        to->hit[i] |= m.totals.hit[i];
    }
}

void effects_sweep(report *r, const stanzas *data, double deadline)
{
    seed_slices s = { .r = r, .data = data, .which = DETECTOR_EFFECTS, .title = "effects", .unit = "runs",
                      .none = "--fault none", .scenarios = FAULT_SCENARIOS, .slices = SLICES,
                      .findings_max = FINDINGS_PER_TASK, .work = work, .add = add };
    r->has_effects = true;
    r->effects.seeds = seed_slices_run(&s, deadline);
}

bool effects_finding_split(const char *replay, char *plan, size_t plan_capacity, char *scenario,
                           size_t scenario_capacity)
{
    static const char before[] = "--rule '", between[] = "' --scenario ";
    const char *rule = replay + sizeof before - 1, *end = strstr(replay, between);
    if (strncmp(replay, before, sizeof before - 1) || !end || end < rule)
        return false;
    snprintf(plan, plan_capacity, "levin-fault-plan %d\n%.*s\n", PLAN_VERSION, (int)(end - rule), rule);
    snprintf(scenario, scenario_capacity, "%s", end + sizeof between - 1);
    return true;
}
