/*
 * gate_arena.c - blocks of powers of two, each aligned to its size up to 2 MiB, from a bump pointer or the list of
 * those that were given back.
 *
 * A header in front of a block would break its alignment, and free is told the size but not the alignment; so a
 * block's class is kept in an array of bytes at the arena's beginning, one for each unit.
 */
#include "gate_arena.h"

#include <string.h>
#include <sys/mman.h>

enum { UNIT_BITS = 6 }; /* the smallest block */
#define ALIGNMENT_MAX ((size_t)2 << 20)

bool gate_arena_init(gate_arena *a, size_t capacity)
{
    memset(a, 0, sizeof *a);
    a->mapping_bytes = capacity + 2 * ALIGNMENT_MAX;
    void *memory = mmap(NULL, a->mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0);
    if (memory == MAP_FAILED)
        return false;
    a->mapping = memory;
    a->base = (uint8_t *)memory + (-(uintptr_t)memory & (ALIGNMENT_MAX - 1));
    a->capacity = capacity + ALIGNMENT_MAX;
    a->table_bytes = a->used = a->capacity >> UNIT_BITS;
    return true;
}

void gate_arena_init_at(gate_arena *a, void *memory, size_t bytes)
{
    memset(a, 0, sizeof *a);
    a->base = memory;
    a->capacity = bytes;
    a->table_bytes = a->used = a->capacity >> UNIT_BITS;
}

void gate_arena_fini(gate_arena *a)
{
    if (a->mapping)
        munmap(a->mapping, a->mapping_bytes);
    a->mapping = NULL;
}

size_t gate_arena_peak(const gate_arena *a)
{
    return a->used - a->table_bytes; /* blocks given back are used again before it grows */
}

void gate_arena_ranges(const gate_arena *a, gate_arena_range ranges[GATE_ARENA_RANGES])
{
    const size_t first = a->table_bytes >> UNIT_BITS, end = (a->used + (1u << UNIT_BITS) - 1) >> UNIT_BITS;
    ranges[0] = (gate_arena_range){ a->base + first, end - first };
    ranges[1] = (gate_arena_range){ a->base + a->table_bytes, a->used - a->table_bytes };
}

static uint8_t *class_of(const gate_arena *a, const void *block)
{
    return a->base + ((size_t)((const uint8_t *)block - a->base) >> UNIT_BITS);
}

void *gate_arena_alloc(gate_arena *a, size_t bytes, size_t alignment)
{
    size_t wanted = bytes > alignment ? bytes : alignment;
    unsigned class = wanted <= 1u << UNIT_BITS ? UNIT_BITS : 64u - (unsigned)__builtin_clzll(wanted - 1);
    if (class >= GATE_ARENA_CLASSES || alignment > ALIGNMENT_MAX)
        return NULL;
    void *block = a->free_list[class];
    if (block) {
        memcpy(&a->free_list[class], block, sizeof block);
    } else {
        size_t size = (size_t)1 << class, align = size < ALIGNMENT_MAX ? size : ALIGNMENT_MAX;
        uintptr_t at = ((uintptr_t)a->base + a->used + align - 1) & ~(uintptr_t)(align - 1);
        if (at - (uintptr_t)a->base + size > a->capacity)
            return NULL;
        block = a->base + (at - (uintptr_t)a->base);
        a->used = at - (uintptr_t)a->base + size;
        *class_of(a, block) = (uint8_t)class;
    }
    a->held_blocks++;
    return block;
}

size_t gate_arena_size(const gate_arena *a, const void *memory)
{
    return (size_t)1 << *class_of(a, memory);
}

void gate_arena_free(gate_arena *a, void *memory)
{
    if (!memory)
        return;
    uint8_t class = *class_of(a, memory);
    memcpy(memory, &a->free_list[class], sizeof memory);
    a->free_list[class] = memory;
    a->held_blocks--;
}
