/*
 * recorder.h - inside the preloaded recorder: who calls whom.
 *
 *   trap.c    a seccomp filter stops the calls that change files; its signal handler hands them to calls.c
 *   calls.c   makes each call in place of the program, and writes down what it did
 *   maps.c    shared writable maps: what was stored into them is found by comparing
 *   places.c  which descriptors and paths lie below the directory
 *   log.c     the lock over all recorded processes, and the records
 *   libc.c    the few functions of libc that are replaced: munmap, mprotect, read and their likes, signal sets
 *
 * Everything but libc.c runs inside a signal handler, in any thread, at any call of the program: it uses no libc
 * function that locks, allocates, or makes a system call; system calls are made by recorder_syscall(), which the
 * filter lets through.  Errors are negative errno values, as the kernel returns them; errno is not touched.
 */
#ifndef LEVIN_FAULTS_PRELOAD_RECORDER_H
#define LEVIN_FAULTS_PRELOAD_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../recorder_log.h"

/* ---- trap.c ---- */

/* The log of this process, or NULL: nothing is recorded. */
extern recorder_log *recorder;

/* The upper half of a system call's sixth argument (mmap: third) says that it comes from here. */
#define RECORDER_COOKIE UINT64_C(0x6c765243)

/* A system call that the filter lets through. Its sixth argument has 32 bits. */
long recorder_syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint32_t f);
/* One that the filter does not look at. */
long recorder_syscall_plain(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
long recorder_mmap(void *at, size_t bytes, int protection, int flags, int fd, uint64_t offset);

typedef struct recorder_call {
    long number;
    uint64_t argument[6];
    uint64_t *signal_mask; /* of the program, as it will be when the call returns; NULL: not from the handler */
} recorder_call;

/* ---- calls.c ---- */

/* Makes the call, or not, and returns what the program is to see. */
long recorder_handle(const recorder_call *call);

/* ---- places.c ---- */

typedef struct recorder_place { /* a name in a directory */
    bool below;             /* below the directory that is recorded */
    uint64_t directory;     /* inode */
    const char *name;       /* in path */
    char path[RECORDER_PATH_MAX + 256]; /* relative to the root */
} recorder_place;

long recorder_fstat(int fd, struct stat *out);
long recorder_stat_at(int directory, const char *path, struct stat *out, int flags);
/* Whether the descriptor is of a file or directory below the root, or of the root itself; path: relative to it. */
bool recorder_fd_below(int fd, char path[RECORDER_PATH_MAX + 256]);
/* Where a path leads, not following its last component. */
void recorder_place_at(int directory, const char *path, recorder_place *place);
/* The same for a relative path as recorder_fd_below() gives it. */
void recorder_place_of(const char *relative, recorder_place *place);
/* The path of a link such as /proc/self/fd/7. Bytes, or a negative errno value. */
long recorder_fd_path(int fd, char *path, size_t capacity);

/* ---- log.c ---- */

/* With it, changes of files below the root have an order. The caller is in the handler, or has blocked signals. */
void recorder_lock(void);
void recorder_unlock(void);
/* Under the lock. The record's size, process and thread are filled in. data: pieces of together record->bytes. */
void recorder_append(const recorder_record *record, const char *name, const char *to_name, const char *path,
                     const struct iovec *data, size_t pieces);
/* Under the lock: something happened that cannot be recorded. */
void recorder_note(uint16_t call, const char *text, const char *path);
/* Recording ends for good, and the harness is told why. */
void recorder_fail(const char *why);
size_t recorder_format_number(char text[24], uint64_t value);

/* ---- maps.c; all but the first two under the lock ---- */

/* Blocks all signals; returns the mask of before. */
uint64_t recorder_block_signals(void);
void recorder_restore_signals(uint64_t mask);
/* A map was made. */
void recorder_map_add(void *at, size_t bytes, bool writable, int fd, uint64_t offset, const struct stat *file,
                      const char *path);
/* Writes down what was stored into maps: those of one inode (0: all), of at most `most` bytes together. */
void recorder_maps_compare(uint64_t inode, size_t most);
/* Pages of [at, at + bytes) are about to go away, or to become writable. */
void recorder_map_remove(const void *at, size_t bytes);
void recorder_map_moved(const void *from, size_t from_bytes, void *to, size_t to_bytes);
void recorder_map_make_writable(const void *at, size_t bytes);
/* msync: the part of each map that lies in the range gets a record, of a sync or of one that failed. */
void recorder_map_synced(const void *at, size_t bytes, recorder_op op, uint16_t call);
/* The path of the first map that lies in the range; NULL: there is none. It is good until maps change. */
const char *recorder_map_path(const void *at, size_t bytes);
bool recorder_maps_any(void);

#endif
