/*
 * tree.h - reading a page tree: point lookup and cursors over one root.  Immutable, so no latches.
 *
 * The caller keeps the root's version alive (version.h).  Each call opens and closes its own read-side section and
 * pins what has to outlive it.
 */
#ifndef LEVIN_TREE_H
#define LEVIN_TREE_H

#include "page_cache.h"
#include "vlog.h"

/* A root and what is needed to read from it. Plain data, copied freely. */
typedef struct tree {
    page_cache *cache;
    uint64_t identity;
    uint32_t page_bytes;
    uint32_t height;      /* 0: empty */
    uint64_t generation;
    uint64_t page_count;
    page_ref root;
    vlog *values;         /* NULL: there is none, and no pointer into one */
} tree;

/*
 * The page at `ref`, verified and of that level (0: leaf).  Inside a read-side section; pin it to keep it longer.  A
 * page of another level is LEVIN_CORRUPT, which bounds every descent, also in a tree that points back into itself.
 */
levin_code tree_page(const tree *t, page_ref ref, unsigned level, page_frame **frame, levin_error *error);
/* The same for a caller that has asked for what it is going to read: nothing else is prefetched. */
levin_code tree_page_prefetched(const tree *t, page_ref ref, unsigned level, page_frame **frame, levin_error *error);

/* LEVIN_CORRUPT when the height is beyond PAGE_HEIGHT_MAX. */
levin_code tree_height_check(const tree *t, levin_error *error);

/*
 * Looks the key up inside a read-side section of the caller: value->data of an inline value stays good until that
 * section ends. LEVIN_NOT_FOUND.
 */
levin_code tree_find(const tree *t, const uint8_t *key, size_t key_bytes, page_value *value, levin_error *error);
/* The same, with the leaf that holds it: pin it and value->data stays good after the section. */
levin_code tree_find_frame(const tree *t, const uint8_t *key, size_t key_bytes, page_frame **leaf, page_value *value,
                           levin_error *error);
/*
 * As tree_find() for each of up to TREE_MANY keys, with their cache misses side by side: codes[i] is what tree_find()
 * would return, values[i] is filled when that is LEVIN_OK.  Returns the first error in order of the levels, or
 * LEVIN_OK.
 */
enum { TREE_MANY = 16 };
levin_code tree_find_many(const tree *t, const levin_slice *keys, size_t count, page_value *values,
                          levin_code *codes, levin_error *error);
/* Whether memory for a value of an extent or of the value log may be taken: it lies inside its file. LEVIN_CORRUPT. */
levin_code tree_value_bounds(const tree *t, const page_value *value, levin_error *error);
/* Reads and verifies a value that is held in an extent or in the value log; buffer has value->bytes. A version that has
 * the value is held. */
levin_code tree_read_extent(const tree *t, const page_value *value, uint8_t *buffer, levin_error *error);

typedef struct tree_cursor {
    tree t;
    unsigned height;                    /* 0: invalid */
    unsigned cells;                     /* of the leaf */
    const uint8_t *leaf;                /* frame[height - 1]->page */
    const uint8_t *cell;                /* of the pair, in it */
    uint8_t *key;                       /* whole key at the cursor; capacity a quarter page */
    size_t key_bytes;
    size_t prefix_bytes;                /* of the leaf, already in key[] */
    unsigned slot[PAGE_HEIGHT_MAX];     /* [height - 1] is the slot in the leaf */
    page_frame *frame[PAGE_HEIGHT_MAX]; /* pinned, [0] is the root */
} tree_cursor;
/* Allocates the key buffer. LEVIN_NO_MEMORY. */
levin_code tree_cursor_open(tree_cursor *c, const tree *t, levin_error *error);
void tree_cursor_close(tree_cursor *c);
/* The same with a key buffer of the caller's, of tree_cursor_key_bytes(); tree_cursor_end() ends its use. */
void tree_cursor_init(tree_cursor *c, const tree *t, uint8_t *key);
/* Invalid afterwards, with nothing pinned. */
void tree_cursor_end(tree_cursor *c);
/*
 * The moves: LEVIN_OK and on a key; LEVIN_NOT_FOUND past an end (invalid then); or an error (invalid).
 * next and prev only from a valid cursor.
 */
levin_code tree_cursor_first(tree_cursor *c, levin_error *error);
levin_code tree_cursor_last(tree_cursor *c, levin_error *error);
levin_code tree_cursor_seek(tree_cursor *c, const uint8_t *key, size_t key_bytes, levin_error *error);
levin_code tree_cursor_seek_for_prev(tree_cursor *c, const uint8_t *key, size_t key_bytes, levin_error *error);
static inline levin_code tree_cursor_next(tree_cursor *c, levin_error *error);
static inline levin_code tree_cursor_prev(tree_cursor *c, levin_error *error);
static inline bool tree_cursor_valid(const tree_cursor *c)
{
    return c->height != 0;
}
/* Good until the next move. c->key and c->key_bytes are the key. */
static inline page_value tree_cursor_value(const tree_cursor *c)
{
    return leaf_cell_value(c->cell, c->key_bytes - c->prefix_bytes);
}
/* The value alone, when it stands in the leaf: what a scan asks for. */
static inline bool tree_cursor_inline_value(const tree_cursor *c, levin_slice *value)
{
    uint32_t word = load_u32(c->cell);
    *value = (levin_slice){c->cell + LEAF_CELL_KEY + (c->key_bytes - c->prefix_bytes), word};
    return word <= VALUE_BYTES_MASK; /* the kind above it is VALUE_INLINE */
}
/*
 * Asks for the cells that a walk comes to some twelve small pairs later: page_draft.c lays cells downwards in the order
 * of keys.  The processor's own prefetching does not cross pages of 4 KiB.
 */
enum { TREE_CURSOR_AHEAD_BYTES = 1536 };
static inline void tree_cursor_prefetch_cells(const tree_cursor *c, bool after)
{
    const uintptr_t at = (uintptr_t)c->cell, bytes = TREE_CURSOR_AHEAD_BYTES, far = after ? -bytes : bytes;
    __builtin_prefetch((const void *)(at + far)); /* no pointer arithmetic: it may be outside the page */
    __builtin_prefetch((const void *)(at + far + (after ? -(uintptr_t)64 : 64)));
}
/* Asks for the leaf after (before) this one, when it has the same parent and is in the cache. */
void tree_cursor_prefetch_leaf(const tree_cursor *c, bool after);

/* The rare part of the moves: to the leaf beside. */
levin_code tree_cursor_next_leaf(tree_cursor *c, levin_error *error);
levin_code tree_cursor_prev_leaf(tree_cursor *c, levin_error *error);

/* Puts the cursor on a slot of its leaf. The key buffer has TREE_KEY_SLACK bytes to spare. */
enum { TREE_KEY_SLACK = 16 };
static inline size_t tree_cursor_key_bytes(uint32_t page_bytes)
{
    return LEVIN_KEY_MAX_BYTES(page_bytes) + TREE_KEY_SLACK;
}
static inline void tree_cursor_set_slot(tree_cursor *c, unsigned i)
{
    const uint8_t *slot = page_slot(c->leaf, i), *cell = c->leaf + load_u16(slot + SLOT_OFFSET);
    const uint8_t *suffix = cell + LEAF_CELL_KEY;
    size_t bytes = load_u16(slot + SLOT_KEY_BYTES);
    c->slot[c->height - 1] = i;
    c->cell = cell;
    c->key_bytes = c->prefix_bytes + bytes;
    /* a copy of fixed size is two moves instead of a call */
    if (bytes <= TREE_KEY_SLACK && suffix + TREE_KEY_SLACK <= c->leaf + c->t.page_bytes)
        memcpy(c->key + c->prefix_bytes, suffix, TREE_KEY_SLACK);
    else
        memcpy(c->key + c->prefix_bytes, suffix, bytes);
}
static inline levin_code tree_cursor_next(tree_cursor *c, levin_error *error)
{
    unsigned i = c->slot[c->height - 1] + 1;
    if (i >= c->cells)
        return tree_cursor_next_leaf(c, error);
    tree_cursor_set_slot(c, i);
    return LEVIN_OK;
}
static inline levin_code tree_cursor_prev(tree_cursor *c, levin_error *error)
{
    unsigned i = c->slot[c->height - 1];
    if (i == 0)
        return tree_cursor_prev_leaf(c, error);
    tree_cursor_set_slot(c, i - 1);
    return LEVIN_OK;
}

/*
 * Walks the whole tree: every page and every extent verified, levels, key order across pages, separators, each page
 * reached once (marked in `used`, one bit a page, page_count bits, given zeroed).  Every fault goes to report; the
 * walk goes on around damaged pages.  Adds to *result.
 */
levin_code tree_check(const tree *t, uint8_t *used, levin_check_report report, void *context,
                      levin_check_result *result, levin_error *error);

#endif
