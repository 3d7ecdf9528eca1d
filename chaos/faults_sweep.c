/*
 * faults_sweep.c - shares out all fault plans of all seeds among workers.
 *
 * The plans of a seed are dealt to SLICES tasks like cards, so that a sweep that is stopped early is an even sample
 * of all kinds of calls, and says how many of them it made fail. Each run asserts that its fault fired (the calls
 * before it are those of the run without faults, so it must), and the run past the last call that none did:
 * otherwise the harness itself has failed.
 */
#include "faults_sweep.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"
#include "crew.h"
#include "fault_run.h"

enum { SLICES = 64, FINDINGS_PER_TASK = 8 };
enum { MESSAGE_TASK = 1, MESSAGE_FINDING };

typedef struct task_message {
    uint64_t seed, slice;
    fault_totals totals;
    char silent[FAULT_NAME_BYTES]; /* a fault that did not fire, or fired past the end */
    bool complete;
} task_message;

typedef struct faults_context {
    report *r;
    const stanzas *data;
    double started;
    uint64_t seed_tasks[2]; /* begun: seeds whose slice 0 came; complete: tasks done */
    bool stop;
    /* worker */
    fault_scenarios scenarios;
    uint64_t prepared_seed;
    bool prepared, usable;
} faults_context;

uint64_t faults_run_seed(uint64_t seed, uint64_t number)
{
    return random_mix(seed * SLICES + number);
}

static uint32_t operations_of(const chaos_options *options)
{
    return options->operations ? options->operations : FAULTS_OPERATIONS_DEFAULT;
}

/* ---- worker ----------------------------------------------------------------------------------------------- */

static void send_finding(crew_worker *worker, uint64_t seed, const char *name, const char *phase,
                         const oracle_verdict *verdict)
{
    finding f = { .seed = seed };
    snprintf(f.replay, sizeof f.replay, "--fault %s", name);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise ? verdict->promise : "FAULT");
    snprintf(f.phase, sizeof f.phase, "%s", phase ? phase : "");
    snprintf(f.text, sizeof f.text, "%s", verdict->text);
    crew_send(worker, MESSAGE_FINDING, &f, sizeof f);
}

static void prepare(faults_context *c, crew_worker *worker, uint64_t seed, bool tell)
{
    if (c->prepared && c->prepared_seed == seed)
        return;
    if (c->prepared)
        fault_scenarios_release(&c->scenarios);
    crew_at(worker, "%llu --fault none", (unsigned long long)seed);
    c->prepared = true;
    c->prepared_seed = seed;
    c->usable = fault_scenarios_prepare(&c->scenarios, seed, operations_of(c->r->options), c->data,
                                        NULL, FAULT_SCENARIOS);
    if (!c->usable && tell)
        send_finding(worker, seed, "none", c->scenarios.where, &c->scenarios.verdict);
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    faults_context *c = context;
    task_message m = { .seed = c->r->options->seed + task / SLICES, .slice = task % SLICES, .complete = true };
    prepare(c, worker, m.seed, m.slice == 0);
    uint64_t series, plans = c->usable ? fault_plan_count(&c->scenarios, &series) : 0;
    if (m.slice == 0 && c->usable) {
        m.totals.series = series;
        m.totals.points = plans - series; /* the last plan of a series is past its last call */
    }
    unsigned found = 0;
    for (uint64_t i = m.slice; i < plans; i += SLICES) {
        fault_plan plan;
        char name[FAULT_NAME_BYTES];
        if (!fault_plan_at(&c->scenarios, i, &plan))
            break;
        fault_plan_name(&c->scenarios, &plan, name);
        bool beyond = plan.nth > plan.calls;
        if (crew_should_stop(worker))
            m.complete = false;
        if (!m.complete || found >= FINDINGS_PER_TASK)
            break;
        crew_at(worker, "%llu --fault %s", (unsigned long long)m.seed, name);
        fault_outcome out;
        bool good = fault_run(&c->scenarios, &plan, faults_run_seed(m.seed, i), &out);
        m.totals.runs++;
        m.totals.beyond += beyond;
        m.totals.fired += out.fired > 0;
        m.totals.points_hit += !beyond && out.fired > 0;
        m.totals.refused += out.failures;
        m.totals.hits[plan.kind][fault_ways[plan.way].operation] += out.fired > 0;
        if ((out.fired > 0) == beyond) {
            m.totals.not_fired++;
            memcpy(m.silent, name, sizeof m.silent);
        }
        if (!good) {
            send_finding(worker, m.seed, name, out.phase, &out.verdict);
            found += c->r->options->fail_fast ? FINDINGS_PER_TASK : 1;
        }
    }
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    faults_context *c = context;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_FAULTS, &f);
        return;
    }
    task_message m;
    memcpy(&m, data, sizeof m);
    fault_totals *to = &c->r->faults.totals;
    to->series += m.totals.series;
    to->runs += m.totals.runs;
    to->fired += m.totals.fired;
    to->beyond += m.totals.beyond;
    to->points += m.totals.points;
    to->points_hit += m.totals.points_hit;
    to->not_fired += m.totals.not_fired;
    to->refused += m.totals.refused;
    for (int k = 0; k < LEVIN_FILE_KIND_COUNT; k++)
        for (int op = 0; op < FAULT_OPERATION_COUNT; op++)
            to->hits[k][op] += m.totals.hits[k][op];
    c->r->faults.seeds_begun += m.slice == 0;
    c->seed_tasks[1] += m.complete;
    if (m.totals.not_fired)
        snprintf(c->r->harness, sizeof c->r->harness,
                 "a fault did not fire where it should, or fired past the last call: seed %llu %s",
                 (unsigned long long)m.seed, m.silent);
}

static void died(void *context, const char *where, const char *how)
{
    faults_context *c = context;
    const finding f = finding_of_death("FAULT", where, how);
    c->stop = report_finding(c->r, DETECTOR_FAULTS, &f);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    faults_context *c = context;
    double seconds = crew_clock() - c->started;
    report_progress(c->r, "fault sweep: seed %llu, %llu/%d of it, %llu runs, %.0f/s, %llu violations",
                    (unsigned long long)(c->r->options->seed + tasks_done / SLICES),
                    (unsigned long long)(tasks_done % SLICES), SLICES, (unsigned long long)ticks,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)c->r->found.count);
}

void faults_sweep(report *r, const stanzas *data, double deadline)
{
    faults_context c = { .r = r, .data = data, .started = crew_clock() };
    uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds * SLICES, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .progress = progress, .stop = &c.stop };
    r->has_faults = true;
    r->faults.complete = crew_run(&options);
    r->faults.seconds = crew_clock() - c.started;
    r->faults.seeds_complete = c.seed_tasks[1] / SLICES;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
}
