/*
 * ranges.c - shares out seeds of iterators with bounds among workers: a task is a whole life.
 */
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

#include "crew.h"

enum { MESSAGE_TASK = 1, MESSAGE_FINDING };

typedef struct task_message {
    ranges_counts counts;
    double cpu_seconds;
    bool complete;
} task_message;

typedef struct ranges_context {
    report *r;
    double started;
    bool stop;
    /* worker */
    crew_worker *worker;
    uint64_t seed;
} ranges_context;

static uint32_t steps_of(const chaos_options *options)
{
    return options->operations ? options->operations : RANGES_STEPS_DEFAULT;
}

static bool at_step(void *context)
{
    ranges_context *c = context;
    crew_at(c->worker, "%llu --ranges", (unsigned long long)c->seed);
    return !crew_should_stop(c->worker);
}

void ranges_tell(finding *f, uint64_t seed, const ranges_outcome *out)
{
    *f = (finding){ .seed = seed };
    snprintf(f->replay, sizeof f->replay, "--ranges");
    snprintf(f->promise, sizeof f->promise, "%s", out->verdict.promise);
    snprintf(f->phase, sizeof f->phase, "%s", out->phase ? out->phase : "");
    snprintf(f->text, sizeof f->text, "step %u, %.180s%s%.380s", out->step, out->bounds, out->bounds[0] ? ": " : "",
             out->verdict.text);
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    ranges_context *c = context;
    ranges_outcome out;
    c->worker = worker;
    c->seed = c->r->options->seed + task;
    const double started = crew_cpu_clock();
    const bool good = ranges_run(c->seed, steps_of(c->r->options), NULL, at_step, c, &out);
    task_message m = { .counts = out.counts, .cpu_seconds = crew_cpu_clock() - started,
                       .complete = !crew_should_stop(worker) };
    if (!good) {
        finding f;
        ranges_tell(&f, c->seed, &out);
        crew_send(worker, MESSAGE_FINDING, &f, sizeof f);
    }
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    ranges_context *c = context;
    ranges_report *to = &c->r->ranges;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_RANGES, &f);
        return;
    }
    task_message m;
    memcpy(&m, data, sizeof m);
#define ADD(name, text) to->counts.name += m.counts.name;
    RANGES_COUNTS(ADD)
#undef ADD
    to->cpu_seconds += m.cpu_seconds;
    to->seeds_begun++;
    to->seeds_complete += m.complete;
}

static void died(void *context, const char *where, const char *how)
{
    ranges_context *c = context;
    const finding f = finding_of_death("EXACT", where, how);
    c->stop = report_finding(c->r, DETECTOR_RANGES, &f);
}

static void failed(void *context, const char *where)
{
    const ranges_context *c = context;
    report_worker_failed(c->r, where);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    ranges_context *c = context;
    (void)ticks;
    report_progress(c->r, "ranges: %llu seeds, %llu walks, %llu violations", (unsigned long long)tasks_done,
                    (unsigned long long)c->r->ranges.counts.walks, (unsigned long long)c->r->found.count);
}

void ranges(report *r, double deadline)
{
    ranges_context c = { .r = r, .started = crew_clock() };
    uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .failed = failed, .progress = progress,
                             .stop = &c.stop };
    r->has_ranges = true;
    r->ranges.complete = crew_run(&options);
    r->ranges.seconds = crew_clock() - c.started;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
}
