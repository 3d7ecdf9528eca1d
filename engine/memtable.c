/*
 * memtable.c - the life of a memtable and the writer's side of its copy-on-write B+tree.
 *
 * Purpose: groups of operations become new roots; old roots stay as they were.
 * Invariants: a node with birth == group was made by the open group, hangs under nodes of the same birth and is
 * changed in place; every other node is immutable.  All nodes made by the open group are on `born`, so that an
 * abort frees them whatever the tree looks like; one that dies in the group that made it, by a range delete, is marked
 * (birth 0) and freed when the group ends.  A split off the right edge leaves at least 31 separators, and a node is
 * split only when it is full again, whatever was cut out of it meanwhile: the height stays far below MEM_HEIGHT_MAX.
 * No leaf is empty; a branch has at least one child.
 * Ranges of the mask are disjoint and do not touch.
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

enum { MERGED_CHUNK_BYTES = 4096 };

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

/* What a tree of the table maps: keys to operations, or starts of deleted ranges to the range. */
enum tree_kind { TREE_KEYS, TREE_MASK, TREE_KINDS };

typedef struct mem_tree {
    mem_node *root;          /* as the open group has it */
    uint64_t entries;
    mem_node *finished_root; /* what an abort returns to */
    uint64_t finished_entries;
} mem_tree;

struct memtable {
    arena records;
    arena merged;            /* ranges that were made of several */
    mem_slab *slabs;
    mem_pool pool[CLASS_COUNT];

    mem_tree trees[DOMAIN_COUNT * TREE_KINDS]; /* see domain_trees() */
    mem_tree *at;            /* the one that is being changed */
    uint64_t finished_group;
    uint64_t group;
    mem_node *born;          /* nodes made by the open group */
    size_t stillborn;        /* of them, those that it has dropped again */
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

/* The trees of a domain, by enum tree_kind. */
static inline mem_tree *domain_trees(memtable *m, unsigned domain)
{
    return m->trees + domain * TREE_KINDS;
}

/* ---- life ---- */

memtable *memtable_create(const levin_io *io, size_t arena_chunk_bytes)
{
    memtable *m = io_alloc_aligned(io, sizeof *m, _Alignof(memtable));
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    arena_init(&m->records, io, arena_chunk_bytes);
    arena_init(&m->merged, io, MERGED_CHUNK_BYTES);
    m->at = domain_trees(m, DOMAIN_PLAIN);
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
    arena_fini(&m->merged);
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
           atomic_load_explicit(&m->merged.held_bytes, memory_order_relaxed) +
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
    return m->at->root->level ? mem_child(d->node[1], d->slot[1]) : &m->at->root;
}

/* Finds the way of n operations down to the last branches, side by side; makes these branches private. */
static bool descend(memtable *m, descent *d, size_t n)
{
    unsigned top = m->at->root->level;
    for (unsigned level = top; level > 0; level--) {
        for (size_t i = 0; i < n; i++) {
            mem_node **link = level == top ? &m->at->root : mem_child(d[i].node[level + 1], d[i].slot[level + 1]);
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
    for (; level <= m->at->root->level; level++)
        if (d->slot[level] != d->node[level]->count)
            return false;
    return true;
}

/* Hangs `right` in behind the separator, at the level above the node that was split; splits on upwards. */
static bool insert_child(memtable *m, const descent *d, const uint8_t *separator, mem_node *right)
{
    unsigned top = m->at->root->level;
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
    *mem_child(root, 0) = m->at->root;
    mem_node_insert(root, 0, separator, right);
    m->at->root = root;
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
        m->at->entries++;
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
    if (!m->at->root) {
        m->at->root = node_new(m, 0);
        if (!m->at->root)
            return false;
        mem_node_init(m->at->root, 0);
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

/* ---- ranges ---- */

/* [lower, upper), or with upper itself. upper.size 0: to the end. */
typedef struct key_range {
    levin_slice lower, upper;
    bool upper_inclusive;
} key_range;

/* A node that the open group has taken out of the tree. */
static void node_drop(memtable *m, mem_node *node)
{
    if (node->birth == m->group) {
        node->birth = 0; /* stands on `born` till the group ends */
        m->stillborn++;
    } else {
        list_push(&m->replaced, node);
    }
}

static void subtree_drop(memtable *m, mem_node *node)
{
    if (node->level == 0)
        m->at->entries -= node->count;
    for (unsigned i = 0; node->level && i <= node->count; i++)
        subtree_drop(m, *mem_child(node, i));
    node_drop(m, node);
}

/*
 * Removes the records in the range from the subtree behind the link, which becomes NULL when none is left.
 * above_lower, below_upper: all keys of the subtree are known to be.  Whole subtrees go unread but for their nodes'
 * headers; only the nodes along the two edges of the range are copied.
 */
static bool subtree_cut(memtable *m, mem_node **link, const key_range *r, bool above_lower, bool below_upper)
{
    if (above_lower && below_upper) {
        subtree_drop(m, *link);
        *link = NULL;
        return true;
    }
    mem_node *node = *link;
    bool equal = false;
    unsigned from = above_lower ? 0 : mem_node_search(node, r->lower.data, r->lower.size, &equal);
    if (node->level == 0) {
        unsigned to = below_upper ? node->count : mem_node_search(node, r->upper.data, r->upper.size, &equal);
        to += !below_upper && equal && r->upper_inclusive;
        if (from >= to)
            return true;
        if (to - from == node->count)
            return subtree_cut(m, link, r, true, true);
        node = node_own(m, link);
        if (!node)
            return false;
        m->at->entries -= to - from;
        mem_leaf_cut(node, from, to);
        return true;
    }
    from += equal; /* the child */
    unsigned to = below_upper ? node->count : mem_branch_slot(node, r->upper.data, r->upper.size);
    node = node_own(m, link);
    if (!node)
        return false;
    for (unsigned i = from; i <= to; i++)
        if (!subtree_cut(m, mem_child(node, i), r, above_lower || i > from, below_upper || i < to))
            return false;
    from += *mem_child(node, from) != NULL;
    to += *mem_child(node, to) == NULL; /* children [from, to) are gone */
    if (from >= to)
        return true;
    if (to - from == node->count + 1u) {
        node_drop(m, node);
        *link = NULL;
    } else {
        mem_branch_cut(node, from, to);
    }
    return true;
}

static bool tree_cut(memtable *m, mem_tree *t, const key_range *r)
{
    mem_cursor c;
    mem_cursor_init(&c, t->root);
    if (!mem_cursor_seek(&c, r->lower.data, r->lower.size))
        return true;
    const uint8_t *first = mem_cursor_record(&c);
    int order = r->upper.size ? key_compare(record_key(first), record_key_bytes(first), r->upper.data, r->upper.size)
                              : -1;
    if (order > 0 || (order == 0 && !r->upper_inclusive)) /* nothing is there: nothing is copied */
        return true;
    m->at = t;
    if (!subtree_cut(m, &t->root, r, false, r->upper.size == 0))
        return false;
    while (t->root && t->root->level && t->root->count == 0) {
        mem_node *child = *mem_child(t->root, 0);
        node_drop(m, t->root);
        t->root = child;
    }
    return true;
}

static bool tree_apply(memtable *m, mem_tree *t, const uint8_t *record)
{
    descent d;
    descent_init(&d, record);
    m->at = t;
    return apply_window(m, &d, 1);
}

/* The range from the start of one record to the end of another, as a record. NULL when out of memory. */
static const uint8_t *range_join(memtable *m, const uint8_t *first, const uint8_t *last)
{
    size_t key_bytes = record_key_bytes(first), end_bytes = record_value_bytes(last);
    uint8_t *r = arena_reserve(&m->merged, RECORD_HEADER_BYTES + key_bytes + end_bytes);
    if (!r) {
        m->failed = true;
        return NULL;
    }
    memcpy(r, first, RECORD_HEADER_BYTES + key_bytes);
    store_u32(r + RECORD_VALUE_BYTES, (uint32_t)end_bytes);
    memcpy(r + RECORD_HEADER_BYTES + key_bytes, record_value(last), end_bytes);
    return r;
}

/* Adds the range to the mask: one range with all those that it meets. */
static bool mask_add(memtable *m, mem_tree *mask, const uint8_t *record)
{
    const levin_slice lower = { record_key(record), record_key_bytes(record) };
    const levin_slice upper = { record_value(record), record_value_bytes(record) };
    const uint8_t *first = record, *last = record;
    mem_cursor c;
    mem_cursor_init(&c, mask->root);
    if (mem_cursor_seek_for_prev(&c, lower.data, lower.size)) {
        const uint8_t *before = mem_cursor_record(&c);
        if (!record_value_bytes(before) || record_end_compare(before, lower.data, lower.size) >= 0)
            first = before;
    }
    if (upper.size ? mem_cursor_seek_for_prev(&c, upper.data, upper.size) : mem_cursor_last(&c)) {
        const uint8_t *behind = mem_cursor_record(&c);
        if (!record_value_bytes(behind) || (upper.size && record_end_compare(behind, upper.data, upper.size) > 0))
            last = behind;
    }
    if (first == last && first != record) /* it lies in one that is there */
        return true;
    if (first != last) {
        record = range_join(m, first, last);
        if (!record)
            return false;
    }
    const key_range met = { { record_key(first), record_key_bytes(first) }, upper, true };
    return tree_cut(m, mask, &met) && tree_apply(m, mask, record);
}

/* What is covered goes, and whatever lies below the table is hidden. */
static bool range_apply(memtable *m, mem_tree *trees, const uint8_t *record)
{
    const key_range r = { { record_key(record), record_key_bytes(record) },
                          { record_value(record), record_value_bytes(record) },
                          false };
    return tree_cut(m, &trees[TREE_KEYS], &r) && mask_add(m, &trees[TREE_MASK], record);
}

/* ---- operations ---- */

bool memtable_apply(memtable *m, const uint8_t *record)
{
    return memtable_apply_batch(m, record, 1);
}

bool memtable_apply_batch(memtable *m, const uint8_t *records, size_t count)
{
    descent window[WINDOW];
    while (count) {
        mem_tree *trees = domain_trees(m, record_domain(records));
        size_t n = 0;
        if (record_kind(records) == RECORD_DELETE_RANGE) {
            if (!range_apply(m, trees, records))
                return false;
            records += record_bytes(records);
            count--;
            continue;
        }
        m->at = &trees[TREE_KEYS];
        do {
            descent_init(&window[n++], records);
            records += record_bytes(records);
        } while (n < count && n < WINDOW && record_kind(records) != RECORD_DELETE_RANGE &&
                 domain_trees(m, record_domain(records)) == trees);
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
    m->stillborn = 0;
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
    for (mem_tree *t = m->trees; t < m->trees + DOMAIN_COUNT * TREE_KINDS; t++) {
        t->root = t->finished_root;
        t->entries = t->finished_entries;
    }
    m->group = m->finished_group; /* its number may come again: nothing was born in it */
    group_end(m);
}

mem_roots memtable_open_roots(const memtable *m, unsigned domain)
{
    const mem_tree *trees = m->trees + domain * TREE_KINDS;
    return (mem_roots){ trees[TREE_KEYS].root, trees[TREE_MASK].root };
}

/* Nodes made and dropped by the same group: no reader has seen them. */
static void stillborn_free(memtable *m)
{
    for (mem_node *node = m->born, *next; node; node = next) {
        next = node->next;
        if (node->birth == 0)
            pool_free(m, node);
    }
}

const mem_node *memtable_finish(memtable *m, mem_node_list *replaced)
{
    assert(m->open && !m->failed);
    *replaced = m->replaced;
    for (mem_tree *t = m->trees; t < m->trees + DOMAIN_COUNT * TREE_KINDS; t++) {
        t->finished_root = t->root;
        t->finished_entries = t->entries;
    }
    if (m->stillborn)
        stillborn_free(m);
    m->finished_group = m->group;
    group_end(m);
    return m->trees[TREE_KEYS].root;
}

mem_roots memtable_roots(const memtable *m, unsigned domain)
{
    const mem_tree *trees = m->trees + domain * TREE_KINDS;
    return (mem_roots){ trees[TREE_KEYS].finished_root, trees[TREE_MASK].finished_root };
}

static_assert((int)MEM_TREES == (int)DOMAIN_COUNT * (int)TREE_KINDS, "mem_saved has all trees");

void memtable_save(const memtable *m, mem_saved *saved)
{
    for (unsigned i = 0; i < MEM_TREES; i++) {
        saved->root[i] = m->trees[i].finished_root;
        saved->entries[i] = m->trees[i].finished_entries;
    }
}

void memtable_restore(memtable *m, const mem_saved *saved)
{
    assert(!m->open);
    for (unsigned i = 0; i < MEM_TREES; i++) {
        mem_tree *t = &m->trees[i];
        t->root = t->finished_root = saved->root[i];
        t->entries = t->finished_entries = saved->entries[i];
    }
}

uint64_t memtable_entries(const memtable *m)
{
    uint64_t entries = 0;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        entries += m->trees[domain * TREE_KINDS + TREE_KEYS].finished_entries;
    return entries;
}
