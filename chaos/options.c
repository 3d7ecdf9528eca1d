/*
 * options.c - the command line of levin-chaos.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/levin.h"
#include "argument.h"
#include "explore.h"
#include "soak_life.h"

/* In pieces, for a compiler need not take a longer literal. */
static const char usage_commands[] =
    "usage: levin-chaos sweep  [options]   crash states of a workload, at every I/O call\n"
    "       levin-chaos sweep --faults [options]  calls that fail crossed with crashes, and with those of the\n"
    "                                      recoveries, to --depth\n"
    "       levin-chaos faults [options]   every I/O call and allocation made to fail, one at a time\n"
    "       levin-chaos faults --effects   every effect and error that a call may have, at every point\n"
    "       levin-chaos corrupt [options]  single damages to every file: answers right, or LEVIN_CORRUPT\n"
    "       levin-chaos ranges [options]   iterators with every combination of bounds, while the store goes on\n"
    "       levin-chaos schedules [options]  threads of the engine under a seeded scheduler (schedules --help)\n"
    "       levin-chaos chaos  [options]   these, over the machine's own package list, and a table\n"
    "       levin-chaos soak   [options]   real files and threads, killed again and again, and compared\n"
    "       levin-chaos record -- COMMAND  any program: every call that changes files, as a trace\n"
    "       levin-chaos explore TRACE --check COMMAND  what a power cut could leave of it (explore --help)\n"
    "       levin-chaos points [--json]    where calls can be made to fail, with which effects and errors\n"
    "       levin-chaos replay --seed N [--ops N] [--depth N] (--at PATH | --fault NAME |\n"
    "                          --rule RULE --scenario NAME | --chain N | --damage NAME |\n"
    "                          --ranges) [--data FILE]\n"
    "       levin-chaos replay FILE        a finding kept by --save, once more\n"
    "       levin-chaos shrink FILE [--output FILE] [--c]\n"
    "                                      a smaller one that shows the same\n"
    "       levin-chaos merge REPORT...    the reports (--json) of all shards of a campaign as one\n"
    "       levin-chaos stores [STORE...]  the stores that can be struck, their settings, and what is missing\n"
    "       levin-chaos scoreboard [options]  all stores under the same damages; --help lists its options\n";
static const char usage_options[] =
    "\n"
    "  --seed N          first seed (default 1)\n"
    "  --seeds N         so many seeds (default 1; with --budget as many as fit)\n"
    "  --shard I/N       only the Ith of N parts of the seeds; merge joins the reports of all\n"
    "  --ops N           puts and deletes of the workload (sweep 2000, faults and corrupt 160);\n"
    "                    steps of ranges (160)\n"
    "  --small           a workload that comes to less than it should is no failure of the harness\n"
    "  --depth N         2: crash the recovery as well, 3: and its recovery, up to 4 (default 2;\n"
    "                    with --faults 3)\n"
    "  --budget SECONDS  stop after so long; coverage is printed\n"
    "  --data FILE       control stanzas for names and values (chaos: /var/lib/dpkg/status)\n"
    "  --jobs N          worker processes (default: processors online)\n"
    "  --json            the report as JSON on standard output\n"
    "  --junit FILE      the report as JUnit XML, too\n"
    "  --html FILE       and as one self-contained page, with plots when gnuplot is there\n"
    "  --save DIR        each finding as a small file, for replay and shrink\n"
    "  --fail-fast       stop at the first violation\n"
    "  --quiet           no progress line\n"
    "  --at PATH         replay: crash state, POINT.VARIANT[/POINT.VARIANT...]\n"
    "  --fault NAME      replay: fault run, as printed\n"
    "  --faults          sweep: crosses faults with crashes\n"
    "  --effects         faults: every effect and error at every point, instead of every call\n"
    "  --rule RULE       faults, replay: a fault plan of this one rule\n"
    "  --scenario NAME   replay --rule: life, recovery-0, ...\n"
    "  --chains N        of them, so many a seed (default 512)\n"
    "  --chain N         replay: one of them, as printed\n"
    "  --damage NAME     replay: damage, as printed\n"
    "  --damages N       corrupt: so many of each kind to each kind of file, drawn by the seed (default 1000)\n"
    "  --ranges          replay: a seed of ranges\n"
    "  --output FILE     shrink: where the smaller finding goes (default: FILE.min)\n"
    "  --c               shrink: prints it as a C test, and all else on standard error\n"
    "  --exhaustive      corrupt: all there are\n"
    "  --plan FILE       faults: a few lives under this fault plan, and what each of its rules came to\n";
static const char usage_soak[] =
    "  --threads N       soak: threads that write (default 8, at most 64)\n"
    "  --duration SECONDS  soak: how long (default 60)\n"
    "  --lives N         soak: at most so many lives of the process\n"
    "  --fault-every N   soak: in every other life one I/O call in N fails, one allocation in 8 N\n"
    "                    (default 600; 0: none)\n"
    "  --plan FILE       soak: in every other life calls fail by this fault plan, and by no chance unless asked for\n"
    "  --directory DIR   soak: works there and leaves it (default: a new one in $TMPDIR, left after a violation)\n"
    "  --fiu             soak: libfiu's points decide too, and fiu-ctrl reaches the process\n"
    "  --help, --version\n"
    "\n"
    "exit status: 0 nothing found, 1 violation, 2 usage, 3 the harness itself failed, 130 interrupted\n";

static int mistake(const char *what, const char *argument)
{
    fprintf(stderr, "levin-chaos: %s%s%s (see levin-chaos --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return EXIT_USAGE;
}

static bool command_parse(chaos_options *o, const char *text)
{
    static const char *const names[] = { "sweep", "faults", "corrupt", "ranges", "chaos", "replay", "soak",
                                         "points", "shrink" };
    static const chaos_command commands[] = { COMMAND_SWEEP, COMMAND_FAULTS, COMMAND_CORRUPT, COMMAND_RANGES,
                                              COMMAND_CHAOS, COMMAND_REPLAY, COMMAND_SOAK, COMMAND_POINTS,
                                              COMMAND_SHRINK };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(text, names[i])) {
            o->command = commands[i];
            return true;
        }
    return false;
}

#define FAULT_EVERY_UNSAID UINT64_MAX

enum {
    OPT_SEED = 256,
    OPT_SEEDS,
    OPT_SHARD,
    OPT_OPS,
    OPT_DEPTH,
    OPT_BUDGET,
    OPT_DATA,
    OPT_JOBS,
    OPT_JSON,
    OPT_FAIL_FAST,
    OPT_QUIET,
    OPT_SMALL,
    OPT_AT,
    OPT_FAULT,
    OPT_THREADS,
    OPT_DURATION,
    OPT_LIVES,
    OPT_FAULT_EVERY,
    OPT_DIRECTORY,
    OPT_FIU,
    OPT_DAMAGE,
    OPT_DAMAGES,
    OPT_EXHAUSTIVE,
    OPT_PLAN,
    OPT_JUNIT,
    OPT_HTML,
    OPT_RANGES,
    OPT_SAVE,
    OPT_OUTPUT,
    OPT_C,
    OPT_FAULTS,
    OPT_EFFECTS,
    OPT_RULE,
    OPT_SCENARIO,
    OPT_CHAINS,
    OPT_CHAIN,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    { "shard", required_argument, NULL, OPT_SHARD },
    { "seed", required_argument, NULL, OPT_SEED },     { "seeds", required_argument, NULL, OPT_SEEDS },
    { "ops", required_argument, NULL, OPT_OPS },       { "depth", required_argument, NULL, OPT_DEPTH },
    { "budget", required_argument, NULL, OPT_BUDGET }, { "data", required_argument, NULL, OPT_DATA },
    { "jobs", required_argument, NULL, OPT_JOBS },     { "json", no_argument, NULL, OPT_JSON },
    { "fail-fast", no_argument, NULL, OPT_FAIL_FAST }, { "quiet", no_argument, NULL, OPT_QUIET },
    { "small", no_argument, NULL, OPT_SMALL },
    { "at", required_argument, NULL, OPT_AT },         { "fault", required_argument, NULL, OPT_FAULT },
    { "threads", required_argument, NULL, OPT_THREADS }, { "duration", required_argument, NULL, OPT_DURATION },
    { "lives", required_argument, NULL, OPT_LIVES },
    { "fault-every", required_argument, NULL, OPT_FAULT_EVERY },
    { "directory", required_argument, NULL, OPT_DIRECTORY }, { "fiu", no_argument, NULL, OPT_FIU },
    { "help", no_argument, NULL, OPT_HELP },           { "version", no_argument, NULL, OPT_VERSION },
    { "damage", required_argument, NULL, OPT_DAMAGE }, { "damages", required_argument, NULL, OPT_DAMAGES },
    { "exhaustive", no_argument, NULL, OPT_EXHAUSTIVE }, { "ranges", no_argument, NULL, OPT_RANGES },
    { "plan", required_argument, NULL, OPT_PLAN },     { "save", required_argument, NULL, OPT_SAVE },
    { "output", required_argument, NULL, OPT_OUTPUT }, { "c", no_argument, NULL, OPT_C },
    { "faults", no_argument, NULL, OPT_FAULTS },       { "chains", required_argument, NULL, OPT_CHAINS },
    { "chain", required_argument, NULL, OPT_CHAIN },   { "effects", no_argument, NULL, OPT_EFFECTS },
    { "rule", required_argument, NULL, OPT_RULE },     { "scenario", required_argument, NULL, OPT_SCENARIO },
    { "junit", required_argument, NULL, OPT_JUNIT },   { "html", required_argument, NULL, OPT_HTML },
    { NULL, 0, NULL, 0 },
};

/* One option with its argument. -1, or an exit status. */
static int option_parse(chaos_options *o, int option)
{
    uint64_t value = 0;
    switch (option) {
    case OPT_SEED:
        return argument_number(optarg, 0, UINT64_MAX - 1, &o->seed) ? -1 : mistake("--seed wants a number", optarg);
    case OPT_SHARD:
        return shard_parse(optarg, &o->shard) ? -1 : mistake("--shard wants i/n, i from 1 to n", optarg);
    case OPT_SEEDS:
        return argument_number(optarg, 1, 1000000, &o->seeds) ? -1 : mistake("--seeds wants a number from 1", optarg);
    case OPT_OPS:
        if (!argument_number(optarg, 1, 1000000, &value))
            return mistake("--ops wants a number from 1 to 1000000", optarg);
        o->operations = (uint32_t)value;
        return -1;
    case OPT_DEPTH:
        if (!argument_number(optarg, 1, EXPLORE_DEPTH_MAX, &value))
            return mistake("--depth wants a number from 1 to 4", optarg);
        o->depth = o->crossed_depth = (unsigned)value;
        return -1;
    case OPT_JOBS:
        if (!argument_number(optarg, 1, 256, &value))
            return mistake("--jobs wants a number from 1 to 256", optarg);
        o->jobs = (unsigned)value;
        return -1;
    case OPT_BUDGET:
        return argument_seconds(optarg, &o->budget_seconds) ? -1 : mistake("--budget wants seconds", optarg);
    case OPT_DATA:
        o->data = optarg;
        return -1;
    case OPT_AT:
        o->at = optarg;
        return -1;
    case OPT_FAULT:
        o->fault = optarg;
        return -1;
    case OPT_PLAN:
        o->plan = optarg;
        return -1;
    case OPT_DAMAGE:
        o->damage = optarg;
        return -1;
    case OPT_DAMAGES:
        return argument_number(optarg, 1, UINT64_MAX - 1, &o->damages)
                   ? -1
                   : mistake("--damages wants a number from 1", optarg);
    case OPT_JUNIT:
        o->junit = optarg;
        return -1;
    case OPT_HTML:
        o->html = optarg;
        return -1;
    case OPT_SAVE:
        o->save = optarg;
        return -1;
    case OPT_OUTPUT:
        o->output = optarg;
        return -1;
    case OPT_C:
        o->c = true;
        return -1;
    case OPT_FAULTS:
        o->crossed = true;
        return -1;
    case OPT_EFFECTS:
        o->effects = true;
        return -1;
    case OPT_RULE:
        o->rule = optarg;
        return -1;
    case OPT_SCENARIO:
        o->scenario = optarg;
        return -1;
    case OPT_CHAINS:
        return argument_number(optarg, 1, 1000000000, &o->chains)
                   ? -1
                   : mistake("--chains wants a number from 1", optarg);
    case OPT_CHAIN:
        o->chain = optarg;
        return -1;
    case OPT_RANGES:
        o->ranges = true;
        return -1;
    case OPT_EXHAUSTIVE:
        o->exhaustive = true;
        return -1;
    case OPT_JSON:
        o->json = true;
        return -1;
    case OPT_FAIL_FAST:
        o->fail_fast = true;
        return -1;
    case OPT_QUIET:
        o->quiet = true;
        return -1;
    case OPT_SMALL:
        o->small = true;
        return -1;
    case OPT_THREADS:
        if (!argument_number(optarg, 1, SOAK_THREADS_MAX, &value))
            return mistake("--threads wants a number from 1 to 64", optarg);
        o->threads = (unsigned)value;
        return -1;
    case OPT_DURATION:
        return argument_seconds(optarg, &o->duration_seconds) ? -1 : mistake("--duration wants seconds", optarg);
    case OPT_LIVES:
        return argument_number(optarg, 1, UINT64_MAX - 1, &o->lives)
                   ? -1
                   : mistake("--lives wants a number from 1", optarg);
    case OPT_FAULT_EVERY:
        return argument_number(optarg, 0, UINT64_MAX / 16, &o->fault_every) ? -1
                                                                   : mistake("--fault-every wants a number", optarg);
    case OPT_DIRECTORY:
        o->directory = optarg;
        return -1;
    case OPT_FIU:
        o->fiu = true;
        return -1;
    case OPT_HELP:
        printf("%s%s%s", usage_commands, usage_options, usage_soak);
        return EXIT_NOTHING_FOUND;
    case OPT_VERSION:
        printf("levin-chaos %s\n", levin_version());
        return EXIT_NOTHING_FOUND;
    default:
        return mistake("unknown option, or one without its argument", NULL);
    }
}

/* This shard's seeds. */
static int shard_apply(chaos_options *o)
{
    const uint64_t seeds = o->seeds ? o->seeds : 1;
    if (!o->shard.count)
        return -1;
    if (o->command > COMMAND_RANGES || o->budget_seconds > 0)
        return mistake("--shard is for sweep, faults, corrupt and ranges without a budget", NULL);
    if (seeds < o->shard.count)
        return mistake("--shard: fewer seeds than shards", NULL);
    o->seed += shard_first(o->shard, seeds);
    o->seeds = shard_share(o->shard, seeds);
    return -1;
}

int chaos_options_parse(chaos_options *o, int argc, char **argv)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    *o = (chaos_options){
        .seed = 1, .depth = DEPTH_DEFAULT, .crossed_depth = CROSSED_DEPTH_DEFAULT,
        .jobs = online > 0 ? (unsigned)online : 1, .program = argv[0],
        .threads = SOAK_THREADS_DEFAULT, .duration_seconds = SOAK_SECONDS_DEFAULT,
        .fault_every = FAULT_EVERY_UNSAID
    };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        int status = option_parse(o, option);
        if (status >= 0)
            return status;
    }
    if (optind >= argc)
        return mistake("no command", NULL);
    if (!command_parse(o, argv[optind]))
        return mistake("no such command", argv[optind]);
    if (o->fault_every == FAULT_EVERY_UNSAID) /* a plan says itself what fails */
        o->fault_every = o->plan ? 0 : SOAK_FAULT_EVERY_DEFAULT;
    const bool filed = o->command == COMMAND_REPLAY || o->command == COMMAND_SHRINK;
    if (filed && optind + 1 < argc)
        o->file = argv[optind + 1];
    if (optind + 1 + (o->file != NULL) < argc)
        return mistake("too many arguments", argv[optind + 1 + (o->file != NULL)]);
    if (o->command == COMMAND_SHRINK && !o->file)
        return mistake("shrink wants the file of a finding", NULL);
    if (o->command != COMMAND_SHRINK && (o->output || o->c))
        return mistake("--output and --c are for shrink", NULL);
    if (o->save && (filed || o->command == COMMAND_SOAK || o->command == COMMAND_POINTS))
        return mistake("--save is for sweep, faults, corrupt, ranges and chaos", NULL);
    if (o->plan && o->command != COMMAND_FAULTS && o->command != COMMAND_SOAK)
        return mistake("--plan is for faults and soak", NULL);
    if (o->effects && o->command != COMMAND_FAULTS)
        return mistake("--effects is for faults", NULL);
    if (o->rule && o->command != COMMAND_FAULTS && o->command != COMMAND_REPLAY)
        return mistake("--rule is for faults and replay", NULL);
    if ((o->scenario != NULL) != (o->rule != NULL && o->command == COMMAND_REPLAY))
        return mistake("--scenario goes with --rule, for replay", NULL);
    if ((o->plan != NULL) + (o->rule != NULL) + o->effects > 1)
        return mistake("one of --plan, --rule and --effects", NULL);
    if (o->crossed && o->command != COMMAND_SWEEP)
        return mistake("--faults is for sweep", NULL);
    if (o->chains && !o->crossed && o->command != COMMAND_CHAOS)
        return mistake("--chains is for sweep --faults", NULL);
    if ((o->plan || o->rule) && o->budget_seconds > 0)
        return mistake("a plan has no budget: its runs are few", NULL);
    const int asked = (o->at != NULL) + (o->fault != NULL) + (o->damage != NULL) + (o->chain != NULL) + o->ranges +
                      (o->rule != NULL && o->command == COMMAND_REPLAY);
    if (o->command == COMMAND_REPLAY && asked + (o->file != NULL) != 1)
        return mistake("replay wants the file of a finding, or one of --at, --fault, --rule, --chain, --damage and "
                       "--ranges", NULL);
    if (o->command != COMMAND_REPLAY && asked)
        return mistake("--at, --fault, --chain, --damage and --ranges are for replay", NULL);
    if (o->command != COMMAND_CORRUPT && o->command != COMMAND_CHAOS && (o->damages || o->exhaustive))
        return mistake("--damages and --exhaustive are for corrupt", NULL);
    return shard_apply(o);
}
