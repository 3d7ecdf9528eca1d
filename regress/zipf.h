/*
 * zipf.h - Zipfian ranks: rank i of n is drawn with a probability that falls as 1 / (i + 1)^theta.
 *
 * Rejection-inversion after Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions" (1996): exact, without a table, about one draw in a hundred is thrown away.  (The inversion that YCSB
 * uses, of Gray et al. 1994, draws ranks from 2 to 7 a tenth too often.)
 */
#ifndef LEVIN_ZIPF_H
#define LEVIN_ZIPF_H

#include <stdint.h>

#include "../faults/random.h"

typedef struct zipf {
    uint64_t n;
    double theta, high, low; /* what is inverted is drawn between these */
    double squeeze;          /* accepted without a look when the rounding went no further */
} zipf;

/* Requires n > 0 and 0 < theta < 1. */
zipf zipf_open(uint64_t n, double theta);
/* A rank in [0, n). */
uint64_t zipf_next(const zipf *z, random_stream *random);

#endif
