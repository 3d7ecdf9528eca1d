/*
 * fault_chain.h - faults crossed with crashes: a store lives under a fault, goes on, the power fails; its recovery
 * meets a fault, goes on, the power fails; and so on, to the depth asked for.
 *
 * A chain is a pure function of (seed, number, depth): which call fails at each level and how, the power cuts that are
 * looked at, and the one of them from which the next level starts.  At each level faults and crashes are judged as in
 * fault_run.h, over more states: points all over the life, half of them near the fault, and a sample of all variants
 * of each.
 */
#ifndef CHAOS_FAULT_CHAIN_H
#define CHAOS_FAULT_CHAIN_H

#include "explore.h"
#include "fault_run.h"

enum { CHAIN_DEPTH_MAX = EXPLORE_DEPTH_MAX };

/* What is likely to be asked of a store together: X(name, text). One is drawn for each level, then a call of it. */
#define CHAIN_CLASSES(X)                                                                                        \
    X(CHAIN_SYNC, "failed sync")                                                                                \
    X(CHAIN_SPACE, "full disk")                                                                                 \
    X(CHAIN_MEMORY, "allocation failure")                                                                       \
    X(CHAIN_OTHER, "any other")
typedef enum chain_class {
#define CHAIN_CLASS_ENUM(name, text) name,
    CHAIN_CLASSES(CHAIN_CLASS_ENUM)
#undef CHAIN_CLASS_ENUM
    CHAIN_CLASS_COUNT
} chain_class;
const char *chain_class_text(chain_class c);

typedef struct fault_link {
    char fault[FAULT_NAME_BYTES]; /* "life/wal.sync/eio/once/3" */
    bool cut;                     /* there was a power cut; of the last link of a finding: it was found there */
    uint64_t point, variant;      /* of that */
} fault_link;

typedef struct fault_chain_outcome {
    fault_outcome last;           /* of the level reached: verdict, phase */
    unsigned levels;              /* links that are filled */
    fault_link links[CHAIN_DEPTH_MAX];
    uint64_t fired[CHAIN_DEPTH_MAX][CHAIN_CLASS_COUNT]; /* lives in which the fault fired */
    uint64_t states;              /* power cuts judged */
    uint64_t near_cuts;           /* of them, close after the fault */
    uint64_t near_settled;        /* and of these, before a later reopening of that life */
    uint64_t failures;            /* calls of the store that returned an error */
    bool silent;                  /* the fault of links[levels - 1] did not fire: the harness failed */
} fault_chain_outcome;

/*
 * s: scenarios of the seed, the first is enough.  Returns whether all was as promised.
 */
bool fault_chain_run(const fault_scenarios *s, uint64_t seed, uint64_t number, unsigned depth,
                     fault_chain_outcome *out);
/* "life/wal.sync/eio/once/3 + 124.2 + recovery/..." */
enum { CHAIN_TEXT_BYTES = CHAIN_DEPTH_MAX * (FAULT_NAME_BYTES + 48) };
void fault_chain_text(const fault_chain_outcome *out, char text[CHAIN_TEXT_BYTES]);

#endif
