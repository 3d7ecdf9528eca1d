/*
 * counter_concurrent_test.c - counters raised by many threads at once, also under ThreadSanitizer.
 *
 * Invariants checked: sums are exact with fewer threads than stripes, with more, and when threads come and go so that
 * their numbers and stripes are used again, and on the shared stripe; a thread keeps its stripe; two living threads
 * never own the same one.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../faults/check_main.h"
#include "counter.h"

enum { FEW = 4, MANY = 2 * COUNTER_STRIPES, ROUNDS = 3000, SHARED_ROUNDS = 20000000, GENERATIONS = 40 };

typedef struct world {
    counter_set set;
    pthread_barrier_t barrier;
} world;

typedef struct counting {
    pthread_t thread;
    world *w;
    counter_stripe *mine;
    bool kept;
} counting;

static world *world_create(unsigned threads)
{
    world *w = aligned_alloc(COUNTER_STRIPE_BYTES, sizeof *w);
    ck_assert_ptr_nonnull(w);
    memset(w, 0, sizeof *w);
    ck_assert_int_eq(pthread_barrier_init(&w->barrier, NULL, threads), 0);
    return w;
}

static void world_destroy(world *w)
{
    pthread_barrier_destroy(&w->barrier);
    free(w);
}

static void *count_run(void *argument)
{
    counting *c = argument;
    c->mine = counter_mine(&c->w->set);
    c->kept = true;
    pthread_barrier_wait(&c->w->barrier); /* all are alive at once from here ... */
    for (uint64_t i = 0; i < ROUNDS; i++) {
        counter_stripe *mine = counter_mine(&c->w->set);
        c->kept = c->kept && mine == c->mine;
        for (unsigned slot = 0; slot < COUNTER_SLOTS; slot++)
            counter_add(mine, slot, slot + i % 2);
    }
    pthread_barrier_wait(&c->w->barrier); /* ... to here */
    return NULL;
}

static void count_all(world *w, unsigned threads)
{
    counting *c = calloc(threads, sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (unsigned i = 0; i < threads; i++) {
        c[i].w = w;
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, count_run, &c[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++)
        ck_assert_int_eq(pthread_join(c[i].thread, NULL), 0);
    for (unsigned i = 0; i < threads; i++) {
        ck_assert(c[i].kept);
        for (unsigned k = 0; k < i; k++)
            ck_assert(c[k].mine != c[i].mine || c[i].mine == &w->set.shared);
    }
    free(c);
}

static void expect_counts(const counter_set *set, uint64_t threads)
{
    for (unsigned slot = 0; slot < COUNTER_SLOTS; slot++)
        ck_assert_uint_eq(counter_read(set, slot), threads * (slot * (uint64_t)ROUNDS + ROUNDS / 2));
}

START_TEST(counter__few_threads_own_their_stripes)
{
    world *w = world_create(FEW);
    count_all(w, FEW);
    expect_counts(&w->set, FEW);
    world_destroy(w);
}
END_TEST

START_TEST(counter__more_threads_than_stripes_share_exactly)
{
    world *w = world_create(MANY);
    count_all(w, MANY);
    expect_counts(&w->set, MANY);
    for (unsigned slot = 1; slot < COUNTER_SLOTS; slot++)
        ck_assert_uint_gt(atomic_load(&w->set.shared.count[slot]), 0);
    world_destroy(w);
}
END_TEST

static void *share_run(void *argument)
{
    world *w = argument;
    pthread_barrier_wait(&w->barrier);
    for (uint64_t i = 0; i < SHARED_ROUNDS; i++)
        counter_add(&w->set.shared, 1, 1);
    return NULL;
}

START_TEST(counter__the_shared_stripe_is_exact)
{
    world *w = world_create(FEW);
    pthread_t threads[FEW];
    for (int i = 0; i < FEW; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, share_run, w), 0);
    for (int i = 0; i < FEW; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(counter_read(&w->set, 1), (uint64_t)FEW * SHARED_ROUNDS);
    world_destroy(w);
}
END_TEST

START_TEST(counter__stripes_of_ended_threads_are_used_again)
{
    world *w = world_create(FEW);
    for (int i = 0; i < GENERATIONS; i++)
        count_all(w, FEW);
    expect_counts(&w->set, FEW * GENERATIONS);
    unsigned owned = 0;
    for (unsigned i = 0; i < COUNTER_STRIPES; i++)
        owned += atomic_load(&w->set.stripes[i].owner) != 0;
    ck_assert_uint_lt(owned, FEW * GENERATIONS / 4);
    world_destroy(w);
}
END_TEST

START_TEST(counter__add_tells_the_stripes_own_count)
{
    world *w = world_create(1);
    counter_stripe *mine = counter_mine(&w->set);
    ck_assert_uint_eq(counter_add(mine, 3, 5), 5);
    ck_assert_uint_eq(counter_add(mine, 3, 2), 7);
    ck_assert_uint_eq(counter_add(&w->set.shared, 3, 1), 1);
    ck_assert_uint_eq(counter_read(&w->set, 3), 8);
    ck_assert_uint_eq(counter_read(&w->set, 2), 0);
    world_destroy(w);
}
END_TEST

LEVIN_TEST_MAIN("counter_concurrent", TEST(counter__few_threads_own_their_stripes),
                TEST(counter__more_threads_than_stripes_share_exactly),
                TEST(counter__the_shared_stripe_is_exact),
                TEST(counter__stripes_of_ended_threads_are_used_again),
                TEST(counter__add_tells_the_stripes_own_count))
