/*
 * page_format.h - every byte of the page file "pages".  Version 2; in version 1 the bytes that are new are 0.
 *
 * Two meta slots at offsets 0 and 4096 (512 bytes each, zero-filled to 4096); meta of generation g is in slot g % 2.
 * Page n is at n * page size; page numbers start at page_first() (the first after the metas).  Pages are written once
 * and never changed while any durable meta, snapshot or reader can reach them.
 *
 * Meta:
 *   offset  size  field
 *        0     8  checksum of bytes 8..511, seed (0, PLACE_META, slot)
 *        8     8  magic "LEVINPGS"
 *       16     4  format version, 2 (1 is read)
 *       20     4  page bytes
 *       24    16  identity of the store
 *       40     8  generation: number of the checkpoint that wrote it, from 0
 *       48     8  root page, 0 when the tree is empty
 *       56     8  checksum of the root page
 *       64     4  height: 0 empty, 1 the root is a leaf, ...
 *       68     4  sector bytes of the log
 *       72     8  keys in the tree
 *       80     8  page count: pages at or past this number are not in use
 *       88     8  first page of the free list, 0 when there is none
 *       96     8  checksum of that page
 *      104     8  free pages, the pages of the free list themselves not counted
 *      112     8  replay position: the log from here on is not in the tree
 *      120     8  checksum of the log group before that position (0 at the beginning)
 *      128     8  sequence number of the last batch in the tree
 *      136     8  incarnation of the log when this was written
 *      144     8  leaf pages
 *      152     8  branch pages
 *      160     8  overflow pages
 *      168     8  pages of the free list
 *      176     8  root page of the tree of named keyspaces, 0 when it is empty
 *      184     8  checksum of that page
 *      192     4  height of that tree
 *      196     4  0
 *      200     8  keys in that tree, catalogue included (keyspace_format.h)
 *      208     8  first page of the table of value-log segments, 0 when there is none
 *      216     8  checksum of that page
 *      224     8  pages of the table
 *      232     8  number of the next value-log segment, 0 when there never was one
 *      240     8  0
 *
 * Leaf, branch and overflow pages are counted for both trees together.
 *
 * Page header (64 bytes):
 *        0     8  checksum of bytes 8..page end, seed (identity, PLACE_PAGE, page number)
 *        8     8  page number
 *       16     8  generation that wrote it
 *       24     1  type: 1 leaf, 2 branch, 3 free list, 4 table of value-log segments
 *       25     1  level: 0 for a leaf and for lists, parent = child + 1
 *       26     2  cells
 *       28     4  heap start: cells occupy [heap start, page end - prefix bytes)
 *       32     4  prefix bytes; the prefix, shared by all keys of the page, is the last bytes of the page
 *       36     4  0
 *       40     8  lists (types 3 and 4): next page, 0 at the end
 *       48     8  lists: checksum of the next page
 *       56     8  0
 *       64        slots (leaf, branch) or entries (lists)
 *
 * Slot, 8 bytes, in key order:
 *        0     4  head: key_head32() of the key after the prefix
 *        4     2  offset of the cell in the page
 *        6     2  key bytes after the prefix
 *
 * Leaf cell:    u32 value word, key after the prefix, value or pointer.
 *     value word: bits 0..28 value bytes; bits 29..31 kind: 0 the value follows, 1 an extent pointer follows
 *     (u64 first page, u64 checksum of the value bytes, seed (identity, PLACE_EXTENT, first page)); the value occupies
 *     whole pages from there, without headers, the rest of the last one zero; 2 a pointer into the
 *     value log follows (vlog_format.h), which says the same value bytes.
 * Branch cell:  u64 child page, u64 checksum of the child page, key after the prefix.
 *     The key is the lower bound of the child's keys; child i holds keys in [key i, key i+1). The first key of a
 *     branch may be shorter than its keys' true bound, and on the left edge of the tree it is empty.
 * Free-list entry: u64 first page, u64 pages; ascending, not touching, across the chain of pages.
 * Entry of the table: u64 number of a segment, u64 end of its last record, u64 bytes of the records that the tree
 *     points to; ascending by number across the chain of pages.
 */
#ifndef LEVIN_PAGE_FORMAT_H
#define LEVIN_PAGE_FORMAT_H

#include <assert.h>

#include "codec.h"

#define PAGE_FILE_NAME "pages"
#define META_MAGIC "LEVINPGS"

enum { PAGE_FORMAT_VERSION = 2 };

enum page_type { PAGE_LEAF = 1, PAGE_BRANCH = 2, PAGE_FREE_LIST = 3, PAGE_VLOG_TABLE = 4 };
enum value_kind { VALUE_INLINE = 0, VALUE_EXTENT = 1, VALUE_LOG = 2 };

enum {
    META_CHECKSUM = 0,
    META_MAGIC_AT = 8,
    META_VERSION = 16,
    META_PAGE_BYTES = 20,
    META_IDENTITY = 24,
    META_GENERATION = 40,
    META_ROOT = 48,
    META_ROOT_CHECKSUM = 56,
    META_HEIGHT = 64,
    META_SECTOR_BYTES = 68,
    META_KEYS = 72,
    META_PAGE_COUNT = 80,
    META_FREE_LIST = 88,
    META_FREE_LIST_CHECKSUM = 96,
    META_FREE_PAGES = 104,
    META_REPLAY = 112,
    META_REPLAY_CHAIN = 120,
    META_SEQUENCE = 128,
    META_INCARNATION = 136,
    META_LEAF_PAGES = 144,
    META_BRANCH_PAGES = 152,
    META_OVERFLOW_PAGES = 160,
    META_FREE_LIST_PAGES = 168,
    META_NAMED_ROOT = 176,
    META_NAMED_CHECKSUM = 184,
    META_NAMED_HEIGHT = 192,
    META_NAMED_RESERVED = 196,
    META_NAMED_KEYS = 200,
    META_VLOG_TABLE = 208,
    META_VLOG_TABLE_CHECKSUM = 216,
    META_VLOG_TABLE_PAGES = 224,
    META_VLOG_NEXT = 232,
    META_VLOG_RESERVED = 240,
    META_END = 248,
    META_BYTES = 512,
    META_SLOT_BYTES = 4096,

    PAGE_CHECKSUM = 0,
    PAGE_NUMBER = 8,
    PAGE_GENERATION = 16,
    PAGE_TYPE = 24,
    PAGE_LEVEL = 25,
    PAGE_CELLS = 26,
    PAGE_HEAP = 28,
    PAGE_PREFIX_BYTES = 32,
    PAGE_RESERVED_A = 36,
    PAGE_NEXT = 40,
    PAGE_NEXT_CHECKSUM = 48,
    PAGE_RESERVED_B = 56,
    PAGE_HEADER_BYTES = 64,

    SLOT_HEAD = 0,
    SLOT_OFFSET = 4,
    SLOT_KEY_BYTES = 6,
    SLOT_BYTES = 8,

    LEAF_CELL_KEY = 4,
    EXTENT_POINTER_BYTES = 16,
    BRANCH_CELL_CHILD = 0,
    BRANCH_CELL_CHECKSUM = 8,
    BRANCH_CELL_KEY = 16,
    FREE_ENTRY_BYTES = 16,
    VLOG_ENTRY_BYTES = 24,

    PAGE_HEIGHT_MAX = 32
};

#define VALUE_KIND_SHIFT 29
#define VALUE_BYTES_MASK 0x1fffffffu

static_assert(META_END <= META_BYTES, "meta fits a sector");

static inline uint64_t page_first(uint32_t page_bytes)
{
    return (2 * META_SLOT_BYTES + page_bytes - 1) / page_bytes;
}
/* Values longer than this go to an extent of their own. */
static inline size_t page_inline_value_max(uint32_t page_bytes)
{
    return page_bytes / 4;
}
/* Pages that a value of so many bytes occupies in an extent. */
static inline uint64_t extent_pages(uint64_t value_bytes, uint32_t page_bytes)
{
    return (value_bytes + page_bytes - 1) / page_bytes;
}

#endif
