/*
 * schedule_io.c - the I/O tables of a run (schedule_io.h).
 *
 * Concurrency: threads of a run.  No point lies inside a call of the table below, whose own locks are therefore free at
 * each.  A lock that is waited for is asked for again after a yield.
 */
#include "schedule_io.h"

#include <errno.h>
#include <string.h>

#include "../fatal.h"
#include "memory.h"
#include "schedule_internal.h"

#define CALLER __builtin_return_address(0)

static const levin_io *inner(void *context)
{
    return ((schedule_io *)context)->above;
}

/* A point, and what the call answered goes into the digest. */
static int answer(int result)
{
    schedule_note(0x10 + (uint64_t)result);
    return result;
}

static int point_open(void *c, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    schedule_io *s = c;
    schedule_at("open", NULL, CALLER);
    int result = inner(c)->open(inner(c)->context, path, kind, flags, file);
    if (!result) {
        if (s->open_count == SCHEDULE_FILES_MAX)
            fatal("a schedule has more than %d files open", SCHEDULE_FILES_MAX);
        s->open[s->open_count++] = *file;
    }
    return answer(result);
}
static int point_close(void *c, levin_file *file)
{
    schedule_io *s = c;
    schedule_at("close", NULL, CALLER);
    unsigned i = 0;
    while (i < s->open_count && s->open[i] != file)
        i++;
    if (i == s->open_count)
        schedule_found(SCHEDULE_MISUSE, "a file is closed that is not open");
    s->open[i] = s->open[--s->open_count];
    return answer(inner(c)->close(inner(c)->context, file));
}
static int point_read_at(void *c, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    schedule_at("read", NULL, CALLER);
    int result = inner(c)->read_at(inner(c)->context, file, buffer, bytes, offset, done);
    if (!result)
        schedule_access(buffer, *done, true, false, CALLER);
    return answer(result);
}
static int point_write_at(void *c, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                          size_t *done)
{
    schedule_at("write", NULL, CALLER);
    for (size_t i = 0; i < count; i++)
        schedule_access(parts[i].data, parts[i].size, false, false, CALLER);
    return answer(inner(c)->write_at(inner(c)->context, file, parts, count, offset, done));
}
static int point_sync(void *c, levin_file *file)
{
    schedule_at("sync", NULL, CALLER);
    int result = inner(c)->sync(inner(c)->context, file);
    schedule_at(SCHEDULE_IN_SYNC, NULL, CALLER);
    return answer(result);
}
static int point_truncate(void *c, levin_file *file, uint64_t bytes)
{
    schedule_at("truncate", NULL, CALLER);
    return answer(inner(c)->truncate(inner(c)->context, file, bytes));
}
static int point_preallocate(void *c, levin_file *file, uint64_t bytes)
{
    schedule_at("preallocate", NULL, CALLER);
    return answer(inner(c)->preallocate(inner(c)->context, file, bytes));
}
static int point_size(void *c, levin_file *file, uint64_t *bytes)
{
    schedule_at("size", NULL, CALLER);
    return answer(inner(c)->size(inner(c)->context, file, bytes));
}
static int point_rename(void *c, const char *from, const char *to)
{
    schedule_at("rename", NULL, CALLER);
    return answer(inner(c)->rename(inner(c)->context, from, to));
}
static int point_unlink(void *c, const char *path)
{
    schedule_at("unlink", NULL, CALLER);
    return answer(inner(c)->unlink(inner(c)->context, path));
}
static int point_make_dir(void *c, const char *path)
{
    schedule_at("make_dir", NULL, CALLER);
    return answer(inner(c)->make_dir(inner(c)->context, path));
}
static int point_sync_dir(void *c, const char *path)
{
    schedule_at("sync_dir", NULL, CALLER);
    int result = inner(c)->sync_dir(inner(c)->context, path);
    schedule_at("sync_dir, which is done", NULL, CALLER);
    return answer(result);
}
static int point_list(void *c, const char *path, levin_io_entry entry, void *entry_context)
{
    schedule_at("list", NULL, CALLER);
    return answer(inner(c)->list(inner(c)->context, path, entry, entry_context));
}
static int point_lock(void *c, levin_file *file, bool exclusive)
{
    schedule_at("lock of a file", NULL, CALLER);
    return answer(inner(c)->lock(inner(c)->context, file, exclusive));
}
static int point_lock_range(void *c, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    int result;
    schedule_at("lock of a range", NULL, CALLER);
    const levin_io_lock at_once = how == LEVIN_IO_LOCK_WAIT ? LEVIN_IO_LOCK_EXCLUSIVE : how;
    while ((result = inner(c)->lock_range(inner(c)->context, file, offset, bytes, at_once)) == EAGAIN &&
           how == LEVIN_IO_LOCK_WAIT)
        schedule_yield(CALLER);
    return answer(result);
}
static uint64_t point_process_id(void *c)
{
    return inner(c)->process_id ? inner(c)->process_id(inner(c)->context) : 1;
}
/* No point: the clock is looked at so often, and tells nobody anything. */
static uint64_t point_now_ns(void *c)
{
    (void)c;
    return schedule_now_ns();
}
static int point_random(void *c, void *buffer, size_t bytes)
{
    return inner(c)->random(inner(c)->context, buffer, bytes);
}
/* Nor is memory, but where a thread has it from another, which is a point of its own. */
static void *point_alloc(void *c, size_t bytes, size_t alignment)
{
    return inner(c)->alloc(inner(c)->context, bytes, alignment);
}
static void point_free(void *c, void *memory, size_t bytes)
{
    inner(c)->free(inner(c)->context, memory, bytes);
}

static void *memory_table_alloc(void *c, size_t bytes, size_t alignment)
{
    (void)c;
    return memory_alloc(bytes, alignment);
}
static void memory_table_free(void *c, void *memory, size_t bytes)
{
    (void)c;
    schedule_free(memory, bytes);
}

/* All calls but those for memory go to the disk with its own context. */
void schedule_io_init(schedule_io *s, const levin_io *disk)
{
    memset(s, 0, sizeof *s);
    s->below = disk;
    s->memory = *disk;
    s->memory.alloc = memory_table_alloc;
    s->memory.free = memory_table_free;
}

const levin_io *schedule_io_points(schedule_io *s, const levin_io *under)
{
    s->above = under;
    s->points = (levin_io){ .version = LEVIN_IO_VERSION, .context = s, .open = point_open, .close = point_close,
                            .read_at = point_read_at, .write_at = point_write_at, .sync = point_sync,
                            .truncate = point_truncate, .preallocate = point_preallocate, .size = point_size,
                            .rename = point_rename, .unlink = point_unlink, .make_dir = point_make_dir,
                            .sync_dir = point_sync_dir, .list = point_list, .lock = point_lock, .alloc = point_alloc,
                            .free = point_free, .now_ns = point_now_ns, .random = point_random,
                            .lock_range = under->version >= 2 && under->lock_range ? point_lock_range : NULL,
                            .process_id = point_process_id };
    return &s->points;
}

unsigned schedule_io_end(schedule_io *s)
{
    const unsigned left = s->open_count;
    while (s->open_count)
        (void)s->above->close(s->above->context, s->open[--s->open_count]);
    return left;
}
