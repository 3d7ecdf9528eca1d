/*
 * crash_model.h - the persistence model at work: the durable image at a point of a trace, the operations that are
 * not synced there, and the image that comes of a fate for each of them.
 *
 * Inner part of crash.c, apart so that tests can choose fates themselves.  The model is stated at the top of
 * crash_model.c. Threads: a model belongs to one thread.
 */
#ifndef LEVIN_FAULTS_CRASH_MODEL_H
#define LEVIN_FAULTS_CRASH_MODEL_H

#include "disk_image.h"
#include "trace.h"

typedef enum pending_type {
    PENDING_WRITE,
    PENDING_RESIZE, /* a truncate: up or down */
    PENDING_GROW,   /* preallocation, or the new size that is left of a write whose pages were lost */
    PENDING_NAME    /* create, make_dir, link, rename, unlink */
} pending_type;

#define PENDING_NONE UINT32_MAX

/* An operation that no sync has made durable. */
typedef struct pending {
    pending_type type;
    uint64_t entry;         /* index in the trace */
    const trace_entry *call;
    disk_node node;
    uint64_t offset, bytes; /* write: its range; resize, grow: bytes is the size */
    const uint8_t *data;
    uint64_t size_before;   /* of the file as a process saw it */
    uint32_t after[2];      /* name: earlier pending operations on the same entries, or PENDING_NONE */
    bool claimed;           /* a lying sync said it was durable */
    bool linked;            /* rename: the new name is durable, the old one has yet to go */
    uint8_t *owned;         /* data, when it is not the trace's */
    disk_block **blocks;    /* whole blocks of the data, made on first use */
} pending;

typedef enum fate_kind {
    FATE_DROP,         /* never reached the device */
    FATE_KEEP,
    FATE_SECTORS,      /* write: some sectors did; grow: half of it */
    FATE_GARBAGE,      /* write: all of it, but sector `from` holds random bytes */
    FATE_ZEROS,        /* write: all of it, but sector `from` holds zeros */
    FATE_SIZE_ZEROS,   /* write, grow: the new size, zeros in the new part */
    FATE_SIZE_GARBAGE, /* write, grow: the new size, random bytes at both ends of the new part */
    FATE_DATA_ONLY,    /* write: the data up to the old size */
    FATE_BOTH_NAMES,   /* rename: the new name is there, the old one too */
    FATE_NO_NAME       /* rename: the old name is gone, the new one did not come */
} fate_kind;

typedef enum fate_sectors {
    SECTORS_MASK,  /* bit i of `bits`: sector i of the write */
    SECTORS_RANGE, /* sectors [from, to) */
    SECTORS_EXCEPT,/* all but [from, to) */
    SECTORS_COIN   /* each by a coin out of `bits` */
} fate_sectors;

typedef struct fate {
    fate_kind kind;
    fate_sectors mode;
    uint32_t from, to;
    uint64_t bits;      /* mask or seed */
    bool full_size;     /* FATE_SECTORS: the new size is kept whole, missing sectors past the old end are zeros */
} fate;

typedef struct crash_model crash_model;

/* At point 0. start NULL: an empty disk. Both must outlive it. */
crash_model *crash_model_open(const trace *t, const disk_image *start, bool lying_sync);
/* A sync of a file makes all earlier changes of names durable, too. At point 0 only. */
void crash_model_sync_names(crash_model *m);
void crash_model_close(crash_model *m); /* harmless on NULL */

/* What a process would see at the point. */
const disk_image *crash_model_cache(const crash_model *m);
uint64_t crash_model_point(const crash_model *m);
/* Takes one more entry; the trace must have one. */
void crash_model_advance(crash_model *m);

/* The unsynced operations at this point, in order. Valid until the next advance. */
const pending *crash_model_pending(const crash_model *m, size_t *count);

/* Sectors that a pending write touches, counted from the one that holds its first byte. */
uint32_t pending_sectors(const pending *op);

/*
 * The image after a crash here, with fates[i] for operation i.  The caller unrefs it.  An operation on a name whose
 * predecessor on the same entry was dropped is dropped too, and fates[] is changed to say so.
 */
disk_image *crash_model_build(crash_model *m, fate *fates);

/* "kept", "dropped", "sectors 2-7 of 8 kept", ...: as snprintf(). */
int fate_describe(const fate *f, const pending *op, char *text, size_t capacity);

#endif
