/*
 * bench_report.c - medians over the rounds, each store beside the first.
 */
#include "bench_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "../engine/levin.h"

void bench_cell_add(bench_cell *c, const bench_result *r)
{
    if (c->rounds == BENCH_ROUNDS_MAX || (r->cut && c->rounds))
        return;
    c->round[c->rounds++] = (bench_round){ r->operations, r->bytes, r->seconds };
    c->cut = r->cut;
    c->not_found += r->not_found;
    histogram_merge(&c->latency, &r->latency);
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_cell_median(const bench_cell *c)
{
    double v[BENCH_ROUNDS_MAX];
    if (!c->rounds)
        return 0;
    for (unsigned i = 0; i < c->rounds; i++)
        v[i] = c->round[i].seconds > 0 ? (double)c->round[i].operations / c->round[i].seconds : 0;
    qsort(v, c->rounds, sizeof *v, by_double);
    return c->rounds % 2 ? v[c->rounds / 2] : (v[c->rounds / 2 - 1] + v[c->rounds / 2]) / 2;
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

/* Into `text`, which is handed back. */
static const char *configuration_of(const bench_setup *s, size_t which, bool synced, char text[STORE_MESSAGE_BYTES])
{
    store_config config = { .sync = synced, .cache_bytes = s->cache_bytes,
                            .write_buffer_bytes = s->write_buffer_bytes, .background = true };
    s->store[which]->configuration(&config, text);
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

static void print_line(const bench_setup *s, size_t which, size_t bench, const bench_cell *c, double first)
{
    bench_round total = total_of(c);
    double rate = bench_cell_median(c);
    printf("%-16s %-8s ", s->bench_name[bench], s->store[which]->name);
    print_rate(rate);
    printf(" %8.2f %10.1f", first > 0 ? rate / first : 0,
           total.operations ? rate * (double)total.bytes / (double)total.operations / 1e6 : 0);
    if (c->latency.count)
        printf(" %9llu %9llu %9llu", (unsigned long long)histogram_quantile(&c->latency, 0.5),
               (unsigned long long)histogram_quantile(&c->latency, 0.99),
               (unsigned long long)histogram_quantile(&c->latency, 0.999));
    printf("%s\n", c->cut ? "  cut short" : "");
}

void bench_report_text(const bench_setup *s, const bench_row *rows)
{
    char unsynced[STORE_MESSAGE_BYTES], synced[STORE_MESSAGE_BYTES];
    for (size_t i = 0; i < s->stores; i++)
        printf("%s %s\n  unsynced: %s\n  synced: %s\n", s->store[i]->name, s->store[i]->version(),
               configuration_of(s, i, false, unsynced), configuration_of(s, i, true, synced));
    printf("%llu keys of %u B, values of %u B, batches of %u, %u thread(s), %u round(s), seed %llu\n\n",
           (unsigned long long)s->o.num, s->o.key_bytes, s->o.value_bytes, s->o.batch, s->o.threads, s->rounds,
           (unsigned long long)s->o.seed);
    printf("%-16s %-8s %13s %8s %10s %9s %9s %9s\n", "benchmark", "store", "median", "ratio", "MB/s", "p50 ns",
           "p99 ns", "p99.9 ns");
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++)
            if (rows[i].bench[b].rounds)
                print_line(s, i, b, &rows[i].bench[b], bench_cell_median(&rows[0].bench[b]));
    for (size_t b = 0; b < s->benches; b++)
        for (size_t i = 0; i < s->stores; i++)
            if (rows[i].bench[b].not_found)
                printf("%s on %s: %llu of %llu keys were not there\n", s->bench_name[b], s->store[i]->name,
                       (unsigned long long)rows[i].bench[b].not_found,
                       (unsigned long long)total_of(&rows[i].bench[b]).operations);
}

/* ---- JSON ---- */

static json_t *json_of_cell(const bench_setup *s, size_t i, size_t b, const bench_cell *c)
{
    const histogram *h = &c->latency;
    json_t *rounds = json_array();
    for (unsigned r = 0; r < c->rounds; r++)
        json_array_append_new(rounds, json_pack("{s:I, s:I, s:f}", "operations", (json_int_t)c->round[r].operations,
                                                "bytes", (json_int_t)c->round[r].bytes, "seconds",
                                                c->round[r].seconds));
    return json_pack("{s:s, s:s, s:f, s:b, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:o}", "benchmark", s->bench_name[b],
                     "store", s->store[i]->name, "median_per_second", bench_cell_median(c), "cut", c->cut, "not_found",
                     (json_int_t)c->not_found, "latency_ns", "count", (json_int_t)h->count, "p50",
                     (json_int_t)histogram_quantile(h, 0.5), "p99", (json_int_t)histogram_quantile(h, 0.99), "p99.9",
                     (json_int_t)histogram_quantile(h, 0.999), "max", (json_int_t)h->max, "rounds", rounds);
}

bool bench_report_json(const bench_setup *s, const bench_row *rows)
{
    char unsynced[STORE_MESSAGE_BYTES], synced[STORE_MESSAGE_BYTES];
    json_t *results = json_array(), *stores = json_array();
    for (size_t i = 0; i < s->stores; i++) {
        json_array_append_new(stores, json_pack("{s:s, s:s, s:s, s:s}", "store", s->store[i]->name, "version",
                                                s->store[i]->version(), "unsynced", configuration_of(s, i, false, unsynced),
                                                "synced", configuration_of(s, i, true, synced)));
        for (size_t b = 0; b < s->benches; b++)
            if (rows[i].bench[b].rounds)
                json_array_append_new(results, json_of_cell(s, i, b, &rows[i].bench[b]));
    }
    const bench_options *o = &s->o;
    json_t *root = json_pack("{s:s, s:{s:I, s:i, s:i, s:i, s:i, s:I, s:I}, s:o, s:o}", "version", LEVIN_VERSION,
                             "options", "num", (json_int_t)o->num, "key_size", (int)o->key_bytes, "value_size",
                             (int)o->value_bytes, "batch_size", (int)o->batch, "threads", (int)o->threads, "seed",
                             (json_int_t)o->seed, "cache_size", (json_int_t)s->cache_bytes, "stores", stores,
                             "results", results);
    bool ok = root && json_dumpf(root, stdout, JSON_INDENT(1)) == 0;
    printf("\n");
    json_decref(root);
    return ok && fflush(stdout) == 0 && !ferror(stdout);
}
