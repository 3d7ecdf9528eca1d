/*
 * commit_bench.c - commits per second and group size of the commit queue, by threads and by the time a group takes; cost of a
 * read-side section and of a grace period.
 *
 * The leader's work is imitated: "sleep" leaves the processor as a sync does, "spin" keeps it as an unsynced commit does.
 * Usage: engine_commit_bench [milliseconds per line]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "commit.h"
#include "io.h"
#include "reclaim.h"

struct bench {
    commit_queue queue;
    uint64_t group_ns;
    bool sleeps;
    uint64_t groups, commits; /* the leader's */
    _Atomic uint32_t stop;
};

static uint64_t now_ns(void)
{
    return levin_io_posix()->now_ns(NULL);
}

static void lead(void *context, commit_request *list)
{
    struct bench *b = context;
    if (b->sleeps) {
        struct timespec time = { 0, (long)b->group_ns };
        nanosleep(&time, NULL);
    } else {
        for (uint64_t end = now_ns() + b->group_ns; now_ns() < end;) {
        }
    }
    b->groups++;
    while (list) {
        commit_request *next = list->next;
        b->commits++;
        commit_complete(list, LEVIN_OK);
        list = next;
    }
}

static void submitter(void *argument)
{
    struct bench *b = argument;
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) { /* set by commit_line(); carries nothing else */
        commit_request r;
        commit_submit(&b->queue, &r);
        if (commit_wait(&b->queue, &r))
            abort();
    }
}

static void commit_line(int threads, bool sleeps, uint64_t group_ns, long milliseconds)
{
    struct bench b = { .group_ns = group_ns, .sleeps = sleeps };
    sync_thread thread[64];
    commit_queue_init(&b.queue, lead, &b);
    uint64_t begin = now_ns();
    for (int i = 0; i < threads; i++)
        if (sync_thread_start(&thread[i], submitter, &b))
            abort();
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    nanosleep(&time, NULL);
    atomic_store_explicit(&b.stop, 1, memory_order_relaxed);
    for (int i = 0; i < threads; i++)
        sync_thread_join(&thread[i]);
    double seconds = (double)(now_ns() - begin) * 1e-9;
    printf("commit  %-5s %5.1f us  threads %2d  %8.0f commits/s  group %5.1f\n", sleeps ? "sleep" : "spin",
           (double)group_ns * 1e-3, threads, (double)b.commits / seconds, (double)b.commits / (double)b.groups);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void reclaim_lines(void)
{
    enum { RUNS = 11, ROUNDS = 2000000, PERIODS = 200 };
    double section[RUNS], period[RUNS];
    for (int run = 0; run < RUNS; run++) {
        uint64_t begin = now_ns();
        for (int i = 0; i < ROUNDS; i++) {
            reclaim_read_lock();
            reclaim_read_unlock();
        }
        section[run] = (double)(now_ns() - begin) / ROUNDS;
        begin = now_ns();
        for (int i = 0; i < PERIODS; i++)
            reclaim_synchronize();
        period[run] = (double)(now_ns() - begin) / PERIODS;
    }
    qsort(section, RUNS, sizeof section[0], by_value);
    qsort(period, RUNS, sizeof period[0], by_value);
    printf("reclaim read_lock + read_unlock  %.2f ns (median)   synchronize, no reader  %.0f ns (median)\n",
           section[RUNS / 2], period[RUNS / 2]);
}

int main(int count, char **arguments)
{
    static const int threads[] = { 1, 2, 4, 8, 16, 32, 64 };
    long milliseconds = count > 1 ? atol(arguments[1]) : 300;
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        commit_line(threads[i], true, 25000, milliseconds);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        commit_line(threads[i], false, 25000, milliseconds);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        commit_line(threads[i], false, 1000, milliseconds);
    reclaim_lines();
    return 0;
}
