/*
 * batch.h - the bytes of a write batch (record_format.h), as write.c needs them.
 */
#ifndef LEVIN_BATCH_H
#define LEVIN_BATCH_H

#include "io.h"

struct levin_batch {
    levin *store;
    uint8_t *bytes;      /* operations, back to back */
    size_t used, capacity;
    size_t count;
    size_t puts, range_deletes;
};

enum { BATCH_INLINE_BYTES = 512 };

/* Appends one operation. LEVIN_INVALID, LEVIN_TOO_BIG, LEVIN_NO_MEMORY; the batch is as before then. */
levin_code batch_append(levin_batch *batch, int kind, const void *key, size_t key_bytes, const void *value,
                        size_t value_bytes);

#endif
