/*
 * cmd_stress.c - levin stress: many threads at a store, every answer checked against a model (stress.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "rates.h"
#include "stress.h"
#include "text.h"

enum { OPT_THREADS = 'T', OPT_DURATION = 'd', OPT_SEED = 's', OPT_OPERATIONS = 256, OPT_KEYS, OPT_VALUE_MAX,
       OPT_MEMTABLE, OPT_CACHE, OPT_JSON, OPT_KEEP, OPT_INTERVAL, OPT_UPKEEP };

typedef struct stress_request {
    stress_options run;
    rates rates;
    bool json, quiet, keep, shows; /* shows: a line of progress stands on the terminal */
    char path[64];                 /* of a store of its own */
} stress_request;

static bool on_tick(void *context, levin *store, double seconds, uint64_t operations)
{
    stress_request *q = context;
    rates_tick(&q->rates, store, seconds, operations);
    if (!q->quiet && q->rates.interval_seconds <= 0 && isatty(STDERR_FILENO)) {
        levin_stats stats;
        levin_stats_get(store, &stats);
        fprintf(stderr, "\r\033[K%.0f s of %.0f: %.2f M operations, %.0f k/s, %" PRIu64 " checkpoints, %" PRIu64
                " MiB of memory", seconds, q->run.seconds, (double)operations / 1e6,
                seconds > 0 ? (double)operations / seconds / 1e3 : 0, stats.checkpoints, stats.memory_bytes >> 20);
        q->shows = true;
    }
    return !interrupt_wanted();
}

static const char *verdict_of(const stress_result *r)
{
    return r->mismatch ? "mismatch" : r->failed ? "failed" : r->interrupted ? "interrupted" : "ok";
}

static const struct {
    const char *name, *text;
} operations[] = {
#define ROW(name, text) { #name, text },
    STRESS_OPERATIONS(ROW)
#undef ROW
};

/* The longest call of one of the first (write) kinds, or of those that read the model's keys. */
static uint64_t longest(const stress_result *r, bool writes)
{
    uint64_t most = 0;
    for (int k = writes ? 0 : STRESS_get; k < (writes ? STRESS_get : STRESS_checkpoint); k++)
        if (r->of[k].max_ns > most)
            most = r->of[k].max_ns;
    return most;
}

/* What writers wait for. */
static const levin_histogram_id waits[] = { LEVIN_HISTOGRAM_stall, LEVIN_HISTOGRAM_throttle, LEVIN_HISTOGRAM_wal_sync,
                                            LEVIN_HISTOGRAM_pages_sync, LEVIN_HISTOGRAM_checkpoint };

static void print_text(const stress_request *q, const stress_result *r)
{
    printf("%-18s %12s %12s %12s  %s\n", "operation", "count", "mean us", "longest ms", "");
    for (int k = 0; k < STRESS_OPERATION_COUNT; k++)
        printf("%-18s %12" PRIu64 " %12.1f %12.2f  %s\n", operations[k].name, r->of[k].count,
               r->of[k].count ? (double)r->of[k].sum_ns / (double)r->of[k].count / 1e3 : 0,
               (double)r->of[k].max_ns / 1e6, operations[k].text);
    printf("%-18s %12s %12s %12s\n", "wait", "count", "p99 ms", "longest ms");
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        const levin_histogram *h = &r->histograms[waits[i]];
        if (!h->name) /* it did not come so far */
            continue;
        printf("%-18s %12" PRIu64 " %12.2f %12.2f  %s\n", h->name, h->count, (double)h->p99 / 1e6, (double)h->max / 1e6,
               h->text);
    }
    printf("%" PRIu64 " operations by %u threads in %.1f s (%.0f/s), %" PRIu64 " answers compared with the model\n",
           r->operations, q->run.threads, r->seconds, r->seconds > 0 ? (double)r->operations / r->seconds : 0,
           r->keys_checked);
    printf("%" PRIu64 " checkpoints, %" PRIu64 " stalls of %.1f ms in all; longest write %.1f ms, longest read %.1f "
           "ms\n", r->stats.checkpoints, r->stats.stalls, (double)r->stats.stall_ns / 1e6,
           (double)longest(r, true) / 1e6, (double)longest(r, false) / 1e6);
    printf("%" PRIu64 " transactions refused of %" PRIu64 ", %" PRIu64 " compactions, %" PRIu64 " segments collected; "
           "a snapshot was held for %.1f s at most\n", r->stats.transactions_refused, r->stats.transactions,
           r->stats.compactions, r->stats.vlog_collected_segments, (double)r->snapshot_longest_ns / 1e9);
    printf("memory: %.1f MiB resident at most in the first quarter, %.1f in the last; the library held %.1f at most\n",
           (double)r->resident_quarter_bytes / 1048576, (double)r->resident_last_bytes / 1048576,
           (double)r->stats.memory_peak_bytes / 1048576);
    if (r->message[0])
        printf("%s (seed %" PRIu64 ")\n", r->message, q->run.seed);
    printf("%s\n", verdict_of(r));
}

static void print_json(const stress_request *q, const stress_result *r)
{
    json_t *of = json_object();
    for (int k = 0; of && k < STRESS_OPERATION_COUNT; k++) {
        json_t *one = json_pack("{s:I, s:I, s:I}", "count", (json_int_t)r->of[k].count, "sum_ns",
                                (json_int_t)r->of[k].sum_ns, "max_ns", (json_int_t)r->of[k].max_ns);
        if (!one || json_object_set_new(of, operations[k].name, one))
            cli_die_no_memory();
    }
    json_t *waited = json_object();
    for (size_t i = 0; waited && i < sizeof waits / sizeof waits[0]; i++) {
        const levin_histogram *h = &r->histograms[waits[i]];
        json_t *one = json_pack("{s:I, s:I, s:I}", "count", (json_int_t)h->count, "p99_ns", (json_int_t)h->p99,
                                "max_ns", (json_int_t)h->max);
        if (!one || json_object_set_new(waited, h->name ? h->name : "none", one))
            cli_die_no_memory();
    }
    json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, "
                            "s:I, s:I, s:I, s:I, s:I}",
                            "verdict", verdict_of(r), "message", r->message, "seed", (json_int_t)q->run.seed, "threads",
                            (json_int_t)q->run.threads, "seconds", r->seconds, "operations",
                            (json_int_t)r->operations, "answers_checked", (json_int_t)r->keys_checked, "checkpoints",
                            (json_int_t)r->stats.checkpoints, "stalls", (json_int_t)r->stats.stalls, "stall_ns",
                            (json_int_t)r->stats.stall_ns, "longest_write_ns", (json_int_t)longest(r, true),
                            "longest_read_ns", (json_int_t)longest(r, false), "resident_first_quarter_bytes",
                            (json_int_t)r->resident_quarter_bytes, "resident_last_quarter_bytes",
                            (json_int_t)r->resident_last_bytes, "memory_peak_bytes",
                            (json_int_t)r->stats.memory_peak_bytes, "of", of, "waits", waited, "transactions",
                            (json_int_t)r->stats.transactions, "transactions_refused",
                            (json_int_t)r->stats.transactions_refused, "compactions",
                            (json_int_t)r->stats.compactions, "collected_segments",
                            (json_int_t)r->stats.vlog_collected_segments, "snapshot_longest_ns",
                            (json_int_t)r->snapshot_longest_ns);
    if (!all)
        cli_die_no_memory();
    text_json_print(stdout, all);
    json_decref(all);
}

static void remove_store(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", path); /* a name of mkdtemp() under /tmp */
    if (system(command))
        fprintf(stderr, "levin stress: %s could not be removed\n", path);
}

static int stress(const cli_command *command, stress_request *q)
{
    bool own = !q->run.path;
    if (own) {
        snprintf(q->path, sizeof q->path, "/tmp/levin-stress-XXXXXX");
        if (!mkdtemp(q->path))
            return cli_error(command, "no directory could be made under /tmp");
        q->run.path = q->path;
    }
    stress_result r;
    interrupt_watch();
    stress_run(&q->run, &r);
    if (q->shows)
        fputs("\r\033[K", stderr);
    if (!r.began) {
        if (own)
            remove_store(q->path);
        return cli_error(command, "%s: %s", q->run.path, r.message);
    }
    if (q->json)
        print_json(q, &r);
    else
        print_text(q, &r);
    bool kept = q->keep || r.mismatch || r.failed;
    if (own && !kept)
        remove_store(q->path);
    else if (!q->json)
        printf("the store is in %s\n", q->run.path);
    int status = r.mismatch ? CLI_NEGATIVE : r.failed ? CLI_ERROR : r.interrupted ? CLI_INTERRUPTED : CLI_OK;
    return cli_finish_output(command, status);
}

static bool number(const cli_command *command, const char *name, const char *text, uint64_t low, uint64_t high,
                   uint64_t *out)
{
    if (cli_parse_size(text, out) && *out >= low && *out <= high)
        return true;
    cli_usage(command, "--%s is '%s': a number from %" PRIu64 " to %" PRIu64 " is needed", name, text, low, high);
    return false;
}

static bool take_option(const cli_command *command, stress_request *q, int c)
{
    uint64_t n = 0;
    bool good = true;
    switch (c) {
    case OPT_THREADS:
        good = number(command, "threads", optarg, 1, STRESS_THREADS_MAX, &n);
        q->run.threads = (unsigned)n;
        break;
    case OPT_DURATION:
        good = number(command, "duration", optarg, 1, 10000000, &n);
        q->run.seconds = (double)n;
        break;
    case OPT_SEED: good = number(command, "seed", optarg, 0, INT64_MAX, &q->run.seed); break;
    case OPT_OPERATIONS: good = number(command, "operations", optarg, 1, INT64_MAX, &q->run.operations); break;
    case OPT_KEYS:
        good = number(command, "keys", optarg, 64, 100000000, &n);
        q->run.keys = (uint32_t)n;
        break;
    case OPT_VALUE_MAX:
        good = number(command, "value-max", optarg, 64, LEVIN_VALUE_MAX_BYTES / 16, &n);
        q->run.value_max = (uint32_t)n;
        break;
    case OPT_MEMTABLE:
        good = number(command, "memtable", optarg, 65536, INT64_MAX, &q->run.store.memtable_bytes);
        break;
    case OPT_CACHE: good = number(command, "cache", optarg, 262144, INT64_MAX, &q->run.store.cache_bytes); break;
    case OPT_UPKEEP:
        good = number(command, "upkeep", optarg, 0, 50000, &n);
        q->run.upkeep = (uint32_t)n;
        break;
    case OPT_INTERVAL:
        good = number(command, "stats-interval", optarg, 1, 86400, &n);
        q->rates.interval_seconds = (double)n;
        break;
    case OPT_JSON: q->json = q->rates.json = true; break;
    case OPT_KEEP: q->keep = true; break;
    default: q->quiet = true; break;
    }
    return good;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "threads", required_argument, NULL, OPT_THREADS },
                                             { "duration", required_argument, NULL, OPT_DURATION },
                                             { "seed", required_argument, NULL, OPT_SEED },
                                             { "operations", required_argument, NULL, OPT_OPERATIONS },
                                             { "keys", required_argument, NULL, OPT_KEYS },
                                             { "value-max", required_argument, NULL, OPT_VALUE_MAX },
                                             { "memtable", required_argument, NULL, OPT_MEMTABLE },
                                             { "cache", required_argument, NULL, OPT_CACHE },
                                             { "upkeep", required_argument, NULL, OPT_UPKEEP },
                                             { "stats-interval", required_argument, NULL, OPT_INTERVAL },
                                             { "json", no_argument, NULL, OPT_JSON },
                                             { "quiet", no_argument, NULL, 'q' },
                                             { "keep", no_argument, NULL, OPT_KEEP },
                                             CLI_STORE_OPTIONS };
    stress_request q = { .run = { .threads = 8, .seconds = 10, .seed = 1, .keys = 65536, .value_max = 65536 } };
    int status;
    levin_options_init(&q.run.store);
    q.run.store.memtable_bytes = 4u << 20; /* small, so that much happens */
    q.run.store.cache_bytes = 8u << 20;
    q.run.store.row_cache_bytes = 4u << 20;
    q.run.store.wal_segment_bytes = 4u << 20;
    q.rates.out = stderr;
    q.run.tick = on_tick;
    q.run.context = &q;
    for (int c; (c = cli_getopt_store(command, argc, argv, "hq", options, &q.run.store, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (!take_option(command, &q, c))
            return CLI_USAGE;
    }
    if (!cli_arguments(command, argc, 0, 1))
        return CLI_USAGE;
    if (q.run.keys < 64 * q.run.threads)
        return cli_usage(command, "%u keys are too few for %u threads: 64 a thread are needed", q.run.keys,
                         q.run.threads);
    q.run.path = optind < argc ? argv[optind] : NULL;
    return stress(command, &q);
}

const cli_command command_stress = {
    "stress", "[STORE] [OPTIONS]", "Many threads write and read a new store; every answer is checked against a model",
    "STORE is made; without it, a store of its own under /tmp, removed again unless something was wrong.\n"
    "Puts, deletes, batches, gets, multi-gets, iterators both ways, snapshots, deletes of ranges, keyspaces,\n"
    "transactions, swaps, checkpoints, compaction, collection, backups (STORE.backup, removed again); at the end all\n"
    "of it is compared, checked, closed, opened and compared again.  Ctrl-C ends it early, with the same report.\n"
    "      --threads N     threads (8), 1 to 256\n"
    "      --duration S    seconds (10)\n"
    "      --operations N  at most so many for each thread\n"
    "      --seed N        of every thread's operations and all values (1)\n"
    "      --keys N        keys in all (64K)\n"
    "      --value-max N   longest value (64K)\n"
    "      --memtable N    a checkpoint begins after so many bytes (4M)\n"
    "      --cache N       page cache (8M)\n"
    "      --upkeep N      of 100,000 operations so many more are checkpoints, compactions, collections, backups (0)\n"
    "      --stats-interval S  what the store does, a line each S seconds on standard error\n"
    "      --keep          leaves a store of its own where it is\n"
    "      --json          the report as one object\n"
    "  -q, --quiet         no line of progress on a terminal\n" CLI_STORE_HELP
    "Exit code 1: a mismatch, with the seed and the operation that saw it.\n",
    run
};
