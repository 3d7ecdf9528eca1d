/*
 * value_cache_test.c - the cache of large values, one thread.
 *
 * Invariants checked, with sizes that do not fit one another, through many rounds of the hand, beside pins, and with an
 * io that counts what it gives and refuses some of it:
 *   - what is found is what was put in under that place, checksum, size and kind;
 *   - what is pinned stays as it was, also after it was evicted;
 *   - hits, misses, inserts and evictions are those of a counted reference;
 *   - no more than the budget is ever taken from io, and nothing is left;
 *   - once it is full, what is used stays and what is asked for once does not come in.
 */
#include "value_cache.h"

#include <stdlib.h>

#include "../faults/check_main.h"
#include "copy.h"
#include "file.h"

enum { VALUES = 400, BUDGET = 1 << 20, PINS = 5 };

typedef struct world {
    levin_io io;
    size_t held, most, huge; /* of `held`: what is aligned to huge pages */
    unsigned refuse; /* so many allocations more */
    value_cache *cache;
    uint8_t scratch[BUDGET];
} world;

static void *world_alloc(void *context, size_t bytes, size_t alignment)
{
    world *w = context;
    if (w->refuse) {
        w->refuse--;
        return NULL;
    }
    w->held += bytes;
    w->most = w->held > w->most ? w->held : w->most;
    w->huge += alignment == 2 << 20 ? bytes : 0;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void world_free(void *context, void *memory, size_t bytes)
{
    world *w = context;
    w->held -= bytes;
    free(memory);
}

static world *world_create(uint64_t budget)
{
    world *w = calloc(1, sizeof *w);
    w->io = *levin_io_posix();
    w->io.context = w;
    w->io.alloc = world_alloc;
    w->io.free = world_free;
    w->cache = value_cache_create(&w->io, budget);
    ck_assert_ptr_nonnull(w->cache);
    return w;
}

static void world_destroy(world *w, uint64_t budget)
{
    ck_assert_uint_le(w->most, budget);
    value_cache_destroy(w->cache);
    ck_assert_uint_eq(w->held, 0);
    free(w);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The nth value; every size from 1 byte to 12 KB, and some that are too long for the cache. */
static page_value value_of(uint64_t n)
{
    return (page_value){ .kind = n % 3 ? VALUE_LOG : VALUE_EXTENT, .first_page = n / 2, .checksum = mix(n),
                         .bytes = n % 97 == 0 ? BUDGET / 8 : 1 + mix(n ^ 77) % 12000 };
}

static void fill(uint8_t *data, const page_value *v)
{
    for (size_t i = 0; i < v->bytes; i++)
        data[i] = (uint8_t)(v->checksum >> i % 8 * 8);
}

static bool holds(const uint8_t *data, const page_value *v)
{
    for (size_t i = 0; i < v->bytes; i++)
        if (data[i] != (uint8_t)(v->checksum >> i % 8 * 8))
            return false;
    return true;
}

/* As a read does: finds it, or puts it in. Returns whether it was there; *pinned (may be NULL): the value, pinned. */
static bool ask(world *w, uint64_t n, cached_value **pinned)
{
    const page_value v = value_of(n);
    reclaim_read_lock();
    cached_value *found = value_cache_find(w->cache, &v);
    const bool right = !found || holds(cached_value_data(found), &v);
    if (found && pinned)
        cached_value_pin(*pinned = found);
    reclaim_read_unlock();
    ck_assert_msg(right, "value %llu is another one", (unsigned long long)n);
    if (!found) {
        fill(w->scratch, &v);
        value_cache_insert(w->cache, &v, w->scratch);
    }
    return found != NULL;
}

static value_cache_counters counters_of(const world *w)
{
    value_cache_counters c;
    value_cache_count(w->cache, &c);
    return c;
}

START_TEST(value_cache__finds_what_was_put_in_and_holds_what_is_pinned)
{
    world *w = world_create(BUDGET);
    cached_value *pinned[PINS] = { NULL };
    uint64_t of[PINS] = { 0 }, hits = 0, asked = 0, random = 1;
    for (unsigned i = 0; i < 60000; i++) {
        random = mix(random + i);
        /* a hot tenth, so that all of it is not driven out at once */
        const uint64_t n = random >> 32 & 1 ? random % (VALUES / 10) : random % VALUES;
        const unsigned slot = i % 64;
        if (slot < PINS && pinned[slot]) {
            const page_value v = value_of(of[slot]);
            ck_assert(holds(cached_value_data(pinned[slot]), &v));
            cached_value_unpin(pinned[slot]);
            pinned[slot] = NULL;
        }
        of[slot % PINS] = slot < PINS ? n : of[slot % PINS];
        hits += ask(w, n, slot < PINS && i / 64 % 16 == 0 ? &pinned[slot] : NULL);
        asked++;
    }
    const value_cache_counters c = counters_of(w);
    ck_assert_uint_eq(c.hits, hits);
    ck_assert_uint_eq(c.hits + c.misses, asked);
    ck_assert_uint_gt(c.hits, asked / 10);
    ck_assert_uint_gt(c.evictions, 1000); /* many rounds */
    ck_assert_uint_le(c.bytes, BUDGET);
    uint64_t there = 0;
    for (uint64_t n = 0; n < VALUES; n++) {
        const page_value v = value_of(n);
        reclaim_read_lock();
        there += value_cache_find(w->cache, &v) != NULL;
        reclaim_read_unlock();
    }
    ck_assert_uint_eq(there, c.inserts - c.evictions);
    ck_assert_uint_gt(c.bytes, BUDGET / 2); /* what is evicted ahead, and gaps, are less than that */
    for (unsigned i = 0; i < PINS; i++)
        if (pinned[i])
            cached_value_unpin(pinned[i]);
    world_destroy(w, BUDGET);
}
END_TEST

START_TEST(value_cache__a_value_needs_all_of_its_name)
{
    world *w = world_create(BUDGET);
    const page_value v = value_of(5);
    fill(w->scratch, &v);
    value_cache_insert(w->cache, &v, w->scratch);
    reclaim_read_lock();
    ck_assert_ptr_nonnull(value_cache_find(w->cache, &v));
    for (unsigned field = 0; field < 4; field++) {
        page_value other = v;
        other.first_page ^= field == 0;
        other.checksum ^= field == 1;
        other.bytes -= field == 2;
        other.kind = field == 3 ? VALUE_EXTENT : other.kind;
        ck_assert_ptr_null(value_cache_find(w->cache, &other));
    }
    reclaim_read_unlock();
    world_destroy(w, BUDGET);
}
END_TEST

START_TEST(value_cache__a_scan_leaves_what_is_used)
{
    enum { USED = 20, SCANNED = 4000 };
    world *w = world_create(BUDGET);
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t n = 1; n <= USED; n++)
            (void)ask(w, n, NULL);
    for (uint64_t n = 1000; n < 1000 + SCANNED; n++) {
        (void)ask(w, n, NULL); /* fills it; then each is asked for once */
        if (n % 8 == 0)
            (void)ask(w, 1 + n / 8 % USED, NULL);
    }
    const value_cache_counters full = counters_of(w);
    ck_assert_uint_lt(full.inserts, 400);
    unsigned there = 0;
    for (uint64_t n = 1; n <= USED; n++)
        there += ask(w, n, NULL);
    ck_assert_uint_eq(there, USED);
    for (uint64_t n = 9022; n < 9072; n++) { /* asked for twice they come in, and others go */
        ck_assert(!ask(w, n, NULL));
        ck_assert(!ask(w, n, NULL));
        ck_assert(ask(w, n, NULL));
    }
    ck_assert_uint_gt(counters_of(w).evictions, full.evictions + 20);
    world_destroy(w, BUDGET);
}
END_TEST

START_TEST(value_cache__what_is_used_gets_a_second_chance)
{
    enum { USED = 10 };
    world *w = world_create(BUDGET);
    unsigned missed = 0;
    for (uint64_t n = 1; n <= USED; n++)
        (void)ask(w, n, NULL);
    for (uint64_t n = 500; n < 5000; n++) {
        (void)ask(w, n, NULL);
        if (n > 1000) /* full: the second time it comes in */
            (void)ask(w, n, NULL);
        missed += !ask(w, 1 + n % USED, NULL);
    }
    ck_assert_uint_gt(counters_of(w).evictions, 3000);
    ck_assert_uint_eq(missed, 0);
    world_destroy(w, BUDGET);
}
END_TEST

START_TEST(value_cache__pinned_to_the_last_byte_it_takes_nothing_in)
{
    world *w = world_create(VALUE_CACHE_MIN_BYTES);
    cached_value *pinned[VALUES] = { NULL };
    for (unsigned round = 0; round < 4; round++)
        for (uint64_t n = 1; n < VALUES; n++)
            (void)ask(w, n, pinned[n] ? NULL : &pinned[n]);
    unsigned held = 0;
    for (uint64_t n = 1; n < VALUES; n++)
        if (pinned[n]) { /* and none of them was driven out */
            held++;
            ck_assert(ask(w, n, NULL));
        }
    const value_cache_counters full = counters_of(w);
    ck_assert_uint_gt(held, 5);
    ck_assert_uint_le(full.bytes, VALUE_CACHE_MIN_BYTES);
    for (uint64_t n = 1; n < VALUES; n++)
        if (pinned[n]) {
            const page_value v = value_of(n);
            ck_assert(holds(cached_value_data(pinned[n]), &v));
            cached_value_unpin(pinned[n]);
        }
    for (uint64_t n = 5001; n < 5101; n++) { /* and then it does again */
        (void)ask(w, n, NULL);
        (void)ask(w, n, NULL);
    }
    ck_assert_uint_gt(counters_of(w).inserts, full.inserts + 20);
    world_destroy(w, VALUE_CACHE_MIN_BYTES);
}
END_TEST

START_TEST(value_cache__does_without_memory)
{
    world *w = world_create(BUDGET);
    for (unsigned refused = 1; refused <= 2; refused++) {
        w->refuse = refused;
        ck_assert(!ask(w, 1, NULL));
        w->refuse = 0;
        ck_assert_uint_eq(counters_of(w).inserts, 0);
    }
    (void)ask(w, 1, NULL);
    ck_assert(ask(w, 1, NULL));
    world_destroy(w, BUDGET);
}
END_TEST

START_TEST(value_cache__takes_memory_as_it_fills_in_huge_pages_when_it_is_large)
{
    enum { HUGE_BUDGET = 50 << 20, HUGE_PAGE = 2 << 20 };
    world *w = world_create(HUGE_BUDGET);
    for (uint64_t n = 1; n < 10000; n++) {
        (void)ask(w, n, NULL);
        if (n == 1)
            ck_assert(w->held < HUGE_BUDGET / 7);
    }
    ck_assert_uint_gt(w->most, HUGE_BUDGET / 16 * 15);
    ck_assert_uint_eq(w->huge % HUGE_PAGE, 0);
    ck_assert_uint_gt(w->huge, HUGE_BUDGET / 16 * 15);
    world_destroy(w, HUGE_BUDGET);
}
END_TEST

START_TEST(copy__large_is_memcpy_at_every_distance)
{
    enum { PAGE = 4096, BYTES = 9000 };
    static uint8_t from[BYTES + PAGE], to[BYTES + 2 * PAGE];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)mix(i);
    for (size_t ahead = 0; ahead < PAGE; ahead += ahead < 70 ? 1 : 211)
        for (size_t bytes = 0; bytes <= BYTES; bytes += bytes < 200 ? 1 : 1733) {
            const size_t base = (uintptr_t)from % PAGE + 2 * PAGE - (uintptr_t)to % PAGE;
            uint8_t *at = to + (base + ahead) % PAGE;
            memset(to, 0xee, sizeof to);
            copy_large(at, from, bytes);
            ck_assert_uint_eq(((uintptr_t)at - (uintptr_t)from) % PAGE, ahead);
            ck_assert(memcmp(at, from, bytes) == 0);
            ck_assert_uint_eq(at[bytes], 0xee);
            ck_assert(at == to || at[-1] == 0xee);
        }
}
END_TEST

LEVIN_TEST_MAIN("value cache", TEST(value_cache__finds_what_was_put_in_and_holds_what_is_pinned),
                TEST(value_cache__a_value_needs_all_of_its_name), TEST(value_cache__a_scan_leaves_what_is_used),
                TEST(value_cache__what_is_used_gets_a_second_chance),
                TEST(value_cache__pinned_to_the_last_byte_it_takes_nothing_in), TEST(value_cache__does_without_memory),
                TEST(value_cache__takes_memory_as_it_fills_in_huge_pages_when_it_is_large),
                TEST(copy__large_is_memcpy_at_every_distance))
