/*
 * watch.h - what can be seen of a store from outside, also while another process writes it: its newest valid meta page
 * and its files.  No lock is taken and nothing is opened as a store.  One thread.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli.h"

/*
 * Prints a line every `interval_seconds`, `count` of them (0: until an interrupt).  The first has what there is, the
 * others what has changed.  Returns the status of the command; an interrupt is a good end.
 */
int watch_run(const cli_command *command, const char *path, double interval_seconds, uint64_t count, bool json);

#endif
