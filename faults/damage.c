/*
 * damage.c - the operations of damage.h on a disk image.
 *
 * Invariants: nothing but the file named (and, for a swap, the other name) changes; ranges end with the file.
 * Concurrency: the image is private to the caller.
 */
#include "damage.h"

#include <string.h>

#include "random.h"

enum { RANGE_MAX = 1 << 16 };

typedef struct target {
    disk_image *image;
    const damage *d;
    disk_node node;
    uint64_t size;
} target;

static void change_byte(const target *t)
{
    uint8_t byte = 0;
    disk_image_read(t->image, t->node, &byte, 1, t->d->offset);
    byte = t->d->operation == DAMAGE_BYTE ? t->d->parameter : byte ^ (uint8_t)(1u << t->d->parameter % 8);
    disk_image_write(t->image, t->node, &byte, 1, t->d->offset);
}

static void change_range(const target *t)
{
    uint8_t bytes[RANGE_MAX];
    const damage *d = t->d;
    size_t n = d->length < RANGE_MAX ? d->length : RANGE_MAX;
    n = n < t->size - d->offset ? n : (size_t)(t->size - d->offset);
    memset(bytes, d->operation == DAMAGE_ONES ? 0xff : 0, n);
    if (d->operation == DAMAGE_GARBAGE) {
        random_stream random = random_open(d->parameter, d->offset);
        random_fill(&random, bytes, n);
    }
    disk_image_write(t->image, t->node, bytes, n, d->offset);
}

static void misdirect(const target *t, size_t unit)
{
    uint8_t bytes[DISK_BLOCK_BYTES] = { 0 };
    uint64_t units = (t->size + unit - 1) / unit;
    disk_image_read(t->image, t->node, bytes, unit, t->d->length % units * unit);
    uint64_t at = t->d->offset / unit * unit, left = t->size - at;
    disk_image_write(t->image, t->node, bytes, left < unit ? (size_t)left : unit, at);
}

static void make_stale(const target *t)
{
    uint8_t bytes[DISK_SECTOR_BYTES];
    const damage *d = t->d;
    uint64_t end = t->size - d->offset < d->length ? t->size : d->offset + d->length;
    if (d->older_node == DISK_NONE)
        return;
    for (uint64_t at = d->offset; at < end;) {
        uint64_t next = (at / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
        next = next < end ? next : end;
        memset(bytes, 0, sizeof bytes);
        disk_image_read(d->older, d->older_node, bytes, (size_t)(next - at), at);
        if (d->operation != DAMAGE_TORN || at / DISK_SECTOR_BYTES % 2 == d->parameter % 2)
            disk_image_write(t->image, t->node, bytes, (size_t)(next - at), at);
        at = next;
    }
}

static void make_stale_file(const target *t)
{
    const damage *d = t->d;
    if (d->older_node == DISK_NONE) {
        disk_image_unlink(t->image, d->directory, d->name);
        return;
    }
    uint64_t size = disk_image_size(d->older, d->older_node);
    disk_image_resize(t->image, t->node, 0);
    disk_image_resize(t->image, t->node, size);
    for (uint64_t i = 0; i * DISK_BLOCK_BYTES < size; i++)
        disk_image_put_block(t->image, t->node, i, disk_image_block(d->older, d->older_node, i));
}

static void swap_names(const target *t)
{
    const damage *d = t->d;
    disk_node other = disk_image_lookup(t->image, d->directory, d->other);
    disk_image_link(t->image, d->directory, d->name, other);
    disk_image_link(t->image, d->directory, d->other, t->node);
}

void damage_do(disk_image *image, const damage *d)
{
    target t = { .image = image, .d = d, .node = disk_image_lookup(image, d->directory, d->name) };
    t.size = disk_image_size(image, t.node);
    if (!t.size && d->operation < DAMAGE_CUT)
        return;
    switch (d->operation) {
    case DAMAGE_FLIP:
    case DAMAGE_BYTE:
        change_byte(&t);
        return;
    case DAMAGE_ZERO:
    case DAMAGE_ONES:
    case DAMAGE_GARBAGE:
        change_range(&t);
        return;
    case DAMAGE_SECTOR:
        misdirect(&t, DISK_SECTOR_BYTES);
        return;
    case DAMAGE_BLOCK:
        misdirect(&t, DISK_BLOCK_BYTES);
        return;
    case DAMAGE_STALE:
    case DAMAGE_TORN:
        make_stale(&t);
        return;
    case DAMAGE_CUT:
        disk_image_resize(image, t.node, d->offset);
        return;
    case DAMAGE_GROW:
        disk_image_resize(image, t.node, t.size + d->length);
        return;
    case DAMAGE_LOST:
        disk_image_unlink(image, d->directory, d->name);
        return;
    case DAMAGE_STALE_FILE:
        make_stale_file(&t);
        return;
    case DAMAGE_SWAP:
        swap_names(&t);
        return;
    case DAMAGE_OPERATIONS:
        return;
    }
}
