/*
 * states.h - the crash states of a recorded program: enumerated, each distinct one laid out in memory and judged in a
 * guarded child, and what fails brought down to why.
 *
 * The trace is one of recorder.h.  Which states are possible is the model at the top of faults/crash_model.c, but for
 * what the caller grants.  The states judged, and the result, are a function of (trace, seed, states, grants) and of
 * the judge, not of the number of jobs.
 */
#ifndef CHAOS_STATES_H
#define CHAOS_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../faults/trace.h"
#include "culprit.h"
#include "guarded.h"

/* Grants: bits 1 << assumption. What is granted is taken from the file system for sure, and no state is against it. */
#define GRANT(a) (1u << (a))
/* What journaling file systems in their usual mode (ext4 data=ordered, XFS) do about names. */
#define GRANTS_JOURNAL (GRANT(ASSUMES_SYNCED_NAMES) | GRANT(ASSUMES_ORDERED_NAMES) | GRANT(ASSUMES_ATOMIC_RENAME))
/* "powersafe,ordered-names" or "journal". False: *bad is the first word that is none. */
bool states_grants_parse(const char *text, unsigned *grants, const char **bad);

typedef struct states_case {
    const char *directory;    /* the files; the judge may change them */
    const char *acknowledged; /* a file: what the program had told its user before the crash, all marks in a row */
    const char *output;       /* a file that is not there, for the judge's use */
    uint64_t point, marks;    /* entries of the trace before the crash; how many of them are marks */
} states_case;

/* In a guarded child. `text` takes a sentence. */
typedef outcome states_judge(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES]);

typedef struct states_options {
    const trace *trace;
    uint64_t seed;
    uint64_t states;          /* at most so many are judged; 0: all that are enumerated */
    unsigned grants;
    unsigned jobs;
    double deadline;          /* crew_clock() when judging ends; 0: none */
    guarded_limits limits;
    states_judge *judge;
    void *context;
    const char *memory;       /* directory below which states are laid out; NULL: a scratch (scratch.h) of its own */
    uint64_t culprits;        /* of so many failing states of each outcome the reason is searched; STATES_CULPRITS */
    /* In the caller, now and then: what is being done, how much of it. May be NULL. */
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t all, uint64_t failed);
} states_options;

enum { STATES_CULPRITS = 32, STATES_FINDINGS_MAX = 64 };

typedef struct states_finding {
    outcome what;
    uint64_t point, variant;  /* of the first state that shows it: the replay key */
    uint64_t states;          /* how many states it explains */
    bool searched;            /* why is known */
    culprit why;
    char text[GUARDED_TEXT_BYTES]; /* the judge's, on that state */
} states_finding;

typedef struct states_report {
    uint64_t points, enumerated; /* moments of a crash; variants built */
    uint64_t distinct, judged;   /* pairs of image and promise; those of them that were looked at */
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t failing;         /* all but right */
    size_t count;             /* of findings: by outcome from the worst, then by the number of states */
    states_finding findings[STATES_FINDINGS_MAX];
    uint64_t not_searched;    /* failing states beyond what was searched, in no finding with a reason */
    bool complete;            /* all that were chosen were judged */
    double seconds;
    char harness[200];        /* why nothing could be judged; "" */
} states_report;

void states_explore(const states_options *options, states_report *report);

/*
 * One state by its key, in the same way. False: there is no such state. *why may be NULL: it is not searched.
 * directory: not NULL: the files are left there, as they were before the judge.
 */
bool states_replay(const states_options *options, uint64_t point, uint64_t variant, outcome *what,
                   char text[GUARDED_TEXT_BYTES], culprit *why, const char *directory);

/* The files at the end without any crash, judged in the same way: what the program itself would find. */
outcome states_judge_end(const states_options *options, char text[GUARDED_TEXT_BYTES]);

/* The state's calls in words (crash_describe()), and its culprit's: to a stream. */
void states_print_culprit(const states_options *options, const culprit *why, FILE *to, const char *indent);
void states_print_state(const states_options *options, uint64_t point, uint64_t variant, FILE *to);

#endif
