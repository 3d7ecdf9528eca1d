/*
 * fault_io_test.c - each effect at each point, once and for ever, over the simulated disk and over real files;
 * counting; leaks.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault_io.h"
#include "simdisk.h"

static int no_entry(void *context, const char *name)
{
    (void)context;
    (void)name;
    return 0;
}

/*
 * Makes each call of the table once, on a file of that kind; returns how many of them failed, the last error in
 * *error.
 */
static int call_all(const levin_io *io, const char *root, levin_file_kind kind, int *error)
{
    char path[128], other[128], directory[128];
    levin_file *file = NULL;
    uint8_t bytes[100] = { 0 };
    uint64_t size;
    size_t done;
    int failed = 0, result;
    snprintf(path, sizeof path, "%s/f", root);
    snprintf(other, sizeof other, "%s/g", root);
    snprintf(directory, sizeof directory, "%s/d", root);
#define CALL(expression) ((result = (expression)) ? failed++, *error = result : 0)
    CALL(io->open(io->context, path, kind, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file));
    if (file) {
        CALL(io->write_at(io->context, file, &(levin_slice){ bytes, sizeof bytes }, 1, 0, &done));
        CALL(io->read_at(io->context, file, bytes, sizeof bytes, 0, &done));
        CALL(io->preallocate(io->context, file, 1000));
        CALL(io->truncate(io->context, file, 50));
        CALL(io->size(io->context, file, &size));
        CALL(io->sync(io->context, file));
        if (kind == LEVIN_FILE_LOCK || kind == LEVIN_FILE_PAGES)
            CALL(io->lock(io->context, file, true));
        CALL(io->close(io->context, file));
    } else if (io->open(io->context, path, kind, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file) == 0)
        io->close(io->context, file);
    CALL(io->make_dir(io->context, directory));
    CALL(io->list(io->context, root, no_entry, NULL));
    CALL(io->sync_dir(io->context, root));
    CALL(io->rename(io->context, path, other));
    CALL(io->unlink(io->context, result ? path : other));
    CALL(io->random(io->context, bytes, sizeof bytes));
#undef CALL
    void *memory = io->alloc(io->context, 100, 16);
    if (!memory) {
        failed++;
        *error = ENOMEM;
    }
    io->free(io->context, memory, 100);
    return failed;
}

static void no_leak(const fault_io *f)
{
    uint64_t files, bytes, allocations;
    fault_io_held(f, &files, &bytes, &allocations);
    ck_assert(files == 0 && bytes == 0 && allocations == 0);
}

static void each_point_fails(const levin_io *inner_table, const char *root_form, fault_effect effect)
{
    unsigned points = 0;
    for (levin_file_kind kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (fault_operation operation = 0; operation < FAULT_OPERATION_COUNT; operation++) {
            if (!fault_point_exists(kind, operation)) {
                ck_assert_ptr_null(fault_point_name(kind, operation));
                continue;
            }
            char root[64], command[80];
            simdisk *disk = inner_table ? NULL : simdisk_create(NULL, NULL);
            const levin_io *inner = disk ? simdisk_io(disk) : inner_table;
            snprintf(root, sizeof root, "%s", root_form);
            if (disk)
                ck_assert_int_eq(inner->make_dir(inner->context, root), 0);
            else
                ck_assert_ptr_nonnull(mkdtemp(root));
            fault_io *f = fault_io_create(inner);
            levin_file_kind used = kind == LEVIN_FILE_DIR ? LEVIN_FILE_WAL : kind;
            fault_rule rule = { .kinds = 1u << kind, .operations = 1u << operation, .nth = 1, .effect = effect,
                                .os_error = EDQUOT };
            fault_io_set_rules(f, &rule, 1);
            int error = 0, failed = call_all(fault_io_table(f), root, used, &error);
            ck_assert_msg(fault_io_fired(f, 0) == 1, "%s did not fire", fault_point_name(kind, operation));
            ck_assert_msg(failed >= 1, "%s: nothing failed", fault_point_name(kind, operation));
            if (failed == 1)
                ck_assert_int_eq(error, operation == FAULT_ALLOC ? ENOMEM : EDQUOT);
            no_leak(f);
            if (operation != FAULT_ALLOC && operation != FAULT_RANDOM)
                ck_assert_uint_ge(fault_io_calls(f, kind, operation), 1);
            fault_io_destroy(f);
            if (disk)
                ck_assert(simdisk_destroy(disk, NULL));
            else {
                snprintf(command, sizeof command, "rm -r %s", root);
                ck_assert_int_eq(system(command), 0);
            }
            points++;
        }
    ck_assert_uint_eq(points, 4 * 8 + 2 + 5 + 2); /* locks: of the lock file and of the page file */
}

START_TEST(fault_io__every_point_fails_before_and_after_the_call_on_the_simulated_disk)
{
    each_point_fails(NULL, "root", FAULT_ERROR);
    each_point_fails(NULL, "root", FAULT_ERROR_AFTER);
}
END_TEST

START_TEST(fault_io__every_point_fails_before_and_after_the_call_on_real_files)
{
    each_point_fails(levin_io_posix(), "/tmp/levin-fault-XXXXXX", FAULT_ERROR);
    each_point_fails(levin_io_posix(), "/tmp/levin-fault-XXXXXX", FAULT_ERROR_AFTER);
}
END_TEST

typedef struct fixture {
    trace *t;
    simdisk *disk;
    fault_io *f;
    const levin_io *io;
    levin_file *file;
} fixture;

static fixture open_fixture(void)
{
    fixture x = { .t = trace_create() };
    x.disk = simdisk_create(NULL, x.t);
    x.f = fault_io_create(simdisk_io(x.disk));
    x.io = fault_io_table(x.f);
    ck_assert_int_eq(x.io->open(x.io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &x.file), 0);
    return x;
}

static void close_fixture(fixture *x)
{
    x->io->close(x->io->context, x->file);
    no_leak(x->f);
    fault_io_destroy(x->f);
    ck_assert(simdisk_destroy(x->disk, NULL));
    trace_destroy(x->t);
}

static int write_text(fixture *x, const char *a, const char *b, uint64_t offset, size_t *done)
{
    levin_slice parts[2] = { { a, strlen(a) }, { b, strlen(b) } };
    return x->io->write_at(x->io->context, x->file, parts, 2, offset, done);
}

START_TEST(fault_io__the_nth_call_fails_once_or_for_ever)
{
    fixture x = open_fixture();
    for (int forever = 0; forever < 2; forever++) {
        fault_rule rule = { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_SYNC, .nth = 3, .forever = forever,
                            .os_error = EIO };
        fault_io_set_rules(x.f, &rule, 1);
        for (int i = 1; i <= 6; i++) {
            bool fails = forever ? i >= 3 : i == 3;
            ck_assert_int_eq(x.io->sync(x.io->context, x.file), fails ? EIO : 0);
        }
        ck_assert_uint_eq(fault_io_fired(x.f, 0), forever ? 4 : 1);
        ck_assert_uint_eq(fault_io_matched(x.f, 0), 6);
    }
    ck_assert_uint_eq(fault_io_calls(x.f, LEVIN_FILE_WAL, FAULT_SYNC), 12);
    fault_io_reset_calls(x.f);
    ck_assert_uint_eq(fault_io_calls(x.f, LEVIN_FILE_WAL, FAULT_SYNC), 0);
    close_fixture(&x);
}
END_TEST

START_TEST(fault_io__an_error_before_changes_nothing_an_error_after_has_changed_it)
{
    fixture x = open_fixture();
    size_t done = 9;
    uint64_t size;
    fault_rule rule = { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_WRITE, .nth = 1, .os_error = ENOSPC };
    fault_io_set_rules(x.f, &rule, 1);
    ck_assert_int_eq(write_text(&x, "ab", "cd", 0, &done), ENOSPC);
    ck_assert_uint_eq(done, 0);
    x.io->size(x.io->context, x.file, &size);
    ck_assert_uint_eq(size, 0);
    rule.effect = FAULT_ERROR_AFTER;
    fault_io_set_rules(x.f, &rule, 1);
    ck_assert_int_eq(write_text(&x, "ab", "cd", 0, &done), ENOSPC);
    ck_assert_uint_eq(done, 0);
    x.io->size(x.io->context, x.file, &size);
    ck_assert_uint_eq(size, 4);
    close_fixture(&x);
}
END_TEST

START_TEST(fault_io__short_counts_transfer_what_they_say)
{
    fixture x = open_fixture();
    size_t done;
    char bytes[8] = { 0 };
    for (size_t cut = 0; cut <= 4; cut++) {
        fault_rule rule = { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_WRITE | 1u << FAULT_READ, .nth = 1,
                            .forever = true, .effect = FAULT_SHORT, .bytes = cut };
        fault_io_set_rules(x.f, NULL, 0);
        ck_assert_int_eq(write_text(&x, "..", "..", 0, &done), 0);
        fault_io_set_rules(x.f, &rule, 1);
        ck_assert_int_eq(write_text(&x, "ab", "cd", 0, &done), 0);
        ck_assert_uint_eq(done, cut);
        ck_assert_int_eq(x.io->read_at(x.io->context, x.file, bytes, 4, 0, &done), 0);
        ck_assert_uint_eq(done, cut);
        fault_io_set_rules(x.f, NULL, 0);
        ck_assert_int_eq(x.io->read_at(x.io->context, x.file, bytes, 4, 0, &done), 0);
        ck_assert_mem_eq(bytes, "abcd", cut);
        ck_assert_mem_eq(bytes + cut, "....", 4 - cut);
    }
    close_fixture(&x);
}
END_TEST

START_TEST(fault_io__rules_count_their_own_calls_and_the_first_to_fire_decides)
{
    fixture x = open_fixture();
    size_t done;
    const fault_rule rules[] = {
        { .kinds = 1u << LEVIN_FILE_PAGES, .operations = FAULT_OPERATIONS_ALL, .nth = 1, .os_error = EBADF },
        { .kinds = FAULT_KINDS_ALL, .operations = FAULT_OPERATIONS_IO, .nth = 2, .os_error = EIO },
        { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_WRITE, .nth = 2, .forever = true,
          .os_error = ENOSPC } };
    fault_io_set_rules(x.f, rules, 3);
    ck_assert_int_eq(write_text(&x, "a", "b", 0, &done), 0);
    ck_assert_int_eq(write_text(&x, "a", "b", 0, &done), EIO);
    ck_assert_int_eq(write_text(&x, "a", "b", 0, &done), ENOSPC);
    void *memory = x.io->alloc(x.io->context, 8, 16); /* alloc has no kind: only its own bit counts, rule 0 has it */
    ck_assert_ptr_null(memory);
    ck_assert_uint_eq(fault_io_fired(x.f, 0), 1);
    ck_assert_uint_eq(fault_io_fired(x.f, 1), 1);
    ck_assert_uint_eq(fault_io_fired(x.f, 2), 1);
    ck_assert_uint_eq(fault_io_matched(x.f, 2), 3);
    close_fixture(&x);
}
END_TEST

START_TEST(fault_io__a_failed_sync_tells_the_simulated_disk)
{
    fixture x = open_fixture();
    size_t done;
    fault_rule rule = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_SYNC, .nth = 1, .os_error = EIO };
    fault_io_on_failed_sync(x.f, simdisk_sync_loses_pages, x.disk);
    fault_io_set_rules(x.f, &rule, 1);
    ck_assert_int_eq(write_text(&x, "ab", "cd", 0, &done), 0);
    ck_assert_int_eq(x.io->sync(x.io->context, x.file), EIO);
    ck_assert_int_eq(trace_at(x.t, trace_length(x.t) - 1)->op, TRACE_SYNC_LOST);
    ck_assert_int_eq(x.io->sync(x.io->context, x.file), 0);
    ck_assert_int_eq(trace_at(x.t, trace_length(x.t) - 1)->op, TRACE_SYNC);
    close_fixture(&x);
}
END_TEST

LEVIN_TEST_MAIN("fault_io", TEST(fault_io__every_point_fails_before_and_after_the_call_on_the_simulated_disk),
                TEST(fault_io__every_point_fails_before_and_after_the_call_on_real_files),
                TEST(fault_io__the_nth_call_fails_once_or_for_ever),
                TEST(fault_io__an_error_before_changes_nothing_an_error_after_has_changed_it),
                TEST(fault_io__short_counts_transfer_what_they_say),
                TEST(fault_io__rules_count_their_own_calls_and_the_first_to_fire_decides),
                TEST(fault_io__a_failed_sync_tells_the_simulated_disk))
