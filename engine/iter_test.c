/*
 * iter_test.c - iterators over many leaves against a sorted array.
 *
 * Checked: every walk, in either direction, from any key, with bounds of every kind anywhere in a leaf, gives the pairs
 * of the model in order: with nothing in the memtables, with a few keys there (puts, overwrites and deletes, in front
 * of, inside and behind leaves), with many, with ranges deleted, and with values in extents between; turns in the
 * middle of a leaf, at its ends and at bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { KEYS = 3000, LONG_VALUE = 3000, KEY_ROOM = 40 };

typedef struct model_pair {
    char key[KEY_ROOM];
    size_t key_bytes;
    uint32_t value; /* 0: absent; an odd one: a long value */
} model_pair;

/* All keys that may be there, in order; every other one is only a place for bounds and seeks at first. */
static model_pair model[KEYS];
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

/* Keys of unlike lengths, with long common beginnings, so that leaves have prefixes of their own. */
static void model_make(void)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        model_pair *p = &model[i];
        int n = snprintf(p->key, sizeof p->key, "%05u/%0*u", i / 7 * 7, (int)(1 + i % 7 * 4), i % 7);
        p->key_bytes = (size_t)n;
        p->value = 0;
    }
}

static int model_order(const void *a, const void *b)
{
    const model_pair *x = a, *y = b;
    size_t n = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
    int c = memcmp(x->key, y->key, n);
    return c ? c : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static size_t value_make(uint32_t value, uint8_t bytes[LONG_VALUE])
{
    size_t size = value % 50 == 1 ? LONG_VALUE : 4 + value % 23;
    memset(bytes, (int)value, size);
    memcpy(bytes, &value, sizeof value);
    return size;
}

static void put(levin *db, uint32_t i)
{
    static uint32_t next;
    uint8_t bytes[LONG_VALUE];
    model[i].value = ++next;
    size_t size = value_make(next, bytes);
    ck_assert_int_eq(levin_put(db, model[i].key, model[i].key_bytes, bytes, size, LEVIN_NONE), LEVIN_OK);
}

static void delete(levin *db, uint32_t i)
{
    model[i].value = 0;
    ck_assert_int_eq(levin_delete(db, model[i].key, model[i].key_bytes, LEVIN_NONE), LEVIN_OK);
}

static void delete_range(levin *db, uint32_t from, uint32_t to)
{
    levin_slice lower = { model[from].key, model[from].key_bytes }, upper = { model[to].key, model[to].key_bytes };
    for (uint32_t i = from; i < to; i++)
        model[i].value = 0;
    ck_assert_int_eq(levin_delete_range(db, lower, upper, LEVIN_NONE), LEVIN_OK);
}

/* The next pair that is there, from place `i` on in steps of `step`, inside [low, high]; -1: none. */
static int model_find(int i, int step, int low, int high)
{
    for (i = step > 0 && i < low ? low : step < 0 && i > high ? high : i; i >= low && i <= high; i += step)
        if (model[i].value)
            return i;
    return -1;
}

static void expect_at(levin_iter *it, bool moved, int at)
{
    uint8_t bytes[LONG_VALUE];
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    ck_assert_int_eq(moved, at >= 0);
    ck_assert_int_eq(levin_iter_valid(it), at >= 0);
    if (at < 0)
        return;
    levin_slice key = levin_iter_key(it);
    ck_assert_uint_eq(key.size, model[at].key_bytes);
    ck_assert_mem_eq(key.data, model[at].key, key.size);
    if (random_below(4) == 0)
        return; /* a value that nobody asks for */
    levin_slice value = levin_iter_value(it);
    size_t size = value_make(model[at].value, bytes);
    ck_assert_uint_eq(value.size, size);
    ck_assert_mem_eq(value.data, bytes, size);
    ck_assert_ptr_eq(levin_iter_value(it).data, value.data);
}

/* Places: the one where the walk stands, and the first and last that the bounds let in. */
typedef struct walk {
    levin_iter *it;
    int at, low, high;
} walk;

static void walk_open(levin *db, const levin_snapshot *snapshot, walk *w)
{
    levin_iter_options o = { .snapshot = snapshot };
    int lower = (int)random_below(KEYS), upper = lower + (int)random_below(random_below(2) ? 60 : KEYS);
    uint32_t kinds = random_below(16);
    *w = (walk){ .at = -1, .low = 0, .high = KEYS - 1 };
    upper = upper < KEYS ? upper : KEYS - 1;
    if (kinds & 1) {
        o.lower = (levin_slice){ model[lower].key, model[lower].key_bytes };
        o.lower_exclusive = kinds & 2;
        w->low = lower + (kinds & 2 ? 1 : 0);
    }
    if (kinds & 4) {
        o.upper = (levin_slice){ model[upper].key, model[upper].key_bytes };
        o.upper_inclusive = kinds & 8;
        w->high = upper - (kinds & 8 ? 0 : 1);
    }
    ck_assert_int_eq(levin_iter_open(db, &o, &w->it), LEVIN_OK);
}

static void walk_start(walk *w)
{
    int to = (int)random_below(KEYS);
    const model_pair *p = &model[to];
    bool moved;
    switch (random_below(4)) {
    case 0:
        moved = levin_iter_first(w->it);
        w->at = model_find(0, 1, w->low, w->high);
        break;
    case 1:
        moved = levin_iter_last(w->it);
        w->at = model_find(KEYS - 1, -1, w->low, w->high);
        break;
    case 2:
        moved = levin_iter_seek(w->it, p->key, p->key_bytes);
        w->at = model_find(to, 1, w->low, w->high);
        break;
    default:
        moved = levin_iter_seek_for_prev(w->it, p->key, p->key_bytes);
        w->at = model_find(to, -1, w->low, w->high);
        break;
    }
    expect_at(w->it, moved, w->at);
}

/* So many moves in one direction, or to the end. */
static void walk_on(walk *w, int step, uint32_t moves)
{
    for (uint32_t i = 0; i < moves; i++) {
        bool moved = step > 0 ? levin_iter_next(w->it) : levin_iter_prev(w->it);
        w->at = w->at < 0 ? -1 : model_find(w->at + step, step, w->low, w->high);
        expect_at(w->it, moved, w->at);
        if (w->at < 0)
            return;
    }
}

static void walks(levin *db, const levin_snapshot *snapshot, int count)
{
    for (int i = 0; i < count; i++) {
        walk w;
        walk_open(db, snapshot, &w);
        for (int part = 0; part < 6; part++) {
            if (w.at < 0 || random_below(5) == 0)
                walk_start(&w);
            walk_on(&w, random_below(2) ? 1 : -1, random_below(random_below(2) ? 4 : 300));
        }
        levin_iter_close(w.it);
    }
}

static levin *store_make(char *directory)
{
    levin_options o;
    levin *db;
    levin_options_init(&o);
    o.create_if_missing = true;
    o.background = LEVIN_BACKGROUND_NONE;
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096; /* fewer pages than the tree has: leaves come and go */
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(levin_open(directory, &o, &db, NULL), LEVIN_OK);
    random_state = 20261125;
    model_make();
    qsort(model, KEYS, sizeof model[0], model_order);
    for (uint32_t i = 0; i < KEYS; i += 2)
        put(db, i);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    return db;
}

static void store_drop(levin *db, const char *directory)
{
    char command[64];
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(iter__walks_over_leaves_equal_the_model_with_empty_memtables)
{
    char directory[] = "/tmp/levin-iter-test-XXXXXX";
    levin *db = store_make(directory);
    walks(db, NULL, 400);
    store_drop(db, directory);
}
END_TEST

START_TEST(iter__walks_over_leaves_equal_the_model_with_few_and_many_keys_in_memory)
{
    char directory[] = "/tmp/levin-iter-test-XXXXXX";
    levin *db = store_make(directory);
    for (int round = 0; round < 24; round++) {
        for (uint32_t n = round % 3 == 2 ? 500 : 6; n > 0; n--) {
            uint32_t i = random_below(KEYS);
            random_below(3) ? put(db, i) : delete(db, i);
        }
        walks(db, NULL, 40);
        if (round % 6 == 5)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    store_drop(db, directory);
}
END_TEST

START_TEST(iter__walks_over_leaves_equal_the_model_with_ranges_deleted_in_memory)
{
    char directory[] = "/tmp/levin-iter-test-XXXXXX";
    levin *db = store_make(directory);
    for (int round = 0; round < 18; round++) {
        uint32_t from = random_below(KEYS - 200), length = 1 + random_below(round % 2 ? 6 : 150);
        delete_range(db, from, from + length);
        for (uint32_t n = random_below(4); n > 0; n--)
            put(db, from + random_below(length));
        walks(db, NULL, 40);
        if (round % 6 == 5) {
            for (uint32_t i = 0; i < KEYS; i += 3)
                put(db, i);
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        }
    }
    store_drop(db, directory);
}
END_TEST

START_TEST(iter__a_snapshot_is_walked_as_it_was)
{
    char directory[] = "/tmp/levin-iter-test-XXXXXX";
    levin *db = store_make(directory);
    levin_snapshot *snapshot;
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    walk w;
    walk_open(db, NULL, &w);
    for (uint32_t i = 0; i < KEYS; i++) /* all others, and other values, which the model is not told */
        ck_assert_int_eq(levin_put(db, model[i].key, model[i].key_bytes, "x", 1, LEVIN_NONE), LEVIN_OK);
    walk_start(&w);
    walk_on(&w, 1, KEYS);
    levin_iter_close(w.it);
    walks(db, snapshot, 60);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    walks(db, snapshot, 60);
    levin_snapshot_release(snapshot);
    store_drop(db, directory);
}
END_TEST

/* Bounds longer than any key, of whatever length they say: what counts of them is their beginning. */
START_TEST(iter__bounds_may_be_of_any_length)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin *db;
    levin_keyspace *named;
    static char longest[4096];
    memset(longest, 'b', sizeof longest);
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = LEVIN_BACKGROUND_NONE;
    o.page_bytes = 4096;
    const size_t most = LEVIN_KEY_MAX_BYTES(o.page_bytes);
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(db, "n", 1, LEVIN_KEYSPACE_CREATE, &named), LEVIN_OK);
    for (int where = 0; where < 2; where++) {
        levin_keyspace *ks = where ? named : NULL;
        const size_t bytes = where ? most - 4 : most; /* the id counts */
        ck_assert_int_eq(levin_put_in(db, ks, "a", 1, "", 0, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_put_in(db, ks, longest, bytes, "", 0, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_put_in(db, ks, "c", 1, "", 0, LEVIN_NONE), LEVIN_OK);
        /* past the longest key of 'b's, before "c": no more of it is looked at, whatever the length says */
        const size_t sizes[] = { most + 1, sizeof longest, SIZE_MAX / 2 + 1, SIZE_MAX };
        for (size_t i = 0; i < 4; i++) {
            const levin_slice far = { longest, sizes[i] };
            const struct {
                levin_iter_options o;
                unsigned keys;
            } cases[] = { { { .lower = far }, 1 },
                          { { .upper = far }, 2 },
                          { { .upper = far, .upper_inclusive = true }, 2 },
                          { { .prefix = far }, 0 },
                          { { .lower = far, .upper = far, .prefix = far }, 0 } };
            for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
                levin_iter_options options = cases[c].o;
                levin_iter *it;
                unsigned keys = 0;
                options.keyspace = ks;
                ck_assert_int_eq(levin_iter_open(db, &options, &it), LEVIN_OK);
                for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
                    keys++;
                ck_assert_msg(keys == cases[c].keys, "case %zu of length %zu: %u keys", c, sizes[i], keys);
                levin_iter_close(it);
            }
        }
    }
    levin_keyspace_close(named);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("iter", TEST(iter__bounds_may_be_of_any_length),
                TEST(iter__walks_over_leaves_equal_the_model_with_empty_memtables),
                TEST(iter__walks_over_leaves_equal_the_model_with_few_and_many_keys_in_memory),
                TEST(iter__walks_over_leaves_equal_the_model_with_ranges_deleted_in_memory),
                TEST(iter__a_snapshot_is_walked_as_it_was))
