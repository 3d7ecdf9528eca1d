/*
 * batch_limits_test.c - batches at their stated limits, on a real directory.
 *
 * Checked: a batch takes operations up to LEVIN_BATCH_MAX_BYTES to the byte and refuses the next one with a clear
 * error, unchanged; such a batch fits one group of the log, by arithmetic; it is committed, read, and there after
 * opening again (a gigabyte through the log, half a minute: not under a sanitizer, unless LEVIN_TEST_LARGE=1).
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "batch.h"
#include "levin.h"
#include "record_format.h"
#include "wal_internal.h"

/* Header, batch header and operations fit a segment's offsets and a group's 32-bit length. */
static_assert(LEVIN_BATCH_MAX_BYTES + BATCH_HEADER_BYTES <= UINT32_MAX, "a payload's length has 32 bits");
static_assert((uint64_t)LEVIN_BATCH_MAX_BYTES + BATCH_HEADER_BYTES + WAL_GROUP_HEADER_BYTES +
                      (2 + WAL_RESERVE_SECTORS) * 4096 <= WAL_OFFSET_MAX,
              "a batch fits one group of the log");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static bool large(void)
{
    return !SANITIZED || getenv("LEVIN_TEST_LARGE");
}

static void open_store(const char *directory, levin **db)
{
    levin_options o;
    levin_error error;
    levin_options_init(&o);
    o.background = LEVIN_BACKGROUND_NONE;
    levin_code code = levin_open(directory, &o, db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s", error.message);
}

START_TEST(batch__the_largest_batch_is_taken_to_the_byte_and_committed)
{
    char directory[] = "/tmp/levin-limits-test-XXXXXX", command[64];
    levin *db;
    levin_batch *batch;
    levin_error error;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    open_store(directory, &db);
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    uint8_t *value = malloc(LEVIN_VALUE_MAX_BYTES);
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < LEVIN_VALUE_MAX_BYTES; i += 64)
        memcpy(value + i, &i, sizeof i);
    for (char key = 'a'; key < 'd'; key++)
        ck_assert_int_eq(levin_batch_put(batch, &key, 1, value, LEVIN_VALUE_MAX_BYTES), LEVIN_OK);
    size_t rest = LEVIN_BATCH_MAX_BYTES - batch->used - RECORD_HEADER_BYTES - 1;
    ck_assert_int_eq(levin_batch_put(batch, "d", 1, value, rest + 1), LEVIN_TOO_BIG);
    levin_last_error(db, &error);
    ck_assert_msg(strstr(error.message, "1073741825") && strstr(error.message, "1073741824"), "%s", error.message);
    ck_assert_uint_eq(levin_batch_count(batch), 3);
    ck_assert_int_eq(levin_batch_put(batch, "d", 1, value, rest), LEVIN_OK);
    ck_assert_uint_eq(batch->used, LEVIN_BATCH_MAX_BYTES);
    ck_assert_int_eq(levin_batch_delete(batch, "e", 1), LEVIN_TOO_BIG);
    ck_assert_uint_eq(levin_batch_count(batch), 4);
    if (large()) {
        ck_assert_int_eq(levin_write(db, batch, LEVIN_SYNCED), LEVIN_OK);
        levin_batch_destroy(batch);
        for (int round = 0; round < 2; round++) {
            for (char key = 'a'; key < 'e'; key++) {
                void *got;
                size_t bytes;
                ck_assert_int_eq(levin_get_alloc(db, NULL, &key, 1, &got, &bytes), LEVIN_OK);
                ck_assert_uint_eq(bytes, key < 'd' ? LEVIN_VALUE_MAX_BYTES : rest);
                ck_assert(memcmp(got, value, bytes) == 0);
                levin_free(db, got);
            }
            ck_assert_int_eq(levin_close(db), LEVIN_OK);
            open_store(directory, &db);
        }
    } else {
        levin_batch_destroy(batch);
    }
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    free(value);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(batch__a_group_of_several_batches_over_its_limit_is_split_and_all_of_it_committed)
{
    /* 20 tickets of 7 MiB: more than a group takes, so two groups of the log, in order */
    enum { TICKETS = 20, BYTES = 7 << 20 };
    char directory[] = "/tmp/levin-limits-test-XXXXXX", command[64];
    static uint8_t value[BYTES];
    levin *db;
    levin_batch *batch[TICKETS];
    levin_ticket *ticket[TICKETS];
    levin_stats s;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    open_store(directory, &db);
    for (int i = 0; i < TICKETS; i++) {
        char key = (char)('a' + i);
        ck_assert_int_eq(levin_batch_create(db, &batch[i]), LEVIN_OK);
        ck_assert_int_eq(levin_batch_put(batch[i], &key, 1, value, BYTES), LEVIN_OK);
        ck_assert_int_eq(levin_write_async(db, batch[i], LEVIN_NONE, &ticket[i]), LEVIN_OK);
    }
    for (int i = TICKETS; i-- > 0;) {
        ck_assert_int_eq(levin_ticket_wait(ticket[i]), LEVIN_OK);
        levin_batch_destroy(batch[i]);
    }
    levin_stats_get(db, &s);
    ck_assert_uint_eq(s.batches, TICKETS);
    ck_assert_uint_eq(s.groups, 3); /* 9 batches of 7 MiB fit into 64 MiB */
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

LEVIN_TEST_MAIN("batch_limits", TEST(batch__the_largest_batch_is_taken_to_the_byte_and_committed),
                TEST(batch__a_group_of_several_batches_over_its_limit_is_split_and_all_of_it_committed))
