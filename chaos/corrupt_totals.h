/*
 * corrupt_totals.h - kinds of damage, classes of files, and what has become of the damages: the matrix that is
 * reported.
 */
#ifndef CHAOS_CORRUPT_TOTALS_H
#define CHAOS_CORRUPT_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, text): units are pages of 4096 bytes in the page file, sectors of 512 bytes elsewhere. */
#define CORRUPT_KINDS(X)                                                                                        \
    X(CORRUPT_FLIP, "flip")               /* every bit */                                                       \
    X(CORRUPT_ZERO, "zero")               /* every sector */                                                    \
    X(CORRUPT_GARBAGE, "garbage")         /* every sector, random bytes */                                      \
    X(CORRUPT_CUT, "cut")                 /* truncated at every byte */                                         \
    X(CORRUPT_MISDIRECTED, "misdirected") /* a unit overwritten by another one of the file: all pairs */        \
    X(CORRUPT_STALE, "stale")             /* every unit as it was: all earlier contents, also by 4096 bytes */  \
    X(CORRUPT_ROLLED_BACK, "rolled-back") /* the whole file as it was */                                        \
    X(CORRUPT_LOST, "lost")               /* the file is gone */                                                \
    X(CORRUPT_SWAPPED, "swapped")         /* two files change names: all pairs */
typedef enum corrupt_kind {
#define CORRUPT_ENUM(name, text) name,
    CORRUPT_KINDS(CORRUPT_ENUM)
    CORRUPT_KIND_COUNT
} corrupt_kind;

#define CORRUPT_CLASSES(X)                                                                                      \
    X(CORRUPT_PAGES, "pages")                                                                                   \
    X(CORRUPT_LOG, "log")                                                                                       \
    X(CORRUPT_VALUES, "value log")                                                                              \
    X(CORRUPT_SPARE, "spare")             /* of the log: nothing in it matters */                               \
    X(CORRUPT_LOCK, "lock")
typedef enum corrupt_class {
    CORRUPT_CLASSES(CORRUPT_ENUM)
    CORRUPT_CLASS_COUNT
} corrupt_class;

/* X(name, text, meaning): the first that applies. */
#define CORRUPT_FATES(X)                                                                                        \
    X(CORRUPT_AT_OPEN, "open", "levin_open() says LEVIN_CORRUPT")                                               \
    X(CORRUPT_AT_READ, "read", "a read does, all other answers are right")                                      \
    X(CORRUPT_AT_CHECK, "check", "levin_check() alone does")                                                    \
    X(CORRUPT_TAIL_CUT, "tail", "the end of the log taken for torn, as nothing proves it")                      \
    X(CORRUPT_HARMLESS, "harmless", "all is right: the bytes don't matter, or were mended")                     \
    X(CORRUPT_SAME, "same", "not a byte differs: not opened")                                                   \
    X(CORRUPT_WRONG, "wrong", "a violation")
typedef enum corrupt_fate {
#define CORRUPT_FATE_ENUM(name, text, meaning) name,
    CORRUPT_FATES(CORRUPT_FATE_ENUM)
    CORRUPT_FATE_COUNT
} corrupt_fate;
#undef CORRUPT_ENUM
#undef CORRUPT_FATE_ENUM

const char *corrupt_kind_text(corrupt_kind kind);
const char *corrupt_class_text(corrupt_class class);
const char *corrupt_fate_text(corrupt_fate fate);

typedef struct corrupt_totals {
    uint64_t fates[CORRUPT_KIND_COUNT][CORRUPT_CLASS_COUNT][CORRUPT_FATE_COUNT];
    uint64_t due[CORRUPT_KIND_COUNT][CORRUPT_CLASS_COUNT]; /* of the seeds begun */
    uint64_t all;       /* that there are, of the seeds begun */
    uint64_t named;     /* LEVIN_CORRUPT that named the very file */
    uint64_t told;      /* LEVIN_CORRUPT at all: one a damage */
    uint64_t gone_on;   /* stores written to after the damage, and opened again */
} corrupt_totals;
void corrupt_totals_add(corrupt_totals *to, const corrupt_totals *from);
/* Damages done, and in which the store was opened. */
uint64_t corrupt_totals_fate(const corrupt_totals *t, corrupt_fate fate);
uint64_t corrupt_totals_done(const corrupt_totals *t);

typedef struct corrupt_report {
    corrupt_totals totals;
    uint64_t seeds_begun, seeds_complete;
    double seconds, cpu_seconds;
    bool complete;
} corrupt_report;

#endif
