/*
 * keyspace_test.c - named keyspaces through levin.h.
 *
 * Invariants checked: keyspaces hold the same keys apart, in every layer and for every kind of read and of bound;
 * batches and snapshots span them; of two creators one wins; a drop takes everything at once and nothing comes back,
 * after a crash neither, also when the name is used again; no handle, no filled batch writes into a dropped keyspace;
 * check finds a catalogue that does not fit.
 */
#include <stdio.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "keyspace.h"

static char directory[64];

static void directory_make(void)
{
    snprintf(directory, sizeof directory, "/tmp/levin-keyspace-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static levin_options small_options(void)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 1 << 20;
    o.wal_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.row_cache_bytes = 32 << 10;
    return o;
}

static levin *store_open_in(const char *path, const levin_io *io)
{
    levin_options o = small_options();
    levin_error error;
    levin *db = NULL;
    o.io = io;
    levin_code code = levin_open(path, &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s", levin_code_name(code), error.message);
    return db;
}

static levin *store_open(void)
{
    return store_open_in(directory, NULL);
}

static void expect_ok(levin *db, levin_code code, const char *what)
{
    levin_error error;
    if (code == LEVIN_OK)
        return;
    levin_last_error(db, &error);
    ck_abort_msg("%s: %s: %s", what, levin_code_name(code), error.message);
}

static levin_keyspace *open_keyspace(levin *db, const char *name, unsigned flags)
{
    levin_keyspace *ks;
    expect_ok(db, levin_keyspace_open(db, name, strlen(name), flags, &ks), name);
    ck_assert_ptr_nonnull(ks);
    return ks;
}

static levin_slice text(const char *s)
{
    return (levin_slice){ s, s ? strlen(s) : 0 };
}

static void put(levin *db, const levin_keyspace *ks, const char *key, const char *value)
{
    expect_ok(db, levin_put_in(db, ks, key, strlen(key), value, strlen(value), LEVIN_NONE), "put");
}

/* Every kind of point read; value NULL: it is not there. */
static void expect_value(levin *db, const levin_keyspace *ks, const levin_snapshot *s, const char *key,
                         const char *value)
{
    char buffer[64], many[64];
    size_t bytes, n = strlen(key), most = sizeof buffer;
    void *copy;
    levin_pinned pinned;
    levin_get_request request = { .key = key, .key_bytes = n, .buffer = many, .capacity = most };
    const levin_code wanted = value ? LEVIN_OK : LEVIN_NOT_FOUND;
    ck_assert_int_eq(levin_get_in(db, ks, s, key, n, buffer, most, &bytes), wanted);
    ck_assert_int_eq(levin_contains_in(db, ks, s, key, n), wanted);
    ck_assert_int_eq(levin_get_pinned_in(db, ks, s, key, n, &pinned), wanted);
    ck_assert_int_eq(levin_multi_get_in(db, ks, s, &request, 1), LEVIN_OK);
    ck_assert_int_eq(request.code, wanted);
    ck_assert_int_eq(levin_get_alloc_in(db, ks, s, key, n, &copy, &bytes), wanted);
    if (value) {
        ck_assert_uint_eq(bytes, strlen(value));
        ck_assert_mem_eq(buffer, value, bytes);
        ck_assert_mem_eq(copy, value, bytes);
        ck_assert_uint_eq(request.value_bytes, bytes);
        ck_assert_mem_eq(many, value, bytes);
        ck_assert_uint_eq(pinned.value.size, bytes);
        ck_assert_mem_eq(pinned.value.data, value, bytes);
    }
    levin_free(db, copy);
    levin_pinned_release(&pinned);
}

/* The keys, "a b c", as an iterator with these options shows them in both directions. */
static void expect_keys(levin *db, levin_iter_options o, const char *keys)
{
    char forward[256] = "", backward[256] = "";
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, &o, &it), "iter");
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        levin_slice key = levin_iter_key(it);
        size_t n = strlen(forward);
        snprintf(forward + n, sizeof forward - n, "%s%.*s", n ? " " : "", (int)key.size, (const char *)key.data);
    }
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    for (bool on = levin_iter_last(it); on; on = levin_iter_prev(it)) {
        levin_slice key = levin_iter_key(it);
        char before[256];
        snprintf(before, sizeof before, "%s", backward);
        snprintf(backward, sizeof backward, "%.*s%s%.200s", (int)key.size, (const char *)key.data, *before ? " " : "",
                 before);
    }
    levin_iter_close(it);
    ck_assert_str_eq(forward, keys);
    ck_assert_str_eq(backward, keys);
}

typedef struct names {
    char text[256];
} names;
static bool add_name(void *context, levin_slice name)
{
    names *n = context;
    size_t at = strlen(n->text);
    snprintf(n->text + at, sizeof n->text - at, "%s%.*s", at ? " " : "", (int)name.size, (const char *)name.data);
    return true;
}

static void expect_names(levin *db, const levin_snapshot *s, const char *list)
{
    names n = { "" };
    levin_stats stats;
    expect_ok(db, levin_keyspace_list(db, s, add_name, &n), "list");
    ck_assert_str_eq(n.text, list);
    levin_stats_get(db, &stats);
    uint64_t count = *list != 0;
    for (const char *c = list; *c; c++)
        count += *c == ' ';
    if (!s)
        ck_assert_uint_eq(stats.keyspaces, count);
}

static void freeze(levin *db)
{
    levin_error error;
    sync_mutex_lock(&db->commit_mutex);
    ck_assert_int_eq(db_freeze(db, false, &error), LEVIN_OK);
    sync_mutex_unlock(&db->commit_mutex);
}

START_TEST(keyspace__same_keys_are_held_apart_in_every_layer)
{
    directory_make();
    levin *db = store_open();
    levin_keyspace *a = open_keyspace(db, "a", LEVIN_KEYSPACE_CREATE);
    levin_keyspace *b = open_keyspace(db, "b", LEVIN_KEYSPACE_CREATE);
    for (int layer = 0; layer < 4; layer++) {
        put(db, NULL, "k", "default");
        put(db, a, "k", "of a");
        put(db, b, "k", "of b");
        put(db, a, "only a", "1");
        put(db, b, "x", "2");
        put(db, NULL, "z", "3");
        if (layer == 1)
            freeze(db);
        if (layer == 2)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        if (layer == 3) {
            levin_keyspace_close(a);
            levin_keyspace_close(b);
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            db = store_open();
            a = open_keyspace(db, "a", 0);
            b = open_keyspace(db, "b", LEVIN_KEYSPACE_CREATE);
        }
        for (int again = 0; again < 3; again++) { /* from the row cache, too */
            expect_value(db, NULL, NULL, "k", "default");
            expect_value(db, a, NULL, "k", "of a");
            expect_value(db, b, NULL, "k", "of b");
            expect_value(db, a, NULL, "x", NULL);
            expect_value(db, NULL, NULL, "only a", NULL);
            expect_value(db, NULL, NULL, "x", NULL);
        }
        expect_keys(db, (levin_iter_options){ 0 }, "k z");
        expect_keys(db, (levin_iter_options){ .keyspace = a }, "k only a");
        expect_keys(db, (levin_iter_options){ .keyspace = b }, "k x");
        expect_keys(db, (levin_iter_options){ .keyspace = a, .lower = text("l") }, "only a");
        expect_keys(db, (levin_iter_options){ .keyspace = a, .lower = text("k"), .lower_exclusive = true }, "only a");
        expect_keys(db, (levin_iter_options){ .keyspace = a, .upper = text("only a") }, "k");
        expect_keys(db, (levin_iter_options){ .keyspace = a, .upper = text("z"), .upper_inclusive = true }, "k only a");
        expect_keys(db, (levin_iter_options){ .keyspace = b, .prefix = text("x") }, "x");
        expect_keys(db, (levin_iter_options){ .keyspace = b, .prefix = text("\xff") }, "");
        expect_names(db, NULL, "a b");
        expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    }
    levin_keyspace_close(a);
    levin_keyspace_close(b);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* The default keyspace's key is, byte for byte, what a named one's is inside: id 1 and the user's key. */
START_TEST(keyspace__row_cache_tells_a_key_from_an_id_and_a_key)
{
    directory_make();
    levin *db = store_open();
    levin_keyspace *a = open_keyspace(db, "a", LEVIN_KEYSPACE_CREATE);
    char value[16];
    size_t bytes;
    static const char twin[] = "\0\0\0\1same";
    put(db, a, "same", "named");
    expect_ok(db, levin_put(db, twin, 8, "default", 7, LEVIN_NONE), "put");
    for (int i = 0; i < 5000; i++) { /* enough misses for the cache to come to life, then hits */
        ck_assert_int_eq(levin_get(db, NULL, twin, 8, value, sizeof value, &bytes), LEVIN_OK);
        ck_assert(bytes == 7 && !memcmp(value, "default", 7));
        ck_assert_int_eq(levin_get_in(db, a, NULL, "same", 4, value, sizeof value, &bytes), LEVIN_OK);
        ck_assert(bytes == 5 && !memcmp(value, "named", 5));
    }
    levin_stats stats;
    levin_stats_get(db, &stats);
    ck_assert_uint_gt(stats.row_hits, 1000);
    levin_histogram times[2]; /* gets of both kinds are measured, one in so many */
    ck_assert_int_eq(levin_histogram_get(db, LEVIN_HISTOGRAM_get, &times[0]), LEVIN_OK);
    for (int i = 0; i < 1024; i++)
        ck_assert_int_eq(levin_get_in(db, a, NULL, "same", 4, value, sizeof value, &bytes), LEVIN_OK);
    ck_assert_int_eq(levin_histogram_get(db, LEVIN_HISTOGRAM_get, &times[1]), LEVIN_OK);
    ck_assert_uint_eq(times[1].count - times[0].count, 1024 / 256);
    levin_keyspace_close(a);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(keyspace__batches_and_snapshots_span_all)
{
    directory_make();
    levin *db = store_open();
    levin_keyspace *a = open_keyspace(db, "a", LEVIN_KEYSPACE_CREATE);
    levin_keyspace *b = open_keyspace(db, "b", LEVIN_KEYSPACE_CREATE);
    levin_batch *batch;
    levin_snapshot *s;
    expect_ok(db, levin_batch_create(db, &batch), "batch");
    expect_ok(db, levin_batch_put(batch, "k", 1, "0", 1), "put");
    expect_ok(db, levin_batch_put_in(batch, a, "k", 1, "1", 1), "put");
    expect_ok(db, levin_batch_put_in(batch, b, "k", 1, "2", 1), "put");
    expect_ok(db, levin_batch_put_in(batch, b, "l", 1, "2", 1), "put");
    expect_ok(db, levin_write(db, batch, LEVIN_LOGGED), "write");
    expect_ok(db, levin_snapshot_create(db, &s), "snapshot");
    levin_batch_clear(batch);
    expect_ok(db, levin_batch_delete_prefix_in(batch, a, NULL, 0), "prefix");
    expect_ok(db, levin_batch_put_in(batch, a, "n", 1, "new", 3), "put");
    expect_ok(db, levin_batch_delete_range_in(batch, b, text("k"), text("l")), "range");
    expect_ok(db, levin_batch_delete(batch, "k", 1), "delete");
    expect_ok(db, levin_write(db, batch, LEVIN_LOGGED), "write");
    for (int round = 0; round < 2; round++) {
        expect_value(db, NULL, s, "k", "0");
        expect_value(db, a, s, "k", "1");
        expect_value(db, b, s, "k", "2");
        expect_value(db, NULL, NULL, "k", NULL);
        expect_keys(db, (levin_iter_options){ .keyspace = a }, "n");
        expect_keys(db, (levin_iter_options){ .keyspace = b }, "l");
        expect_keys(db, (levin_iter_options){ .keyspace = b, .snapshot = s }, "k l");
        expect_ok(db, levin_checkpoint(db), "checkpoint");
    }
    expect_ok(db, levin_delete_in(db, b, "l", 1, LEVIN_NONE), "delete");
    expect_value(db, b, NULL, "l", NULL);
    expect_ok(db, levin_delete_prefix_in(db, a, "n", 1, LEVIN_NONE), "prefix");
    expect_value(db, a, NULL, "n", NULL);
    levin_snapshot_release(s);
    levin_batch_destroy(batch);
    levin_keyspace_close(a);
    levin_keyspace_close(b);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(keyspace__flags_limits_and_misuse)
{
    static char big[1100];
    directory_make();
    levin *db = store_open();
    levin_keyspace *ks, *other;
    memset(big, 'n', sizeof big);
    ck_assert_int_eq(levin_keyspace_open(db, "none", 4, 0, &ks), LEVIN_NO_KEYSPACE);
    ck_assert_ptr_null(ks);
    ck_assert_int_eq(levin_keyspace_open(db, "", 0, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_open(db, big, 256, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_drop(db, "none", 4, LEVIN_NONE), LEVIN_NO_KEYSPACE);
    expect_ok(db, levin_keyspace_open(db, big, 255, LEVIN_KEYSPACE_EXCLUSIVE, &ks), "the longest name");
    ck_assert_int_eq(levin_keyspace_open(db, big, 255, LEVIN_KEYSPACE_EXCLUSIVE, &other), LEVIN_EXISTS);
    expect_ok(db, levin_keyspace_open(db, big, 255, LEVIN_KEYSPACE_CREATE, &other), "again");
    ck_assert_int_eq(levin_put_in(db, ks, big, 1021, "v", 1, LEVIN_NONE), LEVIN_TOO_BIG);
    expect_ok(db, levin_put_in(db, ks, big, 1020, "v", 1, LEVIN_NONE), "the longest key");
    ck_assert_int_eq(levin_contains_in(db, other, NULL, big, 1020), LEVIN_OK);
    ck_assert_int_eq(levin_contains_in(db, other, NULL, big, 1100), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_put_in(db, ks, "", 0, "v", 1, LEVIN_NONE), LEVIN_INVALID);
    levin_iter *it;
    const levin_iter_options o = { .keyspace = ks };
    expect_ok(db, levin_iter_open(db, &o, &it), "iter");
    ck_assert(!levin_iter_seek(it, big, 1100)); /* longer than any key, and behind the one that begins it */
    ck_assert(levin_iter_seek_for_prev(it, big, 1100));
    ck_assert_uint_eq(levin_iter_key(it).size, 1020);
    levin_iter_close(it);
    levin_keyspace_close(NULL);
    levin_keyspace_close(ks);
    levin_keyspace_close(other);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(keyspace__a_drop_takes_everything_and_ends_all_handles)
{
    directory_make();
    for (int layer = 0; layer < 3; layer++) {
        levin *db = store_open();
        levin_keyspace *ks = open_keyspace(db, "ks", LEVIN_KEYSPACE_EXCLUSIVE);
        levin_keyspace *same = open_keyspace(db, "ks", 0), *fresh;
        levin_batch *batch;
        levin_snapshot *s, *after;
        levin_iter *it;
        levin_iter_options o = { .keyspace = ks };
        levin_get_request request = { .key = "k", .key_bytes = 1 };
        void *value;
        size_t bytes;
        levin_pinned pinned;
        put(db, ks, "k", "old");
        if (layer == 1)
            freeze(db);
        if (layer == 2)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        expect_ok(db, levin_batch_create(db, &batch), "batch");
        expect_ok(db, levin_batch_put(batch, "innocent", 8, "1", 1), "put");
        expect_ok(db, levin_batch_put_in(batch, ks, "late", 4, "1", 1), "put");
        expect_ok(db, levin_snapshot_create(db, &s), "snapshot");
        expect_ok(db, levin_iter_open(db, &o, &it), "iter");
        expect_ok(db, levin_keyspace_drop(db, "ks", 2, LEVIN_SYNCED), "drop");
        expect_ok(db, levin_snapshot_create(db, &after), "snapshot");
        ck_assert_int_eq(levin_put_in(db, same, "k", 1, "v", 1, LEVIN_NONE), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_delete_range_in(db, same, text("a"), text("b"), LEVIN_NONE), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_batch_put_in(batch, ks, "more", 4, "1", 1), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_write(db, batch, LEVIN_NONE), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_contains(db, NULL, "innocent", 8), LEVIN_NOT_FOUND);
        ck_assert_int_eq(levin_contains_in(db, ks, NULL, "k", 1), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_contains_in(db, ks, after, "k", 1), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_get_alloc_in(db, ks, NULL, "k", 1, &value, &bytes), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_get_pinned_in(db, ks, NULL, "k", 1, &pinned), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_multi_get_in(db, ks, NULL, &request, 1), LEVIN_NO_KEYSPACE);
        levin_iter *none;
        ck_assert_int_eq(levin_iter_open(db, &o, &none), LEVIN_NO_KEYSPACE);
        ck_assert_int_eq(levin_keyspace_open(db, "ks", 2, 0, &fresh), LEVIN_NO_KEYSPACE);
        expect_names(db, NULL, "");
        expect_names(db, s, "ks");
        expect_value(db, ks, s, "k", "old"); /* what was there before goes on being read */
        ck_assert(levin_iter_first(it));
        fresh = open_keyspace(db, "ks", LEVIN_KEYSPACE_CREATE);
        expect_value(db, fresh, NULL, "k", NULL);
        ck_assert_int_eq(levin_contains_in(db, ks, NULL, "k", 1), LEVIN_NO_KEYSPACE);
        put(db, fresh, "k", "new");
        levin_iter_close(it);
        levin_snapshot_release(s);
        levin_snapshot_release(after);
        expect_ok(db, levin_checkpoint(db), "checkpoint");
        expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
        levin_keyspace_close(ks);
        levin_keyspace_close(same);
        levin_keyspace_close(fresh);
        levin_batch_destroy(batch);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        db = store_open();
        fresh = open_keyspace(db, "ks", 0);
        expect_keys(db, (levin_iter_options){ .keyspace = fresh }, "k");
        expect_value(db, fresh, NULL, "k", "new");
        levin_keyspace_close(fresh);
        expect_ok(db, levin_keyspace_drop(db, "ks", 2, LEVIN_NONE), "drop");
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    directory_remove();
}
END_TEST

typedef struct outcome {
    levin_code code;
} outcome;
static void remember(void *context, levin_code code)
{
    ((outcome *)context)->code = code;
}

/* What was submitted before the drop is committed, what was submitted behind it is not, callback or not. */
START_TEST(keyspace__batches_filled_before_a_drop_and_written_behind_it_are_refused)
{
    directory_make();
    levin *db = store_open();
    levin_keyspace *ks = open_keyspace(db, "ks", LEVIN_KEYSPACE_CREATE);
    levin_batch *before, *behind;
    outcome result = { LEVIN_PENDING };
    expect_ok(db, levin_batch_create(db, &before), "batch");
    expect_ok(db, levin_batch_create(db, &behind), "batch");
    expect_ok(db, levin_batch_put_in(before, ks, "k", 1, "1", 1), "put");
    expect_ok(db, levin_batch_put(before, "d", 1, "1", 1), "put");
    expect_ok(db, levin_batch_put_in(behind, ks, "k", 1, "2", 1), "put");
    expect_ok(db, levin_batch_put(behind, "e", 1, "2", 1), "put");
    levin_ticket *first;
    expect_ok(db, levin_write_async(db, before, LEVIN_LOGGED, &first), "async");
    expect_ok(db, levin_keyspace_drop(db, "ks", 2, LEVIN_LOGGED), "drop");
    expect_ok(db, levin_write_callback(db, behind, LEVIN_LOGGED, remember, &result), "callback");
    expect_ok(db, levin_ticket_wait(first), "ticket");
    expect_ok(db, levin_sync(db), "sync");
    ck_assert_int_eq(result.code, LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_contains(db, NULL, "d", 1), LEVIN_OK);
    ck_assert_int_eq(levin_contains(db, NULL, "e", 1), LEVIN_NOT_FOUND);
    levin_keyspace *fresh = open_keyspace(db, "ks", LEVIN_KEYSPACE_CREATE);
    expect_keys(db, (levin_iter_options){ .keyspace = fresh }, "");
    levin_batch_destroy(before);
    levin_batch_destroy(behind);
    levin_keyspace_close(ks);
    levin_keyspace_close(fresh);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Keyspaces with values of all sizes, in the tree and in the log; a dropped one in between. */
static void fill_store(levin *db)
{
    static char large[20000];
    levin_keyspace *a = open_keyspace(db, "a", LEVIN_KEYSPACE_CREATE);
    levin_keyspace *gone = open_keyspace(db, "gone", LEVIN_KEYSPACE_CREATE);
    levin_keyspace *b = open_keyspace(db, "b", LEVIN_KEYSPACE_CREATE);
    char key[16];
    put(db, NULL, "default", "1");
    put(db, gone, "k", "1");
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "%04d", i);
        put(db, a, key, key);
    }
    expect_ok(db, levin_put_in(db, b, "large", 5, large, sizeof large, LEVIN_NONE), "put");
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    put(db, b, "in the log", "2");
    expect_ok(db, levin_delete_range_in(db, a, text("0100"), text("0200"), LEVIN_NONE), "range");
    expect_ok(db, levin_keyspace_drop(db, "gone", 4, LEVIN_SYNCED), "drop");
    levin_keyspace_close(a);
    levin_keyspace_close(b);
    levin_keyspace_close(gone);
}

static void expect_filled(levin *db)
{
    levin_keyspace *a = open_keyspace(db, "a", 0), *b = open_keyspace(db, "b", 0);
    expect_names(db, NULL, "a b");
    expect_keys(db, (levin_iter_options){ 0 }, "default");
    expect_keys(db, (levin_iter_options){ .keyspace = b }, "in the log large");
    expect_value(db, a, NULL, "0099", "0099");
    expect_value(db, a, NULL, "0100", NULL);
    expect_value(db, a, NULL, "0499", "0499");
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    levin_keyspace_close(a);
    levin_keyspace_close(b);
}

START_TEST(keyspace__backup_and_repair_keep_keyspaces)
{
    char copy[96], mended[96];
    levin_error error = { 0 };
    directory_make();
    snprintf(copy, sizeof copy, "%s/copy", directory);
    snprintf(mended, sizeof mended, "%s/mended", directory);
    levin *db = store_open();
    levin_backup_result made;
    levin_check_result seen;
    fill_store(db);
    expect_ok(db, levin_backup(db, copy, NULL, &made), "backup");
    ck_assert_uint_eq(made.keys, 1 + 400 + 2); /* the catalogue's three are nobody's */
    expect_ok(db, levin_check(db, NULL, NULL, &seen), "check");
    ck_assert_uint_eq(seen.keys, 1 + 400 + 2);
    ck_assert_uint_eq(seen.key_bytes, strlen("default") + 400 * 4 + strlen("large") + strlen("in the log"));
    ck_assert_uint_eq(seen.value_bytes, 1 + 400 * 4 + 20000 + 1);
    expect_filled(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert_msg(levin_repair(directory, mended, NULL, NULL, &error) == LEVIN_OK, "%s", error.message);
    for (int i = 0; i < 2; i++) {
        db = store_open_in(i ? mended : copy, NULL);
        expect_filled(db);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    directory_remove();
}
END_TEST

/* Its pages stay where they are while those of the default keyspace move around them. */
START_TEST(keyspace__compaction_of_the_default_one_leaves_the_others_alone)
{
    directory_make();
    levin *db = store_open();
    char key[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%06d", i);
        put(db, NULL, key, "a value of some bytes, so that there are many leaves");
        if (i % 1000 == 500)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
    }
    fill_store(db);
    expect_ok(db, levin_delete_prefix(db, "00", 2, LEVIN_NONE), "prefix");
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_ok(db, levin_compact(db, NULL, NULL), "compact");
    expect_filled(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    expect_filled(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Pages of the catalogue are gone: the keys are there under another name. */
START_TEST(keyspace__a_lost_name_is_made_anew_by_a_repair)
{
    directory_make();
    levin *db = store_open();
    levin_error error = { 0 };
    fill_store(db);
    const levin_keyspace catalogue = { .store = db };
    levin_batch *batch; /* what is left of the catalogue is nothing */
    expect_ok(db, levin_batch_create(db, &batch), "batch");
    expect_ok(db, levin_batch_delete_prefix_in(batch, &catalogue, NULL, 0), "prefix");
    expect_ok(db, levin_write(db, batch, LEVIN_NONE), "write");
    levin_batch_destroy(batch);
    ck_assert_int_eq(keyspace_mend(db, &error), LEVIN_OK);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    expect_names(db, NULL, "recovered-1 recovered-3");
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    levin_keyspace *b = open_keyspace(db, "recovered-3", 0), *fresh = open_keyspace(db, "x", LEVIN_KEYSPACE_EXCLUSIVE);
    expect_keys(db, (levin_iter_options){ .keyspace = b }, "in the log large");
    expect_keys(db, (levin_iter_options){ .keyspace = fresh }, "");
    levin_keyspace_close(b);
    levin_keyspace_close(fresh);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

static bool count_fault(void *context, const levin_error *fault)
{
    (void)fault;
    ++*(int *)context;
    return true;
}

/* In the memtable, as a log may bring it in, and in the tree. */
START_TEST(keyspace__check_finds_a_catalogue_that_does_not_fit)
{
    for (int run = 0; run < 8; run++) {
        directory_make();
        levin *db = store_open();
        fill_store(db);
        const levin_keyspace catalogue = { .store = db }, unnamed = { .store = db, .id = { 0, 0, 0, 99 } };
        uint8_t value[CATALOGUE_VALUE_BYTES];
        catalogue_entry_store(value, 3, 0); /* another name for b's number; an account that is none */
        levin_code code;
        switch (run / 2) {
        case 0: code = levin_delete_in(db, &catalogue, "\1a", 2, LEVIN_NONE); break;
        case 1: code = levin_put_in(db, &catalogue, "\1twin", 5, value, sizeof value, LEVIN_NONE); break;
        case 2: code = levin_put_in(db, &catalogue, "\0", 1, value, sizeof value, LEVIN_NONE); break;
        default: code = levin_put_in(db, &unnamed, "key", 3, "value", 5, LEVIN_NONE); break;
        }
        expect_ok(db, code, "the damage");
        if (run % 2)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        int faults = 0;
        ck_assert_int_eq(levin_check(db, count_fault, &faults, NULL), LEVIN_CORRUPT);
        ck_assert_int_ge(faults, 1);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        directory_remove();
    }
}
END_TEST

/* No read looks at a key longer than any can be, not even when lengths add up to more than there is. */
START_TEST(keyspace__reads_of_keys_that_are_too_long)
{
    enum { MANY = 16 };
    static const size_t lengths[] = { 16385, 32768 + 3, 65536 + 16, (size_t)1 << 40, SIZE_MAX - 7, SIZE_MAX };
    static char text_of[300];
    char buffer[64];
    size_t bytes;
    void *copy;
    levin_pinned pinned;
    directory_make();
    levin_options o;
    levin_options_init(&o);
    levin *db;
    levin_error error;
    ck_assert_int_eq(levin_open(directory, &o, &db, &error), LEVIN_OK);
    levin_keyspace *ks = open_keyspace(db, "a", LEVIN_KEYSPACE_CREATE), *const spaces[] = { NULL, ks };
    memset(text_of, 'k', sizeof text_of);
    for (unsigned s = 0; s < 2; s++) {
        levin_keyspace *in = spaces[s];
        put(db, in, "key", "value");
        for (unsigned l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            levin_get_request r[MANY];
            for (unsigned i = 0; i < MANY; i++)
                r[i] = (levin_get_request){ .key = text_of, .key_bytes = sizeof text_of, .buffer = buffer,
                                            .capacity = sizeof buffer };
            r[3].key_bytes = lengths[l];
            r[5].key = "key";
            r[5].key_bytes = 3;
            ck_assert_int_eq(levin_multi_get_in(db, in, NULL, r, MANY), LEVIN_OK);
            for (unsigned i = 0; i < MANY; i++)
                ck_assert_int_eq(r[i].code, i == 5 ? LEVIN_OK : LEVIN_NOT_FOUND);
            ck_assert_int_eq(levin_get_in(db, in, NULL, text_of, lengths[l], buffer, sizeof buffer, &bytes),
                             LEVIN_NOT_FOUND);
            ck_assert_int_eq(levin_contains_in(db, in, NULL, text_of, lengths[l]), LEVIN_NOT_FOUND);
            ck_assert_int_eq(levin_get_alloc_in(db, in, NULL, text_of, lengths[l], &copy, &bytes), LEVIN_NOT_FOUND);
            ck_assert_int_eq(levin_get_pinned_in(db, in, NULL, text_of, lengths[l], &pinned), LEVIN_NOT_FOUND);
        }
    }
    levin_keyspace_close(ks);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

LEVIN_TEST_MAIN("keyspace", TEST(keyspace__reads_of_keys_that_are_too_long),
                TEST(keyspace__backup_and_repair_keep_keyspaces),
                TEST(keyspace__compaction_of_the_default_one_leaves_the_others_alone),
                TEST(keyspace__a_lost_name_is_made_anew_by_a_repair),
                TEST(keyspace__check_finds_a_catalogue_that_does_not_fit),
                TEST(keyspace__same_keys_are_held_apart_in_every_layer),
                TEST(keyspace__row_cache_tells_a_key_from_an_id_and_a_key),
                TEST(keyspace__batches_and_snapshots_span_all), TEST(keyspace__flags_limits_and_misuse),
                TEST(keyspace__a_drop_takes_everything_and_ends_all_handles),
                TEST(keyspace__batches_filled_before_a_drop_and_written_behind_it_are_refused))
