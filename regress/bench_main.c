/*
 * bench_main.c - levin-bench: benchmarks in the manner of db_bench, over one or several stores, interleaved.
 *
 * With several stores each round runs the whole list on each of them in turn (A B A B), each in a child process and a
 * fresh directory of its own, so that what the machine does meanwhile falls on all alike; the table shows the median
 * of the rounds and its ratio to the first store.  --table runs the speed table instead (bench_table.h).
 *
 * Exit codes: 0 done, 2 usage, 3 a store or the machine failed, 130 after Ctrl-C, which ends the running benchmark,
 * closes and removes the store and reports what there is; a second one kills.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/levin.h"
#include "bench_child.h"
#include "bench_keys.h"
#include "bench_merge.h"
#include "bench_run.h"
#include "bench_table.h"

/* Shared with the child processes, which look at it; the parent alone hears the signals. */
static volatile sig_atomic_t *interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    *interrupted = 1;
}

static void watch_interrupts(void)
{
    /* SA_RESTART: no store under test has to cope with EINTR; SA_RESETHAND: the second one kills */
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- options ---- */

static const char DEFAULT_BENCHES[] =
    "fillrandom,overwrite,fillsync,readrandom,readhot,multireadrandom,seekrandom,readseq,readreverse,open";

static void usage(FILE *to)
{
    size_t n;
    const workload *w = workloads_all(&n);
    fprintf(to, "usage: levin-bench [options]\n\n"
                "  --benchmarks=LIST     comma-separated, run in this order (default\n"
                "                        %s)\n",
            DEFAULT_BENCHES);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "      %-16s%s%s %s\n", w[i].name, w[i].threaded ? "+" : " ", w[i].timed ? "*" : " ",
                w[i].description);
    fprintf(to, "      %-16s   %s\n", "open", "time to open the store again after it was closed as it is");
    fprintf(to,
            "  --store=LIST          stores, interleaved round by round (default levin); all: every one; known:");
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        if ((*a)->capabilities & STORE_IS_TUNED)
            fprintf(to, " %s", (*a)->name);
    fprintf(to, "\n                        not set up for speed, but there:");
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        if (!((*a)->capabilities & STORE_IS_TUNED))
            fprintf(to, " %s", (*a)->name);
    fprintf(to, "; or the path of a plug-in");
    for (const store_absence *absence = store_absences(); absence->name; absence++)
        fprintf(to, "\n                        %s: not built; make deps-stores installs %s", absence->name,
                absence->package);
    fprintf(to,
            "\n"
            "                        NAME:OPTION=NUMBER:... sets options of one store: cache_bytes,\n"
            "                        write_buffer_bytes, map_bytes (lmdb; default: four times the data, at least\n"
            "                        16 GiB), background (0 or 1), and its own (levin's caches share\n"
            "                        cache_bytes: half for rows, a quarter for pages, a quarter for large values):\n");
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        for (const char *const *o = (*a)->option_names; o && *o; o++)
            fprintf(to, "%s%s%s", o == (*a)->option_names ? "                        " : ", ", *o, o[1] ? "" : "\n");
    fprintf(to,
            "  --table               the speed table: Levin beside all stores that are built in (or\n"
            "                        those of --store), each line with the ratio asked for\n"
            "                        and measured; with its own defaults: a write buffer of 64 MiB for all,\n"
            "                        a second for each timed figure; 10 to 15 minutes on two cores\n"
            "  --quick               the table with 100000 keys, one round, 0.3 s: under two minutes\n"
            "  --kill_log=N          bytes written before the kill in the table (default 64 MiB)\n"
            "  --num=N               keys (default 1000000)\n"
            "  --reads=N             reads of a read benchmark (default: num)\n"
            "  --syncs=N             writes of fillsync (default 20000)\n"
            "  --large=N             values of filllarge (default 2000)\n"
            "  --key_size=N          bytes, 8 to 64 (default 16)\n"
            "  --value_size=N        bytes (default 100)\n"
            "  --large_value_size=N  bytes (default 65536)\n"
            "  --batch_size=N        writes in a batch (default 1000)\n"
            "  --large_batch_size=N  writes in a batch of filllarge (default 64)\n"
            "  --multi=N             keys in a multi-get (default 16)\n"
            "  --seek_nexts=N        pairs in a short scan (default 100)\n"
            "  --hot=SHARE           share of the keys that readhot reads (default 0.01)\n"
            "  --threads=N           threads of those marked +, each bound to a processor (default 1)\n"
            "  --duration=SECONDS    instead of a count, for those marked *\n"
            "  --checkpoints=N       readwhilewriting goes on till so many were met (default 3; 0: none)\n"
            "  --sync                fillseq and fillrandom sync each batch\n"
            "  --rounds=N            (default 3)\n"
            "  --shard=I/N           of the rounds, only the Ith of N parts, with --json\n"
            "  --merge FILE...       the JSON reports of all shards as one; latencies: the worst shard's\n"
            "  --seed=N              (default 1)\n"
            "  --cache_size=N        bytes (default 1 GiB)\n"
            "  --write_buffer_size=N bytes (default: the store's own)\n"
            "  --db=DIRECTORY        where the stores are made (default: a new one in $TMPDIR or /tmp)\n"
            "  --keep                leave the stores there\n"
            "  --use_existing_db     read, and leave, the stores that a run with --keep left in --db, with the same\n"
            "                        --store and --num; what begins with an empty store is left out\n"
            "  --no_pin              let threads wander\n"
            "  --json, --csv         JSON, or CSV, instead of the table\n"
            "  --output=DIRECTORY    of the speed table: table.txt, .csv, .json and .html there as well\n"
            "  --help, --version\n"
            "\nExit codes: 0 done, 2 usage, 3 a store or the machine failed, 130 after Ctrl-C.\n");
}

enum option_id {
    OPTION_BENCHMARKS = 256,
    OPTION_STORE,
    OPTION_NUM,
    OPTION_READS,
    OPTION_SYNCS,
    OPTION_LARGE,
    OPTION_KEY,
    OPTION_VALUE,
    OPTION_LARGE_VALUE,
    OPTION_BATCH,
    OPTION_LARGE_BATCH,
    OPTION_MULTI,
    OPTION_NEXTS,
    OPTION_HOT,
    OPTION_THREADS,
    OPTION_DURATION,
    OPTION_CHECKPOINTS,
    OPTION_SYNC,
    OPTION_ROUNDS,
    OPTION_SHARD,
    OPTION_MERGE,
    OPTION_SEED,
    OPTION_CACHE,
    OPTION_WRITE_BUFFER,
    OPTION_DB,
    OPTION_KEEP,
    OPTION_USE_EXISTING,
    OPTION_NO_PIN,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_OUTPUT,
    OPTION_TABLE,
    OPTION_QUICK,
    OPTION_KILL_LOG,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {
    { "benchmarks", required_argument, NULL, OPTION_BENCHMARKS },
    { "store", required_argument, NULL, OPTION_STORE },
    { "num", required_argument, NULL, OPTION_NUM },
    { "reads", required_argument, NULL, OPTION_READS },
    { "syncs", required_argument, NULL, OPTION_SYNCS },
    { "large", required_argument, NULL, OPTION_LARGE },
    { "key_size", required_argument, NULL, OPTION_KEY },
    { "value_size", required_argument, NULL, OPTION_VALUE },
    { "large_value_size", required_argument, NULL, OPTION_LARGE_VALUE },
    { "batch_size", required_argument, NULL, OPTION_BATCH },
    { "large_batch_size", required_argument, NULL, OPTION_LARGE_BATCH },
    { "multi", required_argument, NULL, OPTION_MULTI },
    { "seek_nexts", required_argument, NULL, OPTION_NEXTS },
    { "hot", required_argument, NULL, OPTION_HOT },
    { "threads", required_argument, NULL, OPTION_THREADS },
    { "duration", required_argument, NULL, OPTION_DURATION },
    { "checkpoints", required_argument, NULL, OPTION_CHECKPOINTS },
    { "sync", no_argument, NULL, OPTION_SYNC },
    { "rounds", required_argument, NULL, OPTION_ROUNDS },
    { "shard", required_argument, NULL, OPTION_SHARD },
    { "merge", no_argument, NULL, OPTION_MERGE },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "cache_size", required_argument, NULL, OPTION_CACHE },
    { "write_buffer_size", required_argument, NULL, OPTION_WRITE_BUFFER },
    { "db", required_argument, NULL, OPTION_DB },
    { "keep", no_argument, NULL, OPTION_KEEP },
    { "use_existing_db", no_argument, NULL, OPTION_USE_EXISTING },
    { "no_pin", no_argument, NULL, OPTION_NO_PIN },
    { "table", no_argument, NULL, OPTION_TABLE },
    { "quick", no_argument, NULL, OPTION_QUICK },
    { "kill_log", required_argument, NULL, OPTION_KILL_LOG },
    { "json", no_argument, NULL, OPTION_JSON },
    { "csv", no_argument, NULL, OPTION_CSV },
    { "output", required_argument, NULL, OPTION_OUTPUT },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

static void bad_usage(const char *what, const char *value)
{
    fprintf(stderr, "levin-bench: %s: %s (see levin-bench --help)\n", what, value);
    exit(2);
}

static uint64_t number(const char *name, const char *text, uint64_t low, uint64_t high)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || v < low || v > high) {
        fprintf(stderr, "levin-bench: --%s=%s: a number from %llu to %llu is needed\n", name, text,
                (unsigned long long)low, (unsigned long long)high);
        exit(2);
    }
    return v;
}

static double fraction(const char *name, const char *text, double high)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v > 0 && v <= high)) {
        fprintf(stderr, "levin-bench: --%s=%s: a number above 0, at most %g, is needed\n", name, text, high);
        exit(2);
    }
    return v;
}

static void choose_stores(bench_setup *s, char *list)
{
    s->stores = 0;
    for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        char message[STORE_MESSAGE_BYTES] = "";
        if (s->stores == BENCH_STORES_MAX)
            bad_usage("too many stores", name);
        if (!store_spec_parse(name, &s->store[s->stores++], message))
            bad_usage("--store", message);
    }
    if (!s->stores)
        bad_usage("no store given", "--store=");
}

static void choose_benches(bench_setup *s, char *list)
{
    s->benches = 0;
    for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        const workload *w = workload_find(name);
        if (!w && strcmp(name, "open") != 0)
            bad_usage("no such benchmark", name);
        if (s->benches == BENCH_BENCHES_MAX)
            bad_usage("too many benchmarks", name);
        s->bench[s->benches] = w;
        s->bench_name[s->benches++] = w ? w->name : "open";
    }
    if (!s->benches)
        bad_usage("no benchmark given", "--benchmarks=");
}

/* What the table decides itself. */
static bool table_decides(int id)
{
    static const int decided[] = { OPTION_BENCHMARKS, OPTION_THREADS, OPTION_LARGE_VALUE, OPTION_SYNC, OPTION_READS,
                                   OPTION_SYNCS,      OPTION_BATCH,   OPTION_LARGE_BATCH, OPTION_MULTI, OPTION_NEXTS,
                                   OPTION_HOT };
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if (decided[i] == id)
            return true;
    return false;
}

static void parse(bench_setup *s, int argc, char **argv, char *bench_list, char *store_list)
{
    bench_options *o = &s->o;
    const char *decided = NULL; /* an option that the table would pass over */
    for (int id, index = 0; (id = getopt_long(argc, argv, "", options, &index)) != -1;) {
        const char *name = id >= OPTION_BENCHMARKS ? options[index].name : "", *text = optarg;
        decided = table_decides(id) ? name : decided;
        switch (id) {
        case OPTION_BENCHMARKS: snprintf(bench_list, BENCH_PATH_BYTES, "%s", text); break;
        case OPTION_STORE: snprintf(store_list, BENCH_PATH_BYTES, "%s", text); break;
        case OPTION_NUM: o->num = number(name, text, 1, 10000000000u); break;
        case OPTION_READS: o->reads = number(name, text, 1, UINT64_MAX / 2); break;
        case OPTION_SYNCS: o->syncs = number(name, text, 1, UINT64_MAX / 2); break;
        case OPTION_LARGE: o->large = number(name, text, 1, 10000000); break;
        case OPTION_KEY: o->key_bytes = (uint32_t)number(name, text, BENCH_KEY_MIN_BYTES, BENCH_KEY_MAX_BYTES); break;
        case OPTION_VALUE: o->value_bytes = (uint32_t)number(name, text, 0, 1 << 20); break;
        case OPTION_LARGE_VALUE: o->large_value_bytes = (uint32_t)number(name, text, 1, 64 << 20); break;
        case OPTION_BATCH: o->batch = (uint32_t)number(name, text, 1, BENCH_BATCH_MAX); break;
        case OPTION_LARGE_BATCH: o->large_batch = (uint32_t)number(name, text, 1, BENCH_BATCH_MAX); break;
        case OPTION_MULTI: o->multi = (uint32_t)number(name, text, 1, BENCH_MULTI_MAX); break;
        case OPTION_NEXTS: o->seek_nexts = (uint32_t)number(name, text, 1, 1000000); break;
        case OPTION_HOT: o->hot_share = fraction(name, text, 1); break;
        case OPTION_THREADS: o->threads = (unsigned)number(name, text, 1, 1024); break;
        case OPTION_DURATION: o->duration_s = fraction(name, text, 1e6); break;
        case OPTION_CHECKPOINTS: o->beside_checkpoints = (unsigned)number(name, text, 0, 1000); break;
        case OPTION_SYNC: o->sync = true; break;
        case OPTION_SHARD:
            if (!shard_parse(text, &s->shard))
                bad_usage("a shard is i/n, i from 1 to n", text);
            break;
        case OPTION_MERGE: exit(bench_merge(argv + optind, (size_t)(argc - optind)));
        case OPTION_ROUNDS: s->rounds = (unsigned)number(name, text, 1, BENCH_ROUNDS_MAX); break;
        case OPTION_SEED: o->seed = number(name, text, 0, INT64_MAX); break;
        case OPTION_CACHE: s->cache_bytes = number(name, text, 1 << 20, UINT64_MAX / 2); break;
        case OPTION_WRITE_BUFFER: s->write_buffer_bytes = number(name, text, 1 << 16, UINT64_MAX / 2); break;
        case OPTION_DB: s->db = text; break;
        case OPTION_KEEP: s->keep = true; break;
        case OPTION_USE_EXISTING: s->use_existing = true; break;
        case OPTION_NO_PIN: o->pin = false; break;
        case OPTION_JSON: s->json = true; break;
        case OPTION_CSV: s->csv = true; break;
        case OPTION_OUTPUT: s->output = text; break;
        case OPTION_TABLE: s->table = true; break;
        case OPTION_QUICK: s->table = s->quick = true; break;
        case OPTION_KILL_LOG: s->kill_log_bytes = number(name, text, 1 << 10, (uint64_t)1 << 40); break;
        case OPTION_HELP: usage(stdout); exit(0);
        case OPTION_VERSION: printf("levin-bench %s\n", LEVIN_VERSION); exit(0);
        default: fprintf(stderr, "levin-bench: see levin-bench --help\n"); exit(2);
        }
    }
    if (optind < argc)
        bad_usage("unexpected argument", argv[optind]);
    if (s->table && decided)
        bad_usage("the table decides that itself", decided);
}

static void check_options(const bench_setup *s)
{
    const bench_options *o = &s->o;
    uint64_t keys = 1;
    for (uint32_t i = 0; i < o->key_bytes && i < 11; i++)
        keys *= 10;
    if (o->num > keys || o->large > keys)
        bad_usage("too many keys for a --key_size this small", "--num, --large");
    if (s->table && s->kill_log_bytes < o->key_bytes + o->value_bytes)
        bad_usage("not one key and value would be written before the kill", "--kill_log");
    if (s->use_existing && !s->db)
        bad_usage("which stores? --db=DIRECTORY is needed", "--use_existing_db");
    if (s->json && s->csv)
        bad_usage("JSON or CSV, not both", "--json, --csv");
    if (s->output && !s->table)
        bad_usage("it is for --table", "--output");
    if (s->use_existing && s->table)
        bad_usage("the table makes its own stores", "--use_existing_db");
}

/* What was not given: the table has sizes of its own, and compares with every store. */
static void choose_defaults(bench_setup *s, char store_list[BENCH_PATH_BYTES])
{
    bench_options *o = &s->o;
    o->num = o->num ? o->num : s->quick ? 100000 : 1000000;
    o->large = o->large ? o->large : s->quick ? 500 : 2000;
    s->rounds = s->rounds ? s->rounds : s->quick ? 1 : 3;
    if (s->shard.count) {
        if (s->table || s->shard.count > s->rounds)
            bad_usage("--shard takes a part of the rounds of --benchmarks, at least one a shard", NULL);
        s->rounds = (unsigned)shard_share(s->shard, s->rounds);
    }
    if (s->table && !s->write_buffer_bytes)
        s->write_buffer_bytes = 64u << 20; /* the same for all */
    if (s->table && o->duration_s <= 0)
        o->duration_s = s->quick ? 0.3 : 1;
    const bool all = !strcmp(store_list, "all");
    if (store_list[0] && !all)
        return;
    if (!s->table && !all)
        snprintf(store_list, BENCH_PATH_BYTES, "levin");
    size_t used = 0;
    for (const store_adapter *const *a = store_adapters(); (s->table || all) && *a; a++)
        if (all ? !(*a)->takes_argument : (*a)->capabilities & STORE_IS_TUNED)
            used += (size_t)snprintf(store_list + used, BENCH_PATH_BYTES - used, "%s%s", used ? "," : "", (*a)->name);
}

/* What begins with an empty store has nothing to do in one that is kept. */
static void leave_out_fresh(bench_setup *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->benches; i++) {
        if (s->bench[i] && s->bench[i]->fresh) {
            fprintf(stderr, "levin-bench: %s is left out, for it begins with an empty store\n", s->bench_name[i]);
            continue;
        }
        s->bench[left] = s->bench[i];
        s->bench_name[left++] = s->bench_name[i];
    }
    s->benches = left;
    if (!left)
        bad_usage("no benchmark left", "--use_existing_db");
}

/* *made: whether the directory is ours to remove. */
static bool make_directory(bench_setup *s, char *directory, bool *made)
{
    const char *tmp = getenv("TMPDIR");
    *made = true;
    if (s->db) {
        *made = mkdir(s->db, 0777) == 0;
        if (*made || errno == EEXIST)
            return true;
        fprintf(stderr, "levin-bench: %s could not be made: %s\n", s->db, strerror(errno));
        return false;
    }
    snprintf(directory, BENCH_PATH_BYTES, "%s/levin-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    s->db = mkdtemp(directory);
    if (!s->db)
        fprintf(stderr, "levin-bench: a directory could not be made as %s: %s\n", directory, strerror(errno));
    return s->db != NULL;
}

/* Round by round, the stores in turn. */
static bool run_list(const bench_setup *s)
{
    bench_row *rows = bench_share(s->stores * sizeof *rows);
    bool ok = rows != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (unsigned round = 0; round < s->rounds && ok && !*interrupted; round++)
        for (size_t i = 0; i < s->stores && ok && !*interrupted; i++)
            ok = bench_run_store(s, i, round, rows);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%60s\r", "");
    if (*interrupted)
        fprintf(stderr, "levin-bench: interrupted; this is what there is\n");
    if (rows && s->json)
        ok = bench_report_json(s, rows) && ok;
    else if (rows && s->csv)
        ok = bench_report_csv(s, rows) && ok;
    else if (rows)
        bench_report_text(s, rows);
    bench_unshare(rows, s->stores * sizeof *rows);
    return ok;
}

int main(int argc, char **argv)
{
    static char bench_list[BENCH_PATH_BYTES], store_list[BENCH_PATH_BYTES], directory[BENCH_PATH_BYTES];
    static bench_setup s = { .cache_bytes = 1u << 30, .kill_log_bytes = 64u << 20 };
    s.o = (bench_options){
        .syncs = 20000, .key_bytes = 16, .value_bytes = 100,
        .large_value_bytes = 65536, .batch = 1000, .large_batch = 64, .multi = 16, .seek_nexts = 100,
        .threads = 1, .hot_share = 0.01, .beside_checkpoints = 3, .seed = 1, .pin = true,
    };
    snprintf(bench_list, sizeof bench_list, "%s", DEFAULT_BENCHES);
    parse(&s, argc, argv, bench_list, store_list);
    choose_defaults(&s, store_list);
    check_options(&s);
    choose_benches(&s, bench_list);
    if (s.use_existing)
        leave_out_fresh(&s);
    choose_stores(&s, store_list);
    s.o.stop = interrupted = bench_share(sizeof *interrupted);
    if (!interrupted)
        return 3;
    watch_interrupts();
    if (s.output && mkdir(s.output, 0777) && errno != EEXIST) {
        fprintf(stderr, "levin-bench: %s could not be made: %s\n", s.output, strerror(errno));
        return 3;
    }
    bool made;
    if (!make_directory(&s, directory, &made))
        return 3;
    if (!(s.table ? bench_table_paths_ready(&s) : bench_paths_ready(&s, NULL))) {
        if (made)
            rmdir(s.db);
        return 2;
    }
    char *values = bench_values_create(&s.o, &s.o.values_bytes);
    bool ok = values != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    s.o.values = values;
    ok = ok && (s.table ? bench_table_run(&s) : run_list(&s));
    free(values);
    if (made && !s.keep)
        rmdir(s.db);
    return !ok ? 3 : *interrupted ? 130 : 0;
}
