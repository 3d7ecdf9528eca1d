/*
 * page_input.h - one page, or one meta slot, and what is expected of it, as an input of fuzz_page.
 *
 *   byte 0   what: 0 a page, any of leaf and branch; 1..4 a page of that type; 5 a meta slot (modulo 6)
 *   byte 1   bit 0: pages of 8 KiB, not 4; bit 1: the parent refers to other bytes; bit 2: metas: slot 1
 *   byte 2   level expected: below 16, else any
 *   byte 3   0
 *   u16      bytes that stand at the front of the page
 *   then those, then the bytes at the end of the page; zeros lie between. Too many bytes are left out.
 *
 * Every byte sequence decodes to some page.
 */
#ifndef LEVIN_FUZZ_PAGE_INPUT_H
#define LEVIN_FUZZ_PAGE_INPUT_H

#include "../engine/page.h"

enum { PAGE_INPUT_BYTES = 6, PAGE_INPUT_META = 5, PAGE_INPUT_KINDS = 6, PAGE_INPUT_MAX = 8192 };
enum { PAGE_INPUT_LARGE = 1, PAGE_INPUT_OTHER = 2, PAGE_INPUT_SLOT = 4 };
/* The place where each page stands. */
enum { PAGE_INPUT_NUMBER = 5, PAGE_INPUT_COUNT = 4096, PAGE_INPUT_GENERATION = 9, PAGE_INPUT_IDENTITY = 77 };

typedef struct page_input {
    uint8_t what, flags, level;
    uint32_t bytes; /* of the page, or META_BYTES */
    uint8_t page[PAGE_INPUT_MAX];
} page_input;

void page_input_decode(page_input *input, const uint8_t *data, size_t size);
/* Returns the bytes used; 0 when they do not fit. */
size_t page_input_encode(const page_input *input, uint8_t *data, size_t capacity);
/* The right checksum of what stands there; heads: those of slots, too. */
void page_input_repair(page_input *input, bool heads);

#endif
