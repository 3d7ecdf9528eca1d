/*
 * io.h - the seam between the engine and the world: files, memory, clock, randomness.
 *
 * The engine reaches the operating system through this table and nothing else, so that a simulated disk, a fault
 * injector or a user's own environment replaces it whole.  Public: give your table in levin_options.io.
 *
 * Results: 0, or a positive errno value.  read_at and write_at may transfer less than asked (*done says how much;
 * 0 bytes read means end of file) and may return EINTR; the engine's file.h loops, nobody else does.
 * All functions may be called from several threads at once, also on one file.
 */
#ifndef LEVIN_IO_H
#define LEVIN_IO_H

#include "levin.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * 2: lock_range and process_id, at the end.  Tables of version 1 are taken as they are; without byte-range locks a
 * store that is open for writing cannot be read by other processes.
 */
#define LEVIN_IO_VERSION 2u

/* What a file is for, so that fault plans and counters can tell them apart. X(name, text). */
#define LEVIN_FILE_KINDS(X)                                                                                     \
    X(LEVIN_FILE_PAGES, "pages")                                                                                \
    X(LEVIN_FILE_WAL, "wal")                                                                                    \
    X(LEVIN_FILE_VLOG, "vlog")                                                                                  \
    X(LEVIN_FILE_LOCK, "lock")                                                                                  \
    X(LEVIN_FILE_DIR, "dir")
typedef enum levin_file_kind {
#define LEVIN_FILE_KIND_ENUM(name, text) name,
    LEVIN_FILE_KINDS(LEVIN_FILE_KIND_ENUM)
#undef LEVIN_FILE_KIND_ENUM
    LEVIN_FILE_KIND_COUNT
} levin_file_kind;

enum levin_io_open_flags {
    LEVIN_IO_WRITE = 1,     /* read and write; without it read only */
    LEVIN_IO_CREATE = 2,    /* create if absent */
    LEVIN_IO_EXCLUSIVE = 4  /* with CREATE: EEXIST if present */
};

typedef enum levin_io_lock {
    LEVIN_IO_LOCK_NONE,      /* gives the range back */
    LEVIN_IO_LOCK_SHARED,
    LEVIN_IO_LOCK_EXCLUSIVE,
    LEVIN_IO_LOCK_WAIT,      /* exclusive, as soon as nobody excludes it; EINTR is possible */
    LEVIN_IO_LOCK_TEST       /* changes nothing: EAGAIN when an exclusive lock would be refused */
} levin_io_lock;

typedef struct levin_file levin_file; /* belongs to the implementation of the table */

/* Called once per directory entry ("." and ".." left out); a non-zero result stops the listing and is returned. */
typedef int (*levin_io_entry)(void *context, const char *name);

typedef struct levin_io {
    uint32_t version; /* LEVIN_IO_VERSION, or an older one: the fields that it did not have are not looked at */
    void *context;    /* first argument of every function */

    /*
     * Where files are descriptors: never 0, 1 or 2, whatever the process has closed.  What is printed goes there.
     * And a child of fork() may not change a file that its parent opened: ESTALE.
     */
    int (*open)(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file);
    /* Never fails in a way that leaks: the file is gone whatever it returns. */
    int (*close)(void *context, levin_file *file);
    int (*read_at)(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done);
    /* Gathers `count` parts (at most LEVIN_IO_PARTS_MAX) into one write at offset. */
    int (*write_at)(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                    size_t *done);
    /* On success all writes to the file that returned before this call, and its size, are on the device. */
    int (*sync)(void *context, levin_file *file);
    int (*truncate)(void *context, levin_file *file, uint64_t bytes);
    /* Makes [0, bytes) of the file occupy written blocks, reading as zeros where nothing was written before. */
    int (*preallocate)(void *context, levin_file *file, uint64_t bytes);
    int (*size)(void *context, levin_file *file, uint64_t *bytes);

    /* Names. Durable after sync_dir() of the directory that holds them. */
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_dir)(void *context, const char *path); /* EEXIST if present */
    int (*sync_dir)(void *context, const char *path);
    int (*list)(void *context, const char *path, levin_io_entry entry, void *entry_context);

    /* Advisory lock on an open LOCK or PAGES file, held until it is closed. EAGAIN when another holder excludes it. */
    int (*lock)(void *context, levin_file *file, bool exclusive);

    /* Memory, aligned to `alignment` (a power of two). alloc returns NULL on failure; free gets the same size. */
    void *(*alloc)(void *context, size_t bytes, size_t alignment);
    void (*free)(void *context, void *memory, size_t bytes);

    uint64_t (*now_ns)(void *context); /* monotonic */
    int (*random)(void *context, void *buffer, size_t bytes);

    /* Version 2.  Either may be NULL: there is no such thing. */

    /*
     * Advisory lock on a range of bytes of an open LOCK or PAGES file, written or not; it says nothing of reads and
     * writes.  It belongs to the open file, excludes other open files of this and of other processes, lock() counting
     * as the range of all bytes, and goes when the file is closed or its process ends, however it ends.  A range is
     * given back as it was taken.  EAGAIN.
     */
    int (*lock_range)(void *context, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how);
    uint64_t (*process_id)(void *context); /* for people: nothing is decided by it */
} levin_io;

#define LEVIN_IO_PARTS_MAX 64

/* The POSIX implementation, shared by all; immutable. */
LEVIN_API const levin_io *levin_io_posix(void);

#ifdef __cplusplus
}
#endif
#endif
