/*
 * shard_test.c - stretches follow on one another and are all there is; what is no shard.
 */
#include "shard.h"

#include "check_main.h"

START_TEST(shard__stretches_are_all_there_is)
{
    for (uint64_t total = 0; total < 40; total++)
        for (uint64_t n = 1; n < 12; n++) {
            uint64_t at = 0;
            for (uint64_t i = 0; i < n; i++) {
                const shard s = { i, n };
                ck_assert_uint_eq(shard_first(s, total), at);
                ck_assert_uint_le(shard_share(s, total), total / n + 1);
                at += shard_share(s, total);
            }
            ck_assert_uint_eq(at, total);
        }
}
END_TEST

START_TEST(shard__what_is_none)
{
    static const char *const wrong[] = { "", "1", "0/2", "3/2", "1/0", "1/2x", "-1/2", "1/ 2", "a/b", "1/99999999999" };
    shard s = { 7, 7 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!shard_parse(wrong[i], &s), "%s", wrong[i]);
    ck_assert_uint_eq(s.index, 7);
    ck_assert(shard_parse("2/3", &s));
    ck_assert_uint_eq(s.index, 1);
    ck_assert_uint_eq(s.count, 3);
}
END_TEST

LEVIN_TEST_MAIN("shard", TEST(shard__stretches_are_all_there_is), TEST(shard__what_is_none))
