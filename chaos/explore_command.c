/*
 * explore_command.c - the command line of `levin-chaos explore`, the check by a shell command, and the report.
 *
 * The check runs in a shell of its own process group, with its output in a file whose last line becomes the text of the
 * finding.  Before anything else it is asked about the files as the program left them: one that is not content
 * with those says nothing about a crash.
 *
 * Concurrency: judge_command() runs in guarded children of the workers.
 */
#include "explore_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "argument.h"
#include "crew.h"
#include "options.h"
#include "states.h"

enum { STATES_DEFAULT = 2000, CHECK_SECONDS_DEFAULT = 20, MEMORY_MB_DEFAULT = 4096 };

static const char usage[] =
    "usage: levin-chaos explore TRACE --check 'COMMAND {}' [options]\n"
    "       levin-chaos explore TRACE --list\n"
    "\n"
    "Lays out what a power cut could leave of the files of a recorded program (`levin-chaos record`), state by state,\n"
    "and runs the command on each: {} is the directory with the files, LEVIN_ACKNOWLEDGED names a file with what the\n"
    "program had told its user on standard output before the crash. Its exit status: 0 right, 2 damage detected,\n"
    "3 acknowledged data lost, 4 a hole, 5 a leaked lock, any other: wrong; a signal and a hang are found, too.\n"
    "\n"
    "  --states N        judge at most N distinct states (default 2000; 0: all)\n"
    "  --seed N          which ones, and where torn (default 1)\n"
    "  --assume LIST     what the file system is trusted with: ordered, sync-names, ordered-names, atomic-writes,\n"
    "                    powersafe, size-with-data, atomic-rename; journal: the three about names\n"
    "  --jobs N          states at once (default: processors online)\n"
    "  --budget SECONDS  judge no longer than this\n"
    "  --timeout SECONDS a check that takes longer hangs (default 20)\n"
    "  --memory MB       address space of a check (default 4096; 0: no limit)\n"
    "  --culprits N      search the reason of so many failing states of each outcome (default 32)\n"
    "  --at POINT.VARIANT  this state alone, three times, with its calls\n"
    "  --layout DIR      with --at: leave the files there\n"
    "  --json, --quiet, --help\n"
    "\n"
    "exit status: 0 nothing found, 1 a state fails, 2 usage, 3 the harness or the check failed, 130 interrupted\n";

typedef struct explore_options {
    states_options states;
    const char *trace, *check, *at, *layout, *grants;
    double budget;
    bool json, quiet, list;
} explore_options;

static int mistake(const char *what, const char *argument)
{
    fprintf(stderr, "levin-chaos explore: %s%s%s (see levin-chaos explore --help)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return EXIT_USAGE;
}

/* ---- The check ------------------------------------------------------------------------------------------- */

/* The command with {} replaced by the directory, which has no characters that a shell takes for its own. */
static char *command_of(const char *check, const char *directory)
{
    size_t n = strlen(check) + 1;
    for (const char *at = check; (at = strstr(at, "{}")); at += 2)
        n += strlen(directory);
    char *command = fatal_alloc(n), *to = command;
    while (*check) {
        if (!strncmp(check, "{}", 2)) {
            to = stpcpy(to, directory);
            check += 2;
        } else
            *to++ = *check++;
    }
    *to = 0;
    return command;
}

static void last_line(const char *path, char text[GUARDED_TEXT_BYTES])
{
    char line[GUARDED_TEXT_BYTES];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0])
            memcpy(text, line, sizeof line);
    }
    if (file)
        fclose(file);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

_Noreturn static void check_begin(const char *check, const states_case *c)
{
    char *command = command_of(check, c->directory);
    const int input = open("/dev/null", O_RDONLY), output = open(c->output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (input >= 0)
        dup2(input, STDIN_FILENO);
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        close(output);
    }
    setenv("LEVIN_STATE", c->directory, 1);
    setenv("LEVIN_ACKNOWLEDGED", c->acknowledged, 1);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static outcome judge_command(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    const explore_options *o = context;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        check_begin(o->check, c);
    while (pid < 0 || (waitpid(pid, &status, 0) < 0 && errno == EINTR))
        if (pid < 0)
            fatal("fork: %s", strerror(errno));
    last_line(c->output, text);
    const int exited = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (exited && !text[0])
        snprintf(text, GUARDED_TEXT_BYTES, "the check exited with %d", exited);
    switch (exited) {
    case 0: return OUTCOME_RIGHT;
    case 2: return OUTCOME_DETECTED;
    case 3: return OUTCOME_LOST;
    case 4: return OUTCOME_HOLE;
    case 5: return OUTCOME_LOCK;
    default: return exited > 128 && exited <= 128 + 64 ? OUTCOME_SIGNAL : OUTCOME_WRONG;
    }
}

/* ---- The command line ------------------------------------------------------------------------------------ */

enum {
    OPT_CHECK = 256, OPT_STATES, OPT_SEED, OPT_ASSUME, OPT_JOBS, OPT_BUDGET, OPT_TIMEOUT, OPT_MEMORY, OPT_CULPRITS,
    OPT_AT, OPT_LAYOUT, OPT_JSON, OPT_QUIET, OPT_LIST, OPT_HELP
};

static const struct option long_options[] = {
    { "check", required_argument, NULL, OPT_CHECK },   { "states", required_argument, NULL, OPT_STATES },
    { "seed", required_argument, NULL, OPT_SEED },     { "assume", required_argument, NULL, OPT_ASSUME },
    { "jobs", required_argument, NULL, OPT_JOBS },     { "budget", required_argument, NULL, OPT_BUDGET },
    { "timeout", required_argument, NULL, OPT_TIMEOUT }, { "memory", required_argument, NULL, OPT_MEMORY },
    { "culprits", required_argument, NULL, OPT_CULPRITS }, { "at", required_argument, NULL, OPT_AT },
    { "layout", required_argument, NULL, OPT_LAYOUT }, { "json", no_argument, NULL, OPT_JSON },
    { "quiet", no_argument, NULL, OPT_QUIET },         { "list", no_argument, NULL, OPT_LIST },
    { "help", no_argument, NULL, OPT_HELP },           { NULL, 0, NULL, 0 },
};

static bool seconds(const char *text, double *value)
{
    return argument_seconds(text, value) && *value < 1e9;
}

/* -1, or an exit status. */
static int option_parse(explore_options *o, int option)
{
    uint64_t value = 0;
    const char *bad;
    switch (option) {
    case OPT_CHECK: o->check = optarg; return -1;
    case OPT_AT: o->at = optarg; return -1;
    case OPT_LAYOUT: o->layout = optarg; return -1;
    case OPT_JSON: o->json = true; return -1;
    case OPT_QUIET: o->quiet = true; return -1;
    case OPT_LIST: o->list = true; return -1;
    case OPT_STATES:
        return argument_number(optarg, 0, UINT64_MAX, &o->states.states)
                   ? -1
                   : mistake("--states wants a number", optarg);
    case OPT_SEED:
        return argument_number(optarg, 0, UINT64_MAX, &o->states.seed) ? -1 : mistake("--seed wants a number", optarg);
    case OPT_CULPRITS:
        return argument_number(optarg, 0, 1000000, &o->states.culprits)
                   ? -1
                   : mistake("--culprits wants a number", optarg);
    case OPT_JOBS:
        if (!argument_number(optarg, 1, 256, &value))
            return mistake("--jobs wants a number from 1 to 256", optarg);
        o->states.jobs = (unsigned)value;
        return -1;
    case OPT_MEMORY:
        if (!argument_number(optarg, 0, 1 << 20, &value))
            return mistake("--memory wants megabytes", optarg);
        o->states.limits.memory_bytes = value << 20;
        return -1;
    case OPT_BUDGET: return seconds(optarg, &o->budget) ? -1 : mistake("--budget wants seconds", optarg);
    case OPT_TIMEOUT:
        return seconds(optarg, &o->states.limits.seconds) ? -1 : mistake("--timeout wants seconds", optarg);
    case OPT_ASSUME:
        o->grants = optarg;
        return states_grants_parse(optarg, &o->states.grants, &bad) ? -1 : mistake("--assume does not know this", bad);
    case OPT_HELP: fputs(usage, stdout); return EXIT_NOTHING_FOUND;
    default: return mistake("unknown option, or one without its argument", NULL);
    }
}

/* ---- The report ------------------------------------------------------------------------------------------ */

static void show_progress(void *context, const char *what, uint64_t done, uint64_t all, uint64_t failed)
{
    const explore_options *o = context;
    static double last;
    const double now = crew_clock();
    if (o->quiet || !isatty(STDERR_FILENO) || (now - last < 0.2 && done < all))
        return;
    last = now;
    fprintf(stderr, "\r\033[K%s: %llu of %llu, %llu failing", what, (unsigned long long)done, (unsigned long long)all,
            (unsigned long long)failed);
}

static void wipe_progress(const explore_options *o)
{
    if (!o->quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* Text in single quotes of the shell. */
static void print_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    fputc('\'', to);
}

static void print_replay(const explore_options *o, uint64_t point, uint64_t variant, FILE *to)
{
    fprintf(to, "levin-chaos explore %s --check ", o->trace);
    print_quoted(to, o->check);
    if (o->states.seed != 1)
        fprintf(to, " --seed %llu", (unsigned long long)o->states.seed);
    if (o->grants)
        fprintf(to, " --assume %s", o->grants);
    fprintf(to, " --at %llu.%llu", (unsigned long long)point, (unsigned long long)variant);
}

static void print_finding(const explore_options *o, const states_finding *f, size_t number_of)
{
    printf("\n%zu. %s, in %llu state%s: %s\n", number_of, outcome_text(f->what), (unsigned long long)f->states,
           f->states == 1 ? "" : "s", f->text);
    if (f->searched)
        states_print_culprit(&o->states, &f->why, stdout, "   ");
    else
        printf("   (the reason was not searched: --culprits)\n");
    printf("   replay:  ");
    print_replay(o, f->point, f->variant, stdout);
    printf("\n");
}

static void print_report(const explore_options *o, const states_report *r)
{
    printf("%llu points, %llu variants, %llu distinct states; %llu judged in %.1f s%s\n",
           (unsigned long long)r->points, (unsigned long long)r->enumerated, (unsigned long long)r->distinct,
           (unsigned long long)r->judged, r->seconds, r->complete ? "" : ", cut short");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (r->outcomes[i])
            printf("  %-12s %llu\n", outcome_text((outcome)i), (unsigned long long)r->outcomes[i]);
    for (size_t i = 0; i < r->count; i++)
        print_finding(o, &r->findings[i], i + 1);
    printf("verdict: %s%s\n", r->harness[0] ? "the harness failed: " : r->failing ? "states fail" : "nothing found",
           r->harness[0] ? r->harness : crew_interrupted() ? ", interrupted" : "");
}

static json_t *json_part(const trace *t, const culprit_part *p)
{
    char call[700];
    trace_describe(t, p->entry, call, sizeof call);
    return json_pack("{s:I, s:s, s:b}", "entry", (json_int_t)p->entry + 1, "call", call, "lost",
                     p->fate.kind == FATE_DROP);
}

static json_t *json_finding(const explore_options *o, const states_finding *f)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&line, &bytes);
    if (!to)
        fatal("no memory");
    print_replay(o, f->point, f->variant, to);
    fclose(to);
    json_t *parts = json_array();
    for (size_t i = 0; f->searched && i < f->why.count && i < CULPRIT_PARTS_MAX; i++)
        json_array_append_new(parts, json_part(o->states.trace, &f->why.parts[i]));
    json_t *j = json_pack("{s:s, s:I, s:s, s:I, s:I, s:s, s:o}", "outcome", outcome_text(f->what), "states",
                          (json_int_t)f->states, "text", f->text, "point", (json_int_t)f->point, "variant",
                          (json_int_t)f->variant, "replay", line, "parts", parts);
    if (f->searched) {
        json_object_set_new(j, "assumes", json_string(assumption_word(f->why.what)));
        json_object_set_new(j, "fails_from_point", json_integer((json_int_t)f->why.point));
        json_object_set_new(j, "steady", json_boolean(f->why.steady));
    }
    free(line);
    return j;
}

static void print_json(const explore_options *o, const states_report *r)
{
    json_t *outcomes = json_object(), *found = json_array();
    for (int i = 0; i < OUTCOME_COUNT; i++)
        json_object_set_new(outcomes, outcome_text((outcome)i), json_integer((json_int_t)r->outcomes[i]));
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(found, json_finding(o, &r->findings[i]));
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:f, s:s, s:s, s:o, s:o}", "trace", o->trace, "points",
                          (json_int_t)r->points, "variants", (json_int_t)r->enumerated, "distinct",
                          (json_int_t)r->distinct, "judged", (json_int_t)r->judged, "complete", r->complete, "seconds",
                          r->seconds, "verdict",
                          r->harness[0] ? "the harness failed" : r->failing ? "states fail" : "nothing found",
                          "harness", r->harness, "outcomes", outcomes, "findings", found);
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

/* ---- What is done ---------------------------------------------------------------------------------------- */

static trace *load(const char *path)
{
    trace *t = NULL;
    FILE *file = fopen(path, "rb");
    int error = file ? trace_load(file, &t) : errno;
    if (file)
        fclose(file);
    if (error)
        fprintf(stderr, "levin-chaos: %s: %s\n", path, error == EINVAL ? "not a trace, or damaged" : strerror(error));
    else if (!trace_start(t)) {
        fprintf(stderr, "levin-chaos: %s: not a trace of levin-chaos record\n", path);
        trace_destroy(t);
        t = NULL;
    }
    return t;
}

static int list(const trace *t)
{
    char text[800];
    for (uint64_t i = trace_start(t); i < trace_length(t); i++) {
        trace_describe(t, i, text, sizeof text);
        puts(text);
    }
    return EXIT_NOTHING_FOUND;
}

static int explore_all(const explore_options *o)
{
    states_report *r = fatal_alloc_zeroed(sizeof *r);
    states_explore(&o->states, r);
    wipe_progress(o);
    if (!r->harness[0] && !r->judged && !crew_interrupted())
        snprintf(r->harness, sizeof r->harness, "no state was judged: is the budget too short?");
    if (o->json)
        print_json(o, r);
    else
        print_report(o, r);
    int status = r->harness[0]        ? EXIT_HARNESS
                 : r->failing         ? EXIT_VIOLATION
                 : crew_interrupted() ? EXIT_INTERRUPTED
                                      : EXIT_NOTHING_FOUND;
    free(r);
    return status;
}

/* The state three times, so that what depends on more than the files shows. */
static int explore_one(const explore_options *o)
{
    enum { TIMES = 3 };
    char text[GUARDED_TEXT_BYTES], *end;
    outcome what = OUTCOME_RIGHT, first = OUTCOME_RIGHT;
    culprit why;
    const uint64_t point = strtoull(o->at, &end, 10), variant = *end == '.' ? strtoull(end + 1, &end, 10) : 0;
    if (*end || end == o->at)
        return mistake("--at wants POINT.VARIANT", o->at);
    if (o->layout && mkdir(o->layout, 0755) && errno != EEXIST)
        fatal("%s: %s", o->layout, strerror(errno));
    for (int i = 0; i < TIMES; i++) {
        const bool last = i == TIMES - 1;
        if (!states_replay(&o->states, point, variant, &what, text, last ? &why : NULL, i ? NULL : o->layout))
            return mistake("there is no such state", o->at);
        if (i == 0) {
            first = what;
            states_print_state(&o->states, point, variant, stdout);
        }
        printf("%s%s%s\n", outcome_text(what), text[0] ? ": " : "", text);
        if (what != first) {
            printf("verdict: the check says something else each time\n");
            return EXIT_HARNESS;
        }
    }
    if (what != OUTCOME_RIGHT)
        states_print_culprit(&o->states, &why, stdout, "");
    printf("verdict: %s\n", what == OUTCOME_RIGHT ? "nothing found" : "the state fails");
    return what == OUTCOME_RIGHT ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
}

/* The check must be content with what the program left. */
static bool check_is_sound(const explore_options *o)
{
    char text[GUARDED_TEXT_BYTES] = "";
    const outcome what = states_judge_end(&o->states, text);
    if (what == OUTCOME_RIGHT)
        return true;
    fprintf(stderr, "levin-chaos: the check fails on the files as the program left them, without any crash: %s: %s\n",
            outcome_text(what), text);
    return false;
}

int explore_command(int argc, char **argv)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    explore_options o = { .states = { .seed = 1, .states = STATES_DEFAULT, .jobs = online > 0 ? (unsigned)online : 1,
                                      .culprits = STATES_CULPRITS, .judge = judge_command, .context = &o,
                                      .progress = show_progress,
                                      .limits = { CHECK_SECONDS_DEFAULT, (uint64_t)MEMORY_MB_DEFAULT << 20 } } };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        int status = option_parse(&o, option);
        if (status >= 0)
            return status;
    }
    if (optind + 1 != argc)
        return mistake(optind < argc ? "too many arguments" : "which trace?", optind < argc ? argv[optind + 1] : NULL);
    o.trace = argv[optind];
    if (!o.check && !o.list)
        return mistake("--check wants a command, with {} for the directory", NULL);
    if (o.layout && !o.at)
        return mistake("--layout is for --at", NULL);
    trace *t = load(o.trace);
    if (!t)
        return EXIT_USAGE;
    o.states.trace = t;
    o.states.deadline = o.budget > 0 ? crew_clock() + o.budget : 0;
    crew_catch_signals();
    int status = o.list ? list(t) : !check_is_sound(&o) ? EXIT_HARNESS : o.at ? explore_one(&o) : explore_all(&o);
    trace_destroy(t);
    return status;
}
