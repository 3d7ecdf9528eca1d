/*
 * compare_swap_test.c - levin_compare_and_swap(), and what a refused batch does to its group, on a simulated disk.
 *
 * Invariants checked: it writes if and only if the key has the expected value at its place in the order of commit,
 * batches of its own group included; what is refused is neither seen nor logged, and the rest of the group is; when the
 * group fails it fails with it; a failed call or allocation gives an error and changes nothing.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

static simdisk *disk;
static fault_io *faults;

static levin *store_open(void)
{
    levin_options o;
    levin_error error;
    levin *db = NULL;
    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.row_cache_bytes = 0;
    o.background = LEVIN_BACKGROUND_NONE;
    levin_code code = levin_open("s", &o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s", error.message);
    return db;
}

static levin *begin(void)
{
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    return store_open();
}

static void end(void)
{
    uint64_t files, bytes, pieces;
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}

static levin_slice text(const char *s)
{
    return (levin_slice){ s, strlen(s) };
}

/* expected and desired NULL: absent, delete. *actual (may be NULL): what stood in the way, "-" when absent. */
static levin_code swap(levin *db, const char *key, const char *expected, const char *desired, char actual[32])
{
    levin_slice e = text(expected ? expected : ""), d = text(desired ? desired : ""), a;
    levin_code code = levin_compare_and_swap(db, key, strlen(key), expected ? &e : NULL, desired ? &d : NULL,
                                             LEVIN_SYNCED, actual ? &a : NULL);
    if (!actual)
        return code;
    if (code != LEVIN_CONFLICT) {
        ck_assert_ptr_null(a.data);
        return code;
    }
    snprintf(actual, 32, "%.*s", a.data ? (int)a.size : 1, a.data ? (const char *)a.data : "-");
    levin_free(db, (void *)(uintptr_t)a.data);
    return code;
}

static void expect(levin *db, const char *key, const char *value)
{
    char buffer[32];
    size_t bytes = 0;
    levin_code code = levin_get(db, NULL, key, strlen(key), buffer, sizeof buffer, &bytes);
    if (!value) {
        ck_assert_int_eq(code, LEVIN_NOT_FOUND);
        return;
    }
    ck_assert_int_eq(code, LEVIN_OK);
    ck_assert_uint_eq(bytes, strlen(value));
    ck_assert_mem_eq(buffer, value, bytes);
}

static levin_stats stats_of(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s;
}

START_TEST(compare_swap__writes_only_over_what_was_expected)
{
    levin *db = begin();
    char actual[32];
    for (int layer = 0; layer < 2; layer++) { /* from the memtable, then from the tree */
        ck_assert_int_eq(swap(db, "k", "1", "2", actual), LEVIN_CONFLICT);
        ck_assert_str_eq(actual, "-");
        ck_assert_int_eq(swap(db, "k", NULL, "1", actual), LEVIN_OK);
        if (layer)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        ck_assert_int_eq(swap(db, "k", NULL, "x", actual), LEVIN_CONFLICT);
        ck_assert_str_eq(actual, "1");
        ck_assert_int_eq(swap(db, "k", "12", "x", NULL), LEVIN_CONFLICT);
        ck_assert_int_eq(swap(db, "k", "", "x", NULL), LEVIN_CONFLICT);
        expect(db, "k", "1");
        ck_assert_int_eq(swap(db, "k", "1", "", actual), LEVIN_OK);
        if (layer)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        expect(db, "k", "");
        ck_assert_int_eq(swap(db, "k", NULL, "x", actual), LEVIN_CONFLICT);
        ck_assert_str_eq(actual, "");
        ck_assert_int_eq(swap(db, "k", "", NULL, NULL), LEVIN_OK);
        if (layer)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
        expect(db, "k", NULL);
    }
    levin_stats s = stats_of(db);
    ck_assert_uint_eq(s.puts, 4);
    ck_assert_uint_eq(s.deletes, 2);
    ck_assert_uint_eq(s.batches, 6);
    ck_assert_uint_eq(s.error_conflict, 10);
    ck_assert_int_eq(levin_compare_and_swap(db, "", 0, NULL, NULL, LEVIN_NONE, NULL), LEVIN_INVALID);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

static levin_ticket *submit(levin *db, levin_batch *batch, const char *key, const char *value, levin_durability d)
{
    levin_ticket *ticket;
    levin_batch_clear(batch);
    ck_assert_int_eq(levin_batch_put(batch, key, strlen(key), value, strlen(value)), LEVIN_OK);
    ck_assert_int_eq(levin_write_async(db, batch, d, &ticket), LEVIN_OK);
    return ticket;
}

START_TEST(compare_swap__sees_the_batches_before_it_in_its_group)
{
    levin *db = begin();
    levin_batch *batch[2];
    char actual[32];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(levin_batch_create(db, &batch[i]), LEVIN_OK);
    ck_assert_int_eq(levin_put(db, "k", 1, "a", 1, LEVIN_SYNCED), LEVIN_OK);

    levin_ticket *t = submit(db, batch[0], "k", "b", LEVIN_LOGGED);
    ck_assert_int_eq(swap(db, "k", "a", "c", actual), LEVIN_CONFLICT);
    ck_assert_str_eq(actual, "b");
    ck_assert_int_eq(levin_ticket_wait(t), LEVIN_OK);
    expect(db, "k", "b");

    /* the rest of the group goes on: numbers, log and state are as if the refused one had not been there */
    levin_stats before = stats_of(db);
    levin_ticket *first = submit(db, batch[0], "k", "d", LEVIN_NONE);
    levin_ticket *last = submit(db, batch[1], "l", "1", LEVIN_NONE);
    ck_assert_int_eq(swap(db, "k", "b", "never", actual), LEVIN_CONFLICT);
    ck_assert_str_eq(actual, "d");
    ck_assert_int_eq(levin_ticket_wait(first), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(last), LEVIN_OK);
    levin_stats after = stats_of(db);
    ck_assert_uint_eq(after.sequence - before.sequence, 2);
    ck_assert_uint_eq(after.batches - before.batches, 2);
    ck_assert_uint_eq(after.puts - before.puts, 2);
    ck_assert_uint_eq(after.wal_syncs, before.wal_syncs); /* nobody else asked for one */
    expect(db, "k", "d");
    expect(db, "l", "1");

    /* what was submitted behind a batch that writes the expected value finds it there */
    t = submit(db, batch[0], "k", "e", LEVIN_NONE);
    ck_assert_int_eq(swap(db, "m", NULL, "2", NULL), LEVIN_OK);
    ck_assert_int_eq(levin_ticket_wait(t), LEVIN_OK);
    expect(db, "k", "e");
    for (int i = 0; i < 2; i++)
        levin_batch_destroy(batch[i]);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open();
    expect(db, "k", "e");
    expect(db, "l", "1");
    expect(db, "m", "2");
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    end();
}
END_TEST

START_TEST(compare_swap__refused_in_a_group_that_fails_is_a_failure)
{
    levin *db = begin();
    levin_batch *batch;
    ck_assert_int_eq(levin_batch_create(db, &batch), LEVIN_OK);
    ck_assert_int_eq(levin_put(db, "k", 1, "a", 1, LEVIN_SYNCED), LEVIN_OK);
    levin_ticket *t = submit(db, batch, "k", "b", LEVIN_SYNCED);
    const fault_rule rule = { 1u << LEVIN_FILE_WAL, 1u << FAULT_SYNC, 1, true, FAULT_ERROR, EIO, 0 };
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = swap(db, "k", "a", "c", NULL); /* "b" stood in the way, but was never there */
    ck_assert_int_eq(code, LEVIN_IO);
    ck_assert_int_ne(levin_ticket_wait(t), LEVIN_OK);
    expect(db, "k", "a");
    ck_assert_int_eq(swap(db, "k", "a", "c", NULL), LEVIN_POISONED);
    fault_io_set_rules(faults, NULL, 0);
    levin_batch_destroy(batch);
    ck_assert_int_eq(levin_close(db), LEVIN_POISONED);
    end();
}
END_TEST

START_TEST(compare_swap__every_failure_leaves_the_value)
{
    enum { BIG = 20000 };
    static char one[BIG], two[BIG];
    memset(one, '1', BIG);
    memset(two, '2', BIG);
    const levin_slice expected = { one, BIG }, wrong = { two, BIG }, desired = { two, BIG };
    for (int persistent = 0; persistent < 2; persistent++) {
        for (uint64_t nth = 1, fired = 1; fired; nth++) {
            levin *db = begin();
            levin_slice actual;
            ck_assert_int_eq(levin_put(db, "k", 1, one, BIG, LEVIN_SYNCED), LEVIN_OK);
            if (nth % 2) /* an extent of the tree, or a record of the memtable */
                ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, (nth + 1) / 2, persistent, FAULT_ERROR,
                                      EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code refused = levin_compare_and_swap(db, "k", 1, &wrong, &desired, LEVIN_SYNCED, &actual);
            ck_assert(refused == LEVIN_CONFLICT || refused == LEVIN_NO_MEMORY || refused == LEVIN_IO);
            ck_assert_int_eq(actual.data != NULL, refused == LEVIN_CONFLICT);
            levin_free(db, (void *)(uintptr_t)actual.data);
            levin_code code = levin_compare_and_swap(db, "k", 1, &expected, &desired, LEVIN_SYNCED, NULL);
            fired = fault_io_fired(faults, 0);
            fault_io_set_rules(faults, NULL, 0);
            ck_assert_int_ne(code, LEVIN_CONFLICT);
            if (!fired)
                ck_assert_int_eq(code, LEVIN_OK);
            void *value;
            size_t bytes;
            ck_assert_int_eq(levin_get_alloc(db, NULL, "k", 1, &value, &bytes), LEVIN_OK);
            ck_assert_uint_eq(bytes, BIG);
            ck_assert_mem_eq(value, code == LEVIN_OK ? two : one, BIG);
            levin_free(db, value);
            levin_code closed = levin_close(db);
            ck_assert(closed == LEVIN_OK || closed == LEVIN_POISONED);
            end();
            fired |= nth < 2;
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("compare_swap", TEST(compare_swap__writes_only_over_what_was_expected),
                TEST(compare_swap__sees_the_batches_before_it_in_its_group),
                TEST(compare_swap__refused_in_a_group_that_fails_is_a_failure),
                TEST(compare_swap__every_failure_leaves_the_value))
