/*
 * plan_command.h - `levin-chaos faults --plan FILE` and `levin-chaos points`.
 */
#ifndef CHAOS_PLAN_COMMAND_H
#define CHAOS_PLAN_COMMAND_H

#include "options.h"
#include "stanzas.h"

/* Each returns the exit status. */
int plan_command(const chaos_options *options, const stanzas *data);
int points_command(const chaos_options *options);

#endif
