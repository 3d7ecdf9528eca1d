/*
 * events_test.c - what the log callback is told, when, and how often.
 *
 * Checked: each message of LEVIN_MESSAGES comes when what it tells has happened, with its numbers, and not before; one
 * of a kind in its interval, and how many were left out; the end of a full disk comes after each side has found space,
 * and not without its beginning.  The simulated disk, with a clock of the test's.  (The throttle's is in
 * throttle_test.c, the oldest reader's in readers_test.c: they need what stands there.)
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/full_disk.h"
#include "../faults/simdisk.h"
#include "events.h"

enum { MS = 1000000, LINES_MAX = 64 };

typedef struct fixture {
    simdisk *disk;
    fault_io *faults;
    full_disk *device;
    levin_io io;
    levin_options options;
    levin *store;
    char lines[LINES_MAX][640];
    levin_log_level levels[LINES_MAX];
    unsigned count;
} fixture;

static uint64_t clock_now_ns, clock_step_ns; /* the tables' contexts are taken */
static uint64_t clock_read(void *context)
{
    (void)context;
    return clock_now_ns += clock_step_ns;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of the lines: any thread calls */

static void on_log(void *context, levin_log_level level, const char *message)
{
    fixture *f = context;
    ck_assert_ptr_null(strchr(message, '\n'));
    pthread_mutex_lock(&mutex);
    ck_assert_uint_lt(f->count, LINES_MAX);
    snprintf(f->lines[f->count], sizeof f->lines[0], "%s", message);
    f->levels[f->count++] = level;
    pthread_mutex_unlock(&mutex);
}

/* The last line that begins so; NULL when there is none. */
static const char *told(const fixture *f, const char *beginning)
{
    const char *line = NULL;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < f->count; i++)
        if (strncmp(f->lines[i], beginning, strlen(beginning)) == 0)
            line = f->lines[i];
    pthread_mutex_unlock(&mutex);
    return line;
}

static unsigned times(const fixture *f, const char *beginning)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->count; i++)
        n += strncmp(f->lines[i], beginning, strlen(beginning)) == 0;
    return n;
}

static levin_log_level level_of(const fixture *f, const char *line)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->lines[i] == line)
            return f->levels[i];
    ck_abort_msg("no such line");
}

static void fixture_init(fixture *f, const disk_image *image)
{
    *f = (fixture){ .disk = simdisk_create(image, NULL) };
    clock_now_ns = 1000 * (uint64_t)MS;
    clock_step_ns = 0;
    f->faults = fault_io_create(simdisk_io(f->disk));
    f->device = full_disk_create(fault_io_table(f->faults), UINT64_MAX);
    f->io = *full_disk_table(f->device);
    f->io.now_ns = clock_read;
    levin_options_init(&f->options);
    f->options.page_bytes = 4096;
    f->options.cache_bytes = 64 * 4096;
    f->options.memtable_bytes = 64 << 10;
    f->options.row_cache_bytes = f->options.value_cache_bytes = 0;
    f->options.background = LEVIN_BACKGROUND_NONE;
    f->options.io = &f->io;
    f->options.log = on_log;
    f->options.log_context = f;
}

static void store_open(fixture *f)
{
    levin_error error = { 0 };
    ck_assert_msg(levin_open("db", &f->options, &f->store, &error) == LEVIN_OK, "%s", error.message);
}

static void fixture_fini(fixture *f)
{
    if (f->store)
        (void)levin_close(f->store);
    full_disk_destroy(f->device);
    fault_io_destroy(f->faults);
    ck_assert(simdisk_destroy(f->disk, NULL));
}

static levin_code put(fixture *f, unsigned n, size_t bytes, levin_durability durability)
{
    static uint8_t value[256 << 10];
    char key[32];
    snprintf(key, sizeof key, "key%06u", n);
    return levin_put(f->store, key, strlen(key), value, bytes, durability);
}

static void fail_calls(fixture *f, levin_file_kind kind, fault_operation operation, int os_error)
{
    fault_rule rule = { .kinds = 1u << kind, .operations = 1u << operation, .nth = 1, .forever = true,
                        .os_error = os_error };
    fault_io_set_rules(f->faults, &rule, os_error != 0);
}

/* As a process that dies leaves it: another one opens what is there. */
static void crash(fixture *f, fixture *after)
{
    disk_image *image = simdisk_image(f->disk);
    fixture_init(after, image);
    disk_image_unref(image);
}

/* Writes over a byte of a file. */
static void damage(fixture *f, const char *path, levin_file_kind kind, uint64_t offset)
{
    const levin_io *io = simdisk_io(f->disk);
    levin_file *file;
    uint8_t byte = 0x5a;
    levin_slice part = { &byte, 1 };
    size_t done;
    ck_assert_int_eq(io->open(io->context, path, kind, LEVIN_IO_WRITE, &file), 0);
    ck_assert_int_eq(io->write_at(io->context, file, &part, 1, offset, &done), 0);
    io->close(io->context, file);
}

/* ---- the limit of rate ---- */

START_TEST(events__one_of_a_kind_in_its_interval_and_the_others_are_counted)
{
    fixture f;
    fixture_init(&f, NULL);
    struct {
        events events;
        levin_options options;
        const levin_io *io;
    } db = { .options = f.options, .io = &f.io };
    ck_assert(event_tell(&db, stalled, 5ull, 1ull, 5ull));
    ck_assert_str_eq(f.lines[0], "stall: writers stood still for 5 ms; 1 times, 5 ms in all");
    ck_assert_int_eq(f.levels[0], LEVIN_LOG_WARNING);
    for (int i = 0; i < 3; i++)
        ck_assert(!event_tell(&db, stalled, 6ull, 2ull, 11ull));
    ck_assert(event_tell(&db, throttled, 1ull, 1ull, 1ull)); /* another kind has its own */
    clock_now_ns += 9999 * (uint64_t)MS;
    ck_assert(!event_tell(&db, stalled, 6ull, 2ull, 11ull));
    clock_now_ns += MS;
    ck_assert(event_tell(&db, stalled, 7ull, 6ull, 36ull));
    ck_assert_str_eq(f.lines[2],
                     "stall: writers stood still for 7 ms; 6 times, 36 ms in all (and 4 like it, not told)");
    clock_now_ns += 10000 * (uint64_t)MS;
    ck_assert(event_tell(&db, stalled, 8ull, 7ull, 44ull));
    ck_assert_str_eq(f.lines[3], "stall: writers stood still for 8 ms; 7 times, 44 ms in all");
    for (unsigned i = 0; i < 5; i++)
        ck_assert(event_tell(&db, poisoned, "db")); /* no limit */
    db.options.log = NULL;
    ck_assert(!event_tell(&db, poisoned, "db"));
    fixture_fini(&f);
}
END_TEST

START_TEST(events__a_full_disk_ends_when_both_sides_have_found_space)
{
    fixture f;
    fixture_init(&f, NULL);
    static events e;
    const levin_options *o = &f.options;
    event_space(&e, o, &f.io, EVENT_FULL_WRITE);
    ck_assert_uint_eq(f.count, 0);
    event_full(&e, o, &f.io, EVENT_FULL_WRITE, "why");
    ck_assert_str_eq(f.lines[0], "full disk: writes may fail until there is space: why");
    ck_assert_int_eq(f.levels[0], LEVIN_LOG_ERROR);
    event_full(&e, o, &f.io, EVENT_FULL_CHECKPOINT, "why");
    event_full(&e, o, &f.io, EVENT_FULL_WRITE, "why");
    clock_now_ns += 1500 * (uint64_t)MS;
    event_space(&e, o, &f.io, EVENT_FULL_WRITE);
    ck_assert_uint_eq(f.count, 1); /* checkpoints still find none */
    event_space(&e, o, &f.io, EVENT_FULL_CHECKPOINT);
    ck_assert_uint_eq(f.count, 2);
    ck_assert_str_eq(f.lines[1], "full disk: there is space again, after 1500 ms and 3 failures");
    ck_assert_int_eq(f.levels[1], LEVIN_LOG_INFO);
    event_full(&e, o, &f.io, EVENT_FULL_WRITE, "why"); /* too soon to tell again: nor its end */
    event_space(&e, o, &f.io, EVENT_FULL_WRITE);
    ck_assert_uint_eq(f.count, 2);
    clock_now_ns += 10000 * (uint64_t)MS;
    event_full(&e, o, &f.io, EVENT_FULL_CHECKPOINT, "why");
    event_space(&e, o, &f.io, EVENT_FULL_CHECKPOINT);
    ck_assert_uint_eq(f.count, 4);
    fixture_fini(&f);
}
END_TEST

/* ---- recovery ---- */

START_TEST(events__recovery_tells_what_was_replayed)
{
    fixture f, g;
    fixture_init(&f, NULL);
    store_open(&f);
    ck_assert_uint_eq(f.count, 1);
    ck_assert_str_eq(f.lines[0], "recovery: 0 batches with 0 operations replayed, to batch 0, in 0 ms");
    ck_assert_int_eq(f.levels[0], LEVIN_LOG_INFO);
    levin_batch *batch;
    ck_assert_int_eq(levin_batch_create(f.store, &batch), LEVIN_OK);
    for (unsigned i = 0; i < 7; i++)
        ck_assert_int_eq(levin_batch_put(batch, &(char){ (char)('a' + (int)i) }, 1, "v", 1), LEVIN_OK);
    ck_assert_int_eq(levin_write(f.store, batch, LEVIN_SYNCED), LEVIN_OK);
    levin_batch_destroy(batch);
    ck_assert_int_eq(put(&f, 1, 10, LEVIN_SYNCED), LEVIN_OK);
    crash(&f, &g);
    clock_step_ns = MS;
    store_open(&g);
    ck_assert_uint_eq(g.count, 1);
    ck_assert_msg(strncmp(g.lines[0], "recovery: 2 batches with 8 operations replayed, to batch 2, in ", 63) == 0,
                  "%s", g.lines[0]);
    levin_stats s;
    levin_stats_get(g.store, &s);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "in %llu ms", (unsigned long long)(s.recovery_ns / MS));
    ck_assert(s.recovery_ns >= MS && strstr(g.lines[0], wanted));
    fixture_fini(&f);
    fixture_fini(&g);
}
END_TEST

/* Three groups of a sector each, from 1024 on: the first sectors are the header and the mark. */
static void three_groups(fixture *f)
{
    fixture_init(f, NULL);
    store_open(f);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(put(f, i, 300, LEVIN_SYNCED), LEVIN_OK);
}

/* Where the group of key n stands in the log. */
static uint64_t group_offset(fixture *f, unsigned n)
{
    const levin_io *io = simdisk_io(f->disk);
    levin_file *file;
    uint8_t bytes[16384];
    char key[32];
    size_t done;
    snprintf(key, sizeof key, "key%06u", n);
    ck_assert_int_eq(io->open(io->context, "db/wal-0000000000000001", LEVIN_FILE_WAL, 0, &file), 0);
    ck_assert_int_eq(io->read_at(io->context, file, bytes, sizeof bytes, 0, &done), 0);
    io->close(io->context, file);
    for (size_t i = 0; i + 9 < done; i++)
        if (memcmp(bytes + i, key, 9) == 0)
            return i / 512 * 512;
    ck_abort_msg("the log has no %s", key);
}

START_TEST(events__recovery_tells_of_a_tail_that_was_cut_off)
{
    fixture f, g;
    three_groups(&f);
    crash(&f, &g);
    uint64_t offset = group_offset(&g, 2);
    damage(&g, "db/wal-0000000000000001", LEVIN_FILE_WAL, offset + 300); /* the last one: torn */
    store_open(&g);
    char wanted[128];
    snprintf(wanted, sizeof wanted,
             "recovery: an unfinished group was cut off the log, in wal-0000000000000001 at %llu",
             (unsigned long long)offset);
    ck_assert_uint_eq(g.count, 2);
    ck_assert_str_eq(g.lines[0], wanted);
    ck_assert_int_eq(g.levels[0], LEVIN_LOG_INFO);
    ck_assert_ptr_nonnull(told(&g, "recovery: 2 batches"));
    fixture_fini(&f);
    fixture_fini(&g);
}
END_TEST

START_TEST(events__recovery_tells_what_salvage_has_cut_off_and_what_was_refused)
{
    fixture f, g;
    levin_error error;
    three_groups(&f);
    crash(&f, &g);
    uint64_t offset = group_offset(&g, 0);
    damage(&g, "db/wal-0000000000000001", LEVIN_FILE_WAL, offset + 300);
    ck_assert_int_eq(levin_open("db", &g.options, &g.store, &error), LEVIN_CORRUPT);
    ck_assert_uint_eq(g.count, 1);
    const char *line = told(&g, "recovery: refused: ");
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(line + strlen("recovery: refused: "), error.message);
    ck_assert_int_eq(level_of(&g, line), LEVIN_LOG_ERROR);
    g.options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    store_open(&g);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "recovery: the log was cut off before damage, in wal-0000000000000001 at %llu: ",
             (unsigned long long)offset);
    line = told(&g, wanted);
    ck_assert_ptr_nonnull(line);
    ck_assert_uint_gt(strlen(line), strlen(wanted));
    ck_assert_int_eq(level_of(&g, line), LEVIN_LOG_WARNING);
    fixture_fini(&f);
    fixture_fini(&g);
}
END_TEST

START_TEST(events__recovery_tells_of_a_lost_meta_page)
{
    fixture f, g;
    three_groups(&f);
    crash(&f, &g);
    damage(&g, "db/pages", LEVIN_FILE_PAGES, 0); /* the older one of the two of a new store */
    store_open(&g);
    const char *line = told(&g, "recovery: one meta page is not valid, the other is used: ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(level_of(&g, line), LEVIN_LOG_WARNING);
    fixture_fini(&f);
    fixture_fini(&g);
}
END_TEST

START_TEST(events__no_memory_for_a_cache_is_told)
{
    fixture f;
    fixture_init(&f, NULL);
    f.options.value_cache_bytes = 1 << 20;
    bool found = false;
    store_open(&f);
    ck_assert_int_eq(levin_close(f.store), LEVIN_OK);
    for (uint64_t n = 1; !found && n < 100; n++) { /* one of the allocations of the open is that of the cache */
        fault_rule rule = { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_ALLOC, .nth = n,
                            .os_error = ENOMEM };
        fault_io_set_rules(f.faults, &rule, 1);
        if (levin_open("db", &f.options, &f.store, NULL) == LEVIN_OK)
            ck_assert_int_eq(levin_close(f.store), LEVIN_OK);
        f.store = NULL;
        fault_io_set_rules(f.faults, NULL, 0);
        found = told(&f, "memory: none for a cache of large values: reads do without") != NULL;
        f.count = 0;
    }
    ck_assert(found);
    fixture_fini(&f);
}
END_TEST

/* ---- writers and checkpoints ---- */

START_TEST(events__a_checkpoint_is_slow_beyond_its_limit)
{
    fixture f;
    fixture_init(&f, NULL);
    f.options.slow_checkpoint_ms = 500;
    store_open(&f);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(put(&f, i, 100, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_ptr_null(told(&f, "checkpoint: slow"));
    clock_step_ns = 100 * (uint64_t)MS; /* for each look at the clock */
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(put(&f, i, 100, LEVIN_NONE), LEVIN_OK);
    levin_stats before, after;
    levin_stats_get(f.store, &before);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    levin_stats_get(f.store, &after);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "checkpoint: slow, it took %llu ms and wrote %llu bytes",
             (unsigned long long)((after.checkpoint_ns - before.checkpoint_ns) / MS),
             (unsigned long long)(after.checkpoint_bytes - before.checkpoint_bytes));
    const char *line = told(&f, "checkpoint: slow");
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(line, wanted);
    ck_assert_int_eq(level_of(&f, line), LEVIN_LOG_WARNING);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__a_stall_is_told_with_its_time)
{
    fixture f;
    fixture_init(&f, NULL);
    store_open(&f);
    clock_step_ns = 3 * (uint64_t)MS;
    levin_stats s = { 0 };
    for (unsigned i = 0; !s.stalls; i++) { /* nobody does the checkpoint but who needs the room */
        ck_assert_ptr_null(told(&f, "stall: "));
        ck_assert_int_eq(put(&f, i, 1000, LEVIN_NONE), LEVIN_OK);
        levin_stats_get(f.store, &s);
    }
    char wanted[128];
    unsigned long long ms = (unsigned long long)(s.stall_ns / MS);
    snprintf(wanted, sizeof wanted, "stall: writers stood still for %llu ms; 1 times, %llu ms in all", ms, ms);
    ck_assert_ptr_nonnull(told(&f, "stall: "));
    ck_assert_str_eq(told(&f, "stall: "), wanted);
    ck_assert_uint_gt(ms, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__a_full_disk_begins_and_ends)
{
    fixture f;
    fixture_init(&f, NULL);
    store_open(&f);
    full_disk_set_budget(f.device, full_disk_used(f.device) + (64 << 10));
    unsigned n = 0;
    while (put(&f, n, 20000, LEVIN_LOGGED) == LEVIN_OK)
        n++;
    ck_assert_uint_eq(times(&f, "full disk: writes may fail until there is space: "), 1);
    ck_assert_int_eq(put(&f, n, 20000, LEVIN_LOGGED), LEVIN_NO_SPACE);
    ck_assert_uint_eq(times(&f, "full disk: "), 1);
    clock_now_ns += 2500 * (uint64_t)MS;
    full_disk_set_budget(f.device, UINT64_MAX);
    for (unsigned i = 0; !told(&f, "full disk: there is space again") && i < 20; i++)
        ck_assert_int_eq(put(&f, n + i, 20000, LEVIN_LOGGED), LEVIN_OK);
    const char *line = told(&f, "full disk: there is space again, after 2500 ms and ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(level_of(&f, line), LEVIN_LOG_INFO);
    ck_assert_ptr_nonnull(strstr(line, "failures"));
    ck_assert_uint_eq(times(&f, "full disk: "), 2);
    fixture_fini(&f);
}
END_TEST

/* ---- upkeep ---- */

static bool stop_at_once(void *context, const levin_compact_result *so_far)
{
    (void)context;
    (void)so_far;
    return false;
}

START_TEST(events__compaction_begins_and_ends)
{
    fixture f;
    fixture_init(&f, NULL);
    store_open(&f);
    for (unsigned i = 0; i < 2000; i++)
        ck_assert_int_eq(put(&f, i, 200, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_ptr_null(told(&f, "compaction: "));
    levin_compact_options o;
    levin_compact_result r;
    levin_compact_options_init(&o);
    o.progress = stop_at_once;
    ck_assert_int_eq(levin_compact(f.store, &o, &r), LEVIN_INTERRUPTED);
    ck_assert_str_eq(told(&f, "compaction: failed"), "compaction: failed: compaction was stopped on request");
    clock_now_ns += 10000 * (uint64_t)MS;
    f.count = 0;
    clock_step_ns = MS;
    ck_assert_int_eq(levin_compact(f.store, NULL, &r), LEVIN_OK);
    ck_assert_uint_eq(times(&f, "compaction: "), 2);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "compaction: began, %llu of %llu pages are free", (unsigned long long)r.free_before,
             (unsigned long long)r.pages_before);
    ck_assert_str_eq(told(&f, "compaction: began"), wanted);
    snprintf(wanted, sizeof wanted,
             "compaction: ended, %llu pages moved in %llu rounds, the file went from %llu to %llu pages, in ",
             (unsigned long long)r.pages_moved, (unsigned long long)r.rounds, (unsigned long long)r.pages_before,
             (unsigned long long)r.pages_after);
    ck_assert_ptr_nonnull(told(&f, wanted));
    fixture_fini(&f);
}
END_TEST

START_TEST(events__compaction_tells_of_readers_and_of_failures)
{
    fixture f;
    levin_snapshot *held;
    levin_compact_options o;
    levin_compact_result r;
    fixture_init(&f, NULL);
    store_open(&f);
    for (unsigned i = 0; i < 10000; i++)
        ck_assert_int_eq(put(&f, i, 200, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_int_eq(levin_snapshot_create(f.store, &held), LEVIN_OK);
    levin_compact_options_init(&o);
    o.round_bytes = 64 * 4096;
    ck_assert_int_eq(levin_compact(f.store, &o, &r), LEVIN_OK);
    ck_assert_uint_gt(r.held_pages, 0);
    char wanted[100];
    snprintf(wanted, sizeof wanted, "compaction: ended early, for readers hold %llu pages",
             (unsigned long long)r.held_pages);
    ck_assert_ptr_nonnull(told(&f, wanted));
    ck_assert_ptr_null(told(&f, "compaction: ended,"));
    levin_snapshot_release(held);
    fail_calls(&f, LEVIN_FILE_PAGES, FAULT_WRITE, EIO);
    ck_assert_int_eq(levin_compact(f.store, &o, &r), LEVIN_IO);
    fail_calls(&f, LEVIN_FILE_PAGES, FAULT_WRITE, 0);
    ck_assert_ptr_nonnull(told(&f, "compaction: failed: "));
    const char *line = told(&f, "i/o: ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(level_of(&f, line), LEVIN_LOG_ERROR);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__collection_begins_and_ends)
{
    fixture f;
    fixture_init(&f, NULL);
    f.options.value_log_segment_bytes = 256 << 10;
    store_open(&f);
    for (unsigned i = 0; i < 64; i++)
        ck_assert_int_eq(put(&f, i, 20000, LEVIN_NONE), LEVIN_OK);
    for (unsigned i = 0; i < 64; i++)
        if (i % 4)
            ck_assert_int_eq(put(&f, i, 10, LEVIN_NONE), LEVIN_OK);
    ck_assert_ptr_null(told(&f, "collection: "));
    clock_step_ns = 10000 * (uint64_t)MS; /* nothing is left out */
    ck_assert_int_eq(levin_collect(f.store, 60), LEVIN_OK);
    ck_assert_str_eq(told(&f, "collection: began"), "collection: began, of segments less than 60 % in use");
    levin_stats s;
    levin_stats_get(f.store, &s);
    ck_assert_uint_gt(s.vlog_moved_values, 0);
    unsigned long long values = 0, bytes = 0, some, some_bytes;
    for (unsigned i = 0; i < f.count; i++) /* one pass after the other, as long as there is something to move */
        if (sscanf(f.lines[i], "collection: ended, %llu values with %llu bytes moved, in ", &some, &some_bytes) == 2) {
            values += some;
            bytes += some_bytes;
        }
    ck_assert_uint_eq(values, s.vlog_moved_values);
    ck_assert_uint_eq(bytes, s.vlog_moved_bytes);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__a_segment_that_cannot_be_read_is_left)
{
    fixture f;
    fixture_init(&f, NULL);
    f.options.value_log_segment_bytes = 256 << 10;
    store_open(&f);
    for (unsigned i = 0; i < 64; i++)
        ck_assert_int_eq(put(&f, i, 20000, LEVIN_NONE), LEVIN_OK);
    for (unsigned i = 0; i < 64; i++)
        if (i % 4)
            ck_assert_int_eq(put(&f, i, 10, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    fail_calls(&f, LEVIN_FILE_VLOG, FAULT_READ, EIO);
    ck_assert_int_eq(levin_collect(f.store, 60), LEVIN_OK);
    fail_calls(&f, LEVIN_FILE_VLOG, FAULT_READ, 0);
    const char *line = told(&f, "collection: a segment is left as it is: ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(level_of(&f, line), LEVIN_LOG_WARNING);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__leftovers_of_a_checkpoint_are_told)
{
    fixture f;
    fixture_init(&f, NULL);
    store_open(&f);
    for (unsigned turn = 0; turn < 3 && !told(&f, "upkeep: "); turn++) {
        for (unsigned i = 0; i < 200; i++)
            ck_assert_int_eq(put(&f, i, 200, LEVIN_NONE), LEVIN_OK);
        fail_calls(&f, LEVIN_FILE_PAGES, FAULT_SIZE, EIO);
        ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
        fail_calls(&f, LEVIN_FILE_PAGES, FAULT_SIZE, 0);
    }
    ck_assert_ptr_nonnull(told(&f, "upkeep: the page file was not cut: "));
    fixture_fini(&f);
}
END_TEST

START_TEST(events__work_of_the_background_that_fails_is_told)
{
    fixture f;
    fixture_init(&f, NULL);
    f.options.background = LEVIN_BACKGROUND_THREAD;
    store_open(&f);
    fail_calls(&f, LEVIN_FILE_PAGES, FAULT_WRITE, EIO);
    while (!told(&f, "background: ")) /* also when this thread was the first to need the room, and to meet the error */
        (void)put(&f, 1, 1000, LEVIN_NONE);
    ck_assert_int_eq(levin_close(f.store), LEVIN_OK);
    f.store = NULL;
    fail_calls(&f, LEVIN_FILE_PAGES, FAULT_WRITE, 0);
    ck_assert_ptr_nonnull(told(&f, "background: work failed, and will be tried again: "));
    ck_assert_uint_eq(times(&f, "background: "), 1);
    fixture_fini(&f);
}
END_TEST

/* ---- poison and damage ---- */

START_TEST(events__poison_is_told_once)
{
    fixture f;
    fixture_init(&f, NULL);
    store_open(&f);
    fail_calls(&f, LEVIN_FILE_WAL, FAULT_SYNC, EIO);
    ck_assert_int_ne(put(&f, 1, 10, LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(put(&f, 1, 10, LEVIN_SYNCED), LEVIN_POISONED);
    fail_calls(&f, LEVIN_FILE_WAL, FAULT_SYNC, 0);
    ck_assert_uint_eq(times(&f, "poisoned: "), 1);
    const char *line = told(&f, "poisoned: a sync failed, no more writes to \"db\" until it is reopened");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(level_of(&f, line), LEVIN_LOG_ERROR);
    fixture_fini(&f);
}
END_TEST

START_TEST(events__damage_is_told_and_not_for_every_read)
{
    fixture f;
    levin_error error;
    size_t bytes;
    fixture_init(&f, NULL);
    store_open(&f);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(put(&f, i, 1000, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(f.store), LEVIN_OK);
    ck_assert_int_eq(levin_close(f.store), LEVIN_OK);
    for (uint64_t page = 4; page < 20; page++)
        damage(&f, "db/pages", LEVIN_FILE_PAGES, page * 4096 + 100);
    f.count = 0;
    store_open(&f);
    char key[32];
    unsigned seen = 0, lost = 0;
    for (unsigned i = 0; i < 100; i += 10) {
        snprintf(key, sizeof key, "key%06u", i);
        if (levin_get(f.store, NULL, key, strlen(key), NULL, 0, &bytes) == LEVIN_CORRUPT)
            seen++, lost = i;
    }
    snprintf(key, sizeof key, "key%06u", lost);
    ck_assert_uint_gt(seen, 1);
    ck_assert_uint_eq(times(&f, "corrupt: "), 1);
    ck_assert_int_eq(level_of(&f, told(&f, "corrupt: ")), LEVIN_LOG_ERROR);
    clock_now_ns += 1000 * (uint64_t)MS;
    ck_assert_int_eq(levin_get(f.store, NULL, key, strlen(key), NULL, 0, &bytes), LEVIN_CORRUPT);
    levin_last_error(f.store, &error);
    char wanted[400];
    snprintf(wanted, sizeof wanted, "corrupt: %s (and %u like it, not told)", error.message, seen - 1);
    ck_assert_str_eq(told(&f, "corrupt: "), wanted);
    fixture_fini(&f);
}
END_TEST

LEVIN_TEST_MAIN("events",
                TEST(events__one_of_a_kind_in_its_interval_and_the_others_are_counted),
                TEST(events__a_full_disk_ends_when_both_sides_have_found_space),
                TEST(events__recovery_tells_what_was_replayed),
                TEST(events__recovery_tells_of_a_tail_that_was_cut_off),
                TEST(events__recovery_tells_what_salvage_has_cut_off_and_what_was_refused),
                TEST(events__recovery_tells_of_a_lost_meta_page),
                TEST(events__no_memory_for_a_cache_is_told),
                TEST(events__a_checkpoint_is_slow_beyond_its_limit),
                TEST(events__a_stall_is_told_with_its_time),
                TEST(events__a_full_disk_begins_and_ends),
                TEST(events__compaction_begins_and_ends),
                TEST(events__compaction_tells_of_readers_and_of_failures),
                TEST(events__collection_begins_and_ends),
                TEST(events__a_segment_that_cannot_be_read_is_left),
                TEST(events__leftovers_of_a_checkpoint_are_told),
                TEST(events__work_of_the_background_that_fails_is_told),
                TEST(events__poison_is_told_once),
                TEST(events__damage_is_told_and_not_for_every_read))
