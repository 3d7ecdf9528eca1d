/*
 * keyspace_check.c - whether the tree of named keyspaces is one: the catalogue's entries, and that every key belongs to
 * a keyspace that the catalogue names.
 *
 * A checkpoint writes one moment of the store, and a drop removes name and keys in one batch, so the tree alone has to
 * agree with itself.
 * Concurrency: reads an immutable tree.  Crash safety: nothing is written here.
 */
#include <stdio.h>
#include <string.h>

#include "keyspace.h"

typedef struct catalogue_check {
    levin *db;
    bool (*report)(void *context, const levin_error *fault);
    void *context;
    tree_cursor c;
    uint32_t *ids; /* of the entries, ascending once all are read */
    size_t count, capacity;
    bool stopped;
} catalogue_check;

static void fault(catalogue_check *k, const char *what, uint64_t expected, uint64_t found)
{
    levin_error error;
    error_corrupt(&error, PAGE_FILE_NAME, 0, expected, found, "named keyspaces: %s", what);
    k->stopped |= !k->report(k->context, &error);
}

static levin_code id_add(catalogue_check *k, uint32_t id, levin_error *error)
{
    const levin_io *io = k->db->io;
    if (k->count == k->capacity) {
        size_t capacity = k->capacity ? 2 * k->capacity : 64;
        uint32_t *ids = io_alloc(io, capacity * sizeof *ids);
        if (!ids)
            return error_memory(error, capacity * sizeof *ids);
        if (k->count)
            memcpy(ids, k->ids, k->count * sizeof *ids);
        io_free(io, k->ids, k->capacity * sizeof *ids);
        k->ids = ids;
        k->capacity = capacity;
    }
    k->ids[k->count++] = id;
    return LEVIN_OK;
}

/* Lets the number at `root` of a heap of `count` sink to its place. */
static void heap_sink(uint32_t *ids, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        child += child + 1 < count && ids[child] < ids[child + 1];
        if (ids[root] >= ids[child])
            return;
        uint32_t sunk = ids[root];
        ids[root] = ids[child];
        ids[child] = sunk;
    }
}

/* Heapsort (Williams, 1964): in place. */
static void ids_sort(catalogue_check *k)
{
    for (size_t root = k->count / 2; root-- > 0;)
        heap_sink(k->ids, root, k->count);
    for (size_t end = k->count; end-- > 1;) {
        uint32_t largest = k->ids[0];
        k->ids[0] = k->ids[end];
        k->ids[end] = largest;
        heap_sink(k->ids, 0, end);
    }
    for (size_t i = 1; i < k->count && !k->stopped; i++)
        if (k->ids[i - 1] == k->ids[i])
            fault(k, "two names for one number", 0, k->ids[i]);
}

static bool id_known(const catalogue_check *k, uint32_t id)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (k->ids[middle] == id)
            return true;
        if (k->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* One entry of the catalogue. */
static levin_code entry_check(catalogue_check *k, catalogue_account *account, levin_error *error)
{
    const page_value value = tree_cursor_value(&k->c);
    const uint8_t kind = k->c.key_bytes > KEYSPACE_ID_BYTES ? k->c.key[KEYSPACE_ID_BYTES] : 0xff;
    uint32_t id;
    if (value.kind != VALUE_INLINE) {
        fault(k, "an entry of the catalogue is malformed", VALUE_INLINE, value.kind);
    } else if (kind == CATALOGUE_ACCOUNT && k->c.key_bytes == CATALOGUE_KEY_BYTES) {
        if (!catalogue_account_load(account, value.data, value.bytes))
            fault(k, "the account of the catalogue is malformed", CATALOGUE_VALUE_BYTES, value.bytes);
    } else if (kind == CATALOGUE_NAME && k->c.key_bytes > CATALOGUE_KEY_BYTES) {
        if (!catalogue_entry_load(&id, value.data, value.bytes))
            fault(k, "an entry of the catalogue is malformed", CATALOGUE_VALUE_BYTES, value.bytes);
        else if (id >= account->next)
            fault(k, "a number never given out", account->next, id);
        else
            return id_add(k, id, error);
    } else {
        fault(k, "a key of the catalogue is malformed", CATALOGUE_NAME, kind);
    }
    return LEVIN_OK;
}

/* From the first key behind the catalogue on: each number that has keys, by one seek. */
static levin_code numbers_check(catalogue_check *k, levin_code code, levin_error *error)
{
    uint8_t next[KEYSPACE_ID_BYTES];
    while (code == LEVIN_OK && !k->stopped) {
        uint32_t id = key_head32(k->c.key, k->c.key_bytes);
        if (k->c.key_bytes <= KEYSPACE_ID_BYTES || !id_known(k, id))
            fault(k, "a key of a keyspace that there is not", k->count, id);
        if (id == UINT32_MAX)
            return LEVIN_NOT_FOUND;
        keyspace_id_store(next, id + 1);
        code = tree_cursor_seek(&k->c, next, sizeof next, error);
    }
    return code;
}

levin_code keyspace_check_tree(levin *db, const tree *named, bool (*report)(void *context, const levin_error *fault),
                               void *context, levin_error *error)
{
    catalogue_check k = { .db = db, .report = report, .context = context };
    catalogue_account account = { 1, 0 };
    levin_code code = tree_cursor_open(&k.c, named, error);
    if (code == LEVIN_OK)
        code = tree_cursor_first(&k.c, error);
    while (code == LEVIN_OK && !k.stopped && key_head32(k.c.key, k.c.key_bytes) == 0) {
        code = entry_check(&k, &account, error);
        if (code == LEVIN_OK)
            code = tree_cursor_next(&k.c, error);
    }
    ids_sort(&k);
    if ((code == LEVIN_OK || code == LEVIN_NOT_FOUND) && account.alive != k.count)
        fault(&k, "the account counts other keyspaces than there are names", k.count, account.alive);
    code = numbers_check(&k, code, error);
    tree_cursor_close(&k.c);
    io_free(db->io, k.ids, k.capacity * sizeof *k.ids);
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

/* ---- after a repair ---- */

static levin_code mend_number(catalogue_check *k, levin_batch *batch, uint32_t id)
{
    const levin_keyspace catalogue = { .store = k->db };
    uint8_t value[CATALOGUE_VALUE_BYTES];
    char name[32];
    int bytes = snprintf(name, sizeof name, "%crecovered-%lu", CATALOGUE_NAME, (unsigned long)id);
    catalogue_entry_store(value, id, 0);
    return batch_append(batch, &catalogue, RECORD_PUT, name, (size_t)bytes, value, sizeof value);
}

static bool nobody_listens(void *context, const levin_error *fault)
{
    (void)fault;
    ++*(uint64_t *)context;
    return true;
}

/* Names what has no name: one seek a number. *next becomes larger than each. */
static levin_code mend_numbers(catalogue_check *k, levin_batch *batch, uint32_t *next, size_t *named,
                               levin_error *error)
{
    uint8_t seek[KEYSPACE_ID_BYTES];
    levin_code code = LEVIN_OK;
    for (uint32_t id = 0; code == LEVIN_OK && id < UINT32_MAX;) {
        keyspace_id_store(seek, id + 1);
        code = tree_cursor_seek(&k->c, seek, sizeof seek, error);
        if (code != LEVIN_OK)
            break;
        id = key_head32(k->c.key, k->c.key_bytes);
        *next = id >= *next && id < UINT32_MAX ? id + 1 : *next;
        if (id_known(k, id))
            continue;
        code = mend_number(k, batch, id);
        if (code != LEVIN_OK)
            levin_last_error(k->db, error);
        ++*named;
    }
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

levin_code keyspace_mend(levin *db, levin_error *error)
{
    uint64_t faults = 0;
    catalogue_check k = { .db = db, .report = nobody_listens, .context = &faults };
    catalogue_account account = { KEYSPACE_ID_LAST, 0 };
    levin_batch *batch = NULL;
    levin_code code = levin_checkpoint(db);
    if (code == LEVIN_OK)
        code = levin_batch_create(db, &batch);
    if (code != LEVIN_OK) {
        levin_last_error(db, error);
        return code;
    }
    const version *v = version_acquire(&db->versions);
    if (v->tree->named.height == 0)
        goto out;
    code = tree_cursor_open(&k.c, &v->tree->named, error);
    if (code == LEVIN_OK)
        code = tree_cursor_first(&k.c, error);
    while (code == LEVIN_OK && key_head32(k.c.key, k.c.key_bytes) == 0) {
        code = entry_check(&k, &account, error);
        if (code == LEVIN_OK)
            code = tree_cursor_next(&k.c, error);
    }
    ids_sort(&k);
    size_t named = k.count;
    uint32_t next = account.next == KEYSPACE_ID_LAST ? 1 : account.next;
    if (k.count && k.ids[k.count - 1] >= next)
        next = k.ids[k.count - 1] + 1;
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = mend_numbers(&k, batch, &next, &named, error);
    if (code == LEVIN_OK) {
        const levin_keyspace catalogue = { .store = db };
        uint8_t value[CATALOGUE_VALUE_BYTES];
        account = (catalogue_account){ next, (uint32_t)named };
        catalogue_account_store(value, &account);
        code = batch_append(batch, &catalogue, RECORD_PUT, "\0", 1, value, sizeof value);
        if (code == LEVIN_OK)
            code = levin_write(db, batch, LEVIN_NONE);
        if (code != LEVIN_OK)
            levin_last_error(db, error);
    }
    tree_cursor_close(&k.c);
out:
    version_release(v);
    levin_batch_destroy(batch);
    io_free(db->io, k.ids, k.capacity * sizeof *k.ids);
    return code;
}
