/*
 * tree_many.c - point lookups of several keys at once in a page tree, in stages across the keys, so that their cache
 * misses overlap (group prefetching: Chen, Ailamaki, Gibbons, Mowry, 2004).
 *
 * All keys go down level by level.  At each level, for each key in turn: ask for the bucket of the page table; read it
 * and ask for the frame, which the page follows; read the page's header and begin a binary search; one step of the
 * search, asking for the slot of the next; ask for the cell; read it.  A stage does for all keys what the
 * stage before has asked for, so a key's misses wait together with the misses of the others.
 *
 * Invariants: as tree_find(), which finds the same for each key.  A page that is not cached is read from the file when
 * its key's turn comes. Concurrency: the tree is immutable; the caller's read-side section keeps the frames. Crash
 * safety: nothing is written here.
 */
#include <assert.h>

#include "tree.h"

typedef struct descent {
    page_search search;
    page_ref ref;
} descent;

/* The pages of one level: done[i] stays as it is for a key that has failed. */
static levin_code open_pages(const tree *t, unsigned level, const levin_slice *keys, size_t count, descent *d,
                             levin_code *codes, levin_error *error)
{
    levin_code first = LEVIN_OK;
    for (size_t i = 0; i < count; i++)
        page_cache_prefetch_bucket(t->cache, d[i].ref.number);
    for (size_t i = 0; i < count; i++)
        page_cache_prefetch_frame(t->cache, d[i].ref.number);
    for (size_t i = 0; i < count; i++) {
        page_frame *frame;
        levin_error failed;
        if (codes[i] != LEVIN_OK)
            continue;
        codes[i] = tree_page_prefetched(t, d[i].ref, level, &frame, &failed);
        if (codes[i] == LEVIN_OK) {
            page_search_begin(&d[i].search, frame->page, t->page_bytes, keys[i].data, keys[i].size);
        } else if (first == LEVIN_OK) {
            first = codes[i];
            *error = failed;
        }
    }
    return first;
}

static void search_pages(size_t count, descent *d, const levin_code *codes)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++)
            more |= codes[i] == LEVIN_OK && page_search_step(&d[i].search);
    }
    for (size_t i = 0; i < count; i++)
        if (codes[i] == LEVIN_OK)
            page_search_aim(&d[i].search);
}

static levin_code find_window(const tree *t, const levin_slice *keys, size_t count, page_value *values,
                              levin_code *codes, levin_error *error)
{
    descent d[TREE_MANY];
    levin_code first = LEVIN_OK;
    for (size_t i = 0; i < count; i++) {
        d[i].ref = t->root;
        codes[i] = LEVIN_OK;
    }
    for (unsigned level = t->height; level-- > 0;) {
        levin_error failed;
        levin_code code = open_pages(t, level, keys, count, d, codes, &failed);
        if (code != LEVIN_OK && first == LEVIN_OK) {
            first = code;
            *error = failed;
        }
        search_pages(count, d, codes);
        for (size_t i = 0; i < count; i++) {
            bool equal;
            if (codes[i] != LEVIN_OK)
                continue;
            unsigned slot = page_search_end(&d[i].search, &equal);
            if (level > 0)
                d[i].ref = branch_child(d[i].search.page, equal || slot == 0 ? slot : slot - 1);
            else if (equal)
                values[i] = leaf_value(d[i].search.page, slot);
            else
                codes[i] = LEVIN_NOT_FOUND;
        }
    }
    return first;
}

levin_code tree_find_many(const tree *t, const levin_slice *keys, size_t count, page_value *values,
                          levin_code *codes, levin_error *error)
{
    assert(count <= TREE_MANY);
    levin_code code = tree_height_check(t, error);
    if (code == LEVIN_OK && t->height > 0)
        return find_window(t, keys, count, values, codes, error);
    for (size_t i = 0; i < count; i++)
        codes[i] = code == LEVIN_OK ? LEVIN_NOT_FOUND : code;
    return code;
}
