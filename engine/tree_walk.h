/*
 * tree_walk.h - every page of a page tree in key order, read from a file and verified, for backup and repair.
 *
 * The file need not belong to an open store, and may be damaged in any way: a page counts only when it has the
 * checksum that its parent, or the meta page, gives, when it is well-formed, reached for the first time, and its keys
 * lie between the separators above it.
 */
#ifndef LEVIN_TREE_WALK_H
#define LEVIN_TREE_WALK_H

#include "page_draft.h"
#include "tree.h"

typedef struct tree_walk {
    file *pages;
    const tree *t;        /* its cache is not used */
    uint64_t file_pages;  /* pages that the file has, and bits in `used`; t->page_count may claim more */
    unsigned lowest;      /* pages of lower levels are not read, nor is anything below them: 0 or 1 */
    void *context;
    /* A page, parents before children. Another code than LEVIN_OK ends the walk and is returned. */
    levin_code (*page)(void *context, page_ref ref, unsigned level, const uint8_t *page, levin_error *error);
    /*
     * A damaged page: what lies below it, the keys in [lower, upper), or all from lower on when not bounded, cannot be
     * reached.  NULL: damage ends the walk.
     */
    levin_code (*damaged)(void *context, const levin_error *fault, split_key lower, split_key upper, bool bounded,
                          levin_error *error);
} tree_walk;

/*
 * used: a bit for each page of the file, given zeroed or with those that other trees use.  LEVIN_CORRUPT only when
 * damaged is NULL, or for a height that cannot be.
 */
levin_code tree_walk_run(const tree_walk *w, uint8_t *used, levin_error *error);

#endif
