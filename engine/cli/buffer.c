/*
 * buffer.c - growth by doubling.  One owner, one thread.
 */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

void buffer_fini(buffer *b)
{
    free(b->data);
    *b = (buffer){ 0 };
}

char *buffer_reserve(buffer *b, size_t more)
{
    if (b->capacity - b->size < more) {
        size_t capacity = b->capacity ? b->capacity : 256;
        while (capacity - b->size < more)
            capacity *= 2;
        char *data = realloc(b->data, capacity);
        if (!data)
            cli_die_no_memory();
        b->data = data;
        b->capacity = capacity;
    }
    return b->data + b->size;
}

void buffer_append(buffer *b, const void *data, size_t size)
{
    if (!size)
        return;
    memcpy(buffer_reserve(b, size), data, size);
    b->size += size;
}
