/*
 * arguments_test.c - what a caller may get wrong is refused by a code, with a message, and changes nothing.
 *
 * Invariants checked: each mistake below is LEVIN_INVALID (or what its row says); the store is usable afterwards;
 * handles that are not there are harmless where the interface says so.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../faults/check_main.h"
#include "full_store_test.h"
#include "levin.h"

static bool any_item(void *context, const levin_dump_item *item)
{
    (void)context;
    return item->kind != NULL;
}

static bool no_bucket(void *context, uint64_t first, uint64_t last, uint64_t count)
{
    (void)context;
    return first <= last && !count;
}

/* ---- options of levin_open() ---- */

#define WRONG(field, wrong) static void wrong_##field(levin_options *o) { o->field = (wrong); }
WRONG(struct_bytes, 12)
WRONG(page_bytes, 0)
WRONG(wal_sector_bytes, 1024)
WRONG(wal_segment_bytes, 8192 + 512)
WRONG(memtable_bytes, (64 << 10) - 1)
WRONG(cache_bytes, 4096)
WRONG(row_cache_bytes, 1)
WRONG(auto_compact_percent, 100)
WRONG(value_log_segment_bytes, 4095)
WRONG(value_log_live_percent, 101)
WRONG(value_cache_bytes, 1)
WRONG(background, (levin_background)7)
WRONG(recovery, (levin_recovery)7)
WRONG(min_durability, (levin_durability)-1)
WRONG(reader_slots, 0)
#undef WRONG
static void wrong_page_small(levin_options *o) { o->page_bytes = 2048; }
static void wrong_page_large(levin_options *o) { o->page_bytes = 1 << 17; }
static void wrong_page_odd(levin_options *o) { o->page_bytes = 5000; }
static void wrong_segment_small(levin_options *o) { o->wal_segment_bytes = 4096; }
static void wrong_segment_large(levin_options *o) { o->wal_segment_bytes = 2u << 30; }
static void wrong_values_large(levin_options *o) { o->value_log_segment_bytes = (1u << 30) + 1; }
static void wrong_durability_large(levin_options *o) { o->min_durability = (levin_durability)3; }
static void wrong_slots_large(levin_options *o) { o->reader_slots = 1025; }
static void wrong_both(levin_options *o)
{
    o->read_only = true;
    o->error_if_exists = true;
}

START_TEST(arguments__options_out_of_range_are_refused)
{
    static void (*const mistakes[])(levin_options *) = {
        wrong_struct_bytes, wrong_page_bytes, wrong_wal_sector_bytes, wrong_wal_segment_bytes, wrong_memtable_bytes,
        wrong_cache_bytes, wrong_row_cache_bytes, wrong_auto_compact_percent, wrong_value_log_segment_bytes,
        wrong_value_log_live_percent, wrong_value_cache_bytes, wrong_background, wrong_recovery, wrong_min_durability,
        wrong_reader_slots, wrong_page_small, wrong_page_large, wrong_page_odd, wrong_segment_small,
        wrong_segment_large, wrong_values_large, wrong_durability_large, wrong_slots_large, wrong_both,
    };
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin *db;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        levin_error error = { 0 };
        full_store_options(&o, simdisk_io(disk));
        mistakes[i](&o);
        ck_assert_msg(levin_open("s", &o, &db, &error) == LEVIN_INVALID, "mistake %zu is accepted", i);
        ck_assert_msg(error.message[0] && !db, "mistake %zu: no message", i);
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_INVALID);
    }
    for (unsigned version = 0; version < 4; version += 3) {
        levin_io table = *simdisk_io(disk);
        table.version = version;
        full_store_options(&o, &table);
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_INVALID);
    }
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

START_TEST(arguments__paths_are_needed)
{
    char lengthy[8192];
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_dump_options d;
    levin *db;
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    full_store_options(&o, simdisk_io(disk));
    levin_dump_options_init(&d);
    d.io = simdisk_io(disk);
    const char *const wrong[] = { NULL, "", lengthy };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(levin_open(wrong[i], &o, &db, NULL), LEVIN_INVALID);
        ck_assert_int_eq(levin_dump(wrong[i], &d, any_item, NULL, NULL), LEVIN_INVALID);
        ck_assert_int_eq(levin_repair(wrong[i], "t", NULL, NULL, NULL), LEVIN_INVALID);
        ck_assert_int_eq(levin_repair("s", wrong[i], NULL, NULL, NULL), LEVIN_INVALID);
    }
    ck_assert_int_eq(levin_dump("s", &d, NULL, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_dump("nowhere", &d, any_item, NULL, NULL), LEVIN_NO_STORE);
    ck_assert_int_eq(levin_dump("/nowhere/at/all", NULL, any_item, NULL, NULL), LEVIN_NO_STORE); /* POSIX, by default */
    ck_assert_int_ne(levin_open("/nowhere/at/all", NULL, &db, NULL), LEVIN_OK);
    ck_assert_int_ne(levin_restore("/nowhere/at/all", "/nowhere/else", NULL, NULL, NULL, NULL), LEVIN_OK);
    d.struct_bytes = 1;
    ck_assert_int_eq(levin_dump("s", &d, any_item, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_close(NULL), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

/* ---- calls on a store ---- */

START_TEST(arguments__of_calls_are_checked)
{
    char lengthy[8192];
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL), *other_disk = simdisk_create(start, NULL);
    levin_options o, other_options;
    levin *db, *other;
    levin_keyspace *ks;
    levin_txn *txn;
    levin_batch *batch;
    levin_ticket *ticket;
    levin_iter *it;
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    full_store_options(&o, simdisk_io(disk));
    full_store_options(&other_options, simdisk_io(other_disk));
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_open("s", &other_options, &other, NULL), LEVIN_OK);

    levin_backup_options b;
    levin_backup_options_init(&b);
    b.struct_bytes = 1;
    ck_assert_int_eq(levin_backup(db, NULL, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_backup(db, "", NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_backup(db, lengthy, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_backup(db, "t", &b, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_backup_stream(db, NULL, NULL, NULL, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_collect(db, 0), LEVIN_INVALID);
    ck_assert_int_eq(levin_collect(db, 101), LEVIN_INVALID);

    levin_compact_options c;
    levin_compact_options_init(&c);
    c.mode = (levin_compact_mode)-1;
    ck_assert_int_eq(levin_compact(db, &c, NULL), LEVIN_INVALID);
    c.mode = (levin_compact_mode)2;
    ck_assert_int_eq(levin_compact(db, &c, NULL), LEVIN_INVALID);
    levin_compact_options_init(&c);
    c.struct_bytes = 0;
    ck_assert_int_eq(levin_compact(db, &c, NULL), LEVIN_INVALID);
    levin_compact_options_init(&c);
    c.value_log_live_percent = 101;
    ck_assert_int_eq(levin_compact(db, &c, NULL), LEVIN_INVALID);

    levin_txn_options t;
    levin_txn_options_init(&t);
    t.struct_bytes = 3;
    ck_assert_int_eq(levin_txn_begin(db, &t, &txn), LEVIN_INVALID);
    levin_txn_options_init(&t);
    t.isolation = (levin_isolation)9;
    ck_assert_int_eq(levin_txn_begin(db, &t, &txn), LEVIN_INVALID);
    levin_txn_options_init(&t);
    t.memory_bytes = 1;
    ck_assert_int_eq(levin_txn_begin(db, &t, &txn), LEVIN_INVALID);
    t.memory_bytes = UINT64_MAX;
    ck_assert_int_eq(levin_txn_begin(db, &t, &txn), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_begin(db, NULL, &txn), LEVIN_OK);
    levin_snapshot *snapshot;
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    const levin_iter_options with_snapshot = { .snapshot = snapshot };
    ck_assert_int_eq(levin_txn_iter_open(txn, &with_snapshot, &it), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_rollback_to_savepoint(txn), LEVIN_INVALID);
    levin_snapshot_release(snapshot);
    levin_txn_destroy(txn);

    ck_assert_int_eq(levin_keyspace_open(db, NULL, 3, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_open(db, "", 0, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_open(db, lengthy, 2000, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_drop(db, NULL, 3, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_keyspace_open(other, "named", 5, 0, &ks), LEVIN_OK);
    ck_assert_int_eq(levin_contains_in(db, ks, NULL, "a", 1), LEVIN_INVALID); /* another store's */
    static char space[2][600];
    levin_get_request two[2] = { { .key = lengthy, .key_bytes = 600, .buffer = space[0], .capacity = 600 },
                                 { .key = lengthy, .key_bytes = 601, .buffer = space[1], .capacity = 600 } };
    ck_assert_int_eq(levin_multi_get_in(db, ks, NULL, two, 2), LEVIN_INVALID);
    ck_assert(two[0].code == LEVIN_INVALID && two[1].code == LEVIN_INVALID);
    ck_assert_int_eq(levin_multi_get_in(other, ks, NULL, two, 2), LEVIN_OK);
    ck_assert(two[0].code == LEVIN_NOT_FOUND && two[1].code == LEVIN_NOT_FOUND);
    levin_keyspace_close(ks);

    ck_assert_int_eq(levin_batch_create(other, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_batch_put(batch, "a", 1, "b", 1), LEVIN_OK);
    ck_assert_int_eq(levin_write(db, batch, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_INVALID);
    ck_assert_int_eq(levin_write(other, batch, (levin_durability)-1), LEVIN_INVALID);
    ck_assert_int_eq(levin_write(other, batch, (levin_durability)3), LEVIN_INVALID);
    levin_batch_destroy(batch);

    ck_assert_int_eq(levin_histogram_buckets(db, (levin_histogram_id)-1, no_bucket, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_delete_range(db, (levin_slice){ "b", 1 }, (levin_slice){ lengthy, 4000 }, LEVIN_NONE),
                     LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_work(db, NULL), LEVIN_OK);

    /* a bound without bytes is none only when it says so: this must not delete everything */
    const levin_slice none = { NULL, 0 }, bad = { NULL, 5 }, x = { "x", 1 };
    levin_stats before, after;
    levin_stats_get(db, &before);
    ck_assert_int_eq(levin_delete_range(db, bad, bad, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_delete_range(db, none, bad, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_delete_range(db, bad, none, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_delete_range(db, bad, x, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_delete_prefix(db, NULL, 5, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_begin(db, NULL, &txn), LEVIN_OK);
    ck_assert_int_eq(levin_txn_delete_range(txn, bad, none), LEVIN_INVALID);
    ck_assert_int_eq(levin_txn_delete_prefix(txn, NULL, 5), LEVIN_INVALID);
    levin_txn_destroy(txn);
    ck_assert_int_eq(levin_put(db, "swapped", 7, "12345", 5, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_compare_and_swap(db, "swapped", 7, &bad, &x, LEVIN_NONE, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_compare_and_swap(db, "swapped", 7, NULL, &bad, LEVIN_NONE, NULL), LEVIN_CONFLICT);
    ck_assert_int_eq(levin_delete(db, "swapped", 7, LEVIN_NONE), LEVIN_OK);
    levin_stats_get(db, &after);
    ck_assert_uint_eq(after.range_deletes, before.range_deletes);
    const levin_iter_options wrong[] = { { .lower = bad }, { .upper = bad }, { .prefix = bad } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(levin_iter_open(db, &wrong[i], &it), LEVIN_INVALID);
        ck_assert_ptr_null(it);
    }
    ck_assert_int_eq(levin_txn_begin(db, NULL, &txn), LEVIN_OK);
    ck_assert_int_eq(levin_txn_iter_open(txn, &wrong[1], &it), LEVIN_INVALID);
    levin_txn_destroy(txn);

    /* an iterator that is on no pair has no key and no value */
    ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(levin_iter_key(it).data);
        ck_assert_uint_eq(levin_iter_key(it).size, 0);
        ck_assert_ptr_null(levin_iter_value(it).data);
        ck_assert_uint_eq(levin_iter_value(it).size, 0);
        ck_assert(i == 0 ? levin_iter_last(it) : true);
        while (levin_iter_valid(it))
            ck_assert(!levin_iter_next(it) || i == 0);
        ck_assert(i != 1 || !levin_iter_seek(it, "\xff\xff\xff\xff\xff\xff\xff\xff", 8));
    }
    levin_iter_close(it);

    char buffer[8];
    size_t bytes;
    void *value;
    levin_pinned pinned;
    levin_get_request request = { .key = "", .buffer = buffer, .capacity = sizeof buffer };
    for (int i = 0; i < 2; i++) { /* the empty key, and none */
        const char *empty = i ? NULL : "";
        ck_assert_int_eq(levin_get(db, NULL, empty, (size_t)i, buffer, sizeof buffer, &bytes), LEVIN_INVALID);
        ck_assert_int_eq(levin_get_alloc(db, NULL, empty, (size_t)i, &value, &bytes), LEVIN_INVALID);
        ck_assert_int_eq(levin_get_pinned(db, NULL, empty, (size_t)i, &pinned), LEVIN_INVALID);
        ck_assert_int_eq(levin_contains(db, NULL, empty, (size_t)i), LEVIN_INVALID);
        ck_assert_int_eq(levin_put(db, empty, (size_t)i, "v", 1, LEVIN_NONE), LEVIN_INVALID);
        ck_assert_int_eq(levin_delete(db, empty, (size_t)i, LEVIN_NONE), LEVIN_INVALID);
    }
    ck_assert_int_eq(levin_multi_get(db, NULL, &request, 1), LEVIN_INVALID);
    ck_assert_int_eq(request.code, LEVIN_INVALID);

    levin_snapshot *foreign; /* of another store */
    levin_keyspace *own;
    ck_assert_int_eq(levin_put(other, "k", 1, "v", 1, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(other, &foreign), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(db, "foreign", 7, LEVIN_KEYSPACE_CREATE, &own), LEVIN_OK);
    request.key = "k";
    request.key_bytes = 1;
    ck_assert_int_eq(levin_get(db, foreign, "k", 1, buffer, sizeof buffer, &bytes), LEVIN_INVALID);
    ck_assert_int_eq(levin_get_alloc(db, foreign, "k", 1, &value, &bytes), LEVIN_INVALID);
    ck_assert_int_eq(levin_get_pinned(db, foreign, "k", 1, &pinned), LEVIN_INVALID);
    ck_assert_int_eq(levin_contains(db, foreign, "k", 1), LEVIN_INVALID);
    request.code = LEVIN_OK;
    ck_assert_int_eq(levin_multi_get(db, foreign, &request, 1), LEVIN_INVALID);
    ck_assert_int_eq(request.code, LEVIN_INVALID);
    ck_assert_int_eq(levin_multi_get(db, foreign, NULL, 0), LEVIN_INVALID);
    ck_assert_int_eq(levin_iter_open(db, &(levin_iter_options){ .snapshot = foreign }, &it), LEVIN_INVALID);
    ck_assert_ptr_null(it);
    ck_assert_int_eq(levin_get_in(db, own, foreign, "k", 1, buffer, sizeof buffer, &bytes), LEVIN_INVALID);
    ck_assert_int_eq(levin_get(other, foreign, "k", 1, buffer, sizeof buffer, &bytes), LEVIN_OK);
    levin_keyspace_close(own);
    levin_snapshot_release(foreign);

    ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
    ck_assert(levin_iter_seek(it, NULL, 0)); /* the first key */
    ck_assert(levin_iter_seek(it, "", 0));
    ck_assert(!levin_iter_seek_for_prev(it, NULL, 0));
    ck_assert(!levin_iter_seek_for_prev(it, "", 0));
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);

    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(other), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    ck_assert(simdisk_destroy(other_disk, NULL));
    disk_image_unref(start);
}
END_TEST

/* ---- words ---- */

START_TEST(arguments__codes_and_numbers_that_are_none)
{
    levin_options o;
    levin_options_init(&o);
    ck_assert_ptr_nonnull(levin_code_text((levin_code)12345));
    ck_assert_ptr_nonnull(levin_code_name((levin_code)12345));
#define CODE_CHECK(name, value, text)                                                                           \
    ck_assert_str_eq(levin_code_text(name), text);                                                              \
    ck_assert_str_eq(levin_code_name(name), #name);
    LEVIN_CODES(CODE_CHECK)
#undef CODE_CHECK
    static const char *const wrong[] = { "", ":", "/", "64k4", "99999999999999999999", "18014398509481984K",
                                         "17179869184G", "-1", "1T" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(levin_options_set(&o, "cache_bytes", wrong[i], NULL) == LEVIN_INVALID, "\"%s\" is accepted",
                      wrong[i]);
    static const struct {
        const char *text;
        uint64_t bytes;
    } right[] = { { "64k", 64 << 10 }, { "64K", 64 << 10 }, { "3m", 3 << 20 }, { "3M", 3 << 20 }, { "1g", 1 << 30 },
                  { "1G", 1 << 30 }, { "123456", 123456 } };
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        ck_assert_msg(levin_options_set(&o, "cache_bytes", right[i].text, NULL) == LEVIN_OK, "\"%s\"", right[i].text);
        ck_assert_uint_eq(o.cache_bytes, right[i].bytes);
    }
}
END_TEST

LEVIN_TEST_MAIN("arguments", TEST(arguments__options_out_of_range_are_refused), TEST(arguments__paths_are_needed),
                TEST(arguments__of_calls_are_checked), TEST(arguments__codes_and_numbers_that_are_none))
