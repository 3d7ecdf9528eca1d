/*
 * corrupt.h - single damages of every kind to every file of a store, all of them or a drawn share.
 */
#ifndef CHAOS_CORRUPT_H
#define CHAOS_CORRUPT_H

#include "report.h"

enum { CORRUPT_OPERATIONS_DEFAULT = 160 };

/* Fills r->corrupt and r->found. deadline: crew_clock(), 0: none. */
void corrupt(report *r, const stanzas *data, double deadline);

#endif
