/*
 * compare_swap.c - levin_compare_and_swap(), levin_compare_and_swap_in().
 *
 * The value is compared outside of the leader, in the newest version; the leader only makes sure that the key has not
 * changed since (validate.h), which takes no look at the value when nobody has touched the key.  If it has, the
 * comparison is made again with the newest version, in which that change is published by then.
 *
 * Progress: lock-free among swappers of a key: whoever has to compare again was overtaken by a write that succeeded.
 */
#include <string.h>

#include "keyspace.h"
#include "read.h"
#include "validate.h"

typedef struct swap {
    levin_snapshot base; /* the state in which the value was compared */
    const void *key;
    size_t key_bytes;
    levin *store;
    const levin_keyspace *ks;
    unsigned domain;
    levin_slice inside; /* the key as it stands in the domain's tree */
} swap;

static levin_code swap_check(void *context, const write_state *now, levin_error *error)
{
    const swap *s = context;
    const write_state then = write_state_of(s->base.v);
    return validate_key(s->store, &then, now, s->domain, s->inside.data, s->inside.size, error);
}

/* LEVIN_CONFLICT when the base holds another value: a copy of it goes to *actual. */
static levin_code swap_compare(const swap *s, const levin_slice *expected, levin_slice *actual)
{
    levin_pinned pinned;
    levin_code code = levin_get_pinned_in(s->store, s->ks, &s->base, s->key, s->key_bytes, &pinned);
    if (code == LEVIN_NOT_FOUND)
        return expected ? LEVIN_CONFLICT : LEVIN_OK;
    if (code != LEVIN_OK)
        return code;
    const levin_slice found = pinned.value;
    if (!expected || found.size != expected->size ||
        (found.size && memcmp(found.data, expected->data, found.size) != 0)) {
        code = LEVIN_CONFLICT;
        uint8_t *copy = actual ? read_value_alloc(s->store, found.size) : NULL;
        if (actual && !copy) {
            levin_error error;
            error_memory(&error, found.size);
            code = db_fail(s->store, &error);
        } else if (actual) {
            if (found.size)
                memcpy(copy, found.data, found.size);
            *actual = (levin_slice){ copy, found.size };
        }
    }
    levin_pinned_release(&pinned);
    return code;
}

static levin_code swap_run(swap *s, const levin_slice *expected, const levin_slice *desired,
                           levin_durability durability, levin_slice *actual)
{
    levin *store = s->store;
    levin_code code;
    bool differs;
    if (actual)
        *actual = (levin_slice){ NULL, 0 };
    if (expected && !slice_good(*expected))
        return db_refuse(store, LEVIN_INVALID, "the expected value is NULL but has %zu bytes", expected->size);
    do {
        s->base = (levin_snapshot){ .store = store, .v = version_acquire(&store->versions) };
        code = swap_compare(s, expected, actual);
        differs = code == LEVIN_CONFLICT;
        if (code == LEVIN_OK)
            code = write_one_if(store, s->ks, desired ? RECORD_PUT : RECORD_DELETE, s->key, s->key_bytes,
                                desired ? desired->data : NULL, desired ? desired->size : 0, durability, swap_check,
                                s);
        version_release(s->base.v);
    } while (code == LEVIN_CONFLICT && !differs);
    return differs ? db_refuse(store, LEVIN_CONFLICT, "compare and swap: the key has another value") : code;
}

levin_code levin_compare_and_swap(levin *store, const void *key, size_t key_bytes, const levin_slice *expected,
                                  const levin_slice *desired, levin_durability durability, levin_slice *actual)
{
    swap s = { .key = key, .key_bytes = key_bytes, .store = store, .inside = { key, key_bytes } };
    return swap_run(&s, expected, desired, durability, actual);
}

levin_code levin_compare_and_swap_in(levin *store, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                                     const levin_slice *expected, const levin_slice *desired,
                                     levin_durability durability, levin_slice *actual)
{
    keyspace_key k;
    if (!keyspace)
        return levin_compare_and_swap(store, key, key_bytes, expected, desired, durability, actual);
    levin_code code = keyspace_key_make(store, keyspace, NULL, key, key_bytes, &k);
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) { /* so long a key is absent, and refused when it is written */
        if (actual)
            *actual = (levin_slice){ NULL, 0 };
        return code;
    }
    swap s = { .key = key, .key_bytes = key_bytes, .store = store, .ks = keyspace, .domain = DOMAIN_NAMED };
    if (code == LEVIN_OK)
        s.inside = (levin_slice){ k.data, k.bytes };
    return swap_run(&s, expected, desired, durability, actual);
}
