/*
 * gate_work.c - the recorded runs: how each prepares a store, and what of it is measured.  Those of large values stand
 * in gate_work_values.c, those that mix calls in gate_work_mixed.c.
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

#include "gate_run.h"

/* ---- what runs are made of ---- */

bool run_put_range(gate_run *r, size_t from, size_t count, size_t batch, levin_durability durability)
{
    for (size_t i = from; i < from + count;) {
        levin_batch_clear(r->batch);
        for (size_t end = i + batch; i < end; i++)
            if (!run_good(r, levin_batch_put(r->batch, r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES),
                          "batch put"))
                return false;
        if (!run_good(r, levin_write(r->db, r->batch, durability), "write"))
            return false;
    }
    return true;
}

static bool get_keys(gate_run *r, char (*keys)[KEY_BYTES], size_t count, levin_code wanted)
{
    size_t bytes, as_wanted = 0;
    for (size_t i = 0; i < count; i++)
        as_wanted += levin_get(r->db, NULL, keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes) == wanted;
    return run_as_named(as_wanted == count, wanted == LEVIN_OK ? "every key is there" : "no key is there");
}

bool run_put_large(gate_run *r)
{
    for (size_t i = 0; i < LARGE;) {
        levin_batch_clear(r->batch);
        for (size_t end = i + LARGE_BATCH; i < end; i++)
            if (!run_good(r, levin_batch_put(r->batch, r->keys[i], KEY_BYTES, run_value(r, i), LARGE_BYTES),
                          "batch put"))
                return false;
        if (!run_good(r, levin_write(r->db, r->batch, LEVIN_SYNCED), "write"))
            return false;
    }
    return true;
}

static bool scan(gate_run *r, bool reverse)
{
    levin_iter *it;
    size_t pairs = 0, bytes = 0;
    if (!run_good(r, levin_iter_open(r->db, NULL, &it), "iterator"))
        return false;
    for (bool on = reverse ? levin_iter_last(it) : levin_iter_first(it); on;
         on = reverse ? levin_iter_prev(it) : levin_iter_next(it)) {
        bytes += levin_iter_key(it).size + levin_iter_value(it).size;
        pairs++;
    }
    levin_code code = levin_iter_status(it);
    levin_iter_close(it);
    return run_good(r, code, "scan") && run_as_named(pairs == KEYS && bytes == (size_t)KEYS * (KEY_BYTES + VALUE_BYTES),
                                             "the scan sees every pair");
}

/* ---- preparing ---- */

bool run_prepare_open(gate_run *r)
{
    return run_open(r) && run_good(r, levin_batch_create(r->db, &r->batch), "batch");
}

static bool prepare_small_memtable(gate_run *r)
{
    r->options.memtable_bytes = SMALL_MEMTABLE_BYTES;
    return run_prepare_open(r);
}

static bool prepare_memtable(gate_run *r)
{
    return run_prepare_open(r) && run_put_range(r, 0, KEYS, BATCH, LEVIN_NONE);
}

bool run_prepare_tree(gate_run *r)
{
    return prepare_memtable(r) && run_good(r, levin_checkpoint(r->db), "checkpoint");
}

bool run_prepare_cached_tree(gate_run *r)
{
    return run_prepare_tree(r) && get_keys(r, r->keys, KEYS, LEVIN_OK);
}

/* Reads answered by the pages or the memtable alone: no row cache answers some of them, or grows. */
static bool prepare_cached_pages(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    return run_prepare_cached_tree(r);
}

static bool prepare_memtable_alone(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    return prepare_memtable(r);
}

/* Pages that are cached, rows that are not: a scan brings the pages in and leaves the row cache as it was. */
static bool prepare_cold_rows(gate_run *r)
{
    return run_prepare_tree(r) && scan(r, false);
}

/* Every row in the row cache, which has taken all the memory that it will. */
static bool prepare_rows(gate_run *r)
{
    if (!run_prepare_tree(r))
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
    return run_as_named(false, "every row is in the row cache");
}

static bool prepare_tree_with_tiny_cache(gate_run *r)
{
    r->options.row_cache_bytes = 0;
    r->options.page_bytes = UNCACHED_PAGE_BYTES;
    r->options.cache_bytes = 16 * (uint64_t)r->options.page_bytes;
    return run_prepare_tree(r);
}

/* A tree, and a quarter of its keys once more in the memtable. */
static bool prepare_tree_and_memtable(gate_run *r)
{
    return run_prepare_cached_tree(r) && run_put_range(r, 0, KEYS / 4, BATCH, LEVIN_NONE);
}

static bool prepare_closed(gate_run *r)
{
    if (!run_prepare_tree(r))
        return false;
    levin_batch_destroy(r->batch);
    r->batch = NULL;
    return run_close(r);
}

/* The files as a process leaves them that was killed with all its work in the log. */
static bool prepare_killed(gate_run *r)
{
    if (!run_prepare_open(r) || !run_put_range(r, 0, KEYS, 10, LEVIN_NONE) || !run_good(r, levin_sync(r->db), "sync"))
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

bool run_prepare_large(gate_run *r)
{
    r->options.memtable_bytes = 16 << 20;
    return run_prepare_open(r);
}

static bool prepare_large_tree(gate_run *r)
{
    size_t bytes;
    if (!run_prepare_large(r) || !run_put_large(r) || !run_good(r, levin_checkpoint(r->db), "checkpoint"))
        return false;
    for (size_t i = 0; i < LARGE; i++)
        if (!run_good(r, levin_get(r->db, NULL, r->keys[i], KEY_BYTES, r->buffer, LARGE_BYTES, &bytes), "get"))
            return false;
    return true;
}

/* ---- measured: writing ---- */

static bool run_load(gate_run *r)
{
    return run_put_range(r, 0, KEYS, BATCH, LEVIN_NONE);
}

static bool run_ingest(gate_run *r)
{
    for (size_t i = 0; i < KEYS_ALL; i += BATCH)
        if (!run_put_range(r, i, BATCH, BATCH, LEVIN_NONE) || !run_good(r, levin_work(r->db, NULL), "work"))
            return false;
    return run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool put_each(gate_run *r, size_t count, levin_durability durability)
{
    for (size_t i = 0; i < count; i++)
        if (!run_good(r, levin_put(r->db, r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES, durability), "put"))
            return false;
    return true;
}

static bool run_put(gate_run *r)
{
    return put_each(r, PUTS, LEVIN_NONE);
}

static bool run_put_synced(gate_run *r)
{
    return put_each(r, KEYS / 10, LEVIN_SYNCED);
}

static bool run_group(gate_run *r)
{
    levin_batch *batch[TICKETS] = { 0 };
    bool ok = true;
    for (size_t k = 0; k < TICKETS && ok; k++)
        ok = run_good(r, levin_batch_create(r->db, &batch[k]), "batch");
    for (size_t i = 0; i < KEYS / 10 && ok;) {
        levin_ticket *ticket[TICKETS] = { 0 };
        for (size_t k = 0; k < TICKETS && ok; k++, i++) {
            levin_batch_clear(batch[k]);
            ok = run_good(r, levin_batch_put(batch[k], r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES),
                          "batch put") &&
                 run_good(r, levin_write_async(r->db, batch[k], LEVIN_SYNCED, &ticket[k]), "write_async");
        }
        for (size_t k = 0; k < TICKETS; k++)
            if (ticket[k])
                ok = run_good(r, levin_ticket_wait(ticket[k]), "ticket") && ok;
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
        ok = run_good(r, levin_batch_create(r->db, &batch[k]), "batch");
    while (submitted < KEYS / 10 && ok) {
        for (size_t k = 0; k < TICKETS && ok; k++) {
            const size_t i = submitted;
            levin_batch_clear(batch[k]);
            ok = run_good(r, levin_batch_put(batch[k], r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES),
                          "batch put") &&
                 run_good(r, levin_write_callback(r->db, batch[k], LEVIN_SYNCED, count_done, &done), "write_callback");
            submitted += ok;
        }
        for (more = true; more && ok;)
            ok = run_good(r, levin_work(r->db, &more), "work");
        ok = ok && run_as_named(done == submitted, "levin_work() commits and calls back");
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
    return run_put_range(r, KEYS / 4, KEYS / 2, BATCH, LEVIN_SYNCED);
}

static bool run_delete(gate_run *r)
{
    for (size_t i = 0; i < KEYS / 4; i++)
        if (!run_good(r, levin_delete(r->db, r->keys[i], KEY_BYTES, LEVIN_LOGGED), "delete"))
            return false;
    return true;
}

/* Each expects the value that is there. */
static bool run_swap(gate_run *r)
{
    for (size_t i = 0; i < KEYS / 10; i++) {
        const levin_slice expected = { run_value(r, i), VALUE_BYTES }, desired = { run_value(r, i + 1), VALUE_BYTES };
        if (!run_good(r, levin_compare_and_swap(r->db, r->keys[i], KEY_BYTES, &expected, &desired, LEVIN_NONE, NULL),
                  "compare and swap"))
            return false;
    }
    return true;
}

/* Two keys are read, one of them is written. */
static bool run_txn(gate_run *r)
{
    for (size_t i = 0; i < KEYS / 10; i++) {
        levin_txn *txn;
        size_t bytes;
        if (!run_good(r, levin_txn_begin(r->db, NULL, &txn), "begin"))
            return false;
        levin_code code = LEVIN_OK;
        for (size_t k = 0; k < 2 && code == LEVIN_OK; k++)
            code = levin_txn_get(txn, r->keys[i + k], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
        if (code == LEVIN_OK)
            code = levin_txn_put(txn, r->keys[i], KEY_BYTES, run_value(r, i + 1), VALUE_BYTES);
        if (code == LEVIN_OK)
            code = levin_txn_commit(txn, LEVIN_NONE);
        levin_txn_destroy(txn);
        if (!run_good(r, code, "transaction"))
            return false;
    }
    return true;
}

static bool run_delete_range(gate_run *r)
{
    for (uint64_t i = 0; i < KEYS / 100; i++) {
        char lower[KEY_BYTES], upper[KEY_BYTES];
        run_format_key(lower, i * 180);
        run_format_key(upper, i * 180 + 90);
        if (!run_good(r, levin_delete_range(r->db, (levin_slice){ lower, KEY_BYTES }, (levin_slice){ upper, KEY_BYTES },
                                        LEVIN_NONE), "delete range"))
            return false;
    }
    return run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool run_compact(gate_run *r)
{
    levin_compact_result result;
    return run_good(r, levin_compact(r->db, NULL, &result), "compact") &&
           run_as_named(result.pages_after < result.pages_before, "the file has become shorter");
}

static bool run_checkpoint(gate_run *r)
{
    return run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool prepare_holes(gate_run *r)
{
    return run_prepare_tree(r) && run_delete_range(r);
}

/* ---- measured: reading ---- */

static bool run_get(gate_run *r)
{
    return get_keys(r, r->keys, GETS, LEVIN_OK);
}

static bool run_get_absent(gate_run *r)
{
    return get_keys(r, r->absent, GETS, LEVIN_NOT_FOUND);
}

static bool run_get_uncached(gate_run *r)
{
    return get_keys(r, r->keys, KEYS / 4, LEVIN_OK);
}

static bool run_get_pinned(gate_run *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < GETS; i++) {
        levin_pinned pinned;
        if (levin_get_pinned(r->db, NULL, r->keys[i], KEY_BYTES, &pinned) == LEVIN_OK)
            bytes += pinned.value.size;
        levin_pinned_release(&pinned);
    }
    return run_as_named(bytes == (size_t)GETS * VALUE_BYTES, "every key is there");
}

/* Every other key is absent. */
static bool run_contains(gate_run *r)
{
    size_t as_wanted = 0;
    for (size_t i = 0; i < GETS / 2; i++) {
        as_wanted += levin_contains(r->db, NULL, r->keys[i], KEY_BYTES) == LEVIN_OK;
        as_wanted += levin_contains(r->db, NULL, r->absent[i], KEY_BYTES) == LEVIN_NOT_FOUND;
    }
    return run_as_named(as_wanted == GETS, "half of the keys are there");
}

static bool run_multi_get(gate_run *r)
{
    levin_get_request q[MULTI];
    size_t found = 0;
    for (size_t i = 0; i < GETS; i += MULTI) {
        for (size_t k = 0; k < MULTI; k++)
            q[k] = (levin_get_request){ .key = r->keys[i + k], .key_bytes = KEY_BYTES,
                                        .buffer = r->buffer + k * VALUE_BYTES, .capacity = VALUE_BYTES };
        if (!run_good(r, levin_multi_get(r->db, NULL, q, MULTI), "multi_get"))
            return false;
        for (size_t k = 0; k < MULTI; k++)
            found += q[k].code == LEVIN_OK;
    }
    return run_as_named(found == GETS, "every key is there");
}

static bool run_snapshot(gate_run *r)
{
    size_t bytes;
    for (size_t i = 0; i < KEYS / 4; i++) {
        levin_snapshot *snapshot;
        if (!run_good(r, levin_snapshot_create(r->db, &snapshot), "snapshot"))
            return false;
        levin_code code = levin_get(r->db, snapshot, r->keys[i], KEY_BYTES, r->buffer, VALUE_BYTES, &bytes);
        levin_snapshot_release(snapshot);
        if (!run_good(r, code, "get"))
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
    for (size_t i = 0; i < KEYS / 40; i++) {
        levin_iter *it;
        size_t pairs = 0;
        if (!run_good(r, levin_iter_open(r->db, NULL, &it), "iterator"))
            return false;
        bool on = levin_iter_seek(it, r->keys[i], KEY_BYTES);
        for (; on && pairs < SCAN_PAIRS; on = levin_iter_next(it))
            pairs += levin_iter_value(it).size == VALUE_BYTES;
        levin_code code = levin_iter_status(it);
        levin_iter_close(it);
        if (!run_good(r, code, "scan") || !run_as_named(pairs > 0, "a scan sees pairs"))
            return false;
    }
    return true;
}

static bool run_get_large(gate_run *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < 4 * LARGE; i++)
        if (!run_good(r, levin_get(r->db, NULL, r->keys[i % LARGE], KEY_BYTES, r->buffer, LARGE_BYTES, &bytes), "get"))
            return false;
    return run_as_named(bytes == LARGE_BYTES, "the value is large");
}

/* ---- measured: the store as a whole ---- */

static bool run_check(gate_run *r)
{
    levin_check_result result;
    return run_good(r, levin_check(r->db, NULL, NULL, &result), "check") &&
           run_as_named(result.keys == KEYS, "all is checked");
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
    { "load", "batches of 100 into an empty store, unsynced", KEYS, run_prepare_open, run_load },
    { "ingest", "batches of 100 through a memtable of 512 KiB, checkpoints included", KEYS_ALL,
      prepare_small_memtable, run_ingest },
    { "put", "one at a time, unsynced", PUTS, run_prepare_open, run_put },
    { "put-synced", "one at a time, each synced", KEYS / 10, run_prepare_open, run_put_synced },
    { "group", "eight tickets at a time, synced as one group", KEYS / 10, run_prepare_open, run_group },
    { "callback", "eight batches at a time, synced as one group by levin_work(), which calls back", KEYS / 10,
      run_prepare_open, run_callback },
    { "overwrite", "batches of 100 over a checkpointed store, synced", KEYS / 2, run_prepare_tree, run_overwrite },
    { "swap", "compare and swap over a checkpointed store, unsynced", KEYS / 10, run_prepare_cached_tree, run_swap },
    { "transaction", "two gets, a put, the commit, over a checkpointed store, unsynced", KEYS / 10,
      run_prepare_cached_tree, run_txn },
    { "delete-range", "45 keys of 90 at a time out of a checkpointed store, then a checkpoint", KEYS / 100,
      run_prepare_tree, run_delete_range },
    { "delete", "one at a time, logged, over a checkpointed store", KEYS / 4, run_prepare_tree, run_delete },
    { "get-memtable", "keys that are in the memtable, no row cache", GETS, prepare_memtable_alone, run_get },
    { "get-row", "keys that are in the row cache", GETS, prepare_rows, run_get },
    { "get-page", "keys that are in cached pages, no row cache", GETS, prepare_cached_pages, run_get },
    { "get-first", "keys that are in cached pages, each on its way into the row cache", GETS, prepare_cold_rows,
      run_get },
    { "get-absent", "absent keys between those that are there, cached pages, no row cache", GETS,
      prepare_cached_pages, run_get_absent },
    { "get-uncached", "random keys through a cache of 16 pages, no row cache", KEYS / 4, prepare_tree_with_tiny_cache,
      run_get_uncached },
    { "get-pinned", "values handed out in cached pages, no row cache", GETS, prepare_cached_pages, run_get_pinned },
    { "contains", "present and absent keys in turn, cached pages, no row cache", GETS, prepare_cached_pages,
      run_contains },
    { "multi-get-row", "16 keys in a call, in the row cache", GETS, prepare_rows, run_multi_get },
    { "multi-get-page", "16 keys in a call, in cached pages, no row cache", GETS, prepare_cached_pages, run_multi_get },
    { "snapshot", "a snapshot, a get in it, its release", KEYS / 4, run_prepare_cached_tree, run_snapshot },
    { "scan", "the whole store in order, cached", KEYS, run_prepare_cached_tree, run_scan },
    { "scan-reverse", "the whole store backwards, cached", KEYS, run_prepare_cached_tree, run_scan_reverse },
    { "scan-merged", "the whole store in order, a quarter of it in the memtable too", KEYS, prepare_tree_and_memtable,
      run_scan },
    { "scan-short", "20 pairs from a random key, cached", (uint64_t)(KEYS / 40) * SCAN_PAIRS, run_prepare_cached_tree,
      run_scan_short },
    { "checkpoint", "5000 overwritten keys into a tree of 20000", KEYS / 4, prepare_tree_and_memtable, run_checkpoint },
    { "compact", "a tree of 20000 keys that every other range was deleted from", KEYS, prepare_holes, run_compact },
    { "check", "levin_check of a checkpointed store", KEYS, run_prepare_tree, run_check },
    { "reopen", "open and close a cleanly closed store", 20, prepare_closed, run_reopen },
    { "recovery", "open a killed store with 2000 batches of 10 in its log", KEYS, prepare_killed, run_recovery },
    { "put-large", "values of 64 KiB, batches of 8, synced", LARGE, run_prepare_large, run_put_large },
    { "get-large", "values of 64 KiB, out of the cache of large values", (uint64_t)4 * LARGE, prepare_large_tree,
      run_get_large },
};

static const struct {
    const gate_work *works;
    size_t count;
} groups[] = { { works, sizeof works / sizeof works[0] },
               { gate_works_values, GATE_WORKS_VALUES },
               { gate_works_mixed, GATE_WORKS_MIXED } };

const gate_work *gate_work_at(size_t index)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; index -= groups[i++].count)
        if (index < groups[i].count)
            return &groups[i].works[index];
    return NULL;
}

const gate_work *gate_work_find(const char *name)
{
    const gate_work *w;
    for (size_t i = 0; (w = gate_work_at(i)); i++)
        if (!strcmp(w->name, name))
            return w;
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
