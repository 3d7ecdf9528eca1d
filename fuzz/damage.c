/*
 * damage.c - damages a seed store (faults/damage.h), and says what DETECT then allows (damage.h).
 *
 * The promise: each answer is right, or an error.  Right is the seed store's last state.  The one thing not
 * promised is to tell damage to the end of the log from a torn tail.  The log says of each group how far it was on
 * the device before; so the tail may be taken for torn at the first damaged group, exactly when no group behind it
 * that is still whole calls a position past that place durable.  Then, and only then, the state before that group
 * is legal too.
 *  - Which groups are replayed depends on the meta page: the newest when it is whole, otherwise the older.
 *  - When both meta pages were changed, or only one is left whose log is gone, they may have been rolled back with
 *    all that follows ("all files together, to an older, consistent set"): if nothing behind the first damaged
 *    group is whole, every state up to it is legal.
 *  - Salvage cuts at damage whatever later groups prove, and also at a damaged segment header or a missing segment:
 *    every state from the meta page's on is legal; but not another meta page than one whose log is there, while a
 *    whole group knows of the newest.
 *
 * Invariants: bytes decide and not operations: a group or meta page is damaged when the bytes that its checksum
 * covers differ from the seed store's, or are gone.
 */
#include "damage.h"

#include <string.h>

#include "../engine/vlog.h"
#include "../engine/wal_internal.h"
#include "fuzz.h"

enum { FILES_MAX = 16 };

typedef struct files {
    const disk_image *image;
    unsigned count;
    disk_node node[FILES_MAX];
    char name[FILES_MAX][DISK_NAME_MAX + 1];
} files;

static int files_entry(void *context, const char *name, disk_node node)
{
    files *f = context;
    if (f->count == FILES_MAX || !strcmp(name, "lock"))
        return 0;
    f->node[f->count] = node;
    memcpy(f->name[f->count++], name, strlen(name) + 1);
    return 0;
}

static files files_of(const disk_image *image)
{
    files f = { .image = image };
    disk_image_list(image, disk_image_find(image, FUZZ_STORE), files_entry, &f);
    return f;
}

/* ---- operations ------------------------------------------------------------------------------------------- */

/* The operation of eight bytes of an input: damage_do() with numbers taken modulo what there is. */
static void damage_one(disk_image *image, const seed_store *seed, const uint8_t *bytes)
{
    files f = files_of(image);
    if (!f.count)
        return;
    unsigned which = bytes[1] % f.count;
    damage d = { .operation = bytes[0] % DAMAGE_OPERATIONS, .directory = disk_image_find(image, FUZZ_STORE),
                 .name = f.name[which], .length = load_u16(bytes + 5), .parameter = bytes[7],
                 .older_node = DISK_NONE, .other = f.name[bytes[7] % f.count] };
    uint64_t size = disk_image_size(image, f.node[which]);
    if (seed->older_count) {
        d.older = seed->older[d.parameter / 2 % seed->older_count];
        disk_node directory = disk_image_find(d.older, FUZZ_STORE);
        d.older_node = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(d.older, directory, d.name);
    }
    d.offset = size ? (load_u32(bytes + 1) >> 8) % size : 0;
    damage_do(image, &d);
}

/* ---- what is legal ---------------------------------------------------------------------------------------- */

/* Whether a range of a file is as it was. */
static bool range_whole(const seed_store *seed, const disk_image *image, const char *name, uint64_t offset,
                        size_t bytes)
{
    disk_node is = disk_image_lookup(image, disk_image_find(image, FUZZ_STORE), name);
    disk_node was = disk_image_lookup(seed->image, disk_image_find(seed->image, FUZZ_STORE), name);
    uint8_t now[DISK_BLOCK_BYTES], then[DISK_BLOCK_BYTES];
    if (is == DISK_NONE || disk_image_size(image, is) < offset + bytes)
        return false;
    for (uint64_t at = offset, end = offset + bytes; at < end;) {
        uint64_t index = at / DISK_BLOCK_BYTES, next = (index + 1) * DISK_BLOCK_BYTES;
        size_t part = (size_t)((next < end ? next : end) - at);
        if (disk_image_block(image, is, index) != disk_image_block(seed->image, was, index)) {
            disk_image_read(image, is, now, part, at);
            disk_image_read(seed->image, was, then, part, at);
            if (memcmp(now, then, part))
                return false;
        }
        at += part;
    }
    return true;
}

static bool group_whole(const seed_store *seed, const disk_image *image, size_t index)
{
    const seed_group *g = &seed->groups[index];
    wal_name name = wal_segment_name(lsn_segment(g->position));
    return range_whole(seed, image, name.text, lsn_offset(g->position), g->bytes);
}

/* The values that a group points to, and the headers of their segments, without which none of them can be read. */
static bool values_whole(const seed_store *seed, const disk_image *image, size_t index)
{
    const seed_group *g = &seed->groups[index];
    bool whole = true;
    for (uint32_t i = g->values; i < g->values + g->value_count && whole; i++) {
        const seed_value *v = &seed->values[i];
        const vlog_name name = vlog_segment_name(v->segment);
        whole = range_whole(seed, image, name.text, 0, VLOG_SEGMENT_HEADER_BYTES) &&
                range_whole(seed, image, name.text, v->offset, v->bytes);
    }
    return whole;
}

static bool any_group_whole(const seed_store *seed, const disk_image *image, size_t from)
{
    while (from < seed->group_count && !group_whole(seed, image, from))
        from++;
    return from < seed->group_count;
}

/* A whole group behind it calls a later position durable. */
static bool proven(const seed_store *seed, const disk_image *image, size_t index)
{
    bool found = false;
    for (size_t i = index + 1; i < seed->group_count && !found; i++)
        found = seed->groups[i].durable > seed->groups[index].position && group_whole(seed, image, i);
    return found;
}

/* The log may end before this group: its bytes are damaged, or its values and nothing says that they were durable. */
static bool may_cut(const seed_store *seed, const disk_image *image, size_t index)
{
    if (!group_whole(seed, image, index))
        return true;
    return !values_whole(seed, image, index) && !proven(seed, image, index);
}

static void judge(const seed_store *seed, const disk_image *image, bool salvage, damage_legal *legal)
{
    bool meta_whole[2];
    *legal = (damage_legal){ .seed = seed, .first = 1, .last = 0, .final = seed->state_count - 1 };
    for (unsigned i = 0; i < 2; i++)
        meta_whole[i] = range_whole(seed, image, PAGE_FILE_NAME, (uint64_t)seed->slot[i] * META_SLOT_BYTES,
                                    META_BYTES);
    unsigned base = meta_whole[0] ? 0 : 1;
    /* a meta page that may be in use, and where its log begins */
    bool usable = meta_whole[base] && seed->meta_usable[base];
    size_t damaged = usable ? seed->first_group[base] : 0;
    if (salvage) {
        bool known = false;
        for (size_t i = 0; i < seed->group_count && !usable; i++)
            known = known || (seed->groups[i].generation == seed->meta[0].generation && group_whole(seed, image, i));
        if (!known)
            *legal = (damage_legal){ seed, usable ? seed->meta_state[base] : 0, legal->final, legal->final };
        return;
    }
    while (damaged < seed->group_count && !may_cut(seed, image, damaged))
        damaged++;
    if (damaged == seed->group_count)
        return;
    if (usable && !proven(seed, image, damaged))
        legal->first = legal->last = seed->groups[damaged].state_before;
    else if (!usable && !any_group_whole(seed, image, damaged + 1))
        *legal = (damage_legal){ .seed = seed, .last = seed->groups[damaged].state_before, .final = legal->final };
}

disk_image *damage_apply(const uint8_t *data, size_t size, bool salvage, damage_legal *legal)
{
    const seed_store *seed = seed_get(size > 2 ? data[2] % seed_count() : 0);
    disk_image *image = disk_image_fork(seed->image);
    size_t at = DAMAGE_AT;
    for (unsigned i = 0; i < DAMAGE_MAX && at + DAMAGE_BYTES <= size; i++, at += DAMAGE_BYTES)
        damage_one(image, seed, data + at);
    judge(seed, image, salvage, legal);
    return image;
}
