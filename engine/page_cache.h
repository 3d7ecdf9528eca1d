/*
 * page_cache.h - verified pages of one page file in memory: lock-free lookup, a byte budget, clock eviction.
 *
 * The page table is a two-level array by page number, read under a read-side section (reclaim.h): a hit is two
 * dependent loads and no store, but for the reference mark, stored only when it is not yet set.  A miss reads the file,
 * verifies the page against the reference of its parent, and publishes it; of two readers who miss at once one wins and the other
 * drops its copy.  Eviction takes a page out of the table; its memory is freed after a grace period and the last pin.
 * Pages are immutable; page numbers come back with other content only after page_cache_forget().
 *
 * Progress: lookups are wait-free; misses and evictions take a mutex.  Reclamation: reclaim_queue, drained when
 * more than an eighth of the budget waits, never inside a read-side section.
 */
#ifndef LEVIN_PAGE_CACHE_H
#define LEVIN_PAGE_CACHE_H

#include <stdatomic.h>

#include "file.h"
#include "page.h"
#include "reclaim.h"

typedef struct page_cache page_cache;

typedef struct page_frame {
    reclaim_node reclaim;
    page_cache *cache;
    uint64_t number;
    uint64_t checksum;
    _Atomic uint32_t pins;      /* 1 for the table, 1 for each pin; freed at 0 */
    _Atomic uint8_t referenced; /* for the clock; a hint */
    uint8_t *page;              /* page_bytes, verified, immutable */
    struct page_frame *clock_next, *clock_previous;
} page_frame;

typedef struct page_cache_counters {
    uint64_t hits, misses, evictions, reads, bytes;
} page_cache_counters;

/* file stays the caller's and outlives the cache. */
page_cache *page_cache_create(file *pages, uint32_t page_bytes, uint64_t identity, uint64_t budget_bytes);
/* No reader, no pin left. */
void page_cache_destroy(page_cache *cache);

/*
 * The page, verified.  Inside a read-side section: the frame is good until the section ends, or for as long as it is
 * pinned.  expect->ref names it; expect->page_count bounds it.  No heap allocation on a hit.
 */
levin_code page_cache_get(page_cache *cache, const page_expect *expect, page_frame **frame, levin_error *error);
/* Inside the same read-side section as the page_cache_get(). */
void page_frame_pin(page_frame *frame);
void page_frame_unpin(page_frame *frame); /* anywhere */

/* Puts a page just written (`page` is copied) into the cache, when it fits the budget. Never fails: it is a cache. */
void page_cache_install(page_cache *cache, uint64_t number, uint64_t checksum, const uint8_t *page);
/* The pages get new content, or none: drops them. No reader can reach them any more. */
void page_cache_forget(page_cache *cache, uint64_t first, uint64_t pages);
/* Frees what waits for a grace period. Not inside a read-side section. Called by writers and by background work. */
void page_cache_reclaim(page_cache *cache);
void page_cache_count(page_cache *cache, page_cache_counters *counters);
file *page_cache_file(page_cache *cache);

#endif
