/*
 * arena.c - a chunked bump allocator over the I/O table.
 *
 * Purpose: the records of a memtable, written once and freed together.
 * Invariants: [next, next + left) is free and lies in one chunk; every reservation starts 16-byte aligned; all
 * sizes are accounted rounded up to 16.  A reservation that no ordinary chunk could hold gets a chunk of its own
 * and leaves the current free run in place, so that one large value does not waste the rest of a chunk.
 * Concurrency: one writer.  held_bytes alone is read by others, relaxed: a figure, which orders nothing.
 * Crash safety: memory only.
 */
#include "arena.h"

#include <assert.h>

#include "file.h"

enum { ARENA_ALIGN = 16 };

struct arena_chunk {
    _Alignas(ARENA_ALIGN) arena_chunk *next;
    size_t bytes; /* this header included */
};

/* A reservation of nothing still has an address of its own. */
static size_t arena_rounded(size_t bytes)
{
    return bytes ? (bytes + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1) : ARENA_ALIGN;
}

void arena_init(arena *a, const levin_io *io, size_t chunk_bytes)
{
    a->io = io;
    a->chunks = NULL;
    a->next = NULL;
    a->left = 0;
    a->chunk_bytes = chunk_bytes & ~(size_t)(ARENA_ALIGN - 1);
    a->used_bytes = 0;
    atomic_init(&a->held_bytes, 0);
}

void arena_fini(arena *a)
{
    while (a->chunks) {
        arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        io_free(a->io, chunk, chunk->bytes);
    }
    a->next = NULL;
    a->left = 0;
    a->used_bytes = 0;
    /* relaxed: a figure, pairs with nothing */
    atomic_store_explicit(&a->held_bytes, 0, memory_order_relaxed);
}

static uint8_t *arena_add_chunk(arena *a, size_t bytes)
{
    arena_chunk *chunk = io_alloc(a->io, bytes);
    if (!chunk)
        return NULL;
    chunk->next = a->chunks;
    chunk->bytes = bytes;
    a->chunks = chunk;
    /* relaxed: one writer, readers want a figure only */
    atomic_fetch_add_explicit(&a->held_bytes, bytes, memory_order_relaxed);
    return (uint8_t *)(chunk + 1);
}

uint8_t *arena_reserve(arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - sizeof(arena_chunk) - ARENA_ALIGN)
        return NULL;
    size_t rounded = arena_rounded(bytes);
    if (rounded > a->left) {
        if (rounded + sizeof(arena_chunk) > a->chunk_bytes) {
            uint8_t *own = arena_add_chunk(a, rounded + sizeof(arena_chunk));
            if (own)
                a->used_bytes += rounded;
            return own;
        }
        uint8_t *fresh = arena_add_chunk(a, a->chunk_bytes);
        if (!fresh)
            return NULL;
        a->next = fresh;
        a->left = a->chunk_bytes - sizeof(arena_chunk);
    }
    uint8_t *reserved = a->next;
    a->next += rounded;
    a->left -= rounded;
    a->used_bytes += rounded;
    return reserved;
}

void arena_trim(arena *a, uint8_t *reserved, size_t reserved_bytes, size_t keep)
{
    assert(reserved && keep <= reserved_bytes);
    size_t had = arena_rounded(reserved_bytes);
    size_t kept = keep ? arena_rounded(keep) : 0;
    a->used_bytes -= had - kept;
    if (reserved + had == a->next) {
        a->next = reserved + kept;
        a->left += had - kept;
    } else if (had - kept > a->left) {
        /* The reservation has a chunk of its own: its tail becomes the free run if it is the longer one. */
        a->next = reserved + kept;
        a->left = had - kept;
    }
}
