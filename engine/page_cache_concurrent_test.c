/*
 * page_cache_concurrent_test.c - readers with pins, and a writer that rewrites pages elsewhere and reuses their
 * places, over a cache that holds a fraction of them.  For ThreadSanitizer and AddressSanitizer.
 *
 * Invariants checked
 *   - what a reader gets is the content its reference names, at every moment, and stays so while pinned, also after
 *     the page number has come back with other content;
 *   - hits + misses is exactly the number of gets, whatever threads came and went;
 *   - nothing is left allocated.
 *
 * The writer keeps the promises that the engine's versions keep: new content goes to a page that no reader can reach,
 * the reference is published, and the old place is forgotten and reused after a grace period.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "page_cache.h"
#include "page_write_test.h"
#include "sync.h"

enum {
    PAGE = 4096,
    LOGICAL = 200,
    PLACES = 260,
    FIRST = 2,
    READERS = 4,
    PINS = 6,
    GENERATION = 1,
    BUDGET_PAGES = 48
};
static const uint64_t IDENTITY = 0x77u;

/* What a logical page is now. Immutable; freed after a grace period. */
typedef struct version {
    page_ref ref;
    uint64_t content;
} version;

typedef struct world {
    levin_io io;
    file f;
    uint8_t *bytes;
    page_cache *cache;
    _Atomic(version *) versions[LOGICAL];
    _Atomic size_t held;
    _Atomic uint64_t gets;
    _Atomic uint32_t start, stop;
    _Atomic uint32_t fail_read; /* one in so many reads fails; 0: none */
    _Atomic uint32_t reads;
    unsigned rewrites;
} world;

static int world_read(void *context, levin_file *handle, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    world *w = context;
    (void)handle;
    uint32_t nth = atomic_load(&w->fail_read);
    if (nth && atomic_fetch_add(&w->reads, 1) % nth == 0)
        return 5; /* EIO */
    memcpy(buffer, w->bytes + offset, bytes);
    *done = bytes;
    return 0;
}

static void *world_alloc(void *context, size_t bytes, size_t alignment)
{
    world *w = context;
    atomic_fetch_add(&w->held, bytes);
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void world_free(void *context, void *memory, size_t bytes)
{
    world *w = context;
    atomic_fetch_sub(&w->held, bytes);
    free(memory);
}

static uint64_t make_page(uint8_t *page, uint64_t number, uint64_t logical, uint64_t content)
{
    uint64_t value[2] = {logical, content};
    page_cell cell = {
        .key = (const uint8_t *)"key", .key_bytes = 3, .value = {.bytes = 16, .data = (uint8_t *)value}};
    return page_write(page, PAGE, IDENTITY, number, GENERATION, PAGE_LEAF, 0, &cell, 1);
}

static bool frame_is(const page_frame *frame, uint64_t logical, uint64_t content)
{
    page_value value = leaf_value(frame->page, 0);
    return value.bytes == 16 && load_u64(value.data) == logical && load_u64(value.data + 8) == content;
}

/* Writes content of a logical page to a place, and tells the cache, as a checkpoint does. */
static void world_put(world *w, uint64_t place, uint64_t logical, uint64_t content)
{
    uint8_t *page = w->bytes + place * PAGE;
    version *v = malloc(sizeof *v);
    *v = (version){{place, make_page(page, place, logical, content)}, content};
    if (content % 3)
        page_cache_install(w->cache, place, v->ref.checksum, page);
    reclaim_publish(&w->versions[logical], v); /* pairs with reclaim_load in the readers */
}

static void world_init(world *w)
{
    memset(w, 0, sizeof *w);
    w->io = *levin_io_posix();
    w->io.context = w;
    w->io.read_at = world_read;
    w->io.alloc = world_alloc;
    w->io.free = world_free;
    w->f = (file){.io = &w->io, .kind = LEVIN_FILE_PAGES, .name = PAGE_FILE_NAME};
    w->bytes = calloc(FIRST + PLACES, PAGE);
    w->cache = page_cache_create(&w->f, PAGE, IDENTITY, BUDGET_PAGES * (PAGE + 128));
    for (uint64_t i = 0; i < LOGICAL; i++)
        world_put(w, FIRST + i, i, 0);
}

static void world_fini(world *w)
{
    page_cache_counters c;
    page_cache_count(w->cache, &c);
    ck_assert_uint_eq(c.hits + c.misses, atomic_load(&w->gets));
    page_cache_destroy(w->cache);
    ck_assert_uint_eq(atomic_load(&w->held), 0);
    for (uint64_t i = 0; i < LOGICAL; i++)
        free(atomic_load(&w->versions[i]));
    free(w->bytes);
}

typedef struct reader {
    world *w;
    sync_thread thread;
    uint64_t random;
    unsigned rounds;
    uint64_t gets, failures;
    unsigned wrong;
} reader;

static uint64_t reader_random(reader *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random >> 11;
}

static void reader_run(void *argument)
{
    reader *r = argument;
    world *w = r->w;
    struct {
        page_frame *frame;
        uint64_t logical, content;
    } pins[PINS] = {{NULL, 0, 0}};
    for (unsigned round = 0; round < r->rounds; round++) {
        unsigned slot = (unsigned)(reader_random(r) % PINS);
        if (pins[slot].frame) {
            r->wrong += !frame_is(pins[slot].frame, pins[slot].logical, pins[slot].content);
            page_frame_unpin(pins[slot].frame);
            pins[slot].frame = NULL;
        }
        reclaim_read_lock();
        for (unsigned i = 0; i < 4; i++) {
            uint64_t logical = reader_random(r) % (round & 1 ? LOGICAL : 20); /* some pages more often than others */
            version *v = reclaim_load(&w->versions[logical]);                 /* pairs with reclaim_publish */
            page_expect expect = {.identity = IDENTITY, .page_bytes = PAGE, .page_count = FIRST + PLACES,
                                  .max_generation = GENERATION, .ref = v->ref, .level = 0};
            page_frame *frame;
            levin_error error;
            r->gets++;
            levin_code code = page_cache_get(w->cache, &expect, &frame, &error);
            if (code) {
                r->failures++;
                r->wrong += code != LEVIN_IO;
                continue;
            }
            r->wrong += !frame_is(frame, logical, v->content);
            if (i == 3 && !pins[slot].frame) {
                page_frame_pin(frame);
                pins[slot].frame = frame;
                pins[slot].logical = logical;
                pins[slot].content = v->content;
            }
        }
        reclaim_read_unlock();
        if (page_cache_wants_reclaim(w->cache))
            page_cache_reclaim(w->cache);
    }
    for (unsigned i = 0; i < PINS; i++)
        if (pins[i].frame) {
            r->wrong += !frame_is(pins[i].frame, pins[i].logical, pins[i].content);
            page_frame_unpin(pins[i].frame);
        }
    atomic_fetch_add(&w->gets, r->gets);
}

static void writer_run(void *argument)
{
    world *w = argument;
    uint64_t empty[PLACES - LOGICAL], content = 1, random = 88172645463325252u;
    size_t count = 0;
    for (uint64_t p = FIRST + LOGICAL; p < FIRST + PLACES; p++)
        empty[count++] = p;
    while (!atomic_load(&w->stop)) {
        version *old[PLACES - LOGICAL];
        size_t n = 0;
        for (; n < count; n++) { /* a checkpoint: some pages, to new places */
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t logical = (random >> 33) % LOGICAL;
            old[n] = atomic_load(&w->versions[logical]);
            world_put(w, empty[n], logical, content++);
        }
        reclaim_synchronize(); /* no reader can reach the old places now */
        for (size_t i = 0; i < n; i++) {
            page_cache_forget(w->cache, old[i]->ref.number, 1);
            empty[i] = old[i]->ref.number;
            free(old[i]);
        }
        page_cache_reclaim(w->cache);
        w->rewrites++;
    }
}

static void readers_start(world *w, reader *readers, unsigned count, unsigned rounds, uint64_t seed)
{
    for (unsigned i = 0; i < count; i++) {
        readers[i] = (reader){.w = w, .rounds = rounds, .random = seed + i * 0x9e3779b97f4a7c15u};
        ck_assert_int_eq(sync_thread_start(&readers[i].thread, reader_run, &readers[i]), 0);
    }
}

static uint64_t readers_join(reader *readers, unsigned count, uint64_t seed)
{
    uint64_t failures = 0;
    for (unsigned i = 0; i < count; i++) {
        sync_thread_join(&readers[i].thread);
        ck_assert_msg(readers[i].wrong == 0, "seed %#llx: reader %u saw %u wrong pages", (unsigned long long)seed, i,
                      readers[i].wrong);
        failures += readers[i].failures;
    }
    return failures;
}

START_TEST(page_cache_concurrent__readers_see_what_their_reference_names)
{
    static world w;
    reader readers[READERS];
    sync_thread writer;
    world_init(&w);
    ck_assert_int_eq(sync_thread_start(&writer, writer_run, &w), 0);
    readers_start(&w, readers, READERS, 3000, 0x5eed0011);
    ck_assert_uint_eq(readers_join(readers, READERS, 0x5eed0011), 0);
    atomic_store(&w.stop, 1);
    sync_thread_join(&writer);
    page_cache_counters c;
    page_cache_count(w.cache, &c);
    ck_assert_uint_gt(w.rewrites, 0); /* all of it took place */
    ck_assert_uint_gt(c.evictions, 0);
    ck_assert_uint_gt(c.hits, 0);
    ck_assert_uint_gt(c.misses, 0);
    world_fini(&w);
}
END_TEST

START_TEST(page_cache_concurrent__failing_reads_harm_nobody_else)
{
    static world w;
    reader readers[READERS];
    world_init(&w);
    atomic_store(&w.fail_read, 5);
    readers_start(&w, readers, READERS, 1500, 0x5eed0012);
    ck_assert_uint_gt(readers_join(readers, READERS, 0x5eed0012), 0);
    world_fini(&w);
}
END_TEST

enum { HITTERS = 40, HITS = 50000 };

/* Nothing but hits: two threads on one counter would lose some. */
static void hitter_run(void *argument)
{
    world *w = argument;
    version *v = reclaim_load(&w->versions[0]); /* pairs with reclaim_publish */
    page_expect expect = {.identity = IDENTITY, .page_bytes = PAGE, .page_count = FIRST + PLACES,
                          .max_generation = GENERATION, .ref = v->ref, .level = 0};
    page_frame *frame;
    levin_error error;
    unsigned gets = 0;
    while (!atomic_load(&w->start)) /* all at once */
        sync_yield();
    for (unsigned i = 0; i < HITS; i++) {
        reclaim_read_lock();
        gets += page_cache_get(w->cache, &expect, &frame, &error) == LEVIN_OK;
        reclaim_read_unlock();
    }
    atomic_fetch_add(&w->gets, gets);
}

START_TEST(page_cache_concurrent__counters_are_exact_over_many_threads)
{
    static world w;
    sync_thread threads[HITTERS];
    world_init(&w);
    for (unsigned wave = 0; wave < 3; wave++) { /* threads that end leave their stripe to others, or to nobody */
        for (unsigned i = 0; i < HITTERS; i++)
            ck_assert_int_eq(sync_thread_start(&threads[i], hitter_run, &w), 0);
        atomic_store(&w.start, 1);
        for (unsigned i = 0; i < HITTERS; i++)
            sync_thread_join(&threads[i]);
        atomic_store(&w.start, 0);
    }
    ck_assert_uint_eq(atomic_load(&w.gets), 3 * HITTERS * HITS);
    world_fini(&w); /* hits + misses == gets */
}
END_TEST

LEVIN_TEST_MAIN("page_cache_concurrent", TEST(page_cache_concurrent__readers_see_what_their_reference_names),
                TEST(page_cache_concurrent__failing_reads_harm_nobody_else),
                TEST(page_cache_concurrent__counters_are_exact_over_many_threads))
