/*
 * bench_stores.h - the stores to measure, as --store names them (chaos/store_spec.h), and what they are opened with.
 */
#ifndef LEVIN_BENCH_STORES_H
#define LEVIN_BENCH_STORES_H

#include "../chaos/store_spec.h"

enum { BENCH_STORES_MAX = 16 };

typedef store_spec bench_store;

/* What the command line says for all stores. */
typedef struct bench_sizes {
    uint64_t cache_bytes, write_buffer_bytes, map_bytes; /* as in store_config */
} bench_sizes;

/* What to open the store with; the path is still to be set. It points into *s. */
store_config bench_store_config(const bench_store *s, bool synced, bench_sizes sizes);

#endif
