/*
 * readers.c - who is reading old states: levin_readers_list(), and the watch over the oldest.
 *
 * Space that a checkpoint gives up comes free when the last reader of an older state has gone; one snapshot forgotten
 * lets the file grow for ever.  So each checkpoint looks at the oldest reader when it is done.
 *
 * Concurrency: no locks are held when the callback runs.
 */
#include "db.h"

/* ---- other handles ---- */

typedef struct slots_seen {
    uint64_t oldest, newest;
} slots_seen;

static bool see_slot(void *context, const reader_slot *slot)
{
    slots_seen *seen = context;
    seen->oldest = slot->generation < seen->oldest ? slot->generation : seen->oldest;
    seen->newest = slot->generation > seen->newest ? slot->generation : seen->newest;
    return true;
}

levin_code db_reading_processes(levin *db, uint64_t *oldest, uint64_t *newest, levin_error *error)
{
    slots_seen seen = { UINT64_MAX, 0 };
    bool stopped;
    /* pairs with the fence of a reader between writing its slot and looking at the meta pages again (open.c) */
    sync_io_fence();
    levin_code code = LEVIN_OK;
    if (db->slots)
        code = reader_slots_visit(&db->lock, db->identity, see_slot, &seen, &stopped, error);
    *oldest = seen.oldest;
    *newest = seen.newest;
    return code;
}

uint64_t db_oldest_generation(levin *db)
{
    uint64_t oldest, newest;
    levin_error error;
    if (db_reading_processes(db, &oldest, &newest, &error) == LEVIN_OK)
        return oldest;
    event_tell(db, upkeep_failed, "pages are not used again before the reader slots can be read", error.message);
    return 0;
}

static levin_reader describe_slot(levin *db, const reader_slot *slot, uint64_t now)
{
    levin_reader r = {
        .kind = LEVIN_READER_PROCESS,
        .number = slot->number,
        .age_ns = slot->valid && now > slot->opened_ns ? now - slot->opened_ns : 0,
        .sequence = slot->sequence,
        .held_file_bytes = version_held_since(&db->versions, slot->generation) * db->page_bytes,
        .process = slot->process,
    };
    sync_mutex_lock(&db->versions.mutex);
    const uint64_t newest = db->versions.newest->sequence;
    sync_mutex_unlock(&db->versions.mutex);
    r.batches_behind = slot->valid && newest > slot->sequence ? newest - slot->sequence : 0;
    return r;
}

typedef struct slot_relay {
    levin *db;
    levin_reader_visit visit;
    void *context;
    uint64_t now;
} slot_relay;

static bool relay_slot(void *context, const reader_slot *slot)
{
    const slot_relay *r = context;
    levin_reader reader = describe_slot(r->db, slot, r->now);
    return r->visit(r->context, &reader);
}

/* Other handles that only read the store, by their slots. */
static levin_code visit_slots(levin *db, levin_reader_visit visit, void *context, uint64_t now, bool *stopped,
                              levin_error *error)
{
    slot_relay relay = { db, visit, context, now };
    *stopped = false;
    return db->slots ? reader_slots_visit(&db->lock, db->identity, relay_slot, &relay, stopped, error) : LEVIN_OK;
}

static bool keep_oldest(void *context, const levin_reader *reader)
{
    reader_summary *s = context;
    s->processes++;
    if (reader->held_file_bytes > s->processes_held_bytes)
        s->processes_held_bytes = reader->held_file_bytes;
    if (!s->any || reader->age_ns > s->oldest.age_ns)
        s->oldest = *reader;
    s->any = true;
    return true;
}

void db_readers_summary(levin *db, reader_summary *s)
{
    levin_error error;
    bool stopped;
    uint64_t now = db->io->now_ns(db->io->context);
    *s = (reader_summary){ 0 };
    s->any = reader_list_oldest(&db->readers, &db->versions, db->page_bytes, now, &s->oldest);
    if (visit_slots(db, keep_oldest, s, now, &stopped, &error) != LEVIN_OK)
        event_tell(db, upkeep_failed, "the reader slots were not read", error.message);
}

/* ---- public, and the watch ---- */

levin_code levin_readers_list(levin *store, levin_reader_visit visit, void *context)
{
    levin_error error;
    bool stopped;
    uint64_t now = store->io->now_ns(store->io->context);
    if (!reader_list_visit(&store->readers, &store->versions, store->page_bytes, now, visit, context))
        return db_refuse(store, LEVIN_INTERRUPTED, "the list was stopped on request");
    levin_code code = visit_slots(store, visit, context, now, &stopped, &error);
    if (code != LEVIN_OK)
        return db_fail(store, &error);
    return stopped ? db_refuse(store, LEVIN_INTERRUPTED, "the list was stopped on request") : LEVIN_OK;
}

void db_reader_watch(levin *db)
{
    const levin_options *o = &db->options;
    reader_summary summary;
    if ((!o->oldest_reader && !o->log) || (!o->oldest_reader_ms && !o->oldest_reader_bytes))
        return;
    db_readers_summary(db, &summary);
    if (!summary.any)
        return;
    const levin_reader r = summary.oldest;
    static const char *const kinds[] = { "snapshot", "iterator", "transaction", "reading process" };
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
