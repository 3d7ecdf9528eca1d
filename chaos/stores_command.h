/*
 * stores_command.h - levin-chaos stores: what can be struck here, and what is missing for the rest.
 */
#ifndef CHAOS_STORES_COMMAND_H
#define CHAOS_STORES_COMMAND_H

/* argv[0] is the command's name; further words are stores, as for --store. Returns the exit status. */
int stores_command(int argc, char **argv);

#endif
