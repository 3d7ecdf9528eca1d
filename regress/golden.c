/*
 * golden.c - the recipes of the golden stores.
 *
 * Each feature of the format has a store that needs it.  A new feature of a new version: another recipe here, and
 * `regress/golden/make.sh VERSION` in the same commit; stores that are there are never made again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "golden.h"

typedef struct kitchen {
    simdisk *disk;
    levin *store;
    golden_list list;
} kitchen;

levin_options golden_options(const struct levin_io *io)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 64 * 4096;
    o.row_cache_bytes = 0;
    o.memtable_bytes = 256 << 10;
    o.wal_segment_bytes = 8 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.io = io;
    return o;
}

static void expect(levin_code code, const char *what)
{
    if (code != LEVIN_OK)
        fatal("golden: %s: %s", what, levin_code_name(code));
}

static void kitchen_open(kitchen *k)
{
    levin_options o = golden_options(simdisk_io(k->disk));
    levin_error error = { 0 };
    if (levin_open(GOLDEN_STORE, &o, &k->store, &error) != LEVIN_OK)
        fatal("golden: %s", error.message);
}

/* Values are of a stream of their own, so that each key and turn has its value. */
static void put(kitchen *k, levin_batch *batch, const char *key, size_t bytes, uint64_t turn)
{
    uint8_t *value = fatal_alloc(bytes + 1);
    random_stream r = random_open(turn, bytes);
    random_fill(&r, value, bytes);
    expect(levin_batch_put(batch, key, strlen(key), value, bytes), "put");
    golden_list_put(&k->list, key, value, bytes);
    free(value);
}

static void commit(kitchen *k, levin_batch *batch, levin_durability durability)
{
    expect(levin_write(k->store, batch, durability), "write");
    levin_batch_clear(batch);
}

/* count keys "PREFIXnnnn", every step-th, ten to a batch, with values of some 20 bytes. */
static void put_many(kitchen *k, const char *prefix, unsigned count, unsigned step, uint64_t turn)
{
    levin_batch *batch;
    char key[64];
    expect(levin_batch_create(k->store, &batch), "batch");
    for (unsigned i = 0; i < count; i += step) {
        snprintf(key, sizeof key, "%s%04u", prefix, i);
        put(k, batch, key, i % 40, turn * 1000 + i);
        if (levin_batch_count(batch) == 10)
            commit(k, batch, LEVIN_SYNCED);
    }
    commit(k, batch, LEVIN_SYNCED);
    levin_batch_destroy(batch);
}

static void delete_many(kitchen *k, const char *prefix, unsigned from, unsigned to)
{
    char key[64];
    for (unsigned i = from; i < to; i++) {
        snprintf(key, sizeof key, "%s%04u", prefix, i);
        expect(levin_delete(k->store, key, strlen(key), LEVIN_LOGGED), "delete");
        golden_list_delete(&k->list, key);
    }
    expect(levin_sync(k->store), "sync");
}

static void close_store(kitchen *k)
{
    expect(levin_close(k->store), "close");
    k->store = NULL;
}

/* ---- recipes ---- */

static disk_image *make_empty(kitchen *k)
{
    kitchen_open(k);
    close_store(k);
    return simdisk_image(k->disk);
}

/* Three checkpoints over several leaves, pages freed, and a log that goes on after the last. */
static disk_image *make_clean(kitchen *k)
{
    kitchen_open(k);
    put_many(k, "key", 300, 1, 1);
    expect(levin_checkpoint(k->store), "checkpoint");
    put_many(k, "key", 300, 7, 2);
    delete_many(k, "key", 100, 220);
    expect(levin_checkpoint(k->store), "checkpoint");
    put_many(k, "other", 30, 1, 3);
    expect(levin_checkpoint(k->store), "checkpoint");
    put_many(k, "key", 300, 29, 4);
    delete_many(k, "other", 5, 10);
    close_store(k);
    return simdisk_image(k->disk);
}

/* Values from just inside a page to several pages, in extents and in the log. */
static disk_image *make_large(kitchen *k)
{
    static const unsigned sizes[] = { 0, 1, 1000, 2000, 4000, 4096, 4097, 9000 };
    levin_batch *batch;
    char key[64];
    kitchen_open(k);
    expect(levin_batch_create(k->store, &batch), "batch");
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            snprintf(key, sizeof key, "large-%u-%u", turn, sizes[i]);
            put(k, batch, key, sizes[i], 10 + turn);
            commit(k, batch, LEVIN_SYNCED);
        }
        if (turn == 0)
            expect(levin_checkpoint(k->store), "checkpoint");
    }
    levin_batch_destroy(batch);
    close_store(k);
    return simdisk_image(k->disk);
}

typedef struct difference {
    const disk_image *before, *after;
    disk_image *torn;
    disk_node before_directory;
    unsigned cuts;
} difference;

/* Zeroes the last sector that differs in a file: a group's end that did not reach the device. */
static int tear(void *context, const char *name, disk_node node)
{
    difference *d = context;
    disk_node old = disk_image_lookup(d->before, d->before_directory, name);
    uint8_t a[DISK_SECTOR_BYTES], b[DISK_SECTOR_BYTES];
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    for (uint64_t at = disk_image_size(d->after, node); at >= sizeof a; at -= sizeof a) {
        memset(a, 0, sizeof a);
        if (old != DISK_NONE)
            (void)disk_image_read(d->before, old, a, sizeof a, at - sizeof a);
        (void)disk_image_read(d->after, node, b, sizeof b, at - sizeof b);
        if (memcmp(a, b, sizeof a) == 0)
            continue;
        disk_image_write(d->torn, node, zeros, sizeof zeros, at - sizeof zeros);
        d->cuts++;
        break;
    }
    return 0;
}

/* The process dies with a log of several segments after a checkpoint, in the middle of writing a group. */
static disk_image *make_crashed(kitchen *k)
{
    kitchen_open(k);
    put_many(k, "key", 120, 1, 20);
    expect(levin_checkpoint(k->store), "checkpoint");
    put_many(k, "key", 200, 3, 21);
    delete_many(k, "key", 20, 30);
    disk_image *before = simdisk_image(k->disk);
    uint8_t lost[2000];
    memset(lost, 'x', sizeof lost);
    expect(levin_put(k->store, "torn", 4, lost, sizeof lost, LEVIN_LOGGED), "put");
    disk_image *after = simdisk_image(k->disk);
    difference d = { before, after, disk_image_fork(after), disk_image_find(before, GOLDEN_STORE), 0 };
    disk_image_list(after, disk_image_find(after, GOLDEN_STORE), tear, &d);
    if (d.cuts != 1)
        fatal("golden: the last group changed %u files", d.cuts);
    disk_image_unref(before);
    disk_image_unref(after);
    close_store(k);
    return d.torn;
}

static const struct {
    const char *name;
    disk_image *(*make)(kitchen *k);
} recipes[] = {
    { "empty", make_empty },
    { "clean", make_clean },
    { "large", make_large },
    { "crashed", make_crashed },
};

static bool make_one(size_t recipe, const char *directory)
{
    char path[512], list[600];
    kitchen k = { .disk = simdisk_create(NULL, NULL) };
    simdisk_seed(k.disk, recipe + 1);
    disk_image *image = recipes[recipe].make(&k);
    snprintf(path, sizeof path, "%s/%s", directory, recipes[recipe].name);
    snprintf(list, sizeof list, "%s/expected.txt", path);
    int failed = mkdir(path, 0777) ? errno : 0;
    bool there = failed == EEXIST;
    if (!failed)
        failed = disk_image_export(image, path);
    if (!failed && !golden_list_save(&k.list, list))
        failed = EIO;
    if (failed && !there)
        fprintf(stderr, "golden: %s: %s\n", path, strerror(failed));
    else
        printf("%s: %s\n", path, there ? "there already, left alone" : "made");
    disk_image_unref(image);
    golden_list_fini(&k.list);
    return simdisk_destroy(k.disk, NULL) && (!failed || there);
}

bool golden_make(const char *directory)
{
    bool good = true;
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0] && good; i++)
        good = make_one(i, directory);
    return good;
}
