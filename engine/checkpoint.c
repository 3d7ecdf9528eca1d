/*
 * checkpoint.c - moves a frozen memtable into the page tree, in bounded steps.
 *
 * A round of compaction (compact.c) goes the same way, with pages to be written anew instead of a memtable: the log is
 * needed from where it was needed before.
 *
 * The steps, and what is on the device after each:
 *   MERGE      new pages are written beside the old ones (merge.h); nobody refers to them
 *   FREE_LIST  the free list and the table of value-log segments of the new state are written; same
 *   SYNC       everything the new meta page will refer to is durable, values of the value log included
 *   META       the meta page of generation g is written over that of g - 2
 *   META_SYNC  g is durable: a crash from here on finds g, or, when the meta page was torn, g - 1, whose pages and
 *              log are still all there
 *   PUBLISH    readers see the new tree; the frozen memtable is let go
 *   MARK       the log says, durably, that g is durable: from here on a missing g is damage and not a torn write
 *   RELEASE    only now the pages of g - 1 may be reused, once no reader here and no reading process needs them, and
 *              its log recycled; the file is cut where its end is free
 *
 * Failure: up to SYNC everything is given up, the space is put back, and the memtable stays frozen for the next
 * attempt. A failed sync poisons the store.  A failed write of the meta page may have reached the device in full, so
 * the same bytes are written again by the next step, and nothing else is done to the file until that has succeeded.
 * The same goes for MARK.
 *
 * A bulk load (checkpoint_load.c) is a checkpoint that merges what its user brings, in MERGE, where it waits for more,
 * and at its commit the memtable that is frozen there, above.  From there to MARK no other group is committed, so that
 * its place in the order of commit is one for readers, the log, and reading processes alike.  Its meta page is not
 * written a second time: a failed write poisons, for what comes after it in that order must not be acknowledged before.
 * Its MARK comes before PUBLISH, and a failed one poisons: a recovery that does not know g to be durable writes its
 * meta page again, and a power cut then leaves g - 1, whose log has all of g but a load.
 *
 * Concurrency: all under work_mutex; PUBLISH, MARK and RELEASE also take commit_mutex.
 */
#include <assert.h>
#include <string.h>

#include "bulk_load.h"
#include "checkpoint_state.h"
#include "collect.h"
#include "vlog_table.h"

/* ---- begin and end ---- */

static void checkpoint_free(levin *db, checkpoint *c)
{
    if (!c)
        return;
    if (c->merging)
        merge_end(c->merging);
    if (c->merged)
        extent_list_fini(&c->result.freed, db->io), vlog_changes_fini(&c->result.values, db->io);
    io_free(db->io, c->entries, c->entry_capacity * sizeof *c->entries);
    if (c->tree) {
        extent_list_fini(&c->tree->free_list, db->io);
        extent_list_fini(&c->tree->vlog_table, db->io);
        io_free(db->io, c->tree, sizeof *c->tree);
    }
    version_discard(c->published);
    dead_pages_free(db->io, c->dead);
    if (c->space_before)
        space_destroy(c->space_before);
    if (c->base)
        version_release(c->base);
    io_free(db->io, c, sizeof *c);
}

/* What cannot be removed is by the next open. */
static void segments_remove(levin *db, extent_list *segments)
{
    levin_error error;
    for (size_t i = 0; i < segments->count; i++)
        for (uint64_t n = 0; n < segments->items[i].pages; n++)
            if (vlog_remove(&db->values, segments->items[i].first + n, &error) != LEVIN_OK)
                event_tell(db, upkeep_failed, "a value-log segment was not removed", error.message);
    extent_list_fini(segments, db->io);
}

/* Gives pages that nobody can reach any more back to the space. On failure the rest waits for the next time. */
levin_code checkpoint_take_back_pages(levin *db, levin_error *error)
{
    levin_code code = LEVIN_OK;
    if (!version_has_reusable(&db->versions))
        return LEVIN_OK;
    dead_pages *pages = version_take_reusable(&db->versions, db_oldest_generation(db));
    for (dead_pages *d = pages; d; d = d->next) {
        segments_remove(db, &d->segments);
        while (d->extents.count && code == LEVIN_OK) {
            extent e = d->extents.items[d->extents.count - 1];
            page_cache_forget(db->cache, e.first, e.pages);
            code = space_give(db->space, e, error);
            if (code == LEVIN_OK)
                d->extents.count--;
        }
    }
    if (code != LEVIN_OK) {
        version_add_reusable(&db->versions, pages);
    } else {
        dead_pages_free(db->io, pages);
    }
    return code;
}

void checkpoint_take_back_segments(levin *db)
{
    extent_list segments;
    if (!version_has_reusable(&db->versions))
        return;
    const uint64_t oldest = db_oldest_generation(db);
    while ((segments = version_take_segments(&db->versions, oldest)).count)
        segments_remove(db, &segments);
}

/* The tree that a merge of the domain starts from. */
static tree tree_before(const checkpoint *c, unsigned domain)
{
    return c->loaded && domain == c->load_domain ? c->roots[domain] : *tree_version_of(c->base->tree, domain);
}

static uint64_t keys_before(const levin *db, const checkpoint *c, unsigned domain)
{
    if (c->loaded && domain == c->load_domain)
        return c->keys[domain];
    return domain == DOMAIN_PLAIN ? db->meta.keys : db->meta.named_keys;
}

/*
 * Begins the merge of the domain's changes into its tree, or a round; the counts go on from those of the tree before.
 */
levin_code checkpoint_merge_open(levin *db, checkpoint *c, const compact_round *round, levin_error *error)
{
    const page_meta *m = &db->meta;
    const mem_roots none = { NULL, NULL };
    merge_options options = {
        .io = db->io,
        .cache = db->cache,
        .space = db->space,
        .old = tree_before(c, c->domain),
        .old_keys = keys_before(db, c, c->domain),
        .old_leaf_pages = c->result.leaf_pages,
        .old_branch_pages = c->result.branch_pages,
        .old_overflow_pages = c->result.overflow_pages,
        .generation = m->generation + 1,
        .memory_bytes = db->options.memtable_bytes / MERGE_MEMORY_SHARE,
        .values = c->result.values,
        .changes = round || c->loading ? none : c->base->of[c->domain].frozen,
        .fed = c->loading,
    };
    if (round) {
        options.rewrite = round->rewrite;
        options.next = round->next;
        space_aim(db->space, round->aim, round->floor); /* the clone goes on as before */
    }
    levin_code code = merge_begin(&options, &c->merging, error);
    if (code == LEVIN_OK)
        c->result.values = (vlog_changes){ 0 };
    return code;
}

/* That tree stays as it is. */
static void tree_unchanged(const levin *db, checkpoint *c, unsigned domain)
{
    c->keys[domain] = keys_before(db, c, domain);
    c->roots[domain] = tree_before(c, domain);
    c->roots[domain].generation = db->meta.generation + 1;
}

static uint64_t now_ns(const levin *db)
{
    return db->io->now_ns(db->io->context);
}

static uint64_t pages_written_bytes(const levin *db)
{
    return count_read(&db->metered.files[LEVIN_FILE_PAGES].written_bytes);
}

/* What the frozen memtable brings, or for a round what the meta page says already. */
void checkpoint_aim(levin *db, checkpoint *c)
{
    c->replay = db->meta.replay;
    c->chain = db->meta.replay_chain;
    c->sequence = db->meta.sequence;
    if (c->compacting)
        return;
    commit_lock(db, c);
    c->replay = db->frozen_replay;
    c->chain = db->frozen_chain;
    c->sequence = db->frozen_sequence;
    commit_unlock(db, c);
}

/* round: NULL, or the round of db->compaction to begin. load: NULL, or the domain of a bulk load. */
levin_code checkpoint_begin(levin *db, const compact_round *round, const unsigned *load, levin_error *error)
{
    checkpoint *c = io_alloc(db->io, sizeof *c);
    levin_code code = LEVIN_OK;
    if (!c)
        return error_memory(error, sizeof *c);
    memset(c, 0, sizeof *c);
    c->base = version_acquire(&db->versions);
    c->compacting = round != NULL;
    c->domain = round ? round->domain : load ? *load : DOMAIN_PLAIN;
    c->round_of = round ? db->compaction : NULL;
    c->loading = load != NULL;
    c->load_domain = c->domain;
    if (!c->loading)
        checkpoint_aim(db, c);
    c->tree = tree_version_create(&db->versions);
    c->published = version_create(&db->versions);
    c->dead = io_alloc(db->io, sizeof *c->dead);
    if (c->dead)
        memset(c->dead, 0, sizeof *c->dead);
    if (!c->tree || !c->published || !c->dead)
        code = error_memory(error, sizeof *c->tree);
    if (code == LEVIN_OK)
        code = space_clone(db->space, &c->space_before, error);
    for (unsigned domain = 0; domain < c->domain && !c->loading; domain++)
        tree_unchanged(db, c, domain);
    c->result.leaf_pages = db->meta.leaf_pages;
    c->result.branch_pages = db->meta.branch_pages;
    c->result.overflow_pages = db->meta.overflow_pages;
    if (code == LEVIN_OK)
        code = checkpoint_merge_open(db, c, round, error);
    if (code != LEVIN_OK) {
        space_aim(db->space, SPACE_LARGEST, 0);
        checkpoint_free(db, c);
        return code;
    }
    c->written_before = c->synced_before = pages_written_bytes(db);
    if (!c->compacting && !c->loading)
        throttle_begin(&db->throttle, memtable_entries(c->base->frozen), now_ns(db));
    db->running = c;
    return LEVIN_OK;
}

/*
 * Cuts off what the page file has grown by: on a full device the log, and whatever else lives there, can use it. Nobody
 * reads beyond the page count.  A failure costs space only.
 */
static void give_back_file_space(levin *db)
{
    levin_error error;
    uint64_t bytes = 0, wanted = space_page_count(db->space) * db->page_bytes;
    levin_code code = file_size(&db->pages, &bytes, &error);
    if (code == LEVIN_OK && bytes > wanted)
        code = file_truncate(&db->pages, wanted, &error);
    if (code != LEVIN_OK)
        event_tell(db, upkeep_failed, "the page file was not cut", error.message);
}

/* Nobody needs to be held back for it any more. */
static void let_writers_go(levin *db, bool completed)
{
    throttle_end(&db->throttle, now_ns(db), completed);
    atomic_fetch_add_explicit(&db->throttle_word, 1, memory_order_release); /* pairs with hold_back() in write.c */
    sync_wake(&db->throttle_word, 1);
}

/* Before the meta page was touched: as if nothing had been done. */
void checkpoint_give_up(levin *db)
{
    checkpoint *c = db->running;
    let_writers_go(db, false);
    db->running = NULL;
    space_destroy(db->space);
    db->space = c->space_before;
    c->space_before = NULL;
    give_back_file_space(db);
    checkpoint_free(db, c);
}

void checkpoint_drop_round(levin *db)
{
    checkpoint *c = db->running;
    if (!c || !c->compacting)
        return;
    c->round_of = NULL;
    if (c->step < STEP_META)
        checkpoint_give_up(db);
}

void checkpoint_abandon(levin *db)
{
    checkpoint_free(db, db->running);
    db->running = NULL;
}

/* ---- the free list ---- */

typedef struct free_gather {
    const levin_io *io;
    extent_list *list;
    levin_error *error;
} free_gather;

static levin_code gather_dead(void *context, extent e)
{
    free_gather *g = context;
    return extent_list_add(g->list, g->io, e.first, e.pages, g->error);
}

static levin_code gather_list(free_gather *g, const extent_list *from)
{
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < from->count && code == LEVIN_OK; i++)
        code = gather_dead(g, from->items[i]);
    return code;
}

/*
 * All pages that the new tree does not use, but for those that hold this list: free in the space, dead in older
 * versions (a crash forgets their readers), given up by this merge, and the old free list's own.
 */
static levin_code gather_free(levin *db, checkpoint *c, extent_list *all, levin_error *error)
{
    free_gather g = { db->io, all, error };
    levin_code code = space_list(db->space, all, error);
    if (code == LEVIN_OK)
        code = version_each_dead(&db->versions, gather_dead, &g);
    if (code == LEVIN_OK)
        code = gather_list(&g, &c->result.freed);
    if (code == LEVIN_OK)
        code = gather_list(&g, &c->base->tree->free_list);
    if (code == LEVIN_OK)
        code = gather_list(&g, &c->base->tree->vlog_table);
    if (code == LEVIN_OK && !extent_list_normalise(all))
        code = error_corrupt(error, PAGE_FILE_NAME, 0, 0, 0,
                             "a page became free twice: two places of the tree used it");
    return code;
}

static uint64_t list_pages(const extent_list *list)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < list->count; i++)
        pages += list->items[i].pages;
    return pages;
}

/* Writes the list into the pages of c->tree->free_list, back to front, for each page carries the checksum of the
 * next. */
static levin_code write_free_list(levin *db, checkpoint *c, const extent_list *all, levin_error *error)
{
    const uint32_t page_bytes = db->page_bytes;
    const size_t per_page = (page_bytes - PAGE_HEADER_BYTES) / FREE_ENTRY_BYTES;
    const extent pages = c->tree->free_list.items[0];
    assert(all->count <= pages.pages * per_page);
    uint8_t *image = io_alloc(db->io, pages.pages * page_bytes);
    if (!image)
        return error_memory(error, pages.pages * page_bytes);
    page_ref next = { 0, 0 };
    for (uint64_t i = pages.pages; i-- > 0;) {
        size_t from = i * per_page < all->count ? i * per_page : all->count;
        size_t count = all->count - from < per_page ? all->count - from : per_page;
        next.checksum = free_list_write(image + i * page_bytes, page_bytes, db->identity, pages.first + i,
                                        c->meta.generation, all->items + from, count, next);
        next.number = pages.first + i;
    }
    c->meta.free_list = next;
    levin_slice part = { image, pages.pages * page_bytes };
    levin_code code = file_write(&db->pages, &part, 1, pages.first * page_bytes, NULL, error);
    io_free(db->io, image, pages.pages * page_bytes);
    return code;
}

static uint64_t list_end(const extent_list *list)
{
    uint64_t end = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].first + list->items[i].pages > end)
            end = list->items[i].first + list->items[i].pages;
    return end;
}

/* The file ends after the last page that is used, or that an older reader may still use. */
static levin_code keep_end(void *context, extent e)
{
    uint64_t *end = context;
    if (e.first + e.pages > *end)
        *end = e.first + e.pages;
    return LEVIN_OK;
}

static void shrink_space(levin *db, checkpoint *c)
{
    uint64_t end = page_first(db->page_bytes);
    (void)version_each_dead(&db->versions, keep_end, &end);
    const uint64_t ends[] = { list_end(&c->result.freed), list_end(&c->base->tree->free_list),
                              list_end(&c->base->tree->vlog_table) };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        end = ends[i] > end ? ends[i] : end;
    space_shrink(db->space, end);
}

/*
 * The counts of the new meta page are those of the old one and what has changed.  Had the old ones been wrong,
 * behind a right checksum, the next open could refuse the new page, with the log gone: better to refuse it now.
 */
static levin_code meta_prove(const page_meta *meta, levin_error *error)
{
    uint8_t bytes[META_BYTES];
    page_meta read;
    meta_encode(bytes, meta);
    return meta_decode(bytes, (unsigned)(meta->generation % 2), &read, error);
}

/*
 * Writes the table of value-log segments.  Those that leave with this checkpoint go the way of the old tree's pages;
 * a round of compaction merges no memtable, so that its tree may still need them.
 */
static levin_code write_vlog_table(levin *db, checkpoint *c, levin_error *error)
{
    c->meta.vlog_table = (page_ref){ 0, 0 };
    c->meta.vlog_table_pages = 0;
    levin_code code = vlog_table_entries(&db->values, &c->result.values, !c->compacting, &c->entries,
                                         &c->entry_count, &c->entry_capacity, error);
    uint64_t number = 0;
    while (code == LEVIN_OK && !c->compacting && (number = vlog_next_leaving(&db->values, number + 1)) != 0)
        code = extent_list_add(&c->dead->segments, db->io, number, 1, error);
    if (code != LEVIN_OK || !c->entry_count)
        return code;
    extent pages;
    code = space_take(db->space, vlog_table_pages(c->entry_count, db->page_bytes), true, &pages, error);
    if (code == LEVIN_OK)
        code = extent_list_add(&c->tree->vlog_table, db->io, pages.first, pages.pages, error);
    if (code != LEVIN_OK)
        return code;
    const size_t bytes = pages.pages * db->page_bytes;
    uint8_t *image = io_alloc(db->io, bytes);
    if (!image)
        return error_memory(error, bytes);
    const tree t = { .identity = db->identity, .page_bytes = db->page_bytes, .generation = c->meta.generation };
    c->meta.vlog_table = vlog_table_encode(image, &t, pages.first, c->entries, c->entry_count);
    c->meta.vlog_table_pages = pages.pages;
    levin_slice part = { image, bytes };
    code = file_write(&db->pages, &part, 1, pages.first * db->page_bytes, NULL, error);
    io_free(db->io, image, bytes);
    return code;
}

static levin_code step_free_list(levin *db, checkpoint *c, levin_error *error)
{
    const merge_result *r = &c->result;
    const version *base = c->base;
    c->meta = db->meta;
    c->meta.generation = db->meta.generation + 1;
    c->meta.root = c->roots[DOMAIN_PLAIN].root;
    c->meta.height = c->roots[DOMAIN_PLAIN].height;
    c->meta.keys = c->keys[DOMAIN_PLAIN];
    c->meta.named_root = c->roots[DOMAIN_NAMED].root;
    c->meta.named_height = c->roots[DOMAIN_NAMED].height;
    c->meta.named_keys = c->keys[DOMAIN_NAMED];
    c->meta.leaf_pages = r->leaf_pages;
    c->meta.branch_pages = r->branch_pages;
    c->meta.overflow_pages = r->overflow_pages;
    c->meta.replay = c->replay;
    c->meta.replay_chain = c->chain;
    c->meta.sequence = c->sequence;
    c->meta.free_list = (page_ref){ 0, 0 };
    c->meta.free_list_pages = 0;
    shrink_space(db, c);

    extent_list all = { 0 };
    levin_code code = write_vlog_table(db, c, error);
    if (code == LEVIN_OK)
        code = gather_free(db, c, &all, error);
    if (code == LEVIN_OK && all.count) {
        extent pages;
        /* taking them adds one extent at most: they may come out of the middle of one that free and dead pages make */
        code = space_take(db->space, free_list_pages(all.count + 1, db->page_bytes), true, &pages, error);
        if (code == LEVIN_OK)
            code = extent_list_add(&c->tree->free_list, db->io, pages.first, pages.pages, error);
        all.count = 0;
        if (code == LEVIN_OK)
            code = gather_free(db, c, &all, error);
        c->meta.free_list_pages = c->tree->free_list.count ? pages.pages : 0;
    }
    c->meta.page_count = space_page_count(db->space);
    c->meta.free_pages = list_pages(&all);
    if (code == LEVIN_OK && c->tree->free_list.count)
        code = free_list_prove(&c->meta, &c->tree->free_list, &all, error);
    if (code == LEVIN_OK && c->tree->free_list.count)
        code = write_free_list(db, c, &all, error);
    extent_list_fini(&all, db->io);
    if (code != LEVIN_OK)
        return code;

    /* what the old tree alone used */
    c->dead->extents = c->result.freed;
    c->result.freed = (extent_list){ 0 };
    free_gather old = { db->io, &c->dead->extents, error };
    code = gather_list(&old, &base->tree->free_list);
    if (code == LEVIN_OK)
        code = gather_list(&old, &base->tree->vlog_table);
    if (code != LEVIN_OK)
        return code;
    c->tree->t = c->roots[DOMAIN_PLAIN];
    c->tree->named = c->roots[DOMAIN_NAMED];
    c->tree->t.page_count = c->tree->named.page_count = c->meta.page_count;
    c->tree->meta = c->meta;
    return meta_prove(&c->meta, error);
}

/* ---- the other steps ---- */

/* Goes on to the named keyspaces; without changes their tree stays as it is. */
static levin_code merge_next(levin *db, checkpoint *c, levin_error *error)
{
    if (++c->domain == DOMAIN_COUNT) {
        c->step = STEP_FREE_LIST;
        return LEVIN_OK;
    }
    const mem_roots *changes = &c->base->of[DOMAIN_NAMED].frozen;
    if (!c->compacting && (changes->keys || changes->mask))
        return checkpoint_merge_open(db, c, NULL, error);
    tree_unchanged(db, c, DOMAIN_NAMED);
    c->step = STEP_FREE_LIST;
    return LEVIN_OK;
}

levin_code checkpoint_pages_sync(levin *db, checkpoint *c, levin_error *error)
{
    levin_code code = file_sync(&db->pages, error);
    if (code != LEVIN_OK)
        db_poison(db);
    c->synced_before = pages_written_bytes(db);
    return code;
}

/*
 * Syncs on the way too: a device that is handed a hundred megabytes at once keeps every sync of the log waiting until
 * it has written them.
 */
levin_code checkpoint_merge_some(levin *db, checkpoint *c, bool *done, levin_error *error)
{
    levin_code code = merge_step(c->merging, done, error);
    if (code == LEVIN_OK && !*done && pages_written_bytes(db) - c->synced_before >= PAGES_SYNC_BYTES)
        code = checkpoint_pages_sync(db, c, error);
    return code;
}

/* The merge at work is done. */
levin_code checkpoint_merge_take(levin *db, checkpoint *c, levin_error *error)
{
    extent_list freed = c->result.freed; /* by the merge before this one */
    c->operations += merge_operations_done(c->merging);
    merge_finish(c->merging, &c->result);
    merge_end(c->merging);
    c->merging = NULL;
    c->merged = true;
    count_add(&db->pages_written, c->result.pages_written);
    c->roots[c->domain] = c->result.root;
    c->keys[c->domain] = c->result.keys;
    free_gather all = { db->io, &c->result.freed, error };
    levin_code code = gather_list(&all, &freed);
    extent_list_fini(&freed, db->io);
    return code;
}

static levin_code step_merge(levin *db, checkpoint *c, levin_error *error)
{
    bool done = false;
    levin_code code = checkpoint_merge_some(db, c, &done, error);
    throttle_progress(&db->throttle, c->operations + merge_operations_done(c->merging), now_ns(db));
    if (code != LEVIN_OK || !done)
        return code;
    code = checkpoint_merge_take(db, c, error);
    if (code == LEVIN_OK)
        code = merge_next(db, c, error);
    if (code == LEVIN_OK && c->step == STEP_FREE_LIST)
        throttle_merged(&db->throttle, now_ns(db));
    return code;
}

static levin_code step_meta(levin *db, checkpoint *c, levin_error *error)
{
    uint8_t slot[META_SLOT_BYTES] = { 0 };
    commit_lock(db, c);
    c->meta.incarnation = wal_incarnation(db->log);
    c->meta.vlog_next = db->values.next_number > 1 ? db->values.next_number : 0;
    commit_unlock(db, c);
    meta_encode(slot, &c->meta);
    levin_slice part = { slot, sizeof slot };
    return file_write(&db->pages, &part, 1, c->meta.generation % 2 * META_SLOT_BYTES, NULL, error);
}

/* The values that the new tree points to, and its pages. */
static levin_code step_sync(levin *db, const checkpoint *c, levin_error *error)
{
    commit_lock(db, c);
    levin_code code = vlog_sync(&db->values, error);
    commit_unlock(db, c);
    if (code == LEVIN_OK)
        code = file_sync(&db->pages, error);
    if (code != LEVIN_OK)
        db_poison(db);
    return code;
}

/* Cannot fail: its memory was taken at the start. */
static void step_publish(levin *db, checkpoint *c)
{
    commit_lock(db, c);
    const version *before = db->versions.newest;
    if (c->loaded) { /* a batch that did not come by the log */
        db->sequence = c->sequence;
        if (db->rows && row_cache_active(db->rows))
            row_cache_touch_all(db->rows, c->sequence); /* before the version is published: row_cache.h */
    }
    version *v = c->published;
    c->published = NULL;
    v->group = ++db->group;
    v->sequence = db->sequence;
    v->mem = before->mem;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        v->of[domain].mem = before->of[domain].mem;
        if (c->compacting) /* what waits for a checkpoint, or was frozen meanwhile, still does */
            v->of[domain].frozen = before->of[domain].frozen;
    }
    if (c->compacting)
        v->frozen = before->frozen;
    v->tree = c->tree;
    version_publish(&db->versions, v, NULL);
    db->merged_held |= !c->compacting;
    db->meta = c->meta;
    vlog_table_durable(&db->values, c->entries, c->entry_count, !c->compacting);
    commit_unlock(db, c);
    tree_version_release(&db->versions, c->tree); /* the creator's reference: the version has its own */
    c->tree = NULL;
    if (!c->compacting) {
        let_writers_go(db, true);
        count_add(&db->checkpoints, 1);
    }
}

levin_code checkpoint_mark(levin *db, checkpoint *c, levin_error *error)
{
    if (c->marked)
        return LEVIN_OK;
    commit_lock(db, c);
    levin_code code = wal_mark(db->log, c->meta.generation, error);
    if (code == LEVIN_OK)
        db->lazy_bytes = 0;
    c->marked = code == LEVIN_OK;
    commit_unlock(db, c);
    return code;
}

/* Failures here cost space, not safety: the next checkpoint does the same again. */
static void step_release(levin *db, checkpoint *c)
{
    levin_error error = { 0 };
    sync_mutex_lock(&db->commit_mutex);
    levin_code code = wal_recycle(db->log, c->meta.replay, &error);
    sync_mutex_unlock(&db->commit_mutex);
    if (code != LEVIN_OK)
        event_tell(db, upkeep_failed, "log segments were not recycled", error.message);
    c->dead->generation = c->meta.generation - 1;
    tree_version_bury(&db->versions, c->base->tree, c->dead);
    c->dead = NULL;
    uint64_t bytes = 0;
    code = file_size(&db->pages, &bytes, &error);
    if (code == LEVIN_OK && bytes > c->meta.page_count * db->page_bytes)
        code = file_truncate(&db->pages, c->meta.page_count * db->page_bytes, &error);
    if (code != LEVIN_OK)
        event_tell(db, upkeep_failed, "the page file was not cut", error.message);
}

levin_code checkpoint_step(levin *db, levin_error *error)
{
    checkpoint *c = db->running;
    levin_code code = LEVIN_OK;
    switch (c->step) {
    case STEP_MERGE:
        return step_merge(db, c, error);
    case STEP_FREE_LIST:
        code = step_free_list(db, c, error);
        break;
    case STEP_SYNC:
        code = step_sync(db, c, error);
        break;
    case STEP_META_SYNC:
        code = checkpoint_pages_sync(db, c, error);
        break;
    case STEP_META:
        code = step_meta(db, c, error);
        break;
    case STEP_PUBLISH:
        step_publish(db, c);
        break;
    case STEP_MARK:
        code = checkpoint_mark(db, c, error);
        break;
    case STEP_RELEASE:
        step_release(db, c);
        space_aim(db->space, SPACE_LARGEST, 0);
        uint64_t written = pages_written_bytes(db) - c->written_before;
        if (!c->compacting)
            count_add(&db->checkpoint_bytes, written);
        else if (c->round_of)
            compact_round_done(db, &c->result, written);
        db->running = NULL;
        checkpoint_free(db, c);
        version_reclaim(&db->versions); /* at once: the memtable just merged is as large as the next will be */
        sync_mutex_lock(&db->commit_mutex);
        db->merged_held = false;
        sync_mutex_unlock(&db->commit_mutex);
        return LEVIN_OK;
    }
    if (code == LEVIN_OK)
        c->step++;
    return code;
}

/* A checkpoint is done. */
static void checkpoint_took(levin *db, uint64_t ns, uint64_t bytes)
{
    const uint32_t limit_ms = db->options.slow_checkpoint_ms;
    metrics_add(&db->metrics, LEVIN_HISTOGRAM_checkpoint, ns);
    event_space(&db->events, &db->options, db->io, EVENT_FULL_CHECKPOINT);
    if (limit_ms && ns / 1000000 > limit_ms)
        event_tell(db, checkpoint_slow, (unsigned long long)(ns / 1000000), (unsigned long long)bytes);
}

static levin_code checkpoint_step_timed(levin *db, levin_error *error)
{
    uint64_t spent = db->running->spent_ns, began = db->io->now_ns(db->io->context);
    bool last = db->running->step == STEP_RELEASE, compacting = db->running->compacting;
    uint64_t written = last ? pages_written_bytes(db) - db->running->written_before : 0; /* the last one writes none */
    levin_code code = checkpoint_step(db, error); /* the last one frees it */
    uint64_t took = db->io->now_ns(db->io->context) - began;
    if (!compacting)
        count_add(&db->checkpoint_ns, took);
    if (last && !compacting)
        checkpoint_took(db, spent + took, written);
    else if (!last)
        db->running->spent_ns += took;
    return code;
}

static bool something_frozen(levin *db)
{
    reclaim_read_lock();
    bool frozen = version_current(&db->versions)->frozen != NULL;
    reclaim_read_unlock();
    return frozen;
}

/* A step of what is running. What goes wrong in a round of compaction is its owner's to know, and no writer's. */
levin_code checkpoint_running_step(levin *db, levin_error *error)
{
    enum checkpoint_step step = db->running->step;
    compaction *round_of = db->running->round_of;
    bool compacting = db->running->compacting;
    levin_code code = checkpoint_step_timed(db, error);
    if (code == LEVIN_NO_SPACE && !compacting)
        event_full(&db->events, &db->options, db->io, EVENT_FULL_CHECKPOINT, error->message);
    if (code == LEVIN_OK || step >= STEP_META || db_poisoned(db))
        return code;
    checkpoint_give_up(db);
    if (!compacting) {
        count_add(&db->checkpoint_failures, 1);
        return code;
    }
    if (round_of)
        compact_round_failed(db, error);
    return LEVIN_OK;
}

/* Begins what comes next: a checkpoint when a memtable is frozen, or with `compact` the next round. */
static levin_code running_begin(levin *db, bool compact, levin_error *error)
{
    compact_round round;
    bool frozen = something_frozen(db);
    if (!frozen && !compact)
        return LEVIN_OK;
    levin_code code = checkpoint_take_back_pages(db, error);
    if (!frozen && (code != LEVIN_OK || !compact_next_round(db, &round)))
        return code;
    if (code == LEVIN_OK)
        code = checkpoint_begin(db, frozen ? NULL : &round, NULL, error);
    if (code != LEVIN_OK && frozen)
        count_add(&db->checkpoint_failures, 1);
    return code;
}

levin_code checkpoint_work_locked(levin *db, bool compact, bool *more, levin_error *error)
{
    levin_code code = LEVIN_OK;
    *more = false;
    if (db_poisoned(db))
        return error_set(error, LEVIN_POISONED, NULL, "a sync failed earlier: close and reopen the store to write");
    if (db->bulk_load && (compact || something_frozen(db))) /* it gives way, and learns so from db->bulk_load */
        checkpoint_load_drop(db);
    if (!db->bulk_load)
        code = db->running ? checkpoint_running_step(db, error) : running_begin(db, compact, error);
    *more = code != LEVIN_OK || (db->running && !db->bulk_load) || something_frozen(db);
    if (db->log && code != LEVIN_OK && db->running && db->running->step == STEP_MARK) {
        sync_mutex_lock(&db->commit_mutex);
        if (wal_poisoned(db->log))
            db_poison(db);
        sync_mutex_unlock(&db->commit_mutex);
    }
    return code;
}

levin_code checkpoint_work(levin *db, bool *more, levin_error *error)
{
    sync_mutex_lock(&db->work_mutex);
    bool ending = db->running && db->running->step == STEP_RELEASE;
    levin_code code = checkpoint_work_locked(db, false, more, error);
    bool finished = ending && !db->running;
    sync_mutex_unlock(&db->work_mutex);
    if (finished)
        db_reader_watch(db);
    if (page_cache_wants_reclaim(db->cache))
        page_cache_reclaim(db->cache);
    return code;
}

levin_code checkpoint_prepare_log(levin *db, levin_error *error)
{
    sync_mutex_lock(&db->commit_mutex);
    bool wanted = !db->spare_making && wal_wants_spare(db->log);
    uint64_t bytes = wal_segment_bytes(db->log);
    db->spare_making |= wanted; /* two makers would take the file away from each other, and from the log */
    db->spare_asked = false;
    sync_mutex_unlock(&db->commit_mutex);
    if (!wanted)
        return LEVIN_OK;
    levin_code code = wal_spare_make(db->io, db->directory, bytes, error);
    sync_mutex_lock(&db->commit_mutex);
    if (code == LEVIN_OK)
        wal_spare_adopt(db->log);
    db->spare_making = false;
    sync_mutex_unlock(&db->commit_mutex);
    return code;
}

levin_code checkpoint_drive(levin *db, levin_error *error)
{
    bool more = true;
    levin_code code = LEVIN_OK;
    while (more && code == LEVIN_OK)
        code = checkpoint_work(db, &more, error);
    return code;
}

/* ---- public ---- */

levin_code levin_checkpoint(levin *store)
{
    levin_error error = { 0 };
    if (store->options.read_only)
        return db_refuse(store, LEVIN_READ_ONLY, "the store is open read-only");
    levin_code code = checkpoint_drive(store, &error); /* of what was frozen before */
    if (code == LEVIN_OK) {
        sync_mutex_lock(&store->commit_mutex);
        code = db_freeze(store, false, &error);
        /* with nothing to freeze, too: what failed before must not come back once this has called all durable */
        if (code == LEVIN_OK)
            code = wal_flush(store->log, &error);
        if (store->log && wal_poisoned(store->log))
            db_poison(store);
        sync_mutex_unlock(&store->commit_mutex);
    }
    if (code == LEVIN_OK)
        code = checkpoint_drive(store, &error);
    version_reclaim(&store->versions);
    return code == LEVIN_OK ? LEVIN_OK : db_fail(store, &error);
}

levin_code levin_work(levin *store, bool *more)
{
    levin_error error = { 0 };
    bool left = false;
    if (!store->thread_started && commit_work(&store->queue)) { /* one group is a step; its tickets tell how it went */
        if (more)
            *more = true;
        return LEVIN_OK;
    }
    levin_code code = store->options.read_only ? LEVIN_OK : checkpoint_work(store, &left, &error);
    if (code == LEVIN_OK && !left && !store->thread_started && !store->options.read_only)
        code = collect_work(store, store->options.value_log_live_percent, &left, &error);
    if (code == LEVIN_OK && !left && !store->thread_started && !store->options.read_only) {
        code = checkpoint_prepare_log(store, &error);
        if (code == LEVIN_OK)
            code = compact_auto_work(store, &left, &error);
    }
    if (!left) {
        version_reclaim(&store->versions);
        page_cache_reclaim(store->cache);
        if (store->rows && !store->thread_started)
            row_cache_gather(store->rows);
    }
    if (more)
        *more = left;
    return code == LEVIN_OK ? LEVIN_OK : db_fail(store, &error);
}
