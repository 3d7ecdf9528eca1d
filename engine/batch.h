/*
 * batch.h - the bytes of a write batch (record_format.h), as write.c needs them.
 */
#ifndef LEVIN_BATCH_H
#define LEVIN_BATCH_H

#include "db.h"
#include "record_format.h"

typedef struct keyspace_state keyspace_state;

struct levin_batch {
    levin *store;
    uint8_t *bytes;      /* operations, back to back */
    size_t used, capacity;
    size_t count;
    size_t puts, range_deletes;
    /* Named keyspaces that it writes to, each once, so that the leader can see whether they are still there. */
    keyspace_state *space;        /* the first one, or NULL */
    keyspace_state **more_spaces;
    size_t more_count, more_capacity;
    bool borrows;                 /* holds no reference: its maker's handle is open as long as it is used */
    size_t large;        /* puts whose values go to the value log */
    uint64_t large_bytes; /* of these values */
};

enum { BATCH_INLINE_BYTES = 512 };

/* Whether the value of an operation goes to the value log. What the catalogue of keyspaces says stands in the tree. */
static inline bool batch_value_is_large(const levin *store, const uint8_t *record)
{
    return record_value_bytes(record) > store->value_threshold && record_kind(record) == RECORD_PUT &&
           (record_domain(record) == DOMAIN_PLAIN || load_u32(record_key(record)) != 0);
}

/* An operation was put behind the others. */
static inline void batch_count(levin_batch *batch, const uint8_t *record)
{
    batch->used += record_bytes(record);
    batch->count++;
    batch->puts += record_kind(record) == RECORD_PUT;
    batch->range_deletes += record_kind(record) == RECORD_DELETE_RANGE;
    if (batch_value_is_large(batch->store, record)) {
        batch->large++;
        batch->large_bytes += record_value_bytes(record);
    }
}

/*
 * Appends one operation; ks NULL: the default keyspace. LEVIN_INVALID, LEVIN_TOO_BIG, LEVIN_NO_MEMORY; the batch is as
 * before then.  The value of a range delete is its end; without bytes the range goes to the end of the keyspace.
 */
levin_code batch_append(levin_batch *batch, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes);

/* Names a named keyspace that it writes to, whose operations were not put in by batch_append(). LEVIN_NO_MEMORY. */
levin_code batch_name_space(levin_batch *batch, keyspace_state *state);
/* Frees what it holds, not the batch itself. */
void batch_fini(levin_batch *batch);

#endif
