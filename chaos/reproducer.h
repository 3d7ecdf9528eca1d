/*
 * reproducer.h - a kept finding as a C test: its calls, and what power cuts leave of them, or the finding done again.
 */
#ifndef CHAOS_REPRODUCER_H
#define CHAOS_REPRODUCER_H

#include "finding_file.h"

/*
 * Call by call over faults/client.h: findings of sweep (to the crash of a recovery), of faults (in the scenario life;
 * plans that damage no bytes) and of corrupt; the finding is done once more for it, in a process of its own.  Others
 * (ranges, chains, faults in a recovery, ...) as a test that does the finding again, over chaos/finding_run.h, and says
 * why.  False: stderr says why there is none.
 */
bool reproducer_print(const saved_finding *f, const stanzas *data, FILE *to);

#endif
