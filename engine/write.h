/*
 * write.h - writing on a condition, and the collector's way into the commit queue.  Internal.
 */
#ifndef LEVIN_WRITE_H
#define LEVIN_WRITE_H

#include "batch.h"
#include "db.h"

/* What a reader would see: a version, maybe with other roots of its memtable in place of the version's own. */
typedef struct write_state {
    const version *v;
    version_layers of[DOMAIN_COUNT];
} write_state;
static inline write_state write_state_of(const version *v)
{
    write_state s = { .v = v };
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        s.of[domain] = v->of[domain];
    return s;
}

/*
 * A precondition, asked by the leader of the group, under commit_mutex, at the batch's place in the order of commit:
 * `now` holds all that is committed before it, batches of the same group included.  LEVIN_OK: the batch goes on.  Any
 * other code (error filled, but for LEVIN_CONFLICT and LEVIN_PENDING) fails this batch alone and leaves no trace of it.
 * All writers wait meanwhile, so it should decide from memory where it can.
 */
typedef levin_code (*write_check)(void *context, const write_state *now, levin_error *error);

/*
 * As levin_write(), on a condition (check NULL: none).  LEVIN_CONFLICT and LEVIN_PENDING of the check are handed back
 * as they are, without becoming the last error. The batch is not empty.
 */
levin_code write_if(levin *store, const levin_batch *batch, levin_durability durability, write_check check,
                    void *check_context) LEVIN_MUST_USE;
/*
 * The same, and `settled` is called by the leader, under commit_mutex, once the check has admitted the batch: with
 * LEVIN_OK and the sequence of the group before it is published, or with another code when it has failed.
 */
levin_code write_watched(levin *store, const levin_batch *batch, levin_durability durability, write_check check,
                         void (*settled)(void *context, levin_code code, uint64_t sequence),
                         void *context) LEVIN_MUST_USE;
/*
 * The same for a batch of one operation, which is encoded without allocation when it is small. ks NULL: the default
 * keyspace.
 */
levin_code write_one_if(levin *store, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes, levin_durability durability, write_check check,
                        void *check_context) LEVIN_MUST_USE;

/*
 * For the collector: writes values anew, each only if the pointer of its key is still the expected one: the leader
 * decides, so that nothing newer is ever overwritten.  Not synced.  operations are puts, and are changed; *moved of
 * them, with *moved_bytes of values, were done.
 */
levin_code write_moves(levin *store, uint8_t *operations, size_t bytes, size_t count, const vlog_pointer *expected,
                       size_t *moved, uint64_t *moved_bytes, levin_error *error);

#endif
