/*
 * seed_slices.h - what the sweeps over fault scenarios share: the scenarios of a seed, made once in each worker, and
 * the work on them, dealt to slices like cards, so that a sweep that is stopped early is an even sample of all of it.
 *
 * A task is one slice of one seed; its result depends on these two alone, not on the number of workers.
 */
#ifndef CHAOS_SEED_SLICES_H
#define CHAOS_SEED_SLICES_H

#include "crew.h"
#include "fault_run.h"
#include "report.h"

/* What a slice sends back begins so; the totals of the sweep follow. */
typedef struct slice_done {
    uint64_t seed, slice;
    bool complete;
    char silent[320]; /* what did not fire where it should: the harness failed; "" when all did */
} slice_done;

typedef struct seed_slices {
    /* of the sweep */
    report *r;
    const stanzas *data;
    detector which;
    const char *title, *unit; /* of the progress line: "fault sweep", "runs" */
    const char *none;         /* replay of what is done without any fault: "--fault none" */
    size_t scenarios;         /* needed */
    unsigned slices;          /* of a seed */
    unsigned findings_max;    /* of a slice */
    /* In a worker, also when the scenarios of the seed are not usable: sends what begins with *done. */
    void (*work)(struct seed_slices *s, slice_done *done);
    /* In the caller: adds the totals of a message that begins with a slice_done. */
    void (*add)(report *r, const void *message);

    /* in a worker */
    crew_worker *worker;
    fault_scenarios prepared;
    uint64_t seed, found;
    bool is_prepared, usable, stopped;
    /* in the caller */
    double started;
    bool stop;
    uint64_t seeds_begun, tasks_complete;
} seed_slices;

/* Runs the sweep over all seeds of the options. deadline: crew_clock(), 0: none. */
seeds_done seed_slices_run(seed_slices *s, double deadline);

/* ---- for work() ---- */
/* Whether to end early; done->complete is then false. */
bool seed_slices_stopped(seed_slices *s);
bool seed_slices_full(const seed_slices *s);
/* A violation; text NULL: that of the verdict. Counts for seed_slices_full(). */
void seed_slices_found(seed_slices *s, const char *replay, const char *phase, const oracle_verdict *verdict,
                       const char *text);
/* The whole message, which begins with a slice_done. */
void seed_slices_send(seed_slices *s, slice_done *message, size_t bytes);

#endif
