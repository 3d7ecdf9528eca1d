/*
 * merge_build.c - level builders and page output of a merge (merge_build.h).
 *
 * Invariants
 *   - A level above the leaves gets its entries in key order: pages leave in order, and a subtree is shared only
 *     after all lower levels have been settled.
 *   - The entries at the left edge of the tree have the empty key.
 *   - Every page buffer is in one place: a draft, the run, the spare or the idle list.
 *   - Every page taken from the space is in `taken`.
 * Concurrency: one thread at a time; nobody else can see the new pages before the merge is published.
 * Crash safety: writes go only to pages that no durable meta page reaches.  No sync here.
 */
#include "merge_build.h"

#include "checksum.h"

/* ---- page buffers ---- */

static uint8_t *buffer_take(tree_build *b, levin_error *error)
{
    uint8_t *page = b->idle;
    if (page) {
        memcpy(&b->idle, page, sizeof b->idle);
        return page;
    }
    page = io_alloc(b->io, b->page_bytes);
    if (!page)
        error_memory(error, b->page_bytes);
    return page;
}

static void buffer_give(tree_build *b, uint8_t *page)
{
    memcpy(page, &b->idle, sizeof b->idle);
    b->idle = page;
}

static levin_code draft_open(tree_build *b, page_draft *d, unsigned level, levin_error *error)
{
    uint8_t *page = buffer_take(b, error);
    if (!page)
        return LEVIN_NO_MEMORY;
    page_draft_begin(d, page, b->page_bytes, level);
    return LEVIN_OK;
}

static void draft_drop(tree_build *b, page_draft *d)
{
    buffer_give(b, d->page);
    d->page = NULL;
    d->cells = 0;
}

/* ---- output ---- */

static levin_code run_flush(tree_build *b, levin_error *error)
{
    levin_slice parts[BUILD_RUN_PAGES_MAX];
    if (b->run_count == 0)
        return LEVIN_OK;
    for (unsigned i = 0; i < b->run_count; i++)
        parts[i] = (levin_slice){b->run[i].page, b->page_bytes};
    levin_code code = file_write(page_cache_file(b->cache), parts, b->run_count, b->run_first * b->page_bytes, NULL,
                                 error);
    if (code)
        return code;
    for (unsigned i = 0; i < b->run_count; i++) {
        page_cache_install(b->cache, b->run_first + i, b->run[i].checksum, b->run[i].page);
        buffer_give(b, b->run[i].page);
    }
    b->pages_written += b->run_count;
    b->run_count = 0;
    return LEVIN_OK;
}

static levin_code pages_take(tree_build *b, uint64_t wanted, bool exact, extent *out, levin_error *error)
{
    levin_code code = space_take(b->space, wanted, exact, out, error);
    return code ? code : extent_list_add(&b->taken, b->io, out->first, out->pages, error);
}

static levin_code run_extend(tree_build *b, levin_error *error)
{
    levin_code code = pages_take(b, b->wanted, false, &b->left, error);
    if (code)
        return code;
    b->wanted = 2 * b->wanted < b->run_pages ? 2 * b->wanted : b->run_pages;
    return b->left.first == b->run_first + b->run_count ? LEVIN_OK : run_flush(b, error);
}

/* Numbers the draft's page and hands it to the run. The buffer stays as it is until the next page leaves. */
static levin_code page_leave(tree_build *b, page_draft *d, page_ref *ref, levin_error *error)
{
    levin_code code = LEVIN_OK;
    if (b->run_count == b->run_pages)
        code = run_flush(b, error);
    if (!code && b->left.pages == 0)
        code = run_extend(b, error);
    if (code)
        return code;
    ref->number = b->left.first++;
    b->left.pages--;
    ref->checksum = page_draft_finish(d, b->identity, ref->number, b->generation);
    if (b->run_count == 0)
        b->run_first = ref->number;
    b->run[b->run_count++] = (build_page){d->page, ref->checksum};
    if (d->level)
        b->branch_pages++;
    else
        b->leaf_pages++;
    d->page = NULL;
    d->cells = 0;
    return LEVIN_OK;
}

levin_code build_extent(tree_build *b, const uint8_t *value, size_t bytes, uint8_t pointer[EXTENT_POINTER_BYTES],
                        page_payload *payload, levin_error *error)
{
    uint64_t pages = extent_pages(bytes, b->page_bytes);
    size_t padding = (size_t)(pages * b->page_bytes - bytes);
    extent e;
    levin_code code = pages_take(b, pages, true, &e, error);
    if (code)
        return code;
    memset(b->spare, 0, padding);
    const levin_slice parts[2] = {{value, bytes}, {b->spare, padding}};
    code = file_write(page_cache_file(b->cache), parts, 2, e.first * b->page_bytes, NULL, error);
    if (code)
        return code;
    store_u64(pointer, e.first);
    store_u64(pointer + 8, checksum(value, bytes, checksum_seed(b->identity, PLACE_EXTENT, e.first)));
    *payload = payload_value(VALUE_EXTENT, bytes, pointer, EXTENT_POINTER_BYTES);
    b->overflow_pages += pages;
    b->pages_written += pages;
    return LEVIN_OK;
}

levin_code build_move_extent(tree_build *b, const page_value *value, uint8_t pointer[EXTENT_POINTER_BYTES],
                             page_payload *payload, levin_error *error)
{
    const size_t bytes = value->bytes;
    uint64_t pages = extent_pages(bytes, b->page_bytes), total = pages * b->page_bytes;
    size_t window = total < b->run_pages * b->page_bytes ? (size_t)total : (size_t)b->run_pages * b->page_bytes;
    file *f = page_cache_file(b->cache);
    checksum_stream was, is;
    extent e;
    levin_code code = pages_take(b, pages, true, &e, error);
    if (code)
        return code;
    uint8_t *buffer = io_alloc(b->io, window);
    if (!buffer)
        return error_memory(error, window);
    checksum_begin(&was, checksum_seed(b->identity, PLACE_EXTENT, value->first_page));
    checksum_begin(&is, checksum_seed(b->identity, PLACE_EXTENT, e.first));
    for (uint64_t at = 0; at < total && !code; at += window) {
        size_t step = total - at < window ? (size_t)(total - at) : window, done;
        size_t data = bytes - at < step ? (size_t)(bytes - at) : step; /* the last page has some of the value */
        code = file_read(f, buffer, step, value->first_page * b->page_bytes + at, &done, error);
        if (!code && done < step)
            code = error_corrupt(error, f->name, value->first_page * b->page_bytes + at + done, step, done,
                                 "the file ends inside a value");
        if (code)
            break;
        checksum_add(&was, buffer, data);
        checksum_add(&is, buffer, data);
        memset(buffer + data, 0, step - data);
        code = file_write(f, &(levin_slice){buffer, step}, 1, e.first * b->page_bytes + at, NULL, error);
    }
    io_free(b->io, buffer, window);
    uint64_t found = checksum_end(&was);
    if (!code && found != value->checksum)
        code = error_corrupt(error, f->name, value->first_page * b->page_bytes, value->checksum, found,
                             "a value of %zu bytes does not match its checksum", bytes);
    store_u64(pointer, e.first);
    store_u64(pointer + 8, checksum_end(&is));
    *payload = payload_value(VALUE_EXTENT, bytes, pointer, EXTENT_POINTER_BYTES);
    b->overflow_pages += pages;
    b->pages_written += pages;
    return code;
}

/* ---- levels ---- */

static levin_code level_use(tree_build *b, unsigned level, levin_error *error)
{
    if (level < b->levels)
        return LEVIN_OK;
    if (level >= PAGE_HEIGHT_MAX)
        return error_set(error, LEVIN_TOO_BIG, PAGE_FILE_NAME, "the tree would be higher than %d levels",
                         PAGE_HEIGHT_MAX);
    b->level[level].bound = io_alloc(b->io, LEVIN_KEY_MAX_BYTES(b->page_bytes));
    if (!b->level[level].bound)
        return error_memory(error, LEVIN_KEY_MAX_BYTES(b->page_bytes));
    b->levels = level + 1;
    return LEVIN_OK;
}

static levin_code level_add(tree_build *b, unsigned level, split_key key, const page_payload *payload,
                            levin_error *error);

/*
 * The lower bound of a page's keys, for its entry above, into the level's buffer.  A leaf's is the shortest that
 * separates it from the leaf before (Bayer, Unterauer 1977); when that one is shared and unknown, the bound that the
 * old tree had there.
 */
static size_t page_bound(tree_build *b, const page_draft *d)
{
    split_key first = page_draft_key(d, 0);
    uint8_t *bound = b->level[d->level].bound;
    if (d->level)
        return split_key_copy(bound, first);
    if (!b->edge_known) {
        memcpy(bound, b->first_bound, b->first_bound_bytes);
        return b->first_bound_bytes;
    }
    return split_key_copy(bound, split_key_cut(first, split_key_common(b->edge, b->edge_bytes, first) + 1));
}

/* The page leaves, and its entry goes to the level above. */
static levin_code level_emit(tree_build *b, page_draft *d, levin_error *error)
{
    unsigned level = d->level;
    page_ref ref;
    page_draft_seal(d);
    size_t bound_bytes = page_bound(b, d);
    if (level == 0) {
        b->edge_bytes = split_key_copy(b->edge, page_draft_key(d, d->cells - 1));
        b->edge_known = true;
    }
    levin_code code = page_leave(b, d, &ref, error);
    if (!code)
        code = level_use(b, level + 1, error);
    if (code)
        return code;
    page_payload payload = payload_child(ref);
    return level_add(b, level + 1, split_key_whole(b->level[level].bound, bound_bytes), &payload, error);
}

/* The open page becomes the last one; the one before it leaves. */
static levin_code level_cut(tree_build *b, unsigned level, bool overflowed, levin_error *error)
{
    build_level *v = &b->level[level];
    levin_code code = v->last.page ? level_emit(b, &v->last, error) : LEVIN_OK;
    if (code)
        return code;
    v->last = v->open;
    v->last_overflowed = overflowed;
    v->open.page = NULL;
    v->open.cells = 0;
    page_draft_seal(&v->last);
    return LEVIN_OK;
}

/* The open page has no room for the next cell. */
static levin_code level_overflow(tree_build *b, unsigned level, levin_error *error)
{
    build_level *v = &b->level[level];
    levin_code code = level_cut(b, level, true, error);
    if (code || b->appending)
        return code;
    size_t used = page_draft_used(&v->last), target = b->page_bytes / 10 * 9;
    unsigned keep = v->last.cells;
    while (keep > 1 && used > target)
        used -= page_draft_cell_bytes(&v->last, --keep);
    if (keep == v->last.cells)
        return LEVIN_OK;
    code = draft_open(b, &v->open, level, error);
    if (code)
        return code;
    /* a part of a page fits a page: its keys share at least the prefix of the whole */
    page_draft_copy(&v->open, &b->spare, v->last.page, keep, v->last.cells);
    page_draft_truncate(&v->last, keep);
    return LEVIN_OK;
}

/* A page for the cells that follow. */
static levin_code level_open(tree_build *b, unsigned level, levin_error *error)
{
    build_level *v = &b->level[level];
    if (level == 0 && !b->edge_known && !v->last.page)
        b->first_bound_bytes = split_key_copy(b->first_bound, b->lower);
    return draft_open(b, &v->open, level, error);
}

/* Nothing has come to a higher level yet. */
static bool level_is_top(const tree_build *b, unsigned level)
{
    for (unsigned i = level + 1; i < b->levels; i++)
        if (b->level[i].cells)
            return false;
    return true;
}

static levin_code level_add(tree_build *b, unsigned level, split_key key, const page_payload *payload,
                            levin_error *error)
{
    build_level *v = &b->level[level];
    if (level && v->cells == 0 && level_is_top(b, level)) /* nothing is left of it */
        key = split_key_whole((const uint8_t *)"", 0);
    v->cells++;
    for (;;) {
        levin_code code = v->open.page ? LEVIN_OK : level_open(b, level, error);
        if (code)
            return code;
        if (page_draft_add(&v->open, &b->spare, key, payload))
            return LEVIN_OK;
        code = level_overflow(b, level, error); /* leaves the open page smaller, or none: into none every cell fits */
        if (code)
            return code;
    }
}

/* All cells of the open page into the last one, if they fit. */
static bool level_join(tree_build *b, build_level *v)
{
    unsigned cells = v->last.cells;
    if (page_draft_used(&v->last) + page_draft_used(&v->open) - PAGE_HEADER_BYTES > b->page_bytes)
        return false;
    page_draft_seal(&v->open);
    bool joined = page_draft_copy(&v->last, &b->spare, v->open.page, 0, v->open.cells) == v->open.cells;
    if (joined)
        draft_drop(b, &v->open);
    else /* keys that share less take more room; what is taken back leaves a shorter prefix only */
        page_draft_truncate(&v->last, cells);
    page_draft_seal(&v->last);
    return joined;
}

/* Moves cells from the end of the last page to the front of the open one until both are about the same size. */
static levin_code level_even_out(tree_build *b, unsigned level, levin_error *error)
{
    build_level *v = &b->level[level];
    size_t left = page_draft_used(&v->last), right = page_draft_used(&v->open);
    unsigned keep = v->last.cells;
    while (keep > 1) {
        size_t cell = page_draft_cell_bytes(&v->last, keep - 1);
        if (left - cell < right + cell)
            break;
        left -= cell;
        right += cell;
        keep--;
    }
    page_draft fresh;
    levin_code code = draft_open(b, &fresh, level, error);
    if (code)
        return code;
    page_draft_seal(&v->last);
    page_draft_seal(&v->open);
    if (page_draft_copy(&fresh, &b->spare, v->last.page, keep, v->last.cells) == v->last.cells &&
        page_draft_copy(&fresh, &b->spare, v->open.page, 0, v->open.cells) == v->open.cells) {
        draft_drop(b, &v->open);
        v->open = fresh;
        page_draft_truncate(&v->last, keep);
    } else {
        draft_drop(b, &fresh); /* keys that share less take more room: the pages stay as they are */
    }
    return LEVIN_OK;
}

static levin_code level_balance(tree_build *b, unsigned level, bool at_end, levin_error *error)
{
    build_level *v = &b->level[level];
    if (!v->last.page || !v->open.page)
        return LEVIN_OK;
    size_t open = page_draft_used(&v->open);
    bool small = open < b->page_bytes / 4, smallish = v->last_overflowed && open < b->page_bytes / 2;
    if ((!small && !smallish) || level_join(b, v) || (at_end && b->appending))
        return LEVIN_OK;
    return level_even_out(b, level, error);
}

static levin_code level_end(tree_build *b, unsigned level, bool at_end, levin_error *error)
{
    build_level *v = &b->level[level];
    levin_code code = level_balance(b, level, at_end, error);
    if (!code && v->last.page)
        code = level_emit(b, &v->last, error);
    if (!code && v->open.page)
        code = level_emit(b, &v->open, error);
    if (level == 0)
        b->edge_known = false;
    return code;
}

/* ---- the caller's side ---- */

levin_code build_init(tree_build *b, const levin_io *io, page_cache *cache, space *pages, uint64_t identity,
                      uint32_t page_bytes, uint64_t generation, uint64_t memory_bytes, levin_error *error)
{
    uint64_t run_pages = (memory_bytes < BUILD_RUN_BYTES ? memory_bytes : BUILD_RUN_BYTES) / page_bytes;
    size_t key_max = LEVIN_KEY_MAX_BYTES(page_bytes);
    memset(b, 0, sizeof *b);
    b->io = io;
    b->cache = cache;
    b->space = pages;
    b->identity = identity;
    b->generation = generation;
    b->page_bytes = page_bytes;
    b->wanted = BUILD_RUN_PAGES_FIRST;
    b->run_pages = run_pages < BUILD_RUN_PAGES_FIRST ? BUILD_RUN_PAGES_FIRST : run_pages;
    b->lower = split_key_whole((const uint8_t *)"", 0);
    b->first_bound = io_alloc(io, key_max);
    b->edge = io_alloc(io, key_max);
    b->spare = io_alloc(io, page_bytes);
    if (!b->first_bound || !b->edge || !b->spare)
        return error_memory(error, page_bytes);
    return level_use(b, 0, error);
}

void build_fini(tree_build *b, bool keep)
{
    size_t key_max = LEVIN_KEY_MAX_BYTES(b->page_bytes);
    for (unsigned i = 0; i < b->run_count; i++)
        buffer_give(b, b->run[i].page);
    for (unsigned level = 0; level < b->levels; level++) {
        build_level *v = &b->level[level];
        if (v->last.page)
            draft_drop(b, &v->last);
        if (v->open.page)
            draft_drop(b, &v->open);
        io_free(b->io, v->bound, key_max);
    }
    while (b->idle) {
        uint8_t *page = b->idle;
        memcpy(&b->idle, page, sizeof b->idle);
        io_free(b->io, page, b->page_bytes);
    }
    io_free(b->io, b->spare, b->page_bytes);
    io_free(b->io, b->first_bound, key_max);
    io_free(b->io, b->edge, key_max);
    for (size_t i = 0; i < b->taken.count && !keep; i++)
        page_cache_forget(b->cache, b->taken.items[i].first, b->taken.items[i].pages);
    extent_list_fini(&b->taken, b->io);
}

levin_code build_add(tree_build *b, split_key key, const page_payload *payload, levin_error *error)
{
    return level_add(b, 0, key, payload, error);
}

levin_code build_copy(tree_build *b, const uint8_t *leaf, unsigned from, unsigned to, levin_error *error)
{
    build_level *v = &b->level[0];
    while (from < to) {
        levin_code code = v->open.page ? LEVIN_OK : level_open(b, 0, error);
        if (code)
            return code;
        from = page_draft_copy(&v->open, &b->spare, leaf, from, to);
        if (from < to && (code = level_overflow(b, 0, error)))
            return code;
    }
    return LEVIN_OK;
}

levin_code build_boundary(tree_build *b, unsigned level, levin_error *error)
{
    build_level *v = &b->level[level];
    if (level >= b->levels || !v->open.page || page_draft_used(&v->open) < b->page_bytes / 4 * 3)
        return LEVIN_OK;
    return level_cut(b, level, false, error);
}

levin_code build_settle(tree_build *b, unsigned level, bool *settled, levin_error *error)
{
    *settled = false;
    for (unsigned i = 0; i <= level && i < b->levels; i++) {
        build_level *v = &b->level[i];
        if (v->open.page && !v->last.page && page_draft_used(&v->open) < b->page_bytes / 4)
            return LEVIN_OK;
        levin_code code = level_end(b, i, false, error);
        if (code)
            return code;
    }
    *settled = true;
    return LEVIN_OK;
}

levin_code build_share(tree_build *b, unsigned level, split_key key, page_ref ref, levin_error *error)
{
    page_payload payload = payload_child(ref);
    for (unsigned i = 0; i <= level + 1; i++) { /* levels are numbered without gaps */
        levin_code code = level_use(b, i, error);
        if (code)
            return code;
    }
    return level_add(b, level + 1, key, &payload, error);
}

/* The one page of the highest level: the root, or, when it has one child only, that child. */
static levin_code root_leave(tree_build *b, page_draft *d, page_ref *root, uint32_t *height, levin_error *error)
{
    *height = d->level + 1;
    if (d->level == 0 || d->cells > 1)
        return page_leave(b, d, root, error);
    *height = d->level;
    *root = branch_child(d->page, 0);
    draft_drop(b, d);
    return LEVIN_OK;
}

levin_code build_finish(tree_build *b, page_ref *root, uint32_t *height, levin_error *error)
{
    levin_code code = LEVIN_OK;
    *root = (page_ref){0, 0};
    *height = 0;
    for (unsigned level = 0; level < b->levels && !code; level++) { /* b->levels grows meanwhile */
        build_level *v = &b->level[level];
        code = level_balance(b, level, true, error);
        if (code || (!v->last.page && !v->open.page))
            continue;
        if (level_is_top(b, level) && !(v->last.page && v->open.page)) {
            code = root_leave(b, v->last.page ? &v->last : &v->open, root, height, error);
            break;
        }
        code = level_end(b, level, true, error);
    }
    if (!code)
        code = run_flush(b, error);
    if (!code && b->left.pages)
        code = space_give(b->space, b->left, error);
    if (!code)
        b->left.pages = 0;
    return code;
}
