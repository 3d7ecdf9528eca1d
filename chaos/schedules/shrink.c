/*
 * shrink.c - smaller scenarios (shrink.h).
 *
 * Without an operation the points of a thread have other numbers, so the switches of the whole may lead elsewhere.  A
 * candidate is therefore given its switches first, then some schedules of its own; whatever shows a finding of the
 * same kind is taken with the switches that led there.  Each runs in a process of its own (isolated.h): a death is
 * shrunk like anything else.  Parts are chosen by ddmin (../ddmin.h).  All is a function of
 * the scenario.
 *
 * Concurrency: one thread of the system.
 */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "../../faults/fatal.h"
#include "../ddmin.h"

enum { TRIES = 60 };

typedef struct shrinking {
    scenario *best;
    const scenario *whole; /* of which ddmin tries parts */
    char kind[32];
    const isolated_options *options;
    run_result result;
    shrink_counts *counts;
} shrinking;

/* Whether the candidate shows the finding, as it is. */
static bool shows(shrinking *h, const scenario *candidate)
{
    run_result_free(&h->result);
    isolated_run(candidate, h->options, &h->result);
    h->counts->runs++;
    return h->result.found && !strcmp(h->result.kind, h->kind);
}

/* The best is the candidate from now on, with the switches of the run just made. */
static void take(shrinking *h, const scenario *candidate)
{
    scenario next = *candidate;
    next.strategy = SCHEDULE_GIVEN;
    next.switch_count = h->result.outcome.switch_count;
    next.switches = h->result.outcome.switches;
    h->result.outcome.switches = NULL;
    free(h->best->switches); /* the candidate's are the same, or none */
    *h->best = next;
}

/* Given its switches, or under some schedules of its own. */
static bool try(shrinking *h, const scenario *candidate)
{
    if (shows(h, candidate)) {
        take(h, candidate);
        return true;
    }
    for (unsigned i = 0; i < TRIES; i++) {
        scenario other = *candidate;
        other.strategy = i % 2 ? SCHEDULE_WALK : SCHEDULE_PCT;
        other.seed = candidate->seed + i;
        if (!shows(h, &other))
            continue;
        take(h, &other);
        return true;
    }
    return false;
}

/* Operations by number: thread * SCENARIO_OPERATIONS_MAX + place. A thread without any goes. */
static scenario part_of(const scenario *whole, const uint32_t *items, size_t count)
{
    scenario s = *whole;
    s.threads = 0;
    for (unsigned t = 0; t < whole->threads; t++) {
        unsigned left = 0;
        for (size_t i = 0; i < count; i++)
            if (items[i] / SCENARIO_OPERATIONS_MAX == t)
                s.of[s.threads].at[left++] = whole->of[t].at[items[i] % SCENARIO_OPERATIONS_MAX];
        s.of[s.threads].count = left;
        s.threads += left != 0;
    }
    return s;
}

static bool operations_fail(void *context, const uint32_t *items, size_t count)
{
    shrinking *h = context;
    const scenario candidate = part_of(h->whole, items, count);
    scenario copy = candidate;
    copy.switches = h->best->switches;
    copy.switch_count = h->best->switch_count;
    return candidate.threads && try(h, &copy);
}

static void fewer_operations(shrinking *h)
{
    uint32_t items[SCENARIO_THREADS_MAX * SCENARIO_OPERATIONS_MAX];
    size_t count = 0;
    const scenario whole = *h->best;
    const ddmin_options options = { .context = h, .fails = operations_fail };
    for (unsigned t = 0; t < whole.threads; t++)
        for (unsigned i = 0; i < whole.of[t].count; i++)
            items[count++] = t * SCENARIO_OPERATIONS_MAX + i;
    h->whole = &whole;
    ddmin(items, count, &options);
}

/* Each thing that can be left out by itself. */
static void fewer_features(shrinking *h)
{
    for (unsigned i = 0; i < 9; i++) {
        scenario candidate = *h->best;
        switch (i) {
        case 0: candidate.has_fault = false; break;
        case 1: candidate.cut_at = 0; candidate.cut_in_sync = false; break;
        case 2: candidate.background = false; break;
        case 3: candidate.rows = false; break;
        case 4: candidate.values_apart = false; break;
        case 5: candidate.lingers = false; break;
        case 6: candidate.splits = false; break;
        case 7: candidate.startles = false; break;
        default: candidate.image = 0;
        }
        try(h, &candidate);
    }
}

static bool switches_fail(void *context, const uint32_t *items, size_t count)
{
    shrinking *h = context;
    scenario candidate = *h->whole;
    candidate.switches = fatal_alloc((count + 1) * sizeof *candidate.switches);
    candidate.switch_count = count;
    for (size_t i = 0; i < count; i++)
        candidate.switches[i] = h->whole->switches[items[i]];
    const bool fails = shows(h, &candidate);
    free(candidate.switches);
    return fails;
}

static void fewer_switches(shrinking *h)
{
    const scenario whole = scenario_copy(h->best);
    const ddmin_options options = { .context = h, .fails = switches_fail };
    uint32_t *items = fatal_alloc((whole.switch_count + 1) * sizeof *items);
    for (size_t i = 0; i < whole.switch_count; i++)
        items[i] = (uint32_t)i;
    h->whole = &whole;
    const size_t left = whole.switch_count ? ddmin(items, whole.switch_count, &options) : 0;
    for (size_t i = 0; i < left; i++)
        h->best->switches[i] = whole.switches[items[i]];
    h->best->switch_count = left;
    free(items);
    free(whole.switches);
}

bool shrink_scenario(scenario *s, const isolated_options *options, shrink_counts *counts)
{
    *counts = (shrink_counts){ .operations_before = scenario_operations(s), .threads_before = s->threads };
    shrinking *h = fatal_alloc_zeroed(sizeof *h);
    h->best = s;
    h->options = options;
    h->counts = counts;
    isolated_run(s, options, &h->result);
    const bool found = h->result.found;
    if (found) {
        memcpy(h->kind, h->result.kind, sizeof h->kind);
        snprintf(s->finding, sizeof s->finding, "%s", h->kind);
        take(h, s);
        counts->switches_before = s->switch_count;
        fewer_features(h);
        fewer_operations(h);
        fewer_features(h);
        fewer_switches(h);
        counts->operations = scenario_operations(s);
        counts->threads = s->threads;
        counts->switches = s->switch_count;
    }
    run_result_free(&h->result);
    free(h);
    return found;
}
