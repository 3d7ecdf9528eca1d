/*
 * mem_node.c - searching, filling and splitting one node of the memtable's B+tree.
 *
 * Invariants: mem_node.h.  skip starts as the whole key when a node gets its first record, shrinks when a record
 * without the prefix comes, and grows again when a split has left keys with more in common.  Shrinking computes
 * the new heads from the old ones and the prefix, without touching the records.
 * Concurrency: the writing functions take nodes that no reader has seen.
 * Crash safety: memory only.
 */
#include "mem_node.h"

/* Of a node that skips something: its prefix, in full (keys longer than the inline part are read from a record). */
static const uint8_t *node_prefix(const mem_node *node)
{
    return node->skip <= MEM_PREFIX_BYTES ? node->prefix : record_key(node->record[0]);
}

static size_t common_bytes(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    size_t n = a_bytes < b_bytes ? a_bytes : b_bytes, i = 0;
    while (i + 8 <= n && load_u64(a + i) == load_u64(b + i))
        i += 8;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

int mem_node_prefix_order(const mem_node *node, const uint8_t *key, size_t key_bytes)
{
    size_t n = key_bytes < node->skip ? key_bytes : node->skip;
    int c = memcmp(key, node_prefix(node), n);
    return c ? c : -(key_bytes < node->skip);
}

unsigned mem_node_search_ties(const mem_node *node, unsigned slot, uint64_t head, const uint8_t *key,
                              size_t key_bytes, bool *equal)
{
    unsigned end = slot + 1;
    if (end < node->count && node->head[end] == head) {
        end = head == UINT64_MAX ? node->count : mem_heads_below(node->head, head + 1);
    }
    size_t skip = node->skip;
    while (slot < end) {
        unsigned middle = slot + (end - slot) / 2;
        const uint8_t *record = node->record[middle];
        int c = key_compare(record_key(record) + skip, record_key_bytes(record) - skip, key + skip, key_bytes - skip);
        if (c == 0) {
            *equal = true;
            return middle;
        }
        if (c < 0)
            slot = middle + 1;
        else
            end = middle;
    }
    return slot;
}

void mem_node_init(mem_node *node, unsigned level)
{
    node->count = 0;
    node->skip = 0;
    node->level = (uint8_t)level;
    node->last = MEM_NO_RUN;
    memset(node->head, 0xff, sizeof node->head);
}

static void copy_header(mem_node *to, const mem_node *from)
{
    memcpy((char *)to + offsetof(mem_node, count), (const char *)from + offsetof(mem_node, count),
           offsetof(mem_node, head) - offsetof(mem_node, count));
}

void mem_node_copy(mem_node *to, const mem_node *from)
{
    copy_header(to, from);
    memcpy(to->head, from->head, sizeof to->head);
    memcpy(to->record, from->record, from->count * sizeof to->record[0]);
    if (from->level)
        memcpy(((mem_branch *)to)->child, ((const mem_branch *)from)->child,
               (from->count + 1u) * sizeof(mem_node *));
}

static uint64_t head_of(const uint8_t *record, size_t skip)
{
    return key_head64(record_key(record) + skip, record_key_bytes(record) - skip);
}

void mem_leaf_copy_insert(mem_node *to, const mem_node *from, unsigned slot, const uint8_t *record)
{
    size_t before = slot, after = from->count - before;
    assert(from->count < MEM_LEAF_KEYS);
    copy_header(to, from);
    memcpy(to->head, from->head, before * sizeof to->head[0]);
    to->head[slot] = head_of(record, from->skip);
    memcpy(to->head + slot + 1, from->head + slot, (MEM_LEAF_KEYS - 1 - before) * sizeof to->head[0]);
    memcpy(to->record, from->record, before * sizeof to->record[0]);
    to->record[slot] = record;
    memcpy(to->record + slot + 1, from->record + slot, after * sizeof to->record[0]);
    to->count++;
    to->last = (uint8_t)slot;
}

static void keep_prefix(mem_node *node, const uint8_t *key, size_t skip)
{
    node->skip = (uint16_t)skip;
    memcpy(node->prefix, key, skip < MEM_PREFIX_BYTES ? skip : MEM_PREFIX_BYTES);
}

static void skip_less(mem_node *node, size_t skip)
{
    size_t drop = node->skip - skip, from_prefix = drop < 8 ? drop : 8;
    uint64_t front = key_head64(node_prefix(node) + skip, from_prefix);
    for (unsigned i = 0; i < node->count; i++)
        node->head[i] = drop < 8 ? front | node->head[i] >> (8 * drop) : front;
    node->skip = (uint16_t)skip; /* what is left of the prefix is in place already */
}

/* After a split. */
static void skip_more(mem_node *node)
{
    if (node->count == 0) {
        node->skip = 0;
        return;
    }
    const uint8_t *first = node->record[0], *last = node->record[node->count - 1];
    size_t skip = common_bytes(record_key(first), record_key_bytes(first), record_key(last), record_key_bytes(last));
    if (skip < (size_t)node->skip + MEM_SKIP_STEP)
        return;
    keep_prefix(node, record_key(first), skip);
    for (unsigned i = 0; i < node->count; i++)
        node->head[i] = head_of(node->record[i], skip);
}

/* Makes the skip fit for a record that is about to be added. */
static void skip_for(mem_node *node, const uint8_t *record)
{
    const uint8_t *key = record_key(record);
    size_t key_bytes = record_key_bytes(record);
    if (node->count == 0) {
        keep_prefix(node, key, key_bytes < MEM_SKIP_STEP ? 0 : key_bytes);
    } else if (mem_node_prefix(node, key, key_bytes) != 0) {
        size_t common = common_bytes(key, key_bytes, node_prefix(node), node->skip);
        skip_less(node, common < MEM_SKIP_STEP ? 0 : common);
    }
}

void mem_node_insert(mem_node *node, unsigned slot, const uint8_t *record, mem_node *right)
{
    size_t after = node->count - slot;
    assert(slot <= node->count && node->count < (node->level ? MEM_BRANCH_KEYS : MEM_LEAF_KEYS));
    skip_for(node, record);
    memmove(node->head + slot + 1, node->head + slot, after * sizeof node->head[0]);
    node->head[slot] = head_of(record, node->skip);
    memmove(node->record + slot + 1, node->record + slot, after * sizeof node->record[0]);
    node->record[slot] = record;
    if (node->level) {
        mem_node **child = mem_child(node, slot + 1);
        memmove(child + 1, child, after * sizeof *child);
        *child = right;
    }
    node->count++;
    node->last = (uint8_t)slot;
}

/* The upper records, without children. */
static void move_records(mem_node *node, mem_node *right, unsigned from)
{
    unsigned moved = node->count - from;
    if (moved) {
        right->skip = node->skip;
        memcpy(right->prefix, node->prefix, sizeof right->prefix);
    }
    memcpy(right->head, node->head + from, moved * sizeof node->head[0]);
    memcpy(right->record, node->record + from, moved * sizeof node->record[0]);
    right->count = (uint16_t)moved;
}

static void cut_records(mem_node *node, unsigned count)
{
    memset(node->head + count, 0xff, (node->count - count) * sizeof node->head[0]);
    node->count = (uint16_t)count;
    node->last = MEM_NO_RUN;
}

static void remove_records(mem_node *node, unsigned from, unsigned to)
{
    unsigned after = node->count - to;
    memmove(node->head + from, node->head + to, after * sizeof node->head[0]);
    memmove(node->record + from, node->record + to, after * sizeof node->record[0]);
    cut_records(node, from + after);
    if (node->count == 0)
        node->skip = 0; /* there is no record left to read a long prefix from */
}

void mem_leaf_cut(mem_node *node, unsigned from, unsigned to)
{
    assert(node->level == 0 && from < to && to <= node->count && to - from < node->count);
    remove_records(node, from, to);
}

void mem_branch_cut(mem_node *node, unsigned from, unsigned to)
{
    assert(node->level && from < to && to <= node->count + 1u && to - from <= node->count);
    memmove(mem_child(node, from), mem_child(node, to), (node->count + 1u - to) * sizeof(mem_node *));
    unsigned separator = from ? from - 1 : 0; /* the one before each child that goes, or, at the left edge, behind */
    remove_records(node, separator, separator + (to - from));
}

void mem_leaf_split(mem_node *node, mem_node *right, unsigned from)
{
    move_records(node, right, from);
    cut_records(node, from);
    skip_more(node);
    skip_more(right);
}

const uint8_t *mem_branch_split(mem_node *node, mem_node *right, unsigned up)
{
    const uint8_t *separator = node->record[up];
    memcpy(mem_child(right, 0), mem_child(node, up + 1), (node->count - up) * sizeof(mem_node *));
    move_records(node, right, up + 1);
    cut_records(node, up);
    skip_more(node);
    skip_more(right);
    return separator;
}
