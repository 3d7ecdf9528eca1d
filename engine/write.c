/*
 * write.c - the write path: submission, and what the leader of a commit group does.
 *
 * A group: batches are copied once, into the memtable's arena, laid out as the log group itself; the memtable is
 * changed behind its published root; the log is written, and synced when any batch asks for it; then, and only
 * then, the new version is published and the requests are acknowledged.  Everything that can fail comes before the log
 * write or is undone: a failed group leaves memtable, log and readers as they were.
 *
 * Preconditions: a request may carry a check (write.h).  The leader asks it when the batches before it are in the
 * memtable's private root and its own is not copied yet; a batch that is refused leaves no trace, and the group goes on
 * without it.  What it was refused for may be a batch of the same group, so it is told only when the group is
 * published; when the group fails, the refused fail with it.
 *
 * Large values do not go that way: the leader writes them to the value log, straight from the callers' batches, before
 * the log is written, and what is copied and logged is a pointer (vlog.h).  A group that fails after that leaves
 * garbage there, which nothing points to.
 *
 * Durability: LEVIN_NONE groups are appended and stay in this process until a later flush; LEVIN_LOGGED are flushed;
 * LEVIN_SYNCED are synced.  The log keeps commit order, so what survives is always a prefix.
 *
 * A failed sync poisons the store: the group may or may not be on the device, and the kernel may have dropped its
 * pages and marked them clean, so nothing that follows could be promised.
 *
 * Back-pressure: a full memtable is frozen.  While it is merged and the next one is more than half full, the leader
 * waits a little between groups, so that the checkpoint is done in time (throttle.h).  When the next one is full all
 * the same the leader helps with the merge (it gives up commit_mutex meanwhile, for the checkpoint needs it at its
 * end).
 *
 * Who leads what nobody waits for: a thread of its own, the log thread, which sleeps when there is nothing to do. It is
 * started by the first ticket or callback, before that is submitted: when it cannot be started the call fails and
 * nothing is lost.  With background = none there is no such thread; levin_work() leads, one group a call.
 *
 * Concurrency: one leader at a time (commit.h) under commit_mutex, which the checkpoint takes for its short last steps.
 */
#include <string.h>

#include "keyspace.h"
#include "read.h"
#include "write.h"

enum {
    GATHER_KEEP = 4096,    /* values: room for so many is kept between groups */
    FREEZE_SEGMENTS = 8    /* so much of the value log, in segments, is written before a memtable is merged */
};

typedef struct write_request {
    commit_request base; /* first */
    levin *store;
    const uint8_t *operations;
    size_t bytes, count, puts, range_deletes;
    levin_durability durability;
    size_t large;         /* puts whose values go to the value log */
    uint64_t large_bytes; /* of these values */
    write_check check;  /* NULL: none */
    void *check_context;
    void (*settled)(void *context, levin_code code, uint64_t sequence); /* NULL: none */
    const levin_batch *spaces; /* NULL: it writes to no named keyspace */
    bool admitted;      /* by the check */
    levin_code refused; /* set by the leader: by the check, base.error says why */
    uint64_t sequence;  /* set by the leader */
    uint64_t began_ns;  /* unwaited and to be measured: when it was submitted; otherwise 0 */
    const vlog_pointer *expected; /* the collector's: operation i is done if this is still its key's pointer */
    uint8_t *moves;               /* = operations, to be changed by the leader */
} write_request;

struct levin_ticket {
    write_request request;
    bool told; /* levin_ticket_poll() has reported the failure */
};

typedef struct callback_request {
    write_request request; /* first */
    void (*done)(void *context, levin_code code);
    void *context;
} callback_request;

static write_request *request_of(commit_request *r)
{
    return (write_request *)(void *)r; /* base is the first member */
}

/* ---- the group ---- */

typedef struct commit_group {
    commit_request *first, *end; /* requests [first, end) of the leader's list */
    size_t payload_bytes;
    size_t large;                /* values for the value log */
    size_t batches, puts, deletes, range_deletes;
    levin_durability durability;
    bool watched; /* a request wants to be told how it ended */
    bool moved;                  /* by the collector: nothing that a user wrote */
} commit_group;

/* What the request takes in the log. */
static size_t logged_bytes(const write_request *w)
{
    return w->count ? BATCH_HEADER_BYTES + w->bytes - (size_t)w->large_bytes + w->large * VLOG_POINTER_BYTES : 0;
}

static commit_group group_collect(const levin *db, commit_request *list)
{
    const size_t batches_max = db->options.group_batches_max ? db->options.group_batches_max : SIZE_MAX;
    commit_group g = { .first = list, .moved = request_of(list)->expected != NULL };
    commit_request *r = list;
    size_t all_bytes = 0;
    for (; r; r = r->next) {
        const write_request *w = request_of(r);
        size_t bytes = w->count ? BATCH_HEADER_BYTES + w->bytes : 0;
        if (r != list &&
            (all_bytes + bytes > GROUP_BYTES_MAX || g.batches >= batches_max || w->expected || g.moved))
            break;
        all_bytes += bytes;
        g.payload_bytes += logged_bytes(w);
        g.large += w->large;
        g.batches += w->count != 0;
        g.puts += w->puts;
        g.deletes += w->count - w->puts - w->range_deletes;
        g.range_deletes += w->range_deletes;
        if (w->durability > g.durability)
            g.durability = w->durability;
    }
    g.end = r;
    return g;
}

static void group_complete(levin *db, const commit_group *g, levin_code code, const levin_error *error)
{
    uint64_t now = 0;
    for (commit_request *r = g->first, *next; r != g->end; r = next) {
        next = r->next;
        levin_code its = code == LEVIN_OK ? request_of(r)->refused : code;
        if (code != LEVIN_OK)
            r->error = *error;
        if (request_of(r)->began_ns && its == LEVIN_OK) {
            now = now ? now : db->io->now_ns(db->io->context);
            metrics_add(&db->metrics, LEVIN_HISTOGRAM_async_write, now - request_of(r)->began_ns);
        }
        commit_complete(&db->queue, r, its);
    }
}

/* LEVIN_NO_KEYSPACE when one of its keyspaces is gone, also by a batch before it in this group. */
static levin_code spaces_check(const levin_batch *batch, levin_error *error)
{
    bool gone = batch->space->dropping;
    for (size_t i = 0; i < batch->more_count; i++)
        gone |= batch->more_spaces[i]->dropping;
    return gone ? error_set(error, LEVIN_NO_KEYSPACE, NULL, "the keyspace was dropped") : LEVIN_OK;
}

/* Tells those who asked for it how the group ended. */
static void group_settle(const commit_group *g, levin_code code, uint64_t sequence)
{
    for (commit_request *r = g->first; g->watched && r != g->end; r = r->next) {
        const write_request *w = request_of(r);
        if (w->admitted && w->settled)
            w->settled(w->check_context, code, sequence);
    }
}

/* Copies operations, with room for a pointer in the place of each large value. Returns where they end. */
static uint8_t *operations_copy(levin *db, const write_request *w, uint8_t *to, size_t *gathered)
{
    if (!w->large) {
        memcpy(to, w->operations, w->bytes);
        return to + w->bytes;
    }
    const uint8_t *from = w->operations;
    for (size_t i = 0; i < w->count; i++, from += record_bytes(from)) {
        const size_t value_bytes = record_value_bytes(from);
        const bool large = batch_value_is_large(db, from);
        const size_t bytes = large ? (size_t)(record_value(from) - from) : record_bytes(from);
        memcpy(to, from, bytes);
        if (large) {
            store_u8(to + RECORD_KIND, RECORD_PUT_LOGGED);
            store_u32(to + RECORD_VALUE_BYTES, VLOG_POINTER_BYTES);
            db->gather[(*gathered)++] = (vlog_value){ .key = { record_key(from), record_key_bytes(from) },
                                                      .value = { record_value(from), value_bytes },
                                                      .keyspace = record_keyspace(from),
                                                      .pointer = to + bytes };
            to += VLOG_POINTER_BYTES;
        }
        to += bytes;
    }
    return to;
}

/* Writes the values gathered so far; the pointers to them are complete then. */
static levin_code values_write(levin *db, size_t *gathered, levin_error *error)
{
    const size_t count = *gathered;
    *gathered = 0;
    return count ? vlog_write(&db->values, db->gather, count, error) : LEVIN_OK;
}

/* Asks the request's check. One that is refused is no part of the group any more, but for its completion. */
static bool group_admits(const version *before, commit_group *g, write_request *w)
{
    if (!w->check && !w->spaces)
        return true;
    write_state now = write_state_of(before);
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        now.of[domain].mem = memtable_open_roots(before->mem, domain);
    w->refused = w->spaces ? spaces_check(w->spaces, &w->base.error) : LEVIN_OK;
    if (w->refused == LEVIN_OK && w->check)
        w->refused = w->check(w->check_context, &now, &w->base.error);
    w->admitted = w->refused == LEVIN_OK;
    g->watched |= w->admitted && w->settled;
    if (w->admitted)
        return true;
    g->payload_bytes -= logged_bytes(w);
    g->large -= w->large;
    g->batches--;
    g->puts -= w->puts;
    g->deletes -= w->count - w->puts - w->range_deletes;
    g->range_deletes -= w->range_deletes;
    return false;
}

/*
 * Copies the batches into the group's memory and applies them to the memtable's private root; their large values go to
 * the value log.  The group shrinks by what its checks refuse.
 */
static levin_code group_apply(levin *db, const version *before, commit_group *g, uint8_t *bytes, uint64_t sequence,
                              levin_error *error)
{
    uint8_t *to = bytes + WAL_GROUP_HEADER_BYTES;
    size_t gathered = 0;
    levin_code code = LEVIN_OK;
    g->durability = LEVIN_NONE;
    for (commit_request *r = g->first; r != g->end && code == LEVIN_OK; r = r->next) {
        write_request *w = request_of(r);
        if (w->check)
            code = values_write(db, &gathered, error); /* a check may look at them */
        if (code != LEVIN_OK || (w->count && !group_admits(before, g, w)))
            continue;
        if (w->durability > g->durability)
            g->durability = w->durability;
        if (!w->count)
            continue;
        uint8_t *operations = to + BATCH_HEADER_BYTES, *end = operations_copy(db, w, operations, &gathered);
        w->sequence = sequence++;
        store_u32(to + BATCH_OPS_BYTES, (uint32_t)(end - operations));
        store_u32(to + BATCH_OP_COUNT, (uint32_t)w->count);
        store_u32(to + BATCH_DURABILITY, (uint32_t)w->durability);
        store_u32(to + BATCH_RESERVED, 0);
        if (!memtable_apply_batch(before->mem, operations, w->count))
            code = error_memory(error, w->bytes);
        to = end;
    }
    return code == LEVIN_OK ? values_write(db, &gathered, error) : code;
}

/* Room to gather the large values of the group. */
static levin_code gather_reserve(levin *db, size_t count, levin_error *error)
{
    if (count <= db->gather_capacity)
        return LEVIN_OK;
    vlog_value *bigger = io_alloc(db->io, count * sizeof *bigger);
    if (!bigger)
        return error_memory(error, count * sizeof *bigger);
    io_free(db->io, db->gather, db->gather_capacity * sizeof *bigger);
    db->gather = bigger;
    db->gather_capacity = count;
    return LEVIN_OK;
}

static void gather_trim(levin *db)
{
    if (db->gather_capacity <= GATHER_KEEP)
        return;
    io_free(db->io, db->gather, db->gather_capacity * sizeof *db->gather);
    db->gather = NULL;
    db->gather_capacity = 0;
}

static levin_code log_durability(levin *db, levin_durability durability, levin_error *error)
{
    if (durability == LEVIN_SYNCED)
        return wal_sync(db->log, error);
    if (durability == LEVIN_LOGGED || db->lazy_bytes >= WAL_LAZY_BYTES)
        return wal_flush(db->log, error);
    return LEVIN_OK;
}

/* What the row cache holds of the keys that the group writes is of the past once `sequence` is published. */
static void group_touch_rows(levin *db, const commit_group *g, uint64_t sequence)
{
    if (!db->rows || !row_cache_active(db->rows))
        return;
    for (const commit_request *r = g->first; r != g->end; r = r->next) {
        const write_request *w = (const write_request *)(const void *)r; /* base is the first member */
        if (w->refused != LEVIN_OK)
            continue;
        if (w->range_deletes)
            row_cache_touch_all(db->rows, sequence);
        else
            row_cache_touch_records(db->rows, w->operations, w->count, sequence);
    }
}

/* The group is in the log as far as it asked for. Shows it to readers. Cannot fail. */
static void group_publish(levin *db, version *v, const version *before, const commit_group *g)
{
    mem_node_list replaced = { 0 };
    db->group++;
    db->sequence += g->batches;
    group_settle(g, LEVIN_OK, db->sequence);
    group_touch_rows(db, g, db->sequence); /* before the version is published: row_cache.h */
    v->group = db->group;
    v->sequence = db->sequence;
    v->mem = before->mem;
    memtable_finish(before->mem, &replaced);
    v->frozen = before->frozen;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        v->of[domain].mem = memtable_roots(before->mem, domain);
        v->of[domain].frozen = before->of[domain].frozen;
    }
    v->tree = before->tree;
    db->dead_bytes += replaced.count * (uint64_t)MEM_NODE_BYTES;
    version_publish(&db->versions, v, &replaced);
    if (!g->moved) {
        count_add(&db->batches, g->batches);
        count_add(&db->puts, g->puts);
        count_add(&db->deletes, g->deletes);
        count_add(&db->range_deletes, g->range_deletes);
    }
    count_add(&db->groups, 1);
    /* under commit_mutex */
    distribution_add_alone(&db->metrics.of[LEVIN_HISTOGRAM_group_batches], g->batches);
    distribution_add_alone(&db->metrics.of[LEVIN_HISTOGRAM_group_bytes], wal_group_bytes(db->log, g->payload_bytes));
}

/* A group without operations: only its durability counts. */
static levin_code group_sync_only(levin *db, levin_durability durability, levin_error *error)
{
    levin_code code = log_durability(db, durability, error);
    if (code == LEVIN_OK && durability != LEVIN_NONE)
        db->lazy_bytes = 0;
    return code;
}

/* The group as it was collected: group_apply() leaves what is to be logged. */
static levin_code group_commit(levin *db, commit_group *g, levin_error *error)
{
    if (!g->batches)
        return group_sync_only(db, g->durability, error);

    const version *before = db->versions.newest;
    memtable *mem = before->mem;
    size_t bytes = wal_group_bytes(db->log, g->payload_bytes);
    levin_code code = gather_reserve(db, g->large, error);
    if (code != LEVIN_OK)
        return code;
    version *v = version_create(&db->versions);
    uint8_t *group = v ? arena_reserve(memtable_arena(mem), bytes) : NULL;
    if (!group) {
        version_discard(v);
        return error_memory(error, bytes);
    }
    memtable_begin(mem, db->group + 1);
    bool appended = false;
    code = group_apply(db, before, g, group, db->sequence + 1, error);
    gather_trim(db);
    if (code == LEVIN_OK && !g->batches) {
        memtable_abort(mem);
        arena_trim(memtable_arena(mem), group, bytes, 0);
        version_discard(v);
        return group_sync_only(db, g->durability, error);
    }
    size_t need = wal_group_bytes(db->log, g->payload_bytes);
    if (code == LEVIN_OK && need < bytes) { /* a check has refused something */
        arena_trim(memtable_arena(mem), group, bytes, need);
        bytes = need;
    }
    if (code == LEVIN_OK)
        code = wal_append(db->log, group, g->payload_bytes, (uint32_t)g->batches, db->sequence + 1, error);
    if (code == LEVIN_OK) {
        appended = true;
        db->lazy_bytes += bytes;
        code = log_durability(db, g->durability, error);
        /* a lazy group is in the log's list already: that the kernel refuses it now is tried again with the next */
        if (code != LEVIN_OK && g->durability == LEVIN_NONE && !wal_poisoned(db->log))
            code = LEVIN_OK;
        else if (code == LEVIN_OK && (g->durability != LEVIN_NONE || db->lazy_bytes >= WAL_LAZY_BYTES))
            db->lazy_bytes = 0;
    }
    if (code != LEVIN_OK) {
        if (code == LEVIN_NO_SPACE)
            event_full(&db->events, &db->options, db->io, EVENT_FULL_WRITE, error->message);
        if (appended && !wal_poisoned(db->log)) {
            wal_take_back(db->log);
            db->lazy_bytes -= db->lazy_bytes < bytes ? db->lazy_bytes : bytes;
        }
        memtable_abort(mem);
        if (!wal_poisoned(db->log))
            arena_trim(memtable_arena(mem), group, bytes, 0);
        version_discard(v);
        return code;
    }
    if (!db->lazy_bytes) /* it has reached the device: there was room for it */
        event_space(&db->events, &db->options, db->io, EVENT_FULL_WRITE);
    group_publish(db, v, before, g);
    return LEVIN_OK;
}

/* ---- room ---- */

levin_code db_freeze(levin *db, bool empty_too, levin_error *error)
{
    const version *before = db->versions.newest;
    if (before->frozen || (version_mem_is_empty(before) && !empty_too))
        return LEVIN_OK;
    levin_code code = wal_flush(db->log, error); /* unflushed groups point into the arena that is about to age */
    if (code != LEVIN_OK)
        return code;
    db->lazy_bytes = 0;
    version *v = version_create(&db->versions);
    memtable *fresh = v ? memtable_create(db->io, db->options.memtable_bytes / 16) : NULL;
    if (!fresh) {
        version_discard(v);
        return error_memory(error, sizeof *v);
    }
    db->frozen_replay = wal_position(db->log);
    db->frozen_chain = wal_chain(db->log);
    db->frozen_sequence = db->sequence;
    v->group = ++db->group;
    v->sequence = db->sequence;
    v->mem = fresh;
    v->frozen = before->mem;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        v->of[domain].frozen = before->of[domain].mem;
    v->tree = before->tree;
    version_publish(&db->versions, v, NULL);
    vlog_freeze(&db->values);
    memtable_unref(fresh); /* the version has its own */
    db_wake(db);
    return LEVIN_OK;
}

/*
 * With large values in the value log a memtable holds pointers to many times its own bytes; what of these is garbage
 * is known when it is merged.
 */
static bool memtable_full(const levin *db)
{
    const version *v = db->versions.newest;
    return memtable_bytes(v->mem) >= db->options.memtable_bytes ||
           (!version_mem_is_empty(v) && db->values.since_freeze >= FREEZE_SEGMENTS * db->values.segment_bytes);
}

/*
 * Freezes a full memtable; waits for, and helps with, the checkpoint that stands in the way.  One that has published
 * its tree stands in the way until the memory of the memtable is free: there are never three of them, unless a reader
 * keeps one.
 */
static levin_code make_room(levin *db, levin_error *error)
{
    while (memtable_full(db)) {
        if (db_poisoned(db))
            return error_set(error, LEVIN_POISONED, NULL, "a sync failed earlier: close and reopen the store to write");
        if (!db->versions.newest->frozen && !db->merged_held)
            return db_freeze(db, false, error);
        uint64_t began = db->io->now_ns(db->io->context);
        sync_mutex_unlock(&db->commit_mutex);
        levin_code code = checkpoint_drive(db, error);
        sync_mutex_lock(&db->commit_mutex);
        count_add(&db->stalls, 1);
        uint64_t took = db->io->now_ns(db->io->context) - began;
        count_add(&db->stall_ns, took);
        metrics_add(&db->metrics, LEVIN_HISTOGRAM_stall, took);
        event_tell(db, stalled, (unsigned long long)(took / 1000000), (unsigned long long)count_read(&db->stalls),
                   (unsigned long long)(count_read(&db->stall_ns) / 1000000));
        if (code != LEVIN_OK)
            return code;
    }
    return LEVIN_OK;
}

/*
 * Replaced nodes count as bytes of the memtable until they are free again: without this a batch of random keys, which
 * replaces a leaf for each, would fill it with copies.  Freed at once they are also still in the processor's cache
 * when they are used again.  So the leader does it itself: a grace period takes a microsecond as long as no reader has
 * lost its processor.  When one has, the background thread waits for it instead, for a while.
 */
static void reclaim_after_group(levin *db)
{
    const size_t waiting = reclaim_waiting(&db->versions.retired);
    if (waiting < db->reclaim_seen) { /* the background thread has been at it */
        db->dead_bytes = 0;
        db->reclaim_asked = false;
    }
    db->reclaim_seen = waiting;
    uint64_t share = db->options.memtable_bytes / RECLAIM_SHARE;
    uint64_t enough = share < RECLAIM_BYTES_MIN ? RECLAIM_BYTES_MIN : share;
    if (waiting < RECLAIM_BATCH && db->dead_bytes < enough)
        return;
    if (db->reclaim_rest && waiting < RECLAIM_LIMIT && db->dead_bytes < enough * RECLAIM_SHARES_MAX) {
        if (!db->reclaim_asked) {
            db->reclaim_asked = true;
            db->reclaim_rest--;
            db_wake(db);
        }
        return;
    }
    uint64_t began = db->thread_started ? db->io->now_ns(db->io->context) : 0;
    version_reclaim(&db->versions);
    if (db->thread_started && db->io->now_ns(db->io->context) - began > RECLAIM_SLOW_NS)
        db->reclaim_rest = RECLAIM_REST;
    db->dead_bytes = 0;
    db->reclaim_seen = 0;
    db->reclaim_asked = false;
}

/* Under commit_mutex: how long the next group has to wait for the checkpoint's sake. Without a thread nobody would be
 * at work meanwhile. */
static uint64_t group_delay(levin *db, const commit_group *g)
{
    const version *v = db->versions.newest;
    if (!v->frozen || !db->thread_started || !g->batches)
        return 0;
    uint64_t used = memtable_bytes(v->mem), budget = db->options.memtable_bytes;
    if (used < budget / 2) /* a burst of so much is nobody's business */
        return 0;
    uint64_t bytes = g->payload_bytes + (g->puts + g->deletes) * (uint64_t)MEM_INDEX_BYTES;
    return throttle_delay_ns(&db->throttle, db->io->now_ns(db->io->context), bytes, used < budget ? budget - used : 0);
}

/* By the leader, between groups, without a lock: those who come meanwhile queue. */
static void hold_back(levin *db, uint64_t delay_ns)
{
    uint64_t began = db->io->now_ns(db->io->context);
    uint32_t seen = atomic_load_explicit(&db->throttle_word, memory_order_acquire); /* pairs with let_writers_go() */
    sync_wait(&db->throttle_word, seen, delay_ns);
    uint64_t took = db->io->now_ns(db->io->context) - began;
    count_add(&db->throttles, 1);
    count_add(&db->throttle_ns, took);
    metrics_add(&db->metrics, LEVIN_HISTOGRAM_throttle, took);
    event_tell(db, throttled, (unsigned long long)(took / 1000000), (unsigned long long)count_read(&db->throttles),
               (unsigned long long)(count_read(&db->throttle_ns) / 1000000));
}

/*
 * Values to be moved whose pointers are not the current ones any more are left out: the collector read its pointers
 * from an older state.
 */
static levin_code moves_filter(levin *db, write_request *w, levin_error *error)
{
    uint8_t *from = w->moves, *to = w->moves;
    const size_t count = w->count;
    levin_code code = LEVIN_OK;
    w->bytes = w->count = w->large = 0;
    w->large_bytes = 0;
    reclaim_read_lock();
    const version *v = version_current(&db->versions);
    for (size_t i = 0; i < count && code == LEVIN_OK; i++) {
        const size_t bytes = record_bytes(from);
        const unsigned domain = record_domain(from);
        found_value found;
        code = read_layers(&v->of[domain], tree_version_of(v->tree, domain), record_key(from), record_key_bytes(from),
                           &found, error);
        if (code == LEVIN_OK && found.extent.kind == VALUE_LOG && found.extent.first_page == w->expected[i].position) {
            memmove(to, from, bytes);
            w->count++;
            w->bytes += bytes;
            if (batch_value_is_large(db, to)) {
                w->large++;
                w->large_bytes += record_value_bytes(to);
            }
            to += bytes;
        } else if (code == LEVIN_NOT_FOUND) {
            code = LEVIN_OK;
        }
        from += bytes;
    }
    reclaim_read_unlock();
    w->puts = w->count;
    return code;
}

void write_lead(void *context, commit_request *list)
{
    levin *db = context;
    while (list) {
        levin_error error = { 0 };
        sync_mutex_lock(&db->commit_mutex);
        levin_code code = LEVIN_OK;
        if (db_poisoned(db))
            code = error_set(&error, LEVIN_POISONED, NULL,
                             "a sync failed earlier: close and reopen the store to write");
        else if (request_of(list)->expected)
            code = moves_filter(db, request_of(list), &error);
        commit_group g = group_collect(db, list);
        if (code == LEVIN_OK && g.batches)
            code = make_room(db, &error);
        if (code == LEVIN_OK)
            code = group_commit(db, &g, &error);
        if (code != LEVIN_OK)
            group_settle(&g, code, 0);
        if ((db->log && wal_poisoned(db->log)) || db->values.poisoned)
            db_poison(db);
        uint64_t delay = code == LEVIN_OK ? group_delay(db, &g) : 0;
        bool ask = db->thread_started && !db->spare_asked && wal_wants_spare(db->log);
        db->spare_asked |= ask;
        sync_mutex_unlock(&db->commit_mutex);
        if (ask)
            db_wake(db);
        list = g.end;
        group_complete(db, &g, code, &error);
        reclaim_after_group(db);
        if (delay)
            hold_back(db, delay);
    }
}

/* ---- submission ---- */

static levin_code request_init(write_request *w, levin *store, const levin_batch *batch, levin_durability durability)
{
    /* relaxed: close and the callbacks that it runs are on one thread, or on two of which it joins the other */
    if (atomic_load_explicit(&store->closing, memory_order_relaxed))
        return db_refuse(store, LEVIN_INTERRUPTED, "the store is being closed: a callback can write no more");
    if (store->options.read_only)
        return db_refuse(store, LEVIN_READ_ONLY, "the store is open read-only");
    if (batch && batch->store != store)
        return db_refuse(store, LEVIN_INVALID, "the batch was made for another store, whose limits differ");
    if ((int)durability < LEVIN_NONE || durability > LEVIN_SYNCED)
        return db_refuse(store, LEVIN_INVALID, "durability %d is none of none, logged, synced", (int)durability);
    /* base is commit_submit()'s to fill; its error is filled only when there is one */
    w->store = store;
    w->durability = durability < store->options.min_durability ? store->options.min_durability : durability;
    w->operations = batch ? batch->bytes : NULL;
    w->bytes = batch ? batch->used : 0;
    w->count = batch ? batch->count : 0;
    w->puts = batch ? batch->puts : 0;
    w->range_deletes = batch ? batch->range_deletes : 0;
    w->check = NULL;
    w->check_context = NULL;
    w->settled = NULL;
    w->spaces = batch && batch->space ? batch : NULL;
    w->admitted = false;
    w->refused = LEVIN_OK;
    w->large = batch ? batch->large : 0;
    w->large_bytes = batch ? batch->large_bytes : 0;
    w->expected = NULL;
    w->moves = NULL;
    w->sequence = 0;
    w->began_ns = 0;
    return LEVIN_OK;
}

/* Counts a write that nobody waits for, and begins to measure one in so many of this thread's. */
static void unwaited_begin(write_request *w, enum write_count count)
{
    levin *store = w->store;
    const uint64_t number = counter_add(counter_mine(&store->write_counts), count, 1);
    if (metrics_samples(number, METRICS_SAMPLE_async_write))
        w->began_ns = store->io->now_ns(store->io->context);
}

/* Synced batches wait for company as the commit interval says; a bare sync is somebody who wants it now. */
static commit_terms request_terms(const write_request *w)
{
    const bool synced = w->durability == LEVIN_SYNCED;
    return (commit_terms){ .lingers = synced && w->count, .slow = synced, .bytes = w->bytes };
}

/* What its check refuses is told by whoever asked for the check: it may try again. */
static levin_code request_result(write_request *w, levin_code code)
{
    const bool told = code == LEVIN_OK || code == LEVIN_CONFLICT || code == LEVIN_PENDING;
    return told ? code : db_fail(w->store, &w->base.error);
}

static levin_code submit_and_wait(levin *store, write_request *w)
{
    const commit_terms terms = request_terms(w);
    commit_submit(&store->queue, &w->base, &terms);
    return request_result(w, commit_wait(&store->queue, &w->base));
}

levin_code write_watched(levin *store, const levin_batch *batch, levin_durability durability, write_check check,
                         void (*settled)(void *context, levin_code code, uint64_t sequence), void *context)
{
    static const levin_histogram_id histogram[] = { LEVIN_HISTOGRAM_write_none, LEVIN_HISTOGRAM_write_logged,
                                                    LEVIN_HISTOGRAM_write_synced };
    write_request w;
    levin_code code = request_init(&w, store, batch, durability);
    if (code != LEVIN_OK)
        return code;
    w.check = check;
    w.check_context = context;
    w.settled = settled;
    /* an unsynced write takes no longer than a few looks at the clock: one in so many of this thread's is measured */
    uint64_t number = counter_add(counter_mine(&store->write_counts), COUNT_WRITES, 1);
    if (w.durability == LEVIN_NONE && !metrics_samples(number, METRICS_SAMPLE_write_none))
        return submit_and_wait(store, &w);
    uint64_t began = store->io->now_ns(store->io->context); /* filed under what it gets: min_durability may be more */
    code = submit_and_wait(store, &w);
    metrics_add(&store->metrics, histogram[w.durability], store->io->now_ns(store->io->context) - began);
    return code;
}

levin_code write_moves(levin *store, uint8_t *operations, size_t bytes, size_t count, const vlog_pointer *expected,
                       size_t *moved, uint64_t *moved_bytes, levin_error *error)
{
    write_request w = { .store = store, .operations = operations, .bytes = bytes, .count = count, .puts = count,
                        .durability = LEVIN_NONE, .expected = expected, .moves = operations };
    commit_submit(&store->queue, &w.base, NULL);
    levin_code code = commit_wait(&store->queue, &w.base);
    *moved = w.count;
    *moved_bytes = w.large_bytes;
    if (code != LEVIN_OK)
        *error = w.base.error;
    return code;
}

levin_code write_if(levin *store, const levin_batch *batch, levin_durability durability, write_check check,
                    void *check_context)
{
    return write_watched(store, batch, durability, check, NULL, check_context);
}

levin_code levin_write(levin *store, const levin_batch *batch, levin_durability durability)
{
    return write_if(store, batch, durability, NULL, NULL);
}

/* ---- what nobody waits for ---- */

static void log_thread_run(void *argument)
{
    commit_serve(&((levin *)argument)->queue);
}

/* There is a log thread from now on, if there is to be one at all. */
static levin_code log_thread_need(levin *store)
{
    if (store->options.background != LEVIN_BACKGROUND_THREAD ||
        atomic_load_explicit(&store->log_thread_started, memory_order_acquire)) /* pairs with the store below */
        return LEVIN_OK;
    int failed = 0;
    sync_mutex_lock(&store->log_thread_mutex);
    /* relaxed: changed under this mutex only */
    if (!atomic_load_explicit(&store->log_thread_started, memory_order_relaxed)) {
        failed = sync_thread_start(&store->log_thread, log_thread_run, store);
        if (!failed) {
            commit_serve_begin(&store->queue);
            atomic_store_explicit(&store->log_thread_started, 1, memory_order_release); /* pairs with the load above */
        }
    }
    sync_mutex_unlock(&store->log_thread_mutex);
    if (!failed)
        return LEVIN_OK;
    levin_error error;
    error_os(&error, failed, "start of the log thread", NULL);
    return db_fail(store, &error);
}

void write_close(levin *db)
{
    atomic_store_explicit(&db->closing, 1, memory_order_relaxed); /* see request_init() */
    if (atomic_load_explicit(&db->log_thread_started, memory_order_acquire)) { /* pairs with log_thread_need() */
        commit_serve_stop(&db->queue);
        sync_thread_join(&db->log_thread);
        commit_serve_ended(&db->queue);
    }
    commit_drain(&db->queue);
}

levin_code levin_write_async(levin *store, const levin_batch *batch, levin_durability durability,
                             levin_ticket **ticket)
{
    levin_error error;
    *ticket = NULL;
    levin_ticket *t = io_alloc(store->io, sizeof *t);
    if (!t) {
        error_memory(&error, sizeof *t);
        return db_fail(store, &error);
    }
    t->told = false;
    levin_code code = request_init(&t->request, store, batch, durability);
    if (code == LEVIN_OK)
        code = log_thread_need(store);
    if (code != LEVIN_OK) {
        io_free(store->io, t, sizeof *t);
        return code;
    }
    commit_terms terms = request_terms(&t->request);
    terms.unwaited = true;
    unwaited_begin(&t->request, COUNT_TICKETS);
    commit_submit(&store->queue, &t->request.base, &terms);
    *ticket = t;
    return LEVIN_OK;
}

/* The commit queue's: the request is completed, and ours. */
static void callback_run(commit_request *r)
{
    callback_request *c = (callback_request *)(void *)r; /* request.base is the first member */
    levin *store = c->request.store;
    void (*done)(void *context, levin_code code) = c->done;
    void *context = c->context;
    levin_code code = request_result(&c->request, r->result);
    io_free(store->io, c, sizeof *c);
    done(context, code);
}

levin_code levin_write_callback(levin *store, const levin_batch *batch, levin_durability durability,
                                void (*done)(void *context, levin_code code), void *context)
{
    levin_error error;
    if (!done)
        return db_refuse(store, LEVIN_INVALID, "the callback is NULL");
    callback_request *c = io_alloc(store->io, sizeof *c);
    if (!c) {
        error_memory(&error, sizeof *c);
        return db_fail(store, &error);
    }
    c->done = done;
    c->context = context;
    levin_code code = request_init(&c->request, store, batch, durability);
    if (code == LEVIN_OK)
        code = log_thread_need(store);
    if (code != LEVIN_OK) {
        io_free(store->io, c, sizeof *c);
        return code;
    }
    commit_terms terms = request_terms(&c->request);
    terms.unwaited = true;
    terms.done = callback_run;
    unwaited_begin(&c->request, COUNT_CALLBACKS);
    commit_submit(&store->queue, &c->request.base, &terms);
    return LEVIN_OK;
}

levin_code levin_ticket_wait(levin_ticket *ticket)
{
    levin *store = ticket->request.store;
    levin_code code = commit_wait(&store->queue, &ticket->request.base);
    if (!ticket->told)
        code = request_result(&ticket->request, code);
    io_free(store->io, ticket, sizeof *ticket);
    return code;
}

levin_code levin_ticket_poll(levin_ticket *ticket)
{
    levin_code code = commit_poll(&ticket->request.store->queue, &ticket->request.base);
    if (code == LEVIN_PENDING || ticket->told)
        return code;
    ticket->told = code != LEVIN_OK;
    return request_result(&ticket->request, code);
}

levin_code levin_sync(levin *store)
{
    return levin_write(store, NULL, LEVIN_SYNCED);
}
