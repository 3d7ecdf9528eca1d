/*
 * schedule_test.c - the scheduler itself: small cases whose bugs, and whose number of schedules, are known.
 *
 * Invariants checked: every strategy finds the planted deadlock, lost update and lost wake-up, none finds anything in
 * the right versions; the tree visits exactly the schedules there are, each once; a plan gives one digest; a recorded
 * run given again is the same run; grace periods wait for the sections open when they begin; time jumps to time-outs;
 * waits return without reason where that is asked for, and never because everybody sleeps.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/reclaim.h"
#include "../../engine/sync.h"
#include "../check_main.h"
#include "memory.h"
#include "schedule.h"
#include "tsan_test.h"

/* What threads share must be in the watched region, and fresh in each run. */
typedef struct world {
    sync_mutex a, b;
    _Atomic uint32_t word, other;
    uint32_t plain;
    bool right; /* the version without the bug */
    unsigned steps[2];
    unsigned order[16], orders;
} world;

typedef struct test_case {
    void (*body)(world *w, unsigned self);
    void (*after)(world *w);
    bool right, startles;
    unsigned hang_ms;
    schedule_record *record;
    unsigned steps[2];
} test_case;

static world *shared;
static const test_case *running;

static void run_thread(void *argument)
{
    running->body(shared, (unsigned)(uintptr_t)argument);
}

static void run_case(void *argument)
{
    sync_thread thread[2];
    running = argument;
    shared = memory_alloc(sizeof *shared, 16);
    memset(shared, 0, sizeof *shared);
    shared->right = running->right;
    memcpy(shared->steps, running->steps, sizeof shared->steps);
    sync_mutex_init(&shared->a);
    sync_mutex_init(&shared->b);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(sync_thread_start(&thread[i], run_thread, (void *)(uintptr_t)i), 0);
    schedule_begin();
    schedule_join(1u << 1 | 1u << 2);
    schedule_end_choices();
    if (running->after)
        running->after(shared);
}

/* Runs up to `runs` seeds; returns the first that ends otherwise than well, 0: none. */
static unsigned seeds_to(const test_case *c, schedule_strategy strategy, unsigned runs, schedule_outcome *o)
{
    for (unsigned seed = 1; seed <= runs; seed++) {
        const schedule_plan plan = { .strategy = strategy, .seed = seed, .depth = 2, .length = 12, .races = true,
                                     .startles = c->startles, .points_max = 10000, .hang_ms = c->hang_ms,
                                     .record = c->record };
        test_case copy = *c;
        schedule_run(&plan, run_case, &copy, o);
        free(o->switches);
        if (o->end != SCHEDULE_ENDED)
            return seed;
    }
    return 0;
}

static void finds(const test_case *wrong, schedule_end end)
{
    schedule_outcome o;
    test_case right = *wrong;
    right.right = true;
    const schedule_strategy strategies[] = { SCHEDULE_WALK, SCHEDULE_PCT };
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_ne(seeds_to(wrong, strategies[i], 200, &o), 0);
        ck_assert_msg(o.end == end, "%s: %s", schedule_end_text(o.end), o.text);
        ck_assert_msg(seeds_to(&right, strategies[i], 200, &o) == 0, "%s: %s", schedule_end_text(o.end), o.text);
    }
}

/* ---- deadlock: two mutexes in two orders ---- */

static void two_orders(world *w, unsigned self)
{
    const bool swapped = self && !w->right;
    sync_mutex_lock(swapped ? &w->b : &w->a);
    sync_mutex_lock(swapped ? &w->a : &w->b);
    sync_mutex_unlock(&w->a);
    sync_mutex_unlock(&w->b);
}

START_TEST(schedule__deadlock_of_two_orders_is_found)
{
    finds(&(test_case){ .body = two_orders }, SCHEDULE_DEADLOCK);
}
END_TEST

START_TEST(schedule__deadlock_tells_where_each_thread_stands)
{
    schedule_outcome o;
    ck_assert_uint_ne(seeds_to(&(test_case){ .body = two_orders }, SCHEDULE_WALK, 200, &o), 0);
    ck_assert_uint_eq(o.threads, 3);
    for (unsigned i = 1; i < 3; i++) {
        ck_assert_ptr_nonnull(strstr(o.at[i].doing, "waits for a mutex"));
        ck_assert_uint_ge(o.at[i].depth, 1);
    }
    ck_assert_ptr_nonnull(strstr(o.at[0].doing, "join"));
}
END_TEST

/* ---- lost update: load and store apart ---- */

static void update(world *w, unsigned self)
{
    (void)self;
    if (w->right) {
        atomic_add(&w->word, 1);
    } else {
        uint32_t value = atomic_read(&w->word);
        atomic_write(&w->word, value + 1);
    }
}

static void both_counted(world *w)
{
    if (w->word != 2)
        schedule_found(SCHEDULE_CHECK, "%u of 2 updates", (unsigned)w->word);
}

START_TEST(schedule__lost_update_is_found)
{
    finds(&(test_case){ .body = update, .after = both_counted }, SCHEDULE_CHECK);
}
END_TEST

/* ---- lost wake-up: looks, then says that it sleeps; the waker looks at what it says ---- */

static void sleep_and_wake(world *w, unsigned self)
{
    if (self == 0) {
        if (w->right) {
            while (atomic_read(&w->word) == 0)
                sync_wait(&w->word, 0, 0);
            return;
        }
        while (atomic_read(&w->word) == 0) {
            atomic_write(&w->other, 1); /* too late for a waker that has just looked */
            sync_wait(&w->word, 0, 0);
        }
        return;
    }
    if (w->right) {
        atomic_write(&w->word, 1);
        sync_wake(&w->word, 1);
        return;
    }
    const bool sleeps = atomic_read(&w->other);
    atomic_write(&w->word, 1);
    if (sleeps)
        sync_wake(&w->word, 1);
}

START_TEST(schedule__lost_wake_up_is_found)
{
    finds(&(test_case){ .body = sleep_and_wake }, SCHEDULE_LOST_WAKE_UP);
}
END_TEST

/* ---- livelock ---- */

static void spin(world *w, unsigned self)
{
    if (self == 1)
        atomic_write(&w->word, w->right);
    while (self == 0 && !atomic_read(&w->word))
        sync_yield();
}

START_TEST(schedule__livelock_is_found)
{
    finds(&(test_case){ .body = spin }, SCHEDULE_LIVELOCK);
}
END_TEST

/* ---- races: a flag without release, memory freed without a grace period ---- */

static void publish(world *w, unsigned self)
{
    if (self == 0) {
        plain_write(&w->plain, 7);
        if (w->right)
            atomic_publish(&w->word, 1);
        else
            atomic_write(&w->word, 1);
    } else if (atomic_read(&w->word)) {
        plain_read(&w->plain);
    }
}

START_TEST(schedule__missing_release_is_a_race)
{
    finds(&(test_case){ .body = publish }, SCHEDULE_RACE);
}
END_TEST

static void reclaim(world *w, unsigned self)
{
    if (self == 0) {
        uint32_t *piece = memory_alloc(sizeof *piece, 8);
        plain_write(piece, 1);
        atomic_publish(&w->word, (uint32_t)((uintptr_t)piece - MEMORY_BASE));
        atomic_publish(&w->word, 0);
        if (w->right)
            reclaim_synchronize();
        schedule_free(piece, sizeof *piece);
        return;
    }
    reclaim_read_lock();
    uint32_t offset = atomic_read(&w->word);
    if (offset) {
        schedule_point("step");
        plain_read((uint32_t *)(MEMORY_BASE + offset));
    }
    reclaim_read_unlock();
}

/* Read after it was freed; or before, but nothing says that it had to be before. */
START_TEST(schedule__use_after_reclaim_is_found)
{
    unsigned ends[SCHEDULE_END_COUNT] = { 0 };
    for (unsigned seed = 1; seed <= 400; seed++) {
        schedule_outcome o;
        const schedule_plan plan = { .strategy = SCHEDULE_WALK, .seed = seed, .races = true };
        test_case c = { .body = reclaim, .right = seed % 2 };
        schedule_run(&plan, run_case, &c, &o);
        free(o.switches);
        ck_assert_msg(!c.right || o.end == SCHEDULE_ENDED, "%s", o.text);
        ends[o.end]++;
        ck_assert(o.end != SCHEDULE_USE_AFTER_FREE || strstr(o.text, "was freed"));
    }
    ck_assert_uint_gt(ends[SCHEDULE_USE_AFTER_FREE], 0);
    ck_assert_uint_gt(ends[SCHEDULE_RACE], 0);
}
END_TEST

/* ---- all schedules ---- */

static void steps(world *w, unsigned self)
{
    for (unsigned i = 0; i < w->steps[self]; i++)
        schedule_point("step");
}

/* Two threads of n and m points have n + 1 and m + 1 pieces, which can be mixed in C(n + m + 2, n + 1) ways. */
static unsigned count_schedules(unsigned n, unsigned m, unsigned preemptions, unsigned *distinct)
{
    static uint64_t digests[20000];
    unsigned count = 0;
    test_case c = { .body = steps, .steps = { n, m } };
    schedule_tree *tree = schedule_tree_create(preemptions);
    *distinct = 0;
    do {
        schedule_outcome o;
        const schedule_plan plan = { .strategy = SCHEDULE_TREE, .tree = tree };
        schedule_run(&plan, run_case, &c, &o);
        free(o.switches);
        ck_assert_int_eq(o.end, SCHEDULE_ENDED);
        ck_assert_uint_le(o.preemptions, preemptions);
        unsigned i = 0;
        while (i < *distinct && digests[i] != o.digest)
            i++;
        if (i == *distinct)
            digests[(*distinct)++] = o.digest;
        count++;
    } while (schedule_tree_next(tree));
    schedule_tree_destroy(tree);
    return count;
}

static unsigned choose_of(unsigned n, unsigned k)
{
    unsigned long long result = 1;
    for (unsigned i = 1; i <= k; i++)
        result = result * (n - k + i) / i;
    return (unsigned)result;
}

START_TEST(schedule__tree_visits_each_interleaving_once)
{
    for (unsigned n = 1; n <= 4; n++)
        for (unsigned m = 1; m <= 4; m++) {
            unsigned distinct, count = count_schedules(n, m, UINT_MAX, &distinct);
            ck_assert_uint_eq(count, distinct);
            ck_assert_uint_eq(count, choose_of(n + m + 2, n + 1));
        }
}
END_TEST

/*
 * Of two threads of n and m steps (a point comes before each, so n + 1 pieces): without preemption 2; with at most one,
 * also each of the n (or m) places where the first may be interrupted, the second run to its end.
 */
START_TEST(schedule__tree_keeps_to_its_preemptions)
{
    unsigned distinct;
    ck_assert_uint_eq(count_schedules(3, 4, 0, &distinct), 2);
    ck_assert_uint_eq(count_schedules(3, 4, 1, &distinct), 2 + 3 + 4);
    ck_assert_uint_eq(distinct, 2 + 3 + 4);
}
END_TEST

START_TEST(schedule__tree_finds_the_lost_update)
{
    unsigned wrong = 0, count = 0;
    test_case c = { .body = update, .after = both_counted };
    schedule_tree *tree = schedule_tree_create(1);
    do {
        schedule_outcome o;
        const schedule_plan plan = { .strategy = SCHEDULE_TREE, .tree = tree };
        schedule_run(&plan, run_case, &c, &o);
        free(o.switches);
        wrong += o.end == SCHEDULE_CHECK;
        count++;
    } while (schedule_tree_next(tree));
    schedule_tree_destroy(tree);
    ck_assert_uint_eq(wrong, 2);
    ck_assert_uint_gt(count, wrong);
}
END_TEST

/* ---- runs are functions of their plans ---- */

static void mixture(world *w, unsigned self)
{
    for (unsigned i = 0; i < 5; i++) {
        sync_mutex_lock(&w->a);
        w->order[w->orders++] = self;
        sync_mutex_unlock(&w->a);
        update(w, self);
        sync_yield();
    }
}

static void note_order(world *w)
{
    for (unsigned i = 0; i < w->orders; i++)
        schedule_note(w->order[i]);
}

START_TEST(schedule__one_plan_gives_one_digest_and_a_recording_the_same_run)
{
    test_case c = { .body = mixture, .after = note_order };
    unsigned differ = 0;
    for (unsigned i = 0; i < 100; i++) {
        schedule_outcome first, second, again;
        const schedule_plan plan = { .strategy = i % 2 ? SCHEDULE_WALK : SCHEDULE_PCT, .seed = i, .depth = 3,
                                     .length = 60 };
        schedule_run(&plan, run_case, &c, &first);
        schedule_run(&plan, run_case, &c, &second);
        ck_assert_uint_eq(first.digest, second.digest);
        const schedule_plan recorded = { .strategy = SCHEDULE_GIVEN, .switches = first.switches,
                                         .switch_count = first.switch_count };
        schedule_run(&recorded, run_case, &c, &again);
        ck_assert_uint_eq(first.digest, again.digest);
        ck_assert_uint_eq(first.switch_count, again.switch_count);
        const schedule_plan usual = { .strategy = SCHEDULE_GIVEN };
        free(second.switches);
        schedule_run(&usual, run_case, &c, &second);
        ck_assert_uint_eq(second.switch_count, 0);
        differ += first.digest != second.digest;
        free(first.switches);
        free(second.switches);
        free(again.switches);
    }
    ck_assert_uint_gt(differ, 60);
}
END_TEST

START_TEST(schedule__power_cut_ends_the_run_at_its_point)
{
    test_case c = { .body = steps, .steps = { 10, 10 } };
    schedule_outcome o;
    const schedule_plan plan = { .strategy = SCHEDULE_WALK, .seed = 3, .cut_at = 7 };
    schedule_run(&plan, run_case, &c, &o);
    free(o.switches);
    ck_assert_int_eq(o.end, SCHEDULE_CUT);
    ck_assert_uint_eq(o.points, 7);
    ck_assert_uint_eq(o.threads, 3);
}
END_TEST

/* ---- time ---- */

static void sleep_long(world *w, unsigned self)
{
    if (self == 0) {
        uint64_t before = schedule_now_ns();
        sync_wait(&w->word, 0, 1000000000);
        w->plain = schedule_now_ns() - before >= 1000000000;
    }
}

static void has_slept(world *w)
{
    if (!w->plain)
        schedule_found(SCHEDULE_CHECK, "time did not pass");
}

START_TEST(schedule__time_jumps_to_a_time_out)
{
    schedule_outcome o;
    const unsigned seed = seeds_to(&(test_case){ .body = sleep_long, .after = has_slept }, SCHEDULE_WALK, 50, &o);
    ck_assert_msg(seed == 0, "seed %u: %s", seed, o.text);
}
END_TEST

static void goes_in_circles(world *w, unsigned self)
{
    atomic_write(&w->other, 1);
    while (self == 1 && !w->right)
        (void)plain_read(&w->plain); /* a list that leads back to itself: no point in it */
}

START_TEST(schedule__loop_without_points_is_a_livelock)
{
    schedule_outcome o;
    test_case c = { .body = goes_in_circles };
    ck_assert_uint_eq(seeds_to(&c, SCHEDULE_WALK, 1, &o), 1);
    ck_assert_int_eq(o.end, SCHEDULE_LIVELOCK);
    ck_assert_uint_gt(o.threads, 1);
    c.right = true;
    ck_assert_uint_eq(seeds_to(&c, SCHEDULE_WALK, 20, &o), 0);
}
END_TEST

static void computes_for_ever(world *w, unsigned self)
{
    atomic_write(&w->other, 1);
    while (self == 1 && !w->right)
        __asm__ volatile(""); /* not even an access */
}

START_TEST(schedule__loop_of_nothing_is_a_hang_and_the_next_run_goes_on)
{
    schedule_outcome o;
    test_case c = { .body = computes_for_ever, .hang_ms = 50 };
    for (int i = 0; i < 2; i++) {
        c.right = false;
        ck_assert_uint_eq(seeds_to(&c, SCHEDULE_WALK, 1, &o), 1);
        ck_assert_msg(o.end == SCHEDULE_HANG, "%s: %s", schedule_end_text(o.end), o.text);
        ck_assert_uint_eq(o.threads, 3);
        ck_assert_ptr_nonnull(strstr(o.at[2].doing, "runs, at point"));
        ck_assert_ptr_nonnull(strstr(o.at[2].doing, "a loop without points"));
        c.right = true;
        ck_assert_uint_eq(seeds_to(&c, SCHEDULE_WALK, 20, &o), 0);
    }
}
END_TEST

static void leave_process(world *w)
{
    if (w->word != 2)
        _exit(77);
}

START_TEST(schedule__record_outlives_the_process)
{
    enum { ROOM = 64 };
    struct {
        schedule_record record;
        schedule_switch switches[ROOM];
    } *both = mmap(NULL, sizeof *both, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(both, MAP_FAILED);
    both->record = (schedule_record){ .switches = both->switches, .capacity = ROOM };
    schedule_outcome o;
    test_case c = { .body = update, .after = both_counted, .record = &both->record };
    const unsigned seed = seeds_to(&c, SCHEDULE_WALK, 200, &o);
    ck_assert_uint_ne(seed, 0);
    const size_t count = both->record.count;
    ck_assert_uint_ne(count, 0);
    ck_assert_uint_eq(count, o.switch_count);
    const pid_t child = fork();
    if (child == 0) {
        const schedule_plan plan = { .strategy = SCHEDULE_WALK, .seed = seed, .depth = 2, .length = 12, .races = true,
                                     .points_max = 10000, .record = &both->record };
        test_case dies = { .body = update, .after = leave_process };
        schedule_run(&plan, run_case, &dies, &o);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77);
    ck_assert_uint_eq(both->record.count, count);
    munmap(both, sizeof *both);
}
END_TEST

/* ---- waits that return without reason ---- */

static void wait_for_word(world *w, unsigned self)
{
    if (self == 1) {
        atomic_write(&w->other, 1);
        atomic_write(&w->word, 1);
        sync_wake(&w->word, 1);
        return;
    }
    if (!atomic_read(&w->word))
        sync_wait(&w->word, 0, 0);
    while (w->right && !atomic_read(&w->word))
        sync_wait(&w->word, 0, 0);
    if (!atomic_read(&w->word))
        schedule_found(SCHEDULE_CHECK, "woken without reason");
}

START_TEST(schedule__wait_that_does_not_look_again_is_found)
{
    for (schedule_strategy s = SCHEDULE_WALK; s <= SCHEDULE_PCT; s++) {
        schedule_outcome o;
        test_case c = { .body = wait_for_word };
        ck_assert_uint_eq(seeds_to(&c, s, 2000, &o), 0); /* whoever sleeps was woken */
        c.startles = true;
        ck_assert_uint_ne(seeds_to(&c, s, 2000, &o), 0);
        ck_assert_int_eq(o.end, SCHEDULE_CHECK);
        c.right = true;
        ck_assert_uint_eq(seeds_to(&c, s, 2000, &o), 0);
    }
}
END_TEST

static void wait_for_nobody(world *w, unsigned self)
{
    if (self == 0)
        sync_wait(&w->word, 0, 0);
}

START_TEST(schedule__startling_does_not_wake_who_sleeps_for_ever)
{
    schedule_outcome o;
    ck_assert_uint_eq(seeds_to(&(test_case){ .body = wait_for_nobody, .startles = true }, SCHEDULE_WALK, 1, &o), 1);
    ck_assert_int_eq(o.end, SCHEDULE_DEADLOCK);
}
END_TEST

static void crash(world *w, unsigned self)
{
    if (self && atomic_read(&w->word))
        raise(SIGSEGV);
    atomic_write(&w->word, 1);
}

START_TEST(schedule__signal_is_a_finding_and_the_next_run_goes_on)
{
    schedule_outcome o;
    test_case c = { .body = crash };
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_ne(seeds_to(&c, SCHEDULE_WALK, 100, &o), 0);
        ck_assert_msg(o.end == SCHEDULE_SIGNAL, "%s: %s", schedule_end_text(o.end), o.text);
    }
}
END_TEST

LEVIN_TEST_MAIN("schedule", TEST(schedule__deadlock_of_two_orders_is_found),
                TEST(schedule__deadlock_tells_where_each_thread_stands), TEST(schedule__lost_update_is_found),
                TEST(schedule__lost_wake_up_is_found), TEST(schedule__livelock_is_found),
                TEST(schedule__missing_release_is_a_race), TEST(schedule__use_after_reclaim_is_found),
                TEST(schedule__tree_visits_each_interleaving_once), TEST(schedule__tree_keeps_to_its_preemptions),
                TEST(schedule__tree_finds_the_lost_update),
                TEST(schedule__one_plan_gives_one_digest_and_a_recording_the_same_run),
                TEST(schedule__power_cut_ends_the_run_at_its_point), TEST(schedule__time_jumps_to_a_time_out),
                TEST(schedule__loop_without_points_is_a_livelock),
                TEST(schedule__loop_of_nothing_is_a_hang_and_the_next_run_goes_on),
                TEST(schedule__record_outlives_the_process),
                TEST(schedule__wait_that_does_not_look_again_is_found),
                TEST(schedule__startling_does_not_wake_who_sleeps_for_ever),
                TEST(schedule__signal_is_a_finding_and_the_next_run_goes_on))
