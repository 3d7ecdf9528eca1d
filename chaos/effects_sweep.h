/*
 * effects_sweep.h - every effect and every error at every injection point (effects.h): `levin-chaos faults --effects`.
 */
#ifndef CHAOS_EFFECTS_SWEEP_H
#define CHAOS_EFFECTS_SWEEP_H

#include "report.h"

/* Fills r->effects and r->found. deadline: crew_clock(), 0: none. */
void effects_sweep(report *r, const stanzas *data, double deadline);
/* Rule and scenario of a finding of it, out of "--rule 'RULE' --scenario NAME". False: it is not of this form. */
bool effects_finding_split(const char *replay, char *plan, size_t plan_capacity, char *scenario,
                           size_t scenario_capacity);

#endif
