/*
 * workloads.h - the benchmarks of levin-bench, by name, over any store behind store.h.
 */
#ifndef LEVIN_WORKLOADS_H
#define LEVIN_WORKLOADS_H

#include <signal.h>
#include <stdatomic.h>

#include "../chaos/store.h"
#include "histogram.h"

enum { BENCH_BATCH_MAX = 65536, BENCH_MULTI_MAX = 256 };

typedef struct bench_options {
    uint64_t num;              /* keys */
    uint64_t reads;            /* operations of a read benchmark; 0: num */
    uint64_t syncs;            /* operations of fillsync, over all threads */
    uint64_t large;            /* values of a large-value benchmark */
    uint32_t key_bytes, value_bytes, large_value_bytes;
    uint32_t batch, large_batch, multi, seek_nexts; /* at most BENCH_BATCH_MAX, BENCH_MULTI_MAX */
    unsigned threads;
    double hot_share;
    double duration_s;         /* 0: by count; else of benchmarks that say `timed` */
    double limit_s;            /* 0: none; else those by count end at the latest then, without being cut */
    unsigned beside_checkpoints; /* what a thread runs beside goes on till that many, or for BENCH_BESIDE_LIMIT_S */
    uint64_t seed;
    bool sync;                 /* of fillseq, fillrandom */
    bool pin;
    const char *values;        /* of bench_values_create(); all threads read it */
    size_t values_bytes;
    const volatile sig_atomic_t *stop; /* not 0: benchmarks end early; NULL: never */
} bench_options;

typedef struct bench_result {
    uint64_t operations;       /* keys written or read */
    uint64_t bytes;            /* of keys and values that went in or came out */
    uint64_t not_found;
    double seconds;            /* wall time, from the first thread's start to the last one's end */
    bool cut;                  /* ended early */
    histogram latency;         /* of calls; sampled for reads */
    /* Of the thread beside: keys written, its longest call, and how often they were written out meanwhile. */
    uint64_t beside_operations, beside_max_ns, beside_checkpoints;
    bool beside_told;          /* the store says how often; else beside_checkpoints is 0 */
} bench_result;

/* Between the threads of a benchmark and the one beside. */
typedef struct bench_beside {
    _Atomic unsigned running;  /* of the former. Release when one ends; acquire by the latter */
    _Atomic bool awaited;      /* checkpoints, so that the former go on. Relaxed: orders nothing */
} bench_beside;
enum { BENCH_BESIDE_LIMIT_S = 60 };

struct bench; /* one thread's state */

typedef struct workload {
    const char *name;
    const char *description;
    bool synced;               /* asks for synced writes: the store is opened for them */
    bool fresh;                /* begins with an empty store */
    bool threaded;             /* uses options->threads; otherwise one */
    bool timed;                /* goes on for options->duration_s when that is given */
    uint64_t (*operations)(const bench_options *o); /* of all threads together */
    bool (*run)(struct bench *b);
    bool (*beside)(struct bench *b); /* not NULL: what one more thread does while the others run */
} workload;

const workload *workload_find(const char *name);
const workload *workloads_all(size_t *count);

/* Fills options->values with bytes that compress by about half; NULL when memory ran out. Free it with free(). */
char *bench_values_create(const bench_options *o, size_t *bytes);

/*
 * One thread's share, added to *r (but for seconds).  Returns false with a message printed when the store failed.
 * Requires thread < threads, values made.
 */
bool workload_run(const workload *w, store_session *session, const store_adapter *a, const bench_options *o,
                  unsigned thread, unsigned threads, const bench_beside *beside, bench_result *r);
/* What the thread beside does, until beside->running is 0: the threads that are in workload_run(). */
bool workload_run_beside(const workload *w, store_session *session, const store_adapter *a, const bench_options *o,
                         bench_beside *beside, bench_result *r);

#endif
