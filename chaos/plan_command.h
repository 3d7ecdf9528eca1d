/*
 * plan_command.h - `levin-chaos faults --plan FILE` and `levin-chaos points`.
 */
#ifndef CHAOS_PLAN_COMMAND_H
#define CHAOS_PLAN_COMMAND_H

#include "options.h"
#include "stanzas.h"

/* The seed of the plan's own draws in a scenario. */
uint64_t plan_run_seed(uint64_t seed, size_t scenario);

/* Each returns the exit status. */
int plan_command(const chaos_options *options, const stanzas *data);
int points_command(const chaos_options *options);

#endif
