/*
 * gate_io.c - counts each call after it has been made, so that bytes are those transferred, then returns its result.
 *
 * A file of this table is a small handle around the one below, which remembers the kind.  Failed calls count as
 * calls.
 */
#include "gate_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct levin_file {
    levin_file *inner;
    levin_file_kind kind;
};

static const levin_io *below(void *context)
{
    return ((gate_io *)context)->below;
}

static int count(void *context, levin_file_kind kind, gate_operation operation, uint64_t bytes, int result)
{
    gate_io *g = context;
    g->counts.file[kind][operation].calls++;
    g->counts.file[kind][operation].bytes += bytes;
    return result;
}

/* ---- files ---- */

static int gate_open(void *c, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    levin_file *f = malloc(sizeof *f);
    *file = NULL;
    if (!f)
        return ENOMEM;
    f->kind = kind;
    int result = below(c)->open(below(c)->context, path, kind, flags, &f->inner);
    if (result)
        free(f);
    else
        *file = f;
    return count(c, kind, GATE_OPEN, 0, result);
}

static int gate_close(void *c, levin_file *file)
{
    levin_file_kind kind = file->kind;
    int result = below(c)->close(below(c)->context, file->inner);
    free(file);
    return count(c, kind, GATE_CLOSE, 0, result);
}

static int gate_read_at(void *c, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    int result = below(c)->read_at(below(c)->context, file->inner, buffer, bytes, offset, done);
    return count(c, file->kind, GATE_READ, *done, result);
}

static int gate_write_at(void *c, levin_file *file, const levin_slice *parts, size_t part_count, uint64_t offset,
                         size_t *done)
{
    int result = below(c)->write_at(below(c)->context, file->inner, parts, part_count, offset, done);
    return count(c, file->kind, GATE_WRITE, *done, result);
}

static int gate_sync(void *c, levin_file *file)
{
    return count(c, file->kind, GATE_SYNC, 0, below(c)->sync(below(c)->context, file->inner));
}

static int gate_truncate(void *c, levin_file *file, uint64_t bytes)
{
    return count(c, file->kind, GATE_TRUNCATE, 0, below(c)->truncate(below(c)->context, file->inner, bytes));
}

static int gate_preallocate(void *c, levin_file *file, uint64_t bytes)
{
    return count(c, file->kind, GATE_PREALLOCATE, 0, below(c)->preallocate(below(c)->context, file->inner, bytes));
}

static int gate_size(void *c, levin_file *file, uint64_t *bytes)
{
    return count(c, file->kind, GATE_SIZE, 0, below(c)->size(below(c)->context, file->inner, bytes));
}

static int gate_lock(void *c, levin_file *file, bool exclusive)
{
    return count(c, file->kind, GATE_LOCK, 0, below(c)->lock(below(c)->context, file->inner, exclusive));
}

#if LEVIN_IO_VERSION >= 2 /* the gate builds this file with the headers of an earlier engine, too */
static int gate_lock_range(void *c, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    return count(c, file->kind, GATE_LOCK, 0,
                 below(c)->lock_range(below(c)->context, file->inner, offset, bytes, how));
}

static uint64_t gate_process_id(void *c)
{
    return below(c)->process_id(below(c)->context);
}
#endif

/* ---- names ---- */

static int gate_rename(void *c, const char *from, const char *to)
{
    return count(c, LEVIN_FILE_DIR, GATE_RENAME, 0, below(c)->rename(below(c)->context, from, to));
}

static int gate_unlink(void *c, const char *path)
{
    return count(c, LEVIN_FILE_DIR, GATE_UNLINK, 0, below(c)->unlink(below(c)->context, path));
}

static int gate_make_dir(void *c, const char *path)
{
    return count(c, LEVIN_FILE_DIR, GATE_MAKE_DIR, 0, below(c)->make_dir(below(c)->context, path));
}

static int gate_sync_dir(void *c, const char *path)
{
    return count(c, LEVIN_FILE_DIR, GATE_SYNC_DIR, 0, below(c)->sync_dir(below(c)->context, path));
}

static int gate_list(void *c, const char *path, levin_io_entry entry, void *entry_context)
{
    return count(c, LEVIN_FILE_DIR, GATE_LIST, 0, below(c)->list(below(c)->context, path, entry, entry_context));
}

/* ---- memory, clock, randomness ---- */

static void *gate_alloc(void *c, size_t bytes, size_t alignment)
{
    gate_counts *n = &((gate_io *)c)->counts;
    void *memory = gate_arena_alloc(((gate_io *)c)->memory, bytes, alignment);
    if (!memory)
        return NULL;
    n->allocations++;
    n->allocated_bytes += bytes;
    n->held_bytes += bytes;
    if (n->held_bytes > n->held_peak_bytes)
        n->held_peak_bytes = n->held_bytes;
    return memory;
}

static void gate_free(void *c, void *memory, size_t bytes)
{
    gate_counts *n = &((gate_io *)c)->counts;
    if (memory) {
        n->frees++;
        n->held_bytes -= bytes;
    }
    gate_arena_free(((gate_io *)c)->memory, memory);
}

static uint64_t gate_now_ns(void *c)
{
    return below(c)->now_ns(below(c)->context);
}

static int gate_random(void *c, void *buffer, size_t bytes)
{
    return below(c)->random(below(c)->context, buffer, bytes);
}

/* ---- the table ---- */

void gate_io_init(gate_io *g, const levin_io *under, gate_arena *memory)
{
    memset(g, 0, sizeof *g);
    g->below = under;
    g->memory = memory;
    g->table = (levin_io){
        .version = LEVIN_IO_VERSION, .context = g, .open = gate_open, .close = gate_close, .read_at = gate_read_at,
        .write_at = gate_write_at, .sync = gate_sync, .truncate = gate_truncate, .preallocate = gate_preallocate,
        .size = gate_size, .rename = gate_rename, .unlink = gate_unlink, .make_dir = gate_make_dir,
        .sync_dir = gate_sync_dir, .list = gate_list, .lock = gate_lock, .alloc = gate_alloc, .free = gate_free,
        .now_ns = gate_now_ns, .random = gate_random };
#if LEVIN_IO_VERSION >= 2
    g->table.lock_range = gate_lock_range;
    g->table.process_id = gate_process_id;
#endif
}

void gate_io_reset(gate_io *g)
{
    uint64_t held = g->counts.held_bytes;
    g->counts = (gate_counts){ .held_bytes = held, .held_peak_bytes = held };
}

const char *gate_operation_text(gate_operation operation)
{
    static const char *const text[] = {
#define GATE_OPERATION_TEXT(name, words) words,
        GATE_OPERATIONS(GATE_OPERATION_TEXT)
#undef GATE_OPERATION_TEXT
    };
    return text[operation];
}

const char *gate_kind_text(levin_file_kind kind)
{
    static const char *const text[] = {
#define GATE_KIND_TEXT(name, words) words,
        LEVIN_FILE_KINDS(GATE_KIND_TEXT)
#undef GATE_KIND_TEXT
    };
    return text[kind];
}
