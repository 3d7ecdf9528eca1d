/*
 * ddmin.h - minimising delta debugging (A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input,
 * IEEE TSE 28(2), 2002).
 */
#ifndef CHAOS_DDMIN_H
#define CHAOS_DDMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ddmin_options {
    void *context;
    /* Whether these alone still fail; in the order of the whole. A function of the items, but for interrupts. */
    bool (*fails)(void *context, const uint32_t *items, size_t count);
    bool (*stopped)(void *context); /* asked before each test: true ends with the best so far; may be NULL */
} ddmin_options;

/*
 * The items fail (this is not tested). Leaves a part of them that fails and, unless stopped, of which no single item
 * can be left out; returns how many. About 2 log2(count) tests where a single item is to blame, in the worst case
 * count^2 + 3 count.
 */
size_t ddmin(uint32_t *items, size_t count, const ddmin_options *options);

#endif
