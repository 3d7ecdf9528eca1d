/*
 * trace.c - recorded I/O, in memory and on file.
 *
 * In memory: entries in pieces that never move, names and data in an arena.
 *
 * File format, version 2; little-endian:
 *   offset  size  field
 *        0     8  magic "LEVINTRC"
 *        8     4  format version, 2
 *       12     4  0
 *       16     8  number of entries
 *       24        entries, back to back
 *      end     8  XXH3-64 of everything before
 * Entry (40 bytes and what follows):
 *        0     1  operation: the values of TRACE_OPS
 *        1     1  kind of file: 0 pages, 1 wal, 2 vlog, 3 lock, 4 dir
 *        2     2  bytes of name
 *        4     2  bytes of to_name
 *        6     2  bytes of call (version 1: 0)
 *        8     4  node
 *       12     4  directory
 *       16     4  to_directory
 *       20     4  thread (version 1: 0)
 *       24     8  offset
 *       32     8  bytes
 *       40        name, to_name, call (without final zero), for a write or a mark `bytes` bytes of data
 * Version 1 has the operations up to sync_dir; it is still read.
 *
 * Concurrency: see trace.h.  Loading trusts nothing: sizes are checked against what is there before they are used.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fatal.h"

enum { PIECE_ENTRIES = 1024, ARENA_BYTES = 256 * 1024 };
enum { HEADER_BYTES = 24, ENTRY_BYTES = 40, CHECKSUM_BYTES = 8, PATH_BYTES_MAX = 4096 };
enum { FORMAT_VERSION = 2, OLDEST_VERSION = 1 };
static const char trace_magic[8] = { 'L', 'E', 'V', 'I', 'N', 'T', 'R', 'C' };

typedef struct arena {
    struct arena *next;
    uint8_t bytes[];
} arena;

struct trace {
    uint64_t length, start;
    trace_entry **piece;
    size_t pieces;
    arena *arenas;
    size_t arena_used, arena_capacity;
};

trace *trace_create(void)
{
    return fatal_alloc_zeroed(sizeof(trace));
}

void trace_destroy(trace *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->pieces; i++)
        free(t->piece[i]);
    free(t->piece);
    for (arena *a = t->arenas, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(t);
}

static void *trace_alloc(trace *t, size_t bytes)
{
    if (!t->arenas || bytes > t->arena_capacity - t->arena_used) {
        size_t capacity = bytes > ARENA_BYTES ? bytes : ARENA_BYTES;
        arena *a = fatal_alloc(sizeof *a + capacity);
        a->next = t->arenas;
        t->arenas = a;
        t->arena_used = 0;
        t->arena_capacity = capacity;
    }
    void *memory = t->arenas->bytes + t->arena_used;
    t->arena_used += bytes;
    return memory;
}

static const char *trace_copy_name(trace *t, const char *name, size_t bytes)
{
    char *copy = trace_alloc(t, bytes + 1);
    memcpy(copy, name, bytes);
    copy[bytes] = 0;
    return copy;
}

static bool has_data(trace_op op)
{
    return op == TRACE_WRITE || op == TRACE_MARK;
}

void trace_append(trace *t, const trace_entry *entry)
{
    if (t->length == t->pieces * PIECE_ENTRIES) {
        t->piece = fatal_realloc(t->piece, (t->pieces + 1) * sizeof t->piece[0]);
        t->piece[t->pieces++] = fatal_alloc(PIECE_ENTRIES * sizeof(trace_entry));
    }
    trace_entry *copy = &t->piece[t->length / PIECE_ENTRIES][t->length % PIECE_ENTRIES];
    *copy = *entry;
    copy->name = trace_copy_name(t, entry->name ? entry->name : "", entry->name ? strlen(entry->name) : 0);
    copy->to_name = entry->to_name ? trace_copy_name(t, entry->to_name, strlen(entry->to_name)) : NULL;
    copy->call = entry->call && *entry->call ? trace_copy_name(t, entry->call, strlen(entry->call)) : NULL;
    copy->data = NULL;
    if (has_data(entry->op)) {
        uint8_t *data = trace_alloc(t, (size_t)entry->bytes);
        memcpy(data, entry->data, (size_t)entry->bytes);
        copy->data = data;
    }
    t->length++;
    if (entry->op == TRACE_START)
        t->start = t->length;
}

uint64_t trace_length(const trace *t)
{
    return t->length;
}

uint64_t trace_start(const trace *t)
{
    return t->start;
}

const trace_entry *trace_at(const trace *t, uint64_t index)
{
    return &t->piece[index / PIECE_ENTRIES][index % PIECE_ENTRIES];
}

const char *trace_op_text(trace_op op)
{
    switch (op) {
#define OP_TEXT(name, value, text)                                                                              \
    case name: return text;
        TRACE_OPS(OP_TEXT)
#undef OP_TEXT
    }
    return "unknown";
}

static const char *kind_text(levin_file_kind kind)
{
    static const char *const texts[] = {
#define KIND_TEXT(name, text) text,
        LEVIN_FILE_KINDS(KIND_TEXT)
#undef KIND_TEXT
    };
    return (unsigned)kind < LEVIN_FILE_KIND_COUNT ? texts[kind] : "?";
}

/* A call of a foreign program: what it was, on which file, by whom. */
static int describe_call(const trace_entry *e, unsigned long long number, char *text, size_t capacity)
{
    char where[64] = "", thread[32] = "";
    if (e->thread > 1)
        snprintf(thread, sizeof thread, " (thread %u)", (unsigned)e->thread);
    if (e->op == TRACE_MARK) {
        size_t n = 0;
        for (; n < e->bytes && n + 1 < sizeof where && e->data[n]; n++)
            where[n] = (char)(e->data[n] < ' ' ? ' ' : e->data[n]);
        where[n] = 0;
        return snprintf(text, capacity, "#%llu %s \"%s\" to its user%s", number, e->call, where, thread);
    }
    if (e->op == TRACE_WRITE || e->op == TRACE_SYNC_RANGE || e->op == TRACE_FLUSH)
        snprintf(where, sizeof where, " +%llu [%llu]", (unsigned long long)e->offset, (unsigned long long)e->bytes);
    else if (e->op == TRACE_TRUNCATE || e->op == TRACE_PREALLOCATE)
        snprintf(where, sizeof where, " to %llu", (unsigned long long)e->bytes);
    const char *name = e->kind == LEVIN_FILE_DIR && e->op != TRACE_SYNC_DIR ? "" : e->name;
    return snprintf(text, capacity, "#%llu %s%s%s%s%s", number, e->call, *name ? " " : "", name, where, thread);
}

int trace_describe(const trace *t, uint64_t index, char *text, size_t capacity)
{
    const trace_entry *e = trace_at(t, index);
    unsigned long long number = index + 1, offset = e->offset, bytes = e->bytes;
    if (e->call)
        return describe_call(e, number, text, capacity);
    switch (e->op) {
    case TRACE_WRITE:
    case TRACE_SYNC_RANGE:
    case TRACE_FLUSH:
        return snprintf(text, capacity, "#%llu %s %s %s +%llu [%llu]", number, trace_op_text(e->op),
                        kind_text(e->kind), e->name, offset, bytes);
    case TRACE_TRUNCATE:
    case TRACE_PREALLOCATE:
        return snprintf(text, capacity, "#%llu %s %s %s to %llu", number, trace_op_text(e->op), kind_text(e->kind),
                        e->name, bytes);
    case TRACE_RENAME:
        return snprintf(text, capacity, "#%llu rename %s to %s", number, e->name, e->to_name);
    case TRACE_SYNC_LOST:
        return snprintf(text, capacity, "#%llu %s%s %s %s", number, trace_op_text(e->op),
                        e->bytes ? " and reverted" : "", kind_text(e->kind), e->name);
    case TRACE_SYNC:
    case TRACE_SYNC_KEPT:
    case TRACE_CREATE:
        return snprintf(text, capacity, "#%llu %s %s %s", number, trace_op_text(e->op), kind_text(e->kind), e->name);
    case TRACE_UNLINK:
    case TRACE_MAKE_DIR:
    case TRACE_SYNC_DIR:
    case TRACE_LINK:
    case TRACE_SYNC_ALL:
    case TRACE_START:
    case TRACE_MARK:
    case TRACE_NOTE:
        break;
    }
    return snprintf(text, capacity, "#%llu %s %s", number, trace_op_text(e->op), e->name);
}

/* ---- On file --------------------------------------------------------------------------------------------- */

static void store_le(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t load_le(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool save_bytes(FILE *file, XXH3_state_t *state, const void *data, size_t bytes)
{
    XXH3_64bits_update(state, data, bytes);
    return fwrite(data, 1, bytes, file) == bytes;
}

static bool save_entry(FILE *file, XXH3_state_t *state, const trace_entry *e)
{
    uint8_t head[ENTRY_BYTES] = { 0 };
    size_t name = strlen(e->name), to_name = e->to_name ? strlen(e->to_name) : 0, call = e->call ? strlen(e->call) : 0;
    head[0] = (uint8_t)e->op;
    head[1] = (uint8_t)e->kind;
    store_le(head + 2, name, 2);
    store_le(head + 4, to_name, 2);
    store_le(head + 6, call, 2);
    store_le(head + 8, e->node, 4);
    store_le(head + 12, e->directory, 4);
    store_le(head + 16, e->to_directory, 4);
    store_le(head + 20, e->thread, 4);
    store_le(head + 24, e->offset, 8);
    store_le(head + 32, e->bytes, 8);
    return save_bytes(file, state, head, sizeof head) && save_bytes(file, state, e->name, name) &&
           (!to_name || save_bytes(file, state, e->to_name, to_name)) &&
           (!call || save_bytes(file, state, e->call, call)) &&
           (!has_data(e->op) || save_bytes(file, state, e->data, (size_t)e->bytes));
}

int trace_save(const trace *t, FILE *file)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    uint8_t head[HEADER_BYTES] = { 0 }, sum[CHECKSUM_BYTES];
    memcpy(head, trace_magic, sizeof trace_magic);
    store_le(head + 8, FORMAT_VERSION, 4);
    store_le(head + 16, t->length, 8);
    errno = 0;
    bool good = save_bytes(file, &state, head, sizeof head);
    for (uint64_t i = 0; good && i < t->length; i++)
        good = save_entry(file, &state, trace_at(t, i));
    store_le(sum, XXH3_64bits_digest(&state), sizeof sum);
    if (good && fwrite(sum, 1, sizeof sum, file) == sizeof sum && fflush(file) == 0)
        return 0;
    return errno ? errno : EIO;
}

static int read_all(FILE *file, uint8_t **bytes, size_t *count)
{
    size_t capacity = 1 << 16, used = 0, got;
    uint8_t *buffer = fatal_alloc(capacity);
    while ((got = fread(buffer + used, 1, capacity - used, file)) > 0) {
        used += got;
        if (used == capacity)
            buffer = fatal_realloc(buffer, capacity *= 2);
    }
    *bytes = buffer;
    *count = used;
    return ferror(file) ? EIO : 0;
}

/* A text of so many bytes, without zeros. NULL: it is none. */
static const char *load_text(trace *t, const uint8_t *at, size_t bytes, size_t most)
{
    if (bytes > most || memchr(at, 0, bytes))
        return NULL;
    return trace_copy_name(t, (const char *)at, bytes);
}

/* Whether the operation is on a name in a directory; the others have the path of their file. */
static bool on_name(trace_op op)
{
    return op == TRACE_CREATE || op == TRACE_RENAME || op == TRACE_UNLINK || op == TRACE_MAKE_DIR || op == TRACE_LINK;
}

/* Returns the bytes that the entry took, 0 when it is none. */
static size_t load_entry(trace *t, const uint8_t *at, size_t left, uint64_t version)
{
    if (left < ENTRY_BYTES)
        return 0;
    trace_entry e = { .op = (trace_op)at[0],
                      .kind = (levin_file_kind)at[1],
                      .node = (disk_node)load_le(at + 8, 4),
                      .directory = (disk_node)load_le(at + 12, 4),
                      .to_directory = (disk_node)load_le(at + 16, 4),
                      .thread = (uint32_t)load_le(at + 20, 4),
                      .offset = load_le(at + 24, 8),
                      .bytes = load_le(at + 32, 8) };
    size_t name = (size_t)load_le(at + 2, 2), to_name = (size_t)load_le(at + 4, 2), call = (size_t)load_le(at + 6, 2);
    size_t used = ENTRY_BYTES;
    const trace_op last = version == 1 ? TRACE_SYNC_DIR : TRACE_NOTE;
    if (e.op < TRACE_WRITE || e.op > last || e.kind >= LEVIN_FILE_KIND_COUNT || left - used < name + to_name + call ||
        (to_name && e.op != TRACE_RENAME) || (version == 1 && call))
        return 0;
    e.name = load_text(t, at + used, name, on_name(e.op) ? DISK_NAME_MAX : PATH_BYTES_MAX);
    e.to_name = load_text(t, at + used + name, to_name, DISK_NAME_MAX);
    e.call = load_text(t, at + used + name + to_name, call, UINT16_MAX);
    used += name + to_name + call;
    if (!e.name || !e.to_name || !e.call || (has_data(e.op) && e.bytes > left - used))
        return 0;
    if (e.op != TRACE_RENAME)
        e.to_name = NULL;
    if (has_data(e.op)) {
        e.data = at + used;
        used += (size_t)e.bytes;
    }
    trace_append(t, &e);
    return used;
}

int trace_load(FILE *file, trace **result)
{
    uint8_t *bytes = NULL;
    size_t count = 0, at = HEADER_BYTES;
    uint64_t version;
    trace *t = trace_create();
    *result = NULL;
    int error = read_all(file, &bytes, &count);
    if (error)
        goto out;
    error = EINVAL;
    if (count < HEADER_BYTES + CHECKSUM_BYTES || memcmp(bytes, trace_magic, sizeof trace_magic))
        goto out;
    version = load_le(bytes + 8, 4);
    if (version < OLDEST_VERSION || version > FORMAT_VERSION)
        goto out;
    count -= CHECKSUM_BYTES;
    if (load_le(bytes + count, CHECKSUM_BYTES) != XXH3_64bits(bytes, count))
        goto out;
    for (size_t used; at < count; at += used)
        if ((used = load_entry(t, bytes + at, count - at, version)) == 0)
            goto out;
    if (t->length != load_le(bytes + 16, 8))
        goto out;
    *result = t;
    t = NULL;
    error = 0;
out:
    free(bytes);
    trace_destroy(t);
    return error;
}
