/*
 * gate_time.c - rounds of processes, a look after each; a workload that is settled is not run again.
 *
 * A process is pinned to one processor, another one each time.  It dies with its parent, and by a timer, which stays
 * through exec, when the time of the decision is over; which side was the faster in it has no say in that.
 */
#include "gate_time.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monotonic.h"

enum { PATH_BYTES = 1024, LIST_BYTES = TIME_WORKLOADS_MAX * (2 * GATE_NAME_BYTES + 1) };

const char *time_verdict_text(time_verdict verdict)
{
    static const char *const text[] = {
#define TIME_VERDICT_TEXT(name, words) words,
        TIME_VERDICTS(TIME_VERDICT_TEXT)
#undef TIME_VERDICT_TEXT
    };
    return text[verdict];
}

/* ---- the look ---- */

static time_verdict verdict_of(const time_row *row, bool above, bool below, double margin)
{
    if (above)
        return TIME_SLOWER;
    if (below)
        return TIME_FASTER;
    return row->b.upper < margin && row->b.lower > -margin ? TIME_SAME : TIME_UNDECIDED;
}

/* Whether there is enough that the last look has not seen. */
static bool wants_look(const time_row *row, const time_options *o)
{
    return !row->settled && row->processes >= o->round && 2 * (row->processes - row->looked_at) >= o->round;
}

void gate_time_look(time_row *rows, size_t count, const time_options *o)
{
    double above[TIME_WORKLOADS_MAX] = { 0 }, below[TIME_WORKLOADS_MAX] = { 0 };
    bool is_above[TIME_WORKLOADS_MAX], is_below[TIME_WORKLOADS_MAX], looks[TIME_WORKLOADS_MAX];
    for (size_t i = 0; i < count; i++) {
        time_row *row = &rows[i];
        looks[i] = wants_look(row, o);
        if (looks[i]) {
            row->b = statistics_bootstrap(row->ratio, row->processes, 1 - 2 * o->alpha, o->floor, o->seed + i);
            row->smallest = o->floor + (row->b.estimate - row->b.lower) + 1.645 * row->b.standard_error;
            row->looked_at = row->processes;
        }
        above[i] = row->looked_at ? row->b.p_above : 1;
        below[i] = row->looked_at ? row->b.p_below : 1;
    }
    statistics_holm(above, count, o->alpha, is_above);
    statistics_holm(below, count, o->alpha, is_below);
    for (size_t i = 0; i < count; i++) {
        if (!looks[i])
            continue;
        rows[i].verdict = verdict_of(&rows[i], is_above[i], is_below[i], TIME_SAME_FLOORS * o->floor);
        rows[i].slower_looks = rows[i].verdict == TIME_SLOWER ? rows[i].slower_looks + 1 : 0;
        rows[i].settled = rows[i].verdict == TIME_SAME || rows[i].verdict == TIME_FASTER || rows[i].slower_looks >= 2;
    }
}

bool gate_time_settled(const time_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        if (!result->rows[i].settled)
            return false;
    return true;
}

void gate_time_finish(time_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        time_row *row = &result->rows[i];
        if (row->verdict == TIME_SLOWER && row->slower_looks < 2)
            row->verdict = TIME_UNDECIDED; /* the last look alone is not enough */
        result->slower += row->verdict == TIME_SLOWER;
        result->undecided += row->verdict == TIME_UNDECIDED;
    }
}

time_end gate_time_end(const time_options *o)
{
    return o->decision_ms ? monotonic_ns() + (uint64_t)o->decision_ms * 1000000u : UINT64_MAX;
}

uint64_t gate_time_left_ms(time_end end)
{
    const uint64_t now = monotonic_ns();
    return end == UINT64_MAX ? UINT64_MAX : end > now ? (end - now) / 1000000u : 0;
}

/* ---- one process ---- */

static void pin(unsigned turn)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return;
    unsigned nth = turn % (unsigned)CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
            return;
        }
}

/* SIGALRM then, which nothing handles. */
static bool end_after(uint64_t ms)
{
    ms += !ms; /* 0 would be never */
    const struct itimerval timer = { .it_value = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) } };
    return ms == UINT64_MAX || !setitimer(ITIMER_REAL, &timer, NULL);
}

static void __attribute__((noreturn)) child(const time_options *o, const char *base, const char *now, unsigned turn,
                                            const char *workloads, int out, pid_t parent, uint64_t left_ms)
{
    static char text[4][LIST_BYTES + PATH_BYTES];
    char seed[64], run[] = "--run=slices";
    char program[] = "levin-gate";
    snprintf(text[0], sizeof text[0], "--base-sides=%s", base);
    snprintf(text[1], sizeof text[1], "--now-sides=%s", now);
    snprintf(text[2], sizeof text[2], "--workloads=%s", workloads);
    snprintf(text[3], sizeof text[3], "--slice-budget=%u", o->budget_ms);
    snprintf(seed, sizeof seed, "--seed=%llu", (unsigned long long)o->seed * 1000003u + turn);
    char *arguments[] = { program, run, text[0], text[1], text[2], text[3], seed, NULL };
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(out, STDOUT_FILENO) < 0 || !end_after(left_ms))
        _exit(126);
    pin(turn);
    setenv("LD_BIND_NOW", "1", 1);
    execv(o->program, arguments);
    fprintf(stderr, "levin-gate: %s could not be started: %s\n", o->program, strerror(errno));
    _exit(127);
}

time_row *gate_time_row(time_result *result, const char *workload, uint64_t operations)
{
    for (size_t i = 0; i < result->count; i++)
        if (!strcmp(result->rows[i].workload, workload))
            return &result->rows[i];
    if (result->count == TIME_WORKLOADS_MAX)
        return NULL;
    time_row *row = &result->rows[result->count++];
    snprintf(row->workload, sizeof row->workload, "%s", workload);
    row->operations = operations;
    return row;
}

static void take_line(time_result *result, const char *line)
{
    char workload[GATE_NAME_BYTES];
    unsigned long long operations;
    double ratio, base_ns, now_ns;
    unsigned pairs;
    if (sscanf(line, "slices %47s %llu %u %lf %lf %lf", workload, &operations, &pairs, &ratio, &base_ns, &now_ns) != 6)
        return;
    time_row *row = gate_time_row(result, workload, operations);
    if (row && row->processes < TIME_PROCESSES_MAX) {
        row->ratio[row->processes] = ratio;
        row->base_ns[row->processes] = base_ns;
        row->now_ns[row->processes++] = now_ns;
    }
}

static time_outcome one_process(const time_options *o, const char *base, const char *now, unsigned turn,
                                const char *workloads, time_end end, time_result *result)
{
    const uint64_t left_ms = gate_time_left_ms(end);
    int ends[2], status = 0;
    char line[512];
    const pid_t parent = getpid();
    if (pipe(ends)) {
        fprintf(stderr, "levin-gate: a pipe could not be made: %s\n", strerror(errno));
        return TIME_FAILED;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(o, base, now, turn, workloads, ends[1], parent, left_ms);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    while (from && fgets(line, sizeof line, from))
        take_line(result, line);
    if (from)
        fclose(from);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid > 0 && WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
        return TIME_INTERRUPTED;
    if (pid > 0 && ((WIFEXITED(status) && !WEXITSTATUS(status)) ||
                    (end != UINT64_MAX && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)))
        return TIME_OK;
    fprintf(stderr, "levin-gate: a process of the time tier ended with %s %d\n",
            WIFSIGNALED(status) ? "signal" : "exit code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return TIME_FAILED;
}

/* ---- all of them ---- */

static unsigned count_links(const char *directory)
{
    char path[PATH_BYTES];
    unsigned n = 0;
    do
        snprintf(path, sizeof path, "%s/%u.so", directory, n);
    while (!access(path, R_OK) && ++n);
    return n;
}

/* What is not settled yet, as a list; false when there is nothing. */
static bool list_unsettled(const time_result *result, char list[LIST_BYTES])
{
    size_t at = 0;
    for (size_t i = 0; i < result->count; i++)
        if (!result->rows[i].settled)
            at += (size_t)snprintf(list + at, LIST_BYTES - at, "%s%s", at ? "," : "", result->rows[i].workload);
    return at;
}

time_outcome gate_time_run(const time_options *o, time_result *result)
{
    char base[PATH_BYTES], now[PATH_BYTES], list[LIST_BYTES];
    const unsigned links[] = { count_links(o->base), count_links(o->now) };
    const time_end end = gate_time_end(o);
    time_outcome outcome = TIME_OK;
    *result = (time_result){ .rows = calloc(TIME_WORKLOADS_MAX, sizeof(time_row)) };
    if (!result->rows || !links[0] || !links[1]) {
        fprintf(stderr, "levin-gate: no 0.so in %s\n", links[0] ? o->now : o->base);
        return TIME_FAILED;
    }
    const unsigned links_both = links[0] < links[1] ? links[0] : links[1];
    unsigned turn = 0;
    snprintf(list, sizeof list, "%s", o->workloads ? o->workloads : "");
    for (unsigned round = 0; round < o->rounds && outcome == TIME_OK; round++) {
        for (unsigned i = 0; i < o->round && outcome == TIME_OK && gate_time_left_ms(end); i++, turn++) {
            /* the same order of objects on both sides; once all have been, each with another one */
            const unsigned first = turn % links_both, second = (turn + turn / links_both) % links_both;
            snprintf(base, sizeof base, "%s/%u.so", o->base, first);
            snprintf(now, sizeof now, "%s/%u.so", o->now, second);
            outcome = one_process(o, base, now, turn, list, end, result);
        }
        if (outcome == TIME_OK)
            gate_time_look(result->rows, result->count, o);
        if (!list_unsettled(result, list) || !gate_time_left_ms(end))
            break;
    }
    gate_time_finish(result);
    return outcome;
}
