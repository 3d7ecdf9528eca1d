/*
 * damage.h - damage to a seed store that leaves all checksums as they were, and what the store may still answer.
 *
 * An input of form INPUT_DAMAGE:
 *   byte 2   index of the seed store, modulo seed_count()
 *   up to DAMAGE_MAX times 8 bytes:
 *     u8   operation, modulo DAMAGE_OPERATIONS
 *     u8   file, modulo the number of files
 *     u24  offset, modulo the file's size
 *     u16  length
 *     u8   parameter
 *
 * No operation writes bytes of the input but for one byte each, and there are four at most: a fuzzer that solves
 * comparisons (CMPLOG, value profiles) cannot forge a checksum of 64 bits, which would make a legal store of another
 * content out of "damage".
 */
#ifndef LEVIN_FUZZ_DAMAGE_H
#define LEVIN_FUZZ_DAMAGE_H

#include "seeds.h"

/* X(name) */
#define DAMAGE_LIST(X)                                                                                          \
    X(DAMAGE_FLIP)      /* a bit: parameter modulo 8 */                                                         \
    X(DAMAGE_BYTE)      /* a byte becomes the parameter */                                                      \
    X(DAMAGE_ZERO)      /* length bytes */                                                                      \
    X(DAMAGE_ONES)                                                                                              \
    X(DAMAGE_GARBAGE)   /* random bytes, seeded by parameter and offset */                                      \
    X(DAMAGE_SECTOR)    /* a sector misdirected: that of number length lands here */                            \
    X(DAMAGE_BLOCK)     /* the same with 4096 bytes */                                                          \
    X(DAMAGE_STALE)     /* length bytes as they were at an earlier moment: parameter */                         \
    X(DAMAGE_TORN)      /* every other sector of them */                                                        \
    X(DAMAGE_CUT)       /* the file ends here */                                                                \
    X(DAMAGE_GROW)      /* length more bytes of zero */                                                         \
    X(DAMAGE_LOST)      /* the file is gone */                                                                  \
    X(DAMAGE_STALE_FILE) /* the file is as it was */                                                            \
    X(DAMAGE_SWAP)      /* two files change names: parameter modulo the files */
typedef enum damage_operation {
#define DAMAGE_ENUM(name) name,
    DAMAGE_LIST(DAMAGE_ENUM)
#undef DAMAGE_ENUM
    DAMAGE_OPERATIONS
} damage_operation;

enum { DAMAGE_AT = 3, DAMAGE_BYTES = 8, DAMAGE_MAX = 4 };

/* Which states of the seed store may be what a store opened on the damaged image holds. */
typedef struct damage_legal {
    const seed_store *seed;
    size_t first, last;   /* states[first .. last], and */
    size_t final;         /* states[final], the right answer, always */
} damage_legal;

/* The damaged image; the caller unrefs it. salvage: recovery may cut the log at the damage. */
disk_image *damage_apply(const uint8_t *data, size_t size, bool salvage, damage_legal *legal);

#endif
