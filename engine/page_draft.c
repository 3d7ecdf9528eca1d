/*
 * page_draft.c - appends cells to a page in place; the prefix shrinks as keys demand.
 *
 * Invariants: cell i + 1 stands directly below cell i, so that dropping cells at the end is moving `heap` up; the
 * prefix is shared by all keys of the draft; used bytes never exceed the page.
 * Concurrency: one thread at a time.  Crash safety: memory only.
 */
#include "page_draft.h"

/* Bytes that a and b have in common, of the first n. */
static inline size_t common(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t difference = load_u64(a + i) ^ load_u64(b + i);
        if (difference)
            return i + (size_t)__builtin_ctzll(difference) / 8;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t key_common(const uint8_t *a, size_t a_bytes, split_key k)
{
    size_t c = 0;
    if (k.prefix.size) {
        c = common(a, k.prefix.data, smaller(a_bytes, k.prefix.size));
        if (c < k.prefix.size)
            return c;
    }
    return c + common(a + c, k.suffix.data, smaller(a_bytes - c, k.suffix.size));
}

size_t split_key_common(const uint8_t *a, size_t a_bytes, split_key k)
{
    return key_common(a, a_bytes, k);
}

int split_key_compare(const uint8_t *key, size_t key_bytes, split_key k)
{
    size_t n = smaller(key_bytes, k.prefix.size);
    int c = n ? memcmp(key, k.prefix.data, n) : 0;
    if (c || n < k.prefix.size)
        return c ? c : -1;
    return key_compare(key + n, key_bytes - n, k.suffix.data, k.suffix.size);
}

size_t split_key_copy(uint8_t *to, split_key k)
{
    if (k.prefix.size)
        memcpy(to, k.prefix.data, k.prefix.size);
    if (k.suffix.size)
        memcpy(to + k.prefix.size, k.suffix.data, k.suffix.size);
    return split_key_bytes(k);
}

split_key split_key_cut(split_key k, size_t bytes)
{
    k.prefix.size = smaller(k.prefix.size, bytes);
    k.suffix.size = smaller(k.suffix.size, bytes - k.prefix.size);
    return k;
}

static inline size_t fixed_bytes(const page_draft *d)
{
    return d->level ? BRANCH_CELL_KEY : LEAF_CELL_KEY;
}

/* Bytes that follow the key in a cell of a well-formed page. */
static inline size_t payload_bytes(const uint8_t *cell, unsigned level)
{
    if (level)
        return 0;
    uint32_t word = load_u32(cell);
    if (word >> VALUE_KIND_SHIFT == VALUE_INLINE)
        return word & VALUE_BYTES_MASK;
    return word >> VALUE_KIND_SHIFT == VALUE_LOG ? (size_t)VLOG_POINTER_BYTES : (size_t)EXTENT_POINTER_BYTES;
}

void page_draft_begin(page_draft *d, uint8_t *page, uint32_t page_bytes, unsigned level)
{
    *d = (page_draft){.page = page, .page_bytes = page_bytes, .level = level, .heap = page_bytes};
    memset(page, 0, PAGE_HEADER_BYTES);
    store_u8(page + PAGE_TYPE, level ? PAGE_BRANCH : PAGE_LEAF);
    store_u8(page + PAGE_LEVEL, (uint8_t)level);
}

size_t page_draft_cell_bytes(const page_draft *d, unsigned i)
{
    const uint8_t *slot = page_slot(d->page, i), *cell = d->page + load_u16(slot + SLOT_OFFSET);
    return SLOT_BYTES + fixed_bytes(d) + load_u16(slot + SLOT_KEY_BYTES) + payload_bytes(cell, d->level);
}

/* Lays the cells out again with a prefix of `prefix_bytes`, fewer than now. There is room. */
static void prefix_shrink(page_draft *d, uint8_t **spare, uint32_t prefix_bytes)
{
    uint8_t *to = *spare;
    const uint8_t *from = d->page, *old_prefix = from + d->page_bytes - d->prefix_bytes;
    size_t fixed = fixed_bytes(d), more = d->prefix_bytes - prefix_bytes;
    uint32_t heap = d->page_bytes - prefix_bytes;

    memcpy(to, from, PAGE_HEADER_BYTES);
    memcpy(to + heap, old_prefix, prefix_bytes);
    for (unsigned i = 0; i < d->cells; i++) {
        const uint8_t *slot = page_slot(from, i), *cell = from + load_u16(slot + SLOT_OFFSET);
        size_t key_bytes = load_u16(slot + SLOT_KEY_BYTES), rest = key_bytes + payload_bytes(cell, d->level);
        heap -= (uint32_t)(fixed + more + rest);
        uint8_t *key = to + heap + fixed;
        memcpy(to + heap, cell, fixed);
        memcpy(key, old_prefix + prefix_bytes, more);
        memcpy(key + more, cell + fixed, rest);
        uint8_t *new_slot = to + (slot - from);
        store_u32(new_slot + SLOT_HEAD, key_head32(key, key_bytes + more));
        store_u16(new_slot + SLOT_OFFSET, (uint16_t)heap);
        store_u16(new_slot + SLOT_KEY_BYTES, (uint16_t)(key_bytes + more));
    }
    *spare = d->page;
    d->page = to;
    d->heap = heap;
    d->prefix_bytes = prefix_bytes;
}

/* Writes the key from byte `skip` on. */
static inline uint8_t *key_tail_write(uint8_t *to, split_key key, size_t skip)
{
    if (skip < key.prefix.size) {
        memcpy(to, (const uint8_t *)key.prefix.data + skip, key.prefix.size - skip);
        to += key.prefix.size - skip;
        skip = 0;
    } else {
        skip -= key.prefix.size;
    }
    memcpy(to, (const uint8_t *)key.suffix.data + skip, key.suffix.size - skip);
    return to + (key.suffix.size - skip);
}

bool page_draft_add(page_draft *d, uint8_t **spare, split_key key, const page_payload *payload)
{
    size_t key_bytes = split_key_bytes(key), fixed = fixed_bytes(d), prefix_bytes, used;
    if (d->cells == 0) {
        prefix_bytes = key_bytes; /* the prefix of one key is the key */
        used = PAGE_HEADER_BYTES + prefix_bytes;
    } else {
        prefix_bytes = key_common(d->page + d->page_bytes - d->prefix_bytes, d->prefix_bytes, key);
        used = page_draft_used(d) + (d->cells - 1) * (d->prefix_bytes - prefix_bytes);
    }
    if (used + SLOT_BYTES + fixed + key_bytes - prefix_bytes + payload->bytes > d->page_bytes)
        return false;
    if (d->cells == 0) {
        d->prefix_bytes = (uint32_t)prefix_bytes;
        d->heap = d->page_bytes - d->prefix_bytes;
        split_key_copy(d->page + d->heap, key);
    } else if (prefix_bytes < d->prefix_bytes) {
        prefix_shrink(d, spare, (uint32_t)prefix_bytes);
    }
    size_t suffix_bytes = key_bytes - prefix_bytes;
    d->heap -= (uint32_t)(fixed + suffix_bytes + payload->bytes);
    uint8_t *cell = d->page + d->heap, *slot = d->page + PAGE_HEADER_BYTES + (size_t)d->cells * SLOT_BYTES;
    if (d->level)
        memcpy(cell, payload->fixed, BRANCH_CELL_KEY);
    else
        memcpy(cell, payload->fixed, LEAF_CELL_KEY);
    uint8_t *end = key_tail_write(cell + fixed, key, prefix_bytes);
    if (payload->bytes)
        memcpy(end, payload->data, payload->bytes);
    store_u32(slot + SLOT_HEAD, key_head32(cell + fixed, suffix_bytes));
    store_u16(slot + SLOT_OFFSET, (uint16_t)d->heap);
    store_u16(slot + SLOT_KEY_BYTES, (uint16_t)suffix_bytes);
    d->cells++;
    return true;
}

unsigned page_draft_copy(page_draft *d, uint8_t **spare, const uint8_t *source, unsigned from, unsigned to)
{
    size_t fixed = fixed_bytes(d);
    page_payload payload = {.data = NULL};
    for (; from < to; from++) {
        split_key key = page_split_key(source, d->page_bytes, from);
        const uint8_t *cell = (const uint8_t *)key.suffix.data - fixed;
        if (d->level)
            memcpy(payload.fixed, cell, BRANCH_CELL_KEY);
        else
            memcpy(payload.fixed, cell, LEAF_CELL_KEY);
        payload.bytes = payload_bytes(cell, d->level);
        payload.data = (const uint8_t *)key.suffix.data + key.suffix.size;
        if (!page_draft_add(d, spare, key, &payload))
            break;
    }
    return from;
}

void page_draft_truncate(page_draft *d, unsigned cells)
{
    if (cells < d->cells)
        d->heap = load_u16(page_slot(d->page, cells - 1) + SLOT_OFFSET);
    d->cells = cells;
}

void page_draft_seal(page_draft *d)
{
    store_u16(d->page + PAGE_CELLS, (uint16_t)d->cells);
    store_u32(d->page + PAGE_HEAP, d->heap);
    store_u32(d->page + PAGE_PREFIX_BYTES, d->prefix_bytes);
}

uint64_t page_draft_finish(page_draft *d, uint64_t identity, uint64_t number, uint64_t generation)
{
    size_t slots_end = PAGE_HEADER_BYTES + (size_t)d->cells * SLOT_BYTES;
    page_draft_seal(d);
    memset(d->page + slots_end, 0, d->heap - slots_end); /* a recycled buffer: nothing of another page goes to disk */
    store_u64(d->page + PAGE_NUMBER, number);
    store_u64(d->page + PAGE_GENERATION, generation);
    uint64_t sum = page_checksum(d->page, d->page_bytes, identity, number);
    store_u64(d->page + PAGE_CHECKSUM, sum);
    return sum;
}
