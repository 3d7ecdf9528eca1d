/*
 * validate.c - compares what two states hold.  Purpose and argument: validate.h.
 *
 * Concurrency: reads immutable states; the leader's private root does not change while its thread is here.
 * Crash safety: memory only.
 */
#include "validate.h"

#include <string.h>

#include "read.h"

/* What a state's memtables say of a key. */
typedef struct state_record {
    const uint8_t *record; /* NULL: nothing */
    bool hidden;           /* by a range delete */
} state_record;

static state_record state_look(const write_state *s, const void *key, size_t key_bytes)
{
    state_record r;
    bool in_frozen;
    r.record = read_memtables(&s->of[DOMAIN_PLAIN], key, key_bytes, &in_frozen, &r.hidden);
    return r;
}

/* Inside a read-side section. */
static levin_code state_find(const write_state *s, state_record r, const void *key, size_t key_bytes,
                             found_value *found, levin_error *error)
{
    if (r.record)
        return read_record(r.record, found);
    if (r.hidden)
        return LEVIN_NOT_FOUND;
    levin_code code = tree_find(&s->v->tree->t, key, key_bytes, &found->extent, error);
    if (code == LEVIN_OK) {
        found->data = found->extent.data;
        found->bytes = found->extent.bytes;
    }
    return code;
}

/* The bytes of the value, in *copy (to be freed by the caller) when they had to be fetched. NULL on an error. */
static const uint8_t *value_bytes_of(levin *db, const write_state *s, const found_value *found, uint8_t **copy,
                                     levin_error *error)
{
    *copy = NULL;
    if (found->extent.kind == VALUE_INLINE)
        return found->data;
    *copy = io_alloc(db->io, found->bytes);
    if (!*copy)
        error_memory(error, found->bytes);
    return *copy && tree_read_extent(&s->v->tree->t, &found->extent, *copy, error) == LEVIN_OK ? *copy : NULL;
}

/* Two values of the same size. Inside a read-side section. */
static levin_code compare_values(levin *db, const write_state *then, const found_value *a, const write_state *now,
                                 const found_value *b, levin_error *error)
{
    uint8_t *copy_a, *copy_b = NULL;
    if (a->extent.kind == VALUE_EXTENT && b->extent.kind == VALUE_EXTENT &&
        a->extent.first_page == b->extent.first_page && a->extent.checksum == b->extent.checksum)
        return LEVIN_OK; /* the same pages, which are kept for the older of the two */
    const uint8_t *bytes_a = value_bytes_of(db, then, a, &copy_a, error);
    const uint8_t *bytes_b = bytes_a ? value_bytes_of(db, now, b, &copy_b, error) : NULL;
    levin_code code = LEVIN_OK;
    if (!bytes_b)
        code = error->code;
    else if (memcmp(bytes_a, bytes_b, a->bytes) != 0)
        code = LEVIN_CONFLICT;
    io_free(db->io, copy_a, a->bytes);
    io_free(db->io, copy_b, b->bytes);
    return code;
}

levin_code validate_key(levin *db, const write_state *then, const write_state *now, const void *key,
                        size_t key_bytes, levin_error *error)
{
    const state_record look_then = state_look(then, key, key_bytes), look_now = state_look(now, key, key_bytes);
    if (look_then.record == look_now.record && look_then.hidden == look_now.hidden &&
        (look_now.record || look_now.hidden || then->v->tree == now->v->tree))
        return LEVIN_OK;
    found_value a, b;
    reclaim_read_lock();
    levin_code code = state_find(then, look_then, key, key_bytes, &a, error);
    levin_code code_now = code == LEVIN_OK || code == LEVIN_NOT_FOUND
                              ? state_find(now, look_now, key, key_bytes, &b, error)
                              : code;
    if (code_now != LEVIN_OK && code_now != LEVIN_NOT_FOUND)
        code = code_now;
    else if (code != code_now)
        code = LEVIN_CONFLICT;
    else if (code == LEVIN_NOT_FOUND)
        code = LEVIN_OK;
    else
        code = a.bytes != b.bytes ? LEVIN_CONFLICT : a.bytes ? compare_values(db, then, &a, now, &b, error) : LEVIN_OK;
    reclaim_read_unlock();
    return code;
}
