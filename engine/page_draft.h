/*
 * page_draft.h - a tree page under construction: cells are appended in place, in ascending key order.
 *
 * The draft is at every moment a well-formed page but for header and checksum: it keeps the longest prefix that all
 * its keys share, and when a key comes that shares less, the cells are laid out again with the shorter prefix (which
 * happens a few times in a page).  So nothing is staged: a record goes into its page with one copy, and the room a
 * page takes is known exactly before each addition.  Cells grow down from the prefix, slots up from the header.
 *
 * Requires ascending keys of at most a quarter page and values of at most page_inline_value_max(); the first cell
 * always fits. One thread at a time.  Never fails, never allocates: `spare` is another buffer of a page, and changes
 * places with the draft's own when the cells are laid out again.
 */
#ifndef LEVIN_PAGE_DRAFT_H
#define LEVIN_PAGE_DRAFT_H

#include "page.h"

typedef struct page_draft {
    uint8_t *page;        /* page_bytes; NULL: there is no draft */
    uint32_t page_bytes;
    unsigned level;
    unsigned cells;
    uint32_t heap;        /* cells occupy [heap, page_bytes - prefix_bytes) */
    uint32_t prefix_bytes;
} page_draft;

/* A key in two parts, as a page holds it. */
typedef struct split_key {
    levin_slice prefix, suffix;
} split_key;
static inline size_t split_key_bytes(split_key k)
{
    return k.prefix.size + k.suffix.size;
}
static inline split_key split_key_whole(const uint8_t *key, size_t bytes)
{
    return (split_key){{"", 0}, {key, bytes}};
}
static inline split_key page_split_key(const uint8_t *page, uint32_t page_bytes, unsigned i)
{
    return (split_key){page_prefix(page, page_bytes), page_key_suffix(page, i)};
}
/* The order of a key and a split key. */
int split_key_compare(const uint8_t *key, size_t key_bytes, split_key k);
/* `to` has room for all of it. Returns its length. */
size_t split_key_copy(uint8_t *to, split_key k);
/* The first `bytes` of it. */
split_key split_key_cut(split_key k, size_t bytes);
/* Bytes that a and k have in common at their beginning. */
size_t split_key_common(const uint8_t *a, size_t a_bytes, split_key k);

/* What a cell holds besides its key: the fixed part before the key, and what follows it. */
typedef struct page_payload {
    uint8_t fixed[BRANCH_CELL_KEY]; /* leaf: LEAF_CELL_KEY bytes of it, branch: all */
    const void *data;
    size_t bytes;
} page_payload;
static inline page_payload payload_value(enum value_kind kind, size_t value_bytes, const void *data, size_t bytes)
{
    page_payload p = {.data = data, .bytes = bytes};
    store_u32(p.fixed, (uint32_t)value_bytes | (uint32_t)kind << VALUE_KIND_SHIFT);
    return p;
}
static inline page_payload payload_child(page_ref ref)
{
    page_payload p = {.data = NULL, .bytes = 0};
    store_u64(p.fixed + BRANCH_CELL_CHILD, ref.number);
    store_u64(p.fixed + BRANCH_CELL_CHECKSUM, ref.checksum);
    return p;
}

void page_draft_begin(page_draft *d, uint8_t *page, uint32_t page_bytes, unsigned level);
/* Bytes the page takes as it is. */
static inline size_t page_draft_used(const page_draft *d)
{
    return PAGE_HEADER_BYTES + (size_t)d->cells * SLOT_BYTES + (d->page_bytes - d->heap);
}
/* Bytes that cell i and its slot take. */
size_t page_draft_cell_bytes(const page_draft *d, unsigned i);
/* False when the cell does not fit; the draft is as before then. */
bool page_draft_add(page_draft *d, uint8_t **spare, split_key key, const page_payload *payload);
/* Adds cells [from, to) of a finished or sealed page of the same level. Returns the first that did not fit, or `to`. */
unsigned page_draft_copy(page_draft *d, uint8_t **spare, const uint8_t *source, unsigned from, unsigned to);
/* Keeps the first `cells` cells (at least 1). */
void page_draft_truncate(page_draft *d, unsigned cells);
/* Fills in the header, checksum apart: the draft can be read as a page until it is changed. */
void page_draft_seal(page_draft *d);
static inline split_key page_draft_key(const page_draft *d, unsigned i)
{
    levin_slice prefix = {d->page + d->page_bytes - d->prefix_bytes, d->prefix_bytes};
    return (split_key){prefix, page_key_suffix(d->page, i)};
}
/* Makes it a page. Returns its checksum. */
uint64_t page_draft_finish(page_draft *d, uint64_t identity, uint64_t number, uint64_t generation);

#endif
