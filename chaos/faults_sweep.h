/*
 * faults_sweep.h - every call of the I/O table, and every allocation, made to fail: the first, the second, ...
 * until a whole run meets no fault; once, and for ever.
 */
#ifndef CHAOS_FAULTS_SWEEP_H
#define CHAOS_FAULTS_SWEEP_H

#include "report.h"

/* Fills r->faults and r->found. deadline: crew_clock(), 0: none. */
void faults_sweep(report *r, const stanzas *data, double deadline);

enum { FAULTS_OPERATIONS_DEFAULT = 160 }; /* also under a plan */

/* What the run of the plan with that number is verified by. */
uint64_t faults_run_seed(uint64_t seed, uint64_t number);

#endif
