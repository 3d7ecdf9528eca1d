/*
 * memtable.c - the life of a memtable and the writer's side of its copy-on-write B+tree.
 *
 * Purpose: groups of operations become new roots; old roots stay as they were.
 * Invariants: a node with birth == group was made by the open group, hangs under nodes of the same birth and is
 * changed in place; every other node is immutable.  All nodes made by the open group are on `born`, so that an
 * abort frees them whatever the tree looks like; no node dies in the group that made it.  Branches off the right
 * edge have at least 31 separators, which bounds the height far below MEM_HEIGHT_MAX.
 * Memory: nodes live in slabs that belong to the memtable, so that the last unref frees them all, wherever they
 * are listed.
 * Concurrency: one writer.  memtable_recycle() is lock-free: a push on a stack (Treiber 1986) which the writer
 * only ever empties whole, so that there is no ABA.  Counters are relaxed.
 * Crash safety: memory only.  After a failed allocation the group can only be aborted.
 */
#include "mem_node.h"

#include "file.h"

enum { CLASS_LEAF, CLASS_BRANCH, CLASS_COUNT };

/* Slabs grow with the table: small tables stay small, large ones allocate seldom. */
enum { SLAB_NODES_MIN = 4, SLAB_NODES_MAX = 32 };

/* Operations of a batch that descend together, so that their cache misses overlap. */
enum { WINDOW = 16 };

typedef struct mem_slab {
    _Alignas(MEM_NODE_ALIGN) struct mem_slab *next;
    size_t bytes; /* this header included */
} mem_slab;

/* The nodes of one size. */
typedef struct mem_pool {
    mem_node *free;    /* through next */
    uint8_t *fresh;    /* never used nodes of the newest slab */
    size_t fresh_left;
    size_t nodes;      /* in all slabs */
} mem_pool;

struct memtable {
    arena records;
    mem_slab *slabs;
    mem_pool pool[CLASS_COUNT];

    mem_node *root;          /* as the open group has it */
    uint64_t entries;
    mem_node *finished_root; /* what an abort returns to */
    uint64_t finished_entries;
    uint64_t finished_group;
    uint64_t group;
    mem_node *born;          /* nodes made by the open group */
    mem_node_list replaced;  /* nodes that the open group has replaced */
    bool open;               /* between begin and finish or abort */
    bool failed;             /* out of memory in the open group: abort only */

    _Alignas(64) _Atomic(mem_node *) recycled; /* written by any thread */
    _Atomic size_t node_bytes;
    _Atomic size_t references;
};

/* One operation on its way down. Index: level. */
typedef struct descent {
    const uint8_t *record, *key;
    size_t key_bytes;
    mem_node *node[MEM_HEIGHT_MAX];
    uint8_t slot[MEM_HEIGHT_MAX];
} descent;

/* ---- lists of nodes ---- */

void mem_node_list_append(mem_node_list *to, mem_node_list *from)
{
    if (from->count == 0)
        return;
    if (to->count)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (mem_node_list){ 0 };
}

mem_node *mem_node_list_pop(mem_node_list *list)
{
    if (list->count == 0)
        return NULL;
    mem_node *node = list->first;
    if (--list->count == 0)
        *list = (mem_node_list){ 0 };
    else
        list->first = node->next;
    node->next = NULL;
    return node;
}

uint64_t mem_node_birth(const mem_node *node)
{
    return node->birth;
}

static void list_push(mem_node_list *list, mem_node *node)
{
    node->next = list->first;
    list->first = node;
    if (list->count++ == 0)
        list->last = node;
}

/* ---- life ---- */

memtable *memtable_create(const levin_io *io, size_t arena_chunk_bytes)
{
    memtable *m = io_alloc_aligned(io, sizeof *m, _Alignof(memtable));
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    arena_init(&m->records, io, arena_chunk_bytes);
    atomic_init(&m->recycled, NULL);
    atomic_init(&m->node_bytes, 0);
    atomic_init(&m->references, 1);
    return m;
}

void memtable_ref(memtable *m)
{
    /* relaxed: whoever refs holds a reference already, nothing is published by it */
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
}

void memtable_unref(memtable *m)
{
    /* release: my use of the table; acquire, for the last one: everybody's, before it is freed */
    if (atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
        return;
    const levin_io *io = m->records.io;
    while (m->slabs) {
        mem_slab *slab = m->slabs;
        m->slabs = slab->next;
        io_free(io, slab, slab->bytes);
    }
    arena_fini(&m->records);
    io_free(io, m, sizeof *m);
}

arena *memtable_arena(memtable *m)
{
    return &m->records;
}

size_t memtable_bytes(const memtable *m)
{
    /* relaxed: figures, they order nothing */
    return sizeof *m + atomic_load_explicit(&m->records.held_bytes, memory_order_relaxed) +
           atomic_load_explicit(&m->node_bytes, memory_order_relaxed);
}

/* ---- nodes ---- */

static void pool_free(memtable *m, mem_node *node)
{
    mem_pool *pool = &m->pool[node->level ? CLASS_BRANCH : CLASS_LEAF];
    node->next = pool->free;
    pool->free = node;
}

void memtable_recycle(memtable *m, mem_node *node)
{
    /* relaxed: the value is only compared */
    mem_node *head = atomic_load_explicit(&m->recycled, memory_order_relaxed);
    do
        node->next = head;
    while (/* release: what I did with the node; pairs with the exchange in take_recycled() */
           !atomic_compare_exchange_weak_explicit(&m->recycled, &head, node, memory_order_release,
                                                  memory_order_relaxed));
}

static void take_recycled(memtable *m)
{
    /* relaxed: an empty stack is the usual case and the exchange below does the ordering */
    if (!atomic_load_explicit(&m->recycled, memory_order_relaxed))
        return;
    /* acquire: pairs with the release of every push (later pushes continue the release sequence) */
    mem_node *node = atomic_exchange_explicit(&m->recycled, NULL, memory_order_acquire);
    while (node) {
        mem_node *next = node->next;
        pool_free(m, node);
        node = next;
    }
}

static bool add_slab(memtable *m, mem_pool *pool, size_t node_bytes)
{
    size_t nodes = pool->nodes < SLAB_NODES_MIN ? SLAB_NODES_MIN : pool->nodes;
    if (nodes > SLAB_NODES_MAX)
        nodes = SLAB_NODES_MAX;
    size_t bytes = sizeof(mem_slab) + nodes * node_bytes;
    mem_slab *slab = io_alloc_aligned(m->records.io, bytes, MEM_NODE_ALIGN);
    if (!slab)
        return false;
    slab->next = m->slabs;
    slab->bytes = bytes;
    m->slabs = slab;
    pool->fresh = (uint8_t *)(slab + 1);
    pool->fresh_left = nodes;
    pool->nodes += nodes;
    /* relaxed: a figure */
    atomic_fetch_add_explicit(&m->node_bytes, bytes, memory_order_relaxed);
    return true;
}

/* A node of the open group; its contents are not set. NULL when out of memory. */
static mem_node *node_new(memtable *m, unsigned level)
{
    mem_pool *pool = &m->pool[level ? CLASS_BRANCH : CLASS_LEAF];
    size_t node_bytes = level ? sizeof(mem_branch) : sizeof(mem_node);
    if (!pool->free)
        take_recycled(m);
    mem_node *node = pool->free;
    if (node) {
        pool->free = node->next;
    } else {
        if (pool->fresh_left == 0 && !add_slab(m, pool, node_bytes)) {
            m->failed = true;
            return NULL;
        }
        node = (mem_node *)(void *)pool->fresh;
        pool->fresh += node_bytes;
        pool->fresh_left--;
    }
    node->level = (uint8_t)level; /* an abort must know its size, come what may */
    node->birth = m->group;
    node->next = m->born;
    m->born = node;
    return node;
}

/* The node behind the link as a private one, copied if need be. NULL when out of memory. */
static mem_node *node_own(memtable *m, mem_node **link)
{
    mem_node *node = *link;
    if (node->birth == m->group)
        return node;
    mem_node *copy = node_new(m, node->level);
    if (!copy)
        return NULL;
    mem_node_copy(copy, node);
    list_push(&m->replaced, node);
    *link = copy;
    return copy;
}

/* ---- insertion ---- */

static mem_node **leaf_link(memtable *m, const descent *d)
{
    return m->root->level ? mem_child(d->node[1], d->slot[1]) : &m->root;
}

/* Finds the way of n operations down to the last branches, side by side; makes these branches private. */
static bool descend(memtable *m, descent *d, size_t n)
{
    unsigned top = m->root->level;
    for (unsigned level = top; level > 0; level--) {
        for (size_t i = 0; i < n; i++) {
            mem_node **link = level == top ? &m->root : mem_child(d[i].node[level + 1], d[i].slot[level + 1]);
            mem_node *node = node_own(m, link);
            if (!node)
                return false;
            unsigned slot = mem_branch_slot(node, d[i].key, d[i].key_bytes);
            d[i].node[level] = node;
            d[i].slot[level] = (uint8_t)slot;
            if (n > 1 || level == 1)
                mem_node_prefetch(*mem_child(node, slot), level == 1);
        }
    }
    return true;
}

/* Whether the path at and above the level runs along the right edge of the tree. */
static bool on_right_edge(const memtable *m, const descent *d, unsigned level)
{
    for (; level <= m->root->level; level++)
        if (d->slot[level] != d->node[level]->count)
            return false;
    return true;
}

/* Hangs `right` in behind the separator, at the level above the node that was split; splits on upwards. */
static bool insert_child(memtable *m, const descent *d, const uint8_t *separator, mem_node *right)
{
    unsigned top = m->root->level;
    for (unsigned level = 1; level <= top; level++) {
        mem_node *node = d->node[level];
        unsigned slot = d->slot[level];
        if (node->count < MEM_BRANCH_KEYS) {
            mem_node_insert(node, slot, separator, right);
            return true;
        }
        /* An ascending load leaves full branches behind. Only at the edge: a branch leaves it once, so that none but
         * the one at the edge is small. */
        unsigned up = on_right_edge(m, d, level) ? MEM_BRANCH_KEYS - 1 : MEM_BRANCH_KEYS / 2;
        mem_node *upper = node_new(m, level);
        if (!upper)
            return false;
        mem_node_init(upper, level);
        const uint8_t *middle = mem_branch_split(node, upper, up);
        if (slot <= up)
            mem_node_insert(node, slot, separator, right);
        else
            mem_node_insert(upper, slot - up - 1, separator, right);
        separator = middle;
        right = upper;
    }
    assert(top + 1 < MEM_HEIGHT_MAX);
    mem_node *root = node_new(m, top + 1);
    if (!root)
        return false;
    mem_node_init(root, top + 1);
    *mem_child(root, 0) = m->root;
    mem_node_insert(root, 0, separator, right);
    m->root = root;
    return true;
}

/* Splits the full private leaf for the sake of a record that belongs at `slot`. */
static bool split_leaf(memtable *m, const descent *d, mem_node *leaf, unsigned slot)
{
    /* A run of insertions in one direction goes on: split where it is, and leave what it has filled full. */
    unsigned from = MEM_LEAF_KEYS / 2;
    bool in_left = slot <= from;
    if (slot == leaf->last + 1u && slot >= from) {
        from = slot;
        in_left = slot < MEM_LEAF_KEYS;
    } else if (slot == leaf->last && slot <= from) {
        from = slot;
        in_left = slot == 0;
    }
    mem_node *right = node_new(m, 0);
    if (!right)
        return false;
    mem_node_init(right, 0);
    mem_leaf_split(leaf, right, from);
    if (in_left)
        mem_node_insert(leaf, slot, d->record, NULL);
    else
        mem_node_insert(right, slot - from, d->record, NULL);
    return insert_child(m, d, right->record[0], right);
}

/* *split is set when the paths of other descents are no longer right. */
static bool leaf_apply(memtable *m, const descent *d, bool *split)
{
    mem_node **link = leaf_link(m, d);
    mem_node *leaf = *link;
    bool equal;
    unsigned slot = mem_node_search(leaf, d->key, d->key_bytes, &equal);
    if (!equal)
        m->entries++;
    if (!equal && leaf->birth != m->group && leaf->count < MEM_LEAF_KEYS &&
        mem_node_prefix(leaf, d->key, d->key_bytes) == 0) { /* the usual case: copied once, with the gap */
        mem_node *copy = node_new(m, 0);
        if (!copy)
            return false;
        mem_leaf_copy_insert(copy, leaf, slot, d->record);
        list_push(&m->replaced, leaf);
        *link = copy;
        return true;
    }
    leaf = node_own(m, link);
    if (!leaf)
        return false;
    if (equal) {
        leaf->record[slot] = d->record;
    } else if (leaf->count < MEM_LEAF_KEYS) {
        mem_node_insert(leaf, slot, d->record, NULL);
    } else {
        *split = true;
        return split_leaf(m, d, leaf, slot);
    }
    return true;
}

/* Applies n operations in order. Leaves are read once all paths are known, old records once all leaves are there. */
static bool apply_window(memtable *m, descent *d, size_t n)
{
    assert(m->open && !m->failed);
    if (!m->root) {
        m->root = node_new(m, 0);
        if (!m->root)
            return false;
        mem_node_init(m->root, 0);
    }
    if (!descend(m, d, n))
        return false;
    for (size_t i = 0; n > 1 && i < n; i++)
        mem_node_prefetch_record(*leaf_link(m, &d[i]), d[i].key, d[i].key_bytes);
    bool stale = false;
    for (size_t i = 0; i < n; i++) {
        if (stale && !descend(m, &d[i], 1))
            return false;
        if (!leaf_apply(m, &d[i], &stale))
            return false;
    }
    return true;
}

static void descent_init(descent *d, const uint8_t *record)
{
    d->record = record;
    d->key = record_key(record);
    d->key_bytes = record_key_bytes(record);
}

bool memtable_apply(memtable *m, const uint8_t *record)
{
    descent d;
    descent_init(&d, record);
    return apply_window(m, &d, 1);
}

bool memtable_apply_batch(memtable *m, const uint8_t *records, size_t count)
{
    descent window[WINDOW];
    while (count) {
        size_t n = count < WINDOW ? count : WINDOW;
        for (size_t i = 0; i < n; i++) {
            descent_init(&window[i], records);
            records += record_bytes(records);
        }
        if (!apply_window(m, window, n))
            return false;
        count -= n;
    }
    return true;
}

/* ---- groups ---- */

void memtable_begin(memtable *m, uint64_t group)
{
    assert(!m->open && group > m->group);
    m->open = true;
    m->group = group;
}

static void group_end(memtable *m)
{
    m->born = NULL;
    m->replaced = (mem_node_list){ 0 };
    m->open = false;
    m->failed = false;
}

void memtable_abort(memtable *m)
{
    assert(m->open);
    while (m->born) {
        mem_node *node = m->born;
        m->born = node->next;
        pool_free(m, node);
    }
    m->root = m->finished_root;
    m->entries = m->finished_entries;
    m->group = m->finished_group; /* its number may come again: nothing was born in it */
    group_end(m);
}

const mem_node *memtable_open_root(const memtable *m)
{
    return m->root;
}

const mem_node *memtable_finish(memtable *m, mem_node_list *replaced)
{
    assert(m->open && !m->failed);
    *replaced = m->replaced;
    m->finished_root = m->root;
    m->finished_entries = m->entries;
    m->finished_group = m->group;
    group_end(m);
    return m->root;
}

uint64_t memtable_entries(const memtable *m)
{
    return m->finished_entries;
}
