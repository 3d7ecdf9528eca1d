/*
 * argument.h - numbers out of the command lines of this folder.
 */
#ifndef CHAOS_ARGUMENT_H
#define CHAOS_ARGUMENT_H

#include <stdbool.h>
#include <stdint.h>

/* The whole text as a decimal number from least to most; no sign. *value is undefined otherwise. */
bool argument_number(const char *text, uint64_t least, uint64_t most, uint64_t *value);
/* The whole text as seconds, more than none. *value is undefined otherwise. */
bool argument_seconds(const char *text, double *value);

#endif
