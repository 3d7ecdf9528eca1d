/*
 * copy.h - copies of large values.
 *
 * The C library copies what is large by `rep movsb`, which some processors (AMD Zen 3 and 4: glibc bug 30994) do at a
 * fourth of their speed when the destination lies 1 to 63 bytes ahead of the source, both taken within their pages of
 * 4 KiB.  Values lie at all offsets, so for any destination a few of them do: 3 % of values of 64 KiB in a row, of
 * which each took 25 us instead of 6.  Those are copied by plain loads and stores.
 */
#ifndef LEVIN_COPY_H
#define LEVIN_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { COPY_ALIAS_PAGE_BYTES = 4096, COPY_ALIAS_BYTES = 64, COPY_BLOCK_BYTES = 64, COPY_AHEAD_BYTES = 1024 };

static inline void copy_by_blocks(uint8_t *to, const uint8_t *from, size_t bytes)
{
    size_t i = 0;
    for (; i + COPY_BLOCK_BYTES <= bytes; i += COPY_BLOCK_BYTES) {
        __builtin_prefetch(from + i + COPY_AHEAD_BYTES);
        memcpy(to + i, from + i, COPY_BLOCK_BYTES); /* of a constant size: moves in line */
    }
    memcpy(to + i, from + i, bytes - i);
}

/* As memcpy(). */
static inline void copy_large(void *to, const void *from, size_t bytes)
{
    const uintptr_t ahead = ((uintptr_t)to - (uintptr_t)from) % COPY_ALIAS_PAGE_BYTES;
    if (__builtin_expect(ahead - 1 < COPY_ALIAS_BYTES - 1, 0))
        copy_by_blocks(to, from, bytes);
    else
        memcpy(to, from, bytes);
}

#endif
