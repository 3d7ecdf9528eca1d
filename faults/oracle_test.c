/*
 * oracle_test.c - the oracle accepts every legal state and names what is wrong with every other.
 *
 * Checked: each promise has a wrong state that breaks it and the verdict that says so (a canary for each); legal
 * sets by time; failed, refused and pending batches; histories continued after a recovery; the probes of an open
 * store can fail; named keyspaces, their creation and their drop are part of the state.
 */
#include "oracle.h"

#include <stdio.h>

#include "check_main.h"
#include "simdisk.h"

typedef struct pair {
    const char *key, *value;
} pair;

static void put(oracle *o, const char *key, const char *value)
{
    oracle_put(o, key, strlen(key), value, strlen(value));
}

static void delete(oracle *o, const char *key)
{
    oracle_delete(o, key, strlen(key));
}

static void feed(oracle_scan *scan, const pair *pairs)
{
    for (; pairs->key; pairs++)
        oracle_scan_pair(scan, ORACLE_DEFAULT, (levin_slice){ pairs->key, strlen(pairs->key) },
                         (levin_slice){ pairs->value, strlen(pairs->value) });
}

#define PAIRS(...) ((const pair[]){ __VA_ARGS__ { NULL, NULL } })

/* The state found, or ORACLE_NO_STATE with the verdict's promise and text. */
static uint32_t judge(oracle *o, oracle_legal legal, const pair *pairs, oracle_verdict *verdict)
{
    oracle_scan *scan = oracle_scan_begin(o);
    feed(scan, pairs);
    return oracle_scan_end(scan, &legal, verdict) ? verdict->state : ORACLE_NO_STATE;
}

#define LEGAL(o, legal, number, ...)                                                                            \
    do {                                                                                                        \
        oracle_verdict v_;                                                                                      \
        uint32_t s_ = judge(o, legal, PAIRS(__VA_ARGS__), &v_);                                                 \
        ck_assert_msg(s_ == (number), "state %d, %s: %s", (int)s_, v_.promise ? v_.promise : "", v_.text);      \
    } while (0)
#define WRONG(o, legal, promise_name, words, ...)                                                               \
    do {                                                                                                        \
        oracle_verdict v_;                                                                                      \
        ck_assert_uint_eq(judge(o, legal, PAIRS(__VA_ARGS__), &v_), ORACLE_NO_STATE);                           \
        ck_assert_msg(!strcmp(v_.promise, promise_name) && strstr(v_.text, words), "%s: %s", v_.promise, v_.text); \
    } while (0)

/*
 * time: 0   batch 1 synced {a=1 b=1}, acknowledged at 2
 *       2   batch 2 logged {c=2 a deleted}, acknowledged at 3
 *       3   batch 3 synced {a=3 d=3}, acknowledged at 6
 *       6   batch 4 none {b=4}, acknowledged at 6
 *       6   batch 5 logged {b=5 e=5 f=5}, acknowledged at 7
 */
static oracle *small_history(void)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    put(o, "b", "1");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), 2);
    put(o, "c", "2");
    delete(o, "a");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_LOGGED, 2), 3);
    put(o, "a", "3");
    put(o, "d", "3");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 3), 6);
    put(o, "b", "4");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_NONE, 6), 6);
    put(o, "b", "0");
    put(o, "b", "5");
    put(o, "e", "5");
    put(o, "f", "5");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_LOGGED, 6), 7);
    return o;
}

START_TEST(oracle__accepts_each_state_from_the_last_sync_to_the_last_batch)
{
    oracle *o = small_history();
    LEGAL(o, oracle_legal_crash(o, 0), 0u, );
    LEGAL(o, oracle_legal_crash(o, 1), 1u, { "a", "1" }, { "b", "1" }, );
    LEGAL(o, oracle_legal_crash(o, 2), 1u, { "a", "1" }, { "b", "1" }, );
    LEGAL(o, oracle_legal_crash(o, 4), 1u, { "a", "1" }, { "b", "1" }, );
    LEGAL(o, oracle_legal_crash(o, 4), 2u, { "b", "1" }, { "c", "2" }, );
    LEGAL(o, oracle_legal_crash(o, 4), 3u, { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_crash(o, 9), 3u, { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_crash(o, 9), 4u, { "a", "3" }, { "b", "4" }, { "c", "2" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_crash(o, 9), 5u, { "a", "3" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, { "e", "5" },
          { "f", "5" }, );
    LEGAL(o, oracle_legal_live(o), 5u, { "a", "3" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, { "e", "5" },
          { "f", "5" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_a_suffix_lost_beyond_the_sync)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 2), "DURABLE", "1 batches are lost", );
    WRONG(o, oracle_legal_crash(o, 6), "DURABLE", "as after batch 2, but batch 3", { "b", "1" }, { "c", "2" }, );
    WRONG(o, oracle_legal_crash(o, 6), "DURABLE", "3 batches are lost", );
    WRONG(o, oracle_legal_live(o), "EXACT", "as after batch 4, but batch 5 was acknowledged", { "a", "3" },
          { "b", "4" }, { "c", "2" }, { "d", "3" }, );
    oracle_verdict v;
    oracle_legal legal = oracle_legal_crash(o, 6);
    ck_assert(oracle_check_state(o, &legal, 3, &v));
    ck_assert(!oracle_check_state(o, &legal, 2, &v));
    ck_assert_str_eq(v.promise, "DURABLE");
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__the_end_of_the_process_spares_what_was_logged)
{
    oracle *o = small_history();
    LEGAL(o, oracle_legal_crash(o, 7), 3, { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    WRONG(o, oracle_legal_process_end(o, 7), "DURABLE", "acknowledged as logged: 2 batches are lost", { "a", "3" },
          { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_process_end(o, 6), 3, { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_process_end(o, 7), 5, { "a", "3" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, { "e", "5" },
          { "f", "5" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_a_batch_before_it_was_submitted)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 1), "PREFIX", "the last one submitted was 1", { "b", "1" }, { "c", "2" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_a_hole)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 9), "PREFIX", "changes of batch 3 are missing", { "b", "5" }, { "c", "2" },
          { "e", "5" }, { "f", "5" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_half_a_batch)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 9), "ATOMIC", "batch 5 is there in part: 1 of its changes are, 2 are not",
          { "a", "3" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, );
    WRONG(o, oracle_legal_crash(o, 4), "ATOMIC", "batch 2 is there in part", { "b", "1" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_an_extra_key_a_missing_key_and_a_stale_value)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 3), "EXACT", "key bb (1 value bytes) was never written", { "b", "1" },
          { "bb", "9" }, { "c", "2" }, );
    WRONG(o, oracle_legal_crash(o, 7), "EXACT", "key c holds nothing, not the 1 bytes of batch 2", { "a", "3" },
          { "b", "5" }, { "d", "3" }, { "e", "5" }, { "f", "5" }, { "g", "1" }, );
    WRONG(o, oracle_legal_crash(o, 7), "EXACT", "key a holds the 1 bytes of batch 1, not the 1 bytes of batch 3",
          { "a", "1" }, { "b", "7" }, { "c", "2" }, { "d", "3" }, );
    WRONG(o, oracle_legal_crash(o, 2), "EXACT", "1 bytes that nobody wrote there", { "a", "1" }, { "b", "x" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__sees_a_scan_out_of_order_and_a_key_twice)
{
    oracle *o = small_history();
    WRONG(o, oracle_legal_crash(o, 2), "EXACT", "out of order: pair 1 has key a after b", { "b", "1" },
          { "a", "1" }, );
    WRONG(o, oracle_legal_crash(o, 2), "EXACT", "out of order", { "a", "1" }, { "a", "1" }, { "b", "1" }, );
    oracle_destroy(o);
}
END_TEST

static void failed_group(int first_answer)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), 2);
    uint32_t failed[2];
    put(o, "b", "2");
    put(o, "c", "2");
    failed[0] = oracle_submit(o, LEVIN_SYNCED, 2);
    put(o, "d", "3");
    failed[1] = oracle_submit(o, LEVIN_SYNCED, 2);
    oracle_fail(o, failed[first_answer], 4); /* in whichever order they are waited for */
    oracle_fail(o, failed[1 - first_answer], 4);
    oracle_legal legal = oracle_legal_crash(o, 5);
    LEGAL(o, legal, 1u, { "a", "1" }, );
    LEGAL(o, legal, 2u, { "a", "1" }, { "b", "2" }, { "c", "2" }, );
    LEGAL(o, legal, 3u, { "a", "1" }, { "b", "2" }, { "c", "2" }, { "d", "3" }, );
    WRONG(o, legal, "ATOMIC", "batch 2 is there in part", { "a", "1" }, { "c", "2" }, );
    WRONG(o, legal, "PREFIX", "hole", { "a", "1" }, { "d", "3" }, );
    LEGAL(o, oracle_legal_live(o), 1u, { "a", "1" }, );
    WRONG(o, oracle_legal_live(o), "POISON", "batch 2 had failed and in the open store", { "a", "1" }, { "b", "2" },
          { "c", "2" }, );

    put(o, "e", "4");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_LOGGED, 5), 6);
    LEGAL(o, oracle_legal_crash(o, 7), 4u, { "a", "1" }, { "e", "4" }, );
    LEGAL(o, oracle_legal_crash(o, 7), 1u, { "a", "1" }, );
    LEGAL(o, oracle_legal_crash(o, 5), 2u, { "a", "1" }, { "b", "2" }, { "c", "2" }, );
    WRONG(o, oracle_legal_crash(o, 7), "POISON", "batch 2 had failed", { "a", "1" }, { "b", "2" }, { "c", "2" }, );
    WRONG(o, oracle_legal_crash(o, 7), "EXACT", "which failed", { "a", "1" }, { "b", "2" }, { "e", "4" }, );
    oracle_destroy(o);
}

START_TEST(oracle__a_failed_group_may_be_there_whole_as_a_prefix_and_only_until_the_next_success)
{
    failed_group(0);
    failed_group(1);
}
END_TEST

START_TEST(oracle__failed_groups_do_not_add_up)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    oracle_fail(o, oracle_submit(o, LEVIN_SYNCED, 0), 1);
    put(o, "b", "2");
    oracle_fail(o, oracle_submit(o, LEVIN_SYNCED, 1), 2);
    oracle_legal legal = oracle_legal_crash(o, 2);
    LEGAL(o, legal, 0u, );
    LEGAL(o, legal, 1u, { "a", "1" }, );
    LEGAL(o, legal, 2u, { "b", "2" }, );
    oracle_verdict v;
    ck_assert_uint_eq(judge(o, legal, PAIRS({ "a", "1" }, { "b", "2" }, ), &v), ORACLE_NO_STATE);
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__a_batch_that_failed_without_io_is_nowhere)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    oracle_fail(o, oracle_submit(o, LEVIN_SYNCED, 3), 3);
    LEGAL(o, oracle_legal_crash(o, 5), 0u, );
    WRONG(o, oracle_legal_crash(o, 5), "EXACT", "key a holds the 1 bytes of batch 1, which was refused",
          { "a", "1" }, );
    put(o, "zz", "discarded");
    oracle_discard(o);
    put(o, "b", "2");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 5), 6);
    LEGAL(o, oracle_legal_crash(o, 6), 2u, { "b", "2" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__a_sync_makes_durable_what_was_acknowledged_and_ends_what_failed)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_NONE, 0), 0);
    put(o, "b", "2");
    oracle_fail(o, oracle_submit(o, LEVIN_LOGGED, 0), 1);
    LEGAL(o, oracle_legal_crash(o, 3), 0u, );
    LEGAL(o, oracle_legal_crash(o, 3), 2u, { "a", "1" }, { "b", "2" }, );
    oracle_durable(o, 4);
    LEGAL(o, oracle_legal_crash(o, 4), 1u, { "a", "1" }, );
    WRONG(o, oracle_legal_crash(o, 4), "POISON", "batch 2", { "a", "1" }, { "b", "2" }, );
    WRONG(o, oracle_legal_crash(o, 4), "DURABLE", "batch 1", );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__a_pending_batch_may_be_there_or_not)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    uint32_t first = oracle_submit(o, LEVIN_SYNCED, 0);
    put(o, "b", "2");
    uint32_t second = oracle_submit(o, LEVIN_NONE, 0);
    LEGAL(o, oracle_legal_live(o), 0u, );
    LEGAL(o, oracle_legal_live(o), 1u, { "a", "1" }, );
    LEGAL(o, oracle_legal_live(o), 2u, { "a", "1" }, { "b", "2" }, );
    oracle_acknowledge(o, second, 3); /* the order of commit is that of submission: the first is in as well */
    WRONG(o, oracle_legal_live(o), "EXACT", "acknowledged", { "a", "1" }, );
    oracle_acknowledge(o, first, 3);
    WRONG(o, oracle_legal_crash(o, 3), "DURABLE", "batch 1", );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__settles_on_what_a_reopened_store_shows)
{
    oracle *o = small_history();
    put(o, "x", "6");
    oracle_fail(o, oracle_submit(o, LEVIN_SYNCED, 7), 9);
    put(o, "y", "7");
    oracle_fail(o, oracle_submit(o, LEVIN_SYNCED, 9), 9);
    oracle_settle(o, 6, 12);
    const pair *now =
        PAIRS({ "a", "3" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, { "e", "5" }, { "f", "5" }, { "x", "6" }, );
    oracle_verdict v;
    ck_assert_uint_eq(judge(o, oracle_legal_live(o), now, &v), 6);
    ck_assert_uint_eq(judge(o, oracle_legal_crash(o, 12), now, &v), 6);
    WRONG(o, oracle_legal_crash(o, 12), "DURABLE", "lost", { "a", "3" }, { "b", "4" }, { "c", "2" }, { "d", "3" }, );
    put(o, "a", "8");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 12), 13);
    LEGAL(o, oracle_legal_crash(o, 14), 8u, { "a", "8" }, { "b", "5" }, { "c", "2" }, { "d", "3" }, { "e", "5" },
          { "f", "5" }, { "x", "6" }, );
    oracle_destroy(o);
}
END_TEST

START_TEST(oracle__continues_from_a_state)
{
    oracle *parent = small_history(), *o = oracle_continue(parent, 3);
    LEGAL(o, oracle_legal_crash(o, 0), 0u, { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    delete(o, "c");
    put(o, "e", "new");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 4), 5);
    LEGAL(o, oracle_legal_crash(o, 4), 1u, { "a", "3" }, { "b", "1" }, { "d", "3" }, { "e", "new" }, );
    WRONG(o, oracle_legal_crash(o, 5), "DURABLE", "lost", { "a", "3" }, { "b", "1" }, { "c", "2" }, { "d", "3" }, );
    oracle_destroy(o);
    oracle_destroy(parent);
}
END_TEST

START_TEST(oracle__a_batch_that_changes_nothing_is_the_state_before_it)
{
    oracle *o = oracle_create();
    put(o, "a", "1");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), 1);
    put(o, "a", "1");
    delete(o, "nothing");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 1), 2);
    oracle_verdict v;
    oracle_legal legal = oracle_legal_crash(o, 2);
    ck_assert(oracle_check_state(o, &legal, 1, &v));
    ck_assert_uint_eq(v.state, 2);
    oracle_destroy(o);
}
END_TEST

/* ---- probes of an open store ------------------------------------------------------------------------------ */

typedef struct fixture {
    simdisk *disk;
    levin *store;
    oracle *o;
} fixture;

static void store_put(levin *store, const char *key, const void *value, size_t bytes)
{
    ck_assert_int_eq(levin_put(store, key, strlen(key), value, bytes, LEVIN_LOGGED), LEVIN_OK);
}

/* A store and a model with the same 40 keys, one value of them large. */
static fixture fixture_open(void)
{
    fixture f = { .disk = simdisk_create(NULL, NULL), .o = oracle_create() };
    levin_options options;
    levin_options_init(&options);
    options.io = simdisk_io(f.disk);
    options.background = LEVIN_BACKGROUND_NONE;
    options.page_bytes = 4096;
    levin_error error;
    ck_assert_msg(levin_open("db", &options, &f.store, &error) == LEVIN_OK, "%s", error.message);
    static const unsigned char large[9000] = { 1, 2, 3 };
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%02d", i);
        const void *value = i == 17 ? (const void *)large : key;
        size_t bytes = i == 17 ? sizeof large : strlen(key);
        store_put(f.store, key, value, bytes);
        oracle_put(f.o, key, strlen(key), value, bytes);
    }
    oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 0), 1);
    return f;
}

static void fixture_close(fixture *f)
{
    ck_assert_int_eq(levin_close(f->store), LEVIN_OK);
    ck_assert(simdisk_destroy(f->disk, NULL));
    oracle_destroy(f->o);
}

static const oracle_check_options probes = { .seed = 1, .points = 400, .ranges = 100 };

START_TEST(oracle__accepts_a_store_equal_to_the_model)
{
    fixture f = fixture_open();
    oracle_verdict v;
    for (int round = 0; round < 3; round++) {
        oracle_legal legal = oracle_legal_live(f.o);
        ck_assert_msg(oracle_check(f.o, &legal, f.store, &probes, &v), "%s: %s", v.promise, v.text);
        ck_assert_uint_eq(v.state, 1);
        if (round == 0)
            ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    }
    fixture_close(&f);
}
END_TEST

/* Each part of the check by itself sees a store that differs in one value, one key too few, one too many. */
START_TEST(oracle__each_probe_can_fail)
{
    for (int change = 0; change < 3; change++) {
        fixture f = fixture_open();
        if (change == 0)
            store_put(f.store, "key-20", "different", 9);
        else if (change == 1)
            ck_assert_int_eq(levin_delete(f.store, "key-20", 6, LEVIN_LOGGED), LEVIN_OK);
        else
            store_put(f.store, "key-20x", "more", 4);
        oracle_verdict v = { 0 };
        const oracle_pairs *expected = oracle_pairs_at(f.o, 1);
        ck_assert(!oracle_probe_reverse(expected, f.store, &probes, &v));
        ck_assert_msg(!strcmp(v.promise, "EXACT") && strstr(v.text, "reverse scan: expected key"), "%s", v.text);
        if (change < 2) {
            v = (oracle_verdict){ 0 };
            ck_assert(!oracle_probe_points(expected, f.store, &probes, &v));
            ck_assert_msg(strstr(v.text, "key-20") != NULL, "%s", v.text);
        }
        v = (oracle_verdict){ 0 };
        ck_assert(!oracle_probe_ranges(expected, f.store, &probes, &v));
        ck_assert_msg(strstr(v.text, "range") != NULL, "%s", v.text);
        oracle_legal legal = oracle_legal_live(f.o);
        ck_assert(!oracle_check(f.o, &legal, f.store, &probes, &v));
        ck_assert_str_eq(v.promise, change == 1 ? "ATOMIC" : "EXACT");
        fixture_close(&f);
    }
}
END_TEST

START_TEST(oracle__checks_a_snapshot_against_its_own_state)
{
    fixture f = fixture_open();
    levin_snapshot *snapshot;
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    store_put(f.store, "key-03", "later", 5);
    put(f.o, "key-03", "later");
    oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_LOGGED, 1), 2);
    oracle_verdict v;
    oracle_check_options with = probes;
    oracle_legal now = oracle_legal_live(f.o), then = oracle_legal_exactly(1);
    ck_assert(oracle_check(f.o, &now, f.store, &with, &v));
    with.snapshot = snapshot;
    ck_assert_msg(oracle_check(f.o, &then, f.store, &with, &v), "%s: %s", v.promise, v.text);
    ck_assert(!oracle_check(f.o, &now, f.store, &with, &v));
    levin_snapshot_release(snapshot);
    fixture_close(&f);
}
END_TEST

/* ---- named keyspaces -------------------------------------------------------------------------------------- */

/* Batch 1 makes the keyspace x, 2 writes k to it and to the default one, 3 drops it, 4 makes it again. */
static oracle *keyspace_history(void)
{
    oracle *o = oracle_create();
    const levin_slice k = { "k", 1 };
    const uint32_t x = oracle_space(o, (levin_slice){ "x", 1 });
    ck_assert_uint_eq(x, 1);
    ck_assert_uint_eq(oracle_space(o, (levin_slice){ "y", 1 }), 2);
    ck_assert_uint_eq(oracle_space(o, (levin_slice){ "x", 1 }), 1);
    oracle_create_space(o, x);
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 0), 1);
    oracle_put_in(o, x, k, (levin_slice){ "of x", 4 });
    put(o, "k", "default");
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 1), 2);
    oracle_drop_space(o, x);
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 3), 4);
    oracle_create_space(o, x);
    oracle_acknowledge(o, oracle_submit(o, LEVIN_SYNCED, 5), 6);
    return o;
}

/* there: the keyspace x; own: its k; other: the k of the default one. */
static uint32_t judge_keyspace(oracle *o, uint64_t time, bool other, bool there, bool own, oracle_verdict *v)
{
    oracle_legal legal = oracle_legal_crash(o, time);
    oracle_scan *scan = oracle_scan_begin(o);
    if (other)
        oracle_scan_pair(scan, ORACLE_DEFAULT, (levin_slice){ "k", 1 }, (levin_slice){ "default", 7 });
    if (there)
        oracle_scan_pair(scan, 1, (levin_slice){ "", 0 }, (levin_slice){ "", 0 });
    if (own)
        oracle_scan_pair(scan, 1, (levin_slice){ "k", 1 }, (levin_slice){ "of x", 4 });
    return oracle_scan_end(scan, &legal, v) ? v->state : ORACLE_NO_STATE;
}

START_TEST(oracle__keyspaces_are_part_of_the_state)
{
    oracle *o = keyspace_history();
    oracle_verdict v;
    ck_assert_uint_eq(judge_keyspace(o, 0, false, false, false, &v), 0);
    ck_assert_uint_eq(judge_keyspace(o, 1, false, true, false, &v), 1);
    ck_assert_uint_eq(judge_keyspace(o, 2, true, true, true, &v), 2);
    ck_assert_uint_eq(judge_keyspace(o, 4, true, false, false, &v), 3);
    ck_assert_uint_eq(judge_keyspace(o, 6, true, true, false, &v), 4);
    ck_assert(!oracle_has_space(o, 0, 1) && oracle_has_space(o, 2, 1) && !oracle_has_space(o, 3, 1) &&
              oracle_has_space(o, 4, 1) && !oracle_has_space(o, 4, 2));
    /* dropped, and there again with what it held; half a batch; lost with what it held */
    ck_assert_uint_eq(judge_keyspace(o, 4, true, true, true, &v), ORACLE_NO_STATE);
    ck_assert_str_eq(v.promise, "DURABLE");
    ck_assert_uint_eq(judge_keyspace(o, 6, true, true, true, &v), ORACLE_NO_STATE);
    ck_assert_uint_eq(judge_keyspace(o, 2, false, true, true, &v), ORACLE_NO_STATE);
    ck_assert_str_eq(v.promise, "ATOMIC");
    ck_assert_uint_eq(judge_keyspace(o, 2, true, false, false, &v), ORACLE_NO_STATE);
    ck_assert_uint_eq(judge_keyspace(o, 4, true, false, true, &v), ORACLE_NO_STATE);
    ck_assert_msg(strstr(v.text, "k (keyspace x)") != NULL, "%s", v.text);

    const oracle_pairs *all = oracle_pairs_at(o, 2);
    ck_assert_uint_eq(all->count, 3);
    oracle_pairs x = oracle_pairs_of(all, 1), none = oracle_pairs_of(all, 2), plain = oracle_pairs_of(all, 0);
    ck_assert(x.count == 1 && none.count == 0 && plain.count == 1);
    ck_assert_mem_eq(x.items[0].value.data, "of x", 4);
    oracle *later = oracle_continue(o, 2);
    ck_assert(oracle_has_space(later, 0, oracle_space(later, (levin_slice){ "x", 1 })));
    oracle_delete_range_in(later, 1, (levin_slice){ "a", 1 }, (levin_slice){ NULL, 0 });
    uint32_t emptied = oracle_submit(later, LEVIN_SYNCED, 0);
    oracle_acknowledge(later, emptied, 1);
    ck_assert(oracle_has_space(later, emptied, 1)); /* it is there, without keys; the other one's are not touched */
    ck_assert_uint_eq(oracle_pairs_at(later, emptied)->count, 2);
    oracle_destroy(later);
    oracle_destroy(o);
}
END_TEST

/* The store's keyspaces: change 0 as they should be; others each lose, invent, mix up or change something. */
START_TEST(oracle__keyspaces_of_a_store_are_compared)
{
    for (int change = 0; change < 6; change++) {
        fixture f = fixture_open();
        levin_keyspace *ks, *other;
        const levin_slice key = { "key-20", 6 };
        const uint32_t x = oracle_space(f.o, (levin_slice){ "x", 1 });
        oracle_create_space(f.o, x);
        oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 1), 2);
        oracle_put_in(f.o, x, key, (levin_slice){ "of x", 4 });
        oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 2), 3);
        ck_assert_int_eq(levin_keyspace_open(f.store, "x", 1, LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
        ck_assert_int_eq(levin_put_in(f.store, change == 1 ? NULL : ks, key.data, key.size, "of x", 4, LEVIN_LOGGED),
                         LEVIN_OK);
        if (change == 2)
            ck_assert_int_eq(levin_keyspace_drop(f.store, "x", 1, LEVIN_LOGGED), LEVIN_OK);
        if (change == 3)
            ck_assert_int_eq(levin_delete_in(f.store, ks, key.data, key.size, LEVIN_LOGGED), LEVIN_OK);
        if (change == 4)
            ck_assert_int_eq(levin_put_in(f.store, ks, "more", 4, "", 0, LEVIN_LOGGED), LEVIN_OK);
        if (change == 5) {
            ck_assert_int_eq(levin_keyspace_open(f.store, "y", 1, LEVIN_KEYSPACE_CREATE, &other), LEVIN_OK);
            levin_keyspace_close(other);
        }
        oracle_verdict v;
        oracle_legal legal = oracle_legal_live(f.o);
        for (int round = 0; round < 2; round++) /* the second time it knows the state */
            ck_assert_msg(oracle_check(f.o, &legal, f.store, &probes, &v) == (change == 0), "%d: %s", change, v.text);
        if (change >= 3 && change < 5) { /* each probe by itself */
            const oracle_pairs expected = oracle_pairs_of(oracle_pairs_at(f.o, oracle_accepted(f.o)), x);
            oracle_check_options with = probes;
            with.keyspace = ks;
            v = (oracle_verdict){ 0 };
            ck_assert(!oracle_probe_reverse(&expected, f.store, &with, &v));
            v = (oracle_verdict){ 0 };
            ck_assert(change == 4 || !oracle_probe_points(&expected, f.store, &with, &v));
            v = (oracle_verdict){ 0 };
            ck_assert(!oracle_probe_ranges(&expected, f.store, &with, &v));
        }
        levin_keyspace_close(ks);
        fixture_close(&f);
    }
}
END_TEST

/* A snapshot from before a drop, and one that is shown with the handles of another time. */
START_TEST(oracle__a_snapshot_is_read_with_the_handles_of_its_time)
{
    fixture f = fixture_open();
    levin_keyspace *of[ORACLE_SPACES_MAX] = { NULL }, *none[ORACLE_SPACES_MAX] = { NULL };
    const uint32_t x = oracle_space(f.o, (levin_slice){ "x", 1 });
    levin_snapshot *snapshot;
    oracle_verdict v;
    oracle_create_space(f.o, x);
    oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 1), 2);
    ck_assert_int_eq(levin_keyspace_open(f.store, "x", 1, LEVIN_KEYSPACE_CREATE, &of[x]), LEVIN_OK);
    oracle_put_in(f.o, x, (levin_slice){ "k", 1 }, (levin_slice){ "1", 1 });
    oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 2), 3);
    ck_assert_int_eq(levin_put_in(f.store, of[x], "k", 1, "1", 1, LEVIN_LOGGED), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(f.store, &snapshot), LEVIN_OK);
    oracle_drop_space(f.o, x);
    oracle_acknowledge(f.o, oracle_submit(f.o, LEVIN_SYNCED, 3), 4);
    ck_assert_int_eq(levin_keyspace_drop(f.store, "x", 1, LEVIN_LOGGED), LEVIN_OK);
    oracle_check_options with = probes;
    oracle_legal then = oracle_legal_exactly(3), now = oracle_legal_live(f.o);
    ck_assert_msg(oracle_check(f.o, &now, f.store, &with, &v), "%s", v.text);
    with.snapshot = snapshot;
    with.spaces = of;
    ck_assert_msg(oracle_check(f.o, &then, f.store, &with, &v), "%s", v.text);
    with.spaces = none;
    ck_assert(!oracle_check(f.o, &then, f.store, &with, &v));
    levin_snapshot_release(snapshot);
    levin_keyspace_close(of[x]);
    fixture_close(&f);
}
END_TEST

LEVIN_TEST_MAIN("oracle", TEST(oracle__accepts_each_state_from_the_last_sync_to_the_last_batch),
                TEST(oracle__sees_a_suffix_lost_beyond_the_sync), TEST(oracle__sees_a_batch_before_it_was_submitted),
                TEST(oracle__the_end_of_the_process_spares_what_was_logged), TEST(oracle__sees_a_hole),
                TEST(oracle__sees_half_a_batch),
                TEST(oracle__sees_an_extra_key_a_missing_key_and_a_stale_value),
                TEST(oracle__sees_a_scan_out_of_order_and_a_key_twice),
                TEST(oracle__a_failed_group_may_be_there_whole_as_a_prefix_and_only_until_the_next_success),
                TEST(oracle__failed_groups_do_not_add_up), TEST(oracle__a_batch_that_failed_without_io_is_nowhere),
                TEST(oracle__a_sync_makes_durable_what_was_acknowledged_and_ends_what_failed),
                TEST(oracle__a_pending_batch_may_be_there_or_not),
                TEST(oracle__settles_on_what_a_reopened_store_shows), TEST(oracle__continues_from_a_state),
                TEST(oracle__a_batch_that_changes_nothing_is_the_state_before_it),
                TEST(oracle__accepts_a_store_equal_to_the_model), TEST(oracle__each_probe_can_fail),
                TEST(oracle__checks_a_snapshot_against_its_own_state), TEST(oracle__keyspaces_are_part_of_the_state),
                TEST(oracle__keyspaces_of_a_store_are_compared),
                TEST(oracle__a_snapshot_is_read_with_the_handles_of_its_time))
