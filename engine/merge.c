/*
 * merge.c - the walk over the old tree and the operations, side by side (merge.h).
 *
 * The walk keeps the path of old branch pages on a stack.  The children before the one that the next operation falls
 * into are shared; that one is descended.  A leaf takes all operations below its upper bound.  When the operations
 * have gone past a branch, its remaining children are shared and it is left.  What comes out goes to the builders
 * (merge_build.h).
 *
 * Deleted ranges are a third stream: a child into which the next one reaches is descended like one into which an
 * operation falls, and cells in a range are dropped instead of copied.  Operations are newer than all ranges.
 *
 * Invariants
 *   - Frames on the stack, and the leaf's, are pinned; bounds of keys point into them.
 *   - Every old page that was descended, and every extent of a value overwritten or deleted, is in result.freed; all
 *     other old pages are reached from the new tree.
 *   - A leaf in which nothing changes is shared, unless an under-filled page takes it in, or it is to be rewritten.
 * Concurrency: one thread at a time; a step pins what it has to keep.
 * Crash safety: the old tree is only read.  New pages are not reachable before the caller publishes them.
 */
#include "merge.h"

#include <assert.h>

#include "merge_build.h"

enum {
    MERGE_STEP_OPERATIONS = 512, /* of one leaf, so that a step is bounded also in an empty tree */
    MERGE_AHEAD = 16             /* operations fetched ahead of their use: they lie anywhere in memory */
};

typedef struct walk_branch {
    page_frame *frame;
    unsigned next, cells;
    split_key lower, upper;
    bool bounded;                /* there is an upper bound */
} walk_branch;

typedef enum walk_state {
    WALK_START,
    WALK_BRANCH,                 /* at the top of the stack */
    WALK_PROBE,                  /* in a leaf in which nothing has changed yet */
    WALK_LEAF,                   /* in a leaf that is being rewritten */
    WALK_END,
    WALK_DONE
} walk_state;

struct merge {
    merge_options o;
    tree_build build;
    walk_state state;

    mem_cursor cursor;
    const uint8_t *ahead[MERGE_AHEAD];
    unsigned ahead_at, ahead_count;
    uint64_t operations_done;
    const uint8_t *feed;         /* o.fed: the operations behind those ahead */
    size_t feed_left;
    bool feed_ended;

    mem_cursor ranges;
    const uint8_t *range;        /* the next deleted range that has not been passed, or NULL */
    bool range_in_leaf;          /* it begins before the end of the leaf */

    walk_branch stack[PAGE_HEIGHT_MAX];
    unsigned depth;

    page_frame *leaf;            /* NULL when the old tree is empty */
    page_ref leaf_ref;
    unsigned slot, cells;        /* cells before slot are done */
    split_key leaf_lower;
    uint8_t *upper;              /* of the leaf, whole: compared with every operation; a quarter page */
    size_t upper_bytes;
    bool bounded;

    bool rewriting;              /* o.rewrite is at work and has not come to its end */
    uint64_t rewrite_left;       /* pages that it may still write or look through */

    bool finished;
    merge_result result;
};

/* ---- the operations ---- */

/* Not inline, nor asked for first: the merge of a memtable is to pay nothing for it. */
static __attribute__((noinline)) void operation_fetch_fed(merge *m)
{
    if (!m->feed_left)
        return;
    m->ahead[(m->ahead_at + m->ahead_count++) % MERGE_AHEAD] = m->feed;
    m->feed += record_bytes(m->feed);
    m->feed_left--;
}

static void operation_fetch(merge *m)
{
    if (!mem_cursor_valid(&m->cursor)) {
        operation_fetch_fed(m);
        return;
    }
    const uint8_t *record = mem_cursor_record(&m->cursor);
    __builtin_prefetch(record);
    __builtin_prefetch(record + 64);
    __builtin_prefetch(record + 128);
    m->ahead[(m->ahead_at + m->ahead_count++) % MERGE_AHEAD] = record;
    mem_cursor_next(&m->cursor);
}

/* The next operation, or NULL. */
static inline const uint8_t *operation(const merge *m)
{
    return m->ahead_count ? m->ahead[m->ahead_at] : NULL;
}

static inline void operation_done(merge *m)
{
    m->ahead_at = (m->ahead_at + 1) % MERGE_AHEAD;
    m->ahead_count--;
    m->operations_done++;
    operation_fetch(m);
}

bool merge_hungry(const merge *m)
{
    return m->o.fed && !m->feed_ended && !m->ahead_count;
}

void merge_feed(merge *m, const uint8_t *records, size_t count)
{
    assert(merge_hungry(m));
    m->feed = records;
    m->feed_left = count;
    for (unsigned i = 0; i < MERGE_AHEAD; i++)
        operation_fetch(m);
}

void merge_feed_end(merge *m)
{
    m->feed_ended = true;
}

static inline bool operation_in_leaf(const merge *m, const uint8_t *record)
{
    return record && (!m->bounded || key_compare(record_key(record), record_key_bytes(record), m->upper,
                                                 m->upper_bytes) < 0);
}

/* ---- the deleted ranges ---- */

static void range_reaches_leaf(merge *m)
{
    m->range_in_leaf = m->range && (!m->bounded || key_compare(record_key(m->range), record_key_bytes(m->range),
                                                               m->upper, m->upper_bytes) < 0);
}

static void range_next(merge *m)
{
    m->range = mem_cursor_next(&m->ranges) ? mem_cursor_record(&m->ranges) : NULL;
}

/* Passes the ranges that end at or before the key. */
static void ranges_pass(merge *m, split_key key)
{
    while (m->range && record_value_bytes(m->range) &&
           split_key_compare(record_value(m->range), record_value_bytes(m->range), key) <= 0)
        range_next(m);
}

/* The cells of the leaf that the range covers: [*from, *to). */
static void range_cells(const merge *m, unsigned *from, unsigned *to)
{
    bool equal;
    const uint8_t *page = m->leaf->page;
    const uint32_t page_bytes = m->o.old.page_bytes;
    *from = page_lower_bound(page, page_bytes, record_key(m->range), record_key_bytes(m->range), &equal);
    *to = record_value_bytes(m->range) ? page_lower_bound(page, page_bytes, record_value(m->range),
                                                          record_value_bytes(m->range), &equal)
                                       : m->cells;
}

/* ---- the old tree ---- */

/* The page, pinned. */
static levin_code page_hold(const tree *t, page_ref ref, unsigned level, page_frame **frame, levin_error *error)
{
    reclaim_read_lock();
    levin_code code = tree_page(t, ref, level, frame, error);
    if (!code)
        page_frame_pin(*frame);
    reclaim_read_unlock();
    return code;
}

static levin_code old_free(merge *m, uint64_t first, uint64_t pages, levin_error *error)
{
    return extent_list_add(&m->result.freed, m->o.io, first, pages, error);
}

/*
 * Whether all keys of a page lie in [lower, upper).  page_verify() has seen that they ascend, but nothing of the
 * pages around; the builders rely on the order of all.  m->upper serves as scratch: no leaf is open.
 */
static bool page_inside(merge *m, const uint8_t *page, split_key lower, split_key upper, bool bounded)
{
    const uint32_t page_bytes = m->o.old.page_bytes;
    size_t bytes = split_key_copy(m->upper, lower);
    if (split_key_compare(m->upper, bytes, page_split_key(page, page_bytes, 0)) > 0)
        return false;
    if (!bounded)
        return true;
    bytes = split_key_copy(m->upper, upper);
    return split_key_compare(m->upper, bytes, page_split_key(page, page_bytes, page_cells(page) - 1)) > 0;
}

/* Into the page at ref, whose keys are in [lower, upper). */
static levin_code walk_enter(merge *m, page_ref ref, unsigned level, split_key lower, split_key upper, bool bounded,
                             levin_error *error)
{
    page_frame *frame;
    levin_code code = page_hold(&m->o.old, ref, level, &frame, error);
    if (code)
        return code;
    if (!page_inside(m, frame->page, lower, upper, bounded)) {
        page_frame_unpin(frame);
        return error_corrupt(error, PAGE_FILE_NAME, ref.number * m->o.old.page_bytes, 0, ref.number,
                             "page %llu has keys outside the bounds that its parent gives",
                             (unsigned long long)ref.number);
    }
    if (level) {
        m->stack[m->depth++] = (walk_branch){frame, 0, page_cells(frame->page), lower, upper, bounded};
        m->state = WALK_BRANCH;
        m->result.branch_pages--;
        return old_free(m, ref.number, 1, error);
    }
    m->leaf = frame;
    m->leaf_ref = ref;
    m->slot = 0;
    m->cells = page_cells(frame->page);
    m->leaf_lower = lower;
    m->bounded = bounded;
    if (bounded)
        m->upper_bytes = split_key_copy(m->upper, upper);
    range_reaches_leaf(m);
    m->state = WALK_PROBE;
    return LEVIN_OK;
}

static void walk_leave_leaf(merge *m)
{
    if (m->leaf)
        page_frame_unpin(m->leaf);
    m->leaf = NULL;
    m->state = m->depth ? WALK_BRANCH : WALK_END;
}

static levin_code walk_start(merge *m, levin_error *error)
{
    const tree *old = &m->o.old;
    const split_key lowest = split_key_whole((const uint8_t *)"", 0);
    if (!operation(m) && (!m->range || !old->height) && !m->rewriting) { /* nothing to do: the tree as it is */
        m->result.root.root = old->root;
        m->result.root.height = old->height;
        m->state = WALK_DONE;
        return LEVIN_OK;
    }
    levin_code code = tree_height_check(old, error);
    if (code)
        return code;
    if (old->height)
        return walk_enter(m, old->root, old->height - 1, lowest, lowest, false, error);
    m->leaf_lower = lowest;
    m->state = WALK_LEAF;
    return LEVIN_OK;
}

/* The lower bound of child i. */
static split_key child_lower(const merge *m, const walk_branch *w, unsigned i)
{
    return i ? page_split_key(w->frame->page, m->o.old.page_bytes, i) : w->lower;
}

static levin_code walk_descend(merge *m, walk_branch *w, levin_error *error)
{
    unsigned i = w->next++, level = page_level(w->frame->page) - 1;
    bool last = i + 1 == w->cells;
    split_key upper = last ? w->upper : page_split_key(w->frame->page, m->o.old.page_bytes, i + 1);
    return walk_enter(m, branch_child(w->frame->page, i), level, child_lower(m, w, i), upper, !last || w->bounded,
                      error);
}

/* Shares the children up to `end`, or as many as come before one that an under-filled page has to take in:
 * descends there. */
static levin_code walk_share(merge *m, walk_branch *w, unsigned end, levin_error *error)
{
    unsigned level = page_level(w->frame->page) - 1;
    levin_code code = LEVIN_OK;
    bool settled;
    if (w->next == end)
        return LEVIN_OK;
    code = build_settle(&m->build, level, &settled, error);
    if (code)
        return code;
    if (!settled)
        return walk_descend(m, w, error);
    for (; w->next < end && !code; w->next++)
        code = build_share(&m->build, level, child_lower(m, w, w->next), branch_child(w->frame->page, w->next), error);
    return code;
}

/* ---- what is to be rewritten ---- */

static bool rewrite_covers(const merge *m, uint64_t first, uint64_t pages)
{
    const merge_rewrite *r = &m->o.rewrite;
    return first < r->end_page && first + pages > r->first_page;
}

/* The rewrite goes on at this key in another merge. */
static void rewrite_stop(merge *m, split_key next)
{
    m->rewriting = false;
    m->result.next_bytes = split_key_copy(m->o.next, next);
}

/*
 * Whether a page below the branch w has to be entered: one of the pages looked for, or a page that may lead to one.
 * The pages right above the leaves are looked into first, for to enter a page is to write it again.
 */
static levin_code rewrite_wants(merge *m, page_ref ref, unsigned level, bool *wants, levin_error *error)
{
    *wants = rewrite_covers(m, ref.number, 1) || level > 1 || m->o.old_overflow_pages;
    if (*wants || level == 0)
        return LEVIN_OK;
    page_frame *frame;
    levin_code code = page_hold(&m->o.old, ref, level, &frame, error);
    if (code)
        return code;
    for (unsigned i = 0; i < page_cells(frame->page) && !*wants; i++)
        *wants = rewrite_covers(m, branch_child(frame->page, i).number, 1);
    page_frame_unpin(frame);
    m->rewrite_left -= m->rewrite_left > 0;
    return LEVIN_OK;
}

/* The first child of w to be entered, `cells` when there is none. */
static levin_code rewrite_next_child(merge *m, const walk_branch *w, unsigned *next, levin_error *error)
{
    const merge_rewrite *r = &m->o.rewrite;
    const uint8_t *page = w->frame->page;
    bool wants = false;
    unsigned i = w->next;
    for (; i < w->cells && m->rewriting; i++) {
        bool last = i + 1 == w->cells;
        split_key upper = last ? w->upper : page_split_key(page, m->o.old.page_bytes, i + 1);
        if ((!last || w->bounded) && split_key_compare(r->from.data, r->from.size, upper) >= 0)
            continue;
        if (m->rewrite_left == 0 && i) {
            rewrite_stop(m, page_split_key(page, m->o.old.page_bytes, i));
            break;
        }
        levin_code code = rewrite_wants(m, branch_child(page, i), page_level(page) - 1, &wants, error);
        if (code)
            return code;
        if (wants) {
            *next = i;
            return LEVIN_OK;
        }
    }
    *next = w->cells;
    return LEVIN_OK;
}

/* Whether the leaf that was entered is to be written anew. */
static bool rewrite_wants_leaf(const merge *m)
{
    const merge_rewrite *r = &m->o.rewrite;
    if (!m->rewriting ||
        (m->bounded && key_compare(r->from.data, r->from.size, m->upper, m->upper_bytes) >= 0))
        return false;
    if (rewrite_covers(m, m->leaf_ref.number, 1))
        return true;
    for (unsigned i = 0; i < m->cells && m->o.old_overflow_pages; i++) {
        page_value value = leaf_value(m->leaf->page, i);
        if (value.kind == VALUE_EXTENT &&
            rewrite_covers(m, value.first_page, extent_pages(value.bytes, m->o.old.page_bytes)))
            return true;
    }
    return false;
}

/* So many pages were rewritten. */
static void rewrite_spend(merge *m, uint64_t pages)
{
    m->result.rewritten += pages;
    m->rewrite_left -= m->rewrite_left < pages ? m->rewrite_left : pages;
}

/* The first child from w->next on into which a range reaches, or w->cells. */
static unsigned range_child(merge *m, const walk_branch *w)
{
    ranges_pass(m, child_lower(m, w, w->next));
    if (!m->range || (w->bounded && split_key_compare(record_key(m->range), record_key_bytes(m->range), w->upper) >= 0))
        return w->cells;
    unsigned child = branch_child_for(w->frame->page, m->o.old.page_bytes, record_key(m->range),
                                      record_key_bytes(m->range));
    return child < w->next ? w->next : child; /* it began before */
}

static levin_code walk_branch_step(merge *m, levin_error *error)
{
    walk_branch *w = &m->stack[m->depth - 1];
    const uint8_t *page = w->frame->page, *record = operation(m);
    unsigned end = w->cells, level = page_level(page);
    if (m->rewriting) {
        levin_code found = rewrite_next_child(m, w, &end, error);
        if (found)
            return found;
    }
    if (m->range && w->next < end)
        end = range_child(m, w);
    if (record) {
        const uint8_t *key = record_key(record);
        size_t key_bytes = record_key_bytes(record);
        if (!w->bounded || split_key_compare(key, key_bytes, w->upper) < 0) {
            unsigned child = branch_child_for(page, m->o.old.page_bytes, key, key_bytes);
            end = child < end ? child : end;
        }
        if (end < w->next) /* only in a tree whose separators contradict one another; walk_end() reports it */
            end = w->cells;
    }
    levin_code code = walk_share(m, w, end, error);
    if (code || m->state != WALK_BRANCH || w != &m->stack[m->depth - 1])
        return code;
    if (end < w->cells)
        return walk_descend(m, w, error);
    bool bounded = w->bounded, settled;
    page_frame_unpin(w->frame);
    m->depth--;
    m->state = m->depth ? WALK_BRANCH : WALK_END;
    if (!bounded)
        return LEVIN_OK;
    code = build_settle(&m->build, level - 1, &settled, error); /* so that the entries of its last pages are there */
    return code || m->o.rewrite.pack ? code : build_boundary(&m->build, level, error);
}

/* ---- leaves ---- */

/* From now on the leaf is being rewritten: its page will not be used. */
static levin_code leaf_replace(merge *m, levin_error *error)
{
    m->state = WALK_LEAF;
    m->result.leaf_pages--;
    return old_free(m, m->leaf_ref.number, 1, error);
}

/* Drops deletes, and ranges, of keys that are not there. When nothing changes the leaf, it is shared. */
static levin_code leaf_probe(merge *m, levin_error *error)
{
    const uint8_t *record;
    for (unsigned n = 0; m->range_in_leaf; n++) {
        unsigned from, to;
        range_cells(m, &from, &to);
        if (from < to)
            return leaf_replace(m, error);
        if (n == MERGE_STEP_OPERATIONS)
            return LEVIN_OK;
        if (from == m->cells) /* it may go on behind the leaf */
            break;
        range_next(m);
        range_reaches_leaf(m);
    }
    for (unsigned n = 0; operation_in_leaf(m, record = operation(m)); n++) {
        if (n == MERGE_STEP_OPERATIONS)
            return LEVIN_OK;
        bool present = record_puts(record);
        if (!present)
            page_lower_bound(m->leaf->page, m->o.old.page_bytes, record_key(record), record_key_bytes(record),
                             &present);
        if (present)
            return leaf_replace(m, error);
        operation_done(m);
    }
    if (merge_hungry(m)) /* what comes may fall into this leaf */
        return LEVIN_OK;
    if (rewrite_wants_leaf(m)) {
        rewrite_spend(m, 1);
        return leaf_replace(m, error);
    }
    bool settled;
    levin_code code = build_settle(&m->build, 0, &settled, error);
    if (code)
        return code;
    if (!settled)
        return leaf_replace(m, error);
    code = build_share(&m->build, 0, m->leaf_lower, m->leaf_ref, error);
    walk_leave_leaf(m);
    return code;
}

/* The old cell of a key that is overwritten or deleted goes. */
static levin_code leaf_drop_cell(merge *m, unsigned i, levin_error *error)
{
    page_value value = leaf_value(m->leaf->page, i);
    m->result.keys--;
    if (value.kind == VALUE_LOG) {
        const vlog_pointer p = page_value_pointer(&value);
        return vlog_changes_add(&m->result.values, m->o.io, &p, false, error);
    }
    if (value.kind != VALUE_EXTENT)
        return LEVIN_OK;
    uint64_t pages = extent_pages(value.bytes, m->o.old.page_bytes);
    m->result.overflow_pages -= pages;
    return old_free(m, value.first_page, pages, error);
}

/* The old cells from m->slot to `to`: those in deleted ranges go, the others are copied. */
static levin_code leaf_pass_cells(merge *m, unsigned to, levin_error *error)
{
    levin_code code = LEVIN_OK;
    while (m->slot < to && !code) {
        unsigned from = to, until = to;
        if (m->range_in_leaf) {
            range_cells(m, &from, &until);
            if (until <= m->slot) {
                range_next(m);
                range_reaches_leaf(m);
                continue;
            }
            from = from < to ? from : to;
            until = until < to ? until : to;
        }
        if (from > m->slot) {
            m->build.appending = false;
            code = build_copy(&m->build, m->leaf->page, m->slot, from, error);
            m->slot = from;
        }
        for (; m->slot < until && !code; m->slot++)
            code = leaf_drop_cell(m, m->slot, error);
    }
    return code;
}

static levin_code leaf_put(merge *m, const uint8_t *record, bool *large, levin_error *error)
{
    size_t bytes = record_value_bytes(record);
    const uint8_t *value = record_value(record);
    uint8_t pointer[EXTENT_POINTER_BYTES];
    page_payload payload = payload_value(VALUE_INLINE, bytes, value, bytes);
    *large = bytes > page_inline_value_max(m->o.old.page_bytes);
    if (record_kind(record) == RECORD_PUT_LOGGED) {
        const vlog_pointer p = vlog_pointer_load(value);
        payload = payload_value(VALUE_LOG, p.value_bytes, value, bytes);
        *large = false;
        levin_code code = vlog_changes_add(&m->result.values, m->o.io, &p, true, error);
        if (code)
            return code;
    }
    if (*large) {
        levin_code code = build_extent(&m->build, value, bytes, pointer, &payload, error);
        if (code)
            return code;
    }
    m->result.keys++;
    m->build.appending = !m->bounded && m->slot == m->cells;
    return build_add(&m->build, split_key_whole(record_key(record), record_key_bytes(record)), &payload, error);
}

/* One operation, and the old cells before it. */
static levin_code leaf_apply(merge *m, const uint8_t *record, bool *large, levin_error *error)
{
    *large = false;
    if (m->slot < m->cells) {
        bool equal;
        unsigned at = page_lower_bound(m->leaf->page, m->o.old.page_bytes, record_key(record), record_key_bytes(record),
                                       &equal);
        levin_code code = leaf_pass_cells(m, at, error);
        if (!code && equal) {
            code = leaf_drop_cell(m, at, error);
            m->slot = at + 1;
        }
        if (code)
            return code;
    }
    return record_puts(record) ? leaf_put(m, record, large, error) : LEVIN_OK;
}

/* An extent that is to be rewritten goes to a new place, with its key. */
static levin_code leaf_move_extent(merge *m, const page_value *value, levin_error *error)
{
    uint8_t pointer[EXTENT_POINTER_BYTES];
    page_payload payload;
    uint64_t pages = extent_pages(value->bytes, m->o.old.page_bytes);
    levin_code code = build_move_extent(&m->build, value, pointer, &payload, error);
    if (!code)
        code = build_add(&m->build, page_split_key(m->leaf->page, m->o.old.page_bytes, m->slot), &payload, error);
    if (code)
        return code;
    m->slot++;
    m->result.overflow_pages -= pages;
    rewrite_spend(m, pages);
    return old_free(m, value->first_page, pages, error);
}

/* The old cells that are left, up to and with the next extent to be moved: *moved tells whether there was one. */
static levin_code leaf_copy_rest(merge *m, bool *moved, levin_error *error)
{
    unsigned end = m->slot;
    page_value value = {.kind = VALUE_INLINE};
    *moved = false;
    for (; end < m->cells && !*moved; end += !*moved) {
        if (!m->rewriting || !m->o.old_overflow_pages) {
            end = m->cells;
            break;
        }
        value = leaf_value(m->leaf->page, end);
        *moved = value.kind == VALUE_EXTENT &&
                 rewrite_covers(m, value.first_page, extent_pages(value.bytes, m->o.old.page_bytes));
    }
    levin_code code = build_copy(&m->build, m->leaf->page, m->slot, end, error);
    m->slot = end;
    return code || !*moved ? code : leaf_move_extent(m, &value, error);
}

static levin_code leaf_merge(merge *m, levin_error *error)
{
    const uint8_t *record;
    bool large;
    levin_code code;
    m->build.lower = m->leaf_lower;
    for (unsigned n = 0; operation_in_leaf(m, record = operation(m)); n++) {
        if (n == MERGE_STEP_OPERATIONS)
            return LEVIN_OK;
        code = leaf_apply(m, record, &large, error);
        if (code)
            return code;
        operation_done(m);
        if (large)
            return LEVIN_OK;
    }
    if (merge_hungry(m))
        return LEVIN_OK;
    code = m->range_in_leaf ? leaf_pass_cells(m, m->cells, error) : LEVIN_OK;
    if (!code && m->slot < m->cells) {
        m->build.appending = m->o.rewrite.pack;
        code = leaf_copy_rest(m, &large, error);
        if (large)
            return code;
    }
    if (code)
        return code;
    bool bounded = m->bounded;
    if (m->rewriting && m->rewrite_left == 0 && bounded)
        rewrite_stop(m, split_key_whole(m->upper, m->upper_bytes));
    walk_leave_leaf(m);
    return bounded && !m->o.rewrite.pack ? build_boundary(&m->build, 0, error) : LEVIN_OK;
}

/* ---- the end ---- */

/* A page that was at the top and is not in the new tree after all. */
static levin_code root_drop(merge *m, const tree *root, bool is_new, levin_error *error)
{
    if (!is_new) {
        m->result.branch_pages--;
        return old_free(m, root->root.number, 1, error);
    }
    m->build.branch_pages--;
    page_cache_forget(m->o.cache, root->root.number, 1);
    return space_give(m->o.space, (extent){root->root.number, 1}, error);
}

/* The builder drops a root with one child when it still has it. A page shared or written earlier may be one, too. */
static levin_code root_collapse(merge *m, levin_error *error)
{
    tree *root = &m->result.root;
    root->page_count = space_page_count(m->o.space);
    while (root->height > 1) {
        page_frame *frame;
        levin_code code = page_hold(root, root->root, root->height - 1, &frame, error);
        if (code)
            return code;
        bool single = page_cells(frame->page) == 1, is_new = page_generation(frame->page) == root->generation;
        page_ref child = branch_child(frame->page, 0);
        page_frame_unpin(frame);
        if (!single)
            break;
        code = root_drop(m, root, is_new, error);
        if (code)
            return code;
        root->root = child;
        root->height--;
    }
    return LEVIN_OK;
}

static levin_code walk_end(merge *m, levin_error *error)
{
    tree *root = &m->result.root;
    if (operation(m))
        return error_corrupt(error, PAGE_FILE_NAME, m->o.old.root.number * m->o.old.page_bytes, 0, 0,
                             "the separators of the tree contradict one another");
    levin_code code = build_finish(&m->build, &root->root, &root->height, error);
    return code ? code : root_collapse(m, error);
}

/* ---- the caller's side ---- */

levin_code merge_begin(const merge_options *options, merge **out, levin_error *error)
{
    const levin_io *io = options->io;
    uint32_t page_bytes = options->old.page_bytes;
    *out = NULL;
    merge *m = io_alloc(io, sizeof *m);
    if (!m)
        return error_memory(error, sizeof *m);
    memset(m, 0, sizeof *m);
    m->o = *options;
    m->rewriting = options->rewrite.end_page > options->rewrite.first_page;
    m->rewrite_left = options->rewrite.pages;
    assert(!m->rewriting || (!options->changes.keys && !options->changes.mask && options->next));
    m->result.root = options->old;
    m->result.root.generation = options->generation;
    m->result.keys = options->old_keys;
    m->result.leaf_pages = options->old_leaf_pages;
    m->result.branch_pages = options->old_branch_pages;
    m->result.overflow_pages = options->old_overflow_pages;
    levin_code code = build_init(&m->build, io, options->cache, options->space, options->old.identity, page_bytes,
                                 options->generation, options->memory_bytes, error);
    m->upper = io_alloc(io, LEVIN_KEY_MAX_BYTES(page_bytes));
    if (!code && !m->upper)
        code = error_memory(error, LEVIN_KEY_MAX_BYTES(page_bytes));
    if (code) {
        merge_end(m);
        return code;
    }
    mem_cursor_init(&m->ranges, options->changes.mask);
    m->range = mem_cursor_first(&m->ranges) ? mem_cursor_record(&m->ranges) : NULL;
    mem_cursor_init(&m->cursor, options->changes.keys);
    mem_cursor_first(&m->cursor);
    for (unsigned i = 0; i < MERGE_AHEAD; i++)
        operation_fetch(m);
    m->result.values = options->values;
    *out = m;
    return LEVIN_OK;
}

static levin_code walk_step(merge *m, levin_error *error)
{
    switch (m->state) {
    case WALK_START:
        return walk_start(m, error);
    case WALK_BRANCH:
        return walk_branch_step(m, error);
    case WALK_PROBE:
        return leaf_probe(m, error);
    case WALK_LEAF:
        return leaf_merge(m, error);
    case WALK_END:
        m->state = WALK_DONE;
        return walk_end(m, error);
    case WALK_DONE:
        break;
    }
    return LEVIN_OK;
}

levin_code merge_step(merge *m, bool *done, levin_error *error)
{
    levin_code code = LEVIN_OK;
    walk_state before;
    /* the way to a leaf costs little against the leaf: they are one step */
    do {
        if (merge_hungry(m))
            break;
        before = m->state;
        code = walk_step(m, error);
    } while (!code && m->state != WALK_DONE && before != WALK_LEAF && (before != WALK_PROBE || m->state == WALK_LEAF));
    if (!code && page_cache_wants_reclaim(m->o.cache))
        page_cache_reclaim(m->o.cache);
    *done = !code && m->state == WALK_DONE;
    return code;
}

uint64_t merge_operations_done(const merge *m)
{
    return m->operations_done;
}

void merge_finish(merge *m, merge_result *result)
{
    m->result.root.page_count = space_page_count(m->o.space);
    m->result.leaf_pages += m->build.leaf_pages;
    m->result.branch_pages += m->build.branch_pages;
    m->result.overflow_pages += m->build.overflow_pages;
    m->result.pages_written = m->build.pages_written;
    *result = m->result;
    memset(&m->result.freed, 0, sizeof m->result.freed);
    memset(&m->result.values, 0, sizeof m->result.values);
    m->finished = true;
}

void merge_end(merge *m)
{
    if (!m)
        return;
    const levin_io *io = m->o.io;
    while (m->depth)
        page_frame_unpin(m->stack[--m->depth].frame);
    if (m->leaf)
        page_frame_unpin(m->leaf);
    build_fini(&m->build, m->finished);
    io_free(io, m->upper, LEVIN_KEY_MAX_BYTES(m->o.old.page_bytes));
    extent_list_fini(&m->result.freed, io);
    vlog_changes_fini(&m->result.values, io);
    io_free(io, m, sizeof *m);
}
