/*
 * bench_child.c - fork, run, wait.
 */
#include "bench_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void *bench_share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void bench_unshare(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

bench_end bench_child_run(bool (*work)(void *context), void *context)
{
    int status;
    const pid_t parent = getpid();
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "levin-bench: no child process: %s\n", strerror(errno));
        return BENCH_FAILED;
    }
    if (!child) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) /* it died before that */
            _exit(EXIT_FAILURE);
        bool ok = work(context);
        fflush(stderr);
        _exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return BENCH_FAILED;
    if (WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_FAILURE)
        return WEXITSTATUS(status) == EXIT_SUCCESS ? BENCH_DONE : BENCH_FAILED;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return BENCH_KILLED;
    fprintf(stderr, "levin-bench: a child process ended by %s %d\n", WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return BENCH_DIED;
}
