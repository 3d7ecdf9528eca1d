/*
 * scoreboard_run.c - the trials of a scoreboard: a store made once, closed, and damaged again and again.
 *
 * A trial copies the closed store (scoreboard_store.c) into memory, damages the copy, and judges it in a guarded
 * child; or it is a life, or a crash state of one (scoreboard_lives.h).  Trials are shared out to worker processes in
 * rounds over all stores and classes, so that a budget cuts all alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "crew.h"
#include "directory.h"
#include "scoreboard.h"
#include "scoreboard_lives.h"
#include "scoreboard_results.h"
#include "store_judge.h"

#define CRASHES_SHARE 0.4 /* of the budget, at most */
enum { LIFE_SECONDS = 400 /* five lives, at the most */ };
enum { CHUNK = 5, GO_ON_ONE_IN = 4 };

/* ---- classes ---- */

static const char *const life_words[][2] = {
    { "sync", "a failed sync, and the power goes soon after" },
    { "full", "a full disk, until the store is closed" },
    { "crash", "a power cut, on a file system with a journal" },
    { "strict", "a power cut, on one that does only what POSIX asks for" },
};

const char *board_class_word(board_class c)
{
    return c < BOARD_SYNC ? store_damage_word((store_damage_kind)c) : life_words[c - BOARD_SYNC][0];
}

const char *board_class_text(board_class c)
{
    return c < BOARD_SYNC ? store_damage_text((store_damage_kind)c) : life_words[c - BOARD_SYNC][1];
}

bool board_class_parse(const char *word, board_class *c)
{
    for (int i = 0; i < BOARD_CLASSES; i++)
        if (strcmp(word, board_class_word((board_class)i)) == 0) {
            *c = (board_class)i;
            return true;
        }
    return false;
}

bool board_class_is_crash(board_class c)
{
    return c == BOARD_CRASH || c == BOARD_STRICT;
}

bool board_is_bad(board_class c, outcome what)
{
    return outcome_is_bad(what) || (what == OUTCOME_DETECTED && (board_class_is_crash(c) || c == BOARD_FULL));
}

void board_place_text(board_class c, uint64_t number, char text[BOARD_PLACE_BYTES])
{
    if (board_class_is_crash(c))
        snprintf(text, BOARD_PLACE_BYTES, "%llu.%llu", (unsigned long long)CRASH_POINT(number),
                 (unsigned long long)CRASH_VARIANT(number));
    else
        snprintf(text, BOARD_PLACE_BYTES, "%llu", (unsigned long long)number);
}

bool board_place_parse(board_class c, const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    const uint64_t first = strtoull(text, &end, 10);
    if (errno || end == text || *text == '-' || (*end != '\0' && *end != '.') ||
        board_class_is_crash(c) != (*end == '.'))
        return false;
    *number = first;
    if (!board_class_is_crash(c))
        return true;
    const char *second = end + 1;
    *number = CRASH_NUMBER(first, strtoull(second, &end, 10));
    return errno == 0 && end != second && *end == '\0' && *second != '-';
}

bool board_class_wanted(const board *b, board_class c)
{
    return b->options.classes >> c & 1u;
}

/* ---- one trial ---- */

typedef struct trial {
    store_judging judging;
    const char *sound, *path;
} trial;

static bool trial_restore(void *context)
{
    const trial *t = context;
    /* the same directory, for a lock may be known by its path or by its file: both stay */
    return directory_copy(t->sound, t->path);
}

static outcome trial_body(void *context, char text[GUARDED_TEXT_BYTES])
{
    trial *t = context;
    const outcome what = store_judge(&t->judging, text);
    if (what == OUTCOME_DETECTED && t->judging.check_found) { /* the text is the only way out of the child */
        memmove(text + 1, text, GUARDED_TEXT_BYTES - 1);
        text[0] = '\1';
        text[GUARDED_TEXT_BYTES - 1] = '\0';
    }
    return what;
}

static outcome damage_trial(const board *b, board_row *row, board_class c, uint64_t number,
                            char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES],
                            unsigned *check_found)
{
    char path[DIRECTORY_PATH_BYTES], now[DIRECTORY_PATH_BYTES];
    const guarded_limits limits = { .seconds = b->options.hang_seconds, .idle_seconds = board_idle_seconds(row),
                                    .memory_bytes = BOARD_MEMORY_BYTES };
    snprintf(path, sizeof path, "%s/trial-%ld", b->scratch.path, (long)getpid());
    board_files_path(b, row, "now", now);
    if (!directory_remove(path) || !directory_copy(now, path) ||
        !store_damage_do(row->damages, (store_damage_kind)c, b->options.seed, number, path, what))
        fatal("%s: %s", path, strerror(errno));
    trial t = { .sound = now, .path = path };
    t.judging = (store_judging){ .adapter = row->spec.adapter, .config = board_config(&row->spec, path, false),
                                 .work = row->work, .acknowledged = row->acknowledged, .submitted = row->acknowledged,
                                 .go_on = number % GO_ON_ONE_IN == 0 ? BOARD_GO_ON_BATCHES : 0,
                                 .restore = trial_restore, .context = &t };
    const outcome result = guarded_run(&limits, trial_body, &t, text);
    *check_found = text[0] == '\1';
    if (*check_found)
        memmove(text, text + 1, GUARDED_TEXT_BYTES - 1);
    directory_remove(path);
    return result;
}

outcome board_trial(const board *b, board_row *row, board_class c, uint64_t number,
                    char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES], unsigned *noted)
{
    *noted = 0;
    return c < BOARD_SYNC ? damage_trial(b, row, c, number, what, text, noted)
           : board_class_is_crash(c) ? life_crash_trial(b, row, c, number, what, text)
                                     : life_trial(b, row, c, number, what, text, noted);
}

bool board_place_exists(const board_row *row, board_class c, uint64_t number)
{
    return c < BOARD_SYNC ? number < store_damages_count(row->damages, (store_damage_kind)c) : row->recorded;
}

/* ---- many ---- */

typedef struct trial_message {
    uint32_t row;
    board_result result;
} trial_message;

typedef struct round_task {
    uint32_t row, class;
    uint64_t first;
} round_task;

typedef struct rounds {
    board *b;
    round_task *tasks;
    size_t count;
    uint64_t done, due;
} rounds;

static void work(void *context, crew_worker *worker, uint64_t task)
{
    const rounds *r = context;
    const round_task *t = &r->tasks[task];
    board_row *row = r->b->rows[t->row];
    const uint64_t due = row->cells[t->class].due;
    for (uint64_t n = t->first; n < t->first + CHUNK && n < due && !crew_should_stop(worker); n++) {
        trial_message m = { .row = t->row, .result = { .class = (board_class)t->class, .number = n } };
        board_result *one = &m.result;
        const double begun = crew_clock();
        if (board_results_has(row, one->class, n))
            continue;
        crew_at(worker, "%s/%s/%llu", row->spec.label, board_class_word(one->class), (unsigned long long)n);
        one->what = board_trial(r->b, row, one->class, n, one->done, one->text, &one->noted);
        one->seconds = crew_clock() - begun;
        crew_send(worker, 1, &m, sizeof m);
    }
}

void board_example_take(board_cell *cell, outcome what, const board_example *e)
{
    board_example *kept = cell->examples[what];
    size_t at = 0;
    while (at < BOARD_CANDIDATES && kept[at].there && kept[at].number < e->number)
        at++;
    if (at == BOARD_CANDIDATES || (kept[at].there && kept[at].number == e->number))
        return;
    memmove(kept + at + 1, kept + at, (BOARD_CANDIDATES - 1 - at) * sizeof *kept);
    kept[at] = *e;
    kept[at].there = true;
}

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    rounds *r = context;
    trial_message m;
    (void)type;
    memcpy(&m, data, bytes < sizeof m ? bytes : sizeof m);
    r->done++;
    board_results_add(r->b->rows[m.row], &m.result);
}

static void died(void *context, const char *where, const char *how)
{
    (void)context;
    fatal("the harness itself died at %s: %s", where, how);
}

static void progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    const rounds *r = context;
    (void)tasks_done;
    (void)ticks;
    if (!r->b->options.quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\rscoreboard: %llu of %llu trials, %.0f s ", (unsigned long long)r->done,
                (unsigned long long)r->due, r->b->seconds);
}

static void tasks_make(rounds *r)
{
    uint64_t most = 0;
    for (size_t i = 0; i < r->b->row_count; i++)
        for (int c = 0; c < BOARD_CRASH; c++) { /* power cuts are searched for themselves */
            const uint64_t due = r->b->rows[i]->cells[c].due;
            r->due += due;
            most = due > most ? due : most;
            for (uint64_t n = 0; n < due; n++)
                r->done += board_results_has(r->b->rows[i], (board_class)c, n);
        }
    r->tasks = fatal_alloc((r->due + 1) * sizeof *r->tasks);
    for (uint64_t first = 0; first < most; first += CHUNK)
        for (uint32_t c = 0; c < BOARD_CRASH; c++)
            for (uint32_t i = 0; i < r->b->row_count; i++)
                if (first < r->b->rows[i]->cells[c].due)
                    r->tasks[r->count++] = (round_task){ i, c, first };
}

/* Row by row, for the states of each are shared out to all jobs; what time there is is shared out too. */
static bool crashes_run(board *b, double deadline)
{
    static const board_class classes[] = { BOARD_CRASH, BOARD_STRICT };
    bool all = true;
    for (size_t i = 0; i < b->row_count && !crew_interrupted(); i++) {
        board_row *row = b->rows[i];
        for (size_t k = 0; k < 2 && !crew_interrupted(); k++) {
            if (!row->recorded || !board_class_wanted(b, classes[k]) || board_results_has_states(row, classes[k]))
                continue;
            const double now = crew_clock(), left = (double)(2 * (b->row_count - i) - k);
            if (deadline > 0 && deadline <= now)
                return false;
            board_life_load(b, row);
            const bool complete = lives_explore(b, row, classes[k],
                                                deadline > 0 ? now + (deadline - now) / left : 0);
            if (complete)
                board_results_add_states(b, row, classes[k]);
            all = complete && all;
        }
        lives_release(row);
    }
    return all;
}

void board_run(board *b)
{
    rounds r = { .b = b };
    const double begun = crew_clock(), budget = b->options.budget_seconds;
    tasks_make(&r);
    const crew_options options = { .jobs = b->options.jobs, .tasks = r.count,
                                   .deadline = budget > 0 ? begun + budget : 0,
                                   .hang_seconds = 12 * b->options.hang_seconds + LIFE_SECONDS, .context = &r,
                                   .work = work,
                                   .receive = receive, .died = died, .progress = progress };
    bool all = crashes_run(b, budget > 0 ? begun + budget * CRASHES_SHARE : 0);
    all = crew_run(&options) && all;
    b->interrupted = crew_interrupted();
    b->out_of_time = !all && !b->interrupted;
    b->seconds = crew_clock() - begun;
    if (!b->options.quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    free(r.tasks);
}

/* ---- the whole ---- */

bool board_begin(board *b, const board_options *options)
{
    *b = (board){ .options = *options };
    return directory_make(b->options.directory) && scratch_open(&b->scratch, "levin-scoreboard", NULL);
}

bool board_add(board *b, const char *label, char message[STORE_MESSAGE_BYTES])
{
    if (b->row_count == BOARD_ROWS_MAX) {
        snprintf(message, STORE_MESSAGE_BYTES, "at most %d stores", BOARD_ROWS_MAX);
        return false;
    }
    board_row *row = fatal_alloc_zeroed(sizeof *row);
    if (!store_spec_parse(label, &row->spec, message) ||
        !store_spec_add(&row->spec, row->spec.adapter->small_options, message)) {
        free(row);
        return false;
    }
    b->rows[b->row_count++] = row;
    board_row_prepare(b, row);
    return true;
}

void board_add_all(board *b)
{
    char label[STORE_LABEL_BYTES], message[STORE_MESSAGE_BYTES];
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if ((*a)->takes_argument)
            continue;
        if (!board_add(b, (*a)->name, message))
            fatal("%s: %s", (*a)->name, message);
        for (const char *const *v = (*a)->variants; v && *v; v++) {
            snprintf(label, sizeof label, "%s:%s", (*a)->name, *v);
            if (!board_add(b, label, message))
                fatal("%s: %s", label, message);
        }
    }
    b->absences = store_absences();
}

void board_end(board *b)
{
    for (size_t i = 0; i < b->row_count; i++) {
        board_row *row = b->rows[i];
        if (row->damages)
            store_damages_destroy(row->damages);
        lives_release(row);
        board_results_close(row);
        store_work_destroy(row->work);
        free(row);
    }
    b->row_count = 0;
    scratch_close(&b->scratch);
}

uint64_t board_cell_done(const board_cell *cell)
{
    uint64_t done = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        done += cell->counts[o];
    return done;
}

uint64_t board_taken(const board *b)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < b->row_count; i++)
        taken += b->rows[i]->taken;
    return taken;
}

uint64_t board_cell_bad(const board_cell *cell, board_class c)
{
    uint64_t bad = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        bad += board_is_bad(c, (outcome)o) ? cell->counts[o] : 0;
    return bad;
}

uint64_t board_told_lives(const board_cell *cell, board_told t)
{
    uint64_t lives = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        lives += cell->told[t][o];
    return lives;
}

uint64_t board_told_bad(const board_cell *cell, board_told t)
{
    return board_told_lives(cell, t) - cell->told[t][OUTCOME_RIGHT] - cell->told[t][OUTCOME_DETECTED];
}
