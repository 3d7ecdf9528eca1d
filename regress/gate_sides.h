/*
 * gate_sides.h - runs the two sides of a comparison, each a program that prints a gate_table, at the same time.
 */
#ifndef LEVIN_GATE_SIDES_H
#define LEVIN_GATE_SIDES_H

#include "gate_measure.h"
#include "gate_table.h"

typedef struct gate_side {
    const char *program; /* takes --run=instructions, --method, --repetitions, --workloads as levin-gate does */
    gate_table result;
} gate_side;

enum { GATE_BASE, GATE_NOW, GATE_SIDES };

typedef enum sides_result { SIDES_OK, SIDES_FAILED, SIDES_INTERRUPTED } sides_result;

/*
 * Fills the results. Both sides get the same arguments, names of the same length and an environment without the
 * caller's, with address randomisation off where that is allowed, because stack and heap would otherwise begin
 * elsewhere on each. Not for use beside other threads or children. On failure a message is on standard error.
 */
sides_result gate_sides_run(gate_side sides[GATE_SIDES], measure_method method, const char *workloads,
                            unsigned repetitions);

#endif
