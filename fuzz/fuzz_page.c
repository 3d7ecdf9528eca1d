/*
 * fuzz_page.c - property: page_verify() and meta_decode() take any bytes, refuse what is not whole, and what they
 * accept can be searched and walked without another check.
 *
 * Input: page_input.h.
 *
 * Invariants:
 *   - bytes that do not match their checksum, or the parent's, are LEVIN_CORRUPT; the error names "pages" and a byte
 *     of this page;
 *   - an accepted page has the type and the level that its parent gives it;
 *   - of an accepted tree page: keys strictly ascending, their lengths legal, keys, inline values and pointers inside
 *     the page, children and extents inside the file, the head of each slot that of its key;
 *   - page_lower_bound(), the search in pieces, and branch_child_for() find each key, and the place of keys just
 *     below and above it, as a walk from slot to slot does;
 *   - of an accepted list: entries ascending and inside the file, next page too;
 *   - an accepted meta slot is encoded to the same bytes again.
 * Nothing is allocated: all state is on the stack.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/checksum.h"
#include "fuzz.h"
#include "page_input.h"

enum { KEY_BYTES_MAX = LEVIN_KEY_MAX_BYTES(PAGE_INPUT_MAX), PROBED_MAX = 16 };

/* Not the engine's key_compare(). */
static int compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    size_t shared = a_bytes < b_bytes ? a_bytes : b_bytes;
    int c = shared ? memcmp(a, b, shared) : 0;
    return c ? c : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static void require_in_page(const page_input *input, const uint8_t *at, size_t bytes, const char *what)
{
    fuzz_require(at >= input->page && at <= input->page + input->bytes && bytes <= input->bytes -
                 (size_t)(at - input->page), "%s of an accepted page leaves it", what);
}

static void require_in_file(uint64_t first, uint64_t pages, uint32_t page_bytes, const char *what)
{
    fuzz_require(first >= 8192 / page_bytes && first < PAGE_INPUT_COUNT && pages <= PAGE_INPUT_COUNT - first,
                 "%s of an accepted page leaves the file: page %llu", what, (unsigned long long)first);
}

/* The searches must agree with what a walk found: slot `expected`, equal or not. */
static void probe(const page_input *input, const uint8_t *key, size_t bytes, unsigned expected, bool equal)
{
    bool found;
    unsigned slot = page_lower_bound(input->page, input->bytes, key, bytes, &found);
    fuzz_require(slot == expected && found == equal, "a key is looked for: slot %u, %d, and not %u, %d", slot, found,
                 expected, equal);
    page_search search;
    page_search_begin(&search, input->page, input->bytes, key, bytes);
    while (page_search_step(&search)) {
    }
    page_search_aim(&search);
    slot = page_search_end(&search, &found);
    fuzz_require(slot == expected && found == equal, "in pieces: slot %u, %d, and not %u, %d", slot, found, expected,
                 equal);
    if (page_type(input->page) == PAGE_BRANCH)
        fuzz_require(branch_child_for(input->page, input->bytes, key, bytes) == (equal || !expected ? expected :
                     expected - 1), "not the child that holds a key");
}

/* Slot i holds the key, the one before it holds `before`. */
static void probe_around(const page_input *input, unsigned i, uint8_t *key, size_t bytes, levin_slice before)
{
    probe(input, key, bytes, i, true);
    if (bytes < KEY_BYTES_MAX) { /* the smallest key above it */
        key[bytes] = 0;
        bool next = false;
        if (i + 1 < page_cells(input->page)) {
            levin_slice prefix = page_prefix(input->page, input->bytes), after = page_key_suffix(input->page, i + 1);
            next = prefix.size + after.size == bytes + 1 &&
                   !memcmp(after.data, key + prefix.size, after.size);
        }
        probe(input, key, bytes + 1, i + 1, next);
    }
    if (bytes && (!i || compare(before.data, before.size, key, bytes - 1) < 0)) /* one below, above the one before */
        probe(input, key, bytes - 1, i, false);
}

static void walk_cell(const page_input *input, unsigned i)
{
    const uint8_t *page = input->page;
    if (page_type(page) == PAGE_BRANCH) {
        page_ref child = branch_child(page, i);
        require_in_file(child.number, 1, input->bytes, "a child");
        return;
    }
    page_value value = leaf_value(page, i);
    if (value.kind == VALUE_INLINE) {
        fuzz_require(value.bytes <= page_inline_value_max(input->bytes), "an inline value of %zu bytes", value.bytes);
        require_in_page(input, value.data, value.bytes, "an inline value");
    } else if (value.kind == VALUE_EXTENT) {
        fuzz_require(value.bytes && value.bytes <= LEVIN_VALUE_MAX_BYTES, "a value of %zu bytes", value.bytes);
        require_in_file(value.first_page, (value.bytes + input->bytes - 1) / input->bytes, input->bytes, "an extent");
    } else {
        levin_slice prefix = page_prefix(page, input->bytes), suffix = page_key_suffix(page, i);
        fuzz_require(value.kind == VALUE_LOG && value.bytes && value.key_bytes == prefix.size + suffix.size,
                     "a pointer of kind %d with a key of %u bytes", (int)value.kind, value.key_bytes);
    }
}

static void walk_tree_page(const page_input *input)
{
    const uint8_t *page = input->page;
    uint8_t key[KEY_BYTES_MAX + 1], before[KEY_BYTES_MAX + 1];
    size_t bytes = 0, before_bytes = 0;
    unsigned cells = page_cells(page), every = 1 + cells / PROBED_MAX;
    levin_slice prefix = page_prefix(page, input->bytes);
    bool leaf = page_type(page) == PAGE_LEAF;
    fuzz_require(cells, "an accepted tree page without a cell");
    require_in_page(input, prefix.data, prefix.size, "the prefix");
    for (unsigned i = 0; i < cells; i++) {
        require_in_page(input, page_slot(page, i), SLOT_BYTES, "a slot");
        levin_slice suffix = page_key_suffix(page, i);
        require_in_page(input, suffix.data, suffix.size, "a key");
        memcpy(before, key, before_bytes = bytes);
        bytes = prefix.size + suffix.size;
        fuzz_require(bytes >= (leaf ? 1 : 0) && bytes <= LEVIN_KEY_MAX_BYTES(input->bytes), "a key of %zu bytes",
                     bytes);
        memcpy(key, prefix.data, prefix.size);
        memcpy(key + prefix.size, suffix.data, suffix.size);
        fuzz_require(!i || compare(before, before_bytes, key, bytes) < 0, "keys %u and %u are out of order", i - 1, i);
        walk_cell(input, i);
        if (i % every == 0 || i + 1 == cells)
            probe_around(input, i, key, bytes, (levin_slice){ before, before_bytes });
    }
}

static void walk_list(const page_input *input)
{
    const uint8_t *page = input->page;
    unsigned entry_bytes = page_type(page) == PAGE_FREE_LIST ? FREE_ENTRY_BYTES : VLOG_ENTRY_BYTES;
    uint64_t after = 0;
    if (load_u64(page + PAGE_NEXT))
        require_in_file(load_u64(page + PAGE_NEXT), 1, input->bytes, "the next page");
    for (unsigned i = 0; i < page_cells(page); i++) {
        const uint8_t *entry = page + PAGE_HEADER_BYTES + (size_t)i * entry_bytes;
        require_in_page(input, entry, entry_bytes, "an entry");
        uint64_t first = load_u64(entry);
        fuzz_require(first > after || (!i && first), "entry %u of a list is out of order", i);
        if (entry_bytes == FREE_ENTRY_BYTES)
            require_in_file(first, load_u64(entry + 8), input->bytes, "a free extent");
        after = entry_bytes == FREE_ENTRY_BYTES ? first + load_u64(entry + 8) : first;
    }
}

static void require_error(const page_input *input, levin_code code, const levin_error *error, uint64_t at)
{
    fuzz_require(code == LEVIN_CORRUPT || (input->what == PAGE_INPUT_META && code == LEVIN_VERSION_UNKNOWN),
                 "code %d for a page that is refused", (int)code);
    fuzz_require(error->code == code && !strcmp(error->file, PAGE_FILE_NAME) && error->message[0],
                 "an error that does not say what is wrong");
    if (code == LEVIN_VERSION_UNKNOWN) /* no damage: it names the file alone */
        return;
    fuzz_require(error->offset >= at && error->offset < at + input->bytes,
                 "the error names byte %llu, not of this page", (unsigned long long)error->offset);
}

static void run_meta(const page_input *input)
{
    page_meta meta;
    levin_error error;
    uint8_t again[META_BYTES];
    unsigned slot = !!(input->flags & PAGE_INPUT_SLOT);
    bool whole = load_u64(input->page) == checksum(input->page + META_MAGIC_AT, META_BYTES - META_MAGIC_AT,
                                                   checksum_seed(0, PLACE_META, slot));
    levin_code code = meta_decode(input->page, slot, &meta, &error);
    if (code) {
        require_error(input, code, &error, (uint64_t)slot * META_SLOT_BYTES);
        return;
    }
    fuzz_require(whole, "a meta slot is accepted against its checksum");
    meta_encode(again, &meta);
    size_t from = load_u32(input->page + META_VERSION) == PAGE_FORMAT_VERSION ? 0 : META_VERSION + 4;
    fuzz_require(!memcmp(again + from, input->page + from, META_BYTES - from),
                 "a meta slot changes when encoded again");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static page_input input; /* one thread; whole pages on the stack of each call would cost as much as the run */
    levin_error error;
    page_input_decode(&input, data, size);
    if (input.what == PAGE_INPUT_META) {
        run_meta(&input);
        return 0;
    }
    uint64_t stored = load_u64(input.page + PAGE_CHECKSUM);
    bool whole = stored == page_checksum(input.page, input.bytes, PAGE_INPUT_IDENTITY, PAGE_INPUT_NUMBER);
    bool other = input.flags & PAGE_INPUT_OTHER;
    const page_expect expect = { .identity = PAGE_INPUT_IDENTITY,
                                 .page_bytes = input.bytes,
                                 .page_count = PAGE_INPUT_COUNT,
                                 .max_generation = PAGE_INPUT_GENERATION,
                                 .ref = { PAGE_INPUT_NUMBER, stored ^ other },
                                 .type = (enum page_type)input.what,
                                 .level = input.level < 16 ? input.level : PAGE_LEVEL_ANY };
    levin_code code = page_verify(input.page, &expect, &error);
    if (code) {
        require_error(&input, code, &error, (uint64_t)PAGE_INPUT_NUMBER * input.bytes);
        return 0;
    }
    fuzz_require(whole && !other, "a page is accepted against a checksum");
    fuzz_require((!expect.type || page_type(input.page) == expect.type) &&
                     (expect.level == PAGE_LEVEL_ANY || page_level(input.page) == (unsigned)expect.level),
                 "a page of type %d and level %u is accepted for another", (int)page_type(input.page),
                 page_level(input.page));
    if (page_type(input.page) == PAGE_LEAF || page_type(input.page) == PAGE_BRANCH)
        walk_tree_page(&input);
    else
        walk_list(&input);
    return 0;
}
