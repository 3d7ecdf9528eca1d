/*
 * side_heap.h - malloc and its kin inside a side of the time tier (gate_side.h), taken from a region: the linker's
 * --wrap sends the calls of the simulated disk and of the runs here.
 */
#ifndef LEVIN_SIDE_HEAP_H
#define LEVIN_SIDE_HEAP_H

#include "gate_arena.h"

/* memory: zeros aligned to 2 MiB; the arena stands at its beginning. All blocks of the region before are gone. */
void side_heap_use(void *memory, size_t bytes);
/* NULL before side_heap_use(). */
const gate_arena *side_heap_arena(void);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *memory);

#endif
