/*
 * reproducer.h - a kept finding as a C test over faults/client.h: its calls, and what power cuts leave of them.
 */
#ifndef CHAOS_REPRODUCER_H
#define CHAOS_REPRODUCER_H

#include "finding_file.h"

/*
 * Findings of sweep (to the crash of a recovery), of faults (in the scenario life; plans that damage no bytes) and of
 * corrupt.  Does the finding once more for it, in a process of its own.  False: stderr says why there is none.
 */
bool reproducer_print(const saved_finding *f, const stanzas *data, FILE *to);

#endif
