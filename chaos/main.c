/*
 * main.c - levin-chaos: which sweep, over which names and values, for how long; and the replay of one finding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "corrupt.h"
#include "crew.h"
#include "faults_sweep.h"
#include "plan_command.h"
#include "ranges.h"
#include "finding_command.h"
#include "finding_file.h"
#include "soak_command.h"
#include "sweep.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
enum { CHAOS_BUDGET_SECONDS = 56 };

/* Names and values: the file asked for; for `chaos` the machine's own package list; otherwise made-up ones. */
static bool load(const chaos_options *o, stanzas *data, report *r)
{
    r->data = o->data ? o->data : "made up";
    if (!stanzas_named(data, o->data))
        return false;
    r->stanzas = data->count;
    return true;
}

static int replay(const chaos_options *o, const stanzas *data)
{
    if (o->ranges)
        return ranges_again(o->seed, o->operations, stdout) ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
    if (o->damage) {
        bool good;
        if (!corrupt_again(o->seed, o->operations, data, o->damage, stdout, &good)) {
            fprintf(stderr, "levin-chaos: there is no such damage: %s\n", o->damage);
            return EXIT_USAGE;
        }
        return good ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
    }
    if (o->fault) {
        bool good;
        if (!faults_again(o->seed, o->operations, data, o->fault, stdout, &good)) {
            fprintf(stderr, "levin-chaos: there is no such fault run: %s\n", o->fault);
            return EXIT_USAGE;
        }
        return good ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
    }
    explore_path path;
    if (!explore_path_parse(&path, o->at)) {
        fprintf(stderr, "levin-chaos: not a path of the form POINT.VARIANT[/POINT.VARIANT...]: %s\n", o->at);
        return EXIT_USAGE;
    }
    sweep_run run;
    sweep_prepare(&run, o->seed, o->operations, data, NULL, NULL, NULL);
    printf("workload: %zu steps, %llu I/O calls, %u batches\n", run.result.steps,
           (unsigned long long)trace_length(run.t), oracle_last_batch(run.o));
    int status = EXIT_NOTHING_FOUND;
    if (run.result.verdict.promise) {
        printf("the workload itself: %s: %s\n", run.result.verdict.promise, run.result.verdict.text);
        status = EXIT_VIOLATION;
    } else {
        explore_options options = sweep_explore_options(o->seed, o->depth);
        explore_judge judge = { .after = run.o };
        verify_result result;
        if (!explore_again(run.w, run.t, &judge, &options, &path, stdout, &result)) {
            fprintf(stderr, "levin-chaos: there is no such state: %s\n", o->at);
            status = EXIT_USAGE;
        } else if (result.verdict.promise) {
            printf("%s: %s: %s\n", result.phase, result.verdict.promise, result.verdict.text);
            status = EXIT_VIOLATION;
        } else {
            printf("as promised: the store is as after batch %u\n", result.state);
        }
        oracle_destroy(result.after);
    }
    sweep_release(&run);
    return status;
}

static void sweeps(report *r, const stanzas *data)
{
    const chaos_options *o = r->options;
    double begun = crew_clock(), budget = o->budget_seconds;
    if (o->command == COMMAND_SWEEP) {
        sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_FAULTS) {
        faults_sweep(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_CORRUPT) {
        corrupt(r, data, budget > 0 ? begun + budget : 0);
    } else if (o->command == COMMAND_RANGES) {
        ranges(r, budget > 0 ? begun + budget : 0);
    } else {
        sweep(r, data, begun + budget * 0.45);
        if (!crew_interrupted())
            faults_sweep(r, data, begun + budget * 0.8);
        if (!crew_interrupted())
            corrupt(r, data, begun + budget * 0.92);
        if (!crew_interrupted())
            ranges(r, begun + budget);
    }
}

/* A sweep that came to nothing has shown nothing. */
static void require_work(report *r)
{
    if (r->harness[0] || r->found.count || r->interrupted)
        return;
    const char *idle = r->has_sweep && r->sweep.distinct == 0      ? "the crash sweep looked at no state"
                       : r->has_faults && r->faults.totals.fired == 0 ? "the fault sweep fired no fault"
                       : r->has_corrupt && corrupt_totals_done(&r->corrupt.totals) == 0
                           ? "the corruption campaign did no damage"
                       : r->has_ranges && r->ranges.counts.walks == 0 ? "no iterator was walked"
                                                                      : NULL;
    if (idle)
        snprintf(r->harness, sizeof r->harness, "%s: the budget of %g s is too short for it", idle,
                 r->options->budget_seconds);
}

int main(int argc, char **argv)
{
    chaos_options options;
    int status = chaos_options_parse(&options, argc, argv);
    if (status >= 0)
        return status;
    if (options.command == COMMAND_SOAK)
        return soak_command(&options);
    if (options.command == COMMAND_POINTS)
        return points_command(&options);
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
    } else if (options.plan) {
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
