/*
 * campaign_report.c - the report of a campaign (campaign_report.h).  No threads.
 */
#include "campaign_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "isolated.h"
#include "tell.h"

enum { TOLD_IN_FULL = 3, LINE_BYTES = 512 };

typedef unsigned long long ull;

static void replay_line(const campaign_options *o, uint64_t seed, char line[LINE_BYTES])
{
    const scenario_sizes *z = &o->sizes;
    size_t used = (size_t)snprintf(line, LINE_BYTES, "levin-chaos schedules --seed %llu --seeds 1", (ull)seed);
    if (z->threads)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --threads %u", z->threads);
    if (z->operations)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --ops %u", z->operations);
    if (z->strategy)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --strategy %s",
                                 z->strategy == SCHEDULE_WALK  ? "walk"
                                 : z->strategy == SCHEDULE_PCT ? "pct"
                                                               : "exhaustive");
    if (z->depth)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --depth %u", z->depth);
    if (z->strategy == SCHEDULE_TREE)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --preemptions %u", o->preemptions);
    if (o->run.steps_max)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, " --search-steps %llu", (ull)o->run.steps_max);
    snprintf(line + used, LINE_BYTES - used, "%s%s%s", z->faults ? "" : " --no-faults", z->cuts ? "" : " --no-cuts",
             o->run.races ? "" : " --no-races");
}

bool campaign_save_scenario(const scenario *s, const char *name)
{
    FILE *file = fopen(name, "w");
    if (file) {
        scenario_write(s, file);
        if (fclose(file) == 0)
            return true;
    }
    fprintf(stderr, "levin-chaos schedules: %s: %s\n", name, strerror(errno));
    return false;
}

/* What was found by the seed, with the switches that lead there. False: nothing, this time. */
static bool find_again(const campaign_options *o, uint64_t seed, scenario *s, run_result *result)
{
    const isolated_options options = { .run = o->run, .schedules_max = o->tree_max };
    *s = campaign_scenario(o, seed);
    if (s->strategy == SCHEDULE_TREE)
        s->tree = schedule_tree_create(o->preemptions);
    isolated_run(s, &options, result);
    schedule_tree_destroy(s->tree);
    s->tree = NULL;
    if (!result->found)
        return false;
    s->strategy = SCHEDULE_GIVEN;
    s->switches = result->outcome.switches;
    s->switch_count = result->outcome.switch_count;
    result->outcome.switches = NULL;
    snprintf(s->finding, sizeof s->finding, "%s", result->kind);
    return true;
}

/* One that does not come again is kept as its seed has it, if it is one run: so nothing that was seen is lost. */
static void report_finding(const campaign *c, const campaign_finding *f, bool in_full, const char *save, FILE *file)
{
    static run_result result;
    char name[4096];
    scenario s;
    const bool again = find_again(c->options, f->seed, &s, &result);
    if (!again) {
        fputs("  not found again: it depends on something that is no part of the run\n", file);
        snprintf(s.finding, sizeof s.finding, "%s", f->kind);
    } else if (in_full) {
        tell_result(&s, &result, file);
    }
    if (save && s.strategy != SCHEDULE_TREE) {
        snprintf(name, sizeof name, "%s/schedule-%llu.txt", save, (ull)f->seed);
        if (campaign_save_scenario(&s, name))
            fprintf(file, "  kept in %s\n", name);
    }
    scenario_free(&s);
    run_result_free(&result);
}

void campaign_report_findings(const campaign *c, const char *save, FILE *file)
{
    char line[LINE_BYTES];
    for (unsigned i = 0; i < c->kept; i++) {
        const campaign_finding *f = &c->found[i];
        replay_line(c->options, f->seed, line);
        fprintf(file, "%s: %s\n  %s\n", f->kind, f->text, line);
        if (i < TOLD_IN_FULL || save)
            report_finding(c, f, i < TOLD_IN_FULL, save, file);
    }
    if (c->totals.findings > c->kept)
        fprintf(file, "and %llu more\n", (ull)(c->totals.findings - c->kept));
    for (unsigned i = 0; i < c->undecided_kept; i++) {
        replay_line(c->options, c->undecided[i], line);
        fprintf(file, "undecided: whether an order of the calls explains it; the search was given up\n  %s\n", line);
    }
}

void campaign_report_totals(const campaign *c, FILE *file)
{
    const campaign_totals *t = &c->totals;
    const double rate = c->seconds > 0 ? (double)t->schedules / c->seconds : 0;
    fprintf(file, "schedules: %llu in %llu scenarios, about %.0f distinct, in %.1f s (%.0f/s); %llu points, "
                  "%llu preemptions, %llu calls\n",
            (ull)t->schedules, (ull)t->scenarios, distinct_estimate(&c->schedules), c->seconds, rate, (ull)t->points,
            (ull)t->preemptions, (ull)t->calls);
    fprintf(file, "schedules: %llu with a fault that fired, %llu power cuts, %llu crash states recovered; "
                  "digest %016llx; %llu undecided; %llu findings\n",
            (ull)t->faults, (ull)t->cuts, (ull)t->crash_states, (ull)t->digest, (ull)t->undecided, (ull)t->findings);
    fprintf(file, "schedules: %llu power cuts with one thread inside its sync and two asleep, %llu failed syncs with "
                  "tickets\nschedules: or callbacks outstanding, %llu allocations of followers failed\n",
            (ull)t->cuts_in_sync, (ull)t->failed_unwaited, (ull)t->failed_beside);
    if (c->options->sizes.strategy == SCHEDULE_TREE)
        fprintf(file, "schedules: of %llu scenarios all with at most %u preemptions\n", (ull)t->trees_complete,
                c->options->preemptions);
}

void campaign_report_json(const campaign *c, FILE *file)
{
    char line[LINE_BYTES];
    putc('{', file);
#define COUNT_JSON(field, name) fprintf(file, "\"" name "\": %llu, ", (ull)c->totals.field);
    CAMPAIGN_COUNTS(COUNT_JSON)
#undef COUNT_JSON
    fprintf(file, "\"distinct\": %.0f, \"seconds\": %.3f, \"digest\": \"%016llx\", \"undecided_seeds\": [",
            distinct_estimate(&c->schedules), c->seconds, (ull)c->totals.digest);
    for (unsigned i = 0; i < c->undecided_kept; i++)
        fprintf(file, "%s%llu", i ? ", " : "", (ull)c->undecided[i]);
    fputs("], \"found\": [", file);
    for (unsigned i = 0; i < c->kept; i++) {
        fprintf(file, "%s{\"seed\": %llu, \"kind\": ", i ? ", " : "", (ull)c->found[i].seed);
        tell_json_text(c->found[i].kind, file);
        fputs(", \"text\": ", file);
        tell_json_text(c->found[i].text, file);
        replay_line(c->options, c->found[i].seed, line);
        fputs(", \"replay\": ", file);
        tell_json_text(line, file);
        putc('}', file);
    }
    fputs("]}\n", file);
}
