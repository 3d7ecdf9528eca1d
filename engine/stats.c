/*
 * stats.c - gathers the counters of all parts into one struct.  Any thread; the numbers are each exact, but not of
 * one instant.
 */
#include <string.h>

#include "db.h"

/* As levin.h says of write_pressure. */
static uint64_t write_pressure(const levin *db, const version *v)
{
    uint64_t filled = 1000 * memtable_bytes(v->mem) / db->options.memtable_bytes, done = throttle_done(&db->throttle);
    return v->frozen && filled > done ? filled - done : 0;
}

static void stats_of_versions(levin *db, levin_stats *s)
{
    sync_mutex_lock(&db->versions.mutex);
    const version *v = db->versions.newest;
    s->versions = db->versions.count;
    s->versions_bytes = db->versions.count * sizeof *v;
    for (const tree_version *t = db->versions.oldest_tree; t; t = t->newer)
        s->versions_bytes += sizeof *t + t->free_list.capacity * sizeof *t->free_list.items;
    s->sequence = v->sequence;
    s->memtable_bytes = memtable_bytes(v->mem) + (v->frozen ? memtable_bytes(v->frozen) : 0);
    s->write_pressure = write_pressure(db, v);
    s->keys = v->tree->meta.keys;
    s->generation = v->tree->meta.generation;
    s->file_pages = v->tree->meta.page_count;
    s->free_pages = v->tree->meta.free_pages;
    sync_mutex_unlock(&db->versions.mutex);
}

static void stats_of_readers(levin *db, levin_stats *s)
{
    reader_summary summary;
    db_readers_summary(db, &summary);
    const levin_reader oldest = summary.oldest; /* zeros when there is none */
    s->beside_writer = db->beside;
    s->reader_processes = summary.processes;
    s->reader_processes_bytes = summary.processes_held_bytes;
    s->snapshots = reader_list_count(&db->readers);
    s->readers_bytes = reader_list_bytes(&db->readers);
    s->oldest_reader_ns = oldest.age_ns;
    s->oldest_reader_batches = oldest.batches_behind;
    s->oldest_reader_file_bytes = oldest.held_file_bytes;
    s->oldest_reader_memory_bytes = oldest.held_memory_bytes;
}

static void stats_of_files(const levin *db, levin_stats *s)
{
    const metered_files *pages = &db->metered.files[LEVIN_FILE_PAGES], *log = &db->metered.files[LEVIN_FILE_WAL];
    s->pages_read_bytes = count_read(&pages->read_bytes);
    s->pages_written_bytes = count_read(&pages->written_bytes);
    s->pages_syncs = count_read(&pages->syncs);
    s->pages_sync_ns = count_read(&pages->sync_ns);
    s->wal_read_bytes = count_read(&log->read_bytes);
    s->wal_written_bytes = count_read(&log->written_bytes);
    s->wal_file_syncs = count_read(&log->syncs);
    s->wal_sync_ns = count_read(&log->sync_ns);
}

static void stats_of_errors(const levin *db, levin_stats *s)
{
    const metrics *m = &db->metrics;
    s->error_invalid = metrics_errors(m, LEVIN_INVALID);
    s->error_too_big = metrics_errors(m, LEVIN_TOO_BIG);
    s->error_corrupt = metrics_errors(m, LEVIN_CORRUPT);
    s->error_io = metrics_errors(m, LEVIN_IO);
    s->error_no_memory = metrics_errors(m, LEVIN_NO_MEMORY);
    s->error_no_space = metrics_errors(m, LEVIN_NO_SPACE);
    s->error_poisoned = metrics_errors(m, LEVIN_POISONED);
    s->error_read_only = metrics_errors(m, LEVIN_READ_ONLY);
    s->error_interrupted = metrics_errors(m, LEVIN_INTERRUPTED);
    s->error_conflict = metrics_errors(m, LEVIN_CONFLICT);
    s->error_exists = metrics_errors(m, LEVIN_EXISTS);
    s->error_no_keyspace = metrics_errors(m, LEVIN_NO_KEYSPACE);
}

/*
 * While others read, an "absent" of the row cache may be half counted, and gets are counted between the reads here.
 * What was found is read first, so that it is at most a little behind: never below zero, nor above all gets.
 */
static void stats_of_gets(const levin *db, levin_stats *s)
{
    const uint64_t found = counter_read(&db->counts, COUNT_GET_HITS_BELOW); /* absent rows lower it: mod 2^64 */
    s->row_hits = counter_read(&db->counts, COUNT_ROW_HITS);
    s->gets = counter_read(&db->counts, COUNT_GETS_BELOW) + s->row_hits;
    const uint64_t hits = found + s->row_hits;
    s->get_hits = (int64_t)hits < 0 ? 0 : hits < s->gets ? hits : s->gets;
}

static void stats_of_values(levin *db, levin_stats *s)
{
    const metered_files *files = &db->metered.files[LEVIN_FILE_VLOG];
    vlog_counters values;
    vlog_count(&db->values, &values);
    s->vlog_segments = values.segments;
    s->vlog_bytes = values.bytes;
    s->vlog_live_bytes = values.live_bytes;
    s->vlog_values = values.written_values;
    s->vlog_written_bytes = count_read(&files->written_bytes);
    s->vlog_read_bytes = count_read(&files->read_bytes);
    s->vlog_syncs = count_read(&files->syncs);
    s->vlog_sync_ns = count_read(&files->sync_ns);
    s->vlog_collected_segments = values.collected_segments;
    s->vlog_collected_bytes = values.collected_bytes;
    s->vlog_moved_values = values.moves;
    s->vlog_moved_bytes = values.moved_bytes;
    s->vlog_memory_bytes = vlog_memory_bytes(&db->values);
    if (db->large) {
        value_cache_counters large;
        value_cache_count(db->large, &large);
        s->large_hits = large.hits;
        s->large_misses = large.misses;
        s->large_inserts = large.inserts;
        s->large_evictions = large.evictions;
        s->large_bytes = large.bytes;
    }
}

void levin_stats_get(levin *db, levin_stats *s)
{
    wal_counters log = { 0 };
    page_cache_counters cache;
    memset(s, 0, sizeof *s);
    if (db->log) { /* the same log from open to close */
        wal_count(db->log, &log);
        s->log_bytes = wal_memory_bytes(db->log);
    }
    page_cache_count(db->cache, &cache);
    stats_of_versions(db, s);
    stats_of_readers(db, s);
    stats_of_gets(db, s);
    s->batches = count_read(&db->batches);
    s->puts = count_read(&db->puts);
    s->deletes = count_read(&db->deletes);
    s->keyspaces = count_read(&db->keyspace_count);
    s->range_deletes = count_read(&db->range_deletes);
    s->groups = count_read(&db->groups);
    s->wal_bytes = log.bytes;
    s->wal_writes = log.writes;
    s->wal_syncs = log.syncs;
    s->wal_segments_created = log.created;
    s->wal_segments_recycled = log.recycled;
    s->checkpoints = count_read(&db->checkpoints);
    s->checkpoint_failures = count_read(&db->checkpoint_failures);
    s->pages_written = count_read(&db->pages_written);
    s->page_reads = cache.reads;
    s->cache_hits = cache.hits;
    s->cache_misses = cache.misses;
    s->cache_evictions = cache.evictions;
    s->cache_bytes = cache.bytes;
    s->row_misses = counter_read(&db->counts, COUNT_ROW_MISSES);
    s->row_inserts = counter_read(&db->counts, COUNT_ROW_OWN + ROW_INSERTS);
    s->row_evictions = counter_read(&db->counts, COUNT_ROW_OWN + ROW_EVICTIONS);
    s->row_bytes = db->rows ? row_cache_bytes(db->rows) : 0;
    s->replayed_batches = count_read(&db->replayed_batches);
    s->recovery_ns = count_read(&db->recovery_ns);
    s->stalls = count_read(&db->stalls);
    s->stall_ns = count_read(&db->stall_ns);
    s->throttles = count_read(&db->throttles);
    s->throttle_ns = count_read(&db->throttle_ns);
    s->memory_bytes = count_read(&db->metered.bytes);
    s->memory_peak_bytes = count_read(&db->metered.peak);
    s->handle_bytes = sizeof *db;
    s->replayed_operations = count_read(&db->replayed_operations);
    s->tickets = counter_read(&db->write_counts, COUNT_TICKETS);
    s->callbacks = counter_read(&db->write_counts, COUNT_CALLBACKS);
    s->transactions = counter_read(&db->write_counts, COUNT_TXN_BEGUN);
    s->transactions_committed = counter_read(&db->write_counts, COUNT_TXN_COMMITTED);
    s->transactions_refused = counter_read(&db->write_counts, COUNT_TXN_CONFLICTS);
    s->checkpoint_ns = count_read(&db->checkpoint_ns);
    s->checkpoint_bytes = count_read(&db->checkpoint_bytes);
    s->compactions = count_read(&db->compactions);
    s->compaction_rounds = count_read(&db->compaction_rounds);
    s->compaction_pages = count_read(&db->compaction_pages);
    s->compaction_bytes = count_read(&db->compaction_bytes);
    s->bulk_loads = count_read(&db->bulk_loads);
    s->bulk_load_entries = count_read(&db->bulk_load_entries);
    stats_of_files(db, s);
    stats_of_values(db, s);
    stats_of_errors(db, s);
}
