/*
 * plain_vlog.c - pointers, headers and records of the value log, read plainly (plain_vlog.h).
 *
 * Invariants: no byte outside of the file is read; numbers are of 64 bits, so that no sum of lengths overflows.
 */
#include "plain_vlog.h"

#include <string.h>

#include "../engine/checksum.h"

enum { HEADER = 512, RECORD = 32 };

uint64_t plain_number(const uint8_t *at, size_t bytes)
{
    uint64_t v = 0;
    while (bytes-- > 0)
        v = v * 256 + at[bytes];
    return v;
}

bool plain_pointer(const uint8_t *at, uint64_t key_bytes)
{
    uint64_t offset = plain_number(at, 4), segment = plain_number(at + 4, 4), value = plain_number(at + 16, 4);
    return plain_number(at + 20, 2) == key_bytes && !plain_number(at + 22, 2) && value && value <= 256u << 20 &&
           segment && segment <= 0x7fffffff && offset >= HEADER && !(offset % 8) &&
           offset + RECORD + key_bytes + value <= 0xfffff000;
}

plain_value plain_pointer_read(const uint8_t *at)
{
    return (plain_value){ plain_number(at, 8), plain_number(at + 8, 8), plain_number(at + 20, 2),
                          plain_number(at + 16, 4) };
}

uint64_t plain_value_end(const plain_value *value)
{
    return (value->position & UINT32_MAX) + RECORD + value->key_bytes + value->value_bytes;
}

bool plain_value_right(const plain_value *value, const uint8_t *bytes, const uint8_t identity[16])
{
    const uint64_t seed = checksum_seed(checksum_identity(identity), PLACE_VLOG_VALUE, value->position);
    return checksum(bytes, value->value_bytes, seed) == value->checksum;
}

const uint8_t *plain_value_bytes(const plain_value *value, const uint8_t *data, uint64_t bytes,
                                 const uint8_t identity[16])
{
    const uint64_t end = plain_value_end(value), begin = end - value->value_bytes;
    return end <= bytes && plain_value_right(value, data + begin, identity) ? data + begin : NULL;
}

enum plain_header plain_vlog_header(const uint8_t *data, uint64_t bytes, uint64_t number, const uint8_t identity[16])
{
    if (bytes < HEADER || memcmp(data + 8, "LEVINVLG", 8) ||
        plain_number(data, 8) != checksum(data + 8, HEADER - 8, checksum_seed(0, PLACE_VLOG_SEGMENT, number)))
        return PLAIN_HEADER_DAMAGED;
    if (plain_number(data + 16, 4) > 2)
        return PLAIN_HEADER_UNKNOWN;
    bool whole = plain_number(data + 16, 4) && !memcmp(data + 24, identity, 16) && plain_number(data + 40, 8) == number;
    return whole ? PLAIN_HEADER_WHOLE : PLAIN_HEADER_DAMAGED;
}

bool plain_record(const uint8_t *data, uint64_t bytes, uint64_t number, uint64_t offset, const uint8_t identity[16],
                  plain_value *value)
{
    if (offset + RECORD > bytes || memcmp(data + offset + 8, "LVR1", 4))
        return false;
    const uint8_t *head = data + offset;
    *value = (plain_value){ number << 32 | offset, plain_number(head + 24, 8), plain_number(head + 16, 2),
                            plain_number(head + 12, 4) };
    const uint64_t seed = checksum_seed(checksum_identity(identity), PLACE_VLOG_RECORD, value->position);
    return value->key_bytes && value->key_bytes <= 16384 && value->value_bytes && value->value_bytes <= 256u << 20 &&
           offset + RECORD + value->key_bytes <= bytes &&
           plain_number(head, 8) == checksum(head + 8, RECORD - 8 + value->key_bytes, seed);
}
