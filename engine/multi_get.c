/*
 * multi_get.c - many keys at one state, with their cache misses side by side.
 *
 * Keys are taken in windows of TREE_MANY.  A window goes through the row cache, the memtable, the frozen memtable and
 * the page tree of one version, all its keys together at each (row_cache.h, memtable_find_many(), tree_find_many());
 * what one layer has found, the next is not asked for.  Values in extents are read last, outside the read-side section,
 * under a reference on the version.  A snapshot is read without the row cache.
 *
 * Invariants: every key is answered from the same version, so a batch is seen whole or not at all.
 * Concurrency: any number of readers beside the writer.  Up to one window lives in one read-side section and takes no
 * reference; more keys take one, so that a long call does not hold back a grace period.
 */
#include <string.h>

#include "keyspace.h"
#include "read.h"
#include "row_cache_find.h"

/* A window's keys that are still looked for. */
typedef struct window {
    levin_get_request *request[TREE_MANY];
    found_value *found[TREE_MANY];
    levin_slice key[TREE_MANY];
    uint64_t hash[TREE_MANY]; /* for the row cache */
    size_t count;
    unsigned domain;
    size_t row_flag;          /* what row_cache.h wants in key_bytes */
} window;

static inline void window_keep(window *w, size_t to, size_t from)
{
    w->request[to] = w->request[from];
    w->found[to] = w->found[from];
    w->key[to] = w->key[from];
    w->hash[to] = w->hash[from];
}

/* Takes the keys out of the window of which the row cache knows what the version holds. Returns how many. */
static size_t find_in_rows(row_cache *rows, window *w, uint64_t sequence)
{
    size_t left = 0;
    for (size_t i = 0; i < w->count; i++) {
        w->hash[i] = row_hash(w->key[i].data, w->key[i].size);
        row_cache_prefetch(rows, w->hash[i]);
    }
    for (size_t i = 0; i < w->count; i++)
        row_cache_prefetch_items(rows, w->hash[i]);
    for (size_t i = 0; i < w->count; i++) {
        row_value value;
        if (!row_find(rows, w->hash[i], w->key[i].data, w->key[i].size | w->row_flag, sequence, &value)) {
            window_keep(w, left++, i);
            continue;
        }
        w->request[i]->code = value.data ? LEVIN_OK : LEVIN_NOT_FOUND;
        w->found[i]->data = value.data;
        w->found[i]->bytes = value.bytes;
        w->found[i]->extent.kind = VALUE_INLINE;
    }
    size_t hits = w->count - left;
    w->count = left;
    return hits;
}

/* What the row cache did not know: the keys of `missed` were found, or not, in the version with `sequence`. */
static void fill_rows(row_cache *rows, const window *missed, uint64_t sequence)
{
    for (size_t i = 0; i < missed->count; i++) {
        const found_value *found = missed->found[i];
        const levin_code code = missed->request[i]->code;
        bool whole = code == LEVIN_OK && found->extent.kind == VALUE_INLINE;
        row_value value = { whole ? found->data : NULL, whole ? found->bytes : 0 };
        if (whole || code == LEVIN_NOT_FOUND)
            row_cache_fill(rows, missed->hash[i], missed->key[i].data, missed->key[i].size | missed->row_flag, &value,
                           sequence);
    }
}

/* Takes the keys that the mask hides out of the window. */
static void hide_by_mask(window *w, const mem_node *mask)
{
    size_t left = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (mem_mask_covers(mask, w->key[i].data, w->key[i].size))
            w->request[i]->code = LEVIN_NOT_FOUND;
        else
            window_keep(w, left++, i);
    }
    w->count = left;
}

/* Takes the keys that this memtable decides out of the window. */
static void find_in_keys(window *w, mem_roots roots)
{
    const uint8_t *record[TREE_MANY];
    size_t left = 0;
    if (!roots.keys || !w->count)
        return;
    memtable_find_many(roots.keys, w->key, w->count, record);
    for (size_t i = 0; i < w->count; i++) {
        if (record[i]) {
            w->request[i]->code = read_record(record[i], w->found[i]);
            continue;
        }
        window_keep(w, left++, i);
    }
    w->count = left;
}

/* The same, and those that it hides from what lies below. */
static void find_in_memtable(window *w, mem_roots roots)
{
    find_in_keys(w, roots);
    if (__builtin_expect(roots.mask != NULL, 0))
        hide_by_mask(w, roots.mask);
}

static levin_code find_in_tree(window *w, const tree *t, levin_error *error)
{
    page_value value[TREE_MANY];
    levin_code code[TREE_MANY];
    if (!w->count)
        return LEVIN_OK;
    levin_code first = tree_find_many(t, w->key, w->count, value, code, error);
    for (size_t i = 0; i < w->count; i++) {
        w->request[i]->code = code[i];
        if (code[i] == LEVIN_OK)
            *w->found[i] = (found_value){ .data = value[i].data, .bytes = value[i].bytes, .extent = value[i] };
    }
    return first;
}

/* Hands a value out; one that has to be read is left for later: *later. */
static void copy_out(levin *store, levin_get_request *r, found_value *found, bool *later)
{
    if (r->code != LEVIN_OK)
        return;
    r->value_bytes = found->bytes;
    if (found->bytes > r->capacity)
        r->code = LEVIN_TOO_SMALL;
    else if (found->extent.kind != VALUE_INLINE && read_cached(store, &found->extent, r->buffer))
        found->extent.kind = VALUE_INLINE; /* done */
    else if (found->extent.kind != VALUE_INLINE)
        *later = true;
    else if (found->bytes)
        memcpy(r->buffer, found->data, found->bytes);
}

static levin_code read_extents(levin *store, const version *held, levin_get_request *requests, const found_value *found,
                               size_t count, levin_error *error)
{
    levin_code first = LEVIN_OK;
    for (size_t i = 0; i < count; i++) {
        levin_error failed;
        if (requests[i].code != LEVIN_OK || found[i].extent.kind == VALUE_INLINE)
            continue;
        requests[i].code = tree_read_extent(&held->tree->t, &found[i].extent, requests[i].buffer, &failed);
        if (requests[i].code == LEVIN_OK && store->large)
            value_cache_insert(store->large, &found[i].extent, requests[i].buffer);
        if (requests[i].code != LEVIN_OK && first == LEVIN_OK) {
            first = requests[i].code;
            *error = failed;
        }
    }
    return first;
}

/* Where the keys of a window are put together with the id of a keyspace. */
typedef struct key_room {
    const levin_keyspace *ks; /* NULL: the default keyspace, whose keys stay where they are */
    uint8_t *next;
} key_room;

static levin_slice key_in_room(key_room *room, const levin_get_request *r)
{
    if (!room->ks)
        return (levin_slice){ r->key, r->key_bytes };
    const levin_slice key = { room->next, KEYSPACE_ID_BYTES + r->key_bytes };
    memcpy(room->next, room->ks->id, KEYSPACE_ID_BYTES);
    memcpy(room->next + KEYSPACE_ID_BYTES, r->key, r->key_bytes);
    room->next += key.size;
    return key;
}

/* Keys that cannot be looked for are answered at once; the others stand in the window. Returns how many are absent. */
static size_t window_fill(levin *store, window *w, key_room *room, levin_get_request *requests, found_value *found,
                        size_t count)
{
    size_t absent = 0;
    w->count = 0;
    w->domain = room->ks ? DOMAIN_NAMED : DOMAIN_PLAIN;
    w->row_flag = room->ks ? ROW_NAMED : 0;
    for (size_t i = 0; i < count; i++) {
        levin_get_request *r = &requests[i];
        r->code = read_check_key(store, r->key, r->key_bytes);
        if (r->code == LEVIN_OK && read_key_too_long(r->key_bytes)) {
            r->code = LEVIN_NOT_FOUND;
            absent++;
        }
        if (r->code != LEVIN_OK)
            continue;
        w->request[w->count] = r;
        w->found[w->count] = &found[i];
        w->key[w->count++] = key_in_room(room, r);
    }
    return absent;
}

/* Up to TREE_MANY keys. v NULL: the newest version. */
static levin_code get_window(levin *store, const version *v, row_cache *rows, key_room *room,
                             levin_get_request *requests, size_t count)
{
    window w, missed = { .count = 0 };
    found_value found[TREE_MANY];
    levin_error error;
    const version *held = NULL;
    bool later = false;
    size_t asked = window_fill(store, &w, room, requests, found, count);
    asked += w.count;
    reclaim_read_lock();
    if (!v)
        v = version_current(&store->versions);
    size_t row_hits = rows ? find_in_rows(rows, &w, v->sequence) : 0, row_misses = rows ? w.count : 0;
    if (row_misses)
        missed = w;
    find_in_memtable(&w, v->of[w.domain].mem);
    find_in_memtable(&w, v->of[w.domain].frozen);
    levin_code code = find_in_tree(&w, tree_version_of(v->tree, w.domain), &error);
    if (row_misses)
        fill_rows(rows, &missed, v->sequence);
    for (size_t i = 0; i < count; i++)
        copy_out(store, &requests[i], &found[i], &later);
    if (later) {
        held = v;
        version_ref(held);
    }
    reclaim_read_unlock();
    if (held) {
        levin_error failed;
        levin_code extents = read_extents(store, held, requests, found, count, &failed);
        version_release(held);
        if (code == LEVIN_OK && extents != LEVIN_OK) {
            code = extents;
            error = failed;
        }
    }
    if (code != LEVIN_OK)
        db_fail(store, &error);
    size_t hits = 0;
    levin_code first = LEVIN_OK;
    for (size_t i = count; i-- > 0;) {
        levin_code its = requests[i].code;
        if (its == LEVIN_OK || its == LEVIN_TOO_SMALL)
            hits++;
        else if (its != LEVIN_NOT_FOUND)
            first = its;
    }
    read_count_many(store, asked, hits, row_hits, row_misses);
    read_reclaim(store);
    return first;
}

static levin_code all_windows(levin *store, const levin_snapshot *snapshot, const levin_keyspace *ks, uint8_t *memory,
                              levin_get_request *requests, size_t count)
{
    levin_code first = db_check_snapshot(store, snapshot);
    for (size_t i = 0; i < count && first != LEVIN_OK; i++)
        requests[i].code = first;
    if (first != LEVIN_OK)
        return first;
    const version *held = !snapshot && count > TREE_MANY ? version_acquire(&store->versions) : NULL;
    const version *v = held ? held : snapshot_version(snapshot);
    row_cache *rows = snapshot ? NULL : store->rows;
    for (size_t at = 0; at < count; at += TREE_MANY) {
        size_t n = count - at < TREE_MANY ? count - at : TREE_MANY;
        key_room room = { ks, memory };
        levin_code code = get_window(store, v, rows, &room, requests + at, n);
        if (first == LEVIN_OK)
            first = code;
    }
    if (held)
        version_release(held);
    return first;
}

/* One call in METRICS_SAMPLE_multi_get of each thread is measured. */
static levin_code multi_get(levin *store, const levin_snapshot *snapshot, const levin_keyspace *ks, uint8_t *memory,
                            levin_get_request *requests, size_t count)
{
    if (!metrics_samples(read_gets_of(counter_mine(&store->counts)), METRICS_SAMPLE_multi_get))
        return all_windows(store, snapshot, ks, memory, requests, count);
    uint64_t began = store->io->now_ns(store->io->context);
    levin_code code = all_windows(store, snapshot, ks, memory, requests, count);
    metrics_add(&store->metrics, LEVIN_HISTOGRAM_multi_get, store->io->now_ns(store->io->context) - began);
    if (store->rows && row_cache_note_reads(store->rows, METRICS_SAMPLE_multi_get * count))
        db_wake(store);
    return code;
}

levin_code levin_multi_get(levin *store, const levin_snapshot *snapshot, levin_get_request *requests, size_t count)
{
    return multi_get(store, snapshot, NULL, NULL, requests, count);
}

/* Bytes that the keys of the largest window take with their ids. Those that are too long are absent, and take none. */
static size_t room_bytes(const levin_get_request *requests, size_t count)
{
    size_t most = 0;
    for (size_t at = 0; at < count; at += TREE_MANY) {
        size_t bytes = 0;
        for (size_t i = at; i < count && i < at + TREE_MANY; i++)
            bytes += read_key_too_long(requests[i].key_bytes) ? 0 : KEYSPACE_ID_BYTES + requests[i].key_bytes;
        most = bytes > most ? bytes : most;
    }
    return most;
}

levin_code levin_multi_get_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                              levin_get_request *requests, size_t count)
{
    levin_error error;
    uint8_t small[1024], *room = small;
    if (!keyspace)
        return levin_multi_get(store, snapshot, requests, count);
    levin_code code = keyspace_check(store, keyspace, snapshot);
    size_t bytes = room_bytes(requests, count);
    if (code == LEVIN_OK && bytes > sizeof small && !(room = io_alloc(store->io, bytes))) {
        error_memory(&error, bytes);
        code = db_fail(store, &error);
    }
    if (code == LEVIN_OK)
        code = multi_get(store, snapshot, keyspace, room, requests, count);
    else
        for (size_t i = 0; i < count; i++)
            requests[i].code = code;
    if (room && room != small)
        io_free(store->io, room, bytes);
    for (size_t i = 0; code == LEVIN_OK && i < count; i++)
        if (requests[i].code == LEVIN_NOT_FOUND) { /* or gone, then all are */
            code = keyspace_check(store, keyspace, snapshot);
            break;
        }
    return code;
}
