/*
 * reader_slots_test.c - read-only handles beside a writer, on the simulated disk: what they see, what is kept for them.
 *
 * Invariants checked: a reader sees exactly the newest checkpoint beside a writer, and all of the log without one;
 * that state stays, byte for byte and by levin_check(), whatever the writer does (checkpoints, compaction,
 * collection, closing, opening again); what it needs is not used again, and is when it has gone; slots are limited,
 * listed and counted; a slot with damaged bytes holds back everything and hurts nothing; any failing call or
 * allocation gives an error or is done without, and never a wrong answer; a table without byte-range locks, and an
 * earlier version's lock, are refused.
 */
#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "io.h"
#include "lock_format.h"
#include "reader_state_test.h"

static simdisk *disk;
static const levin_io *io;
static levin *writer;
static unsigned state;

static levin *open_with(const levin_options *o)
{
    levin *store;
    levin_error error = { 0 };
    levin_code code = levin_open("db", o, &store, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s", levin_code_name(code), error.message);
    return store;
}

static levin *open_reader(void)
{
    levin_options o = state_options(io, true);
    return open_with(&o);
}

static void open_writer(void)
{
    levin_options o = state_options(io, false);
    writer = open_with(&o);
}

static void setup(void)
{
    disk = simdisk_create(NULL, NULL);
    io = simdisk_io(disk);
    state = 0;
    open_writer();
}

static void teardown(void)
{
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

static void advance(unsigned states, bool checkpoint)
{
    for (unsigned i = 0; i < states; i++)
        ck_assert_int_eq(state_write(writer, ++state, LEVIN_NONE), LEVIN_OK);
    if (checkpoint)
        ck_assert_int_eq(levin_checkpoint(writer), LEVIN_OK);
}

static void expect_state(levin *store, unsigned n)
{
    char message[STATE_MESSAGE] = "";
    ck_assert_uint_eq(state_number(store, message), n);
    bool good = state_is(store, n, message, NULL);
    ck_assert_msg(good, "%s", message);
}

static bool print_fault(void *context, const levin_error *fault)
{
    (void)context;
    fprintf(stderr, "%s\n", fault->message);
    return true;
}

static void expect_sound(levin *store)
{
    levin_check_result r;
    ck_assert_int_eq(levin_check(store, print_fault, NULL, &r), LEVIN_OK);
    ck_assert_uint_gt(r.keys, 0);
}

static levin_stats stats_of(levin *store)
{
    levin_stats s;
    levin_stats_get(store, &s);
    return s;
}

/* Everything by which a writer uses space again. */
static void churn(unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        advance(2, true);
        if (i % 4 == 1)
            ck_assert_int_eq(levin_collect(writer, 90), LEVIN_OK);
        if (i % 5 == 2)
            ck_assert_int_eq(levin_compact(writer, NULL, NULL), LEVIN_OK);
    }
}

START_TEST(reader__sees_the_newest_checkpoint_and_nothing_of_the_log)
{
    setup();
    levin *empty = open_reader();
    expect_state(empty, 0);
    advance(3, true);
    advance(2, false);
    ck_assert_int_eq(levin_sync(writer), LEVIN_OK);
    levin *r = open_reader();
    expect_state(r, 3);
    expect_sound(r);
    ck_assert_uint_eq(stats_of(r).generation, stats_of(writer).generation);
    ck_assert_uint_eq(stats_of(r).sequence, 3);
    ck_assert_uint_eq(stats_of(r).replayed_batches, 0);
    ck_assert_int_eq(levin_put(r, "k", 1, "v", 1, LEVIN_NONE), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_checkpoint(r), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_collect(r, 50), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_work(r, NULL), LEVIN_OK);
    expect_state(writer, 5);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    advance(0, true);
    r = open_reader();
    expect_state(r, 5);
    expect_state(empty, 0);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    ck_assert_int_eq(levin_close(empty), LEVIN_OK);
    teardown();
}
END_TEST

START_TEST(reader__keeps_its_state_while_the_writer_uses_space_again)
{
    setup();
    advance(2, true);
    levin *readers[8];
    unsigned seen[8];
    for (unsigned i = 0; i < 8; i++) {
        readers[i] = open_reader();
        seen[i] = state;
        churn(3);
        for (unsigned k = 0; k <= i; k++)
            expect_state(readers[k], seen[k]);
    }
    for (unsigned i = 0; i < 8; i++) {
        unsigned k = i * 5 % 8;
        expect_state(readers[k], seen[k]);
        expect_sound(readers[k]);
        ck_assert_int_eq(levin_close(readers[k]), LEVIN_OK);
        churn(2);
    }
    expect_state(writer, state);
    expect_sound(writer);
    teardown();
}
END_TEST

START_TEST(reader__without_a_writer_sees_the_log_and_keeps_it)
{
    setup();
    advance(3, true);
    advance(2, false);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    levin *r = open_reader(), *second = open_reader();
    expect_state(r, 5);
    expect_sound(r);
    ck_assert_uint_eq(stats_of(r).beside_writer, 0);
    open_writer(); /* readers do not keep it out */
    expect_state(writer, 5);
    churn(10);
    expect_state(r, 5);
    expect_sound(r);
    expect_state(second, 5);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    r = open_reader();
    expect_state(r, state);
    expect_state(second, 5);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    open_writer();
    churn(5);
    expect_state(second, 5);
    ck_assert_int_eq(levin_close(second), LEVIN_OK);
    expect_sound(writer);
    teardown();
}
END_TEST

START_TEST(reader__is_respected_by_a_writer_that_comes_later)
{
    setup();
    advance(2, true);
    levin *r = open_reader();
    unsigned seen = state;
    for (unsigned i = 0; i < 6; i++) {
        churn(4); /* the free list of the meta page has pages of the reader's by now */
        if (i % 2) /* as if the process had died */
            advance(1, false);
        ck_assert_int_eq(levin_close(writer), LEVIN_OK);
        open_writer();
        expect_state(r, seen);
        expect_sound(r);
        ck_assert_uint_gt(stats_of(writer).reader_processes_bytes, 0);
    }
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    expect_state(writer, state);
    expect_sound(writer);
    teardown();
}
END_TEST

/* The page file with a reader grows; without it goes back to what the store needs. */
START_TEST(reader__gone_its_space_is_used_again)
{
    setup();
    churn(20);
    const uint64_t before = stats_of(writer).file_pages;
    levin *r = open_reader();
    churn(40);
    const uint64_t held = stats_of(writer).reader_processes_bytes / 4096, with = stats_of(writer).file_pages;
    ck_assert_uint_eq(stats_of(writer).reader_processes, 1);
    ck_assert_uint_eq(stats_of(writer).beside_writer, 0);
    ck_assert_uint_eq(stats_of(r).beside_writer, 1);
    ck_assert_uint_gt(held, before / 4);
    ck_assert_uint_gt(with, before);
    uint64_t segments = stats_of(writer).vlog_segments;
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    churn(20);
    ck_assert_int_eq(levin_compact(writer, NULL, NULL), LEVIN_OK);
    ck_assert_uint_eq(stats_of(writer).reader_processes, 0);
    ck_assert_uint_eq(stats_of(writer).reader_processes_bytes, 0);
    ck_assert_msg(stats_of(writer).file_pages <= before, "%llu pages, %llu before", (unsigned long long)
                  stats_of(writer).file_pages, (unsigned long long)before);
    ck_assert_uint_le(stats_of(writer).vlog_segments, segments + 4);
    expect_sound(writer);
    teardown();
}
END_TEST

typedef struct listed {
    levin_reader readers[8];
    size_t count, stop_at;
} listed;

static bool list_one(void *context, const levin_reader *reader)
{
    listed *l = context;
    l->readers[l->count++] = *reader;
    return l->count != l->stop_at;
}

START_TEST(slots__are_limited_listed_and_used_again)
{
    setup();
    advance(2, true);
    levin_options o = state_options(io, true);
    ck_assert_uint_eq(o.reader_slots, 128);
    o.reader_slots = 3;
    levin *r[3], *none;
    levin_error error;
    for (unsigned i = 0; i < 3; i++) {
        r[i] = open_with(&o);
        advance(1, true);
    }
    ck_assert_int_eq(levin_open("db", &o, &none, &error), LEVIN_READERS_FULL);
    ck_assert_ptr_nonnull(strstr(error.message, "reader_slots"));
    ck_assert_ptr_null(none);
    levin_iter *it;
    ck_assert_int_eq(levin_iter_open(writer, NULL, &it), LEVIN_OK);
    listed l = { .count = 0 };
    ck_assert_int_eq(levin_readers_list(writer, list_one, &l), LEVIN_OK);
    ck_assert_uint_eq(l.count, 4);
    ck_assert_int_eq(l.readers[0].kind, LEVIN_READER_ITERATOR);
    ck_assert_uint_eq(l.readers[0].process, 0);
    for (unsigned i = 0; i < 3; i++) {
        const levin_reader *p = &l.readers[1 + i];
        ck_assert_int_eq(p->kind, LEVIN_READER_PROCESS);
        ck_assert_uint_eq(p->number, i);
        ck_assert_uint_eq(p->process, 1);
        ck_assert_uint_eq(p->sequence, 2 + i);
        ck_assert_uint_eq(p->batches_behind, 3 - i);
        ck_assert_uint_gt(p->age_ns, 0);
        ck_assert_uint_gt(p->held_file_bytes, 0);
    }
    ck_assert_uint_gt(l.readers[1].held_file_bytes, l.readers[2].held_file_bytes);
    ck_assert_uint_eq(stats_of(writer).reader_processes_bytes, l.readers[1].held_file_bytes);
    l = (listed){ .stop_at = 2 };
    ck_assert_int_eq(levin_readers_list(writer, list_one, &l), LEVIN_INTERRUPTED);
    ck_assert_uint_eq(l.count, 2);
    levin_iter_close(it);
    /* a reader sees the others */
    ck_assert_uint_eq(stats_of(r[1]).reader_processes, 2);
    ck_assert_int_eq(levin_close(r[1]), LEVIN_OK);
    r[1] = open_with(&o);
    l = (listed){ .count = 0 };
    ck_assert_int_eq(levin_readers_list(writer, list_one, &l), LEVIN_OK);
    ck_assert_uint_eq(l.count, 3);
    ck_assert_uint_eq(l.readers[1].number, 1);
    ck_assert_uint_eq(l.readers[1].sequence, 5);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(levin_close(r[i]), LEVIN_OK);
    o.reader_slots = 0;
    ck_assert_int_eq(levin_open("db", &o, &none, &error), LEVIN_INVALID);
    o.reader_slots = 1025;
    ck_assert_int_eq(levin_open("db", &o, &none, &error), LEVIN_INVALID);
    teardown();
}
END_TEST

START_TEST(slots__all_of_them_are_found)
{
    enum { MANY = 300 };
    static levin *r[MANY];
    setup();
    advance(1, true);
    levin_options o = state_options(io, true);
    o.reader_slots = 1024;
    for (unsigned i = 0; i < MANY; i++)
        r[i] = open_with(&o);
    for (unsigned left = MANY; left; left--) {
        ck_assert_uint_eq(stats_of(writer).reader_processes, left);
        ck_assert_int_eq(levin_close(r[(left * 7) % MANY]), LEVIN_OK); /* 7 and 300 have no common factor */
    }
    ck_assert_uint_eq(stats_of(writer).reader_processes, 0);
    teardown();
}
END_TEST

static void flip_lock_byte(uint64_t at)
{
    levin_file *f;
    unsigned char byte;
    size_t done;
    ck_assert_int_eq(io->open(io->context, "db/lock", LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &f), 0);
    ck_assert_int_eq(io->read_at(io->context, f, &byte, 1, at, &done), 0);
    ck_assert_uint_eq(done, 1);
    byte ^= 0x41;
    const levin_slice part = { &byte, 1 };
    ck_assert_int_eq(io->write_at(io->context, f, &part, 1, at, &done), 0);
    io->close(io->context, f);
}

START_TEST(slots__with_damaged_bytes_hold_back_everything)
{
    setup();
    for (unsigned at = 0; at < READER_SLOT_BYTES; at++) {
        advance(2, true);
        levin *r = open_reader();
        unsigned seen = state;
        flip_lock_byte(READER_SLOTS_AT + at);
        listed l = { .count = 0 };
        ck_assert_int_eq(levin_readers_list(writer, list_one, &l), LEVIN_OK);
        ck_assert_uint_eq(l.count, 1);
        ck_assert_uint_eq(l.readers[0].sequence, 0);
        churn(2);
        if (at % 8 == 5) {
            ck_assert_int_eq(levin_close(writer), LEVIN_OK);
            open_writer();
            churn(1);
        }
        expect_state(r, seen);
        ck_assert_uint_gt(stats_of(writer).reader_processes_bytes, 0);
        ck_assert_int_eq(levin_close(r), LEVIN_OK);
        advance(1, true);
        ck_assert_uint_eq(stats_of(writer).reader_processes_bytes, 0);
    }
    /* bytes alone, without a lock, mean nothing; nor does a file cut short */
    flip_lock_byte(READER_SLOTS_AT + 3);
    advance(1, true);
    levin *r = open_reader();
    expect_state(r, state);
    levin_file *f;
    ck_assert_int_eq(io->open(io->context, "db/lock", LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &f), 0);
    ck_assert_int_eq(io->truncate(io->context, f, 70), 0);
    io->close(io->context, f);
    unsigned seen = state;
    churn(6);
    expect_state(r, seen);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    teardown();
}
END_TEST

/* The writer does checkpoints while a reader is between choosing its meta page and telling so, its only write. */
static unsigned delays;

static int write_late(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                      size_t *done)
{
    if (delays) {
        delays--;
        churn(5);
    }
    return io->write_at(context, file, parts, count, offset, done);
}

START_TEST(reader__that_is_late_looks_again)
{
    setup();
    advance(2, true);
    levin_io late = *io;
    late.write_at = write_late;
    levin_options o = state_options(&late, true);
    for (unsigned times = 1; times < 6; times++) {
        delays = times;
        unsigned before = state;
        levin *r = open_with(&o);
        ck_assert_uint_eq(delays, 0);
        ck_assert_uint_eq(state, before + times * 10);
        expect_state(r, state);
        unsigned seen = state;
        churn(5);
        expect_state(r, seen);
        expect_sound(r);
        ck_assert_int_eq(levin_close(r), LEVIN_OK);
    }
    teardown();
}
END_TEST

START_TEST(reader__of_a_state_that_a_failed_sync_has_lost_keeps_writers_out)
{
    setup();
    advance(2, true);
    disk_image *image = simdisk_image(disk);
    advance(1, true);
    levin *r = open_reader();
    expect_state(r, 3);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    /* the meta pages go back to what they were: the kernel has dropped the page that was not written */
    unsigned char meta[8192];
    size_t done;
    levin_file *f;
    simdisk *before = simdisk_create(image, NULL);
    const levin_io *old = simdisk_io(before);
    ck_assert_int_eq(old->open(old->context, "db/pages", LEVIN_FILE_PAGES, 0, &f), 0);
    ck_assert_int_eq(old->read_at(old->context, f, meta, sizeof meta, 0, &done), 0);
    old->close(old->context, f);
    ck_assert(simdisk_destroy(before, NULL));
    disk_image_unref(image);
    ck_assert_int_eq(io->open(io->context, "db/pages", LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &f), 0);
    const levin_slice part = { meta, sizeof meta };
    ck_assert_int_eq(io->write_at(io->context, f, &part, 1, 0, &done), 0);
    io->close(io->context, f);
    levin_options o = state_options(io, false);
    levin_error error;
    ck_assert_int_eq(levin_open("db", &o, &writer, &error), LEVIN_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.message, "lost"));
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

START_TEST(lock__of_older_tables_and_versions_is_respected)
{
    setup();
    advance(2, true);
    levin_io old = *io;
    old.version = 1;
    old.lock_range = NULL; /* what stands behind the fields of version 1 is not looked at */
    old.process_id = NULL;
    levin *store;
    levin_error error;
    levin_options o = state_options(&old, true), w = state_options(&old, false);
    ck_assert_int_eq(levin_open("db", &o, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_open("db", &w, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    levin *r = open_with(&o), *second = open_with(&o); /* as before: several that read, and nobody writes */
    expect_state(r, 2);
    expect_sound(second);
    o = state_options(io, false);
    ck_assert_int_eq(levin_open("db", &o, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    ck_assert_int_eq(levin_close(second), LEVIN_OK);
    writer = open_with(&w);
    advance(1, true);
    o = state_options(io, true);
    ck_assert_int_eq(levin_open("db", &o, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    r = open_reader();
    ck_assert_int_eq(levin_open("db", &w, &store, &error), LEVIN_LOCKED); /* it would use the reader's pages again */
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    old.version = LEVIN_IO_VERSION + 1;
    ck_assert_int_eq(levin_open("db", &w, &store, &error), LEVIN_INVALID);
    open_writer();
    teardown();
}
END_TEST

/* A reader who may not write to the lock file keeps writers out, as all readers did. */
static int open_unwritable(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    *file = NULL;
    if (kind == LEVIN_FILE_LOCK && (flags & LEVIN_IO_WRITE))
        return EROFS;
    return io->open(context, path, kind, flags, file);
}

START_TEST(reader__that_may_not_write_the_lock_file_keeps_writers_out)
{
    setup();
    advance(2, true);
    levin_io unwritable = *io;
    unwritable.open = open_unwritable;
    levin_options o = state_options(&unwritable, true), w = state_options(io, false);
    levin *store;
    levin_error error;
    ck_assert_int_eq(levin_open("db", &o, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    levin *r = open_with(&o), *slotted = open_reader();
    expect_state(r, 2);
    expect_state(slotted, 2);
    ck_assert_int_eq(levin_open("db", &w, &store, &error), LEVIN_LOCKED);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    open_writer();
    ck_assert_int_eq(levin_close(slotted), LEVIN_OK);
    teardown();
}
END_TEST

START_TEST(backup__of_a_reader_beside_the_writer_is_its_state)
{
    setup();
    advance(4, true);
    advance(1, false);
    levin *r = open_reader();
    churn(6);
    ck_assert_int_eq(levin_backup(r, "copy", NULL, NULL), LEVIN_OK);
    levin_options o = state_options(io, true);
    levin *copy;
    levin_error error;
    ck_assert_int_eq(levin_open("copy", &o, &copy, &error), LEVIN_OK);
    expect_state(copy, 4);
    expect_sound(copy);
    ck_assert_int_eq(levin_close(copy), LEVIN_OK);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    /* what is written to is no backup, and what it acknowledged would be missing */
    ck_assert_int_eq(levin_restore("db", "restored", io, NULL, NULL, &error), LEVIN_LOCKED);
    ck_assert_msg(strstr(error.message, "open for writing"), "%s", error.message);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    open_writer();
    teardown();
}
END_TEST

/* ---- faults ---- */

/* Opens a reader, reads, churns, reads, closes: every answer is right or an error. Returns whether anything failed. */
static bool life_beside(const levin_io *reader_io, unsigned nth)
{
    char message[STATE_MESSAGE] = "";
    levin_options o = state_options(reader_io, true);
    levin *r;
    levin_error error;
    levin_code code = levin_open("db", &o, &r, &error);
    if (code != LEVIN_OK) {
        ck_assert_msg(code == LEVIN_IO || code == LEVIN_NO_MEMORY || code == LEVIN_LOCKED ||
                          code == LEVIN_READERS_FULL, "call %u: %s: %s", nth, levin_code_name(code), error.message);
        return true;
    }
    unsigned seen = state;
    bool good = state_is(r, seen, message, &code), failed = code != LEVIN_OK;
    ck_assert_msg(good || failed, "call %u: %s", nth, message);
    churn(2);
    good = state_is(r, seen, message, &code);
    failed = failed || code != LEVIN_OK;
    ck_assert_msg(good || (code != LEVIN_OK && code != LEVIN_CORRUPT), "call %u: %s", nth, message);
    ck_assert_int_eq(levin_close(r), LEVIN_OK);
    return failed;
}

static void fail_each(unsigned operations, unsigned kinds, int os_error, bool writers, bool forever)
{
    bool fired = true;
    unsigned fires = 0;
    setup();
    advance(2, true);
    fault_io *f = fault_io_create(io);
    if (writers) {
        ck_assert_int_eq(levin_close(writer), LEVIN_OK);
        levin_options o = state_options(fault_io_table(f), false);
        writer = open_with(&o);
    }
    /* every call of opening, then of reading ever fewer */
    for (unsigned nth = 1; fired; nth += 1 + (nth > 60 ? nth / 8 : 0)) {
        const fault_rule rule = { .kinds = kinds, .operations = operations, .nth = nth, .forever = forever,
                                  .effect = FAULT_ERROR, .os_error = os_error };
        if (!writers)
            advance(1, true);
        fault_io_set_rules(f, &rule, 1);
        life_beside(writers ? io : fault_io_table(f), nth);
        fired = fault_io_fired(f, 0) != 0;
        fires += fired;
        fault_io_set_rules(f, NULL, 0);
        uint64_t files, bytes, allocations;
        fault_io_held(f, &files, &bytes, &allocations);
        ck_assert_msg(writers || (!files && !bytes && !allocations), "call %u leaks %llu files, %llu bytes", nth,
                      (unsigned long long)files, (unsigned long long)bytes);
    }
    ck_assert_uint_gt(fires, writers ? 2 : 4);
    expect_state(writer, state);
    expect_sound(writer);
    ck_assert_int_eq(levin_close(writer), LEVIN_OK);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(reader__survives_every_failing_call)
{
    fail_each(FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), FAULT_KINDS_ALL, EIO, false, false);
    fail_each(FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), FAULT_KINDS_ALL, EIO, false, true);
}
END_TEST

START_TEST(reader__survives_every_failing_allocation)
{
    fail_each(1u << FAULT_ALLOC, FAULT_KINDS_ALL, ENOMEM, false, false);
    fail_each(1u << FAULT_ALLOC, FAULT_KINDS_ALL, ENOMEM, false, true);
}
END_TEST

/* What the writer cannot find out about readers it takes for the worst. */
START_TEST(writer__keeps_all_when_the_slots_cannot_be_looked_at)
{
    fail_each(1u << FAULT_LOCK | 1u << FAULT_READ, 1u << LEVIN_FILE_LOCK, EIO, true, false);
    fail_each(1u << FAULT_LOCK | 1u << FAULT_READ, 1u << LEVIN_FILE_LOCK, EIO, true, true);
}
END_TEST

LEVIN_TEST_MAIN("reader_slots",
                TEST(reader__sees_the_newest_checkpoint_and_nothing_of_the_log),
                TEST(reader__keeps_its_state_while_the_writer_uses_space_again),
                TEST(reader__without_a_writer_sees_the_log_and_keeps_it),
                TEST(reader__is_respected_by_a_writer_that_comes_later),
                TEST(reader__gone_its_space_is_used_again),
                TEST(slots__are_limited_listed_and_used_again),
                TEST(slots__all_of_them_are_found),
                TEST(slots__with_damaged_bytes_hold_back_everything),
                TEST(reader__that_is_late_looks_again),
                TEST(reader__of_a_state_that_a_failed_sync_has_lost_keeps_writers_out),
                TEST(lock__of_older_tables_and_versions_is_respected),
                TEST(reader__that_may_not_write_the_lock_file_keeps_writers_out),
                TEST(backup__of_a_reader_beside_the_writer_is_its_state),
                TEST(reader__survives_every_failing_call),
                TEST(reader__survives_every_failing_allocation),
                TEST(writer__keeps_all_when_the_slots_cannot_be_looked_at))
