/*
 * gate_flame.h - where the time of a run goes, on both sides of the gate: a differential flame graph (Gregg 2013).
 *
 * The profile is what gate_flame.sh makes of `perf record`: lines "frame;frame;frame BASE NOW", the outermost call
 * first, with the samples that each side had there.  Both sides ran as many slices, in turn, in the same processes.
 */
#ifndef LEVIN_GATE_FLAME_H
#define LEVIN_GATE_FLAME_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Writes two plots of SVG, the base's and this tree's, in one scale: a box is as wide as it has samples, red where this
 * tree has more, blue where it has less; and a table of the functions that changed most in themselves.  False with a
 * message on standard error when the file cannot be read, holds no sample or a line that is none.
 */
bool gate_flame(const char *profile, FILE *to);

#endif
