/*
 * row_cache_bench.c - the row cache beside liburcu's hash table (cds_lfht): hits, fills, evictions, bytes per entry.
 *
 * Keys of 16 bytes, values of 100.  A hit is what a get does: section, hash, lookup, check of the sequence, copy of
 * the value.  The cds_lfht side keeps nodes from malloc with a sequence of their own and replaces the oldest one when
 * it is full, after a grace period for every 4096: about the least that a cache over it has to do.
 * Then a whole store, in pages, with the row cache off and on: levin_get, warm.
 * Each pair of rows is measured in turns, A B A B; medians.  Arguments: runs (5).  Pins its threads to processors 0, 1.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <urcu-bp.h>
#include <urcu/rculfhash.h>

#include "record_format.h"
#include "row_cache.h"

enum { KEY = 16, VALUE = 100, KEYS = 1000000, HOT = 20000, RUNS_MAX = 64, THREADS = 2, MULTI = 16 };
enum { LOOKUPS = 2000000, PENDING_FREES = 4096, BATCH = 1000 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Cheap, so that what is measured is the cache: a constant and the number's bytes, biggest first. */
static void key_of(uint8_t key[KEY], uint64_t n)
{
    memcpy(key, "user:key", 8);
    n = __builtin_bswap64(n);
    memcpy(key + 8, &n, 8);
}

/* ---- the two sides, behind one face ---- */

typedef struct cache_side {
    const char *name;
    void *(*create)(size_t entries);
    void (*destroy)(void *side);
    bool (*get)(void *side, const uint8_t *key, uint8_t *value);
    void (*put)(void *side, const uint8_t *key, const uint8_t *value);
    double (*bytes_per_entry)(void *side);
} cache_side;

/* own */
typedef struct own_cache {
    row_cache *rows;
    counter_set counts;
} own_cache;

static void *own_create(size_t entries)
{
    own_cache *o = aligned_alloc(64, sizeof *o);
    memset(o, 0, sizeof *o);
    o->rows = row_cache_create(levin_io_posix(), entries * 145 + (8 << 20), &o->counts, 0);
    if (!o->rows || !row_cache_prepare(o->rows))
        abort();
    row_cache_activate(o->rows, 1);
    return o;
}

static void own_destroy(void *side)
{
    own_cache *o = side;
    row_cache_destroy(o->rows);
    free(o);
}

static bool own_get(void *side, const uint8_t *key, uint8_t *value)
{
    own_cache *o = side;
    row_value v;
    reclaim_read_lock();
    bool hit = row_cache_find(o->rows, row_cache_hash(key, KEY), key, KEY, UINT64_MAX, &v);
    if (hit)
        memcpy(value, v.data, v.bytes);
    reclaim_read_unlock();
    return hit;
}

static void own_put(void *side, const uint8_t *key, const uint8_t *value)
{
    own_cache *o = side;
    row_value v = { value, VALUE };
    reclaim_read_lock();
    row_cache_fill(o->rows, row_cache_hash(key, KEY), key, KEY, &v, 1);
    reclaim_read_unlock();
    if (row_cache_wants_maintenance(o->rows))
        row_cache_maintain(o->rows, true);
}

static double own_bytes_per_entry(void *side)
{
    own_cache *o = side;
    return (double)row_cache_bytes(o->rows) / (double)row_cache_entries(o->rows);
}

static const cache_side own = { "row_cache", own_create, own_destroy, own_get, own_put, own_bytes_per_entry };

/* cds_lfht */
typedef struct lfht_item {
    struct cds_lfht_node node;
    uint64_t sequence;
    uint16_t key_bytes, value_bytes;
    uint8_t bytes[KEY + VALUE];
} lfht_item;

typedef struct lfht_cache {
    struct cds_lfht *table;
    lfht_item **ring; /* in order of insertion */
    lfht_item *pending[PENDING_FREES];
    size_t entries, used, next, waiting;
    _Atomic uint64_t touched;
} lfht_cache;

static int lfht_match(struct cds_lfht_node *node, const void *key)
{
    return memcmp(((lfht_item *)(void *)node)->bytes, key, KEY) == 0; /* node is the first member */
}

static void *lfht_create(size_t entries)
{
    lfht_cache *c = calloc(1, sizeof *c);
    size_t buckets = 1;
    while (buckets < entries)
        buckets *= 2;
    c->table = _cds_lfht_new(buckets, buckets, buckets, 0, &cds_lfht_mm_mmap, &urcu_bp_flavor, NULL);
    c->ring = calloc(entries, sizeof *c->ring);
    c->entries = entries;
    return c;
}

static void lfht_free_pending(lfht_cache *c)
{
    urcu_bp_synchronize_rcu();
    while (c->waiting)
        free(c->pending[--c->waiting]);
}

static void lfht_drop(lfht_cache *c, lfht_item *item)
{
    urcu_bp_read_lock();
    cds_lfht_del(c->table, &item->node);
    urcu_bp_read_unlock();
    c->pending[c->waiting++] = item;
    if (c->waiting == PENDING_FREES)
        lfht_free_pending(c);
}

static void lfht_destroy(void *side)
{
    lfht_cache *c = side;
    for (size_t i = 0; i < c->used; i++)
        lfht_drop(c, c->ring[i]);
    lfht_free_pending(c);
    cds_lfht_destroy(c->table, NULL);
    free(c->ring);
    free(c);
}

static bool lfht_get(void *side, const uint8_t *key, uint8_t *value)
{
    lfht_cache *c = side;
    struct cds_lfht_iter at;
    bool hit = false;
    reclaim_read_lock(); /* the same inlined lock as the other side has */
    cds_lfht_lookup(c->table, row_cache_hash(key, KEY), lfht_match, key, &at);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&at);
    if (node) {
        const lfht_item *item = (const lfht_item *)(const void *)node;
        hit = item->sequence >= atomic_load_explicit(&c->touched, memory_order_relaxed); /* pairs with nothing here */
        if (hit)
            memcpy(value, item->bytes + KEY, item->value_bytes);
    }
    reclaim_read_unlock();
    return hit;
}

static void lfht_put(void *side, const uint8_t *key, const uint8_t *value)
{
    lfht_cache *c = side;
    lfht_item *item = malloc(sizeof *item);
    cds_lfht_node_init(&item->node);
    item->sequence = 1;
    item->key_bytes = KEY;
    item->value_bytes = VALUE;
    memcpy(item->bytes, key, KEY);
    memcpy(item->bytes + KEY, value, VALUE);
    urcu_bp_read_lock();
    cds_lfht_add(c->table, row_cache_hash(key, KEY), &item->node);
    urcu_bp_read_unlock();
    if (c->used < c->entries) {
        c->ring[c->used++] = item;
        return;
    }
    lfht_drop(c, c->ring[c->next]);
    c->ring[c->next] = item;
    c->next = (c->next + 1) % c->entries;
}

static double lfht_bytes_per_entry(void *side)
{
    /* as malloc rounds it up, the table's word per bucket (a node of two words), and a word of the ring */
    lfht_cache *c = side;
    size_t buckets = 1;
    while (buckets < c->entries)
        buckets *= 2;
    return (double)((sizeof(lfht_item) + 8 + 15) / 16 * 16) +
           (double)(buckets * sizeof(struct cds_lfht_node)) / (double)c->used + sizeof(lfht_item *);
}

static const cache_side lfht = { "cds_lfht", lfht_create, lfht_destroy, lfht_get, lfht_put, lfht_bytes_per_entry };

/* ---- measuring ---- */

typedef struct job {
    pthread_t thread;
    const cache_side *side;
    void *cache;
    unsigned index, among;
    uint64_t lookups, hits;
    double ns;
    pthread_barrier_t *barrier;
} job;

static void pin(unsigned index)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(index, &one);
    (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

static void *look_up(void *argument)
{
    job *j = argument;
    uint8_t key[KEY], value[VALUE];
    uint64_t random = 88172645463325252u + j->index;
    pin(j->index);
    pthread_barrier_wait(j->barrier);
    double began = now_ns();
    for (uint64_t i = 0; i < j->lookups; i++) {
        key_of(key, random_next(&random) % j->among);
        j->hits += j->side->get(j->cache, key, value);
    }
    j->ns = now_ns() - began;
    return NULL;
}

static double look_up_all(const cache_side *side, void *cache, unsigned threads, unsigned among)
{
    pthread_barrier_t barrier;
    job jobs[THREADS];
    double slowest = 0;
    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (job){ .side = side, .cache = cache, .index = i, .among = among, .lookups = LOOKUPS,
                         .barrier = &barrier };
        if (pthread_create(&jobs[i].thread, NULL, look_up, &jobs[i]))
            abort();
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(jobs[i].thread, NULL);
        slowest = jobs[i].ns > slowest ? jobs[i].ns : slowest;
        if (jobs[i].hits < LOOKUPS / 10 * 9)
            fprintf(stderr, "%s: only %llu of %d hits\n", side->name, (unsigned long long)jobs[i].hits, LOOKUPS);
    }
    pthread_barrier_destroy(&barrier);
    return (double)threads * LOOKUPS / slowest * 1e3; /* M/s */
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *samples, int n)
{
    qsort(samples, (size_t)n, sizeof samples[0], compare_doubles);
    return samples[n / 2];
}

enum { FILL, EVICT, HIT_1, HIT_2, HOT_1, HOT_2, BYTES, ROWS };
static const char *const row_names[ROWS] = {
    "fill, M/s", "fill of a full cache of 100 k, M/s", "hit, uniform over 1 M keys, 1 thread, M/s",
    "the same, 2 threads, M/s", "hit, hot 20 k, 1 thread, M/s", "the same, 2 threads, M/s", "bytes per entry",
};

static void fill(const cache_side *side, void *cache, unsigned from, unsigned keys)
{
    uint8_t key[KEY], value[VALUE] = "value";
    for (unsigned i = 0; i < keys; i++) {
        key_of(key, from + i);
        side->put(cache, key, value);
    }
}

static void measure(const cache_side *side, int run, double samples[ROWS][RUNS_MAX])
{
    void *cache = side->create(KEYS);
    double began = now_ns();
    fill(side, cache, 0, KEYS);
    samples[FILL][run] = KEYS / (now_ns() - began) * 1e3;
    look_up_all(side, cache, 1, KEYS); /* marks are set */
    samples[HIT_1][run] = look_up_all(side, cache, 1, KEYS);
    samples[HIT_2][run] = look_up_all(side, cache, 2, KEYS);
    samples[HOT_1][run] = look_up_all(side, cache, 1, HOT);
    samples[HOT_2][run] = look_up_all(side, cache, 2, HOT);
    samples[BYTES][run] = side->bytes_per_entry(cache);
    side->destroy(cache);
    cache = side->create(KEYS / 10);
    fill(side, cache, 0, KEYS / 5);
    began = now_ns();
    fill(side, cache, KEYS / 5, KEYS);
    samples[EVICT][run] = KEYS / (now_ns() - began) * 1e3;
    side->destroy(cache);
}

/* What only the row cache has: several keys at once, and raising. */
static double multi(own_cache *o)
{
    uint8_t key[MULTI][KEY], value[VALUE];
    uint64_t random = 4711, hash[MULTI], hits = 0;
    row_value v;
    double began = now_ns();
    for (unsigned n = 0; n < LOOKUPS / MULTI; n++) {
        reclaim_read_lock();
        for (int i = 0; i < MULTI; i++) {
            key_of(key[i], random_next(&random) % KEYS);
            hash[i] = row_cache_hash(key[i], KEY);
            row_cache_prefetch(o->rows, hash[i]);
        }
        for (int i = 0; i < MULTI; i++)
            row_cache_prefetch_items(o->rows, hash[i]);
        for (int i = 0; i < MULTI; i++)
            if (row_cache_find(o->rows, hash[i], key[i], KEY, UINT64_MAX, &v)) {
                memcpy(value, v.data, v.bytes);
                hits++;
            }
        reclaim_read_unlock();
    }
    double ns = now_ns() - began;
    return hits ? LOOKUPS / ns * 1e3 : 0;
}

static double raise_batches(own_cache *o)
{
    static uint8_t records[BATCH * (RECORD_HEADER_BYTES + KEY + VALUE)];
    uint64_t random = 4712;
    double ns = 0;
    for (int n = 0; n < 300; n++) {
        uint8_t *r = records;
        for (int i = 0; i < BATCH; i++, r += record_bytes(r)) {
            memset(r, 0, RECORD_HEADER_BYTES);
            r[RECORD_KIND] = RECORD_PUT;
            store_u16(r + RECORD_KEY_BYTES, KEY);
            store_u32(r + RECORD_VALUE_BYTES, VALUE);
            key_of(r + RECORD_HEADER_BYTES, random_next(&random) % KEYS);
        }
        double began = now_ns();
        row_cache_touch_records(o->rows, records, BATCH, 2 + (uint64_t)n);
        ns += now_ns() - began;
    }
    return ns / 300 / BATCH;
}

/* ---- a store with and without it ---- */

static void store_get_all(levin *db, unsigned among, uint64_t lookups)
{
    uint8_t key[KEY], value[VALUE];
    uint64_t random = 4713;
    size_t bytes;
    for (uint64_t i = 0; i < lookups; i++) {
        key_of(key, random_next(&random) % among);
        if (levin_get(db, NULL, key, KEY, value, sizeof value, &bytes) != LEVIN_OK)
            abort();
    }
}

static levin *store_make(const char *directory, uint64_t row_cache_bytes)
{
    levin_options o;
    levin *db;
    levin_batch *batch;
    uint8_t key[KEY], value[VALUE] = "value";
    levin_options_init(&o);
    o.row_cache_bytes = row_cache_bytes;
    if (levin_open(directory, &o, &db, NULL) != LEVIN_OK || levin_batch_create(db, &batch) != LEVIN_OK)
        abort();
    for (unsigned i = 0; i < KEYS; i++) {
        key_of(key, i);
        if (levin_batch_put(batch, key, KEY, value, VALUE) != LEVIN_OK)
            abort();
        if (i % BATCH == BATCH - 1) {
            if (levin_write(db, batch, LEVIN_NONE) != LEVIN_OK)
                abort();
            levin_batch_clear(batch);
        }
    }
    levin_batch_destroy(batch);
    if (levin_checkpoint(db) != LEVIN_OK)
        abort();
    for (int i = 0; i < 8; i++) /* warm */
        store_get_all(db, KEYS, KEYS);
    return db;
}

enum { STORE_RUNS = 7 };

static void measure_store(void)
{
    static const char *const names[2] = { "off", "on, 256 MiB" };
    static const unsigned among[2] = { KEYS, HOT / 2 };
    char directory[2][64] = { "/tmp/levin-row-bench-XXXXXX", "/tmp/levin-row-bench-XXXXXX" }, command[160];
    levin *db[2];
    double ns[2][2][STORE_RUNS];
    for (int on = 0; on < 2; on++) {
        if (!mkdtemp(directory[on]))
            abort();
        db[on] = store_make(directory[on], on ? 256 << 20 : 0);
    }
    for (int run = 0; run < STORE_RUNS; run++)
        for (int set = 0; set < 2; set++)
            for (int on = 0; on < 2; on++) {
                store_get_all(db[on], among[set], 100000);
                double began = now_ns();
                store_get_all(db[on], among[set], 500000);
                ns[set][on][run] = (now_ns() - began) / 500000;
            }
    for (int set = 0; set < 2; set++)
        for (int on = 0; on < 2; on++)
            printf("levin_get, %7u keys of 1 M in pages, cache %-12s %8.1f ns\n", among[set], names[on],
                   median(ns[set][on], STORE_RUNS));
    for (int on = 0; on < 2; on++) {
        if (levin_close(db[on]) != LEVIN_OK)
            abort();
        snprintf(command, sizeof command, "rm -rf %s", directory[on]);
        if (system(command))
            fprintf(stderr, "%s is left\n", directory[on]);
    }
}

int main(int argc, char **argv)
{
    static double samples[2][ROWS][RUNS_MAX], extra[2][RUNS_MAX];
    int runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5;
    runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
    pin(0);
    for (int run = 0; run < runs; run++) {
        measure(&own, run, samples[0]);
        measure(&lfht, run, samples[1]);
        own_cache *o = own_create(KEYS);
        fill(&own, o, 0, KEYS);
        multi(o);
        extra[0][run] = multi(o);
        extra[1][run] = raise_batches(o);
        own_destroy(o);
    }
    printf("%-48s %10s %10s %7s\n", "median", own.name, lfht.name, "ratio");
    for (int row = 0; row < ROWS; row++) {
        double a = median(samples[0][row], runs), b = median(samples[1][row], runs);
        printf("%-48s %10.1f %10.1f %7.2f\n", row_names[row], a, b, a / b);
    }
    printf("%-48s %10.1f\n", "16 keys at once, uniform, 1 thread, M/s", median(extra[0], runs));
    printf("%-48s %10.1f\n", "raising a bucket, batches of 1000, ns a key", median(extra[1], runs));
    measure_store();
    return 0;
}
