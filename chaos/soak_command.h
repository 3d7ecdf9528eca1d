/*
 * soak_command.h - `levin-chaos soak`.
 */
#ifndef CHAOS_SOAK_COMMAND_H
#define CHAOS_SOAK_COMMAND_H

#include "options.h"

/* Runs it and prints what was asked for; returns the exit status. */
int soak_command(const chaos_options *options);

#endif
