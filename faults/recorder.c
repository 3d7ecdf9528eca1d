/*
 * recorder.c - a log in shared memory, a child with the library preloaded, and the trace out of the log.
 *
 * The log is a sparse file in $TMPDIR of more bytes than will ever be written, mapped by all; it is gone with the run.
 * The child's standard output is a pipe of ours, known to the library by its inode.
 *
 * Concurrency: the caller's thread; it reads the pipe while the command runs, so a full pipe stops nobody.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fatal.h"
#include "process_state.h"
#include "recorder_log.h"
#include "recording.h"

enum { POLL_MS = 20, LEFT_BEHIND_SECONDS = 10, PIPE_READ_BYTES = 65536 };
#define LOG_BYTES_MOST (UINT64_C(64) << 30)
#define LOG_BYTES_LEAST (UINT64_C(64) << 20)
#ifdef __x86_64__
enum { RECORDER_IS_KNOWN = 1 };
#else
enum { RECORDER_IS_KNOWN = 0 }; /* preload/ is not built */
#endif

typedef struct recorder_run_state {
    const recorder_options *options;
    recorder_log *log;
    char log_path[RECORDER_PATH_MAX];
    int pipe[2];
    trace *trace;
    recording_nodes *nodes;
    pid_t child;
    bool grouped;           /* it is the first of its own process group */
    int stopped;            /* what subreaper was before */
} run_state;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool readable(const char *path)
{
    return access(path, R_OK) == 0;
}

void recorder_library(char *path, size_t capacity)
{
    char program[RECORDER_PATH_MAX];
    const char *given = getenv("LEVIN_RECORDER_LIBRARY");
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    snprintf(path, capacity, "%s", given ? given : "");
    if (given && readable(path))
        return;
    program[n > 0 ? n : 0] = 0;
    /* bin/levin-chaos, test/x_test beside lib/; installed: bin beside lib/levin/ */
    static const char *const beside[] = { "lib/levin-recorder.so", "lib/levin/levin-recorder.so" };
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = 0;
    slash = strrchr(program, '/');
    if (slash)
        slash[1] = 0;
    for (size_t i = 0; slash && i < sizeof beside / sizeof beside[0]; i++) {
        snprintf(path, capacity, "%s%s", program, beside[i]);
        if (readable(path))
            return;
    }
    path[0] = 0;
}

unsigned recorder_plan_refuses(const plan_rules *p, const char **why)
{
    const unsigned hurt = 1u << FAULT_OPEN | 1u << FAULT_READ | 1u << FAULT_WRITE | 1u << FAULT_SYNC |
                          1u << FAULT_TRUNCATE | 1u << FAULT_PREALLOCATE | 1u << FAULT_RENAME | 1u << FAULT_UNLINK |
                          1u << FAULT_MAKE_DIR | 1u << FAULT_SYNC_DIR;
    for (size_t i = 0; i < p->count; i++) {
        const plan_rule *rule = &p->rules[i];
        *why = !(rule->point.operations & hurt) || (rule->after_count && !(rule->after.operations & hurt))
                   ? "the recorder does not hurt such calls of a program"
               : rule->effect == FAULT_CLOCK ? "the recorder cannot move a program's clock"
               : rule->effect == FAULT_ERROR_REVERTED || rule->effect == FAULT_LATE
                   ? "the recorder cannot take back what a program reads, nor fail a sync of later"
                   : NULL;
        if (*why)
            return rule->line;
    }
    return 0;
}

/* ---- The log --------------------------------------------------------------------------------------------- */

static int log_create(run_state *s)
{
    const char *directory = getenv("TMPDIR");
    snprintf(s->log_path, sizeof s->log_path, "%s/levin-recorder-XXXXXX", directory ? directory : "/tmp");
    int fd = mkostemp(s->log_path, O_CLOEXEC), error = 0;
    if (fd < 0) {
        error = errno;
        s->log_path[0] = 0;
        return error;
    }
    uint64_t bytes = LOG_BYTES_MOST;
    while (ftruncate(fd, (off_t)bytes) && bytes > LOG_BYTES_LEAST)
        bytes /= 2;
    void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED)
        error = errno;
    else {
        s->log = at;
        s->log->capacity = bytes;
        atomic_init(&s->log->head, offsetof(recorder_log, records));
    }
    close(fd);
    return error;
}

static int log_fill(run_state *s, char *problem)
{
    const recorder_options *o = s->options;
    recorder_log *log = s->log;
    struct stat root, output;
    if (!realpath(o->directory, log->root) || stat(log->root, &root) || fstat(s->pipe[1], &output))
        return errno;
    if (o->library)
        snprintf(log->library, sizeof log->library, "%s", o->library);
    else
        recorder_library(log->library, sizeof log->library);
    if (!log->library[0] || !readable(log->library)) {
        snprintf(problem, RECORDING_PROBLEM_BYTES, "%s",
                 RECORDER_IS_KNOWN ? "the recorder's library is not there: lib/levin-recorder.so"
                                   : "there is no recorder for this kind of processor: it knows the system calls and "
                                     "registers of x86-64 alone");
        return ENOENT;
    }
    snprintf(log->path, sizeof log->path, "%s", s->log_path);
    log->root_bytes = (uint32_t)strlen(log->root);
    log->root_device = root.st_dev;
    log->root_inode = root.st_ino;
    log->mark_device = output.st_dev;
    log->mark_inode = output.st_ino;
    if (o->plan && plan_state_bytes() > sizeof log->plan_state)
        fatal("a fault plan does not fit the recorder's log");
    if (o->plan) {
        plan_begin_at(log->plan_state, o->plan, o->plan_seed);
        log->planned = 1;
        for (size_t i = 0; i < o->plan->count; i++)
            log->plan_reads |= o->plan->rules[i].point.operations >> FAULT_READ & 1;
    }
    log->magic = RECORDER_MAGIC;
    return 0;
}

/* ---- The command ----------------------------------------------------------------------------------------- */

_Noreturn static void command_begin(const run_state *s, int told)
{
    const recorder_options *o = s->options;
    const char *preload = getenv("LD_PRELOAD");
    char libraries[2 * RECORDER_PATH_MAX];
    snprintf(libraries, sizeof libraries, "%s%s%s", s->log->library, preload && *preload ? ":" : "",
             preload ? preload : "");
    int error = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end a command that hangs */
    const int mark = o->mark ? o->mark : STDOUT_FILENO;
    const int null = mark != STDOUT_FILENO && o->output < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    /* out of the way of what the command is given */
    const int pipe = fcntl(s->pipe[1], F_DUPFD_CLOEXEC, RECORDER_MARK_MOST + 1);
    told = fcntl(told, F_DUPFD_CLOEXEC, RECORDER_MARK_MOST + 1);
    if ((null >= 0 && dup2(null, STDOUT_FILENO) < 0) || (o->errors && dup2(o->errors, STDERR_FILENO) < 0) ||
        dup2(pipe, mark) < 0 ||
        (o->work_in && chdir(o->work_in)))
        error = errno;
    setenv("LD_PRELOAD", libraries, 1);
    setenv(RECORDER_ENVIRONMENT, s->log_path, 1);
    const char *sanitizer = getenv("ASAN_OPTIONS");
    char options[1024];
    snprintf(options, sizeof options, "%s%sverify_asan_link_order=0", sanitizer ? sanitizer : "", sanitizer ? ":" : "");
    setenv("ASAN_OPTIONS", options, 1);
    if (!error) {
        execvp(o->command[0], (char *const *)(uintptr_t)o->command); /* execvp() changes nothing there */
        error = errno;
    }
    ssize_t done = write(told, &error, sizeof error);
    _exit(done == sizeof error ? 127 : 126);
}

/* Begins the command; an exec that fails is told through a pipe that an exec closes. */
static int command_start(run_state *s)
{
    int told[2], error = 0;
    if (pipe2(told, O_CLOEXEC))
        return errno;
    s->grouped = !isatty(STDIN_FILENO); /* otherwise it would be stopped when it reads the terminal */
    s->child = fork();
    if (s->child == 0) {
        if (s->grouped)
            setpgid(0, 0);
        command_begin(s, told[1]);
    }
    if (s->child > 0 && s->grouped)
        setpgid(s->child, s->child);
    if (s->child < 0)
        error = errno;
    close(told[1]);
    if (!error && read(told[0], &error, sizeof error) != sizeof error)
        error = 0;
    close(told[0]);
    if (error && s->child > 0)
        waitpid(s->child, NULL, 0);
    return error;
}

/* Passes on what has come. False: the pipe has ended. */
static bool output_pass(const run_state *s)
{
    char bytes[PIPE_READ_BYTES];
    ssize_t got = read(s->pipe[0], bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        return false;
    const bool wanted = s->options->output >= 0 && (s->options->mark == 0 || s->options->mark == STDOUT_FILENO);
    for (ssize_t done = 0, part; wanted && done < got; done += part) {
        part = write(s->options->output, bytes + done, (size_t)(got - done));
        if (part < 0 && errno != EINTR)
            return true;
        part = part < 0 ? 0 : part;
    }
    return true;
}

/* Until the command has ended, and its children, or they have had their time. */
static void command_wait(run_state *s, recording *result)
{
    const recorder_options *o = s->options;
    const double begun = now();
    double ended = 0, grown = begun;
    uint64_t head = atomic_load(&s->log->head);
    bool open = true, done = false;
    while (!done) {
        struct pollfd look = { s->pipe[0], POLLIN, 0 };
        int status;
        if (open && poll(&look, 1, POLL_MS) > 0 && (look.revents & (POLLIN | POLLHUP)))
            open = output_pass(s);
        else if (!open)
            poll(NULL, 0, POLL_MS);
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) != 0;) {
            if (pid < 0) {
                done = ended > 0 && !open; /* nobody is left */
                if (ended > 0 && open && !(look.revents & POLLIN))
                    done = true;
                break;
            }
            if (pid == s->child) {
                result->status = status;
                ended = now();
            }
        }
        if (atomic_load(&s->log->head) != head || atomic_load(&s->log->lock)) { /* locked: it is comparing maps */
            head = atomic_load(&s->log->head);
            grown = now();
        }
        bool quiet = o->quiet_seconds > 0 && ended == 0 && now() - grown > o->quiet_seconds;
        if (quiet && process_runnable(s->child)) { /* it is busy, or has no processor: no hang that this can tell */
            grown = now();
            quiet = false;
        }
        const bool asked = quiet || (o->seconds > 0 && now() - begun > o->seconds) || (o->stopped && o->stopped());
        if (asked && !result->timed_out) {
            result->timed_out = true;
            result->quiet = quiet;
            kill(s->grouped ? -s->child : s->child, SIGKILL);
        }
        if (ended > 0 && now() - ended > LEFT_BEHIND_SECONDS) {
            snprintf(result->problem, sizeof result->problem, "the command has left processes running");
            done = true;
        }
    }
}

/* From now on nothing is recorded: no record is begun after this, and none is half done. */
static void log_stop(recorder_log *log)
{
    const struct timespec pause = { 0, 1000 * 1000 };
    atomic_store(&log->stopped, 1);
    for (int i = 0; i < 1000; i++) {
        const uint32_t owner = atomic_load(&log->lock);
        if (!owner || (kill((pid_t)owner, 0) && errno == ESRCH))
            return;
        nanosleep(&pause, NULL);
    }
}

static int run(run_state *s, recording *result)
{
    int error = log_create(s);
    if (!error && pipe2(s->pipe, O_CLOEXEC))
        error = errno;
    if (!error)
        error = log_fill(s, result->problem);
    if (!error)
        error = recording_start(s->trace, s->log->root, &s->nodes);
    if (error)
        return error;
    prctl(PR_GET_CHILD_SUBREAPER, &s->stopped, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    error = command_start(s);
    close(s->pipe[1]);
    s->pipe[1] = -1;
    if (!error)
        command_wait(s, result);
    prctl(PR_SET_CHILD_SUBREAPER, s->stopped, 0, 0, 0);
    return error;
}

static void finish(run_state *s, recording *result)
{
    char why[RECORDING_PROBLEM_BYTES];
    log_stop(s->log);
    result->processes = atomic_load(&s->log->processes);
    for (size_t i = 0; s->options->plan && i < s->options->plan->count; i++) {
        result->fired[i] = plan_fired((plan_state *)(void *)s->log->plan_state, i);
        result->matched[i] = plan_matched((plan_state *)(void *)s->log->plan_state, i);
    }
    bool whole = recording_take(s->trace, s->nodes, s->log, why, sizeof why);
    if (whole && !result->processes) {
        snprintf(why, sizeof why, "the library was not loaded: is the program static, or set-user-id?");
        whole = false;
    }
    if (whole) {
        recording_take_maps(s->trace, s->nodes, s->log->root);
        whole = recording_matches(s->trace, s->log->root, why, sizeof why);
    }
    if (!whole && !result->problem[0])
        snprintf(result->problem, sizeof result->problem, "%s", why);
    result->trace = s->trace;
    s->trace = NULL;
}

int recorder_run(const recorder_options *options, recording *result)
{
    run_state s = { .options = options, .pipe = { -1, -1 }, .trace = trace_create() };
    *result = (recording){ .trace = NULL };
    int error = run(&s, result);
    if (error && !result->problem[0])
        snprintf(result->problem, sizeof result->problem, "%s: %s", options->command[0], strerror(error));
    if (!error)
        finish(&s, result);
    for (int i = 0; i < 2; i++)
        if (s.pipe[i] >= 0)
            close(s.pipe[i]);
    if (s.log)
        munmap(s.log, (size_t)s.log->capacity);
    if (s.log_path[0])
        unlink(s.log_path);
    recording_nodes_free(s.nodes);
    trace_destroy(s.trace);
    return error;
}
