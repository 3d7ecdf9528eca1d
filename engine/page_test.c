/*
 * page_test.c - pages against a model, and against damage.
 *
 * Invariants checked
 *   - what page_write() was given comes back, byte for byte the same image whatever was in the buffer before;
 *   - search equals a linear search over whole keys, at every prefix shape;
 *   - a page_draft holds the same cells, and the room it takes is at each cell the sum over them all;
 *   - no flipped bit passes page_verify();
 *   - no bytes whatever, with checksums repaired, lead an access out of the page once page_verify() has passed them;
 *   - each rule of page_verify() refuses on its own and names the byte.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "checksum.h"
#include "page_draft.h"
#include "page_write_test.h"
#include "space.h"

enum { CELLS_MAX = 1024, NUMBER = 77, GENERATION = 9, PAGE_COUNT = 1000 };
static const uint64_t IDENTITY = 0x1234567890abcdefu;

/* xorshift64* (Vigna 2014) */
typedef struct dice {
    uint64_t state;
} dice;
static uint64_t roll(dice *d, uint64_t below)
{
    d->state ^= d->state >> 12;
    d->state ^= d->state << 25;
    d->state ^= d->state >> 27;
    return (d->state * 0x2545f4914f6cdd1du >> 16) % below;
}

/* Cells with memory of their own. */
typedef struct cell_set {
    page_cell cells[CELLS_MAX];
    size_t count;
} cell_set;

static uint8_t *copy_of(const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

static void cell_set_clear(cell_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free((void *)(uintptr_t)set->cells[i].key);
        free((void *)(uintptr_t)set->cells[i].value.data);
    }
    set->count = 0;
}

/* In order; a key that is there already, or that makes the page too large, is left out. */
static bool cell_set_add(cell_set *set, page_cell cell, enum page_type type, uint32_t page_bytes)
{
    size_t at = 0;
    int c = -1;
    for (; at < set->count; at++) {
        c = key_compare(cell.key, cell.key_bytes, set->cells[at].key, set->cells[at].key_bytes);
        if (c <= 0)
            break;
    }
    if (set->count == CELLS_MAX || (at < set->count && c == 0))
        return false;
    memmove(&set->cells[at + 1], &set->cells[at], (set->count - at) * sizeof cell);
    set->cells[at] = cell;
    set->count++;
    if (page_cells_bytes(set->cells, set->count, type) <= page_bytes) {
        set->cells[at].key = copy_of(cell.key, cell.key_bytes);
        if (cell.value.kind == VALUE_INLINE)
            set->cells[at].value.data = copy_of(cell.value.data, cell.value.bytes);
        return true;
    }
    set->count--;
    memmove(&set->cells[at], &set->cells[at + 1], (set->count - at) * sizeof cell);
    return false;
}

/* A key of some shape: a shared beginning, few or many different bytes, so that heads collide and keys nest. */
static size_t random_key(dice *d, uint8_t *key, unsigned shape, size_t key_max)
{
    static const uint8_t shared[] = "users/0000/profile/";
    size_t bytes = 0, prefix = shape & 1 ? sizeof shared - 1 : shape & 2 ? 3 : 0, tail = roll(d, shape & 4 ? 4 : 24);
    if (shape & 8 && roll(d, 16) == 0)
        tail = key_max - prefix;
    memcpy(key, shared, prefix);
    bytes = prefix;
    for (size_t i = 0; i < tail && bytes < key_max; i++)
        key[bytes++] = (uint8_t)(shape & 16 ? roll(d, 256) : shape & 4 ? 255 * roll(d, 2) : 'a' + roll(d, 3));
    if (bytes == 0)
        key[bytes++] = (uint8_t)roll(d, 256);
    return bytes;
}

static void random_cells(dice *d, cell_set *set, enum page_type type, uint32_t page_bytes, unsigned shape,
                         size_t wanted)
{
    static uint8_t key[LEVIN_PAGE_MAX_BYTES], value[LEVIN_PAGE_MAX_BYTES];
    cell_set_clear(set);
    for (size_t tries = 0; set->count < wanted && tries < 4 * wanted; tries++) {
        page_cell cell = {.key = key};
        cell.key_bytes = (uint32_t)random_key(d, key, shape, page_bytes / 4);
        if (type == PAGE_BRANCH) {
            cell.child = (page_ref){page_first(page_bytes) + roll(d, 100), roll(d, UINT64_MAX)};
        } else if (roll(d, 8) == 0) {
            cell.value = (page_value){.kind = VALUE_EXTENT,
                                      .bytes = 1 + roll(d, 100000),
                                      .first_page = 20 + roll(d, 100),
                                      .checksum = roll(d, UINT64_MAX)};
        } else {
            cell.value =
                (page_value){.bytes = roll(d, 64) ? roll(d, 120) : roll(d, page_bytes / 4 + 1), .data = value};
            memset(value, (int)roll(d, 256), cell.value.bytes);
        }
        cell_set_add(set, cell, type, page_bytes);
    }
    if (type == PAGE_BRANCH && roll(d, 2))
        /* the left edge: an empty key */
        cell_set_add(set, (page_cell){.key = key, .child = {5, 6}}, type, page_bytes);
}

static page_expect expect_of(uint32_t page_bytes, uint64_t checksum_expected)
{
    return (page_expect){.identity = IDENTITY, .page_bytes = page_bytes, .page_count = PAGE_COUNT,
                         .max_generation = GENERATION, .ref = {NUMBER, checksum_expected}, .level = PAGE_LEVEL_ANY};
}

static uint64_t write_page(uint8_t *page, uint32_t page_bytes, enum page_type type, const cell_set *set)
{
    return page_write(page, page_bytes, IDENTITY, NUMBER, GENERATION, type, type == PAGE_BRANCH ? 2 : 0, set->cells,
                      set->count);
}

static uint64_t write_free_list(uint8_t *page, uint32_t page_bytes)
{
    extent extents[100];
    for (size_t i = 0; i < 100; i++)
        extents[i] = (extent){10 + 5 * i, 1 + i % 4};
    return free_list_write(page, page_bytes, IDENTITY, NUMBER, GENERATION, extents, 100, (page_ref){88, 99});
}

static void check_cells(const uint8_t *page, uint32_t page_bytes, enum page_type type, const cell_set *set)
{
    ck_assert_uint_eq(page_type(page), type);
    ck_assert_uint_eq(page_cells(page), set->count);
    levin_slice prefix = page_prefix(page, page_bytes);
    for (unsigned i = 0; i < set->count; i++) {
        const page_cell *cell = &set->cells[i];
        levin_slice suffix = page_key_suffix(page, i);
        ck_assert_uint_eq(prefix.size + suffix.size, cell->key_bytes);
        ck_assert(prefix.size == 0 || memcmp(prefix.data, cell->key, prefix.size) == 0);
        ck_assert(suffix.size == 0 || memcmp(suffix.data, cell->key + prefix.size, suffix.size) == 0);
        if (type == PAGE_BRANCH) {
            ck_assert_uint_eq(branch_child(page, i).number, cell->child.number);
            ck_assert_uint_eq(branch_child(page, i).checksum, cell->child.checksum);
            continue;
        }
        page_value value = leaf_value(page, i);
        ck_assert_uint_eq(value.kind, cell->value.kind);
        ck_assert_uint_eq(value.bytes, cell->value.bytes);
        if (value.kind == VALUE_INLINE) {
            ck_assert(value.bytes == 0 || memcmp(value.data, cell->value.data, value.bytes) == 0);
        } else {
            ck_assert_uint_eq(value.first_page, cell->value.first_page);
            ck_assert_uint_eq(value.checksum, cell->value.checksum);
        }
    }
}

START_TEST(page__what_was_written_comes_back)
{
    static cell_set set;
    dice d = {0x5eed0001};
    for (unsigned round = 0; round < 120; round++) {
        uint32_t page_bytes = 4096u << round % 5;
        enum page_type type = round & 1 ? PAGE_BRANCH : PAGE_LEAF;
        uint8_t *page = malloc(page_bytes), *again = malloc(page_bytes);
        levin_error error;
        random_cells(&d, &set, type, page_bytes, round % 32, 1 + roll(&d, 300));
        memset(page, 0xaa, page_bytes);
        memset(again, 0x55, page_bytes);
        uint64_t sum = write_page(page, page_bytes, type, &set);
        ck_assert_uint_eq(sum, write_page(again, page_bytes, type, &set));
        ck_assert_msg(memcmp(page, again, page_bytes) == 0, "round %u: what was in the buffer shows", round);
        page_expect expect = expect_of(page_bytes, sum);
        expect.level = type == PAGE_BRANCH ? 2 : 0;
        ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_OK, "round %u: %s", round, error.message);
        check_cells(page, page_bytes, type, &set);
        free(page);
        free(again);
    }
    cell_set_clear(&set);
}
END_TEST

START_TEST(page__keys_and_values_of_the_largest_size_fit)
{
    static uint8_t key[LEVIN_PAGE_MAX_BYTES / 4], value[LEVIN_PAGE_MAX_BYTES / 4];
    for (uint32_t page_bytes = LEVIN_PAGE_MIN_BYTES; page_bytes <= LEVIN_PAGE_MAX_BYTES; page_bytes *= 2) {
        uint8_t *page = malloc(page_bytes);
        levin_error error;
        page_cell cell = {.key = key, .key_bytes = LEVIN_KEY_MAX_BYTES(page_bytes),
                          .value = {.bytes = page_inline_value_max(page_bytes), .data = value}};
        ck_assert_uint_le(page_cells_bytes(&cell, 1, PAGE_LEAF), page_bytes);
        uint64_t sum = page_write(page, page_bytes, IDENTITY, NUMBER, 0, PAGE_LEAF, 0, &cell, 1);
        page_expect expect = expect_of(page_bytes, sum);
        ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_OK, "%s", error.message);

        /* a branch of any keys has at least two children */
        static uint8_t other[LEVIN_PAGE_MAX_BYTES / 4];
        memset(other, 0xff, sizeof other);
        page_cell branch[2] = {{.key = key, .key_bytes = cell.key_bytes, .child = {8, 0}},
                               {.key = other, .key_bytes = cell.key_bytes, .child = {9, 0}}};
        ck_assert_uint_le(page_cells_bytes(branch, 2, PAGE_BRANCH), page_bytes);
        free(page);
    }
}
END_TEST

static page_payload payload_of(const page_cell *cell, enum page_type type)
{
    if (type == PAGE_BRANCH)
        return payload_child(cell->child);
    if (cell->value.kind == VALUE_INLINE)
        return payload_value(VALUE_INLINE, cell->value.bytes, cell->value.data, cell->value.bytes);
    static uint8_t pointer[EXTENT_POINTER_BYTES];
    store_u64(pointer, cell->value.first_page);
    store_u64(pointer + 8, cell->value.checksum);
    return payload_value(VALUE_EXTENT, cell->value.bytes, pointer, sizeof pointer);
}

START_TEST(page__a_draft_holds_the_cells_and_takes_just_their_room)
{
    static cell_set set;
    static uint8_t buffers[2][16384];
    dice d = {0x5eed0002};
    for (unsigned round = 0; round < 64; round++) {
        enum page_type type = round & 1 ? PAGE_BRANCH : PAGE_LEAF;
        unsigned level = type == PAGE_BRANCH ? 2 : 0;
        uint8_t *spare = buffers[1];
        levin_error error;
        page_draft draft;
        random_cells(&d, &set, type, 16384, round % 32, 100);
        memset(buffers, 0xaa, sizeof buffers);
        page_draft_begin(&draft, buffers[0], 16384, level);
        ck_assert_uint_eq(page_draft_used(&draft), PAGE_HEADER_BYTES);
        for (size_t i = 0; i < set.count; i++) {
            page_payload payload = payload_of(&set.cells[i], type);
            split_key key = split_key_whole(set.cells[i].key, set.cells[i].key_bytes);
            ck_assert(page_draft_add(&draft, &spare, key, &payload));
            ck_assert_uint_eq(page_draft_used(&draft), page_cells_bytes(set.cells, i + 1, type));
        }
        page_expect expect = expect_of(16384, page_draft_finish(&draft, IDENTITY, NUMBER, GENERATION));
        expect.level = (int)level;
        ck_assert_msg(page_verify(draft.page, &expect, &error) == LEVIN_OK, "round %u: %s", round, error.message);
        check_cells(draft.page, 16384, type, &set);
        /* the two writers agree on the room */
        static uint8_t page[16384];
        write_page(page, 16384, type, &set);
        ck_assert_uint_eq(load_u32(draft.page + PAGE_HEAP), load_u32(page + PAGE_HEAP));
    }
    cell_set_clear(&set);
}
END_TEST

/* The definition, over whole keys. */
static unsigned model_lower_bound(const cell_set *set, const uint8_t *key, size_t key_bytes, bool *equal)
{
    unsigned i = 0;
    int c = -1;
    for (; i < set->count; i++) {
        c = key_compare(set->cells[i].key, set->cells[i].key_bytes, key, key_bytes);
        if (c >= 0)
            break;
    }
    *equal = i < set->count && c == 0;
    return i;
}

static void check_search(const uint8_t *page, const cell_set *set, const uint8_t *key, size_t key_bytes,
                         unsigned round)
{
    bool equal, equal_expected;
    unsigned expected = model_lower_bound(set, key, key_bytes, &equal_expected);
    unsigned found = page_lower_bound(page, 16384, key, key_bytes, &equal);
    ck_assert_msg(found == expected && equal == equal_expected, "round %u: %u for %u, key of %zu bytes", round, found,
                  expected, key_bytes);
    unsigned child = equal_expected || expected == 0 ? expected : expected - 1;
    ck_assert_msg(branch_child_for(page, 16384, key, key_bytes) == child, "round %u: child", round);
}

START_TEST(page__search_equals_the_model)
{
    static cell_set set;
    static uint8_t page[16384], key[16384];
    dice d = {0x5eed0003};
    for (unsigned round = 0; round < 96; round++) {
        enum page_type type = round & 1 ? PAGE_BRANCH : PAGE_LEAF;
        random_cells(&d, &set, type, 16384, round % 32, 1 + roll(&d, 120));
        write_page(page, 16384, type, &set);
        check_search(page, &set, NULL, 0, round);
        for (size_t i = 0; i < set.count; i++) {
            size_t bytes = set.cells[i].key_bytes;
            if (bytes)
                memcpy(key, set.cells[i].key, bytes);
            check_search(page, &set, key, bytes, round);
            key[bytes] = 0; /* the next key of all */
            check_search(page, &set, key, bytes + 1, round);
            for (size_t cut = 0; cut < bytes && cut < 32; cut++)
                check_search(page, &set, key, cut, round);
            if (bytes == 0)
                continue;
            size_t at = roll(&d, bytes);
            key[at]++;
            check_search(page, &set, key, bytes, round);
            key[at] = (uint8_t)(key[at] - 2);
            check_search(page, &set, key, bytes, round);
        }
        for (unsigned i = 0; i < 100; i++)
            check_search(page, &set, key, random_key(&d, key, (unsigned)roll(&d, 32), 4096), round);
    }
    cell_set_clear(&set);
}
END_TEST

START_TEST(page__search_among_keys_of_the_same_head)
{
    static const uint8_t fills[] = {0x00, 0x01, 0x7f, 0xfe, 0xff};
    static cell_set set;
    static uint8_t page[16384], key[32];
    for (unsigned i = 0; i < sizeof fills; i++) { /* keys that differ in nothing but their length, and neighbours */
        cell_set_clear(&set);
        memset(key, fills[i], sizeof key);
        for (unsigned bytes = 1; bytes <= 20; bytes++)
            cell_set_add(&set, (page_cell){.key = key, .key_bytes = bytes}, PAGE_LEAF, 16384);
        cell_set_add(&set, (page_cell){.key = (const uint8_t *)"\x80", .key_bytes = 1}, PAGE_LEAF, 16384);
        write_page(page, 16384, PAGE_LEAF, &set);
        for (unsigned bytes = 0; bytes <= 22; bytes++) {
            check_search(page, &set, key, bytes, i);
            key[bytes]++;
            check_search(page, &set, key, bytes + 1, i);
            key[bytes]--;
        }
    }
    cell_set_clear(&set);
}
END_TEST

START_TEST(page__every_flipped_bit_is_refused)
{
    static cell_set set;
    dice d = {0x5eed0004};
    for (int type = PAGE_LEAF; type <= PAGE_FREE_LIST; type++) {
        uint8_t *page = malloc(4096);
        uint64_t sum;
        levin_error error;
        if (type == PAGE_FREE_LIST) {
            sum = write_free_list(page, 4096);
        } else {
            random_cells(&d, &set, (enum page_type)type, 4096, 1, 30);
            sum = write_page(page, 4096, (enum page_type)type, &set);
        }
        page_expect expect = expect_of(4096, sum);
        expect.type = (enum page_type)type;
        ck_assert_int_eq(page_verify(page, &expect, &error), LEVIN_OK);
        for (size_t bit = 0; bit < 4096 * 8; bit++) {
            page[bit / 8] ^= (uint8_t)(1u << bit % 8);
            memset(&error, 0, sizeof error);
            ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_CORRUPT, "type %d, bit %zu passed", type, bit);
            ck_assert_str_eq(error.file, PAGE_FILE_NAME);
            ck_assert_uint_eq(error.offset, NUMBER * 4096);
            ck_assert_uint_ne(error.expected, error.found);
            page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(page);
    }
    cell_set_clear(&set);
}
END_TEST

START_TEST(page__right_bytes_in_the_wrong_place_are_refused)
{
    static cell_set set;
    static uint8_t page[4096];
    dice d = {0x5eed0005};
    levin_error error;
    random_cells(&d, &set, PAGE_BRANCH, 4096, 1, 30);
    page_expect good = expect_of(4096, write_page(page, 4096, PAGE_BRANCH, &set)), e;
    e = good, e.ref.checksum++; /* an older life of the page */
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    e = good, e.ref.number++; /* misdirected */
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    e = good, e.identity++; /* another store */
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    e = good, e.max_generation--;
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, NUMBER * 4096 + PAGE_GENERATION);
    e = good, e.level = 1;
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, NUMBER * 4096 + PAGE_LEVEL);
    e = good, e.type = PAGE_LEAF;
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, NUMBER * 4096 + PAGE_TYPE);
    e = good, e.page_count = NUMBER;
    ck_assert_int_eq(page_verify(page, &e, &error), LEVIN_CORRUPT);
    cell_set_clear(&set);
}
END_TEST

/* ---- each rule on its own ---- */

static void repair(uint8_t *page, uint32_t page_bytes, page_expect *expect)
{
    expect->ref.checksum = page_checksum(page, page_bytes, IDENTITY, NUMBER);
    store_u64(page + PAGE_CHECKSUM, expect->ref.checksum);
}

static void put(uint8_t *to, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Four cells: "pre/a" inline, "pre/ab" of an extent, "pre/b" inline, "pre/c" inline. */
static uint64_t rules_page(uint8_t *page, enum page_type type)
{
    static const char *const keys[] = {"pre/a", "pre/ab", "pre/b", "pre/c"};
    page_cell cells[4];
    for (unsigned i = 0; i < 4; i++)
        cells[i] = (page_cell){.key = (const uint8_t *)keys[i],
                               .key_bytes = (uint32_t)strlen(keys[i]),
                               .child = {10 + i, i},
                               .value = {.bytes = 10, .data = (const uint8_t *)"0123456789"}};
    cells[1].value = (page_value){.kind = VALUE_EXTENT, .bytes = 5 * 4096, .first_page = PAGE_COUNT - 5};
    return page_write(page, 4096, IDENTITY, NUMBER, GENERATION, type, type == PAGE_BRANCH, cells, 4);
}

START_TEST(page__each_rule_refuses_and_names_the_byte)
{
    enum { SLOT0 = PAGE_HEADER_BYTES, SLOT1 = SLOT0 + 8, SLOT2 = SLOT1 + 8, END = 4096 - 4 };
    enum { CELL3 = END - 15, CELL2 = CELL3 - 15, CELL1 = CELL2 - 22, CELL0 = CELL1 - 15 };           /* leaf */
    enum { BRANCH3 = END - 17, BRANCH2 = BRANCH3 - 17, BRANCH1 = BRANCH2 - 18, BRANCH0 = BRANCH1 - 17 };
    static const struct {
        enum page_type type;
        unsigned at, bytes;
        uint64_t value;
        unsigned named; /* byte in the message */
    } rules[] = {
        {PAGE_LEAF, PAGE_NUMBER, 8, NUMBER + 1, PAGE_NUMBER},
        {PAGE_LEAF, PAGE_GENERATION, 8, GENERATION + 1, PAGE_GENERATION},
        {PAGE_LEAF, PAGE_TYPE, 1, 0, PAGE_TYPE},
        {PAGE_LEAF, PAGE_TYPE, 1, PAGE_FREE_LIST, PAGE_TYPE},
        {PAGE_LEAF, PAGE_TYPE, 1, 4, PAGE_TYPE},
        {PAGE_LEAF, PAGE_LEVEL, 1, 1, PAGE_LEVEL},
        {PAGE_BRANCH, PAGE_LEVEL, 1, 0, PAGE_LEVEL},
        {PAGE_BRANCH, PAGE_LEVEL, 1, PAGE_HEIGHT_MAX, PAGE_LEVEL},
        {PAGE_LEAF, PAGE_CELLS, 2, 0, PAGE_CELLS},
        {PAGE_LEAF, PAGE_CELLS, 2, 0xffff, PAGE_CELLS},
        {PAGE_LEAF, PAGE_HEAP, 4, SLOT0 + 31, PAGE_HEAP},
        {PAGE_LEAF, PAGE_HEAP, 4, 4096 - 3, PAGE_HEAP},
        {PAGE_LEAF, PAGE_HEAP, 4, CELL0 + 1, SLOT0 + SLOT_OFFSET},
        {PAGE_LEAF, PAGE_PREFIX_BYTES, 4, 1025, PAGE_PREFIX_BYTES},
        {PAGE_LEAF, PAGE_PREFIX_BYTES, 4, 0xffffffff, PAGE_PREFIX_BYTES},
        {PAGE_LEAF, PAGE_PREFIX_BYTES, 4, 1024, PAGE_HEAP},
        {PAGE_LEAF, PAGE_RESERVED_A, 4, 1, PAGE_RESERVED_A},
        {PAGE_LEAF, PAGE_RESERVED_B, 8, 1, PAGE_RESERVED_B},
        {PAGE_LEAF, PAGE_NEXT, 8, 10, PAGE_NEXT},
        {PAGE_LEAF, SLOT0 + SLOT_OFFSET, 2, 64, SLOT0 + SLOT_OFFSET},
        {PAGE_LEAF, SLOT0 + SLOT_OFFSET, 2, 0xffff, SLOT0 + SLOT_OFFSET},
        {PAGE_LEAF, SLOT0 + SLOT_OFFSET, 2, END - 3, SLOT0 + SLOT_KEY_BYTES},
        {PAGE_LEAF, SLOT0 + SLOT_KEY_BYTES, 2, 0xffff, SLOT0 + SLOT_KEY_BYTES},
        {PAGE_LEAF, SLOT1 + SLOT_HEAD, 4, 0x61620001, SLOT1 + SLOT_HEAD},
        {PAGE_LEAF, SLOT2, 8, 0, SLOT2 + SLOT_OFFSET},
        {PAGE_LEAF, CELL0, 4, 2000, CELL0},                        /* an inline value over a quarter page */
        {PAGE_LEAF, CELL3, 4, 11, CELL3},                          /* an inline value over the end */
        {PAGE_LEAF, CELL0, 4, 2u << VALUE_KIND_SHIFT | 10, CELL0 + 5}, /* no pointer into the value log */
        {PAGE_LEAF, CELL0, 4, 3u << VALUE_KIND_SHIFT | 10, CELL0},
        {PAGE_LEAF, CELL0, 4, 7u << VALUE_KIND_SHIFT | 10, CELL0},
        {PAGE_LEAF, CELL3, 4, 1u << VALUE_KIND_SHIFT | 10, CELL3}, /* an extent pointer over the end */
        {PAGE_LEAF, CELL1, 4, 1u << VALUE_KIND_SHIFT, CELL1},
        {PAGE_LEAF, CELL1, 4, 1u << VALUE_KIND_SHIFT | ((256u << 20) + 1), CELL1},
        {PAGE_LEAF, CELL1, 4, 1u << VALUE_KIND_SHIFT | (5 * 4096 + 1), CELL1 + 6},
        {PAGE_LEAF, CELL1 + 6, 8, PAGE_COUNT, CELL1 + 6},
        {PAGE_LEAF, CELL1 + 6, 8, UINT64_MAX, CELL1 + 6},
        {PAGE_LEAF, CELL1 + 6, 8, 1, CELL1 + 6},
        {PAGE_BRANCH, BRANCH2, 8, 0, BRANCH2},
        {PAGE_BRANCH, BRANCH2, 8, 1, BRANCH2},
        {PAGE_BRANCH, BRANCH2, 8, PAGE_COUNT, BRANCH2},
        {PAGE_BRANCH, BRANCH0, 8, UINT64_MAX, BRANCH0},
        {PAGE_FREE_LIST, PAGE_CELLS, 2, 253, PAGE_CELLS},
        {PAGE_FREE_LIST, PAGE_HEAP, 4, 4095, PAGE_HEAP},
        {PAGE_FREE_LIST, PAGE_PREFIX_BYTES, 4, 1, PAGE_PREFIX_BYTES},
        {PAGE_FREE_LIST, PAGE_LEVEL, 1, 1, PAGE_LEVEL},
        {PAGE_FREE_LIST, PAGE_NEXT, 8, PAGE_COUNT, PAGE_NEXT},
        {PAGE_FREE_LIST, PAGE_NEXT, 8, 1, PAGE_NEXT},
        {PAGE_FREE_LIST, PAGE_NEXT, 8, 0, PAGE_NEXT},              /* no page, yet a checksum */
        {PAGE_FREE_LIST, SLOT0, 8, 1, SLOT0},
        {PAGE_FREE_LIST, SLOT0 + 8, 8, 0, SLOT0},
        {PAGE_FREE_LIST, SLOT0 + 8, 8, PAGE_COUNT, SLOT0},
        {PAGE_FREE_LIST, SLOT0 + 8, 8, UINT64_MAX, SLOT0},
        {PAGE_FREE_LIST, SLOT0 + 8, 8, 5, SLOT0 + 16},             /* touches the next */
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint8_t *page = malloc(4096);
        levin_error error = {0};
        page_expect expect = expect_of(4096, rules[i].type == PAGE_FREE_LIST ? write_free_list(page, 4096)
                                                                             : rules_page(page, rules[i].type));
        if (rules[i].type == PAGE_FREE_LIST)
            expect.type = PAGE_FREE_LIST;
        ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_OK, "%s", error.message);
        put(page + rules[i].at, rules[i].bytes, rules[i].value);
        repair(page, 4096, &expect);
        ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_CORRUPT, "rule %zu does not hold", i);
        ck_assert_msg(error.offset == NUMBER * 4096 + rules[i].named, "rule %zu names byte %lld: %s", i,
                      (long long)error.offset - NUMBER * 4096, error.message);
        ck_assert_str_eq(error.file, PAGE_FILE_NAME);
        free(page);
    }
}
END_TEST

START_TEST(page__keys_out_of_order_are_refused)
{
    uint8_t *page = malloc(4096), swap[8];
    levin_error error;
    for (unsigned i = 0; i < 3; i++) {
        page_expect expect = expect_of(4096, rules_page(page, PAGE_LEAF));
        uint8_t *slot = page + PAGE_HEADER_BYTES + 8 * i;
        memcpy(swap, slot, 8);
        memcpy(slot, slot + 8, 8);
        memcpy(slot + 8, swap, 8);
        repair(page, 4096, &expect);
        ck_assert_int_eq(page_verify(page, &expect, &error), LEVIN_CORRUPT);
        memcpy(slot, slot + 8, 8); /* twice the same key */
        repair(page, 4096, &expect);
        ck_assert_int_eq(page_verify(page, &expect, &error), LEVIN_CORRUPT);
    }
    /* "a" and "a\0" have the same head: the lengths decide */
    static const uint8_t same[] = {'a', 0, 0};
    page_cell cells[2] = {{.key = same, .key_bytes = 1}, {.key = same, .key_bytes = 2}};
    page_expect expect = expect_of(4096, page_write(page, 4096, IDENTITY, NUMBER, 0, PAGE_LEAF, 0, cells, 2));
    ck_assert_int_eq(page_verify(page, &expect, &error), LEVIN_OK);
    /* a leaf's key may not be empty: shorten the prefix "a" of the first by cutting it out of the page */
    put(page + PAGE_PREFIX_BYTES, 4, 0);
    repair(page, 4096, &expect);
    ck_assert_int_eq(page_verify(page, &expect, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(error.offset, NUMBER * 4096 + PAGE_HEADER_BYTES + SLOT_KEY_BYTES);
    free(page);
}
END_TEST

/* ---- any bytes ---- */

static uint64_t touched; /* so that no read is optimised away */

static void touch(const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        touched += ((const uint8_t *)data)[i];
}

/* All that readers do with a verified page; AddressSanitizer watches the page's bounds. */
static void use_page(dice *d, const uint8_t *page, uint32_t page_bytes)
{
    uint8_t key[64];
    bool equal;
    if (page_type(page) == PAGE_FREE_LIST) {
        touch(page, PAGE_HEADER_BYTES + page_cells(page) * FREE_ENTRY_BYTES);
        return;
    }
    levin_slice prefix = page_prefix(page, page_bytes);
    touch(prefix.data, prefix.size);
    for (unsigned i = 0; i < page_cells(page); i++) {
        levin_slice suffix = page_key_suffix(page, i);
        touch(suffix.data, suffix.size);
        if (page_type(page) == PAGE_BRANCH) {
            page_ref child = branch_child(page, i);
            ck_assert(child.number >= page_first(page_bytes) && child.number < PAGE_COUNT);
            continue;
        }
        page_value value = leaf_value(page, i);
        if (value.kind == VALUE_INLINE)
            touch(value.data, value.bytes);
        else
            ck_assert(value.first_page >= page_first(page_bytes) && value.first_page < PAGE_COUNT &&
                      extent_pages(value.bytes, page_bytes) <= PAGE_COUNT - value.first_page);
    }
    for (unsigned i = 0; i < 4; i++) {
        size_t bytes = random_key(d, key, (unsigned)roll(d, 32) & ~8u, sizeof key);
        ck_assert_uint_le(page_lower_bound(page, page_bytes, key, bytes, &equal), page_cells(page));
        ck_assert_uint_lt(branch_child_for(page, page_bytes, key, bytes), page_cells(page) + 1);
    }
}

/* A change where it hurts: header, slots, the words of cells, or anywhere. */
static void mutate(dice *d, uint8_t *page, uint32_t page_bytes)
{
    size_t at, slots = 1 + page_cells(page) % 256; /* may be damaged by now */
    switch (roll(d, 5)) {
    case 0: at = PAGE_TYPE + roll(d, PAGE_HEADER_BYTES - PAGE_TYPE); break;
    case 1: at = PAGE_HEADER_BYTES + roll(d, slots * SLOT_BYTES); break;
    case 2: at = load_u16(page_slot(page, (unsigned)roll(d, slots)) + SLOT_OFFSET) + roll(d, 24); break;
    case 3: at = page_bytes - 1 - roll(d, 40); break;
    default: at = roll(d, page_bytes);
    }
    at %= page_bytes;
    switch (roll(d, 4)) {
    case 0: page[at] ^= (uint8_t)(1u << roll(d, 8)); break;
    case 1: page[at] = (uint8_t)roll(d, 256); break;
    case 2: page[at] = (uint8_t)(page[at] + (roll(d, 2) ? 1 : -1)); break;
    default: page[at] = roll(d, 2) ? 0xff : 0;
    }
}

START_TEST(page__damage_under_repaired_checksums_stays_in_bounds)
{
    static cell_set set;
    const uint64_t seed = 0x5eed0006;
    dice d = {seed};
    unsigned refused = 0, passed = 0, rounds = 40000;
    uint8_t *good = malloc(4096);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned type = 1 + (round / 50) % 3;
        if (round % 50 == 0) {
            random_cells(&d, &set, (enum page_type)type, 4096, (unsigned)roll(&d, 32), 1 + roll(&d, 40));
            if (type == PAGE_FREE_LIST)
                write_free_list(good, 4096);
            else
                write_page(good, 4096, (enum page_type)type, &set);
        }
        uint8_t *page = copy_of(good, 4096); /* its own block: the byte behind it is watched */
        levin_error error = {0};
        for (uint64_t n = 1 + roll(&d, 3); n > 0; n--)
            mutate(&d, page, 4096);
        page_expect expect = expect_of(4096, 0);
        expect.type = type == PAGE_FREE_LIST ? PAGE_FREE_LIST : 0;
        repair(page, 4096, &expect);
        if (page_verify(page, &expect, &error)) {
            ck_assert_msg(error.code == LEVIN_CORRUPT && !strcmp(error.file, PAGE_FILE_NAME) &&
                              error.offset / 4096 == NUMBER, "seed %#llx round %u", (unsigned long long)seed, round);
            refused++;
        } else {
            use_page(&d, page, 4096);
            passed++;
        }
        free(page);
    }
    /* both outcomes, or the loop proves nothing */
    ck_assert_msg(refused > rounds / 10 && passed > rounds / 10, "refused %u, passed %u", refused, passed);
    cell_set_clear(&set);
    free(good);
}
END_TEST

START_TEST(page__a_pointer_into_the_value_log_has_to_be_possible)
{
    enum { SEGMENT = 3, BYTES = 5000 };
    static const uint64_t marked = 0x1122334455667788u;
    static const uint64_t last = VLOG_OFFSET_MAX / 8 * 8 - (VLOG_RECORD_HEADER_BYTES + 3 + BYTES + 7) / 8 * 8;
    static const struct {
        unsigned at, bytes;
        uint64_t value;
        bool good;
    } rules[] = {
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | 512, true},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | 504, false},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | 0, false},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | 516, false},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | last, true},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | (VLOG_OFFSET_MAX / 8 * 8), false},
        {VLOG_POINTER_POSITION, 8, (uint64_t)SEGMENT << 32 | (VLOG_OFFSET_MAX / 8 * 8 + 8), false},
        {VLOG_POINTER_POSITION, 8, 512, false}, /* of no segment */
        {VLOG_POINTER_POSITION, 8, (uint64_t)VLOG_NUMBER_MAX << 32 | 512, true},
        {VLOG_POINTER_VALUE_BYTES, 4, BYTES - 1, false}, /* the cell says BYTES */
        {VLOG_POINTER_VALUE_BYTES, 4, 0, false},
        {VLOG_POINTER_VALUE_BYTES, 4, VLOG_VALUE_MAX_BYTES + 1ull, false},
        {VLOG_POINTER_KEY_BYTES, 2, 2, false},
        {VLOG_POINTER_KEY_BYTES, 2, 4, false},
        {VLOG_POINTER_RESERVED, 2, 1, false},
    };
    const vlog_pointer good = {(uint64_t)SEGMENT << 32 | 512, marked, BYTES, 3};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint8_t *page = malloc(4096), *spare = malloc(4096), bytes[VLOG_POINTER_BYTES];
        levin_error error = {0};
        page_draft draft;
        vlog_pointer_store(bytes, &good);
        const page_payload logged = payload_value(VALUE_LOG, BYTES, bytes, sizeof bytes);
        const page_payload in_line = payload_value(VALUE_INLINE, 1, "v", 1);
        page_draft_begin(&draft, page, 4096, 0);
        ck_assert(page_draft_add(&draft, &spare, split_key_whole((const uint8_t *)"abc", 3), &logged));
        ck_assert(page_draft_add(&draft, &spare, split_key_whole((const uint8_t *)"abd", 3), &in_line));
        page_expect expect = expect_of(4096, page_draft_finish(&draft, IDENTITY, NUMBER, GENERATION));
        page = draft.page;
        ck_assert_msg(page_verify(page, &expect, &error) == LEVIN_OK, "%s", error.message);
        uint8_t *pointer = memmem(page, 4096, bytes, sizeof bytes);
        ck_assert_ptr_nonnull(pointer);
        put(pointer + rules[i].at, rules[i].bytes, rules[i].value);
        repair(page, 4096, &expect);
        levin_code code = page_verify(page, &expect, &error);
        ck_assert_msg(code == (rules[i].good ? LEVIN_OK : LEVIN_CORRUPT), "rule %zu: %d", i, (int)code);
        ck_assert(rules[i].good || error.offset == NUMBER * 4096 + (uint64_t)(pointer - page));
        free(page);
        free(spare);
    }
}
END_TEST

LEVIN_TEST_MAIN("page", TEST(page__what_was_written_comes_back), TEST(page__keys_and_values_of_the_largest_size_fit),
                TEST(page__a_draft_holds_the_cells_and_takes_just_their_room), TEST(page__search_equals_the_model),
                TEST(page__search_among_keys_of_the_same_head), TEST(page__every_flipped_bit_is_refused),
                TEST(page__right_bytes_in_the_wrong_place_are_refused),
                TEST(page__each_rule_refuses_and_names_the_byte), TEST(page__keys_out_of_order_are_refused),
                TEST(page__a_pointer_into_the_value_log_has_to_be_possible),
                TEST(page__damage_under_repaired_checksums_stays_in_bounds))
