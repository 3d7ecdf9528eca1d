/*
 * gate_run.h - what the recorded runs are made of (gate_work.c): the store under way, its keys and values.
 *
 * Internal to gate_run.c and gate_work*.c.  One thread.
 */
#ifndef LEVIN_GATE_RUN_H
#define LEVIN_GATE_RUN_H

#include "../engine/levin.h"
#include "../faults/simdisk.h"
#include "gate_arena.h"
#include "gate_io.h"
#include "gate_work.h"

/*
 * Compiled with GATE_RUN_SMALL, for the time tier, stores are a tenth as large and stay in a processor's own caches:
 * what neighbours on the machine do to the shared one is the largest noise there is.  Runs of single puts and gets
 * take fewer of them, for slices of a tenth of a millisecond: the shorter a pair of slices, the more alike what
 * disturbs both.
 */
#ifdef GATE_RUN_SMALL
enum { KEYS = 2000, LARGE = 8, PUTS = KEYS / 10, GETS = KEYS / 5, CACHE_BYTES = 2 << 20, ROW_CACHE_BYTES = 1 << 20 };
enum { SMALL_MEMTABLE_BYTES = 64 << 10, SEGMENT_BYTES = 256 << 10, UNCACHED_PAGE_BYTES = 4 << 10 };
#else
enum { KEYS = 20000, LARGE = 64, PUTS = KEYS / 2, GETS = KEYS, CACHE_BYTES = 16 << 20, ROW_CACHE_BYTES = 64 << 20 };
enum { SMALL_MEMTABLE_BYTES = 512 << 10, SEGMENT_BYTES = 1 << 20, UNCACHED_PAGE_BYTES = 16 << 10 };
#endif
enum {
    KEYS_ALL = 2 * KEYS, /* a prepared store holds the first KEYS of them */
    KEY_BYTES = 16,
    VALUE_BYTES = 100,
    BATCH = 100,
    TICKETS = 8,
    MULTI = 16,
    LARGE_BYTES = 65536,
    LARGE_BATCH = 8,
    SCAN_PAIRS = 20,
    WARM_PASSES_MAX = 10,
};

struct gate_run {
    simdisk *disk;
    gate_arena memory;
    const gate_work *work;
    levin_keyspace *keyspace; /* or NULL */
    gate_io io; /* what the engine is given: the disk's files, the arena's memory, counted */
    levin_options options;
    levin *db;
    levin_batch *batch;
    char (*keys)[KEY_BYTES];   /* KEYS_ALL, in random order */
    char (*absent)[KEY_BYTES]; /* KEYS_ALL that are in no store */
    char *values;              /* 2 * LARGE_BYTES */
    char *buffer;              /* LARGE_BYTES + 1 */
};

struct gate_work {
    const char *name, *description;
    uint64_t operations;
    bool (*prepare)(gate_run *r); /* leaves the store as the measured part wants it */
    bool (*measured)(gate_run *r);
};

/* Whether code is LEVIN_OK; else the store's message is on standard error. */
bool run_good(gate_run *r, levin_code code, const char *what);
/* truth, with a message when the run did not do what its name says. */
bool run_as_named(bool truth, const char *what);
/* LARGE_BYTES from there on are the value of key i. */
const char *run_value(const gate_run *r, size_t i);
void run_format_key(char key[KEY_BYTES], uint64_t number);
bool run_open(gate_run *r);
bool run_close(gate_run *r);

/* Ways to prepare a store, and parts of runs, that several share. */
bool run_prepare_open(gate_run *r);
bool run_prepare_tree(gate_run *r);        /* KEYS of them, checkpointed */
bool run_prepare_cached_tree(gate_run *r); /* ... and read once */
bool run_prepare_large(gate_run *r);
bool run_put_range(gate_run *r, size_t from, size_t count, size_t batch, levin_durability durability);
bool run_put_large(gate_run *r); /* LARGE values, synced batches */

enum { GATE_WORKS_VALUES = 7, GATE_WORKS_MIXED = 9 };
extern const gate_work gate_works_values[GATE_WORKS_VALUES]; /* gate_work_values.c */
extern const gate_work gate_works_mixed[GATE_WORKS_MIXED];   /* gate_work_mixed.c */

#endif
