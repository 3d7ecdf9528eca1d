/*
 * mem_node.h - a node of the memtable's B+tree and the search in it. Internal to memtable.c, mem_node.c and
 * mem_cursor.c.
 *
 * A node of level 0 is a leaf: count records, ascending by key.  A node of level n > 0 is a branch: count
 * separators and count + 1 children, all of level n - 1; keys under child[i] are at or after separator i - 1 and
 * before separator i.  A separator is a record too (any one that had that key): records stay as long as the table.
 * A branch may be left with one child and no separator by a range delete.
 *
 * skip   all keys of the node are at least `skip` bytes long and share their first `skip` bytes; 0 or at least
 *        MEM_SKIP_STEP.  The first bytes of that prefix are kept in the node: looking at it costs no cache miss.
 * head   the 8 bytes of key i after the skip, big-endian; from `count` on UINT64_MAX, so that the search need not
 *        look at count.  Equal heads are decided by the records.
 */
#ifndef LEVIN_MEM_NODE_H
#define LEVIN_MEM_NODE_H

#include <assert.h>

#include "memtable.h"

enum {
    MEM_LEAF_KEYS = 64,
    MEM_BRANCH_KEYS = 63,
    MEM_PREFIX_BYTES = 42, /* of the skipped prefix, held in the node */
    MEM_SKIP_STEP = 4,     /* a shorter gain in skip is not worth recomputing heads */
    MEM_NO_RUN = 0xff,
    MEM_NODE_ALIGN = 64
};

struct mem_node {
    _Alignas(MEM_NODE_ALIGN) uint64_t birth; /* group that made it */
    mem_node *next; /* lists: born in the open group, replaced, recycled, free. Readers never look at it */
    uint16_t count;
    uint16_t skip;
    uint8_t level;
    uint8_t last; /* leaf: slot of the last insertion, MEM_NO_RUN if none: tells ascending loads from random ones */
    uint8_t prefix[MEM_PREFIX_BYTES];
    uint64_t head[MEM_LEAF_KEYS];
    const uint8_t *record[MEM_LEAF_KEYS];
};
typedef struct mem_branch {
    mem_node node;
    mem_node *child[MEM_BRANCH_KEYS + 1];
} mem_branch;
static_assert(offsetof(mem_node, head) == 64, "the header is one cache line");
static_assert(sizeof(mem_node) == MEM_NODE_BYTES, "most nodes are leaves");
static_assert(MEM_LEAF_KEYS == 64, "mem_heads_below is written for 8 lines of 8 heads");

static inline mem_node **mem_child(mem_node *node, unsigned slot)
{
    return &((mem_branch *)node)->child[slot];
}
static inline const mem_node *mem_child_const(const mem_node *node, unsigned slot)
{
    return ((const mem_branch *)node)->child[slot];
}

/* The number of heads below h: first the line, then the place in the line.  No branches, no dependent misses. */
static inline unsigned mem_heads_below(const uint64_t head[MEM_LEAF_KEYS], uint64_t h)
{
    unsigned line = 0, n = 0;
#pragma GCC unroll 8
    for (unsigned i = 0; i < 7; i++)
        line += head[i * 8 + 7] < h;
    const uint64_t *in_line = head + (size_t)line * 8;
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; i++)
        n += in_line[i] < h;
    return line * 8 + n;
}

/* Whether n bytes are equal; n is at least MEM_SKIP_STEP. */
static inline bool mem_prefix_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n < 8)
        return load_u32(a) == load_u32(b) && load_u32(a + n - 4) == load_u32(b + n - 4);
    for (size_t i = 0; i + 8 < n; i += 8)
        if (load_u64(a + i) != load_u64(b + i))
            return false;
    return load_u64(a + n - 8) == load_u64(b + n - 8);
}

/* Where a key without the node's prefix sorts: below 0 before all keys, above 0 after all; 0: it has the prefix. */
int mem_node_prefix_order(const mem_node *node, const uint8_t *key, size_t key_bytes);
/* As mem_node_search(), among the heads equal to the key's, the first of which is at `slot`. */
unsigned mem_node_search_ties(const mem_node *node, unsigned slot, uint64_t head, const uint8_t *key,
                              size_t key_bytes, bool *equal);

static inline int mem_node_prefix(const mem_node *node, const uint8_t *key, size_t key_bytes)
{
    size_t skip = node->skip;
    if (skip == 0 || (skip <= key_bytes && skip <= MEM_PREFIX_BYTES && mem_prefix_equal(node->prefix, key, skip)))
        return 0;
    return mem_node_prefix_order(node, key, key_bytes);
}

/* The number of keys before `key`; *equal: the key itself stands at that slot. */
static inline unsigned mem_node_search(const mem_node *node, const uint8_t *key, size_t key_bytes, bool *equal)
{
    int order = mem_node_prefix(node, key, key_bytes);
    *equal = false;
    if (order != 0)
        return order < 0 ? 0 : node->count;
    uint64_t head = key_head64(key + node->skip, key_bytes - node->skip);
    unsigned slot = mem_heads_below(node->head, head);
    if (slot == node->count || node->head[slot] != head)
        return slot;
    return mem_node_search_ties(node, slot, head, key, key_bytes, equal);
}

/* The child under which `key` belongs. */
static inline unsigned mem_branch_slot(const mem_node *node, const uint8_t *key, size_t key_bytes)
{
    bool equal;
    unsigned slot = mem_node_search(node, key, key_bytes, &equal);
    return slot + equal;
}

/* Fetches what a search in the node reads; all of a leaf, when it is going to be changed. */
static inline void mem_node_prefetch(const mem_node *node, bool whole_leaf)
{
    size_t bytes = whole_leaf ? sizeof(mem_node) : offsetof(mem_node, record);
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const char *)node + at);
}

/* Fetches the record that a search in the node is going to compare with, if there is one. */
static inline void mem_node_prefetch_record(const mem_node *node, const uint8_t *key, size_t key_bytes)
{
    if (key_bytes < node->skip)
        return;
    uint64_t head = key_head64(key + node->skip, key_bytes - node->skip);
    unsigned slot = mem_heads_below(node->head, head);
    if (slot < node->count && node->head[slot] == head)
        __builtin_prefetch(node->record[slot]);
}

/* ---- writer: the node is private ---- */

/* Empties the node; birth and next are the caller's. */
void mem_node_init(mem_node *node, unsigned level);
/* Copies all but birth and next. */
void mem_node_copy(mem_node *to, const mem_node *from);
/* Copies a leaf with the record added at `slot`. The record has the prefix of `from`, which is not full. */
void mem_leaf_copy_insert(mem_node *to, const mem_node *from, unsigned slot, const uint8_t *record);
/* Adds a record that belongs at `slot`; in a branch a separator with the child to its right. The node is not full. */
void mem_node_insert(mem_node *node, unsigned slot, const uint8_t *record, mem_node *right);
/* Removes records [from, to) of a leaf; some are left. */
void mem_leaf_cut(mem_node *node, unsigned from, unsigned to);
/* Removes children [from, to) of a branch and the separators between; some are left. */
void mem_branch_cut(mem_node *node, unsigned from, unsigned to);
/* Moves the records from `from` on to the empty leaf `right`. */
void mem_leaf_split(mem_node *node, mem_node *right, unsigned from);
/* Moves the separators after slot `up`, and their children, to the empty branch `right`; returns separator `up`. */
const uint8_t *mem_branch_split(mem_node *node, mem_node *right, unsigned up);

#endif
