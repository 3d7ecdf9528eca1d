/*
 * extent_list.c - a growing array of extents.
 *
 * Invariants: none but count <= capacity until extent_list_normalise(): ascending then, and no two touch.
 * Concurrency: one thread at a time.  Crash safety: memory only.
 */
#include "file.h"
#include "space.h"

#include <assert.h>

enum { EXTENT_LIST_FIRST_CAPACITY = 16 };

static levin_code extent_list_grow(extent_list *list, const levin_io *io, levin_error *error)
{
    size_t capacity = list->capacity ? list->capacity * 2 : EXTENT_LIST_FIRST_CAPACITY;
    extent *items = io_alloc(io, capacity * sizeof *items);
    if (!items)
        return error_memory(error, capacity * sizeof *items);
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    io_free(io, list->items, list->capacity * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return LEVIN_OK;
}

levin_code extent_list_add(extent_list *list, const levin_io *io, uint64_t first, uint64_t pages, levin_error *error)
{
    assert(pages > 0 && first <= UINT64_MAX - pages);
    extent *last = list->count ? &list->items[list->count - 1] : NULL;
    if (last && last->first + last->pages == first) {
        last->pages += pages;
        return LEVIN_OK;
    }
    if (last && first + pages == last->first) {
        last->first = first;
        last->pages += pages;
        return LEVIN_OK;
    }
    if (list->count == list->capacity) {
        levin_code code = extent_list_grow(list, io, error);
        if (code)
            return code;
    }
    list->items[list->count++] = (extent){first, pages};
    return LEVIN_OK;
}

void extent_list_fini(extent_list *list, const levin_io *io)
{
    io_free(io, list->items, list->capacity * sizeof *list->items);
    *list = (extent_list){0};
}

static void sift_down(extent *items, size_t at, size_t count)
{
    extent moving = items[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && items[child + 1].first > items[child].first)
            child++;
        if (items[child].first <= moving.first)
            break;
        items[at] = items[child];
    }
    items[at] = moving;
}

/* Heap sort (Williams 1964): in place, no memory of its own as qsort() may take, no bad case. */
static void extents_sort(extent *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, i, count);
    for (size_t end = count; end-- > 1;) {
        extent largest = items[0];
        items[0] = items[end];
        items[end] = largest;
        sift_down(items, 0, end);
    }
}

bool extent_list_normalise(extent_list *list)
{
    bool sorted = true, apart = true;
    for (size_t i = 1; sorted && i < list->count; i++)
        sorted = list->items[i - 1].first <= list->items[i].first;
    if (!sorted)
        extents_sort(list->items, list->count);

    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        extent e = list->items[i], *last = kept ? &list->items[kept - 1] : NULL;
        uint64_t last_end = last ? last->first + last->pages : 0;
        if (!last || last_end < e.first) {
            list->items[kept++] = e;
            continue;
        }
        if (last_end > e.first)
            apart = false;
        if (e.first + e.pages > last_end)
            last->pages = e.first + e.pages - last->first;
    }
    list->count = kept;
    return apart;
}

bool extent_list_touches(const extent_list *list, extent e)
{
    size_t from = 0, end = list->count; /* the first that ends behind the start of e is the only one that can */
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (list->items[middle].first + list->items[middle].pages <= e.first)
            from = middle + 1;
        else
            end = middle;
    }
    return from < list->count && list->items[from].first < e.first + e.pages;
}
