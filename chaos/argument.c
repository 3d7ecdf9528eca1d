/*
 * argument.c - see argument.h.
 */
#include "argument.h"

#include <errno.h>
#include <stdlib.h>

bool argument_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-' && *value >= least && *value <= most;
}

bool argument_seconds(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && *end == 0 && *value > 0;
}
