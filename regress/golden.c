/*
 * golden.c - the recipes of the golden stores.
 *
 * Each feature of the format has a store that needs it.  A new feature of a new version: another recipe here, and
 * `regress/golden/make.sh VERSION` in the same commit; stores that are there are never made again.
 *
 * Made by these recipes and the library of an earlier revision, whose format is still read: 2/value_log_1 (value_log)
 * and 2/crashed_vlog_1 (crashed_2), with segments of version 1 of the value log, by the library before 5c595fa.
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
    o.value_log_segment_bytes = 64 << 10;
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

/* ---- version 2: named keyspaces, deletes of ranges, the value log ---- */

static void keyspace_make(kitchen *k, const char *name, levin_keyspace **ks)
{
    char key[64];
    expect(levin_keyspace_open(k->store, name, strlen(name), LEVIN_KEYSPACE_EXCLUSIVE, ks), "keyspace");
    snprintf(key, sizeof key, "@%.40s/", name);
    golden_list_put(&k->list, key, "", 0);
}

static void keyspace_drop(kitchen *k, const char *name)
{
    char lower[64], upper[64];
    expect(levin_keyspace_drop(k->store, name, strlen(name), LEVIN_SYNCED), "drop");
    snprintf(lower, sizeof lower, "@%.40s/", name);
    snprintf(upper, sizeof upper, "@%.40s0", name); /* the character after the slash */
    golden_list_delete_range(&k->list, lower, upper);
}

/* ks and its name, or NULL and "": the default one. */
static void put_in(kitchen *k, const levin_keyspace *ks, const char *name, const char *key, size_t bytes,
                   uint64_t turn)
{
    char listed[128];
    uint8_t *value = fatal_alloc(bytes + 1);
    random_stream r = random_open(turn, bytes);
    random_fill(&r, value, bytes);
    expect(levin_put_in(k->store, ks, key, strlen(key), value, bytes, LEVIN_SYNCED), "put");
    snprintf(listed, sizeof listed, ks ? "@%.40s/%s" : "%.40s%s", name, key);
    golden_list_put(&k->list, listed, value, bytes);
    free(value);
}

/* Keys "PREFIXnnnn" from..to - 1 of a keyspace, as one range. */
static void delete_range_in(kitchen *k, const levin_keyspace *ks, const char *name, const char *prefix, unsigned from,
                            unsigned to)
{
    char lower[64], upper[64], listed[2][128];
    snprintf(lower, sizeof lower, "%s%04u", prefix, from);
    snprintf(upper, sizeof upper, "%s%04u", prefix, to);
    expect(levin_delete_range_in(k->store, ks, (levin_slice){ lower, strlen(lower) },
                                 (levin_slice){ upper, strlen(upper) }, LEVIN_SYNCED),
           "delete range");
    snprintf(listed[0], sizeof listed[0], ks ? "@%.40s/%s" : "%.40s%s", name, lower);
    snprintf(listed[1], sizeof listed[1], ks ? "@%.40s/%s" : "%.40s%s", name, upper);
    golden_list_delete_range(&k->list, listed[0], listed[1]);
}

/* Keyspaces in the tree alone, in tree and log, in the log alone; an empty one; dropped ones, one made again. */
static disk_image *make_keyspaces(kitchen *k)
{
    static const char *const names[] = { "tree", "both", "dropped", "again" };
    levin_keyspace *ks[4], *late, *empty;
    char key[64];
    kitchen_open(k);
    for (unsigned n = 0; n < 4; n++) {
        keyspace_make(k, names[n], &ks[n]);
        for (unsigned i = 0; i < 40; i++) {
            snprintf(key, sizeof key, "key%04u", i);
            put_in(k, ks[n], names[n], key, (i * 7 + n) % 50, 30 + n);
        }
    }
    put_many(k, "key", 60, 1, 34);
    expect(levin_checkpoint(k->store), "checkpoint");
    keyspace_drop(k, "dropped");
    keyspace_drop(k, "again");
    expect(levin_checkpoint(k->store), "checkpoint");
    levin_keyspace_close(ks[3]);
    keyspace_make(k, "again", &ks[3]);
    keyspace_make(k, "empty", &empty);
    keyspace_make(k, "log", &late);
    put_in(k, ks[3], "again", "key0001", 10, 35);
    put_in(k, ks[1], "both", "key0001", 10, 36);
    put_in(k, ks[1], "both", "more", 2500, 36);
    put_in(k, late, "log", "key0001", 10, 37);
    expect(levin_delete_in(k->store, ks[1], "key0002", 7, LEVIN_SYNCED), "delete");
    golden_list_delete(&k->list, "@both/key0002");
    levin_keyspace_close(late);
    levin_keyspace_close(empty);
    for (unsigned n = 0; n < 4; n++)
        levin_keyspace_close(ks[n]);
    close_store(k);
    return simdisk_image(k->disk);
}

/* Ranges deleted: merged into the tree, and in the log over what the tree holds; in both kinds of keyspace. */
static disk_image *make_ranges(kitchen *k)
{
    levin_keyspace *ks;
    char key[64];
    kitchen_open(k);
    keyspace_make(k, "named", &ks);
    put_many(k, "key", 300, 1, 40);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "key%04u", i);
        put_in(k, ks, "named", key, 20, 41);
    }
    expect(levin_checkpoint(k->store), "checkpoint");
    delete_range_in(k, NULL, "", "key", 20, 90);
    delete_range_in(k, ks, "named", "key", 5, 15);
    put_in(k, NULL, "", "key0050", 30, 42);
    expect(levin_checkpoint(k->store), "checkpoint");
    delete_range_in(k, NULL, "", "key", 150, 200);
    delete_range_in(k, NULL, "", "key", 200, 210);
    put_in(k, NULL, "", "key0170", 30, 43);
    delete_range_in(k, ks, "named", "key", 30, 50);
    levin_keyspace_close(ks);
    close_store(k);
    return simdisk_image(k->disk);
}

/* Values over 4096 bytes, in segments of the value log, some of them garbage; pointers in tree and log. */
static disk_image *make_value_log(kitchen *k)
{
    levin_keyspace *ks;
    char key[64];
    kitchen_open(k);
    keyspace_make(k, "named", &ks);
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = turn; i < 8; i++) {
            snprintf(key, sizeof key, "value%04u", i);
            put_in(k, NULL, "", key, 4097 + 1500 * i, 50 + turn);
        }
        put_in(k, ks, "named", "value", 6000, 50 + turn);
        put_in(k, NULL, "", "small", 4096, 50 + turn);
        if (turn < 2)
            expect(levin_checkpoint(k->store), "checkpoint");
    }
    levin_keyspace_close(ks);
    close_store(k);
    return simdisk_image(k->disk);
}

/* The process dies with all of that in its log, behind a checkpoint. */
static disk_image *make_crashed_2(kitchen *k)
{
    levin_keyspace *ks, *dropped;
    kitchen_open(k);
    keyspace_make(k, "named", &ks);
    keyspace_make(k, "dropped", &dropped);
    put_many(k, "key", 60, 1, 60);
    put_in(k, ks, "named", "key0001", 30, 61);
    put_in(k, dropped, "dropped", "key0001", 30, 61);
    expect(levin_checkpoint(k->store), "checkpoint");
    delete_range_in(k, NULL, "", "key", 10, 20);
    put_in(k, NULL, "", "value", 9000, 62);
    put_in(k, ks, "named", "key0002", 5000, 62);
    put_in(k, ks, "named", "key0003", 10, 62);
    keyspace_drop(k, "dropped");
    disk_image *image = simdisk_image(k->disk);
    levin_keyspace_close(ks);
    levin_keyspace_close(dropped);
    close_store(k);
    return image;
}

static const struct {
    const char *name;
    disk_image *(*make)(kitchen *k);
} recipes[] = {
    { "empty", make_empty },
    { "clean", make_clean },
    { "large", make_large },
    { "crashed", make_crashed },
    { "keyspaces", make_keyspaces },
    { "ranges", make_ranges },
    { "value_log", make_value_log },
    { "crashed_2", make_crashed_2 },
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
