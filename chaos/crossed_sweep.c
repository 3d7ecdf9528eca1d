/*
 * crossed_sweep.c - shares out the chains of all seeds among workers.
 *
 * The chains of a seed are dealt to SLICES tasks like cards. Each chain asserts that its faults fired; one that did
 * not is a failure of the harness.
 */
#include "crossed_sweep.h"

#include <stdio.h>
#include <string.h>

#include "seed_slices.h"

enum { SLICES = 32, FINDINGS_PER_TASK = 4 };

typedef struct task_message {
    slice_done done;
    crossed_totals totals;
} task_message;

static void totals_add(crossed_totals *to, const crossed_totals *from)
{
    to->chains += from->chains;
    to->states += from->states;
    to->near_cuts += from->near_cuts;
    to->refused += from->refused;
    to->silent += from->silent;
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++)
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            to->fired[level][class] += from->fired[level][class];
}

static void run_chain(seed_slices *s, task_message *m, uint64_t number)
{
    fault_chain_outcome out;
    char replay[40];
    snprintf(replay, sizeof replay, "--chain %llu", (unsigned long long)number);
    crew_at(s->worker, "%llu %s", (unsigned long long)s->seed, replay);
    const bool good = fault_chain_run(&s->prepared, s->seed, number, s->r->options->crossed_depth, &out);
    crossed_totals one = { .chains = 1, .states = out.states, .near_cuts = out.near_cuts,
                           .refused = out.failures, .silent = out.silent };
    memcpy(one.fired, out.fired, sizeof one.fired);
    totals_add(&m->totals, &one);
    if (out.silent)
        snprintf(m->done.silent, sizeof m->done.silent, "a fault did not fire where it should: seed %llu %s, %s",
                 (unsigned long long)s->seed, replay, out.links[out.levels - 1].fault);
    if (!good) {
        char links[CHAIN_TEXT_BYTES], text[sizeof ((finding *)0)->text];
        fault_chain_text(&out, links);
        snprintf(text, sizeof text, "%.300s%s%.280s", out.last.verdict.text, links[0] ? "; " : "", links);
        seed_slices_found(s, replay, out.last.phase, &out.last.verdict, text);
    }
}

static void work(seed_slices *s, slice_done *done)
{
    const uint64_t asked = s->r->options->chains, chains = asked ? asked : CROSSED_CHAINS_DEFAULT;
    task_message m = { .done = *done };
    for (uint64_t i = done->slice; s->usable && i < chains && !seed_slices_stopped(s) && !seed_slices_full(s);
         i += SLICES)
        run_chain(s, &m, i);
    seed_slices_send(s, &m.done, sizeof m);
}

static void add(report *r, const void *message)
{
    task_message m;
    memcpy(&m, message, sizeof m);
    totals_add(&r->crossed.totals, &m.totals);
}

void crossed_sweep(report *r, const stanzas *data, double deadline)
{
    seed_slices s = { .r = r, .data = data, .which = DETECTOR_CROSSED, .title = "faults and crashes",
                      .unit = "chains", .none = "--chain none", .scenarios = 1, .slices = SLICES,
                      .findings_max = FINDINGS_PER_TASK, .work = work, .add = add };
    r->has_crossed = true;
    r->crossed.seeds = seed_slices_run(&s, deadline);
}
