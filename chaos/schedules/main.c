/*
 * main.c - levin-chaos-schedules: the engine's threads under a seeded scheduler.  `levin-chaos schedules` starts it;
 * it is a program of its own, for its engine is compiled for the scheduler (faults/schedule/schedule.h).
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../argument.h"
#include "../directory.h"
#include "../options.h"
#include "campaign_report.h"
#include "shrink.h"
#include "tell.h"

enum { TREE_MAX_DEFAULT = 100000, PREEMPTIONS_DEFAULT = 2, SEEDS_DEFAULT = 2000 };

static const char usage_text[] =
    "usage: levin-chaos schedules [options]\n"
    "       levin-chaos replay FILE | levin-chaos shrink FILE [--output FILE]\n"
    "\n"
    "Threads of the engine on the simulated disk, one at a time; a seeded scheduler decides at every atomic, lock,\n"
    "wait, wake-up, read-side section, grace period and I/O call.  A seed is a scenario and its schedule.\n"
    "\n"
    "  --seed N          first seed (default 1)\n"
    "  --seeds N         so many (default 2000; with --budget as many as fit)\n"
    "  --threads N       threads of a scenario, 1 to 6 (default: 2 to 4, drawn)\n"
    "  --ops N           operations of each, 1 to 8 (default: 1 to 5, drawn)\n"
    "  --strategy NAME   walk, pct, exhaustive; default: walk for odd seeds, pct for even ones\n"
    "  --depth N         of pct (default: 2 to 4, drawn)\n"
    "  --preemptions N   exhaustive: all schedules of a scenario with at most so many (default 2)\n"
    "  --schedules N     exhaustive: of one scenario at most so many (default 100000)\n"
    "  --no-faults       no calls and allocations that fail\n"
    "  --no-cuts         no power cuts\n"
    "  --no-races        plain accesses are not compared: twice as fast\n"
    "  --search-steps N  of the search for an order that explains a run (default 4000000); one that is given up\n"
    "                    leaves it undecided\n"
    "  --budget SECONDS  stop after so long\n"
    "  --jobs N          worker processes (default: processors online)\n"
    "  --json            totals and findings, or what was replayed, as JSON on standard output\n"
    "  --save DIR        each finding as a small file, for replay and shrink; makes the directory\n"
    "  --fail-fast       stop at the first finding\n"
    "  --quiet           no progress line\n"
    "  --verbose         with one seed: tells what was done, whatever it came to\n"
    "  --replay FILE     a finding kept by --save, once more\n"
    "  --shrink FILE     a smaller one that shows the same, into --output FILE (default: FILE.min)\n"
    "\n"
    "exit status: 0 nothing found, 1 violation, 2 usage, 3 the harness itself failed, or left more than one schedule\n"
    "in 10,000 undecided, 130 interrupted; of --replay and --shrink: 1 it is still there, 0 it is gone\n";

typedef struct arguments {
    campaign_options campaign;
    const char *save, *replay, *shrink, *output;
    bool json, verbose;
    unsigned given; /* bits of the options that only some strategies or commands have */
} arguments;

enum { GIVEN_PREEMPTIONS = 1, GIVEN_SCHEDULES = 2 };

static int mistake(const char *what, const char *argument)
{
    fprintf(stderr, "levin-chaos schedules: %s%s%s (see levin-chaos schedules --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return EXIT_USAGE;
}

enum {
    OPT_SEED = 256,
    OPT_SEEDS,
    OPT_THREADS,
    OPT_OPS,
    OPT_STRATEGY,
    OPT_DEPTH,
    OPT_PREEMPTIONS,
    OPT_SCHEDULES,
    OPT_NO_FAULTS,
    OPT_NO_CUTS,
    OPT_NO_RACES,
    OPT_SEARCH_STEPS,
    OPT_BUDGET,
    OPT_JOBS,
    OPT_JSON,
    OPT_SAVE,
    OPT_FAIL_FAST,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_REPLAY,
    OPT_SHRINK,
    OPT_OUTPUT,
    OPT_HELP
};

static const struct option long_options[] = {
    { "seed", required_argument, NULL, OPT_SEED },         { "seeds", required_argument, NULL, OPT_SEEDS },
    { "threads", required_argument, NULL, OPT_THREADS },   { "ops", required_argument, NULL, OPT_OPS },
    { "strategy", required_argument, NULL, OPT_STRATEGY }, { "depth", required_argument, NULL, OPT_DEPTH },
    { "preemptions", required_argument, NULL, OPT_PREEMPTIONS },
    { "schedules", required_argument, NULL, OPT_SCHEDULES }, { "no-faults", no_argument, NULL, OPT_NO_FAULTS },
    { "no-cuts", no_argument, NULL, OPT_NO_CUTS },         { "no-races", no_argument, NULL, OPT_NO_RACES },
    { "search-steps", required_argument, NULL, OPT_SEARCH_STEPS },
    { "budget", required_argument, NULL, OPT_BUDGET },     { "jobs", required_argument, NULL, OPT_JOBS },
    { "json", no_argument, NULL, OPT_JSON },               { "save", required_argument, NULL, OPT_SAVE },
    { "fail-fast", no_argument, NULL, OPT_FAIL_FAST },     { "quiet", no_argument, NULL, OPT_QUIET },
    { "verbose", no_argument, NULL, OPT_VERBOSE },         { "replay", required_argument, NULL, OPT_REPLAY },
    { "shrink", required_argument, NULL, OPT_SHRINK },     { "output", required_argument, NULL, OPT_OUTPUT },
    { "help", no_argument, NULL, OPT_HELP },               { NULL, 0, NULL, 0 },
};

static bool strategy_parse(campaign_options *o, const char *text)
{
    if (!strcmp(text, "walk"))
        o->sizes.strategy = SCHEDULE_WALK;
    else if (!strcmp(text, "pct"))
        o->sizes.strategy = SCHEDULE_PCT;
    else if (!strcmp(text, "exhaustive"))
        o->sizes.strategy = SCHEDULE_TREE;
    else
        return false;
    return true;
}

/* False: the argument is no such thing. */
static bool option_parse(arguments *a, int option)
{
    campaign_options *c = &a->campaign;
    uint64_t value = 0;
    bool good = true;
    switch (option) {
    case OPT_SEED: return argument_number(optarg, 0, UINT64_MAX, &c->seed);
    case OPT_SEEDS: return argument_number(optarg, 1, UINT64_MAX / 2, &c->seeds);
    case OPT_THREADS:
        good = argument_number(optarg, 1, SCENARIO_THREADS_MAX, &value);
        c->sizes.threads = (unsigned)value;
        break;
    case OPT_OPS:
        good = argument_number(optarg, 1, SCENARIO_OPERATIONS_MAX, &value);
        c->sizes.operations = (unsigned)value;
        break;
    case OPT_STRATEGY: return strategy_parse(c, optarg);
    case OPT_DEPTH: good = argument_number(optarg, 1, 16, &value); c->sizes.depth = (unsigned)value; break;
    case OPT_PREEMPTIONS:
        good = argument_number(optarg, 0, 1000, &value);
        c->preemptions = (unsigned)value;
        a->given |= GIVEN_PREEMPTIONS;
        break;
    case OPT_SCHEDULES: a->given |= GIVEN_SCHEDULES; return argument_number(optarg, 1, UINT64_MAX, &c->tree_max);
    case OPT_SEARCH_STEPS: return argument_number(optarg, 1, UINT64_MAX, &c->run.steps_max);
    case OPT_NO_FAULTS: c->sizes.faults = false; break;
    case OPT_NO_CUTS: c->sizes.cuts = false; break;
    case OPT_NO_RACES: c->run.races = false; break;
    case OPT_BUDGET: return argument_seconds(optarg, &c->budget_seconds);
    case OPT_JOBS: good = argument_number(optarg, 1, 256, &value); c->jobs = (unsigned)value; break;
    case OPT_JSON: a->json = true; break;
    case OPT_SAVE: a->save = optarg; break;
    case OPT_FAIL_FAST: c->fail_fast = true; break;
    case OPT_QUIET: c->quiet = true; break;
    case OPT_VERBOSE: a->verbose = true; break;
    case OPT_REPLAY: a->replay = optarg; break;
    case OPT_SHRINK: a->shrink = optarg; break;
    case OPT_OUTPUT: a->output = optarg; break;
    }
    return good;
}

/* Options that would be passed over in silence. NULL: there are none. */
static const char *arguments_beside(const arguments *a)
{
    const schedule_strategy strategy = a->campaign.sizes.strategy;
    const bool one_file = a->replay || a->shrink;
    if (strategy != SCHEDULE_TREE && a->given & GIVEN_PREEMPTIONS)
        return "--preemptions is of --strategy exhaustive alone";
    if (strategy != SCHEDULE_TREE && a->given & GIVEN_SCHEDULES)
        return "--schedules is of --strategy exhaustive alone";
    if (a->campaign.sizes.depth && (strategy == SCHEDULE_WALK || strategy == SCHEDULE_TREE))
        return "--depth is of pct alone";
    if (a->replay && a->shrink)
        return "--replay and --shrink are two things";
    if (a->output && !a->shrink)
        return "--output is of --shrink alone";
    if (a->save && (one_file || a->verbose))
        return "--save is of a campaign";
    if (a->verbose && (one_file || a->campaign.seeds != 1))
        return "--verbose tells of one seed: --seeds 1";
    if (a->verbose && strategy == SCHEDULE_TREE)
        return "--verbose tells of one schedule, not of all";
    if (a->shrink && a->json)
        return "--shrink has no JSON: replay what it has written";
    return NULL;
}

/* -1, or an exit status. */
static int arguments_parse(arguments *a, int argc, char **argv)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *a = (arguments){ .campaign = { .seed = 1, .jobs = processors > 0 ? (unsigned)processors : 1, .run.races = true,
                                    .preemptions = PREEMPTIONS_DEFAULT, .tree_max = TREE_MAX_DEFAULT,
                                    .sizes = { .faults = true, .cuts = true } } };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == OPT_HELP)
            return fputs(usage_text, stdout) < 0 ? EXIT_HARNESS : EXIT_NOTHING_FOUND;
        if (option == '?')
            return EXIT_USAGE;
        if (!option_parse(a, option))
            return mistake("no such value", optarg);
    }
    if (optind < argc)
        return mistake("unexpected argument", argv[optind]);
    const char *beside = arguments_beside(a);
    if (beside)
        return mistake(beside, NULL);
    if (!a->campaign.seeds && a->campaign.budget_seconds <= 0)
        a->campaign.seeds = SEEDS_DEFAULT;
    return -1;
}

/* ---- one scenario ----------------------------------------------------------------------------------------- */

static bool scenario_load(scenario *s, const char *name)
{
    const char *why = NULL;
    unsigned line = 0;
    FILE *file = fopen(name, "r");
    if (!file) {
        fprintf(stderr, "levin-chaos schedules: %s: %s\n", name, strerror(errno));
        return false;
    }
    const bool good = scenario_read(s, file, &why, &line);
    fclose(file);
    if (!good)
        fprintf(stderr, "levin-chaos schedules: %s:%u: %s\n", name, line, why);
    return good;
}

/* Runs it once, in a process of its own, and tells; an exit status. */
static int run_and_tell(const arguments *a, const char *name, const scenario *s)
{
    static run_result result;
    const isolated_options options = { .run = a->campaign.run, .tells = true };
    isolated_run(s, &options, &result);
    if (a->json) {
        tell_result_json(name, s, &result, stdout);
    } else {
        tell_result(s, &result, stdout);
        if (s->finding[0])
            puts(tell_verdict(s, &result));
    }
    const int status = result.found ? EXIT_VIOLATION : result.undecided ? EXIT_HARNESS : EXIT_NOTHING_FOUND;
    run_result_free(&result);
    return status;
}

static int replay(const arguments *a)
{
    scenario s;
    if (!scenario_load(&s, a->replay))
        return EXIT_USAGE;
    const int status = run_and_tell(a, a->replay, &s);
    scenario_free(&s);
    return status;
}

static int shrink(const arguments *a)
{
    char name[4096];
    scenario s;
    shrink_counts counts;
    const isolated_options options = { .run = a->campaign.run };
    if (!scenario_load(&s, a->shrink))
        return EXIT_USAGE;
    int status = EXIT_NOTHING_FOUND;
    snprintf(name, sizeof name, "%s.min", a->shrink);
    const char *output = a->output ? a->output : name;
    if (!shrink_scenario(&s, &options, &counts)) {
        puts("the finding is gone");
    } else if (!campaign_save_scenario(&s, output)) {
        status = EXIT_HARNESS;
    } else {
        printf("%s: %u threads for %u, %u operations for %u, %zu switches for %zu, after %llu runs\n", output,
               counts.threads, counts.threads_before, counts.operations, counts.operations_before, counts.switches,
               counts.switches_before, (unsigned long long)counts.runs);
        status = run_and_tell(a, output, &s);
    }
    scenario_free(&s);
    return status;
}

static int tell_seed(const arguments *a)
{
    scenario s = campaign_scenario(&a->campaign, a->campaign.seed);
    const int status = run_and_tell(a, NULL, &s);
    scenario_free(&s);
    return status;
}

/* ---- a campaign ------------------------------------------------------------------------------------------- */

/* Before anything is run: what would be found could not be kept. */
static bool directory_can_take(const char *directory)
{
    char inside[4096];
    const int used = snprintf(inside, sizeof inside, "%s/.", directory);
    if (used < (int)sizeof inside && directory_make(directory) && access(inside, W_OK | X_OK) == 0)
        return true;
    fprintf(stderr, "levin-chaos schedules: --save %s: %s\n", directory, strerror(errno));
    return false;
}

static int run_campaign(const arguments *a)
{
    static campaign c;
    if (a->save && !directory_can_take(a->save))
        return EXIT_USAGE;
    c.options = &a->campaign;
    campaign_run(&c);
    campaign_report_findings(&c, a->save, a->json ? stderr : stdout);
    if (a->json)
        campaign_report_json(&c, stdout);
    else
        campaign_report_totals(&c, stdout);
    if (c.totals.findings)
        return EXIT_VIOLATION;
    if (campaign_is_undecided(&c)) {
        fprintf(stderr, "levin-chaos schedules: %llu of %llu schedules are undecided, more than one in %d\n",
                (unsigned long long)c.totals.undecided, (unsigned long long)c.totals.schedules, CAMPAIGN_DECIDED_MIN);
        return EXIT_HARNESS;
    }
    if (!c.totals.schedules && !c.interrupted) {
        fprintf(stderr, "levin-chaos schedules: the budget is too short for one schedule\n");
        return EXIT_HARNESS;
    }
    return c.interrupted ? EXIT_INTERRUPTED : EXIT_NOTHING_FOUND;
}

int main(int argc, char **argv)
{
    arguments a;
    const int status = arguments_parse(&a, argc, argv);
    return status >= 0  ? status
           : a.replay   ? replay(&a)
           : a.shrink   ? shrink(&a)
           : a.verbose  ? tell_seed(&a)
                        : run_campaign(&a);
}
