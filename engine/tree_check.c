/*
 * tree_check.c - walks a whole tree and reports every fault.
 *
 * Reads the file and not the cache: what stands in memory was right when it was read, and the question is what stands
 * on disk now.  A page that does not verify is reported and left out with all that is below it; the walk goes on
 * beside it.
 *
 * Invariants: no page is visited twice (the bitmap), no page has a level other than its parent's minus one, so the
 * walk ends.  Memory is bounded by the height: one buffer a level, and one window for extents.
 * Concurrency: the tree is immutable.  Crash safety: nothing is written.
 */
#include "checksum.h"
#include "page_draft.h"
#include "tree.h"

enum { CHECK_WINDOW_BYTES = 256 << 10 };

typedef struct check_page {
    uint8_t *page;
    unsigned next;          /* child or cell to come */
    split_key lower, upper; /* of its keys; they point into the pages above */
    bool bounded;           /* there is an upper bound */
} check_page;

typedef struct checker {
    const tree *t;
    file *pages;
    uint8_t *used;
    levin_check_report report;
    void *context;
    levin_check_result *result;
    bool stop;              /* the report asked for it */
    levin_error *first;     /* the first fault, and what is returned */
    uint8_t *window;
    uint8_t *key;           /* room for a key */
    unsigned height;        /* buffers in stack[] */
    check_page stack[PAGE_HEIGHT_MAX];
} checker;

static void fault(checker *c, const levin_error *e)
{
    c->result->faults++;
    if (c->first->code == LEVIN_OK)
        *c->first = *e;
    if (c->report && !c->report(c->context, e))
        c->stop = true;
}

static uint64_t page_offset(const checker *c, uint64_t number)
{
    return number * c->t->page_bytes;
}

/* Marks pages as used. False, with a report, when one of them is already, or is not in the file. */
static bool pages_mark(checker *c, uint64_t first, uint64_t pages)
{
    levin_error e;
    uint64_t count = c->t->page_count;
    if (first < page_first(c->t->page_bytes) || first >= count || pages > count - first) {
        error_corrupt(&e, c->pages->name, 0, count, first, "page %llu is referred to, which is not in the file",
                      (unsigned long long)first);
        fault(c, &e);
        return false;
    }
    bool fresh = true;
    for (uint64_t n = first; n < first + pages; n++) {
        if (fresh && c->used[n / 8] >> n % 8 & 1) {
            error_corrupt(&e, c->pages->name, page_offset(c, n), 0, n, "page %llu is reached twice",
                          (unsigned long long)n);
            fault(c, &e);
            fresh = false;
        }
        c->used[n / 8] |= (uint8_t)(1u << n % 8);
    }
    return fresh;
}

/* Reads and verifies a page into the buffer of its level. False, with a report, when it is damaged. */
static bool page_read(checker *c, page_ref ref, unsigned level, uint8_t *page)
{
    const tree *t = c->t;
    levin_error e;
    size_t done;
    page_expect expect = {.identity = t->identity, .page_bytes = t->page_bytes, .page_count = t->page_count,
                          .max_generation = t->generation, .ref = ref, .type = level ? PAGE_BRANCH : PAGE_LEAF,
                          .level = (int)level};
    levin_code code = file_read(c->pages, page, t->page_bytes, page_offset(c, ref.number), &done, &e);
    if (!code && done < t->page_bytes)
        code = error_corrupt(&e, c->pages->name, page_offset(c, ref.number) + done, t->page_bytes, done,
                             "the file ends inside or before page %llu", (unsigned long long)ref.number);
    if (!code)
        code = page_verify(page, &expect, &e);
    if (code)
        fault(c, &e);
    return !code;
}

/* The order of key i of a page and a bound. */
static int key_against(checker *c, const uint8_t *page, unsigned i, split_key bound)
{
    size_t bytes = split_key_copy(c->key, page_split_key(page, c->t->page_bytes, i));
    return split_key_compare(c->key, bytes, bound);
}

/* All keys lie between the separators above. Keys ascend within a page (page_verify), so the first and the last
 * tell. */
static void bounds_check(checker *c, const check_page *at, uint64_t number)
{
    unsigned last = page_cells(at->page) - 1;
    levin_error e;
    if (key_against(c, at->page, 0, at->lower) < 0) {
        error_corrupt(&e, c->pages->name, page_offset(c, number), 0, 0,
                      "the first key of page %llu is below the bound that its parent gives",
                      (unsigned long long)number);
        fault(c, &e);
    }
    if (at->bounded && key_against(c, at->page, last, at->upper) >= 0) {
        error_corrupt(&e, c->pages->name, page_offset(c, number), 0, last,
                      "the last key of page %llu is not below the bound that its parent gives",
                      (unsigned long long)number);
        fault(c, &e);
    }
}

/* Reads an extent: the checksum of the value, and zeros behind it. */
static void extent_check(checker *c, const page_value *value)
{
    levin_error e;
    checksum_stream stream;
    uint64_t pages = extent_pages(value->bytes, c->t->page_bytes);
    uint64_t total = pages * c->t->page_bytes, offset = page_offset(c, value->first_page);
    size_t done;
    bool padded = true;
    if (!pages_mark(c, value->first_page, pages))
        return;
    c->result->overflow_pages += pages;
    checksum_begin(&stream, checksum_seed(c->t->identity, PLACE_EXTENT, value->first_page));
    for (uint64_t at = 0; at < total; at += done) {
        size_t want = total - at < CHECK_WINDOW_BYTES ? (size_t)(total - at) : CHECK_WINDOW_BYTES;
        levin_code code = file_read(c->pages, c->window, want, offset + at, &done, &e);
        if (!code && done < want)
            code = error_corrupt(&e, c->pages->name, offset + at + done, want, done, "the file ends inside a value");
        if (code) {
            fault(c, &e);
            return;
        }
        size_t data = at >= value->bytes ? 0 : value->bytes - at < want ? (size_t)(value->bytes - at) : want;
        if (data)
            checksum_add(&stream, c->window, data);
        if (data < want) /* zero and equal to its neighbour, all along */
            padded = padded && c->window[data] == 0 && !memcmp(c->window + data, c->window + data + 1, want - data - 1);
    }
    uint64_t found = checksum_end(&stream);
    if (found != value->checksum) {
        error_corrupt(&e, c->pages->name, offset, value->checksum, found,
                      "a value of %zu bytes does not match its checksum", value->bytes);
        fault(c, &e);
    }
    if (!padded) {
        error_corrupt(&e, c->pages->name, offset + value->bytes, 0, 1, "the bytes behind a value are not 0");
        fault(c, &e);
    }
}

/* Reads a value of the value log. */
static void logged_check(checker *c, const page_value *value)
{
    levin_error e;
    const vlog_pointer p = page_value_pointer(value);
    levin_code code = tree_value_bounds(c->t, value, &e);
    if (!code)
        code = vlog_verify(c->t->values, &p, &e);
    if (code)
        fault(c, &e);
}

static void leaf_check(checker *c, const uint8_t *page)
{
    levin_check_result *r = c->result;
    uint64_t prefix_bytes = page_prefix(page, c->t->page_bytes).size;
    r->leaf_pages++;
    for (unsigned i = 0, cells = page_cells(page); i < cells && !c->stop; i++) {
        page_value value = leaf_value(page, i);
        r->keys++;
        r->key_bytes += prefix_bytes + page_key_suffix(page, i).size;
        r->value_bytes += value.bytes;
        if (value.kind == VALUE_EXTENT)
            extent_check(c, &value);
        else if (value.kind == VALUE_LOG)
            logged_check(c, &value);
    }
}

/* Visits the page at depth `depth`, whose bounds are set. True when its children are to be walked. */
static bool page_visit(checker *c, unsigned depth, page_ref ref)
{
    check_page *at = &c->stack[depth];
    unsigned level = c->height - 1 - depth;
    if (!pages_mark(c, ref.number, 1) || !page_read(c, ref, level, at->page))
        return false;
    at->next = 0;
    bounds_check(c, at, ref.number);
    if (level == 0)
        leaf_check(c, at->page);
    else
        c->result->branch_pages++;
    return level > 0;
}

static void walk(checker *c)
{
    unsigned depth = 0;
    c->stack[0].lower = c->stack[0].upper = split_key_whole((const uint8_t *)"", 0);
    c->stack[0].bounded = false;
    if (!page_visit(c, 0, c->t->root))
        return;
    while (!c->stop) {
        check_page *at = &c->stack[depth], *below = at + 1;
        if (at->next == page_cells(at->page)) {
            if (depth-- == 0)
                return;
            continue;
        }
        unsigned i = at->next++;
        bool last = at->next == page_cells(at->page);
        below->lower = i ? page_split_key(at->page, c->t->page_bytes, i) : at->lower;
        below->upper = last ? at->upper : page_split_key(at->page, c->t->page_bytes, i + 1);
        below->bounded = !last || at->bounded;
        if (page_visit(c, depth + 1, branch_child(at->page, i)))
            depth++;
    }
}

levin_code tree_check(const tree *t, uint8_t *used, levin_check_report report, void *context,
                      levin_check_result *result, levin_error *error)
{
    file *pages = page_cache_file(t->cache);
    const levin_io *io = pages->io;
    levin_error first = {.code = LEVIN_OK};
    checker c = {.t = t, .pages = pages, .used = used, .report = report, .context = context, .result = result,
                 .first = &first};
    uint64_t leaves = result->leaf_pages, branches = result->branch_pages, overflow = result->overflow_pages;
    levin_code code = LEVIN_OK;

    if (t->height == 0)
        return LEVIN_OK;
    if (tree_height_check(t, error)) {
        fault(&c, error);
        return LEVIN_CORRUPT;
    }
    c.window = io_alloc(io, CHECK_WINDOW_BYTES);
    c.key = io_alloc(io, LEVIN_KEY_MAX_BYTES(t->page_bytes));
    if (!c.window || !c.key) {
        code = error_memory(error, CHECK_WINDOW_BYTES);
        goto out;
    }
    for (; c.height < t->height; c.height++) {
        c.stack[c.height].page = io_alloc(io, t->page_bytes);
        if (!c.stack[c.height].page) {
            code = error_memory(error, t->page_bytes);
            goto out;
        }
    }
    walk(&c);
    result->pages += result->leaf_pages - leaves + result->branch_pages - branches + result->overflow_pages - overflow;
    if (first.code) {
        *error = first;
        code = first.code;
    }
out:
    for (unsigned i = 0; i < c.height; i++)
        io_free(io, c.stack[i].page, t->page_bytes);
    io_free(io, c.key, LEVIN_KEY_MAX_BYTES(t->page_bytes));
    io_free(io, c.window, CHECK_WINDOW_BYTES);
    return code;
}
