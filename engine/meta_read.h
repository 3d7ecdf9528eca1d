/*
 * meta_read.h - a meta page out of an open page file.
 */
#ifndef LEVIN_META_READ_H
#define LEVIN_META_READ_H

#include "file.h"
#include "page.h"

/* slot 0 or 1.  As meta_decode(), and LEVIN_CORRUPT where the file ends; LEVIN_IO.  Any thread. */
levin_code meta_read(file *pages, unsigned slot, page_meta *meta, levin_error *error);

#endif
