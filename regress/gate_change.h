/*
 * gate_change.h - where a series changes: hierarchical divisive estimation by the energy statistic (E-divisive,
 * Matteson and James 2014), each split tried against permutations.
 *
 * Pure functions of their arguments; the same seed gives the same permutations.  Any thread.
 */
#ifndef LEVIN_GATE_CHANGE_H
#define LEVIN_GATE_CHANGE_H

#include <stddef.h>
#include <stdint.h>

enum { CHANGE_SEGMENT_MIN = 4, CHANGE_PERMUTATIONS = 199, CHANGE_POINTS_MAX = 64 };
#define CHANGE_LEVEL 0.01

/*
 * Fills points, in order, with the indices at which a new level begins; returns how many.  A segment has
 * CHANGE_SEGMENT_MIN values at least.  Quadratic in count, of which at most 4096 are taken; 0 when memory ran out.
 */
size_t gate_change_points(const double *series, size_t count, uint64_t seed, size_t points[CHANGE_POINTS_MAX]);

#endif
