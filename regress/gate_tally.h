/*
 * gate_tally.h - the table of a proof of the time tier: how many decisions said what, with Wilson's intervals.
 *
 * Lines are those of regress/time_proof.sh: group,name,workloads,seed,verdict,change_percent,ms,load,slower.
 */
#ifndef LEVIN_GATE_TALLY_H
#define LEVIN_GATE_TALLY_H

#include <stdbool.h>
#include <stdio.h>

/* paths: comma-separated. False with a message: a file cannot be read or a line is none of these. */
bool gate_tally(const char *paths, FILE *to);

#endif
