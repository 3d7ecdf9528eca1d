/*
 * version.h - what readers see: one immutable state of the store, and how long its parts must be kept.
 *
 * A version is {memtable, frozen memtable, page tree}, of each memtable the roots of its keys and of its mask, for each
 * domain (memtable.h).  The newest one is published with one pointer store.
 * Readers use it inside a read-side section; snapshots and iterators hold a reference.  All versions that are
 * still referenced stand in a list, oldest first, and so do the page trees that they name.
 *
 * When is a replaced memtable node free?  A node that version v reaches and its successor does not goes on v's dead
 * list.  When v dies, a dead node born after the next older living version cannot be reached by anybody and is
 * recycled; the others move to that older version's list (the dead lists of ZFS: Bonwick and Moore, 2003; Matthew
 * Ahrens).
 * When is a replaced page free?  The same, but without births: pages replaced by a checkpoint are free once
 * the tree that used them and all older trees are dead.
 *
 * Concurrency: set->mutex guards lists and reference counts.  A version's first reference belongs to the store and is
 * dropped one grace period after the next version was published, so a version seen in a read-side section can be
 * referenced.
 */
#ifndef LEVIN_VERSION_INTERNAL_H
#define LEVIN_VERSION_INTERNAL_H

#include "memtable.h"
#include "reclaim.h"
#include "space.h"
#include "sync.h"
#include "tree.h"

/* Pages on the way to being free; linked so that handing them on needs no memory. */
typedef struct dead_pages {
    struct dead_pages *next;
    uint64_t generation;  /* of the last tree that used them */
    extent_list extents;
    extent_list segments; /* numbers of value-log segments that go the same way */
} dead_pages;

typedef struct tree_version {
    struct tree_version *older, *newer;
    uint64_t references;
    tree t;               /* of the default keyspace */
    tree named;           /* of the named ones */
    page_meta meta;
    dead_pages *dead;     /* pages that this tree uses and the next one does not */
    extent_list free_list; /* pages that hold the free list of its meta */
    extent_list vlog_table; /* pages that hold its table of value-log segments */
} tree_version;

/* Newest first; below the frozen memtable lies the page tree. A mask hides what lies below its own keys. */
typedef struct version_layers {
    mem_roots mem, frozen;
} version_layers;

typedef struct version {
    reclaim_node reclaim;
    struct version_set *set;
    struct version *older, *newer;
    uint64_t references;
    uint64_t group;       /* number of the commit group that made it */
    uint64_t sequence;    /* of the last batch in it */
    memtable *mem;
    memtable *frozen;     /* NULL when no checkpoint waits or runs */
    version_layers of[DOMAIN_COUNT];
    tree_version *tree;
    mem_node_list dead;   /* nodes of mem that this version reaches and the next does not */
} version;

typedef struct version_set {
    const levin_io *io;
    sync_mutex mutex;
    version *oldest, *newest;
    tree_version *oldest_tree, *newest_tree;
    dead_pages *reusable;        /* pages that nobody can reach; taken by the next checkpoint */
    _Atomic(version *) current;  /* release in version_publish; acquire in version_current and version_acquire */
    reclaim_queue retired;
    uint64_t count;              /* versions in the list */
} version_set;

levin_code version_set_init(version_set *set, const levin_io *io, levin_error *error);
/* All versions released; frees everything. */
void version_set_fini(version_set *set);

/* Memory for a version, so that publishing cannot fail. NULL when out of memory. */
version *version_create(version_set *set);
void version_discard(version *v); /* of one that was never published */

/*
 * Makes v the newest.  v's fields from group to tree are filled in by the caller and not referenced yet: the call
 * takes its own references on memtables and tree.  dead: nodes that the version before reaches and v does not.  One
 * thread at a time (commit mutex).
 */
void version_publish(version_set *set, version *v, mem_node_list *dead);

/* The page tree of a domain. */
static inline const tree *tree_version_of(const tree_version *t, unsigned domain)
{
    return domain == DOMAIN_PLAIN ? &t->t : &t->named;
}

/* Nothing was written since the last freeze. */
static inline bool version_mem_is_empty(const version *v)
{
    bool empty = true;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        empty &= !v->of[domain].mem.keys && !v->of[domain].mem.mask;
    return empty;
}

/* Inside a read-side section. */
static inline version *version_current(version_set *set)
{
    return reclaim_load(&set->current);
}
/* A reference on the newest version, or on one seen in a read-side section. */
version *version_acquire(version_set *set);
void version_ref(const version *v);
void version_release(const version *v);
/* Waits for a grace period and drops the store's reference on the versions replaced. */
void version_reclaim(version_set *set);

tree_version *tree_version_create(version_set *set);
/* A reference on the newest tree: its pages stay as they are, and no memtable is held for it. */
tree_version *tree_version_pin(version_set *set);
/* Drops a reference that is not a version's (the creator's, or a pin). */
void tree_version_release(version_set *set, tree_version *t);
/* The tree before the newest one uses these pages, the newest does not. Takes pages over. */
void tree_version_bury(version_set *set, tree_version *older, dead_pages *pages);
/* Whether there are pages or segments that nobody here can reach any more. */
bool version_has_reusable(version_set *set);
/*
 * Takes all pages that nobody can reach any more: nobody here, nor a reading process, which reads the tree of
 * generation `oldest` or a later one.
 */
dead_pages *version_take_reusable(version_set *set, uint64_t oldest);
/* Puts pages among those that nobody here can reach. Takes them over. */
void version_add_reusable(version_set *set, dead_pages *pages);
/* Pages that the newest tree does not use, and that a process that reads that generation may still reach. */
uint64_t version_held_since(version_set *set, uint64_t generation);
/* What would be free, or on its way to it, without the holder of a version and all before it. */
typedef struct version_hold {
    uint64_t newest_sequence;
    uint64_t pages;        /* that trees from this one on have given up */
    uint64_t memory_bytes; /* of memtables that the newest version has no more */
} version_hold;
version_hold version_held(version_set *set, const version *v);
/* Takes some of the value-log segments that nobody can reach any more, out of the dead pages; oldest as above. */
extent_list version_take_segments(version_set *set, uint64_t oldest);
/* Calls visit for every extent that is waiting: reusable, or dead but still reachable from an older version. */
levin_code version_each_dead(version_set *set, levin_code (*visit)(void *context, extent e), void *context);
void dead_pages_free(const levin_io *io, dead_pages *pages);

#endif
