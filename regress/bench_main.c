/*
 * bench_main.c - levin-bench: benchmarks in the manner of db_bench, over one or several stores, interleaved.
 *
 * With several stores each round runs the whole list on each of them in turn (A B A B), in fresh directories, so that
 * what the machine does meanwhile falls on all alike; the table shows the median of the rounds and its ratio to the
 * first store.
 *
 * Exit codes: 0 done, 2 usage, 3 a store or the machine failed.  Ctrl-C: the rounds finished so far are reported.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../engine/levin.h"
#include "workloads.h"

enum { STORES_MAX = 16, BENCHES_MAX = 32, ROUNDS_MAX = 101, PATH_BYTES = 1024 };

typedef struct setup {
    bench_options o;
    const store_adapter *store[STORES_MAX];
    size_t stores;
    const workload *bench[BENCHES_MAX]; /* NULL: "open" */
    const char *bench_name[BENCHES_MAX];
    size_t benches;
    unsigned rounds;
    const char *db;
    uint64_t cache_bytes, write_buffer_bytes;
    bool json, keep;
} setup;

typedef struct cell {
    bench_result round[ROUNDS_MAX];
    unsigned rounds;
} cell;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- running ---- */

typedef struct bench_thread {
    pthread_t thread;
    const setup *s;
    const workload *w;
    const store_adapter *a;
    store *db;
    pthread_barrier_t *start;
    unsigned index, count;
    bool ok;
    bench_result result;
} bench_thread;

static void pin_to(unsigned index)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    unsigned n = (unsigned)CPU_COUNT(&all), want = index % (n ? n : 1);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && want-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            return;
        }
}

static void *thread_run(void *argument)
{
    bench_thread *t = argument;
    store_session *session = NULL;
    if (t->s->o.pin)
        pin_to(t->index);
    t->ok = t->a->session_open(t->db, &session) == STORE_OK;
    pthread_barrier_wait(t->start);
    double began = now_s();
    if (t->ok)
        t->ok = t->w->run(session, t->a, &t->s->o, t->index, t->count, &t->result);
    t->result.seconds = now_s() - began;
    if (session)
        t->a->session_close(session);
    return NULL;
}

static bool run_threads(const setup *s, const store_adapter *a, store *db, const workload *w, bench_result *sum)
{
    const unsigned n = w->threaded ? s->o.threads : 1;
    pthread_barrier_t start;
    bench_thread *threads = calloc(n, sizeof *threads);
    bool ok = threads && pthread_barrier_init(&start, NULL, n) == 0;
    if (!ok) {
        free(threads);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        threads[i] = (bench_thread){ .s = s, .w = w, .a = a, .db = db, .start = &start, .index = i, .count = n };
        if (pthread_create(&threads[i].thread, NULL, thread_run, &threads[i]) != 0) {
            fprintf(stderr, "levin-bench: a thread could not be started\n");
            exit(3); /* those started wait at the barrier */
        }
    }
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < n; i++) {
        const bench_result *r = &threads[i].result;
        pthread_join(threads[i].thread, NULL);
        ok = ok && threads[i].ok;
        sum->operations += r->operations;
        sum->bytes += r->bytes;
        sum->not_found += r->not_found;
        if (r->seconds > sum->seconds)
            sum->seconds = r->seconds;
        histogram_merge(&sum->latency, &r->latency);
    }
    pthread_barrier_destroy(&start);
    free(threads);
    return ok;
}

static bool remove_directory(const char *path)
{
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command) == 0;
}

typedef struct open_store {
    store *db;
    bool synced;
} open_store;

static bool store_start(const setup *s, const store_adapter *a, const char *path, bool synced, open_store *os)
{
    char message[STORE_MESSAGE_BYTES] = "";
    store_config config = {
        .path = path,
        .create = true,
        .sync = synced,
        .cache_bytes = s->cache_bytes,
        .write_buffer_bytes = s->write_buffer_bytes,
        .background = true,
    };
    os->synced = synced;
    if (a->open(&config, &os->db, message) == STORE_OK)
        return true;
    fprintf(stderr, "levin-bench: %s: open of %s failed: %s\n", a->name, path, message);
    return false;
}

static bool store_stop(const store_adapter *a, open_store *os)
{
    char message[STORE_MESSAGE_BYTES] = "";
    if (!os->db)
        return true;
    bool ok = a->close(os->db, message) == STORE_OK;
    os->db = NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: %s: close failed: %s\n", a->name, message);
    return ok;
}

/* One store, all benchmarks in order, in a directory of its own. */
static bool run_store(const setup *s, size_t store_index, unsigned round, cell (*cells)[BENCHES_MAX])
{
    const store_adapter *a = s->store[store_index];
    char path[PATH_BYTES];
    open_store os = { 0 };
    bool ok = true;
    snprintf(path, sizeof path, "%s/%s-%u", s->db, a->name, round);
    for (size_t i = 0; i < s->benches && ok && !interrupted; i++) {
        const workload *w = s->bench[i];
        bench_result result = { 0 };
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\rround %u of %u: %-8s %-18s", round + 1, s->rounds, a->name, s->bench_name[i]);
        if (!w) { /* open: close and open again */
            ok = store_stop(a, &os);
            double began = now_s();
            ok = ok && store_start(s, a, path, false, &os);
            result.seconds = now_s() - began;
            result.operations = 1;
        } else {
            const bool synced = w->synced || (w->fresh && s->o.sync);
            if (w->fresh || !os.db || os.synced != synced) {
                ok = store_stop(a, &os);
                ok = ok && (!w->fresh || remove_directory(path)) && store_start(s, a, path, synced, &os);
            }
            ok = ok && run_threads(s, a, os.db, w, &result);
        }
        if (ok && !interrupted) {
            cell *c = &cells[store_index][i];
            c->round[c->rounds++] = result;
        }
    }
    ok = store_stop(a, &os) && ok;
    if (!s->keep)
        remove_directory(path);
    return ok;
}

/* ---- reporting ---- */

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rate_of(const bench_result *r)
{
    return r->seconds > 0 ? (double)r->operations / r->seconds : 0;
}

static double median_rate(const cell *c)
{
    double v[ROUNDS_MAX];
    if (!c->rounds)
        return 0;
    for (unsigned i = 0; i < c->rounds; i++)
        v[i] = rate_of(&c->round[i]);
    qsort(v, c->rounds, sizeof *v, by_double);
    return c->rounds % 2 ? v[c->rounds / 2] : (v[c->rounds / 2 - 1] + v[c->rounds / 2]) / 2;
}

static void merged_latency(const cell *c, histogram *h)
{
    memset(h, 0, sizeof *h);
    for (unsigned i = 0; i < c->rounds; i++)
        histogram_merge(h, &c->round[i].latency);
}

static void print_rate(double rate)
{
    if (rate >= 1e6)
        printf("%9.2f M/s", rate / 1e6);
    else if (rate >= 1e3)
        printf("%9.1f k/s", rate / 1e3);
    else
        printf("%9.1f  /s", rate);
}

static void print_table(const setup *s, cell (*cells)[BENCHES_MAX])
{
    static histogram h;
    printf("%-16s %-8s %13s %8s %10s %9s %9s %9s\n", "benchmark", "store", "median", "ratio", "MB/s", "p50 ns",
           "p99 ns", "p99.9 ns");
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++) {
            const cell *c = &cells[i][b];
            double rate = median_rate(c), first = median_rate(&cells[0][b]);
            if (!c->rounds)
                continue;
            merged_latency(c, &h);
            uint64_t bytes = 0, operations = 0;
            for (unsigned r = 0; r < c->rounds; r++) {
                bytes += c->round[r].bytes;
                operations += c->round[r].operations;
            }
            printf("%-16s %-8s ", s->bench_name[b], s->store[i]->name);
            print_rate(rate);
            printf(" %8.2f %10.1f", first > 0 ? rate / first : 0,
                   operations ? rate * (double)bytes / (double)operations / 1e6 : 0);
            if (h.count)
                printf(" %9llu %9llu %9llu", (unsigned long long)histogram_quantile(&h, 0.5),
                       (unsigned long long)histogram_quantile(&h, 0.99),
                       (unsigned long long)histogram_quantile(&h, 0.999));
            printf("\n");
        }
}

static json_t *json_of_cell(const setup *s, size_t i, size_t b, const cell *c)
{
    static histogram h;
    json_t *rounds = json_array();
    uint64_t not_found = 0;
    for (unsigned r = 0; r < c->rounds; r++) {
        json_array_append_new(rounds, json_pack("{s:I, s:I, s:f}", "operations", (json_int_t)c->round[r].operations,
                                                "bytes", (json_int_t)c->round[r].bytes, "seconds",
                                                c->round[r].seconds));
        not_found += c->round[r].not_found;
    }
    merged_latency(c, &h);
    return json_pack("{s:s, s:s, s:f, s:I, s:{s:I, s:I, s:I, s:I}, s:o}", "benchmark", s->bench_name[b], "store",
                     s->store[i]->name, "median_per_second", median_rate(c), "not_found", (json_int_t)not_found,
                     "latency_ns", "p50", (json_int_t)histogram_quantile(&h, 0.5), "p99",
                     (json_int_t)histogram_quantile(&h, 0.99), "p99.9", (json_int_t)histogram_quantile(&h, 0.999),
                     "max", (json_int_t)h.max, "rounds", rounds);
}

static const char *configuration_of(const setup *s, size_t i, bool synced)
{
    store_config config = { .sync = synced, .cache_bytes = s->cache_bytes };
    return s->store[i]->configuration(&config);
}

static void print_json(const setup *s, cell (*cells)[BENCHES_MAX])
{
    json_t *results = json_array(), *stores = json_array();
    for (size_t i = 0; i < s->stores; i++) {
        json_array_append_new(stores, json_pack("{s:s, s:s, s:s, s:s}", "store", s->store[i]->name, "version",
                                                s->store[i]->version(), "unsynced", configuration_of(s, i, false),
                                                "synced", configuration_of(s, i, true)));
        for (size_t b = 0; b < s->benches; b++)
            if (cells[i][b].rounds)
                json_array_append_new(results, json_of_cell(s, i, b, &cells[i][b]));
    }
    const bench_options *o = &s->o;
    json_t *root = json_pack("{s:s, s:{s:I, s:i, s:i, s:i, s:i, s:I, s:I}, s:o, s:o}", "version", LEVIN_VERSION,
                             "options", "num", (json_int_t)o->num, "key_size", (int)o->key_bytes, "value_size",
                             (int)o->value_bytes, "batch_size", (int)o->batch, "threads", (int)o->threads, "seed",
                             (json_int_t)o->seed, "cache_size", (json_int_t)s->cache_bytes, "stores", stores,
                             "results", results);
    json_dumpf(root, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(root);
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
        fprintf(to, "      %-18s  %s\n", w[i].name, w[i].description);
    fprintf(to, "      %-18s  %s\n", "open", "time to close and open the store as it is");
    fprintf(to,
            "  --store=LIST          stores, interleaved round by round (default levin); known:");
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        fprintf(to, " %s", (*a)->name);
    fprintf(to,
            "\n"
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
            "  --threads=N           threads of the threaded benchmarks, pinned (default 1)\n"
            "  --duration=SECONDS    instead of a count, for reads and random writes\n"
            "  --sync                fillseq and fillrandom sync each batch\n"
            "  --rounds=N            (default 3)\n"
            "  --seed=N              (default 1)\n"
            "  --cache_size=N        bytes (default 1 GiB)\n"
            "  --write_buffer_size=N bytes (default: the store's own)\n"
            "  --db=DIRECTORY        where the stores are made (default: a new one in $TMPDIR or /tmp)\n"
            "  --keep                leave the stores there\n"
            "  --no_pin              let threads wander\n"
            "  --json                JSON instead of the table\n"
            "  --help, --version\n"
            "\nExit codes: 0 done, 2 usage, 3 a store or the machine failed.\n");
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
    OPTION_SYNC,
    OPTION_ROUNDS,
    OPTION_SEED,
    OPTION_CACHE,
    OPTION_WRITE_BUFFER,
    OPTION_DB,
    OPTION_KEEP,
    OPTION_NO_PIN,
    OPTION_JSON,
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
    { "sync", no_argument, NULL, OPTION_SYNC },
    { "rounds", required_argument, NULL, OPTION_ROUNDS },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "cache_size", required_argument, NULL, OPTION_CACHE },
    { "write_buffer_size", required_argument, NULL, OPTION_WRITE_BUFFER },
    { "db", required_argument, NULL, OPTION_DB },
    { "keep", no_argument, NULL, OPTION_KEEP },
    { "no_pin", no_argument, NULL, OPTION_NO_PIN },
    { "json", no_argument, NULL, OPTION_JSON },
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

static void choose_stores(setup *s, char *list)
{
    s->stores = 0;
    for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        const store_adapter *a = store_adapter_find(name);
        if (!a)
            bad_usage("no such store", name);
        if (s->stores == STORES_MAX)
            bad_usage("too many stores", name);
        s->store[s->stores++] = a;
    }
    if (!s->stores)
        bad_usage("no store given", "--store=");
}

static void choose_benches(setup *s, char *list)
{
    s->benches = 0;
    for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        const workload *w = workload_find(name);
        if (!w && strcmp(name, "open") != 0)
            bad_usage("no such benchmark", name);
        if (s->benches == BENCHES_MAX)
            bad_usage("too many benchmarks", name);
        s->bench[s->benches] = w;
        s->bench_name[s->benches++] = w ? w->name : "open";
    }
    if (!s->benches)
        bad_usage("no benchmark given", "--benchmarks=");
}

static void parse(setup *s, int argc, char **argv, char *bench_list, char *store_list)
{
    bench_options *o = &s->o;
    for (int id, index = 0; (id = getopt_long(argc, argv, "", options, &index)) != -1;) {
        const char *name = id >= OPTION_BENCHMARKS ? options[index].name : "", *text = optarg;
        switch (id) {
        case OPTION_BENCHMARKS: snprintf(bench_list, PATH_BYTES, "%s", text); break;
        case OPTION_STORE: snprintf(store_list, PATH_BYTES, "%s", text); break;
        case OPTION_NUM: o->num = number(name, text, 1, 10000000000u); break;
        case OPTION_READS: o->reads = number(name, text, 1, UINT64_MAX / 2); break;
        case OPTION_SYNCS: o->syncs = number(name, text, 1, UINT64_MAX / 2); break;
        case OPTION_LARGE: o->large = number(name, text, 1, 10000000); break;
        case OPTION_KEY: o->key_bytes = (uint32_t)number(name, text, 8, 64); break;
        case OPTION_VALUE: o->value_bytes = (uint32_t)number(name, text, 0, 1 << 20); break;
        case OPTION_LARGE_VALUE: o->large_value_bytes = (uint32_t)number(name, text, 1, 64 << 20); break;
        case OPTION_BATCH: o->batch = (uint32_t)number(name, text, 1, 65536); break;
        case OPTION_LARGE_BATCH: o->large_batch = (uint32_t)number(name, text, 1, 65536); break;
        case OPTION_MULTI: o->multi = (uint32_t)number(name, text, 1, 256); break;
        case OPTION_NEXTS: o->seek_nexts = (uint32_t)number(name, text, 1, 1000000); break;
        case OPTION_HOT: o->hot_share = fraction(name, text, 1); break;
        case OPTION_THREADS: o->threads = (unsigned)number(name, text, 1, 1024); break;
        case OPTION_DURATION: o->duration_s = fraction(name, text, 1e6); break;
        case OPTION_SYNC: o->sync = true; break;
        case OPTION_ROUNDS: s->rounds = (unsigned)number(name, text, 1, ROUNDS_MAX); break;
        case OPTION_SEED: o->seed = number(name, text, 0, UINT64_MAX - 1); break;
        case OPTION_CACHE: s->cache_bytes = number(name, text, 1 << 20, UINT64_MAX / 2); break;
        case OPTION_WRITE_BUFFER: s->write_buffer_bytes = number(name, text, 1 << 16, UINT64_MAX / 2); break;
        case OPTION_DB: s->db = text; break;
        case OPTION_KEEP: s->keep = true; break;
        case OPTION_NO_PIN: o->pin = false; break;
        case OPTION_JSON: s->json = true; break;
        case OPTION_HELP: usage(stdout); exit(0);
        case OPTION_VERSION: printf("levin-bench %s\n", LEVIN_VERSION); exit(0);
        default: fprintf(stderr, "levin-bench: see levin-bench --help\n"); exit(2);
        }
    }
    if (optind < argc)
        bad_usage("unexpected argument", argv[optind]);
}

int main(int argc, char **argv)
{
    static char bench_list[PATH_BYTES], store_list[PATH_BYTES] = "levin", directory[PATH_BYTES];
    static setup s = { .rounds = 3, .cache_bytes = 1u << 30 };
    s.o = (bench_options){
        .num = 1000000, .syncs = 20000, .large = 2000, .key_bytes = 16, .value_bytes = 100, .large_value_bytes = 65536,
        .batch = 1000, .large_batch = 64, .multi = 16, .seek_nexts = 100, .threads = 1, .hot_share = 0.01, .seed = 1,
        .pin = true,
    };
    snprintf(bench_list, sizeof bench_list, "%s", DEFAULT_BENCHES);
    parse(&s, argc, argv, bench_list, store_list);
    choose_benches(&s, bench_list);
    choose_stores(&s, store_list);
    if (!s.db) {
        const char *tmp = getenv("TMPDIR");
        snprintf(directory, sizeof directory, "%s/levin-bench-XXXXXX", tmp ? tmp : "/tmp");
        s.db = mkdtemp(directory);
        if (!s.db) {
            fprintf(stderr, "levin-bench: a directory could not be made as %s: %s\n", directory, strerror(errno));
            return 3;
        }
    } else if (mkdir(s.db, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "levin-bench: %s could not be made: %s\n", s.db, strerror(errno));
        return 3;
    }
    signal(SIGINT, on_interrupt);
    cell(*cells)[BENCHES_MAX] = calloc(s.stores, sizeof *cells);
    bool ok = cells != NULL;
    for (unsigned round = 0; round < s.rounds && ok && !interrupted; round++)
        for (size_t i = 0; i < s.stores && ok && !interrupted; i++)
            ok = run_store(&s, i, round, cells);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%60s\r", "");
    if (cells && s.json)
        print_json(&s, cells);
    else if (cells) {
        for (size_t i = 0; i < s.stores; i++)
            printf("%s %s: unsynced: %s; synced: %s\n", s.store[i]->name, s.store[i]->version(),
                   configuration_of(&s, i, false), configuration_of(&s, i, true));
        printf("%llu keys of %u B, values of %u B, batches of %u, %u thread(s), %u round(s), seed %llu\n\n",
               (unsigned long long)s.o.num, s.o.key_bytes, s.o.value_bytes, s.o.batch, s.o.threads, s.rounds,
               (unsigned long long)s.o.seed);
        print_table(&s, cells);
    }
    free(cells);
    if (s.db == directory && !s.keep)
        rmdir(s.db);
    return ok ? 0 : 3;
}
