/*
 * pinned.c - point reads that hand out the value where it stands.
 *
 * What is held until levin_pinned_release(), by where the value is:
 *   a page       a pin on its frame, which eviction passes over
 *   a memtable   a reference on the whole memtable: its records stay where they are until the last reference goes
 *   elsewhere    (an extent, the value log) a pin on it in the cache of large values; when it is not there, a copy
 *
 * Invariants: what is handed out never changes: pages and records are immutable. Concurrency: pins and references are
 * atomic counts, taken inside the read-side section that found the value, released on any thread.  Wait-free but for
 * I/O.
 */
#include "keyspace.h"
#include "read.h"

enum pinned_kind { PINNED_NOTHING = 0, PINNED_FRAME = 1, PINNED_MEMTABLE = 2, PINNED_COPY = 3, PINNED_CACHED = 4 };

static levin_code pin_record(levin_pinned *pinned, memtable *mem, const uint8_t *record, page_value *elsewhere)
{
    found_value found;
    levin_code code = read_record(record, &found);
    if (code != LEVIN_OK)
        return code;
    if (found.extent.kind != VALUE_INLINE) {
        *elsewhere = found.extent;
        return LEVIN_OK;
    }
    memtable_ref(mem); /* the version that we see holds one, so the count is not 0 */
    pinned->kind = PINNED_MEMTABLE;
    pinned->held = mem;
    pinned->value = (levin_slice){ found.data, found.bytes };
    return LEVIN_OK;
}

/* Inside a read-side section. A value that is elsewhere is left to the caller. */
static levin_code pin_newest(const version *v, unsigned domain, const uint8_t *key, size_t key_bytes,
                             levin_pinned *pinned, page_value *elsewhere, levin_error *error)
{
    bool in_frozen, hidden;
    const uint8_t *record = read_memtables(&v->of[domain], key, key_bytes, &in_frozen, &hidden);
    if (record)
        return pin_record(pinned, in_frozen ? v->frozen : v->mem, record, elsewhere);
    if (hidden)
        return LEVIN_NOT_FOUND;
    page_frame *frame;
    page_value value;
    levin_code code = tree_find_frame(tree_version_of(v->tree, domain), key, key_bytes, &frame, &value, error);
    if (code != LEVIN_OK)
        return code;
    if (value.kind == VALUE_INLINE) {
        page_frame_pin(frame);
        pinned->kind = PINNED_FRAME;
        pinned->held = frame;
        pinned->value = (levin_slice){ value.data, value.bytes };
    } else {
        *elsewhere = value;
    }
    return LEVIN_OK;
}

static levin_code get_pinned(levin *store, const levin_snapshot *snapshot, unsigned domain, const void *key,
                             size_t key_bytes, levin_pinned *pinned)
{
    levin_error error;
    page_value elsewhere;
    const version *held = NULL;
    *pinned = (levin_pinned){ .store = store };
    levin_code code = read_check_key(store, key, key_bytes);
    if (code == LEVIN_OK)
        code = db_check_snapshot(store, snapshot);
    if (code != LEVIN_OK)
        return code;
    reclaim_read_lock();
    const version *v = snapshot ? snapshot->v : version_current(&store->versions);
    code = pin_newest(v, domain, key, key_bytes, pinned, &elsewhere, &error);
    cached_value *cached = NULL;
    if (code == LEVIN_OK && pinned->kind == PINNED_NOTHING && store->large)
        cached = value_cache_find(store->large, &elsewhere);
    if (cached) {
        cached_value_pin(cached);
        *pinned = (levin_pinned){ { cached_value_data(cached), elsewhere.bytes }, store, cached, PINNED_CACHED };
    } else if (code == LEVIN_OK && pinned->kind == PINNED_NOTHING) {
        held = v;
        version_ref(held);
    }
    reclaim_read_unlock();
    if (held) {
        uint8_t *copy = NULL;
        code = read_extent_alloc(store, held, &elsewhere, false, &copy);
        version_release(held);
        if (code == LEVIN_OK)
            *pinned = (levin_pinned){ { copy, elsewhere.bytes }, store, copy, PINNED_COPY };
    } else if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        code = db_fail(store, &error);
    }
    read_count(store, code);
    read_reclaim(store);
    return code;
}

levin_code levin_get_pinned(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes,
                            levin_pinned *pinned)
{
    return get_pinned(store, snapshot, DOMAIN_PLAIN, key, key_bytes, pinned);
}

levin_code levin_get_pinned_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                               const void *key, size_t key_bytes, levin_pinned *pinned)
{
    keyspace_key k;
    if (!keyspace)
        return levin_get_pinned(store, snapshot, key, key_bytes, pinned);
    *pinned = (levin_pinned){ .store = store };
    levin_code code = keyspace_key_make(store, keyspace, snapshot, key, key_bytes, &k);
    if (code == LEVIN_OK)
        code = get_pinned(store, snapshot, DOMAIN_NAMED, k.data, k.bytes, pinned);
    return keyspace_read_end(store, keyspace, snapshot, code);
}

void levin_pinned_release(levin_pinned *pinned)
{
    switch ((enum pinned_kind)pinned->kind) {
    case PINNED_NOTHING: break;
    case PINNED_FRAME: page_frame_unpin(pinned->held); break;
    case PINNED_MEMTABLE: memtable_unref(pinned->held); break;
    case PINNED_COPY: levin_free(pinned->store, pinned->held); break;
    case PINNED_CACHED: cached_value_unpin(pinned->held); break;
    }
    *pinned = (levin_pinned){ .store = pinned->store };
}
