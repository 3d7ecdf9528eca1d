/*
 * gate_side.h - the frozen interface between levin-gate and a side of the time tier: a shared object that holds an
 * engine and the recorded runs around it, compiled with that engine's own levin.h.
 *
 * The object exports one symbol, GATE_SIDE_SYMBOL, a gate_side_v1, and hides all else, so that two of them with
 * different engines live in one process.  A change of this interface is a new struct under a new name.
 *
 * All of a run's memory, the simulated disk's and the engine's, lies in the region that the caller gives, and
 * nothing of it elsewhere: whoever copies the ranges back has the prepared store again.  One thread; a region
 * holds one run.
 */
#ifndef LEVIN_GATE_SIDE_H
#define LEVIN_GATE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_SIDE_SYMBOL "levin_gate_side_v1"
enum { GATE_SIDE_RANGES_MAX = 8 };

typedef struct gate_side_range {
    void *at;
    size_t bytes;
} gate_side_range;

typedef struct gate_side_v1 {
    uint32_t struct_bytes; /* sizeof(gate_side_v1) */
    const char *(*name)(size_t index); /* of a run; NULL behind the last */
    uint64_t (*operations)(size_t index);
    /* region: zeros, aligned to 2 MiB. Leaves the store as the measured part wants it; false with a message. */
    bool (*prepare)(size_t index, void *region, size_t bytes);
    /* What of the region holds the prepared run; at most GATE_SIDE_RANGES_MAX. */
    size_t (*ranges)(gate_side_range *ranges);
    bool (*measure)(void);
} gate_side_v1;

#endif
