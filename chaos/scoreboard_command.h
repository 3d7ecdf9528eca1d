/*
 * scoreboard_command.h - levin-chaos scoreboard: options, one trial again, and the files that it leaves.
 */
#ifndef CHAOS_SCOREBOARD_COMMAND_H
#define CHAOS_SCOREBOARD_COMMAND_H

/* argv[0] is the command's name. Returns the exit status. */
int scoreboard_command(int argc, char **argv);

#endif
