/*
 * keyspace_check.c - whether catalogue and keys of the named keyspaces agree: the catalogue's entries, and that every
 * key belongs to a keyspace that the catalogue names.
 *
 * A drop removes name and keys in one batch, so every version has to agree with itself.  It is looked at as readers see
 * it, memtables and all: what a log brought in is in the tree after the next checkpoint only.
 * Concurrency: reads an immutable version.  Crash safety: nothing is written here.
 */
#include <stdio.h>
#include <string.h>

#include "iter.h"
#include "keyspace.h"

typedef struct catalogue_check {
    levin *db;
    bool (*report)(void *context, const levin_error *fault);
    void *context;
    levin_iter *it;
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

static levin_code id_add(catalogue_check *k, uint32_t id)
{
    const levin_io *io = k->db->io;
    if (k->count == k->capacity) {
        size_t capacity = k->capacity ? 2 * k->capacity : 64;
        uint32_t *ids = io_alloc(io, capacity * sizeof *ids);
        if (!ids) {
            levin_error error;
            error_memory(&error, capacity * sizeof *ids);
            return db_fail(k->db, &error);
        }
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

/* One entry of the catalogue; `key` is what follows the id. */
static levin_code entry_check(catalogue_check *k, levin_slice key, catalogue_account *account)
{
    const uint8_t kind = key.size ? *(const uint8_t *)key.data : 0xff;
    levin_slice value;
    uint32_t id;
    if (!iter_value_inline(k->it, &value)) {
        fault(k, "an entry of the catalogue is malformed", VALUE_INLINE, 0);
    } else if (kind == CATALOGUE_ACCOUNT && key.size == 1) {
        if (!catalogue_account_load(account, value.data, value.size))
            fault(k, "the account of the catalogue is malformed", CATALOGUE_VALUE_BYTES, value.size);
    } else if (kind == CATALOGUE_NAME && key.size > 1) {
        if (!catalogue_entry_load(&id, value.data, value.size))
            fault(k, "an entry of the catalogue is malformed", CATALOGUE_VALUE_BYTES, value.size);
        else if (id >= account->next)
            fault(k, "a number never given out", account->next, id);
        else
            return id_add(k, id);
    } else {
        fault(k, "a key of the catalogue is malformed", CATALOGUE_NAME, kind);
    }
    return LEVIN_OK;
}

/* Goes over the catalogue and leaves the iterator behind it, ids in ascending order. */
static levin_code catalogue_read(catalogue_check *k, catalogue_account *account)
{
    levin_code code = LEVIN_OK;
    for (bool more = levin_iter_first(k->it); more && code == LEVIN_OK && !k->stopped; more = levin_iter_next(k->it)) {
        const levin_slice key = levin_iter_key(k->it);
        if (key.size < KEYSPACE_ID_BYTES || key_head32(key.data, key.size) != 0)
            break;
        const levin_slice rest = { (const uint8_t *)key.data + KEYSPACE_ID_BYTES, key.size - KEYSPACE_ID_BYTES };
        code = entry_check(k, rest, account);
    }
    ids_sort(k);
    return code;
}

/* From where the iterator stands: each number that has keys, by one seek. */
static void numbers_check(catalogue_check *k)
{
    uint8_t next[KEYSPACE_ID_BYTES];
    while (levin_iter_valid(k->it) && !k->stopped) {
        const levin_slice key = levin_iter_key(k->it);
        const uint32_t id = key_head32(key.data, key.size);
        if (key.size <= KEYSPACE_ID_BYTES || !id_known(k, id))
            fault(k, "a key of a keyspace that there is not", k->count, id);
        if (id == UINT32_MAX)
            return;
        keyspace_id_store(next, id + 1);
        levin_iter_seek(k->it, next, sizeof next);
    }
}

static levin_code check_open(catalogue_check *k, const version *v)
{
    version_ref(v);
    return iter_open_named(k->db, v, &k->it);
}

/* What the iterator met, unless there was a failure before. */
static levin_code check_close(catalogue_check *k, levin_code code)
{
    if (code == LEVIN_OK)
        code = levin_iter_status(k->it);
    levin_iter_close(k->it);
    io_free(k->db->io, k->ids, k->capacity * sizeof *k->ids);
    return code;
}

levin_code keyspace_check_version(levin *db, const version *v,
                                  bool (*report)(void *context, const levin_error *fault), void *context)
{
    catalogue_check k = { .db = db, .report = report, .context = context };
    catalogue_account account = { 1, 0 };
    levin_code code = check_open(&k, v);
    if (code != LEVIN_OK)
        return code;
    code = catalogue_read(&k, &account);
    if (code == LEVIN_OK && !k.stopped && account.alive != k.count)
        fault(&k, "the account counts other keyspaces than there are names", k.count, account.alive);
    if (code == LEVIN_OK)
        numbers_check(&k);
    return check_close(&k, code);
}

levin_code keyspace_catalogue_count(const tree *named, catalogue_count *count, levin_error *error)
{
    static const uint8_t first[KEYSPACE_ID_BYTES];
    tree_cursor at;
    *count = (catalogue_count){ 0 };
    if (!named->height)
        return LEVIN_OK;
    levin_code code = tree_cursor_open(&at, named, error);
    if (code != LEVIN_OK)
        return code;
    for (code = tree_cursor_seek(&at, first, sizeof first, error);
         code == LEVIN_OK && at.key_bytes >= KEYSPACE_ID_BYTES && key_head32(at.key, at.key_bytes) == 0;
         code = tree_cursor_next(&at, error)) {
        count->keys++;
        count->key_bytes += at.key_bytes;
        count->value_bytes += tree_cursor_value(&at).bytes;
    }
    tree_cursor_close(&at);
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
static levin_code mend_numbers(catalogue_check *k, levin_batch *batch, uint32_t *next, size_t *named)
{
    uint8_t seek[KEYSPACE_ID_BYTES];
    levin_code code = LEVIN_OK;
    for (uint32_t id = 0; code == LEVIN_OK && id < UINT32_MAX;) {
        keyspace_id_store(seek, id + 1);
        if (!levin_iter_seek(k->it, seek, sizeof seek))
            break;
        const levin_slice key = levin_iter_key(k->it);
        id = key_head32(key.data, key.size);
        *next = id >= *next && id < UINT32_MAX ? id + 1 : *next;
        if (id_known(k, id))
            continue;
        code = mend_number(k, batch, id);
        ++*named;
    }
    return code;
}

/* The catalogue as it should be, into `batch`. */
static levin_code mend(catalogue_check *k, levin_batch *batch)
{
    catalogue_account account = { KEYSPACE_ID_LAST, 0 };
    levin_code code = catalogue_read(k, &account);
    size_t named = k->count;
    uint32_t next = account.next == KEYSPACE_ID_LAST ? 1 : account.next;
    if (k->count && k->ids[k->count - 1] >= next)
        next = k->ids[k->count - 1] + 1;
    if (code == LEVIN_OK)
        code = mend_numbers(k, batch, &next, &named);
    if (code != LEVIN_OK)
        return code;
    const levin_keyspace catalogue = { .store = k->db };
    uint8_t value[CATALOGUE_VALUE_BYTES];
    account = (catalogue_account){ next, (uint32_t)named };
    catalogue_account_store(value, &account);
    return batch_append(batch, &catalogue, RECORD_PUT, "\0", 1, value, sizeof value);
}

levin_code keyspace_mend(levin *db, levin_error *error)
{
    uint64_t faults = 0;
    catalogue_check k = { .db = db, .report = nobody_listens, .context = &faults };
    levin_batch *batch;
    levin_code code = levin_batch_create(db, &batch);
    if (code == LEVIN_OK) {
        const version *v = version_acquire(&db->versions);
        code = check_open(&k, v);
        version_release(v);
        if (code == LEVIN_OK) {
            const bool any = levin_iter_first(k.it);
            code = check_close(&k, any ? mend(&k, batch) : LEVIN_OK);
            if (code == LEVIN_OK && any)
                code = levin_write(db, batch, LEVIN_NONE);
        }
        levin_batch_destroy(batch);
    }
    if (code != LEVIN_OK)
        levin_last_error(db, error);
    return code;
}
