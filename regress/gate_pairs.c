/*
 * gate_pairs.c - fork, sh -c, wait4; what the command prints goes into a pipe and is read as rows, or to /dev/null.
 */
#include "gate_pairs.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../faults/random.h"
#include "gate_slices.h"

enum { A, B, COMMANDS };

typedef struct run_result {
    double value[PAIRS_METRIC_COUNT]; /* but for the rows */
    gate_table rows;
} run_result;

const char *pairs_metric_text(pairs_metric metric)
{
    static const char *const text[] = {
#define PAIRS_METRIC_TEXT(name, words) words,
        PAIRS_METRICS(PAIRS_METRIC_TEXT)
#undef PAIRS_METRIC_TEXT
    };
    return text[metric];
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double ns_of(struct timeval t)
{
    return ((double)t.tv_sec * 1e6 + (double)t.tv_usec) * 1000;
}

static void __attribute__((noreturn)) child(const char *command, int out, pid_t parent)
{
    char shell[] = "sh", flag[] = "-c", *text = strdup(command);
    char *arguments[] = { shell, flag, text, NULL };
    int to = out >= 0 ? out : open("/dev/null", O_WRONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!text || getppid() != parent || to < 0 || dup2(to, STDOUT_FILENO) < 0)
        _exit(126);
    execv("/bin/sh", arguments);
    _exit(127);
}

static bool take_rows(int from, const char *command, gate_table *rows)
{
    char message[GATE_MESSAGE_BYTES] = "";
    FILE *f = fdopen(from, "r");
    bool ok = f && gate_table_read(rows, f, message);
    char rest[4096];
    while (f && fread(rest, 1, sizeof rest, f) > 0) /* so that it does not die of a full pipe */
        continue;
    if (f)
        fclose(f);
    if (!ok)
        fprintf(stderr, "levin-gate: what '%s' printed cannot be read as rows: %s\n", command, message);
    return ok;
}

static time_outcome run_once(const char *command, bool rows, run_result *r)
{
    int ends[2] = { -1, -1 }, status = 0;
    struct rusage used;
    const pid_t parent = getpid();
    *r = (run_result){ 0 };
    if (rows && pipe2(ends, O_CLOEXEC)) {
        fprintf(stderr, "levin-gate: a pipe could not be made: %s\n", strerror(errno));
        return TIME_FAILED;
    }
    const double begun = now_ns();
    pid_t pid = fork();
    if (pid == 0)
        child(command, ends[1], parent);
    if (ends[1] >= 0)
        close(ends[1]);
    const bool read = !rows || take_rows(ends[0], command, &r->rows);
    while (pid > 0 && wait4(pid, &status, 0, &used) < 0)
        if (errno != EINTR)
            return TIME_FAILED;
    if (pid > 0 && WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
        return TIME_INTERRUPTED;
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "levin-gate: '%s' ended with %s %d\n", command, WIFEXITED(status) ? "exit code" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        return TIME_FAILED;
    }
    r->value[PAIRS_WALL] = now_ns() - begun;
    r->value[PAIRS_USER] = ns_of(used.ru_utime);
    r->value[PAIRS_CPU] = ns_of(used.ru_utime) + ns_of(used.ru_stime);
    r->value[PAIRS_RSS] = (double)used.ru_maxrss * 1024;
    return read ? TIME_OK : TIME_FAILED;
}

/* Values of 0 have no ratio: both must be there. */
static void take_pair(time_result *result, const char *name, double a, double b)
{
    time_row *row = gate_time_row(result, name, 1);
    if (!row || row->settled || row->processes == TIME_PROCESSES_MAX || a <= 0 || b <= 0)
        return;
    row->ratio[row->processes] = log(b / a);
    row->base_ns[row->processes] = a;
    row->now_ns[row->processes++] = b;
}

/* A row of one that the other has not got, or of 0 beside more than 0, has no ratio, and is not passed over. */
static bool has_ratio(const gate_row *row, const gate_row *other)
{
    const char *why = !other                          ? "is printed by one of the two alone"
                      : !row->value != !other->value ? "is 0 with one of the two, which has no ratio"
                                                      : NULL;
    if (why)
        fprintf(stderr, "levin-gate: the row %s,%s %s: --counters compares exactly, --workloads leaves out\n",
                row->workload, row->counter, why);
    return !why;
}

static bool take_rows_of_both(const pairs_options *o, time_result *result, const run_result r[COMMANDS])
{
    for (int from = A; from <= B; from++)
        for (size_t i = 0; i < r[from].rows.count; i++) {
            const gate_row *row = &r[from].rows.rows[i];
            char name[2 * GATE_NAME_BYTES];
            if (!gate_list_holds(o->time->workloads, row->workload))
                continue;
            const gate_row *other = gate_table_find(&r[from == A ? B : A].rows, row->workload, row->counter);
            if (!has_ratio(row, other))
                return false;
            if (from == B || !row->value)
                continue;
            snprintf(name, sizeof name, "%s.%s", row->workload, row->counter);
            /* of more, Holm's correction asks for less than the resampling can say, and no row could be slower */
            if (!gate_time_row(result, name, 1) ||
                (double)result->count > o->time->alpha * (BOOTSTRAP_RESAMPLES + 1)) {
                fprintf(stderr, "levin-gate: too many rows, %d at most with --alpha=0.01: choose with --workloads\n",
                        TIME_WORKLOADS_MAX);
                return false;
            }
            take_pair(result, name, (double)row->value, (double)other->value);
        }
    return true;
}

static bool take_both(const pairs_options *o, time_result *result, const run_result r[COMMANDS])
{
    for (pairs_metric m = 0; m < PAIRS_ROWS; m++)
        if (o->metrics & 1u << m)
            take_pair(result, pairs_metric_text(m), r[A].value[m], r[B].value[m]);
    return take_rows_of_both(o, result, r);
}

static time_outcome one_pair(const pairs_options *o, random_stream *random, time_result *result)
{
    const char *const command[COMMANDS] = { o->a, o->b };
    const int first = (int)random_below(random, COMMANDS);
    const bool rows = o->metrics & 1u << PAIRS_ROWS;
    run_result r[COMMANDS] = { { { 0 }, { 0 } } };
    time_outcome outcome = run_once(command[first], rows, &r[first]);
    if (outcome == TIME_OK)
        outcome = run_once(command[!first], rows, &r[!first]);
    if (outcome == TIME_OK && result && !take_both(o, result, r))
        outcome = TIME_FAILED;
    gate_table_fini(&r[A].rows);
    gate_table_fini(&r[B].rows);
    return outcome;
}

time_outcome gate_pairs_run(const pairs_options *o, time_result *result)
{
    random_stream random = random_open(o->time->seed, 1);
    const time_end end = gate_time_end(o->time);
    *result = (time_result){ .rows = calloc(TIME_WORKLOADS_MAX, sizeof(time_row)) };
    if (!result->rows)
        return TIME_FAILED;
    time_outcome outcome = one_pair(o, &random, NULL);
    for (unsigned round = 0; round < o->time->rounds && outcome == TIME_OK; round++) {
        for (unsigned i = 0; i < o->time->round && outcome == TIME_OK && gate_time_left_ms(end); i++)
            outcome = one_pair(o, &random, result);
        if (outcome == TIME_OK)
            gate_time_look(result->rows, result->count, o->time);
        if (gate_time_settled(result) || !gate_time_left_ms(end))
            break;
    }
    gate_time_finish(result);
    return outcome;
}

time_outcome gate_pairs_counters(const pairs_options *o, gate_table *a, gate_table *b)
{
    const char *const command[COMMANDS] = { o->a, o->b };
    gate_table *const table[COMMANDS] = { a, b };
    time_outcome outcome = TIME_OK;
    for (int i = 0; i < COMMANDS && outcome == TIME_OK; i++) {
        run_result once, again = { { 0 }, { 0 } };
        outcome = run_once(command[i], true, &once);
        if (outcome == TIME_OK)
            outcome = run_once(command[i], true, &again);
        gate_table_sort(&once.rows);
        gate_table_sort(&again.rows);
        if (outcome == TIME_OK && gate_table_compare(&once.rows, &again.rows, NULL, NULL)) {
            fprintf(stderr, "levin-gate: '%s' does not print the same at a second run: --metric=rows compares such\n",
                    command[i]);
            outcome = TIME_FAILED;
        }
        *table[i] = once.rows;
        gate_table_fini(&again.rows);
    }
    return outcome;
}
