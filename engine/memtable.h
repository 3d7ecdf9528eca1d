/*
 * memtable.h - the newest writes in memory: a copy-on-write B+tree over operations that stand in an arena.
 *
 * A memtable maps a key to the newest operation (record_format.h: put or delete) on it.  A range delete removes the
 * operations that it covers and adds its range to the `mask`, a second tree of the same kind: what lies below the table
 * (an older memtable, the page tree) is hidden there, what is put afterwards stands above.  There are such two trees
 * for each domain: the default keyspace, and all named ones together (record_format.h).  Nodes are wide (64),
 * carry 8-byte big-endian key heads taken after the prefix that all keys of the node share, and point to
 * operations and not to copies of keys.  One writer at a time; readers search an immutable root without latches.
 *
 * Life of a change: the writer calls memtable_begin(group), memtable_apply() for each operation, then either
 * memtable_abort() (the table is as before) or memtable_finish(), which returns the new root and the nodes that
 * the new root no longer reaches.  A node is copied at most once per group: a node born in this group is changed
 * in place, since no reader can have seen it.  Nodes given back by memtable_finish() go to memtable_recycle() when
 * no reader can reach them any more (version.h decides); memtable_recycle() may be called from any thread.
 *
 * Memory: nodes from the I/O table, kept on a free list in the memtable; records in memtable->arena.
 */
#ifndef LEVIN_MEMTABLE_H
#define LEVIN_MEMTABLE_H

#include <stdatomic.h>

#include "arena.h"
#include "error.h"
#include "record_format.h"

typedef struct mem_node mem_node;
typedef struct memtable memtable;

/* The two trees of a domain. NULL: empty. */
typedef struct mem_roots {
    const mem_node *keys;
    const mem_node *mask; /* ranges deleted: disjoint, by their start */
} mem_roots;

/* Nodes replaced by a group; a singly linked list through the nodes themselves. */
typedef struct mem_node_list {
    mem_node *first;
    mem_node *last;
    size_t count;
} mem_node_list;
/* About what a node takes. */
enum { MEM_NODE_BYTES = 1088 };
/* About what an entry takes besides its record. */
enum { MEM_INDEX_BYTES = 28 };
/* Appends all of `from` to `to` and empties `from`. */
void mem_node_list_append(mem_node_list *to, mem_node_list *from);
/* Removes and returns the first node, or NULL. */
mem_node *mem_node_list_pop(mem_node_list *list);
/* The group in which a node was born. */
uint64_t mem_node_birth(const mem_node *node);

/* Reference count 1. NULL when out of memory. */
memtable *memtable_create(const levin_io *io, size_t arena_chunk_bytes);
void memtable_ref(memtable *m);
/* Frees nodes and arena with the last reference. Any thread. */
void memtable_unref(memtable *m);
arena *memtable_arena(memtable *m);
/* Bytes held now, arena and nodes, free nodes included. Any thread (relaxed counter). */
size_t memtable_bytes(const memtable *m);

/* ---- writer ---- */
/* group: above 0 and above that of the last group finished. */
void memtable_begin(memtable *m, uint64_t group);
/* record stands in the arena and stays. False when out of memory: the caller then aborts. */
bool memtable_apply(memtable *m, const uint8_t *record) __attribute__((warn_unused_result));
/* Applies `count` well-formed operations that stand back to back at `records`. Same result. */
bool memtable_apply_batch(memtable *m, const uint8_t *records, size_t count) __attribute__((warn_unused_result));
void memtable_abort(memtable *m);
/* The roots with what the open group has applied so far; changed in place by what it applies next. NULL: empty. */
mem_roots memtable_open_roots(const memtable *m, unsigned domain);
/* The default keyspace's root (NULL when it is empty); *replaced gets the nodes that only older roots reach. */
const mem_node *memtable_finish(memtable *m, mem_node_list *replaced);
/* What is to be published, as last finished. */
mem_roots memtable_roots(const memtable *m, unsigned domain);
/* Entries (keys, deletes included) under the roots last finished. */
uint64_t memtable_entries(const memtable *m);

/* All that a table holds, as last finished; good as long as the nodes of its roots are not recycled. */
enum { MEM_TREES = 2 * DOMAIN_COUNT };
typedef struct mem_saved {
    mem_node *root[MEM_TREES];
    uint64_t entries[MEM_TREES];
} mem_saved;
void memtable_save(const memtable *m, mem_saved *saved);
/* Between groups: the table holds what it held then. Nodes that only later roots reach are freed with the table. */
void memtable_restore(memtable *m, const mem_saved *saved);

/* ---- any thread, with a reference held ---- */
/* No reader reaches the node any more. Nodes that are never recycled are freed with the table. */
void memtable_recycle(memtable *m, mem_node *node);

/* ---- readers: the root is kept alive by the caller ---- */
/* The newest operation on the key, or NULL. */
const uint8_t *memtable_find(const mem_node *root, const uint8_t *key, size_t key_bytes);
/* As memtable_find() for each key, with their cache misses side by side. */
void memtable_find_many(const mem_node *root, const levin_slice *keys, size_t count, const uint8_t **records);

/* ---- the mask (mem_mask.c) ---- */

/* Whether the key lies in a deleted range. mask may be NULL. */
bool mem_mask_covers(const mem_node *mask, const uint8_t *key, size_t key_bytes);
/* The deleted range that the key is in, or the stretch between two where it is. data NULL: no end on that side. */
typedef struct mem_stretch {
    levin_slice lower, upper; /* [lower, upper); what they point to lives as long as the table */
    bool deleted;
} mem_stretch;
void mem_mask_stretch(const mem_node *mask, const uint8_t *key, size_t key_bytes, mem_stretch *stretch);
static inline bool mem_stretch_holds(const mem_stretch *s, const uint8_t *key, size_t key_bytes)
{
    return (!s->upper.data || key_compare(key, key_bytes, s->upper.data, s->upper.size) < 0) &&
           (!s->lower.data || key_compare(key, key_bytes, s->lower.data, s->lower.size) >= 0);
}

enum { MEM_HEIGHT_MAX = 16 };
/* A position in one root. Never allocates, never fails. */
typedef struct mem_cursor {
    const mem_node *node[MEM_HEIGHT_MAX]; /* from the root down */
    uint16_t slot[MEM_HEIGHT_MAX];
    uint16_t height;                      /* 0: invalid */
    const mem_node *root;
} mem_cursor;
void mem_cursor_init(mem_cursor *c, const mem_node *root); /* invalid until moved; root may be NULL */
bool mem_cursor_first(mem_cursor *c);
bool mem_cursor_last(mem_cursor *c);
/* First key at or after (seek), last key at or before (seek_for_prev). */
bool mem_cursor_seek(mem_cursor *c, const uint8_t *key, size_t key_bytes);
bool mem_cursor_seek_for_prev(mem_cursor *c, const uint8_t *key, size_t key_bytes);
bool mem_cursor_next(mem_cursor *c);
bool mem_cursor_prev(mem_cursor *c);
/*
 * Two cursors of roots of one table, both valid and on the same operation: moves both on, past all that the two roots
 * share from there, by the largest nodes that they have in common. Both may be at their end then, or one.
 */
void mem_cursor_next_unshared(mem_cursor *a, mem_cursor *b);
static inline bool mem_cursor_valid(const mem_cursor *c)
{
    return c->height != 0;
}
/* The operation at a valid cursor. */
const uint8_t *mem_cursor_record(const mem_cursor *c);

#endif
