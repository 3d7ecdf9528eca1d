/*
 * page.c - one page: checks and search.
 *
 * Invariants of a verified page (page_verify), on which the accessors and the search rely:
 *   - slots end at or before the heap, each cell (fixed part, key, inline value or pointer) stands in the heap;
 *   - keys are strictly ascending, each head is key_head32() of the key after the prefix;
 *   - a leaf is of level 0 and its keys have at least one byte; a branch is of level 1 .. PAGE_HEIGHT_MAX - 1;
 *   - children, extents and free entries lie in [page_first, page_count).
 * Cells may overlap one another: no access gets out of bounds by it, and page_draft.c never makes such a page.
 *
 * Concurrency: pure functions over immutable pages; any thread.
 * Crash safety: the checksum is seeded with store and page number and stands in the parent too, so a torn, stale,
 * lost or misdirected write does not verify.
 */
#include "page.h"

#include "checksum.h"

/* ---- checks ---- */

typedef struct page_verifier {
    const uint8_t *page;
    const page_expect *expect;
    levin_error *error;
    uint64_t first;         /* page_first() */
    size_t heap, heap_end;  /* cells stand in [heap, heap_end) */
    size_t prefix_bytes;
} page_verifier;

/* field: offset in the page */
static levin_code page_damaged(const page_verifier *v, size_t field, uint64_t expected, uint64_t found,
                               const char *what)
{
    const page_expect *e = v->expect;
    return error_corrupt(v->error, PAGE_FILE_NAME, e->ref.number * e->page_bytes + field, expected, found,
                         "page %llu: %s", (unsigned long long)e->ref.number, what);
}

uint64_t page_checksum(const uint8_t *page, uint32_t page_bytes, uint64_t identity, uint64_t number)
{
    return checksum(page + PAGE_NUMBER, page_bytes - PAGE_NUMBER, checksum_seed(identity, PLACE_PAGE, number));
}

/* Whether [first, first + pages) lies in [page_first, page_count), without overflow. */
static bool pages_in_file(const page_verifier *v, uint64_t first, uint64_t pages)
{
    uint64_t count = v->expect->page_count;
    return first >= v->first && first < count && pages <= count - first;
}

static levin_code verify_header(page_verifier *v)
{
    const uint8_t *p = v->page;
    const page_expect *e = v->expect;
    uint64_t stored = load_u64(p + PAGE_CHECKSUM);
    uint64_t computed = page_checksum(p, e->page_bytes, e->identity, e->ref.number);

    if (!pages_in_file(v, e->ref.number, 1))
        return page_damaged(v, 0, e->page_count, e->ref.number, "its number is not below the page count");
    if (stored != computed)
        return page_damaged(v, PAGE_CHECKSUM, computed, stored, "its bytes do not match its checksum");
    if (stored != e->ref.checksum)
        return page_damaged(v, PAGE_CHECKSUM, e->ref.checksum, stored,
                            "not the page its parent refers to: a stale, lost or misdirected write");
    if (load_u64(p + PAGE_NUMBER) != e->ref.number)
        return page_damaged(v, PAGE_NUMBER, e->ref.number, load_u64(p + PAGE_NUMBER),
                            "it carries another page number");
    if (page_generation(p) > e->max_generation)
        return page_damaged(v, PAGE_GENERATION, e->max_generation, page_generation(p), "it is from the future");

    unsigned type = p[PAGE_TYPE], level = p[PAGE_LEVEL];
    bool type_right = e->type ? type == (unsigned)e->type : type == PAGE_LEAF || type == PAGE_BRANCH;
    if (!type_right)
        return page_damaged(v, PAGE_TYPE, e->type, type, "wrong page type");
    bool level_right = type == PAGE_BRANCH ? level >= 1 && level < PAGE_HEIGHT_MAX : level == 0;
    if (!level_right || (e->level != PAGE_LEVEL_ANY && (int)level != e->level))
        return page_damaged(v, PAGE_LEVEL, e->level == PAGE_LEVEL_ANY ? 0 : (uint64_t)e->level, level, "wrong level");
    if (load_u32(p + PAGE_RESERVED_A) != 0)
        return page_damaged(v, PAGE_RESERVED_A, 0, load_u32(p + PAGE_RESERVED_A), "a reserved field is used");
    if (load_u64(p + PAGE_RESERVED_B) != 0)
        return page_damaged(v, PAGE_RESERVED_B, 0, load_u64(p + PAGE_RESERVED_B), "a reserved field is used");
    return LEVIN_OK;
}

static levin_code verify_leaf_value(const page_verifier *v, size_t cell, size_t key_bytes)
{
    uint32_t page_bytes = v->expect->page_bytes;
    uint32_t word = load_u32(v->page + cell);
    uint64_t bytes = word & VALUE_BYTES_MASK;
    size_t at = cell + LEAF_CELL_KEY + key_bytes, left = v->heap_end - at;

    switch (word >> VALUE_KIND_SHIFT) {
    case VALUE_INLINE:
        if (bytes > page_inline_value_max(page_bytes))
            return page_damaged(v, cell, page_inline_value_max(page_bytes), bytes, "an inline value is too long");
        if (bytes > left)
            return page_damaged(v, cell, left, bytes, "an inline value leaves the page");
        return LEVIN_OK;
    case VALUE_EXTENT:
        if (bytes == 0 || bytes > LEVIN_VALUE_MAX_BYTES)
            return page_damaged(v, cell, LEVIN_VALUE_MAX_BYTES, bytes, "the length of a value is impossible");
        if (left < EXTENT_POINTER_BYTES)
            return page_damaged(v, cell, EXTENT_POINTER_BYTES, left, "an extent pointer leaves the page");
        if (!pages_in_file(v, load_u64(v->page + at), extent_pages(bytes, page_bytes)))
            return page_damaged(v, at, v->expect->page_count, load_u64(v->page + at), "an extent leaves the file");
        return LEVIN_OK;
    case VALUE_LOG:
        if (left < VLOG_POINTER_BYTES)
            return page_damaged(v, cell, VLOG_POINTER_BYTES, left, "a pointer into the value log leaves the page");
        if (!vlog_pointer_check(v->page + at, v->prefix_bytes + key_bytes) ||
            vlog_pointer_load(v->page + at).value_bytes != bytes)
            return page_damaged(v, at, bytes, load_u64(v->page + at), "an impossible pointer into the value log");
        return LEVIN_OK;
    default:
        return page_damaged(v, cell, VALUE_EXTENT, word >> VALUE_KIND_SHIFT, "a value of unknown kind");
    }
}

/* One slot and its cell; *key gets the key after the prefix. */
static levin_code verify_cell(const page_verifier *v, unsigned i, bool leaf, levin_slice *key)
{
    const uint8_t *p = v->page, *slot = page_slot(p, i);
    size_t slot_at = (size_t)(slot - p);
    size_t cell = load_u16(slot + SLOT_OFFSET), key_bytes = load_u16(slot + SLOT_KEY_BYTES);
    size_t key_at = leaf ? LEAF_CELL_KEY : BRANCH_CELL_KEY, key_max = LEVIN_KEY_MAX_BYTES(v->expect->page_bytes);

    if (cell < v->heap || cell > v->heap_end)
        return page_damaged(v, slot_at + SLOT_OFFSET, v->heap, cell, "a cell stands outside the heap");
    if (key_at + key_bytes > v->heap_end - cell)
        return page_damaged(v, slot_at + SLOT_KEY_BYTES, v->heap_end - cell, key_bytes, "a key leaves the page");
    if (v->prefix_bytes + key_bytes > key_max)
        return page_damaged(v, slot_at + SLOT_KEY_BYTES, key_max, v->prefix_bytes + key_bytes, "a key is too long");
    if (leaf && v->prefix_bytes + key_bytes < LEVIN_KEY_MIN_BYTES)
        return page_damaged(v, slot_at + SLOT_KEY_BYTES, LEVIN_KEY_MIN_BYTES, 0, "a key is empty");
    *key = (levin_slice){p + cell + key_at, key_bytes};
    if (load_u32(slot + SLOT_HEAD) != key_head32(key->data, key_bytes))
        return page_damaged(v, slot_at + SLOT_HEAD, key_head32(key->data, key_bytes), load_u32(slot + SLOT_HEAD),
                            "the head of a key is not its first bytes");
    if (leaf)
        return verify_leaf_value(v, cell, key_bytes);
    uint64_t child = load_u64(p + cell + BRANCH_CELL_CHILD);
    if (!pages_in_file(v, child, 1))
        return page_damaged(v, cell + BRANCH_CELL_CHILD, v->expect->page_count, child, "a child is not in the file");
    return LEVIN_OK;
}

static levin_code verify_tree_page(page_verifier *v)
{
    const uint8_t *p = v->page;
    bool leaf = page_type(p) == PAGE_LEAF;
    unsigned cells = page_cells(p);
    uint32_t page_bytes = v->expect->page_bytes, prefix_bytes = load_u32(p + PAGE_PREFIX_BYTES);
    uint32_t heap = load_u32(p + PAGE_HEAP);
    size_t slots_end = PAGE_HEADER_BYTES + (size_t)cells * SLOT_BYTES;

    if (prefix_bytes > LEVIN_KEY_MAX_BYTES(page_bytes))
        return page_damaged(v, PAGE_PREFIX_BYTES, LEVIN_KEY_MAX_BYTES(page_bytes), prefix_bytes,
                            "its prefix is too long");
    v->heap = heap;
    v->heap_end = page_bytes - prefix_bytes;
    v->prefix_bytes = prefix_bytes;
    if (cells == 0 || slots_end > v->heap_end)
        return page_damaged(v, PAGE_CELLS, 1, cells, "its number of cells is impossible");
    if (heap < slots_end || heap > v->heap_end)
        return page_damaged(v, PAGE_HEAP, slots_end, heap, "its heap starts in the slots or past the page");
    if (load_u64(p + PAGE_NEXT) != 0 || load_u64(p + PAGE_NEXT_CHECKSUM) != 0)
        return page_damaged(v, PAGE_NEXT, 0, load_u64(p + PAGE_NEXT), "a tree page has no next page");

    levin_slice previous = {NULL, 0}, key = {NULL, 0};
    for (unsigned i = 0; i < cells; i++, previous = key) {
        levin_code code = verify_cell(v, i, leaf, &key);
        if (code)
            return code;
        if (i == 0)
            continue;
        const uint8_t *slot = page_slot(p, i);
        uint32_t head = load_u32(slot + SLOT_HEAD), head_before = load_u32(slot - SLOT_BYTES + SLOT_HEAD);
        if (head < head_before ||
            (head == head_before && key_compare(previous.data, previous.size, key.data, key.size) >= 0))
            return page_damaged(v, (size_t)(slot - p), i - 1, i, "keys are out of order");
    }
    return LEVIN_OK;
}

/* What the free list and the table of value-log segments have in common. */
static levin_code verify_list(page_verifier *v, unsigned entry_bytes)
{
    const uint8_t *p = v->page;
    uint32_t page_bytes = v->expect->page_bytes;
    uint64_t next = load_u64(p + PAGE_NEXT);

    if (page_cells(p) > (page_bytes - PAGE_HEADER_BYTES) / entry_bytes)
        return page_damaged(v, PAGE_CELLS, (page_bytes - PAGE_HEADER_BYTES) / entry_bytes, page_cells(p),
                            "its number of entries is impossible");
    if (load_u32(p + PAGE_HEAP) != page_bytes)
        return page_damaged(v, PAGE_HEAP, page_bytes, load_u32(p + PAGE_HEAP), "a list has no heap");
    if (load_u32(p + PAGE_PREFIX_BYTES) != 0)
        return page_damaged(v, PAGE_PREFIX_BYTES, 0, load_u32(p + PAGE_PREFIX_BYTES), "a list has no prefix");
    if (next == 0 ? load_u64(p + PAGE_NEXT_CHECKSUM) != 0 : !pages_in_file(v, next, 1))
        return page_damaged(v, PAGE_NEXT, v->expect->page_count, next, "the next page is not in the file");
    return LEVIN_OK;
}

static levin_code verify_vlog_table(page_verifier *v)
{
    const uint8_t *p = v->page;
    uint64_t after = 0;
    levin_code code = verify_list(v, VLOG_ENTRY_BYTES);
    for (unsigned i = 0; i < page_cells(p) && !code; i++) {
        size_t at = PAGE_HEADER_BYTES + (size_t)i * VLOG_ENTRY_BYTES;
        uint64_t number = load_u64(p + at), end = load_u64(p + at + 8), live = load_u64(p + at + 16);
        if (number <= after || number > VLOG_NUMBER_MAX)
            return page_damaged(v, at, after + 1, number, "segments of the value log are out of order");
        if (end < VLOG_SEGMENT_HEADER_BYTES || end > VLOG_OFFSET_MAX || live > end)
            return page_damaged(v, at + 8, live, end, "the size of a value-log segment is impossible");
        after = number;
    }
    return code;
}

static levin_code verify_free_list(page_verifier *v)
{
    const uint8_t *p = v->page;
    unsigned entries = page_cells(p);
    uint64_t after = 0;
    levin_code code = verify_list(v, FREE_ENTRY_BYTES);
    if (code)
        return code;
    for (unsigned i = 0; i < entries; i++) {
        size_t at = PAGE_HEADER_BYTES + (size_t)i * FREE_ENTRY_BYTES;
        uint64_t first = load_u64(p + at), pages = load_u64(p + at + 8);
        if (pages == 0 || !pages_in_file(v, first, pages))
            return page_damaged(v, at, v->expect->page_count, first, "a free extent is not in the file");
        if (i > 0 && first <= after)
            return page_damaged(v, at, after + 1, first, "free extents are out of order or touch");
        after = first + pages;
    }
    return LEVIN_OK;
}

levin_code page_verify(const uint8_t *page, const page_expect *expect, levin_error *error)
{
    page_verifier v = {.page = page, .expect = expect, .error = error, .first = page_first(expect->page_bytes)};
    levin_code code = verify_header(&v);
    if (code)
        return code;
    if (page_type(page) == PAGE_FREE_LIST)
        return verify_free_list(&v);
    return page_type(page) == PAGE_VLOG_TABLE ? verify_vlog_table(&v) : verify_tree_page(&v);
}

/* ---- search ---- */

static inline uint32_t slot_head(const uint8_t *slots, size_t i)
{
    return load_u32(slots + i * SLOT_BYTES + SLOT_HEAD);
}

/*
 * First slot in [from, from + count) whose head is >= head. No branch depends on the keys: one conditional move a
 * step.
 */
static inline size_t head_lower_bound(const uint8_t *slots, size_t from, size_t count, uint32_t head)
{
    while (count > 1) {
        size_t half = count / 2;
        from += slot_head(slots, from + half - 1) < head ? half : 0;
        count -= half;
    }
    return from + (count == 1 && slot_head(slots, from) < head);
}

/* Slots [low, high) have the head of the key: the whole keys decide. */
static unsigned tie_lower_bound(const uint8_t *p, size_t low, size_t high, const uint8_t *key, size_t key_bytes,
                                bool *equal)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        levin_slice suffix = page_key_suffix(p, (unsigned)middle);
        int c = key_compare(suffix.data, suffix.size, key, key_bytes);
        if (c == 0) {
            *equal = true;
            return (unsigned)middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (unsigned)low;
}

/* False when the prefix decides, and then *from is the slot. Otherwise key and key_bytes are what follows it. */
static inline __attribute__((always_inline)) bool
skip_prefix(const uint8_t *p, uint32_t page_bytes, const uint8_t **key, size_t *key_bytes, unsigned *from)
{
    levin_slice prefix = page_prefix(p, page_bytes);
    if (prefix.size) {
        size_t shared = *key_bytes < prefix.size ? *key_bytes : prefix.size;
        int c = shared ? memcmp(*key, prefix.data, shared) : 0;
        if (c || shared < prefix.size) {
            *from = c > 0 ? page_cells(p) : 0;
            return false;
        }
        *key += prefix.size;
        *key_bytes -= prefix.size;
    }
    return true;
}

/* low is the first slot with a head at or above that of the key. */
static inline __attribute__((always_inline)) unsigned
among_ties(const uint8_t *p, size_t low, uint32_t head, const uint8_t *key, size_t key_bytes, bool *equal)
{
    const uint8_t *slots = p + PAGE_HEADER_BYTES;
    unsigned cells = page_cells(p);
    if (low == cells || slot_head(slots, low) != head)
        return (unsigned)low;
    size_t high = low + 1;
    if (high < cells && slot_head(slots, high) == head)
        high = head == UINT32_MAX ? cells : head_lower_bound(slots, high, cells - high, head + 1);
    return tie_lower_bound(p, low, high, key, key_bytes, equal);
}

unsigned page_lower_bound(const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes, bool *equal)
{
    unsigned from;
    *equal = false;
    if (!skip_prefix(p, page_bytes, &key, &key_bytes, &from))
        return from;
    uint32_t head = key_head32(key, key_bytes);
    size_t low = head_lower_bound(p + PAGE_HEADER_BYTES, 0, page_cells(p), head);
    return among_ties(p, low, head, key, key_bytes, equal);
}

void page_search_begin(page_search *s, const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes)
{
    unsigned from = 0;
    s->page = p;
    s->decided = !skip_prefix(p, page_bytes, &key, &key_bytes, &from);
    s->key = key;
    s->key_bytes = key_bytes;
    s->head = key_head32(key, key_bytes);
    s->from = from;
    s->count = s->decided ? 0 : page_cells(p);
    if (s->count > 1)
        __builtin_prefetch(page_slot(p, s->count / 2 - 1));
}

void page_search_aim(page_search *s)
{
    const uint8_t *p = s->page, *slots = p + PAGE_HEADER_BYTES;
    if (s->decided)
        return;
    s->from += s->count == 1 && slot_head(slots, s->from) < s->head;
    s->count = 0;
    unsigned at = s->from;
    if (at == page_cells(p) || slot_head(slots, at) != s->head) {
        if (page_type(p) == PAGE_LEAF || at == 0)
            return; /* not there: no cell will be read */
        at--;
    }
    const uint8_t *cell = p + load_u16(page_slot(p, at) + SLOT_OFFSET);
    __builtin_prefetch(cell);
    __builtin_prefetch(cell + 64);
}

unsigned page_search_end(const page_search *s, bool *equal)
{
    *equal = false;
    return s->decided ? s->from : among_ties(s->page, s->from, s->head, s->key, s->key_bytes, equal);
}

unsigned branch_child_for(const uint8_t *p, uint32_t page_bytes, const uint8_t *key, size_t key_bytes)
{
    bool equal;
    unsigned i = page_lower_bound(p, page_bytes, key, key_bytes, &equal);
    return equal || i == 0 ? i : i - 1;
}
