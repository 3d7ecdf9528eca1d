/*
 * tree.c - point lookup in a page tree, and values held in extents.
 *
 * Invariants: a page of level n is reached only from a page of level n + 1, so every descent ends after `height`
 * steps, whatever the pages say.  All pages come through the cache and are verified.
 * Concurrency: the tree is immutable; the caller's read-side section keeps the frames.
 * Crash safety: nothing is written here.
 */
#include "tree.h"

#include "checksum.h"

static inline page_expect expectation(const tree *t, page_ref ref, unsigned level)
{
    return (page_expect){.identity = t->identity, .page_bytes = t->page_bytes, .page_count = t->page_count,
                         .max_generation = t->generation, .ref = ref,
                         .type = level ? PAGE_BRANCH : PAGE_LEAF, .level = (int)level};
}

levin_code tree_page(const tree *t, page_ref ref, unsigned level, page_frame **frame, levin_error *error)
{
    page_expect expect = expectation(t, ref, level);
    return page_cache_get(t->cache, &expect, frame, error); /* checks type and level on a hit, too */
}

levin_code tree_page_prefetched(const tree *t, page_ref ref, unsigned level, page_frame **frame, levin_error *error)
{
    page_expect expect = expectation(t, ref, level);
    return page_cache_get_prefetched(t->cache, &expect, frame, error);
}

levin_code tree_height_check(const tree *t, levin_error *error)
{
    if (t->height <= PAGE_HEIGHT_MAX)
        return LEVIN_OK;
    return error_corrupt(error, PAGE_FILE_NAME, META_HEIGHT, PAGE_HEIGHT_MAX, t->height, "impossible tree height");
}

static inline __attribute__((always_inline)) levin_code
find(const tree *t, const uint8_t *key, size_t key_bytes, page_frame **leaf, page_value *value, levin_error *error)
{
    page_frame *frame;
    page_ref ref = t->root;
    if (t->height == 0)
        return LEVIN_NOT_FOUND;
    levin_code code = tree_height_check(t, error);
    if (code)
        return code;
    for (unsigned level = t->height - 1; level > 0; level--) {
        code = tree_page(t, ref, level, &frame, error);
        if (code)
            return code;
        ref = branch_child(frame->page, branch_child_for(frame->page, t->page_bytes, key, key_bytes));
    }
    code = tree_page(t, ref, 0, &frame, error);
    if (code)
        return code;
    bool equal;
    unsigned i = page_lower_bound(frame->page, t->page_bytes, key, key_bytes, &equal);
    if (!equal)
        return LEVIN_NOT_FOUND;
    *value = leaf_value(frame->page, i);
    *leaf = frame;
    return LEVIN_OK;
}

levin_code tree_find(const tree *t, const uint8_t *key, size_t key_bytes, page_value *value, levin_error *error)
{
    page_frame *leaf;
    return find(t, key, key_bytes, &leaf, value, error);
}

levin_code tree_find_frame(const tree *t, const uint8_t *key, size_t key_bytes, page_frame **leaf, page_value *value,
                           levin_error *error)
{
    return find(t, key, key_bytes, leaf, value, error);
}

static levin_code no_value_log(const page_value *value, levin_error *error)
{
    return error_corrupt(error, vlog_segment_name(vlog_segment_of(value->first_page)).text,
                         vlog_offset_of(value->first_page), 0, value->first_page,
                         "a pointer into the value log, where there is none");
}

levin_code tree_value_bounds(const tree *t, const page_value *value, levin_error *error)
{
    if (value->kind != VALUE_LOG)
        return LEVIN_OK; /* page_verify() has seen to it */
    const vlog_pointer p = page_value_pointer(value);
    return t->values ? vlog_bounds(t->values, &p, error) : no_value_log(value, error);
}

levin_code tree_read_extent(const tree *t, const page_value *value, uint8_t *buffer, levin_error *error)
{
    if (value->kind == VALUE_LOG) {
        const vlog_pointer p = page_value_pointer(value);
        return t->values ? vlog_read(t->values, &p, buffer, error) : no_value_log(value, error);
    }
    file *f = page_cache_file(t->cache);
    uint64_t offset = value->first_page * t->page_bytes;
    size_t done;
    levin_code code = file_read(f, buffer, value->bytes, offset, &done, error);
    if (code)
        return code;
    if (done < value->bytes)
        return error_corrupt(error, f->name, offset + done, value->bytes, done, "the file ends inside a value");
    uint64_t found = checksum(buffer, value->bytes, checksum_seed(t->identity, PLACE_EXTENT, value->first_page));
    if (found != value->checksum)
        return error_corrupt(error, f->name, offset, value->checksum, found,
                             "a value of %zu bytes does not match its checksum", value->bytes);
    return LEVIN_OK;
}
