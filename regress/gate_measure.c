/*
 * gate_measure.c - perf_event_open(2) around a stretch, or callgrind's client requests.
 *
 * perf: one pinned event, user mode only, of the calling thread.  A stretch in which the kernel could not keep it on
 * the processor all the time (another user of the counters) has no number, never an extrapolated one.
 *
 * callgrind: instrumentation is switched on for the stretch alone; then the counts are dumped to "out.N" and read
 * back from its line "totals: N".
 */
#include "gate_measure.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

const char *measure_method_text(measure_method method)
{
    return method == MEASURE_PERF ? "perf" : "callgrind";
}

/* ---- perf ---- */

typedef struct event_count {
    uint64_t value, enabled_ns, running_ns;
} event_count;

bool measure_open_event(measure *m, uint32_t type, uint64_t config)
{
    struct perf_event_attr a = { .type = type, .size = sizeof a, .config = config, .disabled = 1, .pinned = 1,
                                 .exclude_kernel = 1, .exclude_hv = 1,
                                 .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING };
    *m = (measure){ .method = MEASURE_PERF };
    m->descriptor = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return m->descriptor >= 0;
}

static void perf_begin(measure *m)
{
    event_count now;
    /* a reset leaves the two times as they are */
    if (ioctl(m->descriptor, PERF_EVENT_IOC_RESET, 0) || read(m->descriptor, &now, sizeof now) != (ssize_t)sizeof now)
        m->failure = "the counter could not be read";
    else if (ioctl(m->descriptor, PERF_EVENT_IOC_ENABLE, 0))
        m->failure = "the counter could not be started";
    else
        m->idle_ns = now.enabled_ns - now.running_ns;
}

static void perf_end(measure *m)
{
    event_count now = { 0 };
    if (m->failure)
        return;
    if (ioctl(m->descriptor, PERF_EVENT_IOC_DISABLE, 0) ||
        read(m->descriptor, &now, sizeof now) != (ssize_t)sizeof now) /* 0 bytes: a pinned event in error state */
        m->failure = "the counter could not be read";
    else if (now.enabled_ns - now.running_ns != m->idle_ns)
        m->failure = "the counter was taken away meanwhile";
    m->value = now.value;
}

bool measure_perf_works(const char **why)
{
    enum { TURNS = 100000 };
    const char *reason = NULL;
    measure m;
    if (!measure_open(&m, MEASURE_PERF)) {
        bool denied = errno == EACCES || errno == EPERM;
        reason = denied ? "perf_event_open is not allowed here (kernel.perf_event_paranoid)"
                        : "this machine has no instruction counter";
    } else {
        measure_begin(&m);
        for (volatile int i = 0; i < TURNS; i++)
            continue;
        measure_end(&m);
        measure_close(&m);
        if (m.failure)
            reason = m.failure;
        else if (m.value < TURNS || m.value > 100 * TURNS) /* some virtual machines always count 0 */
            reason = "the instruction counter of this machine does not count";
    }
    if (why)
        *why = reason;
    return !reason;
}

/* ---- callgrind ---- */

bool measure_callgrind_works(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

/* The client request macros use what is not ISO C. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
static void callgrind_begin(void)
{
    CALLGRIND_ZERO_STATS;
    CALLGRIND_START_INSTRUMENTATION;
}

static void callgrind_end(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS;
}
#pragma GCC diagnostic pop

static void callgrind_read(measure *m)
{
    char name[32], line[256];
    unsigned long long value = 0;
    bool found = false;
    snprintf(name, sizeof name, "out.%llu", (unsigned long long)++m->taken);
    FILE *f = fopen(name, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = sscanf(line, "totals: %llu", &value) == 1;
    if (f)
        fclose(f);
    remove(name);
    if (!found)
        m->failure = "callgrind left no totals";
    m->value = value;
}

/* ---- both ---- */

bool measure_open(measure *m, measure_method method)
{
    if (method == MEASURE_PERF)
        return measure_open_event(m, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
    *m = (measure){ .method = method, .descriptor = -1 };
    return measure_callgrind_works();
}

void measure_close(measure *m)
{
    if (m->descriptor >= 0)
        close(m->descriptor);
    m->descriptor = -1;
}

void measure_begin(void *context)
{
    measure *m = context;
    m->failure = NULL;
    if (m->method == MEASURE_PERF)
        perf_begin(m);
    else
        callgrind_begin();
}

void measure_end(void *context)
{
    measure *m = context;
    if (m->method == MEASURE_PERF) {
        perf_end(m);
    } else {
        callgrind_end();
        callgrind_read(m);
    }
}
