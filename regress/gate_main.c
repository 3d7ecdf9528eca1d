/*
 * gate_main.c - levin-gate: has the engine become more expensive?
 *
 * Three tiers.  Counters: calls, bytes, syncs and allocations of fixed recorded runs, which must equal those in a
 * file.  Instructions: of the same runs, in user mode, beside a levin-gate that is linked with the engine of the base
 * revision (regress/gate.sh builds it); both sides are run as `levin-gate --run=instructions`.  Time: CPU time of the
 * same runs with both engines in one process (gate_time.h), in processes that are run as `levin-gate --run=slices`.
 *
 * Exit codes: 0 as before or better, 1 regression, 2 usage, 3 the gate itself failed or had nothing to compare;
 * 130 after Ctrl-C.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../engine/levin.h"
#include "../faults/json_merge.h"
#include "../faults/shard.h"
#include "gate_measure.h"
#include "gate_page.h"
#include "gate_pairs.h"
#include "gate_ratio.h"
#include "gate_report.h"
#include "gate_sides.h"
#include "gate_slices.h"
#include "gate_tally.h"
#include "gate_time.h"
#include "gate_work.h"

enum { EXIT_OK, EXIT_REGRESSION, EXIT_USAGE, EXIT_GATE, EXIT_INTERRUPTED = 130 };
enum { WORKLOADS_MAX = 64, REPETITIONS_MAX = 101, PERF_REPETITIONS = 5, BUDGET_MS = 60, BUDGET_MS_IN_TIME = 20 };

typedef enum run_mode { RUN_GATE, RUN_COUNTERS, RUN_INSTRUCTIONS, RUN_SLICES, RUN_PROFILE } run_mode;
typedef enum method_choice { METHOD_AUTO, METHOD_PERF, METHOD_CALLGRIND } method_choice;

typedef struct gate_options {
    run_mode run;
    method_choice method;
    const char *counters, *base, *base_name, *program, *workloads;
    double tolerance_percent;
    unsigned repetitions; /* 0: what the method needs */
    time_options time; /* base and now NULL: not asked for */
    pairs_options pairs; /* a and b NULL: not asked for */
    uint64_t base_bytes, now_bytes; /* of the library; 0: not compared */
    shard shard;
    bool exact;          /* --counters without a file: the rows of the two commands */
    const char *json_file; /* beside the text */
    const char *page, *flame, *flame_title; /* page NULL: not asked for */
    bool accept, json;     /* json: instead of the text */
} gate_options;

/* ---- which runs ---- */

static bool any_chosen(const char *list)
{
    const gate_work *w;
    for (size_t i = 0; (w = gate_work_at(i)); i++)
        if (gate_list_holds(list, gate_work_name(w)))
            return true;
    fprintf(stderr, "levin-gate: --workloads=%s chooses no run: there is nothing to compare\n", list);
    return false;
}

static bool list_is_known(const char *list)
{
    for (const char *at = list; at && *at;) {
        char name[GATE_NAME_BYTES];
        size_t bytes = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)bytes, at);
        if (name[0] && !gate_work_find(name)) {
            fprintf(stderr, "levin-gate: no such workload: %s (see levin-gate --list)\n", name);
            return false;
        }
        at += bytes + (at[bytes] == ',');
    }
    return true;
}

static void progress(const char *tier, const char *name)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, name ? "\r%-12s %-16s" : "\r%30s\r", name ? tier : "", name);
}

/* ---- the recorded runs ---- */

static bool count_all(const gate_options *o, gate_table *counters)
{
    const gate_work *w;
    for (size_t i = 0; (w = gate_work_at(i)); i++) {
        if (!gate_list_holds(o->workloads, gate_work_name(w)))
            continue;
        progress("counters", gate_work_name(w));
        if (!gate_work_run(w, NULL, counters))
            return false;
    }
    progress(NULL, NULL);
    gate_table_sort(counters);
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* What a repetition tells. */
typedef struct repetition {
    bool ran;            /* the workload did what it should */
    bool counted;        /* value is good */
    char failure[64];    /* why not */
    uint64_t value;
} repetition;

static void repeat_here(const gate_work *w, measure_method method, repetition *r)
{
    measure m;
    if (!measure_open(&m, method)) {
        r->ran = true;
        snprintf(r->failure, sizeof r->failure, "%s cannot count here", measure_method_text(method));
        return;
    }
    const gate_probe probe = { measure_begin, measure_end, &m };
    r->ran = gate_work_run(w, &probe, NULL);
    r->counted = !m.failure;
    r->value = m.value;
    snprintf(r->failure, sizeof r->failure, "%s", m.failure ? m.failure : "");
    measure_close(&m);
}

/*
 * In a child of its own, so that each begins with the same heap: what the simulated disk takes from malloc would
 * otherwise cost more or less after other runs.
 */
static bool repeat(const gate_work *w, measure_method method, repetition *r)
{
    int ends[2], status = 0;
    *r = (repetition){ 0 };
    if (pipe(ends)) {
        fprintf(stderr, "levin-gate: a pipe could not be made: %s\n", strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        repeat_here(w, method, r);
        _exit(write(ends[1], r, sizeof *r) == (ssize_t)sizeof *r ? 0 : 1);
    }
    close(ends[1]);
    bool ok = pid > 0 && read(ends[0], r, sizeof *r) == (ssize_t)sizeof *r;
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!ok)
        fprintf(stderr, "levin-gate: the run %s ended with signal %d\n", gate_work_name(w),
                WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return ok && r->ran;
}

/* The median of the repetitions; one that the counter missed is done again, a few times. */
static bool measure_one(const gate_work *w, measure_method method, unsigned repetitions, uint64_t *instructions)
{
    uint64_t values[REPETITIONS_MAX];
    repetition r = { 0 };
    unsigned have = 0;
    for (unsigned tries = 0; have < repetitions && tries < 2 * repetitions + 2; tries++) {
        if (!repeat(w, method, &r))
            return false;
        if (r.counted)
            values[have++] = r.value;
    }
    if (have < repetitions) {
        fprintf(stderr, "levin-gate: %s: %s\n", gate_work_name(w), r.failure);
        return false;
    }
    qsort(values, have, sizeof *values, by_number);
    *instructions = values[have / 2];
    return true;
}

static int run_instructions(const gate_options *o)
{
    gate_table table = { 0 };
    measure_method method = o->method == METHOD_CALLGRIND ? MEASURE_CALLGRIND : MEASURE_PERF;
    unsigned repetitions = o->repetitions ? o->repetitions : method == MEASURE_PERF ? PERF_REPETITIONS : 1;
    bool ok = true;
    const gate_work *w;
    for (size_t i = 0; ok && (w = gate_work_at(i)); i++) {
        uint64_t instructions = 0;
        const char *name = gate_work_name(w);
        if (gate_list_holds(o->workloads, name))
            ok = measure_one(w, method, repetitions, &instructions) &&
                 gate_table_add(&table, name, "operations", gate_work_operations(w)) &&
                 gate_table_add(&table, name, "instructions", instructions);
    }
    ok = ok && gate_table_write(&table, stdout);
    gate_table_fini(&table);
    return ok ? EXIT_OK : EXIT_GATE;
}

static int run_counters(const gate_options *o)
{
    gate_table table = { 0 };
    bool ok = count_all(o, &table) && gate_table_write(&table, stdout);
    gate_table_fini(&table);
    return ok ? EXIT_OK : EXIT_GATE;
}

/* ---- the counters tier ---- */

static bool read_counters(const gate_options *o, gate_table *expected)
{
    char message[GATE_MESSAGE_BYTES];
    gate_table all = { 0 };
    FILE *f = fopen(o->counters, "re");
    if (!f) {
        fprintf(stderr, "levin-gate: %s: %s\n", o->counters, strerror(errno));
        return false;
    }
    bool ok = gate_table_read(&all, f, message);
    fclose(f);
    if (!ok)
        fprintf(stderr, "levin-gate: %s: %s\n", o->counters, message);
    for (size_t i = 0; i < all.count && ok; i++)
        if (gate_list_holds(o->workloads, all.rows[i].workload))
            ok = gate_table_add(expected, all.rows[i].workload, all.rows[i].counter, all.rows[i].value);
    gate_table_fini(&all);
    gate_table_sort(expected);
    return ok;
}

static int accept_counters(const gate_options *o)
{
    gate_table expected = { 0 }, found = { 0 };
    bool ok = count_all(o, &found);
    if (ok && access(o->counters, F_OK) == 0)
        ok = read_counters(o, &expected);
    if (ok) {
        gate_report_differences(&expected, &found, stdout);
        FILE *f = fopen(o->counters, "we");
        ok = f && gate_table_write(&found, f);
        ok = f && fclose(f) == 0 && ok;
        if (!ok)
            fprintf(stderr, "levin-gate: %s could not be written: %s\n", o->counters, strerror(errno));
        else
            printf("%s: %zu counters written\n", o->counters, found.count);
    }
    gate_table_fini(&expected);
    gate_table_fini(&found);
    return ok ? EXIT_OK : EXIT_GATE;
}

/* ---- the gate ---- */

static measure_method choose_method(const gate_options *o)
{
    const char *why;
    if (o->method != METHOD_AUTO)
        return o->method == METHOD_PERF ? MEASURE_PERF : MEASURE_CALLGRIND;
    if (measure_perf_works(&why))
        return MEASURE_PERF;
    fprintf(stderr, "levin-gate: %s: instructions are counted by callgrind\n", why);
    return MEASURE_CALLGRIND;
}

static bool write_json(const gate_report *report, const char *path)
{
    FILE *f = fopen(path, "we");
    bool ok = f && gate_report_json(report, f);
    if (f)
        ok = !fclose(f) && ok;
    if (!ok)
        fprintf(stderr, "levin-gate: %s could not be written: %s\n", path, strerror(errno));
    return ok;
}

static int gate(const gate_options *o)
{
    static gate_ratio ratios[WORKLOADS_MAX];
    gate_table expected = { 0 }, found = { 0 };
    gate_side sides[GATE_SIDES] = { { .program = o->base }, { .program = o->program } };
    gate_report report = { .counters_path = o->counters, .expected = &expected,
                           .tolerance_percent = o->tolerance_percent, .ratios = ratios,
                           .base_bytes = o->base_bytes, .now_bytes = o->now_bytes };
    int code = EXIT_GATE;
    if (o->counters) {
        if (!read_counters(o, &expected) || !count_all(o, &found))
            goto out;
        report.found = &found;
        report.differences = gate_table_compare(&expected, &found, NULL, NULL);
    }
    if (o->base) {
        measure_method method = choose_method(o);
        unsigned repetitions = o->repetitions ? o->repetitions : method == MEASURE_PERF ? PERF_REPETITIONS : 1;
        progress("instructions", "base and now");
        sides_result result = gate_sides_run(sides, method, o->workloads, repetitions);
        progress(NULL, NULL);
        if (result != SIDES_OK) {
            code = result == SIDES_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_GATE;
            goto out;
        }
        report.base_name = o->base_name ? o->base_name : o->base;
        report.method = measure_method_text(method);
        report.ratio_count = gate_ratios(&sides[GATE_BASE].result, &sides[GATE_NOW].result, o->tolerance_percent,
                                         ratios, WORKLOADS_MAX);
        for (size_t i = 0; i < report.ratio_count; i++) {
            report.slower += ratios[i].verdict == GATE_SLOWER;
            report.compared += gate_ratio_compared(&ratios[i]);
        }
    }
    if (o->time.base) {
        progress("time", "base and now");
        time_outcome outcome = gate_time_run(&o->time, &report.time);
        progress(NULL, NULL);
        report.time_options = &o->time;
        if (outcome != TIME_OK) {
            code = outcome == TIME_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_GATE;
            goto out;
        }
    }
    if (o->json && !gate_report_json(&report, stdout))
        goto out;
    if (!o->json)
        gate_report_text(&report, stdout);
    if (o->json_file && !write_json(&report, o->json_file))
        goto out;
    code = gate_report_regression(&report) ? EXIT_REGRESSION : gate_report_empty(&report) ? EXIT_GATE : EXIT_OK;
out:
    free(report.time.rows);
    gate_table_fini(&expected);
    gate_table_fini(&found);
    for (int i = 0; i < GATE_SIDES; i++)
        gate_table_fini(&sides[i].result);
    return code;
}

/* ---- any two commands ---- */

static int compare_commands(const gate_options *o)
{
    gate_table a = { 0 }, b = { 0 };
    gate_report report = { .counters_path = o->pairs.a, .expected = &a, .commands = true };
    time_outcome outcome = TIME_OK;
    if (o->exact) {
        outcome = gate_pairs_counters(&o->pairs, &a, &b);
        report.found = &b;
        report.differences = gate_table_compare(&a, &b, NULL, NULL);
    }
    if (o->pairs.metrics && outcome == TIME_OK) {
        outcome = gate_pairs_run(&o->pairs, &report.time);
        report.time_options = &o->time;
    }
    int code = outcome == TIME_OK ? (gate_report_regression(&report) ? EXIT_REGRESSION
                                     : gate_report_empty(&report)    ? EXIT_GATE
                                                                     : EXIT_OK)
               : outcome == TIME_INTERRUPTED ? EXIT_INTERRUPTED
                                             : EXIT_GATE;
    if (outcome == TIME_OK && !o->json)
        gate_report_text(&report, stdout);
    if (outcome == TIME_OK && ((o->json && !gate_report_json(&report, stdout)) ||
                               (o->json_file && !write_json(&report, o->json_file))))
        code = EXIT_GATE;
    free(report.time.rows);
    gate_table_fini(&a);
    gate_table_fini(&b);
    return code;
}

/* ---- options ---- */

static void usage(FILE *to)
{
    fprintf(to, "usage: levin-gate --counters=FILE [--base=PROGRAM] [options]\n"
                "       levin-gate --accept --counters=FILE\n"
                "       levin-gate --a=COMMAND --b=COMMAND [--metric=LIST] [--counters] [options]\n\n"
                "Tells whether the engine has become more expensive.  `make gate` runs it.\n\n"
                "  --counters=FILE       calls, bytes, syncs and allocations of the recorded runs must equal FILE\n"
                "  --accept              write them to FILE instead, and show what changes\n"
                "  --base=PROGRAM        a levin-gate linked with the engine to compare with: user-mode\n"
                "                        instructions an operation, on both sides\n"
                "  --base-name=TEXT      what to call it\n"
                "  --program=PROGRAM     the other side (default: this program)\n"
                "  --tolerance=PERCENT   slower by more is a regression (default 0.5)\n"
                "  --method=METHOD       auto (default): perf where the processor counts, else callgrind\n"
                "  --repetitions=N       of each run, of which the median counts (default: perf 5, callgrind 1)\n"
                "  --base-sides=DIR --now-sides=DIR\n"
                "                        links of both sides (regress/link_sides.sh): CPU time, side by side in\n"
                "                        one process\n"
                "  --a=COMMAND --b=COMMAND\n"
                "                        any two commands, by sh -c, in pairs in random order; --b is judged\n"
                "  --metric=LIST         of them: cpu (default), user, wall, rss, rows: each row\n"
                "                        workload,counter,value that they print; more is slower\n"
                "  --counters            the rows that they print must be equal\n"
                "  --processes=N         processes, or pairs, before each look (default 12)\n"
                "  --rounds=N            looks at most, 2 or more (default 8)\n"
                "  --decision-seconds=S  what is known by then decides (default: as long as it takes)\n"
                "  --slice-budget=MS     CPU time for a workload in a process (default 60, 20 with\n"
                "                        --decision-seconds)\n"
                "  --floor=PERCENT       the smallest effect that counts (default 0.5)\n"
                "  --alpha=SHARE         level of the verdicts over all workloads together (default 0.01)\n"
                "  --seed=N              of the orders and the resampling (default 1)\n"
                "  --workloads=LIST      only these, comma-separated\n"
                "  --list                the workloads\n"
                "  --run=WHAT            counters or instructions: run the workloads here, print\n"
                "                        workload,counter,value and end; slices: one process of the time\n"
                "                        tier, --base-sides and --now-sides naming one link each; profile:\n"
                "                        that for a profiler, which finds the symbols of both files\n"
                "  --json[=FILE]         JSON instead of text, or into FILE beside it\n"
                "  --shard=I/N           of the workloads, only the Ith of N parts\n"
                "  --merge FILE...       the JSON reports of all shards as one\n"
                "  --sizes=BASE:NOW      bytes of the two libraries: 5 %% more is a regression\n"
                "  --page=TREND          the trend (what gate.sh appends for each run) as an HTML page\n"
                "  --flame=PROFILE       with a flame graph of that profile (regress/gate_flame.sh)\n"
                "  --flame-title=TEXT    over it, or what to say in its place\n"
                "  --tally=FILES         the table of a proof (regress/time_proof.sh), FILES comma-separated\n"
                "  --help, --version\n"
                "\nExit codes: 0 ok, 1 regression, 2 usage, 3 the gate itself failed or compared nothing,\n"
                "130 after Ctrl-C.\n");
}

static void __attribute__((noreturn)) bad_usage(const char *what, const char *value)
{
    fprintf(stderr, "levin-gate: %s%s%s (see levin-gate --help)\n", what, value ? ": " : "", value ? value : "");
    exit(EXIT_USAGE);
}

static double tolerance_of(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0 && v <= 1000))
        bad_usage("a tolerance is a percentage from 0 to 1000", text);
    return v;
}

static unsigned decision_ms_of(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0.01 && v <= 1e6))
        bad_usage("seconds of a decision are 0.01 to 1000000", text);
    return (unsigned)(v * 1000);
}

static uint64_t number_of(const char *text, uint64_t least, uint64_t most, const char *what)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || v < least || v > most)
        bad_usage(what, text);
    return v;
}

static unsigned repetitions_of(const char *text)
{
    return (unsigned)number_of(text, 1, REPETITIONS_MAX, "repetitions are 1 to 101");
}

static void sizes_of(gate_options *o, const char *text)
{
    unsigned long long base, now;
    char rest;
    if (sscanf(text, "%llu:%llu%c", &base, &now, &rest) != 2 || !base || !now)
        bad_usage("sizes are BASE:NOW, in bytes", text);
    o->base_bytes = base;
    o->now_bytes = now;
}

static double alpha_of(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v > 0 && v <= 0.5))
        bad_usage("a level is a share above 0, to 0.5", text);
    return v;
}

static unsigned metrics_of(const char *list)
{
    unsigned metrics = 0;
    for (const char *at = list; *at;) {
        char name[GATE_NAME_BYTES];
        size_t bytes = strcspn(at, ",");
        pairs_metric m = 0;
        snprintf(name, sizeof name, "%.*s", (int)bytes, at);
        while (m < PAIRS_METRIC_COUNT && strcmp(name, pairs_metric_text(m)))
            m++;
        if (m == PAIRS_METRIC_COUNT)
            bad_usage("no such metric (cpu, user, wall, rss, rows)", name);
        metrics |= 1u << m;
        at += bytes + (at[bytes] == ',');
    }
    return metrics;
}

static int choice_of(const char *option, const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i]))
            return i;
    bad_usage(option, text);
}

static void list_workloads(void)
{
    const gate_work *w;
    for (size_t i = 0; (w = gate_work_at(i)); i++)
        printf("%-14s %8llu  %s\n", gate_work_name(w), (unsigned long long)gate_work_operations(w),
               gate_work_description(w));
}

/* Of the workloads chosen, every nth. */
static void take_shard(gate_options *o)
{
    static char list[WORKLOADS_MAX * (GATE_NAME_BYTES + 1)];
    const gate_work *w;
    size_t at = 0, n = 0;
    for (size_t i = 0; (w = gate_work_at(i)); i++)
        if (gate_list_holds(o->workloads, gate_work_name(w)) && n++ % o->shard.count == o->shard.index)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? "," : "", gate_work_name(w));
    o->workloads = list;
}

static int merge_reports(char *const *paths, size_t count)
{
    char message[JSON_MERGE_MESSAGE] = "--merge takes the JSON reports of all shards";
    json_t *whole = count ? json_merge_files(paths, count, message) : NULL;
    if (!whole) {
        fprintf(stderr, "levin-gate: %s\n", message);
        return count ? EXIT_GATE : EXIT_USAGE;
    }
    const bool good = json_is_true(json_object_get(whole, "ok"));
    const bool written = !json_dumpf(whole, stdout, JSON_INDENT(1)) && putchar('\n') != EOF && !fflush(stdout);
    json_decref(whole);
    return !written ? EXIT_GATE : good ? EXIT_OK : EXIT_REGRESSION;
}

static void parse(gate_options *o, int argc, char **argv)
{
    static const struct option options[] = {
        { "counters", optional_argument, NULL, 'c' },    { "accept", no_argument, NULL, 'a' },
        { "base", required_argument, NULL, 'b' },        { "base-name", required_argument, NULL, 'n' },
        { "program", required_argument, NULL, 'p' },     { "tolerance", required_argument, NULL, 't' },
        { "method", required_argument, NULL, 'm' },      { "repetitions", required_argument, NULL, 'r' },
        { "workloads", required_argument, NULL, 'w' },   { "list", no_argument, NULL, 'l' },
        { "run", required_argument, NULL, 'R' },         { "json", optional_argument, NULL, 'j' },
        { "base-sides", required_argument, NULL, 'B' },  { "now-sides", required_argument, NULL, 'N' },
        { "processes", required_argument, NULL, 'P' },   { "rounds", required_argument, NULL, 'L' },
        { "decision-seconds", required_argument, NULL, 'D' },
        { "slice-budget", required_argument, NULL, 'S' }, { "floor", required_argument, NULL, 'f' },
        { "alpha", required_argument, NULL, 'A' },       { "seed", required_argument, NULL, 's' },
        { "a", required_argument, NULL, '1' },           { "b", required_argument, NULL, '2' },
        { "metric", required_argument, NULL, 'M' },      { "sizes", required_argument, NULL, 'Z' },
        { "shard", required_argument, NULL, 'H' },       { "merge", no_argument, NULL, 'G' },
        { "page", required_argument, NULL, 'X' },        { "flame", required_argument, NULL, 'F' },
        { "flame-title", required_argument, NULL, 'K' },
        { "tally", required_argument, NULL, 'T' },
        { "help", no_argument, NULL, 'h' },              { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    static const char *const methods[] = { "auto", "perf", "callgrind", NULL };
    static const char *const runs[] = { "", "counters", "instructions", "slices", "profile", NULL };
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (id) {
        case 'c': o->counters = optarg; o->exact = !optarg; break;
        case 'a': o->accept = true; break;
        case 'b': o->base = optarg; break;
        case 'n': o->base_name = optarg; break;
        case 'p': o->program = optarg; break;
        case 't': o->tolerance_percent = tolerance_of(optarg); break;
        case 'm': o->method = (method_choice)choice_of("no such method", optarg, methods); break;
        case 'r': o->repetitions = repetitions_of(optarg); break;
        case 'w': o->workloads = optarg; break;
        case 'l': list_workloads(); exit(EXIT_OK);
        case 'R': o->run = (run_mode)choice_of("--run is none of those that there are", optarg, runs); break;
        case 'j':
            if (optarg)
                o->json_file = optarg;
            else
                o->json = true;
            break;
        case 'B': o->time.base = optarg; break;
        case 'N': o->time.now = optarg; break;
        case 'P': o->time.round = (unsigned)number_of(optarg, 3, 64, "processes are 3 to 64"); break;
        case 'L': o->time.rounds = (unsigned)number_of(optarg, 2, 16, "rounds are 2 to 16"); break;
        case 'D': o->time.decision_ms = decision_ms_of(optarg); break;
        case 'S': o->time.budget_ms = (unsigned)number_of(optarg, 1, 60000, "a slice budget is 1 to 60000 ms"); break;
        case 'f': o->time.floor = tolerance_of(optarg) / 100; break;
        case 'A': o->time.alpha = alpha_of(optarg); break;
        case 's': o->time.seed = number_of(optarg, 0, UINT64_MAX, "a seed is a number"); break;
        case '1': o->pairs.a = optarg; break;
        case '2': o->pairs.b = optarg; break;
        case 'M': o->pairs.metrics = metrics_of(optarg); break;
        case 'Z': sizes_of(o, optarg); break;
        case 'H':
            if (!shard_parse(optarg, &o->shard))
                bad_usage("a shard is i/n, i from 1 to n", optarg);
            break;
        case 'G': exit(merge_reports(argv + optind, (size_t)(argc - optind)));
        case 'X': o->page = optarg; break;
        case 'F': o->flame = optarg; break;
        case 'K': o->flame_title = optarg; break;
        case 'T': exit(gate_tally(optarg, stdout) ? EXIT_OK : EXIT_GATE);
        case 'h': usage(stdout); exit(EXIT_OK);
        case 'v': printf("levin-gate %s\n", LEVIN_VERSION); exit(EXIT_OK);
        default: fprintf(stderr, "levin-gate: see levin-gate --help\n"); exit(EXIT_USAGE);
        }
    }
    if (optind < argc)
        bad_usage("unexpected argument", argv[optind]);
    if (o->page)
        exit(gate_page(o->page, o->flame, o->flame_title, stdout) ? EXIT_OK : EXIT_GATE);
    if (o->flame || o->flame_title)
        bad_usage("a flame graph goes on a page: --page=TREND", NULL);
    o->pairs.time = &o->time;
    if (!o->pairs.a != !o->pairs.b)
        bad_usage("--a and --b go together", NULL);
    if (o->pairs.a && (o->counters || o->base || o->accept || o->run || o->time.base))
        bad_usage("--a and --b compare two commands and nothing else", NULL);
    if (!o->pairs.a && (o->exact || o->pairs.metrics))
        bad_usage(o->exact ? "--counters=FILE, or --counters with --a and --b" : "--metric goes with --a and --b",
                  NULL);
    if (!o->exact && !o->pairs.metrics)
        o->pairs.metrics = 1u << PAIRS_CPU;
    if (!o->run && !o->pairs.a && !list_is_known(o->workloads))
        exit(EXIT_USAGE);
    if (!o->time.base != !o->time.now)
        bad_usage("--base-sides and --now-sides go together", NULL);
    if ((o->run == RUN_SLICES || o->run == RUN_PROFILE) && !o->time.base)
        bad_usage("--run=slices and --run=profile take --base-sides=FILE and --now-sides=FILE", NULL);
    if (o->shard.count)
        take_shard(o);
    o->time.workloads = o->workloads;
    o->time.program = o->program;
    if (o->accept && (!o->counters || o->workloads || o->base || o->run))
        bad_usage("--accept takes --counters=FILE and nothing else, for it writes them all", NULL);
    if (!o->run && !o->counters && !o->base && !o->time.base && !o->pairs.a)
        bad_usage("nothing to compare with: --counters=FILE, --base=PROGRAM or --base-sides=DIR", NULL);
}

int main(int argc, char **argv)
{
    gate_options o = { .program = "/proc/self/exe", .tolerance_percent = 0.5,
                       .time = { .round = 12, .rounds = 8, .floor = 0.005, .alpha = 0.01,
                                 .seed = 1 } };
    parse(&o, argc, argv);
    if (!o.time.budget_ms)
        o.time.budget_ms = o.time.decision_ms ? BUDGET_MS_IN_TIME : BUDGET_MS;
    if (o.run == RUN_SLICES || o.run == RUN_PROFILE) {
        const slices_options slices = { .base = o.time.base, .now = o.time.now, .budget_ms = o.time.budget_ms,
                                        .workloads = o.workloads && *o.workloads ? o.workloads : NULL,
                                        .seed = o.time.seed, .as_files = o.run == RUN_PROFILE };
        return slices_run(&slices, stdout) ? EXIT_OK : EXIT_GATE;
    }
    if (o.pairs.a)
        return compare_commands(&o);
    if (!any_chosen(o.workloads))
        return EXIT_GATE;
    if (o.accept)
        return accept_counters(&o);
    if (o.run == RUN_COUNTERS)
        return run_counters(&o);
    if (o.run == RUN_INSTRUCTIONS)
        return run_instructions(&o);
    return gate(&o);
}
