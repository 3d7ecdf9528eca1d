/*
 * open.c - creating, opening, recovering and closing a store.
 *
 * Files of a store: "lock", "pages" (page_format.h), "wal-%016x" (wal_format.h), "vlog-%016x" (vlog_format.h).
 *
 * Creation: "pages.new", locked; the log's first segment; both meta pages into "pages.new", which is synced, renamed to
 * "pages", and the directory synced.  The rename makes the store: before it there is nothing to lose, so leftovers of
 * an unfinished creation are replaced; after it the log is known to be there.
 *
 * Opening: the newest valid meta page of generation g is chosen.  If the newer slot is damaged the older one is
 * taken, whose pages and log are kept until the newer is known durable; the log refuses (LEVIN_CORRUPT) when it
 * knows better.  Then the log is replayed into a memtable.  If the log does not prove that the meta page is durable
 * (the process may have died between its write and its sync, and the page cache shows more than the device has) the
 * meta page is written again and synced before recovery writes to the log, which then makes that known and lets the
 * older one go.
 *
 * Reading beside a writer (reader_slots.h, lock_format.h): a reader takes a slot and puts there the generation of the
 * meta page that it has chosen.  When there is no writer it holds the gate meanwhile, replays the log into memory, and
 * lets the gate go; a writer waits for that, and no longer.  Otherwise it leaves the log alone.  A writer that finds
 * readers of older checkpoints lets nothing of the free list be used before they have gone: it cannot know what they
 * read.
 *
 * Concurrency: nobody else has the handle yet, or any more.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backup_sink.h"
#include "checksum.h"
#include "collect.h"
#include "compact.h"
#include "keyspace.h"
#include "lock_format.h"
#include "meta_read.h"
#include "open_lock.h"
#include "open_values.h"
#include "read.h"

#define GENERATIONS_RESERVE ((uint64_t)1 << 48) /* more checkpoints than one handle makes */
enum { META_TRIES_MAX = 100 }; /* of a reader who finds both meta pages being written */
#define COMPACT_IDLE_NS 1000000000u /* nothing was to be done for so long: compaction may begin */
#define NEW_PAGE_FILE_NAME "pages.new"

/* ---- errors, poison, wake ---- */

levin_code db_fail(levin *db, const levin_error *error)
{
    sync_mutex_lock(&db->error_mutex);
    db->last_error = *error;
    sync_mutex_unlock(&db->error_mutex);
    metrics_error(&db->metrics, error->code);
    if (error->code == LEVIN_CORRUPT)
        event_tell(db, corrupt, error->message);
    else if (error->code == LEVIN_IO)
        event_tell(db, io_failed, error->message);
    return error->code;
}

levin_code db_refuse(levin *db, levin_code code, const char *format, ...)
{
    levin_error error = { .code = code };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    return db_fail(db, &error);
}

void levin_last_error(levin *store, levin_error *error)
{
    sync_mutex_lock(&store->error_mutex);
    *error = store->last_error;
    sync_mutex_unlock(&store->error_mutex);
}

void db_poison(levin *db)
{
    if (!atomic_exchange_explicit(&db->poisoned, 1, memory_order_acq_rel)) /* release: pairs with db_poisoned */
        event_tell(db, poisoned, db->directory);
}

void db_wake(levin *db)
{
    if (!db->thread_started)
        return;
    atomic_fetch_add_explicit(&db->work_word, 1, memory_order_release); /* pairs with background_run */
    sync_wake(&db->work_word, 1);
}

/* ---- the background thread ---- */

/* Compaction after a while of nothing to do, for as long as there is nothing else to do. */
static void background_compact(levin *db, uint32_t seen)
{
    levin_error error;
    bool more = true;
    while (more && atomic_load_explicit(&db->work_word, memory_order_acquire) == seen) /* pairs with db_wake */
        (void)compact_auto_work(db, &more, &error); /* what went wrong is told there */
}

static void background_run(void *argument)
{
    levin *db = argument;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&db->work_word, memory_order_acquire); /* pairs with db_wake */
        if (atomic_load_explicit(&db->stopping, memory_order_acquire)) /* pairs with levin_close */
            return;
        bool more = true;
        while (more && !atomic_load_explicit(&db->stopping, memory_order_acquire)) { /* pairs with levin_close */
            levin_error error;
            levin_code code = checkpoint_work(db, &more, &error);
            if (code == LEVIN_OK && !more)
                code = collect_work(db, db->options.value_log_live_percent, &more, &error);
            if (code != LEVIN_OK) { /* whoever needs room tries again and gets the error */
                if (code != LEVIN_POISONED) {
                    (void)db_fail(db, &error);
                    event_tell(db, background_failed, error.message);
                }
                more = false;
            }
        }
        levin_error error;
        if (checkpoint_prepare_log(db, &error) != LEVIN_OK) /* the next switch makes one, or fails for all to see */
            event_tell(db, upkeep_failed, "no spare log segment", error.message);
        version_reclaim(&db->versions);
        page_cache_reclaim(db->cache);
        if (db->rows && row_cache_wants_table(db->rows))
            read_make_rows(db);
        while (db->rows && !row_cache_maintain(db->rows, true) &&
               !atomic_load_explicit(&db->stopping, memory_order_acquire)) /* pairs with levin_close */
            ;
        if (db->rows)
            row_cache_gather(db->rows);
        bool compact = compact_auto_wanted(db);
        sync_wait(&db->work_word, seen, compact ? COMPACT_IDLE_NS : 0);
        if (compact)
            background_compact(db, seen);
    }
}

/* ---- creation ---- */

static levin_code make_directory(levin *db, levin_error *error)
{
    int failed = db->io->make_dir(db->io->context, db->directory);
    levin_code code = failed && failed != EEXIST ? error_os(error, failed, "creation", db->directory) : LEVIN_OK;
    if (failed == ENOENT) /* which of the two is missing? */
        snprintf(error->message, sizeof error->message, "the directory that is to hold \"%.180s\" is not there",
                 db->directory);
    return code;
}

/*
 * The names of the store's files, and of the directory itself, may be in the page cache only, left there by a process
 * that died between a change and its sync: they are made durable before anything is promised.
 */
static levin_code sync_names(levin *db, levin_error *error)
{
    char parent[FILE_PATH_MAX];
    levin_code code = file_sync_dir(db->io, db->directory, error);
    if (code == LEVIN_OK) {
        file_parent(db->directory, parent);
        code = file_sync_dir(db->io, parent, error);
    }
    return code;
}

/* Before each sync of the log. */
static levin_code sync_values(void *context, levin_error *error)
{
    return vlog_sync(&((levin *)context)->values, error);
}

static void log_was_cut(void *context, const char *segment, uint64_t offset, const char *damage)
{
    levin *db = context;
    if (damage)
        event_tell(db, salvaged, segment, (unsigned long long)offset, damage);
    else
        event_tell(db, tail_cut, segment, (unsigned long long)offset);
}

static void wal_options_of(levin *db, wal_options *o)
{
    *o = (wal_options){
        .io = db->io,
        .directory = db->directory,
        .segment_bytes = db->options.wal_segment_bytes,
        .sector_bytes = db->meta.sector_bytes,
        .key_max_bytes = LEVIN_KEY_MAX_BYTES(db->meta.page_bytes),
        .spares = 2,
        .read_only = db->options.read_only,
        .recovery = db->options.recovery,
        .before_sync = sync_values,
        .on_cut = log_was_cut,
        .sync_context = db,
    };
    memcpy(o->identity, db->meta.identity, sizeof o->identity);
}

static levin_code write_first_metas(levin *db, file *f, levin_error *error)
{
    uint8_t slots[2][META_SLOT_BYTES] = { { 0 } };
    page_meta meta = db->meta;
    for (unsigned slot = 0; slot < 2; slot++) {
        meta.generation = slot;
        meta_encode(slots[slot], &meta);
    }
    levin_slice part = { slots, sizeof slots };
    levin_code code = file_write(f, &part, 1, 0, NULL, error);
    uint64_t bytes = meta.page_count * meta.page_bytes;
    if (code == LEVIN_OK && bytes > sizeof slots)
        code = file_truncate(f, bytes, error);
    return code == LEVIN_OK ? file_sync(f, error) : code;
}

/*
 * The page file to be, when nobody else makes one: who does so has it locked, or it has its name already.  (By the lock
 * file that is so, unless somebody has removed it.)
 */
static levin_code open_new_pages(levin *db, file *f, levin_error *error)
{
    file other = { 0 };
    levin_code code = file_open(f, db->io, db->directory, NEW_PAGE_FILE_NAME, LEVIN_FILE_PAGES,
                                LEVIN_IO_WRITE | LEVIN_IO_CREATE, error);
    if (code == LEVIN_OK)
        code = open_lock_pages(f, PAGE_FILE_WRITE, db->directory, error);
    if (code != LEVIN_OK)
        return code;
    code = file_open(&other, db->io, db->directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, 0, error);
    if (code == LEVIN_OK)
        code = error_set(error, LEVIN_LOCKED, PAGE_FILE_NAME, "a store is being made elsewhere in \"%s\"",
                         db->directory);
    file_close(&other);
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

static levin_code create_store(levin *db, levin_error *error)
{
    file f = { 0 };
    wal_options log;
    page_meta *m = &db->meta;
    *m = (page_meta){ .page_bytes = db->options.page_bytes, .sector_bytes = db->options.wal_sector_bytes };
    int failed = db->io->random(db->io->context, m->identity, sizeof m->identity);
    if (failed)
        return error_os(error, failed, "reading random bytes", NULL);
    m->page_count = page_first(m->page_bytes);
    m->replay = lsn_make(1, m->sector_bytes);
    wal_options_of(db, &log);
    levin_code code = open_new_pages(db, &f, error);
    if (code == LEVIN_OK)
        code = wal_create(&log, error);
    if (code == LEVIN_OK)
        code = file_truncate(&f, 0, error);
    if (code == LEVIN_OK)
        code = write_first_metas(db, &f, error);
    file_close(&f);
    if (code == LEVIN_OK)
        code = file_rename(db->io, db->directory, NEW_PAGE_FILE_NAME, PAGE_FILE_NAME, error);
    return code;
}

/* ---- is there a store without its page file? ---- */

typedef struct leftover_scan {
    levin *db;
    levin_error *error;
    levin_code code;
} leftover_scan;

/*
 * A log with anything in it belongs to a store whose page file is gone: creation makes the page file before it writes
 * the first group.  A backup that was not finished has its page file under another name.
 */
static int leftover_entry(void *context, const char *name)
{
    leftover_scan *scan = context;
    file f = { 0 };
    uint8_t magic[4];
    size_t done = 0;
    if (strcmp(name, BACKUP_UNFINISHED_NAME) == 0) {
        scan->code = error_set(scan->error, LEVIN_NO_STORE, name,
                               "\"%s\" holds an unfinished backup: take it again, in an empty directory",
                               scan->db->directory);
        return 1;
    }
    if (strncmp(name, "wal-", 4) != 0)
        return 0;
    bool first = strcmp(name, WAL_FIRST_NAME) == 0;
    bool used = !first;
    if (first) {
        scan->code = file_open(&f, scan->db->io, scan->db->directory, name, LEVIN_FILE_WAL, 0, scan->error);
        for (uint64_t sector = 512; sector <= 4096 && scan->code == LEVIN_OK && !used; sector *= 8) {
            scan->code = file_read(&f, magic, sizeof magic, sector + WAL_GROUP_MAGIC_AT, &done, scan->error);
            used = scan->code == LEVIN_OK && done == sizeof magic && load_u32(magic) == WAL_GROUP_MAGIC;
        }
        file_close(&f);
    }
    if (scan->code == LEVIN_OK && used)
        scan->code = error_corrupt(scan->error, name, 0, 0, 0,
                                   "the page file \"" PAGE_FILE_NAME "\" is missing but its log is there");
    return scan->code != LEVIN_OK;
}

static levin_code refuse_leftover_log(levin *db, levin_error *error)
{
    leftover_scan scan = { db, error, LEVIN_OK };
    int failed = db->io->list(db->io->context, db->directory, leftover_entry, &scan);
    if (scan.code != LEVIN_OK)
        return scan.code;
    return failed ? error_os(error, failed, "listing", db->directory) : LEVIN_OK;
}

/* ---- the meta pages ---- */

/* The newest valid one. A meta page that cannot be read for another reason than damage decides nothing: that is an
 * error. */
static levin_code choose_meta(levin *db, levin_error *error)
{
    page_meta meta[2];
    levin_error errors[2];
    levin_code code[2];
    for (unsigned slot = 0; slot < 2; slot++) {
        code[slot] = meta_read(&db->pages, slot, &meta[slot], &errors[slot]);
        if (code[slot] == LEVIN_CORRUPT) /* a read that goes wrong once does not make the older one the newest */
            code[slot] = meta_read(&db->pages, slot, &meta[slot], &errors[slot]);
        if (code[slot] != LEVIN_OK && code[slot] != LEVIN_CORRUPT) {
            *error = errors[slot];
            return code[slot];
        }
    }
    if (code[0] != LEVIN_OK && code[1] != LEVIN_OK) {
        *error = errors[0];
        return LEVIN_CORRUPT;
    }
    unsigned best = code[0] != LEVIN_OK ? 1 : code[1] != LEVIN_OK ? 0 : meta[1].generation > meta[0].generation;
    if (code[!best] != LEVIN_OK)
        event_tell(db, meta_lost, errors[!best].message);
    else if (memcmp(meta[0].identity, meta[1].identity, 16) != 0 || meta[0].page_bytes != meta[1].page_bytes)
        return error_corrupt(error, PAGE_FILE_NAME, META_SLOT_BYTES, load_u64(meta[best].identity),
                             load_u64(meta[!best].identity), "the meta pages are of different stores");
    db->meta = meta[best];
    if (!db->options.read_only && db->meta.generation > UINT64_MAX - GENERATIONS_RESERVE)
        return error_set(error, LEVIN_TOO_BIG, PAGE_FILE_NAME,
                         "the numbers of checkpoints are used up (generation %llu): the store can only be read",
                         (unsigned long long)db->meta.generation);
    uint64_t bytes;
    levin_code sized = file_size(&db->pages, &bytes, error);
    if (sized == LEVIN_OK && bytes < db->meta.page_count * db->meta.page_bytes)
        sized = error_corrupt(error, PAGE_FILE_NAME, bytes, db->meta.page_count * db->meta.page_bytes, bytes,
                              "the page file is shorter than its pages");
    return sized;
}

/* Beside a writer both may be found half written, one after the other. */
static levin_code choose_meta_beside(levin *db, levin_error *error)
{
    levin_code code = LEVIN_CORRUPT;
    for (int i = 0; i < META_TRIES_MAX && code == LEVIN_CORRUPT; i++) {
        if (i)
            sync_yield();
        code = choose_meta(db, error);
    }
    return code;
}

/* Chooses the meta page and tells the writer, until it is still the newest after that: reader_slots.h. */
static levin_code settle_reader(levin *db, levin_error *error)
{
    levin_code code = db->beside ? choose_meta_beside(db, error) : choose_meta(db, error);
    const levin_io *io = db->io;
    db->slot.opened_ns = io->now_ns(io->context);
    db->slot.process = io->process_id ? io->process_id(io->context) : 0;
    do {
        db->slot.generation = db->meta.generation;
        db->slot.sequence = db->meta.sequence;
        if (code == LEVIN_OK)
            code = reader_slot_write(&db->lock, checksum_identity(db->meta.identity), &db->slot, error);
        sync_io_fence(); /* pairs with db_reading_processes(): slot, then meta pages */
        if (code == LEVIN_OK)
            code = db->beside ? choose_meta_beside(db, error) : choose_meta(db, error);
    } while (code == LEVIN_OK && db->meta.generation != db->slot.generation);
    return code;
}

static levin_code open_pages(levin *db, levin_error *error)
{
    const unsigned mode = db->options.read_only ? 0 : LEVIN_IO_WRITE;
    levin_code code = file_open(&db->pages, db->io, db->directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, mode, error);
    if (code == LEVIN_NOT_FOUND) {
        code = refuse_leftover_log(db, error);
        if (code != LEVIN_OK)
            return code;
        if (db->options.read_only || !db->options.create_if_missing)
            return error_set(error, LEVIN_NO_STORE, db->directory, "there is no store in \"%s\"", db->directory);
        code = create_store(db, error);
        if (code == LEVIN_OK)
            code = file_open(&db->pages, db->io, db->directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, mode, error);
    } else if (code == LEVIN_OK && db->options.error_if_exists) {
        return error_set(error, LEVIN_EXISTS, db->directory, "there is a store in \"%s\" already", db->directory);
    }
    const bool reading = db->options.read_only;
    if (code == LEVIN_OK)
        code = open_lock_pages(&db->pages,
                               !reading      ? PAGE_FILE_WRITE
                               : !db->slots  ? PAGE_FILE_READ_ALONE
                               : db->beside  ? PAGE_FILE_READ_BESIDE
                                             : PAGE_FILE_READ,
                               db->directory, error);
    if (code == LEVIN_OK && !reading)
        code = open_lock_strangers(db, error);
    if (code == LEVIN_OK && !reading)
        code = sync_names(db, error);
    if (code != LEVIN_OK)
        return code;
    return db->slots && reading ? settle_reader(db, error) : choose_meta(db, error);
}

/* ---- the free list ---- */

/*
 * A process reads an older checkpoint: what became free since then is in the list, which does not say since when.  All
 * of it waits until nobody reads an older checkpoint than this one.
 */
static levin_code hold_free_list(levin *db, extent_list *extents, levin_error *error)
{
    dead_pages *dead = io_alloc(db->io, sizeof *dead);
    if (!dead)
        return error_memory(error, sizeof *dead);
    *dead = (dead_pages){ .generation = db->meta.generation - 1, .extents = *extents };
    *extents = (extent_list){ 0 };
    version_add_reusable(&db->versions, dead);
    return LEVIN_OK;
}

/* Puts the free pages where they can be used, or have to wait. */
static levin_code use_free_list(levin *db, extent_list *extents, levin_error *error)
{
    const page_meta *m = &db->meta;
    uint64_t oldest, newest, pages = 0;
    levin_code code = db_reading_processes(db, &oldest, &newest, error);
    if (code == LEVIN_OK && newest > m->generation)
        return error_set(error, LEVIN_LOCKED, LOCK_FILE_NAME,
                         "a process reads checkpoint %llu of \"%s\", which was lost in a failed sync: end it first",
                         (unsigned long long)newest, db->directory);
    for (size_t i = 0; i < extents->count; i++)
        pages += extents->items[i].pages;
    if (code == LEVIN_OK && pages != m->free_pages)
        code = error_corrupt(error, PAGE_FILE_NAME, m->free_list.number * m->page_bytes, m->free_pages, pages,
                             "the free list does not have the pages it should");
    if (code == LEVIN_OK && oldest < m->generation)
        return hold_free_list(db, extents, error);
    for (size_t i = 0; i < extents->count && code == LEVIN_OK; i++)
        code = space_give(db->space, extents->items[i], error);
    return code;
}

static levin_code load_space(levin *db, extent_list *own_pages, levin_error *error)
{
    const page_meta *m = &db->meta;
    db->space = space_create(db->io, m->page_bytes, m->page_count);
    if (!db->space)
        return error_memory(error, 0);
    page_ref ref = m->free_list;
    uint64_t after = 0, left = m->free_list_pages;
    levin_code code = LEVIN_OK;
    extent_list extents = { 0 };
    while (ref.number && code == LEVIN_OK) {
        page_expect expect = {
            .identity = db->identity,
            .page_bytes = m->page_bytes,
            .page_count = m->page_count,
            .max_generation = m->generation,
            .ref = ref,
            .type = PAGE_FREE_LIST,
            .level = 0,
        };
        page_frame *frame;
        if (left-- == 0) {
            code = error_corrupt(error, PAGE_FILE_NAME, ref.number * m->page_bytes, m->free_list_pages,
                                 m->free_list_pages + 1, "the free list has more pages than it should");
            break;
        }
        reclaim_read_lock();
        code = page_cache_get(db->cache, &expect, &frame, error);
        if (code == LEVIN_OK)
            code = extent_list_add(own_pages, db->io, ref.number, 1, error);
        if (code == LEVIN_OK)
            code = free_list_read(frame->page, PAGE_FILE_NAME, m->page_bytes, m->page_count, &after, &extents, db->io,
                                  &ref, error);
        reclaim_read_unlock();
    }
    if (code == LEVIN_OK)
        code = free_list_prove(m, own_pages, &extents, error);
    if (code == LEVIN_OK)
        code = use_free_list(db, &extents, error);
    extent_list_fini(&extents, db->io);
    return code;
}

/* ---- replay ---- */

typedef struct replay {
    levin *db;
    memtable *mem;
    uint64_t batches, operations;
} replay;

static uint8_t *replay_reserve(void *context, size_t bytes)
{
    replay *r = context;
    return arena_reserve(memtable_arena(r->mem), bytes);
}

static levin_code replay_batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes, size_t count,
                               levin_error *error)
{
    replay *r = context;
    (void)sequence;
    if (!memtable_apply_batch(r->mem, operations, count))
        return error_memory(error, bytes);
    r->batches++;
    r->operations += count;
    return LEVIN_OK;
}

static levin_code replay_accept(void *context, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                                levin_error *error)
{
    return values_accept(&((replay *)context)->db->values, payload, batches, proven, whole, error);
}

/* The first version: what the page file and the log hold. Takes the lists over. */
static levin_code publish_first(levin *db, memtable *mem, extent_list *free_list, extent_list *vlog_table,
                                levin_error *error)
{
    const page_meta *m = &db->meta;
    tree_version *t = tree_version_create(&db->versions);
    version *v = version_create(&db->versions);
    if (!t || !v) {
        if (t)
            io_free(db->io, t, sizeof *t);
        version_discard(v);
        return error_memory(error, sizeof *v);
    }
    t->t = (tree){
        .cache = db->cache,
        .identity = db->identity,
        .page_bytes = m->page_bytes,
        .height = m->height,
        .generation = m->generation,
        .page_count = m->page_count,
        .root = m->root,
        .values = &db->values,
    };
    t->named = t->t;
    t->named.height = m->named_height;
    t->named.root = m->named_root;
    t->meta = *m;
    t->free_list = *free_list;
    t->vlog_table = *vlog_table;
    *free_list = *vlog_table = (extent_list){ 0 };
    mem_node_list none = { 0 };
    v->group = db->group = 1;
    v->sequence = db->sequence;
    v->mem = mem;
    memtable_finish(mem, &none);
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        v->of[domain].mem = memtable_roots(mem, domain);
    v->tree = t;
    version_publish(&db->versions, v, &none);
    tree_version_release(&db->versions, t);
    return LEVIN_OK;
}

/*
 * The meta page in use may be in the page cache only, left there by a process that died before its sync; then it is
 * made durable before recovery writes anything that relies on it.  While the log does not prove it, the one before
 * and its log are all there, so that a crash in this very write loses nothing.  Once the log proves it, it must not
 * be written again.
 */
static levin_code replay_prove(void *context, uint64_t proven_generation, levin_error *error)
{
    levin *db = ((replay *)context)->db;
    const page_meta *m = &db->meta;
    levin_code secured = vlog_replay_secure(&db->values, error);
    if (secured != LEVIN_OK || proven_generation >= m->generation)
        return secured;
    uint8_t slot[META_SLOT_BYTES] = { 0 };
    meta_encode(slot, m);
    levin_slice part = { slot, sizeof slot };
    levin_code code = file_write(&db->pages, &part, 1, m->generation % 2 * META_SLOT_BYTES, NULL, error);
    return code == LEVIN_OK ? file_sync(&db->pages, error) : code;
}

static levin_code replay_log(levin *db, memtable *mem, replay *r, levin_error *error)
{
    const page_meta *m = &db->meta;
    wal_options options;
    const wal_start start = db_log_start(m);
    wal_visitor visitor = { r, replay_reserve, replay_batch, replay_prove, replay_accept };
    r->mem = mem;
    wal_options_of(db, &options);
    return wal_recover(&options, &start, &visitor, &db->log, error);
}

static levin_code recover(levin *db, levin_error *error)
{
    const page_meta *m = &db->meta;
    replay r = { .db = db };
    extent_list free_list = { 0 }, vlog_table = { 0 };
    memcpy(db->identity_bytes, m->identity, sizeof db->identity_bytes);
    db->identity = checksum_identity(m->identity);
    db->page_bytes = m->page_bytes;
    db->cache = page_cache_create(&db->pages, m->page_bytes, db->identity, db->options.cache_bytes);
    if (db->cache)
        page_cache_count_hits(db->cache, &db->counts, COUNT_PAGE_HITS);
    memtable *mem = memtable_create(db->io, db->options.memtable_bytes / 16);
    levin_code code = db->cache && mem ? LEVIN_OK : error_memory(error, sizeof(levin));
    if (code == LEVIN_OK && db->options.row_cache_bytes) { /* out of memory means: no row cache */
        db->rows = row_cache_create(db->io, db->options.row_cache_bytes, &db->counts, COUNT_ROW_OWN);
        if (!db->rows)
            event_tell(db, no_memory, "row cache");
    }
    if (code == LEVIN_OK && db->options.value_cache_bytes) { /* the same */
        db->large = value_cache_create(db->io, db->options.value_cache_bytes);
        if (!db->large)
            event_tell(db, no_memory, "cache of large values");
    }
    if (code == LEVIN_OK && !db->options.read_only)
        code = load_space(db, &free_list, error);
    if (code == LEVIN_OK)
        code = values_load(db, &vlog_table, error);
    if (code == LEVIN_OK) {
        memtable_begin(mem, 1);
        code = db->beside ? LEVIN_OK : replay_log(db, mem, &r, error);
    }
    if (code == LEVIN_OK) {
        db->sequence = db->beside ? m->sequence : wal_sequence(db->log);
        count_add(&db->replayed_batches, r.batches);
        count_add(&db->replayed_operations, r.operations);
        code = values_ready(db, r.batches != 0, error);
    }
    if (code == LEVIN_OK)
        code = publish_first(db, mem, &free_list, &vlog_table, error);
    if (code == LEVIN_OK)
        code = keyspace_load(db, error);
    extent_list_fini(&free_list, db->io);
    extent_list_fini(&vlog_table, db->io);
    if (mem)
        memtable_unref(mem);
    return code;
}

/* ---- options ---- */

void levin_options_init(levin_options *options)
{
    *options = (levin_options){
        .struct_bytes = sizeof *options,
        .create_if_missing = true,
        .page_bytes = 16384,
        .cache_bytes = 256u << 20,
        .memtable_bytes = 64u << 20,
        .wal_segment_bytes = 16u << 20,
        .wal_sector_bytes = 512,
        .background = LEVIN_BACKGROUND_THREAD,
        .row_cache_bytes = 64u << 20,
        .auto_compact_percent = 60,
        .oldest_reader_ms = 60000,
        .value_log_threshold_bytes = 4096,
        .value_log_segment_bytes = 64u << 20,
        .value_log_live_percent = 50,
        .value_cache_bytes = 64u << 20,
        .slow_checkpoint_ms = 10000,
        .reader_slots = 128,
    };
}

static bool power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

static levin_code options_check(const levin_options *o, levin_error *error)
{
    if (o->struct_bytes != sizeof *o)
        return error_set(error, LEVIN_INVALID, NULL,
                         "options were not filled by levin_options_init(): struct_bytes is %u, not %zu",
                         o->struct_bytes, sizeof *o);
    if (!power_of_two(o->page_bytes) || o->page_bytes < LEVIN_PAGE_MIN_BYTES || o->page_bytes > LEVIN_PAGE_MAX_BYTES)
        return error_set(error, LEVIN_INVALID, NULL, "page_bytes is %u: a power of two from %u to %u is needed",
                         o->page_bytes, LEVIN_PAGE_MIN_BYTES, LEVIN_PAGE_MAX_BYTES);
    if (o->wal_sector_bytes != 512 && o->wal_sector_bytes != 4096)
        return error_set(error, LEVIN_INVALID, NULL, "wal_sector_bytes is %u: 512 or 4096 is needed",
                         o->wal_sector_bytes);
    if (o->wal_segment_bytes < 8192 || o->wal_segment_bytes > (1u << 30) || o->wal_segment_bytes % 4096)
        return error_set(error, LEVIN_INVALID, NULL,
                         "wal_segment_bytes is %llu: a multiple of 4096 from 8192 to 1 GiB is needed",
                         (unsigned long long)o->wal_segment_bytes);
    if (o->memtable_bytes < 64u << 10)
        return error_set(error, LEVIN_INVALID, NULL, "memtable_bytes is %llu: at least 65536 is needed",
                         (unsigned long long)o->memtable_bytes);
    if (o->cache_bytes < 16ull * o->page_bytes)
        return error_set(error, LEVIN_INVALID, NULL, "cache_bytes is %llu: at least 16 pages are needed",
                         (unsigned long long)o->cache_bytes);
    if (o->row_cache_bytes && o->row_cache_bytes < ROW_CACHE_MIN_BYTES)
        return error_set(error, LEVIN_INVALID, NULL, "row_cache_bytes is %llu: 0 or at least %d is needed",
                         (unsigned long long)o->row_cache_bytes, ROW_CACHE_MIN_BYTES);
    if (o->auto_compact_percent > 99)
        return error_set(error, LEVIN_INVALID, NULL, "auto_compact_percent is %u: 0 (never) to 99 is needed",
                         o->auto_compact_percent);
    if (o->value_log_segment_bytes < 4096 || o->value_log_segment_bytes > 1u << 30)
        return error_set(error, LEVIN_INVALID, NULL, "value_log_segment_bytes is %llu: from 4096 to 1 GiB is needed",
                         (unsigned long long)o->value_log_segment_bytes);
    if (o->value_log_live_percent > 100)
        return error_set(error, LEVIN_INVALID, NULL, "value_log_live_percent is %u: from 0 (off) to 100 is needed",
                         o->value_log_live_percent);
    if (o->value_cache_bytes && o->value_cache_bytes < VALUE_CACHE_MIN_BYTES)
        return error_set(error, LEVIN_INVALID, NULL, "value_cache_bytes is %llu: 0 or at least %d is needed",
                         (unsigned long long)o->value_cache_bytes, VALUE_CACHE_MIN_BYTES);
    if (o->background != LEVIN_BACKGROUND_NONE && o->background != LEVIN_BACKGROUND_THREAD)
        return error_set(error, LEVIN_INVALID, NULL, "background is %d: none or thread is needed", (int)o->background);
    if (o->recovery != LEVIN_RECOVERY_STRICT && o->recovery != LEVIN_RECOVERY_CUT_AT_DAMAGE)
        return error_set(error, LEVIN_INVALID, NULL, "recovery is %d: strict or cut at damage is needed",
                         (int)o->recovery);
    if ((int)o->min_durability < LEVIN_NONE || o->min_durability > LEVIN_SYNCED)
        return error_set(error, LEVIN_INVALID, NULL, "min_durability is %d: none, logged or synced is needed",
                         (int)o->min_durability);
    if (o->reader_slots < 1 || o->reader_slots > READER_SLOTS_MAX)
        return error_set(error, LEVIN_INVALID, NULL, "reader_slots is %u: from 1 to %d is needed", o->reader_slots,
                         READER_SLOTS_MAX);
    if (o->io && (o->io->version < 1 || o->io->version > LEVIN_IO_VERSION))
        return error_set(error, LEVIN_INVALID, NULL, "the I/O table has version %u: from 1 to %u is needed",
                         o->io->version, LEVIN_IO_VERSION);
    if (o->read_only && o->error_if_exists)
        return error_set(error, LEVIN_INVALID, NULL, "read_only and error_if_exists exclude each other");
    return LEVIN_OK;
}

/* ---- the handle ---- */

static levin_code handle_create(const char *path, const levin_options *options, levin **out, levin_error *error)
{
    const levin_io *io = options->io ? options->io : levin_io_posix();
    levin *db = io->alloc(io->context, sizeof *db, 64);
    if (!db)
        return error_memory(error, sizeof *db);
    memset(db, 0, sizeof *db);
    metered_io_init(&db->metered, io);
    db->io = &db->metered.table;
    db->metered.files[LEVIN_FILE_WAL].sync_times = &db->metrics.of[LEVIN_HISTOGRAM_wal_sync];
    db->metered.files[LEVIN_FILE_PAGES].sync_times = &db->metrics.of[LEVIN_HISTOGRAM_pages_sync];
    db->metered.files[LEVIN_FILE_VLOG].sync_times = &db->metrics.of[LEVIN_HISTOGRAM_vlog_sync];
    db->options = *options;
    db->value_threshold = options->value_log_threshold_bytes ? options->value_log_threshold_bytes : UINT64_MAX;
    db->directory_bytes = strlen(path) + 1;
    levin_code code = LEVIN_OK;
    int failed = sync_mutex_init(&db->commit_mutex);
    failed = failed ? failed : sync_mutex_init(&db->log_thread_mutex);
    failed = failed ? failed : sync_mutex_init(&db->compact_mutex);
    failed = failed ? failed : sync_mutex_init(&db->work_mutex);
    failed = failed ? failed : sync_mutex_init(&db->keyspaces_mutex);
    failed = failed ? failed : sync_mutex_init(&db->error_mutex);
    failed = failed ? failed : reader_list_init(&db->readers);
    if (failed)
        code = error_os(error, failed, "initialisation of a mutex", NULL);
    if (code == LEVIN_OK)
        code = version_set_init(&db->versions, db->io, error);
    db->directory = code == LEVIN_OK ? io_alloc(db->io, db->directory_bytes) : NULL;
    if (code == LEVIN_OK && !db->directory)
        code = error_memory(error, db->directory_bytes);
    if (code != LEVIN_OK) {
        io->free(io->context, db, sizeof *db);
        return code;
    }
    memcpy(db->directory, path, db->directory_bytes);
    commit_queue_init(&db->queue, db->io, write_lead, db);
    db->queue.linger_ns = (uint64_t)options->commit_interval_us * 1000;
    *out = db;
    return LEVIN_OK;
}

/* Frees all, writes nothing. */
static void handle_destroy(levin *db)
{
    const levin_io *io = db->metered.below;
    checkpoint_abandon(db);
    compact_end(db);
    version_set_fini(&db->versions);
    wal_close(db->log);
    vlog_fini(&db->values);
    io_free(db->io, db->gather, db->gather_capacity * sizeof *db->gather);
    if (db->space)
        space_destroy(db->space);
    row_cache_destroy(db->rows);
    value_cache_destroy(db->large);
    collect_fini(db);
    if (db->cache)
        page_cache_destroy(db->cache);
    file_close(&db->pages);
    file_close(&db->lock);
    io_free(db->io, db->directory, db->directory_bytes);
    sync_mutex_fini(&db->commit_mutex);
    sync_mutex_fini(&db->log_thread_mutex);
    sync_mutex_fini(&db->compact_mutex);
    sync_mutex_fini(&db->work_mutex);
    sync_mutex_fini(&db->keyspaces_mutex);
    sync_mutex_fini(&db->error_mutex);
    reader_list_fini(&db->readers);
    io->free(io->context, db, sizeof *db);
}

levin_code levin_options_check(const levin_options *options, levin_error *error)
{
    levin_error local;
    return options_check(options, error ? error : &local);
}

levin_code levin_open(const char *path, const levin_options *options, levin **store, levin_error *error)
{
    levin_error local = { 0 };
    levin_options defaults;
    levin *db = NULL;
    *store = NULL;
    if (!options) {
        levin_options_init(&defaults);
        options = &defaults;
    }
    levin_code code = options_check(options, &local);
    if (code == LEVIN_OK && (!path || !*path || strlen(path) > FILE_PATH_MAX - 64))
        code = error_set(&local, LEVIN_INVALID, NULL, "the path of the store is empty or longer than %d bytes",
                         FILE_PATH_MAX - 64);
    if (code == LEVIN_OK)
        code = handle_create(path, options, &db, &local);
    if (code != LEVIN_OK)
        goto out;
    uint64_t began = db->io->now_ns(db->io->context);
    if (!options->read_only && options->create_if_missing)
        code = make_directory(db, &local);
    if (code == LEVIN_OK)
        code = open_lock(db, &local);
    if (code == LEVIN_OK)
        code = open_pages(db, &local);
    if (code == LEVIN_OK)
        code = recover(db, &local);
    if (code == LEVIN_OK)
        code = open_unlock_gate(db, &local);
    if (code == LEVIN_OK && !options->read_only && options->background == LEVIN_BACKGROUND_THREAD) {
        db->thread_started = true;
        int failed = sync_thread_start(&db->thread, background_run, db);
        if (failed) {
            db->thread_started = false;
            code = error_os(&local, failed, "start of a thread", NULL);
        }
    }
    if (code != LEVIN_OK) {
        if (code == LEVIN_CORRUPT)
            event_tell(db, refused, local.message);
        handle_destroy(db);
        goto out;
    }
    count_add(&db->recovery_ns, db->io->now_ns(db->io->context) - began);
    event_tell(db, recovered, (unsigned long long)count_read(&db->replayed_batches),
               (unsigned long long)count_read(&db->replayed_operations), (unsigned long long)db->sequence,
               (unsigned long long)(count_read(&db->recovery_ns) / 1000000));
    *store = db;
out:
    if (error && code != LEVIN_OK)
        *error = local;
    return code;
}

levin_code levin_close(levin *store)
{
    if (!store)
        return LEVIN_OK;
    levin_error error;
    levin_code code = LEVIN_OK;
    write_close(store);
    if (store->thread_started) {
        atomic_store_explicit(&store->stopping, 1, memory_order_release); /* pairs with background_run */
        db_wake(store);
        sync_thread_join(&store->thread);
        store->thread_started = false;
    }
    if (!store->options.read_only) {
        if (db_poisoned(store))
            code = LEVIN_POISONED;
        else
            code = wal_finish(store->log, &error);
        if (code != LEVIN_OK && code != LEVIN_POISONED)
            (void)db_fail(store, &error);
    }
    handle_destroy(store);
    return code;
}
