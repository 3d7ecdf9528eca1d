/*
 * parts.h - what the custom mutators share: one number, one field of a header, one cell of a page is changed.
 */
#ifndef LEVIN_FUZZ_PARTS_H
#define LEVIN_FUZZ_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "../faults/random.h"

struct field {
    uint16_t at;
    uint8_t bytes;
};
/* The fields of a header. part_batch: of a batch and its first operation. */
struct part {
    const struct field *fields;
    size_t count;
};
extern const struct part part_meta, part_page, part_group, part_batch, part_segment, part_value_segment,
    part_value_record, part_pointer;

/* A little-endian number gets another value: near the old one, a limit, a power of two, or anything. */
void mutate_number(random_stream *random, uint8_t *at, size_t bytes);
/* One of the fields; base must have all of them. */
void mutate_field(random_stream *random, uint8_t *base, const struct part *part);
/* Of a tree page: a slot, its cell, or the order of slots. */
void mutate_cells(random_stream *random, uint8_t *page, uint32_t page_bytes);
/* An entry of the free list, or of the table of value-log segments: numbers of 8 bytes. */
void mutate_list(random_stream *random, uint8_t *page, uint32_t page_bytes);

#endif
