/*
 * crew.c - worker processes over pipes and a shared page.
 *
 * Shared memory holds the next task's number, the stop flag, and one slot a worker (where it stands, ticks, last
 * sign of life). Results come through one pipe a worker, as messages {type, bytes} and the bytes; a message is
 * never longer than the reader can take, since the caller reads until the end of the pipe. Workers ignore SIGINT:
 * the caller alone hears it and raises the stop flag.
 */
#include "crew.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../faults/fatal.h"

enum { WHERE_BYTES = 256, POLL_MS = 100, HANG_SECONDS_DEFAULT = 30 };
/* The most that one look at the workers adds to their silence: while the caller itself was stopped, so were they. */
static const double look_seconds_max = 0.5;

typedef struct crew_slot {
    _Atomic uint64_t ticks;
    _Atomic double alive; /* crew_clock() of the last sign of life */
    _Atomic bool ended;   /* it has left its loop: its exit is no death */
    char where[WHERE_BYTES];
} crew_slot;

typedef struct crew_shared {
    _Atomic uint64_t next, done;
    _Atomic bool stop;
    crew_slot slots[];
} crew_shared;

struct crew_worker {
    crew_shared *shared;
    crew_slot *slot;
    const crew_options *options;
    int pipe;
};

typedef struct crew_child {
    pid_t pid; /* 0: none */
    int pipe;
    unsigned char *bytes; /* received, not yet a whole message */
    size_t count, capacity;
    double alive, silent; /* last sign of life; seconds that the caller has watched since */
    bool killed;
} crew_child;

typedef struct crew_message {
    uint32_t type, bytes;
} crew_message;

/* The only mutable global: a signal handler can reach nothing else. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void crew_catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool crew_interrupted(void)
{
    return interrupted != 0;
}

double crew_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double crew_cpu_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- worker ----------------------------------------------------------------------------------------------- */

static void write_all(int to, const void *data, size_t bytes)
{
    for (const char *at = data; bytes > 0;) {
        ssize_t n = write(to, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(FATAL_EXIT_STATUS); /* the caller is gone */
        at += n;
        bytes -= (size_t)n;
    }
}

void crew_send(crew_worker *worker, unsigned type, const void *data, size_t bytes)
{
    crew_message head = { type, (uint32_t)bytes };
    write_all(worker->pipe, &head, sizeof head);
    write_all(worker->pipe, data, bytes);
}

void crew_at(crew_worker *worker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(worker->slot->where, sizeof worker->slot->where, format, arguments);
    va_end(arguments);
    atomic_fetch_add_explicit(&worker->slot->ticks, 1,
                              memory_order_relaxed); /* a figure for people: pairs with nothing */
    atomic_store_explicit(&worker->slot->alive, crew_clock(), memory_order_relaxed);
}

bool crew_should_stop(const crew_worker *worker)
{
    /* a hint, seen sooner or later: pairs with nothing */
    return atomic_load_explicit(&worker->shared->stop, memory_order_relaxed) ||
           (worker->options->deadline > 0 && crew_clock() >= worker->options->deadline);
}

_Noreturn static void worker_main(crew_worker *worker)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!crew_should_stop(worker)) {
        uint64_t task = atomic_fetch_add(&worker->shared->next, 1); /* each number once */
        if (task >= worker->options->tasks)
            break;
        worker->options->work(worker->options->context, worker, task);
        if (!crew_should_stop(worker))
            atomic_fetch_add(&worker->shared->done, 1);
    }
    close(worker->pipe);
    atomic_store(&worker->slot->ended, true);
    _exit(0); /* not exit(): the caller's buffers and handlers are not ours */
}

/* ---- caller ----------------------------------------------------------------------------------------------- */

static void child_start(crew_child *child, crew_shared *shared, size_t index, const crew_options *options)
{
    int ends[2];
    if (pipe(ends) != 0)
        fatal("cannot make a pipe: %s", strerror(errno));
    atomic_store(&shared->slots[index].alive, crew_clock());
    atomic_store(&shared->slots[index].ended, false);
    snprintf(shared->slots[index].where, WHERE_BYTES, "start");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fatal("cannot start a worker: %s", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        crew_worker worker = { shared, &shared->slots[index], options, ends[1] };
        worker_main(&worker);
    }
    close(ends[1]);
    *child = (crew_child){ .pid = pid, .pipe = ends[0], .bytes = child->bytes, .capacity = child->capacity };
}

/* Hands over all whole messages. */
static void child_messages(crew_child *child, const crew_options *options)
{
    size_t at = 0;
    crew_message head;
    while (child->count - at >= sizeof head) {
        memcpy(&head, child->bytes + at, sizeof head);
        if (child->count - at - sizeof head < head.bytes)
            break;
        options->receive(options->context, head.type, child->bytes + at + sizeof head, head.bytes);
        at += sizeof head + head.bytes;
    }
    memmove(child->bytes, child->bytes + at, child->count - at);
    child->count -= at;
}

/* Reads what there is. False at the end of the pipe. */
static bool child_read(crew_child *child, const crew_options *options)
{
    if (child->capacity - child->count < 65536) {
        child->capacity = child->capacity * 2 + 65536;
        child->bytes = fatal_realloc(child->bytes, child->capacity);
    }
    ssize_t n = read(child->pipe, child->bytes + child->count, child->capacity - child->count);
    if (n < 0)
        return errno == EINTR;
    child->count += (size_t)n;
    child_messages(child, options);
    return n > 0;
}

/* Reaps an ended worker. Returns whether it ended as it should; *failed, when the harness itself did. */
static bool child_end(crew_child *child, const crew_slot *slot, const crew_options *options, bool *failed)
{
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->pipe);
    child->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && atomic_load(&slot->ended))
        return true;
    char how[80];
    if (child->killed)
        snprintf(how, sizeof how, "no progress, killed");
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == FATAL_EXIT_STATUS) {
        if (!options->failed)
            fatal("a worker failed at: %s", slot->where);
        options->failed(options->context, slot->where);
        *failed = true;
        return false;
    }
    options->died(options->context, slot->where, how);
    return false;
}

static void watch(crew_shared *shared, crew_child *children, const crew_options *options, bool failed,
                  double *looked)
{
    double now = crew_clock(), passed = now - *looked < look_seconds_max ? now - *looked : look_seconds_max;
    *looked = now;
    double limit = options->hang_seconds > 0 ? options->hang_seconds : HANG_SECONDS_DEFAULT;
    uint64_t ticks = 0;
    for (unsigned i = 0; i < options->jobs; i++) {
        ticks += atomic_load_explicit(&shared->slots[i].ticks, memory_order_relaxed); /* a figure for people */
        double alive = atomic_load_explicit(&shared->slots[i].alive, memory_order_relaxed);
        children[i].silent = alive > children[i].alive ? 0 : children[i].silent + passed;
        children[i].alive = alive;
        if (children[i].pid && !children[i].killed && children[i].silent > limit) {
            children[i].killed = true;
            kill(children[i].pid, SIGKILL);
        }
    }
    if (interrupted || failed || (options->stop && *options->stop))
        atomic_store_explicit(&shared->stop, true, memory_order_relaxed); /* a hint to the workers */
    if (options->progress)
        options->progress(options->context, atomic_load(&shared->done), ticks);
}

bool crew_run(const crew_options *options)
{
    size_t bytes = sizeof(crew_shared) + options->jobs * sizeof(crew_slot);
    crew_shared *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fatal("cannot map shared memory: %s", strerror(errno));
    crew_child *children = fatal_alloc_zeroed(options->jobs * sizeof *children);
    struct pollfd *polls = fatal_alloc_zeroed(options->jobs * sizeof *polls);
    unsigned running = options->jobs;
    for (unsigned i = 0; i < options->jobs; i++)
        child_start(&children[i], shared, i, options);
    double looked = crew_clock();
    bool failed = false;
    while (running > 0) {
        for (unsigned i = 0; i < options->jobs; i++)
            polls[i] = (struct pollfd){ .fd = children[i].pid ? children[i].pipe : -1, .events = POLLIN };
        poll(polls, options->jobs, POLL_MS);
        for (unsigned i = 0; i < options->jobs; i++) {
            if (!children[i].pid || !(polls[i].revents & (POLLIN | POLLHUP | POLLERR)) ||
                child_read(&children[i], options))
                continue;
            if (child_end(&children[i], &shared->slots[i], options, &failed) || interrupted || failed ||
                (options->stop && *options->stop))
                running--;
            else
                child_start(&children[i], shared, i, options); /* goes on with the next task */
        }
        watch(shared, children, options, failed, &looked);
    }
    bool all = atomic_load(&shared->done) == options->tasks;
    for (unsigned i = 0; i < options->jobs; i++)
        free(children[i].bytes);
    free(children);
    free(polls);
    munmap(shared, bytes);
    return all;
}
