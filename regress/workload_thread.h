/*
 * workload_thread.h - one thread of a benchmark, shared by the files that hold benchmarks; nobody else's.
 */
#ifndef LEVIN_WORKLOAD_THREAD_H
#define LEVIN_WORKLOAD_THREAD_H

#include "workloads.h"

#include <stdio.h>

#include "bench_keys.h"
#include "monotonic.h"

typedef struct bench {
    store_session *session;
    const store_adapter *a;
    const bench_options *o;
    bench_result *r;
    random_stream random;
    unsigned thread, threads;
    uint64_t from, count;     /* this thread's share of the operations */
    uint64_t deadline_ns;     /* 0: none */
    bool by_count;            /* whether the count ends it too */
    const bench_beside *beside;
    bench_beside *readers;    /* of the thread beside */
} bench;

static inline const char *value_at(bench *b, uint32_t bytes)
{
    return b->o->values + random_below(&b->random, b->o->values_bytes - bytes);
}

static inline bool stopped(const bench *b)
{
    return b->o->stop && *b->o->stop;
}

/* Whether there is another operation, the i-th; looks at the clock when `look`. */
static inline bool more(const bench *b, uint64_t i, bool look)
{
    if (atomic_load_explicit(&b->beside->awaited, memory_order_relaxed) && !stopped(b)) /* a hint; pairs with nothing */
        return true;
    if (look && (stopped(b) || (b->deadline_ns && monotonic_ns() >= b->deadline_ns)))
        return false;
    return !b->by_count || i < b->count;
}

static inline bool failed(const bench *b, store_result result, const char *what)
{
    if (result == STORE_OK)
        return false;
    fprintf(stderr, "levin-bench: %s: %s failed: %s\n", b->a->name, what, b->a->message(b->session));
    return true;
}

/* One get; its time is taken when `timed`. */
static inline bool read_key(bench *b, const char *key, char *buffer, uint32_t value_bytes, bool timed)
{
    size_t bytes = 0;
    uint64_t began = timed ? monotonic_ns() : 0;
    store_result result = b->a->get(b->session, (store_slice){ key, b->o->key_bytes }, buffer, value_bytes, &bytes);
    if (timed)
        histogram_add(&b->r->latency, monotonic_ns() - began);
    b->r->bytes += bytes;
    if (result == STORE_OK)
        return true;
    b->r->not_found += result == STORE_NOT_FOUND;
    return result == STORE_NOT_FOUND || !failed(b, result, "get");
}

/* The core workloads of YCSB: ycsb.c. */
bool run_ycsb_a(bench *b);
bool run_ycsb_b(bench *b);
bool run_ycsb_c(bench *b);
bool run_ycsb_d(bench *b);
bool run_ycsb_e(bench *b);
bool run_ycsb_f(bench *b);

#endif
