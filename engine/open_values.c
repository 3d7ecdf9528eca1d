/*
 * open_values.c - the value log at levin_open().
 *
 * First the table that the meta page refers to: each segment in it must be there, whole.  Then, as the log is replayed,
 * the segments and values that its pointers name (vlog_recover.c).  What nothing names is removed at the end.
 *
 * Concurrency: the thread that opens the store.
 */
#include "open_values.h"

#include "record_format.h"
#include "vlog_table.h"

static levin_code adopt_entry(void *context, const vlog_entry *entry, levin_error *error)
{
    return vlog_adopt(context, entry->number, entry->end, entry->live, error);
}

static levin_code load_page(levin *db, page_ref *ref, uint64_t *after, levin_error *error)
{
    const page_meta *m = &db->meta;
    const page_expect expect = {
        .identity = db->identity,
        .page_bytes = m->page_bytes,
        .page_count = m->page_count,
        .max_generation = m->generation,
        .ref = *ref,
        .type = PAGE_VLOG_TABLE,
        .level = 0,
    };
    page_frame *frame;
    reclaim_read_lock();
    levin_code code = page_cache_get(db->cache, &expect, &frame, error);
    if (code == LEVIN_OK)
        code = vlog_table_read(frame->page, m->page_bytes, after, adopt_entry, &db->values, ref, error);
    reclaim_read_unlock();
    return code;
}

levin_code values_load(levin *db, extent_list *own_pages, levin_error *error)
{
    const page_meta *m = &db->meta;
    page_ref ref = m->vlog_table;
    uint64_t after = 0, left = m->vlog_table_pages;
    levin_code code = vlog_init(&db->values, db->io, db->directory, m->identity,
                                db->options.value_log_segment_bytes, error);
    while (ref.number && code == LEVIN_OK) {
        const uint64_t number = ref.number;
        if (left-- == 0)
            return error_corrupt(error, PAGE_FILE_NAME, number * m->page_bytes, m->vlog_table_pages,
                                 m->vlog_table_pages + 1,
                                 "the table of value-log segments has more pages than it should");
        if (own_pages)
            code = extent_list_add(own_pages, db->io, number, 1, error);
        if (code == LEVIN_OK)
            code = load_page(db, &ref, &after, error);
    }
    return code;
}

levin_code values_accept(vlog *values, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                         levin_error *error)
{
    const size_t before = values->unproven_count;
    levin_code code = LEVIN_OK;
    *whole = true;
    for (uint32_t i = 0; i < batches && code == LEVIN_OK && *whole; i++) {
        const uint8_t *operation = payload + BATCH_HEADER_BYTES;
        for (size_t n = load_u32(payload + BATCH_OP_COUNT); n && code == LEVIN_OK && *whole; n--) {
            if (record_kind(operation) == RECORD_PUT_LOGGED) {
                const vlog_pointer p = vlog_pointer_load(record_value(operation));
                code = vlog_replay(values, &p, proven, whole, error);
            }
            operation += record_bytes(operation);
        }
        payload += BATCH_HEADER_BYTES + load_u32(payload + BATCH_OPS_BYTES);
    }
    if (!*whole)
        vlog_replay_forget(values, before);
    return code;
}

static levin_code spare_segment(void *context, uint64_t number, levin_error *error)
{
    levin *db = context;
    return extent_list_add(&db->versions.reusable->segments, db->io, number, 1, error);
}

levin_code values_ready(levin *db, bool replayed, levin_error *error)
{
    /* pages are waiting already: for a process that reads an older checkpoint (open.c) */
    const bool spare = db->versions.reusable != NULL;
    vlog *v = &db->values;
    v->checkpointed = replayed ? 0 : v->freezes; /* nothing is missing from the table's counts */
    return vlog_tidy(v, db->meta.vlog_next, db->options.read_only, spare ? spare_segment : NULL, db, error);
}
