/*
 * arena.h - bytes that live as long as a memtable: a chunked bump allocator.  One writer; what was handed out
 * never moves.
 */
#ifndef LEVIN_ARENA_H
#define LEVIN_ARENA_H

#include <stdatomic.h>

#include "io.h"

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    const levin_io *io;
    arena_chunk *chunks; /* newest first */
    uint8_t *next;       /* free bytes of the newest chunk */
    size_t left;
    size_t chunk_bytes;  /* of an ordinary chunk */
    size_t used_bytes;   /* handed out */
    _Atomic size_t held_bytes; /* taken from io; relaxed, any thread may read it */
} arena;

void arena_init(arena *a, const levin_io *io, size_t chunk_bytes);
void arena_fini(arena *a);
/* 16-byte aligned memory, contiguous; NULL when out of memory. */
uint8_t *arena_reserve(arena *a, size_t bytes);
/* Gives back the tail of the newest reservation: it keeps `keep` bytes. Only the newest one. */
void arena_trim(arena *a, uint8_t *reserved, size_t reserved_bytes, size_t keep);

#endif
