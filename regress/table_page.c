/*
 * table_page.c - the speed table as one self-contained page: a bar plot of each figure, versions and settings of the
 * stores.
 *
 * Bars are SVG of our own, for they are rectangles.  A bar's length is the median's share of the largest value; the
 * line over it spans the rounds.
 */
#include <stdio.h>

#include "bench_table.h"

enum { BAR_LEFT = 110, BAR_WIDTH = 260, BAR_HEIGHT = 16, BAR_RIGHT = 90 };

static void escape(FILE *to, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc(*s, to);
        }
}

/* What a figure stands under: titles that begin with a space belong to the one before. */
static table_figure heading_of(table_figure f)
{
    while (f > FIGURE_NONE + 1 && table_figures[f].title[0] == ' ')
        f--;
    return f;
}

static double round_most(const bench_setup *s, const table_values *t, table_figure f)
{
    double most = 0;
    for (size_t i = 0; i < s->stores; i++)
        for (unsigned r = 0; r < s->rounds; r++)
            most = t->figure[r][i][f] > most ? t->figure[r][i][f] : most;
    return most;
}

static void bar(const bench_setup *s, const table_values *t, table_figure f, size_t which, double scale, FILE *to)
{
    char text[TABLE_CELL_BYTES];
    const double median = table_median(s, t, which, f);
    double low = median, high = median;
    for (unsigned r = 0; r < s->rounds; r++) {
        const double v = t->figure[r][which][f];
        low = v > 0 && v < low ? v : low;
        high = v > high ? v : high;
    }
    const int y = 4 + (int)which * (BAR_HEIGHT + 4);
    fprintf(to, "<text x=%d y=%d text-anchor=end>", BAR_LEFT - 6, y + 12);
    escape(to, s->store[which].label);
    fprintf(to, "</text><rect class=%s x=%d y=%d width=%.1f height=%d />", which == table_subject(s) ? "own" : "bar",
            BAR_LEFT, y, median * scale, BAR_HEIGHT);
    if (median > 0)
        fprintf(to, "<line x1=%.1f x2=%.1f y1=%d y2=%d />", BAR_LEFT + low * scale, BAR_LEFT + high * scale,
                y + BAR_HEIGHT / 2, y + BAR_HEIGHT / 2);
    fprintf(to, "<text x=%.1f y=%d>%s</text>\n", BAR_LEFT + high * scale + 5, y + 12,
            table_figure_text(text, f, median));
}

static void plot(const bench_setup *s, const table_values *t, table_figure f, FILE *to)
{
    const double most = round_most(s, t, f);
    if (most <= 0)
        return;
    const table_figure heading = heading_of(f);
    fputs("<figure><figcaption>", to);
    escape(to, table_figures[heading].title);
    if (f != heading)
        escape(to, table_figures[f].title + 1);
    fprintf(to, " <small>(%s is better)</small></figcaption>\n<svg width=%d height=%d>\n",
            table_figures[f].lower_is_better ? "less" : "more", BAR_LEFT + BAR_WIDTH + BAR_RIGHT,
            8 + (int)s->stores * (BAR_HEIGHT + 4));
    for (size_t i = 0; i < s->stores; i++)
        bar(s, t, f, i, BAR_WIDTH / most, to);
    fputs("</svg></figure>\n", to);
}

static void settings(const bench_setup *s, FILE *to)
{
    char text[STORE_MESSAGE_BYTES];
    fputs("<h2>Versions and settings</h2>\n<table><tr><th>store<th>version<th>without sync<th>synced</tr>\n", to);
    for (size_t i = 0; i < s->stores; i++) {
        fputs("<tr><td>", to);
        escape(to, s->store[i].label);
        fputs("<td>", to);
        escape(to, s->store[i].adapter->version());
        for (int synced = 0; synced < 2; synced++) {
            fputs("<td class=words>", to);
            escape(to, bench_configuration(s, i, synced, text));
        }
        fputs(s->store[i].adapter->capabilities & STORE_IS_TUNED ? "</tr>\n" : " <b>Not set up for speed.</b></tr>\n",
              to);
    }
    fputs("</table>\n", to);
    for (const store_absence *absence = store_absences(); absence->name; absence++)
        fprintf(to, "<p>%s: not built; make deps-stores installs %s\n", absence->name, absence->package);
}

bool table_report_page(const bench_setup *s, const table_values *t, double seconds, FILE *to)
{
    const bench_options *o = &s->o;
    fputs("<!DOCTYPE html>\n<meta charset=utf-8><title>Levin beside other stores</title>\n<style>body{font:14px "
          "sans-serif;margin:2em}figure{display:inline-block;margin:0 1.5em 1em 0}svg{font-size:12px}.bar{fill:#9ab}"
          ".own{fill:#3465a4}line{stroke:#333}td,th{padding:2px 9px;text-align:left;vertical-align:top}"
          ".words{max-width:36em}</style>\n<h1>Levin beside other stores</h1>\n", to);
    fprintf(to, "<p>%llu keys of %u B, values of %u B, %u round(s), %g s a timed figure, seed %llu; measured in %.0f "
                "s.\nThe stores in turn in each part of each round, each in a process and a directory of its own. "
                "Medians; the line spans the rounds. Memory and disk stand beside speed, at the end.\n",
            (unsigned long long)o->num, o->key_bytes, o->value_bytes, s->rounds, o->duration_s,
            (unsigned long long)o->seed, seconds);
    for (table_figure f = FIGURE_NONE + 1; f < TABLE_FIGURES; f++)
        plot(s, t, f, to);
    settings(s, to);
    return !ferror(to);
}
