/*
 * scoreboard_kept.c - reads scoreboard.json.
 */
#include "scoreboard_kept.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *report_load(const board_options *options, json_error_t *error)
{
    char path[BOARD_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/scoreboard.json", options->directory);
    return json_load_file(path, 0, error);
}

static board_part part_of(const json_t *row, const char *name)
{
    board_part part = { 0 };
    const json_t *j = json_object_get(row, name);
    const char *digest = json_string_value(json_object_get(j, "digest"));
    const char *again = json_string_value(json_object_get(j, "made_again"));
    part.digest = digest ? strtoull(digest, NULL, 16) : 0;
    for (board_again a = BOARD_AGAIN_UNKNOWN; again && a <= BOARD_AGAIN_OTHER; a++)
        if (strcmp(again, board_again_text(a)) == 0)
            part.again = a;
    return part;
}

static json_int_t number_of(const json_t *report, const char *name)
{
    return json_integer_value(json_object_get(report, name));
}

void board_kept_load(const board_options *options, const char *label, board_kept *kept)
{
    json_error_t error;
    json_t *report = report_load(options, &error), *row;
    size_t i;
    *kept = (board_kept){ .there = false };
    if (report && (uint64_t)number_of(report, "seed") == options->seed &&
        number_of(report, "batches") == options->batches && number_of(report, "keys") == options->keys)
        json_array_foreach(json_object_get(report, "stores"), i, row) {
            const char *name = json_string_value(json_object_get(row, "store"));
            const char *version = json_string_value(json_object_get(row, "version"));
            if (!name || strcmp(name, label) != 0)
                continue;
            kept->there = true;
            kept->files = part_of(row, "files_made");
            kept->life = part_of(row, "recording_made");
            snprintf(kept->version, sizeof kept->version, "%s", version ? version : "?");
        }
    json_decref(report);
}

/* ---- examples ---- */

static bool example_of(const json_t *j, board_kept_example *e)
{
    const char *word = json_string_value(json_object_get(j, "outcome"));
    e->place = json_string_value(json_object_get(j, "place"));
    e->finding = json_is_true(json_object_get(j, "finding"));
    e->what = 0;
    while (word && e->what < OUTCOME_COUNT && strcmp(word, outcome_text(e->what)) != 0)
        e->what++;
    return word && e->place && e->what < OUTCOME_COUNT;
}

/* False: it is none; *on false: the visitor has had enough. */
static bool row_visit(const board_options *o, json_t *row, board_kept_visit visit, void *context, bool *on)
{
    size_t k, n;
    json_t *cell, *example;
    board_kept_example e = { .label = json_string_value(json_object_get(row, "store")) };
    const board_part files = part_of(row, "files_made"), life = part_of(row, "recording_made");
    json_array_foreach(json_object_get(row, "classes"), k, cell) {
        board_class c;
        e.class = json_string_value(json_object_get(cell, "class"));
        if (!e.label || !e.class || !board_class_parse(e.class, &c))
            return false;
        e.again = c < BOARD_SYNC ? files.again : life.again;
        json_array_foreach(json_object_get(cell, "examples"), n, example) {
            if (!example_of(example, &e))
                return false;
            *on = visit(context, o, &e);
            if (!*on)
                return true;
        }
    }
    return true;
}

bool board_kept_examples(const board_options *options, board_kept_visit visit, void *context)
{
    json_error_t error;
    json_t *report = report_load(options, &error), *row;
    const json_t *rows = json_object_get(report, "stores");
    const json_int_t batches = number_of(report, "batches");
    board_options o = *options;
    bool good = json_is_array(rows) && batches >= 1 && batches <= UINT32_MAX, on = true;
    size_t i;
    o.seed = (uint64_t)number_of(report, "seed");
    o.batches = (uint32_t)batches;
    o.hang_seconds = json_number_value(json_object_get(report, "hang_seconds"));
    json_array_foreach(rows, i, row) {
        if (good && on)
            good = row_visit(&o, row, visit, context, &on);
    }
    if (!good)
        fprintf(stderr, "levin-chaos scoreboard: %s/scoreboard.json: %s\n", options->directory,
                report ? "no scoreboard" : error.text);
    json_decref(report);
    return good;
}
