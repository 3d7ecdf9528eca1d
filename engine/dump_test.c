/*
 * dump_test.c - what levin_dump() shows of whole and of damaged stores.
 *
 * Invariants checked: every key, every page in use and every batch of a whole store is shown once, and no fault; of a
 * damaged one the fault is marked at its place and what is beside it is still shown; no call that fails leaks.
 */
#include "store_model_test.h"

typedef struct seen {
    unsigned metas, pages, leaves, cells, leaf_cells, frees, segments, groups, batches, records, faults, lost;
    unsigned value_segments, values, keyspace_values;
    uint64_t fault_offset;
    char fault_file[96];
    unsigned stop_after; /* items; 0: never */
    unsigned items;
} seen;

static const levin_dump_field *field(const levin_dump_item *item, const char *name)
{
    for (size_t i = 0; i < item->count; i++)
        if (strcmp(item->fields[i].name, name) == 0)
            return &item->fields[i];
    return NULL;
}

static bool on_item(void *context, const levin_dump_item *item)
{
    seen *s = context;
    const char *k = item->kind;
    s->metas += !strcmp(k, "meta");
    s->pages += !strcmp(k, "page");
    if (!strcmp(k, "page") && field(item, "type") && field(item, "type")->bytes.size == 4)
        s->leaves += memcmp(field(item, "use")->bytes.data, "tree", 4) == 0;
    s->cells += !strcmp(k, "cell");
    s->leaf_cells += !strcmp(k, "cell") && field(item, "value_bytes");
    s->frees += !strcmp(k, "free");
    s->segments += !strcmp(k, "segment");
    s->groups += !strcmp(k, "group");
    s->batches += !strcmp(k, "batch");
    s->records += !strcmp(k, "record");
    s->lost += !strcmp(k, "lost");
    s->value_segments += !strcmp(k, "value segment");
    s->values += !strcmp(k, "value");
    s->keyspace_values += !strcmp(k, "value") && field(item, "keyspace");
    if (item->fault && s->faults++ == 0) {
        s->fault_offset = item->offset;
        snprintf(s->fault_file, sizeof s->fault_file, "%s", item->file);
    }
    return ++s->items != s->stop_after;
}

static levin_code dump(const levin_io *io, unsigned what, uint64_t page, seen *s)
{
    levin_dump_options o;
    levin_error error;
    levin_dump_options_init(&o);
    o.io = io;
    o.what = what;
    o.page = page;
    return levin_dump("store", &o, on_item, s, &error);
}

enum { ALL = LEVIN_DUMP_META | LEVIN_DUMP_PAGES | LEVIN_DUMP_CELLS | LEVIN_DUMP_FREE | LEVIN_DUMP_LOG |
             LEVIN_DUMP_RECORDS | LEVIN_DUMP_VALUES };

static void overwrite(const levin_io *io, const char *path, uint64_t offset, const char *text)
{
    levin_file *handle;
    size_t done;
    levin_slice part = { text, strlen(text) };
    ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle), 0);
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, offset, &done), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
}

START_TEST(dump__shows_all_of_a_whole_store)
{
    seen s = { 0 };
    setup(1000, true, NULL);
    scatter(3);
    for (unsigned i = 0; i < 5; i++)
        put(i);
    const page_meta m = f.db->meta;
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    ck_assert_int_eq(dump(f.o.io, ALL, UINT64_MAX, &s), LEVIN_OK);
    ck_assert_uint_eq(s.faults + s.lost, 0);
    ck_assert_uint_eq(s.metas, 2);
    ck_assert_uint_eq(s.leaves, m.leaf_pages);
    ck_assert_uint_eq(s.leaf_cells, m.keys);
    ck_assert_uint_gt(s.cells, s.leaf_cells);
    ck_assert_uint_gt(s.frees, 0);
    ck_assert_uint_gt(s.segments, 0);
    ck_assert_uint_ge(s.batches, 5);
    ck_assert_uint_ge(s.records, s.batches);
    seen one = { 0 };
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_PAGES, m.root.number, &one), LEVIN_OK);
    ck_assert_uint_eq(one.pages, 1);
    ck_assert_uint_gt(one.cells, 1);
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_PAGES, m.page_count + 7, &one), LEVIN_INVALID);
    seen few = { .stop_after = 9 };
    ck_assert_int_eq(dump(f.o.io, ALL, UINT64_MAX, &few), LEVIN_INTERRUPTED);
    ck_assert_uint_eq(few.items, 9);
    teardown();
}
END_TEST

START_TEST(dump__marks_the_damage_and_goes_on)
{
    setup(1000, true, NULL);
    scatter(3);
    put(1);
    const page_meta m = f.db->meta;
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    disk_image *image = simdisk_image(f.disk);
    unsigned marked = 0;
    for (uint64_t page = 2; page < m.page_count; page++) {
        simdisk *disk = simdisk_create(image, NULL);
        seen s = { 0 };
        overwrite(simdisk_io(disk), "store/pages", page * 4096 + 100, "damage");
        levin_code code = dump(simdisk_io(disk), ALL, UINT64_MAX, &s);
        ck_assert(code == (s.faults ? LEVIN_CORRUPT : LEVIN_OK));
        if (s.faults) {
            marked++;
            ck_assert_uint_eq(s.fault_offset / 4096, page);
            ck_assert_str_eq(s.fault_file, "pages");
        }
        ck_assert_uint_eq(s.metas, 2);
        ck_assert_uint_ge(s.batches, 1);
        ck_assert_uint_ge(s.leaves, page == m.root.number ? 0 : 1);
        simdisk_destroy(disk, NULL);
    }
    ck_assert_uint_ge(marked, m.leaf_pages + m.branch_pages);
    simdisk *disk = simdisk_create(image, NULL); /* both metas, and the log */
    const levin_io *io = simdisk_io(disk);
    char path[64];
    seen s = { 0 };
    overwrite(io, "store/pages", 20, "damage");
    overwrite(io, "store/pages", 4096 + 20, "damage");
    snprintf(path, sizeof path, "store/" WAL_NAME_FORMAT, (unsigned long long)lsn_segment(m.replay));
    overwrite(io, path, lsn_offset(m.replay) + 90, "damage");
    ck_assert_int_eq(dump(io, ALL, UINT64_MAX, &s), LEVIN_CORRUPT);
    ck_assert_uint_ge(s.faults, 3);
    ck_assert_uint_gt(s.groups, 1);
    simdisk_destroy(disk, NULL);
    disk_image_unref(image);
    teardown();
}
END_TEST

/* A store with six values in the value log, one of them of a named keyspace, in two segments; closed. */
static void values_setup(void)
{
    static uint8_t large[3000];
    levin_keyspace *ks;
    setup(0, false, NULL);
    expect_ok(levin_close(f.db), "close");
    f.o.value_log_threshold_bytes = 1000;
    f.o.value_log_segment_bytes = 16384;
    reopen(f.o.io);
    expect_ok(levin_keyspace_open(f.db, "ks", 2, LEVIN_KEYSPACE_CREATE, &ks), "keyspace");
    for (char key = 'a'; key < 'f'; key++)
        expect_ok(levin_put(f.db, &key, 1, large, sizeof large, LEVIN_NONE), "put");
    expect_ok(levin_put_in(f.db, ks, "k", 1, large, sizeof large, LEVIN_SYNCED), "put");
    levin_keyspace_close(ks);
    ck_assert_uint_eq(stats().vlog_segments, 2);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
}

START_TEST(dump__shows_values_and_marks_damaged_ones)
{
    seen s = { 0 };
    values_setup();
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_VALUES, UINT64_MAX, &s), LEVIN_OK);
    ck_assert_uint_eq(s.value_segments, 2);
    ck_assert_uint_eq(s.values, 6);
    ck_assert_uint_eq(s.keyspace_values, 1);
    s = (seen){ 0 };
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_LOG, UINT64_MAX, &s), LEVIN_OK);
    ck_assert_uint_eq(s.value_segments + s.values, 0);
    /* of the first value its bytes, of the second its head, the header of the other segment */
    overwrite(f.o.io, "store/vlog-0000000000000001", 512 + 700, "damage");
    overwrite(f.o.io, "store/vlog-0000000000000001", 3584 + 10, "damage");
    overwrite(f.o.io, "store/vlog-0000000000000002", 60, "damage");
    s = (seen){ 0 };
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_VALUES, UINT64_MAX, &s), LEVIN_CORRUPT);
    ck_assert_uint_eq(s.value_segments, 2);
    ck_assert_uint_eq(s.values, 5);
    ck_assert_uint_eq(s.faults, 2);
    ck_assert_uint_eq(s.fault_offset, 512);
    ck_assert_str_eq(s.fault_file, "vlog-0000000000000001");
    /* without a meta page the segments say whose they are */
    overwrite(f.o.io, "store/pages", 20, "damage");
    overwrite(f.o.io, "store/pages", 4096 + 20, "damage");
    s = (seen){ 0 };
    ck_assert_int_eq(dump(f.o.io, LEVIN_DUMP_VALUES, UINT64_MAX, &s), LEVIN_CORRUPT);
    ck_assert_uint_eq(s.values, 5);
    teardown();
}
END_TEST

/* The nth call fails. False when none did. */
static bool dump_with_fault(const disk_image *image, unsigned operations, uint64_t nth)
{
    simdisk *disk = simdisk_create(image, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    fault_rule rule = { FAULT_KINDS_ALL, operations, nth, false, FAULT_ERROR, EIO, 0 };
    seen s = { 0 };
    uint64_t files, bytes, allocations;
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = dump(fault_io_table(faults), ALL, UINT64_MAX, &s);
    bool fired = fault_io_fired(faults, 0) != 0;
    ck_assert(fired ? code == LEVIN_IO || code == LEVIN_NO_MEMORY : code == LEVIN_OK);
    fault_io_held(faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files + allocations, 0);
    fault_io_destroy(faults);
    simdisk_destroy(disk, NULL);
    return fired;
}

START_TEST(dump__any_failing_call_is_an_error)
{
    for (int values = 0; values < 2; values++) {
        if (values)
            values_setup();
        disk_image *image = values ? simdisk_image(f.disk) : scattered_image(100, true, 2);
        for (uint64_t nth = 1; dump_with_fault(image, FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), nth); nth++)
            ;
        for (uint64_t nth = 1; dump_with_fault(image, 1u << FAULT_ALLOC, nth); nth++)
            ;
        disk_image_unref(image);
        teardown();
    }
}
END_TEST

LEVIN_TEST_MAIN("dump", TEST(dump__shows_all_of_a_whole_store), TEST(dump__marks_the_damage_and_goes_on),
                TEST(dump__shows_values_and_marks_damaged_ones), TEST(dump__any_failing_call_is_an_error))
