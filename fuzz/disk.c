/*
 * disk.c - the disk of one run, with a bound on memory and calls, and the end of a run that broke a promise.
 *
 * Invariants: a bound is far above what the largest input can need honestly (files are 1 MiB together at most), so
 * passing it means that damaged bytes decided about memory or work.  A file that grows far beyond that meets a full
 * device: a segment header with right checksum may say 1 GiB, and salvage gives a short segment its length back.
 * Counts calls and not time: the same input meets the same bound on any machine. Concurrency: one thread, one disk
 * at a time.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* AddressSanitizer's, where it is linked in. */
void __asan_poison_memory_region(const volatile void *address, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *address, size_t bytes) __attribute__((weak));

/*
 * Buffers of 64 KiB and more are kept for the next run: the allocator would map and unmap them each time, which was
 * half of a run.  While nobody has one it is poisoned, so that a use after free is still seen.
 */
enum { LARGE_BYTES = 64 << 10, LARGE_KEPT_MAX = 8 };
static struct large {
    void *memory;
    size_t bytes, alignment;
    bool used;
} large[LARGE_KEPT_MAX];

static void *large_alloc(size_t bytes, size_t alignment)
{
    for (struct large *l = large; l < large + LARGE_KEPT_MAX; l++) {
        if (!l->memory) {
            size_t rounded = (bytes + alignment - 1) / alignment * alignment;
            *l = (struct large){ aligned_alloc(alignment, rounded), bytes, alignment, true };
            return l->memory;
        }
        if (!l->used && l->bytes == bytes && l->alignment == alignment) {
            if (__asan_unpoison_memory_region)
                __asan_unpoison_memory_region(l->memory, bytes);
            l->used = true;
            return l->memory;
        }
    }
    return NULL;
}

static bool large_free(void *memory)
{
    for (struct large *l = large; l < large + LARGE_KEPT_MAX; l++)
        if (l->memory == memory && l->used) {
            if (__asan_poison_memory_region)
                __asan_poison_memory_region(memory, l->bytes);
            l->used = false;
            return true;
        }
    return false;
}

/* Of the disk that is open. */
static struct fuzz_bounds {
    const levin_io *below;
    uint64_t memory_bytes, calls;
} bounds;

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "fuzz: broken promise at %s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static void count_call(void)
{
    fuzz_require(++bounds.calls <= FUZZ_CALLS_MAX, "a hang: more than %d I/O calls", FUZZ_CALLS_MAX);
}

static int bounded_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    count_call();
    return bounds.below->open(context, path, kind, flags, file);
}

static int bounded_read_at(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    count_call();
    return bounds.below->read_at(context, file, buffer, bytes, offset, done);
}

static int bounded_write_at(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                            size_t *done)
{
    count_call();
    if (offset > FUZZ_FILE_MAX)
        return ENOSPC;
    return bounds.below->write_at(context, file, parts, count, offset, done);
}

static int bounded_preallocate(void *context, levin_file *file, uint64_t bytes)
{
    count_call();
    if (bytes > FUZZ_FILE_MAX)
        return ENOSPC;
    return bounds.below->preallocate(context, file, bytes);
}

static int bounded_truncate(void *context, levin_file *file, uint64_t bytes)
{
    count_call();
    if (bytes > FUZZ_FILE_MAX)
        return ENOSPC;
    return bounds.below->truncate(context, file, bytes);
}

/* The calls that are only counted: X(name, parameters, arguments). */
#define COUNTED_CALLS(X)                                                                                        \
    X(close, (void *context, levin_file *file), (context, file))                                                \
    X(sync, (void *context, levin_file *file), (context, file))                                                 \
    X(size, (void *context, levin_file *file, uint64_t *bytes), (context, file, bytes))                         \
    X(rename, (void *context, const char *from, const char *to), (context, from, to))                           \
    X(unlink, (void *context, const char *path), (context, path))                                               \
    X(make_dir, (void *context, const char *path), (context, path))                                             \
    X(sync_dir, (void *context, const char *path), (context, path))                                             \
    X(list, (void *context, const char *path, levin_io_entry entry, void *entry_context),                       \
      (context, path, entry, entry_context))                                                                    \
    X(lock, (void *context, levin_file *file, bool exclusive), (context, file, exclusive))
#define COUNTED_CALL(name, parameters, arguments)                                                               \
    static int counted_##name parameters                                                                        \
    {                                                                                                           \
        count_call();                                                                                           \
        return bounds.below->name arguments;                                                                    \
    }
COUNTED_CALLS(COUNTED_CALL)

static void *bounded_alloc(void *context, size_t bytes, size_t alignment)
{
    fuzz_require(bytes <= FUZZ_MEMORY_MAX && bounds.memory_bytes + bytes <= FUZZ_MEMORY_MAX,
                 "an allocation of %zu bytes over %llu held", bytes, (unsigned long long)bounds.memory_bytes);
    void *memory = bytes >= LARGE_BYTES ? large_alloc(bytes, alignment) : NULL;
    if (!memory)
        memory = bounds.below->alloc(context, bytes, alignment);
    if (memory)
        bounds.memory_bytes += bytes;
    return memory;
}

static void bounded_free(void *context, void *memory, size_t bytes)
{
    if (memory) {
        fuzz_require(bytes <= bounds.memory_bytes, "%zu bytes are freed of %llu held", bytes,
                     (unsigned long long)bounds.memory_bytes);
        bounds.memory_bytes -= bytes;
    }
    if (bytes < LARGE_BYTES || !large_free(memory))
        bounds.below->free(context, memory, bytes);
}

void fuzz_disk_open(fuzz_disk *d, const disk_image *start)
{
    d->disk = simdisk_create(start, NULL);
    bounds = (struct fuzz_bounds){ .below = simdisk_io(d->disk) };
    d->table = *bounds.below;
    d->table.open = bounded_open;
    d->table.read_at = bounded_read_at;
    d->table.write_at = bounded_write_at;
    d->table.preallocate = bounded_preallocate;
    d->table.truncate = bounded_truncate;
#define COUNTED_SET(name, parameters, arguments) d->table.name = counted_##name;
    COUNTED_CALLS(COUNTED_SET)
#undef COUNTED_SET
    d->table.alloc = bounded_alloc;
    d->table.free = bounded_free;
}

void fuzz_disk_close(fuzz_disk *d)
{
    simdisk_usage usage;
    bool clean = simdisk_destroy(d->disk, &usage);
    fuzz_require(clean && !bounds.memory_bytes, "left behind: %llu bytes in %llu pieces, %llu descriptors",
                 (unsigned long long)bounds.memory_bytes, (unsigned long long)usage.allocations,
                 (unsigned long long)usage.open_files);
}

void fuzz_options(levin_options *options, const levin_io *io)
{
    levin_options_init(options);
    options->page_bytes = LEVIN_PAGE_MIN_BYTES;
    options->cache_bytes = 16 * LEVIN_PAGE_MIN_BYTES;
    options->row_cache_bytes = 32 << 10; /* the smallest: active from the first miss */
    options->memtable_bytes = 64 << 10;
    options->wal_segment_bytes = 8 << 10;
    options->background = LEVIN_BACKGROUND_NONE;
    options->io = io;
}
