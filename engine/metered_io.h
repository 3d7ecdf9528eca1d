/*
 * metered_io.h - the engine's own I/O table: the caller's, with memory counted; and what files were read, written and
 * synced, counted by file.c, which knows their kinds.
 */
#ifndef LEVIN_METERED_IO_H
#define LEVIN_METERED_IO_H

#include <stdatomic.h>

#include "distribution.h"
#include "io.h"

/* Of all files of one kind. Relaxed counters, pair with nothing. */
typedef struct metered_files {
    _Atomic uint64_t read_bytes, written_bytes;
    _Atomic uint64_t syncs, sync_ns; /* failed ones included */
    distribution *sync_times;        /* NULL: nobody wants them; set before the first file is opened */
} metered_files;

typedef struct metered_io {
    levin_io table;               /* give &table to the engine's parts */
    const levin_io *below;
    _Atomic uint64_t bytes;       /* outstanding; relaxed counter, pairs with nothing */
    _Atomic uint64_t peak;        /* relaxed maximum of bytes */
    metered_files files[LEVIN_FILE_KIND_COUNT];
} metered_io;

/* below must outlive *m, and *m must not move. */
void metered_io_init(metered_io *m, const levin_io *below);
/* The metered_io whose table this is, or NULL. */
metered_io *metered_io_of(const levin_io *io);

#endif
