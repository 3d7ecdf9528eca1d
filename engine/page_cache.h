/*
 * page_cache.h - verified pages of one page file in memory: lock-free lookup, a byte budget, clock eviction.
 *
 * The page table is a hash table by page number, sized once by the budget, read under a read-side section
 * (reclaim.h): a hit is two dependent loads (bucket, frame) and no store to shared memory, but for the reference
 * mark, stored only when it is not yet set.  A miss reads the file, verifies the page against the reference of its
 * parent, and publishes it; of two readers who miss at once one wins and the other drops its copy.  Eviction takes a
 * page out of the table; its memory is freed after a grace period and the last pin.  Pages are immutable; page
 * numbers come back with other content only after page_cache_forget() or page_cache_install().
 *
 * Budget: seven eighths for pages in the table, one eighth for pages that wait for a grace period.  When twice that
 * waits, nothing is evicted any more: a miss hands out a page that goes as soon as the section of its reader ends.
 * So memory stays within the budget as long as those who hold no section call page_cache_reclaim() when
 * page_cache_wants_reclaim() says so.
 *
 * Progress: lookups are wait-free but for the length of a chain; misses and evictions take a mutex, never around I/O.
 * Reclamation: reclaim_queue, drained by page_cache_reclaim(), never inside a read-side section.
 */
#ifndef LEVIN_PAGE_CACHE_H
#define LEVIN_PAGE_CACHE_H

#include <stdatomic.h>

#include "counter.h"
#include "file.h"
#include "page.h"
#include "reclaim.h"

typedef struct page_cache page_cache;

typedef struct page_frame {
    /* what a hit reads, in one cache line */
    uint64_t number;
    uint64_t checksum;
    uint8_t *page;              /* page_bytes, verified, immutable */
    _Atomic(struct page_frame *) chain; /* next in the bucket */
    _Atomic uint8_t referenced; /* for the clock; a hint */
    uint8_t padding[31];
    _Atomic uint32_t pins;      /* 1 for the table, 1 for each pin; freed at 0 */
    page_cache *cache;
    reclaim_node reclaim;
    struct page_frame *clock_next, *clock_previous;
} page_frame;

typedef struct page_cache_counters {
    uint64_t hits, misses;      /* exact: hits + misses = calls of page_cache_get() */
    uint64_t evictions;         /* by the clock */
    uint64_t reads;             /* of the file */
    uint64_t bytes;             /* held now: frames, waiting ones included, and the table */
} page_cache_counters;

/* file stays the caller's and outlives the cache. NULL when out of memory. The budget is raised to 16 pages. */
page_cache *page_cache_create(file *pages, uint32_t page_bytes, uint64_t identity, uint64_t budget_bytes);
/* Hits are counted there from now on, beside what else a read counts. Before the first get. */
void page_cache_count_hits(page_cache *cache, counter_set *hits, unsigned slot);
/* No reader, no pin left. NULL is harmless. */
void page_cache_destroy(page_cache *cache);

/*
 * The page, verified.  Inside a read-side section: the frame is good until the section ends, or for as long as it is
 * pinned.  expect->ref names it; expect->page_count bounds it.  No heap allocation on a hit.
 * LEVIN_CORRUPT, LEVIN_IO, LEVIN_NO_MEMORY.
 */
levin_code page_cache_get(page_cache *cache, const page_expect *expect, page_frame **frame, levin_error *error);
/*
 * The same in stages, so that the misses of several lookups overlap: ask for the bucket; then, with that here, for
 * the frame and the header and prefix of its page; then get, without the prefetches of page_cache_get().  Inside one
 * read-side section.
 */
void page_cache_prefetch_bucket(const page_cache *cache, uint64_t number);
void page_cache_prefetch_frame(const page_cache *cache, uint64_t number);
levin_code page_cache_get_prefetched(page_cache *cache, const page_expect *expect, page_frame **frame,
                                     levin_error *error);
/* For a walk along the leaves: asks for the frame, the slots and the first and last cells of the leaf. Anywhere. */
void page_cache_prefetch_leaf(const page_cache *cache, uint64_t number);
/* Inside the same read-side section as the page_cache_get(). */
void page_frame_pin(page_frame *frame);
void page_frame_unpin(page_frame *frame); /* anywhere */

/* Puts a page just written (`page` is copied) into the cache, when it fits the budget. Never fails: it is a cache. */
void page_cache_install(page_cache *cache, uint64_t number, uint64_t checksum, const uint8_t *page);
/* The pages get new content, or none: drops them. No reader can reach them any more. */
void page_cache_forget(page_cache *cache, uint64_t first, uint64_t pages);
/* More than an eighth of the budget waits for a grace period. One load. */
bool page_cache_wants_reclaim(const page_cache *cache);
/*
 * Frees what waits for a grace period. Not inside a read-side section. By writers, background work, and readers
 * when wanted.
 */
void page_cache_reclaim(page_cache *cache);
void page_cache_count(page_cache *cache, page_cache_counters *counters);
file *page_cache_file(page_cache *cache);

#endif
