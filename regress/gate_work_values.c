/*
 * gate_work_values.c - recorded runs of large values: in the value log, in extents of the page file; collection;
 * backup; bulk load.
 *
 * One thread; nothing depends on the clock, the environment or an address.
 */
#include <string.h>

#include "gate_run.h"

enum { GARBAGE = 32 };

/* ---- preparing ---- */

static bool prepare_values(gate_run *r)
{
    r->options.value_cache_bytes = 0;
    r->options.row_cache_bytes = 0;
    return run_prepare_large(r) && run_put_large(r) && run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool prepare_no_value_log(gate_run *r)
{
    r->options.value_log_threshold_bytes = 0;
    return run_prepare_large(r);
}

static bool prepare_extents(gate_run *r)
{
    r->options.value_log_threshold_bytes = 0;
    r->options.cache_bytes = 16 * (uint64_t)r->options.page_bytes;
    return prepare_values(r);
}

/* Half of the values in each segment of the log are garbage, which a checkpoint has let go. */
static bool prepare_garbage(gate_run *r)
{
    r->options.value_log_segment_bytes = (uint64_t)(LARGE_BYTES + (LARGE_BYTES >> 4)) * LARGE_BATCH;
    if (!run_prepare_large(r))
        return false;
    for (size_t i = 0; i < GARBAGE;) { /* a batch a segment */
        levin_batch_clear(r->batch);
        for (size_t end = i + LARGE_BATCH; i < end; i++)
            if (!run_good(r, levin_batch_put(r->batch, r->keys[i], KEY_BYTES, run_value(r, i), LARGE_BYTES), "put"))
                return false;
        if (!run_good(r, levin_write(r->db, r->batch, LEVIN_SYNCED), "write"))
            return false;
    }
    for (size_t i = 0; i < GARBAGE; i += 2)
        if (!run_good(r, levin_delete(r->db, r->keys[i], KEY_BYTES, LEVIN_NONE), "delete"))
            return false;
    return run_good(r, levin_checkpoint(r->db), "checkpoint") && run_good(r, levin_checkpoint(r->db), "checkpoint");
}

/* The first KEYS keys in ascending order: into an empty store. */
static bool prepare_load(gate_run *r)
{
    for (size_t i = 0; i < KEYS; i++)
        run_format_key(r->keys[i], 2 * i);
    return run_prepare_open(r);
}

/* Every other one of them is there already. */
static bool prepare_load_between(gate_run *r)
{
    if (!prepare_load(r))
        return false;
    for (size_t i = 1; i < KEYS; i += 2)
        if (!run_good(r, levin_put(r->db, r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES, LEVIN_NONE), "put"))
            return false;
    return run_good(r, levin_checkpoint(r->db), "checkpoint");
}

/* ---- measured ---- */

static bool run_get_values(gate_run *r)
{
    size_t bytes = 0, all = 0;
    for (size_t i = 0; i < 4 * LARGE; i++, all += bytes)
        if (!run_good(r, levin_get(r->db, NULL, r->keys[i % LARGE], KEY_BYTES, r->buffer, LARGE_BYTES, &bytes), "get"))
            return false;
    return run_as_named(all == (size_t)4 * LARGE * LARGE_BYTES, "the values are large");
}

static bool run_put_extents(gate_run *r)
{
    return run_put_large(r) && run_good(r, levin_checkpoint(r->db), "checkpoint");
}

static bool run_collect(gate_run *r)
{
    levin_stats before, after;
    levin_stats_get(r->db, &before);
    const bool ok = run_good(r, levin_collect(r->db, 100), "collect");
    levin_stats_get(r->db, &after);
    return ok && run_as_named(after.vlog_bytes < before.vlog_bytes, "the value log has become smaller");
}

static bool run_backup(gate_run *r)
{
    levin_backup_result result;
    return run_good(r, levin_backup(r->db, "/copy", NULL, &result), "backup") &&
           run_as_named(result.bytes > (uint64_t)KEYS * VALUE_BYTES, "all is copied");
}

static bool load_every(gate_run *r, size_t step)
{
    levin_bulk_load *load;
    bool ok = run_good(r, levin_bulk_load_begin(r->db, NULL, &load), "bulk load");
    for (size_t i = 0; i < KEYS && ok; i += step)
        ok = run_good(r, levin_bulk_load_add(load, r->keys[i], KEY_BYTES, run_value(r, i), VALUE_BYTES), "add");
    ok = ok && run_good(r, levin_bulk_load_commit(load), "commit");
    levin_bulk_load_destroy(load);
    return ok;
}

static bool all_are_there(gate_run *r)
{
    levin_stats stats;
    levin_stats_get(r->db, &stats);
    return run_as_named(stats.keys == KEYS, "all keys are in pages");
}

static bool run_load_sorted(gate_run *r)
{
    return load_every(r, 1) && all_are_there(r);
}

static bool run_load_between(gate_run *r)
{
    return load_every(r, 2) && all_are_there(r);
}

const gate_work gate_works_values[GATE_WORKS_VALUES] = {
    { "get-value", "values of 64 KiB out of the value log, no cache", (uint64_t)4 * LARGE, prepare_values,
      run_get_values },
    { "put-extent", "values of 64 KiB, no value log, batches of 8, synced, then a checkpoint", LARGE,
      prepare_no_value_log, run_put_extents },
    { "get-extent", "values of 64 KiB out of the page file, no cache for them", (uint64_t)4 * LARGE, prepare_extents,
      run_get_values },
    { "collect", "segments of a value log of which every other value was deleted", GARBAGE, prepare_garbage,
      run_collect },
    { "backup", "levin_backup of a checkpointed store, verified", KEYS, run_prepare_tree, run_backup },
    { "bulk-load", "a sorted bulk load into an empty store", KEYS, prepare_load, run_load_sorted },
    { "bulk-load-between", "a bulk load of every other key, between those that are there", KEYS / 2,
      prepare_load_between, run_load_between },
};
