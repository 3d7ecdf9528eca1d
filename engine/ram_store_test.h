/*
 * ram_store_test.h - for tests and benchmarks: a page file in memory behind an I/O table that counts and fails on
 * request, and a store of tree, space and cache over it that takes batches through memtable and merge.
 */
#ifndef LEVIN_RAM_STORE_TEST_H
#define LEVIN_RAM_STORE_TEST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "checksum.h"
#include "memtable.h"
#include "merge.h"

typedef struct ram_disk {
    levin_io table;
    uint8_t *bytes;
    size_t size, capacity;
    size_t held, held_bytes;     /* allocations not freed */
    uint64_t reads, writes;
    uint64_t calls;              /* alloc, read_at and write_at, since armed */
    uint64_t fail_at;            /* 1: the first call after arming; 0: none */
    bool fail_on;                /* and all after it */
    uint64_t failed;
} ram_disk;

static inline bool ram_fails(ram_disk *d)
{
    uint64_t call = ++d->calls;
    bool fails = d->fail_at && (call == d->fail_at || (d->fail_on && call > d->fail_at));
    d->failed += fails;
    return fails;
}

static inline void ram_arm(ram_disk *d, uint64_t fail_at, bool fail_on)
{
    d->calls = d->failed = 0;
    d->fail_at = fail_at;
    d->fail_on = fail_on;
}

static int ram_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **handle)
{
    (void)path, (void)kind, (void)flags;
    *handle = context;
    return 0;
}

static int ram_close(void *context, levin_file *handle)
{
    (void)context, (void)handle;
    return 0;
}

static int ram_read(void *context, levin_file *handle, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    ram_disk *d = context;
    (void)handle;
    d->reads++;
    if (ram_fails(d))
        return EIO;
    *done = offset >= d->size ? 0 : d->size - offset < bytes ? (size_t)(d->size - offset) : bytes;
    if (*done)
        memcpy(buffer, d->bytes + offset, *done);
    return 0;
}

static int ram_write(void *context, levin_file *handle, const levin_slice *parts, size_t count, uint64_t offset,
                     size_t *done)
{
    ram_disk *d = context;
    (void)handle;
    d->writes++;
    if (ram_fails(d))
        return ENOSPC;
    for (size_t i = 0; i < count; i++) {
        if (offset + parts[i].size > d->capacity) {
            size_t capacity = 2 * (offset + parts[i].size);
            d->bytes = realloc(d->bytes, capacity);
            if (!d->bytes)
                abort();
            memset(d->bytes + d->capacity, 0, capacity - d->capacity);
            d->capacity = capacity;
        }
        memcpy(d->bytes + offset, parts[i].data, parts[i].size);
        offset += parts[i].size;
        *done += parts[i].size;
    }
    if (offset > d->size)
        d->size = offset;
    return 0;
}

static void *ram_alloc(void *context, size_t bytes, size_t alignment)
{
    ram_disk *d = context;
    void *memory = NULL;
    if (ram_fails(d))
        return NULL;
    if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes) != 0)
        abort();
    d->held++;
    d->held_bytes += bytes;
    return memory;
}

static void ram_free(void *context, void *memory, size_t bytes)
{
    ram_disk *d = context;
    d->held--;
    d->held_bytes -= bytes;
    free(memory);
}

static inline const levin_io *ram_disk_init(ram_disk *d)
{
    memset(d, 0, sizeof *d);
    d->table = (levin_io){.version = LEVIN_IO_VERSION, .context = d, .open = ram_open, .close = ram_close,
                          .read_at = ram_read, .write_at = ram_write, .alloc = ram_alloc, .free = ram_free};
    return &d->table;
}

/* ---- a store ---- */

typedef struct ram_store {
    ram_disk *disk;
    const levin_io *io;
    uint64_t identity, cache_bytes;
    file pages;
    page_cache *cache;
    space *space;
    tree t;
    uint64_t keys, leaf_pages, branch_pages, overflow_pages;
    const mem_node *mask; /* ranges that the next merge deletes */
} ram_store;

static inline void store_fail(const char *what, const levin_error *e)
{
    fprintf(stderr, "%s: %s\n", what, e->message);
    abort();
}

/* A cache that knows nothing, of the same budget. */
static inline void store_cool(ram_store *s)
{
    page_cache_destroy(s->cache);
    s->cache = page_cache_create(&s->pages, s->t.page_bytes, s->identity, s->cache_bytes);
    if (!s->cache)
        abort();
    s->t.cache = s->cache;
}

/* io: the disk's table, or another. */
static inline void store_init(ram_store *s, ram_disk *disk, const levin_io *io, const char *directory,
                              uint32_t page_bytes, uint64_t cache_bytes)
{
    levin_error error;
    uint8_t identity[16] = "identity of test";
    memset(s, 0, sizeof *s);
    s->disk = disk;
    s->io = io;
    s->identity = checksum_identity(identity);
    s->cache_bytes = cache_bytes;
    s->t = (tree){.identity = s->identity, .page_bytes = page_bytes, .page_count = page_first(page_bytes)};
    if (file_open(&s->pages, io, directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error))
        store_fail("open", &error);
    s->space = space_create(io, page_bytes, page_first(page_bytes));
    if (!s->space)
        abort();
    store_cool(s);
}

static inline void store_fini(ram_store *s)
{
    page_cache_destroy(s->cache);
    space_destroy(s->space);
    file_close(&s->pages);
    if (s->disk)
        free(s->disk->bytes);
}

static inline merge_options store_merge_options(ram_store *s, const mem_node *changes)
{
    return (merge_options){.io = s->io, .cache = s->cache, .space = s->space, .old = s->t, .old_keys = s->keys,
                           .old_leaf_pages = s->leaf_pages, .old_branch_pages = s->branch_pages,
                           .old_overflow_pages = s->overflow_pages, .generation = s->t.generation + 1,
                           .memory_bytes = 1 << 20,
                           .changes = {changes, s->mask}};
}

/* Merges to the end. The store is as before; result is filled on success. steps may be NULL. */
static inline levin_code store_merge(ram_store *s, const mem_node *changes, merge_result *result, uint64_t *steps,
                                     levin_error *error)
{
    merge_options options = store_merge_options(s, changes);
    merge *m;
    bool done = false;
    levin_code code = merge_begin(&options, &m, error);
    while (!code && !done) {
        code = merge_step(m, &done, error);
        if (steps)
            ++*steps;
    }
    if (!code)
        merge_finish(m, result);
    merge_end(m);
    return code;
}

/* The new tree takes the place of the old one, whose pages become free. */
static inline void store_adopt(ram_store *s, merge_result *r)
{
    levin_error error;
    for (size_t i = 0; i < r->freed.count; i++) {
        page_cache_forget(s->cache, r->freed.items[i].first, r->freed.items[i].pages);
        if (space_give(s->space, r->freed.items[i], &error))
            store_fail("give", &error);
    }
    extent_list_fini(&r->freed, s->io);
    s->t = r->root;
    s->keys = r->keys;
    s->leaf_pages = r->leaf_pages;
    s->branch_pages = r->branch_pages;
    s->overflow_pages = r->overflow_pages;
    page_cache_reclaim(s->cache);
}

/* One operation into an open group of the memtable. value NULL: delete. */
static inline void mem_apply(memtable *mem, enum record_kind kind, const void *key, size_t key_bytes, const void *value,
                             size_t value_bytes)
{
    uint8_t *r = arena_reserve(memtable_arena(mem), RECORD_HEADER_BYTES + key_bytes + value_bytes);
    if (!r)
        abort();
    memset(r, 0, RECORD_HEADER_BYTES);
    store_u8(r + RECORD_KIND, (uint8_t)kind);
    store_u16(r + RECORD_KEY_BYTES, (uint16_t)key_bytes);
    store_u32(r + RECORD_VALUE_BYTES, (uint32_t)value_bytes);
    memcpy(r + RECORD_HEADER_BYTES, key, key_bytes);
    if (value_bytes)
        memcpy(r + RECORD_HEADER_BYTES + key_bytes, value, value_bytes);
    if (!memtable_apply(mem, r))
        abort();
}

static inline uint64_t random_next(uint64_t *state)
{
    /* SplitMix64 (Steele, Lea, Flood 2014) */
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
