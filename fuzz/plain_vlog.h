/*
 * plain_vlog.h - the value log read plainly, as vlog_format.h describes it: what the targets compare the engine with.
 *
 * It shares with the engine the checksum function and the offsets of the fields, and no code that decides.
 * Concurrency: pure functions over their arguments.
 */
#ifndef LEVIN_FUZZ_PLAIN_VLOG_H
#define LEVIN_FUZZ_PLAIN_VLOG_H

#include "container.h"

/* Little-endian. */
uint64_t plain_number(const uint8_t *at, size_t bytes);

typedef struct plain_value {
    uint64_t position, checksum;
    uint64_t key_bytes, value_bytes;
} plain_value;

/* Whether 24 bytes can point to the value of a key of so many bytes. */
bool plain_pointer(const uint8_t *at, uint64_t key_bytes);
plain_value plain_pointer_read(const uint8_t *at);
/* Where the value ends in its segment. */
uint64_t plain_value_end(const plain_value *value);
/* Whether those are the bytes that the pointer means. */
bool plain_value_right(const plain_value *value, const uint8_t *bytes, const uint8_t identity[16]);
/* Its bytes in the segment's file, when they are all there and match the checksum; NULL otherwise. */
const uint8_t *plain_value_bytes(const plain_value *value, const uint8_t *data, uint64_t bytes,
                                 const uint8_t identity[16]);

enum plain_header { PLAIN_HEADER_WHOLE, PLAIN_HEADER_DAMAGED, PLAIN_HEADER_UNKNOWN };
/* The header of the segment that has that number by its name. */
enum plain_header plain_vlog_header(const uint8_t *data, uint64_t bytes, uint64_t number, const uint8_t identity[16]);
/* Whether the head of a record stands at the offset; says what it tells. */
bool plain_record(const uint8_t *data, uint64_t bytes, uint64_t number, uint64_t offset, const uint8_t identity[16],
                  plain_value *value);

#endif
