/*
 * verify.h - opens the store in an image, as after a crash, and judges everything that can be judged.
 */
#ifndef CHAOS_VERIFY_H
#define CHAOS_VERIFY_H

#include "../faults/disk_image.h"
#include "../faults/oracle.h"
#include "../faults/trace.h"
#include "workload.h"

#define VERIFY_PATH "db"

typedef struct verify_options {
    uint64_t seed;      /* of the probes and of the tail */
    bool tail;          /* go on after the recovery: batches, then close, reopen and check again */
    workload_script *script; /* may be NULL: gets what the tail does */
    trace *record;      /* may be NULL: gets the I/O of recovery and tail */
    unsigned points, ranges;
} verify_options;

typedef struct verify_result {
    oracle_verdict verdict;
    const char *phase;   /* in which it was found: "recovery", "check", ... */
    uint32_t state;      /* what recovery showed, or ORACLE_NO_STATE */
    uint64_t recovered;  /* length of the record when levin_open() returned */
    oracle *after;       /* with a tail: the history from the recovery on; the caller destroys it */
} verify_result;

/* o and legal: what was promised when the image was left. Returns whether all is as promised. */
bool verify_image(const workload *w, const disk_image *image, oracle *o, const oracle_legal *legal,
                  const verify_options *options, verify_result *result);

#endif
