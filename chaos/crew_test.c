/*
 * crew_test.c - every task is done once, by however many workers; one that dies or hangs is a finding and costs
 * its task only.
 */
#include "crew.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/fatal.h"

enum { TASKS = 200, BIG = 300000 };

typedef struct results {
    unsigned done[TASKS];
    uint64_t sum, big, deaths;
    char where[300], how[100];
    uint64_t kill_task, hang_task, exit_task, fail_task;
    int exit_status;
    bool stop_at_once, stop;
    unsigned failures;
} results;

static void work(void *context, crew_worker *worker, uint64_t task)
{
    const results *r = context;
    crew_at(worker, "task %d", (int)task);
    if (task == r->kill_task)
        raise(SIGKILL);
    if (task == r->exit_task)
        _exit(r->exit_status);
    if (r->fail_task && task == r->fail_task)
        fatal("the worker of task %d cannot do it", (int)task);
    while (task == r->hang_task)
        pause();
    crew_send(worker, 1, &task, sizeof task);
    if (task % 50 == 0) { /* longer than a pipe holds */
        char *big = malloc(BIG);
        memset(big, (int)task, BIG);
        crew_send(worker, 2, big, BIG);
        free(big);
    }
}

static void receive(void *context, unsigned type, const void *data, size_t bytes)
{
    results *r = context;
    if (type == 2) {
        ck_assert_uint_eq(bytes, BIG);
        r->big += *(const unsigned char *)data == ((const unsigned char *)data)[BIG - 1];
        return;
    }
    uint64_t task;
    ck_assert_uint_eq(bytes, sizeof task);
    memcpy(&task, data, sizeof task);
    r->done[task]++;
    r->sum += task;
    r->stop = r->stop_at_once;
}

static void died(void *context, const char *where, const char *how)
{
    results *r = context;
    r->deaths++;
    snprintf(r->where, sizeof r->where, "%s", where);
    snprintf(r->how, sizeof r->how, "%s", how);
}

static void failed(void *context, const char *where)
{
    results *r = context;
    r->failures++;
    snprintf(r->where, sizeof r->where, "%s", where);
}

static results run(unsigned jobs, uint64_t kill_task, uint64_t hang_task, uint64_t exit_task, bool *all)
{
    results r = { .kill_task = kill_task, .hang_task = hang_task, .exit_task = exit_task, .exit_status = 7 };
    crew_options options = { .jobs = jobs, .tasks = TASKS, .hang_seconds = 0.3, .context = &r, .work = work,
                             .receive = receive, .died = died, .stop = &r.stop };
    *all = crew_run(&options);
    return r;
}

START_TEST(crew__does_every_task_once)
{
    for (unsigned jobs = 1; jobs <= 5; jobs += 2) {
        bool all;
        results r = run(jobs, UINT64_MAX, UINT64_MAX, UINT64_MAX, &all);
        ck_assert(all);
        for (int i = 0; i < TASKS; i++)
            ck_assert_uint_eq(r.done[i], 1);
        ck_assert_uint_eq(r.big, 4);
        ck_assert_uint_eq(r.deaths, 0);
    }
}
END_TEST

static void assert_one_lost(const results *r, int lost, const char *how)
{
    char where[40];
    snprintf(where, sizeof where, "task %d", lost);
    ck_assert_uint_eq(r->deaths, 1);
    ck_assert_str_eq(r->where, where);
    ck_assert_msg(strstr(r->how, how) != NULL, "%s", r->how);
    for (int i = 0; i < TASKS; i++)
        ck_assert_uint_eq(r->done[i], i != lost);
}

START_TEST(crew__a_worker_killed_is_told_and_replaced)
{
    bool all;
    results r = run(2, 17, UINT64_MAX, UINT64_MAX, &all);
    ck_assert(!all);
    assert_one_lost(&r, 17, "signal 9");
}
END_TEST

START_TEST(crew__a_worker_that_exits_is_told_and_replaced)
{
    bool all;
    results r = run(1, UINT64_MAX, UINT64_MAX, 30, &all);
    ck_assert(!all);
    assert_one_lost(&r, 30, "status 7");
}
END_TEST

START_TEST(crew__a_worker_whose_task_ends_the_process_well_is_told_too)
{
    results r = { .kill_task = UINT64_MAX, .hang_task = UINT64_MAX, .exit_task = 30, .exit_status = 0 };
    const crew_options options = { .jobs = 1, .tasks = TASKS, .context = &r, .work = work, .receive = receive,
                                   .died = died };
    ck_assert(!crew_run(&options));
    assert_one_lost(&r, 30, "status 0");
}
END_TEST

START_TEST(crew__a_worker_that_hangs_is_killed_and_replaced)
{
    bool all;
    results r = run(2, UINT64_MAX, 99, UINT64_MAX, &all);
    ck_assert(!all);
    assert_one_lost(&r, 99, "no progress");
}
END_TEST

/* The first task answers; all others end only when they are told to. */
static void work_until_told(void *context, crew_worker *worker, uint64_t task)
{
    (void)context;
    if (task == 0)
        crew_send(worker, 1, &task, sizeof task);
    while (task > 0 && !crew_should_stop(worker))
        sched_yield();
}

/* What the others have done until then is not lost. */
START_TEST(crew__a_worker_that_fails_ends_the_run_and_not_the_caller)
{
    results r = { .kill_task = UINT64_MAX, .hang_task = UINT64_MAX, .exit_task = UINT64_MAX, .fail_task = 20 };
    const crew_options options = { .jobs = 2, .tasks = TASKS, .context = &r, .work = work, .receive = receive,
                                   .died = died, .failed = failed, .stop = &r.stop };
    unsigned done = 0;
    ck_assert(!crew_run(&options));
    for (int i = 0; i < TASKS; i++)
        done += r.done[i];
    ck_assert_uint_eq(r.failures, 1);
    ck_assert_uint_eq(r.deaths, 0);
    ck_assert_str_eq(r.where, "task 20");
    ck_assert_uint_eq(r.done[20], 0);
    ck_assert_uint_ge(done, 19); /* the other worker may have one of those before it in its hands */
    ck_assert_uint_lt(done, TASKS);
}
END_TEST

START_TEST(crew__stops_when_told)
{
    results r = { .stop_at_once = true };
    crew_options options = { .jobs = 2, .tasks = TASKS, .hang_seconds = 100, .context = &r, .work = work_until_told,
                             .receive = receive, .died = died, .stop = &r.stop };
    ck_assert(!crew_run(&options));
    ck_assert_uint_eq(r.done[0], 1);
    ck_assert_uint_eq(r.deaths, 0);
}
END_TEST

START_TEST(crew__stops_at_the_deadline)
{
    results r = { .stop_at_once = false };
    crew_options options = { .jobs = 2, .tasks = TASKS, .deadline = crew_clock() + 0.05, .hang_seconds = 100,
                             .context = &r, .work = work_until_told, .receive = receive, .died = died };
    ck_assert(!crew_run(&options));
    ck_assert_double_ge(crew_clock(), options.deadline);
}
END_TEST

LEVIN_TEST_MAIN("crew", TEST(crew__does_every_task_once), TEST(crew__a_worker_killed_is_told_and_replaced),
                TEST(crew__a_worker_that_exits_is_told_and_replaced),
                TEST(crew__a_worker_whose_task_ends_the_process_well_is_told_too),
                TEST(crew__a_worker_that_hangs_is_killed_and_replaced),
                TEST(crew__a_worker_that_fails_ends_the_run_and_not_the_caller),
                TEST(crew__a_worker_that_fails_ends_the_run_and_not_the_caller),
                TEST(crew__stops_when_told),
                TEST(crew__stops_at_the_deadline))
