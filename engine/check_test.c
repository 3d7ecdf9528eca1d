/*
 * check_test.c - levin_check() of a store whose log was damaged while it was open.
 *
 * Invariants checked: a damaged group is told, once, and those behind it are found, counted and found sound; the store
 * is clean again when the byte is what it was.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "levin.h"
#include "wal_format.h"

enum { GROUPS = 24, DAMAGED = 9, VALUE_BYTES = 300 };

typedef struct seen {
    unsigned count;
    levin_error first;
} seen;

static bool see(void *context, const levin_error *fault)
{
    seen *s = context;
    if (!s->count++)
        s->first = *fault;
    return true;
}

/* Where the value of a key stands in the log. */
static off_t place_of(int file, const void *value, size_t bytes)
{
    static char log[1 << 20];
    ssize_t length = pread(file, log, sizeof log, 0);
    ck_assert_int_gt(length, 0);
    const char *at = memmem(log, (size_t)length, value, bytes);
    ck_assert_ptr_nonnull(at);
    return at - log;
}

static void flip(int file, off_t at)
{
    char byte;
    ck_assert_int_eq(pread(file, &byte, 1, at), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(file, &byte, 1, at), 1);
}

START_TEST(check__groups_behind_a_damaged_one_are_found)
{
    char directory[64] = "/tmp/levin-check-test-XXXXXX", path[128], command[128], value[VALUE_BYTES];
    levin_options o;
    levin_error error;
    levin_check_result sound, hurt;
    seen s = { 0 };
    levin *db;
    levin_options_init(&o);
    o.background = LEVIN_BACKGROUND_NONE;
    o.wal_segment_bytes = 1 << 20;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_msg(levin_open(directory, &o, &db, &error) == LEVIN_OK, "%s", error.message);
    for (int n = 0; n < GROUPS; n++) {
        memset(value, 'a' + n, sizeof value);
        ck_assert_int_eq(levin_put(db, &n, sizeof n, value, sizeof value, LEVIN_SYNCED), LEVIN_OK);
    }
    ck_assert_int_eq(levin_check(db, see, &s, &sound), LEVIN_OK);
    ck_assert_uint_eq(s.count, 0);
    ck_assert_uint_ge(sound.wal_groups, GROUPS);
    ck_assert_uint_eq(sound.metas, 2);

    snprintf(path, sizeof path, "%s/" WAL_NAME_FORMAT, directory, 1ull);
    int file = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    memset(value, 'a' + DAMAGED, sizeof value);
    const off_t at = place_of(file, value, sizeof value) + VALUE_BYTES / 2;
    flip(file, at);
    ck_assert_int_eq(levin_check(db, see, &s, &hurt), LEVIN_CORRUPT);
    ck_assert_uint_eq(hurt.faults, s.count);
    ck_assert_uint_eq(s.count, 1);
    ck_assert_uint_le(s.first.offset, (uint64_t)at);
    ck_assert_uint_gt(s.first.offset + 1024, (uint64_t)at);
    ck_assert_str_eq(s.first.file, path + strlen(directory) + 1);
    ck_assert_uint_eq(hurt.wal_groups, sound.wal_groups - 1);

    flip(file, at);
    ck_assert_int_eq(close(file), 0);
    ck_assert_int_eq(levin_check(db, NULL, NULL, &hurt), LEVIN_OK);
    ck_assert_uint_eq(hurt.wal_groups, sound.wal_groups);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

LEVIN_TEST_MAIN("check", TEST(check__groups_behind_a_damaged_one_are_found))
