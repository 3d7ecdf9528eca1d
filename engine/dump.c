/*
 * dump.c - what stands in the files of a store, for a person who looks into a damaged one.
 *
 * The files are read as they lie, without opening a store; a fault is told with the thing that has it, and the reading
 * goes on behind.  What a page is for is found out first, by a walk from the newest valid meta page: pages of the tree,
 * values, the free list.  Bytes are interpreted only as far as their lengths make sense.
 *
 * Memory: a byte for each page of the file, a window of the log, one group.  Concurrency: one thread; no lock is taken,
 * so beside a writer faults may be shown that are none.  Crash safety: nothing is written.
 */
#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "dump_item.h"
#include "tree_walk.h"
#include "wal_internal.h"

enum page_use { USE_NONE, USE_TREE, USE_VALUE_FIRST, USE_VALUE, USE_FREE_LIST, USE_FREE };
static const char *const use_texts[] = { "none", "tree", "value", "value, continued", "free list", "free" };

void levin_dump_options_init(levin_dump_options *options)
{
    *options = (levin_dump_options){ .struct_bytes = sizeof *options, .what = LEVIN_DUMP_META, .page = UINT64_MAX };
}

/* ---- meta pages ---- */

static void meta_fields(dump *d, const page_meta *m)
{
    item_number(d, "generation", m->generation);
    item_number(d, "page_bytes", m->page_bytes);
    item_number(d, "sector_bytes", m->sector_bytes);
    item_bytes(d, "identity", m->identity, sizeof m->identity);
    item_number(d, "root", m->root.number);
    item_hex(d, "root_checksum", m->root.checksum);
    item_number(d, "height", m->height);
    item_number(d, "keys", m->keys);
    item_number(d, "named_root", m->named_root.number);
    item_hex(d, "named_root_checksum", m->named_root.checksum);
    item_number(d, "named_height", m->named_height);
    item_number(d, "named_keys", m->named_keys);
    item_number(d, "page_count", m->page_count);
    item_number(d, "leaf_pages", m->leaf_pages);
    item_number(d, "branch_pages", m->branch_pages);
    item_number(d, "overflow_pages", m->overflow_pages);
    item_number(d, "free_pages", m->free_pages);
    item_number(d, "free_list", m->free_list.number);
    item_number(d, "free_list_pages", m->free_list_pages);
    item_number(d, "replay_segment", lsn_segment(m->replay));
    item_number(d, "replay_offset", lsn_offset(m->replay));
    item_hex(d, "replay_chain", m->replay_chain);
    item_number(d, "sequence", m->sequence);
    item_number(d, "incarnation", m->incarnation);
}

/* Whether it is shown: when asked for, by its page too, and when nothing else can be found for want of it. */
static bool wants_meta(const dump *d, uint64_t offset)
{
    return wants(d, LEVIN_DUMP_META) || !d->have_meta ||
           (wants(d, LEVIN_DUMP_PAGES) && d->options->page == offset / d->meta.page_bytes);
}

static levin_code dump_metas(dump *d, levin_error *error)
{
    page_meta metas[2];
    levin_error faults[2] = { { 0 } };
    levin_code codes[2];
    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t bytes[META_BYTES];
        size_t done;
        uint64_t offset = (uint64_t)slot * META_SLOT_BYTES;
        levin_code code = file_read(&d->pages, bytes, sizeof bytes, offset, &done, error);
        if (code != LEVIN_OK)
            return code;
        codes[slot] = done < sizeof bytes ? error_corrupt(&faults[slot], PAGE_FILE_NAME, offset, sizeof bytes, done,
                                                          "the page file ends inside a meta page")
                                          : meta_decode(bytes, slot, &metas[slot], &faults[slot]);
        if (codes[slot] == LEVIN_OK && (!d->have_meta || metas[slot].generation > d->meta.generation)) {
            d->meta = metas[slot];
            d->have_meta = true;
        }
    }
    for (unsigned slot = 0; slot < 2; slot++) {
        uint64_t offset = (uint64_t)slot * META_SLOT_BYTES;
        if (!wants_meta(d, offset))
            continue;
        item_begin(d, "meta", PAGE_FILE_NAME, offset);
        item_number(d, "slot", slot);
        if (codes[slot] == LEVIN_OK)
            meta_fields(d, &metas[slot]);
        item_end(d, &faults[slot]);
    }
    return LEVIN_OK;
}

/* ---- what each page is for ---- */

static void use_mark(dump *d, uint64_t first, uint64_t pages, enum page_use use, enum page_use rest)
{
    for (uint64_t n = first; n < d->file_pages && n - first < pages; n++)
        d->use[n] = n == first ? (uint8_t)use : (uint8_t)rest;
}

static levin_code use_page(void *context, page_ref ref, unsigned level, const uint8_t *page, levin_error *error)
{
    dump *d = context;
    (void)error;
    use_mark(d, ref.number, 1, USE_TREE, USE_TREE);
    for (unsigned i = 0; level == 0 && i < page_cells(page); i++) {
        page_value v = leaf_value(page, i);
        if (v.kind == VALUE_EXTENT)
            use_mark(d, v.first_page, extent_pages(v.bytes, d->meta.page_bytes), USE_VALUE_FIRST, USE_VALUE);
    }
    return LEVIN_OK;
}

static levin_code use_damaged(void *context, const levin_error *fault, split_key lower, split_key upper, bool bounded,
                              levin_error *error)
{
    dump *d = context;
    uint8_t *key = io_alloc(d->io, 2 * LEVIN_KEY_MAX_BYTES(d->meta.page_bytes));
    if (!key)
        return error_memory(error, 2 * LEVIN_KEY_MAX_BYTES(d->meta.page_bytes));
    uint8_t *end = key + LEVIN_KEY_MAX_BYTES(d->meta.page_bytes);
    if (fault->offset / d->meta.page_bytes >= page_first(d->meta.page_bytes))
        use_mark(d, fault->offset / d->meta.page_bytes, 1, USE_TREE, USE_TREE);
    item_begin(d, "lost", PAGE_FILE_NAME, fault->offset);
    item_bytes(d, "lower", key, split_key_copy(key, lower));
    if (bounded)
        item_bytes(d, "upper", end, split_key_copy(end, upper));
    item_end(d, fault);
    io_free(d->io, key, 2 * LEVIN_KEY_MAX_BYTES(d->meta.page_bytes));
    return LEVIN_OK;
}

static levin_code read_page(dump *d, uint64_t number, levin_error *error)
{
    size_t done;
    levin_code code = file_read(&d->pages, d->page, d->meta.page_bytes, number * d->meta.page_bytes, &done, error);
    if (code == LEVIN_OK && done < d->meta.page_bytes)
        memset(d->page + done, 0, d->meta.page_bytes - done);
    return code;
}

/* The chain of the free list, and what it lists. */
static levin_code use_free_list(dump *d, levin_error *error)
{
    const page_meta *m = &d->meta;
    page_ref ref = m->free_list;
    uint64_t after = 0;
    levin_code code = LEVIN_OK;
    for (uint64_t left = m->free_list_pages; ref.number && left && code == LEVIN_OK; left--) {
        page_expect expect = { .identity = checksum_identity(m->identity), .page_bytes = m->page_bytes,
                               .page_count = m->page_count, .max_generation = m->generation, .ref = ref,
                               .type = PAGE_FREE_LIST, .level = 0 };
        levin_error fault = { 0 };
        extent_list list = { 0 };
        const uint64_t number = ref.number;
        if (number < d->file_pages)
            d->use[number] = USE_FREE_LIST;
        code = read_page(d, number, error);
        if (code != LEVIN_OK)
            break;
        levin_code good = page_verify(d->page, &expect, &fault);
        if (good == LEVIN_OK)
            good = free_list_read(d->page, PAGE_FILE_NAME, m->page_bytes, m->page_count, &after, &list, d->io, &ref,
                                  &fault);
        if (good == LEVIN_NO_MEMORY) {
            *error = fault;
            code = good;
        }
        for (size_t i = 0; i < list.count; i++) {
            use_mark(d, list.items[i].first, list.items[i].pages, USE_FREE, USE_FREE);
            if (!wants(d, LEVIN_DUMP_FREE))
                continue;
            item_begin(d, "free", PAGE_FILE_NAME, number * m->page_bytes);
            item_number(d, "first", list.items[i].first);
            item_number(d, "pages", list.items[i].pages);
            item_end(d, NULL);
        }
        extent_list_fini(&list, d->io);
        if (good != LEVIN_OK && code == LEVIN_OK) {
            item_begin(d, "free list", PAGE_FILE_NAME, number * m->page_bytes);
            item_number(d, "page", number);
            item_end(d, &fault);
            break;
        }
    }
    return code;
}

static levin_code find_uses(dump *d, levin_error *error)
{
    const page_meta *m = &d->meta;
    const size_t bytes = (size_t)d->file_pages / 8 + 1;
    tree t = { .identity = checksum_identity(m->identity), .page_bytes = m->page_bytes, .height = m->height,
               .generation = m->generation, .page_count = m->page_count, .root = m->root };
    tree_walk w = { .pages = &d->pages, .t = &t, .file_pages = d->file_pages, .context = d, .page = use_page,
                    .damaged = use_damaged };
    uint8_t *used = io_alloc(d->io, bytes);
    if (!used)
        return error_memory(error, bytes);
    memset(used, 0, bytes);
    levin_code code = tree_walk_run(&w, used, error);
    if (code == LEVIN_OK) {
        t.height = m->named_height;
        t.root = m->named_root;
        code = tree_walk_run(&w, used, error);
    }
    io_free(d->io, used, bytes);
    return code == LEVIN_OK ? use_free_list(d, error) : code;
}

/* ---- pages ---- */

static levin_code dump_cells(dump *d, uint64_t number, levin_error *error)
{
    const uint32_t page_bytes = d->meta.page_bytes;
    const uint8_t *p = d->page;
    uint8_t *key = io_alloc(d->io, LEVIN_KEY_MAX_BYTES(page_bytes));
    if (!key)
        return error_memory(error, LEVIN_KEY_MAX_BYTES(page_bytes));
    for (unsigned i = 0; i < page_cells(p) && !d->stopped; i++) {
        size_t key_bytes = split_key_copy(key, page_split_key(p, page_bytes, i));
        item_begin(d, "cell", PAGE_FILE_NAME, number * page_bytes + load_u16(page_slot(p, i) + SLOT_OFFSET));
        item_number(d, "cell", i);
        item_bytes(d, "key", key, key_bytes);
        if (page_type(p) == PAGE_BRANCH) {
            item_number(d, "child", branch_child(p, i).number);
            item_hex(d, "checksum", branch_child(p, i).checksum);
        } else {
            page_value v = leaf_value(p, i);
            item_number(d, "value_bytes", v.bytes);
            if (v.kind == VALUE_INLINE) {
                item_bytes(d, "value", v.data, v.bytes);
            } else {
                item_number(d, "value_kind", v.kind);
                if (v.kind == VALUE_LOG) {
                    item_text(d, "segment", vlog_segment_name(vlog_segment_of(v.first_page)).text);
                    item_number(d, "offset", vlog_offset_of(v.first_page));
                } else {
                    item_number(d, "first_page", v.first_page);
                }
                item_hex(d, "checksum", v.checksum);
            }
        }
        item_end(d, NULL);
    }
    io_free(d->io, key, LEVIN_KEY_MAX_BYTES(page_bytes));
    return LEVIN_OK;
}

/* The page in d->page. The header is shown as it stands, cells only of what verifies. */
static levin_code dump_page(dump *d, uint64_t number, levin_error *error)
{
    static const char *const types[] = { "?", "leaf", "branch", "free list" };
    const uint8_t *p = d->page, use = d->use[number];
    const page_meta *m = &d->meta;
    levin_error fault = { 0 };
    item_begin(d, "page", PAGE_FILE_NAME, number * m->page_bytes);
    item_number(d, "page", number);
    item_text(d, "use", use_texts[use]);
    bool header = use == USE_TREE || use == USE_FREE_LIST || use == USE_NONE || d->options->page == number;
    bool good = false;
    if (header && use != USE_VALUE && use != USE_VALUE_FIRST) {
        page_expect expect = { .identity = checksum_identity(m->identity), .page_bytes = m->page_bytes,
                               .page_count = m->page_count, .max_generation = UINT64_MAX,
                               .ref = { number, load_u64(p + PAGE_CHECKSUM) }, .type = p[PAGE_TYPE] == PAGE_FREE_LIST ?
                               PAGE_FREE_LIST : 0, .level = PAGE_LEVEL_ANY };
        good = page_verify(p, &expect, &fault) == LEVIN_OK;
        item_text(d, "type", p[PAGE_TYPE] <= PAGE_FREE_LIST ? types[p[PAGE_TYPE]] : types[0]);
        item_number(d, "level", p[PAGE_LEVEL]);
        item_number(d, "cells", load_u16(p + PAGE_CELLS));
        item_number(d, "generation", load_u64(p + PAGE_GENERATION));
        item_number(d, "number", load_u64(p + PAGE_NUMBER));
        item_hex(d, "checksum", load_u64(p + PAGE_CHECKSUM));
        item_hex(d, "computed", page_checksum(p, m->page_bytes, expect.identity, number));
        item_number(d, "heap", load_u32(p + PAGE_HEAP));
        item_number(d, "prefix_bytes", load_u32(p + PAGE_PREFIX_BYTES));
    }
    /* what nothing refers to may be anything */
    item_end(d, use == USE_TREE || use == USE_FREE_LIST || d->options->page == number ? &fault : NULL);
    if (good && page_type(p) != PAGE_FREE_LIST && (wants(d, LEVIN_DUMP_CELLS) || d->options->page == number))
        return dump_cells(d, number, error);
    return LEVIN_OK;
}

static levin_code dump_pages(dump *d, levin_error *error)
{
    levin_code code = LEVIN_OK;
    if (d->options->page != UINT64_MAX) {
        if (d->options->page >= d->file_pages)
            return error_set(error, LEVIN_INVALID, NULL, "there is no page %llu: the file has %llu",
                             (unsigned long long)d->options->page, (unsigned long long)d->file_pages);
        if (d->options->page < page_first(d->meta.page_bytes)) /* meta pages, which were shown */
            return LEVIN_OK;
        code = read_page(d, d->options->page, error);
        return code == LEVIN_OK ? dump_page(d, d->options->page, error) : code;
    }
    for (uint64_t n = page_first(d->meta.page_bytes); n < d->file_pages && code == LEVIN_OK && !d->stopped; n++) {
        if (d->use[n] == USE_VALUE || d->use[n] == USE_FREE)
            continue;
        code = read_page(d, n, error);
        if (code == LEVIN_OK)
            code = dump_page(d, n, error);
    }
    return code;
}

static levin_code dump_page_file(dump *d, levin_error *error)
{
    levin_code code = file_size(&d->pages, &d->file_bytes, error);
    if (code != LEVIN_OK || !d->have_meta || !(d->options->what & (LEVIN_DUMP_PAGES | LEVIN_DUMP_FREE)))
        return code;
    const page_meta *m = &d->meta;
    d->file_pages = d->file_bytes / m->page_bytes;
    if (d->file_pages > m->page_count)
        d->file_pages = m->page_count;
    d->use = io_alloc(d->io, (size_t)d->file_pages + 1);
    d->page = io_alloc(d->io, m->page_bytes);
    if (!d->use || !d->page)
        return error_memory(error, (size_t)d->file_pages + 1);
    memset(d->use, USE_NONE, (size_t)d->file_pages + 1);
    code = find_uses(d, error);
    if (code == LEVIN_OK && wants(d, LEVIN_DUMP_PAGES))
        code = dump_pages(d, error);
    return code;
}

/* ---- the log ---- */

static const char *operation_name(const uint8_t *op)
{
    switch (record_kind(op)) {
    case RECORD_PUT: return "put";
    case RECORD_PUT_LOGGED: return "put, value in the value log";
    case RECORD_DELETE: return "delete";
    case RECORD_DELETE_RANGE: break;
    }
    return "delete range";
}

static void pointer_fields(dump *d, const uint8_t *op)
{
    const vlog_pointer p = vlog_pointer_load(record_value(op));
    item_number(d, "value_bytes", p.value_bytes);
    item_number(d, "segment", vlog_segment_of(p.position));
    item_number(d, "offset", vlog_offset_of(p.position));
    item_hex(d, "checksum", p.checksum);
}

static void dump_records(dump *d, const char *name, uint64_t offset, const uint8_t *payload, const wal_group *g)
{
    size_t at = 0;
    for (uint32_t batch = 0; batch < g->batches && !d->stopped; batch++) {
        const uint8_t *b = payload + at, *op = b + BATCH_HEADER_BYTES;
        uint32_t count = load_u32(b + BATCH_OP_COUNT);
        item_begin(d, "batch", name, offset + WAL_GROUP_HEADER_BYTES + at);
        item_number(d, "sequence", g->sequence + batch);
        item_number(d, "operations", count);
        item_number(d, "bytes", load_u32(b + BATCH_OPS_BYTES));
        item_number(d, "durability", load_u32(b + BATCH_DURABILITY));
        item_end(d, NULL);
        for (uint32_t i = 0; i < count && !d->stopped; i++, op += record_bytes(op)) {
            item_begin(d, "record", name, offset + WAL_GROUP_HEADER_BYTES + (uint64_t)(op - payload));
            item_text(d, "operation", operation_name(op));
            if (record_domain(op) == DOMAIN_NAMED)
                item_text(d, "keyspace", "named: its number is the first 4 bytes of the key");
            item_bytes(d, "key", record_key(op), record_key_bytes(op));
            if (record_kind(op) == RECORD_PUT_LOGGED)
                pointer_fields(d, op);
            else
                item_bytes(d, "value", record_value(op), record_value_bytes(op));
            item_end(d, NULL);
        }
        at += BATCH_HEADER_BYTES + load_u32(b + BATCH_OPS_BYTES);
    }
}

static levin_code dump_payload(dump *d, wal_reader *r, uint64_t offset, const wal_group *g, levin_error *error)
{
    const size_t bytes = g->payload_bytes;
    bool good = false;
    size_t flaw;
    if (!bytes)
        return LEVIN_OK;
    uint8_t *payload = io_alloc(d->io, bytes); /* its checksum was right: no damaged size */
    if (!payload)
        return error_memory(error, bytes);
    levin_code code = wal_reader_payload(r, offset, g, payload, &good, error);
    if (code == LEVIN_OK && good) {
        levin_error fault = { 0 };
        const size_t key_max = d->have_meta ? LEVIN_KEY_MAX_BYTES(d->meta.page_bytes) : 0;
        if (wal_payload_check(payload, bytes, g->batches, key_max, &flaw)) {
            dump_records(d, r->f.name, offset, payload, g);
        } else {
            error_corrupt(&fault, r->f.name, offset + WAL_GROUP_HEADER_BYTES + flaw, g->batches, 0,
                          "no well-formed batch");
            item_begin(d, "batch", r->f.name, offset + WAL_GROUP_HEADER_BYTES + flaw);
            item_end(d, &fault);
        }
    }
    io_free(d->io, payload, bytes);
    return code;
}

static void group_item(dump *d, wal_reader *r, uint64_t offset, const wal_group *g, bool good, bool live)
{
    static const char *const kinds[] = { "?", "data", "mark", "seal", "close" };
    levin_error fault = { 0 };
    item_begin(d, "group", r->f.name, offset);
    item_text(d, "kind", g->kind <= WAL_CLOSE ? kinds[g->kind] : kinds[0]);
    item_text(d, "live", live ? "yes" : "no");
    item_number(d, "incarnation", g->incarnation);
    item_number(d, "sequence", g->sequence);
    item_number(d, "batches", g->batches);
    item_number(d, "payload_bytes", g->payload_bytes);
    item_number(d, "durable_segment", lsn_segment(g->durable));
    item_number(d, "durable_offset", lsn_offset(g->durable));
    item_number(d, "durable_generation", g->generation);
    item_hex(d, "previous", g->previous);
    item_hex(d, "checksum", g->checksum);
    if (g->kind == WAL_SEAL)
        item_number(d, "next_segment", g->next_segment);
    if (!good)
        error_corrupt(&fault, r->f.name, offset, g->checksum, 0, "a log group does not match its checksum");
    item_end(d, &fault);
}

static levin_code dump_groups(dump *d, wal_reader *r, levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (uint64_t offset = r->sector_bytes; offset < r->limit && code == LEVIN_OK && !d->stopped;) {
        wal_group g;
        bool stands, good = false;
        uint64_t next = offset + r->sector_bytes;
        code = wal_reader_header(r, offset, &g, &stands, error);
        if (code == LEVIN_OK && stands)
            code = wal_reader_verify(r, offset, &g, &good, error);
        if (code == LEVIN_OK && stands) {
            group_item(d, r, offset, &g, good, !d->have_meta || lsn_make(r->number, offset) >= d->meta.replay);
            if (good && wants(d, LEVIN_DUMP_RECORDS))
                code = dump_payload(d, r, offset, &g, error);
            if (good)
                next = offset + wal_group_total(g.payload_bytes, r->sector_bytes);
        }
        offset = next;
    }
    return code;
}

static levin_code dump_segment(dump *d, const wal_options *o, uint64_t number, uint8_t *window, levin_error *error)
{
    static const char *const states[] = { "good", "no valid header", "header of another number" };
    levin_error fault = { 0 };
    wal_segment s;
    wal_reader r;
    wal_name name = wal_segment_name(number);
    levin_code code = wal_segment_inspect(o, number, &s, &fault);
    if (code != LEVIN_OK && code != LEVIN_CORRUPT && code != LEVIN_VERSION_UNKNOWN) {
        *error = fault;
        return code;
    }
    if (code == LEVIN_OK && s.state == WAL_SEGMENT_HEADERLESS)
        error_corrupt(&fault, name.text, 0, 0, 0, "no valid header in a segment of the log");
    item_begin(d, "segment", name.text, 0);
    item_number(d, "number", number);
    item_number(d, "file_bytes", s.file_bytes);
    item_text(d, "header", code == LEVIN_OK ? states[s.state] : "of another store or version");
    if (code == LEVIN_OK && s.state != WAL_SEGMENT_HEADERLESS)
        item_number(d, "bytes", s.bytes);
    item_end(d, &fault);
    s.bytes = s.file_bytes;
    code = wal_reader_open(&r, o, &s, window, error);
    if (code == LEVIN_OK)
        code = dump_groups(d, &r, error);
    wal_reader_close(&r);
    return code;
}

static levin_code dump_log(dump *d, levin_error *error)
{
    wal_segments_list list = { 0 };
    wal_options o = { .io = d->io, .directory = d->path, .sector_bytes = d->have_meta ? d->meta.sector_bytes : 512 };
    memcpy(o.identity, d->meta.identity, sizeof o.identity);
    uint8_t *window = io_alloc(d->io, WAL_WINDOW_BYTES);
    levin_code code = window ? wal_segments_list_names(&o, &list, error) : error_memory(error, WAL_WINDOW_BYTES);
    for (size_t i = 0; i < list.count && code == LEVIN_OK && !d->stopped; i++)
        code = dump_segment(d, &o, list.items[i].number, window, error);
    wal_segments_fini(&list, d->io);
    io_free(d->io, window, WAL_WINDOW_BYTES);
    return code;
}

levin_code levin_dump(const char *path, const levin_dump_options *options, levin_dump_visit visit, void *context,
                      levin_error *error)
{
    levin_dump_options defaults;
    levin_error why = { 0 };
    if (!options) {
        levin_dump_options_init(&defaults);
        options = &defaults;
    }
    dump d = { .io = options->io ? options->io : levin_io_posix(), .path = path, .options = options, .visit = visit,
               .context = context };
    levin_code code = LEVIN_OK;
    if (options->struct_bytes != sizeof *options || !visit || !path || !*path || strlen(path) > FILE_PATH_MAX - 64)
        code = error_set(&why, LEVIN_INVALID, NULL,
                         "no path, no visitor, or options that levin_dump_options_init() did not fill");
    if (code == LEVIN_OK)
        code = file_open(&d.pages, d.io, path, PAGE_FILE_NAME, LEVIN_FILE_PAGES, 0, &why);
    if (code == LEVIN_NOT_FOUND || (code == LEVIN_IO && why.os_error == ENOENT))
        code = error_set(&why, LEVIN_NO_STORE, PAGE_FILE_NAME, "there is no page file in \"%.150s\"", path);
    if (code == LEVIN_OK)
        code = dump_metas(&d, &why);
    if (code == LEVIN_OK)
        code = dump_page_file(&d, &why);
    if (code == LEVIN_OK && wants(&d, LEVIN_DUMP_LOG))
        code = dump_log(&d, &why);
    if (code == LEVIN_OK && wants(&d, LEVIN_DUMP_VALUES))
        code = dump_values(&d, &why);
    if (d.use)
        io_free(d.io, d.use, (size_t)d.file_pages + 1);
    if (d.page)
        io_free(d.io, d.page, d.meta.page_bytes);
    file_close(&d.pages);
    if (code == LEVIN_OK && d.stopped)
        code = error_set(&why, LEVIN_INTERRUPTED, NULL, "stopped on request");
    if (code == LEVIN_OK && d.faults)
        code = error_set(&why, LEVIN_CORRUPT, NULL, "%llu faults were found", (unsigned long long)d.faults);
    if (code != LEVIN_OK && error)
        *error = why;
    return code;
}
