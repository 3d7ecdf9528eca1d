/*
 * bench.h - measurements of one store by several threads, in the manner of LevelDB's db_bench: what `levin bench` runs.
 *
 * Keys are numbers below `num`, as 16 decimal digits; values are incompressible bytes.  The operations of a benchmark
 * are shared out among the threads, each with a stream of its own from (seed, benchmark, thread).  Random orders are
 * with repetitions, as db_bench's: fillrandom leaves about 63 % of the keys.
 *
 * Threads: bench_run() is called by one thread, and starts the others.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "../levin.h"
#include "latency.h"

/* X(name, text) */
#define BENCHMARKS(X)                                                                                           \
    X(fillseq, "puts in the order of the keys, into a new store")                                               \
    X(fillrandom, "puts in random order, into a new store")                                                     \
    X(overwrite, "puts in random order")                                                                        \
    X(readrandom, "gets in random order")                                                                       \
    X(readseq, "an iterator over all pairs, a part for each thread")                                            \
    X(seekrandom, "iterators put on random keys")                                                               \
    X(deleterandom, "deletes in random order")                                                                  \
    X(compact, "levin_compact(), once")

typedef enum bench_kind {
#define BENCH_ENUM(name, text) BENCH_##name,
    BENCHMARKS(BENCH_ENUM)
#undef BENCH_ENUM
    BENCH_COUNT
} bench_kind;

enum { BENCH_THREADS_MAX = 256, BENCH_KEY_BYTES = 16 };

typedef struct bench_options {
    unsigned threads;            /* 1 .. BENCH_THREADS_MAX */
    uint64_t num;                /* keys, and operations of each benchmark */
    uint64_t reads;              /* operations of those that read; 0: num */
    uint32_t value_bytes;
    uint32_t batch_size;         /* operations of a batch, of those that write */
    uint32_t seek_nexts;         /* moves after a seek */
    levin_durability durability;
    double seconds;              /* 0: until all operations are done; otherwise, but for fillseq and readseq, so long */
    uint64_t seed;
    /* Called ten times a second, and at the end, on the thread of bench_run(): false ends the benchmark. Or NULL. */
    bool (*tick)(void *context, levin *store, double seconds, uint64_t operations);
    void *context;
} bench_options;

typedef struct bench_result {
    levin_code code;             /* of the first call that failed; *error says more */
    bool interrupted;
    double seconds;
    uint64_t operations;         /* done by all threads; pairs for readseq and the moves of seekrandom apart */
    uint64_t found;              /* of gets and seeks */
    uint64_t bytes;              /* of keys and values, written or read */
    latency latency;             /* nanoseconds, of each call: of a batch, a get, a seek with its moves, 1024 moves */
} bench_result;

void bench_run(levin *store, bench_kind kind, const bench_options *options, bench_result *result);

#endif
