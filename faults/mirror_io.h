/*
 * mirror_io.h - one levin_io over two simulated disks: what the files have become, and what the store meant them to be.
 *
 * Both begin with one image.  A call is made on both; but a write or a sync that is hurt differs, and goes through a
 * table of one side (fault_io_split()).  Reads, sizes, lists, locks, memory, clock and randomness are those of the hurt
 * side.  Where a side has no entry in its trace the other has one, it gets a TRACE_NOTE: a position is the same moment
 * in both.
 *
 * One thread at a time.
 */
#ifndef LEVIN_FAULTS_MIRROR_IO_H
#define LEVIN_FAULTS_MIRROR_IO_H

#include "simdisk.h"

typedef struct mirror_io mirror_io;

/* Traces and disks outlive it; each disk records into its trace, and the traces are equally long. */
mirror_io *mirror_io_create(simdisk *hurt, trace *hurt_trace, simdisk *meant, trace *meant_trace);
void mirror_io_destroy(mirror_io *m); /* harmless on NULL; files still open stay open in the disks */

const levin_io *mirror_io_both(mirror_io *m);
/* Only write_at, sync and sync_dir of these differ; they take the open files of mirror_io_both(). */
const levin_io *mirror_io_hurt(mirror_io *m);
const levin_io *mirror_io_meant(mirror_io *m);
/*
 * How both sides stood when a LOCK file was last opened, which is the first thing that an opening store does, and how
 * long their traces were.  False: none has been.  The images live until the next one is, or the mirror's end.
 */
bool mirror_io_at_open(const mirror_io *m, const disk_image **hurt, const disk_image **meant, uint64_t *length);
/* As simdisk_fail_sync(), of both; file is one of mirror_io_both(). */
void mirror_io_fail_sync(mirror_io *m, levin_file *file, simdisk_failed_sync what);
/* The sync fails on the hurt side, losing its pages, and is made on the other. */
void mirror_io_late_sync(mirror_io *m, levin_file *file);
/* As reverted_sync(), of both; start: what they began with. */
void mirror_io_reverted_sync(mirror_io *m, levin_file *file, const disk_image *start);

#endif
