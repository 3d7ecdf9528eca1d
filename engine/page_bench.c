/*
 * page_bench.c - ns per search in a page, per verify, per write; ns per hit of the page cache; ns per space
 * operation.
 *
 * 16 KiB leaves of 16-byte keys and 100-byte values.  Hot: one page.  Cold: a random page of 512 MiB each time, so
 * that every line comes from memory.  Medians of runs.  Pin it: taskset -c 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "checksum.h"
#include "page_cache.h"
#include "page_draft.h"
#include "page_write_test.h"
#include "space.h"

enum { PAGE = 16384, KEY = 16, VALUE = 100, RUNS = 9, COLD_PAGES = 32768 };

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double samples[RUNS])
{
    qsort(samples, RUNS, sizeof samples[0], compare_doubles);
    printf("%-58s %9.1f ns  (best %.1f)\n", what, samples[RUNS / 2], samples[0]);
    fflush(stdout);
}

/* Keys of a page: `shared` bytes the same, then big-endian random, ascending. */
typedef struct sample_page {
    uint8_t keys[256][KEY];
    page_cell cells[256];
    size_t count;
} sample_page;

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, KEY);
}

static void sample_make(sample_page *s, unsigned shared)
{
    static const uint8_t value[VALUE] = "value";
    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < 256; i++) {
        uint64_t r = next_random();
        memset(s->keys[i], 'k', shared);
        for (unsigned j = shared; j < KEY; j++)
            s->keys[i][j] = (uint8_t)(j - shared < 8 ? r >> (56 - 8 * (j - shared)) : 'x');
    }
    for (unsigned i = 0; i < 256; i++)
        s->cells[i] = (page_cell){.key = s->keys[i], .key_bytes = KEY, .value = {.bytes = VALUE, .data = value}};
    s->count = (PAGE - PAGE_HEADER_BYTES - shared) / (SLOT_BYTES + LEAF_CELL_KEY + KEY - shared + VALUE);
    qsort(s->keys, s->count, KEY, compare_keys);
}

static void bench_search(unsigned shared, const char *name)
{
    static sample_page s;
    uint8_t *pages = aligned_alloc(4096, (size_t)COLD_PAGES * PAGE);
    char what[96];
    double samples[RUNS];
    uint64_t sum = 0;
    bool equal;
    sample_make(&s, shared);
    page_write(pages, PAGE, 1, 7, 1, PAGE_LEAF, 0, s.cells, s.count);
    for (size_t i = 1; i < COLD_PAGES; i++)
        memcpy(pages + i * PAGE, pages, PAGE);

    for (int run = 0; run < RUNS; run++) {
        enum { N = 1000000 };
        double start = now_ns();
        for (unsigned i = 0; i < N; i++)
            sum += page_lower_bound(pages, PAGE, s.keys[next_random() % s.count], KEY, &equal);
        samples[run] = (now_ns() - start) / N;
    }
    snprintf(what, sizeof what, "search hot, %s (%zu cells)", name, s.count);
    report(what, samples);
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        for (int run = 0; run < RUNS; run++) {
            enum { N = 100000 };
            double start = now_ns();
            for (unsigned i = 0; i < N; i++) {
                uint64_t r = next_random() + sum % 2; /* the next page is not known before the last result */
                const uint8_t *page = pages + r % COLD_PAGES * PAGE;
                if (prefetch)
                    page_prefetch(page, PAGE);
                sum += page_lower_bound(page, PAGE, s.keys[(r >> 20) % s.count], KEY, &equal);
            }
            samples[run] = (now_ns() - start) / N;
        }
        snprintf(what, sizeof what, "search cold, %s, %s", prefetch ? "prefetched" : "as it is", name);
        report(what, samples);
    }
    if (sum == 42)
        puts("");
    free(pages);
}

/* As the engine writes a leaf; *page is where it stands then. */
static uint64_t draft_page(uint8_t **page, uint8_t **spare, const sample_page *s)
{
    page_draft draft;
    page_draft_begin(&draft, *page, PAGE, 0);
    for (size_t i = 0; i < s->count; i++) {
        page_payload payload = payload_value(VALUE_INLINE, VALUE, s->cells[i].value.data, VALUE);
        if (!page_draft_add(&draft, spare, split_key_whole(s->cells[i].key, KEY), &payload))
            abort();
    }
    *page = draft.page;
    return page_draft_finish(&draft, 1, 7, 1);
}

static void bench_build(void)
{
    static sample_page s;
    static uint8_t buffers[2][PAGE];
    uint8_t *page = buffers[0], *spare = buffers[1];
    double write_ns[RUNS], verify_ns[RUNS], checksum_ns[RUNS];
    uint64_t sum = 0;
    levin_error error;
    sample_make(&s, 4);
    for (int run = 0; run < RUNS; run++) {
        enum { N = 5000 };
        double start = now_ns();
        for (unsigned i = 0; i < N; i++)
            sum = draft_page(&page, &spare, &s);
        write_ns[run] = (now_ns() - start) / N;
        page_expect expect = {.identity = 1,
                              .page_bytes = PAGE,
                              .page_count = 100,
                              .max_generation = 1,
                              .ref = {7, sum},
                              .level = PAGE_LEVEL_ANY};
        start = now_ns();
        for (unsigned i = 0; i < N; i++)
            if (page_verify(page, &expect, &error))
                abort();
        verify_ns[run] = (now_ns() - start) / N;
        start = now_ns();
        for (unsigned i = 0; i < N; i++)
            sum ^= page_checksum(page, PAGE, 1, 7);
        checksum_ns[run] = (now_ns() - start) / N;
    }
    report("write a leaf of 16 KiB, checksum included", write_ns);
    report("verify it, checksum included", verify_ns);
    report("its checksum alone", checksum_ns);
    if (sum == 42)
        puts("");
}

/* ---- page cache over a file of generated pages ---- */

static sample_page cache_sample;
enum { CACHE_PAGES = 15000 };
static uint64_t cache_sums[CACHE_PAGES];

static int generated_read(void *context, levin_file *handle, void *buffer, size_t bytes, uint64_t offset,
                          size_t *done)
{
    (void)context, (void)handle;
    page_write(buffer, PAGE, 1, offset / PAGE, 1, PAGE_LEAF, 0, cache_sample.cells, cache_sample.count);
    *done = bytes;
    return 0;
}

/*
 * ns per get of a random page among the first `pages`, each known only after the one before; and a search in it, if
 * asked.
 */
static double time_gets(page_cache *cache, unsigned pages, unsigned n, bool search)
{
    page_expect expect = {.identity = 1, .page_bytes = PAGE, .page_count = CACHE_PAGES + 1, .max_generation = 1};
    page_frame *frame;
    levin_error error;
    uint64_t sum = 0;
    bool equal;
    double start = now_ns();
    reclaim_read_lock();
    for (unsigned i = 0; i < n; i++) {
        uint64_t r = next_random() + sum % 2, at = r % pages;
        expect.ref = (page_ref){1 + at, cache_sums[at]};
        if (page_cache_get(cache, &expect, &frame, &error))
            abort();
        sum += frame->number;
        if (search)
            sum +=
                page_lower_bound(frame->page, PAGE, cache_sample.keys[(r >> 20) % cache_sample.count], KEY, &equal);
    }
    reclaim_read_unlock();
    return (now_ns() - start) / n;
}

static void bench_cache(void)
{
    levin_io io = *levin_io_posix();
    io.read_at = generated_read;
    file f = {.io = &io, .kind = LEVIN_FILE_PAGES, .name = PAGE_FILE_NAME};
    page_cache *cache = page_cache_create(&f, PAGE, 1, 320u << 20);
    static uint8_t page[PAGE];
    double hot[RUNS], hot_search[RUNS], cold[RUNS], cold_search[RUNS], locked[RUNS];
    sample_make(&cache_sample, 4);
    for (unsigned i = 0; i < CACHE_PAGES; i++)
        cache_sums[i] = page_write(page, PAGE, 1, 1 + i, 1, PAGE_LEAF, 0, cache_sample.cells, cache_sample.count);
    time_gets(cache, CACHE_PAGES, 20 * CACHE_PAGES, false); /* the misses */
    for (int run = 0; run < RUNS; run++) {
        hot[run] = time_gets(cache, 16, 1000000, false);
        hot_search[run] = time_gets(cache, 16, 1000000, true);
        cold[run] = time_gets(cache, CACHE_PAGES, 100000, false);
        cold_search[run] = time_gets(cache, CACHE_PAGES, 100000, true);
        static _Atomic uint64_t counter;
        double start = now_ns();
        for (unsigned i = 0; i < 1000000; i++)
            atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
        locked[run] = (now_ns() - start) / 1000000;
    }
    report("page cache hit, 16 pages", hot);
    report("page cache hit and search, 16 pages", hot_search);
    report("page cache hit, 234 MiB of pages, dependent", cold);
    report("page cache hit and search, 234 MiB of pages, dependent", cold_search);
    report("  for comparison: one shared atomic counter", locked);
    page_cache_counters counters;
    page_cache_count(cache, &counters);
    printf("  hits %llu misses %llu\n", (unsigned long long)counters.hits, (unsigned long long)counters.misses);
    page_cache_destroy(cache);
}

/* 100,000 free extents: take one page, give it back elsewhere; clone. */
static void bench_space(void)
{
    enum { EXTENTS = 100000, N = 100000 };
    double take_ns[RUNS], clone_ns[RUNS];
    levin_error error;
    for (int run = 0; run < RUNS; run++) {
        space *s = space_create(levin_io_posix(), PAGE, 1 + 8 * EXTENTS), *copy;
        for (uint64_t i = 0; i < EXTENTS; i++)
            if (space_give(s, (extent){1 + 8 * i, 1 + next_random() % 6}, &error))
                abort();
        double start = now_ns();
        if (space_clone(s, &copy, &error))
            abort();
        clone_ns[run] = now_ns() - start;
        space_destroy(copy);
        static extent taken[N];
        start = now_ns();
        for (size_t i = 0; i < N; i++)
            if (space_take(s, 1, true, &taken[i], &error))
                abort();
        for (size_t i = 0; i < N; i++)
            if (space_give(s, taken[(i * 7919) % N], &error))
                abort();
        take_ns[run] = (now_ns() - start) / (2 * N);
        space_destroy(s);
    }
    report("space, 100 k extents: a take or a give", take_ns);
    report("space, 100 k extents: clone", clone_ns);
}

int main(void)
{
    bench_search(4, "prefix of 4 bytes, random heads");
    bench_search(8, "prefix of 8 bytes, random heads");
    bench_search(0, "no prefix, random heads");
    bench_build();
    bench_cache();
    bench_space();
    return 0;
}
