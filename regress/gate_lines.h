/*
 * gate_lines.h - a file of the gate, line by line.
 */
#ifndef LEVIN_GATE_LINES_H
#define LEVIN_GATE_LINES_H

#include <stdbool.h>

/*
 * Hands each line, its end included, to take() until that says false.  False then, with `wrong` (what the line is) and
 * its number on stderr, or when there is no such file, which is told too.  One thread at a time.
 */
bool gate_lines_each(const char *path, bool (*take)(void *context, char *line), void *context, const char *wrong);

#endif
