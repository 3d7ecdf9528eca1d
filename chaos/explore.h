/*
 * explore.h - crash states of a trace, each opened and judged, then crash states of the recovery itself, to any
 * depth.
 */
#ifndef CHAOS_EXPLORE_H
#define CHAOS_EXPLORE_H

#include "../faults/crash.h"
#include "verify.h"

enum { EXPLORE_DEPTH_MAX = 4, EXPLORE_PATH_BYTES = 128 };

/* Which crash of which recovery: point and variant at each depth. As text "120.3/14.0". */
typedef struct explore_path {
    unsigned depth;
    struct { uint64_t point, variant; } step[EXPLORE_DEPTH_MAX];
} explore_path;
void explore_path_text(const explore_path *path, char text[EXPLORE_PATH_BYTES]);
uint64_t explore_crash_seed(uint64_t seed); /* of the crash states of the workload itself */
bool explore_path_parse(explore_path *path, const char *text);

typedef struct explore_totals {
    uint64_t points, variants, states;     /* visited; built; judged (image and promise) */
    uint64_t opened[EXPLORE_DEPTH_MAX];    /* images recovered and checked, by depth */
    uint64_t remembered;                   /* judged by what recovery had shown before */
    uint64_t tails;                        /* recoveries gone on from, closed, reopened and checked again */
    uint64_t families[CRASH_FAMILY_COUNT]; /* states by family */
} explore_totals;

typedef struct explore_options {
    uint64_t seed;
    unsigned depth;        /* 1: crashes of the workload; 2: also crashes of the recoveries; ... */
    unsigned tail_one_in;  /* goes on after one recovery in so many */
    unsigned deep_one_in;  /* crashes one recovery in so many again */
    crash_limits limits, deep_limits;
    workload_script *script; /* of explore_again(): gets what is done after the first recovery; may be NULL */
    void *context;
    /* Before each image is opened. False: stop. */
    bool (*at)(void *context, const explore_path *path, uint64_t digest);
    /* A violation. False: stop. */
    bool (*found)(void *context, const explore_path *path, const verify_result *result);
} explore_options;
void explore_options_init(explore_options *options, uint64_t seed);

/* What was promised at each point of a trace. */
typedef struct explore_judge {
    oracle *before;              /* points below `recovered`: the store was not open yet */
    oracle_legal before_legal;
    uint64_t recovered;
    oracle *after;               /* from there on, by point */
} explore_judge;

/* Points first .. last of a trace that began at start (NULL: an empty disk). Returns false when told to stop. */
bool explore(const workload *w, const trace *t, const disk_image *start, const explore_judge *judge,
             const explore_options *options, uint64_t first, uint64_t last, explore_totals *totals);

/*
 * Builds the one state named by the path again and verifies it as explore() does.  text (may be NULL) gets how each
 * step's image came about.  Returns false when there is no such state.
 */
bool explore_again(const workload *w, const trace *t, const explore_judge *judge, const explore_options *options,
                   const explore_path *path, FILE *text, verify_result *result);

#endif
