/*
 * value_cache.h - large values in memory, verified once: of extents and of the value log.  Lock-free lookup, a byte
 * budget, clock eviction.
 *
 * A value is found by where it stands (extent page, or position in the value log), its checksum and its size.  Places
 * come back with other contents, and then with another checksum, so nothing has to be taken out when they do: what is
 * stale is not found, and ages.
 *
 * Scans: once the cache is full a value is only taken in when it was missed before, not long ago (the doorkeeper of
 * TinyLFU: Einziger, Friedman and Manes, 2017), so that a pass over everything leaves what is used in its place.
 * Values over an eighth of the budget are not taken in.
 *
 * Budget: everything is in it, also what waits for a grace period and what a pin holds beyond its eviction: memory is
 * taken in eighths of the budget, as it fills, and used again.
 *
 * Progress: lookups are wait-free but for the length of a chain; taking in and eviction take a mutex.
 * Reclamation: reclaim.h; memory goes after a grace period and the last pin.
 */
#ifndef LEVIN_VALUE_CACHE_H
#define LEVIN_VALUE_CACHE_H

#include "counter.h"
#include "io.h"
#include "page.h"
#include "reclaim.h"

typedef struct value_cache value_cache;
typedef struct cached_value cached_value;

enum { VALUE_CACHE_MIN_BYTES = 65536 };

typedef struct value_cache_counters {
    uint64_t hits, misses, inserts, evictions;
    uint64_t bytes; /* in use now, the table included */
} value_cache_counters;

/* NULL when out of memory. */
value_cache *value_cache_create(const levin_io *io, uint64_t budget_bytes);
/* No reader, no pin left. NULL is harmless. */
void value_cache_destroy(value_cache *cache);

/* The value, or NULL. Inside a read-side section: good until it ends, or as long as it is pinned. Counts. */
cached_value *value_cache_find(value_cache *cache, const page_value *value);
const uint8_t *cached_value_data(const cached_value *v);
void cached_value_pin(cached_value *v); /* inside the section that found it */
void cached_value_unpin(cached_value *v); /* anywhere */

/* A value that was just read and verified; it is copied. Never fails: it is a cache. Outside read-side sections. */
void value_cache_insert(value_cache *cache, const page_value *value, const uint8_t *data);
void value_cache_count(value_cache *cache, value_cache_counters *counters);

#endif
