/*
 * recording.h - what the preloaded recorder left (recorder_log.h), made into a trace; and a trace held against files.
 *
 * Threads: none; the recorded processes are done, or have been told to stop.
 */
#ifndef LEVIN_FAULTS_RECORDING_H
#define LEVIN_FAULTS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "disk_image.h"
#include "recorder_log.h"
#include "trace.h"

/* How the call of a TRACE_WRITE begins that is a store into a shared map. */
#define RECORDING_MAP_STORE "store into a map"

typedef struct recording_nodes recording_nodes; /* inodes of the real files, as nodes of a trace */

/*
 * Appends a directory as it is, and a TRACE_START, to a trace; *nodes then knows its files.  Symbolic links and special
 * files are left out.  0, or an errno value (then *nodes is NULL).
 */
int recording_start(trace *t, const char *directory, recording_nodes **nodes);
void recording_nodes_free(recording_nodes *nodes); /* harmless on NULL */

/*
 * Appends all records of a log to a trace that recording_start() began.  False: problem says what does not fit; what
 * came before is in the trace.
 */
bool recording_take(trace *t, recording_nodes *nodes, const recorder_log *log, char *problem, size_t capacity);

/*
 * What processes that were killed had stored into shared maps after it was last looked at: appended as writes.  Only
 * files into whose maps stores were seen are looked at.
 */
void recording_take_maps(trace *t, const recording_nodes *nodes, const char *directory);

/* The files at the end of a trace, without a crash. The caller unrefs it. */
disk_image *recording_replay(const trace *t);

/*
 * Whether a trace replayed without a crash gives the very files of the directory, names and bytes.  False: difference
 * says where.
 */
bool recording_matches(const trace *t, const char *directory, char *difference, size_t capacity);

#endif
