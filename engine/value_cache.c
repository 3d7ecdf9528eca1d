/*
 * value_cache.c - large values in memory (value_cache.h).
 *
 * The memory of values is some eight regions, in huge pages when they are large: a copy of 64 KiB out of pages of
 * 4 KiB waits for 16 translations of addresses (engine/README.md, "Value log").  They are taken from io one after the
 * other, as the cache fills, and kept.  Blocks lie in them one behind the other; each is a value or free.  A hand goes
 * round: values are laid down where it is, and what it comes to is evicted before, unless it was used since the hand
 * came by (the clock of Corbato, 1968, in the order of addresses, so that what is evicted together lies together).
 *
 * Invariants
 *   - A value in the table has been verified, and is never changed.
 *   - The blocks from a region's beginning, each block_bytes further, end at its end. Sizes change under the mutex.
 *   - A block's state goes FREE, FILLING, IN_TABLE, LEAVING, FREE, or from FILLING back to FREE.  Under the mutex, but
 *     for the step to FREE. What is FREE is nobody's: no reader, no pin.
 *   - pins counts one for the table, which is dropped after a grace period: in the section that found a value pins is
 *     never 0, and a pin taken there holds.
 *   - From the hand on, `swept` bytes have been looked at: what is not IN_TABLE there is free, or will be.
 *   - held = bytes of all blocks that are not FREE.
 *
 * Concurrency: readers load bucket and chain with acquire, and meet chains whose last unlinked members still lead on.
 * The mutex guards table stores, the hand and the doorkeeper; it is never held around allocation, copies or a grace
 * period.
 * Crash safety: none needed.
 */
#include "value_cache.h"

#include <assert.h>
#include <stddef.h>

#include "copy.h"
#include "file.h"
#include "sync.h"

enum {
    CACHE_LINE_BYTES = 64,
    HUGE_PAGE_BYTES = 2 << 20, /* io_posix.c gives huge pages to who aligns so */
    HUGE_REGION_BYTES = 2 * HUGE_PAGE_BYTES, /* smaller ones would lose too much by rounding */
    REGION_SHARE = 8,          /* of the budget: the largest value, and what is taken at once */
    REGIONS_MAX = 16,
    CLOCK_STEPS = 64,          /* so many blocks get a second chance in a sweep, */
    SWEEP_BLOCKS = 256,        /* and so many are looked at, unless no room was found among them */
    SWEEP_SHARE = 4,           /* of a region is swept at once */
    SIZE_GUESS = 8192,
    BUCKETS_MIN = 64,
    DOOR_SHARE = 4,
    ROOM_ATTEMPTS = 2
};

enum block_state { BLOCK_FREE, BLOCK_FILLING, BLOCK_IN_TABLE, BLOCK_LEAVING };

struct cached_value {
    uint64_t place, checksum;
    size_t bytes;
    size_t block_bytes; /* this header in it */
    value_cache *cache;
    uint32_t kind;
    _Atomic uint32_t state;      /* enum block_state */
    _Atomic uint32_t pins;
    _Atomic uint8_t referenced;  /* for the clock; a hint */
    _Atomic(cached_value *) chain;
    reclaim_node reclaim;
};
enum { DATA_AT = (sizeof(struct cached_value) + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES };

typedef _Atomic(cached_value *) bucket;

struct value_cache {
    /* constant */
    const levin_io *io;
    size_t bucket_count;  /* a power of two */
    unsigned shift;       /* 64 - log2(bucket_count) */
    size_t region_bytes;  /* multiple of CACHE_LINE_BYTES */
    size_t region_max;    /* 0: the budget has no room for a value */

    _Atomic bool growing; /* somebody takes memory from io */

    _Atomic(bucket *) buckets; /* made by the first insertion: release there, acquire in table_find() */

    _Alignas(CACHE_LINE_BYTES) sync_mutex mutex;
    uint32_t *door;       /* what was missed lately, by hash; behind the buckets; guarded by mutex */
    /* guarded by mutex, as is what follows */
    uint8_t **regions;    /* behind the door */
    size_t region_count;
    size_t hand, swept;   /* place of a block (block_at), bytes */
    bool filled;          /* all regions were taken: what comes in drives something out */
    reclaim_queue queue;
    /* statistics: relaxed, pair with nothing */
    _Atomic size_t held;
    _Atomic uint64_t inserts, evictions;
    counter_set counts;
};
enum { COUNT_HITS, COUNT_MISSES };

static inline uint64_t hash_of(uint64_t place, uint64_t checksum)
{
    return (place ^ checksum) * 0x9e3779b97f4a7c15u; /* Fibonacci hashing (Knuth 1973); checksums are mixed already */
}

static size_t table_bytes(const value_cache *cache)
{
    return cache->bucket_count * sizeof(bucket) + cache->bucket_count / DOOR_SHARE * sizeof *cache->door +
           REGIONS_MAX * sizeof *cache->regions;
}

static size_t memory_of(size_t value_bytes)
{
    return DATA_AT + (value_bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

const uint8_t *cached_value_data(const cached_value *v)
{
    return (const uint8_t *)v + DATA_AT;
}

/* ---- the end of a value ---- */

static void block_free(cached_value *v)
{
    atomic_fetch_sub_explicit(&v->cache->held, v->block_bytes, memory_order_relaxed);
    atomic_store_explicit(&v->state, BLOCK_FREE, memory_order_release); /* all use before the next; block_is_free() */
}

void cached_value_pin(cached_value *v)
{
    /* relaxed: the section keeps it alive now, and the unpin that drops the last one is what others order after */
    atomic_fetch_add_explicit(&v->pins, 1, memory_order_relaxed);
}

void cached_value_unpin(cached_value *v)
{
    /* acq_rel: pairs with the other unpins, so that all use comes before the end */
    if (atomic_fetch_sub_explicit(&v->pins, 1, memory_order_acq_rel) == 1)
        block_free(v);
}

/* After the grace period: the table's pin goes. */
static void value_reclaim(reclaim_node *node)
{
    cached_value_unpin((cached_value *)(void *)((char *)node - offsetof(cached_value, reclaim)));
}

/* ---- the table; stores under the mutex ---- */

static cached_value *table_find(const value_cache *cache, const page_value *value)
{
    bucket *buckets = atomic_load_explicit(&cache->buckets, memory_order_acquire); /* pairs with table_make() */
    if (!buckets)
        return NULL;
    bucket *b = &buckets[hash_of(value->first_page, value->checksum) >> cache->shift];
    cached_value *v = atomic_load_explicit(b, memory_order_acquire); /* pairs with table_link */
    while (v && (v->place != value->first_page || v->checksum != value->checksum || v->bytes != value->bytes ||
                 v->kind != (uint32_t)value->kind))
        v = atomic_load_explicit(&v->chain, memory_order_acquire); /* pairs with table_link, table_unlink */
    return v;
}

static bucket *bucket_of(const value_cache *cache, const cached_value *v)
{
    /* relaxed: under the mutex, that of table_make() */
    return &atomic_load_explicit(&cache->buckets, memory_order_relaxed)[hash_of(v->place, v->checksum) >> cache->shift];
}

static void table_link(value_cache *cache, cached_value *v)
{
    bucket *b = bucket_of(cache, v);
    cached_value *first = atomic_load_explicit(b, memory_order_relaxed); /* the mutex orders it */
    atomic_store_explicit(&v->chain, first, memory_order_relaxed);       /* the next store publishes it */
    atomic_store_explicit(&v->state, BLOCK_IN_TABLE, memory_order_relaxed); /* the mutex orders it */
    atomic_store_explicit(b, v, memory_order_release);                   /* pairs with table_find */
}

static void table_unlink(value_cache *cache, cached_value *v)
{
    bucket *link = bucket_of(cache, v);
    cached_value *at;
    while ((at = atomic_load_explicit(link, memory_order_relaxed)) != v) /* the mutex orders it */
        link = &at->chain;
    /* v->chain stays: readers that stand on v go on */
    cached_value *behind = atomic_load_explicit(&v->chain, memory_order_relaxed);
    atomic_store_explicit(link, behind, memory_order_release); /* pairs with table_find */
    atomic_store_explicit(&v->state, BLOCK_LEAVING, memory_order_relaxed); /* the mutex orders it */
    reclaim_defer(&cache->queue, &v->reclaim, value_reclaim);
}

/* ---- the regions; under the mutex ---- */

/* A place counts through all regions. */
static cached_value *block_at(const value_cache *cache, size_t place)
{
    return (cached_value *)(void *)(cache->regions[place / cache->region_bytes] + place % cache->region_bytes);
}

static enum block_state block_state_of(const cached_value *b)
{
    return (enum block_state)atomic_load_explicit(&b->state, memory_order_acquire); /* pairs with block_free() */
}

static size_t taken_bytes(const value_cache *cache)
{
    return cache->region_count * cache->region_bytes;
}

static size_t next_of(const value_cache *cache, size_t place)
{
    const size_t next = place + block_at(cache, place)->block_bytes;
    return next < taken_bytes(cache) ? next : 0;
}

static void block_make_free(value_cache *cache, size_t place, size_t bytes)
{
    cached_value *b = block_at(cache, place);
    b->block_bytes = bytes;
    b->cache = cache;
    atomic_init(&b->state, BLOCK_FREE);
}

/* Over the block at the hand. */
static void hand_pass(value_cache *cache)
{
    const size_t bytes = block_at(cache, cache->hand)->block_bytes;
    cache->hand = next_of(cache, cache->hand);
    cache->swept -= bytes < cache->swept ? bytes : cache->swept;
}

/* The free block at the hand takes in what is free behind it, as far as is needed. Returns what it ends before. */
static enum block_state hand_join(value_cache *cache, size_t bytes)
{
    cached_value *b = block_at(cache, cache->hand);
    while (b->block_bytes < bytes) {
        const size_t behind = next_of(cache, cache->hand);
        if (behind % cache->region_bytes == 0) /* a block does not go over a region's end */
            return BLOCK_IN_TABLE;
        const enum block_state state = block_state_of(block_at(cache, behind));
        if (state != BLOCK_FREE)
            return state;
        b->block_bytes += block_at(cache, behind)->block_bytes;
    }
    return BLOCK_FREE;
}

/*
 * A block of so many bytes out of what was swept; the hand is behind it then.  NULL: there is none.  drained: a grace
 * period was waited for; before that the search ends at what is LEAVING.
 */
static cached_value *block_take(value_cache *cache, size_t bytes, bool drained)
{
    while (cache->swept) {
        cached_value *b = block_at(cache, cache->hand);
        enum block_state state = block_state_of(b);
        if (state == BLOCK_FREE)
            state = hand_join(cache, bytes);
        if (state == BLOCK_LEAVING && !drained)
            return NULL;
        if (state != BLOCK_FREE) {
            hand_pass(cache);
            continue;
        }
        if (b->block_bytes - bytes >= DATA_AT) {
            block_make_free(cache, cache->hand + bytes, b->block_bytes - bytes);
            b->block_bytes = bytes;
        }
        atomic_store_explicit(&b->state, BLOCK_FILLING, memory_order_relaxed); /* the mutex orders it */
        atomic_fetch_add_explicit(&cache->held, b->block_bytes, memory_order_relaxed);
        hand_pass(cache);
        return b;
    }
    return NULL;
}

/* Whether the value goes. Its reference is taken: next time it does, unless it is used again. */
static bool evict(value_cache *cache, cached_value *v, bool second_chance)
{
    const bool pinned = atomic_load_explicit(&v->pins, memory_order_relaxed) > 1;       /* a hint */
    const bool referenced = atomic_load_explicit(&v->referenced, memory_order_relaxed); /* a hint */
    if (referenced)
        atomic_store_explicit(&v->referenced, 0, memory_order_relaxed); /* a hint */
    if (pinned || (referenced && second_chance))
        return false;
    table_unlink(cache, v);
    atomic_fetch_add_explicit(&cache->evictions, 1, memory_order_relaxed);
    return true;
}

/* Evicts from the hand on, once round at most, until a share of a region was seen, and a run of so many bytes. */
static void sweep(value_cache *cache, size_t bytes)
{
    size_t at = cache->hand, run = 0;
    cache->swept = 0;
    for (unsigned steps = 0; cache->swept < taken_bytes(cache); steps++) {
        cached_value *v = block_at(cache, at);
        const enum block_state state = block_state_of(v);
        const bool goes = state == BLOCK_FREE || state == BLOCK_LEAVING ||
                          (state == BLOCK_IN_TABLE && evict(cache, v, steps < CLOCK_STEPS));
        run = goes ? run + v->block_bytes : 0;
        cache->swept += v->block_bytes;
        if (run >= bytes && (cache->swept >= cache->region_bytes / SWEEP_SHARE || steps >= SWEEP_BLOCKS))
            return;
        at = next_of(cache, at);
        run = at % cache->region_bytes ? run : 0;
    }
}

/* Whether the value may come in, where it would drive another one out. It knocks. */
static bool door_opens(value_cache *cache, uint64_t hash)
{
    uint32_t *mark = &cache->door[(hash >> cache->shift) / DOOR_SHARE], knock = (uint32_t)hash | 1;
    const bool known = *mark == knock;
    *mark = knock;
    return known;
}

/* ---- life ---- */

static size_t region_alignment(size_t bytes)
{
    return bytes < HUGE_REGION_BYTES ? CACHE_LINE_BYTES : HUGE_PAGE_BYTES;
}

value_cache *value_cache_create(const levin_io *io, uint64_t budget_bytes)
{
    value_cache *cache = io_alloc_aligned(io, sizeof *cache, CACHE_LINE_BYTES);
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->io = io;
    size_t count = BUCKETS_MIN;
    while (count < budget_bytes / SIZE_GUESS && count < (size_t)1 << 24)
        count *= 2;
    cache->bucket_count = count;
    cache->shift = 64 - (unsigned)__builtin_ctzll(count);
    const size_t table = table_bytes(cache) + sizeof *cache, left = budget_bytes > table ? budget_bytes - table : 0;
    const size_t share = left / REGION_SHARE, alignment = region_alignment(share);
    cache->region_bytes = share / alignment * alignment;
    cache->region_max = cache->region_bytes ? left / cache->region_bytes : 0;
    atomic_init(&cache->buckets, NULL);
    if (sync_mutex_init(&cache->mutex)) {
        io_free(io, cache, sizeof *cache);
        return NULL;
    }
    return cache;
}

/* The buckets and the door; a store without large values takes no memory for them. False: out of memory. */
static bool table_make(value_cache *cache)
{
    bucket *buckets = io_alloc_aligned(cache->io, table_bytes(cache), CACHE_LINE_BYTES);
    if (!buckets)
        return false;
    for (size_t i = 0; i < cache->bucket_count; i++)
        atomic_init(&buckets[i], NULL);
    memset(buckets + cache->bucket_count, 0, table_bytes(cache) - cache->bucket_count * sizeof *buckets);
    cache->door = (uint32_t *)((uintptr_t)(buckets + cache->bucket_count));
    cache->regions = (uint8_t **)(void *)(cache->door + cache->bucket_count / DOOR_SHARE);
    atomic_store_explicit(&cache->buckets, buckets, memory_order_release); /* pairs with table_find() */
    return true;
}

static bool region_wanted(value_cache *cache)
{
    sync_mutex_lock(&cache->mutex);
    const bool wanted = !cache->swept && cache->region_count < cache->region_max;
    sync_mutex_unlock(&cache->mutex);
    return wanted;
}

/* One region more, at the hand, unless there is no memory, or somebody else is at it. */
static void region_add(value_cache *cache)
{
    if (atomic_exchange_explicit(&cache->growing, true, memory_order_acq_rel)) /* pairs with the store below */
        return;
    uint8_t *region = NULL;
    if (region_wanted(cache) &&
        (atomic_load_explicit(&cache->buckets, memory_order_relaxed) || table_make(cache))) /* made under `growing` */
        region = io_alloc_aligned(cache->io, cache->region_bytes, region_alignment(cache->region_bytes));
    if (region) {
        sync_mutex_lock(&cache->mutex);
        cache->regions[cache->region_count++] = region;
        cache->hand = taken_bytes(cache) - cache->region_bytes;
        cache->swept = cache->region_bytes;
        block_make_free(cache, cache->hand, cache->region_bytes);
        sync_mutex_unlock(&cache->mutex);
    }
    atomic_store_explicit(&cache->growing, false, memory_order_release); /* pairs with the exchange */
}

void value_cache_destroy(value_cache *cache)
{
    if (!cache)
        return;
    /* relaxed, here and below: nobody else is there any more */
    bucket *buckets = atomic_load_explicit(&cache->buckets, memory_order_relaxed);
    reclaim_drain(&cache->queue);
    for (size_t i = 0; buckets && i < cache->bucket_count; i++)
        for (cached_value *v = atomic_load_explicit(&buckets[i], memory_order_relaxed); v;
             v = atomic_load_explicit(&v->chain, memory_order_relaxed))
            block_free(v);
    assert(atomic_load_explicit(&cache->held, memory_order_relaxed) == 0); /* nothing is pinned */
    sync_mutex_fini(&cache->mutex);
    for (size_t i = 0; i < cache->region_count; i++)
        io_free(cache->io, cache->regions[i], cache->region_bytes);
    io_free(cache->io, buckets, table_bytes(cache));
    io_free(cache->io, cache, sizeof *cache);
}

/* ---- use ---- */

cached_value *value_cache_find(value_cache *cache, const page_value *value)
{
    cached_value *v = table_find(cache, value);
    counter_add(counter_mine(&cache->counts), v ? COUNT_HITS : COUNT_MISSES, 1);
    if (v && !atomic_load_explicit(&v->referenced, memory_order_relaxed)) /* a hint; pairs with nothing */
        atomic_store_explicit(&v->referenced, 1, memory_order_relaxed);
    return v;
}

/*
 * A block for the value, or NULL: it is not let in, it is there, there is no memory, or pins are in the way.  What was
 * evicted can be used after a grace period, which is waited for.
 */
static cached_value *room_make(value_cache *cache, const page_value *value, size_t bytes)
{
    cached_value *v = NULL;
    bool more = true;
    for (unsigned attempt = 0; !v && more; attempt++) {
        sync_mutex_lock(&cache->mutex);
        if (attempt == 0)
            more = !table_find(cache, value) &&
                   (!cache->filled || door_opens(cache, hash_of(value->first_page, value->checksum)));
        if (more)
            v = block_take(cache, bytes, attempt > 0);
        more = more && !v && attempt < ROOM_ATTEMPTS;
        const bool all = cache->region_count == cache->region_max, grows = more && !cache->swept && !all && !attempt;
        if (more && !cache->swept && !grows) {
            cache->filled = all;
            sweep(cache, bytes);
        }
        sync_mutex_unlock(&cache->mutex);
        if (grows)
            region_add(cache);
        else if (more)
            reclaim_drain(&cache->queue);
    }
    return v;
}

void value_cache_insert(value_cache *cache, const page_value *value, const uint8_t *data)
{
    const size_t bytes = memory_of(value->bytes);
    if (bytes > cache->region_bytes)
        return;
    cached_value *v = room_make(cache, value, bytes);
    if (!v)
        return;
    v->place = value->first_page;
    v->checksum = value->checksum;
    v->bytes = value->bytes;
    v->kind = (uint32_t)value->kind;
    atomic_init(&v->pins, 1);
    atomic_init(&v->referenced, 0);
    copy_large((uint8_t *)v + DATA_AT, data, value->bytes);
    sync_mutex_lock(&cache->mutex);
    const bool present = table_find(cache, value) != NULL; /* another reader was faster */
    if (!present)
        table_link(cache, v);
    sync_mutex_unlock(&cache->mutex);
    if (present)
        block_free(v);
    else
        atomic_fetch_add_explicit(&cache->inserts, 1, memory_order_relaxed);
}

void value_cache_count(value_cache *cache, value_cache_counters *counters)
{
    *counters = (value_cache_counters){
        .hits = counter_read(&cache->counts, COUNT_HITS),
        .misses = counter_read(&cache->counts, COUNT_MISSES),
        .inserts = atomic_load_explicit(&cache->inserts, memory_order_relaxed),
        .evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed),
        .bytes = atomic_load_explicit(&cache->held, memory_order_relaxed) + sizeof *cache +
                 (atomic_load_explicit(&cache->buckets, memory_order_relaxed) ? table_bytes(cache) : 0),
    };
}
