/*
 * keyspace.c - opening, creating, dropping and listing named keyspaces.  Protocol: keyspace.h.
 *
 * Concurrency: a handle is looked up and registered under commit_mutex, which a leader holds from asking a drop's
 * precondition to publishing it: a handle is either there to be marked by the drop, or does not find the name any more.
 * keyspaces_mutex, a leaf, guards the list of states and their counts.
 * Crash safety: a keyspace is its catalogue entry; creation and drop are one batch each.
 */
#include "keyspace.h"

#include <string.h>

#include "read.h"

enum { NAME_MAX_BYTES = 255 };

/* ---- states ---- */

static void state_ref_locked(keyspace_state *s)
{
    s->references++;
}

void keyspace_state_ref(levin *db, keyspace_state *state)
{
    sync_mutex_lock(&db->keyspaces_mutex);
    state_ref_locked(state);
    sync_mutex_unlock(&db->keyspaces_mutex);
}

void keyspace_state_unref(levin *db, keyspace_state *state)
{
    sync_mutex_lock(&db->keyspaces_mutex);
    bool last = --state->references == 0;
    keyspace_state **at = &db->keyspaces;
    while (last && *at != state)
        at = &(*at)->next;
    if (last)
        *at = state->next;
    sync_mutex_unlock(&db->keyspaces_mutex);
    if (last)
        io_free(db->io, state, sizeof *state);
}

/* The state of the keyspace, with a reference, if anybody has it open. */
static keyspace_state *state_find(levin *db, uint32_t id)
{
    sync_mutex_lock(&db->keyspaces_mutex);
    keyspace_state *s = db->keyspaces;
    while (s && s->id != id)
        s = s->next;
    if (s)
        state_ref_locked(s);
    sync_mutex_unlock(&db->keyspaces_mutex);
    return s;
}

static void state_add(levin *db, keyspace_state *s, uint32_t id)
{
    memset(s, 0, sizeof *s);
    s->id = id;
    s->references = 1;
    sync_mutex_lock(&db->keyspaces_mutex);
    s->next = db->keyspaces;
    db->keyspaces = s;
    sync_mutex_unlock(&db->keyspaces_mutex);
}

/* ---- the catalogue ---- */

static size_t catalogue_key(uint8_t key[CATALOGUE_KEY_BYTES + NAME_MAX_BYTES], const void *name, size_t name_bytes)
{
    keyspace_id_store(key, 0);
    key[KEYSPACE_ID_BYTES] = name ? CATALOGUE_NAME : CATALOGUE_ACCOUNT;
    if (name)
        memcpy(key + CATALOGUE_KEY_BYTES, name, name_bytes);
    return CATALOGUE_KEY_BYTES + (name ? name_bytes : 0);
}

static levin_code catalogue_damaged(levin_error *error)
{
    return error_corrupt(error, PAGE_FILE_NAME, 0, 0, 0, "an entry of the catalogue of keyspaces is malformed");
}

/* The value of a catalogue entry, of 16 bytes. LEVIN_NOT_FOUND. */
static levin_code catalogue_get(const write_state *s, const void *name, size_t name_bytes,
                                uint8_t value[CATALOGUE_VALUE_BYTES], levin_error *error)
{
    uint8_t key[CATALOGUE_KEY_BYTES + NAME_MAX_BYTES];
    found_value found;
    size_t key_bytes = catalogue_key(key, name, name_bytes);
    reclaim_read_lock();
    levin_code code = read_layers(&s->of[DOMAIN_NAMED], &s->v->tree->named, key, key_bytes, &found, error);
    if (code == LEVIN_OK && (found.extent.kind != VALUE_INLINE || found.bytes != CATALOGUE_VALUE_BYTES))
        code = catalogue_damaged(error);
    if (code == LEVIN_OK)
        memcpy(value, found.data, CATALOGUE_VALUE_BYTES);
    reclaim_read_unlock();
    return code;
}

static levin_code catalogue_find(const write_state *s, const void *name, size_t name_bytes, uint32_t *id,
                                 levin_error *error)
{
    uint8_t value[CATALOGUE_VALUE_BYTES];
    levin_code code = catalogue_get(s, name, name_bytes, value, error);
    return code == LEVIN_OK && !catalogue_entry_load(id, value, sizeof value) ? catalogue_damaged(error) : code;
}

static levin_code catalogue_account_get(const write_state *s, catalogue_account *account, levin_error *error)
{
    uint8_t value[CATALOGUE_VALUE_BYTES];
    levin_code code = catalogue_get(s, NULL, 0, value, error);
    *account = (catalogue_account){ 1, 0 };
    if (code == LEVIN_NOT_FOUND)
        return LEVIN_OK;
    return code == LEVIN_OK && !catalogue_account_load(account, value, sizeof value) ? catalogue_damaged(error) : code;
}

levin_code keyspace_load(levin *db, levin_error *error)
{
    catalogue_account account;
    const write_state now = write_state_of(db->versions.newest);
    levin_code code = catalogue_account_get(&now, &account, error);
    if (code == LEVIN_OK)
        atomic_store_explicit(&db->keyspace_count, account.alive, memory_order_relaxed); /* a figure */
    return code;
}

/* ---- creation and drop ---- */

/* A batch on the catalogue, whose numbers the leader fills in. */
typedef struct catalogue_change {
    levin *store;
    const void *name;
    size_t name_bytes;
    levin_batch batch;
    size_t account_at, entry_at, range_at; /* of the operations, in the batch */
    levin_keyspace *made;  /* of a creation: becomes the handle of that very keyspace, with `fresh` */
    keyspace_state *fresh;
    uint32_t id;           /* of what is made or dropped */
    keyspace_state *state; /* of what is dropped, if anybody has it open; referenced */
} catalogue_change;

static uint8_t *change_value(catalogue_change *c, size_t at)
{
    return c->batch.bytes + at + RECORD_HEADER_BYTES + record_key_bytes(c->batch.bytes + at);
}

/* The operations: the account; the name; and, of a drop, the range of all its keys. */
static levin_code change_init(catalogue_change *c, levin *store, const void *name, size_t name_bytes)
{
    const bool creates = c->made != NULL;
    static const uint8_t value[CATALOGUE_VALUE_BYTES];
    const levin_keyspace catalogue = { .store = store };
    uint8_t key[CATALOGUE_KEY_BYTES + NAME_MAX_BYTES];
    c->store = c->batch.store = store;
    c->name = name;
    c->name_bytes = name_bytes;
    size_t bytes = catalogue_key(key, NULL, 0);
    levin_code code = batch_append(&c->batch, &catalogue, RECORD_PUT, key + KEYSPACE_ID_BYTES,
                                   bytes - KEYSPACE_ID_BYTES, value, sizeof value);
    c->entry_at = c->batch.used;
    bytes = catalogue_key(key, name, name_bytes);
    if (code == LEVIN_OK)
        code = batch_append(&c->batch, &catalogue, creates ? RECORD_PUT : RECORD_DELETE, key + KEYSPACE_ID_BYTES,
                            bytes - KEYSPACE_ID_BYTES, value, creates ? sizeof value : 0);
    c->range_at = c->batch.used;
    if (code == LEVIN_OK && !creates)
        code = batch_append(&c->batch, &catalogue, RECORD_DELETE_RANGE, "", 1, NULL, 0);
    return code;
}

/* The leader's, at the batch's place in the order of commit. */
static levin_code change_check(void *context, const write_state *now, levin_error *error)
{
    catalogue_change *c = context;
    catalogue_account account;
    uint32_t id = 0;
    levin_code code = catalogue_find(now, c->name, c->name_bytes, &id, error);
    if (code == LEVIN_OK && c->made)
        return error_set(error, LEVIN_EXISTS, NULL, "there is a keyspace of this name already");
    if (code == LEVIN_NOT_FOUND && !c->made)
        return error_set(error, LEVIN_NO_KEYSPACE, NULL, "there is no keyspace of this name");
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = catalogue_account_get(now, &account, error);
    if (code != LEVIN_OK)
        return code;
    if (c->made) {
        if (account.next > KEYSPACE_ID_LAST)
            return error_set(error, LEVIN_TOO_BIG, NULL, "the numbers of keyspaces are used up");
        c->id = account.next++;
        catalogue_entry_store(change_value(c, c->entry_at), c->id, now->v->sequence);
        account.alive++;
    } else {
        if (account.alive == 0 || id >= account.next)
            return catalogue_damaged(error);
        keyspace_id_store(c->batch.bytes + c->range_at + RECORD_HEADER_BYTES, id);
        keyspace_id_store(change_value(c, c->range_at), id + 1);
        account.alive--;
        c->id = id;
        c->state = state_find(c->store, id);
        if (c->state)
            c->state->dropping = true;
    }
    catalogue_account_store(change_value(c, c->account_at), &account);
    return LEVIN_OK;
}

/* The leader's, before the group is published with that sequence, or when it has failed. */
static void change_settled(void *context, levin_code code, uint64_t sequence)
{
    catalogue_change *c = context;
    if (code == LEVIN_OK)
        count_add(&c->store->keyspace_count, c->made ? 1 : (uint64_t)-1);
    if (code == LEVIN_OK && c->made) { /* there before any drop of it can be */
        state_add(c->store, c->fresh, c->id);
        c->made->state = c->fresh;
        c->made->store = c->store;
        keyspace_id_store(c->made->id, c->id);
    }
    if (code == LEVIN_OK && !c->made && !c->state) { /* it may have been made in this very group */
        c->state = state_find(c->store, c->id);
        if (c->state)
            c->state->dropping = true;
    }
    if (!c->state)
        return;
    if (code == LEVIN_OK) /* release: pairs with keyspace_lost() and keyspace_state_gone() */
        atomic_store_explicit(&c->state->dropped, sequence, memory_order_release);
    else
        c->state->dropping = false;
}

/* made, fresh: NULL for a drop. */
static levin_code change_write(levin *store, const void *name, size_t name_bytes, levin_keyspace *made,
                               keyspace_state *fresh, levin_durability durability)
{
    catalogue_change c = { .made = made, .fresh = fresh };
    levin_code code = change_init(&c, store, name, name_bytes);
    if (code == LEVIN_OK)
        code = write_watched(store, &c.batch, durability, change_check, change_settled, &c);
    if (c.state)
        keyspace_state_unref(store, c.state);
    io_free(store->io, c.batch.bytes, c.batch.capacity);
    return code;
}

/* ---- the caller's side ---- */

static levin_code name_check(levin *store, const void *name, size_t name_bytes)
{
    if (!name || !name_bytes || name_bytes > NAME_MAX_BYTES)
        return db_refuse(store, LEVIN_INVALID, "the name of a keyspace has %zu bytes: 1 to %d are needed", name_bytes,
                         NAME_MAX_BYTES);
    return LEVIN_OK;
}

/* Looks the name up and takes a reference on the keyspace's state, `fresh` if there is none yet: *used. */
static levin_code open_existing(levin *store, const void *name, size_t name_bytes, levin_keyspace *ks,
                                keyspace_state *fresh, bool *used, levin_error *error)
{
    uint32_t id = 0;
    *used = false;
    sync_mutex_lock(&store->commit_mutex);
    const write_state now = write_state_of(store->versions.newest);
    levin_code code = catalogue_find(&now, name, name_bytes, &id, error);
    if (code == LEVIN_OK) {
        ks->store = store;
        ks->state = state_find(store, id);
        keyspace_id_store(ks->id, id);
        if (!ks->state) {
            state_add(store, fresh, id);
            ks->state = fresh;
            *used = true;
        }
    }
    sync_mutex_unlock(&store->commit_mutex);
    return code;
}

levin_code levin_keyspace_open(levin *store, const void *name, size_t name_bytes, unsigned flags,
                               levin_keyspace **keyspace)
{
    levin_error error;
    bool used = false;
    *keyspace = NULL;
    levin_code code = name_check(store, name, name_bytes);
    if (code != LEVIN_OK)
        return code;
    levin_keyspace *ks = io_alloc(store->io, sizeof *ks);
    keyspace_state *fresh = io_alloc(store->io, sizeof *fresh);
    if (!ks || !fresh) {
        code = error_memory(&error, sizeof *fresh);
        code = db_fail(store, &error);
    }
    for (bool again = code == LEVIN_OK; again;) { /* others make it and drop it meanwhile */
        again = false;
        code = flags & LEVIN_KEYSPACE_EXCLUSIVE ? LEVIN_NOT_FOUND
                                                : open_existing(store, name, name_bytes, ks, fresh, &used, &error);
        if (code == LEVIN_NOT_FOUND && !(flags & (LEVIN_KEYSPACE_CREATE | LEVIN_KEYSPACE_EXCLUSIVE))) {
            code = db_refuse(store, LEVIN_NO_KEYSPACE, "there is no keyspace \"%.*s\"", (int)name_bytes,
                             (const char *)name);
        } else if (code == LEVIN_NOT_FOUND) {
            code = change_write(store, name, name_bytes, ks, fresh, LEVIN_SYNCED);
            used = code == LEVIN_OK;
            again = code == LEVIN_EXISTS && !(flags & LEVIN_KEYSPACE_EXCLUSIVE);
        } else if (code != LEVIN_OK) {
            code = db_fail(store, &error);
        }
    }
    if (!used)
        io_free(store->io, fresh, sizeof *fresh);
    if (code == LEVIN_OK)
        *keyspace = ks;
    else
        io_free(store->io, ks, sizeof *ks);
    return code;
}

void levin_keyspace_close(levin_keyspace *keyspace)
{
    if (!keyspace)
        return;
    levin *store = keyspace->store;
    keyspace_state_unref(store, keyspace->state);
    io_free(store->io, keyspace, sizeof *keyspace);
}

levin_code levin_keyspace_drop(levin *store, const void *name, size_t name_bytes, levin_durability durability)
{
    levin_code code = name_check(store, name, name_bytes);
    return code == LEVIN_OK ? change_write(store, name, name_bytes, NULL, NULL, durability) : code;
}

levin_code levin_keyspace_list(levin *store, const levin_snapshot *snapshot,
                               bool (*visit)(void *context, levin_slice name), void *context)
{
    static const uint8_t prefix[1] = { CATALOGUE_NAME };
    const levin_keyspace catalogue = { .store = store };
    const levin_iter_options o = { .snapshot = snapshot, .prefix = { prefix, 1 }, .keyspace = &catalogue };
    levin_iter *it;
    bool more = true;
    levin_code code = levin_iter_open(store, &o, &it);
    if (code != LEVIN_OK)
        return code;
    for (bool on = levin_iter_first(it); on && more; on = levin_iter_next(it)) {
        levin_slice key = levin_iter_key(it);
        more = visit(context, (levin_slice){ (const uint8_t *)key.data + 1, key.size - 1 });
    }
    code = more ? levin_iter_status(it) : db_refuse(store, LEVIN_INTERRUPTED, "the list was stopped on request");
    levin_iter_close(it);
    return code;
}

/* ---- reading ---- */

bool keyspace_state_gone(levin *store, const keyspace_state *state)
{
    /* acquire: pairs with change_settled() */
    const uint64_t dropped = atomic_load_explicit(&state->dropped, memory_order_acquire);
    if (!dropped)
        return false;
    reclaim_read_lock();
    const bool gone = version_current(&store->versions)->sequence >= dropped;
    reclaim_read_unlock();
    return gone;
}

/* Whether it is gone in the newest state, or in that of the snapshot. */
static bool keyspace_lost(const levin_keyspace *ks, const levin_snapshot *snapshot)
{
    if (!ks->state)
        return false;
    if (!snapshot)
        return keyspace_state_gone(ks->store, ks->state);
    /* acquire: pairs with change_settled() */
    const uint64_t dropped = atomic_load_explicit(&ks->state->dropped, memory_order_acquire);
    return dropped && snapshot->v->sequence >= dropped;
}

bool keyspace_dropped(const levin_keyspace *ks)
{
    return keyspace_lost(ks, NULL);
}

levin_code keyspace_check(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot)
{
    if (ks->store != store)
        return db_refuse(store, LEVIN_INVALID, "the keyspace is one of another store");
    const levin_code code = db_check_snapshot(store, snapshot);
    if (code != LEVIN_OK)
        return code;
    if (keyspace_lost(ks, snapshot))
        return db_refuse(store, LEVIN_NO_KEYSPACE, "the keyspace was dropped");
    return LEVIN_OK;
}

levin_code keyspace_key_make(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot, const void *key,
                             size_t key_bytes, keyspace_key *made)
{
    levin_code code = keyspace_check(store, ks, snapshot);
    if (code == LEVIN_OK)
        code = read_check_key(store, key, key_bytes);
    if (code != LEVIN_OK)
        return code;
    if (key_bytes > sizeof made->data - KEYSPACE_ID_BYTES)
        return LEVIN_NOT_FOUND;
    memcpy(made->data, ks->id, KEYSPACE_ID_BYTES);
    memcpy(made->data + KEYSPACE_ID_BYTES, key, key_bytes);
    made->bytes = KEYSPACE_ID_BYTES + key_bytes;
    return LEVIN_OK;
}

levin_code keyspace_read_end(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot, levin_code code)
{
    return code == LEVIN_NOT_FOUND && keyspace_lost(ks, snapshot) ? keyspace_check(store, ks, snapshot) : code;
}
