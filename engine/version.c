/*
 * version.c - the list of living versions and trees, and the dead lists.  The rules stand in version.h.
 *
 * Crash safety: none of this is on disk.  Pages called reusable here are also unreachable from every meta page that
 * could be chosen after a crash, because a checkpoint releases the old tree only after its own meta page is known
 * durable.
 */
#include "version.h"

#include <assert.h>
#include <string.h>

#include "file.h"

levin_code version_set_init(version_set *set, const levin_io *io, levin_error *error)
{
    memset(set, 0, sizeof *set);
    int failed = sync_mutex_init(&set->mutex);
    if (failed)
        return error_os(error, failed, "initialisation of a mutex", NULL);
    set->io = io;
    atomic_init(&set->current, NULL);
    return LEVIN_OK;
}

void dead_pages_free(const levin_io *io, dead_pages *pages)
{
    while (pages) {
        dead_pages *next = pages->next;
        extent_list_fini(&pages->extents, io);
        extent_list_fini(&pages->segments, io);
        io_free(io, pages, sizeof *pages);
        pages = next;
    }
}

static void dead_pages_append(dead_pages **list, dead_pages *pages)
{
    while (*list)
        list = &(*list)->next;
    *list = pages;
}

tree_version *tree_version_create(version_set *set)
{
    tree_version *t = io_alloc(set->io, sizeof *t);
    if (t) {
        memset(t, 0, sizeof *t);
        t->references = 1;
    }
    return t;
}

static void tree_unref_locked(version_set *set, tree_version *t)
{
    assert(t->references > 0);
    if (--t->references > 0)
        return;
    if (t->older)
        dead_pages_append(&t->older->dead, t->dead);
    else
        dead_pages_append(&set->reusable, t->dead);
    if (t->older)
        t->older->newer = t->newer;
    if (t->newer)
        t->newer->older = t->older;
    if (set->oldest_tree == t)
        set->oldest_tree = t->newer;
    if (set->newest_tree == t)
        set->newest_tree = t->older;
    extent_list_fini(&t->free_list, set->io);
    extent_list_fini(&t->vlog_table, set->io);
    io_free(set->io, t, sizeof *t);
}

void tree_version_release(version_set *set, tree_version *t)
{
    sync_mutex_lock(&set->mutex);
    tree_unref_locked(set, t);
    sync_mutex_unlock(&set->mutex);
}

tree_version *tree_version_pin(version_set *set)
{
    sync_mutex_lock(&set->mutex);
    tree_version *t = set->newest_tree;
    t->references++;
    sync_mutex_unlock(&set->mutex);
    return t;
}

void tree_version_bury(version_set *set, tree_version *older, dead_pages *pages)
{
    sync_mutex_lock(&set->mutex);
    dead_pages_append(&older->dead, pages);
    sync_mutex_unlock(&set->mutex);
}

bool version_has_reusable(version_set *set)
{
    sync_mutex_lock(&set->mutex);
    bool has = set->reusable != NULL;
    sync_mutex_unlock(&set->mutex);
    return has;
}

dead_pages *version_take_reusable(version_set *set, uint64_t oldest)
{
    dead_pages *taken = NULL, **end = &taken;
    sync_mutex_lock(&set->mutex);
    for (dead_pages **at = &set->reusable, *d; (d = *at) != NULL;) {
        if (d->generation >= oldest) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        d->next = NULL;
        *end = d;
        end = &d->next;
    }
    sync_mutex_unlock(&set->mutex);
    return taken;
}

void version_add_reusable(version_set *set, dead_pages *pages)
{
    sync_mutex_lock(&set->mutex);
    dead_pages_append(&set->reusable, pages);
    sync_mutex_unlock(&set->mutex);
}

extent_list version_take_segments(version_set *set, uint64_t oldest)
{
    extent_list segments = { 0 };
    sync_mutex_lock(&set->mutex);
    for (dead_pages *d = set->reusable; d && !segments.count; d = d->next)
        if (d->generation < oldest) {
            segments = d->segments;
            d->segments = (extent_list){ 0 };
        }
    sync_mutex_unlock(&set->mutex);
    return segments;
}

static uint64_t dead_since(const dead_pages *list, uint64_t generation)
{
    uint64_t pages = 0;
    for (const dead_pages *d = list; d; d = d->next)
        for (size_t i = 0; d->generation >= generation && i < d->extents.count; i++)
            pages += d->extents.items[i].pages;
    return pages;
}

uint64_t version_held_since(version_set *set, uint64_t generation)
{
    sync_mutex_lock(&set->mutex);
    uint64_t pages = dead_since(set->reusable, generation);
    for (const tree_version *t = set->oldest_tree; t; t = t->newer)
        pages += dead_since(t->dead, generation);
    sync_mutex_unlock(&set->mutex);
    return pages;
}

levin_code version_each_dead(version_set *set, levin_code (*visit)(void *context, extent e), void *context)
{
    levin_code code = LEVIN_OK;
    sync_mutex_lock(&set->mutex);
    const dead_pages *list = set->reusable;
    const tree_version *t = set->oldest_tree;
    for (;;) {
        for (const dead_pages *d = list; d && code == LEVIN_OK; d = d->next)
            for (size_t i = 0; i < d->extents.count && code == LEVIN_OK; i++)
                code = visit(context, d->extents.items[i]);
        if (!t || code != LEVIN_OK)
            break;
        list = t->dead;
        t = t->newer;
    }
    sync_mutex_unlock(&set->mutex);
    return code;
}

static bool version_has(const version *v, const memtable *mem)
{
    return !mem || v->mem == mem || v->frozen == mem;
}

version_hold version_held(version_set *set, const version *v)
{
    sync_mutex_lock(&set->mutex);
    version_hold hold = { .newest_sequence = set->newest->sequence };
    for (const tree_version *t = v->tree; t; t = t->newer)
        for (const dead_pages *d = t->dead; d; d = d->next)
            for (size_t i = 0; i < d->extents.count; i++)
                hold.pages += d->extents.items[i].pages;
    if (!version_has(set->newest, v->mem))
        hold.memory_bytes += memtable_bytes(v->mem);
    if (!version_has(set->newest, v->frozen))
        hold.memory_bytes += memtable_bytes(v->frozen);
    sync_mutex_unlock(&set->mutex);
    return hold;
}

version *version_create(version_set *set)
{
    version *v = io_alloc(set->io, sizeof *v);
    if (v) {
        memset(v, 0, sizeof *v);
        v->set = set;
        v->references = 1;
    }
    return v;
}

void version_discard(version *v)
{
    if (v)
        io_free(v->set->io, v, sizeof *v);
}

static void version_unref_locked(version *v)
{
    version_set *set = v->set;
    assert(v->references > 0);
    if (--v->references > 0)
        return;
    version *older = v->older;
    for (mem_node *node; (node = mem_node_list_pop(&v->dead));) {
        if (older && mem_node_birth(node) <= older->group) {
            mem_node_list one = { node, node, 1 };
            mem_node_list_append(&older->dead, &one);
        } else {
            memtable_recycle(v->mem, node);
        }
    }
    if (older)
        older->newer = v->newer;
    else
        set->oldest = v->newer;
    if (v->newer)
        v->newer->older = older;
    else
        set->newest = older;
    set->count--;
    memtable_unref(v->mem);
    if (v->frozen)
        memtable_unref(v->frozen);
    tree_unref_locked(set, v->tree);
    io_free(set->io, v, sizeof *v);
}

static void version_retire(reclaim_node *node)
{
    version *v = (version *)(void *)node; /* reclaim is the first member */
    version_set *set = v->set;
    sync_mutex_lock(&set->mutex);
    version_unref_locked(v);
    sync_mutex_unlock(&set->mutex);
}

void version_publish(version_set *set, version *v, mem_node_list *dead)
{
    memtable_ref(v->mem);
    if (v->frozen)
        memtable_ref(v->frozen);
    sync_mutex_lock(&set->mutex);
    version *before = set->newest;
    v->older = before;
    if (before) {
        before->newer = v;
        if (dead)
            mem_node_list_append(&before->dead, dead);
    } else {
        set->oldest = v;
    }
    set->newest = v;
    set->count++;
    if (v->tree != set->newest_tree) { /* a checkpoint's tree enters the list with the first version that names it */
        v->tree->older = set->newest_tree;
        if (set->newest_tree)
            set->newest_tree->newer = v->tree;
        else
            set->oldest_tree = v->tree;
        set->newest_tree = v->tree;
    }
    v->tree->references++;
    sync_mutex_unlock(&set->mutex);
    reclaim_publish(&set->current, v);
    if (before)
        reclaim_defer(&set->retired, &before->reclaim, version_retire);
}

/* Handles are const to their holders; the count is the set's. */
static version *mutable_version(const version *v)
{
    return (version *)(uintptr_t)v;
}

void version_ref(const version *v)
{
    sync_mutex_lock(&v->set->mutex);
    assert(v->references > 0);
    mutable_version(v)->references++;
    sync_mutex_unlock(&v->set->mutex);
}

version *version_acquire(version_set *set)
{
    reclaim_read_lock();
    version *v = version_current(set);
    version_ref(v);
    reclaim_read_unlock();
    return v;
}

void version_release(const version *v)
{
    version_set *set = v->set;
    sync_mutex_lock(&set->mutex);
    version_unref_locked(mutable_version(v));
    sync_mutex_unlock(&set->mutex);
}

void version_reclaim(version_set *set)
{
    if (reclaim_waiting(&set->retired))
        reclaim_drain(&set->retired);
}

void version_set_fini(version_set *set)
{
    reclaim_drain(&set->retired);
    version *v = atomic_load_explicit(&set->current, memory_order_relaxed); /* no other thread is left */
    atomic_store_explicit(&set->current, NULL, memory_order_relaxed);
    if (v) {
        sync_mutex_lock(&set->mutex);
        version_unref_locked(v);
        sync_mutex_unlock(&set->mutex);
    }
    assert(!set->oldest && !set->oldest_tree);
    dead_pages_free(set->io, set->reusable);
    sync_mutex_fini(&set->mutex);
}
