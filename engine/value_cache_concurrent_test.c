/*
 * value_cache_concurrent_test.c - readers that copy, pin and put in values of many sizes, over a cache that holds a
 * fraction of them and whose memory is used again all the time.  For ThreadSanitizer and AddressSanitizer.
 *
 * Invariants checked
 *   - what a reader finds is the value that it asked for, whole, and stays so while it is pinned, whoever unpins it;
 *   - hits + misses is exactly the number of questions;
 *   - everything goes back to io, and it is never more than the budget.
 */
#include "value_cache.h"

#include <stdlib.h>

#include "../faults/check_main.h"
#include "copy.h"
#include "file.h"
#include "sync.h"

enum { READERS = 4, ROUNDS = 4000, VALUES = 60, BUDGET = 128 << 10, VALUE_MAX = 9000 };

typedef struct world {
    levin_io io;
    value_cache *cache;
    _Atomic size_t held, most;
    _Atomic(cached_value *) pinned[READERS]; /* handed on: the next reader unpins it */
    _Atomic uint64_t asked, wrong;
} world;

static void *world_alloc(void *context, size_t bytes, size_t alignment)
{
    world *w = context;
    const size_t held = atomic_fetch_add(&w->held, bytes) + bytes;
    for (size_t most = atomic_load(&w->most); held > most && !atomic_compare_exchange_weak(&w->most, &most, held);) {
    }
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void world_free(void *context, void *memory, size_t bytes)
{
    world *w = context;
    atomic_fetch_sub(&w->held, bytes);
    free(memory);
}

static page_value value_of(uint64_t n)
{
    return (page_value){ .kind = VALUE_LOG, .first_page = n, .checksum = (n + 1) * 0x9e3779b97f4a7c15u,
                         .bytes = 100 + n * 7919 % (VALUE_MAX - 100) };
}

/* The size tells which value it is. */
static bool holds(const uint8_t *data, size_t bytes, uint64_t n)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != (uint8_t)(n + i % 7))
            return false;
    return true;
}

/* The last one that this reader or its neighbour has pinned is looked at and let go; the new one takes its place. */
static void hand_on(world *w, unsigned slot, cached_value *v)
{
    cached_value *before = atomic_exchange(&w->pinned[slot % READERS], v);
    if (before) {
        const uint8_t *data = cached_value_data(before);
        if (data[7] != data[0]) /* all of one value */
            atomic_fetch_add(&w->wrong, 1);
        cached_value_unpin(before);
    }
}

static void ask(world *w, uint64_t n, bool pin, unsigned slot, uint8_t *buffer)
{
    const page_value value = value_of(n);
    reclaim_read_lock();
    cached_value *v = value_cache_find(w->cache, &value);
    if (v && pin)
        cached_value_pin(v);
    if (v)
        copy_large(buffer, cached_value_data(v), value.bytes);
    reclaim_read_unlock();
    if (v && !holds(buffer, value.bytes, n))
        atomic_fetch_add(&w->wrong, 1);
    if (v && pin)
        hand_on(w, slot, v);
    if (!v) {
        for (size_t i = 0; i < value.bytes; i++)
            buffer[i] = (uint8_t)(n + i % 7);
        value_cache_insert(w->cache, &value, buffer);
    }
}

static void reader(void *argument)
{
    static _Atomic unsigned numbers;
    world *w = argument;
    const unsigned self = atomic_fetch_add(&numbers, 1);
    uint8_t *buffer = malloc(VALUE_MAX);
    uint64_t random = 88172645463325252u + self;
    for (unsigned i = 0; i < ROUNDS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        ask(w, random % VALUES, random >> 40 & 1, self + i % 2, buffer);
        atomic_fetch_add(&w->asked, 1);
    }
    free(buffer);
}

START_TEST(value_cache__readers_get_their_value_while_memory_is_used_again)
{
    world w = { .io = *levin_io_posix() };
    sync_thread threads[READERS];
    value_cache_counters c;
    w.io.context = &w;
    w.io.alloc = world_alloc;
    w.io.free = world_free;
    w.cache = value_cache_create(&w.io, BUDGET);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(sync_thread_start(&threads[i], reader, &w), 0);
    for (unsigned i = 0; i < READERS; i++)
        sync_thread_join(&threads[i]);
    value_cache_count(w.cache, &c);
    ck_assert_uint_eq(atomic_load(&w.wrong), 0);
    ck_assert_uint_eq(c.hits + c.misses, atomic_load(&w.asked));
    ck_assert_uint_gt(c.hits, 100);
    ck_assert_uint_gt(c.evictions, 100); /* its memory was used again */
    for (unsigned i = 0; i < READERS; i++)
        hand_on(&w, i, NULL);
    value_cache_destroy(w.cache);
    ck_assert_uint_eq(atomic_load(&w.held), 0);
    ck_assert_uint_le(atomic_load(&w.most), BUDGET);
}
END_TEST

LEVIN_TEST_MAIN("value cache, concurrent", TEST(value_cache__readers_get_their_value_while_memory_is_used_again))
