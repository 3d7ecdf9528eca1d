/*
 * table_report.c - the speed table as text, CSV and JSON.
 */
#include <stdio.h>
#include <string.h>

#include "../engine/levin.h"
#include "bench_table.h"

enum { CELL_BYTES = TABLE_CELL_BYTES };

/* Three significant digits with the unit that fits. */
static const char *scaled(char text[CELL_BYTES], double v, const char *const units[4], double step)
{
    int u = 0;
    while (u < 3 && v >= step && units[u + 1]) {
        v /= step;
        u++;
    }
    snprintf(text, CELL_BYTES, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[u]);
    return text;
}

const char *table_figure_text(char text[TABLE_CELL_BYTES], table_figure f, double v)
{
    static const char *const rates[4] = { "/s", "k/s", "M/s", "G/s" }, *const times[4] = { "ns", "us", "ms", "s" },
                      *const speeds[4] = { "B/s", "kB/s", "MB/s", "GB/s" },
                      *const sizes[4] = { "B", "KiB", "MiB", "GiB" };
    if (v <= 0)
        return snprintf(text, CELL_BYTES, "-"), text;
    switch (table_figures[f].unit) {
    case UNIT_PER_S: return scaled(text, v, rates, 1000);
    case UNIT_BYTES_PER_S: return scaled(text, v, speeds, 1000);
    case UNIT_NS: return scaled(text, v, times, 1000);
    case UNIT_S: return scaled(text, v * 1e9, times, 1000);
    case UNIT_BYTES: return scaled(text, v, sizes, 1024);
    case UNIT_COUNT: return snprintf(text, CELL_BYTES, "%.0f", v), text;
    default: return snprintf(text, CELL_BYTES, "%.2fx", v), text;
    }
}

static const char *asked_text(char text[CELL_BYTES], const table_line *line)
{
    char limit[CELL_BYTES];
    if (line->kind == LINE_LIMIT)
        snprintf(text, CELL_BYTES, "<= %.24s", table_figure_text(limit, line->ours, line->asked));
    else
        snprintf(text, CELL_BYTES, "%gx", line->asked);
    return text;
}

static void spread_text(char text[3 * CELL_BYTES], const table_line *line, const table_verdict *v)
{
    char median[CELL_BYTES], low[CELL_BYTES], high[CELL_BYTES];
    if (!v->known)
        snprintf(text, 3 * CELL_BYTES, "-");
    else if (line->kind != LINE_LIMIT)
        snprintf(text, 3 * CELL_BYTES, "%.2fx (%.2f-%.2f)", v->median, v->low, v->high);
    else
        snprintf(text, 3 * CELL_BYTES, "%s (%s-%s)", table_figure_text(median, line->ours, v->median),
                 table_figure_text(low, line->ours, v->low), table_figure_text(high, line->ours, v->high));
}

static const char *met_text(const table_line *line, const table_verdict *v)
{
    return line->kind == LINE_NOT_YET ? "not yet" : !v->known ? "unknown" : v->met ? "met" : "NOT MET";
}

static void print_line(const bench_setup *s, const table_values *t, const table_line *line, FILE *to)
{
    char asked[CELL_BYTES], spread[3 * CELL_BYTES], ours[CELL_BYTES], theirs[CELL_BYTES];
    const table_verdict v = table_judge(s, t, line);
    spread_text(spread, line, &v);
    fprintf(to, "%-36s %10s  %-30s %-8s", line->work, asked_text(asked, line), spread, met_text(line, &v));
    if (line->kind == LINE_RATIO && v.known)
        fprintf(to, " %10s : %s %s",
                table_figure_text(ours, line->ours, table_median(s, t, table_subject(s), line->ours)),
                table_figure_text(theirs, line->theirs, table_median(s, t, v.best, line->theirs)),
                s->store[v.best].label);
    if (line->kind == LINE_SELF && v.known)
        fprintf(to, " %10s : %s",
                table_figure_text(ours, line->ours, table_median(s, t, table_subject(s), line->ours)),
                table_figure_text(theirs, line->theirs, table_median(s, t, table_subject(s), line->theirs)));
    if (line->kind == LINE_RATIO && !v.known)
        fprintf(to, " none of the stores to beat was measured");
    fprintf(to, "%s%s%s\n", line->note ? " (" : "", line->note ? line->note : "", line->note ? ")" : "");
}

static void print_figures(const bench_setup *s, const table_values *t, FILE *to)
{
    int width = 11;
    for (size_t i = 0; i < s->stores; i++)
        width = (int)strlen(s->store[i].label) > width ? (int)strlen(s->store[i].label) : width;
    fprintf(to, "\n%-30s", "median");
    for (size_t i = 0; i < s->stores; i++)
        fprintf(to, " %*s", width, s->store[i].label);
    fprintf(to, "\n");
    for (table_figure f = FIGURE_NONE + 1; f < TABLE_FIGURES; f++) {
        fprintf(to, "%-30s", table_figures[f].title);
        for (size_t i = 0; i < s->stores; i++) {
            char text[CELL_BYTES];
            fprintf(to, " %*s", width, table_figure_text(text, f, table_median(s, t, i, f)));
        }
        fprintf(to, "\n");
    }
}

void table_report_text(const bench_setup *s, const table_values *t, double seconds, FILE *to)
{
    size_t count;
    unsigned met = 0, judged = 0;
    const table_line *lines = table_lines(&count);
    const bench_options *o = &s->o;
    const table_budget budget = table_budget_of(o);
    bench_stores_text(s, to);
    fprintf(to, "%llu keys of %u B, values of %u B, %u round(s), %g s a timed figure, seed %llu\n"
           "memory: cache %llu MiB and two write buffers of %llu MiB, or all as cache; kill: after %.3g MiB\n\n",
           (unsigned long long)o->num, o->key_bytes, o->value_bytes, s->rounds, o->duration_s,
           (unsigned long long)o->seed, (unsigned long long)(budget.cache_bytes >> 20),
           (unsigned long long)(budget.write_buffer_bytes >> 20), (double)s->kill_log_bytes / (1 << 20));
    fprintf(to, "%-36s %10s  %-30s %-8s %s : best of those to beat\n", "work", "asked", "measured (lowest-highest)", "",
           s->store[table_subject(s)].label);
    for (size_t i = 0; i < count; i++) {
        const table_verdict v = table_judge(s, t, &lines[i]);
        print_line(s, t, &lines[i], to);
        judged += v.known;
        met += v.known && v.met;
    }
    print_figures(s, t, to);
    fprintf(to, "\n%u of %zu lines met, %zu not judged; measured in %.0f s\n", met, count, count - judged, seconds);
}

/* ---- CSV ---- */

static const char *const units[] = { [UNIT_PER_S] = "per second", [UNIT_BYTES_PER_S] = "bytes per second",
                                     [UNIT_NS] = "ns", [UNIT_S] = "s", [UNIT_BYTES] = "bytes",
                                     [UNIT_TIMES] = "times", [UNIT_COUNT] = "number" };

bool table_report_csv(const bench_setup *s, const table_values *t, FILE *to)
{
    fprintf(to, "figure,unit,lower_is_better,store,median,lowest,highest,rounds\n");
    for (table_figure f = FIGURE_NONE + 1; f < TABLE_FIGURES; f++)
        for (size_t i = 0; i < s->stores; i++) {
            double v[BENCH_ROUNDS_MAX];
            size_t n = 0;
            for (unsigned r = 0; r < s->rounds; r++)
                if (t->figure[r][i][f] > 0)
                    v[n++] = t->figure[r][i][f];
            const double median = bench_median(v, n); /* sorts */
            if (n)
                fprintf(to, "%s,%s,%d,%s,%.17g,%.17g,%.17g,%zu\n", table_figures[f].name,
                        units[table_figures[f].unit], table_figures[f].lower_is_better, s->store[i].label, median,
                        v[0], v[n - 1], n);
        }
    return !ferror(to);
}

/* ---- JSON ---- */

static json_t *json_of_line(const bench_setup *s, const table_values *t, const table_line *line)
{
    const table_verdict v = table_judge(s, t, line);
    json_t *peers = json_array();
    for (int p = 0; p < LINE_PEERS_MAX && line->peers[p]; p++)
        json_array_append_new(peers, json_string(line->peers[p]));
    const bool ratio = line->kind == LINE_RATIO;
    static const char *const kinds[] = { [LINE_RATIO] = "ratio", [LINE_SELF] = "ratio of its own figures",
                                         [LINE_LIMIT] = "limit", [LINE_NOT_YET] = "not yet" };
    return json_pack("{s:s, s:s, s:f, s:o, s:b, s:b, s:f, s:f, s:f, s:s?, s:s?}", "work", line->work, "kind",
                     kinds[line->kind], "asked", line->asked, "to_beat",
                     peers, "judged", v.known, "met", v.known && v.met, "median", v.median, "low", v.low, "high",
                     v.high, "best", ratio && v.known ? s->store[v.best].label : NULL, "note", line->note);
}

static json_t *json_of_figure(const bench_setup *s, const table_values *t, table_figure f)
{
    json_t *stores = json_object();
    for (size_t i = 0; i < s->stores; i++) {
        json_t *rounds = json_array();
        for (unsigned r = 0; r < s->rounds; r++)
            if (t->figure[r][i][f] > 0)
                json_array_append_new(rounds, json_real(t->figure[r][i][f]));
        json_object_set_new(stores, s->store[i].label, rounds);
    }
    return json_pack("{s:s, s:s, s:o}", "figure", table_figures[f].name, "unit", units[table_figures[f].unit],
                     "rounds", stores);
}

bool table_report_json(const bench_setup *s, const table_values *t, double seconds, FILE *to)
{
    size_t count;
    const table_line *lines = table_lines(&count);
    json_t *judged = json_array(), *figures = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(judged, json_of_line(s, t, &lines[i]));
    for (table_figure f = FIGURE_NONE + 1; f < TABLE_FIGURES; f++)
        json_array_append_new(figures, json_of_figure(s, t, f));
    return bench_json_print(json_pack("{s:s, s:o, s:f, s:s, s:o, s:o, s:o}", "version", LEVIN_VERSION, "options",
                                      bench_options_json(s), "seconds", seconds, "subject",
                                      s->store[table_subject(s)].label, "stores", bench_stores_json(s), "lines",
                                      judged, "figures", figures), to);
}
