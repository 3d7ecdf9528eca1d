/*
 * gate_run.c - one recorded run: a simulated disk, an arena, a store over both; prepare, measure, count, take down.
 *
 * One thread; nothing depends on the clock, the environment or an address.
 */
#include "gate_run.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"

#define ARENA_BYTES ((size_t)1 << 30) /* of address space */

bool run_good(gate_run *r, levin_code code, const char *what)
{
    levin_error error = { 0 };
    if (code == LEVIN_OK)
        return true;
    if (r->db)
        levin_last_error(r->db, &error);
    fprintf(stderr, "levin-gate: %s: %s: %s\n", what, levin_code_name(code), error.message);
    return false;
}

bool run_as_named(bool truth, const char *what)
{
    if (!truth)
        fprintf(stderr, "levin-gate: the run did not do what its name says: %s\n", what);
    return truth;
}

const char *run_value(const gate_run *r, size_t i)
{
    return r->values + i * 37 % LARGE_BYTES;
}

void run_format_key(char key[KEY_BYTES], uint64_t number)
{
    for (int i = KEY_BYTES; i-- > 0; number /= 10)
        key[i] = (char)('0' + number % 10);
}

bool run_open(gate_run *r)
{
    levin_error error = { 0 };
    levin_code code = levin_open("/gate", &r->options, &r->db, &error);
    if (code != LEVIN_OK)
        fprintf(stderr, "levin-gate: open: %s: %s\n", levin_code_name(code), error.message);
    return code == LEVIN_OK;
}

bool run_close(gate_run *r)
{
    levin *db = r->db;
    r->db = NULL;
    levin_code code = levin_close(db);
    if (code != LEVIN_OK)
        fprintf(stderr, "levin-gate: close: %s\n", levin_code_name(code));
    return code == LEVIN_OK;
}

/* ---- one run ---- */

static bool run_init(gate_run *r, const gate_work *w, void *memory, size_t bytes)
{
    memset(r, 0, sizeof *r);
    r->work = w;
    r->disk = simdisk_create(NULL, NULL);
    simdisk_seed(r->disk, 1);
    gate_io_init(&r->io, simdisk_io(r->disk), &r->memory);
    levin_options_init(&r->options);
    r->options.io = &r->io.table;
    r->options.background = LEVIN_BACKGROUND_NONE;
    r->options.cache_bytes = CACHE_BYTES;
    r->options.row_cache_bytes = ROW_CACHE_BYTES;
    r->options.wal_segment_bytes = SEGMENT_BYTES;
    r->keys = calloc(KEYS_ALL, KEY_BYTES);
    r->absent = calloc(KEYS_ALL, KEY_BYTES);
    r->values = malloc(2 * LARGE_BYTES);
    r->buffer = malloc(LARGE_BYTES + 1);
    if (memory)
        gate_arena_init_at(&r->memory, memory, bytes);
    if ((!memory && !gate_arena_init(&r->memory, ARENA_BYTES)) || !r->keys || !r->absent || !r->values || !r->buffer) {
        fprintf(stderr, "levin-gate: out of memory\n");
        return false;
    }
    random_stream order = random_open(1, 1), content = random_open(1, 2);
    for (uint64_t i = 0; i < KEYS_ALL; i++) { /* inside out (Durstenfeld 1964) */
        uint64_t at = random_below(&order, i + 1);
        memcpy(r->keys[i], r->keys[at], KEY_BYTES);
        memcpy(r->absent[i], r->absent[at], KEY_BYTES);
        run_format_key(r->keys[at], 2 * i);
        run_format_key(r->absent[at], 2 * i + 1);
    }
    random_fill(&content, r->values, 2 * LARGE_BYTES);
    return true;
}

/* Memory and descriptors that are left behind make the run fail. */
static bool run_fini(gate_run *r)
{
    bool ok = true;
    if (r->batch)
        levin_batch_destroy(r->batch);
    if (r->keyspace)
        levin_keyspace_close(r->keyspace);
    if (r->db)
        ok = run_close(r);
    if ((!simdisk_destroy(r->disk, NULL) || r->memory.held_blocks) && ok) {
        fprintf(stderr, "levin-gate: the closed store left memory or descriptors behind\n");
        ok = false;
    }
    gate_arena_fini(&r->memory);
    free(r->keys);
    free(r->absent);
    free(r->values);
    free(r->buffer);
    return ok;
}

/* ---- counters ---- */

typedef struct stat_value {
    const char *name;
    uint64_t value;
} stat_value;

enum { STAT_COUNT = sizeof(levin_stats) / sizeof(uint64_t) };

static void stats_take(levin *db, stat_value values[STAT_COUNT])
{
    levin_stats s = { 0 };
    size_t i = 0;
    if (db)
        levin_stats_get(db, &s);
#define STAT_TAKE(field, text) values[i++] = (stat_value){ #field, s.field };
    LEVIN_STATS(STAT_TAKE)
#undef STAT_TAKE
}

/* Times, and what is counted at the I/O table as well, are left out; a state is shown as it is at the end. */
static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return true;
    return false;
}

static bool add_stats(gate_table *t, const char *workload, const stat_value *before, const stat_value *after)
{
    static const char *const left_out[] = { "recovery_ns", "stall_ns", "memory_bytes", "memory_peak_bytes", "gets",
                                            "get_hits", "wal_bytes", "wal_writes", "wal_syncs", "checkpoint_ns",
                                            "pages_sync_ns", "wal_sync_ns", "pages_syncs", "wal_file_syncs",
                                            "pages_read_bytes", "pages_written_bytes", "wal_read_bytes",
                                            "wal_written_bytes", "handle_bytes", NULL };
    static const char *const states[] = { "sequence", "cache_bytes", "memtable_bytes", "file_pages", "free_pages",
                                          "keys", "generation", "snapshots", "versions", "replayed_batches",
                                          "replayed_operations", "versions_bytes", "log_bytes", NULL };
    for (size_t i = 0; i < STAT_COUNT; i++) {
        char name[GATE_NAME_BYTES];
        uint64_t value = after[i].value - (is_one_of(after[i].name, states) ? 0 : before[i].value);
        snprintf(name, sizeof name, "stats.%s", after[i].name);
        if (value && !is_one_of(after[i].name, left_out) && !gate_table_add(t, workload, name, value))
            return false;
    }
    return true;
}

static bool add_counts(gate_table *t, const char *workload, const gate_counts *n, size_t arena_peak)
{
    bool ok = true;
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < GATE_OPERATION_COUNT; operation++) {
            char name[GATE_NAME_BYTES];
            const char *k = gate_kind_text((levin_file_kind)kind);
            const char *o = gate_operation_text((gate_operation)operation);
            snprintf(name, sizeof name, "%s.%s.calls", k, o);
            if (n->file[kind][operation].calls)
                ok = ok && gate_table_add(t, workload, name, n->file[kind][operation].calls);
            snprintf(name, sizeof name, "%s.%s.bytes", k, o);
            if (n->file[kind][operation].bytes)
                ok = ok && gate_table_add(t, workload, name, n->file[kind][operation].bytes);
        }
    const stat_value memory[] = { { "memory.allocations", n->allocations }, { "memory.frees", n->frees },
                                  { "memory.allocated.bytes", n->allocated_bytes },
                                  { "memory.peak.bytes", n->held_peak_bytes },
                                  { "memory.arena.bytes", arena_peak } };
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (memory[i].value)
            ok = ok && gate_table_add(t, workload, memory[i].name, memory[i].value);
    return ok;
}

/* ---- in parts ---- */

gate_run *gate_run_prepare(const gate_work *w, void *memory, size_t bytes)
{
    gate_run *r = malloc(sizeof *r);
    if (r && run_init(r, w, memory, bytes) && w->prepare(r))
        return r;
    fprintf(stderr, "levin-gate: the run %s could not be prepared\n", w->name);
    if (r)
        (void)gate_run_end(r);
    return NULL;
}

bool gate_run_measure(gate_run *r)
{
    const bool ok = r->work->measured(r);
    __asm__ volatile("" ::: "memory"); /* no tail call: gate_flame.sh knows the measured part by this frame */
    return ok;
}

const gate_arena *gate_run_arena(const gate_run *r)
{
    return &r->memory;
}

bool gate_run_end(gate_run *r)
{
    bool ok = run_fini(r);
    free(r);
    return ok;
}

/* ---- with counters ---- */

bool gate_work_run(const gate_work *w, const gate_probe *probe, gate_table *counters)
{
    gate_run r;
    stat_value before[STAT_COUNT], after[STAT_COUNT];
    bool ok = run_init(&r, w, NULL, 0) && w->prepare(&r);
    if (ok) {
        stats_take(r.db, before);
        gate_io_reset(&r.io);
        if (probe)
            probe->begin(probe->context);
        ok = w->measured(&r);
        if (probe)
            probe->end(probe->context);
        gate_counts counts = r.io.counts;
        const size_t arena_peak = gate_arena_peak(&r.memory);
        stats_take(r.db, after);
        if (ok && counters)
            ok = gate_table_add(counters, w->name, "operations", w->operations) &&
                 add_counts(counters, w->name, &counts, arena_peak) && add_stats(counters, w->name, before, after);
    }
    ok = run_fini(&r) && ok;
    if (!ok)
        fprintf(stderr, "levin-gate: the run %s failed\n", w->name);
    return ok;
}
