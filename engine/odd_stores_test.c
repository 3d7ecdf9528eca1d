/*
 * odd_stores_test.c - stores as few are: more segments of the value log than handles are kept open, an I/O table of the
 * first version, a compaction of the background in the way of the caller's, a forged meta page.
 *
 * Invariants checked: every value is right whatever was closed in between; without the calls of version 2 a store is
 * opened, read, repaired and closed; a compaction asked for ends one that began by itself, and both come to an end.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "checksum.h"
#include "codec.h"
#include "full_store_test.h"
#include "levin.h"
#include "page_format.h"
#include "vlog.h"

enum { SEGMENTS = 300, VALUE_BYTES = 3000 };

static void value_of(char *value, int i)
{
    memset(value, 'a' + i % 26, VALUE_BYTES);
    value[snprintf(value, 16, "%d", i)] = '.';
}

/* Each large value gets a segment of its own. */
static void many_segments(levin_options *o, simdisk *disk)
{
    full_store_options(o, simdisk_io(disk));
    o->value_log_threshold_bytes = 1000;
    o->value_log_segment_bytes = 4096;
}

START_TEST(odd_stores__more_segments_than_handles)
{
    static char value[VALUE_BYTES], found[VALUE_BYTES];
    char key[24];
    size_t bytes;
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin *db;
    many_segments(&o, disk);
    o.value_cache_bytes = 0;
    o.row_cache_bytes = 0;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < SEGMENTS; i++) { /* one in each */
        value_of(value, i);
        ck_assert_int_eq(levin_put(db, key, full_store_key(key, i), value, sizeof value, LEVIN_LOGGED), LEVIN_OK);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < SEGMENTS; i++) {
            const int which = round ? SEGMENTS - 1 - i : i;
            value_of(value, which);
            const size_t key_bytes = full_store_key(key, which);
            ck_assert_int_eq(levin_get(db, NULL, key, key_bytes, found, sizeof found, &bytes), LEVIN_OK);
            ck_assert_uint_eq(bytes, sizeof value);
            ck_assert_mem_eq(found, value, sizeof value);
        }
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

/* The newest meta page says that the table of segments has a page less than it has; its checksum is right. */
static void forge_table_pages(disk_image *image)
{
    const disk_node node = disk_image_find(image, "s/" PAGE_FILE_NAME);
    uint8_t meta[2][META_BYTES];
    for (unsigned slot = 0; slot < 2; slot++)
        ck_assert_uint_eq(disk_image_read(image, node, meta[slot], META_BYTES, slot * META_SLOT_BYTES), META_BYTES);
    const unsigned newest = load_u64(meta[1] + META_GENERATION) > load_u64(meta[0] + META_GENERATION);
    uint8_t *m = meta[newest];
    ck_assert_uint_ge(load_u64(m + META_VLOG_TABLE_PAGES), 2);
    store_u64(m + META_VLOG_TABLE_PAGES, load_u64(m + META_VLOG_TABLE_PAGES) - 1);
    store_u64(m, checksum(m + 8, META_BYTES - 8, checksum_seed(0, PLACE_META, newest)));
    disk_image_write(image, node, m, META_BYTES, newest * META_SLOT_BYTES);
}

START_TEST(odd_stores__a_table_of_segments_longer_than_it_should_be)
{
    static char value[VALUE_BYTES];
    char key[24];
    levin_error error;
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin *db;
    many_segments(&o, disk);
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < SEGMENTS; i++)
        ck_assert_int_eq(levin_put(db, key, full_store_key(key, i), value, sizeof value, LEVIN_LOGGED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    disk_image *image = simdisk_image(disk), *forged = disk_image_fork(image);
    forge_table_pages(forged);
    ck_assert(simdisk_destroy(disk, NULL));
    disk = simdisk_create(forged, NULL);
    full_store_options(&o, simdisk_io(disk));
    ck_assert_int_eq(levin_open("s", &o, &db, &error), LEVIN_CORRUPT);
    ck_assert_msg(strstr(error.message, "more pages than it should"), "%s", error.message);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(forged);
    disk_image_unref(image);
}
END_TEST

static bool no_reader(void *context, const levin_reader *reader)
{
    (void)context;
    return reader->number > 0;
}

START_TEST(odd_stores__an_io_table_of_the_first_version)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    levin_io table = *simdisk_io(disk);
    levin_options o;
    levin_repair_options r;
    levin *db;
    table.version = 1;
    table.lock_range = NULL;
    table.process_id = NULL;
    full_store_options(&o, &table);
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_readers_list(db, no_reader, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.read_only = true;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    levin_repair_options_init(&r);
    r.io = &table;
    ck_assert_int_eq(levin_repair("s", "t", &r, NULL, NULL), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

static bool one_step(void *context, const levin_compact_result *so_far)
{
    (void)so_far;
    return ++*(unsigned *)context < 3;
}

START_TEST(odd_stores__a_compaction_ends_the_one_of_the_background)
{
    static char value[VALUE_BYTES];
    char key[24];
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_compact_options c;
    levin *db;
    levin_stats stats;
    bool more = true;
    unsigned steps = 0;
    full_store_options(&o, simdisk_io(disk));
    o.memtable_bytes = 1 << 20;
    o.value_log_threshold_bytes = 0;
    o.auto_compact_percent = 10;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 999; i++) /* 4 MiB of extents at the end of the file, then few that are left */
            if (round == 0)
                ck_assert_int_eq(levin_put(db, key, full_store_key(key, i), value, sizeof value, LEVIN_NONE), LEVIN_OK);
            else if (i % 20)
                ck_assert_int_eq(levin_delete(db, key, full_store_key(key, i), LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    for (int i = 0; i < 6 && more; i++)
        ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
    levin_compact_options_init(&c);
    c.progress = one_step;
    c.context = &steps;
    levin_code code = levin_compact(db, &c, NULL);
    ck_assert(code == LEVIN_INTERRUPTED || code == LEVIN_OK);
    for (more = true; more;)
        ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
    ck_assert_int_eq(levin_compact(db, NULL, NULL), LEVIN_OK);
    levin_stats_get(db, &stats);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

/* Two iterators of one transaction at a time, and a third; closed in another order. */
START_TEST(odd_stores__a_transaction_with_several_iterators)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    levin_options o;
    levin *db;
    levin_txn *txn;
    levin_iter *it[3];
    full_store_options(&o, simdisk_io(disk));
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_txn_begin(db, NULL, &txn), LEVIN_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(levin_txn_iter_open(txn, NULL, &it[i]), LEVIN_OK);
        ck_assert(levin_iter_first(it[i]));
    }
    static const int order[] = { 1, 0, 2 };
    for (int i = 0; i < 3; i++) {
        ck_assert(levin_iter_next(it[order[i]]));
        levin_iter_close(it[order[i]]);
    }
    ck_assert_int_eq(levin_put(db, "key-001", 7, "new", 3, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_txn_put(txn, "mine", 4, "1", 1), LEVIN_OK);
    ck_assert_int_eq(levin_txn_commit(txn, LEVIN_NONE), LEVIN_CONFLICT); /* they have seen it */
    levin_txn_destroy(txn);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

enum { THREADS = 6, READS = 40 };

static void *read_large(void *context)
{
    levin *db = context;
    for (int i = 0; i < READS; i++) {
        static const char key[] = "key-005";
        void *value;
        size_t bytes;
        if (levin_get_alloc(db, NULL, key, sizeof key - 1, &value, &bytes) != LEVIN_OK)
            return context;
        levin_free(db, value);
    }
    return NULL;
}

/* Threads count each for itself. */
START_TEST(odd_stores__counts_of_all_threads_are_added_up)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    pthread_t threads[THREADS];
    levin_options o;
    levin *db;
    levin_stats stats;
    full_store_options(&o, simdisk_io(disk));
    o.row_cache_bytes = 0;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_large, db), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    levin_stats_get(db, &stats);
    ck_assert_uint_eq(stats.large_hits + stats.large_misses, THREADS * READS);
    ck_assert_uint_eq(stats.gets, THREADS * READS);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

/* A lock is left, and nothing else. */
static int unlink_all_but_lock(void *context, const char *name, disk_node node)
{
    disk_image *image = context;
    (void)node;
    if (strcmp(name, "lock") != 0)
        disk_image_unlink(image, disk_image_find(image, "s"), name);
    return 0;
}

START_TEST(odd_stores__a_directory_with_a_lock_alone)
{
    const disk_image *start = full_store();
    disk_image *left = disk_image_fork(start);
    ck_assert_int_eq(disk_image_list(start, disk_image_find(start, "s"), unlink_all_but_lock, left), 0);
    levin_options o;
    levin *db;
    for (int read_only = 1; read_only >= 0; read_only--) { /* to read first: it makes nothing */
        simdisk *disk = simdisk_create(left, NULL);
        full_store_options(&o, simdisk_io(disk));
        o.read_only = read_only;
        o.create_if_missing = read_only;
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_NO_STORE);
        o.read_only = false;
        o.create_if_missing = false;
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_NO_STORE);
        ck_assert(simdisk_destroy(disk, NULL));
    }
    disk_image_unref(left);
    disk_image_unref(start);
}
END_TEST

/* A lock file that this user may not write to: no slot, and so no writer beside, in both versions of the I/O table. */
START_TEST(odd_stores__a_lock_that_can_only_be_read)
{
    const fault_rule refused = { 1u << LEVIN_FILE_LOCK, 1u << FAULT_OPEN, 1, false, FAULT_ERROR, EACCES, 0 };
    const disk_image *start = full_store();
    for (unsigned version = 1; version <= 2; version++) {
        simdisk *disk = simdisk_create(start, NULL);
        fault_io *faults = fault_io_create(simdisk_io(disk));
        levin_io table = *fault_io_table(faults);
        levin_options o;
        levin *db, *second;
        table.version = version;
        if (version == 1)
            table.lock_range = NULL, table.process_id = NULL;
        full_store_options(&o, &table);
        o.read_only = true;
        fault_io_set_rules(faults, &refused, 1);
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
        ck_assert_uint_eq(fault_io_fired(faults, 0), 1);
        o.read_only = false;
        ck_assert_int_eq(levin_open("s", &o, &second, NULL), LEVIN_LOCKED);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        fault_io_destroy(faults);
        ck_assert(simdisk_destroy(disk, NULL));
    }
    disk_image_unref(start);
}
END_TEST

/* A recovery was cut off while it copied a segment: what it left is removed by the next one that may write. */
START_TEST(odd_stores__a_copy_left_by_a_recovery)
{
    const disk_image *start = full_store();
    disk_image *left = disk_image_fork(start);
    const disk_node copy = disk_image_next_node(left);
    disk_image_add(left, copy, false);
    disk_image_write(left, copy, "half a segment", 14, 0);
    disk_image_link(left, disk_image_find(left, "s"), VLOG_COPY_NAME, copy);
    for (int read_only = 1; read_only >= 0; read_only--) {
        simdisk *disk = simdisk_create(left, NULL);
        levin_options o;
        levin *db;
        full_store_options(&o, simdisk_io(disk));
        o.read_only = read_only;
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        const disk_image *after = simdisk_image(disk);
        ck_assert(disk_image_has(after, disk_image_find(after, "s/" VLOG_COPY_NAME)) == read_only);
        disk_image_unref(after);
        ck_assert(simdisk_destroy(disk, NULL));
    }
    disk_image_unref(left);
    disk_image_unref(start);
}
END_TEST

LEVIN_TEST_MAIN("odd_stores", TEST(odd_stores__more_segments_than_handles),
                TEST(odd_stores__a_table_of_segments_longer_than_it_should_be),
                TEST(odd_stores__an_io_table_of_the_first_version),
                TEST(odd_stores__a_compaction_ends_the_one_of_the_background),
                TEST(odd_stores__a_transaction_with_several_iterators),
                TEST(odd_stores__counts_of_all_threads_are_added_up),
                TEST(odd_stores__a_directory_with_a_lock_alone), TEST(odd_stores__a_lock_that_can_only_be_read),
                TEST(odd_stores__a_copy_left_by_a_recovery))
