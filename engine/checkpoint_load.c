/*
 * checkpoint_load.c - a bulk load as a checkpoint (bulk_load.h): begun, fed, given up, and its commit.
 *
 * Invariant: while db->bulk_load is set, db->running is its checkpoint, in MERGE.  A writer may freeze its full
 * memtable then: the next checkpoint_work_locked() drops the load for it, or the load's commit finds it and refuses.
 * Failure, order and crash safety: checkpoint.c.
 *
 * Concurrency: under work_mutex; the commit takes commit_mutex, too, and keeps it till MARK is in the log and the load
 * is published.
 */
#include "bulk_load.h"
#include "checkpoint_state.h"

void checkpoint_load_drop(levin *db)
{
    db->bulk_load = NULL;
    checkpoint_give_up(db);
}

levin_code checkpoint_load_begin(levin *db, levin_bulk_load *load, unsigned domain, levin_error *error)
{
    levin_code code = LEVIN_OK;
    bool more = true;
    while (code == LEVIN_OK && more && !db->bulk_load)
        code = checkpoint_work_locked(db, false, &more, error);
    if (code == LEVIN_OK && db->bulk_load)
        return error_set(error, LEVIN_CONFLICT, NULL, "another bulk load is open");
    if (code == LEVIN_OK && db->compaction)
        return error_set(error, LEVIN_CONFLICT, NULL, "a compaction is under way");
    if (code == LEVIN_OK)
        code = checkpoint_take_back_pages(db, error);
    if (code == LEVIN_OK)
        code = checkpoint_begin(db, NULL, &domain, error);
    if (code == LEVIN_OK)
        db->bulk_load = load;
    return code;
}

levin_code checkpoint_load_feed(levin *db, const uint8_t *records, size_t count, levin_error *error)
{
    checkpoint *c = db->running;
    levin_code code = LEVIN_OK;
    bool done = false;
    merge_feed(c->merging, records, count);
    while (code == LEVIN_OK && !merge_hungry(c->merging))
        code = checkpoint_merge_some(db, c, &done, error);
    return code;
}

/* Its own tree is complete. What the memtable holds goes on top, so that one meta page says all. */
static levin_code load_go_on(levin *db, checkpoint *c, levin_error *error)
{
    levin_code code = db_freeze(db, true, error);
    if (code != LEVIN_OK)
        return code;
    version_release(c->base);
    c->base = version_acquire(&db->versions); /* with the frozen memtable; the tree is still the same */
    checkpoint_aim(db, c);
    c->sequence++;
    c->loading = false;
    c->loaded = true;
    c->domain = DOMAIN_PLAIN;
    c->operations = 0;
    throttle_begin(&db->throttle, memtable_entries(c->base->frozen), db->io->now_ns(db->io->context));
    return checkpoint_merge_open(db, c, NULL, error);
}

levin_code checkpoint_load_commit(levin *db, levin_code (*admit)(void *context, const version *v, levin_error *error),
                                  void *context, levin_error *error)
{
    checkpoint *c = db->running;
    levin_code code = LEVIN_OK;
    levin_error later;
    bool done = false;
    merge_feed_end(c->merging);
    while (code == LEVIN_OK && !done)
        code = checkpoint_merge_some(db, c, &done, error);
    if (code == LEVIN_OK)
        code = checkpoint_merge_take(db, c, error);
    if (code == LEVIN_OK) /* what can be synced before the others have to wait */
        code = checkpoint_pages_sync(db, c, error);
    sync_mutex_lock(&db->commit_mutex);
    c->held = true;
    if (code == LEVIN_OK && db_poisoned(db))
        code = error_set(error, LEVIN_POISONED, NULL, "a sync failed earlier: close and reopen the store to write");
    if (code == LEVIN_OK)
        code = admit(context, db->versions.newest, error);
    if (code == LEVIN_OK)
        code = load_go_on(db, c, error);
    if (code == LEVIN_OK) /* room for the mark, while a full disk does no harm */
        code = wal_prepare(db->log, error);
    while (code == LEVIN_OK && c->step < STEP_PUBLISH)
        code = checkpoint_step(db, error);
    if (code == LEVIN_OK) {
        wal_skip_sequence(db->log, c->sequence);
        code = checkpoint_mark(db, c, error);
    }
    while (code == LEVIN_OK && c->step < STEP_RELEASE)
        code = checkpoint_step(db, error);
    if (wal_poisoned(db->log) || (code != LEVIN_OK && c->step >= STEP_META))
        db_poison(db);
    c->held = false;
    sync_mutex_unlock(&db->commit_mutex);
    db->bulk_load = NULL;
    if (code != LEVIN_OK && !db_poisoned(db))
        checkpoint_give_up(db);
    while (code == LEVIN_OK && db->running && checkpoint_running_step(db, &later) == LEVIN_OK)
        ; /* what is left of the checkpoint, as far as it goes now */
    return code;
}
