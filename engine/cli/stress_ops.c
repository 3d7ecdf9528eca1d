/*
 * stress_ops.c - the operations of a stress thread, each with the check of what it answers; see stress.h.
 *
 * Concurrency: a thread's struct is its own but for `done`.  The order is everything: floors are loaded before a read
 * begins and raised after it ended; ceilings are raised before a write is submitted and loaded after a read has ended.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stress.h"

enum { MULTI_KEYS = 16, BATCH_UNITS = 12, SCAN_KEYS = 200, SNAPSHOT_SCAN_KEYS = 500, TEXT_BYTES = 256 };

bool stress_thread_init(stress_thread *t, stress_shared *shared, unsigned number)
{
    const stress_model *m = &shared->model;
    *t = (stress_thread){ .shared = shared, .number = number };
    t->random = random_mix(m->seed * 0x9e3779b97f4a7c15u + number + 1);
    t->value = malloc(m->value_max);
    t->buffers = malloc((size_t)MULTI_KEYS * m->value_max);
    t->low = calloc(4 * (size_t)m->units + m->groups, sizeof *t->low);
    if (!t->value || !t->buffers || !t->low)
        return false;
    t->high = t->low + m->units;
    t->snapshot_low = t->high + m->units;
    t->snapshot_high = t->snapshot_low + m->units;
    t->groups = t->snapshot_high + m->units;
    for (unsigned i = 0; i < sizeof t->batches / sizeof t->batches[0]; i++)
        if (levin_batch_create(shared->store, &t->batches[i]) != LEVIN_OK)
            return false;
    return true;
}

void stress_thread_fini(stress_thread *t)
{
    for (unsigned i = 0; i < sizeof t->batches / sizeof t->batches[0]; i++)
        levin_batch_destroy(t->batches[i]);
    levin_snapshot_release(t->snapshot);
    t->snapshot = NULL;
    stress_areas_close(t);
    memset(t->batches, 0, sizeof t->batches);
    free(t->value);
    free(t->buffers);
    free(t->low);
    t->value = t->buffers = NULL;
    t->low = NULL;
}

bool stress_fail(stress_thread *t, levin_code code, const char *format, ...)
{
    static const char *const names[] = {
#define NAME(name, text) #name,
        STRESS_OPERATIONS(NAME)
#undef NAME
    };
    stress_shared *s = t->shared;
    va_list arguments;
    if (atomic_exchange_explicit(&s->failed, 1, memory_order_relaxed))
        return false;
    stress_result *r = s->result;
    levin_error error;
    levin_last_error(s->store, &error);
    r->mismatch = code == LEVIN_OK || code == LEVIN_NOT_FOUND || code == LEVIN_CORRUPT;
    r->failed = !r->mismatch;
    int n = snprintf(r->message, sizeof r->message, "thread %u, operation %" PRIu64 " (%s): ", t->number,
                     atomic_load_explicit(&t->done, memory_order_relaxed), names[t->now]);
    va_start(arguments, format);
    n += vsnprintf(r->message + n, sizeof r->message - (size_t)n, format, arguments);
    va_end(arguments);
    if (code != LEVIN_OK && n > 0 && (size_t)n < sizeof r->message)
        snprintf(r->message + n, sizeof r->message - (size_t)n, ": %s: %s", levin_code_name(code),
                 error.code == code ? error.message : levin_code_text(code));
    atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with the threads */
    return false;
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- choosing ---- */

/* A unit of this thread from [from, to), which has one. */
static uint32_t own_unit(stress_thread *t, uint32_t from, uint32_t to)
{
    const uint32_t threads = t->shared->model.threads;
    uint32_t first = from + (t->number + threads - from % threads) % threads;
    return first + threads * stress_below(t, (to - first + threads - 1) / threads);
}

static uint32_t any_key(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    uint32_t keys[STRESS_GROUP_KEYS];
    if (stress_below(t, 2))
        return stress_below(t, m->keys);
    unsigned n = stress_unit_keys(m, own_unit(t, 0, m->units), keys);
    return keys[stress_below(t, n)];
}

/* ---- writing ---- */

/* The next version of a unit, into a batch; its ceiling tells that it is on the way. */
static bool add_unit(stress_thread *t, levin_batch *batch, uint32_t unit)
{
    stress_model *m = &t->shared->model;
    uint32_t keys[STRESS_GROUP_KEYS], version = stress_load(&m->ceiling[unit]) + 1;
    unsigned n = stress_unit_keys(m, unit, keys);
    bool absent = stress_absent(m, unit, version);
    stress_raise(&m->ceiling[unit], version);
    for (unsigned i = 0; i < n; i++) {
        char key[STRESS_KEY_MAX];
        size_t key_bytes = stress_key(m, keys[i], key);
        levin_code code;
        if (absent)
            code = levin_batch_delete(batch, key, key_bytes);
        else
            code = levin_batch_put(batch, key, key_bytes, t->value, stress_value(m, keys[i], version, t->value));
        if (!stress_ok(t, code, absent ? "levin_batch_delete" : "levin_batch_put"))
            return false;
    }
    return true;
}

/* The unit's newest version has been acknowledged. */
static void acknowledge(stress_thread *t, uint32_t unit)
{
    stress_model *m = &t->shared->model;
    stress_raise(&m->floor[unit], stress_load(&m->ceiling[unit]));
}

static bool write_units(stress_thread *t, const uint32_t *units, unsigned count)
{
    levin_batch *batch = t->batches[0];
    levin_batch_clear(batch);
    for (unsigned i = 0; i < count; i++)
        if (!add_unit(t, batch, units[i]))
            return false;
    if (!stress_ok(t, levin_write(t->shared->store, batch, stress_any_durability(t)), "levin_write"))
        return false;
    for (unsigned i = 0; i < count; i++)
        acknowledge(t, units[i]);
    return true;
}

static bool do_put(stress_thread *t)
{
    stress_model *m = &t->shared->model;
    uint32_t unit = own_unit(t, m->groups, m->units), keys[STRESS_GROUP_KEYS], key;
    uint32_t version = stress_load(&m->ceiling[unit]) + 1;
    char text[STRESS_KEY_MAX];
    (void)stress_unit_keys(m, unit, keys);
    key = keys[0];
    size_t bytes = stress_key(m, key, text);
    stress_raise(&m->ceiling[unit], version);
    bool absent = stress_absent(m, unit, version);
    levin_code code;
    if (absent)
        code = levin_delete(t->shared->store, text, bytes, stress_any_durability(t));
    else
        code = levin_put(t->shared->store, text, bytes, t->value, stress_value(m, key, version, t->value),
                         stress_any_durability(t));
    if (!stress_ok(t, code, absent ? "levin_delete" : "levin_put"))
        return false;
    acknowledge(t, unit);
    return true;
}

static bool do_batch(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    uint32_t units[BATCH_UNITS];
    unsigned count = 1 + stress_below(t, BATCH_UNITS);
    for (unsigned i = 0; i < count; i++)
        units[i] = own_unit(t, 0, m->units);
    return write_units(t, units, count);
}

static bool do_group(stress_thread *t)
{
    uint32_t unit = own_unit(t, 0, t->shared->model.groups);
    return write_units(t, &unit, 1);
}

/* Several batches under way at once, waited for in order: the later one wins where they meet. */
static bool do_async(stress_thread *t)
{
    enum { BATCHES = sizeof t->batches / sizeof t->batches[0], UNITS = 3 };
    const stress_model *m = &t->shared->model;
    levin_ticket *tickets[BATCHES];
    uint32_t units[BATCHES * UNITS];
    unsigned count = 2 + stress_below(t, BATCHES - 1), submitted = 0;
    bool good = true;
    for (unsigned b = 0; b < count && good; b++) {
        levin_batch_clear(t->batches[b]);
        for (unsigned i = 0; i < UNITS && good; i++) {
            units[b * UNITS + i] = own_unit(t, 0, m->units);
            good = add_unit(t, t->batches[b], units[b * UNITS + i]);
        }
        if (good)
            good = stress_ok(t, levin_write_async(t->shared->store, t->batches[b], stress_any_durability(t),
                                                  &tickets[b]), "levin_write_async");
        submitted += good;
    }
    for (unsigned b = 0; b < submitted; b++) {
        levin_code code = stress_below(t, 4) ? LEVIN_PENDING : levin_ticket_poll(tickets[b]);
        good = (code == LEVIN_PENDING || stress_ok(t, code, "levin_ticket_poll")) && good;
        good = stress_ok(t, levin_ticket_wait(tickets[b]), "levin_ticket_wait") && good;
    }
    for (unsigned i = 0; i < submitted * UNITS && good; i++)
        acknowledge(t, units[i]);
    return good;
}

/* ---- reading one key ---- */

/* An answer of the newest state to a question asked when the floor was `low`. */
static bool check_answer(stress_thread *t, uint32_t key, const void *data, size_t bytes, uint32_t low, uint32_t high,
                         uint32_t *version)
{
    char why[TEXT_BYTES], text[STRESS_KEY_MAX];
    t->keys_checked++;
    if (stress_answer(&t->shared->model, key, data, bytes, low, high, version, why))
        return true;
    stress_key(&t->shared->model, key, text);
    return stress_fail(t, LEVIN_OK, "key \"%s\": %s", text, why);
}

static bool get_copy(stress_thread *t, const levin_snapshot *s, const char *text, size_t bytes, uint32_t key,
                     uint32_t low, const uint32_t *high, uint32_t *version)
{
    levin *store = t->shared->store;
    const stress_model *m = &t->shared->model;
    uint32_t unit = stress_unit(m, key);
    size_t size = 0;
    void *copy = NULL;
    levin_pinned pinned = { { NULL, 0 }, NULL, NULL, 0 };
    const void *data = NULL;
    const char *call = "levin_get";
    uint32_t way = stress_below(t, 4);
    levin_code code;
    if (way == 0) {
        call = "levin_get_alloc";
        code = levin_get_alloc(store, s, text, bytes, &copy, &size);
        data = copy;
    } else if (way == 1) {
        call = "levin_get_pinned";
        code = levin_get_pinned(store, s, text, bytes, &pinned);
        data = pinned.value.data;
        size = pinned.value.size;
    } else {
        code = levin_get(store, s, text, bytes, t->buffers, m->value_max, &size);
        data = t->buffers;
    }
    bool good = code == LEVIN_NOT_FOUND || stress_ok(t, code, call);
    if (good)
        good = check_answer(t, key, code == LEVIN_OK ? data : NULL, size, low,
                            high ? *high : stress_load(&m->ceiling[unit]), version);
    levin_free(store, copy);
    if (way == 1)
        levin_pinned_release(&pinned);
    return good;
}

static bool do_get(stress_thread *t)
{
    stress_model *m = &t->shared->model;
    uint32_t key = any_key(t), unit = stress_unit(m, key), version = 0;
    char text[STRESS_KEY_MAX];
    size_t bytes = stress_key(m, key, text);
    uint32_t low = stress_load(&m->floor[unit]);
    if (stress_below(t, 8) == 0) {
        levin_code code = levin_contains(t->shared->store, NULL, text, bytes);
        if (code == LEVIN_OK)
            return stress_may_be_there(m, key, low, stress_load(&m->ceiling[unit])) ||
                   stress_fail(t, LEVIN_OK, "key \"%s\" is there, and it is not", text);
        return code == LEVIN_NOT_FOUND
                   ? check_answer(t, key, NULL, 0, low, stress_load(&m->ceiling[unit]), &version)
                   : stress_ok(t, code, "levin_contains");
    }
    if (!get_copy(t, NULL, text, bytes, key, low, NULL, &version))
        return false;
    stress_raise(&m->floor[unit], version);
    return true;
}

/* ---- reading several keys at once ---- */

typedef struct key_texts {
    char text[MULTI_KEYS][STRESS_KEY_MAX];
    levin_get_request requests[MULTI_KEYS];
    uint32_t keys[MULTI_KEYS], low[MULTI_KEYS];
} key_texts;

/* Reads count keys at one state; bounds of `snapshot` or of now. versions: what was seen, 0 for not there. */
static bool get_many(stress_thread *t, key_texts *k, unsigned count, bool in_snapshot, uint32_t versions[MULTI_KEYS],
                     bool there[MULTI_KEYS])
{
    stress_model *m = &t->shared->model;
    for (unsigned i = 0; i < count; i++) {
        uint32_t unit = stress_unit(m, k->keys[i]);
        k->low[i] = in_snapshot ? t->snapshot_low[unit] : stress_load(&m->floor[unit]);
        k->requests[i] = (levin_get_request){ .key = k->text[i], .key_bytes = stress_key(m, k->keys[i], k->text[i]),
                                              .buffer = t->buffers + (size_t)i * m->value_max,
                                              .capacity = m->value_max };
    }
    if (!stress_ok(t, levin_multi_get(t->shared->store, in_snapshot ? t->snapshot : NULL, k->requests, count),
                 "levin_multi_get"))
        return false;
    for (unsigned i = 0; i < count; i++) {
        const levin_get_request *r = &k->requests[i];
        uint32_t unit = stress_unit(m, k->keys[i]);
        there[i] = r->code == LEVIN_OK;
        if (!there[i] && r->code != LEVIN_NOT_FOUND)
            return stress_fail(t, r->code, "levin_multi_get of \"%s\"", k->text[i]);
        if (!check_answer(t, k->keys[i], there[i] ? r->buffer : NULL, r->value_bytes, k->low[i],
                          in_snapshot ? t->snapshot_high[unit] : stress_load(&m->ceiling[unit]), &versions[i]))
            return false;
        if (!in_snapshot)
            stress_raise(&m->floor[unit], versions[i]);
    }
    return true;
}

static bool do_multi_get(stress_thread *t)
{
    key_texts k;
    uint32_t versions[MULTI_KEYS];
    bool there[MULTI_KEYS];
    for (unsigned i = 0; i < MULTI_KEYS; i++)
        k.keys[i] = any_key(t);
    return get_many(t, &k, MULTI_KEYS, false, versions, there);
}

static bool do_group_get(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    key_texts k;
    uint32_t versions[MULTI_KEYS], group = stress_below(t, m->groups);
    bool there[MULTI_KEYS];
    unsigned n = stress_unit_keys(m, group, k.keys);
    if (!get_many(t, &k, n, t->snapshot && stress_below(t, 2), versions, there))
        return false;
    for (unsigned i = 1; i < n; i++)
        if (there[i] != there[0] || (there[0] && versions[i] != versions[0]))
            return stress_fail(t, LEVIN_OK, "keys \"%s\" and \"%s\" are only ever written together, and at one state "
                               "they have versions %u and %u (0: not there)", k.text[0], k.text[i], versions[0],
                               versions[i]);
    return true;
}

/* ---- iterators ---- */

/* One state shows one version of a group, in all of its keys. */
static bool check_group(stress_thread *t, uint32_t key, bool there, uint32_t version)
{
    const stress_model *m = &t->shared->model;
    uint32_t unit = stress_unit(m, key), seen = there ? version + 1 : UINT32_MAX;
    if (unit >= m->groups)
        return true;
    if (t->groups[unit] && t->groups[unit] != seen)
        return stress_fail(t, LEVIN_OK, "group %u is only ever written together, and one state shows versions %d and "
                           "%d of it (-1: not there)", unit,
                           t->groups[unit] == UINT32_MAX ? -1 : (int)t->groups[unit] - 1, there ? (int)version : -1);
    t->groups[unit] = seen;
    return true;
}

static bool walk_key(stress_thread *t, levin_iter *it, uint32_t key, bool reverse, bool *on, const uint32_t *low,
                     const uint32_t *high, bool groups)
{
    const stress_model *m = &t->shared->model;
    char text[STRESS_KEY_MAX];
    size_t bytes = stress_key(m, key, text);
    uint32_t unit = stress_unit(m, key), version = 0;
    levin_slice found = *on ? levin_iter_key(it) : (levin_slice){ NULL, 0 };
    int c = 1; /* the iterator is past this key */
    if (*on) {
        c = memcmp(found.data, text, found.size < bytes ? found.size : bytes);
        c = c ? c : (found.size > bytes) - (found.size < bytes);
        c = reverse ? -c : c;
    }
    if (c < 0)
        return stress_fail(t, LEVIN_OK, "an iterator shows key \"%.*s\", out of order or never written, before \"%s\"",
                           (int)(found.size < 100 ? found.size : 100), (const char *)found.data, text);
    levin_slice value = { NULL, 0 };
    if (c == 0) {
        value = levin_iter_value(it);
        if (!value.data)
            return stress_ok(t, levin_iter_status(it), "levin_iter_value");
    }
    if (!check_answer(t, key, value.data, value.size, low[unit], high[unit], &version) ||
        (groups && !check_group(t, key, c == 0, version)))
        return false;
    if (c == 0)
        *on = reverse ? levin_iter_prev(it) : levin_iter_next(it);
    return true;
}

/*
 * Walks the iterator over the keys [from, to), either way, in step with the numbers of the keys: each that is there
 * must have a right value, each that is missing may be missing, and there is no other.  groups: see check_group().
 */
static bool walk(stress_thread *t, levin_iter *it, uint32_t from, uint32_t to, bool reverse, const uint32_t *low,
                 const uint32_t *high, bool groups)
{
    bool on = reverse ? levin_iter_last(it) : levin_iter_first(it), good = true;
    for (uint32_t i = from; i < to && good; i++)
        good = walk_key(t, it, reverse ? from + (to - 1 - i) : i, reverse, &on, low, high, groups);
    if (good && levin_iter_status(it) != LEVIN_OK)
        return stress_fail(t, levin_iter_status(it), "an iterator");
    if (good && on) {
        levin_slice key = levin_iter_key(it);
        return stress_fail(t, LEVIN_OK, "an iterator shows key \"%.*s\", out of its bounds or never written",
                           (int)(key.size < 100 ? key.size : 100), (const char *)key.data);
    }
    return good;
}

/* Keys [from, to) of the snapshot, or of now; one way or the other, or one way and then the other. */
static bool scan_range(stress_thread *t, uint32_t from, uint32_t to, bool in_snapshot, bool groups)
{
    stress_model *m = &t->shared->model;
    char lower[STRESS_KEY_MAX], upper[STRESS_KEY_MAX];
    levin_iter_options o = { .snapshot = in_snapshot ? t->snapshot : NULL };
    levin_iter *it;
    o.lower = (levin_slice){ lower, stress_key(m, from, lower) };
    if (to < m->keys)
        o.upper = (levin_slice){ upper, stress_key(m, to, upper) };
    const uint32_t *low = t->snapshot_low, *high = t->snapshot_high;
    if (!in_snapshot) {
        for (uint32_t key = from; key < to; key++)
            t->low[stress_unit(m, key)] = stress_load(&m->floor[stress_unit(m, key)]);
        low = t->low;
        high = t->high;
    }
    if (!stress_ok(t, levin_iter_open(t->shared->store, &o, &it), "levin_iter_open"))
        return false;
    for (uint32_t key = from; key < to && !in_snapshot; key++)
        t->high[stress_unit(m, key)] = stress_load(&m->ceiling[stress_unit(m, key)]);
    bool reverse = stress_below(t, 2);
    if (groups)
        memset(t->groups, 0, m->groups * sizeof *t->groups);
    bool good = walk(t, it, from, to, reverse, low, high, groups);
    if (good && stress_below(t, 4) == 0)
        good = walk(t, it, from, to, !reverse, low, high, groups);
    levin_iter_close(it);
    return good;
}

static bool do_scan(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    uint32_t count = 1 + stress_below(t, SCAN_KEYS), from = stress_below(t, m->keys);
    return scan_range(t, from, m->keys - from < count ? m->keys : from + count, false, false);
}

static bool do_group_scan(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    uint32_t member = stress_below(t, STRESS_GROUP_KEYS);
    return scan_range(t, member * m->groups, (member + 1) * m->groups, t->snapshot && stress_below(t, 2), false);
}

/* ---- snapshots ---- */

static bool do_snapshot(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    if (t->snapshot && --t->snapshot_turns)
        return true;
    if (t->snapshot) {
        const uint64_t age_ns = clock_ns() - t->snapshot_began_ns;
        t->snapshot_longest_ns = age_ns > t->snapshot_longest_ns ? age_ns : t->snapshot_longest_ns;
        levin_snapshot_release(t->snapshot);
        t->snapshot = NULL;
        stress_areas_release(t);
        return true;
    }
    t->snapshot_turns = stress_below(t, 8) ? 1 : 20;
    t->snapshot_began_ns = clock_ns();
    for (uint32_t u = 0; u < m->units; u++)
        t->snapshot_low[u] = stress_load(&m->floor[u]);
    if (!stress_ok(t, levin_snapshot_create(t->shared->store, &t->snapshot), "levin_snapshot_create"))
        return false;
    for (uint32_t u = 0; u < m->units; u++)
        t->snapshot_high[u] = stress_load(&m->ceiling[u]);
    return stress_areas_snapshot(t);
}

static bool do_snapshot_read(stress_thread *t)
{
    const stress_model *m = &t->shared->model;
    if (!t->snapshot)
        return do_snapshot(t);
    uint32_t way = stress_below(t, 512), version;
    if (way == 0)
        return scan_range(t, 0, m->keys, true, true);
    if (way < 64) {
        uint32_t from = stress_below(t, m->keys), count = 1 + stress_below(t, SNAPSHOT_SCAN_KEYS);
        return scan_range(t, from, m->keys - from < count ? m->keys : from + count, true, false);
    }
    uint32_t key = any_key(t), unit = stress_unit(m, key);
    char text[STRESS_KEY_MAX];
    size_t bytes = stress_key(m, key, text);
    return get_copy(t, t->snapshot, text, bytes, key, t->snapshot_low[unit], &t->snapshot_high[unit], &version);
}

/* ---- the others ---- */

static bool do_checkpoint(stress_thread *t)
{
    return stress_ok(t, levin_checkpoint(t->shared->store), "levin_checkpoint");
}

static bool do_sync(stress_thread *t)
{
    return stress_ok(t, levin_sync(t->shared->store), "levin_sync");
}

static bool own_snapshot_seen(void *context, const levin_reader *reader)
{
    uint64_t *seen = context;
    *seen += reader->kind == LEVIN_READER_SNAPSHOT;
    return true;
}

static bool do_look(stress_thread *t)
{
    levin_stats stats;
    uint64_t snapshots = 0;
    levin_stats_get(t->shared->store, &stats);
    if (!stress_ok(t, levin_readers_list(t->shared->store, own_snapshot_seen, &snapshots), "levin_readers_list"))
        return false;
    return !t->snapshot || snapshots > 0 || stress_fail(t, LEVIN_OK, "the list of readers lacks an open snapshot");
}

/* Of 100,000 operations so many are of a kind. */
static const struct {
    bool (*run)(stress_thread *t);
    uint32_t weight;
} operations[STRESS_OPERATION_COUNT] = {
    [STRESS_put] = { do_put, 18000 },
    [STRESS_batch] = { do_batch, 8000 },
    [STRESS_group] = { do_group, 4000 },
    [STRESS_async] = { do_async, 1500 },
    [STRESS_get] = { do_get, 34992 },
    [STRESS_multi_get] = { do_multi_get, 8000 },
    [STRESS_group_get] = { do_group_get, 5000 },
    [STRESS_scan] = { do_scan, 3000 },
    [STRESS_group_scan] = { do_group_scan, 20 },
    [STRESS_snapshot] = { do_snapshot, 200 },
    [STRESS_snapshot_read] = { do_snapshot_read, 6000 },
    [STRESS_checkpoint] = { do_checkpoint, 1 },
    [STRESS_sync] = { do_sync, 179 },
    [STRESS_look] = { do_look, 100 },
    [STRESS_area_batch] = { stress_do_area_batch, 2500 },
    [STRESS_range_delete] = { stress_do_range_delete, 500 },
    [STRESS_area_read] = { stress_do_area_read, 2000 },
    [STRESS_area_snapshot_read] = { stress_do_area_snapshot_read, 1000 },
    [STRESS_keyspace] = { stress_do_keyspace, 100 },
    [STRESS_transaction] = { stress_do_transaction, 2000 },
    [STRESS_accounts] = { stress_do_accounts, 400 },
    [STRESS_swap] = { stress_do_swap, 1500 },
    [STRESS_counters] = { stress_do_counters, 1000 },
    [STRESS_compact] = { stress_do_compact, 2 },
    [STRESS_collect] = { stress_do_collect, 4 },
    [STRESS_backup] = { stress_do_backup, 2 },
};

bool stress_step(stress_thread *t)
{
    static const stress_operation upkeep[] = { STRESS_checkpoint, STRESS_compact, STRESS_collect, STRESS_backup };
    uint32_t n = stress_below(t, 100000);
    int kind = 0;
    while (kind < STRESS_OPERATION_COUNT - 1 && n >= operations[kind].weight)
        n -= operations[kind++].weight;
    if (t->shared->options->upkeep && stress_below(t, 100000) < t->shared->options->upkeep)
        kind = (int)upkeep[stress_below(t, sizeof upkeep / sizeof upkeep[0])];
    t->now = (stress_operation)kind;
    uint64_t began = clock_ns();
    bool good = operations[kind].run(t);
    uint64_t took = clock_ns() - began;
    t->of[kind].count++;
    t->of[kind].sum_ns += took;
    if (took > t->of[kind].max_ns)
        t->of[kind].max_ns = took;
    atomic_fetch_add_explicit(&t->done, 1, memory_order_relaxed);
    return good;
}

bool stress_verify(stress_thread *t)
{
    stress_model *m = &t->shared->model;
    uint32_t version;
    t->now = STRESS_scan;
    for (uint32_t u = 0; u < m->units; u++)
        if (stress_load(&m->floor[u]) != stress_load(&m->ceiling[u]))
            return stress_fail(t, LEVIN_OK, "unit %u: a write was neither acknowledged nor refused", u);
    if (!scan_range(t, 0, m->keys, false, true) || !scan_range(t, 0, m->keys, false, true))
        return false;
    t->now = STRESS_get;
    for (uint32_t key = 0; key < m->keys; key++) {
        char text[STRESS_KEY_MAX];
        size_t bytes = stress_key(m, key, text);
        if (!get_copy(t, NULL, text, bytes, key, stress_load(&m->floor[stress_unit(m, key)]), NULL, &version))
            return false;
    }
    return true;
}
