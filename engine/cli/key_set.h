/*
 * key_set.h - which keys the batch being filled has, to count those that come twice.
 */
#ifndef CLI_KEY_SET_H
#define CLI_KEY_SET_H

#include "buffer.h"

typedef struct key_set_slot {
    uint64_t hash;       /* 0: free */
    size_t start, size;  /* in bytes */
    size_t number;
} key_set_slot;

typedef struct key_set {
    key_set_slot *slots; /* open addressing, at most half full */
    size_t capacity, count;
    buffer bytes;
} key_set;

/* False when it was there already. */
bool key_set_add(key_set *set, levin_slice key);
/* The same in *added; returns the key's number: they are counted from 0 as they come. */
size_t key_set_number(key_set *set, levin_slice key, bool *added);
void key_set_clear(key_set *set);
void key_set_fini(key_set *set);

#endif
