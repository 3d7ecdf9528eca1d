/*
 * compact_test.c - compaction through levin.h, on simulated disks.
 *
 * Invariants checked: contents and snapshots are the same before, between any two steps, and after; levin_check()
 * passes; the file comes near to the size of what is in it, with full leaves in key order; a crash at any point, and
 * a failure of any call, leave the store whole.
 */
#include "compact_faults_test.h"

static uint64_t file_bytes(void)
{
    uint64_t bytes;
    levin_error error;
    ck_assert_int_eq(file_size(&f.db->pages, &bytes, &error), LEVIN_OK);
    return bytes;
}

/* Of the leaves, how many stand right behind the one before them. */
static double leaves_in_order(void)
{
    tree_cursor c;
    levin_error error;
    uint64_t before = 0, leaves = 0, good = 0;
    ck_assert_int_eq(tree_cursor_open(&c, &f.db->versions.newest->tree->t, &error), LEVIN_OK);
    for (levin_code code = tree_cursor_first(&c, &error); code == LEVIN_OK; code = tree_cursor_next(&c, &error)) {
        uint64_t number = c.frame[c.height - 1]->number;
        if (number == before)
            continue;
        leaves++;
        good += number == before + 1;
        before = number;
    }
    tree_cursor_close(&c);
    return (double)good / (double)leaves;
}

START_TEST(compact__all_packs_and_orders_the_tree_and_shortens_the_file)
{
    levin_compact_result r;
    setup(KEYS_MAX, false, NULL);
    scatter(20);
    uint64_t leaves = f.db->meta.leaf_pages;
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    expect_whole();
    const page_meta *m = &f.db->meta;
    uint64_t live = m->leaf_pages + m->branch_pages + m->overflow_pages;
    ck_assert_uint_eq(file_bytes(), m->page_count * 4096);
    ck_assert_msg(m->page_count <= live + live / 20 + 8, "%llu pages, %llu live", (unsigned long long)m->page_count,
                  (unsigned long long)live);
    ck_assert_uint_lt(m->leaf_pages, leaves);
    ck_assert_msg(leaves_in_order() > 0.8, "%.2f of the leaves are in order", leaves_in_order());
    ck_assert_uint_eq(r.pages_after, m->page_count);
    ck_assert_uint_eq(r.free_after, m->free_pages);
    ck_assert_uint_eq(r.held_pages, 0);
    ck_assert_uint_eq(stats().compactions, 1);
    ck_assert_uint_eq(stats().compaction_rounds, r.rounds);
    ck_assert_uint_eq(stats().compaction_pages, r.pages_moved);
    ck_assert_uint_eq(stats().compaction_bytes, r.bytes_written);
    ck_assert_uint_le(r.pages_moved, 3 * leaves);
    expect_ok(levin_close(f.db), "close");
    reopen(f.o.io);
    expect_whole();
    teardown();
}
END_TEST

START_TEST(compact__large_values_move_too)
{
    levin_compact_result r;
    setup(1500, true, NULL);
    scatter(12);
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    expect_whole();
    const page_meta *m = &f.db->meta;
    uint64_t live = m->leaf_pages + m->branch_pages + m->overflow_pages;
    ck_assert_uint_gt(m->overflow_pages, 0);
    ck_assert_msg(m->page_count <= live + live / 10 + 16, "%llu pages, %llu live", (unsigned long long)m->page_count,
                  (unsigned long long)live);
    for (unsigned i = 0; i < f.keys; i++)
        delete(i);
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    expect_whole();
    ck_assert_uint_eq(f.db->meta.height, 0);
    ck_assert_uint_le(f.db->meta.page_count, 8);
    teardown();
}
END_TEST

START_TEST(compact__end_moves_only_what_is_in_the_way)
{
    levin_compact_result r;
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.mode = LEVIN_COMPACT_END;
    setup(KEYS_MAX, true, NULL);
    scatter(4);
    for (unsigned i = 0; i < f.keys; i++)
        if (i % 4)
            delete(i);
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    uint64_t before = f.db->meta.page_count;
    expect_ok(levin_compact(f.db, &o, &r), "compact");
    expect_whole();
    const page_meta *m = &f.db->meta;
    uint64_t live = m->leaf_pages + m->branch_pages + m->overflow_pages;
    ck_assert_msg(m->page_count <= live + live / 10 + 40, "%llu pages of %llu, %llu live",
                  (unsigned long long)m->page_count, (unsigned long long)before, (unsigned long long)live);
    ck_assert_uint_eq(r.pages_before, before);
    ck_assert_uint_le(r.pages_moved, live);
    uint64_t moved = r.pages_moved; /* and once more: nothing is left to move */
    expect_ok(levin_compact(f.db, &o, &r), "compact");
    ck_assert_uint_le(r.pages_moved, moved / 10);
    teardown();
}
END_TEST

START_TEST(compact__small_and_empty_stores)
{
    levin_compact_result r;
    levin_compact_options o;
    setup(10, false, NULL);
    expect_ok(levin_compact(f.db, NULL, &r), "compact an empty store");
    expect_whole();
    put(3);
    expect_ok(levin_compact(f.db, NULL, &r), "compact one key");
    expect_whole();
    levin_compact_options_init(&o);
    o.struct_bytes--;
    ck_assert_int_eq(levin_compact(f.db, &o, &r), LEVIN_INVALID);
    levin_compact_options_init(&o);
    o.round_bytes = 0;
    expect_ok(levin_compact(f.db, &o, &r), "compact");
    expect_whole();
    expect_ok(levin_close(f.db), "close");
    f.o.read_only = true;
    reopen(f.o.io);
    ck_assert_int_eq(levin_compact(f.db, NULL, &r), LEVIN_READ_ONLY);
    teardown();
}
END_TEST

/* One round holds all of such a store: its pages go behind the end and come back. */
START_TEST(compact__a_small_store_is_no_longer_than_it_need_be)
{
    levin_compact_result r;
    for (unsigned keys = 50; keys <= KEYS_MAX; keys *= 2) {
        setup(keys, true, NULL);
        for (unsigned i = 0; i < keys; i++)
            put(i);
        for (int turn = 0; turn < 2; turn++) {
            expect_ok(levin_compact(f.db, NULL, &r), "compact");
            ck_assert_msg(r.free_after <= r.pages_after / 16 + 1, "%u keys: %llu pages of %llu are free", keys,
                          (unsigned long long)r.free_after, (unsigned long long)r.pages_after);
        }
        expect_whole();
        teardown();
    }
}
END_TEST

START_TEST(compact__snapshots_stand_still_and_hold_the_file)
{
    levin_compact_result r;
    static uint64_t old[KEYS_MAX];
    levin_snapshot *s;
    setup(KEYS_MAX, true, NULL);
    scatter(5);
    memcpy(old, f.seed, sizeof old);
    expect_ok(levin_snapshot_create(f.db, &s), "snapshot");
    uint64_t before = f.db->meta.page_count;
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    ck_assert_uint_gt(r.held_pages, 0);
    ck_assert_uint_le(r.pages_after, 2 * before); /* it does not write the whole store beside the old one */
    expect_whole();
    for (unsigned i = 0; i < f.keys; i += 3)
        put(i);
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    expect_contents(f.db, s, old);
    levin_snapshot_release(s);
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    ck_assert_uint_eq(r.held_pages, 0);
    expect_whole();
    teardown();
}
END_TEST

START_TEST(compact__again_and_again_beside_a_snapshot_does_not_grow_the_file)
{
    static uint64_t old[KEYS_MAX];
    levin_compact_result r;
    levin_snapshot *s;
    for (unsigned keys = 40; keys <= KEYS_MAX; keys *= 10) {
        setup(keys, true, NULL);
        scatter(2);
        memcpy(old, f.seed, sizeof old);
        expect_ok(levin_snapshot_create(f.db, &s), "snapshot");
        uint64_t most = f.db->meta.page_count * 2 + 128;
        for (unsigned n = 0; n < 100; n++) {
            expect_ok(levin_compact(f.db, NULL, &r), "compact");
            ck_assert_msg(f.db->meta.page_count <= most, "%u keys: %llu pages after %u compactions", keys,
                          (unsigned long long)f.db->meta.page_count, n + 1);
        }
        ck_assert_uint_gt(r.held_pages, 0);
        expect_contents(f.db, s, old);
        levin_snapshot_release(s);
        expect_ok(levin_compact(f.db, NULL, &r), "compact");
        ck_assert_uint_eq(r.held_pages, 0);
        expect_whole();
        teardown();
    }
}
END_TEST

typedef struct stop {
    unsigned left;
    bool stopped;
} stop;

static bool stop_later(void *context, const levin_compact_result *so_far)
{
    stop *s = context;
    (void)so_far;
    s->stopped = s->left == 0;
    return s->left-- != 0;
}

START_TEST(compact__stops_between_any_two_steps)
{
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.progress = stop_later;
    setup(1200, true, NULL);
    scatter(3);
    stop s = { 0 };
    for (unsigned n = 0; n == 0 || s.stopped; n++) {
        s = (stop){ .left = n };
        o.context = &s;
        levin_code code = levin_compact(f.db, &o, NULL);
        ck_assert_int_eq(code, s.stopped ? LEVIN_INTERRUPTED : LEVIN_OK);
        expect_whole();
        put(n % f.keys);
        if (n % 2)
            expect_ok(levin_checkpoint(f.db), "checkpoint");
        ck_assert_uint_lt(n, 1000);
    }
    expect_whole();
    teardown();
}
END_TEST

/* Writers who fill the memtable between two steps get their checkpoint. */
static bool write_meanwhile(void *context, const levin_compact_result *so_far)
{
    (void)context, (void)so_far;
    for (unsigned n = 0; n < 300; n++)
        put((unsigned)(random_next(&f.random) % f.keys));
    return true;
}

START_TEST(compact__writes_and_checkpoints_come_between)
{
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.progress = write_meanwhile;
    setup(KEYS_MAX, true, NULL);
    f.o.memtable_bytes = 64 << 10;
    expect_ok(levin_close(f.db), "close");
    reopen(f.o.io);
    scatter(3);
    uint64_t checkpoints = stats().checkpoints;
    expect_ok(levin_compact(f.db, &o, NULL), "compact");
    ck_assert_uint_gt(stats().checkpoints, checkpoints + 2);
    expect_whole();
    expect_ok(levin_close(f.db), "close");
    reopen(f.o.io);
    expect_whole();
    teardown();
}
END_TEST

START_TEST(compact__damage_stops_it_and_nothing_is_lost)
{
    setup(1200, true, NULL);
    scatter(3);
    expect_ok(levin_compact(f.db, NULL, NULL), "compact");
    const page_meta before = f.db->meta;
    expect_ok(levin_close(f.db), "close");
    const levin_io *io = f.o.io;
    levin_file *handle;
    size_t done;
    uint8_t byte = 0x5a;
    ck_assert_int_eq(io->open(io->context, "store/pages", LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle), 0);
    levin_slice part = { &byte, 1 };
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, (before.page_count / 2) * 4096 + 700, &done), 0);
    io->close(io->context, handle);
    reopen(io);
    levin_error error;
    ck_assert_int_eq(levin_compact(f.db, NULL, NULL), LEVIN_CORRUPT);
    levin_last_error(f.db, &error);
    ck_assert_str_eq(error.file, "pages");
    ck_assert_uint_eq(stats().checkpoint_failures, 0);
    put(1); /* the store goes on */
    teardown();
}
END_TEST

/* ---- failures ---- */

START_TEST(compact__any_failing_call_leaves_the_store_whole)
{
    disk_image *image = scattered_image(400, true, 3);
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), alloc = 1u << FAULT_ALLOC;
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t nth = 1; compact_with_fault(image, NULL, nth, forever, io, forever ? ENOSPC : EIO); nth++)
            ;
        for (uint64_t nth = 1; compact_with_fault(image, NULL, nth, forever, alloc, 0); nth++)
            ;
    }
    disk_image_unref(image);
    teardown();
}
END_TEST

START_TEST(compact__a_crash_at_any_point_finds_everything)
{
    disk_image *image = scattered_image(500, true, 3);
    ck_assert_uint_gt(compact_crashes(image, NULL, NULL), 300);
    disk_image_unref(image);
    teardown();
}
END_TEST

/* ---- in the background ---- */

static void work_all(void)
{
    bool more = true;
    while (more)
        expect_ok(levin_work(f.db, &more), "work");
}

START_TEST(compact__background_shortens_a_file_that_is_mostly_free)
{
    setup(KEYS_MAX, false, NULL);
    f.o.auto_compact_percent = 50;
    f.o.memtable_bytes = 4 << 20;
    expect_ok(levin_close(f.db), "close");
    reopen(f.o.io);
    static uint8_t big[1000];
    char key[24];
    for (unsigned i = 0; i < 20000; i++)
        expect_ok(levin_put(f.db, key, (size_t)snprintf(key, sizeof key, "z%08u", i), big, 1000, LEVIN_NONE), "put");
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    work_all();
    ck_assert_uint_eq(stats().compactions, 0);
    uint64_t before = f.db->meta.page_count;
    for (unsigned i = 0; i < 20000; i++)
        if (i % 50)
            expect_ok(levin_delete(f.db, key, (size_t)snprintf(key, sizeof key, "z%08u", i), LEVIN_NONE), "delete");
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    work_all();
    ck_assert_uint_eq(stats().compactions, 1);
    ck_assert_uint_lt(f.db->meta.page_count, before / 10);
    work_all(); /* and not again for the same */
    ck_assert_uint_eq(stats().compactions, 1);
    expect_ok(levin_check(f.db, print_fault, NULL, NULL), "check");
    teardown();
}
END_TEST

/* The pages of their tree are in the way like any others. */
START_TEST(compact__named_keyspaces_too)
{
    levin_compact_result r;
    levin_keyspace *k;
    char key[24];
    static uint8_t bytes[300];
    setup(1000, false, NULL);
    expect_ok(levin_keyspace_open(f.db, "side", 4, LEVIN_KEYSPACE_CREATE, &k), "keyspace");
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3000; i++)
            expect_ok(levin_put_in(f.db, k, key, (size_t)snprintf(key, sizeof key, "n%06u", i * 7919 % 3000), bytes,
                                         100 + i % 200, LEVIN_NONE), "put");
        scatter(2);
    }
    for (unsigned i = 0; i < 3000; i++)
        if (i % 5)
            expect_ok(levin_delete_in(f.db, k, key, (size_t)snprintf(key, sizeof key, "n%06u", i), LEVIN_NONE),
                      "delete");
    levin_keyspace_close(k);
    expect_ok(levin_compact(f.db, NULL, &r), "compact");
    expect_whole();
    const page_meta *m = &f.db->meta;
    uint64_t live = m->leaf_pages + m->branch_pages + m->overflow_pages;
    ck_assert_uint_gt(m->named_keys, 600);
    ck_assert_msg(m->page_count <= live + live / 10 + 16, "%llu pages, %llu live", (unsigned long long)m->page_count,
                  (unsigned long long)live);
    teardown();
}
END_TEST

LEVIN_TEST_MAIN("compact", TEST(compact__named_keyspaces_too),
                TEST(compact__all_packs_and_orders_the_tree_and_shortens_the_file),
                TEST(compact__large_values_move_too), TEST(compact__end_moves_only_what_is_in_the_way),
                TEST(compact__small_and_empty_stores), TEST(compact__a_small_store_is_no_longer_than_it_need_be),
                TEST(compact__snapshots_stand_still_and_hold_the_file),
                TEST(compact__again_and_again_beside_a_snapshot_does_not_grow_the_file),
                TEST(compact__stops_between_any_two_steps), TEST(compact__writes_and_checkpoints_come_between),
                TEST(compact__damage_stops_it_and_nothing_is_lost),
                TEST(compact__any_failing_call_leaves_the_store_whole),
                TEST(compact__a_crash_at_any_point_finds_everything),
                TEST(compact__background_shortens_a_file_that_is_mostly_free))
