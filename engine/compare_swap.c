/*
 * compare_swap.c - levin_compare_and_swap().
 *
 * The value is compared outside of the leader, in the newest version; the leader only makes sure that the key has not
 * changed since (validate.h), which takes no look at the value when nobody has touched the key.  If it has, the
 * comparison is made again with the newest version, in which that change is published by then.
 *
 * Progress: lock-free among swappers of a key: whoever has to compare again was overtaken by a write that succeeded.
 */
#include <string.h>

#include "read.h"
#include "validate.h"

typedef struct swap {
    levin_snapshot base; /* the state in which the value was compared */
    const void *key;
    size_t key_bytes;
    levin *store;
} swap;

static levin_code swap_check(void *context, const write_state *now, levin_error *error)
{
    const swap *s = context;
    const write_state then = write_state_of(s->base.v);
    return validate_key(s->store, &then, now, s->key, s->key_bytes, error);
}

/* LEVIN_CONFLICT when the base holds another value: a copy of it goes to *actual. */
static levin_code swap_compare(const swap *s, const levin_slice *expected, levin_slice *actual)
{
    levin_pinned pinned;
    levin_code code = levin_get_pinned(s->store, &s->base, s->key, s->key_bytes, &pinned);
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

levin_code levin_compare_and_swap(levin *store, const void *key, size_t key_bytes, const levin_slice *expected,
                                  const levin_slice *desired, levin_durability durability, levin_slice *actual)
{
    swap s = { .key = key, .key_bytes = key_bytes, .store = store };
    levin_code code;
    bool differs;
    if (actual)
        *actual = (levin_slice){ NULL, 0 };
    do {
        s.base = (levin_snapshot){ .store = store, .v = version_acquire(&store->versions) };
        code = swap_compare(&s, expected, actual);
        differs = code == LEVIN_CONFLICT;
        if (code == LEVIN_OK)
            code = write_one_if(store, desired ? RECORD_PUT : RECORD_DELETE, key, key_bytes,
                                desired ? desired->data : NULL, desired ? desired->size : 0, durability, swap_check,
                                &s);
        version_release(s.base.v);
    } while (code == LEVIN_CONFLICT && !differs);
    return differs ? db_refuse(store, LEVIN_CONFLICT, "compare and swap: the key has another value") : code;
}
