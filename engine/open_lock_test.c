/*
 * open_lock_test.c - who may open a store whose lock file was removed, or made anew by hand, while it was open.
 *
 * Invariants checked: beside a writer without its lock file nobody else writes, reads or repairs, and no lock file is
 * made; what the writer does is there afterwards.  Beside readers without their lock file nobody writes.  When all have
 * gone the file is made anew.  The same of a table without byte-range locks, and of a store that is just being made.
 */
#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "io.h"
#include "reader_state_test.h"

static simdisk *disk;
static levin_io table; /* of the disk */
static unsigned state;

static levin_code try_open(bool read_only, levin **store, levin_error *error)
{
    levin_options o = state_options(&table, read_only);
    return levin_open("db", &o, store, error);
}

static levin *open_store(bool read_only)
{
    levin *store;
    levin_error error = { 0 };
    levin_code code = try_open(read_only, &store, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s", levin_code_name(code), error.message);
    return store;
}

static void setup_with(unsigned version)
{
    disk = simdisk_create(NULL, NULL);
    table = *simdisk_io(disk);
    if (version < 2) {
        table.version = version;
        table.lock_range = NULL;
        table.process_id = NULL;
    }
    state = 0;
}

static void advance(levin *writer, unsigned states)
{
    for (unsigned i = 0; i < states; i++)
        ck_assert_int_eq(state_write(writer, ++state, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(writer), LEVIN_OK);
}

static void expect_state(levin *store, unsigned n)
{
    char message[STATE_MESSAGE] = "";
    bool good = state_is(store, n, message, NULL);
    ck_assert_msg(good, "%s", message);
}

static void remove_lock(void)
{
    ck_assert_int_eq(table.unlink(table.context, "db/lock"), 0);
}

static void make_lock(void)
{
    levin_file *file;
    ck_assert_int_eq(table.open(table.context, "db/lock", LEVIN_FILE_LOCK, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    ck_assert_int_eq(table.close(table.context, file), 0);
}

static bool lock_is_there(void)
{
    levin_file *file;
    int failed = table.open(table.context, "db/lock", LEVIN_FILE_LOCK, 0, &file);
    if (!failed)
        ck_assert_int_eq(table.close(table.context, file), 0);
    return !failed;
}

static void expect_locked(bool read_only)
{
    levin *store = NULL;
    levin_error error = { 0 };
    levin_code code = try_open(read_only, &store, &error);
    ck_assert_msg(code == LEVIN_LOCKED, "%s: %s", levin_code_name(code), error.message);
    ck_assert_msg(strstr(error.message, "open elsewhere") && strstr(error.message, "was removed"), "%s", error.message);
    ck_assert_ptr_null(store);
}

static void expect_no_repair(void)
{
    levin_repair_options r;
    levin_error error = { 0 };
    levin_repair_options_init(&r);
    r.io = &table;
    ck_assert_int_eq(levin_repair("db", "mended", &r, NULL, &error), LEVIN_LOCKED);
}

/* All have gone: the store opens as ever, with everything in it. */
static void expect_whole(void)
{
    levin *store = open_store(false);
    expect_state(store, state);
    ck_assert_int_eq(levin_check(store, NULL, NULL, NULL), LEVIN_OK);
    advance(store, 1);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    store = open_store(true);
    expect_state(store, state);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

static void writer_without_its_lock_file(unsigned version)
{
    levin *store = NULL;
    levin_error error;
    setup_with(version);
    levin *writer = open_store(false);
    advance(writer, 3);
    remove_lock();
    expect_locked(false);
    ck_assert(!lock_is_there());
    ck_assert_int_eq(try_open(true, &store, &error), LEVIN_NO_STORE);
    expect_no_repair();
    advance(writer, 3);
    make_lock();
    expect_locked(false);
    expect_locked(true);
    expect_no_repair();
    advance(writer, 3);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    expect_whole();
}

START_TEST(open_lock__removed_beside_a_writer_lets_nobody_in)
{
    writer_without_its_lock_file(LEVIN_IO_VERSION);
}
END_TEST

START_TEST(open_lock__removed_beside_a_writer_without_ranges_lets_nobody_in)
{
    writer_without_its_lock_file(1);
}
END_TEST

/* A writer would not see their slots, and use their pages again. */
static void readers_without_their_lock_file(unsigned version)
{
    setup_with(version);
    levin *writer = open_store(false);
    advance(writer, 3);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    levin *first = open_store(true), *second = open_store(true);
    remove_lock();
    expect_locked(false);
    ck_assert_int_eq(levin_close(first), LEVIN_OK);
    expect_locked(false);
    ck_assert(!lock_is_there());
    make_lock(); /* by hand: their slots are in the old one */
    expect_locked(false);
    expect_state(second, 3);
    ck_assert_int_eq(levin_close(second), LEVIN_OK);
    expect_whole();
}

START_TEST(open_lock__removed_beside_readers_lets_no_writer_in)
{
    readers_without_their_lock_file(LEVIN_IO_VERSION);
}
END_TEST

START_TEST(open_lock__removed_beside_readers_without_ranges_lets_no_writer_in)
{
    readers_without_their_lock_file(1);
}
END_TEST

/* Readers of the writer's keep their slots, in the file that has no name. */
START_TEST(open_lock__removed_beside_both_keeps_the_readers_pages)
{
    setup_with(LEVIN_IO_VERSION);
    levin *writer = open_store(false);
    advance(writer, 3);
    levin *reader = open_store(true);
    remove_lock();
    for (unsigned i = 0; i < 12; i++)
        advance(writer, 1);
    expect_state(reader, 3);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    expect_locked(false);
    make_lock();
    expect_locked(false);
    expect_state(reader, 3);
    ck_assert_int_eq(levin_close(reader), LEVIN_OK);
    expect_whole();
}
END_TEST

/* ---- a store that is being made ---- */

static unsigned calls_left;

/* Before one of the calls that make the store, its lock file is removed and another one makes it. */
static int sync_later(void *context, levin_file *file)
{
    const levin_io *below = simdisk_io(disk);
    if (calls_left && --calls_left == 0) {
        levin *other = NULL;
        levin_error error;
        levin_io own = table;
        table = *below;
        remove_lock();
        levin_code code = try_open(false, &other, &error);
        if (code == LEVIN_OK) {
            advance(other, 1);
            ck_assert_int_eq(levin_close(other), LEVIN_OK);
        } else {
            ck_assert_msg(code == LEVIN_LOCKED, "%s: %s", levin_code_name(code), error.message);
        }
        table = own;
    }
    return below->sync(context, file);
}

START_TEST(open_lock__removed_while_a_store_is_made_makes_one_store)
{
    bool more = true;
    for (unsigned nth = 1; more; nth++) {
        levin *store;
        levin_error error;
        setup_with(LEVIN_IO_VERSION);
        table.sync = sync_later;
        calls_left = nth;
        levin_code code = try_open(false, &store, &error);
        more = calls_left == 0;
        table = *simdisk_io(disk);
        if (code == LEVIN_OK)
            ck_assert_int_eq(levin_close(store), LEVIN_OK);
        else
            ck_assert_msg(code == LEVIN_LOCKED, "%s: %s", levin_code_name(code), error.message);
        expect_whole();
    }
}
END_TEST

LEVIN_TEST_MAIN("open_lock", TEST(open_lock__removed_beside_a_writer_lets_nobody_in),
                TEST(open_lock__removed_beside_a_writer_without_ranges_lets_nobody_in),
                TEST(open_lock__removed_beside_readers_lets_no_writer_in),
                TEST(open_lock__removed_beside_readers_without_ranges_lets_no_writer_in),
                TEST(open_lock__removed_beside_both_keeps_the_readers_pages),
                TEST(open_lock__removed_while_a_store_is_made_makes_one_store))
