/*
 * db_test.c - the store through levin.h, on a real directory.
 *
 * Invariants checked: what was written is read, by every way of reading; snapshots and iterators stand still; what was
 * acknowledged is there after closing and reopening, with or without a checkpoint; limits and misuse give their codes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "io.h"
#include "levin.h"
#include "page.h"

static char directory[64];

static void directory_make(void)
{
    snprintf(directory, sizeof directory, "/tmp/levin-db-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static levin_options small_options(levin_background background)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.background = background;
    return o;
}

static levin *store_open(const levin_options *o)
{
    levin *db = NULL;
    levin_error error;
    levin_code code = levin_open(directory, o, &db, &error);
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

static void expect_value(levin *db, const levin_snapshot *s, const char *key, const char *value)
{
    char buffer[256];
    size_t bytes = 0;
    levin_code code = levin_get(db, s, key, strlen(key), buffer, sizeof buffer, &bytes);
    if (!value) {
        ck_assert_int_eq(code, LEVIN_NOT_FOUND);
        return;
    }
    expect_ok(db, code, key);
    ck_assert_uint_eq(bytes, strlen(value));
    ck_assert_mem_eq(buffer, value, bytes);
}

static void put(levin *db, const char *key, const char *value, levin_durability d)
{
    expect_ok(db, levin_put(db, key, strlen(key), value, strlen(value), d), "put");
}

static void check_clean(levin *db)
{
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
}

START_TEST(db__put_get_delete)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    put(db, "a", "1", LEVIN_SYNCED);
    put(db, "b", "", LEVIN_LOGGED);
    put(db, "c", "3", LEVIN_NONE);
    put(db, "a", "one", LEVIN_NONE);
    expect_value(db, NULL, "a", "one");
    expect_value(db, NULL, "b", "");
    expect_ok(db, levin_delete(db, "c", 1, LEVIN_SYNCED), "delete");
    expect_value(db, NULL, "c", NULL);
    ck_assert_int_eq(levin_contains(db, NULL, "b", 1), LEVIN_OK);
    ck_assert_int_eq(levin_contains(db, NULL, "c", 1), LEVIN_NOT_FOUND);
    size_t bytes;
    ck_assert_int_eq(levin_get(db, NULL, "a", 1, NULL, 0, &bytes), LEVIN_TOO_SMALL);
    ck_assert_uint_eq(bytes, 3);
    void *value;
    expect_ok(db, levin_get_alloc(db, NULL, "a", 1, &value, &bytes), "get_alloc");
    ck_assert_mem_eq(value, "one", 3);
    levin_free(db, value);
    check_clean(db);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_value(db, NULL, "a", "one");
    expect_value(db, NULL, "b", "");
    expect_value(db, NULL, "c", NULL);
    check_clean(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    expect_value(db, NULL, "a", "one");
    expect_value(db, NULL, "b", "");
    expect_value(db, NULL, "c", NULL);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__limits_and_misuse_are_refused)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o), *second = NULL;
    levin_error error;
    static char big[5000];
    ck_assert_int_eq(levin_put(db, "", 0, "x", 1, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_put(db, big, 1025, "x", 1, LEVIN_NONE), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_put(db, big, 1024, "x", 1, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_put(db, "k", 1, big, LEVIN_VALUE_MAX_BYTES + 1ull, LEVIN_NONE), LEVIN_TOO_BIG);
    levin_last_error(db, &error);
    ck_assert_int_eq(error.code, LEVIN_TOO_BIG);
    ck_assert_ptr_nonnull(strstr(error.message, "268435457"));
    ck_assert_int_eq(levin_open(directory, &o, &second, &error), LEVIN_LOCKED);
    ck_assert_ptr_null(second);
    levin_options read_only = o;
    read_only.read_only = true;
    ck_assert_int_eq(levin_open(directory, &read_only, &second, &error), LEVIN_OK); /* reader_slots_test.c */
    ck_assert_int_eq(levin_put(second, "k", 1, "v", 1, LEVIN_NONE), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_close(second), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.error_if_exists = true;
    ck_assert_int_eq(levin_open(directory, &o, &second, &error), LEVIN_EXISTS);
    o.error_if_exists = false;
    o.page_bytes = 5000;
    ck_assert_int_eq(levin_open(directory, &o, &second, &error), LEVIN_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "5000"));
    char path[128];
    snprintf(path, sizeof path, "%s/none", directory);
    o = small_options(LEVIN_BACKGROUND_NONE);
    o.create_if_missing = false;
    ck_assert_int_eq(levin_open(path, &o, &second, &error), LEVIN_NO_STORE);
    snprintf(path, sizeof path, "%s/lock", directory);
    o.create_if_missing = true;
    ck_assert_int_ne(levin_open(path, &o, &second, &error), LEVIN_OK); /* a file, not a directory */
    directory_remove();
}
END_TEST

START_TEST(db__read_only_open_reads_the_log_and_writes_nothing)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o), *other = NULL;
    put(db, "tree", "1", LEVIN_SYNCED);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    put(db, "log", "2", LEVIN_SYNCED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.read_only = true;
    db = store_open(&o);
    expect_ok(db, levin_open(directory, &o, &other, NULL), "a second reader");
    expect_value(db, NULL, "tree", "1");
    expect_value(other, NULL, "log", "2");
    ck_assert_int_eq(levin_put(db, "x", 1, "y", 1, LEVIN_SYNCED), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_READ_ONLY);
    check_clean(db);
    ck_assert_int_eq(levin_close(other), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__snapshot_stands_still_across_checkpoints)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    levin_snapshot *s;
    char key[32], value[64];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%04d", i);
        put(db, key, "old", LEVIN_NONE);
    }
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_ok(db, levin_snapshot_create(db, &s), "snapshot");
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "key%04d", i);
            snprintf(value, sizeof value, "new%d", round);
            if (i % 7 == round)
                expect_ok(db, levin_delete(db, key, strlen(key), LEVIN_NONE), "delete");
            else
                put(db, key, value, LEVIN_NONE);
        }
        expect_ok(db, levin_checkpoint(db), "checkpoint");
    }
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%04d", i);
        expect_value(db, s, key, "old");
    }
    expect_value(db, NULL, "key0000", "new4");
    check_clean(db);
    levin_snapshot_release(s);
    /* the pages that the snapshot held back are used again: the file does not grow for ever */
    levin_stats stats;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "key%04d", i);
            put(db, key, "final", LEVIN_NONE);
        }
        expect_ok(db, levin_checkpoint(db), "checkpoint");
    }
    levin_stats_get(db, &stats);
    ck_assert_uint_lt(stats.file_pages, 64);
    ck_assert_uint_eq(stats.keys, 500);
    check_clean(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__async_writes_share_a_group)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    levin_batch *batch[8];
    levin_ticket *ticket[8];
    levin_stats before, after;
    levin_stats_get(db, &before);
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        expect_ok(db, levin_batch_create(db, &batch[i]), "batch");
        expect_ok(db, levin_batch_put(batch[i], key, strlen(key), "v", 1), "batch_put");
        expect_ok(db, levin_write_async(db, batch[i], LEVIN_SYNCED, &ticket[i]), "submit");
    }
    expect_value(db, NULL, "k0", NULL); /* not published before it is durable */
    ck_assert_int_eq(levin_ticket_poll(ticket[3]), LEVIN_OK); /* leads for all */
    for (int i = 0; i < 8; i++) {
        expect_ok(db, levin_ticket_wait(ticket[i]), "wait");
        levin_batch_destroy(batch[i]);
    }
    levin_stats_get(db, &after);
    ck_assert_uint_eq(after.wal_syncs - before.wal_syncs, 1);
    ck_assert_uint_eq(after.groups - before.groups, 1);
    ck_assert_uint_eq(after.sequence - before.sequence, 8);
    expect_value(db, NULL, "k7", "v");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__values_of_all_sizes)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    static const size_t sizes[] = { 0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 1 << 20, 5 << 20 };
    uint8_t *value = malloc(5 << 20), *read = malloc(5 << 20);
    ck_assert(value && read);
    for (size_t i = 0; i < 5 << 20; i++)
        value[i] = (uint8_t)(i * 131 + i / 256);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            expect_ok(db, levin_put(db, &sizes[i], sizeof *sizes, value, sizes[i], LEVIN_LOGGED), "put");
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t bytes;
            expect_ok(db, levin_get(db, NULL, &sizes[i], sizeof *sizes, read, 5 << 20, &bytes), "get");
            ck_assert_uint_eq(bytes, sizes[i]);
            ck_assert(memcmp(read, value, bytes) == 0);
        }
        expect_ok(db, levin_checkpoint(db), "checkpoint");
        check_clean(db);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        db = store_open(&o);
        levin_iter *it;
        expect_ok(db, levin_iter_open(db, NULL, &it), "iter");
        size_t seen = 0;
        for (levin_iter_last(it); levin_iter_valid(it); levin_iter_prev(it)) {
            levin_slice v = levin_iter_value(it);
            size_t size;
            memcpy(&size, levin_iter_key(it).data, sizeof size);
            ck_assert_uint_eq(v.size, size);
            ck_assert(memcmp(v.data, value, size) == 0);
            seen++;
        }
        ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
        ck_assert_uint_eq(seen, sizeof sizes / sizeof *sizes);
        levin_iter_close(it);
    }
    free(value);
    free(read);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__unreadable_value_stays_in_the_status)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    static char value[3000], page[4096];
    char path[96];
    memset(value, 'a', sizeof value);
    expect_ok(db, levin_put(db, "a", 1, value, sizeof value, LEVIN_SYNCED), "put");
    memset(value, 'b', sizeof value);
    expect_ok(db, levin_put(db, "b", 1, value, sizeof value, LEVIN_SYNCED), "put");
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    snprintf(path, sizeof path, "%s/pages", directory);
    int file = open(path, O_RDWR);
    ck_assert_int_ge(file, 0);
    for (off_t at = 0; pread(file, page, sizeof page, at) == (ssize_t)sizeof page; at += (off_t)sizeof page)
        if (page[0] == 'a' && page[1] == 'a')
            ck_assert_int_eq(pwrite(file, "A", 1, at), 1);
    close(file);
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, NULL, &it), "iter");
    ck_assert(levin_iter_first(it));
    ck_assert_ptr_null(levin_iter_value(it).data);
    ck_assert_int_eq(levin_iter_status(it), LEVIN_CORRUPT);
    ck_assert(levin_iter_next(it));
    ck_assert_uint_eq(levin_iter_value(it).size, sizeof value);
    ck_assert_int_eq(levin_iter_status(it), LEVIN_CORRUPT);
    ck_assert(!levin_iter_next(it));
    ck_assert_int_eq(levin_iter_status(it), LEVIN_CORRUPT);
    levin_iter_close(it);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* ---- the I/O table with something between ---- */

static levin *hooked; /* the store that the hooks know of */
static int spare_opens, nested;
static bool logs_fail_sync;

static int hook_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    const char *name = strrchr(path, '/');
    if (hooked && name && strcmp(name, "/wal-spare") == 0 && flags & LEVIN_IO_EXCLUSIVE) {
        spare_opens++;
        if (nested++ == 0) { /* what another thread may do just now */
            ck_assert_int_eq(levin_work(hooked, NULL), LEVIN_OK);
            nested = 0;
        }
    }
    return levin_io_posix()->open(context, path, kind, flags, file);
}

static int hook_sync(void *context, levin_file *file)
{
    return logs_fail_sync ? EIO : levin_io_posix()->sync(context, file);
}

static levin_io hook_table(void)
{
    levin_io table = *levin_io_posix();
    table.open = hook_open;
    table.sync = hook_sync;
    return table;
}

START_TEST(db__one_thread_at_a_time_makes_a_spare_segment)
{
    directory_make();
    levin_io table = hook_table();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    o.io = &table;
    levin *db = store_open(&o);
    char value[200] = { 0 };
    hooked = db;
    for (int i = 0; i < 100 && !spare_opens; i++) { /* one group a sector: less than a segment in all */
        expect_ok(db, levin_put(db, &i, sizeof i, value, sizeof value, LEVIN_LOGGED), "put");
        expect_ok(db, levin_work(db, NULL), "work");
    }
    hooked = NULL;
    ck_assert_int_eq(spare_opens, 1);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__poisoned_store_can_be_checked)
{
    directory_make();
    levin_io table = hook_table();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    o.io = &table;
    levin *db = store_open(&o);
    put(db, "a", "1", LEVIN_SYNCED);
    put(db, "b", "2", LEVIN_NONE);
    logs_fail_sync = true;
    ck_assert_int_eq(levin_put(db, "c", 1, "3", 1, LEVIN_SYNCED), LEVIN_IO);
    ck_assert_int_eq(levin_put(db, "c", 1, "3", 1, LEVIN_NONE), LEVIN_POISONED);
    check_clean(db);
    expect_value(db, NULL, "b", "2");
    ck_assert_int_eq(levin_close(db), LEVIN_POISONED);
    logs_fail_sync = false;
    directory_remove();
}
END_TEST

/* ---- iterators against a model: two-byte keys, so that every gap can be tried ---- */

enum { MODEL_KEYS = 64 };
typedef struct model {
    int value[MODEL_KEYS]; /* -1: absent; the key is the byte i * 4 */
} model;

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int model_next(const model *m, int from, int step, int low, int high)
{
    for (int i = from; i >= 0 && i < MODEL_KEYS; i += step)
        if (m->value[i] >= 0 && i * 4 >= low && i * 4 <= high)
            return i;
    return -1;
}

static void expect_at(levin_iter *it, bool moved, const model *m, int index)
{
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    ck_assert_int_eq(moved, index >= 0);
    ck_assert_int_eq(levin_iter_valid(it), index >= 0);
    if (index < 0)
        return;
    levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
    ck_assert_uint_eq(key.size, 1);
    ck_assert_int_eq(*(const uint8_t *)key.data, index * 4);
    ck_assert_uint_eq(value.size, sizeof(int));
    int v;
    memcpy(&v, value.data, sizeof v);
    ck_assert_int_eq(v, m->value[index]);
}

static void iterate_against_model(levin *db, const model *m, uint64_t *random)
{
    uint8_t low = (uint8_t)random_next(random), high = (uint8_t)random_next(random);
    unsigned kinds = (unsigned)random_next(random);
    levin_iter_options o = { 0 };
    int from = 0, to = 255;
    if (kinds & 1) {
        o.lower = (levin_slice){ &low, 1 };
        o.lower_exclusive = kinds & 2;
        from = low + (kinds & 2 ? 1 : 0);
    }
    if (kinds & 4) {
        o.upper = (levin_slice){ &high, 1 };
        o.upper_inclusive = kinds & 8;
        to = high - (kinds & 8 ? 0 : 1);
    }
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, &o, &it), "iter");
    int at = -1;
    for (int move = 0; move < 60; move++) {
        uint8_t key = (uint8_t)random_next(random);
        bool moved;
        switch (random_next(random) % 8) {
        case 0:
            moved = levin_iter_first(it);
            at = model_next(m, 0, 1, from, to);
            break;
        case 1:
            moved = levin_iter_last(it);
            at = model_next(m, MODEL_KEYS - 1, -1, from, to);
            break;
        case 2:
            moved = levin_iter_seek(it, &key, 1);
            at = model_next(m, (key + 3) / 4, 1, from, to);
            break;
        case 3:
            moved = levin_iter_seek_for_prev(it, &key, 1);
            at = model_next(m, key / 4, -1, from, to);
            break;
        case 4:
        case 5:
            moved = levin_iter_next(it);
            at = at < 0 ? -1 : model_next(m, at + 1, 1, from, to);
            break;
        default:
            moved = levin_iter_prev(it);
            at = at < 0 ? -1 : model_next(m, at - 1, -1, from, to);
            break;
        }
        expect_at(it, moved, m, at);
    }
    levin_iter_close(it);
}

START_TEST(db__iterators_equal_the_model_in_every_layer)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    model m;
    memset(&m, 0xff, sizeof m);
    uint64_t random = 20261122;
    for (int round = 0; round < 3000; round++) {
        int i = (int)(random_next(&random) % MODEL_KEYS);
        uint8_t key = (uint8_t)(i * 4);
        if (random_next(&random) % 3) {
            m.value[i] = round;
            expect_ok(db, levin_put(db, &key, 1, &round, sizeof round, LEVIN_NONE), "put");
        } else {
            m.value[i] = -1;
            expect_ok(db, levin_delete(db, &key, 1, LEVIN_NONE), "delete");
        }
        uint64_t act = random_next(&random) % 400;
        if (act == 0)
            expect_ok(db, levin_checkpoint(db), "checkpoint");
        if (act == 1) {
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            db = store_open(&o);
        }
        if (round % 4 == 0)
            iterate_against_model(db, &m, &random);
    }
    check_clean(db);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/*
 * With this seed the pages of a free list come out of the middle of the 252 extents that fill one of its pages and
 * make them 253.
 */
START_TEST(db__free_list_has_room_for_every_extent)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    o.memtable_bytes = 64 << 20;
    levin *db = store_open(&o);
    enum { KEYS = 3000, OVERWRITES = 600 };
    static const char value[1000];
    char key[16];
    uint64_t random = 17;
    for (int i = 0; i < KEYS; i++)
        expect_ok(db, levin_put(db, key, (size_t)snprintf(key, sizeof key, "%06d", i), value, 900, LEVIN_NONE), "put");
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    for (int round = 0; round < 10; round++) {
        for (uint64_t n = 1 + random_next(&random) % OVERWRITES; n > 0; n--) {
            int i = (int)(random_next(&random) % KEYS);
            size_t key_bytes = (size_t)snprintf(key, sizeof key, "%06d", i);
            expect_ok(db, levin_put(db, key, key_bytes, value, random_next(&random) % 1000, LEVIN_NONE), "put");
        }
        expect_ok(db, levin_checkpoint(db), "checkpoint");
        check_clean(db);
    }
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__prefix_of_0xff_bytes)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db = store_open(&o);
    static const char *keys[] = { "a", "a\xff", "a\xff\xff", "a\xff\xff" "b", "b", "\xff", "\xff\xff", "\xff\xff\x01" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put(db, keys[i], "v", LEVIN_NONE);
    static const struct {
        const char *prefix;
        int count;
    } cases[] = { { "a", 4 },        { "a\xff", 3 }, { "a\xff\xff", 2 }, { "\xff", 3 },
                  { "\xff\xff", 2 }, { "", 8 },      { "c", 0 } };
    for (int layer = 0; layer < 2; layer++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            levin_iter_options io = { .prefix = { cases[i].prefix, strlen(cases[i].prefix) } };
            levin_iter *it;
            int forward = 0, backward = 0;
            expect_ok(db, levin_iter_open(db, &io, &it), "iter");
            for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it))
                forward++;
            for (levin_iter_last(it); levin_iter_valid(it); levin_iter_prev(it))
                backward++;
            ck_assert_int_eq(forward, cases[i].count);
            ck_assert_int_eq(backward, cases[i].count);
            levin_iter_close(it);
        }
        expect_ok(db, levin_checkpoint(db), "checkpoint");
    }
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(db__killed_process_keeps_what_was_logged)
{
    directory_make();
    levin_options o = small_options(LEVIN_BACKGROUND_THREAD);
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            levin *db;
            char key[32];
            if (levin_open(directory, &o, &db, NULL) != LEVIN_OK)
                _exit(2);
            for (int i = 0; i < 2000; i++) {
                snprintf(key, sizeof key, "%d-%d", round, i);
                if (levin_put(db, key, strlen(key), key, strlen(key), i % 100 ? LEVIN_LOGGED : LEVIN_SYNCED) !=
                    LEVIN_OK)
                    _exit(3);
            }
            _exit(0); /* without closing */
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        levin *db = store_open(&o);
        for (int r = 0; r <= round; r++)
            for (int i = 0; i < 2000; i++) {
                char key[32];
                snprintf(key, sizeof key, "%d-%d", r, i);
                expect_value(db, NULL, key, key);
            }
        check_clean(db);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    directory_remove();
}
END_TEST

/* Both meta pages get a wrong count and right checksums. */
static void forge_leaf_pages(uint64_t leaf_pages)
{
    char path[96];
    uint8_t bytes[META_BYTES];
    page_meta meta;
    levin_error error;
    snprintf(path, sizeof path, "%s/" PAGE_FILE_NAME, directory);
    int fd = open(path, O_RDWR);
    for (unsigned slot = 0; slot < 2; slot++) {
        ck_assert_int_eq(pread(fd, bytes, sizeof bytes, slot * META_SLOT_BYTES), META_BYTES);
        ck_assert_int_eq(meta_decode(bytes, slot, &meta, &error), LEVIN_OK);
        if (!meta.height)
            continue;
        meta.leaf_pages = leaf_pages;
        meta_encode(bytes, &meta);
        ck_assert_int_eq(pwrite(fd, bytes, sizeof bytes, slot * META_SLOT_BYTES), META_BYTES);
    }
    close(fd);
}

/* Otherwise the store would not open any more, and the log behind the new page would be gone. */
START_TEST(db__checkpoint_writes_no_meta_page_that_open_refuses)
{
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    o.memtable_bytes = 1 << 20;
    char key[80];
    directory_make();
    levin *db = store_open(&o);
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof key, "key-%03d-%050d", i, i);
        put(db, key, key, LEVIN_NONE);
    }
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    forge_leaf_pages(1);
    db = store_open(&o);
    for (int i = 0; i < 399; i++) {
        snprintf(key, sizeof key, "key-%03d-%050d", i, i);
        expect_ok(db, levin_delete(db, key, strlen(key), LEVIN_NONE), "delete");
    }
    put(db, "new", "value", LEVIN_SYNCED);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_CORRUPT);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    expect_value(db, NULL, "new", "value");
    expect_value(db, NULL, key, NULL);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* ---- the row cache ---- */

static levin_stats stats_of(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s;
}

START_TEST(db__row_cache_counts_exactly_and_only_point_reads_fill_it)
{
    enum { ROWS = 60 };
    char key[16], value[32];
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    o.row_cache_bytes = 1 << 20;
    directory_make();
    levin *db = store_open(&o);
    for (int i = 0; i < ROWS; i++) {
        snprintf(key, sizeof key, "key%02d", i);
        expect_ok(db, levin_put(db, key, strlen(key), key, strlen(key), LEVIN_NONE), "put");
    }
    while (stats_of(db).row_bytes < 4096) /* the first misses make the table */
        ck_assert_int_eq(levin_contains(db, NULL, "none", 4), LEVIN_NOT_FOUND);
    levin_stats before = stats_of(db), s;

    levin_snapshot *snapshot; /* neither snapshots nor iterators touch it */
    levin_iter *it;
    int seen = 0;
    expect_ok(db, levin_snapshot_create(db, &snapshot), "snapshot");
    expect_value(db, snapshot, "key01", "key01");
    expect_ok(db, levin_iter_open(db, NULL, &it), "iterator");
    for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it))
        seen += levin_iter_value(it).size == 5;
    ck_assert_int_eq(seen, ROWS);
    levin_iter_close(it);
    s = stats_of(db);
    ck_assert_uint_eq(s.row_inserts, before.row_inserts);
    ck_assert_uint_eq(s.row_hits + s.row_misses, before.row_hits + before.row_misses);

    for (int round = 0; round < 3; round++) /* the first misses and fills, by three calls in turn; the others hit */
        for (int i = 0; i < ROWS; i++) {
            size_t bytes;
            void *copy;
            snprintf(key, sizeof key, "key%02d", i);
            if ((i + round) % 3 == 0) {
                expect_value(db, NULL, key, key);
            } else if ((i + round) % 3 == 1) {
                expect_ok(db, levin_get_alloc(db, NULL, key, strlen(key), &copy, &bytes), "get_alloc");
                ck_assert_uint_eq(bytes, strlen(key));
                ck_assert_int_eq(memcmp(copy, key, bytes), 0);
                levin_free(db, copy);
            } else {
                expect_ok(db, levin_contains(db, NULL, key, strlen(key)), "contains");
            }
        }
    s = stats_of(db);
    ck_assert_uint_eq(s.row_misses - before.row_misses, ROWS);
    ck_assert_uint_eq(s.row_inserts - before.row_inserts, ROWS);
    ck_assert_uint_eq(s.row_hits - before.row_hits, 2 * ROWS);
    ck_assert_uint_eq(s.gets - before.gets, 3 * ROWS + 1);
    ck_assert_uint_eq(s.get_hits - before.get_hits, 3 * ROWS + 1);
    ck_assert_uint_eq(s.row_evictions, 0);
    ck_assert_uint_le(s.row_bytes, o.row_cache_bytes);

    expect_ok(db, levin_delete(db, "key01", 5, LEVIN_NONE), "delete");
    expect_value(db, NULL, "key01", NULL);  /* a miss: it was raised; absence is cached */
    expect_value(db, NULL, "key01", NULL);  /* a hit */
    expect_value(db, snapshot, "key01", "key01");
    ck_assert_int_eq(levin_get(db, NULL, "key02", 5, value, 1, &(size_t){ 0 }), LEVIN_TOO_SMALL);
    levin_snapshot_release(snapshot);
    before = s;
    s = stats_of(db);
    ck_assert_uint_eq(s.row_hits - before.row_hits, 2);
    ck_assert_uint_eq(s.row_misses - before.row_misses, 1);
    ck_assert_uint_eq(s.row_inserts - before.row_inserts, 1);
    ck_assert_uint_eq(s.row_evictions, 1);
    expect_ok(db, levin_close(db), "close");
    directory_remove();
}
END_TEST

START_TEST(db__row_cache_is_off_at_zero_and_refused_when_too_small)
{
    levin_options o = small_options(LEVIN_BACKGROUND_NONE);
    levin *db;
    levin_error error;
    directory_make();
    o.row_cache_bytes = 1000;
    ck_assert_int_eq(levin_open(directory, &o, &db, &error), LEVIN_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "row_cache_bytes"));
    o.row_cache_bytes = 0;
    db = store_open(&o);
    expect_ok(db, levin_put(db, "a", 1, "1", 1, LEVIN_NONE), "put");
    for (int i = 0; i < 3000; i++)
        expect_value(db, NULL, "a", "1");
    levin_stats s = stats_of(db);
    ck_assert_uint_eq(s.row_hits + s.row_misses + s.row_inserts + s.row_bytes, 0);
    expect_ok(db, levin_close(db), "close");
    directory_remove();
}
END_TEST

LEVIN_TEST_MAIN("db", TEST(db__put_get_delete), TEST(db__limits_and_misuse_are_refused),
                TEST(db__read_only_open_reads_the_log_and_writes_nothing),
                TEST(db__snapshot_stands_still_across_checkpoints), TEST(db__async_writes_share_a_group),
                TEST(db__values_of_all_sizes), TEST(db__iterators_equal_the_model_in_every_layer),
                TEST(db__prefix_of_0xff_bytes), TEST(db__free_list_has_room_for_every_extent),
                TEST(db__unreadable_value_stays_in_the_status), TEST(db__one_thread_at_a_time_makes_a_spare_segment),
                TEST(db__poisoned_store_can_be_checked), TEST(db__killed_process_keeps_what_was_logged),
                TEST(db__checkpoint_writes_no_meta_page_that_open_refuses),
                TEST(db__row_cache_counts_exactly_and_only_point_reads_fill_it),
                TEST(db__row_cache_is_off_at_zero_and_refused_when_too_small))
