/*
 * read.c - point reads and snapshots.
 *
 * A read of the newest state asks the row cache first (row_cache.h), and gives it what it finds itself.
 * A read looks in the memtable, the frozen memtable and the page tree of one version, in that order, inside one
 * read-side section, which keeps the version's memory, pages and page numbers alive: no latch, no reference count, no
 * allocation. Values in extents and in the value log may be long, so they are read outside the section, under a
 * reference on the version, unless the cache of large values has them.
 *
 * Concurrency: any number of readers beside the writer.  Progress: wait-free but for I/O on a cache miss.
 */
#include <string.h>

#include "keyspace.h"
#include "read.h"
#include "row_cache_find.h"

levin_code read_extent(levin *store, const version *held, const page_value *value, void *buffer)
{
    levin_error error;
    levin_code code = tree_read_extent(&held->tree->t, value, buffer, &error);
    if (code != LEVIN_OK)
        return db_fail(store, &error);
    if (store->large)
        value_cache_insert(store->large, value, buffer);
    return LEVIN_OK;
}

levin_code read_extent_alloc(levin *store, const version *held, const page_value *value, bool ask_cache,
                             uint8_t **copy)
{
    levin_error error;
    *copy = NULL;
    levin_code code = tree_value_bounds(&held->tree->t, value, &error);
    if (code == LEVIN_OK && !(*copy = read_value_alloc(store, value->bytes)))
        code = error_memory(&error, value->bytes);
    if (code != LEVIN_OK)
        return db_fail(store, &error);
    code = ask_cache && read_cached(store, value, *copy) ? LEVIN_OK : read_extent(store, held, value, *copy);
    if (code != LEVIN_OK) {
        levin_free(store, *copy);
        *copy = NULL;
    }
    return code;
}

/* The memory first, cleared while nobody waits: that takes time which grows with the budget, the rest does not. */
void read_make_rows(levin *store)
{
    if (!row_cache_prepare(store->rows)) {
        event_tell(store, no_memory, "row cache");
        return;
    }
    sync_mutex_lock(&store->commit_mutex);
    row_cache_activate(store->rows, store->sequence);
    sync_mutex_unlock(&store->commit_mutex);
    if (!row_cache_maintain(store->rows, !store->thread_started))
        db_wake(store);
}

void read_activate_rows(levin *store)
{
    if (!store->thread_started || row_cache_is_small(store->rows)) {
        read_make_rows(store);
        return;
    }
    row_cache_want_table(store->rows);
    db_wake(store);
}

/*
 * Finds the key in *v, or, when that is NULL, in the newest state: there the row cache answers, or learns what was
 * found, and *v becomes the version if one was looked at.  *row ROW_MISSED: the row cache was asked already, with
 * `hash`.  Inside a read-side section.
 */
static levin_code read_find(levin *store, const version **v, unsigned domain, const uint8_t *key, size_t key_bytes,
                            uint64_t hash, found_value *found, enum row_result *row, levin_error *error)
{
    row_value value;
    if (__builtin_expect(read_key_too_long(key_bytes), 0))
        return LEVIN_NOT_FOUND;
    const size_t row_key_bytes = domain == DOMAIN_PLAIN ? key_bytes : key_bytes | ROW_NAMED;
    if (!*v && *row == ROW_BYPASSED && store->rows) {
        hash = row_hash(key, key_bytes);
        *row = row_cache_find(store->rows, hash, key, row_key_bytes, UINT64_MAX, &value) ? ROW_HIT : ROW_MISSED;
        if (*row == ROW_HIT) {
            found->data = value.data;
            found->bytes = value.bytes;
            found->extent.kind = VALUE_INLINE;
            return value.data ? LEVIN_OK : LEVIN_NOT_FOUND;
        }
    }
    if (!*v)
        *v = version_current(&store->versions);
    levin_code code = read_layers(&(*v)->of[domain], tree_version_of((*v)->tree, domain), key, key_bytes, found, error);
    bool whole = code == LEVIN_OK && found->extent.kind == VALUE_INLINE;
    if (*row == ROW_MISSED && (whole || code == LEVIN_NOT_FOUND)) {
        value = whole ? (row_value){ found->data, found->bytes } : (row_value){ NULL, 0 };
        row_cache_fill(store->rows, hash, key, row_key_bytes, &value, (*v)->sequence);
    }
    return code;
}

/* Begins inside a read-side section and ends it. v NULL: the newest version; row and hash as for read_find(). */
static levin_code get_copy_in_section(levin *store, counter_stripe *mine, const version *v, unsigned domain,
                                      const void *key, size_t key_bytes, uint64_t hash, enum row_result row,
                                      void *buffer, size_t capacity, size_t *value_bytes)
{
    levin_error error;
    found_value found;
    const version *held = NULL;
    levin_code code = read_find(store, &v, domain, key, key_bytes, hash, &found, &row, &error);
    if (code == LEVIN_OK) {
        *value_bytes = found.bytes;
        if (found.bytes > capacity) {
            code = LEVIN_TOO_SMALL;
        } else if (found.extent.kind == VALUE_INLINE) {
            if (found.bytes)
                memcpy(buffer, found.data, found.bytes);
        } else if (!read_cached(store, &found.extent, buffer)) {
            held = v;
            version_ref(held);
        }
    }
    reclaim_read_unlock();
    if (held) {
        code = read_extent(store, held, &found.extent, buffer);
        version_release(held);
    } else if (code != LEVIN_OK && code != LEVIN_NOT_FOUND && code != LEVIN_TOO_SMALL) {
        code = db_fail(store, &error);
    }
    read_count_row_on(store, mine, code, row);
    read_reclaim(store);
    return code;
}

/* Whether this get is to be measured. mine: of store->counts. */
static inline bool get_is_sampled(const counter_stripe *mine)
{
    return metrics_samples(read_gets_of(mine), METRICS_SAMPLE_get);
}

/* v NULL: the newest version. */
static levin_code get_copy(levin *store, counter_stripe *mine, const version *v, unsigned domain, const void *key,
                           size_t key_bytes, void *buffer, size_t capacity, size_t *value_bytes)
{
    levin_code code = read_check_key(store, key, key_bytes);
    if (code != LEVIN_OK)
        return code;
    reclaim_read_lock();
    return get_copy_in_section(store, mine, v, domain, key, key_bytes, 0, ROW_BYPASSED, buffer, capacity, value_bytes);
}

static levin_code get_measured(levin *store, counter_stripe *mine, const version *v, unsigned domain, const void *key,
                               size_t key_bytes, void *buffer, size_t capacity, size_t *value_bytes)
{
    uint64_t began = store->io->now_ns(store->io->context);
    levin_code code = get_copy(store, mine, v, domain, key, key_bytes, buffer, capacity, value_bytes);
    metrics_add(&store->metrics, LEVIN_HISTOGRAM_get, store->io->now_ns(store->io->context) - began);
    if (store->rows && row_cache_note_reads(store->rows, METRICS_SAMPLE_get))
        db_wake(store);
    return code;
}

/*
 * What levin_get() leaves over, measured when it is the turn of one in METRICS_SAMPLE_get of each thread.  Apart, so
 * that levin_get() saves no registers for it.
 */
static __attribute__((noinline)) levin_code get_seldom(levin *store, const levin_snapshot *snapshot, const void *key,
                                                       size_t key_bytes, void *buffer, size_t capacity,
                                                       size_t *value_bytes)
{
    counter_stripe *mine = counter_mine(&store->counts);
    const version *v = snapshot_version(snapshot);
    const levin_code code = db_check_snapshot(store, snapshot);
    if (code != LEVIN_OK)
        return code;
    if (!get_is_sampled(mine))
        return get_copy(store, mine, v, DOMAIN_PLAIN, key, key_bytes, buffer, capacity, value_bytes);
    return get_measured(store, mine, v, DOMAIN_PLAIN, key, key_bytes, buffer, capacity, value_bytes);
}

/* Inside a read-side section, which it ends: a key that the row cache does not know. */
static __attribute__((noinline)) levin_code get_missed(levin *store, counter_stripe *mine, const void *key,
                                                       size_t key_bytes, uint64_t hash, void *buffer, size_t capacity,
                                                       size_t *value_bytes)
{
    return get_copy_in_section(store, mine, NULL, DOMAIN_PLAIN, key, key_bytes, hash, ROW_MISSED, buffer, capacity,
                               value_bytes);
}

/* Whether the shortest way can be gone: a row cache, a thread with a stripe of its own, and nothing to be measured. */
static inline bool get_is_plain(const levin *store, const levin_snapshot *snapshot, const counter_stripe *own,
                                const void *key)
{
    return !(__builtin_expect(snapshot || !own || !store->rows || !key, 0) ||
             __builtin_expect(get_is_sampled(own), 0));
}

/*
 * The shortest way to a row in the cache; key_bytes is known here to be of the range that hash is for.  What is counted
 * is counted inside the section: less has to be kept over the calls.
 */
static inline __attribute__((always_inline)) levin_code get_row(levin *store, counter_stripe *own, const void *key,
                                                                size_t key_bytes, uint64_t hash, void *buffer,
                                                                size_t capacity, size_t *value_bytes)
{
    row_value value;
    levin_code code = LEVIN_NOT_FOUND;
    reclaim_read_lock();
    if (__builtin_expect(!row_find(store->rows, hash, key, key_bytes, UINT64_MAX, &value), 0))
        return get_missed(store, own, key, key_bytes, hash, buffer, capacity, value_bytes);
    counter_raise_own(own, COUNT_ROW_HITS);
    if (__builtin_expect(value.data != NULL, 1)) {
        *value_bytes = value.bytes;
        code = value.bytes <= capacity ? LEVIN_OK : LEVIN_TOO_SMALL;
        if (code == LEVIN_OK && value.bytes)
            memcpy(buffer, value.data, value.bytes);
    } else {
        counter_add_own(own, COUNT_GET_HITS_BELOW, UINT64_MAX);
    }
    reclaim_read_unlock();
    return code;
}

/* For keys of 17 to 32 bytes, apart, so that shorter ones pay nothing for it. */
static __attribute__((noinline)) levin_code get_longer(levin *store, const levin_snapshot *snapshot, const void *key,
                                                       size_t key_bytes, void *buffer, size_t capacity,
                                                       size_t *value_bytes)
{
    counter_stripe *own = counter_own(&store->counts);
    if (!get_is_plain(store, snapshot, own, key))
        return get_seldom(store, snapshot, key, key_bytes, buffer, capacity, value_bytes);
    return get_row(store, own, key, key_bytes, row_hash_longer(key, key_bytes), buffer, capacity, value_bytes);
}

levin_code levin_get(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes, void *buffer,
                     size_t capacity, size_t *value_bytes)
{
    counter_stripe *own = counter_own(&store->counts);
    if (__builtin_expect(!row_key_is_middle(key_bytes), 0))
        return row_key_is_longer(key_bytes)
                   ? get_longer(store, snapshot, key, key_bytes, buffer, capacity, value_bytes)
                   : get_seldom(store, snapshot, key, key_bytes, buffer, capacity, value_bytes);
    if (!get_is_plain(store, snapshot, own, key))
        return get_seldom(store, snapshot, key, key_bytes, buffer, capacity, value_bytes);
    return get_row(store, own, key, key_bytes, row_hash_middle(key, key_bytes), buffer, capacity, value_bytes);
}

levin_code levin_get_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot, const void *key,
                        size_t key_bytes, void *buffer, size_t capacity, size_t *value_bytes)
{
    keyspace_key k;
    if (!keyspace)
        return levin_get(store, snapshot, key, key_bytes, buffer, capacity, value_bytes);
    levin_code code = keyspace_key_make(store, keyspace, snapshot, key, key_bytes, &k);
    if (code == LEVIN_OK) {
        counter_stripe *mine = counter_mine(&store->counts);
        const version *v = snapshot_version(snapshot);
        code = get_is_sampled(mine)
                   ? get_measured(store, mine, v, DOMAIN_NAMED, k.data, k.bytes, buffer, capacity, value_bytes)
                   : get_copy(store, mine, v, DOMAIN_NAMED, k.data, k.bytes, buffer, capacity, value_bytes);
    }
    return keyspace_read_end(store, keyspace, snapshot, code);
}

/* Handed-out values carry their size in front, for levin_free(). */
enum { VALUE_PREFIX_BYTES = 16 };

uint8_t *read_value_alloc(levin *store, size_t bytes)
{
    uint8_t *memory = io_alloc(store->io, VALUE_PREFIX_BYTES + bytes);
    if (!memory)
        return NULL;
    store_u64(memory, bytes);
    return memory + VALUE_PREFIX_BYTES;
}

void levin_free(levin *store, void *value)
{
    if (!value)
        return;
    uint8_t *memory = (uint8_t *)value - VALUE_PREFIX_BYTES;
    io_free(store->io, memory, VALUE_PREFIX_BYTES + load_u64(memory));
}

static levin_code get_alloc(levin *store, const levin_snapshot *snapshot, unsigned domain, const void *key,
                            size_t key_bytes, void **value, size_t *value_bytes)
{
    levin_error error;
    found_value found;
    const version *v = snapshot_version(snapshot), *held = NULL;
    enum row_result row = ROW_BYPASSED;
    uint8_t *copy = NULL;
    *value = NULL;
    levin_code code = read_check_key(store, key, key_bytes);
    if (code == LEVIN_OK)
        code = db_check_snapshot(store, snapshot);
    if (code != LEVIN_OK)
        return code;
    reclaim_read_lock();
    code = read_find(store, &v, domain, key, key_bytes, 0, &found, &row, &error);
    if (code == LEVIN_OK) {
        if (found.extent.kind != VALUE_INLINE) {
            held = v;
            version_ref(held);
        } else if (!(copy = read_value_alloc(store, found.bytes))) {
            code = error_memory(&error, found.bytes);
        } else if (found.bytes) {
            memcpy(copy, found.data, found.bytes);
        }
    }
    reclaim_read_unlock();
    if (held) {
        code = read_extent_alloc(store, held, &found.extent, true, &copy);
        version_release(held);
    } else if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        code = db_fail(store, &error);
    }
    if (code == LEVIN_OK) {
        *value = copy;
        *value_bytes = found.bytes;
    } else {
        levin_free(store, copy);
    }
    read_count_row(store, code, row);
    read_reclaim(store);
    return code;
}

levin_code levin_get_alloc(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes,
                           void **value, size_t *value_bytes)
{
    return get_alloc(store, snapshot, DOMAIN_PLAIN, key, key_bytes, value, value_bytes);
}

levin_code levin_get_alloc_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                              const void *key, size_t key_bytes, void **value, size_t *value_bytes)
{
    keyspace_key k;
    if (!keyspace)
        return levin_get_alloc(store, snapshot, key, key_bytes, value, value_bytes);
    *value = NULL;
    levin_code code = keyspace_key_make(store, keyspace, snapshot, key, key_bytes, &k);
    if (code == LEVIN_OK)
        code = get_alloc(store, snapshot, DOMAIN_NAMED, k.data, k.bytes, value, value_bytes);
    return keyspace_read_end(store, keyspace, snapshot, code);
}

static levin_code contains(levin *store, const levin_snapshot *snapshot, unsigned domain, const void *key,
                           size_t key_bytes)
{
    levin_error error;
    found_value found;
    const version *v = snapshot_version(snapshot);
    enum row_result row = ROW_BYPASSED;
    levin_code code = read_check_key(store, key, key_bytes);
    if (code == LEVIN_OK)
        code = db_check_snapshot(store, snapshot);
    if (code != LEVIN_OK)
        return code;
    reclaim_read_lock();
    code = read_find(store, &v, domain, key, key_bytes, 0, &found, &row, &error);
    reclaim_read_unlock();
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
        code = db_fail(store, &error);
    read_count_row(store, code, row);
    read_reclaim(store);
    return code;
}

levin_code levin_contains(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes)
{
    return contains(store, snapshot, DOMAIN_PLAIN, key, key_bytes);
}

levin_code levin_contains_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                             const void *key, size_t key_bytes)
{
    keyspace_key k;
    if (!keyspace)
        return levin_contains(store, snapshot, key, key_bytes);
    levin_code code = keyspace_key_make(store, keyspace, snapshot, key, key_bytes, &k);
    if (code == LEVIN_OK)
        code = contains(store, snapshot, DOMAIN_NAMED, k.data, k.bytes);
    return keyspace_read_end(store, keyspace, snapshot, code);
}

levin_code levin_snapshot_create(levin *store, levin_snapshot **snapshot)
{
    levin_error error;
    *snapshot = io_alloc(store->io, sizeof **snapshot);
    if (!*snapshot) {
        error_memory(&error, sizeof **snapshot);
        return db_fail(store, &error);
    }
    (*snapshot)->store = store;
    (*snapshot)->v = version_acquire(&store->versions);
    reader_set_bytes(&(*snapshot)->entry, sizeof **snapshot);
    db_reader_add(store, &(*snapshot)->entry, LEVIN_READER_SNAPSHOT, (*snapshot)->v);
    return LEVIN_OK;
}

void levin_snapshot_release(levin_snapshot *snapshot)
{
    if (!snapshot)
        return;
    levin *store = snapshot->store;
    db_reader_remove(store, &snapshot->entry);
    version_release(snapshot->v);
    io_free(store->io, snapshot, sizeof *snapshot);
}
