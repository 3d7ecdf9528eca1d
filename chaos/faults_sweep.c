/*
 * faults_sweep.c - shares out all fault plans of all seeds among workers.
 *
 * The plans of a seed are dealt to SLICES tasks like cards, so that a sweep that is stopped early is an even sample
 * of all kinds of calls, and says how many of them it made fail. Each run asserts that its fault fired (the calls
 * before it are those of the run without faults, so it must), and the run past the last call that none did:
 * otherwise the harness itself has failed.
 */
#include "faults_sweep.h"

#include <stdio.h>
#include <string.h>

#include "../faults/random.h"
#include "fault_run.h"
#include "seed_slices.h"

enum { SLICES = 64, FINDINGS_PER_TASK = 8 };

typedef struct task_message {
    slice_done done;
    fault_totals totals;
} task_message;

uint64_t faults_run_seed(uint64_t seed, uint64_t number)
{
    return random_mix(seed * SLICES + number);
}

static void work(seed_slices *s, slice_done *done)
{
    task_message m = { .done = *done };
    uint64_t series, plans = s->usable ? fault_plan_count(&s->prepared, &series) : 0;
    if (done->slice == 0 && s->usable) {
        m.totals.series = series;
        m.totals.points = plans - series; /* the last plan of a series is past its last call */
    }
    for (uint64_t i = done->slice; i < plans; i += SLICES) {
        fault_plan plan;
        char name[FAULT_NAME_BYTES], replay[FAULT_NAME_BYTES + 16];
        if (!fault_plan_at(&s->prepared, i, &plan) || seed_slices_stopped(s) || seed_slices_full(s))
            break;
        fault_plan_name(&s->prepared, &plan, name);
        snprintf(replay, sizeof replay, "--fault %s", name);
        const bool beyond = plan.nth > plan.calls;
        crew_at(s->worker, "%llu %s", (unsigned long long)s->seed, replay);
        fault_outcome out;
        const bool good = fault_run(&s->prepared, &plan, faults_run_seed(s->seed, i), &out);
        m.totals.runs++;
        m.totals.beyond += beyond;
        m.totals.fired += out.fired > 0;
        m.totals.points_hit += !beyond && out.fired > 0;
        m.totals.refused += out.failures;
        m.totals.cuts += out.cuts;
        m.totals.near_cuts += out.near_cuts;
        m.totals.hits[plan.kind][fault_ways[plan.way].operation] += out.fired > 0;
        if ((out.fired > 0) == beyond) {
            m.totals.not_fired++;
            snprintf(m.done.silent, sizeof m.done.silent,
                     "a fault did not fire where it should, or fired past the last call: seed %llu %s",
                     (unsigned long long)s->seed, name);
        }
        if (!good)
            seed_slices_found(s, replay, out.phase, &out.verdict, NULL);
    }
    seed_slices_send(s, &m.done, sizeof m);
}

static void add(report *r, const void *message)
{
    task_message m;
    memcpy(&m, message, sizeof m);
    fault_totals *to = &r->faults.totals;
    to->series += m.totals.series;
    to->runs += m.totals.runs;
    to->fired += m.totals.fired;
    to->beyond += m.totals.beyond;
    to->points += m.totals.points;
    to->points_hit += m.totals.points_hit;
    to->not_fired += m.totals.not_fired;
    to->refused += m.totals.refused;
    to->cuts += m.totals.cuts;
    to->near_cuts += m.totals.near_cuts;
    for (int k = 0; k < LEVIN_FILE_KIND_COUNT; k++)
        for (int op = 0; op < FAULT_OPERATION_COUNT; op++)
            to->hits[k][op] += m.totals.hits[k][op];
}

void faults_sweep(report *r, const stanzas *data, double deadline)
{
    seed_slices s = { .r = r, .data = data, .which = DETECTOR_FAULTS, .title = "fault sweep", .unit = "runs",
                      .none = "--fault none", .scenarios = FAULT_SCENARIOS, .slices = SLICES,
                      .findings_max = FINDINGS_PER_TASK, .work = work, .add = add };
    r->has_faults = true;
    r->faults.seeds = seed_slices_run(&s, deadline);
}
