/*
 * campaign.h - many scenarios, one seed after the other, on all workers, and what they came to.
 */
#ifndef CHAOS_SCHEDULES_CAMPAIGN_H
#define CHAOS_SCHEDULES_CAMPAIGN_H

#include "../../faults/schedule/scenario_run.h"
#include "distinct.h"
#include "totals.h"

enum { CAMPAIGN_FINDINGS_KEPT = 24, CAMPAIGN_UNDECIDED_KEPT = 8, CAMPAIGN_REST_MAX = 32 };
/* So many schedules and more must be decided for each that is not; a campaign that falls short of it has failed. */
#define CAMPAIGN_DECIDED_MIN 10000

typedef struct campaign_options {
    uint64_t seed, seeds;      /* seeds 0: as many as the budget allows */
    double budget_seconds;     /* 0: no limit */
    unsigned jobs;
    scenario_sizes sizes;
    unsigned preemptions;      /* exhaustive: of each scenario all schedules with at most so many */
    uint64_t tree_max;         /* exhaustive: of one scenario at most so many */
    run_options run;
    bool fail_fast, quiet;
} campaign_options;

typedef struct campaign_finding {
    uint64_t seed;
    char kind[32];
    char text[400];
} campaign_finding;

typedef struct campaign_range {
    uint64_t first, count;     /* seeds */
} campaign_range;

typedef struct campaign {
    const campaign_options *options;
    campaign_totals totals;
    distinct schedules;        /* digests */
    campaign_finding found[CAMPAIGN_FINDINGS_KEPT]; /* the smallest seeds */
    unsigned kept;
    uint64_t undecided[CAMPAIGN_UNDECIDED_KEPT];    /* the same */
    unsigned undecided_kept;
    campaign_range rest[CAMPAIGN_REST_MAX];         /* seeds that a worker which died has left */
    unsigned rest_count;
    const campaign_range *round;                    /* those that are taken up now; NULL: the handfuls */
    bool stop, interrupted;
    double seconds;
} campaign;

void campaign_run(campaign *c);
/* Whether more schedules than it may be were left undecided. */
bool campaign_is_undecided(const campaign *c);
/* One scenario of the campaign, as its workers run it; the caller frees it. */
scenario campaign_scenario(const campaign_options *o, uint64_t seed);

#endif
