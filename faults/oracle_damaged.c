/*
 * oracle_damaged.c - reads a store that may be damaged: each answer is that of the one right state, or LEVIN_CORRUPT.
 *
 * An iterator is left at its first LEVIN_CORRUPT, gets go on with the next key: what stands beside the damage must be
 * right as well.  The keys are read one by one, for a damaged page or value is found by its own keys alone.
 */
#include <string.h>

#include "oracle_model.h"

enum { MULTI_KEYS = 16, VALUE_ROOM = 256 };

static bool goes_on(const oracle_verdict *v)
{
    return v->promise == NULL;
}

/* From one end to the other, comparing as it goes. */
static void scan(const oracle_pairs *expected, levin *store, const oracle_check_options *options, bool forward,
                 oracle_verdict *verdict)
{
    const levin_iter_options in = { .snapshot = options->snapshot, .keyspace = options->keyspace };
    const char *what = forward ? "forward scan" : "reverse scan";
    levin_iter *iter = NULL;
    levin_code code = levin_iter_open(store, &in, &iter);
    if (code != LEVIN_OK) {
        oracle_call_failed(store, code, what, options, verdict);
        return;
    }
    bool good = true;
    if (forward)
        levin_iter_first(iter);
    else
        levin_iter_last(iter);
    for (size_t i = 0; good && i <= expected->count; i++) {
        const oracle_pair *pair = i == expected->count ? NULL
                                                       : &expected->items[forward ? i : expected->count - 1 - i];
        good = oracle_stands_on(store, iter, pair, what, options, verdict);
        if (good && pair && forward)
            levin_iter_next(iter);
        else if (good && pair)
            levin_iter_prev(iter);
    }
    levin_iter_close(iter);
}

/* Some keys at once. Each has its own answer. */
static void read_together(const oracle_pair *pairs, size_t count, levin *store, const oracle_check_options *options,
                          oracle_verdict *verdict)
{
    unsigned char buffers[MULTI_KEYS][VALUE_ROOM];
    levin_get_request requests[MULTI_KEYS];
    bool corrupt = false;
    for (size_t i = 0; i < count; i++)
        requests[i] = (levin_get_request){ .key = pairs[i].key.data, .key_bytes = pairs[i].key.size,
                                           .buffer = buffers[i], .capacity = VALUE_ROOM };
    levin_code code = levin_multi_get_in(store, options->keyspace, options->snapshot, requests, count);
    for (size_t i = 0; i < count && goes_on(verdict); i++) {
        const bool fits = pairs[i].value.size <= VALUE_ROOM;
        char text[80];
        if (requests[i].code == LEVIN_CORRUPT && options->corrupt)
            corrupt = true;
        else if (requests[i].code != (fits ? LEVIN_OK : LEVIN_TOO_SMALL) ||
                 requests[i].value_bytes != pairs[i].value.size ||
                 (fits && !oracle_same((levin_slice){ buffers[i], requests[i].value_bytes }, pairs[i].value)))
            oracle_fault(verdict, "EXACT", "multi-get of %s: expected %zu bytes, found %s (%zu bytes)",
                         oracle_text(pairs[i].key, text), pairs[i].value.size, levin_code_name(requests[i].code),
                         requests[i].value_bytes);
    }
    if (goes_on(verdict) && corrupt != (code == LEVIN_CORRUPT))
        oracle_fault(verdict, "EXACT", "multi-get gave %s, one of its keys %s", levin_code_name(code),
                     corrupt ? "LEVIN_CORRUPT" : "none");
    else if (corrupt)
        oracle_call_failed(store, code, "multi-get", options, verdict);
}

static void read_keys(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                      oracle_verdict *verdict)
{
    for (size_t i = 0; i < expected->count && goes_on(verdict); i++) {
        const levin_slice key = expected->items[i].key;
        oracle_probe_key(expected, store, key, options, verdict);
        levin_code code = levin_contains_in(store, options->keyspace, options->snapshot, key.data, key.size);
        if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
            oracle_call_failed(store, code, "contains", options, verdict);
        else if (code == LEVIN_NOT_FOUND && goes_on(verdict))
            oracle_fault(verdict, "EXACT", "contains of a key that is there says %s", levin_code_name(code));
    }
    for (size_t i = 0; i < expected->count && goes_on(verdict); i += MULTI_KEYS) {
        const size_t left = expected->count - i;
        read_together(&expected->items[i], left < MULTI_KEYS ? left : MULTI_KEYS, store, options, verdict);
    }
}

static void read_space(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                       oracle_verdict *verdict)
{
    scan(expected, store, options, true, verdict);
    if (goes_on(verdict))
        scan(expected, store, options, false, verdict);
    if (goes_on(verdict))
        read_keys(expected, store, options, verdict);
    if (goes_on(verdict))
        oracle_probe_points(expected, store, options, verdict);
    if (goes_on(verdict))
        oracle_probe_ranges(expected, store, options, verdict);
}

bool oracle_check_damaged(oracle *o, uint32_t state, levin *store, const oracle_check_options *options,
                          oracle_verdict *verdict)
{
    const oracle_pairs *all = oracle_pairs_at(o, state);
    oracle_check_options with = *options;
    oracle_spaces spaces;
    const char *what;
    *verdict = (oracle_verdict){ .state = state };
    levin_code code = oracle_spaces_open(&spaces, o, store, options, &what, verdict);
    if (code != LEVIN_OK && goes_on(verdict))
        oracle_call_failed(store, code, what, options, verdict);
    with.spaces = NULL;
    for (uint32_t space = 0; space < o->space_count && goes_on(verdict); space++) {
        const oracle_pairs expected = oracle_pairs_of(all, space);
        const bool there = expected.items > all->items && expected.items[-1].space == space;
        char text[80];
        if (space && code == LEVIN_OK && there != spaces.there[space])
            oracle_fault(verdict, "EXACT", "the keyspace %s is %s", oracle_text(o->spaces[space], text),
                         there ? "not listed" : "listed, and should not be there");
        with.keyspace = spaces.of[space];
        if (goes_on(verdict) && (!space || (there && with.keyspace)))
            read_space(&expected, store, &with, verdict);
    }
    oracle_spaces_close(&spaces);
    return goes_on(verdict);
}
