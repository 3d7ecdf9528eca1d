/*
 * readers.c - who is reading old states: levin_readers_list(), and the watch over the oldest.
 *
 * Space that a checkpoint gives up comes free when the last reader of an older state has gone; one snapshot forgotten
 * lets the file grow for ever.  So each checkpoint looks at the oldest reader when it is done.
 *
 * Concurrency: no locks are held when the callback runs.
 */
#include "db.h"

levin_code levin_readers_list(levin *store, levin_reader_visit visit, void *context)
{
    uint64_t now = store->io->now_ns(store->io->context);
    return reader_list_visit(&store->readers, &store->versions, store->page_bytes, now, visit, context)
               ? LEVIN_OK
               : LEVIN_INTERRUPTED;
}

void db_reader_watch(levin *db)
{
    const levin_options *o = &db->options;
    levin_reader r;
    if ((!o->oldest_reader && !o->log) || (!o->oldest_reader_ms && !o->oldest_reader_bytes) ||
        !reader_list_oldest(&db->readers, &db->versions, db->page_bytes, db->io->now_ns(db->io->context), &r))
        return;
    static const char *const kinds[] = { "snapshot", "iterator", "transaction" };
    uint64_t held = r.held_file_bytes + r.held_memory_bytes;
    bool old = o->oldest_reader_ms && r.age_ns / 1000000 >= o->oldest_reader_ms && held;
    bool large = o->oldest_reader_bytes && held >= o->oldest_reader_bytes;
    if (!old && !large)
        return;
    event_tell(db, oldest_reader, kinds[r.kind], (unsigned long long)(r.age_ns / 1000000),
               (unsigned long long)r.batches_behind, (unsigned long long)r.held_file_bytes,
               (unsigned long long)r.held_memory_bytes);
    if (o->oldest_reader)
        o->oldest_reader(o->oldest_reader_context, &r);
}
