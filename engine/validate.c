/*
 * validate.c - compares what two states hold.  Purpose and argument: validate.h.
 *
 * Concurrency: reads immutable states; the leader's private root does not change while its thread is here.
 * Crash safety: memory only.
 */
#include "validate.h"

#include <string.h>

#include "iter.h"
#include "read.h"

/* What a state's memtables say of a key. */
typedef struct state_record {
    const uint8_t *record; /* NULL: nothing */
    bool hidden;           /* by a range delete */
} state_record;

static state_record state_look(const write_state *s, unsigned domain, const void *key, size_t key_bytes)
{
    state_record r;
    bool in_frozen;
    r.record = read_memtables(&s->of[domain], key, key_bytes, &in_frozen, &r.hidden);
    return r;
}

/* Inside a read-side section. */
static levin_code state_find(const write_state *s, state_record r, unsigned domain, const void *key, size_t key_bytes,
                             found_value *found, levin_error *error)
{
    if (r.record)
        return read_record(r.record, found);
    if (r.hidden)
        return LEVIN_NOT_FOUND;
    levin_code code = tree_find(tree_version_of(s->v->tree, domain), key, key_bytes, &found->extent, error);
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
    if (a->extent.kind != VALUE_INLINE && a->extent.kind == b->extent.kind &&
        a->extent.first_page == b->extent.first_page && a->extent.checksum == b->extent.checksum)
        return LEVIN_OK; /* the same place, which is kept for the older of the two */
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

levin_code validate_key(levin *db, const write_state *then, const write_state *now, unsigned domain, const void *key,
                        size_t key_bytes, levin_error *error)
{
    const state_record look_then = state_look(then, domain, key, key_bytes);
    const state_record look_now = state_look(now, domain, key, key_bytes);
    if (look_then.record == look_now.record && look_then.hidden == look_now.hidden &&
        (look_now.record || look_now.hidden || then->v->tree == now->v->tree))
        return LEVIN_OK;
    found_value a, b;
    reclaim_read_lock();
    levin_code code = state_find(then, look_then, domain, key, key_bytes, &a, error);
    levin_code code_now = code == LEVIN_OK || code == LEVIN_NOT_FOUND
                              ? state_find(now, look_now, domain, key, key_bytes, &b, error)
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

/* ---- ranges ---- */

static bool at_or_before_high(const validate_bounds *range, levin_slice key)
{
    if (!range->high.data)
        return true;
    int c = key_compare(key.data, key.size, range->high.data, range->high.size);
    return c < 0 || (c == 0 && !range->high_exclusive);
}

static levin_slice cursor_key(const mem_cursor *c)
{
    const uint8_t *record = mem_cursor_record(c);
    return (levin_slice){ record_key(record), record_key_bytes(record) };
}

static void cursor_start(mem_cursor *c, const mem_node *root, const validate_bounds *range)
{
    mem_cursor_init(c, root);
    if (!range->low.data)
        mem_cursor_first(c);
    else if (mem_cursor_seek(c, range->low.data, range->low.size) && range->low_exclusive) {
        levin_slice key = cursor_key(c);
        if (key_compare(key.data, key.size, range->low.data, range->low.size) == 0)
            mem_cursor_next(c);
    }
}

/* Two states that differ in the keys of the newest memtable only: asks for each key on which these differ. */
static levin_code compare_memtables(levin *db, const write_state *then, const write_state *now,
                                    const validate_bounds *range, levin_error *error)
{
    mem_cursor a, b;
    levin_code code = LEVIN_OK;
    cursor_start(&a, then->of[range->domain].mem.keys, range);
    cursor_start(&b, now->of[range->domain].mem.keys, range);
    while (code == LEVIN_OK && (mem_cursor_valid(&a) || mem_cursor_valid(&b))) {
        int c = !mem_cursor_valid(&a) ? 1 : !mem_cursor_valid(&b) ? -1 : 0;
        if (c == 0 && mem_cursor_record(&a) == mem_cursor_record(&b)) {
            if (!at_or_before_high(range, cursor_key(&a)))
                break;
            mem_cursor_next_unshared(&a, &b);
            continue;
        }
        if (c == 0) {
            levin_slice key_a = cursor_key(&a), key_b = cursor_key(&b);
            c = key_compare(key_a.data, key_a.size, key_b.data, key_b.size);
        }
        levin_slice key = cursor_key(c <= 0 ? &a : &b);
        if (!at_or_before_high(range, key))
            break;
        code = validate_key(db, then, now, range->domain, key.data, key.size, error);
        if (c <= 0)
            mem_cursor_next(&a);
        if (c >= 0)
            mem_cursor_next(&b);
    }
    return code;
}

static levin_code open_state(levin *db, const write_state *s, const validate_bounds *range, levin_iter **it)
{
    const levin_iter_options o = { .lower = range->low,
                                   .lower_exclusive = range->low_exclusive,
                                   .upper = range->high,
                                   .upper_inclusive = !range->high_exclusive };
    version_ref(s->v);
    return iter_open_on(db, s->v, range->domain, &s->of[range->domain], NULL, NULL, &o, it);
}

/* On both sides a pair, or on none. */
static bool same_pair(levin_iter *a, levin_iter *b)
{
    if (!levin_iter_valid(a) || !levin_iter_valid(b))
        return levin_iter_valid(a) == levin_iter_valid(b);
    levin_slice key_a = levin_iter_key(a), key_b = levin_iter_key(b);
    if (key_compare(key_a.data, key_a.size, key_b.data, key_b.size) != 0)
        return false;
    levin_slice value_a = levin_iter_value(a), value_b = levin_iter_value(b);
    return value_a.size == value_b.size &&
           (value_a.data == value_b.data || !value_a.size || !value_a.data || !value_b.data ||
            memcmp(value_a.data, value_b.data, value_a.size) == 0); /* a failure stands in the status */
}

/* Reads both states over the range. */
static levin_code compare_pairs(levin *db, const write_state *then, const write_state *now,
                                const validate_bounds *range, levin_error *error)
{
    levin_iter *a, *b = NULL;
    levin_code code = open_state(db, then, range, &a);
    if (code == LEVIN_OK)
        code = open_state(db, now, range, &b);
    bool same = true;
    if (code == LEVIN_OK) {
        bool more = levin_iter_first(a);
        more |= levin_iter_first(b);
        while ((same = same_pair(a, b)) && more && levin_iter_status(a) == LEVIN_OK &&
               levin_iter_status(b) == LEVIN_OK) {
            more = levin_iter_next(a);
            more |= levin_iter_next(b);
        }
        code = levin_iter_status(a) != LEVIN_OK ? levin_iter_status(a) : levin_iter_status(b);
    }
    if (code != LEVIN_OK)
        levin_last_error(db, error); /* the iterators have told it */
    levin_iter_close(a);
    levin_iter_close(b);
    return code != LEVIN_OK ? code : same ? LEVIN_OK : LEVIN_CONFLICT;
}

levin_code validate_range(levin *db, const write_state *then, const write_state *now, const validate_bounds *range,
                          bool thorough, levin_error *error)
{
    const version_layers *a = &then->of[range->domain], *b = &now->of[range->domain];
    const bool below_same = then->v->tree == now->v->tree && then->v->mem == now->v->mem &&
                            a->mem.mask == b->mem.mask && a->frozen.keys == b->frozen.keys &&
                            a->frozen.mask == b->frozen.mask;
    if (below_same)
        return compare_memtables(db, then, now, range, error);
    return thorough ? compare_pairs(db, then, now, range, error) : LEVIN_PENDING;
}
