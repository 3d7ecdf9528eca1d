/*
 * ranges.h - every combination of bounds of an iterator over a small space of keys, while the store writes, flushes,
 * compacts, and reads fail.
 */
#ifndef CHAOS_RANGES_H
#define CHAOS_RANGES_H

#include "report.h"

/* Fills r->ranges and r->found. deadline: crew_clock(), 0: none. */
void ranges(report *r, double deadline);

/* What was found, as a finding. */
void ranges_tell(finding *f, uint64_t seed, const ranges_outcome *out);

#endif
