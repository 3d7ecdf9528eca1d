/*
 * scratch.c - directory and watcher.  The watcher is a grandchild, so that no waitpid(-1) of the owner meets it, and
 * in a session of its own, so that a Ctrl-C of the terminal does not.
 */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory.h"

static const char *usual_parent(void)
{
    const char *temporary = getenv("TMPDIR");
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : temporary && *temporary ? temporary : "/tmp";
}

/* The owner's descriptors are closed: a pipe of its that this process held would not end. */
_Noreturn static void watch(const char *path, int end)
{
    static const int unheard[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
    char word;
    ssize_t got;
    setsid();
    for (size_t i = 0; i < sizeof unheard / sizeof unheard[0]; i++)
        signal(unheard[i], SIG_IGN);
    const int null = open("/dev/null", O_RDWR);
    if (dup2(end, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
    while ((got = read(STDIN_FILENO, &word, 1)) < 0 && errno == EINTR)
        ;
    if (got == 0)
        directory_remove(path);
    _exit(EXIT_SUCCESS);
}

static bool watcher_begin(scratch *s)
{
    int ends[2];
    if (pipe(ends) != 0) /* not O_CLOEXEC: a program that a child becomes may write to the directory, too */
        return false;
    fflush(NULL);
    const pid_t between = fork();
    if (between == 0) {
        const pid_t watcher = fork();
        if (watcher == 0) {
            close(ends[1]);
            watch(s->path, ends[0]);
        }
        _exit(watcher < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    int status = 0;
    while (between > 0 && waitpid(between, &status, 0) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    s->told = ends[1];
    if (between > 0 && status == 0)
        return true;
    close(ends[1]);
    errno = EAGAIN;
    return false;
}

bool scratch_open(scratch *s, const char *name, const char *parent)
{
    const int bytes = snprintf(s->path, sizeof s->path, "%s/%s-%ld-XXXXXX", parent ? parent : usual_parent(),
                               name, (long)getpid());
    errno = ENAMETOOLONG;
    if (bytes < (int)sizeof s->path && mkdtemp(s->path)) {
        if (watcher_begin(s))
            return true;
        const int error = errno;
        rmdir(s->path);
        errno = error;
    }
    s->path[0] = '\0';
    return false;
}

void scratch_close(scratch *s)
{
    if (!s->path[0])
        return;
    const bool removed = directory_remove(s->path);
    /* it is removed, and the watcher has nothing to do; or it could not be, and shall try when all have ended */
    if (removed && write(s->told, "", 1) != 1)
        perror(s->path);
    close(s->told);
    s->path[0] = '\0';
}
