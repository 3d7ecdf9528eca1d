/*
 * commit_bench.c - commits per second and group size of the commit queue, by threads and by the time a group takes;
 * cost of a read-side section and of a grace period.
 *
 * The leader's work is imitated: "sleep" leaves the processor as a sync does, "spin" keeps it as an unsynced commit
 * does; "sync" really writes and syncs a preallocated file in the current directory.
 * Usage: engine_commit_bench [milliseconds per line]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "commit.h"
#include "file.h"
#include "reclaim.h"

enum work { SLEEP, SPIN, SYNC };
static const char *const work_text[] = { "sleep", "spin", "sync" };
enum { FILE_BYTES = 16 << 20, BLOCK_BYTES = 4096 };

struct bench {
    commit_queue queue;
    uint64_t group_ns;
    enum work work;
    file file;
    uint64_t offset;
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
    if (b->work == SYNC) {
        static const uint8_t block[BLOCK_BYTES];
        levin_error error;
        levin_slice part = { block, sizeof block };
        if (file_write(&b->file, &part, 1, b->offset, NULL, &error) || file_sync(&b->file, &error))
            abort();
        b->offset = (b->offset + BLOCK_BYTES) % FILE_BYTES;
    } else if (b->work == SLEEP) {
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
        commit_complete(&b->queue, list, LEVIN_OK);
        list = next;
    }
}

static void submitter(void *argument)
{
    struct bench *b = argument;
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) { /* set by commit_line(); carries nothing else */
        const commit_terms terms = { .slow = b->work != SPIN };
        commit_request r;
        commit_submit(&b->queue, &r, &terms);
        if (commit_wait(&b->queue, &r))
            abort();
    }
}

static void commit_line(int threads, enum work work, uint64_t group_ns, long milliseconds)
{
    struct bench b = { .group_ns = group_ns, .work = work };
    levin_error error;
    if (work == SYNC &&
        (file_open(&b.file, levin_io_posix(), ".", "commit_bench.tmp", LEVIN_FILE_WAL,
                   LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error) ||
         file_preallocate(&b.file, FILE_BYTES, &error) || file_sync(&b.file, &error))) {
        fprintf(stderr, "%s\n", error.message);
        exit(3);
    }
    sync_thread thread[64];
    commit_queue_init(&b.queue, levin_io_posix(), lead, &b);
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
    if (work == SYNC) {
        file_close(&b.file);
        (void)file_unlink(levin_io_posix(), ".", "commit_bench.tmp", &error);
    }
    printf("commit  %-5s %5.1f us  threads %2d  %8.0f commits/s  group %5.1f\n", work_text[work],
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
    char *end = NULL;
    errno = 0;
    long milliseconds = count > 1 ? strtol(arguments[1], &end, 10) : 300;
    if (errno || milliseconds < 1 || (end && (end == arguments[1] || *end)) || count > 2) {
        fprintf(stderr, "usage: %s [milliseconds per line]\n", arguments[0]);
        return EXIT_FAILURE;
    }
    static const struct {
        enum work work;
        uint64_t group_ns;
    } kind[] = { { SYNC, 0 }, { SLEEP, 25000 }, { SPIN, 25000 }, { SPIN, 1000 } };
    for (size_t k = 0; k < sizeof kind / sizeof kind[0]; k++)
        for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
            commit_line(threads[i], kind[k].work, kind[k].group_ns, milliseconds);
    reclaim_lines();
    return 0;
}
