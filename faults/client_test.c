/*
 * client_test.c - whatever a client does, a store that keeps its promises has kept them: over a history of every call
 * there is, through power cuts, power cuts of recoveries and failing calls; and a promise that is not kept is told.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>

#include "check_main.h"

static levin_options options_of(uint32_t value_log_threshold_bytes)
{
    levin_options options;
    levin_options_init(&options);
    options.background = LEVIN_BACKGROUND_NONE;
    options.page_bytes = 4096;
    options.cache_bytes = 24 * 4096;
    options.row_cache_bytes = 64 << 10;
    options.memtable_bytes = 64 << 10;
    options.value_log_threshold_bytes = value_log_threshold_bytes;
    options.value_log_segment_bytes = 32 << 10;
    options.wal_segment_bytes = 16 << 10;
    return options;
}

static void kept(client *c)
{
    const oracle_verdict v = client_end(c);
    ck_assert_msg(!v.promise, "%s: %s", v.promise ? v.promise : "", v.text);
}

static void put(client *c, unsigned space, unsigned key, size_t bytes)
{
    char name[16], value[8192];
    const int name_bytes = snprintf(name, sizeof name, "key-%u", key);
    memset(value, 'a' + (int)(key % 26), sizeof value);
    const int head = snprintf(value, sizeof value, "%u of %zu", key, bytes);
    value[head] = '.';
    client_put(c, space, name, (size_t)name_bytes, value, bytes);
}

/* Every call there is. */
static void history(client *c, const levin_options *options)
{
    client_keyspace(c, 1, "orders", 6);
    put(c, 0, 1, 100);
    put(c, 1, 1, 5000);
    client_write(c, LEVIN_SYNCED);
    client_snapshot(c);
    client_checkpoint(c);
    client_reader(c);
    for (unsigned i = 2; i < 6; i++) {
        put(c, i & 1, i, 900 * i);
        if (i == 4)
            client_submit_callback(c, LEVIN_LOGGED);
        else
            client_submit(c, i == 2 ? LEVIN_SYNCED : LEVIN_NONE);
    }
    for (unsigned i = 4; i-- > 0;)
        client_wait(c, i);
    client_get(c, 0, "key-2", 5);
    client_get(c, 0, "nothing", 7);
    client_check(c, 3);
    client_rival_reads(c, 0, "key-9", 5);
    put(c, 0, 9, 50);
    client_write(c, LEVIN_LOGGED);
    client_rival_refused(c);
    client_rival_iterates(c, 1, "key-8", 5);
    put(c, 1, 8, 50);
    client_transaction(c, LEVIN_SYNCED);
    client_rival_refused(c);
    client_rival_writes(c, 0, "key-1", 5);
    put(c, 0, 7, 60);
    put(c, 0, 1, 40);
    put(c, 0, 7, 61);
    client_load(c);
    client_rival_refused(c);
    client_delete_range(c, 1, "key-3", 5, "key-4", 5);
    client_delete_prefix(c, 0, "key-7", 5);
    client_delete(c, 0, "key-2", 5);
    client_write(c, LEVIN_SYNCED);
    put(c, 0, 9, 30); /* there; not there; away */
    client_swap(c, LEVIN_LOGGED);
    put(c, 1, 12, 30);
    client_swap(c, LEVIN_NONE);
    client_delete(c, 1, "key-12", 6);
    client_swap(c, LEVIN_SYNCED);
    client_work(c, 3);
    client_collect(c, 90);
    client_compact(c, LEVIN_COMPACT_ALL, UINT64_MAX);
    client_reader_check(c);
    client_snapshot_check(c);
    client_backup(c);
    put(c, 1, 10, 70);
    client_submit(c, LEVIN_NONE);
    client_keyspace_drop(c, 1, LEVIN_SYNCED);
    client_wait(c, 0);
    put(c, 1, 11, 70); /* it is not there: left out */
    client_write(c, LEVIN_NONE);
    client_close(c);
    client_open(c, options);
    put(c, 0, 12, 30);
    client_write(c, LEVIN_LOGGED);
    client_sync(c);
    client_compact(c, LEVIN_COMPACT_END, 1);
    client_check(c, 4);
}

static void go_on(client *c)
{
    client_keyspace(c, 1, "orders", 6);
    put(c, 1, 20, 800);
    client_write(c, LEVIN_SYNCED);
    client_checkpoint(c);
}

START_TEST(client__a_history_of_all_calls_keeps_its_promises)
{
    const levin_options options = options_of(700);
    client *c = client_create(1);
    client_open(c, &options);
    history(c, &options);
    client_close(c);
    client_crashes(c, &options, 1, go_on);
    uint64_t point = 20;
    while (client_crashes_of_recovery(c, &options, 1, point, point / 40 % 3, go_on) && point < 2000)
        point += 40;
    ck_assert(point > 200 && point < 2000);
    ck_assert(client_crashes_of_recovery(c, &options, 1, 20, 1u << 30, NULL)); /* a lower one stands in its place */
    ck_assert(!client_crashes_of_recovery(c, &options, 1, 1u << 30, 0, go_on));
    for (uint64_t i = 0; i < 40; i++) /* by numbers far beyond what there is, too */
        client_crash(c, &options, 1, (client_cut){ i * 7919, i * i }, i & 1 ? &(client_cut){ i, i } : NULL);
    kept(c);
}
END_TEST

/* With the store open, and nothing waited for: the client gives everything back. */
START_TEST(client__may_end_in_the_middle)
{
    const levin_options options = options_of(0);
    client *c = client_create(2);
    client_open(c, &options);
    put(c, 0, 1, 100);
    client_submit(c, LEVIN_SYNCED);
    put(c, 0, 2, 100);
    client_submit_callback(c, LEVIN_NONE);
    client_snapshot(c);
    client_rival_writes(c, 0, "key-1", 5);
    put(c, 0, 3, 100);
    kept(c);
}
END_TEST

/* Each write of the log fails, in one life after the other. */
START_TEST(client__calls_may_fail)
{
    const levin_options options = options_of(700);
    uint64_t nth = 1, fired = 1;
    for (; fired; nth++) {
        const fault_rule rule = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_WRITE, .nth = nth,
                                  .effect = FAULT_ERROR, .os_error = EIO };
        client *c = client_create(3);
        client_fail(c, &rule, false);
        client_open(c, &options);
        history(c, &options);
        fired = client_calm(c);
        client_check(c, 5);
        client_close(c);
        client_open(c, &options);
        client_check(c, 6);
        if (nth % 9 == 0)
            client_crashes(c, &options, 1, NULL);
        kept(c);
    }
    ck_assert_uint_gt(nth, 20);
}
END_TEST

START_TEST(client__a_plan_hurts_calls)
{
    static const char plan[] = "levin-fault-plan 1\non levin/io/*/sync nth 9 do error-kept EIO\n"
                               "on levin/mem/alloc probability 0.01 do error ENOMEM\n";
    const levin_options options = options_of(700);
    client *c = client_create(6);
    client_open(c, &options);
    client_plan(c, plan, 7);
    history(c, &options);
    ck_assert_uint_gt(client_calm(c), 1);
    ck_assert_uint_eq(client_calm(c), 0);
    client_close(c);
    client_open(c, &options);
    client_check(c, 7);
    client_plan(c, plan, 8); /* and ends under it */
    for (unsigned i = 0; i < 40; i++) {
        put(c, 0, 100 + i, 1000);
        client_write(c, LEVIN_SYNCED);
    }
    kept(c);
}
END_TEST

/* Damages of several kinds all over the files, of the store as left open and as closed. */
START_TEST(client__damage_is_told_or_harmless)
{
    static const damage_operation operations[] = { DAMAGE_FLIP, DAMAGE_ZERO, DAMAGE_CUT, DAMAGE_STALE };
    const levin_options options = options_of(700);
    client *c = client_create(5);
    unsigned there = 0;
    client_open(c, &options);
    history(c, &options);
    for (unsigned i = 0; i < 8; i++) { /* a tail of the log that the pages do not hold */
        put(c, 0, 40 + i, 300);
        client_write(c, i % 3 ? LEVIN_LOGGED : LEVIN_SYNCED);
    }
    for (int closed = 0; closed < 2; closed++) {
        for (uint64_t i = 0; i < 900; i++) {
            char name[40] = "pages";
            if (i % 13) /* as far as they are there */
                snprintf(name, sizeof name, "%s-%016u", i % 2 ? "wal" : "vlog", (unsigned)(i % 13));
            const damage what = { .operation = operations[i % 4], .name = name, .offset = i * 97 % 16000,
                                  .length = 512, .parameter = (uint8_t)i };
            there += client_damaged(c, &options, &what, i % 4 == 3 ? 40 + i : UINT64_MAX);
        }
        const damage lost = { .operation = DAMAGE_LOST, .name = "pages" }, nowhere = { .name = "no-file" },
                     behind = { .name = "pages", .offset = 1u << 30 };
        ck_assert(client_damaged(c, &options, &lost, UINT64_MAX));
        ck_assert(!client_damaged(c, &options, &nowhere, UINT64_MAX));
        ck_assert(!client_damaged(c, &options, &behind, UINT64_MAX));
        ck_assert(!client_damaged(c, &options, &lost, 1u << 30)); /* in a past that was not */
        client_close(c);
    }
    ck_assert_uint_gt(there, 200);
    ck_assert_uint_lt(there, 1800); /* the others say that they looked at nothing */
    kept(c);
}
END_TEST

/* A poisoned store refuses writes also when no call fails any more, and the client says so. */
START_TEST(client__a_failure_without_a_fault_is_told)
{
    const levin_options options = options_of(0);
    const fault_rule rule = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_SYNC, .nth = 1,
                              .effect = FAULT_ERROR, .os_error = EIO };
    client *c = client_create(4);
    client_open(c, &options);
    client_fail(c, &rule, false);
    put(c, 0, 1, 100);
    client_write(c, LEVIN_SYNCED);
    ck_assert_uint_eq(client_calm(c), 1);
    put(c, 0, 2, 100);
    client_write(c, LEVIN_SYNCED);
    put(c, 0, 3, 100);
    client_write(c, LEVIN_SYNCED); /* not done any more */
    const oracle_verdict v = client_end(c);
    ck_assert_ptr_nonnull(v.promise);
    ck_assert_str_eq(v.promise, "FAULT");
    ck_assert_msg(strstr(v.text, "levin_write failed: LEVIN_POISONED") != NULL, "%s", v.text);
}
END_TEST

LEVIN_TEST_MAIN("client", TEST(client__a_history_of_all_calls_keeps_its_promises), TEST(client__may_end_in_the_middle),
                TEST(client__calls_may_fail), TEST(client__damage_is_told_or_harmless),
                TEST(client__a_plan_hurts_calls), TEST(client__a_failure_without_a_fault_is_told))
