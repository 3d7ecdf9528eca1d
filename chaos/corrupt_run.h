/*
 * corrupt_run.h - one damage: the store opened on it, read in every way, checked, for some gone on with; and judged.
 */
#ifndef CHAOS_CORRUPT_RUN_H
#define CHAOS_CORRUPT_RUN_H

#include "corrupt_plan.h"

typedef struct corrupt_outcome {
    corrupt_fate fate;
    oracle_verdict verdict;  /* of CORRUPT_WRONG */
    const char *phase;
    levin_error first;       /* the first LEVIN_CORRUPT */
    bool named;              /* it named the damaged file */
    bool gone_on;
} corrupt_outcome;

/* Returns whether DETECT holds. */
bool corrupt_run(const corrupt_life *life, const corrupt_item *item, corrupt_outcome *out);

#endif
