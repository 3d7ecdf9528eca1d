/*
 * bench_report.h - the rounds of each benchmark on each store, and how they are shown.
 */
#ifndef LEVIN_BENCH_REPORT_H
#define LEVIN_BENCH_REPORT_H

#include <jansson.h>

#include "../faults/shard.h"
#include "bench_stores.h"
#include "workloads.h"

enum { BENCH_BENCHES_MAX = 32, BENCH_ROUNDS_MAX = 101 };

typedef struct bench_round {
    uint64_t operations, bytes;
    double seconds;
} bench_round;

/* One benchmark on one store. */
typedef struct bench_cell {
    bench_round round[BENCH_ROUNDS_MAX];
    unsigned rounds;
    bool cut; /* its one round was ended early */
    uint64_t not_found;
    histogram latency; /* of all rounds */
    uint64_t beside_operations, beside_max_ns, beside_checkpoints; /* likewise */
    bool beside_told; /* the store says how many checkpoints there were */
} bench_cell;

typedef struct bench_setup {
    bench_options o;
    shard shard; /* rounds are those of this shard */
    bench_store store[BENCH_STORES_MAX];
    size_t stores;
    const workload *bench[BENCH_BENCHES_MAX]; /* NULL: "open" */
    const char *bench_name[BENCH_BENCHES_MAX];
    size_t benches;
    unsigned rounds;
    uint64_t cache_bytes, write_buffer_bytes;
    const char *db;
    bool json, csv, keep;
    bool use_existing; /* the stores are there, are not begun anew and stay */
    bool table, quick;
    uint64_t kill_log_bytes; /* of the table */
    const char *output; /* a directory for all forms of the table; NULL: none */
} bench_setup;

typedef struct bench_row { /* of one store */
    bench_cell bench[BENCH_BENCHES_MAX];
} bench_row;

/* A round that was cut short counts only where there is no whole one. */
void bench_cell_add(bench_cell *c, const bench_result *r);
/* Operations a second; 0 without rounds. */
double bench_cell_median(const bench_cell *c);
/* Sorts the values; 0 when there are none. */
double bench_median(double *values, size_t count);

/*
 * For stores whose map is fixed when they are opened: four times the raw bytes of the largest store of this run, with
 * 16 more for each record and whole pages for large values, rounded up to GiB; 16 GiB at the least.
 */
uint64_t bench_map_bytes(const bench_setup *s);
/* What the options say for all stores. */
bench_sizes bench_sizes_of(const bench_setup *s);
/* The settings of a store, into `text`, which is handed back. */
const char *bench_configuration(const bench_setup *s, size_t which, bool synced, char text[STORE_MESSAGE_BYTES]);
/* The stores with version and settings, and those that are not built in. */
void bench_stores_text(const bench_setup *s, FILE *to);
json_t *bench_stores_json(const bench_setup *s);
/*
 * All that the figures depend on, by the names of the options. write_buffer_size 0: the store's own; duration 0: by
 * count.
 */
json_t *bench_options_json(const bench_setup *s);
/* Prints and frees; false when memory ran out (NULL) or writing failed. */
bool bench_json_print(json_t *root, FILE *to);

void bench_report_text(const bench_setup *s, const bench_row *rows);
/* False when memory ran out or writing failed. */
bool bench_report_json(const bench_setup *s, const bench_row *rows);
/* A line for each benchmark on each store. False when writing failed. */
bool bench_report_csv(const bench_setup *s, const bench_row *rows);

#endif
