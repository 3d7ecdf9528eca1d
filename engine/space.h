/*
 * space.h - which pages of the page file are free.
 *
 * Free pages are extents (first page, pages).  space_take() hands out contiguous runs, large free extents first, then
 * the end of the file; compaction aims elsewhere (space_aim).  Pages given back with space_give() can be taken at
 * once; pages that an older checkpoint, snapshot or reader may reach are kept out of here by their owner (version.h)
 * until nobody can. One thread at a time.  All memory through the I/O table.
 */
#ifndef LEVIN_SPACE_H
#define LEVIN_SPACE_H

#include "error.h"
#include "page.h"

typedef struct extent {
    uint64_t first;
    uint64_t pages;
} extent;

/* A growing array of extents. Zeroed is empty. */
typedef struct extent_list {
    extent *items;
    size_t count, capacity;
} extent_list;
/* Joins with the last item when it touches it, on either side. */
levin_code extent_list_add(extent_list *list, const levin_io *io, uint64_t first, uint64_t pages, levin_error *error);
void extent_list_fini(extent_list *list, const levin_io *io);
/* Sorts and joins. False when extents overlapped (they are joined too): two owners of one page, damage. */
bool extent_list_normalise(extent_list *list);
/* Whether a page of e is in the list, which is ascending and disjoint. */
bool extent_list_touches(const extent_list *list, extent e);

typedef struct space space;
space *space_create(const levin_io *io, uint32_t page_bytes, uint64_t page_count);
void space_destroy(space *s);
uint64_t space_page_count(const space *s); /* high-water: all pages in use or free are below */
uint64_t space_free_pages(const space *s);
/*
 * A run of 1..wanted contiguous pages (exactly `wanted` when exact): from the start of the free extent that the aim
 * names; from the end of the file when there is none, or none that suffices and exact. LEVIN_NO_SPACE at the largest
 * possible file.
 */
levin_code space_take(space *s, uint64_t wanted, bool exact, extent *out, levin_error *error);
/* Which free extents are taken first. A clone has the aim of the original. */
enum space_aim_at {
    SPACE_LARGEST, /* long runs */
    SPACE_LOWEST,  /* the one nearest to the start of the file, so that its end becomes free */
    SPACE_HIGHEST  /* the one nearest to the end of the file, none that starts below the floor */
};
void space_aim(space *s, enum space_aim_at at, uint64_t floor);
/* Whether all of these pages are free. */
bool space_is_free(const space *s, extent e);
/* Joins with its neighbours. LEVIN_CORRUPT when pages of it are free already or not in the file; LEVIN_NO_MEMORY. */
levin_code space_give(space *s, extent e, levin_error *error);
/*
 * Free extents at the end of the file are dropped from it: returns the new page count, at or above `keep_at_least`.
 */
uint64_t space_shrink(space *s, uint64_t keep_at_least);
/* Appends the free extents, ascending. */
levin_code space_list(const space *s, extent_list *out, levin_error *error);
/* Remembers the state, and returns to it: a checkpoint that failed takes nothing. */
levin_code space_clone(const space *s, space **copy, levin_error *error);

/* How many free-list pages so many extents need. */
uint64_t free_list_pages(size_t extents, uint32_t page_bytes);
/*
 * Proves that neither the pages that hold the free list nor the roots that the meta page names are free: the next
 * checkpoint would write them over, and the store would open no more. free_pages: ascending and disjoint.
 * LEVIN_CORRUPT.
 */
levin_code free_list_prove(const page_meta *meta, const extent_list *own_pages, const extent_list *free_pages,
                           levin_error *error);
/* Writes page i of n of a free list into `page`; next is the page after it (number 0: none). Returns its checksum. */
uint64_t free_list_write(uint8_t *page, uint32_t page_bytes, uint64_t identity, uint64_t number, uint64_t generation,
                         const extent *extents, size_t count, page_ref next);
/*
 * Appends the entries of a page that page_verify() has passed as PAGE_FREE_LIST; checks order, bounds and overlap with
 * `after` (the end of the last extent of the page before, 0 at first). A page may be without entries, so the caller
 * counts the pages of the chain.
 */
levin_code free_list_read(const uint8_t *page, const char *file_name, uint32_t page_bytes, uint64_t page_count,
                          uint64_t *after, extent_list *out, const levin_io *io, page_ref *next, levin_error *error);

#endif
