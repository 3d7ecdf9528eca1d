/*
 * container.h - the files of a store as one short input, and back.
 *
 * Every byte sequence decodes to some set of files, so that any fuzzer may mutate inputs blindly.  Runs of zeros are
 * encoded as such: a store of small pages takes 1 to 10 KiB.
 *
 *   byte 0   enum input_form: 0 (even) files follow; 1 (odd) damage to a seed store (damage.h)
 *   byte 1   bits of enum input_script: what is done with the store
 *   files, one after the other:
 *     u8   name: 0 "pages", 1 "lock", 2 "pages.new", 3 "wal-copy", 4 a segment of the log, 5 one of the value log,
 *          6 "vlog.copy" (modulo 7)
 *     u32  number of the segment
 *     u32  bytes of the file, at most CONTAINER_FILE_MAX
 *     runs until so many bytes are covered:
 *       u8   0 zeros, 1 bytes, 2 the rest of the file is zeros (modulo 3)
 *       u16  length (not for 2)
 *       the bytes
 * All numbers little-endian.
 */
#ifndef LEVIN_FUZZ_CONTAINER_H
#define LEVIN_FUZZ_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../faults/disk_image.h"

enum input_form { INPUT_FILES = 0, INPUT_DAMAGE = 1 };

enum input_script {
    SCRIPT_SALVAGE = 1,    /* recovery cuts at damage */
    SCRIPT_READ_ONLY = 2,  /* opened for reading first */
    SCRIPT_CHECKPOINT = 4, /* a checkpoint follows the put */
    SCRIPT_WORK = 8,       /* ... in steps of levin_work() */
    SCRIPT_DUMP = 64,      /* the files are dumped first */
    SCRIPT_REPAIR = 128    /* a repaired store is made first */
};

enum { CONTAINER_HEADER_BYTES = 2, CONTAINER_FILES_MAX = 12, CONTAINER_NAME_BYTES = 24 };
#define CONTAINER_FILE_MAX ((size_t)256 << 10)
#define CONTAINER_TOTAL_MAX ((size_t)1 << 20)

/* A file in memory; owns data. */
typedef struct container_file {
    uint8_t kind; /* 0..6 as above */
    uint32_t number;
    uint8_t *data;
    size_t bytes, capacity;
} container_file;
typedef struct container {
    uint8_t form, script;
    unsigned count;
    container_file file[CONTAINER_FILES_MAX];
} container;

enum {
    FILE_PAGES = 0,
    FILE_LOCK = 1,
    FILE_PAGES_NEW = 2,
    FILE_WAL_COPY = 3,
    FILE_WAL = 4,
    FILE_VLOG = 5,
    FILE_VLOG_COPY = 6,
    FILE_KINDS = 7
};
/* Whether a file of that kind has a number in its name. */
static inline bool container_numbered(uint8_t kind)
{
    return kind == FILE_WAL || kind == FILE_VLOG;
}

/* Decodes the files of an input (any bytes). */
void container_decode(container *c, const uint8_t *data, size_t size);
/* Returns the bytes used; 0 when they do not fit. */
size_t container_encode(const container *c, uint8_t *data, size_t capacity);
void container_fini(container *c);
/* A changed size; new bytes are 0. */
void container_resize(container_file *f, size_t bytes);
void container_remove(container *c, unsigned index);
/* NULL when there is none. */
container_file *container_find(container *c, uint8_t kind, uint32_t number);

void container_name(uint8_t kind, uint32_t number, char name[CONTAINER_NAME_BYTES]);
/* False: not the name of a file of a store. */
bool container_name_parse(const char *name, uint8_t *kind, uint32_t *number);

/* Decodes straight into a disk with these files below FUZZ_STORE. The caller unrefs it. */
disk_image *container_image(const uint8_t *data, size_t size);
/* The files of a disk below FUZZ_STORE. */
void container_from_image(container *c, const disk_image *image);

#endif
