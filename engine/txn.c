/*
 * txn.c - transactions: begin, point reads, writes, end.  Iterators: txn_iter.c; committing: txn_commit.c.
 *
 * Optimistic (Kung and Robinson, 1981): a transaction reads one version of the store, as a snapshot does, with its own
 * writes on top, which stand in a memtable of its own (txn_set.h); it takes no lock and nobody waits for it.  What it
 * depends on is looked at when it commits.
 *
 * Serializable: every key that was looked for in the base, found or absent, is noted before the read, so that a read
 * that fails is noted too.  A key that the transaction has written itself is answered from there and needs no note.
 *
 * Named keyspaces: the base holds them all, those too that are dropped meanwhile, so it is read as long as it lives; a
 * write is refused as soon as the drop is known.  The transaction holds the states of those that it has been in touch
 * with (keyspace.h), for the leader to see whether they are still there.
 *
 * Concurrency: a transaction belongs to one thread at a time; it holds a reference on its version.
 * Memory: all of it from the I/O table, up to the limit given; a failed call leaves the transaction as it was.
 */
#include "txn.h"

#include <string.h>

#include "keyspace.h"
#include "read.h"

enum { TXN_MEMORY_BYTES = 64 << 20, TXN_MEMORY_MIN_BYTES = 64 << 10 };

void levin_txn_options_init(levin_txn_options *options)
{
    *options = (levin_txn_options){ .struct_bytes = sizeof *options,
                                    .isolation = LEVIN_SERIALIZABLE,
                                    .memory_bytes = TXN_MEMORY_BYTES };
}

static levin_code options_check(levin *store, const levin_txn_options *o)
{
    if (o->struct_bytes != sizeof *o)
        return db_refuse(store, LEVIN_INVALID,
                         "options were not filled by levin_txn_options_init(): struct_bytes is %u, not %zu",
                         o->struct_bytes, sizeof *o);
    if (o->isolation != LEVIN_SNAPSHOT && o->isolation != LEVIN_SERIALIZABLE)
        return db_refuse(store, LEVIN_INVALID, "isolation %d is none of snapshot, serializable", (int)o->isolation);
    if (o->memory_bytes < TXN_MEMORY_MIN_BYTES || o->memory_bytes > LEVIN_BATCH_MAX_BYTES)
        return db_refuse(store, LEVIN_INVALID, "memory_bytes is %llu: from %u to %u is needed",
                         (unsigned long long)o->memory_bytes, (unsigned)TXN_MEMORY_MIN_BYTES, LEVIN_BATCH_MAX_BYTES);
    return LEVIN_OK;
}

levin_code levin_txn_begin(levin *store, const levin_txn_options *options, levin_txn **txn)
{
    levin_error error;
    levin_txn_options defaults;
    *txn = NULL;
    levin_txn_options_init(&defaults);
    const levin_txn_options *o = options ? options : &defaults;
    levin_code code = options_check(store, o);
    if (code != LEVIN_OK)
        return code;
    levin_txn *t = io_alloc(store->io, sizeof *t);
    if (!t) {
        error_memory(&error, sizeof *t);
        return db_fail(store, &error);
    }
    *t = (levin_txn){ .store = store, .isolation = o->isolation, .memory_bytes = o->memory_bytes };
    t->seen = (txn_ranges){ .io = store->io,
                            .key_max_bytes = LEVIN_KEY_MAX_BYTES(store->page_bytes),
                            .limit_bytes = o->memory_bytes };
    t->base = (levin_snapshot){ .store = store, .v = version_acquire(&store->versions) };
    reader_set_bytes(&t->base.entry, sizeof *t);
    db_reader_add(store, &t->base.entry, LEVIN_READER_TRANSACTION, t->base.v);
    counter_add(counter_mine(&store->write_counts), COUNT_TXN_BEGUN, 1);
    *txn = t;
    return LEVIN_OK;
}

void txn_end(levin_txn *txn)
{
    db_reader_remove(txn->store, &txn->base.entry);
    version_release(txn->base.v);
    txn->base.v = NULL;
    txn->over = true;
}

static void savepoint_drop(levin_txn *txn)
{
    txn_savepoint *s = txn->savepoints;
    txn->savepoints = s->before;
    txn_set_let_go(&txn->writes);
    io_free(txn->store->io, s, sizeof *s);
}

void levin_txn_destroy(levin_txn *txn)
{
    if (!txn)
        return;
    if (!txn->over)
        txn_end(txn);
    while (txn->savepoints)
        savepoint_drop(txn);
    for (txn_space *s = txn->spaces, *next; s; s = next) {
        next = s->next;
        keyspace_state_unref(txn->store, s->state);
        io_free(txn->store->io, s, sizeof *s);
    }
    txn_set_fini(&txn->writes);
    txn_set_fini(&txn->reads);
    txn_ranges_fini(&txn->seen);
    io_free(txn->store->io, txn, sizeof *txn);
}

levin_code txn_check_open(const levin_txn *txn)
{
    return txn->over ? db_refuse(txn->store, LEVIN_INVALID, "the transaction is over: begin another one") : LEVIN_OK;
}

static size_t txn_bytes(const levin_txn *txn)
{
    return txn_set_bytes(&txn->writes) + txn_set_bytes(&txn->reads) + txn->seen.bytes + txn->spaces_bytes;
}

void txn_show_bytes(levin_txn *txn)
{
    reader_set_bytes(&txn->base.entry, sizeof *txn + txn_bytes(txn));
}

levin_code txn_check_room(const levin_txn *txn, size_t bytes)
{
    const size_t held = txn_bytes(txn);
    if (held <= txn->memory_bytes && bytes <= txn->memory_bytes - held)
        return LEVIN_OK;
    return db_refuse(txn->store, LEVIN_TOO_BIG,
                     "the transaction holds %zu bytes and needs %zu more: its limit is %llu", held, bytes,
                     (unsigned long long)txn->memory_bytes);
}

/* ---- keyspaces ---- */

levin_code txn_touch(levin_txn *txn, const levin_keyspace *ks, bool read)
{
    levin_error error;
    if (!ks)
        return LEVIN_OK;
    txn_space **at = &txn->spaces, *s;
    while ((s = *at) && s->state != ks->state)
        at = &s->next;
    if (s) {
        *at = s->next;
    } else {
        levin_code code = txn_check_room(txn, sizeof *s);
        if (code != LEVIN_OK)
            return code;
        s = io_alloc(txn->store->io, sizeof *s);
        if (!s) {
            error_memory(&error, sizeof *s);
            return db_fail(txn->store, &error);
        }
        *s = (txn_space){ .state = ks->state };
        keyspace_state_ref(txn->store, s->state);
        txn->spaces_bytes += sizeof *s;
    }
    s->read |= read && txn->isolation == LEVIN_SERIALIZABLE;
    s->next = txn->spaces;
    txn->spaces = s;
    return LEVIN_OK;
}

/* ---- writes ---- */

/* A batch of one operation, small or not, checked like any other. */
typedef struct one_batch {
    levin_batch batch;
    uint8_t small[BATCH_INLINE_BYTES];
} one_batch;

static levin_code one_begin(one_batch *one, const levin_txn *txn, size_t bytes)
{
    levin_code code = txn_check_open(txn);
    one->batch = (levin_batch){ .store = txn->store, .borrows = true };
    if (bytes <= sizeof one->small - RECORD_HEADER_BYTES - 2 * KEYSPACE_ID_BYTES) {
        one->batch.bytes = one->small;
        one->batch.capacity = sizeof one->small;
    }
    return code == LEVIN_OK ? txn_check_room(txn, bytes) : code;
}

/* code: of what was appended. Nothing appended writes nothing. */
static levin_code one_write(one_batch *one, levin_txn *txn, const levin_keyspace *ks, levin_code code)
{
    levin_error error;
    levin_batch *batch = &one->batch;
    if (code == LEVIN_OK && batch->count)
        code = txn_touch(txn, ks, false);
    if (code == LEVIN_OK && batch->count &&
        txn_set_put(&txn->writes, txn->store->io, batch->bytes, &error) != LEVIN_OK)
        code = db_fail(txn->store, &error);
    txn_show_bytes(txn);
    if (batch->bytes != one->small)
        io_free(txn->store->io, batch->bytes, batch->capacity);
    return code;
}

static levin_code txn_write(levin_txn *txn, const levin_keyspace *ks, int kind, const void *key, size_t key_bytes,
                            const void *value, size_t value_bytes)
{
    one_batch one;
    levin_code code = one_begin(&one, txn, key_bytes + value_bytes);
    if (code == LEVIN_OK)
        code = batch_append(&one.batch, ks, kind, key, key_bytes, value, value_bytes);
    return one_write(&one, txn, ks, code);
}

levin_code levin_txn_put(levin_txn *txn, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    return txn_write(txn, NULL, RECORD_PUT, key, key_bytes, value, value_bytes);
}

levin_code levin_txn_put_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                            const void *value, size_t value_bytes)
{
    return txn_write(txn, keyspace, RECORD_PUT, key, key_bytes, value, value_bytes);
}

levin_code levin_txn_delete(levin_txn *txn, const void *key, size_t key_bytes)
{
    return txn_write(txn, NULL, RECORD_DELETE, key, key_bytes, NULL, 0);
}

levin_code levin_txn_delete_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key, size_t key_bytes)
{
    return txn_write(txn, keyspace, RECORD_DELETE, key, key_bytes, NULL, 0);
}

levin_code levin_txn_delete_range_in(levin_txn *txn, const levin_keyspace *keyspace, levin_slice lower,
                                     levin_slice upper)
{
    one_batch one;
    levin_code code = one_begin(&one, txn, lower.size + upper.size);
    if (code == LEVIN_OK)
        code = levin_batch_delete_range_in(&one.batch, keyspace, lower, upper);
    return one_write(&one, txn, keyspace, code);
}

levin_code levin_txn_delete_range(levin_txn *txn, levin_slice lower, levin_slice upper)
{
    return levin_txn_delete_range_in(txn, NULL, lower, upper);
}

levin_code levin_txn_delete_prefix_in(levin_txn *txn, const levin_keyspace *keyspace, const void *prefix,
                                      size_t prefix_bytes)
{
    one_batch one;
    levin_code code = one_begin(&one, txn, 2 * prefix_bytes);
    if (code == LEVIN_OK)
        code = levin_batch_delete_prefix_in(&one.batch, keyspace, prefix, prefix_bytes);
    return one_write(&one, txn, keyspace, code);
}

levin_code levin_txn_delete_prefix(levin_txn *txn, const void *prefix, size_t prefix_bytes)
{
    return levin_txn_delete_prefix_in(txn, NULL, prefix, prefix_bytes);
}

/* ---- savepoints ---- */

levin_code levin_txn_savepoint(levin_txn *txn)
{
    levin_error error;
    txn_savepoint *s;
    levin_code code = txn_check_open(txn);
    if (code == LEVIN_OK)
        code = txn_check_room(txn, sizeof *s);
    if (code != LEVIN_OK)
        return code;
    s = io_alloc(txn->store->io, sizeof *s);
    if (!s) {
        error_memory(&error, sizeof *s);
        return db_fail(txn->store, &error);
    }
    s->before = txn->savepoints;
    txn_set_save(&txn->writes, &s->writes);
    txn_set_hold(&txn->writes);
    txn->savepoints = s;
    return LEVIN_OK;
}

levin_code levin_txn_rollback_to_savepoint(levin_txn *txn)
{
    levin_code code = txn_check_open(txn);
    if (code != LEVIN_OK)
        return code;
    if (!txn->savepoints)
        return db_refuse(txn->store, LEVIN_INVALID, "the transaction has no savepoint");
    txn_set_restore(&txn->writes, &txn->savepoints->writes);
    savepoint_drop(txn);
    return LEVIN_OK;
}

/* ---- reads ---- */

/* Notes that the base is going to be asked for the key, which stands as in the domain's tree. */
static levin_code note_read(levin_txn *txn, unsigned domain, const void *key, size_t key_bytes)
{
    levin *store = txn->store;
    levin_error error;
    if (txn->isolation != LEVIN_SERIALIZABLE || key_bytes > LEVIN_KEY_MAX_BYTES(store->page_bytes) ||
        txn_set_find(&txn->reads, domain, key, key_bytes))
        return LEVIN_OK; /* a key that is too long is absent for ever */
    levin_code code = txn_check_room(txn, key_bytes);
    if (code != LEVIN_OK)
        return code;
    uint8_t small[BATCH_INLINE_BYTES];
    const size_t bytes = RECORD_HEADER_BYTES + key_bytes;
    uint8_t *record = bytes <= sizeof small ? small : io_alloc(store->io, bytes);
    if (!record) {
        error_memory(&error, bytes);
        return db_fail(store, &error);
    }
    memset(record, 0, RECORD_HEADER_BYTES);
    store_u8(record + RECORD_KIND, RECORD_DELETE);
    store_u8(record + RECORD_FLAGS, domain == DOMAIN_NAMED ? RECORD_FLAG_NAMED : 0);
    store_u16(record + RECORD_KEY_BYTES, (uint16_t)key_bytes);
    memcpy(record + RECORD_HEADER_BYTES, key, key_bytes);
    if (txn_set_put(&txn->reads, store->io, record, &error) != LEVIN_OK)
        code = db_fail(store, &error);
    txn_show_bytes(txn);
    if (record != small)
        io_free(store->io, record, bytes);
    return code;
}

/*
 * *own: the transaction's own operation on the key, or NULL: then the base is to be asked, which is noted.
 * LEVIN_NOT_FOUND: the transaction has deleted a range that the key is in.
 */
static levin_code find_own(levin_txn *txn, const levin_keyspace *ks, const void *key, size_t key_bytes,
                           const uint8_t **own)
{
    const unsigned domain = ks ? DOMAIN_NAMED : DOMAIN_PLAIN;
    *own = txn_set_find(&txn->writes, domain, key, key_bytes);
    if (*own)
        return LEVIN_OK;
    if (txn_set_hides(&txn->writes, domain, key, key_bytes))
        return LEVIN_NOT_FOUND;
    levin_code code = txn_touch(txn, ks, true);
    return code == LEVIN_OK ? note_read(txn, domain, key, key_bytes) : code;
}

static levin_code begin_read_in(levin_txn *txn, const levin_keyspace *ks, const void *key, size_t key_bytes,
                                const uint8_t **own)
{
    keyspace_key k;
    levin_code code = keyspace_key_make(txn->store, ks, &txn->base, key, key_bytes, &k);
    return code == LEVIN_OK ? find_own(txn, ks, k.data, k.bytes, own) : code;
}

/* What find_own() says, after the checks. */
static levin_code begin_read(levin_txn *txn, const levin_keyspace *ks, const void *key, size_t key_bytes,
                             const uint8_t **own)
{
    *own = NULL;
    levin_code code = txn_check_open(txn);
    if (code == LEVIN_OK && ks)
        return begin_read_in(txn, ks, key, key_bytes, own);
    if (code == LEVIN_OK)
        code = read_check_key(txn->store, key, key_bytes);
    return code == LEVIN_OK ? find_own(txn, NULL, key, key_bytes, own) : code;
}

static levin_code copy_own(const uint8_t *own, void *buffer, size_t capacity, size_t *value_bytes)
{
    found_value found;
    if (read_record(own, &found) != LEVIN_OK)
        return LEVIN_NOT_FOUND;
    *value_bytes = found.bytes;
    if (found.bytes > capacity)
        return LEVIN_TOO_SMALL;
    if (found.bytes)
        memcpy(buffer, found.data, found.bytes);
    return LEVIN_OK;
}

levin_code levin_txn_get_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                            void *buffer, size_t capacity, size_t *value_bytes)
{
    const uint8_t *own;
    levin_code code = begin_read(txn, keyspace, key, key_bytes, &own);
    if (code != LEVIN_OK)
        return code;
    return own ? copy_own(own, buffer, capacity, value_bytes)
               : levin_get_in(txn->store, keyspace, &txn->base, key, key_bytes, buffer, capacity, value_bytes);
}

levin_code levin_txn_get(levin_txn *txn, const void *key, size_t key_bytes, void *buffer, size_t capacity,
                         size_t *value_bytes)
{
    return levin_txn_get_in(txn, NULL, key, key_bytes, buffer, capacity, value_bytes);
}

levin_code levin_txn_get_alloc_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                                  void **value, size_t *value_bytes)
{
    const uint8_t *own;
    found_value found;
    *value = NULL;
    levin_code code = begin_read(txn, keyspace, key, key_bytes, &own);
    if (code != LEVIN_OK)
        return code;
    if (!own)
        return levin_get_alloc_in(txn->store, keyspace, &txn->base, key, key_bytes, value, value_bytes);
    if (read_record(own, &found) != LEVIN_OK)
        return LEVIN_NOT_FOUND;
    uint8_t *copy = read_value_alloc(txn->store, found.bytes);
    if (!copy) {
        levin_error error;
        error_memory(&error, found.bytes);
        return db_fail(txn->store, &error);
    }
    if (found.bytes)
        memcpy(copy, found.data, found.bytes);
    *value = copy;
    *value_bytes = found.bytes;
    return LEVIN_OK;
}

levin_code levin_txn_get_alloc(levin_txn *txn, const void *key, size_t key_bytes, void **value, size_t *value_bytes)
{
    return levin_txn_get_alloc_in(txn, NULL, key, key_bytes, value, value_bytes);
}

levin_code levin_txn_contains_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key, size_t key_bytes)
{
    const uint8_t *own;
    found_value found;
    levin_code code = begin_read(txn, keyspace, key, key_bytes, &own);
    if (code != LEVIN_OK)
        return code;
    return own ? read_record(own, &found) : levin_contains_in(txn->store, keyspace, &txn->base, key, key_bytes);
}

levin_code levin_txn_contains(levin_txn *txn, const void *key, size_t key_bytes)
{
    return levin_txn_contains_in(txn, NULL, key, key_bytes);
}

static levin_code first_failure(levin_code before, levin_code its)
{
    return before != LEVIN_OK || its == LEVIN_OK || its == LEVIN_NOT_FOUND || its == LEVIN_TOO_SMALL ? before : its;
}

/* Asks the base for those requests that are not answered yet, all at once. */
static levin_code get_rest(levin_txn *txn, const levin_keyspace *ks, levin_get_request **rest, size_t count)
{
    levin_get_request copy[TREE_MANY];
    for (size_t i = 0; i < count; i++)
        copy[i] = *rest[i];
    levin_code code = count ? levin_multi_get_in(txn->store, ks, &txn->base, copy, count) : LEVIN_OK;
    for (size_t i = 0; i < count; i++)
        *rest[i] = copy[i];
    return code;
}

levin_code levin_txn_multi_get_in(levin_txn *txn, const levin_keyspace *keyspace, levin_get_request *requests,
                                  size_t count)
{
    levin_get_request *rest[TREE_MANY];
    levin_code first = LEVIN_OK;
    for (size_t at = 0; at < count; at += TREE_MANY) {
        size_t left = 0;
        for (size_t i = at; i < count && i < at + TREE_MANY; i++) {
            levin_get_request *r = &requests[i];
            const uint8_t *own;
            r->code = begin_read(txn, keyspace, r->key, r->key_bytes, &own);
            if (r->code == LEVIN_OK && own)
                r->code = copy_own(own, r->buffer, r->capacity, &r->value_bytes);
            else if (r->code == LEVIN_OK)
                rest[left++] = r;
            first = first_failure(first, r->code);
        }
        first = first_failure(first, get_rest(txn, keyspace, rest, left));
    }
    return first;
}

levin_code levin_txn_multi_get(levin_txn *txn, levin_get_request *requests, size_t count)
{
    return levin_txn_multi_get_in(txn, NULL, requests, count);
}
