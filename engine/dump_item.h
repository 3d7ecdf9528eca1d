/*
 * dump_item.h - what the parts of a dump share: the files, and the item that is being shown.  Internal.
 */
#ifndef LEVIN_DUMP_ITEM_H
#define LEVIN_DUMP_ITEM_H

#include <string.h>

#include "db.h"

enum { DUMP_FIELDS_MAX = 24 };

typedef struct dump {
    const levin_io *io;
    const char *path;
    const levin_dump_options *options;
    levin_dump_visit visit;
    void *context;
    file pages;
    uint64_t file_bytes;
    page_meta meta;
    bool have_meta;
    uint64_t file_pages;
    uint8_t *use;              /* by page: what for */
    uint8_t *page;
    bool stopped;
    uint64_t faults;

    levin_dump_item item;
    levin_dump_field fields[DUMP_FIELDS_MAX];
} dump;

static inline void item_begin(dump *d, const char *kind, const char *file_name, uint64_t offset)
{
    d->item = (levin_dump_item){ .kind = kind, .file = file_name, .offset = offset, .fields = d->fields };
}

static inline void item_field(dump *d, const char *name, levin_dump_type type, uint64_t number, levin_slice bytes)
{
    if (d->item.count < DUMP_FIELDS_MAX)
        d->fields[d->item.count++] = (levin_dump_field){ name, type, number, bytes };
}

static inline void item_number(dump *d, const char *name, uint64_t number)
{
    item_field(d, name, LEVIN_DUMP_NUMBER, number, (levin_slice){ NULL, 0 });
}

static inline void item_hex(dump *d, const char *name, uint64_t number)
{
    item_field(d, name, LEVIN_DUMP_HEX, number, (levin_slice){ NULL, 0 });
}

static inline void item_text(dump *d, const char *name, const char *text)
{
    item_field(d, name, LEVIN_DUMP_TEXT, 0, (levin_slice){ text, strlen(text) });
}

static inline void item_bytes(dump *d, const char *name, const void *data, size_t bytes)
{
    item_field(d, name, LEVIN_DUMP_BYTES, 0, (levin_slice){ data, bytes });
}

/* fault NULL: none. */
static inline void item_end(dump *d, const levin_error *fault)
{
    d->item.fault = fault && fault->code != LEVIN_OK ? fault : NULL;
    d->faults += d->item.fault != NULL;
    if (!d->stopped)
        d->stopped = !d->visit(d->context, &d->item);
}

static inline bool wants(const dump *d, unsigned what)
{
    return !d->stopped && (d->options->what & what);
}

/* dump_values.c: the segments of the value log, and the values in them. */
levin_code dump_values(dump *d, levin_error *error);

#endif
