/*
 * value_log_swap_test.c - conditions on values of the value log that were put in the same group.
 *
 * Invariants checked: a compare-and-swap behind a large put, in one group, compares the bytes of that value.
 */
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { VALUE_BYTES = 3000 };

START_TEST(value_log_swap__sees_a_large_value_of_its_own_group)
{
    static char value[VALUE_BYTES], found[VALUE_BYTES];
    simdisk *disk = simdisk_create(NULL, NULL);
    const levin_slice right = { value, sizeof value }, wrong = { found, sizeof found }, next = { "next", 4 };
    levin_options o;
    levin_batch *batch;
    levin_ticket *ticket;
    levin_stats before, after;
    levin *db;
    size_t bytes;
    memset(value, 'v', sizeof value);
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = LEVIN_BACKGROUND_NONE;
    o.value_log_threshold_bytes = 1000;
    for (int matches = 0; matches < 2; matches++) {
        ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
        levin_stats_get(db, &before);
        ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
        ck_assert_int_eq(levin_batch_put(batch, "key", 3, value, sizeof value), LEVIN_OK);
        ck_assert_int_eq(levin_write_async(db, batch, LEVIN_LOGGED, &ticket), LEVIN_OK); /* who waits first leads */
        ck_assert_int_eq(levin_compare_and_swap(db, "key", 3, matches ? &right : &wrong, &next, LEVIN_LOGGED, NULL),
                         matches ? LEVIN_OK : LEVIN_CONFLICT);
        ck_assert_int_eq(levin_ticket_wait(ticket), LEVIN_OK);
        levin_batch_destroy(batch);
        levin_stats_get(db, &after);
        ck_assert_uint_eq(after.groups - before.groups, 1); /* or nothing was shown */
        ck_assert_int_eq(levin_get(db, NULL, "key", 3, found, sizeof found, &bytes), LEVIN_OK);
        ck_assert_uint_eq(bytes, matches ? next.size : sizeof value);
        ck_assert_mem_eq(found, matches ? "next" : value, bytes);
        memset(found, 0, sizeof found);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("value_log_swap", TEST(value_log_swap__sees_a_large_value_of_its_own_group))
