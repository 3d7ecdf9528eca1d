/*
 * schedules_command.h - `levin-chaos schedules` and what is done with its findings: by the program
 * levin-chaos-schedules, which stands beside this one, for it has an engine of its own (faults/schedule/schedule.h).
 */
#ifndef CHAOS_SCHEDULES_COMMAND_H
#define CHAOS_SCHEDULES_COMMAND_H

#include "report.h"

/* Becomes that program, with these arguments, the first of which is its name; returns an exit status if it cannot. */
int schedules_command(char **argv);
/* Whether the file is one of its findings. */
bool schedules_finding(const char *file);
/* replay or shrink of such a file. */
int schedules_finding_command(const chaos_options *options);
/* A part of `chaos`: runs it for so long; what it came to, and has found, goes into the report. */
void schedules_part(report *r, double seconds);

#endif
