/*
 * process_state.c - reads /proc/PID/task.  Any thread.
 */
#include "process_state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 96, LINE_BYTES = 512 };

/* The letter behind the name, which may hold anything but ends in the last ')'; 0: the thread is gone. */
static char state_of(pid_t pid, const char *thread)
{
    char path[PATH_BYTES], line[LINE_BYTES] = "";
    snprintf(path, sizeof path, "/proc/%ld/task/%.20s/stat", (long)pid, thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return after && after[1] == ' ' ? after[2] : 0;
}

/* Children begun by that thread. */
static bool children_runnable(pid_t pid, const char *thread)
{
    char path[PATH_BYTES];
    long child;
    bool runnable = false;
    snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", (long)pid, thread);
    FILE *file = fopen(path, "r");
    while (file && !runnable && fscanf(file, "%ld", &child) == 1)
        runnable = process_runnable((pid_t)child);
    if (file)
        fclose(file);
    return runnable;
}

bool process_runnable(pid_t pid)
{
    char path[PATH_BYTES];
    bool runnable = false;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && !runnable && (e = readdir(threads));)
        if (e->d_name[0] != '.')
            runnable = state_of(pid, e->d_name) == 'R' || children_runnable(pid, e->d_name);
    if (threads)
        closedir(threads);
    return runnable;
}
