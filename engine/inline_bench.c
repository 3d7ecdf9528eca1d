/*
 * inline_bench.c - what inline records bring: allocations of writes whose one operation is encoded on the stack, and of
 * the same writes with a value that is just too long for it, which go the way that all would go without (batch.h,
 * BATCH_INLINE_BYTES).
 *
 * On a simulated disk, unsynced, one thread; the two are called in turn, A B A B, so that both meet the same memtable.
 * Counts are exact and the same in every run; chunks of memtables are in them.
 * Usage: engine_inline_bench [calls]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/simdisk.h"
#include "batch.h"
#include "keyspace_format.h"
#include "levin.h"
#include "record_format.h"

enum { KEY_BYTES = 16, KEYS = 1000 };
enum { INLINE_VALUE = BATCH_INLINE_BYTES - RECORD_HEADER_BYTES - KEY_BYTES - 2 * KEYSPACE_ID_BYTES,
       LONGER_VALUE = BATCH_INLINE_BYTES - RECORD_HEADER_BYTES - KEY_BYTES + 1 };

static const levin_io *inner;
static unsigned long long allocations;

static void *count_alloc(void *context, size_t bytes, size_t alignment)
{
    allocations++;
    return inner->alloc(context, bytes, alignment);
}

static void must(levin_code code)
{
    if (code != LEVIN_OK) {
        fprintf(stderr, "inline_bench: %s\n", levin_code_name(code));
        exit(1);
    }
}

static levin *db;
static levin_keyspace *named;
static levin_txn *txn;
static const char value[LONGER_VALUE] = "value";

static void put(const char *key, size_t value_bytes)
{
    must(levin_put(db, key, KEY_BYTES, value, value_bytes, LEVIN_NONE));
}

static void put_in(const char *key, size_t value_bytes)
{
    must(levin_put_in(db, named, key, KEY_BYTES, value, value_bytes, LEVIN_NONE));
}

static void swap(const char *key, size_t value_bytes)
{
    const levin_slice desired = { value, value_bytes };
    must(levin_delete(db, key, KEY_BYTES, LEVIN_NONE));
    must(levin_compare_and_swap(db, key, KEY_BYTES, NULL, &desired, LEVIN_NONE, NULL));
}

static void txn_put(const char *key, size_t value_bytes)
{
    must(levin_txn_put(txn, key, KEY_BYTES, value, value_bytes));
}

static const struct {
    const char *name;
    void (*call)(const char *key, size_t value_bytes);
} calls[] = {
    { "levin_put", put },
    { "levin_put_in, a named keyspace", put_in },
    { "levin_delete + levin_compare_and_swap", swap },
    { "levin_txn_put", txn_put },
};

static unsigned long long count_one(size_t c, unsigned long i, size_t value_bytes)
{
    char key[KEY_BYTES + 1];
    snprintf(key, sizeof key, "key%013lu", i * 7919 % KEYS);
    const unsigned long long before = allocations;
    calls[c].call(key, value_bytes);
    return allocations - before;
}

int main(int argc, char **argv)
{
    const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_io io = *(inner = simdisk_io(disk));
    io.alloc = count_alloc;
    levin_options_init(&o);
    o.io = &io;
    o.background = LEVIN_BACKGROUND_NONE;
    must(levin_open("inline", &o, &db, NULL));
    must(levin_keyspace_open(db, "named", 5, LEVIN_KEYSPACE_CREATE, &named));
    must(levin_txn_begin(db, NULL, &txn));
    printf("%lu calls each, keys of %d bytes, records of up to %d bytes are inline\n", count, KEY_BYTES,
           BATCH_INLINE_BYTES);
    printf("%-40s %12s %12s %8s\n", "allocations a call", "inline", "not inline", "fewer");
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        unsigned long long on = 0, off = 0;
        for (unsigned long i = 0; i < count; i++) {
            on += count_one(c, i, INLINE_VALUE);
            off += count_one(c, i, LONGER_VALUE);
        }
        printf("%-40s %12.4f %12.4f %7.1f%%\n", calls[c].name, (double)on / (double)count,
               (double)off / (double)count, off ? 100.0 * (1.0 - (double)on / (double)off) : 0.0);
    }
    levin_txn_destroy(txn);
    levin_keyspace_close(named);
    must(levin_close(db));
    return simdisk_destroy(disk, NULL) ? 0 : 1;
}
