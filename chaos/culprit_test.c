/*
 * culprit_test.c - from a state with many lost and torn calls, late in the run, the search comes back to the few that
 * matter, lost whole where that is enough, at the earliest moment.
 */
#include "../faults/check_main.h"

#include <stdio.h>
#include <string.h>

#include "culprit.h"

enum { FILES = 6, ROUNDS = 6 };

/* Files 1 to FILES, each overwritten ROUNDS times by 3 sectors of a letter: 'a', 'b', ... No sync at all. */
static trace *busy(void)
{
    static const char *const names[FILES] = { "1", "2", "3", "4", "5", "6" };
    char bytes[1536];
    trace *t = trace_create();
    for (disk_node f = 0; f < FILES; f++)
        trace_append(t, &(trace_entry){ .op = TRACE_CREATE, .kind = LEVIN_FILE_DIR, .node = f + 1, .name = names[f] });
    trace_append(t, &(trace_entry){ .op = TRACE_START, .kind = LEVIN_FILE_DIR });
    for (int round = 0; round < ROUNDS; round++)
        for (disk_node f = 0; f < FILES; f++) {
            memset(bytes, 'a' + round, sizeof bytes);
            trace_append(t, &(trace_entry){ .op = TRACE_WRITE, .node = f + 1, .name = names[f], .bytes = sizeof bytes,
                                            .data = (const uint8_t *)bytes });
        }
    return t;
}

/* The entry (from 0) of a file's write in a round. */
static uint64_t entry_of(int round, int file)
{
    return FILES + 1 + (uint64_t)round * FILES + (uint64_t)file - 1;
}

static char first_byte(const disk_image *image, const char *name)
{
    char byte = 0;
    disk_image_read(image, disk_image_find(image, name), &byte, 1, 0);
    return byte;
}

/* File 5 is ahead of file 2: 'c' or later there, 'a' or nothing here. */
static bool fails_by_order(void *context, const disk_image *image, uint64_t point)
{
    (void)context;
    (void)point;
    return first_byte(image, "5") >= 'c' && first_byte(image, "2") < 'c';
}

/* File 3 is of two letters. */
static bool fails_by_tear(void *context, const disk_image *image, uint64_t point)
{
    char bytes[1536] = { 0 };
    (void)context;
    (void)point;
    disk_image_read(image, disk_image_find(image, "3"), bytes, sizeof bytes, 0);
    return bytes[0] && bytes[1535] && bytes[0] != bytes[1535];
}

/* The last write of file 4 is not whole, and that of file 5, which comes after it, is there. */
static bool fails_by_loss(void *context, const disk_image *image, uint64_t point)
{
    char byte = 0;
    (void)context;
    (void)point;
    disk_image_read(image, disk_image_find(image, "4"), &byte, 1, 1535);
    return byte != 'a' + ROUNDS - 1 && first_byte(image, "5") == 'a' + ROUNDS - 1;
}

/* A state at the end that fails, with at least so many operations that are not kept, the last one of a file torn. */
static bool find_failing(crash_explorer *e, const trace *t, size_t least, disk_node torn,
                         bool (*fails)(void *, const disk_image *, uint64_t), uint64_t *variant)
{
    crash_state state;
    fate *fates;
    size_t n;
    for (*variant = 0;; ++*variant) {
        crash_model *model = crash_seek_fates(e, trace_length(t), *variant, &state, &fates, &n);
        if (!model)
            return false;
        const pending *list = crash_model_pending(model, &n);
        size_t lost = 0;
        fate_kind last = FATE_KEEP;
        for (size_t i = 0; i < n; i++) {
            lost += fates[i].kind != FATE_KEEP;
            last = list[i].node == torn ? fates[i].kind : last;
        }
        if (lost >= least && (torn == DISK_NONE || last == FATE_SECTORS) && fails(NULL, state.image, state.point))
            return true;
    }
}

static culprit search(const trace *t, size_t least, disk_node torn,
                      bool (*fails)(void *, const disk_image *, uint64_t))
{
    crash_limits limits;
    uint64_t variant;
    culprit found;
    crash_limits_init(&limits);
    limits.random = 2000;
    limits.garbage_sectors = false;
    crash_explorer *e = crash_open(t, NULL, 1, &limits, NULL);
    ck_assert(find_failing(e, t, least, torn, fails, &variant));
    const culprit_test test = { NULL, fails, NULL };
    culprit_find(e, t, trace_length(t), variant, &test, &found);
    ck_assert(found.steady);
    ck_assert_uint_lt(found.tests, 400);
    char text[4096];
    ck_assert_int_gt(culprit_describe(&found, e, t, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "assumes: "));
    crash_close(e);
    return found;
}

START_TEST(culprit__the_writes_that_matter_at_the_earliest_moment)
{
    trace *t = busy();
    culprit found = search(t, 8, DISK_NONE, fails_by_order);
    ck_assert_int_eq(found.what, ASSUMES_ORDER);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(found.parts[0].fate.kind, FATE_DROP);
    ck_assert_uint_eq(found.parts[0].entry, entry_of(2, 2)); /* the first 'c' of file 2 */
    ck_assert_uint_eq(found.point, entry_of(2, 5) + 1);      /* and that of file 5 */
    trace_destroy(t);
}
END_TEST

START_TEST(culprit__a_torn_write_stays_torn_when_that_is_what_fails)
{
    trace *t = busy();
    culprit found = search(t, 8, DISK_NONE, fails_by_tear);
    ck_assert_int_eq(found.what, ASSUMES_ATOMIC_WRITE);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(found.parts[0].fate.kind, FATE_SECTORS);
    ck_assert_uint_eq(trace_at(t, found.parts[0].entry)->node, 3);
    ck_assert_uint_eq(found.point, found.parts[0].entry + 1);
    trace_destroy(t);
}
END_TEST

START_TEST(culprit__a_torn_write_is_told_as_lost_when_that_fails_too)
{
    trace *t = busy();
    culprit found = search(t, 1, 4, fails_by_loss);
    ck_assert_uint_ge(found.count, 1);
    for (size_t i = 0; i < found.count; i++)
        ck_assert_int_eq(found.parts[i].fate.kind, FATE_DROP);
    trace_destroy(t);
}
END_TEST

LEVIN_TEST_MAIN("culprit", TEST(culprit__the_writes_that_matter_at_the_earliest_moment),
                TEST(culprit__a_torn_write_stays_torn_when_that_is_what_fails),
                TEST(culprit__a_torn_write_is_told_as_lost_when_that_fails_too))
