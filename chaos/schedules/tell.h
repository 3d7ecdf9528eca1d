/*
 * tell.h - a finding for people: what is wrong, the scenario, the history, where each thread stood.
 */
#ifndef CHAOS_SCHEDULES_TELL_H
#define CHAOS_SCHEDULES_TELL_H

#include <stdio.h>

#include "run.h"

/* Positions as functions and lines when addr2line is there, as addresses otherwise. */
void tell_result(const scenario *s, const run_result *result, FILE *file);

#endif
