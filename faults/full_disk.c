/*
 * full_disk.c - a levin_io that counts the sizes of files against a budget; see full_disk.h.
 *
 * Invariants: used is the sum of the rounded sizes of all entries; an entry lives while it has a name or is open.
 *
 * Concurrency: one mutex around the accounts, never held during a call of the inner table that writes; a write takes
 * its room before it is made and gives back what it did not use, so that two at once cannot both take the last sector.
 */
#include "full_disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_image.h"
#include "fatal.h"

typedef struct entry {
    struct entry *next;
    char *path;     /* NULL: it has no name any more */
    uint64_t bytes; /* its size, as the accounts have it */
    unsigned open;
} entry;

struct levin_file {
    levin_file *inner;
    entry *e;
};

struct full_disk {
    levin_io table;
    const levin_io *inner;
    pthread_mutex_t mutex;
    entry *entries;
    uint64_t budget, used, refused;
};

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
}

/* ---- accounts; under the mutex ---- */

static entry *entry_find(full_disk *d, const char *path)
{
    entry *e = d->entries;
    while (e && (!e->path || strcmp(e->path, path) != 0))
        e = e->next;
    return e;
}

static void entry_forget_if_dead(full_disk *d, entry *e)
{
    if (e->path || e->open)
        return;
    entry **link = &d->entries;
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    d->used -= rounded(e->bytes);
    free(e);
}

static void entry_lose_name(full_disk *d, entry *e)
{
    free(e->path);
    e->path = NULL;
    entry_forget_if_dead(d, e);
}

static void entry_name(entry *e, const char *path)
{
    size_t bytes = strlen(path) + 1;
    free(e->path);
    e->path = fatal_alloc(bytes);
    memcpy(e->path, path, bytes);
}

static void entry_set(full_disk *d, entry *e, uint64_t bytes)
{
    d->used += rounded(bytes) - rounded(e->bytes);
    e->bytes = bytes;
}

/* The largest size up to `bytes` that the entry may grow to; takes the room. */
static uint64_t entry_grow(full_disk *d, entry *e, uint64_t bytes, bool whole)
{
    pthread_mutex_lock(&d->mutex);
    uint64_t others = d->used - rounded(e->bytes);
    uint64_t room = d->budget > others ? (d->budget - others) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES : 0;
    uint64_t to = bytes;
    if (bytes > e->bytes && bytes > room) {
        d->refused++;
        to = whole || room < e->bytes ? e->bytes : room;
    }
    if (to > e->bytes)
        entry_set(d, e, to);
    pthread_mutex_unlock(&d->mutex);
    return to;
}

/* After a call that may have changed the size otherwise than was taken. */
static void entry_settle(full_disk *d, levin_file *file)
{
    uint64_t bytes;
    if (d->inner->size(d->inner->context, file->inner, &bytes))
        return;
    pthread_mutex_lock(&d->mutex);
    entry_set(d, file->e, bytes);
    pthread_mutex_unlock(&d->mutex);
}

/* ---- files ---- */

/* Under the mutex. */
static entry *entry_of(full_disk *d, const char *path)
{
    entry *e = entry_find(d, path);
    if (e)
        return e;
    e = fatal_alloc_zeroed(sizeof *e);
    entry_name(e, path);
    e->next = d->entries;
    d->entries = e;
    return e;
}

static int full_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    full_disk *d = context;
    levin_file *inner;
    *file = NULL;
    int failed = d->inner->open(d->inner->context, path, kind, flags, &inner);
    if (failed)
        return failed;
    levin_file *f = fatal_alloc(sizeof *f);
    pthread_mutex_lock(&d->mutex);
    entry *e = entry_of(d, path);
    e->open++;
    *f = (levin_file){ inner, e };
    pthread_mutex_unlock(&d->mutex);
    *file = f;
    return 0;
}

static int full_close(void *context, levin_file *file)
{
    full_disk *d = context;
    int failed = d->inner->close(d->inner->context, file->inner);
    pthread_mutex_lock(&d->mutex);
    file->e->open--;
    entry_forget_if_dead(d, file->e);
    pthread_mutex_unlock(&d->mutex);
    free(file);
    return failed;
}

static int full_read_at(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    full_disk *d = context;
    return d->inner->read_at(d->inner->context, file->inner, buffer, bytes, offset, done);
}

static int full_write_at(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                         size_t *done)
{
    full_disk *d = context;
    levin_slice cut[LEVIN_IO_PARTS_MAX];
    uint64_t bytes = 0;
    *done = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].size;
    uint64_t end = entry_grow(d, file->e, offset + bytes, false);
    uint64_t fits = end > offset ? end - offset : 0;
    if (fits >= bytes)
        return d->inner->write_at(d->inner->context, file->inner, parts, count, offset, done);
    if (!fits || count > LEVIN_IO_PARTS_MAX)
        return ENOSPC;
    size_t n = 0;
    for (; n < count && fits; n++) {
        cut[n] = parts[n];
        if (cut[n].size > fits)
            cut[n].size = (size_t)fits;
        fits -= cut[n].size;
    }
    int failed = d->inner->write_at(d->inner->context, file->inner, cut, n, offset, done);
    entry_settle(d, file);
    return failed;
}

static int full_sync(void *context, levin_file *file)
{
    full_disk *d = context;
    return d->inner->sync(d->inner->context, file->inner);
}

static int full_truncate(void *context, levin_file *file, uint64_t bytes)
{
    full_disk *d = context;
    if (entry_grow(d, file->e, bytes, true) != bytes)
        return ENOSPC;
    int failed = d->inner->truncate(d->inner->context, file->inner, bytes);
    entry_settle(d, file);
    return failed;
}

static int full_preallocate(void *context, levin_file *file, uint64_t bytes)
{
    full_disk *d = context;
    if (entry_grow(d, file->e, bytes, true) < bytes)
        return ENOSPC;
    int failed = d->inner->preallocate(d->inner->context, file->inner, bytes);
    entry_settle(d, file);
    return failed;
}

static int full_size(void *context, levin_file *file, uint64_t *bytes)
{
    full_disk *d = context;
    return d->inner->size(d->inner->context, file->inner, bytes);
}

static int full_lock(void *context, levin_file *file, bool exclusive)
{
    full_disk *d = context;
    return d->inner->lock(d->inner->context, file->inner, exclusive);
}

#if LEVIN_IO_VERSION >= 2 /* the gate builds this file with the headers of an earlier engine, too */
static int full_lock_range(void *context, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    full_disk *d = context;
    return d->inner->lock_range(d->inner->context, file->inner, offset, bytes, how);
}

static uint64_t full_process_id(void *context)
{
    full_disk *d = context;
    return d->inner->process_id(d->inner->context);
}
#endif

/* ---- names ---- */

static int full_rename(void *context, const char *from, const char *to)
{
    full_disk *d = context;
    int failed = d->inner->rename(d->inner->context, from, to);
    pthread_mutex_lock(&d->mutex);
    entry *moved = failed ? NULL : entry_find(d, from), *over = failed ? NULL : entry_find(d, to);
    if (over && over != moved)
        entry_lose_name(d, over);
    if (moved)
        entry_name(moved, to);
    pthread_mutex_unlock(&d->mutex);
    return failed;
}

static int full_unlink(void *context, const char *path)
{
    full_disk *d = context;
    int failed = d->inner->unlink(d->inner->context, path);
    pthread_mutex_lock(&d->mutex);
    entry *e = failed ? NULL : entry_find(d, path);
    if (e)
        entry_lose_name(d, e);
    pthread_mutex_unlock(&d->mutex);
    return failed;
}

static int full_make_dir(void *context, const char *path)
{
    full_disk *d = context;
    return d->inner->make_dir(d->inner->context, path);
}

static int full_sync_dir(void *context, const char *path)
{
    full_disk *d = context;
    return d->inner->sync_dir(d->inner->context, path);
}

static int full_list(void *context, const char *path, levin_io_entry each, void *entry_context)
{
    full_disk *d = context;
    return d->inner->list(d->inner->context, path, each, entry_context);
}

/* ---- memory, clock, randomness ---- */

static void *full_alloc(void *context, size_t bytes, size_t alignment)
{
    full_disk *d = context;
    return d->inner->alloc(d->inner->context, bytes, alignment);
}

static void full_free(void *context, void *memory, size_t bytes)
{
    full_disk *d = context;
    d->inner->free(d->inner->context, memory, bytes);
}

static uint64_t full_now_ns(void *context)
{
    full_disk *d = context;
    return d->inner->now_ns(d->inner->context);
}

static int full_random(void *context, void *buffer, size_t bytes)
{
    full_disk *d = context;
    return d->inner->random(d->inner->context, buffer, bytes);
}

/* ---- the wrapper ---- */

full_disk *full_disk_create(const levin_io *inner, uint64_t budget_bytes)
{
    full_disk *d = fatal_alloc_zeroed(sizeof *d);
    if (pthread_mutex_init(&d->mutex, NULL))
        fatal("a mutex could not be made");
    d->inner = inner;
    d->budget = budget_bytes;
    d->table = (levin_io){
        .version = LEVIN_IO_VERSION, .context = d, .open = full_open, .close = full_close, .read_at = full_read_at,
        .write_at = full_write_at, .sync = full_sync, .truncate = full_truncate, .preallocate = full_preallocate,
        .size = full_size, .rename = full_rename, .unlink = full_unlink, .make_dir = full_make_dir,
        .sync_dir = full_sync_dir, .list = full_list, .lock = full_lock, .alloc = full_alloc, .free = full_free,
        .now_ns = full_now_ns, .random = full_random };
#if LEVIN_IO_VERSION >= 2
    d->table.lock_range = full_lock_range;
    d->table.process_id = full_process_id;
#endif
    return d;
}

const levin_io *full_disk_table(full_disk *d)
{
    return &d->table;
}

void full_disk_destroy(full_disk *d)
{
    if (!d)
        return;
    for (entry *e = d->entries, *next; e; e = next) {
        next = e->next;
        free(e->path);
        free(e);
    }
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

typedef struct adoption {
    full_disk *d;
    const char *directory;
} adoption;

static int adopt(void *context, const char *name)
{
    const adoption *a = context;
    char path[512];
    levin_file *inner;
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", a->directory, name);
    const levin_io *io = a->d->inner;
    int failed = io->open(io->context, path, LEVIN_FILE_PAGES, 0, &inner);
    if (failed)
        fatal("full_disk_adopt: %s: %s", path, strerror(failed));
    failed = io->size(io->context, inner, &bytes);
    (void)io->close(io->context, inner);
    pthread_mutex_lock(&a->d->mutex);
    entry_set(a->d, entry_of(a->d, path), bytes);
    pthread_mutex_unlock(&a->d->mutex);
    return failed;
}

void full_disk_adopt(full_disk *d, const char *directory)
{
    adoption a = { d, directory };
    int failed = d->inner->list(d->inner->context, directory, adopt, &a);
    if (failed)
        fatal("full_disk_adopt: %s: %s", directory, strerror(failed));
}

static uint64_t locked(full_disk *d, const uint64_t *number)
{
    pthread_mutex_lock(&d->mutex);
    uint64_t value = *number;
    pthread_mutex_unlock(&d->mutex);
    return value;
}

void full_disk_set_budget(full_disk *d, uint64_t bytes)
{
    pthread_mutex_lock(&d->mutex);
    d->budget = bytes;
    pthread_mutex_unlock(&d->mutex);
}

uint64_t full_disk_budget(full_disk *d)
{
    return locked(d, &d->budget);
}

uint64_t full_disk_used(full_disk *d)
{
    return locked(d, &d->used);
}

uint64_t full_disk_refused(full_disk *d)
{
    return locked(d, &d->refused);
}
