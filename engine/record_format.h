/*
 * record_format.h - operations as bytes, in batches, in the log and in the memtable's arena alike.  Version 2.
 * In version 1 there were the kinds 1 and 2 and no flags.
 *
 * Operation, 8 bytes and the key and the value:
 *
 *   offset  size  field
 *        0     1  kind: 1 put, 2 delete, 3 delete range [key, value), to the end of the keyspace when value is empty,
 *                 4 put whose value stands in the value log: the value here is a pointer, 24 bytes (vlog_format.h)
 *        1     1  flags: bit 0: it is about a named keyspace: its key begins with the 4-byte big-endian id of that,
 *                 then come 1 byte or more; so does the end of a range, which is the next id alone when the range
 *                 goes to the end of the keyspace
 *        2     2  key bytes, id included, 1 .. 16384
 *        4     4  value bytes, 0 .. 256 MiB; 0 for a delete; of a range end 0 .. 16384
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
#include "vlog_format.h"

/* Which trees an operation is about: those of the default keyspace, or those of all named ones. */
enum record_domain { DOMAIN_PLAIN, DOMAIN_NAMED, DOMAIN_COUNT };

enum record_kind { RECORD_PUT = 1, RECORD_DELETE = 2, RECORD_DELETE_RANGE = 3, RECORD_PUT_LOGGED = 4 };

enum {
    RECORD_KIND = 0,
    RECORD_FLAGS = 1,
    RECORD_KEY_BYTES = 2,
    RECORD_VALUE_BYTES = 4,
    RECORD_HEADER_BYTES = 8,
    RECORD_FLAG_NAMED = 1,
    RECORD_KEY_MAX_BYTES = 16384,
    KEYSPACE_ID_BYTES = 4,

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

static inline unsigned record_domain(const uint8_t *r)
{
    return r[RECORD_FLAGS] & RECORD_FLAG_NAMED;
}
/* Number of the named keyspace, or 0. */
static inline uint32_t record_keyspace(const uint8_t *r)
{
    return record_domain(r) ? key_head32(record_key(r), KEYSPACE_ID_BYTES) : 0;
}
/* Of a range delete with an end: where the end lies to the key. */
static inline int record_end_compare(const uint8_t *r, const void *key, size_t key_bytes)
{
    return key_compare(record_value(r), record_value_bytes(r), key, key_bytes);
}

/* The longer one of a range's ends. */
static inline size_t record_key_longest(const uint8_t *r)
{
    size_t key = record_key_bytes(r), end = record_kind(r) == RECORD_DELETE_RANGE ? record_value_bytes(r) : 0;
    return key > end ? key : end;
}

/* Whether the end of a named keyspace's range is in that keyspace, or the end of it. */
static inline bool record_end_in_keyspace(const uint8_t *r, size_t key, size_t end)
{
    if (end < KEYSPACE_ID_BYTES)
        return false;
    const uint8_t *start = r + RECORD_HEADER_BYTES;
    uint32_t id = key_head32(start, KEYSPACE_ID_BYTES), end_id = key_head32(start + key, KEYSPACE_ID_BYTES);
    return end_id == id ? end > KEYSPACE_ID_BYTES : end == KEYSPACE_ID_BYTES && end_id == id + 1;
}

/* Whether the end of a range fits its start. */
static inline bool record_end_check(const uint8_t *r, size_t key, size_t end)
{
    if (end > RECORD_KEY_MAX_BYTES)
        return false;
    if (r[RECORD_FLAGS] && !record_end_in_keyspace(r, key, end))
        return false;
    return end == 0 || key_compare(r + RECORD_HEADER_BYTES, key, r + RECORD_HEADER_BYTES + key, end) < 0;
}

/* Whether it gives its key a value. */
static inline bool record_puts(const uint8_t *r)
{
    return record_kind(r) == RECORD_PUT || record_kind(r) == RECORD_PUT_LOGGED;
}

/* Whether a well-formed operation stands at r, within `available` bytes. */
static inline bool record_check(const uint8_t *r, size_t available)
{
    if (available < RECORD_HEADER_BYTES || r[RECORD_FLAGS] > RECORD_FLAG_NAMED)
        return false;
    size_t key = record_key_bytes(r), value = record_value_bytes(r);
    if (key == 0 || key > RECORD_KEY_MAX_BYTES || value > (256u << 20) ||
        key + value > available - RECORD_HEADER_BYTES || (r[RECORD_FLAGS] && key <= KEYSPACE_ID_BYTES))
        return false;
    switch (r[RECORD_KIND]) {
    case RECORD_PUT: return true;
    case RECORD_DELETE: return value == 0;
    case RECORD_PUT_LOGGED: return value == VLOG_POINTER_BYTES && vlog_pointer_check(record_value(r), key);
    case RECORD_DELETE_RANGE: return record_end_check(r, key, value);
    default: return false;
    }
}

#endif
