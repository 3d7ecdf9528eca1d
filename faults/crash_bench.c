/*
 * crash_bench.c - how fast states are made: the explorer alone, over the trace of a run shaped like a store's.
 *
 * The run: a preallocated log of 64 KiB segments with groups of 512 to 2048 bytes, each synced, recycled by rename;
 * every 400 groups a checkpoint of 40 pages of 4 KiB, sync, meta page, sync.  Prints states, distinct images, time
 * a state (median of five passes), and the time to open and close a simdisk on each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crash.h"
#include "fatal.h"
#include "random.h"
#include "simdisk.h"

enum { SEGMENT_BYTES = 65536, GROUPS = 2000, CHECKPOINT_EVERY = 400, PAGES = 40, PAGE_BYTES = 4096, PASSES = 5 };

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* of this process: the machine may be shared */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int error)
{
    if (error)
        fatal("a call on the simulated disk failed: %s", strerror(error));
}

static levin_file *open_file(const levin_io *io, const char *path, levin_file_kind kind)
{
    levin_file *file;
    must(io->open(io->context, path, kind, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file));
    return file;
}

static void write_random(const levin_io *io, levin_file *file, random_stream *random, size_t bytes, uint64_t offset)
{
    uint8_t buffer[PAGE_BYTES];
    size_t done;
    random_fill(random, buffer, bytes);
    must(io->write_at(io->context, file, &(levin_slice){ buffer, bytes }, 1, offset, &done));
}

static void checkpoint(const levin_io *io, levin_file *pages, random_stream *random, uint64_t number)
{
    for (uint64_t i = 0; i < PAGES; i++)
        write_random(io, pages, random, PAGE_BYTES, (2 + number * PAGES + i) * PAGE_BYTES);
    must(io->sync(io->context, pages));
    write_random(io, pages, random, 512, number % 2 * PAGE_BYTES);
    must(io->sync(io->context, pages));
}

static trace *record_run(void)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(NULL, t);
    const levin_io *io = simdisk_io(disk);
    random_stream random = random_open(1, 0);
    char path[64], old[64];
    uint64_t segment = 1, at = 512;
    must(io->make_dir(io->context, "db"));
    levin_file *pages = open_file(io, "db/pages", LEVIN_FILE_PAGES), *wal = open_file(io, "db/wal-1", LEVIN_FILE_WAL);
    must(io->preallocate(io->context, wal, SEGMENT_BYTES));
    must(io->sync(io->context, wal));
    must(io->sync_dir(io->context, "db"));
    must(io->sync_dir(io->context, "/"));
    for (uint64_t group = 1; group <= GROUPS; group++) {
        size_t bytes = 512 * (1 + (size_t)random_below(&random, 4));
        if (at + bytes > SEGMENT_BYTES) { /* four segments in use, then the oldest comes again under a new name */
            io->close(io->context, wal);
            snprintf(path, sizeof path, "db/wal-%llu", (unsigned long long)++segment);
            snprintf(old, sizeof old, "db/wal-%llu", (unsigned long long)segment - 4);
            if (segment > 4)
                must(io->rename(io->context, old, path));
            wal = open_file(io, path, LEVIN_FILE_WAL);
            must(io->preallocate(io->context, wal, SEGMENT_BYTES));
            write_random(io, wal, &random, 512, 0);
            must(io->sync(io->context, wal));
            must(io->sync_dir(io->context, "db"));
            at = 512;
        }
        write_random(io, wal, &random, bytes, at);
        at += bytes;
        must(io->sync(io->context, wal));
        if (group % CHECKPOINT_EVERY == 0)
            checkpoint(io, pages, &random, group / CHECKPOINT_EVERY);
    }
    io->close(io->context, wal);
    io->close(io->context, pages);
    simdisk_destroy(disk, NULL);
    return t;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over passes of the time that all states take, with or without opening a disk on each. */
static double measure(const trace *t, bool open_disks, crash_counters *counters)
{
    double seconds[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        crash_state state;
        double start = cpu_s();
        crash_explorer *e = crash_open(t, NULL, 1, NULL, NULL);
        while (crash_next(e, &state)) {
            if (!open_disks)
                continue;
            simdisk *disk = simdisk_create(state.image, NULL);
            simdisk_destroy(disk, NULL);
        }
        crash_count(e, counters);
        crash_close(e);
        seconds[pass] = cpu_s() - start;
    }
    qsort(seconds, PASSES, sizeof seconds[0], ascending);
    return seconds[PASSES / 2];
}

int main(void)
{
    crash_counters c;
    double start = cpu_s();
    trace *t = record_run();
    double recording = cpu_s() - start, exploring = measure(t, false, &c), opening = measure(t, true, &c);
    printf("trace: %llu entries in %.1f ms\n", (unsigned long long)trace_length(t), recording * 1e3);
    printf("points %llu, variants built %llu, distinct images %llu\n", (unsigned long long)c.points,
           (unsigned long long)c.variants, (unsigned long long)c.images);
    for (crash_family f = 0; f < CRASH_FAMILY_COUNT; f++)
        printf("  %-20s %llu\n", crash_family_text(f), (unsigned long long)c.family_states[f]);
    printf("explorer alone: %.0f states/s, %.2f us a state, %.2f us a variant\n", (double)c.images / exploring,
           exploring / (double)c.images * 1e6, exploring / (double)c.variants * 1e6);
    printf("with a simdisk opened on each: %.0f states/s, %.2f us a state\n", (double)c.images / opening,
           opening / (double)c.images * 1e6);
    trace_destroy(t);
    return 0;
}
