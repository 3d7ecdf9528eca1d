/*
 * read_test.c - point reads of all kinds through levin.h: multi-get, pinned get, and what they allocate.
 *
 * Invariants checked: all kinds of point read give the same answer, whichever layer holds the key, at a snapshot and
 * now; a pinned value stays as it was through overwrites, checkpoints and eviction, and keeps nothing once released;
 * reads of short keys allocate nothing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../faults/check_main.h"
#include "codec.h"
#include "io.h"
#include "levin.h"

enum { KEYS = 600, KEY_BYTES = 32, SMALL = 40, LARGE = 9000, ROW_CACHE_BYTES = 128 << 10 };

static char directory[64];
static levin_io io;               /* POSIX, with allocations counted */
static _Atomic uint64_t allocations;
static _Atomic uint64_t held;
static uint64_t refuse_at;        /* refuse the allocation of that number; 0: none */
static levin_background background = LEVIN_BACKGROUND_NONE;
static uint64_t value_cache_bytes = 64 << 20;
static pthread_t reader;
static _Atomic uint64_t tables_made[2]; /* allocations of 4 to 8 MiB: by `reader`; by another thread */

static void *count_alloc(void *context, size_t bytes, size_t alignment)
{
    if (++allocations == refuse_at)
        return NULL;
    void *memory = levin_io_posix()->alloc(context, bytes, alignment);
    held += memory != NULL;
    return memory;
}

static void *watch_alloc(void *context, size_t bytes, size_t alignment)
{
    if (bytes > 4 << 20 && bytes < 8 << 20)
        tables_made[!pthread_equal(pthread_self(), reader)]++;
    return count_alloc(context, bytes, alignment);
}

static void count_free(void *context, void *memory, size_t bytes)
{
    held -= memory != NULL;
    levin_io_posix()->free(context, memory, bytes);
}

static levin *store_open(uint64_t row_cache_bytes)
{
    levin *db = NULL;
    levin_error error;
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 1 << 20;
    o.row_cache_bytes = row_cache_bytes;
    o.value_cache_bytes = value_cache_bytes;
    o.wal_segment_bytes = 64 << 10;
    o.background = background;
    io = *levin_io_posix();
    io.alloc = watch_alloc;
    io.free = count_free;
    o.io = &io;
    snprintf(directory, sizeof directory, "/tmp/levin-read-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_msg(levin_open(directory, &o, &db, &error) == LEVIN_OK, "%s", error.message);
    return db;
}

static void store_close(levin *db)
{
    char command[128];
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert_uint_eq(held, 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static void key_of(uint8_t key[KEY_BYTES], unsigned n)
{
    memset(key, 'k', KEY_BYTES);
    snprintf((char *)key, KEY_BYTES, "key %06u", n);
    key[10] = (uint8_t)(n % 3);
}

/* Every 29th value stands in an extent once it is in the page file. */
static size_t value_bytes_of(unsigned n)
{
    return n % 29 == 0 ? LARGE : n % SMALL;
}

static void value_of(uint8_t *value, unsigned n, unsigned round)
{
    memset(value, (int)('a' + (n + round) % 26), value_bytes_of(n));
}

static void put(levin *db, unsigned n, unsigned round)
{
    static uint8_t value[LARGE];
    uint8_t key[KEY_BYTES];
    key_of(key, n);
    value_of(value, n, round);
    ck_assert_int_eq(levin_put(db, key, KEY_BYTES, value, value_bytes_of(n), LEVIN_NONE), LEVIN_OK);
}

/*
 * Key n: n % 4 == 0 never there; 1 in the page file; 2 deleted in the memtable, there in the page file; 3 overwritten
 * in the memtable. After this a snapshot of what was before shows 1 to 3 at round 0.
 */
static levin_snapshot *store_fill(levin *db)
{
    levin_snapshot *before;
    for (unsigned n = 0; n < KEYS; n++)
        if (n % 4)
            put(db, n, 0);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(db, &before), LEVIN_OK);
    for (unsigned n = 0; n < KEYS; n++) {
        uint8_t key[KEY_BYTES];
        key_of(key, n);
        if (n % 4 == 2)
            ck_assert_int_eq(levin_delete(db, key, KEY_BYTES, LEVIN_NONE), LEVIN_OK);
        else if (n % 4 == 3)
            put(db, n, 1);
    }
    return before;
}

static bool there(unsigned n, bool before)
{
    return n % 4 == 1 || n % 4 == 3 || (before && n % 4 == 2);
}

static void expect_value(const void *data, size_t bytes, unsigned n, bool before)
{
    static uint8_t expected[LARGE];
    value_of(expected, n, !before && n % 4 == 3);
    ck_assert_uint_eq(bytes, value_bytes_of(n));
    ck_assert_ptr_nonnull(data);
    ck_assert(!bytes || !memcmp(data, expected, bytes));
}

static void read_all_ways(levin *db, const levin_snapshot *s)
{
    static uint8_t key[KEYS][KEY_BYTES], buffer[KEYS][LARGE];
    static levin_get_request request[KEYS];
    for (unsigned n = 0; n < KEYS; n++) {
        levin_pinned pinned;
        void *copy;
        size_t bytes;
        levin_code expected = there(n, s != NULL) ? LEVIN_OK : LEVIN_NOT_FOUND;
        key_of(key[n], n);
        request[n] = (levin_get_request){ .key = key[n], .key_bytes = KEY_BYTES, .buffer = buffer[n],
                                          .capacity = n % 5 ? LARGE : 10, .value_bytes = 77 };
        ck_assert_int_eq(levin_get_pinned(db, s, key[n], KEY_BYTES, &pinned), expected);
        ck_assert_int_eq(levin_contains(db, s, key[n], KEY_BYTES), expected);
        ck_assert_int_eq(levin_get_alloc(db, s, key[n], KEY_BYTES, &copy, &bytes), expected);
        if (expected == LEVIN_OK) {
            expect_value(pinned.value.data, pinned.value.size, n, s != NULL);
            expect_value(copy, bytes, n, s != NULL);
        }
        levin_free(db, copy);
        levin_pinned_release(&pinned);
        levin_pinned_release(&pinned); /* harmless */
    }
    for (size_t count = 1; count <= KEYS; count = count * 3 / 2 + 1) {
        ck_assert_int_eq(levin_multi_get(db, s, request, count), LEVIN_OK);
        for (unsigned n = 0; n < count; n++) {
            const levin_get_request *r = &request[n];
            if (!there(n, s != NULL)) {
                ck_assert_int_eq(r->code, LEVIN_NOT_FOUND);
                continue;
            }
            ck_assert_uint_eq(r->value_bytes, value_bytes_of(n));
            ck_assert_int_eq(r->code, value_bytes_of(n) > r->capacity ? LEVIN_TOO_SMALL : LEVIN_OK);
            if (r->code == LEVIN_OK)
                expect_value(r->buffer, r->value_bytes, n, s != NULL);
        }
    }
}

static void expect_rows(levin *db, bool row_cache)
{
    levin_stats stats;
    levin_stats_get(db, &stats);
    ck_assert_uint_eq(stats.row_hits + stats.row_misses > 0, row_cache);
    ck_assert_uint_eq(stats.row_hits > 2 * KEYS, row_cache); /* the others came to hits too, and not for snapshots */
    ck_assert_uint_le(stats.row_hits + stats.row_misses, stats.gets);
}

START_TEST(read__all_kinds_agree_in_all_layers)
{
    for (int row_cache = 0; row_cache < 2; row_cache++) {
        levin *db = store_open(row_cache ? ROW_CACHE_BYTES : 0);
        levin_snapshot *before = store_fill(db);
        for (int round = 0; round < 2; round++) {
            read_all_ways(db, NULL);
            read_all_ways(db, before);
        }
        ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        read_all_ways(db, NULL);
        read_all_ways(db, before);
        expect_rows(db, row_cache);
        levin_snapshot_release(before);
        store_close(db);
    }
}
END_TEST

/* Rows of old values are in the cache when a multi-get comes. */
START_TEST(multi_get__of_rows_written_again_gives_the_new_values)
{
    enum { MANY = 100 };
    levin *db = store_open(ROW_CACHE_BYTES);
    uint8_t key[MANY][KEY_BYTES], value[MANY][8];
    levin_get_request request[MANY];
    for (uint64_t round = 0; round < 50; round++) {
        for (unsigned n = 0; n < MANY; n++) {
            uint64_t v = round * MANY + n;
            key_of(key[n], n);
            request[n] = (levin_get_request){ .key = key[n], .key_bytes = KEY_BYTES, .buffer = value[n],
                                              .capacity = sizeof value[n] };
            if ((n + round) % 3)
                ck_assert_int_eq(levin_put(db, key[n], KEY_BYTES, &v, sizeof v, LEVIN_NONE), LEVIN_OK);
            else
                ck_assert_int_eq(levin_delete(db, key[n], KEY_BYTES, LEVIN_NONE), LEVIN_OK);
        }
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(levin_multi_get(db, NULL, request, MANY), LEVIN_OK);
            for (unsigned n = 0; n < MANY; n++) {
                uint64_t v = round * MANY + n;
                ck_assert_int_eq(request[n].code, (n + round) % 3 ? LEVIN_OK : LEVIN_NOT_FOUND);
                ck_assert(!((n + round) % 3) || !memcmp(value[n], &v, sizeof v));
            }
        }
    }
    levin_stats stats;
    levin_stats_get(db, &stats);
    ck_assert_uint_gt(stats.row_hits, 40 * MANY);
    store_close(db);
}
END_TEST

START_TEST(multi_get__an_empty_key_is_refused_and_the_others_are_read)
{
    levin *db = store_open(ROW_CACHE_BYTES);
    uint8_t key[KEY_BYTES], buffer[3][LARGE];
    levin_snapshot_release(store_fill(db));
    key_of(key, 1);
    levin_get_request r[3];
    for (int i = 0; i < 3; i++)
        r[i] = (levin_get_request){ .key = key, .key_bytes = i == 1 ? 0 : KEY_BYTES, .buffer = buffer[i],
                                    .capacity = LARGE };
    ck_assert_int_eq(levin_multi_get(db, NULL, r, 3), LEVIN_INVALID);
    ck_assert_int_eq(r[1].code, LEVIN_INVALID);
    for (int i = 0; i < 3; i += 2) {
        ck_assert_int_eq(r[i].code, LEVIN_OK);
        expect_value(buffer[i], r[i].value_bytes, 1, false);
    }
    ck_assert_int_eq(levin_multi_get(db, NULL, r, 0), LEVIN_OK);
    store_close(db);
}
END_TEST

/* levin_get() has a way of its own for rows whose keys have 8 to 16 bytes: all lengths give and count the same. */
START_TEST(get__rows_of_all_key_lengths_are_read_and_counted_alike)
{
    enum { LONGEST = 40 };
    levin *db = store_open(8 << 20); /* so large that nothing has to go */
    uint8_t key[LONGEST], near[LONGEST], value[256], buffer[256];
    size_t bytes;
    levin_stats before, after;
    for (unsigned n = 0; n < 20000; n++) /* misses until the cache has a table */
        ck_assert_int_eq(levin_get(db, NULL, &n, sizeof n, buffer, sizeof buffer, &bytes), LEVIN_NOT_FOUND);
    for (unsigned length = 1; length <= LONGEST; length++) {
        for (unsigned i = 0; i < length; i++)
            key[i] = (uint8_t)(200 + length + i);
        for (unsigned round = 0; round < 3; round++) {
            const size_t size = length * 5 * (round != 1); /* of no bytes, too */
            memset(value, (int)(length + round), sizeof value);
            ck_assert_int_eq(levin_put(db, key, length, value, size, LEVIN_NONE), LEVIN_OK);
            levin_stats_get(db, &before);
            for (unsigned again = 0; again < 3; again++) { /* a miss that fills, two hits */
                memset(buffer, 0xee, sizeof buffer);
                ck_assert_int_eq(levin_get(db, NULL, key, length, buffer, size, &bytes), LEVIN_OK);
                ck_assert_uint_eq(bytes, size);
                ck_assert_mem_eq(buffer, value, size);
                ck_assert_uint_eq(buffer[size], 0xee);
                if (size)
                    ck_assert_int_eq(levin_get(db, NULL, key, length, buffer, size - 1, &bytes), LEVIN_TOO_SMALL);
                ck_assert_uint_eq(bytes, size);
            }
            levin_stats_get(db, &after);
            ck_assert_uint_eq(after.gets - before.gets, size ? 6 : 3);
            ck_assert_uint_eq(after.get_hits - before.get_hits, size ? 6 : 3);
            ck_assert_uint_eq(after.row_misses - before.row_misses, 1);
            ck_assert_uint_eq(after.row_hits - before.row_hits, size ? 5 : 2);
            for (unsigned i = 0; i < length; i++) { /* each byte of the key counts */
                memcpy(near, key, length);
                near[i] ^= 0x40;
                for (unsigned again = 0; again < 2; again++)
                    ck_assert_int_eq(levin_get(db, NULL, near, length, buffer, sizeof buffer, &bytes),
                                     LEVIN_NOT_FOUND);
            }
        }
        ck_assert_int_eq(levin_delete(db, key, length, LEVIN_NONE), LEVIN_OK);
        levin_stats_get(db, &before);
        for (unsigned again = 0; again < 3; again++)
            ck_assert_int_eq(levin_get(db, NULL, key, length, buffer, sizeof buffer, &bytes), LEVIN_NOT_FOUND);
        levin_stats_get(db, &after);
        ck_assert_uint_eq(after.gets - before.gets, 3);
        ck_assert_uint_eq(after.get_hits, before.get_hits);
        ck_assert_uint_eq(after.row_hits - before.row_hits, 2);
    }
    store_close(db);
}
END_TEST

/* Pins in every layer, then everything is overwritten, moved to the page file and pushed out of the cache. */
START_TEST(pinned__stays_as_it_was)
{
    static levin_pinned pinned[KEYS];
    levin *db = store_open(ROW_CACHE_BYTES);
    levin_snapshot_release(store_fill(db));
    uint8_t key[KEY_BYTES];
    for (unsigned n = 0; n < KEYS; n++) {
        key_of(key, n);
        levin_code code = levin_get_pinned(db, NULL, key, KEY_BYTES, &pinned[n]);
        ck_assert_int_eq(code, there(n, false) ? LEVIN_OK : LEVIN_NOT_FOUND);
    }
    for (unsigned round = 2; round < 5; round++) {
        for (unsigned n = 0; n < KEYS; n++)
            put(db, n, round);
        ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        for (unsigned n = 0; n < KEYS; n++) {
            key_of(key, n);
            ck_assert_int_eq(levin_contains(db, NULL, key, KEY_BYTES), LEVIN_OK);
        }
    }
    for (unsigned n = 0; n < KEYS; n++) {
        if (there(n, false))
            expect_value(pinned[n].value.data, pinned[n].value.size, n, false);
        levin_pinned_release(&pinned[n]);
    }
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    store_close(db);
}
END_TEST

/* Pinned in the cache of large values, which then takes in several times as much as it has room for. */
START_TEST(pinned__a_large_value_in_the_cache_stays_as_it_was)
{
    enum { VALUES = 60, APART = 29 };
    static uint8_t buffer[LARGE];
    value_cache_bytes = 16 * LARGE;
    levin *db = store_open(0);
    levin_pinned pinned[2];
    levin_stats stats;
    uint8_t key[KEY_BYTES];
    size_t bytes;
    for (unsigned n = 0; n < VALUES; n++)
        put(db, n * APART, 0);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    for (unsigned i = 0; i < 2; i++) {
        key_of(key, i * APART);
        ck_assert_int_eq(levin_get(db, NULL, key, KEY_BYTES, buffer, sizeof buffer, &bytes), LEVIN_OK);
        const uint64_t before = allocations;
        ck_assert_int_eq(levin_get_pinned(db, NULL, key, KEY_BYTES, &pinned[i]), LEVIN_OK);
        ck_assert_uint_eq(allocations, before); /* no copy of it */
    }
    for (unsigned round = 0; round < 4; round++)
        for (unsigned n = 2; n < VALUES; n++)
            for (unsigned again = 0; again < 2; again++) {
                key_of(key, n * APART);
                ck_assert_int_eq(levin_get(db, NULL, key, KEY_BYTES, buffer, sizeof buffer, &bytes), LEVIN_OK);
                expect_value(buffer, bytes, n * APART, true);
            }
    levin_stats_get(db, &stats);
    ck_assert_uint_gt(stats.large_evictions, VALUES);
    for (unsigned i = 0; i < 2; i++) {
        expect_value(pinned[i].value.data, pinned[i].value.size, i * APART, true);
        levin_pinned_release(&pinned[i]);
    }
    store_close(db);
    value_cache_bytes = 64 << 20;
}
END_TEST

START_TEST(pinned__without_memory_for_a_large_value_is_an_error)
{
    levin *db = store_open(ROW_CACHE_BYTES);
    levin_pinned pinned;
    uint8_t key[KEY_BYTES];
    levin_snapshot_release(store_fill(db));
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    key_of(key, 29);
    ck_assert_int_eq(levin_contains(db, NULL, key, KEY_BYTES), LEVIN_OK); /* its page is cached now */
    refuse_at = allocations + 1;
    ck_assert_int_eq(levin_get_pinned(db, NULL, key, KEY_BYTES, &pinned), LEVIN_NO_MEMORY);
    ck_assert_uint_eq(allocations, refuse_at); /* it did fire */
    refuse_at = 0;
    levin_pinned_release(&pinned);
    ck_assert_int_eq(levin_get_pinned(db, NULL, key, KEY_BYTES, &pinned), LEVIN_OK);
    expect_value(pinned.value.data, pinned.value.size, 29, false);
    levin_pinned_release(&pinned);
    store_close(db);
}
END_TEST

/* One pass of every kind of read over cached keys. */
static void read_without_copies(levin *db, levin_iter *it)
{
    static uint8_t key[16][KEY_BYTES], buffer[16][LARGE];
    levin_get_request request[16];
    size_t bytes;
    levin_pinned pinned;
    for (unsigned n = 0; n < 16; n++) {
        key_of(key[n], n + 1);
        request[n] = (levin_get_request){ .key = key[n], .key_bytes = KEY_BYTES, .buffer = buffer[n],
                                          .capacity = LARGE };
        levin_code expected = there(n + 1, false) ? LEVIN_OK : LEVIN_NOT_FOUND;
        ck_assert_int_eq(levin_get(db, NULL, key[n], KEY_BYTES, buffer[n], LARGE, &bytes), expected);
        ck_assert_int_eq(levin_contains(db, NULL, key[n], KEY_BYTES), expected);
        ck_assert_int_eq(levin_get_pinned(db, NULL, key[n], KEY_BYTES, &pinned), expected);
        levin_pinned_release(&pinned);
        ck_assert_int_eq(levin_iter_seek(it, key[n], KEY_BYTES), true);
        ck_assert_int_eq(levin_iter_next(it), true);
        ck_assert_int_eq(levin_iter_prev(it), true);
        ck_assert_int_eq(levin_iter_seek_for_prev(it, key[n], KEY_BYTES), n > 0 || there(n + 1, false));
    }
    ck_assert_int_eq(levin_multi_get(db, NULL, request, 16), LEVIN_OK);
}

START_TEST(read__of_short_keys_allocates_nothing)
{
    for (int row_cache = 0; row_cache < 2; row_cache++) {
        levin *db = store_open(row_cache ? ROW_CACHE_BYTES : 0);
        levin_iter *it;
        levin_snapshot_release(store_fill(db));
        ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
        for (int i = 0; i < 50; i++)
            read_without_copies(db, it); /* fills the caches, and what iterators keep */
        uint64_t before = allocations;
        read_without_copies(db, it);
        ck_assert_uint_eq(allocations, before);
        levin_iter_close(it);
        store_close(db);
    }
}
END_TEST

static uint64_t allocations_of_writes(levin *db, size_t key_bytes, size_t value_bytes)
{
    static uint8_t key[1000], value[1000];
    uint64_t before = allocations;
    for (unsigned n = 0; n < 2000; n++) {
        store_u64(key, n % 2);
        if (n % 4)
            ck_assert_int_eq(levin_put(db, key, key_bytes, value, value_bytes, LEVIN_NONE), LEVIN_OK);
        else
            ck_assert_int_eq(levin_delete(db, key, key_bytes, LEVIN_NONE), LEVIN_OK);
    }
    return allocations - before;
}

/*
 * A group takes its version, and memtables their nodes and chunks; a key of up to 32 bytes takes nothing.
 * A value too long for the stack is seen at once.
 */
START_TEST(write__of_short_keys_allocates_nothing_for_them)
{
    enum { WRITES = 2000, NODES = WRITES / 20 };
    levin *db = store_open(ROW_CACHE_BYTES);
    uint64_t inlined = allocations_of_writes(db, KEY_BYTES, 1);
    uint64_t longer = allocations_of_writes(db, KEY_BYTES, 1000);
    ck_assert_uint_le(inlined, WRITES + NODES);
    ck_assert_uint_ge(longer, inlined + WRITES / 2);
    levin_batch *batch;
    uint8_t key[KEY_BYTES];
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    for (unsigned n = 0; n < 100; n++) { /* a batch that has had such a size before takes no memory */
        uint64_t before = allocations;
        levin_batch_clear(batch);
        for (unsigned i = 0; i < 50; i++) {
            key_of(key, i);
            ck_assert_int_eq(levin_batch_put(batch, key, KEY_BYTES, "v", 1), LEVIN_OK);
        }
        ck_assert(n == 0 || allocations == before);
    }
    levin_batch_destroy(batch);
    store_close(db);
}
END_TEST

/* The allocation of the row cache's table, 5.8 MiB of 64, and its clearing are not the reader's. */
START_TEST(read__a_large_row_cache_gets_its_table_in_the_background)
{
    uint8_t key[KEY_BYTES], value[8];
    size_t bytes;
    levin_stats s = { 0 };
    reader = pthread_self();
    background = LEVIN_BACKGROUND_THREAD;
    levin *db = store_open(64 << 20);
    for (unsigned n = 0; s.row_hits == 0; n++) {
        key_of(key, n % 500);
        ck_assert_int_eq(levin_get(db, NULL, key, sizeof key, value, sizeof value, &bytes), LEVIN_NOT_FOUND);
        if (n % 1000 == 0) {
            levin_stats_get(db, &s);
            sched_yield();
        }
    }
    ck_assert_uint_eq(tables_made[0], 0);
    ck_assert_uint_eq(tables_made[1], 1);
    store_close(db);
    background = LEVIN_BACKGROUND_NONE;
}
END_TEST

LEVIN_TEST_MAIN("read", TEST(read__a_large_row_cache_gets_its_table_in_the_background),
                TEST(get__rows_of_all_key_lengths_are_read_and_counted_alike),
                TEST(read__all_kinds_agree_in_all_layers),
                TEST(multi_get__an_empty_key_is_refused_and_the_others_are_read),
                TEST(multi_get__of_rows_written_again_gives_the_new_values), TEST(pinned__stays_as_it_was),
                TEST(pinned__a_large_value_in_the_cache_stays_as_it_was),
                TEST(pinned__without_memory_for_a_large_value_is_an_error), TEST(read__of_short_keys_allocates_nothing),
                TEST(write__of_short_keys_allocates_nothing_for_them))
