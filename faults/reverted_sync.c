/*
 * reverted_sync.c - see reverted_sync.h.  What the device has is told by the persistence model (crash_model.c), from
 * the trace: so what a process reads then, and what a power cut leaves, cannot differ.
 */
#include "reverted_sync.h"

#include "crash_model.h"

void reverted_sync(simdisk *disk, levin_file *file, const trace *t, const disk_image *start)
{
    simdisk_fail_sync(disk, file, SIMDISK_SYNC_REVERTS);
    crash_model *m = crash_model_open(t, start, false);
    while (crash_model_point(m) < trace_length(t))
        crash_model_advance(m);
    simdisk_revert(disk, file, crash_model_cache(m));
    crash_model_close(m);
}
