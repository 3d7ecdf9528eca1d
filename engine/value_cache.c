/*
 * value_cache.c - large values in memory (value_cache.h).
 *
 * Invariants
 *   - A value in the table has been verified, and is never changed.
 *   - A value is in its bucket's chain and in the clock's ring, or in neither; both change under the mutex only.
 *   - pins counts one for the table, which is dropped after a grace period: in the section that found a value pins is
 *     never 0, and a pin taken there holds.
 *   - held = bytes of the values in the table, of those that wait, and of those that only pins hold.
 *
 * Concurrency: readers load bucket and chain with acquire, and meet chains whose last unlinked members still lead on.
 * The mutex guards table stores, the ring and the doorkeeper; it is never held around allocation, copies or a grace
 * period.
 * Crash safety: none needed.
 */
#include "value_cache.h"

#include <assert.h>
#include <stddef.h>

#include "file.h"
#include "sync.h"

enum { CACHE_LINE_BYTES = 64, CLOCK_STEPS = 64, SIZE_GUESS = 8192, BUCKETS_MIN = 64, DOOR_SHARE = 4 };

struct cached_value {
    uint64_t place, checksum;
    size_t bytes;
    uint32_t kind;
    _Atomic uint8_t referenced; /* for the clock; a hint */
    _Atomic(cached_value *) chain;
    value_cache *cache;
    _Atomic uint32_t pins;
    reclaim_node reclaim;
    cached_value *clock_next, *clock_previous;
};
enum { DATA_AT = (sizeof(struct cached_value) + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES };

typedef _Atomic(cached_value *) bucket;

struct value_cache {
    /* constant */
    const levin_io *io;
    size_t bucket_count;  /* a power of two */
    unsigned shift;       /* 64 - log2(bucket_count) */
    size_t budget;        /* for values */
    size_t capacity;      /* seven eighths of it: in the table; the rest is for what waits */

    _Atomic(bucket *) buckets; /* made by the first insertion: release there, acquire in table_find() */

    _Alignas(CACHE_LINE_BYTES) sync_mutex mutex;
    uint32_t *door;       /* what was missed lately, by hash; behind the buckets; guarded by mutex */
    cached_value *hand;   /* guarded by mutex: the clock's ring, NULL when empty */
    reclaim_queue queue;
    /* statistics: relaxed, pair with nothing */
    _Atomic size_t held;
    _Atomic size_t waiting;  /* bytes out of the table, not yet freed */
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
    return cache->bucket_count * sizeof(bucket) + cache->bucket_count / DOOR_SHARE * sizeof *cache->door;
}

static size_t memory_of(size_t value_bytes)
{
    return DATA_AT + value_bytes;
}

const uint8_t *cached_value_data(const cached_value *v)
{
    return (const uint8_t *)v + DATA_AT;
}

/* ---- the end of a value ---- */

static void value_free(cached_value *v)
{
    value_cache *cache = v->cache;
    const size_t bytes = memory_of(v->bytes);
    atomic_fetch_sub_explicit(&cache->held, bytes, memory_order_relaxed);
    io_free(cache->io, v, bytes);
}

void cached_value_pin(cached_value *v)
{
    /* relaxed: the section keeps it alive now, and the unpin that drops the last one is what others order after */
    atomic_fetch_add_explicit(&v->pins, 1, memory_order_relaxed);
}

void cached_value_unpin(cached_value *v)
{
    /* acq_rel: pairs with the other unpins, so that all use comes before the end */
    if (atomic_fetch_sub_explicit(&v->pins, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub_explicit(&v->cache->waiting, memory_of(v->bytes), memory_order_relaxed);
    value_free(v);
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
    atomic_store_explicit(b, v, memory_order_release);                   /* pairs with table_find */
    if (cache->hand) {                                                   /* behind the hand: the last it comes to */
        v->clock_next = cache->hand;
        v->clock_previous = cache->hand->clock_previous;
        v->clock_previous->clock_next = v;
        v->clock_next->clock_previous = v;
    } else {
        cache->hand = v->clock_next = v->clock_previous = v;
    }
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
    if (v->clock_next == v) {
        cache->hand = NULL;
    } else {
        if (cache->hand == v)
            cache->hand = v->clock_next;
        v->clock_next->clock_previous = v->clock_previous;
        v->clock_previous->clock_next = v->clock_next;
    }
    atomic_fetch_add_explicit(&cache->waiting, memory_of(v->bytes), memory_order_relaxed);
    reclaim_defer(&cache->queue, &v->reclaim, value_reclaim);
}

/* One round of the clock (Corbato 1968), bounded. False: nothing to evict near the hand. */
static bool evict_one(value_cache *cache)
{
    for (unsigned steps = 0; cache->hand && steps < 2 * CLOCK_STEPS; steps++) {
        cached_value *v = cache->hand;
        const bool pinned = atomic_load_explicit(&v->pins, memory_order_relaxed) > 1;     /* a hint */
        const bool referenced = atomic_load_explicit(&v->referenced, memory_order_relaxed); /* a hint */
        if (!pinned && (!referenced || steps >= CLOCK_STEPS)) {
            table_unlink(cache, v);
            atomic_fetch_add_explicit(&cache->evictions, 1, memory_order_relaxed);
            return true;
        }
        if (referenced)
            atomic_store_explicit(&v->referenced, 0, memory_order_relaxed); /* a hint */
        cache->hand = v->clock_next;
    }
    return false;
}

/* Under the mutex: whether the value may come in, when room has to be made for it. It knocks. */
static bool door_opens(value_cache *cache, uint64_t hash)
{
    uint32_t *mark = &cache->door[(hash >> cache->shift) / DOOR_SHARE], knock = (uint32_t)hash | 1;
    const bool known = *mark == knock;
    *mark = knock;
    return known;
}

/* Bytes in the table, or on their way into it. */
static size_t in_table(const value_cache *cache)
{
    const size_t waiting = atomic_load_explicit(&cache->waiting, memory_order_relaxed);
    const size_t held = atomic_load_explicit(&cache->held, memory_order_relaxed);
    return held > waiting ? held - waiting : 0;
}

/*
 * Under the mutex: makes room in the table for so many bytes more, and takes it. Others that come at the same time
 * see it taken.
 */
static bool room_take(value_cache *cache, const page_value *value, size_t bytes)
{
    if (in_table(cache) + bytes > cache->capacity) {
        if (!door_opens(cache, hash_of(value->first_page, value->checksum)))
            return false;
        while (in_table(cache) + bytes > cache->capacity && evict_one(cache))
            ;
        if (in_table(cache) + bytes > cache->capacity)
            return false;
    }
    atomic_fetch_add_explicit(&cache->held, bytes, memory_order_relaxed);
    return true;
}

/* ---- life ---- */

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
    const size_t table = table_bytes(cache) + sizeof *cache;
    cache->budget = budget_bytes > table ? (size_t)budget_bytes - table : 0;
    cache->capacity = cache->budget - cache->budget / 8;
    atomic_init(&cache->buckets, NULL);
    if (sync_mutex_init(&cache->mutex)) {
        io_free(io, cache, sizeof *cache);
        return NULL;
    }
    return cache;
}

/* A store without large values takes no memory for them. False: out of memory. */
static bool table_make(value_cache *cache)
{
    if (atomic_load_explicit(&cache->buckets, memory_order_acquire)) /* pairs with the store below */
        return true;
    bucket *buckets = io_alloc_aligned(cache->io, table_bytes(cache), CACHE_LINE_BYTES);
    if (!buckets)
        return false;
    for (size_t i = 0; i < cache->bucket_count; i++)
        atomic_init(&buckets[i], NULL);
    memset(buckets + cache->bucket_count, 0, table_bytes(cache) - cache->bucket_count * sizeof *buckets);
    sync_mutex_lock(&cache->mutex);
    const bool first = !atomic_load_explicit(&cache->buckets, memory_order_relaxed); /* changed under the mutex only */
    if (first) {
        cache->door = (uint32_t *)((uintptr_t)(buckets + cache->bucket_count));
        atomic_store_explicit(&cache->buckets, buckets, memory_order_release); /* pairs with table_find() */
    }
    sync_mutex_unlock(&cache->mutex);
    if (!first)
        io_free(cache->io, buckets, table_bytes(cache));
    return true;
}

void value_cache_destroy(value_cache *cache)
{
    if (!cache)
        return;
    while (cache->hand)
        table_unlink(cache, cache->hand);
    reclaim_drain(&cache->queue);
    assert(atomic_load_explicit(&cache->held, memory_order_relaxed) == 0); /* a statistic: nothing is pinned */
    sync_mutex_fini(&cache->mutex);
    /* relaxed: nobody else is there any more */
    io_free(cache->io, atomic_load_explicit(&cache->buckets, memory_order_relaxed), table_bytes(cache));
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

void value_cache_insert(value_cache *cache, const page_value *value, const uint8_t *data)
{
    const size_t bytes = memory_of(value->bytes);
    if (bytes > cache->budget / 8 || !table_make(cache))
        return;
    sync_mutex_lock(&cache->mutex);
    const bool room = !table_find(cache, value) && room_take(cache, value, bytes);
    sync_mutex_unlock(&cache->mutex);
    if (!room)
        return;
    if (atomic_load_explicit(&cache->held, memory_order_relaxed) > cache->budget)
        value_cache_reclaim(cache); /* what was evicted goes before memory is taken for what comes */
    cached_value *v = atomic_load_explicit(&cache->held, memory_order_relaxed) <= cache->budget
                          ? io_alloc_aligned(cache->io, bytes, CACHE_LINE_BYTES)
                          : NULL; /* pinned, or others are reclaiming: not this time */
    if (!v) {
        atomic_fetch_sub_explicit(&cache->held, bytes, memory_order_relaxed);
        return;
    }
    memset(v, 0, sizeof *v);
    v->place = value->first_page;
    v->checksum = value->checksum;
    v->bytes = value->bytes;
    v->kind = (uint32_t)value->kind;
    v->cache = cache;
    atomic_init(&v->pins, 1);
    memcpy((uint8_t *)v + DATA_AT, data, value->bytes);
    sync_mutex_lock(&cache->mutex);
    const bool present = table_find(cache, value) != NULL; /* another reader was faster */
    if (!present)
        table_link(cache, v);
    sync_mutex_unlock(&cache->mutex);
    if (present)
        value_free(v);
    else
        atomic_fetch_add_explicit(&cache->inserts, 1, memory_order_relaxed);
}

bool value_cache_wants_reclaim(const value_cache *cache)
{
    return atomic_load_explicit(&cache->waiting, memory_order_relaxed) > cache->budget / 8; /* a hint */
}

void value_cache_reclaim(value_cache *cache)
{
    reclaim_drain(&cache->queue);
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
