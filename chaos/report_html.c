/*
 * report_html.c - one self-contained page (report_files.h): verdict, coverage, rates, crash states by family, where
 * faults hit by file and operation, what became of damages, failures with the lines that replay them.
 *
 * Plots are made by gnuplot, as SVG inside the page; without gnuplot the tables say the same.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "effects.h"
#include "report_files.h"

typedef unsigned long long ull;

/* ---- plots ------------------------------------------------------------------------------------------------ */

void report_plot(FILE *to, const char *script)
{
    char path[] = "/tmp/levin-chaos-plot-XXXXXX", command[80], buffer[4096];
    const int file = mkstemp(path);
    if (file < 0)
        return;
    const size_t bytes = strlen(script);
    const bool written = write(file, script, bytes) == (ssize_t)bytes;
    close(file);
    snprintf(command, sizeof command, "gnuplot %s 2>/dev/null", path);
    FILE *from = written ? popen(command, "r") : NULL;
    bool drawing = false;
    while (from && fgets(buffer, sizeof buffer, from)) {
        drawing = drawing || !strncmp(buffer, "<svg", 4); /* without the XML declaration */
        if (drawing)
            fputs(buffer, to);
    }
    if (from)
        pclose(from);
    unlink(path);
}

static void plot_families(FILE *to, const report *r)
{
    char script[4096];
    size_t at = (size_t)snprintf(script, sizeof script, "$d << EOD\n");
    for (int f = 0; f < CRASH_FAMILY_COUNT; f++)
        at += (size_t)snprintf(script + at, sizeof script - at, "\"%s\" %llu\n", crash_family_text((crash_family)f),
                               (ull)r->sweep.totals.families[f]);
    snprintf(script + at, sizeof script - at,
             "EOD\nset terminal svg size 760,320 dynamic\nset style data histogram\nset style fill solid 0.7\n"
             "set boxwidth 0.8\nset xtics rotate by -40\nset ylabel 'states'\nunset key\n"
             "plot $d using 2:xtic(1) linecolor rgb '#3465a4'\n");
    report_plot(to, script);
}

static void plot_fates(FILE *to, const report *r)
{
    char script[8192];
    size_t at = (size_t)snprintf(script, sizeof script, "$d << EOD\n");
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++) {
        at += (size_t)snprintf(script + at, sizeof script - at, "\"%s\"", corrupt_kind_text((corrupt_kind)k));
        uint64_t sums[CORRUPT_FATE_COUNT] = { 0 }, all = 0;
        for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++)
            for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++) {
                sums[f] += r->corrupt.totals.fates[k][c][f];
                all += r->corrupt.totals.fates[k][c][f];
            }
        for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
            at += (size_t)snprintf(script + at, sizeof script - at, " %.2f",
                                   all ? 100.0 * (double)sums[f] / (double)all : 0);
        at += (size_t)snprintf(script + at, sizeof script - at, "\n");
    }
    at += (size_t)snprintf(script + at, sizeof script - at,
                           "EOD\nset terminal svg size 760,320 dynamic\nset style data histogram\n"
                           "set style histogram rowstacked\nset style fill solid 0.7\nset boxwidth 0.8\n"
                           "set ylabel 'percent'\nset yrange [0:100]\nset key outside\nset xtics rotate by -40\nplot ");
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        at += (size_t)snprintf(script + at, sizeof script - at, "%s$d using %u:xtic(1) title '%s'", f ? ", " : "",
                               f + 2, corrupt_fate_text((corrupt_fate)f));
    snprintf(script + at, sizeof script - at, "\n");
    report_plot(to, script);
}

/* ---- tables ----------------------------------------------------------------------------------------------- */

static void detectors(FILE *to, const report *r)
{
    report_detector list[REPORT_DETECTORS];
    const size_t n = report_detectors(r, list);
    fputs("<table><tr><th>detector<th>done<th>of<th>what<th>a second<th>seconds<th>violations</tr>\n", to);
    for (size_t i = 0; i < n; i++) {
        const report_detector *d = &list[i];
        fprintf(to, "<tr><td>%s<td>%llu<td>", detector_text(d->which), (ull)d->done);
        if (d->due)
            fprintf(to, "%llu (%.1f %%)", (ull)d->due, 100.0 * (double)d->done / (double)d->due);
        fprintf(to, "<td>%s<td>%.0f<td>%.1f<td>%llu</tr>\n", d->unit,
                d->seconds > 0 ? (double)d->done / d->seconds : 0, d->seconds, (ull)r->found.of[d->which]);
    }
    fputs("</table>\n", to);
}

static void sweep_part(FILE *to, const report *r)
{
    const sweep_report *s = &r->sweep;
    fprintf(to, "<h2>Crash states</h2>\n<p>%llu distinct states, %.0f a second; by what was kept:</p>\n",
            (ull)s->distinct, s->seconds > 0 ? (double)s->distinct / s->seconds : 0);
    fputs("<table><tr><th>family<th>states</tr>\n", to);
    for (int f = 0; f < CRASH_FAMILY_COUNT; f++)
        fprintf(to, "<tr><td>%s<td>%llu</tr>\n", crash_family_text((crash_family)f), (ull)s->totals.families[f]);
    fputs("</table>\n", to);
    plot_families(to, r);
}

/* Where faults hit, by file and operation. */
static void hits_table(FILE *to, const uint64_t (*all)[FAULT_OPERATION_COUNT])
{
    fputs("<table><tr><th>operation", to);
    for (int k = 0; k < LEVIN_FILE_KIND_COUNT; k++)
        fprintf(to, "<th>%s", fault_kind_text((levin_file_kind)k));
    fputs("</tr>\n", to);
    for (int op = 0; op < FAULT_OPERATION_COUNT; op++) {
        fprintf(to, "<tr><td>%s", fault_operation_text((fault_operation)op));
        for (int k = 0; k < LEVIN_FILE_KIND_COUNT; k++) {
            const uint64_t hits = all[k][op];
            if (hits)
                fprintf(to, "<td>%llu", (ull)hits);
            else
                fputs(fault_point_exists((levin_file_kind)k, (fault_operation)op) ? "<td>0" : "<td>", to);
        }
        fputs("</tr>\n", to);
    }
    fputs("</table>\n", to);
}

static void faults_part(FILE *to, const report *r)
{
    fprintf(to, "<h2>Faults</h2>\n<p>%llu power cuts, %llu of them right after the fault. Where they hit:</p>\n",
            (ull)r->faults.totals.cuts, (ull)r->faults.totals.near_cuts);
    hits_table(to, r->faults.totals.hits);
}

/* Of the cases of one effect at one point: how many have fired, of how many; "never called". */
static void effect_cell(FILE *to, const report *r, levin_file_kind kind, fault_operation operation, fault_effect effect)
{
    const effects_totals *t = &r->effects.totals;
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    unsigned there = 0, called = 0, fired = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << i % 64;
        if (cases[i].kind != kind || cases[i].operation != operation || cases[i].effect != effect)
            continue;
        there++;
        called += (t->called[i / 64] & bit) != 0;
        fired += (t->hit[i / 64] & bit) != 0;
    }
    if (!there)
        fputs("<td>", to);
    else if (!called)
        fputs("<td>never called", to);
    else
        fprintf(to, fired == there ? "<td>%u of %u" : "<td><b>%u of %u</b>", fired, there);
}

static void effects_part(FILE *to, const report *r)
{
    const effects_totals *t = &r->effects.totals;
    fprintf(to, "<h2>Effects</h2>\n<p>%llu runs; %llu hurt writes or syncs, damage was told of %llu times; "
            "%llu power cuts, %llu right after the fault. Errors of each effect that fired (a budget is one):</p>\n",
            (ull)t->runs, (ull)t->hurt, (ull)t->told, (ull)t->cuts, (ull)t->near_cuts);
    fputs("<table><tr><th>point", to);
    for (int effect = 0; effect < FAULT_EFFECT_COUNT; effect++)
        fprintf(to, "<th>%s", plan_effect_text((fault_effect)effect));
    fputs("</tr>\n", to);
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int op = 0; op < FAULT_OPERATION_COUNT; op++) {
            if (!fault_point_exists((levin_file_kind)kind, (fault_operation)op))
                continue;
            fprintf(to, "<tr><td>%s", fault_point_name((levin_file_kind)kind, (fault_operation)op));
            for (int effect = 0; effect < FAULT_EFFECT_COUNT; effect++)
                effect_cell(to, r, (levin_file_kind)kind, (fault_operation)op, (fault_effect)effect);
            fputs("</tr>\n", to);
        }
    fputs("</table>\n<p>Where they hit:</p>\n", to);
    hits_table(to, t->hits);
}

static void soak_part(FILE *to, const report *r)
{
    const soak_result *s = &r->soak;
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = { { "lives", s->lives }, { "killed", s->killed }, { "of them while opening", s->killed_opening },
                 { "while comparing", s->killed_comparing }, { "while closing", s->killed_closing },
                 { "closed", s->closed }, { "ended by a fault", s->given_up },
                 { "compared after a death", s->compared }, { "levin_check()", s->checks },
                 { "operations in the store", s->operations }, { "gets", s->reads }, { "injected faults", s->faults },
                 { "lives with a fault", s->lives_with_faults },
                 { "slowest recovery, us", s->recovery_max_ns / 1000 } };
    fprintf(to, "<h2>Soak</h2>\n<p>Real files, %u threads.</p>\n<table>\n", r->options->threads);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fprintf(to, "<tr><td>%s<td>%llu</tr>\n", rows[i].name, (ull)rows[i].count);
    fputs("</table>\n<p>", to);
    report_escape(to, s->last_fault[0] ? "The last fault: " : "No fault was injected.");
    report_escape(to, s->last_fault);
    fputs("</p>\n", to);
}

static void crossed_part(FILE *to, const report *r)
{
    fputs("<h2>Faults crossed with crashes</h2>\n<p>Faults that fired, by how many power cuts had gone before:</p>\n"
          "<table><tr><th>cuts before", to);
    for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
        fprintf(to, "<th>%s", chain_class_text((chain_class)class));
    fputs("</tr>\n", to);
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++) {
        fprintf(to, "<tr><td>%u", level);
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            fprintf(to, "<td>%llu", (ull)r->crossed.totals.fired[level][class]);
        fputs("</tr>\n", to);
    }
    fputs("</table>\n", to);
}

static void corrupt_part(FILE *to, const report *r)
{
    fputs("<h2>Corruption</h2>\n<table><tr><th>damage<th>file", to);
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        fprintf(to, "<th>%s", corrupt_fate_text((corrupt_fate)f));
    fputs("</tr>\n", to);
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++) {
            if (!r->corrupt.totals.due[k][c])
                continue;
            fprintf(to, "<tr><td>%s<td>%s", corrupt_kind_text((corrupt_kind)k), corrupt_class_text((corrupt_class)c));
            for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
                fprintf(to, "<td>%llu", (ull)r->corrupt.totals.fates[k][c][f]);
            fputs("</tr>\n", to);
        }
    fputs("</table>\n", to);
    plot_fates(to, r);
}

static void ranges_part(FILE *to, const report *r)
{
    fputs("<h2>Iterator ranges</h2>\n<table>\n", to);
#define RANGES_LINE(name, text) fprintf(to, "<tr><td>%llu<td>%s</tr>\n", (ull)r->ranges.counts.name, text);
    RANGES_COUNTS(RANGES_LINE)
#undef RANGES_LINE
    fputs("</table>\n", to);
}

static void schedules_part(FILE *to, const report *r)
{
    fprintf(to, "<h2>Thread schedules</h2>\n<p>About %llu distinct.</p>\n<table>\n", (ull)r->schedules.distinct);
#define SCHEDULES_LINE(field, name) fprintf(to, "<tr><td>%s<td>%llu</tr>\n", name, (ull)r->schedules.totals.field);
    CAMPAIGN_COUNTS(SCHEDULES_LINE)
#undef SCHEDULES_LINE
    fputs("</table>\n", to);
}

static void failures(FILE *to, const report *r)
{
    fprintf(to, "<h2>Failures: %llu</h2>\n<ul>\n", (ull)r->found.count);
    for (size_t i = 0; i < r->found.kept; i++) {
        const finding *f = &r->found.items[i];
        char line[REPORT_LINE_BYTES];
        report_replay_line(r, f, line, sizeof line);
        fputs("<li><b>", to);
        report_escape(to, f->promise);
        fputs("</b> (", to);
        report_escape(to, f->phase);
        fputs("): ", to);
        report_escape(to, f->text);
        fputs("<br><code>", to);
        report_escape(to, line);
        fputs("</code>\n", to);
    }
    fputs("</ul>\n", to);
}

void report_html(FILE *to, const report *r, const char *verdict)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>levin-chaos</title>\n<style>"
          "body{font-family:sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse}"
          "td,th{padding:.15em .7em;border-bottom:1px solid #ccc;text-align:right}"
          "td:first-child,th:first-child{text-align:left}code{background:#eee}</style></head><body>\n"
          "<h1>levin-chaos: ", to);
    report_escape(to, verdict);
    fprintf(to, "</h1>\n<p>levin %s, seeds from %llu, %u jobs, names and values: ", levin_version(),
            (ull)r->options->seed, r->options->jobs);
    report_escape(to, r->data);
    fputs(r->interrupted ? "; interrupted: this is what was done until then</p>\n" : "</p>\n", to);
    if (r->harness[0]) {
        fputs("<p>The harness failed: ", to);
        report_escape(to, r->harness);
        fputs("</p>\n", to);
    }
    detectors(to, r);
    failures(to, r);
    if (r->has_sweep)
        sweep_part(to, r);
    if (r->has_faults)
        faults_part(to, r);
    if (r->has_effects)
        effects_part(to, r);
    if (r->has_crossed)
        crossed_part(to, r);
    if (r->has_corrupt)
        corrupt_part(to, r);
    if (r->has_ranges)
        ranges_part(to, r);
    if (r->has_soak)
        soak_part(to, r);
    if (r->has_schedules)
        schedules_part(to, r);
    fputs("</body></html>\n", to);
}
