/*
 * schedules_command.c - starts levin-chaos-schedules (schedules_command.h).  No threads.
 */
#include "schedules_command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
    const char *const arguments[] = { PROGRAM, shrinks ? "--shrink" : "--replay", o->file,
                                      shrinks && o->output ? "--output" : NULL, o->output, NULL };
    if (o->c) {
        fprintf(stderr, "levin-chaos: a finding of schedules is not written as C\n");
        return EXIT_USAGE;
    }
    return become((char **)(uintptr_t)arguments);
}

int schedules_part(const chaos_options *o, double seconds)
{
    char budget[32], jobs[16], seed[32];
    snprintf(budget, sizeof budget, "%.2f", seconds > 0.5 ? seconds : 0.5);
    snprintf(jobs, sizeof jobs, "%u", o->jobs);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    const char *arguments[16] = { PROGRAM, "--quiet", "--budget", budget, "--jobs", jobs, "--seed", seed };
    unsigned count = 8;
    if (o->fail_fast)
        arguments[count++] = "--fail-fast";
    if (o->save) {
        arguments[count++] = "--save";
        arguments[count++] = o->save;
    }
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (o->json)
            dup2(STDERR_FILENO, STDOUT_FILENO);
        _exit(become((char **)(uintptr_t)arguments));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return EXIT_HARNESS;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_HARNESS;
}
