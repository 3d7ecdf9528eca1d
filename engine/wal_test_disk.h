/*
 * wal_test_disk.h - for the tests of the log only: a small disk in memory behind the I/O table, and a client of
 * the log.
 *
 * The disk keeps what the kernel shows (data) apart from what the device holds (durable), by sectors of 512 bytes,
 * and names likewise.  A sync moves dirty sectors to the device; a failed sync marks them clean without moving
 * them.  A write that fails has still written a part of its bytes (disk.failed_write: none, half, all).  Calls,
 * allocations included, are counted, and the Nth can be made to fail, once or from then on.
 */
#ifndef LEVIN_WAL_TEST_DISK_H
#define LEVIN_WAL_TEST_DISK_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wal_internal.h"

enum { DISK_NODES = 512, DISK_SECTOR = 512 };
enum failed_write { WRITES_NONE, WRITES_HALF, WRITES_ALL };
enum crash { KILL, POWER_CUT, POWER_CUT_TORN }; /* all kept; all unsynced lost; each dirty sector and name by lot */

typedef struct node {
    uint8_t *data, *durable, *dirty; /* capacity bytes; one flag a sector */
    size_t size, durable_size, capacity;
    bool size_dirty;
} node;

typedef struct entry {
    char name[32];
    node *target;
} entry;

typedef struct disk {
    levin_io io;
    node nodes[DISK_NODES];
    size_t node_count;
    entry names[DISK_NODES], durable_names[DISK_NODES];
    size_t name_count, durable_count;
    uint64_t random;
    /* faults */
    uint64_t calls, fail_at; /* 0: never */
    bool for_ever;
    unsigned fail_count;
    enum failed_write failed_write;
    int fail_writes;         /* so many of the next writes fail */
    int fail_syncs, fail_dir_syncs;
    int flip_reads;          /* flip one bit in so many of the next reads that are longer than a header */
    /* what has been done */
    uint64_t opened, writes, syncs, dir_syncs, allocs, allocated_bytes, largest_alloc, creates, unlinks, written;
} disk;

struct levin_file {
    node *target;
};

static inline uint64_t disk_random(disk *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random;
}

/* Whether this call is to fail. */
static inline bool disk_fault(disk *d)
{
    d->calls++;
    if (!d->fail_at || d->calls < d->fail_at || (d->calls > d->fail_at && !d->for_ever))
        return false;
    d->fail_count++;
    return true;
}

static inline entry *disk_find(disk *d, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i].name, name) == 0)
            return &d->names[i];
    return NULL;
}

static inline entry *disk_segment(disk *d, uint64_t number)
{
    return disk_find(d, wal_segment_name(number).text);
}

static inline void node_grow(node *n, size_t capacity)
{
    if (capacity <= n->capacity)
        return;
    size_t rounded = (capacity + 65535) / 65536 * 65536;
    n->data = realloc(n->data, rounded);
    n->durable = realloc(n->durable, rounded);
    n->dirty = realloc(n->dirty, rounded / DISK_SECTOR);
    memset(n->data + n->capacity, 0, rounded - n->capacity);
    memset(n->durable + n->capacity, 0, rounded - n->capacity);
    memset(n->dirty + n->capacity / DISK_SECTOR, 0, (rounded - n->capacity) / DISK_SECTOR);
    n->capacity = rounded;
}

static inline entry *disk_name(disk *d, const char *name, node *target)
{
    ck_assert_uint_lt(d->name_count, DISK_NODES);
    entry *e = &d->names[d->name_count++];
    snprintf(e->name, sizeof e->name, "%s", name);
    e->target = target;
    return e;
}

static inline int disk_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **out)
{
    disk *d = context;
    (void)kind;
    if (disk_fault(d))
        return EMFILE;
    entry *e = disk_find(d, path);
    if (e && (flags & LEVIN_IO_EXCLUSIVE))
        return EEXIST;
    if (!e && !(flags & LEVIN_IO_CREATE))
        return ENOENT;
    if (!e) {
        ck_assert_uint_lt(d->node_count, DISK_NODES);
        e = disk_name(d, strrchr(path, '/') + 1, &d->nodes[d->node_count++]);
        d->creates++;
    }
    *out = malloc(sizeof **out);
    (*out)->target = e->target;
    d->opened++;
    return 0;
}

static inline int disk_close(void *context, levin_file *f)
{
    ((disk *)context)->opened--;
    free(f);
    return 0;
}

static inline int disk_read(void *context, levin_file *f, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    disk *d = context;
    *done = 0;
    if (disk_fault(d))
        return EIO;
    if (offset < f->target->size) {
        *done = f->target->size - offset < bytes ? f->target->size - (size_t)offset : bytes;
        memcpy(buffer, f->target->data + offset, *done);
    }
    if (*done > 512 && d->flip_reads) {
        d->flip_reads--;
        for (size_t i = 100; i < *done; i += 512)
            ((uint8_t *)buffer)[i] ^= 4;
    }
    return 0;
}

static inline void disk_store(disk *d, node *n, const uint8_t *from, size_t bytes, uint64_t offset)
{
    if (!bytes)
        return;
    node_grow(n, (size_t)offset + bytes);
    memcpy(n->data + offset, from, bytes);
    for (size_t s = (size_t)offset / DISK_SECTOR; s <= ((size_t)offset + bytes - 1) / DISK_SECTOR; s++)
        n->dirty[s] = 1;
    if (offset + bytes > n->size) {
        n->size = (size_t)offset + bytes;
        n->size_dirty = true;
    }
    d->written += bytes;
}

static inline int disk_write(void *context, levin_file *f, const levin_slice *parts, size_t count, uint64_t offset,
                             size_t *done)
{
    disk *d = context;
    size_t bytes = 0;
    *done = 0;
    d->writes++;
    ck_assert_uint_le(count, LEVIN_IO_PARTS_MAX);
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].size;
    bool fails = disk_fault(d);
    if (d->fail_writes) {
        d->fail_writes--;
        fails = true;
    }
    size_t limit = !fails || d->failed_write == WRITES_ALL ? bytes : d->failed_write == WRITES_HALF ? bytes / 2 : 0;
    for (size_t i = 0, at = 0; i < count && at < limit; i++) {
        size_t step = parts[i].size < limit - at ? parts[i].size : limit - at;
        disk_store(d, f->target, parts[i].data, step, offset + at);
        at += step;
    }
    if (fails)
        return EIO;
    *done = bytes;
    return 0;
}

static inline int disk_sync(void *context, levin_file *f)
{
    disk *d = context;
    node *n = f->target;
    d->syncs++;
    bool fails = disk_fault(d);
    if (d->fail_syncs) {
        d->fail_syncs--;
        fails = true;
    }
    for (size_t s = 0; s * DISK_SECTOR < n->capacity; s++) {
        if (n->dirty[s] && !fails)
            memcpy(n->durable + s * DISK_SECTOR, n->data + s * DISK_SECTOR, DISK_SECTOR);
        n->dirty[s] = 0; /* a failed sync too: the kernel calls the page clean */
    }
    if (!fails)
        n->durable_size = n->size;
    n->size_dirty = false;
    return fails ? EIO : 0;
}

static inline int disk_truncate(void *context, levin_file *f, uint64_t bytes)
{
    (void)context, (void)f, (void)bytes;
    return ENOSYS; /* the log never does */
}

static inline int disk_preallocate(void *context, levin_file *f, uint64_t bytes)
{
    if (disk_fault(context))
        return ENOSPC;
    node_grow(f->target, (size_t)bytes);
    if (f->target->size < bytes) {
        f->target->size = (size_t)bytes;
        f->target->size_dirty = true;
    }
    return 0;
}

static inline int disk_size(void *context, levin_file *f, uint64_t *bytes)
{
    if (disk_fault(context))
        return EIO;
    *bytes = f->target->size;
    return 0;
}

static inline void disk_remove(disk *d, entry *e)
{
    *e = d->names[--d->name_count];
}

static inline int disk_rename(void *context, const char *from, const char *to)
{
    disk *d = context;
    if (disk_fault(d))
        return EIO;
    entry *e = disk_find(d, from), *old = disk_find(d, to);
    if (!e)
        return ENOENT;
    node *target = e->target;
    if (old && old->target == target)
        return 0; /* two names of one file: POSIX does nothing */
    disk_remove(d, e);
    old = disk_find(d, to);
    if (old)
        old->target = target;
    else
        disk_name(d, strrchr(to, '/') + 1, target);
    return 0;
}

static inline int disk_unlink(void *context, const char *path)
{
    disk *d = context;
    if (disk_fault(d))
        return EIO;
    entry *e = disk_find(d, path);
    if (!e)
        return ENOENT;
    disk_remove(d, e);
    d->unlinks++;
    return 0;
}

static inline int disk_sync_dir(void *context, const char *path)
{
    disk *d = context;
    (void)path;
    d->dir_syncs++;
    bool fails = disk_fault(d);
    if (d->fail_dir_syncs) {
        d->fail_dir_syncs--;
        fails = true;
    }
    if (fails)
        return EIO;
    memcpy(d->durable_names, d->names, sizeof d->names);
    d->durable_count = d->name_count;
    return 0;
}

static inline int disk_list(void *context, const char *path, levin_io_entry each, void *each_context)
{
    disk *d = context;
    (void)path;
    if (disk_fault(d))
        return EIO;
    for (size_t i = 0; i < d->name_count; i++) {
        int result = each(each_context, d->names[i].name);
        if (result)
            return result;
    }
    return 0;
}

static inline void *disk_alloc(void *context, size_t bytes, size_t alignment)
{
    disk *d = context;
    if (disk_fault(d))
        return NULL;
    d->allocs++;
    d->allocated_bytes += bytes;
    if (bytes > d->largest_alloc)
        d->largest_alloc = bytes;
    return aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
}

static inline void disk_free(void *context, void *memory, size_t bytes)
{
    ((disk *)context)->allocated_bytes -= bytes;
    free(memory);
}

static inline uint64_t disk_now(void *context)
{
    return ((disk *)context)->calls;
}

static inline int disk_random_bytes(void *context, void *buffer, size_t bytes)
{
    (void)context;
    memset(buffer, 7, bytes);
    return 0;
}

static inline disk *disk_new(uint64_t seed)
{
    disk *d = calloc(1, sizeof *d);
    d->random = seed * 0x9e3779b97f4a7c15u | 1;
    d->io = (levin_io){ .version = LEVIN_IO_VERSION, .context = d, .open = disk_open, .close = disk_close,
                        .read_at = disk_read, .write_at = disk_write, .sync = disk_sync, .truncate = disk_truncate,
                        .preallocate = disk_preallocate, .size = disk_size, .rename = disk_rename,
                        .unlink = disk_unlink, .sync_dir = disk_sync_dir, .list = disk_list, .alloc = disk_alloc,
                        .free = disk_free, .now_ns = disk_now, .random = disk_random_bytes };
    return d;
}

static inline void disk_delete(disk *d)
{
    for (size_t i = 0; i < d->node_count; i++) {
        free(d->nodes[i].data);
        free(d->nodes[i].durable);
        free(d->nodes[i].dirty);
    }
    free(d);
}

/* No handle and no byte is left over. */
static inline void disk_check_leaks(const disk *d)
{
    ck_assert_uint_eq(d->opened, 0);
    ck_assert_uint_eq(d->allocated_bytes, 0);
}

static inline void disk_no_faults(disk *d)
{
    d->fail_at = 0;
    d->fail_writes = d->fail_syncs = d->fail_dir_syncs = d->flip_reads = 0;
}

/* The disk as the next process finds it. */
static inline void disk_crash(disk *d, enum crash how)
{
    disk_no_faults(d);
    if (how == KILL)
        return;
    if (how == POWER_CUT || (disk_random(d) & 1)) { /* names go one way or the other; both were syncable states */
        memcpy(d->names, d->durable_names, sizeof d->names);
        d->name_count = d->durable_count;
    }
    for (size_t i = 0; i < d->node_count; i++) {
        node *n = &d->nodes[i];
        bool keep_size = how == POWER_CUT_TORN && n->size_dirty && (disk_random(d) & 1);
        for (size_t s = 0; s * DISK_SECTOR < n->capacity; s++) {
            if (how == POWER_CUT_TORN && n->dirty[s] && (disk_random(d) & 1))
                memcpy(n->durable + s * DISK_SECTOR, n->data + s * DISK_SECTOR, DISK_SECTOR);
            n->dirty[s] = 0;
        }
        if (keep_size)
            n->durable_size = n->size;
        n->size = n->durable_size;
        n->size_dirty = false;
        if (n->capacity)
            memset(n->durable + n->size, 0, n->capacity - n->size);
        if (n->capacity)
            memcpy(n->data, n->durable, n->capacity);
    }
    memcpy(d->durable_names, d->names, sizeof d->names);
    d->durable_count = d->name_count;
}

/* What is there is on the device: a base for changing bytes by hand. */
static inline void disk_settle(disk *d)
{
    for (size_t i = 0; i < d->node_count; i++) {
        node *n = &d->nodes[i];
        if (n->capacity) {
            memcpy(n->durable, n->data, n->capacity);
            memset(n->dirty, 0, n->capacity / DISK_SECTOR);
        }
        n->durable_size = n->size;
    }
    memcpy(d->durable_names, d->names, sizeof d->names);
    d->durable_count = d->name_count;
}

static inline disk *disk_copy(const disk *from)
{
    disk *d = malloc(sizeof *d);
    memcpy(d, from, sizeof *d);
    d->io.context = d;
    for (size_t i = 0; i < d->node_count; i++) {
        node *n = &d->nodes[i];
        const node *f = &from->nodes[i];
        n->data = n->durable = n->dirty = NULL;
        if (f->capacity) {
            n->data = malloc(f->capacity);
            n->durable = malloc(f->capacity);
            n->dirty = malloc(f->capacity / DISK_SECTOR);
            memcpy(n->data, f->data, f->capacity);
            memcpy(n->durable, f->durable, f->capacity);
            memcpy(n->dirty, f->dirty, f->capacity / DISK_SECTOR);
        }
    }
    for (size_t i = 0; i < d->name_count; i++)
        d->names[i].target = d->nodes + (from->names[i].target - from->nodes);
    for (size_t i = 0; i < d->durable_count; i++)
        d->durable_names[i].target = d->nodes + (from->durable_names[i].target - from->nodes);
    d->opened = d->allocated_bytes = 0; /* handles and memory belong to the original */
    return d;
}

/* Whether both show the same files with the same bytes. */
static inline bool disk_equal(disk *a, disk *b)
{
    if (a->name_count != b->name_count)
        return false;
    for (size_t i = 0; i < a->name_count; i++) {
        const entry *other = disk_find(b, a->names[i].name);
        const node *n = a->names[i].target;
        if (!other || other->target->size != n->size ||
            (n->size && memcmp(other->target->data, n->data, n->size) != 0))
            return false;
    }
    return true;
}

/* ---- a client of the log ---------------------------------------------------------------------------------- */

/* Batch number i has one put, of a value whose size and bytes follow from (i, salt). */
enum { CLIENT_GROUPS = 4096 };
typedef struct client {
    disk *d;
    wal_options options;
    wal_start start;
    wal *log;
    levin_error error;
    uint32_t salt;        /* makes a later life's bytes differ */
    size_t value_bytes;   /* of each batch */
    uint8_t *groups[CLIENT_GROUPS]; /* memory of appended groups */
    size_t group_count;
    /* replayed */
    uint64_t first, last; /* sequence numbers; 0: none */
    uint32_t salts[CLIENT_GROUPS * 4];
    bool bad;             /* a replayed batch was not as written, or out of order */
    uint8_t *reserved[CLIENT_GROUPS];
    size_t reserved_bytes[CLIENT_GROUPS], reserved_count;
} client;

static inline void client_init(client *c, disk *d, uint64_t segment_bytes)
{
    memset(c, 0, sizeof *c);
    c->d = d;
    c->options = (wal_options){ .io = &d->io, .directory = "/store", .segment_bytes = segment_bytes,
                                .sector_bytes = 512, .spares = 2 };
    memset(c->options.identity, 0x5a, 16);
    c->start = (wal_start){ lsn_make(1, 512), 0, 0, 0, 0 };
    c->salt = 1;
    c->value_bytes = 100;
}

static inline void client_free_groups(client *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        free(c->groups[i]);
    c->group_count = 0;
}

static inline uint8_t *client_reserve(void *context, size_t bytes)
{
    client *c = context;
    uint8_t *memory = c->options.io->alloc(c->options.io->context, bytes, 16);
    if (memory) {
        ck_assert_uint_lt(c->reserved_count, CLIENT_GROUPS);
        c->reserved[c->reserved_count] = memory;
        c->reserved_bytes[c->reserved_count++] = bytes;
    }
    return memory;
}

static inline uint8_t client_byte(uint64_t sequence, uint32_t salt, size_t i)
{
    return (uint8_t)(sequence * 31 + salt * 7 + i * 3);
}

static inline levin_code client_batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes,
                                      size_t count, levin_error *error)
{
    client *c = context;
    (void)error;
    if (c->last && sequence != c->last + 1)
        c->bad = true;
    if (!c->last)
        c->first = sequence;
    c->last = sequence;
    if (count != 1 || bytes != record_bytes(operations) || record_key_bytes(operations) != 12 ||
        load_u64(record_key(operations)) != sequence) {
        c->bad = true;
        return LEVIN_OK;
    }
    uint32_t salt = load_u32(record_key(operations) + 8);
    for (size_t i = 0; i < record_value_bytes(operations); i++)
        if (record_value(operations)[i] != client_byte(sequence, salt, i))
            c->bad = true;
    c->salts[sequence % (CLIENT_GROUPS * 4)] = salt;
    return LEVIN_OK;
}

static inline levin_code client_open(client *c)
{
    const wal_visitor visitor = { .context = c, .reserve = client_reserve, .batch = client_batch };
    c->first = c->last = 0;
    c->bad = false;
    levin_code code = wal_recover(&c->options, &c->start, &visitor, &c->log, &c->error);
    for (size_t i = 0; i < c->reserved_count; i++)
        c->options.io->free(c->options.io->context, c->reserved[i], c->reserved_bytes[i]);
    c->reserved_count = 0;
    return code;
}

static inline levin_code client_create(client *c)
{
    levin_code code = wal_create(&c->options, &c->error);
    return code ? code : client_open(c);
}

static inline void client_close(client *c)
{
    wal_close(c->log);
    c->log = NULL;
    client_free_groups(c);
}

/* Appends one group of `batches` batches from `sequence` on. */
static inline levin_code client_append(client *c, uint64_t sequence, unsigned batches)
{
    size_t batch = BATCH_HEADER_BYTES + RECORD_HEADER_BYTES + 12 + c->value_bytes, payload = batch * batches;
    uint8_t *group = malloc(wal_group_bytes(c->log, payload)), *to = group + WAL_GROUP_HEADER_BYTES;
    memset(group, 0xee, wal_group_bytes(c->log, payload));
    for (unsigned b = 0; b < batches; b++, to += batch) {
        uint8_t *record = to + BATCH_HEADER_BYTES;
        store_u32(to + BATCH_OPS_BYTES, (uint32_t)(batch - BATCH_HEADER_BYTES));
        store_u32(to + BATCH_OP_COUNT, 1);
        store_u32(to + BATCH_DURABILITY, LEVIN_SYNCED);
        store_u32(to + BATCH_RESERVED, 0);
        record[RECORD_KIND] = RECORD_PUT;
        record[RECORD_FLAGS] = 0;
        store_u16(record + RECORD_KEY_BYTES, 12);
        store_u32(record + RECORD_VALUE_BYTES, (uint32_t)c->value_bytes);
        store_u64(record + RECORD_HEADER_BYTES, sequence + b);
        store_u32(record + RECORD_HEADER_BYTES + 8, c->salt);
        for (size_t i = 0; i < c->value_bytes; i++)
            record[RECORD_HEADER_BYTES + 12 + i] = client_byte(sequence + b, c->salt, i);
    }
    ck_assert_uint_lt(c->group_count, CLIENT_GROUPS);
    c->groups[c->group_count++] = group;
    return wal_append(c->log, group, payload, batches, sequence, &c->error);
}

static inline levin_code client_put(client *c, uint64_t sequence)
{
    levin_code code = client_append(c, sequence, 1);
    return code ? code : wal_sync(c->log, &c->error);
}

#define assert_ok(expression)                                                                                   \
    do {                                                                                                        \
        levin_code assert_code_ = (expression);                                                                 \
        ck_assert_msg(assert_code_ == LEVIN_OK, "%s: %s", #expression, levin_code_name(assert_code_));          \
    } while (0)
#define assert_code(wanted, expression)                                                                         \
    do {                                                                                                        \
        levin_code assert_code_ = (expression);                                                                 \
        ck_assert_msg(assert_code_ == (wanted), "%s: %s, not %s", #expression, levin_code_name(assert_code_),   \
                      levin_code_name(wanted));                                                                 \
    } while (0)

/* The log holds exactly the batches first..last (0, 0: none), as written. */
#define assert_replayed(c, wanted_first, wanted_last)                                                           \
    do {                                                                                                        \
        ck_assert(!(c)->bad);                                                                                   \
        ck_assert_uint_eq((c)->first, (wanted_first));                                                          \
        ck_assert_uint_eq((c)->last, (wanted_last));                                                            \
    } while (0)

#endif
