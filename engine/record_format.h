/*
 * record_format.h - operations as bytes, in batches, in the log and in the memtable's arena alike.  Version 1.
 *
 * Operation, 8 bytes and the key and the value:
 *
 *   offset  size  field
 *        0     1  kind: 1 put, 2 delete, 3 delete range [key, value)   (3 is reserved: refused by this version)
 *        1     1  flags: 0  (bit 0 is reserved: a 4-byte keyspace id follows the header)
 *        2     2  key bytes, 1 .. 16384
 *        4     4  value bytes, 0 .. 256 MiB; 0 for a delete
 *        8        key, then value, without padding
 *
 * Batch, 16 bytes and its operations:
 *
 *        0     4  bytes of the operations
 *        4     4  count of operations
 *        8     4  durability asked for (levin_durability)
 *       12     4  0
 *       16        operations
 *
 * All numbers little-endian.
 */
#ifndef LEVIN_RECORD_FORMAT_H
#define LEVIN_RECORD_FORMAT_H

#include <stdbool.h>

#include "codec.h"

enum record_kind { RECORD_PUT = 1, RECORD_DELETE = 2, RECORD_DELETE_RANGE = 3 };

enum {
    RECORD_KIND = 0,
    RECORD_FLAGS = 1,
    RECORD_KEY_BYTES = 2,
    RECORD_VALUE_BYTES = 4,
    RECORD_HEADER_BYTES = 8,

    BATCH_OPS_BYTES = 0,
    BATCH_OP_COUNT = 4,
    BATCH_DURABILITY = 8,
    BATCH_RESERVED = 12,
    BATCH_HEADER_BYTES = 16
};

/* Accessors of an operation already proven well-formed (record_check, or built by this process). */
static inline enum record_kind record_kind(const uint8_t *r)
{
    return (enum record_kind)r[RECORD_KIND];
}
static inline size_t record_key_bytes(const uint8_t *r)
{
    return load_u16(r + RECORD_KEY_BYTES);
}
static inline size_t record_value_bytes(const uint8_t *r)
{
    return load_u32(r + RECORD_VALUE_BYTES);
}
static inline const uint8_t *record_key(const uint8_t *r)
{
    return r + RECORD_HEADER_BYTES;
}
static inline const uint8_t *record_value(const uint8_t *r)
{
    return r + RECORD_HEADER_BYTES + record_key_bytes(r);
}
static inline size_t record_bytes(const uint8_t *r)
{
    return RECORD_HEADER_BYTES + record_key_bytes(r) + record_value_bytes(r);
}

/* Whether a well-formed operation of this version stands at r, within `available` bytes. */
static inline bool record_check(const uint8_t *r, size_t available)
{
    if (available < RECORD_HEADER_BYTES || r[RECORD_FLAGS] != 0)
        return false;
    if (r[RECORD_KIND] != RECORD_PUT && r[RECORD_KIND] != RECORD_DELETE)
        return false;
    size_t key = record_key_bytes(r), value = record_value_bytes(r);
    if (key == 0 || key > 16384 || value > (256u << 20) || (r[RECORD_KIND] == RECORD_DELETE && value != 0))
        return false;
    return key + value <= available - RECORD_HEADER_BYTES;
}

#endif
