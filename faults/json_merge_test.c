/*
 * json_merge_test.c - known shards give the known whole, in any order; shards of different campaigns are refused.
 */
#include "json_merge.h"

#include <stdlib.h>

#include "check_main.h"

static const char one[] = "{\"version\": \"1\", \"seed\": 1, \"jobs\": 2, \"depth\": 2, \"sweep\": {\"states\": 10, "
                          "\"by_depth\": [1, 2], \"workload_least\": {\"puts\": 5}, \"complete\": true, \"groups\": "
                          "[{\"damage\": \"flip\", \"due\": 3}]}, \"findings\": [{\"seed\": 2, \"text\": \"b\"}], "
                          "\"harness\": null, \"interrupted\": false, \"verdict\": \"violations\"}";
static const char two[] = "{\"version\": \"1\", \"seed\": 3, \"jobs\": 1, \"depth\": 2, \"sweep\": {\"states\": 7, "
                          "\"by_depth\": [3, 4], \"workload_least\": {\"puts\": 4}, \"complete\": true, \"groups\": "
                          "[{\"damage\": \"zero\", \"due\": 1}, {\"damage\": \"flip\", \"due\": 2}]}, \"findings\": "
                          "[{\"seed\": 1, \"text\": \"a\"}, {\"seed\": 2, \"text\": \"b\"}], \"harness\": \"ill\", "
                          "\"interrupted\": false, \"verdict\": \"nothing found\"}";
static const char both[] = "{\"version\": \"1\", \"seed\": 1, \"jobs\": 2, \"depth\": 2, \"sweep\": {\"states\": 17, "
                           "\"by_depth\": [4, 6], \"workload_least\": {\"puts\": 4}, \"complete\": true, \"groups\": "
                           "[{\"damage\": \"flip\", \"due\": 5}, {\"damage\": \"zero\", \"due\": 1}]}, \"findings\": "
                           "[{\"seed\": 1, \"text\": \"a\"}, {\"seed\": 2, \"text\": \"b\"}, {\"seed\": 2, \"text\": "
                           "\"b\"}], \"harness\": \"ill\", \"interrupted\": false, \"verdict\": \"violations\"}";

START_TEST(json_merge__known_shards_give_the_known_whole)
{
    char message[JSON_MERGE_MESSAGE];
    json_t *d[] = { json_loads(one, 0, NULL), json_loads(two, 0, NULL) }, *expected = json_loads(both, 0, NULL);
    ck_assert(d[0] && d[1] && expected);
    json_t *merged = json_merge(d, 2, message);
    ck_assert_msg(merged && json_equal(merged, expected), "%s", merged ? json_dumps(merged, 0) : message);
    json_decref(merged);
    json_t *alone = json_merge(d, 1, message);
    ck_assert(json_equal(alone, d[0]));
    json_decref(alone);
    json_t *other_way[] = { d[1], d[0] };
    merged = json_merge(other_way, 2, message);
    ck_assert(json_equal(json_object_get(merged, "findings"), json_object_get(expected, "findings")));
    ck_assert_int_eq(json_integer_value(json_object_get(merged, "seed")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(merged, "verdict")), "violations");
    json_decref(merged);
    json_decref(d[0]);
    json_decref(d[1]);
    json_decref(expected);
}
END_TEST

START_TEST(json_merge__shards_of_different_campaigns_are_refused)
{
    char message[JSON_MERGE_MESSAGE];
    json_t *d[] = { json_loads(one, 0, NULL), json_loads(two, 0, NULL) };
    json_object_set_new(d[1], "depth", json_integer(3));
    ck_assert_ptr_null(json_merge(d, 2, message));
    ck_assert_str_eq(message, "shards of different campaigns: depth is not the same");
    json_object_set_new(d[1], "depth", json_string("2"));
    ck_assert_ptr_null(json_merge(d, 2, message));
    json_decref(d[0]);
    json_decref(d[1]);
    char missing[] = "/nonexistent/report.json", *paths[] = { missing };
    ck_assert_ptr_null(json_merge_files(paths, 1, message));
    ck_assert_ptr_nonnull(strstr(message, "/nonexistent/report.json"));
}
END_TEST

LEVIN_TEST_MAIN("json_merge", TEST(json_merge__known_shards_give_the_known_whole),
                TEST(json_merge__shards_of_different_campaigns_are_refused))
