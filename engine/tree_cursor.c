/*
 * tree_cursor.c - a position in a page tree, from the root down.
 *
 * Invariants: a valid cursor (height > 0) pins the frames of its path and holds the whole key; an invalid one pins
 * nothing.  Any failure leaves it invalid.  Keys ascend from leaf to leaf, and a seek never lands on the wrong side of
 * its key: page_verify() sees one page at a time, so this is checked where a cursor goes from one leaf to another.
 * Concurrency: a cursor belongs to one thread at a time.  Each move that leaves the leaf runs in a read-side section
 * of its own: a frame is pinned in the section that looked it up.  The caller holds none: a move may wait for a grace
 * period.
 * Crash safety: nothing is written here.
 */
#include "page_draft.h"
#include "tree.h"

void tree_cursor_init(tree_cursor *c, const tree *t, uint8_t *key)
{
    memset(c, 0, sizeof *c);
    c->t = *t;
    c->key = key;
}

levin_code tree_cursor_open(tree_cursor *c, const tree *t, levin_error *error)
{
    size_t bytes = tree_cursor_key_bytes(t->page_bytes);
    tree_cursor_init(c, t, io_alloc(page_cache_file(t->cache)->io, bytes));
    return c->key ? LEVIN_OK : error_memory(error, bytes);
}

/* What long walks evict from a small cache has to be freed on the way, by whoever holds no section. */
static void section_end(const tree_cursor *c)
{
    reclaim_read_unlock();
    if (page_cache_wants_reclaim(c->t.cache))
        page_cache_reclaim(c->t.cache);
}

/* Unpins the path from depth `from` down. */
static void path_drop(tree_cursor *c, unsigned from)
{
    while (c->height > from)
        page_frame_unpin(c->frame[--c->height]);
}

void tree_cursor_end(tree_cursor *c)
{
    path_drop(c, 0);
}

void tree_cursor_close(tree_cursor *c)
{
    tree_cursor_end(c);
    if (c->key)
        io_free(page_cache_file(c->t.cache)->io, c->key, tree_cursor_key_bytes(c->t.page_bytes));
    c->key = NULL;
}

/* Loads and pins the page at ref as the next of the path. Inside a read-side section. */
static levin_code path_push(tree_cursor *c, page_ref ref, levin_error *error)
{
    page_frame *frame;
    levin_code code = tree_page(&c->t, ref, c->t.height - 1 - c->height, &frame, error);
    if (code)
        return code;
    page_frame_pin(frame);
    c->slot[c->height] = 0;
    c->frame[c->height++] = frame;
    return LEVIN_OK;
}

/* The leaf is the last of the path: its prefix goes into the key. */
static void leaf_enter(tree_cursor *c)
{
    c->leaf = c->frame[c->height - 1]->page;
    c->cells = page_cells(c->leaf);
    levin_slice prefix = page_prefix(c->leaf, c->t.page_bytes);
    c->prefix_bytes = prefix.size;
    memcpy(c->key, prefix.data, prefix.size);
}

enum path_side { PATH_FIRST, PATH_LAST };

/* From the page at the end of the path, whose slot is set, down to the leaf, at its first or last cell. */
static levin_code path_descend(tree_cursor *c, enum path_side side, levin_error *error)
{
    while (c->height < c->t.height) {
        const uint8_t *page = c->frame[c->height - 1]->page;
        levin_code code = path_push(c, branch_child(page, c->slot[c->height - 1]), error);
        if (code)
            return code;
        if (side == PATH_LAST)
            c->slot[c->height - 1] = page_cells(c->frame[c->height - 1]->page) - 1;
    }
    return LEVIN_OK;
}

/* The key of the leaf at the end of the path becomes the cursor's. */
static void path_finish(tree_cursor *c)
{
    leaf_enter(c);
    tree_cursor_set_slot(c, c->slot[c->height - 1]);
}

static levin_code out_of_order(const tree_cursor *c, levin_error *error)
{
    uint64_t number = c->frame[c->height - 1]->number;
    return error_corrupt(error, page_cache_file(c->t.cache)->name, number * c->t.page_bytes, 0, number,
                         "the keys of page %llu do not go on from those of the leaf beside it",
                         (unsigned long long)number);
}

/* The cursor's key against the cell that the path ends at. */
static int key_against_path(const tree_cursor *c)
{
    const uint8_t *leaf = c->frame[c->height - 1]->page;
    return split_key_compare(c->key, c->key_bytes, page_split_key(leaf, c->t.page_bytes, c->slot[c->height - 1]));
}

/*
 * Up to the nearest branch with a child on that side, and down again.  The cursor holds the last key of its leaf on
 * that side.
 */
static levin_code leaf_beside(tree_cursor *c, enum path_side entry, levin_error *error)
{
    levin_code code = LEVIN_NOT_FOUND;
    unsigned depth = c->height - 1; /* of the leaf */
    while (depth > 0) {
        unsigned cells = page_cells(c->frame[depth - 1]->page);
        if (entry == PATH_FIRST ? c->slot[depth - 1] + 1 < cells : c->slot[depth - 1] > 0)
            break;
        depth--;
    }
    path_drop(c, depth);
    if (depth > 0) {
        if (entry == PATH_FIRST)
            c->slot[depth - 1]++;
        else
            c->slot[depth - 1]--;
        reclaim_read_lock();
        code = path_descend(c, entry, error);
        section_end(c);
        if (!code) {
            int order = key_against_path(c);
            code = (entry == PATH_FIRST ? order < 0 : order > 0) ? LEVIN_OK : out_of_order(c, error);
        }
    }
    if (code)
        path_drop(c, 0);
    else
        path_finish(c);
    return code;
}

void tree_cursor_prefetch_leaf(const tree_cursor *c, bool after)
{
    if (c->height < 2)
        return;
    const uint8_t *parent = c->frame[c->height - 2]->page;
    unsigned slot = c->slot[c->height - 2];
    if (after ? slot + 1 < page_cells(parent) : slot > 0)
        page_cache_prefetch_leaf(c->t.cache, branch_child(parent, after ? slot + 1 : slot - 1).number);
}

levin_code tree_cursor_next_leaf(tree_cursor *c, levin_error *error)
{
    tree_cursor_set_slot(c, c->cells - 1); /* a seek may be past it */
    return leaf_beside(c, PATH_FIRST, error);
}

levin_code tree_cursor_prev_leaf(tree_cursor *c, levin_error *error)
{
    tree_cursor_set_slot(c, 0);
    return leaf_beside(c, PATH_LAST, error);
}

/* LEVIN_NOT_FOUND in an empty tree. */
static levin_code tree_enter_check(const tree *t, levin_error *error)
{
    return t->height ? tree_height_check(t, error) : LEVIN_NOT_FOUND;
}

static levin_code cursor_end(tree_cursor *c, enum path_side side, levin_error *error)
{
    path_drop(c, 0);
    levin_code code = tree_enter_check(&c->t, error);
    if (code)
        return code;
    reclaim_read_lock();
    code = path_push(c, c->t.root, error);
    if (!code) {
        if (side == PATH_LAST)
            c->slot[0] = page_cells(c->frame[0]->page) - 1;
        code = path_descend(c, side, error);
    }
    section_end(c);
    if (code)
        path_drop(c, 0);
    else
        path_finish(c);
    return code;
}

levin_code tree_cursor_first(tree_cursor *c, levin_error *error)
{
    return cursor_end(c, PATH_FIRST, error);
}

levin_code tree_cursor_last(tree_cursor *c, levin_error *error)
{
    return cursor_end(c, PATH_LAST, error);
}

/* Down to the leaf that holds the key. *slot: the first of its cells at or after the key, maybe past the last. */
static levin_code seek_leaf(tree_cursor *c, const uint8_t *key, size_t key_bytes, unsigned *slot, bool *equal,
                            levin_error *error)
{
    path_drop(c, 0);
    levin_code code = tree_enter_check(&c->t, error);
    if (code)
        return code;
    page_ref ref = c->t.root;
    reclaim_read_lock();
    while (!(code = path_push(c, ref, error))) {
        const uint8_t *page = c->frame[c->height - 1]->page;
        if (c->height == c->t.height)
            break;
        unsigned i = branch_child_for(page, c->t.page_bytes, key, key_bytes);
        c->slot[c->height - 1] = i;
        ref = branch_child(page, i);
    }
    section_end(c);
    if (code) {
        path_drop(c, 0);
        return code;
    }
    /* first the search, then the new prefix: `key` may be the cursor's own */
    *slot = page_lower_bound(c->frame[c->height - 1]->page, c->t.page_bytes, key, key_bytes, equal);
    leaf_enter(c);
    return LEVIN_OK;
}

/*
 * The key sought lies beside the leaf: on to the next one, which must lie on the other side of it.  (The cursor's own
 * key was in its leaf: with that one only a tree that contradicts itself leads here, to some answer or LEVIN_CORRUPT.)
 */
static levin_code seek_beside(tree_cursor *c, enum path_side entry, const uint8_t *key, size_t key_bytes,
                              levin_error *error)
{
    levin_code code = entry == PATH_FIRST ? tree_cursor_next_leaf(c, error) : tree_cursor_prev_leaf(c, error);
    if (code)
        return code;
    int order = key_compare(c->key, c->key_bytes, key, key_bytes);
    if (entry == PATH_FIRST ? order > 0 : order < 0)
        return LEVIN_OK;
    code = out_of_order(c, error);
    path_drop(c, 0);
    return code;
}

levin_code tree_cursor_seek(tree_cursor *c, const uint8_t *key, size_t key_bytes, levin_error *error)
{
    unsigned slot;
    bool equal;
    levin_code code = seek_leaf(c, key, key_bytes, &slot, &equal, error);
    if (code)
        return code;
    if (slot == c->cells)
        return seek_beside(c, PATH_FIRST, key, key_bytes, error);
    tree_cursor_set_slot(c, slot);
    return LEVIN_OK;
}

levin_code tree_cursor_seek_for_prev(tree_cursor *c, const uint8_t *key, size_t key_bytes, levin_error *error)
{
    unsigned slot;
    bool equal;
    levin_code code = seek_leaf(c, key, key_bytes, &slot, &equal, error);
    if (code)
        return code;
    if (!equal && slot == 0)
        return seek_beside(c, PATH_LAST, key, key_bytes, error);
    tree_cursor_set_slot(c, equal ? slot : slot - 1);
    return LEVIN_OK;
}
