/*
 * damage.h - damage to a seed store that leaves all checksums as they were, and what the store may still answer.
 *
 * An input of form INPUT_DAMAGE:
 *   byte 2   index of the seed store, modulo seed_count()
 *   up to DAMAGE_MAX times 8 bytes:
 *     u8   operation, modulo DAMAGE_OPERATIONS (faults/damage.h)
 *     u8   file, modulo the number of files
 *     u24  offset, modulo the file's size
 *     u16  length
 *     u8   parameter
 *
 * No operation writes bytes of the input but for one byte each, and there are four at most: a fuzzer that solves
 * comparisons (CMPLOG, value profiles) cannot forge a checksum of 64 bits, which would make a legal store of another
 * content out of "damage".
 */
#ifndef LEVIN_FUZZ_DAMAGE_H
#define LEVIN_FUZZ_DAMAGE_H

#include "../faults/damage.h"
#include "seeds.h"

enum { DAMAGE_AT = 3, DAMAGE_BYTES = 8, DAMAGE_MAX = 4 };

/* Which states of the seed store may be what a store opened on the damaged image holds. */
typedef struct damage_legal {
    const seed_store *seed;
    size_t first, last;   /* states[first .. last], and */
    size_t final;         /* states[final], the right answer, always */
} damage_legal;

/* The damaged image; the caller unrefs it. salvage: recovery may cut the log at the damage. */
disk_image *damage_apply(const uint8_t *data, size_t size, bool salvage, damage_legal *legal);

#endif
