/*
 * gate_sides.c - a scratch directory with one directory a side, where its program stands as a link of the same name
 * and leaves its table, its messages and what callgrind dumps; fork, exec, wait; the directory goes in the end.
 *
 * Ctrl-C and SIGTERM end the children, of which the handler knows, and then this ends.  SIGINT also reaches them from
 * the terminal.
 */
#include "gate_sides.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remove_directory.h"

enum { SCRATCH_BYTES = 512, ARGUMENTS_MAX = 16 };
static const char *const side_name[GATE_SIDES] = { "base", "work" }; /* of one length */

static volatile sig_atomic_t interrupted;
/* 0: not started, or ended. A side leaves before it is waited for: until then nobody else can get its number. */
static volatile pid_t running[GATE_SIDES];

static void end_running(void)
{
    for (int i = 0; i < GATE_SIDES; i++)
        if (running[i] > 0)
            kill(running[i], SIGTERM);
}

static void on_signal(int number)
{
    const int before = errno;
    (void)number;
    interrupted = 1;
    end_running();
    errno = before;
}

static void signals(int how) /* SIG_BLOCK, SIG_UNBLOCK */
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(how, &set, NULL);
}

/* ---- the child ---- */

static void redirect(const char *name, int to)
{
    int descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0 || dup2(descriptor, to) < 0)
        _exit(126);
}

static void __attribute__((noreturn)) child_exec(const char *directory, char *const *arguments)
{
    static char path[PATH_MAX + 8];
    const char *search = getenv("PATH");
    snprintf(path, sizeof path, "PATH=%s", search ? search : "/usr/local/bin:/usr/bin:/bin");
    /* symbols are bound before the first stretch, not within it */
    char bind_now[] = "LD_BIND_NOW=1", locale[] = "LC_ALL=C";
    char *const environment[] = { path, bind_now, locale, NULL };
    if (chdir(directory))
        _exit(126);
    redirect("table", STDOUT_FILENO);
    redirect("messages", STDERR_FILENO);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signals(SIG_UNBLOCK);
    (void)personality(ADDR_NO_RANDOMIZE); /* containers may refuse it: then counts differ a little more */
    execvpe(arguments[0], arguments, environment);
    fprintf(stderr, "levin-gate: %s could not be started: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static pid_t child_start(const char *directory, measure_method method, const char *workloads, unsigned repetitions)
{
    static char program[] = "./gate", run[] = "--run=instructions";
    static char valgrind[][40] = { "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
                                   "--callgrind-out-file=out", "--log-file=valgrind.log" };
    char method_text[64], repetitions_text[64], *arguments[ARGUMENTS_MAX] = { 0 };
    char *workloads_text = malloc(strlen(workloads ? workloads : "") + 32);
    size_t n = 0;
    pid_t pid = -1;
    if (!workloads_text)
        return -1;
    if (method == MEASURE_CALLGRIND)
        for (size_t i = 0; i < sizeof valgrind / sizeof valgrind[0]; i++)
            arguments[n++] = valgrind[i];
    snprintf(method_text, sizeof method_text, "--method=%s", measure_method_text(method));
    snprintf(repetitions_text, sizeof repetitions_text, "--repetitions=%u", repetitions);
    arguments[n++] = program;
    arguments[n++] = run;
    arguments[n++] = method_text;
    arguments[n++] = repetitions_text;
    if (workloads) {
        memcpy(workloads_text, "--workloads=", 13);
        memcpy(workloads_text + 12, workloads, strlen(workloads) + 1);
        arguments[n++] = workloads_text;
    }
    pid = fork();
    if (pid == 0)
        child_exec(directory, arguments);
    free(workloads_text);
    return pid;
}

/* ---- the parent ---- */

static void show_file(const char *directory, const char *name)
{
    char path[GATE_SIDES * SCRATCH_BYTES + 32], line[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        fprintf(stderr, "    %s", line);
    if (f)
        fclose(f);
}

static bool side_prepare(const gate_side *side, const char *directory)
{
    char link_path[GATE_SIDES * SCRATCH_BYTES + 32], program[PATH_MAX];
    snprintf(link_path, sizeof link_path, "%s/gate", directory);
    if (!realpath(side->program, program)) {
        fprintf(stderr, "levin-gate: %s: %s\n", side->program, strerror(errno));
        return false;
    }
    if (mkdir(directory, 0777) || symlink(program, link_path)) {
        fprintf(stderr, "levin-gate: %s could not be prepared: %s\n", directory, strerror(errno));
        return false;
    }
    return true;
}

static bool side_collect(gate_side *side, const char *directory, int status)
{
    char path[GATE_SIDES * SCRATCH_BYTES + 32], message[GATE_MESSAGE_BYTES] = "";
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        bool exited = WIFEXITED(status);
        fprintf(stderr, "levin-gate: %s ended with %s %d:\n", side->program, exited ? "exit code" : "signal",
                exited ? WEXITSTATUS(status) : WTERMSIG(status));
        show_file(directory, "messages");
        show_file(directory, "valgrind.log");
        return false;
    }
    snprintf(path, sizeof path, "%s/table", directory);
    FILE *f = fopen(path, "re");
    bool ok = f && gate_table_read(&side->result, f, message);
    if (f)
        fclose(f);
    if (!ok)
        fprintf(stderr, "levin-gate: what %s printed cannot be read: %s\n", side->program, message);
    return ok;
}

static bool wait_for(int side, int *status)
{
    const pid_t pid = running[side];
    siginfo_t ended;
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT))
        if (errno != EINTR)
            return false;
    running[side] = 0;
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

sides_result gate_sides_run(gate_side sides[GATE_SIDES], measure_method method, const char *workloads,
                            unsigned repetitions)
{
    char scratch[SCRATCH_BYTES - 64], directory[GATE_SIDES][SCRATCH_BYTES];
    int status[GATE_SIDES] = { -1, -1 };
    const char *tmp = getenv("TMPDIR");
    struct sigaction watch = { .sa_handler = on_signal }, old_int, old_term;
    bool ok = true;
    size_t bytes = (size_t)snprintf(scratch, sizeof scratch, "%s/levin-gate-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (bytes >= sizeof scratch || !mkdtemp(scratch)) {
        fprintf(stderr, "levin-gate: a directory could not be made as %s: %s\n", scratch, strerror(errno));
        return SIDES_FAILED;
    }
    interrupted = 0;
    signals(SIG_BLOCK); /* until the handler knows whom to tell */
    sigaction(SIGINT, &watch, &old_int);
    sigaction(SIGTERM, &watch, &old_term);
    for (int i = 0; i < GATE_SIDES && ok; i++) {
        running[i] = 0;
        snprintf(directory[i], sizeof directory[i], "%s/%s", scratch, side_name[i]);
        ok = side_prepare(&sides[i], directory[i]);
        if (ok && (running[i] = child_start(directory[i], method, workloads, repetitions)) < 0) {
            fprintf(stderr, "levin-gate: a process could not be started: %s\n", strerror(errno));
            ok = false;
        }
    }
    if (!ok)
        end_running();
    signals(SIG_UNBLOCK);
    for (int i = 0; i < GATE_SIDES; i++)
        if (running[i] > 0)
            ok = wait_for(i, &status[i]) && ok;
    for (int i = 0; i < GATE_SIDES && ok && !interrupted; i++)
        ok = side_collect(&sides[i], directory[i], status[i]);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    (void)remove_directory(scratch);
    return interrupted ? SIDES_INTERRUPTED : ok ? SIDES_OK : SIDES_FAILED;
}
