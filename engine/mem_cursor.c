/*
 * mem_cursor.c - point lookups and cursors on one root of a memtable.
 *
 * Purpose: reading.  A cursor is the path from the root to a leaf; it moves without allocation and cannot fail.
 * Invariants: while height is not 0, node[height - 1] is a leaf and slot[height - 1] a record of it; no leaf is
 * empty.
 * Concurrency: wait-free.  Nodes under a published root never change; the caller got the root by an acquire load and
 * keeps it from being recycled.
 * Crash safety: memory only.
 */
#include "mem_node.h"

/* A scan asks for records that were written in another order: fetch them so many ahead, and leaves one ahead. */
enum { CURSOR_AHEAD = 12 };

/* Keys that descend together. */
enum { FIND_WINDOW = 16 };

const uint8_t *memtable_find(const mem_node *root, const uint8_t *key, size_t key_bytes)
{
    if (!root)
        return NULL;
    const mem_node *node = root;
    while (node->level)
        node = mem_child_const(node, mem_branch_slot(node, key, key_bytes));
    bool equal;
    unsigned slot = mem_node_search(node, key, key_bytes, &equal);
    return equal ? node->record[slot] : NULL;
}

static void find_window(const mem_node *root, const levin_slice *keys, size_t n, const uint8_t **records)
{
    const mem_node *node[FIND_WINDOW];
    for (size_t i = 0; i < n; i++)
        node[i] = root;
    for (unsigned level = root->level; level > 0; level--) {
        for (size_t i = 0; i < n; i++) {
            node[i] = mem_child_const(node[i], mem_branch_slot(node[i], keys[i].data, keys[i].size));
            mem_node_prefetch(node[i], false);
        }
    }
    for (size_t i = 0; i < n; i++)
        mem_node_prefetch_record(node[i], keys[i].data, keys[i].size);
    for (size_t i = 0; i < n; i++) {
        bool equal;
        unsigned slot = mem_node_search(node[i], keys[i].data, keys[i].size, &equal);
        records[i] = equal ? node[i]->record[slot] : NULL;
    }
}

void memtable_find_many(const mem_node *root, const levin_slice *keys, size_t count, const uint8_t **records)
{
    for (size_t at = 0; at < count; at += FIND_WINDOW) {
        size_t n = count - at < FIND_WINDOW ? count - at : FIND_WINDOW;
        if (root)
            find_window(root, keys + at, n, records + at);
        else
            memset(records + at, 0, n * sizeof *records);
    }
}

void mem_cursor_init(mem_cursor *c, const mem_node *root)
{
    c->root = root;
    c->height = 0;
}

static void cursor_push(mem_cursor *c, const mem_node *node, unsigned slot)
{
    assert(c->height < MEM_HEIGHT_MAX);
    c->node[c->height] = node;
    c->slot[c->height] = (uint16_t)slot;
    c->height++;
}

/* Goes on from `node` down to its first or last record. */
static bool cursor_edge(mem_cursor *c, const mem_node *node, bool last)
{
    for (; node->level; node = mem_child_const(node, last ? node->count : 0))
        cursor_push(c, node, last ? node->count : 0);
    cursor_push(c, node, last ? node->count - 1u : 0);
    unsigned n = node->count < CURSOR_AHEAD ? node->count : CURSOR_AHEAD;
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(node->record[last ? node->count - 1u - i : i]);
    return true;
}

/* From a leaf that is through (height is its depth): up to where there is a next child, and down again. */
static bool cursor_next_leaf(mem_cursor *c)
{
    while (--c->height > 0) {
        unsigned depth = c->height - 1u;
        const mem_node *node = c->node[depth];
        if (c->slot[depth] < node->count) {
            c->slot[depth]++;
            if (node->level == 1 && c->slot[depth] < node->count)
                mem_node_prefetch(mem_child_const(node, c->slot[depth] + 1u), true);
            return cursor_edge(c, mem_child_const(node, c->slot[depth]), false);
        }
    }
    return false;
}

static bool cursor_prev_leaf(mem_cursor *c)
{
    while (--c->height > 0) {
        unsigned depth = c->height - 1u;
        if (c->slot[depth] > 0) {
            c->slot[depth]--;
            if (c->node[depth]->level == 1 && c->slot[depth] > 0)
                mem_node_prefetch(mem_child_const(c->node[depth], c->slot[depth] - 1u), true);
            return cursor_edge(c, mem_child_const(c->node[depth], c->slot[depth]), true);
        }
    }
    return false;
}

bool mem_cursor_first(mem_cursor *c)
{
    c->height = 0;
    return c->root && cursor_edge(c, c->root, false);
}

bool mem_cursor_last(mem_cursor *c)
{
    c->height = 0;
    return c->root && cursor_edge(c, c->root, true);
}

/* Descends to the leaf of the key; its slot is the number of keys before the key and may be one past the last. */
static bool cursor_descend(mem_cursor *c, const uint8_t *key, size_t key_bytes)
{
    const mem_node *node = c->root;
    bool equal;
    c->height = 0;
    while (node->level) {
        unsigned slot = mem_branch_slot(node, key, key_bytes);
        cursor_push(c, node, slot);
        node = mem_child_const(node, slot);
    }
    unsigned slot = mem_node_search(node, key, key_bytes, &equal);
    cursor_push(c, node, slot);
    return equal;
}

bool mem_cursor_seek(mem_cursor *c, const uint8_t *key, size_t key_bytes)
{
    if (!c->root)
        return false;
    cursor_descend(c, key, key_bytes);
    unsigned leaf = c->height - 1u;
    return c->slot[leaf] < c->node[leaf]->count || cursor_next_leaf(c);
}

bool mem_cursor_seek_for_prev(mem_cursor *c, const uint8_t *key, size_t key_bytes)
{
    if (!c->root)
        return false;
    if (cursor_descend(c, key, key_bytes))
        return true;
    unsigned leaf = c->height - 1u;
    if (c->slot[leaf] == 0)
        return cursor_prev_leaf(c);
    c->slot[leaf]--;
    return true;
}

bool mem_cursor_next(mem_cursor *c)
{
    if (c->height == 0)
        return false;
    unsigned leaf = c->height - 1u, slot = c->slot[leaf] + 1u;
    const mem_node *node = c->node[leaf];
    if (slot + CURSOR_AHEAD < node->count)
        __builtin_prefetch(node->record[slot + CURSOR_AHEAD]);
    if (slot < node->count) {
        c->slot[leaf] = (uint16_t)slot;
        return true;
    }
    return cursor_next_leaf(c);
}

bool mem_cursor_prev(mem_cursor *c)
{
    if (c->height == 0)
        return false;
    unsigned leaf = c->height - 1u, slot = c->slot[leaf];
    const mem_node *node = c->node[leaf];
    if (slot > CURSOR_AHEAD)
        __builtin_prefetch(node->record[slot - 1 - CURSOR_AHEAD]);
    if (slot > 0) {
        c->slot[leaf] = (uint16_t)(slot - 1);
        return true;
    }
    return cursor_prev_leaf(c);
}

const uint8_t *mem_cursor_record(const mem_cursor *c)
{
    assert(c->height != 0);
    return c->node[c->height - 1]->record[c->slot[c->height - 1]];
}

void mem_cursor_next_unshared(mem_cursor *a, mem_cursor *b)
{
    unsigned up = 0; /* levels above the leaf, up to which node and slot are the same */
    assert(a->height && b->height);
    while (up < a->height && up < b->height && a->node[a->height - 1 - up] == b->node[b->height - 1 - up] &&
           a->slot[a->height - 1 - up] == b->slot[b->height - 1 - up])
        up++;
    if (up == 0) { /* the same operation in different leaves */
        mem_cursor_next(a);
        mem_cursor_next(b);
        return;
    }
    a->height = (uint16_t)(a->height - (up - 1)); /* as if the largest node in common were a leaf that is through */
    b->height = (uint16_t)(b->height - (up - 1));
    cursor_next_leaf(a);
    cursor_next_leaf(b);
}
