/*
 * repair.c - checksums of pages, metas and log groups computed anew (repair.h).
 *
 * The log comes first (the newer meta page holds the checksum of a group), then each tree bottom-up, for a page's
 * checksum stands in its parent, then free lists from their end, then the metas. A pointer into the value log, in a
 * leaf or in the log, gets the checksum of what stands there, and so does the record itself. A page that both trees
 * share is summed once. A page that refers to a page above it (a loop) keeps that reference: no checksum can make it
 * right.
 *
 * Invariants: sizes and offsets out of the files are compared with the file before use; a page is summed once, the
 * walk of the log only goes forward, so the work is bounded by the size of the files. Concurrency: pure functions
 * over their arguments.
 */
#include "repair.h"

#include <string.h>

#include "../engine/checksum.h"
#include "../engine/page.h"
#include "../engine/wal_internal.h"

enum { PAGES_MAX = CONTAINER_FILE_MAX / LEVIN_PAGE_MIN_BYTES, DEPTH_MAX = 12 };

typedef struct repair {
    container *c;
    container_file *pages;
    unsigned what;
    uint32_t page_bytes;
    uint64_t identity;
    uint8_t state[PAGES_MAX]; /* 0 not seen, 1 being summed, 2 summed */
} repair;

/* ---- the value log -------------------------------------------------------------------------------------- */

void repair_pointer(container *c, uint64_t identity, uint8_t *pointer)
{
    vlog_pointer p = vlog_pointer_load(pointer);
    const uint64_t number = vlog_segment_of(p.position), offset = vlog_offset_of(p.position);
    container_file *f = number <= UINT32_MAX ? container_find(c, FILE_VLOG, (uint32_t)number) : NULL;
    if (!f || offset < VLOG_SEGMENT_HEADER_BYTES || vlog_value_end(&p) > f->bytes)
        return;
    uint8_t *record = f->data + offset;
    p.checksum = checksum(f->data + vlog_value_offset(&p), p.value_bytes,
                          checksum_seed(identity, PLACE_VLOG_VALUE, p.position));
    store_u64(pointer + VLOG_POINTER_CHECKSUM, p.checksum);
    store_u64(record + VLOG_RECORD_VALUE_CHECKSUM, p.checksum);
    store_u64(record + VLOG_RECORD_CHECKSUM,
              checksum(record + VLOG_RECORD_MAGIC_AT, VLOG_RECORD_HEADER_BYTES + p.key_bytes - VLOG_RECORD_MAGIC_AT,
                       checksum_seed(identity, PLACE_VLOG_RECORD, p.position)));
}

void repair_value_headers(container *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        uint8_t *header = c->file[i].data;
        if (c->file[i].kind == FILE_VLOG && c->file[i].bytes >= VLOG_SEGMENT_HEADER_BYTES)
            store_u64(header + VLOG_SEGMENT_CHECKSUM,
                      checksum(header + VLOG_SEGMENT_MAGIC, VLOG_SEGMENT_HEADER_BYTES - VLOG_SEGMENT_MAGIC,
                               checksum_seed(0, PLACE_VLOG_SEGMENT, load_u64(header + VLOG_SEGMENT_NUMBER))));
    }
}

/* ---- pages ------------------------------------------------------------------------------------------------ */

/* NULL when it is not wholly in the file. */
static uint8_t *page_at(const repair *r, uint64_t number)
{
    uint64_t pages = r->pages->bytes / r->page_bytes;
    return number > 0 && number < pages && number < PAGES_MAX ? r->pages->data + number * r->page_bytes : NULL;
}

static void sum_page(repair *r, uint8_t *page, uint64_t number)
{
    store_u64(page + PAGE_CHECKSUM, page_checksum(page, r->page_bytes, r->identity, number));
    r->state[number] = 2;
}

static void repair_leaf_cell(const repair *r, uint8_t *cell, size_t left, size_t key_bytes)
{
    uint32_t word = load_u32(cell);
    uint64_t bytes = word & VALUE_BYTES_MASK;
    uint8_t *pointer = cell + LEAF_CELL_KEY + key_bytes;
    if (word >> VALUE_KIND_SHIFT == VALUE_LOG && left >= LEAF_CELL_KEY + key_bytes + VLOG_POINTER_BYTES)
        repair_pointer(r->c, r->identity, pointer);
    if (word >> VALUE_KIND_SHIFT != VALUE_EXTENT || left < LEAF_CELL_KEY + key_bytes + EXTENT_POINTER_BYTES)
        return;
    uint64_t first = load_u64(pointer), pages = r->pages->bytes / r->page_bytes;
    if (first < pages && bytes <= (pages - first) * r->page_bytes)
        store_u64(pointer + 8, checksum(r->pages->data + first * r->page_bytes, bytes,
                                        checksum_seed(r->identity, PLACE_EXTENT, first)));
}

static void repair_tree_page(repair *r, uint64_t number, unsigned depth);

/* References and heads of the cells of one page. */
static void repair_cells(repair *r, uint8_t *page, unsigned depth)
{
    bool leaf = page[PAGE_TYPE] == PAGE_LEAF;
    size_t fixed = leaf ? LEAF_CELL_KEY : BRANCH_CELL_KEY;
    for (unsigned i = 0, cells = load_u16(page + PAGE_CELLS); i < cells; i++) {
        size_t at = PAGE_HEADER_BYTES + (size_t)i * SLOT_BYTES;
        if (at + SLOT_BYTES > r->page_bytes)
            return;
        uint8_t *slot = page + at;
        size_t cell = load_u16(slot + SLOT_OFFSET), key_bytes = load_u16(slot + SLOT_KEY_BYTES);
        if (cell + fixed + key_bytes > r->page_bytes)
            continue;
        if (r->what & REPAIR_HEADS)
            store_u32(slot + SLOT_HEAD, key_head32(page + cell + fixed, key_bytes));
        if (leaf) {
            repair_leaf_cell(r, page + cell, r->page_bytes - cell, key_bytes);
            continue;
        }
        uint64_t child = load_u64(page + cell + BRANCH_CELL_CHILD);
        repair_tree_page(r, child, depth + 1);
        const uint8_t *below = page_at(r, child);
        if (below && r->state[child] == 2)
            store_u64(page + cell + BRANCH_CELL_CHECKSUM, load_u64(below + PAGE_CHECKSUM));
    }
}

static void repair_tree_page(repair *r, uint64_t number, unsigned depth)
{
    uint8_t *page = page_at(r, number);
    if (!page || r->state[number] || depth > DEPTH_MAX)
        return;
    r->state[number] = 1;
    if (page[PAGE_TYPE] == PAGE_LEAF || page[PAGE_TYPE] == PAGE_BRANCH)
        repair_cells(r, page, depth);
    sum_page(r, page, number);
}

/* Of the free list, or of the table of value-log segments. */
static void repair_list_page(repair *r, uint64_t number, unsigned depth)
{
    uint8_t *page = page_at(r, number);
    if (!page || r->state[number] || depth > DEPTH_MAX)
        return;
    r->state[number] = 1;
    uint64_t next = load_u64(page + PAGE_NEXT);
    repair_list_page(r, next, depth + 1);
    const uint8_t *behind = page_at(r, next);
    if (behind && r->state[next] == 2)
        store_u64(page + PAGE_NEXT_CHECKSUM, load_u64(behind + PAGE_CHECKSUM));
    sum_page(r, page, number);
}

static bool plausible_page_bytes(uint32_t bytes)
{
    return bytes >= LEVIN_PAGE_MIN_BYTES && bytes <= LEVIN_PAGE_MAX_BYTES && !(bytes & (bytes - 1));
}

static void repair_meta(repair *r, unsigned slot)
{
    uint8_t *meta = r->pages->data + (size_t)slot * META_SLOT_BYTES;
    if (r->pages->bytes < (size_t)slot * META_SLOT_BYTES + META_BYTES)
        return;
    uint32_t page_bytes = load_u32(meta + META_PAGE_BYTES);
    if (plausible_page_bytes(page_bytes)) {
        uint64_t identity = checksum_identity(meta + META_IDENTITY);
        if (page_bytes != r->page_bytes || identity != r->identity)
            memset(r->state, 0, sizeof r->state);
        r->page_bytes = page_bytes;
        r->identity = identity;
        static const struct {
            uint16_t page, checksum;
            void (*repair)(repair *r, uint64_t number, unsigned depth);
        } references[] = { { META_ROOT, META_ROOT_CHECKSUM, repair_tree_page },
                           { META_NAMED_ROOT, META_NAMED_CHECKSUM, repair_tree_page },
                           { META_FREE_LIST, META_FREE_LIST_CHECKSUM, repair_list_page },
                           { META_VLOG_TABLE, META_VLOG_TABLE_CHECKSUM, repair_list_page } };
        for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
            const uint64_t number = load_u64(meta + references[i].page);
            references[i].repair(r, number, 0);
            if (page_at(r, number) && r->state[number] == 2)
                store_u64(meta + references[i].checksum, load_u64(page_at(r, number) + PAGE_CHECKSUM));
        }
    }
    store_u64(meta + META_CHECKSUM,
              checksum(meta + META_MAGIC_AT, META_BYTES - META_MAGIC_AT, checksum_seed(0, PLACE_META, slot)));
}

/* ---- the log ---------------------------------------------------------------------------------------------- */

static void repair_segment_headers(container *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        uint8_t *header = c->file[i].data;
        if (c->file[i].kind == FILE_WAL && c->file[i].bytes >= WAL_SEGMENT_HEADER_BYTES)
            store_u64(header + WAL_SEGMENT_CHECKSUM,
                      checksum(header + WAL_SEGMENT_MAGIC_AT, WAL_SEGMENT_HEADER_BYTES - WAL_SEGMENT_MAGIC_AT,
                               checksum_seed(0, PLACE_WAL_SEGMENT, load_u64(header + WAL_SEGMENT_NUMBER))));
    }
}

/* The group at a position of the files, when its bytes are all there; NULL otherwise. */
static uint8_t *group_at(container *c, uint64_t position, uint64_t *total, uint32_t sector)
{
    container_file *f = lsn_segment(position) <= UINT32_MAX
                            ? container_find(c, FILE_WAL, (uint32_t)lsn_segment(position)) : NULL;
    uint64_t offset = lsn_offset(position);
    if (!f || offset + WAL_GROUP_HEADER_BYTES > f->bytes ||
        load_u32(f->data + offset + WAL_GROUP_MAGIC_AT) != WAL_GROUP_MAGIC)
        return NULL;
    uint64_t payload = load_u32(f->data + offset + WAL_GROUP_PAYLOAD_BYTES);
    *total = wal_group_total(payload, sector);
    return WAL_GROUP_HEADER_BYTES + payload <= f->bytes - offset ? f->data + offset : NULL;
}

/* Pointers into the value log, when the payload is well-formed. */
static void repair_payload(container *c, uint64_t identity, uint8_t *group)
{
    const size_t bytes = load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
    uint32_t batches = load_u32(group + WAL_GROUP_BATCHES);
    uint8_t *batch = group + WAL_GROUP_HEADER_BYTES;
    size_t flaw;
    if (!wal_payload_check(batch, bytes, batches, RECORD_KEY_MAX_BYTES, &flaw))
        return;
    for (; batches > 0; batches--, batch += BATCH_HEADER_BYTES + load_u32(batch + BATCH_OPS_BYTES)) {
        uint8_t *op = batch + BATCH_HEADER_BYTES;
        for (size_t n = load_u32(batch + BATCH_OP_COUNT); n > 0; n--, op += record_bytes(op))
            if (record_kind(op) == RECORD_PUT_LOGGED)
                repair_pointer(c, identity, op + RECORD_HEADER_BYTES + record_key_bytes(op));
    }
}

/* Chains the groups from one meta page's replay position on; a later meta page in between gets its chain. */
static void repair_chain(container *c, const container_file *pages, unsigned slot)
{
    const uint8_t *meta = pages->data + (size_t)slot * META_SLOT_BYTES;
    uint8_t *other = pages->data + (size_t)!slot * META_SLOT_BYTES;
    uint64_t identity = checksum_identity(meta + META_IDENTITY), total;
    uint64_t position = load_u64(meta + META_REPLAY), chain = load_u64(meta + META_REPLAY_CHAIN);
    uint32_t sector = load_u32(meta + META_SECTOR_BYTES);
    uint8_t *group;
    if (sector != 512 && sector != 4096)
        return;
    while ((group = group_at(c, position, &total, sector))) {
        size_t bytes = WAL_GROUP_HEADER_BYTES + (size_t)load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
        if (position == load_u64(other + META_REPLAY))
            store_u64(other + META_REPLAY_CHAIN, chain);
        repair_payload(c, identity, group);
        store_u64(group + WAL_GROUP_PREVIOUS, chain);
        chain = checksum(group + WAL_GROUP_MAGIC_AT, bytes - WAL_GROUP_MAGIC_AT,
                         checksum_seed(identity, PLACE_WAL_GROUP, position));
        store_u64(group + WAL_GROUP_CHECKSUM, chain);
        uint64_t next = position + total;
        if (group[WAL_GROUP_KIND] == WAL_SEAL)
            next = lsn_make(load_u64(group + WAL_GROUP_NEXT_SEGMENT), sector);
        if (next <= position)
            return;
        position = next;
    }
    if (position == load_u64(other + META_REPLAY))
        store_u64(other + META_REPLAY_CHAIN, chain);
}

void repair_files(container *c, unsigned what)
{
    container_file *pages = container_find(c, FILE_PAGES, 0);
    if (what & REPAIR_LOG) {
        repair_segment_headers(c);
        repair_value_headers(c);
    }
    if (!pages || pages->bytes < META_SLOT_BYTES + META_BYTES)
        return;
    bool second_older = load_u64(pages->data + META_REPLAY) > load_u64(pages->data + META_SLOT_BYTES + META_REPLAY);
    if (what & REPAIR_LOG) {
        repair_chain(c, pages, second_older);
        repair_chain(c, pages, !second_older);
    }
    if (what & REPAIR_PAGES) {
        repair r = { .c = c, .pages = pages, .what = what };
        bool second_newer = load_u64(pages->data + META_GENERATION) <
                            load_u64(pages->data + META_SLOT_BYTES + META_GENERATION);
        repair_meta(&r, second_newer);
        repair_meta(&r, !second_newer);
    }
}
