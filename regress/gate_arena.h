/*
 * gate_arena.h - memory whose price does not depend on what was allocated before.
 *
 * malloc takes different paths as its heap fills and breaks up: a change of the order of two allocations somewhere
 * would show as a few percent of a short scan.  Here a block costs the same every time, and lies at the same place in
 * every run.
 */
#ifndef LEVIN_GATE_ARENA_H
#define LEVIN_GATE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GATE_ARENA_CLASSES = 32 };

/* One thread. */
typedef struct gate_arena {
    uint8_t *base; /* aligned to the largest alignment, so that what alignment skips is the same in every run */
    size_t used, capacity, table_bytes;
    void *mapping;
    size_t mapping_bytes;
    uint64_t held_blocks;
    void *free_list[GATE_ARENA_CLASSES]; /* of blocks of 1 << class bytes, linked through their first word */
} gate_arena;

/* Reserves address space; pages are taken when they are first touched. */
bool gate_arena_init(gate_arena *a, size_t capacity);
/* In memory of the caller's, all zeros, aligned to 2 MiB. */
void gate_arena_init_at(gate_arena *a, void *memory, size_t bytes);
void gate_arena_fini(gate_arena *a);
/*
 * The stretches of memory that hold all that the arena has ever handed out, and what it knows of it: copied back,
 * together with *a itself, they bring back its state.
 */
enum { GATE_ARENA_RANGES = 2 };
typedef struct gate_arena_range {
    uint8_t *at;
    size_t bytes;
} gate_arena_range;
void gate_arena_ranges(const gate_arena *a, gate_arena_range ranges[GATE_ARENA_RANGES]);
/* The most that blocks have ever taken at once, rounded up to their sizes, with what alignment skipped. */
size_t gate_arena_peak(const gate_arena *a);
/* NULL when it is full, or for an alignment above 2 MiB. */
void *gate_arena_alloc(gate_arena *a, size_t bytes, size_t alignment);
/* The size of a block, at least what was asked for. */
size_t gate_arena_size(const gate_arena *a, const void *memory);
void gate_arena_free(gate_arena *a, void *memory); /* harmless on NULL */

#endif
