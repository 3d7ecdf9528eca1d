/*
 * errnos.h - the errors that POSIX.1-2017 and the Linux manual pages allow for each call of the I/O table.
 *
 * Left out are errors that would say something untrue about names or arguments (ENOENT, EEXIST, EBADF, EINVAL, ...):
 * they are no faults of the world, and a store that believes them is right.
 */
#ifndef LEVIN_FAULTS_ERRNOS_H
#define LEVIN_FAULTS_ERRNOS_H

#include "fault_io.h"

/* The legal errors of an operation, ended by 0. */
const int *errnos_of(fault_operation operation);
bool errno_is_legal(fault_operation operation, int os_error);
/* "EIO", or NULL for an error that no operation has. */
const char *errno_name(int os_error);
/* The number of a name of `bytes` bytes, or 0. */
int errno_number(const char *name, size_t bytes);

#endif
