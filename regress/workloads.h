/*
 * workloads.h - the benchmarks of levin-bench, by name, over any store behind store.h.
 */
#ifndef LEVIN_WORKLOADS_H
#define LEVIN_WORKLOADS_H

#include "../chaos/store.h"
#include "histogram.h"

typedef struct bench_options {
    uint64_t num;              /* keys */
    uint64_t reads;            /* operations of a read benchmark; 0: num */
    uint64_t syncs;            /* operations of fillsync, over all threads */
    uint64_t large;            /* values of a large-value benchmark */
    uint32_t key_bytes, value_bytes, large_value_bytes;
    uint32_t batch, large_batch, multi, seek_nexts;
    unsigned threads;
    double hot_share;
    double duration_s;         /* 0: by count */
    uint64_t seed;
    bool sync;                 /* of fillseq, fillrandom */
    bool pin;
    bool histogram;
} bench_options;

typedef struct bench_result {
    uint64_t operations;       /* keys written or read */
    uint64_t bytes;            /* of keys and values that went in or came out */
    double seconds;            /* wall time of the slowest thread */
    uint64_t not_found;
    histogram latency;         /* of calls; sampled for reads */
} bench_result;

typedef struct workload {
    const char *name;
    const char *description;
    bool synced;               /* asks for synced writes: the store is opened for them */
    bool fresh;                /* begins with an empty store */
    bool threaded;             /* uses options->threads; otherwise one */
    /* Runs one thread's share. Returns false with a message printed when the store failed. */
    bool (*run)(store_session *session, const store_adapter *a, const bench_options *o, unsigned thread,
                unsigned threads, bench_result *result);
} workload;

const workload *workload_find(const char *name);
const workload *workloads_all(size_t *count);

#endif
