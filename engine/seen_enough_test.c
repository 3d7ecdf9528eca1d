/*
 * seen_enough_test.c - every file of a store is damaged at every sector, and cut off there: check, dump and repair tell
 * it, and end at once when the caller has seen enough, wherever that is.
 *
 * Invariants checked: after the visitor has said stop it is not called again; what was interrupted says so or, check,
 * that it found faults; a damage that check tells to the end it tells to a caller that stops at the first.
 */
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "full_store_test.h"
#include "levin.h"

enum { FILES_MAX = 24, FILE_BYTES_MAX = 1 << 20, STEP = 512 };

typedef struct visitor {
    uint64_t most, calls; /* most 0: no limit */
    bool stopped;
} visitor;

static bool go_on(visitor *v)
{
    ck_assert_msg(!v->stopped, "called again after it had said stop");
    v->stopped = v->most && ++v->calls >= v->most;
    return !v->stopped;
}

static bool on_fault(void *context, const levin_error *fault)
{
    ck_assert_int_eq(fault->code, LEVIN_CORRUPT);
    return go_on(context);
}

static bool on_item(void *context, const levin_dump_item *item)
{
    ck_assert_ptr_nonnull(item->kind);
    return go_on(context);
}

static bool on_loss(void *context, const levin_loss *loss)
{
    ck_assert_int_ne(loss->fault.code, LEVIN_OK);
    return go_on(context);
}

/* ---- damages: a byte, the rest of a file ---- */

typedef struct files {
    char path[FILES_MAX][64];
    unsigned count;
} files;

static int on_name(void *context, const char *name)
{
    files *f = context;
    ck_assert_uint_lt(f->count, FILES_MAX);
    if (strcmp(name, "lock") != 0)
        snprintf(f->path[f->count++], sizeof f->path[0], "s/%.60s", name);
    return 0;
}

static size_t read_all(const levin_io *io, levin_file *file, uint8_t *bytes)
{
    uint64_t size;
    size_t done = 0;
    ck_assert_int_eq(io->size(io->context, file, &size), 0);
    ck_assert_uint_le(size, FILE_BYTES_MAX);
    if (size)
        ck_assert_int_eq(io->read_at(io->context, file, bytes, (size_t)size, 0, &done), 0);
    return (size_t)size;
}

static void write_back(const levin_io *io, levin_file *file, const uint8_t *bytes, size_t size, uint64_t at)
{
    const levin_slice part = { bytes + at, size };
    size_t done;
    ck_assert_int_eq(io->write_at(io->context, file, &part, 1, at, &done), 0);
}

/* Calls look() with each damage of each file done, and mended again. */
static void each_damage(const levin_io *io, void (*look)(void *context, const char *what, uint64_t at), void *context)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    files f = { .count = 0 };
    ck_assert_int_eq(io->list(io->context, "s", on_name, &f), 0);
    ck_assert_uint_gt(f.count, 2);
    for (unsigned i = 0; i < f.count; i++) {
        levin_file *file;
        ck_assert_int_eq(io->open(io->context, f.path[i], LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &file), 0);
        const size_t size = read_all(io, file, bytes);
        for (size_t at = 0; at + STEP <= size; at += STEP) {
            const size_t hit = at + (at / STEP * 37 + 8) % STEP;
            if (bytes[hit] == 0 && at % 4096) /* few of the dead bytes */
                continue;
            bytes[hit] ^= 0x41;
            write_back(io, file, bytes, 1, hit);
            look(context, f.path[i], hit);
            bytes[hit] ^= 0x41;
            write_back(io, file, bytes, 1, hit);
            if (at % 4096)
                continue;
            ck_assert_int_eq(io->truncate(io->context, file, at + 100), 0);
            look(context, f.path[i], at + 100);
            write_back(io, file, bytes, size, 0);
        }
        ck_assert_int_eq(io->close(io->context, file), 0);
    }
}

/* ---- check: of an open store, whose files are damaged under it ---- */

static void look_check(void *context, const char *what, uint64_t at)
{
    levin *db = context;
    visitor all = { .most = 0 }, first = { .most = 1 };
    const levin_code told = levin_check(db, on_fault, &all, NULL);
    ck_assert_msg(told == LEVIN_OK || told == LEVIN_CORRUPT || told == LEVIN_VERSION_UNKNOWN,
                  "%s at %d: check gives %s", what, (int)at, levin_code_name(told));
    const levin_code stopped = levin_check(db, on_fault, &first, NULL);
    ck_assert_msg((stopped == LEVIN_OK) == (told == LEVIN_OK), "%s at %d: %s, and %s when it is stopped", what, (int)at,
                  levin_code_name(told), levin_code_name(stopped));
}

START_TEST(seen_enough__check_stops_at_the_first_fault)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    levin_options o;
    levin *db;
    full_store_options(&o, simdisk_io(disk));
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    each_damage(o.io, look_check, db);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

/* ---- dump and repair: of files that nobody has open ---- */

static void remove_target(const levin_io *io, const char *directory)
{
    files f = { .count = 0 };
    char path[80];
    if (io->list(io->context, directory, on_name, &f) != 0)
        return;
    for (unsigned i = 0; i < f.count; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, f.path[i] + 2);
        ck_assert_int_eq(io->unlink(io->context, path), 0);
    }
    snprintf(path, sizeof path, "%s/lock", directory);
    (void)io->unlink(io->context, path);
}

static void look_aside(void *context, const char *what, uint64_t at)
{
    const levin_io *io = context;
    levin_dump_options d;
    levin_repair_options r;
    levin_repair_result result;
    visitor some = { .most = 1 + at % 90 }, first = { .most = 1 }, all = { .most = 0 };
    levin_dump_options_init(&d);
    d.io = io;
    d.what = 127;
    levin_code code = levin_dump("s", &d, on_item, &all, NULL);
    ck_assert_msg(code == LEVIN_OK || code == LEVIN_CORRUPT, "%s at %d: dump gives %s", what, (int)at,
                  levin_code_name(code));
    code = levin_dump("s", &d, on_item, &some, NULL);
    ck_assert_msg(some.stopped ? code == LEVIN_INTERRUPTED : code == LEVIN_OK || code == LEVIN_CORRUPT,
                  "%s at %d: a dump stopped gives %s", what, (int)at, levin_code_name(code));
    levin_repair_options_init(&r);
    r.io = io;
    r.report = on_loss;
    r.context = &first;
    code = levin_repair("s", "t", &r, &result, NULL);
    ck_assert_msg(first.stopped ? code == LEVIN_INTERRUPTED : code == LEVIN_OK || code == LEVIN_CORRUPT ||
                                                                  code == LEVIN_VERSION_UNKNOWN,
                  "%s at %d: a repair gives %s", what, (int)at, levin_code_name(code));
    ck_assert_msg(!first.stopped || !result.made, "%s at %d: a repair stopped has made a store", what, (int)at);
    remove_target(io, "t");
    remove_target(io, "t.unfinished");
}

START_TEST(seen_enough__dump_and_repair_stop_where_they_are)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    const levin_io *io = simdisk_io(disk);
    each_damage(io, look_aside, (void *)(uintptr_t)io);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

/* A dump without damage, stopped after each number of items. */
START_TEST(seen_enough__a_dump_stops_after_any_item)
{
    const disk_image *start = full_store();
    simdisk *disk = simdisk_create(start, NULL);
    levin_dump_options d;
    visitor v = { .most = 0 };
    levin_code code = LEVIN_INTERRUPTED;
    levin_dump_options_init(&d);
    d.io = simdisk_io(disk);
    d.what = 127;
    for (uint64_t most = 1; code == LEVIN_INTERRUPTED; most++) {
        v = (visitor){ .most = most };
        code = levin_dump("s", &d, on_item, &v, NULL);
    }
    ck_assert_int_eq(code, LEVIN_OK);
    ck_assert_uint_gt(v.calls, 100);
    ck_assert(simdisk_destroy(disk, NULL));
    disk_image_unref(start);
}
END_TEST

LEVIN_TEST_MAIN("seen_enough", TEST(seen_enough__check_stops_at_the_first_fault),
                TEST(seen_enough__dump_and_repair_stop_where_they_are), TEST(seen_enough__a_dump_stops_after_any_item))
