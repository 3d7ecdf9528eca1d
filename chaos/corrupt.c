/*
 * corrupt.c - shares out all damages of all seeds among workers.
 *
 * The damages of a kind to the files of a class are a group.  A group of more than asked for is sampled by the seed.
 * What is to be done of a seed is dealt to SLICES tasks like cards, so that a campaign that is stopped early has
 * done a little of everything.  The damages of one group at one time go over many places, as a page cut from the
 * pack.
 */
#include "corrupt.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"
#include "corrupt_run.h"
#include "crew.h"

enum { SLICES = 64, FINDINGS_PER_TASK = 8, DAMAGES_DEFAULT = 1000, STREAM_DRAW = 880 };
enum { MESSAGE_TASK = 1, MESSAGE_FINDING };

typedef struct task_message {
    uint64_t seed, slice;
    corrupt_totals totals;
    double cpu_seconds;
    bool complete;
} task_message;

typedef struct corrupt_context {
    report *r;
    const stanzas *data;
    double started;
    uint64_t tasks_done;
    bool stop;
    /* worker */
    corrupt_life life;
    uint64_t prepared_seed;
    bool prepared, usable;
} corrupt_context;

/* ---- which -------------------------------------------------------------------------------------------------- */

typedef struct corrupt_group {
    unsigned image;
    corrupt_kind kind;
    corrupt_class class;
    uint64_t all, due;
} corrupt_group;

enum { GROUPS = CORRUPT_IMAGES * CORRUPT_KIND_COUNT * CORRUPT_CLASS_COUNT };

static uint32_t operations_of(const chaos_options *options)
{
    return options->operations ? options->operations : CORRUPT_OPERATIONS_DEFAULT;
}

/* Returns how many damages are due in all. */
static uint64_t list_groups(const corrupt_life *life, const chaos_options *options, corrupt_group groups[GROUPS])
{
    const uint64_t most = options->exhaustive ? UINT64_MAX : options->damages ? options->damages : DAMAGES_DEFAULT;
    uint64_t due = 0;
    for (unsigned g = 0; g < GROUPS; g++) {
        corrupt_group *of = &groups[g];
        of->image = g / (CORRUPT_KIND_COUNT * CORRUPT_CLASS_COUNT);
        of->kind = (corrupt_kind)(g / CORRUPT_CLASS_COUNT % CORRUPT_KIND_COUNT);
        of->class = (corrupt_class)(g % CORRUPT_CLASS_COUNT);
        of->all = corrupt_group_count(&life->images[of->image], of->kind, of->class);
        of->due = of->all < most ? of->all : most;
        due += of->due;
    }
    return due;
}

static corrupt_item item_at(const corrupt_life *life, const corrupt_group groups[GROUPS], uint64_t seed,
                            uint64_t number)
{
    unsigned g = 0;
    while (number >= groups[g].due)
        number -= groups[g++].due;
    const corrupt_group *of = &groups[g];
    if (of->due < of->all) {
        random_stream random = random_open(random_mix(seed * GROUPS + g), STREAM_DRAW + number);
        number = random_below(&random, of->all);
    }
    return corrupt_group_item(life, of->image, of->kind, of->class, number);
}

/* ---- worker ------------------------------------------------------------------------------------------------- */

static void send_finding(crew_worker *worker, uint64_t seed, const char *name, const char *phase,
                         const oracle_verdict *verdict, const char *what)
{
    finding f = { .seed = seed };
    snprintf(f.replay, sizeof f.replay, "--damage %s", name);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise ? verdict->promise : "DETECT");
    snprintf(f.phase, sizeof f.phase, "%s", phase ? phase : "");
    snprintf(f.text, sizeof f.text, "%.180s%s%.400s", what, what[0] ? ": " : "", verdict->text);
    crew_send(worker, MESSAGE_FINDING, &f, sizeof f);
}

static void prepare(corrupt_context *c, crew_worker *worker, uint64_t seed, bool tell)
{
    if (c->prepared && c->prepared_seed == seed)
        return;
    if (c->prepared)
        corrupt_life_release(&c->life);
    crew_at(worker, "%llu --damage none", (unsigned long long)seed);
    c->prepared = true;
    c->prepared_seed = seed;
    c->usable = corrupt_life_prepare(&c->life, seed, operations_of(c->r->options), c->data, NULL, NULL);
    if (!c->usable && tell)
        send_finding(worker, seed, "none", c->life.where, &c->life.verdict, "");
}

static void count(corrupt_totals *t, const corrupt_life *life, const corrupt_item *item, const corrupt_outcome *out)
{
    t->fates[item->kind][life->images[item->image].files[item->file].class][out->fate]++;
    t->told += out->first.code == LEVIN_CORRUPT;
    t->named += out->named;
    t->gone_on += out->gone_on;
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    corrupt_context *c = context;
    const chaos_options *options = c->r->options;
    task_message m = { .seed = options->seed + task / SLICES, .slice = task % SLICES, .complete = true };
    corrupt_group groups[GROUPS];
    prepare(c, worker, m.seed, m.slice == 0);
    const uint64_t due = c->usable ? list_groups(&c->life, options, groups) : 0;
    for (unsigned g = 0; g < GROUPS && m.slice == 0 && c->usable; g++) {
        m.totals.due[groups[g].kind][groups[g].class] += groups[g].due;
        m.totals.all += groups[g].all;
    }
    const double started = crew_cpu_clock();
    unsigned found = 0;
    for (uint64_t n = m.slice; n < due; n += SLICES) {
        char name[CORRUPT_NAME_BYTES], text[200];
        const corrupt_item item = item_at(&c->life, groups, m.seed, n);
        if (crew_should_stop(worker))
            m.complete = false;
        if (!m.complete || found >= FINDINGS_PER_TASK)
            break;
        corrupt_item_name(&c->life, &item, name);
        crew_at(worker, "%llu --damage %s", (unsigned long long)m.seed, name);
        corrupt_outcome out;
        const bool good = corrupt_run(&c->life, &item, &out);
        count(&m.totals, &c->life, &item, &out);
        if (!good) {
            corrupt_item_describe(&c->life, &item, text, sizeof text);
            send_finding(worker, m.seed, name, out.phase, &out.verdict, text);
            found += options->fail_fast ? FINDINGS_PER_TASK : 1;
        }
    }
    m.cpu_seconds = crew_cpu_clock() - started;
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

/* ---- caller ------------------------------------------------------------------------------------------------- */

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    corrupt_context *c = context;
    (void)bytes;
    if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_CORRUPT, &f);
        return;
    }
    task_message m;
    memcpy(&m, data, sizeof m);
    corrupt_totals_add(&c->r->corrupt.totals, &m.totals);
    c->r->corrupt.cpu_seconds += m.cpu_seconds;
    c->r->corrupt.seeds_begun += m.slice == 0;
    c->tasks_done += m.complete;
}

static void died(void *context, const char *where, const char *how)
{
    corrupt_context *c = context;
    const finding f = finding_of_death("DETECT", where, how);
    c->stop = report_finding(c->r, DETECTOR_CORRUPT, &f);
}

static void failed(void *context, const char *where)
{
    const corrupt_context *c = context;
    report_worker_failed(c->r, where);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    corrupt_context *c = context;
    double seconds = crew_clock() - c->started;
    report_progress(c->r, "corruption: seed %llu, %llu/%d of it, %llu damages, %.0f/s, %llu violations",
                    (unsigned long long)(c->r->options->seed + tasks_done / SLICES),
                    (unsigned long long)(tasks_done % SLICES), SLICES, (unsigned long long)ticks,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)c->r->found.count);
}

void corrupt(report *r, const stanzas *data, double deadline)
{
    corrupt_context c = { .r = r, .data = data, .started = crew_clock() };
    uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds * SLICES, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .failed = failed, .progress = progress,
                             .stop = &c.stop };
    r->has_corrupt = true;
    r->corrupt.complete = crew_run(&options);
    r->corrupt.seconds = crew_clock() - c.started;
    r->corrupt.seeds_complete = c.tasks_done / SLICES;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
}
