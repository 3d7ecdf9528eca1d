/*
 * report.c - what people and programs get to see: a progress line on a terminal, findings as they come, a table or
 * JSON at the end.
 */
#include "report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "corrupt_report.h"
#include "effects_sweep.h"
#include "finding_file.h"
#include "report_files.h"
#include "soak_command.h"

typedef unsigned long long ull;

/* ---- findings --------------------------------------------------------------------------------------------- */

static int finding_order(const finding *a, const finding *b)
{
    if (a->found_by != b->found_by)
        return a->found_by < b->found_by ? -1 : 1;
    if (a->seed != b->seed)
        return a->seed < b->seed ? -1 : 1;
    return strverscmp(a->replay, b->replay);
}

const char *detector_text(detector d)
{
    static const char *const texts[DETECTOR_COUNT] = {
#define DETECTOR_TEXT(name, text) text,
        DETECTORS(DETECTOR_TEXT)
#undef DETECTOR_TEXT
    };
    return texts[d];
}

void findings_add(findings *f, const finding *item)
{
    const detector by = item->found_by;
    const bool full = f->of[by] >= FINDINGS_KEPT;
    f->count++;
    f->of[by]++;
    size_t at = f->kept;
    while (at > 0 && finding_order(item, &f->items[at - 1]) < 0)
        at--;
    size_t last = f->kept; /* the one that makes room */
    if (full) {
        while (f->items[last - 1].found_by != by)
            last--;
        if (at == last)
            return;
        last--;
    } else {
        f->kept++;
    }
    memmove(&f->items[at + 1], &f->items[at], (last - at) * sizeof *f->items);
    f->items[at] = *item;
}

void report_word(const char *before, const char *text, char word[REPORT_WORD_BYTES])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+:=,@%-";
    const bool quoted = !*text || text[strspn(text, plain)];
    size_t at = (size_t)snprintf(word, REPORT_WORD_BYTES, "%s%s", before, quoted ? "'" : "");
    for (; *text && at + 8 < REPORT_WORD_BYTES; text++)
        at += (size_t)snprintf(word + at, REPORT_WORD_BYTES - at, *text == '\'' ? "'\\''" : "%c", *text);
    snprintf(word + at, REPORT_WORD_BYTES - at, "%s", quoted ? "'" : "");
}

void report_replay_line(const report *r, const finding *item, char *line, size_t capacity)
{
    const chaos_options *o = r->options;
    char operations[32] = "", depth[16] = "", data[REPORT_WORD_BYTES] = "";
    if (item->found_by == DETECTOR_SOAK) {
        snprintf(line, capacity, "levin-chaos soak --seed %llu --threads %u --fault-every %llu --duration %g%s",
                 (ull)item->seed, o->threads, (ull)o->fault_every, o->duration_seconds, o->fiu ? " --fiu" : "");
        return;
    }
    if (item->found_by == DETECTOR_SCHEDULES) {
        snprintf(line, capacity, "%s", item->replay);
        return;
    }
    if (r->options->operations)
        snprintf(operations, sizeof operations, " --ops %u", r->options->operations);
    const bool crossed = item->found_by == DETECTOR_CROSSED;
    const unsigned is = crossed ? o->crossed_depth : o->depth;
    if (is != (crossed ? CROSSED_DEPTH_DEFAULT : DEPTH_DEFAULT)) /* it decides what is done with each state */
        snprintf(depth, sizeof depth, " --depth %u", is);
    if (r->options->data)
        report_word(" --data ", r->options->data, data);
    snprintf(line, capacity, "levin-chaos replay --seed %llu%s%s%s %s", (ull)item->seed, operations, depth, data,
             item->replay);
}

/* ---- progress --------------------------------------------------------------------------------------------- */

void report_progress(const report *r, const char *format, ...)
{
    if (r->options->quiet || !isatty(STDERR_FILENO))
        return;
    va_list arguments;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

static void show_finding(const report *r, const finding *item)
{
    char line[REPORT_LINE_BYTES];
    if (r->found.of[item->found_by] > FINDINGS_KEPT || r->options->quiet || !isatty(STDERR_FILENO))
        return;
    report_replay_line(r, item, line, sizeof line);
    report_progress(r, "%s", "");
    fprintf(stderr, "%s violated (%s): %s\n  %s\n", item->promise, item->phase, item->text, line);
}

/* A finding as a file. One of a soak leaves its store instead; those of schedules were kept by their program. */
static bool save(const report *r, const finding *item)
{
    char plan[EFFECT_PLAN_BYTES];
    finding under_plan = *item;
    plan_rules rules;
    plan_error error;
    if (item->found_by == DETECTOR_SOAK || item->found_by == DETECTOR_SCHEDULES)
        return true;
    if (!effects_finding_split(item->replay, plan, sizeof plan, under_plan.replay, sizeof under_plan.replay))
        return finding_save(item, r->options, NULL, NULL);
    return plan_parse(&rules, plan, strlen(plan), &error) && finding_save(&under_plan, r->options, &rules, plan);
}

bool report_finding(report *r, detector by, const finding *item)
{
    finding f = *item;
    f.found_by = by;
    findings_add(&r->found, &f);
    if (r->options->save && !save(r, &f))
        snprintf(r->harness, sizeof r->harness, "a finding could not be kept in %.300s", r->options->save);
    show_finding(r, &f);
    return r->options->fail_fast;
}

void report_worker_failed(report *r, const char *where)
{
    if (!r->harness[0])
        snprintf(r->harness, sizeof r->harness, "a worker failed at: %.300s", where);
}

finding finding_of_death(const char *promise, const char *where, const char *how)
{
    finding f = { .phase = "process" };
    char *rest;
    f.seed = strtoull(where, &rest, 10);
    snprintf(f.promise, sizeof f.promise, "%s", promise);
    snprintf(f.replay, sizeof f.replay, "%.300s", rest + strspn(rest, " "));
    snprintf(f.text, sizeof f.text, "the process died: %s", how);
    return f;
}

/* ---- verdict ---------------------------------------------------------------------------------------------- */

static int report_status(const report *r)
{
    if (r->found.count) /* what was found stands, whatever failed beside it */
        return EXIT_VIOLATION;
    return r->harness[0] ? EXIT_HARNESS : r->interrupted ? EXIT_INTERRUPTED : EXIT_NOTHING_FOUND;
}

static const char *report_verdict(const report *r)
{
    if (r->found.count)
        return r->harness[0] ? "VIOLATED, and the harness failed" : "VIOLATED";
    return r->harness[0] ? "the harness failed" : r->interrupted ? "nothing found, interrupted" : "nothing found";
}

static uint64_t opened(const explore_totals *t)
{
    uint64_t sum = 0;
    for (int d = 0; d < EXPLORE_DEPTH_MAX; d++)
        sum += t->opened[d];
    return sum;
}

static double rate(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

/* ---- text ------------------------------------------------------------------------------------------------- */

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *name, const char *format, ...)
{
    va_list arguments;
    printf("  %-26s ", name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static void print_seeds(const report *r, uint64_t complete, uint64_t begun)
{
    uint64_t first = r->options->seed;
    if (begun == 0)
        row("seeds", "none begun");
    else if (begun == complete)
        row("seeds", "%llu (%llu to %llu), each to its end", (ull)complete, (ull)first, (ull)(first + complete - 1));
    else
        row("seeds", "%llu to the end, %llu in part, from %llu", (ull)complete, (ull)(begun - complete), (ull)first);
}

static void print_sweep(const report *r)
{
    const sweep_report *s = &r->sweep;
    const explore_totals *t = &s->totals;
    printf("crash sweep\n");
    print_seeds(r, s->seeds_complete, s->seeds_begun);
    row("points (I/O calls)", "%llu of %llu", (ull)t->points, (ull)s->points_due);
    row("states built", "%llu", (ull)t->variants);
    row("distinct states", "%llu", (ull)s->distinct);
    row("opened and checked", "%llu: depth 1 %llu, depth 2 %llu, deeper %llu", (ull)opened(t), (ull)t->opened[0],
        (ull)t->opened[1], (ull)(t->opened[2] + t->opened[3]));
    row("judged again", "%llu (same image, more promised)", (ull)t->remembered);
    row("written to after recovery", "%llu", (ull)t->tails);
    row("states per second", "%.0f a core (by its CPU time), %.0f by the clock over %u jobs",
        rate(s->distinct, s->cpu_seconds), rate(s->distinct, s->seconds), r->options->jobs);
    row("wall time", "%.1f s", s->seconds);
    if (s->seeds_begun) {
        const workload_counts *c = &s->least;
        row("workload, at least", "%llu operations in %llu batches, %llu segment switches, %llu recycled,",
            (ull)c->operations, (ull)c->batches, (ull)c->switches, (ull)c->recycled);
        row("", "%llu checkpoints, %llu shared groups, %llu snapshots across a checkpoint,", (ull)c->checkpoints,
            (ull)c->shared_groups, (ull)c->snapshots);
        row("", "%llu deletes, %llu overwrites, %llu values over 4 KiB, %llu reopens", (ull)c->deletes,
            (ull)c->overwrites, (ull)c->large_values, (ull)c->reopens);
        row("", "%llu values in the value log, %llu moved, %llu segments collected", (ull)c->logged_values,
            (ull)c->moved, (ull)c->collected);
    }
}

static void print_faults(const report *r)
{
    const faults_report *f = &r->faults;
    const fault_totals *t = &f->totals;
    printf("fault sweep\n");
    print_seeds(r, f->seeds.finished, f->seeds.begun);
    row("points (call and effect)", "%llu of %llu in %llu series", (ull)t->points_hit, (ull)t->points,
        (ull)t->series);
    row("runs", "%llu, of them %llu past the last call", (ull)t->runs, (ull)t->beyond);
    row("faults fired", "%llu", (ull)t->fired);
    row("errors given to the client", "%llu", (ull)t->refused);
    row("power cuts", "%llu points, of them %llu right after the fault", (ull)t->cuts, (ull)t->near_cuts);
    row("runs per second", "%.0f over %u jobs", rate(t->runs, f->seeds.seconds), r->options->jobs);
    row("wall time", "%.1f s", f->seeds.seconds);
}

/* The cases that never fired: those of points that the scenarios do not call, and others. */
static size_t cases_without(const report *r, bool called, void (*each)(void *context, const effect_case *c),
                            void *context)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    const effects_totals *t = &r->effects.totals;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << i % 64;
        if (t->hit[i / 64] & bit || called != ((t->called[i / 64] & bit) != 0))
            continue;
        n++;
        if (each)
            each(context, &cases[i]);
    }
    return n;
}

static const char *reason(const effect_case *c)
{
    const char *why = effect_case_idle(c);
    return why ? why : "no reason is known";
}

static void print_case(void *context, const effect_case *c)
{
    char name[EFFECT_NAME_BYTES];
    (void)context;
    effect_case_name(c, name);
    row("", "%s: %s", name, reason(c));
}

/* Points alone, each once. */
static void print_point(void *context, const effect_case *c)
{
    effect_case *last = context;
    if (last->kind == c->kind && last->operation == c->operation)
        return;
    *last = *c;
    row("", "%s: %s", fault_point_name(c->kind, c->operation), reason(c));
}

static void print_effects(const report *r)
{
    const effects_report *e = &r->effects;
    const effects_totals *t = &e->totals;
    const effect_case *cases;
    const size_t count = effect_cases(&cases), silent = cases_without(r, true, NULL, NULL),
                 uncalled = cases_without(r, false, NULL, NULL);
    effect_case last = { .kind = LEVIN_FILE_KIND_COUNT };
    printf("effects\n");
    print_seeds(r, e->seeds.finished, e->seeds.begun);
    row("point, effect and error", "%zu of %zu fired", count - silent - uncalled, count);
    row("errors given to the client", "%llu", (ull)t->refused);
    row("told of damage", "%llu times; %llu runs in which writes or syncs were hurt", (ull)t->told, (ull)t->hurt);
    row("power cuts", "%llu points, of them %llu right after the fault", (ull)t->cuts, (ull)t->near_cuts);
    row("runs per second", "%.0f over %u jobs", rate(t->runs, e->seeds.seconds), r->options->jobs);
    row("wall time", "%.1f s", e->seeds.seconds);
    if (e->seeds.complete && uncalled) {
        row("never called", "%zu, at points that no scenario reaches:", uncalled);
        cases_without(r, false, print_point, &last);
    }
    if (e->seeds.complete && silent) {
        row("never fired", "%zu:", silent);
        cases_without(r, true, print_case, NULL);
    }
}

static void print_crossed(const report *r)
{
    const crossed_report *c = &r->crossed;
    const crossed_totals *t = &c->totals;
    printf("faults crossed with crashes\n");
    print_seeds(r, c->seeds.finished, c->seeds.begun);
    row("chains", "%llu", (ull)t->chains);
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++) {
        const uint64_t *fired = t->fired[level];
        if (fired[CHAIN_SYNC] + fired[CHAIN_SPACE] + fired[CHAIN_MEMORY] + fired[CHAIN_OTHER])
            row(level ? "" : "faults fired",
                "depth %u: %llu failed syncs, %llu full disks, %llu allocations, %llu others",
                level + 1, (ull)fired[CHAIN_SYNC], (ull)fired[CHAIN_SPACE], (ull)fired[CHAIN_MEMORY],
                (ull)fired[CHAIN_OTHER]);
    }
    row("power cuts judged", "%llu; %llu points right after the fault", (ull)t->states, (ull)t->near_cuts);
    row("errors given to the client", "%llu", (ull)t->refused);
    row("chains per second", "%.0f over %u jobs", rate(t->chains, c->seeds.seconds), r->options->jobs);
    row("wall time", "%.1f s", c->seeds.seconds);
}

static void print_ranges(const report *r)
{
    const ranges_report *g = &r->ranges;
    printf("iterator ranges\n");
    row("seeds", "%llu from %llu, %llu to the end", (ull)g->seeds_begun, (ull)r->options->seed,
        (ull)g->seeds_complete);
#define RANGES_ROW(name, text) row(#name, "%llu %s", (ull)g->counts.name, text);
    RANGES_COUNTS(RANGES_ROW)
#undef RANGES_ROW
    row("moves per second", "%.0f a core (by its CPU time)", rate(g->counts.moves, g->cpu_seconds));
    row("wall time", "%.1f s", g->seconds);
}

static uint64_t crossed_fired(const crossed_totals *t)
{
    uint64_t sum = 0;
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++)
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            sum += t->fired[level][class];
    return sum;
}

static void print_soak(const report *r)
{
    const soak_result *s = &r->soak;
    printf("soak: real files, %u threads\n", r->options->threads);
    row("lives", "%llu: %llu killed, %llu closed, %llu ended by a fault", (ull)s->lives, (ull)s->killed,
        (ull)s->closed, (ull)s->given_up);
    row("operations in the store", "%llu, compared after a death %llu times", (ull)s->operations, (ull)s->compared);
    row("injected faults", "%llu in %llu lives", (ull)s->faults, (ull)s->lives_with_faults);
    row("wall time", "%.1f s", s->seconds);
}

static void print_schedules(const report *r)
{
    const campaign_totals *t = &r->schedules.totals;
    printf("thread schedules\n");
    row("schedules", "%llu in %llu scenarios, about %llu distinct", (ull)t->schedules, (ull)t->scenarios,
        (ull)r->schedules.distinct);
    row("points", "%llu, %llu preemptions, %llu calls judged", (ull)t->points, (ull)t->preemptions, (ull)t->calls);
    row("undecided", "%llu, whose search for an order was given up", (ull)t->undecided);
    row("faults fired", "%llu: %llu syncs with tickets outstanding, %llu allocations of followers", (ull)t->faults,
        (ull)t->failed_unwaited, (ull)t->failed_beside);
    row("power cuts", "%llu, %llu inside a sync with two asleep; %llu states recovered", (ull)t->cuts,
        (ull)t->cuts_in_sync, (ull)t->crash_states);
    row("schedules per second", "%.0f over %u jobs", rate(t->schedules, r->schedules.seconds), r->options->jobs);
    row("wall time", "%.1f s", r->schedules.seconds);
}

static void print_table(const report *r)
{
    printf("\n%-7s %10s %16s %9s %8s %11s  %s\n", "sweep", "points", "distinct states", "states/s", "faults",
           "violations", "verdict");
    const uint64_t *of = r->found.of;
    if (r->has_sweep)
        printf("%-7s %10llu %16llu %9.0f %8s %11llu  %s\n", "crash", (ull)r->sweep.totals.points,
               (ull)r->sweep.distinct, rate(r->sweep.distinct, r->sweep.seconds), "-",
               (ull)of[DETECTOR_SWEEP], of[DETECTOR_SWEEP] ? "VIOLATED" : "nothing found");
    if (r->has_faults)
        printf("%-7s %10llu %16s %9.0f %8llu %11llu  %s\n", "faults", (ull)r->faults.totals.points_hit, "-",
               rate(r->faults.totals.runs, r->faults.seeds.seconds), (ull)r->faults.totals.fired,
               (ull)of[DETECTOR_FAULTS],
               of[DETECTOR_FAULTS] ? "VIOLATED" : "nothing found");
    if (r->has_effects)
        printf("%-7s %10llu %16s %9.0f %8llu %11llu  %s\n", "effects", (ull)r->effects.totals.runs, "-",
               rate(r->effects.totals.runs, r->effects.seeds.seconds), (ull)r->effects.totals.fired,
               (ull)of[DETECTOR_EFFECTS], of[DETECTOR_EFFECTS] ? "VIOLATED" : "nothing found");
    if (r->has_crossed)
        printf("%-7s %10llu %16llu %9.0f %8llu %11llu  %s\n", "crossed", (ull)r->crossed.totals.chains,
               (ull)r->crossed.totals.states, rate(r->crossed.totals.chains, r->crossed.seeds.seconds),
               (ull)crossed_fired(&r->crossed.totals), (ull)of[DETECTOR_CROSSED],
               of[DETECTOR_CROSSED] ? "VIOLATED" : "nothing found");
    if (r->has_corrupt) {
        const uint64_t done = corrupt_totals_done(&r->corrupt.totals);
        printf("%-7s %10llu %16s %9.0f %8llu %11llu  %s\n", "damage", (ull)r->corrupt.totals.all, "-",
               rate(done, r->corrupt.seconds), (ull)done, (ull)of[DETECTOR_CORRUPT],
               of[DETECTOR_CORRUPT] ? "VIOLATED" : "nothing found");
    }
    if (r->has_ranges)
        printf("%-7s %10llu %16s %9.0f %8llu %11llu  %s\n", "ranges", (ull)r->ranges.counts.walks, "-",
               rate(r->ranges.counts.walks, r->ranges.seconds), (ull)r->ranges.counts.faults, (ull)of[DETECTOR_RANGES],
               of[DETECTOR_RANGES] ? "VIOLATED" : "nothing found");
    if (r->has_soak)
        printf("%-7s %10llu %16s %9.1f %8llu %11llu  %s\n", "soak", (ull)r->soak.lives, "-",
               rate(r->soak.lives, r->soak.seconds), (ull)r->soak.faults, (ull)of[DETECTOR_SOAK],
               of[DETECTOR_SOAK] ? "VIOLATED" : "nothing found");
    if (r->has_schedules)
        printf("%-7s %10llu %16llu %9.0f %8llu %11llu  %s\n", "threads", (ull)r->schedules.totals.schedules,
               (ull)r->schedules.totals.crash_states, rate(r->schedules.totals.schedules, r->schedules.seconds),
               (ull)r->schedules.totals.faults, (ull)of[DETECTOR_SCHEDULES],
               of[DETECTOR_SCHEDULES] ? "VIOLATED" : "nothing found");
}

static void print_text(const report *r)
{
    char line[REPORT_LINE_BYTES];
    printf("names and values: %s, %llu stanzas\n", r->data, (ull)r->stanzas);
    if (r->has_sweep)
        print_sweep(r);
    if (r->has_faults)
        print_faults(r);
    if (r->has_effects)
        print_effects(r);
    if (r->has_crossed)
        print_crossed(r);
    if (r->has_corrupt)
        corrupt_print(r);
    if (r->has_ranges)
        print_ranges(r);
    if (r->has_soak)
        print_soak(r);
    if (r->has_schedules)
        print_schedules(r);
    for (size_t i = 0; i < r->found.kept; i++) {
        const finding *f = &r->found.items[i];
        report_replay_line(r, f, line, sizeof line);
        printf("%s%s (%s): %s\n    %s\n", i ? "" : "\n", f->promise, f->phase, f->text, line);
    }
    if (r->found.count > r->found.kept)
        printf("... and %llu more\n", (ull)(r->found.count - r->found.kept));
    print_table(r);
    if (r->harness[0])
        printf("the harness failed: %s\n", r->harness);
    printf("verdict: %s\n", report_verdict(r));
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_seeds(json_t *object, const seeds_done *seeds)
{
    set_count(object, "seeds_complete", seeds->finished);
    set_count(object, "seeds_begun", seeds->begun);
    json_object_set_new(object, "seconds", json_real(seeds->seconds));
    json_object_set_new(object, "complete", json_boolean(seeds->complete));
}

static json_t *sweep_json(const report *r)
{
    const sweep_report *s = &r->sweep;
    json_t *o = json_object(), *depths = json_array(), *families = json_object(), *work = json_object();
    set_count(o, "seeds_complete", s->seeds_complete);
    set_count(o, "seeds_begun", s->seeds_begun);
    set_count(o, "points", s->totals.points);
    set_count(o, "points_due", s->points_due);
    set_count(o, "states_built", s->totals.variants);
    set_count(o, "states_judged", s->totals.states);
    set_count(o, "distinct_states", s->distinct);
    set_count(o, "judged_again", s->totals.remembered);
    set_count(o, "written_after_recovery", s->totals.tails);
    for (int d = 0; d < EXPLORE_DEPTH_MAX; d++)
        json_array_append_new(depths, json_integer((json_int_t)s->totals.opened[d]));
    json_object_set_new(o, "opened_by_depth", depths);
    for (int f = 0; f < CRASH_FAMILY_COUNT; f++)
        set_count(families, crash_family_text((crash_family)f), s->totals.families[f]);
    json_object_set_new(o, "states_by_family", families);
#define COUNT_JSON(name, needed, text) set_count(work, #name, s->least.name);
    WORKLOAD_COUNTS(COUNT_JSON)
#undef COUNT_JSON
    json_object_set_new(o, "workload_least", work);
    json_object_set_new(o, "seconds", json_real(s->seconds));
    json_object_set_new(o, "states_per_second_per_core", json_real(rate(s->distinct, s->cpu_seconds)));
    json_object_set_new(o, "complete", json_boolean(s->complete));
    return o;
}

static json_t *faults_json(const report *r)
{
    const faults_report *f = &r->faults;
    json_t *o = json_object();
    set_seeds(o, &f->seeds);
    set_count(o, "series", f->totals.series);
    set_count(o, "points", f->totals.points_hit);
    set_count(o, "points_due", f->totals.points);
    set_count(o, "runs", f->totals.runs);
    set_count(o, "runs_past_the_end", f->totals.beyond);
    set_count(o, "faults_fired", f->totals.fired);
    set_count(o, "faults_silent", f->totals.not_fired);
    set_count(o, "errors_given", f->totals.refused);
    set_count(o, "cuts", f->totals.cuts);
    set_count(o, "near_cuts", f->totals.near_cuts);
    return o;
}

static void append_name(void *context, const effect_case *c)
{
    char name[EFFECT_NAME_BYTES];
    effect_case_name(c, name);
    json_array_append_new(context, json_string(name));
}

static json_t *effects_json(const report *r)
{
    const effects_report *e = &r->effects;
    const effect_case *cases;
    json_t *o = json_object(), *uncalled = json_array(), *silent = json_array();
    const size_t count = effect_cases(&cases), left = cases_without(r, false, append_name, uncalled) +
                                                      cases_without(r, true, append_name, silent);
    set_seeds(o, &e->seeds);
    set_count(o, "cases", count);
    set_count(o, "cases_fired", count - left);
    json_object_set_new(o, "never_called", uncalled);
    json_object_set_new(o, "never_fired", silent);
    set_count(o, "runs", e->totals.runs);
    set_count(o, "faults_fired", e->totals.fired);
    set_count(o, "errors_given", e->totals.refused);
    set_count(o, "told", e->totals.told);
    set_count(o, "hurt", e->totals.hurt);
    set_count(o, "cuts", e->totals.cuts);
    set_count(o, "near_cuts", e->totals.near_cuts);
    return o;
}

static json_t *crossed_json(const report *r)
{
    const crossed_report *c = &r->crossed;
    json_t *o = json_object(), *levels = json_array();
    set_seeds(o, &c->seeds);
    set_count(o, "chains", c->totals.chains);
    set_count(o, "power_cuts", c->totals.states);
    set_count(o, "near_cuts", c->totals.near_cuts);
    set_count(o, "errors_given", c->totals.refused);
    set_count(o, "faults_silent", c->totals.silent);
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++) {
        json_t *fired = json_object();
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            set_count(fired, chain_class_text((chain_class)class), c->totals.fired[level][class]);
        json_array_append_new(levels, fired);
    }
    json_object_set_new(o, "faults_fired_by_depth", levels);
    return o;
}

static json_t *ranges_json(const report *r)
{
    const ranges_report *g = &r->ranges;
    json_t *o = json_object();
    set_count(o, "seeds_begun", g->seeds_begun);
    set_count(o, "seeds_complete", g->seeds_complete);
#define RANGES_JSON(name, text) set_count(o, #name, g->counts.name);
    RANGES_COUNTS(RANGES_JSON)
#undef RANGES_JSON
    json_object_set_new(o, "seconds", json_real(g->seconds));
    json_object_set_new(o, "complete", json_boolean(g->complete));
    return o;
}

static json_t *schedules_json(const report *r)
{
    json_t *o = json_object();
#define SCHEDULES_JSON(field, name) set_count(o, name, r->schedules.totals.field);
    CAMPAIGN_COUNTS(SCHEDULES_JSON)
#undef SCHEDULES_JSON
    set_count(o, "distinct", r->schedules.distinct);
    json_object_set_new(o, "seconds", json_real(r->schedules.seconds));
    return o;
}

static void print_json(const report *r)
{
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "version", json_string(levin_version()));
    json_object_set_new(root, "data", json_string(r->data));
    set_count(root, "stanzas", r->stanzas);
    set_count(root, "seed", r->options->seed);
    set_count(root, "jobs", r->options->jobs);
    set_count(root, "depth", r->options->depth);
    if (r->has_sweep)
        json_object_set_new(root, "sweep", sweep_json(r));
    if (r->has_faults)
        json_object_set_new(root, "faults", faults_json(r));
    if (r->has_effects)
        json_object_set_new(root, "effects", effects_json(r));
    if (r->has_crossed)
        json_object_set_new(root, "crossed", crossed_json(r));
    if (r->has_corrupt)
        json_object_set_new(root, "corrupt", corrupt_json(r));
    if (r->has_ranges)
        json_object_set_new(root, "ranges", ranges_json(r));
    if (r->has_soak)
        json_object_set_new(root, "soak", soak_json(&r->soak));
    if (r->has_schedules)
        json_object_set_new(root, "schedules", schedules_json(r));
    for (size_t i = 0; i < r->found.kept; i++) {
        const finding *f = &r->found.items[i];
        char line[REPORT_LINE_BYTES];
        report_replay_line(r, f, line, sizeof line);
        json_t *o = json_object();
        set_count(o, "seed", f->seed);
        json_object_set_new(o, "promise", json_string(f->promise));
        json_object_set_new(o, "phase", json_string(f->phase));
        json_object_set_new(o, "text", json_string(f->text));
        json_object_set_new(o, "replay", json_string(line));
        json_array_append_new(list, o);
    }
    set_count(root, "violations", r->found.count);
    json_object_set_new(root, "findings", list);
    json_object_set_new(root, "harness", r->harness[0] ? json_string(r->harness) : json_null());
    json_object_set_new(root, "interrupted", json_boolean(r->interrupted));
    json_object_set_new(root, "verdict", json_string(report_verdict(r)));
    if (json_dumpf(root, stdout, JSON_INDENT(2)) != 0)
        fatal("cannot write the report");
    putchar('\n');
    json_decref(root);
}

int report_print(const report *r)
{
    if (r->options->json)
        print_json(r);
    else
        print_text(r);
    if (fflush(stdout) != 0 || ferror(stdout))
        fatal("cannot write the report");
    report_write_files(r, report_verdict(r));
    return report_status(r);
}
