/*
 * metered_io.h - the engine's own I/O table: the caller's, with memory counted.
 */
#ifndef LEVIN_METERED_IO_H
#define LEVIN_METERED_IO_H

#include <stdatomic.h>

#include "io.h"

typedef struct metered_io {
    levin_io table;               /* give &table to the engine's parts */
    const levin_io *below;
    _Atomic uint64_t bytes;       /* outstanding; relaxed counter, pairs with nothing */
    _Atomic uint64_t peak;        /* relaxed maximum of bytes */
} metered_io;

/* below must outlive *m, and *m must not move. */
void metered_io_init(metered_io *m, const levin_io *below);

#endif
