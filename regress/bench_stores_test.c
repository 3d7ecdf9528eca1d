/*
 * bench_stores_test.c - what --store may say of a store, and what it is told otherwise.
 */
#include "bench_stores.h"

#include "../faults/check_main.h"

static void expect_refused(const char *text, const char *word)
{
    bench_store s;
    char message[STORE_MESSAGE_BYTES] = "";
    ck_assert_msg(!store_spec_parse(text, &s, message), "%s was taken", text);
    ck_assert_msg(strstr(message, word), "%s: no \"%s\" in: %s", text, word, message);
}

START_TEST(bench_stores__options_win_over_what_is_common)
{
    bench_store s;
    char message[STORE_MESSAGE_BYTES];
    ck_assert(store_spec_parse("levin:memtable_bytes=99:commit_interval_us=5", &s, message));
    ck_assert_str_eq(s.adapter->name, "levin");
    ck_assert_str_eq(s.label, "levin:memtable_bytes=99:commit_interval_us=5");
    ck_assert_uint_eq(s.options, 2);
    ck_assert_str_eq(s.option[1].name, "commit_interval_us");
    ck_assert_uint_eq(s.option[1].value, 5);
    ck_assert(store_spec_parse("lmdb:cache_bytes=7:map_bytes=9:background=0", &s, message));
    ck_assert_uint_eq(s.options, 0);
    const store_config config = bench_store_config(&s, true, (bench_sizes){ 1000, 2000, 3000 });
    ck_assert_uint_eq(config.cache_bytes, 7);
    ck_assert_uint_eq(config.write_buffer_bytes, 2000);
    ck_assert_uint_eq(config.map_bytes, 9);
    ck_assert(config.sync && config.create && !config.background);
}
END_TEST

START_TEST(bench_stores__whatever_is_unknown_is_refused_with_a_reason)
{
    expect_refused("", "no such store");
    expect_refused("nosql", "no such store: nosql");
    expect_refused("levin:warp=9", "commit_interval_us"); /* what there is */
    expect_refused("lmdb:memtable_bytes=9", "lmdb has no option memtable_bytes");
    expect_refused("levin:memtable_bytes", "NAME=NUMBER");
    expect_refused("levin:memtable_bytes=-1", "NAME=NUMBER");
    expect_refused("levin:memtable_bytes=1k", "NAME=NUMBER");
    expect_refused("levin:page_bytes=1:page_bytes=1:page_bytes=1:page_bytes=1:page_bytes=1:page_bytes=1:page_bytes=1:"
                   "page_bytes=1:page_bytes=1", "at most 8 options");
    char label[STORE_LABEL_BYTES + 10];
    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    expect_refused(label, "too long");
    for (const store_absence *absence = store_absences(); absence->name; absence++)
        expect_refused(absence->name, absence->package);
}
END_TEST

LEVIN_TEST_MAIN("bench_stores", TEST(bench_stores__options_win_over_what_is_common),
                TEST(bench_stores__whatever_is_unknown_is_refused_with_a_reason))
