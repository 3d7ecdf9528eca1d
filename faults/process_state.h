/*
 * process_state.h - whether another process could go on if it were let, as Linux tells in /proc.
 *
 * For watchers: a process that neither computes nor sleeps is not idle, it waits for its turn on a busy machine.
 */
#ifndef LEVIN_FAULTS_PROCESS_STATE_H
#define LEVIN_FAULTS_PROCESS_STATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a thread of it, or of a process below it, runs or stands ready to. False when it is gone. */
bool process_runnable(pid_t pid);

#endif
