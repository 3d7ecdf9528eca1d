/*
 * collect.c - moves values out of segments of the value log that are mostly garbage (collect.h).
 *
 * Invariants: between two steps the collector keeps one key, no version and no iterator: it holds nothing back.  A
 * value is moved only if the leader finds that its key's pointer is still the one that was read.
 * Concurrency: one step at a time (`collecting`); a step holds no lock but inside the calls that it makes, so that it
 * may lead a commit group, and that may do a checkpoint.
 * Crash safety: a move is an ordinary commit.  Nothing is removed before a checkpoint without it is durable.
 */
#include "collect.h"

#include <string.h>

#include "iter.h"
#include "write.h"

enum { COLLECT_KEYS = 1024, COLLECT_VALUES = 64, COLLECT_BYTES = 1 << 20, COLLECT_WORTH = 16 };

/* What one step moves. */
typedef struct moves {
    uint8_t *operations;
    size_t bytes, capacity, count;
    vlog_pointer expected[COLLECT_VALUES];
} moves;

static levin_code moves_reserve(levin *db, moves *m, size_t bytes, levin_error *error)
{
    if (m->bytes + bytes <= m->capacity)
        return LEVIN_OK;
    const size_t capacity = m->bytes + bytes < COLLECT_BYTES / 4 ? (size_t)COLLECT_BYTES / 4
                                                                 : m->bytes + bytes + COLLECT_BYTES / 4;
    uint8_t *bigger = io_alloc(db->io, capacity);
    if (!bigger)
        return error_memory(error, capacity);
    if (m->bytes)
        memcpy(bigger, m->operations, m->bytes);
    io_free(db->io, m->operations, m->capacity);
    m->operations = bigger;
    m->capacity = capacity;
    return LEVIN_OK;
}

/* Reads a value that is to be moved, and puts it there as an operation. The iterator's version keeps its segment. */
static levin_code moves_add(levin *db, moves *m, unsigned domain, levin_slice key, const vlog_pointer *p,
                            levin_error *error)
{
    const size_t bytes = RECORD_HEADER_BYTES + key.size + p->value_bytes;
    levin_code code = vlog_bounds(&db->values, p, error);
    if (code == LEVIN_OK)
        code = moves_reserve(db, m, bytes, error);
    if (code != LEVIN_OK)
        return code;
    uint8_t *to = m->operations + m->bytes;
    code = vlog_read(&db->values, p, to + RECORD_HEADER_BYTES + key.size, error);
    if (code != LEVIN_OK)
        return code;
    store_u8(to + RECORD_KIND, RECORD_PUT);
    store_u8(to + RECORD_FLAGS, domain == DOMAIN_NAMED ? RECORD_FLAG_NAMED : 0);
    store_u16(to + RECORD_KEY_BYTES, (uint16_t)key.size);
    store_u32(to + RECORD_VALUE_BYTES, p->value_bytes);
    memcpy(to + RECORD_HEADER_BYTES, key.data, key.size);
    m->expected[m->count++] = *p;
    m->bytes += bytes;
    return LEVIN_OK;
}

/* Goes on from the key where the last step ended. *end: there are no more keys in that tree. */
static levin_code gather(levin *db, collector *c, moves *m, bool *end, levin_error *error)
{
    levin_iter *it;
    levin_code code = c->domain == DOMAIN_NAMED ? iter_open_named(db, version_acquire(&db->versions), &it)
                                               : levin_iter_open(db, NULL, &it);
    if (code != LEVIN_OK) {
        levin_last_error(db, error);
        return code;
    }
    bool more = levin_iter_seek(it, c->key, c->key_bytes);
    for (unsigned n = 0; more && n < COLLECT_KEYS && m->count < COLLECT_VALUES && m->bytes < COLLECT_BYTES; n++) {
        vlog_pointer p;
        const levin_slice key = levin_iter_key(it);
        if (iter_pointer(it, &p) && vlog_is_victim(&db->values, vlog_segment_of(p.position))) {
            code = moves_add(db, m, c->domain, key, &p, error);
            if (code == LEVIN_CORRUPT || code == LEVIN_IO) {
                event_tell(db, segment_spared, error->message);
                vlog_spare(&db->values, vlog_segment_of(p.position));
                code = LEVIN_OK;
            }
            if (code != LEVIN_OK)
                break;
        }
        memcpy(c->key, key.data, key.size); /* the next step begins just behind it */
        c->key[key.size] = 0;
        c->key_bytes = key.size + 1;
        more = levin_iter_next(it);
    }
    *end = !more;
    if (code == LEVIN_OK && !more && levin_iter_status(it) != LEVIN_OK) {
        levin_last_error(db, error);
        code = levin_iter_status(it);
    }
    levin_iter_close(it);
    return code;
}

static levin_code step_pass(levin *db, collector *c, levin_error *error)
{
    moves m = { 0 };
    bool end = false;
    size_t moved = 0;
    uint64_t moved_bytes = 0;
    levin_code code = gather(db, c, &m, &end, error);
    if (code == LEVIN_OK && m.count)
        code = write_moves(db, m.operations, m.bytes, m.count, m.expected, &moved, &moved_bytes, error);
    if (code == LEVIN_OK) {
        vlog_count_moves(&db->values, moved, moved_bytes);
        c->moved += moved;
        c->moved_bytes += moved_bytes;
    }
    io_free(db->io, m.operations, m.capacity);
    if (code != LEVIN_OK || !end)
        return code;
    c->key_bytes = 0;
    if (++c->domain == DOMAIN_COUNT) {
        vlog_collected(&db->values);
        c->state = COLLECT_WAIT;
    }
    return code;
}

static void collect_began(levin *db, collector *c, uint32_t live_percent)
{
    c->began_ns = db->options.log ? db->io->now_ns(db->io->context) : 0;
    c->moved = c->moved_bytes = 0;
    event_tell(db, collection_began, (unsigned long long)live_percent);
}

static void collect_ended(levin *db, const collector *c)
{
    uint64_t now_ns = db->options.log ? db->io->now_ns(db->io->context) : 0;
    event_tell(db, collection_ended, (unsigned long long)c->moved, (unsigned long long)c->moved_bytes,
               (unsigned long long)((now_ns - c->began_ns) / 1000000));
}

static levin_code step_choose(levin *db, collector *c, uint32_t live_percent, bool *more, levin_error *error)
{
    const size_t key_bytes = LEVIN_KEY_MAX_BYTES(db->page_bytes) + 1;
    *more = false;
    sync_mutex_lock(&db->work_mutex);
    checkpoint_take_back_segments(db);
    const uint64_t tree_bytes = db->meta.leaf_pages * db->page_bytes;
    sync_mutex_unlock(&db->work_mutex);
    /* a pass reads all leaves: it has to be worth it, unless somebody has asked for it */
    if (!vlog_choose(&db->values, live_percent, c->below ? 0 : tree_bytes / COLLECT_WORTH,
                     c->below ? c->below : UINT64_MAX))
        return LEVIN_OK;
    if (!c->key)
        c->key = io_alloc(db->io, key_bytes);
    if (!c->key) {
        vlog_give_up(&db->values);
        return error_memory(error, key_bytes);
    }
    c->key_bytes = 0;
    c->domain = DOMAIN_PLAIN;
    c->state = COLLECT_PASS;
    collect_began(db, c, live_percent);
    *more = true;
    return LEVIN_OK;
}

/* The checkpoint of a memtable frozen from now on leaves the collected segments out. */
static levin_code step_wait(levin *db, collector *c, bool *more, levin_error *error)
{
    levin_code code = LEVIN_OK;
    sync_mutex_lock(&db->commit_mutex);
    if (vlog_has(&db->values, VLOG_COLLECTED)) {
        code = db_freeze(db, true, error);
        if (wal_poisoned(db->log))
            db_poison(db);
    }
    if (code == LEVIN_OK && !vlog_has(&db->values, VLOG_COLLECTED) && !vlog_has(&db->values, VLOG_LEAVING)) {
        c->state = COLLECT_IDLE;
        collect_ended(db, c);
    }
    *more = code == LEVIN_OK;
    sync_mutex_unlock(&db->commit_mutex);
    return code;
}

static levin_code collect_step(levin *db, uint32_t live_percent, bool *more, levin_error *error)
{
    collector *c = &db->collect;
    levin_code code = LEVIN_OK;
    *more = true;
    if (db_poisoned(db))
        code = error_set(error, LEVIN_POISONED, NULL, "a sync failed earlier: close and reopen the store to write");
    else if (c->state == COLLECT_IDLE)
        code = step_choose(db, c, live_percent, more, error);
    else if (c->state == COLLECT_PASS)
        code = step_pass(db, c, error);
    else
        code = step_wait(db, c, more, error);
    if (code != LEVIN_OK && c->state == COLLECT_PASS) { /* what was moved is moved; the rest stays */
        vlog_give_up(&db->values);
        c->state = COLLECT_IDLE;
    }
    return code;
}

/* False: another thread is at it. wait: until it is not. */
static bool collect_enter(levin *db, bool wait)
{
    for (;;) {
        uint32_t nobody = 0;
        /* acquire: pairs with collect_leave(): what the last step left is seen */
        if (atomic_compare_exchange_strong_explicit(&db->collecting, &nobody, 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return true;
        if (!wait)
            return false;
        sync_wait(&db->collecting, 1, 0);
    }
}

static void collect_leave(levin *db)
{
    atomic_store_explicit(&db->collecting, 0, memory_order_release); /* pairs with collect_enter() */
    sync_wake(&db->collecting, 1);
}

levin_code collect_work(levin *db, uint32_t live_percent, bool *more, levin_error *error)
{
    *more = false;
    if (db->options.read_only || !live_percent || !collect_enter(db, false))
        return LEVIN_OK;
    levin_code code = collect_step(db, live_percent, more, error);
    collect_leave(db);
    return code;
}

void collect_fini(levin *db)
{
    io_free(db->io, db->collect.key, LEVIN_KEY_MAX_BYTES(db->page_bytes) + 1);
    db->collect.key = NULL;
}

static void count_collected(levin *db, const vlog_counters *before, collect_result *result)
{
    vlog_counters now;
    vlog_count(&db->values, &now);
    *result = (collect_result){ now.collected_segments - before->collected_segments,
                                now.collected_bytes - before->collected_bytes, now.moves - before->moves,
                                now.moved_bytes - before->moved_bytes };
}

/*
 * The segment that is written to is collected as well, if little of it is in use.  That is known when all that points
 * into it is in the tree; with writers going on beside, it is left for another time.
 */
static levin_code seal_written(levin *db, uint32_t live_percent, levin_error *error)
{
    bool counted = false;
    levin_code code = LEVIN_OK;
    for (unsigned attempt = 0; attempt < 2 && !counted && code == LEVIN_OK; attempt++) {
        sync_mutex_lock(&db->commit_mutex);
        const version *v = db->versions.newest;
        counted = !v->frozen && version_mem_is_empty(v);
        if (counted)
            code = vlog_seal_mostly_dead(&db->values, live_percent, error);
        else
            code = db_freeze(db, false, error);
        sync_mutex_unlock(&db->commit_mutex);
        if (code == LEVIN_OK && !counted)
            code = checkpoint_drive(db, error);
    }
    return code;
}

levin_code collect_drive(levin *db, uint32_t live_percent, bool (*go_on)(void *context, const collect_result *so_far),
                         void *context, collect_result *result, bool *stopped, levin_error *error)
{
    vlog_counters before;
    levin_code code = LEVIN_OK;
    bool more = true;
    *stopped = false;
    collect_enter(db, true);
    vlog_count(&db->values, &before);
    code = seal_written(db, live_percent, error);
    sync_mutex_lock(&db->commit_mutex);
    db->collect.below = db->values.next_number; /* what is moved now is not moved again */
    sync_mutex_unlock(&db->commit_mutex);
    while (more && code == LEVIN_OK && !*stopped) {
        code = collect_step(db, live_percent, &more, error);
        if (code == LEVIN_OK)
            code = checkpoint_drive(db, error);
        count_collected(db, &before, result);
        /* once all is moved, the end is two checkpoints away */
        *stopped = go_on && db->collect.state == COLLECT_PASS && !go_on(context, result);
    }
    if (db->collect.state == COLLECT_PASS) {
        vlog_give_up(&db->values);
        db->collect.state = COLLECT_IDLE;
    }
    db->collect.below = 0;
    collect_leave(db);
    version_reclaim(&db->versions);
    sync_mutex_lock(&db->work_mutex);
    checkpoint_take_back_segments(db);
    sync_mutex_unlock(&db->work_mutex);
    count_collected(db, &before, result);
    return code;
}

levin_code levin_collect(levin *store, uint32_t live_percent)
{
    levin_error error = { 0 };
    collect_result result;
    bool stopped;
    if (store->options.read_only)
        return db_refuse(store, LEVIN_READ_ONLY, "the store is open read-only");
    if (live_percent < 1 || live_percent > 100)
        return db_refuse(store, LEVIN_INVALID, "a share of %u %%: from 1 to 100 is needed", live_percent);
    levin_code code = levin_checkpoint(store);
    if (code != LEVIN_OK)
        return code;
    code = collect_drive(store, live_percent, NULL, NULL, &result, &stopped, &error);
    return code == LEVIN_OK ? LEVIN_OK : db_fail(store, &error);
}
