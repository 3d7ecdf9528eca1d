/*
 * value_log_keyspace_test.c - large values of named keyspaces, on simulated disks.
 *
 * One history for all tests: three keyspaces beside the default one, whose values are overwritten, deleted by ranges,
 * dropped and collected.  It is a row of states, one after each write.
 *
 * Invariants checked: every read gives the model's state; values of all keyspaces are in the value log and are moved
 * by a collection; a dropped keyspace's segments go, and nothing comes back; after a crash at any point the contents
 * are one state, at or past the last one synced, and levin_check() passes; so after any failing call; backup and
 * repair hold every keyspace's values; a segment of format version 1 is read, and not written to.
 */
#include <errno.h>

#include "../faults/check_main.h"
#include "../faults/crash.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "checksum.h"
#include "levin.h"
#include "vlog_format.h"

enum { SPACES = 4, KEYS = 12, STATES_MAX = 64, VALUE_MAX = 4000, SEGMENT = 16384 };

static const char *const names[SPACES] = { NULL, "a", "b", "c" };

/* Version of each key, 0: none. */
typedef struct model {
    bool alive[SPACES];
    unsigned version[SPACES][KEYS];
} model;

typedef struct fixture {
    simdisk *disk;
    trace *t;
    fault_io *faults;
    levin_options o;
    levin *db;
    levin_keyspace *ks[SPACES];
    model m;
    levin_code code; /* the first failure; the history ends there */
    model states[STATES_MAX];
    uint64_t digests[STATES_MAX];
    uint64_t since[STATES_MAX];  /* where the trace was when it began to be legal */
    bool synced[STATES_MAX];
    uint64_t synced_at[STATES_MAX]; /* where the trace was when it was acknowledged */
    size_t count;
} fixture;
static fixture f;

static uint8_t value[VALUE_MAX], found[VALUE_MAX];

static size_t value_of(unsigned space, unsigned n, unsigned version)
{
    const size_t bytes = n % 4 == 3 ? 30 : 1100 + 97 * n + 11 * version;
    for (size_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)(i * 7 + space * 59 + n * 31 + version * 101 + i / 251);
    return bytes;
}

static size_t key_of(unsigned n, char key[8])
{
    return (size_t)snprintf(key, 8, "k%03u", n);
}

/* ---- contents as a number ---- */

static uint64_t digest_add(uint64_t digest, unsigned space, levin_slice key, levin_slice what)
{
    digest = checksum(&space, sizeof space, digest);
    digest = checksum(key.data, key.size, digest);
    return checksum(what.data, what.size, digest);
}

static uint64_t model_digest(const model *m)
{
    uint64_t digest = 1;
    char key[8];
    for (unsigned s = 0; s < SPACES; s++) {
        if (s && m->alive[s])
            digest = digest_add(digest, s, (levin_slice){ "", 0 }, (levin_slice){ "", 0 });
        for (unsigned n = 0; n < KEYS; n++)
            if (m->version[s][n])
                digest = digest_add(digest, s, (levin_slice){ key, key_of(n, key) },
                                    (levin_slice){ value, value_of(s, n, m->version[s][n]) });
    }
    return digest;
}

static void fail_text(levin *db, levin_code code, const char *what)
{
    levin_error error = { 0 };
    if (db)
        levin_last_error(db, &error);
    ck_abort_msg("%s: %s: %s", what, levin_code_name(code), error.message);
}

static void expect_ok(levin *db, levin_code code, const char *what)
{
    if (code != LEVIN_OK)
        fail_text(db, code, what);
}

static uint64_t store_digest(levin *db)
{
    uint64_t digest = 1;
    for (unsigned s = 0; s < SPACES; s++) {
        levin_keyspace *ks = NULL;
        levin_iter *it;
        if (s) {
            levin_code code = levin_keyspace_open(db, names[s], 1, 0, &ks);
            if (code == LEVIN_NO_KEYSPACE)
                continue;
            expect_ok(db, code, "keyspace");
            digest = digest_add(digest, s, (levin_slice){ "", 0 }, (levin_slice){ "", 0 });
        }
        const levin_iter_options o = { .keyspace = ks };
        expect_ok(db, levin_iter_open(db, &o, &it), "iterator");
        for (bool more = levin_iter_first(it); more; more = levin_iter_next(it)) {
            levin_slice key = levin_iter_key(it), data = levin_iter_value(it);
            size_t bytes = 0;
            expect_ok(db, levin_iter_status(it), "value");
            digest = digest_add(digest, s, key, data);
            expect_ok(db, levin_get_in(db, ks, NULL, key.data, key.size, found, sizeof found, &bytes), "get");
            ck_assert_uint_eq(bytes, data.size);
            ck_assert_mem_eq(found, data.data, bytes);
        }
        expect_ok(db, levin_iter_status(it), "scan");
        levin_iter_close(it);
        levin_keyspace_close(ks);
    }
    return digest;
}

static bool print_fault(void *context, const levin_error *fault)
{
    (void)context;
    fprintf(stderr, "check: %s\n", fault->message);
    return true;
}

static void expect_state(levin *db, const model *m, const char *what)
{
    ck_assert_msg(store_digest(db) == model_digest(m), "%s: other contents", what);
    expect_ok(db, levin_check(db, print_fault, NULL, NULL), "check");
}

/* ---- the history ---- */

static void options_fill(levin_options *o, const levin_io *io)
{
    levin_options_init(o);
    o->page_bytes = 4096;
    o->cache_bytes = 64 * 4096;
    o->memtable_bytes = 64 << 10;
    o->wal_segment_bytes = 32 << 10;
    o->row_cache_bytes = 0;
    o->value_log_threshold_bytes = 1000;
    o->value_log_segment_bytes = SEGMENT;
    o->value_log_live_percent = 0;
    o->background = LEVIN_BACKGROUND_NONE;
    o->auto_compact_percent = 0;
    o->io = io;
}

/* A write is over, or has failed: its state is one of those that may be found from `since` on. */
static void note(levin_code code, uint64_t since, levin_durability durability)
{
    f.code = code;
    ck_assert_uint_lt(f.count, STATES_MAX);
    f.states[f.count] = f.m;
    f.digests[f.count] = model_digest(&f.m);
    f.since[f.count] = since;
    f.synced[f.count] = code == LEVIN_OK && durability == LEVIN_SYNCED;
    f.synced_at[f.count] = f.t ? trace_length(f.t) : 0;
    f.count++;
}

static uint64_t now(void)
{
    return f.t ? trace_length(f.t) : 0;
}

/* One batch over several keyspaces: every step-th key of those whose bit is set. */
static void put_all(unsigned spaces, unsigned step, unsigned version, levin_durability durability)
{
    levin_batch *batch;
    const uint64_t since = now();
    if (f.code != LEVIN_OK)
        return;
    levin_code code = levin_batch_create(f.db, &batch);
    for (unsigned s = 0; s < SPACES && code == LEVIN_OK; s++)
        for (unsigned n = 0; n < KEYS && code == LEVIN_OK && (spaces >> s & 1); n += step) {
            char key[8];
            size_t bytes = value_of(s, n, version);
            code = levin_batch_put_in(batch, f.ks[s], key, key_of(n, key), value, bytes);
            f.m.version[s][n] = version;
        }
    if (code == LEVIN_OK)
        code = levin_write(f.db, batch, durability);
    levin_batch_destroy(batch);
    note(code, since, durability);
}

static void open_space(unsigned s)
{
    const uint64_t since = now();
    if (f.code != LEVIN_OK)
        return;
    levin_code code = levin_keyspace_open(f.db, names[s], 1, LEVIN_KEYSPACE_CREATE, &f.ks[s]);
    f.m.alive[s] = true;
    note(code, since, LEVIN_NONE);
}

static void drop_space(unsigned s, levin_durability durability)
{
    const uint64_t since = now();
    if (f.code != LEVIN_OK)
        return;
    levin_code code = levin_keyspace_drop(f.db, names[s], 1, durability);
    f.m.alive[s] = false;
    memset(f.m.version[s], 0, sizeof f.m.version[s]);
    note(code, since, durability);
}

/* Keys [from, KEYS) of a keyspace. */
static void delete_tail(unsigned s, unsigned from, levin_durability durability)
{
    const uint64_t since = now();
    char key[8];
    if (f.code != LEVIN_OK)
        return;
    levin_code code = levin_delete_range_in(f.db, f.ks[s], (levin_slice){ key, key_of(from, key) },
                                            (levin_slice){ NULL, 0 }, durability);
    for (unsigned n = from; n < KEYS; n++)
        f.m.version[s][n] = 0;
    note(code, since, durability);
}

static void then(levin_code (*act)(levin *store))
{
    if (f.code == LEVIN_OK)
        f.code = act(f.db);
}

static levin_code collect_all(levin *db)
{
    return levin_collect(db, 100);
}

static void history(void)
{
    for (unsigned s = 1; s < 3; s++)
        open_space(s);
    put_all(7, 1, 1, LEVIN_SYNCED);
    then(levin_checkpoint);
    put_all(6, 2, 2, LEVIN_SYNCED);
    delete_tail(1, 8, LEVIN_SYNCED);
    then(collect_all); /* moves values of all three */
    put_all(2, 3, 3, LEVIN_LOGGED);
    drop_space(2, LEVIN_SYNCED);
    open_space(3);
    put_all(10, 2, 4, LEVIN_SYNCED);
    then(collect_all);
    put_all(8, 3, 5, LEVIN_SYNCED);
}

static void spaces_close(void)
{
    for (unsigned s = 0; s < SPACES; s++) {
        levin_keyspace_close(f.ks[s]);
        f.ks[s] = NULL;
    }
}

static void begin(const disk_image *image, trace *t)
{
    levin_error error = { 0 };
    memset(&f, 0, sizeof f);
    f.t = t;
    f.disk = simdisk_create(image, t);
    f.faults = fault_io_create(simdisk_io(f.disk));
    fault_io_on_failed_sync(f.faults, simdisk_sync_loses_pages, f.disk);
    options_fill(&f.o, fault_io_table(f.faults));
    f.digests[0] = model_digest(&f.m);
    f.synced[0] = true;
    f.count = 1;
    levin_code code = levin_open("store", &f.o, &f.db, &error);
    ck_assert_msg(code == LEVIN_OK, "open: %s", error.message);
}

static void reopen(void)
{
    levin_error error = { 0 };
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    levin_code code = levin_open("store", &f.o, &f.db, &error);
    ck_assert_msg(code == LEVIN_OK, "open: %s", error.message);
}

static void end(void)
{
    uint64_t files, bytes, allocations;
    spaces_close();
    if (f.db)
        expect_ok(f.db, levin_close(f.db), "close");
    fault_io_held(f.faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files + allocations, 0);
    fault_io_destroy(f.faults);
    ck_assert(simdisk_destroy(f.disk, NULL));
}

static levin_stats stats(void)
{
    levin_stats s;
    levin_stats_get(f.db, &s);
    return s;
}

/* ---- tests ---- */

START_TEST(value_log_keyspace__values_are_kept_moved_and_given_back)
{
    begin(NULL, NULL);
    history();
    expect_ok(f.db, f.code, "history");
    expect_state(f.db, &f.m, "history");
    levin_stats s = stats();
    ck_assert_uint_gt(s.vlog_moved_values, 10);
    ck_assert_uint_gt(s.vlog_collected_segments, 2);
    expect_ok(f.db, collect_all(f.db), "collect");
    expect_state(f.db, &f.m, "collected");
    s = stats();
    uint64_t alive = 0;
    for (unsigned space = 0; space < SPACES; space++)
        for (unsigned n = 0; n < KEYS; n++) {
            const size_t bytes = f.m.version[space][n] ? value_of(space, n, f.m.version[space][n]) : 0;
            alive += bytes > 1000 ? vlog_record_bytes(space ? 8 : 4, bytes) : 0;
        }
    ck_assert_uint_eq(s.vlog_live_bytes, alive);
    ck_assert_uint_lt(s.vlog_bytes, alive + 2 * SEGMENT);
    for (int i = 0; i < 2; i++) {
        reopen();
        expect_state(f.db, &f.m, "reopened");
    }
    /* the last keyspaces go, and with them all that is theirs */
    drop_space(1, LEVIN_NONE);
    drop_space(3, LEVIN_NONE);
    expect_ok(f.db, levin_delete_range(f.db, (levin_slice){ NULL, 0 }, (levin_slice){ NULL, 0 }, LEVIN_NONE), "range");
    for (int i = 0; i < 2; i++)
        expect_ok(f.db, collect_all(f.db), "collect");
    s = stats();
    ck_assert_uint_eq(s.vlog_live_bytes, 0);
    ck_assert_uint_le(s.vlog_segments, 1); /* the one that is written to */
    memset(&f.m, 0, sizeof f.m);
    expect_state(f.db, &f.m, "empty");
    end();
}
END_TEST

/* A keyspace goes between two steps of a collection that is about to move its values. */
START_TEST(value_log_keyspace__dropped_while_it_is_collected)
{
    for (unsigned steps = 0; steps < 12; steps++) {
        bool more;
        begin(NULL, NULL);
        f.o.value_log_live_percent = 100;
        reopen();
        open_space(1);
        open_space(2);
        put_all(7, 1, 1, LEVIN_NONE);
        put_all(7, 2, 2, LEVIN_NONE);
        then(levin_checkpoint);
        expect_ok(f.db, f.code, "history");
        for (unsigned i = 0; i < steps; i++)
            expect_ok(f.db, levin_work(f.db, &more), "work");
        drop_space(2, LEVIN_NONE);
        delete_tail(1, 5, LEVIN_NONE);
        do
            expect_ok(f.db, levin_work(f.db, &more), "work");
        while (more);
        expect_ok(f.db, collect_all(f.db), "collect");
        expect_state(f.db, &f.m, "collected");
        reopen();
        expect_state(f.db, &f.m, "reopened");
        end();
    }
}
END_TEST

START_TEST(value_log_keyspace__snapshot_keeps_a_dropped_one)
{
    levin_snapshot *snapshot;
    begin(NULL, NULL);
    open_space(1);
    put_all(1, 1, 1, LEVIN_NONE);
    put_all(2, 1, 1, LEVIN_NONE);
    put_all(1, 1, 2, LEVIN_NONE);
    then(levin_checkpoint);
    expect_ok(f.db, levin_snapshot_create(f.db, &snapshot), "snapshot");
    drop_space(1, LEVIN_NONE);
    expect_ok(f.db, collect_all(f.db), "collect");
    expect_ok(f.db, collect_all(f.db), "collect");
    for (unsigned n = 0; n < KEYS; n++) {
        char key[8];
        size_t bytes, wanted = value_of(1, n, 1);
        expect_ok(f.db, levin_get_in(f.db, f.ks[1], snapshot, key, key_of(n, key), found, sizeof found, &bytes), "get");
        ck_assert_uint_eq(bytes, wanted);
        ck_assert_mem_eq(found, value, wanted);
    }
    const uint64_t before = stats().vlog_segments;
    levin_snapshot_release(snapshot);
    expect_ok(f.db, collect_all(f.db), "collect");
    ck_assert_uint_lt(stats().vlog_segments, before);
    expect_state(f.db, &f.m, "dropped");
    end();
}
END_TEST

START_TEST(value_log_keyspace__catalogue_stays_out_of_it)
{
    begin(NULL, NULL);
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    f.o.value_log_threshold_bytes = 1;
    levin_error error;
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    open_space(1);
    open_space(2);
    put_all(7, 1, 1, LEVIN_NONE);
    drop_space(2, LEVIN_NONE);
    expect_state(f.db, &f.m, "memtable");
    expect_ok(f.db, collect_all(f.db), "collect");
    expect_state(f.db, &f.m, "tree");
    reopen();
    expect_state(f.db, &f.m, "reopened");
    end();
}
END_TEST

START_TEST(value_log_keyspace__backup_and_repair_hold_all_values)
{
    begin(NULL, NULL);
    history();
    expect_ok(f.db, f.code, "history");
    const model m = f.m;
    expect_ok(f.db, levin_backup(f.db, "copy", NULL, NULL), "backup");
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    levin_error error = { 0 };
    levin_repair_options repair;
    levin_repair_result result;
    levin_repair_options_init(&repair);
    repair.io = f.o.io;
    levin_code code = levin_repair("store", "mended", &repair, &result, &error);
    ck_assert_msg(code == LEVIN_OK, "repair: %s", error.message);
    static const char *const where[] = { "copy", "mended" };
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(levin_open(where[i], &f.o, &f.db, &error), LEVIN_OK);
        ck_assert(i || stats().vlog_segments > 0); /* a repair makes a store with the defaults */
        expect_state(f.db, &m, where[i]);
        expect_ok(f.db, collect_all(f.db), "collect");
        expect_state(f.db, &m, where[i]);
        expect_ok(f.db, levin_close(f.db), "close");
    }
    f.db = NULL;
    end();
}
END_TEST

/* Damage to one value costs that value, whose keyspace and key the report names. */
static bool lost_key(void *context, const levin_loss *loss)
{
    if (loss->kind == LEVIN_LOST_VALUE)
        snprintf(context, 32, "%02x %.*s", ((const uint8_t *)loss->lower.data)[3], (int)loss->lower.size - 4,
                 (const char *)loss->lower.data + 4);
    return true;
}

/* Turns a byte of a file of the store. */
static void damage(const char *path, uint64_t offset)
{
    const levin_io *io = simdisk_io(f.disk);
    levin_file *handle;
    uint8_t byte;
    size_t done;
    levin_slice part = { &byte, 1 };
    ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_VLOG, LEVIN_IO_WRITE, &handle), 0);
    ck_assert_int_eq(io->read_at(io->context, handle, &byte, 1, offset, &done), 0);
    ck_assert_uint_eq(done, 1);
    byte ^= 1;
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, offset, &done), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
}

START_TEST(value_log_keyspace__damage_is_found_and_costs_one_value)
{
    begin(NULL, NULL);
    open_space(1);
    put_all(2, KEYS, 1, LEVIN_NONE); /* key 0 alone */
    put_all(2, 5, 1, LEVIN_NONE);
    then(levin_checkpoint);
    expect_ok(f.db, f.code, "history");
    damage("store/vlog-0000000000000001", VLOG_SEGMENT_HEADER_BYTES + 2048 + VLOG_RECORD_HEADER_BYTES + 500);
    size_t bytes;
    levin_error error = { 0 };
    ck_assert_int_eq(levin_get_in(f.db, f.ks[1], NULL, "k000", 4, found, sizeof found, &bytes), LEVIN_CORRUPT);
    levin_last_error(f.db, &error);
    ck_assert_str_eq(error.file, "vlog-0000000000000001");
    ck_assert_int_eq(levin_check(f.db, NULL, NULL, NULL), LEVIN_CORRUPT);
    ck_assert_int_eq(levin_backup(f.db, "copy", NULL, NULL), LEVIN_CORRUPT);
    expect_ok(f.db, collect_all(f.db), "collect"); /* spares it */
    expect_ok(f.db, levin_get_in(f.db, f.ks[1], NULL, "k010", 4, found, sizeof found, &bytes), "get");
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    char lost[32] = "";
    levin_repair_options repair;
    levin_repair_result result;
    levin_repair_options_init(&repair);
    repair.io = f.o.io;
    repair.report = lost_key;
    repair.context = lost;
    ck_assert_int_eq(levin_repair("store", "mended", &repair, &result, &error), LEVIN_CORRUPT);
    ck_assert_str_eq(lost, "01 k000");
    ck_assert_uint_eq(result.losses, 1);
    ck_assert_int_eq(levin_open("mended", &f.o, &f.db, &error), LEVIN_OK);
    f.m.version[1][0] = 0;
    expect_state(f.db, &f.m, "mended");
    end();
}
END_TEST

/* Gives the first segment another format version, under a right checksum. */
static void set_version(uint32_t format)
{
    const levin_io *io = simdisk_io(f.disk);
    levin_file *handle;
    uint8_t header[VLOG_SEGMENT_HEADER_BYTES];
    size_t done;
    levin_slice part = { header, sizeof header };
    ck_assert_int_eq(io->open(io->context, "store/vlog-0000000000000001", LEVIN_FILE_VLOG, LEVIN_IO_WRITE, &handle), 0);
    ck_assert_int_eq(io->read_at(io->context, handle, header, sizeof header, 0, &done), 0);
    store_u32(header + VLOG_SEGMENT_VERSION, format);
    store_u64(header + VLOG_SEGMENT_CHECKSUM,
              checksum(header + VLOG_SEGMENT_MAGIC, sizeof header - VLOG_SEGMENT_MAGIC,
                       checksum_seed(0, PLACE_VLOG_SEGMENT, 1)));
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, 0, &done), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
}

START_TEST(value_log_keyspace__older_segments_are_read_and_left_alone)
{
    levin_error error = { 0 };
    begin(NULL, NULL);
    put_all(1, 5, 1, LEVIN_NONE);
    then(levin_checkpoint);
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    set_version(VLOG_FORMAT_VERSION + 1);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_VERSION_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(error.message, "vlog-0000000000000001"));
    set_version(1);
    ck_assert_int_eq(levin_open("store", &f.o, &f.db, &error), LEVIN_OK);
    expect_state(f.db, &f.m, "version 1");
    const uint64_t before = stats().vlog_segments;
    open_space(1);
    put_all(2, 5, 1, LEVIN_NONE);
    ck_assert_uint_eq(stats().vlog_segments, before + 1);
    expect_state(f.db, &f.m, "version 1 and 2");
    reopen();
    expect_state(f.db, &f.m, "reopened");
    put_all(1, 1, 2, LEVIN_NONE);
    expect_ok(f.db, collect_all(f.db), "collect");
    expect_state(f.db, &f.m, "collected");
    end();
}
END_TEST

/* ---- crashes ---- */

/* The states that may be found after a crash at that point of the trace. */
static bool legal(uint64_t digest, uint64_t point)
{
    bool good = false;
    for (size_t i = 0; i < f.count; i++) {
        if (f.synced[i] && f.synced_at[i] <= point)
            good = false; /* nothing older */
        good |= f.since[i] <= point && f.digests[i] == digest;
    }
    return good;
}

static crash_limits some_limits(void)
{
    crash_limits limits;
    crash_limits_init(&limits);
    limits.prefixes = limits.dropped = limits.kept = limits.torn = limits.garbage = limits.zeroed = 3;
    limits.sizes = limits.renames = limits.random = 4;
    return limits;
}

START_TEST(value_log_keyspace__a_crash_at_any_point_leaves_one_state)
{
    trace *t = trace_create();
    begin(NULL, t);
    history();
    expect_ok(f.db, f.code, "history");
    spaces_close();
    expect_ok(f.db, levin_close(f.db), "close");
    f.db = NULL;
    const crash_limits limits = some_limits();
    crash_state state;
    crash_explorer *e = crash_open(t, NULL, 5, &limits, NULL);
    unsigned states = 0;
    while (crash_next(e, &state)) {
        simdisk *after = simdisk_create(state.image, NULL);
        levin_options o = f.o;
        levin_error error = { 0 };
        levin *db = NULL;
        o.io = simdisk_io(after);
        levin_code code = levin_open("store", &o, &db, &error);
        ck_assert_msg(code == LEVIN_OK, "crash at %llu, variant %llu: %s", (unsigned long long)state.point,
                      (unsigned long long)state.variant, error.message);
        const uint64_t digest = store_digest(db);
        ck_assert_msg(legal(digest, state.point), "crash at %llu, variant %llu: no legal state",
                      (unsigned long long)state.point, (unsigned long long)state.variant);
        expect_ok(db, levin_check(db, print_fault, NULL, NULL), "check");
        if (states % 8 == 0) { /* what was recovered can be collected */
            expect_ok(db, levin_collect(db, 100), "collect");
            ck_assert_uint_eq(store_digest(db), digest);
        }
        expect_ok(db, levin_close(db), "close");
        simdisk_destroy(after, NULL);
        states++;
    }
    ck_assert_uint_gt(states, 450);
    crash_close(e);
    end();
    trace_destroy(t);
}
END_TEST

/* ---- failures ---- */

/* The history with the nth call failing, once or for ever. False when none failed. */
static bool history_with_fault(uint64_t nth, bool forever, unsigned operations, int os_error)
{
    levin_error error = { 0 };
    const fault_rule rule = { FAULT_KINDS_ALL, operations, nth, forever, FAULT_ERROR, os_error, 0 };
    begin(NULL, NULL);
    fault_io_set_rules(f.faults, &rule, 1);
    history();
    const bool fired = fault_io_fired(f.faults, 0) != 0;
    fault_io_set_rules(f.faults, NULL, 0);
    if (!fired)
        expect_ok(f.db, f.code, "history");
    spaces_close();
    const levin_code closed = levin_close(f.db);
    ck_assert_msg(closed == LEVIN_OK || fired, "close: %s", levin_code_name(closed));
    levin_code code = levin_open("store", &f.o, &f.db, &error);
    ck_assert_msg(code == LEVIN_OK, "open after call %llu failed: %s", (unsigned long long)nth, error.message);
    const uint64_t digest = store_digest(f.db);
    bool good = false; /* all that was acknowledged as synced; the write that failed may be there or not */
    for (size_t i = 0; i < f.count; i++)
        good = (good && !f.synced[i]) || digest == f.digests[i];
    ck_assert_msg(good, "call %llu failed: no legal state", (unsigned long long)nth);
    expect_ok(f.db, levin_check(f.db, print_fault, NULL, NULL), "check");
    expect_ok(f.db, collect_all(f.db), "collect");
    ck_assert_uint_eq(store_digest(f.db), digest);
    end();
    return fired;
}

START_TEST(value_log_keyspace__any_failing_call_loses_nothing)
{
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE), alloc = 1u << FAULT_ALLOC;
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t nth = 1; history_with_fault(nth, forever, io, forever ? ENOSPC : EIO); nth++)
            ;
        for (uint64_t nth = 1; history_with_fault(nth, forever, alloc, 0); nth++)
            ;
    }
}
END_TEST

LEVIN_TEST_MAIN("value_log_keyspace", TEST(value_log_keyspace__values_are_kept_moved_and_given_back),
                TEST(value_log_keyspace__dropped_while_it_is_collected),
                TEST(value_log_keyspace__snapshot_keeps_a_dropped_one),
                TEST(value_log_keyspace__catalogue_stays_out_of_it),
                TEST(value_log_keyspace__backup_and_repair_hold_all_values),
                TEST(value_log_keyspace__damage_is_found_and_costs_one_value),
                TEST(value_log_keyspace__older_segments_are_read_and_left_alone),
                TEST(value_log_keyspace__a_crash_at_any_point_leaves_one_state),
                TEST(value_log_keyspace__any_failing_call_loses_nothing))
