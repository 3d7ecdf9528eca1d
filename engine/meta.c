/*
 * meta.c - the meta page as bytes.
 *
 * Invariants of a decoded meta: page and sector size are legal; the generation belongs in its slot; root, free list
 * and counts agree with one another and lie below the page count; the file's size in bytes does not overflow.  So
 * whoever reads on from here never multiplies or allocates by a number that makes no sense.
 *
 * Concurrency: pure functions.  Crash safety: two slots in turn; the checksum is seeded with the slot, a torn write
 * fails it.
 */
#include "checksum.h"
#include "page.h"

void meta_encode(uint8_t bytes[META_BYTES], const page_meta *meta)
{
    memset(bytes, 0, META_BYTES);
    memcpy(bytes + META_MAGIC_AT, META_MAGIC, 8);
    store_u32(bytes + META_VERSION, PAGE_FORMAT_VERSION);
    store_u32(bytes + META_PAGE_BYTES, meta->page_bytes);
    memcpy(bytes + META_IDENTITY, meta->identity, 16);
    store_u64(bytes + META_GENERATION, meta->generation);
    store_u64(bytes + META_ROOT, meta->root.number);
    store_u64(bytes + META_ROOT_CHECKSUM, meta->root.checksum);
    store_u32(bytes + META_HEIGHT, meta->height);
    store_u32(bytes + META_SECTOR_BYTES, meta->sector_bytes);
    store_u64(bytes + META_KEYS, meta->keys);
    store_u64(bytes + META_PAGE_COUNT, meta->page_count);
    store_u64(bytes + META_FREE_LIST, meta->free_list.number);
    store_u64(bytes + META_FREE_LIST_CHECKSUM, meta->free_list.checksum);
    store_u64(bytes + META_FREE_PAGES, meta->free_pages);
    store_u64(bytes + META_REPLAY, meta->replay);
    store_u64(bytes + META_REPLAY_CHAIN, meta->replay_chain);
    store_u64(bytes + META_SEQUENCE, meta->sequence);
    store_u64(bytes + META_INCARNATION, meta->incarnation);
    store_u64(bytes + META_LEAF_PAGES, meta->leaf_pages);
    store_u64(bytes + META_BRANCH_PAGES, meta->branch_pages);
    store_u64(bytes + META_OVERFLOW_PAGES, meta->overflow_pages);
    store_u64(bytes + META_FREE_LIST_PAGES, meta->free_list_pages);
    store_u64(bytes + META_NAMED_ROOT, meta->named_root.number);
    store_u64(bytes + META_NAMED_CHECKSUM, meta->named_root.checksum);
    store_u32(bytes + META_NAMED_HEIGHT, meta->named_height);
    store_u64(bytes + META_NAMED_KEYS, meta->named_keys);
    store_u64(bytes + META_VLOG_TABLE, meta->vlog_table.number);
    store_u64(bytes + META_VLOG_TABLE_CHECKSUM, meta->vlog_table.checksum);
    store_u64(bytes + META_VLOG_TABLE_PAGES, meta->vlog_table_pages);
    store_u64(bytes + META_VLOG_NEXT, meta->vlog_next);
    uint64_t seed = checksum_seed(0, PLACE_META, meta->generation % 2);
    store_u64(bytes + META_CHECKSUM, checksum(bytes + META_MAGIC_AT, META_BYTES - META_MAGIC_AT, seed));
}

static levin_code meta_damaged(levin_error *error, unsigned slot, size_t field, uint64_t expected, uint64_t found,
                               const char *what)
{
    return error_corrupt(error, PAGE_FILE_NAME, (uint64_t)slot * META_SLOT_BYTES + field, expected, found,
                         "meta page %u: %s", slot, what);
}

/* Sizes, generation, replay position and what must be zero. */
static levin_code meta_check_form(const uint8_t *bytes, unsigned slot, const page_meta *m, levin_error *error)
{
    if (m->page_bytes < LEVIN_PAGE_MIN_BYTES || m->page_bytes > LEVIN_PAGE_MAX_BYTES ||
        (m->page_bytes & (m->page_bytes - 1)))
        return meta_damaged(error, slot, META_PAGE_BYTES, LEVIN_PAGE_MIN_BYTES, m->page_bytes,
                            "impossible page size");
    if (m->sector_bytes != 512 && m->sector_bytes != 4096)
        return meta_damaged(error, slot, META_SECTOR_BYTES, 512, m->sector_bytes, "impossible sector size");
    if (m->generation % 2 != slot)
        return meta_damaged(error, slot, META_GENERATION, slot, m->generation,
                            "its generation belongs in the other slot");
    if ((uint32_t)m->replay % m->sector_bytes)
        return meta_damaged(error, slot, META_REPLAY, 0, m->replay, "the replay position is not at a sector");
    const size_t end = load_u32(bytes + META_VERSION) == 1 ? META_NAMED_ROOT : META_VLOG_RESERVED;
    for (size_t i = META_NAMED_RESERVED; i < META_BYTES; i++)
        if (bytes[i] && (i < META_NAMED_KEYS || i >= end))
            return meta_damaged(error, slot, i, 0, bytes[i], "a reserved byte is used");
    return LEVIN_OK;
}

static bool meta_in_file(const page_meta *m, uint64_t number)
{
    return number >= page_first(m->page_bytes) && number < m->page_count;
}

/* One tree: its root, height and keys. */
static levin_code meta_check_root(unsigned slot, const page_meta *m, page_ref root, uint32_t height, uint64_t keys,
                                  size_t root_at, size_t height_at, size_t keys_at, levin_error *error)
{
    if (height > PAGE_HEIGHT_MAX)
        return meta_damaged(error, slot, height_at, PAGE_HEIGHT_MAX, height, "impossible height");
    if (height == 0 ? root.number != 0 : !meta_in_file(m, root.number))
        return meta_damaged(error, slot, root_at, height ? m->page_count : 0, root.number, "impossible root page");
    if ((height == 0) != (keys == 0))
        return meta_damaged(error, slot, keys_at, height, keys, "keys against the height");
    return LEVIN_OK;
}

/* Root, free list and the counts of pages, against one another and the page count. */
static levin_code meta_check_counts(unsigned slot, const page_meta *m, levin_error *error)
{
    static const struct {
        size_t field;
        size_t offset;
    } counts[] = {{META_LEAF_PAGES, offsetof(page_meta, leaf_pages)},
                  {META_BRANCH_PAGES, offsetof(page_meta, branch_pages)},
                  {META_OVERFLOW_PAGES, offsetof(page_meta, overflow_pages)},
                  {META_FREE_LIST_PAGES, offsetof(page_meta, free_list_pages)},
                  {META_VLOG_TABLE_PAGES, offsetof(page_meta, vlog_table_pages)},
                  {META_FREE_PAGES, offsetof(page_meta, free_pages)}};
    uint64_t first = page_first(m->page_bytes);

    if (m->page_count < first || m->page_count > (uint64_t)INT64_MAX / m->page_bytes)
        return meta_damaged(error, slot, META_PAGE_COUNT, first, m->page_count, "impossible page count");
    uint64_t left = m->page_count - first;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t pages;
        memcpy(&pages, (const uint8_t *)m + counts[i].offset, sizeof pages);
        if (pages > left)
            return meta_damaged(error, slot, counts[i].field, left, pages, "more pages than there are");
        left -= pages;
    }
    levin_code code = meta_check_root(slot, m, m->root, m->height, m->keys, META_ROOT, META_HEIGHT, META_KEYS, error);
    if (!code)
        code = meta_check_root(slot, m, m->named_root, m->named_height, m->named_keys, META_NAMED_ROOT,
                               META_NAMED_HEIGHT, META_NAMED_KEYS, error);
    if (code)
        return code;
    const uint64_t trees = (uint64_t)(m->height > 0) + (m->named_height > 0);
    const uint64_t branches = (uint64_t)(m->height ? m->height - 1 : 0) + (m->named_height ? m->named_height - 1 : 0);
    if (trees ? m->leaf_pages < trees : m->leaf_pages != 0)
        return meta_damaged(error, slot, META_LEAF_PAGES, trees, m->leaf_pages, "leaf pages against the height");
    if (branches ? m->branch_pages < branches : m->branch_pages != 0)
        return meta_damaged(error, slot, META_BRANCH_PAGES, branches, m->branch_pages,
                            "branch pages against the height");
    if (m->leaf_pages > m->keys + m->named_keys)
        return meta_damaged(error, slot, META_KEYS, m->leaf_pages, m->keys, "fewer keys than leaf pages");
    if (m->free_list.number ? !meta_in_file(m, m->free_list.number) : m->free_pages || m->free_list_pages)
        return meta_damaged(error, slot, META_FREE_LIST, m->free_list_pages, m->free_list.number,
                            "impossible free list");
    if (m->free_list.number && m->free_list_pages == 0)
        return meta_damaged(error, slot, META_FREE_LIST_PAGES, 1, 0, "a free list without pages");
    if (m->vlog_table.number ? !meta_in_file(m, m->vlog_table.number) || m->vlog_table_pages == 0
                             : m->vlog_table_pages != 0)
        return meta_damaged(error, slot, META_VLOG_TABLE, m->vlog_table_pages, m->vlog_table.number,
                            "impossible table of value-log segments");
    if (m->vlog_next > (uint64_t)VLOG_NUMBER_MAX + 1)
        return meta_damaged(error, slot, META_VLOG_NEXT, VLOG_NUMBER_MAX, m->vlog_next,
                            "impossible number of a value-log segment");
    return LEVIN_OK;
}

levin_code meta_decode(const uint8_t bytes[META_BYTES], unsigned slot, page_meta *meta, levin_error *error)
{
    uint64_t stored = load_u64(bytes + META_CHECKSUM);
    uint64_t computed =
        checksum(bytes + META_MAGIC_AT, META_BYTES - META_MAGIC_AT, checksum_seed(0, PLACE_META, slot));
    if (stored != computed)
        return meta_damaged(error, slot, META_CHECKSUM, computed, stored, "its bytes do not match its checksum");
    if (memcmp(bytes + META_MAGIC_AT, META_MAGIC, 8))
        return meta_damaged(error, slot, META_MAGIC_AT, load_u64(META_MAGIC), load_u64(bytes + META_MAGIC_AT),
                            "not the magic number");
    uint32_t version = load_u32(bytes + META_VERSION);
    if (version > PAGE_FORMAT_VERSION)
        return error_set(error, LEVIN_VERSION_UNKNOWN, PAGE_FILE_NAME,
                         "meta page %u: format version %u, this library knows %u", slot, version,
                         PAGE_FORMAT_VERSION);
    if (version == 0)
        return meta_damaged(error, slot, META_VERSION, PAGE_FORMAT_VERSION, version, "impossible format version");

    page_meta m = {
        .page_bytes = load_u32(bytes + META_PAGE_BYTES),
        .sector_bytes = load_u32(bytes + META_SECTOR_BYTES),
        .height = load_u32(bytes + META_HEIGHT),
        .generation = load_u64(bytes + META_GENERATION),
        .root = {load_u64(bytes + META_ROOT), load_u64(bytes + META_ROOT_CHECKSUM)},
        .keys = load_u64(bytes + META_KEYS),
        .page_count = load_u64(bytes + META_PAGE_COUNT),
        .free_list = {load_u64(bytes + META_FREE_LIST), load_u64(bytes + META_FREE_LIST_CHECKSUM)},
        .free_pages = load_u64(bytes + META_FREE_PAGES),
        .replay = load_u64(bytes + META_REPLAY),
        .replay_chain = load_u64(bytes + META_REPLAY_CHAIN),
        .sequence = load_u64(bytes + META_SEQUENCE),
        .incarnation = load_u64(bytes + META_INCARNATION),
        .leaf_pages = load_u64(bytes + META_LEAF_PAGES),
        .branch_pages = load_u64(bytes + META_BRANCH_PAGES),
        .overflow_pages = load_u64(bytes + META_OVERFLOW_PAGES),
        .free_list_pages = load_u64(bytes + META_FREE_LIST_PAGES),
        .named_root = {load_u64(bytes + META_NAMED_ROOT), load_u64(bytes + META_NAMED_CHECKSUM)},
        .named_height = load_u32(bytes + META_NAMED_HEIGHT),
        .named_keys = load_u64(bytes + META_NAMED_KEYS),
        .vlog_table = {load_u64(bytes + META_VLOG_TABLE), load_u64(bytes + META_VLOG_TABLE_CHECKSUM)},
        .vlog_table_pages = load_u64(bytes + META_VLOG_TABLE_PAGES),
        .vlog_next = load_u64(bytes + META_VLOG_NEXT),
    };
    memcpy(m.identity, bytes + META_IDENTITY, 16);
    levin_code code = meta_check_form(bytes, slot, &m, error);
    if (!code)
        code = meta_check_counts(slot, &m, error);
    if (!code)
        *meta = m;
    return code;
}
