/*
 * swap.c - a compare-and-swap that must be refused, and then the one that must not.
 */
#include "swap.h"

#include <stdbool.h>
#include <string.h>

/* One that expects something else: a value where there is none, or one that differs in its last bit. */
static levin_code swap_in_vain(levin *store, const levin_keyspace *keyspace, levin_slice key, uint8_t *value,
                               size_t bytes, const levin_slice *desired, levin_durability durability,
                               const char **flaw)
{
    const levin_slice other = value && bytes ? (levin_slice){ value, bytes } : (levin_slice){ "?", 1 };
    levin_slice actual;
    if (value && bytes)
        value[bytes - 1] ^= 1;
    levin_code code = levin_compare_and_swap_in(store, keyspace, key.data, key.size, &other, desired, durability,
                                                &actual);
    if (value && bytes)
        value[bytes - 1] ^= 1;
    if (code == LEVIN_OK)
        *flaw = "a compare-and-swap was done that expected another value";
    if (code != LEVIN_CONFLICT)
        return code;
    const bool right = value ? actual.data && actual.size == bytes && (!bytes || memcmp(actual.data, value, bytes) == 0)
                             : !actual.data;
    if (!right)
        *flaw = "a compare-and-swap refused says another value than a get";
    levin_free(store, (void *)(uintptr_t)actual.data);
    return LEVIN_OK;
}

levin_code swap_key(levin *store, const levin_keyspace *keyspace, levin_slice key, const levin_slice *desired,
                    levin_durability durability, const char **flaw)
{
    void *value;
    size_t bytes;
    *flaw = NULL;
    levin_code code = levin_get_alloc_in(store, keyspace, NULL, key.data, key.size, &value, &bytes);
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
        return code;
    const levin_slice found = { value, bytes }, *current = code == LEVIN_OK ? &found : NULL;
    code = swap_in_vain(store, keyspace, key, value, bytes, desired, durability, flaw);
    if (code == LEVIN_OK && !*flaw) {
        code = levin_compare_and_swap_in(store, keyspace, key.data, key.size, current, desired, durability, NULL);
        if (code == LEVIN_CONFLICT)
            *flaw = "a compare-and-swap was refused that expected what a get says";
    }
    levin_free(store, value);
    return code;
}
