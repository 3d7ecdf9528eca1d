/*
 * backup_test.c - hot backups, streams and restores, on simulated disks.
 *
 * Invariants checked: an opened backup equals the state of its checkpoint and passes levin_check(), however it came
 * about and whatever was written meanwhile; damage in the store never reaches a backup; a backup that failed, crashed
 * or was cut short is refused or gone, never taken for a store; nothing is overwritten.
 */
#include "store_model_test.h"

/* The store at `path` holds what f says, and is whole. */
static void expect_store(const levin_io *io, const char *path, const uint64_t *seeds)
{
    levin_options o;
    levin_error error = { 0 };
    levin *db, *own = f.db;
    options_fill(&o, io);
    o.create_if_missing = false;
    for (int read_only = 1; read_only >= 0; read_only--) {
        o.read_only = read_only;
        levin_code code = levin_open(path, &o, &db, &error);
        ck_assert_msg(code == LEVIN_OK, "open: %s: %s", levin_code_name(code), error.message);
        f.db = db;
        expect_ok(levin_check(db, print_fault, NULL, NULL), "check of the copy");
        expect_contents(db, NULL, seeds);
        if (!read_only) { /* and it goes on as a store */
            expect_ok(levin_put(db, "new", 3, "1", 1, LEVIN_SYNCED), "put");
            expect_ok(levin_delete(db, "new", 3, LEVIN_SYNCED), "delete");
            expect_ok(levin_checkpoint(db), "checkpoint");
            expect_ok(levin_compact(db, NULL, NULL), "compact");
            expect_contents(db, NULL, seeds);
        }
        expect_ok(levin_close(db), "close");
    }
    f.db = own;
}

START_TEST(backup__is_a_store_with_everything_acknowledged)
{
    levin_backup_result r;
    for (int large = 0; large < 2; large++) {
        setup(1500, large, NULL);
        scatter(5);
        put(3); /* in the log only */
        expect_ok(levin_backup(f.db, "copy", NULL, &r), "backup");
        ck_assert_uint_eq(r.bytes, r.total_bytes);
        ck_assert_uint_eq(r.keys, f.db->meta.keys);
        expect_store(f.o.io, "copy", f.seed);
        expect_whole();
        teardown();
    }
}
END_TEST

START_TEST(backup__empty_and_tiny_stores)
{
    setup(3, false, NULL);
    expect_ok(levin_backup(f.db, "a", NULL, NULL), "backup");
    expect_store(f.o.io, "a", f.seed);
    put(1);
    expect_ok(levin_backup(f.db, "b", NULL, NULL), "backup");
    expect_store(f.o.io, "b", f.seed);
    teardown();
}
END_TEST

START_TEST(backup__page_and_sector_sizes)
{
    for (uint32_t page = 4096; page <= 65536; page *= 16) {
        setup(800, true, NULL);
        expect_ok(levin_close(f.db), "close");
        f.o.page_bytes = page;
        f.o.cache_bytes = 64 * 65536;
        f.o.wal_sector_bytes = 4096;
        f.db = NULL;
        levin_error error;
        ck_assert_int_eq(levin_open("other", &f.o, &f.db, &error), LEVIN_OK);
        scatter(2);
        expect_ok(levin_backup(f.db, "copy", NULL, NULL), "backup");
        levin_options o = f.o;
        levin *db;
        ck_assert_int_eq(levin_open("copy", &o, &db, &error), LEVIN_OK);
        expect_contents(db, NULL, f.seed);
        ck_assert_int_eq(levin_check(db, print_fault, NULL, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        teardown();
    }
}
END_TEST

/* ---- while it is written ---- */

static bool write_meanwhile(void *context, const levin_backup_result *so_far)
{
    (void)so_far;
    ++*(unsigned *)context;
    for (unsigned n = 0; n < 400; n++)
        put((unsigned)(random_next(&f.random) % f.keys));
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    return true;
}

START_TEST(backup__pages_stay_while_checkpoints_replace_them)
{
    static uint64_t before[KEYS_MAX];
    levin_backup_options o;
    unsigned calls = 0;
    levin_backup_options_init(&o);
    o.progress = write_meanwhile;
    o.context = &calls;
    setup(KEYS_MAX, true, NULL);
    scatter(8);
    memcpy(before, f.seed, sizeof before);
    expect_ok(levin_backup(f.db, "copy", &o, NULL), "backup");
    ck_assert_uint_gt(calls, 3);
    expect_store(f.o.io, "copy", before);
    expect_whole();
    for (int i = 0; i < 3; i++) { /* what it held is used again */
        put(1);
        expect_ok(levin_checkpoint(f.db), "checkpoint");
    }
    expect_ok(levin_compact(f.db, NULL, NULL), "compact");
    levin_check_result checked;
    expect_ok(levin_check(f.db, print_fault, NULL, &checked), "check");
    ck_assert_uint_lt(checked.free_pages, 100);
    teardown();
}
END_TEST

/* ---- refusals ---- */

static void make_file(const levin_io *io, const char *path)
{
    levin_file *handle;
    ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_LOCK, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &handle), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
}

static int count_entry(void *context, const char *name)
{
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static unsigned entries(const levin_io *io, const char *path)
{
    unsigned count = 0;
    (void)io->list(io->context, path, count_entry, &count);
    return count;
}

START_TEST(backup__nothing_is_overwritten)
{
    const levin_io *io;
    levin_error error;
    setup(100, false, NULL);
    io = f.o.io;
    scatter(1);
    ck_assert_int_eq(io->make_dir(io->context, "full"), 0);
    make_file(io, "full/letter");
    ck_assert_int_eq(levin_backup(f.db, "full", NULL, NULL), LEVIN_EXISTS);
    ck_assert_uint_eq(entries(io, "full"), 1);
    ck_assert_int_eq(levin_backup(f.db, "store", NULL, NULL), LEVIN_EXISTS);
    expect_ok(levin_backup(f.db, "copy", NULL, NULL), "backup");
    ck_assert_int_eq(levin_backup(f.db, "copy", NULL, NULL), LEVIN_EXISTS);
    ck_assert_int_eq(levin_restore("copy", "full", io, NULL, NULL, &error), LEVIN_EXISTS);
    ck_assert_int_eq(levin_restore("copy", "store", io, NULL, NULL, &error), LEVIN_EXISTS);
    ck_assert_int_eq(levin_restore("nothing", "new", io, NULL, NULL, &error), LEVIN_NO_STORE);
    ck_assert_int_eq(levin_backup(f.db, "", NULL, NULL), LEVIN_INVALID);
    expect_whole();
    teardown();
}
END_TEST

START_TEST(restore__gives_the_backup_and_not_what_was_written_to_it_since)
{
    levin_error error;
    levin_backup_result r;
    setup(1000, true, NULL);
    scatter(3);
    expect_ok(levin_backup(f.db, "copy", NULL, NULL), "backup");
    for (int i = 0; i < 2; i++) { /* of a restored one, too */
        char from[16], to[16];
        snprintf(from, sizeof from, i ? "back0" : "copy");
        snprintf(to, sizeof to, "back%d", i);
        levin_code code = levin_restore(from, to, f.o.io, NULL, &r, &error);
        ck_assert_msg(code == LEVIN_OK, "%s", error.message);
        ck_assert_uint_eq(r.keys, f.db->meta.keys);
    }
    expect_store(f.o.io, "back1", f.seed);
    levin *db;
    levin_options o;
    options_fill(&o, f.o.io);
    ck_assert_int_eq(levin_open("copy", &o, &db, &error), LEVIN_OK);
    ck_assert_int_eq(levin_put(db, "x", 1, "y", 1, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert_int_eq(levin_restore("copy", "back2", f.o.io, NULL, NULL, &error), LEVIN_READ_ONLY);
    ck_assert_uint_eq(entries(f.o.io, "back2"), 0);
    teardown();
}
END_TEST

static bool stop_at_once(void *context, const levin_backup_result *so_far)
{
    (void)context, (void)so_far;
    return false;
}

START_TEST(backup__stopped_on_request_leaves_nothing)
{
    levin_backup_options o;
    levin_backup_options_init(&o);
    o.progress = stop_at_once;
    setup(500, false, NULL);
    scatter(1);
    ck_assert_int_eq(levin_backup(f.db, "copy", &o, NULL), LEVIN_INTERRUPTED);
    ck_assert_uint_eq(entries(f.o.io, "copy"), 0);
    expect_ok(levin_backup(f.db, "copy", NULL, NULL), "backup");
    expect_store(f.o.io, "copy", f.seed);
    teardown();
}
END_TEST

/* ---- damage ---- */

static void flip(const levin_io *io, const char *path, uint64_t offset)
{
    levin_file *handle;
    size_t done;
    uint8_t byte;
    ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle), 0);
    ck_assert_int_eq(io->read_at(io->context, handle, &byte, 1, offset, &done), 0);
    byte ^= 0x10;
    levin_slice part = { &byte, 1 };
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, offset, &done), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
}

static int swallow(void *context, const void *data, size_t bytes)
{
    (void)context, (void)data, (void)bytes;
    return 0;
}

/* Every page in use, one after the other.  Without large values a leaf is read when it is copied, and not before. */
static void damage_each_page(bool large)
{
    setup(600, large, NULL);
    scatter(3);
    const page_meta m = f.db->meta;
    unsigned refused = 0;
    for (uint64_t page = page_first(4096); page < m.page_count; page++) {
        uint64_t offset = page * 4096 + random_below(&f.random, 4096);
        flip(f.o.io, "store/pages", offset);
        levin_code check = levin_check(f.db, NULL, NULL, NULL);
        levin_code code = levin_backup(f.db, "copy", NULL, NULL);
        ck_assert_msg(code == LEVIN_OK || code == LEVIN_CORRUPT, "%s", levin_code_name(code));
        /* a backup clears what stands behind a value; check tells it */
        ck_assert(check == LEVIN_CORRUPT || code == LEVIN_OK);
        refused += code == LEVIN_CORRUPT;
        if (code == LEVIN_CORRUPT) {
            ck_assert_uint_eq(entries(f.o.io, "copy"), 0);
            ck_assert_int_eq(levin_backup_stream(f.db, swallow, NULL, NULL, NULL), LEVIN_CORRUPT);
        } else {
            disk_image *image = simdisk_image(f.disk);
            simdisk *read = simdisk_create(image, NULL);
            expect_store(simdisk_io(read), "copy", f.seed);
            simdisk_destroy(read, NULL);
            disk_image_unref(image);
            const char *names[] = { "copy/pages", "copy/lock", "copy/" WAL_FIRST_NAME };
            for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(f.o.io->unlink(f.o.io->context, names[i]), 0);
        }
        flip(f.o.io, "store/pages", offset);
    }
    ck_assert_uint_ge(refused, m.leaf_pages + m.branch_pages);
    expect_whole();
    teardown();
}

START_TEST(backup__no_damaged_byte_is_copied)
{
    damage_each_page(true);
}
END_TEST

START_TEST(backup__no_damaged_byte_of_a_leaf_is_copied)
{
    damage_each_page(false);
}
END_TEST

/* ---- failures ---- */

/* A target is a whole store, nothing at all, or refused. */
static void expect_whole_or_refused(const levin_io *io, const char *path, bool finished)
{
    levin_options o;
    levin *db = NULL;
    levin_error error;
    options_fill(&o, io);
    if (finished || entries(io, path)) {
        levin_code code = levin_open(path, &o, &db, &error);
        if (code == LEVIN_OK) {
            expect_contents(db, NULL, f.seed);
            ck_assert_int_eq(levin_check(db, print_fault, NULL, NULL), LEVIN_OK);
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
        } else {
            ck_assert(!finished);
            ck_assert_msg(code == LEVIN_NO_STORE, "%s: %s", levin_code_name(code), error.message);
            ck_assert_ptr_nonnull(strstr(error.message, "unfinished"));
        }
    }
}

static bool backup_with_fault(const disk_image *image, uint64_t nth, bool forever, unsigned operations, int os_error)
{
    simdisk *disk = simdisk_create(image, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    fault_rule rule = { FAULT_KINDS_ALL, operations, nth, forever, FAULT_ERROR, os_error, 0 };
    levin_error error = { 0 };
    levin *db;
    fault_io_on_failed_sync(faults, simdisk_sync_loses_pages, disk);
    f.o.io = fault_io_table(faults);
    ck_assert_int_eq(levin_open("store", &f.o, &db, &error), LEVIN_OK);
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = levin_backup(db, "copy", NULL, NULL);
    bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    ck_assert(fired || code == LEVIN_OK);
    expect_contents(db, NULL, f.seed);
    bool poisoned = db_poisoned(db);
    ck_assert_int_eq(levin_close(db), poisoned ? LEVIN_POISONED : LEVIN_OK);
    uint64_t files, bytes, allocations;
    fault_io_held(faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files + allocations, 0);
    expect_whole_or_refused(f.o.io, "copy", code == LEVIN_OK);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
    return fired;
}

START_TEST(backup__any_failing_call_leaves_no_half_backup)
{
    disk_image *image = scattered_image(400, true, 2);
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), alloc = 1u << FAULT_ALLOC;
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t nth = 1; backup_with_fault(image, nth, forever, io, forever ? ENOSPC : EIO); nth++)
            ;
        for (uint64_t nth = 1; backup_with_fault(image, nth, forever, alloc, 0); nth++)
            ;
    }
    disk_image_unref(image);
    teardown();
}
END_TEST

/* After levin_backup() has returned the backup is there; before, it is whole or refused. */
START_TEST(backup__a_crash_at_any_point_leaves_no_half_backup)
{
    disk_image *image = scattered_image(300, true, 2);
    trace *t = trace_create();
    simdisk *disk = simdisk_create(image, t);
    levin_error error = { 0 };
    levin *db;
    f.o.io = simdisk_io(disk);
    ck_assert_int_eq(levin_open("store", &f.o, &db, &error), LEVIN_OK);
    ck_assert_int_eq(levin_backup(db, "copy", NULL, NULL), LEVIN_OK);
    const uint64_t finished = trace_length(t);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    crash_limits limits;
    crash_state state;
    crash_limits_init(&limits);
    limits.prefixes = limits.dropped = limits.kept = limits.torn = limits.garbage = limits.zeroed = 3;
    limits.sizes = limits.random = 4;
    crash_explorer *e = crash_open(t, image, 5, &limits, NULL);
    unsigned states = 0;
    while (crash_next(e, &state)) {
        simdisk *after = simdisk_create(state.image, NULL);
        expect_whole_or_refused(simdisk_io(after), "copy", state.point >= finished);
        simdisk_destroy(after, NULL);
        states++;
    }
    ck_assert_uint_gt(states, 100);
    crash_close(e);
    trace_destroy(t);
    disk_image_unref(image);
    teardown();
}
END_TEST

/* ---- streams ---- */

typedef struct archive {
    uint8_t *bytes;
    size_t count, capacity, fail_after;
} archive;

static int archive_write(void *context, const void *data, size_t bytes)
{
    archive *a = context;
    if (a->fail_after && a->count + bytes > a->fail_after)
        return EPIPE;
    if (a->count + bytes > a->capacity) {
        a->capacity = 2 * (a->count + bytes);
        a->bytes = realloc(a->bytes, a->capacity);
        ck_assert_ptr_nonnull(a->bytes);
    }
    memcpy(a->bytes + a->count, data, bytes);
    a->count += bytes;
    return 0;
}

static uint64_t octal(const uint8_t *text, size_t digits)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits && text[i] >= '0' && text[i] <= '7'; i++)
        n = n * 8 + (uint64_t)(text[i] - '0');
    return n;
}

/* Unpacks what there is, as tar does. */
static void unpack(const levin_io *io, const archive *a, const char *directory)
{
    ck_assert_int_eq(io->make_dir(io->context, directory), 0);
    for (size_t at = 0; at + 512 <= a->count && a->bytes[at];) {
        const uint8_t *header = a->bytes + at;
        uint64_t bytes = octal(header + 124, 11), sum = 0;
        char path[160];
        levin_file *handle;
        size_t done;
        for (size_t i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? ' ' : header[i];
        ck_assert_uint_eq(sum, octal(header + 148, 7));
        ck_assert_int_eq(memcmp(header + 257, "ustar", 6), 0);
        ck_assert_int_eq(header[156], '0');
        at += 512;
        snprintf(path, sizeof path, "%s/%.100s", directory, (const char *)header);
        ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &handle), 0);
        size_t there = a->count - at < bytes ? a->count - at : (size_t)bytes;
        levin_slice part = { a->bytes + at, there };
        if (there)
            ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, 0, &done), 0);
        ck_assert_int_eq(io->close(io->context, handle), 0);
        at += there + (512 - there % 512) % 512;
    }
}

START_TEST(backup__stream_unpacks_into_the_store)
{
    archive a = { 0 };
    levin_backup_result r;
    setup(1500, true, NULL);
    scatter(3);
    expect_ok(levin_backup_stream(f.db, archive_write, &a, NULL, &r), "stream");
    ck_assert_uint_eq(r.bytes, r.total_bytes);
    ck_assert_uint_eq(a.count % 512, 0);
    unpack(f.o.io, &a, "unpacked");
    expect_store(f.o.io, "unpacked", f.seed);
    free(a.bytes);
    teardown();
}
END_TEST

START_TEST(backup__stream_cut_anywhere_is_refused)
{
    archive a = { 0 };
    setup(200, true, NULL);
    scatter(1);
    expect_ok(levin_backup_stream(f.db, archive_write, &a, NULL, NULL), "stream");
    const archive all = a;
    for (size_t cut = 0; cut + 1024 < all.count; cut += 1 + cut / 9 + random_below(&f.random, 700)) {
        simdisk *disk = simdisk_create(NULL, NULL);
        archive some = { all.bytes, cut, 0, 0 };
        levin_options o;
        levin *db;
        levin_error error;
        options_fill(&o, simdisk_io(disk));
        o.create_if_missing = false;
        unpack(o.io, &some, "cut");
        levin_code code = levin_open("cut", &o, &db, &error);
        ck_assert_msg(code == LEVIN_CORRUPT || code == LEVIN_NO_STORE, "cut at %zu: %s", cut, levin_code_name(code));
        simdisk_destroy(disk, NULL);
    }
    archive failing = { .fail_after = all.count / 2 };
    ck_assert_int_eq(levin_backup_stream(f.db, archive_write, &failing, NULL, NULL), LEVIN_IO);
    levin_error error;
    levin_last_error(f.db, &error);
    ck_assert_int_eq(error.os_error, EPIPE);
    free(failing.bytes);
    free(all.bytes);
    teardown();
}
END_TEST

LEVIN_TEST_MAIN("backup", TEST(backup__is_a_store_with_everything_acknowledged), TEST(backup__empty_and_tiny_stores),
                TEST(backup__page_and_sector_sizes), TEST(backup__pages_stay_while_checkpoints_replace_them),
                TEST(backup__nothing_is_overwritten),
                TEST(restore__gives_the_backup_and_not_what_was_written_to_it_since),
                TEST(backup__stopped_on_request_leaves_nothing), TEST(backup__no_damaged_byte_is_copied),
                TEST(backup__no_damaged_byte_of_a_leaf_is_copied),
                TEST(backup__any_failing_call_leaves_no_half_backup),
                TEST(backup__a_crash_at_any_point_leaves_no_half_backup),
                TEST(backup__stream_unpacks_into_the_store), TEST(backup__stream_cut_anywhere_is_refused))
