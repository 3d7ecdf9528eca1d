/*
 * bulk_load.c - sorted bulk load: ascending keys and values go straight into pages, past log and memtable.
 *
 * A load is a checkpoint whose changes come from its user (bulk_load.h): its records are gathered in a batch of some
 * size, and merged into the tree, by the builder of every checkpoint, whenever that is full.  Values for the value log
 * are written there at once, and the record has the pointer.  Nothing of it can be reached before the commit.
 *
 * Order of commit.  The load is one batch, and its place is its commit.  Its pages lie below the memtable, so it can
 * only be there when nobody has written meanwhile to the keys between its first and its last: who has is found in the
 * memtable, for everything older was brought into the tree at the beginning, and no checkpoint takes place without
 * dropping the load.
 *
 * Concurrency: one thread has the load; work_mutex for each piece that is merged.  Crash safety: that of checkpoints.
 */
#include "bulk_load.h"

#include <stdio.h>
#include <string.h>

#include "compact.h"
#include "keyspace.h"

enum {
    LOAD_CHUNK_BYTES = 256 << 10,     /* records merged at once, */
    LOAD_CHUNK_KEEP_BYTES = 4 << 20   /* and of larger chunks the memory is not kept */
};

struct levin_bulk_load {
    levin *store;
    const levin_keyspace *keyspace; /* NULL: the default one */
    levin_batch chunk;              /* not merged yet */
    levin_error failed;             /* code LEVIN_OK: it can go on */
    bool over;                      /* committed */
    uint64_t count;
    size_t first_bytes, last_bytes;
    uint8_t first[RECORD_KEY_MAX_BYTES], last[RECORD_KEY_MAX_BYTES]; /* as they stand in the tree */
};

static levin_code load_refuse(levin_bulk_load *l)
{
    if (l->over)
        return db_refuse(l->store, LEVIN_INVALID, "the bulk load was committed already");
    return db_fail(l->store, &l->failed);
}

/* It cannot go on: whatever it has written is free again. Under work_mutex. */
static levin_code load_fail(levin_bulk_load *l, const levin_error *error)
{
    if (l->store->bulk_load == l)
        checkpoint_load_drop(l->store);
    l->failed = *error;
    return error->code;
}

/* Under work_mutex: whether it is still the store's. */
static levin_code load_check(levin_bulk_load *l, levin_error *error)
{
    if (db_poisoned(l->store))
        return error_set(error, LEVIN_POISONED, NULL, "a sync failed earlier: close and reopen the store to write");
    if (l->store->bulk_load != l)
        return error_set(error, LEVIN_CONFLICT, NULL,
                         "a checkpoint or a compaction was needed before the bulk load was committed: nothing of it "
                         "was written");
    return LEVIN_OK;
}

levin_code levin_bulk_load_begin(levin *store, const levin_keyspace *keyspace, levin_bulk_load **load)
{
    levin_error error = { 0 };
    *load = NULL;
    if (store->options.read_only)
        return db_refuse(store, LEVIN_READ_ONLY, "the store is open read-only");
    levin_code code = keyspace ? keyspace_check(store, keyspace, NULL) : LEVIN_OK;
    if (code == LEVIN_OK)
        code = levin_checkpoint(store); /* what was written before lies below */
    if (code != LEVIN_OK)
        return code;
    levin_bulk_load *l = io_alloc(store->io, sizeof *l);
    if (!l) {
        error_memory(&error, sizeof *l);
        return db_fail(store, &error);
    }
    l->store = store;
    l->keyspace = keyspace;
    l->chunk = (levin_batch){ .store = store };
    l->failed = (levin_error){ 0 };
    l->over = false;
    l->count = 0;
    l->first_bytes = l->last_bytes = 0;
    sync_mutex_lock(&store->work_mutex);
    compact_end_automatic(store);
    code = checkpoint_load_begin(store, l, keyspace ? DOMAIN_NAMED : DOMAIN_PLAIN, &error);
    sync_mutex_unlock(&store->work_mutex);
    if (code != LEVIN_OK) {
        io_free(store->io, l, sizeof *l);
        return db_fail(store, &error);
    }
    *load = l;
    return LEVIN_OK;
}

void levin_bulk_load_destroy(levin_bulk_load *load)
{
    if (!load)
        return;
    levin *db = load->store;
    sync_mutex_lock(&db->work_mutex);
    if (db->bulk_load == load)
        checkpoint_load_drop(db);
    sync_mutex_unlock(&db->work_mutex);
    batch_fini(&load->chunk);
    io_free(db->io, load, sizeof *load);
}

/* ---- records ---- */

/* For an error: what of a key can be printed. */
static const char *key_text(const uint8_t *key, size_t bytes, char text[64])
{
    size_t at = 0;
    for (size_t i = 0; i < bytes && at < 56; i++)
        at += (size_t)snprintf(text + at, 64 - at, key[i] >= ' ' && key[i] < 127 ? "%c" : "\\x%02x", key[i]);
    if (at >= 56)
        snprintf(text + at, 64 - at, "...");
    text[bytes ? 63 : 0] = 0;
    return text;
}

/* Refuses a key that is not above the one before. */
static levin_code order_check(const levin_bulk_load *l, const uint8_t *key, size_t key_bytes)
{
    const size_t id_bytes = l->keyspace ? KEYSPACE_ID_BYTES : 0;
    const uint8_t *last = l->last + id_bytes;
    const size_t last_bytes = l->last_bytes - id_bytes;
    char text[64], before[64];
    if (!l->count || !key || key_compare(last, last_bytes, key, key_bytes) < 0)
        return LEVIN_OK;
    return db_refuse(l->store, LEVIN_INVALID,
                     "keys of a bulk load have to ascend: entry %llu, \"%s\", does not come after \"%s\"",
                     (unsigned long long)l->count + 1, key_text(key, key_bytes, text),
                     key_text(last, last_bytes, before));
}

/* The value goes to the value log, and a pointer to it into the record. */
static levin_code value_log_write(levin_bulk_load *l, uint8_t *record, const void *value, size_t value_bytes,
                                  levin_error *error)
{
    levin *db = l->store;
    uint8_t *pointer = record + (record_value(record) - record);
    vlog_value v = { .key = { record_key(record), record_key_bytes(record) },
                     .value = { value, value_bytes },
                     .keyspace = record_keyspace(record),
                     .pointer = pointer };
    sync_mutex_lock(&db->commit_mutex);
    const uint64_t since_freeze = db->values.since_freeze;
    levin_code code = vlog_write(&db->values, &v, 1, error);
    db->values.since_freeze = since_freeze; /* no memtable has to be merged for these */
    if (db->values.poisoned)
        db_poison(db);
    sync_mutex_unlock(&db->commit_mutex);
    store_u8(record + RECORD_KIND, RECORD_PUT_LOGGED);
    return code;
}

/* Merges what was gathered. */
static levin_code load_flush(levin_bulk_load *l)
{
    levin *db = l->store;
    levin_error error = { 0 };
    sync_mutex_lock(&db->work_mutex);
    levin_code code = load_check(l, &error);
    if (code == LEVIN_OK && l->chunk.count)
        code = checkpoint_load_feed(db, l->chunk.bytes, l->chunk.count, &error);
    if (code != LEVIN_OK)
        load_fail(l, &error);
    sync_mutex_unlock(&db->work_mutex);
    if (code != LEVIN_OK)
        return db_fail(db, &error);
    if (l->chunk.capacity > LOAD_CHUNK_KEEP_BYTES) {
        batch_fini(&l->chunk);
        l->chunk = (levin_batch){ .store = db };
    } else {
        levin_batch_clear(&l->chunk);
    }
    return LEVIN_OK;
}

levin_code levin_bulk_load_add(levin_bulk_load *load, const void *key, size_t key_bytes, const void *value,
                               size_t value_bytes)
{
    static const uint8_t nowhere[VLOG_POINTER_BYTES];
    levin_bulk_load *l = load;
    levin_batch *chunk = &l->chunk;
    levin_error error = { 0 };
    if (l->failed.code || l->over)
        return load_refuse(l);
    levin_code code = order_check(l, key, key_bytes);
    if (code == LEVIN_OK && chunk->used >= LOAD_CHUNK_BYTES)
        code = load_flush(l);
    if (code != LEVIN_OK)
        return code;
    const size_t before = chunk->used;
    const bool large = value && value_bytes > l->store->value_threshold && value_bytes <= LEVIN_VALUE_MAX_BYTES;
    code = batch_append(chunk, l->keyspace, RECORD_PUT, key, key_bytes, large ? nowhere : value,
                        large ? sizeof nowhere : value_bytes);
    if (code != LEVIN_OK)
        return code;
    uint8_t *record = chunk->bytes + before;
    if (large) {
        code = value_log_write(l, record, value, value_bytes, &error);
        if (code != LEVIN_OK) { /* the load is as it was before */
            chunk->used = before;
            chunk->count--;
            return db_fail(l->store, &error);
        }
    }
    l->last_bytes = record_key_bytes(record);
    memcpy(l->last, record_key(record), l->last_bytes);
    if (!l->count++) {
        l->first_bytes = l->last_bytes;
        memcpy(l->first, l->last, l->first_bytes);
    }
    return LEVIN_OK;
}

/* ---- the commit ---- */

/* Whether the memtable has anything between the first and the last key. */
static bool written_meanwhile(const levin_bulk_load *l, const mem_roots *mem)
{
    mem_cursor at;
    mem_stretch stretch;
    mem_cursor_init(&at, mem->keys);
    if (mem_cursor_seek(&at, l->first, l->first_bytes)) {
        const uint8_t *record = mem_cursor_record(&at);
        if (key_compare(record_key(record), record_key_bytes(record), l->last, l->last_bytes) <= 0)
            return true;
    }
    if (!mem->mask)
        return false;
    mem_mask_stretch(mem->mask, l->first, l->first_bytes, &stretch);
    return stretch.deleted ||
           (stretch.upper.data && key_compare(stretch.upper.data, stretch.upper.size, l->last, l->last_bytes) <= 0);
}

static levin_code load_admit(void *context, const version *v, levin_error *error)
{
    const levin_bulk_load *l = context;
    const unsigned domain = l->keyspace ? DOMAIN_NAMED : DOMAIN_PLAIN;
    if (l->keyspace && keyspace_dropped(l->keyspace))
        return error_set(error, LEVIN_NO_KEYSPACE, NULL, "the keyspace was dropped");
    if (v->frozen) /* by a writer, a moment ago; the checkpoint that it needs has not come to it yet */
        return error_set(error, LEVIN_CONFLICT, NULL, "the memtable filled up while a bulk load was open");
    if (written_meanwhile(l, &v->of[domain].mem))
        return error_set(error, LEVIN_CONFLICT, NULL,
                         "a key between the first and the last of the bulk load was written since its beginning");
    return LEVIN_OK;
}

levin_code levin_bulk_load_commit(levin_bulk_load *load)
{
    levin_bulk_load *l = load;
    levin *db = l->store;
    levin_error error = { 0 };
    if (l->failed.code || l->over)
        return load_refuse(l);
    levin_code code = load_flush(l);
    if (code != LEVIN_OK)
        return code;
    sync_mutex_lock(&db->work_mutex);
    code = load_check(l, &error);
    if (code == LEVIN_OK && l->count)
        code = checkpoint_load_commit(db, load_admit, l, &error);
    else if (code == LEVIN_OK)
        checkpoint_load_drop(db);
    if (code != LEVIN_OK)
        load_fail(l, &error);
    l->over = code == LEVIN_OK;
    sync_mutex_unlock(&db->work_mutex);
    if (code != LEVIN_OK)
        return db_fail(db, &error);
    count_add(&db->bulk_loads, 1);
    count_add(&db->bulk_load_entries, l->count);
    db_wake(db); /* for what its checkpoint has left to do, and the others that have waited */
    return LEVIN_OK;
}
