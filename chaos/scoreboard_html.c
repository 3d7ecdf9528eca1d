/*
 * scoreboard_html.c - a scoreboard as one self-contained page: the table, how to read it, what was set up, an example
 * of each bad outcome; plots by gnuplot where it is there.
 */
#include <string.h>

#include "report_files.h"
#include "scoreboard.h"

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
          "code{background:#eee}span{display:inline-block;padding:0 .35em;margin:1px;border-radius:3px}"
          "</style></head><body>\n<h1>Stores under the same faults</h1>\n", to);
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
    fputs("<h2>How to read it</h2>\n<ul>\n"
          "<li>Each store was set up as somebody who knows it would for durable writes; the settings stand below. "
          "Where a stricter "
          "configuration exists it has a row of its own. A store is not blamed for a setting, and not for what its "
          "documentation leaves to the user: that stands below too.\n"
          "<li>All stores hold the same keys and values, written by the same batches. A trial is one damage to a "
          "copy of the closed "
          "store; then it is opened and everything read, by gets and by scans in both directions, and its own check "
          "run.\n"
          "<li><b>right</b>: the damage hit what no longer counts (dead versions, free pages, slack), or the store "
          "made up for it. "
          "A high share of it praises nobody: it depends on how much of the files is alive.\n"
          "<li><b>detected</b>: some call failed and no answer was wrong. What a scan showed before it failed is no "
          "answer.\n"
          "<li><b>lost</b>, <b>hole</b>, <b>wrong</b>: calls that succeeded, and answers of an earlier state; "
          "answers that were true "
          "once but never together; answers that never were true.\n"
          "<li><b>signal</b>, <b>hang</b>: the process that has the store open dies or stops. <b>leaked lock</b>: "
          "after an open that "
          "failed, sound files cannot be opened in that process.\n"
          "<li><b>?</b>: no example of it came back three times in a row by its replay line. It is no finding.\n"
          "<li>Shares of one class compare stores; the number of trials of a class is a choice and no probability "
          "of the fault.\n"
          "<li>Many designs leave damage to the file system or the device below on purpose. On storage that detects "
          "damage "
          "itself these rows look alike.\n"
          "</ul>\n", to);
}

static void stores(FILE *to, const board *b)
{
    fputs("<h2>Stores</h2>\n<table><tr><th>store<th>version<th>configuration<th>not "
        "promised<th>files<th>KiB<th>trials<th>"
          "seconds</tr>\n", to);
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
        fprintf(to, "<td>%llu<td>%llu<td>%llu<td>%.1f</tr>\n", (ull)row->files, (ull)(row->bytes >> 10), (ull)done,
                row->seconds);
    }
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
    fprintf(to, "<p>levin-chaos scoreboard, seed %llu, %u batches over %u keys, %.1f s with %u jobs%s%s.</p>\n",
            (ull)b->options.seed, b->options.batches, b->options.keys, b->seconds, b->options.jobs,
            b->out_of_time ? "; the budget was over before everything was done" : "",
            b->interrupted ? "; interrupted: this is what was done until then" : "");
    table(to, b);
    shares(to, b);
    how_to_read(to);
    examples(to, b);
    stores(to, b);
    fputs("</body></html>\n", to);
}
