/*
 * bench_stores.h - the stores to measure, as --store names them: NAME or NAME:OPTION=NUMBER:OPTION=NUMBER.
 */
#ifndef LEVIN_BENCH_STORES_H
#define LEVIN_BENCH_STORES_H

#include "../chaos/store.h"

enum { BENCH_STORES_MAX = 16, BENCH_STORE_LABEL_BYTES = 96, BENCH_STORE_OPTIONS_MAX = 8 };

typedef struct bench_store {
    const store_adapter *adapter;
    char label[BENCH_STORE_LABEL_BYTES]; /* as it was named */
    store_option option[BENCH_STORE_OPTIONS_MAX]; /* of the adapter's own; they win over what is common to all */
    size_t options;
    /* Common to all, instead of what the command line says for all stores; 0: not given. */
    uint64_t cache_bytes, write_buffer_bytes, map_bytes;
    bool no_background;
} bench_store;

/* False with a sentence in `message`, which for a store that is not built in names the package that it needs. */
bool bench_store_parse(const char *text, bench_store *s, char message[STORE_MESSAGE_BYTES]);

/* What the command line says for all stores. */
typedef struct bench_sizes {
    uint64_t cache_bytes, write_buffer_bytes, map_bytes; /* as in store_config */
} bench_sizes;

/* What to open the store with; the path is still to be set. It points into *s. */
store_config bench_store_config(const bench_store *s, bool synced, bench_sizes sizes);

#endif
