/*
 * wal_format.h - every byte of a write-ahead log segment.  Version 2.
 * Version 1 differs in the records (record_format.h) alone.  No records of today go into a segment that was begun in
 * it: the first of them switch to a new one, so that a library that knows version 1 alone says so, and not that they
 * are damage.
 *
 * A segment is a preallocated file "wal-%016x" named by its number (1, 2, ...), used from front to back and recycled
 * under a higher number.  It is cut in sectors of 512 or 4096 bytes.  Sector 0 holds the segment header, then come
 * groups, each starting on a sector boundary; what follows the last group is left from earlier lives of the file.
 * A position (LSN) is segment number << 32 | offset in the segment.
 *
 * Segment header (512 bytes, zero-filled):
 *   offset  size  field
 *        0     8  checksum of bytes 8..511, seed (0, PLACE_WAL_SEGMENT, segment number)
 *        8     8  magic "LEVINWAL"
 *       16     4  format version, 2 (1 is read)
 *       20     4  sector bytes
 *       24    16  identity of the store
 *       40     8  segment number
 *       48     8  segment bytes (the file's size)
 *       56     8  incarnation of the log when the header was written
 *
 * Group (80 bytes and the payload, padded with zeros to a sector):
 *        0     8  checksum of bytes 8..79 and the payload, seed (identity, PLACE_WAL_GROUP, position)
 *        8     4  magic "LVNG"
 *       12     1  kind: 1 data, 2 mark, 3 seal, 4 close
 *       13     3  0
 *       16     8  position of this group
 *       24     8  incarnation: raised at each recovery and after each failed write
 *       32     8  checksum of the group before it in the log (0 for the first group of a store)
 *       40     8  durable position: when this was written, all groups before that position were on the device
 *       48     8  durable generation: when this was written, that checkpoint's meta page was on the device
 *       56     4  payload bytes
 *       60     4  batches in the payload
 *       64     8  sequence number of the first batch (the number the next batch will get, when there is none)
 *       72     8  seal: number of the segment in which the log goes on; otherwise 0
 *       80        payload: batches (record_format.h), back to back; empty for mark, seal, close
 *
 * data   a commit group.
 * mark   carries durable position and generation: written after recovery, after a checkpoint, after a failed write.
 * seal   last group of a segment: the log goes on in the segment named, which exists, has its header, and is durable.
 * close  the store was closed cleanly: everything before it is durable.  One that shares a block of 4096 bytes with the
 *        group before it has a copy at the next block, with its own position and no group before it (its field is the
 *        complement of what the chain would be): if the block is lost, the copy proves it.  It is in no chain.
 */
#ifndef LEVIN_WAL_FORMAT_H
#define LEVIN_WAL_FORMAT_H

#include <assert.h>

#include "codec.h"

#define WAL_SEGMENT_MAGIC "LEVINWAL"
#define WAL_GROUP_MAGIC 0x474e564cu /* "LVNG" as bytes */
#define WAL_NAME_FORMAT "wal-%016llx"
#define WAL_FIRST_NAME "wal-0000000000000001"
#define WAL_COPY_NAME "wal-copy" /* a segment that recovery is copying, to be renamed over the old one */
#define WAL_SPARE_NAME "wal-spare" /* a file made ahead, to be renamed to the next segment */

enum { WAL_FORMAT_VERSION = 2, WAL_FORMAT_OLDEST = 1 };

enum wal_group_kind { WAL_DATA = 1, WAL_MARK = 2, WAL_SEAL = 3, WAL_CLOSE = 4 };

enum {
    WAL_SEGMENT_CHECKSUM = 0,
    WAL_SEGMENT_MAGIC_AT = 8,
    WAL_SEGMENT_VERSION = 16,
    WAL_SEGMENT_SECTOR_BYTES = 20,
    WAL_SEGMENT_IDENTITY = 24,
    WAL_SEGMENT_NUMBER = 40,
    WAL_SEGMENT_BYTES = 48,
    WAL_SEGMENT_INCARNATION = 56,
    WAL_SEGMENT_HEADER_BYTES = 512,

    WAL_GROUP_CHECKSUM = 0,
    WAL_GROUP_MAGIC_AT = 8,
    WAL_GROUP_KIND = 12,
    WAL_GROUP_POSITION = 16,
    WAL_GROUP_INCARNATION = 24,
    WAL_GROUP_PREVIOUS = 32,
    WAL_GROUP_DURABLE = 40,
    WAL_GROUP_GENERATION = 48,
    WAL_GROUP_PAYLOAD_BYTES = 56,
    WAL_GROUP_BATCHES = 60,
    WAL_GROUP_SEQUENCE = 64,
    WAL_GROUP_NEXT_SEGMENT = 72,
    WAL_GROUP_HEADER_BYTES = 80
};
static_assert(WAL_SEGMENT_INCARNATION + 8 <= WAL_SEGMENT_HEADER_BYTES, "segment header fits a sector");
static_assert(WAL_GROUP_NEXT_SEGMENT + 8 == WAL_GROUP_HEADER_BYTES, "group header is dense");

static inline uint64_t lsn_make(uint64_t segment, uint64_t offset)
{
    return segment << 32 | offset;
}
static inline uint64_t lsn_segment(uint64_t lsn)
{
    return lsn >> 32;
}
static inline uint64_t lsn_offset(uint64_t lsn)
{
    return lsn & 0xffffffffu;
}

#endif
