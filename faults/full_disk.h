/*
 * full_disk.h - wraps any levin_io: a device with so many bytes and no more.
 *
 * What files take is their size, in sectors; growing one beyond the budget fails with ENOSPC: a write transfers what
 * still fits, as Linux does, a truncate and a preallocate change nothing.  Writing over bytes that are there always
 * fits.  The budget may be changed at any time, also below what is used: other programs fill and clear the device too.
 *
 * It sees every file from its beginning when it is made over an empty disk; otherwise full_disk_adopt().  A file that
 * is renamed over or unlinked gives its bytes back when nobody has it open any more.  Safe to use from several threads.
 */
#ifndef LEVIN_FAULTS_FULL_DISK_H
#define LEVIN_FAULTS_FULL_DISK_H

#include "../engine/io.h"

typedef struct full_disk full_disk;

/* inner must outlive it. */
full_disk *full_disk_create(const levin_io *inner, uint64_t budget_bytes);
const levin_io *full_disk_table(full_disk *d);
void full_disk_destroy(full_disk *d); /* harmless on NULL */

/* Counts the files of a directory that are there already, whatever the budget. */
void full_disk_adopt(full_disk *d, const char *directory);
void full_disk_set_budget(full_disk *d, uint64_t bytes);
uint64_t full_disk_budget(full_disk *d);
uint64_t full_disk_used(full_disk *d);
/* How many calls were refused, or cut, for want of room. */
uint64_t full_disk_refused(full_disk *d);

#endif
