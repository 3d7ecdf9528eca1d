/*
 * scoreboard_results.c - lines of JSON, one for each trial.
 *
 * Invariant: a cell is changed by a result in one place, result_count(), whether it comes from a file or a worker.
 * Only the parent writes; workers inherit the stream, and leave by _exit().
 */
#include "scoreboard_results.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../faults/fatal.h"
#include "../faults/recorder.h"
#include "directory.h"

/* ---- what they depend on ---- */

static uint64_t file_digest(const char *path)
{
    char directory[DIRECTORY_PATH_BYTES];
    uint64_t bytes = 0;
    const char *name = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", name ? (int)(name - path) : 1, name ? path : ".");
    uint8_t *data = path[0] ? directory_file_read(directory, name ? name + 1 : path, &bytes) : NULL;
    const uint64_t digest = data ? XXH3_64bits(data, bytes) : 0;
    free(data);
    return digest;
}

/* Of what decides on outcomes: harness, adapter, recorder. */
static uint64_t programs_digest(const store_adapter *adapter)
{
    char library[DIRECTORY_PATH_BYTES];
    Dl_info plugin;
    recorder_library(library, sizeof library);
    const uint64_t digests[] = { file_digest("/proc/self/exe"), file_digest(library),
                                 dladdr(adapter, &plugin) && plugin.dli_fname ? file_digest(plugin.dli_fname) : 0 };
    return XXH3_64bits(digests, sizeof digests);
}

static json_t *head_json(const board *b, const board_row *row)
{
    char files[BOARD_DIGEST_BYTES], life[BOARD_DIGEST_BYTES], programs[BOARD_DIGEST_BYTES];
    board_digest_text(row->made_files.digest, files);
    board_digest_text(row->made_life.digest, life);
    board_digest_text(programs_digest(row->spec.adapter), programs);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:f}", "results_of", row->spec.label, "version",
                     row->spec.adapter->version(), "files", files, "recording", life, "programs", programs, "seed",
                     (json_int_t)b->options.seed, "keys", (int)b->options.keys, "batches", (int)b->options.batches,
                     "life_batches", (int)b->options.life_batches, "hang_seconds", b->options.hang_seconds);
}

/* ---- a result ---- */

static void result_count(board_row *row, const board_result *r)
{
    board_cell *cell = &row->cells[r->class];
    row->seconds += r->seconds;
    if (r->what == OUTCOME_COUNT) {
        cell->skipped++;
        return;
    }
    board_example e = { .number = r->number };
    cell->counts[r->what]++;
    cell->check_found += r->noted && r->class < BOARD_SYNC;
    if (r->class >= BOARD_SYNC)
        cell->told[r->noted][r->what]++;
    memcpy(e.what, r->done, sizeof e.what);
    memcpy(e.text, r->text, sizeof e.text);
    board_example_take(cell, r->what, &e);
}

static void text_of(const json_t *j, const char *name, char *text, size_t capacity)
{
    const char *value = json_string_value(json_object_get(j, name));
    snprintf(text, capacity, "%s", value ? value : "");
}

static json_int_t number_of(const json_t *j, const char *name)
{
    return json_integer_value(json_object_get(j, name));
}

static bool class_of(const json_t *j, board_class *c)
{
    const char *word = json_string_value(json_object_get(j, "class"));
    return word && board_class_parse(word, c);
}

/* "right" to "signal"; "none": the fault did not come. */
static bool outcome_of(const json_t *j, outcome *what)
{
    const char *word = json_string_value(json_object_get(j, "outcome"));
    for (*what = 0; word && *what < OUTCOME_COUNT && strcmp(word, outcome_text(*what)) != 0;)
        ++*what;
    return word && (*what < OUTCOME_COUNT || strcmp(word, "none") == 0);
}

static bool trial_take(board_row *row, const json_t *line, board_class c)
{
    board_result r = { .class = c, .number = (uint64_t)number_of(line, "number"),
                       .noted = (unsigned)number_of(line, "noted"),
                       .seconds = json_number_value(json_object_get(line, "seconds")) };
    if (!outcome_of(line, &r.what) || r.noted >= BOARD_TOLD_COUNT)
        return false;
    if (r.number >= row->cells[c].due || row->had[c][r.number])
        return true; /* of a run that wanted more */
    text_of(line, "what", r.done, sizeof r.done);
    text_of(line, "text", r.text, sizeof r.text);
    row->had[c][r.number] = true;
    row->taken++;
    result_count(row, &r);
    return true;
}

static bool example_take(board_cell *cell, const json_t *j)
{
    board_example e = { .number = (uint64_t)number_of(j, "number") };
    outcome what;
    if (!outcome_of(j, &what) || what == OUTCOME_COUNT)
        return false;
    text_of(j, "what", e.what, sizeof e.what);
    text_of(j, "text", e.text, sizeof e.text);
    text_of(j, "relies", e.relies, sizeof e.relies);
    board_example_take(cell, what, &e);
    return true;
}

static bool states_take(const board *b, board_row *row, const json_t *line, board_class c)
{
    board_cell *cell = &row->cells[c];
    const json_t *counts = json_object_get(line, "outcomes"), *examples = json_object_get(line, "examples"), *j;
    size_t i;
    if (!json_is_object(counts) || !json_is_array(examples))
        return false;
    if (!row->recorded || !board_class_wanted(b, c) || cell->due ||
        (uint64_t)number_of(line, "states") != b->options.states)
        return true;
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        cell->counts[o] = (uint64_t)number_of(counts, outcome_text((outcome)o));
        cell->due += cell->counts[o];
    }
    json_array_foreach(examples, i, j)
        if (!example_take(cell, j))
            return false;
    row->seconds += json_number_value(json_object_get(line, "seconds"));
    row->taken += cell->due;
    return true;
}

static bool line_take(const board *b, board_row *row, const json_t *line)
{
    board_class c;
    if (!class_of(line, &c))
        return false;
    return board_class_is_crash(c) ? states_take(b, row, line, c) : trial_take(row, line, c);
}

/* ---- files ---- */

static void line_write(board_row *row, json_t *line)
{
    if (!line || json_dumpf(line, row->results, JSON_COMPACT) != 0 || fputc('\n', row->results) == EOF ||
        fflush(row->results) != 0)
        fatal("the results of %s: %s", row->spec.label, line ? strerror(errno) : "no text");
    json_decref(line);
}

/* What is behind the last whole line goes. True: they are results of the same. */
static bool lines_read(const board *b, board_row *row, const json_t *head)
{
    char *text = NULL;
    size_t capacity = 0;
    long good = 0;
    bool first = true, whole = true;
    for (ssize_t bytes; whole && (bytes = getline(&text, &capacity, row->results)) > 0;) {
        json_error_t error;
        json_t *line = text[bytes - 1] == '\n' ? json_loads(text, 0, &error) : NULL;
        whole = line && (first ? json_equal(line, head) : line_take(b, row, line));
        json_decref(line);
        if (whole)
            good = ftell(row->results);
        first = first && !whole;
    }
    free(text);
    if (fseek(row->results, good, SEEK_SET) != 0 || ftruncate(fileno(row->results), good) != 0)
        fatal("the results of %s: %s", row->spec.label, strerror(errno));
    return !first;
}

void board_results_open(board *b, board_row *row)
{
    char path[DIRECTORY_PATH_BYTES];
    for (int c = 0; c < BOARD_CLASSES; c++)
        row->had[c] = fatal_alloc_zeroed(row->cells[c].due + 1);
    board_row_path(b, row, "results", path);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (b->options.resume ? 0 : O_TRUNC), 0666);
    row->results = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!row->results)
        fatal("%s: %s", path, strerror(errno));
    json_t *head = head_json(b, row);
    if (lines_read(b, row, head))
        json_decref(head);
    else
        line_write(row, head);
}

bool board_results_has(const board_row *row, board_class c, uint64_t number)
{
    return row->had[c] && row->had[c][number];
}

bool board_results_has_states(const board_row *row, board_class c)
{
    return row->cells[c].due > 0;
}

void board_results_add(board_row *row, const board_result *r)
{
    result_count(row, r);
    line_write(row, json_pack("{s:s, s:I, s:s, s:i, s:f, s:s, s:s}", "class", board_class_word(r->class), "number",
                              (json_int_t)r->number, "outcome",
                              r->what == OUTCOME_COUNT ? "none" : outcome_text(r->what), "noted", (int)r->noted,
                              "seconds", r->seconds, "what", r->done, "text", r->text));
}

void board_results_add_states(const board *b, board_row *row, board_class c)
{
    const board_cell *cell = &row->cells[c];
    json_t *counts = json_object(), *examples = json_array();
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        json_object_set_new(counts, outcome_text((outcome)o), json_integer((json_int_t)cell->counts[o]));
        for (const board_example *e = cell->examples[o]; e < cell->examples[o] + BOARD_CANDIDATES && e->there; e++)
            json_array_append_new(examples, json_pack("{s:s, s:I, s:s, s:s, s:s}", "outcome",
                                                      outcome_text((outcome)o), "number", (json_int_t)e->number,
                                                      "what", e->what, "text", e->text, "relies", e->relies));
    }
    line_write(row, json_pack("{s:s, s:I, s:f, s:o, s:o}", "class", board_class_word(c), "states",
                              (json_int_t)b->options.states, "seconds", cell->seconds, "outcomes", counts, "examples",
                              examples));
}

void board_results_close(board_row *row)
{
    for (int c = 0; c < BOARD_CLASSES; c++)
        free(row->had[c]);
    if (row->results)
        fclose(row->results);
    row->results = NULL;
}
