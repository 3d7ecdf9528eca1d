/*
 * bench_stores.c - what a store that --store names is opened with.
 */
#include "bench_stores.h"

store_config bench_store_config(const bench_store *s, bool synced, bench_sizes sizes)
{
    return (store_config){
        .create = true,
        .sync = synced,
        .cache_bytes = s->cache_bytes ? s->cache_bytes : sizes.cache_bytes,
        .write_buffer_bytes = s->write_buffer_bytes ? s->write_buffer_bytes : sizes.write_buffer_bytes,
        .map_bytes = s->map_bytes ? s->map_bytes : sizes.map_bytes,
        .background = !s->no_background,
        .options = s->option,
        .option_count = s->options,
        .argument = s->argument,
    };
}
