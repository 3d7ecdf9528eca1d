/*
 * side_shim.c - what a side of the time tier exports: the recorded runs of gate_work.c around the engine that this
 * shared object is linked with (gate_side.h).
 *
 * The region's first half is the heap of the simulated disk and the runs, its second half the engine's arena.
 */
#include "gate_side.h"
#include "gate_work.h"
#include "side_heap.h"

extern const gate_side_v1 levin_gate_side_v1 __attribute__((visibility("default")));

static gate_run *run;

static const char *side_name(size_t index)
{
    const gate_work *w = gate_work_at(index);
    return w ? gate_work_name(w) : NULL;
}

static uint64_t side_operations(size_t index)
{
    return gate_work_operations(gate_work_at(index));
}

static bool side_prepare(size_t index, void *region, size_t bytes)
{
    const size_t half = bytes / 2;
    side_heap_use(region, half);
    run = gate_run_prepare(gate_work_at(index), (uint8_t *)region + half, bytes - half);
    return run;
}

static size_t side_ranges(gate_side_range *ranges)
{
    const gate_arena *arenas[] = { side_heap_arena(), gate_run_arena(run) };
    size_t n = 0;
    ranges[n++] = (gate_side_range){ (void *)(uintptr_t)arenas[0], sizeof(gate_arena) };
    for (size_t i = 0; i < 2; i++) {
        gate_arena_range of_arena[GATE_ARENA_RANGES];
        gate_arena_ranges(arenas[i], of_arena);
        for (size_t k = 0; k < GATE_ARENA_RANGES; k++)
            ranges[n++] = (gate_side_range){ of_arena[k].at, of_arena[k].bytes };
    }
    return n;
}

static bool side_measure(void)
{
    return gate_run_measure(run);
}

const gate_side_v1 levin_gate_side_v1 = { sizeof(gate_side_v1), side_name,   side_operations,
                                          side_prepare,         side_ranges, side_measure };
