/*
 * oracle_check.c - reads an open store in every way there is and compares it with a legal state.
 *
 * The forward scan finds the state: candidates are narrowed by digest, then compared byte by byte. Everything after
 * that (reverse scan, point reads, multi-get, ranges, prefixes, changes of direction) is compared with that one
 * state, on one snapshot: in the default keyspace, and in one of the named ones that are there.
 *
 * With faults_active a failed call ends the check without a verdict; answers given before it are still compared.
 */
#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fatal.h"
#include "oracle_model.h"
#include "random.h"

enum { PROBE_STEPS = 12, MULTI_KEYS = 18, STREAM_POINTS = 701, STREAM_RANGES = 702 };

static bool chance(random_stream *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

void oracle_names(oracle_verdict *verdict, const levin_error *error)
{
    memcpy(verdict->file, error->file, sizeof verdict->file);
    verdict->offset = error->offset;
}

void oracle_fault(oracle_verdict *verdict, const char *promise, const char *format, ...)
{
    if (verdict->promise)
        return; /* the first one wins */
    verdict->promise = promise;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, arguments);
    va_end(arguments);
}

const char *oracle_text(levin_slice bytes, char buffer[80])
{
    const unsigned char *from = bytes.data;
    size_t at = 0;
    for (size_t i = 0; i < bytes.size && at < 70; i++) {
        if (from[i] > ' ' && from[i] < 127)
            buffer[at++] = (char)from[i];
        else
            at += (size_t)snprintf(buffer + at, 5, "\\x%02x", from[i]);
    }
    snprintf(buffer + at, 80 - at, "%s", bytes.size > 40 && at >= 70 ? "..." : "");
    return buffer;
}

const char *oracle_place(const oracle *o, uint32_t space, levin_slice key, char buffer[ORACLE_PLACE_BYTES])
{
    char name[80], text[80];
    if (space == ORACLE_DEFAULT || space >= o->space_count)
        snprintf(buffer, ORACLE_PLACE_BYTES, "%s", oracle_text(key, text));
    else if (!key.size)
        snprintf(buffer, ORACLE_PLACE_BYTES, "(keyspace %s)", oracle_text(o->spaces[space], name));
    else
        snprintf(buffer, ORACLE_PLACE_BYTES, "%s (keyspace %s)", oracle_text(key, text),
                 oracle_text(o->spaces[space], name));
    return buffer;
}

bool oracle_call_failed(levin *store, levin_code code, const char *what, const oracle_check_options *options,
                        oracle_verdict *verdict)
{
    verdict->code = code;
    if (code == LEVIN_CORRUPT && options->corrupt) {
        levin_error error;
        levin_last_error(store, &error);
        options->corrupt(options->context, what, &error);
        return false;
    }
    if (!options->faults_active || code == LEVIN_OK || code == LEVIN_CORRUPT || code == LEVIN_INVALID) {
        levin_error error;
        levin_last_error(store, &error);
        if (code == error.code)
            oracle_names(verdict, &error);
        oracle_fault(verdict, code == LEVIN_CORRUPT ? "DETECT" : "EXACT", "%s: %s (%s)", what, levin_code_name(code),
                     code == error.code ? error.message : "no message");
    }
    return false;
}

/* ---- scan ------------------------------------------------------------------------------------------------- */

oracle_scan *oracle_scan_begin(oracle *o)
{
    oracle_scan *scan = o->scan;
    o->scan = NULL;
    if (!scan) {
        scan = fatal_alloc_zeroed(sizeof *scan);
    }
    scan->o = o;
    scan->used = scan->count = 0;
    scan->digest = 0;
    scan->disordered = SIZE_MAX;
    return scan;
}

static levin_slice scan_key(const oracle_scan *scan, size_t i)
{
    return (levin_slice){ scan->bytes + scan->entries[i].key_at, scan->entries[i].key_bytes };
}

static levin_slice scan_value(const oracle_scan *scan, size_t i)
{
    return (levin_slice){ scan->bytes + scan->entries[i].value_at, scan->entries[i].value_bytes };
}

void oracle_scan_pair(oracle_scan *scan, uint32_t space, levin_slice key, levin_slice value)
{
    scan->entries = oracle_grow(scan->entries, &scan->entry_capacity, scan->count + 1, sizeof *scan->entries);
    scan->bytes = oracle_grow(scan->bytes, &scan->capacity, scan->used + key.size + value.size + 1, 1);
    scan->entries[scan->count].space = space;
    scan->entries[scan->count].key_at = scan->used;
    scan->entries[scan->count].key_bytes = key.size;
    scan->entries[scan->count].value_at = scan->used + key.size;
    scan->entries[scan->count].value_bytes = value.size;
    if (key.size)
        memcpy(scan->bytes + scan->used, key.data, key.size);
    if (value.size)
        memcpy(scan->bytes + scan->used + key.size, value.data, value.size);
    scan->used += key.size + value.size;
    if (scan->count && scan->disordered == SIZE_MAX &&
        oracle_compare_in(scan->entries[scan->count - 1].space, scan_key(scan, scan->count - 1), space, key) >= 0)
        scan->disordered = scan->count;
    scan->count++;
    scan->digest += oracle_hash(space, key, value);
}

static bool scan_equals(const oracle_scan *scan, const oracle_pairs *pairs)
{
    if (scan->count != pairs->count)
        return false;
    for (size_t i = 0; i < scan->count; i++)
        if (scan->entries[i].space != pairs->items[i].space || !oracle_same(scan_key(scan, i), pairs->items[i].key) ||
            !oracle_same(scan_value(scan, i), pairs->items[i].value))
            return false;
    return true;
}

bool oracle_scan_end(oracle_scan *scan, const oracle_legal *legal, oracle_verdict *verdict)
{
    oracle *o = scan->o;
    *verdict = (oracle_verdict){ .state = ORACLE_NO_STATE };
    if (scan->disordered != SIZE_MAX) {
        const size_t at = scan->disordered;
        char a[ORACLE_PLACE_BYTES], b[ORACLE_PLACE_BYTES];
        oracle_fault(verdict, "EXACT", "the forward scan is out of order: pair %zu has key %s after %s", at,
                     oracle_place(o, scan->entries[at].space, scan_key(scan, at), a),
                     oracle_place(o, scan->entries[at - 1].space, scan_key(scan, at - 1), b));
    }
    if (!verdict->promise) {
        oracle_state_digest(o, legal->last);
        for (uint32_t s = legal->first; s <= legal->last && verdict->state == ORACLE_NO_STATE; s++)
            if (o->batches[s].digest == scan->digest && o->batches[s].pairs == scan->count &&
                oracle_is_legal(o, legal, s) && scan_equals(scan, oracle_pairs_at(o, s)))
                verdict->state = s;
        if (verdict->state == ORACLE_NO_STATE)
            oracle_diagnose(scan, legal, verdict);
    }
    if (o->scan) {
        free(o->scan->bytes);
        free(o->scan->entries);
        free(o->scan);
    }
    o->scan = scan;
    return verdict->promise == NULL;
}

/* Scans one keyspace forward when the state is known already: compares as it goes. */
static bool scan_known(const oracle_pairs *expected, levin *store, const levin_iter_options *options)
{
    size_t i = 0;
    levin_iter *iter;
    if (levin_iter_open(store, options, &iter) != LEVIN_OK)
        return false;
    bool same = true;
    for (bool on = levin_iter_first(iter); on && same; on = levin_iter_next(iter), i++)
        same = i < expected->count && oracle_same(levin_iter_key(iter), expected->items[i].key) &&
               oracle_same(levin_iter_value(iter), expected->items[i].value);
    same = same && i == expected->count && levin_iter_status(iter) == LEVIN_OK;
    levin_iter_close(iter);
    return same;
}

/* ---- probes ----------------------------------------------------------------------------------------------- */

static bool differs(oracle_verdict *verdict, const char *what, const oracle_pair *expected, levin_slice key,
                    levin_slice value)
{
    char a[80], b[80];
    if (expected)
        oracle_fault(verdict, "EXACT", "%s: expected key %s with %zu bytes, found %s with %zu bytes%s", what,
                     oracle_text(expected->key, a), expected->value.size, key.data ? oracle_text(key, b) : "nothing",
                     value.size, key.data && oracle_same(key, expected->key) ? " of another value" : "");
    else
        oracle_fault(verdict, "EXACT", "%s: expected the end, found key %s", what, oracle_text(key, b));
    return false;
}

bool oracle_stands_on(levin *store, levin_iter *iter, const oracle_pair *expected, const char *what,
                      const oracle_check_options *options, oracle_verdict *verdict)
{
    if (!levin_iter_valid(iter)) {
        levin_code code = levin_iter_status(iter);
        if (code != LEVIN_OK)
            return oracle_call_failed(store, code, what, options, verdict);
        return expected ? differs(verdict, what, expected, (levin_slice){ 0 }, (levin_slice){ 0 }) : true;
    }
    levin_slice key = levin_iter_key(iter), value = levin_iter_value(iter);
    if (!value.data && value.size == 0 && levin_iter_status(iter) != LEVIN_OK)
        return oracle_call_failed(store, levin_iter_status(iter), what, options, verdict);
    if (!expected || !oracle_same(key, expected->key) || !oracle_same(value, expected->value))
        return differs(verdict, what, expected, key, value);
    return true;
}

bool oracle_probe_reverse(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                          oracle_verdict *verdict)
{
    levin_iter_options iter_options = { .snapshot = options->snapshot, .keyspace = options->keyspace };
    levin_iter *iter = NULL;
    levin_code code = levin_iter_open(store, &iter_options, &iter);
    if (code != LEVIN_OK)
        return oracle_call_failed(store, code, "iterator for the reverse scan", options, verdict);
    bool good = true;
    levin_iter_last(iter);
    for (size_t i = expected->count; good && i > 0; i--) {
        good = oracle_stands_on(store, iter, &expected->items[i - 1], "reverse scan", options, verdict);
        if (good)
            levin_iter_prev(iter);
    }
    good = good && oracle_stands_on(store, iter, NULL, "reverse scan", options, verdict);
    levin_iter_close(iter);
    return good;
}

levin_slice oracle_random_key(const oracle_pairs *expected, random_stream *random,
                              unsigned char buffer[ORACLE_PROBE_BYTES])
{
    if (expected->count == 0 || chance(random, 5)) {
        size_t n = 1 + random_below(random, 8);
        random_fill(random, buffer, n);
        return (levin_slice){ buffer, n };
    }
    levin_slice key = expected->items[random_below(random, expected->count)].key;
    if (key.size >= ORACLE_PROBE_BYTES || chance(random, 50))
        return key;
    memcpy(buffer, key.data, key.size);
    size_t n = key.size;
    switch (random_below(random, 4)) {
    case 0:
        buffer[n++] = (unsigned char)random_next(random);
        break;
    case 1:
        n = n > 1 ? n - 1 : n;
        break;
    case 2:
        buffer[n - 1]++;
        break;
    default:
        buffer[random_below(random, n)] ^= (unsigned char)(1u << random_below(random, 8));
    }
    return (levin_slice){ buffer, n };
}

static const oracle_pair *pairs_find(const oracle_pairs *pairs, levin_slice key)
{
    size_t at = oracle_position(pairs, key, false);
    return at < pairs->count && oracle_same(pairs->items[at].key, key) ? &pairs->items[at] : NULL;
}

bool oracle_probe_key(const oracle_pairs *expected, levin *store, levin_slice key,
                      const oracle_check_options *options, oracle_verdict *verdict)
{
    const oracle_pair *pair = pairs_find(expected, key);
    void *value = NULL;
    size_t bytes = 0;
    levin_pinned pinned;
    levin_code code = levin_get_alloc_in(store, options->keyspace, options->snapshot, key.data, key.size, &value,
                                         &bytes);
    levin_code again = levin_get_pinned_in(store, options->keyspace, options->snapshot, key.data, key.size, &pinned);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = again == LEVIN_OK || again == LEVIN_NOT_FOUND ? code : again;
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        levin_free(store, value);
        levin_pinned_release(&pinned);
        return oracle_call_failed(store, code, "point read", options, verdict);
    }
    bool good = code == again && (code == LEVIN_OK) == (pair != NULL) &&
                (!pair || (oracle_same((levin_slice){ value, bytes }, pair->value) &&
                           oracle_same(pinned.value, pair->value)));
    levin_pinned_release(&pinned);
    char text[80];
    if (!good)
        oracle_fault(verdict, "EXACT", "point read of %s: expected %s (%zu bytes), found %s (%zu bytes)",
                     oracle_text(key, text), pair ? "a value" : "absence", pair ? pair->value.size : 0,
                     code == LEVIN_OK ? "a value" : "absence", bytes);
    levin_free(store, value);
    return good;
}

static bool probe_multi_get(const oracle_pairs *expected, levin *store, random_stream *random,
                            const oracle_check_options *options, oracle_verdict *verdict)
{
    unsigned char keys[MULTI_KEYS][ORACLE_PROBE_BYTES], buffers[MULTI_KEYS][64];
    levin_get_request requests[MULTI_KEYS];
    for (size_t i = 0; i < MULTI_KEYS; i++) {
        levin_slice key = oracle_random_key(expected, random, keys[i]);
        requests[i] = (levin_get_request){ .key = key.data, .key_bytes = key.size, .buffer = buffers[i],
                                           .capacity = sizeof buffers[i] };
    }
    levin_code code = levin_multi_get_in(store, options->keyspace, options->snapshot, requests, MULTI_KEYS);
    if (code != LEVIN_OK)
        return oracle_call_failed(store, code, "multi-get", options, verdict);
    for (size_t i = 0; i < MULTI_KEYS; i++) {
        levin_slice key = { requests[i].key, requests[i].key_bytes };
        const oracle_pair *pair = pairs_find(expected, key);
        bool fits = pair && pair->value.size <= sizeof buffers[i];
        levin_code right = !pair ? LEVIN_NOT_FOUND : fits ? LEVIN_OK : LEVIN_TOO_SMALL;
        if (requests[i].code != right || (pair && requests[i].value_bytes != pair->value.size) ||
            (fits && !oracle_same((levin_slice){ buffers[i], requests[i].value_bytes }, pair->value))) {
            char text[80];
            oracle_fault(verdict, "EXACT", "multi-get of %s: expected %s (%zu bytes), found %s (%zu bytes)",
                         oracle_text(key, text), levin_code_name(right), pair ? pair->value.size : 0,
                         levin_code_name(requests[i].code), requests[i].value_bytes);
            return false;
        }
    }
    return true;
}

bool oracle_probe_points(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                         oracle_verdict *verdict)
{
    random_stream random = random_open(options->seed, STREAM_POINTS);
    unsigned char buffer[ORACLE_PROBE_BYTES];
    for (unsigned i = 0; i < options->points; i++) {
        levin_slice key = oracle_random_key(expected, &random, buffer);
        if (!oracle_probe_key(expected, store, key, options, verdict))
            return false;
        levin_code code = i % 4 ? LEVIN_OK
                                : levin_contains_in(store, options->keyspace, options->snapshot, key.data, key.size);
        if (i % 4 == 0 && code != (pairs_find(expected, key) ? LEVIN_OK : LEVIN_NOT_FOUND)) {
            if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
                return oracle_call_failed(store, code, "contains", options, verdict);
            char text[80];
            oracle_fault(verdict, "EXACT", "contains of %s says %s", oracle_text(key, text), levin_code_name(code));
            return false;
        }
    }
    return options->points < 2 || probe_multi_get(expected, store, &random, options, verdict);
}

/* One iterator with random bounds, moved about at random. */
static bool probe_range(const oracle_pairs *expected, levin *store, random_stream *random,
                        const oracle_check_options *options, oracle_verdict *verdict)
{
    unsigned char lower[ORACLE_PROBE_BYTES], upper[ORACLE_PROBE_BYTES], prefix[ORACLE_PROBE_BYTES];
    levin_iter_options b = { .snapshot = options->snapshot, .keyspace = options->keyspace };
    if (chance(random, 60))
        b.lower = oracle_random_key(expected, random, lower);
    if (chance(random, 60))
        b.upper = oracle_random_key(expected, random, upper);
    b.lower_exclusive = chance(random, 50);
    b.upper_inclusive = chance(random, 50);
    if (chance(random, 30)) {
        b.prefix = oracle_random_key(expected, random, prefix);
        b.prefix.size = 1 + random_below(random, b.prefix.size);
    }
    size_t low, high;
    oracle_bounded(expected, &b, &low, &high);

    levin_iter *iter = NULL;
    levin_code code = levin_iter_open(store, &b, &iter);
    if (code != LEVIN_OK)
        return oracle_call_failed(store, code, "iterator with bounds", options, verdict);
    oracle_cursor c = { .low = low, .high = high };
    bool good = true;
    for (unsigned step = 0; good && step < PROBE_STEPS; step++)
        good = oracle_cursor_move(&c, expected, store, iter, random, options, verdict);
    levin_iter_close(iter);
    return good;
}

bool oracle_probe_ranges(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                         oracle_verdict *verdict)
{
    random_stream random = random_open(options->seed, STREAM_RANGES);
    for (unsigned i = 0; i < options->ranges; i++)
        if (!probe_range(expected, store, &random, options, verdict))
            return false;
    return true;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* Whether the store is as the state last spelled out. No verdict when it is not. */
static bool spelled_again(oracle *o, levin *store, const levin_snapshot *snapshot, const oracle_spaces *spaces)
{
    for (uint32_t space = 0; space < o->space_count; space++) {
        const levin_iter_options options = { .snapshot = snapshot, .keyspace = spaces->of[space] };
        const oracle_pairs expected = oracle_pairs_of(&o->spelled, space);
        const bool there = expected.items > o->spelled.items && expected.items[-1].space == space;
        if (space && there != spaces->there[space])
            return false;
        if ((space == ORACLE_DEFAULT || there) && !scan_known(&expected, store, &options))
            return false;
    }
    return true;
}

static levin_code scan_space(oracle_scan *scan, uint32_t space, levin *store, const levin_iter_options *options)
{
    levin_iter *iter;
    levin_code code = levin_iter_open(store, options, &iter);
    if (code != LEVIN_OK)
        return code;
    levin_iter_first(iter);
    for (; levin_iter_valid(iter); levin_iter_next(iter)) {
        levin_slice value = levin_iter_value(iter);
        if (!value.data && levin_iter_status(iter) != LEVIN_OK)
            break;
        oracle_scan_pair(scan, space, levin_iter_key(iter), value);
    }
    code = levin_iter_status(iter);
    levin_iter_close(iter);
    return code;
}

/* Finds the state by a forward scan. */
static bool check_forward(oracle *o, const oracle_legal *legal, levin *store, const oracle_check_options *options,
                          const oracle_spaces *spaces, oracle_verdict *verdict)
{
    /* The last state spelled out is the likeliest one: crash points follow each other. */
    if (o->spelled_state != ORACLE_NO_STATE && oracle_is_legal(o, legal, o->spelled_state) &&
        spelled_again(o, store, options->snapshot, spaces)) {
        verdict->state = o->spelled_state;
        return true;
    }
    oracle_scan *scan = oracle_scan_begin(o);
    levin_code code = LEVIN_OK;
    for (uint32_t space = 0; space < o->space_count && code == LEVIN_OK; space++) {
        const levin_iter_options in = { .snapshot = options->snapshot, .keyspace = spaces->of[space] };
        if (space && !spaces->there[space])
            continue;
        if (space)
            oracle_scan_pair(scan, space, (levin_slice){ "", 0 }, (levin_slice){ "", 0 });
        code = scan_space(scan, space, store, &in);
    }
    if (code != LEVIN_OK) {
        o->scan = scan;
        return oracle_call_failed(store, code, "forward scan", options, verdict);
    }
    return oracle_scan_end(scan, legal, verdict);
}

/* All probes of the default keyspace, and, by the seed, of one of the others or of none. */
static bool check_probes(const oracle_pairs *all, levin *store, const oracle_check_options *options,
                         const oracle_spaces *spaces, oracle_verdict *verdict)
{
    oracle_check_options with = *options;
    oracle_pairs expected = oracle_pairs_of(all, ORACLE_DEFAULT);
    with.spaces = NULL;
    bool good = oracle_probe_reverse(&expected, store, &with, verdict) &&
                oracle_probe_points(&expected, store, &with, verdict) &&
                oracle_probe_ranges(&expected, store, &with, verdict);
    uint32_t chosen = 0;
    for (uint32_t space = 1, count = 0; space < ORACLE_SPACES_MAX; space++)
        if (spaces->of[space] && options->seed / 2 % ++count == 0)
            chosen = space;
    if (!good || !chosen || options->seed % 2)
        return good;
    expected = oracle_pairs_of(all, chosen);
    with.keyspace = spaces->of[chosen];
    with.points = (options->points + 1) / 2;
    with.ranges = (options->ranges + 1) / 2;
    return oracle_probe_reverse(&expected, store, &with, verdict) &&
           oracle_probe_points(&expected, store, &with, verdict) &&
           oracle_probe_ranges(&expected, store, &with, verdict);
}

bool oracle_check(oracle *o, const oracle_legal *legal, levin *store, const oracle_check_options *options,
                  oracle_verdict *verdict)
{
    *verdict = (oracle_verdict){ .state = ORACLE_NO_STATE };
    oracle_check_options with = *options;
    oracle_spaces spaces;
    const char *what;
    levin_snapshot *snapshot = NULL;
    if (!with.snapshot) {
        levin_code code = levin_snapshot_create(store, &snapshot);
        if (code != LEVIN_OK)
            return oracle_call_failed(store, code, "snapshot", options, verdict) || !verdict->promise;
        with.snapshot = snapshot;
        with.spaces = NULL;
    }
    levin_code code = oracle_spaces_open(&spaces, o, store, &with, &what, verdict);
    bool good = verdict->promise == NULL &&
                (code == LEVIN_OK ? check_forward(o, legal, store, &with, &spaces, verdict)
                                  : oracle_call_failed(store, code, what, &with, verdict));
    if (good)
        check_probes(oracle_pairs_at(o, verdict->state), store, &with, &spaces, verdict);
    oracle_spaces_close(&spaces);
    if (snapshot)
        levin_snapshot_release(snapshot);
    return verdict->promise == NULL;
}

bool oracle_check_state(oracle *o, const oracle_legal *legal, uint32_t state, oracle_verdict *verdict)
{
    *verdict = (oracle_verdict){ .state = state };
    if (oracle_is_legal(o, legal, state))
        return true;
    /* Another state may hold the same pairs: a batch that changes nothing. */
    uint64_t digest = oracle_state_digest(o, state);
    size_t pairs = o->batches[state].pairs;
    oracle_state_digest(o, legal->last);
    for (uint32_t s = legal->first; s <= legal->last; s++)
        if (o->batches[s].digest == digest && o->batches[s].pairs == pairs && oracle_is_legal(o, legal, s)) {
            verdict->state = s;
            return true;
        }
    oracle_explain_state(o, legal, state, verdict);
    return false;
}
