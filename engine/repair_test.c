/*
 * repair_test.c - repair of stores damaged in many places, on simulated disks.
 *
 * Invariants checked, whatever is damaged: every pair of the new store is one that the source held at its checkpoint,
 * or after a batch of its log; a pair that is missing, or older than the newest, lies in what was reported as lost;
 * the new store passes levin_check(); when nothing is reported everything is there.
 */
#include "store_model_test.h"
#include "wal_internal.h"

enum { KEYS = 400, STATES_MAX = 80 };

/* What the store held: at the checkpoint before the last, at the last one, and after each batch since. */
static uint64_t states[STATES_MAX][KEYS_MAX];
static unsigned state_count;
static uint64_t replay; /* where the log after the checkpoint begins */

typedef struct losses {
    unsigned counts[4];
    bool covered[KEYS_MAX];
} losses;

static void state_note(void)
{
    ck_assert_uint_lt(state_count, STATES_MAX);
    memcpy(states[state_count++], f.seed, sizeof f.seed);
}

/* One batch of three operations. */
static void batch(void)
{
    levin_batch *b;
    char key[24];
    expect_ok(levin_batch_create(f.db, &b), "batch");
    for (int n = 0; n < 3; n++) {
        unsigned i = (unsigned)random_below(&f.random, f.keys);
        size_t key_bytes = key_of(i, key);
        f.seed[i] = n == 2 ? 0 : random_next(&f.random) | 1;
        if (f.seed[i])
            expect_ok(levin_batch_put(b, key, key_bytes, value, value_of(f.seed[i])), "put");
        else
            expect_ok(levin_batch_delete(b, key, key_bytes), "delete");
    }
    expect_ok(levin_write(f.db, b, LEVIN_SYNCED), "write");
    levin_batch_destroy(b);
    state_note();
}

/* Two checkpoints and a log of batches behind them. clean: closed. The caller unrefs the image. */
static disk_image *history(bool clean, unsigned batches)
{
    state_count = 0;
    setup(KEYS, true, NULL);
    scatter(3);
    state_note();
    for (int i = 0; i < 20; i++)
        put((unsigned)random_below(&f.random, f.keys));
    expect_ok(levin_checkpoint(f.db), "checkpoint");
    state_note();
    for (unsigned n = 0; n < batches; n++)
        batch();
    replay = f.db->meta.replay;
    disk_image *image = clean ? NULL : simdisk_image(f.disk);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    return clean ? simdisk_image(f.disk) : image;
}

static bool on_loss(void *context, const levin_loss *loss)
{
    losses *l = context;
    char key[24];
    ck_assert_int_eq(loss->fault.code, LEVIN_CORRUPT);
    ck_assert(loss->fault.file[0]);
    l->counts[loss->kind]++;
    for (unsigned i = 0; i < f.keys; i++) {
        size_t bytes = key_of(i, key);
        if (loss->kind == LEVIN_LOST_VALUE)
            l->covered[i] |= key_compare((uint8_t *)key, bytes, loss->lower.data, loss->lower.size) == 0;
        else if (loss->kind == LEVIN_LOST_RANGE)
            l->covered[i] |= key_compare((uint8_t *)key, bytes, loss->lower.data, loss->lower.size) >= 0 &&
                             (!loss->bounded ||
                              key_compare((uint8_t *)key, bytes, loss->upper.data, loss->upper.size) < 0);
    }
    return true;
}

/* The seed of the value that the key has; 0: none; UINT64_MAX: one that it never had. */
static uint64_t seed_found(levin *db, unsigned i)
{
    static uint8_t found[VALUE_MAX];
    char key[24];
    size_t bytes, key_bytes = key_of(i, key);
    levin_code code = levin_get(db, NULL, key, key_bytes, found, sizeof found, &bytes);
    if (code == LEVIN_NOT_FOUND)
        return 0;
    ck_assert_int_eq(code, LEVIN_OK);
    for (unsigned s = state_count; s-- > 0;)
        if (states[s][i] && bytes == value_of(states[s][i]) && memcmp(found, value, bytes) == 0)
            return states[s][i];
    return UINT64_MAX;
}

/* Whether the store is state s but for what is covered by a loss. */
static bool is_state(const uint64_t *found, unsigned s, const losses *l)
{
    for (unsigned i = 0; i < f.keys; i++)
        if (found[i] != states[s][i] && !(l->covered[i] && found[i] == 0))
            return false;
    return true;
}

typedef struct outcome {
    levin_code code;
    levin_error error;
    levin_repair_result result;
    losses lost;
    unsigned state; /* which one it is; STATES_MAX: there is no new store */
} outcome;

/* Repairs what is on the image and judges the result. */
static outcome repair_image(const disk_image *image)
{
    simdisk *disk = simdisk_create(image, NULL);
    const levin_io *io = simdisk_io(disk);
    static uint64_t found[KEYS_MAX];
    static outcome o;
    levin_repair_options options;
    levin_repair_options_init(&options);
    options.io = io;
    options.report = on_loss;
    o = (outcome){ .state = STATES_MAX };
    options.context = &o.lost;
    o.code = levin_repair("store", "new", &options, &o.result, &o.error);
    ck_assert(o.result.made == (o.code == LEVIN_OK || (o.code == LEVIN_CORRUPT && o.result.made)));
    ck_assert_uint_eq(o.result.losses, o.lost.counts[0] + o.lost.counts[1] + o.lost.counts[2] + o.lost.counts[3]);
    if (o.result.made) {
        levin_options store_options;
        levin *db;
        levin_error error;
        options_fill(&store_options, io);
        store_options.create_if_missing = false;
        levin_code code = levin_open("new", &store_options, &db, &error);
        ck_assert_msg(code == LEVIN_OK, "the new store: %s", error.message);
        ck_assert_int_eq(levin_check(db, print_fault, NULL, NULL), LEVIN_OK);
        unsigned keys = 0, iterated = 0;
        for (unsigned i = 0; i < f.keys; i++) {
            found[i] = seed_found(db, i);
            ck_assert_msg(found[i] != UINT64_MAX, "key %u has a value that it never had", i);
            keys += found[i] != 0;
        }
        levin_iter *it;
        ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
        for (levin_iter_first(it); levin_iter_valid(it); levin_iter_next(it))
            iterated++;
        levin_iter_close(it);
        ck_assert_msg(iterated == keys, "%u keys were invented", iterated - keys);
        for (unsigned s = state_count; s-- > 0 && o.state == STATES_MAX;)
            if (is_state(found, s, &o.lost))
                o.state = s;
        ck_assert_msg(o.state < STATES_MAX, "the new store is no state of the old one");
        bool newest = o.state == state_count - 1;
        /* what is not the newest state says so */
        ck_assert(newest || o.lost.counts[LEVIN_LOST_LOG] || o.lost.counts[LEVIN_LOST_META]);
        ck_assert_int_eq(levin_close(db), LEVIN_OK);
    }
    ck_assert(simdisk_destroy(disk, NULL));
    return o;
}

static disk_image *image_with(const disk_image *image, const char *path, uint64_t offset, const void *data,
                              size_t bytes)
{
    simdisk *disk = simdisk_create(image, NULL);
    const levin_io *io = simdisk_io(disk);
    levin_file *handle;
    size_t done;
    levin_slice part = { data, bytes };
    ck_assert_int_eq(io->open(io->context, path, LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle), 0);
    ck_assert_int_eq(io->write_at(io->context, handle, &part, 1, offset, &done), 0);
    ck_assert_int_eq(io->close(io->context, handle), 0);
    disk_image *changed = simdisk_image(disk);
    simdisk_destroy(disk, NULL);
    return changed;
}

static uint64_t size_of(const disk_image *image, const char *path)
{
    simdisk *disk = simdisk_create(image, NULL);
    const levin_io *io = simdisk_io(disk);
    levin_file *handle;
    uint64_t bytes = 0;
    if (io->open(io->context, path, LEVIN_FILE_PAGES, 0, &handle) == 0) {
        ck_assert_int_eq(io->size(io->context, handle, &bytes), 0);
        ck_assert_int_eq(io->close(io->context, handle), 0);
    }
    simdisk_destroy(disk, NULL);
    return bytes;
}

START_TEST(repair__a_whole_store_comes_back_whole)
{
    for (int clean = 0; clean < 2; clean++) {
        disk_image *image = history(clean, 10);
        outcome o = repair_image(image);
        ck_assert_msg(o.code == LEVIN_OK, "%s", o.error.message);
        ck_assert_uint_eq(o.state, state_count - 1);
        ck_assert_uint_eq(o.result.batches, 10);
        ck_assert(!o.result.older_meta);
        disk_image_unref(image);
        teardown();
    }
}
END_TEST

/* Eight bytes of each page, one page after the other. */
START_TEST(repair__any_damaged_page)
{
    disk_image *image = history(true, 10);
    const uint64_t pages = size_of(image, "store/pages") / 4096;
    unsigned ranges = 0, values = 0, harmless = 0, log = 0;
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t garbage = random_next(&f.random);
        /* of a meta slot, a byte that counts */
        uint64_t offset = page * 4096 + random_below(&f.random, page < 2 ? 176 : 4088);
        disk_image *damaged = image_with(image, "store/pages", offset, &garbage, sizeof garbage);
        outcome o = repair_image(damaged);
        ck_assert_msg(o.result.made, "page %llu: %s", (unsigned long long)page, o.error.message);
        if (page >= 2) /* the log is whole */
            ck_assert_uint_eq(o.state, state_count - 1);
        ranges += o.lost.counts[LEVIN_LOST_RANGE];
        values += o.lost.counts[LEVIN_LOST_VALUE];
        log += o.lost.counts[LEVIN_LOST_LOG];
        harmless += o.code == LEVIN_OK;
        disk_image_unref(damaged);
    }
    ck_assert_uint_gt(ranges, 10);
    ck_assert_uint_gt(values, 2);
    ck_assert_uint_gt(harmless, 2);
    disk_image_unref(image);
    teardown();
}
END_TEST

START_TEST(repair__any_damaged_sector_of_the_log)
{
    for (int clean = 0; clean < 2; clean++) {
        disk_image *image = history(clean, 20);
        unsigned lost = 0, sectors = 0;
        for (uint64_t number = lsn_segment(replay); number <= lsn_segment(replay) + 1; number++) {
            char path[64];
            snprintf(path, sizeof path, "store/%s", wal_segment_name(number).text);
            uint64_t bytes = size_of(image, path), from = number == lsn_segment(replay) ? lsn_offset(replay) : 0;
            for (uint64_t at = from; at < bytes && at < from + 50 * 512; at += 512) {
                uint8_t garbage[512];
                random_fill(&f.random, garbage, sizeof garbage);
                disk_image *damaged = image_with(image, path, at, garbage, sizeof garbage);
                outcome o = repair_image(damaged);
                ck_assert_msg(o.result.made, "%s at %llu: %s", path, (unsigned long long)at, o.error.message);
                ck_assert_uint_ge(o.state, 1); /* never behind the checkpoint */
                ck_assert_uint_eq(o.lost.counts[LEVIN_LOST_RANGE] + o.lost.counts[LEVIN_LOST_VALUE], 0);
                lost += o.lost.counts[LEVIN_LOST_LOG];
                sectors++;
                disk_image_unref(damaged);
            }
        }
        ck_assert_uint_gt(sectors, 20);
        ck_assert_uint_gt(lost, 10);
        disk_image_unref(image);
        teardown();
    }
}
END_TEST

/* The one of the older checkpoint takes its place, and the result says so. */
START_TEST(repair__the_newest_meta_page_is_lost)
{
    disk_image *image = history(true, 10);
    unsigned newest = (unsigned)(2 + 0); /* found below */
    uint8_t zeros[META_BYTES] = { 0 };
    for (unsigned slot = 0; slot < 2; slot++) {
        disk_image *damaged = image_with(image, "store/pages", slot * META_SLOT_BYTES, zeros, sizeof zeros);
        outcome o = repair_image(damaged);
        ck_assert_int_eq(o.code, LEVIN_CORRUPT);
        ck_assert(o.result.made);
        ck_assert_uint_eq(o.lost.counts[LEVIN_LOST_META], 1);
        if (o.state != state_count - 1)
            ck_assert(o.result.older_meta || o.lost.counts[LEVIN_LOST_LOG]);
        else
            newest = slot;
        disk_image_unref(damaged);
    }
    ck_assert_uint_lt(newest, 2);
    disk_image *first = image_with(image, "store/pages", 0, zeros, sizeof zeros);
    disk_image *both = image_with(first, "store/pages", META_SLOT_BYTES, zeros, sizeof zeros);
    outcome o = repair_image(both);
    ck_assert_int_eq(o.code, LEVIN_CORRUPT);
    ck_assert(!o.result.made);
    disk_image_unref(both);
    disk_image_unref(first);
    disk_image_unref(image);
    teardown();
}
END_TEST

/* Several places at once, files cut short, files gone. */
START_TEST(repair__any_damage_at_random)
{
    disk_image *image = history(true, 30);
    const uint64_t bytes = size_of(image, "store/pages");
    unsigned made = 0;
    for (int round = 0; round < 60; round++) {
        disk_image *damaged = image_with(image, "store/pages", 0, "", 0);
        for (uint64_t n = 1 + random_below(&f.random, 6); n > 0; n--) {
            uint8_t garbage[600];
            size_t count = 1 + random_below(&f.random, sizeof garbage);
            bool log = random_chance(&f.random, 3);
            random_fill(&f.random, garbage, count);
            char path[64];
            snprintf(path, sizeof path, "store/%s", wal_segment_name(lsn_segment(replay)).text);
            disk_image *next = image_with(damaged, log ? path : "store/pages",
                                          log ? random_below(&f.random, 30000) + lsn_offset(replay) / 2
                                              : random_below(&f.random, bytes - 600), garbage, count);
            disk_image_unref(damaged);
            damaged = next;
        }
        if (round % 5 == 0) {
            simdisk *disk = simdisk_create(damaged, NULL);
            const levin_io *io = simdisk_io(disk);
            levin_file *handle;
            ck_assert_int_eq(io->open(io->context, "store/pages", LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle), 0);
            ck_assert_int_eq(io->truncate(io->context, handle, 9000 + random_below(&f.random, bytes - 9000)), 0);
            ck_assert_int_eq(io->close(io->context, handle), 0);
            if (round % 10 == 0)
                ck_assert_int_eq(io->unlink(io->context, "store/lock"), 0);
            disk_image_unref(damaged);
            damaged = simdisk_image(disk);
            simdisk_destroy(disk, NULL);
        }
        made += repair_image(damaged).result.made;
        disk_image_unref(damaged);
    }
    ck_assert_uint_gt(made, 40);
    disk_image_unref(image);
    teardown();
}
END_TEST

START_TEST(repair__refusals)
{
    levin_repair_options o;
    levin_repair_result r;
    levin_error error;
    setup(100, false, NULL);
    scatter(1);
    levin_repair_options_init(&o);
    o.io = f.o.io;
    ck_assert_int_eq(levin_repair("store", "new", &o, &r, &error), LEVIN_LOCKED);
    expect_ok(levin_close(f.db), "close");
    f.db = NULL;
    ck_assert_int_eq(levin_repair("store", "store", &o, &r, &error), LEVIN_EXISTS);
    ck_assert_int_eq(levin_repair("nothing", "new", &o, &r, &error), LEVIN_NO_STORE);
    ck_assert_int_eq(levin_repair("store", "", &o, &r, &error), LEVIN_INVALID);
    ck_assert_int_eq(levin_repair("store", "new/", &o, &r, &error), LEVIN_OK);
    ck_assert(r.made);
    ck_assert_int_eq(levin_repair("store", "new", &o, &r, &error), LEVIN_EXISTS);
    ck_assert(!r.made);
    teardown();
}
END_TEST

/* ---- failures ---- */

static bool repair_with_fault(const disk_image *image, uint64_t nth, bool forever, unsigned operations)
{
    simdisk *disk = simdisk_create(image, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    fault_rule rule = { FAULT_KINDS_ALL, operations, nth, forever, FAULT_ERROR, ENOSPC, 0 };
    levin_error error = { 0 };
    levin_repair_options o;
    levin_repair_result r;
    levin_repair_options_init(&o);
    o.io = fault_io_table(faults);
    fault_io_set_rules(faults, &rule, 1);
    levin_code code = levin_repair("store", "new", &o, &r, &error);
    bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    ck_assert_msg(fired || code == LEVIN_OK, "%s", error.message);
    ck_assert(r.made == (code == LEVIN_OK));
    uint64_t files, bytes, allocations;
    fault_io_held(faults, &files, &bytes, &allocations);
    ck_assert_uint_eq(files + allocations, 0);
    if (!r.made) { /* and it can be done again; only the last sync of the name may have come too late */
        levin_code again = levin_repair("store", "new", &o, &r, &error);
        ck_assert_msg(again == LEVIN_OK || again == LEVIN_EXISTS, "%s", error.message);
    }
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
    return fired;
}

START_TEST(repair__any_failing_call_is_an_error_and_no_new_store)
{
    disk_image *image = history(true, 5);
    const unsigned io = FAULT_OPERATIONS_IO & ~(1u << FAULT_CLOSE);
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t nth = 1; repair_with_fault(image, nth, forever, io); nth++)
            ;
        for (uint64_t nth = 1; repair_with_fault(image, nth, forever, 1u << FAULT_ALLOC); nth++)
            ;
    }
    disk_image_unref(image);
    teardown();
}
END_TEST

LEVIN_TEST_MAIN("repair", TEST(repair__a_whole_store_comes_back_whole), TEST(repair__any_damaged_page),
                TEST(repair__any_damaged_sector_of_the_log), TEST(repair__the_newest_meta_page_is_lost),
                TEST(repair__any_damage_at_random), TEST(repair__refusals),
                TEST(repair__any_failing_call_is_an_error_and_no_new_store))
