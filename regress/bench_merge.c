/*
 * bench_merge.c - rounds are joined and their medians taken anew; latencies are those of the worst shard, for
 * percentiles cannot be joined.
 */
#include "bench_merge.h"

#include <stdio.h>

#include "../faults/json_merge.h"
#include "gate_statistics.h"

enum { ROUNDS_MAX = 4096 };

static void median_anew(json_t *result)
{
    static double speed[ROUNDS_MAX];
    json_t *round;
    size_t i, n = 0;
    json_array_foreach(json_object_get(result, "rounds"), i, round) {
        const double seconds = json_number_value(json_object_get(round, "seconds"));
        if (seconds > 0 && n < ROUNDS_MAX)
            speed[n++] = json_number_value(json_object_get(round, "operations")) / seconds;
    }
    json_object_set_new(result, "median_per_second", json_real(statistics_median(speed, n)));
}

int bench_merge(char *const *paths, size_t count)
{
    char message[JSON_MERGE_MESSAGE] = "--merge takes the JSON reports of all shards";
    json_t *whole = count ? json_merge_files(paths, count, message) : NULL, *result;
    size_t i;
    if (!whole) {
        fprintf(stderr, "levin-bench: %s\n", message);
        return count ? 3 : 2;
    }
    json_array_foreach(json_object_get(whole, "results"), i, result)
        median_anew(result);
    const bool written = !json_dumpf(whole, stdout, JSON_INDENT(1)) && putchar('\n') != EOF && !fflush(stdout);
    json_decref(whole);
    return written ? 0 : 3;
}
