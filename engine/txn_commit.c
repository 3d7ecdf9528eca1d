/*
 * txn_commit.c - the commit of a transaction: is what it depends on still as it saw it?
 *
 * Twice the same question.  First outside of all locks: between the transaction's base and the newest version; that may
 * read pages.  Then by the leader of the commit group, at the transaction's place in the order of commit: between that
 * version and what the leader has now, which is the same but for writes of the last moments, so that mostly a few
 * pointers are compared.  The writes go on as a batch like any other, and are atomic and durable like one.
 *
 * Snapshot isolation: every key written must be as in the base (first committer wins: Berenson et al., 1995), so no
 * update is lost.  Serializable: also every key read and every range seen.  Then all reads give at the commit what they
 * gave before, so the transaction might as well have run there as a whole, between the batches before and after it: the
 * order of commit is a serial order.  A transaction without writes is serial at its base: it is asked nothing and
 * cannot fail.
 *
 * Ranges, seen by iterators or deleted, are validated as a whole (validate.h).  What a leader cannot decide from
 * memory, because a checkpoint has come between, it sends back: the range is read again outside, up to a newer version.
 * Only after several times in vain the leader reads it itself, so that the transaction comes to an end.
 *
 * Named keyspaces.  One that was written to and is dropped by then is LEVIN_NO_KEYSPACE, whatever else has changed: to
 * begin again would not help, to go back to a savepoint may.  One that a serializable transaction has read and that is
 * dropped by then is a conflict, also if all that it found there was nothing.  Both are decided by the leader, who
 * marks the states of dropped keyspaces in the order of commit (keyspace.h).
 *
 * Changed means another value (validate.h): a put of the value that was there, or a change that was undone, is none.
 * The argument for reads is above; for writes, the value that is overwritten is the one that the transaction knew.
 */
#include <string.h>

#include "iter.h"
#include "keyspace.h"
#include "txn.h"
#include "validate.h"

enum { LEADER_ATTEMPTS = 4 }; /* before a leader reads ranges itself */

/* The transaction was found valid up to this version. */
typedef struct txn_guard {
    const levin_txn *txn;
    const version *valid;
    bool thorough;
} txn_guard;

/* LEVIN_CONFLICT when an operation of the set is about a key that differs. */
static levin_code validate_set(levin *db, const txn_set *set, const write_state *then, const write_state *now,
                               levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        mem_cursor c;
        mem_cursor_init(&c, set->of[domain].keys);
        for (bool on = mem_cursor_first(&c); on && code == LEVIN_OK; on = mem_cursor_next(&c)) {
            const uint8_t *record = mem_cursor_record(&c);
            code = validate_key(db, then, now, domain, record_key(record), record_key_bytes(record), error);
        }
    }
    return code;
}

/* The ranges that it has deleted in the domain. */
static levin_code validate_mask(levin *db, unsigned domain, const mem_node *mask, const write_state *then,
                                const write_state *now, bool thorough, levin_error *error)
{
    mem_cursor c;
    mem_cursor_init(&c, mask);
    levin_code code = LEVIN_OK;
    for (bool on = mem_cursor_first(&c); on && code == LEVIN_OK; on = mem_cursor_next(&c)) {
        const uint8_t *record = mem_cursor_record(&c);
        const size_t end = record_value_bytes(record);
        const validate_bounds range = { .domain = domain,
                                        .low = { record_key(record), record_key_bytes(record) },
                                        .high = { end ? record_value(record) : NULL, end },
                                        .high_exclusive = true };
        code = validate_range(db, then, now, &range, thorough, error);
    }
    return code;
}

static levin_code validate_seen(levin *db, const txn_range *r, const write_state *then, const write_state *now,
                                bool thorough, levin_error *error)
{
    const validate_bounds range = { r->domain, r->low, r->high, r->low_exclusive, r->high_exclusive };
    return validate_range(db, then, now, &range, thorough, error);
}

/* thorough false: LEVIN_PENDING when ranges would have to be read for it. */
static levin_code validate_txn(const levin_txn *txn, const write_state *then, const write_state *now, bool thorough,
                               levin_error *error)
{
    levin *db = txn->store;
    if (validate_same_state(then, now))
        return LEVIN_OK;
    levin_code code = validate_set(db, &txn->writes, then, now, error);
    if (code == LEVIN_OK)
        code = validate_set(db, &txn->reads, then, now, error);
    for (unsigned domain = 0; domain < DOMAIN_COUNT && code == LEVIN_OK; domain++)
        code = validate_mask(db, domain, txn->writes.of[domain].mask, then, now, thorough, error);
    for (const txn_range *r = txn->seen.ranges; r && code == LEVIN_OK; r = r->next)
        code = validate_seen(db, r, then, now, thorough, error);
    for (const txn_scan *s = txn->seen.scans; s && code == LEVIN_OK; s = s->next)
        if (s->seeing)
            code = validate_seen(db, s->range, then, now, thorough, error);
    return code;
}

static levin_code guard_check(void *context, const write_state *now, levin_error *error)
{
    const txn_guard *guard = context;
    for (const txn_space *s = guard->txn->spaces; s; s = s->next)
        if (s->read && s->state->dropping)
            return LEVIN_CONFLICT;
    const write_state then = write_state_of(guard->valid);
    return validate_txn(guard->txn, &then, now, guard->thorough, error);
}

/* Appends the operations under the root, or only adds up their bytes when the batch has no memory. */
static void collect(const mem_node *root, levin_batch *batch)
{
    mem_cursor c;
    mem_cursor_init(&c, root);
    for (bool on = mem_cursor_first(&c); on; on = mem_cursor_next(&c)) {
        const uint8_t *record = mem_cursor_record(&c);
        if (batch->bytes) {
            memcpy(batch->bytes + batch->used, record, record_bytes(record));
            batch_count(batch, record);
        } else {
            batch->used += record_bytes(record);
        }
    }
}

/* Ranges deleted first: what was put since stands above. */
static void collect_all(const levin_txn *txn, levin_batch *batch)
{
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        collect(txn->writes.of[domain].mask, batch);
        collect(txn->writes.of[domain].keys, batch);
    }
}

/* The operations as a batch, in `small` (BATCH_INLINE_BYTES) if they fit; else its memory is the caller's. */
static levin_code collect_writes(const levin_txn *txn, levin_batch *batch, uint8_t *small, levin_error *error)
{
    collect_all(txn, batch);
    if (batch->used > LEVIN_BATCH_MAX_BYTES)
        return error_set(error, LEVIN_TOO_BIG, NULL, "the transaction writes %zu bytes: at most %u fit", batch->used,
                         LEVIN_BATCH_MAX_BYTES);
    batch->bytes = batch->used <= BATCH_INLINE_BYTES ? small : io_alloc(txn->store->io, batch->used);
    if (!batch->bytes)
        return error_memory(error, batch->used);
    batch->capacity = batch->used;
    batch->used = 0;
    collect_all(txn, batch);
    return LEVIN_OK;
}

static bool holds_id(const mem_node *root, uint32_t id)
{
    uint8_t key[KEYSPACE_ID_BYTES];
    mem_cursor c;
    keyspace_id_store(key, id);
    mem_cursor_init(&c, root);
    if (!mem_cursor_seek(&c, key, sizeof key))
        return false;
    const uint8_t *record = mem_cursor_record(&c);
    return key_head32(record_key(record), record_key_bytes(record)) == id;
}

/* Whether it writes to the keyspace: what was undone does not count. */
static bool space_written(const levin_txn *txn, const txn_space *s)
{
    const mem_roots *named = &txn->writes.of[DOMAIN_NAMED];
    return holds_id(named->keys, s->state->id) || holds_id(named->mask, s->state->id);
}

static levin_code name_spaces(const levin_txn *txn, levin_batch *batch)
{
    levin_code code = LEVIN_OK;
    for (const txn_space *s = txn->spaces; s && code == LEVIN_OK; s = s->next)
        if (space_written(txn, s))
            code = batch_name_space(batch, s->state);
    return code;
}

/* Whether a keyspace that it writes to is gone in the newest state. */
static bool space_lost(const levin_txn *txn)
{
    bool lost = false;
    for (const txn_space *s = txn->spaces; s && !lost; s = s->next)
        lost = space_written(txn, s) && keyspace_state_gone(txn->store, s->state);
    return lost;
}

static levin_code txn_conflict(levin_txn *txn)
{
    counter_add(counter_mine(&txn->store->write_counts), COUNT_TXN_CONFLICTS, 1);
    txn_end(txn);
    return db_refuse(txn->store, LEVIN_CONFLICT,
                     "the transaction is refused: what it %s was changed since it began, begin it again",
                     txn->isolation == LEVIN_SERIALIZABLE ? "read or wrote" : "wrote");
}

/* One attempt: LEVIN_PENDING when the leader wants ranges to be read again. */
static levin_code commit_attempt(levin_txn *txn, const levin_batch *batch, levin_durability durability, bool thorough)
{
    levin *store = txn->store;
    levin_error error;
    txn_guard guard = { txn, version_acquire(&store->versions), thorough };
    const write_state then = write_state_of(txn->base.v), now = write_state_of(guard.valid);
    levin_code code = validate_txn(txn, &then, &now, true, &error);
    if (code == LEVIN_OK)
        code = write_if(store, batch, durability, guard_check, &guard);
    else if (code != LEVIN_CONFLICT)
        code = db_fail(store, &error);
    version_release(guard.valid);
    return code;
}

static levin_code commit_writes(levin_txn *txn, levin_durability durability)
{
    levin_error error;
    uint8_t small[BATCH_INLINE_BYTES];
    levin_batch batch = { .store = txn->store, .borrows = true };
    levin_code code = collect_writes(txn, &batch, small, &error);
    code = code == LEVIN_OK ? name_spaces(txn, &batch) : db_fail(txn->store, &error);
    for (txn_scan *s = txn->seen.scans; s; s = s->next)
        iter_scan_fold(s->iter);
    int attempt = 0;
    for (bool more = code == LEVIN_OK; more; more = code == LEVIN_PENDING)
        code = commit_attempt(txn, &batch, durability, ++attempt == LEADER_ATTEMPTS);
    if (batch.bytes == small)
        batch.bytes = NULL;
    batch_fini(&batch);
    return code;
}

levin_code levin_txn_commit(levin_txn *txn, levin_durability durability)
{
    levin_code code = txn_check_open(txn);
    if (code == LEVIN_OK && !txn_set_empty(&txn->writes))
        code = commit_writes(txn, durability);
    if (code == LEVIN_CONFLICT && space_lost(txn))
        return db_refuse(txn->store, LEVIN_NO_KEYSPACE, "a keyspace that the transaction writes to was dropped");
    if (code == LEVIN_CONFLICT)
        return txn_conflict(txn);
    if (code == LEVIN_OK) {
        counter_add(counter_mine(&txn->store->write_counts), COUNT_TXN_COMMITTED, 1);
        txn_end(txn);
    }
    return code;
}
