/*
 * vlog_table.h - the table of value-log segments in the page file.  Bytes: page_format.h, page type 4.
 */
#ifndef LEVIN_VLOG_TABLE_H
#define LEVIN_VLOG_TABLE_H

#include "tree.h"
#include "vlog.h"

/* How many entries so many pages hold at most. */
size_t vlog_table_room(uint64_t pages, uint32_t page_bytes);
/* How many pages so many entries need. */
uint64_t vlog_table_pages(size_t entries, uint32_t page_bytes);
/*
 * Writes the whole table, as pages `first` and on, into image; t gives page size, identity and generation.  Returns the
 * first page, number 0 for an empty table.
 */
page_ref vlog_table_encode(uint8_t *image, const tree *t, uint64_t first, const vlog_entry *entries, size_t count);
typedef levin_code (*vlog_table_visit)(void *context, const vlog_entry *entry, levin_error *error);
/* The entries of a page that page_verify() has passed, and the page after it (number 0: none). *after: 0 at first. */
levin_code vlog_table_read(const uint8_t *page, uint32_t page_bytes, uint64_t *after, vlog_table_visit visit,
                           void *context, page_ref *next, levin_error *error);

#endif
