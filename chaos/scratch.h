/*
 * scratch.h - a directory in memory that is gone when its owner is, however the owner ends.
 *
 * A watcher, a process of its own, reads a pipe whose other end the owner and all its children hold.  When the last of
 * them has ended (by a signal that nobody catches, by fatal(), by SIGKILL), the pipe ends too, and the watcher removes
 * the directory.  So nothing in it is removed below a process that still writes there.
 */
#ifndef CHAOS_SCRATCH_H
#define CHAOS_SCRATCH_H

#include <stdbool.h>

enum { SCRATCH_PATH_BYTES = 256 };

typedef struct scratch {
    char path[SCRATCH_PATH_BYTES]; /* "": none */
    int told;                      /* the owner's end of the pipe */
} scratch;

/*
 * Makes NAME-PID-XXXXXX below `parent`, or, when that is NULL, below /dev/shm or $TMPDIR.  False with errno.  Begins a
 * process, which is no child of the caller.
 */
bool scratch_open(scratch *s, const char *name, const char *parent);
/* Removes it. By its owner; harmless when there is none. */
void scratch_close(scratch *s);

#endif
