/*
 * record_command.h - `levin-chaos record`: any program under the recorder, and its trace in a file.
 */
#ifndef CHAOS_RECORD_COMMAND_H
#define CHAOS_RECORD_COMMAND_H

/* argv[0] is "record". Returns the exit status: 0 recorded, 1 the command failed (the trace is there), 2, 3. */
int record_command(int argc, char **argv);

#endif
