/*
 * ddmin.c - minimising delta debugging (ddmin.h).
 *
 * The items are cut into n parts of even length.  A part that fails alone becomes the whole, n = 2; else a whole
 * without one part that fails becomes the whole, n - 1; else n doubles, until each part is one item.
 *
 * Parts are left out from the last to the first (what comes late in a history is more often of no account), and one
 * that could be is no reason to begin again with the last: all are tried once, then all that are left once more.  The
 * parts themselves are not tested a second time after that, for they are those that did not fail.
 */
#include "ddmin.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"

typedef struct search {
    const ddmin_options *options;
    uint32_t *items, *candidate;
    size_t count;
} search;

static bool stopped(const search *s)
{
    return s->options->stopped && s->options->stopped(s->options->context);
}

/* The candidate of so many items is tested, and taken when it fails. */
static bool take(search *s, size_t count)
{
    if (stopped(s) || !s->options->fails(s->options->context, s->candidate, count))
        return false;
    memcpy(s->items, s->candidate, count * sizeof *s->items);
    s->count = count;
    return true;
}

static bool take_part(search *s, size_t parts)
{
    for (size_t i = 0; i < parts; i++) {
        const size_t first = s->count * i / parts, end = s->count * (i + 1) / parts;
        memcpy(s->candidate, s->items + first, (end - first) * sizeof *s->items);
        if (take(s, end - first))
            return true;
    }
    return false;
}

/* Leaves out each part without which the others fail, from the last to the first. Returns how many. */
static size_t take_complements(search *s, size_t parts)
{
    const size_t count = s->count;
    size_t left_out = 0;
    for (size_t i = parts; i-- > 0;) {
        const size_t first = count * i / parts, end = count * (i + 1) / parts; /* nothing before it has moved */
        const size_t bytes_behind = (s->count - end) * sizeof *s->items;
        memcpy(s->candidate, s->items, first * sizeof *s->items);
        memcpy(s->candidate + first, s->items + end, bytes_behind);
        left_out += take(s, s->count - (end - first));
    }
    return left_out;
}

size_t ddmin(uint32_t *items, size_t count, const ddmin_options *options)
{
    search s = { .options = options, .items = items, .count = count,
                 .candidate = fatal_alloc((count + 1) * sizeof *items) };
    size_t parts = 2;
    bool finer = true; /* the parts alone were not tested yet */
    if (count && take(&s, 0))
        parts = 0;
    while (s.count >= 2 && !stopped(&s)) {
        size_t left_out = 0;
        if (finer && take_part(&s, parts)) {
            parts = 2;
            continue;
        }
        finer = false;
        if (parts > 2) /* of two parts each is the other's complement */
            left_out = take_complements(&s, parts);
        if (left_out) {
            parts = parts - left_out;
        } else if (parts < s.count) {
            parts *= 2;
            finer = true;
        } else {
            break;
        }
        parts = parts > s.count ? s.count : parts;
        parts = parts < 2 ? 2 : parts;
    }
    free(s.candidate);
    return s.count;
}
