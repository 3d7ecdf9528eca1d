/*
 * guarded.c - a child process with limits of time and memory, and what it leaves in a shared page.
 *
 * The end of the child is the end of a pipe that it alone holds the other side of.  A child whose caller dies, dies.
 */
#include "guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "../faults/process_state.h"
#include "crew.h"

enum { SECONDS_DEFAULT = 30 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool limits_memory = false;
#else
static const bool limits_memory = true;
#endif

typedef struct shared {
    volatile bool done;
    outcome what;
    char text[GUARDED_TEXT_BYTES];
} shared;

void text_make_plain(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

const char *outcome_text(outcome what)
{
    static const char *const texts[] = {
#define OUTCOME_TEXT(name, text) text,
        OUTCOMES(OUTCOME_TEXT)
#undef OUTCOME_TEXT
    };
    return (unsigned)what < OUTCOME_COUNT ? texts[what] : "?";
}

bool outcome_is_bad(outcome what)
{
    return what != OUTCOME_RIGHT && what != OUTCOME_DETECTED;
}

/* ---- in the child ---- */

static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, uint64_t value, uint64_t most)
{
    const struct rlimit l = { .rlim_cur = value, .rlim_max = most };
    setrlimit((__rlimit_resource_t)resource, &l);
}

static void limits_set(const guarded_limits *l, double seconds)
{
    static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGTERM, SIGINT };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* so that its own children end with it */
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_CPU, (uint64_t)seconds + 1, (uint64_t)seconds + 6); /* the first is SIGXCPU, the other SIGKILL */
    if (l->memory_bytes && limits_memory)
        limit(RLIMIT_AS, address_space() + l->memory_bytes, address_space() + l->memory_bytes);
    for (size_t i = 0; i < sizeof fatal_signals / sizeof fatal_signals[0]; i++)
        signal(fatal_signals[i], SIG_DFL); /* also those of a sanitizer, which would exit */
    const int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        if (!l->tells)
            dup2(null, STDERR_FILENO);
        close(null);
    }
}

_Noreturn static void child(const guarded_limits *l, double seconds, guarded_body *body, void *context, shared *s)
{
    limits_set(l, seconds);
    s->what = body(context, s->text);
    s->done = true;
    _exit(0);
}

/* ---- in the caller ---- */

/* Ticks that the child and its threads have computed. */
static unsigned long long computed(pid_t pid)
{
    char path[64], line[1024] = "";
    unsigned long long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel) != 2)
        user = kernel = 0;
    fclose(file);
    return user + kernel;
}

/*
 * False when the time is over, or passes without any computing, and the child is still there.  Time in which it stood
 * ready and had no processor does not count: on a busy machine that is most of it.
 */
static bool wait_for_end(pid_t pid, int pipe_end, double seconds, double idle_seconds)
{
    const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    double looked = crew_clock(), end = looked + seconds, idle_since = looked;
    unsigned long long before = 0;
    for (;;) {
        const double now = crew_clock();
        const unsigned long long ticks = computed(pid);
        const bool runnable = process_runnable(pid);
        const double starved = runnable ? now - looked - (double)(ticks - before) * tick : 0;
        end += starved > 0 ? starved : 0;
        if (ticks != before || runnable)
            idle_since = now;
        before = ticks;
        looked = now;
        const double left = end - now, idle_left = idle_since + idle_seconds - now;
        struct pollfd p = { .fd = pipe_end, .events = POLLIN };
        if (left <= 0 || (idle_seconds > 0 && idle_left <= 0))
            return false;
        const double wait = idle_seconds > 0 && idle_left < left ? idle_left : left;
        const int ready = poll(&p, 1, (int)((wait < 1 ? wait : 1) * 1000) + 1);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            fatal("poll: %s", strerror(errno));
    }
}

static void say(char text[GUARDED_TEXT_BYTES], const char *what)
{
    const size_t used = strnlen(text, GUARDED_TEXT_BYTES - 1);
    snprintf(text + used, GUARDED_TEXT_BYTES - used, "%s%s", used ? ": " : "", what);
}

static outcome judge_end(const shared *s, int status, bool in_time, char text[GUARDED_TEXT_BYTES])
{
    char how[64];
    memcpy(text, s->text, GUARDED_TEXT_BYTES);
    text[GUARDED_TEXT_BYTES - 1] = '\0';
    if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
        say(text, "no end in time");
        return OUTCOME_HANG;
    }
    if (WIFSIGNALED(status)) {
        snprintf(how, sizeof how, "SIG%s", sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
        say(text, how);
        return OUTCOME_SIGNAL;
    }
    if (s->done && status == 0)
        return s->what;
    snprintf(how, sizeof how, "exit with status %d", WEXITSTATUS(status));
    say(text, how);
    return OUTCOME_SIGNAL;
}

outcome guarded_run(const guarded_limits *limits, guarded_body *body, void *context, char text[GUARDED_TEXT_BYTES])
{
    const double seconds = limits->seconds > 0 ? limits->seconds : SECONDS_DEFAULT;
    int ends[2], status = 0;
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
        fatal("no room for a child: %s", strerror(errno));
    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0)
        fatal("fork: %s", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        child(limits, seconds, body, context, s);
    }
    close(ends[1]);
    const bool in_time = wait_for_end(pid, ends[0], seconds, limits->idle_seconds);
    if (!in_time)
        kill(pid, SIGKILL);
    kill(-pid, SIGKILL); /* whom it has left behind; before its number is free again */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    const outcome what = judge_end(s, status, in_time, text);
    munmap(s, sizeof *s);
    return what;
}
