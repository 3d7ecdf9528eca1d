/*
 * soak_command.h - `levin-chaos soak`.
 */
#ifndef CHAOS_SOAK_COMMAND_H
#define CHAOS_SOAK_COMMAND_H

#include <jansson.h>

#include "options.h"
#include "soak.h"

/* Runs it and prints what was asked for; returns the exit status. */
int soak_command(const chaos_options *options);
/* The counts of a soak; the caller's. */
json_t *soak_json(const soak_result *r);

#endif
