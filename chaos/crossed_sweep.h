/*
 * crossed_sweep.h - faults crossed with crashes, chain by chain (fault_chain.h): `levin-chaos sweep --faults`.
 */
#ifndef CHAOS_CROSSED_SWEEP_H
#define CHAOS_CROSSED_SWEEP_H

#include "report.h"

enum { CROSSED_CHAINS_DEFAULT = 512 };

/* Fills r->crossed and r->found. deadline: crew_clock(), 0: none. */
void crossed_sweep(report *r, const stanzas *data, double deadline);

#endif
