/*
 * side_heap.c - a gate_arena that stands in the region that it hands out, so that putting the region's bytes back
 * puts its state back.
 *
 * The one pointer to it is the only thing outside; it does not change while runs go on.  One thread.
 */
#include "side_heap.h"

#include <string.h>

enum { HEADER_BYTES = 4096, ALIGNMENT = 16 };

static gate_arena *heap;

void side_heap_use(void *memory, size_t bytes)
{
    _Static_assert(sizeof(gate_arena) <= HEADER_BYTES, "the arena fits in front of its memory");
    heap = memory;
    gate_arena_init_at(heap, (uint8_t *)memory + HEADER_BYTES, bytes - HEADER_BYTES);
}

const gate_arena *side_heap_arena(void)
{
    return heap;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return heap ? gate_arena_alloc(heap, bytes, alignment) : NULL;
}

void *__wrap_malloc(size_t bytes)
{
    return __wrap_aligned_alloc(ALIGNMENT, bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *memory = count && bytes > SIZE_MAX / count ? NULL : __wrap_malloc(count * bytes);
    return memory ? memset(memory, 0, count * bytes) : NULL;
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    if (memory && gate_arena_size(heap, memory) >= bytes)
        return memory;
    void *larger = __wrap_malloc(bytes);
    if (memory && larger) {
        memcpy(larger, memory, gate_arena_size(heap, memory));
        gate_arena_free(heap, memory);
    }
    return larger;
}

void __wrap_free(void *memory)
{
    if (memory)
        gate_arena_free(heap, memory);
}
