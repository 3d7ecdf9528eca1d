/*
 * recover_misread_test.c - one read of a recovery goes wrong, once: a bit that it returns is not what the disk holds.
 *
 * Invariants checked, for every read and bits of it from its beginning to its end: the store opens or LEVIN_CORRUPT is
 * told; nothing that was durable is lost by it: opened again, with every read right, it holds all.  Recovery writes
 * segments anew that may be in the page cache only, and must not write down what a read got wrong, nor take a value, a
 * log or a meta page for torn that is whole.
 */
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/disk_image.h"
#include "../faults/simdisk.h"
#include "io.h"
#include "levin.h"
#include "page_format.h"

enum { BATCHES = 30, BITS = 6, LONG_BYTES = 300000 };

static levin_io io;
static const levin_io *inner;
static unsigned reads, wrong_read, wrong_bit; /* wrong_read 0: none */
static simdisk *written;       /* the store that is being written */
static levin_file *pages;      /* its page file */
static disk_image *at_meta;    /* as it was when its newest meta page had just been written */
static size_t threshold_bytes; /* of the value log */

static int open_noticing(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    int failed = inner->open(context, path, kind, flags, file);
    if (!failed && kind == LEVIN_FILE_PAGES)
        pages = *file;
    return failed;
}

static int write_noticing(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                          size_t *done)
{
    int failed = inner->write_at(context, file, parts, count, offset, done);
    if (written && !failed && file == pages && offset < (uint64_t)2 * META_SLOT_BYTES) {
        disk_image_unref(at_meta);
        at_meta = simdisk_image(written);
    }
    return failed;
}

static int read_wrongly(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    int failed = inner->read_at(context, file, buffer, bytes, offset, done);
    if (!failed && *done && ++reads == wrong_read) {
        const size_t at = wrong_bit < 2 ? 60 % *done : (*done - 1) * (wrong_bit - 2) / (BITS - 3);
        ((uint8_t *)buffer)[at] ^= (uint8_t)(1u << wrong_bit);
    }
    return failed;
}

static levin_code store_open(simdisk *disk, unsigned nth, levin **db)
{
    levin_options o;
    inner = simdisk_io(disk);
    io = *inner;
    io.read_at = read_wrongly;
    io.open = open_noticing;
    io.write_at = write_noticing;
    reads = 0;
    wrong_read = nth;
    levin_options_init(&o);
    o.io = &io;
    o.background = LEVIN_BACKGROUND_NONE;
    o.page_bytes = 4096;
    o.wal_segment_bytes = 256 << 10;
    o.value_log_threshold_bytes = threshold_bytes;
    return levin_open("s", &o, db, NULL);
}

static void write_all(levin *db)
{
    static char value[LONG_BYTES / 100];
    levin_batch *batch;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    for (unsigned n = 0; n < BATCHES; n++) {
        levin_batch_clear(batch);
        for (unsigned i = 0; i < (n % 10 == 5 ? 100 : 2); i++) { /* one of ten is longer than a window of the reader */
            char key[16];
            const int bytes = snprintf(key, sizeof key, "%02u-%03u", n, i);
            const size_t value_bytes = n % 10 == 5 ? sizeof value : n;
            ck_assert_int_eq(levin_batch_put(batch, key, (size_t)bytes, value, value_bytes), LEVIN_OK);
        }
        ck_assert_int_eq(levin_write(db, batch, LEVIN_SYNCED), LEVIN_OK);
        if (n == 12)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    levin_batch_destroy(batch);
}

static bool remember(void *context, const levin_error *fault)
{
    *(levin_error *)context = *fault;
    return false;
}

static unsigned keys_of(levin *db)
{
    levin_iter *it;
    unsigned keys = 0;
    ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        keys++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    return keys;
}

/* Every read of an open of that image goes wrong, one after the other. */
static void misread_all(const disk_image *image, unsigned keys, unsigned *told)
{
    levin *db = NULL;
    unsigned last = 1;
    for (unsigned nth = 1; nth <= last; nth++)
        for (wrong_bit = 0; wrong_bit < BITS; wrong_bit++) {
            simdisk *disk = simdisk_create(image, NULL);
            levin_code code = store_open(disk, nth, &db);
            last = reads > last ? reads : last;
            const bool told_so = code == LEVIN_CORRUPT || code == LEVIN_VERSION_UNKNOWN;
            ck_assert_msg(code == LEVIN_OK || told_so, "read %u: %s", nth, levin_code_name(code));
            *told += code != LEVIN_OK;
            if (code == LEVIN_OK)
                ck_assert_int_eq(levin_close(db), LEVIN_OK);
            code = store_open(disk, 0, &db);
            ck_assert_msg(code == LEVIN_OK, "read %u, bit %u: opened again: %s", nth, wrong_bit,
                          levin_code_name(code));
            ck_assert_msg(keys_of(db) == keys, "read %u, bit %u: %u keys of %u", nth, wrong_bit, keys_of(db), keys);
            levin_error fault = { 0 };
            code = levin_check(db, remember, &fault, NULL);
            ck_assert_msg(code == LEVIN_OK, "read %u, bit %u: check: %s", nth, wrong_bit, fault.message);
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            ck_assert(simdisk_destroy(disk, NULL));
        }
    ck_assert_uint_gt(last, 5);
}

static void misread(void)
{
    levin *db = NULL;
    simdisk *first = simdisk_create(NULL, NULL);
    unsigned told = 0;
    written = first;
    ck_assert_int_eq(store_open(first, 0, &db), LEVIN_OK);
    write_all(db);
    const unsigned keys = keys_of(db);
    disk_image *image = simdisk_image(first); /* as it is left by the end of the process */
    /* the meta page of a checkpoint that nothing but itself tells of */
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    disk_image *meta = at_meta;
    at_meta = NULL;
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(first, NULL));
    written = NULL;
    disk_image_unref(at_meta);
    at_meta = NULL;
    misread_all(image, keys, &told);
    ck_assert_uint_gt(told, 10);
    misread_all(meta, keys, &told);
    disk_image_unref(image);
    disk_image_unref(meta);
}

START_TEST(recover__a_read_that_goes_wrong_once_does_no_lasting_harm)
{
    threshold_bytes = 0;
    misread();
}
END_TEST

START_TEST(recover__nor_does_one_of_the_value_log)
{
    threshold_bytes = 20;
    misread();
}
END_TEST

LEVIN_TEST_MAIN("recover_misread", TEST(recover__a_read_that_goes_wrong_once_does_no_lasting_harm),
                TEST(recover__nor_does_one_of_the_value_log))
