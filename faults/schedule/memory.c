/*
 * memory.c - the region (memory.h).
 *
 * Invariants: bytes of the heap above `used` have state MEMORY_NEVER; so have those between two pieces.
 * Concurrency: one thread of the system.
 */
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../fatal.h"

enum { GUARD_BYTES = 4096, GAP_BYTES = 16, PATTERN = 0xa5 };

uint8_t *memory_state;
static size_t used; /* bytes of the heap in this run */
static uint64_t pieces_held, bytes_held;

static void *map(uintptr_t address, size_t bytes)
{
    void *memory = mmap((void *)address, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (memory == MAP_FAILED || (address && (uintptr_t)memory != address))
        fatal("no memory for schedules at %#llx: %s", (unsigned long long)address, strerror(errno));
    return memory;
}

void memory_prepare(void)
{
    if (memory_state)
        return;
    map(MEMORY_BASE, MEMORY_BYTES);
    memory_state = map(0, MEMORY_GRANULES);
    for (unsigned i = 0; i < MEMORY_STACKS; i++)
        mprotect((char *)MEMORY_BASE + (size_t)i * MEMORY_STACK_BYTES, GUARD_BYTES, PROT_NONE);
    memset(memory_state + memory_granule(MEMORY_BASE + MEMORY_STACKS_BYTES), MEMORY_NEVER,
           MEMORY_HEAP_BYTES / MEMORY_GRANULE);
}

void memory_reset(void)
{
    memset(memory_state + memory_granule(MEMORY_BASE + MEMORY_STACKS_BYTES), MEMORY_NEVER,
           (used + MEMORY_GRANULE - 1) / MEMORY_GRANULE);
    used = 0;
    pieces_held = bytes_held = 0;
}

void *memory_stack(unsigned index)
{
    return (char *)MEMORY_BASE + (size_t)index * MEMORY_STACK_BYTES + GUARD_BYTES;
}

static void mark(uintptr_t address, size_t bytes, uint8_t state)
{
    size_t first = memory_granule(address), end = memory_granule(address + bytes + MEMORY_GRANULE - 1);
    memset(memory_state + first, state, end - first);
}

void *memory_alloc(size_t bytes, size_t alignment)
{
    if (alignment < GAP_BYTES)
        alignment = GAP_BYTES;
    size_t at = (used + GAP_BYTES + alignment - 1) & ~(alignment - 1);
    if (bytes > MEMORY_HEAP_BYTES || at > MEMORY_HEAP_BYTES - bytes)
        return NULL;
    uintptr_t address = MEMORY_BASE + MEMORY_STACKS_BYTES + at;
    used = at + bytes;
    mark(address, bytes, MEMORY_LIVE);
    memset((void *)address, PATTERN, bytes);
    pieces_held++;
    bytes_held += bytes;
    return (void *)address;
}

void memory_free(void *memory, size_t bytes)
{
    if (!memory)
        return;
    mark((uintptr_t)memory, bytes, MEMORY_FREED);
    pieces_held--;
    bytes_held -= bytes;
}

void memory_held(uint64_t *pieces, uint64_t *bytes)
{
    *pieces = pieces_held;
    *bytes = bytes_held;
}
