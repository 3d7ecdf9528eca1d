/*
 * crash_model.c - what survives a power cut.
 *
 * The model
 *
 * Data.  Bytes written to a file are unsynced until a sync of that file that was called after the write returned
 * has itself returned without error.  From then on they are durable, with the size that they gave the file.  A
 * crash finds any subset of the unsynced writes on the device, in any order, whatever the order of the calls; where
 * two kept writes overlap, the later one is on top.  A sync that runs while the power goes promises nothing: the
 * crash before its return sees any subset.
 *
 * Sectors.  The device writes sectors of 512 bytes, each at once.  A write of several sectors may be torn: any
 * subset of its sectors is there.  The sector under the head when the power went may hold anything (garbage) or
 * zeros; it is destroyed whole, also bytes in it that the write did not touch.
 *
 * Size.  A write past the end changes size and data, and either may come first.  Size first: the file is longer and
 * the new part reads as zeros, or as whatever the blocks held before (garbage).  Data first: the file has its old
 * size and the part past it is lost.  A truncation is kept or dropped as a whole.  Preallocation is a change of
 * size: dropped, half done, kept, or kept with garbage at its ends.  All of these are durable after a sync of the
 * file.
 *
 * Names.  Creating, renaming and unlinking are durable after a sync of the directory that holds the entry; a sync
 * of the file does not make its name durable, and the file's data may be durable without a name (then nobody finds
 * it).  Operations on one entry (directory, name) reach the device in order: one is there only if all earlier ones
 * on its entries are. Operations on different entries have no order.  A directory that is not there takes all below
 * it along.
 *
 * Rename changes two entries, and replaces the target at once: a process never finds the target missing.  A crash
 * may find it half done: both names stand for the file.  Neither name standing for it happens on request only (no
 * journaling file system does it).  If the two entries are in different directories, a sync of the new one makes
 * the new name durable; a sync of the old one makes the whole rename durable.
 *
 * Failed sync.  Where pages are kept, nothing has happened.  Where they are lost (Linux: the error is reported once,
 * the pages are marked clean), the file's unsynced writes never reach the device, while reads go on showing them;
 * only the new size does, later.  The kernel writes whole pages of 4 KiB: a later write into a lost page takes the
 * page's other lost bytes along; as with any write, no sector of the page that stays as it is on the device is hurt.
 * Where they are reverted (Btrfs), reads show what is durable from then on, and nothing is left to be taken along;
 * changes of the size by truncation or preallocation stay.  (That some of the pages had reached the device before the
 * error is covered by the crash before the failed sync's return, not in combination with what is written afterwards.)
 *
 * Sync of a range (msync, O_DSYNC).  The bytes of the range, rounded to pages of 4 KiB, are durable, and so is the
 * size, as far as they need it; what the file's other unsynced writes hold is not. sync() and syncfs() make all
 * durable, data and names. sync_file_range() promises nothing.
 *
 * Links.  One more name for a file is an operation on one entry, like a create; the name in a create may be missing
 * (O_TMPFILE): then the file has no entry until it is linked.
 *
 * Journaling (on request).  A sync of a file, or of a range of it, makes all earlier changes of names durable,
 * whatever their directory: ext4, XFS, Btrfs write their journal up to there.
 *
 * Lying sync (on request).  A sync, of file or directory, takes effect only when the same one is synced again.
 *
 * Not modelled: damage to durable bytes (corruption campaigns do that), writes to the wrong place.
 *
 * How it works
 *
 * `durable` is the image of what is promised.  Pending operations lie over it in order; a sync applies those of its
 * file.  chain[i] is durable with the first i operations, made on demand: an image is built from the longest prefix
 * that is kept whole. A pending write keeps its whole blocks as shared blocks with their hashes, so that putting it
 * into one more image moves pointers.  `cache` is what a process would see; it gives the lost pages their bytes.
 *
 * Concurrency: one thread.  A trace that does not fit the start image ends the run (fatal.h).
 */
#include "crash_model.h"

#include <stdlib.h>
#include <string.h>

#include "fatal.h"
#include "random.h"

typedef struct lost_block {
    disk_node node;
    uint64_t index;
} lost_block;

struct crash_model {
    const trace *t;
    bool lying_sync, sync_names;
    uint64_t point, start; /* entries of the start image in the trace itself */
    disk_image *durable, *cache;
    pending *list;
    size_t count, capacity;
    disk_image **chain; /* chain[0..chained): forks of durable with the first i operations */
    size_t chained, chain_capacity;
    lost_block *lost;
    size_t lost_count, lost_capacity;
};

/* ---- Pending operations ---------------------------------------------------------------------------------- */

static uint64_t first_whole_block(const pending *op)
{
    return (op->offset + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES;
}
static uint64_t end_whole_block(const pending *op)
{
    return (op->offset + op->bytes) / DISK_BLOCK_BYTES;
}

static void pending_fini(pending *op)
{
    if (op->blocks) {
        for (uint64_t i = 0, n = end_whole_block(op) - first_whole_block(op); i < n; i++)
            disk_block_unref(op->blocks[i]);
        free(op->blocks);
    }
    free(op->owned);
}

static void chain_drop(crash_model *m)
{
    for (size_t i = 0; i < m->chained; i++)
        disk_image_unref(m->chain[i]);
    m->chained = 0;
}

static pending *pending_add(crash_model *m, const trace_entry *call, pending_type type)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 64;
        m->list = fatal_realloc(m->list, m->capacity * sizeof m->list[0]);
    }
    pending *op = &m->list[m->count++];
    *op = (pending){ .type = type, .entry = m->point - 1, .call = call, .node = call->node, .offset = call->offset,
                     .bytes = call->bytes, .data = call->data, .after = { PENDING_NONE, PENDING_NONE } };
    if (type != PENDING_NAME)
        op->size_before = disk_image_size(m->cache, call->node);
    return op;
}

uint32_t pending_sectors(const pending *op)
{
    uint64_t first = op->offset / DISK_SECTOR_BYTES;
    uint64_t end = (op->offset + op->bytes + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES;
    return (uint32_t)(end - first);
}

/* Whether a name operation has yet to change the entry (directory, name). */
static bool touches(const pending *op, disk_node directory, const char *name)
{
    const trace_entry *call = op->call;
    return op->type == PENDING_NAME &&
           ((call->directory == directory && !strcmp(call->name, name)) ||
            (call->op == TRACE_RENAME && !op->linked && call->to_directory == directory &&
             !strcmp(call->to_name, name)));
}

/* Index of the last operation before `before` on that entry. */
static uint32_t last_on_entry(const crash_model *m, size_t before, disk_node directory, const char *name)
{
    for (size_t i = before; i-- > 0;)
        if (touches(&m->list[i], directory, name))
            return (uint32_t)i;
    return PENDING_NONE;
}

static void order_names(crash_model *m, size_t from)
{
    for (size_t i = from; i < m->count; i++) {
        pending *op = &m->list[i];
        if (op->type != PENDING_NAME)
            continue;
        op->after[0] = last_on_entry(m, i, op->call->directory, op->call->name);
        if (op->call->op == TRACE_RENAME)
            op->after[1] = last_on_entry(m, i, op->call->to_directory, op->call->to_name);
    }
}

/* ---- Applying an operation to an image ------------------------------------------------------------------- */

static void make_blocks(pending *op)
{
    uint64_t first = first_whole_block(op), end = end_whole_block(op);
    if (op->blocks || end <= first)
        return;
    op->blocks = fatal_alloc((size_t)(end - first) * sizeof op->blocks[0]);
    for (uint64_t b = first; b < end; b++)
        op->blocks[b - first] = disk_block_create(op->data + (b * DISK_BLOCK_BYTES - op->offset));
}

static void write_whole(disk_image *image, pending *op)
{
    uint64_t first = first_whole_block(op), end = end_whole_block(op), stop = op->offset + op->bytes;
    if (end <= first) {
        disk_image_write(image, op->node, op->data, (size_t)op->bytes, op->offset);
        return;
    }
    make_blocks(op);
    size_t head = (size_t)(first * DISK_BLOCK_BYTES - op->offset), tail = (size_t)(stop - end * DISK_BLOCK_BYTES);
    disk_image_write(image, op->node, op->data, head, op->offset);
    if (disk_image_size(image, op->node) < end * DISK_BLOCK_BYTES)
        disk_image_resize(image, op->node, end * DISK_BLOCK_BYTES);
    for (uint64_t b = first; b < end; b++)
        disk_image_put_block(image, op->node, b, op->blocks[b - first]);
    disk_image_write(image, op->node, op->data + (op->bytes - tail), tail, stop - tail);
}

static void grow(disk_image *image, disk_node node, uint64_t bytes)
{
    if (disk_image_size(image, node) < bytes)
        disk_image_resize(image, node, bytes);
}

static bool sector_kept(const fate *f, uint32_t sector)
{
    switch (f->mode) {
    case SECTORS_MASK: return sector < 64 && (f->bits >> sector & 1);
    case SECTORS_RANGE: return sector >= f->from && sector < f->to;
    case SECTORS_EXCEPT: return sector < f->from || sector >= f->to;
    case SECTORS_COIN: return random_mix(f->bits + sector) & 1;
    }
    return false;
}

static void write_sectors(disk_image *image, const pending *op, const fate *f)
{
    uint64_t first = op->offset / DISK_SECTOR_BYTES, end = op->offset + op->bytes;
    for (uint32_t s = 0, n = pending_sectors(op); s < n;) {
        uint32_t run = s;
        while (run < n && sector_kept(f, run))
            run++;
        if (run > s) {
            uint64_t from = (first + s) * DISK_SECTOR_BYTES, to = (first + run) * DISK_SECTOR_BYTES;
            from = from > op->offset ? from : op->offset;
            to = to < end ? to : end;
            disk_image_write(image, op->node, op->data + (from - op->offset), (size_t)(to - from), from);
        }
        s = run + 1;
    }
    if (f->full_size)
        grow(image, op->node, end);
}

/* Overwrites [from, to) of the file, as far as it goes, with random bytes (seed) or zeros. */
static void damage(disk_image *image, disk_node node, uint64_t from, uint64_t to, bool garbage, uint64_t seed)
{
    uint8_t bytes[DISK_BLOCK_BYTES] = { 0 };
    uint64_t size = disk_image_size(image, node);
    random_stream random = random_open(seed, from);
    to = to < size ? to : size;
    while (from < to) {
        size_t part = to - from < sizeof bytes ? (size_t)(to - from) : sizeof bytes;
        if (garbage)
            random_fill(&random, bytes, part);
        disk_image_write(image, node, bytes, part, from);
        from += part;
    }
}

/* Keeps the write but for a sector. Of lost pages that it takes along, not one that is on the device as it is. */
static void write_damaged(disk_image *image, pending *op, const fate *f)
{
    const uint64_t at = (op->offset / DISK_SECTOR_BYTES + f->from) * DISK_SECTOR_BYTES;
    uint8_t before[DISK_SECTOR_BYTES], after[DISK_SECTOR_BYTES];
    const size_t bytes = op->owned ? disk_image_read(image, op->node, before, sizeof before, at) : 0;
    write_whole(image, op);
    if (bytes && disk_image_read(image, op->node, after, sizeof after, at) == bytes && !memcmp(before, after, bytes))
        return;
    damage(image, op->node, at, at + DISK_SECTOR_BYTES, f->kind == FATE_GARBAGE, f->bits);
}

static void grow_with_garbage(disk_image *image, const pending *op, uint64_t end, uint64_t seed)
{
    uint64_t old = disk_image_size(image, op->node);
    if (end <= old)
        return;
    uint64_t edge = end - old < DISK_BLOCK_BYTES ? end - old : DISK_BLOCK_BYTES;
    disk_image_resize(image, op->node, end);
    damage(image, op->node, old, old + edge, true, seed);
    damage(image, op->node, end - edge, end, true, seed);
}

static void apply_write(disk_image *image, pending *op, const fate *f)
{
    uint64_t size = disk_image_size(image, op->node), end = op->offset + op->bytes;
    switch (f->kind) {
    case FATE_DROP: break;
    case FATE_SECTORS: write_sectors(image, op, f); break;
    case FATE_GARBAGE:
    case FATE_ZEROS: write_damaged(image, op, f); break;
    case FATE_SIZE_ZEROS: grow(image, op->node, end); break;
    case FATE_SIZE_GARBAGE: grow_with_garbage(image, op, end, f->bits); break;
    case FATE_DATA_ONLY:
        if (op->offset < size)
            disk_image_write(image, op->node, op->data, (size_t)((end < size ? end : size) - op->offset), op->offset);
        break;
    case FATE_KEEP:
    case FATE_BOTH_NAMES:
    case FATE_NO_NAME: write_whole(image, op); break;
    }
}

static void apply_grow(disk_image *image, const pending *op, const fate *f)
{
    uint64_t size = disk_image_size(image, op->node);
    if (f->kind == FATE_SECTORS && size < op->bytes)
        grow(image, op->node, size + (op->bytes - size) / 2 / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES);
    else if (f->kind == FATE_SIZE_GARBAGE)
        grow_with_garbage(image, op, op->bytes, f->bits);
    else if (f->kind != FATE_DROP && f->kind != FATE_SECTORS)
        grow(image, op->node, op->bytes);
}

static void apply_name(disk_image *image, const pending *op, const fate *f)
{
    const trace_entry *call = op->call;
    if (f->kind == FATE_DROP)
        return;
    switch (call->op) {
    case TRACE_CREATE:
    case TRACE_MAKE_DIR:
    case TRACE_LINK: disk_image_link(image, call->directory, call->name, op->node); break;
    case TRACE_UNLINK: disk_image_unlink(image, call->directory, call->name); break;
    case TRACE_RENAME:
        if (f->kind != FATE_NO_NAME && !op->linked)
            disk_image_link(image, call->to_directory, call->to_name, op->node);
        if (f->kind != FATE_BOTH_NAMES)
            disk_image_unlink(image, call->directory, call->name);
        break;
    default: break;
    }
}

static void apply(disk_image *image, pending *op, const fate *f)
{
    switch (op->type) {
    case PENDING_WRITE: apply_write(image, op, f); break;
    case PENDING_GROW: apply_grow(image, op, f); break;
    case PENDING_NAME: apply_name(image, op, f); break;
    case PENDING_RESIZE:
        if (f->kind != FATE_DROP)
            disk_image_resize(image, op->node, op->bytes);
        break;
    }
}

static const fate kept = { .kind = FATE_KEEP };

/* ---- The passage of time --------------------------------------------------------------------------------- */

/* Keeps those operations for which `gone` is not set; sets their order anew. */
static void pending_compact(crash_model *m, const bool *gone)
{
    size_t to = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (gone[i])
            pending_fini(&m->list[i]);
        else
            m->list[to++] = m->list[i];
    }
    m->count = to;
    order_names(m, 0);
    chain_drop(m);
}

/* A lying sync spares what it claims; true when the operation becomes durable now. */
static bool promote(crash_model *m, pending *op)
{
    if (m->lying_sync && !op->claimed) {
        op->claimed = true;
        return false;
    }
    return true;
}

static void take_sync(crash_model *m, disk_node node)
{
    bool *gone = fatal_alloc_zeroed(m->count * sizeof *gone);
    for (size_t i = 0; i < m->count; i++) {
        pending *op = &m->list[i];
        const bool synced = op->type == PENDING_NAME ? m->sync_names : op->node == node;
        if (!synced || !promote(m, op))
            continue;
        apply(m->durable, op, &kept);
        gone[i] = true;
    }
    pending_compact(m, gone);
    free(gone);
}

/* The part of a write in [from, to), which lies within it. */
static pending write_part(const pending *op, uint64_t from, uint64_t to)
{
    pending part = *op;
    part.offset = from;
    part.bytes = to - from;
    part.blocks = NULL;
    part.owned = NULL;
    part.data = op->data + (from - op->offset);
    if (op->owned)
        part.data = part.owned = memcpy(fatal_alloc((size_t)part.bytes), part.data, (size_t)part.bytes);
    return part;
}

/* The pages of [from, to) of a file: what unsynced writes hold there is durable, the rest of them stays unsynced. */
static void take_sync_range(crash_model *m, disk_node node, uint64_t from, uint64_t to)
{
    const size_t count = m->count;
    pending *list = fatal_alloc(2 * (count + 1) * sizeof *list);
    size_t n = 0;
    from = from / DISK_BLOCK_BYTES * DISK_BLOCK_BYTES;
    to = (to + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES * DISK_BLOCK_BYTES;
    for (size_t i = 0; i < count; i++) {
        pending *op = &m->list[i];
        const uint64_t end = op->offset + op->bytes;
        const bool sized = op->type == PENDING_RESIZE || op->type == PENDING_GROW;
        const bool names = op->type == PENDING_NAME;
        const bool synced = names ? m->sync_names
                                  : op->node == node && (sized || (end > from && op->offset < to));
        if (!synced || !promote(m, op)) {
            list[n++] = *op;
            continue;
        }
        if (sized || names) { /* sizes come in order, and the data needs the last */
            apply(m->durable, op, &kept);
            pending_fini(op);
            continue;
        }
        const uint64_t inner = op->offset > from ? op->offset : from, outer = end < to ? end : to;
        pending part = write_part(op, inner, outer);
        apply(m->durable, &part, &kept);
        pending_fini(&part);
        if (op->offset < inner)
            list[n++] = write_part(op, op->offset, inner);
        if (outer < end)
            list[n++] = write_part(op, outer, end);
        pending_fini(op);
    }
    if (n > m->capacity) {
        m->capacity = 2 * n;
        m->list = fatal_realloc(m->list, m->capacity * sizeof m->list[0]);
    }
    memcpy(m->list, list, n * sizeof *list);
    m->count = n;
    free(list);
    order_names(m, 0);
    chain_drop(m);
}

static void take_sync_all(crash_model *m)
{
    bool *gone = fatal_alloc_zeroed(m->count * sizeof *gone);
    for (size_t i = 0; i < m->count; i++)
        if (promote(m, &m->list[i])) {
            apply(m->durable, &m->list[i], &kept);
            gone[i] = true;
        }
    pending_compact(m, gone);
    free(gone);
}

/* Makes operation i durable, and before it all that must reach its entries earlier. */
static void promote_name(crash_model *m, size_t i, bool *gone)
{
    const trace_entry *call = m->list[i].call;
    for (int k = 0; k < 2; k++) {
        uint32_t before = m->list[i].after[k];
        if (before != PENDING_NONE && !gone[before] &&
            touches(&m->list[before], k ? call->to_directory : call->directory, k ? call->to_name : call->name))
            promote_name(m, before, gone);
    }
    apply(m->durable, &m->list[i], &kept);
    gone[i] = true;
}

static void take_sync_dir(crash_model *m, disk_node directory)
{
    bool *gone = fatal_alloc_zeroed(m->count * sizeof *gone);
    for (size_t i = 0; i < m->count; i++) {
        pending *op = &m->list[i];
        if (op->type != PENDING_NAME || gone[i])
            continue;
        bool from = op->call->directory == directory;
        bool to = op->call->op == TRACE_RENAME && op->call->to_directory == directory;
        if ((!from && !to) || !promote(m, op))
            continue;
        if (from)
            promote_name(m, i, gone);
        else if (!op->linked) { /* into this directory from another one: the old name may stay */
            apply(m->durable, op, &(fate){ .kind = FATE_BOTH_NAMES });
            op->linked = true;
        }
    }
    pending_compact(m, gone);
    free(gone);
}

static void lose_block(crash_model *m, disk_node node, uint64_t index)
{
    for (size_t i = 0; i < m->lost_count; i++)
        if (m->lost[i].node == node && m->lost[i].index == index)
            return;
    if (m->lost_count == m->lost_capacity) {
        m->lost_capacity = m->lost_capacity ? 2 * m->lost_capacity : 64;
        m->lost = fatal_realloc(m->lost, m->lost_capacity * sizeof m->lost[0]);
    }
    m->lost[m->lost_count++] = (lost_block){ node, index };
}

/* Takes a block off the lost ones; false when it was not among them. */
static bool find_lost_block(crash_model *m, disk_node node, uint64_t index)
{
    for (size_t i = 0; i < m->lost_count; i++) {
        if (m->lost[i].node == node && m->lost[i].index == index) {
            m->lost[i] = m->lost[--m->lost_count];
            return true;
        }
    }
    return false;
}

static void take_failed_sync(crash_model *m, disk_node node)
{
    bool *gone = fatal_alloc_zeroed(m->count * sizeof *gone);
    for (size_t i = 0; i < m->count; i++) {
        pending *op = &m->list[i];
        if (op->type != PENDING_WRITE || op->node != node)
            continue;
        uint64_t end = op->offset + op->bytes;
        for (uint64_t b = op->offset / DISK_BLOCK_BYTES; b * DISK_BLOCK_BYTES < end; b++)
            lose_block(m, node, b);
        if (end <= op->size_before) {
            gone[i] = true;
            continue;
        }
        pending_fini(op); /* the size is metadata, and is still to be written */
        op->type = PENDING_GROW;
        op->offset = 0;
        op->bytes = end;
        op->data = op->owned = NULL;
        op->blocks = NULL;
    }
    pending_compact(m, gone);
    free(gone);
}

/*
 * A sync failed, and the file is again what the device has, changes of its size by themselves apart.  Nothing of it is
 * lost in the cache any more.
 */
static void take_reverting_sync(crash_model *m, disk_node node)
{
    bool *gone = fatal_alloc_zeroed(m->count * sizeof *gone);
    disk_image_copy_file(m->cache, m->durable, node);
    for (size_t i = 0; i < m->count; i++) {
        gone[i] = m->list[i].type == PENDING_WRITE && m->list[i].node == node;
        if (!gone[i] && m->list[i].type != PENDING_NAME && m->list[i].node == node)
            apply(m->cache, &m->list[i], &kept);
    }
    for (size_t i = 0; i < m->lost_count;)
        if (m->lost[i].node == node)
            m->lost[i] = m->lost[--m->lost_count];
        else
            i++;
    pending_compact(m, gone);
    free(gone);
}

/* After a write into lost pages: the operation becomes one that writes those pages whole, as the cache has them. */
static void take_lost_pages(crash_model *m, pending *op)
{
    uint64_t from = op->offset, end = op->offset + op->bytes, size = disk_image_size(m->cache, op->node);
    bool any = false;
    for (uint64_t b = op->offset / DISK_BLOCK_BYTES; b * DISK_BLOCK_BYTES < op->offset + op->bytes; b++) {
        if (!find_lost_block(m, op->node, b))
            continue;
        uint64_t block = b * DISK_BLOCK_BYTES, block_end = block + DISK_BLOCK_BYTES;
        block_end = block_end < size ? block_end : size;
        from = block < from ? block : from;
        end = block_end > end ? block_end : end;
        any = true;
    }
    if (!any)
        return;
    op->offset = from;
    op->bytes = end - from;
    op->data = op->owned = fatal_alloc((size_t)op->bytes);
    disk_image_read(m->cache, op->node, op->owned, (size_t)op->bytes, from);
}

static void take_write(crash_model *m, const trace_entry *call)
{
    pending *op = pending_add(m, call, PENDING_WRITE);
    write_whole(m->cache, op);
    if (m->lost_count) {
        pending copy = *op;
        take_lost_pages(m, op);
        if (op->owned) {
            op->blocks = NULL;
            copy.owned = NULL;
            pending_fini(&copy);
        }
    }
}

static bool fits(const crash_model *m, const trace_entry *call)
{
    switch (call->op) {
    case TRACE_CREATE:
    case TRACE_MAKE_DIR:
        return !disk_image_has(m->durable, call->node) && disk_image_has(m->durable, call->directory) &&
               call->node < disk_image_next_node(m->durable) + (1u << 16);
    case TRACE_RENAME:
        return disk_image_has(m->durable, call->node) && disk_image_has(m->durable, call->directory) &&
               disk_image_has(m->durable, call->to_directory);
    case TRACE_UNLINK:
    case TRACE_LINK:
        return disk_image_has(m->durable, call->node) && disk_image_has(m->durable, call->directory);
    case TRACE_SYNC_ALL:
    case TRACE_START:
    case TRACE_MARK:
    case TRACE_NOTE: return true;
    default: return disk_image_has(m->durable, call->node);
    }
}

static void take_name(crash_model *m, const trace_entry *call)
{
    if (call->op == TRACE_CREATE || call->op == TRACE_MAKE_DIR) {
        disk_image_add(m->durable, call->node, call->op == TRACE_MAKE_DIR);
        disk_image_add(m->cache, call->node, call->op == TRACE_MAKE_DIR);
        chain_drop(m); /* the links of the chain don't have the node */
        if (!*call->name)
            return; /* a file without a name is nowhere */
    }
    pending_add(m, call, PENDING_NAME);
    order_names(m, m->count - 1);
}

/* An entry of the start image: durable at once. */
static void take_start(crash_model *m, const trace_entry *call)
{
    const bool node = call->op == TRACE_CREATE || call->op == TRACE_MAKE_DIR;
    pending op = { .type = call->op == TRACE_WRITE ? PENDING_WRITE
                           : call->op == TRACE_TRUNCATE ? PENDING_RESIZE : PENDING_NAME,
                   .call = call, .node = call->node, .offset = call->offset, .bytes = call->bytes, .data = call->data };
    if (call->op == TRACE_START)
        return;
    for (int k = 0; k < 2; k++) {
        disk_image *image = k ? m->cache : m->durable;
        if (node)
            disk_image_add(image, call->node, call->op == TRACE_MAKE_DIR);
        apply(image, &op, &kept);
    }
    pending_fini(&op);
}

void crash_model_advance(crash_model *m)
{
    const trace_entry *call = trace_at(m->t, m->point);
    if (!fits(m, call))
        fatal("entry %llu of the trace does not fit the image that it is said to start from",
              (unsigned long long)m->point + 1);
    if (m->point++ < m->start) {
        take_start(m, call);
        return;
    }
    switch (call->op) {
    case TRACE_WRITE: take_write(m, call); break;
    case TRACE_TRUNCATE:
        pending_add(m, call, PENDING_RESIZE);
        disk_image_resize(m->cache, call->node, call->bytes);
        break;
    case TRACE_PREALLOCATE:
        pending_add(m, call, PENDING_GROW);
        grow(m->cache, call->node, call->bytes);
        break;
    case TRACE_SYNC: take_sync(m, call->node); break;
    case TRACE_SYNC_LOST:
        if (call->bytes)
            take_reverting_sync(m, call->node);
        else
            take_failed_sync(m, call->node);
        break;
    case TRACE_SYNC_KEPT: break;
    case TRACE_CREATE:
    case TRACE_MAKE_DIR:
    case TRACE_RENAME:
    case TRACE_LINK:
    case TRACE_UNLINK: take_name(m, call); break;
    case TRACE_SYNC_DIR: take_sync_dir(m, call->node); break;
    case TRACE_SYNC_RANGE: take_sync_range(m, call->node, call->offset, call->offset + call->bytes); break;
    case TRACE_SYNC_ALL: take_sync_all(m); break;
    case TRACE_START:
    case TRACE_FLUSH:
    case TRACE_MARK:
    case TRACE_NOTE: break;
    }
}

/* ---- Building -------------------------------------------------------------------------------------------- */

/* Durable with the first `count` operations. */
static const disk_image *chain_at(crash_model *m, size_t count)
{
    if (m->chain_capacity < m->count + 1) {
        m->chain_capacity = m->capacity + 1;
        m->chain = fatal_realloc(m->chain, m->chain_capacity * sizeof m->chain[0]);
    }
    if (!m->chained)
        m->chain[m->chained++] = disk_image_fork(m->durable);
    while (m->chained <= count) {
        disk_image *next = disk_image_fork(m->chain[m->chained - 1]);
        apply(next, &m->list[m->chained - 1], &kept);
        disk_image_digest(next); /* so that the hashes are in what later forks share */
        m->chain[m->chained++] = next;
    }
    return m->chain[count];
}

disk_image *crash_model_build(crash_model *m, fate *fates)
{
    size_t whole = 0;
    for (size_t i = 0; i < m->count; i++)
        for (int k = 0; k < 2; k++)
            if (m->list[i].after[k] != PENDING_NONE && fates[m->list[i].after[k]].kind == FATE_DROP)
                fates[i].kind = FATE_DROP;
    while (whole < m->count && fates[whole].kind == FATE_KEEP)
        whole++;
    disk_image *image = disk_image_fork(chain_at(m, whole));
    for (size_t i = whole; i < m->count; i++)
        if (fates[i].kind != FATE_DROP)
            apply(image, &m->list[i], &fates[i]);
    return image;
}

int fate_describe(const fate *f, const pending *op, char *text, size_t capacity)
{
    unsigned n = op->type == PENDING_WRITE ? pending_sectors(op) : 0, from = f->from, to = f->to;
    const char *size = f->full_size ? ", new size kept" : "";
    switch (f->kind) {
    case FATE_DROP: return snprintf(text, capacity, "dropped");
    case FATE_KEEP: return snprintf(text, capacity, "kept");
    case FATE_GARBAGE: return snprintf(text, capacity, "kept, garbage in sector %u of %u", from, n);
    case FATE_ZEROS: return snprintf(text, capacity, "kept, zeros in sector %u of %u", from, n);
    case FATE_SIZE_ZEROS: return snprintf(text, capacity, "size kept, data lost (zeros)");
    case FATE_SIZE_GARBAGE: return snprintf(text, capacity, "size kept, data lost (garbage)");
    case FATE_DATA_ONLY: return snprintf(text, capacity, "data kept up to the old size");
    case FATE_BOTH_NAMES: return snprintf(text, capacity, "half done: both names");
    case FATE_NO_NAME: return snprintf(text, capacity, "half done: neither name");
    case FATE_SECTORS: break;
    }
    if (op->type != PENDING_WRITE)
        return snprintf(text, capacity, "half of the growth kept");
    switch (f->mode) {
    case SECTORS_RANGE: return snprintf(text, capacity, "sectors %u to %u of %u kept%s", from, to - 1, n, size);
    case SECTORS_EXCEPT: return snprintf(text, capacity, "sectors %u to %u of %u lost%s", from, to - 1, n, size);
    case SECTORS_MASK:
        return snprintf(text, capacity, "sectors by mask %#llx of %u kept%s", (unsigned long long)f->bits, n, size);
    case SECTORS_COIN: break;
    }
    return snprintf(text, capacity, "sectors by coin %#llx of %u kept%s", (unsigned long long)f->bits, n, size);
}

/* ---- Life ------------------------------------------------------------------------------------------------ */

crash_model *crash_model_open(const trace *t, const disk_image *start, bool lying_sync)
{
    crash_model *m = fatal_alloc_zeroed(sizeof *m);
    m->t = t;
    m->lying_sync = lying_sync;
    m->start = trace_start(t);
    m->durable = start ? disk_image_fork(start) : disk_image_create();
    m->cache = disk_image_fork(m->durable);
    return m;
}

void crash_model_close(crash_model *m)
{
    if (!m)
        return;
    chain_drop(m);
    for (size_t i = 0; i < m->count; i++)
        pending_fini(&m->list[i]);
    disk_image_unref(m->durable);
    disk_image_unref(m->cache);
    free(m->list);
    free(m->chain);
    free(m->lost);
    free(m);
}

void crash_model_sync_names(crash_model *m)
{
    m->sync_names = true;
}

const disk_image *crash_model_cache(const crash_model *m)
{
    return m->cache;
}

uint64_t crash_model_point(const crash_model *m)
{
    return m->point;
}

const pending *crash_model_pending(const crash_model *m, size_t *count)
{
    *count = m->count;
    return m->list;
}
