/*
 * stress.c - a stress run from the empty store to the last verification; see stress.h.
 *
 * The threads run until the time is up, somebody asks for the end, or one of them fails; then, with no writer left,
 * the whole store is compared with the now exact model, checked, closed, opened again and compared once more.
 */
#include "stress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void *thread_run(void *argument)
{
    stress_thread *t = argument;
    uint64_t limit = t->shared->options->operations;
    for (uint64_t n = 0; !limit || n < limit; n++) {
        if (atomic_load_explicit(&t->shared->stop, memory_order_acquire)) /* pairs with stress_fail, run_threads */
            break;
        if (!stress_step(t))
            break;
    }
    levin_snapshot_release(t->snapshot);
    t->snapshot = NULL;
    atomic_fetch_sub_explicit(&t->shared->running, 1, memory_order_release); /* pairs with watch */
    return NULL;
}

/* Until all threads have ended: memory, the time, progress once a second. */
static void watch(stress_shared *s, stress_thread *threads, stress_result *r)
{
    const stress_options *o = s->options;
    double began = clock_seconds(), next = began;
    const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
    while (atomic_load_explicit(&s->running, memory_order_acquire)) { /* pairs with thread_run */
        double now = clock_seconds(), passed = now - began;
        if (o->seconds > 0 && passed >= o->seconds)
            atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with thread_run */
        uint64_t resident = resident_bytes();
        if (passed <= o->seconds / 4 && resident > r->resident_quarter_bytes)
            r->resident_quarter_bytes = resident;
        if (passed >= o->seconds * 3 / 4 && resident > r->resident_last_bytes)
            r->resident_last_bytes = resident;
        if (now >= next) {
            uint64_t done = 0;
            next += 1;
            for (unsigned i = 0; i < o->threads; i++)
                done += atomic_load_explicit(&threads[i].done, memory_order_relaxed);
            if (o->tick && !o->tick(o->context, s->store, passed, done)) {
                r->interrupted = true;
                atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with thread_run */
            }
        }
        nanosleep(&pause, NULL);
    }
    r->seconds = clock_seconds() - began;
}

static bool start_failed(stress_result *r, const char *what)
{
    r->failed = true;
    snprintf(r->message, sizeof r->message, "%s", what);
    return false;
}

static bool run_threads(stress_shared *s, stress_thread *threads, stress_result *r)
{
    const unsigned count = s->options->threads;
    pthread_t handles[STRESS_THREADS_MAX];
    unsigned started = 0;
    bool good = true;
    atomic_store_explicit(&s->running, count, memory_order_relaxed);
    for (; started < count && good; started++)
        if (pthread_create(&handles[started], NULL, thread_run, &threads[started])) {
            good = start_failed(r, "a thread could not be started");
            break;
        }
    if (!good) {
        atomic_store_explicit(&s->stop, 1, memory_order_release); /* pairs with thread_run */
        atomic_fetch_sub_explicit(&s->running, count - started, memory_order_relaxed);
    }
    watch(s, threads, r);
    for (unsigned i = 0; i < started; i++)
        pthread_join(handles[i], NULL);
    for (unsigned i = 0; i < count; i++) {
        r->operations += atomic_load_explicit(&threads[i].done, memory_order_relaxed);
        if (threads[i].snapshot_longest_ns > r->snapshot_longest_ns)
            r->snapshot_longest_ns = threads[i].snapshot_longest_ns;
        for (int k = 0; k < STRESS_OPERATION_COUNT; k++) {
            r->of[k].count += threads[i].of[k].count;
            r->of[k].sum_ns += threads[i].of[k].sum_ns;
            if (threads[i].of[k].max_ns > r->of[k].max_ns)
                r->of[k].max_ns = threads[i].of[k].max_ns;
        }
    }
    if (s->options->tick)
        (void)s->options->tick(s->options->context, s->store, r->seconds, r->operations);
    return good && !r->mismatch && !r->failed;
}

/* The whole store against the model, and against itself. */
static bool verify(stress_shared *s, stress_thread *t)
{
    if (!stress_verify(t) || !stress_areas_verify(t))
        return false;
    levin_code code = levin_check(s->store, NULL, NULL, NULL);
    return code == LEVIN_OK || stress_fail(t, code, "levin_check at the end");
}

static bool reopen(stress_shared *s, stress_thread *threads, stress_result *r)
{
    levin_error error = { .code = LEVIN_OK };
    levin_options o = s->options->store;
    for (unsigned i = 0; i < s->options->threads; i++)
        stress_thread_fini(&threads[i]);
    levin_code code = levin_close(s->store);
    s->store = NULL;
    if (code != LEVIN_OK)
        return start_failed(r, "the store could not be closed: a sync failed");
    o.create_if_missing = false;
    o.error_if_exists = false;
    code = levin_open(s->options->path, &o, &s->store, &error);
    if (code == LEVIN_OK)
        return stress_thread_init(&threads[0], s, 0) || start_failed(r, "out of memory");
    r->mismatch = true;
    snprintf(r->message, sizeof r->message, "the store does not open again: %s: %s", levin_code_name(code),
             error.message);
    return false;
}

void stress_run(const stress_options *options, stress_result *result)
{
    stress_shared s = { .options = options, .result = result };
    levin_error error = { .code = LEVIN_OK };
    levin_options store = options->store;
    stress_thread *threads = calloc(options->threads, sizeof *threads);
    *result = (stress_result){ 0 };
    store.create_if_missing = true;
    store.error_if_exists = true;
    s.areas = calloc(options->threads, sizeof *s.areas);
    bool good = stress_model_init(&s.model, options) && threads && s.areas;
    for (unsigned i = 0; i < options->threads && s.areas; i++)
        s.areas[i].spaces[0].there = true;
    if (!good)
        start_failed(result, "out of memory");
    else if (levin_open(options->path, &store, &s.store, &error) != LEVIN_OK)
        good = start_failed(result, error.message);
    result->began = good;
    for (unsigned i = 0; good && i < options->threads; i++)
        good = stress_thread_init(&threads[i], &s, i) || start_failed(result, "out of memory");
    good = good && stress_areas_open(&threads[0]);
    if (good)
        good = run_threads(&s, threads, result) && verify(&s, &threads[0]);
    for (unsigned i = 0; threads && i < options->threads; i++)
        result->keys_checked += threads[i].keys_checked;
    if (s.store)
        levin_stats_get(s.store, &result->stats);
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT && s.store; i++)
        if (levin_histogram_get(s.store, (levin_histogram_id)i, &result->histograms[i]) != LEVIN_OK)
            start_failed(result, "the library has no histogram of its own list");
    if (good && reopen(&s, threads, result) && verify(&s, &threads[0]))
        result->keys_checked += threads[0].keys_checked;
    for (unsigned i = 0; threads && i < options->threads; i++)
        stress_thread_fini(&threads[i]);
    if (s.store && levin_close(s.store) != LEVIN_OK && !result->mismatch && !result->failed)
        start_failed(result, "the store could not be closed: a sync failed");
    free(threads);
    free(s.areas);
    stress_model_fini(&s.model);
}
