/*
 * full_store_test.h - a store for tests that has something of everything in it: a tree of two levels, extents, free
 * pages, logged values of two ages, two keyspaces, a deleted range, and a log behind the checkpoint.
 */
#ifndef LEVIN_FULL_STORE_TEST_H
#define LEVIN_FULL_STORE_TEST_H

#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { FULL_STORE_KEYS = 90, LARGE_BYTES = 9000, EXTENT_BYTES = 3000 };

/* Everything small, no thread. */
static inline void full_store_options(levin_options *o, const levin_io *io)
{
    levin_options_init(o);
    o->io = io;
    o->page_bytes = 4096;
    o->cache_bytes = 16 * 4096;
    o->row_cache_bytes = 32 << 10;
    o->value_cache_bytes = 64 << 10;
    o->memtable_bytes = 64 << 10;
    o->wal_segment_bytes = 32 << 10;
    o->value_log_segment_bytes = 32 << 10;
    o->value_log_threshold_bytes = 4096;
    o->background = LEVIN_BACKGROUND_NONE;
}

static inline size_t full_store_key(char *key, int i)
{
    return (size_t)snprintf(key, 24, "key-%03d", i % 1000);
}

static inline void full_store_put(levin *db, const levin_keyspace *ks, int i, int round)
{
    static char value[LARGE_BYTES];
    char key[24];
    const size_t bytes = i % 11 == 5 ? LARGE_BYTES : i % 7 == 3 ? EXTENT_BYTES : 120;
    memset(value, 'a' + (i + round) % 26, bytes);
    ck_assert_int_eq(levin_put_in(db, ks, key, full_store_key(key, i), value, bytes, LEVIN_LOGGED), LEVIN_OK);
}

/* In the directory "s", as a process leaves it that ends without closing it; the caller unrefs it. */
static inline const disk_image *full_store(void)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin *db;
    levin_keyspace *ks;
    full_store_options(&o, simdisk_io(disk));
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(db, "named", 5, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = round; i < FULL_STORE_KEYS; i += 1 + round)
            full_store_put(db, i % 4 ? NULL : ks, i, round);
        if (round < 2)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    ck_assert_int_eq(levin_delete_range(db, (levin_slice){ "key-03", 6 }, (levin_slice){ "key-04", 6 }, LEVIN_SYNCED),
                     LEVIN_OK);
    for (int i = 5; i < FULL_STORE_KEYS; i += 11) /* logged values that no sync has proven */
        full_store_put(db, i % 2 ? NULL : ks, i, 3);
    const disk_image *left_open = simdisk_image(disk); /* the log is to be replayed */
    levin_keyspace_close(ks);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    return left_open;
}

#endif
