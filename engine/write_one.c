/*
 * write_one.c - writes of one operation: a batch of its own, on the stack.
 *
 * Invariants: what a short key and value are encoded in takes no allocation.  Concurrency, crash safety: those of the
 * batch that is written (write.c).
 */
#include "batch.h"
#include "db.h"
#include "write.h"

/* Of a deleted range, besides its two ends: the least key stands for none. */
enum { ONE_RANGE_BYTES = RECORD_HEADER_BYTES + 2 * KEYSPACE_ID_BYTES + LEVIN_KEY_MIN_BYTES };

/* One operation: encoded on the stack when it is small, so that a short key and value take no allocation. */
levin_code write_one_if(levin *store, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes, levin_durability durability, write_check check,
                        void *check_context)
{
    uint8_t small[BATCH_INLINE_BYTES];
    levin_batch batch = { .store = store, .bytes = small, .capacity = sizeof small, .borrows = true };
    if (key_bytes + value_bytes > sizeof small - RECORD_HEADER_BYTES - (ks ? 2 * KEYSPACE_ID_BYTES : 0)) {
        batch.bytes = NULL;
        batch.capacity = 0;
    }
    levin_code code = batch_append(&batch, ks, kind, key, key_bytes, value, value_bytes);
    if (code == LEVIN_OK)
        code = write_if(store, &batch, durability, check, check_context);
    if (batch.bytes != small)
        io_free(store->io, batch.bytes, batch.capacity);
    return code;
}

levin_code levin_put(levin *store, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                     levin_durability durability)
{
    return write_one_if(store, NULL, RECORD_PUT, key, key_bytes, value, value_bytes, durability, NULL, NULL);
}

levin_code levin_put_in(levin *store, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes, levin_durability durability)
{
    return write_one_if(store, keyspace, RECORD_PUT, key, key_bytes, value, value_bytes, durability, NULL, NULL);
}

levin_code levin_delete(levin *store, const void *key, size_t key_bytes, levin_durability durability)
{
    return write_one_if(store, NULL, RECORD_DELETE, key, key_bytes, NULL, 0, durability, NULL, NULL);
}

levin_code levin_delete_in(levin *store, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                           levin_durability durability)
{
    return write_one_if(store, keyspace, RECORD_DELETE, key, key_bytes, NULL, 0, durability, NULL, NULL);
}

/* A batch on the stack, `bytes` being enough for its one operation, or, when that is too long, an empty one. */
static levin_batch one_of(levin *store, uint8_t *small, size_t bytes)
{
    return bytes <= BATCH_INLINE_BYTES
               ? (levin_batch){ .store = store, .bytes = small, .capacity = BATCH_INLINE_BYTES, .borrows = true }
               : (levin_batch){ .store = store, .borrows = true };
}

static levin_code write_one(const levin_batch *batch, const uint8_t *small, levin_code code,
                            levin_durability durability)
{
    levin *store = batch->store;
    if (code == LEVIN_OK)
        code = levin_write(store, batch, durability);
    if (batch->bytes != small)
        io_free(store->io, batch->bytes, batch->capacity);
    return code;
}

levin_code levin_delete_range_in(levin *store, const levin_keyspace *keyspace, levin_slice lower, levin_slice upper,
                                 levin_durability durability)
{
    uint8_t small[BATCH_INLINE_BYTES];
    levin_batch batch = one_of(store, small, ONE_RANGE_BYTES + lower.size + upper.size);
    const levin_code code = levin_batch_delete_range_in(&batch, keyspace, lower, upper);
    return write_one(&batch, small, code, durability);
}

levin_code levin_delete_range(levin *store, levin_slice lower, levin_slice upper, levin_durability durability)
{
    return levin_delete_range_in(store, NULL, lower, upper, durability);
}

levin_code levin_delete_prefix_in(levin *store, const levin_keyspace *keyspace, const void *prefix,
                                  size_t prefix_bytes, levin_durability durability)
{
    uint8_t small[BATCH_INLINE_BYTES];
    levin_batch batch = one_of(store, small, ONE_RANGE_BYTES + 2 * prefix_bytes);
    const levin_code code = levin_batch_delete_prefix_in(&batch, keyspace, prefix, prefix_bytes);
    return write_one(&batch, small, code, durability);
}

levin_code levin_delete_prefix(levin *store, const void *prefix, size_t prefix_bytes, levin_durability durability)
{
    return levin_delete_prefix_in(store, NULL, prefix, prefix_bytes, durability);
}
