/*
 * explore_command.h - `levin-chaos explore`: the crash states of a recorded program, judged by a command.
 */
#ifndef CHAOS_EXPLORE_COMMAND_H
#define CHAOS_EXPLORE_COMMAND_H

/* argv[0] is "explore". Returns the exit status: 0 nothing found, 1 a state fails, 2, 3, 130. */
int explore_command(int argc, char **argv);

#endif
