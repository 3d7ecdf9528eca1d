/*
 * mem_mask.c - looking into the mask of a memtable: which keys below it are deleted.
 *
 * Invariants: the ranges of a mask are disjoint and do not touch, so the last one that begins at or before a key is
 * the only one that can cover it.
 * Concurrency: wait-free on an immutable root, as mem_cursor.c.  Crash safety: memory only.
 */
#include "mem_node.h"

bool mem_mask_covers(const mem_node *mask, const uint8_t *key, size_t key_bytes)
{
    mem_cursor c;
    mem_cursor_init(&c, mask);
    if (!mem_cursor_seek_for_prev(&c, key, key_bytes))
        return false;
    const uint8_t *range = mem_cursor_record(&c);
    return !record_value_bytes(range) || record_end_compare(range, key, key_bytes) > 0;
}

void mem_mask_stretch(const mem_node *mask, const uint8_t *key, size_t key_bytes, mem_stretch *stretch)
{
    const levin_slice none = { NULL, 0 };
    mem_cursor c;
    mem_cursor_init(&c, mask);
    *stretch = (mem_stretch){ none, none, false };
    bool more;
    if (mem_cursor_seek_for_prev(&c, key, key_bytes)) {
        const uint8_t *range = mem_cursor_record(&c);
        const levin_slice end = { record_value(range), record_value_bytes(range) };
        if (!end.size || key_compare(end.data, end.size, key, key_bytes) > 0) {
            stretch->lower = (levin_slice){ record_key(range), record_key_bytes(range) };
            stretch->upper = end.size ? end : none;
            stretch->deleted = true;
            return;
        }
        stretch->lower = end;
        more = mem_cursor_next(&c);
    } else {
        more = mem_cursor_first(&c);
    }
    if (more) {
        const uint8_t *range = mem_cursor_record(&c);
        stretch->upper = (levin_slice){ record_key(range), record_key_bytes(range) };
    }
}
