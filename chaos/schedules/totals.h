/*
 * totals.h - what thread schedules have come to: counted by their program, read by `levin-chaos chaos`, told by both.
 */
#ifndef CHAOS_SCHEDULES_TOTALS_H
#define CHAOS_SCHEDULES_TOTALS_H

#include <stdint.h>

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
    X(undecided, "undecided")                                   /* the search for an order was given up */      \
    X(findings, "findings")
typedef struct campaign_totals {
#define CAMPAIGN_FIELD(field, name) uint64_t field;
    CAMPAIGN_COUNTS(CAMPAIGN_FIELD)
#undef CAMPAIGN_FIELD
    uint64_t digest; /* a sum, too */
} campaign_totals;

#endif
