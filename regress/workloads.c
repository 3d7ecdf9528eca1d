/*
 * workloads.c - what each benchmark does to a store.
 *
 * Keys are db_bench's: the key's number in decimal, zero-filled to key_bytes.  Key numbers of a random fill are a
 * permutation of 0 .. num-1 (a Feistel network with cycle walking: Black and Rogaway, 2002), so that each key is
 * written once and later benchmarks find every key.  Values are cut out of a buffer of random bytes that compresses
 * by about half.
 *
 * Latencies: every call of a write, every 16th call of a read, because reading the clock costs as much as a cached
 * read.
 */
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLE_EVERY = 16, BATCH_MAX = 65536, MULTI_MAX = 256 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

typedef struct random_stream {
    uint64_t state;
} random_stream;

static uint64_t random_next(random_stream *r)
{
    return mix(r->state += 0x9e3779b97f4a7c15u);
}

__extension__ typedef unsigned __int128 uint128;

static uint64_t random_below(random_stream *r, uint64_t n)
{
    return (uint64_t)((uint128)random_next(r) * n >> 64);
}

/* The place of i in a pseudo-random permutation of 0 .. n-1. */
static uint64_t permute(uint64_t i, uint64_t n, uint64_t seed)
{
    unsigned half = 1;
    while (((uint64_t)1 << 2 * half) < n)
        half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t t = left ^ (mix(right + seed * 31 + round) & mask);
            left = right;
            right = t;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* ---- one thread's state ---- */

typedef struct bench {
    store_session *session;
    const store_adapter *a;
    const bench_options *o;
    bench_result *r;
    random_stream random;
    uint64_t from, to;        /* this thread's share of the operations */
    uint64_t deadline_ns;     /* 0: none */
    char *values;             /* twice the largest value */
    size_t values_bytes;
} bench;

static void key_format(char *key, uint32_t bytes, uint64_t number)
{
    for (uint32_t i = bytes; i-- > 0; number /= 10)
        key[i] = (char)('0' + number % 10);
}

static bool bench_begin(bench *b, store_session *session, const store_adapter *a, const bench_options *o,
                        unsigned thread, unsigned threads, uint64_t operations, bench_result *r)
{
    *b = (bench){ .session = session, .a = a, .o = o, .r = r };
    b->random.state = mix(o->seed + 1) + thread;
    b->from = operations * thread / threads;
    b->to = operations * (thread + 1) / threads;
    if (o->duration_s > 0)
        b->deadline_ns = now_ns() + (uint64_t)(o->duration_s * 1e9);
    b->values_bytes = 2 * (size_t)(o->value_bytes > o->large_value_bytes ? o->value_bytes : o->large_value_bytes) +
                      8192;
    b->values = malloc(b->values_bytes);
    if (!b->values) {
        fprintf(stderr, "levin-bench: out of memory\n");
        return false;
    }
    random_stream content = { o->seed };
    for (size_t i = 0; i < b->values_bytes; i++)
        b->values[i] = (char)(i % 16 < 8 ? (random_next(&content) >> 32) : 'v');
    return true;
}

static const char *value_at(bench *b, uint32_t bytes)
{
    return b->values + random_below(&b->random, b->values_bytes - bytes);
}

static bool more(const bench *b, uint64_t i)
{
    if (b->deadline_ns)
        return i % SAMPLE_EVERY != 0 || now_ns() < b->deadline_ns;
    return i < b->to - b->from;
}

static bool failed(const bench *b, store_result result, const char *what)
{
    if (result == STORE_OK)
        return false;
    fprintf(stderr, "levin-bench: %s: %s failed: %s\n", b->a->name, what, b->a->message(b->session));
    return true;
}

/* ---- writes ---- */

typedef uint64_t (*key_chooser)(bench *b, uint64_t i);

static uint64_t choose_in_order(bench *b, uint64_t i)
{
    return b->from + i;
}
static uint64_t choose_permuted(bench *b, uint64_t i)
{
    return permute(b->from + i, b->o->num, b->o->seed);
}
static uint64_t choose_random(bench *b, uint64_t i)
{
    (void)i;
    return random_below(&b->random, b->o->num);
}

static bool write_batches(bench *b, key_chooser choose, uint32_t batch, uint32_t value_bytes, bool sync)
{
    const uint32_t key_bytes = b->o->key_bytes;
    char *keys = malloc((size_t)batch * key_bytes);
    store_operation *operations = malloc(batch * sizeof *operations);
    bool ok = keys && operations;
    for (uint64_t i = 0; ok && (b->deadline_ns ? now_ns() < b->deadline_ns : i < b->to - b->from);) {
        uint32_t n = 0;
        for (; n < batch && (b->deadline_ns || i + n < b->to - b->from); n++) {
            char *key = keys + (size_t)n * key_bytes;
            key_format(key, key_bytes, choose(b, i + n));
            operations[n] = (store_operation){ { key, key_bytes }, { value_at(b, value_bytes), value_bytes } };
        }
        uint64_t began = now_ns();
        ok = !failed(b, b->a->write(b->session, operations, n, sync), "write");
        histogram_add(&b->r->latency, now_ns() - began);
        i += n;
        b->r->operations += n;
        b->r->bytes += (uint64_t)n * (key_bytes + value_bytes);
    }
    free(keys);
    free(operations);
    return ok;
}

#define RUN_ARGUMENTS                                                                                           \
    store_session *session, const store_adapter *a, const bench_options *o, unsigned thread, unsigned threads,  \
        bench_result *result
#define RUN(operations)                                                                                         \
    bench b;                                                                                                    \
    if (!bench_begin(&b, session, a, o, thread, threads, (operations), result))                                 \
        return false;                                                                                           \
    bool ok

static bool run_fillseq(RUN_ARGUMENTS)
{
    RUN(o->num) = write_batches(&b, choose_in_order, o->batch, o->value_bytes, o->sync);
    free(b.values);
    return ok;
}
static bool run_fillrandom(RUN_ARGUMENTS)
{
    RUN(o->num) = write_batches(&b, choose_permuted, o->batch, o->value_bytes, o->sync);
    free(b.values);
    return ok;
}
static bool run_overwrite(RUN_ARGUMENTS)
{
    RUN(o->num) = write_batches(&b, choose_random, o->batch, o->value_bytes, true);
    free(b.values);
    return ok;
}
static bool run_fillsync(RUN_ARGUMENTS)
{
    RUN(o->syncs) = write_batches(&b, choose_random, 1, o->value_bytes, true);
    free(b.values);
    return ok;
}
static bool run_filllarge(RUN_ARGUMENTS)
{
    RUN(o->large) = write_batches(&b, choose_in_order, o->large_batch, o->large_value_bytes, true);
    free(b.values);
    return ok;
}

/* ---- point reads ---- */

static bool read_keys(bench *b, uint64_t among, uint32_t value_bytes)
{
    const uint32_t key_bytes = b->o->key_bytes;
    char key[64], *buffer = malloc(value_bytes + 1);
    bool ok = buffer != NULL;
    for (uint64_t i = 0; ok && more(b, i); i++) {
        size_t bytes = 0;
        key_format(key, key_bytes, random_below(&b->random, among));
        uint64_t began = i % SAMPLE_EVERY ? 0 : now_ns();
        store_result result = b->a->get(b->session, (store_slice){ key, key_bytes }, buffer, value_bytes, &bytes);
        if (began)
            histogram_add(&b->r->latency, now_ns() - began);
        if (result == STORE_NOT_FOUND)
            b->r->not_found++;
        else
            ok = !failed(b, result, "get");
        b->r->operations++;
        b->r->bytes += bytes;
    }
    free(buffer);
    return ok;
}

static bool run_readrandom(RUN_ARGUMENTS)
{
    RUN(o->reads ? o->reads : o->num) = read_keys(&b, o->num, o->value_bytes);
    free(b.values);
    return ok;
}
static bool run_readhot(RUN_ARGUMENTS)
{
    uint64_t hot = (uint64_t)((double)o->num * o->hot_share);
    RUN(o->reads ? o->reads : o->num) = read_keys(&b, hot ? hot : 1, o->value_bytes);
    free(b.values);
    return ok;
}
static bool run_readlarge(RUN_ARGUMENTS)
{
    RUN(o->large * 4) = read_keys(&b, o->large, o->large_value_bytes);
    free(b.values);
    return ok;
}

static bool read_many(bench *b)
{
    const uint32_t key_bytes = b->o->key_bytes, value_bytes = b->o->value_bytes, n = b->o->multi;
    char keys[MULTI_MAX][64], *buffer = malloc((size_t)n * (value_bytes + 1));
    store_get gets[MULTI_MAX];
    bool ok = buffer != NULL;
    for (uint64_t i = 0; ok && more(b, i); i += n) {
        for (uint32_t k = 0; k < n; k++) {
            key_format(keys[k], key_bytes, random_below(&b->random, b->o->num));
            gets[k] = (store_get){ .key = { keys[k], key_bytes }, .buffer = buffer + (size_t)k * value_bytes,
                                   .capacity = value_bytes };
        }
        uint64_t began = i / n % SAMPLE_EVERY ? 0 : now_ns();
        if (b->a->multi_get) {
            ok = !failed(b, b->a->multi_get(b->session, gets, n), "multi_get");
        } else {
            for (uint32_t k = 0; k < n; k++)
                gets[k].result = b->a->get(b->session, gets[k].key, gets[k].buffer, value_bytes, &gets[k].bytes);
        }
        if (began)
            histogram_add(&b->r->latency, now_ns() - began);
        for (uint32_t k = 0; k < n && ok; k++) {
            b->r->not_found += gets[k].result == STORE_NOT_FOUND;
            b->r->bytes += gets[k].bytes;
            ok = gets[k].result == STORE_NOT_FOUND || !failed(b, gets[k].result, "get");
        }
        b->r->operations += n;
    }
    free(buffer);
    return ok;
}

static bool run_multireadrandom(RUN_ARGUMENTS)
{
    RUN(o->reads ? o->reads : o->num) = read_many(&b);
    free(b.values);
    return ok;
}

/* ---- scans ---- */

typedef struct scan_sum {
    uint64_t pairs, bytes, check;
} scan_sum;

/* Touches the first and the last byte of each value, so that it has to be there. */
static bool scan_visit(void *context, store_slice key, store_slice value)
{
    scan_sum *s = context;
    s->pairs++;
    s->bytes += key.bytes + value.bytes;
    if (value.bytes)
        s->check += ((const uint8_t *)value.data)[0] + ((const uint8_t *)value.data)[value.bytes - 1];
    return true;
}

static bool scan_once(bench *b, const store_range *range, scan_sum *sum)
{
    uint64_t began = now_ns();
    bool ok = !failed(b, b->a->scan(b->session, range, scan_visit, sum), "scan");
    histogram_add(&b->r->latency, now_ns() - began);
    return ok;
}

static bool run_seekrandom(RUN_ARGUMENTS)
{
    RUN((o->reads ? o->reads : o->num) / o->seek_nexts) = true;
    scan_sum sum = { 0 };
    for (uint64_t i = 0; ok && more(&b, i); i++) {
        char key[64];
        key_format(key, o->key_bytes, random_below(&b.random, o->num));
        store_range range = { .from = { key, o->key_bytes }, .limit = o->seek_nexts };
        ok = scan_once(&b, &range, &sum);
    }
    result->operations = sum.pairs;
    result->bytes = sum.bytes;
    free(b.values);
    return ok;
}

static bool scan_all(RUN_ARGUMENTS, bool reverse)
{
    RUN(o->num) = true;
    scan_sum sum = { 0 };
    store_range range = { .reverse = reverse };
    for (int i = 0; ok && i < 3; i++)
        ok = scan_once(&b, &range, &sum);
    result->operations = sum.pairs;
    result->bytes = sum.bytes;
    free(b.values);
    return ok;
}
static bool run_readseq(RUN_ARGUMENTS)
{
    return scan_all(session, a, o, thread, threads, result, false);
}
static bool run_readreverse(RUN_ARGUMENTS)
{
    return scan_all(session, a, o, thread, threads, result, true);
}

/* ---- the table ---- */

static const workload workloads[] = {
    { "fillseq", "keys in order, in batches", false, true, false, run_fillseq },
    { "fillrandom", "each key once in random order, in batches", false, true, false, run_fillrandom },
    { "overwrite", "random keys, in batches, each batch synced", true, false, false, run_overwrite },
    { "fillsync", "random keys one at a time, each synced", true, false, true, run_fillsync },
    { "readrandom", "random keys one at a time", false, false, true, run_readrandom },
    { "readhot", "random keys among a hot share", false, false, true, run_readhot },
    { "multireadrandom", "random keys, several in a call", false, false, true, run_multireadrandom },
    { "seekrandom", "short scans from random keys", false, false, true, run_seekrandom },
    { "readseq", "the whole store in order, three times", false, false, false, run_readseq },
    { "readreverse", "the whole store backwards, three times", false, false, false, run_readreverse },
    { "filllarge", "large values, in batches, each batch synced", true, true, false, run_filllarge },
    { "readlarge", "random large values", false, false, true, run_readlarge },
};

const workload *workloads_all(size_t *count)
{
    *count = sizeof workloads / sizeof workloads[0];
    return workloads;
}

const workload *workload_find(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    return NULL;
}
