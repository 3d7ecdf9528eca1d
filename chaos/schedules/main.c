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
#include "../options.h"
#include "campaign.h"
#include "shrink.h"
#include "tell.h"

enum { TREE_MAX_DEFAULT = 100000, TOLD_IN_FULL = 3, PREEMPTIONS_DEFAULT = 2, SEEDS_DEFAULT = 2000 };

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
    "  --budget SECONDS  stop after so long\n"
    "  --jobs N          worker processes (default: processors online)\n"
    "  --json            totals and findings as JSON on standard output\n"
    "  --save DIR        each finding as a small file, for replay and shrink\n"
    "  --fail-fast       stop at the first finding\n"
    "  --quiet           no progress line\n"
    "  --verbose         with one seed: tells what was done, whatever it came to\n"
    "  --replay FILE     a finding kept by --save, once more\n"
    "  --shrink FILE     a smaller one that shows the same, into --output FILE (default: FILE.min)\n"
    "\n"
    "exit status: 0 nothing found, 1 violation, 2 usage, 3 the harness itself failed, 130 interrupted\n";

typedef unsigned long long ull;

typedef struct arguments {
    campaign_options campaign;
    const char *save, *replay, *shrink, *output;
    bool json, verbose;
} arguments;

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
    case OPT_PREEMPTIONS: good = argument_number(optarg, 0, 1000, &value); c->preemptions = (unsigned)value; break;
    case OPT_SCHEDULES: return argument_number(optarg, 1, UINT64_MAX, &c->tree_max);
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
    if (!a->campaign.seeds && a->campaign.budget_seconds <= 0)
        a->campaign.seeds = SEEDS_DEFAULT;
    return -1;
}

/* ---- kept findings ---------------------------------------------------------------------------------------- */

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

static bool scenario_save(const scenario *s, const char *name)
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

/* Runs it once and tells; an exit status. */
static int run_and_tell(const scenario *s, const run_options *options, bool tell)
{
    static run_result result;
    run_scenario(s, options, &result);
    if (result.found || tell)
        tell_result(s, &result, stdout);
    if (s->finding[0])
        puts(!result.found                          ? "the finding is gone"
             : !strcmp(result.kind, s->finding) ? "the same finding"
                                                : "another finding");
    const bool found = result.found;
    run_result_free(&result);
    return found ? EXIT_VIOLATION : EXIT_NOTHING_FOUND;
}

static int replay(const arguments *a)
{
    scenario s;
    if (!scenario_load(&s, a->replay))
        return EXIT_USAGE;
    const int status = run_and_tell(&s, &a->campaign.run, true);
    scenario_free(&s);
    return status;
}

static int shrink(const arguments *a)
{
    char name[4096];
    scenario s;
    shrink_counts counts;
    if (!scenario_load(&s, a->shrink))
        return EXIT_USAGE;
    int status = EXIT_NOTHING_FOUND;
    snprintf(name, sizeof name, "%s.min", a->shrink);
    if (!shrink_scenario(&s, &a->campaign.run, &counts)) {
        puts("the finding is gone");
    } else if (!scenario_save(&s, a->output ? a->output : name)) {
        status = EXIT_HARNESS;
    } else {
        printf("%s: %u threads for %u, %u operations for %u, %zu switches for %zu, after %llu runs\n",
               a->output ? a->output : name, counts.threads, counts.threads_before, counts.operations,
               counts.operations_before, counts.switches, counts.switches_before, (unsigned long long)counts.runs);
        status = run_and_tell(&s, &a->campaign.run, true);
    }
    scenario_free(&s);
    return status;
}

/* ---- a campaign ------------------------------------------------------------------------------------------- */

static void replay_line(const arguments *a, uint64_t seed, char *line, size_t capacity)
{
    const scenario_sizes *z = &a->campaign.sizes;
    int used = snprintf(line, capacity, "levin-chaos schedules --seed %llu --seeds 1", (unsigned long long)seed);
    if (z->threads)
        used += snprintf(line + used, capacity - (size_t)used, " --threads %u", z->threads);
    if (z->operations)
        used += snprintf(line + used, capacity - (size_t)used, " --ops %u", z->operations);
    if (z->strategy)
        used += snprintf(line + used, capacity - (size_t)used, " --strategy %s",
                         z->strategy == SCHEDULE_WALK ? "walk" : z->strategy == SCHEDULE_PCT ? "pct" : "exhaustive");
    if (z->depth)
        used += snprintf(line + used, capacity - (size_t)used, " --depth %u", z->depth);
    if (z->strategy == SCHEDULE_TREE)
        used += snprintf(line + used, capacity - (size_t)used, " --preemptions %u", a->campaign.preemptions);
    snprintf(line + used, capacity - (size_t)used, "%s%s%s", z->faults ? "" : " --no-faults",
             z->cuts ? "" : " --no-cuts", a->campaign.run.races ? "" : " --no-races");
}

/* What was found by the seed, with the switches that lead there. False: nothing, this time. */
static bool find_again(const arguments *a, uint64_t seed, scenario *s, run_result *result)
{
    *s = campaign_scenario(&a->campaign, seed);
    uint64_t runs = 0;
    if (s->strategy == SCHEDULE_TREE)
        s->tree = schedule_tree_create(a->campaign.preemptions);
    do {
        run_result_free(result);
        run_scenario(s, &a->campaign.run, result);
    } while (!result->found && s->tree && schedule_tree_next(s->tree) && ++runs < a->campaign.tree_max);
    schedule_tree_destroy(s->tree);
    s->tree = NULL;
    s->strategy = SCHEDULE_GIVEN;
    s->switches = result->outcome.switches;
    s->switch_count = result->outcome.switch_count;
    result->outcome.switches = NULL;
    snprintf(s->finding, sizeof s->finding, "%s", result->kind);
    return result->found;
}

static void tell_findings(const arguments *a, const campaign *c, FILE *file)
{
    static run_result result;
    for (unsigned i = 0; i < c->kept; i++) {
        char line[512], name[4096];
        scenario s;
        const campaign_finding *f = &c->found[i];
        replay_line(a, f->seed, line, sizeof line);
        fprintf(file, "%s: %s\n  %s\n", f->kind, f->text, line);
        if (!strcmp(f->kind, "death") || (i >= TOLD_IN_FULL && !a->save) || !find_again(a, f->seed, &s, &result))
            continue;
        if (i < TOLD_IN_FULL)
            tell_result(&s, &result, file);
        if (a->save) {
            snprintf(name, sizeof name, "%s/schedule-%llu.txt", a->save, (unsigned long long)f->seed);
            if (scenario_save(&s, name))
                fprintf(file, "  kept in %s\n", name);
        }
        scenario_free(&s);
    }
    if (c->totals.findings > c->kept)
        fprintf(file, "and %llu more\n", (unsigned long long)(c->totals.findings - c->kept));
}

static void put_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else
            printf((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? "\\u%04x" : "%c", (unsigned char)*text);
    putchar('"');
}

static void tell_json(const arguments *a, const campaign *c)
{
    char line[512];
    putchar('{');
#define COUNT_JSON(field, name) printf("\"" name "\": %llu, ", (ull)c->totals.field);
    CAMPAIGN_COUNTS(COUNT_JSON)
#undef COUNT_JSON
    printf("\"distinct\": %.0f, \"seconds\": %.3f, \"digest\": \"%016llx\", \"found\": [",
           distinct_estimate(&c->schedules), c->seconds, (ull)c->totals.digest);
    for (unsigned i = 0; i < c->kept; i++) {
        printf("%s{\"seed\": %llu, \"kind\": ", i ? ", " : "", (ull)c->found[i].seed);
        put_text(c->found[i].kind);
        fputs(", \"text\": ", stdout);
        put_text(c->found[i].text);
        replay_line(a, c->found[i].seed, line, sizeof line);
        fputs(", \"replay\": ", stdout);
        put_text(line);
        putchar('}');
    }
    puts("]}");
}

static void tell_totals(const arguments *a, const campaign *c)
{
    const campaign_totals *t = &c->totals;
    const double rate = c->seconds > 0 ? (double)t->schedules / c->seconds : 0;
    printf("schedules: %llu of %llu scenarios, about %.0f distinct, in %.1f s (%.0f/s); %llu points, %llu preemptions, "
           "%llu calls\n",
           (ull)t->schedules, (ull)t->scenarios, distinct_estimate(&c->schedules), c->seconds, rate, (ull)t->points,
           (ull)t->preemptions, (ull)t->calls);
    printf("schedules: %llu with a fault that fired, %llu power cuts, %llu crash states recovered; digest %016llx; "
           "%llu findings\n",
           (ull)t->faults, (ull)t->cuts, (ull)t->crash_states, (ull)t->digest, (ull)t->findings);
    printf("schedules: %llu power cuts with one thread inside its sync and two asleep, %llu failed syncs with tickets\n"
           "schedules: or callbacks outstanding, %llu allocations of followers failed\n",
           (ull)t->cuts_in_sync, (ull)t->failed_unwaited, (ull)t->failed_beside);
    if (a->campaign.sizes.strategy == SCHEDULE_TREE)
        printf("schedules: of %llu scenarios all with at most %u preemptions\n", (ull)t->trees_complete,
               a->campaign.preemptions);
}

int main(int argc, char **argv)
{
    arguments a;
    int status = arguments_parse(&a, argc, argv);
    if (status >= 0)
        return status;
    if (a.replay)
        return replay(&a);
    if (a.shrink)
        return shrink(&a);
    if (a.verbose && a.campaign.seeds == 1) {
        scenario s = campaign_scenario(&a.campaign, a.campaign.seed);
        if (s.strategy == SCHEDULE_TREE)
            return mistake("--verbose tells of one schedule, not of all", NULL);
        return run_and_tell(&s, &a.campaign.run, true);
    }
    static campaign c;
    c.options = &a.campaign;
    campaign_run(&c);
    tell_findings(&a, &c, a.json ? stderr : stdout);
    if (a.json)
        tell_json(&a, &c);
    else
        tell_totals(&a, &c);
    if (c.totals.findings)
        return EXIT_VIOLATION;
    if (!c.totals.schedules && !c.interrupted) {
        fprintf(stderr, "levin-chaos schedules: the budget is too short for one schedule\n");
        return EXIT_HARNESS;
    }
    return c.interrupted ? EXIT_INTERRUPTED : EXIT_NOTHING_FOUND;
}
