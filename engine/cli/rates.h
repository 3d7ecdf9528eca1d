/*
 * rates.h - what a store of this process does in each interval, a line each, as vmstat(8) shows it: of a running
 * `levin bench` or `levin stress`.  One thread.
 */
#ifndef CLI_RATES_H
#define CLI_RATES_H

#include <stdio.h>

#include "../levin.h"

typedef struct rates {
    FILE *out;
    bool json;
    double interval_seconds; /* 0: no lines */
    /* of the last line */
    double seconds;
    uint64_t operations, lines;
    levin_stats stats;
} rates;

/* Call at any time, often: prints when an interval is over.  operations: of the caller's, since it began. */
void rates_tick(rates *r, levin *store, double seconds, uint64_t operations);
/* The next line counts from zero: another store, or another run. */
void rates_restart(rates *r);

#endif
