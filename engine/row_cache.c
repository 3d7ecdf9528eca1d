/*
 * row_cache.c - the table, the segments and their queues (row_cache.h has protocol and argument).
 *
 * Invariants
 *   - An item that a slot leads to is in a segment that is in use, and was written before the slot was set.
 *   - A segment is free (in no slot's reach, after a grace period), active (fills reserve in it), settling (moved items
 *     are put into it) or in one of the two queues, oldest first.  All but `active` and `used` belongs to the mutex.
 *   - quiet: a grace period has passed since the segment was active, so that all items in it are written and no more
 *     slots will be set to it by fillers.  Only quiet segments are emptied.
 *   - Only the thread with the mutex moves items or takes them out by segment; slots change by compare-and-swap only.
 *     No ABA: a word read in a section names memory that is not filled again before that section ends, and the
 *     thread with the mutex is the one that lets it be filled again.
 *   - row_cache_bytes() is at most the budget.
 *
 * Crash safety: nothing is on disk.
 */
#include "row_cache_find.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "file.h"
#include "record_format.h"

enum {
    SLOTS = ROW_SLOTS,
    LINE_BYTES = ROW_LINE_BYTES,
    HUGE_PAGE_BYTES = 2 << 20,   /* io_posix.c gives huge pages to who aligns so */
    SEGMENT_MIN_BYTES = 4096,
    SMALL_TABLE_BYTES = 1 << 20, /* cleared in a fraction of a millisecond */
    SEGMENT_MAX_BYTES = HUGE_PAGE_BYTES,
    SEGMENTS_MIN = 6,
    TABLE_SHARE = 11,            /* a part of the budget: 7 slots for each 64 bytes, 70 % used by items of 128 bytes */
    SMALL_SHARE = 10,            /* a part of the segments */
    READY = 2,                   /* free segments wanted: one for fills, one for items that move */
    WALK = 16,                   /* items of a segment that are looked at together */
    TOUCH_BYTES = 4096,          /* the smallest page that a kernel gives */
    MAINTAIN_STEPS = 4,
    GATHER_SEGMENTS_MIN = 8,     /* what fewer hold lies close together as it is */
    GATHER_SHARE = 8,            /* rows are hot when they are at most this part of all */
    GATHER_WINDOW_SHARE = 4,     /* looked at after reads of such a part of the rows: read alike, a fifth is hit */
    GATHER_ROWS_MIN = 16384,     /* as if there were so many at least */
    GATHER_SAMPLE = 64,          /* one bucket in so many is looked at first */
    GATHER_REST_MAX = 3,         /* doublings of the time between two looks at the sample that found nothing */
    GATHER_REST_LONG = 6,        /* after a look at all rows */
    ACTIVATION_SHARE = 16        /* a table is made after one miss for so many buckets: clearing them takes as long */
};

typedef struct row_segment {
    struct row_segment *next;
    uint8_t *memory;
    _Atomic size_t used; /* reserved; relaxed: what is in it is published by the slots, and by grace periods */
    bool quiet;
} row_segment;

typedef struct row_queue {
    row_segment *first, *last;
    size_t count;
} row_queue;

/* What is known of hot rows. */
enum gather_phase { GATHER_IDLE, GATHER_SAMPLING, GATHER_LOOKING };

struct row_cache {
    row_table table;
    _Atomic uint64_t *ghosts;     /* a word for each bucket: the last four tags that left unhit; relaxed, hints */
    _Atomic(row_segment *) active; /* release by who has the mutex, acquire by fillers; NULL: no room */
    _Atomic bool wanting;         /* a hint */
    counter_set *counts;
    unsigned first_slot;
    size_t segment_bytes;         /* constant */

    _Alignas(LINE_BYTES) sync_mutex mutex; /* the rest; waited for by thorough upkeep only */
    const levin_io *io;
    size_t segment_count, segment_max;
    row_bucket *prepared;         /* the table, before and after it is in use; NULL: not made yet */
    _Atomic bool table_wanted;    /* a hint */
    row_segment *segments;        /* segment_max of them, segment_count with memory */
    row_queue ready, small, main;
    bool asked;                   /* somebody was told that thorough work is left, and it has not begun */
    row_segment *settling;
    size_t settled;               /* bytes used of it */
    enum gather_phase gather_phase;
    unsigned gather_rest;
    _Atomic uint64_t bytes;       /* relaxed; pairs with nothing */

    _Alignas(LINE_BYTES) _Atomic uint64_t reads_noted; /* relaxed, as the next: hints */
    _Atomic uint64_t gather_at;   /* UINT64_MAX: row_cache_gather() has been asked for */
};

static_assert(offsetof(row_cache, table) == 0, "row_table_of()");

/* ---- words and items ---- */

static inline uint64_t slot_word(uint64_t hash, const row_item *item)
{
    return hash_tag(hash) << ADDRESS_BITS | (uint64_t)(uintptr_t)item;
}
static inline size_t item_bytes(size_t key_bytes, size_t value_bytes)
{
    return (ITEM_HEADER_BYTES + key_bytes + value_bytes + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
}
static inline size_t item_size(const row_item *item)
{
    return item_bytes(item->key_bytes & ~ROW_NAMED, item->value_bytes == VALUE_ABSENT ? 0 : item->value_bytes);
}

size_t row_cache_bucket(const row_cache *cache, uint64_t hash)
{
    return bucket_number(cache, hash);
}

/* ---- ghosts ---- */

static inline void ghost_add(row_cache *cache, uint64_t tag, size_t bucket)
{
    uint64_t tags = atomic_load_explicit(&cache->ghosts[bucket], memory_order_relaxed); /* a lost one does no harm */
    atomic_store_explicit(&cache->ghosts[bucket], tags << TAG_BITS | tag, memory_order_relaxed);
}

static inline bool ghost_known(const row_cache *cache, uint64_t hash)
{
    uint64_t tags = atomic_load_explicit(&cache->ghosts[row_cache_bucket(cache, hash)], memory_order_relaxed);
    for (; tags; tags >>= TAG_BITS)
        if ((tags & TAG_MASK) == hash_tag(hash))
            return true;
    return false;
}

uint64_t row_cache_hash(const void *key, size_t key_bytes)
{
    return row_key_is_middle(key_bytes)   ? row_hash_middle(key, key_bytes)
           : row_key_is_longer(key_bytes) ? row_hash_longer(key, key_bytes)
                                          : XXH3_64bits(key, key_bytes);
}

/* ---- readers ---- */

bool row_cache_active(const row_cache *cache)
{
    return buckets_now(cache) != NULL;
}

void row_cache_prefetch(const row_cache *cache, uint64_t hash)
{
    row_bucket *buckets = buckets_now(cache);
    if (buckets)
        __builtin_prefetch(bucket_of(cache, buckets, hash));
}

void row_cache_prefetch_items(const row_cache *cache, uint64_t hash)
{
    row_bucket *buckets = buckets_now(cache);
    if (!buckets)
        return;
    const row_bucket *b = bucket_of(cache, buckets, hash);
    for (unsigned fits = bucket_fits(b, hash); fits; fits &= fits - 1) {
        /* relaxed: nothing is read through it here */
        uint64_t word = atomic_load_explicit(&b->slot[__builtin_ctz(fits)], memory_order_relaxed);
        __builtin_prefetch(slot_item(word));
        __builtin_prefetch((const char *)slot_item(word) + LINE_BYTES);
    }
}

bool row_cache_find(row_cache *cache, uint64_t hash, const void *key, size_t key_bytes, uint64_t sequence,
                    row_value *value)
{
    return row_find(cache, hash, key, key_bytes, sequence, value);
}

/* ---- fills ---- */

static void want_maintenance(row_cache *cache)
{
    if (!atomic_load_explicit(&cache->wanting, memory_order_relaxed)) /* a hint, here and below */
        atomic_store_explicit(&cache->wanting, true, memory_order_relaxed);
}

/* Room in the active segment; NULL: there is none now. */
static row_item *item_reserve(row_cache *cache, size_t bytes)
{
    row_segment *s = atomic_load_explicit(&cache->active, memory_order_acquire); /* pairs with active_set() */
    if (!s)
        return NULL;
    size_t used = atomic_load_explicit(&s->used, memory_order_relaxed); /* the exchange checks it */
    do {
        if (bytes > cache->segment_bytes - used)
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&s->used, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    if (cache->segment_bytes - used - bytes < ROW_CACHE_ITEM_MAX_BYTES)
        want_maintenance(cache); /* before it is too late for the next fill */
    return (row_item *)(void *)(s->memory + used);
}

/* A bucket full of items that were hit: a stale one, or none and one mark less. */
static int choose_among_hit(row_cache *cache, row_bucket *b, unsigned start, uint64_t words[SLOTS])
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slot_item(words[i])->sequence < bucket_floor(cache, b))
            return (int)i;
    uint64_t word = words[start];
    /* relaxed: as the mark itself in row_cache_find() */
    atomic_compare_exchange_strong_explicit(&b->slot[start], &word, word & ~(SLOT_HIT | SLOT_RECENT),
                                            memory_order_relaxed, memory_order_relaxed);
    return -1;
}

/* The slot for a new item, -1: none. words[] is what the slots hold. */
static int choose_slot(row_cache *cache, row_bucket *b, uint64_t hash, const uint8_t *key, size_t key_bytes,
                       uint64_t words[SLOTS])
{
    int empty = -1, unhit[2] = { -1, -1 }; /* of the small queue, of the main queue */
    const unsigned start = (unsigned)(hash >> 16) % SLOTS; /* so that not always the same one goes */
    for (unsigned n = 0; n < SLOTS; n++) {
        unsigned i = start + n < SLOTS ? start + n : start + n - SLOTS;
        uint64_t word = words[i] = atomic_load_explicit(&b->slot[i], memory_order_acquire); /* [B] */
        if (!word) {
            empty = empty < 0 ? (int)i : empty;
        } else if (slot_fits(word, hash) && item_has_key(slot_item(word), key, key_bytes)) {
            return slot_item(word)->sequence < bucket_floor(cache, b) ? (int)i : -1; /* stale: its place */
        } else if (!(word & SLOT_HIT)) {
            int *first = &unhit[(word & SLOT_MAIN) != 0];
            *first = *first < 0 ? (int)i : *first;
        }
    }
    if (empty >= 0)
        return empty;
    if (unhit[0] >= 0)
        return unhit[0];
    return unhit[1] >= 0 ? unhit[1] : choose_among_hit(cache, b, start, words);
}

void row_cache_fill(row_cache *cache, uint64_t hash, const void *key, size_t key_bytes, const row_value *value,
                    uint64_t sequence)
{
    row_bucket *buckets = buckets_now(cache);
    const size_t bytes = key_bytes & ~(size_t)ROW_NAMED, size = item_bytes(bytes, value->bytes);
    uint64_t words[SLOTS];
    if (!buckets || size > ROW_CACHE_ITEM_MAX_BYTES)
        return;
    row_bucket *b = bucket_of(cache, buckets, hash);
    if (sequence < bucket_floor(cache, b))
        return; /* written since: no hit would accept it */
    int slot = choose_slot(cache, b, hash, key, key_bytes, words);
    if (slot < 0)
        return;
    row_item *item = item_reserve(cache, size);
    if (!item) {
        want_maintenance(cache);
        return;
    }
    item->sequence = sequence;
    item->key_bytes = (uint16_t)key_bytes;
    item->value_bytes = value->data ? (uint16_t)value->bytes : VALUE_ABSENT;
    memcpy(item->bytes, key, bytes);
    if (value->bytes)
        memcpy(item->bytes + bytes, value->data, value->bytes);
    /* who has been here lately is no newcomer: the next round finds it hit */
    uint64_t word = slot_word(hash, item) | (ghost_known(cache, hash) ? SLOT_HIT : 0);
    /* release: [B]. When another thread was faster the item lies unused until its segment is emptied */
    if (!atomic_compare_exchange_strong_explicit(&b->slot[slot], &words[slot], word, memory_order_release,
                                                 memory_order_relaxed))
        return;
    counter_stripe *mine = counter_mine(cache->counts);
    counter_add(mine, cache->first_slot + ROW_INSERTS, 1);
    if (words[slot]) {
        counter_add(mine, cache->first_slot + ROW_EVICTIONS, 1);
        if (!(words[slot] & (SLOT_HIT | SLOT_MAIN)))
            ghost_add(cache, words[slot] >> ADDRESS_BITS, row_cache_bucket(cache, hash));
    }
}

/* ---- the leader ---- */

static inline void raise_to(_Atomic uint64_t *word, uint64_t sequence)
{
    /* relaxed: only the leader stores; published by version_publish(), [A] */
    if (atomic_load_explicit(word, memory_order_relaxed) < sequence)
        atomic_store_explicit(word, sequence, memory_order_relaxed);
}

void row_cache_touch_records(row_cache *cache, const uint8_t *records, size_t count, uint64_t sequence)
{
    row_bucket *buckets = buckets_now(cache), *b[WALK];
    if (!buckets)
        return;
    while (count) {
        size_t n = count < WALK ? count : WALK;
        for (size_t i = 0; i < n; i++) {
            b[i] = bucket_of(cache, buckets, row_cache_hash(record_key(records), record_key_bytes(records)));
            __builtin_prefetch(b[i], 1);
            records += record_bytes(records);
        }
        for (size_t i = 0; i < n; i++)
            raise_to(&b[i]->touched, sequence);
        count -= n;
    }
}

void row_cache_touch_all(row_cache *cache, uint64_t sequence)
{
    raise_to(&cache->table.cleared, sequence);
}

/* ---- segments and queues; with the mutex ---- */

static void queue_push(row_queue *q, row_segment *s)
{
    s->next = NULL;
    if (q->last)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
    q->count++;
}

static row_segment *queue_pop(row_queue *q)
{
    row_segment *s = q->first;
    if (!s)
        return NULL;
    q->first = s->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    return s;
}

/* Memory for one more segment, when the budget has it. */
static bool segment_allocate(row_cache *cache)
{
    const size_t bytes = cache->segment_bytes;
    if (cache->segment_count == cache->segment_max)
        return false;
    uint8_t *memory = io_alloc_aligned(cache->io, bytes, bytes < HUGE_PAGE_BYTES ? LINE_BYTES : HUGE_PAGE_BYTES);
    if (!memory)
        return false;
    if (((uint64_t)(uintptr_t)memory + bytes) >> ADDRESS_BITS) { /* no room for the tag: no cache on this machine */
        io_free(cache->io, memory, bytes);
        return false;
    }
    for (size_t i = 0; i < bytes; i += TOUCH_BYTES)
        memory[i] = 0; /* the kernel's work is done here and not under a reader */
    row_segment *s = &cache->segments[cache->segment_count++];
    s->memory = memory;
    atomic_init(&s->used, 0);
    queue_push(&cache->ready, s);
    atomic_fetch_add_explicit(&cache->bytes, bytes, memory_order_relaxed);
    return true;
}

/* Whether the active segment takes no item of the longest kind any more, or there is none. */
static bool active_is_full(row_cache *cache)
{
    /* relaxed: only who has the mutex stores it; `used` is a hint here */
    row_segment *s = atomic_load_explicit(&cache->active, memory_order_relaxed);
    return !s || cache->segment_bytes - atomic_load_explicit(&s->used, memory_order_relaxed) <
                     ROW_CACHE_ITEM_MAX_BYTES;
}

/* The old active segment, which fillers may still be at, goes to the small queue. */
static void active_set(row_cache *cache, row_segment *s)
{
    row_segment *old = atomic_load_explicit(&cache->active, memory_order_relaxed); /* as above */
    if (s) {
        s->quiet = false;
        atomic_store_explicit(&s->used, 0, memory_order_relaxed); /* published by the next store */
    }
    atomic_store_explicit(&cache->active, s, memory_order_release); /* pairs with item_reserve() */
    if (old)
        queue_push(&cache->small, old);
}

/* ---- emptying a segment; with the mutex ---- */

/* A copy of the item in the main queue; NULL: no room. */
static row_item *item_move(row_cache *cache, const row_item *item)
{
    const size_t size = item_size(item);
    if (!cache->settling || size > cache->segment_bytes - cache->settled) {
        if (cache->settling)
            queue_push(&cache->main, cache->settling);
        cache->settling = queue_pop(&cache->ready);
        if (!cache->settling)
            return NULL;
        cache->settling->quiet = false;
        cache->settled = 0;
    }
    row_item *copy = (row_item *)(void *)(cache->settling->memory + cache->settled);
    memcpy(copy, item, size);
    cache->settled += size;
    atomic_store_explicit(&cache->settling->used, cache->settled, memory_order_relaxed); /* read with the mutex */
    return copy;
}

/* Takes the item out of its bucket, if it is still there, or moves it. Returns the bytes moved. */
static size_t item_unlink(row_cache *cache, row_bucket *b, uint64_t hash, const row_item *item, bool may_move)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_relaxed); /* the item was written before */
        row_item *copy = NULL;
        while (slot_item(word) == item) {
            if (!copy && may_move && (word & SLOT_HIT) && item->sequence >= bucket_floor(cache, b))
                copy = item_move(cache, item);
            const uint64_t next = copy ? slot_word(hash, copy) | SLOT_MAIN : 0;
            /* release: [B] for the copy. Fails when a mark was set, or a filler took the slot */
            if (!atomic_compare_exchange_strong_explicit(&b->slot[i], &word, next, memory_order_release,
                                                         memory_order_relaxed))
                continue;
            if (copy)
                return item_size(item);
            if (!(word & (SLOT_HIT | SLOT_MAIN)))
                ghost_add(cache, hash_tag(hash), row_cache_bucket(cache, hash));
            counter_add(counter_mine(cache->counts), cache->first_slot + ROW_EVICTIONS, 1);
            return 0;
        }
    }
    return 0;
}

/* No slot leads to the segment afterwards. */
static void segment_empty(row_cache *cache, const row_segment *s, size_t moved_max)
{
    row_bucket *buckets = buckets_now(cache), *b[WALK];
    const row_item *item[WALK];
    uint64_t hash[WALK];
    const size_t used = atomic_load_explicit(&s->used, memory_order_relaxed); /* the segment is quiet */
    size_t at = 0, moved = 0;
    while (at < used) {
        size_t n = 0;
        for (; n < WALK && at < used; n++) {
            item[n] = (const row_item *)(const void *)(s->memory + at);
            hash[n] = row_cache_hash(item[n]->bytes, item[n]->key_bytes & ~ROW_NAMED);
            b[n] = bucket_of(cache, buckets, hash[n]);
            __builtin_prefetch(b[n], 1);
            at += item_size(item[n]);
        }
        for (size_t i = 0; i < n; i++)
            moved += item_unlink(cache, b[i], hash[i], item[i], moved < moved_max);
    }
}

/* One grace period: what no slot leads to is free after it, and what was active before it is quiet. */
static void grace_period(row_cache *cache)
{
    reclaim_synchronize();
    for (row_segment *s = cache->small.first; s; s = s->next)
        s->quiet = true;
    for (row_segment *s = cache->main.first; s; s = s->next)
        s->quiet = true;
}

/* Empties the oldest segment of the small queue, when it has more than its share, or of the main queue. */
static bool evict_segment(row_cache *cache)
{
    bool small = cache->small.count > cache->segment_count / SMALL_SHARE || !cache->main.first;
    row_queue *q = small ? &cache->small : &cache->main;
    if (!q->first)
        return false;
    if (!q->first->quiet)
        grace_period(cache);
    row_segment *s = queue_pop(q);
    /* an item leaves the small queue once; in the main one some have to go, however often they are hit */
    segment_empty(cache, s, small ? SIZE_MAX : cache->segment_bytes / 4 * 3);
    grace_period(cache);
    queue_push(&cache->ready, s);
    return true;
}

bool row_cache_wants_maintenance(const row_cache *cache)
{
    return atomic_load_explicit(&cache->wanting, memory_order_relaxed); /* a hint */
}

bool row_cache_maintain(row_cache *cache, bool thorough)
{
    bool stuck = false;
    if (!row_cache_active(cache))
        return true;
    if (!sync_mutex_trylock(&cache->mutex)) {
        if (!thorough)
            return true;
        sync_mutex_lock(&cache->mutex); /* whoever has it has told us, or tells nobody any more: it is ours to do */
    }
    for (int step = 0; step < MAINTAIN_STEPS && !stuck; step++) {
        if (active_is_full(cache) && cache->ready.count >= READY)
            active_set(cache, queue_pop(&cache->ready));
        if (cache->ready.count >= READY || !thorough)
            break;
        stuck = !segment_allocate(cache) && !evict_segment(cache); /* no memory, and nothing to empty: not now */
    }
    bool left = cache->ready.count < READY && !stuck, tell = left && (thorough || !cache->asked);
    cache->asked = left && !thorough;
    /* a hint: until who was asked comes, others need not call; without room a fill sets it again */
    atomic_store_explicit(&cache->wanting, false, memory_order_relaxed);
    sync_mutex_unlock(&cache->mutex);
    return !tell;
}

/* ---- gathering hot rows ---- */

bool row_cache_note_reads(row_cache *cache, uint64_t reads)
{
    /* relaxed, all of it: hints */
    const uint64_t noted = atomic_load_explicit(&cache->reads_noted, memory_order_relaxed) + reads;
    uint64_t at = atomic_load_explicit(&cache->gather_at, memory_order_relaxed);
    atomic_store_explicit(&cache->reads_noted, noted, memory_order_relaxed);
    return noted >= at && at != UINT64_MAX && row_cache_active(cache) &&
           atomic_compare_exchange_strong_explicit(&cache->gather_at, &at, UINT64_MAX, memory_order_relaxed,
                                                   memory_order_relaxed);
}

typedef struct row_tally {
    uint64_t rows, recent, gathered; /* gathered: of the recent ones */
} row_tally;

static row_tally tally(const row_cache *cache, size_t step)
{
    const row_bucket *buckets = buckets_now(cache);
    row_tally t = { 0 };
    for (size_t b = 0; b < cache->table.bucket_count; b += step)
        for (unsigned i = 0; i < SLOTS; i++) {
            const uint64_t word = atomic_load_explicit(&buckets[b].slot[i], memory_order_relaxed); /* not followed */
            t.rows += word != 0;
            t.recent += (word & SLOT_RECENT) != 0;
            t.gathered += (word & SLOT_RECENT) && (word & SLOT_GATHERED);
        }
    return t;
}

static void forget_recent(row_cache *cache, size_t step)
{
    row_bucket *buckets = buckets_now(cache);
    for (size_t b = 0; b < cache->table.bucket_count; b += step)
        for (unsigned i = 0; i < SLOTS; i++) {
            uint64_t word = atomic_load_explicit(&buckets[b].slot[i], memory_order_relaxed);
            if (word & SLOT_RECENT) /* relaxed: as the mark itself in row_find(); a slot that changed has no old mark */
                atomic_compare_exchange_strong_explicit(&buckets[b].slot[i], &word, word & ~SLOT_RECENT,
                                                        memory_order_relaxed, memory_order_relaxed);
        }
}

/* Room for one more row beside those gathered before. May empty a segment. */
static bool gather_room(row_cache *cache)
{
    return (cache->settling && cache->segment_bytes - cache->settled >= ROW_CACHE_ITEM_MAX_BYTES) ||
           cache->ready.count || segment_allocate(cache) || evict_segment(cache);
}

/* Moves the row of a slot beside those moved before; there is room. */
static void slot_gather(row_cache *cache, row_bucket *b, unsigned i)
{
    uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_acquire); /* [B] */
    const row_item *item = slot_item(word), *copy = NULL;
    while ((word & SLOT_RECENT) && slot_item(word) == item && item->sequence >= bucket_floor(cache, b)) {
        if (!copy && !(copy = item_move(cache, item)))
            return;
        const uint64_t tag = word & TAG_MASK << ADDRESS_BITS;
        const uint64_t next = tag | (uint64_t)(uintptr_t)copy | SLOT_HIT | SLOT_MAIN | SLOT_GATHERED;
        /* release: [B] for the copy; acquire: for another item, should the slot have got one */
        if (atomic_compare_exchange_strong_explicit(&b->slot[i], &word, next, memory_order_release,
                                                    memory_order_acquire))
            return;
    }
}

static void gather_recent(row_cache *cache)
{
    row_bucket *buckets = buckets_now(cache);
    for (size_t b = 0; b < cache->table.bucket_count; b++)
        for (unsigned i = 0; i < SLOTS; i++) {
            if (!(atomic_load_explicit(&buckets[b].slot[i], memory_order_relaxed) & SLOT_RECENT)) /* not followed */
                continue;
            if (!gather_room(cache))
                return;
            slot_gather(cache, &buckets[b], i);
        }
}

static bool tally_is_hot(const row_tally *t)
{
    return t->recent && t->recent * GATHER_SHARE <= t->rows;
}

/* Returns the time until the next step, in windows doubled so many times. */
static unsigned gather_step(row_cache *cache)
{
    row_tally t;
    switch (cache->gather_phase) {
    case GATHER_IDLE:
        if (cache->segment_count < GATHER_SEGMENTS_MIN)
            break;
        forget_recent(cache, GATHER_SAMPLE);
        cache->gather_phase = GATHER_SAMPLING;
        return 0;
    case GATHER_SAMPLING:
        t = tally(cache, GATHER_SAMPLE);
        if (!tally_is_hot(&t))
            break;
        forget_recent(cache, 1);
        cache->gather_phase = GATHER_LOOKING;
        return 0;
    case GATHER_LOOKING:
        t = tally(cache, 1);
        if (tally_is_hot(&t) && t.gathered < t.recent / 4 * 3)
            gather_recent(cache);
        cache->gather_phase = GATHER_IDLE;
        cache->gather_rest = 0;
        return GATHER_REST_LONG;
    }
    cache->gather_phase = GATHER_IDLE;
    cache->gather_rest = cache->gather_rest < GATHER_REST_MAX ? cache->gather_rest + 1 : GATHER_REST_MAX;
    return cache->gather_rest;
}

void row_cache_gather(row_cache *cache)
{
    if (!row_cache_active(cache) ||
        atomic_load_explicit(&cache->gather_at, memory_order_relaxed) != UINT64_MAX) /* a hint */
        return;
    sync_mutex_lock(&cache->mutex);
    const unsigned doublings = gather_step(cache);
    const uint64_t rows = counter_read(cache->counts, cache->first_slot + ROW_INSERTS) -
                          counter_read(cache->counts, cache->first_slot + ROW_EVICTIONS);
    const uint64_t window = (rows > GATHER_ROWS_MIN ? rows : GATHER_ROWS_MIN) / GATHER_WINDOW_SHARE;
    const uint64_t now = atomic_load_explicit(&cache->reads_noted, memory_order_relaxed);
    atomic_store_explicit(&cache->gather_at, now + (window << doublings), memory_order_relaxed);
    sync_mutex_unlock(&cache->mutex);
}

/* ---- life ---- */

row_cache *row_cache_create(const levin_io *io, uint64_t budget_bytes, counter_set *counts, unsigned first_slot)
{
    row_cache *cache = io_alloc_aligned(io, sizeof *cache, LINE_BYTES);
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->io = io;
    cache->counts = counts;
    cache->first_slot = first_slot;
    size_t budget = budget_bytes < SIZE_MAX / 2 ? (size_t)budget_bytes : SIZE_MAX / 2;
    cache->table.bucket_count = budget / TABLE_SHARE / sizeof(row_bucket);
    if (cache->table.bucket_count > UINT32_MAX)
        cache->table.bucket_count = UINT32_MAX;
    cache->segment_bytes = SEGMENT_MIN_BYTES;
    while (cache->segment_bytes < SEGMENT_MAX_BYTES && cache->segment_bytes < budget / 32)
        cache->segment_bytes *= 2;
    size_t left = budget - cache->table.bucket_count * (sizeof(row_bucket) + sizeof cache->ghosts[0]) - sizeof *cache;
    cache->segment_max = left / (cache->segment_bytes + sizeof(row_segment));
    assert(budget >= ROW_CACHE_MIN_BYTES && cache->segment_max >= SEGMENTS_MIN);
    atomic_init(&cache->bytes, sizeof *cache);
    if (sync_mutex_init(&cache->mutex)) {
        io_free(io, cache, sizeof *cache);
        return NULL;
    }
    return cache;
}

/* Under mutex. */
static bool table_make(row_cache *cache)
{
    const size_t table_bytes = cache->table.bucket_count * sizeof(row_bucket);
    const size_t ghost_bytes = cache->table.bucket_count * sizeof cache->ghosts[0];
    const size_t segments_bytes = cache->segment_max * sizeof(row_segment);
    row_segment *segments = io_alloc(cache->io, segments_bytes);
    _Atomic uint64_t *ghosts = io_alloc(cache->io, ghost_bytes);
    row_bucket *buckets = io_alloc_aligned(cache->io, table_bytes,
                                           table_bytes < HUGE_PAGE_BYTES ? LINE_BYTES : HUGE_PAGE_BYTES);
    if (!segments || !ghosts || !buckets) {
        io_free(cache->io, segments, segments_bytes);
        io_free(cache->io, ghosts, ghost_bytes);
        io_free(cache->io, buckets, table_bytes);
        return false;
    }
    memset(segments, 0, segments_bytes);
    for (size_t i = 0; i < cache->table.bucket_count; i++)
        atomic_init(&ghosts[i], 0);
    memset((void *)buckets, 0, table_bytes);
    cache->segments = segments;
    cache->ghosts = ghosts;
    cache->prepared = buckets;
    atomic_fetch_add_explicit(&cache->bytes, table_bytes + ghost_bytes + segments_bytes, memory_order_relaxed);
    return true;
}

bool row_cache_prepare(row_cache *cache)
{
    /* relaxed: a hint */
    atomic_store_explicit(&cache->table_wanted, false, memory_order_relaxed);
    sync_mutex_lock(&cache->mutex);
    bool made = cache->prepared || table_make(cache);
    sync_mutex_unlock(&cache->mutex);
    return made;
}

void row_cache_activate(row_cache *cache, uint64_t sequence)
{
    if (row_cache_active(cache))
        return;
    raise_to(&cache->table.cleared, sequence);
    atomic_store_explicit(&cache->table.buckets, cache->prepared, memory_order_release); /* pairs with buckets_now() */
}

void row_cache_want_table(row_cache *cache)
{
    atomic_store_explicit(&cache->table_wanted, true, memory_order_relaxed); /* a hint, as its reader */
}

bool row_cache_wants_table(const row_cache *cache)
{
    return atomic_load_explicit(&cache->table_wanted, memory_order_relaxed) && !row_cache_active(cache);
}

bool row_cache_is_small(const row_cache *cache)
{
    return cache->table.bucket_count * sizeof(row_bucket) <= SMALL_TABLE_BYTES;
}

uint64_t row_cache_activation_misses(const row_cache *cache)
{
    return cache->table.bucket_count / ACTIVATION_SHARE;
}

void row_cache_destroy(row_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->segment_count; i++)
        io_free(cache->io, cache->segments[i].memory, cache->segment_bytes);
    if (cache->prepared) {
        io_free(cache->io, cache->prepared, cache->table.bucket_count * sizeof(row_bucket));
        io_free(cache->io, cache->ghosts, cache->table.bucket_count * sizeof cache->ghosts[0]);
        io_free(cache->io, cache->segments, cache->segment_max * sizeof(row_segment));
    }
    sync_mutex_fini(&cache->mutex);
    io_free(cache->io, cache, sizeof *cache);
}

uint64_t row_cache_bytes(const row_cache *cache)
{
    return atomic_load_explicit(&cache->bytes, memory_order_relaxed);
}

uint64_t row_cache_entries(const row_cache *cache)
{
    row_bucket *buckets = buckets_now(cache);
    uint64_t entries = 0;
    for (size_t i = 0; buckets && i < cache->table.bucket_count; i++)
        for (unsigned k = 0; k < SLOTS; k++)
            entries += atomic_load_explicit(&buckets[i].slot[k], memory_order_relaxed) != 0; /* a count */
    return entries;
}
