/*
 * crash_test.c - the persistence model against sets of states written by hand.
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
/* ---- Data ------------------------------------------------------------------------------------------------ */

START_TEST(crash__unsynced_writes_reach_the_device_in_any_subset)
{
    run r = run_begin(with_file(NULL, "f", "...."));
    put(&r, "f", 0, 'A');
    put(&r, "f", 2, 'B');
    EXPECT(&r, plain_limits(), "f:....", "f:A...", "f:..B.", "f:A.B.");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:A.B.");
    put(&r, "f", 3, 'C');
    EXPECT(&r, plain_limits(), "f:A.B.", "f:A.BC");
    run_end(&r);
}
END_TEST

START_TEST(crash__of_two_kept_writes_the_later_is_on_top)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put_wide(&r, "f", 0, "AA");
    put(&r, "f", 1, 'B');
    EXPECT(&r, plain_limits(), "f:..", "f:AA", "f:.B", "f:AB");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sync_covers_its_own_file_only)
{
    run r = run_begin(with_file(with_file(NULL, "f", "."), "g", "."));
    put(&r, "f", 0, 'F');
    put(&r, "g", 0, 'G');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:F g:.", "f:F g:G");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_write_is_torn_at_every_sector)
{
    crash_limits limits = plain_limits();
    limits.torn = 1000;
    run r = run_begin(with_file(NULL, "f", "..."));
    put_wide(&r, "f", 0, "ABC");
    EXPECT(&r, limits, "f:...", "f:A..", "f:.B.", "f:..C", "f:AB.", "f:A.C", "f:.BC", "f:ABC");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_long_write_is_torn_at_its_ends_middle_and_one_more_place)
{
    crash_limits limits = plain_limits();
    limits.torn = 1000;
    run r = run_begin(with_file(NULL, "f", "........"));
    put_wide(&r, "f", 0, "ABCDEFGH");
    text_set *found = states_at(&r, 1, limits);
    static const char *const needed[] = { "f:........", "f:ABCDEFGH", "f:ABCD....", "f:....EFGH",
                                          "f:A.......", "f:.......H", "f:.BCDEFGH", "f:ABCDEFG." };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        ck_assert_msg(!set_add(found, needed[i]), "state \"%s\" is missing", needed[i]);
    ck_assert_uint_le(found->count, 10);
    free(found);
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sector_may_be_garbage_or_zeros)
{
    crash_limits limits = plain_limits();
    limits.zeroed = limits.garbage = 100;
    run r = run_begin(with_file(NULL, "f", "XX"));
    put_wide(&r, "f", 0, "AB");
    EXPECT(&r, limits, "f:XX", "f:AB", "f:.B", "f:A.", "f:?B", "f:A?");
    limits.garbage_sectors = false;
    EXPECT(&r, limits, "f:XX", "f:AB", "f:.B", "f:A.");
    run_end(&r);
}
END_TEST

START_TEST(crash__size_and_data_of_an_append_come_apart)
{
    crash_limits limits = plain_limits();
    limits.sizes = 100;
    limits.garbage_sectors = false;
    run r = run_begin(with_file(NULL, "f", "XX"));
    put_wide(&r, "f", 1, "AB");
    EXPECT(&r, limits, "f:XX", "f:XAB", "f:XX.", "f:XA");
    limits.garbage_sectors = true;
    EXPECT(&r, limits, "f:XX", "f:XAB", "f:XX.", "f:XA", "f:XX?");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lost_write_leaves_a_hole_before_a_kept_one)
{
    run r = run_begin(with_file(NULL, "f", ""));
    put(&r, "f", 0, 'A');
    put(&r, "f", 1, 'B');
    EXPECT(&r, plain_limits(), "f:", "f:A", "f:.B", "f:AB");
    run_end(&r);
}
END_TEST

START_TEST(crash__truncation_is_whole_and_unordered_with_writes)
{
    run r = run_begin(with_file(NULL, "f", "XYZ"));
    truncate_file(&r, "f", 1);
    put(&r, "f", 1, 'A');
    EXPECT(&r, plain_limits(), "f:XYZ", "f:X", "f:XAZ", "f:XA");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:XA");
    run_end(&r);
}
END_TEST

START_TEST(crash__preallocation_may_be_half_done)
{
    crash_limits limits = plain_limits();
    run r = run_begin(with_file(NULL, "f", "X"));
    preallocate(&r, "f", 5);
    EXPECT(&r, limits, "f:X", "f:X....");
    limits.torn = limits.sizes = 100;
    EXPECT(&r, limits, "f:X", "f:X....", "f:X..", "f:X????");
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:X....");
    run_end(&r);
}
END_TEST

/* ---- Names ----------------------------------------------------------------------------------------------- */

START_TEST(crash__a_synced_file_without_a_synced_directory_may_have_no_name)
{
    run r = run_begin(disk_image_create());
    create(&r, "f");
    put(&r, "f", 0, 'A');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "", "f:A");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_durable_name_may_lack_its_data)
{
    run r = run_begin(disk_image_create());
    create(&r, "f");
    put(&r, "f", 0, 'A');
    sync_dir(&r, ".");
    EXPECT(&r, plain_limits(), "f:", "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__operations_on_one_entry_keep_their_order)
{
    run r = run_begin(disk_image_create());
    create(&r, "a");
    rename_file(&r, "a", "b");
    EXPECT(&r, plain_limits(), "", "a:", "b:");
    unlink_file(&r, "b");
    create(&r, "c");
    EXPECT(&r, plain_limits(), "", "a:", "b:", "c:", "a: c:", "b: c:");
    run_end(&r);
}
END_TEST

START_TEST(crash__half_a_rename_leaves_both_names_and_neither_on_request_only)
{
    crash_limits limits = plain_limits();
    run r = run_begin(with_file(with_file(NULL, "x", "N"), "y", "O"));
    rename_file(&r, "x", "y");
    EXPECT(&r, limits, "x:N y:O", "y:N");
    limits.renames = 100;
    EXPECT(&r, limits, "x:N y:O", "y:N", "x:N y:=N");
    limits.rename_neither = true;
    EXPECT(&r, limits, "x:N y:O", "y:N", "x:N y:=N", "y:O");
    sync_dir(&r, "/");
    EXPECT(&r, limits, "y:N");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lost_directory_takes_all_below_along)
{
    run r = run_begin(disk_image_create());
    make_dir(&r, "d");
    create(&r, "d/f");
    put(&r, "d/f", 0, 'A');
    sync_file(&r, "d/f");
    EXPECT(&r, plain_limits(), "", "d:()", "d:( f:A)");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "", "d:( f:A)");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:( f:A)");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_rename_between_directories_needs_both_synced)
{
    disk_image *start = with_file(NULL, "f", "A");
    disk_node d = disk_image_next_node(start);
    disk_image_add(start, d, true);
    disk_image_link(start, DISK_ROOT, "d", d);
    run r = run_begin(start);
    rename_file(&r, "f", "d/f");
    EXPECT(&r, plain_limits(), "d:() f:A", "d:( f:A)");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "d:( f:A) f:=A", "d:( f:A)");
    unlink_file(&r, "d/f");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "d:() f:A", "d:()"); /* what is left of the rename does not bring the name back */
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:()");
    run_end(&r);
}
END_TEST

START_TEST(crash__syncing_the_old_directory_makes_what_the_rename_replaced_durable_too)
{
    disk_image *start = with_file(NULL, "f", "A");
    disk_node d = disk_image_next_node(start);
    disk_image_add(start, d, true);
    disk_image_link(start, DISK_ROOT, "d", d);
    run r = run_begin(start);
    create(&r, "d/g");
    rename_file(&r, "f", "d/g");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:( g:A)");
    run_end(&r);
}
END_TEST

/* ---- Syncs that fail or lie ------------------------------------------------------------------------------ */

START_TEST(crash__a_failed_sync_loses_its_pages_until_they_are_written_again)
{
    run r = run_begin(with_file(NULL, "f", "................"));
    put(&r, "f", 0, 'A');  /* page 0 */
    put(&r, "f", 8, 'B');  /* page 1 */
    at_path(&r, "f", act_lose, 0, 0);
    EXPECT(&r, plain_limits(), "f:................");
    put(&r, "f", 1, 'C');  /* page 0 again: takes A along */
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:AC..............");
    disk_image *seen = simdisk_image(r.disk);
    char text[TEXT_MAX];
    image_text(seen, text);
    ck_assert_str_eq(text, "f:AC......B......."); /* reads go on showing what is lost */
    disk_image_unref(seen);
    put(&r, "f", 9, 'D');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:AC......BD......");
    run_end(&r);
}
END_TEST

/* The page is written whole, as for any write, and what does not change in it is not hurt, as of any write. */
START_TEST(crash__of_a_page_written_again_only_what_changes_may_be_garbage)
{
    crash_limits limits = plain_limits();
    limits.zeroed = limits.garbage = 100;
    run r = run_begin(with_file(NULL, "f", "XX......"));
    put(&r, "f", 1, 'A');
    at_path(&r, "f", act_lose, 0, 0);
    put(&r, "f", 3, 'B'); /* takes A along */
    EXPECT(&r, limits, "f:XX......", "f:XA.B....", "f:X?.B....", "f:X..B....", "f:XA.?....", "f:XA......");
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:XA.B....");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_failed_sync_of_an_append_may_leave_its_size)
{
    run r = run_begin(with_file(NULL, "f", "X"));
    put(&r, "f", 1, 'A');
    at_path(&r, "f", act_lose, 0, 0);
    EXPECT(&r, plain_limits(), "f:X", "f:X.");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:X.");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_failed_sync_that_keeps_pages_changes_nothing)
{
    run r = run_begin(with_file(NULL, "f", "."));
    put(&r, "f", 0, 'A');
    at_path(&r, "f", act_keep, 0, 0);
    EXPECT(&r, plain_limits(), "f:.", "f:A");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lying_sync_takes_effect_at_the_next)
{
    crash_limits limits = plain_limits();
    limits.lying_sync = true;
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:..", "f:A.");
    put(&r, "f", 1, 'B');
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:A.", "f:AB");
    run_end(&r);
}
END_TEST
LEVIN_TEST_MAIN("crash", TEST(crash__unsynced_writes_reach_the_device_in_any_subset),
                TEST(crash__of_two_kept_writes_the_later_is_on_top), TEST(crash__a_sync_covers_its_own_file_only),
                TEST(crash__a_write_is_torn_at_every_sector),
                TEST(crash__a_long_write_is_torn_at_its_ends_middle_and_one_more_place),
                TEST(crash__a_sector_may_be_garbage_or_zeros), TEST(crash__size_and_data_of_an_append_come_apart),
                TEST(crash__a_lost_write_leaves_a_hole_before_a_kept_one),
                TEST(crash__truncation_is_whole_and_unordered_with_writes),
                TEST(crash__preallocation_may_be_half_done),
                TEST(crash__a_synced_file_without_a_synced_directory_may_have_no_name),
                TEST(crash__a_durable_name_may_lack_its_data),
                TEST(crash__operations_on_one_entry_keep_their_order),
                TEST(crash__half_a_rename_leaves_both_names_and_neither_on_request_only),
                TEST(crash__a_lost_directory_takes_all_below_along),
                TEST(crash__a_rename_between_directories_needs_both_synced),
                TEST(crash__syncing_the_old_directory_makes_what_the_rename_replaced_durable_too),
                TEST(crash__a_failed_sync_loses_its_pages_until_they_are_written_again),
                TEST(crash__of_a_page_written_again_only_what_changes_may_be_garbage),
                TEST(crash__a_failed_sync_of_an_append_may_leave_its_size),
                TEST(crash__a_failed_sync_that_keeps_pages_changes_nothing),
                TEST(crash__a_lying_sync_takes_effect_at_the_next))
