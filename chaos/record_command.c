/*
 * record_command.c - the command line of `levin-chaos record`.
 *
 * The command's own output goes to standard output, everything of ours to standard error, so that it can stand in a
 * pipe.  An interrupt kills the command, and what was recorded until then is kept.
 */
#include "record_command.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "../faults/plan.h"
#include "../faults/recorder.h"
#include "../faults/recorder_log.h"
#include "argument.h"
#include "crew.h"
#include "options.h"

/* A trace of the current directory lies in it, and is not there yet when it is compared. */
#define OUTPUT_DEFAULT "levin-chaos.trace"

static const char usage[] =
    "usage: levin-chaos record [options] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs the command and records every call that it and its children make to files below a directory, with the\n"
    "bytes, for `levin-chaos explore`. What it writes to its standard output counts as told to its user then.\n"
    "\n"
    "  --output FILE      the trace (default " OUTPUT_DEFAULT ")\n"
    "  --dir DIR          what is recorded (default: the current directory)\n"
    "  --plan FILE        calls are hurt by this fault plan (faults/README.md)\n"
    "  --mark FD          the promises come on this descriptor (3 to 255), not on standard output\n"
    "  --seed N           for the draws of the plan (default 1)\n"
    "  --timeout SECONDS  the command is killed after so long (default: never)\n"
    "  --json             the summary as JSON on standard error\n"
    "  --quiet            no summary\n"
    "  --help\n"
    "\n"
    "exit status: 0 recorded, 1 recorded but the command failed, 2 usage, 3 the trace is not whole, 130 interrupted\n";

typedef struct record_options {
    const char *output, *directory, *plan;
    int mark;
    uint64_t seed;
    double timeout;
    bool json, quiet;
    plan_rules rules;
} record_options;

static int mistake(const char *what, const char *argument)
{
    fprintf(stderr, "levin-chaos record: %s%s%s (see levin-chaos record --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return EXIT_USAGE;
}

enum { OPT_OUTPUT = 256, OPT_DIR, OPT_PLAN, OPT_SEED, OPT_TIMEOUT, OPT_JSON, OPT_QUIET, OPT_MARK, OPT_HELP };

static const struct option long_options[] = {
    { "output", required_argument, NULL, OPT_OUTPUT }, { "dir", required_argument, NULL, OPT_DIR },
    { "plan", required_argument, NULL, OPT_PLAN },     { "seed", required_argument, NULL, OPT_SEED },
    { "timeout", required_argument, NULL, OPT_TIMEOUT }, { "json", no_argument, NULL, OPT_JSON },
    { "quiet", no_argument, NULL, OPT_QUIET },         { "mark", required_argument, NULL, OPT_MARK },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

/* -1, or an exit status. */
static int option_parse(record_options *o, int option)
{
    char *end;
    errno = 0;
    switch (option) {
    case OPT_OUTPUT: o->output = optarg; return -1;
    case OPT_DIR: o->directory = optarg; return -1;
    case OPT_PLAN: o->plan = optarg; return -1;
    case OPT_SEED:
        return argument_number(optarg, 0, UINT64_MAX, &o->seed) ? -1 : mistake("--seed wants a number", optarg);
    case OPT_TIMEOUT:
        return argument_seconds(optarg, &o->timeout) ? -1 : mistake("--timeout wants seconds", optarg);
    case OPT_MARK:
        o->mark = (int)strtol(optarg, &end, 10);
        return !errno && end != optarg && !*end && o->mark >= 3 && o->mark <= RECORDER_MARK_MOST
                   ? -1
                   : mistake("--mark wants a descriptor from 3 to 255", optarg);
    case OPT_JSON: o->json = true; return -1;
    case OPT_QUIET: o->quiet = true; return -1;
    case OPT_HELP: fputs(usage, stdout); return EXIT_NOTHING_FOUND;
    default: return mistake("unknown option, or one without its argument", NULL);
    }
}

/* Reads the plan and looks at it, before anything is begun. -1, or an exit status. */
static int plan_read(record_options *o)
{
    enum { PLAN_BYTES_MOST = 16000 };
    plan_error error;
    const char *why;
    FILE *file = fopen(o->plan, "r");
    if (!file) {
        fprintf(stderr, "levin-chaos: %s: %s\n", o->plan, strerror(errno));
        return EXIT_USAGE;
    }
    char *text = fatal_alloc(PLAN_BYTES_MOST);
    const size_t bytes = fread(text, 1, PLAN_BYTES_MOST, file);
    const bool whole = bytes < PLAN_BYTES_MOST && !ferror(file);
    const bool good = whole && plan_parse(&o->rules, text, bytes, &error);
    free(text);
    fclose(file);
    if (!whole)
        return mistake("the plan cannot be read, or is too long", o->plan);
    const unsigned line = good ? recorder_plan_refuses(&o->rules, &why) : 0;
    if (good && !line)
        return -1;
    if (good)
        fprintf(stderr, "%s:%u: %s\n", o->plan, line, why);
    else
        fprintf(stderr, "%s:%u:%u: %s\n", o->plan, error.line, error.column, error.text);
    return EXIT_USAGE;
}

typedef struct totals {
    uint64_t calls, writes, bytes, syncs, names, marks, notes;
    uint32_t threads;
} totals;

static totals count(const trace *t)
{
    totals n = { 0 };
    for (uint64_t i = trace_start(t); i < trace_length(t); i++) {
        const trace_entry *e = trace_at(t, i);
        n.threads = e->thread > n.threads ? e->thread : n.threads;
        n.calls++;
        switch (e->op) {
        case TRACE_WRITE:
            n.writes++;
            n.bytes += e->bytes;
            break;
        case TRACE_SYNC: case TRACE_SYNC_DIR: case TRACE_SYNC_RANGE: case TRACE_SYNC_ALL: n.syncs++; break;
        case TRACE_CREATE: case TRACE_MAKE_DIR: case TRACE_LINK: case TRACE_RENAME: case TRACE_UNLINK: n.names++; break;
        case TRACE_MARK: n.marks++; break;
        case TRACE_NOTE: n.notes++; break;
        default: break;
        }
    }
    return n;
}

static void summary_json(const record_options *o, const recording *r, const totals *n)
{
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:s}", "trace", o->output, "calls",
                          (json_int_t)n->calls, "writes", (json_int_t)n->writes, "bytes", (json_int_t)n->bytes, "syncs",
                          (json_int_t)n->syncs, "names", (json_int_t)n->names, "marks", (json_int_t)n->marks, "notes",
                          (json_int_t)n->notes, "programs", (json_int_t)r->processes, "threads", (json_int_t)n->threads,
                          "status", r->status, "problem", r->problem);
    json_dumpf(j, stderr, JSON_INDENT(2));
    fputc('\n', stderr);
    json_decref(j);
}

static void summary(const record_options *o, const recording *r, const totals *n)
{
    char text[600];
    fprintf(stderr, "recorded: %llu calls of %u threads in %llu programs: %llu writes (%llu bytes), %llu syncs, "
            "%llu changes of names, %llu lines to the user; trace: %s\n", (unsigned long long)n->calls,
            (unsigned)n->threads, (unsigned long long)r->processes, (unsigned long long)n->writes,
            (unsigned long long)n->bytes, (unsigned long long)n->syncs, (unsigned long long)n->names,
            (unsigned long long)n->marks, o->output);
    for (uint64_t i = trace_start(r->trace); n->notes && i < trace_length(r->trace); i++)
        if (trace_at(r->trace, i)->op == TRACE_NOTE) {
            trace_describe(r->trace, i, text, sizeof text);
            fprintf(stderr, "%s: %s\n", strstr(text, RECORDER_FAULT) ? "hurt" : "not recorded", text);
        }
    for (size_t i = 0; o->plan && i < o->rules.count; i++)
        fprintf(stderr, "%s:%u: matched %llu calls, fired %llu times\n", o->plan, o->rules.rules[i].line,
                (unsigned long long)r->matched[i], (unsigned long long)r->fired[i]);
    if (WIFSIGNALED(r->status))
        fprintf(stderr, "the command was ended by SIG%s%s\n", sigabbrev_np(WTERMSIG(r->status)),
                r->timed_out ? ", for it took too long" : "");
    else if (WEXITSTATUS(r->status))
        fprintf(stderr, "the command exited with %d\n", WEXITSTATUS(r->status));
}

static bool save(const record_options *o, const trace *t)
{
    FILE *file = fopen(o->output, "wb");
    int error = file ? trace_save(t, file) : errno;
    if (file && fclose(file) && !error)
        error = errno;
    if (error)
        fprintf(stderr, "levin-chaos: %s: %s\n", o->output, strerror(error));
    return !error;
}

static int record(const record_options *o, char **command)
{
    recording r;
    crew_catch_signals();
    recorder_options options = { .directory = o->directory, .command = (const char *const *)command,
                                 .output = STDOUT_FILENO, .mark = o->mark,
                                 .plan = o->plan ? &o->rules : NULL, .plan_seed = o->seed,
                                 .seconds = o->timeout, .stopped = crew_interrupted };
    int error = recorder_run(&options, &r);
    if (error) {
        fprintf(stderr, "levin-chaos: %s\n", r.problem);
        return error == ENOENT && strncmp(r.problem, "the recorder", 12) ? EXIT_USAGE : EXIT_HARNESS;
    }
    totals n = count(r.trace);
    int status = save(o, r.trace) ? EXIT_NOTHING_FOUND : EXIT_HARNESS;
    if (!status && o->json)
        summary_json(o, &r, &n);
    else if (!status && !o->quiet)
        summary(o, &r, &n);
    if (r.problem[0]) {
        fprintf(stderr, "levin-chaos: the trace is not whole: %s\n", r.problem);
        status = EXIT_HARNESS;
    }
    if (!status && r.status)
        status = crew_interrupted() ? EXIT_INTERRUPTED : EXIT_VIOLATION;
    trace_destroy(r.trace);
    return status;
}

int record_command(int argc, char **argv)
{
    record_options o = { .output = OUTPUT_DEFAULT, .directory = ".", .seed = 1 };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1;) {
        int status = option_parse(&o, option);
        if (status >= 0)
            return status;
    }
    if (optind >= argc)
        return mistake("no command to record", NULL);
    if (o.plan) {
        int status = plan_read(&o);
        if (status >= 0)
            return status;
    }
    return record(&o, argv + optind);
}
