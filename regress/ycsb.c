/*
 * ycsb.c - the core workloads of the Yahoo! Cloud Serving Benchmark (Cooper, Silberstein, Tam, Ramakrishnan, Sears,
 * "Benchmarking cloud serving systems with YCSB", 2010): A to F, over the keys that a fill has left.
 *
 *   A  half reads, half updates            B  95 % reads, 5 % updates         C  reads
 *   D  95 % reads of the latest keys, 5 % inserts                             E  95 % scans, 5 % inserts
 *   F  half reads, half reads with an update of the same key
 *
 * Keys are Zipfian (theta 0.99) and scattered over the key space by a permutation; D's are Zipfian from the newest one
 * back; a scan has 1 to 100 pairs, uniformly.  What differs from YCSB: a value is one field, and an update writes all
 * of it; each thread inserts keys of its own (num + thread, num + thread + threads, ...) and calls newest what it has
 * inserted itself, so that one seed gives one run.  Updates and inserts are single writes, not synced.
 *
 * Every 16th operation's time is taken.  Concurrency: each thread has its own bench.
 */
#include <stdlib.h>

#include "workload_thread.h"
#include "zipf.h"

enum { TIMED_EVERY = 16, SCAN_MAX = 100 };
#define THETA 0.99

enum operation { READ, UPDATE, INSERT, SCAN, READ_MODIFY_WRITE };

typedef struct mix {
    unsigned other_percent;  /* the rest are reads, or with `scans` scans */
    enum operation other;
    bool latest, scans;
} mix;

typedef struct client {
    bench *b;
    const mix *m;
    zipf old;          /* over the keys that were there before */
    uint64_t inserted; /* by this thread */
    char *buffer;
} client;

static uint64_t choose_key(client *c)
{
    bench *b = c->b;
    const uint64_t rank = zipf_next(&c->old, &b->random);
    if (!c->m->latest)
        return bench_permute(rank, b->o->num, b->o->seed);
    if (rank < c->inserted)
        return b->o->num + b->thread + (c->inserted - 1 - rank) * b->threads;
    return b->o->num - 1 - (rank - c->inserted);
}

static bool write_key(client *c, const char *key)
{
    bench *b = c->b;
    const uint32_t value_bytes = b->o->value_bytes;
    const store_operation put = { { key, b->o->key_bytes }, { value_at(b, value_bytes), value_bytes } };
    b->r->bytes += b->o->key_bytes + value_bytes;
    return !failed(b, b->a->write(b->session, &put, 1, false), "write");
}

static bool scan_visit(void *context, store_slice key, store_slice value)
{
    bench *b = context;
    b->r->bytes += key.bytes + value.bytes;
    return !stopped(b);
}

static bool do_operation(client *c, enum operation operation)
{
    bench *b = c->b;
    char key[BENCH_KEY_MAX_BYTES];
    const uint64_t number = operation == INSERT ? b->o->num + b->thread + c->inserted * b->threads : choose_key(c);
    bench_key_format(key, b->o->key_bytes, number);
    switch (operation) {
    case READ:
        return read_key(b, key, c->buffer, b->o->value_bytes, false);
    case UPDATE:
        return write_key(c, key);
    case READ_MODIFY_WRITE:
        return read_key(b, key, c->buffer, b->o->value_bytes, false) && write_key(c, key);
    case INSERT:
        c->inserted++;
        return write_key(c, key);
    case SCAN: {
        store_range range = { .from = { key, b->o->key_bytes }, .limit = 1 + random_below(&b->random, SCAN_MAX) };
        return !failed(b, b->a->scan(b->session, &range, scan_visit, b), "scan");
    }
    }
    return false;
}

static bool run(bench *b, const mix *m)
{
    client c = { .b = b, .m = m, .old = zipf_open(b->o->num, THETA), .buffer = malloc((size_t)b->o->value_bytes + 1) };
    bool ok = c.buffer != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (uint64_t i = 0; ok && more(b, i, true); i++) {
        bool other = random_below(&b->random, 100) < m->other_percent, timed = i % TIMED_EVERY == 0;
        uint64_t began = timed ? monotonic_ns() : 0;
        ok = do_operation(&c, other ? m->other : m->scans ? SCAN : READ);
        if (timed)
            histogram_add(&b->r->latency, monotonic_ns() - began);
        b->r->operations++;
    }
    free(c.buffer);
    return ok;
}

#define YCSB(letter, ...)                                                                                       \
    bool run_ycsb_##letter(bench *b)                                                                            \
    {                                                                                                           \
        static const mix m = { __VA_ARGS__ };                                                                   \
        return run(b, &m);                                                                                      \
    }
YCSB(a, .other_percent = 50, .other = UPDATE)
YCSB(b, .other_percent = 5, .other = UPDATE)
YCSB(c, .other_percent = 0, .other = READ)
YCSB(d, .other_percent = 5, .other = INSERT, .latest = true)
YCSB(e, .other_percent = 5, .other = INSERT, .scans = true)
YCSB(f, .other_percent = 50, .other = READ_MODIFY_WRITE)
