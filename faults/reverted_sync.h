/*
 * reverted_sync.h - a failed sync as Btrfs does it: the writes since the last one are gone, for readers too.
 */
#ifndef LEVIN_FAULTS_REVERTED_SYNC_H
#define LEVIN_FAULTS_REVERTED_SYNC_H

#include "simdisk.h"

/* Records the failed sync of an open file of the disk, whose trace is t and which began with start, and reverts it. */
void reverted_sync(simdisk *disk, levin_file *file, const trace *t, const disk_image *start);

#endif
