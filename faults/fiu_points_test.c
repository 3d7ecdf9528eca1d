/*
 * fiu_points_test.c - the points under their names in libfiu: fiu_enable() on a name makes exactly those calls fail.
 */
#include "check_main.h"

#include <errno.h>
#include <fiu-control.h>

#include "fault_io.h"
#include "fiu_points.h"
#include "simdisk.h"

START_TEST(fiu_points__fiu_enable_fails_the_calls_of_that_name)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    fault_io *f = fault_io_create(simdisk_io(disk));
    const levin_io *io = fault_io_table(f);
    levin_file *wal, *pages;
    ck_assert_int_eq(fiu_points_open(), 0);
    fault_io_set_point_hook(f, fiu_points_hook);
    ck_assert_int_eq(io->open(io->context, "wal", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &wal), 0);
    ck_assert_int_eq(io->open(io->context, "pages", LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &pages), 0);
    ck_assert_int_eq(fiu_enable("levin/io/wal/sync", 1, (void *)(intptr_t)ENOSPC, 0), 0);
    ck_assert_int_eq(io->sync(io->context, wal), ENOSPC);
    ck_assert_int_eq(io->sync(io->context, wal), ENOSPC);
    ck_assert_int_eq(io->sync(io->context, pages), 0);
    ck_assert_int_eq(fiu_disable("levin/io/wal/sync"), 0);
    ck_assert_int_eq(io->sync(io->context, wal), 0);
    ck_assert_int_eq(fiu_points_enable("levin/io/*", 0, true), 0); /* a wildcard, once, EIO by default */
    ck_assert_int_eq(io->sync(io->context, pages), EIO);
    ck_assert_int_eq(io->sync(io->context, pages), 0);
    ck_assert_int_eq(fiu_points_disable("levin/io/*"), 0);
    ck_assert_int_eq(fiu_points_enable("levin/mem/alloc", 0, false), 0);
    ck_assert_ptr_null(io->alloc(io->context, 10, 16));
    ck_assert_int_eq(fiu_points_disable("levin/mem/alloc"), 0);
    ck_assert_uint_eq(fault_io_hook_fired(f), 4);
    ck_assert_int_ne(fiu_points_disable("levin/io/never/enabled"), 0);
    io->close(io->context, wal);
    io->close(io->context, pages);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

START_TEST(fiu_points__a_disk_without_the_hook_does_not_ask)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    fault_io *f = fault_io_create(simdisk_io(disk));
    const levin_io *io = fault_io_table(f);
    ck_assert_int_eq(fiu_points_open(), 0);
    ck_assert_int_eq(fiu_points_enable("levin/mem/alloc", 0, false), 0);
    void *memory = io->alloc(io->context, 10, 16);
    ck_assert_ptr_nonnull(memory);
    io->free(io->context, memory, 10);
    ck_assert_int_eq(fiu_points_disable("levin/mem/alloc"), 0);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("fiu_points", TEST(fiu_points__fiu_enable_fails_the_calls_of_that_name),
                TEST(fiu_points__a_disk_without_the_hook_does_not_ask))
