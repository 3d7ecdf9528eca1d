/*
 * merge.h - the functional merge of a memtable into a page tree: the work of a checkpoint.
 *
 * Reads the old tree and a sorted stream of operations, writes new pages for every path that changes, in runs of
 * contiguous pages (one write of up to 1 MiB at a time), and shares untouched subtrees.  The old tree stays whole.  A
 * node is replaced by zero or more nodes; a leaf or branch that falls under a quarter of a page shares cells with the
 * new page before it, or takes in its right neighbour; at the right edge of the tree it may stay (merge_build.h says
 * how full pages get).  Deleted ranges (the memtable's mask) take old keys out, before the operations put new ones in;
 * the leaves in a range are read, for what they refer to, and leave nothing behind.  A root with one child is dropped.
 * Values over a quarter page go to extents; a pointer into the value log stays one.
 *
 * merge_step() does a bounded piece (about one leaf of the old tree, or one large value) and can be called again and
 * again: nothing is visible until the caller publishes the result.  No sync is done here.
 */
#ifndef LEVIN_MERGE_H
#define LEVIN_MERGE_H

#include "memtable.h"
#include "space.h"
#include "tree.h"
#include "vlog.h"

typedef struct merge merge;

/*
 * Pages to be written anew though nothing changes in them, which is compaction: everything whose keys are at or above
 * `from` and that stands in pages [first_page, end_page), leaves, branches and values in extents, in key order until
 * about `pages` pages have been written or looked through.
 */
typedef struct merge_rewrite {
    levin_slice from;
    uint64_t first_page, end_page; /* no page: nothing is rewritten */
    uint64_t pages;
    bool pack;                     /* fills pages to the brim; otherwise each keeps about what it has */
} merge_rewrite;

typedef struct merge_result {
    tree root;              /* generation, page_count and root of the new tree */
    uint64_t keys, leaf_pages, branch_pages, overflow_pages; /* of the new tree */
    uint64_t pages_written;
    extent_list freed;      /* pages of the old tree that the new one does not use; the caller owns it */
    uint64_t rewritten;     /* pages of the old tree, extents included, that were rewritten for merge_rewrite */
    size_t next_bytes;      /* 0: the rewrite came to the end of the tree */
    vlog_changes values;    /* what the new tree points to in the value log, against the old one; the caller's, too */
} merge_result;

typedef struct merge_options {
    const levin_io *io;
    page_cache *cache;      /* its file is written; new pages are installed in it */
    space *space;           /* pages are taken from it; unused parts of runs are given back */
    tree old;
    uint64_t old_keys, old_leaf_pages, old_branch_pages, old_overflow_pages;
    uint64_t generation;    /* of the new tree */
    uint64_t memory_bytes;  /* for pages that are not yet written; a few pages are taken anyway */
    vlog_changes values;     /* counted by the merge of another tree; merge_begin() takes them over, if it succeeds */
    mem_roots changes;       /* of the memtable; kept alive by the caller; both NULL: none */
    bool fed;                /* the changes come by merge_feed() instead, in pieces */
    merge_rewrite rewrite;   /* not together with changes */
    uint8_t *next;           /* room for a key of a quarter page: where the rewrite has to go on */
} merge_options;

levin_code merge_begin(const merge_options *options, merge **m, levin_error *error);
/* *done: the new tree is complete and all its pages are written (not synced). On failure the merge can only be
 * ended. */
levin_code merge_step(merge *m, bool *done, levin_error *error);
/*
 * Of a merge that is fed.  When it is hungry its steps do nothing and it wants the next puts: `count` well-formed ones,
 * back to back, ascending, above all before; they stay as they are until it is hungry again.  After merge_feed_end()
 * it is never hungry.
 */
bool merge_hungry(const merge *m);
void merge_feed(merge *m, const uint8_t *records, size_t count);
void merge_feed_end(merge *m);
/* Operations merged so far. */
uint64_t merge_operations_done(const merge *m);
/* After done. Fills *result. */
void merge_finish(merge *m, merge_result *result);
/* Frees the merge; before merge_finish() pages that it took stay taken (the caller restores its clone of the space). */
void merge_end(merge *m);

#endif
