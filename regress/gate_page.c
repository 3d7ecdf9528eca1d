/*
 * gate_page.c - reads the trend, writes HTML with SVG inside.
 *
 * Series hold what a commit's run found of its own side: instructions are exact for one compiler, times are those of
 * the machine that day, so that a step in times alone is a hint and no more.
 */
#include "gate_page.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate_change.h"
#include "gate_flame.h"
#include "gate_table.h"

enum { COMMITS_MAX = 2048, SCRIPT_BYTES = 1 << 18, COMMIT_BYTES = 48 };

typedef struct page {
    json_t *runs[COMMITS_MAX];
    size_t count;
    char script[SCRIPT_BYTES];
    size_t at;
} page;

static void add(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(page *p, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int bytes = vsnprintf(p->script + p->at, SCRIPT_BYTES - p->at, format, list);
    va_end(list);
    if (bytes > 0)
        p->at = p->at + (size_t)bytes < SCRIPT_BYTES ? p->at + (size_t)bytes : SCRIPT_BYTES - 1;
}

static void text(FILE *to, const char *s)
{
    for (; s && *s; s++)
        switch (*s) {
        case '<': fputs("&lt;", to); break;
        case '&': fputs("&amp;", to); break;
        default: fputc(*s, to);
        }
}

static void plot(page *p, FILE *to)
{
    const char *tmp = getenv("TMPDIR");
    char path[512], command[600], line[4096];
    snprintf(path, sizeof path, "%s/levin-gate-plot-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    int file = mkstemp(path);
    if (file < 0)
        return;
    const bool written = write(file, p->script, p->at) == (ssize_t)p->at;
    close(file);
    snprintf(command, sizeof command, "gnuplot '%s' 2>/dev/null", path);
    FILE *from = written ? popen(command, "r") : NULL;
    for (bool drawing = false; from && fgets(line, sizeof line, from);) {
        drawing = drawing || !strncmp(line, "<svg", 4);
        if (drawing)
            fputs(line, to);
    }
    if (from)
        pclose(from);
    unlink(path);
    p->at = 0;
}

static bool read_trend(page *p, const char *path)
{
    FILE *f = fopen(path, "re");
    json_error_t error;
    json_t *run;
    if (!f) {
        fprintf(stderr, "levin-gate: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (p->count < COMMITS_MAX && (run = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error)))
        p->runs[p->count++] = run;
    fclose(f);
    if (!p->count)
        fprintf(stderr, "levin-gate: %s holds no run: %s\n", path, error.text);
    return p->count;
}

static const char *commit_of(const page *p, size_t i)
{
    const char *commit = json_string_value(json_object_get(p->runs[i], "commit"));
    return commit ? commit : "?";
}

static json_t *find(const page *p, size_t run, const char *tier, const char *workload)
{
    json_t *list = json_object_get(json_object_get(json_object_get(p->runs[run], "gate"), tier), "workloads"), *entry;
    size_t i;
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "workload"));
        if (name && !strcmp(name, workload))
            return entry;
    }
    return NULL;
}

static double number(json_t *entry, const char *name)
{
    return json_number_value(json_object_get(entry, name));
}

/* The newest run that has times: ratios with their intervals. */
static void ratios(page *p, FILE *to)
{
    json_t *list = NULL, *entry;
    size_t run = p->count, i;
    while (run-- > 0 && !json_array_size(list))
        list = json_object_get(json_object_get(json_object_get(p->runs[run], "gate"), "time"), "workloads");
    if (!json_array_size(list))
        return;
    fprintf(to, "<h2>Time beside the base, %s</h2>\n", commit_of(p, run + 1));
    add(p, "$d << EOD\n");
    json_array_foreach(list, i, entry)
        add(p, "\"%s\" %g %g %g %zu\n", json_string_value(json_object_get(entry, "workload")),
            number(entry, "change_percent"), number(entry, "lower_percent"), number(entry, "upper_percent"), i);
    add(p, "EOD\nset terminal svg size 900,%zu dynamic\nunset key\nset yrange [-1:%zu] reverse\n"
           "set xlabel 'change, percent, with its interval'\nset grid x\n"
           "set arrow from 0, graph 0 to 0, graph 1 nohead\n"
           "plot $d using 2:5:3:4:ytic(1) with xerrorbars pointtype 7 linecolor rgb '#3465a4'\n",
        120 + 18 * json_array_size(list), json_array_size(list));
    plot(p, to);
    fprintf(to, "<table><tr><th>workload<th>base us<th>now us<th>change<th>interval<th>could see<th>verdict</tr>\n");
    json_array_foreach(list, i, entry) {
        fputs("<tr><td>", to);
        text(to, json_string_value(json_object_get(entry, "workload")));
        fprintf(to, "<td>%.1f<td>%.1f<td>%+.2f%%<td>%+.2f..%+.2f%%<td>%.2f%%<td>", number(entry, "base_ns") / 1000,
                number(entry, "now_ns") / 1000, number(entry, "change_percent"), number(entry, "lower_percent"),
                number(entry, "upper_percent"), number(entry, "could_see_percent"));
        text(to, json_string_value(json_object_get(entry, "verdict")));
        fputs("</tr>\n", to);
    }
    fputs("</table>\n", to);
}

/* One workload's series of one tier: the plot, and a line for each change. */
static void trend(page *p, FILE *to, const char *workload, const char *tier, const char *field, const char *unit,
                  double scale)
{
    static double series[COMMITS_MAX];
    static size_t run_of[COMMITS_MAX];
    size_t points[CHANGE_POINTS_MAX], n = 0;
    for (size_t i = 0; i < p->count; i++) {
        json_t *entry = find(p, i, tier, workload);
        if (entry && number(entry, field) > 0) {
            run_of[n] = i;
            series[n++] = number(entry, field) / scale;
        }
    }
    if (n < 2)
        return;
    const size_t changes = gate_change_points(series, n, 1, points);
    add(p, "$d << EOD\n");
    for (size_t i = 0; i < n; i++)
        add(p, "%zu %.6g\n", i, series[i]);
    add(p, "EOD\nset terminal svg size 440,200 dynamic\nunset key\nset title '%s, %s' noenhanced\nset grid y\n",
        workload, unit);
    for (size_t i = 0; i < changes; i++)
        add(p, "set arrow from %g, graph 0 to %g, graph 1 nohead linecolor rgb '#cc0000'\n", (double)points[i] - 0.5,
            (double)points[i] - 0.5);
    add(p, "plot $d using 1:2 with linespoints pointtype 7 pointsize 0.4 linecolor rgb '#3465a4'\n");
    plot(p, to);
    for (size_t i = 0; i < changes; i++) {
        const size_t before = i ? points[i - 1] : 0, after = i + 1 < changes ? points[i + 1] : n;
        double old_sum = 0, new_sum = 0;
        for (size_t k = before; k < points[i]; k++)
            old_sum += series[k] / (double)(points[i] - before);
        for (size_t k = points[i]; k < after; k++)
            new_sum += series[k] / (double)(after - points[i]);
        fprintf(to, "<p class=change>%s, %s: %+.2f%% at ", workload, unit, (new_sum / old_sum - 1) * 100);
        text(to, commit_of(p, run_of[points[i]]));
        fputs("</p>\n", to);
    }
}

bool gate_page(const char *path, const char *flame, const char *flame_title, FILE *to)
{
    page *p = calloc(1, sizeof *p);
    if (!p || !read_trend(p, path)) {
        free(p);
        return false;
    }
    fprintf(to, "<!DOCTYPE html>\n<meta charset=utf-8><title>Levin: the gate</title>\n<style>body{font:14px sans-serif;"
                "margin:2em}td,th{padding:2px 9px;text-align:right}td:first-child{text-align:left}.change{color:#c00}"
                "</style>\n<h1>The gate, %zu runs, up to %s</h1>\n", p->count, commit_of(p, p->count - 1));
    ratios(p, to);
    bool ok = true;
    if (flame || flame_title) {
        fputs("<h2>Where the time goes</h2>\n<p>", to);
        text(to, flame_title);
        fputs("</p>\n", to);
        ok = !flame || gate_flame(flame, to);
    }
    fprintf(to, "<h2>By commit</h2>\n<p>Instructions an operation are exact for one compiler. Times are those of the "
                "machine that day: no verdict comes from them. Red: a change of level (E-divisive, 1 %%).</p>\n");
    json_t *list, *entry;
    static char seen[128][GATE_NAME_BYTES];
    size_t known = 0, i;
    for (size_t run = 0; run < p->count; run++)
        for (int tier = 0; tier < 2; tier++) {
            list = json_object_get(json_object_get(json_object_get(p->runs[run], "gate"),
                                                   tier ? "time" : "instructions"), "workloads");
            json_array_foreach(list, i, entry) {
                const char *name = json_string_value(json_object_get(entry, "workload"));
                size_t k = 0;
                while (name && k < known && strcmp(seen[k], name))
                    k++;
                if (name && k == known && known < 128)
                    snprintf(seen[known++], GATE_NAME_BYTES, "%s", name);
            }
        }
    for (size_t k = 0; k < known; k++) {
        trend(p, to, seen[k], "instructions", "now", "instructions an operation", 1);
        trend(p, to, seen[k], "time", "now_ns", "us a slice", 1000);
    }
    for (i = 0; i < p->count; i++)
        json_decref(p->runs[i]);
    free(p);
    return ok && fflush(to) == 0 && !ferror(to);
}
