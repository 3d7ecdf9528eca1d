/*
 * rates.c - differences of levin_stats_get() over an interval.
 */
#include "rates.h"

#include "cli.h"
#include "text.h"

enum { LINES_A_HEADING = 20 };

typedef struct rates_row {
    double seconds, interval;
    uint64_t operations, batches, gets, log_bytes, page_bytes, value_bytes, read_bytes, syncs, checkpoints, stalls,
        stall_ms, throttle_ms, memory_bytes;
    double cached; /* of the reads of pages and rows, percent */
} rates_row;

static void print_text(const rates *r, const rates_row *w)
{
    const double s = w->interval, mib = s * 1048576;
    if (r->lines % LINES_A_HEADING == 0)
        fprintf(r->out, "%7s %10s %10s %10s %8s %8s %8s %8s %7s %6s %6s %7s %8s %7s\n", "seconds", "ops/s", "batches/s",
                "gets/s", "log MB/s", "page MB/s", "vlog MB/s", "read MB/s", "syncs/s", "ckpts", "stalls", "held ms",
                "cached %", "mem MB");
    fprintf(r->out, "%7.0f %10.0f %10.0f %10.0f %8.1f %9.1f %9.1f %9.1f %7.0f %6llu %6llu %7llu %8.1f %7.1f\n",
            w->seconds, (double)w->operations / s, (double)w->batches / s, (double)w->gets / s,
            (double)w->log_bytes / mib, (double)w->page_bytes / mib, (double)w->value_bytes / mib,
            (double)w->read_bytes / mib, (double)w->syncs / s, (unsigned long long)w->checkpoints,
            (unsigned long long)w->stalls, (unsigned long long)(w->stall_ms + w->throttle_ms), w->cached,
            (double)w->memory_bytes / 1048576);
}

static void print_json(const rates *r, const rates_row *w)
{
    json_t *object = json_pack(
        "{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "seconds", w->seconds,
        "interval_seconds", w->interval, "operations", (json_int_t)w->operations, "batches", (json_int_t)w->batches,
        "gets", (json_int_t)w->gets, "log_bytes", (json_int_t)w->log_bytes, "page_bytes", (json_int_t)w->page_bytes,
        "value_log_bytes", (json_int_t)w->value_bytes, "read_bytes", (json_int_t)w->read_bytes, "syncs",
        (json_int_t)w->syncs, "checkpoints", (json_int_t)w->checkpoints, "stalls", (json_int_t)w->stalls, "stall_ms",
        (json_int_t)w->stall_ms, "throttle_ms", (json_int_t)w->throttle_ms, "cached_percent", w->cached,
        "memory_bytes", (json_int_t)w->memory_bytes);
    if (!object)
        cli_die_no_memory();
    text_json_print(r->out, object);
    json_decref(object);
}

void rates_restart(rates *r)
{
    r->seconds = 0;
    r->operations = 0;
    r->stats = (levin_stats){ 0 };
}

void rates_tick(rates *r, levin *store, double seconds, uint64_t operations)
{
    levin_stats now;
    if (r->interval_seconds <= 0 || seconds - r->seconds < r->interval_seconds)
        return;
    levin_stats_get(store, &now);
    const levin_stats *was = &r->stats;
#define SINCE(field) (now.field - was->field)
    uint64_t hits = SINCE(row_hits) + SINCE(cache_hits), misses = SINCE(cache_misses);
    const rates_row w = {
        .seconds = seconds,
        .interval = seconds - r->seconds,
        .operations = operations - r->operations,
        .batches = SINCE(batches),
        .gets = SINCE(gets),
        .log_bytes = SINCE(wal_written_bytes),
        .page_bytes = SINCE(pages_written_bytes),
        .value_bytes = SINCE(vlog_written_bytes),
        .read_bytes = SINCE(pages_read_bytes) + SINCE(vlog_read_bytes),
        .syncs = SINCE(wal_syncs),
        .checkpoints = SINCE(checkpoints),
        .stalls = SINCE(stalls),
        .stall_ms = SINCE(stall_ns) / 1000000,
        .throttle_ms = SINCE(throttle_ns) / 1000000,
        .cached = hits + misses ? (double)hits * 100 / (double)(hits + misses) : 100,
        .memory_bytes = now.memory_bytes,
    };
#undef SINCE
    if (r->json)
        print_json(r, &w);
    else
        print_text(r, &w);
    fflush(r->out);
    r->lines++;
    r->seconds = seconds;
    r->operations = operations;
    r->stats = now;
}
