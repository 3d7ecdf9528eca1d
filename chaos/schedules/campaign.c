/*
 * campaign.c - a campaign on a crew (crew.h).  A worker takes a handful of seeds at a time, and tells of each.  What a
 * worker that died has left of its handful is taken up behind all others, in a round of its own; each death costs the
 * one seed that it is told of.
 *
 * Concurrency: processes; totals are sums, findings the smallest seeds, so they depend neither on the number of workers
 * nor on their speed, as long as the seeds are given and not a budget.
 */
#include "campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../faults/fatal.h"
#include "../../faults/random.h"
#include "../crew.h"
#include "isolated.h"

enum { SEEDS_A_TASK = 64, HANG_SECONDS = 120 };
enum { MESSAGE_TOTALS, MESSAGE_FINDING, MESSAGE_UNDECIDED, MESSAGE_DISTINCT };

scenario campaign_scenario(const campaign_options *o, uint64_t seed)
{
    return scenario_make(seed, &o->sizes);
}

static void add(campaign_totals *to, const campaign_totals *from)
{
#define ADD_COUNT(field, name) to->field += from->field;
    CAMPAIGN_COUNTS(ADD_COUNT)
#undef ADD_COUNT
    to->digest += from->digest;
}

static void count(campaign_totals *t, const run_result *r, uint64_t seed)
{
    t->schedules++;
    t->points += r->outcome.points;
    t->preemptions += r->outcome.preemptions;
    t->calls += r->calls.count;
    t->crash_states += r->crash_states;
    t->faults += r->fault_fired;
    t->cuts += r->cut;
    t->findings += r->found;
    t->cuts_in_sync += r->cut_in_sync;
    t->failed_unwaited += r->failed_unwaited;
    t->failed_beside += r->failed_beside;
    t->undecided += r->undecided != 0;
    t->digest += random_mix(r->digest ^ random_mix(seed));
}

/* Runs the scenario once, or all its schedules. Returns whether something was found. */
static bool run_seed(const campaign_options *o, uint64_t seed, campaign_totals *t, distinct *d, run_result *r,
                     crew_worker *w)
{
    scenario s = campaign_scenario(o, seed);
    bool found = false, undecided = false, more = s.strategy == SCHEDULE_TREE;
    if (more)
        s.tree = schedule_tree_create(o->preemptions);
    uint64_t runs = 0;
    do {
        run_result_free(r);
        run_scenario(&s, &o->run, r);
        count(t, r, seed);
        distinct_add(d, random_mix(r->outcome.digest + seed));
        found = r->found;
        undecided |= r->undecided != 0;
        runs++;
        if (s.tree) {
            more = schedule_tree_next(s.tree);
            t->trees_complete += !more;
            more &= runs < o->tree_max && !crew_should_stop(w);
            if (runs % SEEDS_A_TASK == 0)
                crew_at(w, "%llu 0", (unsigned long long)seed);
        }
    } while (more && !found);
    t->scenarios++;
    if (undecided)
        crew_send(w, MESSAGE_UNDECIDED, &seed, sizeof seed);
    schedule_tree_destroy(s.tree);
    scenario_free(&s);
    return found;
}

static uint64_t seeds_a_task(const campaign_options *o)
{
    return o->sizes.strategy == SCHEDULE_TREE ? 1 : SEEDS_A_TASK;
}

/* The seeds of a task: a handful, or in a later round what was left of one. */
static campaign_range task_seeds(const campaign *c, uint64_t task)
{
    const campaign_options *o = c->options;
    const uint64_t a_task = seeds_a_task(o), before = task * a_task;
    if (c->round)
        return c->round[task];
    return (campaign_range){ o->seed + before, o->seeds && o->seeds - before < a_task ? o->seeds - before : a_task };
}

static void work(void *context, crew_worker *w, uint64_t task)
{
    const campaign *c = context;
    static distinct sketch;
    static run_result result;
    const campaign_range seeds = task_seeds(c, task);
    memset(&sketch, 0, sizeof sketch);
    for (uint64_t seed = seeds.first; seed - seeds.first < seeds.count && !crew_should_stop(w); seed++) {
        campaign_totals totals = { 0 };
        crew_at(w, "%llu %llu", (unsigned long long)seed, (unsigned long long)(seeds.first + seeds.count - seed - 1));
        if (run_seed(c->options, seed, &totals, &sketch, &result, w)) {
            campaign_finding f = { .seed = seed };
            memcpy(f.kind, result.kind, sizeof f.kind);
            memcpy(f.text, result.text, sizeof f.text);
            crew_send(w, MESSAGE_FINDING, &f, sizeof f);
        }
        crew_send(w, MESSAGE_TOTALS, &totals, sizeof totals);
    }
    crew_send(w, MESSAGE_DISTINCT, &sketch, sizeof sketch);
}

static void keep(campaign *c, const campaign_finding *f)
{
    unsigned at = 0;
    while (at < c->kept && c->found[at].seed <= f->seed)
        at++;
    if (at == CAMPAIGN_FINDINGS_KEPT)
        return;
    if (c->kept < CAMPAIGN_FINDINGS_KEPT)
        c->kept++;
    memmove(&c->found[at + 1], &c->found[at], (c->kept - 1 - at) * sizeof *f);
    c->found[at] = *f;
    c->stop |= c->options->fail_fast;
}

static void keep_undecided(campaign *c, uint64_t seed)
{
    unsigned at = 0;
    while (at < c->undecided_kept && c->undecided[at] <= seed)
        at++;
    if (at == CAMPAIGN_UNDECIDED_KEPT)
        return;
    if (c->undecided_kept < CAMPAIGN_UNDECIDED_KEPT)
        c->undecided_kept++;
    memmove(&c->undecided[at + 1], &c->undecided[at], (c->undecided_kept - 1 - at) * sizeof seed);
    c->undecided[at] = seed;
}

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    campaign *c = context;
    (void)bytes;
    if (type == MESSAGE_TOTALS) {
        campaign_totals t;
        memcpy(&t, data, sizeof t);
        add(&c->totals, &t);
    } else if (type == MESSAGE_DISTINCT) {
        distinct_merge(&c->schedules, data);
    } else if (type == MESSAGE_UNDECIDED) {
        uint64_t seed;
        memcpy(&seed, data, sizeof seed);
        keep_undecided(c, seed);
    } else {
        campaign_finding f;
        memcpy(&f, data, sizeof f);
        keep(c, &f);
    }
}

static void died(void *context, const char *where, const char *how)
{
    campaign *c = context;
    unsigned long long seed = c->options->seed, left = 0;
    const int read = sscanf(where, "%llu %llu", &seed, &left);
    campaign_finding f = { .seed = seed, .kind = ISOLATED_DEATH };
    snprintf(f.text, sizeof f.text, "the worker that ran it %s%s", how, read == 2 ? "" : ", before its first seed");
    c->totals.findings++;
    keep(c, &f);
    if (left && c->rest_count < CAMPAIGN_REST_MAX)
        c->rest[c->rest_count++] = (campaign_range){ seed + 1, left };
}

static void progress(void *context, uint64_t tasks, uint64_t ticks)
{
    const campaign *c = context;
    (void)tasks;
    if (!c->options->quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu schedules, %u findings ", (unsigned long long)ticks, c->kept);
}

bool campaign_is_undecided(const campaign *c)
{
    return c->totals.undecided > c->totals.schedules / CAMPAIGN_DECIDED_MIN;
}

static void run_tasks(campaign *c, uint64_t tasks, double deadline)
{
    const crew_options crew = { .jobs = c->options->jobs, .tasks = tasks, .deadline = deadline, .stop = &c->stop,
                                .hang_seconds = HANG_SECONDS, .context = c, .work = work, .receive = receive,
                                .died = died, .progress = progress };
    crew_run(&crew);
}

void campaign_run(campaign *c)
{
    const campaign_options *o = c->options;
    const double begin = crew_clock(), deadline = o->budget_seconds > 0 ? begin + o->budget_seconds : 0;
    const uint64_t a_task = seeds_a_task(o);
    campaign_range round[CAMPAIGN_REST_MAX];
    crew_catch_signals();
    run_tasks(c, o->seeds ? (o->seeds + a_task - 1) / a_task : UINT64_MAX / a_task, deadline);
    for (unsigned rounds = 0; c->rest_count && rounds < SEEDS_A_TASK && !c->stop && !crew_interrupted(); rounds++) {
        const unsigned count = c->rest_count;
        memcpy(round, c->rest, sizeof round);
        c->round = round;
        c->rest_count = 0;
        run_tasks(c, count, deadline);
    }
    c->round = NULL;
    c->interrupted = crew_interrupted();
    c->seconds = crew_clock() - begin;
    if (!o->quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
