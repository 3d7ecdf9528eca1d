/*
 * compact.c - compaction: the page tree written anew in key order with full pages, and free pages given back to the
 * file system.
 *
 * Works in rounds of bounded size, each a checkpoint of its own (checkpoint.c): readers see one tree or the next, a
 * crash finds one or the next, and between two steps the whole thing can be stopped.  Writers who need a checkpoint get
 * it after the round at work.
 *
 * LEVIN_COMPACT_ALL goes through the file with a window of one round's pages, from its start:
 *   EVACUATE  what stands in the window goes to the free pages nearest to the end of the file (merge_rewrite by page
 *             number), unless the window is free already
 *   FILL      the next keys are written, full pages one after the other, into the lowest free pages, which are now
 *             those of the window; the window moves on behind them
 * so that each page is written twice at most and little space is needed.  Then, and with LEVIN_COMPACT_END that alone:
 *   TAIL      what stands behind the place where the file would end if nothing were free goes to the lowest free pages
 *   SETTLE    a round that writes nothing: the pages that the last one let go leave the end of the file; and one more
 *             where the free list of that round stands there, which the older meta page needs until then
 *
 * levin_compact() collects the value log before (collect.h): what that moves is in the tree then.
 *
 * Pages that a snapshot or an iterator holds cannot be used again: when more than a quarter of the store, or a few
 * rounds' worth, wait for their readers, compaction ends early and says so, rather than let the file grow; one that
 * finds it so at once writes nothing.
 *
 * Invariants: a round begins only when all pages let go before it are back in the space, or are held by readers.
 * Concurrency: db->compaction under work_mutex; one levin_compact() at a time under compact_mutex.  The background's
 * own gives way to it.
 * Crash safety: that of checkpoints.  What was evacuated and not filled yet is a valid tree.
 */
#include <string.h>

#include "collect.h"
#include "compact.h"

enum compact_phase { EVACUATE, FILL, TAIL, SETTLE, DONE };

enum {
    ROUND_PAGES_MIN = 64,
    TAIL_PASSES_MAX = 4,
    SETTLE_SHARE = 16, /* of the file, free: is given back by a round more */
    STEPS_BETWEEN_PROGRESS = 64,
    AUTO_BYTES_MIN = 4 << 20 /* free bytes that are not worth a look */
};
#define ROUND_BYTES_DEFAULT (32u << 20)
#define LIVE_PERCENT_DEFAULT 90u

struct compaction {
    enum compact_phase phase;
    bool automatic;          /* the background's */
    uint64_t round_pages;
    uint64_t held_max;       /* so many pages may wait for readers */
    uint64_t place;          /* where the window begins */
    uint64_t limit;          /* TAIL: pages from here on are moved */
    unsigned tail_passes, settled;
    uint64_t moved_in_pass;
    unsigned domain, fill_domain; /* the tree in which it goes on, and */
    uint8_t *key;            /* where the pass goes on: EVACUATE, TAIL */
    uint8_t *fill_key;       /* where FILL goes on */
    uint8_t *next;           /* handed to the round */
    size_t key_bytes, fill_key_bytes;
    uint64_t began_ns;       /* for the log callback */
    levin_error failed;      /* of a round that was given up; code LEVIN_OK: none */
    levin_compact_result result;
};

void levin_compact_options_init(levin_compact_options *options)
{
    *options = (levin_compact_options){
        .struct_bytes = sizeof *options, .round_bytes = ROUND_BYTES_DEFAULT,
        .value_log_live_percent = LIVE_PERCENT_DEFAULT
    };
}

/* ---- begin and end ---- */

static size_t key_max(const levin *db)
{
    return LEVIN_KEY_MAX_BYTES(db->page_bytes);
}

void compact_end(levin *db)
{
    compaction *c = db->compaction;
    if (!c)
        return;
    checkpoint_drop_round(db);
    db->compaction = NULL;
    io_free(db->io, c->key, key_max(db));
    io_free(db->io, c->fill_key, key_max(db));
    io_free(db->io, c->next, key_max(db));
    io_free(db->io, c, sizeof *c);
}

void compact_end_automatic(levin *db)
{
    if (db->compaction && db->compaction->automatic)
        compact_end(db);
}

static uint64_t live_pages(const levin *db)
{
    const page_meta *m = &db->meta;
    return m->leaf_pages + m->branch_pages + m->overflow_pages + m->free_list_pages;
}

static levin_code compact_begin(levin *db, levin_compact_mode mode, uint64_t round_bytes, levin_error *error)
{
    compaction *c = io_alloc(db->io, sizeof *c);
    if (!c)
        return error_memory(error, sizeof *c);
    memset(c, 0, sizeof *c);
    db->compaction = c;
    c->key = io_alloc(db->io, key_max(db));
    c->fill_key = io_alloc(db->io, key_max(db));
    c->next = io_alloc(db->io, key_max(db));
    if (!c->key || !c->fill_key || !c->next) {
        compact_end(db);
        error_memory(error, key_max(db));
        event_tell(db, compaction_failed, error->message);
        return LEVIN_NO_MEMORY;
    }
    c->phase = mode == LEVIN_COMPACT_ALL ? EVACUATE : TAIL;
    c->place = page_first(db->page_bytes);
    /* a small store is not to grow by much either */
    uint64_t most = round_bytes / db->page_bytes, pages = live_pages(db) / 16;
    c->round_pages = pages < most ? pages : most;
    c->held_max = 4 * c->round_pages;
    if (c->held_max < ROUND_PAGES_MIN)
        c->held_max = ROUND_PAGES_MIN;
    if (c->round_pages < ROUND_PAGES_MIN)
        c->round_pages = ROUND_PAGES_MIN;
    c->result.pages_before = db->meta.page_count;
    c->result.free_before = db->meta.free_pages;
    c->began_ns = db->options.log ? db->io->now_ns(db->io->context) : 0;
    event_tell(db, compaction_began, (unsigned long long)c->result.free_before,
               (unsigned long long)c->result.pages_before);
    return LEVIN_OK;
}

/* ---- rounds ---- */

static levin_code count_held(void *context, extent e)
{
    *(uint64_t *)context += e.pages;
    return LEVIN_OK;
}

static uint64_t held_pages(levin *db)
{
    uint64_t held = 0;
    (void)version_each_dead(&db->versions, count_held, &held);
    return held;
}

/* Where the file would end if nothing were free, and some room for the paths and free lists of a round. */
static uint64_t tail_limit(levin *db)
{
    uint64_t used = space_page_count(db->space) - space_free_pages(db->space);
    return used + used / 64 + PAGE_HEIGHT_MAX;
}

static bool next_evacuate(levin *db, compaction *c, compact_round *round)
{
    uint64_t count = space_page_count(db->space), end = c->place + c->round_pages;
    uint64_t inside = end < count ? end : count;
    if (c->place >= count || space_is_free(db->space, (extent){ c->place, inside - c->place }))
        return false;
    round->rewrite.first_page = c->place;
    round->rewrite.end_page = end;
    round->aim = SPACE_HIGHEST;
    round->floor = end;
    return true;
}

static bool next_tail(levin *db, compaction *c, compact_round *round)
{
    if (c->key_bytes == 0 && c->domain == 0) { /* a new pass over the keys */
        c->limit = tail_limit(db);
        if (space_page_count(db->space) <= c->limit || c->tail_passes == TAIL_PASSES_MAX ||
            (c->tail_passes && !c->moved_in_pass))
            return false;
        c->tail_passes++;
        c->moved_in_pass = 0;
    }
    round->rewrite.first_page = c->limit;
    return true;
}

bool compact_next_round(levin *db, compact_round *round)
{
    compaction *c = db->compaction;
    uint64_t held = held_pages(db);
    if (c->phase < SETTLE)
        c->result.held_pages = 0;
    if (held > c->held_max && c->phase < SETTLE) {
        c->result.held_pages = held;
        c->phase = c->result.rounds ? SETTLE : DONE;
    }
    *round = (compact_round){
        .domain = c->domain,
        .rewrite = { .from = { c->key, c->key_bytes }, .end_page = UINT64_MAX, .pages = c->round_pages },
        .next = c->next,
        .aim = SPACE_LOWEST,
    };
    if (c->phase == EVACUATE && !next_evacuate(db, c, round))
        c->phase = FILL;
    if (c->phase == FILL) {
        round->domain = c->fill_domain;
        round->rewrite.from = (levin_slice){ c->fill_key, c->fill_key_bytes };
        round->rewrite.first_page = 0;
        round->rewrite.pack = true;
    }
    if (c->phase == TAIL && !next_tail(db, c, round))
        c->phase = SETTLE;
    if (c->phase == SETTLE) {
        round->domain = DOMAIN_PLAIN;
        round->rewrite.end_page = round->rewrite.first_page = 0;
    }
    return c->phase != DONE;
}

static void swap_keys(uint8_t **a, uint8_t **b)
{
    uint8_t *key = *a;
    *a = *b;
    *b = key;
}

/* Trees with anything in them: the second one has the named keyspaces. */
static unsigned domains(const levin *db)
{
    return db->meta.named_height ? DOMAIN_COUNT : DOMAIN_NAMED;
}

void compact_round_done(levin *db, const merge_result *result, uint64_t bytes_written)
{
    compaction *c = db->compaction;
    const size_t next = result->next_bytes;
    c->result.rounds++;
    c->result.pages_moved += result->rewritten;
    c->result.bytes_written += bytes_written;
    c->moved_in_pass += result->rewritten;
    count_add(&db->compaction_rounds, 1);
    count_add(&db->compaction_pages, result->rewritten);
    count_add(&db->compaction_bytes, bytes_written);
    switch (c->phase) {
    case EVACUATE:
    case TAIL:
        c->key_bytes = next;
        if (next) {
            swap_keys(&c->key, &c->next);
        } else if (++c->domain >= domains(db)) {
            c->domain = 0;
            if (c->phase == EVACUATE)
                c->phase = FILL;
        }
        break;
    case FILL:
        if (next)
            swap_keys(&c->fill_key, &c->next);
        else
            c->fill_domain++;
        c->fill_key_bytes = next;
        c->place += result->pages_written;
        c->key_bytes = 0;
        c->phase = c->fill_domain < domains(db) ? EVACUATE : TAIL;
        break;
    case SETTLE: /* a large store is not worth a round for a few pages */
        if (c->settled++ || db->meta.free_pages <= db->meta.page_count / SETTLE_SHARE + 1)
            c->phase = DONE;
        break;
    case DONE: break;
    }
}

void compact_round_failed(levin *db, const levin_error *error)
{
    db->compaction->failed = *error;
    db->compaction->phase = DONE;
}

/* It has come to its end, and its numbers are complete. */
static void compact_tell(levin *db, const compaction *c, levin_code code, const levin_error *error)
{
    const levin_compact_result *r = &c->result;
    if (!db->options.log)
        return;
    if (code != LEVIN_OK)
        event_tell(db, compaction_failed, error->message);
    else if (r->held_pages)
        event_tell(db, compaction_held, (unsigned long long)r->held_pages);
    else
        event_tell(db, compaction_ended, (unsigned long long)r->pages_moved, (unsigned long long)r->rounds,
                   (unsigned long long)r->pages_before, (unsigned long long)r->pages_after,
                   (unsigned long long)((db->io->now_ns(db->io->context) - c->began_ns) / 1000000));
}

/* One step under work_mutex. *done: the compaction has come to its end, well or with its round's error. */
static levin_code compact_step(levin *db, bool *done, levin_error *error)
{
    bool more;
    levin_code code = checkpoint_work_locked(db, true, &more, error);
    compaction *c = db->compaction;
    *done = code != LEVIN_OK || (c->phase == DONE && !db->running);
    if (code == LEVIN_OK && *done && c->failed.code) {
        *error = c->failed;
        code = error->code;
    }
    if (*done) {
        c->result.pages_after = db->meta.page_count;
        c->result.free_after = db->meta.free_pages;
        compact_tell(db, c, code, error);
    }
    return code;
}

/* ---- in the background ---- */

/* Under work_mutex. One attempt for each checkpoint: when readers hold the pages it comes to nothing. */
static bool auto_due(levin *db)
{
    const page_meta *m = &db->meta;
    const uint32_t percent = db->options.auto_compact_percent;
    return percent && !db->options.read_only && !db->compaction && !db->running &&
           m->free_pages > m->page_count / 100 * percent && m->free_pages * m->page_bytes >= AUTO_BYTES_MIN &&
           db->compacted_at != count_read(&db->checkpoints);
}

bool compact_auto_wanted(levin *db)
{
    sync_mutex_lock(&db->work_mutex);
    bool due = auto_due(db) || (db->compaction && db->compaction->automatic);
    sync_mutex_unlock(&db->work_mutex);
    return due;
}

levin_code compact_auto_work(levin *db, bool *more, levin_error *error)
{
    levin_code code = LEVIN_OK;
    bool done = false;
    *more = false;
    sync_mutex_lock(&db->work_mutex);
    if (auto_due(db)) {
        code = compact_begin(db, LEVIN_COMPACT_END, ROUND_BYTES_DEFAULT, error);
        if (code == LEVIN_OK)
            db->compaction->automatic = true;
    }
    if (code == LEVIN_OK && db->compaction && db->compaction->automatic) {
        code = compact_step(db, &done, error);
        if (done) {
            db->compacted_at = count_read(&db->checkpoints);
            count_add(&db->compactions, code == LEVIN_OK);
            compact_end(db);
        }
        *more = !done;
    }
    sync_mutex_unlock(&db->work_mutex);
    if (page_cache_wants_reclaim(db->cache))
        page_cache_reclaim(db->cache);
    return code;
}

/* ---- public ---- */

static levin_code stopped_on_request(levin *db, levin_error *error)
{
    levin_code code = error_set(error, LEVIN_INTERRUPTED, NULL, "compaction was stopped on request");
    event_tell(db, compaction_failed, error->message);
    return code;
}

typedef struct value_progress {
    const levin_compact_options *o;
    levin_compact_result *result;
} value_progress;

static void take_values(levin_compact_result *result, const collect_result *values)
{
    result->segments_collected = values->segments;
    result->segments_bytes = values->segments_bytes;
    result->values_moved = values->moved;
    result->values_moved_bytes = values->moved_bytes;
}

static bool values_go_on(void *context, const collect_result *so_far)
{
    const value_progress *p = context;
    take_values(p->result, so_far);
    return !p->o->progress || p->o->progress(p->o->context, p->result);
}

static levin_code compact_values(levin *db, const levin_compact_options *o, levin_compact_result *result,
                                 collect_result *values, levin_error *error)
{
    value_progress progress = { o, result };
    bool stopped;
    *values = (collect_result){ 0 };
    if (!o->value_log_live_percent)
        return LEVIN_OK;
    levin_code code = collect_drive(db, o->value_log_live_percent, values_go_on, &progress, values, &stopped, error);
    take_values(result, values);
    return code == LEVIN_OK && stopped ? stopped_on_request(db, error) : code;
}

static levin_code compact_drive(levin *db, const levin_compact_options *o, const collect_result *values,
                                levin_compact_result *result, levin_error *error)
{
    bool done = false, stop = false;
    levin_code code;
    sync_mutex_lock(&db->work_mutex);
    compact_end(db); /* the background's */
    code = compact_begin(db, o->mode, o->round_bytes, error);
    if (code == LEVIN_OK)
        take_values(&db->compaction->result, values);
    for (unsigned steps = 0; code == LEVIN_OK && !done && !stop; steps++) {
        code = compact_step(db, &done, error);
        *result = db->compaction->result;
        sync_mutex_unlock(&db->work_mutex); /* whoever waits for it comes in between */
        if (page_cache_wants_reclaim(db->cache))
            page_cache_reclaim(db->cache);
        if (o->progress && steps % STEPS_BETWEEN_PROGRESS == 0)
            stop = !o->progress(o->context, result);
        sync_mutex_lock(&db->work_mutex);
    }
    compact_end(db);
    sync_mutex_unlock(&db->work_mutex);
    if (code == LEVIN_OK && stop && !done)
        code = stopped_on_request(db, error);
    if (code == LEVIN_OK)
        count_add(&db->compactions, 1);
    else
        db_wake(db); /* a round past the point of no return is finished there */
    return code;
}

levin_code levin_compact(levin *store, const levin_compact_options *options, levin_compact_result *result)
{
    levin_compact_options defaults;
    levin_compact_result local;
    collect_result values;
    levin_error error = { 0 };
    if (!options) {
        levin_compact_options_init(&defaults);
        options = &defaults;
    }
    if (!result)
        result = &local;
    *result = (levin_compact_result){ 0 };
    if (options->struct_bytes != sizeof *options || options->mode > LEVIN_COMPACT_END || (int)options->mode < 0)
        return db_refuse(store, LEVIN_INVALID, "compaction options were not filled by levin_compact_options_init(), "
                         "or there is no such mode");
    if (options->value_log_live_percent > 100)
        return db_refuse(store, LEVIN_INVALID, "compaction of segments of the value log less than %u %% in use: at "
                         "most 100 is possible", options->value_log_live_percent);
    levin_code code = levin_checkpoint(store);
    if (code != LEVIN_OK)
        return code;
    sync_mutex_lock(&store->compact_mutex);
    code = compact_values(store, options, result, &values, &error);
    if (code == LEVIN_OK)
        code = compact_drive(store, options, &values, result, &error);
    sync_mutex_unlock(&store->compact_mutex);
    version_reclaim(&store->versions);
    return code == LEVIN_OK ? LEVIN_OK : db_fail(store, &error);
}
