/*
 * metrics_text.c - counters and histograms as text, JSON and in the Prometheus text format 0.0.4.
 *
 * All numbers are gathered first, so that one text is of one moment (as far as counts can be) and its length can be
 * measured before its memory is asked for.
 *
 * Prometheus: what only grows is a counter, `levin_NAME_total`; the rest gauges; nanoseconds become seconds.  Names
 * that differ in a word only (error_io, write_synced) are one family with that word as label.  A histogram has a
 * bucket for each power of two: le is the last whole number below it, so that the counts are exact.
 *
 * Concurrency: any thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "read.h"

enum { EDGE_FIRST = 5, EDGE_LAST = 35, EDGES = EDGE_LAST - EDGE_FIRST + 1 }; /* powers of two */

typedef struct number {
    const char *name, *text;
    uint64_t value;
} number;

enum { NUMBERS = sizeof(levin_stats) / sizeof(uint64_t) };

typedef struct gathered {
    const char *path;
    number numbers[NUMBERS];
    levin_histogram histograms[LEVIN_HISTOGRAM_COUNT];
    uint64_t below[LEVIN_HISTOGRAM_COUNT][EDGES];
} gathered;

static void gather(levin *db, gathered *g)
{
    levin_stats stats;
    distribution_copy copy;
    size_t n = 0;
    levin_stats_get(db, &stats);
    g->path = db->directory;
#define GATHER(field, meaning) g->numbers[n++] = (number){ #field, meaning, stats.field };
    LEVIN_STATS(GATHER)
#undef GATHER
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT; i++) {
        distribution_read(&db->metrics.of[i], &copy);
        metrics_summary((levin_histogram_id)i, &copy, &g->histograms[i]);
        for (unsigned e = 0; e < EDGES; e++)
            g->below[i][e] = distribution_below(&copy, EDGE_FIRST + e);
    }
}

/* ---- text into a buffer that may be too small ---- */

typedef struct sink {
    char *buffer;
    size_t capacity, bytes; /* bytes: written, or that would have been */
} sink;

static __attribute__((format(printf, 2, 3))) void put(sink *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = s->bytes < s->capacity ? s->capacity - s->bytes : 0;
    int n = vsnprintf(room ? s->buffer + s->bytes : NULL, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        s->bytes += (size_t)n;
}

static void put_number(sink *s, uint64_t value, bool seconds)
{
    if (seconds)
        put(s, "%llu.%09llu", (unsigned long long)(value / 1000000000u), (unsigned long long)(value % 1000000000u));
    else
        put(s, "%llu", (unsigned long long)value);
}

/* ---- for people ---- */

static void put_text(sink *s, const gathered *g)
{
    for (size_t i = 0; i < NUMBERS; i++)
        put(s, "%-22s %14llu  %s\n", g->numbers[i].name, (unsigned long long)g->numbers[i].value, g->numbers[i].text);
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT; i++) {
        const levin_histogram *h = &g->histograms[i];
        put(s, "%-22s %14llu  %s, %s: p50 %llu, p99 %llu, p99.9 %llu, max %llu, mean %llu", h->name,
            (unsigned long long)h->count, h->text, h->unit, (unsigned long long)h->p50, (unsigned long long)h->p99,
            (unsigned long long)h->p999, (unsigned long long)h->max,
            (unsigned long long)(h->count ? h->sum / h->count : 0));
        put(s, h->sample_every > 1 ? " (one in %u measured)\n" : "\n", h->sample_every);
    }
}

/* ---- JSON ---- */

static void put_json(sink *s, const gathered *g)
{
    put(s, "{\"counters\":{");
    for (size_t i = 0; i < NUMBERS; i++)
        put(s, "%s\"%s\":%llu", i ? "," : "", g->numbers[i].name, (unsigned long long)g->numbers[i].value);
    put(s, "},\"histograms\":{");
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT; i++) {
        const levin_histogram *h = &g->histograms[i];
        put(s,
            "%s\"%s\":{\"unit\":\"%s\",\"sample_every\":%u,\"count\":%llu,\"sum\":%llu,\"max\":%llu,\"p50\":%llu,"
            "\"p99\":%llu,\"p999\":%llu}",
            i ? "," : "", h->name, h->unit, h->sample_every, (unsigned long long)h->count,
            (unsigned long long)h->sum, (unsigned long long)h->max, (unsigned long long)h->p50,
            (unsigned long long)h->p99, (unsigned long long)h->p999);
    }
    put(s, "}}\n");
}

/* ---- Prometheus ---- */

/* Names that begin so are one family, the rest of the name is the label. */
static const struct {
    const char *prefix, *family, *label, *text;
    bool seconds; /* of histograms; or of counts */
} families[] = {
    { "error_", "errors", "code", "calls that failed, by code", false },
    { "write_", "write", "durability", "time that writes took", true },
};

typedef struct family {
    char name[64];     /* without levin_ and suffix */
    const char *label; /* NULL: none besides the store */
    const char *value;
    const char *text;
    bool seconds;
} family;

static family family_of(const char *name, const char *text, bool seconds)
{
    family f = { .text = text, .seconds = seconds };
    size_t bytes = strlen(name);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        size_t prefix = strlen(families[i].prefix);
        if (seconds != families[i].seconds || strncmp(name, families[i].prefix, prefix) != 0)
            continue;
        snprintf(f.name, sizeof f.name, "%s%s", families[i].family, seconds ? "_seconds" : "");
        f.label = families[i].label;
        f.value = name + prefix;
        f.text = families[i].text;
        return f;
    }
    if (seconds && bytes > 3 && !strcmp(name + bytes - 3, "_ns"))
        bytes -= 3;
    snprintf(f.name, sizeof f.name, "%.*s%s", (int)bytes, name, seconds ? "_seconds" : "");
    return f;
}

static bool is_gauge(const char *name)
{
    static const char *const gauges[] = { "sequence", "cache_bytes", "row_bytes", "memtable_bytes", "file_pages",
                                          "free_pages", "keys", "generation", "replayed_batches",
                                          "replayed_operations", "recovery_ns", "snapshots", "versions",
                                          "memory_bytes", "memory_peak_bytes", "versions_bytes", "log_bytes",
                                          "handle_bytes", "keyspaces", "oldest_reader_ns", "oldest_reader_batches",
                                          "oldest_reader_file_bytes", "oldest_reader_memory_bytes", "write_pressure",
                                          "vlog_segments", "vlog_bytes", "vlog_live_bytes", "vlog_memory_bytes",
                                          "large_bytes", "reader_processes", "reader_processes_bytes",
                                          "readers_bytes", "beside_writer" };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
        if (!strcmp(gauges[i], name))
            return true;
    return false;
}

/* HELP and TYPE, once for a family: its members follow each other. */
static void put_head(sink *s, const family *f, const family *before, const char *suffix, const char *type)
{
    if (!strcmp(f->name, before->name))
        return;
    static const char unit[] = "nanoseconds"; /* that a text ends in; the values are given in seconds */
    size_t bytes = strlen(f->text), unit_bytes = sizeof unit - 1;
    bool scaled = f->seconds && bytes >= unit_bytes && !strcmp(f->text + bytes - unit_bytes, unit);
    put(s, "# HELP levin_%s%s %.*s%s\n# TYPE levin_%s%s %s\n", f->name, suffix,
        (int)(scaled ? bytes - unit_bytes : bytes), f->text, scaled ? "seconds" : "", f->name, suffix, type);
}

static void put_labels(sink *s, const gathered *g, const family *f)
{
    put(s, "{store=\"");
    for (const char *p = g->path; *p; p++) {
        const char plain[2] = { *p, 0 };
        put(s, "%s", *p == '\\' ? "\\\\" : *p == '"' ? "\\\"" : *p == '\n' ? "\\n" : plain);
    }
    put(s, "\"");
    if (f->label)
        put(s, ",%s=\"%s\"", f->label, f->value);
}

static void put_prometheus_histogram(sink *s, const gathered *g, int i, const family *f)
{
    const levin_histogram *h = &g->histograms[i];
    for (unsigned e = 0; e < EDGES; e++) {
        put(s, "levin_%s_bucket", f->name);
        put_labels(s, g, f);
        put(s, ",le=\"");
        put_number(s, ((uint64_t)1 << (EDGE_FIRST + e)) - 1, f->seconds);
        put(s, "\"} %llu\n", (unsigned long long)g->below[i][e]);
    }
    put(s, "levin_%s_bucket", f->name);
    put_labels(s, g, f);
    put(s, ",le=\"+Inf\"} %llu\nlevin_%s_sum", (unsigned long long)h->count, f->name);
    put_labels(s, g, f);
    put(s, "} ");
    put_number(s, h->sum, f->seconds);
    put(s, "\nlevin_%s_count", f->name);
    put_labels(s, g, f);
    put(s, "} %llu\n", (unsigned long long)h->count);
}

static void put_prometheus(sink *s, const gathered *g)
{
    family before = { .name = "" };
    for (size_t i = 0; i < NUMBERS; i++) {
        const number *n = &g->numbers[i];
        const size_t bytes = strlen(n->name);
        const bool gauge = is_gauge(n->name);
        const char *suffix = gauge ? "" : "_total";
        family f = family_of(n->name, n->text, bytes > 3 && !strcmp(n->name + bytes - 3, "_ns"));
        put_head(s, &f, &before, suffix, gauge ? "gauge" : "counter");
        put(s, "levin_%s%s", f.name, suffix);
        put_labels(s, g, &f);
        put(s, "} ");
        put_number(s, n->value, f.seconds);
        put(s, "\n");
        before = f;
    }
    before.name[0] = 0;
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT; i++) {
        const levin_histogram *h = &g->histograms[i];
        family f = family_of(h->name, h->text, !strcmp(h->unit, "ns"));
        put_head(s, &f, &before, "", "histogram");
        put_prometheus_histogram(s, g, i, &f);
        before = f;
    }
}

/* ---- public ---- */

static void put_format(sink *s, const gathered *g, levin_stats_format format)
{
    if (format == LEVIN_STATS_TEXT)
        put_text(s, g);
    else if (format == LEVIN_STATS_JSON)
        put_json(s, g);
    else
        put_prometheus(s, g);
}

static levin_code into_buffer(levin *store, levin_stats_format format, char *buffer, size_t capacity, size_t *bytes)
{
    gathered g;
    sink measured = { 0 }, s = { .buffer = buffer, .capacity = capacity };
    gather(store, &g);
    put_format(&measured, &g, format);
    *bytes = measured.bytes;
    if (measured.bytes >= capacity)
        return LEVIN_TOO_SMALL;
    put_format(&s, &g, format);
    return LEVIN_OK;
}

levin_code levin_stats_text(levin *store, char *buffer, size_t capacity, size_t *bytes)
{
    return into_buffer(store, LEVIN_STATS_TEXT, buffer, capacity, bytes);
}

levin_code levin_stats_json(levin *store, char *buffer, size_t capacity, size_t *bytes)
{
    return into_buffer(store, LEVIN_STATS_JSON, buffer, capacity, bytes);
}

levin_code levin_stats_prometheus(levin *store, char *buffer, size_t capacity, size_t *bytes)
{
    return into_buffer(store, LEVIN_STATS_PROMETHEUS, buffer, capacity, bytes);
}

levin_code levin_stats_alloc(levin *store, levin_stats_format format, char **text, size_t *bytes)
{
    gathered g;
    levin_error error;
    sink measured = { 0 };
    *text = NULL;
    if ((unsigned)format > LEVIN_STATS_PROMETHEUS)
        return db_refuse(store, LEVIN_INVALID, "there is no format %d of counters", (int)format);
    gather(store, &g);
    put_format(&measured, &g, format);
    char *memory = (char *)read_value_alloc(store, measured.bytes + 1);
    if (!memory) {
        error_memory(&error, measured.bytes + 1);
        return db_fail(store, &error);
    }
    sink s = { .buffer = memory, .capacity = measured.bytes + 1 };
    put_format(&s, &g, format);
    *text = memory;
    if (bytes)
        *bytes = measured.bytes;
    return LEVIN_OK;
}
