/*
 * value_log_test.c - the value log through levin.h, on a real directory.
 *
 * Invariants checked: a large value reads the same by every call, from memtable and tree, before and after a reopen
 * and a kill; damaged, missing and short segments are LEVIN_CORRUPT and named; of a log's last values those that are
 * not there cut the log, those that were proven to be there do not.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "levin.h"
#include "vlog_format.h"

enum { KEYS = 40, LARGE = 20000, SEGMENT = 256 << 10 };

static char directory[64];

static void directory_make(void)
{
    snprintf(directory, sizeof directory, "/tmp/levin-vlog-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static levin_options small_options(void)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.value_log_segment_bytes = SEGMENT;
    o.background = LEVIN_BACKGROUND_NONE;
    return o;
}

static levin *store_open(const levin_options *o)
{
    levin *db = NULL;
    levin_error error;
    levin_code code = levin_open(directory, o, &db, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s", levin_code_name(code), error.message);
    return db;
}

static void expect_ok(levin *db, levin_code code, const char *what)
{
    levin_error error;
    if (code == LEVIN_OK)
        return;
    levin_last_error(db, &error);
    ck_abort_msg("%s: %s: %s", what, levin_code_name(code), error.message);
}

static void key_of(char key[16], unsigned n)
{
    snprintf(key, 16, "key%05u", n);
}

/* A third of them short. */
static size_t value_of(uint8_t *value, unsigned n, unsigned version)
{
    size_t bytes = n % 3 ? LARGE + 7 * n + version : 10;
    for (size_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)(i * 7 + n * 31 + version * 101 + i / 251);
    return bytes;
}

static uint8_t value_buffer[LARGE + 1000], read_buffer[LARGE + 1000];

static void put(levin *db, unsigned n, unsigned version, levin_durability durability)
{
    char key[16];
    key_of(key, n);
    size_t bytes = value_of(value_buffer, n, version);
    expect_ok(db, levin_put(db, key, strlen(key), value_buffer, bytes, durability), "put");
}

static void expect(levin *db, const levin_snapshot *s, unsigned n, unsigned version)
{
    char key[16];
    size_t bytes = 0, wanted = value_of(value_buffer, n, version);
    key_of(key, n);
    expect_ok(db, levin_get(db, s, key, strlen(key), read_buffer, sizeof read_buffer, &bytes), key);
    ck_assert_uint_eq(bytes, wanted);
    ck_assert_mem_eq(read_buffer, value_buffer, bytes);
}

static void expect_all(levin *db, unsigned version)
{
    levin_iter *it;
    unsigned n = 0;
    expect_ok(db, levin_iter_open(db, NULL, &it), "iterator");
    for (bool more = levin_iter_first(it); more; more = levin_iter_next(it), n++) {
        levin_slice value = levin_iter_value(it);
        size_t wanted = value_of(value_buffer, n, version);
        expect_ok(db, levin_iter_status(it), "value");
        ck_assert_uint_eq(value.size, wanted);
        ck_assert_mem_eq(value.data, value_buffer, wanted);
    }
    ck_assert_uint_eq(n, KEYS);
    levin_iter_close(it);
    for (n = 0; n < KEYS; n++) {
        char key[16];
        levin_pinned pinned;
        void *copy;
        size_t bytes, wanted;
        key_of(key, n);
        expect(db, NULL, n, version);
        wanted = value_of(value_buffer, n, version);
        expect_ok(db, levin_get_pinned(db, NULL, key, strlen(key), &pinned), "pinned");
        ck_assert_uint_eq(pinned.value.size, wanted);
        ck_assert_mem_eq(pinned.value.data, value_buffer, wanted);
        levin_pinned_release(&pinned);
        expect_ok(db, levin_get_alloc(db, NULL, key, strlen(key), &copy, &bytes), "get_alloc");
        ck_assert_uint_eq(bytes, wanted);
        ck_assert_mem_eq(copy, value_buffer, wanted);
        levin_free(db, copy);
        levin_get_request r = { .key = key, .key_bytes = strlen(key), .buffer = read_buffer,
                                .capacity = sizeof read_buffer };
        expect_ok(db, levin_multi_get(db, NULL, &r, 1), "multi_get");
        ck_assert_uint_eq(r.value_bytes, wanted);
        ck_assert_mem_eq(read_buffer, value_buffer, wanted);
    }
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
}

static void fill(levin *db, unsigned version, levin_durability durability)
{
    for (unsigned n = 0; n < KEYS; n++)
        put(db, n, version, durability);
}

/* Segments in the directory. */
static unsigned segments(void)
{
    char path[128];
    unsigned count = 0;
    for (unsigned n = 1; n < 200; n++) {
        struct stat s;
        snprintf(path, sizeof path, "%s/vlog-%016x", directory, n);
        count += stat(path, &s) == 0;
    }
    return count;
}

START_TEST(value_log__reads_the_same_everywhere)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    ck_assert_uint_eq(segments(), 0);
    fill(db, 1, LEVIN_NONE);
    expect_all(db, 1);
    ck_assert_uint_gt(segments(), 1);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    expect_all(db, 1);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_all(db, 1);
    fill(db, 2, LEVIN_SYNCED);
    expect_all(db, 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.read_only = true;
    db = store_open(&o);
    expect_all(db, 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__off_and_on_in_one_store)
{
    directory_make();
    levin_options o = small_options();
    o.value_log_threshold_bytes = 0;
    levin *db = store_open(&o);
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_uint_eq(segments(), 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.value_log_threshold_bytes = 1000;
    db = store_open(&o);
    expect_all(db, 1);
    for (unsigned n = 0; n < KEYS; n += 2)
        put(db, n, 1, LEVIN_NONE);
    expect_all(db, 1);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_uint_gt(segments(), 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.value_log_threshold_bytes = UINT64_MAX;
    db = store_open(&o);
    expect_all(db, 1);
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_all(db, 1);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Runs `act` in a process that dies without a close. */
static void killed(const levin_options *o, void (*act)(levin *db))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        levin *db = NULL;
        if (levin_open(directory, o, &db, NULL) != LEVIN_OK)
            _exit(1);
        act(db);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fill_synced(levin *db)
{
    fill(db, 3, LEVIN_SYNCED);
}

static void fill_logged(levin *db)
{
    fill(db, 3, LEVIN_LOGGED);
}

static void survives_a_kill_again_and_again_case(int variant)
{
    directory_make();
    levin_options o = small_options();
    killed(&o, variant ? fill_logged : fill_synced);
    for (unsigned i = 0; i < 3; i++) {
        levin *db = store_open(&o);
        expect_all(db, 3);
        put(db, 1, 3, LEVIN_NONE);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    directory_remove();
}

START_TEST(value_log__survives_a_kill_again_and_again)
{
    for (int variant = 0; variant < 2; variant++)
        survives_a_kill_again_and_again_case(variant);
}
END_TEST

/* Changes a byte of the newest value in the directory, or cuts the file there. */
static void damage(unsigned segment, long offset, bool cut)
{
    char path[128];
    snprintf(path, sizeof path, "%s/vlog-%016x", directory, segment);
    if (cut) {
        ck_assert_int_eq(truncate(path, offset), 0);
        return;
    }
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, offset, SEEK_SET);
    int c = fgetc(f);
    fseek(f, offset, SEEK_SET);
    fputc(c ^ 1, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void three_synced(levin *db)
{
    put(db, 1, 1, LEVIN_SYNCED);
    put(db, 2, 1, LEVIN_SYNCED);
    put(db, 4, 1, LEVIN_SYNCED);
}

static long value_offset(unsigned i)
{
    static const unsigned key[] = { 1, 2, 4 };
    uint64_t at = VLOG_SEGMENT_HEADER_BYTES;
    for (unsigned n = 0; n < i; n++)
        at = round_up_u64(at + VLOG_RECORD_HEADER_BYTES + 8 + value_of(value_buffer, key[n], 1), VLOG_SECTOR_BYTES);
    return (long)at + VLOG_RECORD_HEADER_BYTES + 8;
}

static void last_value_missing_cuts_the_log_case(int variant)
{
    directory_make();
    levin_options o = small_options();
    killed(&o, three_synced);
    damage(1, value_offset(2) + (variant == 2 ? 100 : 0), variant != 0);
    levin *db = store_open(&o);
    expect(db, NULL, 1, 1);
    expect(db, NULL, 2, 1);
    ck_assert_int_eq(levin_contains(db, NULL, "key00004", 8), LEVIN_NOT_FOUND);
    put(db, 4, 2, LEVIN_SYNCED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    expect(db, NULL, 2, 1);
    expect(db, NULL, 4, 2);
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}

START_TEST(value_log__last_value_missing_cuts_the_log)
{
    for (int variant = 0; variant < 3; variant++)
        last_value_missing_cuts_the_log_case(variant);
}
END_TEST

static void proven_value_missing_is_corrupt_case(int variant)
{
    directory_make();
    levin_options o = small_options();
    levin *db = NULL;
    levin_error error;
    char path[128];
    killed(&o, three_synced);
    snprintf(path, sizeof path, "%s/vlog-%016x", directory, 1);
    if (variant == 0)
        damage(1, value_offset(1), true);
    else
        ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(levin_open(directory, &o, &db, &error), LEVIN_CORRUPT);
    ck_assert_str_eq(error.file, "vlog-0000000000000001");
    o.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    db = store_open(&o);
    if (variant == 0)
        expect(db, NULL, 1, 1);
    ck_assert_int_eq(levin_contains(db, NULL, "key00004", 8), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}

START_TEST(value_log__proven_value_missing_is_corrupt)
{
    for (int variant = 0; variant < 2; variant++)
        proven_value_missing_is_corrupt_case(variant);
}
END_TEST

static void damage_is_named_case(int variant)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_error error;
    levin_pinned pinned;
    void *copy;
    size_t bytes;
    three_synced(db);
    if (variant)
        expect_ok(db, levin_checkpoint(db), "checkpoint");
    damage(1, value_offset(1) + 17, false);
    expect(db, NULL, 1, 1);
    ck_assert_int_eq(levin_get(db, NULL, "key00002", 8, read_buffer, sizeof read_buffer, &bytes), LEVIN_CORRUPT);
    levin_last_error(db, &error);
    ck_assert_str_eq(error.file, "vlog-0000000000000001");
    ck_assert_uint_eq(error.offset, (uint64_t)value_offset(1));
    ck_assert_int_eq(levin_get_pinned(db, NULL, "key00002", 8, &pinned), LEVIN_CORRUPT);
    ck_assert_int_eq(levin_get_alloc(db, NULL, "key00002", 8, &copy, &bytes), LEVIN_CORRUPT);
    ck_assert_ptr_null(copy);
    levin_get_request r = { .key = "key00002", .key_bytes = 8, .buffer = read_buffer, .capacity = sizeof read_buffer };
    ck_assert_int_eq(levin_multi_get(db, NULL, &r, 1), LEVIN_CORRUPT);
    levin_iter *it;
    expect_ok(db, levin_iter_open(db, NULL, &it), "iterator");
    ck_assert(levin_iter_seek(it, "key00002", 8));
    ck_assert_ptr_null(levin_iter_value(it).data);
    ck_assert_int_eq(levin_iter_status(it), LEVIN_CORRUPT);
    levin_iter_close(it);
    expect(db, NULL, 4, 1);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_CORRUPT);
    damage(1, value_offset(1) + 17, false);
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}

START_TEST(value_log__damage_is_named)
{
    for (int variant = 0; variant < 2; variant++)
        damage_is_named_case(variant);
}
END_TEST

static void missing_segment_refuses_to_open_case(int variant)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_error error;
    char path[128];
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(path, sizeof path, "%s/vlog-%016x", directory, 2);
    switch (variant) {
    case 0: ck_assert_int_eq(unlink(path), 0); break;
    case 1: damage(2, 1000, true); break;
    case 2: damage(2, VLOG_SEGMENT_IDENTITY, false); break;
    default: damage(2, 100, true); break;
    }
    db = NULL;
    ck_assert_int_eq(levin_open(directory, &o, &db, &error), LEVIN_CORRUPT);
    ck_assert_str_eq(error.file, "vlog-0000000000000002");
    directory_remove();
}

START_TEST(value_log__missing_segment_refuses_to_open)
{
    for (int variant = 0; variant < 4; variant++)
        missing_segment_refuses_to_open_case(variant);
}
END_TEST

START_TEST(value_log__leftover_segments_go)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    char path[128];
    put(db, 1, 1, LEVIN_SYNCED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(path, sizeof path, "%s/vlog-%016x", directory, 9);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fputs("what an interrupted creation leaves", f);
    ck_assert_int_eq(fclose(f), 0);
    o.read_only = true;
    db = store_open(&o);
    ck_assert_uint_eq(segments(), 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    o.read_only = false;
    db = store_open(&o);
    ck_assert_uint_eq(segments(), 1);
    fill(db, 2, LEVIN_NONE);
    ck_assert_uint_gt(segments(), 2);
    expect_all(db, 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

static levin_stats stats_of(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s;
}

static void work_out(levin *db)
{
    bool more = true;
    while (more)
        expect_ok(db, levin_work(db, &more), "work");
}

START_TEST(value_log__collection_gives_space_back)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    for (unsigned version = 1; version <= 8; version++) {
        fill(db, version, LEVIN_NONE);
        expect_ok(db, levin_checkpoint(db), "checkpoint");
        work_out(db);
    }
    levin_stats s = stats_of(db);
    ck_assert_uint_gt(s.vlog_collected_segments, 5);
    ck_assert_uint_eq(s.vlog_segments, segments());
    ck_assert_uint_lt(s.vlog_bytes, 3 * s.vlog_live_bytes);
    ck_assert_uint_eq(s.puts, 8 * KEYS);
    expect_all(db, 8);
    expect_ok(db, levin_collect(db, 100), "collect");
    s = stats_of(db);
    ck_assert_uint_lt(s.vlog_bytes, s.vlog_live_bytes + 2 * SEGMENT);
    expect_all(db, 8);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    expect_all(db, 8);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Half of the keys are overwritten: what is left in the old segments has to be moved. */
START_TEST(value_log__live_values_are_moved)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    for (unsigned n = 0; n < KEYS; n += 2)
        put(db, n, 2, LEVIN_NONE);
    expect_ok(db, levin_collect(db, 90), "collect");
    levin_stats s = stats_of(db);
    ck_assert_uint_gt(s.vlog_moved_values, 5);
    ck_assert_uint_gt(s.vlog_collected_segments, 0);
    for (int round = 0; round < 2; round++) {
        for (unsigned n = 0; n < KEYS; n++)
            expect(db, NULL, n, n % 2 ? 1 : 2);
        expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
        db = store_open(&o);
    }
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

typedef struct stopper {
    unsigned left, calls;
} stopper;

static bool stop_later(void *context, const levin_compact_result *so_far)
{
    stopper *s = context;
    (void)so_far;
    s->calls++;
    return s->left-- != 0;
}

/* Stopped at the first call, at the second, and so on, until it comes to its end. */
START_TEST(value_log__compaction_collects)
{
    directory_make();
    levin_options o = small_options();
    o.value_log_live_percent = 0;
    levin *db = store_open(&o);
    levin_compact_options c;
    levin_compact_result r;
    levin_compact_options_init(&c);
    c.progress = stop_later;
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    for (unsigned n = 0; n < KEYS; n += 2)
        put(db, n, 2, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    c.value_log_live_percent = 0;
    c.context = &(stopper){ .left = UINT_MAX };
    expect_ok(db, levin_compact(db, &c, &r), "compact");
    ck_assert_uint_eq(r.segments_collected + r.values_moved, 0);
    const uint64_t before = stats_of(db).vlog_bytes;
    c.value_log_live_percent = 90;
    levin_code code = LEVIN_INTERRUPTED;
    unsigned stops = 0;
    for (; code == LEVIN_INTERRUPTED; stops++) {
        stopper s = { .left = stops };
        c.context = &s;
        code = levin_compact(db, &c, &r);
        for (unsigned n = 0; n < KEYS; n += 7)
            expect(db, NULL, n, n % 2 ? 1 : 2);
        expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    }
    expect_ok(db, code, "compact");
    ck_assert_uint_gt(stops, 2);
    levin_stats s = stats_of(db);
    ck_assert_uint_lt(s.vlog_bytes, before);
    ck_assert_uint_lt(s.vlog_bytes, s.vlog_live_bytes + s.vlog_live_bytes / 9 + 2 * SEGMENT);
    ck_assert_uint_gt(s.vlog_collected_segments, 0);
    ck_assert_uint_eq(s.vlog_segments, segments());
    c.value_log_live_percent = 101;
    ck_assert_int_eq(levin_compact(db, &c, &r), LEVIN_INVALID);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    for (unsigned n = 0; n < KEYS; n++)
        expect(db, NULL, n, n % 2 ? 1 : 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__compaction_says_what_it_collected)
{
    directory_make();
    levin_options o = small_options();
    o.value_log_live_percent = 0;
    levin *db = store_open(&o);
    levin_compact_result r;
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    for (unsigned n = 0; n < KEYS; n += 2)
        put(db, n, 2, LEVIN_NONE);
    expect_ok(db, levin_compact(db, NULL, &r), "compact");
    levin_stats s = stats_of(db);
    ck_assert_uint_gt(r.segments_collected, 0);
    ck_assert_uint_eq(r.segments_collected, s.vlog_collected_segments);
    ck_assert_uint_eq(r.segments_bytes, s.vlog_collected_bytes);
    ck_assert_uint_gt(r.values_moved, 0);
    ck_assert_uint_eq(r.values_moved, s.vlog_moved_values);
    ck_assert_uint_eq(r.values_moved_bytes, s.vlog_moved_bytes);
    expect_ok(db, levin_compact(db, NULL, &r), "compact");
    ck_assert_uint_eq(r.segments_collected, 0);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__snapshot_keeps_its_segments)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_snapshot *snapshot;
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    expect_ok(db, levin_snapshot_create(db, &snapshot), "snapshot");
    const unsigned before = segments();
    fill(db, 2, LEVIN_NONE);
    expect_ok(db, levin_collect(db, 100), "collect");
    expect_ok(db, levin_collect(db, 100), "collect");
    ck_assert_uint_gt(segments(), before);
    for (unsigned n = 0; n < KEYS; n++)
        expect(db, snapshot, n, 1);
    expect_all(db, 2);
    levin_snapshot_release(snapshot);
    expect_ok(db, levin_collect(db, 100), "collect");
    ck_assert_uint_le(segments(), before + 1);
    expect_all(db, 2);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__damaged_segment_is_not_collected)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    size_t bytes;
    three_synced(db);
    for (unsigned n = 5; n < KEYS; n++)
        put(db, n, 1, LEVIN_NONE);
    for (unsigned n = 5; n < KEYS; n++)
        put(db, n, 2, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    damage(1, value_offset(1) + 17, false);
    expect_ok(db, levin_collect(db, 100), "collect");
    expect(db, NULL, 1, 1);
    ck_assert_int_eq(levin_get(db, NULL, "key00002", 8, read_buffer, sizeof read_buffer, &bytes), LEVIN_CORRUPT);
    damage(1, value_offset(1) + 17, false);
    expect(db, NULL, 2, 1);
    for (unsigned n = 5; n < KEYS; n++)
        expect(db, NULL, n, 2);
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

/* Flips a bit of every page but the meta pages. */
static void damage_pages(void)
{
    char path[128];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/pages", directory);
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    for (long at = 2 * 4096 + 2000; fseek(f, at, SEEK_SET) == 0 && fread(&byte, 1, 1, f) == 1; at += 4096) {
        byte ^= 4;
        ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
        ck_assert_uint_eq(fwrite(&byte, 1, 1, f), 1);
    }
    ck_assert_int_eq(fclose(f), 0);
}

/* A collection that cannot read its keys has not seen them all. */
START_TEST(value_log__a_collection_that_cannot_read_the_tree_says_so)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_error error;
    fill(db, 1, LEVIN_NONE);
    fill(db, 2, LEVIN_NONE);
    for (unsigned i = 0; i < 2000; i++) { /* leaves that no other read has brought into the cache */
        char key[16];
        snprintf(key, sizeof key, "zzz%05u", i);
        expect_ok(db, levin_put(db, key, strlen(key), value_buffer, 50, LEVIN_NONE), "put");
    }
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    const unsigned before = segments();
    damage_pages();
    ck_assert_int_eq(levin_collect(db, 100), LEVIN_CORRUPT);
    levin_last_error(db, &error);
    ck_assert_str_eq(error.file, "pages");
    ck_assert_uint_ge(segments(), before);
    damage_pages();
    expect_ok(db, levin_collect(db, 100), "collect");
    for (unsigned n = 0; n < KEYS; n++)
        expect(db, NULL, n, 2);
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__cache_answers_what_was_read_before)
{
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    o.value_cache_bytes = 1 << 20;
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    db = store_open(&o);
    fill(db, 1, LEVIN_NONE);
    for (unsigned n = 0; n < 6; n++)
        expect(db, NULL, n, 1);
    levin_stats s = stats_of(db);
    ck_assert_uint_eq(s.large_hits, 0);
    ck_assert_uint_eq(s.large_inserts, 4);
    const uint64_t read_bytes = s.vlog_read_bytes;
    for (unsigned n = 0; n < 6; n++)
        expect(db, NULL, n, 1);
    s = stats_of(db);
    ck_assert_uint_eq(s.large_hits, 4);
    ck_assert_uint_eq(s.vlog_read_bytes, read_bytes);
    put(db, 1, 2, LEVIN_NONE);
    expect(db, NULL, 1, 2);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned n = 0; n < KEYS; n++)
            expect(db, NULL, n, n == 1 ? 2 : 1);
    s = stats_of(db);
    ck_assert_uint_le(s.large_bytes, o.value_cache_bytes);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

START_TEST(value_log__backup_holds_the_segments)
{
    char original[64], command[192];
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_backup_result result;
    fill(db, 1, LEVIN_NONE);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    fill(db, 2, LEVIN_NONE);
    memcpy(original, directory, sizeof original);
    snprintf(directory, sizeof directory, "%.40s-copy", original);
    expect_ok(db, levin_backup(db, directory, NULL, &result), "backup");
    ck_assert_uint_eq(result.bytes, result.total_bytes);
    fill(db, 3, LEVIN_NONE);
    expect_ok(db, levin_collect(db, 100), "collect");
    levin *copy = store_open(&o);
    expect_all(copy, 2);
    ck_assert_int_eq(levin_close(copy), LEVIN_OK);
    directory_remove();
    /* a value that does not verify is not copied */
    memcpy(directory, original, sizeof directory);
    for (unsigned segment = 1; segment < 60; segment++) {
        snprintf(command, sizeof command, "%s/vlog-%016x", directory, segment);
        if (access(command, F_OK) == 0)
            damage(segment, VLOG_SEGMENT_HEADER_BYTES + VLOG_RECORD_HEADER_BYTES + 100, false);
    }
    snprintf(command, sizeof command, "%.40s-copy", original);
    ck_assert_int_eq(levin_backup(db, command, NULL, NULL), LEVIN_CORRUPT);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
    snprintf(directory, sizeof directory, "%.40s-copy", original);
    directory_remove();
}
END_TEST

START_TEST(value_log__repair_loses_what_is_damaged_and_no_more)
{
    char original[64], target[80];
    directory_make();
    levin_options o = small_options();
    levin *db = store_open(&o);
    levin_repair_result result;
    size_t bytes;
    three_synced(db);
    expect_ok(db, levin_checkpoint(db), "checkpoint");
    put(db, 7, 1, LEVIN_SYNCED);
    put(db, 8, 1, LEVIN_SYNCED);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    damage(1, value_offset(1) + 17, false);
    snprintf(target, sizeof target, "%s-new", directory);
    ck_assert_int_eq(levin_repair(directory, target, NULL, &result, NULL), LEVIN_CORRUPT);
    ck_assert(result.made);
    ck_assert_uint_eq(result.losses, 1);
    memcpy(original, directory, sizeof original);
    directory_remove();
    snprintf(directory, sizeof directory, "%.40s-new", original);
    db = store_open(&o);
    static const unsigned kept[] = { 1, 4, 7, 8 };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        expect(db, NULL, kept[i], 1);
    ck_assert_int_eq(levin_get(db, NULL, "key00002", 8, read_buffer, sizeof read_buffer, &bytes), LEVIN_NOT_FOUND);
    expect_ok(db, levin_check(db, NULL, NULL, NULL), "check");
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    directory_remove();
}
END_TEST

LEVIN_TEST_MAIN("value_log", TEST(value_log__reads_the_same_everywhere),
                TEST(value_log__off_and_on_in_one_store),
                TEST(value_log__survives_a_kill_again_and_again),
                TEST(value_log__last_value_missing_cuts_the_log),
                TEST(value_log__proven_value_missing_is_corrupt),
                TEST(value_log__damage_is_named),
                TEST(value_log__missing_segment_refuses_to_open),
                TEST(value_log__leftover_segments_go),
                TEST(value_log__collection_gives_space_back),
                TEST(value_log__live_values_are_moved),
                TEST(value_log__compaction_collects), TEST(value_log__compaction_says_what_it_collected),
                TEST(value_log__snapshot_keeps_its_segments),
                TEST(value_log__damaged_segment_is_not_collected),
                TEST(value_log__a_collection_that_cannot_read_the_tree_says_so),
                TEST(value_log__cache_answers_what_was_read_before),
                TEST(value_log__backup_holds_the_segments),
                TEST(value_log__repair_loses_what_is_damaged_and_no_more))
