/*
 * mirror_io.c - see mirror_io.h.
 *
 * Invariant: after each call the two traces are equally long.  The names of both disks are always the same, and so are
 * the numbers of their nodes: only bytes and syncs differ.
 */
#include "mirror_io.h"

#include <stdlib.h>

#include "fatal.h"
#include "reverted_sync.h"

struct levin_file {
    levin_file *hurt, *meant;
};

/* A table of its own: the context says which side a call of it is made on. */
typedef struct side {
    levin_io table;
    struct mirror_io *m;
    bool hurt, meant;
} side;

struct mirror_io {
    simdisk *hurt_disk, *meant_disk;
    trace *hurt_trace, *meant_trace;
    const levin_io *hurt, *meant; /* of the disks */
    side both, only_hurt, only_meant;
    disk_image *hurt_at_open, *meant_at_open; /* NULL: no LOCK file has been opened */
    uint64_t opened_at;
};

static void pad(trace *t, uint64_t length)
{
    while (trace_length(t) < length)
        trace_append(t, &(trace_entry){ .op = TRACE_NOTE, .kind = LEVIN_FILE_DIR });
}

/* The result of the first that failed, or 0. */
static int done(const side *s, int hurt, int meant)
{
    pad(s->m->hurt_trace, trace_length(s->m->meant_trace));
    pad(s->m->meant_trace, trace_length(s->m->hurt_trace));
    return hurt ? hurt : meant;
}

/* ---- what differs ----------------------------------------------------------------------------------------- */

static int mirror_write_at(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                           size_t *bytes)
{
    const side *s = context;
    const levin_io *hurt = s->m->hurt, *meant = s->m->meant;
    int first = 0, second = 0;
    if (s->meant)
        second = meant->write_at(meant->context, file->meant, parts, count, offset, bytes);
    if (s->hurt)
        first = hurt->write_at(hurt->context, file->hurt, parts, count, offset, bytes);
    return done(s, first, second);
}

static int mirror_sync(void *context, levin_file *file)
{
    const side *s = context;
    const levin_io *hurt = s->m->hurt, *meant = s->m->meant;
    const int first = s->hurt ? hurt->sync(hurt->context, file->hurt) : 0;
    return done(s, first, s->meant ? meant->sync(meant->context, file->meant) : 0);
}

static int mirror_sync_dir(void *context, const char *path)
{
    const side *s = context;
    const levin_io *hurt = s->m->hurt, *meant = s->m->meant;
    const int first = s->hurt ? hurt->sync_dir(hurt->context, path) : 0;
    return done(s, first, s->meant ? meant->sync_dir(meant->context, path) : 0);
}

/* ---- on both ---------------------------------------------------------------------------------------------- */

static int mirror_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    const side *s = context;
    const levin_io *hurt = s->m->hurt, *meant = s->m->meant;
    levin_file opened;
    if (kind == LEVIN_FILE_LOCK) {
        disk_image_unref(s->m->hurt_at_open);
        disk_image_unref(s->m->meant_at_open);
        s->m->hurt_at_open = simdisk_image(s->m->hurt_disk);
        s->m->meant_at_open = simdisk_image(s->m->meant_disk);
        s->m->opened_at = trace_length(s->m->hurt_trace);
    }
    *file = NULL;
    int result = hurt->open(hurt->context, path, kind, flags, &opened.hurt);
    if (result)
        return result;
    result = meant->open(meant->context, path, kind, flags, &opened.meant);
    if (result)
        fatal("%s is on one side of a mirrored disk only", path);
    *file = fatal_alloc(sizeof **file);
    **file = opened;
    return done(s, 0, 0);
}

static int mirror_close(void *context, levin_file *file)
{
    const side *s = context;
    const int first = s->m->hurt->close(s->m->hurt->context, file->hurt);
    const int second = s->m->meant->close(s->m->meant->context, file->meant);
    free(file);
    return done(s, first, second);
}

static int mirror_truncate(void *context, levin_file *file, uint64_t bytes)
{
    const side *s = context;
    const int first = s->m->hurt->truncate(s->m->hurt->context, file->hurt, bytes);
    return done(s, first, s->m->meant->truncate(s->m->meant->context, file->meant, bytes));
}

static int mirror_preallocate(void *context, levin_file *file, uint64_t bytes)
{
    const side *s = context;
    const int first = s->m->hurt->preallocate(s->m->hurt->context, file->hurt, bytes);
    return done(s, first, s->m->meant->preallocate(s->m->meant->context, file->meant, bytes));
}

static int mirror_rename(void *context, const char *from, const char *to)
{
    const side *s = context;
    const int first = s->m->hurt->rename(s->m->hurt->context, from, to);
    return done(s, first, s->m->meant->rename(s->m->meant->context, from, to));
}

static int mirror_unlink(void *context, const char *path)
{
    const side *s = context;
    const int first = s->m->hurt->unlink(s->m->hurt->context, path);
    return done(s, first, s->m->meant->unlink(s->m->meant->context, path));
}

static int mirror_make_dir(void *context, const char *path)
{
    const side *s = context;
    const int first = s->m->hurt->make_dir(s->m->hurt->context, path);
    return done(s, first, s->m->meant->make_dir(s->m->meant->context, path));
}

/* ---- on the hurt side alone ------------------------------------------------------------------------------- */

static int mirror_read_at(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *read)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->read_at(hurt->context, file->hurt, buffer, bytes, offset, read);
}

static int mirror_size(void *context, levin_file *file, uint64_t *bytes)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->size(hurt->context, file->hurt, bytes);
}

static int mirror_list(void *context, const char *path, levin_io_entry entry, void *entry_context)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->list(hurt->context, path, entry, entry_context);
}

static int mirror_lock(void *context, levin_file *file, bool exclusive)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->lock(hurt->context, file->hurt, exclusive);
}

static void *mirror_alloc(void *context, size_t bytes, size_t alignment)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->alloc(hurt->context, bytes, alignment);
}

static void mirror_free(void *context, void *memory, size_t bytes)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    hurt->free(hurt->context, memory, bytes);
}

static uint64_t mirror_now_ns(void *context)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->now_ns(hurt->context);
}

static int mirror_random(void *context, void *buffer, size_t bytes)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->random(hurt->context, buffer, bytes);
}

#if LEVIN_IO_VERSION >= 2 /* the gate builds this folder with the headers of an earlier engine, too */
static int mirror_lock_range(void *context, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->lock_range(hurt->context, file->hurt, offset, bytes, how);
}

static uint64_t mirror_process_id(void *context)
{
    const levin_io *hurt = ((const side *)context)->m->hurt;
    return hurt->process_id(hurt->context);
}
#endif

/* ---- the tables ------------------------------------------------------------------------------------------- */

static void make_side(side *s, mirror_io *m, bool hurt, bool meant)
{
    *s = (side){ .m = m, .hurt = hurt, .meant = meant };
    s->table = (levin_io){
        .version = LEVIN_IO_VERSION, .context = s, .open = mirror_open, .close = mirror_close,
        .read_at = mirror_read_at, .write_at = mirror_write_at, .sync = mirror_sync, .truncate = mirror_truncate,
        .preallocate = mirror_preallocate, .size = mirror_size, .rename = mirror_rename, .unlink = mirror_unlink,
        .make_dir = mirror_make_dir, .sync_dir = mirror_sync_dir, .list = mirror_list, .lock = mirror_lock,
        .alloc = mirror_alloc, .free = mirror_free, .now_ns = mirror_now_ns, .random = mirror_random };
#if LEVIN_IO_VERSION >= 2
    s->table.lock_range = mirror_lock_range;
    s->table.process_id = mirror_process_id;
#endif
}

mirror_io *mirror_io_create(simdisk *hurt, trace *hurt_trace, simdisk *meant, trace *meant_trace)
{
    mirror_io *m = fatal_alloc_zeroed(sizeof *m);
    m->hurt_disk = hurt;
    m->meant_disk = meant;
    m->hurt_trace = hurt_trace;
    m->meant_trace = meant_trace;
    m->hurt = simdisk_io(hurt);
    m->meant = simdisk_io(meant);
    make_side(&m->both, m, true, true);
    make_side(&m->only_hurt, m, true, false);
    make_side(&m->only_meant, m, false, true);
    return m;
}

bool mirror_io_at_open(const mirror_io *m, const disk_image **hurt, const disk_image **meant, uint64_t *length)
{
    *hurt = m->hurt_at_open;
    *meant = m->meant_at_open;
    *length = m->opened_at;
    return m->hurt_at_open != NULL;
}

void mirror_io_destroy(mirror_io *m)
{
    if (m) {
        disk_image_unref(m->hurt_at_open);
        disk_image_unref(m->meant_at_open);
    }
    free(m);
}

const levin_io *mirror_io_both(mirror_io *m)
{
    return &m->both.table;
}

const levin_io *mirror_io_hurt(mirror_io *m)
{
    return &m->only_hurt.table;
}

const levin_io *mirror_io_meant(mirror_io *m)
{
    return &m->only_meant.table;
}

void mirror_io_fail_sync(mirror_io *m, levin_file *file, simdisk_failed_sync what)
{
    simdisk_fail_sync(m->hurt_disk, file->hurt, what);
    simdisk_fail_sync(m->meant_disk, file->meant, what);
}

void mirror_io_late_sync(mirror_io *m, levin_file *file)
{
    simdisk_fail_sync(m->hurt_disk, file->hurt, SIMDISK_SYNC_LOSES_PAGES);
    if (m->meant->sync(m->meant->context, file->meant))
        fatal("a sync of a simulated disk failed");
}

void mirror_io_reverted_sync(mirror_io *m, levin_file *file, const disk_image *start)
{
    reverted_sync(m->hurt_disk, file->hurt, m->hurt_trace, start);
    reverted_sync(m->meant_disk, file->meant, m->meant_trace, start);
}
