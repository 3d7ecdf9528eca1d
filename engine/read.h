/*
 * read.h - what the kinds of point read share: get, multi-get, pinned get.  Internal.
 */
#ifndef LEVIN_READ_H
#define LEVIN_READ_H

#include <string.h>

#include "copy.h"
#include "db.h"

/* A value found: in memory (memtable or page), or in an extent or the value log. */
typedef struct found_value {
    const uint8_t *data; /* good until the read-side section ends, or as long as what holds it is held */
    size_t bytes;
    page_value extent;   /* kind VALUE_EXTENT or VALUE_LOG when data is not there yet */
} found_value;

/* What a memtable's newest operation on the key says: LEVIN_OK, or LEVIN_NOT_FOUND of a delete. */
static inline levin_code read_record(const uint8_t *record, found_value *found)
{
    if (!record_puts(record))
        return LEVIN_NOT_FOUND;
    if (record_kind(record) == RECORD_PUT_LOGGED) {
        const vlog_pointer p = vlog_pointer_load(record_value(record));
        *found = (found_value){ .bytes = p.value_bytes, .extent = page_value_of_pointer(&p) };
        return LEVIN_OK;
    }
    found->data = record_value(record);
    found->bytes = record_value_bytes(record);
    found->extent.kind = VALUE_INLINE;
    return LEVIN_OK;
}

/*
 * The newest operation on the key in the memtables, and whether that is in the frozen one; or NULL.  *hidden: a range
 * delete stands between the memtables, or below them, and covers the key: there is no such key.  Inside a read-side
 * section, or with a reference held.
 */
static inline const uint8_t *read_memtables(const version_layers *l, const uint8_t *key, size_t key_bytes,
                                            bool *in_frozen, bool *hidden)
{
    const uint8_t *record = l->mem.keys ? memtable_find(l->mem.keys, key, key_bytes) : NULL;
    *in_frozen = false;
    *hidden = !record && __builtin_expect(l->mem.mask != NULL, 0) && mem_mask_covers(l->mem.mask, key, key_bytes);
    if (record || *hidden)
        return record;
    if (l->frozen.keys)
        record = memtable_find(l->frozen.keys, key, key_bytes);
    *in_frozen = true;
    *hidden = !record && __builtin_expect(l->frozen.mask != NULL, 0) &&
              mem_mask_covers(l->frozen.mask, key, key_bytes);
    return record;
}

/* Looks through memtables and page tree. Inside a read-side section, which keeps what was found. */
static inline __attribute__((always_inline)) levin_code read_layers(const version_layers *l, const tree *t,
                                                                    const uint8_t *key, size_t key_bytes,
                                                                    found_value *found, levin_error *error)
{
    bool in_frozen, hidden;
    const uint8_t *record = read_memtables(l, key, key_bytes, &in_frozen, &hidden);
    if (record)
        return read_record(record, found);
    if (__builtin_expect(hidden, 0))
        return LEVIN_NOT_FOUND;
    levin_code code = tree_find(t, key, key_bytes, &found->extent, error);
    if (code == LEVIN_OK) {
        found->data = found->extent.data;
        found->bytes = found->extent.bytes;
    }
    return code;
}

/* Refuses an empty key. */
static inline levin_code read_check_key(levin *store, const void *key, size_t key_bytes)
{
    if (__builtin_expect(!key || key_bytes < LEVIN_KEY_MIN_BYTES, 0))
        return db_refuse(store, LEVIN_INVALID, "the key is empty: keys have at least 1 byte");
    return LEVIN_OK;
}

/* No store has such a key: nothing is to be done for it that grows with it. */
static inline bool read_key_too_long(size_t key_bytes)
{
    return key_bytes > LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MAX_BYTES);
}

/* Copies a value out of its extent or the value log, outside any read-side section; held is the caller's reference. */
levin_code read_extent(levin *store, const version *held, const page_value *value, void *buffer);

/* Copies a value that is in the cache of large values; value->bytes fit. False: it is not there. Any thread. */
static inline bool read_cached(levin *store, const page_value *value, void *buffer)
{
    if (!store->large)
        return false;
    reclaim_read_lock();
    const cached_value *cached = value_cache_find(store->large, value);
    if (cached)
        copy_large(buffer, cached_value_data(cached), value->bytes);
    reclaim_read_unlock();
    return cached != NULL;
}

/* The same into memory to be given back with levin_free(); NULL on failure. */
levin_code read_extent_alloc(levin *store, const version *held, const page_value *value, bool ask_cache,
                             uint8_t **copy);

/* Memory for a value that is handed out, to be given back with levin_free(). NULL when out of memory. */
uint8_t *read_value_alloc(levin *store, size_t bytes);

/* How a read stood to the row cache. */
enum row_result { ROW_BYPASSED, ROW_HIT, ROW_MISSED };

/* Misses have become many: the row cache gets its table, a large one from the background thread. */
void read_activate_rows(levin *store);
/* The background's part of that. */
void read_make_rows(levin *store);

/* Reads that the row cache did not answer: a thread's first so many, and as many again, give it its table. */
static inline void read_count_misses(levin *store, counter_stripe *mine, size_t misses)
{
    uint64_t counted = counter_add(mine, COUNT_ROW_MISSES, misses);
    if (__builtin_expect(row_cache_active(store->rows), 1))
        return;
    uint64_t enough = row_cache_activation_misses(store->rows);
    if (counted / enough != (counted - misses) / enough)
        read_activate_rows(store);
}

/* Of one stripe: the point reads of a thread. */
static inline uint64_t read_gets_of(const counter_stripe *mine)
{
    /* relaxed: counts that pair with nothing */
    return atomic_load_explicit(&mine->count[COUNT_GETS_BELOW], memory_order_relaxed) +
           atomic_load_explicit(&mine->count[COUNT_ROW_HITS], memory_order_relaxed);
}

/* Counts so many point reads, those of them that found their key, and how they stood to the row cache. */
static inline void read_count_many(levin *store, size_t gets, size_t hits, size_t row_hits, size_t row_misses)
{
    counter_stripe *mine = counter_mine(&store->counts);
    counter_add(mine, COUNT_GETS_BELOW, gets - row_hits);
    counter_add(mine, COUNT_GET_HITS_BELOW, (uint64_t)hits - row_hits);
    if (row_hits)
        counter_add(mine, COUNT_ROW_HITS, row_hits);
    if (row_misses)
        read_count_misses(store, mine, row_misses);
}
static inline void read_count(levin *store, levin_code code)
{
    read_count_many(store, 1, code == LEVIN_OK || code == LEVIN_TOO_SMALL, 0, 0);
}
/* mine: of store->counts. */
static inline void read_count_row_on(levin *store, counter_stripe *mine, levin_code code, enum row_result row)
{
    const bool found = code == LEVIN_OK || code == LEVIN_TOO_SMALL;
    if (row == ROW_HIT) {
        counter_add(mine, COUNT_ROW_HITS, 1);
        if (!found)
            counter_add(mine, COUNT_GET_HITS_BELOW, UINT64_MAX);
        return;
    }
    counter_add(mine, COUNT_GETS_BELOW, 1);
    if (found)
        counter_add(mine, COUNT_GET_HITS_BELOW, 1);
    if (row == ROW_MISSED)
        read_count_misses(store, mine, 1);
}
static inline void read_count_row(levin *store, levin_code code, enum row_result row)
{
    read_count_row_on(store, counter_mine(&store->counts), code, row);
}

/* What fills of the caches left behind is seen to here, where no read-side section is open. */
static inline void read_reclaim(levin *store)
{
    /* not left to the background thread: readers that miss would run away from it, and over the budget */
    if (__builtin_expect(page_cache_wants_reclaim(store->cache), 0))
        page_cache_reclaim(store->cache);
    if (__builtin_expect(store->rows && row_cache_wants_maintenance(store->rows), 0) &&
        !row_cache_maintain(store->rows, !store->thread_started))
        db_wake(store);
}

#endif
