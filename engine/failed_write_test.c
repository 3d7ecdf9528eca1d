/*
 * failed_write_test.c - a write of the log that is reported as failed, but has reached the file, is not there any more
 * once anything later was called durable.
 *
 * Checked for levin_sync() and for levin_checkpoint() with nothing else to write: in the files as they are then left
 * the failed batch does not come back.
 */
#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/disk_image.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

static levin_code store_open(const levin_io *io, levin **db)
{
    levin_options o;
    levin_options_init(&o);
    o.io = io;
    o.background = LEVIN_BACKGROUND_NONE;
    o.page_bytes = 4096;
    o.wal_segment_bytes = 64 << 10;
    return levin_open("s", &o, db, NULL);
}

static levin_code make_durable(levin *db, int way)
{
    return way == 0 ? levin_sync(db) : levin_checkpoint(db);
}

static void failed_then_durable(int way)
{
    char value[8];
    size_t bytes;
    levin *db;
    simdisk *disk = simdisk_create(NULL, NULL);
    fault_io *f = fault_io_create(simdisk_io(disk));
    ck_assert_int_eq(store_open(fault_io_table(f), &db), LEVIN_OK);
    const fault_rule rule = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_WRITE, .nth = 1,
                              .effect = FAULT_ERROR_AFTER, .os_error = EIO };
    fault_io_set_rules(f, &rule, 1);
    ck_assert_int_eq(levin_put(db, "failed", 6, "1", 1, LEVIN_LOGGED), LEVIN_IO);
    ck_assert_uint_eq(fault_io_fired(f, 0), 1);
    fault_io_set_rules(f, NULL, 0);
    ck_assert_int_eq(make_durable(db, way), LEVIN_OK);
    disk_image *image = simdisk_image(disk); /* of a process that ends here */
    ck_assert_int_eq(levin_get(db, NULL, "failed", 6, value, sizeof value, &bytes), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));

    disk = simdisk_create(image, NULL);
    ck_assert_int_eq(store_open(simdisk_io(disk), &db), LEVIN_OK);
    ck_assert_int_eq(levin_get(db, NULL, "failed", 6, value, sizeof value, &bytes), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(image);
}

START_TEST(failed_write__does_not_come_back_after_a_sync)
{
    failed_then_durable(0);
}
END_TEST

/* That has nothing else to write. */
START_TEST(failed_write__does_not_come_back_after_a_checkpoint)
{
    failed_then_durable(1);
}
END_TEST

LEVIN_TEST_MAIN("failed_write", TEST(failed_write__does_not_come_back_after_a_sync),
                TEST(failed_write__does_not_come_back_after_a_checkpoint))
