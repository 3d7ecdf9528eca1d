/*
 * file.h - an open file with its name, and the only loops over short reads, short writes and EINTR.
 */
#ifndef LEVIN_FILE_H
#define LEVIN_FILE_H

#include "error.h"
#include "io.h"
#include "metered_io.h"

enum { FILE_PATH_MAX = 4096 };

typedef struct file {
    const levin_io *io;
    levin_file *handle; /* NULL when closed */
    levin_file_kind kind;
    metered_files *meter; /* of its kind, or NULL */
    char name[48];      /* inside the directory, for messages */
} file;

/* Joins directory and name. LEVIN_INVALID when it does not fit. */
levin_code file_path(char path[FILE_PATH_MAX], const char *directory, const char *name, levin_error *error);

/* LEVIN_NOT_FOUND (error filled) when absent and not created. */
levin_code file_open(file *f, const levin_io *io, const char *directory, const char *name, levin_file_kind kind,
                     unsigned flags, levin_error *error);
void file_close(file *f); /* harmless on a closed or zeroed file */
/* Reads up to `bytes`; *done < bytes only at the end of the file. */
levin_code file_read(file *f, void *buffer, size_t bytes, uint64_t offset, size_t *done, levin_error *error);
/* Writes all of it, or fails. Any count of parts. *calls (may be NULL) is raised by the write calls made. */
levin_code file_write(file *f, const levin_slice *parts, size_t count, uint64_t offset, uint64_t *calls,
                      levin_error *error);
levin_code file_sync(file *f, levin_error *error); /* EINTR is not retried: a sync is never done twice */
levin_code file_truncate(file *f, uint64_t bytes, levin_error *error);
/* Nobody writes past the end of the file meanwhile: zeros are written there. */
levin_code file_preallocate(file *f, uint64_t bytes, levin_error *error);
levin_code file_size(file *f, uint64_t *bytes, levin_error *error);

/* Names inside one directory. unlink of an absent name is LEVIN_OK. */
levin_code file_rename(const levin_io *io, const char *directory, const char *from, const char *to, levin_error *error);
levin_code file_unlink(const levin_io *io, const char *directory, const char *name, levin_error *error);
levin_code file_sync_dir(const levin_io *io, const char *directory, levin_error *error);
/* The directory that holds `path`, for the durability of its name. */
void file_parent(const char *path, char parent[FILE_PATH_MAX]);

/* Memory through the table, 16-byte aligned. NULL on failure. */
static inline void *io_alloc(const levin_io *io, size_t bytes)
{
    return io->alloc(io->context, bytes, 16);
}
static inline void *io_alloc_aligned(const levin_io *io, size_t bytes, size_t alignment)
{
    return io->alloc(io->context, bytes, alignment);
}
static inline void io_free(const levin_io *io, void *memory, size_t bytes)
{
    if (memory)
        io->free(io->context, memory, bytes);
}

#endif
