/*
 * bench_table.c - measures the figures of the speed table.
 *
 * The work is cut into parts; in each round each part runs on one store after the other, every time in a child process
 * and a fresh directory of its own, the first store another one in each round.  What a part leaves in the page cache
 * is its own files, which are removed.
 *
 * Reads come after compaction and a warm-up, so that every store is met at rest.  A timed figure takes
 * options.duration_s; a counted one its count, overwriting and filling large values at most LIMIT times as long.
 */
#include "bench_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_child.h"
#include "bench_keys.h"
#include "bench_run.h"
#include "bench_threads.h"
#include "monotonic.h"

enum { LIMIT = 4, WARM_UP = 2, BESIDE = 2, KILL_BUFFER_TIMES = 4, BUFFER_MIN_BYTES = 65536 };

/* One part on one store. */
typedef struct part_run {
    const bench_setup *s;
    const bench_store *store;
    unsigned round;
    double *figure;   /* of this store and round, shared with the parent */
    char path[BENCH_PATH_BYTES];
    open_store os;
    bench_options o;  /* those of the setup, changed from step to step */
    bench_result result;
} part_run;

static bool part_open(part_run *p, bool synced)
{
    store_config config = bench_store_config(p->store, synced, bench_sizes_of(p->s));
    return bench_store_start(p->store, p->path, &config, &p->os);
}

static bool part_close(part_run *p)
{
    return bench_store_stop(p->store, &p->os);
}

static double rate(const bench_result *r)
{
    return r->seconds > 0 ? (double)r->operations / r->seconds : 0;
}

static double byte_rate(const bench_result *r)
{
    return r->seconds > 0 ? (double)r->bytes / r->seconds : 0;
}

/* One benchmark; *figure (FIGURE_NONE: none) becomes its rate. A key that is missing fails the run. */
static bool step(part_run *p, const char *name, unsigned threads, double seconds, table_figure figure)
{
    p->o.threads = threads;
    p->o.duration_s = seconds;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rround %u of %u: %-16s %-16s %2u", p->round + 1, p->s->rounds, p->store->label, name,
                threads);
    if (!bench_threads_run(workload_find(name), p->os.db, p->store->adapter, &p->o, &p->result))
        return false;
    if (p->result.cut)
        return false; /* Ctrl-C */
    if (p->result.not_found) {
        fprintf(stderr, "levin-bench: %s: %s: %llu of %llu keys were not there\n", p->store->label, name,
                (unsigned long long)p->result.not_found, (unsigned long long)p->result.operations);
        return false;
    }
    if (figure != FIGURE_NONE)
        p->figure[figure] = rate(&p->result);
    return true;
}

static bool compact(part_run *p)
{
    const store_adapter *a = p->store->adapter;
    store_session *session = NULL;
    bool ok = a->session_open(p->os.db, &session) == STORE_OK && a->compact(session) == STORE_OK;
    if (!ok)
        fprintf(stderr, "levin-bench: %s: compact failed: %s\n", p->store->label, session ? a->message(session) : "");
    if (session)
        a->session_close(session);
    return ok;
}

/* ---- small values ---- */

static void take_latencies(part_run *p, table_figure p50)
{
    static const double quantiles[] = { 0.5, 0.99, 0.999 };
    for (unsigned q = 0; q < 3; q++)
        p->figure[p50 + q] = (double)histogram_quantile(&p->result.latency, quantiles[q]);
    p->figure[p50 + 3] = (double)p->result.latency.max;
}

static bool part_writes(part_run *p)
{
    const double d = p->s->o.duration_s;
    bool ok = part_open(p, false) && step(p, "fillrandom", 1, 0, FIGURE_LOAD) && part_close(p) && part_open(p, true) &&
              step(p, "fillsync", 1, d, FIGURE_PUT_1) && step(p, "fillsync", 8, d, FIGURE_PUT_8) &&
              step(p, "fillsync", 32, d, FIGURE_PUT_32);
    p->o.limit_s = LIMIT * d;
    ok = ok && step(p, "overwrite", 1, 0, FIGURE_OVERWRITE) && compact(p) && part_close(p);
    p->o.limit_s = 0;
    if (ok) {
        uint64_t raw = p->o.num * (p->o.key_bytes + p->o.value_bytes);
        p->figure[FIGURE_DISK_SHARE] = (double)bench_disk_bytes(p->path, p->store->adapter->spare_files) / (double)raw;
    }
    return ok;
}

static bool part_reads(part_run *p)
{
    const double d = p->s->o.duration_s;
    bool ok = part_open(p, false) && step(p, "readseq", 1, 0, FIGURE_NONE) &&
              step(p, "readseq", 1, 0, FIGURE_SCAN_FULL) && step(p, "seekrandom", 1, d, FIGURE_SCAN_SHORT) &&
              step(p, "readrandom", 2, WARM_UP * d, FIGURE_NONE) && step(p, "readrandom", 1, d, FIGURE_GET_1) &&
              step(p, "readrandom", 2, d, FIGURE_GET_2) && step(p, "multireadrandom", 2, d, FIGURE_MULTI_GET) &&
              step(p, "readhot", 2, d / 4, FIGURE_NONE) && step(p, "readhot", 2, d, FIGURE_GET_HOT);
    if (ok)
        p->figure[FIGURE_GET_HOT_P99] = (double)histogram_quantile(&p->result.latency, 0.99);
    ok = ok && step(p, "readstalls", 1, d, FIGURE_NONE);
    if (ok)
        take_latencies(p, FIGURE_ALONE_P50);
    ok = ok && step(p, "readwhilewriting", 1, BESIDE * d, FIGURE_NONE);
    if (!ok)
        return false;
    take_latencies(p, FIGURE_BESIDE_P50);
    p->figure[FIGURE_BESIDE_WRITES] = (double)p->result.beside_operations / p->result.seconds;
    p->figure[FIGURE_BESIDE_WRITE_MAX] = (double)p->result.beside_max_ns;
    p->figure[FIGURE_BESIDE_CHECKPOINTS] = (double)p->result.beside_checkpoints;
    if (p->result.beside_told && p->result.beside_checkpoints < p->o.beside_checkpoints)
        fprintf(stderr, "levin-bench: %s: only %llu of %u checkpoints beside readers in %d s\n", p->store->label,
                (unsigned long long)p->result.beside_checkpoints, p->o.beside_checkpoints, BENCH_BESIDE_LIMIT_S);
    return part_close(p);
}

static bool part_small(part_run *p)
{
    return part_writes(p) && part_reads(p);
}

/* ---- large values ---- */

static bool part_16k(part_run *p)
{
    p->o.large_value_bytes = 16384;
    p->o.large = 4 * p->s->o.large;
    bool ok = part_open(p, true) && step(p, "filllarge", 1, 0, FIGURE_NONE);
    if (ok)
        p->figure[FIGURE_PUT_16K] = byte_rate(&p->result);
    return part_close(p) && ok;
}

/* Levin alone: the same without its value log. */
static bool part_64k_tree(part_run *p)
{
    bench_store plain = *p->store;
    if (strcmp(plain.adapter->name, "levin") != 0 || plain.options == STORE_OPTIONS_MAX)
        return true;
    plain.option[plain.options++] = (store_option){ "value_log_threshold_bytes", 0 };
    p->store = &plain;
    p->o.large_value_bytes = 65536;
    bool ok = part_open(p, true) && step(p, "filllarge", 1, 0, FIGURE_NONE);
    if (ok)
        p->figure[FIGURE_PUT_64K_TREE] = byte_rate(&p->result);
    return part_close(p) && ok;
}

static bool part_64k(part_run *p)
{
    p->o.large_value_bytes = 65536;
    bool ok = part_open(p, true) && step(p, "filllarge", 1, 0, FIGURE_NONE);
    if (ok)
        p->figure[FIGURE_PUT_64K] = byte_rate(&p->result);
    ok = ok && compact(p) && part_close(p) && part_open(p, false) &&
         step(p, "readlarge", 1, p->s->o.duration_s / 2, FIGURE_NONE) &&
         step(p, "readlarge", 1, p->s->o.duration_s, FIGURE_NONE);
    if (ok)
        p->figure[FIGURE_GET_64K] = byte_rate(&p->result);
    return part_close(p) && ok;
}

/* ---- memory ---- */

/* A size out of /proc/self/status, in bytes; 0 when it is not there. */
static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %llu kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kib << 10;
}

/* Lets VmHWM begin anew from what is resident now. */
static bool peak_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool ok = file && fputs("5", file) >= 0;
    return file && fclose(file) == 0 && ok;
}

/*
 * Load, single writes, reads, by one thread, for a connection of SQLite has a cache of its own; a store without a write
 * buffer of its own gets the whole budget as cache.
 */
static bool part_memory(part_run *p)
{
    const table_budget budget = table_budget_of(&p->o);
    const bool buffers = p->store->adapter->capabilities & STORE_HAS_WRITE_BUFFER;
    const bench_sizes sizes = { buffers ? budget.cache_bytes : budget.total_bytes,
                                buffers ? budget.write_buffer_bytes : 0, bench_map_bytes(p->s) };
    store_config config = bench_store_config(p->store, false, sizes);
    const double d = p->s->o.duration_s;
    if (!peak_reset())
        return fprintf(stderr, "levin-bench: the peak of resident memory cannot be reset here\n"), true;
    const uint64_t before = status_bytes("VmHWM");
    bool ok = bench_store_start(p->store, p->path, &config, &p->os) && step(p, "fillrandom", 1, 0, FIGURE_NONE);
    p->o.batch = 1; /* in the order of fillseq, each key again */
    p->o.limit_s = d;
    ok = ok && step(p, "fillseq", 1, 0, FIGURE_NONE) && step(p, "readrandom", 1, d, FIGURE_NONE) &&
         step(p, "readseq", 1, 0, FIGURE_NONE);
    if (ok) {
        uint64_t most = status_bytes("VmHWM") - before;
        p->figure[FIGURE_MEMORY] = (double)most;
        p->figure[FIGURE_MEMORY_SHARE] = (double)most / (double)budget.total_bytes;
    }
    return part_close(p) && ok;
}

/* ---- reopen after a kill ---- */

static void kill_options(part_run *p, store_config *config)
{
    p->o.num = p->s->kill_log_bytes / (p->o.key_bytes + p->o.value_bytes);
    p->o.sync = true;
    const uint64_t buffer = KILL_BUFFER_TIMES * p->s->kill_log_bytes; /* no checkpoint meanwhile */
    const bench_sizes sizes = { p->s->cache_bytes, buffer > BUFFER_MIN_BYTES ? buffer : BUFFER_MIN_BYTES,
                                bench_map_bytes(p->s) };
    *config = bench_store_config(p->store, true, sizes);
}

/* Fills the log with synced batches, then dies as the process would that is killed. */
static bool part_kill(part_run *p)
{
    store_config config;
    kill_options(p, &config);
    if (!bench_store_start(p->store, p->path, &config, &p->os) || !step(p, "fillrandom", 1, 0, FIGURE_NONE))
        return false;
    kill(getpid(), SIGKILL);
    return false;
}

/* Until the first read of the key that was written last. */
static bool part_reopen(part_run *p)
{
    const store_adapter *a = p->store->adapter;
    store_config config;
    store_session *session = NULL;
    char key[BENCH_KEY_MAX_BYTES], value[1];
    size_t bytes;
    kill_options(p, &config);
    bench_key_format(key, p->o.key_bytes, bench_permute(p->o.num - 1, p->o.num, p->o.seed));
    const double began = monotonic_s();
    if (!bench_store_start(p->store, p->path, &config, &p->os))
        return false;
    bool ok = a->session_open(p->os.db, &session) == STORE_OK &&
              a->get(session, (store_slice){ key, p->o.key_bytes }, value, sizeof value, &bytes) == STORE_OK;
    const double seconds = monotonic_s() - began;
    if (ok)
        p->figure[FIGURE_REOPEN] = seconds;
    else
        fprintf(stderr, "levin-bench: %s: after a kill the last key is not there: %s\n", p->store->label,
                session ? a->message(session) : "");
    if (session)
        a->session_close(session);
    return part_close(p) && ok;
}

/* ---- all of them ---- */

static const struct part {
    const char *tag;
    bool (*run)(part_run *p);
    bool (*then)(part_run *p); /* in another child, over the same directory, after the first was killed; may be NULL */
    bool once;                 /* in the first round only: it does not vary */
} parts[] = {
    { "small", part_small, NULL, false },
    { "16k", part_16k, NULL, false },
    { "64k", part_64k, NULL, false },
    { "64k-tree", part_64k_tree, NULL, false },
    { "memory", part_memory, NULL, true },
    { "kill", part_kill, part_reopen, false },
};

typedef struct part_call {
    part_run *p;
    bool (*run)(part_run *p);
} part_call;

static bool call_part(void *context)
{
    const part_call *call = context;
    return call->run(call->p);
}

static bool run_part(const bench_setup *s, table_values *t, const struct part *part, size_t which, unsigned round)
{
    static part_run p; /* with a histogram in it: large */
    memset(&p, 0, sizeof p);
    p.s = s;
    p.store = &s->store[which];
    p.round = round;
    p.figure = t->figure[round][which];
    p.o = s->o;
    if (!bench_store_path(s, which, round, part->tag, p.path))
        return false;
    bench_end end = bench_child_run(call_part, &(part_call){ &p, part->run });
    if (part->then && end == BENCH_KILLED)
        end = bench_child_run(call_part, &(part_call){ &p, part->then });
    if (end == BENCH_KILLED)
        fprintf(stderr, "levin-bench: %s: killed\n", p.store->label);
    return (s->keep || bench_remove_directory(p.path)) && (end == BENCH_DONE || *s->o.stop);
}

bool bench_table_paths_ready(const bench_setup *s)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!bench_paths_ready(s, parts[i].tag))
            return false;
    return true;
}

/* All forms of the table, as files of the directory. */
static bool write_forms(const bench_setup *s, const table_values *t, double seconds)
{
    static const char *const names[] = { "table.txt", "table.csv", "table.json", "table.html" };
    for (int form = 0; form < 4; form++) {
        char path[BENCH_PATH_BYTES];
        bool ok = snprintf(path, sizeof path, "%s/%s", s->output, names[form]) < (int)sizeof path;
        FILE *to = ok ? fopen(path, "we") : NULL;
        ok = to != NULL;
        if (ok && form == 0)
            table_report_text(s, t, seconds, to);
        ok = ok && (form != 1 || table_report_csv(s, t, to)) && (form != 2 || table_report_json(s, t, seconds, to)) &&
             (form != 3 || table_report_page(s, t, seconds, to)) && !ferror(to);
        if (to && fclose(to))
            ok = false;
        if (!ok) {
            fprintf(stderr, "levin-bench: %s could not be written: %s\n", path, strerror(errno));
            return false;
        }
    }
    return true;
}

bool bench_table_run(const bench_setup *s)
{
    table_values *t = bench_share(sizeof *t);
    const double began = monotonic_s();
    bool ok = t != NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: out of memory\n");
    for (unsigned round = 0; round < s->rounds && ok; round++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0] && ok; i++)
            for (size_t k = 0; k < s->stores && ok && !*s->o.stop; k++)
                if (!round || !parts[i].once)
                    ok = run_part(s, t, &parts[i], (k + round) % s->stores, round);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%70s\r", "");
    if (*s->o.stop)
        fprintf(stderr, "levin-bench: interrupted; this is what there is\n");
    const double seconds = monotonic_s() - began;
    if (t && s->json)
        ok = table_report_json(s, t, seconds, stdout) && ok;
    else if (t && s->csv)
        ok = table_report_csv(s, t, stdout) && ok;
    else if (t)
        table_report_text(s, t, seconds, stdout);
    if (t && s->output)
        ok = write_forms(s, t, seconds) && ok;
    bench_unshare(t, sizeof *t);
    return ok;
}
