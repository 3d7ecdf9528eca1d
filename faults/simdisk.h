/*
 * simdisk.h - a disk in memory: a levin_io over a disk_image, at memory speed, fully deterministic.
 *
 * What a process sees is one disk_image, changed copy-on-write: starting from an image copies none of its blocks.
 * What would survive a crash is not decided here: every call that changes or syncs something is appended to a
 * trace, and crash.h makes the possible states after a crash out of the start image and the trace.  But for writes to a
 * LOCK file: its bytes mean nothing without the locks, which end with the machine.
 *
 * The clock is a counter, randomness is seeded, locks hold among the descriptors of one simdisk and die with it.
 * Memory comes from malloc and is counted.  Safe to use from several threads.
 */
#ifndef LEVIN_FAULTS_SIMDISK_H
#define LEVIN_FAULTS_SIMDISK_H

#include "disk_image.h"
#include "../engine/io.h"
#include "trace.h"

typedef struct simdisk simdisk;

/*
 * start NULL: an empty disk; it is referenced. record NULL: nothing is recorded; otherwise it must outlive the
 * simdisk.
 */
simdisk *simdisk_create(const disk_image *start, trace *record);
const levin_io *simdisk_io(simdisk *disk);
/* What a process sees now, shared copy-on-write with the disk; the caller unrefs it. */
disk_image *simdisk_image(simdisk *disk);
/* Another stream for levin_io.random (default: seed 0). */
void simdisk_seed(simdisk *disk, uint64_t seed);

/* What a sync that fails does to the file's unsynced writes; all of them stay visible to reads until the crash. */
typedef enum simdisk_failed_sync {
    SIMDISK_SYNC_LOSES_PAGES, /* Linux: the pages are marked clean and reach the device only if written again */
    SIMDISK_SYNC_KEEPS_PAGES, /* the pages stay dirty; a later sync writes them */
    SIMDISK_SYNC_REVERTS      /* Btrfs: they are lost, and reads show what the device has: simdisk_revert() */
} simdisk_failed_sync;
/*
 * Records a failed sync of an open file of this disk, with its consequences. The caller (fault_io.h) returns the
 * error.
 */
void simdisk_fail_sync(simdisk *disk, levin_file *file, simdisk_failed_sync what);
/* The bytes of the open file become those that it has in the image. Nothing is recorded. */
void simdisk_revert(simdisk *disk, levin_file *file, const disk_image *to);
/* The same, in the shape of fault_io_on_failed_sync(); context is the simdisk. */
void simdisk_sync_loses_pages(void *disk, levin_file *file);
void simdisk_sync_keeps_pages(void *disk, levin_file *file);

typedef struct simdisk_usage {
    uint64_t memory_bytes, memory_peak_bytes, allocations; /* held now; the most; pieces held now */
    uint64_t open_files;                                   /* descriptors open now */
    uint64_t calls, reads, read_bytes, writes, write_bytes, syncs;
} simdisk_usage;
void simdisk_count(simdisk *disk, simdisk_usage *usage);

/*
 * Ends the disk.  Returns true when nothing was left behind: no memory held, no descriptor open (they are closed).
 * *usage (may be NULL) is filled as simdisk_count() would.
 */
bool simdisk_destroy(simdisk *disk, simdisk_usage *usage);

#endif
