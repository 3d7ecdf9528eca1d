/*
 * ops.h - the bytes of an input of fuzz_ops, and the 256 keys that there are.
 *
 *   byte 0    the disk to start from (modulo OPS_STARTS), and what there is (divided by it): 0 the kinds of operations
 *             before OPS_KINDS_FIRST; otherwise all, and values over 60, 400, 1000 bytes in the value log, or none
 *   byte 1    options; 0 is the smallest of everything:
 *             bit 0     log sectors of 4096 bytes, of a new store
 *             bits 1-2  row cache: 32 KiB, off, 256 KiB, 1 MiB
 *             bits 3-4  memtable: 64 KiB, 128 KiB, 512 KiB, 4 MiB
 *             bits 5-6  pages: 4, 8, 16, 32 KiB, of a new store; the page cache has room for 16 of them
 *             bit 7     everything happens in a named keyspace, which is made first, dropped and made again
 *   operations of 4 bytes: kind (modulo how many there are) and three arguments, which are explained where they are
 *   used
 */
#ifndef LEVIN_FUZZ_OPS_H
#define LEVIN_FUZZ_OPS_H

#include "../engine/levin.h"

enum ops_kind {
    OPS_PUT,
    OPS_DELETE,
    OPS_BATCH,
    OPS_ASYNC,
    OPS_TICKET,
    OPS_GET,
    OPS_MULTI_GET,
    OPS_ITER_OPEN,
    OPS_ITER_MOVE,
    OPS_SNAPSHOT,
    OPS_UPKEEP,
    OPS_CALLBACK,
    OPS_SWAP,
    OPS_TXN,
    OPS_COMPACT,
    OPS_RANGE,
    OPS_KINDS_FIRST, /* those above; those below came later */
    OPS_LOAD = OPS_KINDS_FIRST,
    OPS_COLLECT,
    OPS_BACKUP,
    OPS_SAVEPOINT,
    OPS_KINDS
};

enum {
    OPS_KEYS = 256,
    OPS_HEADER_BYTES = 2,
    OPS_MAX = 48,       /* operations of one run */
    OPS_BATCH_MAX = 16,
    OPS_CURSORS = 3,
    OPS_SNAPSHOTS = 3,
    OPS_TICKETS = 4,
    OPS_TXNS = 2,
    OPS_SAVEPOINTS = 3,
    OPS_BACKUPS = 2,
    OPS_STARTS = 6
};

/* Once, before the other two. */
void ops_keys_init(void);
/* Whether keys are for a named keyspace: there the longest are 4 bytes shorter. */
void ops_keys_use(bool named);
/* The key of that rank in the order of keys: rank 0 is the smallest. */
levin_slice ops_key(uint8_t rank);
/* One of the prefixes that keys have, and the ranks of the keys with it; *from > *to: none. */
levin_slice ops_prefix(unsigned choice, int *from, int *to);

#endif
