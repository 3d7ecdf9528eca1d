/*
 * corrupt.h - single damages of every kind to every file of a store, all of them or a drawn share.
 */
#ifndef CHAOS_CORRUPT_H
#define CHAOS_CORRUPT_H

#include "report.h"

enum { CORRUPT_OPERATIONS_DEFAULT = 160 };

/* Fills r->corrupt and r->found. deadline: crew_clock(), 0: none. */
void corrupt(report *r, const stanzas *data, double deadline);

/* Does the damage of that name again and tells about it. False: there is no such damage. */
bool corrupt_again(uint64_t seed, uint32_t operations, const stanzas *data, const char *name, FILE *text, bool *good);

#endif
