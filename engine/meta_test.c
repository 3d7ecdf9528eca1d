/*
 * meta_test.c - the meta page: what was written comes back, no flipped bit passes, no senseless field passes under a
 * right checksum, a newer version is told from damage.
 */
#include "../faults/check_main.h"
#include "checksum.h"
#include "page.h"

static page_meta sample(uint64_t generation)
{
    page_meta m = {.page_bytes = 16384,
                   .sector_bytes = 512,
                   .height = 3,
                   .generation = generation,
                   .root = {500, 0xfeed},
                   .keys = 100000,
                   .page_count = 1000,
                   .free_list = {17, 0xbeef},
                   .free_pages = 55,
                   .replay = (uint64_t)7 << 32 | 4096,
                   .replay_chain = 0xc0ffee,
                   .sequence = 123456,
                   .incarnation = 4,
                   .leaf_pages = 800,
                   .branch_pages = 9,
                   .overflow_pages = 30,
                   .free_list_pages = 1};
    memcpy(m.identity, "0123456789abcdef", 16);
    return m;
}

static void repair(uint8_t *bytes, unsigned slot)
{
    store_u64(bytes, checksum(bytes + 8, META_BYTES - 8, checksum_seed(0, PLACE_META, slot)));
}

START_TEST(meta__what_was_written_comes_back)
{
    uint8_t bytes[META_BYTES], again[META_BYTES];
    levin_error error;
    for (uint64_t generation = 0; generation < 4; generation++) {
        page_meta m = sample(generation), read;
        memset(bytes, 0xaa, sizeof bytes);
        memset(&read, 0xaa, sizeof read);
        meta_encode(bytes, &m);
        ck_assert_msg(meta_decode(bytes, generation % 2, &read, &error) == LEVIN_OK, "%s", error.message);
        meta_encode(again, &read);
        ck_assert(memcmp(bytes, again, sizeof bytes) == 0); /* each field is in the bytes: see the next test */
        ck_assert_uint_eq(read.replay_chain, m.replay_chain);
        ck_assert_uint_eq(read.incarnation, m.incarnation);
        ck_assert(memcmp(read.identity, m.identity, 16) == 0);
        /* in the other slot */
        ck_assert_int_eq(meta_decode(bytes, 1 - generation % 2, &read, &error), LEVIN_CORRUPT);
    }
    page_meta empty = {.page_bytes = 4096, .sector_bytes = 4096, .page_count = 2}, read;
    meta_encode(bytes, &empty);
    ck_assert_msg(meta_decode(bytes, 0, &read, &error) == LEVIN_OK, "%s", error.message);
    memset(bytes, 0, sizeof bytes);
    ck_assert_int_eq(meta_decode(bytes, 0, &read, &error), LEVIN_CORRUPT); /* a slot never written */
}
END_TEST

START_TEST(meta__every_flipped_bit_is_refused)
{
    uint8_t bytes[META_BYTES];
    levin_error error;
    page_meta m = sample(5), read;
    meta_encode(bytes, &m);
    for (size_t bit = 0; bit < META_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_msg(meta_decode(bytes, 1, &read, &error) == LEVIN_CORRUPT, "bit %zu passed", bit);
        ck_assert_str_eq(error.file, PAGE_FILE_NAME);
        ck_assert_uint_eq(error.offset, META_SLOT_BYTES);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(meta__newer_version_is_told_from_damage)
{
    uint8_t bytes[META_BYTES];
    levin_error error;
    page_meta m = sample(5), read;
    meta_encode(bytes, &m);
    store_u32(bytes + META_VERSION, PAGE_FORMAT_VERSION + 1);
    ck_assert_int_eq(meta_decode(bytes, 1, &read, &error), LEVIN_CORRUPT);
    repair(bytes, 1);
    ck_assert_int_eq(meta_decode(bytes, 1, &read, &error), LEVIN_VERSION_UNKNOWN);
    store_u32(bytes + META_VERSION, 0);
    repair(bytes, 1);
    ck_assert_int_eq(meta_decode(bytes, 1, &read, &error), LEVIN_CORRUPT);
}
END_TEST

START_TEST(meta__each_senseless_field_is_refused)
{
    static const struct {
        unsigned at, bytes;
        uint64_t value;
        unsigned named;
    } rules[] = {
        {META_MAGIC_AT, 8, 1, META_MAGIC_AT},
        {META_PAGE_BYTES, 4, 0, META_PAGE_BYTES},
        {META_PAGE_BYTES, 4, 2048, META_PAGE_BYTES},
        {META_PAGE_BYTES, 4, 131072, META_PAGE_BYTES},
        {META_PAGE_BYTES, 4, 16385, META_PAGE_BYTES},
        {META_PAGE_BYTES, 4, 12288, META_PAGE_BYTES},
        {META_SECTOR_BYTES, 4, 0, META_SECTOR_BYTES},
        {META_SECTOR_BYTES, 4, 1024, META_SECTOR_BYTES},
        {META_GENERATION, 8, 6, META_GENERATION},
        {META_REPLAY, 8, 7ull << 32 | 100, META_REPLAY},
        {META_PAGE_COUNT, 8, 0, META_PAGE_COUNT},
        {META_PAGE_COUNT, 8, UINT64_MAX, META_PAGE_COUNT},
        {META_PAGE_COUNT, 8, (uint64_t)INT64_MAX / 16384 + 1, META_PAGE_COUNT},
        {META_PAGE_COUNT, 8, 500, META_LEAF_PAGES},
        {META_LEAF_PAGES, 8, UINT64_MAX, META_LEAF_PAGES},
        {META_BRANCH_PAGES, 8, UINT64_MAX - 700, META_BRANCH_PAGES},
        {META_OVERFLOW_PAGES, 8, 191, META_OVERFLOW_PAGES},
        {META_OVERFLOW_PAGES, 8, 190, META_FREE_LIST_PAGES},
        {META_FREE_PAGES, 8, 200, META_FREE_PAGES},
        {META_HEIGHT, 4, PAGE_HEIGHT_MAX + 1, META_HEIGHT},
        {META_HEIGHT, 4, 0, META_ROOT},
        {META_HEIGHT, 4, 1, META_BRANCH_PAGES},
        {META_HEIGHT, 4, 11, META_BRANCH_PAGES},
        {META_ROOT, 8, 0, META_ROOT},
        {META_ROOT, 8, 1000, META_ROOT},
        {META_LEAF_PAGES, 8, 0, META_LEAF_PAGES},
        {META_KEYS, 8, 799, META_KEYS},
        {META_FREE_LIST, 8, 1000, META_FREE_LIST},
        {META_FREE_LIST, 8, 0, META_FREE_LIST},
        {META_FREE_LIST_PAGES, 8, 0, META_FREE_LIST_PAGES},
        {META_FREE_LIST_PAGES + 8, 1, 1, META_FREE_LIST_PAGES + 8},
        {META_BYTES - 1, 1, 1, META_BYTES - 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint8_t bytes[META_BYTES];
        levin_error error = {0};
        page_meta m = sample(5), read;
        meta_encode(bytes, &m);
        for (unsigned j = 0; j < rules[i].bytes; j++)
            bytes[rules[i].at + j] = (uint8_t)(rules[i].value >> 8 * j);
        repair(bytes, 1);
        memset(&read, 0x5a, sizeof read);
        ck_assert_msg(meta_decode(bytes, 1, &read, &error) == LEVIN_CORRUPT, "rule %zu does not hold", i);
        ck_assert_msg(error.offset == META_SLOT_BYTES + rules[i].named, "rule %zu names byte %lld: %s", i,
                      (long long)error.offset - META_SLOT_BYTES, error.message);
        ck_assert_uint_eq(read.page_bytes, 0x5a5a5a5a); /* nothing half-decoded */
    }
}
END_TEST

LEVIN_TEST_MAIN("meta", TEST(meta__what_was_written_comes_back), TEST(meta__every_flipped_bit_is_refused),
                TEST(meta__newer_version_is_told_from_damage), TEST(meta__each_senseless_field_is_refused))
