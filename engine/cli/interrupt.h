/*
 * interrupt.h - Ctrl-C, SIGTERM and SIGHUP as a wish to stop at the next whole step.  A second one ends the process
 * at once.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_watch(void);
bool interrupt_wanted(void);

#endif
