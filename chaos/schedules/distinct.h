/*
 * distinct.h - about how many different numbers there were, in a few KiB: HyperLogLog (Flajolet, Fusy, Gandouet,
 * Meunier, 2007), with linear counting where that is better.  The standard error is 0.8 %.  Two sketches are merged
 * exactly.
 */
#ifndef CHAOS_SCHEDULES_DISTINCT_H
#define CHAOS_SCHEDULES_DISTINCT_H

#include <stdint.h>

enum { DISTINCT_BITS = 14, DISTINCT_REGISTERS = 1 << DISTINCT_BITS };

typedef struct distinct {
    uint8_t registers[DISTINCT_REGISTERS];
} distinct; /* zeroed is empty */

void distinct_add(distinct *d, uint64_t hash); /* all bits of which are random */
void distinct_merge(distinct *to, const distinct *from);
double distinct_estimate(const distinct *d);

#endif
