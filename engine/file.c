/*
 * file.c - names, messages and the loops around the I/O table (file.h).
 *
 * Invariants: short counts and EINTR are dealt with here and nowhere else.  Every loop ends: a write that moves
 * nothing is an error, and a call interrupted FILE_INTERRUPTS_MAX times in a row without progress has failed.
 * Crash safety: a sync is made once.  After a failure, EINTR too, the kernel may have dropped the dirty pages and
 * marked them clean, and a second sync would call that success.
 * Concurrency: as the table; a struct file is not changed between open and close.
 */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_INTERRUPTS_MAX = 100 };

/* True when the call that gave result is to be made again. */
static bool interrupted(int result, unsigned *interrupts)
{
    return result == EINTR && ++*interrupts < FILE_INTERRUPTS_MAX;
}

levin_code file_path(char path[FILE_PATH_MAX], const char *directory, const char *name, levin_error *error)
{
    int length = snprintf(path, FILE_PATH_MAX, "%s/%s", directory, name);
    if (length < 0 || length >= FILE_PATH_MAX)
        return error_set(error, LEVIN_INVALID, name, "the path of %s is longer than %d bytes", name,
                         FILE_PATH_MAX - 1);
    return LEVIN_OK;
}

levin_code file_open(file *f, const levin_io *io, const char *directory, const char *name, levin_file_kind kind,
                     unsigned flags, levin_error *error)
{
    char path[FILE_PATH_MAX];
    memset(f, 0, sizeof *f);
    levin_code code = file_path(path, directory, name, error);
    if (code)
        return code;
    unsigned interrupts = 0;
    levin_file *handle;
    int result;
    do {
        handle = NULL;
        result = io->open(io->context, path, kind, flags, &handle);
    } while (interrupted(result, &interrupts));
    if (result == ENOENT && !(flags & LEVIN_IO_CREATE)) {
        error_set(error, LEVIN_NOT_FOUND, name, "%s does not exist", name);
        error->os_error = result;
        return LEVIN_NOT_FOUND;
    }
    if (result == ENOTDIR) {
        error_set(error, LEVIN_IO, name, "\"%.200s\" is not a directory: a store is one", directory);
        error->os_error = result;
        return LEVIN_IO;
    }
    if (result)
        return error_os(error, result, "open", name);
    f->io = io;
    f->handle = handle;
    f->kind = kind;
    metered_io *metered = metered_io_of(io);
    f->meter = metered ? &metered->files[kind] : NULL;
    size_t length = strnlen(name, sizeof f->name - 1); /* cut: only messages use it */
    memcpy(f->name, name, length);
    return LEVIN_OK;
}

void file_close(file *f)
{
    if (f->handle)
        f->io->close(f->io->context, f->handle); /* what had to last was synced: the result says nothing more */
    f->handle = NULL;
}

/* relaxed: a figure that pairs with nothing */
static void meter(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

levin_code file_read(file *f, void *buffer, size_t bytes, uint64_t offset, size_t *done, levin_error *error)
{
    unsigned interrupts = 0;
    size_t total = 0;
    *done = 0;
    while (total < bytes) {
        size_t part = 0;
        int result = f->io->read_at(f->io->context, f->handle, (uint8_t *)buffer + total, bytes - total,
                                    offset + total, &part);
        if (interrupted(result, &interrupts))
            continue;
        if (!result && part > bytes - total)
            result = EIO; /* the table claims more than there was room for */
        if (result) {
            error_os(error, result, "read", f->name);
            error->offset = offset + total;
            return error->code;
        }
        if (part == 0)
            break;
        total += part;
        interrupts = 0;
    }
    *done = total;
    if (f->meter)
        meter(&f->meter->read_bytes, total);
    return LEVIN_OK;
}

/* Where a gathered write has got to. */
struct gather {
    const levin_slice *parts;
    size_t count;
    size_t skip; /* bytes of parts[0] that are written */
};

static void gather_skip_empty(struct gather *g)
{
    while (g->count && g->parts->size == g->skip) {
        g->parts++;
        g->count--;
        g->skip = 0;
    }
}

/* The next parts, not empty ones, at most LEVIN_IO_PARTS_MAX. Returns their number, 0 when nothing is left. */
static size_t gather_next(struct gather *g, levin_slice out[LEVIN_IO_PARTS_MAX], size_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    gather_skip_empty(g);
    for (size_t i = 0; i < g->count && n < LEVIN_IO_PARTS_MAX; i++) {
        size_t skip = i ? 0 : g->skip;
        if (g->parts[i].size == skip)
            continue;
        out[n].data = (const uint8_t *)g->parts[i].data + skip;
        out[n].size = g->parts[i].size - skip;
        *bytes += out[n++].size;
    }
    return n;
}

static void gather_advance(struct gather *g, size_t bytes)
{
    while (bytes) {
        size_t left = g->parts->size - g->skip, step = bytes < left ? bytes : left;
        g->skip += step;
        bytes -= step;
        gather_skip_empty(g);
    }
}

levin_code file_write(file *f, const levin_slice *parts, size_t count, uint64_t offset, uint64_t *calls,
                      levin_error *error)
{
    struct gather g = { parts, count, 0 };
    levin_slice now[LEVIN_IO_PARTS_MAX];
    size_t n, bytes;
    unsigned interrupts = 0;
    while ((n = gather_next(&g, now, &bytes)) > 0) {
        size_t done = 0;
        int result = f->io->write_at(f->io->context, f->handle, now, n, offset, &done);
        if (calls)
            ++*calls;
        if (interrupted(result, &interrupts))
            continue;
        if (!result && (done == 0 || done > bytes))
            result = EIO; /* no progress and no reason given: trying again could last for ever */
        if (result) {
            error_os(error, result, "write", f->name);
            error->offset = offset;
            return error->code;
        }
        gather_advance(&g, done);
        offset += done;
        if (f->meter)
            meter(&f->meter->written_bytes, done);
        interrupts = 0;
    }
    return LEVIN_OK;
}

levin_code file_sync(file *f, levin_error *error)
{
    uint64_t began = f->meter ? f->io->now_ns(f->io->context) : 0;
    int result = f->io->sync(f->io->context, f->handle);
    if (f->meter) {
        uint64_t took = f->io->now_ns(f->io->context) - began;
        meter(&f->meter->syncs, 1);
        meter(&f->meter->sync_ns, took);
        if (f->meter->sync_times)
            distribution_add(f->meter->sync_times, took);
    }
    return result ? error_os(error, result, "sync", f->name) : LEVIN_OK;
}

levin_code file_truncate(file *f, uint64_t bytes, levin_error *error)
{
    unsigned interrupts = 0;
    int result;
    do
        result = f->io->truncate(f->io->context, f->handle, bytes);
    while (interrupted(result, &interrupts));
    return result ? error_os(error, result, "truncate", f->name) : LEVIN_OK;
}

levin_code file_preallocate(file *f, uint64_t bytes, levin_error *error)
{
    unsigned interrupts = 0;
    int result;
    do
        result = f->io->preallocate(f->io->context, f->handle, bytes);
    while (interrupted(result, &interrupts));
    return result ? error_os(error, result, "preallocate", f->name) : LEVIN_OK;
}

levin_code file_size(file *f, uint64_t *bytes, levin_error *error)
{
    unsigned interrupts = 0;
    int result;
    do
        result = f->io->size(f->io->context, f->handle, bytes);
    while (interrupted(result, &interrupts));
    return result ? error_os(error, result, "size", f->name) : LEVIN_OK;
}

levin_code file_rename(const levin_io *io, const char *directory, const char *from, const char *to,
                       levin_error *error)
{
    char from_path[FILE_PATH_MAX], to_path[FILE_PATH_MAX];
    levin_code code = file_path(from_path, directory, from, error);
    if (!code)
        code = file_path(to_path, directory, to, error);
    if (code)
        return code;
    /* no second try: if the first took place after all, the second finds no `from` and fails misleadingly */
    int result = io->rename(io->context, from_path, to_path);
    return result ? error_os(error, result, "rename", from) : LEVIN_OK;
}

levin_code file_unlink(const levin_io *io, const char *directory, const char *name, levin_error *error)
{
    char path[FILE_PATH_MAX];
    levin_code code = file_path(path, directory, name, error);
    if (code)
        return code;
    unsigned interrupts = 0;
    int result;
    do
        result = io->unlink(io->context, path);
    while (interrupted(result, &interrupts));
    return result && result != ENOENT ? error_os(error, result, "unlink", name) : LEVIN_OK;
}

levin_code file_sync_dir(const levin_io *io, const char *directory, levin_error *error)
{
    int result = io->sync_dir(io->context, directory);
    return result ? error_os(error, result, "sync of the directory", directory) : LEVIN_OK;
}

void file_parent(const char *path, char parent[FILE_PATH_MAX])
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    while (end > 1 && path[end - 1] == '/')
        end--;
    if (end == 0)
        snprintf(parent, FILE_PATH_MAX, ".");
    else
        snprintf(parent, FILE_PATH_MAX, "%.*s", (int)end, path);
}
