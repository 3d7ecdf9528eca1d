/*
 * damage_test.c - each operation changes what it names and nothing else; the judge lets a log end early exactly where
 * nothing proves the damaged piece; the oracle takes LEVIN_CORRUPT for an answer only when it is told to, and no wrong
 * answer beside it.
 */
#include "damage.h"

#include <string.h>

#include "check_main.h"
#include "damage_judge.h"
#include "oracle.h"
#include "simdisk.h"

enum { FILE_BYTES = 3 * DISK_BLOCK_BYTES + 100 };

static disk_image *two_files(disk_node nodes[2])
{
    disk_image *image = disk_image_create();
    uint8_t bytes[FILE_BYTES];
    for (unsigned n = 0; n < 2; n++) {
        nodes[n] = disk_image_next_node(image);
        disk_image_add(image, nodes[n], false);
        disk_image_link(image, DISK_ROOT, n ? "b" : "a", nodes[n]);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(1 + i / DISK_SECTOR_BYTES * 7 + n);
        disk_image_write(image, nodes[n], bytes, sizeof bytes, 0);
    }
    return image;
}

/* Bytes of a that differ between the two images, as [first, end). */
static void changed(const disk_image *x, const disk_image *y, disk_node node, size_t *first, size_t *end)
{
    uint8_t a[FILE_BYTES + 1] = { 0 }, b[FILE_BYTES + 1] = { 0 };
    disk_image_read(x, node, a, sizeof a, 0);
    disk_image_read(y, node, b, sizeof b, 0);
    *first = *end = 0;
    for (size_t i = 0; i < sizeof a; i++)
        if (a[i] != b[i]) {
            *first = *end ? *first : i;
            *end = i + 1;
        }
}

START_TEST(damage__changes_what_it_names)
{
    static const struct {
        damage d;
        size_t first, end;
    } cases[] = {
        { { .operation = DAMAGE_FLIP, .offset = 700, .parameter = 3 }, 700, 701 },
        { { .operation = DAMAGE_BYTE, .offset = 12, .parameter = 0xee }, 12, 13 },
        { { .operation = DAMAGE_ZERO, .offset = 512, .length = 512 }, 512, 1024 },
        { { .operation = DAMAGE_ONES, .offset = FILE_BYTES - 5, .length = 512 }, FILE_BYTES - 5, FILE_BYTES },
        { { .operation = DAMAGE_SECTOR, .offset = 1030, .length = 5 }, 1024, 1536 },
        { { .operation = DAMAGE_BLOCK, .offset = 5000, .length = 2 }, 4096, 8192 },
        { { .operation = DAMAGE_STALE, .offset = 100, .length = 50 }, 100, 150 },
        { { .operation = DAMAGE_CUT, .offset = 9000 }, 9000, FILE_BYTES },
    };
    disk_node nodes[2];
    disk_image *whole = two_files(nodes), *older = two_files(nodes);
    uint8_t old[FILE_BYTES];
    memset(old, 0xaa, sizeof old);
    disk_image_write(older, nodes[0], old, sizeof old, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first, end;
        disk_image *image = disk_image_fork(whole);
        damage d = cases[i].d;
        d.directory = DISK_ROOT;
        d.name = "a";
        d.older = older;
        d.older_node = nodes[0];
        damage_do(image, &d);
        changed(whole, image, nodes[0], &first, &end);
        ck_assert_msg(first == cases[i].first && end == cases[i].end, "case %zu: %zu to %zu", i, first, end);
        changed(whole, image, nodes[1], &first, &end);
        ck_assert_uint_eq(end, 0);
        disk_image_unref(image);
    }
    disk_image_unref(whole);
    disk_image_unref(older);
}
END_TEST

START_TEST(damage__of_names)
{
    disk_node nodes[2];
    disk_image *image = two_files(nodes);
    damage d = { .operation = DAMAGE_SWAP, .directory = DISK_ROOT, .name = "a", .other = "b" };
    damage_do(image, &d);
    ck_assert_uint_eq(disk_image_lookup(image, DISK_ROOT, "a"), nodes[1]);
    ck_assert_uint_eq(disk_image_lookup(image, DISK_ROOT, "b"), nodes[0]);
    d.operation = DAMAGE_LOST;
    damage_do(image, &d);
    ck_assert_uint_eq(disk_image_lookup(image, DISK_ROOT, "a"), DISK_NONE);
    disk_image_unref(image);
}
END_TEST

/* ---- the judge -------------------------------------------------------------------------------------------- */

static levin_file *create(const levin_io *io, const char *path, levin_file_kind kind)
{
    levin_file *file = NULL;
    ck_assert_int_eq(io->open(io->context, path, kind, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    return file;
}

static void write_sector(const levin_io *io, levin_file *file, uint64_t number)
{
    uint8_t bytes[DISK_SECTOR_BYTES];
    size_t done;
    memset(bytes, (int)(number + 1), sizeof bytes);
    const levin_slice part = { bytes, sizeof bytes };
    ck_assert_int_eq(io->write_at(io->context, file, &part, 1, number * DISK_SECTOR_BYTES, &done), 0);
}

typedef struct judged {
    size_t cuts;
    uint64_t times[8];
} judged;

/*
 * A log of four groups behind a header, the last unsynced; and a value, written between the second and the third.
 * trace: 0 make_dir 1 create 2 header 3 group 1, 4 sync, 5 group 2, 6 sync, 7 create vlog 8 its header 9 value
 * 10 its sync 11 group 3, 12 sync 13 group 4
 */
static judged judge(damage_operation operation, const char *name, uint64_t sector, uint32_t sectors)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    const levin_io *io = simdisk_io(disk);
    ck_assert_int_eq(io->make_dir(io->context, "db"), 0);
    levin_file *log = create(io, "db/wal-0000000000000001", LEVIN_FILE_WAL);
    write_sector(io, log, 0);
    for (uint64_t group = 1; group <= 2; group++) {
        write_sector(io, log, group);
        ck_assert_int_eq(io->sync(io->context, log), 0);
    }
    levin_file *values = create(io, "db/vlog-0000000000000001", LEVIN_FILE_VLOG);
    write_sector(io, values, 0);
    write_sector(io, values, 1);
    ck_assert_int_eq(io->sync(io->context, values), 0);
    write_sector(io, log, 3);
    ck_assert_int_eq(io->sync(io->context, log), 0);
    write_sector(io, log, 4);
    io->close(io->context, log);
    io->close(io->context, values);

    const disk_image *image = simdisk_image(disk);
    const disk_node directory = disk_image_find(image, "db");
    damage_judge *j = damage_judge_create(t, trace_length(t), image, directory);
    ck_assert_uint_eq(damage_judge_pieces(j), 5);
    disk_image *damaged = disk_image_fork(image);
    const damage d = { .operation = operation, .directory = directory, .name = name,
                       .offset = sector * DISK_SECTOR_BYTES, .length = sectors * DISK_SECTOR_BYTES };
    damage_do(damaged, &d);
    judged result;
    result.cuts = damage_judge_cuts(j, damaged, result.times);
    damage_judge_destroy(j);
    disk_image_unref(damaged);
    disk_image_unref(image);
    simdisk_destroy(disk, NULL);
    trace_destroy(t);
    return result;
}

START_TEST(judge__a_log_ends_early_only_where_nothing_proves_more)
{
    static const char log[] = "wal-0000000000000001", values[] = "vlog-0000000000000001";
    for (uint64_t proven = 0; proven <= 3; proven++) /* the header, and what a later group says was durable */
        ck_assert_uint_eq(judge(DAMAGE_ZERO, log, proven, 1).cuts, proven == 0);
    judged j = judge(DAMAGE_ZERO, log, 4, 1);
    ck_assert_uint_eq(j.cuts, 1);
    ck_assert_uint_eq(j.times[0], 13);
    j = judge(DAMAGE_CUT, log, 2, 0); /* all from the second group on: each may be the first that is missed */
    ck_assert_uint_eq(j.cuts, 3);
    ck_assert_uint_eq(j.times[0], 5);
    ck_assert_uint_eq(j.times[2], 13);
    ck_assert_uint_eq(judge(DAMAGE_ZERO, log, 2, 2).cuts, 0); /* the last group proves both */
    ck_assert_uint_eq(judge(DAMAGE_ZERO, values, 1, 1).cuts, 0);
    ck_assert_uint_eq(judge(DAMAGE_ZERO, values, 0, 1).cuts, 0);
}
END_TEST

/* ---- the oracle ------------------------------------------------------------------------------------------- */

static void count_corrupt(void *context, const char *call, const levin_error *error)
{
    (void)call;
    ck_assert_int_eq(error->code, LEVIN_CORRUPT);
    ++*(unsigned *)context;
}

/* A store of one leaf, flipped in the middle of its keys; opened and read. */
static bool read_damaged(const char *known, bool may_be_corrupt, unsigned *corrupt, oracle_verdict *v)
{
    levin_options options;
    levin *store;
    char key[16];
    oracle *o = oracle_create();
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options_init(&options);
    options.io = simdisk_io(disk);
    options.background = LEVIN_BACKGROUND_NONE;
    ck_assert_int_eq(levin_open("db", &options, &store, NULL), LEVIN_OK);
    for (int i = 0; i < 40; i++) {
        int n = snprintf(key, sizeof key, "key-%02d", i);
        ck_assert_int_eq(levin_put(store, key, (size_t)n, "value", 5, LEVIN_SYNCED), LEVIN_OK);
        oracle_put(o, key, (size_t)n, i == 30 ? known : "value", 5);
    }
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), 1);
    ck_assert_int_eq(levin_checkpoint(store), LEVIN_OK);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    disk_image *image = simdisk_image(disk);
    simdisk_destroy(disk, NULL);
    const disk_node pages = disk_image_find(image, "db/pages");
    uint8_t found[4];
    uint64_t at = disk_image_size(image, pages);
    do
        disk_image_read(image, pages, found, sizeof found, --at);
    while (memcmp(found, "valu", 4) != 0);
    damage d = { .operation = DAMAGE_FLIP, .directory = disk_image_find(image, "db"), .name = "pages", .offset = at };
    if (may_be_corrupt)
        damage_do(image, &d);
    disk = simdisk_create(image, NULL);
    disk_image_unref(image);
    options.io = simdisk_io(disk);
    ck_assert_int_eq(levin_open("db", &options, &store, NULL), LEVIN_OK);
    oracle_check_options with = { .points = 4, .ranges = 2, .corrupt = may_be_corrupt ? count_corrupt : NULL,
                                  .context = corrupt };
    *corrupt = 0;
    bool good = oracle_check_damaged(o, 1, store, &with, v);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    simdisk_destroy(disk, NULL);
    oracle_destroy(o);
    return good;
}

START_TEST(oracle__corrupt_is_an_answer_of_a_damaged_store)
{
    unsigned corrupt;
    oracle_verdict v;
    ck_assert_msg(read_damaged("value", false, &corrupt, &v), "%s", v.text);
    ck_assert_uint_eq(corrupt, 0);
    ck_assert_msg(read_damaged("value", true, &corrupt, &v), "%s", v.text);
    ck_assert_uint_gt(corrupt, 40); /* each key by itself, and the scans */
    ck_assert(!read_damaged("VALUE", false, &corrupt, &v));
    ck_assert_str_eq(v.promise, "EXACT");
}
END_TEST

LEVIN_TEST_MAIN("damage", TEST(damage__changes_what_it_names), TEST(damage__of_names),
                TEST(judge__a_log_ends_early_only_where_nothing_proves_more),
                TEST(oracle__corrupt_is_an_answer_of_a_damaged_store))
