/*
 * full_disk_test.c - a device that becomes full, at every size at which it can, and has room again.
 *
 * Invariants checked, for every budget from nothing to what the whole run needs: a call that finds no room gives
 * LEVIN_NO_SPACE and changes nothing; reads go on and equal the model; nothing is poisoned; when there is room
 * again the same call succeeds on the same handle; closed while full, or dead while full, the store opens with room
 * and equals the model; an open without room fails with LEVIN_NO_SPACE and hurts nothing; and nothing leaks.  The
 * simulated disk.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/full_disk.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"

enum { KEYS = 48, OPERATIONS = 220, VALUE_MAX = 9000, NO_LIMIT = 1 << 30, STEP = 3 * 512 };

/* What each key holds: its value is VALUE_MAX bytes of the stream `turn`, cut to `bytes`; turn 0: not there. */
typedef struct model {
    uint32_t turn[KEYS], bytes[KEYS];
} model;

typedef struct rig {
    simdisk *disk;
    full_disk *device;
    levin *store;
    model m;
    uint64_t budget;
    uint64_t memtable_bytes;
} rig;

static void value_of(uint32_t turn, uint32_t bytes, uint8_t value[VALUE_MAX])
{
    random_stream r = random_open(turn, 5);
    random_fill(&r, value, bytes);
}

static size_t key_of(unsigned i, char key[16])
{
    return (size_t)snprintf(key, 16, "key%03u", i);
}

static levin_options options_of(const levin_io *io)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.row_cache_bytes = 32 << 10;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 16 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.io = io;
    return o;
}

static void expect_model(levin *store, const model *m, const char *when, uint64_t budget)
{
    uint8_t value[VALUE_MAX], found[VALUE_MAX];
    char key[16];
    unsigned count = 0, there = 0;
    levin_iter *it;
    for (unsigned i = 0; i < KEYS; i++) {
        size_t bytes = 0, key_bytes = key_of(i, key);
        levin_code code = levin_get(store, NULL, key, key_bytes, found, sizeof found, &bytes);
        ck_assert_msg(code == (m->turn[i] ? LEVIN_OK : LEVIN_NOT_FOUND), "budget %llu, %s: %s: %s",
                      (unsigned long long)budget, when, key, levin_code_name(code));
        value_of(m->turn[i], m->bytes[i], value);
        ck_assert_msg(code != LEVIN_OK || (bytes == m->bytes[i] && memcmp(value, found, bytes) == 0),
                      "budget %llu, %s: %s has another value", (unsigned long long)budget, when, key);
        there += m->turn[i] != 0;
    }
    ck_assert_int_eq(levin_iter_open(store, NULL, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        count++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    ck_assert_uint_eq(count, there);
}

/* ---- the run: operation n is a function of n ---- */

static void change(model *m, unsigned key, uint32_t turn, uint32_t bytes)
{
    m->turn[key] = turn;
    m->bytes[key] = bytes;
}

static levin_code batch_of_five(rig *g, random_stream *r, unsigned n, model *after)
{
    levin_batch *batch;
    uint8_t value[VALUE_MAX];
    char text[16];
    ck_assert_int_eq(levin_batch_create(g->store, &batch), LEVIN_OK);
    for (unsigned i = 0; i < 5; i++) {
        unsigned key = (unsigned)random_below(r, KEYS);
        uint32_t bytes = (uint32_t)random_below(r, 600);
        size_t key_bytes = key_of(key, text);
        value_of(n * 8 + i + 1, bytes, value);
        ck_assert_int_eq(levin_batch_put(batch, text, key_bytes, value, bytes), LEVIN_OK);
        change(after, key, n * 8 + i + 1, bytes);
    }
    levin_code code = levin_write(g->store, batch, (levin_durability)(n % 3));
    levin_batch_destroy(batch);
    return code;
}

/* Does operation n; the model has it when it succeeded. */
static levin_code operation(rig *g, unsigned n)
{
    random_stream r = random_open(n, 77);
    model after = g->m;
    uint8_t value[VALUE_MAX];
    char text[16];
    unsigned key = (unsigned)random_below(&r, KEYS), what = (unsigned)random_below(&r, 20);
    size_t key_bytes = key_of(key, text);
    levin_code code;
    if (what < 11) {
        uint32_t bytes = (uint32_t)random_below(&r, what == 0 ? VALUE_MAX : 2500);
        value_of(n * 8 + 1, bytes, value);
        change(&after, key, n * 8 + 1, bytes);
        code = levin_put(g->store, text, key_bytes, value, bytes, (levin_durability)(n % 3));
    } else if (what < 14) {
        change(&after, key, 0, 0);
        code = levin_delete(g->store, text, key_bytes, (levin_durability)(n % 3));
    } else if (what < 16) {
        code = batch_of_five(g, &r, n, &after);
    } else if (what == 16) {
        code = levin_checkpoint(g->store);
    } else if (what == 17) {
        code = levin_sync(g->store);
    } else {
        code = levin_work(g->store, NULL);
    }
    if (code == LEVIN_OK)
        g->m = after;
    return code;
}

static levin_code try_open(rig *g)
{
    levin_options o = options_of(full_disk_table(g->device));
    levin_error error = { .code = LEVIN_OK };
    o.memtable_bytes = g->memtable_bytes;
    levin_code code = levin_open("db", &o, &g->store, &error);
    ck_assert_msg(code == LEVIN_OK || code == LEVIN_NO_SPACE, "budget %llu: %s", (unsigned long long)g->budget,
                  error.message);
    return code;
}

static rig rig_begin(uint64_t budget)
{
    rig g = { .disk = simdisk_create(NULL, NULL), .budget = budget, .memtable_bytes = 64 << 10 };
    g.device = full_disk_create(simdisk_io(g.disk), budget);
    return g;
}

static void rig_end(rig *g)
{
    ck_assert_msg(simdisk_destroy(g->disk, NULL), "budget %llu: something leaked", (unsigned long long)g->budget);
    full_disk_destroy(g->device);
}

static void close_clean(rig *g)
{
    ck_assert_int_eq(levin_check(g->store, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(g->store), LEVIN_OK);
}

static void reopen_and_compare(rig *g, const char *when)
{
    full_disk_set_budget(g->device, NO_LIMIT);
    ck_assert_int_eq(try_open(g), LEVIN_OK);
    expect_model(g->store, &g->m, when, g->budget);
    close_clean(g);
}

/* What a run without a limit takes at most. */
static uint64_t most_used(void)
{
    rig g = rig_begin(NO_LIMIT);
    uint64_t most = 0;
    ck_assert_int_eq(try_open(&g), LEVIN_OK);
    for (unsigned n = 0; n < OPERATIONS; n++) {
        ck_assert_int_eq(operation(&g, n), LEVIN_OK);
        if (full_disk_used(g.device) > most)
            most = full_disk_used(g.device);
    }
    close_clean(&g);
    ck_assert_uint_eq(full_disk_refused(g.device), 0);
    rig_end(&g);
    ck_assert_uint_gt(most, 100 << 10);
    return most;
}

/* ---- room again, on the same handle ---- */

START_TEST(full_disk__the_same_call_succeeds_when_there_is_room_again)
{
    uint64_t most = most_used(), refusals = 0, opens = 0;
    for (uint64_t budget = 0; budget <= most; budget += STEP) {
        rig g = rig_begin(budget);
        for (; try_open(&g) == LEVIN_NO_SPACE; opens++)
            full_disk_set_budget(g.device, full_disk_budget(g.device) + STEP);
        for (unsigned n = 0; n < OPERATIONS; n++) {
            levin_code code;
            while ((code = operation(&g, n)) == LEVIN_NO_SPACE) {
                levin_error error;
                levin_last_error(g.store, &error);
                ck_assert_int_eq(error.code, LEVIN_NO_SPACE);
                expect_model(g.store, &g.m, "while full", budget);
                full_disk_set_budget(g.device, full_disk_budget(g.device) + STEP);
                refusals++;
            }
            ck_assert_msg(code == LEVIN_OK, "budget %llu, operation %u: %s", (unsigned long long)budget, n,
                          levin_code_name(code));
        }
        expect_model(g.store, &g.m, "at the end", budget);
        full_disk_set_budget(g.device, NO_LIMIT);
        close_clean(&g);
        reopen_and_compare(&g, "after reopening");
        rig_end(&g);
    }
    ck_assert_uint_gt(opens, 10);
    ck_assert_uint_gt(refusals, 1000);
}
END_TEST

/* ---- a checkpoint without room ---- */

static void put_all(rig *g, uint32_t turn)
{
    uint8_t value[VALUE_MAX];
    char key[16];
    for (unsigned i = 0; i < KEYS; i++) {
        size_t key_bytes = key_of(i, key);
        value_of(turn + i, 900, value);
        change(&g->m, i, turn + i, 900);
        ck_assert_int_eq(levin_put(g->store, key, key_bytes, value, 900, LEVIN_LOGGED), LEVIN_OK);
    }
}

START_TEST(full_disk__a_checkpoint_that_failed_gives_back_what_it_took)
{
    unsigned failed = 0;
    for (uint64_t room = 512; room < 100 << 10; room += 2 * STEP) {
        rig g = rig_begin(NO_LIMIT);
        g.memtable_bytes = 1 << 20; /* no checkpoint before the one asked for */
        ck_assert_int_eq(try_open(&g), LEVIN_OK);
        put_all(&g, 1000);
        ck_assert_int_eq(levin_checkpoint(g.store), LEVIN_OK);
        put_all(&g, 2000);
        uint64_t used = full_disk_used(g.device);
        full_disk_set_budget(g.device, used + room);
        levin_code code = levin_checkpoint(g.store);
        ck_assert(code == LEVIN_OK || code == LEVIN_NO_SPACE);
        if (code == LEVIN_NO_SPACE) {
            failed++;
            ck_assert_uint_eq(full_disk_used(g.device), used);
        }
        expect_model(g.store, &g.m, "after a checkpoint", room);
        full_disk_set_budget(g.device, NO_LIMIT);
        ck_assert_int_eq(levin_checkpoint(g.store), LEVIN_OK);
        close_clean(&g);
        reopen_and_compare(&g, "after reopening");
        rig_end(&g);
    }
    ck_assert_uint_gt(failed, 3);
}
END_TEST

/* ---- full until the end ---- */

START_TEST(full_disk__what_was_acknowledged_is_there_after_closing_while_full)
{
    uint64_t most = most_used(), refused = 0, closed = 0;
    for (uint64_t budget = 0; budget <= most; budget += STEP) {
        rig g = rig_begin(budget);
        if (try_open(&g) == LEVIN_OK) {
            for (unsigned n = 0; n < OPERATIONS; n++) {
                levin_code code = operation(&g, n);
                ck_assert_msg(code == LEVIN_OK || code == LEVIN_NO_SPACE, "budget %llu, operation %u: %s",
                              (unsigned long long)budget, n, levin_code_name(code));
                refused += code == LEVIN_NO_SPACE;
            }
            expect_model(g.store, &g.m, "while full", budget);
            levin_code code = levin_close(g.store);
            ck_assert_msg(code == LEVIN_OK || code == LEVIN_NO_SPACE, "close: %s", levin_code_name(code));
            closed += code == LEVIN_OK;
            if (code == LEVIN_OK) { /* otherwise what was promised to be in memory only may be lost */
                reopen_and_compare(&g, "after closing while full");
            } else {
                full_disk_set_budget(g.device, NO_LIMIT);
                ck_assert_int_eq(try_open(&g), LEVIN_OK);
                close_clean(&g);
            }
        }
        rig_end(&g);
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(closed, 50);
}
END_TEST

/* ---- the process dies while the device is full; recovery meets a full device ---- */

/* Everything written so far is in the kernel at least: a dying process loses nothing of it. */
static disk_image *died_while_full(uint64_t budget, model *m)
{
    rig g = rig_begin(budget);
    disk_image *image = NULL;
    if (try_open(&g) == LEVIN_OK) {
        unsigned n = 0;
        while (n < OPERATIONS && operation(&g, n) == LEVIN_OK) {
            ck_assert_int_eq(levin_sync(g.store), LEVIN_OK);
            n++;
        }
        image = simdisk_image(g.disk);
        *m = g.m;
        (void)levin_close(g.store);
    }
    rig_end(&g);
    return image;
}

START_TEST(full_disk__a_store_whose_process_died_opens_when_there_is_room)
{
    uint64_t most = most_used(), refused = 0, opened = 0;
    for (uint64_t budget = 0; budget <= most; budget += 8 * STEP) {
        model m;
        disk_image *image = died_while_full(budget, &m);
        for (uint64_t room = 0; image && room < 64 << 10; room += STEP) {
            simdisk *disk = simdisk_create(image, NULL);
            full_disk *device = full_disk_create(simdisk_io(disk), 0);
            full_disk_adopt(device, "db");
            full_disk_set_budget(device, full_disk_used(device) + room);
            levin_options o = options_of(full_disk_table(device));
            levin *store;
            levin_code code = levin_open("db", &o, &store, NULL);
            ck_assert_msg(code == LEVIN_OK || code == LEVIN_NO_SPACE, "%s", levin_code_name(code));
            refused += code == LEVIN_NO_SPACE;
            opened += code == LEVIN_OK;
            if (code != LEVIN_OK) {
                full_disk_set_budget(device, NO_LIMIT);
                ck_assert_int_eq(levin_open("db", &o, &store, NULL), LEVIN_OK);
            }
            expect_model(store, &m, "after the process died", budget);
            full_disk_set_budget(device, NO_LIMIT);
            ck_assert_int_eq(levin_check(store, NULL, NULL, NULL), LEVIN_OK);
            ck_assert_int_eq(levin_close(store), LEVIN_OK);
            ck_assert(simdisk_destroy(disk, NULL));
            full_disk_destroy(device);
        }
        disk_image_unref(image);
    }
    ck_assert_uint_gt(refused, 20);
    ck_assert_uint_gt(opened, 20);
}
END_TEST

LEVIN_TEST_MAIN("full_disk", TEST(full_disk__the_same_call_succeeds_when_there_is_room_again),
                TEST(full_disk__a_checkpoint_that_failed_gives_back_what_it_took),
                TEST(full_disk__what_was_acknowledged_is_there_after_closing_while_full),
                TEST(full_disk__a_store_whose_process_died_opens_when_there_is_room))
