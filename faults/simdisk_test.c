/*
 * simdisk_test.c - the simulated disk against a real directory under the same random operations; leaks, locks,
 * determinism.
 */
#include "check_main.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "random.h"
#include "simdisk.h"

enum { STEPS = 3000, OPEN_MAX = 6, BYTES_MAX = 30000, NAME_COUNT = 7 };

/* ---- Against POSIX --------------------------------------------------------------------------------------- */

struct side {
    const levin_io *io;
    char root[64];
    levin_file *file[OPEN_MAX];
};

static const char *const names[NAME_COUNT] = { "a", "b", "c", "d/a", "d/b", "d", "e" };

static void side_path(const struct side *side, int name, char path[128])
{
    snprintf(path, 128, "%s/%s", side->root, names[name]);
}

struct op {
    uint64_t what, offset, amount, seed;
    int slot, name, other;
    unsigned flags;
};

/* What a call gave: its result and all that it delivered. */
struct outcome {
    int result;
    uint64_t number;
    uint8_t bytes[BYTES_MAX];
    char list[256];
};

static int note_entry(void *context, const char *name)
{
    char (*entries)[16] = context;
    size_t i = 0;
    while (entries[i][0])
        i++;
    snprintf(entries[i], sizeof entries[i], "%s", name);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_sorted(const struct side *side, const char *path, struct outcome *out)
{
    char entries[32][16] = { { 0 } };
    out->result = side->io->list(side->io->context, path, note_entry, entries);
    size_t n = 0;
    while (entries[n][0])
        n++;
    qsort(entries, n, sizeof entries[0], by_text);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(out->list + used, sizeof out->list - used, "%s ", entries[i]);
        ck_assert_uint_lt(used, sizeof out->list);
    }
}

static void on_file(struct side *side, const struct op *op, struct outcome *out)
{
    const levin_io *io = side->io;
    levin_file *file = side->file[op->slot];
    uint8_t bytes[BYTES_MAX] = { 0 };
    size_t done = 0;
    if (!file)
        return;
    switch (op->what) {
    case 1:
        out->result = io->close(io->context, file);
        side->file[op->slot] = NULL;
        break;
    case 2:
        out->result = io->read_at(io->context, file, out->bytes, op->amount, op->offset, &done);
        break;
    case 3:
    case 4: {
        random_stream random = random_open(op->seed, 0);
        random_fill(&random, bytes, op->amount);
        levin_slice parts[3] = { { bytes, op->amount / 3 }, { bytes + op->amount / 3, 0 },
                                 { bytes + op->amount / 3, op->amount - op->amount / 3 } };
        out->result = io->write_at(io->context, file, parts, 3, op->offset, &done);
        break;
    }
    case 5: out->result = io->truncate(io->context, file, op->offset); break;
    case 6: out->result = io->preallocate(io->context, file, op->offset + 1); break;
    case 7: out->result = io->size(io->context, file, &out->number); break;
    case 8: out->result = io->sync(io->context, file); break;
    default: break;
    }
    if (op->what >= 2 && op->what <= 4)
        out->number = done;
}

static void side_step(struct side *side, const struct op *op, struct outcome *out)
{
    const levin_io *io = side->io;
    char path[128], other[128];
    memset(out, 0, sizeof *out);
    side_path(side, op->name, path);
    side_path(side, op->other, other);
    switch (op->what) {
    case 0:
        if (!side->file[op->slot])
            out->result = io->open(io->context, path, LEVIN_FILE_PAGES, op->flags, &side->file[op->slot]);
        break;
    case 9: out->result = io->rename(io->context, path, other); break;
    case 10: out->result = io->unlink(io->context, path); break;
    case 11: out->result = io->make_dir(io->context, path); break;
    case 12: out->result = io->sync_dir(io->context, path); break;
    case 13: list_sorted(side, path, out); break;
    case 14: list_sorted(side, side->root, out); break;
    default: on_file(side, op, out);
    }
    if (out->result == ENOTDIR) /* a file in the middle of a path: the simulated disk says ENOENT */
        out->result = ENOENT;
}

static bool is_directory(simdisk *disk, const struct side *sim, int name)
{
    char path[128];
    disk_image *image = simdisk_image(disk);
    side_path(sim, name, path);
    disk_node node = disk_image_find(image, path);
    bool directory = node != DISK_NONE && disk_image_is_dir(image, node);
    disk_image_unref(image);
    return directory;
}

START_TEST(simdisk__answers_as_a_real_directory_does)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        random_stream random = random_open(seed, 0);
        simdisk *disk = simdisk_create(NULL, NULL);
        struct side sim = { .io = simdisk_io(disk), .root = "root" }, real = { .io = levin_io_posix() };
        struct outcome *of_sim = malloc(sizeof *of_sim), *of_real = malloc(sizeof *of_real);
        char command[80];
        snprintf(real.root, sizeof real.root, "/tmp/levin-simdisk-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(real.root));
        ck_assert_int_eq(sim.io->make_dir(sim.io->context, "root"), 0);
        for (int step = 0; step < STEPS; step++) {
            struct op op = { .what = random_below(&random, 15), .offset = random_below(&random, BYTES_MAX),
                             .amount = random_below(&random, BYTES_MAX), .seed = random_next(&random),
                             .slot = (int)random_below(&random, OPEN_MAX),
                             .name = (int)random_below(&random, NAME_COUNT),
                             .other = (int)random_below(&random, NAME_COUNT),
                             .flags = (unsigned)random_below(&random, 8) };
            if (op.what == 0 && is_directory(disk, &sim, op.name))
                op.flags = LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE; /* POSIX opens it to read; nobody here does */
            side_step(&sim, &op, of_sim);
            side_step(&real, &op, of_real);
            ck_assert_msg(!memcmp(of_sim, of_real, sizeof *of_sim),
                          "seed %llu step %d: operation %llu on %s (%s) slot %d: result %d, really %d; %llu, "
                          "really %llu; list \"%s\", really \"%s\"",
                          (unsigned long long)seed, step, (unsigned long long)op.what, names[op.name],
                          names[op.other],
                          op.slot, of_sim->result, of_real->result, (unsigned long long)of_sim->number,
                          (unsigned long long)of_real->number, of_sim->list, of_real->list);
        }
        for (int i = 0; i < OPEN_MAX; i++)
            if (sim.file[i]) {
                sim.io->close(sim.io->context, sim.file[i]);
                real.io->close(real.io->context, real.file[i]);
            }
        ck_assert(simdisk_destroy(disk, NULL));
        free(of_sim);
        free(of_real);
        snprintf(command, sizeof command, "rm -r %s", real.root);
        ck_assert_int_eq(system(command), 0);
    }
}
END_TEST

/* ---- What POSIX does not have ---------------------------------------------------------------------------- */

START_TEST(simdisk__records_what_changes_and_nothing_else)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    const levin_io *io = simdisk_io(disk);
    levin_file *file;
    size_t done;
    uint64_t size;
    char byte = 'x';
    levin_slice parts[2] = { { "ab", 2 }, { "cd", 2 } };
    ck_assert_int_eq(io->open(io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE, &file), ENOENT);
    ck_assert_int_eq(io->open(io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    ck_assert_int_eq(io->write_at(io->context, file, parts, 2, 10, &done), 0);
    ck_assert_int_eq(io->write_at(io->context, file, parts, 0, 10, &done), 0);
    ck_assert_int_eq(io->read_at(io->context, file, &byte, 1, 10, &done), 0);
    ck_assert_int_eq(byte, 'a');
    ck_assert_int_eq(io->size(io->context, file, &size), 0);
    ck_assert_int_eq(io->preallocate(io->context, file, 4), 0);
    ck_assert_int_eq(io->sync(io->context, file), 0);
    ck_assert_int_eq(io->rename(io->context, "f", "f"), 0);
    ck_assert_int_eq(io->unlink(io->context, "nothing"), ENOENT);
    ck_assert_int_eq(io->rename(io->context, "f", "g"), 0);
    ck_assert_int_eq(io->sync_dir(io->context, "/"), 0);
    ck_assert_int_eq(io->close(io->context, file), 0);
    static const trace_op expected[] = { TRACE_CREATE, TRACE_WRITE, TRACE_SYNC, TRACE_RENAME, TRACE_SYNC_DIR };
    ck_assert_uint_eq(trace_length(t), sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        ck_assert_int_eq(trace_at(t, i)->op, expected[i]);
    ck_assert_uint_eq(trace_at(t, 1)->offset, 10);
    ck_assert_uint_eq(trace_at(t, 1)->bytes, 4);
    ck_assert_mem_eq(trace_at(t, 1)->data, "abcd", 4);
    ck_assert(simdisk_destroy(disk, NULL));
    trace_destroy(t);
}
END_TEST

START_TEST(simdisk__locks_exclude_and_end_with_their_descriptor)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    const levin_io *io = simdisk_io(disk);
    levin_file *file[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(io->open(io->context, "LOCK", LEVIN_FILE_LOCK, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file[i]),
                         0);
    ck_assert_int_eq(io->lock(io->context, file[0], false), 0);
    ck_assert_int_eq(io->lock(io->context, file[1], false), 0);
    ck_assert_int_eq(io->lock(io->context, file[2], true), EAGAIN);
    io->close(io->context, file[0]);
    ck_assert_int_eq(io->lock(io->context, file[2], true), EAGAIN);
    io->close(io->context, file[1]);
    ck_assert_int_eq(io->lock(io->context, file[2], true), 0);
    ck_assert_int_eq(io->open(io->context, "LOCK", LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &file[0]), 0);
    ck_assert_int_eq(io->lock(io->context, file[0], false), EAGAIN);
    io->close(io->context, file[0]);
    disk_image *image = simdisk_image(disk);
    simdisk *next = simdisk_create(image, NULL); /* locks die with the disk */
    const levin_io *other = simdisk_io(next);
    ck_assert_int_eq(other->open(other->context, "LOCK", LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &file[0]), 0);
    ck_assert_int_eq(other->lock(other->context, file[0], true), 0);
    other->close(other->context, file[0]);
    ck_assert(simdisk_destroy(next, NULL));
    disk_image_unref(image);
    io->close(io->context, file[2]);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

START_TEST(simdisk__ranges_are_locked_by_themselves)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    const levin_io *io = simdisk_io(disk);
    levin_file *file[2];
    size_t done;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(io->open(io->context, "LOCK", LEVIN_FILE_LOCK, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file[i]),
                         0);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 100, 10, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 0, 1, LEVIN_IO_LOCK_SHARED), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 0, 1, LEVIN_IO_LOCK_SHARED), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 109, 1, LEVIN_IO_LOCK_SHARED), EAGAIN);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 110, 1, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 0, 200, LEVIN_IO_LOCK_TEST), EAGAIN);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 1, 99, LEVIN_IO_LOCK_TEST), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 1, 99, LEVIN_IO_LOCK_WAIT), 0);
    ck_assert_int_eq(io->lock(io->context, file[1], true), EAGAIN);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 100, 10, LEVIN_IO_LOCK_NONE), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[1], 100, 10, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    io->close(io->context, file[1]);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 0, 200, LEVIN_IO_LOCK_WAIT), 0);
    /* what is written there is no part of the trace */
    const levin_slice part = { "slot", 4 };
    const uint64_t length = trace_length(t);
    ck_assert_int_eq(io->write_at(io->context, file[0], &part, 1, 64, &done), 0);
    ck_assert_uint_eq(trace_length(t), length);
    io->close(io->context, file[0]);
    ck_assert_int_eq(io->open(io->context, "LOCK", LEVIN_FILE_LOCK, 0, &file[0]), 0);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 0, 1, LEVIN_IO_LOCK_EXCLUSIVE), EBADF);
    ck_assert_int_eq(io->lock_range(io->context, file[0], 0, 1, LEVIN_IO_LOCK_SHARED), 0);
    io->close(io->context, file[0]);
    ck_assert(simdisk_destroy(disk, NULL));
    trace_destroy(t);
}
END_TEST

START_TEST(simdisk__tells_what_was_leaked)
{
    simdisk_usage usage;
    levin_file *file;
    simdisk *disk = simdisk_create(NULL, NULL);
    const levin_io *io = simdisk_io(disk);
    void *memory = io->alloc(io->context, 100, 16), *aligned = io->alloc(io->context, 5000, 4096);
    ck_assert_uint_eq((uintptr_t)aligned % 4096, 0);
    io->free(io->context, aligned, 5000);
    ck_assert_int_eq(io->open(io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    ck_assert(!simdisk_destroy(disk, &usage));
    ck_assert_uint_eq(usage.memory_bytes, 100);
    ck_assert_uint_eq(usage.memory_peak_bytes, 5100);
    ck_assert_uint_eq(usage.allocations, 1);
    ck_assert_uint_eq(usage.open_files, 1);
    free(memory);
}
END_TEST

START_TEST(simdisk__clock_and_randomness_repeat)
{
    uint8_t a[33], b[33];
    simdisk *one = simdisk_create(NULL, NULL), *two = simdisk_create(NULL, NULL);
    const levin_io *x = simdisk_io(one), *y = simdisk_io(two);
    ck_assert_uint_eq(x->now_ns(x->context), y->now_ns(y->context));
    ck_assert_uint_lt(x->now_ns(x->context), x->now_ns(x->context));
    x->random(x->context, a, sizeof a);
    y->random(y->context, b, sizeof b);
    ck_assert_mem_eq(a, b, sizeof a);
    simdisk_seed(two, 1);
    y->random(y->context, b, sizeof b);
    ck_assert_mem_ne(a, b, sizeof a);
    simdisk_destroy(one, NULL);
    simdisk_destroy(two, NULL);
}
END_TEST

START_TEST(simdisk__does_not_change_the_image_it_starts_from)
{
    disk_image *start = disk_image_create();
    disk_image_add(start, 1, false);
    disk_image_link(start, DISK_ROOT, "f", 1);
    disk_image_write(start, 1, "old", 3, 0);
    uint64_t digest = disk_image_digest(start);
    simdisk *disk = simdisk_create(start, NULL);
    const levin_io *io = simdisk_io(disk);
    levin_file *file;
    size_t done;
    ck_assert_int_eq(io->open(io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE, &file), 0);
    ck_assert_int_eq(io->write_at(io->context, file, &(levin_slice){ "new", 3 }, 1, 0, &done), 0);
    io->close(io->context, file);
    ck_assert_int_eq(io->unlink(io->context, "f"), 0);
    disk_image *now = simdisk_image(disk);
    ck_assert_uint_eq(disk_image_digest(start), digest);
    ck_assert_uint_ne(disk_image_digest(now), digest);
    disk_image_unref(now);
    simdisk_destroy(disk, NULL);
    disk_image_unref(start);
}
END_TEST

static void *hammer(void *argument)
{
    const levin_io *io = argument;
    levin_file *file;
    uint8_t bytes[3000];
    size_t done;
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(io->open(io->context, "shared", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
        memset(bytes, i, sizeof bytes);
        ck_assert_int_eq(io->write_at(io->context, file, &(levin_slice){ bytes, sizeof bytes }, 1, 0, &done), 0);
        ck_assert_int_eq(io->read_at(io->context, file, bytes, sizeof bytes, 0, &done), 0);
        ck_assert_mem_eq(bytes, bytes + 1, done - 1); /* all equal: a call is one step for other threads */
        void *memory = io->alloc(io->context, 64, 16);
        io->free(io->context, memory, 64);
        ck_assert_int_eq(io->sync(io->context, file), 0);
        io->close(io->context, file);
    }
    return NULL;
}

START_TEST(simdisk__serves_several_threads)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, (void *)(uintptr_t)simdisk_io(disk)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(trace_length(t), 1 + 3 * 300 * 2);
    ck_assert(simdisk_destroy(disk, NULL));
    trace_destroy(t);
}
END_TEST

LEVIN_TEST_MAIN("simdisk", TEST(simdisk__answers_as_a_real_directory_does),
                TEST(simdisk__records_what_changes_and_nothing_else),
                TEST(simdisk__locks_exclude_and_end_with_their_descriptor),
                TEST(simdisk__ranges_are_locked_by_themselves), TEST(simdisk__tells_what_was_leaked),
                TEST(simdisk__clock_and_randomness_repeat), TEST(simdisk__does_not_change_the_image_it_starts_from),
                TEST(simdisk__serves_several_threads))
