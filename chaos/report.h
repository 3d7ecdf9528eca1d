/*
 * report.h - findings, totals, and how they are shown: progress, summary, table, JSON.
 */
#ifndef CHAOS_REPORT_H
#define CHAOS_REPORT_H

#include "../faults/fault_io.h"
#include "corrupt_totals.h"
#include "effects.h"
#include "explore.h"
#include "fault_chain.h"
#include "options.h"
#include "ranges_run.h"
#include "schedules/totals.h"
#include "soak.h"

#define DETECTORS(X)                                                                                            \
    X(DETECTOR_SWEEP, "sweep")                                                                                  \
    X(DETECTOR_FAULTS, "faults")                                                                                \
    X(DETECTOR_EFFECTS, "effects")                                                                              \
    X(DETECTOR_CROSSED, "crossed")                                                                              \
    X(DETECTOR_CORRUPT, "corrupt")                                                                              \
    X(DETECTOR_RANGES, "ranges")                                                                                \
    X(DETECTOR_SOAK, "soak")                                                                                    \
    X(DETECTOR_SCHEDULES, "schedules")
typedef enum detector {
#define DETECTOR_ENUM(name, text) name,
    DETECTORS(DETECTOR_ENUM)
#undef DETECTOR_ENUM
    DETECTOR_COUNT
} detector;
const char *detector_text(detector d);

typedef struct finding {
    detector found_by; /* as told to report_finding(): the replay text does not say it */
    uint64_t seed;
    char replay[320];  /* the arguments of replay after --seed and --ops: "--at 12.3", "--fault ..."; a whole line */
    char promise[24];
    char phase[64];
    char text[600];
} finding;

enum { FINDINGS_KEPT = 24 }; /* of each detector */

typedef struct findings {
    /* by detector; of each the smallest by (seed, replay), so that the order of arrival does not matter */
    finding items[DETECTOR_COUNT * FINDINGS_KEPT];
    size_t kept;
    uint64_t count, of[DETECTOR_COUNT];
} findings;
/* Counts it, and keeps it if it is among the smallest of its detector. */
void findings_add(findings *f, const finding *item);

typedef struct fault_totals {
    uint64_t series;       /* file kind x operation x effect, seen by the scenarios */
    uint64_t runs;         /* with one fault */
    uint64_t fired;        /* in which it fired */
    uint64_t beyond;       /* runs with N past the last call, in which nothing may fire */
    uint64_t points;       /* calls that could be made to fail, of the seeds begun */
    uint64_t points_hit;   /* that were */
    uint64_t not_fired;    /* faults that should have fired and did not: the harness failed */
    uint64_t refused;      /* calls of the store that returned an error */
    uint64_t cuts, near_cuts; /* points of power cuts; near: in the calls after the fault */
    uint64_t hits[LEVIN_FILE_KIND_COUNT][FAULT_OPERATION_COUNT]; /* where they fired */
} fault_totals;

typedef struct sweep_report {
    explore_totals totals;
    workload_counts least;      /* over the seeds, of each count the smallest */
    uint64_t points_due;        /* of the seeds begun */
    uint64_t seeds_begun, seeds_complete;
    uint64_t distinct;          /* images, over all workers */
    double seconds, cpu_seconds; /* wall; computing, over all workers, the workload itself left out */
    bool complete;
} sweep_report;

/* What a sweep that goes from seed to seed came to (seed_slices.h). */
typedef struct seeds_done {
    uint64_t begun, finished;
    double seconds;
    bool complete; /* all that was asked for */
} seeds_done;

typedef struct faults_report {
    fault_totals totals;
    seeds_done seeds;
} faults_report;

typedef struct effects_totals {
    uint64_t runs, fired;
    uint64_t refused;      /* calls of the store that returned an error */
    uint64_t told;         /* times that damage was told of, as LEVIN_CORRUPT */
    uint64_t hurt;         /* runs in which writes or syncs were lost or damaged */
    uint64_t cuts, near_cuts; /* points of power cuts; near: in the calls after the fault */
    uint64_t silent;       /* rules that should have fired and did not: the harness failed */
    uint64_t hits[LEVIN_FILE_KIND_COUNT][FAULT_OPERATION_COUNT]; /* where they fired */
    /* bits by case: some scenario makes such a call; it fired */
    uint64_t called[EFFECTS_MAX / 64], hit[EFFECTS_MAX / 64];
} effects_totals;

typedef struct effects_report {
    effects_totals totals;
    seeds_done seeds;
} effects_report;

typedef struct crossed_totals {
    uint64_t chains;
    uint64_t states;       /* power cuts judged */
    uint64_t near_cuts;    /* points of them in the calls after the fault */
    uint64_t refused;      /* calls of the store that returned an error */
    uint64_t silent;       /* faults that should have fired and did not: the harness failed */
    uint64_t fired[CHAIN_DEPTH_MAX][CHAIN_CLASS_COUNT];
} crossed_totals;

typedef struct crossed_report {
    crossed_totals totals;
    seeds_done seeds;
} crossed_report;

typedef struct ranges_report {
    ranges_counts counts;
    uint64_t seeds_begun, seeds_complete;
    double seconds, cpu_seconds;
    bool complete;
} ranges_report;

typedef struct schedules_report {
    campaign_totals totals;
    uint64_t distinct; /* about */
    double seconds;
} schedules_report;

typedef struct report {
    const chaos_options *options;
    const char *data;           /* where names and values came from */
    uint64_t stanzas;
    sweep_report sweep;
    faults_report faults;
    corrupt_report corrupt;
    effects_report effects;
    crossed_report crossed;
    ranges_report ranges;
    soak_result soak;
    schedules_report schedules;
    bool has_schedules;
    bool has_sweep, has_faults, has_effects, has_crossed, has_corrupt, has_ranges, has_soak, interrupted;
    char harness[400];          /* why the harness failed; "" when it did not */
    findings found;
} report;

/* Prints what was asked for; returns the exit status. */
int report_print(const report *r);
/* The progress line on a terminal; "" wipes it. */
void report_progress(const report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Keeps a finding of that detector, and shows it above the progress line. True: no other is asked for (--fail-fast). */
bool report_finding(report *r, detector by, const finding *item);
/* A worker of the harness failed there: the report says so, and what was found until then stays. */
void report_worker_failed(report *r, const char *where);
/* What a worker of a crew is told of that died; where: "SEED REPLAY", as the sweeps say to crew_at(). */
finding finding_of_death(const char *promise, const char *where, const char *how);
enum { REPORT_WORD_BYTES = 4200, REPORT_LINE_BYTES = REPORT_WORD_BYTES + 1024 }; /* of a path; of a line with it */
/* `before`, and the text as one word for a shell: in quotes, where it needs them. */
void report_word(const char *before, const char *text, char word[REPORT_WORD_BYTES]);
/* The command that shows the finding again. */
void report_replay_line(const report *r, const finding *item, char *line, size_t capacity);

#endif
