/*
 * meta_read.c - reads a slot and decodes it.  Concurrency: none of its own.  Crash safety: reads only.
 */
#include "meta_read.h"

levin_code meta_read(file *pages, unsigned slot, page_meta *meta, levin_error *error)
{
    uint8_t bytes[META_BYTES];
    size_t done;
    levin_code code = file_read(pages, bytes, sizeof bytes, (uint64_t)slot * META_SLOT_BYTES, &done, error);
    if (code != LEVIN_OK)
        return code;
    if (done < sizeof bytes)
        return error_corrupt(error, PAGE_FILE_NAME, (uint64_t)slot * META_SLOT_BYTES, sizeof bytes, done,
                             "the page file ends inside a meta page");
    return meta_decode(bytes, slot, meta, error);
}
