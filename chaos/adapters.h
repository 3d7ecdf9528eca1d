/*
 * adapters.h - the adapters that are built in, and what all of them share.
 */
#ifndef LEVIN_CHAOS_ADAPTERS_H
#define LEVIN_CHAOS_ADAPTERS_H

#include <string.h>

#include "store.h"

extern const store_adapter adapter_levin;
extern const store_adapter adapter_pipe;

/* The order of all stores here: bytes as unsigned, then length. */
static inline int slice_compare(store_slice a, store_slice b)
{
    int c = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
    return c ? c : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* Whether a scan that has come to `key` from the right side is still inside. */
static inline bool range_holds(const store_range *range, store_slice key)
{
    if (!range->to.data)
        return true;
    int c = slice_compare(key, range->to);
    return range->reverse ? c > 0 : c < 0;
}

/* The value of one of the adapter's own options. */
static inline uint64_t option_value(const store_config *config, const char *name, uint64_t otherwise)
{
    for (size_t i = 0; i < config->option_count; i++)
        if (strcmp(config->options[i].name, name) == 0)
            return config->options[i].value;
    return otherwise;
}

/* Hands a value to a caller of get: as much as fits, and its whole size. */
static inline void value_copy(store_slice value, void *buffer, size_t capacity, size_t *bytes)
{
    *bytes = value.bytes;
    if (value.bytes && capacity)
        memcpy(buffer, value.data, value.bytes < capacity ? value.bytes : capacity);
}

#endif
