/*
 * file_parts.h - what the custom mutators share about files: one change in a log segment, a segment of the value log,
 * the records of a payload, or in any file.
 */
#ifndef LEVIN_FUZZ_FILE_PARTS_H
#define LEVIN_FUZZ_FILE_PARTS_H

#include "../faults/random.h"
#include "container.h"

/* A segment of the log: its header, a group's header, the first batch, or a byte of a payload. */
void mutate_segment(random_stream *random, const container_file *segment);
/* A segment of the value log: its header, a record's head, or a byte. */
void mutate_values(random_stream *random, const container_file *f);
/* Anywhere in any file of one or more: bytes, sectors, sizes, names; nothing of the formats is known. */
void mutate_blindly(random_stream *random, container *c);

/*
 * The two functions of mutate.h for inputs that are a container of files: one to three times `change`, or the files of
 * both inputs, of those that both have one; then `settle`, which makes right again what should be.
 */
typedef void container_change(random_stream *random, container *c);
size_t mutate_container(uint8_t *data, size_t size, size_t capacity, unsigned seed, container_change *change,
                        container_change *settle);
size_t cross_containers(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                        size_t capacity, unsigned seed, container_change *settle);

/* One record of a payload of `size` bytes, which may grow to `room`. Returns its bytes. */
size_t mutate_records(random_stream *random, uint8_t *payload, size_t size, size_t room);
/* Makes it one batch of everything that is a record. Returns the payload's bytes. */
size_t repair_batch(uint8_t *payload, size_t size);

#endif
