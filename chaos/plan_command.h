/*
 * plan_command.h - `levin-chaos faults --plan FILE`, `--rule RULE`, and `levin-chaos points`.
 */
#ifndef CHAOS_PLAN_COMMAND_H
#define CHAOS_PLAN_COMMAND_H

#include "effects.h"
#include "options.h"
#include "stanzas.h"

/* The seed of the plan's own draws in a scenario. */
uint64_t plan_run_seed(uint64_t seed, size_t scenario);

/* A plan of one rule. False: it is none, as stderr says. */
bool plan_of_rule(const char *rule, char plan[EFFECT_PLAN_BYTES], plan_rules *p);

/* Reads a plan from a file; *text, or NULL, is the caller's to free. An exit status, as stderr says why, or -1. */
int plan_load(const char *path, plan_rules *p, char **text);

/* Each returns the exit status. */
int plan_command(const chaos_options *options, const stanzas *data);
int points_command(const chaos_options *options);

#endif
