/*
 * recording.c - from inodes and records to nodes and entries of a trace.
 *
 * Invariants: an inode stands for a node from its creation to the next creation with the same number (the kernel uses
 * numbers again).  Directories are known by the place that they have now, so that each call is told with full paths.
 * The threads are numbered in the order in which they first come.
 *
 * A record that names an inode which nobody has seen is of a file that came in by a way that was not recorded; it is
 * a problem of the recording, and told.
 *
 * Concurrency: none.
 */
#include "recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fatal.h"
#include "foreign_kind.h"
#include "random.h"

enum { COPY_BYTES = 65536, DEPTH_MAX = 64, PATH_BYTES = 4096 };

typedef struct inode_slot {
    uint64_t inode;
    disk_node node; /* DISK_NONE: a free slot */
} inode_slot;

typedef struct node_place { /* of a directory: where it is now */
    disk_node parent;
    char *name;
} node_place;

struct recording_nodes {
    inode_slot *slots;
    size_t used, capacity; /* a power of two */
    node_place *places;    /* by node; name NULL: a file */
    size_t places_capacity;
    disk_node next;
    uint32_t *threads;
    size_t thread_count;
    bool *mapped;          /* by node: stores into maps of it were seen */
};

/* ---- Nodes ----------------------------------------------------------------------------------------------- */

static inode_slot *slot_of(const recording_nodes *n, uint64_t inode)
{
    for (size_t i = random_mix(inode) & (n->capacity - 1);; i = (i + 1) & (n->capacity - 1))
        if (n->slots[i].node == DISK_NONE || n->slots[i].inode == inode)
            return &n->slots[i];
}

static disk_node node_of(const recording_nodes *n, uint64_t inode)
{
    return slot_of(n, inode)->node;
}

static void slots_grow(recording_nodes *n)
{
    inode_slot *old = n->slots;
    const size_t old_capacity = n->capacity;
    n->capacity = old_capacity ? 2 * old_capacity : 1024;
    n->slots = fatal_alloc(n->capacity * sizeof n->slots[0]);
    for (size_t i = 0; i < n->capacity; i++)
        n->slots[i] = (inode_slot){ 0, DISK_NONE };
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].node != DISK_NONE)
            *slot_of(n, old[i].inode) = old[i];
    free(old);
}

static disk_node node_new(recording_nodes *n, uint64_t inode)
{
    if (2 * n->used >= n->capacity)
        slots_grow(n);
    inode_slot *slot = slot_of(n, inode);
    n->used += slot->node == DISK_NONE;
    *slot = (inode_slot){ inode, n->next++ };
    if (n->next > n->places_capacity) {
        const size_t old = n->places_capacity;
        n->places_capacity = old ? 2 * old : 256;
        n->places = fatal_realloc(n->places, n->places_capacity * sizeof n->places[0]);
        memset(n->places + old, 0, (n->places_capacity - old) * sizeof n->places[0]);
        n->mapped = fatal_realloc(n->mapped, n->places_capacity * sizeof n->mapped[0]);
        memset(n->mapped + old, 0, (n->places_capacity - old) * sizeof n->mapped[0]);
    }
    return slot->node;
}

static void place_set(recording_nodes *n, disk_node node, disk_node parent, const char *name)
{
    char *copy = strdup(name);
    if (!copy)
        fatal("the harness is out of memory");
    free(n->places[node].name);
    n->places[node] = (node_place){ parent, copy };
}

void recording_nodes_free(recording_nodes *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->places_capacity; i++)
        free(n->places[i].name);
    free(n->places);
    free(n->mapped);
    free(n->slots);
    free(n->threads);
    free(n);
}

/* "a/b/name" for a name in a directory. */
static void path_of(const recording_nodes *n, disk_node directory, const char *name, char path[PATH_BYTES])
{
    const char *parts[DEPTH_MAX];
    int count = 0;
    size_t used = 0;
    for (disk_node at = directory; at != DISK_ROOT && at < n->next && n->places[at].name && count < DEPTH_MAX;
         at = n->places[at].parent)
        parts[count++] = n->places[at].name;
    path[0] = 0;
    while (count-- && used < PATH_BYTES)
        used += (size_t)snprintf(path + used, PATH_BYTES - used, "%s/", parts[count]);
    if (used < PATH_BYTES)
        snprintf(path + used, PATH_BYTES - used, "%s", name);
}

/* ---- The start ------------------------------------------------------------------------------------------- */

static int start_file(trace *t, disk_node node, int fd, const char *name)
{
    uint8_t *bytes = fatal_alloc(COPY_BYTES);
    struct stat stat;
    int error = fstat(fd, &stat) ? errno : 0;
    uint64_t at = 0;
    while (!error) {
        ssize_t got = pread(fd, bytes, COPY_BYTES, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            error = got < 0 ? errno : 0;
            break;
        }
        bool zeros = bytes[0] == 0 && !memcmp(bytes, bytes + 1, (size_t)got - 1); /* the size says it */
        if (!zeros)
            trace_append(t, &(trace_entry){ .op = TRACE_WRITE, .kind = foreign_kind(name), .node = node, .name = name,
                                            .offset = at, .bytes = (uint64_t)got, .data = bytes });
        at += (uint64_t)got;
    }
    if (!error && at)
        trace_append(t, &(trace_entry){ .op = TRACE_TRUNCATE, .kind = foreign_kind(name), .node = node, .name = name,
                                        .bytes = at });
    free(bytes);
    return error;
}

static int start_directory(trace *t, recording_nodes *n, disk_node node, int fd, int depth);

static int start_entry(trace *t, recording_nodes *n, disk_node parent, int directory, const char *name, int depth)
{
    struct stat stat;
    if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW))
        return errno;
    if (!S_ISDIR(stat.st_mode) && !S_ISREG(stat.st_mode))
        return 0;
    trace_entry entry = { .op = S_ISDIR(stat.st_mode) ? TRACE_MAKE_DIR : TRACE_CREATE, .kind = LEVIN_FILE_DIR,
                          .directory = parent, .name = name, .node = node_of(n, stat.st_ino) };
    if (entry.node != DISK_NONE) { /* one more name of a file */
        entry.op = TRACE_LINK;
        trace_append(t, &entry);
        return 0;
    }
    entry.node = node_new(n, stat.st_ino);
    trace_append(t, &entry);
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error;
    if (fd < 0)
        return errno;
    if (S_ISDIR(stat.st_mode)) {
        place_set(n, entry.node, parent, name);
        return start_directory(t, n, entry.node, fd, depth + 1);
    }
    error = start_file(t, entry.node, fd, name);
    close(fd);
    return error;
}

static int any_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

/* Closes the descriptor. */
static int start_directory(trace *t, recording_nodes *n, disk_node node, int fd, int depth)
{
    struct dirent **names = NULL;
    int count = depth > DEPTH_MAX ? (errno = ELOOP, -1) : scandirat(fd, ".", &names, any_name, alphasort);
    int error = count < 0 ? errno : 0;
    for (int i = 0; i < count; i++) {
        if (!error)
            error = start_entry(t, n, node, fd, names[i]->d_name, depth);
        free(names[i]);
    }
    free(names);
    close(fd);
    return error;
}

int recording_start(trace *t, const char *directory, recording_nodes **nodes)
{
    struct stat stat;
    recording_nodes *n = fatal_alloc_zeroed(sizeof *n);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fstat(fd, &stat) ? errno : 0;
    if (!error) {
        node_new(n, stat.st_ino); /* DISK_ROOT */
        error = start_directory(t, n, DISK_ROOT, fd, 0);
        trace_append(t, &(trace_entry){ .op = TRACE_START, .kind = LEVIN_FILE_DIR });
    } else if (fd >= 0)
        close(fd);
    if (error) {
        recording_nodes_free(n);
        n = NULL;
    }
    *nodes = n;
    return error;
}

/* ---- Records --------------------------------------------------------------------------------------------- */

static const char *call_name(uint16_t number)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {
#define CALL(name) { SYS_##name, #name }
        CALL(write), CALL(pwrite64), CALL(writev), CALL(pwritev), CALL(pwritev2), CALL(openat), CALL(openat2),
        CALL(fsync), CALL(fdatasync), CALL(sync_file_range), CALL(syncfs), CALL(sync), CALL(msync), CALL(ftruncate),
        CALL(truncate), CALL(fallocate), CALL(renameat), CALL(renameat2), CALL(linkat), CALL(symlinkat),
        CALL(mknodat), CALL(unlinkat), CALL(mkdirat), CALL(copy_file_range), CALL(sendfile), CALL(splice),
        CALL(io_uring_setup), CALL(io_setup), CALL(execve), CALL(execveat),
#ifdef SYS_open /* newer kinds of processors have those of the line before alone */
        CALL(open), CALL(creat), CALL(rename), CALL(link), CALL(symlink), CALL(mknod), CALL(unlink), CALL(mkdir),
        CALL(rmdir),
#endif
#undef CALL
    };
    if (number == UINT16_MAX)
        return RECORDING_MAP_STORE;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number)
            return calls[i].name;
    return "call";
}

typedef struct record_texts {
    char name[DISK_NAME_MAX + 1], to_name[DISK_NAME_MAX + 1], path[PATH_BYTES], call[2 * PATH_BYTES + 300];
} record_texts;

static void take_text(char *to, size_t capacity, const uint8_t *from, size_t bytes)
{
    bytes = bytes < capacity ? bytes : capacity - 1;
    memcpy(to, from, bytes);
    to[bytes] = 0;
}

static uint32_t thread_number(recording_nodes *n, uint32_t thread)
{
    for (size_t i = 0; i < n->thread_count; i++)
        if (n->threads[i] == thread)
            return (uint32_t)i + 1;
    n->threads = fatal_realloc(n->threads, (n->thread_count + 1) * sizeof n->threads[0]);
    n->threads[n->thread_count++] = thread;
    return (uint32_t)n->thread_count;
}

static trace_op op_of(const recorder_record *r, bool directory)
{
    switch ((recorder_op)r->op) {
    case RECORDER_WRITE: return TRACE_WRITE;
    case RECORDER_TRUNCATE: return TRACE_TRUNCATE;
    case RECORDER_PREALLOCATE: return TRACE_PREALLOCATE;
    case RECORDER_SYNC: return directory ? TRACE_SYNC_DIR : TRACE_SYNC;
    case RECORDER_SYNC_RANGE: return TRACE_SYNC_RANGE;
    case RECORDER_SYNC_ALL: return TRACE_SYNC_ALL;
    case RECORDER_SYNC_LOST: return directory ? TRACE_NOTE : TRACE_SYNC_LOST;
    case RECORDER_SYNC_KEPT: return TRACE_SYNC_KEPT;
    case RECORDER_FLUSH: return TRACE_FLUSH;
    case RECORDER_CREATE: return TRACE_CREATE;
    case RECORDER_MAKE_DIR: return TRACE_MAKE_DIR;
    case RECORDER_LINK: return TRACE_LINK;
    case RECORDER_RENAME: return TRACE_RENAME;
    case RECORDER_UNLINK: return TRACE_UNLINK;
    case RECORDER_MARK: return TRACE_MARK;
    case RECORDER_NOTE: break;
    }
    return TRACE_NOTE;
}

static bool names_node(trace_op op)
{
    return op != TRACE_SYNC_ALL && op != TRACE_MARK && op != TRACE_NOTE;
}

static bool names_entry(trace_op op)
{
    return op == TRACE_CREATE || op == TRACE_MAKE_DIR || op == TRACE_LINK || op == TRACE_RENAME || op == TRACE_UNLINK;
}

/* The nodes of an entry on names, and its call in words. False: one is not known. */
static bool take_names(recording_nodes *n, const recorder_record *r, trace_entry *e, record_texts *x)
{
    char path[PATH_BYTES], to_path[PATH_BYTES];
    const char *call = call_name(r->call);
    const bool nameless = e->op == TRACE_CREATE && !x->name[0];
    e->kind = LEVIN_FILE_DIR;
    e->directory = nameless ? DISK_ROOT : node_of(n, r->directory);
    if (e->directory == DISK_NONE)
        return false;
    if (e->op == TRACE_CREATE || e->op == TRACE_MAKE_DIR)
        e->node = node_new(n, r->inode);
    path_of(n, e->directory, x->name, path);
    if (e->op == TRACE_RENAME) {
        e->to_directory = node_of(n, r->to_directory);
        if (e->to_directory == DISK_NONE)
            return false;
        path_of(n, e->to_directory, x->to_name, to_path);
        snprintf(x->call, sizeof x->call, "%s %s to %s", call, path, to_path);
        e->to_name = x->to_name;
    } else if (e->op == TRACE_LINK)
        snprintf(x->call, sizeof x->call, "%s %s to %s", call, x->path[0] ? x->path : "a file without a name", path);
    else
        snprintf(x->call, sizeof x->call, "%s %s%s", call, nameless ? "without a name" : path,
                 e->op == TRACE_CREATE ? " (new)" : "");
    e->name = x->name;
    if (e->op == TRACE_MAKE_DIR || (e->op == TRACE_RENAME && n->places[e->node].name))
        place_set(n, e->node, e->op == TRACE_RENAME ? e->to_directory : e->directory,
                  e->op == TRACE_RENAME ? x->to_name : x->name);
    return true;
}

static bool take_record(trace *t, recording_nodes *n, const recorder_record *r, const uint8_t *rest, char *problem,
                        size_t capacity)
{
    record_texts x;
    take_text(x.name, sizeof x.name, rest, r->op == RECORDER_NOTE ? 0 : r->name);
    take_text(x.to_name, sizeof x.to_name, rest + r->name, r->to_name);
    take_text(x.path, sizeof x.path, rest + r->name + r->to_name, r->path);
    disk_node node = node_of(n, r->inode);
    const bool directory = node != DISK_NONE && (node == DISK_ROOT || n->places[node].name);
    trace_entry e = { .op = op_of(r, directory), .kind = directory ? LEVIN_FILE_DIR : foreign_kind(x.path),
                      .node = node, .name = x.path, .offset = r->offset, .bytes = r->bytes,
                      .thread = thread_number(n, r->thread), .call = x.call };
    if (r->data)
        e.data = rest + r->name + r->to_name + r->path;
    snprintf(x.call, sizeof x.call, "%s%s", call_name(r->call), node == DISK_ROOT && !x.path[0] ? " ." : "");
    if (e.op == TRACE_NOTE) {
        snprintf(x.call, sizeof x.call, "%s %s: %.*s", call_name(r->call), x.path, (int)r->name, (const char *)rest);
        e.name = "";
    }
    if (names_node(e.op) && e.op != TRACE_CREATE && e.op != TRACE_MAKE_DIR && e.node == DISK_NONE) {
        snprintf(problem, capacity, "%s of %s%s%s: a file that was not seen to come", call_name(r->call), x.path,
                 x.path[0] ? "" : "inode ", x.path[0] ? "" : "unknown");
        return false;
    }
    if (names_entry(e.op) && !take_names(n, r, &e, &x)) {
        snprintf(problem, capacity, "%s of %s in a directory that was not seen to come", call_name(r->call), x.name);
        return false;
    }
    if (e.op == TRACE_SYNC_RANGE && e.bytes == 0)
        e.bytes = UINT64_MAX / 2 - e.offset;
    if (r->op == RECORDER_WRITE && r->call == UINT16_MAX)
        n->mapped[e.node] = true;
    trace_append(t, &e);
    return true;
}

bool recording_take(trace *t, recording_nodes *n, const recorder_log *log, char *problem, size_t capacity)
{
    /* acquire: pairs with the release of who wrote the last record */
    const uint64_t head = atomic_load_explicit(&log->head, memory_order_acquire);
    if (log->failed[0]) {
        snprintf(problem, capacity, "%s", log->failed);
        return false;
    }
    for (uint64_t at = offsetof(recorder_log, records); at < head;) {
        recorder_record r;
        memcpy(&r, (const uint8_t *)log + at, sizeof r);
        if (r.size < sizeof r || r.size > head - at || r.size % 8) {
            snprintf(problem, capacity, "the log of the recorder is damaged at byte %llu", (unsigned long long)at);
            return false;
        }
        if (!take_record(t, n, &r, (const uint8_t *)log + at + sizeof r, problem, capacity))
            return false;
        at += r.size;
    }
    return true;
}

/* ---- Held against files ---------------------------------------------------------------------------------- */

static void replay(disk_image *image, const trace_entry *e)
{
    switch (e->op) {
    case TRACE_CREATE:
    case TRACE_MAKE_DIR:
        disk_image_add(image, e->node, e->op == TRACE_MAKE_DIR);
        if (*e->name)
            disk_image_link(image, e->directory, e->name, e->node);
        break;
    case TRACE_LINK: disk_image_link(image, e->directory, e->name, e->node); break;
    case TRACE_RENAME:
        disk_image_link(image, e->to_directory, e->to_name, e->node);
        disk_image_unlink(image, e->directory, e->name);
        break;
    case TRACE_UNLINK: disk_image_unlink(image, e->directory, e->name); break;
    case TRACE_WRITE: disk_image_write(image, e->node, e->data, (size_t)e->bytes, e->offset); break;
    case TRACE_TRUNCATE: disk_image_resize(image, e->node, e->bytes); break;
    case TRACE_PREALLOCATE:
        if (disk_image_size(image, e->node) < e->bytes)
            disk_image_resize(image, e->node, e->bytes);
        break;
    default: break; /* syncs and words change nothing that a process sees */
    }
}

disk_image *recording_replay(const trace *t)
{
    disk_image *image = disk_image_create();
    for (uint64_t i = 0; i < trace_length(t); i++)
        replay(image, trace_at(t, i));
    return image;
}

typedef struct comparison {
    const disk_image *replayed, *real;
    disk_node in_real;
    char path[PATH_BYTES];
    char *difference;
    size_t capacity;
    trace *t;                 /* not NULL: differences in mapped files are appended */
    const recording_nodes *nodes;
} comparison;

static int differ(comparison *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int differ(comparison *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->difference, c->capacity, format, arguments);
    va_end(arguments);
    return 1;
}

/* Appends what a mapped file holds and the trace does not. */
static void append_difference(const comparison *c, disk_node node, disk_node real, const char *path)
{
    uint8_t a[DISK_BLOCK_BYTES], b[DISK_BLOCK_BYTES];
    for (uint64_t at = 0; at < disk_image_size(c->real, real); at += sizeof a) {
        memset(a, 0, sizeof a);
        disk_image_read(c->replayed, node, a, sizeof a, at);
        size_t part = disk_image_read(c->real, real, b, sizeof b, at);
        if (memcmp(a, b, part))
            trace_append(c->t, &(trace_entry){ .op = TRACE_WRITE, .kind = foreign_kind(path), .node = node,
                                               .name = path, .offset = at, .bytes = part, .data = b,
                                               .call = RECORDING_MAP_STORE ", found at the end" });
    }
}

static int compare_file(comparison *c, disk_node node, disk_node real, const char *path)
{
    uint8_t a[DISK_BLOCK_BYTES], b[DISK_BLOCK_BYTES];
    const uint64_t size = disk_image_size(c->replayed, node), real_size = disk_image_size(c->real, real);
    if (c->t) {
        if (c->nodes->mapped[node] && size == real_size)
            append_difference(c, node, real, path);
        return 0;
    }
    if (size != real_size)
        return differ(c, "%s: %llu bytes by the trace, %llu in the directory", path, (unsigned long long)size,
                      (unsigned long long)real_size);
    for (uint64_t at = 0; at < size; at += sizeof a) {
        size_t part = disk_image_read(c->replayed, node, a, sizeof a, at);
        disk_image_read(c->real, real, b, sizeof b, at);
        if (memcmp(a, b, part))
            return differ(c, "%s: the block at %llu is another by the trace", path, (unsigned long long)at);
    }
    return 0;
}

static int compare_entry(void *context, const char *name, disk_node node)
{
    comparison *c = context;
    const disk_node parent = c->in_real, real = disk_image_lookup(c->real, parent, name);
    const size_t used = strlen(c->path);
    snprintf(c->path + used, sizeof c->path - used, "%s%s", used ? "/" : "", name);
    int result = 0;
    if (real == DISK_NONE || disk_image_is_dir(c->replayed, node) != disk_image_is_dir(c->real, real))
        result = c->t ? 0 : differ(c, "%s: there by the trace, not in the directory", c->path);
    else if (!disk_image_is_dir(c->replayed, node))
        result = compare_file(c, node, real, c->path);
    else {
        c->in_real = real;
        result = disk_image_list(c->replayed, node, compare_entry, c);
        c->in_real = parent;
    }
    c->path[used] = 0;
    return result;
}

static int missing_entry(void *context, const char *name, disk_node real)
{
    comparison *c = context; /* the two images have changed places */
    const disk_node parent = c->in_real, node = disk_image_lookup(c->real, parent, name);
    const size_t used = strlen(c->path);
    snprintf(c->path + used, sizeof c->path - used, "%s%s", used ? "/" : "", name);
    int result = 0;
    if (node == DISK_NONE)
        result = differ(c, "%s: in the directory, not there by the trace", c->path);
    else if (disk_image_is_dir(c->replayed, real)) {
        c->in_real = node;
        result = disk_image_list(c->replayed, real, missing_entry, c);
        c->in_real = parent;
    }
    c->path[used] = 0;
    return result;
}

void recording_take_maps(trace *t, const recording_nodes *nodes, const char *directory)
{
    int error;
    disk_image *real = disk_image_import(directory, &error), *replayed = recording_replay(t);
    comparison c = { .replayed = replayed, .real = real, .in_real = DISK_ROOT, .t = t, .nodes = nodes };
    if (real)
        disk_image_list(replayed, DISK_ROOT, compare_entry, &c);
    disk_image_unref(real);
    disk_image_unref(replayed);
}

bool recording_matches(const trace *t, const char *directory, char *difference, size_t capacity)
{
    int error, result;
    disk_image *real = disk_image_import(directory, &error), *replayed;
    if (!real) {
        snprintf(difference, capacity, "%s: %s", directory, strerror(error));
        return false;
    }
    replayed = recording_replay(t);
    comparison c = { .replayed = replayed, .real = real, .in_real = DISK_ROOT, .difference = difference,
                     .capacity = capacity };
    result = disk_image_list(replayed, DISK_ROOT, compare_entry, &c);
    if (!result) {
        c.replayed = real;
        c.real = replayed;
        result = disk_image_list(real, DISK_ROOT, missing_entry, &c);
    }
    disk_image_unref(real);
    disk_image_unref(replayed);
    return result == 0;
}
