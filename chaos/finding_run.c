/*
 * finding_run.c - kept findings done again (finding_run.h).
 *
 * Invariants: an outcome is a function of the finding, where to look, and the engine.
 */
#include "finding_run.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "corrupt.h"
#include "corrupt_run.h"
#include "crew.h"
#include "fault_chain.h"
#include "fault_run.h"
#include "faults_sweep.h"
#include "plan_command.h"
#include "ranges.h"
#include "sweep.h"

typedef struct again {
    const saved_finding *f;
    const stanzas *data;
    const finding_near *near; /* NULL: exactly */
    FILE *text;               /* may be NULL */
    void (*at)(void *context, const char *place);
    void *context;
    finding_outcome *out;
    uint64_t looked;          /* states, runs, damages so far */
} again;

static void at_place(again *a, const char *place)
{
    a->looked++;
    if (a->at)
        a->at(a->context, place);
}

static bool exhausted(const again *a)
{
    return a->near && a->looked >= a->near->limit;
}

static bool same_class(const saved_finding *f, const char *phase, const char *class)
{
    return !strcmp(f->phase, class) == !strcmp(phase, class);
}

static bool expected(const saved_finding *f, const char *promise, const char *phase)
{
    return !strcmp(f->promise, promise) && same_class(f, phase, FINDING_PHASE_WORKLOAD) &&
           same_class(f, phase, FINDING_PHASE_PROCESS);
}

bool finding_is_live(finding_command command, const char *phase, const char *place)
{
    return command == FINDING_SWEEP && (!strcmp(phase, FINDING_PHASE_WORKLOAD) ||
                                        (!strcmp(phase, FINDING_PHASE_PROCESS) && !strcmp(place, "0.0")));
}

bool finding_is_expected(const saved_finding *f, const finding_outcome *out)
{
    /* what is broken without any fault is another one, whatever it looks like */
    const bool unprovoked = !strcmp(out->place, "none") && strcmp(f->place, "none") != 0;
    return out->broken && !unprovoked && expected(f, out->promise, out->phase) &&
           finding_is_live(f->command, f->phase, f->place) == finding_is_live(f->command, out->phase, out->place);
}

/* Keeps the verdict, when it is one. Near a place only the promise expected counts. */
static bool keep(again *a, const char *place, const char *phase, const oracle_verdict *v)
{
    finding_outcome *out = a->out;
    if (!v->promise || (a->near && !expected(a->f, v->promise, phase)))
        return false;
    out->broken = true;
    snprintf(out->place, sizeof out->place, "%s", place);
    snprintf(out->promise, sizeof out->promise, "%s", v->promise);
    snprintf(out->phase, sizeof out->phase, "%s", phase);
    snprintf(out->text, sizeof out->text, "%s", v->text);
    return true;
}

static void tell(const again *a, const char *line)
{
    if (a->text)
        fprintf(a->text, "%s\n", line);
}

/* ---- sweep ------------------------------------------------------------------------------------------------ */

typedef struct placed_run {
    sweep_run run; /* first: at_step() gets it */
    uint64_t *starts; /* by step, in calls; UINT64_MAX: it was not run */
    size_t count, capacity;
} placed_run;

static void at_step(void *context, size_t step)
{
    placed_run *p = context;
    while (p->count <= step) {
        if (p->count == p->capacity) {
            p->capacity = p->capacity ? 2 * p->capacity : 256;
            p->starts = fatal_realloc(p->starts, p->capacity * sizeof *p->starts);
        }
        p->starts[p->count++] = UINT64_MAX;
    }
    p->starts[step] = trace_length(p->run.t);
}

/* The last step that began before the call with that number was made. */
static uint32_t step_of(const placed_run *p, uint64_t point, uint64_t *offset)
{
    size_t step = 0;
    uint64_t start = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->starts[i] != UINT64_MAX && p->starts[i] <= point)
            step = i, start = p->starts[i];
    *offset = point - start;
    return (uint32_t)step;
}

/* The calls of the step, or of the last one before it that was run. */
static void window_of(const placed_run *p, uint32_t step, uint64_t *first, uint64_t *last)
{
    *first = 0;
    *last = trace_length(p->run.t);
    for (size_t i = 0; i < p->count; i++) {
        if (p->starts[i] == UINT64_MAX)
            continue;
        if (i > step) {
            *last = p->starts[i];
            return;
        }
        *first = p->starts[i];
    }
}

static explore_options options_of(const saved_finding *f, unsigned depth)
{
    explore_options options = sweep_explore_options(f->seed, depth);
    options.tail_one_in = f->tails;
    return options;
}

/* One state, exactly. False: there is none. */
static bool sweep_exactly(again *a, const placed_run *p, const explore_path *path, unsigned depth)
{
    explore_options options = options_of(a->f, depth);
    explore_judge judge = { .after = p->run.o };
    verify_result result;
    char place[EXPLORE_PATH_BYTES];
    explore_path_text(path, place);
    at_place(a, place);
    const bool there = explore_again(p->run.w, p->run.t, &judge, &options, path, a->text, &result);
    if (there && result.verdict.promise) {
        if (keep(a, place, result.phase ? result.phase : "", &result.verdict)) {
            a->out->depth = depth;
            a->out->placed = true;
            a->out->step = step_of(p, path->step[0].point, &a->out->offset);
        }
    } else if (there && a->text) {
        fprintf(a->text, "as promised: the store is as after batch %u\n", result.state);
    }
    oracle_destroy(result.after);
    return there;
}

typedef struct walk_context {
    again *a;
    explore_path found;
    bool any;
} walk_context;

static bool walk_at(void *context, const explore_path *path, uint64_t digest)
{
    walk_context *w = context;
    char place[EXPLORE_PATH_BYTES];
    (void)digest;
    explore_path_text(path, place);
    at_place(w->a, place);
    return !exhausted(w->a);
}

static bool walk_found(void *context, const explore_path *path, const verify_result *result)
{
    walk_context *w = context;
    if (!expected(w->a->f, result->verdict.promise, result->phase ? result->phase : ""))
        return true;
    w->found = *path;
    w->any = true;
    return false;
}

static void sweep_near(again *a, const placed_run *p)
{
    explore_path path;
    uint64_t first, last;
    window_of(p, a->near->step, &first, &last);
    if (!explore_path_parse(&path, a->f->place))
        return;
    path.step[0].point = first + a->near->offset <= last ? first + a->near->offset : last;
    for (unsigned depth = path.depth < a->near->depth ? path.depth : a->near->depth; depth > 0; depth--) {
        path.depth = depth;
        sweep_exactly(a, p, &path, depth);
        if (a->out->broken)
            return;
    }
    for (unsigned depth = 1; depth <= a->near->depth && !a->out->broken && !exhausted(a); depth++) {
        walk_context w = { .a = a };
        explore_options options = options_of(a->f, depth);
        options.deep_one_in = depth > 1 ? 4 : 1;
        options.context = &w;
        options.at = walk_at;
        options.found = walk_found;
        explore_judge judge = { .after = p->run.o };
        explore_totals totals = { 0 };
        explore(p->run.w, p->run.t, NULL, &judge, &options, first, last, &totals);
        if (w.any)
            sweep_exactly(a, p, &w.found, w.found.depth);
    }
}

static void sweep_again(again *a)
{
    const saved_finding *f = a->f;
    placed_run p = { .count = 0 };
    explore_path path;
    at_place(a, "0.0");
    sweep_prepare(&p.run, f->seed, f->operations, a->data, &f->part, at_step, NULL);
    a->out->there = true;
    a->out->steps = (uint32_t)workload_steps(p.run.w);
    if (a->text)
        fprintf(a->text, "workload: %zu steps, %llu I/O calls, %u batches\n", p.run.result.steps,
                (unsigned long long)trace_length(p.run.t), oracle_last_batch(p.run.o));
    if (p.run.result.verdict.promise) {
        if (keep(a, "0.0", FINDING_PHASE_WORKLOAD, &p.run.result.verdict)) {
            a->out->placed = true;
            a->out->step = (uint32_t)p.run.result.steps;
        }
    } else if (a->near) {
        if (strcmp(f->phase, FINDING_PHASE_WORKLOAD))
            sweep_near(a, &p);
    } else {
        a->out->there = explore_path_parse(&path, f->place) && sweep_exactly(a, &p, &path, f->depth);
    }
    sweep_release(&p.run);
    free(p.starts);
}

/* ---- faults ----------------------------------------------------------------------------------------------- */

/* Scenarios up to the one that the name begins with. */
static size_t scenarios_for(const char *place)
{
    const size_t recoveries = sizeof "recovery-" - 1;
    if (strncmp(place, "recovery-", recoveries))
        return strncmp(place, "life", 4) ? FAULT_SCENARIOS : 1;
    const size_t needed = (size_t)strtoull(place + recoveries, NULL, 10) + 2;
    return needed < FAULT_SCENARIOS ? needed : FAULT_SCENARIOS;
}

static bool prepare(again *a, fault_scenarios *s)
{
    const saved_finding *f = a->f;
    at_place(a, "none");
    const bool good = fault_scenarios_prepare(s, f->seed, f->operations, a->data, &f->part, scenarios_for(f->place));
    a->out->there = true;
    a->out->steps = (uint32_t)workload_steps(s->life);
    if (!good && (!a->near || !strcmp(f->place, "none")))
        keep(a, "none", s->where, &s->verdict);
    else if (good && !strcmp(f->place, "none"))
        tell(a, "the runs without faults are as promised");
    return good && strcmp(f->place, "none");
}

static void fault_exactly(again *a, const fault_scenarios *s, const char *name)
{
    fault_plan plan;
    uint64_t number;
    fault_outcome out;
    at_place(a, name);
    a->out->there = fault_plan_find(s, name, &number, &plan);
    if (!a->out->there)
        return;
    const bool good = fault_run(s, &plan, faults_run_seed(a->f->seed, number), &out);
    a->out->calls = plan.calls;
    a->out->silent = good && !out.fired; /* also past the last call: a finding is of a call */
    if (a->text)
        fprintf(a->text, "%s: call %llu of %llu, fired %llu times, %llu calls of the store failed\n%s", name,
                (unsigned long long)plan.nth, (unsigned long long)plan.calls, (unsigned long long)out.fired,
                (unsigned long long)out.failures, good && !a->out->silent ? "all as promised\n" : "");
    if (!good)
        keep(a, name, out.phase, &out.verdict);
}

/* The calls of the series: as far from the beginning, as far from the end, then one after the other. */
static void fault_near(again *a, const fault_scenarios *s)
{
    char series[sizeof a->f->place], name[sizeof a->f->place + 24];
    fault_plan plan;
    uint64_t number;
    snprintf(series, sizeof series, "%s", a->f->place);
    char *slash = strrchr(series, '/');
    if (!slash)
        return;
    const uint64_t nth = strtoull(slash + 1, NULL, 10);
    *slash = 0;
    snprintf(name, sizeof name, "%s/1", series);
    if (!nth || !fault_plan_find(s, name, &number, &plan))
        return;
    const uint64_t from_end = a->near->calls > nth ? a->near->calls - nth : 0;
    const uint64_t guesses[2] = { nth, plan.calls > from_end ? plan.calls - from_end : 1 };
    const uint64_t stride = plan.calls / a->near->limit + 1;
    for (int i = 0; i < 2 && !a->out->broken; i++) {
        snprintf(name, sizeof name, "%s/%llu", series, (unsigned long long)guesses[i]);
        if (guesses[i] <= plan.calls)
            fault_exactly(a, s, name);
    }
    for (uint64_t n = 1; n <= plan.calls && !a->out->broken && !exhausted(a); n += stride) {
        snprintf(name, sizeof name, "%s/%llu", series, (unsigned long long)n);
        fault_exactly(a, s, name);
    }
}

static void faults_again(again *a)
{
    fault_scenarios s;
    if (prepare(a, &s)) {
        if (a->near)
            fault_near(a, &s);
        else
            fault_exactly(a, &s, a->f->place);
    }
    fault_scenarios_release(&s);
}

/* ---- crossed with crashes --------------------------------------------------------------------------------- */

static void chain_exactly(again *a, const fault_scenarios *s, uint64_t number)
{
    char name[24], links[CHAIN_TEXT_BYTES];
    fault_chain_outcome out;
    snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    at_place(a, name);
    const bool good = fault_chain_run(s, a->f->seed, number, a->f->depth, &out);
    fault_chain_text(&out, links);
    a->out->silent = good && out.silent;
    if (a->text)
        fprintf(a->text, "%s\n%llu power cuts judged, %llu calls of the store failed\n%s", links,
                (unsigned long long)out.states, (unsigned long long)out.failures,
                good && !out.silent ? "all as promised\n" : "");
    if (!good)
        keep(a, name, out.last.phase, &out.last.verdict);
}

/* The chain itself, then all others from the first on. */
static void crossed_again(again *a)
{
    fault_scenarios s;
    char *end;
    const uint64_t number = strtoull(a->f->place, &end, 10);
    if (prepare(a, &s)) {
        a->out->there = *end == 0 && end != a->f->place;
        if (a->out->there)
            chain_exactly(a, &s, number);
        for (uint64_t n = 0; a->near && a->out->there && !a->out->broken && !exhausted(a); n++)
            chain_exactly(a, &s, n);
    }
    fault_scenarios_release(&s);
}

/* ---- under a plan ----------------------------------------------------------------------------------------- */

static void plan_exactly(again *a, const fault_scenarios *s, size_t scenario, const plan_rules *rules)
{
    fault_outcome out;
    plan_state *state = plan_begin(rules, plan_run_seed(a->f->seed, scenario));
    at_place(a, a->f->place);
    const bool good = fault_run_plan(s, scenario, rules, state, a->f->seed, &out);
    for (size_t i = 0; i < rules->count && a->text; i++)
        fprintf(a->text, "%s: matched %llu calls, fired %llu times\n", a->f->rules[i],
                (unsigned long long)plan_matched(state, i), (unsigned long long)plan_fired(state, i));
    plan_end(state);
    a->out->silent = good && !out.fired;
    if (a->out->silent)
        tell(a, "nothing fired: nothing was judged");
    else if (good)
        tell(a, "all as promised");
    else
        keep(a, a->f->place, out.phase, &out.verdict);
}

static void plan_again(again *a)
{
    fault_scenarios s;
    plan_rules rules;
    size_t scenario = 0;
    saved_finding_rules(a->f, &rules);
    if (prepare(a, &s)) {
        while (scenario < s.count && strcmp(s.items[scenario].name, a->f->place))
            scenario++;
        a->out->there = scenario < s.count;
        if (a->out->there)
            plan_exactly(a, &s, scenario, &rules);
        const uint64_t nth = rules.count == 1 ? rules.rules[0].nth : 0;
        for (uint64_t n = nth; a->near && a->out->there && n-- > 1 && !a->out->broken && !exhausted(a);) {
            rules.rules[0].nth = n;
            plan_exactly(a, &s, scenario, &rules);
            a->out->nth = a->out->broken ? n : 0;
        }
    }
    fault_scenarios_release(&s);
}

/* ---- corrupt ---------------------------------------------------------------------------------------------- */

static void damage_exactly(again *a, const corrupt_life *life, const corrupt_item *item)
{
    char name[CORRUPT_NAME_BYTES], words[200];
    corrupt_outcome out;
    corrupt_item_name(life, item, name);
    at_place(a, name);
    corrupt_item_describe(life, item, words, sizeof words);
    const bool good = corrupt_run(life, item, &out);
    if (a->text) {
        fprintf(a->text, "%s store, %s\n", life->images[item->image].name, words);
        if (out.first.code == LEVIN_CORRUPT)
            fprintf(a->text, "told: %s\n", out.first.message);
        if (good)
            fprintf(a->text, "as promised: %s\n", corrupt_fate_text(out.fate));
    }
    if (!good)
        keep(a, name, out.phase ? out.phase : "", &out.verdict);
}

/* The same damage; then those of the same kind to files of the same class, spread over all there are. */
static void damage_near(again *a, const corrupt_life *life)
{
    corrupt_item item;
    corrupt_kind kind;
    corrupt_class class;
    unsigned image;
    if (corrupt_item_parse(life, a->f->place, &item))
        damage_exactly(a, life, &item);
    if (!corrupt_group_parse(life, a->f->place, &image, &kind, &class))
        return;
    const uint64_t count = corrupt_group_count(&life->images[image], kind, class);
    const uint64_t stride = count / a->near->limit + 1;
    for (uint64_t n = 0; n < count && !a->out->broken && !exhausted(a); n += stride) {
        item = corrupt_group_item(life, image, kind, class, n);
        damage_exactly(a, life, &item);
    }
}

static void corrupt_again(again *a)
{
    const saved_finding *f = a->f;
    corrupt_life life;
    corrupt_item item;
    const bool none = !strcmp(f->place, "none");
    at_place(a, "none");
    const bool good = corrupt_life_prepare(&life, f->seed, f->operations, a->data, &f->part, NULL);
    a->out->there = true;
    a->out->steps = (uint32_t)workload_steps(life.w);
    if (!good) {
        if (none || !a->near)
            keep(a, "none", life.where, &life.verdict);
    } else if (none) {
        tell(a, "the stores without damage are as promised");
    } else if (a->near) {
        damage_near(a, &life);
    } else if (corrupt_item_parse(&life, f->place, &item)) {
        damage_exactly(a, &life, &item);
    } else {
        a->out->there = false;
    }
    corrupt_life_release(&life);
}

/* ---- ranges ----------------------------------------------------------------------------------------------- */

static bool at_ranges(void *context)
{
    at_place(context, "");
    return true;
}

static void ranges_again(again *a)
{
    const ranges_kept kept = { a->f->part.steps, a->f->walks };
    ranges_outcome out;
    a->out->there = true;
    a->out->steps = a->f->operations;
    if (ranges_run(a->f->seed, a->f->operations, &kept, at_ranges, a, &out)) {
        if (a->text)
            fprintf(a->text, "as promised: %llu combinations of bounds\n", (unsigned long long)out.counts.walks);
        return;
    }
    finding f;
    ranges_tell(&f, a->f->seed, &out);
    if (keep(a, "", f.phase, &out.verdict)) {
        memcpy(a->out->text, f.text, sizeof a->out->text);
        a->out->placed = true;
        a->out->step = out.step;
    }
}

/* ---- any -------------------------------------------------------------------------------------------------- */

void finding_run(const saved_finding *f, const stanzas *data, const finding_near *near, FILE *text,
                 void (*at)(void *context, const char *place), void *context, finding_outcome *out)
{
    static void (*const by_command[FINDING_COMMAND_COUNT])(again *a) = {
        [FINDING_SWEEP] = sweep_again, [FINDING_FAULTS] = faults_again, [FINDING_PLAN] = plan_again,
        [FINDING_CROSSED] = crossed_again,
        [FINDING_CORRUPT] = corrupt_again, [FINDING_RANGES] = ranges_again,
    };
    again a = { .f = f, .data = data, .near = near, .text = text, .at = at, .context = context, .out = out };
    *out = (finding_outcome){ .depth = f->depth };
    by_command[f->command](&a);
    if (out->broken && text)
        fprintf(text, "%s: %s: %s\n", out->phase, out->promise, out->text);
}

/* ---- apart ------------------------------------------------------------------------------------------------ */

typedef struct apart {
    const saved_finding *f;
    const stanzas *data;
    const finding_near *near;
    FILE *text;
    finding_outcome *out;
    bool done;
    crew_worker *worker;
} apart;

static void apart_at(void *context, const char *place)
{
    const apart *p = context;
    crew_at(p->worker, "%s", place);
}

static void apart_work(void *context, crew_worker *worker, uint64_t task)
{
    apart *p = context;
    finding_outcome out;
    (void)task;
    p->worker = worker;
    crew_at(worker, "%s", p->f->place);
    finding_run(p->f, p->data, p->near, p->text, apart_at, p, &out);
    if (p->text)
        fflush(p->text);
    crew_send(worker, 1, &out, sizeof out);
}

static void apart_receive(void *context, unsigned type, const void *data, size_t bytes)
{
    apart *p = context;
    (void)type;
    (void)bytes;
    memcpy(p->out, data, sizeof *p->out);
    p->done = true;
}

/* The promise that a death breaks is that of the detector. */
static void apart_died(void *context, const char *where, const char *how)
{
    apart *p = context;
    const finding_command c = p->f->command;
    finding_outcome *out = p->out;
    *out = (finding_outcome){ .there = true, .broken = true, .depth = p->f->depth };
    snprintf(out->place, sizeof out->place, "%s", where);
    snprintf(out->promise, sizeof out->promise, "%s",
             c == FINDING_CORRUPT ? "DETECT" : c == FINDING_RANGES ? "EXACT" : "FAULT");
    snprintf(out->phase, sizeof out->phase, "%s", FINDING_PHASE_PROCESS);
    snprintf(out->text, sizeof out->text, "the process died: %s", how);
    p->done = true;
    if (p->text)
        fprintf(p->text, "at %s: %s: %s\n", where, out->promise, out->text);
}

bool finding_run_apart(const saved_finding *f, const stanzas *data, const finding_near *near, FILE *text,
                       finding_outcome *out)
{
    apart p = { .f = f, .data = data, .near = near, .text = text, .out = out };
    const crew_options options = { .jobs = 1, .tasks = 1, .context = &p, .work = apart_work,
                                   .receive = apart_receive, .died = apart_died };
    *out = (finding_outcome){ .there = false };
    (void)crew_run(&options); /* what it came to is in p */
    return p.done && !crew_interrupted();
}
