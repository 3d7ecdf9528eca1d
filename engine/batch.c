/*
 * batch.c - write batches: operations encoded as they go to the log, so that committing copies them once.
 *
 * Concurrency: a batch belongs to one thread.  Memory: one growing buffer from the store's I/O table.
 */
#include "batch.h"

#include <string.h>

#include "keyspace.h"

levin_code levin_batch_create(levin *store, levin_batch **batch)
{
    levin_error error;
    *batch = io_alloc(store->io, sizeof **batch);
    if (!*batch) {
        error_memory(&error, sizeof **batch);
        return db_fail(store, &error);
    }
    memset(*batch, 0, sizeof **batch);
    (*batch)->store = store;
    return LEVIN_OK;
}

/* ---- keyspaces ---- */

static void spaces_forget(levin_batch *batch)
{
    if (batch->space && !batch->borrows)
        keyspace_state_unref(batch->store, batch->space);
    for (size_t i = 0; i < batch->more_count && !batch->borrows; i++)
        keyspace_state_unref(batch->store, batch->more_spaces[i]);
    batch->space = NULL;
    batch->more_count = 0;
}

static bool spaces_have(const levin_batch *batch, const keyspace_state *state)
{
    bool found = batch->space == state;
    for (size_t i = 0; i < batch->more_count && !found; i++)
        found = batch->more_spaces[i] == state;
    return found;
}

levin_code batch_name_space(levin_batch *batch, keyspace_state *state)
{
    levin_error error;
    const levin_io *io = batch->store->io;
    if (!state || spaces_have(batch, state))
        return LEVIN_OK;
    if (batch->space && batch->more_count == batch->more_capacity) {
        size_t capacity = batch->more_capacity ? 2 * batch->more_capacity : 8;
        keyspace_state **more = io_alloc(io, capacity * sizeof(keyspace_state *));
        if (!more) {
            error_memory(&error, capacity * sizeof(keyspace_state *));
            return db_fail(batch->store, &error);
        }
        if (batch->more_count)
            memcpy(more, batch->more_spaces, batch->more_count * sizeof *more);
        io_free(io, batch->more_spaces, batch->more_capacity * sizeof *batch->more_spaces);
        batch->more_spaces = more;
        batch->more_capacity = capacity;
    }
    if (!batch->borrows)
        keyspace_state_ref(batch->store, state);
    if (!batch->space)
        batch->space = state;
    else
        batch->more_spaces[batch->more_count++] = state;
    return LEVIN_OK;
}

void batch_fini(levin_batch *batch)
{
    spaces_forget(batch);
    io_free(batch->store->io, batch->more_spaces, batch->more_capacity * sizeof *batch->more_spaces);
    io_free(batch->store->io, batch->bytes, batch->capacity);
}

void levin_batch_destroy(levin_batch *batch)
{
    if (!batch)
        return;
    batch_fini(batch);
    io_free(batch->store->io, batch, sizeof *batch);
}

void levin_batch_clear(levin_batch *batch)
{
    spaces_forget(batch);
    batch->used = batch->count = batch->puts = batch->range_deletes = batch->large = 0;
    batch->large_bytes = 0;
}

size_t levin_batch_count(const levin_batch *batch)
{
    return batch->count;
}

size_t levin_batch_bytes(const levin_batch *batch)
{
    return BATCH_HEADER_BYTES + batch->used;
}

static levin_code batch_grow(levin_batch *batch, size_t need)
{
    levin_error error;
    size_t capacity = batch->capacity ? batch->capacity * 2 : 1024;
    while (capacity < need)
        capacity *= 2;
    uint8_t *bytes = io_alloc(batch->store->io, capacity);
    if (!bytes) {
        error_memory(&error, capacity);
        return db_fail(batch->store, &error);
    }
    if (batch->used)
        memcpy(bytes, batch->bytes, batch->used);
    io_free(batch->store->io, batch->bytes, batch->capacity);
    batch->bytes = bytes;
    batch->capacity = capacity;
    return LEVIN_OK;
}

/* ---- operations ---- */

/* The key fits a quarter of a page, with the id of its keyspace. */
static levin_code batch_check_key(levin *db, const levin_keyspace *ks, const void *key, size_t key_bytes)
{
    size_t most = LEVIN_KEY_MAX_BYTES(db->page_bytes) - (ks ? KEYSPACE_ID_BYTES : 0);
    if (!key || key_bytes < LEVIN_KEY_MIN_BYTES)
        return db_refuse(db, LEVIN_INVALID, "the key is empty: keys have at least 1 byte");
    if (key_bytes > most)
        return db_refuse(db, LEVIN_TOO_BIG, "the key has %zu bytes: at most %zu (a quarter of a page%s) fit", key_bytes,
                         most, ks ? ", less 4 in a named keyspace" : "");
    return LEVIN_OK;
}

/* Writes key or value, with the id in front when it has one. Returns its end. */
static uint8_t *store_part(uint8_t *to, const uint8_t *id, const void *data, size_t bytes)
{
    if (id) {
        memcpy(to, id, KEYSPACE_ID_BYTES);
        to += KEYSPACE_ID_BYTES;
    }
    if (bytes)
        memcpy(to, data, bytes);
    return to + bytes;
}

levin_code batch_append(levin_batch *batch, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes)
{
    levin *db = batch->store;
    levin_code code = batch_check_key(db, ks, key, key_bytes);
    if (code != LEVIN_OK)
        return code;
    if (value_bytes && !value)
        return db_refuse(db, LEVIN_INVALID, "the value is NULL but has %zu bytes", value_bytes);
    if (value_bytes > LEVIN_VALUE_MAX_BYTES)
        return db_refuse(db, LEVIN_TOO_BIG, "the value has %zu bytes: at most %u fit", value_bytes,
                         LEVIN_VALUE_MAX_BYTES);
    const size_t id_bytes = ks ? KEYSPACE_ID_BYTES : 0, end_id_bytes = kind == RECORD_DELETE_RANGE ? id_bytes : 0;
    size_t need = RECORD_HEADER_BYTES + id_bytes + key_bytes + end_id_bytes + value_bytes;
    if (batch->used + need > LEVIN_BATCH_MAX_BYTES)
        return db_refuse(db, LEVIN_TOO_BIG, "the batch would have %zu bytes: at most %u fit", batch->used + need,
                         LEVIN_BATCH_MAX_BYTES);
    if (batch->used + need > batch->capacity)
        code = batch_grow(batch, batch->used + need);
    if (code == LEVIN_OK && ks)
        code = keyspace_check(db, ks, NULL);
    if (code == LEVIN_OK && ks)
        code = batch_name_space(batch, ks->state);
    if (code != LEVIN_OK)
        return code;
    uint8_t *record = batch->bytes + batch->used;
    store_u8(record + RECORD_KIND, (uint8_t)kind);
    store_u8(record + RECORD_FLAGS, ks ? RECORD_FLAG_NAMED : 0);
    store_u16(record + RECORD_KEY_BYTES, (uint16_t)(id_bytes + key_bytes));
    store_u32(record + RECORD_VALUE_BYTES, (uint32_t)(end_id_bytes + value_bytes));
    uint8_t *end = store_part(record + RECORD_HEADER_BYTES, ks ? ks->id : NULL, key, key_bytes);
    store_part(end, end_id_bytes ? ks->id : NULL, value, value_bytes);
    if (end_id_bytes && !value_bytes)
        keyspace_id_store(end, key_head32(ks->id, KEYSPACE_ID_BYTES) + 1);
    batch_count(batch, record);
    return LEVIN_OK;
}

levin_code levin_batch_put_in(levin_batch *batch, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                              const void *value, size_t value_bytes)
{
    return batch_append(batch, keyspace, RECORD_PUT, key, key_bytes, value, value_bytes);
}

levin_code levin_batch_put(levin_batch *batch, const void *key, size_t key_bytes, const void *value,
                           size_t value_bytes)
{
    return batch_append(batch, NULL, RECORD_PUT, key, key_bytes, value, value_bytes);
}

levin_code levin_batch_delete_in(levin_batch *batch, const levin_keyspace *keyspace, const void *key, size_t key_bytes)
{
    return batch_append(batch, keyspace, RECORD_DELETE, key, key_bytes, NULL, 0);
}

levin_code levin_batch_delete(levin_batch *batch, const void *key, size_t key_bytes)
{
    return batch_append(batch, NULL, RECORD_DELETE, key, key_bytes, NULL, 0);
}

levin_code levin_batch_delete_range_in(levin_batch *batch, const levin_keyspace *ks, levin_slice lower,
                                       levin_slice upper)
{
    levin *db = batch->store;
    if (!slice_good(lower) || !slice_good(upper)) /* not taken for none: that would delete all there is */
        return db_refuse(db, LEVIN_INVALID, "a bound of the range is NULL but has %zu bytes",
                         slice_good(lower) ? upper.size : lower.size);
    if (!lower.data || !lower.size)
        lower = (levin_slice){ "", 1 }; /* the byte 0: no key is before it */
    if (!upper.data)
        return batch_append(batch, ks, RECORD_DELETE_RANGE, lower.data, lower.size, NULL, 0);
    levin_code code = batch_check_key(db, ks, lower.data, lower.size);
    if (key_compare(lower.data, lower.size, upper.data, upper.size) >= 0)
        return code; /* nothing lies between */
    if (code == LEVIN_OK)
        code = batch_check_key(db, ks, upper.data, upper.size);
    return code == LEVIN_OK
               ? batch_append(batch, ks, RECORD_DELETE_RANGE, lower.data, lower.size, upper.data, upper.size)
               : code;
}

levin_code levin_batch_delete_range(levin_batch *batch, levin_slice lower, levin_slice upper)
{
    return levin_batch_delete_range_in(batch, NULL, lower, upper);
}

levin_code levin_batch_delete_prefix_in(levin_batch *batch, const levin_keyspace *ks, const void *prefix,
                                        size_t prefix_bytes)
{
    levin *db = batch->store;
    const levin_slice lower = { prefix, prefix_bytes };
    levin_code code = prefix_bytes ? batch_check_key(db, ks, prefix, prefix_bytes) : LEVIN_OK;
    size_t bytes = prefix_bytes; /* of the smallest key above all that begin so: the last byte that can grow, grown */
    while (code == LEVIN_OK && bytes && ((const uint8_t *)prefix)[bytes - 1] == 0xff)
        bytes--;
    if (code != LEVIN_OK)
        return code;
    if (!bytes)
        return levin_batch_delete_range_in(batch, ks, lower, (levin_slice){ NULL, 0 });
    levin_error error;
    uint8_t small[64], *after = bytes <= sizeof small ? small : io_alloc(db->io, bytes);
    if (!after) {
        error_memory(&error, bytes);
        return db_fail(db, &error);
    }
    memcpy(after, prefix, bytes);
    after[bytes - 1]++;
    code = levin_batch_delete_range_in(batch, ks, lower, (levin_slice){ after, bytes });
    if (after != small)
        io_free(db->io, after, bytes);
    return code;
}

levin_code levin_batch_delete_prefix(levin_batch *batch, const void *prefix, size_t prefix_bytes)
{
    return levin_batch_delete_prefix_in(batch, NULL, prefix, prefix_bytes);
}
