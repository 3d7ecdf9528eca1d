/*
 * merge_build.h - the new tree of a merge, from the leaves up: a builder for each level, and the output of pages.
 *
 * Cells, or whole subtrees of the old tree, come in key order.  Each level keeps two pages in memory: the open one,
 * which is being filled, and the last finished one, so that the two can still share their cells evenly.  A page that
 * leaves becomes an entry of the level above.  Pages get their numbers in the order in which they leave, and are
 * written in runs of contiguous pages.
 *
 * How full pages get:
 *  - New keys past the end of the old tree (ascending loads): full.  Nothing will come between them.
 *  - A page that overflows in the midst of old keys is cut at 90 %, so that the next few insertions do not split it
 *    again.
 *  - At the end of each old page the new one is cut too, if it is at least three quarters full.  So an old page whose
 *    size does not change (overwrites) stays one page, also a full one: without this, overwriting a run of full pages
 *    would cut each at 90 % and leave a half-filled page at the end of each run.
 *  - Before a shared subtree the last two pages even out, when the open one is under a quarter, or under a half after
 *    an overflow.  When there is one only and it is under a quarter, build_settle() refuses, and the caller takes the
 *    subtree's first page in.
 *  - At the right edge of the tree the open page may stay under-filled when it has no page before it to share with,
 *    or was filled by appends: the next append finds it there.
 */
#ifndef LEVIN_MERGE_BUILD_H
#define LEVIN_MERGE_BUILD_H

#include "page_draft.h"
#include "space.h"
#include "tree.h"

enum {
    BUILD_RUN_BYTES = 1 << 20, /* the longest run, where memory allows it */
    BUILD_RUN_PAGES_MAX = BUILD_RUN_BYTES / LEVIN_PAGE_MIN_BYTES,
    /* wanted for the first run; doubles up to the longest, so that small merges take little */
    BUILD_RUN_PAGES_FIRST = 8
};

typedef struct build_level {
    page_draft last;       /* finished, not yet numbered */
    page_draft open;
    bool last_overflowed;  /* why it was finished */
    uint64_t cells;        /* added to this level */
    uint8_t *bound;        /* the separator of the page that is leaving; key_max bytes */
} build_level;

typedef struct build_page {
    uint8_t *page;
    uint64_t checksum;
} build_page;

typedef struct tree_build {
    const levin_io *io;
    page_cache *cache;
    space *space;
    uint64_t identity, generation;
    uint32_t page_bytes;
    bool appending;        /* set by the caller: what it adds now lies past all keys of the old tree */
    split_key lower;       /* set by the caller: above all keys before, and not above any that it adds now */

    unsigned levels;       /* with buffers */
    build_level level[PAGE_HEIGHT_MAX];
    /* Separators of leaves: of the first one since a subtree was shared, and what the following ones have to exceed. */
    uint8_t *first_bound, *edge;
    size_t first_bound_bytes, edge_bytes;
    bool edge_known;

    uint8_t *spare;        /* for page_draft */
    uint8_t *idle;         /* page buffers to use again, linked through their first bytes */

    extent left;           /* pages taken and not yet numbered */
    uint64_t wanted, run_pages; /* of the next run; of the longest */
    uint64_t run_first;    /* number of run[0] */
    unsigned run_count;
    build_page run[BUILD_RUN_PAGES_MAX];
    extent_list taken;     /* all pages taken from space */

    uint64_t leaf_pages, branch_pages, overflow_pages, pages_written;
} tree_build;

/*
 * memory_bytes: about what it may hold of pages not yet written, BUILD_RUN_PAGES_FIRST pages at least.  After a failure
 * of build_init() or of any other function here, build_fini() is the only call allowed.
 */
levin_code build_init(tree_build *b, const levin_io *io, page_cache *cache, space *pages, uint64_t identity,
                      uint32_t page_bytes, uint64_t generation, uint64_t memory_bytes, levin_error *error);
/* Frees all memory. keep: the pages written belong to a tree now; otherwise the cache forgets them. */
void build_fini(tree_build *b, bool keep);

/* One record. An inline value; or one that stands in an extent. */
levin_code build_add(tree_build *b, split_key key, const page_payload *payload, levin_error *error);
/* Cells [from, to) of an old leaf. */
levin_code build_copy(tree_build *b, const uint8_t *leaf, unsigned from, unsigned to, levin_error *error);
/* A value that gets an extent of its own, written at once; *payload and `pointer` are filled for build_add(). */
levin_code build_extent(tree_build *b, const uint8_t *value, size_t bytes, uint8_t pointer[EXTENT_POINTER_BYTES],
                        page_payload *payload, levin_error *error);
/* The value in an old extent, verified, into a new one; otherwise as build_extent(). */
levin_code build_move_extent(tree_build *b, const page_value *value, uint8_t pointer[EXTENT_POINTER_BYTES],
                             page_payload *payload, levin_error *error);
/* The end of an old page of that level. */
levin_code build_boundary(tree_build *b, unsigned level, levin_error *error);
/*
 * Ends all pages of the levels 0 .. level, so that a shared subtree of that level may follow.  *settled is false when
 * a page is under-filled and has none before it to share with: the caller then descends into the subtree instead.
 */
levin_code build_settle(tree_build *b, unsigned level, bool *settled, levin_error *error);
/* A subtree of the old tree whose root is of that level; the levels up to it are settled. key: the lower bound of
 * its keys. */
levin_code build_share(tree_build *b, unsigned level, split_key key, page_ref ref, levin_error *error);
/* Ends all levels, writes what is left and gives unused pages back. root.number and height are 0 when the tree is
 * empty. */
levin_code build_finish(tree_build *b, page_ref *root, uint32_t *height, levin_error *error);

#endif
