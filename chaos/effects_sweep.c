/*
 * effects_sweep.c - shares out the cases of all seeds among workers.
 *
 * A seed gives each case one run in each scenario that makes such a call: life and recoveries. Where it strikes is
 * drawn. The cases are dealt to SLICES tasks like cards. Each run is one under a plan of one rule, so that a finding
 * is one of a plan: kept, replayed, shrunk and written as a C test like any other.
 */
#include "effects_sweep.h"

#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "faults_sweep.h"
#include "plan_command.h"

enum { SLICES = 32, FINDINGS_PER_TASK = 8, STREAM_EFFECTS = 542 };
enum { MESSAGE_TASK = 1, MESSAGE_FINDING };

typedef struct task_message {
    uint64_t seed, slice;
    effects_totals totals;
    char silent[EFFECT_PLAN_BYTES]; /* a rule that did not fire */
    bool complete;
} task_message;

typedef struct effects_context {
    report *r;
    const stanzas *data;
    double started;
    uint64_t tasks_complete;
    bool stop;
    /* worker */
    fault_scenarios scenarios;
    uint64_t prepared_seed;
    bool prepared, usable;
} effects_context;

/* ---- worker ----------------------------------------------------------------------------------------------- */

/* The rule of a plan of one, without the line above it and the end of the line. */
static const char *rule_of(char plan[EFFECT_PLAN_BYTES])
{
    char *rule = strchr(plan, '\n') + 1;
    rule[strcspn(rule, "\n")] = 0;
    return rule;
}

static void send_finding(crew_worker *worker, uint64_t seed, const char *replay, const char *phase,
                         const oracle_verdict *verdict)
{
    finding f = { .seed = seed };
    snprintf(f.replay, sizeof f.replay, "%s", replay);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise ? verdict->promise : "FAULT");
    snprintf(f.phase, sizeof f.phase, "%s", phase ? phase : "");
    snprintf(f.text, sizeof f.text, "%s", verdict->text);
    crew_send(worker, MESSAGE_FINDING, &f, sizeof f);
}

static void prepare(effects_context *c, crew_worker *worker, uint64_t seed, bool tell)
{
    if (c->prepared && c->prepared_seed == seed)
        return;
    if (c->prepared)
        fault_scenarios_release(&c->scenarios);
    crew_at(worker, "%llu --fault none", (unsigned long long)seed);
    c->prepared = true;
    c->prepared_seed = seed;
    const uint32_t operations = c->r->options->operations;
    c->usable = fault_scenarios_prepare(&c->scenarios, seed, operations ? operations : FAULTS_OPERATIONS_DEFAULT,
                                        c->data, NULL, FAULT_SCENARIOS);
    if (!c->usable && tell)
        send_finding(worker, seed, "--fault none", c->scenarios.where, &c->scenarios.verdict);
}

/* One case in one scenario. */
static bool run_case(effects_context *c, crew_worker *worker, task_message *m, size_t number, size_t scenario)
{
    const effect_case *cases;
    effect_cases(&cases);
    const effect_case *one = &cases[number];
    const fault_scenario *s = &c->scenarios.items[scenario];
    const uint64_t calls = s->calls[one->kind][one->operation];
    if (!calls)
        return true;
    random_stream random = random_open(m->seed * EFFECTS_MAX + number, STREAM_EFFECTS + scenario);
    char plan[EFFECT_PLAN_BYTES], replay[sizeof ((finding *)0)->replay];
    plan_rules rules;
    plan_error error;
    fault_outcome out;
    effect_case_plan(one, calls, &random, plan);
    const bool meant = plan_parse(&rules, plan, strlen(plan), &error);
    const char *rule = rule_of(plan);
    if (!meant) {
        snprintf(m->silent, sizeof m->silent, "%.80s: %.100s", rule, error.text);
        m->totals.silent++;
        return true;
    }
    snprintf(replay, sizeof replay, "--rule '%s' --scenario %s", rule, s->name);
    crew_at(worker, "%llu %s", (unsigned long long)m->seed, replay);
    plan_state *state = plan_begin(&rules, plan_run_seed(m->seed, scenario));
    const bool good = fault_run_plan(&c->scenarios, scenario, &rules, state, m->seed, &out);
    const bool fired = plan_fired(state, 0) > 0;
    plan_end(state);
    m->totals.runs++;
    m->totals.fired += fired;
    m->totals.refused += out.failures;
    m->totals.told += out.told;
    m->totals.unjudged += out.unjudged;
    m->totals.called[number / 64] |= UINT64_C(1) << number % 64;
    if (fired)
        m->totals.hit[number / 64] |= UINT64_C(1) << number % 64;
    if (!fired && good && !one->budget) { /* so much may not be written */
        m->totals.silent++;
        snprintf(m->silent, sizeof m->silent, "%.170s in %.20s", rule, s->name);
    }
    if (!good)
        send_finding(worker, m->seed, replay, out.phase, &out.verdict);
    return good;
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    effects_context *c = context;
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    task_message m = { .seed = c->r->options->seed + task / SLICES, .slice = task % SLICES, .complete = true };
    prepare(c, worker, m.seed, m.slice == 0);
    unsigned found = 0;
    for (size_t i = m.slice; c->usable && i < count && m.complete && found < FINDINGS_PER_TASK; i += SLICES)
        for (size_t scenario = 0; scenario < c->scenarios.count && m.complete; scenario++) {
            m.complete = !crew_should_stop(worker);
            if (m.complete && !run_case(c, worker, &m, i, scenario))
                found += c->r->options->fail_fast ? FINDINGS_PER_TASK : 1;
        }
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    effects_context *c = context;
    effects_totals *to = &c->r->effects.totals;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_EFFECTS, &f);
        return;
    }
    task_message m;
    memcpy(&m, data, sizeof m);
    to->runs += m.totals.runs;
    to->fired += m.totals.fired;
    to->refused += m.totals.refused;
    to->told += m.totals.told;
    to->unjudged += m.totals.unjudged;
    to->silent += m.totals.silent;
    for (size_t i = 0; i < EFFECTS_MAX / 64; i++) {
        to->called[i] |= m.totals.called[i];
        to->hit[i] |= m.totals.hit[i];
    }
    c->r->effects.seeds_begun += m.slice == 0;
    c->tasks_complete += m.complete;
    if (m.totals.silent)
        snprintf(c->r->harness, sizeof c->r->harness, "a rule did not fire where it should: seed %llu, %s",
                 (unsigned long long)m.seed, m.silent);
}

static void died(void *context, const char *where, const char *how)
{
    effects_context *c = context;
    const finding f = finding_of_death("FAULT", where, how);
    c->stop = report_finding(c->r, DETECTOR_EFFECTS, &f);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    effects_context *c = context;
    const double seconds = crew_clock() - c->started;
    report_progress(c->r, "effects: seed %llu, %llu/%d of it, %llu runs, %.0f/s, %llu violations",
                    (unsigned long long)(c->r->options->seed + tasks_done / SLICES),
                    (unsigned long long)(tasks_done % SLICES), SLICES, (unsigned long long)ticks,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)c->r->found.count);
}

void effects_sweep(report *r, const stanzas *data, double deadline)
{
    effects_context c = { .r = r, .data = data, .started = crew_clock() };
    const uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds * SLICES, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .progress = progress, .stop = &c.stop };
    r->has_effects = true;
    r->effects.complete = crew_run(&options);
    r->effects.seconds = crew_clock() - c.started;
    r->effects.seeds_complete = c.tasks_complete / SLICES;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
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
