/*
 * store_model_test.h - for tests of whole stores on simulated disks: a store, what it should hold, and the comparison.
 *
 * One store at a time, in `f`; each test ends with teardown(), which sees what was left behind.
 */
#ifndef LEVIN_STORE_MODEL_TEST_H
#define LEVIN_STORE_MODEL_TEST_H

#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/crash.h"
#include "../faults/fault_io.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "db.h"

enum { KEYS_MAX = 4000, VALUE_MAX = 40000 };

/* Key i has the value of its seed, 0: none. */
typedef struct fixture {
    simdisk *disk;
    fault_io *faults;
    levin_options o;
    levin *db;
    random_stream random;
    unsigned keys;
    bool large; /* some values stand in extents */
    uint64_t seed[KEYS_MAX];
} fixture;

static fixture f;
static uint8_t value[VALUE_MAX];

static inline void options_fill(levin_options *o, const levin_io *io)
{
    levin_options_init(o);
    o->value_log_threshold_bytes = 0; /* value_log_test.c has the rest */
    o->page_bytes = 4096;
    o->cache_bytes = 256 * 4096;
    o->memtable_bytes = 256 << 10;
    o->wal_segment_bytes = 64 << 10;
    o->row_cache_bytes = 0;
    o->background = LEVIN_BACKGROUND_NONE;
    o->auto_compact_percent = 0;
    o->io = io;
}

static inline void expect_ok(levin_code code, const char *what)
{
    levin_error error = { 0 };
    if (code == LEVIN_OK)
        return;
    if (f.db)
        levin_last_error(f.db, &error);
    ck_abort_msg("%s: %s: %s", what, levin_code_name(code), error.message);
}

static inline void reopen(const levin_io *io)
{
    levin_error error = { 0 };
    f.o.io = io;
    levin_code code = levin_open("store", &f.o, &f.db, &error);
    ck_assert_msg(code == LEVIN_OK, "open: %s: %s", levin_code_name(code), error.message);
}

static inline void setup(unsigned keys, bool large, trace *record)
{
    memset(&f, 0, sizeof f);
    f.disk = simdisk_create(NULL, record);
    f.faults = fault_io_create(simdisk_io(f.disk));
    options_fill(&f.o, fault_io_table(f.faults));
    f.random = random_open(7, keys);
    f.keys = keys;
    f.large = large;
    reopen(f.o.io);
}

static inline void teardown(void)
{
    uint64_t files, bytes, allocations;
    if (f.db)
        expect_ok(levin_close(f.db), "close");
    fault_io_held(f.faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(allocations, 0);
    fault_io_destroy(f.faults);
    ck_assert(simdisk_destroy(f.disk, NULL));
}

static inline size_t key_of(unsigned i, char key[24])
{
    return (size_t)snprintf(key, 24, "key-%08u", i * 7919u % 100000u);
}

static inline size_t value_of(uint64_t seed)
{
    size_t bytes = seed % 200;
    if (f.large && seed % 37 == 0)
        bytes = 1500 + seed % (VALUE_MAX - 1500);
    for (size_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)(seed >> (i % 7));
    return bytes;
}

static inline void put(unsigned i)
{
    char key[24];
    size_t key_bytes = key_of(i, key);
    f.seed[i] = random_next(&f.random) | 1;
    expect_ok(levin_put(f.db, key, key_bytes, value, value_of(f.seed[i]), LEVIN_NONE), "put");
}

static inline void delete(unsigned i)
{
    char key[24];
    size_t key_bytes = key_of(i, key);
    f.seed[i] = 0;
    expect_ok(levin_delete(f.db, key, key_bytes, LEVIN_NONE), "delete");
}

/* Random overwrites, small checkpoints between them: pages and holes lie all over the file. */
static inline void scatter(unsigned rounds)
{
    for (unsigned i = 0; i < f.keys; i++)
        put(i);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned n = 0; n < f.keys / 20; n++)
            put((unsigned)(random_next(&f.random) % f.keys));
        for (unsigned n = 0; n < f.keys / 40; n++)
            delete((unsigned)(random_next(&f.random) % f.keys));
        expect_ok(levin_checkpoint(f.db), "checkpoint");
    }
}

static inline void expect_contents(levin *db, const levin_snapshot *s, const uint64_t *seeds)
{
    char key[24];
    static uint8_t found[VALUE_MAX];
    unsigned count = 0, seen = 0;
    for (unsigned i = 0; i < f.keys; i++) {
        size_t bytes = 0, key_bytes = key_of(i, key);
        levin_code code = levin_get(db, s, key, key_bytes, found, sizeof found, &bytes);
        if (!seeds[i]) {
            ck_assert_msg(code == LEVIN_NOT_FOUND, "key %s is back: %s", key, levin_code_name(code));
            continue;
        }
        count++;
        ck_assert_msg(code == LEVIN_OK, "key %s: %s", key, levin_code_name(code));
        ck_assert_uint_eq(bytes, value_of(seeds[i]));
        ck_assert_mem_eq(found, value, bytes);
    }
    levin_iter *it;
    levin_iter_options o = { .snapshot = s };
    ck_assert_int_eq(levin_iter_open(db, &o, &it), LEVIN_OK);
    for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it))
        seen++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    ck_assert_uint_eq(seen, count);
}

static inline bool print_fault(void *context, const levin_error *fault)
{
    (void)context;
    fprintf(stderr, "check: %s\n", fault->message);
    return true;
}

static inline void expect_whole(void)
{
    expect_ok(levin_check(f.db, print_fault, NULL, NULL), "check");
    expect_contents(f.db, NULL, f.seed);
}

static inline levin_stats stats(void)
{
    levin_stats s;
    levin_stats_get(f.db, &s);
    return s;
}

/* The disk of a store with a history, closed; the caller unrefs it. f keeps what it should hold. */
static inline disk_image *scattered_image(unsigned keys, bool large, unsigned rounds)
{
    setup(keys, large, NULL);
    scatter(rounds);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    return simdisk_image(f.disk);
}

#endif
