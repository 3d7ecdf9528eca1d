/*
 * bench_report.c - medians over the rounds, each store beside the first.
 */
#include "bench_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/levin.h"

void bench_cell_add(bench_cell *c, const bench_result *r)
{
    if (c->rounds == BENCH_ROUNDS_MAX || (r->cut && c->rounds))
        return;
    c->round[c->rounds++] = (bench_round){ r->operations, r->bytes, r->seconds };
    c->cut = r->cut;
    c->not_found += r->not_found;
    histogram_merge(&c->latency, &r->latency);
    c->beside_operations += r->beside_operations;
    c->beside_checkpoints += r->beside_checkpoints;
    c->beside_told = r->beside_told;
    c->beside_max_ns = r->beside_max_ns > c->beside_max_ns ? r->beside_max_ns : c->beside_max_ns;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    if (!count)
        return 0;
    qsort(values, count, sizeof *values, by_double);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double bench_cell_median(const bench_cell *c)
{
    double v[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < c->rounds; i++)
        v[i] = c->round[i].seconds > 0 ? (double)c->round[i].operations / c->round[i].seconds : 0;
    return bench_median(v, c->rounds);
}

static bench_round total_of(const bench_cell *c)
{
    bench_round t = { 0 };
    for (unsigned i = 0; i < c->rounds; i++) {
        t.operations += c->round[i].operations;
        t.bytes += c->round[i].bytes;
        t.seconds += c->round[i].seconds;
    }
    return t;
}

uint64_t bench_map_bytes(const bench_setup *s)
{
    enum { ROOM = 4, RECORD_BYTES = 16, PAGE_BYTES = 4096, TABLE_LARGE_BYTES = 65536 };
    const uint64_t gib = (uint64_t)1 << 30, least = 16 * gib, most = (uint64_t)1 << 46; /* of address space */
    const bench_options *o = &s->o;
    const uint64_t pair = o->key_bytes + o->value_bytes, record = pair + RECORD_BYTES;
    const bool small = s->table && o->large_value_bytes < TABLE_LARGE_BYTES;
    const uint64_t value = small ? TABLE_LARGE_BYTES : o->large_value_bytes;
    const uint64_t page_end = (value + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t largest = o->num * record;
    if (o->large * (page_end + PAGE_BYTES) > largest)
        largest = o->large * (page_end + PAGE_BYTES);
    if (s->table && s->kill_log_bytes / pair * record > largest)
        largest = s->kill_log_bytes / pair * record;
    if (largest > most / ROOM)
        return most;
    uint64_t bytes = (ROOM * largest + gib - 1) / gib * gib;
    return bytes > least ? bytes : least;
}

bench_sizes bench_sizes_of(const bench_setup *s)
{
    return (bench_sizes){ s->cache_bytes, s->write_buffer_bytes, bench_map_bytes(s) };
}

const char *bench_configuration(const bench_setup *s, size_t which, bool synced, char text[STORE_MESSAGE_BYTES])
{
    store_config config = bench_store_config(&s->store[which], synced, bench_sizes_of(s));
    s->store[which].adapter->configuration(&config, text);
    return text;
}

/* ---- text ---- */

static void print_rate(double rate)
{
    if (rate >= 1e6)
        printf("%9.2f M/s", rate / 1e6);
    else if (rate >= 1e3)
        printf("%9.1f k/s", rate / 1e3);
    else
        printf("%9.1f  /s", rate);
}

/* Of the column with the stores' names. */
static int label_width(const bench_setup *s)
{
    int width = 10;
    for (size_t i = 0; i < s->stores; i++)
        width = (int)strlen(s->store[i].label) > width ? (int)strlen(s->store[i].label) : width;
    return width;
}

static void print_line(const bench_setup *s, size_t which, size_t bench, const bench_cell *c, double first)
{
    bench_round total = total_of(c);
    double rate = bench_cell_median(c);
    printf("%-16s %-*s ", s->bench_name[bench], label_width(s), s->store[which].label);
    print_rate(rate);
    printf(" %8.2f %10.1f", first > 0 ? rate / first : 0,
           total.operations ? rate * (double)total.bytes / (double)total.operations / 1e6 : 0);
    if (c->latency.count)
        printf(" %9llu %9llu %9llu", (unsigned long long)histogram_quantile(&c->latency, 0.5),
               (unsigned long long)histogram_quantile(&c->latency, 0.99),
               (unsigned long long)histogram_quantile(&c->latency, 0.999));
    if (c->latency.count)
        printf(" %9.3f", (double)c->latency.max / 1e6);
    printf("%s\n", c->cut ? "  cut short" : "");
    if (c->beside_operations)
        printf("%-16s %-*s %9.2f M keys written beside, longest call %.3f ms", "", label_width(s),
               s->store[which].label, (double)c->beside_operations / 1e6, (double)c->beside_max_ns / 1e6);
    if (c->beside_operations && c->beside_told)
        printf(", %llu checkpoints", (unsigned long long)c->beside_checkpoints);
    if (c->beside_operations)
        printf("\n");
}

void bench_stores_text(const bench_setup *s, FILE *to)
{
    char unsynced[STORE_MESSAGE_BYTES], synced[STORE_MESSAGE_BYTES];
    for (size_t i = 0; i < s->stores; i++)
        fprintf(to, "%s, %s\n  unsynced: %s\n  synced:   %s\n", s->store[i].label, s->store[i].adapter->version(),
               bench_configuration(s, i, false, unsynced), bench_configuration(s, i, true, synced));
    for (const store_absence *absence = store_absences(); absence->name; absence++)
        fprintf(to, "%s: not built; make deps-stores installs %s\n", absence->name, absence->package);
}

void bench_report_text(const bench_setup *s, const bench_row *rows)
{
    bench_stores_text(s, stdout);
    printf("%llu keys of %u B, values of %u B, batches of %u, %u thread(s), %u round(s), seed %llu\n\n",
           (unsigned long long)s->o.num, s->o.key_bytes, s->o.value_bytes, s->o.batch, s->o.threads, s->rounds,
           (unsigned long long)s->o.seed);
    printf("%-16s %-*s %13s %8s %10s %9s %9s %9s %9s\n", "benchmark", label_width(s), "store", "median", "ratio",
           "MB/s", "p50 ns", "p99 ns", "p99.9 ns", "max ms");
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++)
            if (rows[i].bench[b].rounds)
                print_line(s, i, b, &rows[i].bench[b], bench_cell_median(&rows[0].bench[b]));
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++)
            if (rows[i].bench[b].not_found)
                printf("%s on %s: %llu of %llu keys were not there\n", s->bench_name[b], s->store[i].label,
                       (unsigned long long)rows[i].bench[b].not_found,
                       (unsigned long long)total_of(&rows[i].bench[b]).operations);
}

/* ---- CSV ---- */

bool bench_report_csv(const bench_setup *s, const bench_row *rows)
{
    printf("benchmark,store,rounds,cut,not_found,median_per_second,ratio,bytes_per_second,p50_ns,p99_ns,p99.9_ns,"
           "max_ns,beside_operations,beside_max_ns\n");
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++) {
            const bench_cell *c = &rows[i].bench[b];
            if (!c->rounds)
                continue;
            const bench_round total = total_of(c);
            const double rate = bench_cell_median(c), first = bench_cell_median(&rows[0].bench[b]);
            printf("%s,%s,%u,%d,%llu,%.6g,%.4g,%.6g,", s->bench_name[b], s->store[i].label, c->rounds, c->cut,
                   (unsigned long long)c->not_found, rate, first > 0 ? rate / first : 0,
                   total.operations ? rate * (double)total.bytes / (double)total.operations : 0);
            if (c->latency.count)
                printf("%llu,%llu,%llu,%llu", (unsigned long long)histogram_quantile(&c->latency, 0.5),
                       (unsigned long long)histogram_quantile(&c->latency, 0.99),
                       (unsigned long long)histogram_quantile(&c->latency, 0.999),
                       (unsigned long long)c->latency.max);
            else
                printf(",,,");
            printf(",%llu,%llu\n", (unsigned long long)c->beside_operations, (unsigned long long)c->beside_max_ns);
        }
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---- JSON ---- */

static json_t *json_of_cell(const bench_setup *s, size_t i, size_t b, const bench_cell *c)
{
    const histogram *h = &c->latency;
    json_t *rounds = json_array(), *latencies = json_object();
    char edge[24]; /* of a bucket; an object, so that those of shards add up */
    for (unsigned k = 0; k < HISTOGRAM_BUCKETS; k++)
        if (h->bucket[k]) {
            snprintf(edge, sizeof edge, "%llu", (unsigned long long)histogram_bucket_upper(k));
            json_object_set_new(latencies, edge, json_integer((json_int_t)h->bucket[k]));
        }
    for (unsigned r = 0; r < c->rounds; r++)
        json_array_append_new(rounds, json_pack("{s:I, s:I, s:f}", "operations", (json_int_t)c->round[r].operations,
                                                "bytes", (json_int_t)c->round[r].bytes, "seconds",
                                                c->round[r].seconds));
    return json_pack("{s:s, s:s, s:f, s:b, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:I, s:o, s:o, s:o}", "benchmark",
                     s->bench_name[b], "store", s->store[i].label, "median_per_second", bench_cell_median(c), "cut",
                     c->cut, "not_found", (json_int_t)c->not_found, "latency_ns", "count", (json_int_t)h->count,
                     "p50", (json_int_t)histogram_quantile(h, 0.5), "p99",
                     (json_int_t)histogram_quantile(h, 0.99), "p99.9", (json_int_t)histogram_quantile(h, 0.999),
                     "max", (json_int_t)h->max, "beside_operations", (json_int_t)c->beside_operations,
                     "beside_max_ns", (json_int_t)c->beside_max_ns, "beside_checkpoints",
                     c->beside_told ? json_integer((json_int_t)c->beside_checkpoints) : json_null(), "rounds", rounds,
                     "latencies", latencies);
}

json_t *bench_stores_json(const bench_setup *s)
{
    char unsynced[STORE_MESSAGE_BYTES], synced[STORE_MESSAGE_BYTES];
    json_t *stores = json_array();
    for (size_t i = 0; i < s->stores; i++)
        json_array_append_new(stores, json_pack("{s:s, s:s, s:s, s:s}", "store", s->store[i].label, "version",
                                                s->store[i].adapter->version(), "unsynced",
                                                bench_configuration(s, i, false, unsynced), "synced",
                                                bench_configuration(s, i, true, synced)));
    return stores;
}

json_t *bench_options_json(const bench_setup *s)
{
    const bench_options *o = &s->o;
    const struct {
        const char *name;
        uint64_t value; /* at most INT64_MAX: the options see to that */
    } numbers[] = {
        { "num", o->num }, { "reads", o->reads ? o->reads : o->num }, { "syncs", o->syncs }, { "large", o->large },
        { "key_size", o->key_bytes }, { "value_size", o->value_bytes }, { "large_value_size", o->large_value_bytes },
        { "batch_size", o->batch }, { "large_batch_size", o->large_batch }, { "multi", o->multi },
        { "seek_nexts", o->seek_nexts }, { "threads", o->threads }, { "rounds", s->rounds }, { "seed", o->seed },
        { "cache_size", s->cache_bytes }, { "write_buffer_size", s->write_buffer_bytes },
        { "kill_log", s->kill_log_bytes },
    };
    json_t *options = json_pack("{s:f, s:f, s:b, s:b, s:b}", "hot", o->hot_share, "duration", o->duration_s, "sync",
                                o->sync, "pin", o->pin, "use_existing_db", s->use_existing);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(options, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    return options;
}

bool bench_json_print(json_t *root, FILE *to)
{
    bool ok = root && json_dumpf(root, to, JSON_INDENT(1)) == 0;
    fputc('\n', to);
    json_decref(root);
    return ok && fflush(to) == 0 && !ferror(to);
}

bool bench_report_json(const bench_setup *s, const bench_row *rows)
{
    json_t *results = json_array();
    for (size_t i = 0; i < s->stores; i++)
        for (size_t b = 0; b < s->benches; b++)
            if (rows[i].bench[b].rounds)
                json_array_append_new(results, json_of_cell(s, i, b, &rows[i].bench[b]));
    json_t *root = json_pack("{s:s, s:o, s:o, s:o}", "version", LEVIN_VERSION, "options", bench_options_json(s),
                             "stores", bench_stores_json(s), "results", results);
    return bench_json_print(root, stdout);
}
