/*
 * checksum.h - XXH3-64 (Collet), seeded with where the bytes belong.
 *
 * A checksum is a function of the bytes and of (identity of the store, place), so that bytes read from the wrong
 * place or left from another store or another life of the file do not verify.
 */
#ifndef LEVIN_CHECKSUM_H
#define LEVIN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "levin.h"

/* What kind of place, so that equal numbers of different kinds differ. */
enum checksum_place {
    PLACE_META = 1,
    PLACE_PAGE = 2,
    PLACE_EXTENT = 3,
    PLACE_WAL_SEGMENT = 4,
    PLACE_WAL_GROUP = 5,
    PLACE_VLOG_SEGMENT = 6,
    PLACE_VLOG_RECORD = 7,
    PLACE_VLOG_VALUE = 8,
    PLACE_READER_SLOT = 9
};

/* identity: checksum_identity() of the store's 16 bytes, 0 where the store is not known yet. */
uint64_t checksum_seed(uint64_t identity, enum checksum_place place, uint64_t number);
uint64_t checksum_identity(const uint8_t identity[16]);
uint64_t checksum(const void *data, size_t bytes, uint64_t seed);
/* The checksum of the concatenation of the parts. */
uint64_t checksum_parts(const levin_slice *parts, size_t count, uint64_t seed);

/* Incremental, for data that comes in windows. Opaque storage of XXH3_state_t, 64-byte aligned. */
typedef struct checksum_stream {
    _Alignas(64) unsigned char state[640];
} checksum_stream;
void checksum_begin(checksum_stream *stream, uint64_t seed);
void checksum_add(checksum_stream *stream, const void *data, size_t bytes);
uint64_t checksum_end(checksum_stream *stream);

#endif
