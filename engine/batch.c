/*
 * batch.c - write batches: operations encoded as they go to the log, so that committing copies them once.
 *
 * Concurrency: a batch belongs to one thread.  Memory: one growing buffer from the store's I/O table.
 */
#include "batch.h"

#include <string.h>

#include "db.h"

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

void levin_batch_destroy(levin_batch *batch)
{
    if (!batch)
        return;
    io_free(batch->store->io, batch->bytes, batch->capacity);
    io_free(batch->store->io, batch, sizeof *batch);
}

void levin_batch_clear(levin_batch *batch)
{
    batch->used = batch->count = batch->puts = batch->range_deletes = 0;
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

/* A key of LEVIN_KEY_MAX_BYTES at most. */
static levin_code batch_check_key(levin *db, const void *key, size_t key_bytes)
{
    if (!key || key_bytes < LEVIN_KEY_MIN_BYTES)
        return db_refuse(db, LEVIN_INVALID, "the key is empty: keys have at least 1 byte");
    if (key_bytes > LEVIN_KEY_MAX_BYTES(db->page_bytes))
        return db_refuse(db, LEVIN_TOO_BIG, "the key has %zu bytes: at most %u (a quarter of a page) fit", key_bytes,
                         LEVIN_KEY_MAX_BYTES(db->page_bytes));
    return LEVIN_OK;
}

levin_code batch_append(levin_batch *batch, int kind, const void *key, size_t key_bytes, const void *value,
                        size_t value_bytes)
{
    levin *db = batch->store;
    levin_code code = batch_check_key(db, key, key_bytes);
    if (code != LEVIN_OK)
        return code;
    if (value_bytes && !value)
        return db_refuse(db, LEVIN_INVALID, "the value is NULL but has %zu bytes", value_bytes);
    if (value_bytes > LEVIN_VALUE_MAX_BYTES)
        return db_refuse(db, LEVIN_TOO_BIG, "the value has %zu bytes: at most %u fit", value_bytes,
                         LEVIN_VALUE_MAX_BYTES);
    size_t need = RECORD_HEADER_BYTES + key_bytes + value_bytes;
    if (batch->used + need > LEVIN_BATCH_MAX_BYTES)
        return db_refuse(db, LEVIN_TOO_BIG, "the batch would have %zu bytes: at most %u fit", batch->used + need,
                         LEVIN_BATCH_MAX_BYTES);
    if (batch->used + need > batch->capacity) {
        code = batch_grow(batch, batch->used + need);
        if (code != LEVIN_OK)
            return code;
    }
    uint8_t *record = batch->bytes + batch->used;
    store_u8(record + RECORD_KIND, (uint8_t)kind);
    store_u8(record + RECORD_FLAGS, 0);
    store_u16(record + RECORD_KEY_BYTES, (uint16_t)key_bytes);
    store_u32(record + RECORD_VALUE_BYTES, (uint32_t)value_bytes);
    memcpy(record + RECORD_HEADER_BYTES, key, key_bytes);
    if (value_bytes)
        memcpy(record + RECORD_HEADER_BYTES + key_bytes, value, value_bytes);
    batch->used += need;
    batch->count++;
    batch->puts += kind == RECORD_PUT;
    batch->range_deletes += kind == RECORD_DELETE_RANGE;
    return LEVIN_OK;
}

levin_code levin_batch_put(levin_batch *batch, const void *key, size_t key_bytes, const void *value,
                           size_t value_bytes)
{
    return batch_append(batch, RECORD_PUT, key, key_bytes, value, value_bytes);
}

levin_code levin_batch_delete(levin_batch *batch, const void *key, size_t key_bytes)
{
    return batch_append(batch, RECORD_DELETE, key, key_bytes, NULL, 0);
}

levin_code levin_batch_delete_range(levin_batch *batch, levin_slice lower, levin_slice upper)
{
    levin *db = batch->store;
    if (!lower.data || !lower.size)
        lower = (levin_slice){ "", 1 }; /* the byte 0: no key is before it */
    if (!upper.data)
        return batch_append(batch, RECORD_DELETE_RANGE, lower.data, lower.size, NULL, 0);
    levin_code code = batch_check_key(db, lower.data, lower.size);
    if (key_compare(lower.data, lower.size, upper.data, upper.size) >= 0)
        return code; /* nothing lies between */
    if (code == LEVIN_OK)
        code = batch_check_key(db, upper.data, upper.size);
    return code == LEVIN_OK
               ? batch_append(batch, RECORD_DELETE_RANGE, lower.data, lower.size, upper.data, upper.size)
               : code;
}

levin_code levin_batch_delete_prefix(levin_batch *batch, const void *prefix, size_t prefix_bytes)
{
    levin *db = batch->store;
    levin_code code = prefix_bytes ? batch_check_key(db, prefix, prefix_bytes) : LEVIN_OK;
    size_t bytes = prefix_bytes; /* of the smallest key above all that begin so: the last byte that can grow, grown */
    while (code == LEVIN_OK && bytes && ((const uint8_t *)prefix)[bytes - 1] == 0xff)
        bytes--;
    if (code != LEVIN_OK || !bytes)
        return code != LEVIN_OK ? code
                                : levin_batch_delete_range(batch, (levin_slice){ prefix, prefix_bytes },
                                                           (levin_slice){ NULL, 0 });
    levin_error error;
    uint8_t small[64], *after = bytes <= sizeof small ? small : io_alloc(db->io, bytes);
    if (!after) {
        error_memory(&error, bytes);
        return db_fail(db, &error);
    }
    memcpy(after, prefix, bytes);
    after[bytes - 1]++;
    code = levin_batch_delete_range(batch, (levin_slice){ prefix, prefix_bytes }, (levin_slice){ after, bytes });
    if (after != small)
        io_free(db->io, after, bytes);
    return code;
}
