/*
 * sweep.c - shares out the points of the traces of all seeds among workers, and merges what they found.
 *
 * A seed's trace is cut into CHUNKS equal ranges of points; a task is one range of one seed. Each worker runs the
 * workload of a seed itself when it comes to it (it is deterministic), so that a crash of the engine there is a
 * finding and not the end. The ranges are taken in an order that spreads them: a run that is stopped early has
 * looked everywhere a little.
 *
 * Results do not depend on the number of workers: each range has its own explorer.  Distinct images are counted over
 * all ranges by their digests.
 */
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/simdisk.h"
#include "crew.h"

enum { CHUNK_BITS = 5, CHUNKS = 1 << CHUNK_BITS, FINDINGS_PER_TASK = 8 };
enum { MESSAGE_TASK = 1, MESSAGE_FINDING, MESSAGE_DIGESTS, MESSAGE_SHORT };

typedef struct task_message {
    uint64_t seed, chunk, seed_points;
    explore_totals totals;
    workload_counts counts;
    double cpu_seconds;
    bool complete;
} task_message;

/* Open addressing; 0 is free. */
typedef struct digest_set {
    uint64_t *slots;
    size_t capacity, count;
} digest_set;

typedef struct sweep_context {
    report *r;
    const stanzas *data;
    double started;
    /* caller */
    digest_set seen;
    uint8_t *chunks_done; /* by seed, counted from the first */
    uint64_t chunks_capacity;
    bool stop;
    /* worker */
    crew_worker *worker;
    sweep_run run;
    uint64_t run_seed;
    bool prepared;
    uint64_t *digests;
    size_t digest_count, digest_capacity;
    unsigned task_findings;
    bool stopped;
} sweep_context;

/* ---- the workload ----------------------------------------------------------------------------------------- */

static uint64_t trace_now(void *context)
{
    return trace_length(context);
}

void sweep_prepare(sweep_run *run, uint64_t seed, uint32_t operations, const stanzas *data, const workload_part *part,
                   void (*at_step)(void *run, size_t step), workload_script *script)
{
    workload_options options = { .seed = seed, .operations = operations, .data = data, .part = part };
    *run = (sweep_run){ .w = workload_create(&options), .t = trace_create(), .o = oracle_create() };
    simdisk *disk = simdisk_create(NULL, run->t);
    simdisk_seed(disk, seed);
    workload_target target = {
        .io = simdisk_io(disk), .path = VERIFY_PATH, .o = run->o, .now = trace_now, .context = run->t,
        .at_step = at_step, .step_context = run, .script = script
    };
    workload_run(run->w, &target, false, &run->result);
    simdisk_usage usage;
    if (!simdisk_destroy(disk, &usage))
        oracle_fault(&run->result.verdict, "FAULT", "the closed store left behind %llu bytes and %llu open files",
                     (unsigned long long)usage.memory_bytes, (unsigned long long)usage.open_files);
    workload_count_trace(run->t, &run->result.counts);
}

void sweep_release(sweep_run *run)
{
    workload_destroy(run->w);
    trace_destroy(run->t);
    oracle_destroy(run->o);
    *run = (sweep_run){ 0 };
}

explore_options sweep_explore_options(uint64_t seed, unsigned depth)
{
    explore_options options;
    explore_options_init(&options, seed);
    options.depth = depth;
    return options;
}

/* ---- worker ----------------------------------------------------------------------------------------------- */

static void send_finding(sweep_context *c, const char *replay, const char *phase, const oracle_verdict *verdict)
{
    finding f = { .seed = c->run_seed };
    snprintf(f.replay, sizeof f.replay, "%s", replay);
    snprintf(f.promise, sizeof f.promise, "%s", verdict->promise);
    snprintf(f.phase, sizeof f.phase, "%s", phase);
    snprintf(f.text, sizeof f.text, "%s", verdict->text);
    crew_send(c->worker, MESSAGE_FINDING, &f, sizeof f);
    c->task_findings++;
}

static bool on_state(void *context, const explore_path *path, uint64_t digest)
{
    sweep_context *c = context;
    char text[EXPLORE_PATH_BYTES];
    explore_path_text(path, text);
    crew_at(c->worker, "%llu --at %s", (unsigned long long)c->run_seed, text);
    if (crew_should_stop(c->worker)) {
        c->stopped = true;
        return false;
    }
    if (c->digest_count == c->digest_capacity) {
        c->digest_capacity = c->digest_capacity ? 2 * c->digest_capacity : 4096;
        c->digests = fatal_realloc(c->digests, c->digest_capacity * sizeof *c->digests);
    }
    c->digests[c->digest_count++] = digest;
    return true;
}

static bool on_violation(void *context, const explore_path *path, const verify_result *result)
{
    sweep_context *c = context;
    char text[EXPLORE_PATH_BYTES], replay[EXPLORE_PATH_BYTES + 8];
    explore_path_text(path, text);
    snprintf(replay, sizeof replay, "--at %s", text);
    send_finding(c, replay, result->phase ? result->phase : "", &result->verdict);
    return c->task_findings < FINDINGS_PER_TASK && !c->r->options->fail_fast;
}

/* Order of the ranges: bits reversed, so that a prefix of it is spread evenly. */
static uint64_t spread(uint64_t i)
{
    uint64_t r = 0;
    for (int b = 0; b < CHUNK_BITS; b++)
        r |= (i >> b & 1) << (CHUNK_BITS - 1 - b);
    return r;
}

static void prepare(sweep_context *c, uint64_t seed)
{
    if (c->prepared && c->run_seed == seed)
        return;
    if (c->prepared)
        sweep_release(&c->run);
    c->run_seed = seed;
    crew_at(c->worker, "%llu --at 0.0 (the workload itself)", (unsigned long long)seed);
    sweep_prepare(&c->run, seed, c->r->options->operations, c->data, NULL, NULL, NULL);
    c->prepared = true;
}

static void work(void *context, crew_worker *worker, uint64_t task)
{
    sweep_context *c = context;
    c->worker = worker;
    c->task_findings = 0;
    c->digest_count = 0;
    c->stopped = false;
    uint64_t seed = c->r->options->seed + task / CHUNKS, chunk = spread(task % CHUNKS);
    prepare(c, seed);
    const sweep_run *run = &c->run;
    uint64_t points = trace_length(run->t) + 1;
    uint64_t first = points * chunk / CHUNKS, end = points * (chunk + 1) / CHUNKS;
    task_message m = { .seed = seed, .chunk = chunk, .seed_points = points, .counts = run->result.counts };
    char text[200];
    const char *missing = c->r->options->small ? NULL : workload_short_of(&run->result.counts, text, sizeof text);
    if (run->result.verdict.promise) {
        if (chunk == 0)
            send_finding(c, "--at 0.0", "the workload itself", &run->result.verdict);
    } else if (missing) {
        crew_send(worker, MESSAGE_SHORT, missing, strlen(missing) + 1);
    } else if (first < end) {
        explore_options options = sweep_explore_options(seed, c->r->options->depth);
        options.context = c;
        options.at = on_state;
        options.found = on_violation;
        explore_judge judge = { .after = run->o };
        double started = crew_cpu_clock();
        explore(run->w, run->t, NULL, &judge, &options, first, end - 1, &m.totals);
        m.cpu_seconds = crew_cpu_clock() - started;
    }
    m.complete = !c->stopped;
    crew_send(worker, MESSAGE_DIGESTS, c->digests, c->digest_count * sizeof *c->digests);
    crew_send(worker, MESSAGE_TASK, &m, sizeof m);
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void set_insert(digest_set *set, uint64_t digest)
{
    size_t i = digest & (set->capacity - 1);
    while (set->slots[i] && set->slots[i] != digest)
        i = (i + 1) & (set->capacity - 1);
    set->count += !set->slots[i];
    set->slots[i] = digest;
}

static void set_add(digest_set *set, uint64_t digest)
{
    if (2 * set->count >= set->capacity) {
        digest_set bigger = { .capacity = set->capacity ? 2 * set->capacity : 1 << 16 };
        bigger.slots = fatal_alloc_zeroed(bigger.capacity * sizeof *bigger.slots);
        for (size_t i = 0; i < set->capacity; i++)
            if (set->slots[i])
                set_insert(&bigger, set->slots[i]);
        free(set->slots);
        *set = bigger;
    }
    set_insert(set, digest ? digest : 1);
}

static void merge_task(sweep_context *c, const task_message *m)
{
    sweep_report *s = &c->r->sweep;
    explore_totals *to = &s->totals;
    const explore_totals *from = &m->totals;
    to->points += from->points;
    to->variants += from->variants;
    to->states += from->states;
    to->remembered += from->remembered;
    to->tails += from->tails;
    for (int d = 0; d < EXPLORE_DEPTH_MAX; d++)
        to->opened[d] += from->opened[d];
    for (int f = 0; f < CRASH_FAMILY_COUNT; f++)
        to->families[f] += from->families[f];
    s->cpu_seconds += m->cpu_seconds;
    uint64_t index = m->seed - c->r->options->seed;
    while (index >= c->chunks_capacity) {
        uint64_t n = c->chunks_capacity ? 2 * c->chunks_capacity : 64;
        c->chunks_done = fatal_realloc(c->chunks_done, n * 2);
        memset(c->chunks_done + c->chunks_capacity * 2, 0, (n - c->chunks_capacity) * 2);
        c->chunks_capacity = n;
    }
    uint8_t *begun = &c->chunks_done[index * 2], *done = begun + 1;
    if (!*begun) {
        *begun = 1;
        s->seeds_begun++;
        s->points_due += m->seed_points;
#define LEAST(name, least_count, text)                                                                          \
    if (s->seeds_begun == 1 || m->counts.name < s->least.name)                                                  \
        s->least.name = m->counts.name;
        WORKLOAD_COUNTS(LEAST)
#undef LEAST
    }
    if (m->complete && ++*done == CHUNKS)
        s->seeds_complete++;
}

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    sweep_context *c = context;
    if (type == MESSAGE_TASK) {
        task_message m;
        memcpy(&m, data, sizeof m);
        merge_task(c, &m);
    } else if (type == MESSAGE_FINDING) {
        finding f;
        memcpy(&f, data, sizeof f);
        c->stop = report_finding(c->r, DETECTOR_SWEEP, &f);
    } else if (type == MESSAGE_DIGESTS) {
        for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
            uint64_t digest;
            memcpy(&digest, (const char *)data + i * sizeof digest, sizeof digest);
            set_add(&c->seen, digest);
        }
    } else {
        snprintf(c->r->harness, sizeof c->r->harness, "the workload falls short: %s (--small allows it)",
                 (const char *)data);
        c->stop = true;
    }
}

static void died(void *context, const char *where, const char *how)
{
    sweep_context *c = context;
    finding f = finding_of_death("FAULT", where, how);
    f.replay[strcspn(f.replay, "(")] = 0;
    snprintf(f.text, sizeof f.text, "the process died: %s; at: %.300s", how, where);
    c->stop = report_finding(c->r, DETECTOR_SWEEP, &f);
}

static void failed(void *context, const char *where)
{
    const sweep_context *c = context;
    report_worker_failed(c->r, where);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    sweep_context *c = context;
    double seconds = crew_clock() - c->started;
    report_progress(c->r, "crash sweep: seed %llu, %llu/%d of it, %llu states, %.0f/s, %llu violations",
                    (unsigned long long)(c->r->options->seed + tasks_done / CHUNKS),
                    (unsigned long long)(tasks_done % CHUNKS), CHUNKS, (unsigned long long)ticks,
                    seconds > 0 ? (double)ticks / seconds : 0, (unsigned long long)c->r->found.count);
}

void sweep(report *r, const stanzas *data, double deadline)
{
    sweep_context c = { .r = r, .data = data, .started = crew_clock() };
    uint64_t seeds = r->options->seeds ? r->options->seeds : deadline > 0 ? 1000000 : 1;
    crew_options options = { .jobs = r->options->jobs, .tasks = seeds * CHUNKS, .deadline = deadline, .context = &c,
                             .work = work, .receive = receive, .died = died, .failed = failed, .progress = progress,
                             .stop = &c.stop };
    r->has_sweep = true;
    r->sweep.complete = crew_run(&options);
    r->sweep.seconds = crew_clock() - c.started;
    r->sweep.distinct = c.seen.count;
    r->interrupted = r->interrupted || crew_interrupted();
    report_progress(r, "%s", "");
    free(c.seen.slots);
    free(c.chunks_done);
}
