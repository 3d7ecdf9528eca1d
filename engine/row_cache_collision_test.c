/*
 * row_cache_collision_test.c - keys of one bucket and one tag: what only the comparison of the keys tells apart.
 *
 * Invariants checked: a cached row answers for its own key alone, in every way to read (one, many, pinned,
 * contained, with and without room for the value), for each length that is compared in a way of its own; also when
 * the two keys differ in their first, in a middle or in their last bytes only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"
#include "row_cache_find.h"

enum { CANDIDATES = 1 << 17, KEY_MOST = 48, BUCKET_BITS = 12 };

typedef struct candidate {
    uint64_t place; /* the bits that choose the bucket, where there are no more than 2^BUCKET_BITS, and the tag */
    uint8_t key[KEY_MOST];
} candidate;

static int by_place(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Two keys that stand at the same place and differ from the byte `from` on, in 4 bytes. */
static void find_pair(size_t key_bytes, size_t from, uint8_t *a, uint8_t *b)
{
    candidate *all = calloc(CANDIDATES, sizeof *all);
    bool found = false;
    ck_assert_ptr_nonnull(all);
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        memset(all[i].key, 'k', key_bytes);
        const uint32_t number = (i + 1) * 2654435761u;
        memcpy(all[i].key + from, &number, sizeof number);
        const uint64_t hash = row_hash(all[i].key, key_bytes);
        all[i].place = hash >> (64 - BUCKET_BITS) << TAG_BITS | hash_tag(hash);
    }
    qsort(all, CANDIDATES, sizeof *all, by_place);
    for (size_t i = 1; i < CANDIDATES && !found; i++)
        if (all[i].place == all[i - 1].place && memcmp(all[i].key, all[i - 1].key, key_bytes) != 0) {
            memcpy(a, all[i - 1].key, key_bytes);
            memcpy(b, all[i].key, key_bytes);
            found = true;
        }
    ck_assert_msg(found, "no pair of %zu bytes", key_bytes);
    free(all);
}

/* The key is in the store with that value, or absent (""), in every way to ask. */
static void expect(levin *db, const uint8_t *key, size_t key_bytes, const char *value)
{
    const levin_code code = *value ? LEVIN_OK : LEVIN_NOT_FOUND;
    char buffer[16] = "", many[16] = "";
    size_t bytes;
    void *copy;
    levin_pinned pinned;
    levin_get_request request = { .key = key, .key_bytes = key_bytes, .buffer = many, .capacity = sizeof many };
    ck_assert_int_eq(levin_get(db, NULL, key, key_bytes, buffer, sizeof buffer, &bytes), code);
    ck_assert_int_eq(levin_multi_get(db, NULL, &request, 1), LEVIN_OK);
    ck_assert_int_eq(request.code, code);
    ck_assert_int_eq(levin_contains(db, NULL, key, key_bytes), code);
    ck_assert_int_eq(levin_get_alloc(db, NULL, key, key_bytes, &copy, &bytes), code);
    if (code == LEVIN_OK) {
        ck_assert_uint_eq(bytes, strlen(value));
        ck_assert_mem_eq(copy, value, bytes);
        levin_free(db, copy);
        ck_assert_mem_eq(buffer, value, bytes);
        ck_assert_mem_eq(many, value, bytes);
    }
    ck_assert_int_eq(levin_get_pinned(db, NULL, key, key_bytes, &pinned), code);
    if (code == LEVIN_OK)
        levin_pinned_release(&pinned);
}

START_TEST(row_cache__keys_of_one_bucket_and_tag_are_told_apart)
{
    static const struct {
        size_t key_bytes, from;
    } shapes[] = { { 6, 1 }, { 8, 4 }, { 12, 0 }, { 12, 8 }, { 16, 0 }, { 16, 12 }, { 20, 0 }, { 20, 8 }, { 20, 16 },
                   { 32, 0 }, { 32, 8 }, { 32, 16 }, { 32, 28 }, { 40, 0 }, { 40, 20 }, { 40, 36 } };
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        uint8_t a[KEY_MOST], b[KEY_MOST];
        const size_t key_bytes = shapes[shape].key_bytes;
        find_pair(key_bytes, shapes[shape].from, a, b);
        simdisk *disk = simdisk_create(NULL, NULL);
        levin_options o;
        levin_stats before, after;
        levin *db;
        levin_options_init(&o);
        o.io = simdisk_io(disk);
        o.background = LEVIN_BACKGROUND_NONE;
        o.row_cache_bytes = 64 << 10; /* no more than 2^BUCKET_BITS buckets */
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_put(db, a, key_bytes, "first", 5, LEVIN_NONE), LEVIN_OK);
        for (int i = 0; i < 2000; i++) { /* misses, for which the table is made, of other buckets most of them */
            char other[24];
            (void)!levin_contains(db, NULL, other, (size_t)snprintf(other, sizeof other, "other-%05d-", i));
        }
        expect(db, a, key_bytes, "first");
        levin_stats_get(db, &before);
        expect(db, a, key_bytes, "first");
        levin_stats_get(db, &after);
        ck_assert_uint_gt(after.row_hits, before.row_hits);
        expect(db, b, key_bytes, "");
        ck_assert_int_eq(levin_put(db, b, key_bytes, "second", 6, LEVIN_NONE), LEVIN_OK);
        for (int i = 0; i < 3; i++) {
            expect(db, b, key_bytes, "second");
            expect(db, a, key_bytes, "first");
        }
        ck_assert_int_eq(levin_delete(db, a, key_bytes, LEVIN_NONE), LEVIN_OK);
        for (int i = 0; i < 3; i++) {
            expect(db, a, key_bytes, "");
            expect(db, b, key_bytes, "second");
        }
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
    }
}
END_TEST

LEVIN_TEST_MAIN("row_cache_collision", TEST(row_cache__keys_of_one_bucket_and_tag_are_told_apart))
