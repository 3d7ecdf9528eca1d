/*
 * tell.h - what a run came to, for people and as JSON: the scenario, its calls, where every thread stood.
 */
#ifndef CHAOS_SCHEDULES_TELL_H
#define CHAOS_SCHEDULES_TELL_H

#include <stdio.h>

#include "../../faults/schedule/scenario_run.h"

/* "the same finding", if it was kept for one; whether something was found, if not. */
const char *tell_verdict(const scenario *s, const run_result *result);
void tell_result(const scenario *s, const run_result *result, FILE *file);
/* One object; name: where the scenario is from. */
void tell_result_json(const char *name, const scenario *s, const run_result *result, FILE *file);
/* A string of JSON, quoted. */
void tell_json_text(const char *text, FILE *file);

#endif
