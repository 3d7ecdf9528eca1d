/*
 * file_test.c - the loops over short counts and EINTR, and the translation of failures, against a scripted I/O table.
 *
 * Checked: reads and writes move every byte exactly once whatever the counts; no loop lasts for ever; a sync is
 * made once; every failure gives the right code, with file, errno and offset.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "file.h"

enum { DISK_BYTES = 1 << 16 };

/* A file in memory, and what the next calls do. */
typedef struct disk {
    uint8_t bytes[DISK_BYTES];
    size_t size;
    unsigned seed;
    size_t count_max;        /* bytes moved by a call at most; 0: all */
    bool random_counts;      /* 1 .. count_max */
    int interrupt_one_in;    /* EINTR at random, one call in so many; 0 never */
    int fail;                /* errno of every call from now on, 0 none */
    uint64_t fail_at_call;   /* with fail: only from this call on */
    uint64_t bytes_claimed;  /* not 0: reads and writes claim to have moved so many */
    bool nothing_done;       /* calls succeed and move nothing */
    uint64_t calls, closes;
    char last_path[256];
} disk;

static int disk_begin(disk *d)
{
    d->calls++;
    if (d->fail && d->calls >= d->fail_at_call)
        return d->fail;
    return d->interrupt_one_in && rand_r(&d->seed) % d->interrupt_one_in == 0 ? EINTR : 0;
}

static size_t disk_count(disk *d, size_t bytes)
{
    size_t most = d->count_max && d->count_max < bytes ? d->count_max : bytes;
    if (d->nothing_done)
        return 0;
    return d->random_counts && most ? 1 + (size_t)rand_r(&d->seed) % most : most;
}

static int disk_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **out)
{
    disk *d = context;
    (void)kind, (void)flags;
    int result = disk_begin(d);
    strncpy(d->last_path, path, sizeof d->last_path - 1);
    *out = result ? NULL : (levin_file *)(void *)d;
    return result;
}

static int disk_close(void *context, levin_file *handle)
{
    (void)handle;
    ((disk *)context)->closes++;
    return EIO;
}

static int disk_read_at(void *context, levin_file *handle, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    disk *d = context;
    ck_assert_ptr_eq(handle, d);
    int result = disk_begin(d);
    if (result)
        return result;
    size_t left = offset < d->size ? d->size - (size_t)offset : 0, count = disk_count(d, bytes < left ? bytes : left);
    if (count)
        memcpy(buffer, d->bytes + offset, count);
    *done = d->bytes_claimed ? d->bytes_claimed : count;
    return 0;
}

static int disk_write_at(void *context, levin_file *handle, const levin_slice *parts, size_t count, uint64_t offset,
                         size_t *done)
{
    disk *d = context;
    ck_assert_ptr_eq(handle, d);
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, LEVIN_IO_PARTS_MAX);
    int result = disk_begin(d);
    if (result)
        return result;
    size_t bytes = 0, moved = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_gt(parts[i].size, 0);
        bytes += parts[i].size;
    }
    size_t most = disk_count(d, bytes);
    for (size_t i = 0; i < count && moved < most; i++) {
        size_t step = parts[i].size < most - moved ? parts[i].size : most - moved;
        ck_assert_uint_le(offset + moved + step, DISK_BYTES);
        for (size_t j = 0; j < step; j++) /* a sum: writing a byte twice shows */
            d->bytes[offset + moved + j] =
                (uint8_t)(d->bytes[offset + moved + j] + ((const uint8_t *)parts[i].data)[j]);
        moved += step;
    }
    *done = d->bytes_claimed ? d->bytes_claimed : moved;
    return 0;
}

static int disk_plain(void *context, levin_file *handle)
{
    (void)handle;
    return disk_begin(context);
}
static int disk_with_bytes(void *context, levin_file *handle, uint64_t bytes)
{
    (void)handle, (void)bytes;
    return disk_begin(context);
}
static int disk_size(void *context, levin_file *handle, uint64_t *bytes)
{
    (void)handle;
    *bytes = ((disk *)context)->size;
    return disk_begin(context);
}
static int disk_rename(void *context, const char *from, const char *to)
{
    (void)from, (void)to;
    return disk_begin(context);
}
static int disk_path(void *context, const char *path)
{
    disk *d = context;
    strncpy(d->last_path, path, sizeof d->last_path - 1);
    return disk_begin(d);
}

static disk the_disk;
static levin_io the_io;
static file the_file;
static levin_error error;

static void begin(void)
{
    memset(&the_disk, 0, sizeof the_disk);
    the_io = (levin_io){ .version = LEVIN_IO_VERSION, .context = &the_disk, .open = disk_open, .close = disk_close,
                         .read_at = disk_read_at, .write_at = disk_write_at, .sync = disk_plain,
                         .truncate = disk_with_bytes, .preallocate = disk_with_bytes, .size = disk_size,
                         .rename = disk_rename, .unlink = disk_path, .sync_dir = disk_path };
    ck_assert_int_eq(file_open(&the_file, &the_io, "some/where", "log-1", LEVIN_FILE_WAL, LEVIN_IO_WRITE, &error), 0);
    the_disk.calls = 0;
}

static void require_error(levin_code code, int os_error, uint64_t offset)
{
    ck_assert_int_eq(error.code, code);
    ck_assert_int_eq(error.os_error, os_error);
    ck_assert_str_eq(error.file, "log-1");
    ck_assert_uint_eq(error.offset, offset);
}

START_TEST(file__short_reads_and_interrupts_are_completed)
{
    begin();
    uint8_t buffer[5000];
    for (size_t i = 0; i < DISK_BYTES; i++)
        the_disk.bytes[i] = (uint8_t)(i * 31 >> 3);
    the_disk.size = 40000;
    the_disk.count_max = 700;
    the_disk.random_counts = true;
    the_disk.interrupt_one_in = 3;
    the_disk.seed = 11;
    for (int round = 0; round < 300; round++) {
        size_t bytes = (size_t)rand_r(&the_disk.seed) % sizeof buffer, done = 99999;
        uint64_t offset = (uint64_t)rand_r(&the_disk.seed) % 42000;
        size_t expected = offset >= 40000 ? 0 : 40000 - offset < bytes ? 40000 - (size_t)offset : bytes;
        memset(buffer, 0xcc, sizeof buffer);
        ck_assert_int_eq(file_read(&the_file, buffer, bytes, offset, &done, &error), LEVIN_OK);
        ck_assert_uint_eq(done, expected);
        ck_assert_mem_eq(buffer, the_disk.bytes + offset, expected);
        for (size_t i = done; i < sizeof buffer; i++)
            ck_assert_uint_eq(buffer[i], 0xcc);
    }
}
END_TEST

START_TEST(file__short_writes_of_any_number_of_parts_are_completed)
{
    static uint8_t source[DISK_BYTES];
    static levin_slice parts[300];
    for (size_t i = 0; i < DISK_BYTES; i++)
        source[i] = (uint8_t)(i * 131 >> 4 | 1);
    for (unsigned round = 0; round < 200; round++) {
        begin();
        the_disk.seed = 100 + round;
        the_disk.count_max = round % 4 ? 1000 : 0;
        the_disk.random_counts = round % 2;
        the_disk.interrupt_one_in = round % 3 ? 4 : 0;
        size_t count = (size_t)rand_r(&the_disk.seed) % 300, total = 0;
        for (size_t i = 0; i < count; i++) { /* empty parts among them, several in a row and at both ends */
            size_t bytes = rand_r(&the_disk.seed) % 3 ? (size_t)rand_r(&the_disk.seed) % 200 : 0;
            parts[i] = (levin_slice){ bytes ? source + total : NULL, bytes };
            total += bytes;
        }
        uint64_t offset = (uint64_t)rand_r(&the_disk.seed) % 3000, calls = 5;
        ck_assert_int_eq(file_write(&the_file, parts, count, offset, round % 5 ? &calls : NULL, &error), LEVIN_OK);
        if (round % 5)
            ck_assert_uint_eq(calls, 5 + the_disk.calls);
        for (size_t i = 0; i < DISK_BYTES; i++) {
            bool inside = i >= offset && i < offset + total;
            ck_assert_msg(the_disk.bytes[i] == (inside ? source[i - offset] : 0), "round %u, byte %zu", round, i);
        }
    }
    begin();
    ck_assert_int_eq(file_write(&the_file, NULL, 0, 0, NULL, &error), LEVIN_OK);
    ck_assert_uint_eq(the_disk.calls, 0);
}
END_TEST

START_TEST(file__a_write_of_nothing_is_an_error_and_no_loop)
{
    begin();
    uint8_t bytes[100] = { 0 };
    levin_slice part = { bytes, sizeof bytes };
    the_disk.nothing_done = true;
    ck_assert_int_eq(file_write(&the_file, &part, 1, 777, NULL, &error), LEVIN_IO);
    require_error(LEVIN_IO, EIO, 777);
    ck_assert_uint_eq(the_disk.calls, 1);
}
END_TEST

START_TEST(file__a_table_that_claims_too_much_is_not_believed)
{
    begin();
    uint8_t bytes[100] = { 0 };
    size_t done = 5;
    levin_slice part = { bytes, sizeof bytes };
    the_disk.size = 1000;
    the_disk.bytes_claimed = 101;
    ck_assert_int_eq(file_write(&the_file, &part, 1, 8, NULL, &error), LEVIN_IO);
    require_error(LEVIN_IO, EIO, 8);
    ck_assert_int_eq(file_read(&the_file, bytes, sizeof bytes, 9, &done, &error), LEVIN_IO);
    require_error(LEVIN_IO, EIO, 9);
    ck_assert_uint_eq(done, 0);
}
END_TEST

START_TEST(file__a_failure_in_the_middle_says_where)
{
    begin();
    uint8_t bytes[100] = { 0 };
    size_t done = 5;
    levin_slice parts[] = { { bytes, 50 }, { bytes + 50, 50 } };
    the_disk.count_max = 30;
    the_disk.size = 1000;
    the_disk.fail = ENOSPC;
    the_disk.fail_at_call = 3;
    uint64_t calls = 0;
    ck_assert_int_eq(file_write(&the_file, parts, 2, 500, &calls, &error), LEVIN_NO_SPACE);
    require_error(LEVIN_NO_SPACE, ENOSPC, 560);
    ck_assert_uint_eq(calls, 3);
    the_disk.calls = 0;
    the_disk.fail = EIO;
    ck_assert_int_eq(file_read(&the_file, bytes, sizeof bytes, 200, &done, &error), LEVIN_IO);
    require_error(LEVIN_IO, EIO, 260);
    ck_assert_uint_eq(done, 0);
    ck_assert_ptr_nonnull(strstr(error.message, "read of log-1 failed"));
}
END_TEST

START_TEST(file__endless_interrupts_end_in_an_error)
{
    uint8_t bytes[10] = { 0 };
    size_t done;
    uint64_t size;
    levin_slice part = { bytes, sizeof bytes };
    begin();
    the_disk.fail = EINTR;
    ck_assert_int_eq(file_read(&the_file, bytes, sizeof bytes, 0, &done, &error), LEVIN_IO);
    require_error(LEVIN_IO, EINTR, 0);
    ck_assert_int_eq(file_write(&the_file, &part, 1, 0, NULL, &error), LEVIN_IO);
    require_error(LEVIN_IO, EINTR, 0);
    ck_assert_int_eq(file_truncate(&the_file, 1, &error), LEVIN_IO);
    ck_assert_int_eq(file_preallocate(&the_file, 1, &error), LEVIN_IO);
    ck_assert_int_eq(file_size(&the_file, &size, &error), LEVIN_IO);
    ck_assert_int_eq(file_unlink(&the_io, "some/where", "x", &error), LEVIN_IO);
    file other;
    ck_assert_int_eq(file_open(&other, &the_io, "some/where", "x", LEVIN_FILE_WAL, 0, &error), LEVIN_IO);
    ck_assert_ptr_null(other.handle);
    ck_assert_uint_lt(the_disk.calls, 1000);
}
END_TEST

START_TEST(file__a_sync_is_made_once_whatever_it_returns)
{
    static const int results[] = { 0, EINTR, EIO, ENOSPC };
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        begin();
        the_disk.fail = results[i];
        levin_code code = results[i] == 0 ? LEVIN_OK : results[i] == ENOSPC ? LEVIN_NO_SPACE : LEVIN_IO;
        ck_assert_int_eq(file_sync(&the_file, &error), code);
        ck_assert_uint_eq(the_disk.calls, 1);
        if (code)
            require_error(code, results[i], 0);
        ck_assert_int_eq(file_sync_dir(&the_io, "some/where", &error), code);
        ck_assert_uint_eq(the_disk.calls, 2);
        ck_assert_int_eq(file_rename(&the_io, "some/where", "a", "b", &error), code);
        ck_assert_uint_eq(the_disk.calls, 3);
    }
}
END_TEST

START_TEST(file__interrupted_calls_are_made_again)
{
    begin();
    uint64_t size = 0;
    the_disk.size = 123;
    the_disk.seed = 5;
    the_disk.interrupt_one_in = 2;
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(file_truncate(&the_file, 1, &error), LEVIN_OK);
        ck_assert_int_eq(file_preallocate(&the_file, 1, &error), LEVIN_OK);
        ck_assert_int_eq(file_size(&the_file, &size, &error), LEVIN_OK);
        ck_assert_int_eq(file_unlink(&the_io, "some/where", "x", &error), LEVIN_OK);
    }
    ck_assert_uint_eq(size, 123);
    ck_assert_uint_gt(the_disk.calls, 250); /* the faults did fire */
}
END_TEST

START_TEST(file__failures_to_open_have_their_codes)
{
    static const struct {
        int os_error;
        unsigned flags;
        levin_code code;
    } cases[] = {
        { ENOENT, 0, LEVIN_NOT_FOUND },
        { ENOENT, LEVIN_IO_WRITE, LEVIN_NOT_FOUND },
        { ENOENT, LEVIN_IO_WRITE | LEVIN_IO_CREATE, LEVIN_IO }, /* the directory is missing */
        { EEXIST, LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, LEVIN_IO },
        { EMFILE, 0, LEVIN_IO },
        { ENOMEM, 0, LEVIN_NO_MEMORY },
        { ENOSPC, LEVIN_IO_WRITE | LEVIN_IO_CREATE, LEVIN_NO_SPACE },
        { EDQUOT, LEVIN_IO_WRITE | LEVIN_IO_CREATE, LEVIN_NO_SPACE },
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file f;
        memset(&f, 0xff, sizeof f);
        the_disk.fail = cases[i].os_error;
        ck_assert_int_eq(file_open(&f, &the_io, "some/where", "log-1", LEVIN_FILE_WAL, cases[i].flags, &error),
                         cases[i].code);
        require_error(cases[i].code, cases[i].os_error, 0);
        ck_assert_ptr_null(f.handle);
        file_close(&f);
    }
    ck_assert_uint_eq(the_disk.closes, 0);
}
END_TEST

START_TEST(file__close_and_unlink_are_harmless_on_what_is_gone)
{
    file zero = { 0 };
    file_close(&zero);
    begin();
    ck_assert_str_eq(the_disk.last_path, "some/where/log-1");
    file_close(&the_file);
    file_close(&the_file);
    ck_assert_uint_eq(the_disk.closes, 1);
    the_disk.fail = ENOENT;
    ck_assert_int_eq(file_unlink(&the_io, "some/where", "log-1", &error), LEVIN_OK);
    the_disk.fail = EACCES;
    ck_assert_int_eq(file_unlink(&the_io, "some/where", "log-1", &error), LEVIN_IO);
    require_error(LEVIN_IO, EACCES, 0);
}
END_TEST

START_TEST(file__a_path_too_long_is_invalid_and_reaches_no_table)
{
    begin();
    static char directory[FILE_PATH_MAX], path[FILE_PATH_MAX];
    file f;
    memset(directory, 'd', FILE_PATH_MAX - 6);
    ck_assert_int_eq(file_path(path, directory, "1234", &error), LEVIN_OK); /* fits to the byte */
    ck_assert_uint_eq(strlen(path), FILE_PATH_MAX - 1);
    ck_assert_int_eq(file_path(path, directory, "12345", &error), LEVIN_INVALID);
    ck_assert_int_eq(file_open(&f, &the_io, directory, "12345", LEVIN_FILE_WAL, 0, &error), LEVIN_INVALID);
    ck_assert_int_eq(file_unlink(&the_io, directory, "12345", &error), LEVIN_INVALID);
    ck_assert_int_eq(file_rename(&the_io, directory, "1", "12345", &error), LEVIN_INVALID);
    ck_assert_int_eq(file_rename(&the_io, directory, "12345", "1", &error), LEVIN_INVALID);
    ck_assert_uint_eq(the_disk.calls, 0);
    /* a name longer than the field for messages is cut there, and used whole */
    static const char name[] = "a-name-that-is-longer-than-the-field-kept-for-messages-by-far";
    ck_assert_int_eq(file_open(&f, &the_io, "d", name, LEVIN_FILE_WAL, 0, &error), LEVIN_OK);
    ck_assert_str_eq(the_disk.last_path + 2, name);
    ck_assert_uint_eq(strlen(f.name), sizeof f.name - 1);
}
END_TEST

LEVIN_TEST_MAIN("file", TEST(file__short_reads_and_interrupts_are_completed),
                TEST(file__short_writes_of_any_number_of_parts_are_completed),
                TEST(file__a_write_of_nothing_is_an_error_and_no_loop),
                TEST(file__a_table_that_claims_too_much_is_not_believed),
                TEST(file__a_failure_in_the_middle_says_where), TEST(file__endless_interrupts_end_in_an_error),
                TEST(file__a_sync_is_made_once_whatever_it_returns), TEST(file__interrupted_calls_are_made_again),
                TEST(file__failures_to_open_have_their_codes),
                TEST(file__close_and_unlink_are_harmless_on_what_is_gone),
                TEST(file__a_path_too_long_is_invalid_and_reaches_no_table))
