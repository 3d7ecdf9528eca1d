/*
 * metered_io.c - forwards every call of the table, counts memory on the way.  Any thread.
 */
#include "metered_io.h"

static const levin_io *below(void *context)
{
    return ((metered_io *)context)->below;
}

static int metered_open(void *c, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    return below(c)->open(below(c)->context, path, kind, flags, file);
}
static int metered_close(void *c, levin_file *file)
{
    return below(c)->close(below(c)->context, file);
}
static int metered_read_at(void *c, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    return below(c)->read_at(below(c)->context, file, buffer, bytes, offset, done);
}
static int metered_write_at(void *c, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                            size_t *done)
{
    return below(c)->write_at(below(c)->context, file, parts, count, offset, done);
}
static int metered_sync(void *c, levin_file *file)
{
    return below(c)->sync(below(c)->context, file);
}
static int metered_truncate(void *c, levin_file *file, uint64_t bytes)
{
    return below(c)->truncate(below(c)->context, file, bytes);
}
static int metered_preallocate(void *c, levin_file *file, uint64_t bytes)
{
    return below(c)->preallocate(below(c)->context, file, bytes);
}
static int metered_size(void *c, levin_file *file, uint64_t *bytes)
{
    return below(c)->size(below(c)->context, file, bytes);
}
static int metered_rename(void *c, const char *from, const char *to)
{
    return below(c)->rename(below(c)->context, from, to);
}
static int metered_unlink(void *c, const char *path)
{
    return below(c)->unlink(below(c)->context, path);
}
static int metered_make_dir(void *c, const char *path)
{
    return below(c)->make_dir(below(c)->context, path);
}
static int metered_sync_dir(void *c, const char *path)
{
    return below(c)->sync_dir(below(c)->context, path);
}
static int metered_list(void *c, const char *path, levin_io_entry entry, void *entry_context)
{
    return below(c)->list(below(c)->context, path, entry, entry_context);
}
static int metered_lock(void *c, levin_file *file, bool exclusive)
{
    return below(c)->lock(below(c)->context, file, exclusive);
}
static int metered_lock_range(void *c, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    return below(c)->lock_range(below(c)->context, file, offset, bytes, how);
}
static uint64_t metered_process_id(void *c)
{
    return below(c)->process_id(below(c)->context);
}
static uint64_t metered_now_ns(void *c)
{
    return below(c)->now_ns(below(c)->context);
}
static int metered_random(void *c, void *buffer, size_t bytes)
{
    return below(c)->random(below(c)->context, buffer, bytes);
}

static void *metered_alloc(void *c, size_t bytes, size_t alignment)
{
    metered_io *m = c;
    void *memory = m->below->alloc(m->below->context, bytes, alignment);
    if (memory) {
        uint64_t now = atomic_fetch_add_explicit(&m->bytes, bytes, memory_order_relaxed) + bytes;
        uint64_t peak = atomic_load_explicit(&m->peak, memory_order_relaxed);
        while (now > peak && !atomic_compare_exchange_weak_explicit(&m->peak, &peak, now, memory_order_relaxed,
                                                                    memory_order_relaxed))
            ;
    }
    return memory;
}
static void metered_free(void *c, void *memory, size_t bytes)
{
    metered_io *m = c;
    atomic_fetch_sub_explicit(&m->bytes, bytes, memory_order_relaxed);
    m->below->free(m->below->context, memory, bytes);
}

metered_io *metered_io_of(const levin_io *io)
{
    return io->open == metered_open ? io->context : NULL;
}

void metered_io_init(metered_io *m, const levin_io *under)
{
    *m = (metered_io){ .below = under };
    m->table = (levin_io){
        .version = LEVIN_IO_VERSION,
        .context = m,
        .open = metered_open,
        .close = metered_close,
        .read_at = metered_read_at,
        .write_at = metered_write_at,
        .sync = metered_sync,
        .truncate = metered_truncate,
        .preallocate = metered_preallocate,
        .size = metered_size,
        .rename = metered_rename,
        .unlink = metered_unlink,
        .make_dir = metered_make_dir,
        .sync_dir = metered_sync_dir,
        .list = metered_list,
        .lock = metered_lock,
        .alloc = metered_alloc,
        .free = metered_free,
        .now_ns = metered_now_ns,
        .random = metered_random,
    };
    if (under->version >= 2) { /* an older table ends before these */
        m->table.lock_range = under->lock_range ? metered_lock_range : NULL;
        m->table.process_id = under->process_id ? metered_process_id : NULL;
    }
}
