/*
 * gate_work.c - prepares a store, measures fixed work on it, counts.
 *
 * Key numbers are even, in a fixed random order, so that odd ones are absent and lie between those that are there.
 * Keys and values are made before the measured part, which holds calls of levin.h and little else.  Every run checks
 * its own results (found, absent, pairs seen), outside the loop where that is possible.
 *
 * One thread; nothing depends on the clock, the environment or an address.
 */
#include "gate_work.h"

#include <stdlib.h>
#include <string.h>

#include "../engine/levin.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "gate_arena.h"
#include "gate_io.h"

enum {
    KEYS = 20000, /* in a prepared store */
    KEYS_ALL = 40000,
    KEY_BYTES = 16,
    VALUE_BYTES = 100,
    BATCH = 100,
    TICKETS = 8,
    MULTI = 16,
    LARGE_BYTES = 65536,
    LARGE = 64,
    LARGE_BATCH = 8,
    CACHE_BYTES = 16 << 20,
    SCAN_PAIRS = 20,
    WARM_PASSES_MAX = 10,
};
#define ARENA_BYTES ((size_t)1 << 30) /* of address space */

typedef struct gate_run {
    simdisk *disk;
    gate_arena memory;
    gate_io io; /* what the engine is given: the disk's files, the arena's memory, counted */
    levin_options options;
    levin *db;
    levin_batch *batch;
    char (*keys)[KEY_BYTES];   /* KEYS_ALL, in random order */
    char (*absent)[KEY_BYTES]; /* KEYS_ALL that are in no store */
    char *values;              /* 2 * LARGE_BYTES */
    char *buffer;              /* LARGE_BYTES + 1 */
} gate_run;

struct gate_work {
    const char *name, *description;
    uint64_t operations;
    bool (*prepare)(gate_run *r); /* leaves the store as the measured part wants it */
    bool (*measured)(gate_run *r);
};

static bool good(gate_run *r, levin_code code, const char *what)
{
    levin_error error = { 0 };
    if (code == LEVIN_OK)
        return true;
    if (r->db)
        levin_last_error(r->db, &error);
    fprintf(stderr, "levin-gate: %s: %s: %s\n", what, levin_code_name(code), error.message);
    return false;
}

static bool as_named(bool truth, const char *what)
{
    if (!truth)
        fprintf(stderr, "levin-gate: the run did not do what its name says: %s\n", what);
    return truth;
}

static const char *value_of(const gate_run *r, size_t i)
{
    return r->values + i * 37 % LARGE_BYTES;
}

static void format_key(char key[KEY_BYTES], uint64_t number)
{
    for (int i = KEY_BYTES; i-- > 0; number /= 10)
        key[i] = (char)('0' + number % 10);
}

/* ---- what runs are made of ---- */

static bool run_open(gate_run *r)
{
    levin_error error = { 0 };
    levin_code code = levin_open("/gate", &r->options, &r->db, &error);
    if (code != LEVIN_OK)
        fprintf(stderr, "levin-gate: open: %s: %s\n", levin_code_name(code), error.message);
    return code == LEVIN_OK;
}

static bool run_close(gate_run *r)
{
    levin *db = r->db;
    r->db = NULL;
    levin_code code = levin_close(db);
    if (code != LEVIN_OK)
        fprintf(stderr, "levin-gate: close: %s\n", levin_code_name(code));
    return code == LEVIN_OK;
}

static bool put_range(gate_run *r, size_t from, size_t count, size_t batch, levin_durability durability)
{
    for (size_t i = from; i < from + count;) {
        levin_batch_clear(r->batch);
        for (size_t end = i + batch; i < end; i++)
            if (!good(r, levin_batch_put(r->batch, r->keys[i], KEY_BYTES, value_of(r, i), VALUE_BYTES), "batch put"))
                return false;
        if (!good(r, levin_write(r->db, r->batch, durability), "write"))
            return false;
    }
    return true;
}

static bool get_keys(gate_run *r, char (*keys)[KEY_BYTES], size_t count, levin_code wanted)
{
    size_t bytes, as_wanted = 0;
    for (size_t i = 0; i < count; i++)
        as_wanted += levin_get(r->db, NULL, keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes) == wanted;
    return as_named(as_wanted == count, wanted == LEVIN_OK ? "every key is there" : "no key is there");
}

static bool put_large(gate_run *r)
{
    for (size_t i = 0; i < LARGE;) {
        levin_batch_clear(r->batch);
        for (size_t end = i + LARGE_BATCH; i < end; i++)
            if (!good(r, levin_batch_put(r->batch, r->keys[i], KEY_BYTES, value_of(r, i), LARGE_BYTES), "batch put"))
                return false;
        if (!good(r, levin_write(r->db, r->batch, LEVIN_SYNCED), "write"))
            return false;
    }
    return true;
}

static bool scan(gate_run *r, bool reverse)
{
    levin_iter *it;
    size_t pairs = 0, bytes = 0;
    if (!good(r, levin_iter_open(r->db, NULL, &it), "iterator"))
        return false;
    for (bool on = reverse ? levin_iter_last(it) : levin_iter_first(it); on;
         on = reverse ? levin_iter_prev(it) : levin_iter_next(it)) {
        bytes += levin_iter_key(it).size + levin_iter_value(it).size;
        pairs++;
    }
    levin_code code = levin_iter_status(it);
    levin_iter_close(it);
    return good(r, code, "scan") && as_named(pairs == KEYS && bytes == (size_t)KEYS * (KEY_BYTES + VALUE_BYTES),
                                             "the scan sees every pair");
}

/* ---- preparing ---- */

static bool prepare_open(gate_run *r)
{
    return run_open(r) && good(r, levin_batch_create(r->db, &r->batch), "batch");
}

static bool prepare_small_memtable(gate_run *r)
{
    r->options.memtable_bytes = 512 << 10;
    return prepare_open(r);
}

static bool prepare_memtable(gate_run *r)
{
    return prepare_open(r) && put_range(r, 0, KEYS, BATCH, LEVIN_NONE);
}

static bool prepare_tree(gate_run *r)
{
    return prepare_memtable(r) && good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool prepare_cached_tree(gate_run *r)
{
    return prepare_tree(r) && get_keys(r, r->keys, KEYS, LEVIN_OK);
}

/* Reads answered by the pages or the memtable alone: no row cache answers some of them, or grows. */
static bool prepare_cached_pages(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    return prepare_cached_tree(r);
}

static bool prepare_memtable_alone(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    return prepare_memtable(r);
}

/* Pages that are cached, rows that are not: a scan brings the pages in and leaves the row cache as it was. */
static bool prepare_cold_rows(gate_run *r)
{
    return prepare_tree(r) && scan(r, false);
}

/* Every row in the row cache, which has taken all the memory that it will. */
static bool prepare_rows(gate_run *r)
{
    if (!prepare_tree(r))
        return false;
    for (int pass = 0; pass < WARM_PASSES_MAX; pass++) {
        levin_stats before, after;
        levin_stats_get(r->db, &before);
        if (!get_keys(r, r->keys, KEYS, LEVIN_OK))
            return false;
        levin_stats_get(r->db, &after);
        if (after.row_misses == before.row_misses && after.row_bytes == before.row_bytes)
            return true;
    }
    return as_named(false, "every row is in the row cache");
}

static bool prepare_tree_with_tiny_cache(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    r->options.cache_bytes = 16 * (uint64_t)r->options.page_bytes;
    return prepare_tree(r);
}

/* A tree, and a quarter of its keys once more in the memtable. */
static bool prepare_tree_and_memtable(gate_run *r)
{
    return prepare_cached_tree(r) && put_range(r, 0, KEYS / 4, BATCH, LEVIN_NONE);
}

static bool prepare_closed(gate_run *r)
{
    if (!prepare_tree(r))
        return false;
    levin_batch_destroy(r->batch);
    r->batch = NULL;
    return run_close(r);
}

/* The files as a process leaves them that was killed with all its work in the log. */
static bool prepare_killed(gate_run *r)
{
    if (!prepare_open(r) || !put_range(r, 0, KEYS, 10, LEVIN_NONE) || !good(r, levin_sync(r->db), "sync"))
        return false;
    disk_image *killed = simdisk_image(r->disk);
    levin_batch_destroy(r->batch);
    r->batch = NULL;
    bool ok = run_close(r);
    simdisk_destroy(r->disk, NULL);
    r->disk = simdisk_create(killed, NULL);
    r->io.below = simdisk_io(r->disk);
    disk_image_unref(killed);
    return ok;
}

static bool prepare_large(gate_run *r)
{
    r->options.memtable_bytes = 16 << 20;
    return prepare_open(r);
}

static bool prepare_large_tree(gate_run *r)
{
    size_t bytes;
    if (!prepare_large(r) || !put_large(r) || !good(r, levin_checkpoint(r->db), "checkpoint"))
        return false;
    for (size_t i = 0; i < LARGE; i++)
        if (!good(r, levin_get(r->db, NULL, r->keys[i], KEY_BYTES, r->buffer, LARGE_BYTES, &bytes), "get"))
            return false;
    return true;
}

/* ---- measured: writing ---- */

static bool run_load(gate_run *r)
{
    return put_range(r, 0, KEYS, BATCH, LEVIN_NONE);
}

static bool run_ingest(gate_run *r)
{
    for (size_t i = 0; i < KEYS_ALL; i += BATCH)
        if (!put_range(r, i, BATCH, BATCH, LEVIN_NONE) || !good(r, levin_work(r->db, NULL), "work"))
            return false;
    return good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool put_each(gate_run *r, size_t count, levin_durability durability)
{
    for (size_t i = 0; i < count; i++)
        if (!good(r, levin_put(r->db, r->keys[i], KEY_BYTES, value_of(r, i), VALUE_BYTES, durability), "put"))
            return false;
    return true;
}

static bool run_put(gate_run *r)
{
    return put_each(r, 10000, LEVIN_NONE);
}

static bool run_put_synced(gate_run *r)
{
    return put_each(r, 2000, LEVIN_SYNCED);
}

static bool run_group(gate_run *r)
{
    levin_batch *batch[TICKETS] = { 0 };
    bool ok = true;
    for (size_t k = 0; k < TICKETS && ok; k++)
        ok = good(r, levin_batch_create(r->db, &batch[k]), "batch");
    for (size_t i = 0; i < 2000 && ok;) {
        levin_ticket *ticket[TICKETS] = { 0 };
        for (size_t k = 0; k < TICKETS && ok; k++, i++) {
            levin_batch_clear(batch[k]);
            ok = good(r, levin_batch_put(batch[k], r->keys[i], KEY_BYTES, value_of(r, i), VALUE_BYTES), "batch put") &&
                 good(r, levin_write_async(r->db, batch[k], LEVIN_SYNCED, &ticket[k]), "write_async");
        }
        for (size_t k = 0; k < TICKETS; k++)
            if (ticket[k])
                ok = good(r, levin_ticket_wait(ticket[k]), "ticket") && ok;
    }
    for (size_t k = 0; k < TICKETS; k++)
        if (batch[k])
            levin_batch_destroy(batch[k]);
    return ok;
}

static void count_done(void *context, levin_code code)
{
    *(size_t *)context += code == LEVIN_OK;
}

/* As run_group(), but nobody waits: levin_work() commits and calls back. */
static bool run_callback(gate_run *r)
{
    levin_batch *batch[TICKETS] = { 0 };
    size_t done = 0, submitted = 0;
    bool ok = true, more = true;
    for (size_t k = 0; k < TICKETS && ok; k++)
        ok = good(r, levin_batch_create(r->db, &batch[k]), "batch");
    while (submitted < 2000 && ok) {
        for (size_t k = 0; k < TICKETS && ok; k++) {
            const size_t i = submitted;
            levin_batch_clear(batch[k]);
            ok = good(r, levin_batch_put(batch[k], r->keys[i], KEY_BYTES, value_of(r, i), VALUE_BYTES), "batch put") &&
                 good(r, levin_write_callback(r->db, batch[k], LEVIN_SYNCED, count_done, &done), "write_callback");
            submitted += ok;
        }
        for (more = true; more && ok;)
            ok = good(r, levin_work(r->db, &more), "work");
        ok = ok && as_named(done == submitted, "levin_work() commits and calls back");
    }
    /* a batch that is still submitted must not go before levin_work() is done with it */
    for (more = !ok; more && levin_work(r->db, &more) == LEVIN_OK;)
        continue;
    for (size_t k = 0; k < TICKETS; k++)
        if (batch[k])
            levin_batch_destroy(batch[k]);
    return ok;
}

static bool run_overwrite(gate_run *r)
{
    return put_range(r, 5000, 10000, BATCH, LEVIN_SYNCED);
}

static bool run_delete(gate_run *r)
{
    for (size_t i = 0; i < 5000; i++)
        if (!good(r, levin_delete(r->db, r->keys[i], KEY_BYTES, LEVIN_LOGGED), "delete"))
            return false;
    return true;
}

/* Each expects the value that is there. */
static bool run_swap(gate_run *r)
{
    for (size_t i = 0; i < 2000; i++) {
        const levin_slice expected = { value_of(r, i), VALUE_BYTES }, desired = { value_of(r, i + 1), VALUE_BYTES };
        if (!good(r, levin_compare_and_swap(r->db, r->keys[i], KEY_BYTES, &expected, &desired, LEVIN_NONE, NULL),
                  "compare and swap"))
            return false;
    }
    return true;
}

/* Two keys are read, one of them is written. */
static bool run_txn(gate_run *r)
{
    for (size_t i = 0; i < 2000; i++) {
        levin_txn *txn;
        size_t bytes;
        if (!good(r, levin_txn_begin(r->db, NULL, &txn), "begin"))
            return false;
        levin_code code = LEVIN_OK;
        for (size_t k = 0; k < 2 && code == LEVIN_OK; k++)
            code = levin_txn_get(txn, r->keys[i + k], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
        if (code == LEVIN_OK)
            code = levin_txn_put(txn, r->keys[i], KEY_BYTES, value_of(r, i + 1), VALUE_BYTES);
        if (code == LEVIN_OK)
            code = levin_txn_commit(txn, LEVIN_NONE);
        levin_txn_destroy(txn);
        if (!good(r, code, "transaction"))
            return false;
    }
    return true;
}

static bool run_delete_range(gate_run *r)
{
    for (uint64_t i = 0; i < 200; i++) {
        char lower[KEY_BYTES], upper[KEY_BYTES];
        format_key(lower, i * 180);
        format_key(upper, i * 180 + 90);
        if (!good(r, levin_delete_range(r->db, (levin_slice){ lower, KEY_BYTES }, (levin_slice){ upper, KEY_BYTES },
                                        LEVIN_NONE), "delete range"))
            return false;
    }
    return good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool run_compact(gate_run *r)
{
    levin_compact_result result;
    return good(r, levin_compact(r->db, NULL, &result), "compact") &&
           as_named(result.pages_after < result.pages_before, "the file has become shorter");
}

static bool run_checkpoint(gate_run *r)
{
    return good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool prepare_holes(gate_run *r)
{
    return prepare_tree(r) && run_delete_range(r);
}

/* ---- measured: reading ---- */

static bool run_get(gate_run *r)
{
    return get_keys(r, r->keys, KEYS, LEVIN_OK);
}

static bool run_get_absent(gate_run *r)
{
    return get_keys(r, r->absent, KEYS, LEVIN_NOT_FOUND);
}

static bool run_get_uncached(gate_run *r)
{
    return get_keys(r, r->keys, 5000, LEVIN_OK);
}

static bool run_get_pinned(gate_run *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < KEYS; i++) {
        levin_pinned pinned;
        if (levin_get_pinned(r->db, NULL, r->keys[i], KEY_BYTES, &pinned) == LEVIN_OK)
            bytes += pinned.value.size;
        levin_pinned_release(&pinned);
    }
    return as_named(bytes == (size_t)KEYS * VALUE_BYTES, "every key is there");
}

/* Every other key is absent. */
static bool run_contains(gate_run *r)
{
    size_t as_wanted = 0;
    for (size_t i = 0; i < KEYS / 2; i++) {
        as_wanted += levin_contains(r->db, NULL, r->keys[i], KEY_BYTES) == LEVIN_OK;
        as_wanted += levin_contains(r->db, NULL, r->absent[i], KEY_BYTES) == LEVIN_NOT_FOUND;
    }
    return as_named(as_wanted == KEYS, "half of the keys are there");
}

static bool run_multi_get(gate_run *r)
{
    levin_get_request q[MULTI];
    size_t found = 0;
    for (size_t i = 0; i < KEYS; i += MULTI) {
        for (size_t k = 0; k < MULTI; k++)
            q[k] = (levin_get_request){ .key = r->keys[i + k], .key_bytes = KEY_BYTES,
                                        .buffer = r->buffer + k * VALUE_BYTES, .capacity = VALUE_BYTES };
        if (!good(r, levin_multi_get(r->db, NULL, q, MULTI), "multi_get"))
            return false;
        for (size_t k = 0; k < MULTI; k++)
            found += q[k].code == LEVIN_OK;
    }
    return as_named(found == KEYS, "every key is there");
}

static bool run_snapshot(gate_run *r)
{
    size_t bytes;
    for (size_t i = 0; i < 5000; i++) {
        levin_snapshot *snapshot;
        if (!good(r, levin_snapshot_create(r->db, &snapshot), "snapshot"))
            return false;
        levin_code code = levin_get(r->db, snapshot, r->keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
        levin_snapshot_release(snapshot);
        if (!good(r, code, "get"))
            return false;
    }
    return true;
}

static bool run_scan(gate_run *r)
{
    return scan(r, false);
}

static bool run_scan_reverse(gate_run *r)
{
    return scan(r, true);
}

static bool run_scan_short(gate_run *r)
{
    for (size_t i = 0; i < 500; i++) {
        levin_iter *it;
        size_t pairs = 0;
        if (!good(r, levin_iter_open(r->db, NULL, &it), "iterator"))
            return false;
        bool on = levin_iter_seek(it, r->keys[i], KEY_BYTES);
        for (; on && pairs < SCAN_PAIRS; on = levin_iter_next(it))
            pairs += levin_iter_value(it).size == VALUE_BYTES;
        levin_code code = levin_iter_status(it);
        levin_iter_close(it);
        if (!good(r, code, "scan") || !as_named(pairs > 0, "a scan sees pairs"))
            return false;
    }
    return true;
}

static bool run_get_large(gate_run *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < 4 * LARGE; i++)
        if (!good(r, levin_get(r->db, NULL, r->keys[i % LARGE], KEY_BYTES, r->buffer, LARGE_BYTES, &bytes), "get"))
            return false;
    return as_named(bytes == LARGE_BYTES, "the value is large");
}

/* ---- measured: the store as a whole ---- */

static bool run_check(gate_run *r)
{
    levin_check_result result;
    return good(r, levin_check(r->db, NULL, NULL, &result), "check") &&
           as_named(result.keys == KEYS, "all is checked");
}

static bool run_reopen(gate_run *r)
{
    for (int i = 0; i < 20; i++)
        if (!run_open(r) || !run_close(r))
            return false;
    return true;
}

static bool run_recovery(gate_run *r)
{
    return run_open(r);
}

/* ---- the runs ---- */

static const gate_work works[] = {
    { "load", "batches of 100 into an empty store, unsynced", KEYS, prepare_open, run_load },
    { "ingest", "batches of 100 through a memtable of 512 KiB, checkpoints included", KEYS_ALL,
      prepare_small_memtable, run_ingest },
    { "put", "one at a time, unsynced", 10000, prepare_open, run_put },
    { "put-synced", "one at a time, each synced", 2000, prepare_open, run_put_synced },
    { "group", "eight tickets at a time, synced as one group", 2000, prepare_open, run_group },
    { "callback", "eight batches at a time, synced as one group by levin_work(), which calls back", 2000, prepare_open,
      run_callback },
    { "overwrite", "batches of 100 over a checkpointed store, synced", 10000, prepare_tree, run_overwrite },
    { "swap", "compare and swap over a checkpointed store, unsynced", 2000, prepare_cached_tree, run_swap },
    { "transaction", "two gets, a put, the commit, over a checkpointed store, unsynced", 2000, prepare_cached_tree,
      run_txn },
    { "delete-range", "45 keys of 90 at a time out of a checkpointed store, then a checkpoint", 200, prepare_tree,
      run_delete_range },
    { "delete", "one at a time, logged, over a checkpointed store", 5000, prepare_tree, run_delete },
    { "get-memtable", "keys that are in the memtable, no row cache", KEYS, prepare_memtable_alone, run_get },
    { "get-row", "keys that are in the row cache", KEYS, prepare_rows, run_get },
    { "get-page", "keys that are in cached pages, no row cache", KEYS, prepare_cached_pages, run_get },
    { "get-first", "keys that are in cached pages, each on its way into the row cache", KEYS, prepare_cold_rows,
      run_get },
    { "get-absent", "absent keys between those that are there, cached pages, no row cache", KEYS, prepare_cached_pages,
      run_get_absent },
    { "get-uncached", "random keys through a cache of 16 pages, no row cache", 5000, prepare_tree_with_tiny_cache,
      run_get_uncached },
    { "get-pinned", "values handed out in cached pages, no row cache", KEYS, prepare_cached_pages, run_get_pinned },
    { "contains", "present and absent keys in turn, cached pages, no row cache", KEYS, prepare_cached_pages,
      run_contains },
    { "multi-get-row", "16 keys in a call, in the row cache", KEYS, prepare_rows, run_multi_get },
    { "multi-get-page", "16 keys in a call, in cached pages, no row cache", KEYS, prepare_cached_pages,
      run_multi_get },
    { "snapshot", "a snapshot, a get in it, its release", 5000, prepare_cached_tree, run_snapshot },
    { "scan", "the whole store in order, cached", KEYS, prepare_cached_tree, run_scan },
    { "scan-reverse", "the whole store backwards, cached", KEYS, prepare_cached_tree, run_scan_reverse },
    { "scan-merged", "the whole store in order, a quarter of it in the memtable too", KEYS, prepare_tree_and_memtable,
      run_scan },
    { "scan-short", "20 pairs from a random key, cached", 500 * SCAN_PAIRS, prepare_cached_tree, run_scan_short },
    { "checkpoint", "5000 overwritten keys into a tree of 20000", KEYS / 4, prepare_tree_and_memtable,
      run_checkpoint },
    { "compact", "a tree of 20000 keys that every other range was deleted from", KEYS, prepare_holes, run_compact },
    { "check", "levin_check of a checkpointed store", KEYS, prepare_tree, run_check },
    { "reopen", "open and close a cleanly closed store", 20, prepare_closed, run_reopen },
    { "recovery", "open a killed store with 2000 batches of 10 in its log", KEYS, prepare_killed, run_recovery },
    { "put-large", "values of 64 KiB, batches of 8, synced", LARGE, prepare_large, put_large },
    { "get-large", "values of 64 KiB, out of the page file", (uint64_t)4 * LARGE, prepare_large_tree, run_get_large },
};

const gate_work *gate_work_at(size_t index)
{
    return index < sizeof works / sizeof works[0] ? &works[index] : NULL;
}

const gate_work *gate_work_find(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
        if (!strcmp(works[i].name, name))
            return &works[i];
    return NULL;
}

const char *gate_work_name(const gate_work *w)
{
    return w->name;
}

const char *gate_work_description(const gate_work *w)
{
    return w->description;
}

uint64_t gate_work_operations(const gate_work *w)
{
    return w->operations;
}

/* ---- one run ---- */

static bool run_init(gate_run *r)
{
    memset(r, 0, sizeof *r);
    r->disk = simdisk_create(NULL, NULL);
    simdisk_seed(r->disk, 1);
    gate_io_init(&r->io, simdisk_io(r->disk), &r->memory);
    levin_options_init(&r->options);
    r->options.io = &r->io.table;
    r->options.background = LEVIN_BACKGROUND_NONE;
    r->options.cache_bytes = CACHE_BYTES;
    r->options.wal_segment_bytes = 1 << 20;
    r->keys = calloc(KEYS_ALL, KEY_BYTES);
    r->absent = calloc(KEYS_ALL, KEY_BYTES);
    r->values = malloc(2 * LARGE_BYTES);
    r->buffer = malloc(LARGE_BYTES + 1);
    if (!gate_arena_init(&r->memory, ARENA_BYTES) || !r->keys || !r->absent || !r->values || !r->buffer) {
        fprintf(stderr, "levin-gate: out of memory\n");
        return false;
    }
    random_stream order = random_open(1, 1), content = random_open(1, 2);
    for (uint64_t i = 0; i < KEYS_ALL; i++) { /* inside out (Durstenfeld 1964) */
        uint64_t at = random_below(&order, i + 1);
        memcpy(r->keys[i], r->keys[at], KEY_BYTES);
        memcpy(r->absent[i], r->absent[at], KEY_BYTES);
        format_key(r->keys[at], 2 * i);
        format_key(r->absent[at], 2 * i + 1);
    }
    random_fill(&content, r->values, 2 * LARGE_BYTES);
    return true;
}

/* Memory and descriptors that are left behind make the run fail. */
static bool run_fini(gate_run *r)
{
    bool ok = true;
    if (r->batch)
        levin_batch_destroy(r->batch);
    if (r->db)
        ok = run_close(r);
    if ((!simdisk_destroy(r->disk, NULL) || r->memory.held_blocks) && ok) {
        fprintf(stderr, "levin-gate: the closed store left memory or descriptors behind\n");
        ok = false;
    }
    gate_arena_fini(&r->memory);
    free(r->keys);
    free(r->absent);
    free(r->values);
    free(r->buffer);
    return ok;
}

/* ---- counters ---- */

typedef struct stat_value {
    const char *name;
    uint64_t value;
} stat_value;

enum { STAT_COUNT = sizeof(levin_stats) / sizeof(uint64_t) };

static void stats_take(levin *db, stat_value values[STAT_COUNT])
{
    levin_stats s = { 0 };
    size_t i = 0;
    if (db)
        levin_stats_get(db, &s);
#define STAT_TAKE(field, text) values[i++] = (stat_value){ #field, s.field };
    LEVIN_STATS(STAT_TAKE)
#undef STAT_TAKE
}

/* Times, and what is counted at the I/O table as well, are left out; a state is shown as it is at the end. */
static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return true;
    return false;
}

static bool add_stats(gate_table *t, const char *workload, const stat_value *before, const stat_value *after)
{
    static const char *const left_out[] = { "recovery_ns", "stall_ns", "memory_bytes", "memory_peak_bytes", "gets",
                                            "get_hits", "wal_bytes", "wal_writes", "wal_syncs", "checkpoint_ns",
                                            "pages_sync_ns", "wal_sync_ns", "pages_syncs", "wal_file_syncs",
                                            "pages_read_bytes", "pages_written_bytes", "wal_read_bytes",
                                            "wal_written_bytes", "handle_bytes", NULL };
    static const char *const states[] = { "sequence", "cache_bytes", "memtable_bytes", "file_pages", "free_pages",
                                          "keys", "generation", "snapshots", "versions", "replayed_batches",
                                          "replayed_operations", "versions_bytes", "log_bytes", NULL };
    for (size_t i = 0; i < STAT_COUNT; i++) {
        char name[GATE_NAME_BYTES];
        uint64_t value = after[i].value - (is_one_of(after[i].name, states) ? 0 : before[i].value);
        snprintf(name, sizeof name, "stats.%s", after[i].name);
        if (value && !is_one_of(after[i].name, left_out) && !gate_table_add(t, workload, name, value))
            return false;
    }
    return true;
}

static bool add_counts(gate_table *t, const char *workload, const gate_counts *n, size_t arena_peak)
{
    bool ok = true;
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < GATE_OPERATION_COUNT; operation++) {
            char name[GATE_NAME_BYTES];
            const char *k = gate_kind_text((levin_file_kind)kind);
            const char *o = gate_operation_text((gate_operation)operation);
            snprintf(name, sizeof name, "%s.%s.calls", k, o);
            if (n->file[kind][operation].calls)
                ok = ok && gate_table_add(t, workload, name, n->file[kind][operation].calls);
            snprintf(name, sizeof name, "%s.%s.bytes", k, o);
            if (n->file[kind][operation].bytes)
                ok = ok && gate_table_add(t, workload, name, n->file[kind][operation].bytes);
        }
    const stat_value memory[] = { { "memory.allocations", n->allocations }, { "memory.frees", n->frees },
                                  { "memory.allocated.bytes", n->allocated_bytes },
                                  { "memory.peak.bytes", n->held_peak_bytes },
                                  { "memory.arena.bytes", arena_peak } };
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (memory[i].value)
            ok = ok && gate_table_add(t, workload, memory[i].name, memory[i].value);
    return ok;
}

bool gate_work_run(const gate_work *w, const gate_probe *probe, gate_table *counters)
{
    gate_run r;
    stat_value before[STAT_COUNT], after[STAT_COUNT];
    bool ok = run_init(&r) && w->prepare(&r);
    if (ok) {
        stats_take(r.db, before);
        gate_io_reset(&r.io);
        if (probe)
            probe->begin(probe->context);
        ok = w->measured(&r);
        if (probe)
            probe->end(probe->context);
        gate_counts counts = r.io.counts;
        const size_t arena_peak = gate_arena_peak(&r.memory);
        stats_take(r.db, after);
        if (ok && counters)
            ok = gate_table_add(counters, w->name, "operations", w->operations) &&
                 add_counts(counters, w->name, &counts, arena_peak) && add_stats(counters, w->name, before, after);
    }
    ok = run_fini(&r) && ok;
    if (!ok)
        fprintf(stderr, "levin-gate: the run %s failed\n", w->name);
    return ok;
}
