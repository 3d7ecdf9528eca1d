/*
 * store_judge.h - reads a foreign store in every way there is, and says what it made of what was done to it.
 *
 * Each way (a get of every key, many at once, scans on and back) is an observation: values, keys that are not there,
 * and answers that failed and so say nothing.  An observation is legal when one state explains all of it, not earlier
 * than what was acknowledged.  The worst way decides; that a store tells (a call that fails) never excuses a wrong
 * answer of another call, but what a scan showed before it failed is no answer: its user has to look at the result.
 */
#ifndef CHAOS_STORE_JUDGE_H
#define CHAOS_STORE_JUDGE_H

#include "guarded.h"
#include "store_work.h"

typedef struct store_judging {
    const store_adapter *adapter;
    store_config config;       /* create is ignored */
    const store_work *work;
    uint32_t acknowledged;     /* states from here ... */
    uint32_t submitted;        /* ... to here are right */
    uint32_t go_on;            /* so many batches are written behind the state found, if nothing was told; 0: none */
    /* Puts sound files into the directory: can a store that failed to open be opened then?  May be NULL. */
    bool (*restore)(void *context);
    void *context;
    bool check_found;          /* out: the answers alone said nothing, but the store's own check did */
} store_judging;

/* In a guarded child, for the store may die. */
outcome store_judge(store_judging *j, char text[GUARDED_TEXT_BYTES]);

#endif
