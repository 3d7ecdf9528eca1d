/*
 * mirror_io_test.c - both disks are written alike, but for what is hurt; and their traces keep step.
 */
#include "check_main.h"

#include <string.h>

#include "fault_io.h"
#include "mirror_io.h"

typedef struct fixture {
    trace *hurt_trace, *meant_trace;
    simdisk *hurt, *meant;
    mirror_io *m;
    fault_io *f;
    const levin_io *io;
    levin_file *file;
    fault_choice next; /* done to the next write or sync; effect FAULT_EFFECT_COUNT: nothing */
    unsigned seen;     /* by the witness */
} fixture;

static bool judge(void *context, const fault_call *call, fault_choice *choice)
{
    fixture *x = context;
    const bool fires = (call->operation == FAULT_WRITE || call->operation == FAULT_SYNC ||
                        call->operation == FAULT_SYNC_DIR) && x->next.effect != FAULT_EFFECT_COUNT;
    if (fires)
        *choice = x->next;
    x->next.effect = fires ? FAULT_EFFECT_COUNT : x->next.effect;
    return fires;
}

static void witness(void *context, const fault_call *call, fault_effect effect)
{
    (void)call;
    ((fixture *)context)->seen |= 1u << effect;
}

static void on_failed_sync(void *context, levin_file *file)
{
    mirror_io_fail_sync(((fixture *)context)->m, file, SIMDISK_SYNC_LOSES_PAGES);
}

static void begin(fixture *x)
{
    *x = (fixture){ .hurt_trace = trace_create(), .meant_trace = trace_create(),
                    .next = { .effect = FAULT_EFFECT_COUNT } };
    x->hurt = simdisk_create(NULL, x->hurt_trace);
    x->meant = simdisk_create(NULL, x->meant_trace);
    x->m = mirror_io_create(x->hurt, x->hurt_trace, x->meant, x->meant_trace);
    x->f = fault_io_create(mirror_io_both(x->m));
    fault_io_split(x->f, mirror_io_hurt(x->m), mirror_io_meant(x->m));
    fault_io_set_judge(x->f, judge, x);
    fault_io_set_witness(x->f, witness, x);
    fault_io_on_failed_sync(x->f, on_failed_sync, x);
    x->io = fault_io_table(x->f);
    ck_assert_int_eq(x->io->make_dir(x->io->context, "d"), 0);
    ck_assert_int_eq(x->io->open(x->io->context, "d/f", LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &x->file),
                     0);
}

static void end(fixture *x)
{
    const disk_image *hurt, *meant;
    uint64_t length;
    levin_file *lock;
    ck_assert(!mirror_io_at_open(x->m, &hurt, &meant, &length));
    ck_assert_int_eq(x->io->close(x->io->context, x->file), 0);
    ck_assert_int_eq(
        x->io->open(x->io->context, "d/lock", LEVIN_FILE_LOCK, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &lock), 0);
    ck_assert(mirror_io_at_open(x->m, &hurt, &meant, &length));
    ck_assert_uint_eq(length + 1, trace_length(x->hurt_trace)); /* before it was made */
    ck_assert_uint_eq(disk_image_find(hurt, "d/lock"), DISK_NONE);
    ck_assert_int_eq(x->io->close(x->io->context, lock), 0);
    fault_io_destroy(x->f);
    mirror_io_destroy(x->m);
    ck_assert(simdisk_destroy(x->hurt, NULL));
    ck_assert(simdisk_destroy(x->meant, NULL));
    trace_destroy(x->hurt_trace);
    trace_destroy(x->meant_trace);
}

static void write_bytes(fixture *x, uint8_t fill, uint64_t offset, fault_effect effect)
{
    uint8_t bytes[8192];
    size_t done;
    memset(bytes, fill, sizeof bytes);
    x->next = (fault_choice){ .effect = effect, .shift = 4096, .draw = 1 };
    ck_assert_int_eq(x->io->write_at(x->io->context, x->file, &(levin_slice){ bytes, sizeof bytes }, 1, offset, &done),
                     0);
    ck_assert_uint_eq(done, sizeof bytes);
    ck_assert_uint_eq(trace_length(x->hurt_trace), trace_length(x->meant_trace));
}

/* How many bytes of the file differ between what is and what was meant; all that was meant is `fill`. */
static size_t differences(fixture *x, uint8_t fill)
{
    static uint8_t now[16384], then[16384];
    disk_image *hurt = simdisk_image(x->hurt), *meant = simdisk_image(x->meant);
    memset(now, 0, sizeof now);
    memset(then, 0, sizeof then);
    disk_image_read(hurt, disk_image_find(hurt, "d/f"), now, sizeof now, 0);
    disk_image_read(meant, disk_image_find(meant, "d/f"), then, sizeof then, 0);
    size_t count = 0;
    for (size_t i = 0; i < sizeof now; i++)
        count += now[i] != then[i];
    for (size_t i = 0; i < 8192; i++)
        ck_assert_uint_eq(then[i], fill);
    disk_image_unref(hurt);
    disk_image_unref(meant);
    return count;
}

START_TEST(mirror_io__one_side_is_what_was_meant_and_the_other_what_became_of_it)
{
    fixture x;
    begin(&x);
    write_bytes(&x, 1, 0, FAULT_EFFECT_COUNT);
    ck_assert_uint_eq(differences(&x, 1), 0);
    write_bytes(&x, 2, 0, FAULT_LOST);
    ck_assert_uint_eq(differences(&x, 2), 8192);
    write_bytes(&x, 3, 0, FAULT_EFFECT_COUNT);
    ck_assert_uint_eq(differences(&x, 3), 0);
    write_bytes(&x, 4, 0, FAULT_FLIP);
    ck_assert_uint_eq(differences(&x, 4), 1);
    write_bytes(&x, 5, 0, FAULT_STALE);
    ck_assert_uint_eq(differences(&x, 5), 512);
    write_bytes(&x, 6, 0, FAULT_EFFECT_COUNT);
    write_bytes(&x, 7, 0, FAULT_MISDIRECT); /* the first 4096 stay, 4096 behind the end are written */
    ck_assert_uint_eq(differences(&x, 7), 8192);
    ck_assert_uint_eq(x.seen, 1u << FAULT_LOST | 1u << FAULT_FLIP | 1u << FAULT_STALE | 1u << FAULT_MISDIRECT);
    end(&x);
}
END_TEST

/* By the top bit of its draw: as likely as a sector. */
START_TEST(mirror_io__a_stale_write_leaves_a_sector_or_a_block)
{
    fixture x;
    begin(&x);
    write_bytes(&x, 1, 0, FAULT_EFFECT_COUNT);
    uint8_t bytes[8192];
    size_t done;
    memset(bytes, 2, sizeof bytes);
    x.next = (fault_choice){ .effect = FAULT_STALE, .draw = UINT64_C(1) << 63 | 1 };
    ck_assert_int_eq(x.io->write_at(x.io->context, x.file, &(levin_slice){ bytes, sizeof bytes }, 1, 0, &done), 0);
    ck_assert_uint_eq(differences(&x, 2), 4096);
    end(&x);
}
END_TEST

static trace_op last_of(const trace *t)
{
    return trace_at(t, trace_length(t) - 1)->op;
}

START_TEST(mirror_io__a_sync_that_was_not_made_is_a_note_in_the_trace_of_what_is)
{
    fixture x;
    begin(&x);
    write_bytes(&x, 1, 0, FAULT_EFFECT_COUNT);
    x.next = (fault_choice){ .effect = FAULT_LIE };
    ck_assert_int_eq(x.io->sync(x.io->context, x.file), 0);
    ck_assert_int_eq(last_of(x.hurt_trace), TRACE_NOTE);
    ck_assert_int_eq(last_of(x.meant_trace), TRACE_SYNC);
    x.next = (fault_choice){ .effect = FAULT_LIE };
    ck_assert_int_eq(x.io->sync_dir(x.io->context, "d"), 0);
    ck_assert_int_eq(last_of(x.hurt_trace), TRACE_NOTE);
    ck_assert_int_eq(last_of(x.meant_trace), TRACE_SYNC_DIR);
    x.next = (fault_choice){ .effect = FAULT_ERROR, .os_error = 5 };
    ck_assert_int_eq(x.io->sync(x.io->context, x.file), 5);
    ck_assert_int_eq(last_of(x.hurt_trace), TRACE_SYNC_LOST);
    ck_assert_int_eq(last_of(x.meant_trace), TRACE_SYNC_LOST);
    ck_assert_int_eq(x.io->sync(x.io->context, x.file), 0);
    ck_assert_int_eq(last_of(x.hurt_trace), TRACE_SYNC);
    ck_assert_int_eq(x.io->truncate(x.io->context, x.file, 100), 0);
    ck_assert_int_eq(x.io->rename(x.io->context, "d/f", "d/g"), 0);
    ck_assert_int_eq(last_of(x.meant_trace), TRACE_RENAME);
    ck_assert_uint_eq(trace_length(x.hurt_trace), trace_length(x.meant_trace));
    end(&x);
}
END_TEST

LEVIN_TEST_MAIN("mirror_io", TEST(mirror_io__one_side_is_what_was_meant_and_the_other_what_became_of_it),
                TEST(mirror_io__a_stale_write_leaves_a_sector_or_a_block),
                TEST(mirror_io__a_sync_that_was_not_made_is_a_note_in_the_trace_of_what_is))
