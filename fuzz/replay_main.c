/*
 * replay_main.c - runs one target over files and directories of inputs, without a fuzzer.
 *
 *   replay_TARGET [-q] [-n TIMES] FILE|DIRECTORY...
 *
 * The exit status is 0 when every input was run; an input that breaks a promise aborts, after its name was printed.
 * What is neither a file nor a directory, and a directory without inputs, are errors: nothing would have been shown.
 * -n runs each input so often (for profiles). Ends with the number of inputs and runs a second of processor time.
 * Concurrency: one thread.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../faults/fatal.h"
#include "fuzz.h"

typedef struct replay {
    unsigned long times, inputs;
    bool quiet;
} replay;

static void replay_file(replay *r, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat stat;
    if (!file || fstat(fileno(file), &stat))
        fatal("%s cannot be read", path);
    /* exactly as large as the input, so that a read past its end is seen */
    size_t size = (size_t)stat.st_size;
    uint8_t *data = fatal_alloc(size ? size : 1);
    if (fread(data, 1, size, file) != size)
        fatal("%s cannot be read", path);
    fclose(file);
    if (!r->quiet) {
        printf("%s\n", path);
        fflush(stdout);
    }
    for (unsigned long i = 0; i < r->times; i++)
        LLVMFuzzerTestOneInput(data, size);
    r->inputs++;
    free(data);
}

static void replay_path(replay *r, const char *path)
{
    struct stat stat_of;
    struct dirent **entries;
    if (stat(path, &stat_of))
        fatal("there is no %s", path);
    if (S_ISREG(stat_of.st_mode)) {
        replay_file(r, path);
        return;
    }
    if (!S_ISDIR(stat_of.st_mode))
        fatal("%s is neither a file nor a directory", path);
    unsigned long before = r->inputs;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        fatal("%s cannot be listed", path);
    for (int i = 0; i < count; i++) {
        char below[4096];
        if (entries[i]->d_name[0] != '.') {
            snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
            replay_path(r, below);
        }
        free(entries[i]);
    }
    free(entries);
    if (r->inputs == before)
        fatal("there are no inputs in %s", path);
}

/* 0: not a number above 0. */
static unsigned long parse_times(const char *text)
{
    char *end;
    unsigned long times = strtoul(text, &end, 10);
    return *text < '0' || *text > '9' || *end ? 0 : times;
}

int main(int argc, char **argv)
{
    replay r = { .times = 1 };
    struct timespec begin, end;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "-q"))
            r.quiet = true;
        else if (!strcmp(argv[at], "-n") && at + 1 < argc)
            r.times = parse_times(argv[++at]);
        else
            at = argc;
    }
    if (at >= argc || !r.times) {
        fprintf(stderr, "usage: %s [-q] [-n TIMES] FILE|DIRECTORY...\n", argv[0]);
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (; at < argc; at++)
        replay_path(&r, argv[at]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    seconds = seconds > 0 ? seconds : 1e-9;
    printf("%lu inputs, %.0f runs/s of CPU\n", r.inputs, (double)(r.inputs * r.times) / seconds);
    return 0;
}
