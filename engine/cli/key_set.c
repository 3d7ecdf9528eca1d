/*
 * key_set.c - a hash set with linear probing over FNV-1a (Fowler, Noll, Vo, 1991).  One thread.
 */
#include "key_set.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

static uint64_t hash_of(levin_slice key)
{
    const unsigned char *s = key.data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ s[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

/* The slot that holds the key, or the free one where it goes. */
static key_set_slot *find(const key_set *set, uint64_t hash, levin_slice key)
{
    for (size_t i = hash & (set->capacity - 1);; i = (i + 1) & (set->capacity - 1)) {
        key_set_slot *slot = &set->slots[i];
        if (!slot->hash || (slot->hash == hash && slot->size == key.size &&
                            !memcmp(set->bytes.data + slot->start, key.data, key.size)))
            return slot;
    }
}

static void grow(key_set *set)
{
    key_set larger = { .capacity = set->capacity ? set->capacity * 2 : 64, .count = set->count, .bytes = set->bytes };
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        cli_die_no_memory();
    for (size_t i = 0; i < set->capacity; i++) {
        const key_set_slot *slot = &set->slots[i];
        if (slot->hash)
            *find(&larger, slot->hash, (levin_slice){ set->bytes.data + slot->start, slot->size }) = *slot;
    }
    free(set->slots);
    *set = larger;
}

bool key_set_add(key_set *set, levin_slice key)
{
    bool added;
    (void)key_set_number(set, key, &added);
    return added;
}

size_t key_set_number(key_set *set, levin_slice key, bool *added)
{
    if (set->count * 2 >= set->capacity)
        grow(set);
    uint64_t hash = hash_of(key);
    key_set_slot *slot = find(set, hash, key);
    *added = !slot->hash;
    if (*added) {
        *slot = (key_set_slot){ hash, set->bytes.size, key.size, set->count++ };
        buffer_append(&set->bytes, key.data, key.size);
    }
    return slot->number;
}

void key_set_clear(key_set *set)
{
    if (set->slots)
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
    set->count = 0;
    buffer_clear(&set->bytes);
}

void key_set_fini(key_set *set)
{
    free(set->slots);
    buffer_fini(&set->bytes);
    *set = (key_set){ 0 };
}
