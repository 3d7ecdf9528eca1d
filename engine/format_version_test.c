/*
 * format_version_test.c - a store of a format that this library does not know is refused, and stays as it is.
 *
 * Invariants checked: a version above the known one, behind a right checksum, in either meta page or in the header of
 * any log segment that is read, gives LEVIN_VERSION_UNKNOWN to a reader and to a writer, with a message that names the
 * file, the version found and the newest known; nothing on the disk has changed after that.  The simulated disk.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "checksum.h"
#include "page_format.h"
#include "wal_format.h"

#define DIRECTORY "db"
#define VERSION_OF_TOMORROW 0x00010002u /* no version will have it */

static levin_options small_options(const levin_io *io, bool read_only)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.wal_segment_bytes = 8 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.read_only = read_only;
    o.io = io;
    return o;
}

/* A store after two checkpoints, with a log of several segments, closed cleanly or not. */
static disk_image *make_store(bool clean)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o = small_options(simdisk_io(disk), false);
    levin *store;
    char key[32];
    ck_assert_int_eq(levin_open(DIRECTORY, &o, &store, NULL), LEVIN_OK);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key%d", i);
        ck_assert_int_eq(levin_put(store, key, strlen(key), "value", 5, LEVIN_SYNCED), LEVIN_OK);
        if (i == 2 || i == 5)
            ck_assert_int_eq(levin_checkpoint(store), LEVIN_OK);
    }
    disk_image *image = clean ? NULL : simdisk_image(disk);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    image = image ? image : simdisk_image(disk);
    ck_assert(simdisk_destroy(disk, NULL));
    return image;
}

/* All but the bytes of the lock file, where readers have their slots. */
static uint64_t digest_of(const disk_image *image)
{
    disk_image *copy = disk_image_fork(image);
    disk_image_resize(copy, disk_image_find(copy, DIRECTORY "/lock"), 0);
    uint64_t digest = disk_image_digest(copy);
    disk_image_unref(copy);
    return digest;
}

static void expect_refused(const disk_image *image, bool read_only, const char *file)
{
    simdisk *disk = simdisk_create(image, NULL);
    levin_options o = small_options(simdisk_io(disk), read_only);
    levin *store;
    levin_error error = { 0 };
    ck_assert_int_eq(levin_open(DIRECTORY, &o, &store, &error), LEVIN_VERSION_UNKNOWN);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(error.code, LEVIN_VERSION_UNKNOWN);
    ck_assert_str_eq(error.file, file);
    ck_assert_msg(strstr(error.message, "version 65538") && strstr(error.message, "knows"), "\"%s\"", error.message);
    disk_image *after = simdisk_image(disk);
    ck_assert_uint_eq(digest_of(after), digest_of(image));
    disk_image_unref(after);
    ck_assert(simdisk_destroy(disk, NULL));
}

/* The file with another version at `at` of the block of bytes that the checksum at `start` covers. */
static disk_image *with_version(const disk_image *image, const char *path, uint64_t start, size_t bytes, size_t at,
                                uint64_t seed)
{
    uint8_t block[512]; /* as large as both are */
    ck_assert_uint_le(bytes, sizeof block);
    disk_image *changed = disk_image_fork(image);
    disk_node node = disk_image_find(changed, path);
    ck_assert_uint_eq(disk_image_read(changed, node, block, bytes, start), bytes);
    ck_assert_uint_eq(load_u64(block), checksum(block + 8, bytes - 8, seed)); /* this is how it is checked */
    store_u32(block + at, VERSION_OF_TOMORROW);
    store_u64(block, checksum(block + 8, bytes - 8, seed));
    disk_image_write(changed, node, block, bytes, start);
    return changed;
}

START_TEST(format__a_newer_meta_page_is_refused_and_kept)
{
    for (int form = 0; form < 4; form++) {
        disk_image *image = make_store(form & 1);
        unsigned slot = (unsigned)form / 2;
        disk_image *changed = with_version(image, DIRECTORY "/" PAGE_FILE_NAME, slot * META_SLOT_BYTES, META_BYTES,
                                           META_VERSION, checksum_seed(0, PLACE_META, slot));
        expect_refused(changed, true, PAGE_FILE_NAME);
        expect_refused(changed, false, PAGE_FILE_NAME);
        disk_image_unref(changed);
        disk_image_unref(image);
    }
}
END_TEST

typedef struct segments {
    const disk_image *image;
    unsigned tried;
} segments;

static int segment_entry(void *context, const char *name, disk_node node)
{
    segments *s = context;
    unsigned long long number;
    char path[64];
    uint8_t header[WAL_SEGMENT_HEADER_BYTES];
    if (sscanf(name, WAL_NAME_FORMAT, &number) != 1)
        return 0;
    ck_assert_uint_eq(disk_image_read(s->image, node, header, sizeof header, 0), sizeof header);
    if (load_u64(header + WAL_SEGMENT_NUMBER) != number) /* a spare, which nobody reads */
        return 0;
    snprintf(path, sizeof path, DIRECTORY "/%s", name);
    disk_image *changed = with_version(s->image, path, 0, WAL_SEGMENT_HEADER_BYTES, WAL_SEGMENT_VERSION,
                                       checksum_seed(0, PLACE_WAL_SEGMENT, number));
    expect_refused(changed, true, name);
    expect_refused(changed, false, name);
    disk_image_unref(changed);
    s->tried++;
    return 0;
}

START_TEST(format__a_newer_log_segment_is_refused_and_kept)
{
    for (int clean = 0; clean < 2; clean++) {
        segments s = { .image = make_store(clean) };
        disk_image_list(s.image, disk_image_find(s.image, DIRECTORY), segment_entry, &s);
        ck_assert_uint_ge(s.tried, 3);
        disk_image_unref(s.image);
    }
}
END_TEST

LEVIN_TEST_MAIN("format_version", TEST(format__a_newer_meta_page_is_refused_and_kept),
                TEST(format__a_newer_log_segment_is_refused_and_kept))
