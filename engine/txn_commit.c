/*
 * txn_commit.c - the commit of a transaction: is what it depends on still as it saw it?
 *
 * Twice the same question.  First outside of all locks: between the transaction's base and the newest version; that may
 * read pages.  Then by the leader of the commit group, at the transaction's place in the order of commit: between that
 * version and what the leader has now, which is the same but for writes of the last moments, so that mostly a few
 * pointers are compared.  The writes go on as a batch like any other, and are atomic and durable like one.
 *
 * Snapshot isolation: every key written must be as in the base (first committer wins: Berenson et al., 1995), so no
 * update is lost.  Serializable: also every key read.  Then all reads give at the commit what they gave before, so the
 * transaction might as well have run there as a whole, between the batches before and after it: the order of commit is
 * a serial order.  A transaction without writes is serial at its base: it is asked nothing and cannot fail.
 *
 * Changed means another value (validate.h): a put of the value that was there, or a change that was undone, is none.
 * The argument for reads is above; for writes, the value that is overwritten is the one that the transaction knew.
 */
#include <string.h>

#include "txn.h"
#include "validate.h"

/* The transaction was found valid up to this version. */
typedef struct txn_guard {
    const levin_txn *txn;
    const version *valid;
} txn_guard;

/* LEVIN_CONFLICT when an operation of the set is about a key that differs. */
static levin_code validate_set(levin *db, const txn_set *set, const write_state *then, const write_state *now,
                               levin_error *error)
{
    mem_cursor c;
    mem_cursor_init(&c, set->root);
    levin_code code = LEVIN_OK;
    for (bool on = mem_cursor_first(&c); on && code == LEVIN_OK; on = mem_cursor_next(&c)) {
        const uint8_t *record = mem_cursor_record(&c);
        code = validate_key(db, then, now, record_key(record), record_key_bytes(record), error);
    }
    return code;
}

static levin_code validate_txn(const levin_txn *txn, const write_state *then, const write_state *now,
                               levin_error *error)
{
    if (validate_same_state(then, now))
        return LEVIN_OK;
    levin_code code = validate_set(txn->store, &txn->writes, then, now, error);
    return code == LEVIN_OK ? validate_set(txn->store, &txn->reads, then, now, error) : code;
}

static levin_code guard_check(void *context, const write_state *now, levin_error *error)
{
    const txn_guard *guard = context;
    const write_state then = write_state_of(guard->valid);
    return validate_txn(guard->txn, &then, now, error);
}

/* The operations as a batch; its bytes are the caller's to free. */
static levin_code collect_writes(const levin_txn *txn, levin_batch *batch, levin_error *error)
{
    mem_cursor c;
    *batch = (levin_batch){ .store = txn->store };
    mem_cursor_init(&c, txn->writes.root);
    for (bool on = mem_cursor_first(&c); on; on = mem_cursor_next(&c))
        batch->capacity += record_bytes(mem_cursor_record(&c));
    if (batch->capacity > LEVIN_BATCH_MAX_BYTES)
        return error_set(error, LEVIN_TOO_BIG, NULL, "the transaction writes %zu bytes: at most %u fit",
                         batch->capacity, LEVIN_BATCH_MAX_BYTES);
    batch->bytes = io_alloc(txn->store->io, batch->capacity);
    if (!batch->bytes)
        return error_memory(error, batch->capacity);
    for (bool on = mem_cursor_first(&c); on; on = mem_cursor_next(&c)) {
        const uint8_t *record = mem_cursor_record(&c);
        memcpy(batch->bytes + batch->used, record, record_bytes(record));
        batch->used += record_bytes(record);
        batch->count++;
        batch->puts += record_kind(record) == RECORD_PUT;
    }
    return LEVIN_OK;
}

static levin_code txn_conflict(levin_txn *txn)
{
    counter_add(counter_mine(&txn->store->write_counts), COUNT_TXN_CONFLICTS, 1);
    txn_end(txn);
    return db_refuse(txn->store, LEVIN_CONFLICT,
                     "the transaction is refused: what it %s was changed since it began, begin it again",
                     txn->isolation == LEVIN_SERIALIZABLE ? "read or wrote" : "wrote");
}

levin_code levin_txn_commit(levin_txn *txn, levin_durability durability)
{
    levin *store = txn->store;
    levin_error error;
    levin_batch batch;
    levin_code code = txn_check_open(txn);
    if (code == LEVIN_OK && txn->writes.root) {
        txn_guard guard = { txn, version_acquire(&store->versions) };
        const write_state then = write_state_of(txn->base.v), now = write_state_of(guard.valid);
        code = validate_txn(txn, &then, &now, &error);
        if (code == LEVIN_OK)
            code = collect_writes(txn, &batch, &error);
        if (code == LEVIN_OK) {
            code = write_if(store, &batch, durability, guard_check, &guard);
            io_free(store->io, batch.bytes, batch.capacity);
        } else if (code != LEVIN_CONFLICT) {
            code = db_fail(store, &error);
        }
        version_release(guard.valid);
    }
    if (code == LEVIN_CONFLICT)
        return txn_conflict(txn);
    if (code == LEVIN_OK) {
        counter_add(counter_mine(&store->write_counts), COUNT_TXN_COMMITTED, 1);
        txn_end(txn);
    }
    return code;
}
