/*
 * damage_judge.c - pieces of the log and the value log, and which of them a damaged image still has (damage_judge.h).
 *
 * Invariants: pieces are in the order in which they were written.
 * Concurrency: a judge is immutable once made.
 */
#include "damage_judge.h"

#include <stdlib.h>
#include <string.h>

#include "fatal.h"

typedef struct piece {
    uint64_t at;      /* index in the trace */
    uint64_t synced;  /* of the next sync of its file; UINT64_MAX: none */
    disk_node node;
    char name[DISK_NAME_MAX + 1]; /* at the end */
    uint64_t offset, bytes;
    bool log;         /* of the log, not of the value log */
} piece;

struct damage_judge {
    const disk_image *image;
    disk_node directory;
    piece *pieces;
    size_t count, capacity;
};

static bool numbered_log(const char *name)
{
    return !strncmp(name, "wal-0", 5);
}

/* Where the present life of a file begins: at its last rename away from a segment's name. */
static uint64_t life_begin(const trace *t, uint64_t end, disk_node node)
{
    for (uint64_t i = end; i > 0; i--) {
        const trace_entry *e = trace_at(t, i - 1);
        if (e->op == TRACE_RENAME && e->node == node && numbered_log(e->name))
            return i;
    }
    return 0;
}

static bool only_zeros(const trace_entry *e)
{
    return e->bytes == 0 || (e->data[0] == 0 && !memcmp(e->data, e->data + 1, e->bytes - 1));
}

/* Overwritten, or its file cut, later on. */
static bool still_there(const trace *t, uint64_t end, uint64_t index)
{
    const trace_entry *e = trace_at(t, index);
    for (uint64_t i = index + 1; i < end; i++) {
        const trace_entry *later = trace_at(t, i);
        if (later->node != e->node)
            continue;
        if (later->op == TRACE_WRITE && later->offset < e->offset + e->bytes &&
            e->offset < later->offset + later->bytes)
            return false;
        if (later->op == TRACE_TRUNCATE && later->bytes < e->offset + e->bytes)
            return false;
    }
    return true;
}

static uint64_t next_sync(const trace *t, uint64_t end, uint64_t index, disk_node node)
{
    for (uint64_t i = index + 1; i < end; i++)
        if (trace_at(t, i)->op == TRACE_SYNC && trace_at(t, i)->node == node)
            return i;
    return UINT64_MAX;
}

typedef struct file_of_log {
    damage_judge *j;
    const trace *t;
    uint64_t end;
} file_of_log;

static int add_file(void *context, const char *name, disk_node node)
{
    const file_of_log *f = context;
    damage_judge *j = f->j;
    const bool log = numbered_log(name);
    if (!log && strncmp(name, "vlog-", 5))
        return 0;
    for (uint64_t i = log ? life_begin(f->t, f->end, node) : 0; i < f->end; i++) {
        const trace_entry *e = trace_at(f->t, i);
        if (e->op != TRACE_WRITE || e->node != node || e->offset == 0 || only_zeros(e) ||
            !still_there(f->t, f->end, i))
            continue;
        if (j->count == j->capacity) {
            j->capacity = j->capacity ? 2 * j->capacity : 64;
            j->pieces = fatal_realloc(j->pieces, j->capacity * sizeof *j->pieces);
        }
        piece *p = &j->pieces[j->count++];
        *p = (piece){ .at = i, .synced = next_sync(f->t, f->end, i, node), .node = node, .offset = e->offset,
                      .bytes = e->bytes, .log = log };
        memcpy(p->name, name, strlen(name) + 1);
    }
    return 0;
}

static int compare_pieces(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

damage_judge *damage_judge_create(const trace *t, uint64_t end, const disk_image *image, disk_node directory)
{
    damage_judge *j = fatal_alloc_zeroed(sizeof *j);
    file_of_log f = { j, t, end };
    j->image = image;
    j->directory = directory;
    disk_image_list(image, directory, add_file, &f);
    if (j->count)
        qsort(j->pieces, j->count, sizeof *j->pieces, compare_pieces);
    return j;
}

void damage_judge_destroy(damage_judge *j)
{
    if (!j)
        return;
    free(j->pieces);
    free(j);
}

/* Whether a range of the piece's file is as it was. */
static bool same_range(const damage_judge *j, const disk_image *damaged, const piece *p, uint64_t begin, uint64_t end)
{
    uint8_t now[DISK_BLOCK_BYTES], then[DISK_BLOCK_BYTES];
    const disk_node node = disk_image_lookup(damaged, j->directory, p->name);
    if (node == DISK_NONE || disk_image_size(damaged, node) < end)
        return false;
    for (uint64_t at = begin; at < end;) {
        const uint64_t index = at / DISK_BLOCK_BYTES, next = (index + 1) * DISK_BLOCK_BYTES;
        const size_t part = (size_t)((next < end ? next : end) - at);
        if (disk_image_block(damaged, node, index) != disk_image_block(j->image, p->node, index)) {
            disk_image_read(damaged, node, now, part, at);
            disk_image_read(j->image, p->node, then, part, at);
            if (memcmp(now, then, part))
                return false;
        }
        at += part;
    }
    return true;
}

size_t damage_judge_pieces(const damage_judge *j)
{
    return j->count;
}

static bool whole(const damage_judge *j, const disk_image *damaged, const piece *p)
{
    return same_range(j, damaged, p, p->offset, p->offset + p->bytes);
}

/* Whole, and so is the header of its segment. */
static bool usable(const damage_judge *j, const disk_image *damaged, const piece *p)
{
    return whole(j, damaged, p) && same_range(j, damaged, p, 0, DISK_SECTOR_BYTES);
}

/* When all that must be durable for the piece to be proven was. */
static uint64_t proven_from(const damage_judge *j, size_t index)
{
    const piece *p = &j->pieces[index], *first = NULL;
    uint64_t from = p->synced;
    if (p->log)
        return from;
    for (size_t i = index + 1; i < j->count; i++) {
        const piece *log = &j->pieces[i];
        if (!log->log)
            continue;
        if (first && first->node == log->node)
            return from;
        from = from > log->synced ? from : log->synced;
        if (first)
            return from; /* the first one ended its segment */
        first = log;
    }
    return first ? from : UINT64_MAX;
}

size_t damage_judge_cuts(const damage_judge *j, const disk_image *damaged, uint64_t *times)
{
    size_t cuts = 0;
    uint64_t last_whole = 0; /* the newest piece of the log that is whole proves the most */
    for (size_t i = j->count; i > 0 && !last_whole; i--) {
        const piece *p = &j->pieces[i - 1];
        if (p->log && whole(j, damaged, p))
            last_whole = p->at;
    }
    for (size_t i = 0; i < j->count; i++)
        if (!usable(j, damaged, &j->pieces[i]) && proven_from(j, i) >= last_whole)
            times[cuts++] = j->pieces[i].at;
    return cuts;
}
