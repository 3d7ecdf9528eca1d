/*
 * scoreboard_run.c - the trials of a scoreboard: a store made once, closed, and damaged again and again.
 *
 * Kept below the directory, for each store: `before` (closed after half of its batches), `now` (closed at the end) and
 * `settings` (what they were made with).  A trial copies `now` into memory, damages the copy, and judges it in a
 * guarded child.  A damage is a function of (seed, class, number) and of those files, so that a trial can be done
 * again for as long as the files are kept.  Trials are shared out to worker processes in rounds over all stores and
 * classes, so that a budget cuts all alike.
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
#include "store_judge.h"

#define CRASHES_SHARE 0.4 /* of the budget, at most */
enum { LIFE_SECONDS = 400 /* five lives, at the most */ };
enum { CHUNK = 5, BATCH_MAX = 12, GO_ON_BATCHES = 8, GO_ON_ONE_IN = 4, SETTINGS_BYTES = 2048 };
static const uint64_t CACHE_BYTES = 1 << 20, WRITE_BUFFER_BYTES = 64 << 10, MAP_BYTES = 64 << 20;

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

static bool is_crash(board_class c)
{
    return c == BOARD_CRASH || c == BOARD_STRICT;
}

bool board_is_bad(board_class c, outcome what)
{
    return outcome_is_bad(what) || (what == OUTCOME_DETECTED && (is_crash(c) || c == BOARD_FULL));
}

void board_place_text(board_class c, uint64_t number, char text[BOARD_PLACE_BYTES])
{
    if (is_crash(c))
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
    if (errno || end == text || *text == '-' || (*end != '\0' && *end != '.') || is_crash(c) != (*end == '.'))
        return false;
    *number = first;
    if (!is_crash(c))
        return true;
    const char *second = end + 1;
    *number = CRASH_NUMBER(first, strtoull(second, &end, 10));
    return errno == 0 && end != second && *end == '\0' && *second != '-';
}

/* ---- a store ---- */

store_config board_config(const store_spec *s, const char *path, bool create)
{
    return (store_config){ .path = path, .create = create, .sync = true,
                           .cache_bytes = s->cache_bytes ? s->cache_bytes : CACHE_BYTES,
                           .write_buffer_bytes = s->write_buffer_bytes ? s->write_buffer_bytes : WRITE_BUFFER_BYTES,
                           .map_bytes = s->map_bytes ? s->map_bytes : MAP_BYTES, .background = !s->no_background,
                           .options = s->option, .option_count = s->options, .argument = s->argument };
}

void board_row_path(const board *b, const board_row *row, const char *name, char path[DIRECTORY_PATH_BYTES])
{
    char label[STORE_LABEL_BYTES];
    snprintf(label, sizeof label, "%s", row->spec.label);
    for (char *at = label; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.=_-", *at))
            *at = '_';
    snprintf(path, DIRECTORY_PATH_BYTES, "%s/%s%s%s", b->options.directory, label, *name ? "/" : "", name);
}

/* What computes is another process where a store is behind a pipe. */
double board_idle_seconds(const board_row *row)
{
    return row->spec.adapter->takes_argument ? 0 : BOARD_IDLE_SECONDS;
}

store_work *board_work(uint64_t seed, uint32_t keys, uint32_t batches, const store_adapter *a)
{
    const uint32_t most = a->capabilities & STORE_HAS_NO_BATCH ? 1 : BATCH_MAX;
    return store_work_create(seed, (store_work_size){ keys, batches + GO_ON_BATCHES, most });
}

typedef struct writing {
    const board_row *row;
    const char *path;
    uint32_t from, to;
} writing;

static outcome write_body(void *context, char text[GUARDED_TEXT_BYTES])
{
    const writing *w = context;
    const store_adapter *a = w->row->spec.adapter;
    const store_config config = board_config(&w->row->spec, w->path, true);
    char message[STORE_MESSAGE_BYTES] = "";
    store *s;
    store_session *session = NULL;
    if (a->open(&config, &s, message) != STORE_OK || a->session_open(s, &session) != STORE_OK) {
        snprintf(text, GUARDED_TEXT_BYTES, "it cannot be made: %.400s", session ? a->message(session) : message);
        return OUTCOME_WRONG;
    }
    for (uint32_t n = w->from; n <= w->to; n++)
        if (store_work_write(w->row->work, n, a, session, true) != STORE_OK) {
            snprintf(text, GUARDED_TEXT_BYTES, "batch %u was not written: %.400s", n, a->message(session));
            return OUTCOME_WRONG;
        }
    a->session_close(session);
    if (a->close(s, message) == STORE_OK)
        return OUTCOME_RIGHT;
    snprintf(text, GUARDED_TEXT_BYTES, "it was not closed: %.400s", message);
    return OUTCOME_WRONG;
}

static outcome judge_body(void *context, char text[GUARDED_TEXT_BYTES])
{
    return store_judge(context, text);
}

/* Writes half, keeps a copy, writes the rest, keeps that; and the whole must read right. */
static bool store_make(const board *b, board_row *row)
{
    char now[DIRECTORY_PATH_BYTES], before[DIRECTORY_PATH_BYTES], scratch[DIRECTORY_PATH_BYTES];
    const guarded_limits limits = { .seconds = 10 * b->options.hang_seconds, .memory_bytes = BOARD_MEMORY_BYTES };
    board_row_path(b, row, "now", now);
    board_row_path(b, row, "before", before);
    snprintf(scratch, sizeof scratch, "%s/making", b->scratch);
    if (!directory_remove(now) || !directory_remove(before) || !directory_remove(scratch))
        fatal("a directory could not be removed: %s", strerror(errno));
    for (int half = 0; half < 2; half++) {
        writing w = { .row = row, .path = scratch, .from = half ? row->acknowledged / 2 + 1 : 1,
                      .to = half ? row->acknowledged : row->acknowledged / 2 };
        if (guarded_run(&limits, write_body, &w, row->failed) != OUTCOME_RIGHT)
            return false;
        if (access(scratch, F_OK) != 0) {
            snprintf(row->failed, sizeof row->failed, "it was written to, and has made no files in its directory");
            return false;
        }
        if (!directory_copy(scratch, half ? now : before))
            fatal("%s: %s", half ? now : before, strerror(errno));
    }
    store_judging j = { .adapter = row->spec.adapter, .config = board_config(&row->spec, scratch, false),
                        .work = row->work, .acknowledged = row->acknowledged, .submitted = row->acknowledged,
                        .go_on = GO_ON_BATCHES };
    const outcome what = guarded_run(&limits, judge_body, &j, row->failed);
    directory_remove(scratch);
    if (what == OUTCOME_RIGHT)
        row->failed[0] = '\0';
    return what == OUTCOME_RIGHT;
}

/* ---- kept between runs ---- */

static void settings_text(const board *b, const board_row *row, char text[SETTINGS_BYTES])
{
    snprintf(text, SETTINGS_BYTES, "%s, version %s\n%s\nseed %llu, %u keys, %u batches\n", row->spec.label,
             row->spec.adapter->version(), row->configuration, (unsigned long long)b->options.seed, b->options.keys,
             b->options.batches);
}

static bool settings_same(const char *path, const char *wanted)
{
    char text[SETTINGS_BYTES];
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    return bytes == strlen(wanted) && memcmp(text, wanted, bytes) == 0;
}

static void settings_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        fatal("%s: %s", path, strerror(errno));
}

static bool wanted(const board *b, board_class c)
{
    return b->options.classes >> c & 1u;
}

static void row_prepare(board *b, board_row *row)
{
    char path[DIRECTORY_PATH_BYTES], now[DIRECTORY_PATH_BYTES], before[DIRECTORY_PATH_BYTES], text[SETTINGS_BYTES];
    const store_config config = board_config(&row->spec, ".", true);
    row->spec.adapter->configuration(&config, row->configuration);
    row->work = board_work(b->options.seed, b->options.keys, b->options.batches, row->spec.adapter);
    row->acknowledged = b->options.batches;
    board_row_path(b, row, "", path);
    if (!directory_make(path))
        fatal("%s: %s", path, strerror(errno));
    board_row_path(b, row, "settings", path);
    board_row_path(b, row, "now", now);
    board_row_path(b, row, "before", before);
    settings_text(b, row, text);
    if (!settings_same(path, text)) {
        char life[DIRECTORY_PATH_BYTES];
        board_row_path(b, row, "life.trace", life);
        unlink(path);
        unlink(life);
        if (!store_make(b, row))
            return;
        settings_write(path, text);
    }
    row->damages = store_damages_create(now, before);
    if (!row->damages)
        fatal("%s: %s", now, strerror(errno));
    store_damages_size(row->damages, &row->files, &row->bytes);
    for (int k = 0; k < STORE_DAMAGE_KINDS; k++) {
        const uint64_t there = store_damages_count(row->damages, (store_damage_kind)k);
        if (wanted(b, (board_class)k))
            row->cells[k].due = there < b->options.damages ? there : b->options.damages;
    }
    if (!wanted(b, BOARD_SYNC) && !wanted(b, BOARD_FULL) && !wanted(b, BOARD_CRASH) && !wanted(b, BOARD_STRICT))
        return;
    if (!lives_prepare(b, row))
        return;
    row->cells[BOARD_SYNC].due = wanted(b, BOARD_SYNC) && row->syncs ? b->options.lives : 0;
    row->cells[BOARD_FULL].due = wanted(b, BOARD_FULL) && row->written ? b->options.lives : 0;
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
    snprintf(path, sizeof path, "%s/trial-%ld", b->scratch, (long)getpid());
    board_row_path(b, row, "now", now);
    if (!directory_remove(path) || !directory_copy(now, path) ||
        !store_damage_do(row->damages, (store_damage_kind)c, b->options.seed, number, path, what))
        fatal("%s: %s", path, strerror(errno));
    trial t = { .sound = now, .path = path };
    t.judging = (store_judging){ .adapter = row->spec.adapter, .config = board_config(&row->spec, path, false),
                                 .work = row->work, .acknowledged = row->acknowledged, .submitted = row->acknowledged,
                                 .go_on = number % GO_ON_ONE_IN == 0 ? GO_ON_BATCHES : 0, .restore = trial_restore,
                                 .context = &t };
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
           : is_crash(c)  ? life_crash_trial(b, row, c, number, what, text)
                          : life_trial(b, row, c, number, what, text, noted);
}

bool board_place_exists(const board_row *row, board_class c, uint64_t number)
{
    return c < BOARD_SYNC ? number < store_damages_count(row->damages, (store_damage_kind)c) : row->life != NULL;
}

/* ---- many ---- */

typedef struct trial_message {
    uint32_t row, class;
    outcome what;
    unsigned noted;
    uint64_t number;
    double seconds;
    char done[STORE_DAMAGE_DESCRIPTION_BYTES], text[GUARDED_TEXT_BYTES];
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
        trial_message m = { .row = t->row, .class = t->class, .number = n };
        const double begun = crew_clock();
        crew_at(worker, "%s/%s/%llu", row->spec.label, board_class_word((board_class)t->class), (unsigned long long)n);
        m.what = board_trial(r->b, row, (board_class)t->class, n, m.done, m.text, &m.noted);
        m.seconds = crew_clock() - begun;
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
    board_row *row = r->b->rows[m.row];
    board_cell *cell = &row->cells[m.class];
    r->done++;
    row->seconds += m.seconds;
    if (m.what == OUTCOME_COUNT) {
        cell->skipped++;
        return;
    }
    board_example e = { .number = m.number };
    cell->counts[m.what]++;
    cell->check_found += m.noted && m.class < BOARD_SYNC;
    if (m.class >= BOARD_SYNC)
        cell->told[m.noted][m.what]++;
    memcpy(e.what, m.done, sizeof e.what);
    memcpy(e.text, m.text, sizeof e.text);
    board_example_take(cell, m.what, &e);
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
        for (int c = 0; c < BOARD_CLASSES; c++) {
            const uint64_t due = r->b->rows[i]->cells[c].due;
            r->due += due;
            most = due > most ? due : most;
        }
    r->tasks = fatal_alloc((r->due + 1) * sizeof *r->tasks);
    for (uint64_t first = 0; first < most; first += CHUNK)
        for (uint32_t c = 0; c < BOARD_CLASSES; c++)
            for (uint32_t i = 0; i < r->b->row_count; i++)
                if (first < r->b->rows[i]->cells[c].due)
                    r->tasks[r->count++] = (round_task){ i, c, first };
}

/* Row by row, for the states of each are shared out to all jobs; what time there is is shared out too. */
static bool crashes_run(board *b, double deadline)
{
    static const board_class classes[] = { BOARD_CRASH, BOARD_STRICT };
    bool all = true;
    for (size_t i = 0; i < b->row_count && !crew_interrupted(); i++)
        for (size_t k = 0; k < 2 && !crew_interrupted(); k++) {
            if (!b->rows[i]->life || !wanted(b, classes[k]))
                continue;
            const double now = crew_clock(), left = (double)(2 * (b->row_count - i) - k);
            if (deadline > 0 && deadline <= now)
                return false;
            all = lives_explore(b, b->rows[i], classes[k], deadline > 0 ? now + (deadline - now) / left : 0) && all;
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
    if (!b->interrupted)
        board_confirm(b);
    b->seconds = crew_clock() - begun;
    if (!b->options.quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    free(r.tasks);
}

/* ---- the whole ---- */

bool board_begin(board *b, const board_options *options)
{
    static const char *const roots[] = { "/dev/shm", NULL };
    const char *tmp = getenv("TMPDIR");
    *b = (board){ .options = *options };
    const char *root = access(roots[0], W_OK) == 0 ? roots[0] : tmp && *tmp ? tmp : "/tmp";
    snprintf(b->scratch, sizeof b->scratch, "%s/levin-scoreboard-XXXXXX", root);
    return mkdtemp(b->scratch) && directory_make(b->options.directory);
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
    row_prepare(b, row);
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
}

void board_end(board *b)
{
    for (size_t i = 0; i < b->row_count; i++) {
        board_row *row = b->rows[i];
        if (row->damages)
            store_damages_destroy(row->damages);
        lives_release(row);
        store_work_destroy(row->work);
        free(row);
    }
    b->row_count = 0;
    directory_remove(b->scratch);
}

uint64_t board_cell_done(const board_cell *cell)
{
    uint64_t done = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        done += cell->counts[o];
    return done;
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
