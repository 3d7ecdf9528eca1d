/*
 * buffer.h - a growable run of bytes for the command line.  Memory that runs out ends the process with exit code 3: the
 * tool holds nothing that the store does not keep by itself.
 */
#ifndef CLI_BUFFER_H
#define CLI_BUFFER_H

#include <stddef.h>

#include "../levin.h"

typedef struct buffer {
    char *data; /* NULL while nothing was ever appended */
    size_t size, capacity;
} buffer;

void buffer_fini(buffer *b);
static inline void buffer_clear(buffer *b)
{
    b->size = 0;
}
/* Makes room for `more` bytes after the size; returns where they start. */
char *buffer_reserve(buffer *b, size_t more);
void buffer_append(buffer *b, const void *data, size_t size);
static inline void buffer_append_byte(buffer *b, char byte)
{
    *buffer_reserve(b, 1) = byte;
    b->size++;
}
/* data is never NULL, so that an empty value is not taken for an absent one. */
static inline levin_slice buffer_slice(const buffer *b)
{
    return (levin_slice){ b->data ? b->data : "", b->size };
}

#endif
