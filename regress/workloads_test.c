/*
 * workloads_test.c - each benchmark, over a store that only counts: every key of a fill once, every operation of a
 * share done by exactly one thread, threads bound to processors, an early end, a store that fails.
 */
#include "workloads.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../faults/check_main.h"
#include "bench_threads.h"

enum { NUM = 1000, SYNCS = 101, LARGE = 13 };

/* ---- a store that counts ---- */

struct store {
    _Atomic uint64_t writes, puts, synced, gets, scans, compacted, sessions, tries, unbound; /* read after the join */
    _Atomic uint8_t written[2 * NUM]; /* YCSB inserts keys behind the others */
    uint64_t fail_after; /* writes; 0: never */
};

struct store_session {
    store *s;
};

static store_result counting_open(store *s, store_session **session)
{
    cpu_set_t mine;
    *session = calloc(1, sizeof **session);
    (*session)->s = s;
    s->sessions++;
    if (sched_getaffinity(0, sizeof mine, &mine) || CPU_COUNT(&mine) != 1)
        s->unbound++;
    return STORE_OK;
}

static store_result counting_open_fails_third(store *s, store_session **session)
{
    *session = NULL;
    return s->tries++ == 2 ? STORE_FAILED : counting_open(s, session);
}

static void counting_close(store_session *session)
{
    free(session);
}

static const char *counting_message(const store_session *session)
{
    (void)session;
    return "as planned";
}

static uint64_t number_of(store_slice key)
{
    char text[65] = "";
    memcpy(text, key.data, key.bytes);
    return strtoull(text, NULL, 10);
}

static store_result counting_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    store *s = session->s;
    if (++s->writes == s->fail_after)
        return STORE_FAILED;
    s->puts += count;
    s->synced += sync;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = number_of(operations[i].key);
        ck_assert_uint_lt(n, 2 * NUM);
        s->written[n]++;
    }
    return STORE_OK;
}

static store_result counting_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                 size_t *bytes)
{
    (void)buffer;
    session->s->gets++;
    *bytes = capacity;
    return number_of(key) % 2 ? STORE_OK : STORE_NOT_FOUND;
}

static store_result counting_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    session->s->scans++;
    for (uint64_t i = 0; i < (range->limit ? range->limit : NUM); i++)
        if (!visit(context, (store_slice){ "k", 1 }, (store_slice){ "v", 1 }))
            break;
    return STORE_OK;
}

static store_result counting_compact(store_session *session)
{
    session->s->compacted++;
    return STORE_OK;
}

/* One for each thousand writes. */
static uint64_t counting_checkpoints(store_session *session)
{
    return session->s->writes / 1000;
}

static const store_adapter counting = {
    .abi = STORE_ABI, .name = "counting", .session_open = counting_open, .session_close = counting_close,
    .message = counting_message, .write = counting_write, .get = counting_get, .scan = counting_scan,
    .compact = counting_compact,
};

static bench_options options_of(unsigned threads)
{
    bench_options o = { .num = NUM, .syncs = SYNCS, .large = LARGE, .key_bytes = 16, .value_bytes = 10,
                        .large_value_bytes = 100, .batch = 7, .large_batch = 3, .multi = 5, .seek_nexts = 10,
                        .threads = threads, .hot_share = 0.01, .seed = 1, .pin = true };
    o.values = bench_values_create(&o, &o.values_bytes);
    ck_assert_ptr_nonnull(o.values);
    return o;
}

static bool run_named(const char *name, unsigned threads, store *s, bench_result *r)
{
    bench_options o = options_of(threads);
    bool ok = bench_threads_run(workload_find(name), s, &counting, &o, r);
    free((void *)(uintptr_t)o.values);
    return ok;
}

/* ---- cases ---- */

START_TEST(workloads__a_fill_writes_every_key_once)
{
    static const char *const names[] = { "fillseq", "fillrandom" };
    for (int n = 0; n < 2; n++) {
        static store s;
        static bench_result r;
        memset(&s, 0, sizeof s);
        ck_assert(run_named(names[n], 3, &s, &r));
        ck_assert_uint_eq(r.operations, NUM);
        ck_assert_uint_eq(r.bytes, NUM * 26);
        ck_assert_uint_eq(s.writes, (NUM + 6) / 7);
        ck_assert_uint_eq(s.synced, 0);
        for (int i = 0; i < NUM; i++)
            ck_assert_uint_eq(s.written[i], 1);
    }
}
END_TEST

START_TEST(workloads__threads_share_the_operations_and_are_bound)
{
    for (unsigned threads = 1; threads <= 5; threads++) {
        static store s;
        static bench_result r;
        memset(&s, 0, sizeof s);
        ck_assert(run_named("fillsync", threads, &s, &r));
        ck_assert_uint_eq(r.operations, SYNCS);
        ck_assert_uint_eq(s.synced, SYNCS);
        ck_assert_uint_eq(r.latency.count, SYNCS);
        ck_assert_uint_eq(s.sessions, threads);
        ck_assert_uint_eq(s.unbound, 0);
        memset(&s, 0, sizeof s);
        ck_assert(run_named("readrandom", threads, &s, &r));
        ck_assert_uint_eq(r.operations, NUM);
        ck_assert_uint_eq(s.gets, NUM);
        ck_assert_uint_gt(r.not_found, NUM / 3);
        ck_assert(r.seconds > 0);
    }
    cpu_set_t all;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_int_eq(CPU_COUNT(&all), (int)sysconf(_SC_NPROCESSORS_ONLN)); /* the caller itself wanders */
}
END_TEST

START_TEST(workloads__every_one_does_something)
{
    size_t count;
    const workload *w = workloads_all(&count);
    for (size_t i = 0; i < count; i++) {
        static store s;
        static bench_result r;
        memset(&s, 0, sizeof s);
        ck_assert(run_named(w[i].name, 2, &s, &r));
        ck_assert_msg(r.operations > 0 && r.latency.count > 0, "%s did nothing", w[i].name);
        ck_assert_uint_eq(s.sessions, (w[i].threaded ? 2 : 1) + (w[i].beside != NULL));
        ck_assert(!r.cut);
        ck_assert_uint_eq(s.compacted, !strcmp(w[i].name, "compact"));
        ck_assert_msg((s.synced > 0) == w[i].synced, "%s: %llu synced writes", w[i].name, (unsigned long long)s.synced);
    }
}
END_TEST

/* Shares within four standard deviations of a seeded run; inserts are the next keys, each by one thread. */
START_TEST(workloads__ycsb_mixes)
{
    static const struct {
        const char *name;
        unsigned gets, puts, scans; /* percent of the operations */
        bool inserts;
    } mixes[] = { { "ycsba", 50, 50, 0, false }, { "ycsbb", 95, 5, 0, false }, { "ycsbc", 100, 0, 0, false },
                  { "ycsbd", 95, 5, 0, true }, { "ycsbe", 0, 5, 95, true }, { "ycsbf", 100, 50, 0, false } };
    for (size_t m = 0; m < sizeof mixes / sizeof mixes[0]; m++) {
        static store s;
        static bench_result r;
        memset(&s, 0, sizeof s);
        ck_assert(run_named(mixes[m].name, 2, &s, &r));
        ck_assert_uint_eq(r.operations, NUM);
        const uint64_t counts[] = { s.gets, s.puts, s.scans };
        const unsigned percents[] = { mixes[m].gets, mixes[m].puts, mixes[m].scans };
        for (unsigned i = 0; i < 3; i++) {
            double right = NUM * percents[i] / 100.0, sigma = sqrt(right * (100 - percents[i]) / 100);
            ck_assert_msg(fabs((double)counts[i] - right) <= 4 * sigma, "%s: %llu of kind %u, not %.0f", mixes[m].name,
                          (unsigned long long)counts[i], i, right);
        }
        uint64_t inserted = 0;
        for (unsigned i = NUM; i < 2 * NUM; i++) {
            ck_assert_uint_le(s.written[i], 1);
            inserted += s.written[i];
        }
        ck_assert_uint_eq(inserted, mixes[m].inserts ? s.puts : 0);
    }
}
END_TEST

START_TEST(workloads__stop_ends_each_early)
{
    static const volatile sig_atomic_t stop = 1;
    size_t count;
    const workload *w = workloads_all(&count);
    for (size_t i = 0; i < count; i++) {
        static store s;
        static bench_result r;
        bench_options o = options_of(2);
        memset(&s, 0, sizeof s);
        o.stop = &stop;
        o.duration_s = 1e6;
        ck_assert(bench_threads_run(&w[i], &s, &counting, &o, &r));
        ck_assert(r.cut);
        ck_assert_uint_lt(r.operations, NUM);
        free((void *)(uintptr_t)o.values);
    }
}
END_TEST

START_TEST(workloads__duration_ends_by_the_clock)
{
    static store s;
    static bench_result r;
    bench_options o = options_of(2);
    o.duration_s = 0.05;
    ck_assert(bench_threads_run(workload_find("readhot"), &s, &counting, &o, &r));
    ck_assert(r.seconds >= 0.05 && !r.cut);
    ck_assert_uint_eq(r.operations, s.gets);
    /* a fill ends by count all the same: its keys are a permutation */
    ck_assert(bench_threads_run(workload_find("fillrandom"), &s, &counting, &o, &r));
    ck_assert_uint_eq(r.operations, NUM);
    free((void *)(uintptr_t)o.values);
}
END_TEST

START_TEST(workloads__limit_ends_a_count_and_is_no_cut)
{
    static store s;
    static bench_result r;
    bench_options o = options_of(2);
    o.limit_s = 0.05;
    o.syncs = UINT64_MAX / 4;
    ck_assert(bench_threads_run(workload_find("fillsync"), &s, &counting, &o, &r));
    ck_assert(r.seconds >= 0.05 && !r.cut);
    o.syncs = SYNCS; /* and the count ends it where that is sooner */
    o.limit_s = 1e6;
    ck_assert(bench_threads_run(workload_find("fillsync"), &s, &counting, &o, &r));
    ck_assert_uint_eq(r.operations, SYNCS);
    free((void *)(uintptr_t)o.values);
}
END_TEST

START_TEST(workloads__a_writer_beside_is_counted_apart)
{
    static store s;
    static bench_result r;
    bench_options o = options_of(2);
    o.duration_s = 0.05;
    ck_assert(bench_threads_run(workload_find("readwhilewriting"), &s, &counting, &o, &r));
    ck_assert_uint_eq(s.sessions, 3);
    ck_assert_uint_eq(s.unbound, 0);
    ck_assert_uint_eq(r.operations, s.gets);
    ck_assert_uint_eq(r.latency.count, s.gets); /* every one timed */
    ck_assert_uint_gt(s.puts, 0);
    ck_assert_uint_eq(r.beside_operations, s.puts);
    ck_assert_uint_gt(r.beside_max_ns, 0);
    ck_assert_uint_eq(s.synced, 0);
    /* one that fails beside fails the run, and the readers end all the same */
    memset(&s, 0, sizeof s);
    s.fail_after = 1;
    ck_assert(!bench_threads_run(workload_find("readwhilewriting"), &s, &counting, &o, &r));
    free((void *)(uintptr_t)o.values);
}
END_TEST

START_TEST(workloads__readers_go_on_until_checkpoints_were_met)
{
    static store s;
    static bench_result r;
    bench_options o = options_of(2);
    store_adapter telling = counting;
    telling.checkpoints = counting_checkpoints;
    o.reads = 10; /* the readers' own end is long over */
    for (unsigned timed = 0; timed < 2; timed++) {
        memset(&s, 0, sizeof s);
        o.duration_s = timed ? 0.001 : 0;
        o.beside_checkpoints = 3;
        ck_assert(bench_threads_run(workload_find("readwhilewriting"), &s, &telling, &o, &r));
        ck_assert(r.beside_told && !r.cut);
        ck_assert_uint_ge(r.beside_checkpoints, 3);
        ck_assert_uint_eq(r.beside_checkpoints, s.writes / 1000);
        ck_assert_uint_eq(r.operations, s.gets);
        ck_assert_uint_eq(r.latency.count, s.gets);
        ck_assert_uint_gt(s.gets, o.reads);
    }
    /* one that fails before is the end, and a store that does not tell is not waited for */
    memset(&s, 0, sizeof s);
    s.fail_after = 1500;
    o.duration_s = 0;
    ck_assert(!bench_threads_run(workload_find("readwhilewriting"), &s, &telling, &o, &r));
    memset(&s, 0, sizeof s);
    ck_assert(bench_threads_run(workload_find("readwhilewriting"), &s, &counting, &o, &r));
    ck_assert(!r.beside_told);
    ck_assert_uint_eq(r.beside_checkpoints, 0);
    ck_assert_uint_eq(s.gets, o.reads);
    /* none asked for: none waited for, and 0 is told */
    memset(&s, 0, sizeof s);
    o.beside_checkpoints = 0;
    ck_assert(bench_threads_run(workload_find("readwhilewriting"), &s, &telling, &o, &r));
    ck_assert(r.beside_told);
    ck_assert_uint_eq(s.gets, o.reads);
    free((void *)(uintptr_t)o.values);
}
END_TEST

START_TEST(workloads__a_store_that_fails_ends_the_run)
{
    static store s = { .fail_after = 5 };
    static bench_result r;
    ck_assert(!run_named("fillrandom", 1, &s, &r));
    ck_assert_uint_eq(s.writes, 5);
    store_adapter broken = counting;
    broken.session_open = counting_open_fails_third;
    bench_options o = options_of(4);
    memset(&s, 0, sizeof s);
    ck_assert(!bench_threads_run(workload_find("readrandom"), &s, &broken, &o, &r));
    ck_assert_uint_eq(s.gets, 0); /* nobody ran */
    free((void *)(uintptr_t)o.values);
}
END_TEST

LEVIN_TEST_MAIN("workloads", TEST(workloads__a_fill_writes_every_key_once),
                TEST(workloads__threads_share_the_operations_and_are_bound), TEST(workloads__every_one_does_something),
                TEST(workloads__ycsb_mixes),
                TEST(workloads__stop_ends_each_early), TEST(workloads__duration_ends_by_the_clock),
                TEST(workloads__limit_ends_a_count_and_is_no_cut), TEST(workloads__a_writer_beside_is_counted_apart),
                TEST(workloads__readers_go_on_until_checkpoints_were_met),
                TEST(workloads__a_store_that_fails_ends_the_run))
