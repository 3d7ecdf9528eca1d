/*
 * commit_gather_concurrent_test.c - the leader's short wait for company (commit.h, "Gathering"), on one thread.
 *
 * The clock of the queue's I/O table is the test's: each look at it takes a microsecond, and at a look that the test
 * chooses another request is submitted, as another thread would.
 *
 * Checked: the leader waits until as many are there as were in flight, and no longer than a quarter of what a slow
 * group takes; it waits once for company that stays away; it does not wait alone, without a slow request, or when
 * nobody waits for the group; sleepers are woken when their group is done, however many there are.
 */
#include "../faults/check_main.h"
#include "commit.h"

enum { LOOK_NS = 1000, GROUP_NS = 100000, REQUESTS_MAX = 8 };

typedef struct rig {
    commit_queue queue;
    levin_io io;
    uint64_t now;
    uint32_t looks;           /* at the clock since the test set it to 0 */
    uint32_t come_at;         /* `late` is submitted at that look; 0: never */
    commit_request late;
    bool slow;                /* as which it is submitted */
    bool company;             /* submitted while the next group is led */
    commit_request other;
    size_t groups, last_group;
} rig;

static uint64_t rig_now(void *context)
{
    rig *r = context;
    r->now += LOOK_NS;
    if (++r->looks == r->come_at) {
        const commit_terms terms = { .slow = r->slow };
        r->come_at = 0;
        commit_submit(&r->queue, &r->late, &terms);
    }
    return r->now;
}

static void rig_lead(void *context, commit_request *list)
{
    rig *r = context;
    r->groups++;
    r->last_group = 0;
    r->now += GROUP_NS;
    if (r->company) {
        r->company = false;
        commit_submit(&r->queue, &r->other, &(commit_terms){ .slow = true });
    }
    for (commit_request *next; list; list = next) {
        next = list->next;
        r->last_group++;
        commit_complete(&r->queue, list, LEVIN_OK);
    }
}

static void rig_init(rig *r)
{
    memset(r, 0, sizeof *r);
    r->io = *levin_io_posix();
    r->io.context = r;
    r->io.now_ns = rig_now;
    r->slow = true;
    commit_queue_init(&r->queue, &r->io, rig_lead, r);
}

static void write_one(rig *r, bool slow)
{
    commit_request request;
    commit_submit(&r->queue, &request, &(commit_terms){ .slow = slow });
    ck_assert_int_eq(commit_wait(&r->queue, &request), LEVIN_OK);
}

/* A group of `count` slow ones is led. */
static void lead_together(rig *r, size_t count)
{
    commit_request request[REQUESTS_MAX];
    for (size_t i = 0; i < count; i++)
        commit_submit(&r->queue, &request[i], &(commit_terms){ .slow = true });
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(commit_wait(&r->queue, &request[i]), LEVIN_OK);
}

START_TEST(commit__a_leader_waits_for_those_it_has_let_go)
{
    static rig r;
    rig_init(&r);
    lead_together(&r, 2);
    ck_assert_uint_eq(r.last_group, 2);
    r.looks = 0;
    r.come_at = 7;
    write_one(&r, true);
    ck_assert_uint_eq(r.groups, 2);
    ck_assert_uint_eq(r.last_group, 2);
    ck_assert_int_eq(commit_poll(&r.queue, &r.late), LEVIN_OK);
    ck_assert_uint_lt(r.looks, 12); /* the wait ended with its coming */
}
END_TEST

START_TEST(commit__those_queued_while_a_group_is_led_count_as_well)
{
    static rig r;
    rig_init(&r);
    r.company = true;
    write_one(&r, true); /* `other` comes meanwhile: two are in flight */
    ck_assert_uint_eq(r.last_group, 1);
    r.come_at = r.looks + 5;
    ck_assert_int_eq(commit_wait(&r.queue, &r.other), LEVIN_OK);
    ck_assert_uint_eq(r.groups, 2);
    ck_assert_uint_eq(r.last_group, 2);
    ck_assert_int_eq(commit_poll(&r.queue, &r.late), LEVIN_OK);
}
END_TEST

START_TEST(commit__company_that_stays_away_costs_one_short_wait)
{
    static rig r;
    rig_init(&r);
    lead_together(&r, 3);
    uint64_t began = r.now;
    write_one(&r, true);
    uint64_t took = r.now - began;
    ck_assert_uint_eq(r.last_group, 1);
    ck_assert_uint_gt(took, GROUP_NS + GROUP_NS / 8);
    ck_assert_uint_lt(took, GROUP_NS + GROUP_NS / 2);
    r.looks = 0;
    write_one(&r, true);
    ck_assert_uint_eq(r.last_group, 1);
    ck_assert_uint_le(r.looks, 2); /* the time of the group, and no more */
}
END_TEST

START_TEST(commit__nobody_is_waited_for_without_need)
{
    static rig r;
    commit_request polled;
    rig_init(&r);
    write_one(&r, true);
    r.looks = 0;
    write_one(&r, true); /* alone */
    ck_assert_uint_le(r.looks, 2);
    lead_together(&r, 2);
    r.looks = 0;
    write_one(&r, false); /* not slow */
    ck_assert_uint_eq(r.looks, 0);
    commit_submit(&r.queue, &polled, &(commit_terms){ .slow = true });
    ck_assert_int_eq(commit_poll(&r.queue, &polled), LEVIN_OK); /* a poll is no wait */
    ck_assert_uint_le(r.looks, 2);
}
END_TEST

/* ---- with threads: more sleepers than the leader notes ------------------------------------------------------ */

enum { SLEEPERS = 90 };

typedef struct sleeper_rig {
    commit_queue queue;
    commit_request request[SLEEPERS];
    _Atomic uint32_t submitted; /* raised by each sleeper (release) before it waits */
    size_t led;
} sleeper_rig;
static sleeper_rig sleepers;

static void sleeper_lead(void *context, commit_request *list)
{
    sleeper_rig *r = context;
    for (commit_request *next; list; list = next) {
        next = list->next;
        r->led++;
        commit_complete(&r->queue, list, LEVIN_OK);
    }
}

static void sleeper_run(void *argument)
{
    commit_request *request = argument;
    commit_submit(&sleepers.queue, request, &(commit_terms){ .slow = true });
    atomic_fetch_add_explicit(&sleepers.submitted, 1, memory_order_release); /* pairs with the acquire of the test */
    if (commit_wait(&sleepers.queue, request) != LEVIN_OK)
        abort();
}

START_TEST(commit__more_sleepers_than_a_leader_notes_are_all_woken)
{
    static sync_thread thread[SLEEPERS];
    commit_request last;
    commit_queue_init(&sleepers.queue, levin_io_posix(), sleeper_lead, &sleepers);
    /* somebody leads, so that all of them go to sleep; relaxed: the threads start after it */
    atomic_store_explicit(&sleepers.queue.leadership, 1, memory_order_relaxed);
    for (int i = 0; i < SLEEPERS; i++)
        ck_assert_int_eq(sync_thread_start(&thread[i], sleeper_run, &sleepers.request[i]), 0);
    while (atomic_load_explicit(&sleepers.submitted, memory_order_acquire) < SLEEPERS) /* pairs with sleeper_run() */
        sync_yield();
    for (int i = 0; i < SLEEPERS; i++)
        while (atomic_load_explicit(&sleepers.request[i].state, memory_order_relaxed) == 0) /* not yet WAITING */
            sync_yield();
    /* that leader leaves without a look; a sleeper that announces itself only now leads. Pairs with try_to_lead() */
    atomic_store_explicit(&sleepers.queue.leadership, 0, memory_order_release);
    commit_submit(&sleepers.queue, &last, NULL);
    ck_assert_int_eq(commit_wait(&sleepers.queue, &last), LEVIN_OK);
    for (int i = 0; i < SLEEPERS; i++)
        sync_thread_join(&thread[i]);
    ck_assert_uint_eq(sleepers.led, SLEEPERS + 1);
}
END_TEST

LEVIN_TEST_MAIN("commit_gather", TEST(commit__a_leader_waits_for_those_it_has_let_go),
                TEST(commit__those_queued_while_a_group_is_led_count_as_well),
                TEST(commit__company_that_stays_away_costs_one_short_wait),
                TEST(commit__nobody_is_waited_for_without_need),
                TEST(commit__more_sleepers_than_a_leader_notes_are_all_woken))
