/*
 * fault_life.h - one life of a store under faults, and what must be true after it; the parts of fault_run.c and
 * fault_chain.c.
 */
#ifndef CHAOS_FAULT_LIFE_H
#define CHAOS_FAULT_LIFE_H

#include "../faults/mirror_io.h"
#include "fault_run.h"

#define FAULT_LIFE_PHASE_OVER "reads after the fault, same handle"
enum { VERIFY_POINTS = 6, VERIFY_RANGES = 2 };

/* What a plan did to bytes: bits 1u << levin_file_kind, and when it first did. */
typedef struct fault_hurt {
    unsigned reads, writes, lies; /* lies: of syncs; a directory's is LEVIN_FILE_DIR */
    unsigned reverted;            /* syncs that failed and took what was written since the last one along */
    bool misdirected;             /* a write went elsewhere */
    uint64_t first_write;         /* length of the trace before the first write that was hurt */
} fault_hurt;

typedef struct fault_life {
    simdisk *disk;
    const disk_image *start; /* of the scenario */
    bool mirrored;           /* writes and syncs may be hurt: what the store meant is kept as well */
    simdisk *meant_disk;     /* mirrored, as the two below; otherwise NULL */
    trace *meant;            /* as long as t */
    mirror_io *mirror;
    fault_hurt hurt;
    uint64_t first_at;       /* length of the trace when a fault first fired; UINT64_MAX: none has */
    simdisk_failed_sync failed_sync; /* what a sync that fails by FAULT_ERROR leaves */
    trace *t;
    fault_io *f;
    oracle *o;
    oracle *after_cut;       /* the history from cut_at on, where damage took the end of the log; NULL: it did not */
    uint64_t cut_at;
    uint64_t opened;         /* when the store was first open; UINT64_MAX: never */
    uint64_t (*fired)(const void *context); /* how many faults did; NULL: those of the first rule */
    const void *fired_context;
    workload_script *script; /* NULL: none */
} fault_life;

/* failed_sync, mirrored, fired and script are set before, and faults between. */
void fault_life_begin(fault_life *l, const fault_scenario *scenario);
void fault_life_end(fault_life *l);
uint64_t fault_life_fired(const fault_life *l);
/*
 * Begins a life in which nothing fails, runs the scenario, and counts its calls into scenario->calls.  As below; the
 * caller ends it.
 */
bool fault_life_count(fault_life *l, fault_scenario *scenario, uint64_t seed, fault_outcome *out);
/* Nothing fails any more. */
void fault_life_calm(fault_life *l);
/*
 * Runs the scenario. When a fault has fired, it is over once the workload is done: the handle must show what was
 * accepted. The store is closed at the end. This and the checks below: false, and out says what is wrong.
 */
bool fault_life_run(fault_life *l, const fault_scenario *scenario, uint64_t seed, fault_outcome *out);
/* Nothing is left open or in memory. */
bool fault_life_check_held(const fault_life *l, fault_outcome *out);
/*
 * A point for a power cut: 0: any time of the life, 1: in the calls after the first fault, 2: when the store had been
 * closed.  False: there is none (no fault has fired).
 */
enum { FAULT_LIFE_CUTS = 3 };
bool fault_life_cut_point(const fault_life *l, uint64_t seed, unsigned which, fault_outcome *out, uint64_t *point);
/* Power cuts at these three. */
bool fault_life_check_power_cut(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                fault_outcome *out);
/* The store opens again without faults, is whole, and can be written to. */
bool fault_life_check_reopened(const workload *w, fault_life *l, uint64_t seed, fault_outcome *out);
/*
 * The history, and its legal set, by which a power cut at that point is judged.  Until the store was open nobody has
 * seen which of the legal states it would show, so a cut during the recovery may leave any of them: a meta page that
 * only its own crash put there need not come back after the next.
 */
oracle *fault_life_judge(const fault_life *l, const fault_scenario *scenario, uint64_t point, oracle_legal *legal);
/* Fills out; always false. */
bool fault_life_wrong(fault_outcome *out, const char *phase, const oracle_verdict *v);

#endif
