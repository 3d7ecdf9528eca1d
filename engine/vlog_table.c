/*
 * vlog_table.c - what checkpoints know of the segments of the value log: the table in the page file, and how the bytes
 * that the tree points to are counted.
 *
 * The table is a chain of pages (page_format.h: type 4), written anew by each checkpoint, referred to by the meta page.
 * It names all segments that the state needs, so that a missing one is noticed when the store is opened.
 *
 * Invariants: entries ascend by number, within a page (page_verify) and across the chain (vlog_table_read).
 * Concurrency: the table is the checkpoint's; segments are read under v->mutex.
 * Crash safety: each page carries the checksum of the next, the meta page that of the first.  That `live` is right is
 * nowhere relied upon.
 */
#include "vlog_table.h"

#include <assert.h>
#include <string.h>

#include "checksum.h"

enum { CHANGES_FIRST = 8 };

/* ---- what a merge changes ---- */

static levin_code changes_insert(vlog_changes *c, const levin_io *io, size_t at, uint64_t number, levin_error *error)
{
    if (c->count == c->capacity) {
        const size_t capacity = c->capacity ? 2 * c->capacity : CHANGES_FIRST;
        vlog_change *bigger = io_alloc(io, capacity * sizeof *bigger);
        if (!bigger)
            return error_memory(error, capacity * sizeof *bigger);
        if (c->count)
            memcpy(bigger, c->items, c->count * sizeof *bigger);
        io_free(io, c->items, c->capacity * sizeof *bigger);
        c->items = bigger;
        c->capacity = capacity;
    }
    memmove(c->items + at + 1, c->items + at, (c->count - at) * sizeof *c->items);
    c->items[at] = (vlog_change){ .number = number };
    c->count++;
    return LEVIN_OK;
}

levin_code vlog_changes_add(vlog_changes *c, const levin_io *io, const vlog_pointer *p, bool added,
                            levin_error *error)
{
    const uint64_t number = vlog_segment_of(p->position), bytes = vlog_pointer_record_bytes(p);
    if (c->last >= c->count || c->items[c->last].number != number) {
        size_t from = 0, count = c->count;
        while (count) {
            const size_t half = count / 2;
            if (c->items[from + half].number < number) {
                from += half + 1;
                count -= half + 1;
            } else {
                count = half;
            }
        }
        c->last = from;
        if (from == c->count || c->items[from].number != number) {
            levin_code code = changes_insert(c, io, from, number, error);
            if (code)
                return code;
        }
    }
    if (added)
        c->items[c->last].added += bytes;
    else
        c->items[c->last].removed += bytes;
    return LEVIN_OK;
}

void vlog_changes_fini(vlog_changes *c, const levin_io *io)
{
    io_free(io, c->items, c->capacity * sizeof *c->items);
    *c = (vlog_changes){ 0 };
}

/* ---- entries ---- */

levin_code vlog_table_entries(vlog *v, const vlog_changes *changes, bool merged, vlog_entry **entries, size_t *count,
                              size_t *capacity, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    size_t n = 0, at = 0;
    *capacity = v->count;
    *entries = v->count ? io_alloc(v->io, v->count * sizeof **entries) : NULL;
    for (size_t i = 0; i < v->count && *entries; i++) {
        const vlog_segment *s = v->segments[i];
        uint64_t live = s->live;
        while (at < changes->count && changes->items[at].number < s->number)
            at++;
        if (at < changes->count && changes->items[at].number == s->number) {
            live += changes->items[at].added;
            live -= changes->items[at].removed < live ? changes->items[at].removed : live;
        }
        if (s->state != VLOG_GONE && (s->state != VLOG_LEAVING || !merged))
            (*entries)[n++] = (vlog_entry){ s->number, s->end, live < s->end ? live : s->end };
    }
    levin_code code = *capacity && !*entries ? error_memory(error, *capacity * sizeof **entries) : LEVIN_OK;
    *count = n;
    sync_mutex_unlock(&v->mutex);
    return code;
}

void vlog_table_durable(vlog *v, const vlog_entry *entries, size_t count, bool merged)
{
    size_t at = 0;
    sync_mutex_lock(&v->mutex);
    if (merged)
        v->checkpointed = v->freezes;
    for (size_t i = 0; i < v->count; i++) {
        vlog_segment *s = v->segments[i];
        while (at < count && entries[at].number < s->number)
            at++;
        if (at < count && entries[at].number == s->number)
            s->live = entries[at].live;
        if (merged && s->state == VLOG_LEAVING)
            s->state = VLOG_GONE;
    }
    sync_mutex_unlock(&v->mutex);
}

/* ---- pages ---- */

static size_t entries_per_page(uint32_t page_bytes)
{
    return (page_bytes - PAGE_HEADER_BYTES) / VLOG_ENTRY_BYTES;
}

size_t vlog_table_room(uint64_t pages, uint32_t page_bytes)
{
    return (size_t)pages * entries_per_page(page_bytes);
}

uint64_t vlog_table_pages(size_t entries, uint32_t page_bytes)
{
    const size_t per_page = entries_per_page(page_bytes);
    return (entries + per_page - 1) / per_page;
}

static page_ref page_encode(uint8_t *page, const tree *t, uint64_t number, const vlog_entry *entries, size_t count,
                            page_ref next)
{
    memset(page, 0, t->page_bytes);
    store_u64(page + PAGE_NUMBER, number);
    store_u64(page + PAGE_GENERATION, t->generation);
    store_u8(page + PAGE_TYPE, PAGE_VLOG_TABLE);
    store_u16(page + PAGE_CELLS, (uint16_t)count);
    store_u32(page + PAGE_HEAP, t->page_bytes);
    store_u64(page + PAGE_NEXT, next.number);
    store_u64(page + PAGE_NEXT_CHECKSUM, next.number ? next.checksum : 0);
    uint8_t *entry = page + PAGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++, entry += VLOG_ENTRY_BYTES) {
        store_u64(entry, entries[i].number);
        store_u64(entry + 8, entries[i].end);
        store_u64(entry + 16, entries[i].live);
    }
    const uint64_t sum = page_checksum(page, t->page_bytes, t->identity, number);
    store_u64(page + PAGE_CHECKSUM, sum);
    return (page_ref){ number, sum };
}

page_ref vlog_table_encode(uint8_t *image, const tree *t, uint64_t first, const vlog_entry *entries, size_t count)
{
    const size_t per_page = entries_per_page(t->page_bytes);
    page_ref next = { 0, 0 };
    for (uint64_t i = vlog_table_pages(count, t->page_bytes); i-- > 0;) {
        const size_t from = i * per_page, n = count - from < per_page ? count - from : per_page;
        next = page_encode(image + i * t->page_bytes, t, first + i, entries + from, n, next);
    }
    return next;
}

levin_code vlog_table_read(const uint8_t *page, uint32_t page_bytes, uint64_t *after, vlog_table_visit visit,
                           void *context, page_ref *next, levin_error *error)
{
    const uint64_t at = load_u64(page + PAGE_NUMBER) * page_bytes;
    const uint8_t *entry = page + PAGE_HEADER_BYTES;
    for (unsigned i = 0; i < page_cells(page); i++, entry += VLOG_ENTRY_BYTES) {
        const vlog_entry e = { load_u64(entry), load_u64(entry + 8), load_u64(entry + 16) };
        if (e.number <= *after)
            return error_corrupt(error, PAGE_FILE_NAME, at + (uint64_t)(entry - page), *after + 1, e.number,
                                 "segments of the value log are out of order");
        levin_code code = visit(context, &e, error);
        if (code)
            return code;
        *after = e.number;
    }
    *next = (page_ref){ load_u64(page + PAGE_NEXT), load_u64(page + PAGE_NEXT_CHECKSUM) };
    return LEVIN_OK;
}
