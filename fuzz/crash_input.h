/*
 * crash_input.h - the bytes of an input of fuzz_crash.
 *
 *   byte 0       options: bits 0-1 the threshold of the value log (off, 60, 700, 4000 bytes), bits 2-3 the memtable
 *                (64, 128, 512 KiB, 1 MiB), bit 4 log sectors of 4096 bytes, bits 5-6 pages of 4, 8, 16, 32 KiB, bit
 *                7 the row cache off
 *   byte 1       seed, of the disk's random bytes and of the states that are drawn
 *   3 x 3 bytes  power cuts at the end: the point (two bytes, modulo the calls made) and the variant
 *   3 bytes      the power cut in the recovery of each of these
 *   operations of 4 bytes: kind (modulo CRASH_KINDS) and three arguments, which are explained in fuzz_crash.c
 */
#ifndef LEVIN_FUZZ_CRASH_INPUT_H
#define LEVIN_FUZZ_CRASH_INPUT_H

enum crash_kind {
    CRASH_PUT,
    CRASH_DELETE,
    CRASH_DELETE_RANGE,
    CRASH_DELETE_PREFIX,
    CRASH_WRITE,
    CRASH_TRANSACTION,
    CRASH_SWAP,
    CRASH_LOAD,
    CRASH_SUBMIT,
    CRASH_WAIT,
    CRASH_RIVAL,
    CRASH_UPKEEP,
    CRASH_COMPACT,
    CRASH_KEYSPACE,
    CRASH_DROP,
    CRASH_EARLIER,
    CRASH_LOOK,
    CRASH_REOPEN,
    CRASH_FAIL,
    CRASH_CALM,
    CRASH_KINDS
};

enum { CRASH_CUTS = 3, CRASH_CUT_BYTES = 3, CRASH_HEADER_BYTES = 2 + (CRASH_CUTS + 1) * CRASH_CUT_BYTES,
       CRASH_OPERATIONS_MAX = 32 };

#endif
