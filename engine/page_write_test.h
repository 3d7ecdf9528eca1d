/*
 * page_write_test.h - for tests and benchmarks: another writer of pages, from an array of cells in one go.
 *
 * The engine writes pages with page_draft.h, cell by cell.  This one shares no code with it and lays the cells out in
 * the other direction: what the format allows, and not only what page_draft.c does with it, is read in tests.
 */
#ifndef LEVIN_PAGE_WRITE_TEST_H
#define LEVIN_PAGE_WRITE_TEST_H

#include <assert.h>

#include "page.h"

/*
 * Cells are given in strictly ascending key order.  The prefix is the common prefix of the first and the last key.
 * Keys and inline values are referenced, not copied.
 */
typedef struct page_cell {
    const uint8_t *key;      /* whole key */
    uint32_t key_bytes;
    page_value value;        /* leaf */
    page_ref child;          /* branch */
} page_cell;

static inline size_t common_prefix(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    size_t n = 0;
    while (n + 8 <= bytes) {
        uint64_t difference = load_u64(a + n) ^ load_u64(b + n);
        if (difference)
            return n + (size_t)__builtin_ctzll(difference) / 8;
        n += 8;
    }
    while (n < bytes && a[n] == b[n])
        n++;
    return n;
}

/* Bytes that a cell and its slot take besides the key. */
static inline size_t cell_other_bytes(const page_cell *cell, enum page_type type)
{
    if (type == PAGE_BRANCH)
        return SLOT_BYTES + BRANCH_CELL_KEY;
    return SLOT_BYTES + LEAF_CELL_KEY + (cell->value.kind == VALUE_INLINE ? cell->value.bytes : EXTENT_POINTER_BYTES);
}

static inline size_t cells_prefix(const page_cell *cells, size_t count)
{
    const page_cell *last = &cells[count - 1];
    return common_prefix(cells->key, last->key,
                         cells->key_bytes < last->key_bytes ? cells->key_bytes : last->key_bytes);
}

/* Bytes a page with cells[0..count) would take, with the prefix that they share; > page_bytes does not fit. */
static inline size_t page_cells_bytes(const page_cell *cells, size_t count, enum page_type type)
{
    size_t other_bytes = 0, key_bytes = 0;
    if (count == 0)
        return PAGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        other_bytes += cell_other_bytes(&cells[i], type);
        key_bytes += cells[i].key_bytes;
    }
    size_t prefix_bytes = cells_prefix(cells, count); /* stored once and left out of each key */
    return PAGE_HEADER_BYTES + other_bytes + key_bytes - prefix_bytes * count + prefix_bytes;
}

/* Writes a cell and returns its end. */
static inline uint8_t *cell_write(uint8_t *at, enum page_type type, const page_cell *cell, const uint8_t *key,
                                  size_t key_bytes)
{
    if (type == PAGE_BRANCH) {
        store_u64(at + BRANCH_CELL_CHILD, cell->child.number);
        store_u64(at + BRANCH_CELL_CHECKSUM, cell->child.checksum);
        at += BRANCH_CELL_KEY;
    } else {
        store_u32(at, (uint32_t)cell->value.bytes | (uint32_t)cell->value.kind << VALUE_KIND_SHIFT);
        at += LEAF_CELL_KEY;
    }
    if (key_bytes)
        memcpy(at, key, key_bytes);
    at += key_bytes;
    if (type == PAGE_BRANCH)
        return at;
    if (cell->value.kind == VALUE_EXTENT) {
        store_u64(at, cell->value.first_page);
        store_u64(at + 8, cell->value.checksum);
        return at + EXTENT_POINTER_BYTES;
    }
    if (cell->value.bytes)
        memcpy(at, cell->value.data, cell->value.bytes);
    return at + cell->value.bytes;
}

/*
 * Writes the page (checksum included) into `page`; bytes that nothing occupies become 0. The cells fit and there is
 * one at least. Returns the checksum.
 */
static inline uint64_t page_write(uint8_t *page, uint32_t page_bytes, uint64_t identity, uint64_t number,
                                  uint64_t generation, enum page_type type, unsigned level, const page_cell *cells,
                                  size_t count)
{
    size_t used = page_cells_bytes(cells, count, type);
    assert(count >= 1 && used <= page_bytes && (type == PAGE_BRANCH) == (level > 0));
    size_t prefix_bytes = cells_prefix(cells, count), slots_end = PAGE_HEADER_BYTES + count * SLOT_BYTES;
    size_t heap = page_bytes - (used - slots_end);

    memset(page, 0, PAGE_HEADER_BYTES);
    store_u64(page + PAGE_NUMBER, number);
    store_u64(page + PAGE_GENERATION, generation);
    store_u8(page + PAGE_TYPE, (uint8_t)type);
    store_u8(page + PAGE_LEVEL, (uint8_t)level);
    store_u16(page + PAGE_CELLS, (uint16_t)count);
    store_u32(page + PAGE_HEAP, (uint32_t)heap);
    store_u32(page + PAGE_PREFIX_BYTES, (uint32_t)prefix_bytes);
    memset(page + slots_end, 0, heap - slots_end);

    uint8_t *at = page + heap, *slot = page + PAGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++, slot += SLOT_BYTES) {
        /* NULL + 0 is not defined in C: an empty key may have no address */
        const uint8_t *key = prefix_bytes ? cells[i].key + prefix_bytes : cells[i].key;
        size_t key_bytes = cells[i].key_bytes - prefix_bytes;
        assert(i == 0 || key_compare(cells[i - 1].key, cells[i - 1].key_bytes, cells[i].key, cells[i].key_bytes) < 0);
        store_u32(slot + SLOT_HEAD, key_head32(key, key_bytes));
        store_u16(slot + SLOT_OFFSET, (uint16_t)(at - page));
        store_u16(slot + SLOT_KEY_BYTES, (uint16_t)key_bytes);
        at = cell_write(at, type, &cells[i], key, key_bytes);
    }
    if (prefix_bytes)
        memcpy(at, cells->key, prefix_bytes);
    assert(at + prefix_bytes == page + page_bytes);

    uint64_t sum = page_checksum(page, page_bytes, identity, number);
    store_u64(page + PAGE_CHECKSUM, sum);
    return sum;
}

#endif
