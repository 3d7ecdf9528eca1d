/*
 * main.c - levin-chaos: which sweep, over which names and values, for how long; and the replay of one finding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "explore_command.h"
#include "record_command.h"
#include "corrupt.h"
#include "crew.h"
#include "crossed_sweep.h"
#include "effects_sweep.h"
#include "faults_sweep.h"
#include "merge_command.h"
#include "plan_command.h"
#include "ranges.h"
#include "schedules_command.h"
#include "finding_command.h"
#include "finding_run.h"
#include "soak.h"
#include "scoreboard_command.h"
#include "soak_command.h"
#include "stores_command.h"
#include "sweep.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
enum { CHAOS_BUDGET_SECONDS = 56 };
#define SCHEDULES_SHARE 0.1 /* of it */

/* Names and values: the file asked for; for `chaos` the machine's own package list; otherwise made-up ones. */
static bool load(const chaos_options *o, stanzas *data, report *r)
{
    r->data = o->data ? o->data : "made up";
    if (!stanzas_named(data, o->data))
        return false;
    r->stanzas = data->count;
    return true;
}

/* In this process, where a debugger can follow it. */
static int replay(const chaos_options *o, const stanzas *data)
{
    finding item = { .seed = o->seed };
    saved_finding f;
    finding_outcome out;
    explore_path path;
    int status = EXIT_USAGE;
    if (o->at && !explore_path_parse(&path, o->at)) {
        fprintf(stderr, "levin-chaos: not a path of the form POINT.VARIANT[/POINT.VARIANT...]: %s\n", o->at);
        return EXIT_USAGE;
    }
    snprintf(item.replay, sizeof item.replay, "%s %s",
             o->at       ? "--at"
             : o->fault  ? "--fault"
             : o->chain  ? "--chain"
             : o->damage ? "--damage"
                         : "--ranges",
             o->at       ? o->at
             : o->fault  ? o->fault
             : o->chain  ? o->chain
             : o->damage ? o->damage
                         : "");
    char plan[EFFECT_PLAN_BYTES];
    plan_rules rules;
    if (o->rule) {
        snprintf(item.replay, sizeof item.replay, "%s", o->scenario);
        if (!plan_of_rule(o->rule, plan, &rules))
            return EXIT_USAGE;
    }
    if (!saved_finding_make(&f, &item, o, o->rule ? &rules : NULL, o->rule ? plan : NULL)) {
        fprintf(stderr, "levin-chaos: the name of the data file is too long\n");
    } else {
        finding_run(&f, data, NULL, stdout, NULL, NULL, &out);
        if (out.there && out.silent)
            fprintf(stderr, "levin-chaos: the harness failed: nothing fired in %s\n", f.place), status = EXIT_HARNESS;
        else if (out.there)
            status = out.broken ? EXIT_VIOLATION : EXIT_NOTHING_FOUND;
        else
            fprintf(stderr, "levin-chaos: there is no such place: %s\n", f.place);
    }
    saved_finding_free(&f);
    return status;
}

static bool soak_tick(void *context, const soak_result *so_far)
{
    report_progress(context, "soak: %llu lives, %llu killed, %llu operations, %llu faults",
                    (unsigned long long)so_far->lives, (unsigned long long)so_far->killed,
                    (unsigned long long)so_far->operations, (unsigned long long)so_far->faults);
    return !crew_interrupted();
}

/* Real files and threads, as the last part of `chaos`. */
static void soak_part(report *r, double seconds)
{
    const chaos_options *o = r->options;
    const soak_options options = { .seed = o->seed, .threads = o->threads, .seconds = seconds > 1 ? seconds : 1,
                                   .fault_every = o->fault_every, .tick = soak_tick, .context = r };
    r->has_soak = true;
    const bool good = soak_run(&options, &r->soak);
    report_progress(r, "%s", "");
    r->interrupted = r->interrupted || r->soak.interrupted;
    if (r->soak.promise[0]) {
        finding f = { .seed = o->seed, .replay = "--soak", .phase = "soak" };
        snprintf(f.promise, sizeof f.promise, "%s", r->soak.promise);
        snprintf(f.text, sizeof f.text, "%.400s; the store is kept in %.160s", r->soak.text, r->soak.directory);
        report_finding(r, DETECTOR_SOAK, &f);
    } else if (!good) {
        snprintf(r->harness, sizeof r->harness, "soak: %.380s", r->soak.text);
    }
}

static void sweeps(report *r, const stanzas *data)
{
    const chaos_options *o = r->options;
    double begun = crew_clock(), budget = o->budget_seconds;
    if (o->command == COMMAND_CHAOS)
        budget *= 1 - SCHEDULES_SHARE;
    if (o->crossed) {
        crossed_sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_SWEEP) {
        sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->effects) {
        effects_sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_FAULTS) {
        faults_sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_CORRUPT) {
        corrupt(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_RANGES) {
        ranges(r, budget > 0 ? begun + budget : 0);
    } else {
        sweep(r, data, begun + budget * 0.35);
        if (!crew_interrupted())
            faults_sweep(r, data, begun + budget * 0.6);
        if (!crew_interrupted())
            effects_sweep(r, data, begun + budget * 0.7);
        if (!crew_interrupted())
            crossed_sweep(r, data, begun + budget * 0.8);
        if (!crew_interrupted())
            corrupt(r, data, begun + budget * 0.88);
        if (!crew_interrupted())
            ranges(r, begun + budget * 0.93);
        if (!crew_interrupted() && !(o->fail_fast && r->found.count))
            soak_part(r, begun + budget - crew_clock());
        if (!crew_interrupted() && !(o->fail_fast && r->found.count))
            schedules_part(r, o->budget_seconds * SCHEDULES_SHARE);
    }
}

/* A sweep that came to nothing has shown nothing. */
static void require_work(report *r)
{
    if (r->harness[0] || r->found.count || r->interrupted)
        return;
    const char *idle = r->has_sweep && r->sweep.distinct == 0      ? "the crash sweep looked at no state"
                       : r->has_faults && r->faults.totals.fired == 0 ? "the fault sweep fired no fault"
                       : r->has_effects && r->effects.totals.fired == 0 ? "no effect fired"
                       : r->has_crossed && r->crossed.totals.chains == 0 ? "no chain of faults and crashes was run"
                       : r->has_corrupt && corrupt_totals_done(&r->corrupt.totals) == 0
                           ? "the corruption campaign did no damage"
                       : r->has_ranges && r->ranges.counts.walks == 0 ? "no iterator was walked"
                       : r->has_soak && r->soak.killed == 0           ? "no process of the soak was killed"
                       : r->has_soak && r->soak.operations == 0       ? "no process of the soak came to write"
                                                                      : NULL;
    if (idle)
        snprintf(r->harness, sizeof r->harness, "%s: the budget of %g s is too short for it", idle,
                 r->options->budget_seconds);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "record"))
        return record_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "explore"))
        return explore_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "merge"))
        return merge_command(argc - 1, argv + 1);
    chaos_options options;
    if (argc > 1 && !strcmp(argv[1], "stores"))
        return stores_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "schedules"))
        return schedules_command(argv + 1);
    if (argc > 1 && !strcmp(argv[1], "scoreboard"))
        return scoreboard_command(argc - 1, argv + 1);
    int status = chaos_options_parse(&options, argc, argv);
    if (status >= 0)
        return status;
    if (options.command == COMMAND_SOAK)
        return soak_command(&options);
    if (options.command == COMMAND_POINTS)
        return points_command(&options);
    if (options.file && schedules_finding(options.file))
        return schedules_finding_command(&options);
    if (options.file)
        return options.command == COMMAND_SHRINK ? shrink_command(&options) : replay_file(&options);
    if (options.save && !findings_directory(options.save))
        return EXIT_HARNESS;
    if (options.command == COMMAND_CHAOS) {
        if (!options.data && access(DPKG_STATUS, R_OK) == 0)
            options.data = DPKG_STATUS;
        if (options.budget_seconds <= 0)
            options.budget_seconds = CHAOS_BUDGET_SECONDS;
    }
    report *r = fatal_alloc_zeroed(sizeof *r);
    r->options = &options;
    stanzas data;
    if (!load(&options, &data, r)) {
        free(r);
        return EXIT_HARNESS;
    }
    if (options.command == COMMAND_REPLAY) {
        status = replay(&options, &data);
    } else if (options.plan || options.rule) {
        status = plan_command(&options, &data);
    } else {
        crew_catch_signals();
        sweeps(r, &data);
        require_work(r);
        status = report_print(r);
    }
    stanzas_free(&data);
    free(r);
    return status;
}
