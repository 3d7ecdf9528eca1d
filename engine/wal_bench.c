/*
 * wal_bench.c - what the log costs on a real file system.
 *
 *   wal_bench [directory]     (default: the current one; the files go to a new directory inside, and are removed)
 *
 * Side by side in one run: a group appended and synced by the log, the same bytes written and synced in a
 * preallocated file, and in a file that grows; appending without a sync; replay.  Medians; run it pinned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wal_internal.h"

enum { SAMPLES = 3000, LOG_BYTES = 64 << 20, ROUNDS = 5 };

static uint64_t now_ns(void)
{
    const levin_io *io = levin_io_posix();
    return io->now_ns(io->context);
}

/* Of this process: a busy machine shows in the wall clock only. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(levin_code code, const levin_error *error)
{
    if (code == LEVIN_OK)
        return;
    fprintf(stderr, "wal_bench: %s: %s\n", levin_code_name(code), error->message);
    exit(EXIT_FAILURE);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(uint64_t *samples, size_t count, double part)
{
    qsort(samples, count, sizeof *samples, compare);
    return (double)samples[(size_t)((double)(count - 1) * part)] / 1000;
}

struct sink {
    uint8_t *memory;
    size_t bytes, batches;
};

static uint8_t *sink_reserve(void *context, size_t bytes)
{
    struct sink *s = context;
    if (s->bytes + bytes > 2 * LOG_BYTES)
        return NULL;
    s->bytes += bytes;
    return s->memory + s->bytes - bytes;
}

static levin_code sink_batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes, size_t count,
                             levin_error *error)
{
    struct sink *s = context;
    (void)sequence, (void)operations, (void)bytes, (void)count, (void)error;
    s->batches++;
    return LEVIN_OK;
}

/* One batch of puts of 16-byte keys and 100-byte values that fills the group. */
static size_t fill(uint8_t *group, size_t group_bytes)
{
    enum { RECORD = RECORD_HEADER_BYTES + 116 };
    size_t count = (group_bytes - WAL_GROUP_HEADER_BYTES - BATCH_HEADER_BYTES) / RECORD;
    uint8_t *batch = group + WAL_GROUP_HEADER_BYTES;
    memset(group, 0x33, group_bytes);
    store_u32(batch + BATCH_OPS_BYTES, (uint32_t)(count * RECORD));
    store_u32(batch + BATCH_OP_COUNT, (uint32_t)count);
    store_u32(batch + BATCH_DURABILITY, LEVIN_SYNCED);
    store_u32(batch + BATCH_RESERVED, 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t *r = batch + BATCH_HEADER_BYTES + i * RECORD;
        r[RECORD_KIND] = RECORD_PUT;
        r[RECORD_FLAGS] = 0;
        store_u16(r + RECORD_KEY_BYTES, 16);
        store_u32(r + RECORD_VALUE_BYTES, 100);
    }
    return BATCH_HEADER_BYTES + count * RECORD;
}

static wal *open_log(const wal_options *o, wal_start *start, struct sink *sink)
{
    const wal_visitor visitor = { .context = sink, .reserve = sink_reserve, .batch = sink_batch };
    levin_error error;
    wal *log;
    must(wal_recover(o, start, &visitor, &log, &error), &error);
    return log;
}

/* Moves the start to the end of the log and gives the segments back, as a checkpoint does. */
static void checkpoint(wal *log, wal_start *start, uint64_t sequence)
{
    levin_error error;
    *start = (wal_start){ wal_position(log), wal_chain(log), sequence, wal_incarnation(log), start->generation + 1 };
    must(wal_mark(log, start->generation, &error), &error);
    must(wal_recycle(log, start->position, &error), &error);
}

static void print_sync(const char *what, size_t bytes, uint64_t *samples, size_t count)
{
    printf("%-28s %7zu B: p10 %6.1f us, median %6.1f us, p99 %7.1f us\n", what, bytes,
           percentile_us(samples, count, 0.1), percentile_us(samples, count, 0.5),
           percentile_us(samples, count, 0.99));
}

/* Write and sync of a plain file, in turn with the log, so that both see the same disk. */
static void bench_sync(const wal_options *o, wal_start *start, struct sink *sink, size_t group_bytes,
                       uint64_t *sequence)
{
    static uint64_t logged[SAMPLES], plain[SAMPLES], grown[SAMPLES], cpu[SAMPLES];
    const levin_io *io = o->io;
    levin_error error;
    wal_counters before, after;
    size_t count = group_bytes > 65536 ? SAMPLES / 3 : SAMPLES;
    file fixed, growing;
    wal *log = open_log(o, start, sink);
    uint8_t *group = aligned_alloc(64, group_bytes);
    size_t payload = fill(group, group_bytes);
    const levin_slice part = { group, group_bytes };
    must(file_open(&fixed, io, o->directory, "fixed", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error),
         &error);
    must(file_open(&growing, io, o->directory, "growing", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error),
         &error);
    must(file_preallocate(&fixed, 16 << 20, &error), &error);
    must(file_sync(&fixed, &error), &error);
    for (unsigned i = 0; i < 3; i++) { /* fill the log once around: what is recycled then is as in the long run */
        while (wal_live_bytes(log, start->position) < (24u << 20)) {
            must(wal_append(log, group, payload, 1, ++*sequence, &error), &error);
            must(wal_flush(log, &error), &error);
        }
        checkpoint(log, start, *sequence);
    }
    for (size_t i = 0; i < count; i++) {
        if (wal_live_bytes(log, start->position) > (32u << 20))
            checkpoint(log, start, *sequence);
        uint64_t t0 = now_ns();
        wal_count(log, &before);
        must(wal_append(log, group, payload, 1, ++*sequence, &error), &error);
        must(wal_sync(log, &error), &error);
        wal_count(log, &after);
        uint64_t t1 = now_ns();
        logged[i] = t1 - t0;
        cpu[i] = t1 - t0 - (after.sync_ns - before.sync_ns);
        must(file_write(&fixed, &part, 1, (i * group_bytes) % (16 << 20), NULL, &error), &error);
        must(file_sync(&fixed, &error), &error);
        uint64_t t2 = now_ns();
        plain[i] = t2 - t1;
        must(file_write(&growing, &part, 1, i * group_bytes, NULL, &error), &error);
        must(file_sync(&growing, &error), &error);
        grown[i] = now_ns() - t2;
    }
    print_sync("log: append, sync", group_bytes, logged, count);
    print_sync("  of it outside the sync", group_bytes, cpu, count);
    print_sync("plain write, preallocated", group_bytes, plain, count);
    print_sync("plain write, growing file", group_bytes, grown, count);
    checkpoint(log, start, *sequence);
    wal_close(log);
    free(group);
    file_close(&fixed);
    file_close(&growing);
    must(file_unlink(io, o->directory, "growing", &error), &error);
    must(file_unlink(io, o->directory, "fixed", &error), &error);
}

/* Appends without a sync, and then replays what was appended. */
static void bench_stream(const wal_options *o, wal_start *start, struct sink *sink, size_t group_bytes,
                         unsigned groups_a_flush, uint64_t *sequence)
{
    static uint64_t wall[3][ROUNDS], cpu[3][ROUNDS];
    static const char *const what[3] = { "append, no sync", "recover after a kill", "recover when proven" };
    levin_error error;
    size_t count = LOG_BYTES / group_bytes;
    uint8_t *groups = aligned_alloc(64, group_bytes * groups_a_flush);
    size_t payload = 0;
    for (unsigned i = 0; i < groups_a_flush; i++)
        payload = fill(groups + i * group_bytes, group_bytes);
    for (unsigned round = 0; round < ROUNDS; round++) {
        wal *log = open_log(o, start, sink);
        checkpoint(log, start, *sequence);
        uint64_t t0 = now_ns(), c0 = cpu_ns();
        for (size_t i = 0; i < count; i++) {
            must(wal_append(log, groups + i % groups_a_flush * group_bytes, payload, 1, ++*sequence, &error), &error);
            if (i % groups_a_flush == groups_a_flush - 1)
                must(wal_flush(log, &error), &error);
        }
        must(wal_flush(log, &error), &error);
        wall[0][round] = now_ns() - t0;
        cpu[0][round] = cpu_ns() - c0;
        wal_close(log);
        for (unsigned n = 1; n <= 2; n++) { /* after a kill; and with nothing left to rewrite */
            sink->bytes = sink->batches = 0;
            t0 = now_ns();
            c0 = cpu_ns();
            log = open_log(o, start, sink);
            wall[n][round] = now_ns() - t0;
            cpu[n][round] = cpu_ns() - c0;
            wal_close(log);
        }
        if (sink->batches != count)
            fprintf(stderr, "wal_bench: %zu batches replayed, not %zu\n", sink->batches, count);
    }
    double mb = (double)(count * group_bytes) / 1e6;
    for (unsigned n = 0; n < 3; n++) {
        double us = percentile_us(wall[n], ROUNDS, 0.5), cpu_us = percentile_us(cpu[n], ROUNDS, 0.5);
        printf("%-20s %7zu B groups, %2u a flush: %7.1f ms, %6.0f MB/s; of CPU %6.1f ms, %6.0f MB/s\n", what[n],
               group_bytes, groups_a_flush, us / 1e3, mb / us * 1e6, cpu_us / 1e3, mb / cpu_us * 1e6);
    }
    free(groups);
}

static int remove_entry(void *context, const char *name)
{
    levin_error error;
    must(file_unlink(levin_io_posix(), context, name, &error), &error);
    return 0;
}

int main(int argc, char **argv)
{
    const levin_io *io = levin_io_posix();
    char directory[FILE_PATH_MAX];
    snprintf(directory, sizeof directory, "%s/wal-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(directory)) {
        perror(directory);
        return EXIT_FAILURE;
    }
    wal_options o = { .io = io, .directory = directory, .segment_bytes = 16 << 20, .sector_bytes = 512, .spares = 6 };
    wal_start start = { lsn_make(1, 512), 0, 0, 0, 0 };
    struct sink sink = { malloc(2 * LOG_BYTES), 0, 0 };
    levin_error error;
    uint64_t sequence = 0;
    if (!sink.memory)
        return EXIT_FAILURE;
    memset(sink.memory, 1, 2 * LOG_BYTES); /* replay is measured, not page faults */
    must(wal_create(&o, &error), &error);
    bench_sync(&o, &start, &sink, 1024, &sequence);
    bench_sync(&o, &start, &sink, 128 << 10, &sequence);
    bench_stream(&o, &start, &sink, 1024, 1, &sequence);
    bench_stream(&o, &start, &sink, 1024, 64, &sequence);
    bench_stream(&o, &start, &sink, 128 << 10, 1, &sequence);
    io->list(io->context, directory, remove_entry, directory);
    rmdir(directory);
    free(sink.memory);
    return EXIT_SUCCESS;
}
