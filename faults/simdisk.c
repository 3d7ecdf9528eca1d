/*
 * simdisk.c - a levin_io in memory.
 *
 * Purpose: run a store at memory speed on any disk_image, and record what it does (trace.h).  POSIX semantics as
 * far as the table needs them: an unlinked file lives until it is closed, rename replaces, two names may be one
 * file.
 *
 * Invariants: `now` is private to the disk and always what a process would see.  Every call that succeeds and
 * changes files, names or their durability appends exactly one trace entry; reads and failed calls append none, and
 * so do calls that change nothing (a rename onto itself, preallocating what is there).
 *
 * Concurrency: one mutex over files and trace; memory counters are atomic.  No callback runs under the mutex.
 */
#include "simdisk.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fatal.h"
#include "random.h"

enum { CLOCK_STEP_NS = 1000 };
#define FILE_BYTES_MAX ((uint64_t)64 << 30) /* beyond it EFBIG */

enum { LOCKS_MAX = 8 }; /* of one open file */

typedef struct held_lock {
    uint64_t first, end;
    bool exclusive;
} held_lock;

struct levin_file {
    levin_file *next, **link; /* in the list of open files */
    disk_node node;
    levin_file_kind kind;
    bool writable;
    unsigned lock_count;
    held_lock locks[LOCKS_MAX];
    char name[DISK_NAME_MAX + 1];
};

struct simdisk {
    levin_io table;
    pthread_mutex_t mutex;
    pthread_cond_t unlocked;
    disk_image *now;
    disk_node next_node;
    trace *record;
    levin_file *files;
    random_stream random;
    simdisk_usage usage;
    /* statistics: relaxed, pair with nothing */
    _Atomic uint64_t memory_bytes, memory_peak_bytes, allocations, clock_ns;
};

static void enter(simdisk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    disk->usage.calls++;
}

static int leave(simdisk *disk, int result)
{
    pthread_mutex_unlock(&disk->mutex);
    return result;
}

static void record(simdisk *disk, const trace_entry *entry)
{
    if (disk->record)
        trace_append(disk->record, entry);
}

/* An entry on a file's contents. */
static void record_file(simdisk *disk, trace_op op, const levin_file *file, uint64_t bytes)
{
    trace_entry entry = { .op = op, .kind = file->kind, .node = file->node, .name = file->name, .bytes = bytes };
    record(disk, &entry);
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

/* Whether any name below a directory stands for the node. */
struct link_search {
    const disk_image *image;
    disk_node wanted;
};

static int find_link(void *context, const char *name, disk_node node)
{
    struct link_search *search = context;
    (void)name;
    if (node == search->wanted)
        return 1;
    return disk_image_is_dir(search->image, node) ? disk_image_list(search->image, node, find_link, search) : 0;
}

/* Forgets a node that has lost its last name and its last descriptor. */
static void drop_if_unused(simdisk *disk, disk_node node)
{
    struct link_search search = { disk->now, node };
    for (const levin_file *f = disk->files; f; f = f->next)
        if (f->node == node)
            return;
    if (!disk_image_list(disk->now, DISK_ROOT, find_link, &search))
        disk_image_remove(disk->now, node);
}

static int create_file(simdisk *disk, disk_node directory, const char *name, levin_file_kind kind, disk_node *node)
{
    if (directory == DISK_NONE)
        return ENOENT;
    *node = disk->next_node++;
    disk_image_add(disk->now, *node, false);
    disk_image_link(disk->now, directory, name, *node);
    trace_entry entry = { .op = TRACE_CREATE, .kind = kind, .node = *node, .directory = directory, .name = name };
    record(disk, &entry);
    return 0;
}

static int sim_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    simdisk *disk = context;
    char name[DISK_NAME_MAX + 1] = "";
    *file = NULL;
    enter(disk);
    disk_node directory = disk_image_parent(disk->now, path, name);
    disk_node node = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(disk->now, directory, name);
    if (node != DISK_NONE && (flags & LEVIN_IO_CREATE) && (flags & LEVIN_IO_EXCLUSIVE))
        return leave(disk, EEXIST);
    if (node != DISK_NONE && disk_image_is_dir(disk->now, node))
        return leave(disk, EISDIR);
    if (node == DISK_NONE) {
        int error = flags & LEVIN_IO_CREATE ? create_file(disk, directory, name, kind, &node) : ENOENT;
        if (error)
            return leave(disk, error);
    }
    levin_file *f = fatal_alloc_zeroed(sizeof *f);
    f->node = node;
    f->kind = kind;
    f->writable = flags & LEVIN_IO_WRITE;
    memcpy(f->name, name, strlen(name) + 1);
    f->next = disk->files;
    f->link = &disk->files;
    if (f->next)
        f->next->link = &f->next;
    disk->files = f;
    disk->usage.open_files++;
    *file = f;
    return leave(disk, 0);
}

static int sim_close(void *context, levin_file *file)
{
    simdisk *disk = context;
    enter(disk);
    *file->link = file->next;
    if (file->next)
        file->next->link = file->link;
    disk->usage.open_files--;
    drop_if_unused(disk, file->node);
    free(file);
    pthread_cond_broadcast(&disk->unlocked);
    return leave(disk, 0);
}

static int sim_read_at(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    simdisk *disk = context;
    enter(disk);
    *done = disk_image_read(disk->now, file->node, buffer, bytes, offset);
    disk->usage.reads++;
    disk->usage.read_bytes += *done;
    return leave(disk, 0);
}

static int sim_write_at(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                        size_t *done)
{
    simdisk *disk = context;
    size_t total = 0;
    *done = 0;
    if (count > LEVIN_IO_PARTS_MAX)
        return EINVAL;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    enter(disk);
    if (!file->writable)
        return leave(disk, EBADF);
    if (offset > FILE_BYTES_MAX || total > FILE_BYTES_MAX - offset)
        return leave(disk, EFBIG);
    uint8_t *joined = NULL;
    if (disk->record && total && count > 1)
        joined = fatal_alloc(total);
    for (size_t i = 0; i < count; i++) {
        disk_image_write(disk->now, file->node, parts[i].data, parts[i].size, offset + *done);
        if (joined && parts[i].size)
            memcpy(joined + *done, parts[i].data, parts[i].size);
        *done += parts[i].size;
    }
    if (total && file->kind != LEVIN_FILE_LOCK) { /* simdisk.h: what it says goes with the locks */
        trace_entry entry = { .op = TRACE_WRITE, .kind = file->kind, .node = file->node, .name = file->name,
                              .offset = offset, .bytes = total, .data = joined ? joined : parts[0].data };
        record(disk, &entry);
    }
    free(joined);
    disk->usage.writes++;
    disk->usage.write_bytes += total;
    return leave(disk, 0);
}

static int sim_sync(void *context, levin_file *file)
{
    simdisk *disk = context;
    enter(disk);
    disk->usage.syncs++;
    record_file(disk, TRACE_SYNC, file, 0);
    return leave(disk, 0);
}

void simdisk_fail_sync(simdisk *disk, levin_file *file, simdisk_failed_sync what)
{
    enter(disk);
    record_file(disk, what == SIMDISK_SYNC_KEEPS_PAGES ? TRACE_SYNC_KEPT : TRACE_SYNC_LOST, file,
                what == SIMDISK_SYNC_REVERTS);
    leave(disk, 0);
}

void simdisk_revert(simdisk *disk, levin_file *file, const disk_image *to)
{
    enter(disk);
    disk_image_copy_file(disk->now, to, file->node);
    leave(disk, 0);
}

void simdisk_sync_loses_pages(void *disk, levin_file *file)
{
    simdisk_fail_sync(disk, file, SIMDISK_SYNC_LOSES_PAGES);
}

void simdisk_sync_keeps_pages(void *disk, levin_file *file)
{
    simdisk_fail_sync(disk, file, SIMDISK_SYNC_KEEPS_PAGES);
}

static int sim_truncate(void *context, levin_file *file, uint64_t bytes)
{
    simdisk *disk = context;
    enter(disk);
    if (!file->writable)
        return leave(disk, EINVAL);
    if (bytes > FILE_BYTES_MAX)
        return leave(disk, EFBIG);
    disk_image_resize(disk->now, file->node, bytes);
    record_file(disk, TRACE_TRUNCATE, file, bytes);
    return leave(disk, 0);
}

static int sim_preallocate(void *context, levin_file *file, uint64_t bytes)
{
    simdisk *disk = context;
    enter(disk);
    if (!file->writable)
        return leave(disk, EBADF);
    if (bytes > FILE_BYTES_MAX)
        return leave(disk, EFBIG);
    if (bytes > disk_image_size(disk->now, file->node)) {
        disk_image_resize(disk->now, file->node, bytes);
        record_file(disk, TRACE_PREALLOCATE, file, bytes);
    }
    return leave(disk, 0);
}

static int sim_size(void *context, levin_file *file, uint64_t *bytes)
{
    simdisk *disk = context;
    enter(disk);
    *bytes = disk_image_size(disk->now, file->node);
    return leave(disk, 0);
}

/* Whether another open file has a lock that excludes this one. */
static bool lock_excluded(const simdisk *disk, const levin_file *file, held_lock wanted)
{
    for (const levin_file *other = disk->files; other; other = other->next)
        for (unsigned i = 0; other != file && other->node == file->node && i < other->lock_count; i++)
            if ((wanted.exclusive || other->locks[i].exclusive) && other->locks[i].first < wanted.end &&
                wanted.first < other->locks[i].end)
                return true;
    return false;
}

/* The file's lock on exactly that range, or the place for one more. */
static held_lock *lock_at(levin_file *file, uint64_t first, uint64_t end)
{
    unsigned i = 0;
    while (i < file->lock_count && (file->locks[i].first != first || file->locks[i].end != end))
        i++;
    if (i == LOCKS_MAX)
        fatal("an open file has more than %d locks", LOCKS_MAX);
    return &file->locks[i];
}

static void lock_set(levin_file *file, held_lock wanted)
{
    held_lock *lock = lock_at(file, wanted.first, wanted.end);
    file->lock_count += lock == file->locks + file->lock_count;
    *lock = wanted;
}

static int sim_lock(void *context, levin_file *file, bool exclusive)
{
    simdisk *disk = context;
    const held_lock all = { 0, UINT64_MAX, exclusive };
    enter(disk);
    if (lock_excluded(disk, file, all))
        return leave(disk, EAGAIN);
    lock_set(file, all);
    return leave(disk, 0);
}

#if LEVIN_IO_VERSION >= 2 /* the gate builds this file with the headers of an earlier engine, too */
static int sim_lock_range(void *context, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    simdisk *disk = context;
    const held_lock wanted = { offset, offset + bytes, how != LEVIN_IO_LOCK_SHARED };
    enter(disk);
    if (how == LEVIN_IO_LOCK_NONE) {
        held_lock *lock = lock_at(file, wanted.first, wanted.end);
        if (lock < file->locks + file->lock_count)
            *lock = file->locks[--file->lock_count];
        pthread_cond_broadcast(&disk->unlocked);
        return leave(disk, 0);
    }
    if ((how == LEVIN_IO_LOCK_EXCLUSIVE || how == LEVIN_IO_LOCK_WAIT) && !file->writable)
        return leave(disk, EBADF); /* as fcntl() */
    while (how == LEVIN_IO_LOCK_WAIT && lock_excluded(disk, file, wanted))
        pthread_cond_wait(&disk->unlocked, &disk->mutex);
    if (lock_excluded(disk, file, wanted))
        return leave(disk, EAGAIN);
    if (how != LEVIN_IO_LOCK_TEST)
        lock_set(file, wanted);
    return leave(disk, 0);
}

static uint64_t sim_process_id(void *context)
{
    (void)context;
    return 1;
}
#endif

/* ---- Names ----------------------------------------------------------------------------------------------- */

/* Whether `node` is `directory` or above it. */
static bool holds(const disk_image *image, disk_node node, disk_node directory)
{
    struct link_search search = { image, directory };
    return node == directory ||
           (disk_image_is_dir(image, node) && disk_image_list(image, node, find_link, &search) != 0);
}

static int any_entry(void *context, const char *name, disk_node node)
{
    (void)context;
    (void)name;
    (void)node;
    return 1;
}

/* Whether `node`, out of `from`, may take a name in `to`, where `old` has it now (DISK_NONE: nobody). */
static int rename_allowed(const disk_image *image, disk_node node, disk_node from, disk_node to, disk_node old)
{
    bool directory = disk_image_is_dir(image, node);
    if (directory && holds(image, node, to))
        return EINVAL;
    if (old == DISK_NONE)
        return 0;
    if (holds(image, old, from))
        return ENOTEMPTY;
    if (disk_image_is_dir(image, old) != directory)
        return directory ? ENOTDIR : EISDIR;
    return directory && disk_image_list(image, old, any_entry, NULL) ? ENOTEMPTY : 0;
}

static int sim_rename(void *context, const char *from, const char *to)
{
    simdisk *disk = context;
    char name[DISK_NAME_MAX + 1] = "", to_name[DISK_NAME_MAX + 1] = "";
    enter(disk);
    disk_node directory = disk_image_parent(disk->now, from, name);
    disk_node to_directory = disk_image_parent(disk->now, to, to_name);
    disk_node node = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(disk->now, directory, name);
    if (node == DISK_NONE || to_directory == DISK_NONE)
        return leave(disk, ENOENT);
    disk_node old = disk_image_lookup(disk->now, to_directory, to_name);
    if (old == node)
        return leave(disk, 0); /* POSIX: two names of one file stay */
    int error = rename_allowed(disk->now, node, directory, to_directory, old);
    if (error)
        return leave(disk, error);
    disk_image_link(disk->now, to_directory, to_name, node);
    disk_image_unlink(disk->now, directory, name);
    if (old != DISK_NONE)
        drop_if_unused(disk, old);
    trace_entry entry = { .op = TRACE_RENAME, .kind = LEVIN_FILE_DIR, .node = node, .directory = directory,
                          .name = name, .to_directory = to_directory, .to_name = to_name };
    record(disk, &entry);
    return leave(disk, 0);
}

static int sim_unlink(void *context, const char *path)
{
    simdisk *disk = context;
    char name[DISK_NAME_MAX + 1] = "";
    enter(disk);
    disk_node directory = disk_image_parent(disk->now, path, name);
    disk_node node = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(disk->now, directory, name);
    if (node == DISK_NONE)
        return leave(disk, ENOENT);
    if (disk_image_is_dir(disk->now, node))
        return leave(disk, EISDIR);
    disk_image_unlink(disk->now, directory, name);
    drop_if_unused(disk, node);
    trace_entry entry = { .op = TRACE_UNLINK, .kind = LEVIN_FILE_DIR, .node = node, .directory = directory,
                          .name = name };
    record(disk, &entry);
    return leave(disk, 0);
}

static int sim_make_dir(void *context, const char *path)
{
    simdisk *disk = context;
    char name[DISK_NAME_MAX + 1] = "";
    enter(disk);
    disk_node directory = disk_image_parent(disk->now, path, name);
    if (directory == DISK_NONE)
        return leave(disk, disk_image_find(disk->now, path) == DISK_NONE ? ENOENT : EEXIST);
    if (disk_image_lookup(disk->now, directory, name) != DISK_NONE)
        return leave(disk, EEXIST);
    disk_node node = disk->next_node++;
    disk_image_add(disk->now, node, true);
    disk_image_link(disk->now, directory, name, node);
    trace_entry entry = { .op = TRACE_MAKE_DIR, .kind = LEVIN_FILE_DIR, .node = node, .directory = directory,
                          .name = name };
    record(disk, &entry);
    return leave(disk, 0);
}

static int find_directory(const disk_image *image, const char *path, disk_node *node)
{
    *node = disk_image_find(image, path);
    return *node == DISK_NONE ? ENOENT : disk_image_is_dir(image, *node) ? 0 : ENOTDIR;
}

static int sim_sync_dir(void *context, const char *path)
{
    simdisk *disk = context;
    char name[DISK_NAME_MAX + 1] = "";
    disk_node node;
    enter(disk);
    int error = find_directory(disk->now, path, &node);
    if (error)
        return leave(disk, error);
    disk->usage.syncs++;
    (void)disk_image_parent(disk->now, path, name);
    trace_entry entry = { .op = TRACE_SYNC_DIR, .kind = LEVIN_FILE_DIR, .node = node, .name = name };
    record(disk, &entry);
    return leave(disk, 0);
}

struct listing {
    levin_io_entry entry;
    void *context;
};

static int list_entry(void *context, const char *name, disk_node node)
{
    const struct listing *listing = context;
    (void)node;
    return listing->entry(listing->context, name);
}

static int sim_list(void *context, const char *path, levin_io_entry entry, void *entry_context)
{
    simdisk *disk = context;
    struct listing listing = { entry, entry_context };
    disk_node node;
    enter(disk);
    int error = find_directory(disk->now, path, &node);
    if (error)
        return leave(disk, error);
    const disk_image *frozen = disk_image_fork(disk->now); /* the callback may call this table */
    leave(disk, 0);
    int result = disk_image_list(frozen, node, list_entry, &listing);
    disk_image_unref(frozen);
    return result;
}

/* ---- Memory, clock, randomness --------------------------------------------------------------------------- */

static void *sim_alloc(void *context, size_t bytes, size_t alignment)
{
    simdisk *disk = context;
    void *memory = alignment <= 16 ? malloc(bytes ? bytes : 1)
                                   : aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!memory)
        return NULL;
    /* all of these are statistics: relaxed, pair with nothing */
    uint64_t held = atomic_fetch_add_explicit(&disk->memory_bytes, bytes, memory_order_relaxed) + bytes;
    uint64_t peak = atomic_load_explicit(&disk->memory_peak_bytes, memory_order_relaxed);
    while (held > peak && !atomic_compare_exchange_weak_explicit(&disk->memory_peak_bytes, &peak, held,
                                                                 memory_order_relaxed, memory_order_relaxed))
        continue;
    atomic_fetch_add_explicit(&disk->allocations, 1, memory_order_relaxed);
    return memory;
}

static void sim_free(void *context, void *memory, size_t bytes)
{
    simdisk *disk = context;
    if (!memory)
        return;
    free(memory);
    atomic_fetch_sub_explicit(&disk->memory_bytes, bytes, memory_order_relaxed); /* statistics */
    atomic_fetch_sub_explicit(&disk->allocations, 1, memory_order_relaxed);
}

static uint64_t sim_now_ns(void *context)
{
    simdisk *disk = context;
    return atomic_fetch_add_explicit(&disk->clock_ns, CLOCK_STEP_NS, memory_order_relaxed); /* pairs with nothing */
}

static int sim_random(void *context, void *buffer, size_t bytes)
{
    simdisk *disk = context;
    enter(disk);
    random_fill(&disk->random, buffer, bytes);
    return leave(disk, 0);
}

/* ---- The disk -------------------------------------------------------------------------------------------- */

simdisk *simdisk_create(const disk_image *start, trace *recorder)
{
    simdisk *disk = fatal_alloc_zeroed(sizeof *disk);
    if (pthread_mutex_init(&disk->mutex, NULL) || pthread_cond_init(&disk->unlocked, NULL))
        fatal("a mutex of the simulated disk could not be made");
    disk->now = start ? disk_image_fork(start) : disk_image_create();
    disk->next_node = disk_image_next_node(disk->now);
    disk->record = recorder;
    disk->random = random_open(0, 0);
    atomic_init(&disk->clock_ns, 1000000000);
    disk->table = (levin_io){
        .version = LEVIN_IO_VERSION, .context = disk, .open = sim_open, .close = sim_close, .read_at = sim_read_at,
        .write_at = sim_write_at, .sync = sim_sync, .truncate = sim_truncate, .preallocate = sim_preallocate,
        .size = sim_size, .rename = sim_rename, .unlink = sim_unlink, .make_dir = sim_make_dir,
        .sync_dir = sim_sync_dir, .list = sim_list, .lock = sim_lock, .alloc = sim_alloc, .free = sim_free,
        .now_ns = sim_now_ns, .random = sim_random };
#if LEVIN_IO_VERSION >= 2
    disk->table.lock_range = sim_lock_range;
    disk->table.process_id = sim_process_id;
#endif
    return disk;
}

const levin_io *simdisk_io(simdisk *disk)
{
    return &disk->table;
}

disk_image *simdisk_image(simdisk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    disk_image *image = disk_image_fork(disk->now);
    pthread_mutex_unlock(&disk->mutex);
    return image;
}

void simdisk_seed(simdisk *disk, uint64_t seed)
{
    pthread_mutex_lock(&disk->mutex);
    disk->random = random_open(seed, 0);
    pthread_mutex_unlock(&disk->mutex);
}

void simdisk_count(simdisk *disk, simdisk_usage *usage)
{
    pthread_mutex_lock(&disk->mutex);
    *usage = disk->usage;
    pthread_mutex_unlock(&disk->mutex);
    /* statistics: relaxed, pair with nothing */
    usage->memory_bytes = atomic_load_explicit(&disk->memory_bytes, memory_order_relaxed);
    usage->memory_peak_bytes = atomic_load_explicit(&disk->memory_peak_bytes, memory_order_relaxed);
    usage->allocations = atomic_load_explicit(&disk->allocations, memory_order_relaxed);
}

bool simdisk_destroy(simdisk *disk, simdisk_usage *usage)
{
    simdisk_usage last;
    simdisk_count(disk, &last);
    if (usage)
        *usage = last;
    for (levin_file *f = disk->files, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    disk_image_unref(disk->now);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
    return last.memory_bytes == 0 && last.allocations == 0 && last.open_files == 0;
}
