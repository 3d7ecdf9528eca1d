/*
 * crash_foreign_test.c - what the persistence model has for foreign programs alone (syncs of ranges and of all, links,
 * files without a name, a start image in the trace, journaling), against sets of states written by hand.
 *
 * Invariants checked: exactly the listed states come, no more and no less.
 */
#include "check_main.h"

#include "crash_run_test.h"

#define EXPECT(run, limits, ...) expect_states(run, limits, (const char *const[]){ __VA_ARGS__, NULL }, __LINE__)
static void expect_states(const run *r, crash_limits limits, const char *const *texts, int line)
{
    char what[32];
    text_set *wanted = calloc(1, sizeof *wanted), *found = states_at(r, trace_length(r->t), limits);
    for (; *texts; texts++)
        set_add(wanted, *texts);
    snprintf(what, sizeof what, "line %d", line);
    sets_equal(found, wanted, what);
    free(found);
    free(wanted);
}

static disk_node node_of(const run *r, const char *name)
{
    disk_image *now = simdisk_image(r->disk);
    const disk_node node = disk_image_find(now, name);
    disk_image_unref(now);
    return node;
}

/* Sectors [from, from + count). */
static void sync_range(run *r, const char *name, uint64_t from, uint64_t count)
{
    trace_append(r->t, &(trace_entry){ .op = TRACE_SYNC_RANGE, .node = node_of(r, name), .name = name,
                                       .offset = from * SECTOR, .bytes = count * SECTOR });
}

static void entry(run *r, trace_op op, disk_node node, const char *name)
{
    trace_append(r->t, &(trace_entry){ .op = op, .kind = LEVIN_FILE_DIR, .node = node, .name = name });
}

/* ---- Syncs ----------------------------------------------------------------------------------------------- */

START_TEST(crash__a_sync_of_a_range_leaves_the_rest_unsynced)
{
    run r = run_begin(with_file(NULL, "f", "........................"));
    put_wide(&r, "f", 4, "AAAAAAAAAAAAAAAA"); /* the end of the first page, the second, the beginning of the third */
    sync_range(&r, "f", 9, 1);                /* a sector of the second: pages are synced whole */
    EXPECT(&r, plain_limits(), "f:........AAAAAAAA........", "f:....AAAAAAAAAAAA........",
           "f:........AAAAAAAAAAAA....", "f:....AAAAAAAAAAAAAAAA....");
    put_wide(&r, "f", 8, "BB");
    EXPECT(&r, plain_limits(), "f:........AAAAAAAA........", "f:....AAAAAAAAAAAA........",
           "f:........AAAAAAAAAAAA....", "f:....AAAAAAAAAAAAAAAA....", "f:........BBAAAAAA........",
           "f:....AAAABBAAAAAA........", "f:........BBAAAAAAAAAA....", "f:....AAAABBAAAAAAAAAA....");
    sync_range(&r, "f", 0, 24);
    EXPECT(&r, plain_limits(), "f:....AAAABBAAAAAAAAAA....");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sync_of_a_range_keeps_older_data_below_newer)
{
    run r = run_begin(with_file(NULL, "f", "................"));
    put_wide(&r, "f", 6, "AAAA");
    put_wide(&r, "f", 7, "BBBB");
    sync_range(&r, "f", 8, 8); /* "ABBB" of the second page; sectors 6 and 7 of the first are unsynced */
    EXPECT(&r, plain_limits(), "f:........BBB.....", "f:......AABBB.....", "f:.......BBBB.....", "f:......ABBBB.....");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sync_of_a_range_takes_the_size_that_it_needs)
{
    run r = run_begin(with_file(NULL, "f", "X"));
    put(&r, "f", 9, 'A');
    put(&r, "f", 0, 'Y');
    sync_range(&r, "f", 8, 8);
    EXPECT(&r, plain_limits(), "f:X........A", "f:Y........A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sync_of_all_takes_data_and_names)
{
    run r = run_begin(with_file(NULL, "f", "."));
    put(&r, "f", 0, 'A');
    create(&r, "g");
    rename_file(&r, "f", "h");
    entry(&r, TRACE_SYNC_ALL, 0, "");
    EXPECT(&r, plain_limits(), "g: h:A");
    crash_limits lying = plain_limits();
    lying.lying_sync = true;
    EXPECT(&r, lying, "f:.", "f:A", "f:. g:", "f:A g:", "h:.", "h:A", "g: h:.", "g: h:A");
    entry(&r, TRACE_SYNC_ALL, 0, "");
    EXPECT(&r, lying, "g: h:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_flush_promises_nothing)
{
    run r = run_begin(with_file(NULL, "f", "."));
    put(&r, "f", 0, 'A');
    entry(&r, TRACE_FLUSH, node_of(&r, "f"), "f");
    entry(&r, TRACE_NOTE, 0, "");
    EXPECT(&r, plain_limits(), "f:.", "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__with_a_journal_a_sync_takes_all_names_before_it)
{
    crash_limits journal = plain_limits();
    journal.sync_names = true;
    run r = run_begin(with_file(NULL, "f", "."));
    create(&r, "g");
    rename_file(&r, "g", "h");
    put(&r, "f", 0, 'A');
    sync_file(&r, "f");
    create(&r, "i");
    EXPECT(&r, journal, "f:A h:", "f:A h: i:");
    EXPECT(&r, plain_limits(), "f:A", "f:A g:", "f:A h:", "f:A i:", "f:A g: i:", "f:A h: i:");
    run_end(&r);
}
END_TEST

START_TEST(crash__with_a_journal_a_sync_of_a_range_takes_all_names_too)
{
    crash_limits journal = plain_limits();
    journal.sync_names = true;
    run r = run_begin(with_file(NULL, "f", "."));
    create(&r, "g");
    put(&r, "f", 0, 'A');
    trace_append(r.t, &(trace_entry){ .op = TRACE_SYNC_RANGE, .node = node_of(&r, "f"), .name = "f", .bytes = 512 });
    EXPECT(&r, journal, "f:A g:");
    EXPECT(&r, plain_limits(), "f:A", "f:A g:");
    run_end(&r);
}
END_TEST

/* ---- Names ----------------------------------------------------------------------------------------------- */

START_TEST(crash__a_link_is_one_more_name)
{
    run r = run_begin(with_file(NULL, "f", "A"));
    entry(&r, TRACE_LINK, node_of(&r, "f"), "g");
    EXPECT(&r, plain_limits(), "f:A", "f:A g:=A");
    entry(&r, TRACE_UNLINK, node_of(&r, "f"), "f");
    EXPECT(&r, plain_limits(), "f:A", "f:A g:=A", "", "g:A"); /* different entries have no order */
    sync_dir(&r, "");
    EXPECT(&r, plain_limits(), "g:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_file_without_a_name_is_nowhere_until_it_is_linked)
{
    run r = run_begin(with_file(NULL, "f", "A"));
    entry(&r, TRACE_CREATE, 9, "");
    trace_append(r.t, &(trace_entry){ .op = TRACE_WRITE, .node = 9, .name = "", .bytes = 4,
                                      .data = (const uint8_t *)"BBBB" });
    EXPECT(&r, plain_limits(), "f:A");
    entry(&r, TRACE_SYNC, 9, "");
    entry(&r, TRACE_LINK, 9, "g");
    EXPECT(&r, plain_limits(), "f:A", "f:A g:B");
    run_end(&r);
}
END_TEST

START_TEST(crash__what_stands_before_the_start_is_durable)
{
    run r = run_begin(NULL);
    entry(&r, TRACE_MAKE_DIR, 1, "d");
    trace_append(r.t, &(trace_entry){ .op = TRACE_CREATE, .kind = LEVIN_FILE_DIR, .node = 2, .directory = 1,
                                      .name = "f" });
    trace_append(r.t, &(trace_entry){ .op = TRACE_WRITE, .node = 2, .name = "f", .bytes = 1,
                                      .data = (const uint8_t *)"A" });
    trace_append(r.t, &(trace_entry){ .op = TRACE_TRUNCATE, .node = 2, .name = "f", .bytes = 2 * SECTOR });
    entry(&r, TRACE_LINK, 2, "g");
    entry(&r, TRACE_START, 0, "");
    EXPECT(&r, plain_limits(), "d:( f:?.) g:=?.");
    ck_assert_uint_eq(trace_start(r.t), 6);
    crash_state state;
    crash_explorer *e = crash_open(r.t, NULL, 1, NULL, NULL);
    ck_assert(crash_next(e, &state));
    ck_assert_uint_eq(state.point, 6); /* there was no run before */
    ck_assert(!crash_next(e, &state));
    crash_close(e);
    run_end(&r);
}
END_TEST

LEVIN_TEST_MAIN("crash states of foreign programs", TEST(crash__a_sync_of_a_range_leaves_the_rest_unsynced),
                TEST(crash__a_sync_of_a_range_keeps_older_data_below_newer),
                TEST(crash__a_sync_of_a_range_takes_the_size_that_it_needs),
                TEST(crash__a_sync_of_all_takes_data_and_names), TEST(crash__a_flush_promises_nothing),
                TEST(crash__with_a_journal_a_sync_takes_all_names_before_it),
                TEST(crash__with_a_journal_a_sync_of_a_range_takes_all_names_too), TEST(crash__a_link_is_one_more_name),
                TEST(crash__a_file_without_a_name_is_nowhere_until_it_is_linked),
                TEST(crash__what_stands_before_the_start_is_durable))
