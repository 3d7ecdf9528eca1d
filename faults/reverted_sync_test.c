/*
 * reverted_sync_test.c - a failed sync that takes what was written since the last one along: what is read then, what a
 * power cut leaves, and what a later sync makes durable.
 */
#include "check_main.h"

#include <string.h>

#include "crash.h"
#include "reverted_sync.h"

typedef struct fixture {
    trace *t;
    simdisk *disk;
    const levin_io *io;
    levin_file *file;
} fixture;

static void put(fixture *x, uint8_t fill, size_t bytes, uint64_t offset)
{
    uint8_t buffer[8192];
    size_t done;
    memset(buffer, fill, sizeof buffer);
    ck_assert_int_eq(x->io->write_at(x->io->context, x->file, &(levin_slice){ buffer, bytes }, 1, offset, &done), 0);
}

static void begin(fixture *x)
{
    x->t = trace_create();
    x->disk = simdisk_create(NULL, x->t);
    x->io = simdisk_io(x->disk);
    ck_assert_int_eq(x->io->make_dir(x->io->context, "d"), 0);
    ck_assert_int_eq(x->io->open(x->io->context, "d/f", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &x->file), 0);
    put(x, 1, 4096, 0);
    ck_assert_int_eq(x->io->sync(x->io->context, x->file), 0);
    ck_assert_int_eq(x->io->sync_dir(x->io->context, "d"), 0);
    ck_assert_int_eq(x->io->sync_dir(x->io->context, "."), 0);
}

static void end(fixture *x)
{
    ck_assert_int_eq(x->io->close(x->io->context, x->file), 0);
    ck_assert(simdisk_destroy(x->disk, NULL));
    trace_destroy(x->t);
}

/* The file as it is read now: its size, and its bytes at two places. */
static void shows(fixture *x, uint64_t bytes, uint8_t first, uint8_t at_1024)
{
    uint8_t buffer[8192];
    uint64_t size;
    size_t done;
    ck_assert_int_eq(x->io->size(x->io->context, x->file, &size), 0);
    ck_assert_uint_eq(size, bytes);
    ck_assert_int_eq(x->io->read_at(x->io->context, x->file, buffer, sizeof buffer, 0, &done), 0);
    ck_assert_uint_eq(buffer[0], first);
    ck_assert_uint_eq(buffer[1024], at_1024);
}

/* All that a power cut may leave at the end: how many images have that byte at that place. */
static unsigned left(fixture *x, uint64_t offset, uint8_t byte, unsigned *images)
{
    crash_limits limits;
    crash_state s;
    unsigned count = 0;
    crash_limits_init(&limits);
    limits.first_point = limits.last_point = trace_length(x->t);
    crash_explorer *e = crash_open(x->t, NULL, 1, &limits, NULL);
    for (*images = 0; crash_next(e, &s); ++*images) {
        uint8_t found = 0;
        const disk_node node = disk_image_find(s.image, "d/f");
        count += node != DISK_NONE && disk_image_read(s.image, node, &found, 1, offset) == 1 && found == byte;
    }
    crash_close(e);
    return count;
}

START_TEST(reverted_sync__reads_show_what_was_synced_last)
{
    fixture x;
    unsigned images;
    begin(&x);
    put(&x, 2, 2048, 0);
    put(&x, 2, 4096, 4096);
    shows(&x, 8192, 2, 2);
    reverted_sync(x.disk, x.file, x.t, NULL);
    shows(&x, 4096, 1, 1);
    ck_assert_uint_eq(left(&x, 0, 1, &images), images); /* and no power cut brings it back */
    ck_assert_uint_eq(left(&x, 5000, 2, &images), 0);
    end(&x);
}
END_TEST

/* Where pages are clean and still there, a later write takes its page's lost bytes along; here they are gone. */
START_TEST(reverted_sync__a_later_write_takes_nothing_along)
{
    for (int reverts = 0; reverts < 2; reverts++) {
        fixture x;
        unsigned images;
        begin(&x);
        put(&x, 2, 512, 1024);
        if (reverts)
            reverted_sync(x.disk, x.file, x.t, NULL);
        else
            simdisk_fail_sync(x.disk, x.file, SIMDISK_SYNC_LOSES_PAGES);
        put(&x, 3, 512, 0);
        ck_assert_int_eq(x.io->sync(x.io->context, x.file), 0);
        shows(&x, 4096, 3, reverts ? 1 : 2);
        ck_assert_uint_eq(left(&x, 0, 3, &images), images);
        ck_assert_uint_eq(left(&x, 1024, reverts ? 1 : 2, &images), images);
        end(&x);
    }
}
END_TEST

/* A truncation or preallocation is no page: it stays. */
START_TEST(reverted_sync__changes_of_the_size_stay)
{
    fixture x;
    begin(&x);
    ck_assert_int_eq(x.io->preallocate(x.io->context, x.file, 16384), 0);
    put(&x, 2, 512, 0);
    reverted_sync(x.disk, x.file, x.t, NULL);
    shows(&x, 16384, 1, 1);
    end(&x);
}
END_TEST

LEVIN_TEST_MAIN("reverted_sync", TEST(reverted_sync__reads_show_what_was_synced_last),
                TEST(reverted_sync__a_later_write_takes_nothing_along),
                TEST(reverted_sync__changes_of_the_size_stay))
