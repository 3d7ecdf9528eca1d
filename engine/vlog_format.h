/*
 * vlog_format.h - every byte of a value-log segment, file "vlog-%016x" (its number), and of a pointer to a value.
 * Version 2.  Integers are little-endian.
 *
 * Version 1 has no values of named keyspaces; a library that knows no other would lose such values when it collects.
 * Segments of it are read, and not written to any more.
 *
 * Segment header, 512 bytes:
 *   offset  size  field
 *        0     8  checksum of bytes 8..511, seed (0, PLACE_VLOG_SEGMENT, number)
 *        8     8  magic "LEVINVLG"
 *       16     4  format version, 2 (1 is read)
 *       20     4  0
 *       24    16  identity of the store
 *       40     8  number of the segment
 *       48   464  0
 *
 * Records follow.  What one commit group writes begins on a 512-byte sector, so that a torn write takes no
 * acknowledged value along; inside it a record begins on a multiple of 8, with zeros before it.  The rest of the last
 * sector is zero.  What stands behind the last record that a pointer names may be anything.
 *
 * Record, at position p = number of the segment * 2^32 + offset:
 *        0     8  checksum of bytes 8..31 and the key, seed (identity, PLACE_VLOG_RECORD, p)
 *        8     4  magic "LVR1"
 *       12     4  value bytes, 1 .. 256 MiB
 *       16     2  key bytes
 *       18     2  flags: bit 0: the key is of a named keyspace and begins with its 4-byte big-endian id
 *       20     4  that id, or 0
 *       24     8  checksum of the value, seed (identity, PLACE_VLOG_VALUE, p)
 *       32        key, then value
 *
 * Pointer, 24 bytes, in the log (record_format.h: kind 4) and in leaf cells (page_format.h: value kind 2):
 *        0     8  position of the record
 *        8     8  checksum of the value, as in the record
 *       16     4  value bytes
 *       20     2  key bytes
 *       22     2  0
 */
#ifndef LEVIN_VLOG_FORMAT_H
#define LEVIN_VLOG_FORMAT_H

#include <assert.h>
#include <stdbool.h>

#include "codec.h"

#define VLOG_MAGIC "LEVINVLG"
#define VLOG_RECORD_MAGIC 0x3152564cu /* "LVR1" */
#define VLOG_NUMBER_MAX 0x7fffffffu
#define VLOG_OFFSET_MAX 0xfffff000u
#define VLOG_VALUE_MAX_BYTES (256u << 20)

enum {
    VLOG_FORMAT_VERSION = 2,
    VLOG_FORMAT_OLDEST = 1,

    VLOG_SEGMENT_CHECKSUM = 0,
    VLOG_SEGMENT_MAGIC = 8,
    VLOG_SEGMENT_VERSION = 16,
    VLOG_SEGMENT_RESERVED = 20,
    VLOG_SEGMENT_IDENTITY = 24,
    VLOG_SEGMENT_NUMBER = 40,
    VLOG_SEGMENT_HEADER_BYTES = 512,
    VLOG_SECTOR_BYTES = 512,

    VLOG_RECORD_CHECKSUM = 0,
    VLOG_RECORD_MAGIC_AT = 8,
    VLOG_RECORD_VALUE_BYTES = 12,
    VLOG_RECORD_KEY_BYTES = 16,
    VLOG_RECORD_FLAGS = 18,
    VLOG_RECORD_KEYSPACE = 20,
    VLOG_RECORD_VALUE_CHECKSUM = 24,
    VLOG_RECORD_HEADER_BYTES = 32,
    VLOG_RECORD_ALIGN = 8,

    VLOG_FLAG_KEYSPACE = 1,

    VLOG_POINTER_POSITION = 0,
    VLOG_POINTER_CHECKSUM = 8,
    VLOG_POINTER_VALUE_BYTES = 16,
    VLOG_POINTER_KEY_BYTES = 20,
    VLOG_POINTER_RESERVED = 22,
    VLOG_POINTER_BYTES = 24
};

typedef struct vlog_pointer {
    uint64_t position;
    uint64_t checksum; /* of the value */
    uint32_t value_bytes;
    uint16_t key_bytes;
} vlog_pointer;

static inline uint64_t vlog_position(uint64_t segment, uint64_t offset)
{
    return segment << 32 | offset;
}
static inline uint64_t vlog_segment_of(uint64_t position)
{
    return position >> 32;
}
static inline uint64_t vlog_offset_of(uint64_t position)
{
    return position & UINT32_MAX;
}

/* Bytes that a record takes before the next one may begin. */
static inline uint64_t vlog_record_bytes(uint64_t key_bytes, uint64_t value_bytes)
{
    return (VLOG_RECORD_HEADER_BYTES + key_bytes + value_bytes + VLOG_RECORD_ALIGN - 1) / VLOG_RECORD_ALIGN *
           VLOG_RECORD_ALIGN;
}
static inline uint64_t vlog_pointer_record_bytes(const vlog_pointer *p)
{
    return vlog_record_bytes(p->key_bytes, p->value_bytes);
}
/* Where the value stands in its segment, and where it ends. */
static inline uint64_t vlog_value_offset(const vlog_pointer *p)
{
    return vlog_offset_of(p->position) + VLOG_RECORD_HEADER_BYTES + p->key_bytes;
}
static inline uint64_t vlog_value_end(const vlog_pointer *p)
{
    return vlog_value_offset(p) + p->value_bytes;
}

static inline void vlog_pointer_store(uint8_t to[VLOG_POINTER_BYTES], const vlog_pointer *p)
{
    store_u64(to + VLOG_POINTER_POSITION, p->position);
    store_u64(to + VLOG_POINTER_CHECKSUM, p->checksum);
    store_u32(to + VLOG_POINTER_VALUE_BYTES, p->value_bytes);
    store_u16(to + VLOG_POINTER_KEY_BYTES, p->key_bytes);
    store_u16(to + VLOG_POINTER_RESERVED, 0);
}
static inline vlog_pointer vlog_pointer_load(const uint8_t *from)
{
    return (vlog_pointer){ .position = load_u64(from + VLOG_POINTER_POSITION),
                           .checksum = load_u64(from + VLOG_POINTER_CHECKSUM),
                           .value_bytes = load_u32(from + VLOG_POINTER_VALUE_BYTES),
                           .key_bytes = load_u16(from + VLOG_POINTER_KEY_BYTES) };
}
/* Whether 24 bytes from disk can point to the value of a key of so many bytes. Proves nothing about the value. */
static inline bool vlog_pointer_check(const uint8_t *from, size_t key_bytes)
{
    const vlog_pointer p = vlog_pointer_load(from);
    const uint64_t offset = vlog_offset_of(p.position), segment = vlog_segment_of(p.position);
    return load_u16(from + VLOG_POINTER_RESERVED) == 0 && p.key_bytes == key_bytes && p.value_bytes != 0 &&
           p.value_bytes <= VLOG_VALUE_MAX_BYTES && segment != 0 && segment <= VLOG_NUMBER_MAX &&
           offset >= VLOG_SEGMENT_HEADER_BYTES && offset % VLOG_RECORD_ALIGN == 0 && offset <= VLOG_OFFSET_MAX &&
           vlog_value_end(&p) <= VLOG_OFFSET_MAX;
}

static_assert(VLOG_SEGMENT_NUMBER + 8 <= VLOG_SEGMENT_HEADER_BYTES, "the header fits its sector");
static_assert(VLOG_POINTER_RESERVED + 2 == VLOG_POINTER_BYTES, "no byte of a pointer is left over");

#endif
