/*
 * workloads.c - what each benchmark does to a store.
 *
 * Key numbers of a random fill are a permutation of 0 .. num-1, so that each key is written once and later benchmarks
 * find every key.  Values are cut out of one buffer that is made before the clock starts.
 *
 * Latencies: every call of a write, every 64th get and every 16th call of another read, because reading the clock costs
 * as much as a cached read, and makes the processor wait for all that it has begun.  Benchmarks that look for the
 * longest stall time every call.
 *
 * The keys of READ_BLOCK gets are made before the first of them, so that between two gets there is little else.
 *
 * Concurrency: each thread has its own bench, session and result; they share the options and the values, read-only.
 */
#include <stdlib.h>
#include <string.h>

#include "workload_thread.h"

enum { SAMPLE_EVERY = 16, READ_BLOCK = 64 };

char *bench_values_create(const bench_options *o, size_t *bytes)
{
    *bytes = 2 * (size_t)(o->value_bytes > o->large_value_bytes ? o->value_bytes : o->large_value_bytes) + 8192;
    char *values = malloc(*bytes);
    random_stream content = random_open(o->seed, 0);
    for (size_t i = 0; values && i < *bytes; i++)
        values[i] = (char)(i % 16 < 8 ? random_next(&content) >> 32 : 'v');
    return values;
}

/* ---- writes ---- */

typedef uint64_t (*key_chooser)(bench *b, uint64_t i);

static uint64_t choose_in_order(bench *b, uint64_t i)
{
    return b->from + i;
}
static uint64_t choose_permuted(bench *b, uint64_t i)
{
    return bench_permute(b->from + i, b->o->num, b->o->seed);
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
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (uint64_t i = 0; ok && more(b, i, true);) {
        uint32_t n = 0;
        for (; n < batch && more(b, i + n, false); n++) {
            char *key = keys + (size_t)n * key_bytes;
            bench_key_format(key, key_bytes, choose(b, i + n));
            operations[n] = (store_operation){ { key, key_bytes }, { value_at(b, value_bytes), value_bytes } };
        }
        uint64_t began = monotonic_ns();
        ok = !failed(b, b->a->write(b->session, operations, n, sync), "write");
        histogram_add(&b->r->latency, monotonic_ns() - began);
        i += n;
        b->r->operations += n;
        b->r->bytes += (uint64_t)n * (key_bytes + value_bytes);
    }
    free(keys);
    free(operations);
    return ok;
}

static bool run_fillseq(bench *b)
{
    return write_batches(b, choose_in_order, b->o->batch, b->o->value_bytes, b->o->sync);
}
static bool run_fillrandom(bench *b)
{
    return write_batches(b, choose_permuted, b->o->batch, b->o->value_bytes, b->o->sync);
}
static bool run_overwrite(bench *b)
{
    return write_batches(b, choose_random, b->o->batch, b->o->value_bytes, true);
}
static bool run_fillsync(bench *b)
{
    return write_batches(b, choose_random, 1, b->o->value_bytes, true);
}
static bool run_filllarge(bench *b)
{
    return write_batches(b, choose_in_order, b->o->large_batch, b->o->large_value_bytes, true);
}

/* ---- point reads ---- */

/* `every`: how many calls for one that is timed, a power of two. */
static bool read_keys(bench *b, uint64_t among, uint32_t value_bytes, uint32_t every)
{
    char keys[READ_BLOCK][BENCH_KEY_MAX_BYTES], *buffer = malloc((size_t)value_bytes + 1);
    bool ok = buffer != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (uint64_t i = 0; ok && more(b, i, true);) {
        uint32_t n = READ_BLOCK, k = 0;
        if (b->by_count && i < b->count && b->count - i < n)
            n = (uint32_t)(b->count - i);
        for (; k < n; k++)
            bench_key_format(keys[k], b->o->key_bytes, random_below(&b->random, among));
        const uint32_t turn = (uint32_t)random_below(&b->random, every < n ? every : n); /* not always the first */
        for (k = 0; k < n && ok; k++)
            ok = read_key(b, keys[k], buffer, value_bytes, (k & (every - 1)) == turn);
        b->r->operations += k;
        i += k;
    }
    free(buffer);
    return ok;
}

static bool run_readrandom(bench *b)
{
    return read_keys(b, b->o->num, b->o->value_bytes, READ_BLOCK);
}
static uint64_t hot_of(const bench *b)
{
    uint64_t hot = (uint64_t)((double)b->o->num * b->o->hot_share);
    return hot ? hot : 1;
}
static bool run_readhot(bench *b)
{
    return read_keys(b, hot_of(b), b->o->value_bytes, READ_BLOCK);
}
static bool run_readstalls(bench *b)
{
    return read_keys(b, hot_of(b), b->o->value_bytes, 1);
}
static bool run_readlarge(bench *b)
{
    return read_keys(b, b->o->large, b->o->large_value_bytes, READ_BLOCK);
}

static uint64_t checkpoints_of(const bench *b)
{
    return b->a->checkpoints ? b->a->checkpoints(b->session) : 0;
}

/* The writer beside readers: random keys in small batches, unsynced, as fast as the store takes them. */
static bool beside_write(bench *b)
{
    enum { BATCH = 100 };
    const uint32_t key_bytes = b->o->key_bytes, value_bytes = b->o->value_bytes;
    char keys[BATCH][BENCH_KEY_MAX_BYTES];
    store_operation operations[BATCH];
    const uint64_t before = checkpoints_of(b), limit_ns = monotonic_ns() + BENCH_BESIDE_LIMIT_S * UINT64_C(1000000000);
    b->r->beside_told = b->a->checkpoints != NULL;
    /* acquire: nothing is read after it, but the count is then never older than the last thread's end */
    while (atomic_load_explicit(&b->readers->running, memory_order_acquire) && !stopped(b)) {
        for (uint32_t n = 0; n < BATCH; n++) {
            bench_key_format(keys[n], key_bytes, random_below(&b->random, b->o->num));
            operations[n] = (store_operation){ { keys[n], key_bytes }, { value_at(b, value_bytes), value_bytes } };
        }
        uint64_t began = monotonic_ns();
        if (failed(b, b->a->write(b->session, operations, BATCH, false), "write"))
            return false;
        uint64_t took = monotonic_ns() - began;
        b->r->beside_max_ns = took > b->r->beside_max_ns ? took : b->r->beside_max_ns;
        b->r->beside_operations += BATCH;
        if (b->r->beside_operations % (64 * BATCH) == 0)
            b->r->beside_checkpoints = checkpoints_of(b) - before;
        if (b->r->beside_checkpoints >= b->o->beside_checkpoints || monotonic_ns() >= limit_ns)
            /* relaxed: a hint */
            atomic_store_explicit(&b->readers->awaited, false, memory_order_relaxed);
    }
    b->r->beside_checkpoints = checkpoints_of(b) - before;
    return true;
}

static bool run_multireadrandom(bench *b)
{
    const uint32_t key_bytes = b->o->key_bytes, value_bytes = b->o->value_bytes, n = b->o->multi;
    char keys[BENCH_MULTI_MAX][BENCH_KEY_MAX_BYTES], *buffer = malloc((size_t)n * value_bytes + 1);
    store_get gets[BENCH_MULTI_MAX];
    bool ok = buffer != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (uint64_t i = 0; ok && more(b, i * n, i % SAMPLE_EVERY == 0); i++) {
        for (uint32_t k = 0; k < n; k++) {
            bench_key_format(keys[k], key_bytes, random_below(&b->random, b->o->num));
            gets[k] = (store_get){ .key = { keys[k], key_bytes }, .buffer = buffer + (size_t)k * value_bytes,
                                   .capacity = value_bytes };
        }
        uint64_t began = i % SAMPLE_EVERY ? 0 : monotonic_ns();
        if (b->a->multi_get) {
            ok = !failed(b, b->a->multi_get(b->session, gets, n), "multi_get");
        } else {
            for (uint32_t k = 0; k < n; k++)
                gets[k].result = b->a->get(b->session, gets[k].key, gets[k].buffer, value_bytes, &gets[k].bytes);
        }
        if (began)
            histogram_add(&b->r->latency, monotonic_ns() - began);
        for (uint32_t k = 0; k < n && ok; k++) {
            bool absent = gets[k].result == STORE_NOT_FOUND;
            b->r->not_found += absent;
            b->r->bytes += absent ? 0 : gets[k].bytes;
            ok = absent || !failed(b, gets[k].result, "get");
        }
        b->r->operations += n;
    }
    free(buffer);
    return ok;
}

/* ---- scans ---- */

typedef struct scan_sum {
    const bench *b;
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
    return !stopped(s->b);
}

static bool scan_once(bench *b, const store_range *range)
{
    scan_sum sum = { .b = b };
    uint64_t began = monotonic_ns();
    bool ok = !failed(b, b->a->scan(b->session, range, scan_visit, &sum), "scan");
    histogram_add(&b->r->latency, monotonic_ns() - began);
    b->r->operations += sum.pairs;
    b->r->bytes += sum.bytes;
    return ok;
}

static bool run_seekrandom(bench *b)
{
    bool ok = true;
    for (uint64_t i = 0; ok && more(b, i * b->o->seek_nexts, true); i++) {
        char key[BENCH_KEY_MAX_BYTES];
        bench_key_format(key, b->o->key_bytes, random_below(&b->random, b->o->num));
        store_range range = { .from = { key, b->o->key_bytes }, .limit = b->o->seek_nexts };
        ok = scan_once(b, &range);
    }
    return ok;
}

static bool scan_all(bench *b, bool reverse)
{
    store_range range = { .reverse = reverse };
    bool ok = true;
    for (uint64_t i = 0; ok && i < b->count && !stopped(b); i++)
        ok = scan_once(b, &range);
    return ok;
}
static bool run_readseq(bench *b)
{
    return scan_all(b, false);
}
static bool run_readreverse(bench *b)
{
    return scan_all(b, true);
}

/* One thread, so that its session is the only one. */
static bool run_compact(bench *b)
{
    if (stopped(b))
        return true;
    const uint64_t began = monotonic_ns();
    const bool ok = !failed(b, b->a->compact(b->session), "compact");
    histogram_add(&b->r->latency, monotonic_ns() - began);
    b->r->operations++;
    return ok;
}

/* ---- the table ---- */

static uint64_t num_of(const bench_options *o)
{
    return o->num;
}
static uint64_t reads_of(const bench_options *o)
{
    return o->reads ? o->reads : o->num;
}
static uint64_t syncs_of(const bench_options *o)
{
    return o->syncs;
}
static uint64_t large_of(const bench_options *o)
{
    return o->large;
}
static uint64_t large_reads_of(const bench_options *o)
{
    return 4 * o->large;
}
static uint64_t one(const bench_options *o)
{
    (void)o;
    return 1;
}
static uint64_t three(const bench_options *o)
{
    (void)o;
    return 3;
}

static const workload workloads[] = {
    { .name = "fillseq", .description = "keys in order, in batches", .fresh = true, .operations = num_of,
      .run = run_fillseq },
    { .name = "fillrandom", .description = "each key once in random order, in batches", .fresh = true,
      .operations = num_of, .run = run_fillrandom },
    { .name = "overwrite", .description = "random keys, in batches, each batch synced", .synced = true, .timed = true,
      .operations = num_of, .run = run_overwrite },
    { .name = "fillsync", .description = "random keys one at a time, each synced", .synced = true, .threaded = true,
      .timed = true, .operations = syncs_of, .run = run_fillsync },
    { .name = "readrandom", .description = "random keys one at a time", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_readrandom },
    { .name = "readhot", .description = "random keys among a hot share", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_readhot },
    { .name = "readstalls", .description = "as readhot, every read timed: for the longest stall", .threaded = true,
      .timed = true, .operations = reads_of, .run = run_readstalls },
    { .name = "readwhilewriting", .description = "as readstalls, beside a thread that writes random keys",
      .threaded = true, .timed = true, .operations = reads_of, .run = run_readstalls, .beside = beside_write },
    { .name = "multireadrandom", .description = "random keys, several in a call", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_multireadrandom },
    { .name = "seekrandom", .description = "short scans from random keys", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_seekrandom },
    { .name = "readseq", .description = "the whole store in order, three times", .operations = three,
      .run = run_readseq },
    { .name = "readreverse", .description = "the whole store backwards, three times", .operations = three,
      .run = run_readreverse },
    { .name = "compact", .description = "merges all that can be merged and gives back room, once", .operations = one,
      .run = run_compact },
    { .name = "ycsba", .description = "YCSB A: half reads, half updates, Zipfian", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_ycsb_a },
    { .name = "ycsbb", .description = "YCSB B: 95 % reads, 5 % updates", .threaded = true, .timed = true,
      .operations = reads_of, .run = run_ycsb_b },
    { .name = "ycsbc", .description = "YCSB C: reads", .threaded = true, .timed = true, .operations = reads_of,
      .run = run_ycsb_c },
    { .name = "ycsbd", .description = "YCSB D: 95 % reads of the latest, 5 % inserts", .threaded = true,
      .timed = true, .operations = reads_of, .run = run_ycsb_d },
    { .name = "ycsbe", .description = "YCSB E: 95 % scans of 1 to 100 pairs, 5 % inserts", .threaded = true,
      .timed = true, .operations = reads_of, .run = run_ycsb_e },
    { .name = "ycsbf", .description = "YCSB F: half reads, half reads and then updates", .threaded = true,
      .timed = true, .operations = reads_of, .run = run_ycsb_f },
    { .name = "filllarge", .description = "large values, in batches, each batch synced", .synced = true,
      .fresh = true, .operations = large_of, .run = run_filllarge },
    { .name = "readlarge", .description = "random large values", .threaded = true, .timed = true,
      .operations = large_reads_of, .run = run_readlarge },
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

/* A stream of its own for each benchmark, or one would read the keys in the order in which another wrote them. */
static bench bench_begin(const workload *w, store_session *session, const store_adapter *a, const bench_options *o,
                         unsigned thread, bench_result *r)
{
    const uint64_t stream = 1 + thread + ((uint64_t)(w - workloads) << 32);
    return (bench){ .session = session, .a = a, .o = o, .r = r, .random = random_open(o->seed, stream) };
}

bool workload_run(const workload *w, store_session *session, const store_adapter *a, const bench_options *o,
                  unsigned thread, unsigned threads, const bench_beside *beside, bench_result *r)
{
    const uint64_t all = w->operations(o), share = all / threads, rest = all % threads;
    bench b = bench_begin(w, session, a, o, thread, r);
    b.beside = beside;
    b.thread = thread;
    b.threads = threads;
    b.from = share * thread + (thread < rest ? thread : rest);
    b.count = share + (thread < rest);
    b.by_count = !(w->timed && o->duration_s > 0);
    double seconds = b.by_count ? o->limit_s : o->duration_s;
    if (seconds > 0)
        b.deadline_ns = monotonic_ns() + (uint64_t)(seconds * 1e9);
    bool ok = w->run(&b);
    r->cut = r->cut || stopped(&b);
    return ok;
}

bool workload_run_beside(const workload *w, store_session *session, const store_adapter *a, const bench_options *o,
                         bench_beside *beside, bench_result *r)
{
    bench b = bench_begin(w, session, a, o, UINT32_MAX, r);
    b.beside = b.readers = beside;
    const bool ok = w->beside(&b);
    atomic_store_explicit(&beside->awaited, false, memory_order_relaxed); /* whatever became of it */
    return ok;
}
