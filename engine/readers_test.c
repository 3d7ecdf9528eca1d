/*
 * readers_test.c - the list of open readers, what they hold back, and the watch over the oldest.
 *
 * Invariants checked: the list holds exactly the open snapshots and iterators, in order of opening, with age, sequence
 * and distance; what is called held back is not used again while the reader is open, and is used again when it has
 * gone; the watch tells after a checkpoint, and only of what passes its limits.  The simulated disk, with a
 * clock of the test's.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "io.h"

typedef struct told {
    levin_reader readers[8];
    size_t count, stop_after;
    unsigned warnings, callbacks;
    levin_reader last;
} told;

typedef struct fixture {
    simdisk *disk;
    levin_io io;       /* the disk's, with a clock of the test's */
    uint64_t now_ns;
    levin *store;
    told told;
} fixture;

static uint64_t *clock_now; /* of the fixture; the table's context is the disk's */
static uint64_t fixture_now(void *context)
{
    (void)context;
    return *clock_now;
}

static void on_log(void *context, levin_log_level level, const char *message)
{
    told *t = context;
    t->warnings += level == LEVIN_LOG_WARNING && strstr(message, "holds back") != NULL;
}

static void on_oldest(void *context, const levin_reader *reader)
{
    told *t = context;
    t->callbacks++;
    t->last = *reader;
}

static void fixture_open(fixture *f, uint32_t ms, uint64_t bytes)
{
    levin_options o;
    *f = (fixture){ .disk = simdisk_create(NULL, NULL) };
    f->io = *simdisk_io(f->disk);
    clock_now = &f->now_ns;
    f->io.now_ns = fixture_now;
    levin_options_init(&o);
    ck_assert_uint_eq(o.oldest_reader_ms, 60000);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.memtable_bytes = 256 << 10; /* taken in pieces of a sixteenth */
    o.background = LEVIN_BACKGROUND_NONE;
    o.io = &f->io;
    o.log = on_log;
    o.log_context = &f->told;
    o.oldest_reader = on_oldest;
    o.oldest_reader_context = &f->told;
    o.oldest_reader_ms = ms;
    o.oldest_reader_bytes = bytes;
    ck_assert_int_eq(levin_open("db", &o, &f->store, NULL), LEVIN_OK);
}

static void fixture_close(fixture *f)
{
    ck_assert_int_eq(levin_close(f->store), LEVIN_OK);
    ck_assert(simdisk_destroy(f->disk, NULL));
}

static void write_all(fixture *f, int turn)
{
    char key[32], value[64];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "key%04d", i);
        snprintf(value, sizeof value, "value %d of turn %d ...........................", i, turn);
        ck_assert_int_eq(levin_put(f->store, key, strlen(key), value, strlen(value), LEVIN_NONE), LEVIN_OK);
    }
}

static bool collect(void *context, const levin_reader *reader)
{
    told *t = context;
    ck_assert_uint_lt(t->count, 8);
    t->readers[t->count++] = *reader;
    return t->count != t->stop_after;
}

static size_t list(fixture *f)
{
    f->told.count = f->told.stop_after = 0;
    ck_assert_int_eq(levin_readers_list(f->store, collect, &f->told), LEVIN_OK);
    return f->told.count;
}

static levin_stats stats_of(fixture *f)
{
    levin_stats s;
    levin_stats_get(f->store, &s);
    return s;
}

START_TEST(readers__the_list_is_those_open_in_order)
{
    fixture f;
    levin_snapshot *first, *second;
    levin_iter *it;
    fixture_open(&f, 0, 0);
    ck_assert_uint_eq(list(&f), 0);
    ck_assert_uint_eq(stats_of(&f).oldest_reader_ns, 0);
    f.now_ns = 1000;
    ck_assert_int_eq(levin_snapshot_create(f.store, &first), LEVIN_OK);
    write_all(&f, 1);
    f.now_ns = 3000;
    levin_iter_options o = { .snapshot = first };
    ck_assert_int_eq(levin_iter_open(f.store, &o, &it), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(f.store, &second), LEVIN_OK);
    f.now_ns = 10000;
    ck_assert_uint_eq(list(&f), 3);
    const levin_reader *r = f.told.readers;
    ck_assert(r[0].kind == LEVIN_READER_SNAPSHOT && r[1].kind == LEVIN_READER_ITERATOR &&
              r[2].kind == LEVIN_READER_SNAPSHOT);
    ck_assert(r[0].number == 1 && r[1].number == 2 && r[2].number == 3);
    ck_assert(r[0].age_ns == 9000 && r[1].age_ns == 7000 && r[2].age_ns == 7000);
    ck_assert(r[0].sequence == 0 && r[1].sequence == 0 && r[2].sequence == 200);
    ck_assert(r[0].batches_behind == 200 && r[1].batches_behind == 200 && r[2].batches_behind == 0);
    ck_assert_uint_eq(stats_of(&f).oldest_reader_ns, 9000);
    ck_assert_uint_eq(stats_of(&f).oldest_reader_batches, 200);
    ck_assert_uint_eq(stats_of(&f).snapshots, 3);
    f.told.count = 0;
    f.told.stop_after = 2;
    ck_assert_int_eq(levin_readers_list(f.store, collect, &f.told), LEVIN_INTERRUPTED);
    ck_assert_uint_eq(f.told.count, 2);
    levin_iter_close(it); /* out of the middle */
    ck_assert_uint_eq(list(&f), 2);
    ck_assert(r[0].number == 1 && r[1].number == 3);
    levin_snapshot_release(first); /* the oldest */
    ck_assert_uint_eq(list(&f), 1);
    ck_assert_uint_eq(r[0].number, 3);
    levin_snapshot_release(second);
    ck_assert_uint_eq(list(&f), 0);
    levin_txn *txn;
    ck_assert_int_eq(levin_txn_begin(f.store, NULL, &txn), LEVIN_OK);
    ck_assert_uint_eq(list(&f), 1);
    ck_assert_int_eq(r[0].kind, LEVIN_READER_TRANSACTION);
    levin_txn_destroy(txn);
    ck_assert_uint_eq(list(&f), 0);
    fixture_close(&f);
}
END_TEST

START_TEST(readers__what_is_held_back_comes_free_when_they_go)
{
    fixture f;
    levin_snapshot *snapshot, *later = NULL;
    fixture_open(&f, 0, 0);
    write_all(&f, 1);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    list(&f);
    ck_assert_uint_eq(f.told.readers[0].held_file_bytes, 0);
    ck_assert_uint_eq(f.told.readers[0].held_memory_bytes, 0);
    const unsigned turns = 6;
    levin_check_result tree;
    ck_assert_int_eq(levin_check(f.store, NULL, NULL, &tree), LEVIN_OK);
    uint64_t tree_bytes = (tree.leaf_pages + tree.branch_pages) * 4096;
    for (unsigned turn = 0; turn < turns; turn++) {
        write_all(&f, (int)turn);
        ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
        if (turn == turns / 2)
            ck_assert_int_eq(levin_snapshot_create(f.store, &later), LEVIN_OK);
    }
    list(&f);
    ck_assert_uint_ge(f.told.readers[1].held_file_bytes, tree_bytes);
    ck_assert_uint_ge(f.told.readers[0].held_file_bytes,
                      f.told.readers[1].held_file_bytes + (turns / 2 + 1) * tree_bytes);
    uint64_t held = f.told.readers[0].held_file_bytes, pages = stats_of(&f).file_pages;
    ck_assert_uint_ge(held, (turns - 2) * tree_bytes); /* what each but the last wrote, and more for free lists */
    ck_assert_uint_eq(stats_of(&f).oldest_reader_file_bytes, held);
    ck_assert_uint_eq(f.told.callbacks + f.told.warnings, 0); /* nobody asked */
    levin_snapshot_release(snapshot);
    levin_snapshot_release(later);
    for (unsigned turn = 0; turn < turns; turn++) { /* as much again goes into what was held back */
        write_all(&f, (int)turn);
        ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    }
    ck_assert_uint_le(stats_of(&f).file_pages, pages);
    fixture_close(&f);
}
END_TEST

START_TEST(readers__a_merged_memtable_is_held_back)
{
    fixture f;
    levin_snapshot *snapshot;
    fixture_open(&f, 0, 0);
    write_all(&f, 1);
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    list(&f);
    ck_assert_uint_eq(f.told.readers[0].held_memory_bytes, 0);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    list(&f);
    ck_assert_uint_gt(f.told.readers[0].held_memory_bytes, 200 * 40);
    ck_assert_uint_eq(stats_of(&f).oldest_reader_memory_bytes, f.told.readers[0].held_memory_bytes);
    levin_snapshot_release(snapshot);
    fixture_close(&f);
}
END_TEST

START_TEST(readers__the_oldest_is_told_of_when_it_is_old_or_holds_much)
{
    fixture f;
    levin_snapshot *snapshot;
    fixture_open(&f, 5000, 1 << 20);
    write_all(&f, 1);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    f.now_ns = 7000000;
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    f.now_ns += 6000 * UINT64_C(1000000);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK); /* old, but it holds nothing back */
    ck_assert_uint_eq(f.told.callbacks, 0);
    f.now_ns = 8000000;
    write_all(&f, 2);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK); /* holds something back, but is young */
    ck_assert_uint_eq(f.told.callbacks, 0);
    f.now_ns = 7000000 + 5000 * UINT64_C(1000000);
    write_all(&f, 3);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    unsigned callbacks = f.told.callbacks; /* one a checkpoint: the memtable may have filled up before */
    ck_assert_uint_ge(callbacks, 1);
    ck_assert_uint_eq(f.told.warnings, callbacks);
    ck_assert_uint_eq(f.told.last.age_ns, 5000 * UINT64_C(1000000));
    ck_assert_uint_eq(f.told.last.batches_behind, 400);
    levin_snapshot_release(snapshot);
    write_all(&f, 4);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_uint_eq(f.told.callbacks, callbacks);
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    for (int turn = 0; f.told.callbacks == callbacks; turn++) { /* young, but it holds much */
        write_all(&f, turn);
        ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    }
    ck_assert_uint_ge(f.told.last.held_file_bytes + f.told.last.held_memory_bytes, 1 << 20);
    ck_assert_uint_lt(f.told.last.held_file_bytes + f.told.last.held_memory_bytes, 2 << 20);
    levin_snapshot_release(snapshot);
    fixture_close(&f);
}
END_TEST

LEVIN_TEST_MAIN("readers", TEST(readers__the_list_is_those_open_in_order),
                TEST(readers__what_is_held_back_comes_free_when_they_go),
                TEST(readers__a_merged_memtable_is_held_back),
                TEST(readers__the_oldest_is_told_of_when_it_is_old_or_holds_much))
