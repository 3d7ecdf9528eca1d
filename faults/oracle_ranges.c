/*
 * oracle_ranges.c - iterators with bounds: where they must stand after any sequence of moves.
 *
 * A cursor is the model of an iterator: an index into the pairs of its state, between the bounds.  After each move
 * the iterator must stand on the cursor's pair, key and value, or be invalid with LEVIN_OK as its status.  An error
 * ends a walk; what it means is for the options to say (oracle_call_failed()).
 */
#include <string.h>

#include "oracle_model.h"

size_t oracle_position(const oracle_pairs *pairs, levin_slice key, bool above)
{
    size_t low = 0, high = pairs->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = oracle_compare(pairs->items[middle].key, key);
        if (c < 0 || (c == 0 && above))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void oracle_bounded(const oracle_pairs *expected, const levin_iter_options *b, size_t *low, size_t *high)
{
    *low = 0;
    *high = expected->count;
    if (b->lower.data)
        *low = oracle_position(expected, b->lower, b->lower_exclusive);
    if (b->upper.data)
        *high = oracle_position(expected, b->upper, b->upper_inclusive);
    if (b->prefix.data) {
        size_t first = oracle_position(expected, b->prefix, false), end = first;
        while (end < expected->count && expected->items[end].key.size >= b->prefix.size &&
               (!b->prefix.size || memcmp(expected->items[end].key.data, b->prefix.data, b->prefix.size) == 0))
            end++;
        *low = *low > first ? *low : first;
        *high = *high < end ? *high : end;
    }
    if (*high < *low)
        *high = *low;
}

/* ---- moves ------------------------------------------------------------------------------------------------ */

typedef struct walker {
    oracle_cursor c;
    const oracle_pairs *expected;
    levin *store;
    levin_iter *iter;
    const oracle_check_options *options;
    oracle_verdict *verdict;
} walker;

static bool stands(walker *w, const char *what)
{
    w->c.moves++;
    return oracle_stands_on(w->store, w->iter, w->c.valid ? &w->expected->items[w->c.at] : NULL, what, w->options,
                            w->verdict);
}

static bool go_next(walker *w)
{
    w->c.valid = ++w->c.at < w->c.high;
    levin_iter_next(w->iter);
    return stands(w, "next in a range");
}

static bool go_prev(walker *w)
{
    w->c.valid = w->c.at > w->c.low;
    w->c.at -= w->c.valid;
    levin_iter_prev(w->iter);
    return stands(w, "prev in a range");
}

static bool go_first(walker *w)
{
    w->c.at = w->c.low;
    w->c.valid = w->c.low < w->c.high;
    levin_iter_first(w->iter);
    return stands(w, "first of a range");
}

static bool go_last(walker *w)
{
    w->c.valid = w->c.low < w->c.high;
    w->c.at = w->c.valid ? w->c.high - 1 : 0;
    levin_iter_last(w->iter);
    return stands(w, "last of a range");
}

static bool go_seek(walker *w, levin_slice key)
{
    const size_t position = oracle_position(w->expected, key, false);
    w->c.at = position > w->c.low ? position : w->c.low;
    w->c.valid = w->c.at < w->c.high;
    levin_iter_seek(w->iter, key.data, key.size);
    return stands(w, "seek in a range");
}

static bool go_seek_for_prev(walker *w, levin_slice key)
{
    size_t position = oracle_position(w->expected, key, true);
    position = position < w->c.high ? position : w->c.high;
    w->c.valid = position > w->c.low;
    w->c.at = w->c.valid ? position - 1 : 0;
    levin_iter_seek_for_prev(w->iter, key.data, key.size);
    return stands(w, "seek_for_prev in a range");
}

bool oracle_cursor_move(oracle_cursor *c, const oracle_pairs *expected, levin *store, levin_iter *iter,
                        random_stream *random, const oracle_check_options *options, oracle_verdict *verdict)
{
    unsigned char buffer[ORACLE_PROBE_BYTES];
    walker w = { *c, expected, store, iter, options, verdict };
    const uint64_t move = c->valid ? random_below(random, 10) : 10 + random_below(random, 4);
    bool good;
    if (move < 6)
        good = go_next(&w);
    else if (move < 10)
        good = go_prev(&w);
    else if (move == 10)
        good = go_first(&w);
    else if (move == 11)
        good = go_last(&w);
    else if (move == 12)
        good = go_seek(&w, oracle_random_key(expected, random, buffer));
    else
        good = go_seek_for_prev(&w, oracle_random_key(expected, random, buffer));
    *c = w.c;
    return good;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* From one end to the other; with turns, at every position one step back and forth again. */
static bool cross(walker *w, bool forward, bool turns)
{
    bool good = forward ? go_first(w) : go_last(w);
    while (good && w->c.valid) {
        const size_t at = w->c.at;
        good = forward ? go_next(w) : go_prev(w);
        if (!good || !turns || !w->c.valid)
            continue;
        good = forward ? go_prev(w) : go_next(w);
        if (good && w->c.at != at)
            return false; /* the model itself lost its place */
        good = good && (forward ? go_next(w) : go_prev(w));
    }
    return good;
}

/* To the key, then to either side; the step to a side may leave the range. */
static bool seek_about(walker *w, levin_slice key, bool for_prev, bool forward)
{
    bool good = for_prev ? go_seek_for_prev(w, key) : go_seek(w, key);
    if (good && w->c.valid)
        good = forward ? go_next(w) : go_prev(w);
    if (good && w->c.valid)
        good = forward ? go_prev(w) : go_next(w);
    return good;
}

bool oracle_walk(const oracle_pairs *expected, levin *store, levin_iter *iter, const levin_iter_options *bounds,
                 const levin_slice *keys, size_t key_count, const oracle_check_options *options, uint64_t *moves,
                 oracle_verdict *verdict)
{
    walker w = { { 0 }, expected, store, iter, options, verdict };
    oracle_bounded(expected, bounds, &w.c.low, &w.c.high);
    bool good = !levin_iter_valid(iter);
    if (!good)
        oracle_fault(verdict, "EXACT", "an iterator is valid before it was moved");
    for (int way = 0; way < 4 && good; way++)
        good = cross(&w, way % 2 == 0, way >= 2);
    for (size_t i = 0; i < key_count && good; i++)
        for (int way = 0; way < 4 && good; way++)
            good = seek_about(&w, keys[i], way % 2, way / 2);
    if (moves)
        *moves += w.c.moves;
    return good && verdict->promise == NULL;
}
