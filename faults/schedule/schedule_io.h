/*
 * schedule_io.h - an I/O table under the scheduler: every call to a file, name, lock or clock is a point, a sync is two
 * (others run while it lasts), and memory comes from the watched heap (memory.h).
 *
 *     engine -> points -> [fault_io.h] -> memory -> disk (simdisk.h)
 *
 * Two tables, so that faults may stand between: a call that is made to fail is a point, and an allocation that is made
 * to fail takes none.  A run that is left in its middle leaves files open: schedule_io_end() closes them.
 */
#ifndef LEVIN_FAULTS_SCHEDULE_IO_H
#define LEVIN_FAULTS_SCHEDULE_IO_H

#include "../../engine/io.h"

enum { SCHEDULE_FILES_MAX = 256 };

typedef struct schedule_io {
    levin_io points, memory;
    const levin_io *above, *below; /* what points calls; the disk */
    levin_file *open[SCHEDULE_FILES_MAX]; /* by points */
    unsigned open_count;
} schedule_io;

/* The memory over the disk: `s->memory` is what faults are put over. */
void schedule_io_init(schedule_io *s, const levin_io *disk);
/* The points over `inner`: s->memory or what stands over it. Returns the table for the engine. */
const levin_io *schedule_io_points(schedule_io *s, const levin_io *inner);
/* After a run: closes what is open. Returns how many files that were. */
unsigned schedule_io_end(schedule_io *s);

#endif
