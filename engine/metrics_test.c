/*
 * metrics_test.c - what a store tells about itself.
 *
 * Checked: distributions keep count, sum and maximum exactly and quantiles within 3 %; the store's counters equal a
 * counted reference; histograms count what they say they sample; failures are counted by code; the three texts carry
 * all of it: JSON by a parser, Prometheus by a strict one written here, labels escaped.
 */
#include <ctype.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "distribution.h"
#include "io.h"
#include "levin.h"

static char directory[96];

static void directory_make(const char *tail)
{
    char base[] = "/tmp/levin-metrics-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(directory, sizeof directory, "%s%s", base, tail);
}

static void directory_remove(void)
{
    char command[256], base[32];
    snprintf(base, sizeof base, "%.30s", directory);
    snprintf(command, sizeof command, "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

static levin *store_open(void)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 1 << 20;
    o.wal_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    levin_code code = levin_open(directory, &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s", error.message);
    return db;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* SplitMix64 (Steele, Lea, Flood 2014) */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(distribution__quantiles_are_within_3_percent)
{
    enum { N = 20000 };
    static uint64_t number[N];
    static distribution d;
    static distribution_copy copy;
    static const double shares[] = { 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1 };
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t state = seed, sum = 0;
        memset(&d, 0, sizeof d);
        for (size_t i = 0; i < N; i++) {
            number[i] = random_next(&state) >> (28 + random_next(&state) % 36);
            distribution_add(&d, number[i]);
            sum += number[i];
        }
        qsort(number, N, sizeof number[0], by_value);
        distribution_read(&d, &copy);
        ck_assert_uint_eq(copy.count, N);
        ck_assert_uint_eq(copy.sum, sum);
        ck_assert_uint_eq(copy.max, number[N - 1]);
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            size_t rank = (size_t)(shares[i] * N + 0.999999999);
            double truth = (double)number[rank - 1], told = (double)distribution_quantile(&copy, shares[i]);
            ck_assert_msg(told <= truth * 1.03 && told >= truth * 0.97, "seed %llu share %g: %g, not %g",
                          (unsigned long long)seed, shares[i], told, truth);
        }
        for (unsigned bits = 5; bits <= 35; bits++) {
            uint64_t below = 0;
            while (below < N && number[below] < (uint64_t)1 << bits)
                below++;
            ck_assert_uint_eq(distribution_below(&copy, bits), below);
        }
    }
}
END_TEST

START_TEST(distribution__buckets_meet_without_gap_and_hold_their_edges)
{
    static distribution d;
    static distribution_copy copy;
    uint64_t next = 0;
    for (unsigned i = 0; i < DISTRIBUTION_BUCKETS; i++) {
        uint64_t first, last;
        distribution_edges(i, &first, &last);
        ck_assert_uint_eq(first, next);
        ck_assert(i == DISTRIBUTION_BUCKETS - 1 || last - first <= first / 32);
        next = last + 1;
        distribution_add(&d, first);
        distribution_add(&d, last);
        distribution_read(&d, &copy);
        ck_assert_uint_eq(copy.bucket[i], 2);
    }
    ck_assert_uint_eq(next, 0); /* the last one ends with the largest number */
    static const distribution_copy none;
    ck_assert_uint_eq(distribution_quantile(&none, 0.5), 0);
}
END_TEST

/* ---- a store with known counts ---- */

enum { PUTS_NONE = 100, PUTS_SYNCED = 7, GETS = 200 };

static void nothing(void *context, levin_code code)
{
    ck_assert_int_eq(code, LEVIN_OK);
    ++*(int *)context;
}

static levin *store_with_work(void)
{
    levin *db = store_open();
    char key[16];
    for (int i = 0; i < PUTS_NONE; i++) {
        snprintf(key, sizeof key, "n%03d", i);
        ck_assert_int_eq(levin_put(db, key, 4, "value", 5, LEVIN_NONE), LEVIN_OK);
    }
    for (int i = 0; i < PUTS_SYNCED; i++)
        ck_assert_int_eq(levin_put(db, "s", 1, &i, sizeof i, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_put(db, "l", 1, "x", 1, LEVIN_LOGGED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    char buffer[16];
    size_t bytes;
    for (int i = 0; i < GETS; i++) {
        snprintf(key, sizeof key, "n%03d", i);
        ck_assert_int_eq(levin_get(db, NULL, key, 4, buffer, sizeof buffer, &bytes),
                         i < PUTS_NONE ? LEVIN_OK : LEVIN_NOT_FOUND);
    }
    ck_assert_int_eq(levin_put(db, "", 0, "x", 1, LEVIN_NONE), LEVIN_INVALID);
    ck_assert_int_eq(levin_put(db, buffer, 2000, "x", 1, LEVIN_NONE), LEVIN_TOO_BIG);
    levin_batch *batch;
    levin_ticket *ticket;
    int called = 0;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_write_callback(db, batch, LEVIN_NONE, nothing, &called), LEVIN_OK);
    ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
    ck_assert_int_eq(called, 1);
    levin_batch_destroy(batch);
    return db;
}

static levin_histogram histogram_of(levin *db, levin_histogram_id id)
{
    levin_histogram h;
    ck_assert_int_eq(levin_histogram_get(db, id, &h), LEVIN_OK);
    return h;
}

static bool add_bucket(void *context, uint64_t first, uint64_t last, uint64_t count)
{
    ck_assert_uint_le(first, last);
    *(uint64_t *)context += count;
    return true;
}

static bool stop_at_once(void *context, uint64_t first, uint64_t last, uint64_t count)
{
    (void)context, (void)first, (void)last, (void)count;
    return false;
}

START_TEST(metrics__counters_and_histograms_equal_what_was_done)
{
    directory_make("");
    levin *db = store_with_work();
    levin_stats s;
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.gets, GETS);
    ck_assert_uint_eq(s.get_hits, PUTS_NONE);
    ck_assert_uint_eq(s.puts, PUTS_NONE + PUTS_SYNCED + 1);
    ck_assert_uint_eq(s.tickets, 1);
    ck_assert_uint_eq(s.callbacks, 1);
    ck_assert_uint_eq(s.error_invalid, 1);
    ck_assert_uint_eq(s.error_too_big, 1);
    ck_assert_uint_eq(s.error_io, 0);
    ck_assert_uint_eq(s.checkpoints, 1);
    ck_assert_uint_gt(s.checkpoint_bytes, 4096);
    ck_assert_uint_ge(s.pages_written_bytes, s.checkpoint_bytes);
    ck_assert_uint_ge(s.wal_written_bytes, s.wal_bytes);
    ck_assert_uint_gt(s.versions_bytes, 0);
    ck_assert_uint_gt(s.log_bytes, 0);
    ck_assert_uint_le(s.versions_bytes + s.log_bytes + s.cache_bytes + s.memtable_bytes, s.memory_bytes);
    /* with one thread the sampling is exact */
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_get).count, (GETS + 255) / 256);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_none).count, PUTS_NONE / 16);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_synced).count, PUTS_SYNCED);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_logged).count, 1);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_wal_sync).count, s.wal_file_syncs);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_pages_sync).count, s.pages_syncs);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_pages_sync).sum, s.pages_sync_ns);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_checkpoint).count, 1);
    levin_histogram groups = histogram_of(db, LEVIN_HISTOGRAM_group_batches);
    ck_assert_uint_eq(groups.count, s.groups);
    ck_assert_uint_eq(groups.sum, s.batches);
    ck_assert_uint_eq(groups.p50, 1);
    uint64_t counted = 0;
    ck_assert_int_eq(levin_histogram_buckets(db, LEVIN_HISTOGRAM_group_bytes, add_bucket, &counted), LEVIN_OK);
    ck_assert_uint_eq(counted, s.groups);
    ck_assert_int_eq(levin_histogram_buckets(db, LEVIN_HISTOGRAM_group_bytes, stop_at_once, NULL), LEVIN_INTERRUPTED);
    ck_assert_int_eq(levin_histogram_get(db, LEVIN_HISTOGRAM_COUNT, &groups), LEVIN_INVALID);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.replayed_operations, 0); /* all was in the checkpoint */
    ck_assert_int_eq(levin_put(db, "a", 1, "b", 1, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.replayed_operations, 1);
    ck_assert_uint_gt(s.wal_read_bytes, 0);
    ck_assert_uint_gt(s.recovery_ns, 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* ---- texts ---- */

static char *text_of(levin *db, levin_stats_format format)
{
    char *text;
    size_t bytes;
    ck_assert_int_eq(levin_stats_alloc(db, format, &text, &bytes), LEVIN_OK);
    ck_assert_uint_eq(strlen(text), bytes);
    return text;
}

/* ---- a strict reader of the JSON that is wanted: objects of objects, strings and whole numbers (RFC 8259) ---- */

typedef struct json_reader {
    const char *at;
    size_t members, objects;
} json_reader;

static void json_string(json_reader *r, char text[64])
{
    size_t n = 0;
    ck_assert_msg(*r->at == '"', "a string is wanted: %.40s", r->at);
    for (r->at++; *r->at != '"'; r->at++) {
        ck_assert_msg((unsigned char)*r->at >= 0x20 && *r->at != '\\' && n < 63, "no plain string: %.40s", r->at);
        text[n++] = *r->at;
    }
    text[n] = 0;
    r->at++;
}

/* Each member comes once. */
static void json_object(json_reader *r, unsigned depth)
{
    char names[128][64], text[64];
    size_t count = 0;
    ck_assert_uint_lt(depth, 4);
    ck_assert_int_eq(*r->at, '{');
    r->objects++;
    do {
        r->at++;
        json_string(r, names[count]);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(strcmp(names[i], names[count]) != 0, "%s comes twice", names[count]);
        ck_assert_uint_lt(++count, 128);
        ck_assert_int_eq(*r->at++, ':');
        r->members++;
        if (*r->at == '{') {
            json_object(r, depth + 1);
        } else if (*r->at == '"') {
            json_string(r, text);
        } else {
            ck_assert(isdigit((unsigned char)r->at[0]) && (r->at[0] != '0' || !isdigit((unsigned char)r->at[1])));
            while (isdigit((unsigned char)*r->at))
                r->at++;
        }
    } while (*r->at == ',');
    ck_assert_msg(*r->at == '}', "the end of an object is wanted: %.40s", r->at);
    r->at++;
}

START_TEST(metrics__json_holds_every_counter_and_histogram)
{
    directory_make("");
    levin *db = store_with_work();
    char *text = text_of(db, LEVIN_STATS_JSON);
    json_reader r = { .at = text };
    json_object(&r, 0);
    ck_assert_str_eq(r.at, "\n");
    ck_assert_uint_eq(r.objects, 3 + LEVIN_HISTOGRAM_COUNT);
    ck_assert_uint_eq(r.members, 2 + sizeof(levin_stats) / sizeof(uint64_t) + LEVIN_HISTOGRAM_COUNT * 9);
    ck_assert_ptr_nonnull(strstr(text, "\"puts\":108,"));
    ck_assert_ptr_nonnull(strstr(text, "\"write_synced\":{\"unit\":\"ns\",\"sample_every\":1,\"count\":7,"));
    levin_free(db, text);
    text = text_of(db, LEVIN_STATS_TEXT);
    ck_assert_ptr_nonnull(strstr(text, "group_batches"));
    levin_free(db, text);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(metrics__a_buffer_too_small_is_left_alone)
{
    directory_make("");
    levin *db = store_with_work();
    levin_code (*const into[])(levin *, char *, size_t, size_t *) = { levin_stats_text, levin_stats_json,
                                                                      levin_stats_prometheus };
    for (size_t i = 0; i < 3; i++) {
        size_t need = 0, bytes = 0;
        ck_assert_int_eq(into[i](db, NULL, 0, &need), LEVIN_TOO_SMALL);
        char *buffer = malloc(need + 1);
        memset(buffer, 'x', need + 1);
        ck_assert_int_eq(into[i](db, buffer, need, &bytes), LEVIN_TOO_SMALL);
        ck_assert_int_eq(buffer[0], 'x');
        ck_assert_int_eq(into[i](db, buffer, need + 1, &bytes), LEVIN_OK);
        ck_assert_uint_eq(bytes, need);
        ck_assert_uint_eq(strlen(buffer), need);
        free(buffer);
    }
    char *text;
    ck_assert_int_eq(levin_stats_alloc(db, (levin_stats_format)3, &text, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* ---- a strict reader of the Prometheus text format 0.0.4 ---- */

typedef struct reader {
    const char *at;
    char help[128], type_of[128], type[16]; /* of the family that goes on */
    char seen[256][128];                    /* families, each once */
    size_t families, samples;
    char series[512]; /* labels without le of the histogram series that goes on */
    double le, sum;   /* of that series */
    uint64_t bucket;
    bool infinite, had_sum;
} reader;

static size_t name_bytes(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == ':')
        n++;
    ck_assert_msg(n > 0 && !isdigit((unsigned char)p[0]), "a name is wanted: %.60s", p);
    return n;
}

static const char *head_line(reader *r, const char *p)
{
    char name[128];
    bool help = !strncmp(p, "# HELP ", 7);
    ck_assert_msg(help || !strncmp(p, "# TYPE ", 7), "HELP or TYPE is wanted: %.60s", p);
    p += 7;
    size_t n = name_bytes(p);
    snprintf(name, sizeof name, "%.*s", (int)n, p);
    p += n;
    ck_assert_int_eq(*p++, ' ');
    const char *end = strchr(p, '\n');
    ck_assert_msg(end && end > p, "a text is wanted after %s", name);
    if (help) {
        snprintf(r->help, sizeof r->help, "%s", name);
        for (size_t i = 0; i < r->families; i++)
            ck_assert_msg(strcmp(r->seen[i], name) != 0, "the family %s comes twice", name);
        snprintf(r->seen[r->families++], sizeof r->seen[0], "%s", name);
    } else {
        ck_assert_str_eq(r->help, name);
        snprintf(r->type_of, sizeof r->type_of, "%s", name);
        snprintf(r->type, sizeof r->type, "%.*s", (int)(end - p), p);
        ck_assert(!strcmp(r->type, "counter") || !strcmp(r->type, "gauge") || !strcmp(r->type, "histogram"));
        r->series[0] = 0;
    }
    return end + 1;
}

/* Labels: all but le into series, le apart ("" when there is none); the store's value unescaped must be the path. */
static const char *labels(const char *p, char series[512], char le[256])
{
    size_t used = 0;
    bool store = false;
    le[0] = 0;
    ck_assert_int_eq(*p, '{');
    do {
        char name[64], value[256];
        size_t n = name_bytes(++p), v = 0;
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        p += n;
        ck_assert_int_eq(*p++, '=');
        ck_assert_int_eq(*p++, '"');
        for (; *p != '"'; p++) {
            ck_assert_msg(*p && *p != '\n', "a label value does not end");
            char c = *p;
            if (c == '\\') {
                p++;
                ck_assert_msg(*p == '\\' || *p == '"' || *p == 'n', "an escape that does not exist: \\%c", *p);
                c = *p == 'n' ? '\n' : *p;
            }
            ck_assert_uint_lt(v, sizeof value - 1);
            value[v++] = c;
        }
        value[v] = 0;
        p++;
        if (!strcmp(name, "store")) {
            ck_assert_str_eq(value, directory);
            store = true;
        }
        if (!strcmp(name, "le"))
            snprintf(le, 256, "%s", value);
        else
            used += (size_t)snprintf(series + used, 512 - used, "%s=%s;", name, value);
    } while (*p == ',');
    ck_assert_int_eq(*p++, '}');
    ck_assert(store);
    return p;
}

static void histogram_sample(reader *r, const char *suffix, const char *series, const char *le, double value)
{
    if (!strcmp(suffix, "_bucket")) {
        if (strcmp(r->series, series) != 0) {
            ck_assert_msg(r->series[0] == 0, "a histogram did not end: %s", r->series);
            snprintf(r->series, sizeof r->series, "%s", series);
            r->le = -1, r->bucket = 0, r->infinite = r->had_sum = false;
        }
        double edge = strcmp(le, "+Inf") ? strtod(le, NULL) : 1e300;
        ck_assert_msg(le[0] && edge > r->le && !r->infinite, "buckets are not in order: %s", le);
        ck_assert_msg(value >= (double)r->bucket, "buckets do not add up");
        r->le = edge;
        r->bucket = (uint64_t)value;
        r->infinite = edge > 1e299;
        return;
    }
    ck_assert_str_eq(series, r->series);
    ck_assert(r->infinite && !le[0]);
    if (!strcmp(suffix, "_sum")) {
        ck_assert(!r->had_sum);
        r->had_sum = true;
        r->sum = value;
        return;
    }
    ck_assert_str_eq(suffix, "_count");
    ck_assert(r->had_sum && (uint64_t)value == r->bucket);
    r->series[0] = 0;
}

static const char *sample_line(reader *r, const char *p)
{
    char name[128], series[512], le[256], *end;
    size_t n = name_bytes(p), family = strlen(r->type_of);
    snprintf(name, sizeof name, "%.*s", (int)n, p);
    ck_assert_msg(!strncmp(name, r->type_of, family), "%s without its TYPE before", name);
    p = labels(p + n, series, le);
    ck_assert_int_eq(*p++, ' ');
    ck_assert(isdigit((unsigned char)*p));
    double value = strtod(p, &end);
    ck_assert_msg(*end == '\n', "a line does not end after its number: %.60s", p);
    if (!strcmp(r->type, "histogram")) {
        histogram_sample(r, name + family, series, le, value);
    } else {
        ck_assert_str_eq(name, r->type_of);
        ck_assert_msg(strcmp(r->type, "counter") != 0 || !strcmp(name + n - 6, "_total"), "%s", name);
        ck_assert(!le[0]);
    }
    r->samples++;
    return end + 1;
}

static void read_prometheus(const char *text, reader *r)
{
    memset(r, 0, sizeof *r);
    for (const char *p = text; *p;)
        p = *p == '#' ? head_line(r, p) : sample_line(r, p);
    ck_assert_msg(r->series[0] == 0, "a histogram did not end: %s", r->series);
}

START_TEST(metrics__prometheus_text_is_well_formed_and_labels_are_escaped)
{
    static reader r;
    directory_make("/a \"store\"\nwith \\ it");
    levin *db = store_with_work();
    char *text = text_of(db, LEVIN_STATS_PROMETHEUS);
    read_prometheus(text, &r);
    ck_assert_uint_ge(r.samples, sizeof(levin_stats) / sizeof(uint64_t) + LEVIN_HISTOGRAM_COUNT * 34);
    ck_assert_ptr_nonnull(strstr(text, "levin_errors_total{store=\"/tmp/"));
    ck_assert_ptr_nonnull(strstr(text, ",code=\"too_big\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, ",durability=\"synced\",le=\"+Inf\"} 7\n"));
    ck_assert_ptr_nonnull(strstr(text, "# TYPE levin_wal_sync_seconds histogram\n"));
    levin_free(db, text);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* The calls between would otherwise take every number that is sampled. */
START_TEST(metrics__calls_in_a_fixed_pattern_are_measured_too)
{
    enum { ROUNDS = 6400 };
    directory_make("");
    levin *db = store_open();
    char value[8];
    size_t bytes;
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(levin_put(db, "k", 1, "v", 1, LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_write(db, NULL, LEVIN_LOGGED), LEVIN_OK);
        ck_assert_int_eq(levin_contains(db, NULL, "k", 1), LEVIN_OK);
        ck_assert_int_eq(levin_get(db, NULL, "k", 1, value, sizeof value, &bytes), LEVIN_OK);
    }
    uint64_t gets = histogram_of(db, LEVIN_HISTOGRAM_get).count;
    uint64_t puts = histogram_of(db, LEVIN_HISTOGRAM_write_none).count;
    ck_assert_uint_ge(gets, ROUNDS / 256 / 2);
    ck_assert_uint_le(gets, ROUNDS / 256 * 2);
    ck_assert_uint_ge(puts, ROUNDS / 16 / 2);
    ck_assert_uint_le(puts, ROUNDS / 16 * 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Whatever has fallen is a gauge. */
START_TEST(metrics__what_falls_is_a_gauge)
{
    static const char *const names[] = {
#define NAME_OF(name, text) #name,
        LEVIN_STATS(NAME_OF)
#undef NAME_OF
    };
    static char value[20000];
    union {
        levin_stats s;
        uint64_t field[sizeof(levin_stats) / sizeof(uint64_t)];
    } before, after;
    levin_keyspace *ks;
    levin_snapshot *snapshot;
    directory_make("");
    levin *db = store_open();
    ck_assert_int_eq(levin_keyspace_open(db, "one", 3, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    levin_keyspace_close(ks);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(levin_put(db, &i, sizeof i, value, i % 2 ? sizeof value : 100, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(levin_delete(db, &i, sizeof i, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    levin_stats_get(db, &before.s);
    levin_snapshot_release(snapshot);
    ck_assert_int_eq(levin_keyspace_drop(db, "one", 3, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_collect(db, 100), LEVIN_OK);
    levin_stats_get(db, &after.s);
    char *text = text_of(db, LEVIN_STATS_PROMETHEUS), line[128];
    unsigned fallen = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t bytes = strlen(names[i]);
        const bool seconds = bytes > 3 && !strcmp(names[i] + bytes - 3, "_ns");
        snprintf(line, sizeof line, "# TYPE levin_%.*s%s gauge\n", (int)(bytes - (seconds ? 3 : 0)), names[i],
                 seconds ? "_seconds" : "");
        fallen += after.field[i] < before.field[i];
        ck_assert_msg(after.field[i] >= before.field[i] || strstr(text, line), "%s falls", names[i]);
    }
    ck_assert_uint_ge(fallen, 8);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE levin_write_pressure gauge\n"));
    levin_free(db, text);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(metrics__multi_gets_are_measured)
{
    enum { CALLS = 20000 };
    directory_make("");
    levin *db = store_open();
    char value[16];
    for (int i = 0; i < CALLS; i++) {
        levin_get_request r[3] = { { .key = "a", .key_bytes = 1, .buffer = value, .capacity = sizeof value },
                                   { .key = "b", .key_bytes = 1, .buffer = value, .capacity = sizeof value },
                                   { .key = "c", .key_bytes = 1, .buffer = value, .capacity = sizeof value } };
        ck_assert_int_eq(levin_multi_get(db, NULL, r, 1 + (size_t)i % 3), LEVIN_OK);
    }
    uint64_t calls = histogram_of(db, LEVIN_HISTOGRAM_multi_get).count;
    ck_assert_uint_ge(calls, CALLS / 16 / 2);
    ck_assert_uint_le(calls, CALLS / 16 * 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

static void count_done(void *context, levin_code code)
{
    *(unsigned *)context += code == LEVIN_OK;
}

/* Of tickets and callbacks one in 16 is measured, when the leader has done it, not when somebody asks. */
START_TEST(metrics__writes_that_nobody_waits_for_are_measured)
{
    enum { CALLS = 8000, LATER_NS = 20000000 };
    directory_make("");
    levin *db = store_open();
    levin_batch *batch;
    levin_ticket *ticket;
    unsigned done = 0;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_batch_put(batch, "k", 1, "v", 1), LEVIN_OK);
    for (unsigned i = 0; i < CALLS; i++) {
        if (i % 2) {
            ck_assert_int_eq(levin_write_callback(db, batch, LEVIN_NONE, count_done, &done), LEVIN_OK);
        } else {
            ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
            ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
        }
    }
    while (done < CALLS / 2)
        {
        bool more;
        ck_assert_int_eq(levin_work(db, &more), LEVIN_OK);
    }
    levin_histogram h = histogram_of(db, LEVIN_HISTOGRAM_async_write);
    ck_assert_uint_ge(h.count, CALLS / 16 / 2);
    ck_assert_uint_le(h.count, CALLS / 16 * 2);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_none).count, 0); /* they are another kind of write */
    /* a ticket that is waited for late was done late: it stayed queued */
    const uint64_t before = h.count;
    for (unsigned i = 0; h.count == before && i < 400; i++) {
        ck_assert_int_eq(levin_write_async(db, batch, LEVIN_NONE, &ticket), LEVIN_OK);
        nanosleep(&(struct timespec){ .tv_nsec = LATER_NS / 16 }, NULL);
        ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
        h = histogram_of(db, LEVIN_HISTOGRAM_async_write);
    }
    ck_assert_uint_gt(h.count, before);
    ck_assert_uint_ge(h.max, LATER_NS / 16);
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(metrics__a_write_is_filed_under_the_durability_that_it_gets)
{
    enum { WRITES = 40 };
    directory_make("");
    levin_options o;
    levin *db;
    levin_options_init(&o);
    o.min_durability = LEVIN_SYNCED;
    o.background = LEVIN_BACKGROUND_NONE;
    ck_assert_int_eq(levin_open(directory, &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < WRITES; i++)
        ck_assert_int_eq(levin_put(db, &i, sizeof i, "v", 1, i % 2 ? LEVIN_NONE : LEVIN_LOGGED), LEVIN_OK);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_none).count, 0);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_logged).count, 0);
    ck_assert_uint_eq(histogram_of(db, LEVIN_HISTOGRAM_write_synced).count, WRITES);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(metrics__syncs_of_the_value_log_are_measured)
{
    enum { WRITES = 5 };
    directory_make("");
    levin_options o;
    levin_stats s;
    levin *db;
    char value[5000] = { 0 };
    levin_options_init(&o);
    o.value_log_threshold_bytes = 1000;
    o.background = LEVIN_BACKGROUND_NONE;
    ck_assert_int_eq(levin_open(directory, &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < WRITES; i++)
        ck_assert_int_eq(levin_put(db, &i, sizeof i, value, sizeof value, LEVIN_SYNCED), LEVIN_OK);
    levin_stats_get(db, &s);
    levin_histogram h = histogram_of(db, LEVIN_HISTOGRAM_vlog_sync);
    ck_assert_uint_ge(h.count, WRITES);
    ck_assert_uint_eq(h.count, s.vlog_syncs);
    ck_assert_uint_eq(h.sum, s.vlog_sync_ns);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

static uint64_t readers_bytes(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    ck_assert_uint_le(s.readers_bytes, s.memory_bytes);
    return s.readers_bytes;
}

START_TEST(metrics__what_readers_hold_is_told)
{
    directory_make("");
    levin *db = store_open();
    levin_snapshot *snapshot;
    levin_iter *iter;
    levin_txn *txn;
    char value[3000] = { 0 };
    ck_assert_int_eq(levin_put(db, "a", 1, value, sizeof value, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_uint_eq(readers_bytes(db), 0);
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    const uint64_t one = readers_bytes(db);
    ck_assert_uint_gt(one, 0);
    ck_assert_int_eq(levin_iter_open(db, NULL, &iter), LEVIN_OK);
    const uint64_t two = readers_bytes(db);
    ck_assert_uint_ge(two, one + 4096 / 4); /* room for a key */
    ck_assert(levin_iter_first(iter));
    ck_assert_uint_eq(levin_iter_value(iter).size, sizeof value);
    ck_assert_uint_ge(readers_bytes(db), two + sizeof value); /* a value of its own */
    levin_iter_close(iter);
    ck_assert_uint_eq(readers_bytes(db), one);
    ck_assert_int_eq(levin_txn_begin(db, NULL, &txn), LEVIN_OK);
    const uint64_t three = readers_bytes(db);
    ck_assert_uint_gt(three, one);
    ck_assert_int_eq(levin_txn_put(txn, "b", 1, value, sizeof value), LEVIN_OK);
    ck_assert_uint_ge(readers_bytes(db), three + sizeof value);
    ck_assert_int_eq(levin_txn_commit(txn, LEVIN_NONE), LEVIN_OK);
    ck_assert_uint_eq(readers_bytes(db), one); /* it is over, and holds back nothing */
    levin_txn_destroy(txn);
    levin_snapshot_release(snapshot);
    ck_assert_uint_eq(readers_bytes(db), 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

static bool stop_at_reader(void *context, const levin_reader *oldest)
{
    (void)context;
    (void)oldest;
    return false;
}

static bool stop_at_name(void *context, levin_slice name)
{
    (void)context;
    (void)name;
    return false;
}

START_TEST(metrics__errors_are_counted_by_code)
{
    directory_make("");
    levin *db = store_open();
    levin_keyspace *ks;
    levin_stats s;
    ck_assert_int_eq(levin_keyspace_open(db, "none", 4, 0, &ks), LEVIN_NO_KEYSPACE);
    ck_assert_int_eq(levin_keyspace_open(db, "one", 3, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    levin_keyspace_close(ks);
    ck_assert_int_eq(levin_keyspace_open(db, "one", 3, LEVIN_KEYSPACE_EXCLUSIVE, &ks), LEVIN_EXISTS);
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.error_no_keyspace, 1);
    ck_assert_uint_eq(s.error_exists, 1);
    levin_snapshot *snapshot;
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    ck_assert_int_eq(levin_readers_list(db, stop_at_reader, NULL), LEVIN_INTERRUPTED);
    levin_snapshot_release(snapshot);
    ck_assert_int_eq(levin_keyspace_list(db, NULL, stop_at_name, NULL), LEVIN_INTERRUPTED);
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.error_interrupted, 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* The table of levin_io_posix(), but a sync of a log asks for the statistics first, in the thread that commits. */
static levin *asked;
static unsigned answered;

static int sync_and_ask(void *context, levin_file *file)
{
    levin_stats s;
    if (asked) {
        levin_stats_get(asked, &s);
        answered++;
    }
    return levin_io_posix()->sync(context, file);
}

START_TEST(metrics__statistics_wait_for_no_sync)
{
    directory_make("");
    levin_io io = *levin_io_posix();
    levin_options o;
    levin *db;
    io.sync = sync_and_ask;
    levin_options_init(&o);
    o.io = &io;
    o.background = LEVIN_BACKGROUND_NONE;
    ck_assert_int_eq(levin_open(directory, &o, &db, NULL), LEVIN_OK);
    asked = db;
    alarm(20); /* it would wait for itself */
    ck_assert_int_eq(levin_put(db, "k", 1, "v", 1, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_uint_ge(answered, 2);
    asked = NULL;
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    alarm(0);
    directory_remove();
}
END_TEST

LEVIN_TEST_MAIN("metrics", TEST(metrics__what_falls_is_a_gauge),
                TEST(metrics__multi_gets_are_measured), TEST(metrics__writes_that_nobody_waits_for_are_measured),
                TEST(metrics__a_write_is_filed_under_the_durability_that_it_gets),
                TEST(metrics__syncs_of_the_value_log_are_measured), TEST(metrics__what_readers_hold_is_told),
                TEST(metrics__errors_are_counted_by_code),
                TEST(metrics__statistics_wait_for_no_sync), TEST(distribution__quantiles_are_within_3_percent),
                TEST(distribution__buckets_meet_without_gap_and_hold_their_edges),
                TEST(metrics__counters_and_histograms_equal_what_was_done),
                TEST(metrics__json_holds_every_counter_and_histogram),
                TEST(metrics__a_buffer_too_small_is_left_alone),
                TEST(metrics__prometheus_text_is_well_formed_and_labels_are_escaped),
                TEST(metrics__calls_in_a_fixed_pattern_are_measured_too))
