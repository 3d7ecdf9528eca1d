/*
 * adapter_keys.h - a list of keys, for stores that cannot go through theirs in every order: collected, then visited.
 */
#ifndef LEVIN_CHAOS_ADAPTER_KEYS_H
#define LEVIN_CHAOS_ADAPTER_KEYS_H

#include <stdlib.h>

#include "adapters.h"

typedef struct key_list {
    store_slice *keys; /* each of its own memory, from malloc() */
    size_t count, capacity;
} key_list;

/* Takes the key's memory. False when there is no memory for the list; the key is freed then. */
static inline bool key_list_add(key_list *list, void *key, size_t bytes)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        store_slice *keys = realloc(list->keys, capacity * sizeof *keys);
        if (!keys) {
            free(key);
            return false;
        }
        list->keys = keys;
        list->capacity = capacity;
    }
    list->keys[list->count++] = (store_slice){ key, bytes };
    return true;
}

static inline void key_list_free(key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((void *)(uintptr_t)list->keys[i].data);
    free(list->keys);
}

#endif
