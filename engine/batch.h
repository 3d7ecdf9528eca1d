/*
 * batch.h - the bytes of a write batch (record_format.h), as write.c needs them.
 */
#ifndef LEVIN_BATCH_H
#define LEVIN_BATCH_H

#include <stdbool.h>

#include "io.h"
#include "levin.h"

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
};

enum { BATCH_INLINE_BYTES = 512 };

/*
 * Appends one operation; ks NULL: the default keyspace. LEVIN_INVALID, LEVIN_TOO_BIG, LEVIN_NO_MEMORY; the batch is as
 * before then.  The value of a range delete is its end; without bytes the range goes to the end of the keyspace.
 */
levin_code batch_append(levin_batch *batch, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes);

#endif
