/*
 * recorder.h - runs a program under the preloaded recorder (preload/) and gives the trace of what it and its children
 * did to the files below a directory.
 *
 * What is recorded: every system call that changes files, sizes, names or their durability, whoever makes it (stdio,
 * streams, syscall(), children, threads), in the order in which the kernel took them; stores into shared maps, found by
 * comparing before each call that could make them durable.  What the program writes to its standard output, or to
 * another descriptor that it is given for this, is in the trace too (TRACE_MARK): its user has seen it, so that it is a
 * promise.
 *
 * What cannot be: symbolic links and special files (noted, left out), programs without a dynamic linker (refused,
 * with a note), io_uring and Linux aio (the kernel is said not to have them, noted), permissions and times.  A note is
 * a TRACE_NOTE.  Linux on x86-64, glibc or musl.
 *
 * A program that was linked with AddressSanitizer wants its own library first: ASAN_OPTIONS=verify_asan_link_order=0
 * is set for it.
 */
#ifndef LEVIN_FAULTS_RECORDER_H
#define LEVIN_FAULTS_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"
#include "trace.h"

enum { RECORDING_PROBLEM_BYTES = 512, RECORDER_MARK_MOST = 255 };

typedef struct recorder_options {
    const char *directory;  /* what is recorded; it is there, and nobody else changes it meanwhile */
    const char *const *command; /* NULL at the end; looked for in PATH */
    const char *library;    /* NULL: $LEVIN_RECORDER_LIBRARY, or where it lies beside this program */
    const char *work_in;    /* current directory of the command; NULL: this one */
    int output;             /* descriptor to which its standard output is passed on; -1: nowhere */
    int errors;             /* descriptor that takes its standard error; 0: that of the caller */
    int mark;               /* descriptor of the command, opened for it, that takes the promises, up to
                             * RECORDER_MARK_MOST; 0: standard output */
    const plan_rules *plan; /* calls are hurt by it, see recorder_plan_refuses(); NULL: none */
    uint64_t plan_seed;
    double seconds;         /* it is killed after so long; 0: never */
    double quiet_seconds;   /* ... and when it has changed and promised nothing for so long, and sleeps; 0: never */
    bool (*stopped)(void);  /* asked all the time: true kills it; may be NULL */
} recorder_options;

typedef struct recording {
    trace *trace;           /* NULL: nothing was recorded; otherwise to be destroyed by the caller */
    int status;             /* of the command, as waitpid() gives it */
    bool timed_out;         /* or stopped, or quiet */
    bool quiet;             /* killed for quiet_seconds: it hangs, the recorder was not merely slow */
    uint64_t fired[PLAN_RULES_MAX], matched[PLAN_RULES_MAX]; /* by rule of the plan */
    uint64_t processes;     /* images of programs that were recorded */
    char problem[RECORDING_PROBLEM_BYTES]; /* why the trace is not whole; "": it is, and replayed it gives the files */
} recording;

/*
 * 0, or an errno value when the command could not be begun (problem says more).  Waits for the command, then up to 10
 * seconds for the processes that it has left behind; makes the caller their subreaper for that time.  One at a time in
 * a process; blocks.
 */
int recorder_run(const recorder_options *options, recording *result);

/*
 * A rule of a plan that the recorder cannot obey: its line, and why; 0: there is none.  Hurt are opening for writing,
 * read (libc's functions, not stdio), write, sync, truncate, preallocate, rename, unlink, make_dir and sync_dir.
 */
unsigned recorder_plan_refuses(const plan_rules *p, const char **why);

/* The path of the preloaded library, or "" when it is not there. */
void recorder_library(char *path, size_t capacity);

#endif
