/*
 * gate_io.h - a levin_io that counts what passes through it: calls and bytes by file kind and operation, and memory,
 * which comes from an arena.
 *
 * Counts are exact and plain: one thread at a time (the gate runs with background = none).
 */
#ifndef LEVIN_GATE_IO_H
#define LEVIN_GATE_IO_H

#include "../engine/io.h"
#include "gate_arena.h"

/* X(name, text). Operations on names (rename .. list) have kind LEVIN_FILE_DIR. */
#define GATE_OPERATIONS(X)                                                                                      \
    X(GATE_OPEN, "open")                                                                                        \
    X(GATE_CLOSE, "close")                                                                                      \
    X(GATE_READ, "read")                                                                                        \
    X(GATE_WRITE, "write")                                                                                      \
    X(GATE_SYNC, "sync")                                                                                        \
    X(GATE_TRUNCATE, "truncate")                                                                                \
    X(GATE_PREALLOCATE, "preallocate")                                                                          \
    X(GATE_SIZE, "size")                                                                                        \
    X(GATE_RENAME, "rename")                                                                                    \
    X(GATE_UNLINK, "unlink")                                                                                    \
    X(GATE_MAKE_DIR, "make_dir")                                                                                \
    X(GATE_SYNC_DIR, "sync_dir")                                                                                \
    X(GATE_LIST, "list")                                                                                        \
    X(GATE_LOCK, "lock")
typedef enum gate_operation {
#define GATE_OPERATION_ENUM(name, text) name,
    GATE_OPERATIONS(GATE_OPERATION_ENUM)
#undef GATE_OPERATION_ENUM
    GATE_OPERATION_COUNT
} gate_operation;

typedef struct gate_counts {
    struct {
        uint64_t calls, bytes; /* bytes of reads and writes only */
    } file[LEVIN_FILE_KIND_COUNT][GATE_OPERATION_COUNT];
    uint64_t allocations, allocated_bytes, frees;
    uint64_t held_bytes;      /* outstanding now */
    uint64_t held_peak_bytes; /* the most since gate_io_reset() */
} gate_counts;

typedef struct gate_io {
    levin_io table; /* give &table to the engine */
    const levin_io *below;
    gate_arena *memory;
    gate_counts counts;
} gate_io;

/* below and memory must outlive *g, and *g must not move. */
void gate_io_init(gate_io *g, const levin_io *below, gate_arena *memory);
/* Everything to 0, but for the bytes held: the peak starts from them. */
void gate_io_reset(gate_io *g);

const char *gate_operation_text(gate_operation operation);
const char *gate_kind_text(levin_file_kind kind);

#endif
