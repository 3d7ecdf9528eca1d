/*
 * memory.h - the memory of a run under the scheduler: one region, the threads' stacks in it and the heap of the engine.
 *
 * The heap gives every piece bytes of its own and takes none back before the next run, so that whatever is used after
 * it was freed, or beyond its end, is seen at the first access.  Addresses are the same in every run of every process:
 * fixed, and handed out one after the other.  Fresh memory holds a pattern.
 *
 * All of the region is watched (race.h); what lies outside is not.  One thread of the system.
 */
#ifndef LEVIN_FAULTS_SCHEDULE_MEMORY_H
#define LEVIN_FAULTS_SCHEDULE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMORY_STACKS = 16, MEMORY_STACK_BYTES = 256 << 10, MEMORY_GRANULE = 8 };
#define MEMORY_BASE ((uintptr_t)0x200000000000)
#define MEMORY_HEAP_BYTES ((size_t)96 << 20)
#define MEMORY_STACKS_BYTES ((size_t)MEMORY_STACKS * MEMORY_STACK_BYTES)
#define MEMORY_BYTES (MEMORY_STACKS_BYTES + MEMORY_HEAP_BYTES)
#define MEMORY_GRANULES (MEMORY_BYTES / MEMORY_GRANULE)

/* What the bytes of a granule are. */
enum { MEMORY_LIVE = 0, MEMORY_FREED = 1, MEMORY_NEVER = 2 };

/* Maps the region, once. Ends the program when it cannot. */
void memory_prepare(void);
/* All pieces are gone: the next run begins. */
void memory_reset(void);

void *memory_stack(unsigned index);
/* NULL when the heap is used up. alignment: a power of two. */
void *memory_alloc(size_t bytes, size_t alignment);
void memory_free(void *memory, size_t bytes);
/* Pieces and bytes not given back. */
void memory_held(uint64_t *pieces, uint64_t *bytes);

static inline bool memory_watched(uintptr_t address)
{
    return address - MEMORY_BASE < MEMORY_BYTES;
}
static inline size_t memory_granule(uintptr_t address)
{
    return (address - MEMORY_BASE) / MEMORY_GRANULE;
}
/* One byte for each granule. */
extern uint8_t *memory_state;

#endif
