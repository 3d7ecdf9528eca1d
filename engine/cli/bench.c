/*
 * bench.c - the benchmarks of `levin bench`; see bench.h.
 *
 * Each thread takes its share of the operations, fixed before they start; a benchmark by time goes on until the main
 * thread, which watches the clock, says stop.  The first call that fails stops all.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"

enum { VALUE_POOL_BYTES = 1 << 20, SCAN_STEP = 1024 };

typedef struct bench_shared {
    levin *store;
    bench_kind kind;
    const bench_options *options;
    uint8_t *pool;            /* of values: each is a part of it */
    _Atomic uint32_t stop;    /* release by who wants an end, acquire by the threads */
    _Atomic uint32_t running; /* threads; release by one that ends, acquire by who waits for all */
    _Atomic uint32_t failed;  /* the code of the first call that failed; relaxed, joined before it is read */
} bench_shared;

typedef struct bench_thread {
    bench_shared *shared;
    uint64_t random, first, count; /* its operations: [first, first + count) of all */
    uint64_t ended;                /* on clock_ns(); 0: it was not started */
    _Atomic uint64_t done;         /* relaxed, for the progress */
    uint64_t found, bytes;
    latency latency;
    levin_batch *batch;
    uint8_t *buffer;
    size_t capacity;
} bench_thread;

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void key_of(uint64_t number, char key[BENCH_KEY_BYTES])
{
    for (int i = BENCH_KEY_BYTES; i-- > 0; number /= 10)
        key[i] = (char)('0' + number % 10);
}

static bool ok(bench_thread *t, levin_code code)
{
    uint32_t none = LEVIN_OK;
    if (code == LEVIN_OK)
        return true;
    atomic_compare_exchange_strong_explicit(&t->shared->failed, &none, (uint32_t)code, memory_order_relaxed,
                                            memory_order_relaxed);
    atomic_store_explicit(&t->shared->stop, 1, memory_order_release); /* pairs with goes_on() */
    return false;
}

/* Whether the thread does its operation n. */
static bool goes_on(const bench_thread *t, uint64_t n)
{
    const bench_shared *s = t->shared;
    const bool timed = s->options->seconds > 0 && s->kind != BENCH_fillseq && s->kind != BENCH_readseq;
    /* acquire: pairs with ok() and watch() */
    return (timed || n < t->count) && !atomic_load_explicit(&s->stop, memory_order_acquire);
}

static void progress(bench_thread *t, uint64_t done)
{
    atomic_store_explicit(&t->done, done, memory_order_relaxed);
}

/* ---- writing ---- */

static levin_code add(bench_thread *t, uint64_t number)
{
    const bench_options *o = t->shared->options;
    char key[BENCH_KEY_BYTES];
    key_of(number, key);
    t->bytes += BENCH_KEY_BYTES;
    if (t->shared->kind == BENCH_deleterandom)
        return levin_batch_delete(t->batch, key, sizeof key);
    const uint8_t *value = t->shared->pool + random_below(&t->random, VALUE_POOL_BYTES);
    t->bytes += o->value_bytes;
    return levin_batch_put(t->batch, key, sizeof key, value, o->value_bytes);
}

static void run_writes(bench_thread *t)
{
    const bench_options *o = t->shared->options;
    for (uint64_t n = 0; goes_on(t, n);) {
        uint64_t began = clock_ns();
        levin_batch_clear(t->batch);
        for (uint32_t i = 0; i < o->batch_size && (o->seconds > 0 || n < t->count); i++, n++)
            if (!ok(t, add(t, t->shared->kind == BENCH_fillseq ? t->first + n : random_next(&t->random) % o->num)))
                return;
        if (!ok(t, levin_write(t->shared->store, t->batch, o->durability)))
            return;
        latency_add(&t->latency, clock_ns() - began);
        progress(t, n);
    }
}

/* ---- reading ---- */

static bool buffer_grow(bench_thread *t, size_t bytes)
{
    uint8_t *bigger = realloc(t->buffer, bytes);
    if (!bigger)
        return false;
    t->buffer = bigger;
    t->capacity = bytes;
    return true;
}

static void run_gets(bench_thread *t)
{
    const bench_options *o = t->shared->options;
    for (uint64_t n = 0; goes_on(t, n);) {
        char key[BENCH_KEY_BYTES];
        size_t size = 0;
        key_of(random_next(&t->random) % o->num, key);
        uint64_t began = clock_ns();
        levin_code code = levin_get(t->shared->store, NULL, key, sizeof key, t->buffer, t->capacity, &size);
        if (code == LEVIN_TOO_SMALL && buffer_grow(t, size)) /* a store that was there has other values */
            code = levin_get(t->shared->store, NULL, key, sizeof key, t->buffer, t->capacity, &size);
        latency_add(&t->latency, clock_ns() - began);
        if (code == LEVIN_OK) {
            t->found++;
            t->bytes += sizeof key + size;
        } else if (code != LEVIN_NOT_FOUND && !ok(t, code)) {
            return;
        }
        progress(t, ++n);
    }
}

/* The pair that the iterator stands on is looked at. */
static bool touch(bench_thread *t, levin_iter *it)
{
    levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
    if (!value.data)
        return false;
    t->bytes += key.size + value.size;
    return true;
}

static void run_scan(bench_thread *t)
{
    char lower[BENCH_KEY_BYTES], upper[BENCH_KEY_BYTES];
    const bench_options *o = t->shared->options;
    levin_iter_options range = { .lower = { lower, sizeof lower } };
    levin_iter *it;
    key_of(t->first, lower);
    key_of(t->first + t->count, upper);
    if (t->first + t->count < o->num)
        range.upper = (levin_slice){ upper, sizeof upper };
    if (!ok(t, levin_iter_open(t->shared->store, &range, &it)))
        return;
    uint64_t n = 0, began = clock_ns();
    for (bool on = levin_iter_first(it); on && goes_on(t, 0) && touch(t, it); on = levin_iter_next(it))
        if (++n % SCAN_STEP == 0) {
            uint64_t now = clock_ns();
            latency_add(&t->latency, now - began);
            progress(t, n);
            began = now;
        }
    progress(t, n);
    t->found = n;
    (void)ok(t, levin_iter_status(it));
    levin_iter_close(it);
}

static void run_seeks(bench_thread *t)
{
    const bench_options *o = t->shared->options;
    for (uint64_t n = 0; goes_on(t, n);) {
        char key[BENCH_KEY_BYTES];
        levin_iter *it;
        key_of(random_next(&t->random) % o->num, key);
        uint64_t began = clock_ns();
        if (!ok(t, levin_iter_open(t->shared->store, NULL, &it)))
            return;
        bool on = levin_iter_seek(it, key, sizeof key) && touch(t, it);
        t->found += on;
        for (uint32_t i = 0; on && i < o->seek_nexts; i++)
            on = levin_iter_next(it) && touch(t, it);
        levin_code code = levin_iter_status(it);
        levin_iter_close(it);
        if (!ok(t, code))
            return;
        latency_add(&t->latency, clock_ns() - began);
        progress(t, ++n);
    }
}

static void run_compact(bench_thread *t)
{
    levin_compact_result r;
    uint64_t began = clock_ns();
    if (!t->count || !ok(t, levin_compact(t->shared->store, NULL, &r)))
        return;
    latency_add(&t->latency, clock_ns() - began);
    t->bytes = r.bytes_written;
    progress(t, 1);
}

static void *thread_run(void *argument)
{
    bench_thread *t = argument;
    switch (t->shared->kind) {
    case BENCH_readrandom: run_gets(t); break;
    case BENCH_readseq: run_scan(t); break;
    case BENCH_seekrandom: run_seeks(t); break;
    case BENCH_compact: run_compact(t); break;
    default: run_writes(t);
    }
    t->ended = clock_ns();
    atomic_fetch_sub_explicit(&t->shared->running, 1, memory_order_release); /* pairs with watch() */
    return NULL;
}

/* ---- all together ---- */

static uint64_t done_by_all(const bench_shared *s, const bench_thread *threads)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < s->options->threads; i++)
        done += atomic_load_explicit(&threads[i].done, memory_order_relaxed);
    return done;
}

/* began: before the first thread was started. What short runs took is told by the threads' own clocks. */
static void watch(bench_shared *s, const bench_thread *threads, uint64_t began, bench_result *r)
{
    const bench_options *o = s->options;
    const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
    uint64_t ended = began, next = began + 100000000u;
    while (atomic_load_explicit(&s->running, memory_order_acquire)) { /* pairs with thread_run() */
        nanosleep(&pause, NULL);
        uint64_t now = clock_ns();
        if (o->seconds > 0 && (double)(now - began) / 1e9 >= o->seconds)
            atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with goes_on() */
        if (now < next)
            continue;
        next = now + 100000000u;
        if (o->tick && !o->tick(o->context, s->store, (double)(now - began) / 1e9, done_by_all(s, threads))) {
            r->interrupted = true;
            atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with goes_on() */
        }
    }
    for (unsigned i = 0; i < o->threads; i++)
        ended = threads[i].ended > ended ? threads[i].ended : ended;
    r->seconds = (double)(ended - began) / 1e9;
    r->operations = done_by_all(s, threads);
    if (o->tick)
        (void)o->tick(o->context, s->store, r->seconds, r->operations);
}

/* Each thread's share of the operations. */
static void share_out(const bench_shared *s, bench_thread *threads)
{
    const bench_options *o = s->options;
    const bool reads = s->kind == BENCH_readrandom || s->kind == BENCH_seekrandom;
    const uint64_t all = s->kind == BENCH_compact ? 1 : reads && o->reads ? o->reads : o->num;
    for (unsigned i = 0; i < o->threads; i++) {
        threads[i].first = all / o->threads * i + (i < all % o->threads ? i : all % o->threads);
        threads[i].count = all / o->threads + (i < all % o->threads);
        threads[i].random = random_mix(o->seed * BENCH_THREADS_MAX * BENCH_COUNT +
                                       (uint64_t)s->kind * BENCH_THREADS_MAX + i + 1);
    }
}

static levin_code threads_init(bench_shared *s, bench_thread *threads)
{
    uint64_t random = random_mix(s->options->seed);
    s->pool = malloc(VALUE_POOL_BYTES + (size_t)s->options->value_bytes + 8);
    if (!s->pool)
        return LEVIN_NO_MEMORY;
    for (size_t at = 0; at < VALUE_POOL_BYTES + (size_t)s->options->value_bytes; at += 8)
        memcpy(s->pool + at, &(uint64_t){ random_next(&random) }, 8);
    for (unsigned i = 0; i < s->options->threads; i++) {
        threads[i].shared = s;
        threads[i].capacity = s->options->value_bytes + 1;
        threads[i].buffer = malloc(threads[i].capacity);
        levin_code code = threads[i].buffer ? levin_batch_create(s->store, &threads[i].batch) : LEVIN_NO_MEMORY;
        if (code != LEVIN_OK)
            return code;
    }
    return LEVIN_OK;
}

static void threads_fini(bench_shared *s, bench_thread *threads, bench_result *r)
{
    for (unsigned i = 0; i < s->options->threads; i++) {
        r->found += threads[i].found;
        r->bytes += threads[i].bytes;
        latency_merge(&r->latency, &threads[i].latency);
        levin_batch_destroy(threads[i].batch);
        free(threads[i].buffer);
    }
    free(s->pool);
}

void bench_run(levin *store, bench_kind kind, const bench_options *options, bench_result *result)
{
    bench_shared s = { .store = store, .kind = kind, .options = options };
    pthread_t handles[BENCH_THREADS_MAX];
    unsigned started = 0;
    memset(result, 0, sizeof *result);
    bench_thread *threads = calloc(options->threads, sizeof *threads);
    result->code = threads ? threads_init(&s, threads) : LEVIN_NO_MEMORY;
    if (result->code == LEVIN_OK) {
        share_out(&s, threads);
        atomic_init(&s.running, options->threads);
        const uint64_t began = clock_ns();
        while (started < options->threads && !pthread_create(&handles[started], NULL, thread_run, &threads[started]))
            started++;
        if (started < options->threads) { /* the others end at once */
            atomic_store_explicit(&s.stop, 1, memory_order_release); /* pairs with goes_on() */
            atomic_fetch_sub_explicit(&s.running, options->threads - started, memory_order_release);
            result->code = LEVIN_IO;
        }
        watch(&s, threads, began, result);
        for (unsigned i = 0; i < started; i++)
            pthread_join(handles[i], NULL);
        if (result->code == LEVIN_OK)
            result->code = (levin_code)atomic_load_explicit(&s.failed, memory_order_relaxed);
    }
    if (threads)
        threads_fini(&s, threads, result);
    free(threads);
}
