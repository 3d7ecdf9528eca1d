/*
 * bench_run.h - opening, closing and removing the stores that are measured, and a list of benchmarks on one of them.
 */
#ifndef LEVIN_BENCH_RUN_H
#define LEVIN_BENCH_RUN_H

#include "bench_report.h"

enum { BENCH_PATH_BYTES = 1024 };

typedef struct open_store {
    store *db; /* NULL: closed */
    bool synced;
} open_store;

/* These print a message where they return false. */
bool bench_store_start(const bench_store *s, const char *path, const store_config *config, open_store *os);
bool bench_store_stop(const bench_store *s, open_store *os);
bool bench_remove_directory(const char *path);
/* DIRECTORY/NAME.PLACE-ROUND, or with a tag .PLACE-ROUND-TAG */
bool bench_store_path(const bench_setup *s, size_t which, unsigned round, const char *tag, char path[BENCH_PATH_BYTES]);

/*
 * Whether the paths of all stores and rounds are as the run needs them: free, for a store that was there before is not
 * written over nor removed; with use_existing there, the first round's at least.  Prints what is in the way.
 */
bool bench_paths_ready(const bench_setup *s, const char *tag);

/* What is on the disk under `path`, in bytes; files whose names begin with `but` (may be NULL) are not counted. */
uint64_t bench_disk_bytes(const char *path, const char *but);

/* One store, all benchmarks in order, in a child process and a directory of its own. */
bool bench_run_store(const bench_setup *s, size_t which, unsigned round, bench_row *rows);

#endif
