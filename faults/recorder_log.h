/*
 * recorder_log.h - what the preloaded recorder (preload/) leaves for the harness (recording.c): a file in memory that
 * all recorded processes share.
 *
 * The file is sparse and mapped whole.  It begins with a recorder_log; records follow, one after the other in the
 * order in which the calls took effect, each a recorder_record and its bytes, padded to 8.  Whoever makes a call that
 * changes files below the directory holds `lock` while it makes it and writes the record, so the order is that of the
 * kernel.  A process that dies with the lock has it taken away (its thread is not there any more).
 *
 * Files are named by inode, as the kernel does; the harness turns inodes into nodes of the trace.  All numbers are in
 * the order of bytes of the machine: both ends run on it.
 */
#ifndef LEVIN_FAULTS_RECORDER_LOG_H
#define LEVIN_FAULTS_RECORDER_LOG_H

#include <stdint.h>

#define RECORDER_ENVIRONMENT "LEVIN_RECORDER" /* path of the log; the library itself stands in LD_PRELOAD */
#define RECORDER_MAGIC UINT64_C(0x3152434e4956454c) /* "LEVINCR1" */

enum { RECORDER_PATH_MAX = 4096, RECORDER_TEXT_BYTES = 512, RECORDER_PLAN_BYTES = 131072 };
#define RECORDER_FAULT "fault: " /* how the note of a call that was hurt begins */

typedef enum recorder_op {
    RECORDER_WRITE = 1, /* inode, offset, bytes, data */
    RECORDER_TRUNCATE,  /* inode, bytes: the new size */
    RECORDER_PREALLOCATE, /* inode, bytes: the size is at least this */
    RECORDER_SYNC,      /* inode: of a file or directory */
    RECORDER_SYNC_RANGE, /* inode, offset, bytes */
    RECORDER_SYNC_ALL,
    RECORDER_SYNC_LOST, /* inode: a sync that failed */
    RECORDER_SYNC_KEPT, /* inode: a sync that was made to fail with its pages kept */
    RECORDER_FLUSH,     /* inode, offset, bytes: sync_file_range, which promises nothing */
    RECORDER_CREATE,    /* inode, directory, name ("" for a file without one) */
    RECORDER_MAKE_DIR,  /* the same */
    RECORDER_LINK,      /* the same, of an inode that is there */
    RECORDER_RENAME,    /* inode, directory, name, to_directory, to_name */
    RECORDER_UNLINK,    /* inode, directory, name; of a file or directory */
    RECORDER_MARK,      /* bytes, data: what was written where promises are seen */
    RECORDER_NOTE       /* name: what was not recorded, and why */
} recorder_op;

typedef struct recorder_record {
    uint32_t size;      /* of the record with all that follows, a multiple of 8 */
    uint16_t op;
    uint16_t call;      /* number of the system call; UINT16_MAX: a store into a shared map */
    uint32_t process, thread;
    uint64_t inode, directory, to_directory;
    uint64_t offset, bytes;
    uint16_t name, to_name, path; /* bytes of each, which follow in this order, without final zero */
    uint16_t fault;     /* 1 + effect that was put upon the call; 0: none */
    uint32_t data;      /* whether `bytes` bytes of data follow the names */
} recorder_record;

typedef struct recorder_log {
    uint64_t magic;
    uint64_t capacity;       /* of the file */
    _Atomic uint64_t head;   /* where the next record goes */
    _Atomic uint32_t lock;   /* thread that holds it; 0: free */
    _Atomic uint32_t stopped; /* nothing is recorded any more */
    _Atomic uint32_t processes; /* images of programs that have begun under the recorder */
    uint32_t root_bytes;     /* of root */
    uint64_t root_device, root_inode;
    uint64_t mark_device, mark_inode; /* of the pipe where promises are seen; 0, 0: none */
    char failed[RECORDER_TEXT_BYTES]; /* why nothing can be recorded any more; "" when all is well */
    char root[RECORDER_PATH_MAX];     /* real path of the directory; no final slash */
    char library[RECORDER_PATH_MAX];  /* path of the preloaded library, for children whose environment was cleaned */
    char path[RECORDER_PATH_MAX];     /* of the log */
    uint32_t planned;                 /* plan_state holds a plan */
    uint32_t plan_reads;              /* one that is asked at reads */
    _Alignas(4096) uint8_t plan_state[RECORDER_PLAN_BYTES]; /* a fault plan and how far it is (plan_begin_at()) */
    _Alignas(4096) uint8_t records[];
} recorder_log;

#endif
