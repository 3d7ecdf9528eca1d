/*
 * tree_walk.c - the walk of tree_walk.h.
 *
 * Invariants: a page has the level of its parent minus one, so the walk ends; the keys of a page that is handed out
 * lie in the bounds that its parents give.  Memory: a page a level and a key.
 * Concurrency: one thread; the tree is immutable.  Crash safety: nothing is written.
 */
#include "tree_walk.h"

typedef struct walk_page {
    uint8_t *page;
    unsigned next, cells;
    split_key lower, upper; /* they point into the pages above */
    bool bounded;
} walk_page;

typedef struct walk {
    const tree_walk *w;
    uint8_t *used;
    uint8_t *key;
    walk_page stack[PAGE_HEIGHT_MAX];
} walk;

/* The order of key i of the page and a bound. */
static int key_against(walk *k, const uint8_t *page, unsigned i, split_key bound)
{
    size_t bytes = split_key_copy(k->key, page_split_key(page, k->w->t->page_bytes, i));
    return split_key_compare(k->key, bytes, bound);
}

static levin_code page_claim(walk *k, uint64_t number, levin_error *fault)
{
    const tree *t = k->w->t;
    if (number < page_first(t->page_bytes) || number >= t->page_count || number >= k->w->file_pages)
        return error_corrupt(fault, k->w->pages->name, 0, k->w->file_pages, number,
                             "page %llu is referred to, which is not in the file", (unsigned long long)number);
    if (k->used[number / 8] >> number % 8 & 1)
        return error_corrupt(fault, k->w->pages->name, number * t->page_bytes, 0, number, "page %llu is reached twice",
                             (unsigned long long)number);
    k->used[number / 8] |= (uint8_t)(1u << number % 8);
    return LEVIN_OK;
}

/* Reads and proves a page. Damage is told in *fault; only other errors are returned by way of it, too. */
static levin_code page_prove(walk *k, walk_page *at, page_ref ref, unsigned level, levin_error *fault)
{
    const tree *t = k->w->t;
    const uint64_t offset = ref.number * t->page_bytes;
    size_t done;
    page_expect expect = {.identity = t->identity, .page_bytes = t->page_bytes, .page_count = t->page_count,
                          .max_generation = t->generation, .ref = ref, .type = level ? PAGE_BRANCH : PAGE_LEAF,
                          .level = (int)level};
    levin_code code = page_claim(k, ref.number, fault);
    if (!code)
        code = file_read(k->w->pages, at->page, t->page_bytes, offset, &done, fault);
    if (!code && done < t->page_bytes)
        code = error_corrupt(fault, k->w->pages->name, offset + done, t->page_bytes, done,
                             "the file ends inside or before page %llu", (unsigned long long)ref.number);
    if (!code)
        code = page_verify(at->page, &expect, fault);
    if (code)
        return code;
    at->next = 0;
    at->cells = page_cells(at->page);
    if (key_against(k, at->page, 0, at->lower) < 0 ||
        (at->bounded && key_against(k, at->page, at->cells - 1, at->upper) >= 0))
        code = error_corrupt(fault, k->w->pages->name, offset, 0, ref.number,
                             "page %llu has keys outside the bounds that its parent gives",
                             (unsigned long long)ref.number);
    return code;
}

/* *inside: the children of the page at this depth are to be walked. */
static levin_code page_visit(walk *k, unsigned depth, page_ref ref, bool *inside, levin_error *error)
{
    const tree_walk *w = k->w;
    walk_page *at = &k->stack[depth];
    unsigned level = w->t->height - 1 - depth;
    levin_error fault;
    *inside = false;
    if (level < w->lowest)
        return LEVIN_OK;
    levin_code code = page_prove(k, at, ref, level, &fault);
    if (code == LEVIN_CORRUPT && w->damaged)
        return w->damaged(w->context, &fault, at->lower, at->upper, at->bounded, error);
    if (code) {
        *error = fault;
        return code;
    }
    *inside = level > 0;
    return w->page(w->context, ref, level, at->page, error);
}

static levin_code walk_all(walk *k, levin_error *error)
{
    const uint32_t page_bytes = k->w->t->page_bytes;
    unsigned depth = 0;
    bool inside;
    k->stack[0].lower = k->stack[0].upper = split_key_whole((const uint8_t *)"", 0);
    k->stack[0].bounded = false;
    levin_code code = page_visit(k, 0, k->w->t->root, &inside, error);
    while (!code && inside) {
        walk_page *at = &k->stack[depth], *below = at + 1;
        if (at->next == at->cells) {
            if (depth-- == 0)
                break;
            continue;
        }
        unsigned i = at->next++;
        bool last = at->next == at->cells, enter;
        below->lower = i ? page_split_key(at->page, page_bytes, i) : at->lower;
        below->upper = last ? at->upper : page_split_key(at->page, page_bytes, i + 1);
        below->bounded = !last || at->bounded;
        code = page_visit(k, depth + 1, branch_child(at->page, i), &enter, error);
        depth += enter;
    }
    return code;
}

levin_code tree_walk_run(const tree_walk *w, uint8_t *used, levin_error *error)
{
    const tree *t = w->t;
    const levin_io *io = w->pages->io;
    walk k = {.w = w, .used = used};
    levin_code code = tree_height_check(t, error);
    if (code || t->height == 0)
        return code;
    k.key = io_alloc(io, LEVIN_KEY_MAX_BYTES(t->page_bytes));
    if (!k.key)
        code = error_memory(error, LEVIN_KEY_MAX_BYTES(t->page_bytes));
    for (unsigned i = 0; i < t->height && !code; i++) {
        k.stack[i].page = io_alloc(io, t->page_bytes);
        if (!k.stack[i].page)
            code = error_memory(error, t->page_bytes);
    }
    if (!code)
        code = walk_all(&k, error);
    for (unsigned i = 0; i < t->height; i++)
        io_free(io, k.stack[i].page, t->page_bytes);
    io_free(io, k.key, LEVIN_KEY_MAX_BYTES(t->page_bytes));
    return code;
}
