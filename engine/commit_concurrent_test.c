/*
 * commit_concurrent_test.c - the commit queue under threads.
 *
 * Checked: every request is led exactly once, by one leader at a time; in order of submission for each thread, and
 * all that was submitted before a request is led with it or before; no wake-up is lost (a watchdog says who waits);
 * results and errors reach their submitter; a waiter leads no group but its own; requests without waiter stay, in
 * order, until somebody waits or polls.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/thread_check.h"
#include "commit.h"

enum { THREADS_MAX = 64, WINDOW_MAX = 16 };

typedef struct work {
    commit_request request;
    uint32_t thread, number; /* who submitted it, and its how manieth it was */
    uint32_t led;
} work;

typedef struct bench {
    commit_queue queue;
    _Atomic uint32_t leaders;           /* inside lead() now */
    uint32_t next[THREADS_MAX];         /* the leader's: number expected next of each thread */
    uint64_t groups, led;               /* the leader's */
    uint32_t yields;                    /* how long a group takes */
    uint32_t requests;                  /* of each thread */
    _Atomic uint32_t done[THREADS_MAX]; /* for the watchdog */
    _Atomic uint32_t finished;
} bench;

typedef struct submitter {
    bench *bench;
    uint32_t id;
    uint32_t seed;
    sync_thread thread;
} submitter;

static levin_code result_of(const work *w)
{
    return w->number % 7 == 3 ? LEVIN_NO_SPACE : LEVIN_OK;
}

static void lead(void *context, commit_request *list)
{
    bench *b = context;
    require(list);
    require(atomic_fetch_add_explicit(&b->leaders, 1, memory_order_relaxed) == 0); /* counts only */
    for (uint32_t i = 0; i < b->yields; i++)
        sync_yield();
    b->groups++;
    for (commit_request *r = list, *next; r; r = next) {
        work *w = (work *)(void *)r;
        next = r->next;
        require(w->led++ == 0);
        require(w->number == b->next[w->thread]++);
        b->led++;
        if (result_of(w))
            snprintf(r->error.message, sizeof r->error.message, "%u of %u", w->number, w->thread);
        if (!next)
            require(atomic_fetch_sub_explicit(&b->leaders, 1, memory_order_relaxed) == 1);
        commit_complete(&b->queue, r, result_of(w));
    }
}

static void check_result(const work *w, levin_code code)
{
    char message[64];
    require(w->led == 1);
    require(code == result_of(w) && w->request.result == code);
    snprintf(message, sizeof message, "%u of %u", w->number, w->thread);
    require(!code || !strcmp(w->request.error.message, message));
}

static uint32_t random_below(submitter *s, uint32_t limit)
{
    s->seed = s->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(s->seed >> 8) * limit >> 24);
}

/* One synchronous request, on a stack frame that is gone, and overwritten, right after. */
static __attribute__((noinline)) void submit_and_wait(submitter *s, uint32_t number)
{
    work w;
    memset(&w, 0x5a, sizeof w);
    w.thread = s->id, w.number = number, w.led = 0;
    const commit_terms terms = { .slow = w.number % 3 != 0 }; /* so that leaders gather */
    commit_submit(&s->bench->queue, &w.request, &terms);
    check_result(&w, commit_wait(&s->bench->queue, &w.request));
    memset(&w, 0xd5, sizeof w);
    __asm__ volatile("" : : "r"(&w) : "memory"); /* the fill is not optimised away */
}

/* A window of asynchronous requests, finished by waiting or polling in any order; freed at once. */
static void submit_window(submitter *s, uint32_t first, uint32_t count, bool poll)
{
    work *window[WINDOW_MAX];
    for (uint32_t i = 0; i < count; i++) {
        window[i] = calloc(1, sizeof *window[i]);
        require(window[i]);
        window[i]->thread = s->id, window[i]->number = first + i;
        const commit_terms terms = { .slow = window[i]->number % 2 != 0 };
        commit_submit(&s->bench->queue, &window[i]->request, &terms);
    }
    while (count) {
        uint32_t i = random_below(s, count);
        levin_code code = poll ? commit_poll(&s->bench->queue, &window[i]->request)
                               : commit_wait(&s->bench->queue, &window[i]->request);
        if (code == LEVIN_PENDING) {
            sync_yield();
            continue;
        }
        check_result(window[i], code);
        free(window[i]);
        window[i] = window[--count];
    }
}

static void run_submitter(void *argument)
{
    submitter *s = argument;
    bench *b = s->bench;
    for (uint32_t number = 0; number < b->requests;) {
        uint32_t kind = random_below(s, 4), left = b->requests - number, count = 1;
        if (kind < 2) {
            submit_and_wait(s, number);
        } else {
            count += random_below(s, WINDOW_MAX);
            count = count < left ? count : left;
            submit_window(s, number, count, kind == 3);
        }
        number += count;
        atomic_store_explicit(&b->done[s->id], number, memory_order_relaxed); /* for the watchdog's message */
    }
    atomic_fetch_add_explicit(&b->finished, 1, memory_order_release); /* pairs with the watchdog's acquire */
    sync_wake(&b->finished, 1);
}

/* Waits until all have finished; without any progress for a minute, says where they are and fails. */
static void watch(bench *b, uint32_t threads)
{
    uint64_t last = 0, idle = 0;
    for (;;) {
        uint32_t finished = atomic_load_explicit(&b->finished, memory_order_acquire);
        if (finished == threads)
            return;
        sync_wait(&b->finished, finished, 1000000000u);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < threads; i++)
            sum += atomic_load_explicit(&b->done[i], memory_order_relaxed);
        idle = sum == last ? idle + 1 : 0;
        last = sum;
        if (idle < 60)
            continue;
        for (uint32_t i = 0; i < threads; i++)
            if (atomic_load_explicit(&b->done[i], memory_order_relaxed) < b->requests)
                fprintf(stderr, "thread %u stopped after %u of %u requests\n", i,
                        atomic_load_explicit(&b->done[i], memory_order_relaxed), b->requests);
        die("a wake-up was lost: no progress for a minute");
    }
}

static void run(uint32_t threads, uint32_t requests, uint32_t yields, uint32_t seed)
{
    static bench b; /* too big for the stack */
    static submitter s[THREADS_MAX];
    memset(&b, 0, sizeof b);
    b.yields = yields;
    b.requests = requests;
    commit_queue_init(&b.queue, levin_io_posix(), lead, &b);
    for (uint32_t i = 0; i < threads; i++) {
        s[i] = (submitter){ .bench = &b, .id = i, .seed = seed + i * 7919u };
        ck_assert_int_eq(sync_thread_start(&s[i].thread, run_submitter, &s[i]), 0);
    }
    watch(&b, threads);
    for (uint32_t i = 0; i < threads; i++)
        sync_thread_join(&s[i].thread);
    ck_assert_msg(b.led == (uint64_t)threads * requests, "seed %u: %llu led of %llu", seed, (unsigned long long)b.led,
                  (unsigned long long)threads * requests);
    ck_assert_uint_le(b.groups, b.led);
    ck_assert_uint_eq(atomic_load(&b.queue.leadership), 0);
    ck_assert_ptr_null(atomic_load(&b.queue.head));
    ck_assert_ptr_null(b.queue.pending);
}

START_TEST(commit__every_request_is_led_once_in_order_by_1_to_64_threads)
{
    static const uint32_t threads[] = { 1, 2, 3, 4, 8, 16, 32, 64 };
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        run(threads[i], 24000 / threads[i] + 100, 0, 1000 + (uint32_t)i);
}
END_TEST

START_TEST(commit__slow_groups_lose_no_wake_up)
{
    static const uint32_t threads[] = { 2, 3, 5, 16, 64 };
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        run(threads[i], 6000 / threads[i] + 50, 1 + (uint32_t)i % 3, 2000 + (uint32_t)i);
}
END_TEST

START_TEST(commit__single_waiters_meet_at_the_moment_of_leaving)
{
    /* two threads, groups of nothing: every commit runs into the other's taking, leaving and announcing */
    for (uint32_t round = 0; round < 10; round++)
        run(2, 5000, 0, 3000 + round);
}
END_TEST

/* ---- a long look on leaving ------------------------------------------------------------------------------- */

/*
 * A leader that leaves looks through thousands of requests that nobody waits for, so that a waiter can come in the
 * middle of it. Whether that waiter was forgotten shows only while nobody else commits: the leader then stays away
 * until it has gone on. The waiter is woken when a look is near, and comes once for each, a little after it has begun.
 * Both sleep while they wait for the other: so the test takes no more work on a machine that seldom lets them run.
 */
enum { CROWD = 4000, LOOKS = 500 };

typedef struct crowd {
    commit_queue queue;
    work trigger, many[CROWD];
    _Atomic uint32_t near;    /* looks that begin soon */
    _Atomic uint32_t looks;   /* begun */
    _Atomic uint32_t commits; /* of the waiter, one for each look */
} crowd;

static void lead_crowd(void *context, commit_request *list)
{
    crowd *c = context;
    for (commit_request *r = list, *next; r; r = next) {
        next = r->next;
        const bool triggers = r == &c->trigger.request;
        if (triggers) {
            atomic_fetch_add_explicit(&c->near, 1, memory_order_relaxed); /* carries nothing else, as `looks` below */
            sync_wake(&c->near, 1);
        }
        for (uint32_t i = 0; triggers && i < CROWD; i++)
            commit_submit(&c->queue, &c->many[i].request, NULL);
        commit_complete(&c->queue, r, LEVIN_OK);
        if (triggers)
            atomic_fetch_add_explicit(&c->looks, 1, memory_order_relaxed);
    }
}

/* Puts the thread on a processor of its own, if there are two: they must really run at the same time. */
static void pin(int which)
{
    cpu_set_t allowed, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < 2)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && which-- == 0)
            CPU_SET(cpu, &one);
    require(sched_setaffinity(0, sizeof one, &one) == 0);
}

static void commit_at_each_look(void *argument)
{
    crowd *c = argument;
    pin(1);
    submitter dice = { .seed = 4000 };
    for (uint32_t look = 0; look < LOOKS; look++) {
        while (atomic_load_explicit(&c->near, memory_order_relaxed) == look)
            sync_wait(&c->near, look, 0);
        for (uint32_t turns = 1; atomic_load_explicit(&c->looks, memory_order_relaxed) == look; turns++)
            if (turns % 1000000 == 0)
                sync_yield();
        for (uint32_t turns = random_below(&dice, 60000); turns; turns--)
            __asm__ volatile("");
        work w = { .number = 0 };
        commit_submit(&c->queue, &w.request, NULL);
        require(commit_wait(&c->queue, &w.request) == LEVIN_OK);
        atomic_fetch_add_explicit(&c->commits, 1, memory_order_relaxed); /* carries nothing else */
        sync_wake(&c->commits, 1);
    }
}

START_TEST(commit__a_waiter_that_comes_while_the_leader_leaves_is_not_forgotten)
{
    static crowd c;
    sync_thread waiter;
    commit_queue_init(&c.queue, levin_io_posix(), lead_crowd, &c);
    ck_assert_int_eq(sync_thread_start(&waiter, commit_at_each_look, &c), 0);
    pin(0);
    for (uint32_t look = 0; look < LOOKS; look++) {
        commit_submit(&c.queue, &c.trigger.request, NULL);
        ck_assert_int_eq(commit_poll(&c.queue, &c.trigger.request), LEVIN_OK); /* nobody else can lead now */
        uint32_t idle = 0;
        while (atomic_load(&c.commits) == look) {
            if (idle++ == 60)
                die("a wake-up was lost: the waiter has not gone on for a minute");
            sync_wait(&c.commits, look, 1000000000u);
        }
        ck_assert_uint_eq(atomic_load(&c.commits), look + 1);
        /* all of the crowd is done before it is submitted again */
        ck_assert_int_eq(commit_wait(&c.queue, &c.many[CROWD - 1].request), LEVIN_OK);
    }
    sync_thread_join(&waiter);
}
END_TEST

/* ---- without threads: what a caller sees ------------------------------------------------------------------ */

typedef struct recorder {
    commit_queue queue;
    uint32_t order[32], groups[32];
    size_t count, group_count;
} recorder;

static void record(void *context, commit_request *list)
{
    recorder *rec = context;
    for (commit_request *r = list, *next; r; r = next) {
        next = r->next;
        rec->order[rec->count++] = ((work *)(void *)r)->number;
        rec->groups[rec->group_count]++;
        commit_complete(&rec->queue, r, LEVIN_OK);
    }
    rec->group_count++;
}

START_TEST(commit__a_poll_leads_all_that_was_submitted_in_order)
{
    recorder rec = { 0 };
    work w[5] = { 0 };
    commit_queue_init(&rec.queue, levin_io_posix(), record, &rec);
    for (uint32_t i = 0; i < 5; i++) {
        w[i].number = i;
        commit_submit(&rec.queue, &w[i].request, NULL);
    }
    ck_assert_int_eq(commit_poll(&rec.queue, &w[2].request), LEVIN_OK);
    ck_assert_uint_eq(rec.group_count, 1);
    ck_assert_uint_eq(rec.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(rec.order[i], i);
        levin_code code = i % 2 ? commit_poll(&rec.queue, &w[i].request) : commit_wait(&rec.queue, &w[i].request);
        ck_assert_int_eq(code, LEVIN_OK);
    }
    ck_assert_uint_eq(rec.group_count, 1);
}
END_TEST

typedef struct nested {
    commit_queue queue;
    work late[3];
    levin_code poll_inside;
    uint32_t order[8], count, groups;
} nested;

/* Submits three more requests while it leads the first group, as other threads would. */
static void lead_nested(void *context, commit_request *list)
{
    nested *n = context;
    if (n->groups++ == 0) {
        for (uint32_t i = 0; i < 3; i++) {
            n->late[i].number = 10 + i;
            commit_submit(&n->queue, &n->late[i].request, NULL);
        }
        n->poll_inside = commit_poll(&n->queue, &n->late[1].request);
    }
    for (commit_request *r = list, *next; r; r = next) {
        next = r->next;
        n->order[n->count++] = ((work *)(void *)r)->number;
        commit_complete(&n->queue, r, LEVIN_OK);
    }
}

START_TEST(commit__requests_without_waiter_stay_in_order_and_a_leader_leads_its_own_group_only)
{
    static nested n;
    commit_queue_init(&n.queue, levin_io_posix(), lead_nested, &n);
    work first = { .number = 1 }, last = { .number = 20 };
    commit_submit(&n.queue, &first.request, NULL);
    ck_assert_int_eq(commit_wait(&n.queue, &first.request), LEVIN_OK);
    ck_assert_int_eq(n.poll_inside, LEVIN_PENDING);
    ck_assert_uint_eq(n.groups, 1);
    ck_assert_uint_eq(n.count, 1);
    commit_submit(&n.queue, &last.request, NULL);
    ck_assert_int_eq(commit_wait(&n.queue, &n.late[2].request), LEVIN_OK);
    ck_assert_uint_eq(n.groups, 2);
    static const uint32_t expected[] = { 1, 10, 11, 12, 20 };
    ck_assert_uint_eq(n.count, 5);
    ck_assert_mem_eq(n.order, expected, sizeof expected);
    ck_assert_int_eq(commit_poll(&n.queue, &last.request), LEVIN_OK);
    ck_assert_uint_eq(n.groups, 2);
}
END_TEST

LEVIN_TEST_MAIN("commit", TEST(commit__a_poll_leads_all_that_was_submitted_in_order),
                TEST(commit__requests_without_waiter_stay_in_order_and_a_leader_leads_its_own_group_only),
                TEST(commit__a_waiter_that_comes_while_the_leader_leaves_is_not_forgotten),
                TEST(commit__single_waiters_meet_at_the_moment_of_leaving),
                TEST(commit__every_request_is_led_once_in_order_by_1_to_64_threads),
                TEST(commit__slow_groups_lose_no_wake_up))
