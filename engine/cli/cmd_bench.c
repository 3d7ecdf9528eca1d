/*
 * cmd_bench.c - levin bench: how fast is this machine with these options?  In the manner of LevelDB's db_bench.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "interrupt.h"
#include "rates.h"
#include "text.h"

enum { OPT_THREADS = 256, OPT_NUM, OPT_READS, OPT_VALUE_SIZE, OPT_BATCH_SIZE, OPT_SEEK_NEXTS, OPT_DURABILITY, OPT_SYNC,
       OPT_DURATION, OPT_SEED, OPT_BENCHMARKS, OPT_INTERVAL, OPT_HISTOGRAM, OPT_JSON, OPT_KEEP, OPT_EXISTING,
       LIST_MAX = 64 };

typedef struct bench_request {
    bench_options run;
    levin_options store;
    bench_kind list[LIST_MAX];
    unsigned count;
    rates rates;
    bool json, histogram, keep, existing, own;
    char path[4096];
} bench_request;

static const struct {
    const char *name, *text;
} benchmarks[] = {
#define ROW(name, text) { #name, text },
    BENCHMARKS(ROW)
#undef ROW
};

static bool on_tick(void *context, levin *store, double seconds, uint64_t operations)
{
    bench_request *q = context;
    rates_tick(&q->rates, store, seconds, operations);
    return !interrupt_wanted();
}

/* ---- the report ---- */

static void print_text(const bench_request *q, bench_kind kind, const bench_result *r)
{
    const double seconds = r->seconds > 0 ? r->seconds : 1e-9, n = (double)(r->operations ? r->operations : 1);
    printf("%-12s : %10.3f us/op; %10.1f k/s; %8.1f MB/s; p50 %.1f p99 %.1f p99.9 %.1f max %.0f us; %" PRIu64
           " operations in %.2f s", benchmarks[kind].name, seconds * 1e6 * q->run.threads / n, n / seconds / 1e3,
           (double)r->bytes / seconds / 1e6, (double)latency_quantile(&r->latency, 500) / 1e3,
           (double)latency_quantile(&r->latency, 990) / 1e3, (double)latency_quantile(&r->latency, 999) / 1e3,
           (double)r->latency.max / 1e3, r->operations, r->seconds);
    if (kind == BENCH_readrandom || kind == BENCH_seekrandom)
        printf(" (%" PRIu64 " found)", r->found);
    puts(r->interrupted ? " (interrupted)" : "");
    for (unsigned i = 0; q->histogram && i < LATENCY_BUCKETS; i++) {
        uint64_t first, last;
        if (!r->latency.buckets[i])
            continue;
        latency_bounds(i, &first, &last);
        printf("    %12.3f - %12.3f us  %10" PRIu32 "  %6.2f %%\n", (double)first / 1e3, (double)last / 1e3,
               r->latency.buckets[i], (double)r->latency.buckets[i] * 100 / (double)r->latency.count);
    }
}

static void print_json(const bench_request *q, bench_kind kind, const bench_result *r)
{
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "benchmark", benchmarks[kind].name,
        "threads", (json_int_t)q->run.threads, "operations", (json_int_t)r->operations, "found", (json_int_t)r->found,
        "seconds", r->seconds, "operations_per_second", r->seconds > 0 ? (double)r->operations / r->seconds : 0,
        "bytes", (json_int_t)r->bytes, "calls", (json_int_t)r->latency.count, "p50_ns",
        (json_int_t)latency_quantile(&r->latency, 500), "p99_ns", (json_int_t)latency_quantile(&r->latency, 990),
        "p999_ns", (json_int_t)latency_quantile(&r->latency, 999), "max_ns", (json_int_t)r->latency.max, "interrupted",
        r->interrupted);
    json_t *buckets = q->histogram ? json_array() : NULL;
    if (!object || (q->histogram && !buckets))
        cli_die_no_memory();
    for (unsigned i = 0; buckets && i < LATENCY_BUCKETS; i++) {
        uint64_t first, last;
        if (!r->latency.buckets[i])
            continue;
        latency_bounds(i, &first, &last);
        if (json_array_append_new(buckets, json_pack("[I, I, I]", (json_int_t)first, (json_int_t)last,
                                                     (json_int_t)r->latency.buckets[i])))
            cli_die_no_memory();
    }
    if (buckets && json_object_set_new(object, "buckets_ns", buckets))
        cli_die_no_memory();
    text_json_print(stdout, object);
    json_decref(object);
}

/* ---- the store ---- */

/* Removes a store that this run has made: its files, by their names, and the directory. */
static void remove_store(const char *path)
{
    DIR *directory = opendir(path);
    bool good = directory != NULL;
    for (struct dirent *entry; good && (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            good = unlinkat(dirfd(directory), entry->d_name, 0) == 0;
    if (directory)
        closedir(directory);
    if (!good || rmdir(path))
        fprintf(stderr, "levin bench: %s could not be removed\n", path);
}

/* Fills begin with a new store, the first one included unless the caller wants the one that is there. */
static levin *open_new(const cli_command *command, bench_request *q, levin *before)
{
    levin_options o = q->store;
    if (before) {
        if (cli_close(command, q->path, before, CLI_OK) != CLI_OK)
            return NULL;
        remove_store(q->path);
    }
    o.create_if_missing = true;
    o.error_if_exists = !q->existing;
    return cli_open(command, q->path, &o);
}

static int run_all(const cli_command *command, bench_request *q)
{
    int status = CLI_OK;
    bool fresh = true;
    levin *store = open_new(command, q, NULL);
    for (unsigned i = 0; store && i < q->count && status == CLI_OK; i++) {
        static bench_result r; /* large */
        const bench_kind kind = q->list[i];
        const bool fills = kind == BENCH_fillseq || kind == BENCH_fillrandom;
        if (fills && !fresh && !q->existing)
            store = open_new(command, q, store);
        if (!store)
            break;
        fresh = false;
        rates_restart(&q->rates);
        levin_stats_get(store, &q->rates.stats);
        bench_run(store, kind, &q->run, &r);
        if (r.code != LEVIN_OK)
            status = cli_fail_call(command, q->path, store, r.code);
        else if (q->json)
            print_json(q, kind, &r);
        else
            print_text(q, kind, &r);
        if (r.interrupted)
            status = CLI_INTERRUPTED;
        fflush(stdout);
    }
    if (!store)
        return CLI_ERROR;
    status = cli_close(command, q->path, store, status);
    if (q->own && !q->keep)
        remove_store(q->path);
    else if (!q->json)
        printf("the store is in %s\n", q->path);
    return cli_finish_output(command, status);
}

/* ---- options ---- */

static bool number(const cli_command *command, const char *name, uint64_t low, uint64_t high, uint64_t *out)
{
    if (cli_parse_size(optarg, out) && *out >= low && *out <= high)
        return true;
    cli_usage(command, "--%s is '%s': a number from %" PRIu64 " to %" PRIu64 " is needed", name, optarg, low, high);
    return false;
}

static bool take_list(const cli_command *command, bench_request *q, const char *text)
{
    q->count = 0;
    while (*text) {
        size_t n = strcspn(text, ","), k = 0;
        while (k < BENCH_COUNT && (strlen(benchmarks[k].name) != n || strncmp(benchmarks[k].name, text, n)))
            k++;
        if (k == BENCH_COUNT || q->count == LIST_MAX) {
            cli_usage(command, "there is no benchmark '%.*s', or the list is too long", (int)n, text);
            return false;
        }
        q->list[q->count++] = (bench_kind)k;
        text += n + (text[n] == ',');
    }
    return true;
}

static bool take_option(const cli_command *command, bench_request *q, int c)
{
    uint64_t n = 0;
    bool good = true;
    switch (c) {
    case OPT_THREADS:
        good = number(command, "threads", 1, BENCH_THREADS_MAX, &n);
        q->run.threads = (unsigned)n;
        break;
    case OPT_NUM: good = number(command, "num", 1, 1000000000000u, &q->run.num); break;
    case OPT_READS: good = number(command, "reads", 1, 1000000000000u, &q->run.reads); break;
    case OPT_VALUE_SIZE:
        good = number(command, "value-size", 0, 16u << 20, &n);
        q->run.value_bytes = (uint32_t)n;
        break;
    case OPT_BATCH_SIZE:
        good = number(command, "batch-size", 1, 100000, &n);
        q->run.batch_size = (uint32_t)n;
        break;
    case OPT_SEEK_NEXTS:
        good = number(command, "seek-nexts", 0, 1000000, &n);
        q->run.seek_nexts = (uint32_t)n;
        break;
    case OPT_DURATION:
        good = number(command, "duration", 1, 10000000, &n);
        q->run.seconds = (double)n;
        break;
    case OPT_INTERVAL:
        good = number(command, "stats-interval", 1, 86400, &n);
        q->rates.interval_seconds = (double)n;
        break;
    case OPT_SEED: good = number(command, "seed", 0, INT64_MAX, &q->run.seed); break;
    case OPT_SYNC: q->run.durability = LEVIN_SYNCED; break;
    case OPT_DURABILITY:
        good = cli_parse_durability(optarg, &q->run.durability);
        if (!good)
            cli_usage(command, "--durability is none, logged or synced, not '%s'", optarg);
        break;
    case OPT_BENCHMARKS: good = take_list(command, q, optarg); break;
    case OPT_HISTOGRAM: q->histogram = true; break;
    case OPT_JSON: q->json = true; break;
    case OPT_KEEP: q->keep = true; break;
    default: q->existing = true; break;
    }
    return good;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = {
        { "benchmarks", required_argument, NULL, OPT_BENCHMARKS },
        { "threads", required_argument, NULL, OPT_THREADS },
        { "num", required_argument, NULL, OPT_NUM },
        { "reads", required_argument, NULL, OPT_READS },
        { "value-size", required_argument, NULL, OPT_VALUE_SIZE },
        { "batch-size", required_argument, NULL, OPT_BATCH_SIZE },
        { "seek-nexts", required_argument, NULL, OPT_SEEK_NEXTS },
        { "durability", required_argument, NULL, OPT_DURABILITY },
        { "sync", no_argument, NULL, OPT_SYNC },
        { "duration", required_argument, NULL, OPT_DURATION },
        { "seed", required_argument, NULL, OPT_SEED },
        { "stats-interval", required_argument, NULL, OPT_INTERVAL },
        { "histogram", no_argument, NULL, OPT_HISTOGRAM },
        { "json", no_argument, NULL, OPT_JSON },
        { "keep", no_argument, NULL, OPT_KEEP },
        { "existing", no_argument, NULL, OPT_EXISTING },
        /* as db_bench spells them */
        { "value_size", required_argument, NULL, OPT_VALUE_SIZE },
        { "batch_size", required_argument, NULL, OPT_BATCH_SIZE },
        { "seek_nexts", required_argument, NULL, OPT_SEEK_NEXTS },
        CLI_STORE_OPTIONS
    };
    static bench_request q = { .run = { .threads = 1, .num = 1000000, .value_bytes = 100, .batch_size = 1,
                                        .seek_nexts = 10, .durability = LEVIN_LOGGED, .seed = 1 } };
    int status;
    levin_options_init(&q.store);
    (void)take_list(command, &q, "fillseq,fillrandom,overwrite,readrandom,readseq,seekrandom,deleterandom");
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &q.store, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (!take_option(command, &q, c))
            return CLI_USAGE;
    }
    if (!cli_arguments(command, argc, q.existing, 1))
        return CLI_USAGE;
    q.own = optind == argc;
    const char *tmp = getenv("TMPDIR");
    tmp = tmp && *tmp ? tmp : "/tmp";
    int length = q.own ? snprintf(q.path, sizeof q.path, "%s/levin-bench-XXXXXX", tmp)
                       : snprintf(q.path, sizeof q.path, "%s", argv[optind]);
    if (length < 0 || (size_t)length >= sizeof q.path)
        return cli_error(command, "the path is too long: '%s'", q.own ? tmp : argv[optind]);
    if (q.own && !mkdtemp(q.path))
        return cli_error(command, "no directory could be made under '%s': %s", tmp, strerror(errno));
    q.rates.out = stdout;
    q.rates.json = q.json;
    q.run.tick = on_tick;
    q.run.context = &q;
    interrupt_watch();
    return run_all(command, &q);
}

const cli_command command_bench = {
    "bench", "[STORE] [--benchmarks NAME,...] [OPTIONS]",
    "Measures the speed of a new store, in the manner of db_bench",
    "STORE is made; without it, a store of its own under $TMPDIR or /tmp, removed again.\n"
    "      --benchmarks NAME,...  in this order; default: all of them but compact:\n"
    "                         fillseq, fillrandom (each into a new store), overwrite, readrandom, readseq,\n"
    "                         seekrandom, deleterandom, compact\n"
    "      --threads N        threads, 1 to 256 (1)\n"
    "      --num N            keys, and operations of each benchmark, shared out among the threads (1000000)\n"
    "      --reads N          operations of those that read (as --num)\n"
    "      --value-size N     bytes of a value (100); keys have 16\n"
    "      --batch-size N     puts or deletes of a batch (1)\n"
    "      --seek-nexts N     moves after a seek (10)\n"
    "      --durability LEVEL none, logged (default) or synced\n"
    "      --sync             as --durability synced\n"
    "      --duration S       so many seconds each, whatever --num says; fillseq and readseq end by themselves too\n"
    "      --seed N           of the order of the keys (1)\n"
    "      --stats-interval S what the store does, a line each S seconds\n"
    "      --histogram        the latencies of all calls\n"
    "      --json             an object a line\n"
    "      --existing         on STORE as it is, which is changed\n"
    "      --keep             leaves a store of its own where it is\n" CLI_STORE_HELP
    "value_size, batch_size and seek_nexts are understood, too. us/op is the time of a thread.\n",
    run
};
