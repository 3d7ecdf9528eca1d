/*
 * memory_io_test.h - for tests and benchmarks: an I/O table that has memory only, counts it, and fails on request.
 */
#ifndef LEVIN_MEMORY_IO_TEST_H
#define LEVIN_MEMORY_IO_TEST_H

#include <stdatomic.h>
#include <stdlib.h>

#include "io.h"

typedef struct memory_io {
    levin_io table;
    _Atomic size_t held_bytes; /* allocated and not freed */
    _Atomic size_t held;       /* allocations not freed */
    _Atomic uint64_t calls;    /* of alloc */
    _Atomic uint64_t failed;   /* of these refused */
    uint64_t fail_at;          /* refuse this call of alloc (1: the first); 0: none */
    bool fail_on;              /* and all after it */
} memory_io;

static void *memory_io_alloc(void *context, size_t bytes, size_t alignment)
{
    memory_io *m = context;
    uint64_t call = atomic_fetch_add(&m->calls, 1) + 1;
    if (m->fail_at && (call == m->fail_at || (m->fail_on && call > m->fail_at))) {
        atomic_fetch_add(&m->failed, 1);
        return NULL;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes) != 0)
        abort();
    atomic_fetch_add(&m->held_bytes, bytes);
    atomic_fetch_add(&m->held, 1);
    return memory;
}

static void memory_io_free(void *context, void *memory, size_t bytes)
{
    memory_io *m = context;
    atomic_fetch_sub(&m->held_bytes, bytes);
    atomic_fetch_sub(&m->held, 1);
    free(memory);
}

static inline const levin_io *memory_io_init(memory_io *m)
{
    *m = (memory_io){ .table = { .version = LEVIN_IO_VERSION, .context = m, .alloc = memory_io_alloc,
                                 .free = memory_io_free } };
    return &m->table;
}

#endif
