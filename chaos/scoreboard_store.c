/*
 * scoreboard_store.c - what the trials of a row begin with: the files of a closed store, and the recording of a whole
 * life.
 *
 * Kept below the directory, for each store: `before` (closed after half of its batches), `now` (closed at the end),
 * `life.trace`, `settings` (what they were made with), `again` (whether they come out the same each time) and `results`
 * (scoreboard_results.h).  A trial
 * is a function of (seed, class, number) and of these, so that it can be done again for as long as they are the same.
 * A digest says whether they are: it stands in the report, and a replay beside a report whose digest is another one is
 * refused, whatever the reason (another version of the library, a store with threads, a file that is gone).
 *
 * Invariant: nothing of an earlier run is removed by a replay.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../faults/fatal.h"
#include "directory.h"
#include "scoreboard.h"
#include "scoreboard_kept.h"
#include "scoreboard_lives.h"
#include "scoreboard_results.h"
#include "store_judge.h"

enum { BATCH_MAX = 12, SETTINGS_BYTES = 2048, MAKING_HANGS = 10 };
static const uint64_t CACHE_BYTES = 1 << 20, WRITE_BUFFER_BYTES = 64 << 10, MAP_BYTES = 64 << 20;

/* ---- settings ---- */

store_config board_config(const store_spec *s, const char *path, bool create)
{
    return (store_config){ .path = path, .create = create, .sync = true,
                           .cache_bytes = s->cache_bytes ? s->cache_bytes : CACHE_BYTES,
                           .write_buffer_bytes = s->write_buffer_bytes ? s->write_buffer_bytes : WRITE_BUFFER_BYTES,
                           .map_bytes = s->map_bytes ? s->map_bytes : MAP_BYTES, .background = !s->no_background,
                           .options = s->option, .option_count = s->options, .argument = s->argument };
}

/* What computes is another process where a store is behind a pipe. */
double board_idle_seconds(const board_row *row)
{
    return row->spec.adapter->takes_argument ? 0 : BOARD_IDLE_SECONDS;
}

store_work *board_work(uint64_t seed, uint32_t keys, uint32_t batches, const store_adapter *a)
{
    const uint32_t most = a->capabilities & STORE_HAS_NO_BATCH ? 1 : BATCH_MAX;
    return store_work_create(seed, (store_work_size){ keys, batches + BOARD_GO_ON_BATCHES, most });
}

static void settings_text(const board *b, const board_row *row, char text[SETTINGS_BYTES])
{
    snprintf(text, SETTINGS_BYTES, "%s, version %s\n%s\nseed %llu, %u keys, %u batches\n", row->spec.label,
             row->spec.adapter->version(), row->configuration, (unsigned long long)b->options.seed, b->options.keys,
             b->options.batches);
}

static bool file_is(const char *path, const char *wanted)
{
    char text[SETTINGS_BYTES];
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    return bytes == strlen(wanted) && memcmp(text, wanted, bytes) == 0;
}

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        fatal("%s: %s", path, strerror(errno));
}

/* ---- places ---- */

static void row_path(const board *b, const board_row *row, bool fresh, const char *name,
                     char path[DIRECTORY_PATH_BYTES])
{
    char label[STORE_LABEL_BYTES];
    snprintf(label, sizeof label, "%s", row->spec.label);
    for (char *at = label; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.=_-", *at))
            *at = '_';
    snprintf(path, DIRECTORY_PATH_BYTES, "%s/%s%s%s", fresh ? b->scratch.path : b->options.directory, label,
             *name ? "/" : "", name);
}

/* Of a part: whether this replay makes it anew. */
static bool is_fresh(const board *b, const board_part *kept)
{
    return b->options.fresh && kept->again == BOARD_AGAIN_SAME;
}

void board_row_path(const board *b, const board_row *row, const char *name, char path[DIRECTORY_PATH_BYTES])
{
    row_path(b, row, false, name, path);
}

void board_files_path(const board *b, const board_row *row, const char *name, char path[DIRECTORY_PATH_BYTES])
{
    row_path(b, row, is_fresh(b, &row->kept.files), name, path);
}

void board_life_path(const board *b, const board_row *row, char path[DIRECTORY_PATH_BYTES])
{
    row_path(b, row, is_fresh(b, &row->kept.life), "life.trace", path);
}

/* ---- digests ---- */

void board_digest_text(uint64_t digest, char text[BOARD_DIGEST_BYTES])
{
    snprintf(text, BOARD_DIGEST_BYTES, "%016llx", (unsigned long long)digest);
}

const char *board_again_text(board_again again)
{
    static const char *const texts[] = { "not tried", "the same each time", "another each time" };
    return texts[again];
}

static void digest_text(XXH3_state_t *h, const char *text)
{
    XXH3_64bits_update(h, text ? text : "", text ? strlen(text) + 1 : 0);
}

/* All but who called, and what was written to logs for people: they have the time of day in them. */
static uint64_t life_digest(const trace *t)
{
    XXH3_state_t h;
    XXH3_INITSTATE(&h);
    XXH3_64bits_reset(&h);
    for (uint64_t i = 0; i < trace_length(t); i++) {
        const trace_entry *e = trace_at(t, i);
        const uint64_t numbers[] = { (uint64_t)e->op, e->node, e->directory, e->to_directory, e->offset, e->bytes };
        XXH3_64bits_update(&h, numbers, sizeof numbers);
        digest_text(&h, e->name);
        digest_text(&h, e->to_name);
        if (e->data && (e->op == TRACE_MARK || !e->name || store_damage_is_data(e->name)))
            XXH3_64bits_update(&h, e->data, e->bytes);
    }
    return XXH3_64bits_digest(&h);
}

/* Whether a replay may go on with a part that was found, or made now. */
static bool part_is_kept(board_row *row, const char *what, const board_part *kept, const board_part *found)
{
    char wanted[BOARD_DIGEST_BYTES], got[BOARD_DIGEST_BYTES];
    if (!row->kept.there || !kept->digest || kept->digest == found->digest)
        return true;
    board_digest_text(kept->digest, wanted);
    board_digest_text(found->digest, got);
    snprintf(row->refused, sizeof row->refused,
             "%s of %.60s are not those of the report: digest %s expected, %s found. The report was made with version "
             "%.60s, this is %.60s; made again, they were %s.%s", what, row->spec.label, wanted, got, row->kept.version,
             row->spec.adapter->version(), board_again_text(kept->again),
             kept->again == BOARD_AGAIN_SAME ? "" : " Lay out those that were kept with it (make scoreboard-kept).");
    return false;
}

/* ---- files ---- */

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
static bool files_make(const board *b, board_row *row, const char *before, const char *now)
{
    char making[DIRECTORY_PATH_BYTES];
    const guarded_limits limits = { .seconds = MAKING_HANGS * b->options.hang_seconds,
                                    .memory_bytes = BOARD_MEMORY_BYTES };
    snprintf(making, sizeof making, "%s/making", b->scratch.path);
    if (!directory_remove(now) || !directory_remove(before) || !directory_remove(making))
        fatal("a directory could not be removed: %s", strerror(errno));
    for (int half = 0; half < 2; half++) {
        writing w = { .row = row, .path = making, .from = half ? row->acknowledged / 2 + 1 : 1,
                      .to = half ? row->acknowledged : row->acknowledged / 2 };
        if (guarded_run(&limits, write_body, &w, row->failed) != OUTCOME_RIGHT) {
            text_make_plain(row->failed);
            return false;
        }
        if (access(making, F_OK) != 0) {
            snprintf(row->failed, sizeof row->failed, "it was written to, and has made no files in its directory");
            return false;
        }
        if (!directory_copy(making, half ? now : before))
            fatal("%s: %s", half ? now : before, strerror(errno));
    }
    store_judging j = { .adapter = row->spec.adapter, .config = board_config(&row->spec, making, false),
                        .work = row->work, .acknowledged = row->acknowledged, .submitted = row->acknowledged,
                        .go_on = BOARD_GO_ON_BATCHES };
    const outcome what = guarded_run(&limits, judge_body, &j, row->failed);
    directory_remove(making);
    if (what == OUTCOME_RIGHT)
        row->failed[0] = '\0';
    return what == OUTCOME_RIGHT;
}

static uint64_t files_digest(const char *before, const char *now)
{
    store_damages *d = store_damages_create(now, before);
    if (!d)
        fatal("%s: %s", now, strerror(errno));
    const uint64_t digest = store_damages_digest(d);
    store_damages_destroy(d);
    return digest;
}

/* Made BOARD_REPEATS times in all. */
static board_again files_again(const board *b, board_row *row)
{
    char before[DIRECTORY_PATH_BYTES], now[DIRECTORY_PATH_BYTES];
    board_again again = BOARD_AGAIN_SAME;
    snprintf(before, sizeof before, "%s/again-before", b->scratch.path);
    snprintf(now, sizeof now, "%s/again-now", b->scratch.path);
    for (int i = 1; i < BOARD_REPEATS && again == BOARD_AGAIN_SAME; i++)
        if (!files_make(b, row, before, now) || files_digest(before, now) != row->made_files.digest)
            again = BOARD_AGAIN_OTHER;
    row->failed[0] = '\0'; /* it was made once; that it could not be again is another outcome */
    directory_remove(before);
    directory_remove(now);
    return again;
}

/* False: failed or refused says why. */
static bool files_prepare(const board *b, board_row *row, bool settled)
{
    char now[DIRECTORY_PATH_BYTES], before[DIRECTORY_PATH_BYTES];
    board_files_path(b, row, "now", now);
    board_files_path(b, row, "before", before);
    const bool there = settled && access(now, F_OK) == 0 && access(before, F_OK) == 0;
    if (!there && !files_make(b, row, before, now))
        return false;
    row->damages = store_damages_create(now, before);
    if (!row->damages)
        fatal("%s: %s", now, strerror(errno));
    store_damages_size(row->damages, &row->files, &row->bytes);
    row->made_files.digest = store_damages_digest(row->damages);
    if (part_is_kept(row, "the files", &row->kept.files, &row->made_files))
        return true;
    if (!there && (!directory_remove(now) || !directory_remove(before))) /* it would be in the way of the right ones */
        fatal("%s: %s", now, strerror(errno));
    return false;
}

/* ---- recordings ---- */

static bool life_load(board_row *row, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const int error = trace_load(file, &row->life);
    fclose(file);
    if (error)
        row->life = NULL;
    return error == 0;
}

void board_life_load(const board *b, board_row *row)
{
    char path[DIRECTORY_PATH_BYTES];
    board_life_path(b, row, path);
    if (!row->life && !life_load(row, path))
        fatal("%s: the recording that was there cannot be read", path);
}

static void life_save(const board_row *row, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file || trace_save(row->life, file) != 0 || fclose(file) != 0)
        fatal("%s: %s", path, strerror(errno));
}

static board_again life_again(const board *b, const board_row *row)
{
    for (int i = 1; i < BOARD_REPEATS; i++) {
        char ignored[GUARDED_TEXT_BYTES];
        trace *t = lives_record(b, row, ignored);
        const bool same = t && life_digest(t) == row->made_life.digest;
        trace_destroy(t);
        if (!same)
            return BOARD_AGAIN_OTHER;
    }
    return BOARD_AGAIN_SAME;
}

/* False: not_recorded or refused says why. */
static bool life_prepare(const board *b, board_row *row, bool settled)
{
    char path[DIRECTORY_PATH_BYTES];
    board_life_path(b, row, path);
    const bool there = settled && life_load(row, path);
    if (!there) {
        row->life = lives_record(b, row, row->not_recorded);
        if (!row->life)
            return false;
    }
    row->recorded = true;
    row->made_life.digest = life_digest(row->life);
    lives_count(row);
    if (!part_is_kept(row, "the calls of the recording", &row->kept.life, &row->made_life))
        return false;
    if (!there)
        life_save(row, path);
    return true;
}

/* ---- the whole ---- */

static bool wants_damages(const board *b)
{
    for (int k = 0; k < STORE_DAMAGE_KINDS; k++)
        if (board_class_wanted(b, (board_class)k))
            return true;
    return false;
}

static bool wants_lives(const board *b)
{
    for (int c = BOARD_SYNC; c < BOARD_CLASSES; c++)
        if (board_class_wanted(b, (board_class)c))
            return true;
    return false;
}

/*
 * What was found out by an earlier run about the same parts; otherwise it is found out now.  Nothing needs to be for a
 * store with threads: that some makings were alike proves nothing.
 */
static void again_prepare(const board *b, board_row *row)
{
    char path[DIRECTORY_PATH_BYTES], files[BOARD_DIGEST_BYTES], life[BOARD_DIGEST_BYTES], text[SETTINGS_BYTES];
    if (row->spec.adapter->capabilities & STORE_HAS_THREADS) {
        row->made_files.again = BOARD_AGAIN_OTHER;
        row->made_life.again = row->recorded ? BOARD_AGAIN_OTHER : BOARD_AGAIN_UNKNOWN;
        return;
    }
    row_path(b, row, false, "again", path);
    board_digest_text(row->made_files.digest, files);
    board_digest_text(row->made_life.digest, life);
    for (board_again f = BOARD_AGAIN_SAME; f <= BOARD_AGAIN_OTHER; f++)
        for (board_again l = BOARD_AGAIN_UNKNOWN; l <= BOARD_AGAIN_OTHER; l++) {
            snprintf(text, sizeof text, "files %s: %s\nlife %s: %s\n", files, board_again_text(f), life,
                     board_again_text(l));
            if (file_is(path, text) && (l != BOARD_AGAIN_UNKNOWN || !row->recorded)) {
                row->made_files.again = f;
                row->made_life.again = l;
                return;
            }
        }
    row->made_files.again = files_again(b, row);
    row->made_life.again = row->recorded ? life_again(b, row) : BOARD_AGAIN_UNKNOWN;
    snprintf(text, sizeof text, "files %s: %s\nlife %s: %s\n", files, board_again_text(row->made_files.again), life,
             board_again_text(row->made_life.again));
    file_write(path, text);
}

static void due_set(const board *b, board_row *row)
{
    for (int k = 0; k < STORE_DAMAGE_KINDS; k++) {
        const uint64_t there = store_damages_count(row->damages, (store_damage_kind)k);
        if (board_class_wanted(b, (board_class)k))
            row->cells[k].due = there < b->options.damages ? there : b->options.damages;
    }
    if (!row->recorded)
        return;
    row->cells[BOARD_SYNC].due = board_class_wanted(b, BOARD_SYNC) && row->syncs ? b->options.lives : 0;
    row->cells[BOARD_FULL].due = board_class_wanted(b, BOARD_FULL) && row->written ? b->options.lives : 0;
}

void board_row_prepare(board *b, board_row *row)
{
    char path[DIRECTORY_PATH_BYTES], now[DIRECTORY_PATH_BYTES], text[SETTINGS_BYTES];
    const store_config config = board_config(&row->spec, ".", true);
    const bool replaying = b->options.replaying;
    if (row->spec.adapter->prepare)
        row->spec.adapter->prepare();
    row->spec.adapter->configuration(&config, row->configuration);
    row->work = board_work(b->options.seed, b->options.keys, b->options.batches, row->spec.adapter);
    row->acknowledged = b->options.batches;
    if (replaying)
        board_kept_load(&b->options, row->spec.label, &row->kept);
    if (b->options.fresh && !row->kept.there) {
        snprintf(row->refused, sizeof row->refused, "--fresh: no report in %.200s says what comes out the same",
                 b->options.directory);
        return;
    }
    for (int fresh = 0; fresh <= b->options.fresh; fresh++) {
        row_path(b, row, fresh, "", path);
        if (!directory_make(path))
            fatal("%s: %s", path, strerror(errno));
    }
    row_path(b, row, false, "settings", path);
    settings_text(b, row, text);
    /* where a report speaks of it, its digests decide, and not the settings: another version may read the same files */
    const bool settled = row->kept.there || file_is(path, text);
    board_files_path(b, row, "now", now);
    if (!settled && replaying && access(now, F_OK) == 0) {
        snprintf(row->refused, sizeof row->refused, "%.200s was made with other settings (see there): it wants the "
                 "--seed and --batches of its run, and the same version", path);
        return;
    }
    if (!settled)
        unlink(path);
    if ((!replaying || wants_damages(b)) && !files_prepare(b, row, settled))
        return;
    if (wants_lives(b) && !life_prepare(b, row, settled) && replaying)
        return;
    if (!settled)
        file_write(path, text);
    if (replaying)
        return;
    again_prepare(b, row);
    due_set(b, row);
    board_results_open(b, row);
    lives_release(row);
}
