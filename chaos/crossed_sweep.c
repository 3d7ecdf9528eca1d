/*
 * crossed_sweep.c - shares out the chains of all seeds among workers.
 *
 * The chains of a seed are dealt to SLICES tasks like cards. Each chain asserts that its faults fired; one that did
 * not is a failure of the harness.
 */
#include "crossed_sweep.h"

#include <string.h>

#include "crew.h"
#include "faults_sweep.h"

enum { SLICES = 32, FINDINGS_PER_TASK = 4 };
enum { MESSAGE_TASK = 1, MESSAGE_FINDING };

typedef struct task_message {
    uint64_t seed, slice;
    crossed_totals totals;
    char silent[FAULT_NAME_BYTES]; /* a fault that did not fire */
    uint64_t silent_chain;
    bool complete;
} task_message;

typedef struct crossed_context {
    report *r;
    const stanzas *data;
    double started;
    uint64_t tasks_complete;
    bool stop;
    /* worker */
    fault_scenarios scenarios;
    uint64_t prepared_seed;
    bool prepared, usable;
} crossed_context;

static uint64_t chains_of(const chaos_options *options)
{
    return options->chains ? options->chains : CROSSED_CHAINS_DEFAULT;
}

/* ---- worker ----------------------------------------------------------------------------------------------- */

static void send_finding(crew_worker *worker, uint64_t seed, const char *chain, const char *phase,
                         const oracle_verdict *verdict, const char *links)
{
    finding f = { .seed = seed };
    snprintf(f.replay, sizeof f.replay, "--chain %s", chain);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise ? verdict->promise : "FAULT");
    snprintf(f.phase, sizeof f.phase, "%s", phase ? phase : "");
    snprintf(f.text, sizeof f.text, "%.300s%s%.280s", verdict->text, links[0] ? "; " : "", links);
    crew_send(worker, MESSAGE_FINDING, &f, sizeof f);
}

static void prepare(crossed_context *c, crew_worker *worker, uint64_t seed, bool tell)
{
    if (c->prepared && c->prepared_seed == seed)
        return;
    if (c->prepared)
        fault_scenarios_release(&c->scenarios);
    crew_at(worker, "%llu --chain none", (unsigned long long)seed);
    c->prepared = true;
    c->prepared_seed = seed;
    const uint32_t operations = c->r->options->operations;
    c->usable = fault_scenarios_prepare(&c->scenarios, seed, operations ? operations : FAULTS_OPERATIONS_DEFAULT,
                                        c->data, NULL, 1);
    if (!c->usable && tell)
        send_finding(worker, seed, "none", c->scenarios.where, &c->scenarios.verdict, "");
}

static void add(crossed_totals *to, const fault_chain_outcome *out)
{
    to->chains++;
    to->states += out->states;
    to->refused += out->failures;
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++)
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            to->fired[level][class] += out->fired[level][class];
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    crossed_context *c = context;
    const chaos_options *options = c->r->options;
    task_message m = { .seed = options->seed + task / SLICES, .slice = task % SLICES, .complete = true };
    prepare(c, worker, m.seed, m.slice == 0);
    unsigned found = 0;
    for (uint64_t i = m.slice; c->usable && i < chains_of(options); i += SLICES) {
        fault_chain_outcome out;
        if (crew_should_stop(worker))
            m.complete = false;
        if (!m.complete || found >= FINDINGS_PER_TASK)
            break;
        crew_at(worker, "%llu --chain %llu", (unsigned long long)m.seed, (unsigned long long)i);
        const bool good = fault_chain_run(&c->scenarios, m.seed, i, options->crossed_depth, &out);
        add(&m.totals, &out);
        if (out.silent) {
            m.totals.silent++;
            m.silent_chain = i;
            memcpy(m.silent, out.links[out.levels - 1].fault, sizeof m.silent);
        }
        if (!good) {
            char chain[24], links[CHAIN_TEXT_BYTES];
            snprintf(chain, sizeof chain, "%llu", (unsigned long long)i);
            fault_chain_text(&out, links);
            send_finding(worker, m.seed, chain, out.last.phase, &out.last.verdict, links);
            found += options->fail_fast ? FINDINGS_PER_TASK : 1;
        }
    }
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    crossed_context *c = context;
    crossed_report *to = &c->r->crossed;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_CROSSED, &f);
        return;
    }
    task_message m;
    memcpy(&m, data, sizeof m);
    to->totals.chains += m.totals.chains;
    to->totals.states += m.totals.states;
    to->totals.refused += m.totals.refused;
    to->totals.silent += m.totals.silent;
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++)
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            to->totals.fired[level][class] += m.totals.fired[level][class];
    to->seeds_begun += m.slice == 0;
    c->tasks_complete += m.complete;
    if (m.totals.silent)
        snprintf(c->r->harness, sizeof c->r->harness,
                 "a fault did not fire where it should: seed %llu --chain %llu, %s",
                 (unsigned long long)m.seed, (unsigned long long)m.silent_chain, m.silent);
}

static void died(void *context, const char *where, const char *how)
{
    crossed_context *c = context;
    const finding f = finding_of_death("FAULT", where, how);
    c->stop = report_finding(c->r, DETECTOR_CROSSED, &f);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    crossed_context *c = context;
    const double seconds = crew_clock() - c->started;
    report_progress(c->r, "faults and crashes: seed %llu, %llu/%d of it, %llu chains, %.0f/s, %llu violations",
                    (unsigned long long)(c->r->options->seed + tasks_done / SLICES),
                    (unsigned long long)(tasks_done % SLICES), SLICES, (unsigned long long)ticks,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)c->r->found.count);
}

void crossed_sweep(report *r, const stanzas *data, double deadline)
{
    crossed_context c = { .r = r, .data = data, .started = crew_clock() };
    const uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds * SLICES, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .progress = progress, .stop = &c.stop };
    r->has_crossed = true;
    r->crossed.complete = crew_run(&options);
    r->crossed.seconds = crew_clock() - c.started;
    r->crossed.seeds_complete = c.tasks_complete / SLICES;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
}
