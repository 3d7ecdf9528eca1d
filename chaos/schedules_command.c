/*
 * schedules_command.c - starts levin-chaos-schedules (schedules_command.h), and reads what it came to as a part of
 * `chaos`.  No threads.
 */
#include "schedules_command.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"

#define PROGRAM "levin-chaos-schedules"
#define MAGIC "levin-schedule "

/* Becomes the program, if it is there. */
static int become(char **argv)
{
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof PROGRAM);
    char *slash = NULL;
    if (length > 0) {
        path[length] = 0;
        slash = strrchr(path, '/');
    }
    if (slash) {
        memcpy(slash + 1, PROGRAM, sizeof PROGRAM);
        execv(path, argv);
    }
    fprintf(stderr, "levin-chaos: " PROGRAM " cannot be started: %s\n", strerror(errno));
    return EXIT_HARNESS;
}

int schedules_command(char **argv)
{
    return become(argv);
}

bool schedules_finding(const char *name)
{
    char text[sizeof MAGIC] = "";
    FILE *file = fopen(name, "r");
    if (!file)
        return false;
    const bool is = fgets(text, sizeof text, file) && !strcmp(text, MAGIC);
    fclose(file);
    return is;
}

int schedules_finding_command(const chaos_options *o)
{
    const bool shrinks = o->command == COMMAND_SHRINK;
    const char *arguments[8] = { PROGRAM, shrinks ? "--shrink" : "--replay", o->file };
    unsigned count = 3;
    if (shrinks && o->output) {
        arguments[count++] = "--output";
        arguments[count++] = o->output;
    }
    if (o->json)
        arguments[count++] = "--json";
    if (o->c) {
        fprintf(stderr, "levin-chaos: a finding of schedules is not written as C\n");
        return EXIT_USAGE;
    }
    return become((char **)(uintptr_t)arguments);
}

/* ---- as a part of chaos ---- */

/* In a child whose standard output is the pipe. */
static _Noreturn void run_part(const chaos_options *o, double seconds, const int pipe_ends[2])
{
    char budget[32], jobs[16], seed[32];
    snprintf(budget, sizeof budget, "%.2f", seconds > 0.5 ? seconds : 0.5);
    snprintf(jobs, sizeof jobs, "%u", o->jobs);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    const char *arguments[16] = { PROGRAM, "--json", "--quiet", "--budget", budget, "--jobs", jobs, "--seed", seed };
    unsigned count = 9;
    if (o->fail_fast)
        arguments[count++] = "--fail-fast";
    if (o->save) {
        arguments[count++] = "--save";
        arguments[count++] = o->save;
    }
    dup2(pipe_ends[1], STDOUT_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    _exit(become((char **)(uintptr_t)arguments));
}

/* A descriptor's bytes until its end, parsed; NULL: no JSON. */
static json_t *read_json(int from)
{
    size_t used = 0, capacity = 64 << 10;
    char *text = fatal_alloc(capacity);
    for (ssize_t n; (n = read(from, text + used, capacity - used)) != 0;) {
        if (n < 0 && errno != EINTR)
            break;
        used += n > 0 ? (size_t)n : 0;
        if (used == capacity)
            text = fatal_realloc(text, capacity *= 2);
    }
    json_t *parsed = json_loadb(text, used, JSON_DISABLE_EOF_CHECK, NULL);
    free(text);
    return parsed;
}

static void take_totals(schedules_report *s, const json_t *o)
{
#define TAKE_COUNT(field, name) s->totals.field = (uint64_t)json_integer_value(json_object_get(o, name));
    CAMPAIGN_COUNTS(TAKE_COUNT)
#undef TAKE_COUNT
    s->distinct = (uint64_t)json_integer_value(json_object_get(o, "distinct"));
    s->seconds = json_number_value(json_object_get(o, "seconds"));
}

static void take_findings(report *r, const json_t *list)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        finding f = { .seed = (uint64_t)json_integer_value(json_object_get(o, "seed")), .phase = "thread schedule" };
        const char *kind = json_string_value(json_object_get(o, "kind"));
        const char *text = json_string_value(json_object_get(o, "text"));
        const char *replay = json_string_value(json_object_get(o, "replay"));
        snprintf(f.promise, sizeof f.promise, "%s", kind ? kind : "?");
        snprintf(f.text, sizeof f.text, "%s", text ? text : "");
        snprintf(f.replay, sizeof f.replay, "%s", replay ? replay : "");
        report_finding(r, DETECTOR_SCHEDULES, &f);
    }
    while (r->found.of[DETECTOR_SCHEDULES] < r->schedules.totals.findings) { /* those of which nobody has told */
        r->found.of[DETECTOR_SCHEDULES]++;
        r->found.count++;
    }
}

void schedules_part(report *r, double seconds)
{
    int ends[2], status = 0;
    report_progress(r, "thread schedules");
    fflush(stdout);
    const pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child == 0)
        run_part(r->options, seconds, ends);
    json_t *told = NULL;
    bool ended = false;
    if (child > 0) {
        close(ends[1]);
        told = read_json(ends[0]);
        close(ends[0]);
        while (!(ended = waitpid(child, &status, 0) == child) && errno == EINTR)
            ;
    }
    report_progress(r, "%s", "");
    const int code = ended && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_HARNESS;
    r->has_schedules = told != NULL;
    if (told) {
        take_totals(&r->schedules, told);
        take_findings(r, json_object_get(told, "found"));
    }
    json_decref(told);
    r->interrupted |= code == EXIT_INTERRUPTED;
    const campaign_totals *t = &r->schedules.totals;
    if (told && code == EXIT_HARNESS && t->undecided && !r->harness[0])
        snprintf(r->harness, sizeof r->harness, "%llu of %llu thread schedules are undecided",
                 (unsigned long long)t->undecided, (unsigned long long)t->schedules);
    const bool agrees = r->found.of[DETECTOR_SCHEDULES] ? code == EXIT_VIOLATION
                                                        : code == EXIT_NOTHING_FOUND || code == EXIT_INTERRUPTED;
    if (!r->harness[0] && (!told || !agrees)) {
        const bool killed = ended && WIFSIGNALED(status);
        snprintf(r->harness, sizeof r->harness, PROGRAM " has failed, with %s %d%s", killed ? "signal" : "status",
                 killed ? WTERMSIG(status) : code, told ? "" : " and without a report");
    }
}
