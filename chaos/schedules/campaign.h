/*
 * campaign.h - many scenarios, one seed after the other, on all workers, and what they came to.
 */
#ifndef CHAOS_SCHEDULES_CAMPAIGN_H
#define CHAOS_SCHEDULES_CAMPAIGN_H

#include "distinct.h"
#include "scenario.h"

enum { CAMPAIGN_FINDINGS_KEPT = 24 };

typedef struct campaign_options {
    uint64_t seed, seeds;      /* seeds 0: as many as the budget allows */
    double budget_seconds;     /* 0: no limit */
    unsigned jobs;
    scenario_sizes sizes;
    unsigned preemptions;      /* exhaustive: of each scenario all schedules with at most so many */
    uint64_t tree_max;         /* exhaustive: of one scenario at most so many */
    bool races, fail_fast, quiet;
} campaign_options;

typedef struct campaign_finding {
    uint64_t seed;
    char kind[32];
    char text[400];
} campaign_finding;

/* X(field, name): sums over all scenarios, the same whoever has run them. */
#define CAMPAIGN_COUNTS(X)                                                                                      \
    X(scenarios, "scenarios")                                                                                   \
    X(schedules, "schedules")                                                                                   \
    X(points, "points")                                                                                         \
    X(preemptions, "preemptions")                                                                               \
    X(calls, "calls")                                                                                           \
    X(faults, "faults_fired")                                                                                   \
    X(cuts, "power_cuts")                                                                                       \
    X(crash_states, "crash_states")                                                                             \
    X(cuts_in_sync, "cuts_inside_a_sync")                       /* as run_result has it; so the next two */     \
    X(failed_unwaited, "failed_syncs_with_tickets")                                                             \
    X(failed_beside, "failed_allocations_of_followers")                                                         \
    X(trees_complete, "trees_complete")                         /* exhaustive: scenarios of which all was seen */ \
    X(findings, "findings")
typedef struct campaign_totals {
#define CAMPAIGN_FIELD(field, name) uint64_t field;
    CAMPAIGN_COUNTS(CAMPAIGN_FIELD)
#undef CAMPAIGN_FIELD
    uint64_t digest; /* a sum, too */
} campaign_totals;

typedef struct campaign {
    const campaign_options *options;
    campaign_totals totals;
    distinct schedules;        /* digests */
    campaign_finding found[CAMPAIGN_FINDINGS_KEPT]; /* the smallest seeds */
    unsigned kept;
    bool stop, interrupted;
    double seconds;
} campaign;

void campaign_run(campaign *c);
/* One scenario of the campaign, as its workers run it; the caller frees it. */
scenario campaign_scenario(const campaign_options *o, uint64_t seed);

#endif
