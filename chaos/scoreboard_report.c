/*
 * scoreboard_report.c - a scoreboard as text and as JSON.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "scoreboard_words.h"

typedef unsigned long long ull;

enum { CELL_BYTES = 96, TEXT_COLUMNS = 118 };

static void cell_text(const board *b, const board_row *row, int c, char text[CELL_BYTES])
{
    const board_cell *cell = &row->cells[c];
    size_t at = 0;
    text[0] = '\0';
    if (row->failed[0] || (!cell->due && !board_cell_done(cell))) {
        snprintf(text, CELL_BYTES, "-");
        return;
    }
    for (int o = OUTCOME_COUNT - 1; o >= 0; o--) /* the worst first */
        if (cell->counts[o])
            at += (size_t)snprintf(text + at, CELL_BYTES - at, "%s%c%llu%s", at ? " " : "", board_letter((outcome)o),
                                   (ull)cell->counts[o],
                                   board_outcome_doubtful(b, cell, (board_class)c, (outcome)o) ? "?" : "");
    if (!at)
        snprintf(text, CELL_BYTES, "not reached");
}

static size_t longest_label(const board *b)
{
    size_t most = strlen("store");
    for (size_t i = 0; i < b->row_count; i++)
        if (strlen(b->rows[i]->spec.label) > most)
            most = strlen(b->rows[i]->spec.label);
    for (const store_absence *a = b->absences; a && a->name; a++)
        most = strlen(a->name) > most ? strlen(a->name) : most;
    return most;
}

static void table(FILE *to, const board *b)
{
    char text[CELL_BYTES];
    size_t width[BOARD_CLASSES];
    const int label = (int)longest_label(b);
    fprintf(to, "%-*s", label, "store");
    for (int c = 0; c < BOARD_CLASSES; c++) {
        width[c] = strlen(board_class_word((board_class)c));
        for (size_t i = 0; i < b->row_count; i++) {
            cell_text(b, b->rows[i], c, text);
            width[c] = strlen(text) > width[c] ? strlen(text) : width[c];
        }
        fprintf(to, "  %-*s", (int)width[c], board_class_word((board_class)c));
    }
    fputs("\n", to);
    for (size_t i = 0; i < b->row_count; i++) {
        fprintf(to, "%-*s", label, b->rows[i]->spec.label);
        for (int c = 0; c < BOARD_CLASSES; c++) {
            cell_text(b, b->rows[i], c, text);
            fprintf(to, "  %-*s", (int)width[c], text);
        }
        fputs("\n", to);
    }
    for (const store_absence *a = b->absences; a && a->name; a++)
        fprintf(to, "%-*s  absent (install %s)\n", label, a->name, a->package);
}

/* In lines of no more than TEXT_COLUMNS: the first after `first`, the others after as many spaces. */
static void wrapped(FILE *to, const char *first, const char *text)
{
    const int indent = (int)strlen(first);
    const char *lead = first;
    while (*text) {
        size_t bytes = strlen(text);
        if (bytes > (size_t)(TEXT_COLUMNS - indent)) {
            bytes = (size_t)(TEXT_COLUMNS - indent);
            while (bytes > 1 && text[bytes] != ' ')
                bytes--;
        }
        fprintf(to, "%*s%.*s\n", indent, lead, (int)bytes, text);
        lead = "";
        text += bytes + (text[bytes] == ' ');
    }
}

static void legend(FILE *to)
{
    fputs("\n", to);
    for (int c = 0; c < BOARD_CLASSES; c++)
        fprintf(to, "  %-12s %s\n", board_class_word((board_class)c), board_class_text((board_class)c));
    fputs("\n", to);
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        char lead[32];
        snprintf(lead, sizeof lead, "  %c %-12s", board_letter((outcome)o), outcome_text((outcome)o));
        wrapped(to, lead, board_outcome_meaning((outcome)o));
    }
    fputs("  ? no example came back three times in a row: no finding\n", to);
}

static void how_to_read(FILE *to)
{
    for (const board_section *s = board_how_to_read; s->title; s++) {
        fprintf(to, "\n%s\n", s->title);
        for (const char *const *p = s->points; *p; p++)
            wrapped(to, "  - ", *p);
    }
}

static void known(FILE *to, const board *b)
{
    board_claim claims[BOARD_CLAIMS];
    board_claims(b, claims);
    fputs("\nWhat was known before, and this report\n", to);
    for (size_t i = 0; i < BOARD_CLAIMS; i++) {
        char lead[32];
        snprintf(lead, sizeof lead, "  %-13s ", board_verdict_text(claims[i].verdict));
        wrapped(to, lead, claims[i].text);
        if (claims[i].figures[0])
            wrapped(to, "                ", claims[i].figures);
    }
}

/* Which stores go on after a failed sync on the same handle, and whether what they acknowledged is there. */
static void failed_syncs(FILE *to, const board *b)
{
    const int label = (int)longest_label(b);
    fprintf(to, "\nA sync failed, then another commit on the same handle, then a power cut: lives\n"
                "  %-*s  acknowledged: there  damaged, told  lost  -  refused  -  no commit failed: there  lost\n",
            label, "store");
    for (size_t i = 0; i < b->row_count; i++) {
        const board_cell *cell = &b->rows[i]->cells[BOARD_SYNC];
        const uint64_t *on = cell->told[BOARD_TOLD_GOES_ON];
        if (board_cell_done(cell))
            fprintf(to, "  %-*s  %19llu  %13llu  %4llu     %7llu     %23llu  %4llu\n", label, b->rows[i]->spec.label,
                    (ull)on[OUTCOME_RIGHT], (ull)on[OUTCOME_DETECTED], (ull)board_told_bad(cell, BOARD_TOLD_GOES_ON),
                    (ull)board_told_lives(cell, BOARD_TOLD_REFUSES),
                    (ull)(board_told_lives(cell, BOARD_TOLD_NOTHING) - board_told_bad(cell, BOARD_TOLD_NOTHING)),
                    (ull)board_told_bad(cell, BOARD_TOLD_NOTHING));
    }
}

/* The first row of an adapter: what it says for all its rows is said once. */
static bool is_first_of(const board *b, size_t i)
{
    return i == 0 || b->rows[i - 1]->spec.adapter != b->rows[i]->spec.adapter;
}

static const char *strictest_text(const board_row *row)
{
    return row->spec.adapter->strictest ? row->spec.adapter->strictest : "it does not say";
}

static void part_text(FILE *to, const char *what, const board_part *part)
{
    char digest[BOARD_DIGEST_BYTES];
    board_digest_text(part->digest, digest);
    if (part->digest)
        fprintf(to, "    %s: digest %s, made %d times: %s\n", what, digest, BOARD_REPEATS,
                board_again_text(part->again));
}

static void stores(FILE *to, const board *b)
{
    fputs("\nStores, as they were set up (small sizes, so that their logs are switched and merged)\n", to);
    for (size_t i = 0; i < b->row_count; i++) {
        const board_row *row = b->rows[i];
        uint64_t done = 0;
        for (int c = 0; c < BOARD_CLASSES; c++)
            done += board_cell_done(&row->cells[c]);
        fprintf(to, "  %s, version %s: %s\n", row->spec.label, row->spec.adapter->version(), row->configuration);
        if (row->spec.adapter->not_promised)
            fprintf(to, "    not promised: %s\n", row->spec.adapter->not_promised);
        if (is_first_of(b, i))
            fprintf(to, "    strictest: %s\n", strictest_text(row));
        if (row->failed[0])
            fprintf(to, "    NOT JUDGED: %s\n", row->failed);
        else
            fprintf(to, "    %llu files, %llu KiB; %llu trials, %.1f s\n", (ull)row->files, (ull)(row->bytes >> 10),
                    (ull)done, row->seconds);
        part_text(to, "files", &row->made_files);
        part_text(to, "recording", &row->made_life);
        if (row->not_recorded[0])
            fprintf(to, "    no lives under the recorder: %s\n", row->not_recorded);
    }
    for (const store_absence *a = b->absences; a && a->name; a++)
        fprintf(to, "  %s: absent (install %s)\n", a->name, a->package);
}

static void relies_text(FILE *to, const char *relies)
{
    for (const char *line = relies; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n'))
        fprintf(to, "      %.*s\n", (int)strcspn(line, "\n"), line);
}

static void examples(FILE *to, const board *b)
{
    fputs("\nAn example of each bad outcome\n", to);
    for (size_t i = 0; i < b->row_count; i++)
        for (int c = 0; c < BOARD_CLASSES; c++)
            for (int o = 0; o < OUTCOME_COUNT; o++) {
                const board_example *e = b->rows[i]->cells[c].examples[o];
                char line[BOARD_REPLAY_BYTES];
                if (!e->there || !board_is_bad((board_class)c, (outcome)o))
                    continue;
                board_replay_line(b, b->rows[i], (board_class)c, e->number, line);
                fprintf(to, "  %s, %s: %s\n    %s; ", b->rows[i]->spec.label, outcome_text((outcome)o), e->what,
                        e->text);
                if (b->confirmed)
                    fprintf(to, "again %u of %d times%s%s\n    %s\n", e->reproduced, BOARD_REPEATS,
                            e->differs[0] ? ", no finding; otherwise: " : "", e->differs, line);
                else
                    fprintf(to, "not done again\n    %s\n", line);
                relies_text(to, e->relies);
            }
}

void board_text(FILE *to, const board *b)
{
    table(to, b);
    legend(to);
    failed_syncs(to, b);
    known(to, b);
    how_to_read(to);
    stores(to, b);
    examples(to, b);
    fprintf(to, "\nseed %llu, %u batches over %u keys, %.1f s with %u jobs", (ull)b->options.seed, b->options.batches,
            b->options.keys, b->seconds, b->options.jobs);
    if (board_taken(b))
        fprintf(to, "; of %llu trials the results are those of earlier runs", (ull)board_taken(b));
    fprintf(to, "%s%s\n",
            b->out_of_time ? "; the budget was over before everything was done" : "",
            b->interrupted ? "; interrupted: this is what was done until then" : "");
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static const char *const told_words[BOARD_TOLD_COUNT] = { "none_failed", "refused_after_a_failure",
                                                           "acknowledged_after_a_failure" };

static json_t *cell_json(const board *b, const board_row *row, int c)
{
    const board_cell *cell = &row->cells[c];
    json_t *counts = json_object(), *list = json_array();
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        const board_example *e = cell->examples[o];
        char line[BOARD_REPLAY_BYTES], place[BOARD_PLACE_BYTES];
        json_object_set_new(counts, outcome_text((outcome)o), json_integer((json_int_t)cell->counts[o]));
        if (!e->there || !board_is_bad((board_class)c, (outcome)o))
            continue;
        board_replay_line(b, row, (board_class)c, e->number, line);
        board_place_text((board_class)c, e->number, place);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s%, s:s%, s:s%, s:i, s:b, s:s%, s:s}", "outcome",
                                              outcome_text((outcome)o), "place", place, "what", e->what,
                                              strlen(e->what), "text", e->text, strlen(e->text), "relies_on",
                                              e->relies, strlen(e->relies), "reproduced",
                                              (int)e->reproduced, "finding",
                                              !board_outcome_doubtful(b, cell, (board_class)c, (outcome)o),
                                              "differs", e->differs, strlen(e->differs), "replay", line));
    }
    json_t *told = json_object();
    for (int t = 0; t < BOARD_TOLD_COUNT; t++)
        json_object_set_new(told, told_words[t],
                            json_pack("{s:I, s:I, s:I, s:I}", "lives", (json_int_t)board_told_lives(cell, t), "there",
                                      (json_int_t)cell->told[t][OUTCOME_RIGHT], "damaged_and_told",
                                      (json_int_t)cell->told[t][OUTCOME_DETECTED], "lost",
                                      (json_int_t)board_told_bad(cell, t)));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:I, s:o}", "class",
                     board_class_word((board_class)c), "due",
                     (json_int_t)cell->due, "done", (json_int_t)board_cell_done(cell), "bad",
                     (json_int_t)board_cell_bad(cell, (board_class)c), "found",
                     (json_int_t)board_cell_found(b, cell, (board_class)c), "outcomes", counts,
                     "found_by_its_check_alone",
                     (json_int_t)cell->check_found, "commits", told,
                     "skipped", (json_int_t)cell->skipped, "examples", list);
}

static json_t *part_json(const board_part *part)
{
    char digest[BOARD_DIGEST_BYTES];
    if (!part->digest)
        return json_null();
    board_digest_text(part->digest, digest);
    return json_pack("{s:s, s:s}", "digest", digest, "made_again", board_again_text(part->again));
}

static json_t *row_json(const board *b, const board_row *row)
{
    json_t *cells = json_array();
    for (int c = 0; c < BOARD_CLASSES; c++)
        json_array_append_new(cells, cell_json(b, row, c));
    const store_adapter *adapter = row->spec.adapter;
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:n, s:o, s:o, s:I, s:I, s:f, s:o}", "store",
                     row->spec.label, "version", adapter->version(), "configuration", row->configuration,
                     "not_promised", adapter->not_promised, "strictest", adapter->strictest, "not_judged",
                     row->failed[0] ? row->failed : NULL, "not_recorded",
                     row->not_recorded[0] ? row->not_recorded : NULL, "absent", "files_made",
                     part_json(&row->made_files), "recording_made", part_json(&row->made_life), "files",
                     (json_int_t)row->files, "bytes", (json_int_t)row->bytes, "seconds", row->seconds, "classes",
                     cells);
}

void board_json(FILE *to, const board *b)
{
    board_claim claims[BOARD_CLAIMS];
    json_t *rows = json_array(), *known = json_array();
    for (size_t i = 0; i < b->row_count; i++)
        json_array_append_new(rows, row_json(b, b->rows[i]));
    for (const store_absence *a = b->absences; a && a->name; a++)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:[]}", "store", a->name, "absent", a->package, "classes"));
    board_claims(b, claims);
    for (size_t i = 0; i < BOARD_CLAIMS; i++)
        json_array_append_new(known, json_pack("{s:s, s:s, s:s}", "claim", claims[i].text, "verdict",
                                               board_verdict_text(claims[i].verdict), "figures", claims[i].figures));
    json_t *j = json_pack("{s:s, s:I, s:i, s:i, s:f, s:f, s:i, s:b, s:b, s:b, s:I, s:o, s:o}", "command", "scoreboard",
                          "seed", (json_int_t)b->options.seed, "batches", (int)b->options.batches, "keys",
                          (int)b->options.keys, "hang_seconds", b->options.hang_seconds, "seconds", b->seconds, "jobs",
                          (int)b->options.jobs, "out_of_time", (int)b->out_of_time, "interrupted", (int)b->interrupted,
                          "confirmed", (int)b->confirmed, "resumed_trials", (json_int_t)board_taken(b), "known", known,
                          "stores", rows);
    json_dumpf(j, to, JSON_INDENT(1));
    fputs("\n", to);
    json_decref(j);
}
