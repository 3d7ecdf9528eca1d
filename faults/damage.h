/*
 * damage.h - damage to one file of a disk image, or to its name: what a device, a driver, a cable or a person does to
 * bytes that were written properly.
 *
 * No operation computes a checksum or writes bytes chosen by a caller but for one byte: what it leaves can only look
 * whole to the store where the store cannot tell, which is what DETECT is about.
 */
#ifndef LEVIN_FAULTS_DAMAGE_H
#define LEVIN_FAULTS_DAMAGE_H

#include "disk_image.h"

/* X(name, text) */
#define DAMAGE_LIST(X)                                                                                          \
    X(DAMAGE_FLIP, "flip")            /* a bit: parameter modulo 8 */                                           \
    X(DAMAGE_BYTE, "byte")            /* a byte becomes the parameter */                                        \
    X(DAMAGE_ZERO, "zero")            /* length bytes */                                                        \
    X(DAMAGE_ONES, "ones")                                                                                      \
    X(DAMAGE_GARBAGE, "garbage")      /* random bytes, seeded by parameter and offset */                        \
    X(DAMAGE_SECTOR, "sector")        /* a sector misdirected: that of number length lands here */              \
    X(DAMAGE_BLOCK, "block")          /* the same with 4096 bytes */                                            \
    X(DAMAGE_STALE, "stale")          /* length bytes as they were at an earlier moment */                      \
    X(DAMAGE_TORN, "torn")            /* every other sector of them */                                          \
    X(DAMAGE_CUT, "cut")              /* the file ends here */                                                  \
    X(DAMAGE_GROW, "grow")            /* length more bytes of zero */                                           \
    X(DAMAGE_LOST, "lost")            /* the file is gone */                                                    \
    X(DAMAGE_STALE_FILE, "stale file") /* the file is as it was */                                              \
    X(DAMAGE_SWAP, "swap")            /* two files change names */
typedef enum damage_operation {
#define DAMAGE_ENUM(name, text) name,
    DAMAGE_LIST(DAMAGE_ENUM)
#undef DAMAGE_ENUM
    DAMAGE_OPERATIONS
} damage_operation;

typedef struct damage {
    damage_operation operation;
    disk_node directory;
    const char *name;        /* of the file, in the directory */
    uint64_t offset;         /* below the file's size, where there is one */
    uint32_t length;
    uint8_t parameter;
    const disk_image *older; /* stale: an earlier moment, */
    disk_node older_node;    /* and the file in it; DISK_NONE: it was not there, a stale file is gone then */
    const char *other;       /* swap: name of the other file */
} damage;

/* Damages a private image. Of an empty file only its name and its size can be damaged. */
void damage_do(disk_image *image, const damage *d);

#endif
