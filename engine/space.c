/*
 * space.c - free extents: a treap ordered by page number, each node knowing the largest extent below it.
 *
 * The treap (Seidel, Aragon 1996) takes, gives and joins in O(log n) expected.  Its priorities come from a generator
 * with a fixed seed, so that a history gives the same extents each time, and no bytes from disk can unbalance it.
 * Nodes stand in one array and name each other by index (0: none), so that a clone is a copy.
 *
 * Invariants: extents ascend, do not touch, lie in [page_first, page_count); max of a node is the largest extent in
 * its subtree; a call that fails changes nothing.
 * Concurrency: one thread at a time.  Crash safety: memory only; free_list.c makes it durable.
 */
#include "space.h"

#include <assert.h>

#include "file.h"

typedef struct space_node {
    uint64_t first, pages;
    uint64_t max;         /* pages of the largest extent in the subtree; 0 in node 0 */
    uint32_t left, right; /* left also links unused nodes */
    uint32_t priority;    /* a heap: no child's is larger */
} space_node;

struct space {
    const levin_io *io;
    uint32_t page_bytes;
    uint32_t root;
    uint32_t unused;      /* list of nodes */
    uint32_t used;        /* nodes ever used, node 0 counted */
    uint32_t capacity;
    uint64_t page_count;
    uint64_t free_pages;
    uint64_t random;      /* state of the priorities (xorshift, Marsaglia 2003) */
    enum space_aim_at aim;
    uint64_t floor;       /* of SPACE_HIGHEST */
    space_node *nodes;
};

enum { SPACE_FIRST_CAPACITY = 64 };

static space *space_alloc(const levin_io *io, uint32_t capacity)
{
    space *s = io_alloc(io, sizeof *s);
    if (!s)
        return NULL;
    *s = (space){.io = io, .capacity = capacity, .nodes = io_alloc(io, capacity * sizeof(space_node))};
    if (!s->nodes) {
        io_free(io, s, sizeof *s);
        return NULL;
    }
    return s;
}

space *space_create(const levin_io *io, uint32_t page_bytes, uint64_t page_count)
{
    space *s = space_alloc(io, SPACE_FIRST_CAPACITY);
    if (!s)
        return NULL;
    s->page_bytes = page_bytes;
    s->page_count = page_count;
    s->used = 1;
    s->random = 0x9e3779b97f4a7c15u;
    s->nodes[0] = (space_node){0};
    return s;
}

void space_destroy(space *s)
{
    if (!s)
        return;
    io_free(s->io, s->nodes, s->capacity * sizeof *s->nodes);
    io_free(s->io, s, sizeof *s);
}

levin_code space_clone(const space *s, space **copy, levin_error *error)
{
    space *c = space_alloc(s->io, s->capacity);
    *copy = c;
    if (!c)
        return error_memory(error, sizeof *s + s->capacity * sizeof *s->nodes);
    space_node *nodes = c->nodes;
    memcpy(nodes, s->nodes, s->used * sizeof *nodes);
    *c = *s;
    c->nodes = nodes;
    return LEVIN_OK;
}

uint64_t space_page_count(const space *s)
{
    return s->page_count;
}

uint64_t space_free_pages(const space *s)
{
    return s->free_pages;
}

/* ---- the treap ---- */

/* Makes sure that one node can be taken without fail. */
static levin_code node_reserve(space *s, levin_error *error)
{
    if (s->unused || s->used < s->capacity)
        return LEVIN_OK;
    size_t capacity = (size_t)s->capacity * 2;
    space_node *nodes = capacity <= UINT32_MAX ? io_alloc(s->io, capacity * sizeof *nodes) : NULL;
    if (!nodes)
        return error_memory(error, capacity * sizeof *nodes);
    memcpy(nodes, s->nodes, s->used * sizeof *nodes);
    io_free(s->io, s->nodes, s->capacity * sizeof *nodes);
    s->nodes = nodes;
    s->capacity = (uint32_t)capacity;
    return LEVIN_OK;
}

static uint32_t node_take(space *s, extent e)
{
    uint32_t n = s->unused;
    if (n)
        s->unused = s->nodes[n].left;
    else
        n = s->used++;
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    s->nodes[n] = (space_node){.first = e.first, .pages = e.pages, .max = e.pages,
                               .priority = (uint32_t)(s->random >> 32)};
    return n;
}

static void node_update(space *s, uint32_t n)
{
    space_node *node = &s->nodes[n];
    uint64_t left = s->nodes[node->left].max, right = s->nodes[node->right].max;
    uint64_t below = left > right ? left : right;
    node->max = node->pages > below ? node->pages : below;
}

/* All of a is below all of b. */
static uint32_t treap_join(space *s, uint32_t a, uint32_t b)
{
    if (!a || !b)
        return a ? a : b;
    if (s->nodes[a].priority >= s->nodes[b].priority) {
        s->nodes[a].right = treap_join(s, s->nodes[a].right, b);
        node_update(s, a);
        return a;
    }
    s->nodes[b].left = treap_join(s, a, s->nodes[b].left);
    node_update(s, b);
    return b;
}

/* *low gets the extents that start below first, *high the others. */
static void treap_split(space *s, uint32_t t, uint64_t first, uint32_t *low, uint32_t *high)
{
    if (!t) {
        *low = *high = 0;
        return;
    }
    uint32_t part;
    if (s->nodes[t].first < first) {
        treap_split(s, s->nodes[t].right, first, &part, high);
        s->nodes[t].right = part;
        *low = t;
    } else {
        treap_split(s, s->nodes[t].left, first, low, &part);
        s->nodes[t].left = part;
        *high = t;
    }
    node_update(s, t);
}

static void treap_insert(space *s, extent e)
{
    uint32_t low, high, n = node_take(s, e);
    treap_split(s, s->root, e.first, &low, &high);
    s->root = treap_join(s, treap_join(s, low, n), high);
}

/* The extent that starts at `first` becomes e, which keeps its place in the order; gone when e.pages is 0. */
static uint32_t treap_replace(space *s, uint32_t t, uint64_t first, extent e)
{
    assert(t);
    space_node *node = &s->nodes[t];
    if (first < node->first) {
        node->left = treap_replace(s, node->left, first, e);
    } else if (first > node->first) {
        node->right = treap_replace(s, node->right, first, e);
    } else if (e.pages == 0) {
        uint32_t joined = treap_join(s, node->left, node->right);
        node->left = s->unused;
        s->unused = t;
        return joined;
    } else {
        node->first = e.first;
        node->pages = e.pages;
    }
    node_update(s, t);
    return t;
}

/* The last extent that starts at or below `first`, or one of 0 pages. */
static extent treap_at_or_below(const space *s, uint64_t first)
{
    extent found = {0, 0};
    for (uint32_t t = s->root; t;) {
        const space_node *node = &s->nodes[t];
        if (node->first <= first)
            found = (extent){node->first, node->pages};
        t = node->first <= first ? node->right : node->left;
    }
    return found;
}

/* The first extent that starts above `first`, or one of 0 pages. */
static extent treap_above(const space *s, uint64_t first)
{
    extent found = {0, 0};
    for (uint32_t t = s->root; t;) {
        const space_node *node = &s->nodes[t];
        if (node->first > first)
            found = (extent){node->first, node->pages};
        t = node->first > first ? node->left : node->right;
    }
    return found;
}

/* The lowest of the largest extents. There is one. */
static extent treap_largest(const space *s)
{
    uint32_t t = s->root;
    uint64_t max = s->nodes[t].max;
    for (;;) {
        const space_node *node = &s->nodes[t];
        if (s->nodes[node->left].max == max)
            t = node->left;
        else if (node->pages == max)
            return (extent){node->first, node->pages};
        else
            t = node->right;
    }
}

/* The first, or the last, extent of at least `pages`, or one of 0 pages. */
static extent treap_edge(const space *s, uint64_t pages, bool last)
{
    uint32_t t = s->root;
    while (t) {
        const space_node *node = &s->nodes[t];
        uint32_t near = last ? node->right : node->left, far = last ? node->left : node->right;
        if (s->nodes[near].max >= pages)
            t = near;
        else if (node->pages >= pages)
            return (extent){node->first, node->pages};
        else if (s->nodes[far].max >= pages)
            t = far;
        else
            break;
    }
    return (extent){0, 0};
}

/* ---- take, give, shrink ---- */

void space_aim(space *s, enum space_aim_at at, uint64_t floor)
{
    s->aim = at;
    s->floor = floor;
}

bool space_is_free(const space *s, extent e)
{
    extent at = treap_at_or_below(s, e.first);
    return at.pages && at.first + at.pages >= e.first + e.pages;
}

/* Takes the first `pages` of a free extent. */
static extent space_cut(space *s, extent from, uint64_t pages)
{
    s->root = treap_replace(s, s->root, from.first, (extent){from.first + pages, from.pages - pages});
    s->free_pages -= pages;
    return (extent){from.first, pages};
}

/* Takes `wanted` pages at the end of the file, with the free ones that already end it. */
static levin_code space_grow(space *s, uint64_t wanted, extent *out, levin_error *error)
{
    uint64_t limit = (uint64_t)INT64_MAX / s->page_bytes;
    extent tail = treap_at_or_below(s, UINT64_MAX);
    if (tail.pages == 0 || tail.first + tail.pages != s->page_count || tail.pages > wanted)
        tail = (extent){s->page_count, 0};
    uint64_t more = wanted - tail.pages;
    if (s->page_count > limit || more > limit - s->page_count)
        return error_set(error, LEVIN_NO_SPACE, PAGE_FILE_NAME, "the page file cannot grow by %llu pages",
                         (unsigned long long)more);
    if (tail.pages)
        space_cut(s, tail, tail.pages);
    s->page_count += more;
    *out = (extent){tail.first, wanted};
    return LEVIN_OK;
}

levin_code space_take(space *s, uint64_t wanted, bool exact, extent *out, levin_error *error)
{
    assert(wanted > 0);
    uint64_t max = s->nodes[s->root].max, least = exact ? wanted : 1;
    if (max < least)
        return space_grow(s, wanted, out, error);
    extent from = s->aim == SPACE_LARGEST ? treap_largest(s) : treap_edge(s, least, s->aim == SPACE_HIGHEST);
    if (s->aim == SPACE_HIGHEST && from.first < s->floor)
        return space_grow(s, wanted, out, error);
    *out = space_cut(s, from, from.pages < wanted ? from.pages : wanted);
    return LEVIN_OK;
}

levin_code space_give(space *s, extent e, levin_error *error)
{
    uint64_t first_legal = page_first(s->page_bytes);
    if (e.pages == 0 || e.first < first_legal || e.first >= s->page_count || e.pages > s->page_count - e.first)
        return error_corrupt(error, PAGE_FILE_NAME, e.first * s->page_bytes, s->page_count, e.first,
                             "freed pages are not in the file");
    extent before = treap_at_or_below(s, e.first), behind = treap_above(s, e.first);
    if ((before.pages && before.first + before.pages > e.first) || (behind.pages && e.first + e.pages > behind.first))
        return error_corrupt(error, PAGE_FILE_NAME, e.first * s->page_bytes, 0, e.first, "pages are freed twice");

    levin_code code = node_reserve(s, error);
    if (code)
        return code;
    s->free_pages += e.pages;
    bool joins_behind = behind.pages && e.first + e.pages == behind.first;
    if (before.pages && before.first + before.pages == e.first) {
        if (joins_behind)
            s->root = treap_replace(s, s->root, behind.first, (extent){0, 0});
        before.pages += e.pages + (joins_behind ? behind.pages : 0);
        s->root = treap_replace(s, s->root, before.first, before);
    } else if (joins_behind) {
        s->root = treap_replace(s, s->root, behind.first, (extent){e.first, e.pages + behind.pages});
    } else {
        treap_insert(s, e);
    }
    return LEVIN_OK;
}

uint64_t space_shrink(space *s, uint64_t keep_at_least)
{
    extent tail = treap_at_or_below(s, UINT64_MAX);
    if (tail.pages == 0 || tail.first + tail.pages != s->page_count || keep_at_least >= s->page_count)
        return s->page_count;
    uint64_t count = tail.first > keep_at_least ? tail.first : keep_at_least;
    s->free_pages -= s->page_count - count;
    s->root = treap_replace(s, s->root, tail.first, (extent){tail.first, count - tail.first});
    s->page_count = count;
    return count;
}

static levin_code list_in_order(const space *s, uint32_t t, extent_list *out, levin_error *error)
{
    if (!t)
        return LEVIN_OK;
    const space_node *node = &s->nodes[t];
    levin_code code = list_in_order(s, node->left, out, error);
    if (!code)
        code = extent_list_add(out, s->io, node->first, node->pages, error);
    return code ? code : list_in_order(s, node->right, out, error);
}

levin_code space_list(const space *s, extent_list *out, levin_error *error)
{
    return list_in_order(s, s->root, out, error);
}
