/*
 * backup_sink.h - where the files of a backup go: a new directory, or a stream in the shape of a tar archive.
 *
 * Files are written one after the other, front to back, each of a size known before.  The last one is PAGE_FILE_NAME:
 * in a directory it bears the name BACKUP_UNFINISHED_NAME until sink_finish(), which is what makes the directory a
 * store.
 */
#ifndef LEVIN_BACKUP_SINK_H
#define LEVIN_BACKUP_SINK_H

#include "file.h"

/* A directory in which a file of this name stands holds a backup that was not finished. */
#define BACKUP_UNFINISHED_NAME "pages.unfinished"

enum { SINK_BUFFER_BYTES = 1 << 20, SINK_FILES_MAX = 8 };

typedef struct backup_sink {
    const levin_io *io;
    const char *directory;     /* NULL: a stream */
    levin_backup_write write;  /* of the stream */
    void *context;
    file out;                  /* of a directory */
    uint64_t at, size;         /* of the file being written */
    uint64_t written;          /* bytes of all files so far */
    bool made;                 /* the directory is ours: what stands in it can be removed */
} backup_sink;

/* An empty directory, made if absent, is marked as unfinished, durably. LEVIN_EXISTS when anything is in it. */
levin_code sink_open_directory(backup_sink *s, const levin_io *io, const char *directory, levin_error *error);
void sink_open_stream(backup_sink *s, const levin_io *io, levin_backup_write write, void *context);

levin_code sink_begin_file(backup_sink *s, const char *name, levin_file_kind kind, uint64_t bytes, levin_error *error);
levin_code sink_write(backup_sink *s, const void *data, size_t bytes, levin_error *error);
levin_code sink_zeros(backup_sink *s, uint64_t bytes, levin_error *error);
/* Exactly the bytes announced were written; of a directory: they are synced. */
levin_code sink_end_file(backup_sink *s, levin_error *error);
/* All files are there: now it is a store. */
levin_code sink_finish(backup_sink *s, levin_error *error);
/* Closes; without sink_finish() before, it removes what a directory got, as far as possible. */
void sink_close(backup_sink *s, bool finished);

#endif
