/*
 * range_test.c - deletes of ranges and prefixes through levin.h, against a model.
 *
 * Invariants checked: after any mixture of puts, deletes, range and prefix deletes, whose parts lie in the memtable,
 * the frozen memtable, the page tree and the row cache, every kind of read equals the model, on the newest state and
 * on snapshots, and after reopening; a deleted range costs nothing to pass by; the counters are exact.
 */
#include <stdio.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "db.h"

static char directory[64];

static void directory_make(void)
{
    snprintf(directory, sizeof directory, "/tmp/levin-range-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static levin *store_open(uint64_t row_cache_bytes)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 1 << 20;
    o.wal_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.row_cache_bytes = row_cache_bytes;
    levin_code code = levin_open(directory, &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s", levin_code_name(code), error.message);
    return db;
}

static void expect_ok(levin *db, levin_code code, const char *what)
{
    levin_error error;
    if (code == LEVIN_OK)
        return;
    levin_last_error(db, &error);
    ck_abort_msg("%s: %s: %s", what, levin_code_name(code), error.message);
}

/* ---- the model: keys of two bytes, of which each of some values; the value is a number and some padding ---- */

enum { LETTERS = 12, KEYS = LETTERS * LETTERS, VALUE_BYTES = 60 };
static const uint8_t letter[LETTERS] = { 0, 1, 2, 'a', 'b', 'c', 0x7f, 0x80, 0xf0, 0xfd, 0xfe, 0xff };

typedef struct model {
    uint32_t value[KEYS]; /* 0: absent */
} model;

static levin_slice key_of(unsigned i, uint8_t bytes[2])
{
    bytes[0] = letter[i / LETTERS];
    bytes[1] = letter[i % LETTERS];
    return (levin_slice){ bytes, 2 };
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int order(levin_slice a, levin_slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

static void model_delete_range(model *m, levin_slice lower, levin_slice upper)
{
    uint8_t key[2];
    for (unsigned i = 0; i < KEYS; i++) {
        levin_slice k = key_of(i, key);
        if ((!lower.data || order(lower, k) <= 0) && (!upper.data || order(k, upper) < 0))
            m->value[i] = 0;
    }
}

static void model_delete_prefix(model *m, levin_slice prefix)
{
    uint8_t key[2];
    for (unsigned i = 0; i < KEYS; i++)
        if (prefix.size <= 2 && !memcmp(key_of(i, key).data, prefix.size ? prefix.data : "", prefix.size))
            m->value[i] = 0;
}

/* ---- reading ---- */

static void expect_value(const model *m, unsigned i, levin_slice found)
{
    uint32_t number;
    ck_assert_msg(m->value[i] != 0, "key %u is there", i);
    ck_assert_uint_eq(found.size, VALUE_BYTES);
    memcpy(&number, found.data, sizeof number);
    ck_assert_uint_eq(number, m->value[i]);
}

static void check_points(levin *db, const levin_snapshot *snapshot, const model *m)
{
    levin_get_request requests[KEYS];
    static uint8_t keys[KEYS][2], buffers[KEYS][VALUE_BYTES];
    for (unsigned i = 0; i < KEYS; i++) {
        levin_slice key = key_of(i, keys[i]);
        size_t bytes;
        uint8_t buffer[VALUE_BYTES];
        levin_pinned pinned;
        levin_code code = levin_get(db, snapshot, key.data, key.size, buffer, sizeof buffer, &bytes);
        ck_assert_int_eq(code, m->value[i] ? LEVIN_OK : LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_contains(db, snapshot, key.data, key.size), code);
        ck_assert_int_eq(levin_get_pinned(db, snapshot, key.data, key.size, &pinned), code);
        if (code == LEVIN_OK) {
            expect_value(m, i, (levin_slice){ buffer, bytes });
            expect_value(m, i, pinned.value);
        }
        levin_pinned_release(&pinned);
        requests[i] = (levin_get_request){ .key = keys[i], .key_bytes = 2, .buffer = buffers[i],
                                           .capacity = VALUE_BYTES };
    }
    expect_ok(db, levin_multi_get(db, snapshot, requests, KEYS), "multi_get");
    for (unsigned i = 0; i < KEYS; i++) {
        ck_assert_int_eq(requests[i].code, m->value[i] ? LEVIN_OK : LEVIN_NOT_FOUND);
        if (requests[i].code == LEVIN_OK)
            expect_value(m, i, (levin_slice){ buffers[i], requests[i].value_bytes });
    }
}

static int model_next(const model *m, int from, int step)
{
    int i = from;
    while (i >= 0 && i < KEYS && !m->value[i])
        i += step;
    return i >= 0 && i < KEYS ? i : -1;
}

static void expect_at(levin_iter *it, bool moved, const model *m, int at)
{
    uint8_t key[2];
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    ck_assert_int_eq(moved, at >= 0);
    if (at < 0)
        return;
    ck_assert_int_eq(order(levin_iter_key(it), key_of((unsigned)at, key)), 0);
    expect_value(m, (unsigned)at, levin_iter_value(it));
}

/* Forward, backward, then a walk that turns and seeks at random. */
static void check_iterator(levin *db, const levin_snapshot *snapshot, const model *m, uint64_t *random)
{
    levin_iter_options o = { .snapshot = snapshot };
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, &o, &it), "iter");
    int at = model_next(m, 0, 1);
    bool moved = levin_iter_first(it);
    expect_at(it, moved, m, at);
    while (at >= 0) {
        at = model_next(m, at + 1, 1);
        moved = levin_iter_next(it);
        expect_at(it, moved, m, at);
    }
    at = model_next(m, KEYS - 1, -1);
    moved = levin_iter_last(it);
    expect_at(it, moved, m, at);
    while (at >= 0) {
        at = model_next(m, at - 1, -1);
        moved = levin_iter_prev(it);
        expect_at(it, moved, m, at);
    }
    for (unsigned i = 0; i < 40; i++) {
        uint8_t key[2];
        unsigned n = (unsigned)(random_next(random) % KEYS);
        key_of(n, key);
        switch (at < 0 ? random_next(random) % 2 : random_next(random) % 8) {
        case 0:
            moved = levin_iter_seek(it, key, 2);
            at = model_next(m, (int)n, 1);
            break;
        case 1:
            moved = levin_iter_seek_for_prev(it, key, 2);
            at = model_next(m, (int)n, -1);
            break;
        case 2:
        case 3:
        case 4:
            moved = levin_iter_next(it);
            at = model_next(m, at + 1, 1);
            break;
        default:
            moved = levin_iter_prev(it);
            at = model_next(m, at - 1, -1);
            break;
        }
        expect_at(it, moved, m, at);
    }
    levin_iter_close(it);
}

/* ---- writing ---- */

static void add_range(levin_batch *batch, model *m, uint64_t *random)
{
    uint8_t a[3], b[3];
    levin_slice lower = key_of((unsigned)(random_next(random) % KEYS), a);
    levin_slice upper = key_of((unsigned)(random_next(random) % KEYS), b);
    uint64_t kind = random_next(random) % 32;
    lower.size = kind & 1 ? 2 : 1;
    upper.size = kind & 2 ? 2 : 1;
    if (kind == 4)
        lower = (levin_slice){ NULL, 0 };
    if (kind == 8)
        upper = (levin_slice){ NULL, 0 };
    ck_assert_int_eq(levin_batch_delete_range(batch, lower, upper), LEVIN_OK);
    model_delete_range(m, lower, upper);
}

static void add_prefix(levin_batch *batch, model *m, uint64_t *random)
{
    uint8_t bytes[2];
    levin_slice prefix = key_of((unsigned)(random_next(random) % KEYS), bytes);
    prefix.size = random_next(random) % 16 ? 1 + random_next(random) % 2 : 0;
    ck_assert_int_eq(levin_batch_delete_prefix(batch, prefix.data, prefix.size), LEVIN_OK);
    model_delete_prefix(m, prefix);
}

static void random_batch(levin *db, levin_batch *batch, model *m, uint32_t *number, uint64_t *random)
{
    levin_batch_clear(batch);
    for (uint64_t n = 1 + random_next(random) % 12; n-- > 0;) {
        uint8_t key[2], value[VALUE_BYTES] = { 0 };
        unsigned i = (unsigned)(random_next(random) % KEYS);
        key_of(i, key);
        switch (random_next(random) % 16) {
        case 0:
            add_range(batch, m, random);
            break;
        case 1:
            add_prefix(batch, m, random);
            break;
        case 2:
        case 3:
            expect_ok(db, levin_batch_delete(batch, key, 2), "delete");
            m->value[i] = 0;
            break;
        default:
            m->value[i] = ++*number;
            memcpy(value, number, sizeof *number);
            expect_ok(db, levin_batch_put(batch, key, 2, value, sizeof value), "put");
            break;
        }
    }
    expect_ok(db, levin_write(db, batch, LEVIN_NONE), "write");
}

/* The memtable becomes the frozen one; nobody works on it. */
static levin_code freeze(levin *db)
{
    levin_error error;
    sync_mutex_lock(&db->commit_mutex);
    levin_code code = db_freeze(db, false, &error);
    sync_mutex_unlock(&db->commit_mutex);
    return code;
}

enum { SNAPSHOTS = 3 };

static void random_run(uint64_t seed, uint64_t row_cache_bytes)
{
    uint64_t random = seed;
    uint32_t number = 0;
    model m = { { 0 } }, kept[SNAPSHOTS];
    levin_snapshot *snapshots[SNAPSHOTS] = { NULL };
    levin_batch *batch;
    directory_make();
    levin *db = store_open(row_cache_bytes);
    expect_ok(db, levin_batch_create(db, &batch), "batch");
    for (unsigned round = 0; round < 250; round++) {
        random_batch(db, batch, &m, &number, &random);
        switch (random_next(&random) % 12) {
        case 0:
            expect_ok(db, levin_checkpoint(db), "checkpoint");
            break;
        case 1: /* the memtable is frozen and stays so for a while: nobody works on it */
            expect_ok(db, freeze(db), "freeze");
            break;
        case 2:
            expect_ok(db, levin_work(db, NULL), "work");
            break;
        case 3: {
            size_t s = random_next(&random) % SNAPSHOTS;
            levin_snapshot_release(snapshots[s]);
            kept[s] = m;
            expect_ok(db, levin_snapshot_create(db, &snapshots[s]), "snapshot");
            break;
        }
        default:
            break;
        }
        check_iterator(db, NULL, &m, &random);
        if (round % 3 == 0)
            check_points(db, NULL, &m);
        for (size_t s = 0; round % 10 == 0 && s < SNAPSHOTS; s++) {
            if (!snapshots[s])
                continue;
            check_points(db, snapshots[s], &kept[s]);
            check_iterator(db, snapshots[s], &kept[s], &random);
        }
        if (round % 50 == 49) {
            for (size_t s = 0; s < SNAPSHOTS; s++) {
                levin_snapshot_release(snapshots[s]);
                snapshots[s] = NULL;
            }
            expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
            levin_batch_destroy(batch);
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            db = store_open(row_cache_bytes);
            expect_ok(db, levin_batch_create(db, &batch), "batch");
            check_points(db, NULL, &m);
        }
    }
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}

START_TEST(range__deletes_equal_the_model_in_every_layer)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_run(seed, 0);
}
END_TEST

START_TEST(range__deletes_equal_the_model_with_a_row_cache)
{
    for (uint64_t seed = 11; seed <= 14; seed++)
        random_run(seed, 32 << 10);
}
END_TEST

static void put(levin *db, const char *key, const char *value)
{
    expect_ok(db, levin_put(db, key, strlen(key), value, strlen(value), LEVIN_NONE), "put");
}

static levin_slice text(const char *s)
{
    return (levin_slice){ s, s ? strlen(s) : 0 };
}

static uint64_t count_keys(levin *db)
{
    uint64_t n = 0;
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, NULL, &it), "iter");
    for (bool more = levin_iter_first(it); more; more = levin_iter_next(it))
        n++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    return n;
}

START_TEST(range__bounds_and_misuse)
{
    static char big[1026];
    levin_stats stats;
    directory_make();
    levin *db = store_open(0);
    memset(big, 'k', sizeof big - 1);
    for (unsigned round = 0; round < 2; round++) { /* in the memtable; in the tree */
        put(db, "a", "1");
        put(db, "b", "2");
        put(db, "bb", "3");
        put(db, "c", "4");
        put(db, "\xff", "5");
        put(db, "\xff\xff", "6");
        if (round)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        expect_ok(db, levin_delete_range(db, text("b"), text("b"), LEVIN_NONE), "an empty range");
        expect_ok(db, levin_delete_range(db, text("c"), text("b"), LEVIN_NONE), "an upside down range");
        expect_ok(db, levin_delete_range(db, text("x"), text(""), LEVIN_NONE), "up to the empty key");
        ck_assert_uint_eq(count_keys(db), 6);
        expect_ok(db, levin_delete_range(db, text("b"), text("c"), LEVIN_LOGGED), "range");
        ck_assert_int_eq(levin_contains(db, NULL, "b", 1), LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_contains(db, NULL, "bb", 2), LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_contains(db, NULL, "c", 1), LEVIN_OK);
        expect_ok(db, levin_delete_prefix(db, "\xff", 1, LEVIN_SYNCED), "prefix");
        ck_assert_uint_eq(count_keys(db), 2);
        expect_ok(db, levin_delete_range(db, text(NULL), text("b"), LEVIN_NONE), "from the first");
        ck_assert_uint_eq(count_keys(db), 1);
        expect_ok(db, levin_delete_prefix(db, NULL, 0, LEVIN_NONE), "all");
        ck_assert_uint_eq(count_keys(db), 0);
    }
    levin_stats_get(db, &stats);
    ck_assert_uint_eq(stats.range_deletes, 8);
    ck_assert_uint_eq(stats.deletes, 0);
    ck_assert_uint_eq(stats.puts, 12);
    ck_assert_int_eq(levin_delete_range(db, text(big), text(NULL), LEVIN_NONE), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_delete_range(db, text("a"), text(big), LEVIN_NONE), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_delete_prefix(db, big, 1025, LEVIN_NONE), LEVIN_TOO_BIG);
    expect_ok(db, levin_delete_prefix(db, big, 1024, LEVIN_NONE), "the longest prefix");
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(range__what_a_batch_puts_afterwards_stays)
{
    directory_make();
    levin *db = store_open(0);
    levin_batch *batch;
    put(db, "k0", "old");
    put(db, "k1", "old");
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_ok(db, levin_batch_create(db, &batch), "batch");
    expect_ok(db, levin_batch_put(batch, "k2", 2, "gone", 4), "put");
    expect_ok(db, levin_batch_delete_prefix(batch, "k", 1), "prefix");
    expect_ok(db, levin_batch_put(batch, "k1", 2, "new", 3), "put");
    ck_assert_uint_eq(levin_batch_count(batch), 3);
    for (int round = 0; round < 4; round++) {
        expect_ok(db, levin_write(db, batch, LEVIN_LOGGED), "write");
        if (round == 1)
            expect_ok(db, freeze(db), "freeze");
        if (round == 2)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        ck_assert_int_eq(levin_contains(db, NULL, "k0", 2), LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_contains(db, NULL, "k1", 2), LEVIN_OK);
        ck_assert_int_eq(levin_contains(db, NULL, "k2", 2), LEVIN_NOT_FOUND);
        ck_assert_uint_eq(count_keys(db), 1);
    }
    levin_batch_destroy(batch);
    const levin_slice old = text("new"), next = text("next");
    expect_ok(db, levin_delete_prefix(db, "k", 1, LEVIN_NONE), "prefix");
    ck_assert_int_eq(levin_compare_and_swap(db, "k1", 2, &old, &next, LEVIN_NONE, NULL), LEVIN_CONFLICT);
    expect_ok(db, levin_compare_and_swap(db, "k1", 2, NULL, &next, LEVIN_NONE, NULL), "swap of what was deleted");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(0);
    ck_assert_uint_eq(count_keys(db), 1);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* 50,000 keys in some 800 leaves go in one short record, without a page being read; passing by reads two leaves. */
START_TEST(range__costs_nothing_till_the_checkpoint)
{
    char key[16], value[40] = { 0 };
    levin_stats before, after;
    directory_make();
    levin *db = store_open(0);
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "%08u", i);
        expect_ok(db, levin_put(db, key, 8, value, sizeof value, LEVIN_NONE), "put");
    }
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    levin_stats_get(db, &before);
    expect_ok(db, levin_delete_range(db, text("00000010"), text("00049990"), LEVIN_LOGGED), "range");
    levin_stats_get(db, &after);
    ck_assert_uint_eq(after.page_reads, before.page_reads);
    ck_assert_uint_le(after.wal_bytes - before.wal_bytes, 1024);
    ck_assert_uint_eq(count_keys(db), 20);
    levin_stats_get(db, &after);
    ck_assert_uint_le(after.page_reads - before.page_reads, 12);
    ck_assert_uint_eq(after.keys, 50000);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    levin_stats_get(db, &after);
    ck_assert_uint_eq(after.keys, 20);
    ck_assert_uint_eq(count_keys(db), 20);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

LEVIN_TEST_MAIN("range", TEST(range__deletes_equal_the_model_in_every_layer),
                TEST(range__deletes_equal_the_model_with_a_row_cache), TEST(range__bounds_and_misuse),
                TEST(range__what_a_batch_puts_afterwards_stays), TEST(range__costs_nothing_till_the_checkpoint))
