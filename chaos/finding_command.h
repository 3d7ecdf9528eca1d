/*
 * finding_command.h - `levin-chaos replay FILE` and `levin-chaos shrink FILE`.
 */
#ifndef CHAOS_FINDING_COMMAND_H
#define CHAOS_FINDING_COMMAND_H

#include "options.h"

/* Each returns the exit status: EXIT_VIOLATION while the finding is there. */
int replay_file(const chaos_options *options);
int shrink_command(const chaos_options *options);

#endif
