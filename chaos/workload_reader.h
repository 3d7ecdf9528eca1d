/*
 * workload_reader.h - a handle that only reads, as another process has one, open beside the workload's writer.
 *
 * It must show one state that the writer has been in, no older than a given one, and the same when it is looked at
 * again.
 */
#ifndef CHAOS_WORKLOAD_READER_H
#define CHAOS_WORKLOAD_READER_H

#include "workload.h"

/* What a verdict on it begins with. */
#define WORKLOAD_READER_TEXT "a reader beside the writer: "

typedef struct workload_reader {
    levin *store;   /* NULL: none is open */
    uint32_t state;    /* that it showed */
    uint32_t doubtful; /* that batch has failed, and may be there all the same; 0: none */
    uint64_t seed;
} workload_reader;

/*
 * Opens and checks it.  Returns false on a violation, which is in result->verdict; with target->faults a call may fail:
 * then there is none.  doubtful: 0, or the number of a bulk load whose commit failed, so that the newest checkpoint may
 * have it, like a store that is opened again.
 */
bool workload_reader_open(workload_reader *r, const workload *w, const workload_target *target, uint32_t oldest,
                          uint32_t doubtful, uint64_t seed, workload_result *result);
/* Checks it again, levin_check() included, and closes it. Harmless when none is open. */
bool workload_reader_close(workload_reader *r, const workload_target *target, workload_result *result);
/* levin_check(), with the first fault that it finds, or its own failure, in *fault. */
levin_code workload_check(levin *store, levin_error *fault);
/* Without a look. */
void workload_reader_drop(workload_reader *r);

#endif
