/*
 * page_cache.c - verified pages in memory (page_cache.h).
 *
 * Invariants
 *   - A frame in the table is verified, or was written by this process, and is never changed.
 *   - A frame is in its bucket's chain and in the clock's ring, or in neither; both change under the mutex only.
 *   - pins counts one for the table.  That one is dropped after a grace period, so within a section that found a
 *     frame pins is never 0, and a pin taken there holds.
 *   - A frame is, one after the other: private (being read), cached, waiting (for a grace period), orphaned (only
 *     pins hold it).
 *   - A failed read, check or allocation leaves the table as it was.
 *
 * Concurrency: readers load bucket and chain with acquire, and meet chains whose last unlinked members still lead on
 * into the chain.  The mutex guards table stores, the ring and `cached`; it is never held around I/O, allocation or a
 * grace period.
 * Crash safety: none needed; what is on disk is read through page_verify().
 *
 * Why a hash table and not an array by page number: its size follows the budget and not the file (an array for a file
 * of 1 TiB takes 512 MiB), it never grows, and a hit has one dependent load less.
 */
#include "page_cache.h"

#include <assert.h>
#include <stddef.h>

#include "sync.h"

enum {
    CACHE_LINE_BYTES = 64,
    CACHE_PAGES_MIN = 16,
    CACHE_CLOCK_STEPS = 64 /* what one eviction clears at most, so that a reader never waits for a sweep of all */
};
#define CACHE_BUCKETS_MAX ((size_t)1 << 24)

static_assert(offsetof(page_frame, pins) == CACHE_LINE_BYTES, "pins do not disturb hits");
enum { FRAME_PAGE_AT = 2 * CACHE_LINE_BYTES };
static_assert(sizeof(page_frame) <= FRAME_PAGE_AT, "the page follows its frame");

typedef _Atomic(page_frame *) bucket;

struct page_cache {
    /* constant */
    const levin_io *io;
    file *pages;
    bucket *buckets;
    size_t bucket_count;      /* a power of two */
    unsigned bucket_shift;    /* 64 - log2(bucket_count) */
    uint32_t page_bytes;
    uint64_t identity;
    size_t frame_bytes;
    size_t capacity;          /* frames in the table */
    size_t waiting_max;       /* frames that may wait before page_cache_reclaim() is wanted */

    _Alignas(CACHE_LINE_BYTES) sync_mutex mutex;
    page_frame *hand;         /* guarded by mutex: the clock's ring, NULL when empty */
    size_t cached;            /* guarded by mutex */
    reclaim_queue queue;
    _Atomic size_t held;      /* frames allocated; a statistic: relaxed, pairs with nothing, as are all below */
    _Atomic size_t waiting;
    _Atomic size_t orphaned;
    _Atomic uint64_t misses, reads, evictions;
    counter_set *hits;        /* own, or the caller's; counter `hit_slot` of it */
    unsigned hit_slot;
    counter_set own;
};

static void count_up(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- frames ---- */

static page_frame *frame_create(page_cache *cache, uint64_t number, uint64_t checksum)
{
    page_frame *f = io_alloc_aligned(cache->io, cache->frame_bytes, CACHE_LINE_BYTES);
    if (!f)
        return NULL;
    memset(f, 0, sizeof *f);
    f->number = number;
    f->checksum = checksum;
    f->page = (uint8_t *)f + FRAME_PAGE_AT;
    f->cache = cache;
    atomic_init(&f->pins, 1);
    atomic_fetch_add_explicit(&cache->held, 1, memory_order_relaxed);
    return f;
}

static void frame_destroy(page_frame *f)
{
    page_cache *cache = f->cache;
    atomic_fetch_sub_explicit(&cache->held, 1, memory_order_relaxed);
    io_free(cache->io, f, cache->frame_bytes);
}

void page_frame_pin(page_frame *frame)
{
    /* relaxed: the section keeps it alive now, and the unpin that drops the last one is what others order after */
    atomic_fetch_add_explicit(&frame->pins, 1, memory_order_relaxed);
}

/* For a frame out of the table: the last one frees it. */
void page_frame_unpin(page_frame *frame)
{
    /* acq_rel: pairs with the other unpins, so that all use of the frame comes before its end */
    if (atomic_fetch_sub_explicit(&frame->pins, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub_explicit(&frame->cache->orphaned, 1, memory_order_relaxed);
    frame_destroy(frame);
}

/* After the grace period: the table's pin goes. */
static void frame_reclaim(reclaim_node *node)
{
    page_frame *f = (page_frame *)(void *)((char *)node - offsetof(page_frame, reclaim));
    atomic_fetch_add_explicit(&f->cache->orphaned, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&f->cache->waiting, 1, memory_order_relaxed);
    page_frame_unpin(f);
}

/* The frame is not in the table (any more): it lives until the sections that are open now end, and for its pins. */
static void frame_retire(page_frame *f)
{
    atomic_fetch_add_explicit(&f->cache->waiting, 1, memory_order_relaxed);
    reclaim_defer(&f->cache->queue, &f->reclaim, frame_reclaim);
}

/* ---- the table; stores under the mutex ---- */

/* Fibonacci hashing (Knuth 1973): runs of page numbers spread evenly. */
static inline bucket *bucket_of(const page_cache *cache, uint64_t number)
{
    return &cache->buckets[number * 0x9e3779b97f4a7c15u >> cache->bucket_shift];
}

static inline page_frame *table_find(const page_cache *cache, uint64_t number)
{
    page_frame *f = atomic_load_explicit(bucket_of(cache, number), memory_order_acquire); /* pairs with table_link */
    while (f && f->number != number)
        f = atomic_load_explicit(&f->chain, memory_order_acquire); /* pairs with table_link, table_unlink */
    return f;
}

static void table_link(page_cache *cache, page_frame *f)
{
    bucket *b = bucket_of(cache, f->number);
    page_frame *first = atomic_load_explicit(b, memory_order_relaxed); /* the mutex orders it */
    atomic_store_explicit(&f->chain, first, memory_order_relaxed);     /* the next store publishes it */
    atomic_store_explicit(b, f, memory_order_release);                 /* pairs with table_find */
    if (cache->hand) { /* behind the hand: the last that it comes to */
        f->clock_next = cache->hand;
        f->clock_previous = cache->hand->clock_previous;
        f->clock_previous->clock_next = f;
        f->clock_next->clock_previous = f;
    } else {
        cache->hand = f->clock_next = f->clock_previous = f;
    }
    cache->cached++;
}

static void table_unlink(page_cache *cache, page_frame *f)
{
    bucket *link = bucket_of(cache, f->number);
    page_frame *at;
    while ((at = atomic_load_explicit(link, memory_order_relaxed)) != f) /* the mutex orders it */
        link = &at->chain;
    /* f->chain stays: readers that stand on f go on */
    page_frame *behind = atomic_load_explicit(&f->chain, memory_order_relaxed);
    atomic_store_explicit(link, behind, memory_order_release); /* pairs with table_find */
    if (f->clock_next == f) {
        cache->hand = NULL;
    } else {
        if (cache->hand == f)
            cache->hand = f->clock_next;
        f->clock_next->clock_previous = f->clock_previous;
        f->clock_previous->clock_next = f->clock_next;
    }
    cache->cached--;
    frame_retire(f);
}

/*
 * Clock (Corbato 1968), with a bound on the steps: frames marked are passed and their mark cleared, frames pinned are
 * passed, since evicting them frees nothing.  False when there is nothing to evict near the hand.
 */
static bool evict_one(page_cache *cache)
{
    size_t steps = 0, steps_max = cache->cached < CACHE_CLOCK_STEPS ? 2 * cache->cached : 2 * CACHE_CLOCK_STEPS;
    for (; steps < steps_max; steps++) {
        page_frame *f = cache->hand;
        bool pinned = atomic_load_explicit(&f->pins, memory_order_relaxed) > 1; /* a hint; pairs with nothing */
        bool referenced = atomic_load_explicit(&f->referenced, memory_order_relaxed); /* a hint, as above */
        if (!pinned && (!referenced || steps >= CACHE_CLOCK_STEPS)) {
            table_unlink(cache, f);
            count_up(&cache->evictions);
            return true;
        }
        if (referenced)
            atomic_store_explicit(&f->referenced, 0, memory_order_relaxed); /* a hint, as above */
        cache->hand = f->clock_next;
    }
    return false;
}

/* Whether one more frame may go into the table. */
static bool make_room(page_cache *cache)
{
    size_t orphaned = atomic_load_explicit(&cache->orphaned, memory_order_relaxed);
    size_t waiting = atomic_load_explicit(&cache->waiting, memory_order_relaxed);
    size_t capacity = orphaned < cache->capacity / 2 ? cache->capacity - orphaned : cache->capacity / 2;
    /* two at a time: a table over a capacity that has become smaller gets down to it */
    size_t evicted = 0;
    while (evicted < 2 && cache->cached >= capacity && waiting <= 2 * cache->waiting_max && evict_one(cache))
        evicted++;
    return evicted > 0 || cache->cached < capacity;
}

/*
 * Publishes a frame.  Returns what readers are to use: the frame, or the same page when another reader was faster;
 * *cached tells whether the frame given is in the table.
 */
static page_frame *table_publish(page_cache *cache, page_frame *f, bool *cached)
{
    sync_mutex_lock(&cache->mutex);
    page_frame *present = table_find(cache, f->number);
    if (present && present->checksum == f->checksum) {
        *cached = false;
        f = present;
    } else {
        if (present)
            table_unlink(cache, present);
        *cached = make_room(cache);
        if (*cached)
            table_link(cache, f);
    }
    sync_mutex_unlock(&cache->mutex);
    return f;
}

/* ---- life ---- */

static size_t bucket_count_for(size_t frames)
{
    size_t count = CACHE_PAGES_MIN;
    while (count < 2 * frames && count < CACHE_BUCKETS_MAX)
        count *= 2;
    return count;
}

page_cache *page_cache_create(file *pages, uint32_t page_bytes, uint64_t identity, uint64_t budget_bytes)
{
    const levin_io *io = pages->io;
    page_cache *cache = io_alloc_aligned(io, sizeof *cache, CACHE_LINE_BYTES);
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->io = io;
    cache->pages = pages;
    cache->hits = &cache->own;
    cache->page_bytes = page_bytes;
    cache->identity = identity;
    cache->frame_bytes = FRAME_PAGE_AT + (size_t)page_bytes;
    uint64_t frames = budget_bytes / (cache->frame_bytes + 2 * sizeof(bucket));
    if (frames < CACHE_PAGES_MIN)
        frames = CACHE_PAGES_MIN;
    if (frames > SIZE_MAX / 4)
        frames = SIZE_MAX / 4;
    cache->waiting_max = (size_t)frames / 8;
    cache->capacity = (size_t)frames - cache->waiting_max;
    cache->bucket_count = bucket_count_for(cache->capacity);
    cache->bucket_shift = 64 - (unsigned)__builtin_ctzll(cache->bucket_count);
    cache->buckets = io_alloc_aligned(io, cache->bucket_count * sizeof(bucket), CACHE_LINE_BYTES);
    if (!cache->buckets)
        goto failed;
    for (size_t i = 0; i < cache->bucket_count; i++)
        atomic_init(&cache->buckets[i], NULL);
    if (sync_mutex_init(&cache->mutex))
        goto failed;
    return cache;

failed:
    io_free(io, cache->buckets, cache->bucket_count * sizeof(bucket));
    io_free(io, cache, sizeof *cache);
    return NULL;
}

void page_cache_count_hits(page_cache *cache, counter_set *hits, unsigned slot)
{
    cache->hits = hits;
    cache->hit_slot = slot;
}

void page_cache_destroy(page_cache *cache)
{
    if (!cache)
        return;
    page_cache_reclaim(cache);
    while (cache->hand) {
        page_frame *f = cache->hand;
        table_unlink(cache, f);
    }
    page_cache_reclaim(cache);
    assert(atomic_load_explicit(&cache->held, memory_order_relaxed) == 0); /* a statistic: no frame is pinned */
    sync_mutex_fini(&cache->mutex);
    io_free(cache->io, cache->buckets, cache->bucket_count * sizeof(bucket));
    io_free(cache->io, cache, sizeof *cache);
}

/* ---- get ---- */

/*
 * What a page was verified for once need not be what is expected of it now: two parents may name it in a damaged
 * tree.
 */
static inline bool frame_meets(const page_frame *f, const page_expect *expect)
{
    enum page_type type = page_type(f->page);
    return f->checksum == expect->ref.checksum &&
           (expect->type ? type == expect->type : type == PAGE_LEAF || type == PAGE_BRANCH) &&
           (expect->level == PAGE_LEVEL_ANY || page_level(f->page) == (unsigned)expect->level) &&
           page_generation(f->page) <= expect->max_generation;
}

/* Reads and verifies into a private frame. */
static levin_code frame_read(page_cache *cache, const page_expect *expect, page_frame *f, levin_error *error)
{
    uint64_t offset = expect->ref.number * cache->page_bytes;
    size_t done;
    count_up(&cache->reads);
    levin_code code = file_read(cache->pages, f->page, cache->page_bytes, offset, &done, error);
    if (code)
        return code;
    if (done < cache->page_bytes)
        return error_corrupt(error, cache->pages->name, offset + done, cache->page_bytes, done,
                             "the file ends inside or before page %llu", (unsigned long long)expect->ref.number);
    return page_verify(f->page, expect, error);
}

static levin_code page_cache_miss(page_cache *cache, const page_expect *expect, page_frame **frame,
                                  levin_error *error)
{
    uint64_t number = expect->ref.number;
    count_up(&cache->misses);
    if (number < page_first(cache->page_bytes) || number >= expect->page_count)
        return error_corrupt(error, cache->pages->name, 0, expect->page_count, number,
                             "page %llu is asked for, which is not in the file", (unsigned long long)number);
    page_frame *f = frame_create(cache, number, expect->ref.checksum);
    if (!f)
        return error_memory(error, cache->frame_bytes);
    levin_code code = frame_read(cache, expect, f, error);
    if (code) {
        frame_destroy(f);
        return code;
    }
    bool cached;
    *frame = table_publish(cache, f, &cached);
    if (*frame != f)
        frame_destroy(f); /* nobody has seen it */
    else if (!cached)
        frame_retire(f);
    return LEVIN_OK;
}

static inline __attribute__((always_inline)) levin_code
get(page_cache *cache, const page_expect *expect, bool prefetch, page_frame **frame, levin_error *error)
{
    assert(expect->page_bytes == cache->page_bytes && expect->identity == cache->identity);
    /* pairs with table_link */
    page_frame *f = atomic_load_explicit(bucket_of(cache, expect->ref.number), memory_order_acquire);
    if (f && prefetch) /* mostly the one: its page is asked for before the frame itself is here */
        page_prefetch((const uint8_t *)f + FRAME_PAGE_AT, cache->page_bytes);
    while (f && f->number != expect->ref.number)
        f = atomic_load_explicit(&f->chain, memory_order_acquire); /* pairs with table_link, table_unlink */
    if (!f || !frame_meets(f, expect))
        return page_cache_miss(cache, expect, frame, error);
    if (!atomic_load_explicit(&f->referenced, memory_order_relaxed)) /* a hint; pairs with nothing */
        atomic_store_explicit(&f->referenced, 1, memory_order_relaxed);
    counter_add(counter_mine(cache->hits), cache->hit_slot, 1);
    *frame = f;
    return LEVIN_OK;
}

levin_code page_cache_get(page_cache *cache, const page_expect *expect, page_frame **frame, levin_error *error)
{
    return get(cache, expect, true, frame, error);
}

levin_code page_cache_get_prefetched(page_cache *cache, const page_expect *expect, page_frame **frame,
                                     levin_error *error)
{
    return get(cache, expect, false, frame, error);
}

void page_cache_prefetch_bucket(const page_cache *cache, uint64_t number)
{
    __builtin_prefetch(bucket_of(cache, number));
}

void page_cache_prefetch_frame(const page_cache *cache, uint64_t number)
{
    /* pairs with table_link; only to ask for its memory */
    const char *f = (const char *)atomic_load_explicit(bucket_of(cache, number), memory_order_acquire);
    if (!f)
        return;
    __builtin_prefetch(f);
    __builtin_prefetch(f + FRAME_PAGE_AT);
    __builtin_prefetch(f + FRAME_PAGE_AT + cache->page_bytes - 1);
}

void page_cache_prefetch_leaf(const page_cache *cache, uint64_t number)
{
    enum { ENDS = 24 }; /* lines of cells */
    /* acquire: pairs with table_link; only to ask for its memory, which may be gone: nothing is read through it */
    const char *f = (const char *)atomic_load_explicit(bucket_of(cache, number), memory_order_acquire);
    if (!f)
        return;
    __builtin_prefetch(f);
    page_prefetch((const uint8_t *)f + FRAME_PAGE_AT, cache->page_bytes);
    for (size_t i = 1; i < ENDS; i++)
        __builtin_prefetch(f + FRAME_PAGE_AT + cache->page_bytes - 1 - i * CACHE_LINE_BYTES);
}

/* ---- install, forget, reclaim ---- */

static void forget_one(page_cache *cache, uint64_t number)
{
    page_frame *f = table_find(cache, number);
    if (f)
        table_unlink(cache, f);
}

void page_cache_install(page_cache *cache, uint64_t number, uint64_t checksum, const uint8_t *page)
{
    page_frame *f = frame_create(cache, number, checksum);
    if (!f) {
        page_cache_forget(cache, number, 1); /* what is there is of the past */
        return;
    }
    memcpy(f->page, page, cache->page_bytes);
    bool cached;
    if (table_publish(cache, f, &cached) != f || !cached)
        frame_destroy(f); /* nobody has seen it */
}

void page_cache_forget(page_cache *cache, uint64_t first, uint64_t pages)
{
    sync_mutex_lock(&cache->mutex);
    if (pages <= cache->cached) {
        for (uint64_t i = 0; i < pages; i++)
            forget_one(cache, first + i);
    } else {
        page_frame *f = cache->hand;
        for (size_t left = cache->cached; left > 0; left--) {
            page_frame *next = f->clock_next;
            if (f->number >= first && f->number - first < pages)
                table_unlink(cache, f);
            f = next;
        }
    }
    sync_mutex_unlock(&cache->mutex);
}

bool page_cache_wants_reclaim(const page_cache *cache)
{
    return atomic_load_explicit(&cache->waiting, memory_order_relaxed) > cache->waiting_max; /* a hint */
}

void page_cache_reclaim(page_cache *cache)
{
    reclaim_drain(&cache->queue);
}

void page_cache_count(page_cache *cache, page_cache_counters *counters)
{
    *counters = (page_cache_counters){
        .hits = counter_read(cache->hits, cache->hit_slot),
        .misses = atomic_load_explicit(&cache->misses, memory_order_relaxed),
        .evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed),
        .reads = atomic_load_explicit(&cache->reads, memory_order_relaxed),
        .bytes = atomic_load_explicit(&cache->held, memory_order_relaxed) * (uint64_t)cache->frame_bytes +
                 cache->bucket_count * sizeof(bucket) + sizeof *cache,
    };
}

file *page_cache_file(page_cache *cache)
{
    return cache->pages;
}
