/*
 * bench_threads.h - runs a benchmark in several threads at once and adds up what they did.
 */
#ifndef LEVIN_BENCH_THREADS_H
#define LEVIN_BENCH_THREADS_H

#include "workloads.h"

/*
 * In options->threads threads if the workload is threaded, else in one; with options->pin the i-th is bound to the
 * i-th of the processors that this process may use, round and round.  *sum is overwritten.  False with a message
 * printed.
 */
bool bench_threads_run(const workload *w, store *db, const store_adapter *a, const bench_options *o,
                       bench_result *sum);

#endif
