/*
 * table_lines.c - what is asked, and how figures are judged.
 */
#include <string.h>

#include "bench_table.h"

const figure_kind table_figures[TABLE_FIGURES] = {
    [FIGURE_LOAD] = { "load", "load, batches, no sync", UNIT_PER_S, false },
    [FIGURE_OVERWRITE] = { "overwrite", "overwrite, synced batches", UNIT_PER_S, false },
    [FIGURE_PUT_1] = { "put_1", "put synced, 1 thread", UNIT_PER_S, false },
    [FIGURE_PUT_8] = { "put_8", "put synced, 8 threads", UNIT_PER_S, false },
    [FIGURE_PUT_32] = { "put_32", "put synced, 32 threads", UNIT_PER_S, false },
    [FIGURE_GET_1] = { "get_1", "get uniform, 1 thread", UNIT_PER_S, false },
    [FIGURE_GET_2] = { "get_2", "get uniform, 2 threads", UNIT_PER_S, false },
    [FIGURE_MULTI_GET] = { "multi_get", "multi-get uniform, 2 threads", UNIT_PER_S, false },
    [FIGURE_GET_HOT] = { "get_hot", "get hot, 2 threads", UNIT_PER_S, false },
    [FIGURE_GET_HOT_P99] = { "get_hot_p99", "  its p99", UNIT_NS, true },
    [FIGURE_SCAN_SHORT] = { "scan_short", "short scans, pairs", UNIT_PER_S, false },
    [FIGURE_SCAN_FULL] = { "scan_full", "full scan, pairs", UNIT_PER_S, false },
    [FIGURE_PUT_16K] = { "put_16k", "put 16 KiB, synced batches", UNIT_BYTES_PER_S, false },
    [FIGURE_PUT_64K] = { "put_64k", "put 64 KiB, synced batches", UNIT_BYTES_PER_S, false },
    [FIGURE_GET_64K] = { "get_64k", "get 64 KiB", UNIT_BYTES_PER_S, false },
    [FIGURE_PUT_64K_TREE] = { "put_64k_tree", "put 64 KiB, value log off", UNIT_BYTES_PER_S, false },
    [FIGURE_ALONE_P50] = { "alone_p50", "get hot alone: p50", UNIT_NS, true },
    [FIGURE_ALONE_P99] = { "alone_p99", "  p99", UNIT_NS, true },
    [FIGURE_ALONE_P999] = { "alone_p99.9", "  p99.9", UNIT_NS, true },
    [FIGURE_ALONE_MAX] = { "alone_max", "  longest", UNIT_NS, true },
    [FIGURE_BESIDE_P50] = { "beside_p50", "get hot beside a writer: p50", UNIT_NS, true },
    [FIGURE_BESIDE_P99] = { "beside_p99", "  p99", UNIT_NS, true },
    [FIGURE_BESIDE_P999] = { "beside_p99.9", "  p99.9", UNIT_NS, true },
    [FIGURE_BESIDE_MAX] = { "beside_max", "  longest", UNIT_NS, true },
    [FIGURE_BESIDE_WRITES] = { "beside_writes", "  keys written meanwhile", UNIT_PER_S, false },
    [FIGURE_BESIDE_WRITE_MAX] = { "beside_write_max", "  longest write of 100 keys", UNIT_NS, true },
    [FIGURE_BESIDE_CHECKPOINTS] = { "beside_checkpoints", "  checkpoints meanwhile", UNIT_COUNT, false },
    [FIGURE_MEMORY] = { "memory", "most resident memory", UNIT_BYTES, true },
    [FIGURE_MEMORY_SHARE] = { "memory_share", "  of the budgets", UNIT_TIMES, true },
    [FIGURE_DISK_SHARE] = { "disk_share", "disk after compact, of raw", UNIT_TIMES, true },
    [FIGURE_REOPEN] = { "reopen", "reopen after a kill", UNIT_S, true },
};

#define SAME(figure) .ours = figure, .theirs = figure

static const table_line lines[] = {
    { "load, batches of 1000, no sync", LINE_RATIO, SAME(FIGURE_LOAD), { "rocksdb", "leveldb" }, 4, NULL },
    { "overwrite, batches of 1000, synced", LINE_RATIO, SAME(FIGURE_OVERWRITE), { "rocksdb", "leveldb" }, 3, NULL },
    { "put synced, 1 thread", LINE_RATIO, SAME(FIGURE_PUT_1), { "wiredtiger", "rocksdb", "leveldb" }, 1, NULL },
    { "put synced, 8 threads", LINE_RATIO, SAME(FIGURE_PUT_8), { "wiredtiger", "rocksdb", "leveldb" }, 2, NULL },
    { "put synced, 32 threads", LINE_RATIO, SAME(FIGURE_PUT_32), { "wiredtiger", "rocksdb", "leveldb" }, 2, NULL },
    { "get uniform, 1 thread", LINE_RATIO, SAME(FIGURE_GET_1), { "lmdb" }, 4, NULL },
    { "get uniform, 2 threads", LINE_RATIO, SAME(FIGURE_GET_2), { "lmdb" }, 4, NULL },
    { "multi-get of 16, 2 threads", LINE_RATIO, .ours = FIGURE_MULTI_GET, .theirs = FIGURE_GET_2, { "lmdb" }, 13,
      "beside LMDB's get" },
    { "get hot 1 %, 2 threads", LINE_RATIO, SAME(FIGURE_GET_HOT), { "lmdb" }, 6, NULL },
    { "get hot 1 %, 2 threads: p99", LINE_LIMIT, .ours = FIGURE_GET_HOT_P99, .asked = 200,
      .note = "two readings of the clock are in it" },
    { "scan of 100", LINE_RATIO, SAME(FIGURE_SCAN_SHORT), { "lmdb" }, 2, NULL },
    { "full scan", LINE_RATIO, SAME(FIGURE_SCAN_FULL), { "lmdb" }, 3, NULL },
    { "put 16 KiB, batches of 64, synced", LINE_RATIO, SAME(FIGURE_PUT_16K), { "leveldb", "rocksdb", "sqlite" }, 5,
      NULL },
    { "put 64 KiB, batches of 64, synced", LINE_RATIO, SAME(FIGURE_PUT_64K), { "leveldb", "rocksdb", "sqlite" }, 1.5,
      NULL },
    { "put 64 KiB, value log on and off", LINE_SELF, .ours = FIGURE_PUT_64K, .theirs = FIGURE_PUT_64K_TREE,
      .asked = 10 },
    { "get 64 KiB", LINE_RATIO, SAME(FIGURE_GET_64K), { "lmdb" }, 1, NULL },
    { "resident memory, of the budgets", LINE_LIMIT, .ours = FIGURE_MEMORY_SHARE, .asked = 1.1, .note = NULL },
    { "resident memory, equal budgets", LINE_RATIO, SAME(FIGURE_MEMORY), { "rocksdb", "sqlite", "wiredtiger" }, 1,
      NULL },
    { "disk after compact, of raw bytes", LINE_LIMIT, .ours = FIGURE_DISK_SHARE, .asked = 1.2,
      .note = NULL },
    { "reopen after a kill, full log", LINE_RATIO, SAME(FIGURE_REOPEN), { "leveldb" }, 5, NULL },
};

const table_line *table_lines(size_t *count)
{
    *count = sizeof lines / sizeof lines[0];
    return lines;
}

size_t table_subject(const bench_setup *s)
{
    for (size_t i = 0; i < s->stores; i++)
        if (strcmp(s->store[i].adapter->name, "levin") == 0)
            return i;
    return 0;
}

double table_median(const bench_setup *s, const table_values *t, size_t which, table_figure f)
{
    double v[BENCH_ROUNDS_MAX];
    size_t n = 0;
    for (unsigned r = 0; r < s->rounds; r++)
        if (t->figure[r][which][f] > 0)
            v[n++] = t->figure[r][which][f];
    return bench_median(v, n);
}

static bool is_peer(const bench_setup *s, const table_line *line, size_t which)
{
    for (int p = 0; p < LINE_PEERS_MAX && which != table_subject(s); p++)
        if (line->peers[p] && strcmp(s->store[which].adapter->name, line->peers[p]) == 0)
            return true;
    return false;
}

static bool better(table_figure f, double a, double b)
{
    return b <= 0 || (table_figures[f].lower_is_better ? a < b : a > b);
}

/* The best of the peers in this round; 0 when none was measured. */
static double best_of_round(const bench_setup *s, const table_values *t, const table_line *line, unsigned round)
{
    double best = 0;
    for (size_t i = 0; i < s->stores; i++) {
        double v = t->figure[round][i][line->theirs];
        if (is_peer(s, line, i) && v > 0 && better(line->theirs, v, best))
            best = v;
    }
    return best;
}

static size_t best_peer(const bench_setup *s, const table_values *t, const table_line *line)
{
    size_t which = 0;
    double best = 0;
    for (size_t i = 0; i < s->stores; i++) {
        double v = is_peer(s, line, i) ? table_median(s, t, i, line->theirs) : 0;
        if (v > 0 && better(line->theirs, v, best)) {
            best = v;
            which = i;
        }
    }
    return which;
}

table_verdict table_judge(const bench_setup *s, const table_values *t, const table_line *line)
{
    table_verdict verdict = { 0 };
    double v[BENCH_ROUNDS_MAX];
    size_t n = 0;
    for (unsigned r = 0; r < s->rounds && line->kind != LINE_NOT_YET; r++) {
        double ours = t->figure[r][table_subject(s)][line->ours];
        double theirs = 1;
        if (line->kind == LINE_RATIO)
            theirs = best_of_round(s, t, line, r);
        else if (line->kind == LINE_SELF)
            theirs = t->figure[r][table_subject(s)][line->theirs];
        if (ours > 0 && theirs > 0)
            v[n++] = line->kind == LINE_RATIO && table_figures[line->ours].lower_is_better ? theirs / ours
                                                                                           : ours / theirs;
    }
    verdict.known = n > 0;
    verdict.median = bench_median(v, n); /* sorts */
    if (n) {
        verdict.low = v[0];
        verdict.high = v[n - 1];
        verdict.met = line->kind == LINE_LIMIT ? verdict.median <= line->asked : verdict.median >= line->asked;
        verdict.best = best_peer(s, t, line);
    }
    return verdict;
}

table_budget table_budget_of(const bench_options *o)
{
    const uint64_t raw = o->num * (o->key_bytes + o->value_bytes), least = 4u << 20;
    table_budget b = { .cache_bytes = raw / 2 > least ? raw / 2 : least,
                       .write_buffer_bytes = raw / 8 > least ? raw / 8 : least };
    b.total_bytes = b.cache_bytes + 2 * b.write_buffer_bytes;
    return b;
}
