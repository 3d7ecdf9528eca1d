/*
 * memtable_test.c - the memtable against a sorted array.
 *
 * Invariants checked: find, iteration both ways, seek and seek_for_prev at every gap equal the model; every node
 * keeps what mem_node.h says; older roots stay as they were while groups go on, although everything that none of
 * them reaches is poisoned and recycled; an abort, asked for or after any failed allocation, restores the table;
 * memory stays flat and is freed.  A failure prints the seed: LEVIN_TEST_SEED=n runs that one alone.
 */
#include <stdio.h>

#include "mem_node.h"

#include "../faults/check_main.h"
#include "memory_io_test.h"

enum { KEY_MAX = 16384, SNAPSHOTS = 4 };

/* As ck_assert(), which reports each success too: far too slow here. */
#define check(condition)                                                                                        \
    do {                                                                                                        \
        if (!(condition))                                                                                       \
            ck_abort_msg("%s", #condition);                                                                     \
    } while (0)

/* ---- model ---- */

typedef struct model {
    const uint8_t **record; /* ascending by key */
    size_t count, capacity;
    const uint8_t **range;  /* all ranges deleted, in order */
    size_t ranges, range_capacity;
} model;

static int key_order(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    for (size_t i = 0; i < a_bytes && i < b_bytes; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* The number of keys before the key. */
static size_t model_rank(const model *o, const uint8_t *key, size_t key_bytes, bool *equal)
{
    size_t low = 0, high = o->count;
    *equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const uint8_t *r = o->record[middle];
        int c = key_order(record_key(r), record_key_bytes(r), key, key_bytes);
        if (c == 0)
            *equal = true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool range_has(const uint8_t *range, const uint8_t *key, size_t key_bytes)
{
    return key_order(record_key(range), record_key_bytes(range), key, key_bytes) <= 0 &&
           (!record_value_bytes(range) ||
            key_order(key, key_bytes, record_value(range), record_value_bytes(range)) < 0);
}

static bool model_hides(const model *o, const uint8_t *key, size_t key_bytes)
{
    for (size_t i = 0; i < o->ranges; i++)
        if (range_has(o->range[i], key, key_bytes))
            return true;
    return false;
}

static void model_delete_range(model *o, const uint8_t *record)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->count; i++)
        if (!range_has(record, record_key(o->record[i]), record_key_bytes(o->record[i])))
            o->record[kept++] = o->record[i];
    o->count = kept;
    if (o->ranges == o->range_capacity) {
        o->range_capacity = o->range_capacity ? o->range_capacity * 2 : 64;
        o->range = realloc(o->range, o->range_capacity * sizeof *o->range);
        check(o->range != NULL);
    }
    o->range[o->ranges++] = record;
}

static void model_apply(model *o, const uint8_t *record)
{
    if (record_kind(record) == RECORD_DELETE_RANGE) {
        model_delete_range(o, record);
        return;
    }
    bool equal;
    size_t at = model_rank(o, record_key(record), record_key_bytes(record), &equal);
    if (!equal) {
        if (o->count == o->capacity) {
            o->capacity = o->capacity ? o->capacity * 2 : 64;
            o->record = realloc(o->record, o->capacity * sizeof *o->record);
            check(o->record != NULL);
        }
        memmove(o->record + at + 1, o->record + at, (o->count - at) * sizeof *o->record);
        o->count++;
    }
    o->record[at] = record;
}

static void model_copy(model *to, const model *from)
{
    free(to->record);
    to->record = malloc((from->count + 1) * sizeof *to->record);
    check(to->record != NULL);
    if (from->count)
        memcpy(to->record, from->record, from->count * sizeof *to->record);
    to->count = to->capacity = from->count;
    to->capacity++;
    free(to->range);
    to->range = malloc((from->ranges + 1) * sizeof *to->range);
    check(to->range != NULL);
    if (from->ranges)
        memcpy(to->range, from->range, from->ranges * sizeof *to->range);
    to->ranges = from->ranges;
    to->range_capacity = from->ranges + 1;
}

static void model_free(model *o)
{
    free(o->record);
    free(o->range);
    *o = (model){ 0 };
}

/* ---- world: a table, its model, snapshots of both, nodes waiting to be recycled ---- */

typedef struct retired {
    mem_node *node;
    uint64_t death; /* group that replaced it */
} retired;

typedef struct world {
    memory_io io;
    memtable *m;
    uint64_t group, random;
    const mem_node *root, *mask;
    bool ranges;            /* range deletes, too */
    model now;
    struct {
        const mem_node *root, *mask;
        uint64_t group;
        model model;
        bool held;
    } snapshot[SNAPSHOTS];
    retired *waiting;
    size_t waiting_count, waiting_capacity, recycled;
    unsigned style;
    uint8_t key[KEY_MAX + 1];
    uint8_t path[KEY_MAX]; /* keys that are prefixes of one another are prefixes of this */
} world;

static uint64_t rnd(world *w, uint64_t below)
{
    w->random += 0x9e3779b97f4a7c15u;
    uint64_t x = w->random;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

static world *world_open(uint64_t seed, size_t chunk_bytes)
{
    world *w = calloc(1, sizeof *w);
    check(w != NULL);
    w->random = seed;
    for (size_t i = 0; i < KEY_MAX; i++)
        w->path[i] = (uint8_t)"\x00\xff" "ab"[rnd(w, 4)];
    w->m = memtable_create(memory_io_init(&w->io), chunk_bytes);
    check(w->m != NULL);
    return w;
}

static void world_close(world *w)
{
    memtable_unref(w->m); /* nodes that still wait go with it */
    check(w->io.held == 0);
    check(w->io.held_bytes == 0);
    for (size_t i = 0; i < SNAPSHOTS; i++)
        model_free(&w->snapshot[i].model);
    model_free(&w->now);
    free(w->waiting);
    free(w);
}

enum { STYLE_TINY, STYLE_SHARED, STYLE_PREFIXES, STYLE_DECIMAL, STYLE_RANDOM, STYLE_RUNS, STYLE_EDGES, STYLE_MIXED };

/* Writes an adversarial key to w->key; returns its size. */
static size_t make_key(world *w)
{
    unsigned style = w->style == STYLE_MIXED ? (unsigned)rnd(w, STYLE_MIXED) : w->style;
    size_t n = 0;
    switch (style) {
    case STYLE_TINY: /* 0x00, 0xff and little else, so that keys are prefixes of others */
        n = 1 + rnd(w, 6);
        for (size_t i = 0; i < n; i++)
            w->key[i] = (uint8_t)"\x00\xff\x01"[rnd(w, 3)];
        break;
    case STYLE_SHARED: /* a common prefix of some length, and a few bytes */
        n = (const size_t[]){ 3, 4, 8, 41, 42, 43, 100 }[rnd(w, 7)];
        memset(w->key, 'p', n);
        for (size_t i = rnd(w, 4); i-- > 0;)
            w->key[n++] = (uint8_t)rnd(w, 256);
        break;
    case STYLE_PREFIXES:
        n = 1 + rnd(w, rnd(w, 50) ? 200 : KEY_MAX);
        memcpy(w->key, w->path, n);
        break;
    case STYLE_DECIMAL:
        n = (size_t)snprintf((char *)w->key, 24, "%016u", (unsigned)rnd(w, 5000));
        break;
    case STYLE_RANDOM:
        for (n = 0; n < 16; n++)
            w->key[n] = (uint8_t)rnd(w, 256);
        break;
    case STYLE_RUNS: /* 0x00... and 0xff... up to the longest key */
        n = 1 + rnd(w, rnd(w, 50) ? 100 : KEY_MAX);
        memset(w->key, rnd(w, 2) ? 0xff : 0, n);
        break;
    default: /* differ in one byte near the ends of a head or of the inline prefix */
        n = 60;
        memset(w->key, 'e', n);
        w->key[(const size_t[]){ 0, 3, 7, 8, 9, 15, 16, 41, 42, 43, 49, 50, 59 }[rnd(w, 13)]] = (uint8_t)rnd(w, 256);
        w->key[rnd(w, n)] = (uint8_t)rnd(w, 256);
        break;
    }
    return n;
}

static size_t put_record(world *w, uint8_t *to, size_t key_bytes)
{
    size_t value_bytes = rnd(w, 4) ? rnd(w, 9) : 0;
    store_u8(to + RECORD_KIND, value_bytes ? RECORD_PUT : RECORD_DELETE);
    store_u8(to + RECORD_FLAGS, 0);
    store_u16(to + RECORD_KEY_BYTES, (uint16_t)key_bytes);
    store_u32(to + RECORD_VALUE_BYTES, (uint32_t)value_bytes);
    memcpy(to + RECORD_HEADER_BYTES, w->key, key_bytes);
    memset(to + RECORD_HEADER_BYTES + key_bytes, 'v', value_bytes);
    check(record_check(to, record_bytes(to)));
    return record_bytes(to);
}

/* A range between two keys that are there or not; mostly a short one, seldom one without an end. */
static size_t put_range(world *w, uint8_t *to)
{
    size_t lower_bytes = make_key(w), upper_bytes = 0;
    uint8_t *lower = to + RECORD_HEADER_BYTES;
    memcpy(lower, w->key, lower_bytes);
    if (w->now.count > 30 && rnd(w, 8)) {
        size_t at = rnd(w, w->now.count - 30);
        const uint8_t *first = w->now.record[at], *last = w->now.record[at + 1 + rnd(w, rnd(w, 4) ? 4 : 29)];
        lower_bytes = record_key_bytes(first);
        memcpy(lower, record_key(first), lower_bytes);
        upper_bytes = record_key_bytes(last);
        memcpy(w->key, record_key(last), upper_bytes);
    } else if (rnd(w, 8)) {
        upper_bytes = make_key(w);
        if (key_order(lower, lower_bytes, w->key, upper_bytes) >= 0) { /* up to its successor */
            upper_bytes = lower_bytes < KEY_MAX ? lower_bytes + 1 : 0;
            memcpy(w->key, lower, lower_bytes);
            w->key[lower_bytes] = 0;
        }
    }
    store_u8(to + RECORD_KIND, RECORD_DELETE_RANGE);
    store_u8(to + RECORD_FLAGS, 0);
    store_u16(to + RECORD_KEY_BYTES, (uint16_t)lower_bytes);
    store_u32(to + RECORD_VALUE_BYTES, (uint32_t)upper_bytes);
    memcpy(lower + lower_bytes, w->key, upper_bytes);
    check(record_check(to, record_bytes(to)));
    return record_bytes(to);
}

/* ---- checks ---- */

/* Checks the invariants of mem_node.h below the node; lower and upper (may be NULL) bound its keys. Returns records. */
static size_t check_node(const mem_node *node, unsigned level, const uint8_t *lower, const uint8_t *upper,
                         bool ranges)
{
    size_t records = level ? 0 : node->count, skip = node->skip;
    check(node->level == level);
    check(node->count >= 1 || (level && ranges));
    check(node->count <= (level ? MEM_BRANCH_KEYS : MEM_LEAF_KEYS));
    check(skip == 0 || skip >= MEM_SKIP_STEP);
    for (unsigned i = 0; i < MEM_LEAF_KEYS; i++) {
        if (i >= node->count) {
            check(node->head[i] == UINT64_MAX);
            continue;
        }
        const uint8_t *r = node->record[i], *key = record_key(r);
        size_t key_bytes = record_key_bytes(r);
        check(key_bytes >= skip);
        check(memcmp(key, node->prefix, skip < MEM_PREFIX_BYTES ? skip : MEM_PREFIX_BYTES) == 0);
        check(memcmp(key, record_key(node->record[0]), skip) == 0);
        check(node->head[i] == key_head64(key + skip, key_bytes - skip));
        const uint8_t *before = i ? node->record[i - 1] : lower;
        if (before) {
            int c = key_order(record_key(before), record_key_bytes(before), key, key_bytes);
            check(c < 0 || (i == 0 && c == 0));
        }
        if (upper)
            check(key_order(key, key_bytes, record_key(upper), record_key_bytes(upper)) < 0);
    }
    for (unsigned i = 0; level && i <= node->count; i++)
        records += check_node(mem_child_const(node, i), level - 1, i ? node->record[i - 1] : lower,
                              i < node->count ? node->record[i] : upper, ranges);
    return records;
}

static void check_probe(const mem_node *root, const model *o, const uint8_t *key, size_t key_bytes)
{
    bool equal;
    size_t rank = model_rank(o, key, key_bytes, &equal);
    mem_cursor c;
    check(memtable_find(root, key, key_bytes) == (equal ? o->record[rank] : NULL));
    mem_cursor_init(&c, root);
    check(!mem_cursor_valid(&c));
    check(mem_cursor_seek(&c, key, key_bytes) == (rank < o->count));
    check(mem_cursor_valid(&c) == (rank < o->count));
    if (rank < o->count)
        check(mem_cursor_record(&c) == o->record[rank]);
    if (rank < o->count && mem_cursor_prev(&c))
        check(mem_cursor_record(&c) == o->record[rank - 1]);
    size_t up_to = rank + equal;
    check(mem_cursor_seek_for_prev(&c, key, key_bytes) == (up_to > 0));
    check(mem_cursor_valid(&c) == (up_to > 0));
    if (up_to > 0)
        check(mem_cursor_record(&c) == o->record[up_to - 1]);
    if (up_to > 0 && mem_cursor_next(&c))
        check(mem_cursor_record(&c) == o->record[up_to]);
}

/* All keys of the model and, between them, keys that are not there. */
static void check_find_many(world *w, const mem_node *root, const model *o)
{
    size_t count = 0, most = 2 * o->count + 40;
    levin_slice *keys = malloc(most * sizeof *keys);
    const uint8_t **records = malloc(most * sizeof *records);
    uint8_t absent[40][24];
    check(keys && records);
    for (size_t i = 0; i < o->count || count < 40; i++) {
        if (i < o->count)
            keys[count++] = (levin_slice){ record_key(o->record[i]), record_key_bytes(o->record[i]) };
        if (i < 40) {
            size_t n = rnd(w, 24) + 1;
            for (size_t k = 0; k < n; k++)
                absent[i][k] = (uint8_t)"\x00\xff\x01p0"[rnd(w, 5)];
            keys[count++] = (levin_slice){ absent[i], n };
        }
    }
    memtable_find_many(root, keys, count, records);
    for (size_t i = 0; i < count; i++)
        check(records[i] == memtable_find(root, keys[i].data, keys[i].size));
    free(keys);
    free(records);
}

static void check_iteration(const mem_node *root, const model *o)
{
    mem_cursor c;
    size_t at = 0;
    if (root)
        check(check_node(root, root->level, NULL, NULL, o->ranges > 0) == o->count);
    mem_cursor_init(&c, root);
    check(!mem_cursor_next(&c) && !mem_cursor_prev(&c));
    for (bool more = mem_cursor_first(&c); more; more = mem_cursor_next(&c), at++)
        check(mem_cursor_record(&c) == (at < o->count ? o->record[at] : NULL));
    check(at == o->count);
    check(!mem_cursor_valid(&c) && !mem_cursor_next(&c));
    for (bool more = mem_cursor_last(&c); more; more = mem_cursor_prev(&c), at--)
        check(mem_cursor_record(&c) == (at ? o->record[at - 1] : NULL));
    check(at == 0);
    check(!mem_cursor_valid(&c) && !mem_cursor_prev(&c));
}

static void check_hidden(const mem_node *mask, const model *o, const uint8_t *key, size_t key_bytes)
{
    mem_stretch stretch;
    bool hidden = model_hides(o, key, key_bytes);
    check(mem_mask_covers(mask, key, key_bytes) == hidden);
    mem_mask_stretch(mask, key, key_bytes, &stretch);
    check(stretch.deleted == hidden);
    check(mem_stretch_holds(&stretch, key, key_bytes));
}

/* The ranges of the mask are disjoint and do not touch, and it hides what the model hides. */
static void check_mask(world *w, const mem_node *mask, const model *o)
{
    mem_cursor c;
    const uint8_t *before = NULL;
    if (mask)
        check_node(mask, mask->level, NULL, NULL, true);
    mem_cursor_init(&c, mask);
    for (bool more = mem_cursor_first(&c); more; more = mem_cursor_next(&c)) {
        const uint8_t *r = mem_cursor_record(&c);
        check(record_kind(r) == RECORD_DELETE_RANGE && record_check(r, record_bytes(r)));
        if (before)
            check(record_value_bytes(before) && key_order(record_value(before), record_value_bytes(before),
                                                          record_key(r), record_key_bytes(r)) < 0);
        before = r;
        check_hidden(mask, o, record_key(r), record_key_bytes(r));
        if (record_value_bytes(r))
            check_hidden(mask, o, record_value(r), record_value_bytes(r));
    }
    for (size_t i = 0; i < o->ranges; i++) {
        check_hidden(mask, o, record_key(o->range[i]), record_key_bytes(o->range[i]));
        if (record_value_bytes(o->range[i]))
            check_hidden(mask, o, record_value(o->range[i]), record_value_bytes(o->range[i]));
    }
    for (int i = 0; i < 20; i++) {
        size_t n = make_key(w);
        check_hidden(mask, o, w->key, n);
    }
}

/* Every key, the gaps right after and right before it, and the ends. */
static void check_root(world *w, const mem_node *root, const model *o, size_t stride)
{
    check_iteration(root, o);
    check_find_many(w, root, o);
    check_probe(root, o, (const uint8_t *)"", 1);
    for (size_t i = 0; i < o->count; i += stride) {
        const uint8_t *r = o->record[i];
        size_t n = record_key_bytes(r);
        check_probe(root, o, record_key(r), n);
        memcpy(w->key, record_key(r), n);
        w->key[n] = 0;
        check_probe(root, o, w->key, n + 1); /* its successor: nothing lies between */
        if (w->key[n - 1] == 0) {
            if (n > 1)
                check_probe(root, o, w->key, n - 1);
        } else {
            w->key[n - 1]--;
            w->key[n] = 0xff;
            check_probe(root, o, w->key, n + 1);
        }
    }
    for (int i = 0; i < 20; i++) {
        size_t n = make_key(w);
        check_probe(root, o, w->key, n);
    }
    memset(w->key, 0xff, KEY_MAX);
    check_probe(root, o, w->key, KEY_MAX);
}

/* ---- groups ---- */

/* Recycles, poisoned, every waiting node that neither the newest root nor a snapshot reaches. */
static void recycle_unreachable(world *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->waiting_count; i++) {
        retired r = w->waiting[i];
        bool reachable = false;
        for (size_t s = 0; s < SNAPSHOTS; s++)
            reachable |= w->snapshot[s].held && mem_node_birth(r.node) <= w->snapshot[s].group &&
                         w->snapshot[s].group < r.death;
        if (reachable) {
            w->waiting[kept++] = r;
            continue;
        }
        unsigned level = r.node->level;
        memset(r.node, 0xa5, level ? sizeof(mem_branch) : sizeof(mem_node));
        r.node->level = (uint8_t)level; /* tells the table its size */
        memtable_recycle(w->m, r.node);
        w->recycled++;
    }
    w->waiting_count = kept;
}

static void keep_replaced(world *w, mem_node_list *replaced)
{
    size_t count = replaced->count, popped = 0;
    for (mem_node *node; (node = mem_node_list_pop(replaced)) != NULL; popped++) {
        if (w->waiting_count == w->waiting_capacity) {
            w->waiting_capacity = w->waiting_capacity ? w->waiting_capacity * 2 : 64;
            w->waiting = realloc(w->waiting, w->waiting_capacity * sizeof *w->waiting);
            check(w->waiting != NULL);
        }
        check(mem_node_birth(node) < w->group);
        w->waiting[w->waiting_count++] = (retired){ node, w->group };
    }
    check(popped == count);
}

/* Writes `count` random operations back to back into the arena; NULL when out of memory. */
static const uint8_t *make_records(world *w, size_t count)
{
    bool any_length = w->style == STYLE_PREFIXES || w->style == STYLE_RUNS || w->style == STYLE_MIXED;
    size_t most = count * (RECORD_HEADER_BYTES + 2 * (any_length ? KEY_MAX : 128) + 16), used = 0;
    uint8_t *records = arena_reserve(memtable_arena(w->m), most);
    if (!records)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t key_bytes = make_key(w);
        if (w->now.count && rnd(w, 5) == 0) { /* a key that is there */
            const uint8_t *r = w->now.record[rnd(w, w->now.count)];
            key_bytes = record_key_bytes(r);
            memcpy(w->key, record_key(r), key_bytes);
        }
        used += w->ranges && rnd(w, 25) == 0 ? put_range(w, records + used) : put_record(w, records + used, key_bytes);
    }
    arena_trim(memtable_arena(w->m), records, most, used);
    return records;
}

static bool apply_records(world *w, const uint8_t *records, size_t count, bool batch)
{
    if (batch)
        return memtable_apply_batch(w->m, records, count);
    for (size_t i = 0; i < count; i++, records += record_bytes(records))
        if (!memtable_apply(w->m, records))
            return false;
    return true;
}

/* Nodes below and including `node` that were born before the group; all of them with group UINT64_MAX. */
static size_t nodes_before(const mem_node *node, uint64_t group)
{
    size_t n = node && node->birth < group;
    for (unsigned i = 0; node && node->level && i <= node->count; i++)
        n += nodes_before(mem_child_const(node, i), group);
    return n;
}

static void finish_group(world *w, const uint8_t *records, size_t count)
{
    mem_node_list replaced;
    const mem_node *old = w->root, *old_mask = w->mask;
    w->root = memtable_finish(w->m, &replaced);
    w->mask = memtable_roots(w->m, DOMAIN_PLAIN).mask;
    check(memtable_roots(w->m, DOMAIN_PLAIN).keys == w->root);
    /* a node of the old roots is in the new ones or among the replaced */
    check(nodes_before(old, UINT64_MAX) + nodes_before(old_mask, UINT64_MAX) ==
          nodes_before(w->root, w->group) + nodes_before(w->mask, w->group) + replaced.count);
    for (size_t i = 0; i < count; i++, records += record_bytes(records))
        model_apply(&w->now, records);
    keep_replaced(w, &replaced);
    check(memtable_entries(w->m) == w->now.count);
}

static void random_group(world *w)
{
    size_t count = rnd(w, 3) ? 1 + rnd(w, 60) : 1;
    const uint8_t *records = make_records(w, count);
    check(records != NULL);
    bool abort_it = rnd(w, 5) == 0;
    memtable_begin(w->m, ++w->group);
    check(apply_records(w, records, count, rnd(w, 2)));
    if (abort_it) {
        memtable_abort(w->m);
        check(memtable_entries(w->m) == w->now.count);
        if (rnd(w, 2))
            w->group--; /* the number of an aborted group may come again */
    } else {
        finish_group(w, records, count);
    }
}

static void random_snapshot(world *w)
{
    size_t s = rnd(w, SNAPSHOTS);
    if (w->snapshot[s].held) {
        check_iteration(w->snapshot[s].root, &w->snapshot[s].model);
        check_mask(w, w->snapshot[s].mask, &w->snapshot[s].model);
        w->snapshot[s].held = false;
    } else {
        w->snapshot[s].held = true;
        w->snapshot[s].root = w->root;
        w->snapshot[s].mask = w->mask;
        /* the group that made this root; an aborted one after it made none */
        w->snapshot[s].group = w->group;
        model_copy(&w->snapshot[s].model, &w->now);
    }
}

static void random_run(uint64_t seed, unsigned style, unsigned groups)
{
    world *w = world_open(seed, 1 << 16);
    w->style = style;
    w->ranges = seed % 2 == 0;
    for (unsigned g = 1; g <= groups; g++) {
        random_group(w);
        if (rnd(w, 8) == 0)
            random_snapshot(w);
        recycle_unreachable(w);
        if (g % 40 == 0) {
            check_root(w, w->root, &w->now, 1);
            check_mask(w, w->mask, &w->now);
        }
        for (size_t s = 0; g % 40 == 0 && s < SNAPSHOTS; s++)
            if (w->snapshot[s].held)
                check_root(w, w->snapshot[s].root, &w->snapshot[s].model, 7);
        check(memtable_bytes(w->m) == w->io.held_bytes);
    }
    check(w->recycled > groups / 2);
    world_close(w);
}

static void random_runs(unsigned style)
{
    const char *one = getenv("LEVIN_TEST_SEED");
    fprintf(stderr, "memtable, keys of style %u, seeds:", style);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t s = one ? strtoull(one, NULL, 10) : seed;
        fprintf(stderr, " %llu", (unsigned long long)s); /* when it fails, the last one shown is the one */
        random_run(s, style, 240);
        if (one)
            break;
    }
    fprintf(stderr, "\n");
}

#define RANDOM_TEST(name, style)                                                                                \
    START_TEST(memtable__equals_the_model_with_##name)                                                          \
    {                                                                                                           \
        random_runs(style);                                                                                     \
    }                                                                                                           \
    END_TEST
RANDOM_TEST(tiny_keys, STYLE_TINY)
RANDOM_TEST(shared_prefixes, STYLE_SHARED)
RANDOM_TEST(keys_that_are_prefixes_of_others, STYLE_PREFIXES)
RANDOM_TEST(decimal_keys, STYLE_DECIMAL)
RANDOM_TEST(random_keys, STYLE_RANDOM)
RANDOM_TEST(runs_of_zeros_and_ones, STYLE_RUNS)
RANDOM_TEST(differences_at_the_edges_of_a_head, STYLE_EDGES)
RANDOM_TEST(all_kinds_of_keys, STYLE_MIXED)

/* ---- shapes ---- */

static size_t decimal(world *w, uint64_t number)
{
    return (size_t)snprintf((char *)w->key, 24, "%016llu", (unsigned long long)number);
}

static const uint8_t *one_record(world *w, size_t key_bytes)
{
    uint8_t *r = arena_reserve(memtable_arena(w->m), RECORD_HEADER_BYTES + key_bytes + 16);
    if (r)
        put_record(w, r, key_bytes);
    return r;
}

static void apply_one(world *w, size_t key_bytes)
{
    const uint8_t *r = one_record(w, key_bytes);
    check(r != NULL);
    check(memtable_apply(w->m, r));
}

static void finish_and_recycle(world *w)
{
    mem_node_list replaced;
    w->root = memtable_finish(w->m, &replaced);
    for (mem_node *node; (node = mem_node_list_pop(&replaced)) != NULL;)
        memtable_recycle(w->m, node);
}

static size_t leaves(const mem_node *node)
{
    size_t n = 0;
    if (node->level == 0)
        return 1;
    for (unsigned i = 0; i <= node->count; i++)
        n += leaves(mem_child_const(node, i));
    return n;
}

START_TEST(memtable__ascending_and_descending_loads_leave_full_leaves)
{
    enum { COUNT = 100000 };
    for (int way = 0; way < 3; way++) {
        world *w = world_open(1, 1 << 20);
        for (uint64_t i = 0; i < COUNT; i++) {
            if (i % 100 == 0)
                memtable_begin(w->m, ++w->group);
            /* up; down; up in three places by turns */
            apply_one(w, decimal(w, way == 0 ? i : way == 1 ? COUNT - i : i % 3 * COUNT + i / 3));
            if (i % 100 == 99)
                finish_and_recycle(w);
        }
        check_node(w->root, w->root->level, NULL, NULL, false);
        ck_assert_uint_eq(memtable_entries(w->m), COUNT);
        ck_assert_uint_le(leaves(w->root), COUNT / MEM_LEAF_KEYS + 12);
        if (way == 0) /* and full branches */
            ck_assert_uint_le(nodes_before(w->root, UINT64_MAX) - leaves(w->root), leaves(w->root) / 60 + 2);
        world_close(w);
    }
}
END_TEST

/* Against the heuristics: fill a leaf upwards, then go down from its end. */
START_TEST(memtable__no_order_of_insertion_leaves_leaves_nearly_empty)
{
    world *w = world_open(1, 1 << 20);
    uint64_t count = 0;
    memtable_begin(w->m, ++w->group);
    for (uint64_t block = 0; block < 300; block++) {
        uint64_t base = block * 1000000;
        for (uint64_t i = 0; i < 64; i++, count++)
            apply_one(w, decimal(w, base + i));
        for (uint64_t i = 0; i < 300; i++, count++)
            apply_one(w, decimal(w, base + 900000 - i));
    }
    finish_and_recycle(w);
    check_node(w->root, w->root->level, NULL, NULL, false);
    ck_assert_uint_eq(memtable_entries(w->m), count);
    ck_assert_uint_le(leaves(w->root), count / 24);
    ck_assert_uint_le(w->root->level, 3);
    world_close(w);
}
END_TEST

START_TEST(memtable__a_full_branch_splits_at_every_slot)
{
    for (uint64_t slot = 0; slot <= MEM_BRANCH_KEYS; slot++) {
        world *w = world_open(1, 1 << 20);
        memtable_begin(w->m, ++w->group);
        for (uint64_t i = 0; i < MEM_LEAF_KEYS * (MEM_BRANCH_KEYS + 1); i++)
            apply_one(w, decimal(w, 10 * i));
        finish_and_recycle(w);
        ck_assert_uint_eq(w->root->level, 1);
        ck_assert_uint_eq(w->root->count, MEM_BRANCH_KEYS);
        memtable_begin(w->m, ++w->group);
        apply_one(w, decimal(w, 10 * MEM_LEAF_KEYS * slot + 105));
        finish_and_recycle(w);
        ck_assert_uint_eq(w->root->level, 2);
        ck_assert_uint_eq(check_node(w->root, 2, NULL, NULL, false), MEM_LEAF_KEYS * (MEM_BRANCH_KEYS + 1) + 1);
        world_close(w);
    }
}
END_TEST

static size_t leaves_with_ties(const mem_node *node)
{
    size_t n = 0;
    for (unsigned i = 0; node->level && i <= node->count; i++)
        n += leaves_with_ties(mem_child_const(node, i));
    for (unsigned i = 1; !node->level && i < node->count; i++)
        if (node->head[i] == node->head[i - 1])
            return 1;
    return n;
}

START_TEST(memtable__heads_tell_keys_with_a_common_prefix_apart)
{
    enum { CLUSTERS = 16, COUNT = 60000 };
    world *w = world_open(9, 1 << 20);
    for (uint64_t i = 0; i < COUNT; i++) {
        if (i % 50 == 0)
            memtable_begin(w->m, ++w->group);
        apply_one(w, decimal(w, rnd(w, CLUSTERS) * 1000000000000 + rnd(w, 100000000)));
        if (i % 50 == 49)
            finish_and_recycle(w);
    }
    check_node(w->root, w->root->level, NULL, NULL, false);
    ck_assert_uint_gt(leaves(w->root), COUNT / MEM_LEAF_KEYS);
    ck_assert_uint_le(leaves_with_ties(w->root), CLUSTERS); /* only a leaf that two clusters share */
    world_close(w);
}
END_TEST

START_TEST(memtable__the_last_operation_on_a_key_in_a_batch_wins)
{
    world *w = world_open(3, 1 << 20);
    enum { KEYS = 50, OPS = 2000 };
    size_t most = OPS * 64, used = 0;
    uint8_t *records = arena_reserve(memtable_arena(w->m), most);
    const uint8_t *last[KEYS] = { 0 };
    ck_assert_ptr_nonnull(records);
    for (size_t i = 0; i < OPS; i++) {
        uint64_t key = rnd(w, KEYS);
        last[key] = records + used;
        used += put_record(w, records + used, decimal(w, key));
    }
    arena_trim(memtable_arena(w->m), records, most, used);
    memtable_begin(w->m, 1);
    ck_assert(memtable_apply_batch(w->m, records, OPS));
    finish_and_recycle(w);
    for (uint64_t key = 0; key < KEYS; key++) {
        size_t n = decimal(w, key);
        ck_assert_ptr_eq(memtable_find(w->root, w->key, n), last[key]);
    }
    world_close(w);
}
END_TEST

START_TEST(memtable__an_empty_group_and_an_empty_table_are_fine)
{
    world *w = world_open(1, 1 << 20);
    mem_node_list replaced;
    memtable_begin(w->m, 1);
    ck_assert(memtable_apply_batch(w->m, NULL, 0));
    ck_assert_ptr_null(memtable_finish(w->m, &replaced));
    ck_assert_uint_eq(replaced.count, 0);
    check_root(w, NULL, &w->now, 1);
    memtable_begin(w->m, 2);
    apply_one(w, decimal(w, 1));
    memtable_abort(w->m);
    memtable_begin(w->m, 2);
    ck_assert_ptr_null(memtable_finish(w->m, &replaced));
    ck_assert_uint_eq(memtable_entries(w->m), 0);
    world_close(w);
}
END_TEST

START_TEST(memtable__node_lists_keep_order_and_count)
{
    mem_node nodes[5];
    mem_node_list a = { 0 }, b = { 0 };
    ck_assert_ptr_null(mem_node_list_pop(&a));
    mem_node_list_append(&a, &b);
    ck_assert_uint_eq(a.count, 0);
    for (int i = 0; i < 5; i++) {
        mem_node_list one = { &nodes[i], &nodes[i], 1 };
        mem_node_list_append(i < 2 ? &a : &b, &one);
        ck_assert_uint_eq(one.count, 0);
    }
    mem_node_list_append(&a, &b);
    ck_assert_uint_eq(a.count, 5);
    ck_assert_ptr_eq(a.last, &nodes[4]);
    ck_assert(b.count == 0 && !b.first && !b.last);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_eq(mem_node_list_pop(&a), &nodes[i]);
    ck_assert(a.count == 0 && !a.first && !a.last);
}
END_TEST

/* ---- memory ---- */

START_TEST(memtable__memory_is_flat_in_a_million_groups_of_one)
{
    enum { KEYS = 1000, GROUPS = 1000000 };
    world *w = world_open(5, 1 << 20);
    const uint8_t *record[2][KEYS];
    for (size_t i = 0; i < 2 * KEYS; i++)
        record[i / KEYS][i % KEYS] = one_record(w, decimal(w, i % KEYS));
    memtable_begin(w->m, ++w->group);
    for (size_t i = 0; i < KEYS; i++)
        ck_assert(memtable_apply(w->m, record[0][i]));
    finish_and_recycle(w);
    size_t warm = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        memtable_begin(w->m, ++w->group);
        check(memtable_apply(w->m, record[rnd(w, 2)][rnd(w, KEYS)]));
        finish_and_recycle(w);
        if (g == 10)
            warm = memtable_bytes(w->m);
        if (g > 10 && memtable_bytes(w->m) != warm)
            ck_abort_msg("group %zu: %zu bytes, %zu in group 10", g, memtable_bytes(w->m), warm);
    }
    ck_assert_uint_eq(memtable_entries(w->m), KEYS);
    ck_assert_uint_eq(memtable_bytes(w->m), w->io.held_bytes);
    world_close(w);
}
END_TEST

/* Nodes that a group makes and drops again come back; so do those that it drops of older groups. */
START_TEST(memtable__memory_is_flat_when_groups_delete_what_they_put)
{
    world *w = world_open(6, 1 << 20);
    uint8_t *all = arena_reserve(memtable_arena(w->m), RECORD_HEADER_BYTES + 1);
    const uint8_t *record[3000];
    memcpy(all, "\3\0\1\0\0\0\0\0\0", RECORD_HEADER_BYTES + 1);
    ck_assert(record_check(all, RECORD_HEADER_BYTES + 1));
    for (size_t i = 0; i < 3000; i++)
        record[i] = one_record(w, decimal(w, i * 7919 % 3000));
    size_t after_first = 0;
    for (int g = 0; g < 300; g++) {
        memtable_begin(w->m, ++w->group);
        for (size_t i = 0; i < 3000; i++) {
            if (i == 1000 || i == 2500)
                check(memtable_apply(w->m, all));
            check(memtable_apply(w->m, record[i]));
        }
        finish_and_recycle(w);
        check(memtable_entries(w->m) == 500);
        if (g == 3)
            after_first = memtable_bytes(w->m);
        if (g > 3)
            ck_assert_uint_eq(memtable_bytes(w->m), after_first);
    }
    world_close(w);
}
END_TEST

START_TEST(memtable__memory_is_flat_in_aborted_groups)
{
    world *w = world_open(5, 1 << 20);
    const uint8_t *record[500];
    for (size_t i = 0; i < 500; i++)
        record[i] = one_record(w, decimal(w, i * 7919 % 500));
    memtable_begin(w->m, ++w->group);
    for (size_t i = 0; i < 250; i++)
        ck_assert(memtable_apply(w->m, record[i]));
    finish_and_recycle(w);
    size_t after_first = 0;
    for (int g = 0; g < 1000; g++) {
        memtable_begin(w->m, ++w->group);
        for (size_t i = 0; i < 500; i++)
            check(memtable_apply(w->m, record[i]));
        memtable_abort(w->m);
        if (g == 0)
            after_first = memtable_bytes(w->m);
        ck_assert_uint_eq(memtable_bytes(w->m), after_first);
    }
    ck_assert_uint_eq(memtable_entries(w->m), 250);
    world_close(w);
}
END_TEST

/*
 * One run in which the n-th allocation fails (and, on request, all after it). Whether any failed.  Nothing is
 * recycled, so that nodes are allocated at many places.
 */
static bool run_with_failure(uint64_t n, bool on, uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->random = seed;
    w->style = (unsigned[]){ STYLE_SHARED, STYLE_DECIMAL, STYLE_RANDOM, STYLE_EDGES }[seed % 4];
    const levin_io *io = memory_io_init(&w->io);
    w->ranges = seed % 4 == 1;
    w->io.fail_at = n;
    w->io.fail_on = on;
    w->m = memtable_create(io, 1 << 20);
    for (int group = 0; w->m && group < 40; group++) {
        size_t count = 1 + rnd(w, 100);
        const uint8_t *records = make_records(w, count);
        uint64_t failed = w->io.failed;
        bool batch = rnd(w, 2), applied = false;
        if (!records && (on || !(records = make_records(w, count))))
            break; /* no memory for the records: nothing begun */
        memtable_begin(w->m, ++w->group);
        applied = apply_records(w, records, count, batch);
        if (!applied) {
            ck_assert_uint_eq(w->io.failed, failed + 1); /* it stops at the first failure */
            memtable_abort(w->m);
            ck_assert_uint_eq(memtable_entries(w->m), w->now.count);
            check_iteration(w->root, &w->now);
            if (on)
                break;
            memtable_begin(w->m, w->group);
            ck_assert(apply_records(w, records, count, !batch));
        }
        finish_group(w, records, count);
    }
    bool any = w->io.failed > 0;
    check_iteration(w->root, &w->now);
    if (w->m)
        memtable_unref(w->m);
    ck_assert_uint_eq(w->io.held, 0);
    model_free(&w->now);
    free(w->waiting);
    free(w);
    return any;
}

START_TEST(memtable__any_failed_allocation_leaves_a_table_to_abort)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (int on = 0; on < 2; on++) {
            uint64_t n = 1;
            while (run_with_failure(n, on, seed))
                n++;
            ck_assert_uint_gt(n, 20); /* that many allocations were failed */
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("memtable", TEST(memtable__equals_the_model_with_tiny_keys),
                TEST(memtable__equals_the_model_with_shared_prefixes),
                TEST(memtable__equals_the_model_with_keys_that_are_prefixes_of_others),
                TEST(memtable__equals_the_model_with_decimal_keys),
                TEST(memtable__equals_the_model_with_random_keys),
                TEST(memtable__equals_the_model_with_runs_of_zeros_and_ones),
                TEST(memtable__equals_the_model_with_differences_at_the_edges_of_a_head),
                TEST(memtable__equals_the_model_with_all_kinds_of_keys),
                TEST(memtable__ascending_and_descending_loads_leave_full_leaves),
                TEST(memtable__no_order_of_insertion_leaves_leaves_nearly_empty),
                TEST(memtable__a_full_branch_splits_at_every_slot),
                TEST(memtable__heads_tell_keys_with_a_common_prefix_apart),
                TEST(memtable__the_last_operation_on_a_key_in_a_batch_wins),
                TEST(memtable__an_empty_group_and_an_empty_table_are_fine),
                TEST(memtable__node_lists_keep_order_and_count),
                TEST(memtable__memory_is_flat_in_a_million_groups_of_one),
                TEST(memtable__memory_is_flat_when_groups_delete_what_they_put),
                TEST(memtable__memory_is_flat_in_aborted_groups),
                TEST(memtable__any_failed_allocation_leaves_a_table_to_abort))
