/*
 * txn_bench.c - what a transaction costs beside the plain calls that it is made of, and what it costs to validate a
 * range that it has seen.
 *
 * On a simulated disk, unsynced, one thread, in time of the processor. Medians of ROUNDS rounds.
 * Usage: engine_txn_bench [keys]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../faults/simdisk.h"
#include "levin.h"

enum { ROUNDS = 7, BATCH = 20000, RANGES = 20 };

static levin *db;
static uint64_t keys = 200000;

static uint64_t now_ns(void)
{
    struct timespec t; /* of this thread: others on the machine do not count */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(levin_code code)
{
    if (code != LEVIN_OK) {
        fprintf(stderr, "txn_bench: %s\n", levin_code_name(code));
        exit(1);
    }
}

static void key_of(char key[32], uint64_t i)
{
    snprintf(key, 32, "key%012llu", (unsigned long long)(i * 0x9e3779b97f4a7c15u % keys));
}

static const char value[100] = "value";

static void plain(uint64_t i)
{
    char key[32], buffer[128];
    size_t bytes;
    key_of(key, i);
    must(levin_get(db, NULL, key, 15, buffer, sizeof buffer, &bytes));
    must(levin_put(db, key, 15, value, sizeof value, LEVIN_NONE));
}

static void transact(uint64_t i, levin_isolation isolation)
{
    levin_txn_options o;
    levin_txn *t;
    char key[32], buffer[128];
    size_t bytes;
    key_of(key, i);
    levin_txn_options_init(&o);
    o.isolation = isolation;
    must(levin_txn_begin(db, &o, &t));
    must(levin_txn_get(t, key, 15, buffer, sizeof buffer, &bytes));
    must(levin_txn_put(t, key, 15, value, sizeof value));
    must(levin_txn_commit(t, LEVIN_NONE));
    levin_txn_destroy(t);
}

static void snapshot(uint64_t i)
{
    transact(i, LEVIN_SNAPSHOT);
}

static void serializable(uint64_t i)
{
    transact(i, LEVIN_SERIALIZABLE);
}

static void swap(uint64_t i)
{
    char key[32];
    const levin_slice same = { value, sizeof value };
    key_of(key, i);
    must(levin_compare_and_swap(db, key, 15, &same, &same, LEVIN_NONE, NULL));
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double ns[ROUNDS], const char *unit)
{
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("%-64s %9.0f ns %s\n", what, ns[ROUNDS / 2], unit);
}

static void points(void)
{
    static const struct {
        const char *what;
        void (*run)(uint64_t i);
    } ways[] = { { "get, then put", plain },
                 { "transaction of a get and a put, snapshot", snapshot },
                 { "transaction of a get and a put, serializable", serializable },
                 { "compare and swap", swap } };
    double ns[4][ROUNDS];
    uint64_t i = 0;
    for (int round = 0; round < ROUNDS; round++)
        for (int way = 0; way < 4; way++) {
            uint64_t began = now_ns();
            for (int n = 0; n < BATCH; n++)
                ways[way].run(i++);
            ns[way][round] = (double)(now_ns() - began) / BATCH;
        }
    for (int way = 0; way < 4; way++)
        report(ways[way].what, ns[way], "each");
}

/* Commits of a transaction that has seen everything, after somebody else has written so many keys. */
static void ranges(uint64_t others, bool checkpoint)
{
    double scan[ROUNDS], commit[ROUNDS];
    char key[32], what[96];
    for (int round = 0; round < ROUNDS; round++) {
        levin_txn *t;
        levin_iter *it;
        must(levin_txn_begin(db, NULL, &t));
        must(levin_txn_iter_open(t, NULL, &it));
        uint64_t began = now_ns(), seen = 0;
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
            seen += levin_iter_value(it).size;
        scan[round] = (double)(now_ns() - began) / (double)keys;
        levin_iter_close(it);
        if (!seen)
            exit(1);
        for (uint64_t i = 0; i < others; i++) {
            key_of(key, i * 7919);
            must(levin_put(db, key, 15, value, sizeof value, LEVIN_NONE)); /* the same value: no conflict */
        }
        if (checkpoint)
            must(levin_checkpoint(db));
        must(levin_txn_put(t, "~", 1, "", 0));
        began = now_ns();
        must(levin_txn_commit(t, LEVIN_NONE));
        commit[round] = (double)(now_ns() - began);
        levin_txn_destroy(t);
    }
    snprintf(what, sizeof what, "commit after a scan of %llu keys, %llu written since%s", (unsigned long long)keys,
             (unsigned long long)others, checkpoint ? ", checkpoint" : "");
    report(what, commit, "each");
    report("  the scan itself", scan, "a key");
}

int main(int argc, char **argv)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    char key[32];
    if (argc > 1)
        keys = strtoull(argv[1], NULL, 10);
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = LEVIN_BACKGROUND_NONE;
    o.memtable_bytes = 256u << 20;
    must(levin_open("s", &o, &db, NULL));
    for (uint64_t i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "key%012llu", (unsigned long long)i);
        must(levin_put(db, key, 15, value, sizeof value, LEVIN_NONE));
    }
    must(levin_checkpoint(db));
    points();
    must(levin_checkpoint(db));
    ranges(0, false);
    ranges(1, false);
    ranges(1000, false);
    ranges(1, true);
    must(levin_close(db));
    return simdisk_destroy(disk, NULL) ? 0 : 1;
}
