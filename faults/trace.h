/*
 * trace.h - the recorded I/O of one run: every call that changes files or makes them durable, in order, with its
 * bytes.
 *
 * Entry n (from 1) is the nth such call that succeeded; a failed call left nothing behind and is not here, but a
 * failed sync is, as it may lose pages.  "Point t" is the instant after t entries: point 0 precedes all,
 * trace_length() is the end.  A runner that notes trace_length() at an event has its time stamp.
 *
 * Node numbers are those of the image that the run started from; a create or make_dir gives the number of the new
 * node.  A create without a name makes a file that a link names later.  The trace of a foreign program (recorder.h)
 * begins with its start image, as creates and writes up to a TRACE_START, so that one file says all.
 *
 * Threads: one writer at a time (simdisk.c appends under its own lock); readers when the writer is done.
 */
#ifndef LEVIN_FAULTS_TRACE_H
#define LEVIN_FAULTS_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "disk_image.h"
#include "../engine/io.h"

/* X(name, value, text): what an entry is. The values are in the file format. */
#define TRACE_OPS(X)                                                                                            \
    X(TRACE_WRITE, 1, "write")             /* node, offset, bytes, data */                                      \
    X(TRACE_TRUNCATE, 2, "truncate")       /* node, bytes: the new size */                                      \
    X(TRACE_PREALLOCATE, 3, "preallocate") /* node, bytes: the size is at least this afterwards */              \
    X(TRACE_SYNC, 4, "sync")               /* node */                                                           \
    X(TRACE_SYNC_LOST, 5, "failed sync, pages dropped") /* node: failed; dirty pages are clean now, never written; */ \
                                           /* bytes 1: and reads show what the device has */                    \
    X(TRACE_SYNC_KEPT, 6, "failed sync, pages kept")    /* node: failed; dirty pages are still dirty */         \
    X(TRACE_CREATE, 7, "create")           /* node, directory, name */                                          \
    X(TRACE_RENAME, 8, "rename")           /* node, directory, name, to_directory, to_name */                   \
    X(TRACE_UNLINK, 9, "unlink")           /* node, directory, name */                                          \
    X(TRACE_MAKE_DIR, 10, "make_dir")      /* node, directory, name */                                          \
    X(TRACE_SYNC_DIR, 11, "sync_dir")      /* node */                                                           \
    X(TRACE_LINK, 12, "link")              /* node, directory, name: one more name for it */                    \
    X(TRACE_SYNC_RANGE, 13, "sync of a range") /* node, offset, bytes: these, and the size that they need */    \
    X(TRACE_SYNC_ALL, 14, "sync of all")   /* sync(), syncfs() */                                               \
    X(TRACE_FLUSH, 15, "flush")            /* node, offset, bytes: sync_file_range(), which promises nothing */ \
    X(TRACE_START, 16, "start")            /* what stands before is durable: the image that the run began with */ \
    X(TRACE_MARK, 17, "mark")              /* bytes, data: the program has said this to its user */             \
    X(TRACE_NOTE, 18, "note")              /* call: what could not be recorded */
typedef enum trace_op {
#define TRACE_OP_ENUM(name, value, text) name = value,
    TRACE_OPS(TRACE_OP_ENUM)
#undef TRACE_OP_ENUM
} trace_op;

typedef struct trace_entry {
    trace_op op;
    levin_file_kind kind;   /* of the file; LEVIN_FILE_DIR for operations on names */
    disk_node node;         /* the file or directory concerned */
    disk_node directory;    /* the directory that holds name */
    disk_node to_directory;
    const char *name;       /* name in its directory; data operations: as the file was opened; sync_dir: its own */
    const char *to_name;    /* rename only */
    uint64_t offset;
    uint64_t bytes;
    const uint8_t *data;    /* write and mark only */
    uint32_t thread;        /* of a foreign program, from 1 in the order in which they are met; 0: not known */
    const char *call;       /* of a foreign program: "pwrite64", "rename a/x to b/y", ...; or NULL */
} trace_entry;

typedef struct trace trace;

trace *trace_create(void);
void trace_destroy(trace *t); /* harmless on NULL */

/* Copies the entry, its names and data. */
void trace_append(trace *t, const trace_entry *entry);

uint64_t trace_length(const trace *t);
/* Entry `index` in [0, length): entry index + 1 in the words above. Valid until the trace is destroyed. */
const trace_entry *trace_at(const trace *t, uint64_t index);

/* How many entries make up the start image: all up to the TRACE_START; 0: there is none. */
uint64_t trace_start(const trace *t);

const char *trace_op_text(trace_op op);
/* One line for people: "#12 write wal wal-0000000000000001 +512 [1024]". Returns its length as snprintf() does. */
int trace_describe(const trace *t, uint64_t index, char *text, size_t capacity);

/*
 * The file format is described at the top of trace.c. 0 or an errno value; load gives EINVAL for bytes that are
 * no trace.
 */
int trace_save(const trace *t, FILE *file);
int trace_load(FILE *file, trace **t);

#endif
