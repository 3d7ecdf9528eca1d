/*
 * row_cache_find.h - what a hit in the row cache runs, inline: the table's shape, the hash and the search.  Internal to
 * row_cache.c, read.c and multi_get.c; row_cache.h has protocol and argument.
 *
 * Why inline: a get is two loads that miss the caches, one behind the other.  The processor begins with the next get's
 * while it waits for this one's as long as both fit its window (320 instructions on the machines measured), so each
 * instruction that is not there counts twice.
 */
#ifndef LEVIN_ROW_CACHE_FIND_H
#define LEVIN_ROW_CACHE_FIND_H

#include <assert.h>
#include <stddef.h>

#include "codec.h"
#include "row_cache.h"

/* Sixteen-byte loads of a bucket are no atomic accesses to ThreadSanitizer. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(thread_sanitizer)
#define ROW_CACHE_SSE2 1
#endif
#else
#define ROW_CACHE_SSE2 1
#endif
#endif
#ifdef ROW_CACHE_SSE2
#include <emmintrin.h>
#endif

enum { ROW_SLOTS = 7, ROW_LINE_BYTES = 64 };

#define SLOT_HIT UINT64_C(1)  /* hit since it came or was moved */
#define SLOT_MAIN UINT64_C(2) /* in the main queue */
#define SLOT_RECENT UINT64_C(4) /* hit since row_cache_gather() looked; never without SLOT_HIT */
#define SLOT_GATHERED UINT64_C(8) /* laid beside other hot rows */
#define SLOT_ADDRESS UINT64_C(0x0000fffffffffff0)
#define ADDRESS_BITS 48
#define TAG_BITS 16
#define TAG_MASK UINT64_C(0xffff)
#define VALUE_ABSENT UINT16_C(0xffff)

typedef struct row_item {
    uint64_t sequence;
    uint16_t key_bytes;
    uint16_t value_bytes; /* or VALUE_ABSENT */
    uint8_t bytes[];      /* key, value */
} row_item;
enum { ITEM_HEADER_BYTES = offsetof(row_item, bytes), ITEM_ALIGN = 16 };
static_assert(ITEM_HEADER_BYTES == 12, "a key of 16 and a value of 100 bytes fill two cache lines");

typedef struct row_bucket {
    _Alignas(ROW_LINE_BYTES) _Atomic uint64_t slot[ROW_SLOTS];
    _Atomic uint64_t touched;
} row_bucket;
static_assert(sizeof(row_bucket) == ROW_LINE_BYTES, "a bucket is one cache line");

/* The first member of struct row_cache: what a hit reads; written seldom. */
typedef struct row_table {
    _Alignas(ROW_LINE_BYTES) _Atomic(row_bucket *) buckets; /* release in activate, acquire everywhere else */
    size_t bucket_count;          /* constant */
    _Atomic uint64_t cleared;     /* relaxed; ordered as `touched` is */
} row_table;

static inline const row_table *row_table_of(const row_cache *cache)
{
    return (const row_table *)(const void *)cache;
}

/* ---- words and items ---- */

static inline row_item *slot_item(uint64_t word)
{
    return (row_item *)(uintptr_t)(word & SLOT_ADDRESS);
}
/* Never 0, so that an empty slot fits no key. */
static inline uint64_t hash_tag(uint64_t hash)
{
    return (hash & TAG_MASK) | 1;
}
static inline bool slot_fits(uint64_t word, uint64_t hash)
{
    return word >> ADDRESS_BITS == hash_tag(hash);
}

/* A key that two overlapping loads of 8 bytes see whole. */
static inline bool row_key_is_middle(size_t key_bytes)
{
    return key_bytes - 8 <= 8;
}
/* ... or four of them. */
static inline bool row_key_is_longer(size_t key_bytes)
{
    return key_bytes - 17 <= 15;
}
/* Bytes of the key alone. No key with ROW_NAMED is a middle one, so that the shortest way pays nothing for it. */
static inline size_t row_key_alone(size_t key_bytes)
{
    return row_key_is_middle(key_bytes) ? key_bytes : key_bytes & ~(size_t)ROW_NAMED;
}
static inline bool item_has_key(const row_item *item, const uint8_t *key, size_t key_bytes)
{
    if (item->key_bytes != key_bytes)
        return false;
    const uint8_t *own = item->bytes;
    if (row_key_is_middle(key_bytes))
        return load_u64(own) == load_u64(key) && load_u64(own + key_bytes - 8) == load_u64(key + key_bytes - 8);
    key_bytes = row_key_alone(key_bytes);
    if (!row_key_is_longer(key_bytes))
        return memcmp(own, key, key_bytes) == 0;
    const size_t last = key_bytes - 8;
    return !((load_u64(own) ^ load_u64(key)) | (load_u64(own + 8) ^ load_u64(key + 8)) |
             (load_u64(own + last - 8) ^ load_u64(key + last - 8)) | (load_u64(own + last) ^ load_u64(key + last)));
}

/* ---- buckets ---- */

static inline row_bucket *buckets_now(const row_cache *cache)
{
    /* acquire: pairs with row_cache_activate() */
    return atomic_load_explicit(&row_table_of(cache)->buckets, memory_order_acquire);
}
/* By the upper half (Lemire, "Fast random integer generation in an interval", 2019); the low 16 bits are the tag. */
static inline size_t bucket_number(const row_cache *cache, uint64_t hash)
{
    return (hash >> 32) * row_table_of(cache)->bucket_count >> 32;
}
static inline row_bucket *bucket_of(const row_cache *cache, row_bucket *buckets, uint64_t hash)
{
    return &buckets[bucket_number(cache, hash)];
}

/* What an item in the bucket must reach. After an acquire load of the slot: [C] of row_cache.h. */
static inline uint64_t bucket_floor(const row_cache *cache, const row_bucket *b)
{
    uint64_t touched = atomic_load_explicit(&b->touched, memory_order_relaxed);
    uint64_t cleared = atomic_load_explicit(&row_table_of(cache)->cleared, memory_order_relaxed);
    return touched > cleared ? touched : cleared;
}

/*
 * The slots whose tags fit, a bit for each: without a branch that nobody could predict.  A hint, what fits is loaded
 * again: so the words may be read in any order, and two at a time.
 */
static inline unsigned bucket_fits(const row_bucket *b, uint64_t hash)
{
#ifdef ROW_CACHE_SSE2
    const __m128 *w = (const __m128 *)(const void *)b;
    /* the upper halves of the words, four by four; the tags are the upper halves of those */
    const __m128i low = _mm_castps_si128(_mm_shuffle_ps(w[0], w[1], _MM_SHUFFLE(3, 1, 3, 1)));
    const __m128i high = _mm_castps_si128(_mm_shuffle_ps(w[2], w[3], _MM_SHUFFLE(3, 1, 3, 1)));
    const __m128i tags = _mm_packs_epi32(_mm_srai_epi32(low, 16), _mm_srai_epi32(high, 16)); /* fit their 16 bits */
    const __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)hash_tag(hash)));
    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128())) & ((1u << ROW_SLOTS) - 1);
#else
    unsigned fits = 0;
    for (unsigned i = 0; i < ROW_SLOTS; i++) /* relaxed: a hint */
        fits |= (unsigned)slot_fits(atomic_load_explicit(&b->slot[i], memory_order_relaxed), hash) << i;
    return fits;
#endif
}

/* ---- the search ---- */

/*
 * row_cache_hash(): for keys of 8 to 16 bytes two multiplications of 64 by 64 bits (Wang Yi, wyhash, 2019), three up to
 * 32.  Nothing keeps a hash beyond the process.
 */
static inline uint64_t row_hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
static inline uint64_t row_hash_middle(const void *key, size_t key_bytes)
{
    uint64_t first = load_u64(key), last = load_u64((const uint8_t *)key + key_bytes - 8);
    uint64_t mixed = row_hash_mix(first ^ 0x2d358dccaa6c78a5u, last ^ 0x8bb84b93962eacc9u);
    return row_hash_mix(mixed ^ 0x4b33a62ed433d4a3u, key_bytes ^ 0x4d5a2da51de1aa47u);
}
static inline uint64_t row_hash_longer(const void *key, size_t key_bytes)
{
    const uint8_t *first = key, *last = first + key_bytes - 8;
    uint64_t mixed = row_hash_mix(load_u64(first) ^ 0x2d358dccaa6c78a5u, load_u64(first + 8) ^ 0x8bb84b93962eacc9u);
    mixed ^= row_hash_mix(load_u64(last - 8) ^ 0x9e3779b97f4a7c15u, load_u64(last) ^ 0x165667b19e3779f9u);
    return row_hash_mix(mixed ^ 0x4b33a62ed433d4a3u, key_bytes ^ 0x4d5a2da51de1aa47u);
}
static inline uint64_t row_hash(const void *key, size_t key_bytes)
{
    return row_key_is_middle(key_bytes)   ? row_hash_middle(key, key_bytes)
           : row_key_is_longer(key_bytes) ? row_hash_longer(key, key_bytes)
                                          : row_cache_hash(key, key_bytes);
}

/* row_cache_find(). Only for where each instruction counts. */
static inline __attribute__((always_inline)) bool row_find(row_cache *cache, uint64_t hash, const void *key,
                                                           size_t key_bytes, uint64_t sequence, row_value *value)
{
    row_bucket *buckets = buckets_now(cache);
    if (!buckets)
        return false;
    row_bucket *b = bucket_of(cache, buckets, hash);
    for (unsigned fits = bucket_fits(b, hash); fits; fits &= fits - 1) {
        unsigned i = (unsigned)__builtin_ctz(fits);
        uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_acquire); /* [B]: with every set of a slot */
        const row_item *item = slot_item(word);
        if (!slot_fits(word, hash) || !item_has_key(item, key, key_bytes))
            continue;
        uint64_t floor = bucket_floor(cache, b);
        if (item->sequence < floor || sequence < floor)
            continue;
        /* relaxed: the slot stays what it was, the set of it heads the release sequence; a lost mark does no harm */
        if (__builtin_expect(!(word & SLOT_RECENT), 0))
            atomic_compare_exchange_strong_explicit(&b->slot[i], &word, word | SLOT_HIT | SLOT_RECENT,
                                                    memory_order_relaxed, memory_order_relaxed);
        bool absent = item->value_bytes == VALUE_ABSENT;
        value->data = absent ? NULL : item->bytes + row_key_alone(key_bytes);
        value->bytes = absent ? 0 : item->value_bytes;
        return true;
    }
    return false;
}

#endif
