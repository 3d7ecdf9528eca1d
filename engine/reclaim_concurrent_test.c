/*
 * reclaim_concurrent_test.c - grace periods and deferred frees under threads, with real memory.
 *
 * Checked: a reader never sees freed memory; a drain waits for the readers that were there; nodes are freed exactly
 * once, in order of deferral, whoever pushes and drains; threads come and go without set-up.  Freed objects are
 * overwritten, and the address sanitizer and ThreadSanitizer see what the checks miss.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/thread_check.h"
#include "reclaim.h"
#include "sync.h"

/* ---- readers against a writer that replaces what they read ------------------------------------------------ */

enum { READERS = 3, REPLACEMENTS = 3000, WORDS = 32 };

typedef struct object {
    reclaim_node node;
    uint64_t words[WORDS]; /* all equal */
} object;

typedef struct shared {
    _Atomic(object *) current;
    _Atomic uint32_t stop, started;
    reclaim_queue queue;
} shared;

static object *object_create(uint64_t value)
{
    object *o = malloc(sizeof *o);
    require(o);
    for (size_t i = 0; i < WORDS; i++)
        o->words[i] = value;
    return o;
}

static void object_free(reclaim_node *node)
{
    object *o = (object *)(void *)((char *)node - offsetof(object, node));
    memset(o->words, 0xdd, sizeof o->words);
    o->words[WORDS - 1] = 1; /* no longer all equal */
    free(o);
}

static void read_repeatedly(void *argument)
{
    shared *s = argument;
    uint64_t last = 0;
    atomic_fetch_add_explicit(&s->started, 1, memory_order_relaxed); /* a hint that reading has begun */
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        reclaim_read_lock();
        const object *o = reclaim_load(&s->current);
        uint64_t first = o->words[0];
        require(first >= last);
        reclaim_read_lock(); /* sections nest: leaving the inner one protects still */
        reclaim_read_unlock();
        for (size_t i = 0; i < WORDS; i++)
            require(o->words[i] == first);
        reclaim_read_unlock();
        last = first;
    }
}

START_TEST(reclaim__readers_never_see_freed_memory)
{
    static shared s;
    sync_thread reader[READERS];
    atomic_store(&s.current, object_create(0));
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(sync_thread_start(&reader[i], read_repeatedly, &s), 0);
    while (atomic_load(&s.started) < READERS)
        sync_yield();
    size_t freed = 0;
    for (uint64_t i = 1; i <= REPLACEMENTS; i++) {
        object *old = atomic_load_explicit(&s.current, memory_order_relaxed); /* only this thread stores */
        reclaim_publish(&s.current, object_create(i));
        reclaim_defer(&s.queue, &old->node, object_free);
        if (i % 16 == 0)
            freed += reclaim_drain(&s.queue);
        if (i % 64 == 0)
            sync_yield();
    }
    atomic_store(&s.stop, 1);
    freed += reclaim_drain(&s.queue);
    for (int i = 0; i < READERS; i++)
        sync_thread_join(&reader[i]);
    ck_assert_uint_eq(freed, REPLACEMENTS);
    ck_assert_uint_eq(reclaim_waiting(&s.queue), 0);
    free(atomic_load(&s.current));
}
END_TEST

/* ---- a drain waits for a reader --------------------------------------------------------------------------- */

typedef struct barrier_case {
    reclaim_queue queue;
    reclaim_node node;
    _Atomic uint32_t draining, freed, left_at_free;
    _Atomic uint32_t left;
} barrier_case;
static barrier_case waiting;

static void note_free(reclaim_node *node)
{
    require(node == &waiting.node);
    atomic_store(&waiting.left_at_free, atomic_load(&waiting.left));
    atomic_store(&waiting.freed, 1);
}

static void drain_once(void *argument)
{
    (void)argument;
    atomic_store(&waiting.draining, 1);
    require(reclaim_drain(&waiting.queue) == 1);
}

START_TEST(reclaim__a_drain_waits_for_the_readers_before_it)
{
    sync_thread drainer;
    reclaim_read_lock();
    reclaim_read_lock();
    reclaim_defer(&waiting.queue, &waiting.node, note_free);
    ck_assert_uint_eq(reclaim_waiting(&waiting.queue), 1);
    ck_assert_int_eq(sync_thread_start(&drainer, drain_once, NULL), 0);
    while (!atomic_load(&waiting.draining))
        sync_yield();
    reclaim_read_unlock(); /* the outer section is still there */
    for (int i = 0; i < 20000; i++) { /* many chances to get it wrong */
        ck_assert_uint_eq(atomic_load(&waiting.freed), 0);
        sync_yield();
    }
    atomic_store(&waiting.left, 1);
    reclaim_read_unlock();
    sync_thread_join(&drainer);
    ck_assert_uint_eq(atomic_load(&waiting.freed), 1);
    ck_assert_uint_eq(atomic_load(&waiting.left_at_free), 1);
    ck_assert_uint_eq(reclaim_waiting(&waiting.queue), 0);
}
END_TEST

/* ---- many pushers, several drainers ----------------------------------------------------------------------- */

enum { PUSHERS = 6, NODES = 3000 };

typedef struct numbered {
    reclaim_node node;
    uint32_t pusher, number;
    _Atomic uint32_t freed;
} numbered;

static struct {
    reclaim_queue queue;
    numbered nodes[PUSHERS][NODES];
    _Atomic uint32_t done;
    _Atomic size_t drained;
} many;

/* Where a drain has got to; each drainer has its own, for nodes in one drain come in order. */
static _Thread_local int64_t last_freed[PUSHERS];

static void numbered_free(reclaim_node *node)
{
    numbered *n = (numbered *)(void *)node;
    require(atomic_fetch_add(&n->freed, 1) == 0);
    require((int64_t)n->number > last_freed[n->pusher]);
    last_freed[n->pusher] = n->number;
}

static void push_all(void *argument)
{
    numbered *nodes = argument;
    for (uint32_t i = 0; i < NODES; i++)
        reclaim_defer(&many.queue, &nodes[i].node, numbered_free);
    atomic_fetch_add(&many.done, 1);
}

static void drain_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < PUSHERS; i++)
        last_freed[i] = -1;
    for (bool last = false; !last;) {
        last = atomic_load(&many.done) == PUSHERS;
        size_t count = reclaim_drain(&many.queue);
        atomic_fetch_add(&many.drained, count);
        require(reclaim_waiting(&many.queue) <= (size_t)PUSHERS * NODES);
        if (!count)
            sync_yield();
    }
}

START_TEST(reclaim__nodes_are_freed_once_and_in_order_of_deferral)
{
    sync_thread pusher[PUSHERS], drainer[2];
    for (uint32_t p = 0; p < PUSHERS; p++)
        for (uint32_t i = 0; i < NODES; i++)
            many.nodes[p][i].pusher = p, many.nodes[p][i].number = i;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sync_thread_start(&drainer[i], drain_all, NULL), 0);
    for (int p = 0; p < PUSHERS; p++)
        ck_assert_int_eq(sync_thread_start(&pusher[p], push_all, many.nodes[p]), 0);
    for (int p = 0; p < PUSHERS; p++)
        sync_thread_join(&pusher[p]);
    for (int i = 0; i < 2; i++)
        sync_thread_join(&drainer[i]);
    ck_assert_uint_eq(atomic_load(&many.drained), (size_t)PUSHERS * NODES);
    ck_assert_uint_eq(reclaim_waiting(&many.queue), 0);
    ck_assert_uint_eq(reclaim_drain(&many.queue), 0);
    for (int p = 0; p < PUSHERS; p++)
        for (int i = 0; i < NODES; i++)
            ck_assert_uint_eq(atomic_load(&many.nodes[p][i].freed), 1);
}
END_TEST

static void defer_again(reclaim_node *node);
static struct {
    reclaim_queue queue;
    reclaim_node node;
    int frees;
} again;
static void defer_again(reclaim_node *node)
{
    if (++again.frees < 3)
        reclaim_defer(&again.queue, node, defer_again);
}

START_TEST(reclaim__a_free_may_defer_into_the_same_queue)
{
    reclaim_defer(&again.queue, &again.node, defer_again);
    for (int i = 1; i <= 3; i++) {
        ck_assert_uint_eq(reclaim_drain(&again.queue), 1);
        ck_assert_int_eq(again.frees, i);
    }
    ck_assert_uint_eq(reclaim_drain(&again.queue), 0);
    ck_assert_uint_eq(reclaim_waiting(&again.queue), 0);
}
END_TEST

static void read_once(void *argument)
{
    (void)argument;
    reclaim_read_lock();
    reclaim_read_unlock();
}

START_TEST(reclaim__threads_come_and_go_without_set_up)
{
    for (int round = 0; round < 50; round++) {
        sync_thread reader[4];
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(sync_thread_start(&reader[i], read_once, NULL), 0);
        reclaim_synchronize();
        for (int i = 0; i < 4; i++)
            sync_thread_join(&reader[i]);
    }
    reclaim_synchronize();
}
END_TEST

LEVIN_TEST_MAIN("reclaim", TEST(reclaim__readers_never_see_freed_memory),
                TEST(reclaim__a_drain_waits_for_the_readers_before_it),
                TEST(reclaim__nodes_are_freed_once_and_in_order_of_deferral),
                TEST(reclaim__a_free_may_defer_into_the_same_queue),
                TEST(reclaim__threads_come_and_go_without_set_up))
