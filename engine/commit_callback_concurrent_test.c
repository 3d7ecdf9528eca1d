/*
 * commit_callback_concurrent_test.c - the commit queue's callbacks, server and lingering.
 *
 * Checked: each callback comes once, in order of commit, one at a time, whoever runs it; never while its group is led;
 * it may submit and wait; what nobody waits for is led by the server, or by commit_work() without one; a drain leaves
 * nothing; lingering requests wait for the first one's time and not longer, others do not wait, a full group goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/thread_check.h"
#include "commit.h"

enum { THREADS_MAX = 16 };

typedef struct rig {
    commit_queue queue;
    uint64_t order;             /* the leader's: how many were led */
    uint64_t next;              /* of the callback that runs: order number expected */
    _Atomic uint32_t running;   /* callbacks that run now */
    _Atomic uint32_t leaders;   /* in lead() now */
    _Atomic uint32_t called;    /* woken on */
    uint64_t groups;
    bool meet;                  /* the next leader submits one more and stays until the server has come */
    _Atomic uint64_t clock;
    levin_io io;
} rig;

typedef struct item {
    commit_request request; /* first */
    rig *rig;
    uint64_t order;         /* set by the leader: 1 up */
    uint32_t calls;
    bool again;             /* its callback submits one more, and waits for another */
} item;

static uint64_t rig_now(void *context)
{
    return atomic_load(&((rig *)context)->clock);
}

static void submit_callback(rig *r, bool again);

static void rig_lead(void *context, commit_request *list)
{
    rig *r = context;
    require(atomic_fetch_add(&r->leaders, 1) == 0);
    r->groups++;
    if (r->meet) {
        r->meet = false;
        submit_callback(r, false);
        while (atomic_load(&r->queue.leadership) == 1) /* there is a leader, and nobody has come */
            sync_yield();
    }
    for (commit_request *c = list, *next; c; c = next) {
        next = c->next;
        ((item *)(void *)c)->order = c->done ? ++r->order : 0;
        if (!next)
            atomic_fetch_sub(&r->leaders, 1);
        commit_complete(&r->queue, c, LEVIN_OK);
    }
}

static void rig_init(rig *r, bool fake_clock)
{
    memset(r, 0, sizeof *r);
    r->io = *levin_io_posix();
    if (fake_clock) {
        r->io.context = r;
        r->io.now_ns = rig_now;
        atomic_store(&r->clock, 1000000);
    }
    commit_queue_init(&r->queue, &r->io, rig_lead, r);
}

static void called(commit_request *c)
{
    item *i = (item *)(void *)c;
    rig *r = i->rig;
    require(atomic_fetch_add(&r->running, 1) == 0);
    require(i->calls++ == 0);
    require(i->order == r->next + 1);
    r->next = i->order;
    if (i->again) {
        item waited = { .rig = r };
        submit_callback(r, false);
        commit_submit(&r->queue, &waited.request, NULL);
        require(commit_wait(&r->queue, &waited.request) == LEVIN_OK);
    }
    free(i);
    require(atomic_fetch_sub(&r->running, 1) == 1);
    atomic_fetch_add(&r->called, 1);
    sync_wake(&r->called, 64);
}

static void submit_callback(rig *r, bool again)
{
    static const commit_terms terms = { .unwaited = true, .done = called };
    item *i = calloc(1, sizeof *i);
    require(i);
    i->rig = r;
    i->again = again;
    commit_submit(&r->queue, &i->request, &terms);
}

/* Sleeps until so many callbacks have been called; without progress for a minute, fails. */
static void await_calls(rig *r, uint32_t count)
{
    uint32_t idle = 0;
    for (uint32_t seen; (seen = atomic_load(&r->called)) < count;) {
        sync_wait(&r->called, seen, 1000000000u);
        idle = atomic_load(&r->called) == seen ? idle + 1 : 0;
        if (idle == 60)
            die("a wake-up was lost: no callback for a minute");
    }
}

/* ---- many threads ---- */

typedef struct thread_of {
    sync_thread thread;
    rig *rig;
    uint32_t id, rounds;
} thread_of;

static void run_thread(void *argument)
{
    thread_of *t = argument;
    for (uint32_t i = 0; i < t->rounds; i++) {
        submit_callback(t->rig, i % 16 == t->id);
        if ((i + t->id) % 5 == 0) {
            item waited = { .rig = t->rig };
            commit_submit(&t->rig->queue, &waited.request, NULL);
            require(commit_wait(&t->rig->queue, &waited.request) == LEVIN_OK);
        } else if ((i + t->id) % 7 == 0) {
            const commit_terms ticket = { .unwaited = true };
            item polled = { .rig = t->rig };
            commit_submit(&t->rig->queue, &polled.request, &ticket);
            while (commit_poll(&t->rig->queue, &polled.request) == LEVIN_PENDING)
                sync_yield();
        }
    }
}

static void serve(void *argument)
{
    commit_serve(&((rig *)argument)->queue);
}

static void run_many(uint32_t threads, uint32_t rounds, bool served, uint64_t linger_ns)
{
    static rig r;
    static thread_of t[THREADS_MAX];
    sync_thread server;
    uint32_t calls = 0;
    rig_init(&r, false);
    r.queue.linger_ns = linger_ns;
    if (served) {
        ck_assert_int_eq(sync_thread_start(&server, serve, &r), 0);
        commit_serve_begin(&r.queue);
    }
    for (uint32_t i = 0; i < threads; i++) {
        t[i] = (thread_of){ .rig = &r, .id = i, .rounds = rounds };
        for (uint32_t n = 0; n < rounds; n++)
            calls += 1 + (n % 16 == i);
        ck_assert_int_eq(sync_thread_start(&t[i].thread, run_thread, &t[i]), 0);
    }
    for (uint32_t i = 0; i < threads; i++)
        sync_thread_join(&t[i].thread);
    if (served) {
        await_calls(&r, calls); /* nobody waits or polls any more */
        commit_serve_stop(&r.queue);
        sync_thread_join(&server);
        commit_serve_ended(&r.queue);
    }
    commit_drain(&r.queue);
    ck_assert_uint_eq(atomic_load(&r.called), calls);
    ck_assert_ptr_null(atomic_load(&r.queue.head));
    ck_assert_ptr_null(atomic_load(&r.queue.finished));
    ck_assert_uint_eq(atomic_load(&r.queue.gathered), 0);
}

START_TEST(commit__callbacks_of_many_threads_come_once_in_order_with_a_server)
{
    static const uint32_t threads[] = { 1, 2, 3, 8, 16 };
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        run_many(threads[i], 6000 / threads[i], true, 0);
}
END_TEST

START_TEST(commit__callbacks_of_many_threads_come_once_in_order_without_a_server)
{
    static const uint32_t threads[] = { 1, 2, 3, 8, 16 };
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        run_many(threads[i], 6000 / threads[i], false, 0);
}
END_TEST

START_TEST(commit__with_a_time_to_linger_what_does_not_linger_is_not_held_up)
{
    run_many(4, 500, true, 3600ull * 1000000000u);
    run_many(4, 500, false, 3600ull * 1000000000u);
}
END_TEST

START_TEST(commit__a_server_stopped_at_any_moment_leaves_the_rest_to_the_drain)
{
    for (uint32_t round = 0; round < 300; round++) {
        static rig r;
        sync_thread server;
        rig_init(&r, false);
        ck_assert_int_eq(sync_thread_start(&server, serve, &r), 0);
        commit_serve_begin(&r.queue);
        for (uint32_t i = 0; i < round % 40; i++)
            submit_callback(&r, i % 7 == 0);
        commit_serve_stop(&r.queue);
        sync_thread_join(&server);
        commit_serve_ended(&r.queue);
        commit_drain(&r.queue);
        ck_assert_uint_eq(atomic_load(&r.called), round % 40 + (round % 40 + 6) / 7);
    }
}
END_TEST

START_TEST(commit__a_server_that_comes_while_somebody_leads_is_told_when_he_goes)
{
    for (uint32_t round = 0; round < 200; round++) {
        static rig r;
        sync_thread server;
        rig_init(&r, false);
        ck_assert_int_eq(sync_thread_start(&server, serve, &r), 0);
        commit_serve_begin(&r.queue);
        r.meet = true;
        item waited = { .rig = &r };
        commit_submit(&r.queue, &waited.request, NULL);
        ck_assert_int_eq(commit_wait(&r.queue, &waited.request), LEVIN_OK);
        await_calls(&r, 1);
        commit_serve_stop(&r.queue);
        sync_thread_join(&server);
        commit_serve_ended(&r.queue);
        commit_drain(&r.queue);
        ck_assert_uint_eq(atomic_load(&r.called), 1);
    }
}
END_TEST

/* Two threads whose lingering commits the server, or one of them, has to end: the time is real here, and short. */
static void run_lingering(void *argument)
{
    static const commit_terms terms = { .lingers = true };
    thread_of *t = argument;
    for (uint32_t i = 0; i < t->rounds; i++) {
        item waited = { .rig = t->rig };
        commit_submit(&t->rig->queue, &waited.request, &terms);
        require(commit_wait(&t->rig->queue, &waited.request) == LEVIN_OK);
    }
}

START_TEST(commit__lingering_commits_all_end)
{
    static rig r;
    thread_of t[3];
    rig_init(&r, false);
    r.queue.linger_ns = 20000;
    for (uint32_t i = 0; i < 3; i++) {
        t[i] = (thread_of){ .rig = &r, .id = i, .rounds = 1500 };
        ck_assert_int_eq(sync_thread_start(&t[i].thread, run_lingering, &t[i]), 0);
    }
    for (uint32_t i = 0; i < 3; i++)
        sync_thread_join(&t[i].thread);
    ck_assert_ptr_null(atomic_load(&r.queue.head));
}
END_TEST

/* ---- one thread, a clock that stands still ---- */

START_TEST(commit__without_a_server_work_leads_one_group_and_runs_its_callbacks)
{
    static rig r;
    rig_init(&r, true);
    ck_assert(!commit_work(&r.queue));
    submit_callback(&r, false);
    submit_callback(&r, true);
    ck_assert_uint_eq(atomic_load(&r.called), 0);
    ck_assert(commit_work(&r.queue)); /* the callback's own commit leads what it submitted: one more group */
    ck_assert_uint_eq(atomic_load(&r.called), 3);
    ck_assert_uint_eq(r.groups, 2);
    ck_assert(!commit_work(&r.queue));
}
END_TEST

START_TEST(commit__a_group_lingers_until_the_first_has_waited_its_time)
{
    static rig r;
    static const commit_terms terms = { .lingers = true, .unwaited = true, .done = called };
    rig_init(&r, true);
    r.queue.linger_ns = 500;
    for (uint32_t i = 0; i < 2; i++) {
        item *it = calloc(1, sizeof *it);
        it->rig = &r;
        commit_submit(&r.queue, &it->request, &terms);
        atomic_fetch_add(&r.clock, 300 * (1 - i)); /* the second comes at 300: its own time would end at 800 */
    }
    ck_assert(!commit_work(&r.queue));
    atomic_fetch_add(&r.clock, 199);
    ck_assert(!commit_work(&r.queue));
    atomic_fetch_add(&r.clock, 1);
    ck_assert(commit_work(&r.queue));
    ck_assert_uint_eq(atomic_load(&r.called), 2);
    ck_assert_uint_eq(r.groups, 1);
    ck_assert_uint_eq(atomic_load(&r.queue.due_ns), UINT64_MAX);
}
END_TEST

START_TEST(commit__polls_and_what_does_not_linger_take_the_group_along)
{
    static rig r;
    static const commit_terms terms = { .lingers = true, .unwaited = true };
    rig_init(&r, true);
    r.queue.linger_ns = 500;
    item first = { .rig = &r }, second = { .rig = &r }, third = { .rig = &r };
    commit_submit(&r.queue, &first.request, &terms);
    ck_assert_int_eq(commit_poll(&r.queue, &first.request), LEVIN_OK);
    commit_submit(&r.queue, &second.request, &terms);
    ck_assert(!commit_work(&r.queue));
    commit_submit(&r.queue, &third.request, NULL);
    ck_assert_int_eq(commit_wait(&r.queue, &third.request), LEVIN_OK);
    ck_assert_int_eq(commit_poll(&r.queue, &second.request), LEVIN_OK);
    ck_assert_uint_eq(r.groups, 2);
    commit_submit(&r.queue, &first.request, &terms);
    submit_callback(&r, false); /* unwaited, and does not linger */
    ck_assert(commit_work(&r.queue));
    ck_assert_int_eq(commit_poll(&r.queue, &first.request), LEVIN_OK);
    ck_assert_uint_eq(r.groups, 3);
}
END_TEST

START_TEST(commit__a_full_group_does_not_linger)
{
    static rig r;
    commit_terms terms = { .lingers = true, .unwaited = true, .bytes = COMMIT_FULL_BYTES - 1 };
    rig_init(&r, true);
    r.queue.linger_ns = 500;
    item big = { .rig = &r }, small = { .rig = &r };
    commit_submit(&r.queue, &big.request, &terms);
    ck_assert(!commit_work(&r.queue));
    terms.bytes = 1;
    commit_submit(&r.queue, &small.request, &terms);
    ck_assert(commit_work(&r.queue));
    ck_assert_uint_eq(r.groups, 1);
    static item many[COMMIT_FULL_BYTES / COMMIT_REQUEST_BYTES];
    const size_t count = sizeof many / sizeof many[0];
    for (size_t i = 0; i < count; i++) {
        ck_assert(!commit_work(&r.queue));
        many[i].rig = &r;
        commit_submit(&r.queue, &many[i].request, &terms);
    }
    ck_assert(commit_work(&r.queue));
    ck_assert_uint_eq(r.groups, 2);
    ck_assert_uint_eq(atomic_load(&r.queue.gathered), 0);
}
END_TEST

LEVIN_TEST_MAIN("commit_callback", TEST(commit__without_a_server_work_leads_one_group_and_runs_its_callbacks),
                TEST(commit__a_group_lingers_until_the_first_has_waited_its_time),
                TEST(commit__polls_and_what_does_not_linger_take_the_group_along),
                TEST(commit__a_full_group_does_not_linger),
                TEST(commit__callbacks_of_many_threads_come_once_in_order_with_a_server),
                TEST(commit__callbacks_of_many_threads_come_once_in_order_without_a_server),
                TEST(commit__with_a_time_to_linger_what_does_not_linger_is_not_held_up),
                TEST(commit__a_server_stopped_at_any_moment_leaves_the_rest_to_the_drain),
                TEST(commit__a_server_that_comes_while_somebody_leads_is_told_when_he_goes),
                TEST(commit__lingering_commits_all_end))
