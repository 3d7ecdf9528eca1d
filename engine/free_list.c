/*
 * free_list.c - the free list as pages: a chain of pages of ascending extents.
 *
 * Invariants: entries ascend and do not touch, within a page (page_verify) and across the chain (free_list_read).
 * Concurrency: pure functions.  Crash safety: each page carries the checksum of the next, the meta page that of the
 * first.
 */
#include <assert.h>

#include "checksum.h"
#include "space.h"

static size_t entries_per_page(uint32_t page_bytes)
{
    return (page_bytes - PAGE_HEADER_BYTES) / FREE_ENTRY_BYTES;
}

uint64_t free_list_pages(size_t extents, uint32_t page_bytes)
{
    size_t per_page = entries_per_page(page_bytes);
    return (extents + per_page - 1) / per_page;
}

uint64_t free_list_write(uint8_t *page, uint32_t page_bytes, uint64_t identity, uint64_t number, uint64_t generation,
                         const extent *extents, size_t count, page_ref next)
{
    assert(count <= entries_per_page(page_bytes));
    memset(page, 0, page_bytes);
    store_u64(page + PAGE_NUMBER, number);
    store_u64(page + PAGE_GENERATION, generation);
    store_u8(page + PAGE_TYPE, PAGE_FREE_LIST);
    store_u16(page + PAGE_CELLS, (uint16_t)count);
    store_u32(page + PAGE_HEAP, page_bytes);
    if (next.number) {
        store_u64(page + PAGE_NEXT, next.number);
        store_u64(page + PAGE_NEXT_CHECKSUM, next.checksum);
    }
    uint8_t *entry = page + PAGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++, entry += FREE_ENTRY_BYTES) {
        store_u64(entry, extents[i].first);
        store_u64(entry + 8, extents[i].pages);
    }
    uint64_t sum = page_checksum(page, page_bytes, identity, number);
    store_u64(page + PAGE_CHECKSUM, sum);
    return sum;
}

levin_code free_list_read(const uint8_t *page, const char *file_name, uint32_t page_bytes, uint64_t page_count,
                          uint64_t *after, extent_list *out, const levin_io *io, page_ref *next, levin_error *error)
{
    uint64_t number = load_u64(page + PAGE_NUMBER);
    const uint8_t *entry = page + PAGE_HEADER_BYTES;

    for (unsigned i = 0; i < page_cells(page); i++, entry += FREE_ENTRY_BYTES) {
        uint64_t at = number * page_bytes + (uint64_t)(entry - page);
        uint64_t first = load_u64(entry), pages = load_u64(entry + 8);
        if (first < page_first(page_bytes) || first >= page_count || pages == 0 || pages > page_count - first)
            return error_corrupt(error, file_name, at, page_count, first, "a free extent is not in the file");
        if (*after && first <= *after)
            return error_corrupt(error, file_name, at, *after + 1, first, "free extents are out of order or touch");
        levin_code code = extent_list_add(out, io, first, pages, error);
        if (code)
            return code;
        *after = first + pages;
    }
    *next = (page_ref){load_u64(page + PAGE_NEXT), load_u64(page + PAGE_NEXT_CHECKSUM)};
    return LEVIN_OK;
}

static levin_code prove_not_free(const page_meta *meta, const extent_list *free_pages, extent used, levin_error *error)
{
    if (!extent_list_touches(free_pages, used))
        return LEVIN_OK;
    return error_corrupt(error, PAGE_FILE_NAME, used.first * meta->page_bytes, 0, used.first,
                         "page %llu is in use and in the free list", (unsigned long long)used.first);
}

levin_code free_list_prove(const page_meta *meta, const extent_list *own_pages, const extent_list *free_pages,
                           levin_error *error)
{
    const uint64_t roots[] = { meta->root.number, meta->named_root.number };
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < own_pages->count && code == LEVIN_OK; i++)
        code = prove_not_free(meta, free_pages, own_pages->items[i], error);
    for (size_t i = 0; i < sizeof roots / sizeof *roots && code == LEVIN_OK; i++)
        if (roots[i])
            code = prove_not_free(meta, free_pages, (extent){ roots[i], 1 }, error);
    return code;
}
