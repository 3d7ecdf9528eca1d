/*
 * page.h - one page: checks, search and access to cells.  Bytes: page_format.h; building: page_draft.h.
 *
 * page_verify() is the gate through which every page read from disk passes once; after it all other functions here
 * may trust offsets and lengths, so they check nothing and cannot fail.
 */
#ifndef LEVIN_PAGE_H
#define LEVIN_PAGE_H

#include "error.h"
#include "page_format.h"
#include "vlog_format.h"

/* Where a page is expected: from the parent, or from the meta page for a root. */
typedef struct page_ref {
    uint64_t number;
    uint64_t checksum;
} page_ref;

/*
 * Proves the page_bytes at `page`.  Every failure is LEVIN_CORRUPT and names file "pages" and the byte in it.
 *
 * Checksum against the parent's and against its own bytes, number, type, level (any when level is PAGE_LEVEL_ANY),
 * generation at most max_generation, slots and cells inside the page and not overlapping its header, lengths,
 * strictly ascending keys, heads that match, child numbers and extents inside [page_first, page_count).
 */
typedef struct page_expect {
    uint64_t identity;       /* checksum_identity() */
    uint32_t page_bytes;
    uint64_t page_count;
    uint64_t max_generation;
    page_ref ref;
    enum page_type type;     /* of a tree page either: 0 lets the page say leaf or branch */
    int level;               /* PAGE_LEVEL_ANY or the level expected */
} page_expect;
enum { PAGE_LEVEL_ANY = -1 };
levin_code page_verify(const uint8_t *page, const page_expect *expect, levin_error *error);

/* The checksum that the bytes of a page should carry. */
uint64_t page_checksum(const uint8_t *page, uint32_t page_bytes, uint64_t identity, uint64_t number);

/* ---- access (verified pages) ---- */
static inline enum page_type page_type(const uint8_t *p)
{
    return (enum page_type)p[PAGE_TYPE];
}
static inline unsigned page_level(const uint8_t *p)
{
    return p[PAGE_LEVEL];
}
static inline unsigned page_cells(const uint8_t *p)
{
    return load_u16(p + PAGE_CELLS);
}
static inline uint64_t page_generation(const uint8_t *p)
{
    return load_u64(p + PAGE_GENERATION);
}
/* The prefix of all keys in the page. */
static inline levin_slice page_prefix(const uint8_t *p, uint32_t page_bytes)
{
    size_t bytes = load_u32(p + PAGE_PREFIX_BYTES);
    return (levin_slice){p + page_bytes - bytes, bytes};
}
static inline const uint8_t *page_slot(const uint8_t *p, unsigned i)
{
    return p + PAGE_HEADER_BYTES + (size_t)i * SLOT_BYTES;
}
/* The part of key i after the prefix. */
static inline levin_slice page_key_suffix(const uint8_t *p, unsigned i)
{
    const uint8_t *slot = page_slot(p, i);
    size_t key_at = page_type(p) == PAGE_LEAF ? LEAF_CELL_KEY : BRANCH_CELL_KEY;
    return (levin_slice){p + load_u16(slot + SLOT_OFFSET) + key_at, load_u16(slot + SLOT_KEY_BYTES)};
}
/*
 * Asks for the header, the first 128 slots (a leaf of 16 KiB with small values has so many) and the prefix, all at
 * once: a binary search in a cold page would wait for them one after the other. Measured: 230 ns a search instead of
 * 740.
 */
static inline void page_prefetch(const uint8_t *p, uint32_t page_bytes)
{
    enum { LINE = 64, LINES = 1 + 128 * SLOT_BYTES / LINE };
    for (size_t i = 0; i < LINES; i++)
        __builtin_prefetch(p + i * LINE);
    __builtin_prefetch(p + page_bytes - 1);
}
/* First slot whose key is >= key (0 .. cells); *equal tells whether it is equal. */
unsigned page_lower_bound(const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes, bool *equal);
/*
 * The same search in pieces, so that several can wait for their memory side by side: begin (reads header and prefix),
 * step while it says so (each reads one slot and asks for the next), aim (reads a slot and asks for its cell), end.
 */
typedef struct page_search {
    const uint8_t *page;
    const uint8_t *key;   /* what follows the prefix */
    size_t key_bytes;
    uint32_t head;
    uint32_t from, count; /* the first slot with a head at or above is in [from, from + count] */
    bool decided;         /* by the prefix: it is `from` */
} page_search;
void page_search_begin(page_search *s, const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes);
static inline bool page_search_step(page_search *s)
{
    const uint8_t *slots = s->page + PAGE_HEADER_BYTES;
    uint32_t half = s->count / 2;
    if (half == 0)
        return false;
    s->from += load_u32(slots + (size_t)(s->from + half - 1) * SLOT_BYTES + SLOT_HEAD) < s->head ? half : 0;
    s->count -= half;
    uint32_t next = s->count / 2;
    __builtin_prefetch(slots + (size_t)(s->from + (next ? next - 1 : 0)) * SLOT_BYTES);
    return true;
}
void page_search_aim(page_search *s);
unsigned page_search_end(const page_search *s, bool *equal);
/* Branch: the child that holds the key: last i with key i <= key, 0 when key is below all. */
unsigned branch_child_for(const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes);
static inline page_ref branch_child(const uint8_t *p, unsigned i)
{
    const uint8_t *cell = p + load_u16(page_slot(p, i) + SLOT_OFFSET);
    return (page_ref){load_u64(cell + BRANCH_CELL_CHILD), load_u64(cell + BRANCH_CELL_CHECKSUM)};
}

/* A value as the leaf holds it. */
typedef struct page_value {
    enum value_kind kind;
    size_t bytes;            /* of the value */
    const uint8_t *data;     /* inline: the value, in the page */
    uint64_t first_page;     /* extent: page; value log: position */
    uint64_t checksum;       /* of the value bytes, when they are elsewhere */
    uint16_t key_bytes;      /* value log: of its record */
} page_value;
/* Of a leaf's cell, whose key has so many bytes after the prefix. */
static inline page_value leaf_cell_value(const uint8_t *cell, size_t key_bytes)
{
    const uint8_t *payload = cell + LEAF_CELL_KEY + key_bytes;
    uint32_t word = load_u32(cell);
    page_value value = {.kind = (enum value_kind)(word >> VALUE_KIND_SHIFT), .bytes = word & VALUE_BYTES_MASK};
    if (value.kind == VALUE_INLINE) {
        value.data = payload;
    } else {
        value.first_page = load_u64(payload);
        value.checksum = load_u64(payload + 8);
        if (value.kind == VALUE_LOG)
            value.key_bytes = load_u16(payload + VLOG_POINTER_KEY_BYTES);
    }
    return value;
}
static inline page_value leaf_value(const uint8_t *p, unsigned i)
{
    const uint8_t *slot = page_slot(p, i);
    return leaf_cell_value(p + load_u16(slot + SLOT_OFFSET), load_u16(slot + SLOT_KEY_BYTES));
}
/* Of kind VALUE_LOG. */
static inline vlog_pointer page_value_pointer(const page_value *v)
{
    return (vlog_pointer){v->first_page, v->checksum, (uint32_t)v->bytes, v->key_bytes};
}
static inline page_value page_value_of_pointer(const vlog_pointer *p)
{
    return (page_value){.kind = VALUE_LOG,
                        .bytes = p->value_bytes,
                        .first_page = p->position,
                        .checksum = p->checksum,
                        .key_bytes = p->key_bytes};
}

/* ---- meta ---- */
typedef struct page_meta {
    uint8_t identity[16];
    uint32_t page_bytes, sector_bytes, height;
    uint64_t generation;
    page_ref root;
    uint64_t keys, page_count;
    page_ref free_list;
    uint64_t free_pages;
    uint64_t replay, replay_chain, sequence, incarnation;
    uint64_t leaf_pages, branch_pages, overflow_pages, free_list_pages;
    page_ref named_root; /* of the named keyspaces' tree */
    uint32_t named_height;
    uint64_t named_keys;
    page_ref vlog_table;
    uint64_t vlog_table_pages, vlog_next;
} page_meta;
void meta_encode(uint8_t bytes[META_BYTES], const page_meta *meta);
/* slot 0 or 1. LEVIN_CORRUPT, LEVIN_VERSION_UNKNOWN. Every field is checked for sense. */
levin_code meta_decode(const uint8_t bytes[META_BYTES], unsigned slot, page_meta *meta, levin_error *error);

#endif
