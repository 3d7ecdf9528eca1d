/*
 * scoreboard_html.c - a scoreboard as one self-contained page: the table, how to read it, what was set up, an example
 * of each bad outcome; plots by gnuplot where it is there.
 */
#include <string.h>

#include "report_files.h"
#include "scoreboard_words.h"

typedef unsigned long long ull;

enum { SCRIPT_BYTES = 16384 };

static const char *const colours[OUTCOME_COUNT] = { "#d9ead3", "#9fc5e8", "#ffe599", "#f9cb9c", "#f6b26b", "#e06666",
                                                    "#b4a7d6", "#8e7cc3" };

static void style(FILE *to)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>levin-chaos "
        "scoreboard</title>\n<style>"
          "body{font-family:sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse}"
          "td,th{padding:.25em .6em;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}"
          "code{background:#eee}pre{white-space:pre-wrap;margin:.3em 0}span{display:inline-block;padding:0 "
          ".35em;margin:1px;border-radius:3px}</style></head><body>\n<h1>Stores under the same faults</h1>\n", to);
}

static void cell(FILE *to, const board *b, const board_row *row, int c)
{
    const board_cell *l = &row->cells[c];
    fputs("<td>", to);
    if (row->failed[0] || (!l->due && !board_cell_done(l)))
        fputs("&ndash;", to);
    for (int o = OUTCOME_COUNT - 1; o >= 0; o--)
        if (l->counts[o])
            fprintf(to, "<span style=\"background:%s\">%s&nbsp;%llu%s</span> ", colours[o], outcome_text((outcome)o),
                    (ull)l->counts[o], board_outcome_doubtful(b, l, (board_class)c, (outcome)o) ? "&nbsp;?" : "");
    if (l->check_found)
        fprintf(to, "<small>(%llu by its own check alone)</small>", (ull)l->check_found);
    if (board_told_lives(l, BOARD_TOLD_GOES_ON))
        fprintf(to, "<small>(in %llu a commit was acknowledged after a failed one: %llu there, %llu damaged and told, "
                    "%llu lost)</small>", (ull)board_told_lives(l, BOARD_TOLD_GOES_ON),
                (ull)l->told[BOARD_TOLD_GOES_ON][OUTCOME_RIGHT], (ull)l->told[BOARD_TOLD_GOES_ON][OUTCOME_DETECTED],
                (ull)board_told_bad(l, BOARD_TOLD_GOES_ON));
}

static void table(FILE *to, const board *b)
{
    fputs("<table><tr><th>store", to);
    for (int c = 0; c < BOARD_CLASSES; c++) {
        fputs("<th>", to);
        report_escape(to, board_class_text((board_class)c));
    }
    fputs("</tr>\n", to);
    for (size_t i = 0; i < b->row_count; i++) {
        fputs("<tr><th>", to);
        report_escape(to, b->rows[i]->spec.label);
        for (int c = 0; c < BOARD_CLASSES; c++)
            cell(to, b, b->rows[i], c);
        fputs("</tr>\n", to);
    }
    for (const store_absence *a = b->absences; a && a->name; a++)
        fprintf(to, "<tr><th>%s<td colspan=\"%d\">absent (install %s)</tr>\n", a->name, BOARD_CLASSES, a->package);
    fputs("</table>\n", to);
}

/* Of all trials of each store, the share of each outcome. */
static void shares(FILE *to, const board *b)
{
    char script[SCRIPT_BYTES];
    size_t at = (size_t)snprintf(script, sizeof script, "$d << EOD\n");
    for (size_t i = 0; i < b->row_count && at < sizeof script - 1024; i++) {
        uint64_t sums[OUTCOME_COUNT] = { 0 }, all = 0;
        const char *label = strrchr(b->rows[i]->spec.label, '/');
        for (int c = 0; c < BOARD_CLASSES; c++)
            for (int o = 0; o < OUTCOME_COUNT; o++) {
                sums[o] += b->rows[i]->cells[c].counts[o];
                all += b->rows[i]->cells[c].counts[o];
            }
        at += (size_t)snprintf(script + at, sizeof script - at, "\"%.80s\"",
                               label ? label + 1 : b->rows[i]->spec.label);
        for (int o = 0; o < OUTCOME_COUNT; o++)
            at += (size_t)snprintf(script + at, sizeof script - at, " %.2f",
                                   all ? 100.0 * (double)sums[o] / (double)all : 0);
        at += (size_t)snprintf(script + at, sizeof script - at, "\n");
    }
    at += (size_t)snprintf(script + at, sizeof script - at,
                           "EOD\nset terminal svg size 1000,420 dynamic\nset style data histogram\n"
                           "set style histogram rowstacked\nset style fill solid 1\nset boxwidth 0.8\n"
                           "set ylabel 'percent of its trials'\nset yrange [0:100]\nset key outside\n"
                           "set xtics rotate by -45 noenhanced\nplot ");
    for (int o = 0; o < OUTCOME_COUNT; o++)
        at += (size_t)snprintf(script + at, sizeof script - at, "%s$d using %d:xtic(1) title '%s' linecolor rgb '%s'",
                               o ? ", " : "", o + 2, outcome_text((outcome)o), colours[o]);
    snprintf(script + at, sizeof script - at, "\n");
    report_plot(to, script);
}

static void how_to_read(FILE *to)
{
    fputs("<h2>How to read it</h2>\n<h3>Verdicts</h3>\n<table>\n", to);
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        fprintf(to, "<tr><td><span style=\"background:%s\">%s</span><td>", colours[o], outcome_text((outcome)o));
        report_escape(to, board_outcome_meaning((outcome)o));
        fputs("</tr>\n", to);
    }
    fputs("<tr><td>?<td>no example of it came back three times in a row by its line: no finding</tr>\n</table>\n", to);
    for (const board_section *section = board_how_to_read; section->title; section++) {
        fputs("<h3>", to);
        report_escape(to, section->title);
        fputs("</h3>\n<ul>\n", to);
        for (const char *const *p = section->points; *p; p++) {
            fputs("<li>", to);
            report_escape(to, *p);
            fputs("\n", to);
        }
        fputs("</ul>\n", to);
    }
}

/* Which stores go on after a failed sync on the same handle, and whether what they acknowledged is there. */
static void failed_syncs(FILE *to, const board *b)
{
    fputs("<h2>A sync failed, then another commit on the same handle, then a power "
          "cut</h2>\n<table><tr><th>store<th>lives<th>acknowledged a later commit: there<th>damaged, and "
          "told<th>lost<th>refused all later commits<th>no commit failed: nothing lost<th>lost</tr>\n", to);
    for (size_t i = 0; i < b->row_count; i++) {
        const board_cell *l = &b->rows[i]->cells[BOARD_SYNC];
        const uint64_t *on = l->told[BOARD_TOLD_GOES_ON];
        const uint64_t quiet = board_told_lives(l, BOARD_TOLD_NOTHING);
        const uint64_t quiet_lost = board_told_bad(l, BOARD_TOLD_NOTHING);
        if (!board_cell_done(l))
            continue;
        fputs("<tr><td>", to);
        report_escape(to, b->rows[i]->spec.label);
        fprintf(to, "<td>%llu<td>%llu<td>%llu<td>%llu<td>%llu<td>%llu<td>%llu</tr>\n", (ull)board_cell_done(l),
                (ull)on[OUTCOME_RIGHT], (ull)on[OUTCOME_DETECTED], (ull)board_told_bad(l, BOARD_TOLD_GOES_ON),
                (ull)board_told_lives(l, BOARD_TOLD_REFUSES), (ull)(quiet - quiet_lost), (ull)quiet_lost);
    }
    fputs("</table>\n", to);
}

static void known(FILE *to, const board *b)
{
    board_claim claims[BOARD_CLAIMS];
    board_claims(b, claims);
    fputs("<h2>What was known before, and this report</h2>\n<table>\n", to);
    for (size_t i = 0; i < BOARD_CLAIMS; i++) {
        fputs("<tr><td>", to);
        report_escape(to, claims[i].text);
        fprintf(to, "<td>%s<td>", board_verdict_text(claims[i].verdict));
        report_escape(to, claims[i].figures);
        fputs("</tr>\n", to);
    }
    fputs("</table>\n", to);
}

static void part(FILE *to, const char *what, const board_part *p)
{
    char digest[BOARD_DIGEST_BYTES];
    board_digest_text(p->digest, digest);
    if (p->digest)
        fprintf(to, "%s <code>%s</code>, %s<br>", what, digest, board_again_text(p->again));
}

static void stores(FILE *to, const board *b)
{
    fputs("<h2>Stores</h2>\n<table><tr><th>store<th>version<th>configuration<th>not promised<th>strictest "
          "configuration<th>files<th>KiB<th>trials<th>seconds<th>digests, and what comes out when they are made "
          "again</tr>\n", to);
    for (size_t i = 0; i < b->row_count; i++) {
        const board_row *row = b->rows[i];
        uint64_t done = 0;
        for (int c = 0; c < BOARD_CLASSES; c++)
            done += board_cell_done(&row->cells[c]);
        fputs("<tr><td>", to);
        report_escape(to, row->spec.label);
        fputs("<td>", to);
        report_escape(to, row->spec.adapter->version());
        fputs("<td>", to);
        report_escape(to, row->configuration);
        if (row->failed[0]) {
            fputs("<br><b>not judged:</b> ", to);
            report_escape(to, row->failed);
        }
        fputs("<td>", to);
        report_escape(to, row->spec.adapter->not_promised ? row->spec.adapter->not_promised : "");
        fputs("<td>", to);
        report_escape(to, row->spec.adapter->strictest ? row->spec.adapter->strictest : "it does not say");
        fprintf(to, "<td>%llu<td>%llu<td>%llu<td>%.1f<td>", (ull)row->files, (ull)(row->bytes >> 10), (ull)done,
                row->seconds);
        part(to, "files", &row->made_files);
        part(to, "recording", &row->made_life);
        fputs("</tr>\n", to);
    }
    for (const store_absence *a = b->absences; a && a->name; a++)
        fprintf(to, "<tr><td>%s<td colspan=\"9\">absent (install %s)</tr>\n", a->name, a->package);
    fputs("</table>\n", to);
}

static void examples(FILE *to, const board *b)
{
    fputs("<h2>An example of each bad outcome</h2>\n<table><tr><th>store<th>outcome<th>what was done<th>what came "
        "of it<th>again"
          "<th>once more with</tr>\n", to);
    for (size_t i = 0; i < b->row_count; i++)
        for (int c = 0; c < BOARD_CLASSES; c++)
            for (int o = 0; o < OUTCOME_COUNT; o++) {
                const board_example *e = b->rows[i]->cells[c].examples[o];
                char line[BOARD_REPLAY_BYTES];
                if (!e->there || !board_is_bad((board_class)c, (outcome)o))
                    continue;
                const char *const parts[] = { b->rows[i]->spec.label, outcome_text((outcome)o), e->what, e->text };
                fputs("<tr>", to);
                for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
                    fputs("<td>", to);
                    report_escape(to, parts[p]);
                    if (p == 2 && e->relies[0]) {
                        fputs("<pre>", to);
                        report_escape(to, e->relies);
                        fputs("</pre>", to);
                    }
                }
                board_replay_line(b, b->rows[i], (board_class)c, e->number, line);
                fprintf(to, "<td>%u of %d ", e->reproduced, BOARD_REPEATS);
                report_escape(to, e->differs);
                fputs("<td><code>", to);
                report_escape(to, line);
                fputs("</code></tr>\n", to);
            }
    fputs("</table>\n", to);
}

void board_html(FILE *to, const board *b)
{
    style(to);
    fprintf(to, "<p>levin-chaos scoreboard, seed %llu, %u batches over %u keys, %.1f s with %u jobs",
            (ull)b->options.seed, b->options.batches, b->options.keys, b->seconds, b->options.jobs);
    if (board_taken(b))
        fprintf(to, "; of %llu trials the results are those of earlier runs", (ull)board_taken(b));
    fprintf(to, "%s%s.</p>\n",
            b->out_of_time ? "; the budget was over before everything was done" : "",
            b->interrupted ? "; interrupted: this is what was done until then" : "");
    table(to, b);
    shares(to, b);
    failed_syncs(to, b);
    known(to, b);
    how_to_read(to);
    stores(to, b);
    examples(to, b);
    fputs("</body></html>\n", to);
}
