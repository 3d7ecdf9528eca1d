/*
 * bench_merge.h - levin-bench --merge: the JSON reports of shards as that of the whole.
 */
#ifndef LEVIN_BENCH_MERGE_H
#define LEVIN_BENCH_MERGE_H

#include <stddef.h>

/* Prints it. Returns the exit status: 0, 2 when there is none, 3 with a message. */
int bench_merge(char *const *paths, size_t count);

#endif
