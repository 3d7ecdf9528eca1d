/*
 * merge_command.h - levin-chaos merge: the JSON reports of the shards of a campaign as that of the whole.
 */
#ifndef CHAOS_MERGE_COMMAND_H
#define CHAOS_MERGE_COMMAND_H

/* argv[0] is "merge". Returns the exit status, which is that of the whole campaign. */
int merge_command(int argc, char **argv);

#endif
