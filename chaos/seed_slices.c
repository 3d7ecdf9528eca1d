/*
 * seed_slices.c - see seed_slices.h.
 */
#include "seed_slices.h"

#include <stdio.h>
#include <string.h>

#include "faults_sweep.h"

enum { MESSAGE_TASK = 1, MESSAGE_FINDING, SEEDS_IN_A_BUDGET = 1000000 };

/* ---- worker ----------------------------------------------------------------------------------------------- */

static void send_finding(const seed_slices *s, const char *replay, const char *phase, const oracle_verdict *verdict,
                         const char *text)
{
    finding f = { .seed = s->seed };
    snprintf(f.replay, sizeof f.replay, "%s", replay);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise ? verdict->promise : "FAULT");
    snprintf(f.phase, sizeof f.phase, "%s", phase ? phase : "");
    snprintf(f.text, sizeof f.text, "%s", text ? text : verdict->text);
    crew_send(s->worker, MESSAGE_FINDING, &f, sizeof f);
}

void seed_slices_found(seed_slices *s, const char *replay, const char *phase, const oracle_verdict *verdict,
                       const char *text)
{
    send_finding(s, replay, phase, verdict, text);
    s->found += s->r->options->fail_fast ? s->findings_max : 1;
}

bool seed_slices_stopped(seed_slices *s)
{
    s->stopped = s->stopped || crew_should_stop(s->worker);
    return s->stopped;
}

bool seed_slices_full(const seed_slices *s)
{
    return s->found >= s->findings_max;
}

void seed_slices_send(seed_slices *s, slice_done *message, size_t bytes)
{
    message->complete = !s->stopped;
    crew_send(s->worker, MESSAGE_TASK, message, bytes);
}

static void prepare(seed_slices *s, uint64_t seed, bool tell)
{
    if (s->is_prepared && s->seed == seed)
        return;
    if (s->is_prepared)
        fault_scenarios_release(&s->prepared);
    crew_at(s->worker, "%llu %s", (unsigned long long)seed, s->none);
    s->is_prepared = true;
    s->seed = seed;
    const uint32_t operations = s->r->options->operations;
    s->usable = fault_scenarios_prepare(&s->prepared, seed, operations ? operations : FAULTS_OPERATIONS_DEFAULT,
                                        s->data, NULL, s->scenarios);
    if (!s->usable && tell)
        send_finding(s, s->none, s->prepared.where, &s->prepared.verdict, NULL);
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    seed_slices *s = context;
    slice_done done = { .seed = s->r->options->seed + task / s->slices, .slice = task % s->slices };
    s->worker = worker;
    s->found = 0;
    s->stopped = false;
    prepare(s, done.seed, done.slice == 0);
    s->work(s, &done);
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    seed_slices *s = context;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        s->stop = report_finding(s->r, s->which, &f);
        return;
    }
    slice_done done;
    memcpy(&done, data, sizeof done);
    s->seeds_begun += done.slice == 0;
    s->tasks_complete += done.complete;
    if (done.silent[0])
        snprintf(s->r->harness, sizeof s->r->harness, "%s", done.silent);
    s->add(s->r, data);
}

static void died(void *context, const char *where, const char *how)
{
    seed_slices *s = context;
    const finding f = finding_of_death("FAULT", where, how);
    s->stop = report_finding(s->r, s->which, &f);
}

static void failed(void *context, const char *where)
{
    const seed_slices *s = context;
    report_worker_failed(s->r, where);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    const seed_slices *s = context;
    const double seconds = crew_clock() - s->started;
    report_progress(s->r, "%s: seed %llu, %llu/%u of it, %llu %s, %.0f/s, %llu violations", s->title,
                    (unsigned long long)(s->r->options->seed + tasks_done / s->slices),
                    (unsigned long long)(tasks_done % s->slices), s->slices, (unsigned long long)ticks, s->unit,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)s->r->found.count);
}

seeds_done seed_slices_run(seed_slices *s, double deadline)
{
    const uint64_t asked = s->r->options->seeds, seeds = asked ? asked : deadline > 0 ? SEEDS_IN_A_BUDGET : 1;
    const crew_options options = { .jobs = s->r->options->jobs, .tasks = seeds * s->slices, .deadline = deadline,
                                   .context = s, .work = work, .receive = receive, .died = died, .failed = failed,
                                   .progress = progress, .stop = &s->stop };
    seeds_done out;
    s->started = crew_clock();
    out.complete = crew_run(&options);
    out.seconds = crew_clock() - s->started;
    out.begun = s->seeds_begun;
    out.finished = s->tasks_complete / s->slices;
    s->r->interrupted = s->r->interrupted || crew_interrupted();
    report_progress(s->r, "%s", "");
    return out;
}
