/*
 * gate_report.c - one line for each difference and each workload, a verdict at the end.
 */
#include "gate_report.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "../engine/levin.h"

bool gate_report_empty(const gate_report *r)
{
    return (r->found && !r->found->count) || (r->base_name && !r->compared) || (r->time_options && !r->time.count);
}

static bool is_larger(const gate_report *r)
{
    return r->base_bytes && (double)r->now_bytes > (double)r->base_bytes * GATE_SIZE_TOLERANCE;
}

bool gate_report_regression(const gate_report *r)
{
    return r->differences || r->slower || r->time.slower || is_larger(r);
}

static double percent(double log_ratio)
{
    return (exp(log_ratio) - 1) * 100;
}

/* ---- text ---- */

typedef struct difference_lines {
    const gate_table *expected, *found;
    FILE *to;
    const char *last_new; /* workload whose absence has been told */
    bool heading;
} difference_lines;

static void difference_line(void *context, const gate_difference *d)
{
    difference_lines *l = context;
    const gate_row *first = gate_table_find(l->expected, d->workload, "operations");
    const gate_row *now = gate_table_find(l->found, d->workload, "operations");
    if (!first || !now) { /* a whole workload came or went: one line for all of its counters */
        if (!l->last_new || strcmp(l->last_new, d->workload))
            fprintf(l->to, "%-14s %s\n", d->workload, first ? "is gone" : "is new");
        l->last_new = d->workload;
        return;
    }
    if (!l->heading)
        fprintf(l->to, "%-14s %-28s %14s %14s %12s %14s\n", "workload", "counter", "expected", "found", "difference",
                "an operation");
    l->heading = true;
    double change = (double)d->found - (double)d->expected;
    fprintf(l->to, "%-14s %-28s %14llu %14llu %+12.0f %+14.4f\n", d->workload, d->counter,
            (unsigned long long)d->expected, (unsigned long long)d->found, change, change / (double)now->value);
}

void gate_report_differences(const gate_table *expected, const gate_table *found, FILE *to)
{
    difference_lines lines = { .expected = expected, .found = found, .to = to };
    gate_table_compare(expected, found, difference_line, &lines);
}

static void counters_text(const gate_report *r, FILE *to)
{
    if (r->commands && r->differences) {
        gate_report_differences(r->expected, r->found, to);
        fprintf(to, "counters: %zu differ\n", r->differences);
        return;
    }
    if (!r->differences) {
        fprintf(to, "counters: all %zu as in %s\n", r->found->count, r->counters_path);
        return;
    }
    gate_report_differences(r->expected, r->found, to);
    fprintf(to, "counters: %zu differ from %s; if that is meant: make gate-accept, and commit it with the reason\n",
            r->differences, r->counters_path);
}

static void instructions_text(const gate_report *r, FILE *to)
{
    fprintf(to, "%-14s %10s %14s %14s %9s  %s\n", "workload", "operations", "base", "now", "change", "verdict");
    for (size_t i = 0; i < r->ratio_count; i++) {
        const gate_ratio *g = &r->ratios[i];
        fprintf(to, "%-14s %10llu ", g->workload, (unsigned long long)g->operations);
        if (g->base > 0)
            fprintf(to, "%14.1f ", g->base);
        else
            fprintf(to, "%14s ", "-");
        if (g->now > 0)
            fprintf(to, "%14.1f ", g->now);
        else
            fprintf(to, "%14s ", "-");
        if (gate_ratio_compared(g))
            fprintf(to, "%+8.3f%%  ", g->change_percent);
        else
            fprintf(to, "%9s  ", "-");
        fprintf(to, "%s\n", gate_verdict_text(g->verdict));
    }
    fprintf(to, "instructions: user mode, an operation, by %s, against %s: %zu of %zu slower than the %g%% allowed\n",
            r->method, r->base_name, r->slower, r->compared, r->tolerance_percent);
    if (!r->compared)
        fprintf(to, "instructions: no run does the same work in %s: nothing was compared (BASE=rev chooses another)\n",
                r->base_name);
}

static void time_text(const gate_report *r, FILE *to)
{
    const int width = r->commands ? 24 : 14;
    const double unit = r->commands ? 1 : 1000;
    fprintf(to, "%-*s %14s %14s %9s %18s %5s %9s  %s\n", width, r->commands ? "metric" : "workload",
            r->commands ? "a" : "base us", r->commands ? "b" : "now us", "change", "interval", "runs", "could see",
            "verdict");
    for (size_t i = 0; i < r->time.count; i++) {
        time_row *t = &r->time.rows[i];
        char change[32] = "-", interval[64] = "-", smallest[32] = "-";
        if (t->looked_at) {
            snprintf(change, sizeof change, "%+.2f%%", percent(t->b.estimate));
            snprintf(interval, sizeof interval, "%+.2f..%+.2f%%", percent(t->b.lower), percent(t->b.upper));
            snprintf(smallest, sizeof smallest, "%.2f%%", percent(t->smallest));
        }
        fprintf(to, "%-*s %14.1f %14.1f %9s %18s %5zu %9s  %s\n", width, t->workload,
                statistics_median(t->base_ns, t->processes) / unit, statistics_median(t->now_ns, t->processes) / unit,
                change, interval, t->processes, smallest, time_verdict_text(t->verdict));
    }
    fprintf(to, "time: %s, floor %g%%: %zu of %zu slower, %zu undecided\n",
            r->commands ? "runs in pairs" : "CPU time, base and now side by side", r->time_options->floor * 100,
            r->time.slower, r->time.count, r->time.undecided);
    if (!r->time.count)
        fprintf(to, "time: no run does the same work on both sides%s: nothing was compared\n",
                r->time_options->decision_ms ? ", or none was over in time" : "");
}

void gate_report_text(const gate_report *r, FILE *to)
{
    if (r->found)
        counters_text(r, to);
    if (r->base_name)
        instructions_text(r, to);
    else if (!r->commands)
        fprintf(to, "instructions: not compared, no base was given\n");
    if (r->base_bytes)
        fprintf(to, "size: code and data of the library, %llu bytes, now %llu, %+.2f%%%s\n",
                (unsigned long long)r->base_bytes, (unsigned long long)r->now_bytes,
                ((double)r->now_bytes / (double)r->base_bytes - 1) * 100, is_larger(r) ? ": LARGER" : "");
    if (r->time_options)
        time_text(r, to);
    fprintf(to, "gate: %s\n", gate_report_regression(r) ? "REGRESSION"
                             : gate_report_empty(r)    ? "NOTHING COMPARED"
                                                       : "ok");
}

/* ---- JSON ---- */

static void difference_json(void *context, const gate_difference *d)
{
    json_array_append_new(context, json_pack("{s:s, s:s, s:I, s:I}", "workload", d->workload, "counter", d->counter,
                                             "expected", (json_int_t)d->expected, "found", (json_int_t)d->found));
}

static json_t *counters_json(const gate_report *r)
{
    json_t *differences = json_array();
    if (!r->found) {
        json_decref(differences);
        return json_null();
    }
    gate_table_compare(r->expected, r->found, difference_json, differences);
    return json_pack("{s:s, s:I, s:o}", "file", r->counters_path, "compared", (json_int_t)r->found->count,
                     "differences", differences);
}

static json_t *instructions_json(const gate_report *r)
{
    json_t *workloads = json_array();
    if (!r->base_name) {
        json_decref(workloads);
        return json_null();
    }
    for (size_t i = 0; i < r->ratio_count; i++) {
        const gate_ratio *g = &r->ratios[i];
        json_array_append_new(workloads, json_pack("{s:s, s:I, s:f, s:f, s:f, s:s}", "workload", g->workload,
                                                   "operations", (json_int_t)g->operations, "base", g->base, "now",
                                                   g->now, "change_percent", g->change_percent, "verdict",
                                                   gate_verdict_text(g->verdict)));
    }
    return json_pack("{s:s, s:s, s:f, s:I, s:I, s:o}", "base", r->base_name, "method", r->method, "tolerance_percent",
                     r->tolerance_percent, "compared", (json_int_t)r->compared, "slower", (json_int_t)r->slower,
                     "workloads", workloads);
}

/* Of what no look has told yet: null. */
static json_t *percent_json(const time_row *row, double log_ratio)
{
    return row->looked_at ? json_real(percent(log_ratio)) : json_null();
}

static json_t *time_json(const gate_report *r)
{
    json_t *workloads = json_array();
    if (!r->time_options) {
        json_decref(workloads);
        return json_null();
    }
    for (size_t i = 0; i < r->time.count; i++) {
        time_row *t = &r->time.rows[i];
        json_t *ratios = json_array();
        for (size_t k = 0; k < t->processes; k++)
            json_array_append_new(ratios, json_real(percent(t->ratio[k])));
        json_array_append_new(workloads, json_pack(
            "{s:s, s:I, s:f, s:f, s:o, s:o, s:o, s:o, s:s, s:o}", "workload", t->workload, "operations",
            (json_int_t)t->operations, "base_ns", statistics_median(t->base_ns, t->processes), "now_ns",
            statistics_median(t->now_ns, t->processes), "change_percent", percent_json(t, t->b.estimate),
            "lower_percent", percent_json(t, t->b.lower), "upper_percent", percent_json(t, t->b.upper),
            "could_see_percent", percent_json(t, t->smallest), "verdict", time_verdict_text(t->verdict),
            "process_percent", ratios));
    }
    return json_pack("{s:f, s:f, s:I, s:I, s:I, s:o}", "floor_percent", r->time_options->floor * 100, "alpha",
                     r->time_options->alpha, "compared", (json_int_t)r->time.count, "slower",
                     (json_int_t)r->time.slower, "undecided", (json_int_t)r->time.undecided, "workloads", workloads);
}

bool gate_report_json(const gate_report *r, FILE *to)
{
    json_t *root = json_pack("{s:s, s:b, s:I, s:I, s:o, s:o, s:o}", "version", LEVIN_VERSION, "ok",
                             !gate_report_regression(r) && !gate_report_empty(r), "base_bytes",
                             (json_int_t)r->base_bytes, "now_bytes", (json_int_t)r->now_bytes, "counters",
                             counters_json(r),
                             "instructions", instructions_json(r), "time", time_json(r));
    bool ok = root && json_dumpf(root, to, JSON_INDENT(1)) == 0;
    fputc('\n', to);
    json_decref(root);
    return ok && fflush(to) == 0 && !ferror(to);
}
