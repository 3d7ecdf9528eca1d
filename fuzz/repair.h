/*
 * repair.h - makes the checksums of mutated files right again, so that the mutation is seen by what stands behind
 * them.
 */
#ifndef LEVIN_FUZZ_REPAIR_H
#define LEVIN_FUZZ_REPAIR_H

#include "container.h"

enum repair_what {
    REPAIR_PAGES = 1, /* pages that a meta page reaches, values, lists, references up to the metas, the metas */
    REPAIR_HEADS = 2, /* the heads of slots as well */
    REPAIR_LOG = 4,   /* segment headers, the chain of groups from the metas' replay positions on, their values */
    REPAIR_ALL = 7
};

/* Any bytes: reads and writes inside the files only, and does bounded work. */
void repair_files(container *c, unsigned what);

/* A pointer of 24 bytes into the value log, and the record that it names, when that is wholly in its file. */
void repair_pointer(container *c, uint64_t identity, uint8_t *pointer);
/* The headers of all segments of the value log. */
void repair_value_headers(container *c);

#endif
